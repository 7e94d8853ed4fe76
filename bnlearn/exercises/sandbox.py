"""Call a reader's code so that it ends, disturbs nothing, and its errors can be read.

Ticks are put into the syntax tree of the submission: into the body of every loop and
comprehension, and where every function and lambda is entered. A tick reads the clock. Once
the time is over, every further tick raises `OutOfTime`, so that code which catches the
first one meets the next one at its next step. No thread, process or signal takes part,
so all of this also works inside a web page.

While a run lasts, the functions of the reader execute a compiled twin of their own code:
the same file name, the same lines, the same closures. The function objects stay who they
are, so classes, decorators and caches keep working. After the run they get their code
back, and so do the reader's names, the contents of the reader's lists, dictionaries and
arrays, and what is global in the interpreter, patches of NumPy included. So every run
starts from the namespace that the reader sees: functions that share a global belong into
one run, by `Submission.use`.

What this cannot do:

- end one endless call into C, such as ``sum(itertools.count())`` or ``time.sleep(1e9)``;
- put ticks into code without source lines (builtins, text given to ``exec``, cells under
  ``%%time``; `remember` makes lines known) or into what other modules define;
- put back what lies deeper than names, contents and attributes: slots of objects, arrays
  above 1 MB, the code and defaults of functions inside NumPy, files;
- hold back code that means harm: it shares the process.
"""

import __future__

import ast
import builtins
import collections
import contextvars
import copy
import dis
import functools
import gc
import inspect
import io
import itertools
import linecache
import locale
import operator
import os
import pickle
import random
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.testing  # else a submission could be the first to import and patch it

__all__ = ["OutOfTime", "Run", "Submission", "explain", "plain", "remember"]

PRINTED_BYTES = 10_000  # of what a submission prints, this much is kept
WARNINGS_KEPT = 20
MESSAGE_CHARACTERS = 500
REACHED_OBJECTS = 10_000  # no namespace is followed further than that
ARRAY_BYTES = 1_000_000  # larger arrays of the reader's namespace are not copied
IN_PAGE = sys.platform == "emscripten"
RECURSION_IN_PAGE = 200  # through C, twice as deep ends the interpreter
RECURSION_LIMIT = 5_000  # beyond it, Python 3.11 may overflow the stack of the process


# The clock ----------------------------------------------------------------------------


class OutOfTime(BaseException):
    """The submission has used up its time.

    Not an `Exception`, as submissions catch those.
    """


class _Clock:
    """A deadline, and the tick that the submission calls all the time."""

    __slots__ = ("deadline", "rang", "tick")

    def __init__(self, seconds: float):
        self.deadline, self.rang = float("inf"), False

        # The clock is read at every tick: a slow loop may tick once in a second, and
        # counting instead would save 50 ns of 130.
        def tick(now=perf_counter):
            if now() > self.deadline:
                self.rang = True
                raise OutOfTime(f"stopped, as {seconds:g} s are over")
            return True

        self.tick = tick


_TICK_CODE = _Clock(0).tick.__code__


def _is_tick(const) -> bool:
    return type(const) is types.FunctionType and const.__code__ is _TICK_CODE


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


def _source(code: types.CodeType) -> tuple[str, dict] | None:
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
        old = (type(const) is bytes and const == _MARK) or _is_tick(const)
        return tick if old else const

    return code.replace(co_consts=tuple(map(changed, code.co_consts)))


def _ticking(code: types.CodeType, tick: Callable) -> types.CodeType | None:
    """Give the twin of `code` that ticks; None if there is no source to make it from."""
    if any(map(_is_tick, code.co_consts)):
        return _with_tick(code, tick)  # made by a run that has not ended
    found = _source(code)
    return _with_tick(found[1][code], tick) if found else None


# What belongs to a submission ---------------------------------------------------------


def _attributes(cls: type):
    return type.__getattribute__(cls, "__dict__")  # also past an odd metaclass


def _state(obj) -> dict:
    try:
        return object.__getattribute__(obj, "__dict__")
    except AttributeError:  # it has slots, or nothing
        return {}


def _inner(obj):
    """Unwrap a callable down to the function (or class) that the reader wrote."""
    for _ in range(100):
        kind = type(obj)
        if kind is types.FunctionType:
            wrapped = obj.__dict__.get("__wrapped__")
            if wrapped is None:
                return obj
            obj = wrapped
        elif kind in (types.MethodType, staticmethod, classmethod):
            obj = obj.__func__
        elif kind in (functools.partial, functools.partialmethod):
            obj = obj.func
        elif issubclass(kind, type) or not callable(obj):
            return obj
        elif "__wrapped__" in _state(obj):
            obj = _state(obj)["__wrapped__"]
        elif type(kind.__call__) is types.FunctionType:
            obj = kind.__call__
        else:
            return obj
    return obj


def _is_class(thing) -> bool:
    return issubclass(type(thing), type)  # `isinstance` may run the reader's code


def _is_foreign(module: object) -> bool:
    top = module.partition(".")[0] if type(module) is str else ""
    return top == "numpy" or (top in sys.stdlib_module_names and top != "__main__")


def _homes(obj) -> list[dict]:
    """Find the namespaces in which the reader defined a callable and its decorators."""
    homes, seen, waiting = [], set(), [obj]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or len(seen) > 1000:
            continue
        seen.add(id(thing))
        if type(thing) is types.FunctionType:
            if not _is_foreign(thing.__module__):
                homes.append(thing.__globals__)
            waiting += [thing.__dict__, *_contents(thing)]
        elif _is_class(thing):
            module = _attributes(thing).get("__module__")
            if not _is_foreign(module):
                homes.append(vars(sys.modules.get(module, types)))
                waiting += _attributes(thing).values()
        elif type(thing) is dict:
            waiting += thing.values()
        elif callable(thing):
            waiting += [type(thing), *gc.get_referents(thing)]
    foreign = vars(types)
    return [*{id(home): home for home in homes if home is not foreign}.values()]


def _contents(function: types.FunctionType) -> list:
    """List what a function has closed over."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # empty: its name is not bound yet
            pass
    return found


def _names(code: types.CodeType) -> set[str]:
    """Collect the names, and the texts that could be names, of all of a code."""
    found = set(code.co_names)
    for const in code.co_consts:
        if type(const) is types.CodeType:
            found |= _names(const)
        elif type(const) is str:
            found.add(const)
    return found


_LOOKS_EVERYWHERE = {"eval", "exec", "globals", "vars"}
_SEQUENCES = {list, tuple, set, frozenset, collections.deque}
_HOLDERS = {
    types.CellType,
    types.MethodType,
    types.GeneratorType,
    property,
    staticmethod,
    classmethod,
    functools.cached_property,
    functools.partialmethod,
    functools.singledispatchmethod,
    functools.partial,
    functools._lru_cache_wrapper,
}
_BUILTIN = {types.BuiltinFunctionType, types.MethodWrapperType, types.ModuleType}


class _Reach:
    """All objects that a submission can get at and that are the reader's."""

    def __init__(self, start):
        self.homes = _homes(start)
        self.ids = set(map(id, self.homes))
        self.modules = {home.get("__name__") for home in self.homes} - {None}
        self.found: dict[int, object] = {}
        waiting = [start]
        while waiting and len(self.found) < REACHED_OBJECTS:
            thing = waiting.pop()
            if id(thing) not in self.found:
                self.found[id(thing)] = thing
                waiting += self.next_to(thing)

    def is_home(self, thing) -> bool:
        """Tell whether a function or class was defined in one of the namespaces."""
        if type(thing) is types.FunctionType:
            return id(thing.__globals__) in self.ids
        own = _attributes(thing)
        return own.get("__module__") in self.modules or any(
            type(part) is types.FunctionType and id(part.__globals__) in self.ids
            for part in own.values()
        )

    def next_to(self, thing) -> list:
        """List what `thing` leads to, without calling anything of the reader's."""
        kind = type(thing)
        if kind is types.FunctionType:
            return self.of_function(thing)
        if kind is dict or kind is types.MappingProxyType:
            return [*itertools.islice(thing.values(), 1000)]
        if kind in _SEQUENCES:
            return [*itertools.islice(thing, 1000)]
        if _is_class(thing):
            if not self.is_home(thing):
                return []
            return [*_attributes(thing).values(), *type.mro(thing), kind]
        if kind in _BUILTIN:
            return []
        if self.is_home(kind):
            return [_state(thing), *gc.get_referents(thing)]
        if kind in _HOLDERS:
            return gc.get_referents(thing)
        return self.of_callable(thing) if callable(thing) else []

    def of_function(self, function) -> list:
        held = [function.__defaults__, function.__kwdefaults__, function.__dict__]
        held += function.__closure__ or ()
        if self.is_home(function):
            home, names = function.__globals__, _names(function.__code__)
            every = names & _LOOKS_EVERYWHERE
            held += [home[name] for name in (home if every else names & home.keys())]
        return held

    def of_callable(self, thing) -> list:
        """Find the reader's functions in `np.vectorize` and the like, nothing else."""
        held = gc.get_referents(thing)
        for part in held[:100]:
            if type(part) in (dict, tuple):
                held += self.next_to(part)
        kinds = (types.FunctionType, functools.partial)
        return [part for part in held if type(part) in kinds]


# What is put back ---------------------------------------------------------------------
#
# Each kind of state has three functions: one reads it, one tells whether it is still
# the same, one writes it back. A namespace that holds arrays cannot be compared with
# `==`, hence the comparisons of identity.


def _same_items(
    now, then, differ=operator.is_not, some=any, size=len, each=map
) -> bool:
    return size(now) == size(then) and not some(each(differ, now, then))


def _same_dict(now, then) -> bool:
    return _same_items(now, then) and _same_items(now.values(), then.values())


def _same_set(now, then) -> bool:
    return {*map(id, now)} == {*map(id, then)}  # without the `__eq__` of the elements


def _same_module(now, then, last=reversed, first=next) -> bool:
    # What is added comes last: there is no need to compare thousands of other names.
    return first(last(now), 0) is first(last(then), 0) and _same_items(
        now.values(), then.values()
    )


def _fill_dict(now, then, keep=()):
    # The builtins may be among what is to be put back: not one of them is used here.
    for name, value in then.items():
        if now.get(name, now) is not value:
            now[name] = value
    for name in [*now]:
        if name not in then and now[name].__class__ not in keep:
            del now[name]


def _fill_class(cls, then):
    now = _attributes(cls)
    for name in [*now]:
        if name not in then:
            type.__delattr__(cls, name)
    for name, value in then.items():
        if now.get(name, now) is not value:
            type.__setattr__(cls, name, value)


def _refill(now, then):
    now.clear()
    (now.update if type(now) is set else now.extend)(then)


def _fill_array(now, then):
    now.flags.writeable = True
    now[...] = then


def _cell(cell):
    return [*_contents(types.SimpleNamespace(__closure__=[cell]))]


def _fill_cell(cell, then):
    if then:
        cell.cell_contents = then[0]
    else:
        del cell.cell_contents


def _same_array(now, then) -> bool:
    return now.shape == then.shape and now.tobytes() == then.tobytes()


def _generator_state(generator) -> bytes:
    if isinstance(generator, random.Random):
        return pickle.dumps(generator.getstate())
    return pickle.dumps(generator.bit_generator.state)


def _fill_generator(generator, then):
    if isinstance(generator, random.Random):
        generator.setstate(pickle.loads(then))
    else:
        generator.bit_generator.state = pickle.loads(then)


def _same_generator(now, then) -> bool:
    return _generator_state(now) == then


_FUNCTION_PARTS = operator.attrgetter("__defaults__", "__kwdefaults__")


def _fill_function(function, then):
    function.__defaults__, function.__kwdefaults__ = then


# kind: (read, is it the same, write back)
_CONTENTS = {
    dict: (dict.copy, _same_dict, _fill_dict),
    list: (list.copy, _same_items, _refill),
    collections.deque: (collections.deque.copy, _same_items, _refill),
    set: (set.copy, _same_set, _refill),
    bytearray: (bytes, operator.eq, _refill),
    np.ndarray: (np.copy, _same_array, _fill_array),
}
_BINDINGS = {
    types.CellType: (
        _cell,
        lambda now, then: _same_items(_cell(now), then),
        _fill_cell,
    ),
    types.FunctionType: (
        _FUNCTION_PARTS,
        lambda now, then: _same_items(_FUNCTION_PARTS(now), then),
        _fill_function,
    ),
    type: (
        lambda cls: dict(_attributes(cls)),
        lambda cls, then: _same_dict(_attributes(cls), then),
        _fill_class,
    ),
    random.Random: (_generator_state, _same_generator, _fill_generator),
}


class _Inside:
    """The reader's own world: the code of the functions, names, contents of objects."""

    def __init__(self, start, tick: Callable):
        reach = _Reach(start)
        self.homes = reach.homes
        self.twins = []
        self.contents, self.bindings = [], []
        self.before, self.names, self.codes = [], [], []
        room = ARRAY_BYTES
        for thing in reach.found.values():
            kind = type(thing)
            if kind is types.FunctionType and reach.is_home(thing):
                twin = _ticking(thing.__code__, tick)
                self.twins += [(thing, twin)] if twin is not None else []
            if kind is np.ndarray:
                room -= thing.nbytes
                if thing.dtype.hasobject or not thing.flags.writeable or room < 0:
                    continue
            if kind in _CONTENTS and id(thing) not in reach.ids:
                self.contents.append((thing, *_CONTENTS[kind]))
            elif _is_class(thing) and reach.is_home(thing):
                self.bindings.append((thing, *_BINDINGS[type]))
            elif kind in (np.random.Generator, np.random.RandomState):
                self.bindings.append((thing, *_BINDINGS[random.Random]))
            elif kind in _BINDINGS and kind is not type:
                self.bindings.append((thing, *_BINDINGS[kind]))

    def enter(self):
        """Remember how things are, and put the ticking code in."""
        self.before = [
            (thing, read(thing), same, write)
            for thing, read, same, write in [*self.contents, *self.bindings]
        ]
        self.names = [(home, home.copy()) for home in self.homes]
        self.codes = [(function, function.__code__) for function, _ in self.twins]
        for function, twin in self.twins:
            function.__code__ = twin
        for home in self.homes:
            for name in {"exit", "quit"} & home.keys():
                if type(home[name]).__module__.startswith("IPython."):
                    home[name] = _exit  # that of a notebook would end the kernel

    def changed(self) -> bool:
        """Tell whether putting back will change the contents of any object."""
        first = self.before[: len(self.contents)]
        return any(not same(thing, then) for thing, then, same, _ in first)

    def leave(self):
        """Put everything back; may be done twice."""
        for function, code in self.codes:
            function.__code__ = code
        for home, then in self.names:
            if not _same_dict(home, then):
                _fill_dict(home, then)
        for thing, then, same, write in self.before:
            try:
                if not same(thing, then):
                    write(thing, then)
            except Exception:  # noqa: BLE001, S112 - the rest shall still be put back
                continue


# What is global in the interpreter ----------------------------------------------------

_GUARDED = "builtins sys os math random time warnings functools itertools operator copy"
_GUARDED += " collections linecache traceback inspect io pickle types gc locale"
_GUARDED_PACKAGES = {"numpy", "bnlearn"}


def _namespaces() -> list[dict]:
    """List the names of all modules that the caller relies on, builtins first."""
    modules = [sys.modules.get(name) for name in _GUARDED.split()]
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] in _GUARDED_PACKAGES:
            modules.append(module)
    return [vars(module) for module in modules if type(module) is types.ModuleType]


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


class _Notes:
    """What a submission writes and the warnings it causes, over all parts of a run."""

    def __init__(self):
        self.paper, self.warnings = _Paper(), {}
        self.stream = io.TextIOWrapper(
            io.BufferedWriter(self.paper), "utf-8", "replace", write_through=True
        )

    def warn(self, message, category, *_, **__):
        if len(self.warnings) < WARNINGS_KEPT:
            self.warnings[f"{category.__name__}: {message}"[:MESSAGE_CHARACTERS]] = None

    def printed(self) -> str:
        try:
            self.stream.flush()
        except ValueError:  # the submission has closed it
            pass
        return str(self.paper)


def _no_input(*_, **__):
    raise EOFError("nobody answers while an exercise is checked")


def _exit(status=None, *_, **__):
    raise SystemExit(status)


def _limit_recursion(limit, write=sys.setrecursionlimit, read=sys.getrecursionlimit):
    """Take the place of `sys.setrecursionlimit`, up to what the stack can bear."""
    write(min(limit, max(read(), 0 if IN_PAGE else RECURSION_LIMIT)))


def _lower_recursion_limit():
    """Leave a web page so much recursion that its small stack does not overflow."""
    depth = sum(1 for _ in traceback.walk_stack(None))
    sys.setrecursionlimit(min(sys.getrecursionlimit(), depth + RECURSION_IN_PAGE))


def _nothing(*_, **__):
    pass


def _replaced(notes: _Notes) -> list[tuple[dict, dict]]:
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
        (vars(builtins), {"input": _no_input, "exit": _exit, "quit": _exit}),
        (vars(sys), system),
        (vars(os), {"_exit": _exit, "abort": _exit}),
        (vars(warnings), {"showwarning": notes.warn}),
    ]


def _put_back(
    names, loaded, settings, same=_same_module, fill=_fill_dict, module=types.ModuleType
):
    """Undo patches, builtins first: until then nothing here uses a name of theirs."""
    for space, then in names:
        if not same(space, then):
            # A module among the new names was imported: importing it again would not
            # bind it.
            fill(space, then, (module,))
    loaded[0].update(loaded[1])
    for read, write, then in settings:
        try:
            if read() != then:
                write(then)
        except Exception:  # noqa: BLE001, S112 - the rest shall still be put back
            continue


def _shielded(call: Callable, namespaces: list[dict], notes: _Notes) -> tuple:
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
        names = [(space, space.copy()) for space in namespaces]
        loaded = sys.modules, sys.modules.copy()
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
                put_back(names, loaded, settings)
            except interrupt:
                put_back(names, loaded, settings)
                raise
    return value, error


_SHOWN = "message, as read by the sandbox"


def _tidy(error: BaseException):
    """Do now, while the reader's code ticks, what would otherwise run it later."""
    # Its own __str__ may never end, and so may a __del__ of what the frames hold.
    error.__dict__[_SHOWN] = "(its message cannot be shown)"
    error.__dict__[_SHOWN] = str(error)
    for _ in range(100):
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
        if error is None:
            return


# What users call ----------------------------------------------------------------------


class Run(NamedTuple):
    """What one call of a submission did.

    Attributes
    ----------
    value : object
        What it returned, None if it raised. See `plain` before you touch it.
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
        self._clock = _Clock(seconds)
        self._inner = _inner(obj)
        self._inside = _Inside(obj, self._clock.tick)
        self._namespaces = _namespaces()

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
        value that is not `plain` into an array.

        Returns
        -------
        Run
        """
        notes, clock, start = _Notes(), self._clock, perf_counter()
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
            if _is_async(_inner(function)):
                raise TypeError("an async function was given; write it with plain def")
            return function(*args, **kwargs)

        def detach():
            # The value may be, or be a view of, what is about to be put back.
            return copy.deepcopy(value, {id(arg): arg for arg in arguments})

        arguments = [*args, *kwargs.values()]
        value, error = _shielded(call, self._namespaces, notes)
        if error is not None:
            error.__traceback__ = _trimmed(error.__traceback__)
            _shielded(lambda: _tidy(error), self._namespaces, notes)
        elif self._inside.changed():
            copied, failed = _shielded(detach, self._namespaces, notes)
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
        if _is_class(self._inner):
            own = _attributes(self._inner)
            methods = [_inner(own[name]) for name in own if name != "__init__"]
            methods = [part for part in methods if type(part) is types.FunctionType]
            return all(_is_stub(part.__code__) for part in methods)
        code = _code(self._inner)
        return code is not None and _is_stub(code)

    def returns_nothing(self) -> bool | None:
        """Tell by its syntax whether a function can only return None.

        Returns
        -------
        bool or None
            None where there is no source. False for a class.
        """
        if _is_class(self._inner):
            return False
        node = _definition(_code(self._inner))
        if node is None:
            return None
        return not isinstance(node, ast.Lambda) and not any(map(_gives, _own(node)))


def _is_async(function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


# The syntax of a function -------------------------------------------------------------


def _code(obj) -> types.CodeType | None:
    return obj.__code__ if type(obj) is types.FunctionType else None


def _definition(code: types.CodeType | None):
    """Find the function or lambda that was compiled to `code`."""
    found = _source(code) if code is not None else None
    for node in ast.walk(ast.parse(found[0] if found else "")):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            name = getattr(node, "name", "<lambda>")
            parts = [node, *getattr(node, "decorator_list", [])]
            first = min(part.lineno for part in parts)
            if (name, first) == (code.co_name, code.co_firstlineno):
                return node
    return None


def _own(node) -> Iterator[ast.AST]:
    """Walk through the body of a function, but not into functions inside it."""
    waiting = [*node.body]
    while waiting:
        part = waiting.pop()
        yield part
        scope = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        if not isinstance(part, scope):
            waiting += ast.iter_child_nodes(part)


def _gives(node) -> bool:
    if isinstance(node, ast.Return):
        nothing = ast.Constant(None)
        return ast.dump(node.value or nothing) != ast.dump(nothing)
    return isinstance(node, (ast.Yield, ast.YieldFrom))


def _is_empty(node) -> bool:
    """Tell whether a statement of a stub does nothing."""
    if isinstance(node, ast.Raise):
        raised = node.exc
        raised = raised.func if isinstance(raised, ast.Call) else raised
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    idle = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return idle or isinstance(node, ast.Pass)


def _is_stub(code: types.CodeType) -> bool:
    node = _definition(code)
    if node is None:
        return _looks_like_stub(code)
    if isinstance(node, ast.Lambda):
        return isinstance(node.body, ast.Constant) and node.body.value is ...
    return all(map(_is_empty, node.body))


def _looks_like_stub(code: types.CodeType) -> bool:
    """Judge a function without source by what it loads, and what it does with it."""
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    constants = [
        value for name, value in steps if name in ("LOAD_CONST", "RETURN_CONST")
    ]
    idle = "LOAD_CONST RETURN_CONST RETURN_VALUE RESUME NOP "
    if any(name == "RAISE_VARARGS" for name, _ in steps):
        idle += "RAISE_VARARGS LOAD_GLOBAL LOAD_COMMON_CONSTANT PRECALL CALL PUSH_NULL"
        constants = [None]  # the message
    mentioned = set(code.co_names) <= {"NotImplementedError"}
    return mentioned and constants == [None] and {*dict(steps)} <= {*idle.split()}


# Errors -------------------------------------------------------------------------------


def _trimmed(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Leave the frames of this module out of a traceback."""
    steps = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != _TICK_CODE.co_filename:
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
    known = error.__dict__.get(_SHOWN)
    message = str(error) if known is None else known
    if len(message) > MESSAGE_CHARACTERS:
        message = message[:MESSAGE_CHARACTERS] + " ..."
    lines = [f"{type(error).__name__}: {message}".removesuffix(": ")]
    frames = [*traceback.walk_tb(_trimmed(error.__traceback__))]
    # The innermost line that ticks is the reader's, the ones below it NumPy's.
    own = [step for step in frames if any(map(_is_tick, step[0].f_code.co_consts))]
    for frame, number in own[-1:] or frames[:1]:
        code = frame.f_code
        lines.append(f"  {_file(code.co_filename)}, line {number}, in {code.co_name}")
        source = linecache.getline(code.co_filename, number, frame.f_globals).strip()
        lines += [f"    {source}"] if source else []
    return "\n".join(lines)


# Values and texts ---------------------------------------------------------------------

_PLAIN = {type(None), bool, int, float, complex, str, bytes}


def plain(value: object, *, depth: int = 5) -> bool:
    """Tell whether a value can be looked at without running the reader's code.

    Numbers, texts, arrays of them, and lists, tuples and dictionaries of those can. An
    object of the reader's own class may have an ``__array__`` or ``__eq__`` that never
    ends: hand it to `Submission.use`, together with the function that looks at it.

    Returns
    -------
    bool
    """
    kind = type(value)
    if kind is np.ndarray:
        return not value.dtype.hasobject
    if kind is dict:
        value = [*value.keys(), *value.values()]
    if kind in (list, tuple, dict):
        return depth > 0 and all(plain(part, depth=depth - 1) for part in value)
    return kind in _PLAIN or kind in _NUMPY_SCALARS


_NUMPY_SCALARS = set(np.sctypeDict.values()) - {np.object_}


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
