"""Check a backward pass by central differences against a random cotangent.

The upstream gradient is drawn at random, never all ones: for a norm, ones give an
input gradient of exactly zero, and a backward pass that returns zeros would pass.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bnlearn.seeds import rng

__all__ = ["check_gradients", "numerical_gradient"]


def numerical_gradient(
    f: Callable[[NDArray], NDArray], x: NDArray, dout: NDArray, *, step: float = 1e-5
) -> NDArray:
    r"""Gradient of ``sum(f(x) * dout)`` with respect to `x` by central differences.

    .. math::

        \frac{\partial L}{\partial x_i} \approx
        \frac{L(x + h_i e_i) - L(x - h_i e_i)}{2 h_i}, \qquad
        h_i = \text{step} \cdot \max(1, |x_i|)

    Parameters
    ----------
    f : callable
        Maps an array shaped like `x` to an array shaped like `dout`.
    x : ndarray of float64
        Point at which to differentiate; left unchanged.
    dout : ndarray
        The cotangent: one weight for each element of the output.
    step : float
        Relative step. The error is of order step**2 plus 1e-16/step.

    Returns
    -------
    ndarray
        Shape of `x`.

    Raises
    ------
    TypeError
        If `x` is not float64: rounding would swamp the difference.
    ValueError
        If `dout` does not have the shape of ``f(x)``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> numerical_gradient(np.square, x, np.array([1.0, 0.5, -1.0])).round(6)
    array([ 2.,  2., -6.])
    """
    if x.dtype != np.float64:
        raise TypeError(f"numerical_gradient: expected x of float64, got {x.dtype}")
    shape = np.shape(f(x.copy()))
    if shape != dout.shape:
        raise ValueError(
            f"numerical_gradient: expected dout of shape {shape}, got {dout.shape}"
        )
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        h = step * max(1.0, abs(x[index]))
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        # Differences first: the two sums alone would cancel.
        difference = np.sum((f(up) - f(down)) * dout)
        gradient[index] = difference / (up[index] - down[index])
    return gradient


def check_gradients(
    forward: Callable[..., NDArray],
    backward: Callable[..., Sequence[NDArray]],
    arguments: dict[str, NDArray],
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    generator: np.random.Generator | None = None,
) -> dict[str, float]:
    """Compare a backward pass with central differences, argument by argument.

    Parameters
    ----------
    forward : callable
        ``forward(**arguments)`` returns the output.
    backward : callable
        ``backward(dout, **arguments)`` returns one gradient for each argument, in
        the order of `arguments`.
    arguments : dict of ndarray
        float64 arrays by name.
    rtol : float
        Largest error allowed, relative to the largest entry of the numerical
        gradient of that argument.
    atol : float
        Absolute error that is always allowed: the rounding of the differences, which
        is all there is where the true gradient is zero.
    generator : numpy.random.Generator, optional
        Draws the cotangent; by default the one of :mod:`bnlearn.seeds`.

    Returns
    -------
    dict of float
        The relative error of each gradient.

    Raises
    ------
    AssertionError
        If a gradient is missing, misshapen or wrong; the message names the argument,
        the worst place and both numbers.

    Examples
    --------
    >>> import numpy as np
    >>> errors = check_gradients(
    ...     lambda a, b: a * b,
    ...     lambda dout, a, b: (dout * b, dout * a),
    ...     {"a": np.arange(1.0, 4.0), "b": np.array([2.0, -1.0, 0.5])},
    ... )
    >>> max(errors.values()) < 1e-9
    True
    """
    generator = rng() if generator is None else generator
    dout = generator.standard_normal(np.shape(forward(**arguments)))
    gradients = backward(dout, **arguments)
    if len(gradients) != len(arguments):
        raise AssertionError(
            f"check_gradients: expected {len(arguments)} gradients "
            f"({', '.join(arguments)}), got {len(gradients)}"
        )
    errors = {}
    for (name, value), gradient in zip(arguments.items(), gradients, strict=True):

        def f(changed: NDArray, name: str = name) -> NDArray:
            return forward(**{**arguments, name: changed})

        expected = numerical_gradient(f, value, dout)
        errors[name] = _compare(name, gradient, expected, rtol, atol)
    return errors


def _compare(
    name: str, gradient: NDArray, expected: NDArray, rtol: float, atol: float
) -> float:
    if np.shape(gradient) != expected.shape:
        raise AssertionError(
            f"check_gradients: gradient of {name}: expected shape {expected.shape}, "
            f"got {np.shape(gradient)}"
        )
    if expected.size == 0:
        return 0.0
    difference = np.abs(gradient - expected)
    scale = max(np.abs(expected).max(), atol / rtol)
    error = float(difference.max() / scale)
    if not error <= rtol:  # also true for NaN
        worst = np.unravel_index(np.argmax(difference), difference.shape)
        place = tuple(int(i) for i in worst)
        raise AssertionError(
            f"check_gradients: gradient of {name}: relative error {error:.1e} > "
            f"{rtol:.1e}; at {place} backward gives {gradient[worst]:.6g}, "
            f"central differences give {expected[worst]:.6g}"
        )
    return error
