"""How to look into a PyTorch module; the only part that needs PyTorch."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.overrides import TorchFunctionMode

from bnlearn.diagnostics.watch import NormState, Watch, copied, mode_of

__all__ = ["TorchModel"]

NORMS = {
    _BatchNorm: "batch",
    _InstanceNorm: "instance",
    nn.GroupNorm: "group",
    nn.LayerNorm: "layer",
    nn.RMSNorm: "rms",
}
# All the ways of calling it, in place as well.
RECTIFIERS = {
    functional.relu,
    functional.relu6,
    torch.relu,
    torch.relu_,
    torch.Tensor.relu,
    torch.Tensor.relu_,
}


class TorchModel:
    """A PyTorch module, of which only copies are run."""

    def __init__(self, model: nn.Module) -> None:
        self.model = getattr(model, "_orig_mod", model)  # torch.compile wraps it
        tensors = [*self.model.parameters(), *self.model.buffers()]
        if any(map(nn.parameter.is_lazy, tensors)):
            raise ValueError(
                "diagnose: expected a model that knows its shapes, got lazy modules; "
                "run one batch through it first"
            )
        if any(isinstance(m, torch.jit.ScriptModule) for m in self.model.modules()):
            raise TypeError(
                "diagnose: expected modules that can be listened to, got scripted ones; "
                "give the model that they were made from"
            )
        modes = [
            module.training
            for module in self.model.modules()
            if next(module.parameters(recurse=False), None) is not None
        ]
        self.training = mode_of(self.model.training, modes)

    @staticmethod
    def array(tensor: torch.Tensor) -> NDArray:
        """Give a tensor's values; NumPy has no bfloat16, and float32 holds all of it."""
        tensor = tensor.detach()
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.float()
        return tensor.cpu().numpy()

    def random_state_kept(self) -> AbstractContextManager:
        """Put PyTorch's generators back afterwards."""
        # Only devices in use: asking others for their state would start them.
        devices = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
        return torch.random.fork_rng(devices)

    def norms(self) -> list[NormState]:
        """Describe the norms, in the order in which they were registered."""
        return [
            NormState.of(name, module, kind, self.array)
            for name, module in self.model.named_modules()
            if (kind := _kind(module))
        ]

    def batch(self, data: object) -> torch.Tensor:
        """Make a tensor of one batch, where the model is and of its dtype."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        floats = [tensor for tensor in tensors if tensor.is_floating_point()]
        x = data if isinstance(data, torch.Tensor) else torch.tensor(np.asarray(data))
        if floats and x.is_floating_point():
            x = x.to(floats[0].dtype)
        return x.detach().to(tensors[0].device) if tensors else x.detach()

    def run(
        self,
        x: torch.Tensor,
        watch: Watch,
        shifts: dict[str, NDArray] | None = None,
        awake: bool = False,
    ) -> list[NDArray]:
        """Send a batch through a copy, as :meth:`BookModel.run` does.

        The batch is copied, too, since a module might change it in place.
        """
        twin, x, listener = copied(self.model), x.clone(), _Listener(watch)
        if awake:
            twin.train()
        with torch.no_grad(), self.random_state_kept(), listener:
            for name, module in twin.named_modules():
                if not self.training and _kind(module) in ("batch", "instance"):
                    module.train()
                if shifts and name in shifts:
                    module.bias += torch.as_tensor(shifts[name]).to(module.bias)
                listener.attach(name, module)
            watch.start(x)
            return [self.array(y) for y in _tensors(twin(x))]


class _Listener(TorchFunctionMode):
    """Hooks on every module of a copy, and an ear for rectifiers that are no modules."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.deaf = 0  # inside a rectifier that is a module
        self.latest = "data"

    def attach(self, name: str, module: nn.Module) -> None:
        rectifies = isinstance(module, nn.ReLU | nn.ReLU6)
        has_bias = getattr(module, "bias", None) is not None
        affine = isinstance(module, nn.Linear | _ConvNd) and has_bias
        what = "affine" if affine else "rectifier" if rectifies else ""
        flat = len(getattr(module, "normalized_shape", ())) == 1
        axis = -1 if flat or isinstance(module, nn.Linear) else 1

        def before(module: nn.Module, inputs: tuple) -> None:
            if rectifies and inputs:
                self.watch.rectifier(name, inputs[0])
            self.deaf += rectifies
            if (kind := _kind(module)) and inputs:
                self.watch.norm(name, module, kind, inputs[0])

        def after(module: nn.Module, inputs: tuple, y: object) -> None:
            self.deaf -= rectifies
            leaf = next(module.children(), None) is None
            if leaf and isinstance(y, torch.Tensor):
                self.watch.made(y, name, what, axis)
                self.latest = name

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
        if function not in RECTIFIERS or not args or self.deaf:
            return function(*args, **(kwargs or {}))
        name = f"{function.__name__.rstrip('_')} after {self.latest or '(model)'}"
        self.watch.rectifier(name, args[0])
        y = function(*args, **(kwargs or {}))
        self.watch.made(y, name, "rectifier")
        return y


def _kind(module: nn.Module) -> str | None:
    """Name the kind of a norm, subclasses included; None for other modules."""
    kinds = (kind for norm, kind in NORMS.items() if isinstance(module, norm))
    return next(kinds, None)


def _tensors(result: object) -> Iterator[torch.Tensor]:
    """Yield all tensors in what a model returned."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, dict | list | tuple):
        for part in result.values() if isinstance(result, dict) else result:
            yield from _tensors(part)
