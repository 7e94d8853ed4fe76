"""Programs written without knowledge of how answers are checked.

The text files hold entries such as

    #: standardise | wrong | takes the rows | copies from others | wrong-axis | named
    def standardise(x, eps):
        ...

The fields are the exercise, `right` or `wrong`, what the author says about it, and the role
of reader in which it is written. For a wrong one follows what a check has to name: identifiers of mistakes, joined
by ` + ` if there are two and by ` or ` if either is true; words of the verdict in quotation
marks; or `-` for a mistake that is not in the bank. This was written with the bank and the author's words at
hand, before any check was run. The last field is what came of the
first check. Afterwards the bank was extended, and where it now holds the very mistake, its
identifier took the place of what had been expected.

The first class wrote for chapters 02 and 04, the second one for chapters 01 to 06, when the
bank held what the first class had taught, the third one for chapters 07 and 08.
"""

import re
from pathlib import Path
from typing import NamedTuple

from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.check import judge
from bnlearn.exercises.sandbox import remember

FOLDER = Path(__file__).parent


class Entry(NamedTuple):
    """One program, and what its author says about it."""

    name: str
    exercise: str
    kind: str
    words: str
    author: str
    expected: str
    first: str
    source: str

    def verdict(self, seed):
        """Check the program."""
        exercise = EXERCISES[self.exercise]
        remember(self.source, f"<{self.name}>")
        namespace = {}
        header = compile("import numpy as np", "<header>", "exec")
        exec(header, namespace)  # noqa: S102
        exec(compile(self.source, f"<{self.name}>", "exec"), namespace)  # noqa: S102
        return judge(exercise, namespace[exercise.function], seed)


def entries(file):
    """Read the programs of one file."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    found = []
    for number, part in enumerate(re.split(r"^#: ", text, flags=re.MULTILINE)[1:]):
        head, source = part.split("\n", 1)
        fields = [field.strip() for field in head.split(" | ")]
        if fields[1] == "right":
            fields.insert(4, "")
        found.append(Entry(f"{file} {number}", *fields, source))
    return found


def outcome(entry, verdict):
    """Say how well a check dealt with a program.

    Returns
    -------
    str
        For a right program 'passed' or 'refused'; for a wrong one 'accepted', 'named',
        'in part' (one of two mistakes), 'not known' or 'misnamed'.
    """
    passed = verdict.status == "passed"
    if entry.kind == "right":
        return "passed" if passed else "refused"
    if passed or verdict.status == "not attempted":
        return "accepted"
    quoted = re.findall(r'"([^"]+)"', entry.expected)
    if quoted:
        return "named" if all(q in str(verdict) for q in quoted) else "not known"
    found = set(verdict.diagnosis)
    if not found:
        return "not known"
    answers = [set(part.split(" + ")) for part in entry.expected.split(" or ")]
    choice = "one of these" in str(verdict)
    if any(wanted == found or (choice and wanted <= found) for wanted in answers):
        return "named"
    if len(answers) > 1 and found == set.union(*answers):  # both were said
        return "named"
    return "in part" if any(found < wanted for wanted in answers) else "misnamed"
