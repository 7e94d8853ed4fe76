"""The exercises: right answers pass, and every mistake is named as itself."""

import itertools
import json
import linecache
import re
import sys
import time
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module

import numpy as np
import pytest

from bnlearn.exercises import (
    catalogue,
    check,
    diagnosis,
    hint,
    inputs,
    report,
    solution,
)
from bnlearn.exercises.beliefs import belief
from bnlearn.exercises.catalogue import EXERCISES, find
from bnlearn.exercises.check import judge
from bnlearn.exercises.definition import Exercise
from bnlearn.exercises.diagnosis import Finding, pairs, singles
from bnlearn.exercises.sandbox import Run
from bnlearn.exercises.trial import copied, run_all
from bnlearn.exercises.verdict import shown
from tests.right import RIGHT

for chapter in catalogue.CHAPTERS:
    import_module(f"tests.right.{chapter}")

ALL = list(EXERCISES.values())
CLOSED = EXERCISES["backward-closed-form"]
SEEDS = [
    pytest.param(range(20), id="20 seeds"),
    pytest.param(range(20, 200), id="200 seeds", marks=pytest.mark.slow),
]
exercises = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.identifier)


def define(source, name, **names):
    """Define a function whose source can be read, as in a notebook."""
    file = f"<cell {hash(source)}>"
    linecache.cache[file] = len(source), None, source.splitlines(True), file
    namespace = {"np": np, **names}
    exec(compile(source, file, "exec"), namespace)  # noqa: S102
    return namespace[name]


def cases_of(exercise, seed=0):
    for number, family in enumerate(exercise.families):
        yield family, exercise.draw(np.random.default_rng([seed, number]), family)


# Definitions -------------------------------------------------------------------------


@exercises
def test_definition_is_complete(exercise, root):
    assert len(exercise.hints) >= 3 and len(exercise.mistakes) >= 3
    assert 1 <= exercise.difficulty <= 4 and exercise.minutes > 0
    assert exercise.text and exercise.why
    names = [mistake.identifier for mistake in exercise.mistakes]
    assert len(names) == len(set(names))
    for mistake in exercise.mistakes:
        assert re.fullmatch(r"[a-z-]+", mistake.identifier)
        assert mistake.edits and re.fullmatch(r"\S.*\.", mistake.message)
    page = (root / "book" / f"{exercise.chapter}.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^## (.*)$", page, re.MULTILINE))
    sections = {exercise.section, *(m.section for m in exercise.mistakes)}
    assert {section.heading for section in sections} <= headings


@exercises
def test_families_tell_axes_and_channels_apart(exercise):
    for _family, arguments in cases_of(exercise):
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        assert all(len(set(a.shape)) == a.ndim or a.ndim > 3 for a in arrays)
        for array in arrays:
            assert np.unique(array).size > 1


def test_every_exercise_has_a_chapter_number_and_a_name_of_its_own():
    functions = [exercise.function for exercise in ALL]
    assert len(functions) == len(set(functions))
    assert {exercise.chapter[:2] for exercise in ALL} >= {"02", "04"}


@exercises
def test_references_are_gradients(exercise):
    # An answer is right because calculus says so, not because the reference does.
    from bnlearn.exercises.report import finite_difference
    from bnlearn.exercises.sandbox import Submission

    for case in run_all(exercise, Submission(exercise.reference), 3):
        for k, name in enumerate(exercise.outputs):
            if name in exercise.gradients and case.family.dtype == "f8":
                want = case.expected[k]
                slope = finite_difference(exercise, case, name, want.shape)
                tolerance = 1e-5 * np.abs(slope).max()
                np.testing.assert_allclose(want, slope, rtol=0, atol=tolerance)


def test_inputs_differ_as_they_should():
    rng = np.random.default_rng(0)
    for kind in inputs.KINDS:
        x = inputs.values(rng, (4000, 3, 2), kind)
        assert x.shape == (4000, 3, 2)
        mean, std = x.mean(axis=(0, 2)), x.std(axis=(0, 2))
        assert np.ptp(mean) > 0.1 and np.ptp(std) > 0.1
        if kind == "quiet":
            assert std[-1] ** 2 < 1e-3 < std[:-1].min() ** 2
        if kind == "scaled":
            assert std[-1] / std[0] > 1e3
    near, far = (
        inputs.values(np.random.default_rng(1), (400, 3), "plain", offset)
        for offset in (1, 1e6)
    )
    np.testing.assert_allclose(near.std(axis=0), far.std(axis=0))
    assert (np.abs(far.mean(axis=0)) > 1e5 * far.std(axis=0)).all()
    gamma = inputs.per_channel(rng, near)
    assert np.ptp(np.abs(gamma)) > 1 and np.unique(np.abs(gamma)).size == 3
    assert 1e-3 <= inputs.draw_eps(rng) < 1e-2
    upstream = inputs.like(rng, near.astype("f4"))
    assert upstream.dtype == np.float32 and upstream.std() > 0.9


# Stubs and right answers -------------------------------------------------------------


@exercises
@pytest.mark.parametrize("body", [None, "pass", "...", '"""Say."""'])
def test_stub_is_not_attempted(exercise, body):
    source = exercise.stub
    if body:
        source = source.replace("raise NotImplementedError", body)
    obj = define(source + "\n", exercise.function)
    assert obj.__doc__ == exercise.reference.__doc__
    verdict = judge(exercise, obj, 0)
    assert verdict.status == "not attempted" and verdict.diagnosis == ()


@exercises
@pytest.mark.parametrize("seeds", SEEDS)
def test_right_answers_pass(exercise, seeds):
    assert len(RIGHT[exercise.identifier]) >= 3
    for answer in (exercise.reference, *RIGHT[exercise.identifier]):
        for seed in seeds:
            verdict = judge(exercise, answer, seed)
            assert verdict.status == "passed", f"{answer.__name__}, {seed}: {verdict}"
            assert all(verdict.outputs.values()) and verdict.diagnosis == ()


@exercises
def test_form_of_a_right_answer_does_not_matter(exercise):
    def changed(change):
        def answer(*arguments):
            found = exercise.reference(*arguments)
            print("on the way")
            return change(found if len(exercise.outputs) > 1 else (found,))

        return answer

    def single(found):
        found = tuple(np.asarray(a).astype("f4") for a in found)
        return found if len(found) > 1 else found[0]

    def lists(found):
        found = [np.asarray(a).tolist() for a in found]
        return found if len(found) > 1 else found[0]

    for change in (single, lists):
        verdict = judge(exercise, changed(change), 5)
        assert verdict.status == "passed", verdict
        assert "on the way" in str(verdict)


# Mistakes ----------------------------------------------------------------------------


class Direct:
    """Call a program of the bank without a sandbox: it is ours."""

    def __init__(self, program, seconds):
        self.program = program

    def is_stub(self):
        return False

    def returns_nothing(self):
        return None

    def run(self, *arguments):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return Run(self.program(*arguments), None, False, "", (), 0.0)
            except Exception as error:  # noqa: BLE001 (what it raises is judged)
                return Run(None, error, False, "", (), 0.0)


@pytest.fixture
def many_checks(monkeypatch):
    """Let checks share what depends on the seed alone: hundreds of them use each one."""
    kept = []  # so that no identity is used twice

    def remembered(function, key):
        memory = {}

        def call(*arguments):
            name = key(*arguments)
            if name not in memory:
                kept.append(arguments)
                memory[name] = function(*arguments)
            return memory[name]

        return call

    def of_draw(exercise, rng, family, shape=None):
        return str(rng.bit_generator.state["state"]), family.name, shape

    def of_case(function, case):
        return function, id(case.arguments)

    draw = remembered(Exercise.draw, of_draw)
    monkeypatch.setattr(Exercise, "draw", lambda *arguments: draw(*arguments))
    expected = remembered(Exercise.expected, lambda exercise, given: id(given))
    monkeypatch.setattr(Exercise, "expected", lambda *arguments: expected(*arguments))
    outcome_of = remembered(diagnosis.outcome_of, of_case)
    monkeypatch.setattr(diagnosis, "outcome_of", outcome_of)
    monkeypatch.setattr(sys.modules[judge.__module__], "Submission", Direct)


def assert_named(exercise, mistake, edit, seed):
    verdict = judge(exercise, exercise.program(edit), seed)
    assert verdict.status in ("wrong", "error")
    said = f"{mistake.identifier}, {edit}, seed {seed}: {verdict}"
    assert verdict.diagnosis == (mistake.identifier,), said
    assert mistake.message in str(verdict)
    assert str(mistake.section) in str(verdict)


@exercises
@pytest.mark.parametrize("seeds", SEEDS)
def test_mistakes_are_named_as_themselves(exercise, seeds, many_checks):
    for seed in seeds:
        for mistake in exercise.mistakes:
            for edit in mistake.edits:
                assert_named(exercise, mistake, edit, seed)


@exercises
def test_mistakes_are_named_in_the_sandbox(exercise):
    for mistake in exercise.mistakes:
        assert_named(exercise, mistake, mistake.edits[0], 200)


@exercises
def test_mistakes_are_told_apart(exercise):
    def outcomes(program):
        with np.errstate(all="ignore"):
            for _family, arguments in cases_of(exercise):
                try:
                    found = program(*copied(arguments))
                except Exception as error:  # noqa: BLE001
                    found = str(error)
                yield found if isinstance(found, tuple) else (found,)

    def same(one, two):
        if len(one) != len(two):
            return False
        for a, b in zip(one, two, strict=True):
            if isinstance(a, str) or isinstance(b, str) or np.shape(a) != np.shape(b):
                return isinstance(a, str) and isinstance(b, str) and a == b
            if not np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True):
                return False
        return True

    found = [
        (candidate.names[0], list(outcomes(candidate.answer)))
        for candidate in singles(exercise)
    ]
    alike = set()
    for (name, one), (other, two) in itertools.combinations(found, 2):
        if name != other and all(map(same, one, two)):
            alike.add((name, other))
    assert alike == set(exercise.inseparable)
    assert all(exercise.inseparable.values())


def test_what_cannot_be_told_apart_is_given_as_a_choice():
    twin = replace(CLOSED.mistakes[0], identifier="twin", message="The other one.")
    exercise = replace(CLOSED, mistakes=[*CLOSED.mistakes, twin])
    verdict = judge(exercise, exercise.program(twin.edits[0]), 0)
    assert verdict.diagnosis == ("statistics-constant", "twin")
    assert "one of these" in str(verdict) and " Or: The other one." in str(verdict)


def test_a_mistake_that_explains_all_is_likelier():
    gamma, beta = {"x_hat).sum(": "x_hat).mean("}, {"dout.sum(": "dout.mean("}
    both = replace(CLOSED.mistakes[0], identifier="both", edits=(gamma | beta,))
    one = replace(both, identifier="one", edits=(gamma,))
    exercise = replace(CLOSED, mistakes=[one, both])

    def answer(*arguments):
        dx, dgamma, dbeta = CLOSED.program(gamma | beta)(*arguments)
        return dx**3, dgamma, dbeta

    assert judge(exercise, answer, 0).diagnosis == ("both",)


def test_two_mistakes_each_explain_their_output():
    edits = {"g = gamma * dout": "g = dout", "dout.sum(": "dout.mean("}
    verdict = judge(CLOSED, CLOSED.program(edits), 0)
    assert verdict.diagnosis == ("gamma-forgotten", "mean-for-sum")
    assert verdict.outputs == {"dx": False, "dgamma": True, "dbeta": False}
    assert "dgamma is right; dx and dbeta are not." in str(verdict)


def test_two_mistakes_in_one_output():
    edits = {"g = gamma * dout": "g = dout", " - g.mean(axis=0)": ""}
    verdict = judge(CLOSED, CLOSED.program(edits), 0)
    assert verdict.diagnosis == ("mean-term-missing", "gamma-forgotten")
    assert "Two mistakes at once." in str(verdict)


def test_pairs_have_two_mistakes():
    for candidate in pairs(CLOSED):
        assert len(set(candidate.names)) == 2


@pytest.mark.parametrize(
    ("change", "identifier"),
    [
        (lambda a: a.round(2), "result-rounded"),
        (lambda a: -a, "sign-flipped"),
        (lambda a: 0 * a, "zeros"),
        (np.trunc, "result-rounded"),
        (lambda a: a.astype("f2"), "result-rounded"),
    ],
)
def test_general_mistakes(change, identifier):
    def answer(*arguments):
        return tuple(map(change, CLOSED.reference(*arguments)))

    assert judge(CLOSED, answer, 0).diagnosis == (identifier,)


def test_zeros_are_not_called_rounded():
    exercise = EXERCISES["softmax-gradient"]
    assert judge(exercise, lambda z, t: 0.0 * z, 0).diagnosis == ("zeros",)


def test_one_output_twice():
    def answer(x):
        return x.mean(axis=0), x.mean(axis=0)

    verdict = judge(EXERCISES["batch-statistics"], answer, 0)
    assert verdict.diagnosis == ("output-repeated",)
    assert verdict.outputs == {"mean": True, "var": False}


def test_order_of_outputs():
    def answer(*arguments):
        dx, dgamma, dbeta = CLOSED.reference(*arguments)
        return dx, dbeta, dgamma

    verdict = judge(CLOSED, answer, 0)
    assert verdict.diagnosis == ("order-of-outputs",)
    assert verdict.outputs == {"dx": True, "dgamma": False, "dbeta": False}


def test_mistake_that_shows_for_some_inputs_only():
    exercise = EXERCISES["standardise-channels"]
    [mistake] = [m for m in exercise.mistakes if m.identifier == "per-image"]
    wrong = exercise.program(mistake.edits[0])

    def answer(x, eps):
        return (wrong if x.ndim > 3 else exercise.reference)(x, eps)

    verdict = judge(exercise, answer, 0)
    assert verdict.diagnosis == ("per-image",)
    assert "Right for a matrix and sequences;" in str(verdict)


def test_rounding_errors_of_another_program_are_the_same_mistake():
    def answer(x):
        mean = np.ones(len(x)) @ x / len(x)
        return mean, 49 * np.einsum("ij,ij->j", x / 7, x / 7) / len(x) - mean * mean

    verdict = judge(EXERCISES["batch-statistics"], answer, 0)
    assert verdict.diagnosis == ("one-pass-variance",)


def test_where_an_input_makes_rounding_errors_being_wrong_is_enough():
    # Over constant tenths the mean is off in the last digit, here in another way.
    def answer(x_train, x_test):
        mean = (x_train[:4].sum(axis=0) + x_train[4:].sum(axis=0)) / len(x_train)
        sd = np.sqrt(np.mean((x_train - mean) ** 2, axis=0))
        return (x_train - mean) / sd, (x_test - mean) / sd

    verdict = judge(EXERCISES["standardise-once"], answer, 0)
    assert verdict.diagnosis == ("constant-forgotten",)


def test_constant_is_what_has_one_value():
    # 0.1 seven times has a computed deviation of 1e-17.
    exercise = EXERCISES["standardise-once"]
    x = np.full((7, 2), 0.1)
    x[:, 1] = np.arange(7)
    assert 0 < x[:, 0].std() < 1e-16
    z_train, z_test = exercise.reference(x, x[:3] + 1)
    np.testing.assert_allclose(z_train[:, 0], 0, atol=1e-16)
    np.testing.assert_allclose(z_test[:, 0], 1, rtol=1e-15)  # centred, in its own unit
    [family] = [f for f in exercise.families if f.noisy]
    for seed in range(20):
        x_train, _ = exercise.draw(np.random.default_rng(seed), family)
        constant = np.ptp(x_train, axis=0) == 0
        assert constant.sum() == 2 and (x_train[:, constant].std(axis=0) > 0).all()


def test_tiny_numbers_are_shown():
    assert shown(np.array([1.5e-10, -2e-10])) == "[ 1.5e-10, -2.0e-10]"
    assert shown(np.array([1.5, -2e-10])) == "[ 1.5, -0. ]"
    assert shown(np.zeros(2)) == "[0., 0.]"


def test_what_merely_resembles_a_mistake_is_not_named():
    exercise = EXERCISES["standardise"]
    [mistake] = [m for m in exercise.mistakes if m.identifier == "eps-outside"]
    wrong = exercise.program(mistake.edits[0])
    verdict = judge(exercise, lambda x, eps: wrong(x, eps) * (1 + 1e-5), 0)
    assert verdict.status == "wrong" and verdict.diagnosis == ()


def test_swapped_outputs_are_one_mistake_and_not_two():
    # Each of the two is what a mistake of the bank returns in its place.
    exercise = EXERCISES["batch-of-one"]
    verdict = judge(exercise, lambda *given: exercise.reference(*given)[::-1], 0)
    assert verdict.diagnosis == ("order-of-outputs",)


# What is not known -------------------------------------------------------------------


def unknown(dout, x, gamma, eps):
    dx, dgamma, dbeta = CLOSED.reference(dout, x, gamma, eps)
    return dx + 0.01 * x**2, dgamma, dbeta


def test_unknown_mistake_is_admitted_with_an_example_and_a_slope():
    verdict = judge(CLOSED, unknown, 1)
    assert verdict.status == "wrong" and verdict.diagnosis == ()
    assert "dx: not a mistake I know." in str(verdict)
    assert verdict.inputs["x"].shape == (2, 2)
    place = r"There dx\[(\d), (\d)\] is (\S+), and a finite difference says (\S+)\."
    i, j, value, slope = re.search(place, str(verdict)).groups()
    inputs = tuple(verdict.inputs.values())
    index = int(i), int(j)
    assert float(value) == pytest.approx(unknown(*inputs)[0][index], rel=1e-4)
    assert float(slope) == pytest.approx(CLOSED.reference(*inputs)[0][index], rel=1e-4)


def test_nobody_is_warned_of_what_the_bank_does():
    # With one value in a mean, dividing by m - 1 warns, and one pair does that.
    exercise = EXERCISES["group-norm-backward"]
    pairs.cache_clear()

    def answer(dout, x, *rest):
        factor = 1.01 if x.ndim == 2 else 1
        return [factor * a for a in exercise.reference(dout, x, *rest)]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        verdict = judge(exercise, answer, 0)
    assert verdict.diagnosis == () and caught == []


def test_example_names_no_function():
    exercise = EXERCISES["finite-differences"]
    verdict = judge(exercise, lambda f, x, dout, step: 1.01 * dout + x, 0)
    assert "The smallest example I found: x = " in str(verdict)
    assert callable(verdict.inputs["f"])


def test_one_wrong_entry_is_found_and_pointed_at():
    exercise = EXERCISES["standardise"]

    def answer(x, eps):
        x_hat = exercise.reference(x, eps)
        x_hat[1, 0] += 0.5
        return x_hat

    verdict = judge(exercise, answer, 0)
    assert verdict.status == "wrong"
    assert re.search(r"There x_hat\[1, 0\] is \S+, and should be", str(verdict))


def test_smallest_example_is_wrong_and_short():
    exercise = EXERCISES["standardise"]

    def answer(x, eps):
        return exercise.reference(x, eps) + 0.1 * (len(x) > 3)

    verdict = judge(exercise, answer, 0)
    x = verdict.inputs["x"]
    assert x.shape == (4, 3)
    assert (x == x.round(2)).all()


@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_how_close_is_close(dtype):
    exercise = EXERCISES["backward-staged"]

    def off_by(error):
        def answer(*arguments):
            found = exercise.reference(*arguments)
            return tuple((a * (1 + error)).astype(dtype) for a in found)

        return judge(exercise, answer, 0).status

    least = {"f8": 1e-7, "f4": 2e-4}[dtype]
    assert off_by(least / 2) == "passed"
    assert off_by(least * 2) == "wrong"


@exercises
def test_what_is_expected_is_exact(exercise):
    for _family, arguments in cases_of(exercise):
        assert all(a.dtype == np.float64 for a in exercise.expected(arguments))


def test_an_answer_that_is_right_for_some_inputs_only():
    exercise = EXERCISES["standardise-channels"]

    def answer(x, eps):
        y = exercise.reference(x, eps)
        return y if x.ndim == 4 else y * 1.5

    verdict = judge(exercise, answer, 0)
    assert verdict.status == "wrong"
    assert "Right for images, badly scaled images and float32;" in str(verdict)
    assert "wrong for a matrix, sequences and volumes." in str(verdict)


# The verdict -------------------------------------------------------------------------


class Tags(HTMLParser):
    """Collect the tags, the addresses and the text of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


@exercises
def test_verdicts_give_nothing_away(exercise):
    lines = {line.strip() for line in exercise.solution.splitlines()}
    formulas = [
        line for line in lines if " = np." in line or line.startswith("return ")
    ]
    for candidate in singles(exercise):
        verdict = judge(exercise, candidate.answer, 2)
        told = str(verdict) + verdict._repr_html_() + json.dumps(verdict.to_dict())
        given = tuple(verdict.inputs.values())
        for value in exercise.expected(given):
            # What has to come back as it was is no secret.
            if value.size > 1 and not any(np.array_equal(value, a) for a in given):
                assert shown(value) not in told
                assert json.dumps(value.tolist()) not in told
        assert not any(formula in told for formula in formulas)


@pytest.mark.parametrize("answer", [CLOSED.reference, unknown, lambda *a: 1 / 0])
def test_verdict_in_all_forms(answer):
    verdict = judge(CLOSED, answer, 4)
    page = Tags(verdict._repr_html_())
    assert page.tags == {"div", "p", "strong"}
    for paragraph in verdict.paragraphs:
        assert paragraph in page.text and paragraph in str(verdict)
    stored = json.loads(json.dumps(verdict.to_dict()))
    assert stored["status"] == verdict.status and stored["seed"] == 4
    assert stored["exercise"] == "backward-closed-form"


# Beliefs behind mistakes --------------------------------------------------------------


def mistake_of(exercise, identifier):
    [found] = [m for m in exercise.mistakes if m.identifier == identifier]
    return found


def test_belief_behind_a_mistake_is_named_and_linked():
    exercise = EXERCISES["standardise"]
    [edit, *_] = mistake_of(exercise, "unbiased-variance").edits
    verdict = judge(exercise, exercise.program(edit), 0)
    words = "A common belief behind it: 'The variance is divided by m - 1.'"
    assert str(verdict).count(words) == 1
    message, said = verdict.paragraphs[-2:]
    assert "in a batch it is divided by m." in message and said.startswith(words)
    assert "See the page Misconceptions." in said
    page = Tags(verdict._repr_html_())
    assert page.tags == {"div", "p", "strong", "a"} and said in page.text
    assert page.addresses == ["../misconceptions.ipynb#mis-unbiased"]


def test_belief_behind_an_error_is_named():
    exercise = EXERCISES["scale-and-shift"]
    mistake = mistake_of(exercise, "per-example")
    verdict = judge(exercise, exercise.program(mistake.edits[0]), 0)
    assert verdict.status == "error"
    assert belief(mistake.misconception) in verdict.paragraphs


def test_mistake_without_a_belief_names_none():
    exercise = EXERCISES["standardise"]
    [edit, *_] = mistake_of(exercise, "eps-outside").edits
    assert "belief" not in str(judge(exercise, exercise.program(edit), 0))


def test_beliefs_are_named_once_and_only_if_certain():
    exercise = EXERCISES["standardise"]
    axis, unbiased, outside = (
        mistake_of(exercise, name)
        for name in ("wrong-axis", "unbiased-variance", "eps-outside")
    )

    def named(*findings):
        found = [Finding(("y",), alternatives) for alternatives in findings]
        return [link.address.partition("#")[2] for link in report.beliefs(found)]

    assert named(((axis,),), ((axis, unbiased),)) == ["mis-axis", "mis-unbiased"]
    assert named(((axis,), (unbiased,)), ((outside,),), ()) == []


def test_belief_is_that_of_the_identifier_unless_another_is_given():
    exercise = replace(CLOSED, mistakes=[])
    for given in (None, "", "mis-axis"):
        exercise.mistake("unbiased-variance", "No.", misconception=given)
    found = [mistake.misconception for mistake in exercise.mistakes]
    assert found == ["mis-unbiased", "", "mis-axis"]


def test_html_is_escaped():
    def answer(dout, x, gamma, eps):
        print("<script>alert(1)</script>")

    verdict = judge(CLOSED, answer, 0)
    assert "<script>" in str(verdict)
    assert Tags(verdict._repr_html_()).tags == {"div", "p", "strong"}


def test_what_is_said_comes_in_an_order_that_helps():
    edits = {"dout.sum(axis=0)": "dout.mean(axis=0)"}
    wrong = CLOSED.program(edits)

    def answer(dout, x, gamma, eps):
        print("on the way")
        dx, dgamma, dbeta = wrong(dout, x, gamma, eps)
        np.log(np.zeros(1))
        x += 1
        return dx, dgamma * gamma**2, dbeta

    words = [
        "wrong: ",
        "Your function changes its input x",
        "dx is right; dgamma and dbeta are not.",
        "dbeta: dgamma and dbeta are sums over the batch",
        "dgamma: not a mistake I know.",
        "The smallest example I found: dout = ",
        "There dgamma[",
        "Warning: ",
        "Your function printed: on the way",
    ]
    text = str(judge(CLOSED, answer, 0))
    places = [text.find(part) for part in words]
    assert min(places) >= 0 and places == sorted(places), text


def test_answer_for_one_seed_is_no_answer():
    told = {}

    def answer(x, eps):
        return told[x.tobytes()]

    exercise = EXERCISES["standardise"]
    for _family, arguments in cases_of(exercise, 1):
        told[arguments[0].tobytes()] = exercise.reference(*arguments)
    assert judge(exercise, answer, 1).status == "passed"
    assert judge(exercise, answer, 2).status == "error"


def test_seed_repeats_a_verdict():
    first = check("backward-closed-form", unknown)
    assert f"check('backward-closed-form', seed={first.seed}) repeats" in str(first)
    again = check("backward-closed-form", unknown, seed=first.seed)
    assert str(again) == str(first)
    assert check("backward-closed-form", unknown).seed != first.seed


# Calling it --------------------------------------------------------------------------


def test_function_is_looked_up_where_check_is_called():
    assert check("backward-closed-form").status == "not attempted"
    closed_form = CLOSED.reference
    assert check("backward-closed-form").status == "passed"
    del closed_form
    namespace = {"check": check}
    exec("def closed_form(*a): return 3\nv = check('backward-closed-form')", namespace)  # noqa: S102
    assert namespace["v"].status == "wrong"


@pytest.mark.parametrize("call", [check, hint, solution])
def test_unknown_name_gives_the_nearest(call):
    with pytest.raises(LookupError, match="Did you mean 'backward-closed-form'"):
        call("backwards-closed-from")
    assert find("standardise") is EXERCISES["standardise"]


def test_hints_come_one_after_the_other(monkeypatch):
    monkeypatch.setattr(sys.modules[judge.__module__], "hints_given", {})
    shown_hints = [hint("standardise") for _ in range(4)]
    for number, text in enumerate(EXERCISES["standardise"].hints):
        assert shown_hints[number] == f"Hint {number + 1} of 3: {text}"
    assert "solution('standardise')" in shown_hints[3]


@exercises
def test_solution_is_a_right_answer(exercise):
    text = solution(exercise.identifier)
    assert exercise.why in text
    source = text[: text.index(exercise.why)]
    assert judge(exercise, define(source, exercise.function), 0).status == "passed"


# Strange answers ---------------------------------------------------------------------


def same_for_all(value):
    return lambda *arguments: value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "Your function returns nothing."),
        (3, "Asked for 3 outputs (dx, dgamma, dbeta), came one int."),
        ("abc", "came one str."),
        ({"dx": 1}, "came one dict."),
        ((1, 2), "came a tuple of 2."),
        ([1, 2, 3, 4], "came a list of 4."),
        (np.zeros((4, 2)), "came one array of shape (4, 2)."),
        (("a", "b", "c"), "dx: asked for an array of numbers, came one str."),
        ((object(), None, len), "dgamma: asked for an array of numbers, came None."),
        ((np.zeros(10**7, "i1"),) * 3, "dx: asked for the shape"),
        (([[1], [2, 3]], 0, 0), "dx: asked for an array of numbers, came a list of 2."),
        (([[[]] * 10**4] * 10**4, 0, 0), "came a list of 10000."),
        (([[0.5] * 10**4] * 10**4, 0, 0), "came a list of 10000."),
        (np.array([1, "a", None], object), "asked for an array of numbers"),
    ],
)
def test_wrong_kind_of_answer(value, words):
    verdict = judge(CLOSED, same_for_all(value), 0)
    assert verdict.status == "wrong" and verdict.diagnosis == ()
    assert words in str(verdict)
    assert len(str(verdict)) < 3000


def changed_outputs(change):
    def answer(*arguments):
        return tuple(change(a) for a in CLOSED.reference(*arguments))

    return answer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a * np.nan, "dx is NaN in 21 of 21 places."),
        (lambda a: a * np.inf, "dx is infinity in 21 of 21 places."),
        (
            lambda a: a[None],
            "dx: asked for the shape (7, 3), came (1, 7, 3); its numbers",
        ),
        (lambda a: (1e3 * a).astype(int), "asked for float64 or float32, came int64."),
        (lambda a: a.astype("f2"), "asked for float64 or float32, came float16."),
        (lambda a: a + 1j, "asked for float64 or float32, came complex128."),
        (lambda a: a > 0, "asked for float64 or float32, came bool."),
        (lambda a: a + 0j, "asked for float64 or float32, came complex128."),
        (lambda a: a.astype(object), "came one array of shape (7, 3) and dtype object"),
        (lambda a: a.T, "asked for the shape (7, 3), came (3, 7); transposed, it is"),
        (lambda a: np.broadcast_to(1.0, (10**9, 10**9)), "came (1000000000, "),
    ],
)
def test_wrong_kind_of_output(change, words):
    verdict = judge(CLOSED, changed_outputs(change), 0)
    assert verdict.status == "wrong"
    assert words in str(verdict)


def test_value_whose_class_cannot_be_asked():
    class Meta(type):
        def __getattribute__(cls, name):
            raise RuntimeError(name)

    odd = Meta("Odd", (), {})
    verdict = judge(CLOSED, same_for_all((0, odd, odd())), 0)
    assert "dbeta: asked for an array of numbers, came one Odd." in str(verdict)
    assert "Odd, not a function" in str(judge(CLOSED, odd(), 0))


def test_right_numbers_in_another_class_of_array():
    class Liar(np.ndarray):
        def __eq__(self, other):
            return True

        def __array_ufunc__(self, *args, **kwargs):
            return True

    right = changed_outputs(lambda a: a.view(Liar))
    assert judge(CLOSED, right, 0).status == "passed"
    assert (
        judge(CLOSED, changed_outputs(lambda a: (2 * a).view(Liar)), 0).status
        == "wrong"
    )


def test_changed_inputs_are_seen():
    def answer(dout, x, gamma, eps):
        found = CLOSED.reference(dout, x, gamma, eps)
        x -= x.mean(axis=0)
        return found

    verdict = judge(CLOSED, answer, 0)
    assert verdict.status == "wrong" and verdict.diagnosis == ("input-changed",)
    assert all(verdict.outputs.values())
    assert "Your function changes its input x" in str(verdict)


def test_inputs_set_to_zero_do_not_help():
    def answer(dout, x, gamma, eps):
        for a in (dout, x, gamma):
            a[...] = 0
        return 0 * x, 0 * gamma, 0 * gamma

    verdict = judge(CLOSED, answer, 0)
    assert verdict.status == "wrong" and not any(verdict.outputs.values())
    assert set(verdict.diagnosis) == {"zeros", "input-changed"}


def test_output_that_is_an_input():
    def answer(x, eps):
        x[...] = EXERCISES["standardise"].reference(x, eps)
        return x[:]

    verdict = judge(EXERCISES["standardise"], answer, 0)
    assert verdict.diagnosis == ("input-changed",)
    assert "shares its memory with the input x" in str(verdict)
    assert verdict.outputs == {"x_hat": True}


def test_some_inputs_may_be_returned_as_they_are_but_not_changed():
    exercise = EXERCISES["train-and-eval"]

    def answer(x, running_mean, running_var, training, momentum, eps):
        given = x, running_mean, running_var, training, momentum, eps
        y, mean, var = exercise.reference(*given)
        assert training or (mean is running_mean and var is running_var)
        running_mean[...], running_var[...] = mean, var
        return y, running_mean, running_var

    assert judge(exercise, exercise.reference, 0).status == "passed"
    verdict = judge(exercise, answer, 0)
    assert verdict.status == "wrong" and verdict.diagnosis == ("input-changed",)
    assert all(verdict.outputs.values())


@pytest.mark.parametrize("shape", [(40, 8), (400, 400)])
def test_one_buffer_for_all_calls(shape):
    buffer = np.zeros(shape)  # the larger one is more than the sandbox puts back

    def answer(dout, x, gamma, eps):
        dx, dgamma, dbeta = CLOSED.reference(dout, x, gamma, eps)
        part = buffer[: x.shape[0], : x.shape[1]]
        part[...] = gamma * dout / np.sqrt(x.var(axis=0) + eps)
        return part, dgamma, dbeta

    assert judge(CLOSED, answer, 0).diagnosis == ("statistics-constant",)


@pytest.mark.parametrize("obj", [3, "closed_form", np.zeros(3), None])
def test_what_is_no_function(obj):
    verdict = judge(CLOSED, obj, 0)
    assert verdict.status == "wrong" and "not a function" in str(verdict)


def test_exception_is_told_with_its_line():
    def answer(dout, x, gamma, eps):
        values = {}
        return values["missing"]

    verdict = judge(CLOSED, answer, 0)
    assert verdict.status == "error" and verdict.diagnosis == ()
    assert "KeyError" in str(verdict) and 'values["missing"]' in str(verdict)


def test_exception_on_some_inputs():
    exercise = EXERCISES["standardise-channels"]

    def answer(x, eps):
        if x.ndim == 3:
            raise ValueError("no sequences please")
        return exercise.reference(x, eps)

    verdict = judge(exercise, answer, 0)
    assert verdict.status == "error"
    assert "For sequences your function stops" in str(verdict)


def test_wrong_number_of_parameters():
    verdict = judge(CLOSED, lambda x: x, 0)
    assert verdict.status == "error" and "TypeError" in str(verdict)


def test_warnings_are_told_once():
    def answer(dout, x, gamma, eps):
        np.log(np.zeros(1))
        return CLOSED.reference(dout, x, gamma, eps)

    verdict = judge(CLOSED, answer, 0)
    assert verdict.status == "passed"
    assert str(verdict).count("divide by zero") == 1


def test_mistakes_of_the_bank_do_not_warn():
    # One of them divides by m - 1, and the sandbox knows nothing of that.
    exercise = EXERCISES["batch-statistics"]
    program = exercise.mistakes[0].edits[0]
    noisy = replace(
        exercise.mistakes[0],
        edits=(program, {"x.mean(axis=0)": "x[:0].mean(axis=0)"}),
    )
    changed = replace(exercise, mistakes=[noisy])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = judge(changed, lambda x: (x.sum(axis=0), x.var(axis=0)), 0)
        assert verdict.status == "wrong" and "Warning" not in str(verdict)
        right = judge(changed, changed.program(noisy.edits[1]), 0)
    assert right.diagnosis == (noisy.identifier,)


def test_a_number_that_is_none_is_not_too_small():
    verdict = judge(EXERCISES["largest-rate"], lambda x: np.nan, 0)
    assert str(verdict).endswith("There rate is nan.")
    verdict = judge(EXERCISES["largest-rate"], lambda x: 1e9, 0)
    assert str(verdict).endswith("There rate is 1e+09, which is too large.")


def test_wrong_shape_is_said_once():
    def answer(x):
        return x.mean(axis=0)[:, None], x.var(axis=0)

    verdict = judge(EXERCISES["batch-statistics"], answer, 0)
    assert "its numbers are right" in str(verdict)
    assert "not a mistake I know" not in str(verdict)


def test_one_array_is_not_taken_for_two_outputs():
    # Two channels in one of the families: there its length is the number of outputs.
    verdict = judge(EXERCISES["channel-statistics"], lambda x: x.mean((0, 2, 3)), 0)
    assert verdict.paragraphs == (
        "Asked for 2 outputs (mean, var), came one array of shape (3,).",
    )


def test_verdicts_can_be_compared():
    one, two = (judge(CLOSED, unknown, 0) for _ in range(2))
    assert one != two and len({one, two}) == 2


def test_body_without_a_value():
    source = "def closed_form(dout, x, gamma, eps):\n    dx = x + dout\n"
    verdict = judge(CLOSED, define(source, "closed_form"), 0)
    assert verdict.status == "wrong"
    assert "There is no return statement" in str(verdict)


def test_slow_answer_is_not_passed_for_what_was_not_tried(monkeypatch):
    monkeypatch.setattr(sys.modules[run_all.__module__], "SECONDS", 0.05)

    def answer(*arguments):
        time.sleep(0.03)
        return CLOSED.reference(*arguments)

    verdict = judge(CLOSED, answer, 0)
    assert verdict.status == "error" and "takes too long" in str(verdict)
