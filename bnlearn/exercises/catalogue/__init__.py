"""All exercises, by identifier, in the order of the book."""

from difflib import get_close_matches

from bnlearn.exercises.catalogue import chapter_02, chapter_04
from bnlearn.exercises.definition import Exercise

__all__ = ["EXERCISES", "find"]

EXERCISES: dict[str, Exercise] = {
    exercise.identifier: exercise
    for chapter in (chapter_02, chapter_04)
    for exercise in vars(chapter).values()
    if isinstance(exercise, Exercise)
}


def find(name: str) -> Exercise:
    """Give an exercise by its identifier.

    Raises
    ------
    LookupError
        If there is none; the message names the nearest one.

    Examples
    --------
    >>> find("standardise").title
    'Standardise a batch'
    >>> find("standardize")
    Traceback (most recent call last):
    LookupError: There is no exercise 'standardize'. Did you mean 'standardise'?
    """
    if name in EXERCISES:
        return EXERCISES[name]
    [nearest, *_] = get_close_matches(str(name), EXERCISES, 1, 0) or list(EXERCISES)
    raise LookupError(f"There is no exercise {name!r}. Did you mean {nearest!r}?")
