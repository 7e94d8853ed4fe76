"""What the quizzes say is right, computed; and so are the numbers of the wrong choices."""

import copy
import inspect
import itertools
import math
import re

import numpy as np
import pytest
import torch

from bnlearn import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_inference,
    batch_norm_inference_backward,
    norms,
    running,
)
from bnlearn.data import load_digits, slant, toss
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.quizzes import QUIZZES, find_quiz
from bnlearn.experiment import trace
from bnlearn.gradcheck import numerical_gradient
from bnlearn.layers import (
    BatchNorm,
    Conv2d,
    Dropout,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    cross_entropy,
    mlp,
)
from bnlearn.optim import SGD, Adam
from bnlearn.shift import effective_sample_size
from bnlearn.staged import NODES, staged_backward, staged_forward
from bnlearn.train import accuracy, train, update_bn

QUESTIONS = {q.identifier: q for asked in QUIZZES.values() for q in asked}
CHECKS = {}
# Claims whose computation is an experiment of the chapter: the line that asserts it, or
# the sentence that cites it.
IN_THE_CHAPTER = {
    "internal-shift": "the change in the distribution of a network's activations",
    "initial-scale": "assert gain[[0, 1, 2, 5, 6]].min() > 0.2",
    "two-images": "assert np.abs(pairs - eights).max() < 0.15",
    "one-class-a-batch": "assert min(inside) > 0.7 and max(alone) < 0.3",
    "quarter-contrast": 'assert at["running"].max() < min(at["no norm"].min()',
    "no-cure": "game[:, 1:4].max() < best + 0.05",
    "deeper-than-ten": "assert deepest[0] + 0.05 < deepest[1] < deep[1] - 0.1",
    "pairs-at-the-best-rate": "assert min(best[2][0]) > max(best[2][1])",
    "shaken": "assert shaken[:, 1].min() > max(plain[:, 1].max(), 100 * normed",
    "smoothest-road": "assert (sigmoid[0].max(axis=0) < 0.7 * relu[1].min(axis=0)).all()",
    "set-back": "assert normed.min() > 0.85 and plain[2:].max() < 0.5 and kept[3:].max()",
    "forty-layers": "assert np.median(relu) + 0.05 < np.median(tanh) < np.median(sigm",
}


def computes(identifier):
    """Register a check of the right choice, which is handed to it as a text."""

    def register(check):
        assert identifier in QUESTIONS and identifier not in CHECKS
        CHECKS[identifier] = check
        return check

    return register


def text_of(root, identifier):
    question = QUESTIONS[identifier]
    page = root / "book" / f"{question.right.section.page}.md"
    return " ".join(page.read_text(encoding="utf-8").split())


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def wrong_text(identifier):
    question = QUESTIONS[identifier]
    return " ".join(f"{c.text} {c.why}" for c in question.wrong)


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_every_right_answer_is_computed_or_asserted_by_its_chapter(root):
    written = {name for name, q in QUESTIONS.items() if not q.source}
    assert CHECKS.keys() | IN_THE_CHAPTER.keys() == written
    for identifier, words in IN_THE_CHAPTER.items():
        assert words in text_of(root, identifier), identifier


@pytest.mark.parametrize("identifier", CHECKS)
def test_right_answer(identifier):
    question = QUESTIONS[identifier]
    CHECKS[identifier](f"{question.right.text} {question.right.why}")


# Chapter 01 ---------------------------------------------------------------------------


@computes("more-sevens")
def _(said):
    digits = load_digits()
    pixels = np.concatenate([digits.x_train, digits.x_test])
    label = np.concatenate([digits.y_train, digits.y_test])
    lean = slant(pixels)
    first, in_use, _ = toss(lean, 2.0, np.random.default_rng(0))
    sevens = [np.mean(label[part] == 7) for part in (first, in_use)]
    assert max(sevens) > 3 * min(sevens)
    # p(x | y) moved: no label shift.
    leans = [lean[part][label[part] == 7] for part in (first, in_use)]
    apart = leans[0].mean() - leans[1].mean()
    assert apart > 4 * np.hypot(*(a.std() / np.sqrt(len(a)) for a in leans))


@computes("half-the-weights")
def _(said):
    weights = np.repeat([2.0, 0.0], 50)
    assert said.startswith(f"{effective_sample_size(weights):.0f} ")
    assert weights.sum() ** 2 == 10_000 and (weights**2).sum() == 200
    assert weights.mean() == 1 and effective_sample_size(np.ones(100)) == 100
    averages = random(20_000, 100) @ weights / weights.sum()
    np.testing.assert_allclose(1 / averages.var(), 50, rtol=0.05)


@computes("mean-of-weights")
def _(said):
    p0, p1 = np.array([0.5, 0.5, 0.0]), np.array([0.01, 0.01, 0.98])
    weights = p1[:2] / p0[:2]
    np.testing.assert_allclose(p0[:2] @ weights, p1[p0 > 0].sum())
    assert p0[:2] @ weights == pytest.approx(0.02)
    assert effective_sample_size(weights) == effective_sample_size(50 * weights) == 2
    assert np.isclose(p0[:2] @ (p0[:2] / p0[:2]), 1)  # nothing moved


@computes("first-step-of-adam")
def _(said):
    layer = Linear(2, 1, bias=False, generator=np.random.default_rng(0))
    before = layer.weight.copy()
    layer(np.array([[0.001, 10.0]])), layer.backward(np.ones((1, 1)))
    np.testing.assert_allclose(layer.gradients()["weight"], [[0.001, 10]])
    Adam(layer, lr=0.003).step()
    np.testing.assert_allclose(np.abs(layer.weight - before), 0.003, rtol=1e-4)
    assert "0.003" in said
    assert f"{0.003 * 0.001:f}" == "0.000003" and math.isclose(0.003 * 10, 0.03)


@computes("order-of-training")
def _(said):
    net = mlp((5, 4, 3, 2), norm=False, generator=np.random.default_rng(0))
    net.backward(cross_entropy(net(random(6, 5)), np.arange(6) % 2)[1])
    start = net.state_dict()
    assert all((start[k] == v).all() for k, v in net.parameters().items())
    SGD(net, lr=0.1).step()
    assert all((start[k] != v).any() for k, v in net.parameters().items())


@computes("five-weights-up")
def _(said):
    y = np.prod(np.full(5, 1.2))
    assert "2.5" in said and f"{y:.2f}" in said and y > 1 + 5 * 0.2
    assert np.prod(np.full(5, 0.8)) > 1 - 5 * 0.2  # on the way down: falls short


@computes("what-is-pinned")
def _(said):
    digits = load_digits()
    probe, moved, alike = digits.x_train[:256], {}, {}
    for norm in (False, True):
        g = np.random.default_rng(0)
        net = mlp((64, 100, 100, 100, 10), norm=norm, generator=g)
        frames = []
        for _ in range(2):
            outputs = list(trace(net, probe).outputs.items())
            last = [i for i, (name, _) in enumerate(outputs) if "ReLU" in name][2]
            frames.append(outputs[last - 1][1])
            train(net, SGD(net, 0.3), digits.x_train, digits.y_train, steps=300,
                  batch_size=60, generator=g)  # fmt: skip
        a, b = frames
        moved[norm] = np.mean(np.abs(b.mean(0) - a.mean(0)) / a.std(0))
        z = [(v - v.mean(0)) / (v.std(0) + 1e-9) for v in (a, b)]
        alike[norm] = np.mean(z[0] * z[1])
    assert moved[False] > 5 * moved[True] and max(alike.values()) < 0.8


@computes("factor-of-14")
def _(said):
    assert "2.1 million" in said and "31 million" in said
    assert round(31 / 13.3, 1) == 2.3 and 14 <= 31 / 2.1 < 15
    assert "13.3 million" in wrong_text("factor-of-14")


@computes("weights-times-0.7")
def _(said):
    digits = load_digits()
    x, y = digits.x_train[:64], digits.y_train[:64]

    def ratio(scale, seed):
        g = np.random.default_rng(seed)
        net = mlp((64, *[50] * 20, 10), norm=False, generator=g)
        for layer in net.layers[:-1]:
            if "weight" in layer.parameters():
                layer.weight[...] *= scale
        found = trace(net, x, y).gradients
        sizes = [np.linalg.norm(g) for name, g in found.items() if "Linear" in name]
        return sizes[0] / sizes[-2]

    # Not exactly, since the loss weighs the examples otherwise when the scores change.
    for seed in range(3):
        assert 600 < ratio(1, seed) / ratio(0.7, seed) < 1700
    assert 800 < 0.7**-19 < 1200 and "19th" in said


def test_numbers_of_the_reported_steps_are_in_the_chapter(root):
    text = text_of(root, "factor-of-14")
    assert "31 million steps" in text and "13.3 million" in text
    assert "(2.1 million)" in text and "five times the learning rate" in text


# Chapter 02 ---------------------------------------------------------------------------


@computes("largest-value")
def _(said):
    x = np.zeros((101, 1))
    x[3] = 1e6
    largest = batch_norm_forward(x, eps=1e-12)[0].max()
    assert said.startswith(f"At most {largest:.0f} ")
    assert np.abs(batch_norm_forward(random(101, 2000))[0]).max() > 3


@computes("correlation")
def _(said):
    x = random(200, 2)
    x[:, 1] = x[:, 0] + x[:, 1] / 3
    before = np.corrcoef(x, rowvar=False)[0, 1]
    after = np.corrcoef(batch_norm_forward(5 * x + 3)[0], rowvar=False)[0, 1]
    np.testing.assert_allclose(after, before, rtol=1e-9)
    assert said.startswith("0.95 ") and before < 0.99


@computes("quiet-feature")
def _(said):
    x = 0.01 * batch_norm_forward(random(50, 1), eps=1e-12)[0]
    sd = batch_norm_forward(x, eps=1e-3)[0].std()
    assert f"{sd:.1f}" in said and f"{sd:.2f}" == "0.30" and "0.30" in said
    assert f"{sd**2:.2f}" == "0.09" and "0.09" in wrong_text("quiet-feature")
    assert f"{math.sqrt(1e-3):.2f}" == "0.03"
    assert not batch_norm_forward(np.full((5, 1), 3.0), eps=1e-3)[0].any()


@computes("new-layer-in-use")
def _(said):
    x = 3 * random(6, 4) + 5
    y = BatchNorm(4, eps=1e-3).eval()(x)
    np.testing.assert_allclose(y, x / np.sqrt(1.001), rtol=1e-12)
    assert np.abs(y / x - 1).max() < 0.001


@computes("mean-of-5")
def _(said):
    def curvatures(mean, sd):
        return np.linalg.eigvalsh([[mean**2 + sd**2, mean], [mean, 1]])

    def condition(mean, sd):
        low, high = curvatures(mean, sd)
        return high / low

    assert f"{condition(5, 1):.0f}" in said and "727" in said
    assert condition(0, 1) == pytest.approx(1)
    wrong = wrong_text("mean-of-5")
    assert f"{condition(1, 0.2):.0f}" in wrong and "102" in wrong
    assert condition(25, 5) > condition(5, 1)
    assert curvatures(25, 5)[1] > curvatures(5, 1)[1]
    assert f"{2 / curvatures(5, 1)[1]:.2f}" == "0.07" and "0.07" in wrong


@computes("mean-of-a-channel")
def _(said):
    images, g = load_digits().x_train.reshape(-1, 8, 8), np.random.default_rng(0)
    ink, left = images[:, :, 1:], images[:, :, :-1]
    blurred = sum(images[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3))
    ratio = []
    for channel in (ink - left, blurred):
        rows = g.integers(len(channel), size=(2000, 8))
        drawn = channel.mean(axis=(1, 2))[rows].mean(axis=1).std()
        ratio.append(drawn / (channel.std() / np.sqrt(8 * channel[0].size)))
    assert ratio[0] < 0.7 and ratio[1] > 1.3
    assert ratio[1] < np.sqrt(blurred[0].size)  # which 8 values would give


@computes("variance-of-pairs")
def _(said):
    pairs = np.array(list(itertools.product([-1.0, 1.0], repeat=2)))  # variance 1
    assert said.startswith(f"{pairs.var(axis=1).mean()} ")
    assert f"{np.sqrt(0.5):.2f}" in wrong_text("variance-of-pairs")


@computes("safe-variance")
def _(said):
    x = (random(65_536, 4) + 1e4).astype(np.float32)
    exact = x.astype("f8").var(axis=0)
    shortcut = (x**2).mean(axis=0) - x.mean(axis=0) ** 2
    two = ((x - x.mean(axis=0)) ** 2).mean(axis=0)
    guess = x[0] + np.float32(0.5)
    left = x - guess
    corrected = (left**2).mean(axis=0) - left.mean(axis=0) ** 2
    assert np.abs(shortcut / exact - 1).min() > 1
    assert np.abs(two / exact - 1).min() > 0.1
    assert np.abs(corrected / exact - 1).max() < 1e-3
    assert np.spacing(np.float32(1e8)) == 8


# Chapter 03 ---------------------------------------------------------------------------


@computes("restore-the-input")
def _(said):
    x = np.array([[2.0], [4.0], [6.0], [8.0]])
    assert x.mean() == x.var() == 5

    def layer(gamma, beta):
        y = batch_norm_forward(x, np.array([gamma]), np.array([beta]), eps=1e-12)[0]
        return y[:, 0]

    np.testing.assert_allclose(layer(np.sqrt(5), 5.0), x[:, 0], rtol=1e-9)
    assert f"gamma = {np.sqrt(5):.2f}, beta = 5" in said
    assert layer(5.0, 5.0).round(1).tolist() == [-1.7, 2.8, 7.2, 11.7]
    assert "-1.7, 2.8, 7.2 and 11.7" in wrong_text("restore-the-input")
    assert f"{1 / np.sqrt(5):.2f}" == "0.45"
    for gamma, beta in ((5, 5), (0.45, -5), (1, 5)):
        assert np.abs(layer(float(gamma), float(beta)) - x[:, 0]).max() > 1


@computes("who-sets-gamma")
def _(said):
    net = Sequential(BatchNorm(3), Linear(3, 2, generator=np.random.default_rng(0)))
    assert (net[0].weight == 1).all() and "starts at 1" in said
    net.backward(cross_entropy(net(random(8, 3)), np.arange(8) % 2)[1])
    slope = net.gradients()["0.weight"].copy()
    SGD(net, lr=0.1).step()
    np.testing.assert_allclose(net[0].weight, 1 - 0.1 * slope)
    kept = net[0].weight.copy()
    net(5 * random(8, 3, seed=1))  # another batch
    np.testing.assert_array_equal(net[0].weight, kept)


@computes("how-many-gammas")
def _(said):
    assert said.startswith(f"{BatchNorm(64).weight.size} ")
    assert 64 * 32 * 32 == 65_536 and 64**2 == 4096


@computes("after-training")
def _(said):
    digits, g = load_digits(), np.random.default_rng(0)
    net = mlp((64, 128, 128, 128, 10), norm=True, generator=g)
    train(net, SGD(net, lr=0.1, momentum=0.9), digits.x_train, digits.y_train,
          steps=600, batch_size=64, generator=g)  # fmt: skip
    before, near = accuracy(net, digits.x_test, digits.y_test), []
    for i in (1, 4, 7):
        norm = net[i]
        root = np.sqrt(norm.running_var + norm.eps)
        close = np.abs(norm.weight / root - 1) < 0.1
        near.append(close & (np.abs(norm.bias - norm.running_mean) < 0.1 * root))
        assert abs(np.median(norm.weight) - 1) < 0.2 > abs(np.median(norm.bias))
        norm.weight[...], norm.bias[...] = 1, 0
    after = accuracy(net, digits.x_test, digits.y_test)
    assert np.mean(near) < 0.1 and abs(before - after) < 0.02


@computes("output-statistics")
def _(said):
    x = 2 * random(200, 1) + 7
    y, _ = batch_norm_forward(x, np.array([3.0]), np.array([-2.0]))
    assert said.startswith(f"{y.mean():.0f} and {y.std():.0f} ")
    assert f"{y.var():.0f}" == "9"


@computes("living-bias")
def _(said):
    g = np.random.default_rng(0)

    def largest(x, *between):
        net = Sequential(*between)
        y = net(x)
        net.backward(random(*y.shape, seed=1))
        return np.abs(net.gradients()["0.bias"]).max()

    x, images = random(8, 5), random(3, 2, 6, 5)
    linear = lambda: Linear(5, 4, generator=g)
    conv = Conv2d(2, 4, 3, padding=1, generator=g)
    assert largest(x, linear(), ReLU(), BatchNorm(4)) > 0.1
    assert largest(x, linear(), BatchNorm(4), ReLU()) < 1e-12
    assert largest(images, conv, BatchNorm(4), ReLU()) < 1e-12


@computes("saturated-behind-norm")
def _(said):
    x = random(500, 20)
    share = [
        np.mean(np.abs(batch_norm_forward(x, np.full(20, gamma))[0]) > 5)
        for gamma in (1.0, 20.0)
    ]
    assert share[0] < 0.01 and share[1] > 0.7 and "gamma = 20" in said
    assert f"{1 / np.sqrt(1e-5):.0f}" == "316"


@computes("loss-floor")
def _(said):
    a, b = 3, -1 / 3
    assert np.isclose(a + 9 * b, 0) and np.isclose((a**2 + 9 * b**2) / 10, 1)
    p = np.exp(a) / (np.exp(a) + 9 * np.exp(b))
    assert f"{p:.2f}" in said and 0.27 < -np.log(p) < 0.28
    assert f"{np.log(10):.1f}" in wrong_text("loss-floor")


@computes("merge-into-the-next-layer")
def _(said):
    x_hat, W = random(6, 4), random(3, 4, seed=1)
    gamma, beta = np.array([0.5, 1, 2, 3]), np.array([1, -1, 0.5, 2])
    relu = lambda z: np.maximum(z, 0)
    np.testing.assert_allclose(relu(gamma * x_hat) @ W.T, relu(x_hat) @ (W * gamma).T)
    # No weights and no bias behind it do what beta did.
    more = np.concatenate([x_hat, random(30, 4, seed=2)])
    want = relu(more + beta) @ W.T
    given = np.column_stack([relu(more), np.ones(len(more))])
    best, *_ = np.linalg.lstsq(given, want, rcond=None)
    assert np.abs(given @ best - want).max() > 0.1


# Chapter 04 ---------------------------------------------------------------------------


def closed(dy, x, eps=1e-5, gamma=1.0):
    gamma = np.full(x.shape[1], gamma)
    return batch_norm_backward(dy, batch_norm_forward(x, gamma, eps=eps)[1])[0]


@computes("mean-as-a-constant")
def _(said):
    u, t, b, losses = np.array([-1.0, 0, 1]), np.array([5.0, 6, 7]), 0.0, []
    for _ in range(1000):
        x_hat = (u + b) - np.mean(u + b)
        losses.append(np.mean((x_hat - t) ** 2))
        b -= 0.1 * np.mean(x_hat - t)
    assert b == pytest.approx(600) and np.ptp(losses) < 1e-9


@computes("large-eps")
def _(said):
    x, dy = random(6, 2), random(6, 2, seed=1)
    f = lambda z: (z - z.mean(0)) / np.sqrt(z.var(0) + 0.1)
    expected = numerical_gradient(f, x, dy)
    np.testing.assert_allclose(closed(dy, x, eps=0.1), expected, rtol=1e-6, atol=1e-9)


@computes("on-what-dx-depends")
def _(said):
    x, dy = random(64, 1), random(64, 1, seed=1)
    before = closed(dy, x)[3]
    for i in range(64):
        changed = dy.copy()
        changed[i] += 1
        assert abs(closed(changed, x)[3] - before) > 1e-6
    assert "64" in said


@computes("straight-line")
def _(said):
    x = random(9, 1)
    dy = 2 + 5 * x
    assert np.abs(closed(dy, x, eps=1e-12)).max() < 1e-9
    centred = dy - dy.mean()
    assert np.abs(centred).max() > 1


@computes("passed-the-check")
def _(said):
    x, ones, dy = random(40, 3), np.ones((40, 3)), random(40, 3, seed=1)
    inv_std = 1 / np.sqrt(x.var(0) + 1e-5)
    forgetful = lambda d: inv_std * (d - d.mean(0))
    assert max(np.abs(closed(ones, x)).max(), np.abs(forgetful(ones)).max()) < 1e-12
    assert np.abs(closed(dy, x) - forgetful(dy)).max() > 0.01  # gamma is 1 here


@computes("forgotten-two")
def _(said):
    text = inspect.getsource(staged_backward)
    planted = text.replace("first_part + 2 *", "first_part +")
    assert planted != text
    scope = {"np": np, "NDArray": np.ndarray}
    exec(planted, scope)  # noqa: S102
    values = staged_forward(random(7, 3), np.array([1.0, 2, 3]), np.zeros(3))
    dy = random(7, 3, seed=1)
    right, wrong = staged_backward(dy, values), scope["staged_backward"](dy, values)
    assert {k for k in right if not np.allclose(right[k], wrong[k])} == {"centred", "x"}
    assert len(NODES) == 9


@computes("in-use")
def _(said):
    x, dy, var = random(6, 2), random(6, 2, seed=1), np.array([2.0, 3])
    gamma = np.array([2.0, 0.5])
    _, cache = batch_norm_inference(x, np.ones(2), var, gamma)
    dx = batch_norm_inference_backward(dy, cache)[0]
    np.testing.assert_allclose(dx, gamma / np.sqrt(var + 1e-5) * dy, rtol=1e-12)


@computes("divided-by-m-minus-1")
def _(said):
    x, dy, m = random(5, 1), random(5, 1, seed=1), 5
    s = np.sqrt(x.var(ddof=1) + 0.3)
    x_hat = (x - x.mean()) / s
    f = lambda z: (z - z.mean()) / np.sqrt(z.var(ddof=1) + 0.3)
    expected = numerical_gradient(f, x, dy)
    share = np.sum(dy * x_hat) / (m - 1)
    right = (dy - dy.mean() - x_hat * share) / s
    np.testing.assert_allclose(right, expected, rtol=1e-6)
    plain = (dy - dy.mean() - x_hat * np.mean(dy * x_hat)) / s
    both = (dy - dy.sum() / (m - 1) - x_hat * share) / s
    for wrong in (plain, both, plain * m / (m - 1)):
        assert np.abs(wrong - expected).max() > 0.01


@computes("eigenvalues")
def _(said):
    x, eps = random(10, 1), 0.1
    x_hat = batch_norm_forward(x, eps=eps)[0]
    P = np.eye(10) - np.ones((10, 10)) / 10 - x_hat @ x_hat.T / 10
    expected = sorted([0, eps / (x.var() + eps), *[1] * 8])
    np.testing.assert_allclose(np.linalg.eigvalsh(P), expected, atol=1e-12)
    assert "eight times 1" in said


@computes("what-to-keep")
def _(said):
    x, dy, gamma = random(6, 2), random(6, 2, seed=1), np.array([2.0, 3])
    _, cache = batch_norm_forward(x, gamma)
    x_hat = (x - cache.mean) * cache.inv_std
    g = gamma * dy
    dx = cache.inv_std * (g - g.mean(0) - x_hat * (g * x_hat).mean(0))
    np.testing.assert_allclose(dx, batch_norm_backward(dy, cache)[0], rtol=1e-9)
    assert np.shares_memory(cache.x, x)


# Chapter 05 ---------------------------------------------------------------------------


def torch_layer(features=1, **options):
    return torch.nn.BatchNorm1d(features, dtype=torch.float64, **options)


@computes("momentum-copied")
def _(said):
    worth = {a: (2 - a) / a for a in (0.1, 0.9)}
    assert f"{worth[0.9]:.1f} batches instead of {worth[0.1]:.0f}" in said
    assert running.convert_momentum(0.9, "onnx", "pytorch") == pytest.approx(0.1)
    layer = torch_layer(momentum=0.9)
    layer(torch.tensor([[4.0], [6.0]], dtype=torch.float64))
    assert layer.running_mean.item() == pytest.approx(4.5)


@computes("no-grad-alone")
def _(said):
    layer = torch_layer(2)
    before = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        layer(torch.tensor(random(5, 2) + 3))
    changed = {k for k, v in layer.state_dict().items() if (v != before[k]).any()}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


@computes("keep-it-frozen")
def _(said):
    class Frozen(torch.nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    def moved(layer):
        network = torch.nn.Sequential(layer)
        network.train()
        network(torch.tensor(random(5, 2) + 3, dtype=torch.float32))
        return bool((layer.running_mean != 0).any())

    assert not moved(Frozen(2))
    assert moved(torch.nn.BatchNorm1d(2).requires_grad_(False))
    assert moved(torch.nn.BatchNorm1d(2).eval())
    assert moved(torch.nn.BatchNorm1d(2))


@computes("first-update")
def _(said):
    x, ours, theirs = np.array([[1.0], [3.0]]), BatchNorm(1), torch_layer()
    ours(x), theirs(torch.tensor(x))
    for layer in (ours, theirs):
        assert float(layer.running_var[0]) == pytest.approx(1.1)
    assert said.startswith("1.1 ")
    biased, unbiased = x.var(), x.var(ddof=1)
    assert (biased, unbiased) == (1, 2) and 0.9 + 0.1 * biased == 1
    assert 0.1 + 0.9 * unbiased == pytest.approx(1.9)


@computes("half-forgotten")
def _(said):
    reading, t = 1.0, 0
    while reading > 0.5:
        reading, t = running.exponential_average(reading, 0.0, 0.01), t + 1
    assert said.startswith(f"{t} ") and t == 69
    assert f"{0.99**100:.2f}" in wrong_text("half-forgotten")
    assert round(np.log(0.5) / np.log(0.9)) == 7


@computes("batches-in-use")
def _(said):
    net = mlp((5, 8, 3), norm=True, generator=np.random.default_rng(0))
    x = random(12, 5)
    net(x)
    net.eval()
    for size in (1, 3, 12):
        parts = np.concatenate([net(part) for part in np.split(x, 12 // size)])
        np.testing.assert_allclose(parts, net(x), rtol=0, atol=1e-12)


@computes("scatter-of-one-example")
def _(said):
    batch = random(64, 20_000)
    batch[0] = 0
    sd = batch_norm_forward(batch, eps=1e-12)[0][0].std()
    assert 0.12 < sd < 0.135 and "0.13" in said
    assert f"{1 / 64:.3f}" in wrong_text("scatter-of-one-example")


def test_a_single_value_says_next_to_nothing_in_the_game():
    g = np.random.default_rng(0)
    offset, label = g.normal(0, 10, (2000, 1)), g.integers(0, 2, (2000, 32))
    x = offset + 2 * label - 1
    best = (1 + math.erf(0.1 / math.sqrt(2))) / 2
    assert 0.53 < best < 0.55  # hardly more than half
    assert abs(np.mean((x > 0) == label) - best) < 0.02
    inside = [
        (batch_norm_forward(s[:, None])[0][:, 0] > 0) == t
        for s, t in zip(x, label, strict=True)
    ]
    assert np.mean(inside) > 0.99
    # A session lies ten spreads from the mean of all.
    assert abs(offset.std() / x.std(axis=1).mean() - 10) < 0.5


def test_statistics_of_all_sessions_do_not_help():
    g = np.random.default_rng(0)
    x = (g.normal(0, 10, (400, 1)) + 2 * g.integers(0, 2, (400, 32)) - 1).reshape(-1, 1)
    label = (
        x.reshape(400, 32) > x.reshape(400, 32).mean(axis=1, keepdims=True)
    ).ravel()
    layer = Sequential(BatchNorm(1))
    for size in (32, len(x)):
        update_bn(layer, x, batch_size=size)
        layer.eval()
        assert np.mean((layer(x)[:, 0] > 0) == label) < 0.6


# Chapter 06 ---------------------------------------------------------------------------


@computes("gradient-of-a-pair")
def _(said):
    dy = random(2, 1)
    size = {}
    for m, values in (("pair", [[0.0], [1.0]]), ("equal", [[1.0], [1.0]])):
        size[m] = np.abs(closed(dy, np.array(values))).max()
    size["many"] = np.abs(closed(random(16, 1), random(16, 1, seed=1))).max()
    assert size["pair"] < 1e-3 * size["many"]
    half = np.abs(dy[0] - dy[1])[0] / 2
    np.testing.assert_allclose(size["equal"] / half, 316, rtol=1e-3)


@computes("averages-over-25")
def _(said):
    shape = (4, 12, 5, 5)
    found = {
        "Instance norm": norms.instance_layout(shape),
        "Batch norm": norms.batch_layout(shape),
        "Layer norm over (C, H, W)": norms.layer_layout(shape, shape[1:]),
        "Group norm with 3 groups": norms.group_layout(shape, 3),
        "Group norm with 12 groups": norms.group_layout(shape, 12),
    }
    m = {k: math.prod(v.view[a] for a in v.axes) for k, v in found.items()}
    assert list(m.values()) == [25, 100, 300, 100, 25]
    question = QUESTIONS["averages-over-25"]
    assert [c.text for c in question.choices if m[c.text] == 25] == ["Instance norm"]


def outputs(x, eps=1e-14):
    return {
        "Batch norm": norms.batch_norm_forward(x, eps=eps)[0],
        "Layer norm": norms.layer_norm_forward(x, x.shape[1:], eps=eps)[0],
        "Instance norm": norms.instance_norm_forward(x, eps=eps)[0],
        "Group norm": norms.group_norm_forward(x, 3, eps=eps)[0],
        "RMS norm": norms.rms_norm_forward(x, x.shape[1:], eps=eps)[0],
    }


def changed_by(change, identifier):
    x = random(4, 6, 5)
    other = x.copy()
    other[0] = change(other[0])
    a, b = outputs(x), outputs(other)
    texts = [choice.text for choice in QUESTIONS[identifier].choices]
    return [name for name in texts if not np.allclose(a[name][0], b[name][0])]


@computes("image-times-3")
def _(said):
    assert changed_by(lambda image: 3 * image, "image-times-3") == ["Batch norm"]
    assert said.startswith("Batch norm ")


@computes("image-plus-3")
def _(said):
    assert changed_by(lambda image: image + 3, "image-plus-3") == ["RMS norm"]
    assert said.startswith("RMS norm ")


@computes("one-group")
def _(said):
    group, layer = GroupNorm(1, 16), LayerNorm((16, 8, 8))
    x = random(3, 16, 8, 8)
    np.testing.assert_allclose(group(x), layer(x), rtol=0, atol=1e-12)
    counts = [sum(p.size for p in n.parameters().values()) for n in (group, layer)]
    assert f"{counts[0]} numbers against {counts[1]:,} " in said


@computes("who-needs-running-averages")
def _(said):
    x = random(4, 6, 5)
    made = BatchNorm(6), LayerNorm((6, 5)), InstanceNorm(6), GroupNorm(2, 6), RMSNorm(5)
    same = [np.allclose(norm(x), norm.eval()(x)) for norm in made]
    assert same == [False, True, True, True, True]


def test_numbers_behind_a_mean_of_two_images(root):
    said = QUESTIONS["two-images"].right.why
    for shape, count in (((2, 8, 8, 8), 128), ((2, 16, 4, 4), 32)):
        layout = norms.batch_layout(shape)
        assert math.prod(layout.view[a] for a in layout.axes) == count
        assert str(count) in said
    text = text_of(root, "two-images")
    assert "23.6 % with 32 images per processor and 34.7 % with 2" in text


@computes("one-more-word")
def _(said):
    longer = random(2, 6, 8)
    text = longer[:, :5]

    def kept(norm):
        return np.allclose(norm(text), norm(longer)[:, :5])

    assert kept(lambda t: norms.layer_norm_forward(t, 8)[0])
    assert not kept(lambda t: norms.layer_norm_forward(t, t.shape[1:])[0])
    swapped = lambda t: norms.instance_norm_forward(t.swapaxes(1, 2))[0]
    assert not kept(lambda t: swapped(t).swapaxes(1, 2))


@computes("faded-or-not")
def _(said):
    x = load_digits(images=True).x_test[:50]
    plain, faded = (
        norms.instance_norm_forward(a, eps=1e-9)[0] for a in (x, x / 4 + 0.5)
    )
    assert np.abs(plain - faded).max() < 1e-5


@computes("sum-of-dx")
def _(said):
    x, dy, gamma = random(4, 30), random(4, 30, seed=1), 1 + random(30, seed=2)
    left = {}
    for name in ("layer", "rms"):
        _, cache = getattr(norms, f"{name}_norm_forward")(x, 30, gamma)
        dx = getattr(norms, f"{name}_norm_backward")(dy, cache)[0]
        left[name] = np.abs(dx.sum(axis=1)).max()
    _, cache = norms.group_norm_forward(x[..., None], 3, gamma)
    dx = norms.group_norm_backward(dy[..., None], cache)[0]
    left["group"] = np.abs(dx.reshape(4, 3, 10).sum(axis=2)).max()
    assert max(left["layer"], left["group"]) < 1e-12 and left["rms"] > 0.1


# Chapter 07 ---------------------------------------------------------------------------


def first_step(rate, scale=1.0, norm=lambda n: BatchNorm(n, eps=1e-14)):
    """Make one step of the hidden weights, and give them in units of the scale."""
    digits = load_digits()
    net = mlp((64, 20, 10), norm=norm, generator=np.random.default_rng(0))
    net[0].weight *= scale
    net.backward(cross_entropy(net(digits.x_train[:64]), digits.y_train[:64])[1])
    SGD(net, rate, only=("0.weight",)).step()
    return net[0].weight / scale, net.gradients()["0.weight"]


@computes("a-third-of-the-scale")
def _(said):
    before, gradient = first_step(0.9)
    for choice in QUESTIONS["a-third-of-the-scale"].choices:
        after, steeper = first_step(float(choice.text), 1 / 3)
        same = np.allclose(after, before, rtol=1e-9, atol=1e-12)
        assert same == (choice.text == said.split()[0])
    np.testing.assert_allclose(steeper, 3 * gradient, rtol=1e-9, atol=1e-12)
    after, _ = first_step(8.1, 3)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)


@computes("steps-at-a-price")
def _(said):
    steps, price = {"plain": 200, "norm": 80}, 3
    assert steps["norm"] * price > steps["plain"]
    assert f"{steps['norm'] * price} plain ones" in said
    assert steps["norm"] / steps["plain"] == 2 / 5


def test_accuracy_after_400_steps_is_as_the_quiz_says(root):
    text = text_of(root, "steps-at-a-price")
    assert (
        "assert lead > (0.03 if steps == 60 else 0) and (steps == 60 or lead <" in text
    )
    assert "about a point ahead" in text


def test_answers_about_batches_of_eight_and_64_are_in_the_chapter(root):
    text = text_of(root, "pairs-at-the-best-rate")
    assert "np.median(best[8][1]) > np.median(best[8][0]) - 0.05" in text
    assert "min(best[64][1]) > max(best[64][0])" in text


@computes("ten-and-fifty-four")
def _(said):
    digits = load_digits()
    x, y = digits.x_train[:64], digits.y_train[:64]
    net = mlp((64, 20, 10), norm=LayerNorm, generator=np.random.default_rng(0))

    def gradient(rows):
        net.backward(cross_entropy(net(x[rows]), y[rows])[1])
        return net.gradients()["0.weight"].copy()

    small, large, whole = (
        gradient(slice(*ends)) for ends in ((0, 10), (10, 64), (0, 64))
    )
    np.testing.assert_allclose(
        10 / 64 * small + 54 / 64 * large, whole, rtol=1e-9, atol=1e-14
    )
    assert np.linalg.norm((small + large) / 2 - whole) > 0.1 * np.linalg.norm(whole)
    length = np.linalg.norm(small + large) / np.linalg.norm(whole)
    assert 1.7 < length < 2.6 and "twice as long" in wrong_text("ten-and-fifty-four")
    assert (0.5 / 10) / (0.5 / 54) == pytest.approx(5.4)
    assert "5.4 times" in said and "10/64 and 54/64" in said


@computes("what-moves-the-bias")
def _(said):
    digits = load_digits()
    x, y = digits.x_train[:256].astype(np.float32), digits.y_train[:256]

    def moved(make, dtype):
        g = np.random.default_rng(0)
        net = Sequential(
            Linear(64, 32, dtype=dtype, generator=g),
            BatchNorm(32, dtype=dtype),
            ReLU(),
            Linear(32, 10, init="xavier", dtype=dtype, generator=g),
        )
        start = net[0].bias.copy()
        train(net, make(net), x.astype(dtype), y, steps=60, batch_size=64, generator=g)
        return np.abs(net[0].bias - start).max(), np.abs(
            net.gradients()["0.bias"]
        ).max()

    adam, gradient = moved(lambda net: Adam(net, lr=0.01), np.float32)
    assert 0 < gradient < 1e-6 and adam > 0.01
    assert moved(lambda net: Adam(net, lr=0.01), np.float64)[0] < 1e-6
    assert moved(lambda net: SGD(net, 0.1), np.float32)[0] < 1e-5
    assert moved(lambda net: SGD(net, 0.1, momentum=0.9), np.float32)[0] < 1e-5
    assert round(1 / (1 - 0.9)) == 10  # gradients that momentum adds up
    # No effect through eps.
    a = random(6, 3)
    ys = [batch_norm_forward(a + b, eps=0.5)[0] for b in (0, 7)]
    np.testing.assert_allclose(*ys, rtol=0, atol=1e-12)


@computes("test-by-its-own")
def _(said):
    x = 2 * random(12, 5) + 3

    def own(rows):
        left = rows - rows.mean(axis=0)
        return left / np.where(left.any(axis=0), rows.std(axis=0), 1)

    assert np.abs(own(x)[0] - own(x[:6])[0]).max() > 0.1
    assert not own(x[:1]).any()
    layer = BatchNorm(5)
    layer(x)
    layer.eval()
    np.testing.assert_array_equal(layer(x)[:6], layer(x[:6]))


@computes("what-is-thrown-away")
def _(said):
    x = 2 * random(32, 50) + 3
    x_hat, cache = batch_norm_forward(x)
    np.testing.assert_allclose(x_hat / cache.inv_std + cache.mean, x, atol=1e-12)
    assert said.startswith(f"{cache.inv_std.size + cache.mean.size} ")
    assert 2 * len(x) == 64 and x.size == 1600
    doubled = batch_norm_forward(2 * x, eps=1e-14)[0]
    np.testing.assert_allclose(doubled, batch_norm_forward(x, eps=1e-14)[0], atol=1e-10)


@computes("spread-in-use")
def _(said):
    x = random(200_000, 1)
    drop, norm = Dropout(0.5, generator=np.random.default_rng(1)), BatchNorm(1)
    norm.momentum = 1.0
    dropped = drop(x)
    norm(dropped)
    for layer in (drop, norm):
        layer.eval()
    spread = norm(drop(x)).std()
    np.testing.assert_allclose(dropped.var(), 2, rtol=0.02)
    assert said.startswith(f"{spread:.2f} ")
    assert f"{spread**2:.1f}" == "0.5" and f"{np.sqrt(2):.2f}" == "1.41"


@computes("ten-steps-of-decay")
def _(said):
    rates = EXERCISES["rates-without-decay"].reference(np.full(11, 0.1), 0.5)
    grown = rates[10] / rates[0]
    assert said.startswith(f"{grown:.1f} ") and 1 - 0.1 * 0.5 == 0.95
    assert grown == pytest.approx(0.95**-20)
    texts = [c.text for c in QUESTIONS["ten-steps-of-decay"].choices]
    assert {f"{0.95**-10:.1f}", f"{0.95**20:.2f}"} <= set(texts)


# Chapter 08 ---------------------------------------------------------------------------


def normed_gradient(w, seed=0):
    """Loss and gradient of weights in front of a batch norm."""
    x, dout = random(12, w.shape[1], seed=seed), random(12, len(w), seed=seed + 1)
    y, cache = batch_norm_forward(x @ w.T, eps=1e-14)
    return np.sum(np.tanh(y) * dout), (
        batch_norm_backward((1 - np.tanh(y) ** 2) * dout, cache)[0].T @ x
    )


@computes("three-times-as-long")
def _(said):
    w = random(3, 5)
    (loss, g), (same, short) = normed_gradient(w), normed_gradient(3 * w)
    assert loss == pytest.approx(same, rel=1e-9) and "3 times shorter" in said
    np.testing.assert_allclose(g, 3 * short, rtol=1e-9)
    turns = [np.linalg.norm(a) / np.linalg.norm(b) for a, b in ((g, w), (short, 3 * w))]
    assert turns[0] == pytest.approx(9 * turns[1])


@computes("twelve-and-five")
def _(said):
    w = random(3, 5)
    w *= 12 / np.linalg.norm(w)
    _, g = normed_gradient(w)
    after = np.linalg.norm(w - 5 * g / np.linalg.norm(g))
    assert after == pytest.approx(13) and said.startswith("13 ")


@computes("four-times-the-rate")
def _(said):
    def walk(eta, lam, rho, steps=4000):
        g = np.random.default_rng(0)
        w, u, found = g.standard_normal(60) / 8, 0.0, []
        for _ in range(steps):
            noise = g.standard_normal(60)
            noise -= w * (w @ noise) / (w @ w)
            u = rho * u + noise / np.linalg.norm(noise) / np.linalg.norm(w) + lam * w
            new = w - eta * u
            cosine = w @ new / np.linalg.norm(w) / np.linalg.norm(new)
            found.append((np.arccos(cosine), np.linalg.norm(new)))
            w = new
        return np.mean(found[steps // 2 :], axis=0)

    turn, length = walk(0.2, 0.1, 0.5) / walk(0.05, 0.1, 0.5)
    assert said.startswith("2 ")
    np.testing.assert_allclose(turn, 2, rtol=0.03)
    np.testing.assert_allclose(length, 4**0.25, rtol=0.05)
    wrong = wrong_text("four-times-the-rate")
    assert f"{4**0.25:.2f}" == "1.41" and wrong.count("1.41") == 2


@computes("what-decay-does")
def _(said):
    net = mlp((6, 5, 4, 3), norm=True, generator=np.random.default_rng(0))
    x = random(9, 6)
    before = net(x)
    gammas = [net[i].weight.copy() for i in (1, 4)]
    for i in (0, 3):
        net[i].weight *= 0.5
    np.testing.assert_allclose(net(x), before, rtol=0, atol=1e-3)  # eps is 1e-5
    assert all((net[i].weight == g).all() for i, g in zip((1, 4), gammas, strict=True))


@computes("degrees-1-and-3")
def _(said):
    t, weights = np.polynomial.hermite_e.hermegauss(20)
    weights /= weights.sum()
    values = t + (t**3 - 3 * t) / np.sqrt(6)
    slopes = 1 + (3 * t**2 - 3) / np.sqrt(6)
    np.testing.assert_allclose(weights @ values**2, 2)
    chi = weights @ slopes**2 / (weights @ values**2 - (weights @ values) ** 2)
    assert said.startswith(f"{chi:.0f} ") and chi == pytest.approx((1 + 3) / 2)
    wrong = wrong_text("degrees-1-and-3")
    assert f"{np.sqrt(chi):.2f}" in wrong and (1 + 9) / 2 == 5 and "5, with" in wrong


def blocks(depth, width, generator, gamma=None):
    """Residual blocks of the chapter, with norms if there are gammas."""
    made = []
    for l in range(depth):
        branch = [ReLU(), Linear(width, width, generator=generator)]
        if gamma is not None:
            branch.append(BatchNorm(width))
            branch[-1].weight[...] = gamma[l]
        made.append(Residual(*branch))
    return Sequential(*made)


@computes("branch-without-norm")
def _(said):
    h, ratios, sizes = random(64, 600), [], []
    net = blocks(12, 600, np.random.default_rng(1))
    for block in net.layers:
        before, h = h, block(h)
        ratios.append(np.sum((h - before) ** 2) / np.sum(before**2))
        sizes.append(np.sum(h**2) / np.sum(before**2))
    assert "as large as its stream" in said and "doubles the square" in said
    # Each within some per cent, as the weights are random.
    np.testing.assert_allclose(ratios, 1, rtol=0.25)
    np.testing.assert_allclose([np.mean(ratios), np.mean(sizes) - 1], 1, rtol=0.06)
    dout = random(64, 600, seed=2)
    grown = np.sum(net.backward(dout) ** 2) / np.sum(dout**2)
    np.testing.assert_allclose(grown ** (1 / 12), 2, rtol=0.05)


@computes("gamma-at-zero")
def _(said):
    net = blocks(5, 30, np.random.default_rng(1), gamma=np.zeros(5))
    x, dout = random(16, 30), random(16, 30, seed=2)
    np.testing.assert_array_equal(net(x), x)
    np.testing.assert_array_equal(net.backward(dout), dout)
    assert said.startswith("Not at all")


def test_every_quiz_is_looked_at():
    asked = [q for chapter in QUIZZES for q in find_quiz(chapter)]
    assert len(asked) == len(QUESTIONS) >= 50
    assert all(re.fullmatch(r"\d\d_\w+", q.right.section.page) for q in asked)
