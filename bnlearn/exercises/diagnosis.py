"""Which mistake was made: a wrong answer against the bank of mistakes.

A mistake explains a wrong output if, wherever that output is wrong, the wrong program
of the bank returns the same. Numbers that agree to many digits on random input are
strong evidence, so nothing is named that merely resembles.
"""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from bnlearn.exercises.compare import as_array, close, unpack
from bnlearn.exercises.definition import Exercise, Mistake
from bnlearn.exercises.trial import Case, copied

__all__ = ["Finding", "diagnose", "general", "pairs", "singles"]


class Candidate(NamedTuple):
    """A wrong program, and the mistakes that are in it."""

    mistakes: tuple[Mistake, ...]
    answer: Callable

    @property
    def names(self) -> tuple[str, ...]:
        """Identify the mistakes: several programs may show the same ones."""
        return tuple(m.identifier for m in self.mistakes)


class Finding(NamedTuple):
    """What was found out about some wrong outputs.

    Each alternative is a mistake, or two that were made at once; several alternatives
    mean 'A or B', none 'not a mistake I know'.
    """

    outputs: tuple[str, ...]
    alternatives: tuple[tuple[Mistake, ...], ...]


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
    best: dict[int, dict[tuple, Candidate]] = {k: {} for k in wrong}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a bank's program is warned of
        for candidates, least in stages(exercise):
            rest = [k for k in wrong if not best[k]]
            best |= _best(candidates, cases, rest, least)
            if all(best.values()):  # before the next stage, which may be long, is made
                break
    found: dict[tuple, list[str]] = {}
    for k in wrong:
        # A mistake that explains several outputs is likelier than one for each.
        explained = {names: sum(names in best[j] for j in wrong) for names in best[k]}
        most = max(explained.values(), default=0)
        key = tuple(c.mistakes for n, c in best[k].items() if explained[n] == most)
        found.setdefault(key, []).append(exercise.outputs[k])
    if len(found) > 1 and (swap := swapped(exercise, cases)):
        found = {swap: [exercise.outputs[k] for k in wrong]}
    return [Finding(tuple(names), key) for key, names in found.items()]


def swapped(exercise: Exercise, cases: list[Case]) -> tuple[tuple[Mistake], ...]:
    """See whether right outputs in another order explain all: one mistake, not several."""
    return tuple(
        candidate.mistakes
        for candidate in general(exercise)
        if candidate.names == ("order-of-outputs",)
        and all(all(_agreement(candidate, case)) for case in cases)
    )


def stages(exercise: Exercise) -> Iterator[tuple[list[Candidate], int]]:
    """Give the candidates, likelier ones first, with the least score that convinces."""
    yield [c for c in singles(exercise) if not c.mistakes[0].unstable], 0
    # Rounded numbers may agree by chance on one input, not on all.
    zeros = [c for c in general(exercise) if c.names == ("zeros",)]
    yield zeros, 1  # before others: small numbers are rounded to zeros
    yield general(exercise), 1
    yield [c for c in singles(exercise) if c.mistakes[0].unstable], 0
    yield pairs(exercise), 0


@cache
def singles(exercise: Exercise) -> list[Candidate]:
    """Make the programs with one mistake of the bank."""
    return [
        Candidate((mistake,), exercise.program(edit))
        for mistake in exercise.mistakes
        for edit in mistake.edits
    ]


@cache
def pairs(exercise: Exercise) -> list[Candidate]:
    """Make the programs with two mistakes, where they do not exclude each other."""
    found = []
    for first, second in itertools.combinations(exercise.mistakes, 2):
        for edits in itertools.product(first.edits, second.edits):
            # What one edit replaces may hold what the other one looks for.
            for order in (edits, edits[::-1]):
                try:
                    answer = exercise.program(*order)
                except (ValueError, SyntaxError):
                    continue
                found.append(Candidate((first, second), answer))
                break
    return found


def _best(
    candidates: Iterable[Candidate], cases: list[Case], wrong: list[int], least: int
) -> dict[int, dict[tuple, Candidate]]:
    """List for each wrong output the mistakes that explain it best."""
    scores: dict[int, list[tuple[int, Candidate]]] = {k: [] for k in wrong}
    for candidate in candidates:
        for k, score in _explained(candidate, cases, wrong):
            if score >= least:
                scores[k].append((score, candidate))
    best = {}
    for k, found in scores.items():
        most = max((score for score, _ in found), default=0)
        best[k] = {c.names: c for score, c in found if score == most}
    return best


def _explained(
    candidate: Candidate, cases: list[Case], wrong: list[int]
) -> Iterator[tuple[int, int]]:
    """Yield (output, score) for the wrong outputs that a candidate explains.

    The score is 2 if it returns all that the submission returned, 1 if it does so for
    this output, 0 if only where the submission is wrong.
    """
    possible, everywhere, all_same = set(wrong), set(wrong), True
    # Where the answer is wrong first: one look is enough to drop most candidates.
    for case in sorted(cases, key=lambda case: all(case.comparison.right)):
        agrees = _agreement(candidate, case)
        all_same = all_same and all(agrees)
        for k in wrong:
            if not agrees[k]:
                everywhere.discard(k)
                if not case.comparison.right[k]:
                    possible.discard(k)
        if not possible:
            return
    for k in possible:
        yield k, 2 if all_same else int(k in everywhere)


def _agreement(candidate: Candidate, case: Case) -> list[bool]:
    """Say for each output whether a candidate returns what the submission returned."""
    count, family = len(case.expected), case.family
    outcome = outcome_of(candidate.answer, case)
    if isinstance(outcome, Exception) or case.run.error is not None:
        return [_same_error(outcome, case.run.error)] * count
    parts = unpack(outcome, count) or [None] * count
    others = map(as_array, parts)
    values, expected = case.comparison.values, case.expected
    unstable = any(family.name in mistake.unstable for mistake in candidate.mistakes)
    if family.noisy or unstable:
        return [
            a is not None
            and b is not None
            and close(a, e, family) == close(b, e, family)
            for a, b, e in zip(values, others, expected, strict=True)
        ]
    return [
        a is not None and b is not None and _equal(a, b, case)
        for a, b in zip(values, others, strict=True)
    ]


def _equal(value: np.ndarray, other: np.ndarray, case: Case) -> bool:
    """Compare what came with what a mistake returns; NaN in the same places is equal."""
    if value.shape != other.shape:
        return False
    finite = np.isfinite(other)
    if finite.all():
        return close(value, other, case.family)
    if not np.array_equal(finite, np.isfinite(value)):
        return False
    return close(value[finite], other[finite], case.family)


def _same_error(outcome: object, error: BaseException | None) -> bool:
    """Compare errors by their words: those of NumPy hold the shapes."""
    return type(outcome) is type(error) and str(outcome) == str(error)


def outcome_of(function: Callable, case: Case) -> object:
    """Run a program of the bank on the input of a case; an error is an outcome."""
    try:
        return function(*copied(case.arguments))
    except Exception as error:  # noqa: BLE001 (what it raises is compared as well)
        return error


# What may go wrong in every exercise -------------------------------------------------


@cache
def general(exercise: Exercise) -> list[Candidate]:
    """Make the wrong programs that every exercise knows, from its reference."""
    count = len(exercise.outputs)

    def right(arguments):
        return [np.asarray(a) for a in unpack(exercise.reference(*arguments), count)]

    def each(change):
        def answer(*arguments):
            changed = [change(part) for part in right(arguments)]
            return tuple(changed) if count > 1 else changed[0]

        return answer

    def in_order(order):
        return lambda *arguments: tuple(right(arguments)[k] for k in order)

    orders = list(itertools.permutations(range(count)))[1:]
    twice = [
        [other if j == k else j for j in range(count)]
        for k, other in itertools.permutations(range(count), 2)
    ]
    programs = [
        *(("result-rounded", each(lambda a, d=d: a.round(d))) for d in range(7)),
        ("result-rounded", each(np.trunc)),
        ("result-rounded", each(lambda a: a.astype("f2"))),
        ("sign-flipped", each(np.negative)),
        ("zeros", each(np.zeros_like)),
        *(("order-of-outputs", in_order(order)) for order in orders),
        *(("output-repeated", in_order(order)) for order in twice),
    ]
    return [
        Candidate((Mistake(name, GENERAL[name], exercise.section),), answer)
        for name, answer in programs
    ]


GENERAL = {
    "result-rounded": "The result is rounded: round what you print, not what you return.",
    "sign-flipped": "The sign is the wrong way round.",
    "zeros": "Nothing but zeros comes back.",
    "order-of-outputs": "The outputs come in another order than asked for.",
    "output-repeated": "Another output stands here: the same one comes twice.",
}
