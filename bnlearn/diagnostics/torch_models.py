"""How to look into a PyTorch module; the only part that needs PyTorch."""

import copy
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.overrides import TorchFunctionMode

from bnlearn.diagnostics.reading import NormState
from bnlearn.diagnostics.watch import Watch, random_state_kept

__all__ = ["TorchModel"]

KINDS = {
    _BatchNorm: "batch",
    _InstanceNorm: "instance",
    nn.GroupNorm: "group",
    nn.LayerNorm: "layer",
    nn.RMSNorm: "rms",
}
# All the ways of calling it, in place as well.
RECTIFIERS = {
    functional.relu,
    torch.relu,
    torch.relu_,
    torch.Tensor.relu,
    torch.Tensor.relu_,
}
WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


class TorchModel:
    """A PyTorch module, ready to be run on copies of it.

    Parameters
    ----------
    model : torch.nn.Module
        It is never run itself. What DataParallel, DistributedDataParallel or
        torch.compile wrapped is taken out.

    Raises
    ------
    TypeError
        If the module is a compiled script, whose layers cannot be looked into.
    ValueError
        If it has lazy layers that do not know their shapes yet.
    """

    def __init__(self, model: nn.Module) -> None:
        while True:
            if isinstance(model, WRAPPERS):
                model = model.module
            elif hasattr(model, "_orig_mod"):
                model = model._orig_mod
            else:
                break
        if isinstance(model, torch.jit.ScriptModule):
            raise TypeError("diagnose: expected a module of layers, got a ScriptModule")
        if any(map(nn.parameter.is_lazy, [*model.parameters(), *model.buffers()])):
            raise ValueError(
                "diagnose: expected a module whose shapes are known, got lazy layers "
                "that have seen no data"
            )
        self.model = model
        self.training = model.training

    def norms(self) -> list[NormState]:
        """Describe the norms, in the order in which they were registered."""
        return [
            _state(name, module)
            for name, module in self.model.named_modules()
            if _kind(module)
        ]

    def batch(self, data: object) -> torch.Tensor:
        """Make a tensor of one batch, where the model is; arrays get its dtype."""
        arrays = [*self.model.parameters(), *self.model.buffers()]
        floats = [a for a in arrays if a.is_floating_point()]
        x = data if isinstance(data, torch.Tensor) else torch.tensor(np.asarray(data))
        if floats and x.is_floating_point() and x is not data:
            x = x.to(floats[0].dtype)
        # An alias of its own, so that nobody else's references to the data count.
        return x.detach().to(arrays[0].device) if arrays else x.detach()

    @staticmethod
    @contextmanager
    def random_state_kept() -> Iterator[None]:
        """Put all generators back that a module may draw from."""
        # Only devices in use: asking others for their state would start them.
        devices = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
        with random_state_kept(), torch.random.fork_rng(devices):
            yield

    def watch(self) -> Watch:
        """Make a listener for tensors."""
        return Watch(_array, lambda x: 0 if x.is_inference() else x._version)

    def run(
        self,
        x: torch.Tensor,
        watch: Watch | None = None,
        shifts: dict[str, NDArray] | None = None,
        awake: bool = False,
    ) -> list[tuple[NDArray, float]]:
        """Send a batch through a copy; return the tensors that come out.

        Each is followed by the resolution of the type it was computed in.

        Parameters
        ----------
        x : torch.Tensor
            The batch. The network gets a copy, since it might change it in place.
        watch : Watch, optional
            Listens.
        shifts : dict of ndarray, optional
            What to add to the biases of some layers first.
        awake : bool
            Whether to run everything in training mode.
        """
        twin, x = _copied(self.model), x.clone()
        if awake:
            twin.train()
        listener = _Listener(watch or self.watch())
        with torch.no_grad(), self.random_state_kept():
            for name, module in twin.named_modules():
                kind = _kind(module)
                if kind in ("batch", "instance") and not self.training:
                    module.train()
                if shifts and name in shifts:
                    module.bias += torch.as_tensor(shifts[name]).to(module.bias)
                if isinstance(module, nn.SyncBatchNorm):
                    # Other processes do not take part, so none may be waited for.
                    module.forward = types.MethodType(_BatchNorm.forward, module)
                listener.attach(name, module, kind)
            listener.watch.start(x)
            with listener:
                outputs = [y for y in _tensors(twin(x)) if y.is_floating_point()]
        return [(_array(y), torch.finfo(y.dtype).eps) for y in outputs]


class _Listener(TorchFunctionMode):
    """Hooks on every module of a copy, and an ear for rectifiers that are no modules."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.inside: list[str] = []

    def attach(self, name: str, module: nn.Module, kind: str | None) -> None:
        leaf = next(module.children(), None) is None

        def before(module: nn.Module, inputs: tuple) -> None:
            self.inside.append(name)
            if kind and inputs:
                state = _state(name, module)
                reading = self.watch.norm(state, _batched(module, inputs[0]))
                if reading and reading.values == 1 and state.tracks:
                    module.training = False  # the rest is of interest, too

        def after(module: nn.Module, inputs: tuple, y: object) -> None:
            self.inside.pop()
            if not leaf or not isinstance(y, torch.Tensor):
                return
            self.watch.output(name, y)
            if kind:
                axis = -1 if kind in ("layer", "rms") else 1
                self.watch.made(y, name, "norm", axis)
            elif isinstance(module, nn.Linear | _ConvNd):
                what = "map" if module.bias is None else "affine"
                axis = -1 if isinstance(module, nn.Linear) else 1
                self.watch.made(y, name, what, axis)

        # The last to look before, the first to look after the user's own hooks.
        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)

    def __torch_function__(
        self,
        function: Callable,
        types: object,
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> object:
        """Report rectifiers; call the function itself as it was called."""
        if function not in RECTIFIERS or not args:
            return function(*args, **(kwargs or {}))
        name, axis = self.watch.rectifier(
            self.inside[-1] if self.inside else "", args[0]
        )
        y = function(*args, **(kwargs or {}))
        self.watch.made(y, name, "rectifier", axis)
        return y


def _kind(module: nn.Module) -> str | None:
    """Name the kind of a norm, subclasses included; None for other modules."""
    return next(
        (kind for norm, kind in KINDS.items() if isinstance(module, norm)), None
    )


def _state(name: str, module: nn.Module) -> NormState:
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {key: getattr(module, key, None) for key in names}
    count = getattr(module, "num_batches_tracked", None)
    learned = [module._parameters.get(key) for key in ("weight", "bias")]
    learned = [tensor for tensor in learned if tensor is not None]
    return NormState(
        name=name,
        type=type(module).__name__,
        kind=_kind(module),
        training=module.training,
        eps=module.eps,
        count=None if count is None else int(count),
        momentum=getattr(module, "momentum", None),
        trainable=not learned or any(tensor.requires_grad for tensor in learned),
        groups=getattr(module, "num_groups", 1),
        trailing=len(getattr(module, "normalized_shape", (1,))),
        **{key: None if t is None else _array(t).copy() for key, t in tensors.items()},
    )


def _array(tensor: torch.Tensor) -> NDArray:
    """Give a tensor's values; NumPy has no bfloat16, and float32 holds all of it."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return tensor.cpu().numpy()


def _batched(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Add the batch axis that instance norm lets its caller leave out."""
    axes = {nn.InstanceNorm1d: 3, nn.InstanceNorm2d: 4, nn.InstanceNorm3d: 5}
    wanted = next((n for norm, n in axes.items() if isinstance(module, norm)), x.ndim)
    return x[None] if x.ndim == wanted - 1 else x


def _copied(model: nn.Module) -> nn.Module:
    """Copy a module, also one that keeps results of a computation as attributes."""
    kept = [value for module in model.modules() for value in vars(module).values()]
    results = [t for t in kept if isinstance(t, torch.Tensor) and not t.is_leaf]
    return copy.deepcopy(model, {id(t): t.detach().clone() for t in results})


def _tensors(result: object) -> Iterator[torch.Tensor]:
    """Yield all tensors in what a model returned."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, dict):
        yield from _tensors(list(result.values()))
    elif isinstance(result, list | tuple):
        for part in result:
            yield from _tensors(part)
