"""A problem of two classes whose loss and gradient have a formula, without data.

An example x with the label y = +1 or -1 enters as z = -yx. The weights w put it on the
wrong side if w . z > 0. All z are Gaussian, with mean nu and covariance sigma.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["halfspace_gradient", "halfspace_problem", "steps_needed"]


def halfspace_problem(
    generator: np.random.Generator, size: int = 8, condition: float = 100
) -> tuple[NDArray, NDArray]:
    """Draw a mean and a covariance; the best weights leave an error of 16 %.

    Parameters
    ----------
    generator : numpy.random.Generator
        Where the directions come from.
    size : int
        Number of inputs.
    condition : float
        Largest over smallest eigenvalue of the covariance.

    Returns
    -------
    nu : ndarray
        Mean of z, of shape (size,).
    sigma : ndarray
        Covariance of z, of shape (size, size).
    """
    turn = np.linalg.qr(generator.standard_normal((size, size)))[0]
    sigma = turn * np.geomspace(1, 1 / condition, size) @ turn.T
    v = generator.standard_normal(size)
    return -sigma @ v / np.sqrt(v @ sigma @ v), sigma


def halfspace_gradient(w: NDArray, nu: NDArray, sigma: NDArray) -> NDArray:
    r"""Return the gradient of a smooth count of the errors, row by row.

    .. math::

        f(w) = \mathbb{E}\,\Phi(w \cdot z)
        = \Phi\left(\frac{w \cdot \nu}{\sqrt{1 + w^\top \Sigma w}}\right)

    with the distribution function Phi of a standard Gaussian.

    Parameters
    ----------
    w : ndarray
        Of shape (units, size): each row is a unit of its own.
    nu, sigma : ndarray
        Mean and covariance of z.

    Returns
    -------
    ndarray
        Of the shape of `w`.

    Examples
    --------
    At zero every unit moves against the mean of z:

    >>> import numpy as np
    >>> halfspace_gradient(np.zeros((1, 2)), np.array([1.0, 0.0]), np.eye(2)).round(3)
    array([[0.399, 0.   ]])
    """
    root = np.sqrt(1 + np.sum((w @ sigma) * w, axis=1, keepdims=True))
    u = (w @ nu)[:, None] / root
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    return density * (nu / root - u * (w @ sigma) / root**2)


def steps_needed(
    normed: bool,
    length: float,
    rates: Sequence[float],
    generator: np.random.Generator,
    steps: int = 800,
) -> NDArray:
    r"""Count the steps of gradient descent until the direction is found, for good.

    Plain: on w. Normed: on w and gamma, with the weights
    :math:`\gamma\, w / \sqrt{w^\top S w}` and the second moments
    :math:`S = \Sigma + \nu\nu^\top` of the input; that is a batch norm without
    centring over an infinite batch. Both begin with the same function.

    Parameters
    ----------
    normed : bool
        Which of the two.
    length : float
        Root mean square of the unit's output at the start.
    rates : sequence of float
        Learning rates; all of them start from the same weights.
    generator : numpy.random.Generator
        Draws the problem and the start.
    steps : int
        Where to stop.

    Returns
    -------
    ndarray
        For each rate, the first step after which the outputs agree with the best ones
        up to a factor: their cosine is above 0.999 in size. `steps` if that is not
        reached. (A negative gamma turns the direction round, so the sign is left aside.)
    """
    nu, sigma = halfspace_problem(generator)
    second, best = sigma + np.outer(nu, nu), -np.linalg.solve(sigma, nu)
    w = np.tile(generator.standard_normal(len(nu)), (len(rates), 1))
    w *= length / np.sqrt(w[0] @ second @ w[0])
    rate, gamma = np.array(rates)[:, None], np.full((len(rates), 1), length)
    far = np.zeros(len(rates), int)
    for step in range(steps):
        size = np.sqrt(np.sum((w @ second) * w, axis=1, keepdims=True))
        cosine = (w @ second @ best) / size[:, 0] / np.sqrt(best @ second @ best)
        far = np.where(np.abs(cosine) < 0.999, step + 1, far)
        if normed:
            d = halfspace_gradient(gamma * w / size, nu, sigma)
            dgamma = np.sum(d * w, axis=1, keepdims=True) / size
            w = w - rate * gamma * (d - (w @ second) * dgamma / size) / size
            gamma = gamma - rate * dgamma
        else:
            w = w - rate * halfspace_gradient(w, nu, sigma)
    return far
