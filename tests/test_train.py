"""The training loop follows PyTorch's loss curve, and says when a run is lost."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from bnlearn.data import batches, load_digits
from bnlearn.layers import (
    BatchNorm,
    Linear,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    mean_squared_error,
    mlp,
)
from bnlearn.optim import SGD, Adam
from bnlearn.train import History, accuracy, evaluate, train, update_bn


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def twin(net):
    """Build the same network in PyTorch, with the same numbers."""
    kinds = {
        Linear: lambda l: torch.nn.Linear(
            l.weight.shape[1], len(l.weight), "bias" in l.parameters()
        ),
        BatchNorm: lambda l: torch.nn.BatchNorm1d(l.num_features, l.eps, l.momentum),
        ReLU: lambda l: torch.nn.ReLU(),
        Tanh: lambda l: torch.nn.Tanh(),
        Sigmoid: lambda l: torch.nn.Sigmoid(),
    }
    other = torch.nn.Sequential(*(kinds[type(layer)](layer) for layer in net.layers))
    other.double()
    other.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})
    return other


def torch_curve(net, optimizer, x, y, loss, steps, batch_size, seed):
    """Train in PyTorch on the same batches."""
    curve = []
    stream = batches(len(x), batch_size, np.random.default_rng(seed))
    x, y = torch.tensor(x), torch.tensor(y)
    for _ in range(steps):
        rows = torch.tensor(next(stream))
        optimizer.zero_grad()
        value = loss(net(x[rows]), y[rows])
        value.backward()
        optimizer.step()
        curve.append(value.item())
    return np.array(curve)


RUNS = {
    "sgd": (SGD, torch.optim.SGD, {"lr": 0.05}, 64),
    "sgd, small batches": (SGD, torch.optim.SGD, {"lr": 0.05}, 32),
    "momentum and decay": (
        SGD,
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
        64,
    ),
    # eps is set: where a gradient is zero up to rounding, Adam divides rounding by
    # rounding, and the signs of such steps are nobody's.
    "adam": (Adam, torch.optim.Adam, {"lr": 0.05, "eps": 1e-4}, 64),
}


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "batch_size"), RUNS.values(), ids=RUNS
)
def test_loss_curve_is_that_of_pytorch(digits, ours, theirs, options, batch_size):
    steps, net = 200, mlp((64, 40, 30, 10), norm=True)
    for value in net.parameters().values():
        # Distinct gamma and beta from the start.
        value += 0.1 * np.random.default_rng(2).standard_normal(value.shape)
    other = twin(net)
    wanted = torch_curve(
        other,
        theirs(other.parameters(), **options),
        digits.x_train,
        digits.y_train,
        torch.nn.functional.cross_entropy,
        steps,
        batch_size,
        seed=6,
    )
    history = train(
        net,
        ours(net, **options),
        digits.x_train,
        digits.y_train,
        steps=steps,
        batch_size=batch_size,
        generator=np.random.default_rng(6),
    )
    assert len(history.loss) == steps and not history.diverged
    # What the project promises: roundings of float64, multiplied by training.
    np.testing.assert_allclose(history.loss, wanted, rtol=1e-10, atol=0)
    assert history.loss[-1] < history.loss[0] / 3  # it did train
    # Weights and running statistics arrive at the same place, and so does the
    # network in evaluation mode. They are of size 1.
    for name, value in net.state_dict().items():
        np.testing.assert_allclose(
            value, other.state_dict()[name].numpy(), rtol=1e-7, atol=1e-8, err_msg=name
        )
    other.eval()
    with torch.no_grad():
        logits = other(torch.tensor(digits.x_test))
        expected = torch.nn.functional.cross_entropy(
            logits, torch.tensor(digits.y_test)
        ).item()
    found = evaluate(net, digits.x_test, digits.y_test)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    right = (logits.numpy().argmax(axis=1) == digits.y_test).mean()
    assert accuracy(net, digits.x_test, digits.y_test) == right


def test_regression_with_other_layers_follows_pytorch():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 3))
    y = np.sin(x @ rng.standard_normal((3, 2)))
    net = Sequential(
        Linear(3, 8), Tanh(), Linear(8, 8), BatchNorm(8), Sigmoid(), Linear(8, 2)
    )
    other = twin(net)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.05)
    mse = torch.nn.functional.mse_loss
    wanted = torch_curve(other, optimizer, x, y, mse, 200, 20, seed=1)
    history = train(
        net,
        SGD(net, lr=0.05),
        x,
        y,
        steps=200,
        batch_size=20,
        loss=mean_squared_error,
        generator=np.random.default_rng(1),
    )
    np.testing.assert_allclose(history.loss, wanted, rtol=1e-10, atol=0)


def small(seed=0, norm=True):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, 5))
    net = mlp((5, 6, 3), norm=norm, generator=rng)
    return net, x, np.argmax(x[:, :3], axis=1)


def test_default_generator_is_reproducible(monkeypatch):
    curves = []
    for seed in ("0", "0", "7"):
        monkeypatch.setenv("BNLEARN_SEED", seed)
        net, x, y = small()
        curves.append(train(net, SGD(net, lr=0.1), x, y, steps=9, batch_size=8).loss)
    assert curves[0] == curves[1] != curves[2]


def test_loss_is_that_before_the_step():
    net, x, y = small()
    net.train()
    # One batch of everything: the order within it does not matter. Some roundings.
    from bnlearn.layers import cross_entropy

    first = cross_entropy(net(x), y)[0]
    history = train(net, SGD(net, lr=0.1), x, y, steps=1, batch_size=40)
    np.testing.assert_allclose(history.loss, [first], rtol=1e-12)


def test_on_step_sees_every_step_and_a_training_model():
    net, x, y = small()
    net.eval()
    seen = []

    def on_step(step):
        assert net.training and net[1].training
        seen.append((step, evaluate(net, x, y)))

    history = train(
        net, SGD(net, lr=0.5), x, y, steps=6, batch_size=10, on_step=on_step
    )
    assert [step for step, _ in seen] == list(range(6))
    # Called after the step: the values move, and evaluation moves no statistics.
    assert len({value for _, value in seen}) == 6
    assert net[1].num_batches_tracked == 6
    assert net.training and net[1].training
    assert len(history.loss) == 6


def test_no_steps():
    net, x, y = small()
    before = net.state_dict()
    history = train(net, SGD(net, lr=0.5), x, y, steps=0, batch_size=10)
    assert history == History()
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("loss", ["cross entropy", "squares"])
@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("lr", [1e30, 1e200])
@pytest.mark.parametrize("activation", [ReLU, Tanh, Sigmoid])
def test_diverging_run_stops_without_a_warning(norm, loss, kind, lr, activation):
    # pytest turns warnings into errors.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.integers(0, 3, 40)
    net = mlp((5, 6, 6, 3), norm=norm, activation=activation)
    options = {}
    if loss == "squares":
        options["loss"], y = mean_squared_error, rng.standard_normal((40, 3))
    history = train(net, kind(net, lr=lr), x, y, steps=60, batch_size=10, **options)
    finite = np.isfinite(history.loss)
    if history.diverged:
        assert len(history.loss) <= 60
        assert finite[:-1].all() and not finite[-1]
    else:
        assert finite.all() and len(finite) == 60
    evaluate(net, x, y, **options)
    if not options:
        accuracy(net, x, y)


def test_divergence_is_flagged():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((40, 1))
    net = Sequential(Linear(5, 1))
    calls = []
    history = train(
        net,
        SGD(net, lr=1e10),
        x,
        y,
        steps=500,
        batch_size=10,
        loss=mean_squared_error,
        on_step=calls.append,
    )
    assert history.diverged
    assert 2 < len(history.loss) < 100
    # No step was made with the loss that is not finite.
    assert len(calls) == len(history.loss) - 1
    assert np.isfinite(history.loss[:-1]).all()


def test_smoothed_history():
    history = History(loss=[4.0, 2.0, 0.0, 2.0, 4.0])
    np.testing.assert_allclose(history.smoothed(2), [3, 1, 1, 3], rtol=1e-14)
    np.testing.assert_allclose(history.smoothed(5), [2.4], rtol=1e-14)
    assert history.smoothed(6).shape == (0,)
    assert history.smoothed().shape == (0,)
    assert len(History(loss=[1.0] * 50).smoothed()) == 31


@pytest.mark.parametrize("measure", [evaluate, accuracy])
def test_evaluation_restores_the_mode(measure):
    net, x, y = small()
    for mode in (True, False):
        net.train(mode)
        before = net.state_dict()
        measure(net, x, y)
        assert net.training == net[1].training == mode
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value, before[name])
    # A frozen norm inside a network that trains stays frozen.
    net.train()
    net[1].eval()
    measure(net, x, y)
    assert net.training and net[0].training and not net[1].training


@pytest.mark.parametrize("measure", [evaluate, accuracy])
def test_mode_is_restored_after_an_error(measure):
    net, x, y = small()
    with pytest.raises(ValueError, match="Linear: expected"):
        measure(net, x[:, :2], y)
    assert net.training and net[1].training


def test_evaluation_uses_running_statistics():
    net, x, y = small()
    train(net, SGD(net, lr=0.1), x, y, steps=5, batch_size=10)
    whole = evaluate(net, x, y)
    one_by_one = [evaluate(net, x[i : i + 1], y[i : i + 1]) for i in range(40)]
    # The output for an example does not depend on its batch. Some roundings.
    np.testing.assert_allclose(np.mean(one_by_one), whole, rtol=1e-12)
    other = evaluate(net, x, net(x), loss=mean_squared_error)
    assert other > 0


def test_accuracy_by_hand():
    net = Sequential(Linear(2, 2, bias=False))
    net[0].weight[...] = np.eye(2)
    x = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 2.0], [1.0, 4.0]])
    result = accuracy(net, x, np.array([0, 0, 0, 1]))
    assert type(result) is float and result == 0.75


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": np.zeros(39, int)}, "train: expected x and y alike, got 40 and 39"),
        ({"batch_size": 0}, "batches: expected batch_size from 1 to 40, got 0"),
        ({"batch_size": 41}, "batches: expected batch_size from 1 to 40, got 41"),
        ({"batch_size": 1}, "batch_norm_forward: expected more than 1 value"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    net, x, y = small()
    before = net.state_dict()
    arguments = {"y": y, "steps": 3, "batch_size": 8} | options
    with pytest.raises(ValueError, match=message):
        train(net, SGD(net, lr=0.1), x, **arguments)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_progress_bar_can_be_turned_off(monkeypatch, capsys):
    results = []
    for progress, disable in [(False, "0"), (True, "1")]:
        monkeypatch.setenv("TQDM_DISABLE", disable)
        net, x, y = small()
        history = train(
            net, SGD(net, lr=0.1), x, y, steps=4, batch_size=8, progress=progress
        )
        results.append(history.loss)
    assert results[0] == results[1]
    assert capsys.readouterr().err == ""


def test_progress_bar_is_shown_when_asked_for():
    # tqdm reads its environment when it is imported, hence another process.
    code = """
import numpy as np
from bnlearn.layers import mlp
from bnlearn.optim import SGD
from bnlearn.train import train
net = mlp((5, 4, 3), norm=True)
x, y = np.random.default_rng(0).standard_normal((40, 5)), np.arange(40) % 3
train(net, SGD(net, lr=0.1), x, y, steps=7, batch_size=8, progress=PROGRESS)
"""
    errors = []
    for progress in (True, False):
        run = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                code.replace("PROGRESS", str(progress)),
            ],
            capture_output=True,
            text=True,
            env={"PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))},
            check=True,
        )
        errors.append(run.stderr)
    assert "7/7" in errors[0]
    assert errors[1] == ""


def test_an_optimizer_of_another_model_is_refused():
    ours, other = (mlp((3, 4, 2), norm=False) for _ in range(2))
    before = ours.state_dict()
    x, y = np.zeros((6, 3)), np.zeros(6, int)
    with pytest.raises(ValueError, match="train: .*another model"):
        train(ours, SGD(other, 0.1), x, y, steps=1, batch_size=2)
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.zeros((6, 1), int), ValueError),
        (np.zeros(5, int), ValueError),
        (np.zeros(6), TypeError),
        (np.array(["a"] * 6), TypeError),
    ],
)
def test_accuracy_refuses_labels_that_would_mislead(labels, error):
    with pytest.raises(error, match="accuracy: expected"):
        accuracy(mlp((3, 4, 2), norm=False), np.zeros((6, 3)), labels)


def test_lists_are_taken_as_arrays():
    net = mlp((2, 3, 2), norm=True)
    train(net, SGD(net, 0.1), [[0.0, 1.0]] * 4, [0, 1, 0, 1], steps=2, batch_size=2)
    assert 0 <= accuracy(net, [[0.0, 1.0]] * 4, [0, 1, 0, 1]) <= 1


# Batches from outside -----------------------------------------------------------------


def test_stream_replaces_the_shuffle():
    curves = []
    for give in (False, True):
        net, x, y = small()
        generator = np.random.default_rng(4)
        options = {"batch_size": 8, "generator": generator}
        if give:
            options = {"stream": batches(len(x), 8, generator)}
        curves.append(train(net, SGD(net, lr=0.1), x, y, steps=12, **options).loss)
    assert curves[0] == curves[1]


def test_stream_says_what_each_batch_holds():
    net, x, y = small(norm=False)
    seen, rows = [], [[1, 5, 7], np.array([2, 2]), [0]]

    def loss(output, target):
        seen.append(target)
        return 0.0, np.zeros_like(output)

    train(net, SGD(net, lr=0.1), x, y, steps=3, stream=iter(rows), loss=loss)
    for target, chosen in zip(seen, rows, strict=True):
        np.testing.assert_array_equal(target, y[chosen])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "either batch_size or stream"),
        ({"batch_size": 8, "stream": []}, ValueError, "either batch_size or stream"),
        ({"stream": [[1, 2]] * 2}, ValueError, "at least 3 batches, got 2"),
        ({"stream": [[1, 2], [3, 4], [5, 40]]}, IndexError, "0 to 39, got 40"),
        ({"stream": [[1, 2], [3, -1], [5, 4]]}, IndexError, "0 to 39, got -1"),
    ],
)
def test_bad_streams_are_refused_before_the_first_step(options, error, message):
    net, x, y = small()
    before = net.state_dict()
    with pytest.raises(error, match=f"train: expected .*{message}"):
        train(net, SGD(net, lr=0.1), x, y, steps=3, **options)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


# Statistics measured anew -------------------------------------------------------------


def check_update_bn(momentum):
    """Compare with PyTorch's function of the same name, after some training."""
    x = np.random.default_rng(0).standard_normal((40, 5))
    y = np.argmax(x[:, :3], axis=1)
    net = mlp((5, 6, 4, 3), norm=True, generator=np.random.default_rng(1))
    net[1].momentum = net[4].momentum = momentum
    train(net, SGD(net, lr=0.3), x, y, steps=7, batch_size=10)
    other = twin(net)
    update_bn(net, x, batch_size=10)
    loader = [torch.tensor(part) for part in np.split(x, 4)]
    torch.optim.swa_utils.update_bn(loader, other)
    for name, value in net.state_dict().items():
        # float64, sums of ten values, four averages: some roundings.
        np.testing.assert_allclose(
            value, other.state_dict()[name].numpy(), rtol=1e-11, err_msg=name
        )
    assert net[1].num_batches_tracked == 4
    assert net[1].momentum == net[4].momentum == momentum


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_update_bn_is_pytorchs(momentum):
    check_update_bn(momentum)


def test_update_bn_of_everything_gives_the_statistics_of_the_data():
    net, x, _ = small()
    net[1].running_mean[...] = np.nan  # whatever was there is forgotten
    before = net.parameters()
    kept = {name: value.copy() for name, value in before.items()}
    update_bn(net, x, batch_size=len(x))
    hidden = net[0](x)
    np.testing.assert_allclose(net[1].running_mean, hidden.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(net[1].running_var, hidden.var(axis=0, ddof=1))
    for name, value in net.parameters().items():
        assert value is before[name]
        np.testing.assert_array_equal(value, kept[name])


def test_update_bn_leaves_out_the_rest():
    nets = [small()[0] for _ in range(2)]
    x = small()[1]
    update_bn(nets[0], x[:37], batch_size=9)
    update_bn(nets[1], x[:36], batch_size=9)
    for name, value in nets[0].state_dict().items():
        np.testing.assert_array_equal(value, nets[1].state_dict()[name])


def test_update_bn_keeps_modes_and_reaches_layers_inside_others():
    frozen, inner = BatchNorm(5), BatchNorm(5, momentum=0.3)
    free = BatchNorm(5, track_running_stats=False)
    net = Sequential(frozen, Residual(Linear(5, 5), inner), free)
    net.train()
    frozen.eval()
    update_bn(net, small()[1], batch_size=8)
    assert [layer.training for layer in net.walk()] == [True, False, *[True] * 4]
    assert (frozen.momentum, inner.momentum, free.momentum) == (0.1, 0.3, 0.1)
    # A frozen layer is measured too, as in PyTorch.
    assert frozen.num_batches_tracked == inner.num_batches_tracked == 5


class Failing(ReLU):
    """Fails on the batch whose first number is 99."""

    def forward(self, x):
        if x[0, 0] == 99:
            raise ArithmeticError("planted")
        return super().forward(x)


THIRD_BATCH_FAILS = np.repeat([[1.0], [2.0], [99.0]], 2, axis=0) * np.ones(3)


@pytest.mark.parametrize(
    ("x", "batch_size", "error", "message"),
    [
        (np.ones((6, 3)), 0, ValueError, "update_bn: .*from 1 to 6, got 0"),
        (np.ones((6, 3)), 7, ValueError, "update_bn: .*from 1 to 6, got 7"),
        (np.ones((0, 3)), 1, ValueError, "update_bn: .*from 1 to 0, got 1"),
        (np.ones((6, 3)), 1, ValueError, "more than 1 value per channel"),
        (np.ones((6, 4)), 2, ValueError, "expected 3 channels"),
        (THIRD_BATCH_FAILS, 2, ArithmeticError, "planted"),
    ],
)
def test_update_bn_changes_nothing_when_it_fails(x, batch_size, error, message):
    first, last = BatchNorm(3, momentum=0.2).eval(), BatchNorm(3)
    first.running_mean[...] = 5
    net = Sequential(Failing(), first, last)
    before = net.state_dict()
    with pytest.raises(error, match=message):
        update_bn(net, x, batch_size=batch_size)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert [layer.training for layer in net.walk()] == [True, True, False, True]
    assert (first.momentum, last.momentum) == (0.2, 0.1)


def test_update_bn_without_norms_does_nothing():
    net, x, _ = small(norm=False)
    before = net.state_dict()
    update_bn(net, x, batch_size=8)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
