"""The quizzes: fair in form, the same on every run, and at work in a browser."""

import json
import random
import re
from collections import Counter

import numpy as np
import pytest

from bnlearn import notebook
from bnlearn.exercises.catalogue import find
from bnlearn.exercises.check import judge
from bnlearn.exercises.quizzes import QUIZZES, find_quiz
from bnlearn.exercises.quizzes.definition import (
    Choice,
    Question,
    Section,
    as_jupyterquiz,
)
from bnlearn.exercises.quizzes.display import (
    BOX,
    INK,
    PAPER,
    RIGHT,
    WRONG,
    page_and_script,
)
from bnlearn.exercises.quizzes.programs import spot
from tools import browser as browsing

ALL = [question for questions in QUIZZES.values() for question in questions]
MADE = [question for question in ALL if question.source]
chapters = pytest.mark.parametrize("chapter", QUIZZES)
questions = pytest.mark.parametrize("question", ALL, ids=lambda q: q.identifier)
PLACE = Section("02_normalization", "The sphere")


# Questions ----------------------------------------------------------------------------


@chapters
def test_every_chapter_has_questions_of_understanding(chapter):
    written = [question for question in find_quiz(chapter) if not question.source]
    assert len(written) >= 5
    assert all(c.section.page[:2] == chapter for q in written for c in q.choices)


def test_chapters_with_exercises_have_programs():
    for chapter in ("02", "04"):
        made = [question for question in find_quiz(chapter) if question.source]
        assert 1 <= len(made) <= 2
        assert {find(q.source.exercise).chapter[:2] for q in made} == {chapter}


@questions
def test_question_has_one_right_choice_and_three_wrong_ones(question):
    assert len(question.wrong) >= 3 and len(set(question.choices)) == len(
        question.choices
    )
    assert sum(choice is question.right for choice in question.choices) == 1
    assert len({choice.text for choice in question.choices}) == len(question.choices)
    assert re.fullmatch(r"[a-z0-9.-]+", question.identifier)
    assert question.text.endswith("?")


@questions
def test_words_are_complete_and_plain(question):
    for choice in question.choices:
        assert re.fullmatch(r"\S.*\.", choice.why) and len(choice.why) <= 240
        assert len(choice.text) <= 90
        for text in (question.text, choice.text, choice.why):
            assert text == " ".join(text.split()) and text.count("`") % 2 == 0
            assert not re.search(r"\b(simply|just|obviously|all of the above)\b", text)
            assert "$" not in text and "\\" not in text


def test_nothing_is_said_twice():
    for seen in (
        [q.identifier for q in ALL],
        [(q.text, q.code) for q in ALL],
        [choice.why for q in ALL for choice in q.choices],
    ):
        assert [words for words, count in Counter(seen).items() if count > 1] == []


@questions
def test_sections_exist(question, root):
    for section in {choice.section for choice in question.choices}:
        page = (root / "book" / f"{section.page}.md").read_text(encoding="utf-8")
        assert f"\n## {section.heading}\n" in page


def test_quiz_of_the_page_is_not_repeated(root):
    for chapter, asked in QUIZZES.items():
        [page] = (root / "book").glob(f"{chapter}_*.md")
        text = page.read_text(encoding="utf-8").partition("\n## Quiz\n")[2]
        own = {
            " ".join(q.split())
            for q in re.findall(r"^\d\. ((?:.|\n)*?)\n\n", text, re.MULTILINE)
        }
        assert len(own) == 5
        assert not own & {question.text for question in asked}


@chapters
def test_form_does_not_give_the_answer_away(chapter):
    asked = find_quiz(chapter)
    longest = [max(q.choices, key=lambda c: len(c.text)) is q.right for q in asked]
    assert sum(longest) <= len(asked) / 2
    assert not all(max(q.choices, key=lambda c: len(c.why)) is q.right for q in asked)
    places = Counter(q.choices.index(q.right) for q in asked)
    assert len(places) >= 3 and max(places.values()) <= len(asked) / 2


def test_order_does_not_depend_on_what_is_right():
    a, b, c = (Choice(text, "So.", PLACE) for text in "abc")
    orders = {
        tuple(x.text for x in Question("q", "Which?", right, wrong).choices)
        for right, wrong in ((a, (b, c)), (b, (a, c)), (c, (b, a)))
    }
    assert len(orders) == 1


def test_unknown_chapter_is_refused():
    for chapter in ("2", "99", "02_normalization"):
        with pytest.raises(LookupError, match="no quiz for chapter.*01, 02, 03"):
            find_quiz(chapter)
        with pytest.raises(LookupError, match="no quiz for chapter"):
            notebook.quiz(chapter)


# Programs -----------------------------------------------------------------------------


@pytest.mark.parametrize("question", MADE, ids=lambda q: q.identifier)
def test_program_has_the_mistake_and_no_other(question):
    name, mistake, _ = question.source
    exercise, namespace = find(name), {"np": np}
    exec(question.code, namespace)  # noqa: S102
    assert '"""' not in question.code
    for seed in range(5):
        verdict = judge(exercise, namespace[exercise.function], seed)
        assert verdict.diagnosis == (mistake,), verdict
        assert question.right.text in str(verdict)
        assert all(choice.text not in str(verdict) for choice in question.wrong)
    messages = {m.message: m.identifier for m in exercise.mistakes}
    assert {messages[c.text] for c in question.wrong}.isdisjoint({mistake})
    # What is quoted is code of the program that has the mistake.
    for choice in question.choices:
        quoted = re.findall(r"`([^`]+)`", choice.why)
        assert quoted
        shown = [line.strip() for line in question.code.splitlines()]
        assert all(line in shown for line in quoted) == (choice is question.right)
    reference = [line.strip() for line in exercise.solution.splitlines()]
    assert not any(line in choice.why for choice in question.choices
                   for line in reference if line.startswith("return"))  # fmt: skip


def test_every_way_of_making_a_mistake_can_be_shown():
    exercise = find("standardise")
    for mistake in exercise.mistakes:
        other = "not-scaled" if mistake.identifier != "not-scaled" else "not-centred"
        for edit in range(len(mistake.edits)):
            question = spot("standardise", mistake.identifier, other, edit=edit)
            assert question.source == ("standardise", mistake.identifier, edit)
            assert all(re.search("`.+`", choice.why) for choice in question.choices)


def test_choice_that_fits_as_well_is_refused():
    with pytest.raises(ValueError, match="lines of 'gamma-forgotten'.*'gamma-late'"):
        spot("backward-closed-form", "gamma-late", "gamma-forgotten")


def test_unknown_mistake_is_refused():
    with pytest.raises(LookupError, match="no mistake 'none' in 'standardise'"):
        spot("standardise", "eps-outside", "none")
    with pytest.raises(LookupError, match="no exercise 'none'"):
        spot("none", "eps-outside")


# The form that jupyterquiz takes ------------------------------------------------------


@chapters
def test_conversion_has_what_the_script_reads(chapter):
    asked = find_quiz(chapter)
    converted = as_jupyterquiz(asked)
    assert json.loads(json.dumps(converted)) == converted
    for question, item in zip(asked, converted, strict=True):
        assert set(item) - {"code"} == {"question", "type", "answers"}
        assert item["type"] == "multiple_choice"
        assert ("code" in item) == bool(question.code)
        right = [answer["correct"] for answer in item["answers"]]
        assert sum(right) == 1 and all(type(value) is bool for value in right)
        for answer in item["answers"]:
            assert set(answer) == {"answer", "correct", "feedback"}
            word = "Right" if answer["correct"] else "Wrong"
            assert answer["feedback"].startswith(f"<b>{word}.</b> ")
            assert re.search(rf"See chapter {chapter}, '.+'\.$", answer["feedback"])


def test_text_cannot_become_a_tag_a_link_or_mathematics():
    text = "Is `a < b & c` <b>5 $</b> or [this](that)?"
    question = Question("q", text, Choice(text, text, PLACE), (), code="x < y & z")
    [item] = as_jupyterquiz([question])
    shown = "Is <code>a &lt; b &amp; c</code> &lt;b&gt;5 &#36;&lt;/b&gt; or &#91;this](that)?"
    assert item["question"] == item["answers"][0]["answer"] == shown
    assert item["code"] == "x &lt; y &amp; z"


# What a notebook shows ----------------------------------------------------------------


@pytest.fixture
def displayed(monkeypatch):
    found = []
    monkeypatch.setattr("IPython.display.display", found.append)
    return found


@chapters
def test_display_is_the_same_twice_and_leaves_random_alone(displayed, chapter):
    state = random.getstate()
    for seed in (1, 2):
        random.seed(seed)
        before = random.getstate()
        assert notebook.quiz(chapter) is None
        assert random.getstate() == before
    random.setstate(state)
    kinds = [type(part).__name__ for part in displayed]
    assert kinds == ["HTML", "Javascript"] * 2
    assert [part.data for part in displayed[:2]] == [p.data for p in displayed[2:]]


@chapters
def test_output_is_closed_and_hides_mathjax(chapter):
    page, script = page_and_script(chapter)
    assert page.count("<div") == page.count("</div") == 1
    assert page.count("<style>") == page.count("</style>") == 2
    assert "</" not in re.sub(
        r"</(code|b)>", "", script.partition("typeof Question")[0]
    )
    assert "<script" not in page + script and "#ID" not in page + script
    start = script.partition("\n")[2]
    assert start.startswith("(function (MathJax) {\n") and script.endswith("})();\n")
    # The whole output and what a notebook adds stay far below the weight of a page.
    assert len(page) + len(script) < 100_000


def contrast(one, other):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        ]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_words_stand_out_from_their_ground():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for ink, ground in ((PAPER, BOX), (INK, PAPER), (RIGHT, PAPER), (WRONG, PAPER)):
        assert contrast(ink, ground) >= 4.5


PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Quiz</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<script>window.MathJax = {{version: "3.2.2"}};</script></head>
<body><main>{page}<script>{script}</script><p id="after">Words.</p></main></body></html>
"""


@chapters
def test_quiz_works_in_a_browser(browser, tmp_path, chapter):
    # MathJax as in JupyterLab: without `typeset`, where jupyterquiz would fetch another.
    page, script = page_and_script(chapter)
    text = PAGE.format(page=page, script=script)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    tab = browser.new_page(viewport=browsing.PHONE)
    errors, requests = [], []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    address = (tmp_path / "page.html").as_uri()
    tab.goto(address)
    asked = find_quiz(chapter)
    boxes = tab.locator(".Quiz[data-qnum]")
    assert boxes.count() == len(asked)
    for question, box in zip(asked, boxes.all(), strict=True):
        buttons = box.locator(".MCButton").all()
        assert box.get_by_role("radio").count() == len(question.choices)
        for choice, button in zip(question.choices, buttons, strict=True):
            assert button.inner_text().strip() == choice.text.replace("`", "")
            button.click()
            said = box.locator(".Feedback").inner_text()
            right = choice is question.right
            assert said.startswith(("Wrong. ", "Right. ")[right])
            assert choice.why.replace("`", "") in said
            assert str(choice.section) in said
        if question.code:
            assert box.locator(".QuizCode").inner_text() == question.code
    tab.evaluate("() => { document.onkeydown = () => { throw Error('a key'); }; }")
    first = boxes.first
    first.get_by_role("radio").first.focus()
    tab.keyboard.press("Space")
    tab.keyboard.press("ArrowDown")
    assert asked[0].choices[1].why.replace("`", "") in first.inner_text()
    tab.wait_for_timeout(800)  # jupyterquiz looks for MathJax after 500 ms
    wide = tab.evaluate("document.documentElement.scrollWidth")
    outside = tab.locator("#after").evaluate("e => e.closest('div') === null")
    tab.close()
    assert errors == [] and requests == [address]
    assert wide <= browsing.PHONE["width"] and outside
