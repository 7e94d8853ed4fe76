"""Looking for what is wrong with the norms of a network, as practitioners have to.

:func:`diagnose` is also available as ``bnlearn.diagnose``. Networks are watched while
batches run through copies of them, then rules are applied to what was seen.
"""

import itertools
from collections.abc import Iterable, Mapping
from contextlib import suppress
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnlearn.diagnostics.book_models import BookModel
from bnlearn.diagnostics.gap import gap
from bnlearn.diagnostics.report import SEVERITIES, Finding, LayerRow, Report
from bnlearn.diagnostics.rules import Seen, find
from bnlearn.diagnostics.watch import NormState, Watch
from bnlearn.layers import Layer

__all__ = ["Finding", "LayerRow", "Report", "diagnose"]

# What some messages end with.
ONE_INPUT = "one array or tensor per batch; wrap a model of several inputs"
LABELS = "for one batch with its labels, give the batch alone or [(x, y)]"


def diagnose(
    model: object, data: ArrayLike | Iterable, *, max_batches: int = 8
) -> Report:
    r"""Look for what is wrong with the norms of a network.

    A few batches run through copies of the network. Layer by layer it is then said:
    modes that do not fit together; running statistics that are missing, were never
    updated, or are not those of the batches (in one mode alone, as behind dropout); dead
    and constant channels, and those where eps rules; gamma near zero; a bias that the
    next norm removes; too few values per mean; batches that are not mixed; a momentum in
    the other convention; numbers that are not finite.

    Batch and running statistics are compared channel by channel,

    .. math::

        d = \frac{\mu - R^\mu}{\sqrt{R^v + \epsilon}}, \qquad
        q = \frac{v + \epsilon}{R^v + \epsilon} ,

    with the mean :math:`\mu` and the unbiased variance v of the batches. A channel is
    far off if \|d\| exceeds 0.5, or q is outside 1/2 to 2, *and* either is more than 6
    standard errors away from 0, or 1. A layer is named if a quarter of its channels
    are far off, or one of them has \|d\| above 1.5, or q outside 1/20 to 20. A
    comparison takes 16 examples, over all batches.

    Parameters
    ----------
    model : bnlearn.layers.Layer or torch.nn.Module
        It stays as it is: nothing is run but copies, without gradients. If it is in
        training mode, the copies run as it would. If not, batch and instance norms of
        the copies use the statistics of the batch, and everything else evaluates: so
        that a norm with wrong statistics does not spoil what the next one is given.
    data : array, tensor, or an iterable of these
        A batch, or a few of them, mixed as those of training. The items of an
        iterable may be tuples such as (x, y), of which the first entry counts. A
        single such pair is given as [(x, y)]: (x, y) alone means two batches, which
        is refused only if shapes or dtypes differ. There is one array or tensor per
        batch; wrap a model of several inputs.
    max_batches : int
        No more than so many are taken from an iterable.

    Returns
    -------
    Report
        The findings, the worst first, then in the order of the network; ``report.ok``
        if there is no error or warning. ``print`` shows a table.

    Raises
    ------
    TypeError
        If `model` is neither kind of network, is scripted, or cannot be copied, or if
        `data` holds something else.
    ValueError
        If there are no data, batches do not fit together, `max_batches` is not a
        positive integer, or `model` is lazy and has not been run.
    Exception
        What the model itself raises for these data.

    Notes
    -----
    A network of PyTorch may compute in any way: hooks see its modules. Dead units are
    looked for at ``nn.ReLU``, ``nn.ReLU6``, ``relu`` and ``relu6`` however called (not
    ``clamp`` or ``leaky_relu``). Only ``nn`` norms and their
    subclasses count as norms; of one that is called several times per batch, the first
    call. Whether a bias has no effect is not guessed: it is changed in a copy, and if
    no output moves, it has none. PyTorch's random generators are put back; those
    of NumPy and Python move on if the model draws from them, and so does a generator
    that belongs to a ``DataLoader``. Forward hooks of yours run on the copies, too.

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
    [('1', 'mode')]
    """
    network = _network(model)
    with network.random_state_kept(), np.errstate(all="ignore"):
        batches = _batches(network, data, max_batches)
        watch, awake = Watch(network.array), None
        outputs = [_run(network, x, watch, i) for i, x in enumerate(batches)]
        if not network.training:
            awake = Watch(network.array)
            with suppress(Exception):  # a model may refuse to train without targets
                for x in batches:
                    network.run(x, awake, awake=True)
        norms, biases = network.norms(), _dead_biases(network, batches[0], watch)
        seen = Seen(network.training, norms, watch, awake, biases, _varied(outputs))
        findings = find(seen)
        rows = tuple(_row(norm, watch) for norm in norms)
    last = len(watch.places)
    findings.sort(
        key=lambda f: (SEVERITIES.index(f.severity), watch.places.get(f.layer, last))
    )
    sizes = tuple(len(x) for x in batches)
    return Report(tuple(findings), rows, network.training, sizes)


def _network(model: object) -> BookModel:
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


def _batches(network: BookModel, data: object, most: int) -> list:
    """Collect the batches, and see whether they are any."""
    if not isinstance(most, Integral) or most < 1:
        raise ValueError(
            f"diagnose: expected an integer max_batches of at least 1, got {most!r}"
        )
    several = isinstance(data, Iterable) and not isinstance(data, Mapping)
    if not hasattr(data, "dtype") and not several:
        raise TypeError(
            "diagnose: expected data to be an array, a tensor or an iterable of "
            f"batches, got {type(data).__name__}; {ONE_INPUT}"
        )
    if isinstance(data, tuple | list) and len(data) == 2:
        _two_batches(*data)
    items = [data] if hasattr(data, "dtype") else itertools.islice(data, most)
    batches = [_batch(network, item, i) for i, item in enumerate(items)]
    if len({x.ndim for x in batches}) != 1:
        shapes = [tuple(x.shape) for x in batches]
        raise ValueError(
            "diagnose: expected at least one batch, all with as many axes, got shapes "
            f"{shapes}; {LABELS}"
        )
    return batches


def _two_batches(a: object, b: object) -> None:
    """Refuse (x, y) in place of [(x, y)], where it can be told."""
    if all(hasattr(part, "dtype") and hasattr(part, "shape") for part in (a, b)) and (
        a.dtype != b.dtype or a.shape[1:] != b.shape[1:]
    ):
        raise ValueError(
            f"diagnose: expected two batches that fit together, got {a.dtype} of shape "
            f"{tuple(a.shape)} and {b.dtype} of shape {tuple(b.shape)}; {LABELS}"
        )


def _batch(network: BookModel, item: object, number: int) -> object:
    """Make of an item of the data what the network is given."""
    first = item[0] if isinstance(item, tuple | list) and item else item
    if not hasattr(first, "dtype") or not hasattr(first, "shape"):
        raise TypeError(
            f"diagnose: expected batch {number} to be an array, a tensor or a tuple "
            f"that starts with one, got {type(item).__name__}; {ONE_INPUT}"
        )
    if not len(first.shape) or not first.shape[0]:
        raise ValueError(
            f"diagnose: expected batch {number} to hold examples, "
            f"got shape {tuple(first.shape)}"
        )
    try:
        return network.batch(first)
    except Exception as error:
        raise TypeError(
            f"diagnose: expected batch {number} to hold numbers that the model's "
            f"library knows, got {first.dtype} of shape {tuple(first.shape)}"
        ) from error


def _run(network: BookModel, x: object, watch: Watch, number: int) -> list[NDArray]:
    """Run one batch; an error of the model is passed on, with a word about it."""
    try:
        return network.run(x, watch)
    except Exception as error:
        hint = f"; {LABELS}" if number == 1 else ""
        if not str(error).startswith("diagnose:"):
            error.add_note(
                f"diagnose: the model raised this for batch {number}, of shape "
                f"{tuple(x.shape)}; the model is unchanged{hint}"
            )
        raise


def _varied(outputs: list[list[NDArray]]) -> bool:
    """Say whether any output differs between examples, or none can be seen."""
    several = [
        1.0 * y for ys in outputs for y in ys if y.ndim and y.size and len(y) > 1
    ]
    differ = [np.abs(y - y[:1]).max() > 1e-6 * np.abs(y).max() for y in several]
    return any(differ) or not several


def _dead_biases(network: BookModel, x: object, watch: Watch) -> dict[str, str]:
    """Change biases that go straight into a norm; name those that nothing comes of."""

    def outputs(shifts: dict[str, NDArray]) -> list[NDArray]:
        return network.run(x, Watch(network.array), shifts)

    before, dead = outputs({}), {}
    for norm, layer in watch.biases.items():
        shift = np.sqrt(watch.norms[norm][0].var.mean(axis=0))
        if _same(before, outputs({layer: shift})):
            dead[norm] = layer
    return dead


def _same(before: list[NDArray], after: list[NDArray]) -> bool:
    """Say whether outputs are the same but for rounding, that of float16 included.

    A bias that has an effect moves them by about their own size.
    """
    return bool(before) and all(
        np.abs(a.astype(np.float64) - b).max() <= 0.05 * np.abs(a).max()
        for a, b in zip(before, after, strict=True)
    )


def _row(norm: NormState, watch: Watch) -> LayerRow:
    """Sum a norm up in one row."""
    readings = watch.norms.get(norm.name, [])
    values = min((reading.values for reading in readings), default=None)
    row = (norm.name or "(model)", norm.type, norm.training, values)
    found = gap(norm, readings)
    if found is None:
        return LayerRow(*row)
    mean_off = np.sqrt(np.mean(found.mean**2))
    return LayerRow(*row, float(mean_off), float(np.exp(np.mean(found.log_ratio))))
