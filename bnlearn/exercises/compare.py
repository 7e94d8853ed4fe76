"""Expected against actual: what was asked for, and what came.

Nothing in here runs code of a submission: a value is looked at only if it is an array,
a number, or a plain list or tuple of these.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnlearn.exercises.definition import Family, is_array, name_of_type

__all__ = ["Comparison", "Complaint", "close", "compare", "inputs_left", "unpack"]

# More than any answer has: what is larger is neither converted nor copied.
MOST_ELEMENTS = 10**6
MOST_LISTED = 2 * 10**4  # in lists, which take longer

NUMERIC = "biufc"  # kinds of dtypes
NUMBERS = {bool, int, float, complex, *np.sctypeDict.values()}


class Complaint(NamedTuple):
    """Something wrong that is no matter of numbers."""

    identifier: str
    text: str


class Comparison(NamedTuple):
    """What came of one call: arrays (None if unusable), each right or not."""

    values: tuple[NDArray | None, ...]
    right: tuple[bool, ...]
    complaints: tuple[Complaint, ...]

    def owned(self, complaints: list[Complaint]) -> "Comparison":
        """Add complaints, and copy the values: later calls may overwrite them."""
        values = tuple(
            None if a is None or a.size > MOST_ELEMENTS else a.copy()
            for a in self.values
        )
        return Comparison(values, self.right, (*self.complaints, *complaints))


def as_array(value: object, depth: int = 0) -> NDArray | None:
    """Turn numbers into an array; None for anything else."""
    if is_array(value):
        array = np.ndarray.view(value, np.ndarray)
    elif type(value) in NUMBERS:
        array = np.asarray(value)
    elif type(value) in (list, tuple) and depth < 6 and len(value) <= 10**4:
        rows, room = [], MOST_LISTED
        for part in value:
            row = as_array(part, depth + 1)
            if row is None or (rows and row.shape != rows[0].shape):
                return None
            room -= math.prod(n or 1 for n in row.shape)  # empty ones take time too
            if room < 0:
                return None
            rows.append(row)
        array = np.array(rows)
    else:
        return None
    return array if array.dtype.kind in NUMERIC else None


def unpack(value: object, count: int) -> list | None:
    """Split what a function returned into `count` outputs; None if it has not so many.

    A list, or an array with one row for each output, stands for a tuple.
    """
    if count == 1:
        return [value]
    if is_array(value):
        value = np.ndarray.view(value, np.ndarray)
        parts = list(value) if value.shape[:1] == (count,) else []
    elif issubclass(type(value), tuple):  # a named tuple is fine
        parts = list(tuple.__iter__(value))
    else:
        parts = value if type(value) is list else []
    return parts if len(parts) == count else None


def close(actual: NDArray, expected: NDArray, family: Family) -> bool:
    """Say whether two arrays agree within the rounding of the family and of `actual`."""
    if actual.shape != expected.shape or actual.dtype.kind == "c":
        return False
    if actual.size == 0:
        return True
    single = family.dtype == "f4" or actual.dtype == np.float32
    rtol = family.rtol32 if single else family.rtol
    with np.errstate(all="ignore"):
        difference = np.abs(actual - expected.astype("f8", copy=False))
        scale = np.abs(expected).max()
        return bool(difference.max() <= rtol * scale + 1e-13)  # NaN is not


def compare(
    names: tuple[str, ...], expected: tuple, value: object, family: Family
) -> Comparison:
    """Compare what came with what was asked for.

    Parameters
    ----------
    names : tuple of str
        Of the outputs.
    expected : tuple of ndarray
        The right outputs.
    value : object
        What the submission returned.
    family : Family
        Says how close is close.

    Returns
    -------
    Comparison
        With complaints about type, arity, shape, dtype, NaN and infinity.
    """
    parts = unpack(value, len(names))
    if parts is None or value is None:
        nothing, wrong = (None,) * len(names), (False,) * len(names)
        return Comparison(nothing, wrong, (_refused(names, value),))
    values = tuple(map(as_array, parts))
    right, complaints = [], []
    for name, want, part, array in zip(names, expected, parts, values, strict=True):
        right.append(array is not None and close(array, want, family))
        if not right[-1]:
            complaint = _complaint(name, want, part, array, family)
            complaints += [complaint] if complaint else []
    return Comparison(values, tuple(right), tuple(complaints))


def _refused(names: tuple[str, ...], value: object) -> Complaint:
    """Complain about a value that cannot be split into outputs."""
    if value is None:
        return Complaint("returns-nothing", "Your function returns nothing.")
    text = (
        f"Asked for {len(names)} outputs ({', '.join(names)}), came {described(value)}."
    )
    return Complaint("wrong-arity", text)


def _complaint(name, want, part, array, family) -> Complaint | None:
    """Find what is wrong about an output before one looks at its numbers."""
    if array is None:
        text = f"{name}: asked for an array of numbers, came {described(part)}."
        return Complaint("wrong-type", text)
    if array.shape != want.shape:
        text = f"{name}: asked for the shape {want.shape}, came {array.shape}"
        if array.size == want.size and close(array.reshape(want.shape), want, family):
            text += "; its numbers are right"
        elif close(array.T, want, family):
            text += "; transposed, it is right"
        return Complaint("wrong-shape", text + ".")
    if array.dtype.kind != "f" or array.dtype == np.float16:
        text = f"{name}: asked for float64 or float32, came {array.dtype}."
        return Complaint("wrong-dtype", text)
    for word, found in (("NaN", np.isnan(array)), ("infinity", np.isinf(array))):
        if found.any():
            text = f"{name} is {word} in {found.sum()} of {array.size} places."
            return Complaint("not-finite", text)
    return None


def inputs_left(
    parameters: tuple[str, ...],
    before: tuple,
    after: tuple,
    outputs: list,
    returned: tuple[str, ...] = (),
) -> list[Complaint]:
    """Complain about inputs that were changed, and outputs that share their memory.

    Those in `returned` may come back as they are.
    """
    complaints = []
    for name, old, new in zip(parameters, before, after, strict=True):
        if not is_array(old):
            continue
        same = new.shape == old.shape and np.array_equal(new, old, equal_nan=True)
        if not same:
            text = f"Your function changes its input {name}; work on a copy."
            complaints.append(Complaint("input-changed", text))
        shared = (is_array(out) and np.may_share_memory(out, new) for out in outputs)
        if name not in returned and any(shared):
            text = (
                f"An output shares its memory with the input {name}: whoever changes "
                "one changes the other."
            )
            complaints.append(Complaint("output-aliases-input", text))
    return complaints


def described(value: object) -> str:
    """Name a value by type and size, never by its content."""
    if value is None:
        return "None"
    if is_array(value):
        array = np.ndarray.view(value, np.ndarray)
        odd = "" if array.dtype.kind in NUMERIC else f" and dtype {array.dtype}"
        return f"one array of shape {array.shape}{odd}"
    kind = name_of_type(value)
    if type(value) in (tuple, list):
        return f"a {kind} of {len(value)}"
    return f"one {kind}"
