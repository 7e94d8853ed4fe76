"""Errors of a submission, told in its own lines."""

import builtins
import linecache
import os
import traceback
import types

from bnlearn.exercises.sandbox.shield import MESSAGE_CHARACTERS, SHOWN
from bnlearn.exercises.sandbox.ticks import TICK_CODE, is_tick

__all__ = ["explain", "trimmed"]

FOLDER = os.path.dirname(TICK_CODE.co_filename)


def trimmed(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Leave the frames of the sandbox out of a traceback."""
    steps = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(FOLDER):
            steps.append(trace)
        trace = trace.tb_next
    for step in reversed(steps):
        place = step.tb_frame, step.tb_lasti, step.tb_lineno
        trace = types.TracebackType(trace, *place)
    return trace


def _file(filename: str) -> str:
    """Name a file as the reader knows it: the cell of a notebook by its number."""
    try:
        shell = builtins.get_ipython()
        kind, name = shell.compile.format_code_name(filename)
        return f"{kind} {name}"
    except Exception:  # noqa: BLE001 - no notebook, or a file that is none of its cells
        return f'File "{filename}"'


def explain(error: BaseException) -> str:
    """Say what an error of a submission was, and in which line of the reader's.

    Parameters
    ----------
    error : BaseException
        The `error` of a `Run`.

    Returns
    -------
    str
        Type and message, place, and the line.
    """
    known = error.__dict__.get(SHOWN)
    message = str(error) if known is None else known
    if len(message) > MESSAGE_CHARACTERS:
        message = message[:MESSAGE_CHARACTERS] + " ..."
    lines = [f"{type(error).__name__}: {message}".removesuffix(": ")]
    frames = [*traceback.walk_tb(trimmed(error.__traceback__))]
    # The innermost line that ticks is the reader's, the ones below it NumPy's.
    own = [step for step in frames if any(map(is_tick, step[0].f_code.co_consts))]
    for frame, number in own[-1:] or frames[:1]:
        code = frame.f_code
        lines.append(f"  {_file(code.co_filename)}, line {number}, in {code.co_name}")
        source = linecache.getline(code.co_filename, number, frame.f_globals).strip()
        lines += [f"    {source}"] if source else []
    return "\n".join(lines)
