"""What the loss looks like from where a network stands."""

import copy
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnlearn.layers import Layer, Sequential, cross_entropy

__all__ = ["Road", "along_gradient", "gradient_shift"]

Loss = Callable[[NDArray, NDArray], tuple[float, NDArray]]


class Road(NamedTuple):
    """What a walk against the gradient met.

    Attributes
    ----------
    loss_range : float
        Largest loss on the way minus the smallest.
    change : float
        Largest change of the gradient, per distance from the start. NaN where the
        gradient is zero at the start.
    """

    loss_range: float
    change: float


def gradient_shift(
    model: Layer, x: NDArray, y: NDArray, rate: float, *, loss: Loss = cross_entropy
) -> dict[str, float]:
    r"""Measure how far a layer's gradient moves when the layers below make a step.

    .. math::

        \frac{\lVert G' - G \rVert}{\lVert G \rVert}

    G is the gradient of a weight matrix, G' the one on the same batch after all layers
    below it have made a step of plain gradient descent. The model is not changed.

    Parameters
    ----------
    model : Sequential
        Layers in a row; their parameters are named ``"3.weight"`` and the like.
    x, y : ndarray
        A batch and its targets.
    rate : float
        Learning rate of the step.
    loss : callable
        Maps (output, target) to (loss, gradient of the output).

    Returns
    -------
    dict of float
        By the name of the weights, first layer first; without the first weights, which
        have none below them. NaN where G is zero.

    Raises
    ------
    TypeError
        If the model is no Sequential, whose layers are in a row.
    ValueError
        If the rate is not positive.

    References
    ----------
    S. Santurkar, D. Tsipras, A. Ilyas, A. Madry. How Does Batch Normalization Help
    Optimization? NeurIPS 2018. (They give the difference without the division.)

    Examples
    --------
    >>> import numpy as np
    >>> from bnlearn.layers import mlp
    >>> x, y = np.eye(4), np.array([0, 1, 2, 0])
    >>> list(gradient_shift(mlp((4, 5, 5, 3), norm=True), x, y, 0.1))
    ['3.weight', '6.weight']
    """
    _check_rates("gradient_shift", [rate])
    if not isinstance(model, Sequential):
        raise TypeError(
            "gradient_shift: expected a Sequential, whose layers are in a row, got "
            f"{type(model).__name__}"
        )
    net = copy.deepcopy(model)
    parameters, (_, g) = net.parameters(), _loss_and_gradients(net, x, y, loss)
    start = {name: value.copy() for name, value in parameters.items()}
    found = {}
    for weights in [name for name in g if g[name].ndim > 1][1:]:
        for name, value in parameters.items():
            below = int(name.split(".")[0]) < int(weights.split(".")[0])
            value[...] = start[name] - rate * below * g[name]
        moved = _loss_and_gradients(net, x, y, loss)[1][weights] - g[weights]
        with np.errstate(invalid="ignore", divide="ignore"):
            found[weights] = float(np.linalg.norm(moved) / np.linalg.norm(g[weights]))
    return found


def along_gradient(
    model: Layer,
    x: NDArray,
    y: NDArray,
    rates: Iterable[float] = (0.02, 0.05, 0.1, 0.2, 0.4),
    *,
    loss: Loss = cross_entropy,
) -> Road:
    r"""Walk against the gradient g, and watch the loss and the gradient on the way.

    .. math::

        \max_\eta L(w - \eta g) - \min_\eta L(w - \eta g), \qquad
        \max_\eta \frac{\lVert g(w - \eta g) - g \rVert}{\eta\, \lVert g \rVert}

    For a loss without kinks the second is at most the largest second derivative on the
    way. The model is not changed.

    Parameters
    ----------
    model : Layer
        All its parameters move.
    x, y : ndarray
        A batch and its targets.
    rates : iterable of float
        Where to look: the values of eta.
    loss : callable
        Maps (output, target) to (loss, gradient of the output).

    Raises
    ------
    ValueError
        If there is no rate, or one is not positive.

    References
    ----------
    S. Santurkar, D. Tsipras, A. Ilyas, A. Madry. How Does Batch Normalization Help
    Optimization? NeurIPS 2018.

    Examples
    --------
    A quadratic loss with the curvature 2 everywhere:

    >>> import numpy as np
    >>> from bnlearn.layers import Linear, mean_squared_error
    >>> net = Linear(1, 1, bias=False)
    >>> x, y = np.array([[1.0]]), np.array([[3.0]])
    >>> round(along_gradient(net, x, y, loss=mean_squared_error).change, 9)
    2.0
    """
    rates = list(rates)
    _check_rates("along_gradient", rates)
    net = copy.deepcopy(model)
    parameters, (_, g) = net.parameters(), _loss_and_gradients(net, x, y, loss)
    start = {name: value.copy() for name, value in parameters.items()}
    length, losses, changes = _length(g), [], []
    for rate in rates:
        for name, value in parameters.items():
            value[...] = start[name] - rate * g[name]
        reached, there = _loss_and_gradients(net, x, y, loss)
        losses.append(reached)
        moved = _length({name: there[name] - g[name] for name in g})
        changes.append(moved / (rate * length) if length else np.nan)
    return Road(float(max(losses) - min(losses)), float(max(changes)))


def _check_rates(operation: str, rates: list[float]) -> None:
    if not rates or not all(0 < rate < np.inf for rate in rates):
        raise ValueError(f"{operation}: expected positive rates, got {rates}")


def _loss_and_gradients(
    net: Layer, x: NDArray, y: NDArray, loss: Loss
) -> tuple[float, dict[str, NDArray]]:
    """Copy the gradients, since the next backward pass may use their memory."""
    value, dout = loss(net(x), y)
    net.backward(dout)
    return value, {name: g.copy() for name, g in net.gradients().items()}


def _length(arrays: dict[str, NDArray]) -> float:
    return float(np.sqrt(sum(np.sum(array**2) for array in arrays.values())))
