"""How answers fare that the bank's authors had not seen when they wrote it.

The first class wrote for chapters 02 and 04; what was not recognised went into the bank, so
that its answers are examples by now. The second class wrote for all chapters after that, and
the table in the README holds what came of them.
"""

import pytest

from tests.unseen import entries, outcome

FILES = ["first_right.txt", "first_wrong.txt", "second_right.txt", "second_wrong.txt"]
ALL = {file: entries(file) for file in FILES}


@pytest.fixture(scope="module")
def outcomes():
    """Check every program once."""
    return {
        file: [outcome(entry, entry.verdict(0)) for entry in found]
        for file, found in ALL.items()
    }


@pytest.mark.parametrize("file", [name for name in FILES if "right" in name])
def test_right_answers_pass(file, outcomes):
    refused = [
        e.name for e, o in zip(ALL[file], outcomes[file], strict=True) if o != "passed"
    ]
    assert refused == []


@pytest.mark.parametrize("file", [name for name in FILES if "wrong" in name])
def test_wrong_answers_are_refused(file, outcomes):
    accepted = [
        e.name
        for e, o in zip(ALL[file], outcomes[file], strict=True)
        if o == "accepted"
    ]
    assert accepted == []
