"""`import bnlearn` takes little more than `import numpy`."""

import subprocess
import sys
import time
from statistics import median

LIMIT = 1.3


def import_time(module):
    """Return the seconds that a fresh Python needs to start and import a module."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def ratio(rounds=21):
    """Return the medians of both, taken in turn, and their ratio."""
    names = ("numpy", "bnlearn")
    for name in names:
        import_time(name)
    times = [[import_time(name) for name in names] for _ in range(rounds)]
    numpy, bnlearn = (median(column) for column in zip(*times, strict=True))
    return numpy, bnlearn, bnlearn / numpy


def bench_import(benchmark):
    benchmark.pedantic(lambda: import_time("bnlearn"), rounds=7, warmup_rounds=1)
    numpy, bnlearn, found = ratio()
    benchmark.extra_info.update(numpy=numpy, bnlearn=bnlearn, ratio=found)
    assert found <= LIMIT
