"""Mistakes planted in the package: every one must be found by the tests' oracles.

A mutant is the package with one piece of its source replaced. The functions keep their
identity and get the changed code, so that all importers run it.
"""

import inspect

import numpy as np
import pytest

from bnlearn import checks, core, data, experiment, norms, optim, running, shift
from bnlearn import train as training
from bnlearn.layers import base, conv, dense, losses, networks, norm
from tests import (
    family,
    oracle,
    test_conv,
    test_core,
    test_data,
    test_experiment,
    test_family_accuracy,
    test_family_errors,
    test_family_gradients,
    test_family_layers,
    test_family_oracle,
    test_family_properties,
    test_gradcheck,
    test_layers,
    test_norms_oracle,
    test_optim,
    test_running,
    test_shift,
    test_train,
)

SHAPES = [(6, 3), (4, 3, 2)]


def training_values():
    for shape in SHAPES:
        oracle.check_training(*oracle.draw(shape))


def inference_values():
    for shape in SHAPES:
        x, gamma, beta, dout = oracle.draw(shape)
        running = test_norms_oracle.running_stats(3, "f8")
        oracle.check_inference(x, gamma, beta, dout, *running)


def central_differences():
    test_gradcheck.test_batch_norm_in_training((6, 3), ("gamma", "beta"))
    test_gradcheck.test_batch_norm_in_inference((6, 3), ("gamma", "beta"))


def layer_states():
    oracle.check_layer((6, 3))
    oracle.check_layer((6, 3), momentum=0.3)


def cumulative_average():
    oracle.check_layer((6, 3), momentum=None)


def empty_batches():
    test_layers.test_empty_batch_counts_and_teaches_nothing_as_in_pytorch((0, 3), 0.1)


def float16():
    test_norms_oracle.test_float16_is_computed_in_float32()


def blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "BLOCK", 10)
        for shape, axes, param in test_core.CASES:
            for centred in (True, False):
                test_core.compare(shape, axes, param, "f8", centred=centred)


def large_mean():
    rng = np.random.default_rng(0)
    x = (1e4 + rng.standard_normal((4096, 8))).astype("f4")
    _, gamma, beta, dout = oracle.draw(x.shape, "f4")
    exact = oracle.textbook(*(a.astype("f8") for a in (x, gamma, beta, dout)))
    y, cache = norms.batch_norm_forward(x, gamma, beta)
    found = y, *norms.batch_norm_backward(dout, cache)[:2]
    for a, b in zip(found, exact[:3], strict=True):
        assert oracle.relative_error(a, b) <= 2e-5


def first_infinity():
    for row in (0, 9):
        x, gamma, beta, dout = oracle.draw((10, 3))
        x[row, 1] = np.inf
        _, cache = norms.batch_norm_forward(x, gamma, beta)
        assert np.isinf(cache.mean[1])


def layer_values():
    for case in [("layer", (4, 3, 5), (3, 5)), ("layer", (4, 4), (4,))]:
        family.check(family.draw(*case))


def rms_values():
    for case in [("rms", (4, 3, 5), (3, 5)), ("rms", (4, 4), (4,))]:
        family.check(family.draw(*case))


def group_values():
    for case in [("group", (3, 6, 5), 2), ("group", (3, 6), 3)]:
        family.check(family.draw(*case))


def instance_values():
    for shape in [(5, 3, 4), (2, 3, 3)]:
        family.check(family.draw("instance", shape, None))


# Shapes for which statistics over the wrong axes have the right shape.


def square_rows():
    family.check(family.draw("layer", (4, 4), (4,)))


def square_groups():
    family.check(family.draw("group", (3, 4, 5), 2))


def negative_sizes():
    test_family_layers.test_bad_arguments_are_refused(
        lambda: norm.LayerNorm(-1), ValueError, "none negative, got -1"
    )


def differences_of_the_family():
    for kind in family.KINDS:
        for case in test_family_gradients.CASES:
            if case[0] == kind:
                test_family_gradients.by_differences(case)


def differences_of_norms_with_gamma_inside():
    for case in [("layer", (4, 3), (3,)), ("group", (2, 6, 2), 2)]:
        test_family_gradients.by_differences(case)


def differences_of_layer_norm():
    test_family_gradients.by_differences(("layer", (4, 3), (3,)))


def differences_of_rms_norm():
    test_family_gradients.by_differences(("rms", (4, 3), (3,)))


def parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "BLOCK", 20)
        for case in test_family_oracle.SOME:
            family.check(family.draw(*case))


def long_rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "BLOCK_COLUMNS", 2)
        for case in test_family_oracle.SOME:
            family.check(family.draw(*case))


def large_means():
    for case in [("layer", (512, 300), (300,)), ("group", (8, 6, 200), 2)]:
        problem = test_family_accuracy.draw(*case)
        assert max(test_family_accuracy.errors(problem)) <= test_family_accuracy.LIMIT


def infinity_without_a_mean():
    test_family_oracle.test_not_finite_stays_in_its_group_as_in_pytorch(
        ("rms", (4, 3, 5), (3, 5)), "f8", "x", [np.inf]
    )


def eps_of_rms_norm():
    for dtype in ("f4", "f2"):
        test_family_oracle.test_eps_of_rms_norm_is_that_of_the_dtype_computed_in(
            ("rms", (4, 3, 5), (3, 5)), dtype
        )


def layers_like_torch(name):
    def find():
        for case in test_family_layers.CASES:
            if case[0].startswith(name):
                test_family_layers.follow(*case)

    return find


follow_layer_norm = layers_like_torch("LayerNorm")
follow_rms_norm = layers_like_torch("RMSNorm")
follow_group_norm = layers_like_torch("GroupNorm")
follow_instance_norm = layers_like_torch("InstanceNorm")


def refusals(*names):
    def find():
        for name in names:
            case = test_family_errors.ODD[name]
            test_family_errors.test_pytorch_and_the_package_refuse_the_same(case)

    return find


one_value_in_each_group = refusals("group: one value in each group")
one_position = refusals("instance: one position")
other_sizes = refusals("layer: other size", "rms: other size")
no_divisor = refusals("group: not a divisor")
truth_as_a_number = refusals("group: true", "layer: true")


def relations():
    for relation in (
        test_family_properties.test_group_norm_with_one_group_is_layer_norm_of_the_example,
        test_family_properties.test_groups_may_be_shifted_and_scaled_one_by_one,
    ):
        relation()


def activations():
    for name in ("linear", "relu", "sigmoid", "tanh"):
        test_gradcheck.test_layers(*test_gradcheck.LAYERS[name])


def loss_values():
    test_layers.test_losses_equal_pytorch()


def states():
    test_layers.test_a_bad_state_is_refused_and_changes_nothing("longer", "3.bias")
    test_layers.test_state_dict_returns_copies()
    test_layers.test_loading_copies_in_place()


def optimisers():
    for case in test_optim.CASES.values():
        test_optim.test_steps_equal_those_of_pytorch(*case)


def modes():
    for measure in (training.evaluate, training.accuracy):
        test_train.test_evaluation_restores_the_mode(measure)


def averages():
    shape = (6, 3)
    test_running.test_exponential_average_is_pytorchs(shape, "f8", 1e-12, 0.1)
    test_running.test_cumulative_average_is_pytorchs_and_the_plain_mean(shape)
    test_running.test_corrected_average_of_one_value_is_that_value(0.1)


def conversion():
    for source, target in (("pytorch", "keras"), ("keras", "flax")):
        test_running.test_conversion_keeps_the_weight_of_the_new_value(source, target)


def moment_values():
    for shape in test_running.SHAPES:
        test_running.test_moments_by_two_passes(shape, "f8")
    test_running.test_values_one_by_one()
    test_running.test_two_parts((13, 3), 4)


def statistics_anew():
    test_train.check_update_bn(0.7)


def failing_update():
    test_train.test_update_bn_keeps_modes_and_reaches_layers_inside_others()


def grouped_streams():
    for case in ((1, 3), (2, 5)):
        test_data.test_grouped_batches_hold_few_groups(*case)


def streams():
    test_data.test_each_example_comes_at_most_once_in_an_epoch(10, 3)


def known_weights():
    for case in (([1, 1, 2], 16 / 6), ([2.0] * 7, 7)):
        test_shift.test_effective_sample_size_of_known_cases(*case)


def classifiers():
    test_shift.test_logistic_regression_equals_scikit_learn(30.0, True)
    test_shift.test_logistic_regression_equals_scikit_learn(30.0, False)


def ratios():
    test_shift.test_ratio_of_two_gaussians((30_000, 10_000))


def chances():
    test_shift.test_fisher_exact_equals_scipy()


def false_alarms():
    test_shift.test_false_alarms_are_no_more_than_promised((80, 80))


def slants():
    test_data.test_slant_is_the_slope_of_the_best_line()


def copier():
    test_data.test_photocopy_of_one_dot()


def coins():
    test_data.test_toss_has_the_ratio_that_it_says()


def convolutions():
    for case in test_conv.CONVOLUTIONS:
        test_conv.check_torch(*test_conv.convolution(case))


def convolutions_by_loops():
    for case in test_conv.CONVOLUTIONS:
        test_conv.check_slow(*test_conv.convolution(case))


def convolutions_by_differences():
    for case in test_conv.CONVOLUTIONS[:3]:
        test_conv.check_differences(*test_conv.convolution(case)[:2])


def adjoints():
    for case in test_conv.CONVOLUTIONS:
        test_conv.check_adjoint(*test_conv.convolution(case, bias=False))
    for case in test_conv.POOLS:
        test_conv.check_adjoint(*test_conv.pool(case))


def pools():
    for case in test_conv.POOLS:
        test_conv.check_torch(*test_conv.pool(case))


def pools_by_differences():
    for case in test_conv.POOLS[:3]:
        test_conv.check_differences(*test_conv.pool(case)[:2])


def refused_images():
    for make in test_conv.LAYERS.values():
        for case in test_conv.REFUSED_INPUT.values():
            test_conv.test_bad_input_is_refused_and_changes_nothing(make, *case)


def refused_sizes():
    for case in test_conv.REFUSED_SIZES.values():
        test_conv.test_bad_sizes_are_refused(conv.AvgPool2d, *case)


def flattened():
    test_conv.test_flatten_equals_pytorch((4, 3, 2, 5))


def initial_weights():
    test_conv.test_initial_weights()
    test_layers.test_initial_weights()


def norms_in_networks():
    test_layers.test_mlp_takes_a_maker_of_norms((6, 5, 4, 3))


def one_column_would_broadcast():
    test_layers.test_residual_refuses_a_branch_that_changes_the_shape(1)


def words_as_settings():
    test_experiment.test_sweep_refuses_before_the_first_run(
        [0], {"kind": "plain"}, TypeError, "values for kind, got 'plain'"
    )


# name: (module, what it says, what it would say by mistake, who must find it)
MUTANTS = {
    "variance by m - 1": (
        core,
        "second / count - missed",
        "second / (count - 1) - missed",
        [training_values, layer_states],
    ),
    "eps outside the root": (
        core,
        "1 / np.sqrt(var + eps)",
        "1 / (np.sqrt(var) + eps)",
        [training_values],
    ),
    "eps forgotten": (
        core,
        "1 / np.sqrt(var + eps)",
        "1 / np.sqrt(var + 1e-300)",
        [training_values],
    ),
    "no correction of the variance": (
        core,
        "second / count - missed * missed",
        "second / count",
        [blocks],
    ),
    "no correction of the mean": (
        core,
        "np.add(guess, missed, dtype",
        "np.add(guess, 0, dtype",
        [blocks],
    ),
    "no correction of the offset": (
        core,
        "offset = -missed * factor",
        "offset = 0 * missed * factor",
        [blocks],
    ),
    "guess of zero": (
        core,
        "guess = _sum(sample, axes) / _count(sample, axes)",
        "guess = 0 * _sum(sample, axes)",
        [large_mean],
    ),
    "mean kept in float32": (
        core,
        "np.add(guess, missed, dtype=np.float64)",
        "(guess + missed)",
        [large_mean],
    ),
    "mean term forgotten": (
        core,
        "sum_g / -count - slope * missed",
        "-slope * missed",
        [
            training_values,
            central_differences,
            layer_values,
            group_values,
            instance_values,
        ],
    ),
    "x_hat term forgotten": (
        core,
        "(sum_g_left - missed * sum_g) * inv_std * inv_std / -count",
        "0 * sum_g",
        [training_values, central_differences],
    ),
    "statistics as constants": (
        core,
        "        part *= slope\n        part += level\n",
        "        part *= 0\n",
        [training_values, central_differences, layer_values, rms_values],
    ),
    "gamma forgotten in dx": (
        core,
        "        part *= factor\n    return dscale",
        "        part *= inv_std\n    return dscale",
        [training_values, central_differences],
    ),
    "count of rows instead of values": (
        core,
        "[x.shape[axis] for axis in axes]",
        "[len(x)]",
        [training_values],
    ),
    "last block left out": (
        core,
        "for start in range(0, rows, step)",
        "for start in range(0, rows - rows % step, step)",
        [blocks],
    ),
    "blocks do not add up": (
        core,
        "return map(how, zip(*results, strict=True))",
        "return iter(results[0])",
        [blocks],
    ),
    "guess of infinity": (
        core,
        "guess[~np.isfinite(guess)] = 0",
        "pass",
        [first_infinity],
    ),
    "gamma inside a group forgotten": (
        core,
        "part *= 1 if scale is None else scale",
        "pass",
        [layer_values, rms_values, follow_layer_norm],
    ),
    "beta inside a group forgotten": (
        core,
        "part += 0 if shift is None else shift",
        "pass",
        [layer_values, follow_layer_norm],
    ),
    "beta before gamma": (
        core,
        (
            "            part *= 1 if scale is None else scale\n"
            "            part += 0 if shift is None else shift\n"
        ),
        (
            "            part += 0 if shift is None else shift\n"
            "            part *= 1 if scale is None else scale\n"
        ),
        [layer_values],
    ),
    "gamma not joined": (
        core,
        "inv_std * scale if joined and scale is not None else inv_std",
        "inv_std",
        [training_values, group_values, instance_values],
    ),
    "beta not joined": (
        core,
        "offset = shift + offset",
        "pass",
        [training_values, group_values, instance_values],
    ),
    "offset without gamma": (
        core,
        "offset = -missed * factor",
        "offset = -missed * inv_std",
        [blocks],
    ),
    "mean of a norm that has none": (
        core,
        "    if not centred:\n        guess[...] = 0\n",
        "",
        [rms_values, follow_rms_norm],
    ),
    "correction of a mean that is none": (
        core,
        "missed = first / count if centred else np.zeros_like(first)",
        "missed = first / count",
        [rms_values, differences_of_rms_norm],
    ),
    "infinity times zero": (
        core,
        "missed = first / count if centred else np.zeros_like(first)",
        "missed = first / count if centred else 0 * first",
        [infinity_without_a_mean],
    ),
    "mean of g taken away from all": (
        core,
        "sum_g / -count - slope * missed if centred else np.zeros_like(sum_g)",
        "sum_g / -count - slope * missed",
        [rms_values, differences_of_rms_norm, follow_rms_norm],
    ),
    "gamma forgotten in the mean of g": (
        core,
        "sum_g = _sum_of_products(sum_dout, scale, axes)",
        "sum_g = _sum(sum_dout, axes)",
        [layer_values, group_values, differences_of_norms_with_gamma_inside],
    ),
    "gamma forgotten in the mean of g x_hat": (
        core,
        "sum_g_left = _sum_of_products(sum_dout_left, scale, axes)",
        "sum_g_left = _sum(sum_dout_left, axes)",
        [layer_values, rms_values, group_values, differences_of_the_family],
    ),
    "gamma forgotten in g": (
        core,
        "part += dout[block] * scale if inside else dout[block]",
        "part += dout[block]",
        [layer_values, rms_values, group_values, differences_of_the_family],
    ),
    "gamma after the means of g": (
        core,
        (
            "        sum_g = _sum_of_products(sum_dout, scale, axes)\n"
            "        sum_g_left = _sum_of_products(sum_dout_left, scale, axes)\n"
            "        factor = inv_std\n"
        ),
        (
            "        sum_g = _sum(sum_dout, axes)\n"
            "        sum_g_left = _sum(sum_dout_left, axes)\n"
            "        inside, factor = False, inv_std * scale\n"
        ),
        [layer_values, group_values, differences_of_norms_with_gamma_inside],
    ),
    "dgamma without the offset": (
        core,
        "dscale -= _sum_of_products(sum_dout, missed * inv_std, shared)",
        "pass",
        [large_means],
    ),
    "dgamma of what was not divided": (
        core,
        "dscale = _sum_of_products(sum_dout_left, inv_std, shared)",
        "dscale = _sum_of_products(sum_dout_left, inv_std**0, shared)",
        [layer_values, rms_values, group_values, instance_values],
    ),
    "dbeta times gamma": (
        core,
        "dshift = _sum(sum_dout, shared)",
        "dshift = _sum(sum_dout * scale, shared)",
        [layer_values, group_values, instance_values],
    ),
    "dgamma of the last part alone": (
        core,
        "dscale += sums[0]",
        "dscale[...] = sums[0]",
        [parts],
    ),
    "dbeta of the last part alone": (
        core,
        "dshift += sums[1]",
        "dshift[...] = sums[1]",
        [parts],
    ),
    "statistics of the parts in the wrong order": (
        core,
        "_join(stats, np.concatenate)",
        "_join(stats[::-1], np.concatenate)",
        [parts],
    ),
    "end of a long row left out": (
        core,
        "range(0, a.shape[-1], BLOCK_COLUMNS)",
        "range(0, a.shape[-1] - BLOCK_COLUMNS + 1, BLOCK_COLUMNS)",
        [long_rows],
    ),
    "layer norm over the examples": (
        norms,
        "Layout((outer, inner), (1,), (1, inner))",
        "Layout((outer, inner), (0,), (1, inner))",
        [square_rows],
    ),
    "channels dealt out to the groups in turn": (
        norms,
        (
            "    view = (n, num_groups, size, math.prod(spatial))\n"
            "    return Layout(view, (2, 3), (1, num_groups, size, 1))\n"
        ),
        (
            "    view = (n, size, num_groups, math.prod(spatial))\n"
            "    return Layout(view, (1, 3), (1, size, num_groups, 1))\n"
        ),
        [square_groups],
    ),
    "a group per channel": (
        norms,
        "layout = group_layout(x.shape, num_groups)",
        "layout = group_layout(x.shape, x.shape[1])",
        [group_values, follow_group_norm, relations],
    ),
    "groups over the examples": (
        norms,
        "y, *cache = _forward(layout, x, gamma, beta, eps, layout.view[:2])",
        "y, *cache = _forward(group_layout(x.shape, 1), x, gamma, beta, eps, x.shape[:1])",
        [group_values, follow_group_norm],
    ),
    "gamma dealt out to the groups in turn": (
        norms,
        "copy=False).reshape(layout.scale)",
        'copy=False).reshape(layout.scale, order="F")',
        [group_values, follow_group_norm],
    ),
    "RMS norm with a mean": (
        norms,
        "_forward(layout, x, gamma, None, eps, stats, centred=False)",
        "_forward(layout, x, gamma, None, eps, stats)",
        [rms_values, follow_rms_norm],
    ),
    "RMS norm goes back as if it had a mean": (
        norms,
        "centred=not isinstance(cache, RMSNormCache)",
        "centred=True",
        [rms_values, differences_of_rms_norm, follow_rms_norm],
    ),
    "all norms go back as if they had none": (
        norms,
        "centred=not isinstance(cache, RMSNormCache)",
        "centred=False",
        [layer_values, group_values, instance_values, differences_of_layer_norm],
    ),
    "eps of float16 in RMS norm": (
        norms,
        "np.finfo(_computable(x).dtype).eps",
        "np.finfo(x.dtype).eps",
        [eps_of_rms_norm],
    ),
    "eps of layer norm in RMS norm": (
        norms,
        "float(np.finfo(_computable(x).dtype).eps) if eps is None",
        "1e-5 if eps is None",
        [eps_of_rms_norm],
    ),
    "group norm of single values": (
        norms,
        "if x.size == num_groups:",
        "if False:",
        [one_value_in_each_group],
    ),
    "instance norm of single values": (
        norms,
        "if math.prod(x.shape[2:]) == 1:",
        "if False:",
        [one_position],
    ),
    "sizes not compared": (
        checks,
        "if x.shape[-len(sizes) :] != sizes:",
        "if False:",
        [other_sizes],
    ),
    "rest of the channels ignored": (
        checks,
        "num_groups < 1 or channels % num_groups",
        "num_groups < 1",
        [no_divisor],
    ),
    "true as a number": (
        checks,
        " and not isinstance(value, bool)",
        "",
        [truth_as_a_number],
    ),
    "negative sizes accepted": (
        checks,
        "not sizes or min(sizes) < 0",
        "not sizes",
        [negative_sizes],
    ),
    "weight per group": (
        norm,
        "super().__init__((num_channels,), eps",
        "super().__init__((num_groups,), eps",
        [test_family_layers.test_initial_values],
    ),
    "eps of layer norm not passed on": (
        norm,
        "x, self.normalized_shape, gamma, beta, eps=self.eps",
        "x, self.normalized_shape, gamma, beta",
        [follow_layer_norm],
    ),
    "eps of RMS norm not passed on": (
        norm,
        "norms.rms_norm_forward(x, self.normalized_shape, gamma, eps=self.eps)",
        "norms.rms_norm_forward(x, self.normalized_shape, gamma)",
        [follow_rms_norm],
    ),
    "eps of group norm not passed on": (
        norm,
        "norms.group_norm_forward(x, self.num_groups, gamma, beta, eps=self.eps)",
        "norms.group_norm_forward(x, self.num_groups, gamma, beta)",
        [follow_group_norm],
    ),
    "biased running variance of instance norm": (
        norm,
        "running.unbiased(cache.var.mean(axis=0), m)",
        "cache.var.mean(axis=0)",
        [follow_instance_norm],
    ),
    "unbiased by all examples together": (
        norm,
        "m = cache.layout.view[2]",
        "m = cache.x.size // self.num_features",
        [follow_instance_norm],
    ),
    "running statistics of the first example": (
        norm,
        "self._average(cache.mean.mean(axis=0), var",
        "self._average(cache.mean[0], var",
        [follow_instance_norm],
    ),
    "momentum None learns all the same": (
        norm,
        "        if cache.x.size and self.momentum is not None:\n",
        (
            "        self.momentum = 0.1 if self.momentum is None else self.momentum\n"
            "        if cache.x.size:\n"
        ),
        [follow_instance_norm],
    ),
    "batches of instance norm counted": (
        norm,
        "        m = cache.layout.view[2]\n",
        (
            "        m = cache.layout.view[2]\n"
            "        self.num_batches_tracked[...] += 1\n"
        ),
        [follow_instance_norm],
    ),
    "gamma and beta exchanged": (
        norms,
        "scale=_as_scale(gamma, layout, view),\n            shift=_as_scale(beta",
        "shift=_as_scale(gamma, layout, view),\n            scale=_as_scale(beta",
        [training_values, central_differences],
    ),
    "dgamma and dbeta exchanged": (
        norms,
        "return _gradients(*gradients, cache)",
        "return _gradients(gradients[0], gradients[2], gradients[1], cache)",
        [training_values, central_differences],
    ),
    "gamma twice": (
        norms,
        "dx = view * _as_scale(factor, layout, view)",
        "dx = view * _as_scale(factor * gamma, layout, view)",
        [inference_values, central_differences],
    ),
    "inference projects like training": (
        norms,
        "dx = view * _as_scale(factor, layout, view)",
        (
            "dx = (view - view.mean(layout.axes, keepdims=True)) "
            "* _as_scale(factor, layout, view)"
        ),
        [inference_values, central_differences],
    ),
    "inference with eps outside": (
        norms,
        "inv_std = 1 / np.sqrt(var + eps)\n    cache",
        "inv_std = 1 / (np.sqrt(var) + eps)\n    cache",
        [inference_values],
    ),
    "inference without beta": (
        norms,
        "y += _as_scale(beta, layout, view)",
        "pass",
        [inference_values],
    ),
    "float16 throughout": (
        norms,
        "return x.astype(np.float32) if x.dtype == np.float16 else x",
        "return x",
        [float16],
    ),
    "biased running variance": (
        norm,
        "running.unbiased(cache.var, m)",
        "cache.var",
        [layer_states, cumulative_average],
    ),
    "Bessel by the count of batches": (
        norm,
        "running.unbiased(cache.var, m)",
        "running.unbiased(cache.var, 1 + int(self.num_batches_tracked))",
        [layer_states],
    ),
    "Bessel upside down": (
        running,
        "(count / (count - 1))",
        "((count - 1) / count)",
        [layer_states, moment_values],
    ),
    "momentum the other way round": (
        running,
        "return (1 - momentum) * old + momentum * new",
        "return momentum * old + (1 - momentum) * new",
        [layer_states, averages],
    ),
    "running variance not updated": (
        norm,
        "((self.running_mean, mean), (self.running_var, var)):",
        "((self.running_mean, mean),):",
        [layer_states],
    ),
    "statistics learned in evaluation": (
        norm,
        "            return norms.batch_norm_inference(",
        (
            "            self._update_running_stats(norms.batch_norm_forward(x)[1])\n"
            "            return norms.batch_norm_inference("
        ),
        [layer_states],
    ),
    "batch statistics in evaluation": (
        norm,
        "if not self.training and self.track_running_stats:",
        "if False:",
        [layer_states],
    ),
    "cumulative average off by one": (
        running,
        "exponential_average(old, new, 1 / count)",
        "exponential_average(old, new, 1 / (1 + count))",
        [cumulative_average, averages],
    ),
    "cumulative average taken for exponential": (
        norm,
        "if self.momentum is None:",
        "if self.momentum is not None:",
        [layer_states],
    ),
    "correction off by one step": (
        running,
        "math.expm1(steps * ",
        "math.expm1((steps + 1) * ",
        [averages],
    ),
    "correction without the minus": (
        running,
        "math.log1p(-momentum)",
        "math.log(momentum)",
        [averages],
    ),
    "all momenta converted": (
        running,
        "momentum if same else 1 - momentum",
        "1 - momentum",
        [conversion],
    ),
    "no momentum converted": (
        running,
        "momentum if same else 1 - momentum",
        "momentum",
        [conversion],
    ),
    "moments without the second pass": (
        running,
        "- count * np.squeeze(missed, axes) ** 2",
        "+ count * np.squeeze(guess, axes) ** 2",
        [moment_values],
    ),
    "channels on the last axis": (
        running,
        "if axis != 1)",
        "if axis != x.ndim - 1 or x.ndim == 1)",
        [moment_values],
    ),
    "Welford with the old mean twice": (
        running,
        "before * (value - mean)",
        "before * before",
        [moment_values],
    ),
    "Welford divides by the old count": (
        running,
        "moments.mean + before / count",
        "moments.mean + before / max(moments.count, 1)",
        [moment_values],
    ),
    "Chan without the means' distance": (
        running,
        "a.m2 + b.m2 + delta**2 * (a.count * b.count / count)",
        "a.m2 + b.m2",
        [moment_values],
    ),
    "Chan weighs by the wrong side": (
        running,
        "a.mean + delta * (b.count / count)",
        "a.mean + delta * (a.count / count)",
        [moment_values],
    ),
    "statistics not reset": (
        training,
        "norm.momentum = None  # the cumulative average",
        "pass",
        [statistics_anew],
    ),
    "counter not reset": (
        training,
        "        norm.num_batches_tracked[...] = 0\n",
        "",
        [statistics_anew],
    ),
    "only the mean measured anew": (
        training,
        "norm.running_var[...] = measured.running_var",
        "pass",
        [statistics_anew],
    ),
    "measured in evaluation mode": (
        training,
        "twin = copy.deepcopy(model).train()",
        "twin = copy.deepcopy(model).eval()",
        [statistics_anew],
    ),
    "measured on the model itself": (
        training,
        "twin = copy.deepcopy(model).train()",
        "twin = model.train()",
        [failing_update],
    ),
    "batches not counted": (
        norm,
        "self.num_batches_tracked[...] += 1",
        "pass",
        [layer_states],
    ),
    "empty batch not counted": (
        norm,
        "if m == 0:",
        "if m == 0:\n            self.num_batches_tracked[...] -= 1",
        [empty_batches],
    ),
    "rows normalised instead of channels": (
        norm,
        "m = cache.x.size // self.num_features if self.num_features else 0",
        "m = len(cache.x)",
        [lambda: oracle.check_layer((4, 3, 5))],
    ),
    "ReLU by dout": (
        dense,
        "dout * (self._x > 0)",
        "dout * (dout > 0)",
        [activations],
    ),
    "sigmoid without 1 - y": (
        dense,
        "dout * self._y * (1 - self._y)",
        "dout * self._y",
        [activations],
    ),
    "tanh without the square": (
        dense,
        "(1 - self._y**2)",
        "(1 - self._y)",
        [activations],
    ),
    "bias gradient averaged": (
        dense,
        "flat.sum(axis=0)",
        "flat.mean(axis=0)",
        [activations],
    ),
    "cross-entropy not averaged": (
        losses,
        "dlogits / len(logits)",
        "dlogits",
        [loss_values],
    ),
    "squares without the 2": (
        losses,
        "2 * difference / difference.size",
        "difference / difference.size",
        [loss_values],
    ),
    "entries loaded before all are checked": (
        base,
        (
            "        new = {key: _fitting(name, key, state[key], own[key]) for key in own}\n"
            "        for key, value in new.items():\n            own[key][...] = value\n"
        ),
        (
            "        for key in own:\n"
            "            own[key][...] = _fitting(name, key, state[key], own[key])\n"
        ),
        [states],
    ),
    "state dict without copies": (
        base,
        "copy.deepcopy(self._state())",
        "self._state()",
        [states],
    ),
    "decay with the wrong sign": (
        optim,
        "gradient + self.weight_decay * value",
        "gradient - self.weight_decay * value",
        [optimisers],
    ),
    "momentum dampened": (
        optim,
        "self._velocity.get(name, 0.0) + gradient",
        "self._velocity.get(name, 0.0) + (1 - self.momentum) * gradient",
        [optimisers],
    ),
    "Adam without bias correction": (
        optim,
        "return first / (1 - b1**step)",
        "return first",
        [optimisers],
    ),
    "Adam with eps inside the root": (
        optim,
        (
            "np.sqrt(second / (1 - b2**step))\n        return first / (1 - b1**step) "
            "/ (root + self.eps)"
        ),
        (
            "np.sqrt(second / (1 - b2**step) + self.eps)\n        return first / "
            "(1 - b1**step) / root"
        ),
        [optimisers],
    ),
    "groups not told apart": (
        data,
        "np.isin(groups, chosen)",
        "groups == groups",
        [grouped_streams],
    ),
    "rows drawn twice": (
        data,
        "generator.choice(rows, batch_size, replace=False)",
        "generator.choice(rows, batch_size)",
        [grouped_streams],
    ),
    "weights summed without squares": (
        shift,
        "(w**2).sum()",
        "w.sum()",
        [known_weights],
    ),
    "penalty on b as well": (
        shift,
        "ridge[-1] = 0",
        "pass",
        [classifiers],
    ),
    "weights not scaled": (
        shift,
        "    w = w / w.mean()\n",
        "",
        [classifiers],
    ),
    "weights ignored": (
        shift,
        "rows.T @ (w * (p - y))",
        "rows.T @ (p - y)",
        [classifiers],
    ),
    "ratio of the sizes upside down": (
        shift,
        "len(x_train) / len(x_use)",
        "len(x_use) / len(x_train)",
        [ratios],
    ),
    "ratio upside down": (
        shift,
        "np.exp(log_odds)",
        "np.exp(-log_odds)",
        [ratios],
    ),
    "tail without the hits themselves": (
        shift,
        "range(hits, min(k, t) + 1)",
        "range(hits + 1, min(k, t) + 1)",
        [chances],
    ),
    "asked about what it learned": (
        shift,
        "learn[rows[: len(rows) // 2]] = True",
        "learn[rows[: len(rows) // 2]] = True; x[rows[len(rows) // 2 :], 0] += origin",
        [false_alarms],
    ),
    "slant about the corner": (
        data,
        'np.einsum("nrc,nr,nc->n", ink, row, column)',
        'np.einsum("nrc,nr,nc->n", ink, row + 1, column + 1)',
        [slants],
    ),
    "slant across": (
        data,
        'np.einsum("nrc,nr->n", ink, row**2)',
        'np.einsum("nrc,nc->n", ink, column**2)',
        [slants],
    ),
    "copier without a centre": (
        data,
        "down * across / 36",
        "1 / 9",
        [copier],
    ),
    "odds of the other side": (
        data,
        "(1 - q[train]) / q[train]",
        "q[train] / (1 - q[train])",
        [coins],
    ),
    "odds of the other part": (
        data,
        "(1 - q[train]) / q[train]",
        "(1 - q[use])[: len(train)] / q[train]",
        [coins],
    ),
    "strides exchanged": (
        conv,
        "windows[:, :, ::down, ::right]",
        "windows[:, :, ::right, ::down]",
        [convolutions, convolutions_by_loops, pools],
    ),
    "paddings exchanged": (
        conv,
        "(0, 0), (0, 0), (top, top), (left, left)",
        "(0, 0), (0, 0), (left, left), (top, top)",
        [convolutions, pools],
    ),
    "padding forgotten in dx": (
        conv,
        "padded[:, :, top : top + height, left : left + width]",
        "padded[:, :, :height, :width]",
        [convolutions, convolutions_by_loops, convolutions_by_differences, adjoints],
    ),
    "padding on one side alone": (
        conv,
        "(0, 0), (0, 0), (top, top), (left, left)",
        "(0, 0), (0, 0), (2 * top, 0), (left, left)",
        [convolutions, convolutions_by_loops, pools, adjoints],
    ),
    "padding by the border": (
        conv,
        "(top, top), (left, left)))",
        "(top, top), (left, left)), 'edge')",
        [convolutions, convolutions_by_loops, pools, adjoints],
    ),
    "kernel flipped": (
        conv,
        "np.tensordot(self.weight, self._windows(x)",
        "np.tensordot(self.weight[:, :, ::-1, ::-1], self._windows(x)",
        [convolutions, convolutions_by_loops, convolutions_by_differences],
    ),
    "kernel flipped in dx": (
        conv,
        "np.tensordot(self.weight, dout",
        "np.tensordot(self.weight[:, :, ::-1, ::-1], dout",
        [convolutions, convolutions_by_loops, convolutions_by_differences, adjoints],
    ),
    "kernel transposed": (
        conv,
        "((1, 2, 3), (1, 4, 5))",
        "((1, 2, 3), (1, 5, 4))",
        [convolutions, convolutions_by_loops, convolutions_by_differences],
    ),
    "convolution without bias": (
        conv,
        "y += self.bias[",
        "0 * self.bias[",
        [convolutions, convolutions_by_loops],
    ),
    "bias gradient of a convolution averaged": (
        conv,
        "dout.sum(axis=(0, 2, 3))",
        "dout.mean(axis=(0, 2, 3))",
        [convolutions, convolutions_by_loops, convolutions_by_differences],
    ),
    "weight gradient averaged over the images": (
        conv,
        "np.tensordot(dout, windows,",
        "np.tensordot(dout / len(dout), windows,",
        [convolutions, convolutions_by_loops, convolutions_by_differences],
    ),
    "weight gradients add up": (
        conv,
        '_gradients["weight"] = ',
        '_gradients["weight"] = self._gradients.get("weight", 0) + ',
        [test_conv.test_gradients_follow_the_last_batch],
    ),
    "overlap overwritten": (
        conv,
        "places += parts",
        "places[...] = parts",
        [convolutions, convolutions_by_loops, convolutions_by_differences, adjoints],
    ),
    "columns of the wrong place": (
        conv,
        "slice(j, None, right)",
        "slice(i, None, right)",
        [convolutions, convolutions_by_differences],
    ),
    "pool not divided": (
        conv,
        "self._windows(x).mean(axis=(4, 5))",
        "self._windows(x).sum(axis=(4, 5))",
        [pools, adjoints],
    ),
    "maximum instead of mean": (
        conv,
        "self._windows(x).mean(axis=(4, 5))",
        "self._windows(x).max(axis=(4, 5))",
        [pools, pools_by_differences],
    ),
    "pool not divided backward": (
        conv,
        "dout / math.prod(self.kernel_size)",
        "dout * 1.0",
        [pools, pools_by_differences, adjoints],
    ),
    "pool divided by the height alone": (
        conv,
        "dout / math.prod(self.kernel_size)",
        "dout / self.kernel_size[0]",
        [pools, pools_by_differences, adjoints],
    ),
    "pool moves by one pixel": (
        conv,
        "kernel_size if stride is None",
        "1 if stride is None",
        [pools],
    ),
    "width before height": (
        conv,
        "return int(pair[0]), int(pair[1])",
        "return int(pair[1]), int(pair[0])",
        [convolutions, pools, test_conv.test_sizes_are_kept_as_pairs],
    ),
    "pool padded by the whole kernel": (
        conv,
        "2 * top > height or 2 * left > width",
        "top > height or left > width",
        [test_conv.test_pooling_refuses_padding_of_more_than_half_the_kernel],
    ),
    "width of the kernel not checked": (
        conv,
        " or self.kernel_size[1] > size[1]",
        "",
        [refused_images],
    ),
    "one bad size of two accepted": (
        conv,
        "min(pair) < least",
        "max(pair) < least",
        [refused_sizes],
    ),
    "truth values as sizes": (
        conv,
        " and type(n) is not bool",
        "",
        [refused_sizes],
    ),
    "flattened column by column": (
        conv,
        "x.reshape(self._flat_shape())",
        'x.reshape(self._flat_shape(), order="F")',
        [flattened],
    ),
    "integers accepted": (
        base,
        'x.dtype.kind != "f"',
        'x.dtype.kind not in "fi"',
        [refused_images, test_layers.test_linear_refuses],
    ),
    "weights scaled by the outputs": (
        base,
        "math.prod(shape[1:])",
        "math.prod(shape[:1])",
        [initial_weights],
    ),
    "residual without its own path": (
        base,
        "return dout + super().backward(dout)",
        "return super().backward(dout)",
        [test_layers.residuals_follow_pytorch],
    ),
    "residual adds what it broadcasts": (
        base,
        "if y.shape != x.shape:",
        "if False:",
        [one_column_would_broadcast],
    ),
    "a layer in two places": (
        base,
        "if id(layer) in seen:",
        "if False:",
        [test_layers.shared_layers],
    ),
    "no bias before any norm": (
        networks,
        "isinstance(layer, BatchNorm) for",
        "isinstance(layer, Layer) for",
        [norms_in_networks],
    ),
    "gradient of the input traced": (
        experiment,
        "found.gradients[name] = dout\n        return backward(dout)",
        "found.gradients[name] = backward(dout)\n        return found.gradients[name]",
        [test_experiment.traces_equal_pytorch],
    ),
    "the model itself traced": (
        experiment,
        "copy.deepcopy(model)",
        "model",
        [test_experiment.leaves_the_model_alone],
    ),
    "arrays of the model traced": (
        experiment,
        "copy.deepcopy(model)",
        "copy.copy(model)",
        [test_experiment.leaves_the_model_alone],
    ),
    "seeds first": (
        experiment,
        '{**settings, "seed": seeds}.items()',
        '{"seed": seeds, **settings}.items()',
        [test_experiment.sweeps_in_order],
    ),
    "letters as values": (
        experiment,
        "isinstance(values, str) or ",
        "",
        [words_as_settings],
    ),
    "mode not restored": (
        training,
        "            layer.training = mode\n",
        "            pass\n",
        [modes],
    ),
}


def everything(namespace, module):
    """Yield each function and method that is written in a module, by name."""
    for name, thing in namespace.items():
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            for inner, method in vars(thing).items():
                method = method.fget if isinstance(method, property) else method
                if inspect.isfunction(method):
                    yield f"{name}.{inner}", method
        elif inspect.isfunction(inspect.unwrap(thing)):
            yield name, inspect.unwrap(thing)


def mutate(monkeypatch, module, old, new):
    """Run all of a module's functions on the changed source until the test ends."""
    text = inspect.getsource(module)
    assert text.count(old) == 1, f"{module.__name__} says {old!r} not exactly once"
    namespace = dict(vars(module))
    exec(compile(text.replace(old, new), "mutant", "exec"), namespace)  # noqa: S102
    originals = dict(everything(vars(module), module))
    changed = 0
    for name, function in everything(namespace, module):
        original = originals.get(name)
        # `super()` makes a closure, which stays; the new code must have one as well.
        if original is None or original is function:
            continue
        if original.__code__.co_freevars != function.__code__.co_freevars:
            continue
        if original.__code__.co_code != function.__code__.co_code or (
            original.__code__.co_consts != function.__code__.co_consts
            or original.__code__.co_names != function.__code__.co_names
        ):
            changed += 1
        monkeypatch.setattr(original, "__code__", function.__code__)
    assert changed, "the mutant does nothing else"


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_mutant_is_found(monkeypatch, name):
    module, old, new, finders = MUTANTS[name]
    mutate(monkeypatch, module, old, new)
    for find in finders:
        # By a comparison that fails, or an error that is not raised; not by a crash.
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            find()


def test_finders_accept_the_package_as_it_is():
    for find in {find for *_, finders in MUTANTS.values() for find in finders}:
        find()
    streams()


def test_changed_code_is_put_back():
    before = core.standardize.__code__
    with pytest.MonkeyPatch.context() as patch:
        mutate(patch, *MUTANTS["eps forgotten"][:3])
        assert core.standardize.__code__ is not before
    assert core.standardize.__code__ is before
