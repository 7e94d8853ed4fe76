"""Running averages follow PyTorch and Keras' rule; moments agree with two passes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnlearn.layers import BatchNorm
from bnlearn.running import (
    CONVENTIONS,
    Moments,
    add_value,
    bias_corrected,
    convert_momentum,
    cumulative_average,
    exponential_average,
    merge_moments,
    moments,
    unbiased,
)


def draw(shape, seed=0, dtype="f8"):
    """Draw values whose channels differ in mean and deviation."""
    rng = np.random.default_rng(seed)
    channels = np.resize([1.0, -40.0, 0.02], shape[1])
    sd = np.resize([2.0, 0.3, 5.0, 0.01], shape[1])
    wide = (1, shape[1]) + (1,) * (len(shape) - 2)
    values = rng.standard_normal(shape) * sd.reshape(wide) + channels.reshape(wide)
    return values.astype(dtype)


# Averages -----------------------------------------------------------------------------


def torch_running(batches, momentum):
    """Return running mean and variance of PyTorch's layer after some batches."""
    layer = torch.nn.BatchNorm1d(batches[0].shape[1], momentum=momentum)
    layer = layer.double() if batches[0].dtype == np.float64 else layer
    for x in batches:
        layer(torch.tensor(x))
    return layer.running_mean.numpy(), layer.running_var.numpy()


@pytest.mark.parametrize("momentum", [0.1, 0.01, 0.7, 0.0, 1.0])
@pytest.mark.parametrize(("dtype", "rtol"), [("f8", 1e-12), ("f4", 1e-5)])
@pytest.mark.parametrize("shape", [(6, 3), (5, 3, 4)])
def test_exponential_average_is_pytorchs(shape, dtype, rtol, momentum):
    batches = [draw(shape, seed, dtype) for seed in range(7)]
    mean, var = np.zeros(3, dtype), np.ones(3, dtype)
    for x in batches:
        axes = (0, *range(2, x.ndim))
        m = x.size // 3
        mean = exponential_average(mean, x.mean(axis=axes), momentum)
        var = exponential_average(var, unbiased(x.var(axis=axes), m), momentum)
    assert mean.dtype == var.dtype == np.dtype(dtype)
    wanted = torch_running(batches, momentum)
    # Roundings of the dtype; PyTorch's own are among them.
    np.testing.assert_allclose(mean, wanted[0], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(var, wanted[1], rtol=10 * rtol)


@pytest.mark.parametrize("shape", [(6, 3), (5, 3, 4)])
def test_cumulative_average_is_pytorchs_and_the_plain_mean(shape):
    batches = [draw(shape, seed) for seed in range(7)]
    axes = (0, *range(2, len(shape)))
    means = np.array([x.mean(axis=axes) for x in batches])
    variances = np.array([x.var(axis=axes, ddof=1) for x in batches])
    mean, var = np.full(3, 7.0), np.full(3, 7.0)  # forgotten with the first value
    for count, (a, b) in enumerate(zip(means, variances, strict=True), start=1):
        mean = cumulative_average(mean, a, count)
        var = cumulative_average(var, b, count)
    for found, plain, wanted in zip(
        (mean, var), (means, variances), torch_running(batches, None), strict=True
    ):
        # float64, seven averages one after the other: some roundings.
        np.testing.assert_allclose(found, plain.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def keras_average(values, momentum, start):
    """Keras' rule as its documentation has it, written without the package."""
    moving = start
    for value in values:
        moving = moving * momentum + value * (1 - momentum)
    return moving


@pytest.mark.parametrize("momentum", [0.99, 0.9, 0.3])
def test_conversion_gives_the_same_average_as_keras_rule(momentum):
    values = np.random.default_rng(0).standard_normal((40, 3))
    average = np.full(3, 2.0)
    ours = convert_momentum(momentum, "keras", "pytorch")
    for value in values:
        average = exponential_average(average, value, ours)
    # 1 - momentum is rounded twice on one side.
    np.testing.assert_allclose(
        average, keras_average(values, momentum, np.full(3, 2.0)), rtol=1e-11
    )


@pytest.mark.parametrize("source", CONVENTIONS)
@pytest.mark.parametrize("target", CONVENTIONS)
def test_conversion_keeps_the_weight_of_the_new_value(source, target):
    for new in (0.0, 0.01, 0.1, 1.0):
        given = new if source == "pytorch" else 1 - new
        wanted = new if target == "pytorch" else 1 - new
        found = convert_momentum(given, source, target)
        assert type(found) is float
        np.testing.assert_allclose(found, wanted, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (0.1, "torch", "keras"),
            ValueError,
            "expected one of pytorch, keras.*'torch'",
        ),
        ((0.1, "keras", "Keras"), ValueError, "got 'Keras'"),
        ((None, "pytorch", "keras"), ValueError, "cumulative average; its weights"),
        (("0.1", "pytorch", "keras"), TypeError, "expected a number, got '0.1'"),
        ((1.1, "pytorch", "keras"), ValueError, "from 0 to 1, got 1.1"),
        ((-0.1, "keras", "pytorch"), ValueError, "from 0 to 1, got -0.1"),
        ((np.nan, "keras", "pytorch"), ValueError, "from 0 to 1, got nan"),
    ],
)
def test_conversion_refuses(arguments, error, message):
    with pytest.raises(error, match=f"convert_momentum: .*{message}"):
        convert_momentum(*arguments)


@pytest.mark.parametrize("momentum", [0.1, 0.001, 1e-9, 0.9, 1.0])
def test_corrected_average_of_one_value_is_that_value(momentum):
    average = np.zeros(2)
    for steps in range(1, 30):
        average = exponential_average(average, np.array([7.0, -3.0]), momentum)
        # Small momenta lose digits in the average, not in the correction.
        np.testing.assert_allclose(
            bias_corrected(average, momentum, steps), [7, -3], rtol=1e-12
        )


def test_corrected_average_has_weights_that_sum_to_one():
    values = np.random.default_rng(0).standard_normal(12)
    average = np.array(0.0)
    for value in values:
        average = exponential_average(average, value, 0.2)
    weights = 0.8 ** np.arange(11, -1, -1)
    wanted = np.average(values, weights=weights)
    np.testing.assert_allclose(bias_corrected(average, 0.2, 12), wanted, rtol=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: exponential_average(np.ones(3), np.ones((3, 1)), 0.1),
            r"\(3,\).*\(3, 1",
        ),
        (lambda: exponential_average(np.ones(3), 1.0, 0.1), r"one shape, got \(3,\)"),
        (lambda: cumulative_average(np.ones(3), np.ones(2), 1), r"\(3,\) and \(2,\)"),
        (lambda: cumulative_average(1.0, 1.0, 0), "expected count >= 1, got 0"),
        (lambda: bias_corrected(1.0, 0.0, 3), "0 < momentum <= 1, got 0.0"),
        (lambda: bias_corrected(1.0, 1.5, 3), "0 < momentum <= 1, got 1.5"),
        (lambda: bias_corrected(1.0, 0.1, 0), "expected steps >= 1, got 0"),
        (lambda: unbiased(1.0, 1), "expected at least 2 values, got 1"),
    ],
)
def test_averages_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("momentum", [0.5, 0.1, 0.02])
def test_scatter_of_the_average(momentum):
    # Var R = momentum / (2 - momentum) * Var q, once the start is forgotten.
    values = np.random.default_rng(0).standard_normal((600, 20_000))
    average = np.zeros(20_000)
    for value in values:
        average = exponential_average(average, value, momentum)
    # The variance of 20,000 Gaussians is known to 1 % (one sd); 0.98**1200 is nothing.
    np.testing.assert_allclose(average.var(), momentum / (2 - momentum), rtol=0.05)


def test_averages_leave_their_arguments_alone():
    old, new = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    for call in (
        lambda: exponential_average(old, new, 0.1),
        lambda: cumulative_average(old, new, 1),
        lambda: bias_corrected(old, 1.0, 1),
        lambda: unbiased(old, 2),
    ):
        call()[...] = 99
        assert old.tolist() == [1, 2] and new.tolist() == [3, 5]


def test_dtypes_of_averages():
    small = np.ones(3, "f4")
    assert exponential_average(small, small, 0.1).dtype == np.float32
    assert exponential_average(small, small.astype("f8"), 0.1).dtype == np.float64
    assert unbiased(small, 3).dtype == np.float32
    assert bias_corrected(small, 0.1, 3).dtype == np.float32


# Moments ------------------------------------------------------------------------------

SHAPES = [(9,), (7, 3), (4, 3, 5), (2, 3, 4, 5)]


def two_passes(x):
    """Mean and sum of squared deviations in float64, by the definition."""
    x = np.asarray(x, "f8")
    axes = tuple(i for i in range(x.ndim) if i != 1)
    mean = x.mean(axis=axes, keepdims=True)
    return np.squeeze(mean, axes), np.sum((x - mean) ** 2, axis=axes)


def assert_moments(found, x, rtol=1e-12):
    mean, m2 = two_passes(x)
    assert found.count == np.size(x) // (np.shape(x)[1] if np.ndim(x) > 1 else 1)
    assert found.mean.dtype == found.m2.dtype == np.float64
    assert found.mean.shape == found.m2.shape == np.shape(mean)
    np.testing.assert_allclose(found.mean, mean, rtol=rtol)
    np.testing.assert_allclose(found.m2, m2, rtol=rtol)


def one_by_one(x):
    """Send rows through Welford's algorithm."""
    found = moments(x[:0])
    for value in x:
        found = add_value(found, value)
    return found


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_moments_by_two_passes(shape, dtype):
    rng = np.random.default_rng(0)
    x = (3 + 10 * rng.standard_normal(shape)).astype(dtype)
    found = moments(x)
    assert_moments(found, x)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    np.testing.assert_allclose(found.var, x.astype("f8").var(axis=axes), rtol=1e-12)
    np.testing.assert_allclose(
        found.unbiased_var, x.astype("f8").var(axis=axes, ddof=1), rtol=1e-12
    )


def test_values_one_by_one():
    for x in (draw((40, 3)), draw((40, 3))[:, 1]):
        assert_moments(one_by_one(x), x, rtol=1e-11)  # forty updates


@pytest.mark.parametrize("cut", [0, 1, 4, 12, 13])
@pytest.mark.parametrize("shape", [(13,), (13, 3), (13, 3, 2)], ids=str)
def test_two_parts(shape, cut):
    x = 5 + np.random.default_rng(0).standard_normal(shape)
    a, b = moments(x[:cut]), moments(x[cut:])
    before = [np.copy(array) for array in (*a[1:], *b[1:])]
    assert_moments(merge_moments(a, b), x)
    assert_moments(merge_moments(b, a), x)
    for array, kept in zip((*a[1:], *b[1:]), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_badly_scaled_data():
    # A mean of 1e8 deviations: one rounding of a value is 1.5e-8 deviations.
    x = 1e8 + np.random.default_rng(0).standard_normal((5000, 2))
    mean = x.mean(axis=0)
    exact = np.sum((x - mean) ** 2, axis=0) - 5000 * np.mean(x - mean, axis=0) ** 2
    parts = [moments(part) for part in np.array_split(x, 7)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merge_moments(merged, part)
    shortcut = np.sum(x**2, axis=0) - 5000 * mean**2
    assert np.abs(shortcut / exact - 1).min() > 1e-2
    for name, found in (("two passes", moments(x)), ("merged", merged)):
        np.testing.assert_allclose(found.m2, exact, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-15, err_msg=name)
    # Each of 5,000 updates rounds the mean by up to 0.75e-8.
    np.testing.assert_allclose(one_by_one(x).m2, exact, rtol=1e-6)


numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
groups = st.lists(st.lists(numbers, max_size=6), min_size=3, max_size=3)


@given(groups)
def test_merging_is_associative_and_commutative(parts):
    a, b, c = (moments(np.array(part, "f8")) for part in parts)
    ways = [
        merge_moments(merge_moments(a, b), c),
        merge_moments(a, merge_moments(b, c)),
        merge_moments(merge_moments(c, a), b),
    ]
    whole = moments(np.array([*parts[0], *parts[1], *parts[2]], "f8"))
    for found in ways:
        assert found.count == whole.count
        # Values up to 1e3: roundings of 1e3 and of 1e6.
        np.testing.assert_allclose(found.mean, whole.mean, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(found.m2, whole.m2, rtol=1e-11, atol=1e-8)


@given(st.lists(numbers, min_size=1, max_size=12), numbers)
def test_adding_is_merging_with_one(values, value):
    before = moments(np.array(values))
    added = add_value(before, value)
    merged = merge_moments(before, moments(np.array([value])))
    assert added.count == merged.count == len(values) + 1
    np.testing.assert_allclose(added.mean, merged.mean, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(added.m2, merged.m2, rtol=1e-11, atol=1e-8)


def test_no_values_and_one():
    nothing = moments(np.empty((0, 3)))
    assert nothing.count == 0 and nothing.mean.shape == (3,)
    with pytest.raises(ValueError, match=r"Moments.var: expected at least 1 value"):
        nothing.var  # noqa: B018
    one = add_value(nothing, np.array([1.0, 2.0, 3.0]))
    assert one.var.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        one.unbiased_var  # noqa: B018
    assert merge_moments(nothing, nothing).count == 0


def test_constant_values_have_no_variance():
    x = np.full((1000, 2), [0.1, -1e5])
    for found in (moments(x), one_by_one(x), merge_moments(moments(x), moments(x))):
        assert (found.m2 >= 0).all()
        assert (found.m2 < 1e-12 * 1e10).all()


def test_infinity_gives_nan_and_no_warning():
    x = np.array([1.0, np.inf, 3.0])
    for found in (moments(x), one_by_one(x), merge_moments(moments(x), moments(x))):
        assert np.isnan(found.m2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: moments(3.0), ValueError, "moments: .*at least one axis"),
        (lambda: moments(["a"]), TypeError, "moments: expected real numbers"),
        (lambda: moments([1j]), TypeError, "got complex128"),
        (lambda: moments([True]), TypeError, "got bool"),
        (
            lambda: merge_moments(moments(np.ones((2, 3))), moments(np.ones((2, 4)))),
            ValueError,
            r"merge_moments: expected moments of one shape, got \(3,\) and \(4,\)",
        ),
        (
            lambda: merge_moments(moments(np.ones((2, 1))), moments(np.ones(2))),
            ValueError,
            r"got \(1,\) and \(\)",
        ),
        (
            lambda: merge_moments(moments(np.ones((0, 3))), moments(np.ones((2, 4)))),
            ValueError,
            r"got \(3,\) and \(4,\)",
        ),
        (
            lambda: merge_moments(moments(np.ones(2)), (2, 1.0, 0.0)),
            TypeError,
            "merge_moments: expected Moments, got tuple",
        ),
        (
            lambda: add_value(moments(np.ones((2, 3))), 1.0),
            ValueError,
            r"add_value: expected a value of shape \(3,\), got \(\)",
        ),
        (lambda: add_value(moments(np.ones(2)), "a"), TypeError, "add_value: expected"),
        (lambda: add_value(2, 1.0), TypeError, "add_value: expected Moments, got int"),
    ],
)
def test_moments_refuse(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Both together ------------------------------------------------------------------------


def test_cumulative_statistics_of_whole_batches_are_the_moments():
    # Batches of one size: the average of means is the mean of all; the average of the
    # unbiased variances misses the variance between the batches.
    x = draw((24, 3))
    layer = BatchNorm(3, momentum=None)
    for batch in np.split(x, 4):
        layer(batch)
    whole = moments(x)
    np.testing.assert_allclose(layer.running_mean, whole.mean, rtol=1e-12)
    between = moments(np.array([batch.mean(axis=0) for batch in np.split(x, 4)])).m2
    within = whole.m2 - 6 * between
    np.testing.assert_allclose(layer.running_var, within / (4 * 5), rtol=1e-11)
    assert isinstance(whole, Moments)
