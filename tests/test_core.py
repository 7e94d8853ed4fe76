"""The kernel on every set of axes that a norm may ask for."""

import math

import numpy as np
import pytest

from bnlearn import core
from bnlearn.core import standardize, standardize_backward

# (shape, axes, shape of scale and shift)
CASES = [
    ((7, 3), (0,), (1, 3)),  # batch norm of a matrix
    ((7, 3), (1,), (1, 3)),  # layer norm
    ((7, 3), (1,), (1, 1)),
    ((7, 3), (0, 1), (1, 1)),
    ((7, 1), (1,), (1, 1)),
    ((1, 5), (1,), (1, 5)),
    ((5, 3, 4), (0, 2), (1, 3, 1)),  # batch norm of images
    ((5, 3, 4), (2,), (1, 3, 1)),  # instance norm
    ((5, 3, 1), (0, 2), (1, 3, 1)),
    ((5, 3, 4), (1, 2), (1, 3, 1)),
    ((5, 3, 4), (0, 1, 2), (1, 1, 1)),
    ((5, 3, 4), (2,), (1, 1, 1)),
    ((5, 3, 2, 4), (2, 3), (1, 3, 2, 1)),  # group norm
    ((5, 3, 2, 4), (1, 2, 3), (1, 3, 2, 1)),
    ((5, 3, 4, 2), (1, 3), (1, 3, 4, 1)),
    ((5, 3, 4, 2), (3,), (1, 3, 4, 1)),
    ((2, 3, 2, 4, 3), (0, 2, 4), (1, 3, 1, 4, 1)),
]
EPS = 1e-3


def draw(shape, axes, param, dtype, seed=0):
    rng = np.random.default_rng(seed)
    stats = [1 if axis in axes else size for axis, size in enumerate(shape)]
    # Groups with a mean of up to ten deviations, and some that vary little.
    mean, std = rng.normal(0, 5, stats), rng.choice([0.02, 0.5, 3], stats)
    x = mean + std * rng.standard_normal(shape)
    arrays = x, rng.normal(1, 1, param), rng.normal(0, 2, param)
    return tuple(a.astype(dtype) for a in (*arrays, rng.standard_normal(shape)))


def reference(x, axes, scale, shift, dout, centred):
    """Standardise in float64 as it is written in books; the gradient by its Jacobian."""
    x, scale, shift, dout = (a.astype("f8") for a in (x, scale, shift, dout))
    mean = x.mean(axis=axes, keepdims=True) * centred
    var = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
    inv_std = (var + EPS) ** -0.5
    x_hat = (x - mean) * inv_std
    m = x.size // mean.size
    # One group after the other, with P = I - 11'/m - x_hat x_hat'/m written out.
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    order = (*kept, *axes)
    flat, flat_g = (a.transpose(order).reshape(-1, m) for a in (x_hat, scale * dout))
    dx = np.empty(flat.shape)
    factors = inv_std.transpose(order).ravel()
    for i, (row, g, factor) in enumerate(zip(flat, flat_g, factors, strict=True)):
        p = np.eye(m) - centred / m - np.outer(row, row) / m
        dx[i] = factor * p @ g
    dx = dx.reshape([x.shape[axis] for axis in order]).transpose(np.argsort(order))
    shared = tuple(axis for axis, size in enumerate(scale.shape) if size == 1)
    sums = (dout * x_hat).sum(axis=shared, keepdims=True)
    dshift = dout.sum(axis=shared, keepdims=True)
    return scale * x_hat + shift, mean, var, inv_std, dx, sums, dshift


def compare(shape, axes, param, dtype, layout=lambda a: a, centred=True):
    x, scale, shift, dout = draw(shape, axes, param, dtype)
    x, dout = layout(x), layout(dout)
    wanted = reference(x, axes, scale, shift, dout, centred)
    y, mean, var, inv_std = standardize(
        x, axes, eps=EPS, scale=scale, shift=shift, centred=centred
    )
    dx, dscale, dshift = standardize_backward(
        dout, x, mean, inv_std, axes, scale=scale, centred=centred
    )
    assert mean.dtype == np.float64
    results = y, mean, var, inv_std, dx, dscale, dshift
    # A few hundred values of size 1 to 10, x_hat up to 5; dx is multiplied by up to
    # 1/sqrt(EPS) = 32. 1e-5 is a hundred roundings of float32.
    rtol, atol = {"f8": (1e-10, 1e-11), "f4": (1e-5, 2e-5)}[dtype]
    for result, exact in zip(results, wanted, strict=True):
        assert result.shape == exact.shape
        np.testing.assert_allclose(result, exact, rtol=rtol, atol=atol)
    for result in (y, var, inv_std, dx, dscale, dshift):
        assert result.dtype == x.dtype


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(("shape", "axes", "param"), CASES, ids=str)
@pytest.mark.parametrize("centred", [True, False])
def test_values_and_gradients(shape, axes, param, dtype, centred):
    compare(shape, axes, param, dtype, centred=centred)


@pytest.mark.parametrize("block", [1, 10, 18])
@pytest.mark.parametrize(("shape", "axes", "param"), CASES, ids=str)
def test_block_size_does_not_matter(monkeypatch, shape, axes, param, block):
    if math.prod(shape) <= block:
        block = 1
    monkeypatch.setattr(core, "BLOCK", block)
    x = np.empty(shape)
    blocks, parts = core._blocks(x, axes), core._parts(x, axes, block)
    assert min(len(blocks), len(parts)) == 1
    assert max(len(blocks), len(parts)) > 1 or len(x) == 1
    compare(shape, axes, param, "f8")


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize(("shape", "axes", "param"), CASES, ids=str)
def test_cuts_of_long_rows_do_not_matter(monkeypatch, shape, axes, param, columns):
    monkeypatch.setattr(core, "BLOCK_COLUMNS", columns)
    compare(shape, axes, param, "f8")


@pytest.mark.parametrize(("shape", "axes", "param"), CASES, ids=str)
def test_memory_layout_does_not_matter(shape, axes, param):
    compare(shape, axes, param, "f8", layout=np.asfortranarray)
    compare(shape, axes, param, "f8", layout=lambda a: a[::-1].copy()[::-1])


@pytest.mark.parametrize(("shape", "axes", "param"), CASES, ids=str)
def test_scale_and_shift_may_be_left_out(shape, axes, param):
    x = draw(shape, axes, param, "f8")[0]
    one, zero = np.ones(param), np.zeros(param)
    plain = standardize(x, axes, eps=EPS)
    for given in ({"scale": one}, {"shift": zero}, {"scale": one, "shift": zero}):
        for a, b in zip(standardize(x, axes, eps=EPS, **given), plain, strict=True):
            # 0 + a and 1 * a are exact; only the order of operations differs.
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("shape", "axes", "param"),
    [
        ((0, 3), (0,), (1, 3)),
        ((0, 3), (1,), (1, 3)),
        ((2, 0), (1,), (1, 0)),
        ((0, 3, 4), (0, 2), (1, 3, 1)),
        ((2, 3, 0), (0, 2), (1, 3, 1)),
        ((2, 3, 0), (2,), (1, 3, 1)),
        ((2, 3, 2, 0), (2, 3), (1, 3, 2, 1)),
    ],
    ids=str,
)
def test_empty_groups(shape, axes, param):
    x = np.empty(shape)
    y, mean, var, inv_std = standardize(x, axes, eps=0.25)
    assert y.shape == shape
    assert (mean == 0).all() and (var == 0).all() and (inv_std == 2).all()
    one = np.ones(param)
    dx, dscale, dshift = standardize_backward(x, x, mean, inv_std, axes, scale=one)
    assert dx.shape == shape
    assert (dscale == 0).all() and (dshift == 0).all()


def test_constant_groups_give_the_shift_exactly():
    # 3.7 is not a float32: a mean that was summed would miss it.
    x = np.full((1000, 3), 3.7, "f4")
    shift = np.array([[0.5, -1.0, 2.0]], "f4")
    y, mean, var, _ = standardize(x, (0,), eps=1e-5, shift=shift)
    # One rounding of a mean of 3.7, divided by sqrt(eps): 2e-7 * 316 at the worst.
    np.testing.assert_allclose(y, np.broadcast_to(shift, y.shape), atol=1e-6)
    np.testing.assert_allclose(mean, x[:1], rtol=1e-7)
    assert (var >= 0).all() and (var < 1e-12).all()


def test_variance_is_never_negative():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        x = (3000 + 1e-4 * rng.standard_normal((64, 4))).astype("f4")
        assert (standardize(x, (0,), eps=1e-5)[2] >= 0).all()


def test_arguments_are_not_changed():
    for shape, axes, param in CASES:
        arrays = draw(shape, axes, param, "f8")
        for array in arrays:
            array.flags.writeable = False
        x, scale, shift, dout = arrays
        y, mean, _, inv_std = standardize(x, axes, eps=EPS, scale=scale, shift=shift)
        for array in (mean, inv_std):
            array.flags.writeable = False
        dx, *_ = standardize_backward(dout, x, mean, inv_std, axes, scale=scale)
        for result in (y, dx):
            assert not any(np.shares_memory(result, array) for array in arrays)
