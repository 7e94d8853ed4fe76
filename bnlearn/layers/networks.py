"""Networks that the chapters build more than once."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from bnlearn.layers.base import Layer, Sequential
from bnlearn.layers.dense import Linear, ReLU
from bnlearn.layers.norm import BatchNorm
from bnlearn.seeds import rng

__all__ = ["mlp"]


def mlp(
    sizes: Sequence[int],
    *,
    norm: bool | Callable[[int], Layer] | None,
    activation: Callable[[], Layer] = ReLU,
    init: str | float = "he",
    generator: np.random.Generator | None = None,
) -> Sequential:
    """Build a fully connected network: Linear, a norm if asked for, activation, ...

    The last layer is a plain Linear. A Linear that feeds a BatchNorm has no bias,
    since the norm would remove it.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, of each hidden layer's units, and of outputs.
    norm : bool or callable
        True for BatchNorm before each activation, False or None for none, or what makes
        the norm for a number of units, such as ``lambda n: GroupNorm(4, n)``.
    activation : callable
        Makes an activation layer.
    init : {"he", "xavier"} or float
        Initial scale of the hidden weights; the last layer has "xavier".
    generator : numpy.random.Generator, optional
        Draws the weights; networks that differ in `norm` alone get the same ones.

    Raises
    ------
    TypeError
        If `norm` is something else, a finished layer for example.

    Examples
    --------
    >>> [type(layer).__name__ for layer in mlp((64, 30, 10), norm=True).layers]
    ['Linear', 'BatchNorm', 'ReLU', 'Linear']
    """
    generator = rng() if generator is None else generator
    make_norm = _norm_maker(norm)
    layers: list[Layer] = []
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        made = [] if make_norm is None else [make_norm(n_out)]
        bias = not any(isinstance(layer, BatchNorm) for layer in made)
        linear = Linear(n_in, n_out, bias=bias, init=init, generator=generator)
        layers += [linear, *made, activation()]
    layers.append(Linear(*sizes[-2:], init="xavier", generator=generator))
    return Sequential(*layers)


def _norm_maker(
    norm: bool | Callable[[int], Layer] | None,
) -> Callable[[int], Layer] | None:
    if callable(norm) and not isinstance(norm, Layer):  # a layer is callable as well
        return norm
    if not isinstance(norm, bool | np.bool_ | None):
        raise TypeError(f"mlp: expected norm True, False or a callable, got {norm!r}")
    return BatchNorm if norm else None
