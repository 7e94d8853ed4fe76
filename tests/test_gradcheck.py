"""The gradient checker accepts what is right and finds what is planted."""

import re

import numpy as np
import pytest

from bnlearn import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_inference_backward,
)
from bnlearn.core import standardize, standardize_backward
from bnlearn.gradcheck import check_gradients, numerical_gradient
from bnlearn.layers import (
    BatchNorm,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    cross_entropy,
    mean_squared_error,
)
from tests import oracle


def arguments(shape=(6, 3), given=("gamma", "beta")):
    x, gamma, beta, _ = oracle.draw(shape)
    # Central differences take steps of 1e-5: a deviation of 1e-3 needs a larger one.
    x[:, 1:2] *= 30
    found = {"x": x, "gamma": gamma, "beta": beta}
    return {name: found[name] for name in ("x", *given)}


def ones(x):
    return np.ones(x.shape)


def square(x):
    return x**2


def forward(x, gamma=None, beta=None):
    return batch_norm_forward(x, gamma, beta, eps=1e-3)[0]


def backward(dout, x, gamma=None, beta=None):
    _, cache = batch_norm_forward(x, gamma, beta, eps=1e-3)
    return [g for g in batch_norm_backward(dout, cache) if g is not None]


SHAPES = [(6, 3), (2, 2), (3, 2, 4), (1, 2, 3), (2, 3, 2, 2), (2, 1, 2, 1, 2)]
GIVEN = [("gamma", "beta"), ("gamma",), ("beta",), ()]


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_in_training(shape, given):
    errors = check_gradients(forward, backward, arguments(shape, given))
    assert list(errors) == ["x", *given]
    assert max(errors.values()) < 1e-6


@pytest.mark.parametrize("given", GIVEN, ids=str)
@pytest.mark.parametrize("shape", [*SHAPES, (1, 4)], ids=str)
def test_batch_norm_in_inference(shape, given):
    mean, var = np.linspace(-1, 2, shape[1]), np.linspace(0.01, 3, shape[1])

    def infer(x, gamma=None, beta=None):
        return batch_norm_inference(x, mean, var, gamma, beta)

    def infer_backward(dout, **given):
        gradients = batch_norm_inference_backward(dout, infer(**given)[1])
        return [g for g in gradients if g is not None]

    check_gradients(lambda **a: infer(**a)[0], infer_backward, arguments(shape, given))


@pytest.mark.parametrize(
    ("shape", "axes", "stats"),
    [
        ((5, 3), (0,), (1, 3)),
        ((4, 3), (1,), (4, 1)),
        ((2, 3, 4), (2,), (2, 3, 1)),
        ((2, 3, 2, 3), (2, 3), (2, 3, 1, 1)),
        ((2, 2, 2, 3), (0, 2, 3), (1, 2, 1, 1)),
    ],
    ids=str,
)
def test_kernel_over_other_axes(shape, axes, stats):
    rng = np.random.default_rng(2)
    given = {
        "x": rng.normal(2, 1, shape),
        "scale": rng.uniform(0.5, 2, stats),
        "shift": rng.standard_normal(stats),
    }

    def run(x, scale, shift):
        return standardize(x, axes, eps=1e-3, scale=scale, shift=shift)

    def run_back(dout, x, scale, shift):
        _, mean, _, inv_std = run(x, scale, shift)
        return standardize_backward(dout, x, mean, inv_std, axes, scale=scale)

    check_gradients(lambda **a: run(**a)[0], run_back, given)


def layer_gradients(layer, x):
    """Check a layer's gradients by x and by every parameter."""
    given = {"x": x, **{k: v.copy() for k, v in layer.parameters().items()}}

    def run(x, **parameters):
        for name, value in layer.parameters().items():
            value[...] = parameters[name]
        return layer(x)

    def run_back(dout, **given):
        run(**given)
        dx = layer.backward(dout)
        return [dx, *(layer.gradients()[name] for name in layer.parameters())]

    return check_gradients(run, run_back, given)


RNG = np.random.default_rng(11)
LAYERS = {
    "linear": (Linear(4, 3), (5, 4)),
    "linear without bias": (Linear(4, 3, bias=False), (5, 4)),
    "linear of 3-D x": (Linear(4, 3), (2, 3, 4)),
    "linear of 1-D x": (Linear(4, 3), (4,)),
    "relu": (ReLU(), (5, 4)),
    "sigmoid": (Sigmoid(), (5, 4)),
    "tanh": (Tanh(), (2, 3, 2)),
    "batch norm": (BatchNorm(3), (5, 3)),
    "batch norm of images": (BatchNorm(2), (3, 2, 2, 2)),
    "batch norm without bias": (BatchNorm(3, bias=False), (5, 3)),
    "batch norm not affine": (BatchNorm(3, affine=False), (5, 3)),
    "batch norm in evaluation": (BatchNorm(3).eval(), (5, 3)),
    "batch norm untracked in evaluation": (
        BatchNorm(3, track_running_stats=False).eval(),
        (5, 3),
    ),
    "network": (
        Sequential(
            Linear(4, 5, bias=False),
            BatchNorm(5),
            Tanh(),
            Sequential(Linear(5, 4), Sigmoid()),
            Linear(4, 2),
        ),
        (6, 4),
    ),
    "network in evaluation": (
        Sequential(Linear(4, 5), BatchNorm(5), Tanh(), Linear(5, 2)).eval(),
        (6, 4),
    ),
}


@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_layers(layer, shape):
    rng = np.random.default_rng(5)
    for value in layer.parameters().values():
        value[...] = rng.uniform(0.3, 1.5, value.shape)
    # Away from the kink of ReLU at 0.
    x = rng.uniform(0.1, 2, shape) * rng.choice([-1, 1], shape)
    assert len(layer_gradients(layer, x)) == 1 + len(layer.parameters())


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_losses(scale):
    rng = np.random.default_rng(3)
    labels = np.array([2, 0, 1, 2, 2])
    for loss, target in [
        (cross_entropy, labels),
        (mean_squared_error, rng.standard_normal((5, 3))),
    ]:
        given = {"output": scale * rng.standard_normal((5, 3))}
        check_gradients(
            lambda output, loss=loss, target=target: np.array(loss(output, target)[0]),
            lambda dout, output, loss=loss, target=target: [
                dout * loss(output, target)[1]
            ],
            given,
        )


def pieces(dout, x, gamma, beta):
    _, cache = batch_norm_forward(x, gamma, beta, eps=1e-3)
    return cache.x_hat, cache.inv_std, *batch_norm_backward(dout, cache)


def planted(name, dout, **given):
    """Return gradients of batch norm with one mistake that people make."""
    gamma = given["gamma"]
    x_hat, inv_std, dx, dgamma, dbeta = pieces(dout, **given)
    m = len(dout)
    wrong = {
        "zeros": (0 * dx, dgamma, dbeta),
        "no mean term": (gamma * inv_std * (dout - x_hat * dgamma / m), dgamma, dbeta),
        "no x_hat term": (gamma * inv_std * (dout - dbeta / m), dgamma, dbeta),
        "statistics as constants": (gamma * inv_std * dout, dgamma, dbeta),
        "gamma forgotten": (dx / gamma, dgamma, dbeta),
        "gamma twice": (dx * gamma, dgamma, dbeta),
        "sign": (-dx, dgamma, dbeta),
        "m - 1": (
            gamma * inv_std * (dout - dbeta / m - x_hat * dgamma / (m - 1)),
            dgamma,
            dbeta,
        ),
        "rows in another order": (dx[::-1], dgamma, dbeta),
        "not a number": (np.where(dx == dx.max(), np.nan, dx), dgamma, dbeta),
        "one infinity": (np.where(dx == dx.max(), np.inf, dx), dgamma, dbeta),
        "one entry off": (dx + 1e-3 * (dx == dx.max()), dgamma, dbeta),
        "dgamma by x": (dx, (dout * given["x"]).sum(axis=0), dbeta),
        "dgamma averaged": (dx, dgamma / m, dbeta),
        "dbeta averaged": (dx, dgamma, dbeta / m),
        "dgamma and dbeta exchanged": (dx, dbeta, dgamma),
        "dgamma not a number": (dx, dgamma * np.nan, dbeta),
        "misshapen dx": (dx[:-1], dgamma, dbeta),
        "transposed": (dx.T, dgamma, dbeta),
        "dbeta summed over all": (dx, dgamma, dbeta.sum()),
        "dgamma with an axis more": (dx, dgamma[np.newaxis], dbeta),
        "one missing": (dx, dgamma),
        "one too many": (dx, dgamma, dbeta, dbeta),
        "none": (dx, dgamma, None),
    }
    return wrong[name]


PLANTED = [
    *((name, "gradient of x: relative error") for name in (
        "zeros", "no mean term", "no x_hat term", "statistics as constants",
        "gamma forgotten", "gamma twice", "sign", "m - 1", "rows in another order",
        "not a number", "one infinity", "one entry off",
    )),
    ("dgamma by x", "gradient of gamma: relative error"),
    ("dgamma averaged", "gradient of gamma: relative error"),
    ("dbeta averaged", "gradient of beta: relative error"),
    ("dgamma and dbeta exchanged", "gradient of gamma: relative error"),
    ("dgamma not a number", "gradient of gamma: relative error nan"),
    ("misshapen dx", r"gradient of x: expected shape (6, 3), got (5, 3)"),
    ("transposed", r"gradient of x: expected shape (6, 3), got (3, 6)"),
    ("dbeta summed over all", "gradient of beta: expected shape (3,), got ()"),
    ("dgamma with an axis more", "gradient of gamma: expected shape (3,), got (1, 3)"),
    ("one missing", "expected 3 gradients (x, gamma, beta), got 2"),
    ("one too many", "expected 3 gradients (x, gamma, beta), got 4"),
    ("none", "gradient of beta: expected shape (3,), got ()"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message"), PLANTED)
def test_planted_mistake_is_found(name, message):
    def wrong(dout, **given):
        return planted(name, dout, **given)

    with pytest.raises(AssertionError, match=re.escape(message)):
        check_gradients(forward, wrong, arguments())


def test_planted_transposition_in_a_square_weight_is_found():
    # The shape is right; only the numbers tell.
    layer = Linear(4, 4)

    def transposed(dout, x):
        return [dout @ layer.weight.T]

    x = np.random.default_rng(0).standard_normal((4, 4))
    check_gradients(layer, lambda dout, x: [dout @ layer.weight], {"x": x})
    with pytest.raises(AssertionError, match="gradient of x"):
        check_gradients(layer, transposed, {"x": x})


def test_message_names_the_place_and_both_numbers():
    def wrong(dout, x):
        gradient = 2 * x * dout
        gradient[1, 2] += 0.5
        return [gradient]

    x = np.arange(1.0, 7.0).reshape(2, 3)
    with pytest.raises(
        AssertionError, match=r"relative error \d.\de-0\d > 1.0e-06"
    ) as e:
        check_gradients(square, wrong, {"x": x})
    assert "at (1, 2) backward gives" in str(e.value)
    given, expected = map(
        float, re.findall(r"(?:gives|give) ([-.\de]+\d)", str(e.value))
    )
    # Six digits are printed.
    np.testing.assert_allclose(given - expected, 0.5, rtol=1e-4)


def ones_generator():
    class Ones:
        @staticmethod
        def standard_normal(shape):
            return np.ones(shape)

    return Ones()


def test_a_cotangent_of_ones_would_prove_nothing():
    # Why the cotangent is random: the outputs of a channel always have the same sum,
    # so that the gradient of their plain sum is zero, as is that of a lazy author.
    given = arguments()
    x_only = {"x": given["x"]}

    def run(x):
        return batch_norm_forward(x, given["gamma"], given["beta"], eps=1e-3)[0]

    dout = np.ones_like(given["x"])
    _, cache = batch_norm_forward(**given, eps=1e-3)
    assert np.abs(batch_norm_backward(dout, cache)[0]).max() < 1e-12
    # Zeros, and also the gradient without its x_hat term, pass ...
    for lazy in (
        lambda dout, x: [np.zeros_like(x)],
        lambda dout, x: [cache.inv_std * (dout - dout.mean(axis=0))],
    ):
        numbers = numerical_gradient(run, given["x"], dout)
        # ... up to the noise of central differences, 1e-16 / 1e-5 by some terms.
        np.testing.assert_allclose(lazy(dout, given["x"])[0], numbers, atol=1e-9)
        # A random cotangent finds both.
        with pytest.raises(AssertionError):
            check_gradients(run, lazy, x_only)


def test_cotangent_is_random_and_can_be_chosen():
    seen = []

    def spy(dout, x):
        seen.append(dout)
        return [dout]

    x = {"x": np.arange(4.0)}
    check_gradients(lambda x: x, spy, x)
    check_gradients(lambda x: x, spy, x)
    check_gradients(lambda x: x, spy, x, generator=np.random.default_rng(5))
    first, second, third = seen
    np.testing.assert_array_equal(first, second)
    assert (first != third).all()
    assert len(set(first)) == 4
    check_gradients(lambda x: x, spy, x, generator=ones_generator())
    assert (seen[-1] == 1).all()


def test_rtol():
    x = {"x": np.linspace(1, 2, 5)}

    def slightly_wrong(dout, x):
        return [2 * x * dout * 1.001]

    with pytest.raises(AssertionError):
        check_gradients(square, slightly_wrong, x)
    errors = check_gradients(square, slightly_wrong, x, rtol=0.01)
    assert 0.0009 < errors["x"] < 0.0011


def test_a_gradient_of_zero_may_be_zero():
    x = {"x": np.arange(3.0)}
    assert check_gradients(ones, lambda dout, x: [0 * x], x) == {"x": 0.0}
    with pytest.raises(AssertionError, match="gradient of x"):
        check_gradients(ones, lambda dout, x: [dout], x)


def test_empty_arguments():
    x = {"x": np.empty((0, 3))}
    assert check_gradients(lambda x: x.copy(), lambda dout, x: [dout], x) == {"x": 0.0}


def test_numerical_gradient_of_a_known_function():
    x = np.array([[0.5, -2.0], [300.0, 0.0]])
    dout = np.array([[1.0, -1.0], [0.25, 3.0]])
    x.flags.writeable = False
    gradient = numerical_gradient(np.cos, x, dout)
    # step**2 / 6 is 2e-11; at 300 the step is 3e-3 and that makes 1.5e-6.
    np.testing.assert_allclose(gradient, -np.sin(x) * dout, rtol=2e-6, atol=1e-10)


def test_numerical_gradient_follows_every_output():
    # Each output depends on each input: a full Jacobian, folded with dout.
    rng = np.random.default_rng(1)
    a, x, dout = rng.standard_normal((5, 4)), rng.standard_normal(4), rng.normal(size=5)
    # Linear: only rounding, 1e-16 / 1e-5.
    np.testing.assert_allclose(
        numerical_gradient(lambda x: a @ x, x, dout), dout @ a, atol=1e-9
    )


def test_numerical_gradient_refuses():
    x = np.ones(3, "f4")
    with pytest.raises(TypeError, match="numerical_gradient: expected x of float64"):
        numerical_gradient(np.square, x, x)
    x = np.ones(3)
    with pytest.raises(ValueError, match=r"expected dout of shape \(3,\), got \(2,\)"):
        numerical_gradient(np.square, x, np.ones(2))
    with pytest.raises(TypeError, match="float64"):
        check_gradients(square, lambda dout, x: [dout], {"x": np.ones(3, "f4")})


def test_a_gradient_of_zero_passes_and_a_wrong_one_does_not():
    """A bias that the mean takes away has no gradient but the noise of differences."""
    x = np.random.default_rng(0).standard_normal((5, 3))
    arguments = {"x": x, "bias": np.array([0.3, -2.0, 1.0])}

    def forward(x, bias):
        return batch_norm_forward(x + bias)[0]

    def backward(dout, x, bias):
        dx, _, _ = batch_norm_backward(dout, batch_norm_forward(x + bias)[1])
        return dx, dx.sum(axis=0)

    check_gradients(forward, backward, arguments)
    with pytest.raises(AssertionError, match="gradient of bias"):
        check_gradients(
            forward,
            lambda dout, **a: (backward(dout, **a)[0], dout.sum(axis=0)),
            arguments,
        )
