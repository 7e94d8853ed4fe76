"""Walks along the gradient, against formulas and PyTorch."""

import numpy as np
import pytest
import torch

from bnlearn.landscape import along_gradient, gradient_shift
from bnlearn.layers import (
    BatchNorm,
    Linear,
    ReLU,
    Sequential,
    Tanh,
    mean_squared_error,
    mlp,
)


def test_road_of_a_quadratic_loss():
    """The loss (1/n) |XW - T|^2 has the curvature (2/n) X'X for each output."""
    rng = np.random.default_rng(2)
    x, target = rng.standard_normal((9, 4)), rng.standard_normal((9, 3))
    net = Linear(4, 3, bias=False, generator=rng)
    curvature = 2 / target.size * x.T @ x
    g = 2 / target.size * x.T @ (x @ net.weight.T - target)
    rates = (0.3, 0.05, 0.9)
    found = along_gradient(net, x, target, rates, loss=mean_squared_error)
    expected = np.linalg.norm(curvature @ g) / np.linalg.norm(g)
    # The change per distance is the same everywhere: rounding alone differs.
    np.testing.assert_allclose(found.change, expected, rtol=1e-10)
    start = np.mean((x @ net.weight.T - target) ** 2)
    losses = [
        start - r * np.sum(g**2) + r**2 / 2 * np.sum(g * (curvature @ g)) for r in rates
    ]
    np.testing.assert_allclose(found.loss_range, np.ptp(losses), rtol=1e-10)


def _torch_gradients(net, weights, x, y):
    h = torch.tensor(x)
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights}
    for place, layer in enumerate(net.layers):
        parts = [w.get(f"{place}.{key}") for key in ("weight", "bias")]
        if isinstance(layer, Linear):
            h = torch.nn.functional.linear(h, *parts)
        elif isinstance(layer, BatchNorm):
            h = torch.nn.functional.batch_norm(h, None, None, *parts, training=True)
        else:
            h = torch.tanh(h)
    loss = torch.nn.functional.cross_entropy(h, torch.tensor(y))
    return loss.item(), dict(
        zip(w, torch.autograd.grad(loss, list(w.values())), strict=True)
    )


@pytest.mark.parametrize("norm", [False, True])
def test_against_pytorch(norm):
    rng = np.random.default_rng(7)
    net = mlp((5, 6, 7, 3), norm=norm, activation=Tanh, init=1.0, generator=rng)
    for name, value in net.parameters().items():
        if name.endswith("bias"):
            value += rng.standard_normal(value.shape)
    x, y, rate = rng.standard_normal((11, 5)), rng.integers(0, 3, 11), 0.7
    state = net.state_dict()
    weights = [(name, value.copy()) for name, value in net.parameters().items()]
    _, g = _torch_gradients(net, weights, x, y)

    shifts = gradient_shift(net, x, y, rate)
    matrices = [name for name, value in weights if value.ndim == 2]
    assert list(shifts) == matrices[1:]
    for layer, found in shifts.items():
        place = int(layer.split(".")[0])
        moved = [
            (n, v - rate * g[n].numpy() * (int(n.split(".")[0]) < place))
            for n, v in weights
        ]
        change = _torch_gradients(net, moved, x, y)[1][layer] - g[layer]
        expected = (change.norm() / g[layer].norm()).item()
        np.testing.assert_allclose(found, expected, rtol=1e-9)

    length = np.sqrt(sum((v**2).sum().item() for v in g.values()))
    losses, changes = [], []
    for eta in (0.1, 0.6):
        loss, there = _torch_gradients(
            net, [(n, v - eta * g[n].numpy()) for n, v in weights], x, y
        )
        losses.append(loss)
        squares = [((there[n] - g[n]) ** 2).sum().item() for n in g]
        changes.append(np.sqrt(sum(squares)) / eta / length)
    road = along_gradient(net, x, y, (0.1, 0.6))
    np.testing.assert_allclose(road, (np.ptp(losses), max(changes)), rtol=1e-9)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[name])  # nothing has moved


def test_no_gradient_no_number():
    net = Sequential(Linear(3, 2), ReLU(), Linear(2, 2))
    for value in net.parameters().values():
        value[...] = 0
    x, target = np.ones((4, 3)), np.zeros((4, 2))
    road = along_gradient(net, x, target, loss=mean_squared_error)
    assert road.loss_range == 0 and np.isnan(road.change)
    shifts = gradient_shift(net, x, target, 0.1, loss=mean_squared_error)
    assert np.isnan(list(shifts.values())).all()


def test_refusals():
    net, x, y = mlp((3, 4, 2), norm=True), np.ones((5, 3)), np.zeros(5, int)
    for rates in ((), (0.1, 0), (-1,), (np.nan,), (np.inf,)):
        with pytest.raises(ValueError, match="along_gradient: expected positive rates"):
            along_gradient(net, x, y, rates)
    with pytest.raises(ValueError, match="gradient_shift: expected positive rates"):
        gradient_shift(net, x, y, 0)
    with pytest.raises(TypeError, match="expected a Sequential.*got Linear"):
        gradient_shift(Linear(3, 3), x, y, 0.1)
