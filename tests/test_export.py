"""Assignments for nbgrader and otter-grader, without these programs.

`make test-exports` runs the programs themselves (tests/exports).
"""

import argparse
import ast
import json
import re

import nbformat
import numpy as np
import pytest
import yaml

from bnlearn.exercises import export as exporting
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.check import judge
from bnlearn.exercises.export import FORMS, add_parser, choose, export

ALL = list(EXERCISES.values())
NUMBERS = sorted({exercise.chapter[:2] for exercise in ALL})
forms = pytest.mark.parametrize("form", FORMS)
exercises = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.identifier)


@pytest.fixture(scope="session", params=FORMS)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    export(folder, request.param)
    return request.param, folder


@pytest.fixture(scope="session")
def cells(exported):
    """All cells by the name of the notebook and their own."""
    _form, folder = exported
    return {
        (path.stem, cell["id"]): cell
        for path in folder.rglob("*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    }


def source(cells, exercise, part):
    cell = cells[exercise.chapter[:2], f"{part}-{exercise.identifier}"]
    return "".join(cell["source"])


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def run(*arguments):
    parser = argparse.ArgumentParser("bnlearn")
    add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["export", *map(str, arguments)])
    return args.run(args)


# What is written ---------------------------------------------------------------------


def test_files(exported):
    form, folder = exported
    notebooks = {f"{number}.ipynb" for number in NUMBERS}
    if form == "nbgrader":
        notebooks = {f"source/batchnorm/{name}" for name in notebooks}
        notebooks.add("nbgrader_config.py")
    assert contents(folder).keys() == {"README.md", *notebooks}


def test_notebooks_are_valid(exported):
    _form, folder = exported
    for path in folder.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)  # unique cell identifiers, too
        assert notebook.metadata.kernelspec.name == "python3"
        assert notebook.metadata.kernelspec.language == "python"


@exercises
def test_answer_is_the_reference_and_leaves_the_stub(cells, exercise):
    text = source(cells, exercise, "answer")
    # What the graders do with the marks of either form.
    nbgrader = re.sub(
        r" *### BEGIN SOLUTION\n.*### END SOLUTION",
        "    raise NotImplementedError",
        text,
        flags=re.DOTALL,
    )
    otter = re.sub(
        r" *# BEGIN SOLUTION NO PROMPT\n.* # END SOLUTION\n", "", text, flags=re.DOTALL
    )
    otter = re.sub(r' *""" # (BEGIN|END) PROMPT\n?', "", otter).rstrip()
    assert exercise.stub in (nbgrader, otter)
    without = [line for line in text.splitlines() if "SOLUTION" not in line]
    assert "\n".join(without).startswith(exercise.solution.rstrip())
    ast.parse(text)


def test_answers_stand_nowhere_else(cells):
    released = {
        line.rstrip("\n")
        for (_number, name), cell in cells.items()
        if not name.startswith("answer-")
        for line in cell["source"]
    }
    for exercise in ALL:
        _head, body = exporting.parted(exercise)
        assert body and not set(body.splitlines()) & (released - {""})


@exercises
def test_test_checks_the_exercise_and_shows_the_verdict(cells, exercise):
    tree = ast.parse(source(cells, exercise, "check"))
    [call] = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.func.id == "check"
    ]
    name, function = call.args
    assert (name.value, function.id) == (exercise.identifier, exercise.function)
    assert [keyword.arg for keyword in call.keywords] == ["seed"]
    [claim] = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert ast.unparse(claim) == "assert verdict.status == 'passed', verdict"


@exercises
def test_test_fails_with_the_verdict(cells, exercise, capsys):
    text = source(cells, exercise, "check")
    if text.startswith("def test"):
        text += f"\n\ntest({exercise.function})"
    mistake = exercise.mistakes[0]
    names = {exercise.function: exercise.program(mistake.edits[0])}
    with pytest.raises(AssertionError, match=re.escape(mistake.message)):
        exec(text, names)  # noqa: S102
    names = {exercise.function: exercise.reference}
    exec(text, names)  # noqa: S102


@exercises
def test_stub_of_a_course_with_other_settings(exercise):
    # nbgrader's own, where nbgrader_config.py was not copied.
    text = exercise.stub.replace(
        "raise NotImplementedError",
        "# YOUR CODE HERE\n    raise NotImplementedError()",
    )
    names = {"np": np}
    exec(text, names)  # noqa: S102
    verdict = judge(exercise, names[exercise.function], 0)
    assert verdict.status == "not attempted"


@exercises
def test_text_and_points_come_from_the_definition(exported, cells, exercise):
    form, _folder = exported
    text = source(cells, exercise, "task")
    for part in (exercise.title, exercise.text, str(exercise.section)):
        assert part in text
    assert re.search(rf"^{exercise.difficulty} points?, ", text, re.MULTILINE)
    if form == "otter":
        question = yaml.safe_load(source(cells, exercise, "begin"))
        assert question == {"name": exercise.identifier, "points": exercise.difficulty}
    else:
        place = exercise.chapter[:2], f"check-{exercise.identifier}"
        assert cells[place]["metadata"]["nbgrader"]["points"] == exercise.difficulty


def test_metadata_of_nbgrader(tmp_path):
    export(tmp_path, "nbgrader")
    kinds = {"about": (0, 0), "imports": (0, 0), "task": (0, 0)}
    kinds |= {"answer": (0, 1), "check": (1, 0)}  # grade, solution
    for path in tmp_path.rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        names = [cell.metadata.nbgrader.grade_id for cell in cells]
        assert len(names) == len(set(names))
        for cell, name in zip(cells, names, strict=True):
            data = cell.metadata.nbgrader
            grade, solution = kinds[name.split("-")[0]]
            assert (data.grade, data.solution) == (grade, solution)
            assert data.locked == (not solution) and data.schema_version == 3
            assert ("points" in data) == grade and data.task is False
            assert re.fullmatch(r"[a-z-]+", name)


def test_blocks_of_otter_are_nested(tmp_path):
    export(tmp_path, "otter")
    for path in tmp_path.glob("*.ipynb"):
        first, *cells = nbformat.read(path, as_version=4).cells
        head, config = first.source.split("\n", 1)
        assert (first.cell_type, head) == ("raw", "# ASSIGNMENT CONFIG")
        config = yaml.safe_load(config)
        assert config["name"] == f"batchnorm-{path.stem}"
        assert config["tests"] == {"ok_format": False}
        open_blocks = []
        for cell in cells:
            if cell.cell_type == "raw":
                begin, block = re.match(r"# (BEGIN|END) ([A-Z]+)", cell.source).groups()
                if begin == "BEGIN":
                    open_blocks.append(block)
                else:
                    assert open_blocks.pop() == block
        assert open_blocks == []


def test_readme_says_what_comes_next(exported):
    form, folder = exported
    text = (folder / "README.md").read_text(encoding="utf-8")
    commands = "".join(re.findall(r"```\n(.*?)```", text, re.DOTALL))
    wanted = ["nbgrader generate_assignment batchnorm", "nbgrader autograde batchnorm"]
    if form == "otter":
        wanted = [f"otter assign {number}.ipynb" for number in NUMBERS]
    for line in [*wanted, 'export BNLEARN_PROGRESS_FILE="$PWD/']:
        assert line in commands
    for number in NUMBERS:
        inside = [e for e in ALL if e.chapter[:2] == number]
        names = ", ".join(e.identifier for e in inside)
        points = sum(e.difficulty for e in inside)
        assert f"| {number}.ipynb | {names} | {points} |" in text
    assert "The package contains the solutions" in text
    assert not re.search(r"install bnlearn\b(?!`, which is another)", text)
    assert "{" not in text


@forms
def test_same_files_each_time(form, tmp_path):
    export(tmp_path / "one", form)
    export(tmp_path / "two", form)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for content in contents(tmp_path / "one").values():
        assert b"\r" not in content and content.endswith(b"\n")


# What is chosen ----------------------------------------------------------------------


def test_choice():
    first, *_, last = ALL
    assert choose() == ALL
    assert choose([last.identifier, first.identifier, last.identifier]) == [first, last]
    inside = [e for e in ALL if e.chapter == last.chapter]
    assert choose(chapters=[last.chapter[:2]]) == inside
    assert choose(chapters=[last.chapter[1:2]]) == inside
    assert choose([first.identifier], [last.chapter[:2]]) == [first, *inside]
    assert choose(chapters=NUMBERS) == ALL
    assert choose(iter([first.identifier]), iter([first.chapter[:2]]))[0] is first


@forms
def test_only_what_was_chosen_is_written(form, tmp_path, capsys):
    folder, last = tmp_path / "new" / "folder", ALL[-1]
    assert run("--format", form, folder, "--exercise", last.identifier) == 0
    [notebook] = folder.rglob("*.ipynb")
    text = notebook.read_text(encoding="utf-8")
    assert notebook.stem == last.chapter[:2]
    named = {e.identifier for e in ALL if f'"check-{e.identifier}"' in text}
    assert named == {last.identifier}
    assert str(folder / "README.md") in capsys.readouterr().out


# What is refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "word"], "invalid choice: 'word'"),
        ([], "required: --format"),
        (["--format", "otter", "--exercise", "standardize"], "mean 'standardise'?"),
        (["--format", "otter", "--chapter", "99"], "no exercises in chapter '99'"),
    ],
)
def test_wrong_arguments(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "new", *arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_wrong_calls(tmp_path):
    with pytest.raises(ValueError, match="nbgrader, otter, got 'word'"):
        export(tmp_path / "new", "word")
    with pytest.raises(ValueError, match="no exercise"):
        export(tmp_path / "new", "otter", [])
    assert not (tmp_path / "new").exists()


@forms
def test_folder_with_something_else_is_left_alone(form, tmp_path, capsys):
    (tmp_path / "grades.csv").write_text("precious")
    with pytest.raises(SystemExit) as stopped:
        run("--format", form, tmp_path)
    assert stopped.value.code == 2
    assert "is not empty" in capsys.readouterr().err
    assert contents(tmp_path) == {"grades.csv": b"precious"}


@forms
def test_folder_with_the_same_is_left_as_it_is(form, tmp_path):
    export(tmp_path, form)
    (tmp_path / "gradebook.db").write_text("what a grader made")
    before = contents(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    export(tmp_path, form)
    assert contents(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


@forms
def test_changed_assignment_is_not_overwritten(form, tmp_path):
    export(tmp_path, form)
    notebook = next(tmp_path.rglob("*.ipynb"))
    notebook.write_text("changed by the teacher")
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match="not empty"):
        export(tmp_path, form)
    assert contents(tmp_path) == before


def test_target_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    for target in (tmp_path / "file", tmp_path / "file" / "new"):
        with pytest.raises(SystemExit) as stopped:
            run("--format", "otter", target)
        assert stopped.value.code == 2
        assert "cannot write the assignment" in capsys.readouterr().err
    assert contents(tmp_path) == {"file": b"precious"}


def refuse(*arguments, **keywords):
    raise PermissionError(13, "Permission denied", "folder")


def test_folder_that_cannot_be_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(exporting.tempfile, "mkdtemp", refuse)
    with pytest.raises(SystemExit) as stopped:
        run("--format", "otter", tmp_path / "new")
    assert stopped.value.code == 2
    assert "cannot write the assignment: [Errno 13]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@forms
@pytest.mark.parametrize("there", [True, False], ids=["empty", "new"])
@pytest.mark.parametrize("count", range(3))
@pytest.mark.parametrize("step", ["replace", "write_bytes"])
def test_what_was_begun_is_removed(form, there, step, count, tmp_path, monkeypatch):
    folder = tmp_path / "a" / "b"
    if there:
        folder.mkdir(parents=True)
    owner = exporting.os if step == "replace" else exporting.Path
    original, calls = getattr(owner, step), []

    def until_full(*arguments):
        calls.append(arguments)
        if len(calls) > count:
            raise OSError("No space left on device")
        return original(*arguments)

    monkeypatch.setattr(owner, step, until_full)
    with pytest.raises(OSError, match="No space"):
        export(folder, form)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == ({"a", "a/b"} if there else set())
