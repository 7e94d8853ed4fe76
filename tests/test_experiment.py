"""Traces tell what every layer did and leave the model alone; sweeps try everything."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from bnlearn.experiment import Shaken, Trace, sweep, trace, vitals
from bnlearn.layers import (
    BatchNorm,
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
from bnlearn.seeds import seeds
from tests.oracle import TorchResidual


def networks():
    """Make one network twice, with layers inside layers at two depths."""
    ours = Sequential(
        Linear(6, 4),
        Residual(Linear(4, 5), BatchNorm(5), Sequential(ReLU(), Linear(5, 4)), Tanh()),
        Sequential(BatchNorm(4)),
        Linear(4, 3),
    )
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Linear(6, 4),
        TorchResidual(
            nn.Linear(4, 5),
            nn.BatchNorm1d(5),
            nn.Sequential(nn.ReLU(), nn.Linear(5, 4)),
            nn.Tanh(),
        ),
        nn.Sequential(nn.BatchNorm1d(4)),
        nn.Linear(4, 3),
    ).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()})
    return ours, theirs


NAMES = [
    "0 Linear",
    "1.0 Linear",
    "1.1 BatchNorm",
    "1.2.0 ReLU",
    "1.2.1 Linear",
    "1.3 Tanh",
    "2.0 BatchNorm",
    "3 Linear",
]


def data():
    rng = np.random.default_rng(3)
    return rng.standard_normal((7, 6)), np.array([0, 2, 1, 1, 0, 2, 2])


def torch_trace(model, x, y):
    """Listen to all modules without children; keep their outputs' gradients."""
    kept = {}

    def keep(name):
        def hook(module, given, output):
            output.retain_grad()
            kept[name] = output

        return hook

    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(keep(name))
    torch.nn.functional.cross_entropy(
        model(torch.tensor(x)), torch.tensor(y)
    ).backward()
    return kept


def traces_equal_pytorch():
    x, y = data()
    for mode in (True, False):
        ours, theirs = networks()
        found = trace(ours.train(mode), x, y)
        kept = torch_trace(theirs.train(mode), x, y)
        assert [name.split()[0] for name in found.outputs] == list(kept)
        for name, wanted in zip(NAMES, kept.values(), strict=True):
            # float64; values of size 1, through eight layers.
            np.testing.assert_allclose(
                found.outputs[name], wanted.detach().numpy(), rtol=1e-10, atol=1e-12
            )
            np.testing.assert_allclose(
                found.gradients[name], wanted.grad.numpy(), rtol=1e-9, atol=1e-12
            )


def test_trace_equals_pytorch():
    traces_equal_pytorch()


def test_names_and_order():
    x, y = data()
    found = trace(networks()[0], x, y)
    assert isinstance(found, Trace)
    assert list(found.outputs) == list(found.gradients) == NAMES
    for name, output in found.outputs.items():
        assert found.gradients[name].shape == output.shape
    forward_only = trace(networks()[0], x)
    assert list(forward_only.outputs) == NAMES
    assert forward_only.gradients == {}


def test_a_single_layer_is_named_by_its_kind():
    layer = Linear(6, 3)
    x, y = data()
    found = trace(layer, x, y)
    np.testing.assert_array_equal(found.outputs["Linear"], layer(x))
    np.testing.assert_array_equal(
        found.gradients["Linear"], cross_entropy(layer(x), y)[1]
    )
    assert list(found.outputs) == ["Linear"]


def test_other_losses():
    x, _ = data()
    target = np.random.default_rng(0).standard_normal((7, 3))
    net = networks()[0]
    found = trace(net, x, target, loss=mean_squared_error)
    output = found.outputs["3 Linear"]
    np.testing.assert_array_equal(
        found.gradients["3 Linear"], mean_squared_error(output, target)[1]
    )


def leaves_the_model_alone():
    x, y = data()
    net = networks()[0]
    other = np.random.default_rng(8).standard_normal((5, 6))
    dout = np.random.default_rng(9).standard_normal((5, 3))
    for mode in (True, False):
        net.train(mode)
        net[2][0].eval()  # a frozen norm stays frozen
        net(other)
        before, dx = net.state_dict(), net.backward(dout)
        gradients = {k: v.copy() for k, v in net.gradients().items()}
        trace(net, x, y)
        trace(net, x)
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, before[name], err_msg=name)
        for name, value in net.gradients().items():
            np.testing.assert_array_equal(value, gradients[name], err_msg=name)
        # What was kept for the backward pass is that of the batch before.
        np.testing.assert_array_equal(net.backward(dout), dx)
        assert net.training == mode and not net[2][0].training
        assert all("forward" not in vars(layer) for layer in net.walk())


def test_trace_leaves_the_model_alone():
    leaves_the_model_alone()


def test_trace_runs_in_the_mode_of_the_model():
    x, y = data()
    net = networks()[0]
    in_training = trace(net, x, y).outputs["2.0 BatchNorm"]
    # Normalised by the batch: a mean of zero, up to rounding.
    np.testing.assert_allclose(in_training.mean(axis=0), 0, atol=1e-12)
    in_evaluation = trace(net.eval(), x, y).outputs["2.0 BatchNorm"]
    np.testing.assert_array_equal(in_evaluation, trace(net, x).outputs["2.0 BatchNorm"])
    assert np.abs(in_evaluation.mean(axis=0)).max() > 0.01


def test_trace_passes_on_what_the_layers_refuse():
    net = networks()[0]
    with pytest.raises(ValueError, match="Linear: expected a last axis of 6"):
        trace(net, np.ones((5, 4)))
    assert all("forward" not in vars(layer) for layer in net.walk())


# sweep


def name(kind, size, seed):
    return f"{kind}{size}s{seed}"


def sweeps_in_order():
    sizes, chosen = (10, 20, 30), [4, 0]
    found = sweep(name, chosen, progress=False, kind=["a", "b"], size=sizes)
    assert found.shape == (2, 3, 2)
    for (i, kind), (j, size), (k, seed) in itertools.product(
        enumerate("ab"), enumerate(sizes), enumerate(chosen)
    ):
        assert found[i, j, k] == f"{kind}{size}s{seed}"
    # The axes follow the order given, not that of the function or of the alphabet.
    turned = sweep(name, chosen, progress=False, size=sizes, kind=["a", "b"])
    np.testing.assert_array_equal(turned, found.transpose(1, 0, 2))


def test_axes_are_the_settings_in_their_order_and_then_the_seeds():
    sweeps_in_order()


def test_runs_come_in_order_and_once_each():
    calls = []

    def run(**given):
        calls.append(given)
        return 0.0

    sweep(run, [5, 3], progress=False, b=(1, 2), a=(True, None))
    assert [tuple(call.values()) for call in calls] == list(
        itertools.product((1, 2), (True, None), (5, 3))
    )
    assert all(list(call) == ["b", "a", "seed"] for call in calls)


@pytest.mark.parametrize("shape", [(), (4,), (4, 5), (0, 5)], ids=str)
def test_results_may_be_arrays(shape):
    def run(size, seed):
        return np.full(shape, 10 * size + seed)

    found = sweep(run, [0, 1], progress=False, size=(1, 2, 3))
    assert found.shape == (3, 2, *shape)
    for i, seed in itertools.product(range(3), (0, 1)):
        assert (found[i, seed] == 10 * (i + 1) + seed).all()


def test_seeds_alone_and_other_lists():
    assert sweep(lambda seed: seed**2, [3, 1, 2], progress=False).tolist() == [9, 1, 4]
    assert sweep(lambda seed: seed, seeds(4), progress=False).shape == (4,)
    found = sweep(
        lambda a, b, seed: a * b + seed,
        range(2),
        progress=False,
        a=np.array([1.0, 2.0]),
        b=(10**n for n in range(3)),
    )
    assert found.tolist() == [
        [[1, 2], [10, 11], [100, 101]],
        [[2, 3], [20, 21], [200, 201]],
    ]


def must_not_run(**given):
    raise AssertionError("nothing may run")


@pytest.mark.parametrize(
    ("chosen", "settings", "error", "message"),
    [
        ([], {"a": (1, 2)}, ValueError, "at least one value for seed"),
        (range(0), {}, ValueError, "at least one value for seed"),
        ([0], {"a": (1, 2), "b": ()}, ValueError, "at least one value for b"),
        ([0], {"b": np.array([])}, ValueError, "at least one value for b"),
        # Both would be taken for something else without a word.
        ([0], {"a": (1,), "seed": [7]}, ValueError, "got a setting `seed`"),
        ([0], {"kind": "plain"}, TypeError, "values for kind, got 'plain'"),
        ([0], {"size": 3}, TypeError, "a list of values for size, got 3"),
        (3, {"size": [3]}, TypeError, "a list of values for seed, got 3"),
    ],
    ids=str,
)
def test_sweep_refuses_before_the_first_run(chosen, settings, error, message):
    with pytest.raises(error) as caught:
        sweep(must_not_run, chosen, progress=False, **settings)
    assert str(caught.value).startswith("sweep: expected ")
    assert message in str(caught.value)


def test_results_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape, got \[\(1,\), \(2,\)\]"):
        sweep(lambda n, seed: np.ones(n), [0, 1], progress=False, n=(1, 2))


def test_what_a_run_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        sweep(lambda a, seed: 1 / a, [0], a=(1, 0))


def test_progress_bar_is_shown_when_asked_for():
    # tqdm reads its environment when it is imported, hence another process.
    code = """
from bnlearn.experiment import sweep
found = sweep(lambda a, seed: a + seed, [0, 1], a=(1, 2, 3), OPTION)
print(found.tolist())
"""
    path = ":".join(filter(None, sys.path))
    errors = []
    for option, more in [
        ("", {}),
        ("progress=True", {}),
        ("progress=False", {}),
        ("", {"TQDM_DISABLE": "1"}),
    ]:
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code.replace("OPTION", option)],
            capture_output=True,
            text=True,
            env={"PATH": "", "PYTHONPATH": path, **more},
            check=True,
        )
        assert run.stdout.strip() == "[[1, 2], [2, 3], [3, 4]]"
        errors.append(run.stderr)
    assert "6/6" in errors[0] and "6/6" in errors[1]
    assert errors[2:] == ["", ""]


# vitals


@pytest.mark.parametrize("activation", [ReLU, Sigmoid, Tanh])
@pytest.mark.parametrize("norm", [False, True])
def test_vitals_against_pytorch(norm, activation):
    """Every number by another route: autograd, and the slope of the activation."""
    rng = np.random.default_rng(5)
    net = mlp((7, 6, 5, 3), norm=norm, activation=activation, init=2.0, generator=rng)
    x, y = rng.standard_normal((11, 7)), rng.integers(0, 3, 11)
    before = net.state_dict()
    for name, value in net.parameters().items():
        value += rng.standard_normal(value.shape)
        if name.endswith("bias"):
            value -= 1
    state = net.state_dict()
    found = vitals(net, x, y, before)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[name])  # nothing is changed

    function = {ReLU: torch.relu, Sigmoid: torch.sigmoid, Tanh: torch.tanh}[activation]
    largest = {ReLU: 1, Sigmoid: 0.25, Tanh: 1}[activation]
    h, places, inputs = torch.tensor(x), [], []
    for place, layer in enumerate(net.layers):
        kind = type(layer).__name__
        parts = {k: torch.tensor(v) for k, v in layer.parameters().items()}
        if kind == "Linear":
            h = torch.nn.functional.linear(h, parts["weight"], parts.get("bias"))
            places.append(f"{place}.weight")
        elif kind == "BatchNorm":
            h = torch.nn.functional.batch_norm(h, None, None, **parts, training=True)
        else:
            inputs.append(h.detach().requires_grad_())
            slope = torch.autograd.grad(function(inputs[-1]).sum(), inputs[-1])[0]
            flat = (slope < 0.05 * largest).double().mean()
            h = function(h).requires_grad_()
            h.retain_grad()
            inputs[-1] = h, flat
    torch.nn.functional.cross_entropy(h, torch.tensor(y), reduction="sum").backward()
    for i, (output, flat) in enumerate(inputs):
        std = output.detach().std(correction=0)
        np.testing.assert_allclose(found.activation[i], std, rtol=1e-10)
        size = output.grad.pow(2).mean().sqrt()
        np.testing.assert_allclose(found.gradient[i], size, rtol=1e-9)
        np.testing.assert_allclose(found.saturated[i], flat, rtol=1e-12)
        old, new = before[places[i]], state[places[i]]
        step = np.sqrt(((new - old) ** 2).sum() / (old**2).sum())
        np.testing.assert_allclose(found.update[i], step, rtol=1e-12)
    assert 0 < found.saturated.max() <= 1


def test_vitals_refuses_other_networks():
    net = Sequential(Linear(4, 3), Linear(3, 2))
    with pytest.raises(ValueError, match="got 0 activations and 2 weights"):
        vitals(net, np.ones((5, 4)), np.zeros(5, int), net.state_dict())


# Shaken


def test_shaken_moves_what_it_puts_out():
    rng = np.random.default_rng(1)
    layer = Shaken(400, np.random.default_rng(0), strength=1.5)
    layer.weight[...], layer.bias[...] = rng.normal(size=(2, 400))
    x = rng.normal(size=(9, 400))
    plain = BatchNorm(400)
    plain.load_state_dict(layer.state_dict())
    y, first, second = plain(x), layer(x), layer(x)
    slope = np.ptp(first, axis=0) / np.ptp(y, axis=0)
    shift = first.mean(axis=0) - y.mean(axis=0) * slope
    # The same for all examples of the batch:
    np.testing.assert_allclose(first, y * slope + shift, atol=1e-9)
    np.testing.assert_allclose(shift.std(), 1.5, rtol=0.1)
    np.testing.assert_allclose(np.log(slope).std(), 0.75, rtol=0.1)
    assert abs(np.corrcoef(shift, slope)[0, 1]) < 0.2
    assert np.abs(second - first).mean() > 0.5  # new at every call
    layer.strength = 0.0
    np.testing.assert_array_equal(layer(x), y)


def test_gradient_through_shaken():
    rng = np.random.default_rng(2)
    x, dout, h = rng.normal(size=(6, 4)), rng.normal(size=(6, 4)), 1e-6
    direction = rng.normal(size=x.shape)

    def fresh():
        layer = Shaken(4, np.random.default_rng(3), strength=1.0)
        layer.weight[...] = [1, -2, 0.5, 3]
        return layer

    layer = fresh()
    layer(x)
    found = np.sum(layer.backward(dout) * direction)
    up, down = (np.sum(dout * fresh()(x + s * h * direction)) for s in (1, -1))
    np.testing.assert_allclose(found, (up - down) / (2 * h), rtol=1e-6)
