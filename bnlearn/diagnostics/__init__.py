"""Looking for what is wrong with the norms of a network, as practitioners have to.

:func:`diagnose` is also available as ``bnlearn.diagnose``. Networks are watched while
batches run through copies of them, then rules are applied to what was seen.
"""

import itertools
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
from numpy.typing import ArrayLike

from bnlearn.diagnostics.book_models import BookModel
from bnlearn.diagnostics.report import SEVERITIES, Finding, LayerRow, Report
from bnlearn.diagnostics.rules import Seen, find, gap
from bnlearn.diagnostics.watch import Watch
from bnlearn.layers import Layer

__all__ = ["Finding", "LayerRow", "Report", "diagnose"]


def diagnose(
    model: object, data: ArrayLike | Iterable, *, max_batches: int = 8
) -> Report:
    r"""Look for what is wrong with the norms of a network.

    A few batches run through copies of the network. Layer by layer it is then said:
    modes that do not fit together; running statistics that were never updated, are
    impossible, lag, or are far from those of the batches, in both modes or in one (as
    behind dropout); dead and constant channels;
    channels where eps rules; gamma near zero; a bias that the next norm removes; too
    few values per mean; batches that are not mixed; a momentum in the other convention.

    Batch and running statistics are compared channel by channel,

    .. math::

        d = \frac{\mu - R^\mu}{\sqrt{R^v + \epsilon}}, \qquad
        q = \frac{v + \epsilon}{R^v + \epsilon} ,

    with the mean :math:`\mu` and the unbiased variance v of the batches. A channel is
    far off if \|d\| exceeds 0.5, or q is outside 1/2 to 2, *and* either is more than 6
    standard errors away from 0, or 1.

    Parameters
    ----------
    model : bnlearn.layers.Layer or torch.nn.Module
        It stays as it is: nothing is run but copies, without gradients. If it is in
        training mode, the copies run as it would. If not, batch and instance norms of
        the copies use the statistics of the batch, and everything else evaluates: so
        that a norm with wrong statistics does not spoil what the next one is given.
    data : array, tensor, or an iterable of these
        A batch, or a few of them, mixed as those of training. The items of an
        iterable may be tuples such as (x, y), of which the first entry counts.
    max_batches : int
        No more than so many are taken from an iterable.

    Returns
    -------
    Report
        The findings, the worst first; ``report.ok`` if there is no error or warning.
        ``print`` shows a table.

    Raises
    ------
    TypeError
        If `model` is neither kind of network, or `data` holds something else.
    ValueError
        If there are no data, batches do not fit together, `max_batches` is not
        positive, or a layer does not know its shape yet.
    Exception
        What the model itself raises for these data.

    Notes
    -----
    A network of PyTorch may compute in any way: hooks see its modules, and rectifiers
    are also seen if they are called as functions. Only ``nn`` norms and their
    subclasses count as norms. Whether a bias has no effect is not guessed: the
    biases in question are changed, and if no output moves, they have none. Random
    generators of Python, NumPy and PyTorch are put back. Hooks that the module has run
    on the copies, too. Iterating over `data` is the
    one thing that shows: an iterator has moved on by the batches that were taken.

    Examples
    --------
    A network that was trained, with a layer put to sleep:

    >>> import numpy as np
    >>> import bnlearn
    >>> from bnlearn.layers import mlp
    >>> generator = np.random.default_rng(0)
    >>> net = mlp((8, 6, 4), norm=True, generator=generator)
    >>> for _ in range(100):
    ...     y = net(generator.standard_normal((64, 8)))
    >>> x = generator.standard_normal((64, 8))
    >>> bnlearn.diagnose(net, x).ok
    True
    >>> net[1].eval() is net[1]
    True
    >>> report = bnlearn.diagnose(net, x)
    >>> [(finding.layer, finding.kind) for finding in report]
    [('1', 'frozen')]
    """
    family = _family(model)
    with family.random_state_kept(), np.errstate(all="ignore"):
        batches = _batches(family, data, max_batches)
        watch = family.watch()
        for i, x in enumerate(batches):
            _run(family, x, watch, i)
        norms = family.norms()
        biases = _dead_biases(family, batches[0], watch)
        seen = Seen(family.training, norms, watch, biases)
        findings = find(seen)
        if not family.training and any(f.kind == "drift" for f in findings):
            findings = find(seen._replace(awake=_awake(family, batches)))
        rows = tuple(_row(norm, watch) for norm in norms)
    order = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    sizes = tuple(len(x) for x in batches)
    return Report(tuple(order), rows, family.training, sizes)


def _family(model: object) -> BookModel:
    """Find out what kind of network it is, without loading PyTorch for the book's."""
    if isinstance(model, Layer):
        return BookModel(model)
    roots = {base.__module__.split(".")[0] for base in type(model).__mro__}
    if "torch" in roots:
        import torch

        from bnlearn.diagnostics.torch_models import TorchModel

        if isinstance(model, torch.nn.Module):
            return TorchModel(model)
    raise TypeError(
        "diagnose: expected model to be a bnlearn Layer or a torch.nn.Module, "
        f"got {type(model).__name__}"
    )


def _batches(family: BookModel, data: object, most: int) -> list:
    """Collect the batches, and see whether they are any."""
    if not most >= 1:
        raise ValueError(f"diagnose: expected max_batches of at least 1, got {most}")
    if not hasattr(data, "dtype") and not isinstance(data, Iterable):
        raise TypeError(
            "diagnose: expected data to be an array, a tensor or an iterable of "
            f"batches, got {type(data).__name__}"
        )
    items = [data] if hasattr(data, "dtype") else itertools.islice(data, most)
    batches = []
    for i, item in enumerate(items):
        first = item[0] if isinstance(item, tuple | list) and item else item
        if not hasattr(first, "dtype") or not hasattr(first, "shape"):
            raise TypeError(
                f"diagnose: expected batch {i} to be an array, a tensor or a tuple that "
                f"starts with one, got {type(item).__name__}"
            )
        if not len(first.shape) or not first.shape[0]:
            raise ValueError(
                f"diagnose: expected batch {i} to hold examples, "
                f"got shape {tuple(first.shape)}"
            )
        batches.append(family.batch(first))
        if batches[0].ndim != first.ndim:
            raise ValueError(
                "diagnose: expected batches with the same number of axes, got shapes "
                f"{tuple(batches[0].shape)} and {tuple(first.shape)}; for one batch "
                "with its labels, give the batch alone"
            )
    if not batches:
        raise ValueError("diagnose: expected at least one batch, got none")
    return batches


def _run(family: BookModel, x: object, watch: Watch, number: int) -> None:
    """Run one batch; an error of the model is passed on, with a word about it."""
    try:
        family.run(x, watch)
    except Exception as error:
        # Without running statistics a norm cannot go on from one value per channel.
        if watch.stopped is None:
            error.add_note(
                f"diagnose: the model raised this for batch {number}, of shape "
                f"{tuple(x.shape)}; the model is unchanged"
            )
            raise


def _awake(family: BookModel, batches: list) -> Watch | None:
    """Watch the batches in training mode; None if the model refuses them there."""
    watch = family.watch()
    with suppress(Exception):
        for x in batches:
            family.run(x, watch, awake=True)
        return watch
    return None


def _dead_biases(family: BookModel, x: object, watch: Watch) -> dict[str, str]:
    """Change biases that go straight into a norm; name those that nothing comes of.

    All at once first. If that shows in an output, then one by one: the layer may feed
    something else besides the norm.
    """
    shifts = {}
    for norm in watch.biases:
        reading = watch.norms[norm][0]
        if reading.means is None or reading.values < 2 or not reading.finite:
            continue
        channels = np.arange(reading.var.shape[1])
        size = np.sqrt(reading.var.mean(axis=0)) + np.sqrt(reading.eps)
        shifts[norm] = size * (1 + channels / len(channels)) * (-1.0) ** channels
    if not shifts:
        return {}
    layers = watch.biases
    before = family.run(x)
    if _same(before, family.run(x, shifts={layers[n]: s for n, s in shifts.items()})):
        return {norm: layers[norm] for norm in shifts}
    return {
        norm: layers[norm]
        for norm, shift in shifts.items()
        if _same(before, family.run(x, shifts={layers[norm]: shift}))
    }


def _same(before: list, after: list) -> bool:
    """Say whether outputs are the same but for rounding; not if there are none."""
    for (a, resolution), (b, _) in zip(before, after, strict=True):
        # A bias that has an effect moves outputs by about their own size.
        limit = max(1e-3, 64 * resolution) * np.abs(a).max(initial=0)
        if not np.abs(a.astype(np.float64) - b).max(initial=0) <= limit:
            return False
    return bool(before)


def _row(norm: object, watch: Watch) -> LayerRow:
    """Sum a norm up in one row."""
    readings = watch.norms.get(norm.name, [])
    values = min((reading.values for reading in readings), default=None)
    row = (norm.name or "(model)", norm.type, norm.training, values)
    found = gap(norm, readings)
    if found is None:
        return LayerRow(*row)
    root_mean_square = [np.sqrt(np.mean(a**2)) for a in (found.mean, found.mean_error)]
    ratio = np.exp(np.mean(found.log_ratio))
    return LayerRow(*row, *map(float, root_mean_square), float(ratio))
