"""Questions made from exercises: find the mistake in a program."""

import ast
import inspect
import re

from bnlearn.exercises.catalogue import find
from bnlearn.exercises.definition import Exercise, Mistake, edited
from bnlearn.exercises.quizzes.definition import Choice, Question, Source

__all__ = ["spot"]


def spot(identifier: str, mistake: str, *others: str, edit: int = 0) -> Question:
    """Make a question from a mistake of an exercise.

    Parameters
    ----------
    identifier : str
        The exercise.
    mistake : str
        The mistake in the program that is shown.
    *others : str
        Mistakes of the same exercise that are not in it.
    edit : int
        Which way of making the mistake is shown.

    Returns
    -------
    Question
        The right choice is the mistake's message, the wrong ones are those of the
        others, each with the lines that its program would have.

    Raises
    ------
    LookupError
        If there is no such exercise or mistake.
    ValueError
        If what another mistake looks like stands in the program as well.

    Examples
    --------
    >>> question = spot("standardise", "eps-outside", "not-centred", "eps-forgotten")
    >>> print(question.code)
    def standardise(x, eps):
        # x : ndarray, shape (m, C)
        # eps : float
        mean = x.mean(axis=0)
        var = x.var(axis=0)
        return (x - mean) / (np.sqrt(var) + eps)
    >>> question.right.text
    'eps stands outside the root: it belongs inside, added to the variance.'
    >>> question.wrong[0].why
    'That program would have `return x / np.sqrt(var + eps)`.'
    """
    exercise = find(identifier)
    made = _mistake(exercise, mistake)
    lines = _lines(exercise, made, edit)
    right = Choice(made.message, f"It is in {_quoted(lines)}.", made.section)
    wrong = []
    for name in others:
        other = _mistake(exercise, name)
        own = _lines(exercise, other)
        if set(own) <= set(lines):
            raise ValueError(
                f"The lines of {name!r} all stand in the program of {mistake!r}."
            )
        why = f"That program would have {_quoted(own)}."
        wrong.append(Choice(other.message, why, other.section))
    return Question(
        f"{identifier}-{mistake}",
        f"What is wrong with this answer to the exercise '{exercise.title}'?",
        right,
        tuple(wrong),
        _shown(exercise, edited(exercise.solution, made.edits[edit])),
        Source(identifier, mistake, edit),
    )


def _mistake(exercise: Exercise, name: str) -> Mistake:
    """Give a mistake of an exercise by its identifier."""
    for mistake in exercise.mistakes:
        if mistake.identifier == name:
            return mistake
    raise LookupError(f"There is no mistake {name!r} in {exercise.identifier!r}.")


def _lines(exercise: Exercise, mistake: Mistake, edit: int = 0) -> list[str]:
    """List the lines of a wrong program that the right one does not have."""
    right = _without_docstring(exercise.solution).splitlines()
    wrong = _without_docstring(edited(exercise.solution, mistake.edits[edit]))
    return [line.strip() for line in wrong.splitlines() if line not in right]


def _quoted(lines: list[str]) -> str:
    """Join lines of code as in a sentence."""
    return " and ".join(f"`{line}`" for line in lines)


def _shown(exercise: Exercise, source: str) -> str:
    """Put the types of the arguments in the place of the docstring."""
    head, _, body = _without_docstring(source).partition("\n")
    words = inspect.getdoc(exercise.reference).partition("Returns\n")[0]
    types = re.findall(r"^\w[\w, ]* : .*$", words, re.MULTILINE)
    return "\n".join([head, *(f"    # {line}" for line in types), body])


def _without_docstring(source: str) -> str:
    """Take the docstring out of the source of a function."""
    words = ast.parse(source).body[0].body[0]
    lines = source.splitlines()
    return "\n".join(lines[: words.lineno - 1] + lines[words.end_lineno :])
