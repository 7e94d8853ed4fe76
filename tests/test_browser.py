"""The checker of pages finds what is planted, and nothing on a good page."""

import pytest

from tools import browser as browsing

PICTURE = (
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
)
GOOD = f"""<!doctype html><html><head><meta charset="utf-8"><title>t</title>
<link rel="icon" href="data:,"></head>
<body><main><article><p>Words, and code: <code>$$ \\( </code>.</p>
<img src="{PICTURE}" alt="The mean/std of a batch">{{}}</article></main></body></html>"""
OTHER_HOST = "http://other.invalid"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def address(folder):
    with browsing.serve(folder) as served:
        yield served


def check(browser, folder, address, body):
    (folder / "page.html").write_text(GOOD.format(body), encoding="utf-8")
    return browsing.check_page(browser, f"{address}/page.html")


def test_good_page(browser, folder, address):
    scrolls = '<div style="overflow-x:auto"><p style="width:900px">wide</p></div>'
    assert check(browser, folder, address, scrolls) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<img src="none.png" alt="A curve">', "broken image"),
        ('<img src="none.png" alt="A curve">', "HTTP status 404"),
        (f'<img src="{PICTURE}">', "without alternative text"),
        (f'<img src="{PICTURE}" alt="../_images/3f.png">', "is a file name"),
        (f'<img src="{PICTURE}" alt="figure 3.png">', "is a file name"),
        (f'<img src="{PICTURE}" alt="The mean/std of a batch">', "two images"),
        ("<script>throw Error('planted')</script>", "page error: planted"),
        ("<script>console.error('planted')</script>", "console error: planted"),
        (f'<script src="{OTHER_HOST}/x.js"></script>', "request to another host"),
        (f"<script>fetch('{OTHER_HOST}')</script>", "request to another host"),
        ('<link rel="stylesheet" href="none.css">', "HTTP status 404"),
        ('<div class="math">\\[ x \\]</div>', "unrendered equation"),
        ("<p>The batch \\(x\\) is here.</p>", "raw TeX"),
        ("<p>The batch $$x$$ is here.</p>", "raw TeX"),
        ('<mjx-merror data-mjx-error="Undefined">x</mjx-merror>', "Undefined"),
        ('<div style="width:600px">wide</div>', "scrolls sideways"),
        (
            '<div style="overflow:hidden"><p style="width:600px">cut</p></div>',
            "beyond the right edge",
        ),
    ],
)
def test_planted_fault_is_seen(browser, folder, address, body, complaint):
    assert complaint in "\n".join(check(browser, folder, address, body))


def test_requests_to_other_hosts_are_blocked(browser, folder, address):
    with browsing.serve(folder) as elsewhere:
        (folder / "shared.js").write_text("document.title = 'reached'")
        body = f'<script src="{elsewhere}/shared.js"></script>'
        bad = check(browser, folder, address, body)
    assert "request to another host" in "\n".join(bad)


def test_own_requests():
    page = "http://127.0.0.1:8000/a.html"
    assert browsing.is_own("http://127.0.0.1:8000/b.js", page)
    assert browsing.is_own("data:,", page)
    assert not browsing.is_own("http://127.0.0.1:8001/b.js", page)
    assert not browsing.is_own("https://127.0.0.1:8000/b.js", page)
    assert browsing.is_own("file:///b.js", "file:///a.html")
    assert not browsing.is_own("http://127.0.0.1/b.js", "file:///a.html")


def test_chromium_can_be_named(monkeypatch):
    monkeypatch.setenv("BNLEARN_CHROMIUM", "some-browser")
    assert browsing.find_chromium() == "some-browser"
