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
TANGLED = "%matplotlib inline\n!true\n%time check('standardise')"
# Names of the reader that the judge uses too.
NAMES = "json = open = judged = bnlearn = None"
FAKE = 'def check(*_):\n    print(\'{"status": "passed"}\')'
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
            f"def f(*a, **k):\n    {ODD}\n{FAKE}\ncheck('largest-rate', f)",
        ),
        save(
            place / "fine.ipynb",
            f"{IMPORTS}\n{NAMES}\n{WRONG}",
            "check('standardise', lambda x, eps: (x - x.mean(0)) / np.sqrt(x.var(0) + eps))",
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
        ("largest-rate", "error"),
    ]
    assert statuses(mixed, "fine") == [("standardise", "passed")]
    assert mixed.status == mixed.all["status"] == 1
    assert [found["status"] for found in mixed.all["notebooks"]] == [1, 0]
    assert mixed.err == ""
    entries = [e for n in mixed.all["notebooks"] for e in n["exercises"]]
    assert len({e["seed"] for e in entries}) == len(entries), "seeds are fresh"


def test_mistake_is_recognised_and_comes_as_data(mixed):
    entry = mixed.by_name["wrong"]["exercises"][0]
    assert entry["diagnosis"] == ["eps-outside"]
    assert entry["outputs"] == {"x_hat": False}
    assert entry["cell"] == 3
    assert entry["title"] == "Standardise a batch"
    assert f"seed={entry['seed']}" in entry["text"]
    assert len(entry["inputs"]["x"]) > 1


def test_cells_that_raise_are_told_and_do_not_stop_the_rest(mixed):
    [syntax] = mixed.by_name["wrong"]["raised"]
    assert syntax["cell"] == 4
    assert "SyntaxError" in syntax["error"]
    [odd] = mixed.by_name["fine"]["raised"]
    assert odd == {"cell": 3, "error": "ValueError: ? ?[31m <&> ]]>"}


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
    assert dict(statuses(broken, "dies"))["standardise"] == "passed"
    assert dict(statuses(broken, "dies"))["largest-rate"] == "not graded"
    assert dict(statuses(broken, "unknown"))["standardize"] == "not graded"
    assert dict(statuses(broken, "unknown"))["standardise"] == "passed"


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
def test_interrupted(tmp_path, request):
    runs = []
    for number in (signal.SIGINT, signal.SIGTERM):
        folder = tmp_path / number.name
        folder.mkdir()
        cell = f"open({str(folder / 'running')!r}, 'w').close()\n{COUNT}"
        name = save(folder / "long.ipynb", cell, SAY)
        env = {**os.environ, "TMPDIR": str(folder)}
        process = command("grade", name, "--timeout", "60", env=env)
        request.addfinalizer(process.communicate)
        request.addfinalizer(process.kill)  # first, should the test fail
        runs.append((number, folder, process))
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


def kinds(suite):
    return [(c.get("name"), [(i.tag, i.get("type")) for i in c]) for c in suite]


def test_junit_xml(mixed, broken):
    none = [("error", "not graded")]
    assert [kinds(suite) for suite in mixed.suites] == [
        [
            ("standardise", [("failure", "wrong")]),
            ("batch-statistics", [("skipped", "not attempted")]),
            ("standardise-channels", [("skipped", "not attempted")]),
            ("largest-rate", [("error", "error")]),
        ],
        [("standardise", [])],
    ]
    for suite in broken.suites[:6]:
        assert kinds(suite) == [("notebook", none)]
    dies = broken.suites[6]
    names = ["standardise", "largest-rate", "notebook"]
    assert kinds(dies) == [*zip(names, [[], none, none], strict=True)]
    assert "Kernel died" in dies[2][0].text
    failure = mixed.suites[0][0]
    assert failure.get("classname").endswith("cli0.wrong")
    assert "eps stands outside" in failure[0].get("message")
    assert "eps stands outside" in failure[0].text
    for suite in (*mixed.suites, *broken.suites):
        assert int(suite.get("tests")) == len(suite)
        for name in ("failures", "errors", "skipped"):
            kind = name.removesuffix("s")
            assert int(suite.get(name)) == len([*suite.iter(kind)])
        assert float(suite.get("time")) >= sum(float(c.get("time")) for c in suite)


def test_table_of_several_notebooks(mixed):
    rows = [
        {k: v for k, v in n.items() if k != "status"} for n in mixed.all["notebooks"]
    ]
    table, *below = cli.words([grading.Grade(**row) for row in rows])
    head, *lines = table.splitlines()
    assert head.split()[:4] == ["notebook", "exercise", "cell", "status"]
    assert lines[0].endswith("  eps-outside")
    assert lines[1].endswith("  There is no function batch_statistics here yet.")
    assert "wrong.ipynb, cell 4 stops with" in below[0]
    assert below[-1] == "1 of 5 exercises passed."
    assert "".join([*lines, *below]).isprintable()


def test_texts_that_xml_or_json_cannot_hold():
    row = {"exercise": "a", "status": "error", "seconds": 0.1}
    row["text"] = "error\n\x00 \x1b \ud800 <&> ]]>"
    [suite] = ElementTree.fromstring(cli.junit([grading.Grade("\x01.ipynb", [row])]))
    assert suite[0][0].text == "error\n? ? ? <&> ]]>"
    data = {"a": [float("nan"), [1.5, float("-inf")]], "b": 2}
    assert cli.finite(data) == {"a": ["nan", [1.5, "-inf"]], "b": 2}


# What a notebook asks for --------------------------------------------------------------


def test_exercises_of_a_notebook():
    cells = [
        "check('j'); v = check('a')\nprint(ex.check('b', seed=3))",
        "check('c', f)\ncheck(name='d', obj=g.h)\nawait check('e', lambda x: x + 1)",
        "%%time\ncheck('f')",
        "  %time check('g')\n!ls\n?check\ny = %who\ncheck('h')",
        "def f(:\n    pass\ncheck('i')\n    check( \"j\")  # not Python yet",
        "%%bash\ncheck('no')",
        "# check('no')\n'check(\"no\")'\ncheck(no)\ncheck()\ncheck(*no)\nrecheck('no')",
    ]
    found = exercises_of(cells)
    assert found.pop("c") == (2, "f")
    assert found.pop("d") == (2, "g.h")
    assert found.pop("e") == (2, "lambda x: x + 1")
    expected = {"j": 5, "a": 1, "b": 1, "f": 3, "g": 4, "h": 4, "i": 5}
    assert found == {name: (cell, "") for name, cell in expected.items()}
    assert [*found] == [*expected]


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


@pytest.mark.parametrize("name", ["grade", "progress", "list", "start", "--version"])
def test_version_and_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"] if name.isalpha() else [name])
    assert stop.value.code == 0
    said = f"example: bnlearn {name}" if name.isalpha() else f"bnlearn {__version__} "
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("module", ["nbformat", "nbclient"])
def test_missing_package_is_named(tmp_path, monkeypatch, module):
    name = save(tmp_path / "x.ipynb", SAY)
    for part in [part for part in sys.modules if part.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, part, None)
    done = run("grade", name)
    assert (done.status, done.out) == (2, "")
    assert module in done.err
    assert "requirements" in done.err
    assert len(done.err.splitlines()) == 1


# progress, list, start ------------------------------------------------------------------


def test_progress(tmp_path, monkeypatch):
    file = tmp_path / "progress.json"
    monkeypatch.setenv("BNLEARN_PROGRESS_FILE", str(file))
    entry = {"state": "passed", "tries": 2, "passed": "2026-01-02"}
    file.write_text(json.dumps({"exercises": {"standardise": entry}}))
    [line] = [x for x in run("progress").out.splitlines() if " standardise " in x]
    assert line.split()[-2:] == ["passed", "2"]
    data = json.loads(run("progress", "--json").out)
    assert data["file"] == str(file)
    rows = {row["exercise"]: row for row in data["exercises"]}
    assert [*rows] == [*EXERCISES]
    assert rows["standardise"].items() >= entry.items()
    other = rows["largest-rate"]
    assert (other["state"], other["tries"]) == ("not attempted", 0)


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
    assert [*row] == ["exercise", "chapter", "title", "difficulty", "minutes"]
    found = ["standardise", "02_normalization", "Standardise a batch", 1, 10]
    assert [*row.values()] == found
    head, *lines = run("list").out.splitlines()
    assert head.split() == ["chapter", "name", "exercise", "difficulty", "time"]
    [line] = [line for line in lines if " standardise " in line]
    assert " ".join(line.split()) == "02 standardise Standardise a batch 1 10 min"


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
