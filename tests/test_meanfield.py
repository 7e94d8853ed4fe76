"""Expectations of a Gaussian number, and the factors made of them."""

import numpy as np
import pytest

from bnlearn.meanfield import gaussian_mean, gradient_factor, rectifier_factor


def test_gaussian_mean_against_other_routes():
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    for function in (np.cos, lambda t: t**6, lambda t: np.exp(t / 2)):
        # Gauss-Hermite with 60 nodes is exact to rounding for these.
        expected = function(nodes) @ weights
        np.testing.assert_allclose(gaussian_mean(function), expected, rtol=1e-9)
    np.testing.assert_allclose(gaussian_mean(lambda t: t > 0), 0.5, rtol=1e-12)
    for bent in (np.abs, lambda t: np.maximum(t, 0) * 2):
        expected = np.sqrt(2 / np.pi)
        np.testing.assert_allclose(gaussian_mean(bent), expected, rtol=2e-4)


@pytest.mark.parametrize(
    ("function", "slope", "expected"),
    [
        (lambda t: t**2, lambda t: 2 * t, 2),
        (lambda t: t**3 - 3 * t, lambda t: 3 * t**2 - 3, 3),  # Hermite, degree 3
        (lambda t: 5 - 2 * t, lambda t: -2 + 0 * t, 1),
        (lambda t: np.maximum(t, 0), lambda t: t > 0, np.pi / (np.pi - 1)),
    ],
)
def test_gradient_factor(function, slope, expected):
    found = gradient_factor(function, slope)
    np.testing.assert_allclose(found, expected, rtol=1e-3)  # the bend of the rectifier


@pytest.mark.parametrize("m", [6, 16])
def test_rectifier_factor_by_simulation(m):
    """One layer of infinite width, drawn: what derivation and formula speak of."""
    rng, draws = np.random.default_rng(m), 40_000
    tau, eye = -1 / (m - 1), np.eye(m)
    angle = np.pi - np.arccos(tau)
    similar = (np.sqrt(1 - tau**2) + angle * tau) / np.pi / 2
    root = np.linalg.cholesky(similar + (0.5 - similar) * eye)
    # What the linear map puts out, centred and standardised, for many units.
    h = rng.standard_normal((draws, m)) @ root.T
    h -= h.mean(axis=1, keepdims=True)
    inv_var = 1 / h.var(axis=1)
    # The gradient from above: independent, and without a sum over the batch.
    dy = rng.standard_normal((draws, m))
    dy -= dy.mean(axis=1, keepdims=True)
    x_hat = rng.standard_normal((draws, m))  # of the unit below
    x_hat -= x_hat.mean(axis=1, keepdims=True)
    x_hat /= x_hat.std(axis=1, keepdims=True)
    d = dy * (x_hat > 0)
    d -= d.mean(axis=1, keepdims=True)
    d -= x_hat * np.mean(d * x_hat, axis=1, keepdims=True)
    found = np.mean(inv_var) * np.sum(d**2) / np.sum(dy**2)
    # The heavy tail of 1 / variance for m = 6 leaves two per cent of noise.
    np.testing.assert_allclose(
        found, rectifier_factor(m), rtol=0.06 if m == 6 else 0.02
    )


def test_rectifier_factor_refuses():
    for m in (3, 1, 0, np.nan):
        with pytest.raises(
            ValueError, match="rectifier_factor: expected m of at least"
        ):
            rectifier_factor(m)
