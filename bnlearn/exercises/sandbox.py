"""Stand-in: runs a submission without any protection. To be replaced."""

import ast
import contextlib
import inspect
import io
import textwrap
import time
import traceback
import warnings
from typing import NamedTuple


class Run(NamedTuple):
    """What one call of a submission did."""

    value: object
    error: BaseException | None
    timed_out: bool
    printed: str
    warnings: tuple[str, ...]
    seconds: float


class Submission:
    """A function that a reader wrote."""

    def __init__(self, obj, *, seconds: float = 10.0):
        self.obj = obj

    def run(self, *args, **kwargs) -> Run:
        """Call it."""
        value = error = None
        start = time.perf_counter()
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            warnings.catch_warnings(record=True) as seen,
        ):
            warnings.simplefilter("always")
            try:
                value = self.obj(*args, **kwargs)
            except BaseException as e:  # noqa: BLE001
                error = e
        shown = tuple({f"{w.category.__name__}: {w.message}": 1 for w in seen})
        seconds = time.perf_counter() - start
        return Run(value, error, False, out.getvalue(), shown, seconds)

    def _body(self):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.obj)))
        except (OSError, TypeError, SyntaxError):
            return None
        return tree.body[0].body if isinstance(tree.body[0], ast.FunctionDef) else None

    def is_stub(self) -> bool:
        """Say whether nothing was written yet."""
        body = self._body()
        if body is None:
            return False
        return all(
            isinstance(n, ast.Pass)
            or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
            or (isinstance(n, ast.Raise) and "NotImplementedError" in ast.dump(n))
            for n in body
        )

    def returns_nothing(self) -> bool | None:
        """Say whether no return statement gives a value."""
        body = self._body()
        if body is None:
            return None
        nodes = [n for b in body for n in ast.walk(b)]
        return not any(isinstance(n, ast.Return) and n.value for n in nodes)


def explain(error) -> str:
    """Give type, message and the reader's line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (line {frame.lineno}: {frame.line})"
