"""What a reader is told: the verdict, for terminals, notebooks and pages."""

import html
from dataclasses import dataclass, field

import numpy as np

from bnlearn.exercises.beliefs import Link
from bnlearn.exercises.definition import Exercise, is_array

__all__ = ["STATUSES", "Verdict", "shown"]

# Colours that can be read on a white and on a black page.
STATUSES = {
    "passed": "#1a9850",
    "wrong": "#d6604d",
    "not attempted": "#888888",
    "error": "#b8860b",
}


@dataclass(frozen=True, repr=False, eq=False)
class Verdict:
    """The outcome of one check.

    Parameters
    ----------
    exercise : Exercise
        What was checked.
    status : str
        'passed', 'wrong', 'not attempted' or 'error'.
    seed : int
        Repeats the check.
    paragraphs : tuple of str
        What is said, in order.
    diagnosis : tuple of str
        Identifiers of the mistakes that were recognised.
    outputs : dict
        Whether each output is right.
    inputs : dict
        Arguments for which the answer is wrong, by name.
    """

    exercise: Exercise
    status: str
    seed: int
    paragraphs: tuple[str, ...] = ()
    diagnosis: tuple[str, ...] = ()
    outputs: dict[str, bool] = field(default_factory=dict)
    inputs: dict[str, object] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """Status, exercise and, where it matters, how to repeat the check."""
        line = f"{self.status}: {self.exercise.title}"
        if self.status in ("wrong", "error"):
            line += (
                f" (check({self.exercise.identifier!r}, seed={self.seed}) repeats it)"
            )
        return line

    def __str__(self) -> str:
        """Give the text for a terminal."""
        return "\n".join([self.headline, *self.paragraphs])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour = STATUSES[self.status]
        status, title = html.escape(self.status), html.escape(self.headline)
        title = title.replace(status, f"<strong>{status}</strong>", 1)
        body = "".join(f"<p {STYLE}>{markup(p)}</p>" for p in self.paragraphs)
        box = f"border-left: 4px solid {colour}; padding: 0.2em 0.8em"
        return f'<div style="{box}"><p {STYLE}>{title}</p>{body}</div>'

    def to_dict(self) -> dict:
        """Give what JSON can hold."""
        return {
            "exercise": self.exercise.identifier,
            "status": self.status,
            "diagnosis": list(self.diagnosis),
            "outputs": dict(self.outputs),
            "seed": self.seed,
            "inputs": {name: plain(value) for name, value in self.inputs.items()},
            "text": str(self),
        }


# Colours of the page, so that light and dark both work; line breaks are kept.
STYLE = 'style="margin: 0.3em 0; white-space: pre-wrap"'


def markup(paragraph: str) -> str:
    """Write a paragraph for a page, as a link if it is one."""
    text = html.escape(paragraph)
    if isinstance(paragraph, Link):
        return f'<a href="{html.escape(paragraph.address)}">{text}</a>'
    return text


def plain(value: object) -> object:
    """Turn an argument into what JSON can hold."""
    if is_array(value):
        return value.tolist()
    return value if isinstance(value, float | int) else getattr(value, "__name__", None)


def shown(value: object) -> str:
    """Write an argument or a result on one line, a long one shortened."""
    if is_array(value):
        tiny = 0 < np.abs(value).max(initial=0) < 1e-2  # zeros if not in powers of ten
        with np.printoptions(precision=4, suppress=not tiny, threshold=24, edgeitems=2):
            text = np.array2string(value, separator=", ")
        return " ".join(text.split())
    return f"{value:.4g}" if isinstance(value, float) else plain_name(value)


def plain_name(value: object) -> str:
    """Name a function; other arguments are small enough to print."""
    return getattr(value, "__name__", repr(value))
