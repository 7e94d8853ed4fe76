"""Exercises of chapter 07: training in practice."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import draw_eps, like

PAGE = "07_training_in_practice"
RATES = "Learning rate and initial scale"
PARTS = "Gradient accumulation is not a large batch"
FIRST = "Batch norm as the first layer"
REGULARISE = "Does it regularise?"
DROPPING = "Dropout before batch norm"
SCHEDULE = "Weight decay is a schedule"
PLOTS = "Four plots"
WRONG = "What people get wrong"


# The update --------------------------------------------------------------------------


def update_ratios(before, after):
    """Measure how far one step of training moved the weights of every layer.

    Parameters
    ----------
    before, after : ndarray, shape (L, n_out, n_in)
        The weights of L layers of one size, before and after the step.

    Returns
    -------
    ndarray, shape (L,)
        For every layer the length of its step, divided by the length that its weights
        had before. A length is the root of the sum of all squares.
    """
    step = np.sqrt(((after - before) ** 2).sum(axis=(1, 2)))
    length = np.sqrt((before**2).sum(axis=(1, 2)))
    return step / length


def update_arguments(rng, x, sizes=0.0, share=0.3):
    """Draw a step for every layer; the layers differ in size, and so do their steps."""
    layers = np.arange(len(x)).reshape(-1, 1, 1)
    before = x * (1 + layers) * 10 ** (sizes * (layers - 1))
    step = rng.uniform(0.2, 0.8) + rng.standard_normal(x.shape)
    step *= share * 10 ** (sizes * (layers - 1)) / (1 + 0.4 * layers)
    return before.astype(x.dtype), (before + step).astype(x.dtype)


STEP = "np.sqrt(((after - before) ** 2).sum(axis=(1, 2)))"
LENGTH = "np.sqrt((before**2).sum(axis=(1, 2)))"
AFTER = "np.sqrt((after**2).sum(axis=(1, 2)))"
RATIO = "step / length"


def measured(form):
    """Measure step and weights, the step alone, the weights alone, in another way."""
    step = {STEP: form.format("(after - before)")}
    length = {LENGTH: form.format("before")}
    return {**step, **length}, step, length


def both(form, ratio=RATIO):
    """Measure step and weights in another way, and perhaps compare them in another."""
    edits = {**measured(form)[0], RATIO: ratio}
    return edits if ratio != RATIO else measured(form)[0]


UPDATE = Exercise(
    identifier="update-ratio",
    title="How large a step is",
    section=Section(PAGE, PLOTS),
    difficulty=1,
    minutes=10,
    text=(
        "With batch norm activations and gradients look healthy at every rate. Write the "
        "number of the fourth plot, which shows whether a network moves."
    ),
    reference=update_ratios,
    outputs=("ratios",),
    families=(
        Family("three layers", (3, 4, 5)),
        Family("two layers", (2, 5, 3)),
        Family("layers of very different size", (4, 3, 6), options={"sizes": 1.0}),
        Family("steps larger than the weights", (5, 2, 3), options={"share": 8.0}),
        Family("float32", (3, 6, 4), dtype="f4"),
    ),
    arguments=update_arguments,
    small=((2, 1, 2), (2, 2, 2), (2, 3, 2)),
    hints=paragraphs("""
        What is the step, if you know the weights before and after it?

        A matrix has a length as a vector has: the root of the sum of all its squares. How
        many sums are there, if there are L matrices?

        Sum the squares over axes 1 and 2, of after - before and of before. Take both
        roots, and divide the first by the second.
    """),
    why=(
        "The length of the difference does not care whether the weights grew, shrank or "
        "turned. Divided by the length of the weights it does not depend on their unit."
    ),
)
UPDATE.mistake(
    "length-after",
    "The step is compared with other weights than those from which it was made.",
    {LENGTH: AFTER},
    {LENGTH: f"({LENGTH} + {AFTER}) / 2"},
    {LENGTH: LENGTH.replace("before**2", "((before + after) / 2) ** 2")},
    {LENGTH: f"np.maximum({LENGTH}, {AFTER})"},
)
UPDATE.mistake(
    "change-of-length",
    "Two lengths are compared: weights may turn, and move far, at the same length.",
    {STEP: f"np.abs({AFTER} - {LENGTH})"},
    {STEP: f"{AFTER} - {LENGTH}"},
    {STEP: f"{LENGTH} - {AFTER}"},
    {STEP: AFTER},
    {STEP: f"{AFTER} - {LENGTH}", LENGTH: AFTER},
    {STEP: f"np.abs({AFTER} - {LENGTH})", LENGTH: AFTER},
    {STEP: "np.sqrt(np.abs((after**2 - before**2).sum(axis=(1, 2))))"},
    {STEP: "np.sqrt((after**2 - before**2).sum(axis=(1, 2)))"},
    {
        STEP: "np.abs((np.abs(after) - np.abs(before)).mean(axis=(1, 2)))",
        LENGTH: "np.abs(before).mean(axis=(1, 2))",
    },
)
UPDATE.mistake(
    "root-forgotten",
    "A root is missing: the sum of squares is the square of a length.",
    *measured("({}**2).sum(axis=(1, 2))"),
    both("({}**2).mean(axis=(1, 2))"),
)
UPDATE.mistake(
    "root-twice",
    "There is one root too many.",
    {RATIO: "np.sqrt(step / length)"},
    {STEP: f"np.sqrt({STEP})"},
    {LENGTH: f"np.sqrt({LENGTH})"},
)
UPDATE.mistake(
    "eps-added",
    "A small number is added to the length, and shows where the weights are small.",
    *({LENGTH: f"{LENGTH} + 1e-{k}"} for k in (2, 3, 4, 5, 6)),
)
UPDATE.mistake(
    "element-ratios",
    "Every weight is divided by itself: asked for is one length divided by another.",
    {RATIO: "np.abs((after - before) / before).mean(axis=(1, 2))"},
    {RATIO: "np.sqrt((((after - before) / before) ** 2).mean(axis=(1, 2)))"},
    {RATIO: "np.sqrt((((after - before) / before) ** 2).sum(axis=(1, 2)))"},
    {RATIO: "((after - before) / before).mean(axis=(1, 2))"},
    {RATIO: "((after - before) / before).sum(axis=(1, 2))"},
    {RATIO: "np.abs((after - before) / before).sum(axis=(1, 2))"},
    {RATIO: "np.abs((after - before) / before).max(axis=(1, 2))"},
    {RATIO: "np.abs((after - before) / before)"},
    {RATIO: "(after - before) / before"},
    {RATIO: "np.median(np.abs((after - before) / before), axis=(1, 2))"},
    {RATIO: "np.abs((after - before) / (before + 1e-8)).mean(axis=(1, 2))"},
    {RATIO: "np.sqrt((((after - before) / (before + 1e-8)) ** 2).mean(axis=(1, 2)))"},
    {RATIO: "(np.abs(after - before) / (np.abs(before) + 1e-8)).mean(axis=(1, 2))"},
)
UPDATE.mistake(
    "absolute-values",
    "Absolute values are added: in a length squares are.",
    *measured("np.abs({}).sum(axis=(1, 2))"),
    *measured("np.abs({}).mean(axis=(1, 2))")[1:],
    both("np.median(np.abs({}), axis=(1, 2))"),
)
UPDATE.mistake(
    "largest-entry",
    "Only the largest entry is looked at: all of them make the length.",
    *measured("np.abs({}).max(axis=(1, 2))"),
    both("{}.max(axis=(1, 2))"),
    both("np.ptp({}, axis=(1, 2))"),
)
UPDATE.mistake(
    "spread-for-length",
    "A spread is no length: it does not see what all entries have in common.",
    *measured("{}.std(axis=(1, 2))"),
    *measured("{}.var(axis=(1, 2))"),
    both("{}.std(axis=(1, 2), ddof=1)"),
)
UPDATE.mistake(
    "another-norm",
    "This is another norm of a matrix: its length is the root of the sum of squares.",
    *measured("np.linalg.norm({}, ord=2, axis=(1, 2))"),
    *(
        both(f"np.linalg.norm({{}}, ord={order}, axis=(1, 2))")
        for order in ("1", "np.inf", "'nuc'", "-2")
    ),
)
UPDATE.mistake(
    "mean-against-sum",
    "One of the two is a sum and the other a mean.",
    *measured("np.sqrt(({}**2).mean(axis=(1, 2)))")[1:],
    {RATIO: "step / length / before[0].size"},
    {RATIO: "step / length * before[0].size"},
)
UPDATE.mistake(
    "layers-together",
    "All layers are taken together: each has its own ratio.",
    *measured("np.sqrt(({}**2).sum())"),
    {**both("np.sqrt(({}**2).sum())"), RATIO: "np.full(len(before), step / length)"},
    *measured("np.sqrt(({}**2).mean())")[1:],
    {RATIO: "(step / length).mean()"},
    {RATIO: "step.mean() / length.mean()"},
    {RATIO: "step / length.mean()"},
    {RATIO: "step / length.sum()"},
    {RATIO: "(step / length).sum()"},
    {RATIO: "np.full(len(before), (step / length).mean())"},
)
UPDATE.mistake(
    "wrong-axes",
    "These are the wrong axes: axis 0 counts the layers, which stay apart.",
    *(both(f"np.sqrt(({{}}**2).sum(axis={axes}))") for axes in ("(0, 1)", "(0, 2)", 0)),
    *measured("np.sqrt(({}**2).sum(axis=0))")[1:],
)
UPDATE.mistake(
    "per-unit",
    "Every unit or input is measured by itself: a layer has one length.",
    *(both(f"np.sqrt(({{}}**2).sum(axis={axis}))") for axis in (1, 2)),
    *(
        both(f"np.sqrt(({{}}**2).sum(axis={axis}))", ratio)
        for axis in (1, 2)
        for ratio in (
            "(step / length).mean(axis=1)",
            "(step / length).sum(axis=1)",
            "(step / length).max(axis=1)",
            "step.mean(axis=1) / length.mean(axis=1)",
            "np.sqrt(((step / length) ** 2).mean(axis=1))",
        )
    ),
)
UPDATE.mistake(
    "inverted",
    "The fraction is upside down: it is the step that is measured.",
    {RATIO: "length / step"},
)
UPDATE.mistake(
    "not-divided",
    "The step is not compared with the weights: its length depends on their unit.",
    {RATIO: "step"},
    {STEP: "np.sqrt(((after - before) ** 2).mean(axis=(1, 2)))", RATIO: "step"},
    {RATIO: "step / before[0].size"},
    {RATIO: "((after - before) ** 2).sum(axis=(1, 2))"},
)
UPDATE.mistake(
    "signs-cancel",
    "Entries of different sign cancel: nothing is squared here.",
    *measured("{}.sum(axis=(1, 2))"),
    both("np.abs({}.sum(axis=(1, 2)))"),
    *measured("np.abs({}.mean(axis=(1, 2)))")[1:],
    {STEP: "(after - before).mean(axis=(1, 2))"},
    {LENGTH: "before.mean(axis=(1, 2))"},
    {
        STEP: "np.abs((after - before).mean(axis=(1, 2)))",
        LENGTH: "np.abs(before).mean(axis=(1, 2))",
    },
    {
        STEP: "(after - before).mean(axis=(1, 2))",
        LENGTH: "np.abs(before).mean(axis=(1, 2))",
    },
)
UPDATE.mistake(
    "sum-for-difference",
    "The step is the difference of the weights, not their sum.",
    {"(after - before)": "(after + before)"},
)
UPDATE.mistake(
    "another-scale",
    "The ratio was put on another scale: asked for is the ratio itself.",
    {RATIO: "100 * step / length"},
    {RATIO: "np.log10(step / length)"},
    {RATIO: "np.log(step / length)"},
)
UPDATE.mistake(
    "one-layer",
    "Only one layer comes back: asked for is one number for each.",
    {RATIO: "(step / length)[0]"},
    {RATIO: "(step / length)[-1]"},
    {RATIO: "(step / length)[:1]"},
    {RATIO: "(step / length)[:-1]"},
)
UPDATE.mistake(
    "angle",
    "This is about the angle between old and new weights: asked for is a length.",
    {RATIO: f"1 - (before * after).sum(axis=(1, 2)) / length / {AFTER}"},
    {RATIO: f"np.arccos((before * after).sum(axis=(1, 2)) / length / {AFTER})"},
    {RATIO: f"(before * after).sum(axis=(1, 2)) / length / {AFTER}"},
)


# Once, before training ---------------------------------------------------------------


def standardise_once(x_train, x_test):
    """Standardise all data once, with what may be known before the test.

    Parameters
    ----------
    x_train : ndarray, shape (n, C)
        The training data. Some features may be constant: the same value in every
        example, such as 0.1, whose computed deviation may be 1e-17 by rounding.
    x_test : ndarray, shape (k, C)
        New data, in which no feature has to be constant.

    Returns
    -------
    z_train, z_test : ndarray, shape (n, C) and shape (k, C)
        Both by the mean and the biased standard deviation of the training data, without
        eps. A feature that is constant in the training data is only centred.
    """
    mean, sd = x_train.mean(axis=0), x_train.std(axis=0)
    sd = np.where(np.ptp(x_train, axis=0) == 0, 1, sd)
    z_train = (x_train - mean) / sd
    z_test = (x_test - mean) / sd
    return z_train, z_test


def new_data(rng, x, constant=0, new=0, unit=1.0, exact=True):
    """Draw test data with other statistics, and make the first features constant.

    The constants are quarters, whose mean over any number of examples is exact, or
    tenths, whose deviation comes out larger than zero.
    """
    x = unit * x
    noise = rng.standard_normal((new or len(x) + 2, x.shape[1]))
    x_test = x.mean(axis=0) + x.std(axis=0) * (0.7 + 1.5 * noise)
    values = np.arange(2, 9) / 4 if exact else np.arange(1, 30) / 10
    rounded = np.tile(values, (len(x), 1)).std(axis=0) > 0  # never so for two examples
    values = values[rounded] if rounded.any() else values
    x[:, :constant] = rng.choice(values, constant, replace=False)
    x_test[:, :constant] = x[0, :constant] + unit * noise[:, :constant]
    return x, x_test.astype(x.dtype)


MEAN_SD = "x_train.mean(axis=0), x_train.std(axis=0)"
CONSTANT = "np.ptp(x_train, axis=0) == 0"
GUARD = f"np.where({CONSTANT}, 1, sd)"
GUARD_LINE = f"    sd = {GUARD}\n"
Z_TRAIN, Z_TEST = "(x_train - mean) / sd", "(x_test - mean) / sd"
TEST_LINE = f"    z_test = {Z_TEST}\n"
OF_TEST = "    mean, sd = x_test.mean(axis=0), x_test.std(axis=0)\n"
OWN_SPREAD = "(x_test - mean) / np.where(own == 0, 1, own)"
OWN_GUARD = GUARD_LINE.replace("x_train", "x_test")
TOGETHER = "np.concatenate([x_train, x_test])"


def guarded(*edits):
    """Ask for constants as the reference does, or ask the spread that was made."""
    return *edits, *({CONSTANT: "sd == 0", **edit} for edit in edits)


def zeroed(edit):
    """Keep the mistake out of z_train, where constants are zero but for rounding."""
    return {**edit, Z_TRAIN: f"np.where({CONSTANT}, 0, {Z_TRAIN})"}


def pieces(train, test):
    """Replace both results, that of the training data, that of the new data."""
    return {Z_TRAIN: train, Z_TEST: test}, {Z_TRAIN: train}, {Z_TEST: test}


ONCE = Exercise(
    identifier="standardise-once",
    title="Standardise the data once",
    section=Section(PAGE, FIRST),
    difficulty=2,
    minutes=15,
    text=(
        "Standardising the data once spares a network a first batch norm. Write it for "
        "training data and for the data on which the network will be judged."
    ),
    reference=standardise_once,
    outputs=("z_train", "z_test"),
    families=(
        Family("some features", (7, 3)),
        Family("a constant feature", (8, 4), options={"constant": 1}),
        Family("badly scaled features", (9, 5), "scaled"),
        Family("small units", (6, 4), options={"unit": 1e-10}),
        Family("one new example", (6, 3), options={"new": 1}),
        Family("two constant features", (7, 5), options={"constant": 2, "unit": 0.1}),
        Family(
            "constant tenths",
            (7, 4),
            noisy=True,
            options={"constant": 2, "exact": False},
        ),
        Family("float32", (8, 5), dtype="f4", options={"constant": 1}),
    ),
    arguments=new_data,
    small=((2, 2), (3, 2), (4, 3)),
    hints=paragraphs("""
        Which data may you look at before the test? Take every statistic from there.

        By what is a feature divided that never changed in training? Put another number in
        its place. The new data are divided by the same one. Ask the values whether they
        changed, not their spread: that was computed, with rounding.

        After mean and sd of x_train over axis 0: where the largest value is also the
        smallest write 1 for sd, then (x_train - mean) / sd and (x_test - mean) / sd.
    """),
    why=(
        "The test data are treated as one example would be that comes later: by numbers "
        "known before. A division by 1 leaves the constant feature centred, in new data "
        "in its own unit. Values can be compared exactly; the mean of equal ones may be "
        "off in the last digit, and their spread is then not zero."
    ),
)
ONCE.mistake(
    "own-statistics",
    "x_test is measured by its own statistics: those of training belong to both.",
    *guarded(
        {TEST_LINE: OF_TEST + TEST_LINE},
        {TEST_LINE: f"{OF_TEST}{OWN_GUARD}{TEST_LINE}"},
        {TEST_LINE: f"{OF_TEST}{GUARD_LINE}{TEST_LINE}"},
        {Z_TEST: "(x_test - x_test.mean(axis=0)) / sd"},
        {Z_TEST: "(x_test - mean) / x_test.std(axis=0)"},
        {Z_TEST: "(x_test - mean) / x_test.std(axis=0, ddof=1)"},
        {TEST_LINE: OF_TEST.replace("std(axis=0)", "std(axis=0, ddof=1)") + TEST_LINE},
        {TEST_LINE: f"    own = x_test.std(axis=0)\n{TEST_LINE}", Z_TEST: OWN_SPREAD},
    ),
    heading=WRONG,
)
ONCE.mistake(
    "statistics-of-test",
    "The statistics of the new data are used for the training data.",
    *guarded({"x_train.": "x_test."}),
    {"x_train.mean(axis=0)": "x_test.mean(axis=0)"},
    *guarded({"x_train.std(axis=0)": "x_test.std(axis=0)"}),
)
ONCE.mistake(
    "all-data-together",
    "The new data have a part in the statistics: they are not known before the test.",
    *guarded({"x_train.mean": f"{TOGETHER}.mean", "x_train.std": f"{TOGETHER}.std"}),
    {"x_train.mean": f"{TOGETHER}.mean"},
    *guarded({"x_train.std": f"{TOGETHER}.std"}),
    *guarded(
        {
            "x_train.mean(axis=0)": "(x_train.mean(axis=0) + x_test.mean(axis=0)) / 2",
            "x_train.std(axis=0)": "(x_train.std(axis=0) + x_test.std(axis=0)) / 2",
        }
    ),
)
ONCE.mistake(
    "test-left-out",
    "x_test is not treated like x_train: the same mean and spread belong to it.",
    {Z_TEST: "(x_test - z_train.mean(axis=0)) / z_train.std(axis=0)"},
    {
        Z_TEST: "(x_test - z_train.mean(axis=0))"
        f" / np.where({CONSTANT}, 1, z_train.std(axis=0))"
    },
    *guarded(
        {Z_TEST: "x_test.copy()"}, {Z_TEST: "(x_test - mean)"}, {Z_TEST: "x_test / sd"}
    ),
)
ONCE.mistake(
    "train-left-out",
    "x_train is not standardised itself.",
    {Z_TRAIN: "x_train.copy()"},
    {Z_TRAIN: "x_train - mean"},
    {Z_TRAIN: "x_train / sd"},
)
ONCE.mistake(
    "constant-forgotten",
    "A feature that is constant in training gives a division by zero.",
    {GUARD_LINE: ""},
    {Z_TRAIN: "(x_train - mean) / x_train.std(axis=0)"},
    {Z_TEST: "(x_test - mean) / x_train.std(axis=0)"},
    zeroed({GUARD_LINE: ""}),
    zeroed({GUARD_LINE: "", Z_TEST: f"np.nan_to_num({Z_TEST})"}),
    {GUARD: "np.where(sd == 1, 0, sd)"},
    {GUARD: "np.where(x_test.std(axis=0) == 0, 1, sd)"},
)
ONCE.mistake(
    "computed-spread-asked",
    "Whether a feature is constant is asked of its spread: rounding may leave it tiny.",
    {CONSTANT: "sd == 0"},
    {CONSTANT: "x_train.std(axis=0) == 0"},
    {CONSTANT: "sd < 1e-20"},
    {CONSTANT: "(x_train == mean).all(axis=0)"},
    {CONSTANT: "(x_train**2).mean(axis=0) == mean**2"},
)
ONCE.mistake(
    "constant-set-to-zero",
    "A feature that was constant is set to zero in new data: it is only centred.",
    {Z_TEST: f"np.where({CONSTANT}, 0, {Z_TEST})"},
    {GUARD: f"np.where({CONSTANT}, np.inf, sd)"},
    {GUARD: "np.where(sd == 0, np.inf, sd)"},
)
ONCE.mistake(
    "constant-left-as-it-is",
    "A feature that was constant is not centred: only the division is left out.",
    *pieces(
        f"np.where({CONSTANT}, x_train, {Z_TRAIN})",
        f"np.where({CONSTANT}, x_test, {Z_TEST})",
    ),
)
ONCE.mistake(
    "constant-thrown-away",
    "The constant features are gone: asked for is the shape of the data.",
    {
        "return z_train, z_test": "kept = np.ptp(x_train, axis=0) > 0\n"
        "    return z_train[:, kept], z_test[:, kept]"
    },
)
ONCE.mistake(
    "constant-divided-by-another",
    "A feature that was constant is divided by something else than 1.",
    {GUARD: f"np.where({CONSTANT}, sd.mean(), sd)"},
    {GUARD: f"np.where({CONSTANT}, sd[sd > 0].mean(), sd)"},
    {GUARD: f"np.where({CONSTANT}, mean, sd)"},
    {GUARD: f"np.where({CONSTANT}, np.abs(mean), sd)"},
    {GUARD: f"np.where({CONSTANT}, x_test.std(axis=0), sd)"},
    {GUARD: f"np.where({CONSTANT}, sd.max(), sd)"},
    {GUARD: f"np.where({CONSTANT}, 0.5, sd)"},
)
ONCE.mistake(
    "eps-for-guard",
    "A small number guards the division: it moves all features, or blows one up.",
    *({GUARD: f"sd + 1e-{k}"} for k in range(2, 17)),
    *({GUARD: f"np.sqrt(sd**2 + 1e-{k})"} for k in range(2, 17)),
    *({GUARD: f"np.maximum(sd, 1e-{k})"} for k in range(4, 11)),
    {GUARD: "sd + np.finfo(float).eps"},
    *(
        zeroed({GUARD: f"np.maximum(sd, {least})"})
        for least in ("1e-12", "np.finfo(float).eps")
    ),
    *({"1, sd)": f"1, sd + 1e-{k})"} for k in (3, 5, 6, 7, 8, 10, 12)),
    *({"1, sd)": f"1, np.sqrt(sd**2 + 1e-{k}))"} for k in (3, 5, 6, 7, 8, 10, 12)),
)
ONCE.mistake(
    "small-taken-for-constant",
    "A feature in small units is taken for a constant one: small is not zero.",
    {GUARD: "np.maximum(sd, 1)"},
    *({GUARD: f"np.where(sd < 1e-{k}, 1, sd)"} for k in range(1, 10)),
    {GUARD: "np.where(np.ptp(x_train, axis=0) < 1e-8, 1, sd)"},
    *({GUARD: f"np.maximum(sd, {limit})"} for limit in (0.1, 0.01, 1e-3)),
)
ONCE.mistake(
    "one-constant-spares-all",
    "If one feature is constant, none is divided: look at every feature by itself.",
    {GUARD: f"1 if ({CONSTANT}).any() else sd"},
)
ONCE.mistake(
    "constant-in-test",
    "Where the new data are constant does not matter: what counts is the training data.",
    {GUARD: f"np.where(({CONSTANT}) | (x_test.std(axis=0) == 0), 1, sd)"},
)
ONCE.mistake(
    "unbiased-deviation",
    "The spread is made with n - 1: asked for is the biased one.",
    {"std(axis=0)": "std(axis=0, ddof=1)"},
    {Z_TRAIN: "(x_train - mean) / (sd * np.sqrt(len(x_train) / (len(x_train) - 1)))"},
    {Z_TEST: "(x_test - mean) / (sd * np.sqrt(len(x_train) / (len(x_train) - 1)))"},
)
OWN = "({0} - {0}.mean(axis=1, keepdims=True)) / {0}.std(axis=1, keepdims=True)"
ONCE.mistake(
    "wrong-axis",
    "The wrong axis: every feature has its own mean and spread, not every example.",
    *guarded({"axis=0": "axis=1"}),
    *guarded({"axis=0": "axis=1, keepdims=True"}),
    *pieces(OWN.format("x_train"), OWN.format("x_test")),
    {"x_train.mean(axis=0)": "x_train.mean(axis=1)"},
    *guarded({"x_train.std(axis=0)": "x_train.std(axis=1)"}),
    *guarded(
        {
            "x_train.mean(axis=0)": "x_train.mean(axis=1, keepdims=True)",
            "x_train.std(axis=0)": "x_train.std(axis=1, keepdims=True)",
        }
    ),
)
ONCE.mistake(
    "all-features-together",
    "All features are measured together: each has its own unit.",
    *guarded({MEAN_SD: "x_train.mean(), x_train.std()"}),
    {"x_train.mean(axis=0)": "x_train.mean()"},
    *guarded({"x_train.std(axis=0)": "x_train.std()"}),
    *guarded(
        {
            MEAN_SD: "x_train.mean(), x_train.std()",
            Z_TEST: "(x_test - x_test.mean()) / x_test.std()",
        }
    ),
)
ONCE.mistake(
    "variance-for-deviation",
    "The division is by the variance: its root belongs there.",
    {"x_train.std": "x_train.var"},
    {GUARD: f"{GUARD} ** 2"},
    {Z_TEST: "(x_test - mean) / sd**2"},
    {Z_TRAIN: "(x_train - mean) / sd**2"},
)
ONCE.mistake(
    "root-of-deviation",
    "A root is taken twice: std has taken it already.",
    {"x_train.std(axis=0)": "np.sqrt(x_train.std(axis=0))"},
)
ONCE.mistake(
    "not-centred",
    "The mean is not subtracted.",
    {"- mean": "- 0 * mean"},
)
ONCE.mistake(
    "not-scaled",
    "The deviations are not divided by the spread.",
    {") / sd": ")"},
)
ONCE.mistake(
    "multiplied",
    "The deviations are multiplied by the spread, not divided.",
    {") / sd": ") * sd"},
)
ONCE.mistake(
    "bracket-forgotten",
    "A bracket is missing: only the mean is divided.",
    {"(x_train - mean) / sd": "x_train - mean / sd", Z_TEST: "x_test - mean / sd"},
    {"(x_train - mean) / sd": "x_train - mean / sd"},
    {Z_TEST: "x_test - mean / sd"},
)
ONCE.mistake(
    "spread-around-zero",
    "The spread is measured around zero, not around the mean.",
    *guarded({"x_train.std(axis=0)": "np.sqrt((x_train**2).mean(axis=0))"}),
)
ONCE.mistake(
    "range-for-deviation",
    "This brings the data into a range: asked for are mean 0 and spread 1.",
    {MEAN_SD: "x_train.min(axis=0), np.ptp(x_train, axis=0)"},
    {MEAN_SD: "x_train.mean(axis=0), np.ptp(x_train, axis=0)"},
    *guarded({MEAN_SD: "0, np.abs(x_train).max(axis=0)"}),
    {MEAN_SD: "x_train.min(axis=0), x_train.std(axis=0)"},
)
ONCE.mistake(
    "median-for-mean",
    "The median stands where the mean belongs.",
    {"x_train.mean(axis=0)": "np.median(x_train, axis=0)"},
)
ONCE.mistake(
    "absolute-deviation",
    "Absolute deviations stand where a root of squares belongs.",
    {"x_train.std(axis=0)": "np.abs(x_train - x_train.mean(axis=0)).mean(axis=0)"},
)
ONCE.mistake(
    "sum-for-mean",
    "The squares are added: for the spread their mean is needed.",
    {"x_train.std(axis=0)": "x_train.std(axis=0) * np.sqrt(len(x_train))"},
)


# Dropout -----------------------------------------------------------------------------


def dropout(x, dout, coins, p, training):
    """Apply dropout to x, and send a gradient back through it.

    Parameters
    ----------
    x, dout : ndarray, of one shape
        The input, and the gradient of the loss in the output.
    coins : ndarray, shape of x
        A random number from 0 to 1 for every value. In training mode a value is dropped
        (set to zero) where its coin is below p.
    p : float
        Probability that a value is dropped; below 1.
    training : bool
        False in evaluation mode.

    Returns
    -------
    y, dx : ndarray, shape of x
        The output, whose mean over all coins is x in both modes; and the gradient of the
        loss in x, for these coins.
    """
    if not training:
        return x.copy(), dout.copy()
    kept = (coins >= p) / (1 - p)
    return kept * x, kept * dout


def dropout_arguments(rng, x, rare=True, training=True):
    """Draw coins on both sides of p, which is not near one half."""
    p = float(rng.uniform(0.15, 0.4) if rare else rng.uniform(0.6, 0.85))
    coins = np.linspace(0, 1, x.size) * 0.9 + 0.1 * rng.random(x.size)
    coins[:1], coins[-1:] = p * rng.uniform(0.2, 0.8), 1 - 0.1 * rng.random()
    coins[np.abs(coins - p) < 1e-3] += 0.002  # in float32, too, on one side
    coins = rng.permutation(coins).reshape(x.shape).astype(x.dtype)
    x = (x * rng.choice([-1, 1], x.shape)).astype(x.dtype)
    return x, like(rng, x), coins, p, training


KEPT = "(coins >= p) / (1 - p)"
DROPPED = "kept * x, kept * dout"
ALL_KEPT = "x.copy(), dout.copy()"
MODES = f"    if not training:\n        return {ALL_KEPT}\n"
IN_USE = {"training": False}


def factor(new):
    """Put another factor in training mode: into both outputs, into y, into dx."""
    return (
        {KEPT: new},
        {"return kept * x": f"return {new} * x"},
        {"kept * dout": f"{new} * dout"},
    )


def in_use(new):
    """Put a factor in evaluation mode: into both outputs, into y, into dx."""
    y, dx = {"x.copy()": f"{new} * x"}, {"dout.copy()": f"{new} * dout"}
    return {**y, **dx}, y, dx


DROPOUT = Exercise(
    identifier="dropout",
    title="Dropout, there and back",
    section=Section(PAGE, REGULARISE),
    difficulty=2,
    minutes=15,
    text=(
        "Write dropout with its backward pass. The coins have been tossed already, so that "
        "forward and backward see the same ones."
    ),
    reference=dropout,
    outputs=("y", "dx"),
    families=(
        Family("a matrix in training", (7, 3)),
        Family("a matrix in evaluation", (6, 4), options=IN_USE),
        Family("images in training", (3, 4, 5, 2), options={"rare": False}),
        Family("images in evaluation", (2, 3, 4, 5), options={"rare": False} | IN_USE),
        Family("a matrix, most values dropped", (8, 5), options={"rare": False}),
        Family("float32 in training", (9, 4), dtype="f4"),
    ),
    arguments=dropout_arguments,
    small=((2, 2), (2, 3), (2, 1, 1, 2), (2, 2, 1, 2)),
    gradients={"dx": "x"},
    forward=lambda x, dout, coins, p, training: dropout(x, dout, coins, p, training)[0],
    returned=("x", "dout"),
    hints=paragraphs("""
        What is the mean of a value that is kept with probability 1 - p and else zero? What
        has to be done to it so that the mean is x?

        For given coins every value is multiplied by a number that does not depend on x.
        What is the derivative of a product with a constant?

        In training the factor is (coins >= p) / (1 - p), for x and for dout. In evaluation
        both are returned as they are.
    """),
    why=(
        "The division by 1 - p in training makes up for what is lost, so that nothing has "
        "to be done in evaluation. The layer is linear in x: the gradient has the same "
        "factor."
    ),
)
DROPOUT.mistake(
    "division-forgotten",
    "What is kept is not enlarged: the mean over all coins is smaller than x.",
    *factor("(coins >= p)"),
    heading=DROPPING,
)
DROPOUT.mistake(
    "divided-by-p",
    "The division is by the share that is dropped, not by the share that is kept.",
    *factor("(coins >= p) / p"),
)
DROPOUT.mistake(
    "multiplied",
    "What is kept is made smaller, not larger.",
    *factor("(coins >= p) * (1 - p)"),
    *factor("(coins >= p) * p"),
)
DROPOUT.mistake(
    "wrong-power",
    "The factor has the wrong power: the mean should be kept, not the mean square.",
    *factor("(coins >= p) / np.sqrt(1 - p)"),
    *factor("(coins >= p) / (1 - p) ** 2"),
)
DROPOUT.mistake(
    "factor-plus",
    "The factor is made of 1 + p: that does not make up for what is dropped.",
    *factor("(coins >= p) * (1 + p)"),
    *factor("(coins >= p) / (1 + p)"),
)
DROPOUT.mistake(
    "mask-reversed",
    "The wrong values are dropped: those whose coin is below p.",
    *factor("(coins < p) / (1 - p)"),
    *factor("(coins < p)"),
)
DROPOUT.mistake(
    "p-for-keeping",
    "p is taken for the probability of keeping a value.",
    *factor("(coins < p) / p"),
    *factor("(coins >= 1 - p) / p"),
)
DROPOUT.mistake(
    "other-threshold",
    "A coin is compared with another number than p.",
    *factor("(coins < 1 - p) / (1 - p)"),
    *factor("(coins >= 1 - p) / (1 - p)"),
    *factor("(coins < 1 - p)"),
    *factor("(coins >= 1 - p)"),
    *factor("(coins >= 0.5) / (1 - p)"),
    *factor("(coins >= 0.5) / 0.5"),
    *factor("np.round(coins) / (1 - p)"),
    *factor("(coins >= 0.5)"),
)
DROPOUT.mistake(
    "share-counted",
    "The division is by the share that happened to be kept, which chance decides.",
    *factor("(coins >= p) / (coins >= p).mean()"),
    *factor("(coins >= p) / (coins >= p).mean(axis=0)"),
)
DROPOUT.mistake(
    "coins-as-factor",
    "The coins decide what is kept: they are no factor.",
    *factor("(coins >= p) * coins / (1 - p)"),
    *factor("coins"),
    *factor("coins / (1 - p)"),
    *factor("(coins >= p) * coins"),
)
DROPOUT.mistake(
    "one-coin-for-many",
    "One coin decides about several values: each has its own.",
    *factor("(coins[:1] >= p) / (1 - p)"),
    *factor("(coins[:, :1] >= p) / (1 - p)"),
    *factor(
        "(coins.reshape(len(x), -1)[:, 0].reshape((-1,) + (1,) * (x.ndim - 1)) >= p)"
        " / (1 - p)"
    ),
)
DROPOUT.mistake(
    "dropped-in-evaluation",
    "In evaluation values are dropped: there all of them are used.",
    {MODES: ""},
    {"x.copy()": f"{KEPT} * x"},
    {"dout.copy()": f"{KEPT} * dout"},
    *in_use("(coins >= p)"),
    heading=DROPPING,
)
DROPOUT.mistake(
    "scaled-in-evaluation",
    "In evaluation a factor is applied: nothing is left to make up for there.",
    *in_use("(1 - p)"),
    *in_use("1 / (1 - p)"),
    *in_use("p"),
    heading=DROPPING,
)
DROPOUT.mistake(
    "old-dropout",
    "The values are put right in evaluation: here that belongs to training.",
    *(
        {**in_training, **in_evaluation}
        for in_training, in_evaluation in zip(
            factor("(coins >= p)"), in_use("(1 - p)"), strict=True
        )
    ),
    {KEPT: "(coins >= p)", "x.copy()": "(1 - p) * x"},
    heading=DROPPING,
)
DROPOUT.mistake(
    "modes-swapped",
    "The modes are swapped: values are dropped in training.",
    {"if not training": "if training"},
    heading=DROPPING,
)
DROPOUT.mistake(
    "never-dropped",
    "In training nothing is dropped.",
    {DROPPED: ALL_KEPT},
    {"return kept * x": "return x.copy()"},
    {"return kept * x": "return x / (1 - p)"},
    {DROPPED: "x / (1 - p), dout / (1 - p)"},
    {"return kept * x": "return (1 - p) * x"},
    {DROPPED: "(1 - p) * x, (1 - p) * dout"},
    heading=DROPPING,
)
DROPOUT.mistake(
    "gradient-not-masked",
    "Where a value was dropped, no gradient may come back.",
    {"kept * dout": "dout.copy()"},
    {"kept * dout": "dout / (1 - p)"},
    {"kept * dout": "dout * (1 - p)"},
    {"kept * dout": "dout * p"},
)
DROPOUT.mistake(
    "sign-asked",
    "The sign of a value has nothing to do with it: this is no rectifier.",
    {"kept * dout": "(kept * x > 0) * dout"},
    {"kept * dout": "(kept * x > 0) * dout / (1 - p)"},
    {"kept * dout": "(x > 0) * dout"},
    {"dout.copy()": "(x > 0) * dout"},
    {"kept * dout": "(kept * x > 0) * dout", "dout.copy()": "(x > 0) * dout"},
    {"kept * dout": "(kept * x > 0) * kept * dout", "dout.copy()": "(x > 0) * dout"},
)
DROPOUT.mistake(
    "gradient-times-value",
    "The gradient is multiplied by x: the slope of a linear layer does not depend on it.",
    {"kept * dout": "kept * x * dout"},
    {"kept * dout": "(coins >= p) * x * dout"},
    {"kept * dout": "kept**2 * x * dout"},
    {"kept * dout": "x * dout"},
    {"dout.copy()": "x * dout"},
    {"kept * dout": "kept * x * dout", "dout.copy()": "x * dout"},
    {"kept * dout": "(coins >= p) * x * dout", "dout.copy()": "x * dout"},
)
DROPOUT.mistake(
    "gradient-without-upstream",
    "The upstream gradient is missing in dx.",
    {"kept * dout": "kept"},
    {"kept * dout": "kept * x"},
    {"kept * dout": "(coins >= p).astype(float)"},
    {"dout.copy()": "np.ones_like(x)"},
    {"dout.copy()": "np.ones_like(x)", "kept * dout": "kept"},
)
DROPOUT.mistake(
    "gradient-divided",
    "The factor divides the gradient: dx has the same factor as y.",
    {"kept * dout": "dout / kept"},
)
DROPOUT.mistake(
    "no-gradient-in-evaluation",
    "In evaluation no gradient comes back: there dx is dout.",
    {"dout.copy()": "np.zeros_like(dout)"},
    heading=DROPPING,
)


# A gradient in parts -----------------------------------------------------------------


def gradient_in_parts(x, dout, sizes, eps):
    """Accumulate the gradient of a linear map behind a norm, part by part.

    Each part of the batch goes alone through the network: the norm (gamma 1, beta 0)
    standardises it with the statistics that it finds there, and the map multiplies by W.

    Parameters
    ----------
    x : ndarray, shape (N, C)
        The input of the norm.
    dout : ndarray, shape (N, K)
        For each example the gradient of its own loss in its K outputs.
    sizes : tuple of int
        How many examples each part has, in their order; together N.
    eps : float
        Added to the biased variance inside the root.

    Returns
    -------
    ndarray, shape (K, C)
        The gradient in W of the mean loss of all N examples.
    """
    dW = np.zeros((dout.shape[1], x.shape[1]))
    start = 0
    for size in sizes:
        rows = slice(start, start + size)
        part = x[rows]
        x_hat = (part - part.mean(axis=0)) / np.sqrt(part.var(axis=0) + eps)
        dW += dout[rows].T @ x_hat / len(x)
        start += size
    return dW


def parts_arguments(rng, x, shares=(3, 2), outputs=2):
    """Cut the batch: every part has one example, and a share of the others."""
    others = len(x) - len(shares)
    ends = np.round(np.cumsum(shares) / sum(shares) * others).astype(int)
    sizes = tuple((1 + np.diff(ends, prepend=0)).tolist())
    dout = rng.standard_normal((len(x), outputs)).astype(x.dtype)
    return x, dout, sizes, draw_eps(rng)


X_HAT = "x_hat = (part - part.mean(axis=0)) / np.sqrt(part.var(axis=0) + eps)"
ADD = "dW += dout[rows].T @ x_hat / len(x)"
ONE_MEAN, ONE_VAR = "part.mean(axis=0)", "part.var(axis=0)"
FROM = "rows = slice(start, start + size)"
HEAD = f"    for size in sizes:\n        {FROM}\n"
NEXT = "        start += size\n"


def statistics(of, right="part"):
    """Take the statistics of something else: both, the mean, the variance."""
    mean, var = {f"{right}.mean": f"{of}.mean"}, {f"{right}.var": f"{of}.var"}
    return {**mean, **var}, mean, var


def added(new, start="dW += "):
    """Add something else to the gradient."""
    return {ADD: start + new}


SUM = "dout[rows].T @ x_hat"
IN_PARTS = Exercise(
    identifier="gradient-in-parts",
    title="A gradient, accumulated in parts",
    section=Section(PAGE, PARTS),
    difficulty=3,
    minutes=25,
    text=(
        "The batch does not fit into memory and comes in parts, not all of one size. "
        "Write what accumulation gives behind a batch norm, and see what it cannot give."
    ),
    reference=gradient_in_parts,
    outputs=("dW",),
    families=(
        Family("two parts", (7, 3)),
        Family("three parts", (9, 4), options={"shares": (2, 3, 4)}),
        Family("a quiet feature", (8, 5), "quiet", options={"shares": (5, 3)}),
        Family("a part of one", (9, 5), options={"shares": (5, 0, 3), "outputs": 3}),
        Family(
            "badly scaled features", (10, 4), "scaled", options={"shares": (3, 5, 2)}
        ),
        Family("float32", (11, 3), dtype="f4", options={"shares": (4, 7)}),
    ),
    arguments=parts_arguments,
    small=((3, 2), (5, 2), (7, 3), (8, 3)),
    hints=paragraphs("""
        Where does a part begin and where does it end, if the sizes are 3, 2 and 4? Which
        examples does its mean know?

        The gradient in W of one example's loss is its dout times its x_hat, a matrix of
        shape (K, C). A product of matrices adds these up.

        For each part add dout[rows].T @ x_hat / N, where rows are those of the part, and
        x_hat was standardised with mean and variance of these rows alone.
    """),
    why=(
        "A sum over examples may be cut anywhere, and each example keeps the weight 1/N. "
        "The statistics may not: x_hat in a part is another one than in the whole batch."
    ),
)
IN_PARTS.mistake(
    "whole-batch-statistics",
    "The statistics are those of the whole batch: a part does not know the others.",
    *statistics("x"),
    {"x_hat = ": "part = (part - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)\n"
     "        x_hat = "},
)  # fmt: skip
IN_PARTS.mistake(
    "statistics-of-others",
    "The statistics come from other examples than those of the part.",
    *statistics("x[: start + size]"),
    *statistics("x[: sizes[0]]"),
    *statistics("x[start:]"),
)
STARTED = "old_mean, old_var = np.zeros(x.shape[1]), np.ones(x.shape[1])\n    start = 0"
AVERAGED = (
    "old_mean = 0.9 * old_mean + 0.1 * part.mean(axis=0)\n"
    "        old_var = 0.9 * old_var + 0.1 * part.var(axis=0{})\n"
    "        x_hat = (part - old_mean) / np.sqrt(old_var + eps)"
)
IN_PARTS.mistake(
    "running-statistics",
    "Running statistics are for use: in training a part has its own.",
    *(
        {"start = 0": STARTED, X_HAT: AVERAGED.format(kind)}
        for kind in ("", ", ddof=min(1, size - 1)")
    ),
)
IN_PARTS.mistake(
    "alone-in-its-part",
    "A part of one is treated in another way: it counts, and its x_hat is zero.",
    {"        dW +=": "        if size == 1:\n            x_hat = part\n        dW +="},
    {"/ len(x)": "/ sum(n for n in sizes if n > 1)"},
    {"/ len(x)": "/ sum(n for n in sizes if n > 1)", "size)\n": "size)\n"
     "        if size == 1:\n            start += 1\n            continue\n"},
    {
        X_HAT: "centre = x if size == 1 else part\n"
        "        x_hat = (part - centre.mean(axis=0)) / np.sqrt(centre.var(axis=0) + eps)"
    },
)  # fmt: skip
IN_PARTS.mistake(
    "parts-count-alike",
    "All parts count alike: a large part has more examples than a small one.",
    added(f"{SUM} / (size * len(sizes))"),
)
IN_PARTS.mistake(
    "means-added",
    "The mean gradients of the parts are added up: that is too much.",
    added(f"{SUM} / size"),
)
IN_PARTS.mistake(
    "not-divided",
    "This is the gradient of the sum of all losses: asked for is that of their mean.",
    added(SUM),
)
IN_PARTS.mistake(
    "divided-by-parts",
    "The sum is divided by the number of parts, not by the number of examples.",
    added(f"{SUM} / len(sizes)"),
)
IN_PARTS.mistake(
    "divided-too-often",
    "There is one division too many.",
    added(f"{SUM} / size / len(x)"),
    added(f"{SUM} / len(x) ** 2"),
    added(f"{SUM} / len(x) / len(sizes)"),
    added(f"{SUM} / size / len(x) / len(sizes)"),
    added(f"{SUM} / size**2"),
    added(f"{SUM} / (len(x) * dout.shape[1])"),
    added(f"{SUM} / (size * dout.shape[1])"),
    added(f"{SUM} / x.size"),
)
IN_PARTS.mistake(
    "weighted-twice",
    "The size of a part counts twice: its sum is larger already.",
    added(f"{SUM} * size / len(x)"),
    added(f"{SUM} * size"),
    added(f"{SUM} * size / len(x) / len(sizes)"),
    added(f"{SUM} * size / len(x) ** 2"),
)
IN_PARTS.mistake(
    "weights-reversed",
    "A part counts the less, the larger it is.",
    added(f"{SUM} / size * len(x)"),
    added(f"{SUM} / size * (1 - size / len(x))"),
    added(f"{SUM} / size**2 / sum(1 / n for n in sizes)"),
    added(f"{SUM} / size * (len(x) - size) / len(x) / (len(sizes) - 1)"),
)
IN_PARTS.mistake(
    "last-part-only",
    "Only the last part is left: the others were overwritten.",
    added(f"{SUM} / len(x)", "dW = "),
    added(f"{SUM} / size", "dW = "),
    added(SUM, "dW = "),
    added(f"{SUM} * size / len(x)", "dW = "),
    added(f"{SUM} / size * len(sizes)", "dW = "),
    added(f"{SUM} / size / len(sizes)", "dW = "),
)
IN_PARTS.mistake(
    "first-part-only",
    "The function comes back after the first part.",
    *(
        {**added(f"{SUM}{division}"), NEXT: "        break\n"}
        for division in (" / len(x)", " / size", "", " / size / len(sizes)")
    ),
)
IN_PARTS.mistake(
    "parts-left-apart",
    "There is one gradient for each part: asked for is one for the whole batch.",
    *(
        {
            "np.zeros((dout.shape[1], x.shape[1]))": "[]",
            ADD: f"dW.append({SUM}{division})",
            "return dW": "return np.array(dW)",
        }
        for division in (" / len(x)", " / size", "")
    ),
)
IN_PARTS.mistake(
    "averaged-in-turn",
    "Averaging after every part gives the last ones more weight.",
    added(f"(dW + {SUM} / size) / 2", "dW = "),
    added(f"(dW + {SUM} / len(x)) / 2", "dW = "),
    added(f"(dW + {SUM}) / 2", "dW = "),
    added(f"(dW + {SUM}) / len(x)", "dW = "),
    added(f"(dW + {SUM}) / size", "dW = "),
    added(f"0.9 * dW + 0.1 * ({SUM} / size)", "dW = "),
    added(f"0.9 * dW + 0.1 * ({SUM} / len(x))", "dW = "),
)
EQUAL = "[len(a) for a in np.array_split(x, len(sizes))]"
FLAT = "[len(x) // len(sizes)] * len(sizes)"
IN_PARTS.mistake(
    "parts-made-equal",
    "The parts are cut alike: their sizes are given.",
    {"size in sizes": f"size in {EQUAL}"},
    {"size in sizes": f"size in {FLAT}"},
    {"size in sizes": f"size in {EQUAL}", **added(f"{SUM} / size / len(sizes)")},
    {"size in sizes": f"size in {FLAT}", **added(f"{SUM} / size / len(sizes)")},
    {HEAD: "    size = sizes[0]\n    for start in range(0, len(x), size):\n"
     "        rows = slice(start, start + size)\n", NEXT: ""},
    {HEAD: "    size = max(sizes)\n    for start in range(0, len(x), size):\n"
     "        rows = slice(start, start + size)\n", NEXT: ""},
)  # fmt: skip
IN_PARTS.mistake(
    "sizes-as-positions",
    "The sizes are taken for the places of the cuts.",
    *(
        {
            HEAD: "    for start, end in zip((0, *sizes), (*sizes, len(x))):\n"
            "        rows = slice(start, end)\n",
            NEXT: "",
            **added(f"{SUM}{division}"),
        }
        for division in (" / len(x)", "", " / max(len(part), 1) / len(sizes)")
    ),
    {
        HEAD: "    for start, end in zip((0, *sizes), sizes):\n"
        "        rows = slice(start, end)\n",
        NEXT: "",
    },
    {
        HEAD: "    for start, end in zip(sizes, (*sizes[1:], len(x))):\n"
        "        rows = slice(start, end)\n",
        NEXT: "",
    },
)
IN_PARTS.mistake(
    "start-not-moved",
    "A part does not begin where the one before has ended.",
    {NEXT: ""},
    {"start += size": "start += 1"},
    {FROM: "rows = slice(0, start + size)"},
    {"start += size": "start = size"},
    {NEXT: "", FROM: "rows = slice(len(x) - size, len(x))"},
)
IN_PARTS.mistake(
    "cut-off-by-one",
    "The cuts are off by one.",
    {"start + size)": "start + size - 1)"},
    {"start + size)": "start + size + 1)"},
    {"start += size": "start += size + 1"},
    {"start += size": "start += size - 1"},
    {"slice(start, ": "slice(start + 1, "},
)
IN_PARTS.mistake(
    "dout-not-cut",
    "dout belongs to other examples than x_hat.",
    {"dout[rows]": "dout"},
    {"dout[rows]": "dout[:size]"},
    {"dout[rows]": "dout[-size:]"},
    {"dout[rows]": "dout[rows][::-1]"},
)
IN_PARTS.mistake(
    "transposed",
    "The matrix is transposed: W has a row for each output.",
    *(
        {
            "np.zeros((dout.shape[1], x.shape[1]))": "np.zeros((x.shape[1], dout.shape[1]))",
            ADD: f"dW += x_hat.T @ dout[rows]{division}",
        }
        for division in (" / len(x)", " / size", "", " / size / len(sizes)")
    ),
)
IN_PARTS.mistake(
    "norm-forgotten",
    "The norm is missing: the map does not meet x itself.",
    {"@ x_hat": "@ part"},
)
IN_PARTS.mistake(
    "not-centred",
    "The mean is not subtracted.",
    {"(part - part.mean(axis=0))": "part"},
)
IN_PARTS.mistake(
    "not-scaled",
    "The deviations are not divided by their spread.",
    {" / np.sqrt(part.var(axis=0) + eps)": ""},
)
IN_PARTS.mistake(
    "unbiased-variance",
    "The variance is divided by m - 1: a norm divides it by m.",
    {ONE_VAR: "part.var(axis=0, ddof=1)"},
    {ONE_VAR: "part.var(axis=0, ddof=min(1, size - 1))"},
    {ONE_VAR: "part.var(axis=0) * size / max(size - 1, 1)"},
)
IN_PARTS.mistake(
    "wrong-axis",
    "The wrong axis: every feature has its statistics over the examples of the part.",
    {ONE_MEAN: "part.mean(axis=1, keepdims=True)",
     ONE_VAR: "part.var(axis=1, keepdims=True)"},
    {ONE_MEAN: "part.mean(axis=1, keepdims=True)"},
    {ONE_VAR: "part.var(axis=1, keepdims=True)"},
    {ONE_MEAN: "part.mean(axis=1)", ONE_VAR: "part.var(axis=1)"},
    {ONE_MEAN: "part.mean()", ONE_VAR: "part.var()"},
    {ONE_MEAN: "part.mean()"},
    {ONE_VAR: "part.var()"},
)  # fmt: skip
IN_PARTS.mistake(
    "eps-outside",
    "eps stands outside the root: it is added to the variance.",
    {"np.sqrt(part.var(axis=0) + eps)": "(np.sqrt(part.var(axis=0)) + eps)"},
    {"np.sqrt(part.var(axis=0) + eps)": "(part.std(axis=0) + eps)"},
)
IN_PARTS.mistake(
    "eps-forgotten",
    "eps is missing.",
    {"axis=0) + eps": "axis=0)"},
)
IN_PARTS.mistake(
    "eps-ignored",
    "eps is not the one that was given.",
    *({"axis=0) + eps": f"axis=0) + 1e-{k}"} for k in (3, 5, 6, 8, 12)),
)
IN_PARTS.mistake(
    "root-forgotten",
    "The root is missing: the division is by a standard deviation.",
    {"np.sqrt(part.var(axis=0) + eps)": "(part.var(axis=0) + eps)"},
)
IN_PARTS.mistake(
    "std-for-variance",
    "A standard deviation stands under the root, where the variance belongs.",
    {"part.var": "part.std"},
)


# A schedule --------------------------------------------------------------------------


def rates_without_decay(rates, decay):
    """Find the learning rates that do without weight decay what these do with it.

    The weights W stand in front of a norm whose eps is 0, and step t is
    W <- (1 - rates[t] * decay) * W - rates[t] * dW.

    Parameters
    ----------
    rates : ndarray, shape (T,)
        The learning rates of steps 0, 1, ..., T - 1, which need not be equal.
    decay : float
        The weight decay; rates * decay is below 1.

    Returns
    -------
    ndarray, shape (T,)
        The rates of plain steps V <- V - rate * dV which, from the same start, give the
        same function after every step.
    """
    after = np.cumprod(1 - rates * decay)
    before = np.concatenate([[1.0], after[:-1]])
    return rates / (before * after)


def schedule_arguments(rng, x, strength=0.5):
    """Make learning rates of the values, and a decay of some strength."""
    t = np.arange(len(x)) / len(x)
    rates = rng.uniform(0.1, 0.3) * (1.2 - 0.7 * t) * (1 + 0.3 * np.tanh(x))
    decay = float(rng.uniform(0.8, 1.2) * strength)
    return rates.astype(x.dtype), decay


SHRINK = "1 - rates * decay"
SHRUNK = f"np.cumprod({SHRINK})"
ANSWER = "rates / (before * after)"
COUNT = "np.arange(len(rates))"
WITHOUT_DECAY = Exercise(
    identifier="rates-without-decay",
    title="Weight decay, turned into a schedule",
    section=Section(PAGE, SCHEDULE),
    difficulty=4,
    minutes=35,
    text=(
        "Under a constant rate, decay in front of a norm is a rate that grows as a power. "
        "Real rates rise, fall and pause. Derive which schedule the decay amounts to then."
    ),
    reference=rates_without_decay,
    outputs=("rates",),
    families=(
        Family("some steps", (6,)),
        Family("two steps", (2,)),
        Family("weak decay", (8,), options={"strength": 0.05}),
        Family("strong decay", (5,), options={"strength": 1.5}),
        Family("many steps", (25,), options={"strength": 0.2}),
        Family("float32", (7,), dtype="f4"),
    ),
    arguments=schedule_arguments,
    small=((2,), (3,)),
    hints=paragraphs("""
        Write W_t = a_t V_t, with a_0 = 1. What is the gradient in W_t, if you know the one
        in V_t? How does a shrink in one step, so that V needs no decay?

        a_{t+1} = (1 - rates[t] * decay) a_t, and dW_t = dV_t / a_t. Put both into the step,
        and divide by a_{t+1}.

        What stands in front of dV_t is rates[t] / (a_t a_{t+1}). The a are products of all
        factors so far: np.cumprod, and the same with a 1 in front.
    """),
    why=(
        "The gradient is larger where the weights are shorter: one factor a. The step is "
        "measured by weights that have shrunk once more: the other. With equal rates the "
        "product is q to the power of 2 t + 1."
    ),
)
WITHOUT_DECAY.mistake(
    "one-factor-only",
    "The rate is divided once: the gradient grows and the weights shrink.",
    {ANSWER: "rates / after"},
    {ANSWER: "rates / before"},
    heading=RATES,
)
WITHOUT_DECAY.mistake(
    "off-by-half-a-step",
    "The weights before and after the step both count: here one of them does twice.",
    {ANSWER: "rates / after**2"},
    {ANSWER: "rates / before**2"},
    {ANSWER: "rates * after[0] / after**2"},
)
WITHOUT_DECAY.mistake(
    "off-by-a-step",
    "The steps are counted wrongly.",
    {ANSWER: "rates / (before * after)[::-1]"},
    {"np.concatenate([[1.0], after[:-1]])": "np.append(after[1:], after[-1])"},
    {"np.concatenate([[1.0], after[:-1]])": "np.append(after[1:], 1.0)"},
    {"np.concatenate([[1.0], after[:-1]])": "np.concatenate([after[:1], after[:-1]])"},
    {"np.concatenate([[1.0], after[:-1]])": "np.roll(after, 1)"},
)
WITHOUT_DECAY.mistake(
    "as-if-constant",
    "This is the formula for equal rates: here every step has shrunk by its own factor.",
    *(
        {ANSWER: f"rates / ({q}) ** ({power})"}
        for q in (SHRINK, "1 - rates[0] * decay", "1 - rates.mean() * decay",
                  "1 - rates[-1] * decay")
        for power in (f"2 * {COUNT} + 1", f"2 * {COUNT}", f"2 * {COUNT} + 2",
                      f"2 * {COUNT} - 1", f"2 * {COUNT} + 3", COUNT, f"{COUNT} + 1")
    ),
    *(
        {ANSWER: f"rates / after ** ({power})"}
        for power in (f"2 * {COUNT} + 1", f"2 * {COUNT} + 2", COUNT)
    ),
    *(
        {ANSWER: f"rates[0] / (1 - rates[0] * decay) ** ({power})"}
        for power in (f"2 * {COUNT} + 1", f"2 * {COUNT} + 2", f"2 * {COUNT}", COUNT)
    ),
)  # fmt: skip
WITHOUT_DECAY.mistake(
    "earlier-steps-forgotten",
    "Only the decay of the present step is in it: what was lost before stays lost.",
    {ANSWER: f"rates / ({SHRINK})"},
    {ANSWER: f"rates / ({SHRINK}) ** 2"},
    {ANSWER: f"rates * ({SHRINK}) ** 2"},
    {ANSWER: f"rates / (({SHRINK}) * np.append(1, ({SHRINK})[:-1]))"},
    {ANSWER: f"rates / np.append(1, ({SHRINK})[:-1])"},
    {ANSWER: f"rates / np.append(1, ({SHRINK})[:-1]) ** 2"},
    {ANSWER: "rates * (1 + rates * decay)"},
    {ANSWER: "rates * (1 + rates * decay) ** 2"},
    {ANSWER: "rates * (1 + 2 * rates * decay)"},
)
WITHOUT_DECAY.mistake(
    "rate-falls",
    "The schedule falls: shorter weights turn faster in a step of the same size.",
    {ANSWER: "rates * before * after"},
    {ANSWER: "rates * after"},
    {ANSWER: "rates * before"},
    {ANSWER: "rates * after**2"},
    {ANSWER: "rates * before**2"},
    {ANSWER: "rates * after / before"},
    heading=RATES,
)
WITHOUT_DECAY.mistake(
    "decay-without-rate",
    "A step shrinks the weights by the product of rate and decay, not by the decay.",
    {SHRINK: "1 - decay + 0 * rates"},
    {ANSWER: "rates * (1 + decay)"},
    {ANSWER: "rates * (1 - decay)"},
    {ANSWER: "rates / (1 - decay)"},
    {ANSWER: "rates + decay"},
    {ANSWER: "rates - decay"},
    {ANSWER: f"rates / (1 - decay) ** (2 * {COUNT} + 1)"},
    {ANSWER: f"rates / (1 - decay) ** (2 * {COUNT})"},
    {ANSWER: f"rates / (1 - decay) ** {COUNT}"},
    {ANSWER: f"rates / (1 - decay) ** ({COUNT} + 1)"},
    {ANSWER: f"rates / (1 - decay) ** (2 * {COUNT} + 2)"},
)
WITHOUT_DECAY.mistake(
    "sum-for-product",
    "The losses are added up: a weight that has shrunk loses a share of what is left.",
    {SHRUNK: "1 - np.cumsum(rates * decay)"},
    {SHRUNK: f"np.cumsum({SHRINK})"},
    {SHRUNK: f"1 - rates * decay * ({COUNT} + 1)"},
    {ANSWER: "rates / (1 - decay * np.cumsum(rates)) ** 2"},
    {ANSWER: "rates / (1 - decay * np.cumsum(rates))"},
    {ANSWER: "rates * (1 + decay * (2 * np.cumsum(rates) - rates))"},
    {ANSWER: "rates * (1 + 2 * decay * np.cumsum(rates))"},
)
WITHOUT_DECAY.mistake(
    "exponential",
    "An exponential is close if the decay is weak: the factors themselves are meant.",
    {SHRUNK: "np.exp(-np.cumsum(rates * decay))"},
    {ANSWER: "rates * np.exp(2 * decay * np.cumsum(rates))"},
    {ANSWER: "rates * np.exp(decay * np.cumsum(rates))"},
    {ANSWER: "rates * np.exp(2 * decay * (np.cumsum(rates) - rates))"},
    {ANSWER: f"rates * np.exp(decay * rates * (2 * {COUNT} + 1))"},
    {ANSWER: f"rates * np.exp(2 * decay * rates * {COUNT})"},
)
WITHOUT_DECAY.mistake(
    "lost-for-left",
    "This is the share that a step takes away: what shrinks W is the rest.",
    {SHRINK: "rates * decay"},
    {ANSWER: "rates * decay"},
    {ANSWER: "rates * rates * decay"},
)
WITHOUT_DECAY.mistake(
    "decay-sign",
    "Decay makes weights shorter, not longer.",
    {SHRINK: "1 + rates * decay"},
)
WITHOUT_DECAY.mistake(
    "decay-doubled",
    "The decay is doubled: the step that is given has no factor 2.",
    {SHRINK: "1 - 2 * rates * decay"},
)
WITHOUT_DECAY.mistake(
    "decay-squared",
    "The shrinking has the wrong power in each step.",
    {SHRINK: "(1 - rates * decay) ** 2"},
    {SHRINK: "np.sqrt(1 - rates * decay)"},
    {ANSWER: "rates / (before * after) ** 2"},
    {ANSWER: "rates / np.sqrt(before * after)"},
)
WITHOUT_DECAY.mistake(
    "rates-forgotten",
    "This is the factor by which the rates change: the rates are missing.",
    {ANSWER: "1 / (before * after)"},
    {ANSWER: "before * after"},
    {ANSWER: "1 / after"},
    {ANSWER: "1 / before"},
    {ANSWER: "1 / after**2"},
    {ANSWER: "1 / before**2"},
    {ANSWER: "after.copy()"},
)
WITHOUT_DECAY.mistake(
    "first-rate-only",
    "Only the first rate grows here: each step has its own.",
    {ANSWER: "rates[0] / (before * after)"},
    {ANSWER: "rates[0] / after**2"},
    {ANSWER: "rates[0] / before**2"},
    {ANSWER: "rates[0] / after"},
    {ANSWER: "rates[0] * after[0] / after**2"},
    {ANSWER: "rates.mean() / (before * after)"},
)
WITHOUT_DECAY.mistake(
    "last-factor-for-all",
    "All steps get the factor of the last one: the weights shrink step by step.",
    {ANSWER: "rates / after[-1] ** 2"},
    {ANSWER: "rates / after[-1]"},
    {ANSWER: "rates / (before * after)[-1]"},
)
WITHOUT_DECAY.mistake(
    "from-the-end",
    "The products run from the end: what has shrunk is due to earlier steps.",
    {SHRUNK: f"np.cumprod(({SHRINK})[::-1])[::-1]"},
    {SHRUNK: f"np.cumprod(({SHRINK})[::-1])"},
)
GROWN = (
    "a, grown = 1.0, []\n"
    "    for rate in rates:\n"
    "        grown.append(rate / {power})\n"
    "        a *= 1 - grown[-1] * decay\n"
    "    return np.array(grown)"
)
WITHOUT_DECAY.mistake(
    "decay-grows-along",
    "The new rates make the decay stronger here: what shrinks W is the old rate.",
    {f"return {ANSWER}": GROWN.format(power="(a * a * (1 - rate * decay))")},
    {f"return {ANSWER}": GROWN.format(power="a**2")},
    {f"return {ANSWER}": GROWN.format(power="a")},
)
WITHOUT_DECAY.mistake(
    "nothing-done",
    "The rates come back as they are: decay in front of a norm does do something.",
    {ANSWER: "rates.copy()"},
)
WITHOUT_DECAY.mistake(
    "rates-added-up",
    "This is the distance covered so far: asked for is the rate of each step.",
    {ANSWER: "np.cumsum(rates / (before * after))"},
)
