"""Batch normalization as pure functions: forward, backward, training, inference.

Channels are on axis 1, ``(N, C, *spatial)``, as in PyTorch. No argument is ever
changed. float32 in gives float32 out; float16 is computed in float32; integers are
refused. The mean in a cache is float64 whatever x is: float32 cannot hold the mean of
a channel finely enough when it is large beside the deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from bnlearn.core import standardize, standardize_backward

__all__ = [
    "BatchNormCache",
    "BatchNormInferenceCache",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "batch_norm_inference_backward",
]

# Elements in NumPy's buffer while a norm runs. The default of 8192 makes broadcasts
# over rows and planes up to twice as slow. Leaving np.errstate restores it.
BUFFER = 2048


class BatchNormCache(NamedTuple):
    """What :func:`batch_norm_backward` needs, and what a reader may want to see.

    `x`, `gamma` and `beta` are the forward pass's own arguments, not copies: do not
    change them before the backward pass. `mean`, `var` (biased) and `inv_std` have
    one value per channel. `x_hat` is computed from them when asked for, so that the
    cache holds no second array of the size of `x`.
    """

    x: NDArray
    gamma: NDArray | None
    beta: NDArray | None
    mean: NDArray
    var: NDArray
    inv_std: NDArray

    @property
    def x_hat(self) -> NDArray:
        """The standardised input, in the shape and dtype of `x`."""
        return _x_hat(self.x, self.mean, self.inv_std)


class BatchNormInferenceCache(NamedTuple):
    """What :func:`batch_norm_inference_backward` needs.

    The same fields as :class:`BatchNormCache`, with the running statistics in `mean`
    and `var`. It is a type of its own because the two derivatives differ.
    """

    x: NDArray
    gamma: NDArray | None
    beta: NDArray | None
    mean: NDArray
    var: NDArray
    inv_std: NDArray

    @property
    def x_hat(self) -> NDArray:
        """The input standardised by the running statistics."""
        return _x_hat(self.x, self.mean, self.inv_std)


def batch_norm_forward(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[NDArray, BatchNormCache]:
    r"""Batch normalization with the statistics of this batch.

    .. math::

        y = \gamma \hat{x} + \beta, \qquad
        \hat{x} = \frac{x - \mu}{\sqrt{v + \epsilon}}

    :math:`\mu` and :math:`v` are the mean and the biased variance of a channel over
    the batch and all spatial positions.

    Parameters
    ----------
    x : array_like, shape (N, C) or (N, C, \*spatial)
        Input, in any units. At least two values per channel.
    gamma, beta : array_like, shape (C,), optional
        Scale and shift of each channel. None stands for 1 and 0.
    eps : float
        Positive; added to the variance inside the root, in units of x squared.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    cache : BatchNormCache
        For :func:`batch_norm_backward`.

    Raises
    ------
    TypeError
        If `x`, `gamma` or `beta` is not of a floating dtype.
    ValueError
        If a shape does not fit, `eps` is not positive, or a channel has one value.

    References
    ----------
    S. Ioffe, C. Szegedy. Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift. ICML 2015, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> y, cache = batch_norm_forward(np.array([[0.0], [6.0], [6.0], [8.0]]))
    >>> float(cache.mean[0]), float(cache.var[0])
    (5.0, 9.0)
    >>> y[:, 0].round(4)
    array([-1.6667,  0.3333,  0.3333,  1.    ])
    """
    name = "batch_norm_forward"
    x, gamma, beta = _check_inputs(name, x, gamma, beta, eps)
    if len(x) * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"{name}: expected more than 1 value per channel, got x of shape {x.shape}"
        )
    view, axes = _channel_view(_computable(x))
    with np.errstate(invalid="ignore", over="ignore"):
        np.setbufsize(BUFFER)
        y, mean, var, inv_std = standardize(
            view,
            axes,
            eps=eps,
            scale=_per_channel(gamma, view),
            shift=_per_channel(beta, view),
        )
        y = _as_given(y, x)
    stats = (mean.ravel(), var.ravel(), inv_std.ravel())
    return y, BatchNormCache(x, gamma, beta, *stats)


def batch_norm_backward(
    dout: ArrayLike, cache: BatchNormCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    r"""Gradients of :func:`batch_norm_forward`.

    .. math::

        d\gamma = \sum dy \, \hat{x}, \qquad d\beta = \sum dy, \qquad
        dx = \frac{\gamma}{\sqrt{v + \epsilon}} \left( dy - \frac{d\beta}{m}
             - \hat{x} \, \frac{d\gamma}{m} \right)

    Sums run over the m values that share one mean.

    Parameters
    ----------
    dout : array_like
        Gradient of the loss with respect to y, of y's shape.
    cache : BatchNormCache
        From the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dgamma, dbeta : ndarray of shape (C,), or None
        In the dtypes of `gamma` and `beta`; None for a parameter that was not given.

    Raises
    ------
    TypeError
        If `cache` is not a BatchNormCache or `dout` is not of a floating dtype.
    ValueError
        If `dout` does not have the shape of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [6.0], [6.0], [8.0]])
    >>> y, cache = batch_norm_forward(x, np.ones(1), np.zeros(1), eps=1e-12)
    >>> dx, dgamma, dbeta = batch_norm_backward(
    ...     np.array([[0.0], [3.0], [0.0], [1.0]]), cache
    ... )
    >>> (dx[:, 0] * 18).round(6)
    array([-1., 11., -7., -3.])
    """
    name = "batch_norm_backward"
    dout = _check_dout(name, dout, cache, BatchNormCache)
    view, axes = _channel_view(_computable(cache.x))
    with np.errstate(invalid="ignore", over="ignore"):
        np.setbufsize(BUFFER)
        dx, dgamma, dbeta = standardize_backward(
            _channel_view(_computable(dout))[0].astype(view.dtype, copy=False),
            view,
            _per_channel(cache.mean, view, np.float64),
            _per_channel(cache.inv_std, view),
            axes,
            scale=_per_channel(cache.gamma, view),
        )
        return _gradients(dx, dgamma, dbeta, cache)


def batch_norm_inference(
    x: ArrayLike,
    running_mean: ArrayLike,
    running_var: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[NDArray, BatchNormInferenceCache]:
    r"""Batch normalization with given statistics: a fixed affine map per channel.

    .. math::

        y = \gamma \frac{x - \mu_\text{run}}{\sqrt{v_\text{run} + \epsilon}} + \beta

    Parameters
    ----------
    x : array_like, shape (N, C) or (N, C, \*spatial)
        Input; one value per channel is enough.
    running_mean, running_var : array_like, shape (C,)
        Statistics to use; the variance must not be negative.
    gamma, beta : array_like, shape (C,), optional
        Scale and shift of each channel. None stands for 1 and 0.
    eps : float
        Positive; added to the variance inside the root.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    cache : BatchNormInferenceCache
        For :func:`batch_norm_inference_backward`.

    Raises
    ------
    TypeError
        If an array is not of a floating dtype.
    ValueError
        If a shape does not fit, `eps` is not positive or a variance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[8.0], [2.0]])
    >>> y, cache = batch_norm_inference(x, np.array([5.0]), np.array([9.0]), eps=1e-12)
    >>> y[:, 0].round(6)
    array([ 1., -1.])
    """
    name = "batch_norm_inference"
    x, gamma, beta = _check_inputs(name, x, gamma, beta, eps)
    mean = _check_vector(name, "running_mean", running_mean, x)
    var = _check_vector(name, "running_var", running_var, x)
    if (var < 0).any():
        raise ValueError(
            f"{name}: expected running_var without negative values, got {var.min()}"
        )
    view, _ = _channel_view(_computable(x))
    mean, var = mean.astype(np.float64), var.astype(np.float64)
    inv_std = 1 / np.sqrt(var + eps)
    cache = BatchNormInferenceCache(x, gamma, beta, mean, var, inv_std)
    factor = inv_std if gamma is None else inv_std * gamma
    with np.errstate(invalid="ignore", over="ignore"):
        y = _affine(view, mean, factor)
        if beta is not None:
            y += _per_channel(beta, view)
        return _as_given(y, x), cache


def batch_norm_inference_backward(
    dout: ArrayLike, cache: BatchNormInferenceCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    r"""Gradients of :func:`batch_norm_inference`.

    .. math::

        dx = \frac{\gamma}{\sqrt{v_\text{run} + \epsilon}} \, dy, \qquad
        d\gamma = \sum dy \, \hat{x}, \qquad d\beta = \sum dy

    The statistics are constants here, so nothing is projected away from `dx`.

    Parameters
    ----------
    dout : array_like
        Gradient of the loss with respect to y, of y's shape.
    cache : BatchNormInferenceCache
        From the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dgamma, dbeta : ndarray of shape (C,), or None
        None for a parameter that was not given.

    Raises
    ------
    TypeError
        If `cache` is not a BatchNormInferenceCache or `dout` is not floating.
    ValueError
        If `dout` does not have the shape of `x`.
    """
    name = "batch_norm_inference_backward"
    dout = _check_dout(name, dout, cache, BatchNormInferenceCache)
    view, axes = _channel_view(_computable(dout))
    gamma, inv_std = cache.gamma, cache.inv_std
    factor = inv_std if gamma is None else inv_std * gamma
    x_hat, _ = _channel_view(_computable(cache.x_hat))
    with np.errstate(invalid="ignore", over="ignore"):
        dgamma = np.sum(view * x_hat, axis=axes, dtype=np.float64)
        dbeta = np.sum(view, axis=axes, dtype=np.float64)
        dx = view * _per_channel(factor, view)
        return _gradients(dx, dgamma, dbeta, cache)


def _channel_view(x: NDArray) -> tuple[NDArray, tuple[int, ...]]:
    """View `x` as (N, C) or (N, C, positions); return it with the axes to average."""
    if x.ndim == 2:
        return x, (0,)
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:])), (0, 2)


def _per_channel(
    a: NDArray | None, view: NDArray, dtype: DTypeLike | None = None
) -> NDArray | None:
    """Shape a vector with one value per channel so that it broadcasts over `view`.

    It is cast to `dtype`, by default that of `view`: a wider factor would make NumPy
    convert the whole array back and forth.
    """
    if a is None:
        return None
    a = a.astype(view.dtype if dtype is None else dtype, copy=False)
    return a[np.newaxis] if view.ndim == 2 else a[np.newaxis, :, np.newaxis]


def _affine(view: NDArray, mean: NDArray, factor: NDArray) -> NDArray:
    """Compute ``(view - mean) * factor`` with the digits that float64 would keep."""
    guess = mean.astype(view.dtype)
    y = view - _per_channel(guess, view)
    y *= _per_channel(factor, view)
    y += _per_channel((guess - mean) * factor, view)
    return y


def _x_hat(x: NDArray, mean: NDArray, inv_std: NDArray) -> NDArray:
    with np.errstate(invalid="ignore", over="ignore"):
        return _as_given(_affine(_channel_view(_computable(x))[0], mean, inv_std), x)


def _computable(x: NDArray) -> NDArray:
    """Return `x` itself, or its float32 copy where it is float16."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _as_given(y: NDArray, x: NDArray) -> NDArray:
    """Give a result the shape and dtype of the input that it belongs to."""
    return y.reshape(x.shape).astype(x.dtype, copy=False)


def _gradients(
    dx: NDArray,
    dgamma: NDArray,
    dbeta: NDArray,
    cache: BatchNormCache | BatchNormInferenceCache,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Give gradients the shapes and dtypes of what they belong to."""
    gamma, beta = cache.gamma, cache.beta
    return (
        _as_given(dx, cache.x),
        None if gamma is None else dgamma.ravel().astype(gamma.dtype),
        None if beta is None else dbeta.ravel().astype(beta.dtype),
    )


def _check_inputs(
    name: str,
    x: ArrayLike,
    gamma: ArrayLike | None,
    beta: ArrayLike | None,
    eps: float,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    x = _check_floating(name, "x", x)
    if x.ndim < 2:
        raise ValueError(
            f"{name}: expected x of shape (N, C) or (N, C, *spatial), "
            f"got shape {x.shape}"
        )
    check_eps(name, eps)
    gamma = None if gamma is None else _check_vector(name, "gamma", gamma, x)
    beta = None if beta is None else _check_vector(name, "beta", beta, x)
    return x, gamma, beta


def check_eps(name: str, eps: float) -> None:
    """Refuse an `eps` that is no positive number, in the name of `name`.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not positive.
    """
    if not isinstance(eps, Real):
        raise TypeError(f"{name}: expected eps to be a number, got {eps!r}")
    if not eps > 0:
        raise ValueError(f"{name}: expected eps > 0, got {eps}")


def check_dtype(name: str, what: str, dtype: DTypeLike) -> None:
    """Refuse, in the name of `name`, a dtype in which no norm computes.

    Raises
    ------
    TypeError
        If it is not float16, float32 or float64.
    """
    if np.dtype(dtype).char not in "efd":
        raise TypeError(
            f"{name}: expected {what} float16, float32 or float64, "
            f"got {np.dtype(dtype)}"
        )


def _check_floating(name: str, argument: str, value: ArrayLike) -> NDArray:
    array = np.asarray(value)
    check_dtype(name, f"{argument} of dtype", array.dtype)
    return array


def _check_vector(name: str, argument: str, value: ArrayLike, x: NDArray) -> NDArray:
    array = _check_floating(name, argument, value)
    if array.shape != x.shape[1:2]:
        raise ValueError(
            f"{name}: expected {argument} of shape {x.shape[1:2]}, one value per "
            f"channel of x with shape {x.shape}, got shape {array.shape}"
        )
    return array


def _check_dout(
    name: str, dout: ArrayLike, cache: object, kind: Callable[..., object]
) -> NDArray:
    if not isinstance(cache, kind):
        raise TypeError(
            f"{name}: expected a {kind.__name__}, got {type(cache).__name__}"
        )
    dout = _check_floating(name, "dout", dout)
    if dout.shape != cache.x.shape:
        raise ValueError(
            f"{name}: expected dout of shape {cache.x.shape}, got {dout.shape}"
        )
    return dout
