"""Each implementation on its own, with pytest-benchmark: distributions and history."""

import pytest

from benchmarks import cases


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("direction", ["forward", "both"])
@pytest.mark.parametrize("case", cases.CASES, ids=str)
def bench_norm(benchmark, case, direction, kind):
    benchmark.group = f"{case} {direction}"
    call = getattr(cases.KINDS[kind](case, *cases.draw(case)), direction)
    benchmark.pedantic(call, rounds=max(5, case.rounds // 2), warmup_rounds=1)
