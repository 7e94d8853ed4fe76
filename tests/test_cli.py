"""The `bnlearn` command: real notebooks, real kernels, everything that can go wrong."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import tools.lab
from bnlearn import __version__, cli, grading, workspace
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.grading import exercises_of

ROOT = Path(__file__).resolve().parent.parent
NEEDS_PROC = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"
)
IMPORTS = "import numpy as np\nfrom bnlearn.exercises import check"
RIGHT = """
def standardise(x, eps):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
"""
WRONG = """
def standardise(x, eps):
    return (x - x.mean(axis=0)) / (x.std(axis=0) + eps)
"""
SAY = 'check("standardise")'
TANGLED = """
%matplotlib inline
!true
%time check("standardise")
"""
# Names of the reader that the judge uses too.
NAMES = "json = open = judged = bnlearn = None"
FAKE = """
def check(name):
    print('{"status": "passed"}')
    return {"status": "passed"}
"""
ODD = "raise ValueError('\\x00 \\x1b[31m <&> ]]>')"
COUNT = "import itertools\nsum(itertools.count())"  # one call into C, without end


# The graded notebooks -----------------------------------------------------------------


def save(path, *cells):
    first, *rest = map(new_code_cell, cells)
    cells = [new_markdown_cell("check('a')"), first, new_code_cell(" "), *rest]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def run(*arguments):
    """Call the command here; give what came."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main([*map(str, arguments)])
    return SimpleNamespace(status=status, out=out.getvalue(), err=err.getvalue())


def command(*arguments, **options):
    """Start the command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "bnlearn.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def graded(folder, notebooks, *options):
    """Grade with all reports; give them by the names of the notebooks."""
    file = folder / "report.xml"
    before = [path.read_bytes() for path in notebooks if path.is_file()]
    done = run("grade", *notebooks, "--json", "--junit", file, *options)
    after = [path.read_bytes() for path in notebooks if path.is_file()]
    assert before == after, "grading changed a notebook"
    done.all = json.loads(done.out, parse_constant=pytest.fail)
    done.by_name = {Path(n["notebook"]).stem: n for n in done.all["notebooks"]}
    done.suites = ElementTree.parse(file).getroot()
    done.lines = {
        Path(line.split(": ")[1]).name: line for line in done.err.splitlines()
    }
    return done


def left_behind(folder):
    """List the processes whose temporary files lie, or lay, in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"BNLEARN_PROGRESS_FILE={folder}".encode() in path.read_bytes():
                found.append(path)
    return found


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """Give the folder for everything that this module makes; kernels are known by it."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("BNLEARN_PROGRESS_FILE", str(folder / "my progress.json"))
        patch.setenv("PYTHONPATH", str(ROOT))
        (folder / "my progress.json").write_text('{"exercises": {}}')
        (folder / "beside.txt").write_text("found")
        yield folder


@pytest.fixture(scope="module")
def mixed(place):
    """Grade notebooks with answers of all kinds; many in one, as kernels are slow."""
    notebooks = [
        save(
            place / "wrong.ipynb",
            f"{IMPORTS}\nassert open('beside.txt').read() == 'found'",
            WRONG,
            f'{SAY}\ncheck("batch-statistics")\ncheck(name="standardise")',
            "def standardise_channels(x, eps:\n    pass\ncheck('standardise-channels')",
            f"def batch_statistics(x):\n    raise NotImplementedError\n{RIGHT}",
        ),
        save(
            place / "others.ipynb",
            f"{IMPORTS}\n{NAMES}\n{WRONG}",
            "check('standardise', lambda x, eps: (x - x.mean(0)) / np.sqrt(x.var(0) + eps))",
            f"def batch_statistics(x):\n    {ODD}\n{FAKE}\ncheck('batch-statistics')",
            ODD,
        ),
    ]
    return graded(place, notebooks, "--timeout", "100")


@pytest.fixture(scope="module")
def broken(place):
    """Grade what cannot be graded, and a notebook after it that partly can."""
    folder = place / "broken"
    folder.mkdir()
    (folder / "text.ipynb").write_text("no notebook")
    (folder / "data.ipynb").write_text("[1, 2]")
    (folder / "binary.ipynb").write_bytes(b"\xff\xfe\x00")
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    names = ("missing.ipynb", "text.ipynb", "data.ipynb", "binary.ipynb")
    notebooks = [
        folder,
        *(folder / name for name in names),
        save(folder / "none.ipynb", "x = 1\n# check('standardise')"),
        save(folder / "dies.ipynb", IMPORTS, RIGHT, SAY, kill, "check('largest-rate')"),
        save(folder / "exits.ipynb", "exit()", SAY),
        save(folder / "unknown.ipynb", IMPORTS, RIGHT, "check('standardize')", SAY),
    ]
    return graded(folder, notebooks, "--timeout", "100")


@pytest.fixture(scope="module")
def endless(place):
    folder = place / "endless"
    folder.mkdir()
    answer = "import itertools\ndef standardise(x, eps):\n    sum(itertools.count())"
    notebooks = [
        save(folder / "loop.ipynb", "1", "while True: pass", SAY),
        save(folder / "count.ipynb", COUNT, SAY),
        save(folder / "slow.ipynb", *["import time\ntime.sleep(0.9)"] * 3, SAY),
        save(folder / "judging.ipynb", f"check = print\n{answer}", SAY),
    ]
    return graded(folder, notebooks, "--timeout", "2")


def statuses(done, name):
    return [(e["exercise"], e["status"]) for e in done.by_name[name]["exercises"]]


# What grading finds -------------------------------------------------------------------


def test_exit_status_and_table_of_the_command(place):
    (place / "mine").mkdir()
    name = save(place / "mine" / "one.ipynb", IMPORTS, "1 / 0", RIGHT, TANGLED, WRONG)
    process = command("grade", name.name, cwd=name.parent)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == [
        "exercise     cell  status  what was found",
        "standardise  4     passed  Right for 5 kinds of input.",
        "1 of 1 exercises passed.",
    ]
    assert [*name.parent.iterdir()] == [name]


def test_statuses(mixed):
    assert statuses(mixed, "wrong") == [
        ("standardise", "wrong"),
        ("batch-statistics", "not attempted"),
        ("standardise-channels", "not attempted"),
    ]
    assert statuses(mixed, "others") == [
        ("standardise", "passed"),
        ("batch-statistics", "error"),
    ]
    assert mixed.status == mixed.all["status"] == 1
    assert [found["status"] for found in mixed.all["notebooks"]] == [1, 1]
    assert mixed.err == ""


def test_mistake_is_recognised_and_comes_as_data(mixed):
    entry = mixed.by_name["wrong"]["exercises"][0]
    assert entry["diagnosis"] == ["eps-outside"]
    assert entry["outputs"] == {"x_hat": False}
    assert entry["cell"] == 3
    assert entry["title"] == "Standardise a batch"
    assert f"seed={entry['seed']}" in entry["text"]
    assert len(entry["inputs"]["x"]) > 1


def test_seeds_are_fresh(mixed):
    entries = [e for n in mixed.all["notebooks"] for e in n["exercises"]]
    assert len({e["seed"] for e in entries}) == len(entries)


def test_cells_that_raise_are_told_and_do_not_stop_the_rest(mixed):
    [syntax] = mixed.by_name["wrong"]["raised"]
    assert syntax["cell"] == 4
    assert "SyntaxError" in syntax["error"]
    [odd] = mixed.by_name["others"]["raised"]
    assert odd == {"cell": 4, "error": "ValueError: ? ?[31m <&> ]]>"}


def test_progress_of_the_reader_is_not_touched(place, mixed, broken):
    assert (place / "my progress.json").read_text() == '{"exercises": {}}'
    assert not [*place.glob("bnlearn-grade-*")]


@NEEDS_PROC
def test_no_process_is_left(place, mixed, broken, endless):
    assert left_behind(place) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken", "cannot be read: Is a directory"),
        ("missing.ipynb", "cannot be read: No such file"),
        ("text.ipynb", "is no notebook"),
        ("data.ipynb", "is no notebook"),
        ("binary.ipynb", "is no notebook"),
        ("none.ipynb", "has no exercise"),
        ("dies.ipynb", "cell 4: DeadKernelError: Kernel died"),
        ("exits.ipynb", "cell 1: RuntimeError: exit() ends the kernel"),
        ("unknown.ipynb", "cell 3, judging 'standardize': There is no exercise"),
    ],
)
def test_what_cannot_be_graded_has_one_line(broken, name, said):
    assert broken.lines[name].startswith("bnlearn: ")
    assert f"{name}: {said}" in broken.lines[name]
    assert broken.by_name[name.removesuffix(".ipynb")]["status"] == 2


def test_rest_is_graded_when_something_cannot_be(broken):
    assert broken.status == broken.all["status"] == 2
    assert len(broken.err.splitlines()) == 9
    assert statuses(broken, "dies") == [
        ("standardise", "passed"),
        ("largest-rate", "not graded"),
    ]
    assert statuses(broken, "unknown") == [
        ("standardize", "not graded"),
        ("standardise", "passed"),
    ]


def test_endless_cells_are_ended(endless):
    assert endless.status == 2
    assert "loop.ipynb: cell 2: still running" in endless.lines["loop.ipynb"]
    assert "count.ipynb: cell 1: still running" in endless.lines["count.ipynb"]
    line = endless.lines["judging.ipynb"]
    assert "cell 2, judging 'standardise': still running when the 2 s" in line
    # No cell of it takes too long, all of them together do.
    assert "still running" in endless.lines["slow.ipynb"]
    for found in endless.by_name.values():
        assert found["seconds"] >= 2
        assert found["exercises"][0]["status"] == "not graded"


@NEEDS_PROC
def test_interrupted(tmp_path):
    runs = []
    for number in (signal.SIGINT, signal.SIGTERM):
        folder = tmp_path / number.name
        folder.mkdir()
        cell = f"open({str(folder / 'running')!r}, 'w').close()\n{COUNT}"
        name = save(folder / "long.ipynb", cell, SAY)
        env = {**os.environ, "TMPDIR": str(folder)}
        runs.append((number, folder, command("grade", name, env=env)))
    for number, folder, process in runs:
        deadline = time.monotonic() + 60
        while not (folder / "running").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left_behind(folder), "the kernel"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert (out, err) == ("", "bnlearn: stopped\n" * (number == signal.SIGINT))
        assert left_behind(folder) == []
        assert not [*folder.glob("bnlearn-grade-*")]


# Reports ------------------------------------------------------------------------------


def test_junit_is_as_build_servers_expect(mixed, broken):
    for suite in (*mixed.suites, *broken.suites):
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases) == len(suite) > 0
        for name, kind in [("failures", "failure"), ("errors", "error")]:
            assert int(suite.get(name)) == len([*suite.iter(kind)])
        assert int(suite.get("skipped")) == len([*suite.iter("skipped")])
        assert len({case.get("name") for case in cases}) == len(cases)
        assert float(suite.get("time")) >= sum(float(c.get("time")) for c in cases)


def test_junit_tells_what_was_found(mixed, broken):
    def kinds(suite):
        return [(c.get("name"), [(i.tag, i.get("type")) for i in c]) for c in suite]

    none = [("error", "not graded")]
    wrong, others = mixed.suites
    assert kinds(wrong) == [
        ("standardise", [("failure", "wrong")]),
        ("batch-statistics", [("skipped", "not attempted")]),
        ("standardise-channels", [("skipped", "not attempted")]),
    ]
    assert kinds(others) == [
        ("standardise", []),
        ("batch-statistics", [("error", "error")]),
    ]
    for suite in broken.suites[:6]:
        assert kinds(suite) == [("notebook", none)]
    assert kinds(broken.suites[6]) == [
        ("standardise", []),
        ("largest-rate", none),
        ("notebook", none),
    ]
    assert "Kernel died" in broken.suites[6][2][0].text
    assert wrong[0].get("classname").endswith("cli0.wrong")
    assert "eps stands outside" in wrong[0][0].get("message")
    assert "eps stands outside" in wrong[0][0].text


def test_table_of_several_notebooks(mixed):
    rows = [
        {k: v for k, v in n.items() if k != "status"} for n in mixed.all["notebooks"]
    ]
    table, *below = cli.words([grading.Grade(**row) for row in rows])
    head, *lines = table.splitlines()
    assert head.split()[:4] == ["notebook", "exercise", "cell", "status"]
    assert [line.split("  ")[-1].strip() for line in lines[:2]] == [
        "eps-outside",
        "There is no function batch_statistics here yet.",
    ]
    assert "wrong.ipynb, cell 4 stops with" in below[0]
    assert below[-1] == "1 of 5 exercises passed."
    assert "".join([*lines, *below]).isprintable()
    assert cli.words([grading.Grade("x.ipynb", problems=["nothing"])]) == []


def test_texts_that_xml_or_json_cannot_hold():
    row = {"exercise": "a", "status": "error", "seconds": 0.1}
    row["text"] = "error\n\x00 \x1b \ud800 <&> ]]>"
    [suite] = ElementTree.fromstring(cli.junit([grading.Grade("\x01.ipynb", [row])]))
    assert suite[0][0].text == "error\n? ? ? <&> ]]>"
    data = {"a": [float("nan"), [1.5, float("-inf")]], "b": 2}
    assert cli.finite(data) == {"a": ["nan", [1.5, "-inf"]], "b": 2}


# What a notebook asks for --------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["check('a')\ncheck('b')"], {"a": (1, ""), "b": (1, "")}),
        (["check('b')", "x = 1", "v = check('a'); check('b')"], "ba"),
        (["import bnlearn.exercises as ex\nprint(ex.check('a', seed=3))"], "a"),
        (["check('a', f)", "check('b', obj=g.h)"], {"a": (1, "f"), "b": (2, "g.h")}),
        (["check('a', lambda x: x + 1)"], {"a": (1, "lambda x: x + 1")}),
        (["%%time\ncheck('a')"], "a"),
        (["  %time check('a')\n!ls\n?check\ny = %who\ncheck('b')"], "ab"),
        (["%%bash\ncheck('a')"], ""),
        (["# check('a')\n'check(\"a\")'\ncheck(name)\ncheck()\ncheck(*names)"], ""),
        (["def f(:\n    pass\ncheck('b')\n    check('a')  # not yet"], "ba"),
        (["hint('a')\nrecheck('a')\nexercise.check('b')"], "b"),
        (["await check('a')"], "a"),
    ],
)
def test_exercises_of_a_notebook(cells, wanted):
    found = exercises_of(cells)
    assert [*found] == [*wanted]
    assert isinstance(wanted, str) or found == wanted


# The command --------------------------------------------------------------------------


def test_reader_that_stops_reading():
    process = command("list")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) in (0, 141)
    process.stderr.close()


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "grade",
        "nonsense",
        "grade x.ipynb --timeout 0",
        "grade x.ipynb --timeout nan",
        "grade x.ipynb --timeout soon",
        "grade x.ipynb --junit x.ipynb",
        "grade x.ipynb --junit no/such/folder/x.xml",
        "grade x.ipynb --junit .",
        "start",
    ],
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments.split())
    assert stop.value.code == 2
    assert "usage: bnlearn" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["grade", "progress", "list", "start"])
def test_help_has_an_example(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert stop.value.code == 0
    assert f"example: bnlearn {name}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"bnlearn {__version__} ")


@pytest.mark.parametrize("module", ["nbformat", "nbclient", "IPython"])
def test_missing_package_is_named(tmp_path, monkeypatch, module):
    for name in [name for name in sys.modules if name.startswith(f"{module}.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)
    nothing = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'
    cell = '{"cell_type": "code", "metadata": {}, "id": "a", "outputs": [], '
    cell += '"execution_count": null, "source": "check(1)\\ncheck(\'a\')"}'
    (tmp_path / "x.ipynb").write_text(nothing.replace("[]", f"[{cell}]"))
    done = run("grade", tmp_path / "x.ipynb")
    assert done.status == 2
    assert module in done.err
    assert "requirements" in done.err
    assert len(done.err.splitlines()) == 1


# progress, list, start ------------------------------------------------------------------


def test_progress(tmp_path, monkeypatch):
    file = tmp_path / "progress.json"
    monkeypatch.setenv("BNLEARN_PROGRESS_FILE", str(file))
    entry = {"state": "passed", "tries": 2, "passed": "2026-01-02"}
    file.write_text(json.dumps({"exercises": {"standardise": entry}}))
    done = run("progress")
    assert (done.status, done.err) == (0, "")
    [line] = [line for line in done.out.splitlines() if " standardise " in line]
    assert line.split()[-2:] == ["passed", "2"]
    data = json.loads(run("progress", "--json").out)
    assert data["file"] == str(file)
    rows = {row["exercise"]: row for row in data["exercises"]}
    assert [*rows] == [*EXERCISES]
    assert rows["standardise"].items() >= entry.items()
    assert (
        rows["largest-rate"].items() >= {"state": "not attempted", "tries": 0}.items()
    )


def test_progress_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("BNLEARN_PROGRESS_FILE", str(tmp_path))
    for more in ([], ["--json"]):
        done = run("progress", *more)
        assert (done.status, done.out) == (2, "")
        assert len(done.err.splitlines()) == 1


def test_list():
    rows = json.loads(run("list", "--json").out)["exercises"]
    assert [row["exercise"] for row in rows] == [*EXERCISES]
    [row] = [row for row in rows if row["exercise"] == "standardise"]
    assert row == {
        "exercise": "standardise",
        "chapter": "02_normalization",
        "title": "Standardise a batch",
        "difficulty": 1,
        "minutes": 10,
    }
    lines = run("list").out.splitlines()
    assert lines[0].split() == ["chapter", "name", "exercise", "difficulty", "time"]
    [line] = [line for line in lines if " standardise " in line]
    assert line.split() == "02 standardise Standardise a batch 1 10 min".split()


def test_start_copies_what_is_not_there(tmp_path):
    target = tmp_path / "new" / "work"
    done = run("start", target)
    assert (done.status, done.err) == (0, "")
    copied = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    book = ROOT / "book"
    notebooks = {path.relative_to(book) for path in book.rglob("*.ipynb")}
    assert notebooks <= copied
    assert Path("02_normalization.md") not in copied
    assert not [name for name in copied if str(name).startswith(("_", "."))]
    mine = target / "02_normalization.ipynb"
    mine.write_text("my work")
    (target / "index.md").unlink()
    (target / "index.md").symlink_to(tmp_path / "nowhere.md")
    (target / "notation.md").unlink()
    assert "1 files copied" in run("start", target).out
    assert mine.read_text() == "my work"
    assert not (tmp_path / "nowhere.md").exists()
    assert (target / "notation.md").read_bytes() == (book / "notation.md").read_bytes()


def test_start_refuses(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    before = sorted((ROOT / "book").rglob("*"))
    for folder, said in (
        (tmp_path / "file", "File exists"),
        (ROOT / "book" / "mine", "belongs to the book itself"),
        (ROOT / "book", "belongs to the book itself"),
    ):
        done = run("start", folder)
        assert (done.status, done.out) == (2, "")
        assert said in done.err
    assert sorted((ROOT / "book").rglob("*")) == before
    monkeypatch.setattr(workspace, "__file__", str(tmp_path / "lib" / "x" / "y.py"))
    done = run("start", tmp_path / "work")
    assert (done.status, done.out) == (2, "")
    assert "the book is not at" in done.err
    assert not (tmp_path / "work").exists()


def test_make_lab_copies_the_same_way():
    assert tools.lab.fill is workspace.fill
