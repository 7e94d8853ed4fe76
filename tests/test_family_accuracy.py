"""How exact the family is in float32 when means are large, and its memory."""

import numpy as np
import pytest

from tests import family
from tests.oracle import relative_error
from tests.test_accuracy import LIMIT, MEAN_TO_STD, peak

ROWS, IMAGES = (4096, 512), (32, 64, 56, 56)
CASES = {
    "layer": ("layer", ROWS, (512,)),
    "layer, long rows": ("layer", IMAGES, (64, 56, 56)),
    "layer, channels last": ("layer", (32, 56, 56, 64), (64,)),
    "rms": ("rms", ROWS, (512,)),
    "rms, long rows": ("rms", IMAGES, (64, 56, 56)),
    "group": ("group", IMAGES, 8),
    "group, long rows": ("group", IMAGES, 1),
    "instance": ("instance", IMAGES, None),
}


def draw(kind, shape, option, mean=MEAN_TO_STD, seed=0):
    """Draw float32 arrays; means and deviations differ from group to group."""
    rng = np.random.default_rng(seed)
    x, dout = (rng.standard_normal(shape, "f4") for _ in range(2))
    sizes = family.parameter_shape(kind, shape, option)
    gamma, beta = (rng.uniform(0.5, 2, sizes).astype("f4") for _ in range(2))
    beta = None if kind == "rms" else beta
    problem = family.Problem(kind, option, x, gamma, beta, dout)
    rows = problem.grouped(x)  # a view: what follows changes x
    rows += np.float32(mean) * rng.choice([-1, 1], (len(rows), 1)).astype("f4")
    rows *= rng.uniform(0.5, 2, (len(rows), 1)).astype("f4")
    return problem


def textbook(problem, dtype="f8"):
    """Normalise as in a textbook; return y, dx, dgamma, dbeta."""
    problem = family.cast(problem, dtype)
    centred = problem.kind != "rms"
    x, dout = problem.grouped(problem.x), problem.grouped(problem.dout)
    gamma = problem.grouped(problem.spread(problem.gamma))
    mean = x.mean(axis=1, keepdims=True) if centred else 0
    var = ((x - mean) ** 2).mean(axis=1, keepdims=True)
    std = np.sqrt(var + x.dtype.type(problem.eps))
    x_hat = (x - mean) / std
    g = dout * gamma
    dx = g - x_hat * (g * x_hat).mean(axis=1, keepdims=True)
    if centred:
        dx -= g.mean(axis=1, keepdims=True)
    shape = problem.x.shape
    y = (x_hat * gamma).reshape(shape)
    dgamma = problem.collect((dout * x_hat).reshape(shape))
    if not centred:
        return y, (dx / std).reshape(shape), dgamma, None
    dbeta = problem.collect(problem.dout)
    return y + problem.spread(problem.beta), (dx / std).reshape(shape), dgamma, dbeta


def errors(problem):
    """Return the errors of y, dx, dgamma, dbeta against the textbook in float64."""
    found, exact = problem.run(), textbook(problem)
    pairs = [(a, b) for a, b in zip(found, exact, strict=True) if a is not None]
    assert {a.dtype.name for a, _ in pairs} == {"float32"}
    return [relative_error(a, b) for a, b in pairs]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_error_at_a_mean_of_ten_thousand_deviations(case):
    assert max(errors(draw(*case))) <= LIMIT


@pytest.mark.parametrize(
    "case",
    [("layer", (8, *IMAGES[1:]), (64, 56, 56)), ("group", (4, 64, 56, 56), 1)],
    ids=["layer", "group"],
)
def test_textbook_float32_is_far_from_that(case):
    # Otherwise the tests above would prove nothing. NumPy sums rows pairwise, which is
    # better than its sums over a batch; the rounding of the mean alone remains.
    problem = draw(*case)
    exact = textbook(problem)[0]
    assert relative_error(textbook(problem, "f4")[0], exact) > 2 * LIMIT


@pytest.mark.parametrize("order", ["sorted", "one huge", "drift"])
@pytest.mark.parametrize("case", ["layer", "layer, long rows", "group", "instance"])
def test_error_when_the_values_of_a_group_are_in_order(case, order):
    kind, shape, option = CASES[case]
    problem = draw(kind, (shape[0] // 8, *shape[1:]), option)
    rows = problem.grouped(problem.x)
    if order == "sorted":
        rows.sort(axis=1)
    elif order == "one huge":
        rows[:, 0] += 1e6
    else:
        rows += np.arange(rows.shape[1], dtype="f4")
    assert max(errors(problem)) <= LIMIT


def test_error_of_rms_norm_of_ordinary_values():
    for mean in (0, 1, 10):
        assert max(errors(draw(*CASES["rms"], mean))) <= LIMIT


def test_error_of_small_inputs():
    for seed in range(20):
        for case in [
            ("layer", (5, 3), (3,)),
            ("layer", (50, 2), (2,)),
            ("rms", (5, 3), (3,)),
            ("group", (3, 8, 2), 4),
            ("instance", (3, 8, 4), None),
        ]:
            assert errors(draw(*case, seed=seed))[0] <= LIMIT


@pytest.mark.parametrize("case", ["layer", "rms", "group", "instance"])
def test_extra_memory(case):
    problem = draw(*CASES[case])

    def both():
        y, cache = problem.forward()
        return y, problem.backward(cache)

    size = problem.x.nbytes
    assert 1 <= peak(problem.forward)[0] / size <= 1.1
    assert 2 <= peak(both)[0] / size <= 2.1
