"""Serve MathJax from the book itself, so that pages need no other host.

The PyPI package `sphinx-mathjax-offline` holds all of MathJax 3.2, 24 MB. A page needs
one script and the fonts, 1.6 MB; they are copied beside the other static files.
"""

from importlib.metadata import distribution
from pathlib import Path

from sphinx.util.fileutil import copy_asset

FILES = ("tex-chtml.js", "output/chtml/fonts/woff-v2")


def copy_mathjax(app, error):
    """Copy the script and the fonts into the built site.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application that has finished.
    error : Exception or None
        What ended the build early, if anything.
    """
    if error is not None or app.builder.format != "html":
        return
    # The package's folder has hyphens in its name, so that it cannot be imported.
    package = distribution("sphinx-mathjax-offline")
    source = Path(package.locate_file("sphinx-mathjax-offline/static/mathjax"))
    target = Path(app.outdir, "_static", "mathjax")
    for name in FILES:
        place = target / name
        folder = place.parent if place.suffix else place
        folder.mkdir(parents=True, exist_ok=True)
        copy_asset(source / name, folder)


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
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
