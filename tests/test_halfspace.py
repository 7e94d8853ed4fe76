"""The problem of two Gaussian classes: its gradient by two other routes."""

import math

import numpy as np

from bnlearn.halfspace import halfspace_gradient, halfspace_problem, steps_needed


def errors(w, nu, sigma):
    u = w @ nu / np.sqrt(1 + np.sum((w @ sigma) * w, axis=1))
    return np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in u])


def test_halfspace_gradient_by_differences_and_by_samples():
    rng = np.random.default_rng(1)
    nu, sigma = halfspace_problem(rng, size=5, condition=30)
    w, cotangent = (
        rng.standard_normal((3, 5)) * [[1], [2], [0.3]],
        rng.standard_normal(3),
    )
    direction, h = rng.standard_normal((3, 5)), 1e-5
    up, down = (errors(w + s * h * direction, nu, sigma) for s in (1, -1))
    found = cotangent @ np.sum(halfspace_gradient(w, nu, sigma) * direction, axis=1)
    np.testing.assert_allclose(found, cotangent @ (up - down) / (2 * h), rtol=1e-7)
    # The definition: errors of a second Gaussian threshold, counted among samples.
    z = rng.multivariate_normal(nu, sigma, size=400_000)
    wrong = z @ w.T > rng.standard_normal((len(z), 1))
    np.testing.assert_allclose(wrong.mean(axis=0), errors(w, nu, sigma), atol=4e-3)


def test_halfspace_problem():
    nu, sigma = halfspace_problem(np.random.default_rng(2))
    np.testing.assert_allclose(np.linalg.cond(sigma), 100, rtol=1e-9)
    best = -np.linalg.solve(sigma, nu)
    z = np.random.default_rng(3).multivariate_normal(nu, sigma, size=200_000)
    # Phi(-1) = 0.1587; the standard error is below 0.001
    np.testing.assert_allclose(np.mean(z @ best > 0), 0.1587, atol=4e-3)


def test_steps_needed():
    """A rate that is too small does not arrive; the first function is the same."""
    found = steps_needed(False, 1.0, (1e-6, 100.0), np.random.default_rng(0), 300)
    assert found[0] == 300 > found[1] > 10
    normed = steps_needed(True, 0.1, (1.0,), np.random.default_rng(0), 300)
    assert 0 < normed[0] < 300
