"""The closed form of the gradient, derived by SymPy from the definition alone."""

import numpy as np
import pytest
import sympy as sp

from bnlearn import batch_norm_backward, batch_norm_forward

EPS, GAMMA, BETA = sp.symbols("epsilon gamma beta", positive=True)


def symbols(m):
    return sp.symbols(f"x:{m}", real=True), sp.symbols(f"dy:{m}", real=True)


def definition(xs):
    """Write down y, x_hat, mean and variance of one channel."""
    m = len(xs)
    mean = sum(xs) / m
    var = sum((x - mean) ** 2 for x in xs) / m
    x_hat = [(x - mean) / sp.sqrt(var + EPS) for x in xs]
    return [GAMMA * x + BETA for x in x_hat], x_hat, mean, var


def closed_form(xs, douts):
    """Write down the package's formula for dx."""
    _, x_hat, _, var = definition(xs)
    m = len(xs)
    dbeta = sum(douts)
    dgamma = sum(d * x for d, x in zip(douts, x_hat, strict=True))
    return [
        GAMMA / sp.sqrt(var + EPS) * (d - dbeta / m - x * dgamma / m)
        for d, x in zip(douts, x_hat, strict=True)
    ]


def loss(xs, douts):
    return sum(d * y for d, y in zip(douts, definition(xs)[0], strict=True))


def test_closed_form_is_the_derivative_for_every_x_and_eps():
    xs, douts = symbols(3)
    total = loss(xs, douts)
    for x, formula in zip(xs, closed_form(xs, douts), strict=True):
        assert sp.simplify(sp.diff(total, x) - formula) == 0


@pytest.mark.parametrize(
    "forget", ["mean", "x_hat", "both"], ids=lambda s: f"without {s}"
)
def test_closed_form_needs_both_of_its_sums(forget):
    xs, douts = symbols(3)
    _, x_hat, _, var = definition(xs)
    mean = 0 if forget in ("mean", "both") else sum(douts) / 3
    slope = sum(d * x for d, x in zip(douts, x_hat, strict=True)) / 3
    if forget in ("x_hat", "both"):
        slope = 0
    formula = GAMMA / sp.sqrt(var + EPS) * (douts[0] - mean - x_hat[0] * slope)
    assert sp.simplify(sp.diff(loss(xs, douts), xs[0]) - formula) != 0


def test_sums_that_vanish_symbolically():
    xs, douts = symbols(3)
    _, x_hat, _, var = definition(xs)
    dx = closed_form(xs, douts)
    assert sp.simplify(sum(dx)) == 0
    assert sp.simplify(sum(x_hat)) == 0
    assert sp.simplify(sum(x**2 for x in x_hat) - 3 * var / (var + EPS)) == 0
    inner = sum(d * x for d, x in zip(dx, x_hat, strict=True))
    dgamma = sum(d * x for d, x in zip(douts, x_hat, strict=True))
    wanted = GAMMA / sp.sqrt(var + EPS) * EPS / (var + EPS) * dgamma
    assert sp.simplify(inner - wanted) == 0


POINTS = [
    # x, dy, gamma, beta, eps: rational numbers that float64 holds exactly
    ((0, 6, 6, 8), (0, 3, 0, 1), 1, 0, "1/1024"),
    (("1/2", "-3/4", 5, "9/8"), (1, "-1/4", "3/2", 2), "-3/2", "7/4", "1/8"),
    ((1, 1, 1, "1025/1024"), ("1/2", 3, -2, "1/16"), "5/4", -3, "1/65536"),
    ((1000, 1001, 999, "1000.5"), (1, 2, -4, "1/2"), 2, 1, "1/4"),
    (("-1/8", "1/8", "1/4"), (3, -1, "1/2"), "1/2", "-1/2", 2),
]


@pytest.mark.parametrize(("x", "dy", "gamma", "beta", "eps"), POINTS)
def test_package_equals_the_symbolic_derivative(x, dy, gamma, beta, eps):
    xs, douts = symbols(len(x))
    y, _, mean, var = definition(xs)
    total = loss(xs, douts)
    exact_x, exact_dy = ([sp.Rational(v) for v in a] for a in (x, dy))
    point = {
        **dict(zip(xs, exact_x, strict=True)),
        **dict(zip(douts, exact_dy, strict=True)),
        GAMMA: sp.Rational(gamma),
        BETA: sp.Rational(beta),
        EPS: sp.Rational(eps),
    }

    def numbers(expressions):
        return np.array([float(e.subs(point).evalf(40)) for e in expressions])

    column = np.array([float(v) for v in exact_x])[:, np.newaxis]
    out, cache = batch_norm_forward(
        column,
        np.array([float(sp.Rational(gamma))]),
        np.array([float(sp.Rational(beta))]),
        eps=float(sp.Rational(eps)),
    )
    dout = np.array([float(v) for v in exact_dy])[:, np.newaxis]
    dx, dgamma, dbeta = batch_norm_backward(dout, cache)
    size = float(np.abs(cache.inv_std * cache.gamma * dout).max())
    # A dozen roundings of float64; dx is a difference of terms of this size.
    pairs = [
        (cache.mean, [mean], 1e-15),
        (cache.var, [var], 0),
        (out[:, 0], y, 1e-13),
        (dx[:, 0], [sp.diff(total, v) for v in xs], 1e-12 * size),
        (dgamma, [sp.diff(total, GAMMA)], 1e-13),
        (dbeta, [sp.diff(total, BETA)], 0),
    ]
    for actual, expressions, atol in pairs:
        np.testing.assert_allclose(actual, numbers(expressions), rtol=1e-12, atol=atol)


def test_worked_batch_with_round_numbers():
    # mean 5, deviation 3, dx in eighteenths: the example that the book does by hand.
    xs, douts = symbols(4)
    point = dict(zip((*xs, *douts), (0, 6, 6, 8, 0, 3, 0, 1), strict=True))
    point |= {GAMMA: 1, EPS: 0}
    dx = [sp.simplify(sp.diff(loss(xs, douts), v).subs(point)) for v in xs]
    assert dx == [sp.Rational(n, 18) for n in (-1, 11, -7, -3)]
