"""All exercises, by identifier: chapter by chapter, easy ones first."""

from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules

from bnlearn.exercises.definition import Exercise

__all__ = ["CHAPTERS", "EXERCISES", "find"]

CHAPTERS = {
    found.name: import_module(f"{__name__}.{found.name}")
    for found in iter_modules(__path__)
}
EXERCISES: dict[str, Exercise] = {
    exercise.identifier: exercise
    for chapter in CHAPTERS.values()
    for exercise in sorted(
        (thing for thing in vars(chapter).values() if isinstance(thing, Exercise)),
        key=lambda exercise: exercise.difficulty,
    )
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
