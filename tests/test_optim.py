"""Optimisers: step by step what torch.optim does, in float64."""

import numpy as np
import pytest
import torch

from bnlearn.layers import BatchNorm, Linear, ReLU, Sequential
from bnlearn.optim import SGD, Adam, Optimizer, Together

SHAPES = {"weight": (4, 3), "bias": (4,)}
CASES = {
    "sgd": (SGD, torch.optim.SGD, {"lr": 0.1}),
    "momentum": (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "decay": (SGD, torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.05}),
    "both": (SGD, torch.optim.SGD, {"lr": 2, "momentum": 0.5, "weight_decay": 0.01}),
    "adam": (Adam, torch.optim.Adam, {}),
    "adam, other numbers": (
        Adam,
        torch.optim.Adam,
        {"lr": 0.05, "betas": (0.5, 0.8), "eps": 1e-3, "weight_decay": 0.1},
    ),
    "adam without memory": (Adam, torch.optim.Adam, {"betas": (0.0, 0.0)}),
}


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES.values(), ids=CASES)
def test_steps_equal_those_of_pytorch(ours, theirs, options):
    rng = np.random.default_rng(0)
    model = Linear(3, 4)
    tensors = {
        name: torch.nn.Parameter(torch.tensor(value))
        for name, value in model.parameters().items()
    }
    optimizer = ours(model, **options)
    reference = theirs(tensors.values(), **options)
    for step in range(50):
        for name, shape in SHAPES.items():
            # Sizes from 1e-6 to 1e3, and now and then an exact zero.
            gradient = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 4, shape)
            gradient *= rng.random(shape) > 0.1
            model._gradients[name] = gradient
            tensors[name].grad = torch.tensor(gradient)
        optimizer.step()
        reference.step()
        for name, value in model.parameters().items():
            # The same operations up to their order: some roundings of each step.
            np.testing.assert_allclose(
                value,
                tensors[name].detach().numpy(),
                rtol=1e-11,
                atol=1e-13,
                err_msg=f"{name} after step {step}",
            )


def stack():
    return Sequential(Linear(3, 4), BatchNorm(4), ReLU(), Linear(4, 2))


def go_back(net, seed=0):
    x = np.random.default_rng(seed).standard_normal((6, 3))
    net.backward(np.cos(net(x)))


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_only_trains_what_is_named(kind):
    net = stack()
    before = {k: v.copy() for k, v in net.parameters().items()}
    optimizer = kind(net, lr=0.1, only=("1.weight", "1.bias"))
    go_back(net)
    optimizer.step()
    for name, value in net.parameters().items():
        assert (value != before[name]).any() == name.startswith("1."), name


def test_only_of_nothing_trains_nothing():
    net = stack()
    before = {k: v.copy() for k, v in net.parameters().items()}
    optimizer = SGD(net, lr=0.1, only=())
    go_back(net)
    optimizer.step()
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_parameters_without_a_gradient_stay(kind):
    net = stack()
    before = net.state_dict()
    kind(net, lr=0.1).step()
    for name, value in net.parameters().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "weight_decay": 0.1}])
def test_gradients_are_not_changed(options):
    net = stack()
    optimizer = SGD(net, lr=0.1, **options)
    go_back(net)
    before = {k: v.copy() for k, v in net.gradients().items()}
    for value in net.gradients().values():
        value.flags.writeable = False
    optimizer.step()
    optimizer.step()
    for name, value in net.gradients().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_float32_stays_float32(kind):
    layer = Linear(3, 4, dtype="f4")
    array = layer.weight
    optimizer = kind(layer, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        layer.backward(layer(np.ones((5, 3), "f4")))
        optimizer.step()
    assert layer.weight is array
    assert array.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: SGD(m, lr=0), "SGD: expected lr > 0, got 0"),
        (lambda m: SGD(m, lr=-0.1), "SGD: expected lr > 0, got -0.1"),
        (lambda m: Adam(m, lr=float("nan")), "Adam: expected lr > 0, got nan"),
        (lambda m: SGD(m, 0.1, momentum=1.0), r"SGD: expected momentum in \[0, 1\)"),
        (lambda m: SGD(m, 0.1, momentum=-0.5), r"SGD: expected .* got -0.5"),
        (lambda m: Adam(m, betas=(0.9, 1.0)), r"Adam: expected betas .* \(0.9, 1.0\)"),
        (lambda m: Adam(m, betas=(-0.1, 0.9)), r"Adam: expected betas"),
        (lambda m: Adam(m, eps=-1e-8), "Adam: expected eps >= 0, got -1e-08"),
        (lambda m: SGD(m, 0.1, weight_decay=-1), "SGD: expected weight_decay >= 0"),
        (lambda m: Adam(m, weight_decay=-1), "Adam: expected weight_decay >= 0"),
        (lambda m: SGD(m, 0.1, only=("gamma",)), r"SGD: .* no parameters \['gamma'\]"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(stack())


def test_base_class_has_no_direction():
    net = stack()
    go_back(net)
    with pytest.raises(NotImplementedError, match="Optimizer defines no direction"):
        Optimizer(net, 0.1).step()


def test_a_single_name_is_no_tuple():
    with pytest.raises(TypeError, match=r"SGD: expected only to be a tuple"):
        SGD(Linear(2, 2), 0.1, only="weight")


def test_together_is_each_part_on_its_own_parameters():
    rng = np.random.default_rng(8)
    x, dout = rng.standard_normal((6, 4)), rng.standard_normal((6, 3))
    nets = [Linear(4, 3, generator=np.random.default_rng(1)) for _ in range(3)]
    for net in nets:
        net(x)
        net.backward(dout)
    one = SGD(nets[0], 0.5, only=("weight",)), SGD(nets[0], 0.1, only=("bias",))
    both = Together(*one)
    assert both.model is nets[0]
    both.step()
    SGD(nets[1], 0.5).step()
    SGD(nets[2], 0.1).step()
    np.testing.assert_array_equal(nets[0].weight, nets[1].weight)
    np.testing.assert_array_equal(nets[0].bias, nets[2].bias)
    assert (nets[0].bias != nets[1].bias).all()


def test_together_refuses():
    net, other = Linear(2, 2), Linear(2, 2)
    with pytest.raises(ValueError, match="one or more optimizers of one model"):
        Together()
    with pytest.raises(ValueError, match="one or more optimizers of one model"):
        Together(SGD(net, 0.1), SGD(other, 0.1))
    with pytest.raises(ValueError, match=r"more than one optimizer has \['weight'\]"):
        Together(SGD(net, 0.1), SGD(net, 0.1, only=("weight",)))
