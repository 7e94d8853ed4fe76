"""Leave out of the API reference what says nothing.

Python documents every field of a NamedTuple as 'Alias for field number 3'. The
docstring of the class says what the fields are. A private base class that only holds
what several layers share is not on the page; the public class behind it is.
"""


def skip_aliases(app, what, name, thing, skip, options):
    """Tell autodoc to skip the fields of NamedTuples.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application.
    what, name : str
        The kind of the object that holds the member, and the member's name.
    thing : object
        The member.
    skip : bool
        Whether autodoc would skip it.
    options : object
        The options of the directive.

    Returns
    -------
    bool or None
        True to skip it, None to leave the decision to others.
    """
    text = getattr(thing, "__doc__", None) or ""
    return True if text.startswith("Alias for field number") else None


def public_bases(app, name, thing, options, bases):
    """Put the nearest public class in the place of each private base, in the list.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The application.
    name : str
        The name of the class.
    thing : type
        The class.
    options : object
        The options of the directive.
    bases : list of type
        The base classes that autodoc would name.
    """
    for i, base in enumerate(bases):
        if isinstance(base, type):
            public = (c for c in base.__mro__ if not c.__name__.startswith("_"))
            bases[i] = next(public)


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
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-skip-member", skip_aliases)
    app.connect("autodoc-process-bases", public_bases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
