"""Random inputs that make mistakes visible.

Channels are on axis 1. They differ in mean and spread, so that a wrong axis or a mix of
channels shows; dimensions are for the caller to choose, and should be unequal.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "draw_eps", "like", "per_channel", "values"]

KINDS = ("plain", "quiet", "scaled")


def values(
    rng: np.random.Generator, shape: tuple[int, ...], kind: str, offset: float = 1.0
) -> NDArray:
    """Draw the values of a batch.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the numbers.
    shape : tuple of int
        Channels on axis 1; a vector is one channel.
    kind : str
        'plain': means and spreads near 1. 'quiet': the last channel has a variance
        no larger than `draw_eps` draws. 'scaled': spreads from 0.01 to 100.
    offset : float
        Factor on the means.

    Returns
    -------
    ndarray of float64
        The batch.
    """
    channels = shape[1] if len(shape) > 1 else 1
    spread = rng.uniform(0.6, 1.6, channels)
    mean = rng.uniform(0.5, 2.0, channels) * rng.choice([-1, 1], channels)
    if kind == "quiet":
        spread[-1] = 0.02
    elif kind == "scaled":
        spread *= np.logspace(-2, 2, channels)
        mean *= spread
    mean *= offset
    noise = rng.standard_normal(shape)
    if len(shape) == 1:
        return mean + spread * noise
    column = (-1,) + (1,) * (len(shape) - 2)
    return mean.reshape(column) + spread.reshape(column) * noise


def like(rng: np.random.Generator, x: NDArray) -> NDArray:
    """Draw an upstream gradient for `x`: never ones, which hide mistakes."""
    return rng.standard_normal(x.shape).astype(x.dtype)


def per_channel(rng: np.random.Generator, x: NDArray) -> NDArray:
    """Draw one distinct number for each channel of `x`, such as gamma."""
    spaced = np.linspace(0.5, 2.0, x.shape[1]) + rng.uniform(0, 0.3, x.shape[1])
    return (spaced * rng.choice([-1, 1], x.shape[1])).astype(x.dtype)


def draw_eps(rng: np.random.Generator) -> float:
    """Draw an eps that is large enough to show."""
    return float(rng.uniform(1, 9) * 1e-3)
