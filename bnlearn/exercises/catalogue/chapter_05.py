"""Exercises of chapter 05: inference statistics."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import draw_eps, per_channel

PAGE = "05_inference_statistics"
BELONG = "Statistics that belong to the data"
RUNNING = "Running averages"
MEMORY = "How long it remembers, and how noisy it is"
TWO = "Two conventions for one word"
BIASED = "Biased or unbiased?"
PARTS = "Exact statistics from parts"
LABORATORY = "A laboratory of train() and eval()"
NEIGHBOURS = "An answer that depends on the neighbours"
FAR_MOVED = "How far the neighbours move one value"
LAG = "Statistics that lag"


def draw_momentum(rng):
    """Draw the weight of a new value: never one half, which hides mistakes."""
    return float(rng.uniform(0.06, 0.35))


def draw_statistics(rng, x):
    """Draw running statistics that differ from those of the batch."""
    running_mean = rng.standard_normal(x.shape[1]).astype(x.dtype)
    running_var = rng.uniform(0.05, 2.0, x.shape[1]).astype(x.dtype)
    return running_mean, running_var


def draw_beta(rng, x):
    """Draw one shift for each channel."""
    return rng.standard_normal(x.shape[1]).astype(x.dtype)


# Among neighbours --------------------------------------------------------------------


def among_neighbours(x, mean, var, m, eps):
    """Standardise one example in training mode, as the last of a batch of m.

    Parameters
    ----------
    x : ndarray, shape (C,)
        The features of the example.
    mean, var : ndarray, shape (C,)
        Mean and biased variance of the m - 1 examples that are in the batch with it.
    m : int
        Size of the batch, this example included; at least 2.
    eps : float
        Added to the variance of the whole batch inside the root.

    Returns
    -------
    ndarray, shape (C,)
        Its x_hat, by the statistics of all m examples.
    """
    delta = x - mean
    batch_mean = mean + delta / m
    batch_var = (m - 1) / m * (var + delta**2 / m)
    return (x - batch_mean) / np.sqrt(batch_var + eps)


def neighbour_arguments(rng, x, away=1.0):
    """Take the last row as the example, and describe the others."""
    one = x[-1] + ((away - 1) * np.sign(x[-1])).astype(x.dtype)
    return one, x[:-1].mean(axis=0), x[:-1].var(axis=0), len(x), draw_eps(rng)


BATCH_MEAN = "mean + delta / m"
BATCH_VAR = "(m - 1) / m * (var + delta**2 / m)"
# As if there were m neighbours, or m - 2.
MORE = "m / (m + 1) * (var + delta**2 / (m + 1))"
LESS = "(m - 2) / (m - 1) * (var + delta**2 / (m - 1))"
AMONG = Exercise(
    identifier="among-neighbours",
    title="One value among its neighbours",
    section=Section(PAGE, FAR_MOVED),
    difficulty=4,
    minutes=25,
    text=(
        "In training mode an example is measured by statistics that it is itself a part "
        "of. Write what becomes of it among neighbours of which you know mean and "
        "variance only."
    ),
    reference=among_neighbours,
    outputs=("x_hat",),
    families=(
        Family("a batch", (7, 3)),
        Family("a quiet feature", (6, 4), "quiet"),
        Family("three in a batch", (3, 5)),
        Family("an outlier", (9, 4), options={"away": 60.0}),
        Family("float32", (8, 5), dtype="f4"),
    ),
    arguments=neighbour_arguments,
    small=((3, 2), (4, 2), (5, 3)),
    hints=paragraphs("""
        The example moves the mean of its batch, and it adds to the variance. Look at its
        distance delta from the mean of the neighbours.

        The mean of all m moves by delta / m. For the variance merge two sets: one of m - 1
        values with the variance var, one of a single value with the variance 0.

        The sum of squared deviations is (m - 1) * var + delta ** 2 * (m - 1) / m. Divide it
        by m, add eps, take the root. The numerator is delta - delta / m.
    """),
    why=(
        "It is the merging of two sets, one of which has one value. An outlier drags mean "
        "and spread along with it, so that it never gets beyond sqrt(m - 1)."
    ),
)
AMONG.mistake(
    "left-out-of-batch",
    "The example is measured by its neighbours alone, but it is a part of the batch.",
    {BATCH_MEAN: "mean", BATCH_VAR: "var"},
)
AMONG.mistake(
    "mean-not-moved",
    "The mean of the neighbours is subtracted, but the example moves the mean of its"
    " batch.",
    {BATCH_MEAN: "mean"},
)
AMONG.mistake(
    "variance-not-changed",
    "The variance of the neighbours is used, but the example changes that of its "
    "batch.",
    {BATCH_VAR: "var"},
)
AMONG.mistake(
    "distance-forgotten",
    "The distance from the neighbours is missing in the variance.",
    {BATCH_VAR: "(m - 1) / m * var"},
    heading=PARTS,
)
AMONG.mistake(
    "factor-forgotten",
    "The parts of the variance have the wrong weights: m - 1 of m values are neighbours.",
    {BATCH_VAR: "var + (m - 1) / m * delta**2 / m"},
    {BATCH_VAR: "(m - 1) / m * (var + delta**2)"},
    {BATCH_VAR: "(m - 1) / m * var + delta**2"},
    {BATCH_VAR: "(m - 1) / m * (var + delta**2 / m**2)"},
    {BATCH_VAR: "var / m + (m - 1) / m * delta**2 / m"},
    {BATCH_VAR: "(var + delta**2) / 2"},
    {BATCH_VAR: "var + delta**2"},
    heading=PARTS,
)
AMONG.mistake(
    "distances-from-different-means",
    "The squares are not all measured from the new mean: neighbours and example both"
    " have to be.",
    {BATCH_VAR: "((m - 1) * var + delta**2) / m"},
    {BATCH_VAR: "((m - 1) * var + (x - batch_mean) ** 2) / m"},
    heading=PARTS,
)
AMONG.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1: batch normalization divides by m.",
    {BATCH_VAR: f"{BATCH_VAR} * m / (m - 1)"},
    heading=BIASED,
)
AMONG.mistake(
    "count-off-by-one",
    "The batch has m examples, this one included: the neighbours are m - 1.",
    {BATCH_MEAN: "mean + delta / (m + 1)", BATCH_VAR: MORE},
    {BATCH_MEAN: "mean + delta / (m + 1)"},
    {BATCH_MEAN: "mean + delta / (m - 1)"},
    {BATCH_VAR: MORE},
    {BATCH_MEAN: "mean + delta / (m - 1)", BATCH_VAR: LESS},
    {BATCH_VAR: LESS},
)
AMONG.mistake(
    "delta-not-squared",
    "The distance is not squared in the variance.",
    {"delta**2": "delta"},
    {"delta**2": "np.abs(delta)"},
    heading=PARTS,
)
AMONG.mistake(
    "wrong-weights-in-mean",
    "The mean of the batch is nearer to the many than to the one.",
    {BATCH_MEAN: "mean + delta * (m - 1) / m"},
    {BATCH_MEAN: "(mean + x) / 2"},
    {BATCH_MEAN: "mean - delta / m"},
    {BATCH_MEAN: "mean + x / m"},
    heading=PARTS,
)
AMONG.mistake(
    "sign-of-term",
    "The term of the distance has the wrong sign: one more value spreads the batch.",
    {"var + delta**2": "var - delta**2"},
    heading=PARTS,
)
AMONG.mistake(
    "eps-in-part",
    "eps is added to the variance of the whole batch, not to a part of it.",
    {
        BATCH_VAR: "(m - 1) / m * (var + delta**2 / m + eps)",
        "batch_var + eps": "batch_var",
    },
)
AMONG.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {"np.sqrt(batch_var + eps)": "(np.sqrt(batch_var) + eps)"},
    heading=BELONG,
)
AMONG.mistake(
    "eps-forgotten",
    "eps is missing.",
    {" + eps": ""},
    heading=BELONG,
)
AMONG.mistake(
    "root-forgotten",
    "The root is missing: the division is by a standard deviation.",
    {"np.sqrt(batch_var + eps)": "(batch_var + eps)"},
    heading=BELONG,
)


# One line for each feature -----------------------------------------------------------


def folded_statistics(running_mean, running_var, gamma, beta, eps):
    """Turn a batch norm layer in evaluation mode into y = scale * x + shift.

    Parameters
    ----------
    running_mean, running_var : ndarray, shape (C,)
        The running statistics.
    gamma, beta : ndarray, shape (C,)
        What the layer has learned.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    scale, shift : ndarray, shape (C,)
        So that scale * x + shift is what the layer answers.
    """
    scale = gamma / np.sqrt(running_var + eps)
    shift = beta - scale * running_mean
    return scale, shift


def line_arguments(rng, x):
    """Draw a layer whose running statistics are those of some data."""
    learned = per_channel(rng, x), draw_beta(rng, x)
    return x.mean(axis=0), x.var(axis=0), *learned, draw_eps(rng)


SHIFT = "shift = beta - scale * running_mean"
LINE = Exercise(
    identifier="folded-statistics",
    title="What is left of the layer in use",
    section=Section(PAGE, BELONG),
    difficulty=1,
    minutes=10,
    text=(
        "In evaluation mode the layer is one straight line for each feature. Compute its "
        "two numbers once, so that a prediction needs one product and one sum."
    ),
    reference=folded_statistics,
    outputs=("scale", "shift"),
    families=(
        Family("some features", (7, 3)),
        Family("a quiet feature", (6, 4), "quiet"),
        Family("badly scaled features", (8, 5), "scaled"),
        Family("float32", (9, 4), dtype="f4"),
    ),
    arguments=line_arguments,
    hints=paragraphs("""
        Write y = gamma * (x - mean) / sqrt(var + eps) + beta, and collect what multiplies
        x.

        The scale is gamma / sqrt(running_var + eps). What is y for x = 0?

        shift = beta - scale * running_mean.
    """),
    why=(
        "Multiply the bracket out: the part with x has the factor scale, and the running "
        "mean goes into the shift with the same factor and a minus."
    ),
)
LINE.mistake(
    "mean-not-scaled",
    "In the shift the running mean has the wrong factor: it needs that of x.",
    {SHIFT: "shift = beta - running_mean"},
    {SHIFT: "shift = beta - gamma * running_mean"},
    {SHIFT: "shift = beta - running_mean / np.sqrt(running_var + eps)"},
)
LINE.mistake(
    "mean-forgotten",
    "The running mean is missing in the shift: y is not beta for x = 0.",
    {SHIFT: "shift = beta.copy()"},
)
LINE.mistake(
    "shift-sign",
    "The sign of the running mean is wrong: it is subtracted.",
    {SHIFT: "shift = beta + scale * running_mean"},
    {SHIFT: "shift = scale * running_mean - beta"},
)
LINE.mistake(
    "beta-forgotten",
    "beta is missing in the shift.",
    {"beta - scale": "-scale"},
)
LINE.mistake(
    "beta-scaled",
    "beta is multiplied by something: it is only added.",
    {SHIFT: "shift = scale * (beta - running_mean)"},
    {SHIFT: "shift = gamma * beta - scale * running_mean"},
    {SHIFT: "shift = (beta - running_mean * gamma) / np.sqrt(running_var + eps)"},
    {SHIFT: "shift = scale * beta - scale * running_mean"},
)
LINE.mistake(
    "gamma-forgotten",
    "gamma is missing.",
    {"scale = gamma /": "scale = 1 /"},
    {
        "return scale,": "return 1 / np.sqrt(running_var + eps),",
    },
)
LINE.mistake(
    "gamma-beta-swapped",
    "gamma and beta are swapped.",
    {"scale = gamma": "scale = beta", "beta - scale": "gamma - scale"},
)
LINE.mistake(
    "eps-forgotten",
    "eps is missing beside the running variance.",
    {" + eps": ""},
    {SHIFT: "shift = beta - gamma * running_mean / np.sqrt(running_var)"},
)
LINE.mistake(
    "eps-outside",
    "eps stands outside the root.",
    {"np.sqrt(running_var + eps)": "(np.sqrt(running_var) + eps)"},
    {"np.sqrt(running_var + eps)": "np.sqrt(running_var) + eps"},
)
LINE.mistake(
    "eps-ignored",
    "eps is not the one that was given.",
    *({"+ eps": f"+ 1e-{k}"} for k in (3, 5, 8)),
)
LINE.mistake(
    "root-forgotten",
    "The root is missing: running_var is a variance, not a standard deviation.",
    {"np.sqrt(running_var + eps)": "(running_var + eps)"},
    {"running_var + eps": "running_var**2 + eps"},
    {"np.sqrt(running_var + eps)": "running_var"},
    {SHIFT: "shift = beta - scale * running_mean / np.sqrt(running_var + eps)"},
    {SHIFT: "shift = beta - gamma * running_mean / (running_var + eps)"},
)
LINE.mistake(
    "not-divided",
    "The division by the standard deviation is missing.",
    {" / np.sqrt(running_var + eps)": ""},
    {"/ np": "* np"},
    {
        "scale = gamma / np.sqrt(running_var + eps)": "scale = np.sqrt(running_var + eps) / gamma"
    },
)


# A running average -------------------------------------------------------------------


def running_average(batch_means, start, momentum):
    """Follow the means of batches with an exponential average.

    Parameters
    ----------
    batch_means : ndarray, shape (T, C)
        The mean of every feature in batch 1, 2, ..., T.
    start : ndarray, shape (C,)
        The average before the first batch.
    momentum : float
        As in PyTorch: the weight of the new value.

    Returns
    -------
    ndarray, shape (C,)
        The average after the last batch.
    """
    average = start
    for mean in batch_means:
        average = (1 - momentum) * average + momentum * mean
    return average


STEP = "(1 - momentum) * average + momentum * mean"
LOOP = (
    "average = start\n    for mean in batch_means:\n"
    "        average = (1 - momentum) * average + momentum * mean\n"
)
UNROLLED = (
    "T = len(batch_means)\n"
    "    weights = ({weight}) * momentum * (1 - momentum) ** np.arange(T)[::-1]\n"
    "    average = {start} * start + weights @ batch_means\n"
)
MOVING = Exercise(
    identifier="moving-average",
    title="A running mean",
    section=Section(PAGE, RUNNING),
    difficulty=1,
    minutes=10,
    text=(
        "Write what a batch norm layer does to its running mean while T batches go by. "
        "Evaluation mode will subtract the result."
    ),
    reference=running_average,
    outputs=("average",),
    families=(
        Family("some batches", (6, 3)),
        Family("one batch", (1, 4)),
        Family("badly scaled features", (7, 5), "scaled"),
        Family("many batches", (25, 2)),
        Family("float32", (9, 4), dtype="f4"),
    ),
    arguments=lambda rng, x: (x, draw_statistics(rng, x)[0], draw_momentum(rng)),
    hints=paragraphs("""
        Begin with the start that is given, and go through the batches in their order.

        Each batch moves the average a little way towards its own mean. Two weights that
        add up to 1: which one is momentum?

        In the loop: average = (1 - momentum) * average + momentum * mean.
    """),
    why=(
        "Every step takes the share momentum from the new mean and leaves the rest as it "
        "was. So a batch that is k steps old has the weight momentum * (1 - momentum) ** k."
    ),
)
MOVING.mistake(
    "momentum-reversed",
    "Momentum is on the wrong side: in PyTorch it is the weight of the new value.",
    {STEP: "momentum * average + (1 - momentum) * mean"},
    heading=TWO,
)
MOVING.mistake(
    "start-ignored",
    "The average does not begin where it is told to.",
    {"average = start": "average = 0 * start"},
    {"average = start": "average = 0 * start + 1"},
    {"average = start": "average = batch_means[0]"},
    {
        "average = start": "average = batch_means[0]",
        "in batch_means:": "in batch_means[1:]:",
    },
)
MOVING.mistake(
    "all-alike",
    "All batches weigh alike: in an exponential average old ones fade.",
    {LOOP: "average = batch_means.mean(axis=0)\n"},
    {LOOP: "average = (start + batch_means.sum(axis=0)) / (len(batch_means) + 1)\n"},
    {LOOP: "average = (1 - momentum) * start + momentum * batch_means.mean(axis=0)\n"},
    {LOOP: "average = (1 - momentum) * start + momentum * batch_means.sum(axis=0)\n"},
)
MOVING.mistake(
    "one-step",
    "Only one of the batches gets into the average.",
    {"in batch_means": "in batch_means[-1:]"},
    {"in batch_means": "in batch_means[:1]"},
    {"* average +": "* start +"},
)
MOVING.mistake(
    "batch-left-out",
    "The first or the last batch is left out.",
    {"in batch_means": "in batch_means[1:]"},
    {"in batch_means": "in batch_means[:-1]"},
)
MOVING.mistake(
    "order-reversed",
    "The batches come in the wrong order: the newest has to weigh most.",
    {"in batch_means": "in batch_means[::-1]"},
    {
        LOOP: UNROLLED.format(weight="1", start="(1 - momentum) ** T").replace(
            "[::-1]", ""
        )
    },
)
MOVING.mistake(
    "weights-do-not-add-up",
    "The two weights of a step do not add up to 1.",
    {STEP: "average + momentum * mean"},
    {STEP: "momentum * average + momentum * mean"},
    {STEP: "(1 - momentum) * average + mean"},
    {STEP: "(1 - momentum) * average + (1 - momentum) * mean"},
    {STEP: "momentum * average + mean"},
    {LOOP: UNROLLED.format(weight="1", start="1")},
    {LOOP: UNROLLED.format(weight="1", start="(1 - momentum)")},
)
MOVING.mistake(
    "wrong-direction",
    "The step goes away from the new mean: a sign is wrong.",
    {STEP: "average + momentum * (average - mean)"},
    {STEP: "(1 - momentum) * average - momentum * mean"},
    {STEP: "(1 + momentum) * average + momentum * mean"},
)
MOVING.mistake(
    "momentum-ignored",
    "The momentum is not the one that was given.",
    *({STEP: f"{1 - a} * average + {a} * mean"} for a in (0.1, 0.01, 0.5, 0.9, 0.99)),
)
MOVING.mistake(
    "momentum-changes",
    "The momentum changes from step to step: it has to stay the same.",
    {
        "for mean in batch_means": "for t, mean in enumerate(batch_means, 1)",
        STEP: "(1 - momentum**t) * average + momentum**t * mean",
    },
    {
        "for mean in batch_means": "for t, mean in enumerate(batch_means, 1)",
        STEP: "(1 - momentum / t) * average + momentum / t * mean",
    },
    {
        "for mean in batch_means": "for t, mean in enumerate(batch_means, 1)",
        STEP: "(1 - momentum) ** t * average + (1 - (1 - momentum) ** t) * mean",
    },
)
MOVING.mistake(
    "batch-before",
    "The old value of a step is the average so far, not the mean of the batch before.",
    {
        "average = start\n": "before = start\n",
        "* average +": "* before +",
        "* mean\n": "* mean\n        before = mean\n",
    },
)
MOVING.mistake(
    "powers-off-by-one",
    "The powers are off by one: the newest batch weighs momentum, the start "
    "(1 - momentum) ** T.",
    {LOOP: UNROLLED.format(weight="1 - momentum", start="(1 - momentum) ** T")},
    {LOOP: UNROLLED.format(weight="1", start="(1 - momentum) ** (T - 1)")},
    {LOOP: UNROLLED.format(weight="1", start="(1 - momentum) ** (T + 1)")},
    heading=MEMORY,
)
MOVING.mistake(
    "momentum-of-optimiser",
    "This is the momentum of an optimiser, another thing with the same name.",
    {
        "average = start\n": "average, v = start, 0 * start\n",
        f"average = {STEP}": "v = momentum * v + mean\n        average = average + v",
    },
    heading="What people get wrong",
)
MOVING.mistake(
    "corrected",
    "The average is corrected for a start at zero, but it had a start of its own.",
    {"return average": "return average / (1 - (1 - momentum) ** len(batch_means))"},
    heading=LAG,
)
MOVING.mistake(
    "features-mixed",
    "Features are mixed: each has a running mean of its own.",
    {"in batch_means": "in batch_means.mean(axis=1)"},
    {"in batch_means": "in batch_means.T"},
    {STEP: f"{STEP}.mean()"},
    {"return average": "return average.mean()"},
)
MOVING.mistake(
    "whole-path",
    "The average after every batch comes back: asked for is the last one.",
    {
        "average = start\n": "average, path = start, []\n",
        "* mean\n": "* mean\n        path.append(average)\n",
        "return average": "return np.array(path)",
    },
    {
        "average = start\n": "average, path = start, [start]\n",
        "* mean\n": "* mean\n        path.append(average)\n",
        "return average": "return np.array(path)",
    },
)


# The cumulative average --------------------------------------------------------------


def add_to_average(average, new, count):
    """Take one more value into a plain mean without the values before it.

    Parameters
    ----------
    average : ndarray, shape (C,)
        The mean of the first count - 1 values; with count 1, any finite numbers.
    new : ndarray, shape (C,)
        Value number count.
    count : int
        How many values there are, the new one included: 1, 2, ...

    Returns
    -------
    ndarray, shape (C,)
        The mean of all count values.
    """
    return (1 - 1 / count) * average + new / count


def average_arguments(rng, x, count=None):
    """Draw an average, a new value and how many there are now."""
    return x[0], x[1], int(rng.integers(3, 12)) if count is None else count


WHOLE = "(1 - 1 / count) * average + new / count"
CUMULATIVE = Exercise(
    identifier="cumulative-average",
    title="The average of momentum=None",
    section=Section(PAGE, RUNNING),
    difficulty=1,
    minutes=5,
    text=(
        "Write the step that keeps a plain mean up to date. PyTorch takes it with "
        "`momentum=None`, and so does every measuring again of the statistics."
    ),
    reference=add_to_average,
    outputs=("average",),
    families=(
        Family("a few values", (2, 3)),
        Family("the first value", (2, 4), options={"count": 1}),
        Family("badly scaled features", (2, 5), "scaled"),
        Family("the hundredth value", (2, 3), options={"count": 100}),
        Family("float32", (2, 4), dtype="f4"),
    ),
    arguments=average_arguments,
    small=((2, 2), (2, 3)),
    hints=paragraphs("""
        How large is the sum of the first count - 1 values, if average is their mean?

        Add the new value to that sum and divide by the number of all.

        ((count - 1) * average + new) / count; the new value has the weight 1 / count.
    """),
    why=(
        "It is a running average whose momentum is 1 / count. The first value replaces "
        "whatever was there, and in the end all values weigh alike."
    ),
)
CUMULATIVE.mistake(
    "count-off-by-one",
    "The count is off by one: it includes the new value.",
    {WHOLE: "(count * average + new) / (count + 1)"},
    {WHOLE: "(1 - 1 / (count - 1)) * average + new / (count - 1)"},
    {WHOLE: "((count - 2) * average + new) / (count - 1)"},
    {WHOLE: "((count - 1) * average + new) / (count - 1)"},
    {WHOLE: "((count - 1) * average + new) / (count + 1)"},
    {WHOLE: "(1 - 1 / count) * average + new / (count - 1)"},
    {WHOLE: "(1 - 1 / count) * average + new / (count + 1)"},
)
CUMULATIVE.mistake(
    "weights-swapped",
    "The weights are swapped: the new value is one of count.",
    {WHOLE: "average / count + (1 - 1 / count) * new"},
)
CUMULATIVE.mistake(
    "midpoint",
    "This is the middle between old and new, as if the old mean were one value.",
    {WHOLE: "(average + new) / 2"},
)
CUMULATIVE.mistake(
    "exponential",
    "The weight of the new value is constant: in a plain mean it falls.",
    *(
        {WHOLE: f"{1 - a} * average + {a} * new"}
        for a in (0.1, 0.01, 0.001, 0.9, 0.99, 0.999)
    ),
)
CUMULATIVE.mistake(
    "old-not-reduced",
    "The weights do not add up to 1: the old mean keeps too much.",
    {WHOLE: "average + new / count"},
    {WHOLE: "(count * average + new) / count"},
    {WHOLE: "average + new"},
)
CUMULATIVE.mistake(
    "old-counts-once",
    "The old mean stands for count - 1 values, not for one.",
    {WHOLE: "(average + new) / count"},
)
CUMULATIVE.mistake(
    "not-divided",
    "This is a sum: the division by count is missing.",
    {WHOLE: "(count - 1) * average + new"},
    {WHOLE: "(1 - 1 / count) * average + new"},
)
CUMULATIVE.mistake(
    "only-part-divided",
    "The division is by count for both parts of the sum.",
    {WHOLE: "(count - 1) * average + new / count"},
)
CUMULATIVE.mistake(
    "wrong-direction",
    "The step goes away from the new value: a sign is wrong.",
    {WHOLE: "average + (average - new) / count"},
    {WHOLE: "(1 - 1 / count) * average - new / count"},
    {WHOLE: "(1 + 1 / count) * average + new / count"},
)
CUMULATIVE.mistake(
    "first-value-ignored",
    "With count 1 there is no mean yet: the new value is all there is.",
    {f"return {WHOLE}": f"return average.copy() if count == 1 else {WHOLE}"},
    {f"return {WHOLE}": f"return 0 * average if count == 1 else {WHOLE}"},
    {f"return {WHOLE}": f"return (average + new) / 2 if count == 1 else {WHOLE}"},
)
CUMULATIVE.mistake(
    "features-mixed",
    "Features are mixed: each has a mean of its own.",
    {f"return {WHOLE}": f"return ({WHOLE}).mean()"},
    {"new / count": "new.mean() / count"},
)


# The other convention ----------------------------------------------------------------


def keras_update(x, moving_mean, moving_var, momentum):
    """Update the statistics of a batch norm layer as Keras 3 does.

    Parameters
    ----------
    x : ndarray, shape (m, C)
        A batch of m examples with C features.
    moving_mean, moving_var : ndarray, shape (C,)
        The averages before this batch.
    momentum : float
        As in Keras: the weight of the old value.

    Returns
    -------
    moving_mean, moving_var : ndarray, shape (C,)
        The averages after it, in new arrays. The variance taken in is the biased one.
    """
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    new_mean = momentum * moving_mean + (1 - momentum) * mean
    new_var = momentum * moving_var + (1 - momentum) * var
    return new_mean, new_var


MEAN_STEP = "momentum * moving_mean + (1 - momentum) * mean"
VAR_STEP = "momentum * moving_var + (1 - momentum) * var"
KERAS = Exercise(
    identifier="keras-statistics",
    title="The statistics of the other convention",
    section=Section(PAGE, TWO),
    difficulty=2,
    minutes=10,
    text=(
        "Write the update of Keras. It differs from that of PyTorch in two things: in "
        "what momentum multiplies, and in the variance that is collected."
    ),
    reference=keras_update,
    outputs=("moving_mean", "moving_var"),
    families=(
        Family("a batch", (7, 3)),
        Family("a batch with a quiet feature", (6, 4), "quiet"),
        Family("badly scaled features", (8, 5), "scaled"),
        Family("two examples", (2, 3)),
        Family("float32", (9, 4), dtype="f4"),
    ),
    arguments=lambda rng, x: (x, *draw_statistics(rng, x), 1 - draw_momentum(rng)),
    hints=paragraphs("""
        First the mean and the variance of the batch, for every feature.

        Keras writes R = momentum * R + (1 - momentum) * q. A momentum of 0.99 leaves most
        of the old value where it is.

        The variance of the batch is x.var(axis=0), divided by m, and it is averaged in
        the same way as the mean.
    """),
    why=(
        "With 0.99 in Keras and 0.01 in PyTorch the running means are the same. The "
        "variances of the batches that they take in differ by the factor m / (m - "
        "1)."
    ),
)
KERAS.mistake(
    "momentum-reversed",
    "Momentum is on the wrong side: in Keras it is the weight of the old value.",
    {
        MEAN_STEP: "(1 - momentum) * moving_mean + momentum * mean",
        VAR_STEP: "(1 - momentum) * moving_var + momentum * var",
    },
    {MEAN_STEP: "(1 - momentum) * moving_mean + momentum * mean"},
    {VAR_STEP: "(1 - momentum) * moving_var + momentum * var"},
)
KERAS.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1, as PyTorch does: Keras divides by m.",
    {"x.var(axis=0)": "x.var(axis=0, ddof=1)"},
    {VAR_STEP: f"({VAR_STEP}) * len(x) / (len(x) - 1)"},
    heading=BIASED,
)
KERAS.mistake(
    "factor-on-biased",
    "The biased variance is made smaller still: it is taken in as it is.",
    {"x.var(axis=0)": "x.var(axis=0) * (len(x) - 1) / len(x)"},
    heading=BIASED,
)
KERAS.mistake(
    "sum-for-mean",
    "A sum stands where a mean belongs: the division by m is missing.",
    {"x.var(axis=0)": "x.var(axis=0) * len(x)"},
    {"x.mean(axis=0)": "x.sum(axis=0)"},
    {"x.var(axis=0)": "x.var(axis=0) * len(x)", "x.mean(axis=0)": "x.sum(axis=0)"},
    {
        "x.var(axis=0)": "((x - mean) ** 2).sum(axis=0)",
        "x.mean(axis=0)": "x.sum(axis=0)",
    },
    heading=RUNNING,
)
KERAS.mistake(
    "not-squared",
    "The deviations are not squared.",
    {"x.var(axis=0)": "np.abs(x - mean).mean(axis=0)"},
    {"x.var(axis=0)": "(x - mean).mean(axis=0)"},
    heading=RUNNING,
)
KERAS.mistake(
    "wrong-direction",
    "The step goes away from the new value: a sign is wrong.",
    {
        MEAN_STEP: "moving_mean - (1 - momentum) * (mean - moving_mean)",
        VAR_STEP: "moving_var - (1 - momentum) * (var - moving_var)",
    },
    {
        MEAN_STEP: "moving_mean - momentum * (mean - moving_mean)",
        VAR_STEP: "moving_var - momentum * (var - moving_var)",
    },
    {
        MEAN_STEP: "momentum * moving_mean - (1 - momentum) * mean",
        VAR_STEP: "momentum * moving_var - (1 - momentum) * var",
    },
)
KERAS.mistake(
    "example-by-example",
    "There is one step for each batch, not one for each example.",
    {
        f"    new_mean = {MEAN_STEP}\n": "    new_mean = moving_mean\n    for row in x:\n"
        "        new_mean = momentum * new_mean + (1 - momentum) * row\n"
    },
    heading=RUNNING,
)
KERAS.mistake(
    "distance-added",
    "The distance between the two means is no part of the average of variances.",
    {VAR_STEP: f"{VAR_STEP} + momentum * (1 - momentum) * (moving_mean - mean) ** 2"},
    heading=PARTS,
)
KERAS.mistake(
    "pytorch-update",
    "This is the update of PyTorch: the other weight, and the unbiased variance.",
    {
        MEAN_STEP: "(1 - momentum) * moving_mean + momentum * mean",
        VAR_STEP: "(1 - momentum) * moving_var + momentum * var",
        "x.var(axis=0)": "x.var(axis=0, ddof=1)",
    },
)
KERAS.mistake(
    "root-taken",
    "A standard deviation is averaged: what is kept is a variance.",
    {"x.var(axis=0)": "x.std(axis=0)"},
    {"x.var(axis=0)": "x.std(axis=0, ddof=1)"},
    {VAR_STEP: "(momentum * moving_var**0.5 + (1 - momentum) * var**0.5) ** 2"},
    {VAR_STEP: f"np.sqrt({VAR_STEP})"},
)
KERAS.mistake(
    "around-other-mean",
    "The variance is measured around another mean than that of the feature here.",
    {"x.var(axis=0)": "((x - moving_mean) ** 2).mean(axis=0)"},
    {VAR_STEP: VAR_STEP.replace(" var", " ((x - new_mean) ** 2).mean(axis=0)")},
    {"x.var(axis=0)": "((x - x.mean()) ** 2).mean(axis=0)"},
    heading=RUNNING,
)
KERAS.mistake(
    "not-centred",
    "The mean is not subtracted before squaring: this is the mean square.",
    {"x.var(axis=0)": "(x**2).mean(axis=0)"},
    heading=RUNNING,
)
KERAS.mistake(
    "batch-alone",
    "These are the statistics of this batch: the averages remember earlier ones.",
    {MEAN_STEP: "mean", VAR_STEP: "var"},
    {MEAN_STEP: "mean"},
    {VAR_STEP: "var"},
    heading=RUNNING,
)
KERAS.mistake(
    "not-updated",
    "An average comes back as it was.",
    {MEAN_STEP: "moving_mean.copy()"},
    {VAR_STEP: "moving_var.copy()"},
    {MEAN_STEP: "moving_mean.copy()", VAR_STEP: "moving_var.copy()"},
    heading=RUNNING,
)
KERAS.mistake(
    "momentum-ignored",
    "The momentum is not the one that was given.",
    *(
        {
            MEAN_STEP: f"{a} * moving_mean + {1 - a} * mean",
            VAR_STEP: f"{a} * moving_var + {1 - a} * var",
        }
        for a in (0.99, 0.9, 0.5, 0.1, 0.01)
    ),
)
KERAS.mistake(
    "weights-do-not-add-up",
    "The two weights do not add up to 1.",
    {" + (1 - momentum) * mean": " + mean", " + (1 - momentum) * var": " + var"},
    {" + (1 - momentum) * mean": " + mean"},
    {" + (1 - momentum) * var": " + var"},
    {" + (1 - momentum) * ": " + momentum * "},
    {"= momentum * moving": "= (1 - momentum) * moving"},
)
KERAS.mistake(
    "wrong-axis",
    "The wrong axis: this measures examples, not features.",
    {"axis=0": "axis=1"},
    {"x.mean(axis=0)": "x.mean(axis=1)"},
    {"x.var(axis=0)": "x.var(axis=1)"},
    heading=RUNNING,
    misconception="mis-axis",
)
KERAS.mistake(
    "all-axes",
    "All numbers are taken together: every feature has its own statistics.",
    {"axis=0": ""},
    {"x.mean(axis=0)": "x.mean()"},
    {"x.var(axis=0)": "x.var()"},
    heading=RUNNING,
)


# From PyTorch to Keras ---------------------------------------------------------------


def to_keras(running_var, momentum, m, t):
    """Translate the state of a batch norm layer from PyTorch to Keras.

    Parameters
    ----------
    running_var : ndarray, shape (C,)
        What PyTorch's layer has after t batches of m examples each. It began at 1 and
        took in the unbiased variance of each batch.
    momentum : float
        That of PyTorch's layer.
    m, t : int
        Size and number of the batches.

    Returns
    -------
    moving_var : ndarray, shape (C,)
        What Keras' layer would have after the same batches. It begins at 1, too, and
        takes in biased variances.
    keras_momentum : float
        The momentum that makes Keras' layer forget as fast.
    """
    start = (1 - momentum) ** t
    moving_var = start + (running_var - start) * (m - 1) / m
    return moving_var, 1 - momentum


def port_arguments(rng, x, t=None):
    """Draw what a layer has collected after a few batches."""
    momentum, m = draw_momentum(rng), len(x)
    t = int(rng.integers(4, 9)) if t is None else t
    start = (1 - momentum) ** t
    var = start + (1 - start) * x.var(axis=0, ddof=1)
    return var.astype(x.dtype), momentum, m, t


PORTED = "start + (running_var - start) * (m - 1) / m"
PORT = Exercise(
    identifier="pytorch-to-keras",
    title="A layer moves from PyTorch to Keras",
    section=Section(PAGE, TWO),
    difficulty=4,
    minutes=25,
    text=(
        "Translate momentum and running variance exactly. The libraries collect different "
        "variances, but both have begun at 1, and a part of that 1 is still there."
    ),
    reference=to_keras,
    outputs=("moving_var", "keras_momentum"),
    families=(
        Family("a few batches", (7, 3)),
        Family("one batch", (6, 4), options={"t": 1}),
        Family("batches of two", (2, 3)),
        Family("many batches", (5, 4), options={"t": 300}),
        Family("float32", (9, 4), dtype="f4"),
    ),
    arguments=port_arguments,
    hints=paragraphs("""
        Unroll the running variance: it is a weighted sum of the variances of the batches
        plus a share of the 1 it began with. How large is this share after t batches?

        In Keras the weights are the same if its momentum is 1 minus PyTorch's. Every
        unbiased variance becomes a biased one by the factor (m - 1) / m. The start does
        not.

        With start = (1 - momentum) ** t: take it away, multiply the rest by (m - 1) / m,
        and put it back.
    """),
    why=(
        "Both averages are the same weighted sum of batch variances, which differ by one "
        "factor, plus the same share of the start."
    ),
)
PORT.mistake(
    "start-converted",
    "The start was never unbiased: only what came from the batches has the factor.",
    {PORTED: "running_var * (m - 1) / m"},
)
PORT.mistake(
    "start-taken-out",
    "The share of the start is taken out, but Keras has it, too.",
    {PORTED: "(running_var - start) * (m - 1) / m"},
    {PORTED: "(running_var - start) / (1 - start) * (m - 1) / m"},
    {PORTED: "running_var * (m - 1) / m - start"},
    {PORTED: "running_var - start"},
    {PORTED: "(running_var - start) / (1 - start)"},
    {PORTED: "running_var * (m - 1) / m / (1 - start)"},
)
PORT.mistake(
    "start-added",
    "The share of the start is in the running variance already.",
    {PORTED: "start + running_var * (m - 1) / m"},
    {PORTED: "start + (1 - start) * running_var * (m - 1) / m"},
)
PORT.mistake(
    "factor-on-start",
    "The factor is on the start: it belongs to what came from the batches.",
    {PORTED: "running_var - start + start * (m - 1) / m"},
    {PORTED: "running_var - start * (m - 1) / m"},
    {PORTED: "running_var - start / m"},
    heading=BIASED,
)
PORT.mistake(
    "variance-not-converted",
    "The variance is not converted: PyTorch collects unbiased ones, Keras biased ones.",
    {PORTED: "running_var.copy()"},
    heading=BIASED,
)
PORT.mistake(
    "factor-upside-down",
    "The factor is upside down: biased variances are smaller.",
    {"(m - 1) / m": "m / (m - 1)"},
    {PORTED: "running_var * m / (m - 1)"},
    heading=BIASED,
)
PORT.mistake(
    "wrong-factor",
    "The factor between unbiased and biased has m and m - 1 in it.",
    {"(m - 1) / m": "m / (m + 1)"},
    {"(m - 1) / m": "(m - 1)"},
    {"(m - 1) / m": "1 / m"},
    {"(m - 1) / m": "np.sqrt((m - 1) / m)"},
    {"(m - 1) / m": "(t - 1) / t"},
    {PORTED: "running_var * ((m - 1) / m) ** t"},
    {PORTED: "running_var * (m * t - 1) / (m * t)"},
    {PORTED: "start + (running_var - start) * ((m - 1) / m) ** t"},
    {PORTED: "start + (running_var - start) * (m * t - 1) / (m * t)"},
    {PORTED: "start + (running_var - start) * (m - 1) / m * momentum"},
    heading=BIASED,
)
PORT.mistake(
    "momentum-not-reversed",
    "The momentum is not translated: PyTorch's is the weight of the new value.",
    {"var, 1 - momentum": "var, momentum"},
)
PORT.mistake(
    "momentum-inverted",
    "The momentum is inverted: the two momenta add up to 1.",
    {"var, 1 - momentum": "var, 1 / momentum"},
    {"var, 1 - momentum": "var, momentum - 1"},
)
PORT.mistake(
    "momentum-translated-first",
    "The share of the start is computed with the other momentum.",
    {"(1 - momentum) ** t": "momentum**t"},
)
PORT.mistake(
    "momentum-of-all-steps",
    "The momentum belongs to one step, not to all t of them.",
    {"var, 1 - momentum": "var, start"},
    {"var, 1 - momentum": "var, 1 - start"},
)
PORT.mistake(
    "share-is-the-rest",
    "This is the weight of the batches: the start has what they leave.",
    {"start = (1 - momentum) ** t": "start = 1 - (1 - momentum) ** t"},
    heading=MEMORY,
)
PORT.mistake(
    "count-off-by-one",
    "The number of steps is off by one: after t batches the start was reduced t times.",
    {"** t": "** (t - 1)"},
    {"** t": "** (t + 1)"},
    heading=MEMORY,
)
PORT.mistake(
    "start-not-faded",
    "The start fades with every batch: its share is not 1 any more.",
    {"start = (1 - momentum) ** t": "start = 1"},
    {"start = (1 - momentum) ** t": "start = 1 - momentum"},
    {"start = (1 - momentum) ** t": "start = (1 - momentum) * t"},
    {PORTED: "1 + (running_var - start) * (m - 1) / m"},
    {PORTED: "start + (running_var - 1) * (m - 1) / m"},
    heading=MEMORY,
)


# Two batches into one ----------------------------------------------------------------


def merge_statistics(n_a, mean_a, var_a, n_b, mean_b, var_b):
    """Give mean and variance of two batches together, from those of each.

    Parameters
    ----------
    n_a, n_b : int
        How many examples each batch has.
    mean_a, mean_b : ndarray, shape (C,)
        Means of the features; in float64 up to a million times larger than spreads.
    var_a, var_b : ndarray, shape (C,)
        Biased variances.

    Returns
    -------
    mean, var : ndarray, shape (C,)
        Mean and biased variance of all n_a + n_b examples.
    """
    n = n_a + n_b
    delta = mean_b - mean_a
    mean = mean_a + delta * n_b / n
    var = (n_a * var_a + n_b * var_b) / n + delta**2 * n_a * n_b / n**2
    return mean, var


def merge_arguments(rng, x):
    """Take a batch apart into a third and two thirds, some distance from each other."""
    cut = max(1, len(x) // 3)
    a, b = x[:cut], x[cut:] + rng.uniform(0.5, 2, x.shape[1]).astype(x.dtype)
    given = [[len(part), part.mean(axis=0), part.var(axis=0)] for part in (a, b)]
    return (*given[0], *given[1])


WITHIN = "(n_a * var_a + n_b * var_b) / n"
BETWEEN = "delta**2 * n_a * n_b / n**2"
BOTH_VAR = f"{WITHIN} + {BETWEEN}"
BOTH_MEAN = "mean_a + delta * n_b / n"
FAR = Family("data far from zero", (11, 3), offset=1e6, rtol32=0.1)
MERGE = Exercise(
    identifier="merge-moments",
    title="The statistics of two batches together",
    section=Section(PAGE, PARTS),
    difficulty=3,
    minutes=20,
    text=(
        "Several machines have a part of the batch each. Write how two of them agree on "
        "the statistics of the whole, without exchanging the data."
    ),
    reference=merge_statistics,
    outputs=("mean", "var"),
    families=(
        Family("two batches", (10, 3)),
        Family("with a quiet feature", (14, 4), "quiet"),
        Family("badly scaled features", (8, 5), "scaled"),
        FAR,
        Family("float32", (13, 4), dtype="f4"),
    ),
    arguments=merge_arguments,
    small=((6, 2), (7, 2), (9, 3)),
    hints=paragraphs("""
        The common mean is a weighted one. If both batches had variance 0 and different
        means, would the common variance be 0?

        Work with sums of squared deviations, n * var. Around the common mean that of a
        batch is larger by n times the squared distance of its own mean.

        With delta = mean_b - mean_a: var = (n_a * var_a + n_b * var_b) / n + delta ** 2 *
        n_a * n_b / n ** 2. No large numbers are squared.
    """),
    why=(
        "The variance of the whole is the mean of the variances within the parts "
        "plus the variance between their means. The means are subtracted before "
        "anything is squared, so no large squares have to cancel."
    ),
)
MERGE.mistake(
    "between-forgotten",
    "The distance between the means is missing: both parts count as if around one mean.",
    {f" + {BETWEEN}": ""},
)
MERGE.mistake(
    "counts-ignored",
    "The parts count alike, but one is larger.",
    {BOTH_MEAN: "(mean_a + mean_b) / 2"},
    {WITHIN: "(var_a + var_b) / 2"},
    {BETWEEN: "delta**2 / 4"},
    {BOTH_VAR: "(var_a + var_b) / 2 + delta**2 / 4"},
    {
        BOTH_MEAN: "(mean_a + mean_b) / 2",
        BOTH_VAR: "(var_a + var_b) / 2 + delta**2 / 4",
    },
    {BOTH_MEAN: "(mean_a + mean_b) / 2", BETWEEN: "delta**2 / 4"},
    {BOTH_MEAN: "(mean_a + mean_b) / 2", WITHIN: "(var_a + var_b) / 2"},
    {BETWEEN: "((mean_a - mean) ** 2 + (mean_b - mean) ** 2) / 2"},
    {BOTH_VAR: "(var_a + (mean_a - mean) ** 2 + var_b + (mean_b - mean) ** 2) / 2"},
)
MERGE.mistake(
    "plain-averages",
    "These are plain averages: the counts and the distance of the means are left out.",
    {BOTH_MEAN: "(mean_a + mean_b) / 2", BOTH_VAR: "(var_a + var_b) / 2"},
    {BOTH_VAR: "(var_a + var_b) / 2"},
    {BOTH_MEAN: "(mean_a + mean_b) / 2", f" + {BETWEEN}": ""},
)
MERGE.mistake(
    "delta-not-squared",
    "The distance of the means is not squared.",
    {"delta**2": "delta"},
    {"delta**2": "np.abs(delta)"},
)
MERGE.mistake(
    "delta-sign",
    "The term of the distance has the wrong sign: two parts spread more than one.",
    {"/ n + delta**2": "/ n - delta**2"},
)
MERGE.mistake(
    "between-divided-wrongly",
    "The term of the distance between the means has the wrong weight.",
    {"n_a * n_b / n**2": "n_a * n_b / n"},
    {"n_a * n_b / n**2": "n_a * n_b"},
    {"n_a * n_b / n**2": "1 / n"},
    {"n_a * n_b / n**2": "1"},
    {"n_a * n_b / n**2": "n_a / n"},
    {"n_a * n_b / n**2": "n_b / n"},
    {"n_a * n_b / n**2": "n_a * n_b / (n * (n - 1))"},
    {BETWEEN: "(mean_a - mean) ** 2 + (mean_b - mean) ** 2"},
    {BETWEEN: "((mean_a - mean) ** 2 + (mean_b - mean) ** 2) / n"},
    {"n_a * n_b / n**2": "n_a * n_b / (2 * n)"},
    {"n_a * n_b / n**2": "n_a * n_b / (2 * n**2)"},
    {"n_a * n_b / n**2": "n_b**2 / n**2"},
)
MERGE.mistake(
    "one-part-moved",
    "Only one of the parts is moved to the common mean: both are away from it.",
    {"n_a * n_b / n**2": "n_a * n_b**2 / n**3"},
    {"n_a * n_b / n**2": "n_b * n_a**2 / n**3"},
)
MERGE.mistake(
    "weights-swapped",
    "The weights are swapped: the larger part weighs more.",
    {BOTH_MEAN: "mean_a + delta * n_a / n"},
    {WITHIN: "(n_b * var_a + n_a * var_b) / n"},
    {BOTH_MEAN: "mean_a + delta * n_a / n", WITHIN: "(n_b * var_a + n_a * var_b) / n"},
)
MERGE.mistake(
    "mean-sign",
    "The common mean lies between the two means: a sign is wrong.",
    {BOTH_MEAN: "mean_a - delta * n_b / n"},
    {BOTH_MEAN: "mean_b + delta * n_a / n"},
)
MERGE.mistake(
    "unbiased-variance",
    "n - 1 has come in: all variances here are biased, divided by the number of "
    "examples.",
    {BOTH_VAR: f"({BOTH_VAR}) * n / (n - 1)"},
    {
        BOTH_VAR: "((n_a - 1) * var_a + (n_b - 1) * var_b + delta**2 * n_a * n_b / n) / (n - 1)"
    },
    {
        BOTH_VAR: "((n_a - 1) * var_a + (n_b - 1) * var_b + delta**2 * n_a * n_b / n) / n"
    },
    {BOTH_VAR: "((n_a - 1) * var_a + (n_b - 1) * var_b) / (n - 2)"},
    {WITHIN: "((n_a - 1) * var_a + (n_b - 1) * var_b) / (n - 2)"},
    heading=BIASED,
)
MERGE.mistake(
    "added",
    "Variances are added where they have to be averaged.",
    {WITHIN: "(var_a + var_b)"},
    {BOTH_VAR: "var_a + var_b"},
    {BOTH_VAR: "n_a * var_a + n_b * var_b + delta**2 * n_a * n_b / n"},
)
MERGE.mistake(
    "counts-forgotten-in-sum",
    "A variance is no sum of squares: it has to be multiplied by its count first.",
    {WITHIN: "(var_a + var_b) / n"},
    {BOTH_VAR: "(var_a + var_b + delta**2 * n_a * n_b / n) / n"},
)
MERGE.mistake(
    "root-taken",
    "This is the standard deviation: the variance is its square.",
    {BOTH_VAR: f"np.sqrt({BOTH_VAR})"},
    {WITHIN: "((n_a * np.sqrt(var_a) + n_b * np.sqrt(var_b)) / n) ** 2"},
)
MERGE.mistake(
    "variances-squared",
    "The variances are squared: they are squares already.",
    {WITHIN: "(n_a * var_a**2 + n_b * var_b**2) / n"},
    {BOTH_VAR: "(n_a * var_a**2 + n_b * var_b**2) / n"},
)
MERGE.mistake(
    "single-value",
    "This is the step for one new value: here n_b of them come at once.",
    {BOTH_MEAN: "mean_a + delta / n"},
    {BETWEEN: "delta * (mean_b - mean) / n"},
    {BOTH_MEAN: "mean_a + delta / n", BETWEEN: "delta * (mean_b - mean) / n"},
    {BOTH_VAR: "(n_a * var_a + delta * (mean_b - mean)) / n"},
)
MERGE.mistake(
    "counts-squared",
    "The weights are the counts, not their squares.",
    {WITHIN: "(n_a**2 * var_a + n_b**2 * var_b) / n**2"},
    {BOTH_VAR: "(n_a**2 * var_a + n_b**2 * var_b) / n**2"},
)
MERGE.mistake(
    "mean-not-divided",
    "The common mean lies between the two means.",
    {BOTH_MEAN: "mean_a + mean_b"},
    {BOTH_MEAN: "mean_a + delta * n_b"},
    {BOTH_MEAN: "n_a * mean_a + n_b * mean_b"},
    {BOTH_MEAN: "(mean_a + mean_b) / n"},
    {BOTH_MEAN: "mean_a + delta"},
)
MERGE.mistake(
    "large-numbers-squared",
    "Squares of means are subtracted from each other, and their digits cancel.",
    {
        BOTH_VAR: "(n_a * (var_a + mean_a**2) + n_b * (var_b + mean_b**2)) / n - mean**2",
    },
    unstable=(FAR.name,),
)


# Training and evaluation -------------------------------------------------------------


def batch_norm_step(x, running_mean, running_var, training, momentum, eps):
    """Do what PyTorch's batch norm does in one call, without gamma and beta.

    Parameters
    ----------
    x : ndarray, shape (N, C, ...)
        A matrix, sequences, images.
    running_mean, running_var : ndarray, shape (C,)
        The running statistics; do not change these arrays.
    training : bool
        The mode: True for training, False for evaluation.
    momentum, eps : float
        Weight of the new value; what is added to the variance inside the root.

    Returns
    -------
    y : ndarray, shape of x
        Made with the batch's mean and biased variance, or with the running ones.
    running_mean, running_var : ndarray, shape (C,)
        The running statistics after the call, the variance an average of unbiased ones.
    """
    axes, column = (0, *range(2, x.ndim)), (-1,) + (1,) * (x.ndim - 2)
    mean, var = running_mean, running_var
    if training:
        m = x.size // x.shape[1]
        mean, var = x.mean(axis=axes), x.var(axis=axes)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * m / (m - 1)
    y = (x - mean.reshape(column)) / np.sqrt(var.reshape(column) + eps)
    return y, running_mean, running_var


def step_arguments(rng, x, training=True):
    """Draw a batch and running statistics that are not its own."""
    statistics = draw_statistics(rng, x)
    return x, *statistics, training, draw_momentum(rng), draw_eps(rng)


IN_USE = {"training": False}
RUN_MEAN = "(1 - momentum) * running_mean + momentum * mean"
RUN_VAR = "(1 - momentum) * running_var + momentum * var * m / (m - 1)"
OWN = "x.mean(axis=axes), x.var(axis=axes)"
GIVEN = "mean, var = running_mean, running_var\n"
UNBIASED = "x.var(axis=axes, ddof=1)"
USE = "    y = (x - mean"
AGAIN = "var * m / (m - 1)"
# Updates in both modes, but y by the right statistics.
RESTORE = {USE: f"    if not training:\n        mean, var = old\n{USE}"}
UPDATE = f"running_mean = {RUN_MEAN}\n        running_var = {RUN_VAR}"
TRAIN_EVAL = Exercise(
    identifier="train-and-eval",
    title="One call in training and in evaluation",
    section=Section(PAGE, LABORATORY),
    difficulty=3,
    minutes=25,
    text=(
        "Write the whole layer as a function: what it answers and what it remembers, in "
        "both modes, for a matrix and for images."
    ),
    reference=batch_norm_step,
    outputs=("y", "running_mean", "running_var"),
    families=(
        Family("a matrix in training", (7, 3)),
        Family("a matrix in evaluation", (6, 4), options=IN_USE),
        Family("images in training", (3, 4, 5, 2)),
        Family("images in evaluation", (2, 3, 4, 5), options=IN_USE),
        Family("a quiet feature in training", (5, 4), "quiet"),
        Family("sequences in training", (4, 2, 3), "scaled"),
        Family("float32 in evaluation", (8, 3), dtype="f4", options=IN_USE),
    ),
    arguments=step_arguments,
    small=((2, 2), (3, 2), (2, 2, 2), (2, 2, 1, 2), (2, 2, 2, 2)),
    returned=("running_mean", "running_var"),
    hints=paragraphs("""
        Which mean and variance does y need in training, which in evaluation? In which of
        the two modes do the running statistics change?

        In training y is made with the batch's own mean and biased variance, over all axes
        but axis 1. The running variance takes in the unbiased one. How many values m stand
        behind one channel of images?

        In training running_var = (1 - momentum) * running_var + momentum * var * m / (m -
        1), with m = x.size // x.shape[1]. In evaluation use the running statistics and
        return them as they are.
    """),
    why=(
        "In training the batch normalises itself, and the running statistics watch. In "
        "evaluation they normalise and stand still, so that an answer depends on one "
        "example only."
    ),
)
TRAIN_EVAL.mistake(
    "batch-statistics-in-evaluation",
    "In evaluation y is made with statistics of the batch: the running ones belong there.",
    {GIVEN: f"mean, var = {OWN}\n"},
    {GIVEN: "mean, var = x.mean(axis=axes), running_var\n"},
    {GIVEN: "mean, var = running_mean, x.var(axis=axes)\n"},
    {GIVEN: f"mean, var = x.mean(axis=axes), {UNBIASED}\n"},
    heading=NEIGHBOURS,
)
TRAIN_EVAL.mistake(
    "updated-in-evaluation",
    "The running statistics move in evaluation: there they stand still.",
    {
        GIVEN: f"{GIVEN}    if not training:\n        m = x.size // x.shape[1]\n"
        f"        mean, var = {OWN}\n        {UPDATE}\n    {GIVEN}"
    },
    {
        GIVEN: f"{GIVEN}    old = mean, var\n    if not training:\n"
        f"        m = x.size // x.shape[1]\n"
        f"        mean, var = {OWN}\n        {UPDATE}\n        mean, var = old\n"
    },
    {
        f"{USE}": f"    if not training:\n        running_mean, running_var = {OWN}\n{USE}"
    },
    {
        f"{GIVEN}    if training:\n": f"{GIVEN}    old = mean, var\n    if True:\n",
        **RESTORE,
    },
    {
        f"{GIVEN}    if training:\n": f"{GIVEN}    if True:\n",
        USE: f"    if not training:\n        {GIVEN}{USE}",
    },
    heading=LABORATORY,
)
TRAIN_EVAL.mistake(
    "always-training",
    "The mode is ignored: this is what happens in training.",
    {"if training:": "if True:"},
    heading=LABORATORY,
)
TRAIN_EVAL.mistake(
    "always-evaluation",
    "The mode is ignored: this is what happens in evaluation.",
    {"if training:": "if False:"},
    heading=LABORATORY,
)
TRAIN_EVAL.mistake(
    "modes-swapped",
    "The modes are swapped.",
    {"if training:": "if not training:"},
    heading=LABORATORY,
)
TRAIN_EVAL.mistake(
    "running-statistics-in-training",
    "In training y is made with running statistics: the batch's own belong there.",
    {
        f"mean, var = {OWN}": f"own, v = {OWN}",
        "momentum * mean": "momentum * own",
        "momentum * var": "momentum * v",
    },
    {USE: f"    {GIVEN}{USE}"},
    {USE: f"    mean = running_mean\n{USE}"},
    {USE: f"    var = running_var\n{USE}"},
)
TRAIN_EVAL.mistake(
    "biased-running-variance",
    "The running variance takes in the biased variance: in PyTorch the unbiased one.",
    {" * m / (m - 1)": ""},
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "unbiased-in-output",
    "In training y is made with the unbiased variance: only the running one is unbiased.",
    {"x.var(axis=axes)": UNBIASED, " * m / (m - 1)": ""},
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "variances-swapped",
    "Biased and unbiased are swapped: the biased one makes y, the other is collected.",
    {"x.var(axis=axes)": UNBIASED, " * m / (m - 1)": " * (m - 1) / m"},
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "corrected-twice",
    "The factor m / (m - 1) comes in twice: it belongs to the new variance, once.",
    {"x.var(axis=axes)": UNBIASED},
    {" * m / (m - 1)": " * (m / (m - 1)) ** 2"},
    {
        USE: f"    m = x.size // x.shape[1]\n    var = var if training else {AGAIN}\n{USE}"
    },
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "factor-upside-down",
    "The factor of the running variance is upside down: the unbiased one is larger.",
    {" * m / (m - 1)": " * (m - 1) / m"},
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "factor-on-all",
    "The factor m / (m - 1) belongs to the new variance, not to the old average.",
    {RUN_VAR: "((1 - momentum) * running_var + momentum * var) * m / (m - 1)"},
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "m-is-batch-size",
    "Behind a channel of images there are more values than examples.",
    {"x.size // x.shape[1]": "len(x)"},
    heading=LABORATORY,
)
TRAIN_EVAL.mistake(
    "m-is-size",
    "The number of values behind one channel is not the number of all values.",
    {"x.size // x.shape[1]": "x.size"},
    {"x.size // x.shape[1]": "x.shape[1]"},
    {"x.size // x.shape[1]": "x.size // len(x)"},
    heading=BIASED,
)
TRAIN_EVAL.mistake(
    "momentum-reversed",
    "Momentum is on the wrong side: in PyTorch it is the weight of the new value.",
    {
        RUN_MEAN: "momentum * running_mean + (1 - momentum) * mean",
        RUN_VAR: "momentum * running_var + (1 - momentum) * var * m / (m - 1)",
    },
    {RUN_MEAN: "momentum * running_mean + (1 - momentum) * mean"},
    {RUN_VAR: "momentum * running_var + (1 - momentum) * var * m / (m - 1)"},
    heading=TWO,
)
TRAIN_EVAL.mistake(
    "keras-statistics",
    "These are the running statistics of Keras: PyTorch's were asked for.",
    {
        RUN_MEAN: "momentum * running_mean + (1 - momentum) * mean",
        RUN_VAR: "momentum * running_var + (1 - momentum) * var",
    },
    heading=TWO,
)
TRAIN_EVAL.mistake(
    "not-updated",
    "A running average does not move in training.",
    {RUN_MEAN: "running_mean", RUN_VAR: "running_var"},
    {RUN_MEAN: "running_mean"},
    {RUN_VAR: "running_var"},
)
TRAIN_EVAL.mistake(
    "batch-alone",
    "The statistics of this batch come back: a running average remembers earlier ones.",
    {RUN_MEAN: "mean", RUN_VAR: "var * m / (m - 1)"},
    {RUN_MEAN: "mean"},
    {RUN_VAR: "var * m / (m - 1)"},
    {RUN_MEAN: "mean", RUN_VAR: "var"},
    {RUN_VAR: "var"},
)
TRAIN_EVAL.mistake(
    "weights-do-not-add-up",
    "The two weights of a running average do not add up to 1.",
    {"(1 - momentum) * running": "running"},
    {"(1 - momentum) * running_mean": "running_mean"},
    {"(1 - momentum) * running_var": "running_var"},
    {"+ momentum * ": "+ "},
    {"(1 - momentum) * running": "momentum * running"},
)
TRAIN_EVAL.mistake(
    "root-kept",
    "A standard deviation is averaged: what is kept is a variance.",
    {"momentum * var * m / (m - 1)": "momentum * np.sqrt(var)"},
    {"momentum * var * m / (m - 1)": "momentum * np.sqrt(var * m / (m - 1))"},
    {"momentum * var": "momentum * np.sqrt(var)"},
    {
        "momentum * var * m / (m - 1)": "momentum * np.sqrt(var + eps)",
        "np.sqrt(var.reshape(column) + eps)": "(np.sqrt(var.reshape(column) + eps) "
        "if training else var.reshape(column))",
    },
    {"(1 - momentum) * running_var": "(1 - momentum) * np.sqrt(running_var)"},
)
TRAIN_EVAL.mistake(
    "around-running-mean",
    "The variance of the batch is measured around a running mean, not around its own.",
    {
        "x.var(axis=axes)": "((x - running_mean.reshape(column)) ** 2).mean(axis=axes)",
    },
    {
        "* var * m / (m - 1)": "* ((x - running_mean.reshape(column)) ** 2)"
        ".sum(axis=axes) / (m - 1)",
    },
    {
        "* var * m / (m - 1)": "* ((x - running_mean.reshape(column)) ** 2).mean(axis=axes)"
    },
)
TRAIN_EVAL.mistake(
    "eps-collected",
    "eps is collected in the running variance: it belongs only where y is made.",
    {"momentum * var *": "momentum * (var + eps) *"},
    {"* m / (m - 1)": "* m / (m - 1) + eps"},
    {"* m / (m - 1)": "* m / (m - 1) + momentum * eps"},
)
TRAIN_EVAL.mistake(
    "eps-outside",
    "eps stands outside the root: it belongs inside, added to the variance.",
    {"np.sqrt(var.reshape(column) + eps)": "(np.sqrt(var.reshape(column)) + eps)"},
    heading=BELONG,
)
TRAIN_EVAL.mistake(
    "eps-forgotten",
    "eps is missing.",
    {" + eps)": ")"},
    {" + eps)": " + eps * training)"},
    {" + eps)": " + eps * (not training))"},
    heading=BELONG,
)
TRAIN_EVAL.mistake(
    "eps-ignored",
    "eps is not the one that was given.",
    *({"+ eps": f"+ 1e-{k}"} for k in (3, 5, 8)),
    heading=BELONG,
)
TRAIN_EVAL.mistake(
    "root-forgotten",
    "The root is missing: the division is by a standard deviation.",
    {"np.sqrt(var.reshape(column) + eps)": "(var.reshape(column) + eps)"},
    {
        "np.sqrt(var.reshape(column) + eps)": "(np.sqrt(var.reshape(column) + eps) "
        "if training else var.reshape(column))",
    },
    {
        "np.sqrt(var.reshape(column) + eps)": "(np.sqrt(var.reshape(column) + eps) "
        "if training else var.reshape(column) + eps)",
    },
    heading=BELONG,
)
TRAIN_EVAL.mistake(
    "not-centred",
    "The mean is not subtracted.",
    {"x - mean.reshape(column)": "x"},
    {"x - mean.reshape(column)": "x - mean.reshape(column) * training"},
    heading=BELONG,
)
TRAIN_EVAL.mistake(
    "left-as-it-is",
    "In evaluation x is normalised as well, by the running statistics.",
    {"    return y,": "    y = y if training else x.copy()\n    return y,"},
    heading=BELONG,
)
TRAIN_EVAL.mistake(
    "places-apart",
    "All places of a channel belong together: they share one mean and one variance.",
    {"(0, *range(2, x.ndim))": "0"},
)
TRAIN_EVAL.mistake(
    "over-channels",
    "Channels are mixed: each has statistics of its own.",
    {"(0, *range(2, x.ndim))": "None"},
    {"(0, *range(2, x.ndim))": "1"},
    {"(0, *range(2, x.ndim))": "tuple(range(1, x.ndim))"},
    {"(0, *range(2, x.ndim))": "tuple(range(x.ndim - 1))"},
)
TRAIN_EVAL.mistake(
    "per-image",
    "Every image is measured for itself: batch normalization takes all images together.",
    {"(0, *range(2, x.ndim))": "tuple(range(2, x.ndim))"},
)
TRAIN_EVAL.mistake(
    "four-axes-only",
    "The axes are those of images: a matrix and sequences have fewer.",
    {"(0, *range(2, x.ndim))": "(0, 2, 3)"},
    {"(0, *range(2, x.ndim))": "(0, 2, 3) if x.ndim == 4 else 0"},
    {"(-1,) + (1,) * (x.ndim - 2)": "(-1, 1, 1)"},
    {
        "(0, *range(2, x.ndim))": "(0, 2, 3) if x.ndim == 4 else 0",
        "(-1,) + (1,) * (x.ndim - 2)": "(-1, 1, 1) if x.ndim == 4 else -1",
    },
)
TRAIN_EVAL.mistake(
    "not-lined-up",
    "The numbers of the channels meet the last axis of images: they belong on axis 1.",
    {".reshape(column)": ""},
)


# A batch of one ----------------------------------------------------------------------


def one_example(x, running_mean, running_var, gamma, beta, eps):
    """Give both answers of a batch norm layer to one example that comes alone.

    Parameters
    ----------
    x : ndarray, shape (1, C, ...)
        The example: C features, or C channels with places.
    running_mean, running_var : ndarray, shape (C,)
        The running statistics.
    gamma, beta : ndarray, shape (C,)
        Scale and shift.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    in_training, in_evaluation : ndarray, shape of x
        Normalised by the mean and biased variance of this batch of one, which the
        formula allows; and by the running statistics.
    """
    axes, column = (0, *range(2, x.ndim)), (-1,) + (1,) * (x.ndim - 2)
    scale, shift = gamma.reshape(column), beta.reshape(column)
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    in_training = scale * (x - mean) / np.sqrt(var + eps) + shift
    mean, var = running_mean.reshape(column), running_var.reshape(column)
    in_evaluation = scale * (x - mean) / np.sqrt(var + eps) + shift
    return in_training, in_evaluation


def alone_arguments(rng, x):
    """Draw an example, and all that a layer has learned and collected."""
    learned = per_channel(rng, x), draw_beta(rng, x)
    return x, *draw_statistics(rng, x), *learned, draw_eps(rng)


ANSWER = "scale * (x - mean) / np.sqrt(var + eps) + shift"
TRAINING = f"in_training = {ANSWER}"
EVALUATION = f"in_evaluation = {ANSWER}"
OWN_STATISTICS = "x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)"
COLLECTED = "running_mean.reshape(column), running_var.reshape(column)"


def in_training(old, new):
    """Replace words in the answer of training mode only."""
    return {TRAINING: TRAINING.replace(old, new)}


def in_evaluation(old, new):
    """Replace words in the answer of evaluation mode only."""
    return {EVALUATION: EVALUATION.replace(old, new)}


def in_both(old, new):
    """Replace words in both answers."""
    return {**in_training(old, new), **in_evaluation(old, new)}


ALONE = Exercise(
    identifier="batch-of-one",
    title="An example that comes alone",
    section=Section(PAGE, LABORATORY),
    difficulty=2,
    minutes=15,
    text=(
        "Write both answers to a batch of one, and look at them: in training mode the "
        "answer to a vector does not depend on the vector. This is why layers refuse it."
    ),
    reference=one_example,
    outputs=("in_training", "in_evaluation"),
    families=(
        Family("a vector", (1, 4)),
        Family("an image", (1, 3, 4, 5)),
        Family("a sequence", (1, 3, 5)),
        Family("a badly scaled image", (1, 5, 4, 3), "scaled"),
        Family("float32", (1, 3, 2, 5), dtype="f4"),
    ),
    arguments=alone_arguments,
    small=((1, 2), (1, 3), (1, 2, 3), (1, 2, 1, 2), (1, 2, 2, 2)),
    hints=paragraphs("""
        How many numbers stand behind the mean of one channel, if there is one vector?
        And if there is one image?

        In training mode the statistics are over all axes but axis 1, as ever. For a vector
        the mean is the value itself and the variance is 0; eps keeps the division alive.

        Both answers are gamma * (x - mean) / sqrt(var + eps) + beta: with x.mean and x.var
        over (0, 2, 3, ...) and keepdims=True, and with the running statistics brought to
        axis 1.
    """),
    why=(
        "One value is its own mean, so nothing but beta is left of it. An image brings "
        "many values for each channel. The running statistics answer both."
    ),
)
ALONE.mistake(
    "running-statistics-in-training",
    "In training mode the running statistics are not used, not even for one example.",
    {OWN_STATISTICS: COLLECTED},
    {OWN_STATISTICS: "running_mean.reshape(column), x.var(axis=axes, keepdims=True)"},
    {OWN_STATISTICS: "x.mean(axis=axes, keepdims=True), running_var.reshape(column)"},
    {
        "    mean, var = running": f"    if x.ndim == 2:\n        mean, var = {COLLECTED}\n"
        f"        {TRAINING}\n    mean, var = running"
    },
)
ALONE.mistake(
    "batch-statistics-in-evaluation",
    "In evaluation mode the running statistics answer, not those of the batch.",
    {COLLECTED: OWN_STATISTICS},
    {COLLECTED: "x.mean(axis=axes, keepdims=True), running_var.reshape(column)"},
    {COLLECTED: "running_mean.reshape(column), x.var(axis=axes, keepdims=True)"},
    heading=BELONG,
)
ALONE.mistake(
    "over-features",
    "The mean runs over the features of the example: this is layer normalization.",
    {"axes, column = (0, *range(2, x.ndim))": "axes, column = tuple(range(1, x.ndim))"},
    {"axes, column = (0, *range(2, x.ndim))": "axes, column = 1"},
    {"axes, column = (0, *range(2, x.ndim))": "axes, column = -1"},
)
ALONE.mistake(
    "places-apart",
    "The places of an image belong to one channel: they share one mean and one variance.",
    {"axes, column = (0, *range(2, x.ndim))": "axes, column = 0"},
    {TRAINING: "in_training = 0 * x + shift"},
)
ALONE.mistake(
    "left-as-it-is",
    "In training mode the example is not left as it is when it is alone.",
    {TRAINING: "in_training = scale * x + shift"},
    {TRAINING: "in_training = x.copy()"},
    {TRAINING: "in_training = scale * x / np.sqrt(eps) + shift"},
    {TRAINING: f"in_training = {ANSWER} if x.ndim > 2 else x.copy()"},
    {TRAINING: f"in_training = {ANSWER} if x.ndim > 2 else scale * x + shift"},
)
ALONE.mistake(
    "beta-forgotten",
    "beta is missing: it is what remains when the rest is zero.",
    in_both(" + shift", ""),
    in_training(" + shift", ""),
    in_evaluation(" + shift", ""),
    {TRAINING: f"in_training = {ANSWER} if x.ndim > 2 else 0 * x"},
)
ALONE.mistake(
    "gamma-forgotten",
    "gamma is missing.",
    in_both("scale * ", ""),
    in_training("scale * ", ""),
    in_evaluation("scale * ", ""),
    heading=BELONG,
)
ALONE.mistake(
    "gamma-and-beta-forgotten",
    "gamma and beta are missing.",
    in_both(ANSWER, "(x - mean) / np.sqrt(var + eps)"),
    in_training(ANSWER, "(x - mean) / np.sqrt(var + eps)"),
    in_evaluation(ANSWER, "(x - mean) / np.sqrt(var + eps)"),
    heading=BELONG,
)
ALONE.mistake(
    "gamma-beta-swapped",
    "gamma and beta are swapped.",
    {"gamma.reshape(column), beta": "beta.reshape(column), gamma"},
    heading=BELONG,
)
ALONE.mistake(
    "gamma-late",
    "gamma multiplies beta as well: it belongs to the standardised example.",
    {ANSWER: "scale * ((x - mean) / np.sqrt(var + eps) + shift)"},
    heading=BELONG,
)
ALONE.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1, which is 0 for a vector.",
    {"x.var(axis=axes, ": "x.var(axis=axes, ddof=1, "},
    heading=BIASED,
)
ALONE.mistake(
    "eps-forgotten",
    "eps is missing: without it a vector gives 0 / 0 in training mode.",
    in_both(" + eps", ""),
    in_training(" + eps", ""),
    in_evaluation(" + eps", ""),
    heading=BELONG,
)
ALONE.mistake(
    "eps-outside",
    "eps stands outside the root: it belongs inside, added to the variance.",
    in_both("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    in_training("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    in_evaluation("np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    heading=BELONG,
)
ALONE.mistake(
    "root-forgotten",
    "The root is missing: the division is by a standard deviation.",
    in_both("np.sqrt(var + eps)", "(var + eps)"),
    in_training("np.sqrt(var + eps)", "(var + eps)"),
    in_evaluation("np.sqrt(var + eps)", "(var + eps)"),
    heading=BELONG,
)
ALONE.mistake(
    "not-centred",
    "The running mean is not subtracted.",
    in_evaluation("(x - mean)", "x"),
    heading=BELONG,
)
ALONE.mistake(
    "not-lined-up",
    "The numbers of the channels meet the last axis of an image: they belong on axis 1.",
    {".reshape(column)": ""},
    {COLLECTED: "running_mean, running_var"},
    {"gamma.reshape(column), beta.reshape(column)": "gamma, beta"},
)
ALONE.mistake(
    "four-axes-only",
    "The axes are those of images: a matrix and sequences have fewer.",
    {"(0, *range(2, x.ndim))": "(0, 2, 3)"},
    {"(0, *range(2, x.ndim))": "(0, 2, 3) if x.ndim == 4 else 0"},
    {"(-1,) + (1,) * (x.ndim - 2)": "(-1, 1, 1)"},
    {
        "(0, *range(2, x.ndim))": "(0, 2, 3) if x.ndim == 4 else 0",
        "(-1,) + (1,) * (x.ndim - 2)": "(-1, 1, 1) if x.ndim == 4 else -1",
    },
)


# An average that starts at zero ------------------------------------------------------


def corrected_averages(batch_means, momentum):
    """Follow the means of batches from zero, with the start taken out.

    Parameters
    ----------
    batch_means : ndarray, shape (T, C)
        The mean of every feature in batch 1, 2, ..., T.
    momentum : float
        As in PyTorch: the weight of the new value.

    Returns
    -------
    ndarray, shape (T, C)
        In row t - 1 the exponential average after t batches, which began at zero,
        divided by the sum of the weights that these t batches have in it.
    """
    average = np.zeros(batch_means.shape[1])
    corrected = []
    for t, mean in enumerate(batch_means, start=1):
        average = (1 - momentum) * average + momentum * mean
        corrected.append(average / (1 - (1 - momentum) ** t))
    return np.array(corrected)


SHARE = "(1 - (1 - momentum) ** t)"
BODY = (
    "        average = (1 - momentum) * average + momentum * mean\n"
    "        corrected.append(average / (1 - (1 - momentum) ** t))\n"
)
LATE = (
    "        corrected.append(average / (1 - (1 - momentum) ** t))\n"
    "        average = (1 - momentum) * average + momentum * mean\n"
)
CORRECTED = Exercise(
    identifier="bias-corrected",
    title="An average that does not remember its start",
    section=Section(PAGE, MEMORY),
    difficulty=2,
    minutes=15,
    text=(
        "A running mean that starts at zero stays too near to it for a long time. Take the "
        "start out after every batch, as the optimiser Adam does with its averages."
    ),
    reference=corrected_averages,
    outputs=("averages",),
    families=(
        Family("some batches", (6, 3)),
        Family("one batch", (1, 4)),
        Family("badly scaled features", (7, 5), "scaled"),
        Family("many batches", (25, 2)),
        Family("float32", (9, 4), dtype="f4"),
    ),
    arguments=lambda rng, x: (x, draw_momentum(rng)),
    hints=paragraphs("""
        After one batch the average is momentum times its mean. By what do you divide to
        get the mean itself?

        The weights of t batches are a geometric series. The start keeps the rest of the
        weight: (1 - momentum) ** t.

        Divide the average after t batches by 1 - (1 - momentum) ** t, with t = 1 for the
        first. Go on with the average that was not divided.
    """),
    why=(
        "The weights of t batches add up to 1 - (1 - momentum) ** t. After the division "
        "they add up to 1, and the first row is the first mean."
    ),
)
CORRECTED.mistake(
    "correction-forgotten",
    "Nothing is corrected: the zero of the start is still in the average.",
    {f" / {SHARE}": ""},
)
CORRECTED.mistake(
    "count-off-by-one",
    "The number of batches in the correction is off by one: the first has t = 1.",
    {"** t)": "** (t - 1))"},
    {"** t)": "** (t + 1))"},
)
CORRECTED.mistake(
    "count-constant",
    "The correction is the same for all rows: it depends on how many batches there were.",
    {SHARE: "(1 - (1 - momentum) ** len(batch_means))"},
    {SHARE: "momentum"},
    {SHARE: "(1 - momentum)"},
)
CORRECTED.mistake(
    "start-for-batches",
    "The division is by the weight of the start, not by that of the batches.",
    {SHARE: "(1 - momentum) ** t"},
)
CORRECTED.mistake(
    "momentum-reversed",
    "Momentum is on the wrong side: here it is the weight of the new value.",
    {
        "(1 - momentum) * average + momentum *": "momentum * average + (1 - momentum) *",
        SHARE: "(1 - momentum**t)",
    },
    {"(1 - momentum) * average + momentum *": "momentum * average + (1 - momentum) *"},
    {SHARE: "(1 - momentum**t)"},
    {SHARE: "momentum**t"},
    heading=TWO,
)
CORRECTED.mistake(
    "correction-fed-back",
    "The corrected average goes into the next step: go on with the uncorrected one.",
    {
        "        corrected.append": f"        average = average / {SHARE}\n"
        "        corrected.append",
        f"append(average / {SHARE}": "append(average",
    },
)
CORRECTED.mistake(
    "power-for-product",
    "The weight of the start falls as a power: it is a product of t factors.",
    {SHARE: "(1 - (1 - momentum) * t)"},
    {SHARE: "(1 - (1 - momentum * t))"},
    {SHARE: "(1 - (1 - momentum) / t)"},
    {SHARE: "(1 - momentum * t)"},
    {SHARE: "(1 - momentum / t)"},
    heading=MEMORY,
)
CORRECTED.mistake(
    "multiplied",
    "The average is multiplied by the sum of the weights, not divided.",
    {f"average / {SHARE}": f"average * {SHARE}"},
)
CORRECTED.mistake(
    "subtracted",
    "The weights are put right by a division: nothing has to be added or subtracted.",
    {f"average / {SHARE}": f"average - {SHARE}"},
    {f"average / {SHARE}": "average - (1 - momentum) ** t"},
    {f"average / {SHARE}": "average + (1 - momentum) ** t"},
)
CORRECTED.mistake(
    "share-sign",
    "What the start keeps is taken away from 1, not added.",
    {SHARE: "(1 + (1 - momentum) ** t)"},
    {SHARE: "((1 - momentum) ** t - 1)"},
)
CORRECTED.mistake(
    "weights-do-not-add-up",
    "The two weights of a step do not add up to 1.",
    {"average + momentum * mean": "average + mean"},
    {"(1 - momentum) * average": "average"},
    {"(1 - momentum) * average": "momentum * average"},
    {"+ momentum * mean": "+ (1 - momentum) * mean"},
    heading=RUNNING,
)
CORRECTED.mistake(
    "one-row-late",
    "A row is written before its batch got into the average.",
    {BODY: LATE},
    {BODY: LATE.replace("** t)", "** (t - 1))")},
    {BODY: LATE.replace(f" / {SHARE}", "")},
)
CORRECTED.mistake(
    "root-taken",
    "A root does not belong here: the weights of means are put right, not variances.",
    {SHARE: "np.sqrt(1 - (1 - momentum) ** t)"},
)
CORRECTED.mistake(
    "starts-at-first",
    "The average begins at the first mean and not at zero.",
    {"np.zeros(batch_means.shape[1])": "batch_means[0]"},
    {"np.zeros(batch_means.shape[1])": "batch_means[0]", f" / {SHARE}": ""},
    {
        "np.zeros(batch_means.shape[1])": "batch_means[0]",
        f"average / {SHARE}": f"average / {SHARE} if t > 1 else mean",
    },
)
CORRECTED.mistake(
    "starts-at-one",
    "The average begins at 1, as running variances do: here it begins at zero.",
    {"np.zeros": "np.ones"},
)
CORRECTED.mistake(
    "all-alike",
    "This is the plain mean of the batches so far: in the average asked for old ones fade.",
    {f"average / {SHARE}": "batch_means[:t].mean(axis=0)"},
    heading=RUNNING,
)
CORRECTED.mistake(
    "last-row-only",
    "Only the last average comes back: asked for is one row for each batch.",
    {"return np.array(corrected)": "return corrected[-1]"},
)
CORRECTED.mistake(
    "features-mixed",
    "Features are mixed: each has an average of its own.",
    {"momentum * mean\n": "momentum * mean.mean()\n"},
)
