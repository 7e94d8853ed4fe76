"""Source code as the book shows it."""

import numpy as np

from bnlearn import batch_norm_backward
from bnlearn.core import standardize
from bnlearn.layers import BatchNorm, ReLU
from bnlearn.notebook import show_source, source


def documented(a):
    """Say something.

    At length.
    """
    text = """not a docstring"""

    def inner(b):
        """Inner words."""
        return b  # a comment stays

    return text, inner(a)


class Shown:
    """Words about the class."""

    size = 3

    def method(self):
        """Words about the method."""
        return self.size

    def only_words(self):
        """Nothing else would be left."""


def test_docstrings_go_and_all_else_stays():
    assert source(documented) == (
        "def documented(a):\n"
        '    text = """not a docstring"""\n'
        "\n"
        "    def inner(b):\n"
        "        return b  # a comment stays\n"
        "\n"
        "    return text, inner(a)"
    )
    shown = source(Shown)
    assert "Words" not in shown
    assert '"""Nothing else would be left."""' in shown
    assert "return self.size" in shown


def test_methods_are_dedented():
    assert source(ReLU.forward).startswith("def forward(self, x")


def test_shown_source_is_what_runs():
    x = np.random.default_rng(0).standard_normal((6, 3))
    for thing in (standardize, batch_norm_backward, BatchNorm):
        text = source(thing)
        assert "Parameters\n" not in text
        namespace = dict(vars(__import__(thing.__module__, fromlist=["_"])))
        exec(compile(text, "shown", "exec"), namespace)  # noqa: S102
        assert namespace[thing.__name__] is not thing
    np.testing.assert_array_equal(namespace["BatchNorm"](3)(x), BatchNorm(3)(x))


def test_show_source_is_a_highlighted_block():
    shown = show_source(ReLU.forward, ReLU.backward).data
    assert shown.startswith("```python\ndef forward(")
    assert shown.endswith("\n```")
    assert "\n\ndef backward(" in shown
