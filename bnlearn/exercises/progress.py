"""What a reader has done so far, in a small readable file."""

import html
import json
import os
import tempfile
from datetime import date
from pathlib import Path

from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.verdict import STATUSES

__all__ = ["Table", "path", "progress", "record"]


def path() -> Path:
    """Say where the file is: BNLEARN_PROGRESS_FILE, else the user's data folder."""
    chosen = os.environ.get("BNLEARN_PROGRESS_FILE")
    if chosen:
        return Path(os.path.expanduser(chosen))  # notebooks set it without a shell
    import platformdirs

    return Path(platformdirs.user_data_dir("bnlearn-book", False), "progress.json")


def load() -> dict[str, dict]:
    """Read what was recorded; a damaged file is set aside and not lost.

    Returns
    -------
    dict
        What is known about each exercise, by identifier.
    """
    file = path()
    try:
        stored = json.loads(file.read_text(encoding="utf-8-sig"))
        return {name: sound(entry) for name, entry in stored["exercises"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        set_aside(file)
        return {}


def sound(entry: dict) -> dict:
    """Refuse an entry that no check has written.

    Raises
    ------
    ValueError, KeyError, TypeError
        If a part is missing or of another kind.
    """
    if entry["state"] not in STATUSES or type(entry["tries"]) is not int:
        raise ValueError(f"no state of an exercise: {entry}")
    return dict(entry)


def set_aside(file: Path) -> Path:
    """Rename a damaged file to a name that is free."""
    number = 1
    while (other := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    os.replace(file, other)
    return other


def save(exercises: dict[str, dict]) -> None:
    """Write the file as a whole or not at all."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"exercises": exercises}, indent=1, sort_keys=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".new")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text + "\n")
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def record(identifier: str, status: str) -> str | None:
    """Note the outcome of a check; what was passed once stays passed.

    Returns
    -------
    str or None
        Why nothing could be noted, if so: a check must not fail for that.
    """
    try:
        exercises = load()
        new = {"state": "not attempted", "tries": 0}
        entry = exercises.setdefault(identifier, new)
        if status != "not attempted":
            entry["tries"] += 1
            if entry["state"] != "passed":
                entry["state"] = status
            if status == "passed":
                entry.setdefault("passed", date.today().isoformat())
        save(exercises)
    except (OSError, ImportError) as error:
        return f"Your progress could not be saved: {error}"
    return None


class Table:
    """Rows of words, for terminals and notebooks."""

    def __init__(self, head: tuple[str, ...], rows: list[tuple[str, ...]]):
        self.head, self.rows = head, rows

    def __str__(self) -> str:
        """Align the columns."""
        lines = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells, tag):
            inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inner}</tr>"

        body = "".join(row(cells, "td") for cells in self.rows)
        return f"<table>{row(self.head, 'th')}{body}</table>"


def progress(chapter: str | int = "") -> Table:
    """Show all exercises with their state, or those of a chapter such as 4 or '04'.

    Raises
    ------
    LookupError
        If there is no such chapter.
    """
    number = str(chapter) and str(chapter).zfill(2)
    numbers = dict.fromkeys(exercise.chapter[:2] for exercise in EXERCISES.values())
    if number and number not in numbers:
        there = ", ".join(numbers)
        raise LookupError(
            f"There are no exercises of chapter {chapter!r}, only of {there}."
        )
    exercises = load()
    rows = []
    for name, exercise in EXERCISES.items():
        if not exercise.chapter.startswith(number):
            continue
        entry = exercises.get(name, {})
        state, tries = entry.get("state", "not attempted"), entry.get("tries", 0)
        row = exercise.chapter[:2], name, exercise.title, exercise.difficulty
        rows.append((*map(str, row), f"{exercise.minutes} min", state, str(tries)))
    head = ("chapter", "name", "exercise", "difficulty", "time", "state", "tries")
    return Table(head, rows)
