"""A real browser for tests: Debian's chromium, visits that may not complain, axe, screenshots that are kept."""

import contextlib
import time
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
IN_BROWSER = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM}")]
SCREENSHOTS = Path(__file__).resolve().parent.parent / "build" / "screenshots"
REFUSED = "Failed to load resource: the server responded with a status of 400 (Bad Request)"


@contextlib.contextmanager
def chromium():
    """A browser, until the tests are done."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


class Visits:
    """Opens views of a lab as a person would, each in a browser of its own."""

    def __init__(self, browser, lab):
        self.browser, self.lab = browser, lab
        self.contexts, self.complaints, self.asked, self.expected = [], [], [], []
        self.may_be_refused = False

    def __call__(self, address, width=1280, dark=False, refusals=0):
        """A tab at an address, once its sentence stands there. refusals: how many requests are to be refused (400)."""
        self.expected += [REFUSED] * refusals
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        self.contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: self.complaints.append(message.text))
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url))
        tab.goto(self.lab.address + address)
        tab.wait_for_selector("h1:not(:empty)")
        return tab

    def end(self):
        """No view may have complained, nor asked anybody but its own server."""
        for context in self.contexts:
            context.close()
        complaints = [one for one in self.complaints if one != REFUSED or not self.may_be_refused]
        assert complaints == self.expected
        assert all(url.startswith((self.lab.address, "data:", "blob:")) for url in self.asked)


def says(tab, words, patience_s=30):
    """Waits until the page's sentence holds these words."""
    tab.wait_for_selector(f"h1:has-text('{words}')", timeout=1000 * patience_s)


def until(tab, expression, arg=None, patience_s=30):
    """Waits until an expression of the page is true. Asked from here: what polls in the page would need its `eval`."""
    end = time.monotonic() + patience_s
    while not tab.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        tab.wait_for_timeout(30)


def serious(tab):
    """What axe finds that keeps people out: its rule, and the first place."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab.wait_for_timeout(300)
    found = axe.run(tab).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:150]) for one in found if one["impact"] in ("serious", "critical")]


def keep(tab, name):
    """Leaves a screenshot as an artefact of the tests."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
