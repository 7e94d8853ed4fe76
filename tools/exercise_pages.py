"""Write the pages of the exercises from their definitions.

`book/exercises/NN_name.md` becomes a notebook like every chapter: stubs to fill in, and
checks. `book/exercises/solutions.md` holds the solutions, folded.

    python tools/exercise_pages.py
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from bnlearn.exercises.beliefs import belief
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.notebook import source
from tools.notebooks import ROOT, write_atomically

EFFORT = {
    1: "type a line or two",
    2: "a few lines",
    3: "think first",
    4: "derive it yourself",
}

HEAD = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Exercises: {title}

These exercises belong to [chapter {number}](../{page}.ipynb). Each asks for one function. Put your
code in the place of `raise NotImplementedError`, run the cell, then run the check below it.

- `check` calls your function on new random inputs. It says which outputs are right, and names the
  mistake if it is one that it knows; if not, it shows a small example. After `v = check("name")`,
  `v.inputs` holds its arguments.
- `hint("name")` gives one hint after the other. They are folded below each exercise too.
- `solution("name")` shows a right answer and why it works. [Solutions](solutions.md) has them all.
- `progress()` shows which exercises you have passed; this is remembered when the notebook is closed.

To run this page, open your own copy with `make lab`.

```{{code-cell}} ipython3
import numpy as np

from bnlearn.exercises import check, hint, progress, solution
from bnlearn.notebook import quiz
```
"""

EXERCISE = """
## {title}

*{effort}, {minutes} minutes. Background: [{heading}](../{address}).*

{text}

```{{code-cell}} ipython3
{stub}
```

```{{code-cell}} ipython3
check("{name}")  # stuck? hint("{name}")
```

{hints}
"""

HINT = """<details><summary>Hint {number}</summary>

{text}

</details>
"""

QUIZ = """
## Quiz

Choose an answer and read why it is right or wrong. A wrong choice is worth reading too: each is
easily believed. Choose again as often as you like; nothing is counted, stored or sent.
The last questions show a program with one mistake in it; `check` would say the same of it. In
JupyterLab, run the cell first.

```{{code-cell}} ipython3
quiz("{number}")
```

## How far you are

```{{code-cell}} ipython3
progress("{number}")
```
"""

SOLUTIONS = """# Solutions

One right answer to every exercise; yours may look quite different and be just as right. Try first.
"""

SOLUTION = """
### {title}

{text}

<details><summary>Solution</summary>

```python
{source}
```

{why}

[The exercise]({page}), [its background](../{address}).

Mistakes that `check` can name:

{mistakes}

</details>
"""


def chapters():
    """Group the exercises by the page of their chapter.

    Returns
    -------
    dict
        Lists of exercises, by page, such as '02_normalization'.
    """
    found = {}
    for exercise in EXERCISES.values():
        found.setdefault(exercise.chapter, []).append(exercise)
    return found


def title_of(page):
    """Read the title of a chapter.

    Parameters
    ----------
    page : str
        Such as '02_normalization'.

    Returns
    -------
    str
        As its heading has it.
    """
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    return re.search(r"^# (.*)$", text, re.MULTILINE)[1]


def filled(text):
    """Turn a text for terminals into a paragraph of Markdown.

    Parameters
    ----------
    text : str
        Words, formulas, and code between backticks.

    Returns
    -------
    str
        Lines of at most 100 characters; stars outside code stay stars.
    """
    parts = text.split("`")
    parts[::2] = [part.replace("*", r"\*") for part in parts[::2]]
    words = "`".join(parts)
    return textwrap.fill(words, 100, break_long_words=False, break_on_hyphens=False)


def listed(mistake):
    """Write a mistake as an item of a list, with a link to the belief behind it.

    Parameters
    ----------
    mistake : Mistake
        One of the bank.

    Returns
    -------
    str
        Markdown.
    """
    item = f"- {filled(mistake.message)}"
    if mistake.misconception:
        item += f"\n  ([a common belief]({belief(mistake.misconception).address}))"
    return item


def notebook_page(page, exercises):
    """Write the text of one notebook of exercises.

    Parameters
    ----------
    page : str
        The chapter's page.
    exercises : list of Exercise
        Its exercises.

    Returns
    -------
    str
        MyST, with cells.
    """
    number, title = page[:2], title_of(page)
    parts = [HEAD.format(title=title[0].lower() + title[1:], number=number, page=page)]
    for exercise in exercises:
        hints = [
            HINT.format(number=k, text=filled(text))
            for k, text in enumerate(exercise.hints, 1)
        ]
        section = exercise.section
        part = EXERCISE.format(
            title=exercise.title,
            effort=EFFORT[exercise.difficulty].capitalize(),
            minutes=exercise.minutes,
            text=filled(exercise.text),
            heading=section.heading,
            address=section.address.replace(".html", ".ipynb"),
            stub=exercise.stub,
            name=exercise.identifier,
            hints="\n".join(hints).rstrip(),
        )
        parts.append(part)
    return "".join([*parts, QUIZ.format(number=number)])


def solutions_page(found):
    """Write the text of the page of solutions.

    Parameters
    ----------
    found : dict
        What `chapters` gives.

    Returns
    -------
    str
        MyST.
    """
    parts = [SOLUTIONS]
    for page, exercises in found.items():
        parts.append(f"\n## Chapter {page[:2]}: {title_of(page)}\n")
        for exercise in exercises:
            mistakes = [listed(mistake) for mistake in exercise.mistakes]
            part = SOLUTION.format(
                title=exercise.title,
                text=filled(exercise.text),
                source=source(exercise.reference),
                why=filled(exercise.why),
                address=exercise.section.address.replace(".html", ".ipynb"),
                page=f"{page}.ipynb",
                mistakes="\n".join(mistakes),
            )
            parts.append(part)
    return "".join(parts)


def pages():
    """Write all pages.

    Returns
    -------
    dict
        Their texts, by path.
    """
    folder = ROOT / "book" / "exercises"
    found = chapters()
    texts = {folder / f"{page}.md": notebook_page(page, found[page]) for page in found}
    return texts | {folder / "solutions.md": solutions_page(found)}


def main():
    """Write what changed."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(Path(path), text)
            print(f"{path.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
