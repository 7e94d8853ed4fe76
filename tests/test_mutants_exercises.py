"""Mistakes planted in the exercises: every one must be found by a test of theirs."""

import contextlib
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from bnlearn.exercises import (
    beliefs,
    compare,
    definition,
    diagnosis,
    inputs,
    report,
    trial,
    verdict,
)
from bnlearn.exercises.catalogue import EXERCISES
from bnlearn.exercises.sandbox import errors, inside, shield, submission, syntax
from tests import test_exercises as te
from tests import test_progress as tp
from tests import test_sandbox as ts
from tests.test_mutants import mutate

# The package gives the functions of these names.
check = import_module("bnlearn.exercises.check")
progress = import_module("bnlearn.exercises.progress")

STANDARDISE = EXERCISES["standardise"]
STATISTICS = EXERCISES["batch-statistics"]


# Tests that take arguments or fixtures, called with them --------------------------------


def right_answers():
    te.test_form_of_a_right_answer_does_not_matter(STATISTICS)


def precision():
    for dtype in ("f8", "f4"):
        te.test_how_close_is_close(dtype)


def kinds_of_output():
    values = {
        "came (1, 7, 3); its numbers": lambda a: a[None],
        "dx is NaN in 21 of 21 places.": lambda a: a * np.nan,
        "dx is infinity in 21 of 21 places.": lambda a: a * np.inf,
        "came float16": lambda a: a.astype("f2"),
        "came int64": lambda a: (1e3 * a).astype(int),
        "came complex128": lambda a: a + 0j,
        "transposed, it is right": lambda a: a.T,
        "dtype object": lambda a: a.astype(object),
    }
    for words, change in values.items():
        te.test_wrong_kind_of_output(change, words)


def kinds_of_answer():
    te.test_wrong_kind_of_answer(None, "Your function returns nothing.")
    te.test_wrong_kind_of_answer((1, 2), "came a tuple of 2.")
    te.test_wrong_kind_of_answer(([[1], [2, 3]], 0, 0), "came a list of 2.")


def named(exercise, identifier, number=0):
    def named_as_itself():
        [mistake] = [m for m in exercise.mistakes if m.identifier == identifier]
        edit = mistake.edits[number]
        for seed in range(3):
            te.assert_named(exercise, mistake, edit, seed)

    return named_as_itself


def on_fresh_banks(test):
    """Run a test on copies of the exercises, for which nothing is remembered."""

    def run():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(te, "CLOSED", replace(te.CLOSED))
            for name in ("softmax-gradient", "batch-statistics"):
                patch.setitem(te.EXERCISES, name, replace(EXERCISES[name]))
            test()

    run.__name__ = test.__name__
    return run


@on_fresh_banks
def general_mistakes():
    te.test_general_mistakes(lambda a: a.round(2), "result-rounded")
    te.test_general_mistakes(lambda a: -a, "sign-flipped")


order = on_fresh_banks(te.test_order_of_outputs)
twice = on_fresh_banks(te.test_one_output_twice)
zeros = on_fresh_banks(te.test_zeros_are_not_called_rounded)
two_in_one = on_fresh_banks(te.test_two_mistakes_in_one_output)


def one_large_buffer():
    te.test_one_buffer_for_all_calls((400, 400))


def stubs():
    for body in (None, "pass", "...", '"""Say."""'):
        te.test_stub_is_not_attempted(STANDARDISE, body)


def families():
    for exercise in EXERCISES.values():
        te.test_families_tell_axes_and_channels_apart(exercise)


def exact():
    te.test_what_is_expected_is_exact(STANDARDISE)


def solutions():
    te.test_solution_is_a_right_answer(STANDARDISE)


def with_patches(test):
    def run():
        with pytest.MonkeyPatch.context() as patch:
            test(patch)

    run.__name__ = test.__name__
    return run


hints = with_patches(te.test_hints_come_one_after_the_other)
slow_answers = with_patches(te.test_slow_answer_is_not_passed_for_what_was_not_tried)


def with_file(test, *arguments):
    """Call a test of the progress with a file of its own."""

    def run():
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            file = Path(folder, "some", "progress.json")
            patch.setenv("BNLEARN_PROGRESS_FILE", str(file))
            more = [patch if part is pytest.MonkeyPatch else part for part in arguments]
            test(file, *more)

    run.__name__ = test.__name__
    return run


recorded = with_file(tp.test_checks_are_recorded)
damaged = with_file(tp.test_damaged_file_is_set_aside, '{"exercises": 3}')
interrupted = with_file(
    tp.test_interrupted_writing_leaves_the_old_file, pytest.MonkeyPatch
)
looking = with_file(tp.test_looking_without_writing_is_no_try)
stub_after_try = with_file(tp.test_a_stub_does_not_undo_a_try)
first_day = with_file(tp.test_first_day_of_passing_is_kept)
all_shown = with_file(tp.test_all_exercises_are_shown)


def home():
    with pytest.MonkeyPatch.context() as patch:
        tp.test_home_folder_is_found(patch)


@contextlib.contextmanager
def kept():
    """Keep what a broken sandbox would leave changed."""
    enter, state = np.errstate.__enter__, np.random.get_state()
    environment, options = dict(os.environ), np.get_printoptions()
    try:
        yield
    finally:
        np.errstate.__enter__ = enter
        np.random.set_state(state)
        os.environ.clear()
        os.environ.update(environment)
        np.set_printoptions(**options)


def put_back(name):
    def run():
        with kept():
            ts.test_global_state_is_put_back(*ts.GLOBAL[name], "returns", None)

    run.__name__ = f"put_back_{name}"
    return run


def budget():
    ts.test_budget_is_shared_by_all_runs(None)


def nothing_returned():
    ts.test_returns_nothing("def f(x): y = x", True)
    ts.test_returns_nothing("def f(x): yield x", False)
    ts.test_returns_nothing("def f(x):\n    def g(): return 1\n    g()", True)


MUTANTS = {
    # compare
    "tolerance a thousand times too wide": (
        compare,
        "rtol * scale",
        "1e3 * rtol * scale",
        [precision],
    ),
    "tolerance a thousand times too narrow": (
        compare,
        "rtol * scale",
        "1e-3 * rtol * scale",
        [precision],
    ),
    "tolerance of float32 for all": (
        compare,
        "family.rtol32 if single else family.rtol",
        "family.rtol32",
        [precision],
    ),
    "tolerance of float64 for all": (
        compare,
        "family.rtol32 if single else family.rtol",
        "family.rtol",
        [precision],
    ),
    "one right entry is enough": (
        compare,
        "difference.max() <=",
        "difference.min() <=",
        [te.test_one_wrong_entry_is_found_and_pointed_at],
    ),
    "shapes that broadcast are equal": (
        compare,
        "actual.shape != expected.shape or",
        "False or",
        [kinds_of_output],
    ),
    "complex numbers are right": (
        compare,
        ' or actual.dtype.kind == "c"',
        "",
        [kinds_of_output],
    ),
    "aliasing not looked for": (
        compare,
        "is_array(out) and np.may_share_memory(out, new)",
        "False",
        [te.test_output_that_is_an_input],
    ),
    "changed inputs not looked for": (
        compare,
        "if not same:",
        "if False:",
        [te.test_changed_inputs_are_seen, te.test_inputs_set_to_zero_do_not_help],
    ),
    "NaN called infinity": (
        compare,
        '("NaN", np.isnan(array))',
        '("infinity", np.isnan(array))',
        [kinds_of_output],
    ),
    "float16 accepted": (
        compare,
        " or array.dtype == np.float16",
        "",
        [kinds_of_output],
    ),
    "right numbers in a wrong shape not seen": (
        compare,
        "close(array.reshape(want.shape), want, family)",
        "False",
        [kinds_of_output, te.test_wrong_shape_is_said_once],
    ),
    "outputs not copied": (
        compare,
        "else a.copy()",
        "else a",
        [one_large_buffer],
    ),
    "a list is no tuple": (
        compare,
        "value if type(value) is list else []",
        "[]",
        [right_answers],
    ),
    "type of what came not said": (
        compare,
        'f"a {kind} of {len(value)}"',
        'f"a {kind}"',
        [kinds_of_answer],
    ),
    # trial
    "inputs not copied": (
        trial,
        "given = copied(arguments)",
        "given = arguments",
        [te.test_changed_inputs_are_seen, te.test_output_that_is_an_input],
    ),
    "only the first kind of input": (
        trial,
        "enumerate(exercise.families)",
        "enumerate(exercise.families[:1])",
        [
            te.test_an_answer_that_is_right_for_some_inputs_only,
            te.test_mistake_that_shows_for_some_inputs_only,
        ],
    ),
    "the same numbers for all seeds": (
        trial,
        "default_rng([seed, number])",
        "default_rng([1, number])",
        [te.test_answer_for_one_seed_is_no_answer],
    ),
    "time not added up": (
        trial,
        "if seconds > SECONDS:",
        "if False:",
        [slow_answers],
    ),
    "late is not stopped": (
        trial,
        "self.run.timed_out or ",
        "",
        [slow_answers],
    ),
    "one right output is enough": (
        trial,
        "all(self.comparison.right) and",
        "any(self.comparison.right) and",
        [te.test_unknown_mistake_is_admitted_with_an_example_and_a_slope],
    ),
    "complaints do not count": (
        trial,
        " and not self.comparison.complaints",
        "",
        [te.test_changed_inputs_are_seen],
    ),
    "largest example first": (
        trial,
        "product(exercise.small, wrong)",
        "product(exercise.small[::-1], wrong)",
        [te.test_unknown_mistake_is_admitted_with_an_example_and_a_slope],
    ),
    "example where the answer is right": (
        trial,
        "if not small.stopped and not small.comparison.right[k]:",
        "if not small.stopped:",
        [te.test_smallest_example_is_wrong_and_short],
    ),
    # diagnosis
    "alternatives dropped": (
        diagnosis,
        "for score, c in found if score == most}",
        "for score, c in found[:1] if score == most}",
        [te.test_what_cannot_be_told_apart_is_given_as_a_choice],
    ),
    "errors not compared": (
        diagnosis,
        "return type(outcome) is type(error) and str(outcome) == str(error)",
        "return False",
        [named(STANDARDISE, "wrong-axis", 3)],
    ),
    "pairs not looked at": (
        diagnosis,
        "yield pairs(exercise), 0",
        "yield [], 0",
        [two_in_one],
    ),
    "pairs of one mistake": (
        diagnosis,
        "exercise.program(*order)",
        "exercise.program(order[0])",
        [two_in_one],
    ),
    "general mistakes not looked at": (
        diagnosis,
        "yield general(exercise), 1",
        "yield [], 1",
        [general_mistakes, order, twice],
    ),
    "swapped outputs are two mistakes": (
        diagnosis,
        "if len(found) > 1 and (swap",
        "if len(found) > 9 and (swap",
        [te.test_swapped_outputs_are_one_mistake_and_not_two],
    ),
    "zeros are rounded": (
        diagnosis,
        "    yield zeros, 1",
        "    yield [], 1",
        [zeros],
    ),
    "outputs in order": (
        diagnosis,
        "tuple(right(arguments)[k] for k in order)",
        "tuple(right(arguments))",
        [order, twice],
    ),
    "scores forgotten": (
        diagnosis,
        "yield k, 2 if all_same else int(k in everywhere)",
        "yield k, 0",
        [general_mistakes, order],
    ),
    "wrong everywhere or not that mistake": (
        diagnosis,
        "if not case.comparison.right[k]:\n                    possible",
        "if True:\n                    possible",
        [te.test_mistake_that_shows_for_some_inputs_only],
    ),
    "rounding errors compared": (
        diagnosis,
        "any(family.name in mistake.unstable",
        "any(False and mistake.unstable",
        [te.test_rounding_errors_of_another_program_are_the_same_mistake],
    ),
    "rounding errors of an input compared": (
        diagnosis,
        "if family.noisy or unstable",
        "if unstable",
        [te.test_where_an_input_makes_rounding_errors_being_wrong_is_enough],
    ),
    "what resembles is the same": (
        diagnosis,
        "return close(value, other, case.family)",
        "return np.allclose(value, other, rtol=0.5, atol=0.5)",
        [te.test_what_merely_resembles_a_mistake_is_not_named],
    ),
    "the bank warns": (
        diagnosis,
        'warnings.simplefilter("ignore")',
        'warnings.simplefilter("error")',
        [te.test_mistakes_of_the_bank_do_not_warn],
    ),
    "each output on its own": (
        diagnosis,
        "if explained[n] == most",
        "if explained[n] > 0",
        [te.test_a_mistake_that_explains_all_is_likelier],
    ),
    # report
    "outputs said first": (
        report,
        "said += output_words(outputs, cases)",
        "said = [*output_words(outputs, cases), *said]",
        [te.test_what_is_said_comes_in_an_order_that_helps],
    ),
    "prints said first": (
        report,
        "said += notes(cases)",
        "said = notes(cases) + said",
        [te.test_what_is_said_comes_in_an_order_that_helps],
    ),
    "the answer given away": (
        report,
        "if want.size > 1:",
        "if True:",
        [te.test_a_number_that_is_none_is_not_too_small],
    ),
    "slope of another sign": (
        report,
        "finite_difference(exercise, case, name, want.shape)[place]",
        "-finite_difference(exercise, case, name, want.shape)[place]",
        [te.test_unknown_mistake_is_admitted_with_an_example_and_a_slope],
    ),
    "pointing where it is right": (
        report,
        "np.argmax(distance)",
        "np.argmin(distance)",
        [te.test_one_wrong_entry_is_found_and_pointed_at],
    ),
    "warnings repeated": (
        report,
        "dict.fromkeys(w for c in cases for w in c.run.warnings)",
        "[w for c in cases for w in c.run.warnings]",
        [te.test_warnings_are_told_once],
    ),
    "a consequence named": (
        report,
        "if ALIAS in found and len(found) > 1:",
        "if False:",
        [te.test_output_that_is_an_input],
    ),
    "right once is right": (
        report,
        "name: all(case.comparison.right[k]",
        "name: any(case.comparison.right[k]",
        [te.test_an_answer_that_is_right_for_some_inputs_only],
    ),
    "nothing returned not explained": (
        report,
        "if submission.returns_nothing():",
        "if False:",
        [te.test_body_without_a_value],
    ),
    "section not named": (
        report,
        "{m.message} See {m.section}.",
        "{m.message}",
        [named(STANDARDISE, "eps-outside")],
    ),
    "belief not named": (
        report,
        "said += beliefs(findings)",
        "said += []",
        [te.test_belief_behind_a_mistake_is_named_and_linked],
    ),
    "belief not named after an error": (
        report,
        "*beliefs(known), ",
        "",
        [te.test_belief_behind_an_error_is_named],
    ),
    "belief of one of several mistakes": (
        report,
        "if len(f.alternatives) == 1]",
        "if f.alternatives]",
        [te.test_beliefs_are_named_once_and_only_if_certain],
    ),
    "belief repeated": (
        report,
        "in dict.fromkeys(labels) if label",
        "in labels if label",
        [te.test_beliefs_are_named_once_and_only_if_certain],
    ),
    "belief of the first mistake only": (
        report,
        "for mistakes in certain for m in mistakes)",
        "for mistakes in certain for m in mistakes[:1])",
        [te.test_beliefs_are_named_once_and_only_if_certain],
    ),
    # verdict
    "belief without its link": (
        verdict,
        "if isinstance(paragraph, Link):",
        "if False:",
        [te.test_belief_behind_a_mistake_is_named_and_linked],
    ),
    "page not escaped": (
        verdict,
        "html.escape(paragraph)\n",
        "paragraph\n",
        [te.test_html_is_escaped],
    ),
    "seed not said": (
        verdict,
        "seed={self.seed}",
        "seed=...",
        [te.test_seed_repeats_a_verdict],
    ),
    # check
    "a stub is run": (
        check,
        "if submission.is_stub():",
        "if False:",
        [stubs],
    ),
    "one error is none": (
        check,
        "if any(case.stopped for case in cases):",
        "if all(case.stopped for case in cases):",
        [te.test_exception_on_some_inputs],
    ),
    "names of another place": (
        check,
        "{**frame.f_globals, **frame.f_locals}",
        "{**frame.f_globals}",
        [te.test_function_is_looked_up_where_check_is_called],
    ),
    "seed ignored": (
        check,
        "verdict = judge(exercise, obj, seed)",
        "verdict = judge(exercise, obj, 0)",
        [te.test_seed_repeats_a_verdict],
    ),
    "one seed for all": (
        check,
        "int(np.random.default_rng().integers(2**32))",
        "7",
        [te.test_seed_repeats_a_verdict],
    ),
    "nothing recorded": (
        check,
        "record(exercise.identifier, verdict.status)",
        "None",
        [recorded],
    ),
    "the first hint again": (
        check,
        "hints_given[name] = number + 1",
        "hints_given[name] = number",
        [hints],
    ),
    # beliefs
    "another label in the link": (
        beliefs,
        'f"../{PAGE}.ipynb#{label}"',
        'f"../{PAGE}.ipynb"',
        [te.test_belief_behind_a_mistake_is_named_and_linked],
    ),
    # definition
    "belief of the identifier not taken": (
        definition,
        'BEHIND.get(identifier, "")',
        '""',
        [te.test_belief_is_that_of_the_identifier_unless_another_is_given],
    ),
    "belief given not taken": (
        definition,
        "if misconception is None:",
        "if True:",
        [te.test_belief_is_that_of_the_identifier_unless_another_is_given],
    ),
    "expected as rounded as the input": (
        definition,
        'a.astype("f8") if is_float(a) else a',
        "a",
        [exact],
    ),
    "stub with a line of the solution": (
        definition,
        "[: docstring.end_lineno]",
        "[: docstring.end_lineno + 1]",
        [stubs],
    ),
    "example with all digits": (
        definition,
        "x = x.round(2)",
        "x = x + 0.0",
        [te.test_smallest_example_is_wrong_and_short],
    ),
    # inputs
    "upstream gradient of ones": (
        inputs,
        "rng.standard_normal(x.shape).astype(x.dtype)",
        "np.ones_like(x)",
        [families, te.test_inputs_differ_as_they_should],
    ),
    "channels alike": (
        inputs,
        "spread = rng.uniform(0.6, 1.6, channels)",
        "spread = np.ones(channels)",
        [te.test_inputs_differ_as_they_should],
    ),
    "quiet channel as loud as others": (
        inputs,
        "spread[-1] = 0.02",
        "spread[-1] = 1.0",
        [te.test_inputs_differ_as_they_should],
    ),
    "never far from zero": (
        inputs,
        "mean *= offset",
        "mean *= 1.0",
        [te.test_inputs_differ_as_they_should],
    ),
    "gamma of ones": (
        inputs,
        "(spaced * rng.choice([-1, 1], x.shape[1]))",
        "np.ones(x.shape[1])",
        [families, te.test_inputs_differ_as_they_should],
    ),
    # progress
    "written in place": (
        progress,
        "            new.write(",
        "            file.write_text(text)\n            new.write(",
        [interrupted],
    ),
    "half a file left behind": (
        progress,
        "Path(name).unlink(missing_ok=True)",
        "pass",
        [interrupted],
    ),
    "passed overwritten by wrong": (
        progress,
        'if entry["state"] != "passed":',
        "if True:",
        [recorded, first_day],
    ),
    "a stub undoes a try": (
        progress,
        'if status != "not attempted":',
        "if True:",
        [looking, stub_after_try],
    ),
    "day of passing overwritten": (
        progress,
        'entry.setdefault("passed", date.today().isoformat())',
        'entry["passed"] = date.today().isoformat()',
        [first_day],
    ),
    "damaged file lost": (
        progress,
        "os.replace(file, other)",
        "file.unlink()",
        [damaged],
    ),
    "damaged file overwritten by the next": (
        progress,
        ".exists():",
        ".exists() and False:",
        [damaged],
    ),
    "home folder not known": (
        progress,
        "os.path.expanduser(chosen)",
        "chosen",
        [home],
    ),
    "tries not shown": (
        progress,
        "state, str(tries))",
        'state, "")',
        [recorded],
    ),
    # sandbox
    "random numbers not put back": (
        shield,
        "np.random.set_state(pickle.loads(then))",
        "pass",
        [put_back("draw"), put_back("seed")],
    ),
    "environment not put back": (
        shield,
        "        del os.environ[name]\n",
        "        pass\n",
        [put_back("environment")],
    ),
    "patched classes not put back": (
        shield,
        "            fill_class(cls, then)",
        "            pass",
        [put_back("class of numpy")],
    ),
    "prints not caught": (
        shield,
        '"stdout": notes.stream',
        '"stdout": sys.stdout',
        [right_answers, te.test_html_is_escaped],
    ),
    "warnings not kept": (
        shield,
        "if len(self.warnings) < WARNINGS_KEPT:",
        "if False:",
        [te.test_warnings_are_told_once],
    ),
    "arrays of the reader not put back": (
        inside,
        "now[...] = then",
        "pass",
        [ts.test_namespace_of_the_reader_is_put_back],
    ),
    "names of the reader not put back": (
        inside,
        "if not same_dict(home, then):",
        "if False:",
        [ts.test_namespace_of_the_reader_is_put_back],
    ),
    "time given anew to each run": (
        submission,
        "self._left -= took",
        "pass",
        [budget],
    ),
    "pass is work": (
        syntax,
        "idle or isinstance(node, ast.Pass)",
        "idle",
        [stubs],
    ),
    "values of inner functions": (
        syntax,
        "if not isinstance(part, scope):",
        "if True:",
        [nothing_returned],
    ),
    "frames of the sandbox shown": (
        errors,
        "if not trace.tb_frame.f_code.co_filename.startswith(FOLDER):",
        "if True:",
        [ts.test_traceback_has_no_frames_of_the_sandbox],
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_found(monkeypatch, name):
    module, old, new, finders = MUTANTS[name]
    mutate(monkeypatch, module, old, new)
    for find in finders:
        # By a comparison that fails, or an error that is not raised; not by a crash.
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            find()


def test_finders_accept_the_exercises_as_they_are():
    for find in {find for *_, finders in MUTANTS.values() for find in finders}:
        if find.__module__ == __name__:  # the others run where they are defined
            find()
