"""What is collected while batches run through a copy of a network."""

import random
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnlearn.diagnostics.reading import NormState, Reading, fits, read

__all__ = ["Made", "Watch", "random_state_kept"]


class Made(NamedTuple):
    """Who made an array that went through the network.

    `version` tells whether it was changed in place since, `axis` is the axis of its
    channels, `what` is "affine", "norm", "rectifier", "data", or
    "map" for an affine map without a bias.
    """

    reference: weakref.ref
    version: int
    name: str
    what: str
    axis: int


@dataclass
class Watch:
    """A listener that both families of networks report to.

    Parameters
    ----------
    array : callable
        Makes a NumPy array of what passes through the network.
    version : callable
        Counts how often an array was changed in place.
    """

    array: Callable[[object], NDArray]
    version: Callable[[object], int] = lambda x: 0
    norms: dict[str, list[Reading]] = field(default_factory=dict)
    # Of each rectifier: what is given to each channel, batch by batch.
    rectifiers: dict[str, list[NDArray]] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)  # rectifier: norm before it
    biases: dict[str, str] = field(default_factory=dict)  # norm: layer before it
    broken: str | None = None  # who first made something that is not finite
    stopped: str | None = None  # the last norm, if it cannot do with one value
    _made: dict[int, Made] = field(default_factory=dict)
    _calls: dict[str, int] = field(default_factory=dict)

    def start(self, data: object) -> None:
        """Begin a batch."""
        self._made, self._calls = {}, {}
        self.made(data, "data", "data", axis=1)
        self.output("data", data)

    def called(self, name: str) -> str:
        """Count the calls of a layer within a batch; name the second and later ones."""
        self._calls[name] = count = self._calls.get(name, 0) + 1
        return name if count == 1 else f"{name} (call {count})"

    def made(self, y: object, name: str, what: str, axis: int) -> None:
        """Remember who made `y`, without keeping it alive."""
        self._made[id(y)] = Made(weakref.ref(y), self.version(y), name, what, axis)

    def maker(self, x: object) -> Made | None:
        """Tell who made `x`, unless it was changed since."""
        found = self._made.get(id(x))
        same = found is not None and found.reference() is x
        return found if same and found.version == self.version(x) else None

    def norm(self, state: NormState, x: object) -> Reading | None:
        """Look at what a norm is about to normalise; None if it is going to refuse."""
        values, maker = self.array(x), self.maker(x)
        if not fits(state, values):
            return None
        reading = read(state, values)
        if maker is not None:
            reading.from_data = maker.what == "data"
            reading.rectifier = maker.name if maker.what == "rectifier" else None
            if maker.what == "affine":
                self.biases[state.name] = maker.name
        name = self.called(state.name)
        self.norms.setdefault(name, []).append(reading)
        self.stopped = name if reading.values == 1 and not state.tracks else None
        return reading

    def rectifier(self, name: str, x: object) -> tuple[str, int]:
        """Look at what a rectifier is about to cut."""
        maker, values = self.maker(x), self.array(x)
        # Channels are on axis 1, except behind a linear map of sequences.
        axis = maker.axis if maker is not None else (-1 if values.ndim == 3 else 1)
        name = self.called(name)
        if maker is not None and maker.what == "norm":
            self.before[name] = maker.name
        if values.ndim < 2 or not values.size:
            return name, axis
        rows = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
        rows = rows.astype(np.float64)
        count = np.full(rows.shape[1], len(rows))
        summary = [count, rows.mean(axis=0), rows.std(axis=0), rows.max(axis=0)]
        self.rectifiers.setdefault(name, []).append(np.array(summary))
        return name, axis

    def output(self, name: str, y: object) -> None:
        """Look for the first layer that makes something that is not finite."""
        if self.broken is None and not np.isfinite(self.array(y)).all():
            self.broken = name


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Put the generators of Python and NumPy back that belong to nobody."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
