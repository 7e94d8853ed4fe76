"""The numbers in the answers of chapter 07."""

import numpy as np

from bnlearn.data import load_digits
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.experiment import trace
from bnlearn.layers import (
    BatchNorm,
    Dropout,
    GroupNorm,
    Linear,
    ReLU,
    Sequential,
    Tanh,
    cross_entropy,
    mlp,
)
from bnlearn.optim import SGD
from bnlearn.train import accuracy, train


def test_scale_times_two_is_a_rate_times_four():
    # One step of each: the weights are proportional afterwards, as at the start.
    digits, moved = load_digits(), []
    for a, rate in ((1, 0.1), (2, 0.4)):
        net = mlp(
            (64, 20, 10),
            norm=lambda n: BatchNorm(n, eps=1e-14),
            generator=np.random.default_rng(0),
        )
        net[0].weight *= a
        net.backward(cross_entropy(net(digits.x_train[:64]), digits.y_train[:64])[1])
        SGD(net, rate, only=("0.weight",)).step()
        moved.append(net[0].weight / a)
    np.testing.assert_allclose(*moved, rtol=1e-9, atol=1e-12)


def test_variance_behind_dropout():
    v, mu, p = 1.0, 1.0, 0.5
    in_training = (v + mu**2) / (1 - p) - mu**2
    assert in_training == 3
    assert round(np.sqrt(v / in_training), 2) == 0.58
    rng = np.random.default_rng(0)
    values = rng.choice([0.0, 2.0], 100_000)  # mean 1, variance 1, never negative
    dropped = Dropout(p, generator=rng)(values)
    np.testing.assert_allclose(dropped.var(), 3, rtol=0.03)


def test_seconds_are_steps_times_price():
    assert round(2.7 / 4, 2) == 0.68


def test_a_pair_becomes_signs_or_zeros():
    pair = np.array([[0.3, 2.0, -1.0], [0.1, 2.0, 5.0]])
    seen = BatchNorm(3, eps=1e-12)(pair)
    np.testing.assert_allclose(seen, [[1, 0, -1], [-1, 0, 1]], atol=1e-9)


def test_schedule_of_the_exercise_gives_the_same_training():
    digits = load_digits()
    rates, decay = np.array([0.3, 0.1, 0.25, 0.05, 0.2, 0.3, 0.15]), 0.8
    losses = []
    for steps, shrink in (
        (rates, decay),
        (EXERCISES["rates-without-decay"].reference(rates, decay), 0.0),
        (rates, 0.0),
    ):
        net = mlp(
            (64, 20, 10),
            norm=lambda n: BatchNorm(n, eps=1e-14),
            generator=np.random.default_rng(0),
        )
        optimizer, found = SGD(net, 1.0, weight_decay=shrink, only=("0.weight",)), []
        for rate in steps:
            optimizer.lr = rate
            loss, dout = cross_entropy(net(digits.x_train[:64]), digits.y_train[:64])
            net.backward(dout)
            optimizer.step()
            found.append(loss)
        losses.append(found)
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)
    assert np.abs(np.subtract(losses[2], losses[0])).max() > 1e-4


def test_group_norm_may_be_fed_in_parts():
    digits = load_digits()
    net = mlp(
        (64, 16, 10),
        norm=lambda n: GroupNorm(8, n),
        generator=np.random.default_rng(0),
    )

    def gradient(rows):
        x, y = digits.x_train[rows], digits.y_train[rows]
        net.backward(cross_entropy(net(x), y)[1])
        return net.gradients()["0.weight"]

    whole = gradient(np.arange(64))
    parts = np.mean([gradient(rows) for rows in np.arange(64).reshape(16, 4)], axis=0)
    np.testing.assert_allclose(parts, whole, rtol=1e-9, atol=1e-14)


def first(norm, batch_size, seed):
    digits, rng = load_digits(), np.random.default_rng(seed)
    unit = 10 ** rng.uniform(-2, 2, 64)
    x, x_test = ((part + 3) * unit for part in (digits.x_train, digits.x_test))
    if not norm:
        mean, sd = x.mean(axis=0), x.std(axis=0)
        sd[digits.x_train.std(axis=0) == 0] = 1
        x, x_test = (x - mean) / sd, (x_test - mean) / sd
    layers = mlp((64, 64, 64, 10), norm=False, generator=rng)
    net = Sequential(*([BatchNorm(64)] if norm else []), layers)
    how = {"steps": 800, "batch_size": batch_size, "generator": rng}
    train(net, SGD(net, lr=0.01), x, digits.y_train, **how)
    return accuracy(net, x_test, digits.y_test)


def test_first_norm_against_standardising_once():
    behind = {
        size: [first(False, size, seed) - first(True, size, seed) for seed in range(2)]
        for size in (4, 8, 16)
    }
    assert np.min(behind[4]) > 0.005
    assert 0.02 < np.max(behind[4]) < 0.045
    assert max(behind[8] + behind[16]) < 0.02


def test_small_weights_leave_only_the_biases():
    # Section 'Four plots': what the last layers put out after the first step.
    digits, rng = load_digits(), np.random.default_rng(0)
    net = mlp(
        (64, *[64] * 6, 10), norm=False, activation=Tanh, init=0.0125, generator=rng
    )
    how = {"steps": 1, "batch_size": 64, "generator": rng}
    train(net, SGD(net, lr=0.1), digits.x_train, digits.y_train, **how)
    places = trace(net, digits.x_train[:256]).outputs.items()
    outputs = [output for place, output in places if "Tanh" in place]
    spread = np.array([output.std() for output in outputs])
    of_images = np.array([output.std(axis=0).mean() for output in outputs])
    assert np.all(of_images[1:] < 0.2 * of_images[:-1])
    assert spread[5] > 10 * spread[3]
    assert of_images[5] < 0.01 * spread[5]


def test_a_bias_in_front_of_a_norm_stays_where_it_is():
    rng, digits = np.random.default_rng(0), load_digits()
    net = Sequential(Linear(64, 8, generator=rng), BatchNorm(8), ReLU())
    net.backward(rng.standard_normal(net(digits.x_train[:64]).shape))
    assert np.abs(net.gradients()["0.bias"]).max() < 1e-12
