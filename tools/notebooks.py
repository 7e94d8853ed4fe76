"""Make the notebooks of the book from their MyST texts.

A chapter is a pair in `book/`: `NN_name.md` is edited, `NN_name.ipynb` is made from
it here: converted by jupytext, executed in a fresh kernel and written with its
outputs. A notebook is made again when its text or any module of the package changed.

    python tools/notebooks.py                    # whatever is stale
    python tools/notebooks.py 04_backward_pass   # that chapter, if it is stale
    python tools/notebooks.py --force            # everything
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from jupytext.combine import map_outputs_to_inputs
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
# Every warning is an error, but for one that the kernel gives about itself as it ends.
KERNEL_WARNINGS = "error,ignore::PendingDeprecationWarning:ipykernel.kernelbase"
# Parts of the package that no chapter runs.
AROUND_EXERCISES = ("exercises", "cli.py", "grading.py", "workspace.py")
FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)


def chapters(root=ROOT):
    """List the MyST texts that become notebooks: those that name a kernel.

    Parameters
    ----------
    root : pathlib.Path
        The repository.

    Returns
    -------
    list of pathlib.Path
        Sorted, so that chapters come in the order of their numbers.
    """
    found = []
    for path in sorted((Path(root) / "book").rglob("*.md")):
        head = FRONT_MATTER.match(path.read_text(encoding="utf-8"))
        if head and re.search(r"^kernelspec:", head[1], re.MULTILINE):
            found.append(path)
    return found


def inputs_hash(text_path, root=ROOT):
    """Hash what a notebook is made from: its text and the package.

    The exercises and what serves them count only where the text names them.

    Parameters
    ----------
    text_path : pathlib.Path
        The chapter's `.md` file.
    root : pathlib.Path
        The repository, whose `bnlearn/` is hashed.

    Returns
    -------
    str
        A SHA-256 in hexadecimal.
    """
    text = Path(text_path).read_bytes()
    digest = hashlib.sha256(text)
    package = Path(root) / "bnlearn"
    skipped = () if b"bnlearn.exercises" in text else AROUND_EXERCISES
    for module in sorted(package.rglob("*.py")):
        if module.relative_to(package).parts[0] in skipped:
            continue
        digest.update(module.relative_to(package).as_posix().encode())
        digest.update(module.read_bytes())
    return digest.hexdigest()


def is_stale(text_path, root=ROOT):
    """Tell whether a chapter's notebook is missing or older than its inputs.

    Parameters
    ----------
    text_path : pathlib.Path
        The chapter's `.md` file.
    root : pathlib.Path
        The repository.

    Returns
    -------
    bool
        True when the notebook has to be made again.
    """
    notebook_path = Path(text_path).with_suffix(".ipynb")
    if not notebook_path.exists():
        return True
    stored = nbformat.read(notebook_path, as_version=4).metadata.get("bnlearn", {})
    return stored.get("inputs") != inputs_hash(text_path, root)


def convert(text_path):
    """Turn a MyST text into a notebook without outputs.

    Cells that the existing notebook has already keep their ids, so that a diff shows
    what changed and nothing else.

    Parameters
    ----------
    text_path : pathlib.Path
        The chapter's `.md` file.

    Returns
    -------
    nbformat.NotebookNode
        The notebook, not executed.
    """
    text_path = Path(text_path)
    notebook = jupytext.read(text_path)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    existing = text_path.with_suffix(".ipynb")
    if existing.exists():
        old = nbformat.read(existing, as_version=4)
        matches = map_outputs_to_inputs(notebook.cells, old.cells)
        for cell, match in zip(notebook.cells, matches, strict=True):
            if match is not None:
                cell.id = old.cells[match].id
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    return notebook


def kernel_environment(seed=0):
    """Give the environment in which the kernels of the book run.

    Warnings are errors, because the text of a warning names temporary files. Progress
    bars are off, because they print times. Figures are drawn inline.

    Parameters
    ----------
    seed : int
        The value of `BNLEARN_SEED`.

    Returns
    -------
    dict
        A changed copy of `os.environ`.
    """
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return env | {
        "BNLEARN_SEED": str(seed),
        "PYTHONWARNINGS": KERNEL_WARNINGS,
        "TQDM_DISABLE": "1",
    }


def execute(notebook, folder, *, seed=0, timeout=600):
    """Run every cell of a notebook in a fresh kernel; the outputs are put into it.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.
    folder : pathlib.Path
        The working directory of the kernel.
    seed : int
        The value of `BNLEARN_SEED`.
    timeout : int
        Seconds that one cell may take.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises; the message holds the cell and its traceback.
    """
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    with tempfile.TemporaryDirectory() as other:  # what the user did is not touched
        progress = {"BNLEARN_PROGRESS_FILE": str(Path(other, "progress.json"))}
        client.execute(env=kernel_environment(seed) | progress)
    # The kernel reports its exact Python version, which would differ in every clone.
    notebook.metadata["language_info"] = {"name": "python"}


def write_atomically(path, text):
    """Write a file so that readers see the old text or the new one, never a part.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    text : str
        Its new content.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes files that only the owner reads
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def make(text_path, root=ROOT):
    """Convert, execute and write one chapter.

    Parameters
    ----------
    text_path : pathlib.Path
        The chapter's `.md` file.
    root : pathlib.Path
        The repository.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises; the old notebook stays as it was.
    """
    text_path = Path(text_path)
    inputs = inputs_hash(text_path, root)  # before the run: an edit during it is stale
    notebook = convert(text_path)
    execute(notebook, text_path.parent)
    notebook.metadata["bnlearn"] = {"inputs": inputs}
    nbformat.validate(notebook)
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    write_atomically(text_path.with_suffix(".ipynb"), text)


def select(names, root=ROOT):
    """Find the chapters that were named on the command line.

    Parameters
    ----------
    names : list of str
        File names, with or without folder and ending; none means all chapters.
    root : pathlib.Path
        The repository.

    Returns
    -------
    list of pathlib.Path
        The texts.
    """
    texts = chapters(root)
    wanted = [Path(name).stem for name in names]
    unknown = set(wanted) - {text.stem for text in texts}
    if unknown:
        raise SystemExit(f"no such chapter in book/: {', '.join(sorted(unknown))}")
    return [text for text in texts if not wanted or text.stem in wanted]


def main(arguments=None):
    """Make the notebooks that the command line asks for.

    Parameters
    ----------
    arguments : list of str, optional
        The command line; `sys.argv` if None.

    Returns
    -------
    int
        1 if a cell failed, else 0.
    """
    parser = argparse.ArgumentParser(description="Make the notebooks of the book.")
    parser.add_argument("--force", action="store_true", help="also what is up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="chapters (default: all)")
    options = parser.parse_args(arguments)
    failed = 0
    for text in select(options.names, options.root):
        name = text.relative_to(options.root / "book").with_suffix("").as_posix()
        if not options.force and not is_stale(text, options.root):
            print(f"{name}: up to date", flush=True)
            continue
        start = time.perf_counter()
        try:
            make(text, options.root)
        except CellExecutionError as error:
            failed = 1
            print(f"{name}: a cell failed\n{error}", file=sys.stderr, flush=True)
        else:
            seconds = time.perf_counter() - start
            print(f"{name}: made in {seconds:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
