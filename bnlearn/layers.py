"""Layers with state: linear maps, activations, batch norm, losses.

A layer has ``forward(x)`` and ``backward(dout)``; the latter stores the gradients of
the parameters and returns the gradient of x. Names of arguments and of entries in a
state dict are PyTorch's, so weights travel in both directions: `weight` and `bias`
of a norm are gamma and beta.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bnlearn import norms
from bnlearn.seeds import rng

__all__ = [
    "BatchNorm",
    "Layer",
    "Linear",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "cross_entropy",
    "mean_squared_error",
    "mlp",
]


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


def _check_dout(layer: Layer, dout: NDArray, shape: tuple[int, ...]) -> None:
    """Refuse what NumPy would broadcast, or name only as a failed matmul."""
    if dout.shape != shape:
        raise ValueError(
            f"{type(layer).__name__}.backward: expected dout of shape {shape}, "
            f"got {dout.shape}"
        )


class Sequential(Layer):
    """Layers one after the other; entries are named ``0.weight``, ``1.bias``, ...

    Examples
    --------
    >>> import numpy as np
    >>> net = Sequential(Linear(4, 3), BatchNorm(3), ReLU(), Linear(3, 2))
    >>> net(np.arange(20.0).reshape(5, 4)).shape
    (5, 2)
    >>> list(net.parameters())[:4]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        self.layers = list(layers)

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


class Linear(Layer):
    r"""Affine map of the last axis.

    .. math::

        y = x W^\top + b

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of x and of y.
    bias : bool
        Whether there is a b.
    init : {"he", "xavier"} or float
        Standard deviation of the initial weights: sqrt(2 / in), sqrt(1 / in), or the
        number itself. Biases start at zero.
    dtype : dtype
        Of the parameters.
    generator : numpy.random.Generator, optional
        Draws the initial weights; by default :func:`bnlearn.seeds.rng`.

    Notes
    -----
    `weight` has the shape (out_features, in_features), as in PyTorch.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: str | float = "he",
        dtype: DTypeLike = np.float64,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        norms.check_dtype("Linear", "dtype", dtype)
        named = {"he": np.sqrt(2 / in_features), "xavier": np.sqrt(1 / in_features)}
        if isinstance(init, str) and init not in named:
            raise ValueError(
                f"Linear: expected init 'he', 'xavier' or a number, got {init!r}"
            )
        std = named[init] if isinstance(init, str) else init
        generator = rng() if generator is None else generator
        weight = std * generator.standard_normal((out_features, in_features))
        self._parameters["weight"] = weight.astype(dtype)
        if bias:
            self._parameters["bias"] = np.zeros(out_features, dtype)

    def forward(self, x: NDArray) -> NDArray:
        """Return ``x @ weight.T + bias``."""
        x = np.asarray(x)
        if x.dtype.kind != "f":
            raise TypeError(f"Linear: expected x of a floating dtype, got {x.dtype}")
        if x.shape[-1:] != self.weight.shape[1:]:
            raise ValueError(
                f"Linear: expected a last axis of {self.weight.shape[1]}, "
                f"got x of shape {x.shape}"
            )
        self._x = x
        y = x @ self.weight.T
        return y + self.bias if "bias" in self._parameters else y

    def backward(self, dout: NDArray) -> NDArray:
        """Return ``dout @ weight``."""
        n_out, n_in = self.weight.shape
        _check_dout(self, dout, (*self._x.shape[:-1], n_out))
        rows, flat = self._x.reshape(-1, n_in), dout.reshape(-1, n_out)
        self._gradients["weight"] = flat.T @ rows
        if "bias" in self._parameters:
            self._gradients["bias"] = flat.sum(axis=0)
        return dout @ self.weight


class ReLU(Layer):
    """Rectifier: max(x, 0)."""

    def forward(self, x: NDArray) -> NDArray:
        """Return max(x, 0)."""
        self._x = x
        return np.maximum(x, 0)

    def backward(self, dout: NDArray) -> NDArray:
        """Pass the gradient where x was positive."""
        _check_dout(self, dout, self._x.shape)
        return dout * (self._x > 0)


class Sigmoid(Layer):
    """Logistic function: 1 / (1 + exp(-x))."""

    def forward(self, x: NDArray) -> NDArray:
        """Return the logistic function of x, written so that nothing overflows."""
        self._y = 0.5 * (1 + np.tanh(0.5 * x))
        return self._y

    def backward(self, dout: NDArray) -> NDArray:
        """Multiply by y * (1 - y)."""
        _check_dout(self, dout, self._y.shape)
        return dout * self._y * (1 - self._y)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def forward(self, x: NDArray) -> NDArray:
        """Return tanh(x)."""
        self._y = np.tanh(x)
        return self._y

    def backward(self, dout: NDArray) -> NDArray:
        """Multiply by 1 - y**2."""
        _check_dout(self, dout, self._y.shape)
        return dout * (1 - self._y**2)


class BatchNorm(Layer):
    r"""Batch normalization over axis 1, with running statistics for evaluation.

    In training the batch's own statistics normalise, and the running ones follow:

    .. math::

        r \leftarrow (1 - \text{momentum}) \, r + \text{momentum} \cdot q

    with q the batch mean, or the *unbiased* batch variance :math:`v \, m / (m - 1)`.
    In evaluation the running statistics normalise.

    Parameters
    ----------
    num_features : int
        Channels C of x with shape (N, C) or (N, C, \*spatial).
    eps : float
        Positive; added to the variance inside the root.
    momentum : float or None
        Weight of the newest batch; None for the cumulative average of all batches.
    affine : bool
        Whether there are gamma (`weight`) and beta (`bias`).
    track_running_stats : bool
        If False there are no running statistics and batch statistics are used in
        evaluation as well.
    bias : bool
        If False, an affine layer has no beta.
    dtype : dtype
        Of parameters and running statistics.

    Raises
    ------
    ValueError
        If `eps` is not positive.

    Notes
    -----
    Arguments, defaults and behaviour are PyTorch's, with two exceptions: `eps` must
    be positive, and a batch that is refused leaves ``num_batches_tracked`` as it was.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__()
        norms.check_eps("BatchNorm", eps)
        norms.check_dtype("BatchNorm", "dtype", dtype)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self._parameters["weight"] = np.ones(num_features, dtype)
            if bias:
                self._parameters["bias"] = np.zeros(num_features, dtype)
        if track_running_stats:
            self._buffers["running_mean"] = np.zeros(num_features, dtype)
            self._buffers["running_var"] = np.ones(num_features, dtype)
            self._buffers["num_batches_tracked"] = np.array(0, np.int64)

    def forward(self, x: NDArray) -> NDArray:
        """Normalise by the batch in training, by running statistics otherwise."""
        x = np.asarray(x)
        if x.ndim >= 2 and x.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm: expected {self.num_features} channels on axis 1, "
                f"got x of shape {x.shape}"
            )
        gamma, beta = self._parameters.get("weight"), self._parameters.get("bias")
        if self.training or not self.track_running_stats:
            y, self._cache = norms.batch_norm_forward(x, gamma, beta, eps=self.eps)
            if self.track_running_stats:
                self._update_running_stats()
            return y
        y, self._cache = norms.batch_norm_inference(
            x, self.running_mean, self.running_var, gamma, beta, eps=self.eps
        )
        return y

    def _update_running_stats(self) -> None:
        mean, var, m = self._cache.mean, self._cache.var, self._values_per_channel()
        self.num_batches_tracked[...] += 1
        if m == 0:  # PyTorch counts an empty batch and learns nothing from it
            return
        new = self.momentum
        if new is None:
            new = 1 / int(self.num_batches_tracked)
        unbiased = var * (m / (m - 1))
        with np.errstate(invalid="ignore", over="ignore"):  # as norms do with infinity
            self.running_mean[...] = (1 - new) * self.running_mean + new * mean
            self.running_var[...] = (1 - new) * self.running_var + new * unbiased

    def _values_per_channel(self) -> int:
        x = self._cache.x
        return x.size // x.shape[1] if x.shape[1] else 0

    def backward(self, dout: NDArray) -> NDArray:
        """Go back through whichever of the two forward passes ran last."""
        if isinstance(self._cache, norms.BatchNormCache):
            dx, dgamma, dbeta = norms.batch_norm_backward(dout, self._cache)
        else:
            dx, dgamma, dbeta = norms.batch_norm_inference_backward(dout, self._cache)
        if dgamma is not None:
            self._gradients["weight"] = dgamma
        if dbeta is not None:
            self._gradients["bias"] = dbeta
        return dx


def mlp(
    sizes: Sequence[int],
    *,
    norm: bool,
    activation: Callable[[], Layer] = ReLU,
    init: str | float = "he",
    generator: np.random.Generator | None = None,
) -> Sequential:
    """Build a fully connected network: Linear, BatchNorm if `norm`, activation, ...

    The last layer is a plain Linear. A Linear that feeds a BatchNorm has no bias,
    since the norm would remove it.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of each hidden layer's units, and of outputs.
    norm : bool
        Whether hidden layers are normalised before their activation.
    activation : callable
        Makes an activation layer.
    init : {"he", "xavier"} or float
        Initial scale of the hidden weights; the last layer has "xavier".
    generator : numpy.random.Generator, optional
        Draws the weights; networks that differ in `norm` alone get the same ones.

    Examples
    --------
    >>> [type(layer).__name__ for layer in mlp((64, 30, 10), norm=True).layers]
    ['Linear', 'BatchNorm', 'ReLU', 'Linear']
    """
    generator = rng() if generator is None else generator
    layers: list[Layer] = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers.append(
            Linear(n_in, n_out, bias=not norm, init=init, generator=generator)
        )
        layers += [BatchNorm(n_out)] if norm else []
        layers.append(activation())
    layers.append(Linear(*sizes[-2:], init="xavier", generator=generator))
    return Sequential(*layers)


def cross_entropy(logits: NDArray, labels: NDArray) -> tuple[float, NDArray]:
    r"""Mean cross-entropy of the softmax, and its gradient.

    .. math::

        L = -\frac{1}{N} \sum_n \log p_{n, t_n}, \qquad
        \frac{\partial L}{\partial z} = \frac{p - \text{onehot}(t)}{N}

    Parameters
    ----------
    logits : ndarray, shape (N, K)
        Scores z; p is their softmax.
    labels : ndarray of int, shape (N,)
        The true classes t.

    Returns
    -------
    loss : float
        In nats.
    dlogits : ndarray, shape (N, K)
        Gradient of the loss with respect to `logits`.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If the shapes do not fit, or a label is not one of 0 to K - 1.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dlogits = cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    >>> round(loss, 4), dlogits
    (0.6931, array([[ 0.5, -0.5]]))
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "cross_entropy: expected logits (N, K) and labels (N,), "
            f"got {logits.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: expected integer labels, got {labels.dtype}")
    bad = labels[(labels < 0) | (labels >= logits.shape[1])]
    if bad.size:
        raise ValueError(
            f"cross_entropy: expected labels from 0 to {logits.shape[1] - 1}, "
            f"got {bad[0]}"
        )
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(logits))
    dlogits = np.exp(log_p)
    dlogits[rows, labels] -= 1
    return float(-log_p[rows, labels].mean()), dlogits / len(logits)


def mean_squared_error(y: NDArray, target: NDArray) -> tuple[float, NDArray]:
    r"""Mean of squared differences over all elements, and its gradient.

    .. math::

        L = \frac{1}{n} \sum_i (y_i - t_i)^2, \qquad
        \frac{\partial L}{\partial y} = \frac{2 (y - t)}{n}

    Parameters
    ----------
    y, target : ndarray
        Of one shape.

    Returns
    -------
    loss : float
        In the square of y's unit.
    dy : ndarray
        Gradient of the loss with respect to `y`.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> mean_squared_error(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    (2.5, array([1., 2.]))
    """
    if y.shape != target.shape:
        raise ValueError(
            f"mean_squared_error: expected one shape, got {y.shape} and {target.shape}"
        )
    difference = y - target
    return float(np.mean(difference**2)), 2 * difference / difference.size
