"""Exercises of chapter 06: norm variants."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import draw_eps, like, per_channel

PAGE = "06_norm_variants"
QUESTION = "One question: who shares the statistics?"
FORMULA = "One formula, one function"
BACKWARD = "One backward pass"
BLIND = "What can a norm not see?"
MEANINGS = "Layer norm has two meanings"
BETWEEN = "Between layer and instance norm"
NO_MEAN = "Dropping the mean"
WRONG = "What people get wrong"


def by_example(x):
    """Let examples differ in mean and spread, where channels were drawn to."""
    return x.swapaxes(0, 1)


def with_faint(x, channels):
    """Make the last channels so small that eps rules there, even with their mean."""
    factor = np.where(np.arange(x.shape[1]) < x.shape[1] - channels, 1, 0.005)
    return (x * factor.reshape((-1,) + (1,) * (x.ndim - 2))).astype(x.dtype)


def per_element(rng, x, axes):
    """Draw one distinct number for each element of the last axes of `x`."""
    shape = x.shape[x.ndim - axes :]
    flat = np.empty((1, int(np.prod(shape))), x.dtype)
    return per_channel(rng, flat).reshape(shape)


# Mistakes of many exercises ----------------------------------------------------------


def everywhere(axes, right="axes", x="x"):
    """Average over other axes: in both statistics, in the mean, in the variance."""
    mean, var = f"{x}.mean(axis={right},", f"{x}.var(axis={right},"
    in_mean = {mean: f"{x}.mean(axis={axes},"}
    in_var = {var: f"{x}.var(axis={axes},"}
    return in_mean | in_var, in_mean, in_var


def add_eps_mistakes(exercise, spread="var", word="variance"):
    """Add what goes wrong with eps, beside the name of what it is added to."""
    root = f"np.sqrt({spread} + eps)"
    exercise.mistake(
        "eps-outside",
        f"eps stands outside the root: it is added to the {word}.",
        {root: f"(np.sqrt({spread}) + eps)"},
        heading=QUESTION,
    )
    exercise.mistake(
        "eps-forgotten",
        "eps is missing.",
        {f"{spread} + eps": spread},
        heading=QUESTION,
    )
    exercise.mistake(
        "eps-ignored",
        "eps is not the one that was given.",
        *({f"{spread} + eps": f"{spread} + 1e-{k}"} for k in (3, 4, 5, 6, 7, 8)),
        heading=WRONG,
    )
    exercise.mistake(
        "eps-as-floor",
        f"eps is used as a lower bound of the {word}: it has to be added to it.",
        {f"{spread} + eps": f"np.maximum({spread}, eps)"},
        heading=QUESTION,
    )
    exercise.mistake(
        "eps-squared",
        f"eps is squared: it is added to the {word} as it is.",
        {f"{spread} + eps": f"{spread} + eps**2"},
        heading=QUESTION,
    )
    exercise.mistake(
        "eps-subtracted",
        "eps has the wrong sign.",
        {f"{spread} + eps": f"{spread} - eps"},
        heading=QUESTION,
    )
    exercise.mistake(
        "root-forgotten",
        "The root is missing in what is divided by.",
        {root: f"({spread} + eps)"},
        heading=QUESTION,
    )


def add_statistics_mistakes(exercise, x="x", axes="axes"):
    """Add what goes wrong with mean and variance, whatever they are taken over."""
    mean, var = (f"{x}.{name}(axis={axes}, keepdims=True)" for name in ("mean", "var"))
    exercise.mistake(
        "unbiased-variance",
        "The variance is divided by m - 1: all norms divide it by m.",
        {var: f"{x}.var(axis={axes}, ddof=1, keepdims=True)"},
        heading=QUESTION,
    )
    exercise.mistake(
        "std-for-variance",
        "A standard deviation stands under the root, where the variance belongs.",
        {f"{x}.var": f"{x}.std"},
        heading=QUESTION,
    )
    exercise.mistake(
        "not-centred",
        "The mean is not subtracted.",
        {f"({x} - mean)": x},
        heading=QUESTION,
    )
    exercise.mistake(
        "mean-square-for-variance",
        "The variance is measured around zero, not around the mean.",
        {var: f"({x}**2).mean(axis={axes}, keepdims=True)"},
        heading=NO_MEAN,
    )
    exercise.mistake(
        "rms-norm",
        "Nothing is centred: this is RMS norm.",
        {
            f"({x} - mean)": x,
            var: f"({x}**2).mean(axis={axes}, keepdims=True)",
        },
        heading=NO_MEAN,
    )
    exercise.mistake(
        "sum-for-mean",
        "A sum stands where a mean belongs.",
        {var: f"(({x} - mean) ** 2).sum(axis={axes}, keepdims=True)"},
        {mean: f"{x}.sum(axis={axes}, keepdims=True)"},
        heading=QUESTION,
    )
    exercise.mistake(
        "not-scaled",
        "The deviations are not divided by anything.",
        {" / np.sqrt(var + eps)": ""},
        heading=QUESTION,
    )
    exercise.mistake(
        "multiplied",
        "The deviations are multiplied by the standard deviation, not divided.",
        {"/ np.sqrt(": "* np.sqrt("},
        heading=QUESTION,
    )


def add_scale_mistakes(exercise, gamma="gamma", beta="beta"):
    """Add what goes wrong with gamma and beta in the last line."""
    line = f"{gamma} * x_hat + {beta}"
    exercise.mistake(
        "gamma-forgotten",
        "gamma is missing.",
        {line: f"x_hat + {beta}"},
        heading=QUESTION,
    )
    exercise.mistake(
        "beta-forgotten",
        "beta is missing.",
        {line: f"{gamma} * x_hat"},
        heading=QUESTION,
    )
    exercise.mistake(
        "both-forgotten",
        "gamma and beta are missing.",
        {line: "x_hat"},
        heading=QUESTION,
    )
    exercise.mistake(
        "gamma-and-beta-swapped",
        "gamma and beta have changed places.",
        {line: f"{beta} * x_hat + {gamma}"},
        heading=QUESTION,
    )
    exercise.mistake(
        "beta-scaled",
        "beta is multiplied by gamma: it is added last.",
        {line: f"{gamma} * (x_hat + {beta})"},
        heading=QUESTION,
    )
    exercise.mistake(
        "beta-subtracted",
        "beta has the wrong sign.",
        {line: f"{gamma} * x_hat - {beta}"},
        heading=QUESTION,
    )
    exercise.mistake(
        "gamma-plus-one",
        "One is added to gamma: that is another convention.",
        {line: f"(1 + {gamma}) * x_hat + {beta}"},
        heading=QUESTION,
    )
    exercise.mistake(
        "gamma-divides",
        "gamma divides what it should multiply.",
        {line: f"x_hat / {gamma} + {beta}"},
        heading=QUESTION,
    )


# One function for all norms ----------------------------------------------------------


def standardise_over(x, axes, eps):
    """Standardise an array over some of its axes, and leave the others apart.

    Parameters
    ----------
    x : ndarray
        Of any number of axes.
    axes : tuple of int
        The axes over which a mean and a biased variance are taken together. Negative
        ones count from the end.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    ndarray, shape of x
        The standardised array, without gamma and beta.
    """
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


AXES = Exercise(
    identifier="norm-axes",
    title="Every norm in one function",
    section=Section(PAGE, QUESTION),
    difficulty=1,
    minutes=10,
    text=(
        "Norms differ in the axes that they average over. Write the function that is "
        "told the axes: batch, layer and instance norm are calls of it."
    ),
    reference=standardise_over,
    outputs=("x_hat",),
    families=(
        Family("the columns of a matrix", (7, 3), options={"axes": (0,)}),
        Family("the rows of a matrix", (4, 6), options={"axes": (-1,)}),
        Family(
            "channels of images", (4, 3, 5, 2), "quiet", options={"axes": (0, 2, 3)}
        ),
        Family("whole sequences", (3, 4, 6), options={"axes": (1, 2)}),
        Family(
            "channels of each image", (5, 4, 3, 2), "scaled", options={"axes": (2, 3)}
        ),
        Family("float32", (2, 5, 3), dtype="f4", options={"axes": (0, 2)}),
    ),
    arguments=lambda rng, x, axes: (x, axes, draw_eps(rng)),
    small=((2, 2), (3, 2), (2, 2, 2), (2, 3, 2), (2, 2, 1, 2), (2, 2, 2, 2)),
    hints=paragraphs("""
        NumPy takes a mean over several axes at once if you give it a tuple.

        What comes out of the mean has fewer axes than x. How can it keep them, with
        length 1, so that it lines up with x again?

        Mean and variance with axis=axes and keepdims=True; then the formula of
        chapter 02.
    """),
    why=(
        "keepdims leaves an axis of length 1 where the average was taken. So every "
        "element meets the statistics of its own set, whatever the axes are."
    ),
)
VAR = "x.var(axis=axes, keepdims=True)"
AXES.mistake(
    "no-keepdims",
    "The statistics do not line up with x: the axes that were averaged are gone.",
    {", keepdims=True": ""},
    {
        ", keepdims=True": "",
        "(x - mean) / np.sqrt(var + eps)": "((x.T - mean) / np.sqrt(var + eps)).T",
    },
)
AXES.mistake(
    "variances-of-parts",
    "The variance is put together from parts: all numbers of a set go in at once.",
    {VAR: "x.var(axes[0], keepdims=True).mean(axes[1:], keepdims=True)"},
    {VAR: "x.var(axes[-1], keepdims=True).mean(axes[:-1], keepdims=True)"},
    {VAR: "x.mean(axes[1:], keepdims=True).var(axes[0], keepdims=True)"},
    {VAR: "x.mean(axes[:-1], keepdims=True).var(axes[-1], keepdims=True)"},
)
AXES.mistake(
    "other-axes",
    "These are the axes to keep apart: the average is over the ones that are given.",
    {
        "mean = x.mean": "n = x.ndim\n"
        "    axes = tuple(set(range(n)) - {a % n for a in axes})\n    mean = x.mean"
    },
)
AXES.mistake(
    "one-axis-only",
    "The average is over one of the axes only.",
    {"axis=axes": "axis=int(axes[0])"},
    {"axis=axes": "axis=int(axes[-1])"},
)
AXES.mistake(
    "one-after-another",
    "The axes are taken one after another: all of them share one mean and variance.",
    {
        "mean = x.mean": "for axis in axes[:-1]:\n"
        "        x = (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(\n"
        "            x.var(axis=axis, keepdims=True) + eps)\n    mean = x.mean",
        "axis=axes": "axis=int(axes[-1])",
    },
)
AXES.mistake(
    "all-axes",
    "All numbers are taken together, whatever the axes are.",
    {"axis=axes": "axis=None"},
    {"x.mean(axis=axes, keepdims=True)": "x.mean()"},
    {"x.var(axis=axes, keepdims=True)": "x.var()"},
)
AXES.mistake(
    "axes-ignored",
    "The axes are not the ones that were given.",
    {"axis=axes": "axis=0"},
    {"axis=axes": "axis=-1"},
    {"axis=axes": "axis=1"},
    {"axis=axes": "axis=(0, *range(2, x.ndim))"},
    {"axis=axes": "axis=tuple(range(1, x.ndim))"},
)
add_eps_mistakes(AXES)
add_statistics_mistakes(AXES)


# RMS norm ----------------------------------------------------------------------------


def rms_norm(x, gamma, eps):
    """Apply RMS norm to the last axis.

    Parameters
    ----------
    x : ndarray, shape (..., D)
        Any number of examples with D features, for instance (texts, words, D).
    gamma : ndarray, shape (D,)
        Scale of each feature. There is no beta.
    eps : float
        Added inside the root.

    Returns
    -------
    ndarray, shape of x
        Each example divided by its root mean square, and scaled.
    """
    mean_square = (x**2).mean(axis=-1, keepdims=True)
    x_hat = x / np.sqrt(mean_square + eps)
    return gamma * x_hat


def rms_arguments(rng, x, faint=0):
    """Draw the arguments of RMS norm; the examples differ in size."""
    x = by_example(x) if x.ndim == 2 else with_faint(x, faint)
    return x, per_element(rng, x, 1), draw_eps(rng)


EXAMPLES = (
    Family("a matrix", (3, 7)),
    Family("texts", (3, 4, 6)),
    Family("texts with a faint word", (5, 3, 4), options={"faint": 1}),
    Family("badly scaled examples", (5, 8), "scaled"),
    Family("a large common offset", (4, 6), offset=30.0),
    Family("float32", (4, 9), dtype="f4"),
)
RMS = Exercise(
    identifier="rms-norm",
    title="RMS norm",
    section=Section(PAGE, FORMULA),
    difficulty=1,
    minutes=10,
    text=(
        "Write the norm of many language models: layer norm that saves itself the mean "
        "and the shift."
    ),
    reference=rms_norm,
    outputs=("y",),
    families=EXAMPLES,
    arguments=rms_arguments,
    small=((2, 2), (2, 3), (2, 2, 2), (2, 3, 2)),
    hints=paragraphs("""
        Root mean square, read from right to left: what is done first?

        The mean of the squares is over the last axis, one for each example. eps is
        added to it before the root. Nothing is subtracted.

        gamma * x / sqrt(mean(x ** 2) + eps), with the mean over axis -1 and
        keepdims=True.
    """),
    why=(
        "Each example is divided by one number, its own size. What the features have in "
        "common stays, so directions are kept and lengths are not."
    ),
)
RMS.mistake(
    "centred",
    "The mean is subtracted: that is layer norm.",
    {
        "(x**2).mean(axis=-1, keepdims=True)": "x.var(axis=-1, keepdims=True)",
        "x / np": "(x - x.mean(axis=-1, keepdims=True)) / np",
    },
    {"x / np": "(x - x.mean(axis=-1, keepdims=True)) / np"},
    heading=NO_MEAN,
)
RMS.mistake(
    "variance-for-mean-square",
    "The variance around the mean stands under the root: in RMS norm it is the mean "
    "square.",
    {"(x**2).mean(axis=-1, keepdims=True)": "x.var(axis=-1, keepdims=True)"},
    heading=NO_MEAN,
)
RMS.mistake(
    "sum-for-mean",
    "The squares are summed: this is the length, not the root mean square.",
    {"(x**2).mean": "(x**2).sum"},
)
RMS.mistake(
    "squared-mean",
    "The mean is squared: the squares are what is averaged.",
    {"(x**2).mean(axis=-1, keepdims=True)": "x.mean(axis=-1, keepdims=True) ** 2"},
)
RMS.mistake(
    "not-squared",
    "The values are not squared before they are averaged.",
    {"(x**2).mean": "np.abs(x).mean"},
    {"np.sqrt(mean_square + eps)": "(np.abs(x).mean(axis=-1, keepdims=True) + eps)"},
)
RMS.mistake(
    "wrong-axis",
    "The wrong axis: an example is measured by its own features.",
    {"axis=-1": "axis=0"},
    {"axis=-1": "axis=tuple(range(x.ndim - 1))"},
    {"axis=-1, keepdims=True": "axis=0"},
    heading=MEANINGS,
)
RMS.mistake(
    "axis-one",
    "The average is over axis 1, which is not the last one everywhere.",
    {"axis=-1": "axis=1"},
    heading=MEANINGS,
)
RMS.mistake(
    "whole-texts",
    "The average is over whole texts here: the last axis alone is meant.",
    {"axis=-1": "axis=tuple(range(1, x.ndim))"},
    heading=MEANINGS,
)
RMS.mistake(
    "all-axes",
    "All numbers are taken together: every example has its own root mean square.",
    {"axis=-1, keepdims=True": ""},
    heading=MEANINGS,
)
RMS.mistake(
    "no-keepdims",
    "The mean squares do not line up with x: their last axis is gone.",
    {", keepdims=True": ""},
)
RMS.mistake(
    "gamma-forgotten",
    "gamma is missing.",
    {"gamma * x_hat": "x_hat"},
)
RMS.mistake(
    "gamma-not-lined-up",
    "gamma meets another axis of x than that of the features.",
    {"gamma * x_hat": "gamma[:, None] * x_hat"},
)
RMS.mistake(
    "matrix-only",
    "It works for a matrix only: x may have more axes.",
    {"mean_square = (x": "N, D = x.shape\n    mean_square = (x"},
    heading=MEANINGS,
)
RMS.mistake(
    "gamma-first",
    "gamma comes too early: it scales what has been divided already.",
    {
        "mean_square = (x": "x = gamma * x\n    mean_square = (x",
        "gamma * x_hat": "x_hat",
    },
)
RMS.mistake(
    "gamma-divides",
    "gamma divides what it should multiply.",
    {"gamma * x_hat": "x_hat / gamma"},
)
RMS.mistake(
    "gamma-added",
    "gamma is added: it is a factor.",
    {"gamma * x_hat": "gamma + x_hat"},
)
RMS.mistake(
    "gamma-plus-one",
    "One is added to gamma: that is another convention.",
    {"gamma * x_hat": "(1 + gamma) * x_hat"},
)
RMS.mistake(
    "not-divided",
    "Nothing is divided by the root mean square.",
    {" / np.sqrt(mean_square + eps)": ""},
)
RMS.mistake(
    "multiplied",
    "The root mean square multiplies what it should divide.",
    {"x / np": "x * np"},
)
add_eps_mistakes(RMS, "mean_square", "mean square")


# Layer norm --------------------------------------------------------------------------


def layer_norm(x, gamma, beta, eps):
    """Apply layer norm to the last axes of x, as many as gamma has.

    Parameters
    ----------
    x : ndarray, shape (..., *normalized_shape)
        For instance (texts, words, D).
    gamma, beta : ndarray, shape normalized_shape
        Scale and shift of each element: (D,) names the last axis, (words, D) the last
        two. These are the axes of the mean and of the biased variance, too.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    ndarray, shape of x
        The output.
    """
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma * x_hat + beta


def layer_arguments(rng, x, axes):
    """Draw the arguments of layer norm over the last `axes` axes."""
    x = by_example(x) if axes == x.ndim - 1 else x
    gamma, beta = per_element(rng, x, axes), per_element(rng, x, axes)
    return x, gamma, beta, draw_eps(rng)


LAYER = Exercise(
    identifier="layer-norm",
    title="Layer norm in both its meanings",
    section=Section(PAGE, MEANINGS),
    difficulty=2,
    minutes=15,
    text=(
        "Write layer norm for matrices, texts and images. The shape of gamma says which "
        "of its meanings is meant."
    ),
    reference=layer_norm,
    outputs=("y",),
    families=(
        Family("a matrix", (3, 7), options={"axes": 1}),
        Family("words of a text", (3, 4, 6), options={"axes": 1}),
        Family("texts with a quiet word", (5, 3, 4), "quiet", options={"axes": 1}),
        Family("whole texts", (4, 5, 3), options={"axes": 2}),
        Family("badly scaled images", (4, 3, 5, 2), "scaled", options={"axes": 3}),
        Family("float32", (4, 9), dtype="f4", options={"axes": 1}),
    ),
    arguments=layer_arguments,
    small=((2, 2), (2, 3), (2, 2, 2), (2, 3, 2), (2, 2, 1, 2), (2, 2, 2, 2)),
    hints=paragraphs("""
        Which axes of x have to go, if gamma has one axis? And if it has two?

        The axes are the last gamma.ndim ones. The statistics have to keep them, with
        length 1, to line up with x. gamma and beta line up by themselves.

        axes = tuple(range(x.ndim - gamma.ndim, x.ndim)), keepdims=True for both
        statistics, and gamma * x_hat + beta.
    """),
    why=(
        "NumPy lines up from the right, and the axes of gamma are the last ones of x: so "
        "it meets its own elements. The statistics were averaged there, and keepdims "
        "gives them the axes back."
    ),
)
LAST = "tuple(range(x.ndim - gamma.ndim, x.ndim))"
LAYER.mistake(
    "last-axis-only",
    "The average is over the last axis only, however many axes gamma has.",
    *everywhere("-1"),
    misconception="mis-channels",
)
LAYER.mistake(
    "all-but-the-first",
    "The average is over all axes behind the first, however few axes gamma has.",
    *everywhere("tuple(range(1, x.ndim))"),
)
LAYER.mistake(
    "batch-axis",
    "Examples share their statistics here: layer norm looks at each of them alone.",
    *everywhere("0"),
    {LAST: "(0, *range(2, x.ndim))"},
    {LAST: "tuple(range(x.ndim - gamma.ndim))"},
    {LAST: "tuple(range(x.ndim - 1))"},
    heading=QUESTION,
)
LAYER.mistake(
    "first-axes",
    "The axes are counted from the wrong end.",
    {LAST: "tuple(range(gamma.ndim))"},
)
LAYER.mistake(
    "axes-of-images",
    "The axes are those of images: other inputs have fewer.",
    {LAST: "(1, 2, 3)"},
    {LAST: "(-3, -2, -1)"},
    {"axes = ": "N, C, H, W = x.shape\n    axes = "},
)
LAYER.mistake(
    "matrix-only",
    "It works for a matrix only: x may have more axes.",
    {"axes = ": "N, D = x.shape\n    axes = "},
)
LAYER.mistake(
    "gamma-not-lined-up",
    "gamma and beta meet other axes of x than their own.",
    {"gamma * x_hat + beta": "gamma[:, None] * x_hat + beta[:, None]"},
    {"gamma * x_hat + beta": "gamma[:, None, None] * x_hat + beta[:, None, None]"},
)
LAYER.mistake(
    "axis-one",
    "The average is over axis 1, which is not the last one everywhere.",
    {LAST: "1"},
)
LAYER.mistake(
    "all-axes",
    "All numbers are taken together: each example has its own statistics.",
    {LAST: "None"},
    {"x.mean(axis=axes, keepdims=True)": "x.mean()"},
    {"x.var(axis=axes, keepdims=True)": "x.var()"},
    heading=QUESTION,
)
LAYER.mistake(
    "no-keepdims",
    "The statistics do not line up with x: the axes that were averaged are gone.",
    {", keepdims=True": ""},
)
LAYER.mistake(
    "scaled-first",
    "gamma and beta come too early: they belong behind the standardising.",
    {"axes = ": "x = gamma * x + beta\n    axes = ", "gamma * x_hat + beta": "x_hat"},
    heading=QUESTION,
)
add_scale_mistakes(LAYER)
add_eps_mistakes(LAYER)
add_statistics_mistakes(LAYER)


# Instance norm -----------------------------------------------------------------------


def instance_norm(x, gamma, beta, eps):
    """Apply instance norm: each channel of each example by itself.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...)
        N examples with C channels: sequences (N, C, L), images (N, C, H, W), and so on.
    gamma, beta : ndarray, shape (C,)
        Scale and shift of each channel.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    ndarray, shape of x
        The output.
    """
    axes = tuple(range(2, x.ndim))
    column = (-1,) + (1,) * (x.ndim - 2)
    mean = x.mean(axis=axes, keepdims=True)
    var = x.var(axis=axes, keepdims=True)
    x_hat = (x - mean) / np.sqrt(var + eps)
    return gamma.reshape(column) * x_hat + beta.reshape(column)


def channel_arguments(rng, x):
    """Draw gamma, beta and eps of a norm with channels on axis 1."""
    return x, per_channel(rng, x), per_channel(rng, x), draw_eps(rng)


INSTANCE = Exercise(
    identifier="instance-norm",
    title="Instance norm",
    section=Section(PAGE, QUESTION),
    difficulty=2,
    minutes=15,
    text=(
        "Write the norm that takes brightness and contrast out of every channel of every "
        "image, for inputs with any number of axes."
    ),
    reference=instance_norm,
    outputs=("y",),
    families=(
        Family("images", (4, 3, 5, 2)),
        Family("sequences", (3, 4, 6)),
        Family("images with a quiet channel", (3, 4, 2, 5), "quiet"),
        Family("badly scaled channels", (5, 4, 3, 2), "scaled"),
        Family("volumes", (2, 3, 2, 4, 3)),
        Family("float32", (2, 5, 3, 4), dtype="f4"),
    ),
    arguments=channel_arguments,
    small=((2, 2, 2), (2, 3, 2), (2, 2, 1, 2), (2, 2, 2, 2), (2, 2, 1, 1, 2)),
    hints=paragraphs("""
        Which numbers share a mean: those of one channel, of one example, or of one
        channel of one example?

        All axes behind the channels have to go. gamma and beta have C numbers, which
        meet the last axis of x unless you give them another shape.

        axes = tuple(range(2, x.ndim)) with keepdims=True; gamma and beta reshaped to
        (C, 1, ..., 1), with a 1 for each of these axes.
    """),
    why=(
        "Each channel of each example has its own mean and variance, but a channel has "
        "the same gamma and beta in all examples. So two shapes are needed."
    ),
)
COLUMN = "(-1,) + (1,) * (x.ndim - 2)"
INSTANCE.mistake(
    "batch-norm",
    "Examples share their statistics here: this is batch norm.",
    *everywhere("(0, *range(2, x.ndim))"),
)
INSTANCE.mistake(
    "layer-norm",
    "Channels share their statistics here: this is layer norm.",
    *everywhere("tuple(range(1, x.ndim))"),
    heading=BETWEEN,
)
INSTANCE.mistake(
    "axes-of-images",
    "The axes are those of images: other inputs have fewer or more.",
    {"tuple(range(2, x.ndim))": "(2, 3)"},
    {"tuple(range(2, x.ndim))": "(-2, -1)"},
    {"axes = ": "N, C, H, W = x.shape\n    axes = "},
)
INSTANCE.mistake(
    "last-axis-only",
    "The average is over the last axis only: all places of a channel belong together.",
    {"tuple(range(2, x.ndim))": "-1"},
    {"tuple(range(2, x.ndim))": "2"},
)
INSTANCE.mistake(
    "channel-axis",
    "The average is over the channels at each place.",
    *everywhere("1"),
)
INSTANCE.mistake(
    "batch-axis",
    "The average is over the examples at each place.",
    *everywhere("0"),
)
INSTANCE.mistake(
    "all-axes",
    "All numbers are taken together: each channel of each example is by itself.",
    {"tuple(range(2, x.ndim))": "None"},
    {"x.mean(axis=axes, keepdims=True)": "x.mean()"},
    {"x.var(axis=axes, keepdims=True)": "x.var()"},
)
INSTANCE.mistake(
    "no-keepdims",
    "The statistics do not line up with x: the axes that were averaged are gone.",
    {", keepdims=True": ""},
)
INSTANCE.mistake(
    "gamma-not-lined-up",
    "gamma and beta meet another axis of x than that of the channels.",
    {".reshape(column)": ""},
    {COLUMN: "(-1,) + (1,) * (x.ndim - 1)"},
)
REPEATED = {
    "gamma.reshape(column) * x_hat + beta.reshape(column)": (
        "gamma.repeat(len(x)).reshape(x.shape[:2] + column[1:]) * x_hat"
        " + beta.repeat(len(x)).reshape(x.shape[:2] + column[1:])"
    )
}
INSTANCE.mistake(
    "gamma-mixed",
    "gamma and beta are repeated in the wrong order, so that channels are mixed.",
    REPEATED,
)
INSTANCE.mistake(
    "one-number-of-axes",
    "The shape of gamma and beta fits one number of axes only.",
    {COLUMN: "(-1, 1)"},
    {COLUMN: "(-1, 1, 1)"},
    {COLUMN: "(1, -1, 1, 1)"},
)
INSTANCE.mistake(
    "scaled-first",
    "gamma and beta come too early: they belong behind the standardising.",
    {
        "mean = x.mean": "x = gamma.reshape(column) * x + beta.reshape(column)\n"
        "    mean = x.mean",
        "return gamma.reshape(column) * x_hat + beta.reshape(column)": "return x_hat",
    },
)
add_scale_mistakes(INSTANCE, "gamma.reshape(column)", "beta.reshape(column)")
add_eps_mistakes(INSTANCE)
add_statistics_mistakes(INSTANCE)


# Group norm --------------------------------------------------------------------------


def group_norm(x, num_groups, gamma, beta, eps):
    """Apply group norm: groups of neighbouring channels, each example by itself.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...)
        N examples with C channels: a matrix, sequences, images, and so on.
    num_groups : int
        Number of groups; it divides C. The first C / num_groups channels are the first
        group, and so on.
    gamma, beta : ndarray, shape (C,)
        Scale and shift of each channel.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    ndarray, shape of x
        The output.
    """
    N, C = x.shape[:2]
    groups = x.reshape(N, num_groups, C // num_groups, -1)
    mean = groups.mean(axis=(2, 3), keepdims=True)
    var = groups.var(axis=(2, 3), keepdims=True)
    x_hat = ((groups - mean) / np.sqrt(var + eps)).reshape(x.shape)
    column = (-1,) + (1,) * (x.ndim - 2)
    return gamma.reshape(column) * x_hat + beta.reshape(column)


def group_arguments(rng, x, num_groups, faint=0):
    """Draw the arguments of group norm."""
    x, *rest = channel_arguments(rng, with_faint(x, faint))
    return x, num_groups, *rest


GROUPED = (
    Family("images", (4, 6, 5, 2), options={"num_groups": 2}),
    Family("a matrix", (4, 6), options={"num_groups": 2}),
    Family("a faint group", (3, 6, 2), options={"num_groups": 3, "faint": 2}),
    Family("badly scaled channels", (3, 8, 2, 3), "scaled", options={"num_groups": 4}),
    Family("float32", (2, 6, 3, 4), dtype="f4", options={"num_groups": 2}),
)
GROUP = Exercise(
    identifier="group-norm",
    title="Group norm",
    section=Section(PAGE, QUESTION),
    difficulty=3,
    minutes=20,
    text=(
        "Write the norm between layer and instance norm, which does not depend on the "
        "batch size, for inputs with any number of axes."
    ),
    reference=group_norm,
    outputs=("y",),
    families=GROUPED,
    arguments=group_arguments,
    small=((1, 4), (2, 4), (1, 4, 1, 2), (2, 4, 1, 2), (2, 6, 2), (2, 8, 1, 2)),
    hints=paragraphs("""
        Neighbouring channels lie side by side in memory. Which reshape makes an axis
        for the groups?

        View x as (N, num_groups, C // num_groups, -1). Which axes of this view share a
        mean? gamma and beta belong to channels, so they come after the way back.

        The statistics are over axes 2 and 3 of the view, with keepdims=True. Then
        reshape to x.shape, and reshape gamma and beta to (C, 1, ..., 1).
    """),
    why=(
        "The reshape splits the axis of the channels in two: the number of the group, "
        "and the place within it. No element moves, so the way back is a reshape too."
    ),
)
VIEW = "x.reshape(N, num_groups, C // num_groups, -1)"
GROUP.mistake(
    "variances-averaged",
    "Variances of parts of a group are averaged: what their means differ by is lost.",
    {
        "groups.var(axis=(2, 3), keepdims=True)": (
            "groups.var(axis=3, keepdims=True).mean(axis=2, keepdims=True)"
        )
    },
    {
        "groups.var(axis=(2, 3), keepdims=True)": (
            "groups.var(axis=2, keepdims=True).mean(axis=3, keepdims=True)"
        )
    },
    heading=QUESTION,
)
GROUP.mistake(
    "interleaved",
    "The groups are interleaved: neighbouring channels belong together.",
    {
        VIEW: "x.reshape(N, C // num_groups, num_groups, -1)",
        "axis=(2, 3)": "axis=(1, 3)",
    },
    heading=BETWEEN,
)
GROUP.mistake(
    "number-for-size",
    "The number of groups is taken for the number of channels in a group.",
    {VIEW: "x.reshape(N, C // num_groups, num_groups, -1)"},
)
GROUP.mistake(
    "within-group-apart",
    "The average runs over the groups: it has to run over the channels within a group.",
    {"axis=(2, 3)": "axis=(1, 3)"},
)
GROUP.mistake(
    "batch-too",
    "Examples share their statistics here: group norm looks at each of them alone.",
    *everywhere("(0, 2, 3)", "(2, 3)", "groups"),
    {"axis=(2, 3)": "axis=0"},
)
GROUP.mistake(
    "layer-norm",
    "All channels share their statistics here: the groups are not kept apart.",
    *everywhere("(1, 2, 3)", "(2, 3)", "groups"),
    heading=BETWEEN,
)
GROUP.mistake(
    "instance-norm",
    "Every channel has its own statistics here: those of a group share theirs.",
    *everywhere("3", "(2, 3)", "groups"),
    heading=BETWEEN,
)
GROUP.mistake(
    "places-apart",
    "Every place has its own statistics here: all places of a group belong together.",
    *everywhere("2", "(2, 3)", "groups"),
    # The axes of the places are kept in the view, and only one of them is averaged.
    {VIEW: "x.reshape(N, num_groups, C // num_groups, *x.shape[2:])"},
    {
        VIEW: "x.reshape(N, num_groups, C // num_groups, *x.shape[2:])",
        "axis=(2, 3)": "axis=2",
    },
)
GROUP.mistake(
    "axes-of-images",
    "The axes are those of images: other inputs have fewer.",
    {"N, C = x.shape[:2]": "N, C, H, W = x.shape"},
    {
        VIEW: "x.reshape(N, num_groups, C // num_groups, *x.shape[2:])",
        "axis=(2, 3)": "axis=(2, 3, 4)",
    },
)
GROUP.mistake(
    "all-axes",
    "All numbers are taken together: each group of each example is by itself.",
    *everywhere("None", "(2, 3)", "groups"),
)
GROUP.mistake(
    "batch-in-view",
    "The reshape mixes examples: the first axis has to stay as it is.",
    {VIEW: "x.reshape(1, num_groups, 1, -1)"},
)
GROUP.mistake(
    "no-keepdims",
    "The statistics do not line up with the groups: the averaged axes are gone.",
    {", keepdims=True": ""},
)
GROUP.mistake(
    "scaled-first",
    "gamma and beta come too early: they belong behind the standardising.",
    {
        "groups = x": "column = (-1,) + (1,) * (x.ndim - 2)\n"
        "    x = gamma.reshape(column) * x + beta.reshape(column)\n    groups = x",
        "return gamma.reshape(column) * x_hat + beta.reshape(column)": "return x_hat",
    },
)
GROUP.mistake(
    "shape-not-restored",
    "The output has the shape of the groups, not that of x.",
    {
        ".reshape(x.shape)": "",
        "gamma.reshape(column) * x_hat + beta": "x_hat + 0 * beta",
    },
)
GROUP.mistake(
    "gamma-per-group",
    "gamma and beta are taken per group: every channel has its own.",
    {
        "gamma.reshape(column) * x_hat + beta.reshape(column)": (
            "(gamma[:num_groups, None, None] * x_hat.reshape(groups.shape)"
            " + beta[:num_groups, None, None]).reshape(x.shape)"
        )
    },
)
GROUP.mistake(
    "gamma-not-lined-up",
    "gamma and beta meet another axis of x than that of the channels.",
    {".reshape(column)": ""},
    {COLUMN: "(-1,) + (1,) * (x.ndim - 1)"},
)
GROUP.mistake(
    "gamma-mixed",
    "gamma and beta are repeated in the wrong order, so that channels are mixed.",
    REPEATED,
)
GROUP.mistake(
    "one-number-of-axes",
    "The shape of gamma and beta fits one number of axes only.",
    {COLUMN: "(-1, 1)"},
    {COLUMN: "(-1, 1, 1)"},
    {COLUMN: "(1, -1, 1, 1)"},
)
add_scale_mistakes(GROUP, "gamma.reshape(column)", "beta.reshape(column)")
add_eps_mistakes(GROUP)
add_statistics_mistakes(GROUP, "groups", "(2, 3)")


# The backward pass of layer norm -----------------------------------------------------


def layer_norm_gradients(dout, x, gamma, eps):
    """Give the gradients of layer norm over the last axis.

    Parameters
    ----------
    dout, x : ndarray, shape (..., D)
        The upstream gradient, and any number of examples with D features.
    gamma : ndarray, shape (D,)
        Scale of each feature.
    eps : float
        Added to the biased variance of an example inside the root.

    Returns
    -------
    dx : ndarray, shape of x
    dgamma, dbeta : ndarray, shape (D,)
    """
    others = tuple(range(x.ndim - 1))
    mean = x.mean(axis=-1, keepdims=True)
    var = x.var(axis=-1, keepdims=True)
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (x - mean) * inv_std
    dgamma = (dout * x_hat).sum(axis=others)
    dbeta = dout.sum(axis=others)
    g = gamma * dout
    mean_g = g.mean(axis=-1, keepdims=True)
    mean_g_x_hat = (g * x_hat).mean(axis=-1, keepdims=True)
    dx = inv_std * (g - mean_g - x_hat * mean_g_x_hat)
    return dx, dgamma, dbeta


def layer_forward(dout, x, gamma, eps, beta=0.0):
    """Apply layer norm to the last axis: what the gradients are of."""
    centred = x - x.mean(axis=-1, keepdims=True)
    var = (centred**2).mean(axis=-1, keepdims=True)
    return gamma * centred / np.sqrt(var + eps) + beta


def backward_arguments(rng, x, faint=0):
    """Draw what the backward pass of layer and RMS norm is given."""
    x, gamma, eps = rms_arguments(rng, x, faint)
    return like(rng, x), x, gamma, eps


LAYER_BACKWARD = Exercise(
    identifier="layer-norm-backward",
    title="The backward pass of layer norm",
    section=Section(PAGE, BACKWARD),
    difficulty=3,
    minutes=25,
    text=(
        "Write the backward pass of layer norm. What shares a mean and what shares a "
        "gamma are two different things here."
    ),
    reference=layer_norm_gradients,
    outputs=("dx", "dgamma", "dbeta"),
    families=EXAMPLES,
    arguments=backward_arguments,
    small=((2, 2), (2, 3), (3, 2), (2, 2, 2), (2, 3, 2)),
    gradients={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    forward=layer_forward,
    hints=paragraphs("""
        Two questions for two kinds of sums: which numbers share a mean, and which
        numbers are multiplied by the same gamma?

        dgamma and dbeta are sums over all examples, one for each feature. The means in
        dx are over the features of one example, and gamma differs among these: so it
        has to come first, g = gamma * dout.

        dx = (g - mean(g) - x_hat * mean(g * x_hat)) / sqrt(var + eps), with means over
        axis -1; dgamma and dbeta sum dout * x_hat and dout over all other axes.
    """),
    why=(
        "An example is to layer norm what a column of the batch is to batch norm. But "
        "gamma varies within it, so it cannot be pulled out of the averages."
    ),
)


# The backward pass of RMS norm -------------------------------------------------------


def rms_norm_gradients(dout, x, gamma, eps):
    """Give the gradients of RMS norm over the last axis.

    Parameters
    ----------
    dout, x : ndarray, shape (..., D)
        The upstream gradient, and any number of examples with D features.
    gamma : ndarray, shape (D,)
        Scale of each feature.
    eps : float
        Added to the mean square of an example inside the root.

    Returns
    -------
    dx : ndarray, shape of x
    dgamma : ndarray, shape (D,)
    """
    mean_square = (x**2).mean(axis=-1, keepdims=True)
    inv_rms = 1 / np.sqrt(mean_square + eps)
    x_hat = x * inv_rms
    dgamma = (dout * x_hat).sum(axis=tuple(range(x.ndim - 1)))
    g = gamma * dout
    mean_g_x_hat = (g * x_hat).mean(axis=-1, keepdims=True)
    dx = inv_rms * (g - x_hat * mean_g_x_hat)
    return dx, dgamma


def rms_forward(dout, x, gamma, eps):
    """Apply RMS norm to the last axis: what the gradients are of."""
    return gamma * x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps)


RMS_BACKWARD = Exercise(
    identifier="rms-norm-backward",
    title="The backward pass of RMS norm",
    section=Section(PAGE, BACKWARD),
    difficulty=3,
    minutes=25,
    text=(
        "Derive the backward pass of RMS norm with a pencil, and write it. Which term of "
        "layer norm has gone, and which has stayed?"
    ),
    reference=rms_norm_gradients,
    outputs=("dx", "dgamma"),
    families=EXAMPLES,
    arguments=backward_arguments,
    small=((2, 2), (2, 3), (3, 2), (2, 2, 2), (2, 3, 2)),
    gradients={"dx": "x", "dgamma": "gamma"},
    forward=rms_forward,
    hints=paragraphs("""
        x is used twice: in the numerator, and in the root mean square of its example.
        There is no third way.

        Start with g = gamma * dout. The derivative of s = sqrt(mean(x ** 2) + eps) by
        one x is x_hat / D.

        dx = (g - x_hat * mean(g * x_hat)) / sqrt(mean_square + eps), with the mean over
        axis -1; dgamma sums dout * x_hat over all other axes.
    """),
    why=(
        "Nothing was subtracted on the way forward, so no mean is taken away on the way "
        "back. What is left is the way through the size of the example."
    ),
)


# The backward pass of group norm -----------------------------------------------------


def group_norm_gradients(dout, x, num_groups, gamma, eps):
    """Give the gradients of group norm.

    Parameters
    ----------
    dout, x : ndarray, shape (N, C, ...)
        The upstream gradient, and a matrix, sequences, images, and so on.
    num_groups : int
        Number of groups of neighbouring channels; it divides C.
    gamma : ndarray, shape (C,)
        Scale of each channel.
    eps : float
        Added to the biased variance of a group inside the root.

    Returns
    -------
    dx : ndarray, shape of x
    dgamma, dbeta : ndarray, shape (C,)
    """
    N, C = x.shape[:2]
    view = (N, num_groups, C // num_groups, -1)
    groups, dy = x.reshape(view), dout.reshape(view)
    mean = groups.mean(axis=(2, 3), keepdims=True)
    var = groups.var(axis=(2, 3), keepdims=True)
    inv_std = 1 / np.sqrt(var + eps)
    x_hat = (groups - mean) * inv_std
    dgamma = (dy * x_hat).sum(axis=(0, 3)).reshape(C)
    dbeta = dy.sum(axis=(0, 3)).reshape(C)
    g = gamma.reshape(num_groups, -1, 1) * dy
    mean_g = g.mean(axis=(2, 3), keepdims=True)
    mean_g_x_hat = (g * x_hat).mean(axis=(2, 3), keepdims=True)
    dx = inv_std * (g - mean_g - x_hat * mean_g_x_hat)
    return dx.reshape(x.shape), dgamma, dbeta


def group_forward(dout, x, num_groups, gamma, eps, beta=None):
    """Apply group norm, one group of one example after another."""
    column = (-1,) + (1,) * (x.ndim - 2)
    y = np.empty(x.shape)
    for row, example in zip(y, x, strict=True):
        for part, group in zip(
            np.split(row, num_groups), np.split(example, num_groups), strict=True
        ):
            part[...] = (group - group.mean()) / np.sqrt(group.var() + eps)
    y = gamma.reshape(column) * y
    return y if beta is None else y + beta.reshape(column)


def group_backward_arguments(rng, x, num_groups, faint=0):
    """Draw what the backward pass of group norm is given."""
    x = with_faint(x, faint)
    return like(rng, x), x, num_groups, per_channel(rng, x), draw_eps(rng)


GROUP_BACKWARD = Exercise(
    identifier="group-norm-backward",
    title="The backward pass of group norm",
    section=Section(PAGE, BACKWARD),
    difficulty=4,
    minutes=40,
    text=(
        "Write the backward pass of group norm for inputs with any number of axes. In "
        "dx, in dgamma and in dbeta, find out first what is summed over what."
    ),
    reference=group_norm_gradients,
    outputs=("dx", "dgamma", "dbeta"),
    families=GROUPED,
    arguments=group_backward_arguments,
    small=((1, 4), (2, 4), (1, 4, 1, 2), (2, 4, 1, 2), (2, 6, 2), (2, 8, 1, 2)),
    gradients={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    forward=group_forward,
    hints=paragraphs("""
        Work in the view (N, num_groups, C // num_groups, -1), for x and for dout. Which
        of its axes share a mean, and which share a gamma?

        The means are over axes 2 and 3, the sums of dgamma and dbeta over axes 0 and 3.
        gamma varies along axis 2, so it has to meet dout before any mean is taken.

        g = gamma.reshape(num_groups, -1, 1) * dy, then dx = (g - mean(g) - x_hat *
        mean(g * x_hat)) / sqrt(var + eps) in the view, and back to the shape of x.
    """),
    why=(
        "Places (axis 3) share both a mean and a gamma, groups (axis 1) neither. "
        "Examples (axis 0) share a gamma but no mean; the channels of a group (axis "
        "2) share a mean but no gamma. So gamma has to meet dout before a mean is "
        "taken."
    ),
)


def add_backward_mistakes(
    exercise,
    axes,
    size,
    x="x",
    dout="dout",
    gamma="gamma",
    inv="inv_std",
    spread="var",
    own_entry=(),
):
    """Add what goes wrong in all three, beside the names that a reference uses.

    A mean in dx is over `axes`, that is over `size` values; `own_entry` are more edits
    that differentiate each output by its own entry only.
    """
    mean = f"(g * x_hat).mean(axis={axes}, keepdims=True)"
    first, plain = f"g = {gamma} * {dout}\n", f"g = {dout}\n"
    dgamma = f"({dout} * x_hat).sum"
    front = f"dx = {inv} * (g"
    root = f"np.sqrt({spread} + eps)"
    exercise.mistake(
        "m-is-batch-size",
        "What is summed in dx is divided by N: m is the number of values behind a mean.",
        {mean: f"(g * x_hat).sum(axis={axes}, keepdims=True) / len(x)"},
        {front: f"dx = {size} / len(x) * {inv} * (g"},
    )
    exercise.mistake(
        "gamma-forgotten",
        "gamma is missing in dx: the gradient of x_hat is gamma times dout.",
        {first: plain},
    )
    exercise.mistake(
        "gamma-late",
        "gamma is not in all averages of dx: it varies within what shares a mean.",
        {first: plain, front: f"dx = {gamma} * {inv} * (g"},
        {first: plain, front: f"dx = {inv} * ({gamma} * g"},
        {"(g * x_hat).mean": f"({dout} * x_hat).mean"},
        {
            "(g * x_hat).mean": f"({dout} * x_hat).mean",
            "x_hat * mean_g_x_hat": f"{gamma} * x_hat * mean_g_x_hat",
        },
    )
    exercise.mistake(
        "gamma-twice",
        "gamma comes in twice: it is in the gradient of x_hat already.",
        {front: f"dx = {gamma} * {inv} * (g"},
        {"x_hat * mean_g_x_hat": f"{gamma} * x_hat * mean_g_x_hat"},
    )
    exercise.mistake(
        "x-hat-term-sign",
        "The term along x_hat has the wrong sign: it is taken away.",
        {"- x_hat * mean_g_x_hat": "+ x_hat * mean_g_x_hat"},
    )
    exercise.mistake(
        "two-too-many",
        "A 2 is wrong: that of the square and the half of the root cancel.",
        {"- x_hat * mean_g_x_hat": "- 2 * x_hat * mean_g_x_hat"},
        {"- x_hat * mean_g_x_hat": "- x_hat * mean_g_x_hat / 2"},
    )
    exercise.mistake(
        "x-hat-once",
        "x_hat has to stand twice in its term: inside the average and in front of it.",
        {"- x_hat * mean_g_x_hat": "- mean_g_x_hat"},
        {"(g * x_hat).mean": "g.mean"},
    )
    exercise.mistake(
        "own-entry-only",
        "Each output is differentiated by its own entry only: all entries move it.",
        {"- x_hat * mean_g_x_hat": f"- g * x_hat**2 / {size}"},
        {"- x_hat * mean_g_x_hat": "- g * x_hat**2"},
        *own_entry,
    )
    exercise.mistake(
        "x-for-x-hat",
        "x or its deviations stand where x_hat belongs.",
        {dgamma: f"({dout} * {x}).sum"},
        {"(g * x_hat).mean": f"(g * {x}).mean"},
        {"- x_hat * mean_g": f"- {x} * mean_g"},
        {"(g * x_hat).mean": f"(g * {x}).mean", "- x_hat * mean_g": f"- {x} * mean_g"},
    )
    exercise.mistake(
        "dgamma-without-x-hat",
        "dgamma is a sum of dout times x_hat: gamma multiplies x_hat.",
        {dgamma: f"{dout}.sum"},
    )
    exercise.mistake(
        "eps-outside",
        "eps stands outside the root.",
        {root: f"(np.sqrt({spread}) + eps)"},
        heading=QUESTION,
    )
    exercise.mistake(
        "eps-forgotten",
        "eps is missing: it goes into the root, and so into x_hat.",
        {f"{spread} + eps": spread},
        {f" * {inv}\n": f" / np.sqrt({spread})\n"},
        {front: f"dx = 1 / np.sqrt({spread}) * (g"},
        heading=QUESTION,
    )
    exercise.mistake(
        "eps-ignored",
        "eps is not the one that was given.",
        *({f"{spread} + eps": f"{spread} + 1e-{k}"} for k in (3, 5, 6, 8)),
        heading=WRONG,
    )
    exercise.mistake(
        "root-forgotten",
        "The root is missing in what is divided by.",
        {root: f"({spread} + eps)"},
        {front: f"dx = {inv}**2 * (g"},
        heading=QUESTION,
    )
    exercise.mistake(
        "not-divided",
        "The division of dx is missing: what divides on the way forward divides dx, "
        "too.",
        {front: "dx = 1.0 * (g"},
        {front: f"dx = 1 / {inv} * (g"},
    )
    exercise.mistake(
        "no-keepdims",
        "The statistics do not line up with x: the axes that were averaged are gone.",
        {", keepdims=True": ""},
    )


def add_centred_backward_mistakes(
    exercise, axes, size, x="x", dout="dout", gamma="gamma"
):
    """Add what goes wrong in those that have a mean and a beta."""
    mean_g = f"g.mean(axis={axes}, keepdims=True)"
    mean_g_x_hat = f"(g * x_hat).mean(axis={axes}, keepdims=True)"
    dgamma, dbeta = f"({dout} * x_hat).sum", f"dbeta = {dout}.sum"
    exercise.mistake(
        "statistics-constant",
        "Mean and variance are treated as constants, but both depend on x.",
        {" - mean_g - x_hat * mean_g_x_hat": ""},
    )
    exercise.mistake(
        "mean-term-missing",
        "The mean of the gradient is not subtracted: the way through the mean is missing.",
        {" - mean_g -": " -"},
        heading=NO_MEAN,
    )
    exercise.mistake(
        "x-hat-term-missing",
        "The term along x_hat is missing: the way through the variance.",
        {" - x_hat * mean_g_x_hat": ""},
    )
    exercise.mistake(
        "sum-for-mean",
        "A sum stands in dx where a mean belongs: the 1/m is missing.",
        {"g.mean": "g.sum", "(g * x_hat).mean": "(g * x_hat).sum"},
        {"g.mean": "g.sum"},
        {"(g * x_hat).mean": "(g * x_hat).sum"},
        {"dx = inv_std": f"dx = {size} * inv_std"},
    )
    exercise.mistake(
        "mean-term-sign",
        "The mean of the gradient has the wrong sign: it is taken away.",
        {"- mean_g -": "+ mean_g -"},
        {"- mean_g - x_hat": "+ mean_g + x_hat"},
    )
    exercise.mistake(
        "gamma-not-in-mean",
        "The mean of dout is taken away: it has to be that of gamma times dout.",
        {"g.mean": f"{dout}.mean"},
    )
    exercise.mistake(
        "gamma-in-sums",
        "gamma does not belong in dgamma or dbeta: y = gamma * x_hat + beta.",
        {dgamma: f"({gamma} * {dout} * x_hat).sum"},
        {dbeta: f"dbeta = ({gamma} * {dout}).sum"},
        {
            dgamma: f"({gamma} * {dout} * x_hat).sum",
            dbeta: f"dbeta = ({gamma} * {dout}).sum",
        },
    )
    exercise.mistake(
        "mean-for-sum",
        "dgamma and dbeta are sums, not means.",
        {dgamma: f"({dout} * x_hat).mean"},
        {dbeta: f"dbeta = {dout}.mean"},
        {dgamma: f"({dout} * x_hat).mean", dbeta: f"dbeta = {dout}.mean"},
    )
    exercise.mistake(
        "deviations-for-x-hat",
        "Deviations stand where x_hat belongs: they are not divided yet.",
        {dgamma: f"({dout} * ({x} - mean)).sum"},
        {"(g * x_hat).mean": f"(g * ({x} - mean)).mean"},
        {"- x_hat * mean_g": f"- ({x} - mean) * mean_g"},
        {
            "(g * x_hat).mean": f"(g * ({x} - mean)).mean",
            "- x_hat * mean_g": f"- ({x} - mean) * mean_g",
        },
        {f"({x} - mean) * inv_std": f"{x} - mean"},
    )
    exercise.mistake(
        "unbiased-variance",
        "The variance is divided by m - 1: all norms divide it by m.",
        {f"{x}.var(axis={axes}, ": f"{x}.var(axis={axes}, ddof=1, "},
        heading=QUESTION,
    )
    exercise.mistake(
        "means-of-all",
        "A mean in dx is over the whole array: each set has its own.",
        {mean_g: "g.mean()"},
        {mean_g_x_hat: "(g * x_hat).mean()"},
        {mean_g: "g.mean()", mean_g_x_hat: "(g * x_hat).mean()"},
    )


ALL_TERMS = " inv_std * (g - mean_g - x_hat * mean_g_x_hat)"
MEAN_G = "g.mean(axis=-1, keepdims=True)"
MEAN_G_X_HAT = "(g * x_hat).mean(axis=-1, keepdims=True)"
TWO_TERMS = " - mean_g - x_hat * mean_g_x_hat"
add_backward_mistakes(
    LAYER_BACKWARD,
    "-1",
    "x.shape[-1]",
    own_entry=[{TWO_TERMS: " - (g + g * x_hat**2) / x.shape[-1]"}],
)
add_centred_backward_mistakes(LAYER_BACKWARD, "-1", "x.shape[-1]")
LAYER_BACKWARD.mistake(
    "batch-means",
    "A mean in dx is over the examples: what shares a mean is one example.",
    {MEAN_G: "g.mean(axis=0)", MEAN_G_X_HAT: "(g * x_hat).mean(axis=0)"},
    {MEAN_G: "g.mean(axis=others)", MEAN_G_X_HAT: "(g * x_hat).mean(axis=others)"},
    {MEAN_G: "g.mean(axis=0)"},
    {MEAN_G_X_HAT: "(g * x_hat).mean(axis=0)"},
    {MEAN_G: "g.mean(axis=others)"},
    {MEAN_G_X_HAT: "(g * x_hat).mean(axis=others)"},
)
LAYER_BACKWARD.mistake(
    "formula-of-batch-norm",
    "This is the formula of batch norm: only there do dgamma and dbeta hold the sums"
    " in dx.",
    *(
        {ALL_TERMS: f" gamma * inv_std * (dout - dbeta / {m} - x_hat * dgamma / {m})"}
        for m in ("len(x)", "x.shape[-1]")
    ),
    *(
        {ALL_TERMS: f" inv_std * (g - dbeta / {m} - x_hat * dgamma / {m})"}
        for m in ("len(x)", "x[..., 0].size", "x.shape[-1]")
    ),
)
LAYER_BACKWARD.mistake(
    "batch-norm",
    "The statistics are those of the batch: this is the backward pass of batch norm.",
    {"axis=-1, keepdims=True": "axis=0"},
    {"axis=-1, keepdims=True": "axis=others"},
    {"x.mean(axis=-1": "x.mean(axis=0", "x.var(axis=-1": "x.var(axis=0"},
    {"x.mean(axis=-1": "x.mean(axis=others", "x.var(axis=-1": "x.var(axis=others"},
    heading=QUESTION,
)
LAYER_BACKWARD.mistake(
    "whole-texts",
    "The means are over whole texts here: the last axis alone is meant.",
    {"axis=-1": "axis=tuple(range(1, x.ndim))"},
    heading=MEANINGS,
)
LAYER_BACKWARD.mistake(
    "axis-one",
    "The means are over axis 1, which is not the last one everywhere.",
    {"axis=-1": "axis=1"},
    heading=MEANINGS,
)
LAYER_BACKWARD.mistake(
    "summed-over-features",
    "dgamma or dbeta is summed over the features: what shares a gamma are the examples.",
    {"x_hat).sum(axis=others)": "x_hat).sum(axis=-1)"},
    {"dout.sum(axis=others)": "dout.sum(axis=-1)"},
    {"sum(axis=others)": "sum(axis=-1)"},
    {"sum(axis=others)": "sum(axis=-1, keepdims=True)"},
    {"sum(axis=others)": "sum(axis=1)"},
)
LAYER_BACKWARD.mistake(
    "words-apart",
    "dgamma or dbeta is summed over the first axis only: all words share one gamma.",
    {"x_hat).sum(axis=others)": "x_hat).sum(axis=0)"},
    {"dout.sum(axis=others)": "dout.sum(axis=0)"},
    {"sum(axis=others)": "sum(axis=0)"},
)
LAYER_BACKWARD.mistake(
    "summed-over-all",
    "dgamma or dbeta is summed over everything: each feature has its own.",
    {"x_hat).sum(axis=others)": "x_hat).sum()"},
    {"dout.sum(axis=others)": "dout.sum()"},
    {"sum(axis=others)": "sum()"},
)
LAYER_BACKWARD.mistake(
    "not-summed",
    "dgamma or dbeta is not summed: the contributions of all examples add up.",
    {"x_hat).sum(axis=others)": "x_hat)"},
    {"dout.sum(axis=others)": "dout * 1"},
    {"x_hat).sum(axis=others)": "x_hat)", "dout.sum(axis=others)": "dout * 1"},
)

LAYER_BACKWARD.mistake(
    "matrix-only",
    "It works for a matrix only: x may have more axes.",
    {"others = ": "N, D = x.shape\n    others = "},
    heading=MEANINGS,
)

RMS_AXES = "tuple(range(x.ndim - 1))"
add_backward_mistakes(
    RMS_BACKWARD, "-1", "x.shape[-1]", inv="inv_rms", spread="mean_square"
)
RMS_BACKWARD.mistake(
    "size-constant",
    "The root mean square is treated as a constant, but it depends on x.",
    {" - x_hat * mean_g_x_hat": ""},
)
RMS_BACKWARD.mistake(
    "mean-subtracted",
    "The mean of the gradient is taken away: nothing was centred on the way forward.",
    {"(g - x_hat": "(g - g.mean(axis=-1, keepdims=True) - x_hat"},
    {" - x_hat * mean_g_x_hat": " - g.mean(axis=-1, keepdims=True)"},
    heading=NO_MEAN,
)
RMS_BACKWARD.mistake(
    "layer-norm",
    "This is the backward pass of layer norm: RMS norm does not centre.",
    {
        "(x**2).mean(axis=-1, keepdims=True)": "x.var(axis=-1, keepdims=True)",
        "x * inv_rms": "(x - x.mean(axis=-1, keepdims=True)) * inv_rms",
        "(g - x_hat": "(g - g.mean(axis=-1, keepdims=True) - x_hat",
    },
    {
        "(x**2).mean(axis=-1, keepdims=True)": "x.var(axis=-1, keepdims=True)",
        "x * inv_rms": "(x - x.mean(axis=-1, keepdims=True)) * inv_rms",
    },
    {"(x**2).mean(axis=-1, keepdims=True)": "x.var(axis=-1, keepdims=True)"},
    {"x * inv_rms": "(x - x.mean(axis=-1, keepdims=True)) * inv_rms"},
    heading=NO_MEAN,
)
RMS_BACKWARD.mistake(
    "sum-for-mean",
    "A sum stands where a mean belongs: the 1/D is missing.",
    {"(g * x_hat).mean": "(g * x_hat).sum"},
    {"(x**2).mean": "(x**2).sum"},
    {"(x**2).mean": "(x**2).sum", "(g * x_hat).mean": "(g * x_hat).sum"},
    {"dx = inv_rms": "dx = x.shape[-1] * inv_rms"},
)
RMS_BACKWARD.mistake(
    "gamma-in-dgamma",
    "gamma does not belong in dgamma: y = gamma * x_hat.",
    {"(dout * x_hat).sum": "(gamma * dout * x_hat).sum"},
)
RMS_BACKWARD.mistake(
    "mean-for-sum",
    "dgamma is a sum over the examples, not a mean.",
    {"(dout * x_hat).sum": "(dout * x_hat).mean"},
    {f"sum(axis={RMS_AXES})": f"sum(axis={RMS_AXES}) / len(x)"},
)
RMS_BACKWARD.mistake(
    "batch-means",
    "A mean is over the examples: each is measured by its own features.",
    {"(g * x_hat).mean(axis=-1, keepdims=True)": "(g * x_hat).mean(axis=0)"},
    {"(g * x_hat).mean(axis=-1, ": f"(g * x_hat).mean(axis={RMS_AXES}, "},
    {"axis=-1": "axis=0"},
    {"axis=-1": f"axis={RMS_AXES}"},
    {"(x**2).mean(axis=-1": "(x**2).mean(axis=0"},
    {"(x**2).mean(axis=-1": f"(x**2).mean(axis={RMS_AXES}"},
    {"(g * x_hat).mean(axis=-1, keepdims=True)": "dgamma / len(x)"},
)
RMS_BACKWARD.mistake(
    "means-of-all",
    "A mean is over the whole array: each example has its own.",
    {"(g * x_hat).mean(axis=-1, keepdims=True)": "(g * x_hat).mean()"},
    {"(x**2).mean(axis=-1, keepdims=True)": "(x**2).mean()"},
    {"axis=-1, keepdims=True": ""},
)
RMS_BACKWARD.mistake(
    "whole-texts",
    "The means are over whole texts here: the last axis alone is meant.",
    {"axis=-1": "axis=tuple(range(1, x.ndim))"},
    heading=MEANINGS,
)
RMS_BACKWARD.mistake(
    "axis-one",
    "The means are over axis 1, which is not the last one everywhere.",
    {"axis=-1": "axis=1"},
    heading=MEANINGS,
)
RMS_BACKWARD.mistake(
    "summed-over-features",
    "dgamma is summed over the features: what shares a gamma are the examples.",
    {RMS_AXES: "-1"},
    {f"axis={RMS_AXES}": "axis=-1, keepdims=True"},
    {RMS_AXES: "1"},
)
RMS_BACKWARD.mistake(
    "words-apart",
    "dgamma is summed over the first axis only: all words share one gamma.",
    {RMS_AXES: "0"},
)
RMS_BACKWARD.mistake(
    "summed-over-all",
    "dgamma is summed over everything: each feature has its own.",
    {f"axis={RMS_AXES}": ""},
)
RMS_BACKWARD.mistake(
    "not-summed",
    "dgamma is not summed: the contributions of all examples add up.",
    {f".sum(axis={RMS_AXES})": ""},
)
RMS_BACKWARD.mistake(
    "matrix-only",
    "It works for a matrix only: x may have more axes.",
    {"mean_square = ": "N, D = x.shape\n    mean_square = "},
    heading=MEANINGS,
)

GAMMA = "gamma.reshape(num_groups, -1, 1)"
GROUP_SIZE = "groups[0, 0].size"
GROUP_VIEW = "view = (N, num_groups, C // num_groups, -1)"
SWAPPED = "view = (N, C // num_groups, num_groups, -1)"
IN_STATISTICS = ("mean = groups.mean(axis=(2, 3)", "var = groups.var(axis=(2, 3)")
IN_MEANS = (
    "mean_g = g.mean(axis=(2, 3)",
    "mean_g_x_hat = (g * x_hat).mean(axis=(2, 3)",
)


def over(axes, *lines):
    """Replace the axes (2, 3) in some lines, or in all."""
    return {line: line.replace("(2, 3)", axes) for line in lines or ["(2, 3)"]}


add_backward_mistakes(
    GROUP_BACKWARD,
    "(2, 3)",
    GROUP_SIZE,
    "groups",
    "dy",
    GAMMA,
    own_entry=[{TWO_TERMS: f" - (g + g * x_hat**2) / {GROUP_SIZE}"}],
)
add_centred_backward_mistakes(
    GROUP_BACKWARD, "(2, 3)", GROUP_SIZE, "groups", "dy", GAMMA
)
GROUP_BACKWARD.mistake(
    "places-not-counted",
    "What is summed in dx is divided by the channels of a group alone: places count too.",
    {
        "g.mean(axis=(2, 3), keepdims=True)": (
            "g.sum(axis=(2, 3), keepdims=True) / g.shape[2]"
        ),
        "(g * x_hat).mean(axis=(2, 3), keepdims=True)": (
            "(g * x_hat).sum(axis=(2, 3), keepdims=True) / g.shape[2]"
        ),
    },
    heading=BACKWARD,
)
GROUP_BACKWARD.mistake(
    "interleaved",
    "The groups are interleaved: neighbouring channels belong together.",
    {
        GROUP_VIEW: SWAPPED,
        "axis=(2, 3)": "axis=(1, 3)",
        GAMMA: "gamma.reshape(-1, num_groups, 1)",
    },
    heading=QUESTION,
)
GROUP_BACKWARD.mistake(
    "number-for-size",
    "The number of groups is taken for the number of channels in a group.",
    {GROUP_VIEW: SWAPPED, GAMMA: "gamma.reshape(-1, num_groups, 1)"},
    heading=QUESTION,
)
GROUP_BACKWARD.mistake(
    "batch-too",
    "Examples are averaged together: group norm looks at each of them alone.",
    over("(0, 2, 3)"),
    over("(0, 2, 3)", *IN_STATISTICS),
    over("(0, 2, 3)", *IN_MEANS),
    over("(0, 2, 3)", IN_MEANS[0]),
    over("(0, 2, 3)", IN_MEANS[1]),
    heading=QUESTION,
)
GROUP_BACKWARD.mistake(
    "layer-norm",
    "All channels are averaged together: the groups are not kept apart.",
    over("(1, 2, 3)"),
    over("(1, 2, 3)", *IN_STATISTICS),
    over("(1, 2, 3)", *IN_MEANS),
    heading=BETWEEN,
)
GROUP_BACKWARD.mistake(
    "instance-norm",
    "Every channel is averaged for itself: those of a group share their statistics.",
    over("3"),
    over("3", *IN_STATISTICS),
    over("3", *IN_MEANS),
    over("3", IN_MEANS[0]),
    over("3", IN_MEANS[1]),
    heading=BETWEEN,
)
GROUP_BACKWARD.mistake(
    "places-apart",
    "Every place is averaged for itself: all places of a group belong together.",
    over("2"),
    over("2", *IN_STATISTICS),
    over("2", *IN_MEANS),
    heading=QUESTION,
)
GROUP_BACKWARD.mistake(
    "formula-of-batch-norm",
    "This is the formula of batch norm: only there do dgamma and dbeta hold the sums"
    " in dx.",
    *(
        {
            ALL_TERMS: f" {GAMMA} * inv_std * (dy - dbeta.reshape({GAMMA}.shape) / {m}"
            f" - x_hat * dgamma.reshape({GAMMA}.shape) / {m})"
        }
        for m in ("dy[:, 0, 0].size", GROUP_SIZE, "len(x)")
    ),
)
GROUP_BACKWARD.mistake(
    "summed-over-batch-only",
    "dgamma or dbeta has a number for each place: all places of a channel share one.",
    {
        "(dy * x_hat).sum(axis=(0, 3)).reshape(C)": "(dy * x_hat).sum(axis=0).reshape(x[0].shape)"
    },
    {"dy.sum(axis=(0, 3)).reshape(C)": "dout.sum(axis=0)"},
    {
        "(dy * x_hat).sum(axis=(0, 3)).reshape(C)": (
            "(dy * x_hat).sum(axis=0).reshape(x[0].shape)"
        ),
        "dy.sum(axis=(0, 3)).reshape(C)": "dout.sum(axis=0)",
    },
)
GROUP_BACKWARD.mistake(
    "summed-over-places-only",
    "dgamma or dbeta has a number for each example: all examples share one.",
    {"x_hat).sum(axis=(0, 3)).reshape(C)": "x_hat).sum(axis=3).reshape(N, C)"},
    {"dy.sum(axis=(0, 3)).reshape(C)": "dy.sum(axis=3).reshape(N, C)"},
    {".sum(axis=(0, 3)).reshape(C)": ".sum(axis=3).reshape(N, C)"},
)
GROUP_BACKWARD.mistake(
    "summed-over-groups",
    "dgamma or dbeta is summed over a group: each channel has its own gamma.",
    {"x_hat).sum(axis=(0, 3)).reshape(C)": "x_hat).sum(axis=(0, 2, 3))"},
    {"dy.sum(axis=(0, 3)).reshape(C)": "dy.sum(axis=(0, 2, 3))"},
    {".sum(axis=(0, 3)).reshape(C)": ".sum(axis=(0, 2, 3))"},
    {".sum(axis=(0, 3)).reshape(C)": ".sum(axis=(2, 3))"},
)
GROUP_BACKWARD.mistake(
    "gamma-not-lined-up",
    "gamma meets another axis of dout than that of the channels.",
    {f"g = {GAMMA} * dy": "g = (gamma * dout).reshape(view)"},
    {f"g = {GAMMA} * dy": "g = (gamma[:, None, None] * dout).reshape(view)"},
    {f"g = {GAMMA} * dy": "g = (gamma[None, :, None, None] * dout).reshape(view)"},
    heading=QUESTION,
)
GROUP_BACKWARD.mistake(
    "axes-of-images",
    "The axes are those of images: other inputs have fewer.",
    {"N, C = x.shape[:2]": "N, C, H, W = x.shape"},
    {
        GROUP_VIEW: "view = (N, num_groups, C // num_groups, *x.shape[2:])",
        "(2, 3)": "(2, 3, 4)",
    },
    {"(dy * x_hat).sum(axis=(0, 3)).reshape(C)": "dout.sum(axis=(0, 2, 3))"},
    heading=QUESTION,
)
GROUP_BACKWARD.mistake(
    "shape-not-restored",
    "dx has the shape of the groups, not that of x.",
    {"dx.reshape(x.shape)": "dx"},
    heading=QUESTION,
)
