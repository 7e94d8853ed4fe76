"""What :func:`bnlearn.diagnose` returns: findings, in a table for people to read."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from bnlearn.diagnostics.kinds import KINDS
from bnlearn.exercises.definition import Section

__all__ = ["Finding", "LayerRow", "Report"]

SEVERITIES = ("error", "warning", "note")
HEADER = ("layer", "norm", "mode", "values", "mean off", "variance")
WIDTH = 80


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks so.

    Attributes
    ----------
    layer : str
        Its place in the network; "data" for the batches themselves.
    kind : str
        One of the keys of ``bnlearn.diagnostics.kinds.KINDS``.
    severity : str
        "error", certainly wrong; "warning", wrong unless it is meant; "note", good to
        know.
    message : str
        What was found.
    channels : tuple of int
        The channels concerned, or groups; empty if it is about the whole layer.
    """

    layer: str
    kind: str
    severity: str
    message: str
    channels: tuple[int, ...] = ()

    @property
    def advice(self) -> str:
        """What to do, in one sentence."""
        return KINDS[self.kind][0]

    @property
    def section(self) -> Section:
        """Where the book explains it."""
        return KINDS[self.kind][1]


@dataclass(frozen=True)
class LayerRow:
    """One norm in the table of a report; None is for what there is none of.

    Attributes
    ----------
    values : int or None
        How many values share one mean.
    mean_off : float or None
        Batch mean minus running mean, in running standard deviations: the root mean
        square over the channels.
    variance_ratio : float or None
        Batch variance / running variance: the geometric mean over the channels.
    """

    name: str
    type: str
    training: bool
    values: int | None = None
    mean_off: float | None = None
    variance_ratio: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Write the row as text."""
        numbers = (self.mean_off, self.variance_ratio)
        shown = ["-" if number is None else f"{number:.2f}" for number in numbers]
        values = "-" if self.values is None else f"{self.values}"
        mode = "train" if self.training else "eval"
        return (self.name, self.type, mode, values, *shown)


@dataclass(frozen=True)
class Report:
    """What was found in a network.

    It is iterable, and its length is the number of findings.

    Attributes
    ----------
    findings : tuple of Finding
        The worst first.
    layers : tuple of LayerRow
        One for each norm.
    training : bool
        The mode that the network is in.
    batches : tuple of int
        How many examples each batch had.
    """

    findings: tuple[Finding, ...]
    layers: tuple[LayerRow, ...]
    training: bool
    batches: tuple[int, ...]

    @property
    def ok(self) -> bool:
        """Whether there are no errors and no warnings. Notes are allowed."""
        return all(finding.severity == "note" for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        """Go through the findings."""
        return iter(self.findings)

    def __len__(self) -> int:
        """Count the findings."""
        return len(self.findings)

    def __bool__(self) -> bool:
        """Refuse to be a truth value, which could mean found or fine."""
        raise TypeError("a report is neither true nor false: use report.ok or len")

    def __str__(self) -> str:
        """Write a table of the norms, and what was found."""
        lines = [self._headline()]
        if self.layers:
            lines += ["", *_aligned([HEADER, *(row.cells() for row in self.layers)])]
        for layers, finding in self._grouped():
            said = f"{finding.severity:8} {layers}: {finding.kind}. {finding.message} "
            said += f"{finding.advice} See {finding.section}."
            lines += ["", *textwrap.wrap(said, WIDTH, subsequent_indent=" " * 9)]
        return "\n".join(lines)

    __repr__ = __str__

    def _headline(self) -> str:
        """Say in one line how it went."""
        counts = {s: sum(f.severity == s for f in self.findings) for s in SEVERITIES}
        found = [_count(n, severity) for severity, n in counts.items() if n]
        mode = "training" if self.training else "evaluation"
        sizes = "/".join(dict.fromkeys(map(str, self.batches)))
        return (
            f"{_count(len(self.layers), 'norm')}, network in {mode} mode, "
            f"{_count(len(self.batches), 'batch', 'es')} of {sizes}: "
            f"{', '.join(found) or 'nothing to report'}"
        )

    def _grouped(self) -> list[tuple[str, Finding]]:
        """Join what is said of several layers in the same words."""
        groups: dict[tuple, list[Finding]] = {}
        for f in self.findings:
            groups.setdefault((f.severity, f.kind, f.message), []).append(f)
        return [
            (", ".join(f.layer for f in group), group[0]) for group in groups.values()
        ]


def _count(number: int, word: str, plural: str = "s") -> str:
    return f"{number} {word}{'' if number == 1 else plural}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Pad columns: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<<<>>>"
    return [
        "  ".join(
            f"{cell:{s}{w}}" for cell, s, w in zip(row, sides, widths, strict=True)
        )
        for row in rows
    ]
