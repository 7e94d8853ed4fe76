"""A check answers within 0.3 s (median), right answers and wrong ones alike."""

from statistics import median
from time import process_time

import pytest

from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.check import check, judge
from bnlearn.exercises.diagnosis import singles

LIMIT = 0.3


def unknown(exercise):
    """Make an answer whose mistake no bank holds, which takes longest."""

    def answer(*arguments):
        found = exercise.reference(*arguments)
        found = found if isinstance(found, tuple) else (found,)
        found = tuple(a * 1.01 + 0.003 for a in found)
        return found if len(found) > 1 else found[0]

    return answer


@pytest.mark.parametrize("kind", ["right", "known", "unknown"])
@pytest.mark.parametrize("name", EXERCISES)
def bench_check(benchmark, name, kind):
    exercise = EXERCISES[name]
    answers = {
        "right": exercise.reference,
        "known": singles(exercise)[-1].answer,
        "unknown": unknown(exercise),
    }
    benchmark.group = kind
    benchmark.pedantic(check, (name, answers[kind]), rounds=15)
    assert benchmark.stats.stats.median <= LIMIT


def bench_seed_of_one_program(benchmark):
    times = []

    def all_programs():
        for exercise in EXERCISES.values():
            for candidate in singles(exercise):
                start = process_time()
                judge(exercise, candidate.answer, len(times))
                times.append(process_time() - start)

    benchmark.pedantic(all_programs, rounds=3, warmup_rounds=1)
    benchmark.extra_info["median"] = median(times)
    assert median(times) <= 0.01
