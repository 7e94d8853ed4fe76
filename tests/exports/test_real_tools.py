"""The graders themselves: full marks for references, none for stubs and mistakes.

One submission holds one mistake in each exercise of a chapter, and every exercise is
scored by itself. So there are as many submissions as the longest bank has mistakes. The
other ways to make a mistake are left to tests/test_exercises.py: `check` is the same.

`make test-exports` runs this in an environment of its own.
"""

import itertools
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.definition import edited
from bnlearn.exercises.export import export

BIN = Path(sys.executable).parent
CHAPTERS = {}
for exercise in EXERCISES.values():
    CHAPTERS.setdefault(exercise.chapter[:2], []).append(exercise)

NBGRADER_SCORES = """
import json
from nbgrader.api import Gradebook

with Gradebook("sqlite:///gradebook.db") as book:
    for submission in book.assignment_submissions("batchnorm"):
        for notebook in submission.notebooks:
            for grade in notebook.grades:
                name = grade.name.removeprefix("check-")
                score = grade.auto_score, grade.max_score
                print(json.dumps([submission.student.id, name, *score]))
"""
OTTER_SCORES = """
import json, sys
from otter.api import grade_submission

for name, submission, autograder in json.load(sys.stdin):
    results = grade_submission(submission, autograder, quiet=True)
    for question in results.test_files:
        result = results.get_result(question)
        print(json.dumps([name, question, result.score, result.possible]))
"""


# Submissions -------------------------------------------------------------------------


def bank(exercise):
    """Give a program and what is wrong with it, for every mistake."""
    return [
        (edited(exercise.solution, mistake.edits[0]), mistake.identifier)
        for mistake in exercise.mistakes
    ]


def submissions(exercises):
    """Give answers and what is wrong with them, by the name of the submission."""
    right = {e.identifier: (e.solution, "") for e in exercises}
    found = {
        "reference": right,
        "stub": {e.identifier: (e.stub, "nothing was written") for e in exercises},
    }
    banks = [bank(exercise) for exercise in exercises]
    for number, programs in enumerate(itertools.zip_longest(*banks)):
        # Where a bank is at its end, the reference must not suffer from its neighbours.
        found[f"mistakes{number:03}"] = right | {
            e.identifier: program
            for e, program in zip(exercises, programs, strict=True)
            if program
        }
    return found


def filled(released, answers):
    """Write answers into a released notebook, where the stubs are."""
    notebook = json.loads(released.read_text(encoding="utf-8"))
    for identifier, (answer, _what) in answers.items():
        stub = EXERCISES[identifier].stub
        [cell] = [c for c in notebook["cells"] if "".join(c["source"]) == stub]
        cell["source"] = answer
    return json.dumps(notebook)


def complaints(chosen, scores):
    """List all scores that are not what they should be."""
    told = []
    for name, answers in chosen.items():
        for identifier, (_answer, what) in answers.items():
            points = EXERCISES[identifier].difficulty
            want = 0 if what else points, points
            found = scores.pop((name, identifier), None)
            if found != want:
                told.append(f"{name}: {identifier}: {what}: {found}, not {want}")
    return told + [f"unexpected: {key}" for key in scores]


def gives_away(path):
    """List the lines of solutions in a file for students."""
    shown = path.read_text(encoding="utf-8")
    for exercise in EXERCISES.values():
        lines = exercise.solution.removeprefix(exercise.stub.rsplit("\n", 1)[0])
        for line in lines.splitlines():
            text = json.dumps(line, ensure_ascii=False).strip('"')
            if len(line) > 12 and text in shown:
                yield line


# Running the graders -----------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    """Give the environment of a teacher who has no settings yet."""
    folder = tmp_path / "home"
    folder.mkdir()
    own = ("JUPYTER", "IPYTHON", "XDG_", "BNLEARN_", "PYTHONPATH", "MPLCONFIG")
    kept = {name: v for name, v in os.environ.items() if not name.startswith(own)}
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return kept | threads | {"HOME": str(folder), "PATH": path}


def call(command, folder, home, **options):
    """Run a command, and show its whole output if it fails."""
    options |= {"cwd": folder, "env": home, "capture_output": True, "text": True}
    done = subprocess.run(command, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands(folder):
    """Read what the README tells the teacher to do, and leave the installation out."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return [block for block in blocks if "pip install" not in block]


def scores_of(lines):
    """Read scores: (points, of how many) by submission and exercise."""
    rows = map(json.loads, lines.splitlines())
    return {(name, exercise): (got, of) for name, exercise, got, of in rows}


def nothing_is_left_in(home, folder):
    assert (folder / "progress.json").exists()
    assert not list(Path(home["HOME"]).rglob("progress.json"))


def test_nbgrader(tmp_path, home):
    course = tmp_path / "course"
    export(course, "nbgrader")
    make, grade = commands(course)
    call(["bash", "-euc", make], course, home)

    chosen = {}
    for number, exercises in CHAPTERS.items():
        released = course / "release" / "batchnorm" / f"{number}.ipynb"
        assert list(gives_away(released)) == []
        assert list(gives_away(course / "source" / "batchnorm" / released.name))
        for name, answers in submissions(exercises).items():
            chosen.setdefault(name, {}).update(answers)
            folder = course / "submitted" / name / "batchnorm"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / released.name).write_text(filled(released, answers))
    for answers in chosen.values():
        # A submission lacks the chapters whose banks are at their end.
        for exercise in EXERCISES.values():
            answers.setdefault(exercise.identifier, ("", "not submitted"))
    for name in chosen.keys() - {"reference", "stub"}:  # feedback takes long
        (course / "submitted" / name).rename(course / name)
    call(["bash", "-euc", grade], course, home)
    for path in course.glob("autograded/stub/*/*.ipynb"):
        assert list(gives_away(path)) == []
    assert list(course.glob("feedback/stub/*/*.html"))
    assert "batchnorm" in (course / "grades.csv").read_text()

    for name in chosen.keys() - {"reference", "stub"}:
        (course / name).rename(course / "submitted" / name)
    setting, autograde, *_ = grade.splitlines()
    call(["bash", "-euc", f"{setting}\n{autograde}"], course, home)
    found = call([BIN / "python", "-c", NBGRADER_SCORES], course, home)
    assert complaints(chosen, scores_of(found)) == []
    nothing_is_left_in(home, course)


def test_otter(tmp_path, home):
    folder = tmp_path / "assignments"
    export(folder, "otter")
    make, grade = commands(folder)
    call(["bash", "-euc", make], folder, home)

    jobs, chosen = [], {}
    for number, exercises in CHAPTERS.items():
        released = folder / "made" / number / "student" / f"{number}.ipynb"
        assert list(gives_away(released)) == []
        [autograder] = folder.glob(f"made/{number}/autograder/*.zip")
        for name, answers in submissions(exercises).items():
            name = f"{number}-{name}"
            chosen[name] = answers
            place = tmp_path / name
            place.mkdir()
            submitted = place / released.name
            submitted.write_text(filled(released, answers))
            jobs.append((name, str(submitted), str(autograder)))

    # From here on, nothing but the README's commands keeps progress apart.
    own = home | {"BNLEARN_PROGRESS_FILE": str(tmp_path / "own.json")}

    # As a student and a teacher do it: run all cells, hand in the zip file, grade it.
    first = min(CHAPTERS)
    place = tmp_path / f"{first}-reference"
    run = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout"]
    call([*run, f"{first}.ipynb"], place, own)
    [handed_in] = place.glob(f"{first}_*.zip")
    one = grade.replace("SUBMISSION", str(handed_in)).replace("NN", first)
    call(["bash", "-euc", one], folder, home)
    results = json.loads((folder / "results.json").read_text())["tests"]
    scores = {r["name"]: r["score"] for r in results if "score" in r}
    assert scores == {e.identifier: e.difficulty for e in CHAPTERS[first]}

    count = os.cpu_count() or 1
    script = [BIN / "python", "-c", OTTER_SCORES]

    def score(part):
        return call(script, tmp_path, own, input=json.dumps(jobs[part::count]))

    with ThreadPoolExecutor(count) as pool:
        found = "".join(pool.map(score, range(count)))
    assert complaints(chosen, scores_of(found)) == []
    nothing_is_left_in(home, folder)
