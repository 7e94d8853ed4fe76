"""How to look into the networks of :mod:`bnlearn.layers`."""

from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from bnlearn.diagnostics.watch import NormState, Watch, copied, mode_of
from bnlearn.layers import (
    BatchNorm,
    Conv2d,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Linear,
    ReLU,
    RMSNorm,
)

__all__ = ["BookModel"]

NORMS = {
    BatchNorm: "batch",
    InstanceNorm: "instance",
    GroupNorm: "group",
    LayerNorm: "layer",
    RMSNorm: "rms",
}


class BookModel:
    """A network of the book, of which only copies are run."""

    array = staticmethod(np.asarray)

    def __init__(self, model: Layer) -> None:
        self.model = model
        modes = [leaf.training for _, leaf in model.leaves() if leaf.parameters()]
        self.training = mode_of(model.training, modes)

    def random_state_kept(self) -> AbstractContextManager:
        """Keep nothing: layers draw from generators of their own, which are copied."""
        return nullcontext()

    def norms(self) -> list[NormState]:
        """Describe the norms, in the order of the layers."""
        return [
            NormState.of(place, leaf, kind, self.array)
            for place, leaf in self.model.leaves()
            if (kind := _kind(leaf))
        ]

    def batch(self, data: object) -> NDArray:
        """Make an array of one batch; a tensor may have a graph, or a dtype of its own."""
        if hasattr(data, "detach"):
            data = data.detach().cpu()
            data = data.float() if "bfloat16" in str(data.dtype) else data
        return np.asarray(data)

    def run(
        self,
        x: NDArray,
        watch: Watch,
        shifts: dict[str, NDArray] | None = None,
        awake: bool = False,
    ) -> list[NDArray]:
        """Send a batch through a copy that `watch` listens to; return what comes out.

        What `shifts` holds is added to the biases of these layers first. If `awake`,
        all layers are put into training mode.
        """
        twin = copied(self.model)
        if awake:
            twin.train()
        for place, leaf in twin.leaves():
            if not self.training and _kind(leaf) in ("batch", "instance"):
                leaf.train()
            if shifts and place in shifts:
                leaf.bias[...] += shifts[place]
            _listen(place, leaf, watch)
        watch.start(x)
        return [np.asarray(twin(x))]


def _kind(leaf: Layer) -> str | None:
    """Name the kind of a norm, subclasses included; None for other layers."""
    return next((kind for norm, kind in NORMS.items() if isinstance(leaf, norm)), None)


def _listen(place: str, leaf: Layer, watch: Watch) -> None:
    """Make one layer of a copy report what passes through it."""
    forward, kind, what = leaf.forward, _kind(leaf), ""
    if isinstance(leaf, Linear | Conv2d) and "bias" in leaf.parameters():
        what = "affine"
    elif isinstance(leaf, ReLU):
        what = "rectifier"

    last = isinstance(leaf, Linear) or len(getattr(leaf, "normalized_shape", ())) == 1
    axis = -1 if last else 1

    def listening(x: NDArray) -> NDArray:
        if kind:
            watch.norm(place, leaf, kind, x)
        elif what == "rectifier":
            watch.rectifier(place, x)
        y = forward(x)
        watch.made(y, place, what, axis)
        return y

    leaf.forward = listening
