"""The numbers in the answers of chapter 08."""

import numpy as np
import pytest

from bnlearn.data import load_digits
from bnlearn.exercises.catalogue.chapter_08 import residual_stream
from bnlearn.experiment import Shaken
from bnlearn.layers import BatchNorm, Linear, ReLU, Residual, Sigmoid, mlp
from bnlearn.optim import SGD, Together
from bnlearn.train import accuracy, train, update_bn


def test_turn_per_step():
    turn = np.sqrt(2 * 0.1 * 5e-4 / 1.9)
    np.testing.assert_allclose(turn, 0.0073, atol=5e-5)
    np.testing.assert_allclose(np.degrees(turn), 0.42, atol=5e-3)
    # A^2 goes like eta / lambda: a quarter of it, so half of A = |w|^2
    np.testing.assert_allclose((0.5 / 2) ** 0.25, 1 / np.sqrt(2))


def test_factors_of_a_square_and_of_a_leaky_rectifier():
    t = np.linspace(-10, 10, 20_001)
    share = np.exp(-(t**2) / 2)
    share /= share.sum()

    def chi(values, slope):
        return share @ slope**2 / (share @ values**2 - (share @ values) ** 2)

    np.testing.assert_allclose(share @ t**4 - (share @ t**2) ** 2, 2, rtol=1e-6)
    np.testing.assert_allclose(chi(t**2, 2 * t), 2, rtol=1e-6)
    leaky, slope = np.where(t > 0, t, t / 2), np.where(t > 0, 1, 0.5)
    np.testing.assert_allclose(share @ slope**2, 0.625, atol=1e-3)
    np.testing.assert_allclose(share @ leaky, 0.5 / np.sqrt(2 * np.pi), atol=1e-4)
    np.testing.assert_allclose(0.625 - 0.25 / (2 * np.pi), 0.585, atol=5e-4)
    np.testing.assert_allclose(chi(leaky, slope), 1.07, atol=5e-3)


def test_what_the_derivation_takes_from_cho_and_saul():
    rng, tau = np.random.default_rng(0), -1 / 7
    a = rng.standard_normal(1_000_000)
    b = tau * a + np.sqrt(1 - tau**2) * rng.standard_normal(len(a))
    angle = np.pi - np.arccos(tau)
    j, j_slope = (np.sqrt(1 - tau**2) + angle * tau) / np.pi, angle / np.pi
    # a million samples: the standard error is below .001
    found = np.mean(np.maximum(a, 0) * np.maximum(b, 0))
    np.testing.assert_allclose(found, j / 2, atol=4e-3)
    np.testing.assert_allclose(np.mean((a > 0) & (b > 0)), j_slope / 2, atol=4e-3)


def test_predictions_of_the_exercise_on_residual_streams():
    # Wide and with a large batch; 6 seeds, whose mean is within a few per cent.
    width, m, chi = 300, 256, np.pi / (np.pi - 1)
    gamma = np.array([0.3, 1.5, 0.7, 2.0, 0.5, 1.0, 0.2, 1.2])
    expected, predicted = residual_stream(gamma, chi)
    found, growth = [], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        h, shares, blocks = rng.standard_normal((m, width)), [], []
        for scale in gamma:
            norm = BatchNorm(width)
            norm.weight[...] = scale
            blocks.append(Residual(ReLU(), Linear(width, width, generator=rng), norm))
            before, h = h, blocks[-1](h)
            shares.append((h - before).var(axis=0).mean() / h.var(axis=0).mean())
        start = dout = rng.standard_normal((m, width))
        for block in blocks[::-1]:
            dout = block.backward(dout)
        found.append(shares)
        growth.append(np.linalg.norm(dout) / np.linalg.norm(start))
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.05)
    np.testing.assert_allclose(np.mean(growth), predicted, rtol=0.03)
    # gamma 1 everywhere: the two formulas of the chapter
    shares, growth = residual_stream(np.ones(40), chi)
    blocks = np.arange(1, 41)
    np.testing.assert_allclose(shares, 1 / (blocks + 1))
    np.testing.assert_allclose(growth, np.sqrt(np.prod(1 + chi / blocks)))


@pytest.mark.parametrize(
    ("strength", "low", "high"), [(0.5, 0.9, 1), (1, 0.9, 1), (8, 0, 0.5)]
)
def test_strength_of_the_shaking(strength, low, high):
    digits, rng = load_digits(), np.random.default_rng(0)
    shaker = np.random.default_rng(500)
    net = mlp((64, 100, 100, 100, 10), norm=lambda n: Shaken(n, shaker, strength),
              activation=Sigmoid, init="xavier", generator=rng)  # fmt: skip
    train(net, SGD(net, 3.0), digits.x_train, digits.y_train, steps=250,
          batch_size=64, generator=rng)  # fmt: skip
    for layer in net.walk():
        layer.strength = 0.0
    update_bn(net, digits.x_train, batch_size=len(digits.x_train))
    score = accuracy(net, digits.x_test, digits.y_test)
    assert low <= score <= high


def cancelling(net, depth):
    """An SGD for each layer, with a rate that cancels the explosion."""
    parts = []
    for layer in range(1, depth + 2):
        places = (3 * layer - 3, 3 * layer - 2)  # the matrix and its norm
        names = [n for n in net.parameters() if int(n.split(".")[0]) in places]
        parts.append(SGD(net, 0.1 * 1.211 ** min(layer - depth, 0), only=tuple(names)))
    return Together(*parts)


@pytest.mark.parametrize("seed", range(3))
def test_rates_that_cancel_the_explosion_do_not_help(seed):
    digits, rng = load_digits(), np.random.default_rng(seed)
    net = mlp((64, *[32] * 40, 10), norm=True, generator=rng)
    train(net, cancelling(net, 40), digits.x_train, digits.y_train, steps=60,
          batch_size=64, generator=rng)  # fmt: skip
    update_bn(net, digits.x_train, batch_size=len(digits.x_train))
    score = accuracy(net, digits.x_test, digits.y_test)
    assert score < 0.25
