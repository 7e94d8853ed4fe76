"""Layers: PyTorch's arguments, state and behaviour; what is refused leaves no trace."""

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest
import torch

from bnlearn import batch_norm_forward, layers
from bnlearn.layers import (
    BatchNorm,
    Dropout,
    Layer,
    Linear,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    cross_entropy,
    mean_squared_error,
    mlp,
)
from tests import oracle

OPTIONS = {
    "default": {},
    "momentum 0": {"momentum": 0.0},
    "momentum 1": {"momentum": 1.0},
    "momentum 0.3": {"momentum": 0.3},
    "cumulative": {"momentum": None},
    "not tracked": {"track_running_stats": False},
    "not affine": {"affine": False},
    "no bias": {"bias": False},
    "neither": {"affine": False, "track_running_stats": False},
    "large eps": {"eps": 0.1},
    "cumulative, no bias": {"momentum": None, "bias": False},
}
SHAPES = [
    (8, 5),
    (2, 3),
    (7, 1),
    (4, 3, 5),
    (1, 3, 4),
    (2, 4, 1),
    (3, 2, 4, 5),
    (1, 2, 2, 1),
    (2, 5, 3, 1, 2),
]


# batch norm: against torch.nn


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_follows_pytorch(shape, options):
    oracle.check_layer(shape, **options)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("shape", [(9, 5), (4, 3, 5), (3, 2, 4, 5)], ids=str)
def test_batch_norm_follows_pytorch_in_float32(shape, options):
    oracle.check_layer(shape, "f4", **options)


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None], ids=str)
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (2, 3, 0)], ids=str)
def test_empty_batch_counts_and_teaches_nothing_as_in_pytorch(shape, momentum):
    ours, theirs = oracle.make_pair(3, momentum=momentum)
    for batch in (shape, (5, 3), shape, (4, 3), shape):
        x, *_, dout = oracle.draw(batch)
        tensor = torch.tensor(x, requires_grad=True)
        theirs.zero_grad()
        theirs(tensor).backward(torch.tensor(dout))
        assert ours(x).shape == batch
        assert ours.backward(dout).shape == batch
        for name, value in ours.gradients().items():
            # float64 on both sides; values up to some hundred.
            np.testing.assert_allclose(
                value, getattr(theirs, name).grad.numpy(), atol=1e-9
            )
        for name, value in ours.state_dict().items():
            np.testing.assert_allclose(
                value, theirs.state_dict()[name].numpy(), rtol=1e-12, err_msg=name
            )


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0, None], ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_input_reaches_the_running_statistics(value, momentum):
    for dtype in ("f8", "f4"):
        ours, theirs = oracle.make_pair(3, dtype, momentum=momentum)
        for row in (2, 0):
            x, *_ = oracle.draw((6, 3), dtype)
            x[row, 1] = value
            # 1e-4: PyTorch's own float32 sums are in the comparison.
            np.testing.assert_allclose(
                ours(x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-4
            )
            for name, buffer in ours.state_dict().items():
                np.testing.assert_allclose(
                    buffer, theirs.state_dict()[name].numpy(), rtol=1e-4, err_msg=name
                )


def test_running_statistics_by_hand():
    layer = BatchNorm(1)
    layer(np.array([[0.0], [6.0], [6.0], [8.0]]))
    # mean 5; variance 9 biased, 12 unbiased. One rounding each.
    np.testing.assert_allclose(layer.running_mean, 0.1 * 5, rtol=1e-15)
    np.testing.assert_allclose(layer.running_var, 0.9 + 0.1 * 12, rtol=1e-15)
    assert layer.num_batches_tracked == 1
    # The batch itself is normalised by the biased variance.
    y = BatchNorm(1, eps=1e-300)(np.array([[0.0], [6.0], [6.0], [8.0]]))
    np.testing.assert_allclose(y[:, 0], [-5 / 3, 1 / 3, 1 / 3, 1], rtol=1e-14)


def test_evaluation_changes_nothing():
    for options in OPTIONS.values():
        layer = BatchNorm(3, **options)
        layer(oracle.draw((6, 3))[0])
        before = layer.state_dict()
        layer.eval()
        x, *_, dout = oracle.draw((6, 3), seed=1)
        layer(x)
        layer.backward(dout)
        for name, value in layer.state_dict().items():
            np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_backward_goes_through_the_forward_pass_that_ran_last():
    x, *_, dout = oracle.draw((6, 3))
    layer = BatchNorm(3)
    layer(x)
    in_training = layer.backward(dout)
    layer(x)
    layer.eval()  # the mode of the forward pass counts, as in PyTorch
    np.testing.assert_array_equal(layer.backward(dout), in_training)
    layer(x)
    layer.train()
    in_evaluation = layer.backward(dout)
    assert np.abs(in_evaluation - in_training).max() > 0.01
    # Constants: dx is dout divided by the running deviation. Some roundings.
    wanted = dout * layer.weight / np.sqrt(layer.running_var + layer.eps)
    np.testing.assert_allclose(in_evaluation, wanted, rtol=1e-12)


def test_arguments_and_defaults_are_those_of_pytorch():
    theirs = inspect.signature(torch.nn.BatchNorm1d.__init__).parameters
    ours = inspect.signature(BatchNorm.__init__).parameters
    for name in ours:
        if name in ("self", "dtype"):
            continue
        assert ours[name].default == theirs[name].default, name
    positional = [
        [n for n, p in given.items() if p.kind is p.POSITIONAL_OR_KEYWORD][:6]
        for given in (ours, theirs)
    ]
    assert positional[0] == positional[1]


def refuse(call, error, *parts):
    with pytest.raises(error) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


REFUSED = {
    "1-D": (np.ones(3), ValueError, "expected x of shape (N, C)"),
    "other channels": (np.ones((5, 4)), ValueError, "BatchNorm: expected 3 channels"),
    "channels last": (np.ones((5, 2, 3)), ValueError, "got x of shape (5, 2, 3)"),
    "one value": (np.ones((1, 3)), ValueError, "more than 1 value per channel"),
    "integers": (np.ones((5, 3), int), TypeError, "got int64"),
}


@pytest.mark.parametrize(("x", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_batch_leaves_the_layer_as_it_was(x, error, message):
    for momentum in (0.1, None):
        layer = BatchNorm(3, momentum=momentum)
        good, *_, dout = oracle.draw((6, 3))
        layer(good)
        before, dx = layer.state_dict(), layer.backward(dout)
        refuse(lambda layer=layer: layer(x), error, message)
        for name, value in layer.state_dict().items():
            np.testing.assert_array_equal(value, before[name])
        # What was kept for the backward pass is untouched too.
        np.testing.assert_array_equal(layer.backward(dout), dx)


def test_evaluation_refuses_as_well():
    layer = BatchNorm(3).eval()
    for name in ("1-D", "other channels", "channels last", "integers"):
        x, error, message = REFUSED[name]
        refuse(lambda x=x: layer(x), error, message.replace("forward", "inference"))
    assert layer(np.ones((1, 3))).shape == (1, 3)
    layer.running_var[1] = -1
    refuse(lambda: layer(np.ones((5, 3))), ValueError, "running_var", "-1")


def test_untracked_layer_refuses_one_value_even_in_evaluation():
    layer = BatchNorm(3, track_running_stats=False).eval()
    refuse(lambda: layer(np.ones((1, 3))), ValueError, "more than 1 value")


@pytest.mark.parametrize("eps", [0, -1e-5, float("nan")])
def test_eps_must_be_positive(eps):
    refuse(lambda: BatchNorm(3, eps=eps), ValueError, "BatchNorm: expected eps > 0")


# the other layers, and the losses


def check_against_torch(ours, theirs, x, dout):
    """Compare output and gradients of two layers that hold the same numbers."""
    tensor = torch.tensor(x, requires_grad=True)
    y = theirs(tensor)
    y.backward(torch.tensor(dout))
    # float64 on both sides, values of size 1 to 10.
    tolerance = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(ours(x), y.detach().numpy(), **tolerance)
    np.testing.assert_allclose(ours.backward(dout), tensor.grad.numpy(), **tolerance)
    for name, gradient in ours.gradients().items():
        wanted = dict(theirs.named_parameters())[name].grad.numpy()
        np.testing.assert_allclose(gradient, wanted, err_msg=name, **tolerance)
        assert gradient.dtype == wanted.dtype


@pytest.mark.parametrize("shape", [(4,), (1, 4), (5, 4), (0, 4), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_linear_equals_pytorch(shape, bias):
    rng = np.random.default_rng(2)
    ours = Linear(4, 3, bias)
    theirs = torch.nn.Linear(4, 3, bias, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    dout = rng.standard_normal((*shape[:-1], 3))
    check_against_torch(ours, theirs, rng.standard_normal(shape), dout)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ReLU(), torch.nn.ReLU()),
        (Sigmoid(), torch.nn.Sigmoid()),
        (Tanh(), torch.nn.Tanh()),
    ],
    ids=["ReLU", "Sigmoid", "Tanh"],
)
def test_activations_equal_pytorch(ours, theirs):
    rng = np.random.default_rng(2)
    x, dout = 3 * rng.standard_normal((2, 5, 4, 3))
    x.flat[:4] = [0.0, -0.0, 800.0, -800.0]
    check_against_torch(ours, theirs, x, dout)
    assert ours(x.astype("f4")).dtype == np.float32
    assert ours.backward(dout.astype("f4")).dtype == np.float32
    not_finite = np.array([np.nan, np.inf, -np.inf])
    wanted = theirs(torch.tensor(not_finite)).numpy()
    np.testing.assert_array_equal(ours(not_finite), wanted)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("p", [0.0, 0.25, 0.8])
def test_dropout(p, dtype):
    rng = np.random.default_rng(3)
    x = rng.uniform(1, 2, (200, 7, 30)).astype(dtype)
    dout = rng.standard_normal(x.shape).astype(dtype)
    layer = Dropout(p, generator=np.random.default_rng(4))
    y, dx = layer(x), layer.backward(dout)
    kept = y != 0
    # 42,000 coins: one standard deviation of the share is 0.0024 at most.
    np.testing.assert_allclose(kept.mean(), 1 - p, atol=0.01)
    rtol = 1e-6 if dtype == "f4" else 1e-14  # one rounded factor
    np.testing.assert_allclose(y[kept], x[kept] / (1 - p), rtol=rtol)
    np.testing.assert_allclose(dx, np.where(kept, dout / (1 - p), 0), rtol=rtol)
    assert y.dtype == dx.dtype == dtype
    assert p == 0 or (layer(x) != y).any()  # other coins each time
    # The factor of what is kept is PyTorch's; its coins are others.
    theirs = torch.nn.functional.dropout(torch.tensor(x), p).numpy()
    ratio = theirs[theirs != 0] / x[theirs != 0]
    np.testing.assert_allclose(ratio, 1 / (1 - p), rtol=1e-6)
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer.backward(dout), dout)


def test_dropout_takes_its_coins_from_its_generator_and_refuses():
    x = np.ones((20, 5))
    first, second = (
        Dropout(0.5, generator=np.random.default_rng(seed)) for seed in (1, 1)
    )
    np.testing.assert_array_equal(first(x), second(x))
    np.testing.assert_array_equal(copy.deepcopy(first)(x), first(x))
    for p in (-0.1, 1.0, 2, np.nan):
        refuse(lambda p=p: Dropout(p), ValueError, "p in [0, 1)")
    refuse(lambda: Dropout()(np.ones((2, 3), int)), TypeError, "floating")


def test_losses_equal_pytorch():
    rng = np.random.default_rng(4)
    for scale in (0.1, 5.0, 1000.0):
        logits, labels = scale * rng.standard_normal((7, 5)), rng.integers(0, 5, 7)
        tensor = torch.tensor(logits, requires_grad=True)
        wanted = torch.nn.functional.cross_entropy(tensor, torch.tensor(labels))
        wanted.backward()
        loss, gradient = cross_entropy(logits, labels)
        # float64; logits of 1000 lose three digits.
        np.testing.assert_allclose(loss, wanted.item(), rtol=1e-12)
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), atol=1e-12)
        target = rng.standard_normal((7, 5))
        tensor = torch.tensor(logits, requires_grad=True)
        wanted = torch.nn.functional.mse_loss(tensor, torch.tensor(target))
        wanted.backward()
        loss, gradient = mean_squared_error(logits, target)
        np.testing.assert_allclose(loss, wanted.item(), rtol=1e-12)
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "error", "parts"),
    [
        (np.array([0, 1]), ValueError, ["labels (N,)", "(3, 4) and (2,)"]),
        (np.zeros((3, 1), int), ValueError, ["(3, 4) and (3, 1)"]),
        # -1 would be a valid index, of the last class.
        (np.array([0, -1, 2]), ValueError, ["labels from 0 to 3", "-1"]),
        (np.array([0, 4, 2]), ValueError, ["labels from 0 to 3", "4"]),
        (np.array([0.0, 1.0, 2.0]), TypeError, ["integer labels", "float64"]),
        (np.array([True, False, True]), TypeError, ["integer labels", "bool"]),
    ],
    ids=str,
)
def test_cross_entropy_refuses(labels, error, parts):
    logits = np.ones((3, 4))
    refuse(lambda: cross_entropy(logits, labels), error, "cross_entropy: ", *parts)


def test_losses_refuse_shapes():
    refuse(
        lambda: cross_entropy(np.ones(3), np.array([1, 2, 0])),
        ValueError,
        "cross_entropy: expected logits (N, K)",
        "(3,) and (3,)",
    )
    refuse(
        lambda: mean_squared_error(np.ones((3, 1)), np.ones(3)),
        ValueError,
        "mean_squared_error: expected one shape, got (3, 1) and (3,)",
    )


def test_losses_and_layers_change_no_argument():
    rng = np.random.default_rng(0)
    x, dout = rng.standard_normal((2, 5, 4))
    labels = np.array([0, 3, 1, 2, 2])
    for array in (x, dout, labels):
        array.flags.writeable = False
    everything = Linear(4, 4), ReLU(), Sigmoid(), Tanh(), BatchNorm(4), Dropout()
    for layer in (*everything, Dropout().eval()):
        for result in (layer(x), layer.backward(dout)):
            assert not np.shares_memory(result, x)
            assert not np.shares_memory(result, dout)
    cross_entropy(x, labels)
    mean_squared_error(x, dout)


@pytest.mark.parametrize(
    "layer",
    [
        Linear(4, 3),
        Linear(4, 3, bias=False),
        ReLU(),
        Sigmoid(),
        Tanh(),
        BatchNorm(4),
        Dropout(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_backward_refuses_a_wrong_shape(layer):
    # Several of these would broadcast, and give numbers that mean nothing.
    y = layer(np.ones((5, 4)) + np.arange(5.0)[:, np.newaxis])
    for shape in [(4, 5), (1, y.shape[1]), (y.shape[1],), (), (5, 1), (5, 1, 4)]:
        refuse(
            lambda shape=shape: layer.backward(np.ones(shape)),
            ValueError,
            f"expected dout of shape {y.shape}, got {shape}",
        )


@pytest.mark.parametrize(
    "layer",
    [
        Linear(4, 3),
        ReLU(),
        Sigmoid(),
        Tanh(),
        BatchNorm(4),
        Dropout(),
        Sequential(Linear(4, 4), ReLU()),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_backward_before_forward_says_so(layer):
    with pytest.raises(RuntimeError, match=r"\w+: backward before forward"):
        layer.backward(np.ones((5, 4)))


def test_linear_refuses():
    layer = Linear(4, 3)
    for shape in [(5, 3), (3,), (), (4, 5)]:
        refuse(
            lambda shape=shape: layer(np.ones(shape)),
            ValueError,
            f"Linear: expected a last axis of 4, got x of shape {shape}",
        )
    refuse(
        lambda: layer(np.ones((5, 4), int)), TypeError, "Linear: expected x", "int64"
    )
    refuse(lambda: Linear(4, 3, init="lecun"), ValueError, "'he'", "'lecun'")


def test_initial_weights():
    for init, std in [("he", 0.1), ("xavier", np.sqrt(1 / 200)), (0.5, 0.5), (0.0, 0)]:
        layer = Linear(200, 300, init=init)
        # The deviation of 60,000 draws is known to 0.3 %; three times that.
        np.testing.assert_allclose(layer.weight.std(), std, rtol=0.01)
        assert (layer.bias == 0).all()
    one, two = (
        Linear(5, 3, generator=np.random.default_rng(seed)).weight for seed in (1, 2)
    )
    assert (one != two).all()
    np.testing.assert_array_equal(
        Linear(5, 3, generator=np.random.default_rng(1)).weight, one
    )


def test_dtypes_of_layers():
    net = Sequential(Linear(4, 3, dtype="f4"), BatchNorm(3, dtype="f4"), Tanh())
    x = np.random.default_rng(0).standard_normal((5, 4)).astype("f4")
    for mode in (True, False):
        net.train(mode)
        assert net(x).dtype == np.float32
        assert net.backward(net(x)).dtype == np.float32
        assert {g.dtype.name for g in net.gradients().values()} == {"float32"}
    kinds = {k: v.dtype.name for k, v in net.state_dict().items()}
    assert kinds.pop("1.num_batches_tracked") == "int64"
    assert set(kinds.values()) == {"float32"}


# Sequential, modes, names


def test_mlp():
    rng = [np.random.default_rng(3) for _ in range(2)]
    plain, normed = (
        mlp((6, 5, 4, 3), norm=norm, generator=g)
        for norm, g in zip((False, True), rng, strict=True)
    )
    kinds = [[type(layer).__name__ for layer in net.layers] for net in (plain, normed)]
    assert kinds[0] == ["Linear", "ReLU"] * 2 + ["Linear"]
    assert kinds[1] == ["Linear", "BatchNorm", "ReLU"] * 2 + ["Linear"]
    for i, j in [(0, 0), (2, 3), (4, 6)]:
        np.testing.assert_array_equal(plain[i].weight, normed[j].weight)
    assert "0.bias" in plain.parameters() and "0.bias" not in normed.parameters()
    assert "6.bias" in normed.parameters()
    assert isinstance(mlp((3, 2, 2), norm=False, activation=Tanh)[1], Tanh)
    assert len(mlp((3, 2), norm=True).layers) == 1


class ChannelScale(Layer):
    """Stands for any norm that is not ours."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize("sizes", [(6, 5, 4, 3), (6, 5, 3), (6, 3)], ids=str)
def test_mlp_takes_a_maker_of_norms(sizes):
    asked = []

    def norm(count):
        asked.append(count)
        return ChannelScale(count)

    nets = [
        mlp(sizes, norm=kind, generator=np.random.default_rng(3))
        for kind in (norm, BatchNorm, True, np.True_, False, np.False_, None)
    ]
    assert asked == list(sizes[1:-1])
    kinds = [[type(layer).__name__ for layer in net.layers] for net in nets]
    hidden = len(sizes) - 2
    assert kinds[0] == ["Linear", "ChannelScale", "ReLU"] * hidden + ["Linear"]
    assert kinds[1] == kinds[2] == kinds[3]
    assert kinds[3] == ["Linear", "BatchNorm", "ReLU"] * hidden + ["Linear"]
    assert kinds[4] == kinds[5] == kinds[6] == ["Linear", "ReLU"] * hidden + ["Linear"]
    # Only BatchNorm takes the bias away; all have the same weights.
    biased = [True, False, False, False, True, True, True]
    for net, bias in zip(nets, biased, strict=True):
        linears = [layer for layer in net.layers if isinstance(layer, Linear)]
        assert all(("bias" in layer.parameters()) == bias for layer in linears[:-1])
        assert "bias" in linears[-1].parameters()
        for ours, first in zip(linears, nets[0].layers[::3], strict=True):
            np.testing.assert_array_equal(ours.weight, first.weight)
    # Each call of the maker is another layer.
    assert len({id(layer) for layer in nets[0].walk()}) == len(nets[0].layers) + 1


def test_mlp_keeps_the_options_of_a_norm():
    net = mlp((4, 3, 2), norm=lambda n: BatchNorm(n, momentum=None, eps=0.1))
    assert (net[1].num_features, net[1].momentum, net[1].eps) == (3, None, 0.1)
    assert "0.bias" not in net.parameters()


@pytest.mark.parametrize("norm", ["batch", 1, BatchNorm(3)], ids=["word", "1", "layer"])
def test_mlp_refuses_other_norms(norm):
    with pytest.raises(TypeError, match="mlp: expected norm True, False or a callab"):
        mlp((4, 3, 2), norm=norm)


# Residual


def residuals():
    """Make a network with a residual part inside another one, twice."""
    ours = Sequential(
        Linear(6, 4),
        Residual(
            Linear(4, 5), BatchNorm(5), Residual(Linear(5, 5), Tanh()), Linear(5, 4)
        ),
        Linear(4, 3),
    )
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Linear(6, 4),
        oracle.TorchResidual(
            nn.Linear(4, 5),
            nn.BatchNorm1d(5),
            oracle.TorchResidual(nn.Linear(5, 5), nn.Tanh()),
            nn.Linear(5, 4),
        ),
        nn.Linear(4, 3),
    ).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    return ours, theirs


def residuals_follow_pytorch():
    ours, theirs = residuals()
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        theirs.zero_grad()
        rng = np.random.default_rng(5)
        check_against_torch(ours, theirs, rng.random((7, 6)), rng.random((7, 3)))


def test_residual_equals_pytorch():
    residuals_follow_pytorch()


def test_names_inside_residuals_are_those_of_pytorch():
    ours, theirs = residuals()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.parameters()) == [name for name, _ in theirs.named_parameters()]
    assert "1.2.0.weight" in ours.parameters()
    assert [place for place, _ in ours.leaves()] == (
        ["0", "1.0", "1.1", "1.2.0", "1.2.1", "1.3", "2"]
    )
    ours.eval()
    assert not any(layer.training for layer in ours.walk())


def test_residual_by_central_differences():
    from tests.test_gradcheck import layer_gradients

    ours = residuals()[0]
    x = np.random.default_rng(2).uniform(0.1, 2, (5, 6))
    assert len(layer_gradients(ours, x)) == 1 + len(ours.parameters())


@pytest.mark.parametrize("out", [1, 3, 5])
def test_residual_refuses_a_branch_that_changes_the_shape(out):
    # An output of one column would broadcast.
    layer = Residual(Linear(4, out))
    refuse(
        lambda: layer(np.ones((5, 4))),
        ValueError,
        f"Residual: expected layers that keep the shape (5, 4), got (5, {out})",
    )


def test_residual_of_nothing_and_of_lists():
    x = np.array([[1.0, -2.0]])
    assert Residual()(x).tolist() == [[2, -4]]
    assert Residual(BatchNorm(2).eval())([[0.0, 0.0]]).tolist() == [[0, 0]]


def test_residual_changes_no_argument():
    layer = Residual(ReLU())
    x, dout = np.random.default_rng(0).standard_normal((2, 5, 4))
    for array in (x, dout):
        array.flags.writeable = False
    for result in (layer(x), layer.backward(dout)):
        assert not np.shares_memory(result, x)
        assert not np.shares_memory(result, dout)
    with pytest.raises(
        ValueError, match=r"expected dout of shape \(5, 4\), got \(4,\)"
    ):
        layer.backward(np.ones(4))


def shared_layers():
    relu, linear = ReLU(), Linear(3, 3)
    for make, places in [
        (lambda: Sequential(linear, relu, Linear(3, 3), relu), "ReLU as 1 and 3"),
        (lambda: Sequential(linear, Residual(relu, linear)), "Linear as 0 and 1.1"),
        (lambda: Residual(linear, linear), "Linear as 0 and 1"),
    ]:
        refuse(make, ValueError, "expected each layer once, got the same " + places)


def test_a_layer_in_two_places_is_refused():
    # It keeps one input: its backward pass would be wrong for the first place.
    shared_layers()
    linear = Linear(3, 3)
    Sequential(linear), Sequential(linear, ReLU())


def test_modes_reach_every_layer():
    inner = Sequential(BatchNorm(3), ReLU())
    net = Sequential(Linear(3, 3), inner, BatchNorm(3))
    everything = [net, net[0], inner, inner[0], inner[1], net[2]]
    assert all(layer.training for layer in everything)
    assert net.eval() is net
    assert not any(layer.training for layer in everything)
    assert net.train() is net
    assert all(layer.training for layer in everything)
    net.train(False)
    assert not any(layer.training for layer in everything)


def test_names_of_entries_are_those_of_pytorch():
    ours, theirs = networks()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    names = [name for name, _ in theirs.named_parameters()]
    assert list(ours.parameters()) == names
    x = np.random.default_rng(0).standard_normal((5, 6))
    ours.backward(ours(x))
    assert sorted(ours.gradients()) == sorted(names)
    nested = Sequential(Sequential(BatchNorm(2)))
    assert "0.0.running_mean" in nested.state_dict()


def test_attributes():
    layer = BatchNorm(3)
    assert layer.weight is layer.parameters()["weight"]
    with pytest.raises(AttributeError, match="BatchNorm has no attribute 'wieght'"):
        _ = layer.wieght
    with pytest.raises(AttributeError, match="ReLU has no attribute 'weight'"):
        _ = ReLU().weight
    assert not hasattr(BatchNorm(3, affine=False), "weight")


def test_base_layer_does_nothing():
    for call in (Layer().forward, Layer().backward, Layer()):
        with pytest.raises(NotImplementedError, match="Layer defines no"):
            call(np.ones(3))


def test_layers_can_be_copied_and_pickled():
    x, *_, dout = oracle.draw((6, 4))
    net = Sequential(Linear(4, 3), BatchNorm(3), ReLU())
    net(x)
    dx = net.backward(dout[:, :3])
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other.backward(dout[:, :3]), dx)
        other[1].weight[...] = 7
        assert (net[1].weight == 1).all()


def test_everything_public_is_listed():
    for name in layers.__all__:
        assert hasattr(layers, name)


# state dicts


def networks(dtype="f8", norm=None):
    ours = Sequential(
        Linear(6, 5, dtype=dtype),
        BatchNorm(5, dtype=dtype, **(norm or {})),
        ReLU(),
        Linear(5, 3, dtype=dtype),
    )
    kind = oracle.TORCH[dtype]
    theirs = torch.nn.Sequential(
        torch.nn.Linear(6, 5, dtype=kind),
        torch.nn.BatchNorm1d(5, dtype=kind, **(norm or {})),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 3, dtype=kind),
    )
    return ours, theirs


def exercise(net, convert, seed, steps=3):
    """Let a network see batches, so that its running statistics are its own."""
    for step in range(steps):
        net(convert(oracle.draw((8, 6), seed=seed + step)[0]))


def perturb(state):
    rng = np.random.default_rng(8)
    return {k: v + rng.random(v.shape) for k, v in state.items() if v.dtype.kind == "f"}


def same_outputs(ours, theirs, dtype):
    # One rounding after the other through three layers; outputs of size 1 to 10.
    tolerance = {"f8": 1e-12, "f4": 1e-4}[dtype]
    for mode in (False, True):
        ours.train(mode)
        theirs.train(mode)
        x = oracle.draw((8, 6), dtype, seed=9)[0]
        y = theirs(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(ours(x), y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(
    "norm", [{}, {"bias": False}, {"affine": False}, {"track_running_stats": False}]
)
def test_state_travels_from_pytorch(dtype, norm):
    ours, theirs = networks(dtype, norm)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += torch.rand_like(parameter)
    exercise(theirs, lambda x: torch.tensor(x, dtype=oracle.TORCH[dtype]), 20)
    ours.load_state_dict(theirs.state_dict())
    same_outputs(ours, theirs, dtype)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(
    "norm", [{}, {"bias": False}, {"affine": False}, {"track_running_stats": False}]
)
def test_state_travels_to_pytorch_and_back(dtype, norm):
    ours, theirs = networks(dtype, norm)
    for parameter in ours.parameters().values():
        parameter += np.random.default_rng(1).random(parameter.shape).astype(dtype)
    exercise(ours, lambda x: x.astype(dtype), 30)
    state = ours.state_dict()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    same_outputs(ours, theirs, dtype)
    ours.load_state_dict(state)
    again = networks(dtype, norm)[0]
    again.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    again.load_state_dict(theirs.state_dict())
    for name, value in again.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
        assert value.dtype == state[name].dtype


def test_state_dict_returns_copies():
    net = networks()[0]
    before = net.state_dict()
    for value in net.state_dict().values():
        value += 1
    exercise(net, np.asarray, 0)
    assert before["1.num_batches_tracked"] == 0
    assert net.state_dict()["1.num_batches_tracked"] == 3
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, before[name])


def test_loading_copies_in_place():
    net = networks()[0]
    arrays = net.parameters()
    state = {k: v.copy() for k, v in net.state_dict().items()}
    state["0.weight"] += 1
    net.load_state_dict(state)
    state["0.weight"] += 5
    # Optimisers hold the same arrays; the caller's array stays the caller's.
    assert net.parameters()["0.weight"] is arrays["0.weight"]
    np.testing.assert_array_equal(state["0.weight"], arrays["0.weight"] + 5)


NAMES = [
    "0.weight",
    "0.bias",
    "1.weight",
    "1.running_mean",
    "1.running_var",
    "1.num_batches_tracked",
    "3.weight",
    "3.bias",
]
SPOILERS = {
    "missing": (lambda v: None, KeyError, "missing ['{}']"),
    "longer": (lambda v: np.zeros((*v.shape, 2)), ValueError, "{}: expected shape"),
    "shorter": (lambda v: np.zeros(1), ValueError, "{}: expected shape"),
    "transposed": (lambda v: np.zeros(v.shape[::-1]), ValueError, "{}: expected shape"),
    "complex": (lambda v: v + 0j, TypeError, "{}: expected {dtype}, got complex128"),
    "text": (lambda v: v.astype(str), TypeError, "{}: expected {dtype}, got <U"),
    "objects": (
        lambda v: np.array(v, object),
        TypeError,
        "{}: expected {dtype}, got obj",
    ),
}


SPOILED = [
    (kind, name)
    for kind, name in itertools.product(SPOILERS, NAMES)
    if kind != "transposed" or name in ("0.weight", "3.weight")
]


@pytest.mark.parametrize(("kind", "name"), SPOILED)
def test_a_bad_state_is_refused_and_changes_nothing(kind, name):
    spoil, error, message = SPOILERS[kind]
    net = networks()[0]
    exercise(net, np.asarray, 0)
    before = net.state_dict()
    # Every entry is new, so that any that was copied shows; the last may be the bad.
    state = {k: v + 1 for k, v in before.items()}
    bad = spoil(state.pop(name))
    if bad is not None:
        state[name] = bad
    message = message.format(name, dtype=before[name].dtype)
    refuse(lambda: net.load_state_dict(state), error, "Sequential.load_st", message)
    assert net.state_dict().keys() == before.keys()
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"4.weight": np.ones(3)}, KeyError, "unexpected ['4.weight']"),
        ({"weight": np.ones(3)}, KeyError, "unexpected ['weight']"),
        (
            {"1.num_batches_tracked": np.array(2.5)},
            TypeError,
            "1.num_batches_tracked: expected int64, got float64",
        ),
        (
            {"1.running_var": np.array([1, 1, -0.25, 1, 1])},
            ValueError,
            "1.running_var: expected no negative values, got -0.25",
        ),
    ],
    ids=str,
)
def test_other_bad_states(change, error, message):
    net = networks()[0]
    before = net.state_dict()
    state = {k: v + 1 for k, v in before.items()} | change
    refuse(lambda: net.load_state_dict(state), error, message)
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


def test_a_single_layer_refuses_too():
    layer = BatchNorm(3)
    for state in ({}, {"weight": np.ones(3)}, BatchNorm(4).state_dict()):
        with pytest.raises((KeyError, ValueError), match="BatchNorm.load_state_dict"):
            layer.load_state_dict(state)
    plain = BatchNorm(3, affine=False).state_dict()
    refuse(lambda: layer.load_state_dict(plain), KeyError, "missing ['bias', 'weight']")
    refuse(
        lambda: BatchNorm(3, affine=False).load_state_dict(layer.state_dict()),
        KeyError,
        "unexpected ['bias', 'weight']",
    )


def test_lists_and_other_floats_are_accepted():
    layer = Linear(2, 2, dtype="f4")
    layer.load_state_dict({"weight": [[1, 2], [3, 4]], "bias": np.ones(2)})
    assert layer.weight.dtype == np.float32
    assert layer.weight.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "make", [lambda **o: BatchNorm(3, **o), lambda **o: Linear(3, 2, **o)]
)
def test_parameters_are_floating(make):
    with pytest.raises(TypeError, match="expected dtype float16, float32 or float64"):
        make(dtype=int)


@pytest.mark.parametrize("eps", [None, "1e-5", np.ones(2)])
def test_eps_is_a_number(eps):
    with pytest.raises(TypeError, match="BatchNorm: expected eps to be a number"):
        BatchNorm(3, eps=eps)
    with pytest.raises(TypeError, match="batch_norm_forward: expected eps"):
        batch_norm_forward(np.eye(3), eps=eps)


def test_an_unknown_array_is_named_beside_the_known_ones():
    with pytest.raises(AttributeError, match=r"gamma.*weight.*bias.*running_mean"):
        BatchNorm(3).gamma  # noqa: B018
