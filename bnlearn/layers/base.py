"""What all layers share: parameters, buffers, modes, state dicts; and containers."""

import copy
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bnlearn.checks import check_dtype
from bnlearn.seeds import rng

__all__ = ["Layer", "Residual", "Sequential"]


class Layer:
    """Base of all layers: parameters, buffers, gradients, mode and state dict."""

    def __init__(self) -> None:
        self.training = True
        self._parameters: dict[str, NDArray] = {}
        self._buffers: dict[str, NDArray] = {}
        self._gradients: dict[str, NDArray] = {}

    def forward(self, x: NDArray) -> NDArray:
        """Return the layer's output for `x`."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def backward(self, dout: NDArray) -> NDArray:
        """Store the gradients of the parameters; return the gradient of x."""
        raise NotImplementedError(f"{type(self).__name__} defines no backward")

    def __call__(self, x: NDArray) -> NDArray:
        """Call :meth:`forward`."""
        return self.forward(x)

    def __getattr__(self, name: str) -> NDArray:
        """Give parameters and buffers as attributes: ``layer.weight``."""
        known: list[str] = []
        for group in ("_parameters", "_buffers"):
            entries = self.__dict__.get(group, {})  # a copy asks before it has any
            if name in entries:
                return entries[name]
            known += entries
        if name in ("_x", "_y", "_cache"):  # what forward keeps for backward
            raise RuntimeError(f"{type(self).__name__}: backward before forward")
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}; its arrays are {known}"
        )

    def train(self, mode: bool = True) -> "Layer":
        """Switch to training mode, or to evaluation with ``mode=False``."""
        self.training = mode
        return self

    def eval(self) -> "Layer":
        """Switch to evaluation mode."""
        return self.train(False)

    def walk(self) -> Iterator["Layer"]:
        """Yield this layer and those inside it."""
        yield self

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, "Layer"]]:
        """Yield the layers that hold no others, each with its place: ``"2.0"``."""
        yield prefix, self

    def parameters(self) -> dict[str, NDArray]:
        """Return the trained arrays by name: the arrays themselves, not copies."""
        return dict(self._parameters)

    def gradients(self) -> dict[str, NDArray]:
        """Return the gradients of the last backward pass, named as the parameters."""
        return dict(self._gradients)

    def _state(self) -> dict[str, NDArray]:
        """Return parameters and buffers by name, not copied."""
        return {**self._parameters, **self._buffers}

    def state_dict(self) -> dict[str, NDArray]:
        """Return copies of all that has to be saved: parameters and buffers."""
        return copy.deepcopy(self._state())

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Copy values in; all of them fit, or nothing is changed.

        Parameters
        ----------
        state : mapping of str to array_like
            Exactly the names and shapes of :meth:`state_dict`.

        Raises
        ------
        KeyError
            If entries are missing or unexpected.
        ValueError
            If an entry has the wrong shape, or a running variance is negative.
        TypeError
            If an entry's dtype cannot be cast to the layer's.
        """
        own = self._state()
        name = f"{type(self).__name__}.load_state_dict"
        missing, unexpected = sorted(own.keys() - state), sorted(state - own.keys())
        if missing or unexpected:
            raise KeyError(
                f"{name}: expected exactly {sorted(own)}; missing {missing}, "
                f"unexpected {unexpected}"
            )
        new = {key: _fitting(name, key, state[key], own[key]) for key in own}
        for key, value in new.items():
            own[key][...] = value


def _fitting(name: str, key: str, value: ArrayLike, own: NDArray) -> NDArray:
    array = np.asarray(value)
    if array.shape != own.shape:
        raise ValueError(
            f"{name}: {key}: expected shape {own.shape}, got {array.shape}"
        )
    if not np.can_cast(array.dtype, own.dtype, "same_kind"):
        raise TypeError(f"{name}: {key}: expected {own.dtype}, got {array.dtype}")
    if key.split(".")[-1] == "running_var" and (array < 0).any():
        raise ValueError(
            f"{name}: {key}: expected no negative values, got {array.min()}"
        )
    return array


def check_dout(layer: Layer, dout: NDArray, shape: tuple[int, ...]) -> None:
    """Refuse what NumPy would broadcast, or name only as a failed matmul."""
    if dout.shape != shape:
        raise ValueError(
            f"{type(layer).__name__}.backward: expected dout of shape {shape}, "
            f"got {dout.shape}"
        )


def check_float(name: str, x: NDArray) -> None:
    """Refuse integers: their gradients would be rounded."""
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: expected x of a floating dtype, got {x.dtype}")


def affine_parameters(
    name: str,
    shape: tuple[int, ...],
    *,
    bias: bool,
    init: str | float,
    dtype: DTypeLike,
    generator: np.random.Generator | None,
) -> dict[str, NDArray]:
    """Draw a weight of `shape` (out, in, ...), and add a bias of zeros if asked for."""
    check_dtype(name, "dtype", dtype)
    n = math.prod(shape[1:])  # so many products make one output
    named = {"he": np.sqrt(2 / n), "xavier": np.sqrt(1 / n)}
    if isinstance(init, str) and init not in named:
        raise ValueError(
            f"{name}: expected init 'he', 'xavier' or a number, got {init!r}"
        )
    std = named[init] if isinstance(init, str) else init
    generator = rng() if generator is None else generator
    parameters = {"weight": (std * generator.standard_normal(shape)).astype(dtype)}
    if bias:
        parameters["bias"] = np.zeros(shape[0], dtype)
    return parameters


class Sequential(Layer):
    """Layers one after the other; entries are named ``0.weight``, ``1.bias``, ...

    Raises
    ------
    ValueError
        If a layer comes twice: it keeps one input for its backward pass, the last.

    Examples
    --------
    >>> import numpy as np
    >>> from bnlearn.layers import BatchNorm, Linear, ReLU
    >>> net = Sequential(Linear(4, 3), BatchNorm(3), ReLU(), Linear(3, 2))
    >>> net(np.arange(20.0).reshape(5, 4)).shape
    (5, 2)
    >>> list(net.parameters())[:4]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        self.layers = list(layers)
        seen: dict[int, str] = {}
        for place, layer in self.leaves():
            if id(layer) in seen:
                raise ValueError(
                    f"{type(self).__name__}: expected each layer once, got the same "
                    f"{type(layer).__name__} as {seen[id(layer)]} and {place}"
                )
            seen[id(layer)] = place

    def __getitem__(self, index: int) -> Layer:
        """Return one layer."""
        return self.layers[index]

    def forward(self, x: NDArray) -> NDArray:
        """Apply every layer in order."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout: NDArray) -> NDArray:
        """Apply every layer's backward pass, last layer first."""
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout

    def train(self, mode: bool = True) -> "Sequential":
        """Switch all layers to training mode, or to evaluation."""
        for layer in self.layers:
            layer.train(mode)
        super().train(mode)
        return self

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and those inside it, at any depth."""
        yield self
        for layer in self.layers:
            yield from layer.walk()

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, Layer]]:
        """Yield the layers that hold no others, each with its place: ``"2.0"``."""
        for i, layer in enumerate(self.layers):
            yield from layer.leaves(f"{prefix}.{i}" if prefix else str(i))

    def parameters(self) -> dict[str, NDArray]:
        """Return the parameters of all layers, named ``index.name``."""
        return self._collect("parameters")

    def gradients(self) -> dict[str, NDArray]:
        """Return the gradients of all layers, named ``index.name``."""
        return self._collect("gradients")

    def _state(self) -> dict[str, NDArray]:
        return self._collect("_state")

    def _collect(self, method: str) -> dict[str, NDArray]:
        return {
            f"{i}.{key}": value
            for i, layer in enumerate(self.layers)
            for key, value in getattr(layer, method)().items()
        }


class Residual(Sequential):
    """Layers whose output is added to their input: x + f(x).

    Examples
    --------
    >>> import numpy as np
    >>> from bnlearn.layers import ReLU
    >>> Residual(ReLU())(np.array([[-1.0, 2.0]]))
    array([[-1.,  4.]])
    """

    def forward(self, x: NDArray) -> NDArray:
        """Return x plus what the layers make of it."""
        x = np.asarray(x)
        y = super().forward(x)
        if y.shape != x.shape:
            raise ValueError(
                f"Residual: expected layers that keep the shape {x.shape}, "
                f"got {y.shape}"
            )
        return x + y

    def backward(self, dout: NDArray) -> NDArray:
        """Add the gradients of the two paths."""
        return dout + super().backward(dout)
