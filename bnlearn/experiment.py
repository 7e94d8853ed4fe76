"""What the experiments share: looking inside a network, and sweeps over seeds."""

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnlearn.layers import Layer, cross_entropy

__all__ = ["Trace", "sweep", "trace"]


class Trace(NamedTuple):
    """What went through a network, by layer.

    Each key is a place and a kind, such as ``"2 ReLU"``, in the order of the layers.
    `outputs` holds what the layer put out, `gradients` the gradient of the loss with
    respect to that output (empty without labels).
    """

    outputs: dict[str, NDArray]
    gradients: dict[str, NDArray]


def trace(
    model: Layer,
    x: NDArray,
    y: NDArray | None = None,
    *,
    loss: Callable[[NDArray, NDArray], tuple[float, NDArray]] = cross_entropy,
) -> Trace:
    """Send `x` through a copy of `model` and return what every layer did.

    The model itself is not changed: neither its running statistics nor what it keeps
    for a backward pass. It runs in the mode that it is in.

    Parameters
    ----------
    model : Layer
        Most often a Sequential; layers inside layers are named ``"3.1 Linear"``.
    x : ndarray
        A batch of inputs.
    y : ndarray, optional
        Targets. With them the gradient of the loss is sent back as well.
    loss : callable
        Maps (output, target) to (loss, gradient of the output).

    Examples
    --------
    >>> import numpy as np
    >>> from bnlearn.layers import Linear, ReLU, Sequential
    >>> net = Sequential(Linear(4, 3), ReLU(), Linear(3, 2))
    >>> found = trace(net, np.ones((5, 4)), np.zeros(5, int))
    >>> {name: output.shape for name, output in found.outputs.items()}
    {'0 Linear': (5, 3), '1 ReLU': (5, 3), '2 Linear': (5, 2)}
    >>> found.gradients["0 Linear"].shape
    (5, 3)
    """
    twin = copy.deepcopy(model)
    found = Trace({}, {})
    for place, layer in twin.leaves():
        name = f"{place} {type(layer).__name__}".strip()
        _listen(layer, name, found)
    output = twin(x)
    if y is not None:
        twin.backward(loss(output, y)[1])
    order = [name for name in found.outputs if name in found.gradients]
    return found._replace(gradients={name: found.gradients[name] for name in order})


def _listen(layer: Layer, name: str, found: Trace) -> None:
    """Make one layer of a copy write down what passes through it."""
    forward, backward = layer.forward, layer.backward

    def listening_forward(x: NDArray) -> NDArray:
        found.outputs[name] = forward(x)
        return found.outputs[name]

    def listening_backward(dout: NDArray) -> NDArray:
        found.gradients[name] = dout
        return backward(dout)

    layer.forward, layer.backward = listening_forward, listening_backward


def sweep(
    run: Callable[..., ArrayLike],
    seeds: Iterable[int],
    *,
    progress: bool = True,
    **settings: Iterable[object],
) -> NDArray:
    """Call `run` for every combination of settings and every seed.

    Parameters
    ----------
    run : callable
        Called as ``run(name=value, ..., seed=seed)``; returns a number or an array,
        of the same shape each time.
    seeds : iterable of int
        As from :func:`bnlearn.seeds.seeds`.
    progress : bool
        Show a progress bar (tqdm); ``TQDM_DISABLE=1`` turns all of them off.
    **settings
        The values of each argument.

    Returns
    -------
    ndarray
        One axis per setting in the order given, then the seeds, then the axes of what
        `run` returned.

    Raises
    ------
    ValueError
        If there are no seeds or no values for a setting, one setting is called
        ``seed``, or `run` returned arrays of different shapes.
    TypeError
        If the values of a setting are no list: one number, or a text.

    Examples
    --------
    >>> def run(size, rate, seed):
    ...     return size * rate + seed
    >>> sweep(run, [0, 1], size=(1, 2, 3), rate=(10, 20)).shape
    (3, 2, 2)
    """
    from tqdm import tqdm

    if "seed" in settings:
        raise ValueError("sweep: expected the seeds in `seeds`, got a setting `seed`")
    axes = {n: _values(n, values) for n, values in {**settings, "seed": seeds}.items()}
    points = list(itertools.product(*axes.values()))
    shown = tqdm(points) if progress else points
    found = [np.asarray(run(**dict(zip(axes, point, strict=True)))) for point in shown]
    shapes = {result.shape for result in found}
    if len(shapes) > 1:
        raise ValueError(f"sweep: expected results of one shape, got {sorted(shapes)}")
    return np.array(found).reshape(*map(len, axes.values()), *found[0].shape)


def _values(name: str, values: Iterable[object]) -> list[object]:
    """List the values of one argument; a text would fall into its letters."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"sweep: expected a list of values for {name}, got {values!r}")
    listed = list(values)
    if not listed:
        raise ValueError(f"sweep: expected at least one value for {name}")
    return listed
