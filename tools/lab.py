"""Fill `work/`, a reader's own copy of the notebooks, from `book/`.

What is in `work/` already stays as it is: it may hold the reader's work.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = {".ipynb", ".png", ".svg", ".jpg", ".npz", ".csv"}


def fill(source, target):
    """Copy the notebooks and what they show or read, except what is there already.

    Parameters
    ----------
    source, target : pathlib.Path
        The folders `book/` and `work/`.

    Returns
    -------
    list of pathlib.Path
        The files that were copied, as paths within `target`.
    """
    copied = []
    for path in sorted(Path(source).rglob("*")):
        inner = path.relative_to(source)
        hidden = any(part.startswith((".", "_")) for part in inner.parts)
        # The pages that chapters link to; the text twin of a notebook would confuse.
        page = path.suffix == ".md" and not path.with_suffix(".ipynb").exists()
        wanted = page or path.suffix in NEEDED
        if hidden or not wanted or (target / inner).exists():
            continue
        (target / inner).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / inner)
        copied.append(inner)
    return copied


def main():
    """Fill `work/` and say what came in."""
    copied = fill(ROOT / "book", ROOT / "work")
    print(f"work/: {len(copied)} files copied, all others left as they were")


if __name__ == "__main__":
    main()
