"""The checker of links finds what is planted."""

import pytest

from tools import links


def page(folder, name, body):
    (folder / name).write_text(f"<body>{body}</body>", encoding="utf-8")


def test_good_links(tmp_path):
    page(tmp_path, "b.html", '<p id="here">')
    page(
        tmp_path,
        "a.html",
        '<p id="x"><a href="#x"> <a href="b.html#here"> <a href="b.html">'
        '<a href="https://example.org/nowhere"> <a href="mailto:x@example.org">',
    )
    assert links.broken(tmp_path, ["a.html", "b.html"]) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<a href="none.html">', "does not exist"),
        ('<a href="../none.html">', "does not exist"),
        ('<img src="none.png">', "does not exist"),
        ('<a href="#none">', "no such place"),
        ('<a href="b.html#none">', "no such place"),
        ('<script src="https://example.org/x.js">', "another host"),
        ('<link href="//example.org/x.css">', "another host"),
    ],
)
def test_planted_link_is_seen(tmp_path, body, complaint):
    page(tmp_path, "b.html", "")
    page(tmp_path, "a.html", body)
    [bad] = links.broken(tmp_path, ["a.html", "b.html"])
    assert complaint in bad


def test_weight_counts_each_image_once(tmp_path):
    (tmp_path / "i.png").write_bytes(b"0" * 1000)
    page(tmp_path, "a.html", '<img src="i.png"><img src="i.png">')
    html = (tmp_path / "a.html").stat().st_size
    assert links.weight(tmp_path, "a.html") == 1000 + html
