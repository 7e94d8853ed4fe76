"""A reader's own copy of the notebooks, which is never overwritten."""

import os
from pathlib import Path

__all__ = ["book_folder", "fill", "write_whole"]

NEEDED = {".ipynb", ".png", ".svg", ".jpg", ".npz", ".csv"}


def book_folder() -> Path:
    """Find the folder `book/` of the repository that this package is installed from.

    Raises
    ------
    FileNotFoundError
        If the package lies somewhere else.
    """
    folder = Path(__file__).resolve().parent.parent / "book"
    if not (folder / "index.md").is_file():
        raise FileNotFoundError(
            f"the book is not at {folder}: its notebooks lie in the repository, not in "
            "the package, so install the package from a clone (see the README)"
        )
    return folder


def fill(source: Path, target: Path) -> list[Path]:
    """Copy the notebooks and what they show or read, except what is there already.

    Parameters
    ----------
    source : pathlib.Path
        The folder `book/`.
    target : pathlib.Path
        The reader's folder; made if need be.

    Returns
    -------
    list of pathlib.Path
        The files that were copied, as paths within `target`.

    Raises
    ------
    ValueError
        If the reader's folder would lie inside the book.
    """
    source, target = Path(source), Path(target)
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target} belongs to the book itself: choose another folder")
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    for path in sorted(source.rglob("*")):
        inner = path.relative_to(source)
        hidden = any(part.startswith((".", "_")) for part in inner.parts)
        # The pages that chapters link to; the text twin of a notebook would confuse.
        page = path.suffix == ".md" and not path.with_suffix(".ipynb").exists()
        wanted = page or path.suffix in NEEDED
        if hidden or not wanted or os.path.lexists(target / inner):
            continue
        write_whole(target / inner, path.read_bytes())
        copied.append(inner)
    return copied


def write_whole(file: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
