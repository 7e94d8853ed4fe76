"""Statistics that outlive a batch: running averages, and moments that can be merged.

Two ways lead from batches to statistics of all the data. An average over batches
forgets (exponential) or weighs all alike (cumulative); that is what a norm keeps in
training. Moments are exact: those of two parts give those of the whole.
"""

import math
from collections.abc import Iterable
from numbers import Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CONVENTIONS",
    "Moments",
    "add_value",
    "bias_corrected",
    "convert_momentum",
    "cumulative_average",
    "exponential_average",
    "merge_moments",
    "moments",
    "unbiased",
]

# Which of the two values the momentum of a library's batch norm multiplies.
CONVENTIONS = {
    "pytorch": "new",
    "keras": "old",
    "flax": "old",
    "onnx": "old",
    "paddle": "old",
}


def exponential_average(old: ArrayLike, new: ArrayLike, momentum: float) -> NDArray:
    r"""Move a running average towards a new value.

    .. math::

        R_t = (1 - \alpha) \, R_{t-1} + \alpha \, q_t

    Parameters
    ----------
    old, new : array_like
        Running average and newest value, of one shape and unit.
    momentum : float
        Weight of the *new* value, as in PyTorch. Below 0 or above 1 it is no average;
        PyTorch does not refuse that, and neither does this function.

    Returns
    -------
    ndarray
        The new average, in the wider of the two dtypes.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> exponential_average([0.0, 1.0], [5.0, 12.0], 0.1)
    array([0.5, 2.1])
    """
    old, new = _alike("exponential_average", old, new)
    return (1 - momentum) * old + momentum * new


def cumulative_average(old: ArrayLike, new: ArrayLike, count: int) -> NDArray:
    r"""Add one value to the plain mean of those that came before.

    .. math::

        R_t = \left(1 - \tfrac1t\right) R_{t-1} + \tfrac1t \, q_t
            = \tfrac1t \, (q_1 + \dots + q_t)

    Parameters
    ----------
    old, new : array_like
        Mean so far and newest value, of one shape and unit.
    count : int
        Number t of values, the new one included. With 1, `old` has no weight.

    Returns
    -------
    ndarray
        The new mean, in the wider of the two dtypes.

    Raises
    ------
    ValueError
        If the shapes differ or `count` is less than 1.

    Examples
    --------
    >>> average = 99.0  # whatever it was before the first value
    >>> for count, value in enumerate([2.0, 4.0, 9.0], start=1):
    ...     average = cumulative_average(average, value, count)
    >>> round(float(average), 9)
    5.0
    """
    if not count >= 1:
        raise ValueError(f"cumulative_average: expected count >= 1, got {count}")
    old, new = _alike("cumulative_average", old, new)
    return exponential_average(old, new, 1 / count)


def bias_corrected(average: ArrayLike, momentum: float, steps: int) -> NDArray:
    r"""Correct an exponential average that started from zero.

    .. math::

        \frac{R_t}{1 - (1 - \alpha)^t}

    The weights of the t values in :math:`R_t` add up to the denominator; after the
    division they add up to 1.

    Parameters
    ----------
    average : array_like
        Result of `steps` calls of :func:`exponential_average`, the first with zeros.
    momentum : float
        Weight of the new value in these calls: above 0, at most 1.
    steps : int
        Number t of values, at least 1.

    Returns
    -------
    ndarray
        Of the shape and unit of `average`.

    Raises
    ------
    ValueError
        If `momentum` or `steps` is out of range.

    References
    ----------
    D. P. Kingma, J. Ba. Adam: A Method for Stochastic Optimization. ICLR 2015.

    Examples
    --------
    >>> average = 0.0
    >>> for value in (7.0, 7.0):
    ...     average = exponential_average(average, value, 0.1)
    >>> round(float(average), 9), round(float(bias_corrected(average, 0.1, 2)), 9)
    (1.33, 7.0)
    """
    if not 0 < momentum <= 1:
        raise ValueError(f"bias_corrected: expected 0 < momentum <= 1, got {momentum}")
    if not steps >= 1:
        raise ValueError(f"bias_corrected: expected steps >= 1, got {steps}")
    if momentum == 1:  # the logarithm below would be infinite
        return np.asarray(average) / 1
    # Keeps its digits where momentum * steps is tiny, unlike 1 - (1 - momentum)**steps.
    return np.asarray(average) / -math.expm1(steps * math.log1p(-momentum))


def convert_momentum(momentum: float | None, source: str, target: str) -> float:
    """Say in one library's convention what another one's momentum means.

    PyTorch's momentum is the weight of the new value, everybody else's that of the
    old one: :data:`CONVENTIONS` has the list.

    Parameters
    ----------
    momentum : float
        From 0 to 1, in the convention of `source`.
    source, target : str
        Names of libraries.

    Returns
    -------
    float
        The same average in the convention of `target`.

    Raises
    ------
    TypeError
        If `momentum` is no number.
    ValueError
        If a library is not known, or `momentum` is out of range or None. None is
        PyTorch's cumulative average, whose weights change with every batch, so that
        no constant stands for it.

    Examples
    --------
    >>> convert_momentum(0.1, "pytorch", "keras")
    0.9
    >>> convert_momentum(0.9, "keras", "flax")
    0.9
    """
    for library in (source, target):
        if library not in CONVENTIONS:
            raise ValueError(
                f"convert_momentum: expected one of {', '.join(CONVENTIONS)}, "
                f"got {library!r}"
            )
    if momentum is None:
        raise ValueError(
            "convert_momentum: None is PyTorch's cumulative average; its weights "
            "change with every batch, and no constant momentum stands for it"
        )
    if not isinstance(momentum, Real):
        raise TypeError(f"convert_momentum: expected a number, got {momentum!r}")
    if not 0 <= momentum <= 1:
        raise ValueError(
            f"convert_momentum: expected momentum from 0 to 1, got {momentum}"
        )
    same = CONVENTIONS[source] == CONVENTIONS[target]
    return float(momentum if same else 1 - momentum)


def unbiased(var: ArrayLike, count: int) -> NDArray:
    r"""Turn the biased variance of `count` values into the unbiased one (Bessel).

    .. math::

        v \cdot \frac{m}{m - 1}

    Parameters
    ----------
    var : array_like
        Sum of squared deviations divided by `count`.
    count : int
        Number m of values behind each variance, at least 2.

    Returns
    -------
    ndarray
        Of the shape, unit and dtype of `var`.

    Raises
    ------
    ValueError
        If there are fewer than 2 values.

    Examples
    --------
    >>> float(unbiased(9.0, 4))
    12.0
    """
    if not count >= 2:
        raise ValueError(f"unbiased: expected at least 2 values, got {count}")
    return np.asarray(var) * (count / (count - 1))


class Moments(NamedTuple):
    r"""Number, mean and sum of squared deviations of some values.

    `m2` is :math:`M = \sum_i (x_i - \mu)^2`, in the unit of the values squared. `mean`
    and `m2` have one shape and are float64.
    """

    count: int
    mean: NDArray
    m2: NDArray

    @property
    def var(self) -> NDArray:
        """The biased variance; a ValueError if there are no values."""
        if not self.count:
            raise ValueError("Moments.var: expected at least 1 value, got 0")
        return self.m2 / self.count

    @property
    def unbiased_var(self) -> NDArray:
        """The unbiased variance; a ValueError if there are fewer than 2 values."""
        return unbiased(self.m2, self.count) / self.count


def moments(x: ArrayLike) -> Moments:
    r"""Moments of an array: two passes, and a correction of what rounding left.

    Parameters
    ----------
    x : array_like, shape (n,), (N, C) or (N, C, \*spatial)
        Values of any real dtype. Channels are on axis 1, as for the norms: all other
        axes are averaged over. The values of a 1-D array belong together.

    Returns
    -------
    Moments
        Of shape (C,), or () for a 1-D array. All zero if there are no values: that is
        what :func:`add_value` and :func:`merge_moments` can start from.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` has no axis.

    Notes
    -----
    Everything is computed in float64, whatever the dtype of `x`.

    Examples
    --------
    >>> found = moments([0.0, 6.0, 6.0, 8.0])
    >>> found.count, float(found.mean), float(found.var), float(found.unbiased_var)
    (4, 5.0, 9.0, 12.0)
    """
    x = _real("moments", x)
    if x.ndim == 0:
        raise ValueError(
            "moments: expected an array with at least one axis, got one value"
        )
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    count = math.prod(x.shape[axis] for axis in axes)
    if not count:
        return Moments(0, np.zeros(x.shape[1:2]), np.zeros(x.shape[1:2]))
    with np.errstate(invalid="ignore", over="ignore"):  # as norms do with infinity
        guess = x.mean(axis=axes, keepdims=True)
        left = x - guess
        missed = left.mean(axis=axes, keepdims=True)
        m2 = np.sum(left**2, axis=axes) - count * np.squeeze(missed, axes) ** 2
    return Moments(count, np.squeeze(guess + missed, axes), np.maximum(m2, 0))


def add_value(moments: Moments, value: ArrayLike) -> Moments:
    r"""Add one value to moments (Welford's algorithm).

    .. math::

        \mu' = \mu + \frac{x - \mu}{n + 1}, \qquad
        M' = M + (x - \mu)(x - \mu')

    Parameters
    ----------
    moments : Moments
        Of the n values so far.
    value : array_like
        The next one, of the shape of ``moments.mean``.

    Returns
    -------
    Moments
        Of n + 1 values. `moments` is not changed.

    Raises
    ------
    TypeError
        If `moments` are none, or `value` does not hold real numbers.
    ValueError
        If the shapes differ.

    References
    ----------
    B. P. Welford. Note on a Method for Calculating Corrected Sums of Squares and
    Products. Technometrics 4(3), 1962.

    Examples
    --------
    >>> import numpy as np
    >>> found = moments(np.empty(0))
    >>> for value in (0.0, 6.0, 6.0, 8.0):
    ...     found = add_value(found, value)
    >>> float(found.mean), round(float(found.m2), 9)
    (5.0, 36.0)
    """
    _check_moments("add_value", [moments])
    value = _real("add_value", value)
    if value.shape != moments.mean.shape:
        raise ValueError(
            f"add_value: expected a value of shape {moments.mean.shape}, "
            f"got {value.shape}"
        )
    count = moments.count + 1
    with np.errstate(invalid="ignore", over="ignore"):
        before = value - moments.mean
        mean = moments.mean + before / count
        return Moments(count, mean, moments.m2 + before * (value - mean))


def merge_moments(a: Moments, b: Moments) -> Moments:
    r"""Moments of two sets of values together, from those of each.

    .. math::

        \mu = \mu_A + \delta \, \frac{n_B}{n}, \qquad
        M = M_A + M_B + \delta^2 \, \frac{n_A n_B}{n}, \qquad
        \delta = \mu_B - \mu_A, \quad n = n_A + n_B

    Parameters
    ----------
    a, b : Moments
        Of one shape. Either may be of no values at all.

    Returns
    -------
    Moments
        Of all values, whose order does not matter except to the last digits.

    Raises
    ------
    TypeError
        If an argument is no Moments.
    ValueError
        If the shapes differ.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque. Algorithms for Computing the Sample Variance:
    Analysis and Recommendations. The American Statistician 37(3), 1983.

    Examples
    --------
    >>> whole = merge_moments(moments([0.0, 6.0]), moments([6.0, 8.0]))
    >>> whole.count, float(whole.mean), float(whole.m2)
    (4, 5.0, 36.0)
    """
    _check_moments("merge_moments", [a, b])
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"merge_moments: expected moments of one shape, "
            f"got {a.mean.shape} and {b.mean.shape}"
        )
    count = a.count + b.count
    if not a.count or not b.count:
        return a if a.count else b
    with np.errstate(invalid="ignore", over="ignore"):
        delta = b.mean - a.mean
        mean = a.mean + delta * (b.count / count)
        m2 = a.m2 + b.m2 + delta**2 * (a.count * b.count / count)
    return Moments(count, mean, m2)


def _alike(name: str, old: ArrayLike, new: ArrayLike) -> tuple[NDArray, NDArray]:
    """Refuse two shapes that NumPy would broadcast."""
    old, new = np.asarray(old), np.asarray(new)
    if old.shape != new.shape:
        raise ValueError(
            f"{name}: expected old and new of one shape, got {old.shape} and {new.shape}"
        )
    return old, new


def _real(name: str, value: ArrayLike) -> NDArray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(np.float64)


def _check_moments(name: str, given: Iterable[object]) -> None:
    for thing in given:
        if not isinstance(thing, Moments):
            raise TypeError(f"{name}: expected Moments, got {type(thing).__name__}")
