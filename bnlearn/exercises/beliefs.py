"""What is widely believed and wrong, and stands behind some mistakes.

The page Misconceptions of the book refutes each of these beliefs. A mistake that is made
in several exercises, under one identifier, has the same belief behind it everywhere, so
that it is noted here once.
"""

__all__ = ["BEHIND", "BELIEFS", "PAGE", "Link", "belief"]

PAGE = "misconceptions"

# The headings of the page, by label.
BELIEFS = {
    "mis-axis": "Batch norm standardises each example.",
    "mis-eps": "eps only guards against division by zero.",
    "mis-unbiased": "The variance is divided by m - 1.",
    "mis-count": "m is the batch size.",
    "mis-variance": (
        "With gamma = variance and beta = mean, the layer gives back its input."
    ),
    "mis-per-example": "Every data point has a gamma and a beta of its own.",
    "mis-zero-one": ("What batch norm puts out has mean 0 and standard deviation 1."),
    "mis-constants": "In the backward pass the mean and the variance are constants.",
    "mis-gradient-check": "My gradient check passed, so the backward pass is right.",
    "mis-softmax": (
        "A saturated softmax passes no gradient, so its scores need a norm."
    ),
    "mis-mode": "Batch norm normalises the batch that it is given.",
    "mis-momentum": "Momentum 0.9 means the same everywhere.",
    "mis-accumulation": "Gradient accumulation gives batch norm a large batch.",
    "mis-channels": "Layer norm normalises across the channels only.",
    "mis-last-first": "Training goes from the last layer to the first.",
}

# The belief behind a mistake, by the mistake's identifier.
BEHIND = {
    "always-training": "mis-mode",
    "batch-statistics": "mis-mode",
    "batch-statistics-in-evaluation": "mis-mode",
    "dout-forgotten": "mis-gradient-check",
    "eps-as-floor": "mis-eps",
    "keras-statistics": "mis-momentum",
    "m-is-batch-size": "mis-count",
    "momentum-not-reversed": "mis-momentum",
    "momentum-of-optimiser": "mis-momentum",
    "momentum-reversed": "mis-momentum",
    "one-after-the-other": "mis-last-first",
    "over-features": "mis-axis",
    "per-example": "mis-per-example",
    "per-image": "mis-axis",
    "pytorch-update": "mis-momentum",
    "saturating-factor": "mis-softmax",
    "statistics-constant": "mis-constants",
    "taken-for-one": "mis-zero-one",
    "unbiased-in-output": "mis-unbiased",
    "unbiased-variance": "mis-unbiased",
    "variance-for-root": "mis-variance",
    "whole-batch-statistics": "mis-accumulation",
}


class Link(str):
    """Words for a terminal that are a link in a notebook.

    Attributes
    ----------
    address : str
        Where it leads, from a notebook of exercises.
    """

    address = ""


def belief(label: str) -> Link:
    """Name a belief and the page that refutes it.

    Parameters
    ----------
    label : str
        One of :data:`BELIEFS`.

    Examples
    --------
    >>> found = belief("mis-count")
    >>> print(found)
    A common belief behind it: 'm is the batch size.' See the page Misconceptions.
    >>> found.address
    '../misconceptions.ipynb#mis-count'
    """
    said = f"A common belief behind it: '{BELIEFS[label]}' See the page Misconceptions."
    link = Link(said)
    link.address = f"../{PAGE}.ipynb#{label}"
    return link
