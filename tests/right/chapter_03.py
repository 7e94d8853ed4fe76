"""Right answers to the exercises of chapter 03."""

import numpy as np

from bnlearn import batch_norm_forward
from bnlearn.layers import cross_entropy
from tests.right import answers


@answers("scale-and-shift")
def with_the_axis_moved(x_hat, gamma, beta):
    return np.moveaxis(np.moveaxis(x_hat, 1, -1) * gamma + beta, -1, 1)


@answers("scale-and-shift")
def feature_by_feature(x_hat, gamma, beta):
    y = np.empty_like(x_hat)
    for c in range(x_hat.shape[1]):
        y[:, c] = gamma[c] * x_hat[:, c] + beta[c]
    return y


@answers("scale-and-shift")
def step_by_einsum(x_hat, gamma, beta):
    y = np.einsum("nc...,c->nc...", x_hat, gamma)
    y += np.expand_dims(beta, tuple(range(1, x_hat.ndim - 1)))
    return y


@answers("scale-and-shift")
def by_transposing(x_hat, gamma, beta):
    rows = x_hat.swapaxes(0, 1).reshape(len(gamma), -1)
    y = np.diag(gamma) @ rows + np.outer(beta, np.ones(rows.shape[1]))
    return y.reshape(x_hat.swapaxes(0, 1).shape).swapaxes(0, 1).tolist()


@answers("identity-parameters")
def pair_by_feature(x, eps):
    parts = [x[:, c].astype(float) for c in range(x.shape[1])]
    gamma = [(np.mean((p - p.mean()) ** 2) + eps) ** 0.5 for p in parts]
    return gamma, [p.mean() for p in parts]


@answers("identity-parameters")
def pair_by_package(x, eps):
    _, cache = batch_norm_forward(x, eps=eps)
    return np.sqrt(cache.var + eps), cache.mean


@answers("identity-parameters")
def pair_of_two_points(x, eps):
    # The straight line through two points of (x_hat, x) of each feature.
    x = x.astype(float)
    x_hat, _ = batch_norm_forward(x, eps=eps)
    rows = x.swapaxes(0, 1).reshape(x.shape[1], -1)
    hats = x_hat.swapaxes(0, 1).reshape(x.shape[1], -1)
    places = np.arange(len(rows))
    top, low = (places, rows.argmax(axis=1)), (places, rows.argmin(axis=1))
    gamma = (rows[top] - rows[low]) / (hats[top] - hats[low])
    return gamma, rows[top] - gamma * hats[top]


@answers("identity-parameters")
def pair_by_hypotenuse(x, eps):
    rows = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    return np.array([np.hypot(rows.std(1), np.sqrt(eps)), rows.mean(1)])


@answers("output-spread")
def spread_by_slope(var, gamma, eps):
    slope = gamma / np.sqrt(var + eps)
    return np.sqrt(slope**2 * var)


@answers("output-spread")
def spread_by_shrinking(var, gamma, eps):
    return np.abs(gamma) / np.sqrt(1 + eps / var)


@answers("output-spread")
def spread_of_two_examples(var, gamma, eps):
    x = np.sqrt(var.astype(float)) * np.array([[-1.0], [1.0]])
    return batch_norm_forward(x, gamma, 0 * gamma, eps=eps)[0].std(axis=0)


@answers("output-spread")
def spread_by_loop(var, gamma, eps):
    pairs = zip(var.tolist(), gamma.tolist(), strict=True)
    return [abs(g) * (v / (v + eps)) ** 0.5 for v, g in pairs]


@answers("parameter-gradients")
def gradients_by_einsum(dout, x_hat):
    g, h = (a.reshape(*a.shape[:2], -1) for a in (dout, x_hat))
    return np.einsum("ncp,ncp->c", g, h), np.einsum("ncp->c", g)


@answers("parameter-gradients")
def gradients_by_rows(dout, x_hat):
    C = x_hat.shape[1]
    g, h = (np.moveaxis(a, 1, -1).reshape(-1, C) for a in (dout, x_hat))
    return np.array([(g * h).sum(0), np.ones(len(g)) @ g])


@answers("parameter-gradients")
def gradients_by_feature(dout, x_hat):
    features = range(x_hat.shape[1])
    dgamma = [np.vdot(dout[:, c], x_hat[:, c]) for c in features]
    return dgamma, [np.sum(dout[:, c]) for c in features]


@answers("parameter-gradients")
def gradients_by_differences(dout, x_hat):
    # The layer is linear in both, so that a step of 1 is as good as a small one.
    def loss(c, gamma, beta):
        return np.sum(dout[:, c] * (gamma * x_hat[:, c].astype(float) + beta))

    features = range(x_hat.shape[1])
    return (
        np.array([loss(c, 1, 0) - loss(c, 0, 0) for c in features]),
        np.array([loss(c, 0, 1) - loss(c, 0, 0) for c in features]),
    )


@answers("merged-linear")
def merged_with_matrices(weight, bias, gamma, beta):
    return weight @ np.diag(gamma), bias + beta @ weight.T


@answers("merged-linear")
def merged_by_einsum(weight, bias, gamma, beta):
    return [
        np.einsum("dc,c->dc", weight, gamma),
        np.einsum("dc,c->d", weight, beta) + bias,
    ]


@answers("merged-linear")
def merged_by_asking(weight, bias, gamma, beta):
    # What the two layers make of zero, and of each unit vector.
    def layers(x_hat):
        return (gamma * x_hat + beta) @ weight.T.astype(float) + bias

    at_zero = layers(np.zeros(len(gamma)))
    return (layers(np.eye(len(gamma))) - at_zero).T, at_zero


@answers("merged-linear")
def merged_by_loops(weight, bias, gamma, beta):
    D, C = weight.shape
    new_weight, new_bias = np.zeros((D, C)), np.zeros(D)
    for d in range(D):
        new_bias[d] = bias[d]
        for c in range(C):
            new_weight[d, c] = gamma[c] * weight[d, c]
            new_bias[d] += float(weight[d, c]) * beta[c]
    return new_weight, new_bias


@answers("without-gamma")
def by_sign(weight, gamma, beta):
    sign = np.sign(gamma)
    return sign, sign * beta / gamma, sign * gamma * weight


@answers("without-gamma")
def by_cases(weight, gamma, beta):
    sign = np.where(gamma > 0, 1.0, -1.0)
    shift, new_weight = beta.copy(), weight.copy()
    for c, g in enumerate(gamma):
        shift[c] /= abs(g)
        new_weight[:, c] *= -g if g < 0 else g
    return sign, shift, new_weight


@answers("without-gamma")
def with_matrices(weight, gamma, beta):
    size = np.sqrt(gamma.astype(float) ** 2)
    return (
        (gamma > 0).astype(int) - (gamma < 0).astype(int),
        np.linalg.solve(np.diag(size), beta),
        weight @ np.diag(size),
    )


@answers("softmax-gradient")
def with_one_hot(z, t):
    e = np.exp(z - np.max(z, axis=1)[:, None])
    return (e / e.sum(axis=1)[:, None] - np.eye(z.shape[1])[t]) / z.shape[0]


@answers("softmax-gradient")
def by_log_sum_exp(z, t):
    log_sum = np.logaddexp.reduce(z, axis=1, keepdims=True)
    hot = np.arange(z.shape[1]) == np.asarray(t)[:, None]
    return np.mean([np.exp(z - log_sum) - hot], axis=0) / len(z)


@answers("softmax-gradient")
def gradient_by_package(z, t):
    return cross_entropy(z, t)[1]


@answers("softmax-gradient")
def by_complex_step(z, t):
    # Calculus without a formula: the loss itself, a tiny step aside.
    m, K = z.shape
    dz = np.zeros((m, K))
    for i in range(m):
        for k in range(K):
            row = (z[i].astype(float) - z[i].max()).astype(complex)
            row[k] += 1e-30j
            loss = np.log(np.exp(row).sum()) - row[t[i]]
            dz[i, k] = loss.imag / 1e-30 / m
    return dz


@answers("softmax-gradient")
def gradient_by_loops(z, t):
    dz = []
    for row, label in zip(z.tolist(), t.tolist(), strict=True):
        total = [sum(np.exp(min(a - b, 700.0)) for a in row) for b in row]
        dz.append([(1 / s - (k == label)) / len(z) for k, s in enumerate(total)])
    return dz


@answers("two-value-loss")
def by_the_ratio(shares):
    high = np.sqrt(1 / shares - 1)
    low = -1 / high
    loss = 0.0
    for t, share in enumerate(shares):
        z = low.copy()
        z[t] = high[t]
        loss += share * (np.log(np.exp(z).sum()) - z[t])
    return high, low, loss


@answers("two-value-loss")
def by_standardising(shares):
    f = shares.astype(float)
    shown = np.eye(len(f))  # row t: the scores before, of an image of class t
    z = (shown - f) / np.sqrt(f * (1 - f))
    losses = np.logaddexp.reduce(z, axis=1) - np.diag(z)
    return np.diag(z).copy(), z.min(axis=0), f @ losses


@answers("two-value-loss")
def by_probabilities(shares):
    high, low = ((1 - shares) / shares) ** 0.5, -(((1 - shares) / shares) ** -0.5)
    e = np.exp(high)
    p = e / (e + np.exp(low).sum() - np.exp(low))
    return [high, low, -np.sum(shares * np.log(p))]
