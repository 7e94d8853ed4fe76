"""Losses: each returns its value and its gradient."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["cross_entropy", "mean_squared_error"]


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
