"""Makes the pictures of README and docs from the running product: trains, explains, serves, photographs a browser."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import shapes

PICTURES = Path(__file__).parent / "pictures"
CHROMIUM = "/usr/bin/chromium"
LONG_MS = 300_000
UPRIGHT = ("--count", "2", "--translate", "0", "--scale", "1", "--rotate", "0", "--weight", "1")


def main() -> None:
    """Leaves the pictures in their folder."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        work = Path(name)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        glassnet("train", "xo", "--out", "models/xo", cwd=work)
        glassnet("train", "digits", "--out", "models/digits", cwd=work)
        glassnet("make", "xo", "letters", *UPRIGHT, cwd=work)
        letter = next((work / "letters" / "X").iterdir()).relative_to(work)
        glassnet("explain", "models/xo", str(letter), "--out", "why.html", cwd=work)
        page(browser, work / "why.html", "explain", 1180)
        glassnet("features", "models/digits", "--out", "features.html", cwd=work)
        page(browser, work / "features.html", "features", 1180)
        page(browser, work / "models" / "digits" / "report.html", "report", 1180)
        detector(browser, work)
        with serving(work) as address:
            draw(opened(browser, address + "draw", 1100))
            look(opened(browser, address + "look#conv1/1/5/5"))
            learn(opened(browser, address + "learn?data=digits&text=conv+8+3,+relu,+pool+2,+conv+16+3,+relu,+fc", 1100))
            ask(opened(browser, address + "ask?net=digits", 1000), work / "models" / "digits" / "examples" / "3.png")
            check(opened(browser, address + "check?data=digits", 1100))
        browser.close()


def detector(browser: Browser, work: Path) -> None:
    """Why each shape on a picture was found."""
    shapes.write(work / "shapes", 240)
    glassnet("train", "shapes", "--out", "models/shapes", cwd=work)
    glassnet("explain", "models/shapes", "shapes/pictures/022.png", "--out", "found.html", cwd=work)
    page(browser, work / "found.html", "detector", 1180)


def draw(tab: Page) -> None:
    """An X turned until the slides' net is fooled."""
    tab.wait_for_selector(".slider .flip")
    knob = tab.get_by_label("rotate")
    knob.focus()
    for _ in range(45):
        knob.press("ArrowRight")
    tab.wait_for_selector("h1:has-text('but this is an X, turned')")
    photograph(tab, "draw")


def look(tab: Page) -> None:
    """The slides' first sum."""
    tab.wait_for_selector("h1:has-text('Nine pixels of nine agree')")
    photograph(tab, "look")


def learn(tab: Page) -> None:
    """Digits learnt, gone back to an early epoch."""
    tab.locator("form .go button:enabled").click()
    tab.wait_for_selector("h1:has-text('never saw')", timeout=LONG_MS)
    moment = tab.get_by_label("Moment of the training")
    moment.focus()
    moment.press("Home")
    for _ in range(4):
        moment.press("ArrowRight")
    tab.wait_for_selector("h1:has-text('at epoch 4')")
    photograph(tab, "learn")


def ask(tab: Page, digit: Path) -> None:
    """Why a three is a three."""
    tab.set_input_files("input[type=file]", digit)
    tab.wait_for_selector(".asked-why h2", timeout=LONG_MS)
    tab.wait_for_load_state("networkidle")
    photograph(tab, "ask")


def check(tab: Page) -> None:
    """The verdict on digits."""
    tab.get_by_role("button", name="Check").click()
    tab.wait_for_selector("button:has-text('Check again')", timeout=LONG_MS)
    photograph(tab, "check")


def glassnet(*words: str, cwd: Path) -> None:
    """Runs a command as a person would."""
    subprocess.run([sys.executable, "-m", "glassnet", *words], cwd=cwd, check=True)


@contextlib.contextmanager
def serving(cwd: Path) -> Iterator[str]:
    """The lab's address, while it answers."""
    command = [sys.executable, "-m", "glassnet", "serve", "--port", "0"]
    server = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None, "it is a pipe"
    try:
        yield server.stderr.readline().split()[-1]
    finally:
        server.terminate()
        server.wait()


def page(browser: Browser, file: Path, name: str, height: int) -> None:
    """The upper part of a page from disk."""
    photograph(opened(browser, file.as_uri(), height), name)


def opened(browser: Browser, address: str, height: int = 900) -> Page:
    """An address in a new tab."""
    tab = browser.new_page(viewport={"width": 1280, "height": height})
    for _ in range(50):  # a server that is just starting
        with contextlib.suppress(Exception):
            tab.goto(address)
            break
        tab.wait_for_timeout(200)
    tab.wait_for_selector("h1:not(:empty)")
    return tab


def photograph(tab: Page, name: str) -> None:
    """What the tab shows, as a PNG beside the others."""
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(500)  # whatever moves has come to rest
    tab.screenshot(path=PICTURES / f"{name}.png")
    tab.close()


if __name__ == "__main__":
    main()
