"""Run notebooks in kernels of their own, and have the exercises in them judged.

The exercises of a notebook are those that its code names, as in ``check("standardise")``.
An exercise is judged right after the last cell that checks it has run, from the top of the
notebook: what is defined at that moment is the answer, as for the reader who restarts the
kernel and runs all cells. Cells that raise do not stop the rest.

The judge works in the notebook's own kernel. Nothing that a notebook prints can pass for a
verdict, but nothing here holds back a program that sets out to deceive either.
"""

import ast
import json
import logging
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from time import monotonic

from bnlearn.exercises.catalogue import EXERCISES, find
from bnlearn.exercises.check import MISSING, judge

__all__ = ["NOT_GRADED", "Grade", "exercises_of", "grade", "judged", "one_line"]

NOT_GRADED = "not graded"
# Magics before Python: those of a cell have options in their line, those of a line not.
TIMED = re.compile(r"\A\s*%%(?:time|capture)\b.*\n|^\s*%time\s+", re.MULTILINE)
CHECK = re.compile(r"""\bcheck\(\s*["']([\w-]+)["']""")
JUDGE = """\
__import__("bnlearn.grading").grading.judged({!r}, {}, {!r}, lambda: (
{}
))"""


@dataclass
class Grade:
    """What was found out about one notebook.

    `exercises` are verdicts as data, with the title of the exercise and the cell that checks
    it; `raised` are the cells that stopped with an error; `problems` say why something
    could not be graded.
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
    """Run a notebook and judge its exercises; what goes wrong is in the result.

    The `seconds` are for all cells and verdicts together, once the kernel has started.
    """
    result, start = Grade(str(notebook)), monotonic()
    try:
        sources = cells_of(Path(notebook))
        if asked := exercises_of(sources):
            run(result, sources, asked, seconds)
        else:
            result.problems.append('has no exercise: no cell calls check("...")')
    except OSError as error:
        result.problems.append(f"cannot be read: {error.strerror}")
    except ValueError as error:
        result.problems.append(str(error))
    result.seconds = monotonic() - start
    return result


def cells_of(path: Path) -> list[str]:
    """Read the code cells that are not empty: number k is In [k] after 'Run all'."""
    import nbformat

    text = path.read_bytes()
    try:
        with warnings.catch_warnings(action="ignore"):  # old cells have no id
            cells = nbformat.reads(text.decode(), as_version=4)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return [source for source in sources if source.strip()]
    except Exception:  # noqa: BLE001 - each version of the format has its own
        raise ValueError("is no notebook") from None


def exercises_of(sources: list[str]) -> dict[str, tuple[int, str]]:
    """Find the exercises that some cells check, in their order, each once.

    By identifier: the last cell that checks it, and the second argument of `check` if any.

    Examples
    --------
    >>> exercises_of(['check("a")', "%matplotlib inline", 'check("b", f)', 'check("a")'])
    {'a': (4, ''), 'b': (3, 'f')}
    """
    found: dict[str, tuple[int, str]] = {}
    for number, source in enumerate(sources, 1):
        for call in calls_of_check(source):
            given = dict(zip(("name", "obj"), call.args, strict=False))
            given |= {word.arg: word.value for word in call.keywords}
            name, answer = given.get("name"), given.get("obj")
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                found[name.value] = number, ast.unparse(answer) if answer else ""
    return found


def calls_of_check(source: str) -> list[ast.Call]:
    """List the calls of `check` in a cell, in the order of the text."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        with warnings.catch_warnings(action="ignore"):  # the reader sees them anyway
            code = TransformerManager().transform_cell(TIMED.sub("", source))
            nodes = [*ast.walk(ast.parse(code))]
    except (SyntaxError, ValueError):  # not Python yet, but an exercise all the same
        names = CHECK.findall(source)
        return [ast.parse(f"check({name!r})", mode="eval").body for name in names]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    calls = [c for c in calls if re.search(r"(^|\.)check$", ast.unparse(c.func))]
    return sorted(calls, key=lambda call: (call.lineno, call.col_offset))


def run(result: Grade, sources: list[str], asked: dict, seconds: float) -> None:
    """Run all cells, judge each exercise after its last check, and write it all down."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError
    from nbformat.v4 import new_notebook

    result.exercises = [blank(name, *place) for name, place in asked.items()]
    client = NotebookClient(
        new_notebook(),
        kernel_name="python3",
        allow_errors=True,
        shutdown_kernel="immediate",
        on_cell_executed=refuse_exit,
        timeout_func=lambda _: max(deadline - monotonic(), 0.01),
        resources={"metadata": {"path": str(Path(result.notebook).absolute().parent)}},
    )
    # A command that is stopped need not tell what it was still waiting for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    where = "start of the kernel"
    with tempfile.TemporaryDirectory(prefix="bnlearn-grade-") as folder:
        env = {name: v for name, v in os.environ.items() if name != "MPLBACKEND"}
        env["BNLEARN_PROGRESS_FILE"] = str(Path(folder, "progress.json"))
        env["TQDM_DISABLE"] = "1"
        try:
            with client.setup_kernel(env=env, stdout=DEVNULL, stderr=DEVNULL):
                deadline = monotonic() + seconds
                for number, source in enumerate(sources, 1):
                    where = f"cell {number}"
                    if error := execute(client, source):
                        result.raised.append({"cell": number, "error": error})
                    for row in [r for r in result.exercises if r["cell"] == number]:
                        where = f"cell {number}, judging {row['exercise']!r}"
                        if problem := fill_in(row, client, folder):
                            result.problems.append(f"{where}: {problem}")
        except CellTimeoutError:
            over = (
                f"the {seconds:g} s for the notebook were over (--timeout gives more)"
            )
            result.problems.append(f"{where}: still running when {over}")
        except Exception as error:  # noqa: BLE001 - whatever else Jupyter meets
            what = one_line(f"{type(error).__name__}: {error}")
            result.problems.append(f"{where}: {what}")


def refuse_exit(cell, cell_index, execute_reply) -> None:
    """Stop where a kernel is about to end, before it answers once more or not."""
    for part in execute_reply["content"].get("payload", ()):
        if part.get("source") == "ask_exit":
            raise RuntimeError("exit() ends the kernel")


def blank(name: str, cell: int, expression: str) -> dict:
    """Make the entry of an exercise that has not been judged."""
    title = EXERCISES[name].title if name in EXERCISES else name
    row = {"exercise": name, "title": title, "cell": cell, "argument": expression}
    row |= {"status": NOT_GRADED, "diagnosis": [], "outputs": {}, "inputs": {}}
    return row | {"seed": None, "text": "", "seconds": 0.0}


def execute(client, source: str, **options) -> str | None:
    """Run a cell; say with which error it stopped, if so."""
    from nbformat.v4 import new_code_cell

    client.nb.cells.append(new_code_cell(source))
    cell = client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1, **options)
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return one_line(f"{errors[0].ename}: {errors[0].evalue}") if errors else None


def fill_in(row: dict, client, folder: str) -> str | None:
    """Have an exercise judged on a fresh seed; say what went wrong, if so."""
    start, name = monotonic(), row["exercise"]
    try:
        expression = row["argument"] or find(name).function
    except LookupError as error:
        return str(error)
    file = Path(folder, f"{secrets.token_hex(8)}.json")  # a name that no cell knows
    code = JUDGE.format(name, secrets.randbits(32), str(file), expression)
    error = execute(client, code, store_history=False)
    if not file.exists():
        return f"the judge stopped: {error}"
    row |= json.loads(file.read_text(encoding="utf-8"))
    row["seconds"] = round(monotonic() - start, 3)
    return None


def judged(name: str, seed: int, file: str, answer: Callable[[], object]) -> None:
    """Judge what `answer` gives, in the notebook's kernel; write the verdict into a file."""
    try:
        found = answer()
    except Exception:  # noqa: BLE001 - perhaps a name that only a function knows
        found = MISSING
    text = json.dumps(judge(find(name), found, seed).to_dict())
    Path(file).write_text(text, encoding="utf-8")


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
