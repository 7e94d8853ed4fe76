"""The page of misconceptions: its entries, the way to them, and what they refute."""

import ast
import builtins
import re

import jupytext
import pytest

from bnlearn.exercises.beliefs import BEHIND, BELIEFS, PAGE
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.definition import Section

LEAST, LINES, SEEDS = 25, 10, 3
ENTRY = re.compile(
    r"^(?:\((?P<label>\S+)\)=\n)?### (?P<heading>.*)\n(?P<body>(?:(?!^\(\S+\)=$|^##).*\n?)*)",
    re.MULTILINE,
)
CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?P<tags>(?::[^\n]*\n)*)(?P<code>.*?)^```\n?",
    re.MULTILINE | re.DOTALL,
)
TO_CHAPTER = re.compile(r"\]\((\d\d_\w+\.ipynb#[a-z0-9-]+)\)")
TO_ENTRY = re.compile(rf"\]\((?:\.\./)?{PAGE}\.ipynb#([^)\s]+)\)")


def anchors(root):
    """List the headings of all chapters as they stand in links."""
    found = set()
    for path in (root / "book").glob("[0-9][0-9]_*.md"):
        text = path.read_text(encoding="utf-8")
        for heading in re.findall(r"^## (.*)$", text, re.MULTILINE):
            address = Section(path.stem, heading).address
            found.add(address.replace(".html", ".ipynb"))
    return found


def sentences(prose):
    """Count sentences; what is in formulas, code and addresses does not count."""
    words = re.sub(r"\$[^$]*\$|`[^`]*`|\]\([^)]*\)", "", prose)
    return len(re.findall(r"[.!?](?=\s|$)", words.strip()))


def names_of(code):
    """Collect the names that a cell binds, and those that it needs from others."""
    tree = ast.walk(ast.parse(code))
    bound, used = set(), set()
    for node in tree:
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
    return bound, used - bound - set(dir(builtins))


def complaints_about(entry, known, given):
    """Say what is wrong with one entry."""
    label, heading, body = entry["label"], entry["heading"], entry["body"]
    if not re.fullmatch(r"mis-[a-z]+(-[a-z]+)*", label or ""):
        yield f"no label (mis-...)= before {heading}"
    if not re.fullmatch(r"'[^']+[.?!]'", heading):
        yield f"not a sentence in quotes: {heading}"
    cells = list(CELL.finditer(body))
    prose = CELL.sub("", body).strip()
    if not 1 <= sentences(prose) <= 2 or "\n\n" in prose:
        yield f"{label}: {sentences(prose)} sentences, not one or two in a paragraph"
    links = TO_CHAPTER.findall(prose)
    if not links:
        yield f"{label}: no link to a chapter"
    for link in set(links) - known:
        yield f"{label}: no such section as {link}"
    if len(cells) != 1:
        yield f"{label}: {len(cells)} cells"
        return
    if not body.rstrip().endswith("```"):
        yield f"{label}: something stands behind the cell"
    code = cells[0]["code"].strip("\n")
    if len(code.splitlines()) > LINES:
        yield f"{label}: {len(code.splitlines())} lines"
    if not re.search(r"^\s*(assert\b|np\.testing\.assert_)", code, re.MULTILINE):
        yield f"{label}: no assertion"
    if "print(" not in code:
        yield f"{label}: shows nothing"
    yield from complaints_about_names(label, cells[0], given)


def complaints_about_names(label, cell, given):
    """Say what is wrong with randomness, and with names of other cells."""
    bound, needed = names_of(cell["code"])
    if {"rng", "seeds"} & needed:
        if "experiment" not in cell["tags"]:
            yield f"{label}: random, but not tagged as an experiment"
        repeats = re.findall(r"\bseeds\((\d+)\)", cell["code"])
        if not repeats or min(map(int, repeats)) < SEEDS:
            yield f"{label}: fewer than {SEEDS} seeds"
    for name in sorted(needed - given):
        yield f"{label}: {name} is not of the first cell"
    for name in sorted(bound & given):
        yield f"{label}: {name} of the first cell is changed"


def complaints(text, known):
    """Say what is wrong with the page."""
    entries = list(ENTRY.finditer(text))
    if len(entries) < LEAST:
        yield f"{len(entries)} entries"
    labels = [entry["label"] for entry in entries]
    for label in sorted(
        {label for label in labels if labels.count(label) > 1} - {None}
    ):
        yield f"{label}: twice"
    first = CELL.search(text)
    given = names_of(first["code"])[0] if first else set()
    for entry in entries:
        yield from complaints_about(entry, known, given)


@pytest.fixture
def page(root):
    return (root / "book" / f"{PAGE}.md").read_text(encoding="utf-8")


@pytest.fixture
def headings(page):
    return {entry["label"]: entry["heading"] for entry in ENTRY.finditer(page)}


# The page ----------------------------------------------------------------------------


def test_page_keeps_the_rules(page, root):
    assert list(complaints(page, anchors(root))) == []


def test_entries_are_grouped(page):
    first_group, first_entry = page.index("\n## "), page.index("\n### ")
    assert first_group < first_entry
    groups = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert len(groups) >= 5
    assert all(len(ENTRY.findall(group)) >= 2 for group in groups)


def test_parts_are_those_of_the_notebook(page, root, headings):
    # The rules are read off the text; the notebook must have the same entries.
    cells = jupytext.reads(page, fmt="md:myst").cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert len(code) == 1 + len(headings)
    words = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert re.findall(r"^### (.*)$", words, re.MULTILINE) == list(headings.values())


GOOD = """# Page

```{code-cell} ipython3
import numpy as np

from bnlearn.seeds import rng, seeds

batch = np.arange(4.0)
```

## Group

""" + "\n".join(
    f"""(mis-{chr(97 + i)})=
### 'Belief {i} is right.'

It is [not](02_a.ipynb#b), for $a.$ and `b. c`; it never was.

```{{code-cell}} ipython3
:tags: [experiment]

a = [rng(seed).normal() for seed in seeds(3)]
print(a, batch)
assert max(a) < 10
```
"""
    for i in range(25)
)
KNOWN = {"02_a.ipynb#b"}


def test_a_good_page_is_accepted():
    assert list(complaints(GOOD, KNOWN)) == []
    plain = GOOD.replace(":tags: [experiment]\n\n", "").replace(
        "rng(seed).normal()", "1"
    )
    assert list(complaints(plain.replace("seeds(3)", "range(3)"), KNOWN)) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("(mis-b)=\n", "", "no label"),
        ("(mis-b)=\n", "(b)=\n", "no label"),
        ("(mis-b)=\n", "(mis-c)=\n", "mis-c: twice"),
        ("(mis-b)=\n### 'Belief 1", "(mis-b)=\n## 'Belief 1", "24 entries"),
        ("'Belief 1 is right.'", "Belief 1 is right.", "not a sentence in quotes"),
        ("'Belief 1 is right.'", "'Belief 1'", "not a sentence in quotes"),
        (
            "Belief 1 is right.'\n\nIt is",
            "Belief 1 is right.'\n\nNo. No. It is",
            "3 sentences",
        ),
        (
            "Belief 1 is right.'\n\nIt is",
            "Belief 1 is right.'\n\nNo.\n\nIt is",
            "2 sentences",
        ),
        (
            "Belief 1 is right.'\n\nIt is [not](02_a.ipynb#b), for $a.$ and `b. c`; it never was.",
            "Belief 1 is right.'",
            "0 sentences",
        ),
        (
            "Belief 1 is right.'\n\nIt is [not](02_a.ipynb#b)",
            "Belief 1 is right.'\n\nIt",
            "no link",
        ),
        (
            "Belief 1 is right.'\n\nIt is [not](02_a.ipynb#b)",
            "Belief 1 is right.'\n\nIt is [not](02_a.ipynb)",
            "no link",
        ),
        (
            "Belief 1 is right.'\n\nIt is [not](02_a.ipynb#b)",
            "Belief 1 is right.'\n\nIt is [not](02_a.ipynb#c)",
            "no such section",
        ),
        ("(mis-b)=", "More words.\n\n(mis-b)=", "stands behind the cell"),
        ("(mis-b)=", "```{code-cell} ipython3\n1\n```\n\n(mis-b)=", "2 cells"),
    ],
)
def test_planted_fault_of_an_entry_is_seen(old, new, complaint):
    assert GOOD.count(old) == 1
    found = list(complaints(GOOD.replace(old, new), KNOWN))
    assert any(complaint in said for said in found), found


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("assert max(a) < 10", "max(a) < 10", "no assertion"),
        ("print(a, batch)", "a, batch", "shows nothing"),
        ("print(a, batch)\n", "print(a, batch)\n\n\n\n\n\n\n\n\n", "11 lines"),
        (":tags: [experiment]", ":tags: [other]", "not tagged as an experiment"),
        ("seeds(3)", "seeds(2)", "fewer than 3 seeds"),
        (" for seed in seeds(3)", " for seed in (1, 2, 3)", "fewer than 3 seeds"),
        ("print(a, batch)", "print(a, other)", "other is not of the first cell"),
        (
            "print(a, batch)",
            "print(a)\nbatch = a",
            "batch of the first cell is changed",
        ),
    ],
)
def test_planted_fault_of_a_cell_is_seen(old, new, complaint):
    assert GOOD.count(old) == 25
    found = list(complaints(GOOD.replace(old, new, 1), KNOWN))
    assert len(found) == 1 and complaint in found[0], found


def test_cell_that_is_missing_is_seen():
    [cell] = {match[0] for match in CELL.finditer(GOOD.partition("## Group")[2])}
    found = list(complaints(GOOD.replace(cell, "", 1), KNOWN))
    assert found == ["mis-a: 0 cells"]


# The way to it -----------------------------------------------------------------------


def links_of(root):
    """Collect the labels to which each chapter links."""
    found = {}
    for path in sorted((root / "book").glob("[0-9][0-9]_*.md")):
        text = path.read_text(encoding="utf-8")
        found[path.stem] = (f"]({PAGE}.ipynb)" in text, set(TO_ENTRY.findall(text)))
    return found


def test_every_chapter_links_to_the_page_and_to_entries(root):
    assert [name for name, (page, _) in links_of(root).items() if not page] == []
    assert [name for name, (_, labels) in links_of(root).items() if not labels] == []


def test_every_entry_is_linked_from_a_chapter(root, headings):
    linked = set().union(*(labels for _, labels in links_of(root).values()))
    assert linked == set(headings)


def test_links_from_other_pages_lead_somewhere(root, headings):
    for path in (root / "book").rglob("*.md"):
        labels = set(TO_ENTRY.findall(path.read_text(encoding="utf-8")))
        assert labels <= set(headings), path


def test_index_and_contents_have_the_page(root):
    assert f"({PAGE}.ipynb)" in (root / "book" / "index.md").read_text(encoding="utf-8")
    assert f"file: book/{PAGE}.ipynb" in (root / "_toc.yml").read_text(encoding="utf-8")


# Mistakes of the exercises -----------------------------------------------------------


def mistakes():
    return [m for exercise in EXERCISES.values() for m in exercise.mistakes]


def test_beliefs_are_headings_of_the_page(headings):
    for label, words in BELIEFS.items():
        assert headings.get(label, "").strip("'") == words


def test_mistakes_refer_to_beliefs_and_none_is_idle():
    referred = {mistake.misconception for mistake in mistakes()}
    assert referred - {""} == set(BELIEFS)
    assert set(BEHIND.values()) <= set(BELIEFS)
    assert set(BEHIND) <= {mistake.identifier for mistake in mistakes()}
    assert 30 <= sum(bool(m.misconception) for m in mistakes()) <= len(mistakes()) / 5


def test_solutions_link_to_the_beliefs(root):
    path = root / "book" / "exercises" / "solutions.md"
    found = TO_ENTRY.findall(path.read_text(encoding="utf-8"))
    assert found == [m.misconception for m in mistakes() if m.misconception]
