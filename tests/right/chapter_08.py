"""Right answers to the exercises of chapter 08."""

import math

import numpy as np

from bnlearn.layers import Layer
from bnlearn.optim import SGD
from tests.right import answers


@answers("effective-rates")
def rates_by_units(weight, lr):
    rates = []
    for unit in weight:
        rates.append(lr / sum(w**2 for w in unit.ravel().tolist()))
    return rates


@answers("effective-rates")
def rates_by_norms(weight, lr):
    axes = tuple(range(1, weight.ndim))
    length = np.sqrt(np.sum(weight * weight, axis=axes))
    return lr / length**2


@answers("effective-rates")
def rates_by_einsum(weight, lr):
    kept = "ijkl"[: weight.ndim]
    return lr * np.einsum(f"{kept},{kept}->i", weight, weight) ** -1.0


@answers("effective-rates")
def rates_by_diagonal(weight, lr):
    flat = weight.reshape(weight.shape[0], -1).astype(np.float32)
    return lr / np.diag(flat @ flat.T)


@answers("effective-rates")
def rates_by_linalg(weight, lr):
    unit = [np.linalg.norm(w) for w in weight]
    return np.array([lr / n / n for n in unit])


class Holder(Layer):
    """A model that is one parameter, for the optimiser of the package."""

    def __init__(self, w, g):
        super().__init__()
        self.w, self.g = w, g

    def parameters(self):
        return {"w": self.w}

    def gradients(self):
        return {"w": self.g}


@answers("momentum-and-decay")
def step_by_package(w, u, g, lr, decay, momentum):
    model = Holder(w.astype("f8"), g.astype("f8"))
    optimiser = SGD(model, lr, momentum=momentum, weight_decay=decay)
    if not momentum:  # the package keeps no velocity then
        optimiser.step()
        return model.w, (w.astype("f8") - model.w) / lr
    optimiser._velocity["w"] = u.astype("f8")
    optimiser.step()
    return model.w, optimiser._velocity["w"]


@answers("momentum-and-decay")
def step_in_place(w, u, g, lr, decay, momentum):
    velocity = u.copy()
    velocity *= momentum
    velocity += g
    velocity += decay * w
    w = w.copy()
    w -= lr * velocity
    return w, velocity


@answers("momentum-and-decay")
def step_by_entries(w, u, g, lr, decay, momentum):
    flat = zip(w.ravel().tolist(), u.ravel().tolist(), g.ravel().tolist(), strict=True)
    new = [momentum * b + (c + decay * a) for a, b, c in flat]
    moved = [a - lr * b for a, b in zip(w.ravel().tolist(), new, strict=True)]
    return np.reshape(moved, w.shape), np.reshape(new, w.shape)


@answers("momentum-and-decay")
def step_multiplied_out(w, u, g, lr, decay, momentum):
    new_w = (1 - lr * decay) * w - lr * momentum * u - lr * g
    return new_w, (w.astype("f8") - new_w) / lr


@answers("steady-state")
def steady_exactly(at_one, lr, decay, momentum):
    turn = math.acos(1 - lr * decay / (1 + momentum))
    squared = lr * at_one**2 / (2 * decay * (1 - momentum))
    squared = np.sqrt(squared / (1 - lr * decay / (2 * (1 + momentum))))
    return turn, np.sqrt(squared)


@answers("steady-state")
def steady_by_logarithms(at_one, lr, decay, momentum):
    log = math.log(lr) - math.log(2 * decay) - math.log1p(-momentum)
    turn = math.exp((math.log(2 * lr * decay) - math.log1p(momentum)) / 2)
    return turn, np.exp((log + 2 * np.log(at_one)) / 4)


@answers("steady-state")
def steady_by_balance(at_one, lr, decay, momentum):
    # U = |g|^2 / (1 - momentum^2), with |g| = at_one / length, and U = q * A
    q = 2 * decay / (lr * (1 + momentum))
    lengths = [(g**2 / (1 - momentum**2) / q) ** 0.25 for g in at_one.tolist()]
    return lr * math.sqrt(q), lengths


@answers("steady-state")
def steady_in_float32(at_one, lr, decay, momentum):
    ratio = np.float32(lr / decay / (1 - momentum) / 2)
    turn = (2.0 * lr * decay) ** 0.5 / (1.0 + momentum) ** 0.5
    return turn, (np.sqrt(at_one.astype("f4")) * ratio**0.25).astype("f4")


@answers("gradient-change")
def change_by_sums(gradient, w, lr):
    g = gradient(w)
    step = lr * g
    change = gradient(w - step) - g
    return np.sqrt(np.sum(change**2) / np.sum(step**2))


@answers("gradient-change")
def change_by_lists(gradient, w, lr):
    here = gradient(w).ravel().tolist()
    moved = [a - lr * b for a, b in zip(w.ravel().tolist(), here, strict=True)]
    there = gradient(np.reshape(moved, w.shape)).ravel().tolist()
    gap = sum((a - b) ** 2 for a, b in zip(there, here, strict=True))
    return math.sqrt(gap) / (lr * math.sqrt(sum(a * a for a in here)))


@answers("gradient-change")
def change_relative(gradient, w, lr):
    g = gradient(w).ravel()
    new = w.ravel() - lr * g
    d = g - gradient(new.reshape(w.shape)).ravel()
    return float(np.linalg.norm(d) / np.linalg.norm(g)) / lr


@answers("gradient-change")
def change_by_distance(gradient, w, lr):
    w = w.astype("f8")
    g = gradient(w)
    other = w - lr * g
    difference = gradient(other) - g
    return np.sqrt(np.vdot(difference, difference) / np.vdot(other - w, other - w))


@answers("explosion-factor")
def factor_by_average(values, slopes, weights, depth):
    mean = np.average(values, axis=0, weights=weights)
    var = np.average((values - mean) ** 2, axis=0, weights=weights)
    chi = np.average(slopes**2, axis=0, weights=weights) / var
    return chi, np.sqrt(chi) ** depth


@answers("explosion-factor")
def factor_by_school_formula(values, slopes, weights, depth):
    values, p = values.astype("f8"), weights[:, None]
    second, first = (p * values**2).sum(0), (p * values).sum(0)
    chi = (p * slopes**2).sum(0) / (second - first**2)
    return chi, np.exp(0.5 * depth * np.log(chi))


@answers("explosion-factor")
def factor_by_loops(values, slopes, weights, depth):
    chis, growths = [], []
    for k in range(values.shape[1]):
        mean = sum(p * v for p, v in zip(weights, values[:, k], strict=True))
        var = sum(
            p * (v - mean) ** 2 for p, v in zip(weights, values[:, k], strict=True)
        )
        steep = sum(p * s * s for p, s in zip(weights, slopes[:, k], strict=True))
        length = 1.0
        for _ in range(depth):
            length *= math.sqrt(steep / var)
        chis.append(float(steep / var))
        growths.append(length)
    return chis, growths


@answers("explosion-factor")
def factor_by_einsum(values, slopes, weights, depth):
    root = np.sqrt(weights)[:, None]
    gap = root * (values - np.einsum("i,ij->j", weights, values))
    steep = root * slopes
    chi = np.einsum("ij,ij->j", steep, steep) / np.einsum("ij,ij->j", gap, gap)
    return chi, (chi**depth) ** 0.5


@answers("explosion-factor")
def factor_by_pairs(values, slopes, weights, depth):
    # the variance is half the mean squared difference of two independent draws
    gaps = (values[:, None] - values[None]) ** 2
    var = np.einsum("i,j,ijk->k", weights, weights, gaps) / 2
    chi = (slopes.T**2 @ weights) / var
    return chi, np.power(chi, depth / 2.0)


@answers("residual-stream")
def stream_by_blocks(gamma, chi):
    variance, squared, shares = 1.0, 1.0, []
    for g in gamma.tolist():
        squared *= 1 + chi * g * g / variance
        variance += g * g
        shares.append(g * g / variance)
    return shares, squared**0.5


@answers("residual-stream")
def stream_by_logarithms(gamma, chi):
    added = gamma.astype("f8") ** 2
    before = np.concatenate([[0.0], added]).cumsum()[:-1] + 1
    growth = np.exp(0.5 * np.sum(np.log1p(chi * added / before)))
    return added / (before + added), growth


@answers("residual-stream")
def stream_by_matrix(gamma, chi):
    n = len(gamma)
    behind = np.tri(n) @ gamma**2 + 1
    before = np.tri(n, k=-1) @ gamma**2 + 1
    length = np.sqrt((before + chi * gamma**2) / before)
    return (1 - before / behind).astype("f4"), length.prod()


@answers("residual-stream")
def stream_backwards(gamma, chi):
    variance, gradient, shares = 1 + np.sum(gamma.astype("f8") ** 2), 1.0, []
    for g in gamma[::-1].astype("f8"):
        shares.insert(0, g**2 / variance)
        variance -= g**2
        gradient = math.hypot(gradient, gradient * abs(g) * math.sqrt(chi / variance))
    return np.array(shares), gradient
