"""The training loop, its history, evaluation, and statistics measured anew."""

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bnlearn.data import batches
from bnlearn.layers import BatchNorm, Layer, cross_entropy
from bnlearn.optim import Optimizer
from bnlearn.seeds import rng

__all__ = ["History", "accuracy", "evaluate", "train", "update_bn"]

Loss = Callable[[NDArray, NDArray], tuple[float, NDArray]]


@dataclass
class History:
    """What a training run did.

    Attributes
    ----------
    loss : list of float
        Loss of each batch, before the step that it caused.
    diverged : bool
        Whether the run was stopped because the loss was not finite.
    """

    loss: list[float] = field(default_factory=list)
    diverged: bool = False

    def smoothed(self, window: int = 20) -> NDArray:
        """Return the moving average of the loss over `window` steps."""
        if len(self.loss) < window:
            return np.empty(0)
        return np.convolve(self.loss, np.full(window, 1 / window), mode="valid")


def train(
    model: Layer,
    optimizer: Optimizer,
    x: NDArray,
    y: NDArray,
    *,
    steps: int,
    batch_size: int | None = None,
    stream: Iterable[NDArray] | None = None,
    loss: Loss = cross_entropy,
    generator: np.random.Generator | None = None,
    progress: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> History:
    """Train `model` in place on shuffled mini-batches, or on those of a stream.

    Parameters
    ----------
    model : Layer
        Put into training mode, and left in it.
    optimizer : Optimizer
        Made for `model`.
    x, y : ndarray
        Inputs and targets; the first axis counts examples.
    steps : int
        Number of optimiser steps.
    batch_size : int
        Examples in a batch; not with `stream`.
    stream : iterable of ndarray of int, optional
        The rows of each batch, for batches that are mixed in another way: at least
        `steps` of them. They are collected before the first step.
    loss : callable
        Maps (output, target) to (loss, gradient of the output).
    generator : numpy.random.Generator, optional
        Shuffles; by default :func:`bnlearn.seeds.rng`.
    progress : bool
        Show a progress bar (tqdm).
    on_step : callable, optional
        Called with the number of each step after it was made.

    Returns
    -------
    History
        Stopped early, with `diverged` set, once the loss is not finite.

    Raises
    ------
    ValueError
        If `x` and `y` differ in length, `batch_size` does not fit, the stream is too
        short, both or neither of them are given, or `optimizer` was made for another
        model.
    IndexError
        If the stream names a row that does not exist.
    """
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y):
        raise ValueError(f"train: expected x and y alike, got {len(x)} and {len(y)}")
    if optimizer.model is not model:
        raise ValueError("train: the optimizer was made for another model")
    if (batch_size is None) == (stream is None):
        raise ValueError("train: expected either batch_size or stream")
    if stream is None:
        given = batches(len(x), batch_size, rng() if generator is None else generator)
    else:
        given = _collected(stream, steps, len(x))
    history = History()
    model.train()
    with _quiet(), _bar(range(steps), progress) as counter:
        for step in counter:
            rows = next(given)
            value, dout = loss(model(x[rows]), y[rows])
            history.loss.append(value)
            if not np.isfinite(value):
                history.diverged = True
                break
            model.backward(dout)
            optimizer.step()
            if on_step is not None:
                on_step(step)
    return history


def evaluate(
    model: Layer, x: NDArray, y: NDArray, *, loss: Loss = cross_entropy
) -> float:
    """Return the loss in evaluation mode; every layer's mode is restored."""
    with _evaluating(model):
        return loss(model(x), y)[0]


def accuracy(model: Layer, x: NDArray, y: NDArray) -> float:
    """Return the share of right answers in evaluation mode; modes are restored.

    Raises
    ------
    TypeError
        If `y` does not hold integers.
    ValueError
        If `y` does not hold one label for each example, or there are none.
    """
    x, y = np.asarray(x), np.asarray(y)
    if y.shape != x.shape[:1] or not len(y):
        raise ValueError(
            f"accuracy: expected one label for each example, got x of shape {x.shape} "
            f"and y of shape {y.shape}"
        )
    if y.dtype.kind not in "iu":
        raise TypeError(f"accuracy: expected integer labels, got {y.dtype}")
    with _evaluating(model):
        return float(np.mean(model(x).argmax(axis=1) == y))


def update_bn(model: Layer, x: NDArray, *, batch_size: int) -> None:
    """Measure the running statistics of every BatchNorm anew, with fixed weights.

    They become the plain averages over the batches of x: of the means, and of the
    unbiased variances. Parameters, modes and momenta stay as they are.

    Parameters
    ----------
    model : Layer
        Its batch norms that keep running statistics are changed in place.
    x : ndarray
        Inputs, cut into batches in the order that they have: mix them first if
        neighbours are alike. A rest that does not fill a batch is left out.
    batch_size : int
        Examples in a batch. ``len(x)`` gives the statistics of all of x.

    Raises
    ------
    ValueError
        If `batch_size` does not fit, or a layer refuses a batch. Then nothing is
        changed, as all work is done on a copy of the model.

    Notes
    -----
    Name and result are those of ``torch.optim.swa_utils.update_bn``.

    References
    ----------
    S. Ioffe, C. Szegedy. Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift. ICML 2015, algorithm 2.
    """
    x = np.asarray(x)
    if not 1 <= batch_size <= len(x):
        raise ValueError(
            f"update_bn: expected batch_size from 1 to {len(x)}, got {batch_size}"
        )
    twin = copy.deepcopy(model).train()
    for norm in _tracking(twin):
        norm.momentum = None  # the cumulative average
        norm.running_mean[...], norm.running_var[...] = 0, 1  # whatever was in there
        norm.num_batches_tracked[...] = 0
    with _quiet():
        for start in range(0, len(x) - batch_size + 1, batch_size):
            twin(x[start : start + batch_size])
    for norm, measured in zip(_tracking(model), _tracking(twin), strict=True):
        norm.running_mean[...] = measured.running_mean
        norm.running_var[...] = measured.running_var
        norm.num_batches_tracked[...] = measured.num_batches_tracked


def _tracking(model: Layer) -> list[BatchNorm]:
    """List the batch norms that keep running statistics."""
    found = [layer for layer in model.walk() if isinstance(layer, BatchNorm)]
    return [layer for layer in found if layer.track_running_stats]


def _collected(stream: Iterable[NDArray], steps: int, count: int) -> Iterator[NDArray]:
    """Take `steps` batches of rows; refuse them before anything is trained."""
    found = [np.asarray(rows) for rows in itertools.islice(stream, steps)]
    if len(found) < steps:
        raise ValueError(
            f"train: expected a stream of at least {steps} batches, got {len(found)}"
        )
    for rows in found:
        outside = rows[(rows < 0) | (rows >= count)]
        if outside.size:
            raise IndexError(
                f"train: expected rows from 0 to {count - 1}, got {outside[0]}"
            )
    return iter(found)


@contextmanager
def _evaluating(model: Layer) -> Iterator[None]:
    modes = [(layer, layer.training) for layer in model.walk()]
    model.eval()
    try:
        with _quiet():
            yield
    finally:
        for layer, mode in modes:
            layer.training = mode


def _quiet() -> np.errstate:
    """Let a run that blows up do so without warnings: the history says it."""
    return np.errstate(over="ignore", invalid="ignore")


@contextmanager
def _bar(counter: range, show: bool) -> Iterator[range]:
    if not show:
        yield counter
        return
    from tqdm import tqdm

    with tqdm(counter) as bar:
        yield bar
