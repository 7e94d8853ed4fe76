"""How gradients grow from layer to layer in wide networks before training.

Layers are linear maps with independent random weights, a batch norm, an activation. A
standardised value behind the norm is taken for a Gaussian.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["gaussian_mean", "gradient_factor", "rectifier_factor"]

# The trapezoidal rule: smooth functions come out to rounding. No node is at 0, so that a
# jump there costs nothing, and a bend some 1e-4.
NODES = np.linspace(-8, 8, 400)
SHARES = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()


def gaussian_mean(function: Callable[[NDArray], NDArray]) -> NDArray:
    r"""Return the mean of function(t) for a standard Gaussian t.

    Parameters
    ----------
    function : callable
        Maps an array to an array whose last axis belongs to the values of t.

    Examples
    --------
    >>> round(float(gaussian_mean(lambda t: t**4)), 9)
    3.0
    """
    return function(NODES) @ SHARES


def gradient_factor(
    function: Callable[[NDArray], NDArray], slope: Callable[[NDArray], NDArray]
) -> float:
    r"""Return by how much a layer multiplies the squared length of the gradient.

    .. math::

        \chi = \frac{\mathbb{E}\,\varphi'(t)^2}{\operatorname{Var}\varphi(t)}

    for large batches and a standard Gaussian t.

    Parameters
    ----------
    function, slope : callable
        The activation and its derivative, element by element.

    References
    ----------
    G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. S. Schoenholz. A Mean Field
    Theory of Batch Normalization. ICLR 2019. The form given here is derived in chapter
    08 of the book.

    Examples
    --------
    A straight line leaves the gradient as long as it is:

    >>> round(gradient_factor(lambda t: 3 * t + 1, lambda t: 3 + 0 * t), 9)
    1.0
    """
    mean = gaussian_mean(function)
    variance = gaussian_mean(lambda t: (function(t) - mean) ** 2)
    return float(gaussian_mean(lambda t: slope(t) ** 2) / variance)


def rectifier_factor(m: int) -> float:
    r"""Return the factor of :func:`gradient_factor` for rectifiers and batches of m.

    .. math::

        \chi_m = \frac{m - 2 + J + J'}{(1 - J)(m - 3)}, \quad
        J = \frac{\sqrt{1 - \tau^2} + (\pi - \arccos\tau)\,\tau}{\pi}, \quad
        J' = \frac{\pi - \arccos\tau}{\pi}

    with the correlation :math:`\tau = -1/(m - 1)` of two values of a standardised batch.
    For large m it tends to :math:`\pi / (\pi - 1)`.

    Parameters
    ----------
    m : int
        Examples in the batch, at least 4.

    Raises
    ------
    ValueError
        If m is below 4, where the mean of the factor is not finite.

    References
    ----------
    Chapter 08 of the book derives it; J and J' are those of Y. Cho, L. K. Saul. Kernel
    Methods for Deep Learning. NIPS 2009.

    Examples
    --------
    >>> round(rectifier_factor(8), 3), round(rectifier_factor(10**9), 3)
    (1.788, 1.467)
    """
    if not m > 3:
        raise ValueError(f"rectifier_factor: expected m of at least 4, got {m}")
    tau = -1 / (m - 1)
    angle = np.pi - np.arccos(tau)
    j, j_slope = (np.sqrt(1 - tau**2) + angle * tau) / np.pi, angle / np.pi
    return float((m - 2 + j + j_slope) / ((1 - j) * (m - 3)))
