"""What a question of a quiz is, and its form for jupyterquiz."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from bnlearn.exercises.definition import Section

__all__ = ["Choice", "Question", "Source", "as_jupyterquiz"]


@dataclass(frozen=True)
class Choice:
    """One thing to choose.

    Parameters
    ----------
    text : str
        What the reader sees; code stands between backticks.
    why : str
        Why it is right or wrong, in a sentence or two.
    section : Section
        Where the book says so.
    """

    text: str
    why: str
    section: Section


class Source(NamedTuple):
    """Where the program of a question comes from: exercise, mistake, which edit."""

    exercise: str
    mistake: str
    edit: int = 0


@dataclass(frozen=True)
class Question:
    """A question with one right choice.

    Parameters
    ----------
    identifier : str
        Short name.
    text : str
        What is asked; code stands between backticks.
    right : Choice
        The right one.
    wrong : tuple of Choice
        The wrong ones.
    code : str
        A program that is shown below the text.
    source : Source, optional
        Where that program comes from.
    """

    identifier: str
    text: str
    right: Choice
    wrong: tuple[Choice, ...]
    code: str = ""
    source: Source | None = None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All choices, in an order that does not depend on which is right."""
        every = (self.right, *self.wrong)
        return tuple(sorted(every, key=lambda c: crc32((self.text + c.text).encode())))


def as_jupyterquiz(questions: Iterable[Question]) -> list[dict]:
    """Convert questions to the lists and dictionaries that jupyterquiz takes.

    Examples
    --------
    >>> place = Section("02_normalization", "The sphere")
    >>> question = Question("sign", "Is `x < 0`?", Choice("Yes.", "It is.", place), ())
    >>> as_jupyterquiz([question])[0]["question"]
    'Is <code>x &lt; 0</code>?'
    >>> as_jupyterquiz([question])[0]["answers"][0]["feedback"]
    "<b>Right.</b> It is. See chapter 02, 'The sphere'."
    """
    return [_converted(question) for question in questions]


def _converted(question: Question) -> dict:
    """Convert one question."""
    answers = []
    for choice in question.choices:
        right = choice is question.right
        # A word as well, since not everybody tells the two colours apart.
        said = f"<b>{'Right' if right else 'Wrong'}.</b> {_marked_up(choice.why)}"
        answers.append(
            {
                "answer": _marked_up(choice.text),
                "correct": right,
                "feedback": f"{said} See {_marked_up(str(choice.section))}.",
            }
        )
    shown = {"code": html.escape(question.code, quote=False)} if question.code else {}
    return {
        "question": _marked_up(question.text),
        "type": "multiple_choice",
        **shown,
        "answers": answers,
    }


def _marked_up(text: str) -> str:
    """Write plain text as HTML; jupyterquiz reads $ as mathematics and [ as a link."""
    text = html.escape(text, quote=False)
    text = text.replace("$", "&#36;").replace("[", "&#91;")
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
