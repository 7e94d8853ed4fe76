"""Covariate shift: importance weights, what they cost, and a test that sees a shift."""

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "density_ratio",
    "effective_sample_size",
    "fisher_exact",
    "logistic_regression",
    "probability",
    "two_sample_test",
]


def effective_sample_size(weights: ArrayLike) -> float:
    r"""Return how many equally weighted examples average as well as these.

    .. math::

        n_\text{eff} = \frac{(\sum_i w_i)^2}{\sum_i w_i^2}

    Parameters
    ----------
    weights : array_like, shape (n,)
        Not negative, and not all zero; their scale does not matter.

    Returns
    -------
    float
        Between 1 and n.

    Raises
    ------
    ValueError
        If weights are negative, not finite, or all zero.

    Examples
    --------
    >>> effective_sample_size([1.0, 1.0, 1.0, 1.0])
    4.0
    >>> effective_sample_size([5.0, 0.0, 0.0])
    1.0
    """
    w = _weights("effective_sample_size", weights, np.size(weights))
    w = w / w.max()  # the squares of very small or large ones stay in range
    return float(w.sum() ** 2 / (w**2).sum())


def logistic_regression(
    x: NDArray,
    y: NDArray,
    weights: ArrayLike | None = None,
    *,
    penalty: float = 1.0,
    max_steps: int = 100,
) -> NDArray:
    r"""Fit P(y = 1 | x) = 1 / (1 + exp(-(x a + b))) by Newton's method.

    .. math::

        \min_{a, b} \; -\sum_i w_i \log P(y_i \mid x_i) + \frac{c}{2} \lVert a \rVert^2

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Inputs.
    y : ndarray, shape (n,)
        0 or 1.
    weights : array_like, shape (n,), optional
        w, scaled here to an average of 1; equal by default.
    penalty : float
        c, positive: it keeps the minimum finite when a plane separates the classes.
    max_steps : int
        Newton steps before giving up.

    Returns
    -------
    ndarray, shape (d + 1,)
        The coefficients a, then b.

    Raises
    ------
    ValueError
        If shapes do not fit, y holds other values, or `penalty` is not positive.
    RuntimeError
        If there is still something to gain after `max_steps`.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fitted = logistic_regression(x, np.array([0, 1, 0, 1]))
    >>> probability(fitted, np.array([[1.5]])).round(6)
    array([0.5])
    """
    x, y = np.asarray(x, float), np.asarray(y)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(
            "logistic_regression: expected x (n, d) and y (n,), "
            f"got {x.shape} and {y.shape}"
        )
    if not np.isin(y, (0, 1)).all():
        raise ValueError("logistic_regression: expected y of 0 and 1 only")
    if not penalty > 0:
        raise ValueError(f"logistic_regression: expected penalty > 0, got {penalty}")
    w = np.ones(len(x)) if weights is None else weights
    w = _weights("logistic_regression", w, len(x))
    w = w / w.mean()
    rows = np.column_stack([x, np.ones(len(x))])
    ridge = np.full(rows.shape[1], float(penalty))
    ridge[-1] = 0  # b is free

    def loss(fitted: NDArray) -> float:
        z = rows @ fitted
        return w @ (np.logaddexp(0, z) - y * z) + ridge @ fitted**2 / 2

    fitted = np.zeros(rows.shape[1])
    for _ in range(max_steps):
        p = probability(fitted, x)
        gradient = rows.T @ (w * (p - y)) + ridge * fitted
        curvature = (rows.T * (w * p * (1 - p))) @ rows + np.diag(ridge)
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        decrement = gradient @ step  # twice what is left to gain, whatever x's units
        if decrement < 1e-14:
            return fitted - step
        # Far away a full step may overshoot; a part of it goes down.
        before, size = loss(fitted), 1.0
        while decrement > 1e-6 and loss(fitted - size * step) > before:
            size /= 2
        fitted = fitted - size * step
    raise RuntimeError(f"logistic_regression: no minimum after {max_steps} steps")


def probability(fitted: NDArray, x: NDArray) -> NDArray:
    """Return P(y = 1 | x) of what :func:`logistic_regression` fitted, shape (n,).

    Examples
    --------
    >>> probability(np.array([2.0, 0.0]), np.array([[0.0], [100.0]]))
    array([0.5, 1. ])
    """
    return 0.5 * (1 + np.tanh(0.5 * (x @ fitted[:-1] + fitted[-1])))


def density_ratio(x_train: NDArray, x_use: NDArray, *, penalty: float = 1.0) -> NDArray:
    r"""Estimate p_use(x) / p_train(x) at the training inputs, with a classifier.

    A logistic regression learns to tell the two samples apart. If q is its
    probability for 'from use',

    .. math::

        w(x) = \frac{q(x)}{1 - q(x)} \cdot \frac{n_\text{train}}{n_\text{use}} .

    Parameters
    ----------
    x_train : ndarray, shape (n_train, d)
        Inputs that the model was trained on.
    x_use : ndarray, shape (n_use, d)
        Inputs that it meets in use; no labels are needed.
    penalty : float
        As in :func:`logistic_regression`. A larger one gives weights nearer to 1.

    Returns
    -------
    ndarray, shape (n_train,)
        Weights; they average about 1.

    References
    ----------
    M. Sugiyama, T. Suzuki, T. Kanamori. Density Ratio Estimation in Machine Learning.
    Cambridge University Press, 2012.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> x_train = generator.normal(0, 1, (2000, 1))
    >>> x_use = generator.normal(1, 1, (2000, 1))
    >>> w = density_ratio(x_train, x_use)
    >>> bool(np.corrcoef(np.log(w), x_train[:, 0])[0, 1] > 0.999)
    True
    """
    x, from_use = _both("density_ratio", x_train, x_use)
    fitted = logistic_regression(x, from_use, penalty=penalty)
    log_odds = x_train @ fitted[:-1] + fitted[-1]
    return np.exp(log_odds) * len(x_train) / len(x_use)


def two_sample_test(
    x_train: NDArray,
    x_use: NDArray,
    generator: np.random.Generator,
    *,
    penalty: float = 1.0,
) -> tuple[float, float]:
    """Ask whether two samples could come from one distribution, with a classifier.

    Half of each sample trains a logistic regression to tell them apart; the other
    half is asked. If nothing differs, then among the held-out inputs every assignment
    of the two origins is equally likely, which gives an exact p-value.

    Parameters
    ----------
    x_train : ndarray, shape (n_train, d)
        One sample.
    x_use : ndarray, shape (n_use, d)
        The other.
    generator : numpy.random.Generator
        Cuts the samples into halves.
    penalty : float
        As in :func:`logistic_regression`.

    Returns
    -------
    accuracy : float
        Share of held-out inputs whose origin was told.
    p_value : float
        Probability of so many right answers, or more, by chance.

    Raises
    ------
    ValueError
        If the inputs differ in width or a sample has fewer than 4 rows.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> a, b = generator.normal(0, 1, (200, 3)), generator.normal(1, 1, (100, 3))
    >>> accuracy, p_value = two_sample_test(a, b, generator)
    >>> accuracy > 0.7, p_value < 1e-6
    (True, True)
    """
    x, from_use = _both("two_sample_test", x_train, x_use)
    if min(len(x_train), len(x_use)) < 4:
        raise ValueError("two_sample_test: expected 4 rows or more in each sample")
    learn = np.zeros(len(x), bool)
    for origin in (0, 1):
        rows = generator.permutation(np.flatnonzero(from_use == origin))
        learn[rows[: len(rows) // 2]] = True
    fitted = logistic_regression(x[learn], from_use[learn], penalty=penalty)
    # As many answers 'use' as there are inputs from use, or the larger sample wins all.
    score, truth = x[~learn] @ fitted[:-1], from_use[~learn] == 1
    said = np.zeros(len(truth), bool)
    said[np.argsort(score, kind="stable")[len(truth) - truth.sum() :]] = True
    return float(np.mean(said == truth)), fisher_exact(said, truth)


def fisher_exact(said: ArrayLike, truth: ArrayLike) -> float:
    r"""Return the chance of so many hits, or more, if all assignments are alike.

    Of n inputs, k are said to be positive and t are. If the answers know nothing,
    the number of those that are both follows the hypergeometric distribution:

    .. math::

        P(H \ge h) = \sum_{j \ge h} \binom{t}{j} \binom{n-t}{k-j} \Big/ \binom{n}{k}

    Parameters
    ----------
    said, truth : array_like of bool, shape (n,)
        The answers, and what is the case.

    Examples
    --------
    >>> fisher_exact([True, True, False, False], [True, True, False, False])
    0.16666666666666666
    """
    said, truth = np.asarray(said, bool), np.asarray(truth, bool)
    if said.shape != truth.shape or said.ndim != 1:
        raise ValueError(
            f"fisher_exact: expected one shape (n,), got {said.shape}, {truth.shape}"
        )
    n, k, t = len(said), int(said.sum()), int(truth.sum())
    hits = int((said & truth).sum())
    ways = sum(comb(t, j) * comb(n - t, k - j) for j in range(hits, min(k, t) + 1))
    return ways / comb(n, k)


def _weights(name: str, weights: ArrayLike, count: int) -> NDArray:
    w = np.asarray(weights, float)
    if w.shape != (count,) or not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise ValueError(
            f"{name}: expected {count} finite weights, none negative and not all zero, "
            f"got shape {w.shape}" + (f" from {w.min()} to {w.max()}" if w.size else "")
        )
    return w


def _both(name: str, x_train: NDArray, x_use: NDArray) -> tuple[NDArray, NDArray]:
    shapes = np.shape(x_train), np.shape(x_use)
    if any(len(s) != 2 or not s[0] for s in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"{name}: expected two tables of one width, got {shapes[0]} and {shapes[1]}"
        )
    return np.concatenate([x_train, x_use]), np.repeat([0, 1], [s[0] for s in shapes])
