"""Which mistake was made: a wrong answer against the bank of mistakes.

A mistake explains a wrong output if, wherever that output is wrong, the small wrong
program of the bank returns the same. Numbers that agree to many digits on random input
are strong evidence, so nothing is named that merely resembles.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bnlearn.exercises.compare import as_array, close, unpack
from bnlearn.exercises.definition import Exercise, Mistake
from bnlearn.exercises.trial import Case, copied

__all__ = ["Finding", "diagnose", "general_mistakes"]


class Finding(NamedTuple):
    """What was found out about some wrong outputs.

    Several mistakes mean 'A or B'; none means 'not a mistake I know'.
    """

    outputs: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def diagnose(exercise: Exercise, cases: list[Case]) -> list[Finding]:
    """Explain every wrong output as well as the bank can.

    Parameters
    ----------
    exercise : Exercise
        With its bank.
    cases : list of Case
        At least one of them wrong.

    Returns
    -------
    list of Finding
        Together they name every wrong output once.
    """
    wrong = [
        k
        for k in range(len(exercise.outputs))
        if not all(case.comparison.right[k] for case in cases)
    ]
    best = _best(exercise.mistakes, cases, wrong)
    rest = [k for k in wrong if not best[k]]
    best |= _best(general_mistakes(exercise), cases, rest)
    found: dict[tuple, list[str]] = {}
    for k in wrong:
        explained = {m: sum(m in best[j] for j in wrong) for m in best[k]}
        most = max(explained.values(), default=0)
        key = tuple(m for m in best[k] if explained[m] == most)
        found.setdefault(key, []).append(exercise.outputs[k])
    return [Finding(tuple(names), mistakes) for mistakes, names in found.items()]


def _best(mistakes: list[Mistake], cases: list[Case], wrong: list[int]) -> dict:
    """List for each wrong output the mistakes that explain it best."""
    scores: dict[int, dict[Mistake, int]] = {k: {} for k in wrong}
    for mistake in mistakes:
        for k, score in _explained(mistake, cases, wrong):
            scores[k][mistake] = score
    return {
        k: _distinct([m for m, s in found.items() if s == max(found.values())])
        for k, found in scores.items()
    }


def _distinct(mistakes: list[Mistake]) -> list[Mistake]:
    """Keep one mistake of each name: some have several programs."""
    return list({m.identifier: m for m in reversed(mistakes)}.values())[::-1]


def _explained(
    mistake: Mistake, cases: list[Case], wrong: list[int]
) -> Iterator[tuple[int, int]]:
    """Yield (output, score) for the wrong outputs that a mistake explains.

    The score is 2 if the mistake returns all that the submission returned, 1 if it does
    so for this output, 0 if only where the submission is wrong.
    """
    open_, everywhere, all_same = set(wrong), set(wrong), True
    # Where the answer is wrong first: one look is enough to drop most mistakes.
    for case in sorted(cases, key=lambda case: all(case.comparison.right)):
        agrees = _agreement(mistake, case)
        all_same = all_same and all(agrees)
        for k in wrong:
            if not agrees[k]:
                everywhere.discard(k)
                if not case.comparison.right[k]:
                    open_.discard(k)
        if not open_:
            return
    for k in open_:
        yield k, 2 if all_same else int(k in everywhere)


def _agreement(mistake: Mistake, case: Case) -> list[bool]:
    """Say for each output whether a mistake returns what the submission returned."""
    count = len(case.expected)
    outcome = outcome_of(mistake.answer, case)
    if isinstance(outcome, Exception) or case.run.error is not None:
        return [_same_error(outcome, case.run.error)] * count
    parts = unpack(outcome, count)
    if parts is None:
        return [False] * count
    agrees = []
    for part, value, want in zip(
        parts, case.comparison.values, case.expected, strict=True
    ):
        other = as_array(part)
        if value is None or other is None:
            agrees.append(False)
        elif case.family.name in mistake.unstable:
            both = [close(a, want, case.family) for a in (value, other)]
            agrees.append(both[0] == both[1])
        else:
            agrees.append(_equal(value, other, want, case.family))
    return agrees


def _equal(value, other, want, family) -> bool:
    """Compare what came with what a mistake returns; NaN in the same places is equal."""
    if value.shape != other.shape:
        return False
    finite = np.isfinite(other)
    if not np.array_equal(finite, np.isfinite(value)):
        return False
    return close(value[finite], other[finite], family)


def _same_error(outcome: object, error: BaseException | None) -> bool:
    """Compare errors by their words: those of NumPy hold the shapes."""
    return type(outcome) is type(error) and str(outcome) == str(error)


def outcome_of(function: Callable, case: Case) -> object:
    """Run a program of the bank on the input of a case; an error is an outcome."""
    with np.errstate(all="ignore"):
        try:
            return function(*copied(case.arguments))
        except Exception as error:  # noqa: BLE001 (an error is an outcome here)
            return error


def general_mistakes(exercise: Exercise) -> list[Mistake]:
    """Make the mistakes that every exercise knows, from its reference."""
    reference, count = exercise.reference, len(exercise.outputs)

    def parts(arguments):
        return [np.asarray(a) for a in unpack(reference(*arguments), count)]

    def each(change):
        def answer(*arguments):
            changed = [change(part) for part in parts(arguments)]
            return tuple(changed) if count > 1 else changed[0]

        return answer

    def ordered(order):
        return lambda *arguments: tuple(parts(arguments)[k] for k in order)

    def add(identifier, message, answer):
        found.append(Mistake(identifier, message, exercise.section, answer))

    found: list[Mistake] = []
    for digits in range(7):
        add("result-rounded", ROUNDED, each(lambda a, d=digits: a.round(d)))
    add("sign-flipped", "The sign is the wrong way round.", each(np.negative))
    add("zeros", "Nothing but zeros comes back.", each(np.zeros_like))
    if count > 1:
        for order in list(itertools.permutations(range(count)))[1:]:
            add("order-of-outputs", ORDER, ordered(order))
    return found


ROUNDED = "The result is rounded: return all digits, and round only what you print."
ORDER = "The numbers are right, but the outputs come in another order than asked for."
