"""Bad input to `norms`: what comes is named, and so is what was expected."""

import numpy as np
import pytest
import torch

from bnlearn import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_inference_backward,
)

X = np.arange(12.0).reshape(4, 3)
IMAGES = np.arange(48.0).reshape(2, 3, 2, 4)
ONE, VAR = np.ones(3), np.array([1.0, 2.0, 0.5])


def train(x=X, gamma=None, beta=None, **options):
    return batch_norm_forward(x, gamma, beta, **options)


def infer(x=X, mean=ONE, var=VAR, gamma=None, beta=None, **options):
    return batch_norm_inference(x, mean, var, gamma, beta, **options)


def back(dout):
    return batch_norm_backward(dout, train()[1])


def infer_back(dout):
    return batch_norm_inference_backward(dout, infer()[1])


# (call, exception, what the message says besides the name of the operation)
BOTH = [
    ({"x": X[0]}, ValueError, ["(N, C)", "(3,)"]),
    ({"x": np.float64(1)}, ValueError, ["(N, C)", "()"]),
    ({"x": 3.0}, ValueError, ["(N, C)", "()"]),
    ({"x": X.astype(int)}, TypeError, ["x of dtype", "float32", "int64"]),
    ({"x": X > 1}, TypeError, ["x of dtype", "bool"]),
    ({"x": X + 0j}, TypeError, ["x of dtype", "complex128"]),
    ({"x": X.astype(object)}, TypeError, ["x of dtype", "object"]),
    ({"x": X.astype(str)}, TypeError, ["x of dtype", "<U"]),
    ({"x": X.astype(np.longdouble)}, TypeError, ["x of dtype", "longdouble|float128"]),
    ({"x": [[1, 2], [3, 4]]}, TypeError, ["x of dtype", "int"]),
    ({"eps": 0}, ValueError, ["eps > 0", "got 0"]),
    ({"eps": -1e-5}, ValueError, ["eps > 0", "-1e-05"]),
    ({"eps": float("nan")}, ValueError, ["eps > 0", "nan"]),
    ({"gamma": np.ones(4)}, ValueError, ["gamma of shape (3,)", "(4, 3)", "(4,)"]),
    ({"beta": np.ones(2)}, ValueError, ["beta of shape (3,)", "(4, 3)", "(2,)"]),
    ({"gamma": np.ones((1, 3))}, ValueError, ["gamma of shape (3,)", "(1, 3)"]),
    ({"gamma": np.ones(1)}, ValueError, ["gamma of shape (3,)", "(1,)"]),
    ({"beta": np.float64(0)}, ValueError, ["beta of shape (3,)", "()"]),
    ({"x": IMAGES, "beta": np.ones(4)}, ValueError, ["(3,)", "(2, 3, 2, 4)"]),
    ({"gamma": np.ones(3, int)}, TypeError, ["gamma of dtype", "int64"]),
    ({"beta": np.ones(3, bool)}, TypeError, ["beta of dtype", "bool"]),
]
TRAIN = [
    ({"x": X[:1]}, ValueError, ["more than 1 value per channel", "(1, 3)"]),
    ({"x": np.ones((1, 3, 1, 1))}, ValueError, ["more than 1", "(1, 3, 1, 1)"]),
    ({"x": np.ones((1, 1))}, ValueError, ["more than 1", "(1, 1)"]),
    ({"x": np.ones((1, 0))}, ValueError, ["more than 1", "(1, 0)"]),
]
INFER = [
    ({"var": np.array([1, -0.5, 1])}, ValueError, ["running_var", "-0.5"]),
    ({"var": np.ones(2)}, ValueError, ["running_var of shape (3,)", "(2,)"]),
    ({"mean": np.ones(4)}, ValueError, ["running_mean of shape (3,)", "(4,)"]),
    ({"mean": np.ones(3, int)}, TypeError, ["running_mean of dtype", "int64"]),
    ({"var": np.ones(3, int)}, TypeError, ["running_var of dtype", "int64"]),
]
CASES = [
    *(("batch_norm_forward", train, *case) for case in BOTH + TRAIN),
    *(("batch_norm_inference", infer, *case) for case in BOTH + INFER),
]


def assert_refused(call, name, error, parts):
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    message = str(caught.value)
    assert message.startswith(f"{name}: expected ")
    for part in parts:
        assert any(word in message for word in part.split("|")), message
    assert "got" in message


@pytest.mark.parametrize(("name", "call", "arguments", "error", "parts"), CASES)
def test_bad_input_is_refused(name, call, arguments, error, parts):
    assert_refused(lambda: call(**arguments), name, error, parts)


@pytest.mark.parametrize(
    ("name", "call"),
    [("batch_norm_backward", back), ("batch_norm_inference_backward", infer_back)],
)
@pytest.mark.parametrize(
    ("dout", "error", "parts"),
    [
        (np.ones((3, 4)), ValueError, ["dout of shape (4, 3)", "(3, 4)"]),
        (np.ones((1, 3)), ValueError, ["dout of shape (4, 3)", "(1, 3)"]),
        (np.ones(3), ValueError, ["dout of shape (4, 3)", "(3,)"]),
        (1.0, ValueError, ["dout of shape (4, 3)", "()"]),
        (np.ones((4, 3, 1)), ValueError, ["dout of shape (4, 3)", "(4, 3, 1)"]),
        (np.ones((4, 3), int), TypeError, ["dout of dtype", "int64"]),
        (np.ones((4, 3), complex), TypeError, ["dout of dtype", "complex128"]),
    ],
    ids=str,
)
def test_bad_dout_is_refused(name, call, dout, error, parts):
    assert_refused(lambda: call(dout), name, error, parts)


@pytest.mark.parametrize(
    ("name", "backward", "cache", "wanted"),
    [
        (
            "batch_norm_backward",
            batch_norm_backward,
            infer()[1],
            ["a BatchNormCache", "BatchNormInferenceCache"],
        ),
        (
            "batch_norm_inference_backward",
            batch_norm_inference_backward,
            train()[1],
            ["a BatchNormInferenceCache", "got BatchNormCache"],
        ),
        ("batch_norm_backward", batch_norm_backward, None, ["NoneType"]),
        ("batch_norm_backward", batch_norm_backward, tuple(train()[1]), ["tuple"]),
        ("batch_norm_backward", batch_norm_backward, train(), ["tuple"]),
    ],
)
def test_wrong_cache_is_refused(name, backward, cache, wanted):
    assert_refused(lambda: backward(X, cache), name, TypeError, wanted)


F = torch.nn.functional.batch_norm
REFUSED_BY_TORCH = {
    "one value per channel": ((1, 3), {}),
    "one value per channel, images": ((1, 3, 1, 1), {}),
    "no axis for channels": ((3,), {}),
    "one value for each of no channels": ((1, 0), {}),
    "gamma too long": ((4, 3), {"weight": (4,)}),
    "beta too short": ((4, 3), {"bias": (2,)}),
    "integers": ((4, 3), {"dtype": torch.int64}),
    "booleans": ((4, 3), {"dtype": torch.bool}),
    "complex numbers": ((4, 3), {"dtype": torch.complex64}),
    "eps of 0": ((4, 3), {"eps": 0.0}),
    "eps below 0": ((4, 3), {"eps": -1.0}),
}


@pytest.mark.parametrize(
    ("shape", "options"), REFUSED_BY_TORCH.values(), ids=REFUSED_BY_TORCH
)
def test_what_pytorch_refuses_is_refused(shape, options):
    x = torch.ones(shape, dtype=options.get("dtype", torch.float32))
    vectors = {
        name: torch.ones(options[name]) if name in options else None
        for name in ("weight", "bias")
    }
    eps = options.get("eps", 1e-5)
    with pytest.raises((ValueError, RuntimeError, IndexError, NotImplementedError)):
        F(x, None, None, *vectors.values(), training=True, eps=eps)
    gamma, beta = (None if v is None else v.numpy() for v in vectors.values())
    with pytest.raises((ValueError, TypeError), match="batch_norm_forward: expected"):
        batch_norm_forward(x.numpy(), gamma, beta, eps=eps)


@pytest.mark.parametrize(
    ("shape", "eps"),
    [
        ((2, 1), 1e-5),
        ((1, 3, 2), 1e-5),
        ((1, 1, 1, 1, 2), 1e-5),
        ((0, 3), 1e-5),
        ((2, 3, 0), 1e-5),
        ((2, 1, 1, 1, 1, 1, 1), 1e-5),
        ((4, 0), 1e-5),
        ((0, 0), 1e-5),
        ((5, 0, 2), 1e-5),
        ((4, 3), float("inf")),
        ((4, 3), 1e30),
        ((4, 3), 1),
    ],
    ids=str,
)
def test_what_pytorch_accepts_is_accepted(shape, eps):
    x = np.random.default_rng(0).standard_normal(shape)
    wanted = F(torch.tensor(x), None, None, training=True, eps=eps)
    # float64 on both sides, values of size 1.
    np.testing.assert_allclose(train(x, eps=eps)[0], wanted.numpy(), atol=1e-12)


def test_one_value_per_channel_is_enough_in_inference():
    for shape in [(1, 3), (1, 3, 1), (1, 3, 1, 1)]:
        y, _ = infer(np.full(shape, 2.0))
        np.testing.assert_allclose(y.ravel(), 1 / np.sqrt(VAR + 1e-5), rtol=1e-14)


def test_variance_of_zero_and_not_a_number_are_accepted_in_inference():
    y, _ = infer(var=np.array([0.0, np.nan, np.inf]))
    wanted = F(
        torch.tensor(X),
        torch.tensor(ONE),
        torch.tensor([0.0, torch.nan, torch.inf]).double(),
    ).numpy()
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


def test_nothing_is_changed_by_a_refused_call():
    for _, call, arguments, error, _ in CASES:
        before = {k: np.array(v, copy=True) for k, v in arguments.items()}
        with pytest.raises(error):
            call(**arguments)
        for name, value in before.items():
            assert repr(np.asarray(arguments[name])) == repr(value)
