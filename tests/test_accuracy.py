"""How exact float32 is when the mean is large, and how much memory it takes."""

import tracemalloc

import numpy as np
import pytest

from bnlearn import batch_norm_backward, batch_norm_forward, core
from bnlearn.norms import batch_norm_inference, batch_norm_inference_backward
from tests.oracle import relative_error, textbook

SHAPES = [(65536, 256), (4096, 512), (32, 64, 56, 56)]
MEAN_TO_STD = 1e4
LIMIT = 2e-5  # what the project promises; measured about 1e-6 to 1e-5


def draw(shape, mean=MEAN_TO_STD, seed=0):
    """Draw float32 arrays; means and deviations differ from channel to channel."""
    rng = np.random.default_rng(seed)
    channels = shape[1]
    column = (1, channels) + (1,) * (len(shape) - 2)
    std = rng.uniform(0.5, 2, channels).astype("f4").reshape(column)
    x = rng.standard_normal(shape, "f4")
    x += np.float32(mean) * rng.choice([-1, 1], column).astype("f4")
    x *= std
    gamma, beta = (rng.uniform(0.5, 2, channels).astype("f4") for _ in range(2))
    return x, gamma, beta, rng.standard_normal(shape, "f4")


def errors(x, gamma, beta, dout):
    """Return the errors of y, dx, dgamma against textbook NumPy in float64."""
    exact = textbook(*(a.astype("f8") for a in (x, gamma, beta, dout)))[:3]
    y, cache = batch_norm_forward(x, gamma, beta)
    found = y, *batch_norm_backward(dout, cache)[:2]
    assert {a.dtype.name for a in found} == {"float32"}
    return [relative_error(a, b) for a, b in zip(found, exact, strict=True)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_error_at_a_mean_of_ten_thousand_deviations(shape):
    assert max(errors(*draw(shape))) <= LIMIT


@pytest.mark.parametrize("shape", [(32768, 64), (1024, 8, 7, 7)], ids=str)
def test_textbook_float32_is_far_from_that(shape):
    # Otherwise the tests above would prove nothing.
    arrays = draw(shape)
    exact = textbook(*(a.astype("f8") for a in arrays))[0]
    assert relative_error(textbook(*arrays)[0], exact) > 50 * LIMIT


@pytest.mark.parametrize("order", ["sorted", "far block first", "one huge", "drift"])
def test_error_when_the_first_block_misleads(order):
    # The guess of the mean comes from the first block alone.
    x, gamma, beta, dout = draw((16384, 64))
    assert len(core._blocks(x, (0,))) >= 4
    rows = np.arange(len(x), dtype="f4")[:, np.newaxis]
    if order == "sorted":
        x.sort(axis=0)
    elif order == "far block first":
        x[:4096] += 3000
    elif order == "one huge":
        x[0] += 1e6
    else:
        x += rows
    # The deviation itself grows with the offset, and with it what counts as an error.
    assert max(errors(x, gamma, beta, dout)) <= LIMIT


@pytest.mark.parametrize("order", ["random", "sorted"])
def test_error_of_long_and_narrow_arrays(order):
    # All rows would fit into one block, whose float32 sums would be too long.
    x, gamma, beta, dout = draw((400_000, 2))
    if order == "sorted":
        x.sort(axis=0)
    assert max(errors(x, gamma, beta, dout)) <= LIMIT


def test_error_of_small_batches():
    for seed in range(20):
        for shape in [(2, 50), (5, 50), (64, 50), (4, 50, 3), (3, 50, 4, 4)]:
            assert max(errors(*draw(shape, seed=seed))[:1]) <= LIMIT


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)], ids=str)
def test_error_over_other_axes(axes):
    rng = np.random.default_rng(0)
    x = (1e4 + rng.standard_normal((60, 200, 300))).astype("f4")
    if axes == (1,):
        x = x[0]
    wide = x.astype("f8")
    mean, var = (f(axis=axes, keepdims=True) for f in (wide.mean, wide.var))
    y = core.standardize(x, axes, eps=1e-5)[0]
    assert relative_error(y, (wide - mean) / np.sqrt(var + 1e-5)) <= LIMIT


def test_error_of_inference():
    x, gamma, beta, dout = draw((4096, 64))
    wide = x.astype("f8")
    mean, var = wide.mean(axis=0), wide.var(axis=0)
    y, cache = batch_norm_inference(x, mean, var, gamma, beta)
    x_hat = (wide - mean) / np.sqrt(var + 1e-5)
    assert relative_error(y, gamma * x_hat + beta) <= LIMIT
    assert relative_error(cache.x_hat, x_hat) <= LIMIT
    dx, dgamma, dbeta = batch_norm_inference_backward(dout, cache)
    assert relative_error(dgamma, (dout * x_hat).sum(axis=0)) <= LIMIT
    assert relative_error(dbeta, dout.sum(axis=0, dtype="f8")) <= LIMIT
    assert relative_error(dx, gamma / np.sqrt(var + 1e-5) * dout) <= LIMIT


def peak(call):
    """Return the most bytes held at a time beyond those before, results included."""
    tracemalloc.start()
    try:
        results = call()
        return tracemalloc.get_traced_memory()[1], results
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_extra_memory(shape):
    x, gamma, beta, dout = draw(shape)
    forward, _ = peak(lambda: batch_norm_forward(x, gamma, beta))

    def both():
        y, cache = batch_norm_forward(x, gamma, beta)
        return y, batch_norm_backward(dout, cache)

    with_backward, _ = peak(both)
    assert 1 <= forward / x.nbytes <= 1.1
    assert 2 <= with_backward / x.nbytes <= 2.1
