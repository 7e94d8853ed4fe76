"""Assignments for nbgrader and otter-grader, made from the exercises.

Texts, stubs and solutions come from the definitions, and points are the difficulty. The
tests are visible and call `check`, so that a student reads the same verdict as in the
book. There is nothing to hide in them: whoever has the package has the solutions.
"""

import argparse
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from bnlearn.exercises.catalogue import EXERCISES, find
from bnlearn.exercises.definition import Exercise

__all__ = ["FORMS", "add_parser", "choose", "export"]

ASSIGNMENT = "batchnorm"
# Grading twice must give the same points; a verdict names the seed in any case.
SEED = 0


# Cells -------------------------------------------------------------------------------


def cell(kind: str, identifier: str, source: str, **metadata: object) -> dict:
    """Make a cell of a notebook.

    Parameters
    ----------
    kind : str
        'markdown', 'code' or 'raw'.
    identifier : str
        Unique in its notebook.
    source : str
        The text.
    metadata : object
        What the graders read.

    Returns
    -------
    dict
        As nbformat 4.5 has it.
    """
    made = {"cell_type": kind, "id": identifier, "metadata": metadata}
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": source.strip().splitlines(keepends=True)}


def notebook(cells: list[dict]) -> str:
    """Write a notebook as JSON, the same each time."""
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": python, "language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def title(page: str) -> str:
    """Name a chapter by its page."""
    return f"Chapter {page[:2]}: {page[3:].replace('_', ' ')}"


def about(page: str) -> str:
    """Say to a student what to do."""
    return f"""
# {title(page)}

Write the bodies of the functions below. The cell after a function checks it and says
what is wrong. For a hint, run the call of `hint` that stands with the exercise.

This needs the package `bnlearn` of the book *Batch Normalization, Line by Line*. Ask
your teacher how to install it; `pip install bnlearn` would give you another project.
"""


IMPORTS = "import numpy as np\n\nfrom bnlearn.exercises import check, hint"


def task(exercise: Exercise) -> str:
    """Say what to write, and what it is worth."""
    points = "1 point" if exercise.difficulty == 1 else f"{exercise.difficulty} points"
    return f"""
## {exercise.title}

{exercise.text}

{points}, about {exercise.minutes} minutes; {exercise.section}; `hint("{exercise.identifier}")`
"""


def answer(exercise: Exercise, begin: str, end: str) -> str:
    """Give the reference, with a line before its body and lines after it."""
    head, body = parted(exercise)
    marked = [begin, *body.splitlines(), *end.splitlines()]
    return head + "\n".join(marked)


def parted(exercise: Exercise) -> tuple[str, str]:
    """Cut the reference where the stub raises."""
    head = exercise.stub[: exercise.stub.rindex("    raise NotImplementedError")]
    return head, exercise.solution.removeprefix(head)


def judged(exercise: Exercise) -> str:
    """Check an answer, and fail with the verdict as the message."""
    return f"""
verdict = check("{exercise.identifier}", {exercise.function}, seed={SEED})
assert verdict.status == "passed", verdict
"""


# nbgrader ----------------------------------------------------------------------------


def nbgrader_cell(kind: str, identifier: str, source: str, **more: object) -> dict:
    """Make a cell with the metadata of nbgrader, locked unless `more` differs."""
    metadata = {
        "grade": False,
        "grade_id": identifier,
        "locked": True,
        "schema_version": 3,
        "solution": False,
        "task": False,
        **more,
    }
    return cell(kind, identifier, source, nbgrader=metadata)


def nbgrader_notebook(page: str, exercises: list[Exercise]) -> str:
    """Write a chapter's exercises as the source version of a notebook."""
    cells = [
        nbgrader_cell("markdown", "about", about(page)),
        nbgrader_cell("code", "imports", IMPORTS),
    ]
    for exercise in exercises:
        name = exercise.identifier
        solved = answer(exercise, "    ### BEGIN SOLUTION", "    ### END SOLUTION")
        test = f"from bnlearn.exercises import check\n{judged(exercise)}print(verdict)"
        points = exercise.difficulty
        cells += [
            nbgrader_cell("markdown", f"task-{name}", task(exercise)),
            nbgrader_cell(
                "code", f"answer-{name}", solved, locked=False, solution=True
            ),
            nbgrader_cell("code", f"check-{name}", test, grade=True, points=points),
        ]
    return notebook(cells)


# nbgrader's own stub has parentheses and a comment; this is the book's.
NBGRADER_CONFIG = f"""\
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "{ASSIGNMENT}"
c.ClearSolutions.code_stub = {{"python": "raise NotImplementedError"}}
"""

NBGRADER_README = """\
# Exercises on batch normalization, for nbgrader

A course folder with one assignment, `{assignment}`:

{table}

You need nbgrader and the package of the book in one environment, which has to be active:

```
python -m pip install nbgrader PATH/TO/CLONE
```

PATH/TO/CLONE is a clone of the book's repository. Then, in this folder:

```
nbgrader generate_assignment {assignment}
```

Give the students `release/{assignment}/`, and put what comes back into
`submitted/STUDENT/{assignment}/`. Then

```
export BNLEARN_PROGRESS_FILE="$PWD/progress.json"
nbgrader autograde {assignment}
nbgrader generate_feedback {assignment}
nbgrader export
```

gives the points, the feedback and `grades.csv`. The first line keeps what your students
pass out of your own progress. To use a course of your own, copy `source/{assignment}/`
into its `source/`.
"""


def nbgrader(chapters: dict[str, list[Exercise]]) -> dict[str, str]:
    """Make the files of a course folder."""
    files = {
        f"source/{ASSIGNMENT}/{page[:2]}.ipynb": nbgrader_notebook(page, exercises)
        for page, exercises in chapters.items()
    }
    readme = NBGRADER_README.format(assignment=ASSIGNMENT, table=table(chapters))
    readme += STUDENTS.format(students="notebook")
    return {**files, "nbgrader_config.py": NBGRADER_CONFIG, "README.md": readme}


# otter-grader ------------------------------------------------------------------------


OTTER_CONFIG = """
# ASSIGNMENT CONFIG
name: {assignment}-{number}
check_all_cell: true
export_cell:
  pdf: false
  run_tests: true
tests:
  ok_format: false
"""
OTTER_END = '''\
    # END SOLUTION
    """ # BEGIN PROMPT
    raise NotImplementedError
    """ # END PROMPT'''


def otter_notebook(page: str, exercises: list[Exercise]) -> str:
    """Write a chapter's exercises as a notebook for `otter assign`."""
    config = OTTER_CONFIG.format(assignment=ASSIGNMENT, number=page[:2])
    cells = [
        cell("raw", "config", config),
        cell("markdown", "about", about(page)),
        cell("code", "imports", IMPORTS),
    ]
    for exercise in exercises:
        name = exercise.identifier
        question = f"# BEGIN QUESTION\nname: {name}\npoints: {exercise.difficulty}"
        solved = answer(exercise, "    # BEGIN SOLUTION NO PROMPT", OTTER_END)
        lines = ["from bnlearn.exercises import check", *judged(exercise).split("\n")]
        body = "\n".join(f"    {line}" for line in lines if line)
        cells += [
            cell("raw", f"begin-{name}", question),
            cell("markdown", f"task-{name}", task(exercise)),
            cell("raw", f"begin-answer-{name}", "# BEGIN SOLUTION"),
            cell("code", f"answer-{name}", solved),
            cell("raw", f"end-answer-{name}", "# END SOLUTION"),
            cell("raw", f"begin-check-{name}", "# BEGIN TESTS"),
            cell("code", f"check-{name}", f"def test({exercise.function}):\n{body}"),
            cell("raw", f"end-check-{name}", "# END TESTS"),
            cell("raw", f"end-{name}", "# END QUESTION"),
        ]
    return notebook(cells)


OTTER_README = """\
# Exercises on batch normalization, for otter-grader

One assignment for each chapter:

{table}

You need otter-grader and the package of the book in one environment, which has to be
active:

```
python -m pip install otter-grader PATH/TO/CLONE
```

PATH/TO/CLONE is a clone of the book's repository. Then, in this folder:

```
export BNLEARN_PROGRESS_FILE="$PWD/progress.json"
{assign}
```

The first line keeps what is graded out of your own progress. Give the students
`made/NN/student/`. This grades what comes back, without Docker and without a network:

```
export BNLEARN_PROGRESS_FILE="$PWD/progress.json"
otter run SUBMISSION -a made/NN/autograder/NN-autograder_*.zip
```

SUBMISSION is the notebook or the zip file that its last cell makes, and the points are
written to `results.json`. `otter grade` and Gradescope work in containers of their own:
the package has to be installed there as well.
"""


def otter(chapters: dict[str, list[Exercise]]) -> dict[str, str]:
    """Make the notebooks for `otter assign`."""
    files = {
        f"{page[:2]}.ipynb": otter_notebook(page, exercises)
        for page, exercises in chapters.items()
    }
    assign = "\n".join(f"otter assign {name} made/{name[:2]}" for name in files)
    readme = OTTER_README.format(assign=assign, table=table(chapters))
    readme += STUDENTS.format(students="notebook otter-grader")
    return {**files, "README.md": readme}


# The folder --------------------------------------------------------------------------


STUDENTS = """
## What students need

Python 3.11 or newer, and what this installs:

```
python -m pip install {students} PATH/TO/CLONE
```

Never `pip install bnlearn`, which is another project.

The package contains the solutions, and `solution("name")` shows them. So the points say
who has worked, not who could do it in an examination.
"""


def table(chapters: dict[str, list[Exercise]]) -> str:
    """List the notebooks with their exercises and points."""
    rows = ["| notebook | exercises | points |", "|---|---|---|"]
    for page, exercises in chapters.items():
        names = ", ".join(exercise.identifier for exercise in exercises)
        points = sum(exercise.difficulty for exercise in exercises)
        rows.append(f"| {page[:2]}.ipynb | {names} | {points} |")
    return "\n".join(rows)


FORMS: dict[str, Callable] = {"nbgrader": nbgrader, "otter": otter}


def export(
    folder: str | os.PathLike, form: str, exercises: Iterable[Exercise] | None = None
) -> list[Path]:
    """Write an assignment that nbgrader or otter-grader accepts.

    Parameters
    ----------
    folder : path
        Made if it is missing; must be empty, or hold the same assignment already.
    form : str
        'nbgrader' or 'otter'.
    exercises : iterable of Exercise, optional
        By default all.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ValueError
        If the form is unknown or there is no exercise.
    FileExistsError, NotADirectoryError
        If the folder holds something else, or is none. Nothing is changed then.
    OSError
        If the folder cannot be written. What was begun is removed.
    """
    if form not in FORMS:
        raise ValueError(
            f"export: form must be one of {', '.join(FORMS)}, got {form!r}"
        )
    chapters: dict[str, list[Exercise]] = {}
    for exercise in EXERCISES.values() if exercises is None else exercises:
        chapters.setdefault(exercise.chapter, []).append(exercise)
    if not chapters:
        raise ValueError("export: there is no exercise to write")
    files = FORMS[form](chapters)
    write(Path(folder), {name: text.encode() for name, text in files.items()})
    return [Path(folder, name) for name in files]


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Fill an empty folder with all files or with none."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a new or an empty folder.")
    if folder.exists() and any(folder.iterdir()):
        if all(holds(folder / name, content) for name, content in files.items()):
            return
        raise FileExistsError(
            f"{folder} is not empty, and holds other files than this export would "
            "write; give a new or an empty folder."
        )
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    begun: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In the folder itself, as a file can only be renamed within a file system.
        stage = Path(tempfile.mkdtemp(prefix=".export-", dir=folder))
        begun.append(stage)
        for name, content in files.items():
            file = stage / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        for part in dict.fromkeys(name.split("/")[0] for name in files):
            begun.append(folder / part)
            os.replace(stage / part, folder / part)
        stage.rmdir()
    except BaseException:
        remove(begun, missing)
        raise


def holds(file: Path, content: bytes) -> bool:
    """Say whether a file has this content."""
    return file.is_file() and file.read_bytes() == content


def remove(begun: list[Path], folders: list[Path]) -> None:
    """Remove what was begun, and the folders made for it, innermost first."""
    for path in begun:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for path in folders:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


# The command -------------------------------------------------------------------------


def choose(names: Iterable[str] = (), chapters: Iterable[str] = ()) -> list[Exercise]:
    """Choose exercises by identifier and by chapter, in the order of the book.

    Parameters
    ----------
    names : iterable of str
        Identifiers.
    chapters : iterable of str
        Numbers of chapters, such as '02' or '2'.

    Returns
    -------
    list of Exercise
        Each once; all, if nothing was chosen.

    Raises
    ------
    LookupError
        If there is no such exercise or no exercise in a chapter.

    Examples
    --------
    >>> [exercise.title for exercise in choose(["standardise"])]
    ['Standardise a batch']
    """
    chapters = list(chapters)
    there = sorted({exercise.chapter[:2] for exercise in EXERCISES.values()})
    for number in chapters:
        if number.zfill(2) not in there:
            raise LookupError(
                f"There are no exercises in chapter {number!r}; there are some in "
                f"{', '.join(there)}."
            )
    wanted = {find(name).identifier for name in names}
    numbers = {number.zfill(2) for number in chapters}
    everything = not wanted and not numbers
    return [
        exercise
        for name, exercise in EXERCISES.items()
        if everything or name in wanted or exercise.chapter[:2] in numbers
    ]


def add_parser(subparsers) -> argparse.ArgumentParser:
    """Add the command `export`; its function is the default of `run`.

    Parameters
    ----------
    subparsers : object
        What `argparse.ArgumentParser.add_subparsers` returns.

    Returns
    -------
    argparse.ArgumentParser
        The parser of the command. ``args.run(args)`` writes the assignment and returns
        the exit status; what is wrong with the arguments ends with status 2.
    """
    text = "write an assignment for nbgrader or otter-grader"
    parser = subparsers.add_parser("export", help=text, description=text)
    parser.add_argument("--format", required=True, choices=FORMS, dest="form")
    parser.add_argument("folder", metavar="DIR", help="a new or empty folder")
    repeated = {"action": "append", "default": []}
    parser.add_argument(
        "--chapter",
        metavar="NN",
        help="all exercises of this chapter; may be repeated",
        **repeated,
    )
    parser.add_argument(
        "--exercise",
        metavar="NAME",
        help="this exercise; may be repeated; without both options, all exercises",
        **repeated,
    )

    def run(args: argparse.Namespace) -> int:
        try:
            exercises = choose(args.exercise, args.chapter)
        except LookupError as error:
            parser.error(str(error))
        try:
            export(args.folder, args.form, exercises)
        except OSError as error:
            parser.error(f"cannot write the assignment: {error}")
        points = sum(exercise.difficulty for exercise in exercises)
        print(f"{len(exercises)} exercises, {points} points. What to do next:")
        print(shlex.quote(str(Path(args.folder, "README.md"))))
        return 0

    parser.set_defaults(run=run)
    return parser
