"""Ticks in the syntax tree, so that no loop of a submission runs longer than it may."""

import __future__

import ast
import functools
import linecache
import operator
import types
import warnings
from collections.abc import Callable, Iterator
from time import perf_counter

__all__ = [
    "TICK_CODE",
    "Clock",
    "OutOfTime",
    "is_tick",
    "remember",
    "source_of",
    "ticking",
]


# The clock ----------------------------------------------------------------------------


class OutOfTime(BaseException):
    """The submission has used up its time.

    Not an `Exception`, as submissions catch those.
    """


class Clock:
    """A deadline, and the tick that the submission calls all the time."""

    __slots__ = ("deadline", "rang", "tick", "trace")

    def __init__(self, seconds: float):
        self.deadline, self.rang = float("inf"), False

        # The clock is read at every tick: a slow loop may tick once in a second, and
        # counting instead would save 50 ns of 130.
        def tick(now=perf_counter):
            if now() > self.deadline:
                self.rang = True
                raise OutOfTime(f"stopped, as {seconds:g} s are over")
            return True

        def trace(frame, *_):
            frame.f_trace_opcodes = True  # a loop on one line may never change its line
            tick()
            return trace

        self.tick = tick
        self.trace = trace  # for code that cannot be made to tick


TICK_CODE = Clock(0).tick.__code__


def is_tick(const) -> bool:
    """Tell whether a constant of a code object is a tick."""
    return type(const) is types.FunctionType and const.__code__ is TICK_CODE


# Ticks into the syntax tree -----------------------------------------------------------

# Stands in the syntax tree for the tick, which takes its place in the compiled constants.
# A name would have to live in the reader's namespace.
_MARK = b"tick of bnlearn.exercises.sandbox"


class _Ticker(ast.NodeTransformer):
    """Put calls of the mark wherever code can go round."""

    def call(self, node):
        call = ast.Call(ast.Constant(_MARK), [], [])
        return ast.fix_missing_locations(ast.copy_location(call, node))

    def visit_loop(self, node):
        self.generic_visit(node)
        node.body.insert(0, ast.copy_location(ast.Expr(self.call(node)), node))
        return node

    visit_For = visit_AsyncFor = visit_While = visit_loop

    def visit_function(self, node):
        self.generic_visit(node)
        after = ast.get_docstring(node, clean=False) is not None
        node.body.insert(after, ast.copy_location(ast.Expr(self.call(node)), node))
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_function

    def visit_Lambda(self, node):
        self.generic_visit(node)
        both = ast.BoolOp(ast.And(), [self.call(node), node.body])  # a tick is true
        node.body = ast.copy_location(both, node)
        return node

    def visit_comprehension(self, node):
        self.generic_visit(node)
        node.ifs.insert(0, self.call(node.target))
        return node


@functools.lru_cache(maxsize=32)
def _spans(text: str) -> list[tuple[int, int, bool]]:
    """First and last lines of the statements of a file, and which of them import."""
    spans: list[tuple[int, int, bool]] = []
    for node in ast.parse(text).body:
        decorators = getattr(node, "decorator_list", [])
        first = min(part.lineno for part in [node, *decorators])
        imports = isinstance(node, (ast.Import, ast.ImportFrom))
        if spans and first <= spans[-1][1]:  # `a = 1; b = 2` are taken for one
            first, _, others = spans.pop()
            imports = imports or others
        spans.append((first, node.end_lineno, imports))
    return spans


def _texts(code: types.CodeType) -> Iterator[str]:
    """Give the statement that defines `code`, then with more of its file around it.

    A notebook compiles its statements one by one. Elsewhere Python compiles whole files,
    and calls of what a file imports become other code then. All line numbers are kept.
    """
    text = "".join(linecache.getlines(code.co_filename))
    lines, spans = text.split("\n"), _spans(text)

    def only(kept):
        blank = [""] * len(lines)
        for first, last, _ in kept:
            blank[first - 1 : last] = lines[first - 1 : last]
        return "\n".join(blank)

    for span in spans:
        if span[0] <= code.co_firstlineno <= span[1]:
            yield only([span])
            yield only([part for part in spans if part[2] or part is span])
    yield text


_FUTURES = functools.reduce(
    operator.or_,
    (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names),
)


@functools.lru_cache(maxsize=512)
def _compiled(text: str, filename: str, flags: int) -> dict:
    """Map the code objects of a statement to the same code with ticks."""
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # notebook cells may await
    with warnings.catch_warnings():
        # Python has warned when the reader's code was compiled, and calling a constant,
        # as the mark is, looks odd to it.
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
        plain_code = compile(tree, filename, "exec", flags, dont_inherit=True)
        ticking = compile(
            _Ticker().visit(tree), filename, "exec", flags, dont_inherit=True
        )
    return dict(_pairs(plain_code, ticking))


def _pairs(one: types.CodeType, other: types.CodeType) -> Iterator[tuple]:
    """Walk through two code objects of one shape side by side."""
    yield one, other
    inner = [_code_constants(code) for code in (one, other)]
    for pair in zip(*inner, strict=True):
        yield from _pairs(*pair)


def _code_constants(code: types.CodeType) -> list[types.CodeType]:
    return [const for const in code.co_consts if type(const) is types.CodeType]


def source_of(code: types.CodeType) -> tuple[str, dict] | None:
    """Give the text that defines `code` and its twins; None if the file has another."""
    for refresh in (False, True):
        if refresh:
            linecache.checkcache(code.co_filename)
        try:
            for text in _texts(code):
                twins = _compiled(text, code.co_filename, code.co_flags & _FUTURES)
                if code in twins:
                    return text, twins
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # no Python, or so deep that Python cannot read it again
    return None


def _with_tick(code: types.CodeType, tick: Callable) -> types.CodeType:
    """Replace the mark, or the tick of an earlier clock, by this tick."""

    def changed(const):
        if type(const) is types.CodeType:
            return _with_tick(const, tick)
        old = (type(const) is bytes and const == _MARK) or is_tick(const)
        return tick if old else const

    return code.replace(co_consts=tuple(map(changed, code.co_consts)))


def ticking(code: types.CodeType, tick: Callable) -> types.CodeType | None:
    """Give the twin of `code` that ticks; None if there is no source to make it from."""
    if any(map(is_tick, code.co_consts)):
        return _with_tick(code, tick)  # made by a run that has not ended
    found = source_of(code)
    return _with_tick(found[1][code], tick) if found else None


def remember(source: str, filename: str) -> None:
    """Make the lines of a program known that was, or will be, run by ``exec``.

    Parameters
    ----------
    source : str
        The program.
    filename : str
        The name it is compiled with, such as ``"<answer 3>"``. Use each name once.
    """
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = len(source), None, lines, filename
