"""Bad input to the family: what comes is named, what was expected, and nothing changes.

What PyTorch refuses is refused, and what it accepts is accepted, but for what DIFFERENT
lists with the reason.
"""

import numpy as np
import pytest
import torch

import bnlearn
from tests import family
from tests.test_norms_errors import assert_refused

SHAPE = (4, 6, 5)
OPTIONS = {"layer": (6, 5), "rms": (6, 5), "group": 3, "instance": None}


def arguments(kind, **changes):
    """Return the keyword arguments of a good call, some of them changed."""
    problem = family.draw(kind, SHAPE, OPTIONS[kind])
    found = {"x": problem.x}
    if kind in family.TRAILING:
        found["normalized_shape"] = OPTIONS[kind]
    elif kind == "group":
        found["num_groups"] = OPTIONS[kind]
    return {**found, **changes}


def call(kind, **changes):
    return getattr(bnlearn, f"{kind}_norm_forward")(**arguments(kind, **changes))


def ones(*shape, dtype=float):
    return np.ones(shape, dtype)


PARAMETERS = {kind: (6, 5) if kind in family.TRAILING else (6,) for kind in OPTIONS}
# (kinds, changed arguments, exception, what the message says besides the name)
ANY, TRAILING, CHANNELS = family.KINDS, family.TRAILING, family.CHANNELS
BAD = [
    (ANY, {"x": ones(*SHAPE, dtype=int)}, TypeError, ["x of dtype", "float32", "int"]),
    (ANY, {"x": ones(*SHAPE, dtype=bool)}, TypeError, ["x of dtype", "bool"]),
    (ANY, {"x": ones(*SHAPE, dtype=complex)}, TypeError, ["x of dtype", "complex128"]),
    (ANY, {"x": ones(*SHAPE, dtype=object)}, TypeError, ["x of dtype", "object"]),
    (ANY, {"x": ones(*SHAPE).astype(str)}, TypeError, ["x of dtype", "<U"]),
    (
        ANY,
        {"x": ones(*SHAPE, dtype=np.longdouble)},
        TypeError,
        ["x of dtype", "longdouble|float128"],
    ),
    (ANY, {"eps": 0}, ValueError, ["eps > 0", "got 0"]),
    (ANY, {"eps": -1e-5}, ValueError, ["eps > 0", "-1e-05"]),
    (ANY, {"eps": float("nan")}, ValueError, ["eps > 0", "nan"]),
    (ANY, {"eps": "1e-5"}, TypeError, ["eps to be a number", "'1e-5'"]),
    (ANY, {"eps": 1j}, TypeError, ["eps to be a number", "1j"]),
    (["layer", *CHANNELS], {"eps": None}, TypeError, ["eps to be a number", "None"]),
    (ANY, {"x": ones()}, ValueError, ["got shape ()"]),
    (ANY, {"x": 3.0}, ValueError, ["got shape ()"]),
    (CHANNELS, {"x": ones(6)}, ValueError, ["(N, C)", "(6,)"]),
    (
        TRAILING,
        {"x": ones(5)},
        ValueError,
        ["end with normalized_shape (6, 5)", "(5,)"],
    ),
    (TRAILING, {"x": ones(4, 5, 6)}, ValueError, ["(6, 5)", "(4, 5, 6)"]),
    (TRAILING, {"x": ones(6, 5, 4)}, ValueError, ["(6, 5)", "(6, 5, 4)"]),
    (TRAILING, {"x": ones(4, 30)}, ValueError, ["(6, 5)", "(4, 30)"]),
    (TRAILING, {"normalized_shape": 6}, ValueError, ["(6,)", "(4, 6, 5)"]),
    (TRAILING, {"normalized_shape": 1}, ValueError, ["(1,)", "(4, 6, 5)"]),
    (TRAILING, {"normalized_shape": (1, 4, 6, 5)}, ValueError, ["(1, 4, 6, 5)"]),
    (TRAILING, {"normalized_shape": ()}, ValueError, ["at least one size", "got ()"]),
    (TRAILING, {"normalized_shape": (6, -5)}, ValueError, ["negative", "(6, -5)"]),
    (TRAILING, {"normalized_shape": -1}, ValueError, ["negative", "got -1"]),
    (TRAILING, {"normalized_shape": 5.0}, TypeError, ["integers", "got 5.0"]),
    (TRAILING, {"normalized_shape": (6, 5.0)}, TypeError, ["integers", "(6, 5.0)"]),
    (TRAILING, {"normalized_shape": "65"}, TypeError, ["integers", "'65'"]),
    (TRAILING, {"normalized_shape": None}, TypeError, ["integers", "None"]),
    (TRAILING, {"normalized_shape": True}, TypeError, ["integers", "True"]),
    (
        TRAILING,
        {"normalized_shape": ones(2)},
        TypeError,
        ["integers", "[1., 1.]|[1. 1.]"],
    ),
    (TRAILING, {"gamma": ones(5)}, ValueError, ["gamma of shape (6, 5)", "(5,)"]),
    (TRAILING, {"gamma": ones(5, 6)}, ValueError, ["gamma of shape (6, 5)", "(5, 6)"]),
    (TRAILING, {"gamma": ones(1)}, ValueError, ["gamma of shape (6, 5)", "(1,)"]),
    (TRAILING, {"gamma": 1.0}, ValueError, ["gamma of shape (6, 5)", "()"]),
    (["layer"], {"beta": ones(30)}, ValueError, ["beta of shape (6, 5)", "(30,)"]),
    (CHANNELS, {"gamma": ones(5)}, ValueError, ["gamma of shape (6,)", "(4, 6, 5)"]),
    (CHANNELS, {"gamma": ones(3)}, ValueError, ["gamma of shape (6,)", "(3,)"]),
    (CHANNELS, {"gamma": ones(1, 6)}, ValueError, ["gamma of shape (6,)", "(1, 6)"]),
    (CHANNELS, {"beta": ones(1)}, ValueError, ["beta of shape (6,)", "(1,)"]),
    (CHANNELS, {"beta": 0.0}, ValueError, ["beta of shape (6,)", "()"]),
    *(
        (
            [kind],
            {name: np.ones(PARAMETERS[kind], dtype)},
            TypeError,
            [f"{name} of dty"],
        )
        for kind in ANY
        for name in ("gamma", "beta")
        for dtype in (int, bool, complex)
        if (kind, name) != ("rms", "beta")
    ),
    (["group"], {"num_groups": 4}, ValueError, ["divide the 6 channels", "got 4"]),
    (["group"], {"num_groups": 12}, ValueError, ["divide the 6 channels", "got 12"]),
    (["group"], {"num_groups": 0}, ValueError, ["divide the 6 channels", "got 0"]),
    (["group"], {"num_groups": -2}, ValueError, ["divide the 6 channels", "got -2"]),
    (["group"], {"num_groups": 2.0}, TypeError, ["an integer", "got 2.0"]),
    (["group"], {"num_groups": True}, TypeError, ["an integer", "got True"]),
    (["group"], {"num_groups": "2"}, TypeError, ["an integer", "got '2'"]),
    (["group"], {"num_groups": None}, TypeError, ["an integer", "got None"]),
    (
        ["group"],
        {"x": ones(1, 3)},
        ValueError,
        ["more than 1", "(1, 3)", "num_groups=3"],
    ),
    (["group"], {"x": ones(1, 3, 1, 1)}, ValueError, ["more than 1", "(1, 3, 1, 1)"]),
    (["instance"], {"x": ones(4, 6)}, ValueError, ["more than 1 spatial", "(4, 6)"]),
    (["instance"], {"x": ones(4, 6, 1)}, ValueError, ["more than 1 sp", "(4, 6, 1)"]),
    (["instance"], {"x": ones(4, 6, 1, 1)}, ValueError, ["more", "(4, 6, 1, 1)"]),
    (["instance"], {"x": ones(0, 6, 1)}, ValueError, ["more than 1", "(0, 6, 1)"]),
]
CASES = [(kind, *rest) for kinds, *rest in BAD for kind in kinds]


@pytest.mark.parametrize(("kind", "changes", "error", "parts"), CASES)
def test_bad_input_is_refused_and_nothing_changed(kind, changes, error, parts):
    given = arguments(kind, **changes)
    arrays = [value for value in given.values() if isinstance(value, np.ndarray)]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    forward = getattr(bnlearn, f"{kind}_norm_forward")
    assert_refused(lambda: forward(**given), f"{kind}_norm_forward", error, parts)
    for array, saved in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, saved)


@pytest.mark.parametrize("kind", family.KINDS)
@pytest.mark.parametrize(
    ("dout", "error", "parts"),
    [
        (ones(6, 4, 5), ValueError, ["dout of shape (4, 6, 5)", "(6, 4, 5)"]),
        (ones(1, 6, 5), ValueError, ["dout of shape (4, 6, 5)", "(1, 6, 5)"]),
        (ones(6, 5), ValueError, ["dout of shape (4, 6, 5)", "(6, 5)"]),
        (ones(4, 30), ValueError, ["dout of shape (4, 6, 5)", "(4, 30)"]),
        (1.0, ValueError, ["dout of shape (4, 6, 5)", "()"]),
        (ones(*SHAPE, dtype=int), TypeError, ["dout of dtype", "int64"]),
        (ones(*SHAPE, dtype=complex), TypeError, ["dout of dtype", "complex128"]),
    ],
    ids=str,
)
def test_bad_dout_is_refused(kind, dout, error, parts):
    backward = getattr(bnlearn, f"{kind}_norm_backward")
    _, cache = call(kind)
    name = f"{kind}_norm_backward"
    assert_refused(lambda: backward(dout, cache), name, error, parts)


CACHES = {"rms": "RMSNormCache"} | {
    kind: f"{kind.title()}NormCache" for kind in ("batch", "layer", "group", "instance")
}


@pytest.mark.parametrize("kind", CACHES)
@pytest.mark.parametrize("other", [*CACHES, None, "tuple", "pair"])
def test_wrong_cache_is_refused(kind, other):
    if kind == other:
        return

    def forward(which):
        if which == "batch":
            return bnlearn.batch_norm_forward(arguments("instance")["x"])
        return call(which)

    if other in CACHES:
        cache, shown = forward(other)[1], CACHES[other]
    elif other is None:
        cache, shown = None, "NoneType"
    else:  # the right one taken apart, or the whole result of the forward pass
        cache = forward(kind) if other == "pair" else tuple(forward(kind)[1])
        shown = "tuple"
    backward = getattr(bnlearn, f"{kind}_norm_backward")
    parts = [CACHES[kind], f"got {shown}"]
    name = f"{kind}_norm_backward"
    assert_refused(lambda: backward(ones(*SHAPE), cache), name, TypeError, parts)


def draw(*shape, dtype="f4"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


# Odd inputs of both functions: (kind, x, option, gamma, beta, eps)
ODD = {
    f"{kind}: {name}": (kind, x, option, None, None, 1e-5)
    for kind in TRAILING
    for name, x, option in [
        ("one axis", draw(4), (4,)),
        ("no axis", draw(), (1,)),
        ("other size", draw(3, 4), (3,)),
        ("more axes than x", draw(4), (3, 4)),
        ("no size", draw(3, 4), ()),
        ("size 0", draw(3, 0), (0,)),
        ("size 0 for 4", draw(3, 4), (0,)),
        ("inner size 0", draw(3, 0, 4), (0, 4)),
        ("no rows", draw(0, 4), (4,)),
        ("nothing at all", draw(0, 0), (0,)),
        ("single values", draw(3, 1), (1,)),
        ("all of x", draw(3, 4), (3, 4)),
        ("list", draw(3, 4), [4]),
        ("NumPy integer", draw(3, 4), (np.int64(4),)),
        ("float", draw(3, 4), (4.0,)),
        ("negative", draw(3, 4), (-1,)),
        ("true", draw(3, 1), (True,)),
        ("string", draw(3, 4), "4"),
        ("none", draw(3, 4), None),
        ("integers", np.ones((3, 4), int), (4,)),
        ("booleans", np.ones((3, 4), bool), (4,)),
        ("half", draw(3, 4, dtype="f2"), (4,)),
        ("double", draw(3, 4, dtype="f8"), (4,)),
    ]
}
ODD |= {
    f"group: {name}": ("group", x, option, None, None, 1e-5)
    for name, x, option in [
        ("one axis", draw(4), 2),
        ("no axis", draw(), 1),
        ("matrix", draw(3, 4), 2),
        ("a group per channel of a matrix", draw(3, 4), 4),
        ("not a divisor", draw(3, 4, 2), 3),
        ("more than channels", draw(3, 4, 2), 8),
        ("none", draw(3, 4, 2), 0),
        ("negative", draw(3, 4, 2), -2),
        ("float", draw(3, 4, 2), 2.0),
        ("true", draw(3, 4, 2), True),
        ("NumPy integer", draw(3, 4, 2), np.int64(2)),
        ("string", draw(3, 4, 2), "2"),
        ("None", draw(3, 4, 2), None),
        ("one value in each group", draw(1, 4), 4),
        ("one value in each group, images", draw(1, 4, 1, 1), 4),
        ("one value", draw(1, 1), 1),
        ("one value of two examples", draw(2, 1), 1),
        ("two values", draw(1, 4), 2),
        ("no examples", draw(0, 4, 2), 2),
        ("no examples of one value", draw(0, 4), 4),
        ("no positions", draw(3, 4, 0), 2),
        ("no positions of one example", draw(1, 4, 0), 4),
        ("no channels", draw(3, 0, 2), 2),
        ("no channels of one example", draw(1, 0), 1),
        ("nothing at all", draw(0, 0), 1),
        ("seven axes", draw(1, 2, 1, 2, 1, 2, 1), 2),
        ("integers", np.ones((3, 4), int), 2),
        ("complex", np.ones((3, 4), "c8"), 2),
    ]
}
ODD |= {
    f"instance: {name}": ("instance", x, None, None, None, 1e-5)
    for name, x in [
        ("one axis", draw(4)),
        ("no axis", draw()),
        ("matrix", draw(3, 4)),
        ("one position", draw(3, 4, 1)),
        ("one pixel", draw(3, 4, 1, 1)),
        ("two positions", draw(1, 1, 2)),
        ("no examples", draw(0, 4, 2)),
        ("no examples of one position", draw(0, 4, 1)),
        ("no positions", draw(3, 4, 0)),
        ("no channels", draw(3, 0, 2)),
        ("no channels of one position", draw(3, 0, 1)),
        ("nothing at all", draw(0, 0, 3)),
        ("six axes", draw(1, 2, 1, 2, 1, 2)),
        ("integers", np.ones((3, 4, 2), int)),
        ("booleans", np.ones((3, 4, 2), bool)),
        ("complex", np.ones((3, 4, 2), "c8")),
    ]
}
ODD |= {
    f"{kind}: eps of {eps!r}": (kind, draw(3, 4, 5), option, None, None, eps)
    for kind, option in [
        ("layer", (5,)),
        ("rms", (5,)),
        ("group", 2),
        ("instance", None),
    ]
    for eps in (1, True, 1e30, float("inf"), "a", None, 1j, np.float32(0.5))
}
ODD |= {
    f"{kind}: {where} {name}": (
        kind,
        draw(3, 4, 5),
        option,
        *((value, None) if where == "gamma" else (None, value)),
        1e-5,
    )
    for kind, option, size in [
        ("layer", (5,), 5),
        ("rms", (5,), 5),
        ("group", 2, 4),
        ("instance", None, 4),
    ]
    for where in ("gamma", "beta")
    for name, value in [
        ("of the right size", draw(size)),
        ("too long", draw(size + 1)),
        ("of size 1", draw(1)),
        ("of size 2", draw(2)),
        ("without axes", draw()),
        ("with two axes", draw(1, size)),
    ]
    if (kind, where) != ("rms", "beta")
}
# What deviates on purpose: too small an eps would divide by zero.
DIFFERENT = {
    f"{kind}: eps of {eps!r}": (kind, draw(3, 4, 5), option, None, None, eps)
    for kind, option in [
        ("layer", (5,)),
        ("rms", (5,)),
        ("group", 2),
        ("instance", None),
    ]
    for eps in (0.0, -1.0, float("nan"))
}


def outcomes(kind, x, option, gamma, beta, eps):
    """Run PyTorch and the package; return a result or an exception for each."""

    def attempt(run):
        try:
            return run()
        except Exception as error:  # noqa: BLE001 - PyTorch raises many kinds
            return error

    problem = family.Problem(kind, option, x, gamma, beta, x, eps)
    tensors = [None if a is None else torch.tensor(a) for a in (x, gamma, beta)]
    if kind == "rms":
        tensors.pop()
    forward = getattr(bnlearn, f"{kind}_norm_forward")
    options = () if kind == "instance" else (option,)
    parameters = (gamma,) if kind == "rms" else (gamma, beta)
    theirs = attempt(lambda: family.torch_forward(problem, *tensors))
    ours = attempt(lambda: forward(x, *options, *parameters, eps=eps)[0])
    return theirs, ours


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_pytorch_and_the_package_refuse_the_same(case):
    theirs, ours = outcomes(*case)
    if isinstance(theirs, Exception):
        assert isinstance(ours, ValueError | TypeError), "PyTorch refuses this"
        assert str(ours).startswith(f"{case[0]}_norm_forward: expected ")
        return
    assert not isinstance(ours, Exception), f"PyTorch accepts this, but: {ours}"
    assert ours.dtype == theirs.numpy().dtype
    # float32 or float16 on both sides, values of size 1 to 10.
    tolerance = 5e-3 if ours.dtype == np.float16 else 2e-5
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=tolerance, atol=tolerance)


def test_the_list_of_odd_inputs_has_both():
    found = [isinstance(outcomes(*case)[0], Exception) for case in ODD.values()]
    assert sum(found) > 50 and len(found) - sum(found) > 40


@pytest.mark.parametrize("case", DIFFERENT.values(), ids=DIFFERENT)
def test_eps_must_be_positive_where_pytorch_does_not_mind(case):
    theirs, ours = outcomes(*case)
    assert isinstance(theirs, torch.Tensor)
    assert isinstance(ours, ValueError) and "expected eps > 0" in str(ours)


def test_a_number_as_normalized_shape_is_accepted_as_by_pytorchs_layers():
    # PyTorch's functions want a tuple.
    for kind in TRAILING:
        theirs, ours = outcomes(kind, draw(3, 4), 4, None, None, 1e-5)
        assert isinstance(theirs, TypeError)
        assert ours.shape == (3, 4)


def test_parameters_of_another_dtype_are_accepted():
    # PyTorch wants the dtype of x, or float32 beside float16; RMS norm takes any.
    for kind, option, size in [
        ("layer", (5,), 5),
        ("group", 2, 4),
        ("instance", None, 4),
    ]:
        gamma = draw(size, dtype="f8")
        theirs, ours = outcomes(kind, draw(3, 4, 5), option, gamma, None, 1e-5)
        assert isinstance(theirs, RuntimeError)
        assert ours.dtype == np.float32
