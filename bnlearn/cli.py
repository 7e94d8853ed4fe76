"""The `bnlearn` command: grade notebooks, see what is done, start working, export."""

import argparse
import json
import math
import os
import re
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree

from bnlearn import __version__
from bnlearn.exercises import export
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.progress import Table, load, path, progress
from bnlearn.grading import NOT_GRADED, Grade, grade, one_line
from bnlearn.workspace import book_folder, fill, write_whole

__all__ = ["main"]

SECONDS = 120.0
GRADE = """\
Run each notebook from the top in a fresh kernel, in its own folder, and judge the
exercises that its cells check, as in check("standardise"). The file is not changed, and
neither is what `bnlearn progress` shows.

An exercise is judged right after the last cell that checks it, on new random numbers.
Cells that raise an error do not stop the rest. Cell 3 is the one that shows In [3] after
'Restart kernel and run all cells'; empty cells do not count.

exit status: 0 if all exercises of all notebooks passed, 1 if some did not, 2 if something
could not be graded: the kernel died, a cell did not end in time, no notebook, no exercise."""


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
    except ImportError as error:
        complain(f"{error}: install requirements-book.txt, or run `make lab` once")
        return 2
    except (OSError, ValueError) as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("stopped")
        return 128 + 2
    return status


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="bnlearn",
        description="The exercises of the book Batch Normalization, Line by Line.",
        epilog="example: bnlearn list",
    )
    version = f"bnlearn {__version__} (of the distribution bnlearn-book)"
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name, run, short, description, example):
        sub = commands.add_parser(
            name,
            help=short,
            description=description,
            epilog=f"example: bnlearn {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(run=run)
        if name != "start":
            sub.add_argument("--json", action="store_true", help="print JSON, no table")
        return sub

    short = "run notebooks and judge the exercises in them"
    example = "work/exercises/*.ipynb --junit report.xml"
    sub = add("grade", run_grade, short, GRADE, example)
    sub.add_argument("notebooks", nargs="+", metavar="NOTEBOOK")
    sub.add_argument("--junit", type=report, metavar="FILE", help="write JUnit XML too")
    text = "time for each notebook as a whole (default: %(default)g)"
    sub.add_argument("--timeout", type=positive, default=SECONDS, help=text)
    short = "show which exercises you have passed"
    text = "Show all exercises with what your checks have found so far."
    add("progress", run_progress, short, text, "--json")
    text = "List the exercises: 1 (type one line) to 4 (derive it yourself)."
    add("list", run_list, "list the exercises", text, "--json")
    short = "copy the book's notebooks into a folder of yours"
    text = "Copy the book's notebooks into DIR. What is there already stays."
    sub = add("start", run_start, short, text, "work")
    sub.add_argument("folder", type=Path, metavar="DIR")
    export.add_parser(commands)
    return top


def positive(text: str) -> float:
    """Read a number of seconds."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def report(text: str) -> Path:
    """Read the name of a file that may be written over."""
    file = Path(text)
    if file.suffix == ".ipynb" or file.is_dir() or not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be a report")
    return file


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


def run_grade(options: argparse.Namespace) -> int:
    """Grade the notebooks, and report in all the ways that were asked for."""
    # What ends this command ends the kernel too, as Ctrl+C does.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    grades = []
    for notebook in options.notebooks:
        grades.append(grade(notebook, options.timeout))
        for problem in grades[-1].problems:
            complain(f"{notebook}: {problem}")
    status = max(result.status for result in grades)
    if options.junit:
        write_whole(options.junit, junit(grades))
    if options.json:
        data = [{**vars(result), "status": result.status} for result in grades]
        print_json({"status": status, "notebooks": data})
    else:
        for line in words(grades):
            print(line)
    return status


def words(grades: list[Grade]) -> list[str]:
    """Write the table, and below it what explains it."""
    rows = [(result.notebook, row) for result in grades for row in result.exercises]
    if not rows:
        return []
    head = ("notebook", "exercise", "cell", "status", "what was found")
    table = [head]
    for name, row in rows:
        found = ", ".join(row["diagnosis"]) or first_sentence(row)
        line = name, row["exercise"], str(row["cell"]), row["status"], found
        table.append(tuple(map(one_line, line)))
    head, *body = (line[len(grades) == 1 :] for line in table)  # one needs no name
    lines = [str(Table(head, body))]
    for result in grades:
        for cell in result.raised if result.status else ():
            where = f"{result.notebook}, cell {cell['cell']}"
            lines.append(f"{where} stops with {cell['error']}")
    passed = sum(row["status"] == "passed" for _, row in rows)
    return [*lines, f"{passed} of {len(rows)} exercises passed."]


def first_sentence(row: dict) -> str:
    """Take the first sentence below the headline of a verdict."""
    below = row["text"].partition("\n")[2].partition("\n")[0]
    return re.split(r"(?<=[.?!])\s", below, maxsplit=1)[0]


# JUnit XML ----------------------------------------------------------------------------

# Attempted or not, `bnlearn grade` ends with 1.
ELEMENTS = {"wrong": "failure", "not attempted": "skipped"}


def junit(grades: list[Grade]) -> bytes:
    """Write the XML that build servers read: a suite for each notebook."""
    root = ElementTree.Element("testsuites", name="bnlearn grade")
    for result in grades:
        suite = ElementTree.SubElement(root, "testsuite", name=clean(result.notebook))
        for row in result.exercises:
            add_case(suite, row, row["text"])
        if result.problems:  # they may belong to no exercise
            row = {"exercise": "notebook", "status": NOT_GRADED, "seconds": 0.0}
            add_case(suite, row, "\n".join(result.problems))
        suite.set("tests", str(len(suite)))
        kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        for name, kind in kinds.items():
            suite.set(name, str(len(suite.findall(f"*/{kind}"))))
        suite.set("time", f"{result.seconds:.3f}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True) + b"\n"


def add_case(suite: ElementTree.Element, row: dict, text: str) -> None:
    """Add one exercise, named as build servers group tests: folders, joined by dots."""
    parts = Path(suite.get("name")).with_suffix("").parts
    group = ".".join(part.replace(".", "_") for part in parts if part.strip("./\\"))
    case = ElementTree.SubElement(suite, "testcase", classname=group)
    case.set("name", clean(row["exercise"]))
    case.set("time", f"{row['seconds']:.3f}")
    if row["status"] != "passed":
        kind = ELEMENTS.get(row["status"], "error")
        found = {"type": row["status"], "message": one_line(text)}
        ElementTree.SubElement(case, kind, found).text = clean(text)


def clean(text: str) -> str:
    """Replace the characters that XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)


# bnlearn progress, list, start ---------------------------------------------------------


def run_progress(options: argparse.Namespace) -> int:
    """Print what was recorded."""
    if not options.json:
        print(progress())
        return 0
    known, new = load(), {"state": "not attempted", "tries": 0}
    rows = [row | new | known.get(row["exercise"], {}) for row in described()]
    print_json({"file": str(path()), "exercises": rows})
    return 0


def run_list(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    if options.json:
        print_json({"exercises": described()})
        return 0
    table = [
        (e.chapter[:2], name, e.title, str(e.difficulty), f"{e.minutes} min")
        for name, e in EXERCISES.items()
    ]
    print(Table(("chapter", "name", "exercise", "difficulty", "time"), table))
    return 0


def described() -> list[dict]:
    """Describe every exercise."""
    parts = ("chapter", "title", "difficulty", "minutes")
    return [
        {"exercise": name} | {part: getattr(exercise, part) for part in parts}
        for name, exercise in EXERCISES.items()
    ]


def run_start(options: argparse.Namespace) -> int:
    """Copy, and say what came in."""
    copied = fill(book_folder(), options.folder)
    print(f"{options.folder}: {len(copied)} files copied, all others left as they were")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
