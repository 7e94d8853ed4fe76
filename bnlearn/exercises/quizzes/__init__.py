"""Multiple-choice questions for every chapter, each choice with its explanation.

Plain data; `bnlearn.notebook.quiz` shows them.
"""

from bnlearn.exercises.quizzes import (
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
)
from bnlearn.exercises.quizzes.definition import Question

__all__ = ["QUIZZES", "find_quiz"]

QUIZZES: dict[str, tuple[Question, ...]] = {
    module.__name__[-2:]: module.QUESTIONS
    for module in (
        chapter_01,
        chapter_02,
        chapter_03,
        chapter_04,
        chapter_05,
        chapter_06,
    )
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
    LookupError: There is no quiz for chapter '2', only for 01, 02, 03, 04, 05, 06.
    """
    if chapter not in QUIZZES:
        there = ", ".join(QUIZZES)
        raise LookupError(
            f"There is no quiz for chapter {chapter!r}, only for {there}."
        )
    return QUIZZES[chapter]
