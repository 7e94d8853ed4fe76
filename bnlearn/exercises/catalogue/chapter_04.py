"""Exercises of chapter 04: the backward pass."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import draw_eps, like, per_channel

PAGE = "04_backward_pass"
CONSTANT = "What if the statistics are constants?"
CONVENTIONS = "Other conventions, other derivatives"

BATCHES = (
    Family("a batch", (7, 3)),
    Family("a batch with a quiet feature", (6, 4), "quiet"),
    Family("badly scaled features", (8, 5), "scaled"),
    Family("a larger batch", (31, 2)),
    Family("float32", (9, 4), dtype="f4"),
)


def forward(dout, x, gamma, eps, beta=0.0):
    """Normalise a batch: what the gradients below are of."""
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    return gamma * x_hat + beta


def arguments(rng, x):
    """Draw what a backward pass is given."""
    return like(rng, x), x, per_channel(rng, x), draw_eps(rng)


# Node by node ------------------------------------------------------------------------


def staged(dout, x, gamma, eps):
    """Go back through batch normalization, node by node.

    Parameters
    ----------
    dout : ndarray, shape (m, C)
        The upstream gradient.
    x : ndarray, shape (m, C)
        The batch.
    gamma : ndarray, shape (C,)
        Scale.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    dx_hat : ndarray, shape (m, C)
        Gradient of the standardised batch.
    dvar, dmean : ndarray, shape (C,)
        Gradients of the biased variance and of the mean, along all paths.
    dx : ndarray, shape (m, C)
        Gradient of the batch.
    """
    m = len(x)
    centred = x - x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    dx_hat = gamma * dout
    dvar = -(dx_hat * centred).sum(axis=0) / (2 * std**3)
    dcentred = dx_hat / std + 2 * centred * (dvar / m)
    dmean = -dcentred.sum(axis=0)
    dx = dcentred + dmean / m
    return dx_hat, dvar, dmean, dx


STAGED = Exercise(
    identifier="backward-staged",
    title="The backward pass, node by node",
    section=Section(PAGE, "Node by node"),
    difficulty=3,
    minutes=30,
    text=(
        "Go back through the graph of the chapter, from the last node to the first, "
        "and return the gradients on the way."
    ),
    reference=staged,
    outputs=("dx_hat", "dvar", "dmean", "dx"),
    families=BATCHES,
    arguments=arguments,
    gradients={"dx": "x"},
    forward=forward,
    hints=paragraphs("""
        Compute the deviations and std = sqrt(var + eps) first. gamma meets dout before
        anything else.

        One variance is used by all examples of a feature, so dvar is a sum over them.
        The derivative of (var + eps) ** -0.5 is -0.5 * (var + eps) ** -1.5.

        The deviations are used twice: in x_hat and in the variance. Their gradient is
        dx_hat / std + 2 * centred * dvar / m. The mean is used by all examples, with a
        minus sign, and every x has a share of 1 / m in it.
    """),
    why=(
        "Three rules are enough: multiply by the local derivative, add up what comes "
        "back from all users of a value, and give every member of a mean the share 1/m."
    ),
)
STAGED.mistake(
    "gamma-forgotten",
    "gamma is missing: the gradient of x_hat is gamma times dout.",
    {"gamma * dout": "dout * 1"},
)
STAGED.mistake(
    "dvar-half-forgotten",
    "The half is missing in dvar: the derivative of a root has a 2 below the line.",
    {"(2 * std**3)": "std**3"},
)
STAGED.mistake(
    "dvar-sign",
    "dvar has the wrong sign: a larger variance makes the output smaller.",
    {"-(dx_hat * centred)": "(dx_hat * centred)"},
)
STAGED.mistake(
    "dvar-power",
    "The power of std in dvar is wrong: (var + eps) ** -1.5 is std ** -3.",
    {"std**3": "std**2"},
    {"std**3": "std"},
    {"std**3": "std**1.5"},
)
STAGED.mistake(
    "dvar-x-hat",
    "dvar is computed with x_hat where the deviations belong.",
    {"(dx_hat * centred)": "(dx_hat * centred / std)"},
)
STAGED.mistake(
    "statistics-constant",
    "The mean and the variance are treated as constants, but both depend on x.",
    {"dx = dcentred + dmean / m": "dx = dx_hat / std"},
    {"2 * centred * (dvar / m)": "0", "dx = dcentred + dmean / m": "dx = dcentred"},
    heading=CONSTANT,
)
STAGED.mistake(
    "variance-path-forgotten",
    "The way through the variance is missing: the deviations are used twice.",
    {" + 2 * centred * (dvar / m)": ""},
)
STAGED.mistake(
    "mean-path-forgotten",
    "The way through the mean is missing: x is used twice.",
    {"dcentred + dmean / m": "dcentred"},
)
STAGED.mistake(
    "square-two-forgotten",
    "The 2 from the derivative of the square is missing.",
    {"2 * centred": "centred"},
)
STAGED.mistake(
    "share-forgotten",
    "A share of 1/m is missing: every example is one of m in a mean.",
    {"(dvar / m)": "dvar"},
    {"dmean / m": "dmean"},
    {"(dvar / m)": "dvar", "dmean / m": "dmean"},
)
STAGED.mistake(
    "dmean-sign",
    "dmean has the wrong sign: the mean is subtracted.",
    {"-dcentred": "dcentred"},
)
STAGED.mistake(
    "mean-for-sum",
    "A mean is taken where the contributions of all examples add up.",
    {"centred).sum": "centred).mean"},
    {"dcentred.sum": "dcentred.mean"},
    {"centred).sum": "centred).mean", "dcentred.sum": "dcentred.mean"},
)
STAGED.mistake(
    "sum-forgotten",
    "A sum over the batch is missing: all examples use the same value.",
    {"centred).sum(axis=0)": "centred)"},
    {"dcentred.sum(axis=0)": "dcentred"},
)
STAGED.mistake(
    "eps-forgotten",
    "eps is missing in the standard deviation.",
    {" + eps": ""},
)
STAGED.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1: batch normalization divides by m.",
    {"x.var(axis=0)": "x.var(axis=0, ddof=1)"},
    heading=CONVENTIONS,
)
STAGED.mistake(
    "gradient-of-std",
    "This is the gradient of the standard deviation: one step is left to the variance.",
    {"(2 * std**3)": "std**2"},
    {"(2 * std**3)": "std**2", "(dvar / m)": "(dvar / (2 * std) / m)"},
)
STAGED.mistake(
    "x-for-deviations",
    "x stands where its deviations from the mean belong.",
    {"2 * centred * (dvar": "2 * x * (dvar"},
    {"dx = dcentred + dmean / m": "dx = dx_hat / std + 2 * x * dvar / m + dmean / m"},
    {"(dx_hat * centred)": "(dx_hat * x)"},
)
STAGED.mistake(
    "m-minus-one",
    "The way through the variance is divided by m - 1, but the variance was by m.",
    {"(dvar / m)": "(dvar / (m - 1))"},
    heading=CONVENTIONS,
)


# The closed form ---------------------------------------------------------------------


def closed_form(dout, x, gamma, eps):
    """Give the gradients of batch normalization with respect to x, gamma and beta.

    Parameters
    ----------
    dout : ndarray, shape (m, C)
        The upstream gradient.
    x : ndarray, shape (m, C)
        The batch.
    gamma : ndarray, shape (C,)
        Scale.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    dx : ndarray, shape (m, C)
    dgamma, dbeta : ndarray, shape (C,)
    """
    inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    dgamma = (dout * x_hat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    g = gamma * dout
    dx = inv_std * (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))
    return dx, dgamma, dbeta


CLOSED_FORM = Exercise(
    identifier="backward-closed-form",
    title="The backward pass in closed form",
    section=Section(PAGE, "The closed form"),
    difficulty=3,
    minutes=20,
    text=(
        "Write the whole backward pass without the gradients of the statistics: two "
        "sums for gamma and beta, then one line for the batch."
    ),
    reference=closed_form,
    outputs=("dx", "dgamma", "dbeta"),
    families=BATCHES,
    arguments=arguments,
    gradients={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    forward=forward,
    hints=paragraphs("""
        Compute x_hat first, with the biased variance and eps inside the root. Which two
        sums over the batch do gamma and beta need?

        The gradient of x_hat is gamma times dout; call it g. Two things are taken away
        from g before it is divided by the standard deviation. One is its batch mean.

        The bracket is g - mean(g) - x_hat * mean(g * x_hat), with all means over axis 0.
        Divide it by sqrt(var + eps).
    """),
    why=(
        "The mean and the variance depend on every x of the batch. Going back "
        "through them takes away two things: the mean of the gradient, and its part "
        "along x_hat, of which eps leaves a little."
    ),
)
CLOSED_FORM.mistake(
    "statistics-constant",
    "The mean and the variance are treated as constants, but both depend on x.",
    {"(g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0))": "g"},
    heading=CONSTANT,
)
CLOSED_FORM.mistake(
    "mean-term-missing",
    "The mean of the gradient is not subtracted: the way through the mean is missing.",
    {" - g.mean(axis=0)": ""},
)
CLOSED_FORM.mistake(
    "x-hat-term-missing",
    "The term along x_hat is missing: the way through the variance.",
    {" - x_hat * (g * x_hat).mean(axis=0)": ""},
)
CLOSED_FORM.mistake(
    "sum-for-mean",
    "A sum over the batch stands where its mean belongs: the 1/m is missing.",
    {"g.mean": "g.sum", "(g * x_hat).mean": "(g * x_hat).sum"},
    {"g.mean": "g.sum"},
    {"(g * x_hat).mean": "(g * x_hat).sum"},
    # All multiplied by m: a bracket with m * g, and the 1/m in front of it forgotten.
    {"inv_std * (g": "len(x) * inv_std * (g"},
)
CLOSED_FORM.mistake(
    "m-minus-one",
    "The two means are divided by m - 1: they are plain means over m examples.",
    {
        "g.mean(axis=0)": "g.sum(axis=0) / (len(x) - 1)",
        "(g * x_hat).mean(axis=0)": "(g * x_hat).sum(axis=0) / (len(x) - 1)",
    },
    {"(g * x_hat).mean(axis=0)": "(g * x_hat).sum(axis=0) / (len(x) - 1)"},
    {"g.mean(axis=0)": "g.sum(axis=0) / (len(x) - 1)"},
)
CLOSED_FORM.mistake(
    "gamma-forgotten",
    "gamma is missing in dx: the gradient of x_hat is gamma times dout.",
    {"g = gamma * dout": "g = dout"},
)
CLOSED_FORM.mistake(
    "gamma-late",
    "gamma is not in all terms of dx: it belongs to dout before the means are taken.",
    {"g = gamma * dout": "g = dout", "inv_std * (g ": "inv_std * (gamma * g "},
    {"g.mean": "dout.mean"},
    {"(g * x_hat).mean": "(dout * x_hat).mean"},
)
CLOSED_FORM.mistake(
    "gamma-twice",
    "gamma comes in twice: it is in the gradient of x_hat already.",
    {"dx = inv_std": "dx = gamma * inv_std"},
    {"x_hat * (g * x_hat)": "gamma * x_hat * (g * x_hat)"},
)
CLOSED_FORM.mistake(
    "gamma-in-sums",
    "gamma does not belong in dgamma or dbeta: y = gamma * x_hat + beta.",
    {"(dout * x_hat).sum": "(gamma * dout * x_hat).sum"},
    {"dout.sum": "(gamma * dout).sum"},
    {
        "(dout * x_hat).sum": "(gamma * dout * x_hat).sum",
        " dout.sum": " (gamma * dout).sum",
    },
    heading="Node by node",
)
CLOSED_FORM.mistake(
    "term-sign",
    "A term of the bracket has the wrong sign: both are taken away.",
    {"- g.mean": "+ g.mean"},
    {"- x_hat * ": "+ x_hat * "},
    {"- g.mean": "+ g.mean", "- x_hat * ": "+ x_hat * "},
)
CLOSED_FORM.mistake(
    "mean-for-sum",
    "dgamma and dbeta are sums over the batch, not means.",
    {"(dout * x_hat).sum": "(dout * x_hat).mean"},
    {"dout.sum": "dout.mean"},
    {"(dout * x_hat).sum": "(dout * x_hat).mean", "dout.sum": "dout.mean"},
    heading="Node by node",
)
CLOSED_FORM.mistake(
    "x-for-x-hat",
    "x or its deviations stand where x_hat belongs.",
    {"(dout * x_hat)": "(dout * x)"},
    {"(dout * x_hat)": "(dout * (x - x.mean(axis=0)))"},
    {"x_hat * (g * x_hat)": "x * (g * x)"},
    {"x_hat * (g * x_hat)": "x * (g * x_hat)"},
    {"x_hat * (g * x_hat)": "x_hat * (g * x)"},
    {"x_hat * (g * x_hat)": "x_hat * (g * (x - x.mean(axis=0)))"},
    {"x_hat * (g * x_hat)": "(x - x.mean(axis=0)) * (g * (x - x.mean(axis=0)))"},
    {"(x - x.mean(axis=0)) * inv_std": "x - x.mean(axis=0)"},
)
CLOSED_FORM.mistake(
    "wrong-axis",
    "The wrong axis: sums and means over the batch run over axis 0.",
    {"(dout * x_hat).sum(axis=0)": "(dout * x_hat).sum(axis=1)"},
    {"dout.sum(axis=0)": "dout.sum(axis=1)"},
    {
        "(dout * x_hat).sum(axis=0)": "(dout * x_hat).sum(axis=1)",
        "dout.sum(axis=0)": "dout.sum(axis=1)",
    },
    {"g.mean(axis=0)": "g.mean(axis=1, keepdims=True)"},
    {
        "g.mean(axis=0)": "g.mean(axis=1, keepdims=True)",
        "(g * x_hat).mean(axis=0)": "(g * x_hat).mean(axis=1, keepdims=True)",
    },
    {"axis=0": "axis=1, keepdims=True"},
    {"axis=0": "axis=1"},
)
CLOSED_FORM.mistake(
    "all-axes",
    "A mean is taken over the whole array; every feature has its own.",
    {"g.mean(axis=0)": "g.mean()"},
    {"g.mean(axis=0)": "g.mean()", "(g * x_hat).mean(axis=0)": "(g * x_hat).mean()"},
    {"axis=0": ""},
)
CLOSED_FORM.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {"np.sqrt(x.var(axis=0) + eps)": "(np.sqrt(x.var(axis=0)) + eps)"},
    heading=CONVENTIONS,
)
CLOSED_FORM.mistake(
    "eps-forgotten",
    "eps is missing: it goes into the standard deviation, and so into x_hat.",
    {" + eps": ""},
    {"(x - x.mean(axis=0)) * inv_std": "(x - x.mean(axis=0)) / x.std(axis=0)"},
    {"inv_std * (g ": "1 / x.std(axis=0) * (g "},
)
CLOSED_FORM.mistake(
    "root-forgotten",
    "The root is missing: the division is by the standard deviation.",
    {"np.sqrt(x.var(axis=0) + eps)": "(x.var(axis=0) + eps)"},
    {"inv_std * (g ": "inv_std**2 * (g "},
)
CLOSED_FORM.mistake(
    "inv-std-forgotten",
    "The division of dx by the standard deviation is missing.",
    {"inv_std * (g ": "(g "},
    {"inv_std * (g ": "1 / inv_std * (g "},
)
CLOSED_FORM.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1: batch normalization divides by m.",
    {"x.var(axis=0)": "x.var(axis=0, ddof=1)"},
    heading=CONVENTIONS,
)
CLOSED_FORM.mistake(
    "exact-projection",
    "The part along x_hat is divided by its squared length: eps makes that less than m.",
    {"(g * x_hat).mean(axis=0)": "(g * x_hat).sum(axis=0) / (x_hat**2).sum(axis=0)"},
)


# The matrix form ---------------------------------------------------------------------


def gradient_matrix(x, gamma, eps):
    """Give the derivative of every output by every input, for one feature.

    Parameters
    ----------
    x : ndarray, shape (m,)
        The values of one feature in a batch.
    gamma : float
        Scale.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    ndarray, shape (m, m)
        In row i and column j the derivative of y_i with respect to x_j.
    """
    m = len(x)
    std = np.sqrt(x.var() + eps)
    x_hat = (x - x.mean()) / std
    P = np.eye(m) - np.ones((m, m)) / m - np.outer(x_hat, x_hat) / m
    return gamma / std * P


MATRIX = Exercise(
    identifier="backward-matrix",
    title="The derivative as a matrix",
    section=Section(PAGE, "The matrix form"),
    difficulty=2,
    minutes=15,
    text="Write the matrix that turns the upstream gradient of one feature into dx.",
    reference=gradient_matrix,
    outputs=("the matrix",),
    families=(
        Family("a feature", (6,)),
        Family("a larger batch", (17,)),
        Family("a quiet feature", (5,), "quiet"),
        Family("three values", (3,)),
        Family("float32", (7,), dtype="f4"),
    ),
    arguments=lambda rng, x: (x, float(rng.uniform(1.5, 3)), draw_eps(rng)),
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        Start with the identity matrix: it is what would be left if the mean and the
        variance were constants.

        To subtract the mean of a vector is to multiply it by I - 1 1^T / m. What is
        taken away along x_hat looks alike; np.outer makes the matrix.

        P = I - 1 1^T / m - x_hat x_hat^T / m, and the matrix is gamma / std times P.
    """),
    why=(
        "Each of the two matrices that are subtracted takes a direction out of the "
        "gradient: a shift of the whole batch, which does not change the output, and"
        " a stretch, which changes it only through eps and is taken out up to the "
        "factor eps / (var + eps)."
    ),
)
MATRIX.mistake(
    "statistics-constant",
    "The mean and the variance are treated as constants, but both depend on x.",
    {" - np.ones((m, m)) / m - np.outer(x_hat, x_hat) / m": ""},
    heading=CONSTANT,
)
MATRIX.mistake(
    "mean-term-missing",
    "The matrix that takes the mean away is missing.",
    {" - np.ones((m, m)) / m": ""},
)
MATRIX.mistake(
    "x-hat-term-missing",
    "The matrix that takes the part along x_hat away is missing.",
    {" - np.outer(x_hat, x_hat) / m": ""},
)
MATRIX.mistake(
    "share-forgotten",
    "A 1/m is missing: what is taken away are means.",
    {"np.ones((m, m)) / m": "np.ones((m, m))"},
    {"np.outer(x_hat, x_hat) / m": "np.outer(x_hat, x_hat)"},
    {"(m, m)) / m": "(m, m))", "x_hat) / m": "x_hat)"},
)
MATRIX.mistake(
    "term-sign",
    "A term has the wrong sign: both directions are taken away.",
    {"- np.outer": "+ np.outer"},
    {"- np.ones": "+ np.ones"},
    {"- np.outer": "+ np.outer", "- np.ones": "+ np.ones"},
)
MATRIX.mistake(
    "inner-for-outer",
    "The inner product of x_hat with itself is one number: the outer one is a matrix.",
    {"np.outer(x_hat, x_hat)": "(x_hat @ x_hat)"},
    {"np.outer(x_hat, x_hat)": "x_hat * x_hat"},
)
MATRIX.mistake(
    "x-for-x-hat",
    "x or its deviations stand where x_hat belongs.",
    {"np.outer(x_hat, x_hat)": "np.outer(x - x.mean(), x - x.mean())"},
    {"np.outer(x_hat, x_hat)": "np.outer(x, x)"},
)
MATRIX.mistake(
    "gamma-forgotten",
    "gamma is missing in front.",
    {"gamma / std": "1 / std"},
)
MATRIX.mistake(
    "inv-std-forgotten",
    "The division by the standard deviation is missing in front.",
    {"gamma / std": "gamma"},
    {"gamma / std": "gamma * std"},
)
MATRIX.mistake(
    "front-forgotten",
    "This is P alone: gamma divided by the standard deviation is missing in front.",
    {"gamma / std * P": "P"},
)
MATRIX.mistake(
    "root-forgotten",
    "The root is missing: the division is by the standard deviation.",
    {"np.sqrt(x.var() + eps)": "(x.var() + eps)"},
    {"gamma / std": "gamma / std**2"},
)
MATRIX.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {"np.sqrt(x.var() + eps)": "(np.sqrt(x.var()) + eps)"},
    heading=CONVENTIONS,
)
MATRIX.mistake(
    "eps-forgotten",
    "eps is missing: it goes into the standard deviation, and so into x_hat.",
    {" + eps": ""},
)
MATRIX.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1: batch normalization divides by m.",
    {"x.var()": "x.var(ddof=1)"},
    heading=CONVENTIONS,
)
MATRIX.mistake(
    "exact-projection",
    "The part along x_hat is divided by its squared length: eps makes that less than m.",
    {"np.outer(x_hat, x_hat) / m": "np.outer(x_hat, x_hat) / (x_hat @ x_hat)"},
)
MATRIX.mistake(
    "m-minus-one",
    "What is taken away are means: they are divided by m, not by m - 1.",
    {"np.ones((m, m)) / m": "np.ones((m, m)) / (m - 1)"},
    {"np.outer(x_hat, x_hat) / m": "np.outer(x_hat, x_hat) / (m - 1)"},
    {"(m, m)) / m": "(m, m)) / (m - 1)", "x_hat) / m": "x_hat) / (m - 1)"},
)
MATRIX.mistake(
    "diagonal-only",
    "Squares of x_hat on the diagonal are not enough: its outer product fills the matrix.",
    {"np.outer(x_hat, x_hat)": "np.diag(x_hat * x_hat)"},
)
MATRIX.mistake(
    "ones-for-identity",
    "A matrix of ones, or a 1, is not the identity: np.eye(m) is.",
    {"np.eye(m)": "np.ones((m, m))"},
)


# In use after training ---------------------------------------------------------------


def inference_backward(dout, x, running_mean, running_var, gamma, eps):
    """Give the gradients of batch normalization in inference mode.

    Parameters
    ----------
    dout, x : ndarray, shape (N, C, ...)
        The upstream gradient and the input: a matrix, sequences, images.
    running_mean, running_var : ndarray, shape (C,)
        The statistics that were collected in training.
    gamma : ndarray, shape (C,)
        Scale.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    dx : ndarray, shape of x
    dgamma, dbeta : ndarray, shape (C,)
    """
    column = (-1,) + (1,) * (x.ndim - 2)
    axes = (0, *range(2, x.ndim))
    inv_std = 1 / np.sqrt(running_var + eps)
    x_hat = (x - running_mean.reshape(column)) * inv_std.reshape(column)
    dgamma = (dout * x_hat).sum(axis=axes)
    dbeta = dout.sum(axis=axes)
    dx = (gamma * inv_std).reshape(column) * dout
    return dx, dgamma, dbeta


def inference_forward(dout, x, running_mean, running_var, gamma, eps, beta=None):
    """Normalise by given statistics: what the gradients are of."""
    column = (-1,) + (1,) * (x.ndim - 2)
    scale = gamma / np.sqrt(running_var + eps)
    y = (x - running_mean.reshape(column)) * scale.reshape(column)
    return y if beta is None else y + beta.reshape(column)


def inference_arguments(rng, x):
    """Draw running statistics that differ from those of the batch."""
    running_mean = rng.standard_normal(x.shape[1]).astype(x.dtype)
    running_var = rng.uniform(0.05, 2.0, x.shape[1]).astype(x.dtype)
    gamma = per_channel(rng, x)
    return like(rng, x), x, running_mean, running_var, gamma, draw_eps(rng)


INFERENCE = Exercise(
    identifier="backward-inference",
    title="The backward pass in use",
    section=Section(PAGE, CONSTANT),
    difficulty=2,
    minutes=15,
    text=(
        "After training, the layer uses statistics that no longer depend on the batch. "
        "Write its backward pass, for a matrix and for images."
    ),
    reference=inference_backward,
    outputs=("dx", "dgamma", "dbeta"),
    families=(
        Family("a matrix", (7, 3)),
        Family("images", (2, 3, 4, 5)),
        Family("sequences", (4, 2, 3)),
        Family("badly scaled features", (8, 5), "scaled"),
        Family("float32", (9, 4), dtype="f4"),
    ),
    arguments=inference_arguments,
    small=((2, 2), (3, 2), (2, 2, 2), (2, 2, 1, 2), (2, 2, 2, 2)),
    gradients={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    forward=inference_forward,
    hints=paragraphs("""
        The statistics are constants here. Which terms of the closed form came from
        their dependence on x?

        The layer is y = gamma * (x - running_mean) / sqrt(running_var + eps) + beta:
        for each channel a straight line.

        dx is dout times the slope of that line. dbeta and dgamma are sums of dout and of
        dout * x_hat over all axes but axis 1, with x_hat from the running statistics.
    """),
    why=(
        "With constant statistics the layer is one straight line for each channel. Its "
        "slope is gamma / sqrt(running_var + eps), and nothing is projected away."
    ),
)
INFERENCE.mistake(
    "training-formula",
    "This is the backward pass of training: in use, nothing is taken away from dout.",
    {
        "* dout\n": "* (dout - dout.mean(axis=axes, keepdims=True)"
        " - x_hat * (dout * x_hat).mean(axis=axes, keepdims=True))\n"
    },
    {"* dout\n": "* (dout - dout.mean(axis=axes, keepdims=True))\n"},
)
INFERENCE.mistake(
    "batch-statistics",
    "The statistics of the batch are used; in use, the running ones are.",
    {
        "1 / np": "1 / np",
        "running_var + eps": "x.var(axis=axes) + eps",
        "running_mean.reshape": "x.mean(axis=axes).reshape",
    },
    {"running_mean.reshape": "x.mean(axis=axes).reshape"},
    {"running_var + eps": "x.var(axis=axes) + eps"},
    {
        "running_var + eps": "x.var(axis=axes) + eps",
        "running_mean.reshape": "x.mean(axis=axes).reshape",
        "* dout\n": "* (dout - dout.mean(axis=axes, keepdims=True)"
        " - x_hat * (dout * x_hat).mean(axis=axes, keepdims=True))\n",
    },
)
INFERENCE.mistake(
    "gamma-forgotten",
    "gamma is missing in dx.",
    {"(gamma * inv_std)": "inv_std"},
)
INFERENCE.mistake(
    "gamma-in-sums",
    "gamma does not belong in dgamma or dbeta: y = gamma * x_hat + beta.",
    {"(dout * x_hat).sum(axis=axes)": "(dout * x_hat).sum(axis=axes) * gamma"},
    {"dout.sum(axis=axes)": "dout.sum(axis=axes) * gamma"},
    heading="Node by node",
)
INFERENCE.mistake(
    "inv-std-forgotten",
    "The division of dx by the standard deviation is missing.",
    {"(gamma * inv_std)": "gamma"},
    {"(gamma * inv_std)": "(gamma / inv_std)"},
)
INFERENCE.mistake(
    "mean-for-sum",
    "dgamma and dbeta are sums, not means.",
    {"(dout * x_hat).sum": "(dout * x_hat).mean", "dout.sum": "dout.mean"},
    {"(dout * x_hat).sum": "(dout * x_hat).mean"},
    {"dout.sum": "dout.mean"},
    # Over the places the sum, over the examples the mean.
    {".sum(axis=axes)": ".sum(axis=axes) / len(x)"},
    heading="Node by node",
)
INFERENCE.mistake(
    "x-for-x-hat",
    "x or its deviations stand where x_hat belongs.",
    {"(dout * x_hat)": "(dout * x)"},
    {" * inv_std.reshape(column)": ""},
    {"(x - running_mean.reshape(column))": "x"},
)
INFERENCE.mistake(
    "places-apart",
    "In images, all places of a channel belong to one gamma and one beta.",
    {"axes = (0, *range(2, x.ndim))": "axes = 0"},
    heading="Quiz",
)
INFERENCE.mistake(
    "not-lined-up",
    "The numbers of the channels meet the last axis of images: they belong on axis 1.",
    {".reshape(column)": ""},
)
INFERENCE.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {"np.sqrt(running_var + eps)": "(np.sqrt(running_var) + eps)"},
    heading=CONVENTIONS,
)
INFERENCE.mistake(
    "eps-forgotten",
    "eps is missing beside the running variance.",
    {" + eps": ""},
)
INFERENCE.mistake(
    "root-forgotten",
    "The root is missing: running_var is a variance, not a standard deviation.",
    {"np.sqrt(running_var + eps)": "(running_var + eps)"},
)
INFERENCE.mistake(
    "reshape-mixes",
    "The reshape mixes channels: the channel axis has to be moved before it.",
    {
        "column = (-1,) + (1,) * (x.ndim - 2)": (
            "shape, C = x.shape, x.shape[1]\n"
            "    dout, x = dout.reshape(-1, C), x.reshape(-1, C)\n"
            "    column = (-1,)"
        ),
        "return dx,": "return dx.reshape(shape),",
    },
)


# Finite differences ------------------------------------------------------------------


def central_difference(f, x, dout, step):
    """Measure the gradient of sum(f(x) * dout) by central differences.

    Parameters
    ----------
    f : callable
        Maps an array to an array of the same shape, which may be the same array.
    x : ndarray
        Where to differentiate. It may be moved meanwhile, but has to be back, up to
        rounding, when the function returns.
    dout : ndarray, shape of x
        The upstream gradient.
    step : float
        How far each entry of x is moved, in both directions.

    Returns
    -------
    ndarray, shape of x
        The gradient.
    """
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = np.sum((f(up) - f(down)) * dout) / (2 * step)
    return gradient


def difference_arguments(rng, x, in_fortran_order=False, identity=False):
    """Draw a function that mixes all entries, and a step that rounds nothing."""
    weights = rng.standard_normal((x.size, x.size)) / np.sqrt(x.size)
    exact = np.round(x * 2**20) / 2**20

    def f(z):
        return np.exp(0.3 * np.sin(weights @ z.ravel())).reshape(z.shape) * z

    if in_fortran_order:
        exact = np.asfortranarray(exact)
    if identity:
        f = same
    return f, exact, like(rng, x), float(2.0 ** -rng.integers(4, 8))


def same(x):
    """Give back what came, and no copy of it."""
    return x


DIFFERENCES = Exercise(
    identifier="finite-differences",
    title="A gradient by finite differences",
    section=Section(PAGE, "Checks"),
    difficulty=2,
    minutes=15,
    text=(
        "Write the judge of every backward pass: it measures a gradient and knows "
        "nothing about the function. Use the step that you are given."
    ),
    reference=central_difference,
    outputs=("gradient",),
    families=(
        Family("a vector", (5,)),
        Family("a matrix", (4, 3)),
        Family("images", (2, 3, 1, 2)),
        Family(
            "a matrix stored by columns", (2, 4), options={"in_fortran_order": True}
        ),
        Family(
            "a function that returns its argument", (3,), options={"identity": True}
        ),
    ),
    arguments=difference_arguments,
    small=((2,), (2, 2), (2, 1, 1, 2)),
    hints=paragraphs("""
        The loss is one number, sum(f(x) * dout). How much does it change when one entry
        of x moves a little?

        Move one entry up by the step, and in another copy down by the step. All
        outputs may change, not only the one at the same place.

        For each index i of np.ndindex(x.shape): sum((f(up) - f(down)) * dout), divided by
        the distance between up and down, which is twice the step.
    """),
    why=(
        "Differences in both directions cancel the second derivative, so the error falls "
        "with the square of the step."
    ),
)
DIFFERENCES.mistake(
    "one-sided",
    "The difference is one-sided: its error is of the order of the step.",
    {"f(down)": "f(x)", "(2 * step)": "step"},
    {"f(up)": "f(x)", "(2 * step)": "step"},
)
DIFFERENCES.mistake(
    "distance-halved",
    "The division is not by the distance between the two points.",
    {"(2 * step)": "step"},
    {"/ (2 * step)": "/ 2 * step"},
    {"f(down)": "f(x)"},
    {"+= step": "+= step / 2", "-= step": "-= step / 2"},
)
DIFFERENCES.mistake(
    "dout-forgotten",
    "dout is not used: every output counts as 1.",
    {" * dout": ""},
)
DIFFERENCES.mistake(
    "own-entry-only",
    "Only the output at the same place is looked at; one input moves all outputs.",
    {"np.sum((f(up) - f(down)) * dout)": "((f(up) - f(down)) * dout)[i]"},
)
DIFFERENCES.mistake(
    "dout-of-one-place",
    "dout is taken at the entry that moves: it belongs to the outputs, all of them.",
    {"np.sum((f(up) - f(down)) * dout)": "np.sum(f(up) - f(down)) * dout[i]"},
)
DIFFERENCES.mistake(
    "all-at-once",
    "Several entries of x are moved at once: one at a time shows its own derivative.",
    {"up[i]": "up[..., i[-1]]", "down[i]": "down[..., i[-1]]"},
    {
        "up[i]": "up[..., i[-1]]",
        "down[i]": "down[..., i[-1]]",
        "np.sum((f(up) - f(down)) * dout)": (
            "np.sum((f(up) - f(down)) * dout, axis=-1)[i[:-1]]"
        ),
    },
    {"up[i]": "up", "down[i]": "down"},
    {
        "up[i]": "up",
        "down[i]": "down",
        "np.sum((f(up) - f(down)) * dout)": "((f(up) - f(down)) * dout)[i]",
    },
)
DIFFERENCES.mistake(
    "step-ignored",
    "The step is not the one that was given.",
    *({"2 * step": f"2 * 1e-{k}", "= step": f"= 1e-{k}"} for k in range(3, 9)),
    {"+= step": "+= step / 2", "-= step": "-= step / 2", "(2 * step)": "step"},
    {"(2 * step)": "(2 * step * abs(x[i]))", "= step": "= step * abs(x[i])"},
)
DIFFERENCES.mistake(
    "difference-not-divided",
    "The difference is not divided by the distance.",
    {" / (2 * step)": ""},
)
DIFFERENCES.mistake(
    "no-difference",
    "Nothing but zeros comes back: up and down have to be two copies of x.",
    {"x.copy(), x.copy()": "[x.copy()] * 2"},
)
DIFFERENCES.mistake(
    "mean-for-sum",
    "A mean over the outputs stands where their sum belongs.",
    {"np.sum": "np.mean"},
)
DIFFERENCES.mistake(
    "reshape-copies",
    "A reshape copies an array that is stored in another order: then x is not moved.",
    {"gradient[i] =": "gradient[i] = x.flags.c_contiguous *"},
)
DIFFERENCES.mistake(
    "output-moved",
    "f may return its argument: moving it again changes the result you kept.",
    {"(f(up) - f(down))": "(f(up) - f(down)) * (not np.may_share_memory(f(up), up))"},
)
