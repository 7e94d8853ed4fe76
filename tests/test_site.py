"""The built pages: links, weight, and how they fare in a real browser."""

import importlib
import pkgutil
import re

import pytest
import yaml

import bnlearn
from tools import browser as browsing
from tools import links

pytestmark = pytest.mark.site

MEGABYTE = 1_000_000
GENERATED = ["genindex.html", "index.html", "py-modindex.html", "search.html"]


def sources():
    """Name the pages of the table of contents, without endings."""
    text = (browsing.ROOT / "_toc.yml").read_text(encoding="utf-8")
    toc = yaml.safe_load(text)
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    files = [e["file"] for c in chapters for e in (c, *c.get("sections", ()))]
    return [toc["root"], *(re.sub(r"\.\w+$", "", file) for file in files)]


CONTENTS = [f"{name}.html" for name in sources()]
PAGES = sorted(CONTENTS + GENERATED)


def test_pages_are_those_of_the_contents(site):
    assert browsing.html_pages(site) == PAGES


def test_every_source_is_in_the_contents(root):
    books = (root / "book").rglob("*.ipynb"), (root / "book").rglob("*.md")
    found = {p.relative_to(root).with_suffix("").as_posix() for g in books for p in g}
    assert {name for name in found if "checkpoint" not in name} == set(sources())


def test_internal_links_lead_somewhere(site):
    assert links.broken(site, PAGES) == []


def test_api_page_documents_every_public_name(site):
    text = (site / "book/api.html").read_text(encoding="utf-8")
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(bnlearn.__path__, "bnlearn.")
    ]
    # Names of data, such as the colours, have no entries.
    wanted = {
        f"{module.__name__}.{name}"
        for module in modules
        for name in module.__all__
        if callable(getattr(module, name))
    }
    assert {"bnlearn.layers.Conv2d", "bnlearn.experiment.sweep"} <= wanted
    assert [name for name in sorted(wanted) if f'id="{name}"' not in text] == []
    assert "Bases: _" not in re.sub("<[^>]+>", "", text)


@pytest.mark.parametrize("name", PAGES)
def test_page_weighs_at_most_a_megabyte(site, name):
    assert links.weight(site, name) <= MEGABYTE


def test_site_weighs_at_most_25_megabytes(site):
    total = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert total <= 25 * MEGABYTE


@pytest.mark.parametrize("name", PAGES)
def test_page_in_browser(browser, address, name):
    assert browsing.check_page(browser, f"{address}/{name}") == []


@pytest.mark.parametrize("name", CONTENTS)
def test_page_in_browser_in_dark_mode(browser, address, name):
    bad = browsing.check_page(browser, f"{address}/{name}", scheme="dark")
    assert bad == []


@pytest.mark.parametrize("name", CONTENTS)
def test_page_opens_from_file(browser, site, name):
    assert browsing.check_page(browser, (site / name).as_uri()) == []


def test_search_finds_pages(browser, address):
    url = f"{address}/search.html?q=normalization"
    assert browsing.check_page(browser, url) == []
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector("ul.search li a")
    page.close()


@pytest.mark.parametrize("name", CONTENTS)
def test_equations_are_numbered_by_chapter(site, name):
    chapter = re.search(r"/(\d\d)_", name)
    soup = links.read(site / name)
    for element in soup.find_all(class_="eqno"):
        number = element.get_text().partition(")")[0].lstrip("(")
        assert chapter and number.startswith(f"{int(chapter[1])}.")
