"""Right answers to the exercises of chapter 05."""

import numpy as np

from bnlearn import running
from bnlearn.layers import BatchNorm
from tests.right import answers


@answers("moving-average")
def by_package(batch_means, start, momentum):
    average = start.copy()
    for mean in batch_means:
        average = running.exponential_average(average, mean, momentum)
    return average


@answers("moving-average")
def in_place(batch_means, start, momentum):
    average = np.array(start)
    for t in range(len(batch_means)):
        average += momentum * (batch_means[t] - average)
    return average


@answers("moving-average")
def unrolled(batch_means, start, momentum):
    keep, steps = 1 - momentum, len(batch_means)
    weights = momentum * keep ** np.arange(steps)[::-1]
    return keep**steps * start + weights @ batch_means


@answers("moving-average")
def as_list(batch_means, start, momentum):
    found = []
    for column, value in zip(batch_means.T.tolist(), start.tolist(), strict=True):
        for mean in column:
            value = value * (1 - momentum) + mean * momentum
        found.append(value)
    return found


@answers("cumulative-average")
def cumulative(average, new, count):
    return running.cumulative_average(average, new, count)


@answers("cumulative-average")
def by_sum(average, new, count):
    return ((count - 1) * average + new) / count


@answers("cumulative-average")
def by_step(average, new, count):
    moved = np.copy(average)
    moved += (new - average) * (1.0 / count)
    return moved


@answers("keras-statistics")
def by_conversion(x, moving_mean, moving_var, momentum):
    alpha = running.convert_momentum(momentum, "keras", "pytorch")
    return (
        running.exponential_average(moving_mean, x.mean(axis=0), alpha),
        running.exponential_average(moving_var, x.var(axis=0), alpha),
    )


@answers("keras-statistics")
def by_steps(x, moving_mean, moving_var, momentum):
    mean = x.sum(0) / len(x)
    var = np.square(x - mean).sum(0) / len(x)
    return [
        moving_mean - (moving_mean - mean) * (1 - momentum),
        moving_var - (moving_var - var) * (1 - momentum),
    ]


@answers("keras-statistics")
def by_loops(x, moving_mean, moving_var, momentum):
    means, variances = [], []
    for j in range(x.shape[1]):
        mean = sum(x[:, j]) / len(x)
        var = sum((value - mean) ** 2 for value in x[:, j]) / len(x)
        means.append(momentum * moving_mean[j] + (1 - momentum) * mean)
        variances.append(momentum * moving_var[j] + (1 - momentum) * var)
    return np.array(means), np.array(variances)


@answers("bias-corrected")
def by_weights(batch_means, momentum):
    rows = []
    for t in range(1, len(batch_means) + 1):
        weights = (1 - momentum) ** np.arange(t)[::-1]
        rows.append(np.average(batch_means[:t], axis=0, weights=weights))
    return rows


@answers("bias-corrected")
def corrected_by_package(batch_means, momentum):
    average, found = 0 * batch_means[0], np.empty(batch_means.shape)
    for i, mean in enumerate(batch_means):
        average = running.exponential_average(average, mean, momentum)
        found[i] = running.bias_corrected(average, momentum, i + 1)
    return found


@answers("bias-corrected")
def with_growing_weight(batch_means, momentum):
    found, weight = np.zeros_like(batch_means), 0.0
    average = np.zeros_like(batch_means[0])
    for i in range(len(batch_means)):
        weight = weight * (1 - momentum) + momentum
        average = average * (1 - momentum) + momentum * batch_means[i]
        found[i] = average / weight
    return found


@answers("train-and-eval")
def by_layer(x, running_mean, running_var, training, momentum, eps):
    layer = BatchNorm(x.shape[1], eps, momentum, affine=False).train(training)
    layer.running_mean[...] = running_mean
    layer.running_var[...] = running_var
    return layer(x), layer.running_mean, layer.running_var


@answers("train-and-eval")
def with_two_branches(x, running_mean, running_var, training, momentum, eps):
    z = np.moveaxis(x, 1, -1)
    if not training:
        y = (z - running_mean) / np.sqrt(running_var + eps)
        return np.moveaxis(y, -1, 1), running_mean, running_var
    rows = z.reshape(-1, x.shape[1])
    mean, var = rows.mean(axis=0), rows.var(axis=0)
    y = (z - mean) / np.sqrt(var + eps)
    running_mean = running_mean + momentum * (mean - running_mean)
    running_var = running_var + momentum * (rows.var(axis=0, ddof=1) - running_var)
    return np.moveaxis(y, -1, 1), running_mean, running_var


@answers("train-and-eval")
def channel_by_channel(x, running_mean, running_var, training, momentum, eps):
    y, means, variances = np.empty(x.shape), running_mean.copy(), running_var.copy()
    for c in range(x.shape[1]):
        values = x[:, c]
        mean, var = running_mean[c], running_var[c]
        if training:
            mean, var = values.mean(), values.var()
            means[c] = (1 - momentum) * means[c] + momentum * mean
            sample = np.sum((values - mean) ** 2) / (values.size - 1)
            variances[c] = (1 - momentum) * variances[c] + momentum * sample
        y[:, c] = (values - mean) / (var + eps) ** 0.5
    return [y, means, variances]


@answers("batch-of-one")
def two_cases(x, running_mean, running_var, gamma, beta, eps):
    z = np.moveaxis(x, 1, -1)
    y = gamma * (z - running_mean) / np.sqrt(running_var + eps) + beta
    if x.ndim == 2:
        return np.array([beta]), y
    flat = z.reshape(-1, x.shape[1])
    own = gamma * (z - flat.mean(0)) / np.sqrt(flat.var(0) + eps) + beta
    return np.moveaxis(own, -1, 1), np.moveaxis(y, -1, 1)


@answers("batch-of-one")
def by_two_modes(x, running_mean, running_var, gamma, beta, eps):
    def answer(values, mean, var, c):
        return (values - mean) * (gamma[c] / np.sqrt(var + eps)) + beta[c]

    both = np.empty((2, *x.shape))
    for c in range(x.shape[1]):
        values = x[:, c]
        both[0, :, c] = answer(values, values.mean(), values.var(), c)
        both[1, :, c] = answer(values, running_mean[c], running_var[c], c)
    return both


@answers("batch-of-one")
def by_einsum(x, running_mean, running_var, gamma, beta, eps):
    z = x.reshape(x.shape[1], -1)
    own = z - np.einsum("ij->i", z)[:, None] / z.shape[1]
    std = np.sqrt(np.einsum("ij,ij->i", own, own) / z.shape[1] + eps)
    scale = gamma / np.sqrt(running_var + eps)
    line = np.einsum("i,ij->ij", scale, z) + (beta - scale * running_mean)[:, None]
    own = (gamma / std)[:, None] * own + beta[:, None]
    return own.reshape(x.shape), line.reshape(x.shape)


@answers("folded-statistics")
def from_two_points(running_mean, running_var, gamma, beta, eps):
    def layer(x):
        return gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta

    return layer(1.0) - layer(0.0), layer(0.0)


@answers("folded-statistics")
def by_inverse(running_mean, running_var, gamma, beta, eps):
    inv_std = (running_var + eps) ** -0.5
    return gamma * inv_std, beta - running_mean * gamma * inv_std


@answers("folded-statistics")
def one_by_one(running_mean, running_var, gamma, beta, eps):
    rows = zip(running_mean, running_var, gamma, beta, strict=True)
    found = [
        (g / (v + eps) ** 0.5, b - m * g / (v + eps) ** 0.5) for m, v, g, b in rows
    ]
    return np.array(found).T


@answers("merge-moments")
def merged_by_package(n_a, mean_a, var_a, n_b, mean_b, var_b):
    a = running.Moments(n_a, mean_a, n_a * var_a)
    whole = running.merge_moments(a, running.Moments(n_b, mean_b, n_b * var_b))
    return whole.mean, whole.var


@answers("merge-moments")
def around_the_common_mean(n_a, mean_a, var_a, n_b, mean_b, var_b):
    p = n_a / (n_a + n_b)
    mean = p * mean_a + (1 - p) * mean_b
    left, right = var_a + (mean_a - mean) ** 2, var_b + (mean_b - mean) ** 2
    return mean, p * left + (1 - p) * right


@answers("merge-moments")
def from_numpy(n_a, mean_a, var_a, n_b, mean_b, var_b):
    counts = [n_a, n_b]
    within = np.average([var_a, var_b], axis=0, weights=counts)
    means = np.repeat([np.zeros_like(mean_a), mean_b - mean_a], counts, axis=0)
    return mean_a + means.mean(axis=0), within + means.var(axis=0)


@answers("pytorch-to-keras")
def with_weights(running_var, momentum, m, t):
    weights = sum(momentum * (1 - momentum) ** k for k in range(t))
    start = 1 - weights
    unbiased = (running_var - start) / weights
    return start + weights * unbiased * (m - 1) / m, running.convert_momentum(
        momentum, "pytorch", "keras"
    )


@answers("pytorch-to-keras")
def less_a_share(running_var, momentum, m, t):
    keras_momentum = 1 - momentum
    from_batches = running_var - np.power(keras_momentum, t)
    return running_var - from_batches / m, np.array(keras_momentum)


@answers("pytorch-to-keras")
def feature_by_feature(running_var, momentum, m, t):
    rest = 1.0
    for _ in range(t):
        rest *= 1 - momentum
    return [rest + (v - rest) / (m / (m - 1)) for v in running_var], 1 - momentum


@answers("among-neighbours")
def by_merging(x, mean, var, m, eps):
    others = running.Moments(m - 1, mean, (m - 1) * var)
    whole = running.merge_moments(others, running.moments(x[None]))
    return (x - whole.mean) / np.sqrt(whole.var + eps)


@answers("among-neighbours")
def with_two_points(x, mean, var, m, eps):
    # Neighbours that stand on their mean, and the variance that they have besides.
    rows = np.vstack([np.tile(mean, (m - 1, 1)), x])
    spread = rows.var(axis=0) + var * (m - 1) / m
    return (x - rows.mean(axis=0)) / np.sqrt(spread + eps)


@answers("among-neighbours")
def from_the_book(x, mean, var, m, eps):
    share = (m - 1) / m
    delta = x - mean
    return np.sqrt(share) * delta / np.sqrt(var + delta**2 / m + eps / share)
