"""Helpers for the book's notebooks."""

import ast
import inspect
import textwrap
from collections.abc import Callable

__all__ = ["quiz", "show_source", "source"]


def source(thing: Callable) -> str:
    """Return the source of a function or class without its docstrings."""
    text = textwrap.dedent(inspect.getsource(thing))
    lines = text.splitlines()
    drop: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        first = node.body[0]
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            drop.update(range(first.lineno - 1, first.end_lineno))
    return "\n".join(line for i, line in enumerate(lines) if i not in drop)


def show_source(*things: Callable) -> object:
    """Show source as a highlighted block in a notebook or on a page."""
    from IPython.display import Markdown

    blocks = "\n\n".join(source(thing) for thing in things)
    return Markdown(f"```python\n{blocks}\n```")


def quiz(chapter: str) -> None:
    """Show the quiz of a chapter in a notebook: choose, and read why.

    The output holds all that it needs, also in a page that is made from it. Its script
    is some 50 kB, so that one quiz a page is enough.

    Parameters
    ----------
    chapter : str
        Its two digits, such as ``"02"``.

    Raises
    ------
    LookupError
        If there is no such quiz.
    """
    from IPython.display import HTML, Javascript, display

    from bnlearn.exercises.quizzes.display import page_and_script

    page, script = page_and_script(chapter)
    display(HTML(page))
    display(Javascript(script))
