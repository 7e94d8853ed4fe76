"""Right answers to the exercises of chapter 06."""

import numpy as np

from bnlearn import (
    batch_norm_forward,
    group_norm_backward,
    group_norm_forward,
    instance_norm_forward,
    layer_norm_backward,
    layer_norm_forward,
    rms_norm_backward,
    rms_norm_forward,
)
from tests.right import answers


@answers("norm-axes")
def by_moving_the_axes(x, axes, eps):
    n = len(axes)
    z = np.moveaxis(x, axes, range(n))
    flat = z.reshape(-1, *z.shape[n:])
    flat = (flat - flat.mean(0)) / np.sqrt(flat.var(0) + eps)
    return np.moveaxis(flat.reshape(z.shape), range(n), axes)


@answers("norm-axes")
def by_sets(x, axes, eps):
    axes = {a % x.ndim for a in axes}
    y = np.empty(x.shape)
    kept = [1 if a in axes else size for a, size in enumerate(x.shape)]
    for index in np.ndindex(*kept):
        where = tuple(slice(None) if a in axes else i for a, i in enumerate(index))
        y[where] = (x[where] - np.mean(x[where])) / (np.var(x[where]) + eps) ** 0.5
    return y


@answers("norm-axes")
def by_steps_over_axes(x, axes, eps):
    m = np.prod([x.shape[a] for a in axes])
    left = x - np.sum(x, axis=axes, keepdims=True) / m
    var = np.sum(left**2, axis=axes, keepdims=True) / m
    return (left * (var + eps) ** -0.5).astype(np.float32)


@answers("rms-norm")
def rms_by_numpy(x, gamma, eps):
    size = np.linalg.norm(x, axis=-1, keepdims=True) / np.sqrt(x.shape[-1])
    return gamma * (x / np.hypot(size, np.sqrt(eps)))


@answers("rms-norm")
def rms_by_rows(x, gamma, eps):
    y = [
        gamma * row / np.sqrt(sum(row * row) / len(row) + eps)
        for row in x.reshape(-1, x.shape[-1])
    ]
    return np.array(y).reshape(x.shape).tolist()


@answers("rms-norm")
def rms_by_package(x, gamma, eps):
    return rms_norm_forward(x, gamma.shape, gamma, eps=eps)[0]


@answers("rms-norm")
def rms_by_einsum(x, gamma, eps):
    q = np.einsum("...i,...i->...", x, x) / x.shape[-1] + eps
    return np.einsum("...i,i,...->...i", x, gamma, q**-0.5)


@answers("layer-norm")
def layer_by_rows(x, gamma, beta, eps):
    y = []
    for row in x.reshape(-1, gamma.size):
        row = (row - row.mean()) / np.sqrt(row.var() + eps)
        y.append(gamma.ravel() * row + beta.ravel())
    return np.reshape(y, x.shape)


@answers("layer-norm")
def layer_by_negative_axes(x, gamma, beta, eps):
    axes = tuple(-1 - k for k in range(gamma.ndim))
    left = x - np.mean(x, axes, keepdims=True)
    var = np.mean(left * left, axes, keepdims=True)
    return (beta + left * (gamma / np.sqrt(var + eps))).tolist()


@answers("layer-norm")
def layer_by_batch_norm(x, gamma, beta, eps):
    rows = x.reshape(-1, gamma.size)
    x_hat = batch_norm_forward(rows.T, eps=eps)[0].T
    return gamma * x_hat.reshape(x.shape) + beta


@answers("layer-norm")
def layer_by_package(x, gamma, beta, eps):
    return layer_norm_forward(x, gamma.shape, gamma, beta, eps=eps)[0]


@answers("instance-norm")
def instance_by_loops(x, gamma, beta, eps):
    y = np.zeros_like(x)
    for n in range(len(x)):
        for c in range(x.shape[1]):
            a = x[n, c]
            y[n, c] = gamma[c] * (a - a.mean()) / np.sqrt(a.var() + eps) + beta[c]
    return y


@answers("instance-norm")
def instance_by_flattening(x, gamma, beta, eps):
    flat = x.reshape(*x.shape[:2], -1)
    std = np.sqrt(flat.var(-1) + eps)
    flat = (flat - flat.mean(-1)[..., None]) / std[..., None]
    return (gamma[:, None] * flat + beta[:, None]).reshape(x.shape)


@answers("instance-norm")
def instance_by_moving(x, gamma, beta, eps):
    z = np.moveaxis(x, 1, -1)
    axes = tuple(range(1, z.ndim - 1))
    z = (z - z.mean(axes, keepdims=True)) / np.sqrt(z.var(axes, keepdims=True) + eps)
    return np.moveaxis(z * gamma + beta, -1, 1)


@answers("instance-norm")
def instance_by_package(x, gamma, beta, eps):
    return instance_norm_forward(x, gamma, beta, eps=eps)[0].astype(np.float32)


@answers("group-norm")
def group_by_loops(x, num_groups, gamma, beta, eps):
    y, size = np.empty(x.shape), x.shape[1] // num_groups
    for n in range(len(x)):
        for first in range(0, x.shape[1], size):
            part = slice(first, first + size)
            mean, var = x[n, part].mean(), x[n, part].var()
            y[n, part] = (x[n, part] - mean) / np.sqrt(var + eps)
    for c in range(x.shape[1]):
        y[:, c] = gamma[c] * y[:, c] + beta[c]
    return y


@answers("group-norm")
def group_by_rows(x, num_groups, gamma, beta, eps):
    rows = x.reshape(len(x) * num_groups, -1)
    rows = (rows - rows.mean(1, keepdims=True)) / np.sqrt(
        rows.var(1, keepdims=True) + eps
    )
    last = np.moveaxis(rows.reshape(x.shape), 1, -1)
    return np.moveaxis(gamma * last + beta, -1, 1)


@answers("group-norm")
def group_by_joining(x, num_groups, gamma, beta, eps):
    axes = tuple(range(1, x.ndim))
    parts = [
        (p - p.mean(axes, keepdims=True)) / np.sqrt(p.var(axes, keepdims=True) + eps)
        for p in np.split(x, num_groups, axis=1)
    ]
    shape = (1, -1) + (1,) * (x.ndim - 2)
    y = np.concatenate(parts, axis=1) * gamma.reshape(shape) + beta.reshape(shape)
    return y.tolist()


@answers("group-norm")
def group_by_package(x, num_groups, gamma, beta, eps):
    return group_norm_forward(x, num_groups, gamma, beta, eps=eps)[0]


@answers("layer-norm-backward")
def layer_gradients_by_package(dout, x, gamma, eps):
    cache = layer_norm_forward(x, len(gamma), gamma, 0 * gamma, eps=eps)[1]
    return layer_norm_backward(dout, cache)


@answers("layer-norm-backward")
def layer_gradients_by_matrices(dout, x, gamma, eps):
    D = len(gamma)
    dx, dgamma = [], np.zeros(D)
    for dy, row in zip(dout.reshape(-1, D), x.reshape(-1, D), strict=True):
        std = np.sqrt(row.var() + eps)
        x_hat = (row - row.mean()) / std
        P = np.eye(D) - 1 / D - np.outer(x_hat, x_hat) / D
        dx.append(P @ (gamma * dy) / std)
        dgamma = dgamma + dy * x_hat
    return np.reshape(dx, x.shape), dgamma, dout.reshape(-1, D).sum(0)


@answers("layer-norm-backward")
def layer_gradients_by_nodes(dout, x, gamma, eps):
    D = x.shape[-1]
    left = x - np.mean(x, -1, keepdims=True)
    std = np.sqrt(np.mean(left**2, -1, keepdims=True) + eps)
    dx_hat = dout * gamma
    dvar = -0.5 * np.sum(dx_hat * left, -1, keepdims=True) / std**3
    dleft = dx_hat / std + 2 / D * left * dvar
    dx = dleft - np.sum(dleft, -1, keepdims=True) / D
    flat, hats = dout.reshape(-1, D), (left / std).reshape(-1, D)
    return [dx, np.einsum("ni,ni->i", flat, hats), np.einsum("ni->i", flat)]


@answers("rms-norm-backward")
def rms_gradients_by_package(dout, x, gamma, eps):
    cache = rms_norm_forward(x, len(gamma), gamma, eps=eps)[1]
    return rms_norm_backward(dout, cache)


@answers("rms-norm-backward")
def rms_gradients_by_nodes(dout, x, gamma, eps):
    D = x.shape[-1]
    s = np.sqrt(np.sum(x**2, -1) / D + eps)[..., None]
    g = gamma * dout
    ds = -np.sum(g * x, -1, keepdims=True) / s**2
    dgamma = np.reshape(dout * x / s, (-1, D)).sum(0)
    return g / s + ds * x / (D * s), dgamma


@answers("rms-norm-backward")
def rms_gradients_by_matrices(dout, x, gamma, eps):
    D = len(gamma)
    s = np.sqrt(np.einsum("...i,...i->...", x, x) / D + eps)
    x_hat = np.einsum("...i,...->...i", x, 1 / s)
    P = np.eye(D) - np.einsum("...i,...j->...ij", x_hat, x_hat) / D
    dx = np.einsum("...ij,...j,j,...->...i", P, dout, gamma, 1 / s)
    products = (dout * x_hat).reshape(-1, D)
    return dx.astype(np.float32), np.ones(len(products)) @ products


@answers("group-norm-backward")
def group_gradients_by_package(dout, x, num_groups, gamma, eps):
    cache = group_norm_forward(x, num_groups, gamma, 0 * gamma, eps=eps)[1]
    return group_norm_backward(dout, cache)


@answers("group-norm-backward")
def group_gradients_by_loops(dout, x, num_groups, gamma, eps):
    dx, x_hat = np.empty(x.shape), np.empty(x.shape)
    size = x.shape[1] // num_groups
    column = (-1,) + (1,) * (x.ndim - 2)
    for n in range(len(x)):
        for first in range(0, x.shape[1], size):
            s = (n, slice(first, first + size))
            std = np.sqrt(x[s].var() + eps)
            x_hat[s] = (x[s] - x[s].mean()) / std
            g = gamma[s[1]].reshape(column) * dout[s]
            dx[s] = (g - g.mean() - x_hat[s] * (g * x_hat[s]).mean()) / std
    axes = (0, *range(2, x.ndim))
    return dx, (dout * x_hat).sum(axis=axes), dout.sum(axis=axes)


@answers("group-norm-backward")
def group_gradients_by_rows(dout, x, num_groups, gamma, eps):
    N, C = x.shape[:2]
    rows = x.reshape(N * num_groups, -1)
    m = rows.shape[1]
    left = rows - rows.mean(1, keepdims=True)
    std = np.sqrt((left**2).sum(1, keepdims=True) / m + eps)
    x_hat = left / std
    column = gamma.reshape((C,) + (1,) * (x.ndim - 2))
    g = (column * dout).reshape(rows.shape)
    dx = m * g - g.sum(1, keepdims=True) - x_hat * (g * x_hat).sum(1, keepdims=True)
    flat, hats = dout.reshape(N, C, -1), x_hat.reshape(N, C, -1)
    dgamma, dbeta = np.einsum("ncs,ncs->c", flat, hats), np.einsum("ncs->c", flat)
    return [(dx / (m * std)).reshape(x.shape), dgamma, dbeta]
