"""How the norms are related, and what must hold for each of anything."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bnlearn import (
    batch_norm_backward,
    batch_norm_forward,
    core,
    group_norm_backward,
    group_norm_forward,
    instance_norm_backward,
    instance_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    norms,
    rms_norm_backward,
    rms_norm_forward,
)
from tests import family

fine = st.floats(-100, 100, allow_subnormal=False)
epsilons = st.floats(-8, 1).map(lambda e: 10.0**e)


@st.composite
def problems(draw, kinds=tuple(family.KINDS), elements=fine):
    """Draw a problem of one of the norms, in float64."""
    kind = draw(st.sampled_from(kinds))
    fewest = {"layer": 1, "rms": 1, "group": 2, "instance": 3}[kind]
    shape = draw(hnp.array_shapes(min_dims=fewest, max_dims=5, max_side=5))
    option = None
    if kind in family.TRAILING:
        option = shape[draw(st.integers(0, len(shape) - 1)) :]
    elif kind == "group":
        divisors = [n for n in range(1, shape[1] + 1) if shape[1] % n == 0]
        option = draw(st.sampled_from(divisors))
    # At least two values for each mean, as PyTorch wants of these two.
    if kind == "group" and math.prod(shape) == option:
        shape = (2, *shape[1:])
    if kind == "instance" and math.prod(shape[2:]) == 1:
        shape = (*shape, 2)
    problem = family.draw(kind, shape, option, seed=draw(st.integers(0, 2**32 - 1)))
    x = draw(hnp.arrays("f8", shape, elements=elements))
    return problem.change(x=x, eps=draw(epsilons))


def run(problem):
    """Return y, cache, dx, dgamma, dbeta."""
    y, cache = problem.forward()
    return y, cache, *problem.backward(cache)


def rows(problem, a):
    return problem.grouped(a)


def size_of_dx(problem, cache):
    """Return the size of the terms of which dx is the difference, per group."""
    g = np.abs(problem.spread(problem.gamma) * problem.dout).max()
    top = 1 + np.abs(rows(problem, cache.x_hat)).max(axis=1)
    return g * cache.inv_std.ravel() * top**2


def lost(problem, cache):
    """Return what float64 may lose of x_hat: roundings of x, in deviations."""
    return 1e-15 * np.abs(problem.x).max() * cache.inv_std.ravel()


@given(problems(("layer", "group", "instance")))
def test_sum_of_dx_over_a_group_is_zero_for_norms_that_centre(problem):
    _, cache, dx, *_ = run(problem)
    found = rows(problem, dx)
    # m roundings of terms of this size: 1e-14 for each.
    slack = 1e-14 + lost(problem, cache)
    bound = found.shape[1] * size_of_dx(problem, cache) * slack
    assert (np.abs(found.sum(axis=1)) <= bound + 1e-300).all()


def test_sum_of_dx_is_not_zero_for_rms_norm():
    for seed in range(20):
        problem = family.draw("rms", (4, 6), (6,), seed=seed)
        problem = problem.change(x=np.random.default_rng(seed).normal(1, 1, (4, 6)))
        # dx is of size 1; for a norm that centres the sum would be 1e-15.
        assert (np.abs(run(problem)[2].sum(axis=1)) > 1e-3).all()


@given(problems())
def test_dx_is_orthogonal_to_x_hat_up_to_eps(problem):
    _, cache, dx, *_ = run(problem)
    x_hat = rows(problem, cache.x_hat)
    g = rows(problem, problem.spread(problem.gamma) * problem.dout)
    inv_std, var = cache.inv_std.ravel(), cache.var.ravel()
    inner = (rows(problem, dx) * x_hat).sum(axis=1)
    wanted = inv_std * problem.eps / (var + problem.eps) * (g * x_hat).sum(axis=1)
    top = 1 + np.abs(x_hat).max(axis=1)
    slack = 1e-14 + lost(problem, cache)
    bound = x_hat.shape[1] * top * size_of_dx(problem, cache) * slack
    assert (np.abs(inner - wanted) <= bound + 1e-300).all()


@given(problems())
def test_x_hat_is_bounded_by_the_size_of_the_group(problem):
    _, cache, *_ = run(problem)
    x_hat = rows(problem, cache.x_hat)
    m = x_hat.shape[1]
    # One value can have all of the variance; without a mean, also all of the square.
    most = m if problem.kind == "rms" else m - 1
    var, inv_std = cache.var.ravel(), cache.inv_std.ravel()
    bound = math.sqrt(most) * np.sqrt(var * inv_std**2)
    slack = 1e-14 * math.sqrt(m) + lost(problem, cache)
    assert (np.abs(x_hat).max(axis=1) <= bound + slack).all()


@given(problems())
def test_mean_and_variance_of_x_hat(problem):
    _, cache, *_ = run(problem)
    x_hat, slack = rows(problem, cache.x_hat), 1e-13 + lost(problem, cache)
    var = cache.var.ravel()
    if problem.kind != "rms":
        assert (np.abs(x_hat.mean(axis=1)) <= slack).all()
    wanted = var / (var + problem.eps)
    assert (np.abs((x_hat**2).mean(axis=1) - wanted) <= 4 * slack).all()


@given(problems(), st.integers(1, 40), st.sampled_from(["f8", "f4", "f2"]))
def test_arguments_are_never_changed(problem, block, dtype):
    problem = family.cast(problem.change(eps=1e-3), dtype)
    given_arrays = [problem.x, problem.dout, *problem.parameters()[:2]]
    copies = [a.copy() for a in given_arrays]
    for array in given_arrays:
        array.flags.writeable = False
    before, core.BLOCK = core.BLOCK, block
    try:
        results = problem.run()
    finally:
        core.BLOCK = before
    for array, saved in zip(given_arrays, copies, strict=True):
        np.testing.assert_array_equal(array, saved)
    for result in results:
        if result is not None:
            assert not any(np.shares_memory(result, a) for a in given_arrays)


@given(problems(), st.sampled_from(["f8", "f4", "f2"]))
def test_anything_equals_pytorch(problem, dtype):
    fresh = family.draw(problem.kind, problem.x.shape, problem.option)
    family.check(family.cast(fresh.change(eps=problem.eps), dtype))


# How the norms are related


def images(seed=0, shape=(3, 4, 2, 5)):
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 3, shape) + rng.normal(0, 4, (shape[0], shape[1], 1, 1))
    gamma, beta = rng.uniform(0.5, 2, shape[1]), rng.standard_normal(shape[1])
    return x, gamma, beta, rng.standard_normal(shape)


def assert_close(ours, others):
    for a, b in zip(ours, others, strict=True):
        if a is not None:
            # float64, the same formula; sums in some other order.
            np.testing.assert_allclose(
                a, np.reshape(b, a.shape), rtol=1e-11, atol=1e-12
            )


def test_group_norm_with_one_group_is_layer_norm_of_the_example():
    x, _, _, dout = images()
    y, cache = group_norm_forward(x, 1)
    other_y, other = layer_norm_forward(x, x.shape[1:])
    assert_close([y, cache.mean, cache.var], [other_y, other.mean, other.var])
    assert_close(group_norm_backward(dout, cache), layer_norm_backward(dout, other))


def test_with_parameters_these_two_differ():
    # One gamma for each channel against one for each element.
    x, gamma, beta, dout = images()
    y, cache = group_norm_forward(x, 1, gamma, beta)
    wide = (np.broadcast_to(a[:, None, None], x.shape[1:]) for a in (gamma, beta))
    other_y, other = layer_norm_forward(x, x.shape[1:], *wide)
    dx, dgamma, dbeta = group_norm_backward(dout, cache)
    other_dx, *others = layer_norm_backward(dout, other)
    assert_close([y, dx], [other_y, other_dx])
    assert others[0].shape == (4, 2, 5)
    assert_close([dgamma, dbeta], [a.sum(axis=(1, 2)) for a in others])


def test_group_norm_with_a_group_per_channel_is_instance_norm():
    x, gamma, beta, dout = images()
    y, cache = group_norm_forward(x, 4, gamma, beta)
    other_y, other = instance_norm_forward(x, gamma, beta)
    assert_close([y, cache.mean, cache.var], [other_y, other.mean, other.var])
    assert_close(group_norm_backward(dout, cache), instance_norm_backward(dout, other))


def test_instance_norm_is_batch_norm_of_one_example():
    x, gamma, beta, dout = images()
    y, cache = instance_norm_forward(x, gamma, beta)
    dx, dgamma, dbeta = instance_norm_backward(dout, cache)
    found = []
    for i in range(len(x)):
        one, one_cache = batch_norm_forward(x[i : i + 1], gamma, beta)
        found.append((one[0], *batch_norm_backward(dout[i : i + 1], one_cache)))
    others = list(zip(*found, strict=True))
    assert_close([y, dx], [np.stack(others[0]), np.concatenate(others[1])])
    assert_close([dgamma, dbeta], [sum(others[2]), sum(others[3])])


def test_layer_norm_is_batch_norm_transposed():
    x, dout = np.random.default_rng(0).normal(2, 3, (2, 6, 4))
    y, cache = layer_norm_forward(x, 4)
    other_y, other = batch_norm_forward(x.T)
    assert_close([y, cache.mean, cache.var], [other_y.T, other.mean, other.var])
    dx = batch_norm_backward(dout.T, other)[0]
    assert_close([layer_norm_backward(dout, cache)[0]], [dx.T])


def test_layer_norm_is_rms_norm_of_what_was_centred():
    x, dout = np.random.default_rng(0).normal(2, 3, (2, 6, 4))
    gamma = np.array([0.5, -1.0, 2.0, 3.0])
    y, cache = layer_norm_forward(x, 4, gamma)
    centred = x - x.mean(axis=1, keepdims=True)
    other_y, other = rms_norm_forward(centred, 4, gamma, eps=1e-5)
    dx, dgamma, _ = layer_norm_backward(dout, cache)
    other_dx, other_dgamma = rms_norm_backward(dout, other)
    # The way back through the centring takes the mean away from the gradient.
    other_dx = other_dx - other_dx.mean(axis=1, keepdims=True)
    assert_close([y, dx, dgamma], [other_y, other_dx, other_dgamma])


def test_a_transposed_image_moves_layer_norm_to_the_channels():
    # Channels last, as many layer norms of images are written.
    x, gamma, beta, _ = images()
    y, _ = layer_norm_forward(np.moveaxis(x, 1, -1), 4, gamma, beta)
    for n, i, j in [(0, 0, 0), (2, 1, 3)]:
        pixel = x[n, :, i, j]
        wanted = gamma * (pixel - pixel.mean()) / np.sqrt(pixel.var() + 1e-5) + beta
        assert_close([y[n, i, j]], [wanted])


# What each norm does not see. Shapes of the factor or summand, for x of (3, 4, 2, 5).
CHANGES = {
    "everything": (1, 1, 1, 1),
    "each example": (3, 1, 1, 1),
    "each channel": (1, 4, 1, 1),
    "each channel of each example": (3, 4, 1, 1),
    "each position": (1, 1, 2, 5),
}
WITHOUT = {
    "batch": lambda x: batch_norm_forward(x, eps=1e-30)[0],
    "layer": lambda x: layer_norm_forward(x, x.shape[1:], eps=1e-30)[0],
    "rms": lambda x: rms_norm_forward(x, x.shape[1:], eps=1e-30)[0],
    "group": lambda x: group_norm_forward(x, 2, eps=1e-30)[0],
    "instance": lambda x: instance_norm_forward(x, eps=1e-30)[0],
}
NOT_SEEN = {
    ("batch", "shift"): {"everything", "each channel"},
    ("batch", "scale"): {"everything", "each channel"},
    ("layer", "shift"): {"everything", "each example"},
    ("layer", "scale"): {"everything", "each example"},
    ("rms", "shift"): set(),
    ("rms", "scale"): {"everything", "each example"},
    ("group", "shift"): {"everything", "each example"},
    ("group", "scale"): {"everything", "each example"},
    ("instance", "shift"): set(CHANGES) - {"each position"},
    ("instance", "scale"): set(CHANGES) - {"each position"},
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize(("norm", "how"), NOT_SEEN)
def test_shifts_and_scales_that_a_norm_does_not_see(norm, how, what):
    for seed in range(5):
        x = images(seed)[0]
        by = np.random.default_rng(seed + 100).uniform(1.5, 4, CHANGES[what])
        other = x + by if how == "shift" else x * by
        difference = np.abs(WITHOUT[norm](other) - WITHOUT[norm](x)).max()
        if what in NOT_SEEN[norm, how]:
            # Values of size 1 in float64.
            assert difference < 1e-12
        else:
            assert difference > 1e-2


def test_groups_may_be_shifted_and_scaled_one_by_one():
    x = images()[0]
    y = WITHOUT["group"](x)
    rng = np.random.default_rng(1)
    shift, scale = rng.uniform(1, 3, (2, 3, 2))
    wide = (np.repeat(a, 2, axis=1)[..., None, None] for a in (shift, scale))
    assert_close([WITHOUT["group"](next(wide) + x * next(wide))], [y])
    # Channels 0 and 2 are in different groups, 0 and 1 in one.
    for channel, same in ((1, False), (2, True)):
        other = x.copy()
        other[:, channel] += 5
        assert np.allclose(WITHOUT["group"](other)[:, 0], y[:, 0]) == same


@pytest.mark.parametrize("kind", [*family.KINDS, "batch"])
def test_only_batch_norm_mixes_examples(kind):
    x, gamma, beta, dout = images()
    option = {"layer": (2, 5), "rms": (4, 2, 5), "group": 2}.get(kind)
    if kind in family.TRAILING:
        gamma, beta = np.random.default_rng(3).normal(1, 1, (2, *option))
    if kind == "rms":
        beta = None
    problem = family.Problem(kind, option, x, gamma, beta, dout)
    changed_x, changed_dout = x.copy(), dout.copy()
    changed_x[1:] *= 3
    changed_dout[1:] -= 2
    other = problem.change(x=changed_x, dout=changed_dout)
    for index in (0, 1):  # y and dx
        difference = problem.run()[index][0] - other.run()[index][0]
        if kind == "batch":
            assert np.abs(difference).max() > 1e-2
        else:
            np.testing.assert_array_equal(difference, 0)


def test_layouts_name_what_shares_a_mean_and_what_shares_a_gamma():
    shape = (3, 6, 2, 5)
    wanted = {
        "batch": ((3, 6, 10), (0, 2), (1, 6, 1), (1, 6, 1)),
        "layer": ((18, 10), (1,), (1, 10), (18, 1)),
        "rms": ((18, 10), (1,), (1, 10), (18, 1)),
        "instance": ((3, 6, 10), (2,), (1, 6, 1), (3, 6, 1)),
        "group": ((3, 2, 3, 10), (2, 3), (1, 2, 3, 1), (3, 2, 1, 1)),
    }
    options = {"layer": [(2, 5)], "rms": [(2, 5)], "group": [2]}
    for kind, (view, axes, scale, stats) in wanted.items():
        layout = norms.LAYOUTS[kind](shape, *options.get(kind, []))
        assert (layout.view, layout.axes, layout.scale) == (view, axes, scale)
        assert layout.stats == stats


def test_numpy_settings_of_the_caller_stay():
    before = np.getbufsize(), np.geterr()
    for kind, shape, option in [
        ("layer", (3, 4), (4,)),
        ("group", (3, 4), 2),
        ("instance", (3, 4, 2), None),
        ("rms", (3, 4), (4,)),
    ]:
        problem = family.draw(kind, shape, option)
        problem.x.flat[0] = np.inf
        problem.run()
        with pytest.raises(ValueError):
            problem.change(x=np.ones(())).forward()
    assert (np.getbufsize(), np.geterr()) == before
