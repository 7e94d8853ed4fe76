"""Let links of the form `page.ipynb#label` reach a heading by its label.

A label, `(label)=` before a heading, keeps its name when the heading is worded anew. MyST
finds headings of other pages by their words alone. `page.ipynb#label` is what JupyterLab
understands as well, where it opens the page.
"""

from docutils import nodes


def add_labels(app, doctree):
    """Enter the labels of a page's headings where MyST looks for headings.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application.
    doctree : docutils.nodes.document
        The page that was read.
    """
    known = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for section in doctree.findall(nodes.section):
        for name in section["names"]:
            if doctree.nametypes.get(name):  # a label, not the words of the heading
                title = section.next_node(nodes.title).astext()
                known.setdefault(name, (section.line, doctree.nameids[name], title))


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
    app.connect("doctree-read", add_labels)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
