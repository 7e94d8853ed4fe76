"""Right answers to the exercises of chapter 04."""

import numpy as np

from bnlearn import batch_norm_backward, batch_norm_forward
from tests.right import answers


@answers("backward-staged")
def as_in_the_paper(dout, x, gamma, eps):
    m, mean, var = x.shape[0], x.mean(0), x.var(0)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * (x - mean), 0) * -0.5 * (var + eps) ** -1.5
    dmean = np.sum(dx_hat * -1 / np.sqrt(var + eps), 0)
    dmean = dmean + dvar * np.sum(-2 * (x - mean), 0) / m
    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mean) / m + dmean / m
    return dx_hat, dvar, dmean, dx


@answers("backward-staged")
def more_nodes(dout, x, gamma, eps):
    m, centred = len(x), x - x.mean(axis=0)
    std = np.sqrt((centred**2).mean(axis=0) + eps)
    inv = 1 / std
    dx_hat = gamma * dout
    dinv = np.einsum("ij,ij->j", dx_hat, centred)
    dstd = -dinv * inv**2
    dvar = dstd / 2 / std
    dsquare = np.ones_like(x) * dvar / m
    dcentred = dx_hat * inv + 2 * centred * dsquare
    dmean = -np.sum(dcentred, axis=0)
    return [dx_hat, dvar, dmean, dcentred + dmean / m]


@answers("backward-staged")
def staged_by_features(dout, x, gamma, eps):
    dx_hat, dx = np.empty(x.shape), np.empty(x.shape)
    dvar, dmean = np.empty(x.shape[1]), np.empty(x.shape[1])
    for j in range(x.shape[1]):
        c = x[:, j] - x[:, j].mean()
        std = np.sqrt(x[:, j].var() + eps)
        g = dx_hat[:, j] = gamma[j] * dout[:, j]
        dvar[j] = -0.5 * (g @ c) / std**3
        dmean[j] = -g.sum() / std
        dx[:, j] = g / std + dvar[j] * 2 * c / len(x) + dmean[j] / len(x)
    return dx_hat, dvar, dmean, dx


@answers("backward-closed-form")
def multiplied_by_m(dout, x, gamma, eps):
    m, std = len(x), np.sqrt(x.var(0) + eps)
    x_hat = (x - x.mean(0)) / std
    dgamma, dbeta = np.sum(dout * x_hat, 0), np.sum(dout, 0)
    dx = gamma / (m * std) * (m * dout - dbeta - x_hat * dgamma)
    return [dx, dgamma, dbeta]


@answers("backward-closed-form")
def by_the_package(dout, x, gamma, eps):
    return batch_norm_backward(
        dout, batch_norm_forward(x, gamma, 0 * gamma, eps=eps)[1]
    )


@answers("backward-closed-form")
def by_matrices(dout, x, gamma, eps):
    m, std = len(x), np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) / std
    P = np.eye(m) - 1 / m - np.einsum("ic,jc->cij", x_hat, x_hat) / m
    dx = np.einsum("cij,jc,c->ic", P, dout, gamma / std)
    return dx, np.einsum("ic,ic->c", dout, x_hat), np.ones(m) @ dout


@answers("backward-closed-form")
def by_loops_in_closed_form(dout, x, gamma, eps):
    m, C = x.shape
    dx, dgamma, dbeta = np.zeros((m, C)), np.zeros(C), np.zeros(C)
    for c in range(C):
        mean = sum(x[:, c]) / m
        std = (sum((x[:, c] - mean) ** 2) / m + eps) ** 0.5
        for i in range(m):
            dbeta[c] += dout[i, c]
            dgamma[c] += dout[i, c] * (x[i, c] - mean) / std
        for i in range(m):
            along = (x[i, c] - mean) / std * dgamma[c]
            dx[i, c] = gamma[c] / std * (dout[i, c] - (dbeta[c] + along) / m)
    return dx, dgamma, dbeta


@answers("backward-matrix")
def column_by_column(x, gamma, eps):
    m, std = len(x), np.sqrt(x.var() + eps)
    x_hat = (x - x.mean()) / std
    columns = []
    for e in np.eye(m):
        columns.append(gamma / std * (e - e.mean() - x_hat * (e * x_hat).mean()))
    return np.array(columns).T


@answers("backward-matrix")
def one_by_one(x, gamma, eps):
    m, r = len(x), 1 / np.sqrt(x.var() + eps)
    c = x - x.mean()
    matrix = [[gamma * r * ((i == j) - 1 / m - c[i] * c[j] * r * r / m)
               for j in range(m)] for i in range(m)]  # fmt: skip
    return matrix


@answers("backward-matrix")
def stacked(x, gamma, eps):
    s = np.sqrt(np.var(x) + eps)
    B = np.stack([np.ones(len(x)), (x - np.mean(x)) / s])
    return np.float32(gamma / s) * (np.identity(len(x)) - B.T @ B / len(x))


@answers("backward-inference")
def by_broadcasting(dout, x, running_mean, running_var, gamma, eps):
    shape = [1] * x.ndim
    shape[1] = x.shape[1]
    s = np.sqrt(running_var + eps)
    x_hat = (x - running_mean.reshape(shape)) / s.reshape(shape)
    keep = tuple(i for i in range(x.ndim) if i != 1)
    dgamma, dbeta = np.sum(dout * x_hat, axis=keep), np.sum(dout, axis=keep)
    return dout * (gamma / s).reshape(shape), dgamma, dbeta


@answers("backward-inference")
def channels_to_the_end(dout, x, running_mean, running_var, gamma, eps):
    d, z = np.moveaxis(dout, 1, -1), np.moveaxis(x, 1, -1)
    s = (running_var + eps) ** 0.5
    dx = np.moveaxis(d * (gamma / s), -1, 1)
    n = z.shape[-1]
    dgamma = (d * ((z - running_mean) / s)).reshape(-1, n).sum(0)
    return [dx, dgamma, d.reshape(-1, n).sum(0)]


@answers("backward-inference")
def channel_loop(dout, x, running_mean, running_var, gamma, eps):
    dx, dgamma, dbeta = np.zeros_like(x), [], []
    for c in range(x.shape[1]):
        s = np.sqrt(running_var[c] + eps)
        dx[:, c] = gamma[c] * dout[:, c] / s
        dgamma.append(np.vdot(dout[:, c], (x[:, c] - running_mean[c]) / s))
        dbeta.append(dout[:, c].sum())
    return dx, np.array(dgamma), np.array(dbeta)


@answers("finite-differences")
def moved_in_place(f, x, dout, step):
    z, gradient = x.copy(), np.zeros_like(x)
    it = np.nditer(z, flags=["multi_index"])
    while not it.finished:
        i = it.multi_index
        old = z[i]
        z[i] = old + step
        up = (f(z) * dout).sum()
        z[i] = old - step
        gradient[i] = (up - (f(z) * dout).sum()) / (2 * step)
        z[i] = old
        it.iternext()
    return gradient


@answers("finite-differences")
def by_directions(f, x, dout, step):
    def loss(z):
        return np.vdot(f(z.reshape(x.shape)), dout)

    flat = x.ravel()
    slopes = [
        (loss(flat + step * e) - loss(flat - step * e)) / step / 2
        for e in np.eye(x.size)
    ]
    return np.array(slopes).reshape(x.shape)


@answers("finite-differences")
def moved_and_moved_back(f, x, dout, step):
    gradient = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        x[i] += step
        up = np.sum(f(x) * dout)
        x[i] -= 2 * step
        down = np.sum(f(x) * dout)
        x[i] += step
        gradient[i] = (up - down) / (2 * step)
    return gradient
