"""The digits, their split, and the stream of mini-batches."""

import numpy as np
import pytest
from sklearn.datasets import load_digits as original

from bnlearn.data import (
    Split,
    batches,
    grouped_batches,
    load_digits,
    photocopy,
    slant,
    toss,
)


def test_shapes_and_dtypes():
    split = load_digits()
    assert isinstance(split, Split)
    assert [a.shape for a in split] == [(1297, 64), (1297,), (500, 64), (500,)]
    assert [a.dtype.name for a in split] == ["float64", "int64", "float64", "int64"]
    images = load_digits(images=True, dtype="f4", n_test=300)
    assert images.x_train.shape == (1497, 1, 8, 8)
    assert images.x_test.shape == (300, 1, 8, 8)
    assert images.x_train.dtype == images.x_test.dtype == np.float32


def test_values():
    split = load_digits()
    for x, y in [(split.x_train, split.y_train), (split.x_test, split.y_test)]:
        assert x.min() == 0 and x.max() == 1
        # Counts from 0 to 16, divided by 16: exact in binary.
        assert (x * 16 == np.round(x * 16)).all()
        assert set(y) == set(range(10))


def test_nothing_is_lost_or_doubled():
    split, bunch = load_digits(), original()
    together = np.concatenate([split.x_train, split.x_test])
    labels = np.concatenate([split.y_train, split.y_test])
    ours = sorted(map(tuple, np.column_stack([together * 16, labels])))
    theirs = sorted(map(tuple, np.column_stack([bunch.data, bunch.target])))
    assert ours == theirs


def test_images_are_the_rows():
    rows, images = load_digits(), load_digits(images=True)
    np.testing.assert_array_equal(images.x_test.reshape(500, 64), rows.x_test)
    np.testing.assert_array_equal(images.y_test, rows.y_test)


def test_split_is_reproducible(monkeypatch):
    one, two, other = load_digits(), load_digits(), load_digits(seed=1)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.y_test != other.y_test).any()
    # Repetitions of an experiment share one split.
    monkeypatch.setenv("BNLEARN_SEED", "5")
    np.testing.assert_array_equal(load_digits().x_test, one.x_test)


def test_some_pixels_are_constant_and_many_vary_little():
    split = load_digits()
    everything = np.concatenate([split.x_train, split.x_test])
    std = everything.std(axis=0)
    assert np.flatnonzero(std == 0).tolist() == [0, 32, 39]
    assert set(np.flatnonzero(split.x_train.std(axis=0) == 0)) >= {0, 32, 39}
    # A tenth of the largest deviation, or less.
    assert (std < std.max() / 10).sum() >= 10


@pytest.mark.parametrize("n_test", [0, -1, 1797, 5000])
def test_bad_sizes_are_refused(n_test):
    message = f"load_digits: expected n_test from 1 to 1796, got {n_test}"
    with pytest.raises(ValueError, match=message):
        load_digits(n_test=n_test)
    assert len(load_digits(n_test=1796).x_train) == 1


@pytest.mark.parametrize(("count", "size"), [(10, 3), (12, 4), (5, 5), (7, 1), (9, 5)])
def test_each_example_comes_at_most_once_in_an_epoch(count, size):
    stream = batches(count, size, np.random.default_rng(0))
    orders = []
    for _ in range(4):
        epoch = [next(stream) for _ in range(count // size)]
        assert {len(rows) for rows in epoch} == {size}
        seen = np.concatenate(epoch)
        assert len(set(seen)) == len(seen) == count // size * size
        assert seen.min() >= 0 and seen.max() < count
        orders.append(tuple(seen))
    assert len(set(orders)) == 4  # shuffled anew


def test_the_rest_of_an_epoch_is_dropped_but_not_always_the_same():
    stream = batches(5, 2, np.random.default_rng(0))
    left_out = {
        (set(range(5)) - set(next(stream)) - set(next(stream))).pop() for _ in range(60)
    }
    assert left_out == set(range(5))


def test_batches_are_reproducible():
    one, two = (batches(20, 6, np.random.default_rng(3)) for _ in range(2))
    for _ in range(10):
        np.testing.assert_array_equal(next(one), next(two))


@pytest.mark.parametrize(("count", "size"), [(5, 6), (5, 0), (5, -1), (0, 1)])
def test_bad_batch_sizes_are_refused_at_once(count, size):
    message = f"batches: expected batch_size from 1 to {count}, got {size}"
    with pytest.raises(ValueError, match=message):
        batches(count, size, np.random.default_rng(0))


GROUPS = np.array([7, 7, 7, 2, 2, 2, 2, 5, 5, 5])


@pytest.mark.parametrize(("per_batch", "size"), [(1, 3), (2, 5), (3, 10)])
def test_grouped_batches_hold_few_groups(per_batch, size):
    stream, met = grouped_batches(GROUPS, per_batch, size, np.random.default_rng(0)), []
    for _ in range(100):
        rows = next(stream)
        assert len(rows) == len(set(rows)) == size
        assert len(set(GROUPS[rows])) <= per_batch
        met.append(frozenset(GROUPS[rows]))
    assert set().union(*met) == {2, 5, 7}
    assert max(map(len, met)) == per_batch


def test_groups_are_equally_likely_and_all_their_rows_come():
    stream = grouped_batches(GROUPS, 1, 2, np.random.default_rng(0))
    drawn = np.array([next(stream) for _ in range(3000)])
    share = np.bincount(GROUPS[drawn[:, 0]])[[2, 5, 7]] / 3000
    np.testing.assert_allclose(share, 1 / 3, atol=0.04)  # one sd: 0.009
    assert set(drawn.ravel()) == set(range(10))


def test_grouped_batches_are_reproducible():
    one, two = (
        grouped_batches(GROUPS, 2, 4, np.random.default_rng(3)) for _ in range(2)
    )
    for _ in range(10):
        np.testing.assert_array_equal(next(one), next(two))


@pytest.mark.parametrize(
    ("per_batch", "size", "message"),
    [
        (0, 2, "per_batch from 1 to 3, got 0"),
        (4, 2, "per_batch from 1 to 3, got 4"),
        (1, 4, "batch_size from 1 to 3, the size of the 1 smallest groups, got 4"),
        (2, 7, "batch_size from 1 to 6"),
        (2, 0, "got 0"),
    ],
)
def test_groups_that_do_not_fill_a_batch_are_refused_at_once(per_batch, size, message):
    with pytest.raises(ValueError, match=f"grouped_batches: expected .*{message}"):
        grouped_batches(GROUPS, per_batch, size, np.random.default_rng(0))


# Shifts -------------------------------------------------------------------------------


def test_slant_is_the_slope_of_the_best_line():
    ink = np.random.default_rng(0).random((5, 8, 8))
    rows, columns = np.mgrid[:8, :8]
    for image, lean in zip(ink, slant(ink.reshape(5, 64)), strict=True):
        fitted = np.polyfit(rows.ravel(), columns.ravel(), 1, w=np.sqrt(image.ravel()))
        np.testing.assert_allclose(lean, fitted[0], rtol=1e-9)


def test_slant_of_known_images():
    upright, falling, rising = np.zeros((3, 8, 8))
    upright[:, 3] = 0.7
    falling[np.arange(8), np.arange(8)] = 1
    rising[np.arange(8), 7 - np.arange(8)] = 0.2
    images = np.stack([upright, falling, rising]).reshape(3, 64)
    np.testing.assert_allclose(slant(images), [0, 1, -1], atol=1e-12)


@pytest.mark.parametrize("image", [np.zeros(64), np.repeat([0, 1, 0], [16, 8, 40])])
def test_slant_of_nothing_is_refused(image):
    with pytest.raises(ValueError, match="slant: expected ink in two rows"):
        slant(image.reshape(1, 64).astype(float))


@pytest.mark.parametrize("function", [slant, photocopy])
def test_other_images_are_refused(function):
    with pytest.raises(ValueError, match=f"{function.__name__}: expected x of shape"):
        function(np.ones((2, 8, 8)))


def test_photocopy_of_one_dot():
    x = np.zeros((2, 8, 8))
    x[0, 2, 4] = x[1, 0, 7] = 1
    copies = photocopy(x.reshape(2, 64)).reshape(2, 8, 8)
    kernel = 0.5 + 0.3 * np.outer([1, 4, 1], [1, 4, 1]) / 36
    np.testing.assert_allclose(copies[0, 1:4, 3:6], kernel, rtol=1e-12)
    np.testing.assert_allclose(copies[1, :2, 6:], kernel[1:, :2], rtol=1e-12)
    assert (copies == 0.5).sum() == 128 - 9 - 4
    assert x.sum() == 2


def test_toss_deals_every_example_once():
    score = np.random.default_rng(0).exponential(size=200)
    one, two = (toss(score, 1.5, np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    train, use, ratio = one
    assert sorted([*train, *use]) == list(range(200))
    assert ratio.shape == train.shape and (ratio > 0).all()


def test_toss_has_the_ratio_that_it_says():
    # Weighted by it, the training part has the mean score of the part in use.
    score = np.random.default_rng(0).standard_normal(200_000)
    for strength in (-1.0, 0.0, 1.0):
        train, use, ratio = toss(score, strength, np.random.default_rng(1))
        np.testing.assert_allclose(
            np.average(score[train], weights=ratio), score[use].mean(), atol=0.02
        )
        assert np.sign(score[train].mean().round(2)) == np.sign(strength)
        np.testing.assert_allclose(ratio.mean(), len(use) / len(train), atol=0.02)


def test_toss_leaves_no_kind_out():
    _, _, ratio = toss(np.linspace(-1, 1, 500), 100.0, np.random.default_rng(0))
    assert ratio.min() >= 0.02 / 0.98 * (1 - 1e-12)
    assert ratio.max() <= 49 * (1 + 1e-12)
