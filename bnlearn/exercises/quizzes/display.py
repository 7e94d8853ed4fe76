"""A quiz as the two parts of a notebook's output: a page and a script.

The script is that of jupyterquiz, copied into the output, so that nothing is loaded when
a page is read. Three things differ from ``jupyterquiz.display_quiz``: identifiers come
from the chapter and not from `random`, so that a cell's output is the same each time;
the box is closed, so that it does not swallow the rest of a page; and MathJax is hidden
from the script, which would otherwise fetch one from another host in JupyterLab.
"""

from bnlearn.exercises.quizzes import find_quiz
from bnlearn.exercises.quizzes.definition import as_jupyterquiz

__all__ = ["page_and_script"]

# Okabe and Ito's blue and vermillion, darkened until white text on them is easy to read.
RIGHT, WRONG, FOCUS = "#00639c", "#a84700", "#e69f00"
BOX, PAPER, INK = "#2f3b4c", "#ffffff", "#1a1a1a"
COLOURS = {
    "--jq-multiple-choice-bg": BOX,
    "--jq-mc-button-bg": PAPER,
    "--jq-mc-button-border": "#767676",
    "--jq-mc-button-inset-shadow": "transparent",
    "--jq-incorrect-color": WRONG,
    "--jq-correct-color": RIGHT,
    "--jq-text-color": PAPER,
    "--jq-link-color": PAPER,
}
STYLE = f"""
div.text_html:has(> #ID) {{ background: transparent !important; padding: 0; }}
#ID .Quiz {{ font-size: 1rem; line-height: 1.4; margin: 0 0 2rem 0; }}
#ID .QuizCode {{ font-size: 0.85rem; margin: 0.6rem 0 0 0; }}
#ID .QuizCode pre {{ background: {PAPER}; color: {INK}; border: 0; margin: 0;
  padding: 0.5rem; overflow-x: auto; white-space: pre; line-height: 1.4; }}
#ID .Quiz code {{ background: transparent; color: inherit; font-size: 0.9em;
  overflow-wrap: anywhere; }}
#ID .Quiz pre code {{ overflow-wrap: normal; }}
#ID .Answer {{ grid-template-columns: 1fr; grid-gap: 0.4rem; margin: 0.5rem 0; }}
#ID .MCButton {{ color: {INK}; position: relative; justify-content: flex-start;
  text-align: left; font-size: 1rem; line-height: 1.4; padding: 0.5rem 0.7rem;
  margin: 0; }}
#ID .MCButton.correctButton, #ID .MCButton.incorrectButton {{ color: {PAPER}; }}
#ID .MCButton input {{ position: absolute; opacity: 0; width: 1px; height: 1px; }}
#ID .MCButton:focus-within {{ outline: 3px solid {FOCUS}; outline-offset: -3px;
  box-shadow: inset 0 0 0 5px {INK}; }}
#ID .Feedback {{ background: {PAPER}; font-size: 1rem; text-align: left;
  border-radius: inherit; padding: 0.5rem 0.7rem; border: 1px solid #767676;
  border-left: 8px solid; }}
#ID .Feedback:empty {{ display: none; }}
"""
# For those who hear the page: which choices belong together, and what was said. For
# those who use keys: the arrows belong to the choices, which JupyterLab would take away.
ACCESS = """
document.getElementById("ID")
  .addEventListener("keydown", event => event.stopPropagation());
for (const box of document.querySelectorAll("#ID .Answer")) {
  box.setAttribute("role", "radiogroup");
  box.setAttribute("aria-labelledby", box.previousSibling.id);
}
for (const box of document.querySelectorAll("#ID .Feedback"))
  box.setAttribute("aria-live", "polite");
"""


def page_and_script(chapter: str) -> tuple[str, str]:
    """Give the HTML and the JavaScript of a chapter's quiz.

    Parameters
    ----------
    chapter : str
        Its two digits.

    Returns
    -------
    page, script : str
        The same on every call.

    Raises
    ------
    LookupError
        If there is no such quiz.
    """
    questions = as_jupyterquiz(find_quiz(chapter))

    from jupyterquiz import __version__
    from jupyterquiz.dynamic import loader, renderer

    name = f"quiz{chapter}"
    box = renderer.render_div(
        name,
        shuffle_questions=False,
        shuffle_answers=False,
        preserve_responses=False,
        num=len(questions),
        max_width=720,
        border_radius=6,
        question_alignment="left",
    )
    style = f"<style>{STYLE.replace('ID', name)}</style>"
    page = f"{box}{renderer.build_styles(name, COLOURS)}{style}</div>"
    prefix, static, url = loader.load_questions_script(questions, name)
    script = renderer.build_script(prefix, static, url, name, load_js=True)
    made_by = f"JupyterQuiz {__version__}, copyright John M. Shea, MIT License"
    # The parameter hides MathJax from the script inside.
    inside = f"{script}{ACCESS.replace('ID', name)}"
    return page, f"/* {made_by} */\n(function (MathJax) {{\n{inside}}})();\n"
