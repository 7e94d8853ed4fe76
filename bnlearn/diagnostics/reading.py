"""What is written down about a norm: what it is, and what one batch was like for it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NormState", "Reading", "fits", "read"]


@dataclass(frozen=True)
class NormState:
    """A norm of either family, in the words of this book.

    Attributes
    ----------
    name : str
        Its place in the network.
    type : str
        Its class.
    kind : {"batch", "instance", "group", "layer", "rms"}
        Which values share a mean and a variance.
    training : bool
        Its own mode, which need not be the network's.
    eps : float or None
        Added to the variance; None for the machine epsilon.
    weight, bias : ndarray or None
        gamma and beta.
    running_mean, running_var : ndarray or None
        None where the layer keeps none.
    count : int or None
        Batches that went into them.
    momentum : float or None
        Weight of the newest batch; None for the cumulative average.
    trainable : bool
        False if gamma and beta are kept out of the training.
    groups : int
        Of a group norm.
    trailing : int
        Number of the last axes that a layer or RMS norm averages over.
    """

    name: str
    type: str
    kind: str
    training: bool
    eps: float | None
    weight: NDArray | None = None
    bias: NDArray | None = None
    running_mean: NDArray | None = None
    running_var: NDArray | None = None
    count: int | None = None
    momentum: float | None = None
    trainable: bool = True
    groups: int = 1
    trailing: int = 1

    @property
    def tracks(self) -> bool:
        """Whether there are running statistics."""
        return self.running_mean is not None and self.running_var is not None


@dataclass
class Reading:
    """One batch, as a norm saw it.

    Attributes
    ----------
    examples : int
        Length of the batch.
    values : int
        How many values share one mean: m.
    var : ndarray, shape (sets, channels or groups)
        The biased variance of each set of values (for RMS norm the mean square).
    constant : ndarray of bool, shape (sets, channels or groups)
        Where that is no more than rounding leaves of equal values.
    eps : float
        What is added to it.
    means, squares : ndarray, shape (examples, channels)
        Each example's part of the batch's mean and unbiased variance. For batch and
        instance norm alone.
    finite : bool
        Whether all values were.
    from_data : bool
        Whether the norm was given the data themselves.
    rectifier : str or None
        Name of the rectifier that made what the norm was given.
    """

    examples: int
    values: int
    var: NDArray
    constant: NDArray
    eps: float
    means: NDArray | None = None
    squares: NDArray | None = None
    finite: bool = True
    from_data: bool = False
    rectifier: str | None = None


def fits(norm: NormState, x: NDArray) -> bool:
    """Say whether an array is one that this kind of norm can take."""
    if x.dtype.kind != "f" or not x.size:
        return False
    if norm.kind in ("layer", "rms"):
        return x.ndim >= norm.trailing
    return x.ndim >= 2 and x.shape[1] % norm.groups == 0


def read(norm: NormState, x: NDArray) -> Reading:
    """Take the statistics of `x` over the sets that `norm` averages over.

    The arithmetic is in float64, whatever the network computes in: it is the network
    that is looked at, not its rounding.
    """
    eps = float(np.finfo(x.dtype).eps) if norm.eps is None else norm.eps
    resolution = np.finfo(x.dtype).eps
    sets = _sets(norm, x.astype(np.float64))
    # Batch norm averages over examples (axis 0) and positions, all others inside one.
    axes = (0, 2) if norm.kind == "batch" else (2,)
    mean = sets.mean(axis=axes, keepdims=True)
    if norm.kind == "rms":
        mean = np.zeros_like(mean)
    square = (sets - mean) ** 2
    values = int(np.prod([sets.shape[axis] for axis in axes]))
    var = square.mean(axis=axes)
    size = np.abs(sets).max(axis=axes, initial=0)
    found = Reading(
        examples=len(x),
        values=values,
        var=np.atleast_2d(var),
        constant=np.atleast_2d(var <= (4 * resolution * size) ** 2),
        eps=eps,
        finite=bool(np.isfinite(sets).all()),
    )
    if norm.kind in ("batch", "instance"):
        found.means = sets.mean(axis=2)
        found.squares = square.mean(axis=2) * values / max(values - 1, 1)
    return found


def _sets(norm: NormState, x: NDArray) -> NDArray:
    """View x as (examples, channels or groups, what is averaged over)."""
    if norm.kind in ("layer", "rms"):
        cut = x.ndim - norm.trailing
        return x.reshape(int(np.prod(x.shape[:cut])), 1, int(np.prod(x.shape[cut:])))
    channels = norm.groups if norm.kind == "group" else x.shape[1]
    return x.reshape(len(x), channels, int(np.prod(x.shape[1:])) // max(channels, 1))
