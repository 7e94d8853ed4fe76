"""Figures can be read on a phone, and without colours."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnlearn import norms, plots
from bnlearn.experiment import sweep


@pytest.fixture(autouse=True)
def own_style():
    assert mpl.get_backend().lower() == "agg"
    with mpl.rc_context():
        yield
    plt.close("all")


def texts(fig):
    fig.canvas.draw()
    return [t for t in fig.findobj(mpl.text.Text) if t.get_text() and t.get_visible()]


def test_width_and_fonts():
    fig, axes = plots.figure(1, 2, height=2, sharey=True)
    assert fig.get_size_inches().tolist() == [4.8, 2]
    assert len(axes) == 2
    for ax in axes:
        ax.set(title="title", xlabel="x", ylabel="y")
        ax.plot([0, 1], [1, 2], label="a")
        ax.legend()
    found = texts(fig)
    assert len(found) > 10
    assert min(t.get_fontsize() for t in found) >= 9
    assert plots.figure()[0].get_size_inches().tolist() == [4.8, 2.8]


def test_background_is_opaque_and_white():
    fig, ax = plots.figure()
    assert fig.get_facecolor() == ax.get_facecolor() == (1, 1, 1, 1)
    assert mpl.rcParams["savefig.facecolor"] == "white"


def test_every_series_differs_in_more_than_colour():
    kinds = list(zip(plots.COLORS, plots.DASHES, plots.MARKERS, strict=True))
    for one in zip(*kinds, strict=True):
        assert len(set(one)) == len(kinds)
    fig, ax = plots.figure()
    lines = [ax.plot([0, 1])[0] for _ in kinds]
    assert len({line.get_color() for line in lines}) == len(kinds)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(kinds)


def test_spread_draws_median_and_range():
    fig, ax = plots.figure()
    runs = [[1, 2, 9], [3, 4, 5], [2, 7, 4]]
    plots.spread(ax, [0, 1, 2], runs, "three runs", index=1)
    [line] = ax.get_lines()
    assert line.get_ydata().tolist() == [2, 4, 5]
    assert line.get_xdata().tolist() == [0, 1, 2]
    assert (line.get_color(), line.get_label()) == (plots.COLORS[1], "three runs")
    assert line.get_marker() == plots.MARKERS[1]
    [band] = ax.collections
    points = {tuple(p) for p in band.get_paths()[0].vertices.tolist()}
    assert {(0, 1), (0, 3), (1, 2), (1, 7), (2, 4), (2, 9)} <= points
    assert ax.get_legend_handles_labels()[1] == ["three runs"]
    long = np.random.default_rng(0).random((2, 200))
    plots.spread(ax, np.arange(200), long, "long")
    fig.canvas.draw()


def test_draw_sweep_gives_each_label_its_line_and_spread():
    fig, ax = plots.figure()
    # (labels, positions, seeds): all three sizes differ.
    results = np.arange(24.0).reshape(2, 3, 4) ** 2
    plots.draw_sweep(ax, [1, 10, 100], results, [0.5, "plain"])
    lines = ax.get_lines()
    for line, values, band, index in zip(
        lines, results, ax.collections, range(2), strict=True
    ):
        assert line.get_xdata().tolist() == [1, 10, 100]
        assert line.get_ydata().tolist() == np.median(values, axis=1).tolist()
        points = {tuple(p) for p in band.get_paths()[0].vertices.tolist()}
        for x, row in zip([1, 10, 100], values.tolist(), strict=True):
            assert {(x, min(row)), (x, max(row))} <= points
        assert line.get_color() == plots.COLORS[index]
        assert line.get_marker() == plots.MARKERS[index]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["0.5", "plain"]
    assert min(t.get_fontsize() for t in texts(fig)) >= 9


def test_draw_sweep_takes_what_sweep_returns():
    fig, ax = plots.figure()

    def run(kind, size, seed):
        return kind * size + seed

    found = sweep(run, [0, 1, 5], kind=(1, 2), size=(3, 4, 5, 6), progress=False)
    plots.draw_sweep(ax, (3, 4, 5, 6), found, ["one", "two"])
    assert [line.get_ydata().tolist() for line in ax.get_lines()] == [
        [4, 5, 6, 7],
        [7, 9, 11, 13],
    ]
    with pytest.raises(ValueError):
        plots.draw_sweep(ax, (3, 4, 5, 6), found, ["one"])


def test_the_picture_of_the_axes_marks_who_shares_a_mean():
    shape, element = (3, 4, 2), (1, 2, 0)
    layouts = {
        "batch": norms.batch_layout(shape),
        "layer": norms.layer_layout(shape, shape[1:]),
        "instance": norms.instance_layout(shape),
        "group": norms.group_layout(shape, 2),
    }
    fig = plots.draw_layouts(layouts, shape, element)
    # By hand: (examples, channels) whose positions share a mean with the element.
    expected = {
        "batch": {(0, 2), (1, 2), (2, 2)},
        "layer": {(1, 0), (1, 1), (1, 2), (1, 3)},
        "instance": {(1, 2)},
        "group": {(1, 2), (1, 3)},
    }
    marked_color = mpl.colors.to_rgba(plots.COLORS[4])
    for ax, (name, cells) in zip(fig.axes, expected.items(), strict=True):
        marked = [p.get_facecolor() == marked_color for p in ax.patches]
        places = list(np.ndindex(shape))
        assert {p[:2] for p, m in zip(places, marked, strict=True) if m} == cells
        assert ax.get_title() == f"{name}: {2 * len(cells)} share a mean"
    assert min(t.get_fontsize() for t in texts(fig)) >= 9


def test_computation_graph_is_readable():
    fig = plots.computation_graph()
    assert fig.get_size_inches()[0] == 4.8
    assert min(t.get_fontsize() for t in texts(fig)) >= 8
