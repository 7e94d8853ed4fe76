"""What a reader has done so far: kept, readable, and never lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnlearn.exercises import check, progress
from bnlearn.exercises import progress as shown
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.progress import load, path, record

CLOSED = EXERCISES["backward-closed-form"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "some" / "folder" / "progress.json"
    monkeypatch.setenv("BNLEARN_PROGRESS_FILE", str(file))
    return file


def row(name):
    [line] = [line for line in str(progress()).splitlines() if f" {name} " in line]
    return line


def test_checks_are_recorded(file):
    check("backward-closed-form", lambda *a: None)
    assert row("backward-closed-form").endswith("wrong          1")
    check("backward-closed-form", CLOSED.reference)
    assert row("backward-closed-form").endswith("passed         2")
    check("backward-closed-form", lambda *a: None)
    assert row("backward-closed-form").endswith("passed         3")
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert stored["exercises"]["backward-closed-form"]["state"] == "passed"
    assert [p.name for p in file.parent.iterdir()] == ["progress.json"]


def test_all_exercises_are_shown(file):
    lines = str(shown()).splitlines()
    assert len(lines) == 1 + len(EXERCISES)
    assert all("not attempted" in line for line in lines[1:])
    assert not file.exists()
    page = progress()._repr_html_()
    assert page.count("<tr>") == 1 + len(EXERCISES)


def test_one_chapter_is_shown(file):
    rows = progress("04").rows
    assert {row[0] for row in rows} == {"04"} and len(rows) >= 4
    assert progress(4).rows == progress("4").rows == rows
    assert len(progress().rows) == len(EXERCISES)
    with pytest.raises(LookupError, match="no exercises of chapter 77, only of 01"):
        progress(77)


def test_looking_without_writing_is_no_try(file):
    check("standardise")
    assert load()["standardise"] == {"state": "not attempted", "tries": 0}


def test_a_stub_does_not_undo_a_try(file):
    record("standardise", "wrong")
    record("standardise", "not attempted")
    assert load()["standardise"] == {"state": "wrong", "tries": 1}


def test_first_day_of_passing_is_kept(file):
    record("standardise", "passed")
    stored = json.loads(file.read_text(encoding="utf-8"))
    stored["exercises"]["standardise"]["passed"] = "2020-02-02"
    file.write_text(json.dumps(stored), encoding="utf-8-sig")  # as some editors do
    for status in ("passed", "wrong", "error"):
        record("standardise", status)
    expected = {"state": "passed", "tries": 4, "passed": "2020-02-02"}
    assert load() == {"standardise": expected}


def test_home_folder_is_found(monkeypatch):
    monkeypatch.setenv("BNLEARN_PROGRESS_FILE", "~/progress.json")
    assert path() == Path.home() / "progress.json"


def test_it_survives_another_process(file):
    record("standardise", "passed")
    code = "from bnlearn.exercises import progress; print(progress())"
    text = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert text.strip() == str(progress())
    assert "passed" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"exercises": 3}',
        '{"exercises": {"a": 1}}',
        "\x00\xff",
        '{"exercises": {"a": {}}}',
        '{"exercises": {"a": {"state": 5, "tries": 1}}}',
        '{"exercises": {"a": {"state": "passed", "tries": "many"}}}',
        "[" * 10**5,
    ],
)
def test_damaged_file_is_set_aside(file, text):
    file.parent.mkdir(parents=True)
    for _ in range(2):
        file.write_text(text, encoding="utf-8")
        assert load() == {}
    assert not file.exists()
    kept = sorted(p.read_text(encoding="utf-8") for p in file.parent.iterdir())
    assert kept == [text, text]
    assert record("standardise", "passed") is None
    assert load()["standardise"]["state"] == "passed"


def test_bytes_that_are_no_text_are_set_aside(file):
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe\xfa")
    assert load() == {}
    assert [p.read_bytes() for p in file.parent.iterdir()] == [b"\xff\xfe\xfa"]


def test_interrupted_writing_leaves_the_old_file(file, monkeypatch):
    record("standardise", "passed")
    before = file.read_bytes()

    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record("standardise", "wrong")
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == ["progress.json"]


def test_check_works_where_nothing_can_be_written(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setenv("BNLEARN_PROGRESS_FILE", str(blocked / "progress.json"))
    verdict = check("backward-closed-form", CLOSED.reference)
    assert verdict.status == "passed"
    assert "could not be saved" in str(verdict)


def test_default_place_is_the_users_data_folder(monkeypatch):
    monkeypatch.delenv("BNLEARN_PROGRESS_FILE")
    monkeypatch.setattr(Path, "mkdir", None)  # only asked for, never made
    assert path().name == "progress.json"
    assert path().parent.name == "bnlearn-book"
    assert path().is_absolute()
