"""The answers of chapter 05: every number that they quote is computed here."""

from math import erf, log, log1p, sqrt

import numpy as np
import pytest

from bnlearn.data import grouped_batches, load_digits
from bnlearn.layers import BatchNorm, Linear, ReLU, Sequential, mlp
from bnlearn.optim import SGD
from bnlearn.running import (
    bias_corrected,
    convert_momentum,
    exponential_average,
    merge_moments,
    moments,
)
from bnlearn.train import accuracy, train, update_bn

BATCH = np.array([[0.0], [6.0], [6.0], [8.0]])


def test_two_steps_on_the_same_batch():
    layer = BatchNorm(1)
    for _ in range(2):
        layer(BATCH)
    np.testing.assert_allclose(layer.running_mean, 0.95, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, 3.09, rtol=1e-12)
    np.testing.assert_allclose(bias_corrected(0.95, 0.1, 2), 5, rtol=1e-12)


def test_as_good_as_fifty_batches():
    alpha = 2 / 51
    np.testing.assert_allclose((2 - alpha) / alpha, 50, rtol=1e-12)
    np.testing.assert_allclose(alpha, 0.039, atol=5e-4)
    assert int(np.ceil(log(0.01) / log1p(-alpha))) == 116


def test_welford_from_merging():
    a, x = moments(np.array([0.0, 6.0, 6.0])), 8.0
    whole = merge_moments(a, moments(np.array([x])))
    np.testing.assert_allclose((x - a.mean) * (x - whole.mean), whole.m2 - a.m2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sorted_rows(seed):
    digits, generator = load_digits(), np.random.default_rng(seed)
    net = mlp((64, 100, 100, 10), norm=True, generator=generator)
    train(
        net,
        SGD(net, lr=0.1),
        digits.x_train,
        digits.y_train,
        steps=400,
        batch_size=64,
        generator=generator,
    )
    update_bn(net, digits.x_train, batch_size=len(digits.x_train))
    right, before = (
        net[1].running_var.copy(),
        accuracy(net, digits.x_test, digits.y_test),
    )
    order = np.argsort(digits.y_train, kind="stable")
    update_bn(net, digits.x_train[order], batch_size=64)
    ratio = net[1].running_var / right
    np.testing.assert_allclose(np.median(ratio), 0.6, atol=0.04)
    growth = 1 / np.sqrt(np.quantile(ratio, [0.1, 0.9]))
    np.testing.assert_allclose(growth, [1.5, 1.15], atol=0.06)
    after = accuracy(net, digits.x_test, digits.y_test)
    assert before - 0.02 <= after <= before


def test_the_game_with_a_small_offset():
    generator = np.random.default_rng(0)

    def sessions(count, m=32):
        offset = generator.normal(0, 0.5, (count, 1))
        label = generator.integers(0, 2, (count, m))
        return (offset + 2 * label - 1).reshape(-1, 1), label.ravel()

    (x, y), (x_new, y_new) = sessions(400), sessions(400)
    net = Sequential(
        BatchNorm(1),
        Linear(1, 20, generator=generator),
        ReLU(),
        Linear(20, 2, generator=generator),
    )
    stream = grouped_batches(np.repeat(np.arange(400), 32), 1, 32, generator)
    train(net, SGD(net, lr=0.1), x, y, steps=500, stream=stream)
    best = (1 + erf(2 / sqrt(2))) / 2
    np.testing.assert_allclose(best, 0.977, atol=5e-4)
    assert best - 0.03 < accuracy(net, x_new, y_new) < best + 0.01
    net.train()
    hits = [net(part).argmax(1) for part in np.split(x_new, 400)]
    assert np.mean(np.concatenate(hits) == y_new) > 0.995


def test_numbers_of_the_quiz_and_of_the_text():
    momentum = convert_momentum(0.99, "keras", "pytorch")
    np.testing.assert_allclose((2 - momentum) / momentum, 199, rtol=1e-9)
    values = np.ones(50), -np.ones(50)
    a = moments(np.concatenate(values))
    b = moments(np.concatenate(values) + 2)
    assert (a.var, b.var, merge_moments(a, b).var, merge_moments(a, b).m2) == (
        1,
        1,
        2,
        400,
    )
    # Momentum 0.9: 1.2 batches; Keras' default after 100 steps; 20 batches and one row.
    np.testing.assert_allclose((2 - 0.9) / 0.9, 1.2, atol=0.03)
    np.testing.assert_allclose(
        exponential_average(1.0, 100.0, 1 - 0.99**100), 63.8, atol=0.05
    )
    assert divmod(1281, 64) == (20, 1)
