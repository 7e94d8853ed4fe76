"""Where every random number of the book comes from.

All seeds derive from the environment variable ``BNLEARN_SEED`` (default 0), so that a
whole notebook can be repeated under other random numbers without an edit.
"""

import os

import numpy as np

__all__ = ["rng", "seeds"]


def _base() -> int:
    text = os.environ.get("BNLEARN_SEED", "0")
    try:
        base = int(text)
    except ValueError:
        base = -1
    if base < 0:
        raise ValueError(
            f"BNLEARN_SEED: expected an integer that is not negative, got {text!r}"
        )
    return base


def seeds(count: int) -> list[int]:
    """Return `count` seeds for the repetitions of one experiment.

    Examples
    --------
    >>> import os
    >>> os.environ.pop("BNLEARN_SEED", None) and None
    >>> seeds(3)
    [0, 1, 2]
    """
    return [1000 * _base() + i for i in range(count)]


def rng(seed: int | None = None) -> np.random.Generator:
    """Return a generator for `seed`, by default the first one of :func:`seeds`.

    Examples
    --------
    >>> rng(3).integers(10) == rng(3).integers(10)
    np.True_
    """
    return np.random.default_rng(_base() * 1000 if seed is None else seed)
