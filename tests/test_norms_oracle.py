"""The functions of `norms` against PyTorch: values, gradients, odd inputs."""

import itertools

import numpy as np
import pytest
import torch

from bnlearn import core, norms
from tests import oracle

SHAPES = [
    (7, 3),
    (2, 5),
    (33, 1),
    (5, 3, 4),
    (1, 3, 6),
    (6, 3, 1),
    (4, 2, 5, 3),
    (5, 4, 1, 1),
    (1, 3, 1, 4),
    (1, 1, 2, 2),
    (3, 2, 4, 2, 3),
    (2, 3, 1, 1, 1),
    (1, 2, 2, 1, 3),
]
EMPTY = [(0, 3), (0, 1), (0, 3, 4), (2, 3, 0), (2, 3, 0, 4)]
DTYPES = ["f8", "f4", "f2"]
GIVEN = list(itertools.product([True, False], repeat=2))


def keep(given, *arrays):
    return [array if kept else None for array, kept in zip(arrays, given, strict=True)]


def running_stats(channels, dtype):
    """Make running statistics unlike those of any batch here, one variance tiny."""
    rng = np.random.default_rng(3)
    mean, var = rng.standard_normal(channels), rng.uniform(0.2, 3, channels)
    var[-1] = 2e-5
    return mean.astype(dtype), var.astype(dtype)


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES + EMPTY, ids=str)
def test_training_equals_pytorch(shape, dtype, given):
    x, gamma, beta, dout = oracle.draw(shape, dtype)
    oracle.check_training(x, *keep(given, gamma, beta), dout)


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, *EMPTY, (1, 4), (1, 3, 1, 1)], ids=str)
def test_inference_equals_pytorch(shape, dtype, given):
    x, gamma, beta, dout = oracle.draw(shape, dtype)
    running = running_stats(shape[1], dtype)
    oracle.check_inference(x, *keep(given, gamma, beta), dout, *running)


@pytest.mark.parametrize("eps", [1e-12, 1e-3, 2.0])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_eps(dtype, eps):
    x, gamma, beta, dout = oracle.draw((9, 4, 2), dtype)
    oracle.check_training(x, gamma, beta, dout, eps)
    oracle.check_inference(x, gamma, beta, dout, *running_stats(4, dtype), eps)


def test_dtypes_and_shapes_are_those_of_pytorch():
    # Parameters of float16 input are float16 or float32, as PyTorch allows.
    for dtype, own in [("f8", "f8"), ("f4", "f4"), ("f2", "f2"), ("f2", "f4")]:
        x, gamma, beta, dout = oracle.draw((6, 3, 2), dtype)
        gamma, beta = gamma.astype(own), beta.astype(own)
        y, cache = norms.batch_norm_forward(x, gamma, beta)
        ours = y, *norms.batch_norm_backward(dout, cache)
        theirs = oracle.torch_batch_norm(x, gamma, beta, dout)
        for a, b in zip(ours, theirs, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert cache.x_hat.dtype == x.dtype
        assert cache.x_hat.shape == x.shape


def test_float16_is_computed_in_float32():
    # 300 squared is infinite in float16, and a sum of 4096 ones stops at 2048.
    x = np.random.default_rng(0).normal(300, 100, (4096, 2)).astype("f2")
    dout = np.ones((4096, 2), "f2")
    gamma, beta = np.array([1.0, 2.0], "f4"), np.array([0.5, -1.0], "f4")
    oracle.check_training(x, gamma, beta, dout)
    _, cache = norms.batch_norm_forward(x, gamma, beta)
    assert norms.batch_norm_backward(dout, cache)[2].tolist() == [4096, 4096]


def test_float16_overflow_is_infinity_as_in_pytorch():
    x, _, beta, dout = oracle.draw((50, 3), "f2")
    gamma = np.array([6e4, 1, 2], "f2")
    dout[:, 1] = 6e4
    y, cache = norms.batch_norm_forward(x, gamma, beta)
    ours = y, *norms.batch_norm_backward(dout, cache)
    theirs = oracle.torch_batch_norm(x, gamma, beta, dout)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
    assert not np.isfinite(y).all()
    running = running_stats(3, "f2")
    y, cache = norms.batch_norm_inference(x, *running, gamma, beta)
    ours = y, *norms.batch_norm_inference_backward(dout, cache)
    theirs = oracle.torch_batch_norm(x, gamma, beta, dout, running=running)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))


def scattered(a):
    """Return equal values that lie in memory in another way, one way per rank."""
    if a.ndim == 2:
        return np.asfortranarray(a)
    if a.ndim == 3:
        return np.repeat(a, 2, axis=2)[..., ::2]
    # Channels last, reversed: what a transposed image looks like.
    return np.ascontiguousarray(np.moveaxis(a, 1, -1)[::-1])[::-1].transpose(
        0, a.ndim - 1, *range(1, a.ndim - 1)
    )


@pytest.mark.parametrize("shape", [(7, 3), (5, 3, 4), (4, 2, 5, 3), (2, 3, 2, 2, 2)])
def test_memory_layout_does_not_matter(shape):
    x, gamma, beta, dout = oracle.draw(shape)
    other, other_dout = scattered(x), scattered(dout)
    np.testing.assert_array_equal(other, x)
    assert not other.flags.c_contiguous
    oracle.check_training(other, gamma[::-1][::-1], beta, other_dout)
    oracle.check_inference(
        other, gamma, beta, other_dout, *running_stats(shape[1], "f8")
    )


def test_broadcast_and_big_endian_inputs():
    x, gamma, beta, dout = oracle.draw((6, 3, 4))
    constant = np.broadcast_to(np.array(0.7), x.shape)  # all strides are zero
    oracle.check_training(x, gamma, beta, constant)
    swapped = [a.astype(">f8") for a in (x, gamma, beta, dout)]
    y, cache = norms.batch_norm_forward(*swapped[:3])
    wanted, wanted_cache = norms.batch_norm_forward(x, gamma, beta)
    # The same float64 arithmetic, in some other order of summation at most.
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-13)
    for a, b in zip(
        norms.batch_norm_backward(swapped[3], cache),
        norms.batch_norm_backward(dout, wanted_cache),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


def test_array_likes_are_accepted():
    x = [[0.0, 1.0], [6.0, 1.5], [6.0, 3.0], [8.0, -2.0]]
    gamma, beta = [2.0, -1.0], (0.5, 3.0)
    y, cache = norms.batch_norm_forward(x, gamma, beta)
    wanted = oracle.torch_batch_norm(x, gamma, beta, x)
    # float64 against float64; values of size 1.
    np.testing.assert_allclose(y, wanted[0], atol=1e-6)
    assert norms.batch_norm_backward(x, cache)[0].shape == (4, 2)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize(
    "shape", [(50, 3), (9, 3, 5), (3, 2, 40), (5, 2, 4, 3)], ids=str
)
def test_small_blocks(monkeypatch, shape, block, dtype):
    monkeypatch.setattr(core, "BLOCK", block)
    oracle.check_training(*oracle.draw(shape, dtype))


@pytest.mark.parametrize(
    "shape", [(core.BLOCK // 4 + 17, 9), (3, 5, core.BLOCK // 5), (70, 8, 33, 31)]
)
def test_more_than_one_block(shape):
    x, gamma, beta, dout = oracle.draw(shape, "f4")
    assert x.size > core.BLOCK
    oracle.check_training(x, gamma, beta, dout)
    oracle.check_inference(x, gamma, beta, dout, *running_stats(shape[1], "f4"))


@pytest.mark.parametrize(
    "values",
    [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.inf, np.inf, np.nan]],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("shape", [(6, 3), (5, 3, 2), (4, 3, 2, 2)], ids=str)
@pytest.mark.parametrize("where", ["x", "dout"])
def test_not_finite_passes_through_as_in_pytorch(shape, dtype, values, where):
    x, gamma, beta, dout = oracle.draw(shape, dtype)
    {"x": x, "dout": dout}[where][: len(values), 1].flat[: len(values)] = values
    ours, theirs = oracle.make_pair(3, dtype)
    running = running_stats(3, dtype)
    for layer in (ours.running_mean, theirs.running_mean.numpy()):
        layer[...] = running[0]
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        tensor = torch.tensor(x, requires_grad=True)
        theirs.zero_grad()
        wanted = theirs(tensor)
        wanted.backward(torch.tensor(dout))
        y, dx = ours(x), ours.backward(dout)
        pairs = [
            (y, wanted.detach()),
            (dx, tensor.grad),
            (ours.gradients()["weight"], theirs.weight.grad),
            (ours.gradients()["bias"], theirs.bias.grad),
            (ours.running_mean, theirs.running_mean),
            (ours.running_var, theirs.running_var),
        ]
        for a, b in pairs:
            b = b.numpy()
            if where == "dout" and not np.isnan(b).all():
                # Infinity times a sum is infinite or NaN by the order of additions.
                a, b = (np.where(np.isfinite(v), v, np.nan) for v in (a, b))
            # NaN and each infinity at the same places. PyTorch's own float32 sums
            # are in the comparison: 1e-4 of values up to some hundred.
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-3)
        # The other channels are not touched by it.
        others = np.delete(y, 1, axis=1)
        assert np.isfinite(others).all()


def test_not_finite_in_the_first_of_several_blocks(monkeypatch):
    monkeypatch.setattr(core, "BLOCK", 6)
    for value in (np.nan, np.inf):
        for row in (0, 9):
            x, gamma, beta, dout = oracle.draw((10, 3))
            x[row, 1] = value
            y, cache = norms.batch_norm_forward(x, gamma, beta)
            ours = y, *norms.batch_norm_backward(dout, cache)
            theirs = oracle.torch_batch_norm(x, gamma, beta, dout)
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


def test_x_hat_of_the_cache():
    for dtype in DTYPES:
        for shape in [(8, 3), (4, 3, 5), (2, 3, 2, 4)]:
            x, gamma, beta, _ = oracle.draw(shape, dtype)
            _, cache = norms.batch_norm_forward(x, gamma, beta)
            mean, var = oracle.channel_moments(x)
            std = np.sqrt(var + 1e-5)
            exact = (x.astype("f8") - oracle.column(mean, x)) / oracle.column(std, x)
            # x_hat is of size 1; float32 arithmetic, or a rounding to float16.
            tolerance = {"f8": 1e-12, "f4": 5e-6, "f2": 2e-3}[dtype]
            np.testing.assert_allclose(cache.x_hat, exact, atol=tolerance)
            running = running_stats(3, dtype)
            _, cache = norms.batch_norm_inference(x, *running, gamma, beta)
            mean, var = (a.astype("f8") for a in running)
            std = np.sqrt(var + 1e-5)
            exact = (x.astype("f8") - oracle.column(mean, x)) / oracle.column(std, x)
            # The tiny running variance makes x_hat some hundreds large.
            np.testing.assert_allclose(
                cache.x_hat, exact, atol=tolerance, rtol=tolerance
            )


def test_caches_hold_no_copy_of_x():
    x, gamma, beta, _ = oracle.draw((8, 3))
    _, cache = norms.batch_norm_forward(x, gamma, beta)
    assert cache.x is x and cache.gamma is gamma and cache.beta is beta


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_random_shapes_equal_pytorch(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 9, rng.integers(2, 6)))
    if np.prod(shape) == shape[1]:
        shape = (2, *shape[1:])
    for dtype in DTYPES:
        x, gamma, beta, dout = oracle.draw(shape, dtype, seed)
        for given in GIVEN:
            oracle.check_training(x, *keep(given, gamma, beta), dout)
            oracle.check_inference(
                x, *keep(given, gamma, beta), dout, *running_stats(shape[1], dtype)
            )
