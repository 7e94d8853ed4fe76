import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tools import browser as browsing

settings.register_profile("default", derandomize=True, max_examples=50, deadline=None)
settings.register_profile("full", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Before anything imports them: figures without a window, training without a bar.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TQDM_DISABLE", "1")

# A job in the background is deaf to interrupts, and so would be all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter):
    # Samples run in loops, so that pytest's own count does not show them.
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports(
        "failed"
    )
    lines = [
        value for r in reports for key, value in r.user_properties if key == "judged"
    ]
    if lines:
        terminalreporter.section("outside judges")
    for line in lines:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def root():
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def site():
    if not (browsing.SITE / "index.html").exists():
        pytest.fail("_build/html is missing: run `make book`, or `make test`")
    return browsing.SITE


@pytest.fixture(scope="session")
def chromium():
    program = browsing.find_chromium()
    if program is None:
        must = os.environ.get("CI") == "true" or os.environ.get(
            "BNLEARN_REQUIRE_BROWSER"
        )
        (pytest.fail if must else pytest.skip)(browsing.HOW_TO_GET_IT)
    return program


@pytest.fixture(scope="session")
def browser(chromium):
    with browsing.open_browser(chromium) as opened:
        yield opened


@pytest.fixture(scope="session")
def address(site):
    with browsing.serve(site) as served:
        yield served
