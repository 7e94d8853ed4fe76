"""Questions about chapter 06: norm variants."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "06_norm_variants"
PAIRS = Section(PAGE, "Two examples are not enough")
SHARES = Section(PAGE, "One question: who shares the statistics?")
BACKWARD = Section(PAGE, "One backward pass")
BLIND = Section(PAGE, "What can a norm not see?")
MEANINGS = Section(PAGE, "Layer norm has two meanings")
BETWEEN = Section(PAGE, "Between layer and instance norm")
DROPPING = Section(PAGE, "Dropping the mean")
SIZE = Section(PAGE, "The experiment: batch size")
LIGHT = Section(PAGE, "Contrast that does not matter, and contrast that does")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "gradient-of-a-pair",
        "Batch norm is trained on batches of two, and the two values of a feature are "
        "clearly different. How much gradient reaches them?",
        Choice(
            "Hardly any",
            "Only the sign of their difference matters for the output, and a small change "
            "does not change it.",
            PAIRS,
        ),
        (
            Choice(
                "As much as in larger batches",
                "In larger batches two directions of m are lost. Of two values, no "
                "direction is left.",
                PAIRS,
            ),
            Choice(
                "Some 300 times as much",
                "That happens when the two are equal: then eps alone is under the root.",
                PAIRS,
            ),
            Choice(
                "Half as much, since half of the batch is missing",
                "The gradient does not shrink in proportion. It is lost, but for a "
                "remainder that eps leaves.",
                PAIRS,
            ),
        ),
    ),
    Question(
        "averages-over-25",
        "The input has 4 images with 12 channels of 5 by 5 places. Which norm averages "
        "over 25 numbers?",
        Choice(
            "Instance norm",
            "It averages over one channel of one image: 25 places.",
            SHARES,
        ),
        (
            Choice(
                "Batch norm",
                "It takes all images together: 4 times 25 numbers of one channel.",
                SHARES,
            ),
            Choice(
                "Layer norm over (C, H, W)",
                "It averages over one whole image: 12 times 25 numbers.",
                MEANINGS,
            ),
            Choice(
                "Group norm with 3 groups",
                "A group has 4 channels of one image, so 100 numbers share a mean. With "
                "12 groups it would be 25.",
                BETWEEN,
            ),
        ),
    ),
    Question(
        "image-times-3",
        "All pixels of one image are multiplied by 3; the other images stay. With eps "
        "negligible, which norm gives this image another output?",
        Choice(
            "Batch norm",
            "Its statistics come from all images, so the image now stands out against its "
            "neighbours.",
            BLIND,
        ),
        (
            Choice(
                "Layer norm",
                "It averages over this image alone, so a factor on all of it cancels.",
                BLIND,
            ),
            Choice(
                "Instance norm",
                "Every channel of the image is divided by its own spread, and the factor "
                "with it.",
                BLIND,
            ),
            Choice(
                "RMS norm",
                "It keeps the mean, but divides by the root of the mean square, which has "
                "the factor too.",
                DROPPING,
            ),
        ),
    ),
    Question(
        "image-plus-3",
        "3 is added to all pixels of one image. Which of these norms gives it another "
        "output?",
        Choice(
            "RMS norm",
            "It subtracts nothing, so it sees the shift.",
            DROPPING,
        ),
        (
            Choice(
                "Layer norm",
                "The image's own mean is subtracted, and the shift with it.",
                BLIND,
            ),
            Choice(
                "Instance norm",
                "The mean of every channel rises by 3 and is taken away.",
                LIGHT,
            ),
            Choice(
                "Group norm",
                "The shift is the same in all channels of a group, so the group's mean "
                "contains it.",
                BLIND,
            ),
        ),
    ),
    Question(
        "one-group",
        "Group norm with one group and layer norm over (C, H, W) have been trained for a "
        "while. In what can they differ?",
        Choice(
            "In gamma and beta",
            "Group norm has a pair for each channel, layer norm for each element: 32 "
            "numbers against 2,048 for 16 channels of 8 by 8.",
            BETWEEN,
        ),
        (
            Choice(
                "In nothing: these are two names for one layer",
                "They are equal at the start, when all gammas are 1. Layer norm can then "
                "give every pixel its own gamma.",
                MYTHS,
            ),
            Choice(
                "In the mean: layer norm takes it over the channels only",
                "With (C, H, W) layer norm averages over positions, too. Without them it "
                "would be another norm.",
                MYTHS,
            ),
            Choice(
                "In the batch: group norm takes groups of examples",
                "Its groups are channels of one example. No other example has a part in "
                "it.",
                SHARES,
            ),
        ),
    ),
    Question(
        "who-needs-running-averages",
        "Which of the five norms changes its answers when you call `eval()`?",
        Choice(
            "Batch norm alone",
            "Its statistics in training come from the batch, so they have to be replaced "
            "in use.",
            MYTHS,
        ),
        (
            Choice(
                "All five",
                "Four of them take their statistics from the example itself, which is "
                "there in use as well.",
                MYTHS,
            ),
            Choice(
                "Batch and instance norm",
                "Instance norm averages over the places of one image. It does the same in "
                "training and in use.",
                SHARES,
            ),
            Choice(
                "All but RMS norm, which has no mean",
                "What counts is not whether a mean is taken but over what: over other "
                "examples or not.",
                SHARES,
            ),
        ),
    ),
    Question(
        "two-images",
        "The convolutional network for 8 by 8 digits is trained with batch norm on two "
        "images at a time. What was found?",
        Choice(
            "It does as well as with eight.",
            "128 values share a mean in the first layer, and 32 after the stride. What "
            "counts is m, positions included.",
            SIZE,
        ),
        (
            Choice(
                "It fails, like the fully connected network on pairs.",
                "There m is 2. Here every image brings all its positions.",
                SIZE,
            ),
            Choice(
                "It is behind, as with every batch below 16.",
                "There is no such threshold. It depends on m, and on how much the task can "
                "bear.",
                SIZE,
            ),
            Choice(
                "It does worse than group norm, which ignores the batch.",
                "Group norm had no advantage here. In deep networks on photographs it has "
                "one at two images.",
                SIZE,
            ),
        ),
    ),
    Question(
        "one-more-word",
        "A text of five words, eight features each, gets a sixth word. Layer norm shall "
        "leave the first five words as they were. What must it average over?",
        Choice(
            "The features of one word",
            "Then no word sees another one, and a text may be padded.",
            MEANINGS,
        ),
        (
            Choice(
                "Words and features of one text",
                "Then the sixth word moves the mean of the first five.",
                MEANINGS,
            ),
            Choice(
                "One feature, over the words of a text",
                "The mean over the words contains the sixth, too. This is what instance "
                "norm does.",
                SHARES,
            ),
            Choice(
                "Any of them: layer norm looks at one text only",
                "It looks at no other text. Whether words meet depends on "
                "`normalized_shape`.",
                MEANINGS,
            ),
        ),
    ),
    Question(
        "faded-or-not",
        "An instance norm stands in front of a network. The task is to tell faded digits "
        "(a quarter of the contrast, plus grey) from ordinary ones. How well will it do?",
        Choice(
            "It can only guess.",
            "Faded and ordinary images come out of the norm alike. What is removed cannot "
            "be learned.",
            LIGHT,
        ),
        (
            Choice(
                "Better than without, since contrasts become comparable",
                "They become equal, and contrast was the answer.",
                LIGHT,
            ),
            Choice(
                "As well as without: gamma and beta restore the contrast",
                "They are the same for all images, so they cannot give back what differed "
                "from image to image.",
                BLIND,
            ),
            Choice(
                "As well as without, after longer training",
                "Two inputs that reach the first weights alike get the same answer, for "
                "whatever weights.",
                LIGHT,
            ),
        ),
    ),
    Question(
        "sum-of-dx",
        "Add up dx over the numbers that share statistics. For which norm is this "
        "sum not zero?",
        Choice(
            "RMS norm",
            "It notices when a constant is added to all of them. The others subtract it.",
            MYTHS,
        ),
        (
            Choice(
                "Layer norm, since gamma differs from element to element",
                "gamma is applied first, and then the mean of the product is taken away.",
                BACKWARD,
            ),
            Choice(
                "Group norm, since it mixes several channels",
                "Its sets are larger than those of instance norm, but each subtracts its "
                "own mean.",
                BACKWARD,
            ),
            Choice(
                "None: a norm always takes the mean away",
                "One of the five does not centre, and without centring one term of dx is "
                "missing.",
                BACKWARD,
            ),
        ),
    ),
    spot("group-norm", "interleaved", "batch-too", "layer-norm", "gamma-per-group"),
    spot(
        "layer-norm-backward",
        "batch-means",
        "statistics-constant",
        "gamma-late",
        "m-is-batch-size",
    ),
)
