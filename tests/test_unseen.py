"""How answers fare that were written without knowledge of the bank."""

from collections import Counter

import pytest

from bnlearn.exercises.catalogue import EXERCISES
from tests.unseen import entries, outcome

CLASSES = ["first", "second", "third"]
ALL = {
    (group, kind): entries(f"{group}_{kind}.txt")
    for group in CLASSES
    for kind in ("right", "wrong")
}


@pytest.fixture(scope="module")
def outcomes():
    """Check every program once."""
    return {
        name: [outcome(entry, entry.verdict(0)) for entry in found]
        for name, found in ALL.items()
    }


def listed(name, results, kind):
    return [
        f"{entry.name}: {entry.words}"
        for entry, result in zip(ALL[name], results[name], strict=True)
        if result == kind
    ]


@pytest.mark.parametrize("group", CLASSES)
def test_right_answers_pass(group, outcomes):
    assert listed((group, "right"), outcomes, "refused") == []


@pytest.mark.parametrize("group", CLASSES)
def test_wrong_answers_are_refused_and_named(group, outcomes):
    name = group, "wrong"
    assert listed(name, outcomes, "accepted") == []
    count = Counter(outcomes[name])
    assert count["named"] >= 0.95 * len(ALL[name]), outcomes
    assert count["misnamed"] <= 0.01 * len(ALL[name]), listed(
        name, outcomes, "misnamed"
    )


def test_every_exercise_was_answered():
    # The first class had but two chapters. One exercise came too late for the second.
    for kind, least in (("right", 2), ("wrong", 6)):
        found = [entry for group in CLASSES[1:] for entry in ALL[group, kind]]
        count = Counter(entry.exercise for entry in found)
        assert count.keys() == EXERCISES.keys() - {"among-neighbours"}
        assert min(count.values()) >= least


def row(group, results):
    """Write a line of the table in the README."""
    right, wrong = results[group, "right"], Counter(results[group, "wrong"])
    size = wrong.total()
    shares = [f"{wrong[kind] / size:.1%}" for kind in ("named", "misnamed")]
    return (
        f"{right.count('refused')} of {len(right)} | {wrong['accepted']} of {size} | "
        + (" | ".join(shares))
    )


@pytest.mark.parametrize("group", CLASSES)
def test_table_in_the_readme(group, outcomes, root):
    text = (root / "README.md").read_text(encoding="utf-8")
    first = {name: [entry.first for entry in found] for name, found in ALL.items()}
    assert f"| {group} class, at first sight | {row(group, first)} |" in text
    assert f"| {group} class, afterwards | {row(group, outcomes)} |" in text
