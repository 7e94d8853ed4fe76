"""Real data that ships with scikit-learn, ways to shift it, and mini-batches."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "Split",
    "batches",
    "grouped_batches",
    "load_digits",
    "photocopy",
    "slant",
    "toss",
]


class Split(NamedTuple):
    """A data set cut into a training and a test part."""

    x_train: NDArray
    y_train: NDArray
    x_test: NDArray
    y_test: NDArray


def load_digits(
    *, n_test: int = 500, seed: int = 0, images: bool = False, dtype: DTypeLike = "f8"
) -> Split:
    """Handwritten digits: 1,797 images of 8 by 8 pixels, shuffled and split.

    The pixels are counts from 0 to 16, divided by 16 here. They are not standardised:
    three border pixels are constant over the whole set and many vary little, which is
    what a norm has to cope with.

    Parameters
    ----------
    n_test : int
        Number of images in the test part.
    seed : int
        Seed of the shuffle. It does not follow ``BNLEARN_SEED``: repetitions of an
        experiment share one split.
    images : bool
        Return x as (N, 1, 8, 8) images instead of (N, 64) rows.
    dtype : dtype
        float32 or float64, for x; labels are int64.

    Returns
    -------
    Split
        x between 0 and 1, y from 0 to 9.

    Raises
    ------
    ValueError
        If `n_test` leaves one part empty.

    References
    ----------
    E. Alpaydin, C. Kaynak. Optical Recognition of Handwritten Digits. UCI Machine
    Learning Repository, 1998; its test part, as shipped with scikit-learn.

    Examples
    --------
    >>> split = load_digits()
    >>> split.x_train.shape, split.x_test.shape
    ((1297, 64), (500, 64))
    >>> [int(pixel) for pixel in np.flatnonzero(split.x_train.std(axis=0) == 0)][:3]
    [0, 32, 39]
    """
    from sklearn.datasets import load_digits as load

    bunch = load()
    x, y = (bunch.data / 16).astype(dtype), bunch.target.astype(np.int64)
    if not 0 < n_test < len(x):
        raise ValueError(
            f"load_digits: expected n_test from 1 to {len(x) - 1}, got {n_test}"
        )
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    if images:
        x = x.reshape(-1, 1, 8, 8)
    return Split(x[n_test:], y[n_test:], x[:n_test], y[:n_test])


def slant(x: NDArray) -> NDArray:
    r"""Return how far the ink of every image leans, in columns per row.

    .. math::

        \frac{\sum a\,(r - \bar r)(c - \bar c)}{\sum a\,(r - \bar r)^2}

    over the pixels, a being the ink in row r and column c: the slope of the line that
    fits the ink best. Rows count downwards, so a positive slant leans like a backslash.

    Parameters
    ----------
    x : ndarray, shape (N, 64)
        Images of 8 by 8 pixels as rows; none of them blank or a single line of pixels.

    Returns
    -------
    ndarray, shape (N,)

    Raises
    ------
    ValueError
        If the shape differs, or an image has no ink in two different rows.

    Examples
    --------
    >>> slant(np.eye(8).reshape(1, 64))
    array([1.])
    """
    ink = _images("slant", x)
    place = np.arange(8.0)
    amount = ink.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        row = place - (ink.sum(axis=2) @ place / amount)[:, np.newaxis]
        column = place - (ink.sum(axis=1) @ place / amount)[:, np.newaxis]
        variance = np.einsum("nrc,nr->n", ink, row**2)
        lean = np.einsum("nrc,nr,nc->n", ink, row, column) / variance
    if not np.isfinite(lean).all():
        raise ValueError("slant: expected ink in two rows or more of every image")
    return lean


def toss(
    score: NDArray, strength: float, generator: np.random.Generator
) -> tuple[NDArray, NDArray, NDArray]:
    r"""Deal every example to training or to use with a coin that depends on its score.

    With z the score standardised over the examples, an example goes to training with
    probability :math:`q = 1 / (1 + e^{-\text{strength} \cdot z})`, kept between .02
    and .98. Labels play no part, so this is a covariate shift whose density ratio is
    known: it is proportional to (1 - q) / q.

    Parameters
    ----------
    score : ndarray, shape (N,)
        A function of the inputs.
    strength : float
        0 deals both parts alike.
    generator : numpy.random.Generator
        Tosses the coins.

    Returns
    -------
    train, use : ndarray of int
        Which examples go where, each shuffled.
    ratio : ndarray
        (1 - q) / q of the training examples: p_use / p_train up to a constant.

    Examples
    --------
    >>> train, use, ratio = toss(np.arange(10.0), 2.0, np.random.default_rng(0))
    >>> len(train) + len(use), ratio.shape == train.shape
    (10, True)
    """
    z = (score - score.mean()) / score.std()
    q = np.clip(1 / (1 + np.exp(-strength * z)), 0.02, 0.98)
    heads = generator.random(len(q)) < q
    train = generator.permutation(np.flatnonzero(heads))
    use = generator.permutation(np.flatnonzero(~heads))
    return train, use, (1 - q[train]) / q[train]


def photocopy(x: NDArray) -> NDArray:
    """Return images as a bad copier gives them: blurred, pale, on grey paper.

    Every pixel becomes a mean of its 3 by 3 neighbourhood (blank beyond the border), in
    which a centre row or column counts four times as much as its neighbours. The result
    is multiplied by 0.3 and added to 0.5.

    Parameters
    ----------
    x : ndarray, shape (N, 64)
        Images of 8 by 8 pixels as rows, from 0 to 1.

    Returns
    -------
    ndarray, shape (N, 64)
        From 0.5 to 0.8.

    Raises
    ------
    ValueError
        If the shape differs.

    Examples
    --------
    >>> photocopy(np.zeros((1, 64))).max()
    np.float64(0.5)
    """
    wide = np.pad(_images("photocopy", x), ((0, 0), (1, 1), (1, 1)))
    blurred = 0.0
    for i, down in enumerate((1, 4, 1)):
        for j, across in enumerate((1, 4, 1)):
            blurred += down * across / 36 * wide[:, i : i + 8, j : j + 8]
    return 0.5 + 0.3 * blurred.reshape(-1, 64)


def _images(name: str, x: NDArray) -> NDArray:
    if np.ndim(x) != 2 or np.shape(x)[1] != 64:
        raise ValueError(f"{name}: expected x of shape (N, 64), got {np.shape(x)}")
    return np.reshape(x, (-1, 8, 8))


def batches(
    count: int, batch_size: int, generator: np.random.Generator
) -> Iterator[NDArray]:
    """Yield index arrays of shuffled mini-batches for ever, epoch after epoch.

    The rest of an epoch that does not fill a batch is dropped, as a batch of one
    would be refused by batch normalization.

    Parameters
    ----------
    count : int
        Number of examples.
    batch_size : int
        Examples in a batch, at most `count`.
    generator : numpy.random.Generator
        Source of the shuffles.

    Raises
    ------
    ValueError
        If `batch_size` is not between 1 and `count`.

    Examples
    --------
    >>> stream = batches(5, 2, np.random.default_rng(0))
    >>> [len(next(stream)) for _ in range(4)]
    [2, 2, 2, 2]
    """
    if not 1 <= batch_size <= count:
        raise ValueError(
            f"batches: expected batch_size from 1 to {count}, got {batch_size}"
        )
    return _stream(count, batch_size, generator)


def _stream(
    count: int, batch_size: int, generator: np.random.Generator
) -> Iterator[NDArray]:
    while True:
        order = generator.permutation(count)
        for start in range(0, count - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def grouped_batches(
    groups: NDArray, per_batch: int, batch_size: int, generator: np.random.Generator
) -> Iterator[NDArray]:
    """Yield index arrays of batches that are not mixed, for ever.

    Each batch draws from a few groups only, such as classes or recording sessions,
    chosen anew each time. All groups are equally likely, whatever their size.

    Parameters
    ----------
    groups : ndarray, shape (N,)
        The group of each example.
    per_batch : int
        Number of groups in a batch.
    batch_size : int
        Examples in a batch; each at most once.
    generator : numpy.random.Generator
        Source of the draws.

    Raises
    ------
    ValueError
        If there are fewer groups than `per_batch`, or if some choice of them would
        not fill a batch.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.array([0, 0, 0, 1, 1, 1])
    >>> stream = grouped_batches(groups, 1, 2, np.random.default_rng(0))
    >>> all(len(set(groups[next(stream)])) == 1 for _ in range(20))
    True
    """
    names, sizes = np.unique(groups, return_counts=True)
    if not 1 <= per_batch <= len(names):
        raise ValueError(
            f"grouped_batches: expected per_batch from 1 to {len(names)}, "
            f"got {per_batch}"
        )
    most = int(np.sort(sizes)[:per_batch].sum())
    if not 1 <= batch_size <= most:
        raise ValueError(
            f"grouped_batches: expected batch_size from 1 to {most}, the size of the "
            f"{per_batch} smallest groups, got {batch_size}"
        )
    return _grouped_stream(np.asarray(groups), names, per_batch, batch_size, generator)


def _grouped_stream(
    groups: NDArray,
    names: NDArray,
    per_batch: int,
    batch_size: int,
    generator: np.random.Generator,
) -> Iterator[NDArray]:
    while True:
        chosen = generator.choice(names, per_batch, replace=False)
        rows = np.flatnonzero(np.isin(groups, chosen))
        yield generator.choice(rows, batch_size, replace=False)
