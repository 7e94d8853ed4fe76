"""Layer, RMS, group and instance norm against PyTorch: values, gradients, odd inputs."""

import itertools

import numpy as np
import pytest

from bnlearn import core, norms
from tests import family, oracle
from tests.test_norms_oracle import scattered

TRAILING = [
    ((5,), (5,)),
    ((7, 3), (3,)),
    ((1, 7), (7,)),
    ((6, 1), (1,)),
    ((7, 3), (7, 3)),
    ((4, 3, 5), (5,)),
    ((4, 3, 5), (3, 5)),
    ((4, 3, 5), (4, 3, 5)),
    ((2, 4, 5, 3), (3,)),
    ((2, 4, 5, 3), (4, 5, 3)),
    ((2, 3, 1), (3, 1)),
    ((3, 2, 4, 2, 3), (2, 3)),
    ((3, 2, 4, 2, 3), (4, 2, 3)),
]
CASES = [
    *((kind, *case) for kind in family.TRAILING for case in TRAILING),
    *(("group", (6, 4), groups) for groups in (1, 2, 4)),
    *(("group", (3, 6, 5), groups) for groups in (1, 2, 3, 6)),
    ("group", (1, 4, 5), 2),
    ("group", (2, 4, 1), 2),
    ("group", (5, 3, 1), 3),
    ("group", (2, 6, 4, 3), 3),
    ("group", (2, 4, 2, 3, 2), 2),
    ("instance", (5, 3, 4), None),
    ("instance", (1, 3, 2), None),
    ("instance", (2, 1, 6), None),
    ("instance", (2, 3, 4, 5), None),
    ("instance", (3, 2, 1, 4), None),
    ("instance", (2, 3, 2, 2, 3), None),
]
SOME = [
    *((kind, (4, 3, 5), (3, 5)) for kind in family.TRAILING),
    ("group", (3, 6, 5), 2),
    ("instance", (5, 3, 4), None),
]
EMPTY = [
    *((kind, (0, 3), (3,)) for kind in family.TRAILING),
    *((kind, (3, 0), (0,)) for kind in family.TRAILING),
    *((kind, (2, 0, 3), (3,)) for kind in family.TRAILING),
    *((kind, (2, 0, 3), (0, 3)) for kind in family.TRAILING),
    ("group", (0, 4), 2),
    ("group", (0, 4, 3), 2),
    ("group", (3, 4, 0), 2),
    ("group", (1, 4, 0), 4),
    ("group", (3, 0, 2), 1),
    ("instance", (0, 3, 4), None),
    ("instance", (2, 3, 0), None),
    ("instance", (2, 0, 3), None),
]
DTYPES = ["f8", "f4", "f2"]
GIVEN = list(itertools.product([True, False], repeat=2))
KINDS = [case[0] for case in SOME]


def keep(problem, given):
    return problem.change(
        gamma=problem.gamma if given[0] else None,
        beta=problem.beta if given[1] else None,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_equal_pytorch(case, dtype):
    problem = family.draw(*case, dtype)
    for given in GIVEN if case[0] != "rms" else GIVEN[::2]:
        family.check(keep(problem, given))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", EMPTY, ids=str)
def test_nothing_in_gives_nothing_and_gradients_of_zero(case, dtype):
    problem = family.draw(*case, dtype)
    y, cache = problem.forward()
    dx, dgamma, dbeta = problem.backward(cache)
    assert y.shape == dx.shape == problem.x.shape
    assert y.dtype == dx.dtype == problem.x.dtype
    for gradient, parameter in ((dgamma, problem.gamma), (dbeta, problem.beta)):
        if parameter is not None:
            np.testing.assert_array_equal(gradient, np.zeros_like(parameter))
    assert cache.mean.shape == problem.stats_shape()
    assert (cache.mean == 0).all() and (cache.var == 0).all()
    given = problem.x, *problem.parameters()
    if case[0] == "instance" and 0 in problem.x.shape[:2]:
        given = problem.x, None, None  # PyTorch 2.13 fails on parameters here
    theirs = family.torch_forward(problem, *map(oracle.to_torch, given))
    assert theirs.shape == y.shape


@pytest.mark.parametrize("eps", [1e-12, 1e-3, 2.0, 1e30])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_eps(case, dtype, eps):
    family.check(family.draw(*case, dtype).change(eps=eps))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", [c for c in CASES if c[0] == "rms"], ids=str)
def test_eps_of_rms_norm_is_that_of_the_dtype_computed_in(case, dtype):
    problem = family.draw(*case, dtype).change(eps=None)
    # So small that a wrong eps would be seen: a mean square like the eps itself.
    size = np.sqrt(family.oracle_eps(problem.x.dtype)) * 0.5
    small = (size * problem.x / np.abs(problem.x).max()).astype(dtype)
    for x in (problem.x, small):
        family.check(problem.change(x=x))
        given = problem.change(x=x)
        theirs = family.torch_results(given)[0]
        # PyTorch in the same dtype: some roundings of numbers up to 5.
        tolerance = {"f8": 1e-12, "f4": 1e-5, "f2": 5e-3}[dtype]
        np.testing.assert_allclose(
            given.forward()[0], theirs, rtol=tolerance, atol=tolerance
        )


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # of RMS norm: it is slower
@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_dtypes_and_shapes_are_those_of_pytorch(case):
    for dtype, own in [("f8", "f8"), ("f4", "f4"), ("f2", "f2"), ("f2", "f4")]:
        problem = family.cast(family.draw(*case), dtype, own)
        for a, b in zip(problem.run(), family.torch_results(problem), strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert (a.dtype, a.shape) == (b.dtype, b.shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("own", DTYPES)
@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_parameters_may_have_another_dtype(case, dtype, own):
    # PyTorch refuses most of these; its results in float64 are the measure.
    problem = family.cast(family.draw(*case, "f2"), dtype, own)
    family.check(problem)
    if problem.beta is not None:
        wider = problem.beta.astype("f8")
        y, dx, dgamma, dbeta = problem.change(beta=wider).run()
        assert y.dtype == dx.dtype == problem.x.dtype
        assert dgamma.dtype == problem.gamma.dtype and dbeta.dtype == wider.dtype


@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_float16_is_computed_in_float32(case):
    # 300 squared is infinite in float16, and a sum of ones stops at 2048.
    kind, _, option = case
    shape, option = {
        "layer": ((4100, 6), (6,)),
        "rms": ((4100, 6), (6,)),
        "group": ((1050, 4, 4), 2),
        "instance": ((1050, 2, 4), None),
    }[kind]
    x = np.random.default_rng(0).normal(300, 100, shape).astype("f2")
    problem = family.draw(kind, shape, option, "f2")
    problem = family.cast(problem.change(x=x, dout=np.ones(shape)), "f2", "f4")
    family.check(problem)
    if kind != "rms":
        assert (problem.run()[3] > 4000).all()


@pytest.mark.parametrize(
    "case",
    [
        *((kind, (7, 3), (3,)) for kind in family.TRAILING),
        *((kind, (4, 2, 5, 3), (5, 3)) for kind in family.TRAILING),
        ("group", (7, 4), 2),
        ("group", (5, 4, 3), 2),
        ("group", (4, 6, 5, 3), 3),
        ("instance", (5, 3, 4), None),
        ("instance", (4, 2, 5, 3), None),
        ("instance", (2, 3, 2, 2, 2), None),
    ],
    ids=str,
)
def test_memory_layout_does_not_matter(case):
    problem = family.draw(*case)
    x, dout = scattered(problem.x), scattered(problem.dout)
    np.testing.assert_array_equal(x, problem.x)
    assert not x.flags.c_contiguous
    gamma = np.repeat(problem.gamma, 2, axis=-1)[..., ::2]
    family.check(problem.change(x=x, dout=dout, gamma=gamma))
    constant = np.broadcast_to(np.array(0.7), x.shape)  # all strides are zero
    family.check(problem.change(dout=constant))


@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_array_likes_are_accepted(case):
    problem = family.draw(*case)
    lists = {
        name: getattr(problem, name).tolist()
        for name in ("x", "gamma", "beta", "dout")
        if getattr(problem, name) is not None
    }
    for a, b in zip(problem.change(**lists).run(), problem.run(), strict=True):
        if a is not None:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sizes", [5, [5], (5,), np.int64(5), [np.int32(5)]], ids=repr)
def test_normalized_shape_may_be_a_number_or_a_sequence(sizes):
    for kind in family.TRAILING:
        problem = family.draw(kind, (4, 3, 5), (5,))
        y, cache = problem.change(option=sizes).forward()
        np.testing.assert_array_equal(y, problem.forward()[0])
        assert cache.mean.shape == (4, 3)
        assert norms.LAYOUTS[kind]((4, 3, 5), sizes) == cache.layout


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("block", [1, 7, 40, 1000])
@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_small_blocks(monkeypatch, case, block, dtype):
    monkeypatch.setattr(core, "BLOCK", block)
    family.check(family.draw(*case, dtype))


@pytest.mark.parametrize(
    "case",
    [
        ("layer", (core.BLOCK // 4 + 17, 9), (9,)),
        ("rms", (3, 5, core.BLOCK // 5), (core.BLOCK // 5,)),
        ("group", (70, 8, 33, 31), 4),
        ("instance", (3, 5, core.BLOCK // 5), None),
    ],
    ids=KINDS,
)
def test_more_than_one_part(case):
    problem = family.draw(*case, "f4")
    assert problem.x.size > core.BLOCK
    family.check(problem)


@pytest.mark.parametrize(
    "values",
    [[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.inf, np.nan]],
    ids=str,
)
@pytest.mark.parametrize("where", ["x", "dout"])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_not_finite_stays_in_its_group_as_in_pytorch(case, dtype, where, values):
    problem = family.draw(*case, dtype)
    array = getattr(problem, where).copy()
    problem.grouped(array)[2, : len(values)] = values
    problem = problem.change(**{where: array})
    theirs = family.torch_results(problem)
    y, cache = problem.forward()
    ours = y, *problem.backward(cache)
    for a, b in zip(ours, theirs, strict=True):
        if a is None:
            continue
        # Infinity times a sum is infinite or NaN by the order of additions.
        a, b = (np.where(np.isfinite(v), v, np.nan) for v in (a, b))
        # The same places. PyTorch's own float32 sums are in the comparison: 1e-4 of
        # values up to some hundred.
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-3)
    for result in (*ours[:2], cache.x_hat):
        others = np.delete(problem.grouped(result), 2, axis=0)
        assert np.isfinite(others).all()


@pytest.mark.parametrize("case", SOME, ids=KINDS)
def test_caches_have_types_of_their_own(case):
    kind = case[0]
    _, cache = family.draw(*case).forward()
    name = {"rms": "RMS"}.get(kind, kind.title())
    assert type(cache) is getattr(norms, f"{name}NormCache")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_random_shapes_equal_pytorch(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 9, rng.integers(2, 6)))
    axes = int(rng.integers(1, len(shape) + 1))
    cases = [(kind, shape, shape[-axes:]) for kind in family.TRAILING]
    groups = [n for n in range(1, shape[1] + 1) if shape[1] % n == 0]
    shape = (shape[0] + 1, *shape[1:])
    cases.append(("group", shape, int(rng.choice(groups))))
    cases.append(("instance", (*shape, 2), None))
    for case in cases:
        for dtype in DTYPES:
            for given in GIVEN:
                family.check(keep(family.draw(*case, dtype, seed), given))
