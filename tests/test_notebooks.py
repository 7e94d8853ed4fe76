"""The chapters' notebooks, and the tool that makes them."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from tools import exercise_pages, lab, notebooks

ROOT = notebooks.ROOT
TEXTS = notebooks.chapters()
NOTEBOOKS = [text.with_suffix(".ipynb") for text in TEXTS]

PAGES = [path for path in NOTEBOOKS if path.parent.name == "book"]
CHAPTERS = [path for path in PAGES if path.name[:2].isdigit()]


def name(path):
    return path.relative_to(ROOT / "book").with_suffix("").as_posix()


each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
each_page = pytest.mark.parametrize("path", PAGES, ids=name)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=name)

TYPED_SEED = re.compile(
    r"\b(?:default_rng|manual_seed|RandomState|random\.seed|rng)\(\s*\d"
    r"|\b(?:seed|random_state)\s*=\s*\d"
)
UNSTABLE = re.compile(r"\bat 0x[0-9a-f]{6}|/(?:tmp|home|root|Users)/|<script")


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def counts_complaint(notebook):
    """Say what is wrong with the execution counts: they have to run 1..n."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        return f"execution counts are {counts}: run `make notebooks`"
    return None


def printed(cell):
    """Collect what a cell shows as text."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif "image/png" not in output.data:
            parts += [str(output.data[kind]) for kind in sorted(output.data)]
    return "".join(parts)


def shows_image(cell):
    return any("image/png" in output.get("data", {}) for output in cell.outputs)


def content(notebook):
    return [(c.cell_type, c.source, dict(c.metadata)) for c in notebook.cells]


# The chapters -------------------------------------------------------------------------


def test_texts_and_notebooks_are_pairs():
    found = {p for p in (ROOT / "book").rglob("*.ipynb") if ".ipynb_" not in str(p)}
    assert found == set(NOTEBOOKS)


@each_notebook
def test_pair_holds_the_same_cells(path):
    text = jupytext.read(path.with_suffix(".md"))
    assert content(read(path)) == content(text), "run `make notebooks`"


def torn_formulas(text):
    """Lines that are part of a formula, and begin like an item of a list."""
    dollars, code, found = 0, False, []
    for line in text.splitlines():
        code ^= line.lstrip().startswith("```")
        if code or not line.strip():
            dollars = 0
        elif dollars % 2 and re.match(r"\s*([-+*]|\d+[.)])\s", line):
            found.append(line)
        dollars += line.replace("$$", "").count("$")
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "book").glob("**/*.md")), ids=lambda p: p.stem
)
def test_no_formula_is_taken_for_a_list(path):
    assert torn_formulas(path.read_text(encoding="utf-8")) == []


def test_a_torn_formula_is_seen():
    assert torn_formulas("so $a\n- b$ is") == ["- b$ is"]
    assert torn_formulas("so $a$\n- $b$ is\n1. $c$") == []


@each_notebook
def test_execution_counts_run_from_one(path):
    assert counts_complaint(read(path)) is None


@each_notebook
def test_notebook_is_up_to_date(path):
    assert not notebooks.is_stale(path.with_suffix(".md")), "run `make notebooks`"


@each_notebook
def test_metadata_is_the_same_on_every_machine(path):
    metadata = read(path).metadata
    assert set(metadata) == {"bnlearn", "kernelspec", "language_info"}
    assert metadata.kernelspec.name == "python3"
    assert metadata.language_info == {"name": "python"}


@each_notebook
def test_outputs_are_clean(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
        shown = printed(cell)
        if cell.source.startswith("quiz("):  # its script stands in the page
            shown = shown.replace("<script", "")
        assert not UNSTABLE.search(shown), cell.source
        assert str(ROOT) not in printed(cell)


@each_notebook
def test_every_cell_is_verified(path):
    for cell in code_cells(read(path)):
        assert "NBVAL" not in cell.source.upper().replace("-", "_")
        assert not [t for t in tags(cell) if t.startswith(("nbval", "raises"))]


@each_notebook
def test_code_avoids_known_traps(path):
    for cell in code_cells(read(path)):
        # nbval prints what IPython would silence: write `_ = ax.plot(...)`.
        assert not cell.source.rstrip().endswith(";"), cell.source
        assert "tqdm.auto" not in cell.source
        # A seed that is typed cannot be changed from outside: use bnlearn.seeds.
        assert not TYPED_SEED.search(cell.source), cell.source


@each_notebook
def test_figures_have_words_and_a_number(path):
    seen = set()
    for cell in filter(shows_image, code_cells(read(path))):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
        assert alt, f"no alternative text:\n{cell.source}"
        assert alt not in seen, f"twice: {alt}"
        seen.add(alt)
        # nbval does not compare images, so that a printed line has to be verified.
        assert printed(cell).strip(), f"prints nothing:\n{cell.source}"


@each_page
def test_page_has_experiments_that_print(path):
    experiments = [c for c in code_cells(read(path)) if "experiment" in tags(c)]
    assert experiments
    assert all(printed(cell).strip() for cell in experiments)


@pytest.mark.slow
@each_page
def test_second_seed_changes_every_experiment(path):
    stored = read(path)
    other = copy.deepcopy(stored)
    notebooks.execute(other, path.parent, seed=1)
    for before, after in zip(code_cells(stored), code_cells(other), strict=True):
        if "experiment" in tags(before):
            assert printed(before) != printed(after), before.source


# The exercises ------------------------------------------------------------------------


@each_chapter
def test_chapter_has_a_page_of_exercises(path):
    assert (path.parent / "exercises" / path.name).exists()
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"](exercises/{path.name})" in text


def test_pages_of_exercises_follow_their_definitions():
    for path, text in exercise_pages.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `make notebooks`"


def test_unsolved_exercises_are_not_attempted():
    for path in set(NOTEBOOKS) - set(PAGES):
        checks = [c for c in code_cells(read(path)) if c.source.startswith("check(")]
        assert len(checks) >= 4
        for cell in checks:
            assert printed(cell).count("not attempted: ") == 1


# The tool -----------------------------------------------------------------------------

CHAPTER = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

```{code-cell} ipython3
import bnlearn

print(bnlearn.VALUE)
```

Some words.

```{code-cell} ipython3
:tags: [experiment]

print("done")
```
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a repository with one chapter and a package of one line."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "01_a.md").write_text(CHAPTER, encoding="utf-8")
    (tmp_path / "book" / "index.md").write_text("# No chapter", encoding="utf-8")
    (tmp_path / "bnlearn").mkdir()
    (tmp_path / "bnlearn" / "__init__.py").write_text("VALUE = 'old'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def make(project, *arguments):
    return notebooks.main(["--root", str(project), *arguments])


def test_package_change_reaches_the_outputs(project):
    path = project / "book" / "01_a.ipynb"
    assert make(project) == 0
    before = read(path)
    assert [printed(c).strip() for c in code_cells(before)] == ["old", "done"]
    assert counts_complaint(before) is None

    (project / "bnlearn" / "__init__.py").write_text("VALUE = 'new'\n")
    assert make(project) == 0
    after = read(path)
    assert [printed(c).strip() for c in code_cells(after)] == ["new", "done"]
    assert [c.id for c in after.cells] == [c.id for c in before.cells]
    assert {p.name for p in path.parent.iterdir()} == {
        "01_a.ipynb",
        "01_a.md",
        "index.md",
    }


def test_only_stale_notebooks_run_and_runs_repeat(project, capsys):
    path = project / "book" / "01_a.ipynb"
    make(project)
    first, stamp = path.read_bytes(), path.stat().st_mtime_ns
    make(project, "book/01_a.md")
    assert "up to date" in capsys.readouterr().out
    assert path.stat().st_mtime_ns == stamp
    make(project, "--force")
    assert path.stat().st_mtime_ns != stamp
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "line", ["raise KeyError('planted')", "__import__('warnings').warn('planted')"]
)
def test_failing_cell_is_shown_and_changes_nothing(project, capsys, line):
    path = project / "book" / "01_a.ipynb"
    path.write_text(nbformat.writes(nbformat.v4.new_notebook()), encoding="utf-8")
    before = path.read_bytes()
    text = project / "book" / "01_a.md"
    text.write_text(CHAPTER.replace('print("done")', line), encoding="utf-8")
    assert make(project) == 1
    shown = capsys.readouterr().err
    assert line in shown and "planted" in shown and "Traceback" in shown
    assert path.read_bytes() == before
    assert not list(project.rglob("*.tmp"))


def test_exercises_do_not_make_a_chapter_stale(project):
    folder = project / "bnlearn" / "exercises"
    folder.mkdir()
    text = project / "book" / "01_a.md"
    before = notebooks.inputs_hash(text, project)
    (folder / "check.py").write_text("new = 1")
    assert notebooks.inputs_hash(text, project) == before
    text.write_text(CHAPTER + "\nbnlearn.exercises\n", encoding="utf-8")
    before = notebooks.inputs_hash(text, project)
    (folder / "check.py").write_text("new = 2")
    assert notebooks.inputs_hash(text, project) != before


def test_unknown_chapter_is_refused(project):
    with pytest.raises(SystemExit, match="no such chapter.*09_z"):
        make(project, "09_z")


def test_unexecuted_notebook_is_seen():
    notebook = jupytext.reads(CHAPTER, fmt="md:myst")
    assert "None" in counts_complaint(notebook)


def test_strict_nbval_sees_a_wrong_output(project):
    path = project / "book" / "01_a.ipynb"
    make(project)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--nbval", "--rootdir", str(project), str(path)]

    def nbval():
        return subprocess.run(
            command, cwd=project, capture_output=True, text=True, check=False
        )

    good = nbval()
    assert good.returncode == 0, good.stdout
    notebook = read(path)
    code_cells(notebook)[1].outputs[0].text = "wrong\n"
    nbformat.write(notebook, path)
    assert "1 failed, 1 passed" in nbval().stdout


def test_reader_keeps_what_is_in_work(tmp_path):
    source, target = tmp_path / "book", tmp_path / "work"
    (source / "_static").mkdir(parents=True)
    for name in ("01_a.ipynb", "01_a.md", "02_b.ipynb", "page.md", "_static/x.png"):
        (source / name).write_text("from the book")
    target.mkdir()
    (target / "01_a.ipynb").write_text("mine")
    assert lab.fill(source, target) == [Path("02_b.ipynb"), Path("page.md")]
    assert (target / "01_a.ipynb").read_text() == "mine"
    assert lab.fill(source, target) == []
