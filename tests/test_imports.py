"""Who may import whom in the package, and what `import bnlearn` loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bnlearn"
STANDARD = set(sys.stdlib_module_names)

# Arrows point one way. Every module may import the standard library, NumPy and `seeds`.
MAY_IMPORT = {
    "__version__": set(),
    "__init__": {"core", "norms", "variants", "running", "diagnostics"},
    "seeds": set(),
    "checks": set(),
    "core": set(),
    "norms": {"checks", "core"},
    "variants": {"core"},
    "running": set(),
    "staged": set(),
    "layers": {"checks", "norms", "running"},
    "optim": {"layers"},
    "data": set(),
    "shift": set(),
    "train": {"layers", "optim", "data"},
    "experiment": {"layers"},
    "landscape": {"layers"},
    "meanfield": set(),
    "halfspace": set(),
    "gradcheck": set(),
    "plots": {"norms", "staged"},
    "notebook": {"exercises"},
    "exercises": {"core", "gradcheck", "norms"},
    "diagnostics": {"exercises", "layers"},
    "grading": {"exercises"},
    "workspace": set(),
    "cli": {"__version__", "exercises", "grading", "workspace"},
}
# What is heavier than NumPy, and whether it may be loaded along with the module.
AT_TOP = {
    "plots": {"matplotlib", "cycler"},
    "diagnostics": {"torch"},  # in torch_models.py alone
}
IN_FUNCTIONS = {
    "data": {"sklearn"},
    "train": {"tqdm"},
    "experiment": {"tqdm"},
    "notebook": {"IPython"},
    "plots": {"matplotlib"},
    # in progress.py alone, and in quizzes/display.py
    "exercises": {"platformdirs", "jupyterquiz"},
    "grading": {"IPython", "nbclient", "nbformat"},
}
HEAVY = [
    "torch",
    "matplotlib",
    "sklearn",
    "scipy",
    "tqdm",
    "IPython",
    "jupyterquiz",
    "platformdirs",
]
HEAVY += ["ipykernel", "jupyter_client", "nbclient", "nbformat", "zmq"]

MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    """Name the part of the package: the module, or the subpackage it lies in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(tree, package="bnlearn"):
    """Yield (whole dotted name, whether at the top level) for every import."""
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = f"{package}." * bool(node.level) + (node.module or "")
            names = [f"{start.rstrip('.')}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, id(node) in top) for name in names)


def complaints(part, source):
    """List the imports of a module that the table above does not allow."""
    bad = []
    for name, at_top in imported(ast.parse(source)):
        first, *inner = name.split(".")
        if first == "bnlearn":
            own = MAY_IMPORT[part] | {"seeds", part}
            fine = bool(inner) and inner[0] in own
        else:
            lazy = set() if at_top else IN_FUNCTIONS.get(part, set())
            fine = first in STANDARD | {"numpy"} | AT_TOP.get(part, set()) | lazy
        if not fine:
            bad.append(name)
    return bad


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_follow_the_arrows(path):
    part = part_of(path)
    assert part in MAY_IMPORT, f"say in MAY_IMPORT what {part} may import"
    assert complaints(part, path.read_text(encoding="utf-8")) == []


def test_only_progress_knows_the_folders_of_the_platform():
    users = [
        path.name
        for path in MODULES
        for name, _ in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] == "platformdirs"
    ]
    assert users == ["progress.py"]


def test_only_torch_models_knows_torch():
    users = {
        (path.name, at_top)
        for path in MODULES
        for name, at_top in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] == "torch"
    }
    # The other one loads it only for a model that comes from it.
    assert users == {("torch_models.py", True), ("__init__.py", False)}


def test_arrows_have_no_cycle():
    def reachable(part, seen):
        for other in MAY_IMPORT[part] - seen:
            seen = reachable(other, seen | {other})
        return seen

    for part in MAY_IMPORT:
        assert part not in reachable(part, set())


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("core", "from bnlearn.norms import batch_norm_forward"),
        ("core", "from .norms import batch_norm_forward"),
        ("core", "from bnlearn import norms"),
        ("norms", "import bnlearn"),
        ("checks", "from bnlearn.norms import Layout"),
        ("layers", "import bnlearn.train"),
        ("norms", "import torch"),
        ("norms", "def f():\n    import torch"),
        ("data", "from sklearn.datasets import load_digits"),
        ("train", "import matplotlib.pyplot as plt"),
    ],
)
def test_planted_import_is_seen(part, source):
    assert complaints(part, source)


@pytest.mark.parametrize(
    "module",
    [
        "bnlearn",
        "bnlearn.cli",
        "bnlearn.diagnostics",
        "bnlearn.exercises",
        "bnlearn.exercises.quizzes.display",
    ],
)
def test_import_loads_nothing_heavier_than_numpy(module):
    code = f"""
import sys
import {module}
print([name for name in {HEAVY} if name in sys.modules])
"""
    shown = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert shown.strip() == "[]"
