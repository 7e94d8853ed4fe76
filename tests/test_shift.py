"""Weights, classifier and test for covariate shift, against independent routes."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from bnlearn.shift import (
    density_ratio,
    effective_sample_size,
    fisher_exact,
    logistic_regression,
    probability,
    two_sample_test,
)


def sample(count=90, width=3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal([1, -2, 0.5][:width], [1, 3, 0.2][:width], (count, width))
    y = (x[:, 0] + 0.5 * x[:, 1] + generator.standard_normal(count) > 0).astype(int)
    return x, y, generator.uniform(0.1, 5, count)


# Effective sample size ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "size"),
    [([2.0] * 7, 7), ([1, 0, 0], 1), ([1, 1, 2], 16 / 6), ([1e200, 1e200], 2)],
)
def test_effective_sample_size_of_known_cases(weights, size):
    np.testing.assert_allclose(effective_sample_size(weights), size, rtol=1e-12)


def test_effective_sample_size_is_the_variance_of_a_weighted_mean():
    weights = np.array([0.5, 3.0, 1.0, 0.1])
    share = weights / weights.sum()
    # The variance of sum share_i a_i, by the covariance matrix of independent a_i.
    variance = share @ np.eye(4) @ share
    np.testing.assert_allclose(effective_sample_size(weights), 1 / variance)


@pytest.mark.parametrize("bad", [[], [0, 0], [1, -1], [np.nan, 1], [np.inf], [[1, 2]]])
def test_bad_weights_are_refused(bad):
    with pytest.raises(ValueError, match="effective_sample_size: expected .* weights"):
        effective_sample_size(bad)


# Logistic regression ------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_regression_equals_scikit_learn(penalty, weighted):
    x, y, weights = sample()
    given = weights if weighted else None
    ours = logistic_regression(x, y, given, penalty=penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
    theirs.fit(x, y, sample_weight=weights / weights.mean() if weighted else None)
    # Both stop at a small gradient, theirs near 1e-8 relative to the coefficients.
    np.testing.assert_allclose(ours[:-1], theirs.coef_[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours[-1], theirs.intercept_[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        probability(ours, x), theirs.predict_proba(x)[:, 1], atol=1e-5
    )


def test_the_gradient_vanishes_at_the_fit():
    x, y, weights = sample(seed=1)
    fitted = logistic_regression(x, y, weights, penalty=2.0)

    def loss(at):
        p = probability(at, x)
        log_p = np.where(y == 1, np.log(p), np.log(1 - p))
        return -(weights / weights.mean()) @ log_p + (at[:-1] ** 2).sum()

    for step in np.eye(4) * 1e-5:
        difference = (loss(fitted + step) - loss(fitted - step)) / 2e-5
        assert abs(difference) < 1e-5  # central differences of a loss near 30


def test_a_weight_counts_like_a_repetition():
    x, y, _ = sample(20)
    counts = np.random.default_rng(0).integers(1, 4, 20)
    repeated = logistic_regression(np.repeat(x, counts, 0), np.repeat(y, counts))
    scale = counts.mean()  # weights are scaled to an average of 1
    weighted = logistic_regression(x, y, counts, penalty=1 / scale)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-6)


def test_separable_and_far_inputs_have_a_finite_fit():
    x = np.array([[-3e3], [-1e3], [1e3], [2e3]])
    fitted = logistic_regression(x, np.array([0, 0, 1, 1]), penalty=1e-6)
    assert np.isfinite(fitted).all()
    np.testing.assert_allclose(probability(fitted, x), [0, 0, 1, 1], atol=0.01)


def test_nothing_is_changed_and_float32_is_taken():
    x, y, weights = sample()
    copies = x.copy(), y.copy(), weights.copy()
    wide = logistic_regression(x, y, weights)
    for a, b in zip((x, y, weights), copies, strict=True):
        np.testing.assert_array_equal(a, b)
    narrow = logistic_regression(x.astype("f4"), y, weights.astype("f4"))
    np.testing.assert_allclose(narrow, wide, rtol=1e-4)  # inputs rounded to 6e-8


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.zeros(4), np.zeros(4, int), {}, r"expected x \(n, d\) and y \(n,\)"),
        (np.zeros((4, 2)), np.zeros(3, int), {}, r"got \(4, 2\) and \(3,\)"),
        (np.zeros((2, 2)), np.array([0, 2]), {}, "expected y of 0 and 1 only"),
        (np.zeros((2, 2)), np.array([0, 1]), {"penalty": 0}, "expected penalty > 0"),
        (
            np.zeros((2, 2)),
            np.array([0, 1]),
            {"weights": [1, 2, 3]},
            "expected 2 finite weights",
        ),
    ],
)
def test_bad_arguments_are_refused(x, y, options, message):
    with pytest.raises(ValueError, match=f"logistic_regression: .*{message}"):
        logistic_regression(x, y, **options)


def test_too_few_steps_are_said():
    x, y, _ = sample()
    with pytest.raises(RuntimeError, match="no minimum after 1 steps"):
        logistic_regression(x, y, max_steps=1)


# Density ratio ------------------------------------------------------------------------


def gaussians(counts, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.normal(i, 1, (n, 1)) for i, n in enumerate(counts)]


@pytest.mark.parametrize("counts", [(20_000, 20_000), (30_000, 10_000)])
def test_ratio_of_two_gaussians(counts):
    a, b = gaussians(counts)
    ratio = density_ratio(a, b)
    exact = np.exp(a[:, 0] - 0.5)  # N(1, 1) over N(0, 1)
    np.testing.assert_allclose(np.log(ratio), np.log(exact), atol=0.15)
    np.testing.assert_allclose(ratio.mean(), 1, atol=0.05)
    # The weighted mean of a training sample is the mean in use.
    np.testing.assert_allclose(ratio @ a[:, 0] / ratio.sum(), 1, atol=0.1)


def test_ratio_does_not_overflow_where_the_samples_are_far_apart():
    ratio = density_ratio(np.zeros((5, 1)), np.full((6, 1), 1e6))
    assert np.isfinite(ratio).all()


@pytest.mark.parametrize("shapes", [((4, 2), (4, 3)), ((4,), (4, 1)), ((0, 2), (4, 2))])
def test_tables_of_different_width_are_refused(shapes):
    a, b = map(np.zeros, shapes)
    with pytest.raises(ValueError, match="density_ratio: expected two tables"):
        density_ratio(a, b)
    with pytest.raises(ValueError, match="two_sample_test: expected two tables"):
        two_sample_test(a, b, np.random.default_rng(0))


# The test for a shift -----------------------------------------------------------------


def test_fisher_exact_equals_scipy():
    generator = np.random.default_rng(0)
    for n in (7, 30, 151):
        said, truth = generator.random((2, n)) < [[0.3], [0.6]]
        table = [
            [np.sum(said & truth), np.sum(said & ~truth)],
            [np.sum(~said & truth), np.sum(~said & ~truth)],
        ]
        exact = stats.fisher_exact(table, alternative="greater").pvalue
        np.testing.assert_allclose(fisher_exact(said, truth), exact, rtol=1e-9)


def test_fisher_exact_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"fisher_exact: expected one shape"):
        fisher_exact([True, False], [True])


def alarms(make, repetitions):
    found = []
    for seed in range(repetitions):
        generator = np.random.default_rng(seed)
        a, b = make(generator)
        found.append(two_sample_test(a, b, generator)[1] <= 0.05)
    return np.mean(found)


@pytest.mark.parametrize("counts", [(80, 80), (120, 50)])
def test_false_alarms_are_no_more_than_promised(counts):
    rate = alarms(lambda g: [g.standard_normal((n, 4)) for n in counts], 600)
    assert 0.005 < rate < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)


def test_a_shift_is_found():
    rate = alarms(
        lambda g: [g.normal(m, 1, (n, 4)) for m, n in ((0, 120), (1, 50))], 40
    )
    assert rate == 1


def test_held_out_inputs_were_not_learned():
    # 40 columns for 40 rows: what was learned is told apart perfectly, the rest not.
    generator = np.random.default_rng(0)
    scores = [
        two_sample_test(*generator.standard_normal((2, 40, 40)), generator)[0]
        for _ in range(50)
    ]
    np.testing.assert_allclose(np.mean(scores), 0.5, atol=0.05)


def test_tiny_samples_are_refused():
    with pytest.raises(ValueError, match="two_sample_test: expected 4 rows"):
        two_sample_test(np.zeros((3, 2)), np.ones((9, 2)), np.random.default_rng(0))
