"""From what was found out to what is said, in the order that helps a reader most."""

import html
from collections.abc import Iterator

import numpy as np

from bnlearn.exercises.beliefs import Link, belief
from bnlearn.exercises.compare import Complaint
from bnlearn.exercises.definition import Exercise, Mistake
from bnlearn.exercises.diagnosis import Finding, diagnose
from bnlearn.exercises.sandbox import Submission, explain
from bnlearn.exercises.trial import SECONDS, Case, smallest
from bnlearn.exercises.verdict import Verdict, shown
from bnlearn.gradcheck import numerical_gradient

__all__ = ["Text", "error", "passed", "wrong"]

# Complaints that are mistakes of their own, and so belong to the diagnosis.
ALIAS = "output-aliases-input"
MISTAKES = {"input-changed", ALIAS}


class Text(str):
    """Words that a notebook shows as a block and a terminal as they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Give the words without quotes."""
        return str(self)

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{html.escape(self)}</pre>'


def passed(exercise: Exercise, seed: int, cases: list[Case]) -> Verdict:
    """Say that nothing is wrong."""
    said = f"Right for {len(exercise.families)} kinds of input."
    outputs = dict.fromkeys(exercise.outputs, True)
    return Verdict(exercise, "passed", seed, (said, *notes(cases)), outputs=outputs)


def error(exercise: Exercise, seed: int, cases: list[Case]) -> Verdict:
    """Say where the function stops, and why if that is known."""
    case = next(case for case in cases if case.stopped)
    where = [c.family.name for c in cases if c.stopped]
    fine = [c.family.name for c in cases if not c.stopped]
    start = f"For {listed(where)} your function" if fine else "Your function"
    if case.run.timed_out:
        said = f"{start} takes too long: it was given {SECONDS:.0f} s."
    else:
        said = f"{start} stops with {explain(case.run.error)}"
    known = [finding for finding in diagnose(exercise, cases) if finding.alternatives]
    return Verdict(
        exercise,
        "error",
        seed,
        (said, *known_words(exercise, known), *beliefs(known), *notes(cases)),
        identifiers(known),
        right_outputs(exercise, cases),
        named(exercise, case),
    )


def wrong(
    exercise: Exercise, submission: Submission, seed: int, cases: list[Case]
) -> Verdict:
    """Say what came, which outputs are right, which mistake it is, or an example."""
    outputs = right_outputs(exercise, cases)
    complaints = {c.identifier: c for case in cases for c in case.comparison.complaints}
    said = [*complaint_words(cases)]
    if "returns-nothing" in complaints:
        if submission.returns_nothing():
            said.append("There is no return statement with a value in it.")
        findings = []
    else:
        said += output_words(outputs, cases)
        findings = [] if all(outputs.values()) else diagnose(exercise, cases)
    said += known_words(exercise, [f for f in findings if f.alternatives])
    said += beliefs(findings)
    case = next(case for case in cases if not case.passed)
    for finding in findings:
        if not finding.alternatives:
            words, case = unknown(exercise, submission, seed, cases, finding)
            said += words
    found = [*identifiers(findings), *(i for i in complaints if i in MISTAKES)]
    if ALIAS in found and len(found) > 1:
        found.remove(ALIAS)  # true and said, but only a consequence
    said += notes(cases)
    return Verdict(
        exercise,
        "wrong",
        seed,
        tuple(said),
        tuple(found),
        outputs,
        named(exercise, case),
    )


# The parts of what is said -----------------------------------------------------------


def complaint_words(cases: list[Case]) -> Iterator[str]:
    """Say what came that was not asked for, each thing once."""
    every = (c for case in cases for c in case.comparison.complaints)
    arity = next((c for c in every if c.identifier == "wrong-arity"), None)
    if arity:  # what else came is no output then, even if it could be taken for one
        yield arity.text
        return
    seen: set[tuple] = set()
    for case in cases:
        for complaint in case.comparison.complaints:
            key = complaint.identifier, complaint.text.split(" ")[0]
            if key not in seen:
                yield with_family(complaint, case, cases)
            seen.add(key)


def with_family(complaint: Complaint, case: Case, cases: list[Case]) -> str:
    """Add the kind of input to a complaint that is not about all kinds."""
    has = [
        any(c.identifier == complaint.identifier for c in case.comparison.complaints)
        for case in cases
    ]
    return complaint.text if all(has) else f"{complaint.text} ({case.family.name})"


def output_words(outputs: dict[str, bool], cases: list[Case]) -> Iterator[str]:
    """Say which outputs are right, and for which inputs all are."""
    right = [name for name, is_right in outputs.items() if is_right]
    bad = [name for name, is_right in outputs.items() if not is_right]
    if right and bad:
        yield (f"{listed(right)} {verb(right)} right; {listed(bad)} {verb(bad)} not.")
    fine = [case.family.name for case in cases if all(case.comparison.right)]
    if fine and bad:
        off = [c.family.name for c in cases if not all(c.comparison.right)]
        yield f"Right for {listed(fine)}; wrong for {listed(off)}."


def known_words(exercise: Exercise, findings: list[Finding]) -> Iterator[str]:
    """Give the sentence of every mistake that was recognised."""
    for finding in findings:
        parts = [sentences(mistakes) for mistakes in finding.alternatives]
        several = len(exercise.outputs) > 1
        start = f"{listed(finding.outputs)}: " if several else ""
        if len(parts) == 1:
            yield start + parts[0]
        else:
            yield f"{start}one of these. {' Or: '.join(parts)}"


def sentences(mistakes: tuple[Mistake, ...]) -> str:
    """Say what is wrong: one mistake, or two at once."""
    said = [f"{m.message} See {m.section}." for m in mistakes]
    return said[0] if len(said) == 1 else f"Two mistakes at once. {' And: '.join(said)}"


def beliefs(findings: list[Finding]) -> list[Link]:
    """Name the beliefs behind mistakes that are certain, each once."""
    certain = [f.alternatives[0] for f in findings if len(f.alternatives) == 1]
    labels = (m.misconception for mistakes in certain for m in mistakes)
    return [belief(label) for label in dict.fromkeys(labels) if label]


def unknown(
    exercise: Exercise,
    submission: Submission,
    seed: int,
    cases: list[Case],
    finding: Finding,
) -> tuple[list[str], Case]:
    """Admit that a mistake is not known, and show the smallest example found."""
    name = finding.outputs[0]
    k = exercise.outputs.index(name)
    off = [case for case in cases if not case.comparison.right[k]]
    if not any(comparable(case, k) for case in off):
        return [], off[0]  # what came has been said, and there is nothing to add
    case = smallest(exercise, submission, seed, cases, k)
    if not comparable(case, k):
        return [], case
    words = [f"{listed(finding.outputs)}: not a mistake I know."]
    given = named(exercise, case).items()
    inputs = "; ".join(f"{n} = {shown(a)}" for n, a in given if not callable(a))
    words.append(f"The smallest example I found: {inputs}.")
    words.append(difference_words(exercise, case, k, name))
    return words, case


def comparable(case: Case, k: int) -> bool:
    """Say whether an output can be compared with what was asked, number by number."""
    value = case.comparison.values[k]
    shape = case.expected[k].shape
    return value is not None and value.shape == shape and value.dtype.kind != "c"


def difference_words(exercise: Exercise, case: Case, k: int, name: str) -> str:
    """Show one place where an output is wrong, never the whole of what is right."""
    value, want = case.comparison.values[k], case.expected[k]
    with np.errstate(all="ignore"):
        distance = np.nan_to_num(np.abs(value - want), nan=np.inf)
    place = np.unravel_index(np.argmax(distance), want.shape)
    index = f"[{', '.join(map(str, map(int, place)))}]" if place else ""
    start = f"There {name}{index} is {value[place]:.6g}"
    if name in exercise.gradients:
        slope = finite_difference(exercise, case, name, want.shape)[place]
        return f"{start}, and a finite difference says {slope:.6g}."
    if want.size > 1:
        return f"{start}, and should be {want[place]:.6g}."
    if np.isnan(value).any():
        return f"{start}."
    return f"{start}, which is too {'large' if value > want else 'small'}."


def finite_difference(
    exercise: Exercise, case: Case, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    """Differentiate the forward pass of an exercise, without its gradients."""
    arguments = named(exercise, case)
    argument = exercise.gradients[name]
    start = np.asarray(arguments.get(argument, np.zeros(shape)), "f8")

    def f(moved):
        return exercise.forward(**{**arguments, argument: moved})

    return numerical_gradient(f, start, arguments["dout"])


def notes(cases: list[Case]) -> list[str]:
    """Repeat warnings once, and what the function printed in its first call."""
    words = [
        f"Warning: {w}" for w in dict.fromkeys(w for c in cases for w in c.run.warnings)
    ]
    printed = cases[0].run.printed.strip()
    if printed:
        cut = printed[:500] + " ..." * (len(printed) > 500)
        words.append(f"Your function printed: {cut}")
    return words


def right_outputs(exercise: Exercise, cases: list[Case]) -> dict[str, bool]:
    """Say for each output whether it was right everywhere."""
    return {
        name: all(case.comparison.right[k] for case in cases)
        for k, name in enumerate(exercise.outputs)
    }


def identifiers(findings: list[Finding]) -> tuple[str, ...]:
    """List the mistakes that were recognised, each once."""
    found = (m for f in findings for mistakes in f.alternatives for m in mistakes)
    return tuple(dict.fromkeys(mistake.identifier for mistake in found))


def named(exercise: Exercise, case: Case) -> dict[str, object]:
    """Give the arguments of a case by their names."""
    return dict(zip(exercise.parameters, case.arguments, strict=True))


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Join names as in a sentence."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def verb(names: list[str]) -> str:
    """Agree with the number of names."""
    return "are" if len(names) > 1 else "is"
