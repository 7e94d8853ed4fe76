"""What the experiments share: looking inside a network, and sweeps over seeds."""

import copy
import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnlearn.layers import BatchNorm, Layer, ReLU, Sigmoid, Tanh, cross_entropy

__all__ = ["Shaken", "Trace", "Vitals", "sweep", "trace", "vitals"]

# The slope of an activation, from its output, as a share of the largest slope.
SLOPES = {
    ReLU: lambda y: (y > 0).astype(float),
    Sigmoid: lambda y: 4 * y * (1 - y),
    Tanh: lambda y: 1 - y**2,
}
FLAT = 0.05  # a share of the largest slope below which a value counts as saturated


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


class Vitals(NamedTuple):
    """Four numbers for every hidden layer, first layer first.

    Attributes
    ----------
    activation : ndarray
        Standard deviation of what the activation puts out.
    gradient : ndarray
        Root mean square of the gradient of an example's loss with respect to it.
    saturated : ndarray
        Share of the values at which the activation is flat: its slope is below 5 % of
        its largest. (For a rectifier: closed. Half of the values are, in good health.)
    update : ndarray
        Length of the last step of the weights, divided by the length of the weights.
    """

    activation: NDArray
    gradient: NDArray
    saturated: NDArray
    update: NDArray


def vitals(model: Layer, x: NDArray, y: NDArray, before: dict[str, NDArray]) -> Vitals:
    """Measure the four numbers that show how a network is doing, layer by layer.

    The model is not changed. It runs in the mode that it is in, with the loss
    :func:`bnlearn.layers.cross_entropy`.

    Parameters
    ----------
    model : Layer
        A stack of Linear (or Conv2d) layers, each but the last one followed by a ReLU,
        Sigmoid or Tanh, perhaps with a norm in between.
    x, y : ndarray
        A batch and its labels.
    before : dict of str to ndarray
        Copies of the parameters before the last step, by name.

    Raises
    ------
    ValueError
        If the number of activations is not that of the weights but one.

    Examples
    --------
    >>> import numpy as np
    >>> from bnlearn.layers import mlp
    >>> net = mlp((4, 3, 3, 2), norm=True)
    >>> before = net.state_dict()
    >>> net[0].weight *= 1.01
    >>> found = vitals(net, np.eye(4), np.array([0, 1, 0, 1]), before)
    >>> found.update.round(4)
    array([0.01, 0.  ])
    """
    found = trace(model, x, y)
    kinds = {kind.__name__: slope for kind, slope in SLOPES.items()}
    places = [name for name in found.outputs if name.split()[-1] in kinds]
    weights = {n: w for n, w in model.parameters().items() if np.ndim(w) > 1}
    if len(places) != len(weights) - 1:
        raise ValueError(
            "vitals: expected one activation between any two weights, got "
            f"{len(places)} activations and {len(weights)} weights"
        )
    rows = []
    for place, (name, weight) in zip(places, weights.items(), strict=False):
        output, kind = found.outputs[place], place.split()[-1]
        gradient = len(x) * found.gradients[place]  # of one example's loss
        step = np.linalg.norm(weight - before[name]) / np.linalg.norm(before[name])
        flat = np.mean(kinds[kind](output) < FLAT)
        rows.append((output.std(), np.sqrt(np.mean(gradient**2)), flat, step))
    return Vitals(*np.array(rows).T)


class Shaken(BatchNorm):
    r"""Batch norm, and behind it a new random scale and shift at every call.

    .. math::

        z = y\, e^{\sigma a / 2} + \sigma b

    with the output y of the norm and standard Gaussian numbers a, b for each unit, which
    are the same for all examples. It puts back what the norm takes away: the mean and
    the spread of every unit move from call to call.

    Parameters
    ----------
    num_features : int
        Number of units.
    generator : numpy.random.Generator
        Draws the numbers.
    strength : float
        The sigma of the formula: the typical shift, in standard deviations of y where
        gamma is 1. May be changed later; 0 is a plain batch norm.

    References
    ----------
    In the spirit of S. Santurkar, D. Tsipras, A. Ilyas, A. Madry. How Does Batch
    Normalization Help Optimization? NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Shaken(2, np.random.default_rng(0), strength=1.5)
    >>> x = np.array([[1.0, 2.0], [3.0, 6.0]])
    >>> layer(x).mean(axis=0).round(2), layer(x).mean(axis=0).round(2)
    (array([0.96, 0.16]), array([1.96, 1.42]))
    """

    def __init__(
        self, num_features: int, generator: np.random.Generator, strength: float
    ) -> None:
        super().__init__(num_features)
        self.generator = generator
        self.strength = strength

    def forward(self, x: NDArray) -> NDArray:
        """Normalise, then scale and shift at random."""
        noise = self.generator.standard_normal((2, self.num_features)) * self.strength
        self._factor = np.exp(noise[0] / 2)
        return super().forward(x) * self._factor + noise[1]

    def backward(self, dout: NDArray) -> NDArray:
        """Send the gradient back through the scale and the norm."""
        return super().backward(dout * self._factor)


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
