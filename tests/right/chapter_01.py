"""Right answers to the exercises of chapter 01."""

from math import factorial

import numpy as np

from bnlearn.shift import effective_sample_size, fisher_exact
from tests.right import answers


@answers("effective-sample-size")
def normalised_first(weights):
    p = weights / weights.sum()
    return 1 / np.sum(p * p)


@answers("effective-sample-size")
def by_norms(weights):
    return (np.linalg.norm(weights, 1) / np.linalg.norm(weights, 2)) ** 2


@answers("effective-sample-size")
def from_the_spread(weights):
    n = len(weights)
    return n / (1 + weights.var() / weights.mean() ** 2)


@answers("effective-sample-size")
def size_by_loop(weights):
    total = squares = 0.0
    for w in weights:
        total += float(w)
        squares += float(w) ** 2
    return total**2 / squares


@answers("effective-sample-size")
def size_by_package(weights):
    return effective_sample_size(weights)


@answers("importance-weights")
def by_logarithms(q, n_use):
    log_odds = np.log(q) - np.log1p(-q)
    return np.exp(log_odds + np.log(len(q)) - np.log(n_use))


@answers("importance-weights")
def by_shares(q, n_use):
    prior = n_use / (n_use + len(q))
    return (q / prior) / ((1 - q) / (1 - prior))


@answers("importance-weights")
def weights_by_loop(q, n_use):
    return [float(p) * len(q) / ((1 - float(p)) * n_use) for p in q]


@answers("importance-weights")
def odds_inverted(q, n_use):
    return (q.size / n_use) / (1 / q.astype(float) - 1)


@answers("weighted-loss")
def by_average(losses, weights, exponent):
    return np.average(losses, weights=weights**exponent)


@answers("weighted-loss")
def as_products(losses, weights, exponent):
    v = np.power(weights, exponent)
    return v @ losses / np.sum(v)


@answers("weighted-loss")
def normalised_and_dotted(losses, weights, exponent):
    p = np.exp(exponent * np.log(weights / weights.max()))
    p /= p.sum()
    return np.dot(p, losses)


@answers("weighted-loss")
def loss_by_loop(losses, weights, exponent):
    above = below = 0.0
    for a, w in zip(losses, weights, strict=True):
        above += float(w) ** exponent * float(a)
        below += float(w) ** exponent
    return above / below


@answers("move-of-means")
def of_differences(before, after):
    return np.mean(np.abs((after - before).mean(axis=0)) / np.std(before, axis=0))


@answers("move-of-means")
def unit_by_unit(before, after):
    moves = []
    for a, b in zip(before.T, after.T, strict=True):
        spread = np.sqrt(np.mean((a - a.mean()) ** 2))
        moves.append(abs(b.mean() - a.mean()) / spread)
    return sum(moves) / len(moves)


@answers("move-of-means")
def standardised_by_the_first(before, after):
    z = (after - before.mean(axis=0)) / before.std(axis=0)
    return np.abs(z.mean(axis=0)).mean()


@answers("move-of-means")
def move_by_einsum(before, after):
    m, k = before.shape
    move = np.einsum("ij->j", after - before) / m
    left = before - before.mean(0)
    return np.linalg.norm(move[None] / np.sqrt((left**2).mean(0)), 1, axis=1)[0] / k


@answers("weighted-line")
def by_polyfit(x, y, weights):
    return np.polyfit(x, y, 1, w=np.sqrt(weights))


@answers("weighted-line")
def by_normal_equations(x, y, weights):
    design = np.column_stack([x, np.ones(len(x))]).astype(float)
    left = design.T * weights
    return tuple(np.linalg.solve(left @ design, left @ y))


@answers("weighted-line")
def by_least_squares(x, y, weights):
    root = np.sqrt(weights)
    design = np.stack([root * x, root], axis=1)
    slope, intercept = np.linalg.lstsq(design, root * y, rcond=None)[0]
    return slope, intercept


@answers("weighted-line")
def by_moments(x, y, weights):
    x, y = x.astype(float), y.astype(float)
    cov = np.cov(x, y, aweights=weights)
    slope = cov[0, 1] / cov[0, 0]
    return slope, np.average(y - slope * x, weights=weights)


@answers("surprise")
def by_cumulative_products(w, rate):
    left = np.concatenate([[1], np.cumprod(w)[:-1]])
    right = np.concatenate([np.cumprod(w[::-1])[:-1][::-1], [1]])
    g = left * right
    return np.prod(w) - rate * g @ g, np.multiply.reduce(w - rate * g)


@answers("surprise")
def by_loops(w, rate):
    y, together, fall = 1.0, 1.0, 0.0
    for k in range(len(w)):
        g = 1.0
        for j in range(len(w)):
            if j != k:
                g *= float(w[j])
        together *= float(w[k]) - rate * g
        fall += rate * g**2
        y *= float(w[k])
    return [y - fall, together]


@answers("surprise")
def one_at_a_time(w, rate):
    y = np.prod(w)
    n = len(w)
    slopes = np.where(np.eye(n, dtype=bool), 1, w).prod(axis=1)
    alone = np.where(np.eye(n, dtype=bool), w - rate * slopes, w).prod(axis=1)
    return y + np.sum(alone - y), (w - rate * slopes).prod()


@answers("chance-of-hits")
def chance_by_package(said, truth):
    return fisher_exact(said, truth)


@answers("chance-of-hits")
def the_other_way_round(said, truth):
    return fisher_exact(truth, said)


@answers("chance-of-hits")
def by_factorials(said, truth):
    def choose(a, b):
        return factorial(a) // factorial(b) // factorial(a - b) if 0 <= b <= a else 0

    n, k, t = said.size, np.count_nonzero(said), np.count_nonzero(truth)
    fewer = sum(choose(t, j) * choose(n - t, k - j) for j in range(np.sum(said[truth])))
    return 1 - fewer / choose(n, k)


@answers("chance-of-hits")
def by_dealing(said, truth):
    # The distribution of hits, one answer 'from use' after the other.
    n, k, t = len(said), int(said.sum()), int(truth.sum())
    chance = np.zeros(t + 1)
    chance[0] = 1
    for dealt in range(k):
        hits = np.arange(t + 1)
        up = chance * (t - hits) / (n - dealt)
        stay = chance * (n - t - dealt + hits) / (n - dealt)
        chance = stay + np.concatenate([[0], up[:-1]])
    return chance[int((said & truth).sum()) :].sum()
