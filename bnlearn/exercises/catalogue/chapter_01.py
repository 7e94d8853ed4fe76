"""Exercises of chapter 01: covariate shift."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs

PAGE = "01_covariate_shift"
WEIGHTS = "Weights that turn one distribution into another"
COST = "What weights cost"
CLASSIFIER = "When the densities are not known"
MOVED = "Has anything moved?"
CHAIN = "Ten weights that surprise each other"
INTERNAL = "Internal covariate shift"


# The effective sample size -----------------------------------------------------------


def effective_size(weights):
    """Give the number of equally weighted examples that average as well.

    Parameters
    ----------
    weights : ndarray, shape (n,)
        Not negative and not all zero; their scale must not matter.

    Returns
    -------
    float
        Between 1 and n.
    """
    return weights.sum() ** 2 / (weights**2).sum()


def some_weights(rng, x, scale=1.0, zeros=False):
    """Make positive weights of any scale; with `zeros`, every third is zero."""
    weights = scale * np.exp(x)
    if zeros:
        weights[::3] = 0
    return (weights.astype(x.dtype),)


SIZE = Exercise(
    identifier="effective-sample-size",
    title="What weighted examples are worth",
    section=Section(PAGE, COST),
    difficulty=1,
    minutes=5,
    text=(
        "A weighted average is as noisy as a plain average of fewer values. Write how "
        "many, before you trust a weighted fit."
    ),
    reference=effective_size,
    outputs=("n_eff",),
    families=(
        Family("weights", (7,)),
        Family("many weights", (31,)),
        Family("weights with zeros", (8,), options={"zeros": True}),
        Family("small weights", (6,), options={"scale": 1e-3}),
        Family("large weights", (5,), options={"scale": 1e3}),
        Family("float32", (9,), dtype="f4"),
    ),
    arguments=some_weights,
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        Two checks before you write: equal weights must give n, whatever their size, and
        a single weight that is not zero must give 1.

        Two sums are needed: that of the weights, and that of their squares. Which of
        them stands below the line?

        The sum of the weights, squared, divided by the sum of their squares.
    """),
    why=(
        "Let the values be independent, each with the variance sigma ** 2. The "
        "weighted average then has the variance sigma ** 2 times the sum of the "
        "squared weights, divided by the square of their sum; a plain average of "
        "n_eff values has sigma ** 2 / n_eff."
    ),
)
FRACTION = "weights.sum() ** 2 / (weights**2).sum()"
SIZE.mistake(
    "upside-down",
    "The fraction is upside down: this is 1 divided by the effective size.",
    {FRACTION: "(weights**2).sum() / weights.sum()**2"},
)
SIZE.mistake(
    "sum-not-squared",
    "The sum above the line is not squared, and so the scale of the weights matters.",
    {"weights.sum() ** 2": "weights.sum()"},
)
SIZE.mistake(
    "squares-for-square",
    "The square of a sum is taken for the sum of the squares.",
    {"weights.sum() ** 2": "(weights**2).sum()"},
    {"(weights**2).sum()": "weights.sum() ** 2"},
)
SIZE.mistake(
    "weights-not-squared",
    "The squares are missing: this is a sum or a mean of the weights.",
    {"(weights**2).sum()": "weights.sum()"},
    {FRACTION: "weights.mean()"},
    {FRACTION: "weights.mean() * 1.0 / weights.max()"},
)
SIZE.mistake(
    "mean-for-sum",
    "A mean stands where a sum belongs: the size is not a share of the sample.",
    {"weights.sum()": "weights.mean()", "(weights**2).sum()": "(weights**2).mean()"},
    {"weights.sum()": "weights.mean()"},
    {"(weights**2).sum()": "(weights**2).mean()"},
)
SIZE.mistake(
    "root-taken",
    "A root is taken: variances are compared here, not standard deviations.",
    {
        "(weights**2).sum()": "(weights**2).sum() ** 0.5",
        "weights.sum() ** 2": "weights.sum()",
    },
    {"(weights**2).sum()": "np.sqrt((weights**2).sum())"},
)
SIZE.mistake(
    "scale-assumed",
    "The weights are taken to add up to 1, or to average 1: they need not.",
    {"weights.sum() ** 2 /": "1 /"},
    {"weights.sum() ** 2 /": "len(weights) ** 2 /"},
    {"weights.sum() ** 2 /": "len(weights) /"},
    {FRACTION: "len(weights) / (1 + weights.var())"},
)
SIZE.mistake(
    "plain-count",
    "This counts examples: how much their weights differ does not come in.",
    {FRACTION: "float(len(weights))"},
    {FRACTION: "float(np.count_nonzero(weights))"},
)
SIZE.mistake(
    "largest-weight",
    "The sum is compared with the largest weight alone; all weights matter.",
    {FRACTION: "weights.sum() / weights.max()"},
    {"(weights**2).sum()": "weights.max() ** 2"},
)
SIZE.mistake(
    "variance-for-squares",
    "The variance of the weights stands where the sum of their squares belongs.",
    {"(weights**2).sum()": "weights.var()"},
    {"(weights**2).sum()": "((weights - weights.mean()) ** 2).sum()"},
    {"(weights**2).sum()": "weights.var(ddof=1)"},
)
SIZE.mistake(
    "entropy",
    "This is the exponential of the entropy: another measure of how even weights are.",
    {
        "return weights.sum() ** 2 / (weights**2).sum()": (
            "p = weights / weights.sum()\n    return np.exp(-(p * np.log(p)).sum())"
        )
    },
    {
        "return weights.sum() ** 2 / (weights**2).sum()": (
            "p = weights[weights > 0] / weights.sum()\n"
            "    return np.exp(-(p * np.log(p)).sum())"
        )
    },
)
SIZE.mistake(
    "variation-wrong",
    "The spread comes in wrongly: divide n by 1 + (spread / mean) ** 2.",
    {FRACTION: "len(weights) / (1 + weights.std() / weights.mean())"},
    {FRACTION: "len(weights) / (1 + weights.var() / weights.mean())"},
    {FRACTION: "len(weights) * (1 - weights.var() / weights.mean() ** 2)"},
)


SIZE.mistake(
    "unbiased-spread",
    "The variance of the weights is divided by n - 1: the biased one belongs here.",
    {FRACTION: "len(weights) / (1 + weights.var(ddof=1) / weights.mean() ** 2)"},
)


# Weights from a classifier -----------------------------------------------------------


def importance_weights(q, n_use):
    """Give the ratio of densities, use over training, at the training inputs.

    Parameters
    ----------
    q : ndarray, shape (n_train,)
        At each training input, the probability 'from use' of a classifier that was
        fitted to tell all n_train training inputs from n_use inputs in use; between
        0 and 1.
    n_use : int
        How many inputs from use the classifier has seen.

    Returns
    -------
    ndarray, shape (n_train,)
        The weights as they come out, not rescaled.
    """
    n_train = len(q)
    return q / (1 - q) * n_train / n_use


def probabilities(rng, x, times=3.0, sure=False):
    """Make probabilities, and a number of inputs in use that is not len(x)."""
    log_odds = np.clip(2 * np.abs(x), 0, 5 - rng.uniform()) if sure else x / 2
    return 1 / (1 + np.exp(-log_odds)), int(times * len(x)) + 1


RATIO = Exercise(
    identifier="importance-weights",
    title="Weights from a classifier",
    section=Section(PAGE, CLASSIFIER),
    difficulty=2,
    minutes=10,
    text=(
        "A classifier tells training inputs from inputs in use. Turn its probabilities "
        "into weights that make training examples stand for those in use."
    ),
    reference=importance_weights,
    outputs=("weights",),
    families=(
        # So far from exact that a small number below the line does no harm.
        Family("many inputs in use", (7,), rtol=1e-5),
        Family("few inputs in use", (12,), rtol=1e-5, options={"times": 0.25}),
        Family("a sure classifier", (9,), rtol=1e-5, options={"sure": True}),
        Family("float32", (8,), dtype="f4"),
    ),
    arguments=probabilities,
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        A classifier that cannot tell the two samples apart says q = n_use / (n_train +
        n_use) everywhere. Which weight should an input have then?

        Bayes' rule: q is n_use * p_use, divided by n_train * p_train + n_use * p_use.
        What is q divided by 1 - q?

        The odds q / (1 - q) are n_use * p_use / (n_train * p_train). Solve for p_use /
        p_train.
    """),
    why=(
        "In the odds the common denominator of Bayes' rule cancels. What is left is "
        "the ratio of the densities times the ratio of the sample sizes, and the last "
        "factor takes the sizes out again."
    ),
)
RESULT = "return q / (1 - q) * n_train / n_use"
RATIO.mistake(
    "odds-upside-down",
    "The odds are upside down: inputs that look like use must count more.",
    {"q / (1 - q)": "(1 - q) / q"},
    {"q / (1 - q) * n_train / n_use": "(1 - q) / q * n_use / n_train"},
    {"q / (1 - q) * n_train / n_use": "(1 - q) / q"},
)
RATIO.mistake(
    "sizes-forgotten",
    "The sizes of the samples are missing: a larger sample makes its side more likely.",
    {" * n_train / n_use": ""},
)
RATIO.mistake(
    "sizes-upside-down",
    "The ratio of the sizes is upside down: it has to take the larger sample out.",
    {"* n_train / n_use": "* n_use / n_train"},
)
RATIO.mistake(
    "one-size-only",
    "Only one of the two sizes comes in: what counts is their ratio.",
    {" * n_train / n_use": " * n_train"},
    {" * n_train / n_use": " / n_use"},
    {" * n_train / n_use": " / n_train"},
    {" * n_train / n_use": " * n_use"},
)
RATIO.mistake(
    "share-for-odds-of-sizes",
    "A share of all inputs stands where the ratio of the two sizes belongs.",
    {"* n_train / n_use": "* n_train / (n_train + n_use)"},
    {"* n_train / n_use": "/ (n_use / (n_train + n_use))"},
    {"* n_train / n_use": "* n_use / (n_train + n_use)"},
)
RATIO.mistake(
    "probability-for-odds",
    "A probability stands where odds belong.",
    {"q / (1 - q) * n_train / n_use": "q * 1"},
    {"q / (1 - q)": "q"},
    {"q / (1 - q)": "(1 - q)"},
    {"q / (1 - q)": "1 / (1 - q)"},
    {"q / (1 - q)": "1 / q"},
    {"q / (1 - q) * n_train / n_use": "1 / (1 - q)"},
    {"q / (1 - q) * n_train / n_use": "1 - q"},
)
RATIO.mistake(
    "logarithm-kept",
    "These are logarithms of the weights.",
    {"q / (1 - q)": "np.log(q / (1 - q))"},
    {"q / (1 - q) * n_train / n_use": "np.log(q / (1 - q))"},
    {"q / (1 - q) * n_train / n_use": "np.log(q / (1 - q) * n_train / n_use)"},
)
RATIO.mistake(
    "probability-for-logarithm",
    "The exponential is for the logarithm of the odds: q is a probability.",
    {"q / (1 - q)": "np.exp(q)"},
    {"q / (1 - q) * n_train / n_use": "np.exp(q)"},
    {"q / (1 - q)": "np.exp(q / (1 - q))"},
)
RATIO.mistake(
    "rescaled",
    "The weights are rescaled: they were asked for as they come out.",
    {RESULT: ("w = q / (1 - q)\n    return w / w.sum()")},
    {RESULT: ("w = q / (1 - q)\n    return w / w.mean()")},
    {RESULT: ("w = q / (1 - q)\n    return w / w.max()")},
)
RATIO.mistake(
    "decision-for-probability",
    "The probability is rounded to a decision, and how sure it was is lost.",
    {"q / (1 - q)": "(q > 0.5)"},
    {"q / (1 - q) * n_train / n_use": "(q > 0.5) * 1.0"},
)
RATIO.mistake(
    "root-taken",
    "A root or a square is taken of the weights.",
    {"q / (1 - q)": "np.sqrt(q / (1 - q))"},
    {"q / (1 - q) * n_train / n_use": "np.sqrt(q / (1 - q) * n_train / n_use)"},
    {"q / (1 - q)": "(q / (1 - q)) ** 2"},
    {"q / (1 - q) * n_train / n_use": "(q / (1 - q) * n_train / n_use) ** 2"},
)
RATIO.mistake(
    "sizes-twice",
    "The sizes come in twice: once takes them out.",
    {"q / (1 - q) * n_train / n_use": "q / (1 - q) * (n_train / n_use) ** 2"},
    {"q / (1 - q) * n_train / n_use": "q / (1 - q) * (n_use / n_train) ** 2"},
)
RATIO.mistake(
    "clipped",
    "Large weights are cut off: they were asked for as they come out.",
    {RESULT: "w = q / (1 - q) * n_train / n_use\n    return np.minimum(w, 1.0)"},
    {RESULT: "w = q / (1 - q) * n_train / n_use\n    return np.minimum(w, w.mean())"},
    {
        RESULT: (
            "w = q / (1 - q) * n_train / n_use\n    return np.minimum(w, np.median(w))"
        )
    },
)
RATIO.mistake(
    "guarded",
    "Something is added below the line: q is never 1 here.",
    {"(1 - q)": "(1 - q + 1e-3)"},
    {"(1 - q)": "(1 - q + 1e-4)"},
    {"(1 - q)": "(1 - q + 1e-5)"},
)


# The weighted loss -------------------------------------------------------------------


def weighted_loss(losses, weights, exponent):
    """Estimate the average loss in use from losses on training examples.

    Parameters
    ----------
    losses : ndarray, shape (n,)
        The loss of every training example.
    weights : ndarray, shape (n,)
        Density in use over density in training, known up to a constant factor that
        must not matter.
    exponent : float
        The power to which weights are raised: 0 for none, 1 for full weights.

    Returns
    -------
    float
        The weighted average of the losses.
    """
    powers = weights**exponent
    return (powers * losses).sum() / powers.sum()


def losses_and_weights(rng, x, exponent=1.0, scale=1.0):
    """Make positive losses and weights that do not add up to anything round."""
    weights = scale * np.exp(rng.normal(0, 0.8, len(x)))
    return x**2, weights.astype(x.dtype), exponent


LOSS = Exercise(
    identifier="weighted-loss",
    title="The loss in use, from training examples",
    section=Section(PAGE, WEIGHTS),
    difficulty=2,
    minutes=10,
    text=(
        "Estimate the loss in use with labels from training alone. The exponent is the "
        "compromise between weights and no weights."
    ),
    reference=weighted_loss,
    outputs=("loss",),
    families=(
        Family("full weights", (7,)),
        Family("half the exponent", (9,), options={"exponent": 0.5}),
        Family("no weights", (6,), options={"exponent": 0.0, "scale": 3.0}),
        Family("large weights", (8,), options={"exponent": 0.3, "scale": 1e3}),
        Family("float32", (31,), dtype="f4", options={"exponent": 0.7}),
    ),
    arguments=losses_and_weights,
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        If all losses are 5, the estimate must be 5, whatever the weights and the
        exponent are.

        Raise the weights to the exponent first. Then multiply, add up, and divide by
        something that makes the scale of the weights drop out.

        With v = weights ** exponent: the sum of v * losses, divided by the sum of v.
    """),
    why=(
        "Dividing by the sum of the powers makes an average of it: a constant factor "
        "in the weights stands above and below the line."
    ),
)
AVERAGE = "(powers * losses).sum() / powers.sum()"
LOSS.mistake(
    "divided-by-n",
    "The sum is divided by n: the scale of the weights has to drop out.",
    {AVERAGE: "(powers * losses).mean()"},
)
LOSS.mistake(
    "not-divided",
    "The weighted losses are added up and not divided by anything.",
    {" / powers.sum()": ""},
)
LOSS.mistake(
    "divided-twice",
    "The average is divided by n once more.",
    {"(powers * losses).sum()": "(powers * losses).mean()"},
    {"/ powers.sum()": "/ powers.sum() / len(losses)"},
)
LOSS.mistake(
    "exponent-forgotten",
    "The exponent does not come in, or only as a factor, which drops out.",
    {"weights**exponent": "weights * 1"},
    {"weights**exponent": "weights * exponent"},
)
LOSS.mistake(
    "exponent-once",
    "The exponent is in one of the two sums only.",
    {"powers.sum()": "weights.sum()"},
    {"(powers * losses)": "(weights * losses)"},
)
LOSS.mistake(
    "exponent-on-losses",
    "The losses are raised to the exponent: it belongs to the weights alone.",
    {"powers * losses": "(weights * losses) ** exponent"},
    {"powers * losses": "weights * losses**exponent"},
    {"weights**exponent": "weights", "powers * losses": "powers * losses**exponent"},
    {
        "weights**exponent": "weights",
        "powers * losses": "(powers * losses) ** exponent",
    },
)
LOSS.mistake(
    "exponent-on-average",
    "A sum is raised to the exponent: each weight has to be, for itself.",
    {
        "weights**exponent": "weights",
        AVERAGE: ("((powers * losses).sum() / powers.sum()) ** exponent"),
    },
    {AVERAGE: ("(weights * losses).sum() / weights.sum() ** exponent")},
    {"(powers * losses).sum()": "(weights * losses).sum() ** exponent"},
)
LOSS.mistake(
    "exponent-reversed",
    "The exponent is reversed: 0 stands for no weights, and 1 for full weights.",
    {"weights**exponent": "weights ** (1 - exponent)"},
    {"weights**exponent": "weights ** (1 / exponent if exponent else 0)"},
    {"weights**exponent": "weights ** (1 / exponent if exponent else 1)"},
)
LOSS.mistake(
    "exponential",
    "The weight is what is raised: weights ** exponent, not the other way round.",
    {"weights**exponent": "np.exp(weights * exponent)"},
    {"weights**exponent": "exponent**weights"},
    {"weights**exponent": "np.exp(exponent * np.log(weights) * weights)"},
)
LOSS.mistake(
    "normalised-too-early",
    "The weights are normalised before they are raised, which leaves a factor.",
    {
        "weights**exponent": "(weights / weights.sum()) ** exponent",
        " / powers.sum()": "",
    },
    {
        "weights**exponent": "(weights / weights.mean()) ** exponent",
        AVERAGE: "(powers * losses).mean()",
    },
    {
        "weights**exponent": "(weights / weights.sum()) ** exponent",
        AVERAGE: "(powers * losses).mean()",
    },
)
LOSS.mistake(
    "weights-ignored",
    "The weights do not come in: this is the loss in training.",
    {AVERAGE: "losses.mean()"},
)
LOSS.mistake(
    "weights-divide",
    "Losses are divided by the weights: examples that are typical for use count more.",
    {"powers * losses": "losses / powers"},
    {AVERAGE: ("(losses / powers).sum() / (1 / powers).sum()")},
)
LOSS.mistake(
    "divided-by-squares",
    "Squared weights stand below the line: they belong to the effective sample size.",
    {"/ powers.sum()": "/ np.sqrt((powers**2).sum())"},
    {"/ powers.sum()": "/ (powers**2).sum()"},
    heading=COST,
)
LOSS.mistake(
    "divided-by-losses",
    "The sum is divided by the losses: an average is divided by the weights.",
    {"/ powers.sum()": "/ losses.sum()"},
)
LOSS.mistake(
    "weights-squared",
    "The weights come in squared, or under a root.",
    {"weights**exponent": "weights ** (2 * exponent)"},
    {"weights**exponent": "weights ** (exponent / 2)"},
    {"(powers * losses)": "(powers * powers * losses)"},
)
LOSS.mistake(
    "mixture",
    "Weighted and plain values are mixed: the exponent is a power.",
    {
        AVERAGE: (
            "exponent * (weights * losses).sum() / weights.sum() + (1 - exponent) * "
            "losses.mean()"
        )
    },
    {"weights**exponent": "1 + exponent * (weights - 1)"},
    {"weights**exponent": "1 - exponent + exponent * weights / weights.mean()"},
    {
        AVERAGE: (
            "(1 - exponent) * (weights * losses).sum() / weights.sum() + exponent * "
            "losses.mean()"
        )
    },
)
LOSS.mistake(
    "not-added",
    "One number for each example comes back: they have to be added up.",
    {AVERAGE: "powers * losses / powers.sum()"},
    {AVERAGE: "powers * losses"},
    {AVERAGE: "powers * losses / powers"},
    {AVERAGE: "powers * losses / powers.mean()"},
)


# The move of the means ---------------------------------------------------------------


def mean_move(before, after):
    """Measure by how many spreads the means of a layer's units have moved.

    Parameters
    ----------
    before, after : ndarray, shape (m, k)
        What the k units of a layer say about the same m examples, at two times.

    Returns
    -------
    float
        For each unit the distance between its two means, divided by its standard
        deviation before (the biased one, never 0); averaged over the units.
    """
    distance = np.abs(after.mean(axis=0) - before.mean(axis=0))
    return (distance / before.std(axis=0)).mean()


def two_times(rng, x):
    """Make a second table whose units have moved both ways, and spread."""
    spread = x.std(axis=0)
    steps = np.linspace(0.4, 1.6, x.shape[1]) * (-1.0) ** np.arange(x.shape[1])
    steps = steps * rng.uniform(0.8, 1.2, x.shape[1])
    noise = rng.standard_normal(x.shape) * rng.uniform(0.5, 1.5, x.shape[1])
    return x, (x + spread * (steps + noise)).astype(x.dtype)


MOVE = Exercise(
    identifier="move-of-means",
    title="How far a layer's input has moved",
    section=Section(PAGE, INTERNAL),
    difficulty=2,
    minutes=10,
    text="Write the measure D with which the chapter watches a layer in training.",
    reference=mean_move,
    outputs=("D",),
    families=(
        Family("two tables", (7, 3)),
        Family("many examples", (31, 4)),
        Family("units of unlike size", (8, 5), "scaled"),
        Family("a quiet unit", (9, 2), "quiet"),
        Family("float32", (6, 4), dtype="f4"),
    ),
    arguments=two_times,
    hints=paragraphs("""
        Every unit, a column, has a mean of its own at both times. Some rise and some
        fall: what keeps these moves from cancelling?

        The unit of measurement is the spread that a unit had the first time. Divide
        unit by unit, before anything is averaged over the units.

        np.abs(after.mean(axis=0) - before.mean(axis=0)) / before.std(axis=0), and the
        mean of that.
    """),
    why=(
        "Absolute moves do not cancel, and in units of its own spread every unit "
        "counts alike, whatever its size."
    ),
)
DISTANCE = "np.abs(after.mean(axis=0) - before.mean(axis=0))"
MEAN_MOVE = "(distance / before.std(axis=0)).mean()"
MOVE.mistake(
    "spread-after",
    "The spread at the second time is used: D is in units of the first.",
    {"before.std": "after.std"},
)
MOVE.mistake(
    "spread-of-both",
    "The spread of both times together is used: D is in units of the first.",
    {"before.std(axis=0)": "(before.std(axis=0) + after.std(axis=0)) * 2"},
    {"before.std(axis=0)": "((before.std(axis=0) + after.std(axis=0)) / 2)"},
    {"before.std(axis=0)": "np.concatenate([before, after]).std(axis=0)"},
    {"before.std(axis=0)": "np.sqrt((before.var(axis=0) + after.var(axis=0)) / 2)"},
    {"before.std(axis=0)": "(after - before).std(axis=0)"},
)
MOVE.mistake(
    "not-divided",
    "The moves are not divided by the spread.",
    {" / before.std(axis=0)": ""},
    {MEAN_MOVE: "np.linalg.norm(distance)"},
    {MEAN_MOVE: "distance.sum()"},
)
MOVE.mistake(
    "variance-for-spread",
    "The moves are divided by the variance: it is in squared units.",
    {"before.std": "before.var"},
)
MOVE.mistake(
    "unbiased-spread",
    "The spread is divided by m - 1: the biased one is asked for.",
    {"before.std(axis=0)": "before.std(axis=0, ddof=1)"},
)
MOVE.mistake(
    "moves-cancel",
    "Moves up and down cancel: every unit's distance counts, without its sign.",
    {DISTANCE: "(after - before).mean(axis=0)"},
    {DISTANCE: "(before - after).mean(axis=0)"},
    {
        DISTANCE: "(after - before).mean(axis=0)",
        MEAN_MOVE: ("np.abs((distance / before.std(axis=0)).mean())"),
    },
)
MOVE.mistake(
    "sizes-of-means",
    "The sizes of the means are compared: a mean that changes its sign has moved.",
    {DISTANCE: ("np.abs(np.abs(after.mean(axis=0)) - np.abs(before.mean(axis=0)))")},
    {DISTANCE: ("np.abs(after.mean(axis=0)) - np.abs(before.mean(axis=0))")},
)
MOVE.mistake(
    "moves-squared",
    "The moves are squared: D is an average of distances.",
    {MEAN_MOVE: "((distance / before.std(axis=0))**2).mean()"},
    {MEAN_MOVE: ("np.sqrt(((distance / before.std(axis=0)) ** 2).mean())")},
    {MEAN_MOVE: ("np.linalg.norm(distance / before.std(axis=0))")},
    {DISTANCE: "(after - before).mean(axis=0)**2"},
)
MOVE.mistake(
    "averages-divided",
    "The average is taken before the division: every unit has a spread of its own.",
    {MEAN_MOVE: "distance.mean() / before.std(axis=0).mean()"},
    {MEAN_MOVE: "distance.sum() / before.std(axis=0).mean()"},
)
MOVE.mistake(
    "one-spread-for-all",
    "One spread serves all units: each has its own.",
    {"before.std(axis=0)": "before.std()"},
)
MOVE.mistake(
    "all-axes",
    "All units are thrown together before the means are compared.",
    {"axis=0": ""},
    {"after.mean(axis=0) - before.mean(axis=0)": "after.mean() - before.mean()"},
)
MOVE.mistake(
    "wrong-axis",
    "The wrong axis: this compares examples, not units.",
    {"axis=0": "axis=1"},
    {"mean(axis=0)": "mean(axis=1)"},
    {"std(axis=0)": "std(axis=1)"},
)
MOVE.mistake(
    "examples-followed",
    "Every example is followed for itself: D looks at the move of the mean.",
    {DISTANCE: ("np.abs(after - before).mean(axis=0)")},
)
MOVE.mistake(
    "sum-for-mean",
    "The moves are added up over the units: D is their average.",
    {MEAN_MOVE: "(distance / before.std(axis=0)).sum()"},
)
MOVE.mistake(
    "one-unit-only",
    "The largest or the middle move is taken: D is the average of all units.",
    {MEAN_MOVE: "(distance / before.std(axis=0)).max()"},
    {MEAN_MOVE: "np.median(distance / before.std(axis=0))"},
    {MEAN_MOVE: "(distance / before.std(axis=0))[0]"},
    {MEAN_MOVE: "(distance / before.std(axis=0))[-1]"},
    {MEAN_MOVE: "(distance / before.std(axis=0)).min()"},
)
MOVE.mistake(
    "not-averaged",
    "One number for each unit comes back: they have to be averaged.",
    {MEAN_MOVE: "distance / before.std(axis=0)"},
)
MOVE.mistake(
    "each-in-its-own-spread",
    "Each time has its own unit of measurement: the first spread serves for both.",
    {
        DISTANCE: (
            "np.abs(after.mean(axis=0) / after.std(axis=0) - before.mean(axis=0) / "
            "before.std(axis=0))"
        ),
        "distance / before.std(axis=0)": "distance",
    },
)
MOVE.mistake(
    "mean-for-spread",
    "The moves are divided by a mean: the unit is the spread.",
    {"distance / before.std(axis=0)": "distance / np.abs(before.mean(axis=0))"},
    {"distance / before.std(axis=0)": "distance / before.mean(axis=0)"},
)
MOVE.mistake(
    "eps-added",
    "Something is added to the spread, which is never zero here.",
    {" / before.std(axis=0)": " / (before.std(axis=0) + 1e-3)"},
    {" / before.std(axis=0)": " / (before.std(axis=0) + 1e-4)"},
    {" / before.std(axis=0)": " / (before.std(axis=0) + 1e-5)"},
    {" / before.std(axis=0)": " / (before.std(axis=0) + 1e-6)"},
    {" / before.std(axis=0)": " / (before.std(axis=0) + 1e-7)"},
    {" / before.std(axis=0)": " / (before.std(axis=0) + 1e-8)"},
    {" / before.std(axis=0)": " / np.sqrt(before.var(axis=0) + 1e-3)"},
    {" / before.std(axis=0)": " / np.sqrt(before.var(axis=0) + 1e-5)"},
)
MOVE.mistake(
    "median-for-mean",
    "Medians are compared: D is about means.",
    {DISTANCE: "np.abs(np.median(after, axis=0) - np.median(before, axis=0))"},
)
MOVE.mistake(
    "standard-error",
    "The spread is divided by the root of m: D is no test of a difference.",
    {"before.std(axis=0)": "(before.std(axis=0) / np.sqrt(len(before)))"},
)
MOVE.mistake(
    "spreads-compared",
    "The spreads are compared: D is about the means.",
    {DISTANCE: "np.abs(after.std(axis=0) - before.std(axis=0))"},
    {MEAN_MOVE: "(after.std(axis=0) / before.std(axis=0)).mean()"},
)
MOVE.mistake(
    "before-forgotten",
    "The mean before is not subtracted.",
    {" - before.mean(axis=0)": ""},
)


# The weighted line -------------------------------------------------------------------


def weighted_line(x, y, weights):
    """Fit a straight line by least squares, each squared error times its weight.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        The training examples.
    weights : ndarray, shape (n,)
        Positive; their scale must not matter.

    Returns
    -------
    slope, intercept : float
        Of the line slope * x + intercept with the least sum of weighted squares.
    """
    w = weights / weights.sum()
    mean_x = (w * x).sum()
    mean_y = (w * y).sum()
    slope = (w * (x - mean_x) * (y - mean_y)).sum() / (w * (x - mean_x) ** 2).sum()
    intercept = mean_y - slope * mean_x
    return slope, intercept


def points(rng, x):
    """Put points near a curve that no line follows, and weigh them."""
    y = 0.4 * x**2 - x + 0.5 * rng.standard_normal(len(x)) + 1
    return x, y.astype(x.dtype), np.exp(rng.normal(0, 0.8, len(x))).astype(x.dtype)


LINE = Exercise(
    identifier="weighted-line",
    title="A line for where it is used",
    section=Section(PAGE, WEIGHTS),
    difficulty=3,
    minutes=20,
    text=(
        "Fit the weighted line of the chapter. A line that cannot follow the curve is "
        "then right where the model will be used."
    ),
    reference=weighted_line,
    outputs=("slope", "intercept"),
    families=(
        Family("points", (7,)),
        Family("many points", (31,)),
        Family("points far from zero", (12,), offset=8.0),
        Family("float32", (9,), dtype="f4"),
    ),
    arguments=points,
    small=((3,), (4,), (5,)),
    hints=paragraphs("""
        Without weights the slope is the covariance of x and y, divided by the variance
        of x. What becomes of means, covariance and variance when examples have weights?

        Divide the weights by their sum; call it w. The weighted mean of anything is
        then the sum of w times it, and the line goes through the weighted means of
        x and y.

        The slope is sum(w * (x - mean_x) * (y - mean_y)) / sum(w * (x - mean_x) ** 2),
        with weighted means. If you use np.polyfit: it multiplies the errors by what it
        is given, and squares afterwards.
    """),
    why=(
        "Where the derivatives of the weighted sum of squares vanish, the weighted "
        "mean of the errors is zero, and they do not go along with x. The first puts "
        "the line through the weighted means, the second gives the slope."
    ),
)
FIRST = "w = weights / weights.sum()"
LINE.mistake(
    "weights-ignored",
    "The weights do not come in: this is the line that is best in training.",
    {"weights / weights.sum()": "np.ones(len(x)) / len(x)"},
)
LINE.mistake(
    "weights-squared",
    "The weights are squared (np.polyfit does so): each squared error has one weight.",
    {FIRST: "w = weights**2 / (weights**2).sum()"},
)
LINE.mistake(
    "weights-rooted",
    "The root of the weights is used, where the weights themselves belong.",
    {FIRST: "w = weights**0.5 / (weights**0.5).sum()"},
    {FIRST: "w = weights**0.25 / (weights**0.25).sum()"},
)
LINE.mistake(
    "weights-upside-down",
    "The weights are upside down: a large one must make an error count more.",
    {FIRST: "w = 1 / weights / (1 / weights).sum()"},
)
LINE.mistake(
    "plain-means",
    "The means are taken without weights.",
    {"(w * x).sum()": "x.mean()", "(w * y).sum()": "y.mean()"},
    {"(w * x).sum()": "x.mean()"},
    {"(w * y).sum()": "y.mean()"},
    {"mean_y - slope * mean_x": "y.mean() - slope * x.mean()"},
    {
        "(w * x).sum()": "x.mean()",
        "(w * y).sum()": "y.mean()",
        "mean_y - slope * mean_x": "(w * y).sum() - slope * (w * x).sum()",
    },
)
LINE.mistake(
    "weights-once",
    "The weights are not everywhere: they belong to whole errors, on both sides.",
    {"(w * (x - mean_x) ** 2).sum()": "((x - mean_x) ** 2).sum()"},
    {"(w * (x - mean_x) ** 2).sum()": "((x - mean_x) ** 2).mean()"},
    {"(w * (x - mean_x) * (y - mean_y)).sum()": "((x - mean_x) * (y - mean_y)).sum()"},
    {"(w * (x - mean_x) * (y - mean_y)).sum()": "((x - mean_x) * (y - mean_y)).mean()"},
    {
        "(w * (x - mean_x) * (y - mean_y)).sum()": (
            "((x - mean_x) * (y - mean_y)).sum()"
        ),
        "(w * (x - mean_x) ** 2).sum()": "((x - mean_x) ** 2).sum()",
    },
    {
        FIRST: (
            "design = np.stack([x, np.ones(len(x))], axis=1)\n"
            "    root = np.sqrt(weights)\n"
            "    return tuple(np.linalg.lstsq(root[:, None] * design, y, "
            "rcond=None)[0])"
        )
    },
    {
        FIRST: (
            "design = np.stack([x, np.ones(len(x))], axis=1)\n"
            "    root = np.sqrt(weights)\n"
            "    return tuple(np.linalg.lstsq(weights[:, None] * design, y, "
            "rcond=None)[0])"
        )
    },
    {
        FIRST: (
            "design = np.stack([x, np.ones(len(x))], axis=1)\n"
            "    root = np.sqrt(weights)\n"
            "    return tuple(np.linalg.solve((design.T * weights) @ design, design.T "
            "@ y))"
        )
    },
    {
        FIRST: (
            "design = np.stack([x, np.ones(len(x))], axis=1)\n"
            "    root = np.sqrt(weights)\n"
            "    return tuple(np.linalg.solve(design.T @ design, (design.T * weights) "
            "@ y))"
        )
    },
    {
        FIRST: (
            "design = np.stack([x, np.ones(len(x))], axis=1)\n"
            "    root = np.sqrt(weights)\n"
            "    return tuple(np.linalg.lstsq(design, root * y, rcond=None)[0])"
        )
    },
    {
        FIRST: (
            "design = np.stack([x, np.ones(len(x))], axis=1)\n"
            "    root = np.sqrt(weights)\n"
            "    return tuple(np.linalg.lstsq(design, weights * y, rcond=None)[0])"
        )
    },
)
LINE.mistake(
    "means-not-normalised",
    "A weighted mean is divided by n, not by the sum of the weights.",
    {"(w * x).sum()": "(weights * x).mean()", "(w * y).sum()": "(weights * y).mean()"},
    {"weights / weights.sum()": "weights / len(weights)"},
    {"weights / weights.sum()": "weights"},
)
LINE.mistake(
    "weights-on-data",
    "x and y themselves are multiplied: it is the errors that have weights.",
    {FIRST: ("w = np.ones(len(x)) / len(x)\n    x, y = weights * x, weights * y")},
    {
        FIRST: (
            "w = np.ones(len(x)) / len(x)\n"
            "    x, y = weights**0.5 * x, weights**0.5 * y"
        )
    },
)
LINE.mistake(
    "through-origin",
    "This is the line through zero: the means have to be subtracted.",
    {
        "(w * (x - mean_x) * (y - mean_y)).sum()": "(w * x * y).sum()",
        "(w * (x - mean_x) ** 2).sum()": "(w * x**2).sum()",
    },
    {
        "(w * (x - mean_x) * (y - mean_y)).sum()": "(w * x * y).sum()",
        "(w * (x - mean_x) ** 2).sum()": "(w * x**2).sum()",
        "mean_y - slope * mean_x": "0.0",
    },
    {"(w * (x - mean_x) ** 2).sum()": "(w * x**2).sum()"},
    {"(w * (x - mean_x) * (y - mean_y)).sum()": "(w * x * y).sum()"},
)
LINE.mistake(
    "roles-swapped",
    "x and y have changed places: the errors are measured along y.",
    {"(w * (x - mean_x) ** 2).sum()": "(w * (y - mean_y) ** 2).sum()"},
    {
        "(w * (x - mean_x) * (y - mean_y)).sum() / (w * (x - mean_x) ** 2).sum()": (
            "(w * (y - mean_y) ** 2).sum() / (w * (x - mean_x) * (y - mean_y)).sum()"
        )
    },
    {
        "(w * (x - mean_x) ** 2).sum()": "(w * (y - mean_y) ** 2).sum()",
        "mean_y - slope * mean_x": "mean_x - slope * mean_y",
    },
)
LINE.mistake(
    "correlation",
    "This is a correlation: the slope is divided by the variance of x.",
    {
        "/ (w * (x - mean_x) ** 2).sum()": (
            "/ np.sqrt((w * (x - mean_x) ** 2).sum() * (w * (y - mean_y) ** 2).sum())"
        )
    },
    {"/ (w * (x - mean_x) ** 2).sum()": "/ np.sqrt((w * (x - mean_x) ** 2).sum())"},
)
LINE.mistake(
    "covariance",
    "This is a covariance: the slope is divided by the variance of x.",
    {" / (w * (x - mean_x) ** 2).sum()": ""},
)
LINE.mistake(
    "intercept-wrong",
    "The intercept does not put the line through the weighted means.",
    {"mean_y - slope * mean_x": "mean_y + slope * mean_x"},
    {"mean_y - slope * mean_x": "slope * mean_x - mean_y"},
    {"mean_y - slope * mean_x": "mean_y"},
    {"mean_y - slope * mean_x": "mean_y - mean_x"},
    {"mean_y - slope * mean_x": "mean_x - slope * mean_y"},
    {"mean_y - slope * mean_x": "mean_y - mean_x / slope"},
)
LINE.mistake(
    "best-half",
    "Examples are dropped by their weight: each counts as much as its weight says.",
    {
        FIRST: (
            "keep = weights >= np.median(weights)\n"
            "    x, y, w = x[keep], y[keep], np.ones(keep.sum()) / keep.sum()"
        )
    },
    {
        FIRST: (
            "keep = weights > weights.mean()\n"
            "    x, y, w = x[keep], y[keep], np.ones(keep.sum()) / keep.sum()"
        )
    },
)


# Ten weights in a row ----------------------------------------------------------------


def chain_step(w, rate):
    """Step all weights of the chain y = w[0] * w[1] * ... against their derivatives.

    Parameters
    ----------
    w : ndarray, shape (n,)
        The weights; one of them may be zero.
    rate : float
        The learning rate: each weight moves by rate times the derivative of y.

    Returns
    -------
    promised : float
        What y would become if each step changed it by the step times the
        derivative, and these changes added up.
    together : float
        What y becomes when all weights move at once.
    """
    slopes = np.array([np.prod(np.delete(w, k)) for k in range(len(w))])
    promised = np.prod(w) - rate * (slopes**2).sum()
    together = np.prod(w - rate * slopes)
    return promised, together


def chain(rng, x, zero=False):
    """Make weights around 1, one of them zero if asked for, and a rate."""
    w = (np.sign(x) * (0.7 + 0.2 * np.abs(x))).astype(x.dtype)
    if zero:
        w[1] = 0
    return w, float(rng.uniform(0.03, 0.15))


SURPRISE = Exercise(
    identifier="surprise",
    title="A promise that all weights break together",
    section=Section(PAGE, CHAIN),
    difficulty=3,
    minutes=15,
    text=(
        "Every weight of a chain makes a step that is right by itself. Write what "
        "these steps promise, and what comes of them."
    ),
    reference=chain_step,
    outputs=("promised", "together"),
    families=(
        Family("a chain", (4,)),
        Family("a longer chain", (7,)),
        Family("a weight at zero", (5,), options={"zero": True}),
        Family("float32", (6,), dtype="f4"),
    ),
    arguments=chain,
    small=((2,), (3,), (4,)),
    hints=paragraphs("""
        The derivative of a product with respect to one factor is the product of all the
        others. Dividing the whole product by that factor fails if it is zero.

        A weight with the derivative g moves by rate * g, and y by g for every unit of
        that. How much does it promise?

        slopes[k] = np.prod(np.delete(w, k)). The promise is y minus rate times the sum
        of slopes ** 2; what comes is the product of w - rate * slopes.
    """),
    why=(
        "The promise is the first order of the product in the rate. What is left over "
        "begins with one term for every pair of weights, as neither derivative knows "
        "of the other's step."
    ),
)
SLOPES = "np.array([np.prod(np.delete(w, k)) for k in range(len(w))])"
PROMISE = "np.prod(w) - rate * (slopes**2).sum()"
SURPRISE.mistake(
    "slopes-not-squared",
    "Each derivative has to come in twice: in the weight's step and in what it does "
    "to y.",
    {"(slopes**2).sum()": "slopes.sum()"},
    {"(slopes**2).sum()": "np.abs(slopes).sum()"},
    {"(slopes**2).sum()": "len(w)"},
)
SURPRISE.mistake(
    "sum-squared",
    "The derivatives are added before they are squared: each weight promises alone.",
    {"(slopes**2).sum()": "slopes.sum() ** 2"},
)
SURPRISE.mistake(
    "own-weight-kept",
    "The derivative by a weight is the product of the others, without itself.",
    {SLOPES: "np.prod(w) + 0 * w"},
    {SLOPES: "w * 1"},
)
SURPRISE.mistake(
    "divided-by-weight",
    "The product is divided by the weight, which fails for a weight of zero.",
    {SLOPES: "np.prod(w) / w"},
    {SLOPES: ("np.nan_to_num(np.prod(w) / w)")},
)
SURPRISE.mistake(
    "neighbours-only",
    "Only some of the other weights are in the derivative: all of them are factors.",
    {SLOPES: ("np.array([np.prod(w[:k]) for k in range(len(w))])")},
    {SLOPES: ("np.array([np.prod(w[k + 1 :]) for k in range(len(w))])")},
)
SURPRISE.mistake(
    "uphill",
    "The step has the wrong sign: it has to go against the derivative.",
    {"- rate * (slopes": "+ rate * (slopes", "w - rate": "w + rate"},
    {"w - rate": "w + rate"},
    {"- rate * (slopes": "+ rate * (slopes"},
)
SURPRISE.mistake(
    "one-after-the-other",
    "The weights move one after the other: here all derivatives are taken before.",
    {
        "together = np.prod(w - rate * slopes)": (
            "v = w.copy()\n"
            "    for k in range(len(v)):\n"
            "        v[k] -= rate * np.prod(np.delete(v, k))\n"
            "    together = np.prod(v)"
        )
    },
    {
        "together = np.prod(w - rate * slopes)": (
            "v = w.copy()\n"
            "    for k in reversed(range(len(v))):\n"
            "        v[k] -= rate * np.prod(np.delete(v, k))\n"
            "    together = np.prod(v)"
        )
    },
)
SURPRISE.mistake(
    "step-is-rate",
    "The weights move by the rate itself: the derivative has to come in.",
    {"w - rate * slopes": "w - rate"},
    {"w - rate * slopes": "w - rate * np.sign(slopes)"},
    {"w - rate * slopes": "w * (1 - rate)"},
)
SURPRISE.mistake(
    "one-promise",
    "This is what one weight promises, or their average: all promises are added.",
    {"(slopes**2).sum()": "(slopes**2).mean()"},
    {"(slopes**2).sum()": "(slopes**2).max()"},
    {"(slopes**2).sum()": "(slopes**2)[0]"},
)
SURPRISE.mistake(
    "change-for-value",
    "The change of y comes back: asked for is what y becomes.",
    {PROMISE: "-rate * (slopes**2).sum()"},
    {"np.prod(w - rate * slopes)": "np.prod(w - rate * slopes) - np.prod(w)"},
    {
        PROMISE: "-rate * (slopes**2).sum()",
        "np.prod(w - rate * slopes)": "np.prod(w - rate * slopes) - np.prod(w)",
    },
    {PROMISE: "rate * (slopes**2).sum()"},
)
SURPRISE.mistake(
    "y-is-one",
    "y is taken to start at 1: here it is the product of the weights.",
    {"np.prod(w) - rate": "1 - rate"},
)
SURPRISE.mistake(
    "rate-squared",
    "The rate is squared: it comes in once, in the step.",
    {"rate * (slopes**2).sum()": "((rate * slopes) ** 2).sum()"},
    {"rate * (slopes**2).sum()": "rate**2 * slopes.sum()"},
)
SURPRISE.mistake(
    "rate-forgotten",
    "The rate is missing.",
    {"rate * (slopes**2)": "(slopes**2)"},
    {"rate * slopes": "slopes"},
    {"rate * (slopes**2)": "(slopes**2)", "rate * slopes": "slopes"},
)
SURPRISE.mistake(
    "second-order-kept",
    "The promise holds more than the first order: how weights disturb each other is "
    "no part of it.",
    {PROMISE: "np.prod(w - rate * slopes)"},
)
SURPRISE.mistake(
    "sum-for-product",
    "A sum of the weights stands where their product belongs.",
    {"np.prod(w - rate * slopes)": "np.sum(w - rate * slopes)"},
    {"np.prod(w) - rate": "np.sum(w) - rate"},
)
SURPRISE.mistake(
    "values-for-changes",
    "What y becomes by each weight alone is put together, not how much it falls.",
    {PROMISE: "np.prod(np.prod(w) - rate * slopes**2)"},
    {PROMISE: "np.sum(np.prod(w) - rate * slopes**2)"},
)
SURPRISE.mistake(
    "root-taken",
    "A root is taken: each weight makes a promise of its own, and these are added.",
    {PROMISE: "np.prod(w) - rate * np.linalg.norm(slopes)"},
)
SURPRISE.mistake(
    "square-lowered",
    "The derivatives are those of y squared: it is y that becomes smaller.",
    {"    promised =": "    slopes = 2 * np.prod(w) * slopes\n    promised ="},
    {"    promised =": "    slopes = np.prod(w) * slopes\n    promised ="},
)


# A shift, or chance? -----------------------------------------------------------------


def chance_of_hits(said, truth):
    """Give the probability of so many hits, or more, if a classifier only guesses.

    Parameters
    ----------
    said, truth : ndarray of bool, shape (n,)
        For each held-out input whether the classifier said 'from use', and whether
        it is from use. The numbers of True may differ in the two.

    Returns
    -------
    float
        A hit is an input that is from use and was said to be. Among all ways to say
        'from use' of as many inputs, the share with as many hits or more.
    """
    from math import comb

    n, k, t = len(said), int(said.sum()), int(truth.sum())
    hits = int((said & truth).sum())
    ways = sum(comb(t, j) * comb(n - t, k - j) for j in range(hits, min(k, t) + 1))
    return ways / comb(n, k)


def told(rng, x, said=0.6, truth=0.4, lucky=0.6):
    """Deal answers and origins with a given share of hits."""
    n = len(x)
    k, t = max(1, round(said * n)), max(1, round(truth * n))
    least, most = max(0, k + t - n), min(k, t)
    hits = min(max(round(lucky * most), least), most)
    said, truth = np.zeros(n, bool), np.zeros(n, bool)
    truth[:t] = True
    said[:hits] = True
    said[t : t + k - hits] = True
    order = rng.permutation(n)
    return said[order], truth[order]


CHANCE = Exercise(
    identifier="chance-of-hits",
    title="A shift, or chance?",
    section=Section(PAGE, MOVED),
    difficulty=4,
    minutes=30,
    text=(
        "A classifier was asked where inputs came from. Count how often guessing would "
        "do as well: that is the p-value of the chapter's test for a shift."
    ),
    reference=chance_of_hits,
    outputs=("p",),
    families=(
        Family("some hits", (9,)),
        Family("many hits", (14,), options={"lucky": 0.8}),
        Family("few hits", (20,), options={"lucky": 0.3, "truth": 0.5, "said": 0.4}),
        Family("answers seldom 'use'", (12,), options={"said": 0.25, "truth": 0.7}),
        Family("many inputs", (60,), options={"lucky": 0.5}),
    ),
    arguments=told,
    small=((3,), (4,), (5,)),
    hints=paragraphs("""
        Count. n inputs, t of them from use, and k said to be. In how many ways can k of
        n inputs be chosen? They are all alike if the classifier guesses.

        In how many of these ways are exactly j hits? j of the t inputs from use are
        chosen, and the other k - j from those that are not.

        math.comb(t, j) * math.comb(n - t, k - j), added up from the hits that came to
        the largest possible number, and divided by math.comb(n, k).
    """),
    why=(
        "If the two distributions are the same, every choice of k inputs is equally "
        "likely. So a probability is a share of choices, and shares can be counted."
    ),
)
CHANCE.mistake(
    "more-only",
    "Only larger numbers of hits are counted: 'or more' includes the one that came.",
    {"range(hits, ": "range(hits + 1, "},
)
CHANCE.mistake(
    "exactly",
    "This is the probability of exactly so many hits, without 'or more'.",
    {"range(hits, min(k, t) + 1)": "range(hits, hits + 1)"},
)
CHANCE.mistake(
    "fewer",
    "The other end is counted: so many hits or fewer.",
    {"range(hits, min(k, t) + 1)": "range(0, hits + 1)"},
    {"range(hits, min(k, t) + 1)": "range(0, hits)"},
)
CHANCE.mistake(
    "last-left-out",
    "The largest possible number of hits is left out of the sum.",
    {"min(k, t) + 1": "min(k, t)"},
)
CHANCE.mistake(
    "agreements-for-hits",
    "Agreements of both kinds are counted: a hit is an input from use, said to be.",
    {"(said & truth)": "(said == truth)"},
    {"(said & truth)": "(said | truth)"},
)
CHANCE.mistake(
    "sizes-mixed",
    "The numbers of 'said' and of 'from use' are mixed up in one place.",
    {"/ comb(n, k)": "/ comb(n, t)"},
    {"comb(n - t, k - j)": "comb(n - t, t - j)"},
    {"comb(n - t, k - j)": "comb(n - k, k - j)"},
    {"comb(t, j)": "comb(k, j)"},
    {"comb(t, j) * comb(n - t, k - j)": "comb(k, j) * comb(n - k, k - j)"},
)
CHANCE.mistake(
    "rest-forgotten",
    "The ways to choose the inputs that are no hits are missing.",
    {" * comb(n - t, k - j)": ""},
)
CHANCE.mistake(
    "drawn-with-return",
    "This is the binomial distribution: here no input can be chosen twice.",
    {
        "comb(t, j) * comb(n - t, k - j) for": (
            "comb(k, j) * (t / n) ** j * (1 - t / n) ** (k - j) for"
        ),
        "/ comb(n, k)": "* 1.0",
        "min(k, t)": "k",
    },
    {
        "comb(t, j) * comb(n - t, k - j) for": (
            "comb(t, j) * (k / n) ** j * (1 - k / n) ** (t - j) for"
        ),
        "/ comb(n, k)": "* 1.0",
        "min(k, t)": "t",
    },
)
CHANCE.mistake(
    "fixed-limit",
    "The sum ends at a fixed number of hits: it runs to the smaller of the two numbers.",
    {"min(k, t) + 1": "min(k, t, 9) + 1"},
    {"min(k, t) + 1": "min(k, t, 10) + 1"},
)
CHANCE.mistake(
    "coin-for-guess",
    "Each answer is taken for the toss of a fair coin: the numbers of both are given.",
    {
        "comb(t, j) * comb(n - t, k - j) for": "comb(k, j) * 0.5**k for",
        "/ comb(n, k)": "* 1.0",
        "min(k, t)": "k",
    },
    {
        "hits = int((said & truth).sum())": "hits = int((said == truth).sum())",
        "comb(t, j) * comb(n - t, k - j) for": "comb(n, j) * 0.5**n for",
        "/ comb(n, k)": "* 1.0",
        "min(k, t)": "n",
    },
    {
        "comb(t, j) * comb(n - t, k - j) for": "comb(n, j) * 0.5**n for",
        "/ comb(n, k)": "* 1.0",
        "min(k, t)": "n",
    },
    {
        "comb(t, j) * comb(n - t, k - j) for": "comb(t, j) * 0.5**t for",
        "/ comb(n, k)": "* 1.0",
        "min(k, t)": "t",
    },
)
CHANCE.mistake(
    "two-sided",
    "Both ends are counted: only more hits than by chance speak for a shift.",
    {"ways / comb(n, k)": "2 * ways / comb(n, k)"},
    {"ways / comb(n, k)": "min(1.0, 2 * ways / comb(n, k))"},
)
CHANCE.mistake(
    "ways-not-divided",
    "These are numbers of ways: a probability is their share of all ways.",
    {"ways / comb(n, k)": "float(ways)"},
)
CHANCE.mistake(
    "order-counted",
    "All 2 ** n ways are counted: only those count that say 'from use' of k inputs.",
    {"/ comb(n, k)": "/ 2**n"},
)
CHANCE.mistake(
    "share-of-hits",
    "This is a share of right answers: the question is how likely it is by chance.",
    {"ways / comb(n, k)": "hits / k"},
    {"ways / comb(n, k)": "hits / t"},
    {"ways / comb(n, k)": "hits / n"},
    {"ways / comb(n, k)": "float((said == truth).mean())"},
)
CHANCE.mistake(
    "sum-too-far",
    "The sum runs too far: there are not so many hits to be had.",
    {"range(hits, min(k, t) + 1)": "range(hits, t + 1)"},
    {"range(hits, min(k, t) + 1)": "range(hits, n + 1)"},
    {
        "comb(t, j) * comb(n - t, k - j)": "comb(k, j) * comb(n - k, t - j)",
        "min(k, t)": "k",
        "/ comb(n, k)": "/ comb(n, t)",
    },
    {
        "comb(t, j) * comb(n - t, k - j)": "comb(k, j) * comb(n - k, t - j)",
        "min(k, t)": "n",
        "/ comb(n, k)": "/ comb(n, t)",
    },
)
CHANCE.mistake(
    "rest-from-all",
    "The inputs that are no hits are chosen from those that are not from use.",
    {"comb(n - t, k - j)": "comb(n, k - j)"},
    {"comb(n - t, k - j)": "comb(n - j, k - j)"},
)
