"""Each implementation on its own, with pytest-benchmark: distributions and history."""

import pytest

from benchmarks import cases


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("direction", ["forward", "both"])
@pytest.mark.parametrize("shape", cases.SHAPES, ids=str)
def bench_batch_norm(benchmark, shape, direction, kind):
    benchmark.group = f"{shape} {direction}"
    call = getattr(cases.KINDS[kind](*cases.draw(shape)), direction)
    rounds = max(5, cases.ROUNDS[shape] // 2)
    benchmark.pedantic(call, rounds=rounds, warmup_rounds=1)
