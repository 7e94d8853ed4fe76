"""Exercises of chapter 03: the identity transform."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import draw_eps, like, per_channel

PAGE = "03_identity_transform"
OPENING = "A network that cannot be sure"
SCALE = "Scale and shift"
SHAPES = "Shapes: per feature, not per example"
IDENTITY = "The identity"
GRADIENTS = "The gradients of gamma and beta"
MERGED = "Where gamma could be merged"
SOFTMAX = "Softmax, told correctly"
WRONG = "What people get wrong"
SMALL = ((2, 2), (3, 2), (2, 2, 2), (2, 2, 1, 2), (2, 2, 2, 2))

ANY_SHAPE = (
    Family("a matrix", (7, 3)),
    Family("images", (4, 3, 5, 2)),
    Family("sequences", (3, 4, 6)),
    Family("images with a quiet channel", (5, 2, 3, 4), "quiet"),
    Family("badly scaled features", (8, 5), "scaled"),
    Family("float32", (2, 5, 3, 4), dtype="f4"),
)


def standardised(x, eps):
    """Standardise every channel of a batch."""
    axes = (0, *range(2, x.ndim))
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(var + eps)


def shifts(rng, x):
    """Draw one number of any size for each channel of `x`, such as beta."""
    return (rng.standard_normal(x.shape[1]) + 0.1).astype(x.dtype)


# Scale and shift ---------------------------------------------------------------------


def scale_and_shift(x_hat, gamma, beta):
    """Give every feature of a standardised batch the scale gamma and the shift beta.

    Parameters
    ----------
    x_hat : ndarray, shape (N, C, ...)
        The standardised batch: a matrix (N, C), images (N, C, H, W), and so on.
    gamma, beta : ndarray, shape (C,)
        One scale and one shift for each feature; features are on axis 1.

    Returns
    -------
    ndarray, shape of x_hat
        The output y of the layer.
    """
    column = (-1,) + (1,) * (x_hat.ndim - 2)
    return gamma.reshape(column) * x_hat + beta.reshape(column)


SECOND_STEP = Exercise(
    identifier="scale-and-shift",
    title="Scale and shift",
    section=Section(PAGE, SCALE),
    difficulty=1,
    minutes=10,
    text=(
        "Write the second step of batch normalization, for a matrix and for images. It "
        "is one line once the numbers line up."
    ),
    reference=scale_and_shift,
    outputs=("y",),
    families=ANY_SHAPE,
    arguments=lambda rng, x: (
        standardised(x, 0.05).astype(x.dtype),
        per_channel(rng, x),
        shifts(rng, x),
    ),
    small=SMALL,
    hints=paragraphs("""
        For a matrix gamma * x_hat + beta is right as it stands. Why is it not for
        images?

        NumPy lines shapes up from the right, so a vector of C numbers meets the last
        axis. Which shape meets axis 1 of images?

        Reshape gamma and beta to (C, 1, 1) for images and to (C,) for a matrix: as many
        ones as there are axes after the second.
    """),
    why=(
        "Axes of length 1 are stretched. With a one for every axis behind the features "
        "each number meets all examples and all places of its own feature."
    ),
)
OUTPUT = "gamma.reshape(column) * x_hat + beta.reshape(column)"
SECOND_STEP.mistake(
    "not-lined-up",
    "gamma or beta meet the last axis of images: features are on axis 1.",
    {".reshape(column)": ""},
    {"gamma.reshape(column)": "gamma"},
    {"beta.reshape(column)": "beta"},
    {"gamma.reshape(column) * x_hat": "x_hat @ np.diag(gamma)"},
    {
        "gamma.reshape(column) * x_hat": "x_hat @ np.diag(gamma)",
        "+ beta.reshape(column)": "+ beta",
    },
    {OUTPUT: "(x_hat.T * gamma + beta).T"},
    {OUTPUT: "(x_hat.T * gamma).T + beta"},
    heading=SHAPES,
)
SECOND_STEP.mistake(
    "one-shape-only",
    "The shape given to gamma and beta fits one kind of input: x_hat may have any.",
    {"(-1,) + (1,) * (x_hat.ndim - 2)": "(1, -1, 1, 1)"},
    {"(-1,) + (1,) * (x_hat.ndim - 2)": "(-1, 1, 1)"},
    {
        OUTPUT: (
            "gamma[:, None, None] * x_hat + beta[:, None, None]"
            " if x_hat.ndim == 4 else gamma * x_hat + beta"
        )
    },
    {"(-1,) + (1,) * (x_hat.ndim - 2)": "(-1, 1)"},
    {"(-1,) + (1,) * (x_hat.ndim - 2)": "(1, -1)"},
    {"(-1,) + (1,) * (x_hat.ndim - 2)": "(1, -1, 1)"},
    {
        OUTPUT: (
            "gamma[:, None, None] * x_hat + beta[:, None, None] if x_hat.ndim > 2 "
            "else gamma * x_hat + beta"
        )
    },
    {
        OUTPUT: (
            "gamma[None, :, None, None] * x_hat + beta[None, :, None, None] if "
            "x_hat.ndim > 2 else gamma * x_hat + beta"
        )
    },
    heading=SHAPES,
)
SECOND_STEP.mistake(
    "per-example",
    "gamma and beta run along axis 0: there is one pair per feature, not per example.",
    {"(-1,) + (1,) * (x_hat.ndim - 2)": "(-1,) + (1,) * (x_hat.ndim - 1)"},
    {OUTPUT: "np.array([g * row + b for g, row, b in zip(gamma, x_hat, beta)])"},
    {OUTPUT: "np.array([gamma[c] * x_hat[c] + beta[c] for c in range(len(gamma))])"},
    heading=SHAPES,
)
SECOND_STEP.mistake(
    "matrix-product",
    "This adds over features: each is multiplied by its own number.",
    {"gamma.reshape(column) * x_hat": "x_hat @ gamma"},
    {"gamma.reshape(column) * x_hat": "np.tensordot(x_hat, gamma, (1, 0))"},
    {
        "gamma.reshape(column) * x_hat": (
            "np.expand_dims(np.tensordot(x_hat, gamma, (1, 0)), 1)"
        )
    },
    {OUTPUT: "np.dot(gamma, x_hat) + beta"},
    {OUTPUT: "gamma @ x_hat + beta"},
    {OUTPUT: "np.dot(x_hat, gamma) + beta"},
    {OUTPUT: "x_hat @ gamma + beta"},
    heading=SHAPES,
)
SECOND_STEP.mistake(
    "one-pair-for-all",
    "One pair serves all features: each has its own.",
    {"gamma.reshape(column)": "gamma[0]", "beta.reshape(column)": "beta[0]"},
    {"gamma.reshape(column)": "gamma.mean()", "beta.reshape(column)": "beta.mean()"},
    {"gamma.reshape(column)": "gamma[0]"},
    {"gamma.reshape(column)": "gamma.mean()"},
    {"beta.reshape(column)": "beta[0]"},
    {"beta.reshape(column)": "beta.mean()"},
    heading=SHAPES,
)
SECOND_STEP.mistake(
    "swapped",
    "gamma and beta have changed places.",
    {"gamma.reshape(column) * x_hat + beta": "beta.reshape(column) * x_hat + gamma"},
)
SECOND_STEP.mistake(
    "beta-forgotten",
    "The shift is missing.",
    {" + beta.reshape(column)": ""},
)
SECOND_STEP.mistake(
    "gamma-forgotten",
    "The scale is missing.",
    {"gamma.reshape(column) * x_hat": "x_hat"},
)
SECOND_STEP.mistake(
    "nothing-done",
    "The batch comes back as it came, without scale and shift.",
    {OUTPUT: "x_hat * 1"},
)
SECOND_STEP.mistake(
    "beta-scaled",
    "The shift is scaled as well: it is added last.",
    {OUTPUT: ("gamma.reshape(column) * (x_hat + beta.reshape(column))")},
)
SECOND_STEP.mistake(
    "beta-subtracted",
    "The shift is subtracted.",
    {"+ beta": "- beta"},
    {OUTPUT: ("gamma.reshape(column) * (x_hat - beta.reshape(column))")},
)
SECOND_STEP.mistake(
    "undone",
    "The step is undone, not made: this solves for x_hat, or divides by gamma.",
    {OUTPUT: ("(x_hat - beta.reshape(column)) / gamma.reshape(column)")},
    {"gamma.reshape(column) * x_hat": "x_hat / gamma.reshape(column)"},
)
SECOND_STEP.mistake(
    "added-to-one",
    "1 is added to gamma, as some libraries do: here gamma is the scale itself.",
    {"gamma.reshape(column) *": "(1 + gamma.reshape(column)) *"},
)
SECOND_STEP.mistake(
    "sign-dropped",
    "The sign of gamma is dropped: a scale may be negative.",
    {"gamma.reshape(column)": "np.abs(gamma).reshape(column)"},
)
SECOND_STEP.mistake(
    "multiplied-only",
    "A sum and a product are exchanged: gamma multiplies, beta is added.",
    {"x_hat + beta": "x_hat * beta"},
    {"gamma.reshape(column) * x_hat": "gamma.reshape(column) + x_hat"},
)
SECOND_STEP.mistake(
    "standardised-again",
    "The batch is standardised once more: it is standardised already, with eps.",
    {
        "    return": (
            "    axes = (0, *range(2, x_hat.ndim))\n"
            "    x_hat = x_hat - x_hat.mean(axis=axes, keepdims=True)\n"
            "    x_hat = x_hat / x_hat.std(axis=axes, keepdims=True)\n"
            "    return"
        )
    },
    *(
        {
            "    return": (
                "    axes = (0, *range(2, x_hat.ndim))\n"
                "    x_hat = x_hat - x_hat.mean(axis=axes, keepdims=True)\n"
                f"    var = x_hat.var(axis=axes, keepdims=True) + {eps}\n"
                "    x_hat = x_hat / np.sqrt(var)\n"
                "    return"
            )
        }
        for eps in ("1e-5", "1e-8", "1e-3")
    ),
)
SECOND_STEP.mistake(
    "features-first",
    "The features have come to the front: the output has the axes of x_hat.",
    {
        OUTPUT: (
            "np.array([gamma[c] * x_hat[:, c] + beta[c] for c in range(len(gamma))])"
        )
    },
    {
        OUTPUT: (
            "np.concatenate([gamma[c] * x_hat[:, c] + beta[c] for c in "
            "range(len(gamma))])"
        )
    },
    heading=SHAPES,
)


# The identity ------------------------------------------------------------------------


def identity_parameters(x, eps):
    """Give the gamma and beta with which batch normalization returns its input.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...)
        The batch: a matrix (N, C), images (N, C, H, W), and so on.
    eps : float
        What the layer adds to the biased variance inside the root.

    Returns
    -------
    gamma, beta : ndarray, shape (C,)
        One pair for each feature, so that the layer gives x for this batch.
    """
    axes = (0, *range(2, x.ndim))
    gamma = np.sqrt(x.var(axis=axes) + eps)
    beta = x.mean(axis=axes)
    return gamma, beta


PAIR = Exercise(
    identifier="identity-parameters",
    title="The layer that does nothing",
    section=Section(PAGE, IDENTITY),
    difficulty=2,
    minutes=10,
    text=(
        "Find the pair with which the layer undoes its own normalization on a batch. "
        "It shows that the layer has lost nothing that it cannot have back."
    ),
    reference=identity_parameters,
    outputs=("gamma", "beta"),
    families=ANY_SHAPE,
    arguments=lambda rng, x: (x, draw_eps(rng)),
    small=SMALL,
    hints=paragraphs("""
        Write y = x with the whole formula of the layer in place of y. Which gamma takes
        the division away, and which beta the subtraction?

        The layer divides by the root of the variance plus eps, so gamma has to be all
        of that. The statistics are over all axes but axis 1.

        gamma = sqrt(var + eps), and beta = mean.
    """),
    why=(
        "gamma times x_hat is x - mean if gamma is what was divided by, to the last "
        "eps. Adding the mean gives x. The pair fits this batch: another one has "
        "other statistics."
    ),
)
ROOT = "np.sqrt(x.var(axis=axes) + eps)"
BETA = "beta = x.mean(axis=axes)"
PAIR.mistake(
    "variance-for-root",
    "gamma is the variance: what was divided by is a root.",
    {ROOT: "x.var(axis=axes)"},
    {ROOT: "x.var(axis=axes) + eps"},
)
PAIR.mistake(
    "eps-forgotten",
    "eps is missing in gamma, though the layer divides by a root with eps in it.",
    {" + eps": ""},
)
PAIR.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {ROOT: "np.sqrt(x.var(axis=axes)) + eps"},
    {ROOT: "np.sqrt(x.var(axis=axes)) + np.sqrt(eps)"},
)
PAIR.mistake(
    "eps-ignored",
    "eps is not the one that was given.",
    *({"+ eps": f"+ 1e-{k}"} for k in (3, 4, 5, 6, 7, 8)),
)
PAIR.mistake(
    "eps-sign",
    "eps is subtracted, or squared: the layer adds it to the variance as it is.",
    {"+ eps": "- eps"},
    {"+ eps": "+ eps**2"},
)
PAIR.mistake(
    "upside-down",
    "gamma is upside down: it has to take a division away.",
    {ROOT: f"1 / {ROOT}"},
    {ROOT: "1 / np.sqrt(x.var(axis=axes))"},
    {ROOT: "1 / (x.var(axis=axes) + eps)"},
    {ROOT: "1 / x.var(axis=axes)"},
)
PAIR.mistake(
    "start-values",
    "These are the values from which training starts, and x_hat is what they give.",
    {ROOT: "np.ones(x.shape[1])", BETA: "beta = np.zeros(x.shape[1])"},
    {ROOT: "np.ones(x.shape[1])"},
    {BETA: "beta = np.zeros(x.shape[1])"},
    heading=SCALE,
)
PAIR.mistake(
    "beta-sign",
    "beta has the wrong sign: the mean was subtracted and has to come back.",
    {BETA: "beta = -x.mean(axis=axes)"},
)
PAIR.mistake(
    "beta-scaled",
    "beta is scaled as well: it is added after gamma has done its work.",
    {BETA: "beta = x.mean(axis=axes) / gamma"},
    {BETA: "beta = -x.mean(axis=axes) / gamma"},
    {BETA: "beta = x.mean(axis=axes) * gamma"},
    {BETA: "beta = -x.mean(axis=axes) * gamma"},
    {BETA: "beta = x.mean(axis=axes) / x.std(axis=axes)"},
    {BETA: "beta = -x.mean(axis=axes) / x.std(axis=axes)"},
)
PAIR.mistake(
    "plain-inverse",
    "This is normalization itself as a scale and a shift: its inverse is asked for.",
    {ROOT: f"1 / {ROOT}", BETA: "beta = -x.mean(axis=axes) * gamma"},
    {ROOT: f"1 / {ROOT}", BETA: "beta = -x.mean(axis=axes)"},
    {
        ROOT: "1 / x.std(axis=axes)",
        "beta = x.mean(axis=axes)": "beta = -x.mean(axis=axes) * gamma",
    },
)
PAIR.mistake(
    "statistics-of-output",
    "These are the statistics of x_hat, of which gamma and beta know nothing.",
    {
        ROOT: "np.sqrt(x.var(axis=axes) / (x.var(axis=axes) + eps))",
        BETA: "beta = np.zeros(x.shape[1])",
    },
    {ROOT: "np.sqrt(x.var(axis=axes) / (x.var(axis=axes) + eps))"},
    {ROOT: "np.sqrt((x.var(axis=axes) + eps) / x.var(axis=axes))"},
)
PAIR.mistake(
    "swapped",
    "gamma and beta have changed places.",
    {"return gamma, beta": "return beta, gamma"},
)
PAIR.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1: in a batch it is divided by m.",
    {"x.var(axis=axes)": "x.var(axis=axes, ddof=1)"},
)
PAIR.mistake(
    "not-centred",
    "The mean square stands where the variance belongs.",
    {"x.var(axis=axes)": "(x**2).mean(axis=axes)"},
)
PAIR.mistake(
    "over-channels",
    "Features are mixed: each has a pair of its own.",
    {"(0, *range(2, x.ndim))": "None"},
    {"(0, *range(2, x.ndim))": "1"},
    {"(0, *range(2, x.ndim))": "tuple(range(1, x.ndim))"},
    {"x.mean(axis=axes)": "x.mean()"},
    {"x.var(axis=axes)": "x.var()"},
    heading=SHAPES,
)
PAIR.mistake(
    "per-example",
    "Every example gets a pair of its own: all examples share one.",
    {"(0, *range(2, x.ndim))": "tuple(range(2, x.ndim))"},
    {
        "(0, *range(2, x.ndim))": "tuple(range(2, x.ndim))",
        "return gamma, beta": "return gamma.mean(axis=0), beta.mean(axis=0)",
    },
    {"(0, *range(2, x.ndim))": "(2, 3)"},
    {"(0, *range(2, x.ndim))": "(-2, -1)"},
    heading=SHAPES,
)
PAIR.mistake(
    "per-place",
    "Every place of an image gets a pair of its own: all places share one.",
    {"(0, *range(2, x.ndim))": "0"},
    heading=SHAPES,
)
PAIR.mistake(
    "channels-last",
    "The last axis is taken for the features: here they are on axis 1.",
    {"(0, *range(2, x.ndim))": "tuple(range(x.ndim - 1))"},
    {"(0, *range(2, x.ndim))": "(0, 1, 2) if x.ndim == 4 else 0"},
    {"(0, *range(2, x.ndim))": "(0, 1, 2)"},
    heading=SHAPES,
)
PAIR.mistake(
    "four-axes-only",
    "The axes are those of images: a matrix and sequences have fewer.",
    {"(0, *range(2, x.ndim))": "(0, 2, 3)"},
    {"(0, *range(2, x.ndim))": "(0, 2, 3) if x.ndim == 4 else 0"},
    heading=SHAPES,
)
PAIR.mistake(
    "power-wrong",
    "The power is wrong: gamma is the root of the variance plus eps.",
    {ROOT: "np.sqrt(x.std(axis=axes) + eps)"},
    {ROOT: "(x.var(axis=axes) + eps) ** 2"},
    {ROOT: "np.sqrt(x.std(axis=axes))"},
    {ROOT: "x.var(axis=axes) ** 2"},
    {ROOT: "(x.std(axis=axes) + eps) ** 2"},
)
PAIR.mistake(
    "reshape-mixes",
    "The reshape mixes features: the axis of the features has to be moved first.",
    {"    axes =": "    x = x.reshape(-1, x.shape[1])\n    axes ="},
    {"    axes =": "    x = x.reshape(x.shape[1], -1).T\n    axes ="},
    heading=SHAPES,
)
PAIR.mistake(
    "variances-averaged",
    "Parts are measured and averaged: what their means differ by is lost.",
    {"x.var(axis=axes)": "x.var(axis=0).reshape(x.shape[1], -1).mean(axis=1)"},
    {ROOT: "x.std(axis=0).reshape(x.shape[1], -1).mean(axis=1)"},
    {ROOT: "np.sqrt(x.var(axis=0) + eps).reshape(x.shape[1], -1).mean(axis=1)"},
    heading=SHAPES,
)


# The size of the output --------------------------------------------------------------


def output_spread(var, gamma, eps):
    """Give the standard deviation of what batch normalization puts out.

    Parameters
    ----------
    var : ndarray, shape (C,)
        The biased variance of every feature of the batch that goes in.
    gamma : ndarray, shape (C,)
        The scale of every feature, which may be negative.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    ndarray, shape (C,)
        The biased standard deviation of every feature of y, exactly.
    """
    return np.abs(gamma) * np.sqrt(var / (var + eps))


SPREAD = Exercise(
    identifier="output-spread",
    title="How large the output is",
    section=Section(PAGE, WRONG),
    difficulty=2,
    minutes=10,
    text=(
        "One reads that the output has the standard deviation 1. Derive what it has: "
        "without a batch, from the variance that went in."
    ),
    reference=output_spread,
    outputs=("spread",),
    families=(
        Family("features", (7, 3)),
        Family("a quiet feature", (9, 4), "quiet"),
        Family("badly scaled features", (8, 5), "scaled"),
        Family("float32", (9, 2), "quiet", dtype="f4"),
    ),
    arguments=lambda rng, x: (x.var(axis=0), per_channel(rng, x), draw_eps(rng)),
    hints=paragraphs("""
        Shifting a feature leaves its standard deviation alone. What does multiplying it
        by a number do, and what if the number is negative?

        The deviations from the mean are divided by the root of var + eps, and their own
        standard deviation was the root of var.

        The absolute value of gamma, times the root of var / (var + eps).
    """),
    why=(
        "Every deviation is multiplied by gamma / sqrt(var + eps), so the standard "
        "deviation is multiplied by the size of that. eps keeps it below the size of "
        "gamma, far below for a quiet feature."
    ),
)
SPREAD.mistake(
    "sign-kept",
    "A standard deviation is never negative, even if gamma is.",
    {"np.abs(gamma)": "gamma"},
)
SPREAD.mistake(
    "eps-forgotten",
    "eps is forgotten: a quiet feature does not come out as large as gamma.",
    {" * np.sqrt(var / (var + eps))": ""},
    {
        "np.abs(gamma)": "gamma",
        " * np.sqrt(var / (var + eps))": " * np.ones(len(var))",
    },
    misconception="mis-eps",
)
SPREAD.mistake(
    "gamma-forgotten",
    "gamma is missing: this is the standard deviation of x_hat.",
    {"np.abs(gamma) * ": ""},
)
SPREAD.mistake(
    "taken-for-one",
    "The output has not the standard deviation 1: gamma and eps decide.",
    {"np.abs(gamma) * np.sqrt(var / (var + eps))": "np.ones(len(gamma))"},
)
SPREAD.mistake(
    "root-forgotten",
    "A root is missing: variances are divided here.",
    {"np.sqrt(var / (var + eps))": "(var / (var + eps))"},
    {"np.sqrt(var / (var + eps))": "np.sqrt(var) / (var + eps)"},
    {"np.sqrt(var / (var + eps))": "var / np.sqrt(var + eps)"},
)
SPREAD.mistake(
    "variance-given",
    "This is the variance of the output: its root is asked for.",
    {"np.abs(gamma) * np.sqrt(var / (var + eps))": "gamma**2 * var / (var + eps)"},
)
SPREAD.mistake(
    "gamma-in-root",
    "gamma multiplies deviations, not variances: it stands outside the root.",
    {"np.abs(gamma) *": "np.sqrt(np.abs(gamma)) *"},
    {"np.abs(gamma) *": "gamma**2 *"},
    {"np.abs(gamma) *": "np.sqrt(gamma) *"},
    {"np.abs(gamma) * np.sqrt(var": "np.sqrt(gamma**4 * var"},
)
SPREAD.mistake(
    "not-normalised",
    "The division by the standard deviation of the batch is missing.",
    {"var / (var + eps)": "var"},
    {"var / (var + eps)": "var + eps"},
    {"np.sqrt(var / (var + eps))": "var"},
    {"np.sqrt(var / (var + eps))": "(var + eps)"},
)
SPREAD.mistake(
    "input-spread-forgotten",
    "The spread that goes in is missing above the line.",
    {"var / (var + eps)": "1 / (var + eps)"},
)
SPREAD.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {"np.sqrt(var / (var + eps))": "np.sqrt(var) / (np.sqrt(var) + eps)"},
    {"np.sqrt(var / (var + eps))": "np.sqrt(var) / (np.sqrt(var) + np.sqrt(eps))"},
)
SPREAD.mistake(
    "eps-ignored",
    "eps is not the one that was given.",
    *({"(var + eps)": f"(var + 1e-{k})"} for k in (3, 4, 5, 6, 7, 8)),
)
SPREAD.mistake(
    "upside-down",
    "The fraction is upside down: with eps the output becomes smaller.",
    {"var / (var + eps)": "(var + eps) / var"},
    {"np.abs(gamma) *": "1 / np.abs(gamma) *"},
)


# The gradients of gamma and beta -----------------------------------------------------


def parameter_gradients(dout, x_hat):
    """Give the gradients of gamma and beta in y = gamma * x_hat + beta.

    Parameters
    ----------
    dout : ndarray, shape (N, C, ...)
        The upstream gradient, that of y.
    x_hat : ndarray, shape (N, C, ...)
        The standardised batch (by which statistics, does not matter): a matrix
        (N, C), images (N, C, H, W), and so on.

    Returns
    -------
    dgamma, dbeta : ndarray, shape (C,)
        One number of each for every feature; features are on axis 1.
    """
    axes = (0, *range(2, x_hat.ndim))
    dgamma = (dout * x_hat).sum(axis=axes)
    dbeta = dout.sum(axis=axes)
    return dgamma, dbeta


def affine(dout, x_hat, gamma=None, beta=None):
    """Scale and shift: what the gradients are of."""
    column = (-1,) + (1,) * (x_hat.ndim - 2)
    y = x_hat if gamma is None else gamma.reshape(column) * x_hat
    return y if beta is None else y + beta.reshape(column)


def nearly_standardised(rng, x):
    """Standardise by statistics that are not quite those of the batch."""
    column = (-1,) + (1,) * (x.ndim - 2)
    off = rng.uniform(0.2, 0.4, x.shape[1]).reshape(column)
    return (standardised(x, 0.05) + off).astype(x.dtype)


PARAMETERS = Exercise(
    identifier="parameter-gradients",
    title="What gamma and beta learn from",
    section=Section(PAGE, GRADIENTS),
    difficulty=2,
    minutes=10,
    text=(
        "gamma and beta are trained, so they need gradients. Write both, for a matrix "
        "and for images."
    ),
    reference=parameter_gradients,
    outputs=("dgamma", "dbeta"),
    families=ANY_SHAPE,
    arguments=lambda rng, x: (like(rng, x), nearly_standardised(rng, x)),
    small=SMALL,
    gradients={"dgamma": "gamma", "dbeta": "beta"},
    forward=affine,
    hints=paragraphs("""
        One gamma serves every example and every place of its feature. What happens to
        the contributions that come back from all of them?

        The derivative of one y by its beta is 1, and by its gamma it is x_hat. Multiply
        by what comes from above, and add up.

        dbeta is the sum of dout, and dgamma the sum of dout * x_hat, both over all axes
        but axis 1.
    """),
    why=(
        "A number that is used in many places gets a contribution back from each, and "
        "contributions add up. The sum runs over all y that belong to the feature."
    ),
)
DGAMMA = "(dout * x_hat).sum(axis=axes)"
PARAMETERS.mistake(
    "mean-for-sum",
    "Means stand where sums belong: the contributions add up.",
    {".sum": ".mean"},
    {"(dout * x_hat).sum": "(dout * x_hat).mean"},
    {"dout.sum": "dout.mean"},
    {".sum(axis=axes)": ".sum(axis=axes) / len(dout)"},
    {DGAMMA: "(dout * x_hat).sum(axis=axes) / len(dout)"},
    {"dout.sum(axis=axes)": "dout.sum(axis=axes) / len(dout)"},
    {".sum(axis=axes)": ".mean(axis=0).sum(axis=tuple(range(1, dout.ndim - 1)))"},
    {".sum(axis=axes)": ".sum(axis=0).mean(axis=tuple(range(1, dout.ndim - 1)))"},
)
PARAMETERS.mistake(
    "not-added",
    "Nothing is added up: each y gives its contribution to one number per feature.",
    {".sum(axis=axes)": " * 1"},
    {DGAMMA: "dout * x_hat"},
    {"dout.sum(axis=axes)": "dout * 1"},
)
PARAMETERS.mistake(
    "places-apart",
    "In images, all places of a feature belong to one gamma and one beta.",
    {"(0, *range(2, x_hat.ndim))": "0"},
    {DGAMMA: "(dout * x_hat).sum(axis=0)"},
    {"dout.sum(axis=axes)": "dout.sum(axis=0)"},
    heading=SHAPES,
)
PARAMETERS.mistake(
    "per-example",
    "The examples are kept apart: all of them use the same gamma and beta.",
    {"(0, *range(2, x_hat.ndim))": "tuple(range(2, x_hat.ndim))"},
    {DGAMMA: "(dout * x_hat).sum(axis=axes[1:])"},
    {"dout.sum(axis=axes)": "dout.sum(axis=axes[1:])"},
    heading=SHAPES,
)
PARAMETERS.mistake(
    "over-channels",
    "Features are added up: each has a gamma and a beta of its own.",
    {"(0, *range(2, x_hat.ndim))": "None"},
    {DGAMMA: "(dout * x_hat).sum()"},
    {"dout.sum(axis=axes)": "dout.sum()"},
    {"(0, *range(2, x_hat.ndim))": "1"},
    {"(0, *range(2, x_hat.ndim))": "tuple(range(1, x_hat.ndim))"},
    heading=SHAPES,
)
PARAMETERS.mistake(
    "channels-last",
    "The last axis is taken for the features: here they are on axis 1.",
    {"(0, *range(2, x_hat.ndim))": "tuple(range(x_hat.ndim - 1))"},
    {"(0, *range(2, x_hat.ndim))": "(0, 1, 2) if x_hat.ndim == 4 else 0"},
    heading=SHAPES,
)
PARAMETERS.mistake(
    "four-axes-only",
    "The axes are those of images: a matrix and sequences have fewer.",
    {"(0, *range(2, x_hat.ndim))": "(0, 2, 3)"},
    {"(0, *range(2, x_hat.ndim))": "(0, 2, 3) if x_hat.ndim == 4 else 0"},
    heading=SHAPES,
)
PARAMETERS.mistake(
    "upstream-forgotten",
    "The upstream gradient is missing: the chain rule multiplies by it.",
    {"(dout * x_hat)": "x_hat"},
    {"dout.sum(axis=axes)": "np.ones_like(dout).sum(axis=axes)"},
    {
        "(dout * x_hat)": "x_hat",
        "dout.sum(axis=axes)": "np.ones_like(dout).sum(axis=axes)",
    },
    {
        DGAMMA: "x_hat.sum(axis=axes)",
        "dbeta = dout.sum(axis=axes)": "dbeta = np.ones(x_hat.shape[1])",
    },
    {"dbeta = dout.sum(axis=axes)": "dbeta = np.ones(x_hat.shape[1])"},
    {
        "(dout * x_hat)": "x_hat",
        "dbeta = dout.sum(axis=axes)": "dbeta = np.zeros(x_hat.shape[1])",
    },
)
PARAMETERS.mistake(
    "x-hat-forgotten",
    "x_hat is missing in dgamma.",
    {"(dout * x_hat)": "dout"},
)
PARAMETERS.mistake(
    "x-hat-in-dbeta",
    "x_hat does not belong in dbeta: beta is added, and multiplied by nothing.",
    {"dout.sum(axis=axes)": "(dout * x_hat).sum(axis=axes)"},
)
PARAMETERS.mistake(
    "products-of-sums",
    "The sums are multiplied: every dout meets its own x_hat before they are added.",
    {DGAMMA: "dout.sum(axis=axes) * x_hat.sum(axis=axes)"},
    {DGAMMA: "dout.sum(axis=axes) * x_hat.mean(axis=axes)"},
    {DGAMMA: "dout.mean(axis=axes) * x_hat.sum(axis=axes)"},
    {DGAMMA: "dout.sum() * x_hat.sum(axis=axes)"},
    {DGAMMA: "dout.sum(axis=axes) * x_hat.sum()"},
    {DGAMMA: "dout.mean(axis=axes) * x_hat.mean(axis=axes)"},
)
PARAMETERS.mistake(
    "swapped",
    "dgamma and dbeta have changed places.",
    {"return dgamma, dbeta": "return dbeta, dgamma"},
)
PARAMETERS.mistake(
    "upstream-centred",
    "The mean of dout is subtracted: that belongs to the gradient of x.",
    {
        "    dgamma =": (
            "    dout = dout - dout.mean(axis=axes, keepdims=True)\n    dgamma ="
        ),
    },
    {"(dout * x_hat)": "((dout - dout.mean(axis=axes, keepdims=True)) * x_hat)"},
)
PARAMETERS.mistake(
    "divided-by-x-hat",
    "dout is divided by x_hat: the derivative by gamma is x_hat itself.",
    {"(dout * x_hat)": "(dout / x_hat)"},
)
PARAMETERS.mistake(
    "squared",
    "A square comes in: the gradient is linear in dout and in x_hat.",
    {"(dout * x_hat)": "(dout * x_hat**2)"},
    {"(dout * x_hat)": "(dout**2 * x_hat)"},
)
PARAMETERS.mistake(
    "matrix-product",
    "A matrix product mixes features: each meets its own column only.",
    {DGAMMA: "x_hat.T @ dout"},
    {DGAMMA: "dout.T @ x_hat"},
    {DGAMMA: "dout @ x_hat.T"},
    {DGAMMA: "x_hat @ dout.T"},
    {DGAMMA: "dout @ x_hat"},
    {DGAMMA: "np.dot(x_hat.T, dout)"},
    {DGAMMA: "np.dot(dout.T, x_hat)"},
    {DGAMMA: "np.dot(dout, x_hat)"},
    heading=SHAPES,
)
PARAMETERS.mistake(
    "reshape-mixes",
    "The reshape mixes features: the axis of the features has to be moved first.",
    {
        DGAMMA: "(dout * x_hat).reshape(-1, x_hat.shape[1]).sum(axis=0)",
        "dout.sum(axis=axes)": "dout.reshape(-1, x_hat.shape[1]).sum(axis=0)",
    },
    {
        DGAMMA: "(dout * x_hat).reshape(x_hat.shape[1], -1).sum(axis=1)",
        "dout.sum(axis=axes)": "dout.reshape(x_hat.shape[1], -1).sum(axis=1)",
    },
    heading=SHAPES,
)


# Into the next layer -----------------------------------------------------------------


def merged_linear(weight, bias, gamma, beta):
    """Put gamma and beta into the linear layer that follows.

    Parameters
    ----------
    weight : ndarray, shape (D, C)
        Of the linear layer, which turns the row h into h @ weight.T + bias.
    bias : ndarray, shape (D,)
        Of the linear layer.
    gamma, beta : ndarray, shape (C,)
        Of the batch norm in front of it: h = gamma * x_hat + beta.

    Returns
    -------
    new_weight : ndarray, shape (D, C)
    new_bias : ndarray, shape (D,)
        With these the layer gives the same when it is fed x_hat.
    """
    new_weight = weight * gamma
    new_bias = weight @ beta + bias
    return new_weight, new_bias


MERGE = Exercise(
    identifier="merged-linear",
    title="gamma and beta, merged into the next layer",
    section=Section(PAGE, MERGED),
    difficulty=2,
    minutes=15,
    text=(
        "Where a linear layer follows, gamma and beta add nothing to what the pair can "
        "express. Show it: give the layer that does without them."
    ),
    reference=merged_linear,
    outputs=("new_weight", "new_bias"),
    families=(
        Family("a layer", (4, 3)),
        Family("a wide layer", (7, 2)),
        Family("a narrow layer", (2, 5)),
        Family("unlike columns", (3, 6), "scaled"),
        Family("float32", (5, 4), dtype="f4"),
    ),
    arguments=lambda rng, x: (
        x,
        rng.standard_normal(len(x)).astype(x.dtype),
        per_channel(rng, x),
        shifts(rng, x),
    ),
    small=((2, 3), (3, 2), (3, 4)),
    hints=paragraphs("""
        Write the output with h replaced by gamma * x_hat + beta, and collect what
        multiplies x_hat and what does not.

        Each column of weight belongs to one feature of x_hat, and so does each gamma.
        What does the layer put out for x_hat = 0?

        Multiply the columns of weight by gamma. The new bias is weight @ beta + bias,
        with the old weight.
    """),
    why=(
        "A linear layer behind a scale and a shift is a linear layer again. gamma "
        "meets weight where x_hat does, in the columns; beta comes out as a constant."
    ),
)
MERGE.mistake(
    "rows-for-columns",
    "Features meet rows of weight: each of them has a column.",
    {"weight * gamma": "weight * gamma[:, None]"},
    {"weight * gamma": "np.diag(gamma) @ weight"},
    {"weight @ beta": "beta @ weight"},
)
MERGE.mistake(
    "merged-weight-in-bias",
    "gamma has come into the bias: beta is added after the scale.",
    {"weight @ beta": "new_weight @ beta"},
)
MERGE.mistake(
    "bias-forgotten",
    "The old bias is missing.",
    {"weight @ beta + bias": "weight @ beta"},
)
MERGE.mistake(
    "beta-forgotten",
    "beta is missing in the new bias.",
    {"weight @ beta + bias": "bias * 1"},
)
MERGE.mistake(
    "beta-unweighted",
    "beta passes through the layer as well: it has to be multiplied by weight.",
    {"weight @ beta + bias": "beta + bias"},
    {"weight @ beta + bias": "bias + beta"},
    {"weight @ beta + bias": "beta.sum() + bias"},
    {"weight @ beta + bias": "beta.mean() + bias"},
)
MERGE.mistake(
    "features-not-added",
    "The products with beta are not added up over the features.",
    {"weight @ beta + bias": "weight * beta + bias"},
    {"weight @ beta + bias": "weight * beta + bias[:, None]"},
    {"weight @ beta + bias": "(weight * beta).mean(axis=1) + bias"},
    {"weight @ beta + bias": "(weight * beta).sum() + bias"},
)
MERGE.mistake(
    "weight-transposed",
    "weight is transposed: it has a row for each output, and the layer uses weight.T.",
    {"weight @ beta": "weight.T @ beta"},
    {"weight * gamma": "weight.T * gamma"},
    {"new_weight = weight * gamma": "new_weight = (weight * gamma).T"},
    {"weight * gamma": "weight.T * gamma", "weight @ beta": "weight.T @ beta"},
    {"weight * gamma": "gamma[:, None] * weight.T"},
)
MERGE.mistake(
    "gamma-forgotten",
    "gamma is missing in the new weight.",
    {"weight * gamma": "weight * 1"},
)
MERGE.mistake(
    "gamma-divides",
    "The weight is divided by gamma: x_hat was multiplied by it, and so is the weight.",
    {"weight * gamma": "weight / gamma"},
    {"weight * gamma": "weight / gamma", "weight @ beta": "weight @ (beta / gamma)"},
    {"weight @ beta": "weight @ (beta / gamma)"},
)
MERGE.mistake(
    "gamma-added",
    "gamma is added to the weight, or multiplied by it as a vector.",
    {"weight * gamma": "weight + gamma"},
    {"weight * gamma": "weight @ gamma"},
    {"weight * gamma": "weight @ gamma[:, None]"},
)
MERGE.mistake(
    "bias-scaled",
    "The old bias is scaled as well: it is added after everything else.",
    {"weight @ beta + bias": "weight @ beta * bias"},
    {"weight @ beta + bias": "weight @ beta + bias * gamma.mean()"},
)
MERGE.mistake(
    "sign",
    "A term has the wrong sign: nothing is undone here, so nothing is subtracted.",
    {"weight @ beta + bias": "weight @ beta - bias"},
    {"weight @ beta + bias": "bias - weight @ beta"},
    {"weight @ beta + bias": "bias - new_weight @ beta"},
)
MERGE.mistake(
    "swapped",
    "gamma and beta have changed places.",
    {"weight * gamma": "weight * beta", "weight @ beta": "weight @ gamma"},
    {"weight * gamma": "weight * beta"},
    {"weight @ beta": "weight @ gamma"},
)
MERGE.mistake(
    "beta-into-weight",
    "beta has come into the weight: it does not depend on x_hat.",
    {"weight * gamma": "weight * gamma + beta"},
    {"weight * gamma": "weight * (gamma + beta)"},
    {"weight * gamma": "weight * gamma + beta", "weight @ beta + bias": "bias * 1"},
)


# Through a rectifier -----------------------------------------------------------------


def without_gamma(weight, gamma, beta):
    """Write relu(gamma * x_hat + beta) @ weight.T without gamma.

    Parameters
    ----------
    weight : ndarray, shape (D, C)
        Of the linear layer behind the rectifier relu(z) = max(z, 0).
    gamma, beta : ndarray, shape (C,)
        Of the batch norm; no gamma is zero, and some may be negative.

    Returns
    -------
    sign : ndarray, shape (C,)
        1 or -1 for each feature.
    shift : ndarray, shape (C,)
    new_weight : ndarray, shape (D, C)
        relu(sign * x_hat + shift) @ new_weight.T must be the same for every x_hat.
    """
    size = np.abs(gamma)
    sign = gamma / size
    shift = beta / size
    new_weight = weight * size
    return sign, shift, new_weight


RECTIFIER = Exercise(
    identifier="without-gamma",
    title="gamma, carried through a rectifier",
    section=Section(PAGE, MERGED),
    difficulty=3,
    minutes=20,
    text=(
        "A rectifier lets a positive factor through. Use it to move gamma into the "
        "next layer, and find out what is left to do if gamma is negative."
    ),
    reference=without_gamma,
    outputs=("sign", "shift", "new_weight"),
    families=(
        Family("a layer", (4, 6)),
        Family("a wide layer", (7, 5)),
        Family("unlike columns", (3, 8), "scaled"),
        Family("float32", (5, 7), dtype="f4"),
    ),
    arguments=lambda rng, x: (x, both_signs(rng, x), shifts(rng, x)),
    small=((3, 2), (2, 3), (3, 4)),
    hints=paragraphs("""
        For a > 0, max(a * z, 0) = a * max(z, 0). For which factors does that fail, and
        why?

        Write gamma as its sign times its size. The size may leave the rectifier; the
        sign has to stay inside, with x_hat.

        gamma * x_hat + beta = size * (sign * x_hat + beta / size) with size =
        np.abs(gamma). The size goes to the columns of weight.
    """),
    why=(
        "Only a positive factor passes through a rectifier, as a negative one would "
        "turn round which side is cut off. The shift, in units of the size of gamma, "
        "is where the rectifier bends, and nothing later can replace it."
    ),
)


def both_signs(rng, x):
    """Draw a gamma with at least one negative and one positive entry."""
    gamma = np.abs(per_channel(rng, x))
    sign = np.where(np.arange(len(gamma)) % 2, -1, 1)
    return (gamma * rng.permutation(sign)).astype(x.dtype)


RECTIFIER.mistake(
    "gamma-taken-for-positive",
    "A negative gamma is treated as a positive one, or passes through the rectifier.",
    {"gamma / size": "np.ones(len(gamma))"},
    {
        "gamma / size": "np.ones(len(gamma))",
        "beta / size": "beta / gamma",
        "weight * size": "weight * gamma",
    },
    {"beta / size": "beta / gamma", "weight * size": "weight * gamma"},
    {"beta / size": "beta / gamma"},
    {"weight * size": "weight * gamma"},
    {"gamma / size": "np.ones(len(gamma))", "weight * size": "weight * gamma"},
    {"gamma / size": "np.ones(len(gamma))", "beta / size": "beta / gamma"},
)
RECTIFIER.mistake(
    "shift-not-divided",
    "The shift is not divided: it is inside the bracket from which gamma was taken.",
    {"beta / size": "beta * 1"},
    {"beta / size": "beta * sign"},
)
RECTIFIER.mistake(
    "shift-multiplied",
    "The shift is multiplied by gamma: what leaves a bracket divides what stays in it.",
    {"beta / size": "beta * size"},
    {"beta / size": "beta * gamma"},
)
RECTIFIER.mistake(
    "shift-upside-down",
    "The fraction in the shift is upside down.",
    {"beta / size": "size / beta"},
    {"beta / size": "gamma / beta"},
)
RECTIFIER.mistake(
    "shift-dropped",
    "The shift is dropped: where the rectifier bends cannot be merged into a weight.",
    {"beta / size": "0 * beta"},
)
RECTIFIER.mistake(
    "shift-sign",
    "The shift has the wrong sign.",
    {"beta / size": "-beta / size"},
    {"beta / size": "-beta / gamma"},
)
RECTIFIER.mistake(
    "weight-divided",
    "The weight is divided by gamma: it has to do what gamma did.",
    {"weight * size": "weight / size"},
    {"weight * size": "weight / gamma"},
)
RECTIFIER.mistake(
    "weight-unchanged",
    "gamma is lost: the next weight has to take it over.",
    {"weight * size": "weight * 1"},
    {"weight * size": "weight * sign"},
)
RECTIFIER.mistake(
    "rows-for-columns",
    "The rows are multiplied: a feature meets a column of weight.",
    {"weight * size": "weight * size[:, None]"},
    {"weight * size": "weight * gamma[:, None]"},
    {"weight * size": "np.diag(size) @ weight"},
)
RECTIFIER.mistake(
    "weight-transposed",
    "weight is transposed: it has a row for each output.",
    {"new_weight = weight * size": "new_weight = (weight * size).T"},
    {"weight * size": "weight.T * size"},
)
RECTIFIER.mistake(
    "sign-turned",
    "The sign is the wrong way round.",
    {"gamma / size": "-gamma / size"},
)
RECTIFIER.mistake(
    "sign-of-beta",
    "The sign of beta is taken: it is gamma that multiplies x_hat.",
    {"gamma / size": "np.sign(beta)"},
    {"gamma / size": "np.sign(gamma * beta)"},
    {"gamma / size": "np.sign(beta / gamma)"},
)
RECTIFIER.mistake(
    "gamma-left-inside",
    "gamma itself is left in front of x_hat: only its sign stays inside.",
    {"gamma / size": "gamma * 1"},
    {"gamma / size": "size * 1"},
    {"gamma / size": "1 / gamma"},
)
RECTIFIER.mistake(
    "root-of-gamma",
    "gamma is split into roots: it leaves the bracket as a whole.",
    {"size = np.abs(gamma)": "size = np.sqrt(np.abs(gamma))"},
    {"beta / size": "beta / np.sqrt(size)", "weight * size": "weight * np.sqrt(size)"},
)
RECTIFIER.mistake(
    "absolute-shift",
    "The shift is made positive: only the sign of gamma is taken care of.",
    {"beta / size": "np.abs(beta / size)"},
    {"beta / size": "np.abs(beta)"},
)
RECTIFIER.mistake(
    "zero-for-minus",
    "The sign is 1 or -1, not 1 or 0.",
    {"gamma / size": "(gamma > 0) * 1.0"},
    {"gamma / size": "gamma > 0"},
    {"gamma / size": "(gamma < 0) * 1.0"},
)
RECTIFIER.mistake(
    "absolute-weight",
    "The signs of weight are dropped: only gamma has to be positive.",
    {"weight * size": "np.abs(weight * size)"},
    {"weight * size": "np.abs(weight)"},
)
RECTIFIER.mistake(
    "matrix-product",
    "The features are added up: each column of weight is multiplied by its own number.",
    {"weight * size": "weight @ size"},
    {"weight * size": "weight @ gamma"},
)


# The gradient of softmax -------------------------------------------------------------


def score_gradient(z, t):
    """Give the gradient of the mean loss -log p_t of a softmax by its scores.

    Parameters
    ----------
    z : ndarray, shape (m, K)
        The scores of m images for K classes, perhaps in the thousands.
    t : ndarray of int, shape (m,)
        The true class of every image, from 0 to K - 1.

    Returns
    -------
    ndarray, shape (m, K)
        The derivatives of the loss, averaged over the m images, by every score.
    """
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    p[np.arange(len(z)), t] -= 1
    return p / len(z)


def scores(rng, x, scale=1.0, apart=0.0):
    """Make scores and true classes; rows lie far apart if asked for."""
    rows = apart * rng.permutation(len(x))[:, None]
    t = rng.permutation(np.arange(len(x)) % x.shape[1])
    return (scale * x + rows).astype(x.dtype), t


SCORES = Exercise(
    identifier="softmax-gradient",
    title="A softmax that needs no rescue",
    section=Section(PAGE, SOFTMAX),
    difficulty=3,
    minutes=20,
    text=(
        "Derive and write the gradient of softmax with its loss. It stays large as "
        "long as the answer is wrong, however sure the softmax is."
    ),
    reference=score_gradient,
    outputs=("dz",),
    families=(
        Family("scores", (7, 4)),
        Family("more classes than images", (3, 5)),
        Family("a sure softmax", (9, 3), options={"scale": 5.0}),
        Family("rows far apart", (5, 4), options={"apart": 1500.0}),
        Family("float32", (6, 3), dtype="f4"),
    ),
    arguments=scores,
    small=((2, 3), (3, 2), (4, 3)),
    hints=paragraphs("""
        The loss of one image is the logarithm of the sum of exp(z), minus the score of
        the true class. What is the derivative of the first part?

        It is the softmax itself. The second part contributes -1 in one place of every
        row. And the loss is a mean over the images.

        dz = (p - [k = t]) / m. For p subtract the largest score of every row before the
        exponential: that changes nothing but keeps it finite.
    """),
    why=(
        "The logarithm of the loss undoes the exponential of the softmax, and no "
        "factor p * (1 - p) is left that could become small."
    ),
)
EXPONENTIAL = "np.exp(z - z.max(axis=1, keepdims=True))"
SUBTRACTED = "p[np.arange(len(z)), t] -= 1"
ENDING = "p[np.arange(len(z)), t] -= 1\n    return p / len(z)"
SCORES.mistake(
    "true-class-forgotten",
    "This is the softmax alone: 1 is subtracted at the true class.",
    {f"    {SUBTRACTED}\n": ""},
)
SCORES.mistake(
    "mean-forgotten",
    "The loss is a mean over the images: a factor is missing.",
    {"return p / len(z)": "return p"},
)
SCORES.mistake(
    "divided-by-classes",
    "The division is by the wrong number: the mean is over images, not over classes.",
    {"return p / len(z)": "return p / z.shape[1]"},
    {"return p / len(z)": "return p / z.size"},
)
SCORES.mistake(
    "true-class-added",
    "1 is added at the true class: a larger score there makes the loss smaller.",
    {"-= 1": "+= 1"},
)
SCORES.mistake(
    "wrong-axis",
    "The wrong axis: the probabilities of one image, a row, add up to 1.",
    {"axis=1": "axis=0"},
    {"p.sum(axis=1": "p.sum(axis=0"},
    {EXPONENTIAL: "np.exp(z - z.max())", "p.sum(axis=1, keepdims=True)": "p.sum()"},
    {"p.sum(axis=1, keepdims=True)": "p.sum()"},
)
SCORES.mistake(
    "overflow",
    "The exponential overflows or dies out: scores may lie in the thousands.",
    {EXPONENTIAL: "np.exp(z)"},
    {EXPONENTIAL: "np.exp(z - z.max())"},
    {EXPONENTIAL: "np.exp(z - z.mean())"},
    {EXPONENTIAL: "np.exp(z - z.max(axis=0))"},
    {
        "p / p.sum(axis=1, keepdims=True)": "p / (p.sum(axis=1, keepdims=True) + 1e-8)",
        EXPONENTIAL: "np.exp(z)",
    },
)
SCORES.mistake(
    "saturating-factor",
    "A factor p * (1 - p) has come in: it is not there once the logarithm is taken.",
    {
        ENDING: (
            "hot = np.eye(z.shape[1])[t]\n    return (p - hot) * p * (1 - p) / len(z)"
        )
    },
    {ENDING: "return p * (1 - p) / len(z)"},
    {ENDING: "return -p * (1 - p) / len(z)"},
    {ENDING: "return p * (1 - p)"},
    {ENDING: "return -p * (1 - p)"},
    {ENDING: "return (p - np.eye(z.shape[1])[t]) * p * (1 - p)"},
)
SCORES.mistake(
    "gradient-of-probability",
    "This is the derivative of the probability, not of its logarithm.",
    {
        ENDING: (
            "hot = np.eye(z.shape[1])[t]\n"
            "    right = (p * hot).sum(axis=1, keepdims=True)\n"
            "    return right * (p - hot) / len(z)"
        )
    },
    {
        ENDING: (
            "hot = np.eye(z.shape[1])[t]\n"
            "    right = (p * hot).sum(axis=1, keepdims=True)\n"
            "    return right * (hot - p) / len(z)"
        )
    },
)
SCORES.mistake(
    "stopped-at-the-softmax",
    "This is the derivative by p: the way through the softmax is missing.",
    {ENDING: ("return -np.eye(z.shape[1])[t] / p / len(z)")},
    {ENDING: "return -1 / p[np.arange(len(z)), t]"},
    {ENDING: "return -1 / p[np.arange(len(z)), t] / len(z)"},
    {ENDING: "return -np.eye(z.shape[1])[t] / p"},
)
SCORES.mistake(
    "true-class-only",
    "Only the score of the true class gets a gradient: all scores are in the sum.",
    {ENDING: ("return np.eye(z.shape[1])[t] * (p - 1) / len(z)")},
    {ENDING: ("return -np.eye(z.shape[1])[t] / len(z)")},
    {ENDING: ("return np.eye(z.shape[1])[t] * p / len(z)")},
    {ENDING: "return (p[np.arange(len(z)), t] - 1) / len(z)"},
    {ENDING: "return p[np.arange(len(z)), t] - 1"},
)
SCORES.mistake(
    "other-classes-only",
    "The true class gets no gradient: its score is in the loss twice.",
    {SUBTRACTED: "p[np.arange(len(z)), t] = 0"},
)
SCORES.mistake(
    "largest-for-true",
    "1 is subtracted at the largest score: the true class may be another one.",
    {SUBTRACTED: "p[np.arange(len(z)), z.argmax(axis=1)] -= 1"},
)
SCORES.mistake(
    "all-rows",
    "1 is subtracted from whole columns: every image has one true class.",
    {SUBTRACTED: "p[:, t] -= 1"},
    {"p[np.arange(len(z)), t] -= 1": "p[t] -= 1"},
    {"p[np.arange(len(z)), t] -= 1": "p[np.arange(len(z))] -= 1"},
)
SCORES.mistake(
    "softmax-forgotten",
    "The scores themselves are taken for probabilities.",
    {
        f"p = {EXPONENTIAL}": "p = z * 1",
        "p = p / p.sum(axis=1, keepdims=True)": "p = p * 1",
    },
    {"p = p / p.sum(axis=1, keepdims=True)": "p = p * 1"},
    {f"p = {EXPONENTIAL}": "p = z * 1"},
)
SCORES.mistake(
    "sigmoid-for-softmax",
    "A sigmoid takes each score for itself: in a softmax the scores compete.",
    {
        f"p = {EXPONENTIAL}": "p = 1 / (1 + np.exp(-z))",
        "p = p / p.sum(axis=1, keepdims=True)": "p = p * 1",
    },
    {
        f"p = {EXPONENTIAL}": "p = 0.5 * (1 + np.tanh(z / 2))",
        "p = p / p.sum(axis=1, keepdims=True)": "p = p * 1",
    },
)
SCORES.mistake(
    "loss-returned",
    "These are losses or logarithms, not derivatives.",
    {ENDING: "return -np.log(p) / len(z)"},
    {ENDING: "return -np.log(p)[np.arange(len(z)), t]"},
    {ENDING: ("return -np.log(p)[np.arange(len(z)), t].mean()")},
)
SCORES.mistake(
    "signs-turned",
    "The signs are turned round: the gradient points to where the loss grows.",
    {"return p": "return -p"},
)
SCORES.mistake(
    "rows-do-not-line-up",
    "Maxima or sums of rows meet columns: they need an axis of length 1.",
    {"p.sum(axis=1, keepdims=True)": "p.sum(axis=1)"},
    {"z.max(axis=1, keepdims=True)": "z.max(axis=1)"},
    {", keepdims=True": ""},
    {
        "np.exp(z - z.max(axis=1, keepdims=True))": "np.exp(z)",
        "p.sum(axis=1, keepdims=True)": "p.sum(axis=1)",
    },
)
SCORES.mistake(
    "class-number",
    "The number of the class is subtracted: 1 has to be, in its place.",
    {ENDING: "return (p - t[:, None]) / len(z)"},
    {ENDING: "return p - t[:, None]"},
    {"p[np.arange(len(z)), t] -= 1": "p[np.arange(len(z)), t] -= t"},
)
SCORES.mistake(
    "rows-averaged",
    "The rows are averaged: every image has a row of its own in the gradient.",
    {"return p / len(z)": "return p.mean(axis=0)"},
    {"return p / len(z)": "return p.sum(axis=0) / len(z)"},
    {"return p / len(z)": "return p.sum(axis=0)"},
    {"return p / len(z)": "return p.mean(axis=1)"},
)
SCORES.mistake(
    "probability-for-one",
    "The probability is taken away, or multiplied: 1 is subtracted from it.",
    {"p[np.arange(len(z)), t] -= 1": "p[np.arange(len(z)), t] *= -1"},
    {"p[np.arange(len(z)), t] -= 1": "p[np.arange(len(z)), t] = -1"},
    {"p[np.arange(len(z)), t] -= 1": "p[np.arange(len(z)), t] = 1"},
    {
        "p[np.arange(len(z)), t] -= 1": (
            "p[np.arange(len(z)), t] = 1 - p[np.arange(len(z)), t]"
        )
    },
)


# The floor of the loss ---------------------------------------------------------------


def two_value_loss(shares):
    """Give the loss of right scores of two values, each standardised over the batch.

    Parameters
    ----------
    shares : ndarray, shape (K,)
        The share of every class in the batch: positive, and they add up to 1.

    Returns
    -------
    high, low : ndarray, shape (K,)
        The score of class k has one value for the images that show k, and a lower one
        for all others. They give it the mean 0 and the variance 1 (eps is 0).
    loss : float
        The mean of -log p_t over the batch, with the softmax of such scores.
    """
    high = np.sqrt((1 - shares) / shares)
    low = -np.sqrt(shares / (1 - shares))
    others = np.exp(low).sum() - np.exp(low)
    loss = (shares * np.log(1 + others * np.exp(-high))).sum()
    return high, low, loss


def class_shares(rng, x):
    """Make unequal shares that add up to 1."""
    shares = np.exp(0.4 * x)
    return ((shares / shares.sum()).astype(x.dtype),)


FLOOR = Exercise(
    identifier="two-value-loss",
    title="How sure a standardised network can be",
    section=Section(PAGE, OPENING),
    difficulty=4,
    minutes=40,
    text=(
        "With ten equally frequent classes, scores of two values reach the lowest "
        "possible loss, 0.278. Derive what scores of two values lose when the "
        "classes are not equally frequent."
    ),
    reference=two_value_loss,
    outputs=("high", "low", "loss"),
    families=(
        Family("seven classes", (7,)),
        Family("three classes", (3,)),
        Family("many classes", (31,)),
        Family("float32", (10,), dtype="f4"),
    ),
    arguments=class_shares,
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        Take one class with the share f. Its score is high on a share f of the images
        and low on the rest. Write down its mean and its mean square.

        The mean says f * high + (1 - f) * low = 0, and the mean square says f * high **
        2 + (1 - f) * low ** 2 = 1. Solve for both.

        high = sqrt((1 - f) / f) and low = -1 / high. An image of class t has the score
        high[t] once and low[k] for every other class k, so its loss is log(1 + the sum
        of exp(low[k] - high[t]) over the other k). The classes count by their shares.
    """),
    why=(
        "Two conditions fix the two values of a score. A rare class gets a high "
        "score, so its images lose little; a frequent class cannot. With unequal "
        "shares this is no lower bound: for 0.7, 0.2 and 0.1 it is 0.394, and other "
        "scores reach 0.380."
    ),
)
HIGH = "np.sqrt((1 - shares) / shares)"
LOW = "-np.sqrt(shares / (1 - shares))"
OTHERS = "np.exp(low).sum() - np.exp(low)"
FLOOR.mistake(
    "equal-classes",
    "The classes are taken to be equally frequent.",
    {"    high =": "    shares = 0 * shares + 1 / len(shares)\n    high ="},
    {HIGH: "np.sqrt(len(shares) - 1) + 0 * shares"},
    {LOW: "0 * shares - 1 / np.sqrt(len(shares) - 1)"},
    {"-np.sqrt(shares / (1 - shares))": "-high / (len(shares) - 1)"},
    {
        "np.sqrt((1 - shares) / shares)": "3.0 + 0 * shares",
        "-np.sqrt(shares / (1 - shares))": "0 * shares - 1 / 3",
    },
)
FLOOR.mistake(
    "root-forgotten",
    "A root is missing: the condition is on the squares.",
    {HIGH: "(1 - shares) / shares"},
    {LOW: "-shares / (1 - shares)"},
    {HIGH: "(1 - shares) / shares", LOW: "-shares / (1 - shares)"},
)
FLOOR.mistake(
    "low-sign",
    "The low value has the wrong sign: the mean of the score is 0.",
    {LOW: "np.sqrt(shares / (1 - shares))"},
)
FLOOR.mistake(
    "shares-turned-round",
    "The share of the class and that of all others have changed places.",
    {HIGH: "np.sqrt(shares / (1 - shares))", LOW: "-np.sqrt((1 - shares) / shares)"},
    {HIGH: "np.sqrt(shares / (1 - shares))"},
)
FLOOR.mistake(
    "low-is-zero",
    "The low value is taken to be 0: the mean of the score is then not 0.",
    {HIGH: "1 / np.sqrt(shares)", LOW: "0 * shares"},
    {LOW: "0 * shares"},
    {HIGH: "1 / np.sqrt(shares)"},
)
FLOOR.mistake(
    "mean-only",
    "The variance is not 1: both conditions have to hold.",
    {HIGH: "1 - shares", LOW: "-shares"},
    {HIGH: "1 / shares", LOW: "-1 / (1 - shares)"},
    {HIGH: "1 + 0 * shares", LOW: "-shares / (1 - shares)"},
)
FLOOR.mistake(
    "low-is-minus-high",
    "The low value is as far from 0 as the high one: the mean is not 0 then.",
    {LOW: "-high"},
)
FLOOR.mistake(
    "own-low-for-all",
    "All other scores are given one class's low value: each class has its own.",
    {OTHERS: "(len(shares) - 1) * np.exp(low)"},
    {OTHERS: "(len(shares) - 1) * np.exp(low.mean())"},
    {OTHERS: "(len(shares) - 1) * np.exp(low).mean()"},
)
FLOOR.mistake(
    "own-low-counted",
    "The low value of the true class is in the sum: its score is high, not both.",
    {OTHERS: "np.exp(low).sum()"},
)
FLOOR.mistake(
    "classes-unweighted",
    "The classes are averaged alike: a frequent class has more images.",
    {
        "(shares * np.log(1 + others * np.exp(-high))).sum()": (
            "np.log(1 + others * np.exp(-high)).mean()"
        )
    },
)
FLOOR.mistake(
    "sum-for-mean",
    "The losses of the classes are added up without their shares.",
    {
        "(shares * np.log(1 + others * np.exp(-high))).sum()": (
            "np.log(1 + others * np.exp(-high)).sum()"
        )
    },
)
FLOOR.mistake(
    "shares-twice",
    "The shares come into the softmax: it knows the scores only.",
    {OTHERS: "(shares * np.exp(low)).sum() - shares * np.exp(low)"},
)
FLOOR.mistake(
    "true-score-forgotten",
    "The true class is missing below the line of the softmax.",
    {"np.log(1 + others": "np.log(others"},
)
FLOOR.mistake(
    "loss-of-average",
    "The logarithm is taken of an average: every image has a loss of its own.",
    {
        "(shares * np.log(1 + others * np.exp(-high))).sum()": (
            "np.log((shares * (1 + others * np.exp(-high))).sum())"
        )
    },
    {
        "(shares * np.log(1 + others * np.exp(-high))).sum()": (
            "-np.log((shares / (1 + others * np.exp(-high))).sum())"
        )
    },
)
FLOOR.mistake(
    "probability-for-loss",
    "This is a probability: the loss is minus its logarithm.",
    {"np.log(1 + others * np.exp(-high))": "1 / (1 + others * np.exp(-high))"},
)
FLOOR.mistake(
    "loss-sign",
    "The loss is negative: it is minus the logarithm of a probability.",
    {"(shares * np.log": "(-shares * np.log"},
)
FLOOR.mistake(
    "one-loss-per-class",
    "One loss for each class comes back: asked for is their mean over the batch.",
    {
        "(shares * np.log(1 + others * np.exp(-high))).sum()": (
            "np.log(1 + others * np.exp(-high))"
        )
    },
    {
        "(shares * np.log(1 + others * np.exp(-high))).sum()": (
            "shares * np.log(1 + others * np.exp(-high))"
        )
    },
)
FLOOR.mistake(
    "others-high",
    "The other scores of an image are low: high is the score of the true class only.",
    {OTHERS: "np.exp(high).sum() - np.exp(high)"},
    {OTHERS: "np.exp(high).sum()"},
)
FLOOR.mistake(
    "one-other-class",
    "One other class stands for all: every one of them is in the softmax.",
    {OTHERS: "np.exp(low)"},
)
FLOOR.mistake(
    "low-share-forgotten",
    "The mean of the score is not 0: the low value has the rest of the images.",
    {"-np.sqrt(shares / (1 - shares))": "-high * shares"},
)
