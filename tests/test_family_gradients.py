"""Gradients of the family by routes that need no PyTorch: differences, and SymPy."""

from itertools import chain

import numpy as np
import pytest
import sympy as sp

from bnlearn import layers, norms
from bnlearn.gradcheck import check_gradients
from tests import family
from tests.test_gradcheck import layer_gradients

CASES = [
    *((kind, (4, 3), (3,)) for kind in family.TRAILING),
    *((kind, (5,), (5,)) for kind in family.TRAILING),
    *((kind, (2, 3, 4), (3, 4)) for kind in family.TRAILING),
    *((kind, (2, 2, 3), (2, 2, 3)) for kind in family.TRAILING),
    *(("group", (3, 4), groups) for groups in (1, 2)),
    *(("group", (2, 6, 2), groups) for groups in (1, 2, 3, 6)),
    ("group", (2, 4, 2, 2), 2),
    ("group", (1, 2, 2, 1, 2), 1),
    ("instance", (3, 2, 4), None),
    ("instance", (2, 2, 2, 3), None),
    ("instance", (1, 2, 2, 1, 2), None),
]


def by_differences(case, given=("gamma", "beta"), eps=1e-3):
    """Check one norm by central differences with a random cotangent."""
    drawn = family.draw(*case)
    if drawn.beta is None:
        given = tuple(name for name in given if name != "beta")
    drawn = drawn.change(eps=eps, gamma=None, beta=None)
    drawn = drawn.change(**{name: getattr(family.draw(*case), name) for name in given})
    # Central differences want no group whose values are nearly equal.
    rng = np.random.default_rng(5)
    rows = np.empty(drawn.grouped(drawn.x).shape)
    for row in rows:
        spread = rng.permutation(np.linspace(-1, 1, row.size))
        row[...] = rng.normal() + rng.uniform(1, 3) * (spread + rng.uniform(0, 0.2))
        row[0] += 0.1
    arguments = {"x": rows.reshape(drawn.x.shape)}
    arguments |= {name: getattr(drawn, name) for name in given}

    def forward(**a):
        return drawn.change(**a).forward()[0]

    def backward(dout, **a):
        problem = drawn.change(dout=dout, **a)
        return [g for g in problem.backward(problem.forward()[1]) if g is not None]

    return check_gradients(forward, backward, arguments)


@pytest.mark.parametrize(
    "given", [("gamma", "beta"), ("gamma",), ("beta",), ()], ids=str
)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_central_differences(case, given):
    assert max(by_differences(case, given).values()) < 1e-6


@pytest.mark.parametrize("eps", [1e-8, 1.0])
@pytest.mark.parametrize("kind", family.KINDS)
def test_central_differences_for_small_and_large_eps(kind, eps):
    case = next(case for case in CASES if case[0] == kind)
    assert max(by_differences(case, eps=eps).values()) < 1e-6


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.LayerNorm((3, 4)), (2, 3, 4)),
        (layers.LayerNorm(4, bias=False), (2, 3, 4)),
        (layers.RMSNorm(4), (3, 4)),
        (layers.GroupNorm(2, 4), (3, 4, 2)),
        (layers.InstanceNorm(3, affine=True), (2, 3, 4)),
        (
            layers.InstanceNorm(3, affine=True, track_running_stats=True).eval(),
            (2, 3, 4),
        ),
    ],
    ids=["LN", "LN without bias", "RMS", "GN", "IN", "IN in evaluation"],
)
def test_layers_by_central_differences(layer, shape):
    x = np.random.default_rng(0).normal(1, 2, shape)
    assert max(layer_gradients(layer, x).values()) < 1e-6


# One group of m values, each with a gamma of its own, written down for SymPy.

EPS = sp.symbols("epsilon", positive=True)


def symbols(m):
    return [sp.symbols(f"{name}:{m}", real=True) for name in ("x", "dy", "gamma")]


def x_hats(xs, centred):
    """Write down the standardised values and the inverse deviation."""
    m = len(xs)
    mean = sum(xs) / m if centred else sp.Integer(0)
    inv_std = 1 / sp.sqrt(sum((x - mean) ** 2 for x in xs) / m + EPS)
    return [(x - mean) * inv_std for x in xs], inv_std


def closed_form(xs, douts, gammas, centred, forget=()):
    """Write down the package's formula for dx."""
    x_hat, inv_std = x_hats(xs, centred)
    m = len(xs)
    g = [d * gamma for d, gamma in zip(douts, gammas, strict=True)]
    if "gamma" in forget:
        g = douts
    mean = sum(g) / m if centred and "mean" not in forget else 0
    slope = sum(a * b for a, b in zip(g, x_hat, strict=True)) / m
    if "x_hat" in forget:
        slope = 0
    return [inv_std * (a - mean - b * slope) for a, b in zip(g, x_hat, strict=True)]


def derivatives(xs, douts, gammas, centred):
    """Differentiate the loss, which is the sum of dy times y."""
    terms = zip(douts, gammas, x_hats(xs, centred)[0], strict=True)
    loss = sum(d * gamma * x_hat for d, gamma, x_hat in terms)
    return [sp.diff(loss, x) for x in xs]


@pytest.mark.parametrize("centred", [True, False], ids=["layer", "rms"])
def test_closed_form_is_the_derivative_for_every_x_gamma_and_eps(centred):
    given = symbols(3)
    pairs = zip(derivatives(*given, centred), closed_form(*given, centred), strict=True)
    for wanted, formula in pairs:
        assert sp.simplify(wanted - formula) == 0


@pytest.mark.parametrize("forget", ["mean", "x_hat", "gamma"])
def test_closed_form_needs_each_of_its_parts(forget):
    given = symbols(2)
    for centred in (True, False):
        if forget == "mean" and not centred:
            continue
        wanted = derivatives(*given, centred)[0]
        formula = closed_form(*given, centred, forget)[0]
        assert sp.simplify(wanted - formula) != 0


@pytest.mark.parametrize("centred", [True, False], ids=["layer", "rms"])
def test_package_equals_the_symbolic_derivative(centred):
    # Rational numbers that float64 holds exactly.
    x = ["1/2", "-3/4", "5", "9/8"]
    dy = ["1", "-1/4", "3/2", "2"]
    gamma = ["-3/2", "7/4", "1/2", "3"]
    names = symbols(4)
    values = [[sp.Rational(v) for v in a] for a in (x, dy, gamma)]
    for eps in ("1/65536", "1/8", "2"):
        point = dict(zip(chain(*names), chain(*values), strict=True))
        point[EPS] = sp.Rational(eps)
        exact = [float(d.subs(point).evalf(40)) for d in derivatives(*names, centred)]
        row, dout, scale = (np.array([float(v) for v in a]) for a in values)
        problem = family.Problem(
            "layer" if centred else "rms", (4,), row, scale, None, dout
        ).change(eps=float(sp.Rational(eps)))
        # A dozen roundings of float64; numbers of size 1.
        np.testing.assert_allclose(problem.run()[1], exact, rtol=1e-12, atol=1e-13)


def test_kernel_knows_which_cache_is_centred():
    for kind in family.KINDS:
        case = next(case for case in CASES if case[0] == kind)
        _, cache = family.draw(*case).forward()
        assert isinstance(cache, norms.RMSNormCache) == (kind == "rms")
        assert (cache.mean == 0).all() == (kind == "rms")
