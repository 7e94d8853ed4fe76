"""The numbers in the answers of chapter 06."""

import math

import numpy as np

from bnlearn import (
    layer_norm_backward,
    layer_norm_forward,
    norms,
    rms_norm_backward,
    rms_norm_forward,
)
from bnlearn.core import standardize
from bnlearn.data import load_digits
from bnlearn.layers import BatchNorm, LayerNorm, Linear, RMSNorm, mlp
from bnlearn.optim import SGD
from bnlearn.train import accuracy, train


def test_how_many_means_and_how_many_share_each():
    shape = (8, 32, 14, 14)
    layouts = {
        "batch": (norms.batch_layout(shape), 32, 1568),
        "layer": (norms.layer_layout(shape, shape[1:]), 8, 6272),
        "instance": (norms.instance_layout(shape), 256, 196),
        "group": (norms.group_layout(shape, 8), 64, 784),
    }
    for layout, means, shared in layouts.values():
        assert math.prod(layout.stats) == means
        assert (np.bincount(layout.groups.ravel()) == shared).all()
        assert means * shared == 50_176


def test_dx_of_layer_and_rms_norm_with_a_pencil():
    x, dy = np.array([[0.0, 6, 6, 8]]), np.array([[0.0, 3, 0, 1]])
    dx = layer_norm_backward(dy, layer_norm_forward(x, 4, eps=1e-14)[1])[0]
    np.testing.assert_allclose(dx[0], np.array([-1, 11, -7, -3]) / 18, atol=1e-12)
    dx = rms_norm_backward(dy, rms_norm_forward(x, 4, eps=1e-14)[1])[0]
    expected = np.array([0, 3 - 156 / 136, -156 / 136, 1 - 208 / 136]) / np.sqrt(34)
    np.testing.assert_allclose(dx[0], expected, atol=1e-12)
    np.testing.assert_allclose(dx.sum(), 0.030, atol=5e-4)


def test_a_norm_of_rows_is_blind_to_stripes():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5))
    stripes = rng.uniform(1, 2, (2, 3, 4, 1)), rng.standard_normal((2, 3, 4, 1))
    plain, striped = (
        standardize(a.reshape(-1, 5), (1,), eps=1e-14)[0]
        for a in (x, x * stripes[0] + stripes[1])
    )
    np.testing.assert_allclose(plain, striped, atol=1e-10)


def test_rms_norm_and_no_norm_do_well_with_pairs():
    digits = load_digits()
    for norm, at_least in ((RMSNorm, 0.85), (False, 0.75)):
        for seed in range(2):
            rng = np.random.default_rng(seed)
            net = mlp((64, 64, 64, 64, 10), norm=norm, generator=rng)
            train(net, SGD(net, 0.006), digits.x_train, digits.y_train, steps=1000,
                  batch_size=2, generator=rng)  # fmt: skip
            assert accuracy(net, digits.x_test, digits.y_test) > at_least


def test_one_row_of_weights_times_three():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((7, 5))
    for norm, row_is_seen in (
        (BatchNorm(4, eps=1e-14), False),
        (LayerNorm(4, 1e-14), True),
    ):
        linear = Linear(5, 4, bias=False, generator=np.random.default_rng(1))
        before = norm(linear(x))
        linear.weight[1] *= 3
        assert np.allclose(norm(linear(x)), before) != row_is_seen
        linear.weight[1] /= 3
        linear.weight[...] *= 3
        np.testing.assert_allclose(norm(linear(x)), before, atol=1e-10)
