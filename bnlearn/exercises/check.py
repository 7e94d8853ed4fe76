"""`check`, `hint` and `solution`: what a reader calls."""

import sys
from dataclasses import replace

import numpy as np

from bnlearn.exercises import report
from bnlearn.exercises.catalogue import find
from bnlearn.exercises.definition import Exercise, name_of_type
from bnlearn.exercises.progress import record
from bnlearn.exercises.report import Text
from bnlearn.exercises.sandbox import Submission
from bnlearn.exercises.trial import SECONDS, run_all
from bnlearn.exercises.verdict import Verdict

__all__ = ["check", "hint", "judge", "solution"]

MISSING = object()
hints_given: dict[str, int] = {}


def check(name: str, obj: object = MISSING, *, seed: int | None = None) -> Verdict:
    """Check your answer to an exercise.

    Parameters
    ----------
    name : str
        Identifier of the exercise.
    obj : callable, optional
        Your function; by default the one with the name that the exercise asks for,
        where `check` is called.
    seed : int, optional
        Repeats a verdict; by default the numbers are new each time.

    Returns
    -------
    Verdict
        Print it, or look at its ``status``, ``diagnosis`` and ``outputs``.

    Raises
    ------
    LookupError
        If there is no such exercise; the message names the nearest one.

    Examples
    --------
    >>> import numpy as np
    >>> def standardise(x, eps):
    ...     return (x - x.mean(axis=0)) / (x.std(axis=0) + eps)
    >>> check("standardise").diagnosis
    ('eps-outside',)
    """
    exercise = find(name)
    if obj is MISSING:
        frame = sys._getframe(1)
        here = {**frame.f_globals, **frame.f_locals}
        obj = here.get(exercise.function, MISSING)
    if seed is None:
        seed = int(np.random.default_rng().integers(2**32))
    verdict = judge(exercise, obj, seed)
    problem = record(exercise.identifier, verdict.status)
    if problem:
        verdict = replace(verdict, paragraphs=(*verdict.paragraphs, problem))
    return verdict


def judge(exercise: Exercise, obj: object, seed: int) -> Verdict:
    """Decide about an answer, and write nothing down.

    Parameters
    ----------
    exercise : Exercise
        What was asked.
    obj : object
        What was answered.
    seed : int
        Of the inputs.

    Returns
    -------
    Verdict
        The same for the same seed.
    """
    if obj is MISSING:
        text = f"There is no function {exercise.function} here yet."
        return Verdict(exercise, "not attempted", seed, (text,))
    if not callable(obj):
        text = f"{exercise.function} is {name_of_type(obj)}, not a function."
        return Verdict(exercise, "wrong", seed, (text,))
    submission = Submission(obj, seconds=SECONDS)
    if submission.is_stub():
        text = f"Write the body of {exercise.function}, then check again."
        return Verdict(exercise, "not attempted", seed, (text,))
    cases = run_all(exercise, submission, seed)
    if all(type(case.run.error) is NotImplementedError for case in cases):
        text = f"{exercise.function} still raises NotImplementedError."
        return Verdict(exercise, "not attempted", seed, (text,))
    if any(case.stopped for case in cases):
        return report.error(exercise, seed, cases)
    if not all(case.passed for case in cases):
        return report.wrong(exercise, submission, seed, cases)
    return report.passed(exercise, seed, cases)


def hint(name: str) -> Text:
    """Give the next hint: the first ones nudge, the last is nearly the answer."""
    exercise = find(name)
    number = hints_given.get(name, 0)
    hints_given[name] = number + 1
    count = len(exercise.hints)
    if number >= count:
        return Text(f"There are no more hints; solution({name!r}) shows a solution.")
    return Text(f"Hint {number + 1} of {count}: {exercise.hints[number]}")


def solution(name: str) -> Text:
    """Show a right answer, and why it works."""
    exercise = find(name)
    return Text(f"{exercise.solution}\n\n{exercise.why} See {exercise.section}.")
