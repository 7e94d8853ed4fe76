"""What is written down while batches run through a copy of a network."""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["NormState", "Reading", "Watch", "copied", "mode_of", "read"]

Array = Callable[
    [object], NDArray
]  # makes a NumPy array of what a family computes with


def copied(model: object) -> object:
    """Copy a network, to be run in its place."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise TypeError(
            "diagnose: only copies are run, and this model cannot be copied "
            f"({error}); does it keep an activation with its graph, or a lock?"
        ) from error


def mode_of(training: bool, modes: list[bool]) -> bool:
    """Tell a network's mode; a new wrapper around an evaluated one is in no mode yet.

    `modes` are those of the layers with parameters.
    """
    return bool(training and (any(modes) or not modes))


@dataclass(frozen=True)
class NormState:
    """A norm of either family, in the words of this book."""

    name: str
    type: str
    kind: str  # "batch", "instance", "group", "layer" or "rms"
    training: bool
    eps: float | None  # None for the machine epsilon
    weight: NDArray | None = None  # gamma
    running_mean: NDArray | None = None
    running_var: NDArray | None = None
    count: int = 0  # batches that went into them
    momentum: float | None = None  # None for the cumulative average
    trainable: bool = True
    groups: int = 1
    trailing: int = 1  # the last axes that a layer or RMS norm averages over

    @classmethod
    def of(cls, name: str, layer: object, kind: str, array: Array) -> "NormState":
        """Describe a layer of either family: they name their attributes alike."""

        def copied(key: str) -> NDArray | None:
            value = getattr(layer, key, None)
            return None if value is None else np.array(array(value))

        return cls(
            name=name,
            type=type(layer).__name__,
            kind=kind,
            training=bool(layer.training),
            eps=layer.eps,
            weight=copied("weight"),
            running_mean=copied("running_mean"),
            running_var=copied("running_var"),
            count=int(copied("num_batches_tracked") or 0),
            momentum=getattr(layer, "momentum", None),
            trainable=getattr(getattr(layer, "weight", None), "requires_grad", True),
            groups=getattr(layer, "num_groups", 1),
            trailing=len(getattr(layer, "normalized_shape", (1,))),
        )

    @property
    def tracks(self) -> bool:
        """Whether there are running statistics."""
        return self.running_mean is not None and self.running_var is not None


@dataclass
class Reading:
    """One batch, as a norm saw it.

    A set is what shares a mean and a variance: a channel for batch norm, one of one
    example for instance norm, a group of one example for the others. `means` and
    `squares` are each example's part of the batch's mean and unbiased variance.
    """

    values: int  # of each set: m
    eps: float
    var: NDArray  # biased, (sets, channels or groups); RMS norm: the mean square
    constant: NDArray  # where that is no more than rounding leaves of equal values
    means: NDArray | None = None  # (examples, channels); batch and instance norm
    squares: NDArray | None = None
    source: str = ""  # what made the values: "data", "affine", "rectifier"


def read(norm: NormState, x: NDArray) -> Reading:
    """Take the statistics of `x` over the sets that `norm` averages over.

    The arithmetic is in float64, whatever the network computes in: it is the network
    that is looked at, not its rounding.
    """
    resolution = float(np.finfo(x.dtype).eps)
    sets = _sets(norm, x.astype(np.float64))
    # Batch norm averages over examples (axis 0) and positions, all others inside one.
    axes = (0, 2) if norm.kind == "batch" else (2,)
    mean = sets.mean(axis=axes, keepdims=True)
    square = (sets - (0 if norm.kind == "rms" else mean)) ** 2
    values = int(np.prod([sets.shape[axis] for axis in axes]))
    var = np.atleast_2d(square.mean(axis=axes))
    size = np.atleast_2d(np.abs(sets).max(axis=axes))
    eps = resolution if norm.eps is None else norm.eps
    found = Reading(values, eps, var, var <= (4 * resolution * size) ** 2)
    if norm.kind in ("batch", "instance"):
        found.means = sets.mean(axis=2)
        found.squares = square.mean(axis=2) * values / max(values - 1, 1)
    return found


def _sets(norm: NormState, x: NDArray) -> NDArray:
    """View x as (examples, channels or groups, what is averaged over)."""
    if norm.kind in ("layer", "rms"):
        cut = x.ndim - norm.trailing
        return x.reshape(int(np.prod(x.shape[:cut])), 1, -1)
    channels = norm.groups if norm.kind == "group" else x.shape[1]
    return x.reshape(len(x), channels, -1)


def _fits(norm: NormState, x: NDArray) -> bool:
    """Say whether this norm can take `x`; if not, it is left to complain itself."""
    if x.dtype.kind != "f" or x.ndim < norm.trailing + 1:
        return False
    if norm.tracks:
        return x.shape[1] == len(norm.running_mean)
    return norm.kind != "group" or x.shape[1] % norm.groups == 0


@dataclass
class Watch:
    """A listener that both families of networks report to."""

    array: Array
    norms: dict[str, list[Reading]] = field(default_factory=dict)
    # Of each rectifier and batch: rows, and mean, sd, maximum of each channel.
    rectifiers: dict[str, list[NDArray]] = field(default_factory=dict)
    biases: dict[str, str] = field(default_factory=dict)  # norm: layer before it
    broken: str | None = None  # who first made something that is not finite
    batches: int = 0  # that were started until then
    places: dict[str, int] = field(default_factory=dict)  # when each was first called
    _made: dict[int, tuple] = field(default_factory=dict)
    _calls: Counter = field(default_factory=Counter)

    def start(self, data: object) -> None:
        """Begin a batch."""
        self._made, self._calls = {}, Counter()
        self.batches += self.broken is None
        self.made(data, "data", "data")

    def made(self, y: object, name: str, what: str, axis: int = 1) -> None:
        """Remember who made `y`, with channels on which axis.

        It is kept, since an address alone may be reused.
        """
        self._met(name)
        self._made[id(y)] = (y, name, what, axis)
        if self.broken is None and not np.isfinite(self.array(y)).all():
            self.broken = name

    def _met(self, name: str) -> None:
        """Remember the order of the layers."""
        self.places.setdefault(name, len(self.places))

    def norm(self, name: str, layer: object, kind: str, x: object) -> None:
        """Look at what a norm is about to normalise, the first time in each batch."""
        self._met(name)
        state, values = NormState.of(name, layer, kind, self.array), self.array(x)
        self._calls[name] += 1
        if self._calls[name] > 1 or not _fits(state, values):
            return
        reading = read(state, values)
        _, maker, reading.source, _ = self._made.get(id(x), (x, "", "", 1))
        if reading.source == "affine" and reading.means is not None:
            self.biases[name] = maker
        self.norms.setdefault(name, []).append(reading)
        if reading.values == 1 and state.tracks:
            layer.eval()  # it would refuse, and the rest is of interest, too

    def rectifier(self, name: str, x: object) -> None:
        """Look at what a rectifier is about to cut; it may be called more than once."""
        values = self.array(x)
        self._calls[name] += 1
        if values.ndim < 2:
            return
        call = f" (call {self._calls[name]})" * (self._calls[name] > 1)
        axis = self._made.get(id(x), (1,))[-1]
        rows = np.moveaxis(values.astype(np.float64), axis, -1)
        rows = rows.reshape(-1, values.shape[axis])
        count = np.full(rows.shape[1], len(rows))
        summary = np.array(
            [count, rows.mean(axis=0), rows.std(axis=0), rows.max(axis=0)]
        )
        self._met(name + call)
        self.rectifiers.setdefault(name + call, []).append(summary)
