"""Multiple-choice questions for every chapter, each choice with its explanation.

Plain data; `bnlearn.notebook.quiz` shows them.
"""

from importlib import import_module
from pkgutil import iter_modules

from bnlearn.exercises.quizzes.definition import Question

__all__ = ["QUIZZES", "find_quiz"]

QUIZZES: dict[str, tuple[Question, ...]] = {
    found.name[-2:]: import_module(f"{__name__}.{found.name}").QUESTIONS
    for found in iter_modules(__path__)
    if found.name.startswith("chapter_")
}


def find_quiz(chapter: str) -> tuple[Question, ...]:
    """Give the questions of a chapter.

    Raises
    ------
    LookupError
        If there are none; the message says for which chapters there are.

    Examples
    --------
    >>> len(find_quiz("02")) >= 5
    True
    >>> find_quiz("2")
    Traceback (most recent call last):
    LookupError: There is no quiz for chapter '2', only for 01, 02, 03, 04, 05, 06, 07, 08.
    """
    if chapter not in QUIZZES:
        there = ", ".join(QUIZZES)
        raise LookupError(
            f"There is no quiz for chapter {chapter!r}, only for {there}."
        )
    return QUIZZES[chapter]
