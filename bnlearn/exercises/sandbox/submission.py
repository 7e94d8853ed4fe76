"""A submission and its runs: what users of the sandbox call."""

import ast
import copy
import inspect
import sys
import types
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from bnlearn.exercises.sandbox.errors import trimmed
from bnlearn.exercises.sandbox.inside import Inside
from bnlearn.exercises.sandbox.reach import attributes, inner, is_class
from bnlearn.exercises.sandbox.shield import Notes, guarded, shielded, tidy
from bnlearn.exercises.sandbox.syntax import (
    code_of,
    definition,
    gives,
    is_stub,
    own_nodes,
)
from bnlearn.exercises.sandbox.ticks import Clock, OutOfTime

__all__ = ["Run", "Submission"]


class Run(NamedTuple):
    """What one call of a submission did.

    Attributes
    ----------
    value : object
        What it returned, None if it raised. Looking at it may run the reader's
        code, if it is no number, text or array of them.
    error : BaseException or None
        What it raised, `SystemExit` included.
    timed_out : bool
        Whether its time ran out. Then `error` is `OutOfTime`, even if the submission
        caught that and returned something.
    printed : str
        The beginning of what it wrote to stdout and stderr.
    warnings : tuple of str
        Category and text of the warnings it caused, each once.
    seconds : float
        How long the call took.
    """

    value: object
    error: BaseException | None
    timed_out: bool
    printed: str
    warnings: tuple[str, ...]
    seconds: float


class Submission:
    """A reader's function or class, made safe to call.

    Parameters
    ----------
    obj : callable
        A function, class, method, instance with ``__call__``, or any of these wrapped.
        Code without source lines, such as a NumPy ufunc, runs as it is.
    seconds : float
        The time that all runs of this object have together.

    Examples
    --------
    >>> Submission(abs).run(-3).value
    3
    """

    def __init__(self, obj: object, *, seconds: float = 10.0):
        self.obj, self.seconds = obj, seconds
        self._left = seconds
        self._clock = Clock(seconds)
        self._inner = inner(obj)
        self._inside = Inside(obj, self._clock.tick)
        self._shared = guarded()

    def run(self, /, *args, **kwargs) -> Run:
        """Call the submission with these arguments.

        Returns
        -------
        Run

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts. Everything is put back before.
        """
        return self.use(self.obj, *args, **kwargs)

    def use(self, function: Callable, /, *args, **kwargs) -> Run:
        """Call any function as `run` calls the submission.

        For what takes several steps: build the reader's layer, call its methods, turn a
        value of the reader's own class into an array.

        Returns
        -------
        Run
        """
        notes, clock, start = Notes(), self._clock, perf_counter()
        value = error = None
        clock.deadline = start + self._left
        clock.rang = False
        try:
            self._inside.enter()
            value, error = self._call(function, args, kwargs, notes)
        finally:
            try:
                self._inside.leave()
            except KeyboardInterrupt:
                self._inside.leave()
                raise
        took = perf_counter() - start
        self._left -= took
        if clock.rang and not isinstance(error, OutOfTime):
            error = OutOfTime(f"stopped, as {self.seconds:g} s are over")
        value = None if error is not None else value
        printed, warned = notes.printed(), tuple(notes.warnings)
        return Run(value, error, clock.rang, printed, warned, took)

    def _call(self, function, args, kwargs, notes) -> tuple:
        """Call under all protections; give (value, error)."""

        def call():
            self._clock.tick()  # time may be over before it starts
            if _is_async(inner(function)):
                raise TypeError("an async function was given; write it with plain def")
            if not self._inside.has_source:
                sys.settrace(self._clock.trace)  # slow, but better than no end
            return function(*args, **kwargs)

        def detach():
            # The value may be, or be a view of, what is about to be put back.
            return copy.deepcopy(value, {id(arg): arg for arg in arguments})

        arguments = [*args, *kwargs.values()]
        value, error = shielded(call, self._shared, notes)
        if error is not None:
            error.__traceback__ = trimmed(error.__traceback__)
            shielded(lambda: tidy(error), self._shared, notes)
        elif self._inside.changed():
            copied, failed = shielded(detach, self._shared, notes)
            value = value if failed else copied
        return value, error

    def is_stub(self) -> bool:
        """Tell whether nothing was written yet.

        The body is a docstring, ``pass``, ``...`` or ``raise NotImplementedError``, or
        several of these. A class is a stub if all its methods but ``__init__`` are.

        Returns
        -------
        bool
        """
        if is_class(self._inner):
            own = attributes(self._inner)
            methods = [inner(own[name]) for name in own if name != "__init__"]
            methods = [part for part in methods if type(part) is types.FunctionType]
            return all(is_stub(part.__code__) for part in methods)
        code = code_of(self._inner)
        return code is not None and is_stub(code)

    def returns_nothing(self) -> bool | None:
        """Tell by its syntax whether a function can only return None.

        Returns
        -------
        bool or None
            None where there is no source. False for a class.
        """
        if is_class(self._inner):
            return False
        node = definition(code_of(self._inner))
        if node is None:
            return None
        return not isinstance(node, ast.Lambda) and not any(map(gives, own_nodes(node)))


def _is_async(function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
