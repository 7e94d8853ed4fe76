"""Questions about chapter 05: inference statistics."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "05_inference_statistics"
OPENING = Section(PAGE, "An answer that depends on the neighbours")
NEIGHBOURS = Section(PAGE, "How far the neighbours move one value")
BELONG = Section(PAGE, "Statistics that belong to the data")
AVERAGES = Section(PAGE, "Running averages")
MEMORY = Section(PAGE, "How long it remembers, and how noisy it is")
WORD = Section(PAGE, "Two conventions for one word")
AGAIN = Section(PAGE, "Measuring again")
BIASED = Section(PAGE, "Biased or unbiased?")
KEPT = Section(PAGE, "What is learned, what is kept, what is saved")
LABORATORY = Section(PAGE, "A laboratory of train() and eval()")
UNMIXED = Section(PAGE, "Batches that are not mixed")
CHEATING = Section(PAGE, "The cheating game")
CONTRAST = Section(PAGE, "Test data with another contrast")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "momentum-copied",
        "Somebody moves a network from ONNX to PyTorch and copies momentum = 0.9. What "
        "will its running statistics be like after more training?",
        Choice(
            "Noisy: nearly those of the last batch",
            "In PyTorch 0.9 is the weight of the new value. The average is worth 1.2 "
            "batches instead of 19.",
            WORD,
        ),
        (
            Choice(
                "As before, since 0.9 is 0.9",
                "One library multiplies the old value by it, the other the new one. 0.9 "
                "there is 0.1 here.",
                WORD,
            ),
            Choice(
                "Stale: they remember too much of the start",
                "A weight of 0.9 for the new value leaves 0.1 of all that came before. "
                "The start is gone after a few steps.",
                MEMORY,
            ),
            Choice(
                "Right, but the training overshoots",
                "That is what the optimiser's momentum may do. Nothing in training looks "
                "at the running averages.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "no-grad-alone",
        "A PyTorch network in training mode answers test images under `no_grad()`. What "
        "changes in its batch norm layers?",
        Choice(
            "The running mean and variance",
            "Every forward pass in training mode moves them. Only `eval()` stops that.",
            LABORATORY,
        ),
        (
            Choice(
                "Nothing, since no gradient is recorded",
                "The running averages are moved by the forward pass, not by a gradient.",
                MYTHS,
            ),
            Choice(
                "gamma and beta",
                "These follow their gradients in a step of an optimiser, and there is "
                "none.",
                KEPT,
            ),
            Choice(
                "Nothing, since the running averages are used",
                "They are used in evaluation mode. In training mode each batch is "
                "standardised by itself, and goes into the averages.",
                LABORATORY,
            ),
        ),
    ),
    Question(
        "keep-it-frozen",
        "A PyTorch network is fine-tuned, and `network.train()` is called before every "
        "epoch. How do you keep one of its batch norm layers as it is, statistics "
        "included?",
        Choice(
            "Give the layer a `train()` that leaves it in evaluation mode.",
            "Then nobody can wake it, and in evaluation mode its statistics stand "
            "still. Its gamma and beta would still learn: leave them out of the "
            "optimiser besides.",
            LABORATORY,
        ),
        (
            Choice(
                "Call `requires_grad_(False)` on it.",
                "That stops the parameters. The statistics are not parameters, and move "
                "on.",
                MYTHS,
            ),
            Choice(
                "Call `eval()` on it before training starts.",
                "The next `train()` of the whole network puts the layer back into "
                "training mode.",
                LABORATORY,
            ),
            Choice(
                "Leave its parameters out of the optimiser.",
                "The optimiser never knew the running statistics. The forward pass moves "
                "them.",
                KEPT,
            ),
        ),
    ),
    Question(
        "quarter-contrast",
        "Digits are shown with a quarter of the contrast that they had in training. Which "
        "network loses most?",
        Choice(
            "Batch norm with running statistics",
            "The dim image is measured against the mean and variance of bright ones.",
            CONTRAST,
        ),
        (
            Choice(
                "A network without any norm",
                "Rectifiers let a positive factor through, so the largest score mostly "
                "stays the largest.",
                CONTRAST,
            ),
            Choice(
                "Batch norm with statistics of mixed test batches",
                "These shrink along with the images. In the first layer the factor "
                "cancels, apart from eps.",
                CONTRAST,
            ),
            Choice(
                "None: all three lose the same",
                "Between the first and the last lay more than 0.1 of accuracy in every "
                "run.",
                CONTRAST,
            ),
        ),
    ),
    Question(
        "first-update",
        "A new PyTorch layer with momentum 0.1 gets the batch 1, 3 (one feature) in "
        "training mode. What is its running variance afterwards?",
        Choice(
            "1.1",
            "The unbiased variance is 2, and 0.9 * 1 + 0.1 * 2 = 1.1.",
            BIASED,
        ),
        (
            Choice(
                "1.0",
                "That comes of the biased variance, 1, which PyTorch uses to normalise. "
                "It stores the unbiased one; Keras, Flax and ONNX do not.",
                BIASED,
            ),
            Choice(
                "1.9",
                "Here the new value has the weight 0.9. In PyTorch momentum is the weight "
                "of the new value: 0.1.",
                WORD,
            ),
            Choice(
                "2.0",
                "That is the variance of this batch alone. An average moves a little way "
                "towards it.",
                AVERAGES,
            ),
        ),
    ),
    Question(
        "half-forgotten",
        "A running average has momentum 0.01 (PyTorch's meaning). After how many steps has "
        "the starting value lost half of its weight?",
        Choice(
            "69",
            "The start has the weight 0.99 to the power of t, which is one half at t = 69.",
            MEMORY,
        ),
        (
            Choice(
                "50",
                "So it would be if each step took away 1 % of the start's first weight. It "
                "takes 1 % of what is left.",
                MEMORY,
            ),
            Choice(
                "100",
                "That is about the mean age of what the average holds. A share of 0.37 of "
                "the start is left then.",
                MEMORY,
            ),
            Choice(
                "7",
                "That is right for momentum 0.1. A tenth of the momentum takes ten times "
                "as long.",
                MEMORY,
            ),
        ),
    ),
    Question(
        "no-cure",
        "Every batch of training was one recording session with its own large offset, and "
        "the label says who is above the session's mean. In training mode all answers are "
        "right, in evaluation mode hardly more than half. Which statistics help?",
        Choice(
            "None",
            "A single value says next to nothing about its label, whatever is subtracted. "
            "The answer was in the batch.",
            CHEATING,
        ),
        (
            Choice(
                "Precise ones, measured again with `update_bn`",
                "They cure statistics that are noisy, that lag or that were lost. Here the "
                "network learned to read the batch.",
                MYTHS,
            ),
            Choice(
                "Running ones with a longer memory",
                "They come closer to the mean over all sessions. But a session typically "
                "lies ten spreads away from it.",
                CHEATING,
            ),
            Choice(
                "Those of all training data at once",
                "That was tried too: hardly better than a coin. One constant cannot "
                "replace the mean of each session.",
                CHEATING,
            ),
        ),
    ),
    Question(
        "batches-in-use",
        "A network in evaluation mode gets its test images in batches. What does the size "
        "of a batch change?",
        Choice(
            "Nothing in the answers",
            "Mean and variance are fixed, so each image gets the answer that it would get "
            "alone.",
            OPENING,
        ),
        (
            Choice(
                "The larger, the more reliable the answers",
                "That is so in training mode, where the statistics come from the batch.",
                OPENING,
            ),
            Choice(
                "It must be that of training",
                "The running averages stand for all data, not for batches of one size.",
                BELONG,
            ),
            Choice(
                "There are no batches then, only single images",
                "There may well be batches in use. What must not happen is that an answer "
                "depends on them.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "scatter-of-one-example",
        "In training mode one example, near the mean of its feature, is standardised again "
        "and again, each time with 63 other examples. By how much does its standardised "
        "value scatter?",
        Choice(
            "By about 0.13",
            "The batch mean is off by a standard deviation of 1 divided by the root of 64, "
            "and the example moves with it.",
            NEIGHBOURS,
        ),
        (
            Choice(
                "Not at all: its own value stays the same",
                "Its value stays, but what is subtracted and divided by belongs to the "
                "batch.",
                OPENING,
            ),
            Choice(
                "By about 0.016",
                "That is 1/64. Independent errors add in squares, so the scatter falls "
                "with the root of m.",
                NEIGHBOURS,
            ),
            Choice(
                "By about 1",
                "Single values scatter by 1. The mean of 64 of them is eight times as "
                "steady.",
                NEIGHBOURS,
            ),
        ),
    ),
    Question(
        "one-class-a-batch",
        "Every training batch holds images of one class only. A network with batch norm "
        "then guesses in evaluation mode. What repairs it?",
        Choice(
            "Training on mixed batches, or with constant statistics",
            "With constant statistics the same one-class batches did no harm. The "
            "statistics of the batch were the cause.",
            UNMIXED,
        ),
        (
            Choice(
                "Statistics measured again on mixed batches",
                "The weights have learned to read the class off the whole batch. Better "
                "statistics do not change weights.",
                UNMIXED,
            ),
            Choice(
                "Training longer",
                "After 2,000 steps it was mostly right in training mode and still guessed "
                "in evaluation mode.",
                UNMIXED,
            ),
            Choice(
                "Answering in training mode",
                "That works only for batches of one class, where who sorts the images "
                "must know the answers. Nor may an answer depend on neighbours.",
                OPENING,
            ),
        ),
    ),
    spot(
        "train-and-eval",
        "biased-running-variance",
        "unbiased-in-output",
        "momentum-reversed",
        "running-statistics-in-training",
    ),
    spot(
        "merge-moments",
        "between-forgotten",
        "delta-not-squared",
        "counts-ignored",
        "weights-swapped",
    ),
)
