"""What :func:`bnlearn.diagnose` returns: findings, in a table for people to read."""

import html
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

from bnlearn.exercises.definition import Section

__all__ = ["SEVERITIES", "Finding", "LayerRow", "Report"]

SEVERITIES = ("error", "warning", "note")
WIDTH = 88


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks so.

    Attributes
    ----------
    layer : str
        Its place in the network; "data" for the batches themselves.
    kind : str
        One of the keys of ``bnlearn.diagnostics.rules.KINDS``.
    severity : {"error", "warning", "note"}
        Certainly wrong; wrong unless it is meant; good to know.
    message : str
        What was found, with the numbers in words.
    advice : str
        One sentence.
    section : Section
        Where the book explains it.
    numbers : dict of float
        The numbers it rests on.
    channels : tuple of int
        The channels concerned, or groups; empty if it is about the whole layer.
    """

    layer: str
    kind: str
    severity: str
    message: str
    advice: str
    section: Section
    numbers: dict[str, float] = field(default_factory=dict)
    channels: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Say all of it."""
        return f"{self.severity}, {self.layer}: {self.message} {self.advice}"


@dataclass(frozen=True)
class LayerRow:
    """One norm in the table of a report.

    Attributes
    ----------
    name, type : str
        Its place, and its class.
    training : bool
        Its own mode.
    values : int or None
        How many values share one mean; None if the layer was never called.
    mean_off : float or None
        Batch mean minus running mean, in running standard deviations: the root mean
        square over the channels. None without running statistics.
    noise : float or None
        What `mean_off` would be if chance alone made it.
    variance_ratio : float or None
        Batch variance / running variance: the geometric mean over the channels.
    """

    name: str
    type: str
    training: bool
    values: int | None = None
    mean_off: float | None = None
    noise: float | None = None
    variance_ratio: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Write the row as text."""
        numbers = (self.mean_off, self.noise, self.variance_ratio)
        shown = ["-" if number is None else f"{number:.2f}" for number in numbers]
        values = "-" if self.values is None else f"{self.values}"
        mode = "train" if self.training else "eval"
        return (self.name, self.type, mode, values, *shown)


HEADER = ("layer", "norm", "mode", "values", "mean off", "noise", "variance")


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
        """Write two tables: the norms, and what was found."""
        lines = [self.headline(), ""] + (_aligned(self._rows()) if self.layers else [])
        for layers, finding in self._grouped():
            said = f"{finding.message} {finding.advice} See {finding.section}."
            start = f"{finding.severity:8} {layers}: "
            lines += [
                "",
                *textwrap.wrap(start + said, WIDTH, subsequent_indent=" " * 9),
            ]
        return "\n".join(lines).rstrip()

    __repr__ = __str__

    def headline(self) -> str:
        """Say in one line how it went."""
        counts = [sum(f.severity == s for f in self.findings) for s in SEVERITIES]
        found = [_count(n, s) for n, s in zip(counts, SEVERITIES, strict=True) if n]
        mode = "training" if self.training else "evaluation"
        sizes = "/".join(dict.fromkeys(map(str, self.batches)))
        return (
            f"{_count(len(self.layers), 'norm')}, network in {mode} mode, "
            f"{_count(len(self.batches), 'batch', 'batches')} of {sizes}: "
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

    def _rows(self) -> list[tuple[str, ...]]:
        return [HEADER, *(layer.cells() for layer in self.layers)]

    def _repr_html_(self) -> str:
        """Write the same tables for a notebook; sections are links within the book."""
        parts = [f"<p><strong>{html.escape(self.headline())}</strong></p>"]
        if self.layers:
            parts.append(_table(self._rows()))
        if self.findings:
            head = ("", "layer", "what was found", "what to do", "explained in")
            groups = self._grouped()
            rows = [
                (f.severity, layers, f.message, f.advice, str(f.section))
                for layers, f in groups
            ]
            links = [f.section.address for _, f in groups]
            parts.append(_table([head, *rows], links))
        return "\n".join(parts)


def _count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Pad columns: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        aligned.append("  ".join(cells).rstrip())
    return aligned


def _table(rows: list[tuple[str, ...]], links: list[str] | None = None) -> str:
    """Write a table whose first row is its head; `links` belong to the last column."""
    head, *body = [[html.escape(cell) for cell in row] for row in rows]
    for row, link in zip(body, links or [], strict=False):
        row[-1] = f'<a href="{html.escape(link)}">{row[-1]}</a>'
    lines = ["<table>", f"<thead><tr><th>{'</th><th>'.join(head)}</th></tr></thead>"]
    lines += [f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in body]
    return "\n".join([*lines, "</table>"])
