"""What counts as a finding: the rules, and where their thresholds come from."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnlearn.diagnostics.reading import NormState, Reading
from bnlearn.diagnostics.report import Finding
from bnlearn.diagnostics.watch import Watch
from bnlearn.exercises.definition import Section

__all__ = ["KINDS", "Gap", "Seen", "find", "gap"]

MODES = Section("05_inference_statistics", "A laboratory of train() and eval()")
QUIET = Section("02_normalization", "What eps does to a quiet pixel")
BEND = Section("03_identity_transform", "Where gamma could be merged")

# Every kind of finding, with the advice and the section that explains it.
KINDS: dict[str, tuple[str, Section]] = {
    "data-not-finite": (
        "Clean the data: one such value spoils the statistics of its whole batch.",
        QUIET,
    ),
    "output-not-finite": (
        "Look at the weights and the input of this layer; all that follows is spoilt.",
        Section("02_normalization", "A network that will not start"),
    ),
    "broken-statistics": (
        (
            "Find the batch that did it, then measure again (update_bn): no average forgets "
            "such a value."
        ),
        Section("05_inference_statistics", "Measuring again"),
    ),
    "broken-parameters": (
        "Go back to weights from before the training diverged.",
        Section("03_identity_transform", "Scale and shift"),
    ),
    "training-in-eval": (
        "Call eval() on the whole network before it is used.",
        MODES,
    ),
    "frozen": (
        "Right if it is meant to be frozen; if not, call train() on the whole network.",
        MODES,
    ),
    "half-frozen": (
        "Call eval() on the layer after every train() of the network, too.",
        MODES,
    ),
    "no-statistics": (
        "Set track_running_stats=True, or use a norm that does not look at the batch.",
        MODES,
    ),
    "never-updated": (
        (
            "Train in training mode, load the whole state dict, or measure them with "
            "update_bn."
        ),
        Section(
            "05_inference_statistics", "What is learned, what is kept, what is saved"
        ),
    ),
    "count-lost": (
        "Load num_batches_tracked with the statistics, or set a momentum.",
        Section("05_inference_statistics", "Running averages"),
    ),
    "start-remains": (
        "Train longer, choose a larger momentum, or measure again with update_bn.",
        Section(
            "05_inference_statistics", "How long it remembers, and how noisy it is"
        ),
    ),
    "drift": (
        (
            "If these batches are like those of training, measure the statistics again "
            "with update_bn; if they are not, that is the finding."
        ),
        Section("05_inference_statistics", "Measuring again"),
    ),
    "other-in-training": (
        "Put dropout behind the last norm: measuring again does not repair this.",
        MODES,
    ),
    "unmixed": (
        "Shuffle, so that every batch is a small sample of all the data.",
        Section("05_inference_statistics", "Batches that are not mixed"),
    ),
    "one-value": (
        "Use larger batches, drop a last batch of one, or take a norm over other axes.",
        MODES,
    ),
    "few-values": (
        "Use larger batches, or a norm that averages over more values.",
        Section("06_norm_variants", "Two examples are not enough"),
    ),
    "constant": (
        "Find out why: the norm makes beta of it, whatever its value is.",
        QUIET,
    ),
    "eps": (
        "Scale up what comes in, or choose a smaller eps, if the channel matters.",
        QUIET,
    ),
    "dead": (
        "Try a smaller learning rate, and look at gamma and beta of the norm before it.",
        BEND,
    ),
    "gamma": (
        "Leave it if it was set so at the start; else look for too much weight decay.",
        Section("03_identity_transform", "What training makes of them"),
    ),
    "bias": (
        "Build the layer with bias=False: the norm's own beta does its job.",
        Section("03_identity_transform", "The dead bias"),
    ),
    "momentum": (
        "Set 0.1 for what Keras, Flax and ONNX call 0.9.",
        Section("05_inference_statistics", "Two conventions for one word"),
    ),
    "not-called": (
        "Call it in the forward pass, or remove it.",
        Section("05_inference_statistics", "Running averages"),
    ),
}

# Thresholds. On digits, healthy networks of many kinds had means up to 0.8 running standard
# deviations off in single channels, and variance ratios up to 2; in a quarter of a layer's
# channels neither came near the first pair of limits.
MANY = 0.25  # share of a layer's channels that makes the smaller limits enough
FAR, ALONE_FAR = 0.5, 1.5  # running standard deviations between two means
RATIO, ALONE_RATIO = 2.0, 20.0  # between two variances
SURE = 6.0  # standard errors, on top of that
STEADY = 3.0  # sd / mean of squared deviations; 1.4 for Gaussian values
SMALL_GAMMA = 1e-3
FEW = 4  # values per channel: chapter 06 finds 2 to be too few
EXAMPLES = 16  # that a comparison with running statistics takes
ENOUGH = 32  # values, before a unit is called dead
CLOSED = 4.0  # standard deviations between a dead unit's input and the bend
SOME = 0.1  # share of units that may be dead without a warning


class Gap(NamedTuple):
    """How far batches are from running statistics, one number per channel.

    `mean` is in running standard deviations, `log_ratio` the logarithm of batch
    variance / running variance; the others are their standard errors.
    """

    mean: NDArray
    mean_error: NDArray
    log_ratio: NDArray
    log_ratio_error: NDArray


class Seen(NamedTuple):
    """All that the rules look at."""

    training: bool
    norms: list[NormState]
    watch: Watch
    dead_biases: dict[str, str]  # norm: the layer whose bias it removes
    awake: Watch | None = None  # the same batches in training mode, if that differs


def find(seen: Seen) -> list[Finding]:
    """Go through all the rules."""
    found: list[Finding] = []
    for norm in seen.norms:
        calls = _calls(seen.watch, norm.name)
        for rule in ABOUT_LAYERS:
            found += rule(norm, seen, calls)
        for name, readings in calls.items():
            for rule in ABOUT_BATCHES:
                found += rule(name, norm, readings, seen)
    found += _unmixed(seen)
    # These two may be consequences of what was found before.
    found += _dead(seen, found)
    found += _not_finite(seen, found)
    return found


def gap(norm: NormState, readings: list[Reading]) -> Gap | None:
    """Compare batches with running statistics; None where there is nothing to compare.

    Both are estimates. An error comes from the scatter of single examples, which need
    not be independent within an image or Gaussian; with several batches also from the
    scatter of these, whichever is larger. That of the running statistics follows from
    their momentum, as if training had used batches of this size.
    """
    if not norm.tracks or not readings or readings[0].means is None:
        return None
    if min(r.values for r in readings) < 2 or not _finite_statistics(norm):
        return None
    sizes = [r.examples for r in readings]
    if sum(sizes) < EXAMPLES or min(sizes) < FEW:
        return None  # their scatter says too little about chance
    memory = 0.0 if norm.momentum is None else norm.momentum / (2 - norm.momentum)
    root = np.sqrt(norm.running_var.astype(np.float64) + readings[0].eps)
    mean, mean_error = _average([r.means for r in readings], memory)
    var, var_error = _average([r.squares for r in readings], memory)
    floor = var + readings[0].eps
    return Gap(
        (mean - norm.running_mean) / root,
        mean_error / root,
        np.log(floor / root**2),
        var_error / floor,
    )


def _average(parts: list[NDArray], memory: float) -> tuple[NDArray, NDArray]:
    """Average the parts of all examples; return the error of the difference, too."""
    everything = np.concatenate(parts)
    size, count = len(everything) / len(parts), len(parts)
    one_batch = everything.var(axis=0, ddof=len(everything) > 1) / size
    if count > 1:
        scatter = np.var([part.mean(axis=0) for part in parts], axis=0, ddof=1)
        one_batch = np.maximum(one_batch, scatter)
    return everything.mean(axis=0), np.sqrt(one_batch * (1 / count + memory))


def _finding(
    layer: str,
    kind: str,
    severity: str,
    message: str,
    *,
    advice: str | None = None,
    channels: NDArray | None = None,
    **numbers: float,
) -> Finding:
    usual, section = KINDS[kind]
    chosen = () if channels is None else tuple(map(int, np.flatnonzero(channels)))
    numbers = {key: float(value) for key, value in numbers.items()}
    return Finding(
        layer or "(model)",
        kind,
        severity,
        message,
        advice or usual,
        section,
        numbers,
        chosen,
    )


def _calls(watch: Watch, name: str) -> dict[str, list[Reading]]:
    """List the readings of a norm, apart for each time that a batch comes to it."""
    return {
        call: readings
        for call, readings in watch.norms.items()
        if call == name or call.startswith(f"{name} (call ")
    }


def _finite(*arrays: NDArray | None) -> bool:
    return all(a is None or np.isfinite(a).all() for a in arrays)


def _finite_statistics(norm: NormState) -> bool:
    return _finite(norm.running_mean, norm.running_var) and norm.running_var.min() >= 0


def _at_start(norm: NormState) -> bool:
    return bool((norm.running_mean == 0).all() and (norm.running_var == 1).all())


def _some(channels: NDArray, unit: str = "channel") -> str:
    """Count channels, and name the first ones."""
    chosen = np.flatnonzero(channels)
    if channels.size == 1:
        return f"The only {unit}"
    first = ", ".join(map(str, chosen[:5])) + ", ..." * (len(chosen) > 5)
    which = "all" if len(chosen) == channels.size else first
    return f"{len(chosen)} of {channels.size} {unit}s ({which})"


# Rules about a layer as it is --------------------------------------------------------


def _mode(norm: NormState, seen: Seen, calls: dict) -> Iterator[Finding]:
    """Name a mode that is not the network's."""
    if norm.kind not in ("batch", "instance") or not norm.tracks:
        return
    if norm.training and not seen.training:
        said = (
            "In training mode in a network that is in evaluation mode: answers depend "
            "on the neighbours, and every one of them moves the running statistics."
        )
        yield _finding(norm.name, "training-in-eval", "error", said)
    elif not norm.training and seen.training:
        said = "In evaluation mode in a network that is in training mode."
        yield _finding(norm.name, "frozen", "warning", said)
    elif norm.training and not norm.trainable:
        said = "gamma and beta are not trained, but the running statistics still move."
        yield _finding(norm.name, "half-frozen", "warning", said)


def _statistics(norm: NormState, seen: Seen, calls: dict) -> Iterator[Finding]:
    """Name running statistics that are missing, impossible, or those of a new layer."""
    if norm.kind == "batch" and not norm.tracks:
        said = "No running statistics: answers depend on the neighbours for ever."
        yield _finding(norm.name, "no-statistics", "warning", said)
    if not norm.tracks:
        return
    bad = ~np.isfinite(norm.running_mean) | ~np.isfinite(norm.running_var)
    bad |= ~(norm.running_var >= 0)
    if bad.any():
        said = f"{_some(bad)}: running statistics not finite, or a negative variance."
        yield _finding(norm.name, "broken-statistics", "error", said, channels=bad)
    elif _at_start(norm):
        said = "The running statistics are still those of a new layer, 0 and 1"
        said += f" (num_batches_tracked is {norm.count})." if norm.count else "."
        # Before the first step of a training they have to be.
        severity = "note" if seen.training and not norm.count else "error"
        yield _finding(norm.name, "never-updated", severity, said)
    elif norm.count == 0 and norm.momentum is None and norm.kind == "batch":
        said = (
            "num_batches_tracked is 0 and momentum is None: the next batch in training "
            "mode will replace all that the running statistics hold."
        )
        yield _finding(norm.name, "count-lost", "warning", said)


def _momentum(norm: NormState, seen: Seen, calls: dict) -> Iterator[Finding]:
    """Name a momentum that looks as if it came from another library."""
    a = norm.momentum
    if not norm.tracks or a is None or 0 < a < 0.5:
        return
    if 0.5 <= a <= 1:
        batches = (2 - a) / a
        said = (
            f"momentum is {a:g}: it multiplies the new value here, so the running "
            f"statistics are as good as {batches:.1f} batches."
        )
        yield _finding(norm.name, "momentum", "warning", said, batches=batches)
    else:
        said = f"momentum is {a:g}: running statistics do not follow the data that way."
        yield _finding(norm.name, "momentum", "error", said)


def _parameters(norm: NormState, seen: Seen, calls: dict) -> Iterator[Finding]:
    """Name a gamma or beta that is not finite, or a gamma near zero."""
    if not _finite(norm.weight, norm.bias):
        said = "gamma or beta is not finite."
        yield _finding(norm.name, "broken-parameters", "error", said)
    elif norm.weight is not None:
        small = np.abs(norm.weight.ravel()) < SMALL_GAMMA
        # All zero is how some residual branches are meant to start.
        severity = "note" if not norm.weight.any() else "warning"
        if small.any():
            largest = np.abs(norm.weight.ravel()[small]).max()
            size = f"at most {largest:.0g}" if largest else "0"
            said = f"{_some(small)}: |gamma| is {size}, which shuts out what comes in."
            yield _finding(
                norm.name, "gamma", severity, said, channels=small, largest=largest
            )


def _bias(norm: NormState, seen: Seen, calls: dict) -> Iterator[Finding]:
    """Name a bias that the norm subtracts again."""
    if norm.name in seen.dead_biases:
        layer = seen.dead_biases[norm.name]
        said = (
            f"The bias of layer {layer} comes straight to this norm and has no effect."
        )
        yield _finding(norm.name, "bias", "note", said)


def _not_called(norm: NormState, seen: Seen, calls: dict) -> Iterator[Finding]:
    """Name a norm that the forward pass leaves out."""
    if not calls and seen.watch.stopped is None:
        yield _finding(norm.name, "not-called", "note", "No batch came to this norm.")


ABOUT_LAYERS: tuple[Callable, ...] = (
    _mode,
    _statistics,
    _momentum,
    _parameters,
    _bias,
    _not_called,
)


# Rules about what batches are like for a layer ---------------------------------------


def _size(
    name: str, norm: NormState, readings: list[Reading], seen: Seen
) -> Iterator[Finding]:
    """Name too few values for a mean and a variance."""
    if norm.tracks and not norm.training and seen.training:
        return  # it does not look at the batch
    m = min(reading.values for reading in readings)
    # In evaluation it matters if the layer uses the batch even there.
    lenient = norm.tracks and not seen.training
    what = "channel" if norm.kind in ("batch", "instance") else "group"
    if m == 1:
        said = f"One value per {what}: its mean is itself, and nothing is left of it."
        severity = "note" if lenient else "error"
        yield _finding(name, "one-value", severity, said, values=m)
    elif m == 2 or (norm.kind == "batch" and m <= FEW):
        noise = 1 / np.sqrt(m)
        said = f"{m} values per {what}"
        said += (
            ": all that is left of them is which is larger."
            if m == 2
            else f": a mean of so few is off by {noise:.1f} standard deviations."
        )
        severity = "note" if lenient else "warning"
        yield _finding(name, "few-values", severity, said, values=m, noise=noise)


def _quiet(
    name: str, norm: NormState, readings: list[Reading], seen: Seen
) -> Iterator[Finding]:
    """Name channels that are constant, or whose variance is smaller than eps."""
    if _unusable(readings):
        return
    if norm.kind == "batch" and sum(r.values for r in readings) < FEW:
        return  # two or three values may be alike by chance
    eps = readings[0].eps
    var = np.concatenate([reading.var for reading in readings])
    constant = np.concatenate([reading.constant for reading in readings])
    # Of examples, half have to be so; of batches, all.
    share = 1 if norm.kind == "batch" else 0.5
    flat = constant.mean(axis=0) >= share
    small = ~flat & ((var <= eps).mean(axis=0) >= share)
    rectifier = seen.watch.rectifiers.get(readings[0].rectifier)
    if rectifier is not None and norm.kind == "batch":
        flat = flat & ~_closed(rectifier)[1]  # zero for these examples, or dead
    # Data have constant features, and rectifiers make some that are rarely active.
    rare = rectifier is not None and small.mean() < SOME
    severity = "note" if readings[0].from_data or rare else "warning"
    unit = "channel" if norm.kind in ("batch", "instance") else "group"
    if flat.any():
        said = f"{_some(flat, unit)} constant in these batches."
        yield _finding(name, "constant", severity, said, channels=flat)
    if small.any():
        left = float(np.sqrt(np.median(var[:, small] / (var[:, small] + eps))))
        said = (
            f"{_some(small, unit)}: variance at most eps = {eps:g}, so the standard "
            f"deviation comes out as {left:.2f} instead of 1."
        )
        yield _finding(name, "eps", severity, said, channels=small, left=left)


def _drift(
    name: str, norm: NormState, readings: list[Reading], seen: Seen
) -> Iterator[Finding]:
    """Name running statistics that are not those of the batches."""
    if not norm.tracks or _at_start(norm) or _unusable(readings):
        return
    found = gap(norm, readings)
    if found is None:
        return
    far = _far_off(found, readings)
    if not far.any():
        return
    mean, ratio = np.abs(found.mean[far]).max(), np.exp(np.abs(found.log_ratio[far]))
    numbers = {"mean": mean, "ratio": ratio.max(), "start": _weight_of_start(norm)}
    parts = [f"means by up to {mean:.1f} running standard deviations"] * bool(
        mean > FAR
    )
    if numbers["ratio"] > RATIO:
        parts.append(f"variances by a factor of up to {numbers['ratio']:.1f}")
    said = f"{_some(far)}: batch and running statistics differ beyond chance, "
    said += f"{' and '.join(parts)}."
    kind = "drift"
    awake = seen.awake.norms.get(name) if seen.awake else None
    if awake and (training := gap(norm, awake)) and not _far_off(training, awake).any():
        kind = "other-in-training"
        said += " In training mode they agree: what comes here is different then."
    elif numbers["start"] > 0.05:
        kind = "start-remains"
        said += f" The starting values 0 and 1 still weigh {numbers['start']:.0%}."
    yield _finding(name, kind, "warning", said, channels=far, **numbers)


def _far_off(found: Gap, readings: list[Reading]) -> NDArray:
    """Tell which channels are off by more than chance and training explain."""
    z, log_ratio = np.abs(found.mean), found.log_ratio
    sure = np.abs(log_ratio) > SURE * found.log_ratio_error
    away = z > np.maximum(FAR, SURE * found.mean_error)
    larger, smaller = (sure & (s * log_ratio > np.log(RATIO)) for s in (1, -1))
    if away.mean() < MANY:
        away &= z > ALONE_FAR
    # A feature that is rarely active has a small variance wherever it was not, here or
    # in the running statistics. One channel alone must not be such a feature.
    squares = np.concatenate([reading.squares for reading in readings])
    steady = squares.std(axis=0) < STEADY * squares.mean(axis=0)
    audible = np.concatenate([r.var for r in readings]).mean(axis=0) > readings[0].eps
    sparse = readings[0].from_data or readings[0].rectifier is not None
    lively = steady & audible & (not sparse)
    beyond = np.abs(log_ratio) > np.log(ALONE_RATIO)
    if larger.mean() < MANY:
        larger &= lively & beyond
    if smaller.mean() < MANY:
        smaller &= lively & beyond
    return (away & audible) | larger | smaller


def _weight_of_start(norm: NormState) -> float:
    """Tell how much of the running statistics is still the start."""
    if norm.momentum is None or not norm.count or norm.kind == "instance":
        return 0.0
    return float((1 - norm.momentum) ** norm.count)


def _unusable(readings: list[Reading]) -> bool:
    """Say whether nothing can be learned about the spread of values."""
    return not all(reading.finite and reading.values > 1 for reading in readings)


ABOUT_BATCHES: tuple[Callable, ...] = (_size, _quiet, _drift)


# Rules about the whole ---------------------------------------------------------------


def _unmixed(seen: Seen) -> Iterator[Finding]:
    """Name batches whose means differ more than chance allows, at the first batch norm."""
    for norm in seen.norms:
        readings = seen.watch.norms.get(norm.name, [])
        if norm.kind != "batch" or len(readings) < 2 or _unusable(readings):
            continue
        parts = [reading.means for reading in readings]
        if min(map(len, parts)) < 2 * FEW:
            return
        size = np.mean([len(part) for part in parts])
        within = np.mean([part.var(axis=0, ddof=1) for part in parts], axis=0) / size
        between = np.var([part.mean(axis=0) for part in parts], axis=0, ddof=1)
        ratio = between[within > 0] / within[within > 0]
        if ratio.size and (factor := np.median(ratio)) > _chance(len(parts)):
            said = (
                f"The means of the {len(parts)} batches scatter {np.sqrt(factor):.1f} "
                "times as much as those of mixed batches would."
            )
            yield _finding(norm.name, "unmixed", "warning", said, factor=factor)
        return


def _chance(batches: int) -> float:
    """Bound the ratio of two estimates of a variance, the first from few batches.

    That is a chi-squared number over its degrees of freedom, whose cube root is nearly
    Gaussian (Wilson and Hilferty 1931); here 4.5 standard deviations above its mean.
    """
    unit = 2 / (9 * (batches - 1))
    return (1 - unit + 4.5 * np.sqrt(unit)) ** 3


def _dead(seen: Seen, found: list[Finding]) -> Iterator[Finding]:
    """Name rectifiers that are closed for every example, and by far."""
    for name, summaries in seen.watch.rectifiers.items():
        if not np.isfinite(summaries).all():
            continue
        dead = _closed(summaries)[0].copy()
        norm = seen.watch.before.get(name)
        for other in found:
            if other.layer == norm and other.kind in ("gamma", "constant"):
                dead[list(other.channels)] = False
        if dead.any():
            said = f"{_some(dead)} dead: zero for every example, by a wide margin."
            severity = "note" if dead.mean() < SOME else "warning"
            yield _finding(name, "dead", severity, said, channels=dead)


def _not_finite(seen: Seen, found: list[Finding]) -> Iterator[Finding]:
    """Name what first was not finite, if that is not said yet."""
    broken = seen.watch.broken
    known = {other.layer for other in found if other.kind == "broken-parameters"}
    if broken == "data":
        yield _finding("data", "data-not-finite", "error", "Not all values are finite.")
    elif broken is not None and broken not in known:
        said = "Its output is the first that is not finite."
        yield _finding(broken, "output-not-finite", "error", said)


def _closed(summaries: list[NDArray]) -> tuple[NDArray, NDArray]:
    """Tell which units are dead, and which were merely zero in these batches.

    A unit that answers to few examples is zero in most batches and healthy. A dead one
    is far from the bend: even an input of `CLOSED` standard deviations would not do.
    """
    rows, mean, sd, largest = np.array(summaries).swapaxes(0, 1)
    zero = (largest <= 0).all(axis=0)
    edge = mean.mean(axis=0) + CLOSED * np.sqrt(np.mean(sd**2, axis=0))
    return zero & (edge < 0) & (rows.sum(axis=0) >= ENOUGH), zero
