"""Look at pages of the built book in a real browser and list what is wrong with them.

The browser is the system's Chromium, driven by Playwright. `python tools/browser.py`
saves pictures of every page, wide and narrow, light and dark, in `_build/pictures/`.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
PICTURES = ROOT / "_build" / "pictures"
HOW_TO_GET_IT = "no Chromium: sudo apt-get install chromium, or set BNLEARN_CHROMIUM"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 400, "height": 800}

# Runs in the page, waits until it is complete, and returns a list of complaints.
INSPECT = r"""
async () => {
  const bad = [];
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  const named = new Map();
  for (const image of document.images) {
    const name = image.getAttribute("src");
    image.loading = "eager";
    await image.decode().catch(() => null);
    if (!image.naturalWidth) bad.push(`broken image: ${name}`);
    const alt = (image.getAttribute("alt") || "").trim();
    if (!alt) bad.push(`image without alternative text: ${name}`);
    else if (/^\S*[\/\\]\S*$|\.(png|svg|jpe?g|gif|webp)$/i.test(alt))
      bad.push(`alternative text is a file name: ${alt}`);
    else if (named.has(alt)) bad.push(`two images with one alternative text: ${alt}`);
    named.set(alt, name);
  }
  for (const node of document.querySelectorAll(".math")) {
    const text = node.textContent.trim().slice(0, 60);
    if (!node.querySelector("mjx-container")) bad.push(`unrendered equation: ${text}`);
  }
  for (const node of document.querySelectorAll("mjx-merror")) {
    const reason = node.getAttribute("data-mjx-error") || node.textContent;
    bad.push(`error in an equation: ${reason}`);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const code = "pre, code, script, style, textarea, noscript, mjx-container";
  while (walker.nextNode()) {
    const text = walker.currentNode.data;
    if (/\\\(|\\\[|\$\$|\\begin\{/.test(text)
        && !walker.currentNode.parentElement.closest(code))
      bad.push(`raw TeX in the text: ${text.trim().slice(0, 60)}`);
  }
  return bad;
}
"""

# Returns what makes a page wider than its window, or is cut off at its edge.
TOO_WIDE = r"""
() => {
  const page = document.documentElement;
  const scrolls = (element) => {
    for (let e = element; e && e !== document.body; e = e.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(e).overflowX)) return true;
    return false;
  };
  const bad = [];
  for (const element of document.querySelectorAll("main *")) {
    if (element.closest("mjx-assistive-mml")) continue;  // only for screen readers
    const box = element.getBoundingClientRect();
    if (box.width > 1 && box.height > 1 && box.right > page.clientWidth + 1
        && getComputedStyle(element).visibility === "visible" && !scrolls(element)) {
      const name = `<${element.tagName.toLowerCase()} class="${element.className}">`;
      bad.push(`beyond the right edge: ${name} ${element.textContent.slice(0, 40)}`);
    }
  }
  if (page.scrollWidth > page.clientWidth)
    bad.push(`scrolls sideways: ${page.scrollWidth} > ${page.clientWidth} pixels`);
  return bad.slice(-3);
}
"""


def find_chromium():
    """Find the system's Chromium.

    Returns
    -------
    str or None
        The program: `BNLEARN_CHROMIUM` or the first of the usual names on the path.
    """
    if os.environ.get("BNLEARN_CHROMIUM"):
        return os.environ["BNLEARN_CHROMIUM"]
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def open_browser(program):
    """Start a headless Chromium.

    Parameters
    ----------
    program : str
        The program to start.

    Yields
    ------
    playwright.sync_api.Browser
        The browser, which is closed at the end.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a line in the log for each."""

    def log_message(self, *args):
        """Print nothing."""


@contextlib.contextmanager
def serve(folder):
    """Serve a folder on a free port of 127.0.0.1.

    Parameters
    ----------
    folder : pathlib.Path
        What to serve.

    Yields
    ------
    str
        The address, without a slash at its end.
    """
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def is_own(url, page_url):
    """Tell whether a request stays within the site that asks for it.

    Parameters
    ----------
    url, page_url : str
        The request, and the page it comes from.

    Returns
    -------
    bool
        True for the same scheme and host, and for data that the page holds itself.
    """
    request, page = urlsplit(url), urlsplit(page_url)
    if request.scheme in ("data", "blob"):
        return True
    return (request.scheme, request.netloc) == (page.scheme, page.netloc)


def listen(page, url, bad):
    """Block other hosts, and note every failure that the browser reports.

    Parameters
    ----------
    page : playwright.sync_api.Page
        The page, before it is loaded.
    url : str
        Where it will go.
    bad : list of str
        The complaints are appended here.
    """

    def guard(route):
        if is_own(route.request.url, url):
            route.continue_()
        else:
            bad.append(f"request to another host: {route.request.url}")
            route.abort()

    def on_response(response):
        if response.status >= 400:
            bad.append(f"HTTP status {response.status}: {response.url}")

    def on_failed(request):
        if is_own(request.url, url):
            bad.append(f"failed request: {request.url} ({request.failure})")

    def on_console(message):
        if message.type == "error":
            bad.append(f"console error: {message.text}")

    page.route("**/*", guard)
    page.on("response", on_response)
    page.on("requestfailed", on_failed)
    page.on("console", on_console)
    page.on("pageerror", lambda error: bad.append(f"page error: {error}"))


def check_page(browser, url, *, scheme="light"):
    """Load a page and list what is wrong with it.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
        From `open_browser`.
    url : str
        An http or file address.
    scheme : {'light', 'dark'}
        The colour scheme that the reader prefers.

    Returns
    -------
    list of str
        Complaints; empty for a good page.
    """
    bad = []
    context = browser.new_context(viewport=WIDE, color_scheme=scheme)
    try:
        page = context.new_page()
        listen(page, url, bad)
        page.goto(url, wait_until="load")
        page.wait_for_load_state("networkidle")  # also follows a redirecting page
        bad += page.evaluate(INSPECT)
        page.set_viewport_size(PHONE)
        bad += page.evaluate(TOO_WIDE)
    finally:
        context.close()
    return bad


def html_pages(site=SITE):
    """List the pages of a built site.

    Parameters
    ----------
    site : pathlib.Path
        The folder.

    Returns
    -------
    list of str
        Paths within it, sorted; the theme's own templates are left out.
    """
    found = (path.relative_to(site) for path in Path(site).rglob("*.html"))
    return sorted(p.as_posix() for p in found if not p.parts[0].startswith("_"))


def save_pictures(browser, address, site=SITE, folder=PICTURES):
    """Save a picture of every page, wide and narrow, light and dark.

    Parameters
    ----------
    browser : playwright.sync_api.Browser
        From `open_browser`.
    address : str
        From `serve`.
    site, folder : pathlib.Path
        The built site, and where the pictures go.
    """
    for scheme in ("light", "dark"):
        for size in (WIDE, PHONE):
            context = browser.new_context(viewport=size, color_scheme=scheme)
            page = context.new_page()
            for name in html_pages(site):
                page.goto(f"{address}/{name}")
                page.wait_for_load_state("networkidle")
                page.evaluate(INSPECT)  # waits for equations and images
                stem = name.removesuffix(".html").replace("/", "-")
                place = folder / f"{stem}-{size['width']}-{scheme}.png"
                page.screenshot(path=place, full_page=True)
            context.close()


def main():
    """Save the pictures."""
    program = find_chromium()
    if program is None:
        raise SystemExit(HOW_TO_GET_IT)
    with open_browser(program) as browser, serve(SITE) as address:
        save_pictures(browser, address)
    print(f"Pictures of every page are in {PICTURES.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
