"""The layers of the family against torch.nn: arguments, state, modes, refusals."""

import inspect

import numpy as np
import pytest
import torch

from bnlearn import layers
from tests import family, oracle

PAIRS = {
    "LayerNorm": (layers.LayerNorm, torch.nn.LayerNorm),
    "RMSNorm": (layers.RMSNorm, torch.nn.RMSNorm),
    "GroupNorm": (layers.GroupNorm, torch.nn.GroupNorm),
    "InstanceNorm1d": (layers.InstanceNorm, torch.nn.InstanceNorm1d),
    "InstanceNorm2d": (layers.InstanceNorm, torch.nn.InstanceNorm2d),
    "InstanceNorm3d": (layers.InstanceNorm, torch.nn.InstanceNorm3d),
}
# name of the pair, shape of x, positional arguments, keyword arguments
CASES = [
    ("LayerNorm", (6, 5), (5,), {}),
    ("LayerNorm", (4, 3, 5), ((3, 5),), {}),
    ("LayerNorm", (4, 3, 5), ([3, 5], 1e-2), {}),
    ("LayerNorm", (4, 3, 5), (5, 1e-5, False), {}),
    ("LayerNorm", (4, 3, 5), (5, 1e-5, True, False), {}),
    ("LayerNorm", (4, 3, 5), (5,), {"bias": False}),
    ("LayerNorm", (5,), (5,), {"elementwise_affine": False, "bias": False}),
    ("RMSNorm", (6, 5), (5,), {}),
    ("RMSNorm", (4, 3, 5), ((3, 5), 1e-3), {}),
    ("RMSNorm", (4, 3, 5), (5, None, False), {}),
    ("RMSNorm", (4, 3, 5), ((4, 3, 5),), {"eps": 0.5}),
    ("GroupNorm", (6, 4), (2, 4), {}),
    ("GroupNorm", (3, 6, 4, 2), (3, 6, 1e-2), {}),
    ("GroupNorm", (3, 6, 4), (6, 6, 1e-5, False), {}),
    ("GroupNorm", (3, 6, 4), (1, 6), {"bias": False}),
    ("InstanceNorm1d", (4, 3, 6), (3,), {}),
    ("InstanceNorm2d", (4, 3, 2, 5), (3, 1e-2, 0.3, True), {}),
    ("InstanceNorm3d", (2, 3, 2, 5, 3), (3,), {"affine": True, "bias": False}),
    ("InstanceNorm1d", (4, 3, 6), (3,), {"track_running_stats": True}),
    ("InstanceNorm1d", (4, 3, 2), (3, 1e-5, 0.4, True, True), {}),
    ("InstanceNorm2d", (4, 3, 2, 5), (3, 1e-5, None, True, True), {}),
    ("InstanceNorm2d", (1, 3, 2, 5), (3, 1e-5, 1.0, False, True), {}),
    ("InstanceNorm3d", (2, 3, 2, 2, 2), (3, 1e-5, 0.0, True, True), {}),
]


def make_pair(name, args, kwargs, dtype="f8"):
    """Make the same layer twice, with distinct parameters; ours gets PyTorch's state."""
    ours, theirs = PAIRS[name]
    ours = ours(*args, **kwargs, dtype=dtype)
    theirs = theirs(*args, **kwargs, dtype=oracle.TORCH[dtype])
    rng = np.random.default_rng(7)
    for parameter in theirs.parameters():
        shape = tuple(parameter.shape)
        value = rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)
        parameter.data[...] = torch.tensor(value)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs


def draw(name, shape, args, dtype, seed):
    """Draw x and dout as for the functions."""
    kind = name.removesuffix("1d").removesuffix("2d").removesuffix("3d")
    kind = kind.removesuffix("Norm").lower()
    option = args[0] if kind != "instance" else None
    if kind in family.TRAILING:
        option = (option,) if isinstance(option, int) else tuple(option)
    problem = family.draw(kind, shape, option, dtype, seed)
    return problem.x, problem.dout


def assert_same_state(ours, theirs, rtol=1e-12):
    state, wanted = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(wanted)
    for key, value in state.items():
        other = wanted[key].numpy()
        np.testing.assert_allclose(value, other, rtol=rtol, atol=rtol, err_msg=key)
        assert (value.dtype, value.shape) == (other.dtype, other.shape), key


def follow(name, shape, args, kwargs, dtype="f8"):
    """Compare values, gradients and states through training and evaluation."""
    ours, theirs = make_pair(name, args, kwargs, dtype)
    # float32: PyTorch's own roundings are in the comparison; its layer norm loses up
    # to 1e-3 where the mean is two deviations and eps counts.
    rtol, atol = {"f8": (1e-11, 1e-12), "f4": (1e-3, 2e-4)}[dtype]

    def compare(what, a, b):
        oracle.assert_like_tensor(what, a, b, rtol, atol)

    for seed, training in enumerate([True, True, True, False, True, False, False]):
        ours.train(training)
        theirs.train(training)
        x, dout = draw(name, shape, args, dtype, seed)
        tensor = torch.tensor(x, requires_grad=True)
        theirs.zero_grad()
        y = theirs(tensor)
        y.backward(torch.tensor(dout))
        compare("y", ours(x), y)
        compare("dx", ours.backward(dout), tensor.grad)
        assert ours.gradients().keys() == dict(theirs.named_parameters()).keys()
        for key, gradient in ours.gradients().items():
            compare(f"gradient of {key}", gradient, getattr(theirs, key).grad)
        assert_same_state(ours, theirs, rtol)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer_follows_pytorch(case, dtype):
    follow(*case, dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_state_dict_goes_both_ways(case):
    name, shape, args, kwargs = case
    ours, theirs = make_pair(name, args, kwargs)
    assert_same_state(ours, theirs)
    x, _ = draw(name, shape, args, "f8", 0)
    ours(x)  # running statistics, if there are any, move away from those of PyTorch
    fresh = PAIRS[name][1](*args, **kwargs, dtype=torch.float64)
    fresh.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    assert_same_state(ours, fresh)
    for layer in (ours, fresh):
        layer.eval()
    # float64 on both sides, values of size 1 to 10.
    wanted = fresh(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(x), wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", PAIRS)
def test_arguments_are_those_of_pytorch(name):
    ours, theirs = (inspect.signature(cls).parameters for cls in PAIRS[name])
    assert [n for n in ours if n != "dtype"] == [
        n for n in theirs if n not in ("device", "dtype")
    ]
    for key, parameter in ours.items():
        if key != "dtype":  # NumPy's default is float64, PyTorch's float32
            assert parameter.default == theirs[key].default, key
            assert parameter.kind == theirs[key].kind, key


@pytest.mark.parametrize("case", CASES, ids=str)
def test_attributes_are_those_of_pytorch(case):
    name, _, args, kwargs = case
    ours, theirs = make_pair(name, args, kwargs)
    for key in inspect.signature(PAIRS[name][0]).parameters:
        if hasattr(ours, key) and hasattr(theirs, key) and key != "bias":
            assert getattr(ours, key) == getattr(theirs, key), key
    assert hasattr(ours, "eps") and type(ours).__name__.startswith(name[:5])


def test_initial_values():
    for layer in (
        layers.LayerNorm((2, 3)),
        layers.GroupNorm(2, 6),
        layers.InstanceNorm(6, affine=True, track_running_stats=True),
    ):
        state = layer.state_dict()
        for key, value in (("weight", 1), ("bias", 0)):
            assert (state[key] == value).all() and state[key].size == 6
    assert (state["running_mean"] == 0).all() and (state["running_var"] == 1).all()
    assert state["num_batches_tracked"] == 0
    assert list(layers.RMSNorm(4).state_dict()) == ["weight"]
    assert list(layers.InstanceNorm(4).state_dict()) == []


def test_running_statistics_of_instance_norm_by_hand():
    layer = layers.InstanceNorm(1, momentum=0.5, track_running_stats=True)
    x = np.array([[[0.0, 6.0, 6.0, 8.0]], [[1.0, 1.0, 3.0, 3.0]]])
    layer(x)
    # means 5 and 2; variances 9 and 1 biased, 12 and 4/3 unbiased. Some roundings.
    np.testing.assert_allclose(layer.running_mean, 0.5 * 3.5, rtol=1e-15)
    np.testing.assert_allclose(layer.running_var, 0.5 + 0.5 * (20 / 3), rtol=1e-15)
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0)], ids=str)
def test_empty_batch_teaches_instance_norm_nothing(shape):
    layer = layers.InstanceNorm(3, affine=True, track_running_stats=True)
    layer(family.draw("instance", (4, 3, 5), None).x)
    before = layer.state_dict()
    assert layer(np.empty(shape)).shape == shape
    assert layer.backward(np.empty(shape)).shape == shape
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    for gradient in layer.gradients().values():
        np.testing.assert_array_equal(gradient, np.zeros(3))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_evaluation_changes_nothing(case):
    name, shape, args, kwargs = case
    layer, _ = make_pair(name, args, kwargs)
    layer(draw(name, shape, args, "f8", 0)[0])
    before = layer.state_dict()
    layer.eval()
    x, dout = draw(name, shape, args, "f8", 1)
    layer(x)
    layer.backward(dout)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


def make(name, **options):
    """Make a layer for x of shape (5, 6, 4), or (5, 6, 4, 2)."""
    layer = {
        "LayerNorm": lambda **o: layers.LayerNorm((6, 4), **o),
        "RMSNorm": lambda **o: layers.RMSNorm((6, 4), **o),
        "GroupNorm": lambda **o: layers.GroupNorm(3, 6, **o),
        "InstanceNorm": lambda **o: layers.InstanceNorm(
            6, affine=True, track_running_stats=True, **o
        ),
    }[name]
    return layer(**options)


GOOD = (5, 6, 4)
ALL = ("LayerNorm", "RMSNorm", "GroupNorm", "InstanceNorm")
BAD_SHAPES = {
    "LayerNorm": [(5, 4, 6), (5, 6, 4, 1), (4,), (), (5, 24)],
    "RMSNorm": [(5, 4, 6), (5, 6, 4, 1), (4,), (), (5, 24)],
    "GroupNorm": [(6,), (), (5, 4, 6), (5, 3, 8)],
    "InstanceNorm": [(6,), (5, 6), (5, 6, 1), (5, 6, 1, 1), (5, 4, 6), ()],
}
BAD = [
    *((name, np.ones(shape)) for name in ALL for shape in BAD_SHAPES[name]),
    *((name, np.ones(GOOD, int)) for name in ALL),
    *((name, np.ones(GOOD, bool)) for name in ALL),
    *((name, np.ones(GOOD, complex)) for name in ALL),
]


@pytest.mark.parametrize(
    ("name", "x"), BAD, ids=lambda v: v if isinstance(v, str) else f"{v.shape}{v.dtype}"
)
def test_refused_batch_leaves_the_layer_as_it_was(name, x):
    layer = make(name)
    good, dout = np.random.default_rng(0).standard_normal((2, *GOOD))
    layer(good)
    before, dx = layer.state_dict(), layer.backward(dout)
    error = ValueError if x.dtype == np.float64 else TypeError
    with pytest.raises(error, match=r"^\w+: expected .* got ") as caught:
        layer(x)
    shown = str(x.shape) if error is ValueError else str(x.dtype)
    assert shown in str(caught.value)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)
    # What was kept for the backward pass is untouched too.
    np.testing.assert_array_equal(layer.backward(dout), dx)


@pytest.mark.parametrize("name", ALL)
def test_backward_refuses_a_wrong_shape_and_comes_after_forward(name):
    layer = make(name)
    with pytest.raises(RuntimeError, match=f"{name}: backward before forward"):
        layer.backward(np.ones(GOOD))
    layer(np.random.default_rng(0).standard_normal(GOOD))
    for shape in [(6, 5, 4), (1, 6, 4), (6, 4), (), (5, 6, 1), (5, 6, 4, 1)]:
        with pytest.raises(ValueError, match=r"expected dout of shape \(5, 6, 4\)"):
            layer.backward(np.ones(shape))
    with pytest.raises(TypeError, match="dout of dtype"):
        layer.backward(np.ones(GOOD, int))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: layers.LayerNorm(()), ValueError, "LayerNorm: expected normalized_sh"),
        (lambda: layers.LayerNorm(-1), ValueError, "none negative, got -1"),
        (lambda: layers.LayerNorm(4.0), TypeError, "sequence of integers, got 4.0"),
        (lambda: layers.LayerNorm("4"), TypeError, "got '4'"),
        (lambda: layers.LayerNorm(True), TypeError, "got True"),
        (lambda: layers.LayerNorm((4, 2.0)), TypeError, r"got \(4, 2.0\)"),
        (lambda: layers.RMSNorm([]), ValueError, "RMSNorm: expected normalized_shape"),
        (lambda: layers.RMSNorm(None), TypeError, "RMSNorm: .* got None"),
        (lambda: layers.RMSNorm(4, 0.0), ValueError, "RMSNorm: expected eps > 0"),
        (lambda: layers.RMSNorm(4, "a"), TypeError, "RMSNorm: expected eps .* got 'a'"),
        (lambda: layers.LayerNorm(4, None), TypeError, "LayerNorm: .*eps.* got None"),
        (lambda: layers.LayerNorm(4, -1.0), ValueError, "LayerNorm: .* got -1.0"),
        (lambda: layers.GroupNorm(4, 6), ValueError, "divide the 6 channels, got 4"),
        (lambda: layers.GroupNorm(0, 6), ValueError, "GroupNorm: .* got 0"),
        (lambda: layers.GroupNorm(-2, 6), ValueError, "GroupNorm: .* got -2"),
        (lambda: layers.GroupNorm(2.0, 6), TypeError, "GroupNorm: .*integer, got 2.0"),
        (lambda: layers.GroupNorm(True, 6), TypeError, "GroupNorm: .* got True"),
        (lambda: layers.GroupNorm(2, 6, 0), ValueError, "GroupNorm: .* eps > 0, got 0"),
        (lambda: layers.InstanceNorm(3, -1), ValueError, "InstanceNorm: expected eps"),
        *(
            (lambda name=name: make(name, dtype=int), TypeError, f"{name}: .*int64")
            for name in ALL
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("ours", "theirs", "shape"),
    [
        (
            lambda: layers.GroupNorm(2, 4, affine=False, dtype="f4"),
            lambda: torch.nn.GroupNorm(2, 4, affine=False),
            (3, 6, 5),
        ),
        (
            lambda: layers.InstanceNorm(4, dtype="f4"),
            lambda: torch.nn.InstanceNorm1d(4),
            (3, 6, 5),
        ),
        (
            lambda: layers.BatchNorm(
                4, affine=False, track_running_stats=False, dtype="f4"
            ),
            lambda: torch.nn.BatchNorm1d(4, affine=False, track_running_stats=False),
            (3, 6, 5),
        ),
    ],
    ids=["GroupNorm", "InstanceNorm", "BatchNorm"],
)
@pytest.mark.filterwarnings("ignore:input's size")
def test_a_layer_without_arrays_takes_any_channels_as_in_pytorch(ours, theirs, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype("f4")
    wanted = theirs()(torch.tensor(x)).numpy()
    # float32 on both sides, values of size 1.
    np.testing.assert_allclose(ours()(x), wanted, atol=1e-5)


def test_layers_change_no_argument_and_give_new_arrays():
    x, dout = np.random.default_rng(0).standard_normal((2, *GOOD))
    for array in (x, dout):
        array.flags.writeable = False
    for name in ALL:
        layer = make(name)
        for result in (layer(x), layer.backward(dout)):
            assert not np.shares_memory(result, x)
            assert not np.shares_memory(result, dout)


def test_layers_work_in_networks():
    rng = np.random.default_rng(0)
    net = layers.mlp((5, 6, 4, 3), norm=lambda n: layers.GroupNorm(2, n))
    assert [type(layer).__name__ for layer in net.layers[:3]] == [
        "Linear",
        "GroupNorm",
        "ReLU",
    ]
    images = layers.Sequential(
        layers.Conv2d(2, 6, 3),
        layers.InstanceNorm(6, affine=True),
        layers.GroupNorm(3, 6),
        layers.LayerNorm((6, 4, 4)),
        layers.RMSNorm(4),
    )
    for model, shape in ((net, (7, 5)), (images, (3, 2, 6, 6))):
        y = model(rng.standard_normal(shape))
        assert model.backward(rng.standard_normal(y.shape)).shape == shape
        assert model.gradients().keys() == model.parameters().keys()
