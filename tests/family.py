"""The norms besides batch norm, each with PyTorch's and with what shares a mean.

A case is (kind, shape of x, option): the option is normalized_shape for "layer" and
"rms", the number of groups for "group", None for "instance". How x falls into groups is
written here a second time, so that a mistake in the package's layouts is seen.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

import bnlearn
from bnlearn import norms
from tests import oracle

KINDS = ["layer", "rms", "group", "instance"]
CHANNELS = ["group", "instance"]
TRAILING = ["layer", "rms"]
EPS = 1e-5


@dataclass(frozen=True)
class Problem:
    """Arguments of a norm and of its backward pass; None for what is not given."""

    kind: str
    option: object
    x: np.ndarray
    gamma: np.ndarray | None
    beta: np.ndarray | None
    dout: np.ndarray
    eps: float | None = EPS

    def change(self, **fields):
        """Return a copy with other entries."""
        return replace(self, **fields)

    def options(self):
        """Return the arguments between x and gamma."""
        return () if self.option is None else (self.option,)

    def parameters(self):
        """Return gamma and, where the norm has one, beta."""
        return (self.gamma,) if self.kind == "rms" else (self.gamma, self.beta)

    def forward(self):
        """Run the package's forward pass; return y and the cache."""
        forward = getattr(bnlearn, f"{self.kind}_norm_forward")
        return forward(self.x, *self.options(), *self.parameters(), eps=self.eps)

    def backward(self, cache):
        """Run the package's backward pass; return dx, dgamma, dbeta."""
        found = getattr(bnlearn, f"{self.kind}_norm_backward")(self.dout, cache)
        return (*found, None) if self.kind == "rms" else found

    def run(self):
        """Return y, dx, dgamma and dbeta as the package finds them."""
        y, cache = self.forward()
        return y, *self.backward(cache)

    def grouped(self, a):
        """Bring an array of the shape of x into rows of what shares one mean."""
        if self.kind in TRAILING:
            inner = a.shape[a.ndim - len(self.option) :]
            return a.reshape(a.size // max(1, math.prod(inner)), math.prod(inner))
        groups = a.shape[0] * (self.option or a.shape[1])
        return a.reshape(groups, a.size // max(1, groups))

    def spread(self, parameter):
        """Broadcast a gamma or beta over x."""
        if self.kind in CHANNELS:
            parameter = parameter.reshape((-1,) + (1,) * (self.x.ndim - 2))
        return np.broadcast_to(parameter, self.x.shape)

    def collect(self, a):
        """Sum an array of the shape of x over all that shares one gamma."""
        if self.kind in CHANNELS:
            return a.sum(axis=(0, *range(2, a.ndim)))
        return a.sum(axis=tuple(range(a.ndim - len(self.option))))

    def stats_shape(self):
        """Name the shape of the mean."""
        if self.kind in TRAILING:
            return self.x.shape[: self.x.ndim - len(self.option)]
        return self.x.shape[0], self.option or self.x.shape[1]

    def moments(self):
        """Return mean and variance (or 0 and mean square) of all groups in float64."""
        rows = self.grouped(self.x.astype("f8"))
        if rows.shape[1] == 0:
            return np.zeros((2, *self.stats_shape()))
        mean = rows.mean(axis=1) if self.kind != "rms" else np.zeros(len(rows))
        var = ((rows - mean[:, np.newaxis]) ** 2).mean(axis=1)
        return mean.reshape(self.stats_shape()), var.reshape(self.stats_shape())

    def found_eps(self):
        """Return eps as a number; None stands for that of the dtype computed in."""
        return oracle_eps(self.x.dtype) if self.eps is None else self.eps

    def x_hat(self):
        """Return the standardised x in float64, and for all of x its std."""
        rows = self.grouped(self.x.astype("f8"))
        mean, var = (a.reshape(-1, 1) for a in self.moments())
        std = np.sqrt(var + self.found_eps())
        return (
            ((rows - mean) / std).reshape(self.x.shape),
            np.broadcast_to(std, rows.shape).reshape(self.x.shape),
        )

    def largest(self, a):
        """Give each element of an array like x the maximum over its group."""
        rows = self.grouped(a)
        top = rows.max(axis=1, keepdims=True, initial=0)
        return np.broadcast_to(top, rows.shape).reshape(a.shape)


def oracle_eps(dtype):
    """Return what eps=None of RMS norm is: float16 is computed in float32."""
    return float(np.finfo(np.float32 if dtype == np.float16 else dtype).eps)


def parameter_shape(kind, shape, option):
    """Name the shape of gamma."""
    return tuple(shape[1:2]) if kind in CHANNELS else tuple(option)


def draw(kind, shape, option, dtype="f8", seed=0):
    """Draw a problem: all numbers distinct, the groups of x far from 0 and 1.

    The second of four groups varies so little that eps shows.
    """
    rng = np.random.default_rng(seed)
    param = parameter_shape(kind, shape, option)
    gamma = np.resize([1.5, -0.7, 2.0], param) + 0.1 * rng.random(param)
    beta = np.resize([-0.3, 4.0], param) + 0.1 * rng.random(param)
    x, dout = rng.standard_normal((2, *shape))
    problem = Problem(kind, option, x, gamma, None if kind == "rms" else beta, dout)
    rows = problem.grouped(x)
    std = np.resize([2.0, 1e-3, 0.3, 5.0], (len(rows), 1))
    mean = np.resize([1.0, -0.002, 3.0, 0.0, -4.0], (len(rows), 1))
    return cast(problem.change(x=(mean + std * rows).reshape(shape)), dtype)


def cast(problem, dtype, own=None):
    """Cast x and dout to `dtype`, gamma and beta to `own`, which is the same if None."""
    given = {
        name: None if value is None else value.astype(kind)
        for name, value, kind in [
            ("x", problem.x, dtype),
            ("dout", problem.dout, dtype),
            ("gamma", problem.gamma, own or dtype),
            ("beta", problem.beta, own or dtype),
        ]
    }
    return problem.change(**given)


def torch_forward(problem, x, *parameters):
    """Call PyTorch's function."""
    kind, option, eps = problem.kind, problem.option, problem.eps
    functional = torch.nn.functional
    if kind == "layer":
        return functional.layer_norm(x, option, *parameters, eps)
    if kind == "rms":
        return functional.rms_norm(x, option, *parameters, eps)
    if kind == "group":
        return functional.group_norm(x, option, *parameters, eps)
    return functional.instance_norm(x, None, None, *parameters, eps=eps)


def torch_results(problem, dtype=None):
    """Return y, dx, dgamma, dbeta by PyTorch, computed in `dtype`, None for absent."""
    given = (problem.x, *problem.parameters())
    if problem.beta is None and problem.kind == "group":
        # PyTorch 2.13 cannot go back through a group norm with one of both.
        given = (*given[:2], np.zeros(problem.x.shape[1], problem.x.dtype))
    if problem.gamma is None and problem.kind == "group":
        given = (given[0], np.ones(problem.x.shape[1], problem.x.dtype), given[2])
    tensors = [oracle.to_torch(a, dtype) for a in given]
    for tensor in tensors:
        if tensor is not None:
            tensor.requires_grad_()
    y = torch_forward(problem, *tensors)
    y.backward(oracle.to_torch(problem.dout, dtype))
    asked = (problem.x, *problem.parameters())
    found = [
        None if a is None else t.grad.numpy()
        for a, t in zip(asked, tensors, strict=True)
    ]
    return (y.detach().numpy(), *found, None)[:4]


def check(problem):
    """Compare forward, backward and cache with PyTorch's results in float64."""
    y, cache = problem.forward()
    results = y, *problem.backward(cache)
    exact = torch_results(problem.change(eps=problem.found_eps()), torch.float64)
    x_hat, std = problem.x_hat()
    top = problem.largest(np.abs(x_hat)) + 1
    if problem.x.dtype == np.float64:  # PyTorch loses digits by the mean as well
        top = top + problem.largest(np.abs(problem.x)) / std
    g, b = (
        default if a is None else problem.spread(np.abs(a.astype("f8")))
        for a, default in ((problem.gamma, 1.0), (problem.beta, 0.0))
    )
    d = np.abs(problem.dout.astype("f8"))
    scales = (
        g * top + b,
        problem.largest(g * d) / std * top,
        problem.collect(d * top) + 1e-300,
        problem.collect(d) + 1e-300,
    )
    for name, actual, wanted, scale, like in zip(
        ("y", "dx", "dgamma", "dbeta"),
        results,
        exact,
        scales,
        (problem.x, problem.x, problem.gamma, problem.beta),
        strict=True,
    ):
        kind = problem.x.dtype if like is None else like.dtype
        # A gradient in a wide dtype is no more exact than the x that it came from.
        allowed, own = (oracle.TOLERANCE[t.str[1:]] for t in (problem.x.dtype, kind))
        oracle.assert_near(name, actual, wanted, scale * max(1, allowed / own), kind)
    check_cache(problem, cache)


def check_cache(problem, cache):
    """Compare what the cache shows with float64; its arguments are the very same."""
    mean, var = problem.moments()
    assert isinstance(cache, norms.NormCache)
    assert cache.x is problem.x
    assert cache.gamma is problem.gamma and cache.beta is problem.beta
    assert cache.mean.dtype == np.float64
    assert cache.mean.shape == cache.var.shape == cache.inv_std.shape == mean.shape
    size = np.sqrt(var.max(initial=0))
    # Statistics of any dtype of x are worth at least float32: 1e-6 of their size.
    np.testing.assert_allclose(cache.mean, mean, rtol=1e-6, atol=1e-6 * size)
    np.testing.assert_allclose(cache.var, var, rtol=1e-5, atol=1e-30)
    inv_std = 1 / np.sqrt(var + problem.found_eps())
    np.testing.assert_allclose(cache.inv_std, inv_std, rtol=1e-5, atol=0)
    assert cache.x_hat.dtype == problem.x.dtype
    # x_hat is of size 1; float32 arithmetic, or a rounding to float16.
    tolerance = {"f8": 1e-12, "f4": 5e-6, "f2": 2e-3}[problem.x.dtype.str[1:]]
    exact, _ = problem.x_hat()
    np.testing.assert_allclose(cache.x_hat, exact, rtol=tolerance, atol=tolerance)
