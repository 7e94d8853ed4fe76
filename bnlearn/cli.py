"""The `bnlearn` command: grade notebooks, see what is done, start working."""

import argparse
import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from bnlearn import __version__
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.progress import Table, load, path, progress
from bnlearn.grading import NOT_GRADED, Grade, Ungradable, grade, one_line
from bnlearn.workspace import book_folder, fill

__all__ = ["main"]

SECONDS = 120.0


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for.

    Parameters
    ----------
    arguments : list of str, optional
        The command line; `sys.argv` if None.

    Returns
    -------
    int
        The exit status.
    """
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what a terminal cannot show is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        status = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads any more, as in `bnlearn list | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except (Ungradable, OSError, ValueError, ImportError) as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("stopped")
        return 128 + 2
    return status


def parser() -> argparse.ArgumentParser:
    """Describe the command line; each subcommand adds itself."""
    top = argparse.ArgumentParser(
        prog="bnlearn",
        description="The exercises of the book Batch Normalization, Line by Line.",
        epilog="example: bnlearn list",
    )
    version = f"bnlearn {__version__} (of the distribution bnlearn-book)"
    top.add_argument("--version", action="version", version=version)
    subparsers = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add_parser in (add_grade, add_progress, add_list, add_start):
        add_parser(subparsers)
    return top


def complain(text: str) -> None:
    """Say what is wrong, in one line beside the results."""
    print(f"bnlearn: {one_line(text, 1000)}", file=sys.stderr, flush=True)


def print_json(data: object) -> None:
    """Print a JSON document, with texts for the numbers that JSON does not know."""
    print(json.dumps(finite(data), indent=1, allow_nan=False))


def finite(data: object) -> object:
    """Replace nan and inf by their names."""
    if isinstance(data, dict):
        return {name: finite(value) for name, value in data.items()}
    if isinstance(data, list):
        return [finite(value) for value in data]
    is_odd = isinstance(data, float) and not math.isfinite(data)
    return str(data) if is_odd else data


# bnlearn grade ------------------------------------------------------------------------

GRADE = """\
Run each notebook from the top in a fresh kernel, in its own folder, and judge the
exercises that its cells check, as in check("standardise"). The file is not changed, and
neither is what `bnlearn progress` shows.

An exercise is judged right after the last cell that checks it, on new random numbers.
Cells that raise an error do not stop the rest. Cell 3 is the one that shows In [3] after
'Restart kernel and run all cells'; empty cells do not count."""

GRADE_END = """\
exit status: 0 if all exercises of all notebooks passed, 1 if some did not, 2 if something
could not be graded: the kernel died, a cell did not end in time, no notebook, no exercise.

example: bnlearn grade work/exercises/*.ipynb --junit report.xml"""


def add_grade(subparsers) -> None:
    """Describe `bnlearn grade`."""
    sub = subparsers.add_parser(
        "grade",
        help="run notebooks and judge the exercises in them",
        description=GRADE,
        epilog=GRADE_END,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    sub.add_argument(
        "--timeout",
        type=positive,
        default=SECONDS,
        metavar="SECONDS",
        help="time for each notebook as a whole (default: %(default)g)",
    )
    sub.add_argument("--json", action="store_true", help="print JSON, not a table")
    sub.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML too")
    sub.set_defaults(run=run_grade)


def positive(text: str) -> float:
    """Read a number of seconds."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def run_grade(options: argparse.Namespace) -> int:
    """Grade the notebooks, and report in all the ways that were asked for."""
    if options.junit:
        refuse_report(options.junit, options.notebooks)
    grades = []
    with ending_cleanly():
        for notebook in options.notebooks:
            result = grade(notebook, options.timeout)
            for problem in result.problems:
                complain(f"{notebook}: {problem}")
            grades.append(result)
    status = max(result.status for result in grades)
    if options.junit:
        write_whole(options.junit, junit(grades))
    if options.json:
        print_json({"status": status, "notebooks": [as_data(g) for g in grades]})
    else:
        print(*words(grades), sep="\n")
    return status


@contextmanager
def ending_cleanly():
    """Let other signals end the kernels too, as Ctrl+C does."""

    def stop(number, _):
        raise SystemExit(128 + number)

    names = [n for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
    numbers = [getattr(signal, name) for name in names]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {n: signal.getsignal(n) for n in numbers}
    before = {n: old for n, old in before.items() if old is signal.SIG_DFL}
    try:
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def as_data(result: Grade) -> dict:
    """Give what JSON can hold."""
    return {**vars(result), "status": result.status}


def words(grades: list[Grade]) -> list[str]:
    """Write the table, and below it what explains it."""
    rows = [(result.notebook, row) for result in grades for row in result.exercises]
    lines = []
    if rows:
        several = len(grades) > 1
        head = ("notebook", "exercise", "cell", "status", "what was found")
        table = [
            (name, row["exercise"], str(row["cell"]), row["status"], finding(row))
            for name, row in rows
        ]
        cut = [tuple(map(one_line, line[not several :])) for line in (head, *table)]
        lines.append(str(Table(cut[0], cut[1:])))
    for result in grades:
        for cell in result.raised if result.status else ():
            lines.append(
                f"{result.notebook}, cell {cell['cell']} stops with {cell['error']}"
            )
    passed = sum(row["status"] == "passed" for _, row in rows)
    return [*lines, f"{passed} of {len(rows)} exercises passed."] if rows else []


def finding(row: dict) -> str:
    """Give the mistakes that were recognised, else the first sentence of the verdict."""
    return ", ".join(row["diagnosis"]) or first_sentence(row)


def first_sentence(row: dict) -> str:
    """Take the first sentence below the headline."""
    lines = row["text"].split("\n")
    said = lines[0] if row["status"] == NOT_GRADED else "".join(lines[1:2])
    return re.split(r"(?<=[.?!])\s", said, maxsplit=1)[0]


# JUnit XML ----------------------------------------------------------------------------

# Which element stands for a status. Attempted or not, `bnlearn grade` ends with 1.
ELEMENTS = {
    "wrong": "failure",
    "error": "error",
    "not attempted": "skipped",
    NOT_GRADED: "error",
}


def junit(grades: list[Grade]) -> bytes:
    """Write the XML that build servers read: a suite for each notebook."""
    root = ElementTree.Element("testsuites", name="bnlearn grade")
    for result in grades:
        suite = ElementTree.SubElement(root, "testsuite", name=clean(result.notebook))
        for row in cases_of(result):
            add_case(suite, classname(result.notebook), row)
        count(suite, [*suite], result.seconds)
    seconds = sum(result.seconds for result in grades)
    count(root, [case for suite in root for case in suite], seconds)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n"


def cases_of(result: Grade) -> list[dict]:
    """List the exercises; a problem that belongs to none of them gets its own entry."""
    told = {row["text"] for row in result.exercises if row["status"] == NOT_GRADED}
    others = [
        {"exercise": "notebook", "status": NOT_GRADED, "text": text, "seconds": 0.0}
        for text in result.problems
        if not any(part and text.endswith(part) for part in told)
    ]
    return [*result.exercises, *others]


def add_case(suite: ElementTree.Element, group: str, row: dict) -> None:
    """Add one exercise."""
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=group,
        name=clean(row["exercise"]),
        time=f"{row['seconds']:.3f}",
    )
    if row["status"] in ELEMENTS:
        kind = ELEMENTS[row["status"]]
        inner = ElementTree.SubElement(case, kind, message=clean(first_sentence(row)))
        inner.set("type", row["status"])
        inner.text = clean(row["text"])


def count(element: ElementTree.Element, cases: list, seconds: float) -> None:
    """Write the numbers of a suite."""
    kinds = [inner.tag for case in cases for inner in case]
    element.set("tests", str(len(cases)))
    element.set("failures", str(kinds.count("failure")))
    element.set("errors", str(kinds.count("error")))
    if element.tag == "testsuite":  # the schema of Jenkins has it there alone
        element.set("skipped", str(kinds.count("skipped")))
    element.set("time", f"{seconds:.3f}")


def classname(notebook: str) -> str:
    """Name a notebook as build servers group tests: folders, joined by dots."""
    parts = Path(notebook).with_suffix("").parts
    kept = [part.replace(".", "_") for part in parts if part.strip("./\\")]
    return clean(".".join(kept))


def clean(text: str) -> str:
    """Replace the characters that XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


def refuse_report(file: Path, notebooks: list[str]) -> None:
    """Find out before the work starts whether the report can be written."""
    if file.exists() and not file.is_file():
        raise ValueError(f"--junit {file}: is no ordinary file")
    for notebook in map(Path, notebooks):
        if file.exists() and notebook.exists() and file.samefile(notebook):
            raise ValueError(f"--junit {file}: is one of the notebooks")
    try:
        tempfile.TemporaryFile(dir=file.resolve().parent).close()
    except OSError as error:
        raise ValueError(f"--junit {file}: {error.strerror}") from None


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that readers see the old one or the new one, never a part."""
    file = file.resolve()  # a link stays a link
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


# bnlearn progress ---------------------------------------------------------------------


def add_progress(subparsers) -> None:
    """Describe `bnlearn progress`."""
    sub = subparsers.add_parser(
        "progress",
        help="show which exercises you have passed",
        description="Show all exercises with what your checks have found so far.",
        epilog="example: bnlearn progress --json",
    )
    sub.add_argument("--json", action="store_true", help="print JSON, not a table")
    sub.set_defaults(run=run_progress)


def run_progress(options: argparse.Namespace) -> int:
    """Print what was recorded."""
    if not options.json:
        print(progress())
        return 0
    known = load()
    rows = []
    for name, row in described().items():
        entry = {"state": "not attempted", "tries": 0, **known.get(name, {})}
        rows.append({**row, **entry})
    print_json({"file": str(path()), "exercises": rows})
    return 0


# bnlearn list -------------------------------------------------------------------------


def add_list(subparsers) -> None:
    """Describe `bnlearn list`."""
    sub = subparsers.add_parser(
        "list",
        help="list the exercises",
        description="List the exercises: 1 (type one line) to 4 (derive it yourself).",
        epilog="example: bnlearn list --json",
    )
    sub.add_argument("--json", action="store_true", help="print JSON, not a table")
    sub.set_defaults(run=run_list)


def run_list(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    rows = [*described().values()]
    if options.json:
        print_json({"exercises": rows})
        return 0
    head = ("chapter", "name", "exercise", "difficulty", "time")
    table = [
        (
            row["chapter"][:2],
            row["exercise"],
            row["title"],
            str(row["difficulty"]),
            f"{row['minutes']} min",
        )
        for row in rows
    ]
    print(Table(head, table))
    return 0


def described() -> dict[str, dict]:
    """Describe every exercise, by identifier."""
    return {
        name: {
            "exercise": name,
            "chapter": exercise.chapter,
            "title": exercise.title,
            "difficulty": exercise.difficulty,
            "minutes": exercise.minutes,
        }
        for name, exercise in EXERCISES.items()
    }


# bnlearn start ------------------------------------------------------------------------


def add_start(subparsers) -> None:
    """Describe `bnlearn start`."""
    sub = subparsers.add_parser(
        "start",
        help="copy the book's notebooks into a folder of yours",
        description="Copy the book's notebooks into DIR. What is there already stays.",
        epilog="example: bnlearn start work",
    )
    sub.add_argument("folder", type=Path, metavar="DIR")
    sub.set_defaults(run=run_start)


def run_start(options: argparse.Namespace) -> int:
    """Copy, and say what came in."""
    copied = fill(book_folder(), options.folder)
    print(f"{options.folder}: {len(copied)} files copied, all others left as they were")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
