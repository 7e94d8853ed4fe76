"""The tool names each planted fault and no other, and says nothing of healthy networks."""

import copy
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from bnlearn import diagnose
from bnlearn.data import grouped_batches, load_digits
from bnlearn.diagnostics import Finding, Report
from bnlearn.diagnostics.gap import Gap, far_off, gap
from bnlearn.diagnostics.kinds import KINDS
from bnlearn.diagnostics.watch import NormState, Reading, read
from bnlearn.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Sigmoid,
    Tanh,
    mlp,
)
from bnlearn.optim import SGD
from bnlearn.train import train
from tests.oracle import TorchResidual

DIGITS, IMAGES = load_digits(), load_digits(images=True)
SINGLE = DIGITS._replace(
    x_train=DIGITS.x_train.astype("f4"), x_test=DIGITS.x_test.astype("f4")
)
X = DIGITS.x_train
TORCH_NORMS = {
    BatchNorm: lambda a, ndim: (nn.BatchNorm2d if ndim == 4 else nn.BatchNorm1d)(
        a.num_features, a.eps, a.momentum, track_running_stats=a.track_running_stats
    ),
    LayerNorm: lambda a, ndim: nn.LayerNorm(a.normalized_shape, a.eps),
    RMSNorm: lambda a, ndim: nn.RMSNorm(a.normalized_shape, a.eps),
    GroupNorm: lambda a, ndim: nn.GroupNorm(a.num_groups, a.num_channels, a.eps),
    InstanceNorm: lambda a, ndim: nn.InstanceNorm2d(
        a.num_features,
        a.eps,
        a.momentum,
        bool(a.parameters()),
        a.track_running_stats,
    ),
}


def as_torch(net, ndim=2):
    """Build the same network in PyTorch: weights, statistics, modes."""
    dtype = next(iter(net.state_dict().values())).dtype
    other = _built(net, ndim).to(getattr(torch, dtype.name))
    other.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})
    for layer, module in zip(net.walk(), _walk(other), strict=True):
        module.training = layer.training
    return other


def _built(layer, ndim):
    kind = type(layer)
    if isinstance(layer, Sequential):
        container = TorchResidual if kind is Residual else nn.Sequential
        return container(*(_built(inner, ndim) for inner in layer.layers))
    if kind in TORCH_NORMS:
        return TORCH_NORMS[kind](layer, ndim)
    if kind is Linear:
        return nn.Linear(*layer.weight.T.shape, "bias" in layer.parameters())
    if kind is Conv2d:
        outputs, inputs, *size = layer.weight.shape
        bias = "bias" in layer.parameters()
        return nn.Conv2d(inputs, outputs, size, layer.stride, layer.padding, bias=bias)
    if kind is AvgPool2d:
        return nn.AvgPool2d(layer.kernel_size)
    return {R: getattr(nn, R.__name__) for R in (ReLU, Tanh, Sigmoid, Flatten)}[kind]()


def _walk(module):
    yield module
    for child in module.children():
        yield from _walk(child)


def trained(net, seed=0, steps=150, split=DIGITS, batch_size=64, lr=0.1):
    generator = np.random.default_rng(seed)
    how = {"steps": steps, "batch_size": batch_size, "generator": generator}
    train(net, SGD(net, lr=lr), split.x_train, split.y_train, **how)
    return net


def generator_of(seed):
    return np.random.default_rng([seed, 1])


def mlp_of(seed, **options):
    sizes = (64, 40, 40, 10)
    return mlp(sizes, generator=generator_of(seed), **{"norm": True, **options})


def conv_of(seed, norm=BatchNorm):
    g = generator_of(seed)
    return Sequential(
        Conv2d(1, 8, 3, padding=1, bias=False, generator=g),
        norm(8),
        ReLU(),
        Conv2d(8, 12, 3, stride=2, padding=1, bias=False, generator=g),
        norm(12),
        ReLU(),
        AvgPool2d(4),
        Flatten(),
        Linear(12, 10, generator=g),
    )


def residual_of(seed):
    g = generator_of(seed)
    blocks = [
        Residual(BatchNorm(40), ReLU(), Linear(40, 40, generator=g)) for _ in range(3)
    ]
    # The last norm would remove the stem's bias as well: the stream carries it there.
    stem = Linear(64, 40, bias=False, generator=g)
    return Sequential(stem, *blocks, BatchNorm(40), ReLU(), Linear(40, 10, generator=g))


def single_of(seed):
    how = {"dtype": np.float32, "generator": generator_of(seed)}
    layers = [
        layer
        for a, b in ((64, 40), (40, 40))
        for layer in (
            Linear(a, b, False, **how),
            BatchNorm(b, dtype=np.float32),
            ReLU(),
        )
    ]
    return Sequential(*layers, Linear(40, 10, **how))


@pytest.fixture(scope="module")
def healthy():
    return trained(mlp_of(0))


@pytest.fixture(params=["bnlearn", "torch"])
def family(request):
    return (lambda net, ndim=2: net) if request.param == "bnlearn" else as_torch


def named(report):
    return {(finding.layer, finding.kind) for finding in report}


def only(wanted, *findings):
    return set(findings) if wanted else set()


# Silent on healthy networks ----------------------------------------------------------

HEALTHY = {
    "mlp": (mlp_of, DIGITS, 2),
    "mlp, tanh": (lambda seed: mlp_of(seed, activation=Tanh), DIGITS, 2),
    "conv": (conv_of, IMAGES, 4),
    "residual": (residual_of, DIGITS, 2),
    "mlp, sigmoid": (lambda seed: mlp_of(seed, activation=Sigmoid), DIGITS, 2),
    "mlp, float32": (lambda seed: single_of(seed), SINGLE, 2),
    "layer norm, tanh": (
        lambda seed: mlp_of(seed, norm=LayerNorm, activation=Tanh),
        DIGITS,
        2,
    ),
    "instance norm": (lambda seed: conv_of(seed, InstanceNorm), IMAGES, 4),
    "group norm": (lambda seed: conv_of(seed, lambda n: GroupNorm(2, n)), IMAGES, 4),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("seed", range(4))
def test_silent_on_healthy_networks(name, seed):
    build, split, ndim = HEALTHY[name]
    net = trained(build(seed), seed, split=split)
    x, new = split.x_train, split.x_test
    data = [x[:64], new[:256], [x[i : i + 32] for i in range(0, 256, 32)]]
    for mode in (True, False):
        net.train(mode)
        for given in data:
            report = diagnose(net, given)
            assert len(report) == 0 and report.ok, str(report)
        theirs = diagnose(as_torch(net, ndim), data[-1])
        assert len(theirs) == 0 and str(theirs.layers[0].values) in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "conv", "residual"])
def test_silent_for_more_seeds_rates_and_lengths(name):
    build, split, _ = HEALTHY[name]
    for seed in range(10, 22):
        for lr, steps, size in ((0.1, 60, 64), (0.5, 100, 64), (0.05, 400, 16)):
            net = trained(build(seed), seed, steps, split, size, lr)
            for x in (split.x_train[:64], split.x_test[:16], split.x_test):
                report = diagnose(net, x)
                assert len(report) == 0, f"{seed} {lr} {steps}: {report}"


def test_silent_on_a_transformer():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    for mode in (True, False):
        report = diagnose(net.train(mode), torch.randn(6, 9, 32))
        assert len(report) == 0 and len(report.layers) == 4


@pytest.mark.parametrize("seed", range(4))
def test_norm_behind_the_rectifier_loses_units_and_no_more_is_said(seed, family):
    # Pixels are positive: a unit whose weights are mostly negative is closed for all.
    g = generator_of(seed)
    layers = [Linear(64, 40, generator=g), ReLU(), BatchNorm(40)]
    net = trained(Sequential(*layers, Linear(40, 10, generator=g)), seed)
    inputs = X @ net[0].weight.T + net[0].bias
    for x in (X, DIGITS.x_test[:256]):
        report = diagnose(family(net), x)
        # Units that rarely answer are rightly quiet.
        assert report.ok and named(report) <= {("1", "dead"), ("2", "eps")}
        for finding in report:
            if finding.kind == "dead":
                assert inputs[:, finding.channels].max() < 0.5 * inputs.std()


def test_a_new_network_gets_notes_until_it_is_used():
    net = mlp_of(0)
    report = diagnose(net, X[:64])
    assert named(report) == {("1", "never-updated"), ("4", "never-updated")}
    assert report.ok and not diagnose(net.eval(), X[:64]).ok


# Each fault, and nothing else --------------------------------------------------------

FAULTS = {}


def fault(*expected, data=X[:64], severity="warning"):
    def register(plant):
        FAULTS[plant.__name__] = (plant, set(expected), data, severity)
        return plant

    return register


@fault(("1", "mode"), severity="error")
def norm_left_in_training(net):
    net.eval()
    net[1].train()


@fault(("4", "mode"))
def norm_put_to_sleep(net):
    net[4].eval()


@fault(("4", "no-statistics"))
def no_statistics(net):
    new = BatchNorm(40, track_running_stats=False)
    new.load_state_dict(net[4].parameters())
    net.layers[4] = new


@fault(("4", "never-updated"), severity="error")
def parameters_loaded_alone(net):
    fresh = BatchNorm(40)
    fresh.load_state_dict(fresh.state_dict() | net[4].parameters())
    net.layers[4] = fresh
    net.eval()


@fault(("1", "never-updated"), severity="error")
def statistics_reset_but_counted(net):
    net[1].running_mean[...], net[1].running_var[...] = 0, 1


@fault(("1", "momentum"))
def momentum_of_keras(net):
    net[1].momentum = 0.9


@fault(("1", "momentum"))
def momentum_zero(net):
    net[1].momentum = 0.0


@fault(("4", "gamma"))
def gamma_near_zero(net):
    net[4].weight[[3, 17, 30]] = 1e-5


@fault(("4", "gamma"))
def gamma_all_zero(net):
    net[4].weight[...] = 0


@fault(("5", "dead"))
def dead_units(net):
    net[4].bias[[1, 2, 5, 8, 13]] = -30


@fault(("5", "dead"), severity="note")
def one_dead_unit(net):
    net[4].bias[7] = -30


@fault(("4", "constant"))
def constant_channels(net):
    net[3].weight[[2, 11]] = 0


@fault(("4", "eps"))
def quiet_channels(net):
    net[3].weight[[2, 11]] *= 1e-4


@fault(("4", "drift"))
def means_of_other_data(net):
    net[4].running_mean += np.sqrt(net[4].running_var)


@fault(("1", "drift"))
def variances_of_other_data(net):
    net[1].running_var *= 6


@fault(("4", "drift"))
def variances_too_small(net):
    net[4].running_var /= 6


@fault(("4", "drift"))
def a_few_variances_too_small(net):
    net[4].running_var[:7] = 1e-8


@fault(("1", "drift"))
def one_variance_too_large(net):
    net[1].running_var[5] *= 100


@fault(("4", "drift"))
def one_wrong_mean(net):
    net[4].running_mean[3] += 4 * np.sqrt(net[4].running_var[3])


@fault(("1", "unmixed"), data="one class each")
def batches_of_one_class(net):
    pass


@fault(("1", "one-value"), ("4", "one-value"), data=X[:1], severity="error")
def batch_of_one(net):
    pass


@fault(("1", "few-values"), ("4", "few-values"), data=X[:2])
def batch_of_two(net):
    pass


@fault(("4", "not-finite"), severity="error")
def variance_not_finite(net):
    net[4].running_var[2] = np.nan


@fault(("4", "not-finite"), severity="error")
def gamma_not_finite(net):
    net[4].weight[2] = np.inf


@fault(("3", "not-finite"), severity="error")
def weights_not_finite(net):
    net[3].weight[2, 5] = np.nan


@fault(("data", "not-finite"), data="a hole", severity="error")
def data_not_finite(net):
    pass


def data_of(name):
    if isinstance(name, str) and name == "a hole":
        data = X[:64].copy()
        data[3, 20] = np.nan
        return data
    if isinstance(name, str):
        rows = grouped_batches(DIGITS.y_train, 1, 64, np.random.default_rng(0))
        return [X[next(rows)] for _ in range(8)]
    return name


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_named_and_no_other(name, healthy, family):
    plant, expected, data, severity = FAULTS[name]
    net = copy.deepcopy(healthy)
    plant(net)
    report = diagnose(family(net), data_of(data))
    assert named(report) == expected, str(report)
    assert {finding.severity for finding in report} == {severity}
    assert report.ok == (severity == "note")


@pytest.mark.parametrize(
    ("key", "value"),
    [("mean", np.nan), ("mean", np.inf), ("var", np.nan), ("var", np.inf), ("var", -1)],
)
def test_impossible_running_statistics(key, value, healthy, family):
    net = copy.deepcopy(healthy)
    getattr(net[1], f"running_{key}")[2] = value
    report = diagnose(family(net), X[:64])
    finding = report.findings[0]
    assert (finding.layer, finding.kind, finding.channels) == ("1", "not-finite", (2,))
    assert [f.kind for f in report if f.layer == "1"] == ["not-finite"]


def test_findings_give_channels_and_numbers(healthy, family):
    net = copy.deepcopy(healthy)
    net[4].weight[[3, 17]] = 1e-5
    net[4].running_mean[6] += 4 * np.sqrt(net[4].running_var[6] + net[4].eps)
    net[1].momentum = 0.9
    found = {f.kind: f for f in diagnose(family(net), X[:256])}
    assert found["gamma"].channels == (3, 17)
    assert found["gamma"].message.startswith("2 of 40 channels (3, 17): |gamma|")
    assert found["drift"].channels == (6,)
    # The statistics themselves were within 0.1 of those of 256 examples.
    off = re.search(r"is ([-\d.]+) running", found["drift"].message)[1]
    assert float(off) == pytest.approx(-4, abs=0.2)
    assert "as good as 1.2 batches" in found["momentum"].message  # 1.1 / 0.9


def test_wrong_statistics_do_not_spoil_what_follows(healthy, family):
    # In evaluation everything behind the norm is wrong, but only one norm is to blame.
    net = copy.deepcopy(healthy).eval()
    net[1].running_mean += 3 * np.sqrt(net[1].running_var)
    assert named(diagnose(family(net), X[:64])) == {("1", "drift")}
    tracking = conv_of(0, lambda n: InstanceNorm(n, track_running_stats=True))
    net = trained(tracking, split=IMAGES).eval()
    assert len(diagnose(family(net, 4), IMAGES.x_train[:64])) == 0
    net[1].running_mean += 3 * np.sqrt(net[1].running_var)
    assert named(diagnose(family(net, 4), IMAGES.x_train[:64])) == {("1", "drift")}


@pytest.mark.parametrize(("factor", "said"), [(5, "0.2."), (0.2, "5.1.")])
def test_drift_says_in_which_direction(factor, said, family):
    net = one_norm(3)
    net[0].running_var *= factor
    finding = diagnose(family(net), spread_out(64, 3)).findings[0]
    # 64 examples: the unbiased variance is 64 / 63.
    assert finding.message.endswith("over running variance is " + said)


@pytest.mark.parametrize(("steps", "said"), [(28, True), (29, False)])
def test_start_that_is_nearly_forgotten(steps, said, family):
    net = mlp_of(0)  # 0.9 ** 28 = 0.052
    for _ in range(steps):
        net(10 + 30 * X[:64])
    report = diagnose(family(net), X[:256])
    assert named(report) == {("1", "drift")}
    assert ("still weigh 5%" in report.findings[0].message) == said
    net[1].num_batches_tracked[...] = 0  # loaded, so that nothing is known of the start
    assert "weigh" not in diagnose(family(net), X[:256]).findings[0].message


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 12, 16])
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("name", ["mlp", "conv"])
def test_few_examples_make_no_false_alarm(name, size, count, settled):
    net, split = settled[name], HEALTHY[name][1]
    for draw in range(10):
        rows = np.random.default_rng(draw).permutation(1297)[: size * count]
        report = diagnose(net, np.split(split.x_train[rows], count))
        few = size * count < 16 or (name == "mlp" and size <= 4)
        expected = {"few-values"} if few else set()
        assert {finding.kind for finding in report} == expected, str(report)


@pytest.fixture(scope="module")
def settled():
    return {
        name: trained(HEALTHY[name][0](0), split=HEALTHY[name][1])
        for name in ("mlp", "conv")
    }


def test_nothing_varies_or_is_finite_in_any_batch(family):
    for value, kind in ((0.5, "constant"), (np.inf, "not-finite")):
        net = Sequential(BatchNorm(3))
        report = diagnose(family(net), list(np.full((4, 16, 3), value)))
        assert {finding.kind for finding in report} == {kind, "never-updated"}
    assert report.findings[0].message == "Not all values of batch 0 are finite."
    data = [X[:9], X[9:18], data_of("a hole"), X[:9]]
    said = diagnose(family(Sequential(BatchNorm(64))), data).findings[0].message
    assert said == "Not all values of batch 2 are finite."


def test_data_of_another_contrast_are_seen(healthy, family):
    report = diagnose(family(copy.deepcopy(healthy).eval()), 0.25 * DIGITS.x_test)
    assert ("1", "drift") in named(report)


def test_constant_pixels_are_a_note_in_the_first_layer(family):
    g = generator_of(0)
    net = Sequential(BatchNorm(64), Linear(64, 10, generator=g))
    report = diagnose(family(trained(net)), X)
    assert ("0", "constant") in named(report) and report.ok
    constant = next(f for f in report if f.kind == "constant")
    assert constant.channels == tuple(np.flatnonzero(X.std(axis=0) == 0))


@pytest.mark.parametrize(
    ("norm", "size", "kind"),
    [
        (lambda: LayerNorm(1), 1, "one-value"),
        (lambda: LayerNorm(2), 2, "few-values"),
        (lambda: GroupNorm(4, 4), 4, "one-value"),
        (lambda: GroupNorm(2, 4), 4, "few-values"),
        (lambda: GroupNorm(2, 6), 6, None),
        (lambda: RMSNorm(1), 1, "one-value"),
    ],
)
def test_too_few_values_for_the_other_norms(norm, size, kind, family):
    net = Sequential(Linear(64, size, generator=generator_of(0)), norm())
    for mode in (True, False):
        report = diagnose(family(net.train(mode)), X[:64])
        assert named(report) == only(kind, ("1", kind)) and report.ok != bool(kind)


@pytest.mark.parametrize("norm", [LayerNorm, lambda n: GroupNorm(2, n), RMSNorm])
def test_eps_rules_in_the_other_norms(norm, family):
    net = Sequential(Linear(64, 8, init=1e-5, generator=generator_of(0)), norm(8))
    net[1].eps = 1e-5
    assert named(diagnose(family(net), X[:64])) == {("1", "eps")}


def test_one_example_is_enough_for_frozen_norms(healthy, family):
    net = copy.deepcopy(healthy)
    net[1].eval(), net[4].eval()
    report = diagnose(family(net), X[:1])
    compared = {(layer, "few-values") for layer in ("1", "4")}
    assert named(report) == {("1", "mode"), ("4", "mode")} | compared
    assert "not compared" in report.findings[-1].message
    for data in (X[:1], np.split(X[:8], 8)):
        report = diagnose(family(net.eval()), data)
        assert named(report) == {("1", "one-value"), ("4", "one-value")} and report.ok


def test_units_that_were_zero_are_not_called_constant(family):
    # Three units answer to no digit of this batch, though they are no more than quiet.
    g = generator_of(0)
    net = Sequential(Linear(64, 12, generator=g), ReLU(), BatchNorm(12))
    x = X[:64]
    linear = net[0]
    for unit in (1, 4, 9):
        linear.bias[unit] = -(x @ linear.weight[unit]).max() - 1e-3
    for i in range(0, 1280, 64):
        net(X[i : i + 64])
    kinds = {kind for _, kind in named(diagnose(family(net), x))}
    assert not kinds & {"constant", "dead"}


@pytest.mark.parametrize("first", [(), (Flatten(),)])
def test_pixels_that_are_rarely_inked_are_no_drift(first, family):
    # Pixel 40 is blank in nearly all images, and so in the last batches of a training.
    # Behind Flatten the norm cannot know that it is given data.
    g = generator_of(0)
    net = Sequential(*first, BatchNorm(64), Linear(64, 10, generator=g))
    for seed in range(5):
        net = trained(net, seed, steps=60)
        for x in (X, DIGITS.x_test, X[:64]):
            assert "drift" not in {f.kind for f in diagnose(family(net), x)}


def test_one_pixel_is_too_few_for_instance_norm(family):
    conv = Conv2d(1, 3, 8, bias=False, generator=generator_of(0))
    net = Sequential(conv, InstanceNorm(3, track_running_stats=True))
    report = diagnose(family(net, 4), IMAGES.x_train[:5])
    assert ("1", "one-value") in named(report) and not report.ok
    # Without running statistics there is no way on; the norm says so itself.
    with pytest.raises(ValueError, match="xpected more than"):
        diagnose(family(Sequential(conv, InstanceNorm(3)), 4), IMAGES.x_train[:5])


# Thresholds, from both sides --------------------------------------------------------


def gap_of(mean=(0, 0, 0, 0), log_ratio=(0, 0, 0, 0), error=0.0, var=1.0):
    """Four channels whose running statistics are off by known amounts."""
    z = np.zeros(4)
    reading = Reading(64, 1e-5, np.full((1, 4), var), z.astype(bool))
    found = Gap(np.array(mean), z + error, np.array(log_ratio), z + error)
    return far_off(found, [reading]).tolist()


def test_what_is_far_off():
    one, none = [True, False, False, False], [False] * 4
    # One channel of four is a quarter.
    assert gap_of([-0.51, 0, 0, 0.49]) == one
    assert gap_of([0.49, 0, 0, 0]) == none
    for sign in (1, -1):
        assert gap_of(log_ratio=[sign * np.log(2.1), 0, 0, 0]) == one
        assert gap_of(log_ratio=[sign * np.log(1.9), 0, 0, 0]) == none
    # Six standard errors.
    assert gap_of([0.95, 0, 0, 0], error=0.15) == one
    assert gap_of([0.85, 0, 0, 0], error=0.15) == none
    assert gap_of(log_ratio=[0.95, 0, 0, 0], error=0.15) == one
    assert gap_of(log_ratio=[0.85, 0, 0, 0], error=0.15) == none
    # Means of channels that eps rules are none of the norm's business.
    assert gap_of([9, 0, 0, 0], var=0.9e-5) == none
    assert gap_of([9, 0, 0, 0], var=1.1e-5) == one


def test_variances_of_closed_or_rarely_active_units_prove_nothing():
    assert gap_of(log_ratio=[-9, -9, 0, 0], var=0.0) == [False] * 4
    reading = Reading(64, 1e-5, np.ones((1, 40)), np.zeros(40, bool))
    for error, expected in ((0.32, 1), (0.34, 0)):
        log_ratio = np.where(np.arange(40) == 7, -9, 0)
        found = Gap(np.zeros(40), np.zeros(40), log_ratio, np.full(40, error))
        assert far_off(found, [reading]).sum() == expected


@pytest.mark.parametrize("seed", [2, 3])
def test_closed_units_before_a_norm_are_no_drift(seed):
    # Their running variances keep a trace of the starting value.
    g = generator_of(seed)
    layers = [Linear(64, 40, generator=g), ReLU(), BatchNorm(40)]
    layers += [Linear(40, 40, generator=g), ReLU(), BatchNorm(40)]
    net = Sequential(*layers, Linear(40, 10, generator=g))
    trained(net, seed, steps=100, lr=0.5)
    for size in (16, 64, 256):
        kinds = {f.kind for f in diagnose(net, DIGITS.x_test[:size])}
        assert "drift" not in kinds


def test_one_channel_of_many_has_to_be_further_off():
    z = np.zeros(40)
    reading = Reading(64, 1e-5, np.ones((1, 40)), z.astype(bool))
    for kind, size, expected in (
        ("m", 1.4, 0),
        ("m", 1.6, 1),
        ("v", 2.9, 0),
        ("v", 3.1, 1),
        ("v", -3.1, 1),
    ):
        value = np.where(np.arange(40) == 7, size, 0)
        found = Gap(value * (kind == "m"), z, value * (kind == "v"), z)
        assert far_off(found, [reading]).sum() == expected


def spread_out(n, channels, seed=0):
    """Values of mean 0 and variance 1 in each channel, none beyond 1.8."""
    x = np.linspace(-np.sqrt(3), np.sqrt(3), n)[:, None] + np.zeros(channels)
    x = np.random.default_rng(seed).permuted(x, axis=0)
    return x / x.std(axis=0)


def one_norm(n, norm=BatchNorm, **options):
    """A norm of standard values: its own statistics are right."""
    net = Sequential(norm(n, **options), ReLU())
    if norm is BatchNorm:
        net[0].running_mean[...] = 1e-6  # not those of a new layer
    return net


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (spread_out(15, 3), {"few-values"}),  # a note
        (spread_out(16, 3), {"drift"}),
        (np.split(spread_out(24, 3), 8), {"few-values", "drift"}),  # three each
        (np.split(spread_out(15, 3), 5), {"few-values"}),
        ([*np.split(spread_out(40, 3), 4), spread_out(3, 3)], {"few-values", "drift"}),
        ([spread_out(40, 3), np.ones((1, 3))], {"one-value", "drift"}),
        (np.split(spread_out(40, 3), 8), {"drift"}),
    ],
)
def test_examples_for_a_comparison(data, expected, family):
    net = one_norm(3)
    net[0].running_mean[...] = 100
    assert {kind for _, kind in named(diagnose(family(net), data))} == expected


@pytest.mark.parametrize(("m", "expected"), [(2, 1), (4, 1), (5, 0)])
def test_few_values_of_a_batch(m, expected, family):
    report = diagnose(family(one_norm(3)), spread_out(m, 3))
    assert named(report) == {("0", "few-values")} and report.ok != bool(expected)
    assert not expected or f"{m} values per channel" in report.findings[0].message


@pytest.mark.parametrize(("size", "count"), [(0.9e-3, 1), (1.1e-3, 0)])
def test_small_gamma(size, count, family):
    net = one_norm(3)
    net[0].weight[1] = -size
    assert named(diagnose(family(net), spread_out(64, 3))) == only(
        count, ("0", "gamma")
    )


@pytest.mark.parametrize(
    ("momentum", "said"),
    [(0.5, None), (0.01, None), (0.51, "as good as 2.9"), (-0.1, "do not follow")]
    + [(0.99, "0.99 of Keras, Flax and ONNX is 0.01 here"), (1.0, "as good as 1.0")],
)
def test_momentum_of_the_other_convention(momentum, said, family):
    report = diagnose(family(one_norm(3, momentum=momentum)), spread_out(64, 3))
    assert named(report) == only(said, ("0", "momentum"))
    assert said is None or said in report.findings[0].message
    net = Sequential(BatchNorm(3, momentum=momentum, track_running_stats=False))
    assert named(diagnose(family(net), spread_out(64, 3))) == {("0", "no-statistics")}


def test_a_new_layer_has_means_of_zero_and_variances_of_one(family):
    for key in ("running_mean", "running_var"):
        net = Sequential(BatchNorm(3))
        getattr(net[0], key)[1] += 1e-6
        assert len(diagnose(family(net.eval()), spread_out(64, 3))) == 0


@pytest.mark.parametrize(
    ("n", "beta", "dead", "severity"),
    [
        (32, -4.1, 1, "note"),
        (31, -4.1, 1, None),
        (32, -3.9, 1, None),
        (32, -4.1, 2, "warning"),
    ],
)
def test_dead_units(n, beta, dead, severity, family):
    net = one_norm(20)
    net[0].bias[:dead] = beta
    report = diagnose(family(net), spread_out(n, 20))
    assert [finding.severity for finding in report] == [severity] * bool(severity)
    assert named(report) <= {("1", "dead")}


def test_dead_units_are_dead_in_all_batches(family):
    net = Sequential(Linear(20, 20, generator=generator_of(0)), ReLU())
    net[0].weight[...] = np.eye(20)
    x = spread_out(64, 20)
    x[:32, :5] -= 100  # in the second batch these units are awake
    assert len(diagnose(family(net), [x[:32], x[32:]])) == 0
    assert named(diagnose(family(net), x[:32])) == {("1", "dead")}
    # Two batches of 16 are enough together.
    assert named(diagnose(family(net), np.split(x[:32], 2))) == {("1", "dead")}
    x[3, :5] = 1  # one example wakes them
    assert len(diagnose(family(net), x[:32])) == 0


@pytest.mark.parametrize(("var", "count"), [(0.9, 1), (1.1, 0)])
def test_variance_against_eps(var, count, family):
    net = one_norm(4)
    x = spread_out(64, 4)
    x[:, 2] *= np.sqrt(var * 1e-5)
    net[0].running_var[2] = var * 1e-5
    # Behind another layer: channels of the data themselves are a note.
    net = Sequential(Linear(4, 4, bias=False), net[0])
    net[0].weight[...] = np.eye(4)
    report = diagnose(family(net), x)
    assert named(report) == only(count, ("1", "eps"))
    assert not count or (report.findings[0].channels == (2,) and not report.ok)
    assert not count or "comes out as 0.69" in report.findings[0].message  # .9 / 1.9
    loud = x.copy()
    loud[:, 2] *= 1000
    kinds = {f.kind for f in diagnose(family(net), [x, loud])}
    assert "eps" not in kinds


@pytest.mark.parametrize(("quiet", "kinds"), [(31, set()), (32, {"eps"})])
def test_half_of_the_examples_make_it_for_the_other_norms(quiet, kinds, family):
    net = Sequential(Linear(8, 8, bias=False), LayerNorm(8))
    net[0].weight[...] = np.eye(8)
    x = spread_out(64, 8)
    x[:quiet] *= 1e-4
    assert {kind for _, kind in named(diagnose(family(net), x))} == kinds


@pytest.mark.parametrize(("count", "severity"), [(1, "note"), (2, "warning")])
def test_rarely_active_units_are_a_note(count, severity, family):
    net = Sequential(Linear(20, 20, bias=False), ReLU(), BatchNorm(20))
    net[0].weight[...] = np.eye(20)
    net[0].weight[:count] *= 1e-3
    x = spread_out(64, 20)
    for _ in range(200):
        net(x)
    report = diagnose(family(net), x)
    assert named(report) == {("2", "eps")}
    assert report.findings[0].severity == severity


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("side", [-1, 1])
def test_scatter_of_batches_that_are_not_mixed(count, side, family):
    # Batches of 16 whose means scatter exactly as wanted, and their spread as well.
    bound = 1 + 5 * np.sqrt(2 / (count - 1))
    places = np.linspace(-1, 1, count) / np.linspace(-1, 1, count).std(ddof=1)
    step = np.sqrt((bound + 0.1 * side) / 15)  # within: n / (n - 1) / n
    parts = [spread_out(16, 3, i) + step * place for i, place in enumerate(places)]
    report = diagnose(family(one_norm(3)), parts)
    assert named(report) == ({("0", "unmixed")} if side > 0 else set())
    # Batches of less than eight say too little.
    one_more = [*parts, parts[0][:1]]
    found = named(diagnose(family(one_norm(3)), one_more, max_batches=9))
    assert (("0", "unmixed") in found) == (side > 0)
    short = [part[:7] + 50 * i for i, part in enumerate(parts)]
    assert "unmixed" not in {
        kind for _, kind in named(diagnose(family(one_norm(3)), short))
    }


# A bias before a norm ----------------------------------------------------------------


def biased(norm, seed=0, between=()):
    g = generator_of(seed)
    first = Linear(64, 12, generator=g)
    return Sequential(first, *between, norm, Tanh(), Linear(12, 10, generator=g))


def test_dead_bias_is_a_note(family):
    report = diagnose(family(trained(biased(BatchNorm(12)))), X[:64])
    assert named(report) == {("1", "bias")} and report.ok
    assert "layer 0" in report.findings[0].message


def test_bias_that_lives_is_none(family):
    for norm, between in (
        (BatchNorm(12), (Tanh(),)),
        (LayerNorm(12), ()),
        (GroupNorm(3, 12), ()),
    ):
        net = trained(biased(norm, between=between))
        assert len(diagnose(family(net), X[:64])) == 0


def test_bias_that_also_feeds_a_shortcut_lives(family):
    # Both go straight into a norm. The first also reaches the output past it.
    g = generator_of(0)
    block = Residual(BatchNorm(12), Linear(12, 12, generator=g), BatchNorm(12), Tanh())
    net = Sequential(Linear(64, 12, generator=g), block, Linear(12, 10, generator=g))
    report = diagnose(family(trained(net)), X[:64])
    assert named(report) == {("1.2", "bias")}


def test_bias_of_a_convolution(family):
    g = generator_of(0)
    norm = InstanceNorm(3)
    net = Sequential(Conv2d(1, 3, 3, generator=g), norm, Flatten())
    assert named(diagnose(family(net, 4), IMAGES.x_train[:9])) == {("1", "bias")}


# What only PyTorch has ---------------------------------------------------------------


class Functional(nn.Module):
    """Rectifiers as functions, in place, and more than one result."""

    def __init__(self, call):
        super().__init__()
        self.call = call
        self.first, self.norm = nn.Linear(64, 40, bias=False), nn.BatchNorm1d(40)
        self.last = nn.Linear(40, 10)

    def forward(self, x):
        hidden = self.call(self.norm(self.first(x)))
        return {"scores": [self.last(hidden)], "hidden": hidden, "count": 3}


def warmed(net, x=None, batches=50):
    """Let the running statistics of a module settle."""
    with torch.no_grad():
        for rows in np.array_split(np.arange(1250), batches):
            net(torch.tensor(X[rows]).float() if x is None else x[rows])
    return net


@pytest.mark.parametrize(
    "call",
    [torch.relu, torch.relu_, nn.functional.relu, torch.Tensor.relu_]
    + [lambda x: nn.functional.relu(x, inplace=True), nn.ReLU(inplace=True)],
)
def test_rectifiers_called_as_functions(call):
    torch.manual_seed(0)
    net = warmed(Functional(call))
    x = torch.tensor(X[:64]).float()
    assert len(diagnose(net, x)) == 0
    with torch.no_grad():
        net.norm.bias[3] = -30
    report = diagnose(net, x)
    where = "call" if isinstance(call, nn.Module) else "relu after norm"
    assert named(report) == {(where, "dead")}
    assert report.findings[0].channels == (3,)


def test_bias_changed_in_place_before_the_norm_lives():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 20), nn.ReLU(inplace=True), nn.BatchNorm1d(20))
    assert not [f for f in diagnose(warmed(net), X[:64]) if f.kind == "bias"]


class Branches(nn.Module):
    """A bias that goes into a norm, and what else `join` makes of it."""

    def __init__(self, join):
        super().__init__()
        self.join = join
        self.linear, self.norm = nn.Linear(64, 20), nn.BatchNorm1d(20)

    def forward(self, x):
        h = self.linear(x)
        return self.join(h, self.norm(h))


@pytest.mark.parametrize(
    ("join", "count"),
    [
        (lambda h, y: y, 1),
        (lambda h, y: y + 0.5 * h / h.std(), 0),  # a weak way round the norm
        (lambda h, y: {"a": [y], "b": h - h.mean()}, 0),
        (lambda h, y: SimpleNamespace(y=y), 0),  # no tensor can be seen
    ],
)
def test_bias_lives_if_any_output_feels_it(join, count):
    torch.manual_seed(0)
    net = warmed(Branches(join))
    for data in (X[:64], torch.tensor(X[:64])):  # both are float64, the network is not
        assert named(diagnose(net, data)) == only(count, ("norm", "bias"))


def test_bias_in_a_container_of_its_own():
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Linear(64, 20))
    net = warmed(nn.Sequential(linear, nn.BatchNorm1d(20)))
    assert named(diagnose(net, X[:64])) == {("1", "bias")}


def test_rectifiers_of_numbers_and_those_used_twice():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(x.mean(dim=1)), self.relu(x), self.relu(x - 9)

    report = diagnose(Reused(), spread_out(64, 3))
    assert named(report) == {("relu (call 3)", "dead")}


class Drop(Tanh):
    """Inverted dropout of a half, in training only."""

    def forward(self, x):
        keep = np.random.default_rng(len(x)).random(x.shape) < 0.5
        return x * keep * 2 if self.training else x


@pytest.mark.parametrize("kind", ["bnlearn", "torch"])
def test_dropout_before_a_norm(kind):
    # (v + mu^2) / p - mu^2 in training against v in evaluation (Li et al. 2019).
    if kind == "bnlearn":
        g = generator_of(0)
        net = Sequential(Linear(64, 40, generator=g), Tanh(), Drop(), BatchNorm(40))
        for rows in np.array_split(np.arange(1250), 50):
            net(X[rows])
    else:
        torch.manual_seed(0)
        linear = nn.Linear(64, 40)
        nn.init.kaiming_normal_(linear.weight)
        net = nn.Sequential(linear, nn.Tanh(), nn.Dropout(0.5), nn.BatchNorm1d(40))
        warmed(net)
    about = {f.kind for f in diagnose(net.train(), X[:256]) if f.layer == "3"}
    assert about == set()
    about = {f.kind for f in diagnose(net.eval(), X[:256]) if f.layer == "3"}
    assert about == {"dropout"}


def test_frozen_parameters_with_moving_statistics():
    net = warmed(nn.Sequential(nn.Linear(64, 20, bias=False), nn.BatchNorm1d(20)))
    net[1].requires_grad_(False)
    report = diagnose(net, X[:64])
    assert named(report) == {("1", "mode")} and not report.ok
    assert len(diagnose(net.eval(), X[:64])) == 0


def test_model_that_refuses_training_mode_is_still_looked_at():
    class Picky(nn.Linear):
        def forward(self, x):
            if self.training:
                raise RuntimeError("targets, please")
            return super().forward(x)

    net = nn.Sequential(Picky(64, 20, bias=False), nn.BatchNorm1d(20)).eval()
    net[1].running_mean += 100
    assert named(diagnose(net, X[:64])) == {("1", "drift")}


def test_of_a_norm_that_is_called_twice_the_first_call_counts():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            return self.norm(x), self.norm(5 * x + 10)

    net = Twice()
    net.norm.running_mean += 1e-6
    assert len(diagnose(net, spread_out(64, 3))) == 0


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_norms_of_every_dimension(dimensions):
    torch.manual_seed(0)
    batch = getattr(nn, f"BatchNorm{dimensions}d")(4, momentum=0.9)
    instance = getattr(nn, f"InstanceNorm{dimensions}d")(4, track_running_stats=True)
    x = torch.randn(32, 4, *(5, 4, 3)[:dimensions])
    net = nn.Sequential(batch, instance)
    for _ in range(60):
        net(x)
    report = diagnose(net, x)
    assert named(report) == {("0", "momentum")}
    m = int(np.prod((5, 4, 3)[:dimensions]))
    assert [layer.values for layer in report.layers] == [32 * m, m]


def test_an_example_without_a_batch_axis_is_passed_over():
    net = nn.Sequential(nn.InstanceNorm1d(5, track_running_stats=True)).eval()
    net[0].running_mean += 1
    report = diagnose(net, torch.randn(5, 30))
    assert len(report) == 0 and report.layers[0].values is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision(dtype):
    torch.manual_seed(0)
    net = warmed(nn.Sequential(nn.Linear(64, 20), nn.BatchNorm1d(20), nn.ReLU()))
    net = net.to(dtype)
    assert named(diagnose(net, X[:64])) == {("1", "bias")}
    assert named(diagnose(net, torch.tensor(X[:64]).to(dtype))) == {("1", "bias")}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own
def test_compiled_modules_are_looked_into():
    net = warmed(nn.Sequential(nn.Linear(64, 20, bias=False), nn.BatchNorm1d(20)))
    net[1].momentum = 0.9
    assert named(diagnose(torch.compile(net), X[:64])) == {("1", "momentum")}


def test_a_single_layer_is_a_model_too():
    for norm in (nn.BatchNorm1d(64), BatchNorm(64)):
        assert ("(model)", "never-updated") in named(diagnose(norm, X[:32]))


# Judgement --------------------------------------------------------------------------


def small_net(steps=100, **options):
    """A network of PyTorch with one norm, and random data for it."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(20, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4)
    )
    for _ in range(steps):
        net(torch.randn(64, 20))
    return net, torch.randn(256, 20)


def test_a_frozen_backbone_is_a_note():
    net, x = small_net()
    net[1].eval()
    assert not diagnose(net, x).ok
    net[1].requires_grad_(False)
    report = diagnose(net, x)
    assert named(report) == {("1", "mode")} and report.ok


def test_a_wrapper_is_in_the_mode_of_what_it_wraps(healthy):
    net, x = small_net()
    for wrapped in (nn.DataParallel(net.eval()), nn.Sequential(net, nn.Softmax(1))):
        report = diagnose(wrapped, x)
        assert wrapped.training and not report.training and len(report) == 0
    ours = Sequential(copy.deepcopy(healthy).eval())
    assert ours.training and len(diagnose(ours, X[:64])) == 0
    # A head that is trained on a network at rest is another matter.
    headed = nn.Sequential(net, nn.Linear(4, 2))
    assert diagnose(headed, x).training


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_starting_values_are_a_note_while_training(steps):
    net, x = small_net(steps)
    report = diagnose(net, x)
    assert named(report) == {("1", "drift")} and report.ok
    assert "still weigh" in report.findings[0].message
    assert not diagnose(net.eval(), x).ok
    net.train()[1].running_mean += 3  # they do not explain this
    assert not diagnose(net, x).ok


def test_a_norm_that_is_not_called_is_a_note():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.other = nn.Linear(20, 8), nn.BatchNorm1d(8)

        def forward(self, x):
            return self.first(x)

    report = diagnose(Unused().eval(), torch.randn(64, 20))
    assert named(report) == {("other", "never-updated")} and report.ok
    assert "not called by these data" in report.findings[0].message


def test_gamma_of_zero_is_harmless_only_beside_a_shortcut(family):
    g = generator_of(0)
    net = residual_of(0)
    for block in net.layers[1:4]:
        block.layers.append(BatchNorm(40))
        block[-1].weight[...] = 0
    net = trained(net, steps=1)
    for block in net.layers[1:4]:
        block[-1].weight[...] = 0
    gammas = [f for f in diagnose(family(net), X[:64]) if f.kind == "gamma"]
    assert [finding.severity for finding in gammas] == ["note"] * 3
    plain = Sequential(Linear(64, 9, generator=g), BatchNorm(9), Linear(9, 3))
    plain[1].weight[...] = 0
    assert not diagnose(family(plain), X[:64]).ok


def test_outputs_may_have_any_shape():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.norm(x)
            return [y, y[:0], y[:, 0] > 0, y.sum(), y[0, 0, 0], len(y), y + 0j]

    net = Odd()
    with torch.no_grad():
        net.norm.weight.zero_()
    x = torch.randn(20, 2, 5, 4)
    for data in (x, [x, x[..., :3], x[:9]], x[:1]):
        found = [f.severity for f in diagnose(net, data) if f.kind == "gamma"]
        assert found == ["warning"]


def test_findings_follow_the_order_of_the_calls(healthy, family):
    net = copy.deepcopy(healthy)
    net[1].bias[:8] = -30
    net[4].momentum = net[1].momentum = 0.9
    layers = [f.layer for f in diagnose(family(net), X[:64]) if f.severity == "warning"]
    assert layers == ["1", "2", "4"]


@pytest.mark.parametrize("shape", [(64, 20), (32, 7, 20), (8, 5, 3, 20)])
@pytest.mark.parametrize("kind", ["bnlearn", "torch"])
def test_dead_units_on_the_last_axis(shape, kind):
    x = np.random.default_rng(0).standard_normal(shape)
    net = Sequential(LayerNorm(20), Linear(20, 32, generator=generator_of(0)), ReLU())
    net[1].bias[:16] = -100
    found = [*diagnose(as_torch(net) if kind == "torch" else net, x)]
    assert [(f.layer, f.channels) for f in found] == [("2", tuple(range(16)))]


def test_dead_units_of_a_transformer():
    torch.manual_seed(0)
    net = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    with torch.no_grad():
        net.linear1.bias[:16] = -100
    found = [*diagnose(net, torch.randn(6, 9, 32))]
    assert [(f.layer, len(f.channels)) for f in found] == [("relu after linear1", 16)]


@pytest.mark.parametrize(
    ("call", "layer"),
    [
        (nn.ReLU6(), "call"),
        (nn.functional.relu6, "relu6 after norm"),
        (
            lambda x: torch.relu(x) + torch.relu(-abs(x) - 30),
            "relu after norm (call 2)",
        ),
    ],
)
def test_rectifiers_have_names(call, layer):
    torch.manual_seed(0)
    net = warmed(Functional(call))
    if "call 2" not in layer:
        with torch.no_grad():
            net.norm.bias[:9] = -30
    report = diagnose(net, X[:64])
    assert named(report) == {(layer, "dead")}
    assert "or weights and bias" in report.findings[0].advice


# Nothing is changed ------------------------------------------------------------------


def everything(net):
    """All that a network holds, by value, and who its parts are."""
    if isinstance(net, nn.Module):
        named_tensors = [*net.named_parameters(), *net.named_buffers()]
        return [
            [(name, id(t), t._version, t.numpy(force=True).tobytes(), t.grad is None)
             for name, t in named_tensors],
            [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks),
              sorted(vars(m))) for m in net.modules()],
            torch.get_rng_state().numpy().tobytes(),
        ]  # fmt: skip
    return [
        [(layer.training, sorted(vars(layer)), id(layer.forward.__func__))
         for layer in net.walk()],
        [(key, id(value), value.tobytes()) for key, value in net._state().items()],
        [(key, id(value)) for key, value in net.gradients().items()],
    ]  # fmt: skip


def surroundings():
    return str(np.geterr())


class Noisy(nn.Module):
    """Draws, changes itself and its input, and may raise."""

    def __init__(self, fails=False):
        super().__init__()
        self.fails, self.calls = fails, 0

    def forward(self, x):
        self.calls += 1
        torch.rand(1)
        if self.fails:
            raise RuntimeError("not today")
        return x.mul_(2)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_nothing_is_changed_in_torch(mode, fails):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 20), nn.BatchNorm1d(20), nn.Dropout(0.5))
    net.extend([Noisy(fails), nn.Embedding(3, 2), nn.InstanceNorm1d(20)][:1])
    net[0].register_forward_hook(lambda *args: None)
    net.train(mode)
    if not fails:
        net(torch.rand(8, 64)).sum().backward()
    x = torch.rand(8, 64)
    before, outside, data = everything(net), surroundings(), x.clone()
    for _ in range(2):
        if fails:
            with pytest.raises(RuntimeError, match="not today") as caught:
                diagnose(net, x)
            assert "batch 0" in caught.value.__notes__[0]
        else:
            diagnose(net, x)
    assert everything(net) == before and surroundings() == outside
    assert torch.equal(x, data) and x._version == 0
    assert net[3].calls == (0 if fails else 1)


@pytest.mark.parametrize("mode", [True, False])
def test_nothing_is_changed_in_ours(healthy, mode):
    class Failing(ReLU):
        def forward(self, x):
            raise RuntimeError("not today")

    net = copy.deepcopy(healthy).train(mode)
    for last in (Tanh(), Failing()):
        net.layers[-2] = last.train(mode)
        before, outside = everything(net), surroundings()
        if isinstance(last, Failing):
            with pytest.raises(RuntimeError, match="not today"):
                diagnose(net, X[:64])
        else:
            diagnose(net, X[:64])
        assert everything(net) == before and surroundings() == outside


def test_data_are_not_changed_by_a_network_that_does():
    x = torch.rand(64, 20) - 0.5
    before = x.clone()
    diagnose(nn.Sequential(nn.ReLU(inplace=True), nn.BatchNorm1d(20)), x)
    assert torch.equal(x, before)


def test_a_backward_pass_may_wait_meanwhile(healthy):
    ours, dout = copy.deepcopy(healthy), np.ones((64, 10))
    theirs = as_torch(ours)
    y = theirs(torch.tensor(X[:64]))
    ours(X[:64])
    expected = copy.deepcopy(ours).backward(dout)
    diagnose(ours, X[64:128]), diagnose(theirs, X[64:128])
    np.testing.assert_array_equal(ours.backward(dout), expected)
    y.sum().backward()
    expected, actual = ours.gradients()["1.weight"], theirs[1].weight.grad
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-10)


def test_dropout_draws_alike_in_all_passes():
    # Otherwise outputs would differ for another reason than the bias.
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 20), nn.BatchNorm1d(20), nn.Dropout(0.5))
    assert named(diagnose(warmed(net), X[:64])) == {("1", "bias")}


# Data --------------------------------------------------------------------------------


def test_data_may_come_in_many_ways(healthy, family):
    net = family(copy.deepcopy(healthy))
    parts = [X[i : i + 32] for i in range(0, 640, 32)]
    expected = str(diagnose(net, parts[:8]))
    given = [
        (part for part in parts),
        [(part, np.zeros(32, int)) for part in parts],
        [[part, None] for part in parts],
        tuple(parts[:8]),
    ]
    for data in given:
        assert str(diagnose(net, data)) == expected
    assert len(list(diagnose(net, parts, max_batches=3).batches)) == 3


def test_an_endless_iterator_is_left_where_it_was_needed(healthy):
    def endless():
        while True:
            yield X[:32]
            counted.append(1)

    counted = []
    diagnose(healthy, endless(), max_batches=2)
    assert len(counted) == 1


def test_loaders(healthy):
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.zeros(len(X)))
    loader = torch.utils.data.DataLoader(data, 64, shuffle=True)
    net, state = as_torch(healthy), torch.get_rng_state()
    report = diagnose(net, loader)
    assert report.batches == (64,) * 8 and len(report) == 0
    assert torch.equal(state, torch.get_rng_state())
    assert len(diagnose(healthy, loader)) == 0  # tensors for our networks, too


def test_integers_for_an_embedding():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(10, 16), nn.LayerNorm(16))
    assert len(diagnose(net, np.arange(20).reshape(4, 5) % 10)) == 0


@pytest.mark.parametrize(
    ("model", "data", "error", "words"),
    [
        (3, X, TypeError, "bnlearn Layer or a torch.nn.Module, got int"),
        (torch.zeros(3), X, TypeError, "got Tensor"),
        (Sequential, X, TypeError, "got type"),
        (None, None, TypeError, "an iterable of batches, got NoneType"),
        (None, 3.0, TypeError, "got float"),
        (None, [], ValueError, "at least one batch, .* got shapes"),
        (None, [3.0], TypeError, "batch 0 to be an array, a tensor or"),
        (None, ["text"], TypeError, "got str"),
        (None, [[1.0, 2.0]], TypeError, "batch 0 .* got list"),
        (None, X[:0], ValueError, r"batch 0 to hold examples, got shape \(0, 64\)"),
        (None, np.float64(1), ValueError, r"got shape \(\)"),
        (None, (X[:64], DIGITS.y_train[:64]), ValueError, "give the batch alone"),
        (None, X[:64, :3], ValueError, "last axis of 64"),
        (None, {"x": X[:64]}, TypeError, "got dict; one array or tensor per batch"),
        (None, [{"x": X[:64]}], TypeError, "batch 0 .* got dict; one array or tensor"),
        (None, [((X[:64], X[:64]), 0)], TypeError, "got tuple; .* of several inputs"),
        (None, (X[:64], X[:64, :1]), ValueError, r"two batches .* or \[\(x, y\)\]"),
        (None, [X[:64], X[:64].astype(int)], ValueError, "two batches .* got float64"),
    ],
)
def test_bad_input(healthy, model, data, error, words):
    with pytest.raises(error, match=words):
        diagnose(healthy if model is None else model, data)


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (BatchNorm(3), (64, 4)),
        (BatchNorm(3), (64,)),
        (GroupNorm(2, 4), (64, 5)),
        (LayerNorm((8, 8)), (64, 8)),
    ],
)
def test_norms_complain_themselves(norm, shape, family):
    own = (
        "(BatchNorm|batch_norm|GroupNorm|LayerNorm|layer_norm|channels|elements|shape)"
    )
    with pytest.raises((ValueError, RuntimeError), match=own) as caught:
        diagnose(family(norm), np.ones(shape))
    assert "read" not in [entry.name for entry in caught.traceback]


def test_bad_input_to_torch(healthy):
    net = as_torch(healthy)
    with pytest.raises(RuntimeError) as caught:
        diagnose(net, X[:64, :3])
    assert "(64, 3)" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match="max_batches of at least 1, got 0"):
        diagnose(net, X, max_batches=0)


@pytest.mark.parametrize("most", [2.5, "3", None])
def test_number_of_batches_is_an_integer(healthy, most):
    with pytest.raises(ValueError, match="integer max_batches of at least 1, got"):
        diagnose(healthy, X, max_batches=most)


def keeping(value):
    net = nn.Sequential(nn.Linear(64, 5))
    if value is not None:
        net.kept = value
    return net


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, of scripts
@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (lambda: keeping(threading.Lock()), TypeError, "cannot be copied .* a lock"),
        (lambda: keeping(nn.Linear(3, 2)(torch.ones(1, 3))), TypeError, "its graph"),
        (lambda: torch.jit.script(keeping(None)), TypeError, "got scripted ones"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), ValueError, "got lazy modules"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_models_that_cannot_be_looked_into(model, error, words):
    with pytest.raises(error, match=f"(?s)^diagnose: .*{words}") as caught:
        diagnose(model(), X[:64])
    assert not hasattr(caught.value, "__notes__")


def test_data_that_do_not_fit_the_model():
    with pytest.raises(TypeError, match=r"^diagnose: .* batch 0 .* \(4, 64\)"):
        diagnose(keeping(None), X[:4].astype(str))
    with pytest.raises(RuntimeError) as caught:
        diagnose(keeping(None), [X[:64], X[:64, :1], X[:64]])
    assert "batch 1, of shape (64, 1)" in caught.value.__notes__[0]
    assert "[(x, y)]" in caught.value.__notes__[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_tensors_with_a_dtype_or_a_graph_of_their_own(healthy, dtype, family):
    x = torch.tensor(X[:64]).to(dtype).requires_grad_()
    assert diagnose(family(healthy), x).ok


def test_error_behind_a_norm_with_one_value_is_not_swallowed():
    g = generator_of(0)
    net = Sequential(Linear(64, 5, generator=g), BatchNorm(5), Linear(7, 3))
    with pytest.raises(ValueError, match="last axis of 7"):
        diagnose(net, X[:1])


# The arithmetic ----------------------------------------------------------------------

NORM = {"name": "a", "type": "b", "training": True, "eps": 1e-5}


def test_readings_against_numpy():
    x = np.random.default_rng(0).standard_normal((6, 4, 5, 3)) * 3 + 2
    cases = {
        "batch": (x.var(axis=(0, 2, 3))[None], 90, {}),
        "instance": (x.var(axis=(2, 3)), 15, {}),
        "group": (x.reshape(6, 2, -1).var(axis=2), 30, {"groups": 2}),
        "layer": (x.var(axis=(2, 3)).reshape(24, 1), 15, {"trailing": 2}),
        "rms": ((x**2).mean(axis=3).reshape(120, 1), 3, {"trailing": 1}),
    }
    for kind, (var, m, options) in cases.items():
        reading = read(NormState(kind=kind, **NORM, **options), x)
        np.testing.assert_allclose(reading.var, var, rtol=1e-12)
        assert reading.values == m
    # What one update with momentum 1 puts into a layer's running statistics.
    for layer, kind in (
        (BatchNorm(4, momentum=1), "batch"),
        (InstanceNorm(4, momentum=1, track_running_stats=True), "instance"),
    ):
        layer(x)
        reading = read(NormState(kind=kind, **NORM), x)
        mean, var = reading.means.mean(axis=0), reading.squares.mean(axis=0)
        np.testing.assert_allclose(mean, layer.running_mean, rtol=1e-12)
        np.testing.assert_allclose(var, layer.running_var, rtol=1e-12)


def test_rounding_is_constant_and_a_small_spread_is_not():
    x = np.full((64, 2), 1000, np.float32)
    x[::2] += np.spacing(np.float32(1000))
    x[::2, 1] += 0.1
    state = NormState(kind="batch", **NORM)
    assert read(state, x).constant.tolist() == [[True, False]]
    assert not read(state, x.astype(np.float64)).constant.any()


def test_batches_that_are_alike_add_no_scatter():
    x = spread_out(24, 3)
    state = NormState(
        kind="batch",
        running_mean=np.zeros(3),
        running_var=np.ones(3),
        momentum=0.1,
        **NORM,
    )
    error = gap(state, [read(state, x)] * 4).mean_error
    # Four batches of 24; running statistics as good as 19 batches.
    expected = np.sqrt((1 / 4 + 0.1 / 1.9) / 24 * 96 / 95 / (1 + 1e-5))
    np.testing.assert_allclose(error, expected, rtol=1e-12)


@pytest.mark.parametrize("count", [1, 6])
def test_errors_are_those_of_repetitions(count):
    # Images whose pixels are alike, so that they count less than their number says,
    # and a running mean of many batches of the same kind.
    generator, n, repetitions, momentum = np.random.default_rng(0), 24, 3000, 0.1
    shape = (repetitions, 50 + count, n, 1)
    images = generator.standard_normal((*shape, 1)) + np.zeros(4)
    images += generator.standard_normal((*shape, 4))
    weights = momentum * (1 - momentum) ** np.arange(50)[::-1]
    running_mean = np.tensordot(images[:, :50].mean(axis=(2, 3, 4)), weights, (1, 0))
    found = []
    for repetition in range(repetitions):
        state = NormState(
            kind="batch",
            running_mean=running_mean[repetition, None],
            running_var=np.array([2.0]),
            momentum=momentum,
            **NORM,
        )
        parts = images[repetition, 50:]
        found.append(gap(state, [read(state, part) for part in parts]))
    scatter = np.std([g.mean for g in found])
    typical = np.sqrt(np.mean([g.mean_error**2 for g in found]))
    # With several batches the larger of two estimates is taken, on purpose.
    assert 0.95 < typical / scatter < (1.05 if count == 1 else 1.35)
    scatter = np.std([np.exp(g.log_ratio) for g in found])
    typical = np.sqrt(
        np.mean([(np.exp(g.log_ratio) * g.log_ratio_error) ** 2 for g in found])
    )
    assert typical / scatter < 1.5  # the running variance was taken as exact here
    if count == 1:
        assert typical / scatter > 0.9


# What is shown -----------------------------------------------------------------------


def test_report_reads_well(healthy):
    net = copy.deepcopy(healthy)
    net[4].eval()
    net[1].momentum = net[4].momentum = 0.9
    report = diagnose(net, X[:64])
    text = str(report)
    assert text.startswith(
        "2 norms, network in training mode, 1 batch of 64: 3 warnings"
    )
    assert "warning  1, 4: momentum. 0.9 is the weight" in text  # said once for both
    assert "See chapter 05, 'Two conventions for one word'." in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 88 and repr(report) == text
    header, *rows = text.splitlines()[2:5]
    assert header.split()[:4] == ["layer", "norm", "mode", "values"]
    assert [row.split()[:4] for row in rows] == [
        ["1", "BatchNorm", "train", "64"],
        ["4", "BatchNorm", "eval", "64"],
    ]
    assert len(report) == len(list(report)) == 3
    assert all(isinstance(finding, Finding) for finding in report)
    with pytest.raises(TypeError, match=r"report\.ok"):
        bool(report)


def test_worst_comes_first(healthy):
    net = copy.deepcopy(healthy)
    net[1].momentum, net[4].running_var[0] = 0.9, np.nan
    net[4].bias[7] = -30
    severities = [finding.severity for finding in diagnose(net, X[:64])]
    assert severities == ["error", "warning", "note"]


def test_network_without_norms():
    net = trained(mlp_of(0, norm=False, activation=Tanh))
    report = diagnose(net, X[:64])
    assert str(report) == (
        "0 norms, network in training mode, 1 batch of 64: nothing to report"
    )
    assert isinstance(report, Report) and report.ok


def test_sections_exist(root):
    for _, section in KINDS.values():
        page = (root / "book" / f"{section.page}.md").read_text(encoding="utf-8")
        assert f"\n## {section.heading}\n" in page, section


def test_the_page_to_print_names_every_kind(root):
    page = (root / "book" / "07_training_in_practice.md").read_text(encoding="utf-8")
    table = page.partition("`diagnose` says |\n|---|---|---|---|\n")[2].partition(
        "\n\n"
    )[0]
    said = {
        kind
        for row in table.splitlines()
        for kind in row.split("|")[4].split("`")[1::2]
    }
    assert said == set(KINDS)


def test_advice_is_one_sentence_and_every_finding_has_it(healthy):
    for advice, _ in KINDS.values():
        assert re.fullmatch(r"[A-Z](?:[^.]|\d\.\d)*\.", advice), advice
    finding = diagnose(healthy, X[:2]).findings[0]
    assert (finding.advice, finding.section) == KINDS["few-values"]


def test_every_kind_is_planted():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


# Imports -----------------------------------------------------------------------------


LAZY = """
import sys
import numpy as np
import bnlearn

def loaded():
    parts = "bnlearn.layers", "bnlearn.diagnostics", "bnlearn.exercises", "torch"
    return [name for name in parts if name in sys.modules]

print(loaded())
from bnlearn.layers import mlp
bnlearn.diagnose(mlp((3, 4, 2), norm=True), np.random.default_rng(0).random((9, 3)))
print("torch" in loaded(), hasattr(bnlearn, "nothing"))
"""


def test_diagnose_is_loaded_when_asked_for_and_torch_never_for_our_networks():
    shown = subprocess.check_output([sys.executable, "-c", LAZY], text=True)
    assert shown.splitlines() == ["[]", "False False"]
