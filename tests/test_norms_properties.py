"""What must hold for batch norm of anything: properties tried by Hypothesis."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bnlearn import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_inference_backward,
    core,
)
from tests import oracle

# Halves, quarters and so on: numbers that shifts and sums do not round.
coarse = st.integers(-4000, 4000).map(lambda n: n / 16)
fine = st.floats(-100, 100, allow_subnormal=False)
epsilons = st.floats(-8, 1).map(lambda e: 10.0**e)
shapes = hnp.array_shapes(min_dims=2, max_dims=5, max_side=6).filter(
    lambda s: math.prod(s) > s[1]
)


@st.composite
def problems(draw, elements=fine):
    """Draw (x, gamma, beta, dout, eps) in float64."""
    shape = draw(shapes)
    x = draw(hnp.arrays("f8", shape, elements=elements))
    gamma, beta = (draw(hnp.arrays("f8", shape[1], elements=fine)) for _ in range(2))
    seed = draw(st.integers(0, 2**32 - 1))
    dout = np.random.default_rng(seed).standard_normal(shape)
    return x, gamma, beta, dout, draw(epsilons)


def per_channel(a):
    """Bring the channels to the front: (C, m)."""
    return np.moveaxis(a, 1, 0).reshape(a.shape[1], -1)


def run(x, gamma, beta, dout, eps):
    y, cache = batch_norm_forward(x, gamma, beta, eps=eps)
    return y, cache, *batch_norm_backward(dout, cache)


def size_of_dx(cache, dout):
    """Return the size of the terms of which dx is the difference, per channel."""
    top = 1 + np.abs(per_channel(cache.x_hat)).max(axis=1)
    return np.abs(cache.gamma) * cache.inv_std * np.abs(dout).max() * top**2


def lost(x, cache):
    """Return what float64 may lose of x_hat: roundings of x, in deviations."""
    return 1e-15 * np.abs(x).max() * cache.inv_std


@given(problems())
def test_sum_of_dx_over_a_channel_is_zero(problem):
    x, _, _, dout, _ = problem
    _, cache, dx, _, _ = run(*problem)
    m = x.size // x.shape[1]
    # m roundings of terms of this size: 1e-14 for each.
    bound = m * size_of_dx(cache, dout) * (1e-14 + lost(x, cache))
    assert (np.abs(per_channel(dx).sum(axis=1)) <= bound + 1e-300).all()


@given(problems())
def test_dx_is_orthogonal_to_x_hat_up_to_eps(problem):
    x, gamma, _, dout, eps = problem
    _, cache, dx, dgamma, _ = run(*problem)
    inner = (per_channel(dx) * per_channel(cache.x_hat)).sum(axis=1)
    wanted = gamma * cache.inv_std * eps / (cache.var + eps) * dgamma
    m = x.size // x.shape[1]
    top = 1 + np.abs(per_channel(cache.x_hat)).max(axis=1)
    bound = m * top * size_of_dx(cache, dout) * (1e-14 + lost(x, cache))
    assert (np.abs(inner - wanted) <= bound + 1e-300).all()


@given(problems(coarse), st.integers(-(10**6), 10**6))
def test_shift_of_x_changes_nothing(problem, shift):
    x, gamma, beta, dout, eps = problem
    y, cache, dx, dgamma, dbeta = run(*problem)
    moved = run(x + shift, gamma, beta, dout, eps)
    # x + shift is exact here, so what differs is the arithmetic alone: sums of
    # numbers up to 1e6, that is 1e-16 * 1e6 in units of the deviation, and some more.
    loss = 1e-14 * (1 + abs(shift) * 1e-2) * (1 + cache.inv_std.max())
    top = 1 + np.abs(cache.x_hat).max()
    g = np.abs(gamma).max()
    d = np.abs(dout).max()
    for a, b, size in [
        (y, moved[0], g * top + np.abs(beta).max()),
        (dx, moved[2], g * cache.inv_std.max() * d * top**2),
        (dgamma, moved[3], dout.size * d * top**2),
        (dbeta, moved[4], dout.size * d),
    ]:
        np.testing.assert_allclose(a, b, rtol=0, atol=loss * size)


@given(problems())
def test_x_hat_is_at_most_the_root_of_m_minus_1(problem):
    x, *_ = problem
    _, cache, *_ = run(*problem)
    m = x.size // x.shape[1]
    bound = math.sqrt(m - 1) * np.sqrt(cache.var * cache.inv_std**2)
    # x_hat itself is rounded: a few units in the last place, and those of x.
    slack = 1e-14 * math.sqrt(m) + lost(x, cache)
    assert (np.abs(per_channel(cache.x_hat)).max(axis=1) <= bound + slack).all()


@given(st.integers(2, 300), st.floats(0.1, 1e3))
def test_one_hot_column_reaches_the_bound(m, height):
    x = np.zeros((m, 1))
    x[m // 2] = height
    _, cache = batch_norm_forward(x, eps=1e-300)
    # A handful of roundings.
    np.testing.assert_allclose(cache.x_hat.max(), math.sqrt(m - 1), rtol=1e-12)


@given(problems())
def test_mean_and_variance_of_x_hat(problem):
    x, _, _, _, eps = problem
    _, cache, *_ = run(*problem)
    x_hat, slack = per_channel(cache.x_hat), 1e-13 + lost(x, cache)
    assert (np.abs(x_hat.mean(axis=1)) <= slack).all()
    wanted = cache.var / (cache.var + eps)
    assert (np.abs(x_hat.var(axis=1) - wanted) <= 4 * slack).all()


@given(problems(), st.floats(0.01, 100), st.booleans())
def test_scale_of_x_is_the_inverse_scale_of_the_root_of_eps(problem, a, negative):
    x, gamma, _, dout, eps = problem
    a = -a if negative else a
    sign = np.sign(a)
    zero = np.zeros_like(gamma)
    y, cache, dx, dgamma, _ = run(a * x, gamma, zero, dout, eps)
    other_y, other, other_dx, other_dgamma, _ = run(x, gamma, zero, dout, eps / a**2)
    # The products a * x are rounded: 1e-16 of x, divided by the deviation.
    loss = 1e-13 + 10 * lost(x, other).max()
    top = 1 + np.abs(cache.x_hat).max()
    g, d = np.abs(gamma).max(), np.abs(dout).max()
    np.testing.assert_allclose(y, sign * other_y, rtol=0, atol=loss * g * top)
    np.testing.assert_allclose(
        dgamma, sign * other_dgamma, rtol=0, atol=loss * dout.size * d * top
    )
    # dx is the derivative by a * x: by x it is a times as much.
    size = g * other.inv_std.max() * d * top**2
    np.testing.assert_allclose(
        a * dx, sign * other_dx, rtol=0, atol=loss * size * (1 + 1 / abs(a))
    )


@given(problems())
def test_permutation_of_the_batch_permutes_the_results(problem):
    x, gamma, beta, dout, eps = problem
    order = np.random.default_rng(0).permutation(len(x))
    y, cache, dx, dgamma, dbeta = run(*problem)
    other = run(x[order], gamma, beta, dout[order], eps)
    slack = 1e-13 + 10 * lost(x, cache).max()
    top = 1 + np.abs(cache.x_hat).max()
    g, d = np.abs(gamma).max(), np.abs(dout).max()
    np.testing.assert_allclose(
        other[0], y[order], rtol=0, atol=slack * (g * top + np.abs(beta).max())
    )
    np.testing.assert_allclose(
        other[2], dx[order], rtol=0, atol=slack * size_of_dx(cache, dout).max()
    )
    for a, b in zip(other[3:], (dgamma, dbeta), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=slack * dout.size * d * top)


@given(problems())
def test_identity_is_recovered_by_the_statistics_themselves(problem):
    x, _, _, _, eps = problem
    _, cache = batch_norm_forward(x, eps=eps)
    y, _ = batch_norm_forward(x, np.sqrt(cache.var + eps), cache.mean, eps=eps)
    # Two roundings of numbers as large as x.
    np.testing.assert_allclose(y, x, rtol=0, atol=1e-13 * (1 + np.abs(x).max()))


@given(problems())
def test_inference_with_batch_statistics_gives_the_same_output(problem):
    x, gamma, beta, dout, eps = problem
    y, cache = batch_norm_forward(x, gamma, beta, eps=eps)
    other, _ = batch_norm_inference(x, cache.mean, cache.var, gamma, beta, eps=eps)
    slack = (1e-13 + lost(x, cache).max()) * (1 + np.abs(cache.x_hat).max())
    size = np.abs(gamma).max() + np.abs(beta).max()
    np.testing.assert_allclose(y, other, rtol=0, atol=slack * size + 1e-300)


@given(problems(), st.integers(1, 40), st.sampled_from(["f8", "f4", "f2"]))
def test_arguments_are_never_changed(problem, block, dtype):
    x, gamma, beta, dout, eps = problem
    assume(eps > 1e-4)  # float16 would make infinity of more
    arrays = [a.astype(dtype) for a in (x, gamma, beta, dout)]
    arrays += [a.astype(dtype) for a in (gamma / 8, beta**2 / 8)]
    copies = [a.copy() for a in arrays]
    for array in arrays:
        array.flags.writeable = False
    x, gamma, beta, dout, mean, var = arrays
    before, core.BLOCK = core.BLOCK, block
    try:
        y, cache = batch_norm_forward(x, gamma, beta, eps=eps)
        dx, dgamma, dbeta = batch_norm_backward(dout, cache)
        z, cache = batch_norm_inference(x, mean, var, gamma, beta, eps=eps)
        dz, dg, db = batch_norm_inference_backward(dout, cache)
    finally:
        core.BLOCK = before
    for array, saved in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, saved)
    for result in (y, dx, dgamma, dbeta, z, dz, dg, db):
        assert not any(np.shares_memory(result, array) for array in arrays)


@given(shapes, st.integers(0, 2**32 - 1), epsilons, st.sampled_from(["f8", "f4", "f2"]))
def test_any_shape_equals_pytorch(shape, seed, eps, dtype):
    x, gamma, beta, dout = oracle.draw(shape, dtype, seed)
    oracle.check_training(x, gamma, beta, dout, eps)
    mean, var = (a.astype(dtype) for a in (beta / 2, gamma**2))
    oracle.check_inference(x, gamma, beta, dout, mean, var, eps)


def test_numpy_settings_of_the_caller_stay():
    """The norms change NumPy's buffer and error state only for themselves."""
    before = np.getbufsize(), np.geterr()
    _, cache = batch_norm_forward(np.array([[0.0], [np.inf], [6.0], [8.0]]))
    batch_norm_backward(np.ones((4, 1)), cache)
    with pytest.raises(ValueError):
        batch_norm_forward(np.ones(4))
    assert (np.getbufsize(), np.geterr()) == before
