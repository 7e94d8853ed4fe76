"""Linear maps, activations, and dropout."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bnlearn.layers.base import Layer, affine_parameters, check_dout, check_float
from bnlearn.seeds import rng

__all__ = ["Dropout", "Linear", "ReLU", "Sigmoid", "Tanh"]


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
        shape = out_features, in_features
        self._parameters = affine_parameters(
            "Linear", shape, bias=bias, init=init, dtype=dtype, generator=generator
        )

    def forward(self, x: NDArray) -> NDArray:
        """Return ``x @ weight.T + bias``."""
        x = np.asarray(x)
        check_float("Linear", x)
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
        check_dout(self, dout, (*self._x.shape[:-1], n_out))
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
        check_dout(self, dout, self._x.shape)
        return dout * (self._x > 0)


class Sigmoid(Layer):
    """Logistic function: 1 / (1 + exp(-x))."""

    def forward(self, x: NDArray) -> NDArray:
        """Return the logistic function of x, written so that nothing overflows."""
        self._y = 0.5 * (1 + np.tanh(0.5 * x))
        return self._y

    def backward(self, dout: NDArray) -> NDArray:
        """Multiply by y * (1 - y)."""
        check_dout(self, dout, self._y.shape)
        return dout * self._y * (1 - self._y)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def forward(self, x: NDArray) -> NDArray:
        """Return tanh(x)."""
        self._y = np.tanh(x)
        return self._y

    def backward(self, dout: NDArray) -> NDArray:
        """Multiply by 1 - y**2."""
        check_dout(self, dout, self._y.shape)
        return dout * (1 - self._y**2)


class Dropout(Layer):
    r"""Set each value to zero with probability p, in training mode only.

    .. math::

        y = \frac{k}{1 - p}\, x, \qquad
        k = 0 \text{ with probability } p, \text{ else } 1

    The division keeps the expectation of y at x. Evaluation returns x.

    Parameters
    ----------
    p : float
        From 0 to below 1.
    generator : numpy.random.Generator, optional
        Tosses the coins, one for each value; by default :func:`bnlearn.seeds.rng`.

    Raises
    ------
    ValueError
        If `p` is outside its range.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov. Dropout: A
    Simple Way to Prevent Neural Networks from Overfitting. JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dropout(0.5, generator=np.random.default_rng(0))
    >>> layer(np.ones((1, 4)))
    array([[2., 0., 0., 0.]])
    >>> layer.eval()(np.ones((1, 4)))
    array([[1., 1., 1., 1.]])
    """

    def __init__(
        self, p: float = 0.5, *, generator: np.random.Generator | None = None
    ) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: expected p in [0, 1), got {p}")
        self.p = p
        self._generator = rng() if generator is None else generator

    def forward(self, x: NDArray) -> NDArray:
        """Drop values in training mode; return x in evaluation."""
        x = np.asarray(x)
        check_float("Dropout", x)
        if self.training:
            kept = self._generator.random(x.shape) >= self.p
            self._y = kept.astype(x.dtype) / x.dtype.type(1 - self.p)
        else:
            self._y = np.ones_like(x)
        return x * self._y

    def backward(self, dout: NDArray) -> NDArray:
        """Pass the gradient of what was kept, with the same factor."""
        check_dout(self, dout, self._y.shape)
        return dout * self._y
