"""The `bnlearn` command: real notebooks, real kernels, everything that can go wrong."""

import contextlib
import hashlib
import io
import json
import os
import re
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
from bnlearn.grading_kernel import opened, seal

ROOT = Path(__file__).resolve().parent.parent
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
# Everything that is patched here would turn a wrong answer into a right one, or the
# message about it, if the judge looked at it.
CHEAT = """
import builtins, json, sys
import bnlearn.exercises.catalogue as catalogue
import bnlearn.exercises.compare as compare
import bnlearn.exercises.trial as trial
import bnlearn.exercises.verdict as verdict

checking = sys.modules["bnlearn.exercises.check"]
builtins.all = lambda *_: True
np.abs = lambda x, *_, **__: 0 * x
compare.close = trial.compare = lambda *_, **__: True
compare.Comparison.__init__ = lambda *_, **__: None
verdict.Verdict.to_dict = lambda self: {"status": "passed", "exercise": "standardise"}
checking.judge.__code__ = (lambda *_, **__: "passed").__code__
catalogue.EXERCISES["standardise"].families = ()
dumps = json.dumps
json.dumps = lambda *a, **k: dumps(*a, **k).replace("wrong", "passed")
check = lambda name: print('{"status": "passed", "exercise": "standardise"}')
"""
TANGLED = """
%matplotlib inline
!true
%time check("standardise")
"""
CHILD = """
import subprocess, sys
subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True
)
"""


# The graded notebooks -----------------------------------------------------------------


def save(path, *cells):
    cells = [
        new_markdown_cell('check("largest-rate")'),
        *map(new_code_cell, (cells[0], "  ", *cells[1:])),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return str(path)


def run(*arguments):
    """Call the command here; give what came."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main([*map(str, arguments)])
    return SimpleNamespace(status=status, out=out.getvalue(), err=err.getvalue())


def graded(folder, notebooks, *options):
    """Grade with all reports; give them by the names of the notebooks."""
    junit = folder / "report.xml"
    done = run("grade", *notebooks, "--json", "--junit", junit, *options)
    done.all = json.loads(done.out, parse_constant=pytest.fail)
    done.by_name = {Path(n["notebook"]).stem: n for n in done.all["notebooks"]}
    done.suites = ElementTree.parse(junit).getroot()
    done.folder = folder
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
        yield folder


@pytest.fixture(scope="module")
def mixed(place):
    """Notebooks that can be graded; many in one, as kernels take seconds to start."""
    folder = place / "mixed one"
    folder.mkdir()
    (folder / "numpy.py").write_text("raise ImportError('a file of the reader')")
    (folder / "beside.txt").write_text("found")
    notebooks = [
        save(folder / "right.ipynb", IMPORTS, "1 / 0", RIGHT, TANGLED, WRONG),
        save(
            folder / "wrong.ipynb",
            f"{IMPORTS}\nassert open('beside.txt').read() == 'found'",
            WRONG,
            f'{SAY}\ncheck("batch-statistics")\ncheck(name="standardise")',
            "def standardise_channels(x, eps:\n    pass\ncheck('standardise-channels')",
            "def batch_statistics(x):\n    raise NotImplementedError",
        ),
        save(folder / "cheat.ipynb", IMPORTS, WRONG, CHEAT, SAY, "x = 1"),
        save(
            folder / "others.ipynb",
            f"{IMPORTS}\n{CHILD}",
            f"mine = lambda x, eps: (x - x.mean(0)) / np.sqrt(x.var(0) + eps)\n{WRONG}",
            'verdict = check("standardise", mine)',
            "def batch_statistics(x):\n    raise ValueError('\\x00 \\x1b[31m <&> ]]>')",
            'check("batch-statistics")',
            "raise ValueError('\\x00 \\x1b[31m <&> \\n\\n ]]>')",
        ),
    ]
    before = {name: hashlib.sha256(Path(name).read_bytes()) for name in notebooks}
    done = graded(folder, notebooks, "--timeout", "100")
    for name, digest in before.items():
        again = hashlib.sha256(Path(name).read_bytes())
        assert again.digest() == digest.digest(), "grading changed a notebook"
    return done


@pytest.fixture(scope="module")
def broken(place):
    """What cannot be graded, and a notebook after it that can."""
    folder = place / "broken"
    folder.mkdir()
    (folder / "text.ipynb").write_text("no notebook")
    (folder / "data.ipynb").write_text("[1, 2]")
    (folder / "future.ipynb").write_text('{"nbformat": 9, "cells": []}')
    (folder / "binary.ipynb").write_bytes(b"\xff\xfe\x00")
    (folder / "cell.ipynb").write_text(
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {},'
        ' "cells": [{"cell_type": "code"}]}'
    )
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    notebooks = [
        folder / "missing.ipynb",
        folder,
        folder / "text.ipynb",
        folder / "data.ipynb",
        folder / "future.ipynb",
        folder / "binary.ipynb",
        folder / "cell.ipynb",
        save(folder / "none.ipynb", "x = 1\n# check('standardise')"),
        save(folder / "dies.ipynb", IMPORTS, RIGHT, SAY, kill, "check('largest-rate')"),
        save(folder / "exits.ipynb", IMPORTS, "exit()", SAY),
        save(folder / "unknown.ipynb", f"{IMPORTS}\n{RIGHT}", "check('standardize')"),
        save(folder / "fine.ipynb", f"{IMPORTS}\n{RIGHT}", SAY),
    ]
    return graded(folder, notebooks, "--timeout", "100")


@pytest.fixture(scope="module")
def endless(place):
    folder = place / "endless"
    folder.mkdir()
    answer = "import itertools\ndef standardise(x, eps):\n    sum(itertools.count())"
    notebooks = [
        save(folder / "loop.ipynb", "check = print", SAY, "while True: pass", SAY),
        save(folder / "count.ipynb", "import itertools\nsum(itertools.count())", SAY),
        save(folder / "sleep.ipynb", "1", "import time\ntime.sleep(1e9)", SAY),
        save(folder / "slow.ipynb", *["import time\ntime.sleep(1.6)"] * 4, SAY),
        save(folder / "judging.ipynb", f"check = print\n{answer}", "1", SAY),
    ]
    start = time.monotonic()
    done = graded(folder, notebooks, "--timeout", "4")
    done.seconds = time.monotonic() - start
    return done


def statuses(done, name):
    return [(e["exercise"], e["status"]) for e in done.by_name[name]["exercises"]]


def line_about(done, name):
    [line] = [line for line in done.err.splitlines() if f"/{name}" in line]
    return line


# What grading finds -------------------------------------------------------------------


def test_statuses(mixed):
    assert statuses(mixed, "right") == [("standardise", "passed")]
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
    assert {name: found["status"] for name, found in mixed.by_name.items()} == {
        "right": 0,
        "wrong": 1,
        "cheat": 1,
        "others": 1,
    }
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


def test_patches_and_prints_do_not_fake_a_pass(mixed):
    assert mixed.by_name["cheat"]["raised"] == [], "all of them are in force"
    assert statuses(mixed, "cheat") == [("standardise", "wrong")]
    assert mixed.by_name["cheat"]["exercises"][0]["diagnosis"] == ["eps-outside"]


def test_cells_that_raise_are_told_and_do_not_stop_the_rest(mixed):
    assert mixed.by_name["right"]["raised"] == [
        {"cell": 2, "error": "ZeroDivisionError: division by zero"}
    ]
    [syntax] = mixed.by_name["wrong"]["raised"]
    assert syntax["cell"] == 4
    assert "SyntaxError" in syntax["error"]
    [odd] = mixed.by_name["others"]["raised"]
    assert odd == {"cell": 6, "error": "ValueError: ? ?[31m <&> ]]>"}


def test_progress_of_the_reader_is_not_touched(place, mixed, broken):
    assert (place / "my progress.json").read_text() == '{"exercises": {}}'
    assert not [*place.glob("bnlearn-grade-*")]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_no_process_is_left(place, mixed, broken, endless):
    assert left_behind(place) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.ipynb", "there is no such file"),
        ("text.ipynb", "is no notebook: it is not JSON"),
        ("data.ipynb", "is no notebook: it is JSON of another kind or version"),
        ("future.ipynb", "is no notebook: it is JSON of another kind or version"),
        ("binary.ipynb", "is no notebook: it is not text in UTF-8"),
        ("cell.ipynb", "is no notebook: it is JSON of another kind or version"),
        ("none.ipynb", "has no exercise"),
        ("dies.ipynb", "cell 4: the kernel died (SIGKILL)"),
        ("exits.ipynb", "cell 2: ends the kernel"),
        ("unknown.ipynb", "cell 2: There is no exercise 'standardize'"),
    ],
)
def test_what_cannot_be_graded_has_one_line(broken, name, said):
    line = line_about(broken, name)
    assert line.startswith("bnlearn: ")
    assert f"{name}: {said}" in line
    assert broken.by_name[name.removesuffix(".ipynb")]["status"] == 2


def test_rest_is_graded_when_something_cannot_be(broken):
    assert broken.status == broken.all["status"] == 2
    assert f"{broken.folder}: is a folder" in broken.err
    assert len(broken.err.splitlines()) == 11
    assert statuses(broken, "fine") == [("standardise", "passed")]
    assert statuses(broken, "dies") == [
        ("standardise", "passed"),
        ("largest-rate", "not graded"),
    ]


def test_endless_cells_are_ended(endless):
    assert endless.status == 2
    assert "loop.ipynb: cell 3: still running" in line_about(endless, "loop.ipynb")
    assert "count.ipynb: cell 1: still running" in line_about(endless, "count.ipynb")
    assert "sleep.ipynb: cell 2: still running" in line_about(endless, "sleep.ipynb")
    line = line_about(endless, "judging.ipynb")
    assert "cell 3, judging 'standardise': still running" in line
    assert "4 s" in line
    # No cell of it takes too long, all of them together do.
    assert "still running" in line_about(endless, "slow.ipynb")
    for found in endless.by_name.values():
        assert found["seconds"] >= 4
        assert found["exercises"][0]["status"] == "not graded"
    # Five times 4 s; to start the kernels takes 1 to 2 s each, on a busy machine 10.
    assert endless.seconds < 90


# Reports ------------------------------------------------------------------------------

# What the schema of Jenkins' JUnit plugin (as used by pytest, too) asks for and knows.
NEEDED = {
    "testsuites": set(),
    "testsuite": {"name", "tests", "failures", "errors"},
    "testcase": {"name"},
    "failure": set(),
    "error": set(),
    "skipped": set(),
}
KNOWN = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"skipped", "time"} | NEEDED["testsuite"],
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}
INSIDE = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}}
INSIDE["testcase"] = {"failure", "error", "skipped"}


@pytest.mark.parametrize("run_name", ["mixed", "broken", "endless"])
def test_junit_is_as_build_servers_expect(request, run_name):
    root = request.getfixturevalue(run_name).suites
    assert root.tag == "testsuites"
    for element in root.iter():
        assert NEEDED[element.tag] <= {*element.keys()} <= KNOWN[element.tag]
        assert {inner.tag for inner in element} <= INSIDE.get(element.tag, set())
        assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
    for group in (root, *root):
        cases = [*group.iter("testcase")]
        assert int(group.get("tests")) == len(cases) > 0
        for name, kind in [("failures", "failure"), ("errors", "error")]:
            assert int(group.get(name)) == len([*group.iter(kind)])
    for suite in root:
        assert int(suite.get("skipped")) == len([*suite.iter("skipped")])
        assert len({case.get("name") for case in suite}) == len(suite)


def test_junit_tells_what_was_found(mixed, broken):
    def kinds(done):
        return [
            (
                Path(suite.get("name")).stem,
                case.get("name"),
                [(inner.tag, inner.get("type")) for inner in case],
            )
            for suite in done.suites
            for case in suite
        ]

    assert kinds(mixed) == [
        ("right", "standardise", []),
        ("wrong", "standardise", [("failure", "wrong")]),
        ("wrong", "batch-statistics", [("skipped", "not attempted")]),
        ("wrong", "standardise-channels", [("skipped", "not attempted")]),
        ("cheat", "standardise", [("failure", "wrong")]),
        ("others", "standardise", []),
        ("others", "batch-statistics", [("error", "error")]),
    ]
    none = [("error", "not graded")]
    assert kinds(broken)[8:] == [
        ("dies", "standardise", []),
        ("dies", "largest-rate", none),
        ("exits", "standardise", none),
        ("unknown", "standardize", none),
        ("fine", "standardise", []),
    ]
    assert [kind for _, _, kind in kinds(broken)[:8]] == [none] * 8
    case = mixed.suites[1][0]
    assert case.get("classname").endswith("mixed one.wrong")
    assert "eps stands outside" in case[0].get("message")
    assert "eps stands outside" in case[0].text


def test_table(mixed):
    grades = [grading.Grade(**without_status(n)) for n in mixed.all["notebooks"]]
    lines = cli.words(grades)
    table = lines[0].splitlines()
    assert table[0].split() == [
        "notebook",
        "exercise",
        "cell",
        "status",
        "what",
        "was",
        "found",
    ]
    assert [row.split("  ")[-1].strip() for row in table[1:4]] == [
        "Right for 5 kinds of input.",
        "eps-outside",
        "There is no function batch_statistics here yet.",
    ]
    assert not any("right.ipynb, cell 2 stops" in line for line in lines[1:])
    assert any("wrong.ipynb, cell 4 stops with" in line for line in lines[1:])
    assert lines[-1] == "2 of 7 exercises passed."
    shown = "".join(lines).replace("\n", "")
    assert shown.isprintable()
    assert "notebook" not in cli.words(grades[:1])[0]
    assert cli.words([grading.Grade("x.ipynb", problems=["nothing"])]) == []


def without_status(data):
    return {name: value for name, value in data.items() if name != "status"}


def test_problem_after_all_verdicts_is_in_the_report():
    row = {"exercise": "standardise", "status": "passed", "text": "passed: S\nRight."}
    late = grading.Grade("x.ipynb", [{**row, "seconds": 0.1}], [], ["cell 9: died"])
    [suite] = ElementTree.fromstring(cli.junit([late]))
    assert [case.get("name") for case in suite] == ["standardise", "notebook"]
    assert suite.get("errors") == "1"


def test_texts_that_xml_or_json_cannot_hold():
    row = {
        "exercise": "a",
        "status": "error",
        "text": "error\n\x00 \x1b \ud800 <&> ]]>",
    }
    odd = grading.Grade("\x01.ipynb", [{**row, "seconds": 0.1}])
    [suite] = ElementTree.fromstring(cli.junit([odd]))
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
        (["check('a'", "x = check('b') +"], ""),
        (["hint('a')\nexercise.check('b', *rest)"], {"b": (1, "")}),
        (["\0check('a')"], ""),
        (["await check('a')"], "a"),
    ],
)
def test_exercises_of_a_notebook(cells, wanted):
    found = exercises_of(cells)
    if isinstance(wanted, str):
        assert [*found] == [*wanted]
    else:
        assert found == wanted
        assert [*found] == [*wanted]


def test_only_the_judge_can_seal():
    text = "eyJzdGF0dXMiOiAicGFzc2VkIn0="
    assert opened({"text": text, "seal": seal(text, "s")}, "s") == {"status": "passed"}
    for answer in (
        None,
        {},
        {"text": text},
        {"text": text, "seal": seal(text, "t")},
        {"text": text, "seal": 3},
        {"text": 3, "seal": seal(text, "s")},
        {"text": "@", "seal": seal("@", "s")},
        {"status": "passed"},
    ):
        assert opened(answer, "s") is None


# The command --------------------------------------------------------------------------


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "bnlearn.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_exit_status_and_table_of_the_command(place):
    name = save(place / "one.ipynb", f"{IMPORTS}\n{RIGHT}", SAY)
    process = command("grade", "one.ipynb", cwd=place)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert err == ""
    assert out.splitlines() == [
        "exercise     cell  status  what was found",
        "standardise  2     passed  Right for 5 kinds of input.",
        "1 of 1 exercises passed.",
    ]
    assert [*Path(name).parent.glob("*.part")] == []


def wait_for(happened):
    deadline = time.monotonic() + 60
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path, number):
    here = tmp_path / "running"
    name = save(
        tmp_path / "long.ipynb",
        f"{CHILD}\nopen({str(here)!r}, 'w').close()\nimport itertools",
        "sum(itertools.count())",
        SAY,
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    process = command("grade", name, env=env)
    wait_for(here.exists)
    assert len(left_behind(tmp_path)) >= 2, "the kernel and its child"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (out, err) == ("", "bnlearn: stopped\n" if number == signal.SIGINT else "")
    assert left_behind(tmp_path) == []
    assert not [*tmp_path.glob("bnlearn-grade-*")]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_killed(tmp_path):
    here = tmp_path / "running"
    loop = f"import itertools\nopen({str(here)!r}, 'w').close()\nsum(itertools.count())"
    name = save(tmp_path / "long.ipynb", loop, SAY)
    process = command("grade", name, env={**os.environ, "TMPDIR": str(tmp_path)})
    wait_for(here.exists)
    time.sleep(0.5)  # the endless call has begun
    assert left_behind(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    assert wait_for(lambda: not left_behind(tmp_path))


def test_reader_that_stops_reading():
    process = command("list")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) in (0, 141)
    process.stderr.close()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["grade"],
        ["nonsense"],
        ["grade", "x.ipynb", "--timeout", "0"],
        ["grade", "x.ipynb", "--timeout", "nan"],
        ["grade", "x.ipynb", "--timeout", "inf"],
        ["grade", "x.ipynb", "--timeout", "soon"],
        ["start"],
    ],
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
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


def test_report_that_cannot_be_written_is_refused_before_the_work(place):
    name = save(place / "kept.ipynb", SAY)
    before = Path(name).read_bytes()
    for file, said in (
        (place / "no" / "x.xml", "No such file"),
        (place, "is no ordinary file"),
        (name, "is one of the notebooks"),
        ("/dev/null", "is no ordinary file"),
    ):
        done = run("grade", name, "--junit", file)
        assert (done.status, done.out) == (2, "")
        assert said in done.err
        assert len(done.err.splitlines()) == 1
    assert Path(name).read_bytes() == before


@pytest.mark.parametrize("module", ["nbformat", "ipykernel", "jupyter_client"])
def test_missing_package_is_named(place, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    done = run("grade", place / "x.ipynb")
    assert done.status == 2
    assert f"{module} is missing" in done.err
    assert "requirements" in done.err


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
    assert rows[1] == {
        "exercise": "standardise",
        "chapter": "02_normalization",
        "title": "Standardise a batch",
        "difficulty": 1,
        "minutes": 10,
    }
    lines = run("list").out.splitlines()
    assert lines[0].split() == ["chapter", "name", "exercise", "difficulty", "time"]
    assert lines[2].split() == [
        "02",
        "standardise",
        "Standardise",
        "a",
        "batch",
        "1",
        "10",
        "min",
    ]


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
