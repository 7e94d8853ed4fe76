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
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["standardize", "standardize_backward"]

# Elements worked on at a time: 1 MiB of float32, which a second-level cache holds.
BLOCK = 2**18
# Rows worked on at a time: more would make float32 sums long enough to lose digits.
BLOCK_ROWS = 2**12
# Values of one row summed at a time, for the same reason.
BLOCK_COLUMNS = 2**15


def standardize(
    x: NDArray,
    axes: tuple[int, ...],
    *,
    eps: float,
    scale: NDArray | None = None,
    shift: NDArray | None = None,
    centred: bool = True,
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    r"""Standardise `x` over `axes`, then scale and shift.

    .. math::

        y = \text{scale} \cdot \frac{x - \mu}{\sqrt{v + \epsilon}} + \text{shift}

    where :math:`\mu` and :math:`v` are the mean and the biased variance over `axes`.
    A group is the set of elements that share one mean. Without centring,
    :math:`\mu` is 0 and :math:`v` is the mean square.

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
        As many axes as `x`, the first of length 1; they broadcast over `x`. None
        stands for 1 and 0.
    centred : bool
        Whether the mean is measured and subtracted.

    Returns
    -------
    y : ndarray
        Shape and dtype of `x`.
    mean : ndarray of float64
        Shape of `x` with `axes` reduced to length 1.
    var, inv_std : ndarray
        Biased variance and ``1 / sqrt(var + eps)``, in the dtype of `x`.
    """
    y = np.empty(x.shape, x.dtype)
    stats = [
        standardize_part(x[part], y[part], axes, eps, scale, shift, centred)
        for part in _parts(x, axes, BLOCK)
    ]
    mean, var, inv_std = _join(stats, np.concatenate)
    return y, mean, var, inv_std


def standardize_part(
    x: NDArray,
    y: NDArray,
    axes: tuple[int, ...],
    eps: float,
    scale: NDArray | None,
    shift: NDArray | None,
    centred: bool,
) -> tuple[NDArray, NDArray, NDArray]:
    """Fill `y` for groups that lie in `x` as a whole; return mean, var, inv_std."""
    count = x.dtype.type(_count(x, axes))
    blocks = _blocks(x, axes)
    guess = _guess_mean(x[blocks[0]], axes)
    if not centred:
        guess[...] = 0
    first, second = np.zeros((2, *guess.shape), x.dtype)
    for block in blocks:
        left = np.subtract(x[block], guess, out=y[block])
        first += _sum(left, axes)
        second += _sum_of_products(left, left, axes)
    missed = first / count if centred else np.zeros_like(first)
    var = np.maximum(second / count - missed * missed, 0)
    inv_std = 1 / np.sqrt(var + eps)

    # Scale and shift join the factor and the offset of a group, unless there are as
    # many of these as values in x.
    joined = not any(_grows(param, inv_std, x, axes) for param in (scale, shift))
    factor = inv_std * scale if joined and scale is not None else inv_std
    offset = -missed * factor
    if joined and shift is not None:
        offset = shift + offset
    for block in blocks:
        part = y[block]
        part *= factor
        part += offset
        if not joined:
            part *= 1 if scale is None else scale
            part += 0 if shift is None else shift
    return np.add(guess, missed, dtype=np.float64), var, inv_std


def standardize_backward(
    dout: NDArray,
    x: NDArray,
    mean: NDArray,
    inv_std: NDArray,
    axes: tuple[int, ...],
    *,
    scale: NDArray,
    centred: bool = True,
) -> tuple[NDArray, NDArray, NDArray]:
    r"""Gradient of :func:`standardize` with respect to `x`, `scale` and `shift`.

    .. math::

        dx = \frac{1}{\sqrt{v + \epsilon}} \left( g - \overline{g}
             - \hat{x} \, \overline{g \hat{x}} \right), \qquad
        g = \text{scale} \cdot dy

    where a bar is the mean over `axes`. Exact for every `eps` in the root. Without
    centring the middle term goes.

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
    scale : ndarray
        As in the forward pass; ones of the shape of `shift` where it had none.
    centred : bool
        As in the forward pass.

    Returns
    -------
    dx : ndarray
        Shape and dtype of `x`.
    dscale, dshift : ndarray
        Shape of `scale`, dtype of `x`.
    """
    dx = np.empty(x.shape, x.dtype)
    dscale, dshift = np.zeros((2, *scale.shape), x.dtype)
    # Half a block, as the products of a part take room beside it.
    for part in _parts(x, axes, BLOCK // 2):
        stats = mean[part], inv_std[part]
        sums = backward_part(
            dout[part], x[part], dx[part], *stats, axes, scale, centred
        )
        dscale += sums[0]
        dshift += sums[1]
    return dx, dscale, dshift


def backward_part(
    dout: NDArray,
    x: NDArray,
    dx: NDArray,
    mean: NDArray,
    inv_std: NDArray,
    axes: tuple[int, ...],
    scale: NDArray,
    centred: bool,
) -> tuple[NDArray, NDArray]:
    """Fill `dx` for groups that lie in `x` as a whole; return dscale and dshift."""
    count = x.dtype.type(_count(x, axes))
    blocks = _blocks(x, axes)
    guess = mean.astype(x.dtype)
    missed = (mean - guess).astype(x.dtype)
    # dscale and dshift are sums too, over the axes on which scale has length 1. What
    # these have in common with the axes of the mean is summed first, and only once.
    shared = tuple([axis for axis in range(x.ndim) if scale.shape[axis] == 1])
    both = tuple([axis for axis in axes if axis in shared])
    terms = []
    for block in blocks:
        left = np.subtract(x[block], guess, out=dx[block])
        terms.append(
            (_sum(dout[block], both), _sum_of_products(dout[block], left, both))
        )
    sum_dout, sum_dout_left = _join(terms, sum)
    dshift = _sum(sum_dout, shared)
    dscale = _sum_of_products(sum_dout_left, inv_std, shared)
    dscale -= _sum_of_products(sum_dout, missed * inv_std, shared)

    inside = _varies_inside(scale, axes)
    if inside:
        sum_g = _sum_of_products(sum_dout, scale, axes)
        sum_g_left = _sum_of_products(sum_dout_left, scale, axes)
        factor = inv_std
    else:
        sum_g, sum_g_left, factor = sum_dout, sum_dout_left, inv_std * scale
    del terms, sum_dout, sum_dout_left  # some are as large as a part of x
    # x_hat = (left - missed) * inv_std, so that g - mean(g) - x_hat * mean(g * x_hat)
    # is g + slope * left + level.
    slope = (sum_g_left - missed * sum_g) * inv_std * inv_std / -count
    level = sum_g / -count - slope * missed if centred else np.zeros_like(sum_g)
    for block in blocks:
        part = dx[block]
        part *= slope
        part += level
        part += dout[block] * scale if inside else dout[block]
        part *= factor
    return dscale, dshift


def _count(x: NDArray, axes: tuple[int, ...]) -> int:
    """Return how many values share one mean, or 1 where there are none."""
    return math.prod([x.shape[axis] for axis in axes]) or 1


def _parts(x: NDArray, axes: tuple[int, ...], size: int) -> list[slice]:
    """Cut the first axis where groups end: into blocks, or not at all."""
    return [slice(None)] if 0 in axes else _cut(x, size)


def _blocks(x: NDArray, axes: tuple[int, ...]) -> list[slice]:
    """Cut the first axis where groups run along it: into blocks whose sums add up."""
    return _cut(x, BLOCK) if 0 in axes else [slice(None)]


def _cut(x: NDArray, size: int) -> list[slice]:
    """Cut the first axis into blocks of at most `size` elements and BLOCK_ROWS rows."""
    rows = max(len(x), 1)
    step = max(1, min(BLOCK_ROWS, size * rows // max(x.size, 1)))
    return [slice(start, start + step) for start in range(0, rows, step)]


def _join(
    results: list[tuple[NDArray, ...]], how: Callable[[tuple[NDArray, ...]], NDArray]
) -> Iterator[NDArray]:
    """Put the results of several parts or blocks together, entry by entry."""
    if len(results) == 1:
        return iter(results[0])
    return map(how, zip(*results, strict=True))


def _guess_mean(sample: NDArray, axes: tuple[int, ...]) -> NDArray:
    """Return a rough mean of all the values, or of the first of several blocks.

    How rough it may be is bounded. One block among b can be off by at most sqrt(b)
    standard deviations, and the correction that follows makes up for that.
    """
    guess = _sum(sample, axes) / _count(sample, axes)
    # Infinity minus infinity would turn a mean of infinity into NaN.
    guess[~np.isfinite(guess)] = 0
    return guess


def _varies_inside(scale: NDArray, axes: tuple[int, ...]) -> bool:
    """Tell whether `scale` has more than one value in a group."""
    return any(scale.shape[axis] > 1 for axis in axes)


def _grows(
    param: NDArray | None, inv_std: NDArray, x: NDArray, axes: tuple[int, ...]
) -> bool:
    """Tell whether the product of `param` and `inv_std` would be as large as `x`."""
    if param is None or not _varies_inside(param, axes):
        return False
    return np.broadcast(param, inv_std).size == x.size


def _sum(a: NDArray, axes: tuple[int, ...]) -> NDArray:
    """Sum over `axes`, which stay as length 1.

    A product with a vector of ones runs in BLAS: several times faster than
    ``a.sum(axis=0)``, and more accurate, since it keeps several partial sums.
    """
    if not axes:
        return a
    if axes == (0,):
        return (np.ones(len(a), a.dtype) @ a)[np.newaxis]
    if a.shape[-1] > BLOCK_COLUMNS:
        return sum(_sum(piece, axes) for piece in _pieces(a))
    partial = (a @ np.ones(a.shape[-1], a.dtype))[..., np.newaxis]
    return partial.sum(axis=axes[:-1], keepdims=True) if axes[1:] else partial


def _sum_of_products(a: NDArray, b: NDArray, axes: tuple[int, ...]) -> NDArray:
    """Sum ``a * b`` over `axes` without storing the product; b may be broadcast."""
    if not axes:
        return a * b
    if axes != (0,) and a.shape[-1] > BLOCK_COLUMNS:
        pairs = zip(_pieces(a), _pieces(b), strict=True)
        return sum(_sum_of_products(*pair, axes) for pair in pairs)
    if a.ndim == 2 and len(axes) == 1 and b.shape[1 - axes[0]] == 1:
        return b.T @ a if axes == (0,) else a @ b.T
    if axes == (0,):
        return np.einsum("nc,nc->c", a, b)[np.newaxis]
    partial = np.vecdot(a, b)[..., np.newaxis]
    return partial.sum(axis=axes[:-1], keepdims=True) if axes[1:] else partial


def _pieces(a: NDArray) -> list[NDArray]:
    """Cut the last axis into pieces of at most BLOCK_COLUMNS values."""
    starts = range(0, a.shape[-1], BLOCK_COLUMNS)
    return [a[..., start : start + BLOCK_COLUMNS] for start in starts]
