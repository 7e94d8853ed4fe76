"""Questions about chapter 01: covariate shift."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "01_covariate_shift"
THREE = Section(PAGE, "Three things that can move")
DIGITS = Section(PAGE, "A shift on real digits")
WEIGHTS = Section(PAGE, "Weights that turn one distribution into another")
COST = Section(PAGE, "What weights cost")
REPAIR = Section(PAGE, "What weights cannot repair")
INSIDE = Section(PAGE, "Inside a network")
CHAIN = Section(PAGE, "Ten weights that surprise each other")
INTERNAL = Section(PAGE, "Internal covariate shift")
WATCHING = Section(PAGE, "Watching it, with and without batch norm")
CLAIMS = Section(PAGE, "What was claimed in 2015")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "more-sevens",
        "Images are dealt into training and use by a coin that looks only at how far the "
        "writing leans. In use there turn out to be many more sevens. What kind of shift "
        "is this?",
        Choice(
            "A covariate shift.",
            "The coin looked at x and never at y, so p(y | x) is the same in both parts. "
            "The mix of answers moves along, because sevens lean one way.",
            DIGITS,
        ),
        (
            Choice(
                "A label shift, since the mix of answers has moved.",
                "In a label shift p(x | y) stays. Here the sevens in use lean differently "
                "from those in training.",
                THREE,
            ),
            Choice(
                "A concept shift, since the sevens in use look different.",
                "In a concept shift the same image has another right answer. Here every "
                "image keeps its answer.",
                THREE,
            ),
            Choice(
                "No shift, since the coin never saw a label.",
                "It saw x, so p(x) has moved. That it did not see the label says only "
                "that p(y | x) stayed.",
                DIGITS,
            ),
        ),
    ),
    Question(
        "half-the-weights",
        "An average over 100 training examples uses importance weights. Fifty of them are "
        "2, the other fifty are 0. The weighted average is as noisy as a plain average of "
        "how many examples?",
        Choice(
            "50",
            "The square of the sum of the weights, divided by the sum of their squares, "
            "is 10,000 / 200. Fifty examples do all the work, and equally.",
            COST,
        ),
        (
            Choice(
                "100, since the weights are 1 on average",
                "The average of the weights says whether training covers what occurs in "
                "use. The noise depends on their squares.",
                REPAIR,
            ),
            Choice(
                "25, since half are gone and the rest count double",
                "Counting all that is left double changes nothing: the sum is divided by "
                "the sum of the weights.",
                COST,
            ),
            Choice(
                "200, since the sum of the squares is 200",
                "Weights add no information. At best, if all are equal, 100 examples are "
                "worth 100.",
                COST,
            ),
        ),
    ),
    Question(
        "mean-of-weights",
        "Weights p1(x)/p0(x) have been estimated. Their effective sample size is 200, and "
        "their mean over the training data is 0.02. What follows?",
        Choice(
            "Training covers little of what occurs in use.",
            "The mean of the weights is the share of p1 that lies where training has "
            "been. It should be near 1.",
            REPAIR,
        ),
        (
            Choice(
                "All is well: 200 effective examples are plenty.",
                "The effective sample size says how evenly the weights are spread, not "
                "whether the examples resemble those in use. For the photocopies it "
                "looked healthy.",
                REPAIR,
            ),
            Choice(
                "All weights should be multiplied by 50.",
                "A common factor changes neither the weighted fit nor the effective "
                "sample size, and it adds no image of a kind that is missing.",
                WEIGHTS,
            ),
            Choice(
                "Hardly anything has moved.",
                "If nothing had moved, p1/p0 would be 1 everywhere, and so would the "
                "mean.",
                WEIGHTS,
            ),
        ),
    ),
    Question(
        "first-step-of-adam",
        "One weight has the derivative 0.001, another one 10. Adam makes its first step, "
        "with learning rate 0.003. How far do they move?",
        Choice(
            "Both by about 0.003.",
            "Adam divides by the typical size of a derivative. In the first step that is "
            "the derivative itself, and the learning rate is left.",
            INSIDE,
        ),
        (
            Choice(
                "The first by 0.000003, the second by 0.03.",
                "That is the rate times the derivative: plain gradient descent.",
                INSIDE,
            ),
            Choice(
                "As far as Adam finds best, whatever rate it is given.",
                "Adam balances the weights against each other. How far they go is set by "
                "the rate, and too small a rate is too small for Adam as well.",
                INSIDE,
            ),
            Choice(
                "Only the second one moves.",
                "A small derivative is divided by its own small size. Only a derivative "
                "of exactly 0 means no step.",
                INSIDE,
            ),
        ),
    ),
    Question(
        "order-of-training",
        "In which order do the layers of a network change in one step of training?",
        Choice(
            "All at once.",
            "The backward pass only computes. The step then moves every weight, by a "
            "derivative taken while all others were where they had been.",
            INSIDE,
        ),
        (
            Choice(
                "From the last layer to the first.",
                "That is the order in which derivatives are computed. No weight changes "
                "on the way.",
                MYTHS,
            ),
            Choice(
                "From the first layer to the last, as the data pass through.",
                "That is the order of the forward pass, which changes no weight.",
                INSIDE,
            ),
            Choice(
                "One layer a step, so that the others can adapt.",
                "Moved one after the other, with fresh derivatives, weights would keep "
                "their promises. Training does not wait for that.",
                CHAIN,
            ),
        ),
    ),
    Question(
        "five-weights-up",
        "Five weights in a row, y = w1 w2 w3 w4 w5, are all 1. Raising any one of them "
        "by 0.2 raises y by 0.2. What is y when all five are raised at once?",
        Choice(
            "About 2.5",
            "It is 1.2 to the fifth power, 2.49. Each weight meets four others that have "
            "grown already.",
            CHAIN,
        ),
        (
            Choice(
                "2, since five times 0.2 is 1",
                "That is the promise to first order. It leaves out the pairs of weights "
                "that move together.",
                CHAIN,
            ),
            Choice(
                "Less than 2, since steps get in each other's way",
                "On the way down all together fall short of the promise; on the way up "
                "they overshoot it.",
                CHAIN,
            ),
            Choice(
                "1.2, since the weights are in a row",
                "That would be one weight alone. In a row their factors multiply.",
                CHAIN,
            ),
        ),
    ),
    Question(
        "internal-shift",
        "Which of these is internal covariate shift?",
        Choice(
            "After 100 steps the input of layer 3 has another distribution than before.",
            "It is a change over time of what enters one layer, caused by the steps of "
            "the layers below.",
            INTERNAL,
        ),
        (
            Choice(
                "The input of layer 3 has another distribution than the input of layer 2.",
                "That compares two layers at one time. It is there before anything is "
                "learned, and renumbering units changes it.",
                INTERNAL,
            ),
            Choice(
                "The images in use come from another scanner than those of training.",
                "That is a covariate shift of the input of the network, between training "
                "and use. 'Internal' is about what happens while a network trains.",
                THREE,
            ),
            Choice(
                "Layer 3 is given other examples at every step.",
                "Other examples make numbers scatter from batch to batch. The shift is "
                "what changed weights do to the same examples: a fixed probe shows it.",
                INTERNAL,
            ),
        ),
    ),
    Question(
        "what-is-pinned",
        "A batch norm stands in front of every rectifier of a network. What does it hold "
        "nearly steady?",
        Choice(
            "The mean and the spread of every unit, during training.",
            "These two numbers are what the layer sets. Only its two trained numbers per "
            "unit can move them.",
            WATCHING,
        ),
        (
            Choice(
                "To which images a unit responds.",
                "That changes with batch norm nearly as much as without it. It must, or "
                "nothing would be learned there.",
                WATCHING,
            ),
            Choice(
                "The whole distribution of what every unit puts out.",
                "Two numbers of each distribution are held. Its shape, and how units "
                "vary together, are free.",
                WATCHING,
            ),
            Choice(
                "The answers of the network when the inputs in use shift.",
                "In use it applies averages that were collected in training. If the "
                "inputs shift, these averages are wrong.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "factor-of-14",
        "Batch norm is often said to need 14 times fewer steps. For what was this factor "
        "reported?",
        Choice(
            "For batch norm with a larger learning rate, no dropout and other changes.",
            "2.1 million steps instead of 31 million were needed by a network with five "
            "times the learning rate and several other changes.",
            CLAIMS,
        ),
        (
            Choice(
                "For an Inception network to which batch norm was added, nothing else.",
                "That one needed 13.3 million steps instead of 31 million: a factor of "
                "2.3.",
                CLAIMS,
            ),
            Choice(
                "For networks in general, whatever their depth and task.",
                "It was one network on one data set. The rectifier networks of this "
                "chapter learn about as much with and without batch norm.",
                WATCHING,
            ),
            Choice(
                "For a network whose internal covariate shift had been removed, and for "
                "that reason.",
                "That the shift is the reason was proposed, not measured. Shift and speed "
                "were observed side by side.",
                CLAIMS,
            ),
        ),
    ),
    Question(
        "weights-times-0.7",
        "A network with twenty hidden rectifier layers has well chosen initial weights. "
        "All of them are multiplied by 0.7. What happens to the gradient that arrives at "
        "the first layer, compared with the one that arrives at the last hidden layer?",
        Choice(
            "It becomes about a thousand times smaller.",
            "Every layer on the way multiplies it by 0.7, and 0.7 to the 19th power is "
            "0.001. Scale alone makes gradients vanish.",
            MYTHS,
        ),
        (
            Choice(
                "It becomes about 0.7 times as large.",
                "That is what one layer does. The gradient passes nineteen on its way.",
                MYTHS,
            ),
            Choice(
                "Nothing, until training shifts the distributions.",
                "Gradients can vanish before the first step: scale needs no training.",
                MYTHS,
            ),
            Choice(
                "Nothing: rectifiers let a positive factor pass.",
                "They let it pass, on the way back as well, and so the factors of all "
                "layers multiply.",
                MYTHS,
            ),
        ),
    ),
    spot(
        "importance-weights",
        "sizes-forgotten",
        "odds-upside-down",
        "sizes-upside-down",
        "logarithm-kept",
    ),
)
