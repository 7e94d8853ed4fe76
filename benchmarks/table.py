"""Print the table of the README: ours beside the goal, one run, interleaved.

Run by ``make bench``, or ``python -m benchmarks.table``.
"""

import platform
from datetime import date

from benchmarks import cases  # first: it sets the number of threads
from benchmarks.bench_import import LIMIT, ratio


def row(case):
    """Measure one case; return the cells of its line."""
    cells = [str(case)]
    for direction, goal in zip(("forward", "both"), case.goals, strict=True):
        ours, textbook = cases.ratios(case, direction)
        cells += [f"{ours:.2f} ({goal})", f"{textbook:.2f}"]
    arrays = cases.draw(case)
    for name in ("ours", "textbook"):
        kind = cases.KINDS[name](case, *arrays)
        used = [
            cases.peak(getattr(kind, direction)) / arrays[0].nbytes
            for direction in ("forward", "both")
        ]
        cells.append(" / ".join(f"{value:.2f}" for value in used))
    found = cases.errors(case)
    cells += [f"{found[name]:.0e}" for name in ("ours", "textbook", "torch")]
    return cells


def processor():
    """Name the processor where Linux tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line for line in lines if line.startswith("model name")]
        return names[0].partition(":")[2].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


HEAD = [
    "norm and shape",
    "forward (goal)",
    "textbook",
    "with backward (goal)",
    "textbook",
    "memory",
    "textbook",
    "error",
    "textbook",
    "PyTorch",
]


def main():
    """Print the table in Markdown."""
    print(f"{date.today()}, {processor()}, one thread, float32.")
    memory = " / ".join(map(str, cases.MEMORY_GOALS))
    print(
        "Times are ratios to PyTorch's native kernel (batch norm: with preallocated "
        "output; the others allocate theirs), medians of interleaved runs. "
        f"Memory: tensors, forward / with backward (goal {memory}). Error: largest of "
        f"y, dx, dgamma at mean/std = 1e4 (goal {cases.ERROR_GOAL:.0e}).\n"
    )
    print("| " + " | ".join(HEAD) + " |")
    print("|" + " --- |" * len(HEAD))
    for case in cases.CASES:
        print("| " + " | ".join(row(case)) + " |", flush=True)
    numpy, bnlearn, found = ratio()
    print(
        f"\n`import bnlearn` takes {1e3 * bnlearn:.0f} ms, `import numpy` "
        f"{1e3 * numpy:.0f} ms: {found:.2f} times (goal {LIMIT})."
    )


if __name__ == "__main__":
    main()
