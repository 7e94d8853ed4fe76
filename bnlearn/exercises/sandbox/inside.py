"""What is put back after a run in the reader's own namespace."""

import collections
import operator
import pickle
import random
import types
from collections.abc import Callable

import numpy as np

from bnlearn.exercises.sandbox.reach import Reach, attributes, contents, is_class
from bnlearn.exercises.sandbox.ticks import ticking

__all__ = [
    "Inside",
    "fill_class",
    "fill_dict",
    "raise_exit",
    "same_dict",
    "same_module",
]

ARRAY_BYTES = 1_000_000  # larger arrays of the reader's namespace are not copied


# What is put back ---------------------------------------------------------------------
#
# Each kind of state has three functions: one reads it, one tells whether it is still
# the same, one writes it back. A namespace that holds arrays cannot be compared with
# `==`, hence the comparisons of identity.


def _same_items(
    now, then, differ=operator.is_not, some=any, size=len, each=map
) -> bool:
    return size(now) == size(then) and not some(each(differ, now, then))


def same_dict(now, then) -> bool:
    """Compare the names and values of two dictionaries by identity."""
    return _same_items(now, then) and _same_items(now.values(), then.values())


def _same_set(now, then) -> bool:
    return {*map(id, now)} == {*map(id, then)}  # without the `__eq__` of the elements


def same_module(now, then, last=reversed, first=next) -> bool:
    """Compare the names of a module with what they were."""
    # What is added comes last: there is no need to compare thousands of other names.
    return first(last(now), 0) is first(last(then), 0) and _same_items(
        now.values(), then.values()
    )


def fill_dict(now, then, keep=()):
    """Put a dictionary back, but for new values of some kinds."""
    # The builtins may be among what is to be put back: not one of them is used here.
    for name, value in then.items():
        if now.get(name, now) is not value:
            now[name] = value
    for name in [*now]:
        if name not in then and now[name].__class__ not in keep:
            del now[name]


def fill_class(cls, then):
    """Put the attributes of a class back."""
    now = attributes(cls)
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
    return [*contents(types.SimpleNamespace(__closure__=[cell]))]


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
    dict: (dict.copy, same_dict, fill_dict),
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
        lambda cls: dict(attributes(cls)),
        lambda cls, then: same_dict(attributes(cls), then),
        fill_class,
    ),
    random.Random: (_generator_state, _same_generator, _fill_generator),
}


def raise_exit(status=None, *_, **__):
    """Stand in for `exit` and its like, which would end the process."""
    raise SystemExit(status)


class Inside:
    """The reader's own world: the code of the functions, names, contents of objects."""

    def __init__(self, start, tick: Callable):
        reach = Reach(start)
        self.homes = reach.homes
        self.twins, self.has_source = [], True
        self.contents, self.bindings = [], []
        self.before, self.names, self.codes = [], [], []
        room = ARRAY_BYTES
        for thing in reach.found.values():
            kind = type(thing)
            if kind is types.FunctionType and reach.is_home(thing):
                twin = ticking(thing.__code__, tick)
                self.twins += [(thing, twin)] if twin is not None else []
                self.has_source = self.has_source and twin is not None
            if kind is np.ndarray:
                room -= thing.nbytes
                if thing.dtype.hasobject or not thing.flags.writeable or room < 0:
                    continue
            if kind in _CONTENTS and id(thing) not in reach.ids:
                self.contents.append((thing, *_CONTENTS[kind]))
            elif is_class(thing) and reach.is_home(thing):
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
                    home[name] = raise_exit  # that of a notebook would end the kernel

    def changed(self) -> bool:
        """Tell whether putting back will change the contents of any object."""
        first = self.before[: len(self.contents)]
        return any(not same(thing, then) for thing, then, same, _ in first)

    def leave(self):
        """Put everything back; may be done twice."""
        for function, code in self.codes:
            function.__code__ = code
        for home, then in self.names:
            if not same_dict(home, then):
                fill_dict(home, then)
        for thing, then, same, write in self.before:
            try:
                if not same(thing, then):
                    write(thing, then)
            except Exception:  # noqa: BLE001, S112 - the rest shall still be put back
                continue
