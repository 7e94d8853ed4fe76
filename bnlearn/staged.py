"""Batch normalization in small steps: the derivation of the backward pass as code.

Slow and plain on purpose. Each node of the computational graph is one line forward and
one line backward, and every intermediate value and gradient is kept, so that it can be
compared with another implementation line by line. For 2-D float64 arrays.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["staged_backward", "staged_forward"]

# The nodes in the order of the forward pass, each with its line of code.
NODES = {
    "mean": "x.mean(axis=0)",
    "centred": "x - mean",
    "square": "centred**2",
    "var": "square.mean(axis=0)",
    "std": "sqrt(var + eps)",
    "inv_std": "1 / std",
    "x_hat": "centred * inv_std",
    "scaled": "gamma * x_hat",
    "y": "scaled + beta",
}


def staged_forward(
    x: NDArray, gamma: NDArray, beta: NDArray, *, eps: float = 1e-5
) -> dict[str, NDArray]:
    """Compute batch normalization node by node.

    Parameters
    ----------
    x : ndarray, shape (m, C)
        A batch of m examples.
    gamma, beta : ndarray, shape (C,)
        Scale and shift.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    dict of ndarray
        The value of every node in ``NODES``, and x, gamma and beta.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [6.0], [6.0], [8.0]])
    >>> v = staged_forward(x, np.ones(1), np.zeros(1), eps=0.0)
    >>> v["mean"], v["var"], v["std"]
    (array([5.]), array([9.]), array([3.]))
    """
    mean = x.mean(axis=0)
    centred = x - mean
    square = centred**2
    var = square.mean(axis=0)
    std = np.sqrt(var + eps)
    inv_std = 1 / std
    x_hat = centred * inv_std
    scaled = gamma * x_hat
    y = scaled + beta
    names = ("x", "gamma", "beta", *NODES)
    values = (
        (x, gamma, beta)
        + (mean, centred, square, var, std, inv_std)
        + (x_hat, scaled, y)
    )
    return dict(zip(names, values, strict=True))


def staged_backward(dout: NDArray, values: dict[str, NDArray]) -> dict[str, NDArray]:
    """Go back through the graph, last node first.

    Parameters
    ----------
    dout : ndarray, shape (m, C)
        Derivative of the loss with respect to y.
    values : dict of ndarray
        From :func:`staged_forward`.

    Returns
    -------
    dict of ndarray
        The derivative of the loss with respect to every node and to x, gamma, beta.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [6.0], [6.0], [8.0]])
    >>> values = staged_forward(x, np.ones(1), np.zeros(1), eps=0.0)
    >>> d = staged_backward(np.array([[0.0], [3.0], [0.0], [1.0]]), values)
    >>> (18 * d["x"][:, 0]).round(9)
    array([-1., 11., -7., -3.])
    """
    m = len(dout)
    d = {"y": dout}
    # y = scaled + beta: beta is used by every example, so its contributions add up.
    d["scaled"] = d["y"]
    d["beta"] = d["y"].sum(axis=0)
    # scaled = gamma * x_hat
    d["x_hat"] = d["scaled"] * values["gamma"]
    d["gamma"] = (d["scaled"] * values["x_hat"]).sum(axis=0)
    # x_hat = centred * inv_std: centred is used again below, this is its first part.
    d["inv_std"] = (d["x_hat"] * values["centred"]).sum(axis=0)
    first_part = d["x_hat"] * values["inv_std"]
    # inv_std = 1 / std
    d["std"] = -d["inv_std"] / values["std"] ** 2
    # std = sqrt(var + eps)
    d["var"] = d["std"] / (2 * values["std"])
    # var = square.mean(axis=0): every square gets an equal share.
    d["square"] = np.broadcast_to(d["var"] / m, dout.shape)
    # square = centred**2: the second part of centred, and now the two are added.
    d["centred"] = first_part + 2 * values["centred"] * d["square"]
    # centred = x - mean: x is used again below.
    d["mean"] = -d["centred"].sum(axis=0)
    # mean = x.mean(axis=0): every x gets an equal share.
    d["x"] = d["centred"] + d["mean"] / m
    return d
