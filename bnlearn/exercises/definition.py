"""What an exercise is: everything about it in one definition.

The stub a reader starts from and the text of the solution are taken from the source of
the reference, so that none of the three can drift from the others.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from bnlearn.exercises.beliefs import BEHIND
from bnlearn.exercises.inputs import values

__all__ = ["Exercise", "Family", "Mistake", "Section", "paragraphs"]


class Section(NamedTuple):
    """Where in the book something is explained.

    Examples
    --------
    >>> section = Section("02_normalization", "Which axes?")
    >>> print(section)
    chapter 02, 'Which axes?'
    >>> section.address
    '02_normalization.html#which-axes'
    """

    page: str
    heading: str

    @property
    def address(self) -> str:
        """The page and the heading's anchor, as in the built book."""
        words = re.findall(r"[a-z0-9]+", self.heading.lower())
        return f"{self.page}.html#{'-'.join(words)}"

    def __str__(self) -> str:
        """Name chapter and heading."""
        return f"chapter {self.page[:2]}, '{self.heading}'"


@dataclass(frozen=True)
class Family:
    """One kind of input that every answer must get right.

    Parameters
    ----------
    name : str
        As a verdict names it: 'wrong for ...'.
    shape : tuple of int
        Shape of the values, channels on axis 1.
    kind : str
        One of :data:`bnlearn.exercises.inputs.KINDS`.
    offset : float
        Factor by which means are larger than spreads.
    dtype : str
        What the arrays are made of.
    rtol, rtol32 : float
        Largest error, relative to the largest entry of an output; `rtol32` where the
        input or the answer is float32.
    options : dict
        Keyword arguments for the exercise's `arguments`.
    noisy : bool
        Whether wrong programs may return rounding errors here. No two of them agree
        then, so being wrong is all that is compared.
    """

    name: str
    shape: tuple[int, ...]
    kind: str = "plain"
    offset: float = 1.0
    dtype: str = "f8"
    rtol: float = 1e-7
    rtol32: float = 2e-4
    options: dict[str, object] = field(default_factory=dict)
    noisy: bool = False


@dataclass(frozen=True, eq=False)
class Mistake:
    """A mistake that readers make: the reference with a few words replaced.

    Parameters
    ----------
    identifier : str
        Short name.
    message : str
        One sentence for the reader.
    section : Section
        Where the book explains it.
    edits : tuple of dict
        What is replaced by what, once for each way of making the mistake.
    unstable : tuple of str
        Families on which it returns rounding errors. No two such programs agree
        there, so being wrong is all that is compared.
    misconception : str
        Label of the common belief that stands behind it, one of
        :data:`bnlearn.exercises.beliefs.BELIEFS`; empty for none.
    """

    identifier: str
    message: str
    section: Section
    edits: tuple[dict[str, str], ...] = ()
    unstable: tuple[str, ...] = ()
    misconception: str = ""


@dataclass(eq=False)
class Exercise:
    """A function to write, and how an answer is judged.

    Parameters
    ----------
    identifier, title : str
        For the reader.
    section : Section
        What the exercise is about; its page is the chapter.
    difficulty : int
        1 (type one line) to 4 (derive it yourself).
    minutes : int
        What a reader may need.
    text : str
        What to write.
    reference : callable
        A right answer. Its name, signature and docstring make the stub.
    outputs : tuple of str
        Names of what is returned.
    families : tuple of Family
        Kinds of input.
    arguments : callable
        ``arguments(rng, x, **options)`` makes the positional arguments from the values
        `x` and the options of the family.
    hints : tuple of str
        From nudge to near-answer.
    why : str
        Why the reference works.
    small : tuple of tuple of int
        Shapes on which a small example is looked for, smallest first.
    gradients : dict
        The argument of which an output is the gradient.
    forward : callable, optional
        What the gradients are of: the parameters of the reference and, with defaults,
        what else appears in `gradients`.
    returned : tuple of str
        Parameters that an answer may return as they are.
    inseparable : dict
        Reasons, by pair of mistakes that no input tells apart.
    mistakes : list of Mistake
        The bank; filled by :meth:`mistake`.
    """

    identifier: str
    title: str
    section: Section
    difficulty: int
    minutes: int
    text: str
    reference: Callable
    outputs: tuple[str, ...]
    families: tuple[Family, ...]
    arguments: Callable
    hints: tuple[str, ...]
    why: str
    small: tuple[tuple[int, ...], ...] = ((2, 2), (3, 2), (4, 3))
    gradients: dict[str, str] = field(default_factory=dict)
    forward: Callable | None = None
    returned: tuple[str, ...] = ()
    inseparable: dict[tuple[str, str], str] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def mistake(
        self,
        identifier: str,
        message: str,
        *edits: dict[str, str],
        heading: str | None = None,
        unstable: tuple[str, ...] = (),
        misconception: str | None = None,
    ) -> None:
        """Add a mistake to the bank; `heading` is a section of the chapter.

        The belief behind it is that of other mistakes with this identifier, unless
        `misconception` names another one, or none ("").
        """
        section = Section(self.chapter, heading) if heading else self.section
        if misconception is None:
            misconception = BEHIND.get(identifier, "")
        self.mistakes.append(
            Mistake(identifier, message, section, edits, unstable, misconception)
        )

    def program(self, *edits: dict[str, str]) -> Callable:
        """Make the wrong program that some edits of the reference give.

        Raises
        ------
        ValueError
            If there is nothing to replace.
        """
        return _program(edited(self.solution, *edits), self.function)

    @property
    def function(self) -> str:
        """Name of the function asked for."""
        return self.reference.__name__

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of its arguments."""
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def chapter(self) -> str:
        """The page of the book that it belongs to."""
        return self.section.page

    @property
    def solution(self) -> str:
        """Source of the reference."""
        return source_of(self.reference)

    @property
    def stub(self) -> str:
        """Signature and docstring of the reference, and nothing done."""
        source = self.solution
        docstring = ast.parse(source).body[0].body[0]
        head = source.splitlines()[: docstring.end_lineno]
        return "\n".join([*head, "    raise NotImplementedError"])

    def draw(
        self, rng: np.random.Generator, family: Family, shape: tuple | None = None
    ) -> tuple:
        """Draw the arguments of one call; with `shape`, few digits and that shape."""
        x = values(rng, shape or family.shape, family.kind, family.offset)
        if shape:
            x = x.round(2)
        return self.arguments(rng, x.astype(family.dtype), **family.options)

    def expected(self, arguments: tuple) -> tuple[np.ndarray, ...]:
        """Compute the right outputs, in float64 whatever the arguments are."""
        exact = [a.astype("f8") if is_float(a) else a for a in arguments]
        found = self.reference(*exact)
        found = found if len(self.outputs) > 1 else (found,)
        return tuple(np.asarray(a) for a in found)


@cache
def source_of(function: Callable) -> str:
    """Read the source of a function, once."""
    return textwrap.dedent(inspect.getsource(function)).rstrip() + "\n"


def edited(source: str, *edits: dict[str, str]) -> str:
    """Replace words in a source, in the order given; each must be there.

    Examples
    --------
    >>> edited("return x.mean(axis=0)", {"axis=0": "axis=1"})
    'return x.mean(axis=1)'
    """
    for edit in edits:
        for old, new in edit.items():
            if old not in source:
                raise ValueError(f"no {old!r} to replace in {source!r}")
            source = source.replace(old, new)
    return source


@cache
def _program(source: str, name: str) -> Callable:
    """Define the function of a source."""
    namespace = {"np": np}
    exec(compile(source, "<mistake>", "exec"), namespace)  # noqa: S102
    return namespace[name]


def paragraphs(text: str) -> tuple[str, ...]:
    r"""Split a text at its empty lines.

    Examples
    --------
    >>> paragraphs("One hint\nof two lines.\n\nAnother one.")
    ('One hint of two lines.', 'Another one.')
    """
    return tuple(" ".join(part.split()) for part in text.split("\n\n"))


def is_float(value: object) -> bool:
    """Say whether a value is an array of floating-point numbers."""
    return is_array(value) and value.dtype.kind == "f"


def is_array(value: object) -> bool:
    """Say whether a value is an array, of whatever subclass."""
    return issubclass(type(value), np.ndarray)  # isinstance may run code of the value


def name_of_type(value: object) -> str:
    """Name the type of a value, whatever its metaclass does."""
    return type.__getattribute__(type(value), "__name__")
