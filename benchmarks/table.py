"""Print the table of the README: ours beside the goal, one run, interleaved.

Run by ``make bench``, or ``python -m benchmarks.table``.
"""

import platform
from datetime import date

from benchmarks import cases  # first: it sets the number of threads
from benchmarks.bench_import import LIMIT, ratio

# Ratios to PyTorch's native kernel that the project means to reach: (forward, both).
GOALS = {
    (256, 128): (2.9, 1.9),
    (1024, 256): (2.9, 1.9),
    (4096, 512): (2.9, 1.9),
    (65536, 256): (2.9, 0.95),
    (32, 64, 56, 56): (0.71, 0.95),
}
MEMORY_GOALS = (1.1, 2.1)
ERROR_GOAL = 2e-5


def row(shape):
    """Measure one shape; return the cells of its line."""
    arrays = cases.draw(shape)
    kinds = {name: kind(*arrays) for name, kind in cases.KINDS.items()}
    cells = ["x".join(map(str, shape))]
    for direction, goal in zip(("forward", "both"), GOALS[shape], strict=True):
        ours, textbook = (
            cases.race(
                getattr(kinds[name], direction),
                getattr(kinds["torch"], direction),
                cases.ROUNDS[shape],
            )
            for name in ("ours", "textbook")
        )
        cells += [f"{ours:.2f} ({goal})", f"{textbook:.2f}"]
    size = arrays[0].nbytes
    for name in ("ours", "textbook"):
        used = [
            cases.peak(getattr(kinds[name], direction)) / size
            for direction in ("forward", "both")
        ]
        cells.append(" / ".join(f"{value:.2f}" for value in used))
    found = cases.errors(shape)
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
    "shape",
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
    print(
        "Times are ratios to PyTorch's native kernel with preallocated output, medians "
        "of interleaved runs. "
        f"Memory: tensors, forward / with backward (goal {MEMORY_GOALS[0]} / "
        f"{MEMORY_GOALS[1]}). Error: largest of y, dx, dgamma at mean/std = 1e4 "
        f"(goal {ERROR_GOAL:.0e}).\n"
    )
    print("| " + " | ".join(HEAD) + " |")
    print("|" + " --- |" * len(HEAD))
    for shape in cases.SHAPES:
        print("| " + " | ".join(row(shape)) + " |", flush=True)
    numpy, bnlearn, found = ratio()
    print(
        f"\n`import bnlearn` takes {1e3 * bnlearn:.0f} ms, `import numpy` "
        f"{1e3 * numpy:.0f} ms: {found:.2f} times (goal {LIMIT})."
    )


if __name__ == "__main__":
    main()
