"""Run notebooks in kernels of their own, and have the exercises in them judged.

The exercises of a notebook are those that its code names, as in ``check("standardise")``.
An exercise is judged right after the last cell that checks it has run, from the top of the
notebook: what is defined at that moment is the answer, as for the reader who restarts the
kernel and runs all cells. Cells that raise do not stop the rest.
"""

import ast
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from bnlearn.exercises.catalogue import find
from bnlearn.grading_kernel import REQUEST, opened

__all__ = [
    "NOT_GRADED",
    "Asked",
    "Grade",
    "Ungradable",
    "exercises_of",
    "grade",
    "one_line",
]

ROOT = Path(__file__).resolve().parent.parent
NOT_GRADED = "not graded"
START_SECONDS = 60.0  # for the kernel alone; the notebook's time starts after that
POLL_SECONDS = 0.1
# The working directory would come first otherwise, and a json.py there would be imported.
# IPython puts it back for the notebook.
START = (
    "import sys; sys.path[0] = sys.argv[1]; "
    "from bnlearn.grading_kernel import serve; serve(sys.argv[2])"
)
# Magics before Python: those of a cell have options in their line, those of a line not.
TIMED = re.compile(
    r"\A\s*%%(?:time|timeit|capture|prun)\b.*\n|^\s*%time\s+", re.MULTILINE
)
MARK = "BNLEARN_PROGRESS_FILE"


class Ungradable(Exception):
    """Says in one line why something cannot be graded."""


class Stopped(Ungradable):
    """Says why the rest of a notebook cannot be graded either."""


class Asked(NamedTuple):
    """Where a notebook checks an exercise: the cell, and the second argument if any."""

    cell: int
    expression: str


@dataclass
class Grade:
    """What was found out about one notebook.

    Attributes
    ----------
    notebook : str
        As it was named.
    exercises : list of dict
        Verdicts as data, with the `title` of the exercise and the `cell` that checks it.
    raised : list of dict
        The cells that stopped with an error, and the error.
    problems : list of str
        Why something could not be graded.
    seconds : float
        Time for all of it.
    """

    notebook: str
    exercises: list[dict] = field(default_factory=list)
    raised: list[dict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """0 if all exercises passed, 1 if some did not, 2 if something was not graded."""
        if self.problems:
            return 2
        return int(any(row["status"] != "passed" for row in self.exercises))


def grade(notebook: str, seconds: float) -> Grade:
    """Run a notebook and judge its exercises.

    Parameters
    ----------
    notebook : str
        Path of the file, which is not changed.
    seconds : float
        Time for all cells and verdicts together.

    Returns
    -------
    Grade
        With its problems: nothing is raised about a notebook.

    Raises
    ------
    Ungradable
        If what runs notebooks is not installed.
    """
    result, start = Grade(str(notebook)), monotonic()
    require_jupyter()
    try:
        sources = cells_of(Path(notebook))
        asked = exercises_of(sources)
        if not asked:
            raise Ungradable('has no exercise: no cell calls check("...")')
        result.exercises = [blank(name, place) for name, place in asked.items()]
        for row in result.exercises:
            if "problem" in row:
                result.problems.append(f"cell {row['cell']}: {row.pop('problem')}")
        run(result, sources, asked, seconds)
    except Ungradable as error:
        result.problems.append(str(error))
    result.seconds = monotonic() - start
    return result


def require_jupyter() -> None:
    """Import what runs notebooks.

    Raises
    ------
    Ungradable
        If a part is missing.
    """
    try:
        import ipykernel  # noqa: F401
        import jupyter_client  # noqa: F401
        import nbformat  # noqa: F401
    except ImportError as error:
        raise Ungradable(
            f"grading runs notebooks, and {error.name} is missing here: install what is "
            "in requirements-book.txt, or run `make lab` once"
        ) from None


# What a notebook asks for --------------------------------------------------------------


def cells_of(path: Path) -> list[str]:
    """Read the code cells that are not empty: number k is In [k] after 'Run all'.

    Raises
    ------
    Ungradable
        If it is no notebook, or not there.
    """
    import nbformat

    try:
        if path.exists() and not path.is_file():  # reading a device may never end
            kind = "a folder" if path.is_dir() else "no ordinary file"
            raise Ungradable(f"is {kind}, not a notebook")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Ungradable("there is no such file") from None
    except OSError as error:
        raise Ungradable(f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise Ungradable("is no notebook: it is not text in UTF-8") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old notebooks have cells without ids
            why = "not JSON"
            json.loads(text)
            why = "JSON of another kind or version"
            stored = nbformat.reads(text, as_version=4)
        sources = [c["source"] for c in stored["cells"] if c["cell_type"] == "code"]
        if not all(type(source) is str for source in sources):
            raise TypeError
    except Exception:  # noqa: BLE001 - each version of the format has its own
        raise Ungradable(f"is no notebook: it is {why}") from None
    return [source for source in sources if source.strip()]


def exercises_of(sources: list[str]) -> dict[str, Asked]:
    """Find the exercises that some cells check, in their order, each once.

    Parameters
    ----------
    sources : list of str
        The code cells.

    Returns
    -------
    dict
        By identifier, the place of the last call of `check`: that is the one that counts.

    Examples
    --------
    >>> exercises_of(['check("a")', "%matplotlib inline", 'check("b", f)', 'check("a")'])
    {'a': Asked(cell=4, expression=''), 'b': Asked(cell=3, expression='f')}
    """
    found: dict[str, Asked] = {}
    for number, source in enumerate(sources, 1):
        for call in calls_of_check(source):
            named = {word.arg: word.value for word in call.keywords}
            name, answer = [*call.args[:2], None, None][:2]
            name, answer = name or named.get("name"), answer or named.get("obj")
            if isinstance(name, ast.Constant) and type(name.value) is str:
                starred = answer is None or isinstance(answer, ast.Starred)
                expression = "" if starred else ast.unparse(answer)
                found[name.value] = Asked(number, expression)
    return found


def calls_of_check(source: str) -> list[ast.Call]:
    """List the calls of `check` in a cell, in the order of the text."""
    from IPython.core.inputtransformer2 import TransformerManager

    source = TIMED.sub("", source)
    try:
        tree = parsed(TransformerManager().transform_cell(source))
    except Exception:  # noqa: BLE001 - not Python yet: the exercise is there all the same
        lines = enumerate(source.splitlines())
        tree = ast.Module([part for k, line in lines for part in statements(line, k)])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls = [call for call in calls if called(call.func) == "check"]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def parsed(source: str) -> ast.Module:
    """Parse without the warnings that the reader sees anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def statements(line: str, number: int) -> list[ast.stmt]:
    """Parse one line of a cell that is no Python as a whole."""
    try:
        return ast.increment_lineno(parsed(textwrap.dedent(line)), number).body
    except Exception:  # noqa: BLE001 - neither is this line
        return []


def called(function: ast.expr) -> str | None:
    """Give the last part of the name that is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def blank(name: str, place: Asked) -> dict:
    """Make the entry of an exercise that has not been judged."""
    row = {"exercise": name, "title": name, "cell": place.cell, "status": NOT_GRADED}
    row |= {"diagnosis": [], "outputs": {}, "seed": None, "inputs": {}, "text": ""}
    row["seconds"] = 0.0
    try:
        row["title"] = find(name).title
    except LookupError as error:
        row["problem"] = row["text"] = str(error)
    return row


# What happens in the kernel -------------------------------------------------------------


def run(result: Grade, sources: list[str], asked: dict, seconds: float) -> None:
    """Run all cells, judge each exercise after its last check, and write it all down."""
    left = {row["exercise"]: row for row in result.exercises if not row["text"]}
    where = ""
    try:
        with Kernel(Path(result.notebook).absolute().parent) as kernel:
            kernel.allow(seconds)
            for number, source in enumerate(sources, 1):
                where = f"cell {number}: "
                error = kernel.run(source)
                if error:
                    result.raised.append({"cell": number, "error": error})
                for name in [name for name in left if asked[name].cell == number]:
                    where = f"cell {number}, judging {name!r}: "
                    try:
                        left[name] |= kernel.judge(name, asked[name])
                    except Stopped:
                        raise
                    except Ungradable as error:
                        result.problems.append(f"{where}{error}")
                        left[name]["text"] = str(error)
                    del left[name]
    except Stopped as error:
        result.problems.append(f"{where}{error}")
        for row in left.values():
            row["text"] = result.problems[-1]


class Kernel:
    """A fresh kernel, which is ended with all its children whatever happens.

    Parameters
    ----------
    folder : pathlib.Path
        The working directory.
    """

    def __init__(self, folder: Path):
        self.folder, self.process, self.socket = folder, None, None
        self.deadline, self.over = 0.0, ""

    def __enter__(self):
        self.place = tempfile.TemporaryDirectory(
            prefix="bnlearn-grade-", ignore_cleanup_errors=True
        )
        try:
            self.start(Path(self.place.name))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.end()
        except KeyboardInterrupt:
            self.end()
            raise

    def start(self, place: Path) -> None:
        """Start the process, connect, and wait until it answers."""
        import zmq
        from jupyter_client.connect import write_connection_file
        from jupyter_client.session import Session

        key = secrets.token_hex(16).encode()
        # Sockets in a folder of our own cannot clash with those of other kernels.
        local = os.name == "posix" and len(str(place)) < 80
        kind = {"transport": "ipc", "ip": str(place / "socket")} if local else {}
        file, info = write_connection_file(str(place / "kernel.json"), key=key, **kind)
        with (place / "errors.txt").open("wb") as errors:
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-c", START, str(ROOT), file],
                    cwd=self.folder,
                    env=environment(place),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise Stopped(f"the kernel cannot start: {error}") from None
        self.session = Session(key=key, signature_scheme=info["signature_scheme"])
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        separator = "-" if info["transport"] == "ipc" else ":"
        address = f"{info['transport']}://{info['ip']}{separator}{info['shell_port']}"
        self.socket.connect(address)
        self.deadline = monotonic() + START_SECONDS
        self.over = f"the kernel did not start within {START_SECONDS:.0f} s"
        try:
            self.ask("kernel_info_request", {})
        except Ungradable as error:
            lines = (place / "errors.txt").read_text("utf-8", "replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "")
            raise Stopped(one_line(f"{error} {last}")) from None

    def allow(self, seconds: float) -> None:
        """Set the time for everything from here on."""
        self.deadline = monotonic() + seconds
        self.over = (
            f"still running when the {seconds:g} s for the notebook were over "
            "(--timeout gives more)"
        )

    def ask(self, kind: str, content: dict) -> dict:
        """Send a request and wait for the content of its reply.

        Raises
        ------
        Stopped
            If there will be none.
        """
        request = self.session.send(self.socket, kind, content)
        while True:
            if self.socket.poll(1000 * POLL_SECONDS):
                reply = self.received()
                if reply["parent_header"].get("msg_id") == request["msg_id"]:
                    return reply["content"]
            elif self.process.poll() is not None:
                raise Stopped(f"the kernel died {how(self.process.returncode)}")
            if monotonic() > self.deadline:
                raise Stopped(self.over)

    def received(self) -> dict:
        """Read a message."""
        try:
            return self.session.recv(self.socket, mode=0)[1]
        except Exception as error:  # noqa: BLE001 - a patched json can send anything
            raise Stopped(
                f"the kernel sends what cannot be read ({type(error).__name__})"
            ) from None

    def run(self, source: str) -> str | None:
        """Run a cell; say with which error it stopped, if so."""
        content = {"code": source, "silent": False, "store_history": True}
        content |= {"allow_stdin": False, "stop_on_error": False}
        reply = self.ask("execute_request", content)
        sources = [part.get("source") for part in reply.get("payload") or []]
        if "ask_exit" in sources:
            raise Stopped("ends the kernel, by exit() or quit()")
        if reply.get("status") == "error":
            return one_line(f"{reply.get('ename')}: {reply.get('evalue')}")
        return None

    def judge(self, name: str, place: Asked) -> dict:
        """Have an exercise judged on a fresh seed."""
        start, secret = monotonic(), secrets.token_hex(16)
        request = {"exercise": name, "expression": place.expression, "secret": secret}
        request |= {"seed": secrets.randbits(32)}
        content = {"code": REQUEST + json.dumps(request), "silent": True}
        reply = self.ask("execute_request", content).get("bnlearn")
        verdict = opened(reply, secret)
        if verdict is None:
            raise Ungradable("the kernel's answer is not the judge's")
        if "problem" in verdict:
            raise Ungradable(one_line(verdict["problem"]))
        return {**verdict, "seconds": round(monotonic() - start, 3)}

    def end(self) -> None:
        """End the kernel, its group, and those of its children that left the group."""
        if self.process is not None:
            if os.name == "posix":
                send_kill(os.killpg, self.process.pid)
            self.process.kill()
            self.process.wait()
            end_marked(f"{MARK}={self.place.name}".encode())
        if self.socket is not None:
            self.socket.close()
            self.context.term()
        self.place.cleanup()


def environment(place: Path) -> dict[str, str]:
    """Give the kernel's environment: nothing there touches what is the reader's."""
    own = {"MPLBACKEND", "PYTHONSTARTUP"}
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return kept | {
        MARK: str(place / "progress.json"),
        "IPYTHONDIR": str(place / "ipython"),
        "JPY_PARENT_PID": str(
            os.getpid()
        ),  # if this process dies, the kernel ends itself
        "TQDM_DISABLE": "1",
    }


def send_kill(send, number: int) -> None:
    """Kill a process or group that may be gone."""
    try:
        send(number, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def end_marked(mark: bytes) -> None:
    """End what has inherited the kernel's environment, where the system shows that."""
    for _ in range(100):  # they may be starting others
        found = [pid for pid in processes() if mark in environment_of(pid)]
        for pid in found:
            send_kill(os.kill, pid)
        if not found:
            return
        sleep(0.01)


def processes() -> list[int]:
    """List all processes, on Linux."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def environment_of(pid: int) -> bytes:
    """Read the environment that a process was started with."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or somebody else's
        return b""


def how(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"(exit status {code})"
    try:
        return f"({signal.Signals(-code).name})"
    except ValueError:
        return f"(signal {-code})"


def one_line(text: str, most: int = 200) -> str:
    r"""Shorten a text to a line that a terminal can bear.

    Examples
    --------
    >>> one_line("two lines,  \n and a \x1b[31mcolour")
    'two lines, and a ?[31mcolour'
    """
    words = " ".join(text.split())
    words = "".join(c if c.isprintable() else "?" for c in words)
    return words if len(words) <= most else words[: most - 4] + " ..."
