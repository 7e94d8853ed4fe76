"""Fill `work/`, a reader's own copy of the notebooks, from `book/`.

What is in `work/` already stays as it is: it may hold the reader's work.
"""

from __future__ import annotations

from pathlib import Path

from bnlearn.workspace import fill

ROOT = Path(__file__).resolve().parent.parent


def main():
    """Fill `work/` and say what came in."""
    copied = fill(ROOT / "book", ROOT / "work")
    print(f"work/: {len(copied)} files copied, all others left as they were")


if __name__ == "__main__":
    main()
