"""Exercises of chapter 04: the backward pass."""

import numpy as np

from bnlearn.exercises.definition import Exercise, Family, Section
from bnlearn.exercises.inputs import draw_eps, like, per_channel

PAGE = "04_backward_pass"

BATCHES = (
    Family("a batch", (7, 3)),
    Family("a batch with a quiet feature", (6, 4), "quiet"),
    Family("badly scaled features", (8, 5), "scaled"),
    Family("a larger batch", (31, 2)),
    Family("float32", (9, 4), dtype="f4"),
)


def forward(dout, x, gamma, eps, beta=0.0):
    """Normalise a batch: what the gradients below are of."""
    x_hat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    return gamma * x_hat + beta


def arguments(rng, x):
    """Draw what a backward pass is given."""
    return like(rng, x), x, per_channel(rng, x), draw_eps(rng)


# The closed form ---------------------------------------------------------------------


def closed_form(dout, x, gamma, eps):
    """Give the gradients of batch normalization with respect to x, gamma and beta.

    Parameters
    ----------
    dout : ndarray, shape (m, C)
        The upstream gradient.
    x : ndarray, shape (m, C)
        The batch.
    gamma : ndarray, shape (C,)
        Scale.
    eps : float
        Added to the variance inside the root.

    Returns
    -------
    dx : ndarray, shape (m, C)
    dgamma, dbeta : ndarray, shape (C,)
    """
    inv_std = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - x.mean(axis=0)) * inv_std
    dgamma = (dout * x_hat).sum(axis=0)
    dbeta = dout.sum(axis=0)
    dx = gamma * inv_std * (dout - (dbeta + x_hat * dgamma) / len(x))
    return dx, dgamma, dbeta


CLOSED_FORM = Exercise(
    identifier="backward-closed-form",
    title="The backward pass in closed form",
    section=Section(PAGE, "The closed form"),
    difficulty=3,
    minutes=20,
    text=(
        "Write the whole backward pass without the intermediate gradients: two sums "
        "for gamma and beta, then one line for the input."
    ),
    reference=closed_form,
    outputs=("dx", "dgamma", "dbeta"),
    families=BATCHES,
    arguments=arguments,
    gradients={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    forward=forward,
    hints=(
        (
            "Compute x_hat first, with the biased variance and eps inside the root. "
            "Which two sums over the batch do gamma and beta need?"
        ),
        (
            "dx_hat is gamma times dout. The batch mean of dx_hat is taken away from it, "
            "and something else along x_hat."
        ),
        (
            "The bracket is dx_hat - mean(dx_hat) - x_hat * mean(dx_hat * x_hat), all "
            "means over axis 0. Divide it by sqrt(var + eps)."
        ),
    ),
    why=(
        "The mean and the variance depend on every x of the batch. Going back through "
        "them takes two directions out of the gradient: its mean, and its part along "
        "x_hat. Both sums are those of dbeta and dgamma, divided by m."
    ),
)


@CLOSED_FORM.mistake(
    "statistics-constant",
    "The mean and the variance are treated as constants, but both depend on x.",
    "What if the statistics are constants?",
)
def _(dout, x, gamma, eps):
    _, dgamma, dbeta = closed_form(dout, x, gamma, eps)
    return gamma * dout / np.sqrt(x.var(axis=0) + eps), dgamma, dbeta
