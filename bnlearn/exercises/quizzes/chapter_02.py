"""Questions about chapter 02: normalization."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "02_normalization"
SIZE = Section(PAGE, "Why size and position matter")
FORMULA = Section(PAGE, "The formula, first with a pencil")
QUIET = Section(PAGE, "What eps does to a quiet pixel")
ALONE = Section(PAGE, "What standardising leaves alone")
SPHERE = Section(PAGE, "The sphere")
ERROR = Section(PAGE, "How wrong are the statistics of a batch?")
SCALE = Section(PAGE, "The experiment: initial scale")
AXES = Section(PAGE, "Which axes?")
CODE = Section(PAGE, "The code, and why it is not one line")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "largest-value",
        "A feature is standardised over a batch of 101 examples, with eps = 0. How large "
        "can a value become?",
        Choice(
            "At most 10",
            "The bound is the root of m - 1, which a single outlier reaches.",
            SPHERE,
        ),
        (
            Choice(
                "At most 1",
                "The standard deviation is a typical distance from the mean, not the"
                " largest one: unless all distances are 1, some are larger.",
                SPHERE,
            ),
            Choice(
                "At most 3",
                "A bell curve seldom goes beyond 3, but standardising makes no bell. A "
                "single outlier goes further.",
                ALONE,
            ),
            Choice(
                "As large as you like",
                "An outlier raises the standard deviation by which it is divided, so its "
                "size cancels. All squares together sum to m.",
                SPHERE,
            ),
        ),
    ),
    Question(
        "correlation",
        "Two features have a correlation of 0.95. What is it after batch normalization?",
        Choice(
            "0.95",
            "A correlation is a mean of products of standardised values, and standardising "
            "twice is standardising once.",
            ALONE,
        ),
        (
            Choice(
                "0, as for all standardised features",
                "That would be whitening, which needs a matrix root and mixes features. "
                "Batch normalization works on each feature alone.",
                ALONE,
            ),
            Choice(
                "1, since both now have the same mean and variance",
                "Equal means and variances do not make values equal: the features still "
                "disagree on some examples.",
                FORMULA,
            ),
            Choice(
                "Smaller, since both are divided by their standard deviation",
                "The correlation is divided by these standard deviations already, so a "
                "change of scale cancels.",
                ALONE,
            ),
        ),
    ),
    Question(
        "quiet-feature",
        "A feature has the standard deviation 0.01. What is it after batch normalization "
        "with eps = 0.001?",
        Choice(
            "About 0.3",
            "The variance becomes v / (v + eps) = 0.0001 / 0.0011, and the root of that "
            "is 0.30.",
            QUIET,
        ),
        (
            Choice(
                "1, by definition",
                "It is 1 only for features that are lively compared with the root of eps, "
                "0.03. This one is quieter.",
                QUIET,
            ),
            Choice(
                "About 0.09",
                "That is v / (v + eps), the variance. The standard deviation is its root.",
                QUIET,
            ),
            Choice(
                "0, since it counts as constant",
                "Only a feature that does not vary at all becomes 0. A quiet one stays "
                "quiet.",
                QUIET,
            ),
        ),
    ),
    Question(
        "new-layer-in-use",
        "A new batch norm layer that has never seen data is put into inference mode. What "
        "does it do to a batch?",
        Choice(
            "Next to nothing",
            "It believes in a mean of 0 and a variance of 1, so it divides by the root of "
            "1 + eps.",
            MYTHS,
        ),
        (
            Choice(
                "It standardises the batch",
                "In inference mode the statistics of the batch are not used. The same "
                "happens to `BatchNormalization()(x)` in Keras, unless training is asked "
                "for.",
                MYTHS,
            ),
            Choice(
                "It refuses, for want of statistics",
                "A new layer has statistics, only wrong ones: mean 0 and variance 1. No "
                "error gives the mistake away.",
                MYTHS,
            ),
            Choice(
                "It returns zeros",
                "Zeros would come out if each value were its own mean. Here the mean that "
                "is subtracted is 0.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "mean-of-5",
        "One linear unit with a bias learns from a feature with mean 5 and standard "
        "deviation 1. Gradient descent is slow. What is the cause?",
        Choice(
            "The mean ties the weight to the bias.",
            "Raising one can be undone by lowering the other: a long narrow valley, with "
            "a condition number of 727. Subtract the mean, and it is 1.",
            SIZE,
        ),
        (
            Choice(
                "The values are too large; dividing them by 5 would cure it.",
                "Then the mean is 1 and the standard deviation 0.2, and the valley is "
                "still there, with a condition number of 102.",
                SIZE,
            ),
            Choice(
                "The learning rate is too small; ten times the rate would cure it.",
                "The largest stable rate is set by the steep direction, and here it is "
                "0.07. Beyond that the descent diverges.",
                SIZE,
            ),
            Choice(
                "The standard deviation is too small; multiplying by 5 would cure it.",
                "Then the mean is 25 and the standard deviation 5: the valley is narrower "
                "still, and the largest stable rate smaller.",
                SIZE,
            ),
        ),
    ),
    Question(
        "mean-of-a-channel",
        "A convolutional layer averages 8 images of 8 by 8 places: 512 values behind the "
        "mean of a channel. How far is this mean off, compared with that of 512 "
        "independent values?",
        Choice(
            "More or less, depending on the channel",
            "Neighbours that agree make the mean scatter more. The differences that an "
            "edge filter takes cancel in the sum, so its mean scatters less.",
            AXES,
        ),
        (
            Choice(
                "Just as far, since m = NHW",
                "NHW is the number of values. How much they tell depends on whether they "
                "are independent, and pixels of one image are not.",
                AXES,
            ),
            Choice(
                "Always further, since pixels are alike",
                "For the edge filters of the chapter it is less far: along a row, last "
                "minus first is all that remains.",
                AXES,
            ),
            Choice(
                "As far as that of 8 values, one for each image",
                "That would need all places of an image to hold the same value.",
                AXES,
            ),
        ),
    ),
    Question(
        "variance-of-pairs",
        "Batches of 2 are drawn from data with variance 1. What is the biased variance of "
        "a batch on average?",
        Choice(
            "0.5",
            "It is (m - 1)/m of the true variance, because it is measured around the "
            "batch's own mean.",
            ERROR,
        ),
        (
            Choice(
                "1, since too large and too small ones balance",
                "They balance around a value that is too small: the batch's own mean is "
                "closer to its values than the true mean.",
                ERROR,
            ),
            Choice(
                "2, since small batches scatter more",
                "The means of small batches scatter more from batch to batch. Within a "
                "batch the deviations become smaller.",
                ERROR,
            ),
            Choice(
                "0.71, the root of one half",
                "The root belongs to the scatter of the mean, 1 divided by the root of "
                "m. The variance loses the share 1/m.",
                ERROR,
            ),
        ),
    ),
    Question(
        "safe-variance",
        "In float32, 65,536 values have mean 10,000 and standard deviation 1. Which way to "
        "the variance can be trusted?",
        Choice(
            "Subtract a rough mean first, then correct by what it missed.",
            "What is left is small, so its sums are small, and the identity holds for "
            "every guess.",
            CODE,
        ),
        (
            Choice(
                "Take the mean of the squares minus the square of the mean.",
                "That is the difference of two numbers near 100 million, where float32 "
                "numbers are 8 apart.",
                CODE,
            ),
            Choice(
                "Add up the values one after the other for the mean, then the "
                "squared deviations from it.",
                "The running sum grows so large that the mean comes out wrong, and "
                "the variance is then measured around the wrong point.",
                CODE,
            ),
            Choice(
                "Take any formula, with a larger eps.",
                "eps keeps a division safe. Digits that were lost before do not come "
                "back.",
                QUIET,
            ),
        ),
    ),
    Question(
        "initial-scale",
        "Seven initial scales were tried with and without batch norm. What came out?",
        Choice(
            "It trained at all seven, and at good scales it gained little.",
            "Where the plain network works at all, well chosen weights do nearly the same "
            "job.",
            SCALE,
        ),
        (
            Choice(
                "It was far better at all seven.",
                "At the scales 0.1 and 0.3 the plain network works too, and the gain was "
                "a few points or nothing.",
                SCALE,
            ),
            Choice(
                "It made the scale irrelevant: all seven gave the same.",
                "Large scales cost accuracy. Large weights in front of a batch norm have "
                "small gradients and turn slowly.",
                SCALE,
            ),
            Choice(
                "It was best at large scales, where the plain network fails.",
                "It was best at small ones. At large ones it was ahead of the plain "
                "network, but below what it reached elsewhere.",
                SCALE,
            ),
        ),
    ),
    spot(
        "standardise",
        "eps-outside",
        "root-forgotten",
        "eps-squared",
        "mean-square-for-variance",
    ),
    spot(
        "channel-statistics",
        "reshape-mixes",
        "per-image",
        "per-place",
        "m-is-batch-size",
    ),
)
