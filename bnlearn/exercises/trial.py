"""Run a submission on the input families of an exercise."""

import itertools
from typing import NamedTuple

import numpy as np

from bnlearn.exercises.compare import Comparison, compare, inputs_left
from bnlearn.exercises.definition import Exercise, Family, is_array
from bnlearn.exercises.sandbox import Run, Submission

__all__ = ["SECONDS", "Case", "run_all", "smallest"]

# For all calls of one check together. The last call may take as long once more.
SECONDS = 5.0


class Case(NamedTuple):
    """One input, and what the submission made of it."""

    family: Family
    arguments: tuple
    expected: tuple
    run: Run
    comparison: Comparison

    @property
    def stopped(self) -> bool:
        """Whether the call did not come to its end."""
        return self.run.timed_out or self.run.error is not None

    @property
    def passed(self) -> bool:
        """Whether there is nothing to complain about."""
        return all(self.comparison.right) and not self.comparison.complaints


def copied(arguments: tuple) -> tuple:
    """Copy the arrays among some arguments."""
    return tuple(a.copy("K") if is_array(a) else a for a in arguments)


def run_one(
    exercise: Exercise, submission: Submission, family: Family, arguments: tuple
) -> Case:
    """Call the submission on copies of the arguments, and compare."""
    expected = exercise.expected(arguments)
    given = copied(arguments)
    run = submission.run(*given)
    if run.timed_out or run.error is not None:
        count = len(exercise.outputs)
        comparison = Comparison((None,) * count, (False,) * count, ())
    else:
        comparison = compare(exercise.outputs, expected, run.value, family)
        complaints = inputs_left(
            exercise.parameters,
            arguments,
            given,
            comparison.values,
            exercise.returned,
        )
        comparison = comparison.owned(complaints)
    return Case(family, arguments, expected, run, comparison)


def run_all(exercise: Exercise, submission: Submission, seed: int) -> list[Case]:
    """Call the submission on every family, until the time is over or a call was."""
    cases, seconds = [], 0.0
    for number, family in enumerate(exercise.families):
        arguments = exercise.draw(np.random.default_rng([seed, number]), family)
        case = run_one(exercise, submission, family, arguments)
        seconds += case.run.seconds
        if seconds > SECONDS:  # what was not tried must not pass
            case = case._replace(run=case.run._replace(timed_out=True))
        cases.append(case)
        if case.run.timed_out:
            break
    return cases


def smallest(
    exercise: Exercise, submission: Submission, seed: int, cases: list[Case], k: int
) -> Case:
    """Look for a small input with few digits for which output `k` is wrong.

    Where there is none, or no time for it, give the first case in which it is wrong.
    """
    wrong = [case for case in cases if not case.comparison.right[k]]
    seconds = sum(case.run.seconds for case in cases)
    for shape, case in itertools.product(exercise.small, wrong):
        if len(shape) != len(case.family.shape) or seconds > SECONDS:
            continue
        rng = np.random.default_rng([seed, *shape])
        arguments = exercise.draw(rng, case.family, shape)
        small = run_one(exercise, submission, case.family, arguments)
        seconds += small.run.seconds
        if not small.stopped and not small.comparison.right[k]:
            return small
    return wrong[0]
