"""How to look into the networks of :mod:`bnlearn.layers`."""

import copy

import numpy as np
from numpy.typing import NDArray

from bnlearn.diagnostics.reading import NormState
from bnlearn.diagnostics.watch import Watch, random_state_kept
from bnlearn.layers import (
    BatchNorm,
    Conv2d,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    Linear,
    Norm,
    ReLU,
    RMSNorm,
)

__all__ = ["BookModel"]

KINDS = {
    BatchNorm: "batch",
    InstanceNorm: "instance",
    GroupNorm: "group",
    LayerNorm: "layer",
    RMSNorm: "rms",
}
# What a norm keeps for itself is no part of a description.
FIELDS = {"weight", "bias", "running_mean", "running_var"}


class BookModel:
    """A network of the book, ready to be run on copies of it.

    Parameters
    ----------
    model : Layer
        It is never run itself.
    """

    def __init__(self, model: Layer) -> None:
        self.model = model
        self.training = bool(model.training)

    random_state_kept = staticmethod(random_state_kept)

    def norms(self) -> list[NormState]:
        """Describe the norms, in the order of the layers."""
        leaves = self.model.leaves()
        return [_state(place, leaf) for place, leaf in leaves if _kind(leaf)]

    def batch(self, data: object) -> NDArray:
        """Make an array of one batch."""
        return np.asarray(data)

    def watch(self) -> Watch:
        """Make a listener for arrays."""
        return Watch(np.asarray)

    def run(
        self,
        x: NDArray,
        watch: Watch | None = None,
        shifts: dict[str, NDArray] | None = None,
        awake: bool = False,
    ) -> list[tuple[NDArray, float]]:
        """Send a batch through a copy; return what comes out, and its resolution.

        Parameters
        ----------
        x : ndarray
            The batch.
        watch : Watch, optional
            Listens.
        shifts : dict of ndarray, optional
            What to add to the biases of some layers first.
        awake : bool
            Whether to run everything in training mode.
        """
        twin = copy.deepcopy(self.model)
        if awake:
            twin.train()
        for place, leaf in twin.leaves():
            if not self.training and _kind(leaf) in ("batch", "instance"):
                leaf.train()
            if shifts and place in shifts:
                leaf.bias[...] += shifts[place]
            if watch is not None or _kind(leaf):
                _listen(place, leaf, watch or self.watch())
        if watch is not None:
            watch.start(x)
        with self.random_state_kept():
            y = np.asarray(twin(x))
        return [(y, float(np.finfo(y.dtype).eps))]


def _kind(leaf: Layer) -> str | None:
    """Name the kind of a norm, subclasses included; None for other layers."""
    return next((kind for norm, kind in KINDS.items() if isinstance(leaf, norm)), None)


def _state(place: str, leaf: Norm) -> NormState:
    arrays = {key: np.array(value) for key, value in leaf._state().items()}
    count = arrays.pop("num_batches_tracked", None)
    return NormState(
        name=place,
        type=type(leaf).__name__,
        kind=_kind(leaf),
        training=bool(leaf.training),
        eps=leaf.eps,
        count=None if count is None else int(count),
        momentum=getattr(leaf, "momentum", None),
        groups=getattr(leaf, "num_groups", 1),
        trailing=len(getattr(leaf, "normalized_shape", (1,))),
        **{key: value for key, value in arrays.items() if key in FIELDS},
    )


def _listen(place: str, leaf: Layer, watch: Watch) -> None:
    """Make one layer of a copy report what passes through it."""
    forward, kind = leaf.forward, _kind(leaf)

    def listening(x: NDArray) -> NDArray:
        rectifier = None
        if kind:
            state = _state(place, leaf)
            reading = watch.norm(state, np.asarray(x))
            if reading and reading.values == 1 and state.tracks:
                leaf.training = False  # the rest of the network is of interest, too
        elif isinstance(leaf, ReLU):
            rectifier = watch.rectifier(place, x)
        y = forward(x)
        watch.output(place, y)
        if rectifier:
            watch.made(y, rectifier[0], "rectifier", rectifier[1])
        elif kind:
            watch.made(y, place, "norm", -1 if kind in ("layer", "rms") else 1)
        elif isinstance(leaf, Linear | Conv2d):
            what = "affine" if "bias" in leaf.parameters() else "map"
            watch.made(y, place, what, -1 if isinstance(leaf, Linear) else 1)
        return y

    leaf.forward = listening
