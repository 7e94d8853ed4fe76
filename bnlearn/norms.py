"""The norms as pure functions: batch, layer, instance, group and RMS normalization.

Every norm is one operation, :func:`bnlearn.core.standardize`: a choice of what shares
one mean (its :class:`Layout`), a scale gamma and a shift beta. Only batch norm has a
second form, with given statistics, for use after training.

Channels are on axis 1, ``(N, C, *spatial)``, as in PyTorch. No argument is ever
changed. float32 in gives float32 out; float16 is computed in float32; integers are
refused. The mean in a cache is float64 whatever x is: float32 cannot hold a mean
finely enough when it is large beside the deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnlearn.checks import (
    check_channel_vector,
    check_channels,
    check_dout,
    check_floating,
    check_groups,
    check_normalized_shape,
    check_parameter,
    check_trailing,
)
from bnlearn.core import standardize, standardize_backward

__all__ = [
    "LAYOUTS",
    "BatchNormCache",
    "BatchNormInferenceCache",
    "GroupNormCache",
    "InstanceNormCache",
    "LayerNormCache",
    "Layout",
    "NormCache",
    "RMSNormCache",
    "batch_layout",
    "batch_norm_backward",
    "batch_norm_forward",
    "batch_norm_inference",
    "batch_norm_inference_backward",
    "group_layout",
    "group_norm_backward",
    "group_norm_forward",
    "instance_layout",
    "instance_norm_backward",
    "instance_norm_forward",
    "layer_layout",
    "layer_norm_backward",
    "layer_norm_forward",
    "rms_norm_backward",
    "rms_norm_forward",
]

# Elements in NumPy's buffer while a norm runs, for statistics over the rows of a matrix
# and for all others. The default of 8192 makes broadcasts over rows and planes up to
# twice as slow. Leaving np.errstate restores it.
BUFFER_ROWS, BUFFER = 2048, 512


class Layout(NamedTuple):
    """How a norm sees its input: what shares a mean, and what shares a gamma.

    Attributes
    ----------
    view : tuple of int
        The shape that x is given, without a copy.
    axes : tuple of int
        The axes of the view over which the mean and the variance are taken.
    scale : tuple of int
        The shape of gamma and beta in the view; 1 wherever they are shared.
    """

    view: tuple[int, ...]
    axes: tuple[int, ...]
    scale: tuple[int, ...]

    @property
    def stats(self) -> tuple[int, ...]:
        """The shape of mean and variance in the view."""
        return tuple(
            1 if axis in self.axes else size for axis, size in enumerate(self.view)
        )

    @property
    def groups(self) -> NDArray:
        """For each element of the view, the number of the group it belongs to."""
        numbers = np.arange(math.prod(self.stats)).reshape(self.stats)
        return np.broadcast_to(numbers, self.view)


def batch_layout(shape: tuple[int, ...]) -> Layout:
    r"""Batch norm of (N, C) or (N, C, \*spatial): all that belongs to one channel."""
    n, c, *spatial = shape
    if not spatial:
        return Layout((n, c), (0,), (1, c))
    return Layout((n, c, math.prod(spatial)), (0, 2), (1, c, 1))


def layer_layout(
    shape: tuple[int, ...], normalized_shape: Sequence[int] | int
) -> Layout:
    """Layer and RMS norm: the last axes, which have the sizes `normalized_shape`."""
    sizes = check_normalized_shape("layer_layout", normalized_shape)
    inner = math.prod(sizes)
    outer = math.prod(shape[: len(shape) - len(sizes)])
    return Layout((outer, inner), (1,), (1, inner))


def instance_layout(shape: tuple[int, ...]) -> Layout:
    r"""Instance norm of (N, C, \*spatial): one channel of one example."""
    n, c, *spatial = shape
    return Layout((n, c, math.prod(spatial)), (2,), (1, c, 1))


def group_layout(shape: tuple[int, ...], num_groups: int) -> Layout:
    r"""Group norm of (N, C, \*spatial): `num_groups` runs of channels, per example."""
    n, c, *spatial = shape
    size = c // num_groups
    view = (n, num_groups, size, math.prod(spatial))
    return Layout(view, (2, 3), (1, num_groups, size, 1))


# The whole family. RMS norm shares the layout of layer norm and leaves out the mean.
LAYOUTS: dict[str, Callable[..., Layout]] = {
    "batch": batch_layout,
    "layer": layer_layout,
    "instance": instance_layout,
    "group": group_layout,
    "rms": layer_layout,
}


class NormCache(NamedTuple):
    """What a backward pass needs, and what a reader may want to see.

    `x`, `gamma` and `beta` are the forward pass's own arguments, not copies: do not
    change them before the backward pass. `mean`, `var` (biased) and `inv_std` have one
    value for each group of elements that share a mean. `x_hat` is computed from them
    when asked for, so that the cache holds no second array of the size of `x`.
    """

    x: NDArray
    gamma: NDArray | None
    beta: NDArray | None
    mean: NDArray
    var: NDArray
    inv_std: NDArray
    layout: Layout

    @property
    def x_hat(self) -> NDArray:
        """The standardised input, in the shape and dtype of `x`."""
        view = _computable(self.x).reshape(self.layout.view)
        mean, inv_std = (
            a.reshape(self.layout.stats) for a in (self.mean, self.inv_std)
        )
        with np.errstate(invalid="ignore", over="ignore"):
            return _as_given(_affine(view, mean, inv_std), self.x)


class BatchNormCache(NormCache):
    """Of :func:`batch_norm_forward`; statistics of shape (C,)."""

    __slots__ = ()


class BatchNormInferenceCache(NormCache):
    """Of :func:`batch_norm_inference`; the running statistics, of shape (C,).

    It is a type of its own because the two derivatives differ.
    """

    __slots__ = ()


class LayerNormCache(NormCache):
    """Of :func:`layer_norm_forward`; statistics of the shape of the leading axes."""

    __slots__ = ()


class InstanceNormCache(NormCache):
    """Of :func:`instance_norm_forward`; statistics of shape (N, C)."""

    __slots__ = ()


class GroupNormCache(NormCache):
    """Of :func:`group_norm_forward`; statistics of shape (N, num_groups)."""

    __slots__ = ()


class RMSNormCache(NormCache):
    """Of :func:`rms_norm_forward`; statistics of the shape of the leading axes.

    `mean` is zero and `var` the mean square, since nothing is subtracted.
    """

    __slots__ = ()


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
    x, gamma, beta = check_channels(name, x, gamma, beta, eps)
    if len(x) * math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"{name}: expected more than 1 value per channel, got x of shape {x.shape}"
        )
    layout = batch_layout(x.shape)
    y, *cache = _forward(layout, x, gamma, beta, eps, x.shape[1:2])
    return y, BatchNormCache(*cache)


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
    dout = check_dout("batch_norm_backward", dout, cache, BatchNormCache)
    return _backward(dout, cache)


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
    x, gamma, beta = check_channels(name, x, gamma, beta, eps)
    mean = check_channel_vector(name, "running_mean", running_mean, x)
    var = check_channel_vector(name, "running_var", running_var, x)
    if (var < 0).any():
        raise ValueError(
            f"{name}: expected running_var without negative values, got {var.min()}"
        )
    layout = batch_layout(x.shape)
    mean, var = mean.astype(np.float64), var.astype(np.float64)
    inv_std = 1 / np.sqrt(var + eps)
    cache = BatchNormInferenceCache(x, gamma, beta, mean, var, inv_std, layout)
    factor = inv_std if gamma is None else inv_std * gamma
    view = _computable(x).reshape(layout.view)
    with np.errstate(invalid="ignore", over="ignore"):
        y = _affine(view, mean.reshape(layout.stats), factor.reshape(layout.stats))
        if beta is not None:
            y += _as_scale(beta, layout, view)
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
    dout = check_dout(name, dout, cache, BatchNormInferenceCache)
    layout, gamma, inv_std = cache.layout, cache.gamma, cache.inv_std
    factor = inv_std if gamma is None else inv_std * gamma
    view, x_hat = (_computable(a).reshape(layout.view) for a in (dout, cache.x_hat))
    with np.errstate(invalid="ignore", over="ignore"):
        dgamma = np.sum(view * x_hat, axis=layout.axes, dtype=np.float64)
        dbeta = np.sum(view, axis=layout.axes, dtype=np.float64)
        dx = view * _as_scale(factor, layout, view)
        return _gradients(dx, dgamma, dbeta, cache)


def layer_norm_forward(
    x: ArrayLike,
    normalized_shape: Sequence[int] | int,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[NDArray, LayerNormCache]:
    r"""Layer normalization: statistics over the last axes of each example.

    .. math::

        y = \gamma \frac{x - \mu}{\sqrt{v + \epsilon}} + \beta

    :math:`\mu` and :math:`v` are the mean and the biased variance over the axes that
    `normalized_shape` names, for each index of the other axes.

    Parameters
    ----------
    x : array_like, shape (\*, \*normalized_shape)
        Input, in any units.
    normalized_shape : int or sequence of int
        Sizes of the last axes of `x`.
    gamma, beta : array_like of shape `normalized_shape`, optional
        Scale and shift of each element. None stands for 1 and 0.
    eps : float
        Positive; added to the variance inside the root, in units of x squared.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    cache : LayerNormCache
        For :func:`layer_norm_backward`.

    Raises
    ------
    TypeError
        If an array is not of a floating dtype.
    ValueError
        If `x` does not end with `normalized_shape`, another shape does not fit, or
        `eps` is not positive.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton. Layer Normalization. arXiv 1607.06450, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> y, cache = layer_norm_forward(np.array([[0.0, 6.0, 6.0, 8.0]]), 4)
    >>> float(cache.mean[0]), y.round(4)
    (5.0, array([[-1.6667,  0.3333,  0.3333,  1.    ]]))
    """
    name = "layer_norm_forward"
    x, sizes = check_trailing(name, x, normalized_shape, eps)
    gamma = check_parameter(name, "gamma", gamma, sizes)
    beta = check_parameter(name, "beta", beta, sizes)
    layout = layer_layout(x.shape, sizes)
    stats = x.shape[: x.ndim - len(sizes)]
    y, *cache = _forward(layout, x, gamma, beta, eps, stats)
    return y, LayerNormCache(*cache)


def layer_norm_backward(
    dout: ArrayLike, cache: LayerNormCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    r"""Gradients of :func:`layer_norm_forward`.

    .. math::

        dx = \frac{1}{\sqrt{v + \epsilon}} \left( g - \overline{g}
             - \hat{x} \, \overline{g \hat{x}} \right), \qquad g = \gamma \, dy

    A bar is the mean over `normalized_shape`. dgamma and dbeta are the sums of
    dy x_hat and of dy over all that shares a gamma.

    Parameters
    ----------
    dout : array_like
        Gradient of the loss with respect to y, of y's shape.
    cache : LayerNormCache
        From the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dgamma, dbeta : ndarray or None
        Shapes and dtypes of `gamma` and `beta`; None for what was not given.

    Raises
    ------
    TypeError
        If `cache` is not a LayerNormCache or `dout` is not of a floating dtype.
    ValueError
        If `dout` does not have the shape of `x`.
    """
    dout = check_dout("layer_norm_backward", dout, cache, LayerNormCache)
    return _backward(dout, cache)


def instance_norm_forward(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[NDArray, InstanceNormCache]:
    r"""Instance normalization: statistics of one channel of one example.

    .. math::

        y = \gamma \frac{x - \mu}{\sqrt{v + \epsilon}} + \beta

    :math:`\mu` and :math:`v` are the mean and the biased variance over the spatial
    positions.

    Parameters
    ----------
    x : array_like, shape (N, C, \*spatial)
        Input, in any units. At least two positions.
    gamma, beta : array_like, shape (C,), optional
        Scale and shift of each channel. None stands for 1 and 0.
    eps : float
        Positive; added to the variance inside the root, in units of x squared.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    cache : InstanceNormCache
        For :func:`instance_norm_backward`.

    Raises
    ------
    TypeError
        If an array is not of a floating dtype.
    ValueError
        If a shape does not fit, `eps` is not positive, or there is one position.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky. Instance Normalization: The Missing
    Ingredient for Fast Stylization. arXiv 1607.08022, 2016.
    """
    name = "instance_norm_forward"
    x, gamma, beta = check_channels(name, x, gamma, beta, eps)
    if math.prod(x.shape[2:]) == 1:
        raise ValueError(
            f"{name}: expected more than 1 spatial position, got x of shape {x.shape}"
        )
    layout = instance_layout(x.shape)
    y, *cache = _forward(layout, x, gamma, beta, eps, x.shape[:2])
    return y, InstanceNormCache(*cache)


def instance_norm_backward(
    dout: ArrayLike, cache: InstanceNormCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    r"""Gradients of :func:`instance_norm_forward`.

    .. math::

        dx = \frac{1}{\sqrt{v + \epsilon}} \left( g - \overline{g}
             - \hat{x} \, \overline{g \hat{x}} \right), \qquad g = \gamma \, dy

    A bar is the mean over the positions. dgamma and dbeta are the sums of
    dy x_hat and of dy over all that shares a gamma.

    Parameters
    ----------
    dout : array_like
        Gradient of the loss with respect to y, of y's shape.
    cache : InstanceNormCache
        From the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dgamma, dbeta : ndarray or None
        Shapes and dtypes of `gamma` and `beta`; None for what was not given.

    Raises
    ------
    TypeError
        If `cache` is not a InstanceNormCache or `dout` is not of a floating dtype.
    ValueError
        If `dout` does not have the shape of `x`.
    """
    dout = check_dout("instance_norm_backward", dout, cache, InstanceNormCache)
    return _backward(dout, cache)


def group_norm_forward(
    x: ArrayLike,
    num_groups: int,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    eps: float = 1e-5,
) -> tuple[NDArray, GroupNormCache]:
    r"""Group normalization: statistics of a group of channels of one example.

    .. math::

        y = \gamma \frac{x - \mu}{\sqrt{v + \epsilon}} + \beta

    :math:`\mu` and :math:`v` are the mean and the biased variance over C / num_groups
    neighbouring channels and all spatial positions.

    Parameters
    ----------
    x : array_like, shape (N, C) or (N, C, \*spatial)
        Input, in any units.
    num_groups : int
        Number of groups; divides C.
    gamma, beta : array_like, shape (C,), optional
        Scale and shift of each *channel*. None stands for 1 and 0.
    eps : float
        Positive; added to the variance inside the root, in units of x squared.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    cache : GroupNormCache
        For :func:`group_norm_backward`.

    Raises
    ------
    TypeError
        If an array is not of a floating dtype.
    ValueError
        If `num_groups` does not divide the channels, another shape does not fit,
        `eps` is not positive, or the batch is a single group of one value.

    References
    ----------
    Y. Wu, K. He. Group Normalization. ECCV 2018.
    """
    name = "group_norm_forward"
    x, gamma, beta = check_channels(name, x, gamma, beta, eps)
    check_groups(name, num_groups, x.shape[1])
    layout = group_layout(x.shape, num_groups)
    if x.size == num_groups:  # as PyTorch: a single example, every group one value
        raise ValueError(
            f"{name}: expected more than 1 value per group, got x of shape {x.shape} "
            f"and num_groups={num_groups}"
        )
    y, *cache = _forward(layout, x, gamma, beta, eps, layout.view[:2])
    return y, GroupNormCache(*cache)


def group_norm_backward(
    dout: ArrayLike, cache: GroupNormCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    r"""Gradients of :func:`group_norm_forward`.

    .. math::

        dx = \frac{1}{\sqrt{v + \epsilon}} \left( g - \overline{g}
             - \hat{x} \, \overline{g \hat{x}} \right), \qquad g = \gamma \, dy

    A bar is the mean over the group. dgamma and dbeta are the sums of
    dy x_hat and of dy over all that shares a gamma.

    Parameters
    ----------
    dout : array_like
        Gradient of the loss with respect to y, of y's shape.
    cache : GroupNormCache
        From the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dgamma, dbeta : ndarray or None
        Shapes and dtypes of `gamma` and `beta`; None for what was not given.

    Raises
    ------
    TypeError
        If `cache` is not a GroupNormCache or `dout` is not of a floating dtype.
    ValueError
        If `dout` does not have the shape of `x`.
    """
    dout = check_dout("group_norm_backward", dout, cache, GroupNormCache)
    return _backward(dout, cache)


def rms_norm_forward(
    x: ArrayLike,
    normalized_shape: Sequence[int] | int,
    gamma: ArrayLike | None = None,
    *,
    eps: float | None = None,
) -> tuple[NDArray, RMSNormCache]:
    r"""Root mean square normalization: layer norm that subtracts no mean.

    .. math::

        y = \gamma \frac{x}{\sqrt{\overline{x^2} + \epsilon}}

    The bar is the mean over the axes that `normalized_shape` names.

    Parameters
    ----------
    x : array_like, shape (\*, \*normalized_shape)
        Input, in any units.
    normalized_shape : int or sequence of int
        Sizes of the last axes of `x`.
    gamma : array_like of shape `normalized_shape`, optional
        Scale of each element. None stands for 1.
    eps : float, optional
        Positive; added to the mean square inside the root. None stands for the
        machine epsilon of the dtype computed in, as in PyTorch.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    cache : RMSNormCache
        For :func:`rms_norm_backward`.

    Raises
    ------
    TypeError
        If an array is not of a floating dtype.
    ValueError
        If `x` does not end with `normalized_shape`, `gamma` has another shape, or
        `eps` is not positive.

    References
    ----------
    B. Zhang, R. Sennrich. Root Mean Square Layer Normalization. NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> y, _ = rms_norm_forward(np.array([[3.0, -4.0, 0.0, 0.0]]), 4)
    >>> y.round(4)
    array([[ 1.2, -1.6,  0. ,  0. ]])
    """
    name = "rms_norm_forward"
    x = check_floating(name, "x", x)
    eps = float(np.finfo(_computable(x).dtype).eps) if eps is None else eps
    x, sizes = check_trailing(name, x, normalized_shape, eps)
    gamma = check_parameter(name, "gamma", gamma, sizes)
    layout = layer_layout(x.shape, sizes)
    stats = x.shape[: x.ndim - len(sizes)]
    y, *cache = _forward(layout, x, gamma, None, eps, stats, centred=False)
    return y, RMSNormCache(*cache)


def rms_norm_backward(
    dout: ArrayLike, cache: RMSNormCache
) -> tuple[NDArray, NDArray | None]:
    r"""Gradients of :func:`rms_norm_forward`.

    .. math::

        dx = \frac{1}{\sqrt{\overline{x^2} + \epsilon}} \left( g
             - \hat{x} \, \overline{g \hat{x}} \right), \qquad g = \gamma \, dy

    A bar is the mean over `normalized_shape`. Nothing was subtracted, so the mean of
    g stays.

    Parameters
    ----------
    dout : array_like
        Gradient of the loss with respect to y, of y's shape.
    cache : RMSNormCache
        From the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dgamma : ndarray or None
        Shape and dtype of `gamma`; None for what was not given.

    Raises
    ------
    TypeError
        If `cache` is not a RMSNormCache or `dout` is not of a floating dtype.
    ValueError
        If `dout` does not have the shape of `x`.
    """
    dout = check_dout("rms_norm_backward", dout, cache, RMSNormCache)
    return _backward(dout, cache)[:2]


def _forward(
    layout: Layout,
    x: NDArray,
    gamma: NDArray | None,
    beta: NDArray | None,
    eps: float,
    stats: tuple[int, ...],
    centred: bool = True,
) -> tuple[object, ...]:
    """Return y and the fields of a cache; every norm comes through here."""
    view = _computable(x).reshape(layout.view)
    with np.errstate(invalid="ignore", over="ignore"):
        np.setbufsize(BUFFER_ROWS if layout.axes == (0,) else BUFFER)
        y, *found = standardize(
            view,
            layout.axes,
            eps=eps,
            scale=_as_scale(gamma, layout, view),
            shift=_as_scale(beta, layout, view),
            centred=centred,
        )
        y = _as_given(y, x)
    mean, var, inv_std = (a.reshape(stats) for a in found)
    return y, x, gamma, beta, mean, var, inv_std, layout


def _backward(
    dout: NDArray, cache: NormCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Return dx, dgamma and dbeta; every norm comes through here."""
    layout = cache.layout
    view = _computable(cache.x).reshape(layout.view)
    ones = np.ones(layout.scale, view.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        np.setbufsize(BUFFER_ROWS if layout.axes == (0,) else BUFFER)
        gradients = standardize_backward(
            _computable(dout).reshape(layout.view).astype(view.dtype, copy=False),
            view,
            cache.mean.reshape(layout.stats),
            cache.inv_std.reshape(layout.stats),
            layout.axes,
            scale=ones if cache.gamma is None else _as_scale(cache.gamma, layout, view),
            centred=not isinstance(cache, RMSNormCache),
        )
        return _gradients(*gradients, cache)


def _as_scale(a: NDArray | None, layout: Layout, view: NDArray) -> NDArray | None:
    """Shape gamma or beta so that it broadcasts over `view`.

    It is cast to the dtype of `view`: a wider factor would make NumPy convert the
    whole array back and forth.
    """
    if a is None:
        return None
    return a.astype(view.dtype, copy=False).reshape(layout.scale)


def _affine(view: NDArray, mean: NDArray, factor: NDArray) -> NDArray:
    """Compute ``(view - mean) * factor`` with the digits that float64 would keep."""
    guess = mean.astype(view.dtype)
    y = view - guess
    y *= factor.astype(view.dtype, copy=False)
    y += ((guess - mean) * factor).astype(view.dtype)
    return y


def _computable(x: NDArray) -> NDArray:
    """Return `x` itself, or its float32 copy where it is float16."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _as_given(y: NDArray, x: NDArray) -> NDArray:
    """Give a result the shape and dtype of the input that it belongs to."""
    return y.reshape(x.shape).astype(x.dtype, copy=False)


def _gradients(
    dx: NDArray, dgamma: NDArray, dbeta: NDArray, cache: NormCache
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Give gradients the shapes and dtypes of what they belong to."""
    gamma, beta = cache.gamma, cache.beta
    return (
        _as_given(dx, cache.x),
        None if gamma is None else _as_given(dgamma, gamma),
        None if beta is None else _as_given(dbeta, beta),
    )
