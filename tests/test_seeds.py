"""Random numbers come from one place and follow BNLEARN_SEED."""

import re
from pathlib import Path

import pytest

from bnlearn.layers import Linear
from bnlearn.seeds import rng, seeds

PACKAGE = Path(__file__).resolve().parent.parent / "bnlearn"


def test_default(monkeypatch):
    monkeypatch.delenv("BNLEARN_SEED", raising=False)
    assert seeds(4) == [0, 1, 2, 3]
    assert seeds(0) == []
    first = rng().random(3)
    assert (first == rng(0).random(3)).all()
    monkeypatch.setenv("BNLEARN_SEED", "0")
    assert (first == rng().random(3)).all()


def test_variable_changes_all_seeds(monkeypatch):
    found, numbers, weights = set(), set(), set()
    for value in ("0", "1", "2", "41"):
        monkeypatch.setenv("BNLEARN_SEED", value)
        found.update(seeds(100))
        numbers.add(rng().random())
        weights.add(float(Linear(2, 2).weight[0, 0]))
        assert rng().random() == rng(seeds(1)[0]).random()
    assert len(found) == 400
    assert len(numbers) == len(weights) == 4


def test_a_given_seed_is_that_seed(monkeypatch):
    monkeypatch.setenv("BNLEARN_SEED", "3")
    one = rng(5).random()
    monkeypatch.setenv("BNLEARN_SEED", "4")
    assert rng(5).random() == one != rng(6).random()


@pytest.mark.parametrize("value", ["x", "", "-1", "1.5", "0x1"])
def test_bad_value_is_refused(monkeypatch, value):
    monkeypatch.setenv("BNLEARN_SEED", value)
    message = re.escape(
        f"BNLEARN_SEED: expected an integer that is not negative, got {value!r}"
    )
    for call in (seeds, rng):
        with pytest.raises(ValueError, match=message):
            call(*[2] * (call is seeds))


def test_no_other_source_of_random_numbers():
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "sandbox":  # it puts states back and draws nothing
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"np\.random\.(?!Generator|default_rng)\w+", text), path
        assert "import random" not in text, path
