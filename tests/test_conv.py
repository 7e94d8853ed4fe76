"""Convolution and pooling: PyTorch, a slow loop, central differences, the adjoint."""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bnlearn.data import load_digits
from bnlearn.gradcheck import check_gradients
from bnlearn.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Flatten,
    Linear,
    ReLU,
    Sequential,
)
from bnlearn.optim import SGD
from bnlearn.train import accuracy, train
from tests import oracle

F = torch.nn.functional

# Roundings of sums of up to some hundred products, relative to the sum of their sizes:
# PyTorch adds in another order. (float32: 2**-24 each, float64: 2**-53.)
TOLERANCE = {"f4": 2e-6, "f8": 4e-15}

# x, out channels, kernel, stride, padding. Several leave pixels that no window reaches.
CONVOLUTIONS = [
    ((2, 3, 6, 7), 4, 3, 1, 0),
    ((3, 2, 7, 5), 4, (2, 3), 1, 0),
    ((2, 3, 8, 9), 5, (3, 2), (2, 3), (1, 2)),
    ((2, 3, 9, 8), 2, (2, 3), (3, 1), (0, 2)),
    ((1, 2, 10, 11), 3, 2, (4, 5), 0),
    ((4, 1, 5, 6), 3, (5, 6), 1, 0),
    ((4, 2, 3, 2), 3, (5, 4), (2, 1), (2, 1)),
    ((2, 4, 5, 7), 3, 1, (2, 3), 0),
    ((2, 1, 1, 3), 1, (3, 1), 1, (1, 2)),
    ((3, 2, 4, 5), 2, (2, 1), (1, 2), (3, 4)),
    ((0, 3, 6, 5), 4, 3, (2, 1), (1, 0)),
]
# x, kernel, stride, padding.
POOLS = [
    ((2, 3, 6, 8), 2, None, 0),
    ((2, 3, 7, 9), (2, 3), None, 0),
    ((3, 2, 8, 7), (3, 2), (1, 3), (1, 0)),
    ((2, 3, 9, 5), (4, 3), (2, 1), (2, 1)),
    ((1, 2, 10, 11), 2, (5, 4), 0),
    ((4, 1, 5, 6), (5, 6), 1, 0),
    ((2, 3, 4, 5), 1, (3, 2), 0),
    ((2, 1, 1, 2), (2, 3), (2, 1), (1, 1)),
    ((0, 3, 6, 4), (2, 1), None, (1, 0)),
]


def both(value):
    """Make a pair of a number or a pair."""
    return value if isinstance(value, tuple) else (value, value)


def fill(layer, seed=1):
    """Give every parameter distinct values, the bias too."""
    rng = np.random.default_rng(seed)
    for value in layer.parameters().values():
        value[...] = rng.uniform(0.3, 1.5, value.shape) * rng.choice(
            [-1, 1], value.shape
        )
    return layer


def convolution(case, dtype="f8", bias=True):
    """Return a layer, x and a random upstream gradient."""
    shape, out, kernel, stride, padding = case
    layer = Conv2d(shape[1], out, kernel, stride, padding, bias=bias, dtype=dtype)
    check_sizes(layer, kernel, stride, padding)
    return fill(layer), *draw(layer, shape, dtype)


def pool(case, dtype="f8"):
    shape, kernel, stride, padding = case
    layer = AvgPool2d(kernel, stride, padding)
    check_sizes(layer, kernel, kernel if stride is None else stride, padding)
    return layer, *draw(layer, shape, dtype)


def check_sizes(layer, *given):
    """The oracles below read the sizes off the layer: they are those given."""
    sizes = layer.kernel_size, layer.stride, layer.padding
    assert sizes == tuple(map(both, given))


def draw(layer, shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = (1 + rng.standard_normal(shape)).astype(dtype)
    # The size of the output by the formula, not by the layer.
    size = [
        (n + 2 * p - k) // s + 1
        for n, k, s, p in zip(
            shape[2:], layer.kernel_size, layer.stride, layer.padding, strict=True
        )
    ]
    channels = len(layer.weight) if isinstance(layer, Conv2d) else shape[1]
    return x, rng.standard_normal((shape[0], channels, *size)).astype(dtype)


def run(layer, x, dout):
    """Return y and all gradients by name."""
    y = layer(x)
    assert y.shape == dout.shape
    return {"y": y, "x": layer.backward(dout), **layer.gradients()}


def run_torch(layer, x, dout, absolute=False):
    """Do the same in PyTorch; with `absolute`, with all minus signs taken away."""
    change = np.abs if absolute else np.asarray
    tensors = {
        name: torch.tensor(change(value), requires_grad=True)
        for name, value in {"x": x, **layer.parameters()}.items()
    }
    if isinstance(layer, Conv2d):
        y = F.conv2d(**by_torch(tensors), stride=layer.stride, padding=layer.padding)
    else:
        y = F.avg_pool2d(tensors["x"], layer.kernel_size, layer.stride, layer.padding)
    y.backward(torch.tensor(change(dout)))
    gradients = {name: tensor.grad.numpy() for name, tensor in tensors.items()}
    return {"y": y.detach().numpy(), **gradients}


def by_torch(tensors):
    return {"input" if name == "x" else name: value for name, value in tensors.items()}


def check_torch(layer, x, dout):
    """Compare output and gradients with PyTorch's, name by name."""
    found, wanted = run(layer, x, dout), run_torch(layer, x, dout)
    sizes = run_torch(layer, x, dout, absolute=True)
    assert found.keys() == wanted.keys()
    tolerance = TOLERANCE[x.dtype.str[1:]]
    for name, value in found.items():
        assert value.shape == wanted[name].shape, name
        assert value.dtype == x.dtype, name
        bad = np.abs(value - wanted[name]) > tolerance * sizes[name]
        assert not bad.any(), f"{name}: {bad.sum()} of {bad.size} differ from PyTorch"


def slow(layer, x, dout):
    """Go window by window through padded images: a second route, without NumPy's."""
    (kh, kw), (sh, sw), (ph, pw) = layer.kernel_size, layer.stride, layer.padding
    n, c, h, w = x.shape
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw))
    padded[:, :, ph : ph + h, pw : pw + w] = x
    conv = isinstance(layer, Conv2d)
    weight = layer.weight if conv else np.eye(c)[:, :, None, None] / (kh * kw)
    weight = np.broadcast_to(weight, (*weight.shape[:2], kh, kw))
    y, dx, dw = np.zeros(dout.shape), np.zeros(padded.shape), np.zeros(weight.shape)
    for image, out, i, j in np.ndindex(dout.shape):
        window = np.s_[image, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
        d = dout[image, out, i, j]
        y[image, out, i, j] = np.sum(padded[window] * weight[out])
        dx[window] += d * weight[out]
        dw[out] += d * padded[window]
    found = {"y": y, "x": dx[:, :, ph : ph + h, pw : pw + w]}
    if conv:
        found["weight"] = dw
        if "bias" in layer.parameters():
            y += layer.bias[:, None, None]
            found["bias"] = [dout[:, o].sum() for o in range(dout.shape[1])]
    return found


def check_slow(layer, x, dout):
    found, wanted = run(layer, x, dout), slow(layer, x, dout)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        # float64: roundings of sums of some hundred products of size 1 to 10.
        np.testing.assert_allclose(
            found[name], value, rtol=1e-12, atol=1e-12, err_msg=name
        )


def check_differences(layer, x):
    """Compare the gradients with central differences."""
    given = {"x": x, **{k: v.copy() for k, v in layer.parameters().items()}}

    def forward(x, **parameters):
        for name, value in layer.parameters().items():
            value[...] = parameters[name]
        return layer(x)

    def backward(dout, **given):
        forward(**given)
        dx = layer.backward(dout)
        return [dx, *(layer.gradients()[name] for name in layer.parameters())]

    # Linear in each argument: the differences are exact but for rounding.
    errors = check_gradients(forward, backward, given, rtol=1e-7)
    assert list(errors) == list(given)


def check_adjoint(layer, x, dout):
    """The backward pass is the transpose: <f(x), dout> = <x, dx>, without a bias."""
    left, right = np.vdot(layer(x), dout), np.vdot(x, layer.backward(dout))
    size = np.linalg.norm(layer(x)) * np.linalg.norm(dout)
    # float64: roundings of sums, against the largest value the product could have.
    assert abs(left - right) <= 1e-13 * size + 1e-300


# the numbers


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_equals_pytorch(case, bias, dtype):
    check_torch(*convolution(case, dtype, bias))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pooling_equals_pytorch(case, dtype):
    check_torch(*pool(case, dtype))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_equals_a_slow_loop(case, bias):
    check_slow(*convolution(case, bias=bias))


@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pooling_equals_a_slow_loop(case):
    check_slow(*pool(case))


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_by_central_differences(case):
    check_differences(*convolution(case)[:2])


@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pooling_by_central_differences(case):
    check_differences(*pool(case)[:2])


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_backward_is_its_transpose(case):
    check_adjoint(*convolution(case, bias=False))


@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pooling_backward_is_its_transpose(case):
    check_adjoint(*pool(case))


@st.composite
def windows(draw_from, largest_padding):
    """Draw the shape of x, and a kernel, stride and padding that fit it."""

    def pair(low, high):
        return draw_from(st.integers(low, high)), draw_from(st.integers(low, high))

    kernel, stride = pair(1, 4), pair(1, 5)
    padding = tuple(draw_from(st.integers(0, largest_padding(k))) for k in kernel)
    size = [
        draw_from(st.integers(max(1, k - 2 * p), 9))
        for k, p in zip(kernel, padding, strict=True)
    ]
    n, c = draw_from(st.integers(0, 3)), draw_from(st.integers(1, 3))
    return (n, c, *size), kernel, stride, padding


@given(windows(lambda k: 3), st.integers(1, 4), st.booleans(), st.booleans())
def test_any_convolution_equals_pytorch(case, out, bias, double):
    shape, *sizes = case
    given = (shape, out, *sizes)
    check_torch(*convolution(given, "f8" if double else "f4", bias))
    check_adjoint(*convolution(given, bias=False))


@given(windows(lambda k: k // 2), st.booleans())
def test_any_pooling_equals_pytorch(case, double):
    check_torch(*pool(case, "f8" if double else "f4"))
    check_adjoint(*pool(case))


def test_convolution_by_hand():
    layer = Conv2d(1, 1, (1, 2))
    layer.load_state_dict({"weight": [[[[10.0, 1.0]]]], "bias": [0.5]})
    # Not flipped: the first weight meets the left pixel.
    y = layer(np.array([[[[1.0, 2.0, 3.0]]]]))
    assert y.tolist() == [[[[12.5, 23.5]]]]
    dx = layer.backward(np.array([[[[1.0, 100.0]]]]))
    assert dx.tolist() == [[[[10.0, 1001.0, 100.0]]]]
    assert layer.gradients()["weight"].tolist() == [[[[201.0, 302.0]]]]
    assert layer.gradients()["bias"].tolist() == [101.0]


def test_pooling_counts_the_zeros_of_the_padding():
    layer = AvgPool2d(2, padding=1)
    x = np.array([[[[4.0, 8.0], [12.0, 16.0]]]])
    assert layer(x).tolist() == [[[[1, 2], [3, 4]]]]
    dx = layer.backward(np.array([[[[4.0, 8.0], [16.0, 20.0]]]]))
    assert dx.tolist() == [[[[1, 2], [4, 5]]]]


def test_pixels_that_no_window_reaches_have_no_gradient():
    for layer in (fill(Conv2d(1, 2, 2, stride=3)), AvgPool2d(2, stride=3)):
        y = layer(1 + np.arange(49.0).reshape(1, 1, 7, 7))
        assert y.shape[2:] == (2, 2)
        dx = layer.backward(np.ones(y.shape))[0, 0]
        reached = np.isin(np.arange(7), (0, 1, 3, 4))
        assert (dx[np.ix_(~reached, np.arange(7))] == 0).all()
        assert (dx[np.ix_(np.arange(7), ~reached)] == 0).all()
        assert (dx[np.ix_(reached, reached)] != 0).all()


def test_a_convolution_of_one_pixel_is_a_linear_map():
    conv, linear = fill(Conv2d(3, 4, 1)), Linear(3, 4)
    state = conv.state_dict()
    linear.load_state_dict(state | {"weight": state["weight"][:, :, 0, 0]})
    x, dout = draw(conv, (2, 3, 5, 6), "f8")
    # float64: the roundings of sums of three or sixty products.
    tolerance = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(
        conv(x), np.moveaxis(linear(np.moveaxis(x, 1, -1)), -1, 1), **tolerance
    )
    dx = np.moveaxis(linear.backward(np.moveaxis(dout, 1, -1)), -1, 1)
    np.testing.assert_allclose(conv.backward(dout), dx, **tolerance)
    np.testing.assert_allclose(
        conv.gradients()["weight"][:, :, 0, 0],
        linear.gradients()["weight"],
        **tolerance,
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes_where_pytorch_sends_it(value):
    for layer in (fill(Conv2d(2, 3, (2, 3), padding=1)), AvgPool2d((2, 3), padding=1)):
        x, _ = draw(layer, (2, 2, 5, 6), "f8")
        x[1, 0, 2, 3] = value
        if isinstance(layer, Conv2d):
            wanted = F.conv2d(
                **{k: torch.tensor(v) for k, v in layer.parameters().items()},
                input=torch.tensor(x),
                padding=1,
            )
        else:
            wanted = F.avg_pool2d(torch.tensor(x), (2, 3), padding=1, stride=(2, 3))
        # float64: roundings of sums of twelve products.
        np.testing.assert_allclose(layer(x), wanted.numpy(), rtol=1e-12, atol=1e-12)


def test_float16_and_mixed_dtypes():
    x, dout = draw(AvgPool2d(2), (2, 3, 4, 6), "f2")
    layer = AvgPool2d(2)
    assert (layer(x).dtype, layer.backward(dout).dtype) == (np.float16, np.float16)
    # As with Linear, NumPy's promotion decides.
    conv = Conv2d(3, 4, 2, dtype="f4")
    assert conv(x).dtype == np.float32
    assert conv(x.astype("f8")).dtype == np.float64


def test_gradients_follow_the_last_batch():
    case = CONVOLUTIONS[2]
    for layer, x, dout in (convolution(case), pool(POOLS[2])):
        run(layer, *draw(layer, (5, *x.shape[1:3], 9), "f8", seed=3))
        again = run(layer, x, dout)
        for name, value in slow(layer, x, dout).items():
            # float64: as in check_slow.
            np.testing.assert_allclose(again[name], value, rtol=1e-12, atol=1e-12)


# Flatten


@pytest.mark.parametrize("shape", [(4, 3, 2, 5), (4, 3), (2, 3, 4), (0, 3, 2), (2, 0)])
def test_flatten_equals_pytorch(shape):
    rng = np.random.default_rng(0)
    for dtype in ("f8", "f4", "i8"):
        x = (10 * rng.standard_normal(shape)).astype(dtype)
        layer, wanted = Flatten(), torch.nn.Flatten()(torch.tensor(x)).numpy()
        y = layer(x)
        np.testing.assert_array_equal(y, wanted)
        assert (y.shape, y.dtype) == (wanted.shape, x.dtype)
        dout = rng.standard_normal(y.shape).astype(dtype)
        dx = layer.backward(dout)
        np.testing.assert_array_equal(dx, dout.reshape(shape))
        assert (dx.shape, dx.dtype) == (shape, x.dtype)


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_flatten_refuses_what_pytorch_refuses(shape):
    with pytest.raises(IndexError):
        torch.nn.Flatten()(torch.ones(3))
    with pytest.raises(ValueError, match=r"Flatten: expected .* two axes, got shape"):
        Flatten()(np.ones(shape))


# arguments and state


@pytest.mark.parametrize("name", ["Conv2d", "AvgPool2d"])
def test_arguments_and_defaults_are_those_of_pytorch(name):
    ours, theirs = (
        inspect.signature(kind.__init__).parameters
        for kind in (globals()[name], getattr(torch.nn, name))
    )
    for argument in ours:
        if argument in ("self", "dtype", "init", "generator"):
            continue
        assert ours[argument].default == theirs[argument].default, argument
    positional = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("bias", [True, False])
def test_state_travels_to_pytorch_and_back(bias, dtype):
    options = {"stride": (2, 1), "padding": (0, 2), "bias": bias}
    kind = oracle.TORCH[dtype]
    theirs = torch.nn.Conv2d(3, 4, (2, 3), dtype=kind, **options)
    ours = Conv2d(3, 4, (2, 3), dtype=dtype, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x, _ = draw(ours, (2, 3, 5, 6), dtype)
    # Sums of eighteen products of size 1, rounded to the dtype.
    tolerance = {"f8": 1e-13, "f4": 1e-5}[dtype]
    wanted = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(x), wanted, atol=tolerance, rtol=tolerance)
    fill(ours)
    state = ours.state_dict()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    again = Conv2d(3, 4, (2, 3), dtype=dtype, **options)
    again.load_state_dict(theirs.state_dict())
    for name, value in again.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
        assert value.dtype == np.dtype(dtype)


def test_initial_weights():
    for init, std in [
        ("he", np.sqrt(2 / 120)),
        ("xavier", np.sqrt(1 / 120)),
        (0.5, 0.5),
        (0.0, 0.0),
    ]:
        layer = Conv2d(20, 500, (2, 3), init=init)
        assert layer.weight.shape == (500, 20, 2, 3)
        # The deviation of 60,000 draws is known to 0.3 %; three times that.
        np.testing.assert_allclose(layer.weight.std(), std, rtol=0.01)
        assert (layer.bias == 0).all()
    one, same, other = (
        Conv2d(2, 3, 2, generator=np.random.default_rng(seed)).weight
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
    np.testing.assert_array_equal(Conv2d(2, 3, 2).weight, Conv2d(2, 3, 2).weight)
    assert list(Conv2d(2, 3, 2, bias=False).parameters()) == ["weight"]


def test_sizes_are_kept_as_pairs():
    layer = Conv2d(1, 1, np.int64(3), stride=[1, 2], padding=(np.int32(0), 1))
    assert layer.kernel_size == (3, 3)
    assert (layer.stride, layer.padding) == ((1, 2), (0, 1))
    assert AvgPool2d((2, 3)).stride == (2, 3)
    assert AvgPool2d(4, stride=1).stride == (1, 1)


# what is refused

WHOLE = "to be an integer or a pair of them, got"
REFUSED_SIZES = {
    "kernel of 0": ({"kernel_size": 0}, ValueError, "kernel_size of at least 1, got 0"),
    "negative kernel": ({"kernel_size": (2, -1)}, ValueError, "got (2, -1)"),
    "stride 0": ({"stride": 0}, ValueError, "stride of at least 1, got 0"),
    "stride 0 once": ({"stride": (2, 0)}, ValueError, "stride of at least 1"),
    "negative stride": ({"stride": -1}, ValueError, "stride of at least 1, got -1"),
    "negative padding": ({"padding": -1}, ValueError, "padding of at least 0, got -1"),
    "negative once": ({"padding": (1, -1)}, ValueError, "padding of at least 0"),
    "three": ({"stride": (1, 2, 3)}, TypeError, f"stride {WHOLE} (1, 2, 3)"),
    "one in a tuple": ({"padding": (1,)}, TypeError, f"padding {WHOLE} (1,)"),
    "a float": ({"kernel_size": 2.0}, TypeError, f"kernel_size {WHOLE} 2.0"),
    "a float in a pair": ({"stride": (1, 1.5)}, TypeError, f"stride {WHOLE} (1, 1.5)"),
    "a truth value": ({"padding": True}, TypeError, f"padding {WHOLE} True"),
    "another": ({"stride": (1, False)}, TypeError, f"stride {WHOLE} (1, False)"),
    "a word": ({"padding": "same"}, TypeError, f"padding {WHOLE} 'same'"),
    "nothing": ({"kernel_size": None}, TypeError, f"kernel_size {WHOLE} None"),
    "an array": ({"stride": np.ones(2, int)}, TypeError, f"stride {WHOLE} array"),
}


@pytest.mark.parametrize("kind", [Conv2d, AvgPool2d])
@pytest.mark.parametrize(
    ("sizes", "error", "message"), REFUSED_SIZES.values(), ids=REFUSED_SIZES
)
def test_bad_sizes_are_refused(kind, sizes, error, message):
    sizes = {"kernel_size": 2} | sizes
    first = {"in_channels": 3, "out_channels": 4} if kind is Conv2d else {}
    with pytest.raises(error) as caught:
        kind(**first, **sizes)
    assert str(caught.value).startswith(f"{kind.__name__}: expected ")
    assert message in str(caught.value)


def refuse_padding():
    for kernel, padding in [(3, 2), ((2, 3), (2, 0)), ((3, 2), (0, 2)), (1, 1)]:
        with pytest.raises(ValueError, match="AvgPool2d: .* at most half the kernel"):
            AvgPool2d(kernel, padding=padding)
        with pytest.raises(RuntimeError, match="at most half"):
            F.avg_pool2d(torch.ones(1, 1, 5, 5), kernel, padding=padding)


def test_pooling_refuses_padding_of_more_than_half_the_kernel():
    refuse_padding()
    AvgPool2d((4, 3), padding=(2, 1))


def test_convolution_refuses_other_arguments():
    for channels in [(0, 3), (3, 0), (-1, 2)]:
        with pytest.raises(ValueError, match="Conv2d: expected at least one channel"):
            Conv2d(*channels, 2)
    with pytest.raises(ValueError, match="Conv2d: expected init 'he'.*'lecun'"):
        Conv2d(2, 3, 2, init="lecun")
    with pytest.raises(TypeError, match="Conv2d: expected dtype float16, float32 or"):
        Conv2d(2, 3, 2, dtype=int)


# For a kernel of (3, 4), padded by (1, 0).
REFUSED_INPUT = {
    "no batch": (np.ones((2, 5, 6)), ValueError, "(N, C, H, W)", "(2, 5, 6)"),
    "rows": (np.ones((5, 6)), ValueError, "(N, C, H, W)", "(5, 6)"),
    "volumes": (np.ones((1, 2, 5, 6, 7)), ValueError, "(N, C, H, W)", "(1, 2, 5, 6"),
    "no height": (np.ones((1, 2, 0, 6)), ValueError, "one pixel", "(1, 2, 0, 6)"),
    "no width": (np.ones((1, 2, 5, 0)), ValueError, "one pixel", "(1, 2, 5, 0)"),
    "no channels": (np.ones((1, 0, 5, 6)), ValueError, "one channel", "(1, 0, 5, 6)"),
    "narrow": (np.ones((1, 2, 5, 3)), ValueError, "(7, 3) pixels", "(3, 4)"),
    "integers": (np.ones((1, 2, 5, 6), int), TypeError, "floating dtype", "int64"),
    "booleans": (np.ones((1, 2, 5, 6), bool), TypeError, "floating dtype", "bool"),
    "complex": (np.ones((1, 2, 5, 6), "c16"), TypeError, "floating", "complex128"),
}
LAYERS = {
    "Conv2d": lambda: fill(Conv2d(2, 3, (3, 4), padding=(1, 0))),
    "AvgPool2d": lambda: AvgPool2d((3, 4), padding=(1, 0)),
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize(
    ("x", "error", "wanted", "got"), REFUSED_INPUT.values(), ids=REFUSED_INPUT
)
def test_bad_input_is_refused_and_changes_nothing(make, x, error, wanted, got):
    layer = make()
    good, dout = draw(layer, (2, 2, 5, 6), "f8")
    before = run(layer, good, dout)
    with pytest.raises(error) as caught:
        layer(x)
    message = str(caught.value)
    assert message.startswith(f"{type(layer).__name__}: expected ")
    assert wanted in message and got in message
    np.testing.assert_array_equal(layer.backward(dout), before["x"])


def test_other_channels_are_refused():
    layer = Conv2d(3, 4, 2)
    for shape in [(5, 2, 6, 3), (5, 1, 6, 6), (5, 4, 4, 4)]:
        with pytest.raises(ValueError) as caught:
            layer(np.ones(shape))
        assert "Conv2d: expected 3 channels on axis 1" in str(caught.value)
        assert str(shape) in str(caught.value)


@pytest.mark.parametrize("make", [*LAYERS.values(), Flatten], ids=[*LAYERS, "Flatten"])
def test_backward_refuses(make):
    layer = make()
    name = type(layer).__name__
    with pytest.raises(RuntimeError, match=f"{name}: backward before forward"):
        layer.backward(np.ones((2, 3, 5, 3)))
    y = layer(np.ones((2, 2, 5, 6)))
    before = dict(layer.gradients())
    for shape in [
        (),
        (1,),
        (1, *y.shape[1:]),
        (*y.shape, 1),
        y.shape[1:],
        (2, 2, 5, 6),
    ]:
        with pytest.raises(ValueError) as caught:
            layer.backward(np.ones(shape))
        message = f"{name}.backward: expected dout of shape {y.shape}, got {shape}"
        assert str(caught.value) == message
    assert layer.gradients() == before


def test_arguments_are_neither_changed_nor_shared():
    for layer in (fill(Conv2d(2, 2, 1)), AvgPool2d(1), Flatten(), AvgPool2d(2)):
        x, _ = draw(AvgPool2d(1), (3, 2, 4, 5), "f8")
        dout = np.random.default_rng(1).standard_normal(layer(x).shape)
        for array in (x, dout):
            array.flags.writeable = False
        for result in (layer(x), layer.backward(dout)):
            assert result.flags.writeable and result.flags.c_contiguous
            assert not np.shares_memory(result, x)
            assert not np.shares_memory(result, dout)


def test_views_are_taken_as_they_are():
    layer = fill(Conv2d(3, 2, (2, 3), stride=(2, 1), padding=1))
    x, dout = draw(layer, (2, 3, 6, 7), "f8")
    wanted = run(layer, x, dout)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    found = run(layer, np.moveaxis(last, -1, 1), np.asfortranarray(dout))
    for name, value in found.items():
        # float64: BLAS may sum in another order.
        np.testing.assert_allclose(value, wanted[name], rtol=1e-12, atol=1e-12)


# a network


def network(dtype="f8", seed=0):
    """Two convolutions with norms, mean pooling and a linear map: 10 classes."""
    options = {"dtype": dtype, "generator": np.random.default_rng(seed)}
    return Sequential(
        Conv2d(1, 16, 3, padding=1, bias=False, **options),
        BatchNorm(16, dtype=dtype),
        ReLU(),
        Conv2d(16, 32, 3, stride=2, padding=1, bias=False, **options),
        BatchNorm(32, dtype=dtype),
        ReLU(),
        AvgPool2d(2),
        Flatten(),
        Linear(128, 10, init="xavier", **options),
    )


def torch_network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        torch.nn.BatchNorm2d(32),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 10),
    ).double()


def test_a_network_and_its_gradients_equal_those_of_pytorch():
    ours, theirs = network(), torch_network()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    rng = np.random.default_rng(4)
    x, dout = rng.random((7, 1, 8, 8)), rng.standard_normal((7, 10))
    tensor = torch.tensor(x, requires_grad=True)
    y = theirs(tensor)
    y.backward(torch.tensor(dout))
    # float64 through nine layers; values of size 1.
    tolerance = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(ours(x), y.detach().numpy(), **tolerance)
    np.testing.assert_allclose(ours.backward(dout), tensor.grad.numpy(), **tolerance)
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(
            ours.gradients()[name], parameter.grad.numpy(), err_msg=name, **tolerance
        )
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(value, theirs.state_dict()[name], **tolerance)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_a_network_learns_the_digits(dtype):
    digits = load_digits(images=True, dtype=dtype)
    net = network(dtype)
    train(
        net,
        SGD(net, lr=0.1),
        digits.x_train,
        digits.y_train,
        steps=150,
        batch_size=32,
        generator=np.random.default_rng(0),
    )
    # 0.90 to 0.95 for twelve seeds; chance is 0.1.
    assert accuracy(net, digits.x_test, digits.y_test) > 0.7
    assert net(digits.x_test).dtype == np.dtype(dtype)
    assert {g.dtype.str[1:] for g in net.gradients().values()} == {dtype}
    assert math.isfinite(sum(float(p.sum()) for p in net.parameters().values()))
