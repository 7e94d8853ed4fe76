"""The answers to the exercises hold: every number that they quote is computed here."""

import numpy as np
import pytest

from bnlearn import batch_norm_backward, batch_norm_forward
from bnlearn.data import load_digits
from bnlearn.layers import BatchNorm, Linear, ReLU, Sequential, mlp
from bnlearn.optim import SGD
from bnlearn.train import accuracy, train


def column(*values):
    return np.array(values, float)[:, np.newaxis]


def standardised(*values, eps=1e-15):
    return batch_norm_forward(column(*values), eps=eps)


def backward(values, dout, **options):
    return batch_norm_backward(column(*dout), standardised(*values, **options)[1])[0]


def test_chapter_02_a_single_outlier_meets_the_bound():
    y, cache = standardised(1, 1, 1, 5)
    assert (cache.mean, cache.var) == (2, 3)
    np.testing.assert_allclose(np.sqrt(3) * y[:, 0], [-1, -1, -1, 3], rtol=1e-12)


@pytest.mark.parametrize(("m", "factor"), [(64, 0.992), (2, 0.707)])
def test_chapter_02_the_unbiased_variance_shrinks_everything(m, factor):
    x = np.random.default_rng(0).standard_normal(m)
    ratio = (x - x.mean()) / x.std(ddof=1) / ((x - x.mean()) / x.std())
    np.testing.assert_allclose(ratio, factor, atol=5e-4)


def test_chapter_02_spacings_of_float32():
    spacing = {value: np.spacing(np.float32(value)) for value in (1e6, 1e8, 6.5e8)}
    assert spacing == {1e6: 0.0625, 1e8: 8, 6.5e8: 64}
    assert np.spacing(np.float32(6.5e12)) == 524_288
    assert np.spacing(np.float32(65_536 * 1e6)) == 4096
    np.testing.assert_allclose(4096 / 2 / 65_536, 0.03, atol=2e-3)


def test_chapter_02_the_shortcut_is_useless_from_1000_on():
    noise = np.random.default_rng(0).standard_normal((65_536, 4))
    worst = {}
    for mean in (10, 100, 1000, 10_000):
        x = (noise + mean).astype(np.float32)
        shortcut = np.mean(x**2, axis=0) - np.mean(x, axis=0) ** 2
        worst[mean] = np.abs(shortcut - 1).max()
    assert worst[10] < worst[100] < 0.5 < worst[1000] < worst[10_000]


def test_chapter_02_asides():
    # A time of day in seconds since 1970, uniform within one day, in 2023.
    np.testing.assert_allclose(1.7e9 * np.sqrt(12) / 86_400, 70_000, rtol=0.03)
    # Drawing 128 of 1,297 without replacement: the scatter falls by 5 %.
    np.testing.assert_allclose(np.sqrt((1297 - 128) / 1296), 0.95, atol=0.005)


def test_chapter_03_the_identity_of_one_batch_on_another():
    _, cache = standardised(1, 3)
    assert (cache.mean, cache.var) == (2, 1)
    y, _ = batch_norm_forward(column(10, 30), np.ones(1), np.full(1, 2.0), eps=1e-15)
    np.testing.assert_allclose(y[:, 0], [1, 3], rtol=1e-12)


def test_chapter_03_the_floor_is_highest_for_seven_classes():
    k = np.arange(2, 1001)
    floor = np.log1p((k - 1) * np.exp(-1 / np.sqrt(k - 1) - np.sqrt(k - 1)))
    assert k[floor.argmax()] == 7 and floor[-1] < 1e-10
    np.testing.assert_allclose([floor[0], floor.max()], [0.127, 0.296], atol=5e-4)


def run(net, lr, **options):
    digits = load_digits()
    train(net, SGD(net, lr), digits.x_train, digits.y_train, **options)
    return accuracy(net, digits.x_test, digits.y_test)


def test_chapter_03_gamma_of_the_scores_grows():
    generator = np.random.default_rng(0)
    net = Sequential(
        Linear(64, 100, generator=generator),
        ReLU(),
        Linear(100, 10, bias=False, generator=generator),
        BatchNorm(10),
    )
    run(net, lr=0.5, steps=1500, batch_size=128)
    np.testing.assert_allclose(net[3].weight, 3.4, atol=0.4)


def test_chapter_03_a_norm_on_the_pixels_helps_less_than_one_in_every_layer():
    scores = {}
    for name, norm in (("none", False), ("pixels", False), ("every", True)):
        generator = np.random.default_rng(0)
        net = mlp((64, 100, 100, 100, 10), norm=norm, init=0.03, generator=generator)
        if name == "pixels":
            net = Sequential(BatchNorm(64), *net.layers)
        scores[name] = run(net, lr=0.1, steps=200, batch_size=64)
    assert scores["none"] < 0.6 and scores["every"] > 0.95
    assert 0.7 < scores["pixels"] < 0.9


def test_chapter_04_an_outlier_gets_no_gradient():
    dx = backward((1, 1, 1, 5), (1, 0, 0, 0))
    expected = np.array([2, -1, -1, 0]) / 3 / np.sqrt(3)
    np.testing.assert_allclose(dx[:, 0], expected, atol=1e-12)
    dout = np.random.default_rng(0).standard_normal(4)
    assert abs(backward((1, 1, 1, 5), dout)[3, 0]) < 1e-12


def test_chapter_04_a_batch_of_two():
    dout, eps, v = np.array([1.0, -0.5]), 0.3, 4.0
    dx = backward((1, 5), dout, eps=eps)[:, 0]
    np.testing.assert_allclose(dx, (dout - dout.mean()) * eps / (v + eps) ** 1.5)
    np.testing.assert_allclose(backward((1, 5), dout), 0, atol=1e-12)
