"""The book's figure style. The only module that imports matplotlib.

Figures are 4.8 inches wide with labels of 9 points, so that they can be read on a
phone; colours are Okabe and Ito's, told apart by colour-blind readers, and every
series differs in marker or dash as well. The background is opaque and light on
purpose: figures keep their contrast in dark mode.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from bnlearn.norms import Layout

__all__ = [
    "COLORS",
    "computation_graph",
    "draw_layouts",
    "draw_sweep",
    "figure",
    "spread",
]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "x")
STYLE = {
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "axes.prop_cycle": cycler(color=COLORS) + cycler(linestyle=DASHES),
}


def figure(
    rows: int = 1, columns: int = 1, *, height: float = 2.8, **options: object
) -> tuple[Figure, Axes]:
    """Return a figure in the book's style, 4.8 inches wide, and its axes.

    Parameters
    ----------
    rows, columns : int
        Grid of axes.
    height : float
        Height in inches.
    **options
        Passed to :func:`matplotlib.pyplot.subplots`.
    """
    plt.rcParams.update(STYLE)
    return plt.subplots(
        rows, columns, figsize=(4.8, height), layout="constrained", **options
    )


def spread(
    ax: Axes, x: ArrayLike, runs: Sequence[ArrayLike], label: str, index: int = 0
) -> None:
    """Draw the median of several runs and the range between the extremes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    x : array_like, shape (n,)
        Positions.
    runs : sequence of array_like, shape (runs, n)
        One row for each seed.
    label : str
        For the legend.
    index : int
        Which colour, dash and marker of the book's lists to use.
    """
    runs = np.asarray(runs, float)
    color = COLORS[index]
    ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.2, lw=0)
    ax.plot(
        x,
        np.median(runs, axis=0),
        color=color,
        linestyle=DASHES[index],
        marker=MARKERS[index],
        markevery=max(1, len(runs[0]) // 10),
        label=label,
    )


def draw_sweep(
    ax: Axes, x: ArrayLike, results: ArrayLike, labels: Sequence[str]
) -> None:
    """Draw one line per label with its spread over the seeds, and the legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    x : array_like, shape (n,)
        Positions.
    results : array_like, shape (labels, n, seeds)
        As from :func:`bnlearn.experiment.sweep` with two settings.
    labels : sequence of str
        For the legend.
    """
    for index, (label, values) in enumerate(zip(labels, results, strict=True)):
        spread(ax, x, np.asarray(values).T, str(label), index)
    ax.legend()


def computation_graph() -> Figure:
    """Draw the graph of batch normalization: each node with its shape and its code."""
    from bnlearn.staged import NODES

    rows = {"x": 0, **{name: i for i, name in enumerate(NODES, start=1)}}
    per_feature = {"mean", "var", "std", "inv_std", "gamma", "beta"}
    inputs = {"gamma": rows["scaled"], "beta": rows["y"]}
    fig, ax = figure(height=5.6)
    ax.set(xlim=(0, 10), ylim=(len(rows) - 0.4, -0.6))
    ax.axis("off")
    for name, row in {**rows, **inputs}.items():
        left = 0.3 if name in inputs else 3.2
        shape = "(C,)" if name in per_feature else "(m, C)"
        code = f"{name} = {NODES[name]}" if name in NODES else name
        ax.text(
            left,
            row,
            f"{code}   {shape}",
            va="center",
            family="monospace",
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "0.3"},
        )
    arrow = {"arrowstyle": "->", "color": "0.3", "shrinkA": 9, "shrinkB": 9}
    for row in range(len(rows) - 1):
        ax.annotate("", (3.8, row + 1), (3.8, row), arrowprops=arrow)
    # The two values that are used twice: their gradients have two parts to add.
    twice = {**arrow, "color": COLORS[1], "connectionstyle": "arc3,rad=0.6"}
    for start, end in (("x", "centred"), ("centred", "x_hat")):
        ax.annotate("", (3.3, rows[end]), (3.3, rows[start]), arrowprops=twice)
    for row in inputs.values():
        plain = {**arrow, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (3.1, row), (2.25, row), arrowprops=plain)
    return fig


def draw_layouts(
    layouts: Mapping[str, Layout],
    shape: tuple[int, int, int],
    element: tuple[int, int, int],
) -> Figure:
    """Draw which elements of an input share one mean with `element`, for each norm.

    Examples are rows, channels are blocks, positions are the squares of a block.

    Parameters
    ----------
    layouts : mapping of str to Layout
        What to draw, by name.
    shape : tuple of int
        Examples, channels and positions of the input.
    element : tuple of int
        Its place in the input; marked by a dot.
    """
    n, c, length = shape
    fig, axes = figure(
        (len(layouts) + 1) // 2, 2, height=1.5 * ((len(layouts) + 1) // 2)
    )
    for ax, (name, layout) in zip(axes.flat, layouts.items(), strict=False):
        groups = layout.groups.reshape(shape)
        same = groups == groups[element]
        for row, channel, place in np.ndindex(shape):
            color = COLORS[4] if same[row, channel, place] else "0.92"
            corner = (channel * (length + 0.7) + place, row)
            ax.add_patch(Rectangle(corner, 0.9, 0.8, facecolor=color, edgecolor="0.4"))
        row, channel, place = element
        ax.plot(channel * (length + 0.7) + place + 0.45, row + 0.4, "o", color="black")
        ax.set(xlim=(-0.3, c * (length + 0.7)), ylim=(n + 0.1, -0.3), aspect="equal")
        ax.set_title(f"{name}: {same.sum()} share a mean")
        ax.set_xticks([(k + 0.5) * (length + 0.7) - 0.4 for k in range(c)], range(c))
        ax.set_yticks([k + 0.4 for k in range(n)], range(n))
        ax.set(xlabel="channel", ylabel="example")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
    return fig
