"""The answers and asides of chapter 01 hold: every number that they quote."""

import numpy as np

from bnlearn.data import load_digits, slant, toss
from bnlearn.shift import (
    density_ratio,
    effective_sample_size,
    logistic_regression,
    probability,
)


def test_thin_and_thick_images():
    before, after, error = (np.array(a) for a in ([0.8, 0.2], [0.3, 0.7], [0.1, 0.5]))
    np.testing.assert_allclose([before @ error, after @ error], [0.18, 0.38])
    weights = after / before
    np.testing.assert_allclose(weights, [0.375, 3.5])
    np.testing.assert_allclose(before @ (weights * error), after @ error)
    share = 1 / (before @ weights**2)
    np.testing.assert_allclose(share, 0.39, atol=5e-3)
    sample = np.repeat(weights, [800, 200])
    np.testing.assert_allclose(effective_sample_size(sample) / 1000, share)


def test_the_toy_keeps_41_of_100_points():
    # E_0 w^2 of two normal distributions in closed form.
    (m0, s0), (m1, s1) = (0.5, 0.5), (0.0, 0.3)
    room = 2 * s0**2 - s1**2
    moment = s0**2 / (s1 * np.sqrt(room)) * np.exp((m1 - m0) ** 2 / room)
    np.testing.assert_allclose(100 / moment, 41.8, atol=0.1)


def test_a_chain_of_k_weights():
    product = {k: (1 - 1 / k) ** k for k in (2, 10, 1_000_000)}
    np.testing.assert_allclose(
        list(product.values()), [0.25, 0.35, np.exp(-1)], atol=2e-3
    )
    np.testing.assert_allclose(np.exp(-1), 0.37, atol=5e-3)


def test_a_stronger_shift_costs_more_and_leaves_more():
    digits = load_digits()
    pixels = np.concatenate([digits.x_train, digits.x_test])
    odd = np.concatenate([digits.y_train, digits.y_test]) % 2
    coarse = pixels.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    rows = []
    for strength in (1.0, 2.0, 3.0):
        found = []
        for seed in range(6):
            generator = np.random.default_rng(seed)
            first, in_use, _ = toss(slant(pixels), strength, generator)
            seen, kept = np.array_split(in_use, 2)
            weights = density_ratio(pixels[first], pixels[seen])
            scores = []
            for given in (None, weights):
                fitted = logistic_regression(coarse[first], odd[first], given)
                hit = (probability(fitted, coarse[kept]) > 0.5) == odd[kept]
                scores.append(hit.mean())
            found.append([*scores, effective_sample_size(weights)])
        rows.append(np.mean(found, axis=0))
    plain, weighted, size = np.transpose(rows)
    assert (np.diff(plain) < 0).all() and (np.diff(size) < 0).all()
    assert (np.diff(weighted) < 0).all() and (np.diff(weighted - plain) > 0).all()
