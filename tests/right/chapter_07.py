"""Right answers to the exercises of chapter 07."""

from types import SimpleNamespace

import numpy as np

from bnlearn import batch_norm_forward
from bnlearn.layers import BatchNorm, Dropout, Linear, Sequential
from tests.right import answers


@answers("update-ratio")
def update_by_numpy(before, after):
    step = np.linalg.norm(after - before, axis=(1, 2))
    return step / np.linalg.norm(before, axis=(1, 2))


@answers("update-ratio")
def update_by_layers(before, after):
    return [
        float(np.linalg.norm(b - a)) / np.linalg.norm(b)
        for a, b in zip(after, before, strict=True)
    ]


@answers("update-ratio")
def update_by_mean_squares(before, after):
    """Both means are over as many weights, so that the quotient is the same."""
    old, new = (w.reshape(len(w), -1) for w in (before, after))
    return np.sqrt(np.mean((new - old) ** 2, axis=1) / np.mean(old**2, axis=1))


@answers("update-ratio")
def update_by_products(before, after):
    step = (before - after).astype(float)
    squares = np.einsum("lij,lij->l", step, step) / np.einsum(
        "lij,lij->l", before, before, dtype=float
    )
    return (squares**0.5).astype(np.float32)


@answers("standardise-once")
def once_by_a_loop(x_train, x_test):
    train, test = x_train.copy(), x_test.copy()
    for j in range(x_train.shape[1]):
        column = x_train[:, j]
        sd = np.sqrt(np.mean((column - column.mean()) ** 2))
        if len(set(column)) == 1:
            sd = 1
        train[:, j] = (train[:, j] - column.mean()) / sd
        test[:, j] = (test[:, j] - column.mean()) / sd
    return train, test


@answers("standardise-once")
def once_by_assignment(x_train, x_test):
    mean, var = np.mean(x_train, 0), np.var(x_train, 0)
    var[(x_train == x_train[0]).all(axis=0)] = 1
    return [(x - mean) * var**-0.5 for x in (x_train, x_test)]


@answers("standardise-once")
def once_by_range(x_train, x_test):
    sd = np.std(x_train, axis=0)
    sd[x_train.max(axis=0) == x_train.min(axis=0)] = 1.0
    centre = sum(x_train) / len(x_train)
    return (x_train - centre) / sd, (x_test - centre) / sd


@answers("standardise-once")
def once_with_a_limit(x_train, x_test):
    """A limit far below every spread, since rounding may leave something of zero."""
    sd = np.std(x_train, axis=0)
    safe = np.where(sd < 1e-9 * np.abs(x_train).max(axis=0), 1, sd)
    train = (x_train - np.average(x_train, axis=0)) / safe
    return train, ((x_test - x_train.mean(axis=0)) / safe).tolist()


@answers("standardise-once")
def once_by_divide(x_train, x_test):
    mean, sd = x_train.mean(axis=0), x_train.std(axis=0)
    varies = np.diff(x_train, axis=0).any(axis=0)

    def scaled(x):
        left = x - mean
        return np.divide(left, sd, out=left.copy(), where=varies)

    return scaled(x_train), scaled(x_test)


@answers("dropout")
def dropout_by_where(x, dout, coins, p, training):
    if training:
        y = np.where(coins < p, 0, x / (1 - p))
        dx = np.where(coins < p, 0, dout / (1 - p))
    else:
        y, dx = x, dout
    return y, dx


@answers("dropout")
def dropout_by_assignment(x, dout, coins, p, training):
    y, dx = x.astype(float), dout.astype(float)
    if training:
        for a in (y, dx):
            a /= 1 - p
            a[coins < p] = 0
    return y, dx


@answers("dropout")
def dropout_by_a_factor(x, dout, coins, p, training):
    factor = np.ones(x.shape)
    if training is True:
        factor = (~(coins < p)).astype(float) / (1 - p)
    return [factor * x, factor * dout]


@answers("dropout")
def dropout_by_the_layer(x, dout, coins, p, training):
    layer = Dropout(p, generator=SimpleNamespace(random=lambda shape: coins))
    layer.train(training)
    y = layer(x)
    return y, layer.backward(dout)


@answers("gradient-in-parts")
def parts_by_splitting(x, dout, sizes, eps):
    cuts = np.cumsum(sizes)[:-1]
    total = 0
    for a, d in zip(np.split(x, cuts), np.split(dout, cuts), strict=True):
        x_hat = (a - np.mean(a, 0)) / (np.var(a, 0) + eps) ** 0.5
        mean_gradient = np.einsum("nk,nc->kc", d, x_hat) / len(a)
        total = total + mean_gradient * (len(a) / len(x))
    return total


@answers("gradient-in-parts")
def parts_standardised_first(x, dout, sizes, eps):
    parts, start = [], 0
    for size in sizes:
        part = np.repeat(x[start : start + size], 2, axis=0)  # one example is refused
        parts.append(batch_norm_forward(part, eps=eps)[0][::2])
        start += size
    return (np.vstack(parts).T @ dout).T / sum(sizes)


@answers("gradient-in-parts")
def parts_by_layers(x, dout, sizes, eps):
    C, K = x.shape[1], dout.shape[1]
    rng = np.random.default_rng(0)
    net = Sequential(BatchNorm(C, eps=eps), Linear(C, K, bias=False, generator=rng))
    ends = np.cumsum(sizes)
    dW = np.zeros((K, C))
    for end, size in zip(ends, sizes, strict=True):
        if size == 1:  # the layer refuses it; nothing is left of one example
            continue
        net(x[end - size : end].astype(float))
        net.backward(dout[end - size : end].astype(float) / len(x))
        dW += net.gradients()["1.weight"]
    return dW


@answers("gradient-in-parts")
def parts_by_examples(x, dout, sizes, eps):
    label = np.repeat(np.arange(len(sizes)), sizes)
    dW = np.zeros((dout.shape[1], x.shape[1]))
    for n in range(len(x)):
        mates = x[label == label[n]]
        x_hat = (x[n] - mates.mean(axis=0)) / np.sqrt(mates.var(axis=0) + eps)
        dW += np.outer(dout[n], x_hat)
    return (dW / len(x)).tolist()


@answers("rates-without-decay")
def schedule_by_a_loop(rates, decay):
    a, found = 1.0, []
    for rate in rates:
        shorter = a * (1 - rate * decay)
        found.append(rate / (a * shorter))
        a = shorter
    return found


@answers("rates-without-decay")
def schedule_by_logarithms(rates, decay):
    lost = np.log1p(-np.asarray(rates, float) * decay)
    return rates * np.exp(-(2 * np.cumsum(lost) - lost))


@answers("rates-without-decay")
def schedule_by_definition(rates, decay):
    q = [1 - float(rate) * decay for rate in rates]
    return np.array(
        [rates[t] / np.prod(q[:t]) ** 2 / q[t] for t in range(len(rates))], "f4"
    )


@answers("rates-without-decay")
def schedule_by_training(rates, decay):
    """Train two weights with decay, and see how far each step turns them.

    The loss is their angle, which does not depend on their length.
    """

    def gradient(w):
        return np.array([-w[1], w[0]]) / (w @ w)

    w, size, found = np.array([1.0, 0.5]), 1.0, []
    for rate in rates.astype(float):
        v = w / size  # the same direction, as long as without decay
        w = (1 - rate * decay) * w - rate * gradient(w)
        size *= 1 - rate * decay
        found.append(gradient(v) @ (v - w / size) * (v @ v))
    return np.array(found)
