"""PyTorch as a judge: the samples of its own tests, run on ours in float64.

OpInfo samples are arguments of functions: those of `bnlearn.norms` get them. ModuleInfo
samples are arguments of a module and its input: those of `bnlearn.layers` get them, and
PyTorch's state, drawn at random. Values, gradients and running statistics must agree.
What PyTorch refuses must be refused.
"""

import functools
import inspect
import math
import re

import numpy as np
import pytest
import torch

from bnlearn import checks, layers, norms
from bnlearn.layers import norm
from tests import judges
from tests.test_mutants import mutate

# How many samples and error inputs PyTorch 2.13 has; a suite that shrinks fails.
OPS = {
    "nn.functional.batch_norm": (12, 0),
    "nn.functional.batch_norm without_cudnn": (12, 0),
    "nn.functional.group_norm": (33, 2),
    "nn.functional.instance_norm": (9, 0),
    "nn.functional.layer_norm": (6, 0),
    "nn.functional.rms_norm": (6, 3),
    "native_batch_norm": (10, 0),
    "native_group_norm": (33, 0),
    "native_layer_norm": (20, 4),
}
MODULES = {
    "nn.BatchNorm1d": (layers.BatchNorm, 16, 4),
    "nn.BatchNorm2d": (layers.BatchNorm, 14, 4),
    "nn.BatchNorm3d": (layers.BatchNorm, 14, 4),
    "nn.GroupNorm": (layers.GroupNorm, 20, 4),
    "nn.InstanceNorm1d": (layers.InstanceNorm, 12, 0),
    "nn.InstanceNorm2d": (layers.InstanceNorm, 12, 0),
    "nn.InstanceNorm3d": (layers.InstanceNorm, 12, 0),
    "nn.LayerNorm": (layers.LayerNorm, 14, 0),
    "nn.RMSNorm": (layers.RMSNorm, 12, 0),
}
# What is called like one of the five norms and is not judged.
LEFT_OUT = {
    "_native_batch_norm_legit": "native_batch_norm and its samples again, for compilers",
    "_batch_norm_with_update": "native_batch_norm in training, its samples again",
}

# The samples that ours refuses on purpose: which ones, what it says, and why.
EPS = "eps > 0", "with eps = -0.5 the root is NaN for groups that vary too little"
FLAT = "(N, C)", "an empty vector has no axis of channels"
REFUSED = {
    "nn.functional.batch_norm": ([3, 4], *FLAT),
    "nn.functional.batch_norm without_cudnn": ([3, 4], *FLAT),
    "nn.functional.group_norm": ([4, 5, 6, 7], *EPS),
    "nn.functional.layer_norm": ([1], *EPS),
    "nn.functional.rms_norm": ([1], *EPS),
    "native_group_norm": ([4, 5, 6, 7], *EPS),
    "native_layer_norm": ([4, 5, 6, 7], *EPS),
}


@functools.cache
def databases():
    """Load PyTorch's samples: a few seconds, and none of it before a test asks."""
    with judges.undisturbed():
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.common_modules import module_db

    ops = {f"{op.name} {op.variant_test_name}".strip(): op for op in op_db}
    return ops, {module.name: module for module in module_db}


# Our answers --------------------------------------------------------------------------
#
# Each takes the arguments of PyTorch's function under their names. It returns the
# outputs and the backward pass, and changes running statistics in place.


def move_running_stats(layer, x, running_mean, running_var):
    """Let a layer in training see a batch; copy its statistics into the arrays."""
    count = np.array(0)
    state = running_mean, running_var, count
    names = "running_mean", "running_var", "num_batches_tracked"
    layer.load_state_dict(dict(zip(names, state, strict=True)))
    layer(x)
    running_mean[...] = layer.running_mean
    running_var[...] = layer.running_var


def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    if not training:
        y, cache = norms.batch_norm_inference(
            input, running_mean, running_var, weight, bias, eps=eps
        )
        return (y,), lambda dout: norms.batch_norm_inference_backward(dout, cache)
    y, cache = norms.batch_norm_forward(input, weight, bias, eps=eps)
    if running_mean is not None:
        layer = layers.BatchNorm(len(running_mean), eps, momentum, affine=False)
        move_running_stats(layer, input, running_mean, running_var)
    statistics = cache.mean, cache.inv_std
    return (y, *statistics), lambda dout: norms.batch_norm_backward(dout, cache)


def native_batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps
):
    return batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps
    )


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    if not use_input_stats:  # no sample of PyTorch 2.13 does this; the modules do
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    y, cache = norms.instance_norm_forward(input, weight, bias, eps=eps)
    if running_mean is not None:
        layer = layers.InstanceNorm(
            len(running_mean), eps, momentum, track_running_stats=True
        )
        move_running_stats(layer, input, running_mean, running_var)
    return (y,), lambda dout: norms.instance_norm_backward(dout, cache)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    y, cache = norms.group_norm_forward(input, num_groups, weight, bias, eps=eps)
    statistics = cache.mean, cache.inv_std
    return (y, *statistics), lambda dout: norms.group_norm_backward(dout, cache)


def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    assert input.shape[:2] == (N, C) and math.prod(input.shape[2:]) == HxW
    return group_norm(input, group, weight, bias, eps)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    y, cache = norms.layer_norm_forward(input, normalized_shape, weight, bias, eps=eps)
    ones = (1,) * len(normalized_shape)  # PyTorch keeps the axes of the mean
    statistics = (a.reshape(a.shape + ones) for a in (cache.mean, cache.inv_std))
    return (y, *statistics), lambda dout: norms.layer_norm_backward(dout, cache)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    y, cache = norms.rms_norm_forward(input, normalized_shape, weight, eps=eps)
    return (y,), lambda dout: norms.rms_norm_backward(dout, cache)


ANSWERS = {
    "batch_norm": batch_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "native_batch_norm": native_batch_norm,
    "native_group_norm": native_group_norm,
    "native_layer_norm": layer_norm,
}


def answer_to(name):
    return ANSWERS[name.split()[0].removeprefix("nn.functional.")]


def norm_in(name):
    return re.search(r"[a-z]+_norm", name.removeprefix("native_"))[0]


# Comparison ---------------------------------------------------------------------------


def array_of(value):
    """Give a tensor as an array: a copy if a norm may change it in place."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().numpy() if value.requires_grad else value.numpy().copy()


def agree(actual, tensor, what):
    """Compare with PyTorch's numbers in float64.

    Both round some ten times in sums of up to 2,000 terms, each time by 1e-16 of a term,
    and a gradient may be a small difference of terms. So 1e-12 of the largest number is
    left, and nothing that a wrong formula could need.
    """
    exact = tensor.detach().numpy()
    assert actual.shape == exact.shape, what
    assert actual.dtype == exact.dtype, what
    atol = 1e-12 * max(1.0, np.abs(exact).max(initial=0))
    np.testing.assert_allclose(actual, exact, rtol=0, atol=atol, err_msg=what)


def check_call(op, answer, sample, what):
    """Run PyTorch's function and ours on a sample, forward and backward."""
    signature = inspect.signature(answer)
    call = signature.bind(sample.input, *sample.args, **sample.kwargs)
    arrays = {name: array_of(value) for name, value in call.arguments.items()}
    tensors = {
        name: value
        for name, value in call.arguments.items()
        if isinstance(value, torch.Tensor)
    }
    wanted = op(sample.input, *sample.args, **sample.kwargs)
    # Only the native functions return statistics, in evaluation empty ones.
    wanted = [wanted] if isinstance(wanted, torch.Tensor) else wanted
    wanted = [w for k, w in enumerate(wanted) if k == 0 or w.shape != (0,)]
    outputs, backward = answer(**arrays)
    assert len(wanted) in (1, len(outputs)), what
    for k, tensor in enumerate(wanted):
        agree(outputs[k], tensor, f"{what}: output {k}")

    dout = np.random.default_rng(len(what)).standard_normal(outputs[0].shape)
    names = [name for name, tensor in tensors.items() if tensor.requires_grad]
    gradients = torch.autograd.grad(
        wanted[0], [tensors[name] for name in names], torch.tensor(dout)
    )
    found = dict(zip(("input", "weight", "bias"), backward(dout), strict=False))
    assert {name for name, a in found.items() if a is not None} == set(names), what
    for name, gradient in zip(names, gradients, strict=True):
        agree(found[name], gradient, f"{what}: gradient of {name}")
    for name in tensors.keys() - set(names):
        agree(arrays[name], tensors[name], f"{what}: {name} afterwards")


def judge_op(name):
    """Run all samples of one OpInfo, contiguous and not; return how many."""
    op, answer = databases()[0][name], answer_to(name)
    with judges.undisturbed():  # the reference inputs begin with the sample inputs
        samples = list(op.reference_inputs("cpu", torch.float64, requires_grad=True))
    refused, says, _ = REFUSED.get(name, ([], "", ""))
    assert max(refused, default=0) < len(samples), f"{name}: REFUSED is stale"
    for i, contiguous in enumerate(samples):
        forms = [contiguous]
        if name != "native_group_norm":  # which accepts no other layout
            forms.append(contiguous.noncontiguous())
        for sample in forms:
            arguments = map(array_of, (sample.input, *sample.args))
            options = {key: array_of(a) for key, a in sample.kwargs.items()}
            if i in refused:
                call = functools.partial(answer, *arguments, **options)
                judges.assert_refused(call, norm_in(name), says)
            else:
                check_call(op, answer, sample, f"{name}, sample {i}")
    return len(samples), len(refused)


def judge_op_errors(name):
    """Run all error inputs of one OpInfo; return how many."""
    op, answer = databases()[0][name], answer_to(name)
    with judges.undisturbed():
        errors = list(op.error_inputs("cpu")) if op.error_inputs_func else []
    for error in errors:
        sample = error.sample_input
        with pytest.raises(error.error_type, match=error.error_regex):
            op(sample.input, *sample.args, **sample.kwargs)
        arguments = map(array_of, (sample.input, *sample.args))
        options = {key: array_of(a) for key, a in sample.kwargs.items()}
        call = functools.partial(answer, *arguments, **options)
        judges.assert_refused(call, norm_in(name))
    return len(errors)


def draw_state(module, rng):
    """Give a module distinct parameters and statistics: its own are ones and zeros."""
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if key == "num_batches_tracked":
                tensor[...] = 3
            else:
                tensor[...] = torch.tensor(rng.uniform(0.5, 2, tensor.shape))


def check_module(kind, module, layer, x, training, what):
    """Run PyTorch's module and our layer with the same state on the same input."""
    rng = np.random.default_rng(len(what))
    draw_state(module, rng)
    state = {key: value.numpy() for key, value in module.state_dict().items()}
    assert layer.state_dict().keys() == state.keys(), what
    layer.load_state_dict(state)
    module.train(training)
    layer.train(training)

    # InstanceNorm2d also takes a single image (C, H, W). Our layers always have an axis
    # for the examples, so it is put on here and taken off again.
    single = "Instance" in kind and x.ndim == int(kind[-2]) + 1
    given = x.detach().numpy()[np.newaxis] if single else x.detach().numpy()
    wanted, y = module(x), layer(given)
    dout = rng.standard_normal(y.shape)
    dx = layer.backward(dout)
    y, dx, cotangent = (a[0] if single else a for a in (y, dx, dout))
    names, parameters = zip(
        ("input", x), *sorted(module.named_parameters()), strict=True
    )
    gradients = torch.autograd.grad(wanted, parameters, torch.tensor(cotangent))
    agree(y, wanted, f"{what}: output")
    found = {"input": dx, **layer.gradients()}
    assert found.keys() == set(names), what
    for name, gradient in zip(names, gradients, strict=True):
        agree(found[name], gradient, f"{what}: gradient of {name}")
    for key, value in module.state_dict().items():
        agree(layer.state_dict()[key], value, f"{what}: {key} afterwards")


def inputs_of(info, function, training):
    options = {"device": "cpu", "dtype": torch.float64, "requires_grad": True}
    with judges.undisturbed():
        return list(function(info, **options, training=training))


def judge_module(name):
    """Run all samples of one ModuleInfo in both modes; return how many."""
    info, count = databases()[1][name], 0
    for training in (True, False):
        for sample in inputs_of(info, info.module_inputs_func, training):
            args, options = (
                sample.constructor_input.args,
                sample.constructor_input.kwargs,
            )
            module = info.module_cls(*args, **options, dtype=torch.float64)
            layer = MODULES[name][0](*args, **options)
            [x] = sample.forward_input.args
            assert not sample.forward_input.kwargs
            what = f"{name} {sample.desc}, training={training}"
            check_module(name, module, layer, x, training, what)
            count += 1
    return count


def judge_module_errors(name):
    """Run all error inputs of one ModuleInfo in both modes; return how many."""
    info, layer, count = databases()[1][name], MODULES[name][0], 0
    if info.module_error_inputs_func is None:
        return 0
    for training in (True, False):
        for error in inputs_of(info, info.module_error_inputs_func, training):
            case = error.module_error_input
            args, options = case.constructor_input.args, case.constructor_input.kwargs
            with pytest.raises(error.error_type, match=error.error_regex):
                # It stays in training mode, as in PyTorch's own test of errors.
                module = info.module_cls(*args, **options, dtype=torch.float64)
                module(*case.forward_input.args)
            # Ours refuses a bad eps as soon as the layer is made.
            make = functools.partial(layer, *args, **options)
            judges.assert_refused(make, layer.__name__)
            count += 1
    return count


# Tests --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPS)
def test_functions_agree_on_the_samples_of_pytorch(name, record_property):
    samples, refused = judge_op(name)
    errors = judge_op_errors(name)
    record_property(
        "judged",
        f"{name}: {samples} samples, {refused} of them refused on purpose; "
        f"{errors} error inputs",
    )
    assert samples >= OPS[name][0]
    assert errors >= OPS[name][1]


@pytest.mark.parametrize("name", MODULES)
def test_layers_agree_on_the_samples_of_pytorch(name, record_property):
    samples, errors = judge_module(name), judge_module_errors(name)
    record_property("judged", f"{name}: {samples} samples; {errors} error inputs")
    assert samples >= MODULES[name][1]
    assert errors >= MODULES[name][2]


def test_every_norm_of_pytorch_is_judged():
    ops, modules = databases()
    five = re.compile("(batch|layer|group|instance|rms)_?norm", re.IGNORECASE)
    assert set(filter(five.search, ops)) == OPS.keys() | LEFT_OUT.keys()
    assert set(filter(five.search, modules)) == MODULES.keys()
    assert REFUSED.keys() <= OPS.keys()


def test_the_judge_leaves_no_trace():
    judges.assert_no_trace(
        "from tests.test_judges_torch import judge_module, judge_op",
        "judge_op('nn.functional.rms_norm'), judge_module('nn.RMSNorm')",
    )


# (module, what it says, what it would say by mistake, who must find it)
MUTANTS = {
    "gamma of a group's first channel": (
        norms,
        "    layout = group_layout(x.shape, num_groups)\n",
        (
            "    layout = group_layout(x.shape, num_groups)\n    size = layout.view[2]\n"
            "    gamma = None if gamma is None else np.repeat(gamma[::size], size)\n"
        ),
        ["nn.functional.group_norm", "native_group_norm", "nn.GroupNorm"],
    ),
    "groups of every other channel": (
        norms,
        "view = (n, num_groups, size, math.prod(spatial))",
        "view, num_groups, size = (n, size, num_groups, math.prod(spatial)), size, num_groups",
        ["nn.functional.group_norm", "nn.GroupNorm"],
    ),
    "biased running variance": (
        norm,
        "cache.var * (m / (m - 1))",
        "cache.var",
        ["nn.functional.batch_norm", "native_batch_norm", "nn.BatchNorm2d"],
    ),
    "biased running variance of instance norm": (
        norm,
        "cache.var.mean(axis=0) * (m / (m - 1))",
        "cache.var.mean(axis=0)",
        ["nn.functional.instance_norm", "nn.InstanceNorm1d"],
    ),
    "momentum for the old value": (
        norm,
        "(1 - new) * self.running_mean + new * mean",
        "new * self.running_mean + (1 - new) * mean",
        ["nn.functional.batch_norm", "nn.functional.instance_norm", "nn.BatchNorm1d"],
    ),
    "batch statistics in evaluation": (
        norm,
        "if not self.training and self.track_running_stats",
        "if False",
        ["nn.BatchNorm3d", "nn.InstanceNorm3d"],
    ),
    "RMS norm that subtracts the mean": (
        norms,
        "stats, centred=False)",
        "stats, centred=True)",
        ["nn.functional.rms_norm", "nn.RMSNorm"],
    ),
    "RMS norm's gradient projected": (
        norms,
        "centred=not isinstance(cache, RMSNormCache)",
        "centred=True",
        ["nn.functional.rms_norm", "nn.RMSNorm"],
    ),
    "eps of RMS norm as in the others": (
        norms,
        "float(np.finfo(_computable(x).dtype).eps) if eps is None else eps",
        "1e-5 if eps is None else eps",
        ["nn.functional.rms_norm"],
    ),
    "beta forgotten": (
        norms,
        "shift=_as_scale(beta, layout, view)",
        "shift=None",
        ["nn.functional.layer_norm", "native_layer_norm", "nn.LayerNorm"],
    ),
    "groups that do not divide the channels": (
        checks,
        "num_groups < 1 or channels % num_groups",
        "num_groups < 1",
        ["nn.functional.group_norm", "nn.GroupNorm"],
    ),
    "other sizes at the end": (
        checks,
        "if x.shape[-len(sizes) :] != sizes:",
        "if False:",
        ["nn.functional.rms_norm", "native_layer_norm"],
    ),
    "no eps refused": (
        checks,
        "if not eps > 0:",
        "if False:",
        ["nn.functional.layer_norm", "nn.functional.group_norm", "nn.BatchNorm1d"],
    ),
    "vectors not refused": (
        checks,
        "if x.ndim < 2:",
        "if False:",
        ["nn.functional.batch_norm"],
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_planted_mistake_is_found(monkeypatch, name):
    module, old, new, finders = MUTANTS[name]
    mutate(monkeypatch, module, old, new)
    for finder in finders:
        judge = (judge_op, judge_op_errors)
        if finder in MODULES:
            judge = (judge_module, judge_module_errors)
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            for look in judge:
                look(finder)
