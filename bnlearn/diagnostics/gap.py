"""How far batches are from running statistics, and what is more than chance."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnlearn.diagnostics.watch import NormState, Reading

__all__ = ["EXAMPLES", "FEW", "Gap", "far_off", "gap", "spread_known"]

# On digits, healthy networks of many kinds had means up to 0.8 running standard
# deviations off in single channels, and variance ratios up to 2; in a quarter of a layer's
# channels neither came near FAR and RATIO.
MANY = 0.25  # share of a layer's channels that makes FAR and RATIO enough
FAR, ALONE_FAR = 0.5, 1.5  # running standard deviations between two means
RATIO, ALONE_RATIO = 2.0, 20.0  # between two variances
SURE = 6.0  # standard errors, on top of that
KNOWN = 1 / 3  # relative standard error of a variance that is judged alone
EXAMPLES = 16  # that a comparison takes: their scatter tells what chance is
FEW = 4  # values per mean: chapter 06 finds 2 to be too few


class Gap(NamedTuple):
    """How far batches are from running statistics, one number per channel.

    `mean` is in running standard deviations, `log_ratio` the logarithm of batch
    variance / running variance; the others are their standard errors.
    """

    mean: NDArray
    mean_error: NDArray
    log_ratio: NDArray
    log_ratio_error: NDArray


def gap(norm: NormState, readings: list[Reading]) -> Gap | None:
    """Compare batches with running statistics; None where there is nothing to compare.

    Both are estimates. An error comes from the scatter of whole examples, which need
    not be Gaussian or independent inside; with several batches also from the scatter of
    these, whichever is larger. That of the running statistics follows from their
    momentum, as if training had used batches of this size.
    """
    readings = spread_known(readings)
    if not norm.tracks or sum(len(reading.means) for reading in readings) < EXAMPLES:
        return None
    memory = 0.0 if norm.momentum is None else norm.momentum / (2 - norm.momentum)
    root = np.sqrt(norm.running_var.astype(np.float64) + readings[0].eps)
    mean, mean_error = _average([reading.means for reading in readings], memory)
    var, var_error = _average([reading.squares for reading in readings], memory)
    var += readings[0].eps
    return Gap(
        (mean - norm.running_mean) / root,
        mean_error / root,
        np.log(var / root**2),
        var_error / var,
    )


def _average(parts: list[NDArray], memory: float) -> tuple[NDArray, NDArray]:
    """Average the parts of all examples; return the error of the difference, too."""
    examples, count = np.concatenate(parts), len(parts)
    one_batch = examples.var(axis=0, ddof=1) * count / len(examples)
    if count > 1:
        scatter = np.var([part.mean(axis=0) for part in parts], axis=0, ddof=1)
        one_batch = np.maximum(one_batch, scatter)
    return examples.mean(axis=0), np.sqrt(one_batch * (1 / count + memory))


def spread_known(readings: list[Reading]) -> list[Reading]:
    """Leave out batches from which nothing can be learned about the spread of values."""
    return [reading for reading in readings if reading.values > 1]


def far_off(found: Gap, readings: list[Reading]) -> NDArray:
    """Tell which channels are off by more than chance and training explain."""
    readings = spread_known(readings)
    off, ratio = np.abs(found.mean), np.abs(found.log_ratio)
    var, eps = np.concatenate([r.var for r in readings]).mean(axis=0), readings[0].eps
    audible = var > eps
    away = audible & (off > np.maximum(FAR, SURE * found.mean_error))
    sure = ratio > np.maximum(np.log(RATIO), SURE * found.log_ratio_error)
    far = away | sure & (var > 0)  # units that are closed say nothing
    if far.mean() >= MANY:
        return far
    # Rarely active features jump: a variance that hangs on few examples proves nothing.
    known = audible & (found.log_ratio_error * (var + eps) < KNOWN * var)
    return away & (off > ALONE_FAR) | known & (ratio > np.log(ALONE_RATIO))
