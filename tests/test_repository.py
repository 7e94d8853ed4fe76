"""The repository itself: pins, commands, papers, and no trace of a machine."""

import re
import subprocess
import sys
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

from tools import pins

ROOT = pins.ROOT
MACHINE = re.compile(r"(?<![\w.*~)}])/(?:tmp|home|root|Users)/")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def own_files():
    """List the files that git tracks or would track."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    names = subprocess.check_output(command, cwd=ROOT, text=True).split("\0")
    return [ROOT / name for name in names if name]


def pinned(name):
    """Read the pins of a file as {name: version}."""
    lines = [line for line in text_of(name).splitlines() if line[:1] not in "#-"]
    found = [re.fullmatch(r"([a-z0-9-]+)==([\w.]+)", line) for line in lines]
    assert all(found), f"{name}: only exact pins, without local labels such as +cpu"
    return {match[1]: match[2] for match in found}


def closure(names):
    """Collect what the installed distributions need, step by step."""
    seen, waiting = set(), list(names)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = pins.name_of(requirement.name)
        if (name, *requirement.extras) in seen or pins.NOT_PINNED.match(name):
            continue
        seen.add((name, *requirement.extras))
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            environments = [{"extra": extra} for extra in requirement.extras or [""]]
            marker = needed.marker
            if marker is None or any(map(marker.evaluate, environments)):
                needed.marker = None
                waiting.append(str(needed))
    return {name for name, *_ in seen}


def targets():
    return set(re.findall(r"^([a-z-]+):(?!=)", text_of("Makefile"), re.MULTILINE))


def code_of(name):
    """Give the indented or fenced code of a Markdown file, line by line."""
    blocks = re.findall(r"```\w*\n(.*?)```", text_of(name), re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


# Pins ---------------------------------------------------------------------------------


def test_direct_dependencies_are_pinned():
    assert pinned("requirements-book.txt").keys() == set(map(pins.name_of, pins.BOOK))
    assert pinned("requirements.txt").keys() == set(map(pins.name_of, pins.REST))
    assert "\n-r requirements-book.txt\n" in text_of("requirements.txt")
    assert pinned("requirements-book.txt")["jupyter-book"] == "1.0.4.post1"
    assert pinned("requirements.txt")["torch"] == "2.13.0"


def test_graders_are_pinned_beside_the_numpy_of_the_book():
    exports = pinned("requirements-exports.txt")
    assert exports.keys() >= set(map(pins.name_of, pins.EXPORTS))
    assert exports["numpy"] == pinned("requirements-book.txt")["numpy"]


def test_no_pin_is_given_twice():
    files = ["requirements-book.txt", "requirements.txt", "constraints.txt"]
    names = [name for file in files for name in pinned(file)]
    assert len(names) == len(set(names))


def test_installed_versions_are_the_pinned_ones():
    for file in ("requirements-book.txt", "requirements.txt", "constraints.txt"):
        for name, version in pinned(file).items():
            try:
                found = pins.without_label(metadata.version(name))
            except metadata.PackageNotFoundError:
                assert file == "constraints.txt", f"{name} is not installed"
                continue  # a constraint asks for nothing: other systems need less
            assert found == version, name


# Other versions of Python need a little more or less; the pins are made with this one.
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="pins are made with 3.11")
def test_everything_that_is_needed_is_pinned():
    book, rest = pinned("requirements-book.txt"), pinned("requirements.txt")
    constraints = pinned("constraints.txt")
    needed = closure([*book, *rest])
    assert needed - book.keys() - rest.keys() - constraints.keys() == set()
    # tqdm.auto would use it, and put scripts of a CDN into the pages.
    assert "ipywidgets" not in needed
    assert "torch" not in closure(book)


def test_pins_are_made_as_documented():
    assert pins.without_label("2.13.0+cpu") == "2.13.0"
    assert pins.name_of("PyYAML>=6") == "pyyaml"
    versions = {"a": "1", "b-c": "2"}
    assert pins.pinned(["b_C>=1", "a"], versions) == "a==1\nb-c==2\n"


# Commands -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_commands_name_targets_that_exist(name):
    called = set(re.findall(r"(?:^|`)make ([a-z-]+)", text_of(name), re.MULTILINE))
    assert called
    assert called <= targets()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(name):
    shown = re.findall(
        r"`((?:book|bnlearn|tests|tools|benchmarks)/[\w./]*)`|"
        r"\]\(([\w./-]+)\)",
        text_of(name),
    )
    named = [a or b for a, b in shown if "NN_" not in a]
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_plain_commands_do_what_make_does():
    [build] = re.findall(r"jupyter-book build .*", text_of("Makefile"))[:1]
    readme = code_of("README.md")
    assert any(build.removesuffix(" -q") in line for line in readme)
    for line in ("-r requirements.txt -c constraints.txt", "pytest --nbval book"):
        assert any(line in shown for shown in readme)


def test_readers_are_not_sent_to_the_other_bnlearn():
    for name in ("README.md", "CONTRIBUTING.md", "Makefile", ".ci/run"):
        shown = code_of(name) if name.endswith(".md") else [text_of(name)]
        assert not any(re.search(r"install\s+bnlearn(?!-)", line) for line in shown)
    assert "Never `pip install bnlearn`" in text_of("README.md")


def test_workflow_only_calls_targets():
    workflow = yaml.safe_load(text_of(".github/workflows/book.yml"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        match = re.fullmatch(r"\.ci/run|make ([a-z-]+)( [A-Z]+=\S+)*", command)
        assert match and match[1] in targets() | {None}, command


def test_ci_script_is_sound():
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
    assert "set -euo pipefail" in text_of(".ci/run")


# Papers -------------------------------------------------------------------------------


def test_version_is_the_same_everywhere():
    version = metadata.version("bnlearn-book")
    assert yaml.safe_load(text_of("CITATION.cff"))["version"] == version
    assert f"\n## {version}" in text_of("CHANGELOG.md")


def test_book_is_built_from_local_and_stored_things():
    config = yaml.safe_load(text_of("_config.yml"))
    extensions = config["sphinx"]["config"]["extensions"]
    assert "sphinx_thebe" not in extensions
    assert "sphinx.ext.intersphinx" not in extensions
    assert config["execute"]["execute_notebooks"] == "off"
    assert config["only_build_toc_files"] is True


def test_no_file_names_a_place_on_a_machine():
    for path in own_files():
        if path.suffix in {".png", ".ico"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        assert not MACHINE.search(text), path
        assert str(ROOT) not in text, path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see /" + "tmp/x", True),
        ('"/' + 'home/me"', True),
        ("book/" + "home/", False),
        ("/" + "template/", False),
    ],
)
def test_places_on_a_machine_are_seen(text, found):
    assert bool(MACHINE.search(text)) is found
