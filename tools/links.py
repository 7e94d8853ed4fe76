"""Follow every internal link of the built site, and weigh its pages."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

POINTERS = {"a": "href", "link": "href", "script": "src", "img": "src", "source": "src"}
LOADED = {"link", "script", "img", "source"}  # fetched without a click of the reader


def read(path):
    """Parse a page.

    Parameters
    ----------
    path : pathlib.Path
        An HTML file.

    Returns
    -------
    bs4.BeautifulSoup
        The parsed page.
    """
    return BeautifulSoup(Path(path).read_text(encoding="utf-8"), "html.parser")


def pointers(soup):
    """List what a page points at.

    Parameters
    ----------
    soup : bs4.BeautifulSoup
        The parsed page.

    Returns
    -------
    list of tuple
        The name of the element and the address, as written.
    """
    found = []
    for name, attribute in POINTERS.items():
        found += [(name, e[attribute]) for e in soup.find_all(name, {attribute: True})]
    return found


def anchors(soup):
    """Collect the places within a page that a link can name.

    Parameters
    ----------
    soup : bs4.BeautifulSoup
        The parsed page.

    Returns
    -------
    set of str
        All ids, and the names of anchors.
    """
    named = {e["name"] for e in soup.find_all("a", attrs={"name": True})}
    return named | {e["id"] for e in soup.find_all(id=True)}


def broken(site, names):
    """List the internal links that lead nowhere, and files loaded from elsewhere.

    Parameters
    ----------
    site : pathlib.Path
        The built site.
    names : list of str
        Its pages, as paths within it.

    Returns
    -------
    list of str
        One complaint for each.
    """
    site = Path(site).resolve()
    pages = {(site / name).resolve(): read(site / name) for name in names}
    places = {path: anchors(soup) for path, soup in pages.items()}
    bad = []
    for path, soup in pages.items():
        for element, pointer in pointers(soup):
            where = f"{path.relative_to(site)}: {pointer}"
            url = urlsplit(pointer)
            if url.scheme or url.netloc:
                if element in LOADED and url.scheme != "data":
                    bad.append(f"{where} comes from another host")
                continue
            fragment = unquote(url.fragment)
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.is_file() or site not in target.parents:
                bad.append(f"{where} does not exist")
            elif fragment and fragment not in places.get(target, {fragment}):
                bad.append(f"{where} has no such place")
    return bad


def weight(site, name):
    """Weigh a page: its HTML and its images, without the shared static files.

    Parameters
    ----------
    site : pathlib.Path
        The built site.
    name : str
        The page, as a path within it.

    Returns
    -------
    int
        Bytes.
    """
    path = Path(site, name)
    images = {src for element, src in pointers(read(path)) if element == "img"}
    local = [src for src in images if not urlsplit(src).scheme]
    return sum(f.stat().st_size for f in [path, *(path.parent / s for s in local)])
