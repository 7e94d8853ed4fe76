"""The training loop, its history, and evaluation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bnlearn.data import batches
from bnlearn.layers import Layer, cross_entropy
from bnlearn.optim import Optimizer
from bnlearn.seeds import rng

__all__ = ["History", "accuracy", "evaluate", "train"]

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
    batch_size: int,
    loss: Loss = cross_entropy,
    generator: np.random.Generator | None = None,
    progress: bool = False,
    on_step: Callable[[int], None] | None = None,
) -> History:
    """Train `model` in place on shuffled mini-batches.

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
        Examples in a batch.
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
        If `x` and `y` differ in length, `batch_size` does not fit, or `optimizer`
        was made for another model.
    """
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y):
        raise ValueError(f"train: expected x and y alike, got {len(x)} and {len(y)}")
    if optimizer.model is not model:
        raise ValueError("train: the optimizer was made for another model")
    stream = batches(len(x), batch_size, rng() if generator is None else generator)
    history = History()
    model.train()
    with _quiet(), _bar(range(steps), progress) as counter:
        for step in counter:
            rows = next(stream)
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
