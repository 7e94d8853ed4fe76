"""ONNX as a judge: the backend node tests of six operators, run on ours.

A case is a model of one node with inputs and outputs in float32, which ONNX computes in
NumPy, independently of PyTorch. The `..._expanded` cases are left out: they are the same
numbers again, for other nodes.
"""

import functools
import warnings

import numpy as np
import pytest

from bnlearn import core, norms
from tests import judges
from tests.test_mutants import mutate

# How many cases ONNX 1.23 has, 47 in all; a suite that shrinks fails.
CASES = {
    "BatchNormalization": 4,
    "GroupNormalization": 2,
    "InstanceNormalization": 2,
    "LayerNormalization": 19,
    "MeanVarianceNormalization": 1,
    "RMSNormalization": 19,
}


@functools.cache
def cases():
    """Load the node tests of all operators; return those of the six, by operator."""
    found = {name: [] for name in CASES}
    with judges.undisturbed():
        import onnx
        from onnx.backend.test.case.node import collect_testcases

        # Casts that overflow and logarithms of zero in the cases of other operators.
        place = r"onnx\.backend\.test\.case\.node\."
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=place)
        # Asked for one operator, it would return the same list at every later call.
        everything = collect_testcases(None)
    for case in everything:
        [node, *others] = case.model.graph.node
        if node.op_type in CASES and not others:
            attributes = {
                a.name: onnx.helper.get_attribute_value(a) for a in node.attribute
            }
            found[node.op_type].append((case, node, attributes))
    return found


# Our answers: the operator's inputs, and its attributes under their names ---------------


def batch(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    if not training_mode:
        return norms.batch_norm_inference(x, mean, var, scale, b, eps=epsilon)[:1]
    y, cache = norms.batch_norm_forward(x, scale, b, eps=epsilon)
    # Here momentum weighs the old value, and the running variance is the biased one.
    mean, var = (
        momentum * old + (1 - momentum) * new
        for old, new in ((mean, cache.mean), (var, cache.var))
    )
    return y, mean, var


def group(x, scale, bias, *, num_groups, epsilon=1e-5, stash_type=1):
    return norms.group_norm_forward(x, num_groups, scale, bias, eps=epsilon)[:1]


def instance(x, scale, b, *, epsilon=1e-5):
    return norms.instance_norm_forward(x, scale, b, eps=epsilon)[:1]


def layer(x, scale, b=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    sizes = x.shape[axis:]
    y, cache = norms.layer_norm_forward(x, sizes, scale, b, eps=epsilon)
    ones = (1,) * len(sizes)
    return y, *(a.reshape(a.shape + ones) for a in (cache.mean, cache.inv_std))


def mean_variance(x, *, axes=(0, 2, 3)):
    # The axes of the mean go to the end, as `standardize` wants the last one among them.
    last = tuple(range(x.ndim - len(axes), x.ndim))
    view = np.ascontiguousarray(np.moveaxis(x, axes, last))
    # ONNX adds 1e-9 to the deviation. Beside deviations of 0.3 neither that nor this eps
    # changes a digit of float32.
    y, *_ = core.standardize(view, last, eps=1e-18)
    return (np.moveaxis(y, last, axes),)


def rms(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    return norms.rms_norm_forward(x, x.shape[axis:], scale, eps=epsilon)[:1]


ANSWERS = {
    "BatchNormalization": batch,
    "GroupNormalization": group,
    "InstanceNormalization": instance,
    "LayerNormalization": layer,
    "MeanVarianceNormalization": mean_variance,
    "RMSNormalization": rms,
}


def judge(name):
    """Run all cases of one operator; return how many."""
    for case, node, attributes in cases()[name]:
        [(inputs, outputs)] = case.data_sets
        assert len(node.input) == len(inputs) and all(node.input)
        found = ANSWERS[name](*inputs, **attributes)
        assert found[0].dtype == np.float32
        for label, actual, wanted in zip(node.output, found, outputs, strict=True):
            what = f"{case.name}: {label}"
            assert actual.shape == wanted.shape, what
            # ONNX rounds to float32 (6e-8) at every step, means and squares included,
            # and adds up to 120 of them: some ten roundings of the larger terms.
            np.testing.assert_allclose(actual, wanted, 2e-6, 2e-6, err_msg=what)
    return len(cases()[name])


@pytest.mark.parametrize("name", CASES)
def test_norms_agree_with_the_cases_of_onnx(name, record_property):
    count = judge(name)
    record_property("judged", f"ONNX {name}: {count} cases")
    assert count >= CASES[name]


def test_there_are_47_cases():
    assert sum(map(len, cases().values())) >= sum(CASES.values()) == 47


def test_the_judge_leaves_no_trace():
    judges.assert_no_trace(
        "from tests.test_judges_onnx import judge", "judge('RMSNormalization')"
    )


# name: (module, what it says, what it would say by mistake, who must find it)
MUTANTS = {
    "eps outside the root": (
        core,
        "1 / np.sqrt(var + eps)",
        "1 / (np.sqrt(var) + eps)",
        [name for name in CASES if name != "MeanVarianceNormalization"],
    ),
    "variance by m - 1": (
        core,
        "second / count - missed",
        "second / (count - 1) - missed",
        CASES,
    ),
    "inference with eps outside": (
        norms,
        "inv_std = 1 / np.sqrt(var + eps)\n    cache",
        "inv_std = 1 / (np.sqrt(var) + eps)\n    cache",
        ["BatchNormalization"],
    ),
    "gamma of a group's first channel": (
        norms,
        "    layout = group_layout(x.shape, num_groups)\n",
        (
            "    layout = group_layout(x.shape, num_groups)\n    size = layout.view[2]\n"
            "    gamma = np.repeat(gamma[::size], size)\n"
        ),
        ["GroupNormalization"],
    ),
    "RMS norm that subtracts the mean": (
        norms,
        "stats, centred=False)",
        "stats, centred=True)",
        ["RMSNormalization"],
    ),
    "beta forgotten": (
        norms,
        "shift=_as_scale(beta, layout, view)",
        "shift=None",
        [
            "BatchNormalization",
            "GroupNormalization",
            "InstanceNormalization",
            "LayerNormalization",
        ],
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_found(monkeypatch, name):
    module, old, new, finders = MUTANTS[name]
    mutate(monkeypatch, module, old, new)
    for finder in finders:
        with pytest.raises(AssertionError):
            judge(finder)
