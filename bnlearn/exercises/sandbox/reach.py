"""What belongs to a submission: the functions, classes and names that it can get at."""

import collections
import functools
import gc
import itertools
import sys
import types

__all__ = ["Reach", "attributes", "contents", "inner", "is_class"]

REACHED_OBJECTS = 10_000  # no namespace is followed further than that


def attributes(cls: type):
    """Give the attributes that a class has of its own."""
    return type.__getattribute__(cls, "__dict__")  # also past an odd metaclass


def _state(obj) -> dict:
    try:
        return object.__getattribute__(obj, "__dict__")
    except AttributeError:  # it has slots, or nothing
        return {}


def inner(obj):
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


def is_class(thing) -> bool:
    """Tell whether an object is a class."""
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
            waiting += [thing.__dict__, *contents(thing)]
        elif is_class(thing):
            module = attributes(thing).get("__module__")
            if not _is_foreign(module):
                homes.append(vars(sys.modules.get(module, types)))
                waiting += attributes(thing).values()
        elif type(thing) is dict:
            waiting += thing.values()
        elif callable(thing):
            waiting += [type(thing), *gc.get_referents(thing)]
    foreign = vars(types)
    return [*{id(home): home for home in homes if home is not foreign}.values()]


def contents(function: types.FunctionType) -> list:
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


class Reach:
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
        own = attributes(thing)
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
        if is_class(thing):
            if not self.is_home(thing):
                return []
            return [*attributes(thing).values(), *type.mro(thing), kind]
        if kind in _BUILTIN:
            return []
        if self.is_home(kind):
            return [_state(thing), *gc.get_referents(thing)]
        if kind in _HOLDERS:
            return gc.get_referents(thing)
        return self.of_callable(thing) if callable(thing) else []

    def of_function(self, function) -> list:
        """List what a function holds and the names that it mentions."""
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
