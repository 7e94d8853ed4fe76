"""The one operation behind every norm: standardise over a set of axes.

A norm is a choice of view and axes. This module does the arithmetic, forward and
backward, for any such choice. It knows nothing about batches, channels or layers, and it
checks nothing: its callers, the norms, do.

What makes the arithmetic trustworthy in float32 is the corrected two-pass algorithm:
subtract a guess of the mean, measure what is left, correct mean and variance by it.
Data with a mean of ten thousand standard deviations then loses no digits. The mean is
returned in float64, because float32 cannot hold such a mean finely enough.

References
----------
T. F. Chan, G. H. Golub, R. J. LeVeque. Algorithms for Computing the Sample Variance:
Analysis and Recommendations. The American Statistician 37(3), 1983.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["standardize", "standardize_backward"]

# Elements worked on at a time: 1 MiB of float32, which a second-level cache holds.
BLOCK = 2**18
# Rows worked on at a time: more would make float32 sums long enough to lose digits.
BLOCK_ROWS = 2**12


def standardize(
    x: NDArray,
    axes: tuple[int, ...],
    *,
    eps: float,
    scale: NDArray | None = None,
    shift: NDArray | None = None,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    r"""Standardise `x` over `axes`, then scale and shift each group.

    .. math::

        y = \text{scale} \cdot \frac{x - \mu}{\sqrt{v + \epsilon}} + \text{shift}

    where :math:`\mu` and :math:`v` are the mean and the biased variance over `axes`.
    A group is the set of elements that share one mean.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Values, in any units.
    axes : tuple of int
        Axes to average over, ascending: ``(0,)`` for a matrix, else any set that
        contains the last axis.
    eps : float
        Added to the variance inside the root, in the units of `x` squared.
    scale, shift : ndarray, optional
        Of the statistics' shape. None stands for 1 and 0.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    mean : ndarray of float64
        Shape of `x` with `axes` reduced to length 1.
    var, inv_std : ndarray
        Biased variance and ``1 / sqrt(var + eps)``, in the dtype of `x`.
    """
    count = x.dtype.type(_count(x, axes))
    blocks = _blocks(x, axes)
    guess = _guess_mean(x[blocks[0][0]] if 0 in axes else x, axes)
    first, second = np.zeros((2, *guess.shape), x.dtype)
    y = np.empty(x.shape, x.dtype)
    for block, group in blocks:
        left = np.subtract(x[block], guess[group], out=y[block])
        first[group] += _sum(left, axes)
        second[group] += _sum_of_products(left, left, axes)
    missed = first / count
    var = np.maximum(second / count - missed * missed, 0)
    inv_std = 1 / np.sqrt(var + eps)

    factor = inv_std if scale is None else inv_std * scale
    offset = -missed * factor if shift is None else shift - missed * factor
    for block, group in blocks:
        part = y[block]
        part *= factor[group]
        part += offset[group]
    return y, np.add(guess, missed, dtype=np.float64), var, inv_std


def standardize_backward(
    dout: NDArray,
    x: NDArray,
    mean: NDArray,
    inv_std: NDArray,
    axes: tuple[int, ...],
    *,
    scale: NDArray | None = None,
) -> tuple[NDArray, NDArray, NDArray]:
    r"""Gradient of :func:`standardize` with respect to `x`, `scale` and `shift`.

    .. math::

        dx = \frac{\text{scale}}{\sqrt{v + \epsilon}} \left( dy - \overline{dy}
             - \hat{x} \, \overline{dy \cdot \hat{x}} \right)

    where a bar is the mean over `axes`. Exact for every `eps` in the root.

    Parameters
    ----------
    dout : ndarray
        Gradient with respect to y, of the shape and dtype of `x`.
    x : ndarray
        The input of the forward pass.
    mean, inv_std : ndarray
        What the forward pass returned.
    axes : tuple of int
        As in the forward pass.
    scale : ndarray, optional
        As in the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dscale, dshift : ndarray
        Shape of the statistics, dtype of `x`.
    """
    count = x.dtype.type(_count(x, axes))
    blocks = _blocks(x, axes)
    guess = mean.astype(x.dtype)
    missed = (mean - guess).astype(x.dtype)
    sum_dout, sum_dout_left = np.zeros((2, *mean.shape), x.dtype)
    dx = np.empty(x.shape, x.dtype)
    for block, group in blocks:
        left = np.subtract(x[block], guess[group], out=dx[block])
        sum_dout[group] += _sum(dout[block], axes)
        sum_dout_left[group] += _sum_of_products(dout[block], left, axes)
    sum_dout_x_hat = (sum_dout_left - missed * sum_dout) * inv_std

    # x_hat = (left - missed) * inv_std, so that dout - mean(dout) - x_hat * mean(...)
    # is dout + slope * left + level.
    slope = sum_dout_x_hat * inv_std / -count
    level = sum_dout / -count - slope * missed
    factor = inv_std if scale is None else inv_std * scale
    for block, group in blocks:
        part = dx[block]
        part *= slope[group]
        part += level[group]
        part += dout[block]
        part *= factor[group]
    return dx, sum_dout_x_hat, sum_dout


def _count(x: NDArray, axes: tuple[int, ...]) -> int:
    """Return how many values share one mean, or 1 where there are none."""
    return math.prod([x.shape[axis] for axis in axes]) or 1


def _blocks(x: NDArray, axes: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Cut the first axis into blocks of at most BLOCK elements and BLOCK_ROWS rows.

    Each comes with the slice of the statistics that belongs to it: all of them where
    the first axis is averaged, so that blocks add up.
    """
    rows = max(len(x), 1)
    step = max(1, min(BLOCK_ROWS, BLOCK * rows // max(x.size, 1)))
    blocks = [slice(start, start + step) for start in range(0, rows, step)]
    return [(block, slice(None) if 0 in axes else block) for block in blocks]


def _guess_mean(sample: NDArray, axes: tuple[int, ...]) -> NDArray:
    """Return a rough mean of all the values, or of the first of several blocks.

    How rough it may be is bounded. One block among b can be off by at most sqrt(b)
    standard deviations, and the correction that follows makes up for that.
    """
    guess = _sum(sample, axes) / _count(sample, axes)
    # Infinity minus infinity would turn a mean of infinity into NaN.
    guess[~np.isfinite(guess)] = 0
    return guess


def _sum(a: NDArray, axes: tuple[int, ...]) -> NDArray:
    """Sum over `axes`, which stay as length 1.

    A product with a vector of ones runs in BLAS: several times faster than
    ``a.sum(axis=0)``, and more accurate, since it keeps several partial sums.
    """
    if axes == (0,):
        return (np.ones(len(a), a.dtype) @ a)[np.newaxis]
    partial = (a @ np.ones(a.shape[-1], a.dtype))[..., np.newaxis]
    return partial.sum(axis=axes[:-1], keepdims=True)


def _sum_of_products(a: NDArray, b: NDArray, axes: tuple[int, ...]) -> NDArray:
    """Sum ``a * b`` over `axes` without storing the product."""
    if axes == (0,):
        return np.einsum("nc,nc->c", a, b)[np.newaxis]
    partial = np.vecdot(a, b)[..., np.newaxis]
    return partial.sum(axis=axes[:-1], keepdims=True)
