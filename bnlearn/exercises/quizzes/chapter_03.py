"""Questions about chapter 03: the identity transform."""

from bnlearn.exercises.definition import Section
from bnlearn.exercises.quizzes.definition import Choice, Question
from bnlearn.exercises.quizzes.programs import spot

PAGE = "03_identity_transform"
OPENING = Section(PAGE, "A network that cannot be sure")
SCALE = Section(PAGE, "Scale and shift")
SHAPES = Section(PAGE, "Shapes: per feature, not per example")
IDENTITY = Section(PAGE, "The identity")
TRAINED = Section(PAGE, "What training makes of them")
BIAS = Section(PAGE, "The dead bias")
MERGED = Section(PAGE, "Where gamma could be merged")
SIGMOIDS = Section(PAGE, "Sigmoids: out of saturation, and back")
MYTHS = Section(PAGE, "What people get wrong")

QUESTIONS = (
    Question(
        "restore-the-input",
        "A feature has the values 2, 4, 6, 8 in a batch: mean 5, variance 5. With eps = 0, "
        "which gamma and beta give these values back?",
        Choice(
            "gamma = 2.24, beta = 5",
            "gamma is the root of the variance and beta the mean, so the division and the "
            "subtraction are undone.",
            IDENTITY,
        ),
        (
            Choice(
                "gamma = 5, beta = 5",
                "gamma takes the root of the variance. With the variance itself the values "
                "become -1.7, 2.8, 7.2 and 11.7.",
                IDENTITY,
            ),
            Choice(
                "gamma = 0.45, beta = -5",
                "That divides by the root and subtracts the mean once more, where both "
                "have to be undone.",
                IDENTITY,
            ),
            Choice(
                "gamma = 1, beta = 5",
                "The mean is right again, but the values still have the standard deviation "
                "1.",
                SCALE,
            ),
        ),
    ),
    Question(
        "who-sets-gamma",
        "What sets the value of gamma?",
        Choice(
            "Gradient descent, as for a weight",
            "It starts at 1 and then follows its gradient.",
            SCALE,
        ),
        (
            Choice(
                "Whoever builds the network, as for the learning rate",
                "gamma is no hyper-parameter. What somebody chooses is eps, and the "
                "momentum of the running averages.",
                MYTHS,
            ),
            Choice(
                "The batch: it is the batch's standard deviation",
                "There is one gamma for all batches, and it does not change with the batch "
                "that happens to pass.",
                MYTHS,
            ),
            Choice(
                "The running variance, at the end of training",
                "Running averages are kept beside gamma, for use after training. They "
                "never set it.",
                TRAINED,
            ),
        ),
    ),
    Question(
        "how-many-gammas",
        "A batch norm layer gets 100 images with 64 channels of 32 by 32 places. How many "
        "values does its gamma have?",
        Choice(
            "64",
            "One for each channel. All images and all places use the same ones.",
            SHAPES,
        ),
        (
            Choice(
                "100, one for each data point",
                "gamma belongs to a feature, not to an example. Its size does not depend on "
                "the batch.",
                MYTHS,
            ),
            Choice(
                "65,536, one for each number of an image",
                "In a convolutional layer the feature is the channel, and all its places "
                "share gamma.",
                SHAPES,
            ),
            Choice(
                "4,096: a matrix that mixes the 64 channels",
                "The product is element-wise. As a matrix it would be diagonal, so 64 "
                "numbers are enough.",
                SHAPES,
            ),
        ),
    ),
    Question(
        "after-training",
        "The networks of this chapter have been trained on the digits. Where are gamma and "
        "beta of their hidden layers now?",
        Choice(
            "Close to where they started, at 1 and 0",
            "Put back to exactly 1 and 0, they cost hardly any accuracy.",
            TRAINED,
        ),
        (
            Choice(
                "At the root of the variance and at the mean",
                "There the layer would be the identity. Training brought hardly a feature "
                "near it.",
                TRAINED,
            ),
            Choice(
                "At other values for every batch",
                "They are one pair for all batches. What changes from batch to batch are "
                "the mean and the variance.",
                IDENTITY,
            ),
            Choice(
                "Near 0 for most features, which are switched off",
                "Had gamma gone to 0, putting it back to 1 would have changed the answers. "
                "It did not.",
                TRAINED,
            ),
        ),
    ),
    Question(
        "output-statistics",
        "A batch norm has gamma = 3 and beta = -2 for a lively feature (variance far above "
        "eps). What are the mean and the standard deviation of its output?",
        Choice(
            "-2 and 3",
            "Standardised values have mean 0 and standard deviation 1. They are multiplied "
            "by gamma, and then beta is added.",
            MYTHS,
        ),
        (
            Choice(
                "0 and 1",
                "That holds for the standardised values, before gamma and beta.",
                MYTHS,
            ),
            Choice(
                "-6 and 3",
                "beta is added last, so gamma does not multiply it.",
                SCALE,
            ),
            Choice(
                "-2 and 9",
                "gamma multiplies the standard deviation. The variance is 9.",
                SHAPES,
            ),
        ),
    ),
    Question(
        "living-bias",
        "A layer has a bias, and a batch norm follows somewhere. In which order does the "
        "bias still matter in training?",
        Choice(
            "Linear, rectifier, norm",
            "The rectifier passes the bias on only where the unit is open. So it is no "
            "common shift of the batch, and the mean does not take it away.",
            BIAS,
        ),
        (
            Choice(
                "Linear, norm, rectifier",
                "The bias shifts all values of a feature and their mean alike. Its gradient "
                "is zero.",
                BIAS,
            ),
            Choice(
                "Convolution, norm, rectifier",
                "A convolution has one bias per channel. It shifts every place of the "
                "channel, and the channel's mean with it.",
                BIAS,
            ),
            Choice(
                "In none, since beta replaces it",
                "beta replaces a bias that reaches the norm as one constant per feature. "
                "Something in between can spoil that.",
                MYTHS,
            ),
        ),
    ),
    Question(
        "saturated-behind-norm",
        "Hidden sigmoids stand directly behind a batch norm. Can they saturate?",
        Choice(
            "Yes, if training makes gamma large.",
            "With gamma = 20 most values lie beyond 5, where a sigmoid is flat.",
            SIGMOIDS,
        ),
        (
            Choice(
                "No, since their input is always standardised.",
                "It is standardised and then multiplied by gamma. Only at the start of "
                "training is gamma 1.",
                SIGMOIDS,
            ),
            Choice(
                "No, since batch norm makes values smaller.",
                "It makes them standard: quiet features grow, up to 316 times with the "
                "usual eps.",
                SIGMOIDS,
            ),
            Choice(
                "No, since gradients pass through batch norm unchanged.",
                "Whether a sigmoid saturates depends on its input. And the gradient of a "
                "batch norm is multiplied by gamma and divided by a standard deviation.",
                SIGMOIDS,
            ),
        ),
    ),
    Question(
        "loss-floor",
        "The ten scores of a classifier are standardised, without gamma and beta. All "
        "answers are right, yet the loss stays above 0.27. Why?",
        Choice(
            "The right score cannot get far enough above the others.",
            "With mean 0 and variance 1, a score that is high for a tenth of the images is "
            "3 there and -1/3 elsewhere. Then the softmax gives 0.76 to the right class.",
            OPENING,
        ),
        (
            Choice(
                "Standardised scores make all ten classes equally likely.",
                "Then the loss would be 2.3, and the answers would be guesses.",
                OPENING,
            ),
            Choice(
                "The statistics of the batch are noisy.",
                "The bound holds for a perfect network on a balanced batch, where nothing "
                "is noisy.",
                OPENING,
            ),
            Choice(
                "The learning rate is too small for standardised scores.",
                "No weights at all reach a lower loss on such a batch, however they were "
                "found.",
                OPENING,
            ),
        ),
    ),
    Question(
        "merge-into-the-next-layer",
        "Behind a batch norm come a rectifier and a linear layer. What can be moved into "
        "the linear layer's weights without changing the function?",
        Choice(
            "A positive gamma, but not beta",
            "A rectifier lets a positive factor through. beta decides where it bends.",
            MERGED,
        ),
        (
            Choice(
                "gamma and beta, since the next layer is linear",
                "That is so if the linear layer follows directly. The rectifier in between "
                "is not linear.",
                MERGED,
            ),
            Choice(
                "beta, but not gamma",
                "A shift in front of a rectifier changes which examples pass. No weight "
                "behind it can do the same.",
                MERGED,
            ),
            Choice(
                "Neither, because of the rectifier",
                "max(gamma z, 0) is gamma max(z, 0) for positive gamma, so the factor can "
                "wait.",
                MERGED,
            ),
        ),
    ),
    spot(
        "identity-parameters",
        "eps-forgotten",
        "variance-for-root",
        "swapped",
        "beta-sign",
    ),
    spot(
        "parameter-gradients",
        "mean-for-sum",
        "upstream-forgotten",
        "swapped",
        "places-apart",
    ),
)
