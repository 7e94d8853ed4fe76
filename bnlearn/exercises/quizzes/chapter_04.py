"""Questions about chapter 04: the backward pass."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "04_backward_pass"
OPENING = Section(PAGE, "A bias that grows without end")
GRAPH = Section(PAGE, "The graph")
CLOSED = Section(PAGE, "The closed form")
MATRIX = Section(PAGE, "The matrix form")
PICTURE = Section(PAGE, "One picture for both sums")
CHECKS = Section(PAGE, "Checks")
NEVER = Section(PAGE, "Checks that cannot fail")
CONSTANTS = Section(PAGE, "What if the statistics are constants?")
CONVENTIONS = Section(PAGE, "Other conventions, other derivatives")
COSTS = Section(PAGE, "What it costs")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "mean-as-a-constant",
        "A trained bias is added, then the batch mean is subtracted. The gradient of the "
        "bias is computed as if the mean were a constant. What happens if the outputs "
        "are too low on average?",
        Choice(
            "The bias grows without end, and the loss stays.",
            "Every step says 'raise the bias', and the mean, raised as well, takes it "
            "away again.",
            OPENING,
        ),
        (
            Choice(
                "Nothing: the gradient of the bias is zero.",
                "The true gradient is zero. The one that is computed here forgets the "
                "mean, and is not.",
                OPENING,
            ),
            Choice(
                "The loss grows without end, along with the bias.",
                "The bias does not reach the output: the mean contains it. So the loss "
                "cannot notice.",
                OPENING,
            ),
            Choice(
                "The bias settles when the outputs are high enough.",
                "They never become higher, so the computed gradient never becomes "
                "smaller.",
                OPENING,
            ),
        ),
    ),
    Question(
        "large-eps",
        "The closed form for dx is used with eps = 0.1, inside the root and in x_hat. How "
        "good is it?",
        Choice(
            "Exact",
            "eps went into the standard deviation at the start and stayed there. Nothing "
            "was approximated.",
            CLOSED,
        ),
        (
            Choice(
                "Good to first order in eps",
                "No term in eps was dropped. SymPy finds a difference of zero with eps as "
                "a symbol.",
                MYTHS,
            ),
            Choice(
                "Exact only if eps is far below the variance",
                "It is exact for any ratio of the two. What depends on the ratio is how "
                "much of the gradient along x_hat survives.",
                MATRIX,
            ),
            Choice(
                "Wrong, since P is a projection only for eps = 0",
                "P need not be a projection for dx to be gamma/s times P dy. It has the "
                "eigenvalue eps/(v + eps) where a projection has 0.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "on-what-dx-depends",
        "A batch has 64 examples. On which upstream gradients does the gradient of "
        "example 3 depend?",
        Choice(
            "On those of all 64",
            "Changing example 3 changes the mean and the variance, and through them every "
            "output.",
            MYTHS,
        ),
        (
            Choice(
                "On its own only",
                "So it would be if the mean and the variance were constants, as they are "
                "in use after training.",
                CONSTANTS,
            ),
            Choice(
                "On its own, and on the inputs of the others",
                "The others' inputs come in through the statistics. Their upstream "
                "gradients come in through two sums over the batch.",
                CLOSED,
            ),
            Choice(
                "On those of the examples on its side of the mean",
                "The sums run over the whole batch, whatever the side.",
                CLOSED,
            ),
        ),
    ),
    Question(
        "straight-line",
        "With eps = 0, the upstream gradients of a feature, plotted against its values, "
        "lie exactly on a rising straight line. What is dx?",
        Choice(
            "Zero",
            "dx is what a fitted line leaves over, and here it leaves nothing. Such a "
            "gradient asks for a shift and a stretch, which the layer would undo.",
            PICTURE,
        ),
        (
            Choice(
                "The same line with its mean taken away",
                "The part along x_hat is taken away too: a stretch of the batch has no "
                "effect either.",
                MATRIX,
            ),
            Choice(
                "The same line times gamma/s",
                "That is what comes out if the statistics are treated as constants.",
                CONSTANTS,
            ),
            Choice(
                "A constant, the mean of the upstream gradients",
                "A constant asks for a shift of the whole batch. The gradients of a batch "
                "sum to zero.",
                MATRIX,
            ),
        ),
    ),
    Question(
        "passed-the-check",
        "A backward pass without the x_hat term agrees with PyTorch for the loss "
        "`y.sum()`. Why?",
        Choice(
            "Both return zeros for this loss.",
            "The upstream gradient is constant. What the missing term would take away is "
            "zero, and so is the right answer.",
            NEVER,
        ),
        (
            Choice(
                "The term is below rounding for batches of usual size.",
                "For a random upstream gradient the error is plain to see, at any size of "
                "the batch.",
                NEVER,
            ),
            Choice(
                "PyTorch leaves the term out as well.",
                "PyTorch computes the full gradient, as the comparison of every node "
                "shows.",
                CHECKS,
            ),
            Choice(
                "The term matters only if gamma is not 1.",
                "It does not need gamma: it comes from the way through the variance.",
                CLOSED,
            ),
        ),
    ),
    Question(
        "forgotten-two",
        "In a staged backward pass, the 2 from the derivative of the square is forgotten. "
        "Which gradients come out wrong?",
        Choice(
            "Those of the deviations and of x",
            "The square feeds into the deviations. The error there is a multiple of the "
            "deviations, which sum to zero, so the mean does not notice.",
            CHECKS,
        ),
        (
            Choice(
                "All that are computed after it, the mean's too",
                "The gradient of the mean is a sum over the batch, and there the error "
                "cancels.",
                CHECKS,
            ),
            Choice(
                "Only that of x",
                "The gradient of the deviations is the sum of two parts, and one of them "
                "is half of what it should be.",
                GRAPH,
            ),
            Choice(
                "All nine, as a chain is as good as its weakest link",
                "What was computed before, from y back to the variance, does not use this "
                "line.",
                CHECKS,
            ),
        ),
    ),
    Question(
        "in-use",
        "After training, the layer uses fixed statistics. What is dx then?",
        Choice(
            "gamma/s times dy",
            "The layer is a fixed affine map. Nothing has to go through the statistics.",
            CONVENTIONS,
        ),
        (
            Choice(
                "The closed form, with the fixed statistics in it",
                "The terms that are subtracted there come from the dependence on the "
                "batch, and there is none any more.",
                CONVENTIONS,
            ),
            Choice(
                "gamma/s times dy minus its mean",
                "The mean of dy goes if a shift of the batch has no effect. With a fixed "
                "mean it has one.",
                CONVENTIONS,
            ),
            Choice(
                "Zero, since the statistics are no longer trained",
                "They never were trained by gradient. The output still follows the input.",
                CONVENTIONS,
            ),
        ),
    ),
    Question(
        "divided-by-m-minus-1",
        "Somebody standardises with the variance divided by m - 1. What has to change in "
        "the bracket of the closed form?",
        Choice(
            "In the last term a sum divided by m - 1 replaces the mean.",
            "The factor enters where the variance is differentiated. The mean of the "
            "batch is what it was.",
            CONVENTIONS,
        ),
        (
            Choice(
                "Nothing: s and x_hat are computed with the new variance.",
                "That is needed, but the share of an example in the variance is now "
                "2/(m - 1) times its deviation, and that shows.",
                CONVENTIONS,
            ),
            Choice(
                "Both means become sums divided by m - 1.",
                "The first mean comes from subtracting the batch mean, which is still "
                "divided by m.",
                CONVENTIONS,
            ),
            Choice(
                "The whole bracket is multiplied by m/(m - 1).",
                "dy itself goes through unchanged. Only the way through the variance has "
                "another factor.",
                CONVENTIONS,
            ),
        ),
    ),
    Question(
        "eigenvalues",
        "A feature has 10 different values in a batch. Which eigenvalues does the matrix P "
        "have for eps > 0?",
        Choice(
            "0, eps/(v + eps), and eight times 1",
            "The ones vector is taken away completely, x_hat almost, and all that is "
            "perpendicular to both stays.",
            MATRIX,
        ),
        (
            Choice(
                "Twice 0, and eight times 1",
                "That is the projection for eps = 0.",
                MYTHS,
            ),
            Choice(
                "0, and nine times 1",
                "That would be P without its last term: only the mean is taken away.",
                MATRIX,
            ),
            Choice(
                "Ten times 1",
                "That is the identity: the statistics would be constants.",
                CONSTANTS,
            ),
        ),
    ),
    Question(
        "what-to-keep",
        "What does the backward pass need from the forward pass, besides gamma?",
        Choice(
            "The input, and two numbers per feature",
            "x_hat follows from the input, the mean and the standard deviation, so no "
            "copy of it is needed.",
            COSTS,
        ),
        (
            Choice(
                "The input, and x_hat as an array of its own",
                "x_hat can be had again for a subtraction and a product. Keeping it would "
                "cost one more array of the size of the input.",
                COSTS,
            ),
            Choice(
                "All nine nodes of the graph",
                "The staged form keeps them, and needs several times the memory. The "
                "closed form does without.",
                COSTS,
            ),
            Choice(
                "Only the two numbers per feature",
                "x_hat stands in the bracket, and without any array from the forward pass "
                "it cannot be formed.",
                COSTS,
            ),
        ),
    ),
    spot(
        "backward-closed-form",
        "gamma-late",
        "gamma-forgotten",
        "gamma-twice",
        "x-hat-term-missing",
        edit=1,
    ),
    spot(
        "backward-staged",
        "share-forgotten",
        "square-two-forgotten",
        "variance-path-forgotten",
        "dvar-power",
    ),
)
