"""Refresh the pins: the requirements and constraints.txt.

The first two lists below hold what the book and its tests import or start, with a bound
where a newer release does not fit. pip resolves them together; what was asked for goes
into the requirements with its exact version, all that came along into the constraints.
The third list has an environment of its own, and one file for everything in it.

    python tools/pins.py

Run it with the oldest Python that is supported: a newer one may choose what the oldest
cannot install.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BOOK = [
    "jupyter-book==1.0.4.post1",  # 2.x is another program
    "matplotlib",
    "numpy>=2",
    "setuptools",
    "sphinx==7.4.*",  # the newest that jupyter-book 1.x allows
    "sphinx-mathjax-offline",
    "sphinxcontrib-bibtex",
]
REST = [
    "beautifulsoup4",
    "expecttest",  # torch.testing._internal, where PyTorch's own samples are, needs it
    "hypothesis",
    "ipykernel",
    "jupyterlab",
    "jupyterquiz",
    "jupytext",
    "nbclient",
    "nbformat",
    "nbval",
    "onnx",
    "packaging",
    "platformdirs",
    "playwright",
    "pytest",
    "pytest-benchmark",
    "PyYAML",
    "ruff",
    "scikit-learn",
    "sympy",
    "torch==2.13.0",
    "tqdm",
]
# The graders that `make test-exports` runs; numpy is the one of the book.
EXPORTS = [
    "nbgrader",
    "otter-grader",
    "platformdirs",
    "pytest",
    "setuptools",
]

# What torch brings for its GPU builds: it pins these itself, and they differ by system.
NOT_PINNED = re.compile(r"nvidia-|cuda-|triton$")
HEAD = "# Made by `make pins` (tools/pins.py); do not edit.\n"


def name_of(requirement):
    """Give the name in a requirement in the normal form of package indexes.

    Parameters
    ----------
    requirement : str
        A name, perhaps with a bound.

    Returns
    -------
    str
        In lower case, with hyphens.
    """
    name = re.match(r"[\w.-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def without_label(version):
    """Take off a local version label: `2.13.0+cpu` exists on one index only.

    Parameters
    ----------
    version : str
        As pip reports it.

    Returns
    -------
    str
        The public version.
    """
    return version.partition("+")[0]


def resolve(requirements):
    """Let pip choose versions as if nothing were installed.

    Parameters
    ----------
    requirements : list of str
        What is wanted.

    Returns
    -------
    dict
        The version of every distribution that would be installed, by its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        options = ["-qq", "--dry-run", "--ignore-installed", "--only-binary=:all:"]
        command = [sys.executable, "-m", "pip", "install", *options]
        subprocess.run([*command, "--report", report, *requirements], check=True)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    found = [item["metadata"] for item in items]
    return {name_of(m["name"]): without_label(m["version"]) for m in found}


def pinned(requirements, versions):
    """Write requirements with exact versions.

    Parameters
    ----------
    requirements : iterable of str
        Names, perhaps with bounds.
    versions : dict
        From `resolve`.

    Returns
    -------
    str
        One line for each, sorted.
    """
    names = sorted(map(name_of, requirements))
    return "".join(f"{name}=={versions[name]}\n" for name in names)


def main():
    """Resolve, and write the four files."""
    versions = resolve(BOOK + REST)
    direct = {name_of(requirement) for requirement in BOOK + REST}
    rest = [n for n in versions if n not in direct and not NOT_PINNED.match(n)]
    exports = resolve([*EXPORTS, f"numpy=={versions['numpy']}"])
    texts = {
        "requirements-book.txt": pinned(BOOK, versions),
        "requirements.txt": "-r requirements-book.txt\n" + pinned(REST, versions),
        "constraints.txt": pinned(rest, versions),
        "requirements-exports.txt": pinned(exports, exports),
    }
    for name, text in texts.items():
        Path(ROOT, name).write_text(HEAD + text, encoding="utf-8")
    print(f"{len(direct)} direct and {len(rest)} indirect dependencies are pinned.")


if __name__ == "__main__":
    main()
