"""Number chapters, equations and figures by the chapter's file name.

Sphinx counts the entries of a numbered table of contents from 1. Here the chapter in
`04_backward_pass.ipynb` is chapter 4, whichever chapters stand before it, so that
equation (4.2) keeps its number when another chapter is written.
"""

import re
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.environment.collectors.toctree import TocTreeCollector

CHAPTER = re.compile(r"(\d\d)_")


def renumber(env, docname, chapter):
    """Replace the first part of every section number of one page.

    Parameters
    ----------
    env : sphinx.environment.BuildEnvironment
        The environment, in which sections are numbered already.
    docname : str
        The page.
    chapter : int
        The number that its title shall have.
    """
    numbers = env.toc_secnumbers[docname]
    for anchor, number in numbers.items():
        numbers[anchor] = (chapter, *number[1:])
    marked = [*env.tocs[docname].findall(nodes.reference), env.titles[docname]]
    for node in marked:
        if "secnumber" in node:
            node["secnumber"] = (chapter, *node["secnumber"][1:])


def unnumber(env, docname):
    """Take the numbers off a page that belongs to a chapter but is none of its sections.

    Parameters
    ----------
    env : sphinx.environment.BuildEnvironment
        The environment, in which sections are numbered already.
    docname : str
        The page.
    """
    env.toc_secnumbers[docname] = {}
    for node in [*env.tocs[docname].findall(nodes.reference), env.titles[docname]]:
        node.attributes.pop("secnumber", None)


def number_by_file_name(app, env):
    """Renumber the sections of every chapter, then what is counted within them.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application.
    env : sphinx.environment.BuildEnvironment
        The environment, in which sections, figures and equations are numbered already.

    Returns
    -------
    list of str
        The pages that have to be written again.
    """
    chapters = []
    for docname in env.toc_secnumbers:
        match = CHAPTER.match(PurePosixPath(docname).name)
        if match and PurePosixPath(docname).parent.name == "exercises":
            unnumber(env, docname)
            chapters.append(docname)
        elif match:
            renumber(env, docname, int(match[1]))
            chapters.append(docname)
    return chapters + TocTreeCollector().assign_figure_numbers(env)


def setup(app):
    """Register the extension with Sphinx.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application.

    Returns
    -------
    dict
        Says that parallel builds are safe.
    """
    app.connect("env-get-updated", number_by_file_name, priority=900)  # after Sphinx's
    return {"parallel_read_safe": True, "parallel_write_safe": True}
