"""Exercises of chapter 02: normalization."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import draw_eps

PAGE = "02_normalization"
FORMULA = "The formula, first with a pencil"
CODE = "The code, and why it is not one line"
AXES = "Which axes?"
QUIET = "What eps does to a quiet pixel"
UNBIASED = "The variance is divided by m - 1: in a batch it is divided by m."
# In float32 such data have lost most digits already.
FAR = Family("data far from zero", (9, 3), offset=1e6, rtol32=0.1)

BATCHES = (
    Family("a batch", (7, 3)),
    Family("a batch with a quiet feature", (6, 4), "quiet"),
    Family("badly scaled features", (8, 5), "scaled"),
    FAR,
    Family("float32", (9, 4), dtype="f4"),
)


# Mean and variance -------------------------------------------------------------------


def batch_statistics(x):
    """Give mean and variance of every feature of a batch.

    Parameters
    ----------
    x : ndarray, shape (m, C)
        A batch of m examples with C features; in float64, means may be a million
        times larger than spreads.

    Returns
    -------
    mean, var : ndarray, shape (C,)
        The mean and the biased variance.
    """
    mean = x.mean(axis=0)
    var = ((x - mean) ** 2).mean(axis=0)
    return mean, var


STATISTICS = Exercise(
    identifier="batch-statistics",
    title="Mean and variance of a batch",
    section=Section(PAGE, FORMULA),
    difficulty=1,
    minutes=5,
    text="Write the two statistics that batch normalization measures.",
    reference=batch_statistics,
    outputs=("mean", "var"),
    families=(*BATCHES, Family("one feature", (5, 1))),
    arguments=lambda rng, x: (x,),
    hints=paragraphs("""
        Every feature, a column of x, has a mean and a variance of its own. Which axis
        has to go?

        x.mean(axis=0) is the mean of every column. The variance is the mean of
        something that is never negative.

        The variance is the mean of (x - mean) ** 2 over axis 0.
    """),
    why=(
        "The mean is subtracted before anything is squared, so no large squares have"
        " to cancel. In float32 even that can be too little: see 'A variance that "
        "can be trusted'."
    ),
)
STATISTICS.mistake(
    "wrong-axis",
    "The wrong axis: this measures examples, not features.",
    {
        "((x - mean) ** 2).mean(axis=0)": "x.var(axis=1)",
        "x.mean(axis=0)": "x.mean(axis=1)",
    },
    {"((x - mean) ** 2).mean(axis=0)": "((x - mean) ** 2).mean(axis=1)"},
    {"x.mean(axis=0)": "x.mean(axis=1)"},
    heading=AXES,
    misconception="mis-axis",
)
STATISTICS.mistake(
    "all-axes",
    "All numbers are taken together: every feature has its own statistics.",
    {
        "((x - mean) ** 2).mean(axis=0)": "((x - mean) ** 2).mean()",
        "x.mean(axis=0)": "x.mean()",
    },
    {"((x - mean) ** 2).mean(axis=0)": "((x - mean) ** 2).mean()"},
    {"x.mean(axis=0)": "x.mean()"},
)
STATISTICS.mistake(
    "unbiased-variance",
    UNBIASED,
    {"((x - mean) ** 2).mean(axis=0)": "x.var(axis=0, ddof=1)"},
    {"((x - mean) ** 2).mean(axis=0)": "((x - mean) ** 2).sum(axis=0) / (len(x) - 1)"},
)
STATISTICS.mistake(
    "root-taken",
    "This is the standard deviation: the variance is its square.",
    {"((x - mean) ** 2).mean(axis=0)": "x.std(axis=0)"},
    {"((x - mean) ** 2).mean(axis=0)": "x.std(axis=0, ddof=1)"},
)
STATISTICS.mistake(
    "one-pass-variance",
    "The variance is a difference of two large numbers, and its digits cancel.",
    {"((x - mean) ** 2).mean(axis=0)": "(x**2).mean(axis=0) - mean**2"},
    heading=CODE,
    unstable=(FAR.name,),
)
STATISTICS.mistake(
    "not-centred",
    "The mean is not subtracted before squaring: this is the mean square.",
    {"(x - mean)": "x"},
)
STATISTICS.mistake(
    "sum-for-mean",
    "A sum stands where a mean belongs: the division by m is missing.",
    {"** 2).mean": "** 2).sum"},
    {"x.mean": "x.sum"},
    {"** 2).mean(axis=0)": "** 2).sum(axis=0)", "x.mean": "len(x) * x.mean"},
)
STATISTICS.mistake(
    "not-squared",
    "The deviations are not squared.",
    {"((x - mean) ** 2)": "np.abs(x - mean)"},
    {"((x - mean) ** 2)": "(x - mean)"},
)
STATISTICS.mistake(
    "median-for-mean",
    "This is the median, not the mean.",
    {"x.mean": "np.median(x, axis=0) + 0 * x.mean"},
)
STATISTICS.mistake(
    "deviation-squared",
    "The mean deviation is squared: square each deviation, then take the mean.",
    {"((x - mean) ** 2).mean(axis=0)": "np.abs(x - mean).mean(axis=0) ** 2"},
)


# Standardise -------------------------------------------------------------------------


def standardise(x, eps):
    """Give every feature of a batch the mean 0 and, nearly, the variance 1.

    Parameters
    ----------
    x : ndarray, shape (m, C)
        A batch of m examples with C features.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    ndarray, shape (m, C)
        The standardised batch.
    """
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    return (x - mean) / np.sqrt(var + eps)


STANDARDISE = Exercise(
    identifier="standardise",
    title="Standardise a batch",
    section=Section(PAGE, FORMULA),
    difficulty=1,
    minutes=10,
    text="Write the formula of this chapter for a batch of vectors.",
    reference=standardise,
    outputs=("x_hat",),
    families=BATCHES,
    arguments=lambda rng, x: (x, draw_eps(rng)),
    hints=paragraphs("""
        Two statistics for each feature: what is subtracted, and what is divided by?

        The variance is the biased one, divided by m. The small constant is added to the
        variance, not to its root.

        x_hat = (x - mean) / sqrt(var + eps), with mean and var over axis 0.
    """),
    why=(
        "mean and var have one entry for each column, and NumPy lines them up with the "
        "last axis of x. eps keeps the division safe where a feature is constant."
    ),
)
STANDARDISE.mistake(
    "eps-outside",
    "eps stands outside the root: it belongs inside, added to the variance.",
    {"np.sqrt(var + eps)": "(np.sqrt(var) + eps)"},
    heading=QUIET,
)
STANDARDISE.mistake(
    "eps-forgotten",
    "eps is missing.",
    {"var + eps": "var"},
    heading=QUIET,
)
STANDARDISE.mistake(
    "eps-ignored",
    "eps is not the one that was given.",
    *({"+ eps": f"+ 1e-{k}"} for k in (3, 4, 5, 6, 7, 8)),
    heading=QUIET,
)
STANDARDISE.mistake(
    "eps-squared",
    "eps is squared: it is added to the variance as it is.",
    {"+ eps": "+ eps**2"},
    heading=QUIET,
)
STANDARDISE.mistake(
    "eps-subtracted",
    "eps has the wrong sign.",
    {"+ eps": "- eps"},
    heading=QUIET,
)
STANDARDISE.mistake(
    "unbiased-variance",
    UNBIASED,
    {"x.var(axis=0)": "x.var(axis=0, ddof=1)"},
)
STANDARDISE.mistake(
    "root-forgotten",
    "The root is missing: the division is by the standard deviation.",
    {"np.sqrt(var + eps)": "(var + eps)"},
)
STANDARDISE.mistake(
    "not-centred",
    "The mean is not subtracted.",
    {"(x - mean)": "x"},
)
STANDARDISE.mistake(
    "not-scaled",
    "The deviations are not divided by anything.",
    {" / np.sqrt(var + eps)": ""},
)
STANDARDISE.mistake(
    "multiplied",
    "The deviations are multiplied by the standard deviation, not divided.",
    {"/ np.sqrt": "* np.sqrt"},
)
STANDARDISE.mistake(
    "mean-square-for-variance",
    "The variance is measured around zero, not around the mean.",
    {"x.var(axis=0)": "(x**2).mean(axis=0)"},
)
STANDARDISE.mistake(
    "one-pass-variance",
    "The variance is a difference of two large numbers, and its digits cancel.",
    {"x.var(axis=0)": "np.maximum((x**2).mean(axis=0) - mean**2, 0)"},
    heading=CODE,
    unstable=(FAR.name,),
)
STANDARDISE.mistake(
    "sum-for-mean",
    "A sum stands where a mean belongs.",
    {"x.var(axis=0)": "((x - mean) ** 2).sum(axis=0)"},
)
STANDARDISE.mistake(
    "wrong-axis",
    "The wrong axis: this standardises every example over its features.",
    {"axis=0": "axis=1, keepdims=True"},
    {"x.mean(axis=0)": "x.mean(axis=1, keepdims=True)"},
    {"x.var(axis=0)": "x.var(axis=1, keepdims=True)"},
    {"axis=0": "axis=1"},
    heading=AXES,
    misconception="mis-axis",
)
STANDARDISE.mistake(
    "all-axes",
    "All numbers are taken together: every feature has its own statistics.",
    {"axis=0": ""},
    {"x.mean(axis=0)": "x.mean()"},
    {"x.var(axis=0)": "x.var()"},
)
STANDARDISE.mistake(
    "min-max",
    "This maps the feature to its range: a standardised one has mean 0, variance 1.",
    {"(x - mean) / np.sqrt(var + eps)": "(x - x.min(axis=0)) / np.ptp(x, axis=0)"},
    {
        "(x - mean) / np.sqrt(var + eps)": (
            "(x - x.min(axis=0)) / (np.ptp(x, axis=0) + eps)"
        )
    },
)
STANDARDISE.mistake(
    "eps-as-floor",
    "eps is added to every variance: it is not a lower bound.",
    {"var + eps": "np.maximum(var, eps)"},
    heading=QUIET,
)
STANDARDISE.mistake(
    "mean-after-division",
    "The mean is subtracted after the division: it has to be divided as well.",
    {"(x - mean) / np.sqrt(var + eps)": "x / np.sqrt(var + eps) - mean"},
)


# The corrected variance --------------------------------------------------------------


def corrected_statistics(x, guess):
    """Give mean and variance by one pass around a guess of the mean.

    Parameters
    ----------
    x : ndarray, shape (m, C)
        Many examples, perhaps in float32 and with means of ten thousand spreads.
    guess : ndarray, shape (C,)
        A rough mean of every feature, off by up to a spread or two.

    Returns
    -------
    mean, var : ndarray, shape (C,)
        The mean and the biased variance.
    """
    left = x - guess
    missed = left.mean(axis=0)
    mean = guess + missed
    var = (left**2).mean(axis=0) - missed**2
    return mean, var


def with_guess(rng, x):
    """Draw a guess that is off by about a spread."""
    off = rng.uniform(0.5, 1.5, x.shape[1]) * rng.choice([-1, 1], x.shape[1])
    spread = x[:50].astype("f8").std(axis=0)
    return x, (x[:50].astype("f8").mean(axis=0) + off * spread).astype(x.dtype)


FAR_FLOAT32 = Family(
    "many float32 examples far from zero",
    (2**14, 2),
    offset=4e4,
    dtype="f4",
    rtol32=1e-3,
)
CORRECTED = Exercise(
    identifier="corrected-variance",
    title="A variance that can be trusted",
    section=Section(PAGE, CODE),
    difficulty=2,
    minutes=15,
    text=(
        "Measure what is left after the guess was subtracted, and correct mean and "
        "variance by it. In float32 this keeps digits that `x.var` loses."
    ),
    reference=corrected_statistics,
    outputs=("mean", "var"),
    families=(
        Family("a batch", (7, 3)),
        Family("a batch with a quiet feature", (6, 4), "quiet"),
        Family("badly scaled features", (8, 5), "scaled"),
        FAR,
        FAR_FLOAT32,
    ),
    arguments=with_guess,
    hints=paragraphs("""
        Work with left = x - guess alone: its numbers are small. What is the mean of
        left, and what does it say about the guess?

        The true mean is the guess plus what it missed. The mean of left ** 2 is the
        variance around the guess, which is too large.

        mean = guess + missed, and var = mean(left ** 2) - missed ** 2.
    """),
    why=(
        "The identity holds for every guess. With a rough mean the numbers that are "
        "squared and summed are small, so little is rounded and little cancels."
    ),
)
CORRECTED.mistake(
    "correction-forgotten",
    "The variance is measured around the guess and not corrected.",
    {" - missed**2": ""},
)
CORRECTED.mistake(
    "correction-sign",
    "The correction has the wrong sign: around another point the squares are larger.",
    {"- missed**2": "+ missed**2"},
)
CORRECTED.mistake(
    "correction-not-squared",
    "What was missed has to be squared in the variance.",
    {"- missed**2": "- missed"},
    {"- missed**2": "- np.abs(missed)"},
)
CORRECTED.mistake(
    "correction-other-mean",
    "The correction is what the guess missed, not the mean or the guess itself.",
    {"missed**2": "mean**2"},
    {"missed**2": "guess**2"},
)
CORRECTED.mistake(
    "guess-for-mean",
    "The guess is returned as the mean, without what it missed.",
    {"guess + missed": "guess"},
)
CORRECTED.mistake(
    "missed-for-mean",
    "The mean of what is left is not the mean: the guess has to be added again.",
    {"guess + missed": "missed"},
)
CORRECTED.mistake(
    "missed-sign",
    "What the guess missed is subtracted from it; it has to be added.",
    {"guess + missed": "guess - missed"},
)
CORRECTED.mistake(
    "sum-for-mean",
    "A sum stands where a mean belongs.",
    {"(left**2).mean": "(left**2).sum"},
    {"left.mean": "left.sum"},
    {"missed**2": "left.sum(axis=0) ** 2"},
    {"missed**2": "left.sum(axis=0) ** 2 / len(x)"},
)
CORRECTED.mistake(
    "unbiased-variance",
    UNBIASED,
    {"(left**2).mean(axis=0) - missed**2": "left.var(axis=0, ddof=1)"},
    {"(left**2).mean(axis=0)": "(left**2).sum(axis=0) / (len(x) - 1)"},
)
CORRECTED.mistake(
    "root-taken",
    "This is the standard deviation: the variance is its square.",
    {"(left**2).mean(axis=0) - missed**2": "left.std(axis=0)"},
)
CORRECTED.mistake(
    "wrong-axis",
    "The wrong axis: this measures examples, not features.",
    {
        "(left**2).mean(axis=0) - missed**2": "left.var(axis=1)",
        "guess + missed": "x.mean(axis=1)",
    },
    heading=AXES,
    misconception="mis-axis",
)
CORRECTED.mistake(
    "guess-ignored",
    "Large numbers are summed or squared here: work with what is left after the guess.",
    {"(left**2).mean(axis=0) - missed**2": "x.var(axis=0)"},
    {"- missed**2": "- (x.mean(axis=0) - guess) ** 2"},
    {"(left**2).mean(axis=0) - missed**2": "(x**2).mean(axis=0) - x.mean(axis=0) ** 2"},
    unstable=(FAR.name, FAR_FLOAT32.name),
)
CORRECTED.mistake(
    "all-axes",
    "All numbers are taken together: every feature has its own statistics.",
    {"left.mean(axis=0)": "left.mean()"},
    {
        "left.mean(axis=0)": "left.mean()",
        "(left**2).mean(axis=0) - missed**2": "((left - missed) ** 2).mean(axis=0)",
    },
    {"(left**2).mean(axis=0)": "(left**2).mean()"},
    {"left.mean(axis=0)": "left.mean()", "(left**2).mean(axis=0)": "(left**2).mean()"},
)


# Channels of images ------------------------------------------------------------------


def channel_statistics(x):
    """Give mean and variance of every channel of a batch of images.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        N images with C channels.

    Returns
    -------
    mean, var : ndarray, shape (C,)
        The mean and the biased variance.
    """
    mean = x.mean(axis=(0, 2, 3))
    var = x.var(axis=(0, 2, 3))
    return mean, var


CHANNELS = Exercise(
    identifier="channel-statistics",
    title="Statistics of a convolutional layer",
    section=Section(PAGE, AXES),
    difficulty=1,
    minutes=10,
    text="Write mean and variance of the channels of a batch of images.",
    reference=channel_statistics,
    outputs=("mean", "var"),
    families=(
        Family("images", (4, 3, 5, 2)),
        Family("images with a quiet channel", (3, 4, 2, 5), "quiet"),
        Family("badly scaled channels", (5, 4, 3, 2), "scaled"),
        Family("data far from zero", (3, 2, 4, 5), offset=1e6, rtol32=0.1),
        Family("float32", (2, 5, 3, 4), dtype="f4"),
    ),
    arguments=lambda rng, x: (x,),
    small=((2, 2, 1, 2), (2, 2, 2, 2), (2, 3, 2, 2)),
    hints=paragraphs("""
        A channel is the answer of one filter, at every place of every image. Which
        numbers belong to one channel?

        Channels are on axis 1. All other axes have to go, and NumPy takes several axes
        as a tuple.

        The axes are (0, 2, 3), for the mean and for the variance.
    """),
    why=(
        "All N * H * W numbers that one filter has produced share one mean and one "
        "variance."
    ),
)
BOTH = "mean = x.mean(axis=(0, 2, 3))\n    var = x.var(axis=(0, 2, 3))"
CHANNELS.mistake(
    "channels-last",
    "The last axis is taken for the channels: here they are on axis 1.",
    {"(0, 2, 3)": "(0, 1, 2)"},
)
CHANNELS.mistake(
    "per-image",
    "Every image is measured for itself: batch normalization takes all images together.",
    {"(0, 2, 3)": "(2, 3)"},
)
CHANNELS.mistake(
    "per-place",
    "Every place is measured for itself: all places of a channel belong together.",
    {"(0, 2, 3)": "0"},
)
CHANNELS.mistake(
    "over-channels",
    "Channels are mixed: each has statistics of its own.",
    {"(0, 2, 3)": "(1, 2, 3)"},
    {"axis=(0, 2, 3)": ""},
    {"(0, 2, 3)": "1"},
)
CHANNELS.mistake(
    "reshape-mixes",
    "The reshape mixes channels: the channel axis has to be moved before it.",
    {
        BOTH: "z = x.reshape(-1, x.shape[1])\n    mean, var = z.mean(axis=0), z.var(axis=0)"
    },
    {
        BOTH: "z = x.reshape(x.shape[1], -1)\n"
        "    mean, var = z.mean(axis=1), z.var(axis=1)"
    },
)
CHANNELS.mistake(
    "variances-averaged",
    "Variances of parts are averaged: what the means of the parts differ by is lost.",
    {"x.var(axis=(0, 2, 3))": "x.var(axis=(2, 3)).mean(axis=0)"},
    {"x.var(axis=(0, 2, 3))": "x.var(axis=(2, 3), ddof=1).mean(axis=0)"},
    {"x.var(axis=(0, 2, 3))": "x.var(axis=0).mean(axis=(1, 2))"},
)
CHANNELS.mistake(
    "variance-of-means",
    "This is the variance of means, and averaging has made them more alike.",
    {"x.var(axis=(0, 2, 3))": "x.mean(axis=(2, 3)).var(axis=0)"},
    {"x.var(axis=(0, 2, 3))": "x.mean(axis=0).var(axis=(1, 2))"},
)
CHANNELS.mistake(
    "m-is-batch-size",
    "The sum is divided by N: the number of values behind a mean is N * H * W.",
    {
        "x.mean(axis=(0, 2, 3))": "x.sum(axis=(0, 2, 3)) / len(x)",
        "x.var(axis=(0, 2, 3))": "x.var(axis=(0, 2, 3)) * x[0, 0].size",
    },
    {
        "x.mean(axis=(0, 2, 3))": "x.sum(axis=(0, 2, 3)) / len(x)",
        "x.var(axis=(0, 2, 3))": (
            "((x - mean[:, None, None]) ** 2).sum(axis=(0, 2, 3)) / len(x)"
        ),
    },
)
CHANNELS.mistake(
    "unbiased-variance",
    UNBIASED,
    {"x.var(axis=(0, 2, 3))": "x.var(axis=(0, 2, 3), ddof=1)"},
    heading=FORMULA,
)
CHANNELS.mistake(
    "root-taken",
    "This is the standard deviation: the variance is its square.",
    {"x.var": "x.std"},
    heading=FORMULA,
)
CHANNELS.mistake(
    "one-pass-variance",
    "The variance is a difference of two large numbers, and its digits cancel.",
    {"x.var(axis=(0, 2, 3))": "(x**2).mean(axis=(0, 2, 3)) - mean**2"},
    heading=CODE,
    unstable=(FAR.name,),
)
CHANNELS.mistake(
    "images-forgotten",
    "The sum is divided by H * W: the N images count as well.",
    {
        "x.mean(axis=(0, 2, 3))": "x.mean(axis=(0, 2, 3)) * len(x)",
        "x.var(axis=(0, 2, 3))": (
            "((x - mean[:, None, None]) ** 2).sum(axis=(0, 2, 3)) / x[0, 0].size"
        ),
    },
    {"x.mean(axis=(0, 2, 3))": "x.mean(axis=(0, 2, 3)) * len(x)"},
    {"x.var(axis=(0, 2, 3))": "x.var(axis=(0, 2, 3)) * len(x)"},
)
CHANNELS.mistake(
    "not-lined-up",
    "The means do not line up with x: they meet its last axis, not axis 1.",
    {"x.var(axis=(0, 2, 3))": "((x - mean) ** 2).mean(axis=(0, 2, 3))"},
)


# Images of any shape -----------------------------------------------------------------


def standardise_channels(x, eps):
    """Standardise every channel of a batch, whatever comes after the channels.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...)
        A matrix (N, C), sequences (N, C, L), images (N, C, H, W), and so on.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    ndarray, shape of x
        The standardised batch.
    """
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


ANY_SHAPE = Exercise(
    identifier="standardise-channels",
    title="Standardise channels of any shape",
    section=Section(PAGE, AXES),
    difficulty=2,
    minutes=15,
    text="Write one function that standardises matrices, sequences and images.",
    reference=standardise_channels,
    outputs=("x_hat",),
    families=(
        Family("a matrix", (7, 3)),
        Family("images", (4, 3, 5, 2)),
        Family("sequences", (3, 4, 6), "quiet"),
        Family("badly scaled images", (5, 4, 3, 2), "scaled"),
        Family("volumes", (2, 3, 2, 4, 3)),
        Family("float32", (2, 5, 3, 4), dtype="f4"),
    ),
    arguments=lambda rng, x: (x, draw_eps(rng)),
    small=((2, 2), (3, 2), (2, 2, 2), (2, 2, 1, 2), (2, 2, 2, 2)),
    hints=paragraphs("""
        All axes but axis 1 have to go. How do you list them for any number of axes?

        The statistics have to line up with x again. NumPy lines up from the right, so
        a vector of C numbers meets the last axis, not axis 1.

        axes = (0, *range(2, x.ndim)), and keepdims=True for both statistics.
    """),
    why=(
        "keepdims leaves axes of length 1 where the average was taken. So the "
        "statistics meet x on axis 1 for every number of axes."
    ),
)
ANY_SHAPE.mistake(
    "per-image",
    "Every image is standardised for itself: a batch is taken together.",
    {"(0, *range(2, x.ndim))": "tuple(range(2, x.ndim))"},
)
ANY_SHAPE.mistake(
    "per-place",
    "Every place is standardised for itself: all places of a channel belong together.",
    {"(0, *range(2, x.ndim))": "0"},
)
ANY_SHAPE.mistake(
    "over-channels",
    "Channels are mixed: each has statistics of its own.",
    {"(0, *range(2, x.ndim))": "tuple(range(1, x.ndim))"},
    {"(0, *range(2, x.ndim))": "None"},
    {"(0, *range(2, x.ndim))": "1"},
)
ANY_SHAPE.mistake(
    "channels-last",
    "The last axis is taken for the channels: here they are on axis 1.",
    {"(0, *range(2, x.ndim))": "tuple(range(x.ndim - 1))"},
)
ANY_SHAPE.mistake(
    "no-keepdims",
    "The statistics do not line up with x: they meet its last axis, not axis 1.",
    {", keepdims=True": ""},
)
ANY_SHAPE.mistake(
    "four-axes-only",
    "The axes are those of images: a matrix and sequences have fewer.",
    {"(0, *range(2, x.ndim))": "(0, 2, 3)"},
    {"(0, *range(2, x.ndim))": "(0, 2, 3) if x.ndim == 4 else 0"},
)
ANY_SHAPE.mistake(
    "unbiased-variance",
    UNBIASED,
    {"x.var(axis=axes, ": "x.var(axis=axes, ddof=1, "},
    heading=FORMULA,
)
ANY_SHAPE.mistake(
    "eps-outside",
    "eps stands outside the root: it belongs inside, added to the variance.",
    {"np.sqrt(var + eps)": "(np.sqrt(var) + eps)"},
    heading=QUIET,
)
ANY_SHAPE.mistake(
    "eps-forgotten",
    "eps is missing.",
    {"var + eps": "var"},
    heading=QUIET,
)
ANY_SHAPE.mistake(
    "root-forgotten",
    "The root is missing: the division is by the standard deviation.",
    {"np.sqrt(var + eps)": "(var + eps)"},
    heading=FORMULA,
)
LINES = (
    "axes = (0, *range(2, x.ndim))\n"
    "    mean = x.mean(axis=axes, keepdims=True)\n"
    "    var = x.var(axis=axes, keepdims=True)\n"
    "    return (x - mean) / np.sqrt(var + eps)"
)
ANY_SHAPE.mistake(
    "reshape-mixes",
    "The reshape mixes channels: the channel axis has to be moved before it.",
    {
        LINES: "z = x.reshape(-1, x.shape[1])\n"
        "    return ((z - z.mean(0)) / np.sqrt(z.var(0) + eps)).reshape(x.shape)"
    },
    {
        LINES: "z = x.reshape(x.shape[1], -1).T\n"
        "    return ((z - z.mean(0)) / np.sqrt(z.var(0) + eps)).T.reshape(x.shape)"
    },
)
ANY_SHAPE.mistake(
    "reshaped-back",
    "The channel axis was moved for the work and not moved back: a reshape does not.",
    {
        LINES: "z = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])\n"
        "    return ((z - z.mean(0)) / np.sqrt(z.var(0) + eps)).reshape(x.shape)"
    },
    {
        LINES: "z = np.swapaxes(x, 0, 1).reshape(x.shape[1], -1).T\n"
        "    return ((z - z.mean(0)) / np.sqrt(z.var(0) + eps)).T.reshape(x.shape)"
    },
)
ANY_SHAPE.mistake(
    "m-is-batch-size",
    "The sum is divided by N: the number of values behind a mean is that of all places.",
    {
        "x.mean(axis=axes, keepdims=True)": "x.sum(axis=axes, keepdims=True) / len(x)",
        "x.var(axis=axes, keepdims=True)": (
            "((x - mean) ** 2).sum(axis=axes, keepdims=True) / len(x)"
        ),
    },
    {
        "x.mean(axis=axes, keepdims=True)": "x.sum(axis=axes, keepdims=True) / len(x)",
    },
    {
        "x.var(axis=axes, keepdims=True)": (
            "((x - mean) ** 2).sum(axis=axes, keepdims=True) / len(x)"
        ),
    },
)
ANY_SHAPE.mistake(
    "variances-averaged",
    "Variances of parts are averaged: what the means of the parts differ by is lost.",
    {
        "x.var(axis=axes, keepdims=True)": (
            "x.var(axis=0, keepdims=True).mean(axis=axes, keepdims=True)"
        )
    },
    {
        "x.var(axis=axes, keepdims=True)": (
            "x.var(axis=axes[1:], keepdims=True).mean(axis=0, keepdims=True)"
        )
    },
)
ANY_SHAPE.mistake(
    "not-centred",
    "The mean is not subtracted.",
    {"(x - mean)": "x"},
    heading=FORMULA,
)


# The largest stable rate -------------------------------------------------------------


def largest_rate(x):
    """Give the learning rate above which one linear unit diverges.

    Parameters
    ----------
    x : ndarray, shape (m,)
        The input of the unit, which computes w * x + b; the loss is half the mean
        squared error.

    Returns
    -------
    float
        2 divided by the largest curvature of the loss.
    """
    H = np.array([[np.mean(x**2), np.mean(x)], [np.mean(x), 1.0]])
    return 2 / np.linalg.eigvalsh(H)[-1]


def rate_arguments(rng, x, kind="any"):
    """Turn the values into those where one of two curvatures takes over, or none."""
    if kind == "around zero":  # the mean is exactly zero, and b is the steeper one
        pairs = np.array([[0.3, -0.3]]) * x[: len(x) // 2, None]
        return (pairs.ravel() / np.abs(x).max(),)
    while kind == "standardised":  # until rounding makes a zero discriminant negative
        x = (x - x.mean()) / x.std()
        a, b = np.mean(x**2), np.mean(x)
        H = np.array([[a, b], [b, 1.0]])
        bare = np.trace(H) ** 2 - 4 * np.linalg.det(H), (a + 1) ** 2 - 4 * (a - b**2)
        if max(bare) < 0:
            break
        x = rng.standard_normal(len(x))
    return (x,)


RATE = Exercise(
    identifier="largest-rate",
    title="The largest stable learning rate",
    section=Section(PAGE, "Why size and position matter"),
    difficulty=3,
    minutes=15,
    text="Derive how fast a linear unit may be trained, w and b together.",
    reference=largest_rate,
    outputs=("rate",),
    families=(
        Family("a feature", (7,)),
        Family("a larger batch", (31,)),
        Family("a feature far from zero", (9,), offset=30.0),
        Family("small values around zero", (6,), options={"kind": "around zero"}),
        Family("a standardised feature", (40,), options={"kind": "standardised"}),
        Family("float32", (8,), dtype="f4"),
    ),
    arguments=rate_arguments,
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        The loss is a quadratic function of w and b. Its second derivatives do not depend
        on w, b or the target.

        The matrix of second derivatives holds the mean of x ** 2, the mean of x twice,
        and a 1.

        The curvatures are its eigenvalues (np.linalg.eigvalsh), and the limit is 2
        divided by the largest.
    """),
    why=(
        "A step multiplies the error along a direction of curvature c by 1 - rate * c, "
        "which shrinks as long as rate < 2 / c. The steepest direction decides."
    ),
)
RATE.mistake(
    "two-forgotten",
    "This is half the limit: the curvature of half the mean square has no factor 2 "
    "in it.",
    {"2 / np": "1 / np"},
)
RATE.mistake(
    "smallest-curvature",
    "The steepest direction decides, not the flattest.",
    {"[-1]": "[0]"},
    {"np.linalg.eigvalsh(H)[-1]": "np.linalg.eig(H)[0][0]"},
    {"np.linalg.eigvalsh(H)[-1]": "np.linalg.eig(H)[0][-1]"},
    # Where a power iteration stays that starts in the direction of w.
    {"eigvalsh(H)[-1]": "eigvalsh(H * (np.diag([1, 0]) if H[0, 1] == 0 else 1))[-1]"},
)
RATE.mistake(
    "variance-for-mean-square",
    "The second derivative by w is the mean of x ** 2, not the variance.",
    {"np.mean(x**2)": "np.var(x)"},
)
RATE.mistake(
    "bias-forgotten",
    "The bias is forgotten: w and b pull at each other when the mean is not zero.",
    {"np.linalg.eigvalsh(H)[-1]": "np.mean(x**2)"},
)
RATE.mistake(
    "taken-apart",
    "w and b are taken apart: the mean of x couples them.",
    {"np.mean(x)": "0.0"},
)
RATE.mistake(
    "discriminant",
    "The root in the formula for eigenvalues holds trace ** 2 minus 4 times det.",
    {
        "np.linalg.eigvalsh(H)[-1]": (
            "(np.trace(H) / 2 + np.sqrt(np.trace(H) ** 2 - np.linalg.det(H)) / 2)"
        )
    },
)
RATE.mistake(
    "discriminant-rounded",
    "Rounding makes the number under the root negative: ask for the eigenvalues of a "
    "symmetric matrix, or write the discriminant as a sum of squares.",
    {
        "np.linalg.eigvalsh(H)[-1]": (
            "(np.trace(H) / 2 + np.sqrt(np.trace(H) ** 2 - 4 * np.linalg.det(H)) / 2)"
        )
    },
    {
        "return 2 / np.linalg.eigvalsh(H)[-1]": (
            "a, b = np.mean(x**2), np.mean(x)\n"
            "    return 4 / (a + 1 + np.sqrt((a + 1) ** 2 - 4 * (a - b**2)))"
        )
    },
    unstable=("a standardised feature",),
)
RATE.mistake(
    "root-taken",
    "A singular value of the data has to be squared to give a curvature.",
    {"np.linalg.eigvalsh(H)[-1]": "np.sqrt(np.linalg.eigvalsh(H)[-1])"},
)
RATE.mistake(
    "matrix-norm",
    "This is the Frobenius norm, in which both eigenvalues count: the larger alone "
    "decides.",
    {"np.linalg.eigvalsh(H)[-1]": "np.linalg.norm(H)"},
)
RATE.mistake(
    "curvatures-added",
    "Both curvatures are added (the trace is their sum): only the larger one counts.",
    {"np.linalg.eigvalsh(H)[-1]": "np.trace(H)"},
)
RATE.mistake(
    "condition-number",
    "This is the ratio of the curvatures: it says how slow, not how fast at most.",
    {
        "2 / np.linalg.eigvalsh(H)[-1]": (
            "np.linalg.eigvalsh(H)[-1] / np.linalg.eigvalsh(H)[0]"
        )
    },
)
RATE.mistake(
    "curvature-itself",
    "This is the largest curvature; the rate is 2 divided by it.",
    {"2 / np": "np"},
)
RATE.mistake(
    "sum-for-mean",
    "Sums stand where means belong: the loss is an average over the batch.",
    {"np.mean": "np.sum"},
    {"np.mean": "np.sum", "1.0": "len(x)"},
)
