"""Questions about chapter 07: training in practice."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "07_training_in_practice"
RATES = Section(PAGE, "Learning rate and initial scale")
DEPTH = Section(PAGE, "Depth")
SECONDS = Section(PAGE, "Steps and seconds")
SIZE = Section(PAGE, "The batch size, at the rate that it wants")
PARTS = Section(PAGE, "Gradient accumulation is not a large batch")
BIAS = Section(PAGE, "The bias that was left in")
FIRST = Section(PAGE, "Batch norm as the first layer")
REGULARISE = Section(PAGE, "Does it regularise?")
DROPPING = Section(PAGE, "Dropout before batch norm")
SCHEDULE = Section(PAGE, "Weight decay is a schedule")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "a-third-of-the-scale",
        "A network with batch norm trains well at rate 0.9. Somebody draws the hidden "
        "weights at a third of their scale. Which rate for them gives the old training?",
        Choice(
            "0.1",
            "What counts is the rate divided by the square of the scale. So it is a ninth "
            "of the rate.",
            RATES,
        ),
        (
            Choice(
                "0.3",
                "The gradient is three times as large, and the weights are three times as "
                "short. Both count.",
                RATES,
            ),
            Choice(
                "0.9",
                "The output of the network is the same. The gradient is not: it is three "
                "times as large.",
                RATES,
            ),
            Choice(
                "8.1",
                "That is right for weights drawn three times as large.",
                RATES,
            ),
        ),
    ),
    Question(
        "steps-at-a-price",
        "With batch norm a network needs 80 steps to its goal, without it 200. With the norm "
        "a step takes three times as long. Which of the two is there first?",
        Choice(
            "The plain one",
            "80 steps at three times the price are worth 240 plain ones.",
            SECONDS,
        ),
        (
            Choice(
                "The normalised one, in two fifths of the time",
                "That counts steps, and each of them costs three times as much.",
                MYTHS,
            ),
            Choice(
                "The normalised one, since it also ends more accurate",
                "The end is another question. After 400 steps the lead was about a point.",
                SECONDS,
            ),
            Choice(
                "Both, since the price of a step cancels",
                "Seconds are steps times seconds per step. Both factors differ here, and "
                "their product does too.",
                SECONDS,
            ),
        ),
    ),
    Question(
        "deeper-than-ten",
        "Batch norm and ten hidden layers after 60 steps, or thirty after 80, each at the "
        "best of a few rates. How did thirty layers do?",
        Choice(
            "Clearly worse than ten",
            "The layer does not make depth free: at the start its gradients grow with "
            "depth.",
            DEPTH,
        ),
        (
            Choice(
                "As well, since every layer gets standardised input",
                "Going forward the sizes are pinned. Going backward the gradients grow with "
                "depth.",
                DEPTH,
            ),
            Choice(
                "Better, since more layers can express more",
                "What a network can express does not help while it can hardly be trained.",
                DEPTH,
            ),
            Choice(
                "As well, but only at the smaller rate",
                "It had a choice of rates, and was behind at the best one.",
                DEPTH,
            ),
        ),
    ),
    Question(
        "pairs-at-the-best-rate",
        "Batches of two images, and several rates to choose from. Which network reads more "
        "test images?",
        Choice(
            "The plain one",
            "No rate rescued batch norm there: of two values little but the sign of their "
            "difference is left.",
            SIZE,
        ),
        (
            Choice(
                "The normalised one, which stands larger rates",
                "At 64 images that was its advantage. With pairs the statistics are at "
                "fault, not the rate.",
                SIZE,
            ),
            Choice(
                "Both read as many, each at its own rate",
                "About so it was with batches of eight. With pairs a better rate did not "
                "suffice.",
                SIZE,
            ),
            Choice(
                "The normalised one, if 32 pairs are accumulated for a step",
                "That averages the gradients. The statistics are still those of pairs.",
                PARTS,
            ),
        ),
    ),
    Question(
        "ten-and-fifty-four",
        "A network with layer norm gets 64 examples in parts of 10 and 54. Somebody takes "
        "the mean of the two gradients, each of its part's mean loss. What is wrong?",
        Choice(
            "An example of the small part counts 5.4 times as much",
            "Each part gets half of the weight. By their sizes they should get 10/64 and "
            "54/64.",
            PARTS,
        ),
        (
            Choice(
                "Nothing: with layer norm parts give the gradient of the whole",
                "They do if each part has the weight of its size. Equal weights fit equal "
                "parts.",
                PARTS,
            ),
            Choice(
                "The statistics: ten examples are too few for them",
                "Layer norm takes its statistics from one example. How many are in a part "
                "does not matter.",
                PARTS,
            ),
            Choice(
                "Gradients are added, not averaged",
                "The sum of two mean gradients is about twice as long as that of the whole.",
                PARTS,
            ),
        ),
    ),
    Question(
        "what-moves-the-bias",
        "In float32 Adam moves a bias in front of a batch norm, and SGD leaves it where it "
        "is. What drives it?",
        Choice(
            "Rounding errors, divided by their own size",
            "But for rounding the gradient is zero. Adam divides it by its typical size, plus "
            "1e-8, and makes steps of it.",
            BIAS,
        ),
        (
            Choice(
                "The effect that a bias has through eps",
                "It has none: a constant leaves with the mean, and the variance does not "
                "see it, whatever eps is.",
                BIAS,
            ),
            Choice(
                "The running mean, which follows the bias",
                "It follows and does not pull. In training mode the output does not depend "
                "on it.",
                BIAS,
            ),
            Choice(
                "Momentum: SGD with momentum would move it as well",
                "Momentum adds up ten or so gradients of rounding size. Without a division "
                "that remains small.",
                BIAS,
            ),
        ),
    ),
    Question(
        "test-by-its-own",
        "The test images are standardised by their own mean and spread, and not by those of "
        "the training images. What follows?",
        Choice(
            "The answer for an image depends on which others are tested",
            "Its pixels are measured by its neighbours. Tested alone, nothing would be left of "
            "an image.",
            FIRST,
        ),
        (
            Choice(
                "Better answers, as with a batch norm as first layer",
                "In evaluation mode that layer uses what it collected in training, and not "
                "the test images.",
                FIRST,
            ),
            Choice(
                "Nothing, since standardised images have mean 0 and spread 1 anyway",
                "So they have, by other numbers. The same picture arrives at the weights as "
                "another one.",
                FIRST,
            ),
            Choice(
                "Knowledge of the training images leaks into the test",
                "That is no leak: what training has shown may be used. Here it is what is "
                "missing.",
                FIRST,
            ),
        ),
    ),
    Question(
        "what-is-thrown-away",
        "A batch of 32 examples with 50 features goes through a batch norm. How many numbers "
        "do you need besides the standardised ones to get the batch back?",
        Choice(
            "100",
            "A mean and a standard deviation for each feature. With them the input comes "
            "back exactly.",
            REGULARISE,
        ),
        (
            Choice(
                "None",
                "Twice the batch gives the same output, but for eps. So something is lost.",
                REGULARISE,
            ),
            Choice(
                "64",
                "Two for each example: that is layer norm.",
                REGULARISE,
            ),
            Choice(
                "All 1,600, since detail is lost everywhere",
                "No detail is lost. A smaller picture loses detail, a norm a few numbers "
                "per feature.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "spread-in-use",
        "A feature with mean 0 and variance 1 goes through dropout with p = 0.5, and then "
        "through a batch norm. Which spread have its standardised values in use?",
        Choice(
            "0.71",
            "In training the variance is 2, and the norm remembers that. In use it is 1, and "
            "the root of 1/2 is left.",
            DROPPING,
        ),
        (
            Choice(
                "1.00",
                "The division by 1 - p keeps the mean at its size. It does not keep the "
                "variance.",
                DROPPING,
            ),
            Choice(
                "0.50",
                "That is the variance in use. The spread is its root.",
                DROPPING,
            ),
            Choice(
                "1.41",
                "That is how large the spread in front of the norm is in training. The norm "
                "divides by it.",
                DROPPING,
            ),
        ),
    ),
    Question(
        "ten-steps-of-decay",
        "Weights in front of a norm (eps = 0), rate 0.1, weight decay 0.5. By which factor "
        "has the rate grown after ten steps, in terms of weights that do not decay?",
        Choice(
            "2.8",
            "A step leaves 0.95 of the weights, and this counts twice: 0.95 to the power of "
            "-20.",
            SCHEDULE,
        ),
        (
            Choice(
                "1.7",
                "That is 0.95 to the power of -10, by which the gradient grows. The weights "
                "are shorter as well.",
                RATES,
            ),
            Choice(
                "0.36",
                "That is the other way round: shorter weights turn further in one step.",
                SCHEDULE,
            ),
            Choice(
                "1.0, since decay changes the weights and not the rate",
                "The function does not see how long they are. What is left of the decay is "
                "that they turn faster.",
                MYTHS,
            ),
        ),
    ),
    spot(
        "standardise-once",
        "own-statistics",
        "all-data-together",
        "variance-for-deviation",
        "unbiased-deviation",
        edit=1,
    ),
    spot(
        "gradient-in-parts",
        "parts-count-alike",
        "whole-batch-statistics",
        "weighted-twice",
        "cut-off-by-one",
    ),
)
