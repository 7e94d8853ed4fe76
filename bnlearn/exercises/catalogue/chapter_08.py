"""Exercises of chapter 08: why it works."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section, paragraphs
from bnlearn.exercises.inputs import like

PAGE = "08_why_it_works"
SMOOTH = "A smoother road"
CHOOSE = "Weights that choose their own rate"
EQUILIBRIUM = "The equilibrium"
EXPLODES = "A gradient that explodes before training starts"
ESCAPE = "Why residual networks escape"
WRONG = "What people get wrong"


# The effective learning rate ---------------------------------------------------------


def effective_rates(weight, lr):
    """Give the effective learning rate of every unit in front of a batch norm.

    Parameters
    ----------
    weight : ndarray, shape (units, ...)
        weight[i] holds the incoming weights of unit i: a row of a matrix, or all
        kernels of a channel, of shape (inputs, height, width). No unit is all zeros.
    lr : float
        The learning rate.

    Returns
    -------
    ndarray, shape (units,)
        The learning rate over the squared length of the unit's weights. Nothing is
        added to what divides.
    """
    flat = weight.reshape(len(weight), -1)
    return lr / (flat**2).sum(axis=1)


def weights_and_rate(rng, x, size=1.0):
    """Let units differ in length, where channels were drawn to."""
    rate = float(rng.uniform(0.02, 0.3))
    return (x.swapaxes(0, 1) * size).astype(x.dtype), rate


SQUARES = "(flat**2).sum(axis=1)"
RATES = Exercise(
    identifier="effective-rates",
    title="The rate that a unit really has",
    section=Section(PAGE, CHOOSE),
    difficulty=1,
    minutes=10,
    text=(
        "In front of a batch norm only the direction of a unit's weights counts, and a "
        "step turns long weights less. Write the learning rate that is left for each "
        "unit."
    ),
    reference=effective_rates,
    outputs=("rates",),
    families=(
        Family("a matrix", (6, 4)),
        Family("kernels", (3, 5, 2, 4)),
        Family("units of very different length", (7, 3), "scaled"),
        Family("tiny weights", (4, 6), options={"size": 1e-3}),
        Family("float32", (5, 8), dtype="f4"),
    ),
    arguments=weights_and_rate,
    small=((2, 3), (3, 2), (1, 2, 1, 2), (2, 3, 1, 2)),
    hints=paragraphs("""
        Take the weights of one unit as one long vector. What is its squared length?

        Squared length: the sum of the squares of all entries. For a matrix that is a sum
        over axis 1. For kernels there are more axes to sum over.

        weight.reshape(len(weight), -1) has one row for each unit, whatever the shape was.
        Square it, sum over axis 1, and divide lr by the result.
    """),
    why=(
        "A longer vector has a shorter gradient, and needs a longer step for the same "
        "angle. Each of the two brings one factor of the length."
    ),
)
RATES.mistake(
    "length-not-squared",
    "The length has to be squared: it shortens the gradient, and the turn of a step too.",
    {SQUARES: f"np.sqrt({SQUARES})"},
)
RATES.mistake(
    "another-power",
    "The length stands here in another power: its square is meant.",
    {SQUARES: f"{SQUARES} ** 2"},
    {SQUARES: f"{SQUARES} ** 1.5"},
    {SQUARES: f"{SQUARES} ** 0.25"},
    {"flat**2": "flat**4"},
)
RATES.mistake(
    "mean-for-sum",
    "The squares are averaged: a squared length is their sum.",
    {SQUARES: "(flat**2).mean(axis=1)"},
    {SQUARES: "np.sqrt((flat**2).mean(axis=1))"},
    {SQUARES: f"({SQUARES} / weight.shape[1])"},
    {SQUARES: f"({SQUARES} * weight.shape[1] / flat.shape[1])"},
)
RATES.mistake(
    "number-of-weights",
    "The number of weights comes in: only their length counts.",
    {SQUARES: f"({SQUARES} * flat.shape[1])"},
    {SQUARES: "flat.shape[1]"},
    {SQUARES: f"({SQUARES} / len(flat))"},
    {SQUARES: f"({SQUARES} * len(flat))"},
)
RATES.mistake(
    "sum-before-square",
    "Squares come before the sum: a length is no sum of weights.",
    {SQUARES: "flat.sum(axis=1) ** 2"},
    {SQUARES: "flat.mean(axis=1) ** 2"},
    {SQUARES: "flat.sum(axis=1)"},
    {SQUARES: "np.abs(flat.sum(axis=1))"},
)
RATES.mistake(
    "another-length",
    "This is not the length of a vector: it is the root of the sum of squares.",
    {SQUARES: "np.abs(flat).sum(axis=1)"},
    {SQUARES: "np.abs(flat).sum(axis=1) ** 2"},
    {SQUARES: "np.abs(flat).max(axis=1)"},
    {SQUARES: "np.abs(flat).max(axis=1) ** 2"},
    {SQUARES: "np.abs(flat).mean(axis=1)"},
    {SQUARES: "np.abs(flat).mean(axis=1) ** 2"},
    {SQUARES: "flat.max(axis=1) ** 2"},
    {SQUARES: "flat.max(axis=1)"},
)
RATES.mistake(
    "centred",
    "The mean is taken out first: a length is measured from zero.",
    {SQUARES: "flat.var(axis=1)"},
    {SQUARES: "flat.std(axis=1)"},
    {SQUARES: "(flat.var(axis=1) * flat.shape[1])"},
    {SQUARES: "flat.var(axis=1, ddof=1)"},
    {SQUARES: "flat.std(axis=1, ddof=1)"},
)
RATES.mistake(
    "columns",
    "These are the lengths of columns: the weights of a unit are a row.",
    {SQUARES: "(flat**2).sum(axis=0)"},
    {SQUARES: "(weight**2).sum(axis=0)"},
    {SQUARES: "(weight**2).sum(axis=tuple(i for i in range(weight.ndim) if i != 1))"},
    {SQUARES: "(weight**2).sum(axis=tuple(range(weight.ndim - 1)))"},
    {SQUARES: "np.sqrt((weight**2).sum(axis=0))"},
)
RATES.mistake(
    "whole-matrix",
    "All units are taken together: each is scale invariant for itself.",
    {SQUARES: "(flat**2).sum()"},
    {SQUARES: "np.full(len(flat), (flat**2).sum())"},
    {SQUARES: "np.sqrt((flat**2).sum())"},
    {SQUARES: "np.full(len(flat), np.sqrt((flat**2).sum()))"},
    {SQUARES: f"{SQUARES}.mean()"},
    {SQUARES: f"np.full(len(flat), {SQUARES}.mean())"},
    {SQUARES: "np.linalg.norm(flat, 2) ** 2"},
    {SQUARES: "np.linalg.norm(flat, 2)"},
)
RATES.mistake(
    "matrix-only",
    "It works for a matrix only: a unit may have several axes of weights.",
    {SQUARES: "(weight**2).sum(axis=1)"},
    {SQUARES: "(weight**2).sum(axis=-1)"},
    {"flat = weight": "units, inputs = weight.shape\n    flat = weight"},
    {
        "flat = weight.reshape(len(weight), -1)": "flat = [row @ row for row in weight]",
        SQUARES: "np.array(flat)",
    },
    {SQUARES: "(weight**2).sum(axis=1, keepdims=True)"},
    {SQUARES: "np.diag(weight @ weight.T)"},
    {SQUARES: "np.array([np.dot(row, row) for row in weight])"},
    {SQUARES: "np.einsum('ij,ij->i', weight, weight)"},
    {SQUARES: "np.array([np.linalg.norm(row, 2) ** 2 for row in weight])"},
    {SQUARES: "np.linalg.norm(weight, axis=(1, 2)) ** 2"},
)
RATES.mistake(
    "kernels-only",
    "It works for kernels only: a matrix has two axes.",
    {SQUARES: "(weight**2).sum(axis=(1, 2, 3))"},
    {SQUARES: "(weight**2).sum(axis=(-1, -2, -3))"},
    {"flat = weight": "units, inputs, height, width = weight.shape\n    flat = weight"},
)
RATES.mistake(
    "axis-forgotten-in-kernels",
    "An axis of the kernels is left out: all inputs and all places belong to a unit.",
    {SQUARES: "(weight**2).sum(axis=tuple(range(2, weight.ndim)))"},
    {SQUARES: "(weight**2).sum(axis=tuple(range(1, weight.ndim - 1)))"},
)
RATES.mistake(
    "reshape-mixes",
    "The reshape mixes units: the weights of a unit are along the first axis.",
    {"weight.reshape(len(weight), -1)": "weight.reshape(-1, len(weight)).T"},
    {"weight.reshape(len(weight), -1)": "weight.reshape(-1, weight.shape[-1])"},
    {"weight.reshape(len(weight), -1)": "weight.reshape(-1, weight.shape[1])"},
)
RATES.mistake(
    "not-summed",
    "There is a rate for every weight here: a unit has one.",
    {SQUARES: "weight**2"},
    {SQUARES: "flat**2"},
    {SQUARES: "np.abs(weight)"},
)
RATES.mistake(
    "multiplied",
    "The squared length multiplies the rate: long weights turn less.",
    {f"lr / {SQUARES}": f"lr * {SQUARES}"},
    {f"lr / {SQUARES}": f"lr * np.sqrt({SQUARES})"},
)
RATES.mistake(
    "inverted",
    "The ratio stands on its head.",
    {f"lr / {SQUARES}": f"{SQUARES} / lr"},
    {f"lr / {SQUARES}": f"np.sqrt({SQUARES}) / lr"},
)
RATES.mistake(
    "rate-forgotten",
    "The learning rate is missing.",
    {"lr /": "1 /"},
    {f"lr / {SQUARES}": SQUARES},
)
RATES.mistake(
    "rate-in-another-power",
    "The learning rate stands here in another power: it is to be divided as it is.",
    {"lr /": "lr**2 /"},
    {"lr /": "np.sqrt(lr) /"},
    {f"lr / {SQUARES}": f"(lr / {SQUARES}) ** 2"},
)
RATES.mistake(
    "factor-two",
    "There is a factor of 2 or one half too many.",
    {"lr /": "2 * lr /"},
    {"lr /": "0.5 * lr /"},
)
RATES.mistake(
    "eps-added",
    "Something is added to what divides: no unit is all zeros.",
    *({SQUARES: f"({SQUARES} + 1e-{k})"} for k in range(3, 11)),
    *({SQUARES: f"(np.sqrt({SQUARES}) + 1e-{k}) ** 2"} for k in range(3, 10)),
    *({SQUARES: f"np.sqrt({SQUARES} + 1e-{k})"} for k in (5, 8)),
    {SQUARES: f"(1 + {SQUARES})"},
    {SQUARES: f"(1 + np.sqrt({SQUARES})) ** 2"},
    {SQUARES: f"(1 + np.sqrt({SQUARES}))"},
    {SQUARES: f"np.maximum({SQUARES}, 1)"},
)
RATES.mistake(
    "compared-with-others",
    "The length is compared with those of other units: it counts by itself.",
    {SQUARES: f"({SQUARES} / {SQUARES}.mean())"},
    {SQUARES: f"({SQUARES} / {SQUARES}.sum())"},
    {SQUARES: f"({SQUARES} / {SQUARES}.max())"},
    {SQUARES: f"({SQUARES} / {SQUARES}.min())"},
    {SQUARES: f"np.sqrt({SQUARES} / {SQUARES}.sum())"},
    {SQUARES: f"({SQUARES} / np.abs(flat).max() ** 2)"},
    {SQUARES: f"({SQUARES} / np.abs(flat).max())"},
)
RATES.mistake(
    "rate-of-unit-length",
    "The weights are divided by their length first: then every length is 1.",
    {
        SQUARES: "((flat / np.sqrt((flat**2).sum(axis=1, keepdims=True))) ** 2).sum(axis=1)"
    },
    {SQUARES: "np.ones(len(flat))"},
)


# One step of SGD ---------------------------------------------------------------------


def sgd_step(w, u, g, lr, decay, momentum):
    """Make one step of gradient descent with momentum and weight decay.

    Parameters
    ----------
    w : ndarray
        The weights.
    u : ndarray, shape of w
        The velocity that the step before has left. The learning rate is not in it.
    g : ndarray, shape of w
        The gradient at w, without the decay.
    lr, decay, momentum : float
        Learning rate, weight decay and momentum, as in PyTorch (no dampening).

    Returns
    -------
    new_w, new_u : ndarray, shape of w
        Weights and velocity after the step.
    """
    new_u = momentum * u + g + decay * w
    new_w = w - lr * new_u
    return new_w, new_u


def step_arguments(rng, x, momentum=None, decay=None):
    """Draw a velocity and a gradient of another size than the weights."""
    rest = [
        float(rng.uniform(0.1, 0.4)),
        float(rng.uniform(0.05, 0.2)) if decay is None else decay,
        float(rng.uniform(0.6, 0.95)) if momentum is None else momentum,
    ]
    u, g = (3 * like(rng, x)).astype(x.dtype), like(rng, x)
    return x, u, g, *rest


NEW_U = "momentum * u + g + decay * w"
NEW_W = "w - lr * new_u"
STEP = Exercise(
    identifier="momentum-and-decay",
    title="One step with momentum and weight decay",
    section=Section(PAGE, EQUILIBRIUM),
    difficulty=2,
    minutes=10,
    text=(
        "How fast normalised weights turn depends on how momentum and weight decay enter a "
        "step. Write that step, the one of plain SGD in PyTorch."
    ),
    reference=sgd_step,
    outputs=("new_w", "new_u"),
    families=(
        Family("a matrix", (5, 3)),
        Family("a vector", (7,)),
        Family("kernels", (4, 3, 2, 5)),
        Family("weights of very different size", (6, 4), "scaled"),
        Family("without momentum", (3, 5), options={"momentum": 0.0}),
        Family("without decay", (4, 6), options={"decay": 0.0}),
        Family("float32", (8, 3), dtype="f4"),
    ),
    arguments=step_arguments,
    small=((2,), (3,), (2, 3), (3, 2), (2, 3, 1, 4)),
    hints=paragraphs("""
        Two lines: the velocity first, then the weights. Which velocity moves the weights,
        the old one or the new one?

        The decay is a part of the gradient: decay times the weights is added to g before
        anything else happens.

        new_u = momentum * u + (g + decay * w), and new_w = w - lr * new_u.
    """),
    why=(
        "Decay counts as one more gradient, so it goes through the velocity, and later steps "
        "repeat it. The rate multiplies what comes out, so it is not stored in u."
    ),
)
STEP.mistake(
    "old-velocity",
    "The weights move by the old velocity: the new one is meant.",
    {NEW_W: "w - lr * u"},
)
STEP.mistake(
    "decay-decoupled",
    "The decay goes past the velocity, as in AdamW: here it is a part of the gradient.",
    {NEW_U: "momentum * u + g", NEW_W: "w - lr * (new_u + decay * w)"},
    {NEW_U: "momentum * u + g", NEW_W: "(1 - decay) * w - lr * new_u"},
    {NEW_U: "momentum * u + g", NEW_W: "(1 - decay) * w - lr * (new_u + decay * w)"},
    {NEW_U: "momentum * u + g", NEW_W: "w - lr * (new_u - decay * w)"},
    {NEW_U: "momentum * u + g", NEW_W: "(1 + decay) * w - lr * new_u"},
    {NEW_U: "momentum * u + g", NEW_W: "w - lr * (new_u + 2 * decay * w)"},
    {NEW_U: "momentum * u + g", NEW_W: "decay * w - lr * new_u"},
    {NEW_U: "momentum * u + g", NEW_W: "w - lr * (new_u + lr * decay * w)"},
    {NEW_U: "momentum * u + g", NEW_W: "(1 - lr * decay) * (w - lr * new_u)"},
    {NEW_U: "momentum * u + g", NEW_W: "(1 - decay) * (w - lr * new_u)"},
    {NEW_U: "momentum * u + g", NEW_W: "(w - lr * new_u) / (1 + lr * decay)"},
)
STEP.mistake(
    "decay-elsewhere",
    "The decay is taken at other weights: it belongs to those that came.",
    {
        "    new_w = w - lr * new_u\n": "    new_w = w - lr * new_u\n"
        "    new_u = new_u + decay * new_w\n",
        NEW_U: "momentum * u + g",
    },
    {NEW_U: "momentum * u + g + decay * (w - lr * momentum * u)"},
    {NEW_U: "momentum * u + g + decay * (w - lr * u)"},
    {NEW_U: "momentum * u + g + decay * (w - lr * g)"},
)
STEP.mistake(
    "decay-not-in-step",
    "The decay is in the velocity, but this step does not make use of it.",
    {NEW_W: "w - lr * (momentum * u + g)"},
)
STEP.mistake(
    "decay-twice",
    "The decay comes in twice.",
    {NEW_W: "w - lr * (new_u + decay * w)"},
    {NEW_W: "(1 - lr * decay) * (w - lr * new_u)"},
    {NEW_W: "(1 - decay) * w - lr * new_u"},
    {"decay * w": "2 * decay * w"},
)
STEP.mistake(
    "decay-forgotten",
    "The weight decay is missing.",
    {" + decay * w": ""},
)
STEP.mistake(
    "decay-sign",
    "The decay has the wrong sign: it makes weights longer.",
    {"+ decay * w": "- decay * w"},
)
STEP.mistake(
    "decay-of-something-else",
    "The decay is a multiple of the weights, and of nothing else.",
    {"decay * w": "decay * np.sign(w)"},
    {"decay * w": "decay * w**2"},
    {"decay * w": "decay"},
    {"decay * w": "decay * np.abs(w)"},
    {"decay * w": "decay * np.linalg.norm(w)"},
    {"decay * w": "decay * np.sum(w**2)"},
    {"decay * w": "decay * u"},
    {"decay * w": "decay * g"},
    {"decay * w": "decay * w / np.linalg.norm(w)"},
)
STEP.mistake(
    "decay-halved",
    "The decay is halved: decay times w is what is added to the gradient.",
    {"decay * w": "decay * w / 2"},
)
STEP.mistake(
    "decay-on-something-else",
    "The decay shrinks the gradient or the velocity: it belongs to the weights.",
    {"g + decay * w": "(1 - decay) * g"},
    {"g + decay * w": "decay * g"},
    {"g + decay * w": "(1 - decay) * g + decay * w"},
    {NEW_U: "(1 - decay) * momentum * u + g"},
    {NEW_U: "(1 - decay) * (momentum * u + g)"},
    {NEW_U: "(1 - lr * decay) * (momentum * u + g)"},
    {NEW_U: "(1 - lr * decay) * momentum * u + g"},
)
STEP.mistake(
    "rate-times-decay",
    "The learning rate comes in twice at the decay.",
    {"decay * w": "lr * decay * w"},
)
STEP.mistake(
    "settings-swapped",
    "Two of the three settings have changed places.",
    {NEW_U: "decay * u + g + momentum * w"},
    {"momentum * u": "lr * u", "lr * new_u": "momentum * new_u"},
    {"decay * w": "lr * w", "lr * new_u": "decay * new_u"},
)
STEP.mistake(
    "effective-rate",
    "The rate is not to be divided by 1 - momentum: the velocity sees to that in time.",
    {NEW_W: "w - lr / (1 - momentum) * new_u"},
    {NEW_W: "w - lr * (1 - momentum) * new_u"},
    {NEW_W: "w - lr / (1 + momentum) * new_u"},
)
STEP.mistake(
    "length-kept",
    "The weights get their old length back: that belongs to another experiment.",
    {NEW_W: "(w - lr * new_u) * np.linalg.norm(w) / np.linalg.norm(w - lr * new_u)"},
    {NEW_W: "(w - lr * new_u) / np.linalg.norm(w - lr * new_u)"},
    heading=CHOOSE,
)
STEP.mistake(
    "averaged",
    "The gradient is weighted by 1 - momentum: that is an average, and dampened.",
    {NEW_U: "momentum * u + (1 - momentum) * (g + decay * w)"},
    {NEW_U: "momentum * u + (1 - momentum) * g + decay * w"},
    {
        NEW_U: "momentum * u + (1 - momentum) * g",
        NEW_W: "w - lr * (new_u + decay * w)",
    },
)
STEP.mistake(
    "momentum-reversed",
    "The momentum is reversed: it is the share of the old velocity that stays.",
    {NEW_U: "(1 - momentum) * u + momentum * (g + decay * w)"},
    {NEW_U: "(1 - momentum) * u + momentum * g + decay * w"},
    {NEW_U: "(1 - momentum) * u + g + decay * w"},
    {NEW_U: "u + momentum * (g + decay * w)"},
    {NEW_U: "u + momentum * g + decay * w"},
)
STEP.mistake(
    "momentum-forgotten",
    "The momentum is missing.",
    {NEW_U: "g + decay * w"},
    {NEW_U: "u + g + decay * w"},
    {NEW_W: "w - lr * (g + decay * w)"},
)
STEP.mistake(
    "momentum-on-all",
    "The momentum multiplies the gradient as well: only the old velocity has it.",
    {NEW_U: "momentum * (u + g + decay * w)"},
    {NEW_U: "momentum * (u + g) + decay * w"},
    {NEW_U: "momentum * (u + decay * w) + g"},
)
STEP.mistake(
    "momentum-sign",
    "The old velocity has the wrong sign: it carries on in its direction.",
    {"momentum * u +": "-momentum * u +"},
)
STEP.mistake(
    "velocity-not-kept",
    "The momentum moves the weights but is not stored: the velocity forgets its past.",
    {NEW_U: "g + decay * w", NEW_W: "w - lr * (new_u + momentum * u)"},
    {"return new_w, new_u": "return new_w, g + decay * w"},
    {NEW_U: "g + decay * w", NEW_W: "w - lr * new_u - momentum * u"},
)
STEP.mistake(
    "velocity-not-updated",
    "The old velocity comes back, not the new one.",
    {"return new_w, new_u": "return new_w, u"},
)
STEP.mistake(
    "rate-in-velocity",
    "The learning rate is stored in the velocity: it multiplies what comes out of it.",
    {NEW_U: "momentum * u + lr * (g + decay * w)", NEW_W: "w - new_u"},
    {NEW_U: "momentum * u + lr * g + decay * w", NEW_W: "w - new_u"},
    {NEW_U: "momentum * u + lr * (g + decay * w)"},
    {"return new_w, new_u": "return new_w, lr * new_u"},
    {NEW_U: "momentum * u + lr * g", NEW_W: "w - new_u - lr * decay * w"},
)
STEP.mistake(
    "velocity-downhill",
    "The velocity has the sign of the step: here it is added up uphill, then subtracted.",
    {NEW_U: "momentum * u - lr * (g + decay * w)", NEW_W: "w + new_u"},
    {NEW_U: "momentum * u - (g + decay * w)", NEW_W: "w + lr * new_u"},
    {"return new_w, new_u": "return new_w, -lr * new_u"},
    {"return new_w, new_u": "return new_w, -new_u"},
    {NEW_U: "momentum * u - lr * g", NEW_W: "(1 - lr * decay) * w + new_u"},
    {NEW_U: "momentum * u - (g + decay * w)"},
)
STEP.mistake(
    "nesterov",
    "This is Nesterov's step, which looks ahead: plain momentum is asked for.",
    {NEW_W: "w - lr * (g + decay * w + momentum * new_u)"},
    {NEW_W: "w - lr * (g + momentum * new_u)"},
)
STEP.mistake(
    "uphill",
    "The weights go uphill: the step is subtracted.",
    {NEW_W: "w + lr * new_u"},
)
STEP.mistake(
    "rate-forgotten",
    "The learning rate is missing in the step.",
    {NEW_W: "w - new_u"},
    {NEW_W: "w - lr * (g + decay * w) - momentum * u"},
)
STEP.mistake(
    "gradient-forgotten",
    "The gradient does not reach the velocity.",
    {NEW_U: "momentum * u + decay * w"},
    {NEW_U: "momentum * u + decay * w", NEW_W: "w - lr * (new_u + g)"},
)
STEP.mistake(
    "step-for-weights",
    "The step comes back in place of the new weights.",
    {"return new_w,": "return lr * new_u,"},
    {"return new_w,": "return -lr * new_u,"},
)


# The equilibrium ---------------------------------------------------------------------


def steady_state(at_one, lr, decay, momentum):
    """Predict turn and lengths of normalised weights that are trained for long.

    Parameters
    ----------
    at_one : ndarray, shape (L,)
        For each layer, the length that its gradient has where its weights have the
        length 1. Gradients are perpendicular to the weights and count as independent.
    lr, decay, momentum : float
        Settings of the SGD of PyTorch, whose velocity has the decay in it, as in the
        exercise before. Terms that are smaller by the factor lr * decay, which is below
        1e-7, make no difference.

    Returns
    -------
    turn : float
        The angle by which the weights of any of the layers turn in a step, in
        radian: one number.
    lengths : ndarray, shape (L,)
        The length of each layer's weights.
    """
    turn = np.sqrt(2 * lr * decay / (1 + momentum))
    fourth = lr * at_one**2 / (2 * decay * (1 - momentum))
    return turn, fourth**0.25


def equilibrium_arguments(rng, x, momentum=None):
    """Draw lengths of gradients, and settings whose product is tiny."""
    lr = float(10 ** rng.uniform(-3, -1.7))
    decay = float(rng.uniform(2e-9, 2e-8)) / lr
    momentum = float(rng.uniform(0.5, 0.95)) if momentum is None else momentum
    return np.abs(x) + x.dtype.type(0.1), lr, decay, momentum


TURN = "np.sqrt(2 * lr * decay / (1 + momentum))"
FOURTH = "lr * at_one**2 / (2 * decay * (1 - momentum))"
STEADY = Exercise(
    identifier="steady-state",
    title="Where decay and gradient balance",
    section=Section(PAGE, EQUILIBRIUM),
    difficulty=3,
    minutes=15,
    text=(
        "After long training with momentum and weight decay, normalised weights keep "
        "their length and turn at a steady pace. Predict both: the turn follows from three "
        "settings, the length needs the gradients as well."
    ),
    reference=steady_state,
    outputs=("turn", "lengths"),
    families=(
        Family("some layers", (6,)),
        Family("gradients of very different size", (4,), "scaled"),
        Family("large gradients", (5,), offset=50.0),
        Family("without momentum", (7,), options={"momentum": 0.0}),
        Family("float32", (8,), dtype="f4"),
    ),
    arguments=equilibrium_arguments,
    small=((2,), (3,)),
    hints=paragraphs("""
        In equilibrium the squared length A stays, on average. What lengthens the weights,
        and what shortens them?

        The velocity u has a mean square U with U = 2 * decay * A / (lr * (1 + momentum)).
        The turn is about lr * sqrt(U / A). For noise, U = |g|**2 / (1 - momentum**2), and
        |g| is at_one divided by the length.

        The turn is the root of 2 * lr * decay / (1 + momentum). The fourth power of the
        length is lr * at_one**2 / (2 * decay * (1 - momentum)).
    """),
    why=(
        "Set the two expressions for U equal: A**2 = lr * at_one**2 * (1 + momentum) / (2 * "
        "decay * (1 - momentum**2)), and one factor cancels. The turn does not know the "
        "gradients, since longer weights make them shorter until the balance is right."
    ),
)
STEADY.mistake(
    "momentum-forgotten",
    "The momentum is missing.",
    {" / (1 + momentum)": ""},
    {" * (1 - momentum)": ""},
    {" / (1 + momentum)": "", " * (1 - momentum)": ""},
    heading=WRONG,
)
STEADY.mistake(
    "momentum-sign",
    "The momentum has the wrong sign: 1 + momentum in the turn, 1 - momentum in the "
    "length.",
    {"1 + momentum": "1 - momentum"},
    {"1 - momentum": "1 + momentum"},
    {
        "1 + momentum": "1 - momentum",
        "decay * (1 - momentum)": "decay * (1 + momentum)",
    },
)
STEADY.mistake(
    "momentum-multiplies",
    "The momentum stands on the wrong side of the fraction.",
    {TURN: "np.sqrt(2 * lr * decay * (1 + momentum))"},
    {FOURTH: "lr * at_one**2 * (1 - momentum) / (2 * decay)"},
)
STEADY.mistake(
    "gradient-for-velocity",
    "A step moves the weights by the velocity, which is longer than the gradient.",
    {FOURTH: "lr * at_one**2 * (1 + momentum) / (2 * decay)"},
    {TURN: "np.sqrt(2 * lr * decay * (1 - momentum))"},
)
STEADY.mistake(
    "momentum-squared",
    "The momentum is squared: that factor belongs to the velocity alone.",
    {"(1 - momentum)": "(1 - momentum**2)"},
    {"(1 + momentum)": "(1 - momentum**2)"},
    {"(1 + momentum)": "(1 + momentum**2)"},
)
STEADY.mistake(
    "momentum-outside-root",
    "The momentum belongs under the root.",
    {TURN: "np.sqrt(2 * lr * decay) / (1 + momentum)"},
    {
        FOURTH: "lr * at_one**2 / (2 * decay)",
        "fourth**0.25": "fourth**0.25 / (1 - momentum)",
    },
    {TURN: "np.sqrt(2 * lr * decay) / (1 - momentum)"},
)
SQUARED = "lr * at_one**2 / (2 * decay * (1 - momentum) ** 2)"
APART = "np.sqrt(2 * lr * decay * (1 - momentum) / (1 + momentum))"
STEADY.mistake(
    "decay-decoupled",
    "This holds if decay goes past the velocity: here momentum enlarges it too.",
    {FOURTH: SQUARED, TURN: APART},
    {FOURTH: SQUARED},
    {TURN: APART},
)
STEADY.mistake(
    "momentum-for-factor",
    "The momentum itself stands where 1 plus or minus the momentum belongs.",
    {"(1 + momentum)": "momentum"},
    {"(1 - momentum)": "momentum"},
)
STEADY.mistake(
    "two-forgotten",
    "The 2 is missing or in the wrong place.",
    {"2 * lr": "lr"},
    {"2 * decay": "decay"},
    {"2 * lr": "lr", "2 * decay": "decay"},
    {"2 * lr": "0.5 * lr"},
    {"2 * decay": "0.5 * decay"},
    {TURN: "2 * np.sqrt(lr * decay / (1 + momentum))"},
    {"2 * lr": "4 * lr"},
    {"2 * decay": "4 * decay"},
)
STEADY.mistake(
    "root-forgotten",
    "The root is missing in the turn: its square goes with the settings.",
    {TURN: "2 * lr * decay / (1 + momentum)"},
    {TURN: "lr * decay / (1 + momentum)"},
)
STEADY.mistake(
    "cosine-for-angle",
    "The cosine comes back in place of the angle.",
    {TURN: "1 - lr * decay / (1 + momentum)"},
    {TURN: f"np.cos({TURN})"},
)
STEADY.mistake(
    "degrees",
    "The turn is in degrees: it is asked for in radian.",
    {TURN: f"np.degrees({TURN})"},
)
STEADY.mistake(
    "turn-of-one-thing",
    "The turn depends on the product of learning rate and decay.",
    {"lr * decay /": "lr / decay /"},
    {"lr * decay /": "lr /"},
    {"lr * decay /": "decay /"},
    {"lr * decay /": "decay / lr /"},
    {TURN: "lr * np.sqrt(2 * decay / (1 + momentum))"},
    {TURN: "decay * np.sqrt(2 * lr / (1 + momentum))"},
    {TURN: "np.sqrt(2 * (lr + decay) / (1 + momentum))"},
)
STEADY.mistake(
    "turn-by-layer",
    "The turn is the same for all layers: the gradients do not enter.",
    {"return turn,": "return turn * at_one,"},
    {"return turn,": "return turn * at_one / fourth**0.25,"},
    {"return turn,": "return np.full(at_one.shape, turn),"},
    {"return turn,": "return lr * at_one / fourth**0.5,"},
    {"return turn,": "return lr * at_one / fourth**0.25,"},
    {"return turn,": "return lr / fourth**0.5,"},
)
STEADY.mistake(
    "square-for-length",
    "A power of the length comes back, not the length.",
    {"fourth**0.25": "fourth**0.5"},
    {"fourth**0.25": "fourth"},
    {"fourth**0.25": "fourth**0.125"},
)
STEADY.mistake(
    "fourth-power-taken",
    "The length is a fourth root: here another power is taken.",
    {"fourth**0.25": "fourth**4"},
    {"fourth**0.25": "fourth**2"},
    {"fourth**0.25": "fourth ** (1 / 3)"},
    {"fourth**0.25": "fourth ** (1 // 4)"},
)
STEADY.mistake(
    "gradient-not-squared",
    "The gradient has to be squared under the fourth root.",
    {"at_one**2": "at_one"},
)
STEADY.mistake(
    "gradient-power",
    "The length grows with the root of the gradient, not with another power of it.",
    {"at_one**2": "at_one**4"},
    {"at_one**2": "at_one**3"},
    {"lr * at_one**2 /": "lr / at_one**2 /"},
)
STEADY.mistake(
    "gradient-forgotten",
    "The gradients are missing in the lengths.",
    {"lr * at_one**2": "lr * np.ones_like(at_one)"},
    {"lr * at_one**2": "lr"},
)
STEADY.mistake(
    "layers-together",
    "All layers get one length: each has its own gradient.",
    {"at_one**2": "np.mean(at_one**2)"},
    {"at_one**2": "np.mean(at_one) ** 2"},
    {"at_one**2": "np.full(at_one.shape, np.mean(at_one**2))"},
    {"at_one**2": "np.sum(at_one**2)"},
    {"at_one**2": "np.full(at_one.shape, np.mean(at_one) ** 2)"},
    {"at_one**2": "np.full(at_one.shape, np.sum(at_one**2))"},
)
STEADY.mistake(
    "rate-and-decay-in-length",
    "In the length rate and decay stand on the wrong sides: decay shortens.",
    {"lr * at_one**2 / (2 * decay": "decay * at_one**2 / (2 * lr"},
    {"lr * at_one**2 / (2 * decay": "at_one**2 / (2 * lr * decay"},
    {"lr * at_one**2 / (2 * decay * ": "lr * decay * at_one**2 / (2 * "},
    {"lr * at_one**2 / (2 * decay * ": "2 * lr * decay * at_one**2 / ("},
)
STEADY.mistake(
    "rate-forgotten-in-length",
    "The learning rate is missing in the length, or is squared there.",
    {"lr * at_one**2": "at_one**2"},
    {"lr * at_one**2": "lr**2 * at_one**2"},
)
STEADY.mistake(
    "decay-forgotten-in-length",
    "The decay is missing in the length, or is squared there.",
    {"2 * decay *": "2 *"},
    {"2 * decay *": "2 * decay**2 *"},
)
STEADY.mistake(
    "fraction-of-the-wrong-kind",
    "A bracket is missing: what comes after the stroke has to divide as a whole.",
    {FOURTH: "lr * at_one**2 / 2 * decay * (1 - momentum)"},
    {TURN: "np.sqrt(2 * lr * decay / 1 + momentum)"},
    {"fourth**0.25": "fourth**1 / 4"},
    {FOURTH: "lr * at_one**2 / (2 * decay * 1 - momentum)"},
)


# How much a gradient changes on its way ----------------------------------------------


def gradient_change(gradient, w, lr):
    """Measure how much the gradient changes in one step, per distance walked.

    Parameters
    ----------
    gradient : callable
        gradient(w) is the gradient at the weights w, a new array of their shape.
    w : ndarray
        The weights. All of them together are one long vector, whatever their shape.
    lr : float
        Learning rate of the step, a plain one against the gradient.

    Returns
    -------
    float
        The length of the change over the length of the step, which is not zero.
    """
    g = gradient(w)
    there = gradient(w - lr * g)
    return np.linalg.norm(there - g) / (lr * np.linalg.norm(g))


def road_arguments(rng, x, rate=None, sign=1):
    """Draw the gradient of a smooth function that mixes all weights.

    It bends upwards in all directions, and so the gradient becomes shorter on the way
    down; with the other sign longer.
    """
    mix = rng.standard_normal((x.size, x.size)) / np.sqrt(x.size)
    target = rng.standard_normal(x.size)

    def gradient(w):
        slope = mix.T @ (np.tanh(mix @ w.ravel()) + 0.5 * target)
        return sign * slope.reshape(w.shape)

    return gradient, x, float(rng.uniform(0.2, 0.45)) if rate is None else rate


CHANGED = "np.linalg.norm(there - g)"
DISTANCE = "(lr * np.linalg.norm(g))"
MEASURE = f"{CHANGED} / {DISTANCE}"
THERE = "gradient(w - lr * g)"
DIRECTIONS = "there / np.linalg.norm(there) - g / np.linalg.norm(g)"
CHANGE = Exercise(
    identifier="gradient-change",
    title="How long a gradient keeps its word",
    section=Section(PAGE, SMOOTH),
    difficulty=2,
    minutes=15,
    text=(
        "A road is smooth if the gradient hardly changes while one walks along it. Write "
        "the measure: it gets a function that computes gradients, and makes one step."
    ),
    reference=gradient_change,
    outputs=("change",),
    families=(
        Family("a vector", (6,)),
        Family("a matrix", (4, 3)),
        Family("kernels", (2, 3, 1, 4)),
        Family("a tiny step", (3, 5), options={"rate": 1e-4}),
        Family("a long step", (5, 2), options={"rate": 1.7}),
        Family("down from a hill", (2, 5), options={"sign": -1}),
        Family("float32", (2, 4), dtype="f4"),
    ),
    arguments=road_arguments,
    small=((2,), (2, 3), (3, 2), (2, 3, 1, 2)),
    hints=paragraphs("""
        You need two gradients: one here, and one where a step of plain gradient descent
        leads to.

        The change is the length of the difference of the two. That is not the difference of
        their lengths. How long is the step itself?

        The step is lr times the gradient at the start, so divide np.linalg.norm(there - g)
        by lr * np.linalg.norm(g).
    """),
    why=(
        "Change of slope per distance is what a second derivative is. So the result is at "
        "most the largest curvature between the two points."
    ),
)
CHANGE.mistake(
    "rate-forgotten",
    "The division is by the gradient, not by the step: the learning rate is missing.",
    {DISTANCE: "np.linalg.norm(g)"},
    {MEASURE: f"lr * {CHANGED} / np.linalg.norm(g)"},
    {MEASURE: f"{CHANGED} / np.linalg.norm(g) * lr"},
)
CHANGE.mistake(
    "gradient-forgotten",
    "The division is by the learning rate, not by the length of the step.",
    {DISTANCE: "lr"},
    {DISTANCE: "1"},
)
CHANGE.mistake(
    "uphill",
    "The step goes uphill: against the gradient is meant.",
    {"w - lr * g": "w + lr * g"},
)
CHANGE.mistake(
    "difference-of-lengths",
    "The lengths are compared: a gradient may also turn.",
    {CHANGED: "abs(np.linalg.norm(there) - np.linalg.norm(g))"},
    {CHANGED: "(np.linalg.norm(there) - np.linalg.norm(g))"},
    {CHANGED: "(np.linalg.norm(g) - np.linalg.norm(there))"},
)
CHANGE.mistake(
    "no-difference",
    "The two gradients are not subtracted from each other.",
    {CHANGED: "np.linalg.norm(there)"},
    {CHANGED: "np.linalg.norm(g)"},
    {MEASURE: "np.linalg.norm(there) / np.linalg.norm(g)"},
    {MEASURE: "lr * np.linalg.norm(g) / np.linalg.norm(g)"},
    {CHANGED: "np.linalg.norm(lr * g)"},
    {"there - g": "there + g"},
)
CHANGE.mistake(
    "other-gradient-divides",
    "The gradient behind the step divides: the step was made with the one before it.",
    {DISTANCE: "(lr * np.linalg.norm(there))"},
    {DISTANCE: "np.linalg.norm(there)"},
    {DISTANCE: "(lr * (np.linalg.norm(g) + np.linalg.norm(there)) / 2)"},
    {DISTANCE: "(lr * (np.linalg.norm(g) + np.linalg.norm(there)))"},
    {DISTANCE: "(lr * np.sqrt(np.linalg.norm(g) * np.linalg.norm(there)))"},
    {DISTANCE: "(lr * max(np.linalg.norm(g), np.linalg.norm(there)))"},
    {DISTANCE: "(lr * np.linalg.norm(there + g))"},
    {DISTANCE: "(lr * np.linalg.norm(there + g) / 2)"},
)
CHANGE.mistake(
    "length-squared",
    "A length is squared that should not be.",
    {CHANGED: "np.sum((there - g) ** 2)"},
    {DISTANCE: "(lr * np.sum(g**2))"},
    {MEASURE: "np.sum((there - g) ** 2) / (lr * np.sum(g**2))"},
    {MEASURE: "np.sum((there - g) ** 2) / (lr**2 * np.sum(g**2))"},
    {MEASURE: "np.sqrt(np.sum((there - g) ** 2) / (lr * np.sum(g**2)))"},
    {MEASURE: "np.sum((there - g) ** 2) / np.sum(g**2)"},
    {MEASURE: f"np.sqrt({MEASURE})"},
    {DISTANCE: "(lr**2 * np.sum(g**2))"},
)
CHANGE.mistake(
    "rate-squared",
    "The learning rate is squared: the step has it once.",
    {DISTANCE: "(lr**2 * np.linalg.norm(g))"},
)
CHANGE.mistake(
    "along-the-step",
    "Only the change along the step counts here: the gradient may change sideways too.",
    {MEASURE: "np.sum((g - there) * g) / (lr * np.sum(g**2))"},
    {MEASURE: "np.sum((there - g) * g) / (lr * np.sum(g**2))"},
    {MEASURE: "abs(np.sum((there - g) * g)) / (lr * np.sum(g**2))"},
    {CHANGED: "np.sum((there - g) * g)"},
    {CHANGED: "abs(np.sum((there - g) * g))"},
)
CHANGE.mistake(
    "directions-only",
    "Only directions are compared: the length of a gradient may change too.",
    {MEASURE: "np.sum(there * g) / np.linalg.norm(there) / np.linalg.norm(g)"},
    {
        MEASURE: "np.arccos("
        "np.sum(there * g) / np.linalg.norm(there) / np.linalg.norm(g))"
    },
    {
        MEASURE: "np.arccos(np.sum(there * g) / np.linalg.norm(there)"
        " / np.linalg.norm(g)) / (lr * np.linalg.norm(g))"
    },
    {MEASURE: "1 - np.sum(there * g) / np.linalg.norm(there) / np.linalg.norm(g)"},
    *(
        {MEASURE: f"np.linalg.norm({DIRECTIONS}){behind}"}
        for behind in ("", " / lr", " / (lr * np.linalg.norm(g))")
    ),
)
CHANGE.mistake(
    "another-length",
    "This is not the length of a vector: it is the root of the sum of squares.",
    {MEASURE: "np.abs(there - g).sum() / (lr * np.abs(g).sum())"},
    {MEASURE: "np.abs(there - g).max() / (lr * np.abs(g).max())"},
    {CHANGED: "np.abs(there - g).sum()"},
    {CHANGED: "np.abs(there - g).max()"},
    {CHANGED: "np.abs(there - g).mean()"},
    {DISTANCE: "(lr * np.abs(g).sum())"},
    {DISTANCE: "(lr * np.abs(g).max())"},
    {DISTANCE: "np.abs(lr * g).mean()"},
    {CHANGED: "(there - g).sum()"},
    {CHANGED: "abs((there - g).sum())"},
    {MEASURE: "(there - g).std() / (lr * g.std())"},
)
CHANGE.mistake(
    "matrix-norm",
    "This is the norm of a matrix: all weights are one long vector.",
    {MEASURE: "np.linalg.norm(there - g, 2) / (lr * np.linalg.norm(g, 2))"},
    {CHANGED: "np.linalg.norm(there - g, 2)"},
    {DISTANCE: "(lr * np.linalg.norm(g, 2))"},
    {MEASURE: "np.linalg.norm(there - g, 1) / (lr * np.linalg.norm(g, 1))"},
    {MEASURE: "np.linalg.norm(there - g, np.inf) / (lr * np.linalg.norm(g, np.inf))"},
)
CHANGE.mistake(
    "mean-for-sum",
    "A mean stands in one of the lengths and a sum in the other.",
    {CHANGED: "np.sqrt(np.mean((there - g) ** 2))"},
    {DISTANCE: "(lr * np.sqrt(np.mean(g**2)))"},
    {CHANGED: "(there - g).std()"},
    {CHANGED: "np.mean((there - g) ** 2)"},
)
CHANGE.mistake(
    "entry-by-entry",
    "The entries are divided one by one: lengths are what is divided.",
    {MEASURE: "np.linalg.norm((there - g) / (lr * g))"},
    {MEASURE: "np.mean(np.abs(there - g) / (lr * np.abs(g)))"},
    {MEASURE: "np.abs(there - g) / (lr * np.abs(g))"},
    {MEASURE: "(there - g) / (lr * g)"},
    {MEASURE: "np.max(np.abs(there - g) / (lr * np.abs(g)))"},
    {MEASURE: "np.abs(there - g) / (lr * np.linalg.norm(g))"},
    {MEASURE: "(there - g) / (lr * np.linalg.norm(g))"},
    {MEASURE: "np.median(np.abs(there - g) / (lr * np.abs(g)))"},
    {MEASURE: "np.mean((there - g) / (lr * g))"},
)
CHANGE.mistake(
    "rows-apart",
    "Each row has its own length here: all weights are one long vector.",
    {"(there - g)": "(there - g, axis=-1)", "norm(g)": "norm(g, axis=-1)"},
    {"(there - g)": "(there - g, axis=0)", "norm(g)": "norm(g, axis=0)"},
    {
        MEASURE: "np.mean(np.linalg.norm(there - g, axis=-1)"
        " / (lr * np.linalg.norm(g, axis=-1)))"
    },
    {"(there - g)": "(there - g, axis=1)", "norm(g)": "norm(g, axis=1)"},
    {
        MEASURE: "np.mean(np.linalg.norm(there - g, axis=1)"
        " / (lr * np.linalg.norm(g, axis=1)))"
    },
    {
        MEASURE: "np.mean(np.linalg.norm(there - g, axis=0)"
        " / (lr * np.linalg.norm(g, axis=0)))"
    },
)
CHANGE.mistake(
    "lengths-of-rows-added",
    "The lengths of rows are added: all weights are one long vector.",
    {
        MEASURE: "np.sum(np.linalg.norm(there - g, axis=-1))"
        " / (lr * np.sum(np.linalg.norm(g, axis=-1)))"
    },
    {
        MEASURE: "np.sum(np.linalg.norm(there - g, axis=0))"
        " / (lr * np.sum(np.linalg.norm(g, axis=0)))"
    },
    {
        MEASURE: "np.sum(np.linalg.norm(there - g, axis=-1)"
        " / (lr * np.linalg.norm(g, axis=-1)))"
    },
    {
        MEASURE: "np.linalg.norm([np.linalg.norm(d) / (lr * np.linalg.norm(a))"
        " for d, a in zip(there - g, g)])"
    },
)
CHANGE.mistake(
    "step-of-length-one",
    "The gradient is divided by its length before the step: a plain step is meant.",
    {THERE: "gradient(w - lr * g / np.linalg.norm(g))", DISTANCE: "lr"},
    {THERE: "gradient(w - lr * g / np.linalg.norm(g))"},
    {THERE: "gradient(w - lr * np.sign(g))"},
)
CHANGE.mistake(
    "another-step",
    "The step is not the one that is asked for: lr times the gradient, once.",
    {"w - lr * g": "w - g"},
    {"w - lr * g": "w - lr * w"},
    {"w - lr * g": "w - lr"},
    {"w - lr * g": "w - 2 * lr * g"},
    {"w - lr * g": "w - lr * g / 2"},
    {"w - lr * g": "w - lr**2 * g"},
    {THERE: "gradient(w - lr * g - lr * gradient(w - lr * g))"},
    {THERE: "gradient(lr * g)"},
    {THERE: "gradient(-lr * g)"},
    {THERE: "gradient(g)"},
    {"there - g": "there - gradient(w - lr * g - lr * there)"},
    {
        "there - g": "there - gradient(w - lr * g - lr * there)",
        "norm(g)": "norm(there)",
    },
)
CHANGE.mistake(
    "rate-ignored",
    "The learning rate is not the one that was given: how far one looks is a part of it.",
    *({"lr *": f"1e-{k} *"} for k in range(2, 9)),
    *({"w - lr *": f"w - 1e-{k} *"} for k in range(2, 9)),
    {"lr *": "0.1 *"},
)
CHANGE.mistake(
    "eps-added",
    "Something is added to the length of the step, which is never zero.",
    *({DISTANCE: f"(lr * np.linalg.norm(g) + 1e-{k})"} for k in range(3, 11)),
    *({DISTANCE: f"(lr * (np.linalg.norm(g) + 1e-{k}))"} for k in range(3, 7)),
)
CHANGE.mistake(
    "both-directions",
    "The difference is over both directions: the road leads downhill only.",
    {"there - g": "there - gradient(w + lr * g)"},
    {"there - g": "there - gradient(w + lr * g)", "(lr *": "(2 * lr *"},
)
CHANGE.mistake(
    "weights-divide",
    "The weights divide: the step is what was walked.",
    {DISTANCE: "np.linalg.norm(w)"},
    {DISTANCE: "(lr * np.linalg.norm(w))"},
    {DISTANCE: "np.linalg.norm(w - lr * g)"},
)
CHANGE.mistake(
    "distance-multiplies",
    "The length of the step multiplies what it should divide.",
    {MEASURE: f"{CHANGED} * {DISTANCE}"},
    {MEASURE: f"{CHANGED} * lr / np.linalg.norm(g) / lr * lr * np.linalg.norm(g)"},
    {MEASURE: f"{CHANGED} / lr * np.linalg.norm(g)"},
)
CHANGE.mistake(
    "inverted",
    "The ratio stands on its head.",
    {MEASURE: f"{DISTANCE} / {CHANGED}"},
    {MEASURE: f"np.linalg.norm(g) / {CHANGED}"},
)
CHANGE.mistake(
    "factor-two",
    "There is a factor of 2 or one half too many.",
    {DISTANCE: "(2 * lr * np.linalg.norm(g))"},
    {MEASURE: f"2 * {MEASURE}"},
)


# The factor chi ----------------------------------------------------------------------


def explosion_factor(values, slopes, weights, depth):
    """Predict how gradients grow in chains of layers with batch norm.

    A layer is norm, activation phi, linear map. It is wide, and the batch is large.

    Parameters
    ----------
    values, slopes : ndarray, shape (n, A)
        phi(t[i]) and its derivative, for A different activations phi.
    weights : ndarray, shape (n,)
        For a standard Gaussian t the mean of h(t) is the sum of weights[i] * h(t[i]).
    depth : int
        The number of layers that the gradient passes.

    Returns
    -------
    chi : ndarray, shape (A,)
        The factor by which a layer multiplies the gradient's squared length.
    growth : ndarray, shape (A,)
        How many times longer the gradient is after all layers.
    """
    mean = weights @ values
    var = weights @ (values - mean) ** 2
    chi = weights @ slopes**2 / var
    return chi, chi ** (depth / 2)


def activation_arguments(rng, x, depth=6):
    """Draw points, their weights, and activations of several kinds and sizes."""
    n, kinds = x.shape
    t = np.linspace(-2.5, 2.5, n) + rng.uniform(-0.1, 0.1, n)
    weights = np.exp(-(t**2) / 2) * rng.uniform(0.7, 1.3, n)
    steep = np.linspace(0.8, 2.0, kinds) + rng.uniform(0, 0.3, kinds)
    shift = rng.uniform(0.3, 1.0, kinds) * rng.choice([-1, 1], kinds)
    # Sizes and offsets are those of the values drawn; chi knows neither.
    size, offset = x.std(axis=0), x.mean(axis=0)
    bend = np.tanh(steep * t[:, None] + shift)
    values = offset + size * bend
    slopes = size * steep * (1 - bend**2)
    given = values, slopes, weights / weights.sum()
    return *(a.astype(x.dtype) for a in given), depth


MEAN = "weights @ values"
VAR = "weights @ (values - mean) ** 2"
SLOPE = "weights @ slopes**2"
GROWTH = "chi ** (depth / 2)"
CHI = Exercise(
    identifier="explosion-factor",
    title="The activation that explodes least",
    section=Section(PAGE, EXPLODES),
    difficulty=3,
    minutes=20,
    text=(
        "Without skip connections batch norm makes gradients explode, and how fast "
        "depends on the activation. Write the prediction, so that activations can be "
        "compared before any training."
    ),
    reference=explosion_factor,
    outputs=("chi", "growth"),
    families=(
        Family("some activations", (9, 4)),
        Family("activations of very different size", (11, 5), "scaled"),
        Family("activations far from zero", (8, 3), offset=12.0),
        Family("an odd number of layers", (7, 2), options={"depth": 3}),
        Family("many layers", (12, 3), options={"depth": 20}),
        Family("float32", (10, 4), dtype="f4"),
    ),
    arguments=activation_arguments,
    small=((3, 2), (4, 2), (4, 3)),
    hints=paragraphs("""
        On the way back the activation multiplies the squared length by the average of its
        squared slope. What does the batch norm divide by?

        It divides by the spread of the activations, and first takes their mean away: the
        variance is meant. All averages are weighted; weights @ values gives one for each
        activation.

        chi is the average of slopes ** 2 over the variance of the values. It is about
        squared lengths, so after depth layers the length itself has grown by
        chi ** (depth / 2).
    """),
    why=(
        "The norm behind an activation removes its mean and divides by its spread, and the "
        "gradient is divided by that spread too. As every layer multiplies the square, the "
        "root has to be taken once, at the end."
    ),
)
CHI.mistake(
    "second-moment",
    "The mean is not taken away: the next norm divides by the variance.",
    {"(values - mean) ** 2": "values**2"},
)
CHI.mistake(
    "mean-not-squared",
    "The variance is the average of the squares minus the square of the mean.",
    {VAR: "weights @ values**2 - mean"},
    {VAR: "weights @ values**2 - 2 * mean**2"},
    {VAR: "weights @ values**2 + mean**2"},
    {VAR: "mean**2"},
    {VAR: "(weights @ (values - mean)) ** 2"},
)
CHI.mistake(
    "slope-not-squared",
    "The slope is squared first and averaged then.",
    {SLOPE: "weights @ slopes"},
    {SLOPE: "(weights @ slopes) ** 2"},
    {SLOPE: "weights @ np.abs(slopes)"},
    {SLOPE: "np.sqrt(weights @ slopes**2)"},
    {SLOPE: "weights @ (slopes * values)"},
)
CHI.mistake(
    "averaged-over-activations",
    "The averages are over the activations: they are over the points.",
    {
        MEAN: "values.mean(axis=1, keepdims=True)",
        VAR: "values.var(axis=1)",
        SLOPE: "(slopes**2).mean(axis=1)",
    },
    {
        MEAN: "values.mean(axis=1, keepdims=True)",
        VAR: "weights * values.var(axis=1)",
        SLOPE: "weights * (slopes**2).mean(axis=1)",
    },
    {
        MEAN: "(weights[:, None] * values).sum(axis=1, keepdims=True)",
        VAR: "(weights[:, None] * (values - mean) ** 2).sum(axis=1)",
        SLOPE: "(weights[:, None] * slopes**2).sum(axis=1)",
    },
)
CHI.mistake(
    "all-in-one",
    "All activations together get one number: each has its own.",
    {
        MEAN: "np.average(values, weights=np.tile(weights[:, None], values.shape[1]))",
        VAR: "np.sum(weights[:, None] * (values - mean) ** 2)",
        SLOPE: "np.sum(weights[:, None] * slopes**2)",
    },
    {
        MEAN: "np.sum(weights[:, None] * values)",
        VAR: "np.sum(weights[:, None] * (values - mean) ** 2)",
        SLOPE: "np.sum(weights[:, None] * slopes**2)",
    },
    {
        VAR: "np.sum(weights[:, None] * (values - mean) ** 2)",
        SLOPE: "np.sum(weights[:, None] * slopes**2)",
    },
)
CHI.mistake(
    "slope-centred",
    "The slopes have their mean taken away: nothing centres them.",
    {SLOPE: "weights @ (slopes - weights @ slopes) ** 2"},
    {SLOPE: "slopes.var(axis=0)"},
)
CHI.mistake(
    "slope-to-the-fourth",
    "A square is taken twice.",
    {SLOPE: "weights @ slopes**4"},
    {SLOPE: "(weights @ slopes**2) ** 2"},
    {VAR: "(weights @ (values - mean) ** 2) ** 2"},
    {VAR: "weights @ (values - mean) ** 4"},
    {"chi = weights @ slopes**2 / var": "chi = (weights @ slopes**2 / var) ** 2"},
)
CHI.mistake(
    "spread-for-variance",
    "The spread divides where the variance belongs.",
    {"/ var": "/ np.sqrt(var)"},
)
CHI.mistake(
    "absolute-deviations",
    "The variance is an average of squares, not of absolute values.",
    {VAR: "weights @ np.abs(values - mean)"},
    {VAR: "(weights @ np.abs(values - mean)) ** 2"},
)
CHI.mistake(
    "slopes-not-used",
    "The slopes that were given are not used.",
    {SLOPE: "weights @ np.gradient(values, axis=0) ** 2"},
    {SLOPE: "weights @ values**2"},
    {SLOPE: "weights @ (values - mean) ** 2"},
    {SLOPE: "1"},
    {SLOPE: "0.5"},
)
CHI.mistake(
    "root-taken",
    "This is the factor of the length: chi is the one of its square.",
    {"chi = weights @ slopes**2 / var": "chi = np.sqrt(weights @ slopes**2 / var)"},
    {
        "return chi, chi ** (depth / 2)": "return np.sqrt(chi), np.sqrt(chi) ** depth",
    },
    {
        "chi = weights @ slopes**2 / var": "chi = np.sqrt(weights @ slopes**2 / var)",
        GROWTH: "chi**depth",
    },
)
CHI.mistake(
    "unweighted",
    "The weights are left out: points far out count less.",
    {MEAN: "values.mean(axis=0)"},
    {MEAN: "np.median(values, axis=0)"},
    {VAR: "((values - mean) ** 2).mean(axis=0)"},
    {SLOPE: "(slopes**2).mean(axis=0)"},
    {VAR: "values.var(axis=0)"},
    {MEAN: "values.mean(axis=0)", VAR: "values.var(axis=0)"},
    {
        MEAN: "values.mean(axis=0)",
        VAR: "values.var(axis=0)",
        SLOPE: "(slopes**2).mean(axis=0)",
    },
    {VAR: "((values - mean) ** 2).mean(axis=0)", SLOPE: "(slopes**2).mean(axis=0)"},
    {VAR: "values.var(axis=0, ddof=1)", SLOPE: "(slopes**2).mean(axis=0)"},
    {SLOPE: "(slopes**2).sum(axis=0)"},
    {VAR: "((values - mean) ** 2).sum(axis=0)"},
    {VAR: "values.var(axis=0, ddof=1)"},
)
CHI.mistake(
    "divided-by-number",
    "The weighted sum is divided by the number of points: the weights sum to 1.",
    {MEAN: "weights @ values / len(weights)"},
    {VAR: "weights @ (values - mean) ** 2 / len(weights)"},
    {"/ var": "/ len(weights) / var"},
    {
        MEAN: "weights @ values / len(weights)",
        VAR: "weights @ (values - mean) ** 2 / len(weights)",
        "/ var": "/ len(weights) / var",
    },
    {
        MEAN: "weights @ values / len(weights)",
        VAR: "weights @ (values - mean) ** 2 / len(weights)",
    },
)
CHI.mistake(
    "unbiased-variance",
    "The variance is corrected as for a sample: these are averages over a Gaussian.",
    {VAR: "weights @ (values - mean) ** 2 / (1 - 1 / len(weights))"},
    {VAR: "weights @ (values - mean) ** 2 / (1 - weights @ weights)"},
)
CHI.mistake(
    "weights-squared",
    "The weights are squared along with the values: they come last.",
    {SLOPE: "((weights[:, None] * slopes) ** 2).sum(axis=0)"},
    {VAR: "((weights[:, None] * (values - mean)) ** 2).sum(axis=0)"},
    {
        VAR: "((weights[:, None] * (values - mean)) ** 2).sum(axis=0)",
        SLOPE: "((weights[:, None] * slopes) ** 2).sum(axis=0)",
    },
    {VAR: "(weights**2) @ (values - mean) ** 2", SLOPE: "(weights**2) @ slopes**2"},
    {VAR: "(weights[:, None] * values).var(axis=0)"},
    {
        VAR: "(weights[:, None] * values).var(axis=0)",
        SLOPE: "((weights[:, None] * slopes) ** 2).mean(axis=0)",
    },
)
CHI.mistake(
    "activations-together",
    "The activations are mixed: each has its own averages.",
    {MEAN: "(weights @ values).mean()"},
    {VAR: "(weights @ (values - mean) ** 2).mean()"},
    {SLOPE: "(weights @ slopes**2).mean()"},
    {VAR: "(weights @ (values - mean) ** 2).sum()"},
    {SLOPE: "(weights @ slopes**2).sum()"},
    {"/ var": "/ var.mean()"},
    {MEAN: "(weights @ values).sum()"},
    {MEAN: "values.mean()"},
    {"chi = weights @ slopes**2 / var": "chi = np.mean(weights @ slopes**2 / var)"},
)
CHI.mistake(
    "weights-not-lined-up",
    "The weights do not line up: there is one for each point, along the first axis.",
    {MEAN: "(weights * values).sum(axis=0)"},
    {VAR: "(weights * (values - mean) ** 2).sum(axis=0)"},
    {SLOPE: "(weights * slopes**2).sum(axis=0)"},
    {MEAN: "values @ weights"},
    {VAR: "(values - mean) ** 2 @ weights"},
    {SLOPE: "slopes**2 @ weights"},
)
CHI.mistake(
    "inverted",
    "The ratio stands on its head: a steep activation makes gradients larger.",
    {"chi = weights @ slopes**2 / var": "chi = var / (weights @ slopes**2)"},
    {"return chi, chi ** (depth / 2)": "return chi, chi ** (-depth / 2)"},
)
CHI.mistake(
    "multiplied",
    "The variance multiplies: the norm divides by it.",
    {"/ var": "* var"},
)
CHI.mistake(
    "variance-forgotten",
    "The division by the variance is missing: the next norm makes it.",
    {" / var": ""},
    {" / var": " * 2"},
)
CHI.mistake(
    "square-for-length",
    "The growth is that of the squared length: the length is asked for.",
    {GROWTH: "chi**depth"},
)
CHI.mistake(
    "roots-too-many",
    "One root too many is taken on the way from chi to the growth.",
    {GROWTH: "chi ** (depth / 4)"},
    {GROWTH: "chi**0.5"},
)
CHI.mistake(
    "layers-off-by-one",
    "The number of layers is off by one or more: every layer multiplies.",
    {GROWTH: "chi ** ((depth - 1) / 2)"},
    {GROWTH: "chi ** ((depth + 1) / 2)"},
    {GROWTH: "chi ** (depth // 2)"},
    {GROWTH: "chi ** (depth - 1)"},
    {GROWTH: "chi ** (depth + 1)"},
    {GROWTH: "chi ** (2 * depth)"},
)
CHI.mistake(
    "layers-added",
    "The layers are added up: their factors multiply.",
    {GROWTH: "chi * depth / 2"},
    {GROWTH: "chi * depth"},
    {GROWTH: "np.sqrt(chi) * depth"},
    {GROWTH: "np.sqrt(chi * depth)"},
    {GROWTH: "1 + depth * (chi - 1)"},
    {GROWTH: "1 + depth * chi"},
    {GROWTH: "1 + depth * np.sqrt(chi)"},
    {GROWTH: "1 + depth * (np.sqrt(chi) - 1)"},
    {GROWTH: "np.sqrt(1 + depth * (chi - 1))"},
)
CHI.mistake(
    "logarithm-for-growth",
    "A logarithm comes back in place of the growth.",
    {GROWTH: "depth / 2 * np.log(chi)"},
    {GROWTH: "depth * np.log(chi)"},
    {GROWTH: "np.exp(depth / 2 * chi)"},
    {GROWTH: "np.exp(depth * chi)"},
    {GROWTH: "depth ** (chi / 2)"},
    {GROWTH: "depth**chi"},
)
CHI.mistake(
    "skip-added",
    "There are no skip connections here: nothing is added to the factor.",
    {GROWTH: "(1 + chi) ** (depth / 2)"},
    {GROWTH: "np.prod([1 + chi / (l + 1) for l in range(depth)], axis=0) ** 0.5"},
    {GROWTH: "np.prod([1 + chi / (l + 1) for l in range(depth)], axis=0)"},
    {GROWTH: "(1 + chi) ** depth"},
    heading=ESCAPE,
)
CHI.mistake(
    "eps-added",
    "Something is added to the variance: eps is left out of this theory.",
    *({"/ var": f"/ (var + 1e-{k})"} for k in range(3, 10)),
    {"/ var": "/ (1 + var)"},
)


# The residual stream -----------------------------------------------------------------


def residual_stream(gamma, chi):
    """Predict what a wide residual network does at the start, for large batches.

    The stream begins with variance 1. Block l adds its branch to the stream: rectifier,
    linear map with independent weights, and a batch norm with scale gamma[l]. Branch
    and stream are uncorrelated, and so are their gradients.

    Parameters
    ----------
    gamma : ndarray, shape (L,)
        The scales from the first block to the last, of either sign.
    chi : float
        The factor of the rectifier, as in a chain without skips and with gamma 1.

    Returns
    -------
    shares : ndarray, shape (L,)
        The fraction of the stream's variance behind block l that its branch has added.
    growth : float
        How many times longer the gradient is in front of all blocks than behind them.
    """
    added = gamma**2
    behind = 1 + np.cumsum(added)
    before = behind - added
    growth = np.sqrt(np.prod(1 + chi * added / before))
    return added / behind, growth


def stream_arguments(rng, x, low=0.4, high=1.6):
    """Draw scales of either sign, in no order."""
    n = len(x)
    gamma = np.linspace(low, high, n) * rng.uniform(0.85, 1.15, n)
    gamma = rng.permutation(gamma) * rng.choice([-1, 1], n)
    return gamma.astype(x.dtype), float(rng.uniform(1.2, 1.7))


BEHIND = "1 + np.cumsum(added)"
FACTOR = "1 + chi * added / before"
PRODUCT = f"np.sqrt(np.prod({FACTOR}))"
SHARES = "return added / behind,"
STREAM = Exercise(
    identifier="residual-stream",
    title="A stream and its branches",
    section=Section(PAGE, ESCAPE),
    difficulty=4,
    minutes=30,
    text=(
        "The chapter follows a residual network at the start, with every gamma at 1. Derive "
        "it for any gammas: how much of the stream each branch makes up, and how much the "
        "gradient grows."
    ),
    reference=residual_stream,
    outputs=("shares", "growth"),
    families=(
        Family("some blocks", (6,)),
        Family("many blocks", (25,)),
        Family("small gammas", (5,), options={"low": 0.05, "high": 0.3}),
        Family("large gammas", (4,), options={"low": 2.0, "high": 5.0}),
        Family("float32", (7,), dtype="f4"),
    ),
    arguments=stream_arguments,
    small=((2,), (3,)),
    hints=paragraphs("""
        A norm puts out variance 1 whatever comes in, and then gamma scales it. What does a
        branch add to the variance of the stream?

        Behind block l the variance is 1 plus the sum of all squared gammas so far. Going
        back, the branch's norm divides by the spread of what it gets, which grows with the
        variance in front of the block, and gamma multiplies.

        A branch multiplies the squared gradient by chi * gamma**2 / before, the skip by 1,
        and the two add up. Multiply over all blocks, and take the root.
    """),
    why=(
        "Behind the rectifier the variance is as many times larger as the stream's, so the "
        "norm divides the squared gradient by that. For gamma = 1 the variance in front of "
        "block l is l, and both formulas of the chapter come back."
    ),
)
STREAM.mistake(
    "share-of-stream-before",
    "The share is of the stream behind the block, which has the branch in it.",
    {SHARES: "return added / before,"},
)
STREAM.mistake(
    "share-of-last-stream",
    "The share is of the stream at the end: the one right behind the block is meant.",
    {SHARES: "return added / behind[-1],"},
    {SHARES: "return added / (1 + added.sum()),"},
    {SHARES: "return added / added.sum(),"},
)
STREAM.mistake(
    "share-of-all-branches",
    "All branches so far are in the share: only the block's own is meant.",
    {SHARES: "return np.cumsum(added) / behind,"},
)
STREAM.mistake(
    "share-of-the-rest",
    "This is the share of the rest: that of the branch is asked for.",
    {SHARES: "return before / behind,"},
    {SHARES: "return 1 / behind,"},
)
STREAM.mistake(
    "start-forgotten",
    "The stream does not begin with nothing: its variance is 1 in front of the blocks.",
    {BEHIND: "np.cumsum(added)"},
    {SHARES: "return added / np.cumsum(added),"},
    {
        BEHIND: "np.cumsum(added)",
        "before = behind - added": "before = np.concatenate([[1.0], behind[:-1]])",
    },
    {"behind - added": "np.concatenate([added[:1], behind[:-1]])"},
    {"added / before": "added / np.cumsum(added)"},
)
STREAM.mistake(
    "gamma-not-squared",
    "gamma scales numbers, so their variance goes with its square.",
    {"gamma**2": "gamma"},
    {"gamma**2": "np.abs(gamma)"},
    {SHARES: "return np.abs(gamma) / behind,"},
    {"chi * added": "chi * np.abs(gamma)"},
    {"chi * added": "chi * gamma"},
    {SHARES: "return np.abs(gamma) / (1 + np.cumsum(np.abs(gamma))),"},
    {SHARES: "return gamma / (1 + np.cumsum(gamma)),"},
    {SHARES: "return gamma / behind,"},
    {BEHIND: "1 + np.cumsum(np.abs(gamma))", "- added": "- np.abs(gamma)"},
    {BEHIND: "1 + np.cumsum(gamma)", "- added": "- gamma"},
)
STREAM.mistake(
    "spreads-added",
    "Spreads are added: for uncorrelated numbers the variances add up.",
    {BEHIND: "(1 + np.cumsum(np.abs(gamma))) ** 2"},
    {SHARES: "return added / (1 + np.cumsum(np.abs(gamma))) ** 2,"},
    {
        BEHIND: "(1 + np.cumsum(np.abs(gamma))) ** 2",
        "behind - added": "np.concatenate([[1.0], behind[:-1]])",
    },
)
STREAM.mistake(
    "share-of-spread",
    "This is a share of the spread: that of the variance is asked for.",
    {SHARES: "return np.sqrt(added / behind),"},
    {SHARES: "return gamma / np.sqrt(behind),"},
)
STREAM.mistake(
    "gamma-forgotten",
    "gamma is missing: this holds if all of them are 1.",
    {"gamma**2": "np.ones_like(gamma)"},
    {SHARES: "return 1 / (2.0 + np.arange(len(gamma))),"},
    {FACTOR: "1 + chi / (1 + np.arange(len(gamma)))"},
    {FACTOR: "1 + chi / before"},
    {FACTOR: "1 + chi * added / (1 + np.arange(len(gamma)))"},
    {"added / before": "added / (2 + np.arange(len(gamma)))"},
)
STREAM.mistake(
    "earlier-branches-forgotten",
    "The branches before this one are forgotten: the stream has them all.",
    {BEHIND: "1 + added"},
    {SHARES: "return added / (1 + added),"},
    {SHARES: "return added / (1 + added),", "chi * added / before": "chi * added"},
)
STREAM.mistake(
    "numbered-from-zero",
    "The sum of the gammas is off by one block.",
    {BEHIND: "1 + np.cumsum(added) - added[0]"},
    {BEHIND: "2 + np.cumsum(added)"},
    {"before = behind - added": "before = behind - added[0]"},
)
STREAM.mistake(
    "stream-behind-in-gradient",
    "The branch sees the stream in front of its block, not the one behind it.",
    {"added / before": "added / behind"},
)
STREAM.mistake(
    "stream-not-divided",
    "The norm divides by more where the stream is larger: the gradient is not divided.",
    {"chi * added / before": "chi * added"},
    {FACTOR: "1 + chi"},
    {PRODUCT: "np.sqrt(1 + chi) ** len(gamma)"},
    {PRODUCT: "np.prod(1 + chi * added / behind[-1]) ** 0.5"},
)
STREAM.mistake(
    "spread-divides",
    "The square of the gradient is divided by the variance of the stream, not its root.",
    {"added / before": "added / np.sqrt(before)"},
    {"added / before": "added / before**2"},
    {"added / before": "added * before"},
)
STREAM.mistake(
    "skip-forgotten",
    "The skip is missing: the gradient also passes each block unchanged.",
    {FACTOR: "chi * added / before"},
    {FACTOR: "chi * added"},
    {PRODUCT: "np.sqrt(chi) ** len(gamma)"},
    {PRODUCT: "chi ** len(gamma)"},
    {PRODUCT: "np.prod(chi * added / before)"},
)
STREAM.mistake(
    "chi-forgotten",
    "chi is missing: rectifier and norm make the branch's gradient larger.",
    {"chi * added": "added"},
    {PRODUCT: "np.sqrt(behind[-1])"},
    {PRODUCT: "behind[-1]"},
)
STREAM.mistake(
    "chi-in-another-power",
    "chi is already the factor of the square.",
    {"chi * added": "chi**2 * added"},
    {"chi * added": "np.sqrt(chi) * added"},
    {FACTOR: "(1 + added / before) * chi"},
    {FACTOR: "chi + added / before"},
    {"chi * added / before": "added / (chi * before)"},
    {FACTOR: "1 + added / before", "np.sqrt(": "chi * np.sqrt("},
    {FACTOR: "1 + (chi * added / before) ** 2"},
)
STREAM.mistake(
    "stream-normalised",
    "Nothing divides the stream itself: the skip passes the gradient unchanged.",
    {FACTOR: "(before + chi * added) / behind"},
    {FACTOR: "(1 + chi * added) / behind"},
    {FACTOR: "1 / behind + chi * added / behind"},
    {FACTOR: "(1 + chi * added / before) / behind"},
    {FACTOR: "(1 + chi * added) / before"},
    {FACTOR: "1 / before + chi * added / before"},
)
STREAM.mistake(
    "approximated",
    "This is an approximation for many small shares: the product itself is asked for.",
    {PRODUCT: "behind[-1] ** (chi / 2)"},
    {PRODUCT: "behind[-1] ** chi"},
    {PRODUCT: "np.exp(np.sum(chi * added / before) / 2)"},
    {PRODUCT: "np.exp(np.sum(chi * added / before))"},
    {PRODUCT: "len(gamma) ** (chi / 2)"},
    {PRODUCT: "len(gamma) ** chi"},
    {PRODUCT: "np.exp(np.sum(chi * added / behind) / 2)"},
    {PRODUCT: "chi ** (np.sum(added / behind) / 2)"},
    {PRODUCT: "chi ** np.sum(added / behind)"},
)
STREAM.mistake(
    "gammas-multiplied",
    "A branch adds to the variance, as much whatever came: it does not multiply it.",
    {
        BEHIND: "np.cumprod(1 + added)",
        "behind - added": "np.concatenate([[1.0], behind[:-1]])",
    },
    {SHARES: "return added / np.cumprod(1 + added),"},
    {BEHIND: "np.cumprod(1 + added)"},
)
STREAM.mistake(
    "lengths-added",
    "The lengths of two gradients are added: uncorrelated, their squares add up.",
    {PRODUCT: "np.prod(1 + np.sqrt(chi * added / before))"},
    {PRODUCT: "np.prod(1 + np.sqrt(chi) * np.abs(gamma) / before)"},
    {PRODUCT: "np.sqrt(np.prod(1 + np.sqrt(chi * added / before)))"},
    {PRODUCT: "np.prod(1 + chi * np.abs(gamma) / np.sqrt(before))"},
)
STREAM.mistake(
    "square-for-length",
    "The growth is that of the squared length: the length is asked for.",
    {PRODUCT: f"np.prod({FACTOR})"},
)
STREAM.mistake(
    "root-of-each-block-again",
    "One root too many is taken.",
    {PRODUCT: f"np.prod({FACTOR}) ** 0.25"},
    {PRODUCT: f"np.sqrt(np.prod(np.sqrt({FACTOR})))"},
)
STREAM.mistake(
    "sum-for-product",
    "The blocks are added up: their factors multiply.",
    {"np.prod(": "np.sum("},
    {PRODUCT: "np.sqrt(1 + np.sum(chi * added / before))"},
    {PRODUCT: "1 + np.sum(chi * added / before)"},
    {PRODUCT: "np.sqrt(1 + chi * np.sum(added))"},
    {PRODUCT: f"np.sum({FACTOR})"},
    {PRODUCT: "np.sum(chi * added / before)"},
)
STREAM.mistake(
    "mean-for-product",
    "This is the growth in a typical block: the gradient passes all of them.",
    {"np.prod(": "np.mean("},
    {PRODUCT: f"np.prod({FACTOR}) ** (0.5 / len(gamma))"},
    {PRODUCT: f"np.prod({FACTOR}) ** (1 / len(gamma))"},
)
STREAM.mistake(
    "one-block-only",
    "The growth is that of one block: all of them multiply.",
    {PRODUCT: f"np.sqrt({FACTOR})[-1]"},
    {PRODUCT: f"np.sqrt({FACTOR})[0]"},
    {PRODUCT: f"np.sqrt({FACTOR}).max()"},
)
STREAM.mistake(
    "not-multiplied",
    "There is one growth for each block here: they have to be multiplied.",
    {PRODUCT: f"np.sqrt({FACTOR})"},
    {"np.prod(": "("},
    {PRODUCT: f"np.sqrt(np.cumprod({FACTOR}))"},
    {PRODUCT: f"np.cumprod({FACTOR})"},
    {PRODUCT: f"np.sqrt(np.cumprod(({FACTOR})[::-1]))[::-1]"},
    {PRODUCT: FACTOR},
)
STREAM.mistake(
    "wrong-end",
    "The blocks are counted from the wrong end: the stream begins in front of the first.",
    {BEHIND: "1 + np.cumsum(added[::-1])[::-1]"},
    {BEHIND: "1 + np.cumsum(added[::-1])"},
    {"added = gamma**2": "added = gamma[::-1] ** 2"},
    {"chi * added / before": "chi * added[::-1] / before"},
)
STREAM.mistake(
    "growth-inverted",
    "The ratio stands on its head: in front of the blocks the gradient is longer.",
    {PRODUCT: f"1 / {PRODUCT}"},
    {PRODUCT: f"1 / np.prod({FACTOR})"},
)
