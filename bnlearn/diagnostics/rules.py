"""What counts as a finding: the rules, and where their thresholds come from."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnlearn.diagnostics.gap import EXAMPLES, FEW, far_off, gap, spread_known
from bnlearn.diagnostics.report import Finding
from bnlearn.diagnostics.watch import NormState, Reading, Watch

__all__ = ["Seen", "find"]

# Thresholds; those of the comparison with running statistics are in `gap`.
SMALL_GAMMA = 1e-3
ENOUGH = 32  # values, before a unit is called dead
CLOSED = 4.0  # standard deviations between a dead unit's input and the bend
SOME = 0.1  # share of units that may be dead without a warning
START = 0.05  # share of the running statistics that is still 0 and 1


class Seen(NamedTuple):
    """All that the rules look at."""

    training: bool
    norms: list[NormState]
    watch: Watch
    awake: Watch | None  # the same batches in training mode, if that is another
    dead_biases: dict[str, str]  # norm: the layer whose bias it removes
    varied: bool  # whether the output depends on the example


def find(seen: Seen) -> list[Finding]:
    """Go through all the rules."""
    found = [*_not_finite(seen), *_unmixed(seen)]
    for norm in seen.norms:
        readings = seen.watch.norms.get(norm.name, [])
        for rule in ABOUT_STATE:
            found += rule(norm, seen)
        for rule in ABOUT_BATCHES if readings else ():
            found += rule(norm, readings, seen)
    return [*found, *_dead(seen)]


def _finding(
    layer: str, kind: str, severity: str, said: str, channels: NDArray | None = None
) -> Finding:
    chosen = () if channels is None else tuple(map(int, np.flatnonzero(channels)))
    return Finding(layer or "(model)", kind, severity, said, chosen)


def _some(channels: NDArray, unit: str = "channel") -> str:
    """Count channels, and name the first ones."""
    chosen = np.flatnonzero(channels)
    first = ", ".join(map(str, chosen[:5])) + ", ..." * (len(chosen) > 5)
    which = "all" if len(chosen) == channels.size else first
    return f"{len(chosen)} of {channels.size} {unit}s ({which})"


def _unit(norm: NormState) -> str:
    return "channel" if norm.kind in ("batch", "instance") else "group"


def _at_start(norm: NormState) -> bool:
    return bool((norm.running_mean == 0).all() and (norm.running_var == 1).all())


def _good(norm: NormState) -> NDArray:
    """Say of which channels the running statistics are possible."""
    mean, var = norm.running_mean, norm.running_var
    return np.isfinite(mean) & np.isfinite(var) & (var >= 0)


# Rules about a layer as it is --------------------------------------------------------


def _mode(norm: NormState, seen: Seen) -> Iterator[Finding]:
    """Name a mode that is not the network's."""
    if not norm.tracks:
        return
    if norm.training and not seen.training:
        said = (
            "In training mode in a network that is in evaluation mode: answers depend "
            "on the neighbours, and every one of them moves the running statistics."
        )
        yield _finding(norm.name, "mode", "error", said)
    elif not norm.training and seen.training:
        said = "In evaluation mode in a network that is in training mode"
        said += "." if norm.trainable else ", and not trained: frozen on purpose."
        severity = "warning" if norm.trainable else "note"
        yield _finding(norm.name, "mode", severity, said)
    elif norm.training and not norm.trainable:
        said = "gamma and beta are not trained, but the running statistics still move."
        yield _finding(norm.name, "mode", "warning", said)


def _statistics(norm: NormState, seen: Seen) -> Iterator[Finding]:
    """Name running statistics that are missing, impossible, or those of a new layer."""
    if not norm.tracks:
        if norm.kind == "batch":
            said = "No running statistics: answers depend on the neighbours for ever."
            yield _finding(norm.name, "no-statistics", "warning", said)
        return
    good = _good(norm)
    if not good.all():
        said = f"{_some(~good)}: running statistics not finite, or a negative variance."
        yield _finding(norm.name, "not-finite", "error", said, ~good)
    elif norm.name not in seen.watch.places:
        said = "It is not called by these data, so nothing could be compared."
        yield _finding(norm.name, "never-updated", "note", said)
    elif _at_start(norm):
        said = "The running statistics are still those of a new layer, 0 and 1."
        # Before the first step of a training they have to be.
        severity = "note" if seen.training and not norm.count else "error"
        yield _finding(norm.name, "never-updated", severity, said)


def _momentum(norm: NormState, seen: Seen) -> Iterator[Finding]:
    """Name a momentum that looks as if it came from another library."""
    a = norm.momentum
    if not norm.tracks or a is None or 0 < a <= 0.5:
        return
    effect = f"are as good as {(2 - a) / a:.1f} batches" if a > 0 else "do not follow"
    said = f"{a:g} is the weight of the new value: running statistics {effect}."
    if 0.5 < a < 1:
        said += f" {a:g} of Keras, Flax and ONNX is {1 - a:.3g} here."
    yield _finding(norm.name, "momentum", "warning", said)


def _gamma(norm: NormState, seen: Seen) -> Iterator[Finding]:
    """Name a gamma near zero."""
    if norm.weight is None:
        return
    small = np.abs(norm.weight.ravel()) < SMALL_GAMMA
    if small.any():
        # All zero is how some residual branches are meant to start.
        severity = "warning" if norm.weight.any() or not seen.varied else "note"
        said = f"{_some(small)}: |gamma| is below {SMALL_GAMMA:g}, which shuts out what comes in."
        yield _finding(norm.name, "gamma", severity, said, small)


def _bias(norm: NormState, seen: Seen) -> Iterator[Finding]:
    """Name a bias that the norm subtracts again."""
    if norm.name in seen.dead_biases:
        layer = seen.dead_biases[norm.name]
        said = f"The bias of layer {layer} comes straight to this norm, without effect."
        yield _finding(norm.name, "bias", "note", said)


ABOUT_STATE = (_mode, _statistics, _momentum, _gamma, _bias)


# Rules about what batches are like for a layer ---------------------------------------


def _size(norm: NormState, readings: list[Reading], seen: Seen) -> Iterator[Finding]:
    """Name too few values for a mean and a variance."""
    m = min(reading.values for reading in readings)
    few = FEW if norm.kind == "batch" else 2
    unknown = norm.tracks and gap(norm, readings) is None
    if m > few or (norm.tracks and seen.training and not norm.training):
        # A frozen layer does not look at the batch.
        if unknown:
            said = (
                f"Running statistics were not compared: that takes {EXAMPLES} examples."
            )
            yield _finding(norm.name, "few-values", "note", said)
        return
    # In evaluation it matters if the layer uses the batch even there.
    lenient = norm.tracks and not seen.training
    if m == 1:
        said = f"One value per {_unit(norm)}: nothing is left of it without its mean."
        yield _finding(norm.name, "one-value", "note" if lenient else "error", said)
    else:
        said = (
            f"{m} values per {_unit(norm)}: their mean and variance use up 2 of them."
        )
        yield _finding(norm.name, "few-values", "note" if lenient else "warning", said)


def _quiet(norm: NormState, readings: list[Reading], seen: Seen) -> Iterator[Finding]:
    """Name channels that are constant, or whose variance is smaller than eps."""
    batch, readings = norm.kind == "batch", spread_known(readings)
    if sum(r.values for r in readings) < FEW:
        return
    source = readings[0].source
    eps, var = readings[0].eps, np.concatenate([r.var for r in readings])
    constant = np.concatenate([r.constant for r in readings])
    # Of examples, half have to be so; of batches, all.
    share = 1 if batch else 0.5
    flat = constant.mean(axis=0) >= share
    small = ~flat & ((var <= eps).mean(axis=0) >= share)
    if batch and source == "rectifier":  # rarely active units; or dead, named so
        flat &= np.concatenate([r.means for r in readings]).any(axis=0)
    rare = source == "rectifier" and small.mean() < SOME
    severity = "note" if source == "data" or rare else "warning"
    if flat.any():
        said = f"{_some(flat, _unit(norm))}: no spread in these batches."
        yield _finding(norm.name, "constant", severity, said, flat)
    if small.any():
        left = float(np.sqrt(np.median(var[:, small] / (var[:, small] + eps))))
        said = (
            f"{_some(small, _unit(norm))}: variance at most eps = {eps:g}, so the "
            f"standard deviation comes out as {left:.2f} in place of 1."
        )
        yield _finding(norm.name, "eps", severity, said, small)


def _drift(norm: NormState, readings: list[Reading], seen: Seen) -> Iterator[Finding]:
    """Name running statistics that are not those of the batches."""
    found = gap(norm, readings)
    if found is None or _at_start(norm):
        return
    far = far_off(found, readings) & _good(norm)
    if not far.any():
        return
    mean, ratio = (max(g[far], key=abs) for g in (found.mean, found.log_ratio))
    said = (
        f"{_some(far)}: batch and running statistics differ beyond chance. At worst "
        f"batch minus running mean is {mean:.1f} running standard deviations, batch over "
        f"running variance is {np.exp(ratio):.2g}."
    )
    kind, severity = "drift", "warning"
    awake = seen.awake.norms.get(norm.name, []) if seen.awake else []
    if (training := gap(norm, awake)) and not far_off(training, awake).any():
        kind = "dropout"
        said += " In training mode they agree: something acts there and not here."
    elif norm.momentum and norm.count:
        start = (1 - norm.momentum) ** norm.count
        if start > START:
            said += f" The starting values 0 and 1 still weigh {start:.0%}."
            without = {
                "running_mean": norm.running_mean / (1 - start),
                "running_var": (norm.running_var - start) / (1 - start),
            }
            rest = gap(replace(norm, **without), readings)
            if seen.training and not far_off(rest, readings).any():
                severity = "note"  # training will forget them
    yield _finding(norm.name, kind, severity, said, far)


ABOUT_BATCHES = (_size, _quiet, _drift)


# Rules about the whole ---------------------------------------------------------------


def _unmixed(seen: Seen) -> Iterator[Finding]:
    """Name batches whose means differ more than chance allows, at the first batch norm."""
    first = next((norm for norm in seen.norms if norm.kind == "batch"), None)
    readings = seen.watch.norms.get(first.name, []) if first else []
    parts = [r.means for r in spread_known(readings) if len(r.means) >= 2 * FEW]
    if len(parts) < 2:
        return
    within = np.mean([part.var(axis=0, ddof=1) / len(part) for part in parts], axis=0)
    between = np.var([part.mean(axis=0) for part in parts], axis=0, ddof=1)
    ratio = between[within > 0] / within[within > 0]
    # An estimate of a variance from k numbers is off by a share of sqrt(2 / (k - 1)).
    bound = 1 + 5 * np.sqrt(2 / (len(parts) - 1))
    if ratio.size and (factor := np.median(ratio)) > bound:
        said = (
            f"The means of the {len(parts)} batches scatter {np.sqrt(factor):.1f} "
            "times as much as those of mixed batches would."
        )
        yield _finding(first.name, "unmixed", "warning", said)


def _dead(seen: Seen) -> Iterator[Finding]:
    """Name rectifiers that are closed for every example, and by far.

    A unit that answers to few examples is zero in most batches and healthy. A dead one
    is far from the bend: even an input of `CLOSED` standard deviations would not do.
    Where the input does not vary at all, what comes before is to blame.
    """
    for name, summaries in seen.watch.rectifiers.items():
        rows, mean, sd, largest = np.array(summaries).swapaxes(0, 1)
        spread = np.sqrt(np.mean(sd**2, axis=0))
        dead = (largest <= 0).all(axis=0) & (rows.sum(axis=0) >= ENOUGH)
        dead &= (spread > SMALL_GAMMA) & (mean.mean(axis=0) + CLOSED * spread < 0)
        if dead.any():
            said = f"{_some(dead)}: zero for every example, by a wide margin."
            severity = "note" if dead.mean() < SOME else "warning"
            yield _finding(name, "dead", severity, said, dead)


def _not_finite(seen: Seen) -> Iterator[Finding]:
    """Name what first was not finite."""
    if seen.watch.broken == "data":
        said = f"Not all values of batch {seen.watch.batches - 1} are finite."
        yield _finding("data", "not-finite", "error", said)
    elif seen.watch.broken is not None:
        said = "Its output is the first that is not finite: look at its parameters."
        yield _finding(seen.watch.broken, "not-finite", "error", said)
