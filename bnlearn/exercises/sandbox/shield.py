"""What is put back after a run in the interpreter that all share."""

import builtins
import contextvars
import functools
import gc
import io
import itertools
import locale
import os
import pickle
import random
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.testing  # else a submission could be the first to import and patch it

from bnlearn.exercises.sandbox.inside import (
    fill_class,
    fill_dict,
    raise_exit,
    same_dict,
    same_module,
)
from bnlearn.exercises.sandbox.reach import attributes, is_class

__all__ = ["SHOWN", "Notes", "guarded", "shielded", "tidy"]

PRINTED_BYTES = 10_000  # of what a submission prints, this much is kept
WARNINGS_KEPT = 20
MESSAGE_CHARACTERS = 500
IN_PAGE = sys.platform == "emscripten"
RECURSION_IN_PAGE = 200  # through C, twice as deep ends the interpreter
RECURSION_LIMIT = 5_000  # beyond it, Python 3.11 may overflow the stack of the process


# What is global in the interpreter ----------------------------------------------------

_GUARDED = "builtins sys os math random time warnings functools itertools operator copy"
_GUARDED += " collections linecache traceback inspect io pickle types gc locale"
_GUARDED_PACKAGES = {"numpy", "bnlearn"}
_WITH_CLASSES = {*_GUARDED_PACKAGES, "warnings"}
_HEAP, _IMMUTABLE = (
    1 << 9,
    1 << 8,
)  # flags of types: only what Python made can be patched


class Guarded(NamedTuple):
    """What the caller relies on, and a submission could patch."""

    namespaces: list[dict]
    classes: list[tuple[type, dict]]


def guarded() -> Guarded:
    """List the names of modules, builtins first, and the classes of some of them."""
    modules = [sys.modules.get(name) for name in _GUARDED.split()]
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] in _GUARDED_PACKAGES:
            modules.append(module)
    spaces = [vars(module) for module in modules if type(module) is types.ModuleType]
    classes = {}
    for thing in itertools.chain.from_iterable(space.values() for space in spaces):
        if is_class(thing) and thing.__flags__ & (_HEAP | _IMMUTABLE) == _HEAP:
            package = str(thing.__module__).partition(".")[0]
            classes |= {id(thing): thing} if package in _WITH_CLASSES else {}
    return Guarded(spaces, [(cls, dict(attributes(cls))) for cls in classes.values()])


def _write_environment(then):
    for name in os.environ.keys() - then.keys():
        del os.environ[name]
    os.environ.update(then)


def _write_path(then):
    sys.path[:] = then


def _read_folder():
    try:
        return os.getcwd()
    except OSError:  # it was deleted, or there are no folders
        return None


def _write_folder(then):
    if then is not None:
        os.chdir(then)


def _read_numpy_random():
    return pickle.dumps(np.random.get_state(legacy=False))


def _write_numpy_random(then):
    np.random.set_state(pickle.loads(then))


def _write_print_options(then):
    np.set_printoptions(**then)


def _write_gc(then):
    (gc.enable if then else gc.disable)()


# What NumPy and others keep in context variables (error state, size of buffers, print
# options) needs nothing here: a submission runs in a copy of the context.
_SETTINGS = [
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (lambda: [*sys.path], _write_path),
    (lambda: dict(os.environ), _write_environment),
    (_read_folder, _write_folder),
    (functools.partial(locale.setlocale, locale.LC_ALL),) * 2,
    (random.getstate, random.setstate),
    (np.random.get_bit_generator, np.random.set_bit_generator),
    (_read_numpy_random, _write_numpy_random),
    (np.get_printoptions, _write_print_options),
    (gc.isenabled, _write_gc),
]


class _Paper(io.RawIOBase):
    """Where a submission prints: the beginning is kept, the rest is counted."""

    def __init__(self):
        super().__init__()
        self.kept, self.size = bytearray(), 0

    def writable(self):
        return True

    def write(self, data):
        self.kept += bytes(data[: PRINTED_BYTES - len(self.kept)])
        self.size += len(data)
        return len(data)

    def __str__(self):
        text = self.kept.decode("utf-8", "replace")
        more = self.size - len(self.kept)
        return f"{text}... ({more} more bytes)" if more else text


class Notes:
    """What a submission writes and the warnings it causes, over all parts of a run."""

    def __init__(self):
        self.paper, self.warnings = _Paper(), {}
        self.stream = io.TextIOWrapper(
            io.BufferedWriter(self.paper), "utf-8", "replace", write_through=True
        )

    def warn(self, message, category, *_, **__):
        """Keep a warning, once."""
        if len(self.warnings) < WARNINGS_KEPT:
            self.warnings[f"{category.__name__}: {message}"[:MESSAGE_CHARACTERS]] = None

    def printed(self) -> str:
        """Give what was written."""
        try:
            self.stream.flush()
        except ValueError:  # the submission has closed it
            pass
        return str(self.paper)


def _no_input(*_, **__):
    raise EOFError("nobody answers while an exercise is checked")


def _limit_recursion(limit, write=sys.setrecursionlimit, read=sys.getrecursionlimit):
    """Take the place of `sys.setrecursionlimit`, up to what the stack can bear."""
    write(min(limit, max(read(), 0 if IN_PAGE else RECURSION_LIMIT)))


def _lower_recursion_limit():
    """Leave a web page so much recursion that its small stack does not overflow."""
    depth = sum(1 for _ in traceback.walk_stack(None))
    sys.setrecursionlimit(min(sys.getrecursionlimit(), depth + RECURSION_IN_PAGE))


def _nothing(*_, **__):
    pass


def _replaced(notes: Notes) -> list[tuple[dict, dict]]:
    """Say what stands in for what would disturb the caller."""
    system = {
        "stdout": notes.stream,
        "stderr": notes.stream,
        "stdin": io.StringIO(),
        "setrecursionlimit": _limit_recursion,
        "breakpointhook": _nothing,
        "unraisablehook": _nothing,  # for what is raised in `__del__`
    }
    return [
        (vars(builtins), {"input": _no_input, "exit": raise_exit, "quit": raise_exit}),
        (vars(sys), system),
        (vars(os), {"_exit": raise_exit, "abort": raise_exit}),
        (vars(warnings), {"showwarning": notes.warn}),
    ]


def _put_back(
    names,
    classes,
    loaded,
    settings,
    same=same_module,
    fill=fill_dict,
    module=types.ModuleType,
):
    """Undo patches, builtins first: until then nothing here uses a name of theirs."""
    for space, then in names:
        if not same(space, then):
            # A module among the new names was imported: importing it again would not
            # bind it.
            fill(space, then, (module,))
    for cls, then in classes:
        if not same_dict(attributes(cls), then):
            fill_class(cls, then)
    loaded[0].update(loaded[1])
    for read, write, then in settings:
        try:
            if read() != then:
                write(then)
        except Exception:  # noqa: BLE001, S112 - the rest shall still be put back
            continue


def shielded(call: Callable, shared: Guarded, notes: Notes) -> tuple:
    """Call something that may change what is global; give (value, error).

    Builtins may be patched when the call has ended. So nothing after it uses a name that
    is not local, until they are put back.
    """
    anything, interrupt = BaseException, KeyboardInterrupt
    put_back = _put_back
    hooks = [(sys.gettrace, sys.settrace), (sys.getprofile, sys.setprofile)]
    hooks = [(read, write, read()) for read, write in hooks]
    value = error = None
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        settings = [(read, write, read()) for read, write in _SETTINGS]
        names = [(space, space.copy()) for space in shared.namespaces]
        loaded = sys.modules, sys.modules.copy()
        classes = shared.classes
        try:
            for space, others in _replaced(notes):
                space.update(others)
            if IN_PAGE:
                _lower_recursion_limit()
            value = contextvars.copy_context().run(call)
        except interrupt:
            raise
        except anything as raised:
            error = raised
        finally:
            for read, write, then in [*hooks, *hooks]:
                try:
                    if read() is not then:
                        write(then)
                except anything:  # a hook of the submission saw this call, and raised
                    pass
            try:
                put_back(names, classes, loaded, settings)
            except interrupt:
                put_back(names, classes, loaded, settings)
                raise
    return value, error


SHOWN = "message, as read by the sandbox"


def tidy(error: BaseException):
    """Do now, while the reader's code ticks, what would otherwise run it later."""
    # Its own __str__ may never end, and so may a __del__ of what the frames hold.
    error.__dict__[SHOWN] = "(its message cannot be shown)"
    error.__dict__[SHOWN] = str(error)
    for _ in range(100):
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
        if error is None:
            return
