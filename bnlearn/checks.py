"""The checks of arguments that the norms share; every message names who refuses.

A message says which operation it is, what was expected and what came. Checks change
nothing; what they return is the argument itself, as an array or as a tuple.
"""

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "check_channel_vector",
    "check_channels",
    "check_dout",
    "check_dtype",
    "check_eps",
    "check_floating",
    "check_groups",
    "check_normalized_shape",
    "check_parameter",
    "check_trailing",
]


def check_channels(
    name: str,
    x: ArrayLike,
    gamma: ArrayLike | None,
    beta: ArrayLike | None,
    eps: float,
) -> tuple[NDArray, NDArray | None, NDArray | None]:
    """Check the arguments of a norm that has one gamma and beta per channel."""
    x = check_floating(name, "x", x)
    if x.ndim < 2:
        raise ValueError(
            f"{name}: expected x of shape (N, C) or (N, C, *spatial), "
            f"got shape {x.shape}"
        )
    check_eps(name, eps)
    gamma, beta = (
        None if value is None else check_channel_vector(name, argument, value, x)
        for argument, value in (("gamma", gamma), ("beta", beta))
    )
    return x, gamma, beta


def check_trailing(
    name: str, x: ArrayLike, normalized_shape: Sequence[int] | int, eps: float
) -> tuple[NDArray, tuple[int, ...]]:
    """Check the arguments of a norm over the last axes; return x and their sizes."""
    x = check_floating(name, "x", x)
    sizes = check_normalized_shape(name, normalized_shape)
    if x.shape[-len(sizes) :] != sizes:
        raise ValueError(
            f"{name}: expected x to end with normalized_shape {sizes}, "
            f"got shape {x.shape}"
        )
    check_eps(name, eps)
    return x, sizes


def check_eps(name: str, eps: float) -> None:
    """Refuse an `eps` that is no positive number, in the name of `name`.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not positive.
    """
    if not isinstance(eps, Real):
        raise TypeError(f"{name}: expected eps to be a number, got {eps!r}")
    if not eps > 0:
        raise ValueError(f"{name}: expected eps > 0, got {eps}")


def check_dtype(name: str, what: str, dtype: DTypeLike) -> None:
    """Refuse, in the name of `name`, a dtype in which no norm computes.

    Raises
    ------
    TypeError
        If it is not float16, float32 or float64.
    """
    if np.dtype(dtype).char not in "efd":
        raise TypeError(
            f"{name}: expected {what} float16, float32 or float64, "
            f"got {np.dtype(dtype)}"
        )


def check_groups(name: str, num_groups: int, channels: int) -> None:
    """Refuse, in the name of `name`, groups that do not divide the channels.

    Raises
    ------
    TypeError
        If their number is not an integer.
    ValueError
        If it is not positive or does not divide `channels`.
    """
    if not _is_integer(num_groups):
        raise TypeError(
            f"{name}: expected num_groups to be an integer, got {num_groups!r}"
        )
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            f"{name}: expected num_groups to divide the {channels} channels, "
            f"got {num_groups}"
        )


def check_normalized_shape(
    name: str, normalized_shape: Sequence[int] | int
) -> tuple[int, ...]:
    """Return `normalized_shape` as a tuple, or refuse it in the name of `name`.

    A number stands for one axis, as in PyTorch's layers.

    Raises
    ------
    TypeError
        If it is neither an integer nor a sequence of integers.
    ValueError
        If it is empty or has a negative size.
    """
    given = normalized_shape
    try:
        sizes = (given,) if isinstance(given, Integral) else tuple(given)
    except TypeError:
        sizes = (None,)
    if not all(_is_integer(n) for n in sizes):
        raise TypeError(
            f"{name}: expected normalized_shape to be an integer or a sequence of "
            f"integers, got {normalized_shape!r}"
        )
    if not sizes or min(sizes) < 0:
        raise ValueError(
            f"{name}: expected normalized_shape with at least one size and none "
            f"negative, got {normalized_shape!r}"
        )
    return tuple(int(size) for size in sizes)


def check_floating(name: str, argument: str, value: ArrayLike) -> NDArray:
    """Return `value` as an array, or refuse it where no norm computes in its dtype."""
    array = np.asarray(value)
    check_dtype(name, f"{argument} of dtype", array.dtype)
    return array


def check_channel_vector(
    name: str, argument: str, value: ArrayLike, x: NDArray
) -> NDArray:
    """Check a vector with one value for each channel of `x`."""
    array = check_floating(name, argument, value)
    if array.shape != x.shape[1:2]:
        raise ValueError(
            f"{name}: expected {argument} of shape {x.shape[1:2]}, one value per "
            f"channel of x with shape {x.shape}, got shape {array.shape}"
        )
    return array


def check_parameter(
    name: str, argument: str, value: ArrayLike | None, sizes: tuple[int, ...]
) -> NDArray | None:
    """Check a gamma or beta with one value for each element of normalized_shape."""
    if value is None:
        return None
    array = check_floating(name, argument, value)
    if array.shape != sizes:
        raise ValueError(
            f"{name}: expected {argument} of shape {sizes}, that of normalized_shape, "
            f"got shape {array.shape}"
        )
    return array


def check_dout(name: str, dout: ArrayLike, cache: object, kind: type) -> NDArray:
    """Check the arguments of a backward pass; its cache must be of the type `kind`."""
    if not isinstance(cache, kind):
        raise TypeError(
            f"{name}: expected a {kind.__name__}, got {type(cache).__name__}"
        )
    dout = check_floating(name, "dout", dout)
    if dout.shape != cache.x.shape:
        raise ValueError(
            f"{name}: expected dout of shape {cache.x.shape}, got {dout.shape}"
        )
    return dout


def _is_integer(value: object) -> bool:
    """Tell integers, NumPy's too, from all else and from True, which Python calls 1."""
    return isinstance(value, Integral) and not isinstance(value, bool)
