"""Makes the README's pictures: trains on X's and O's, explains one, and photographs the pages in chromium."""

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"


def glassnet(*words: str, cwd: Path) -> None:
    """Runs a command as a person would."""
    subprocess.run([sys.executable, "-m", "glassnet", *words], cwd=cwd, check=True)


def photograph(page: Path, picture: Path, height: int) -> None:
    """The upper part of a page as a PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        tab = browser.new_page(viewport={"width": 1280, "height": height})
        tab.goto(page.as_uri())
        tab.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Leaves the pictures beside this file."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        glassnet("train", "xo", "--out", "xo", cwd=work)
        glassnet("train", "digits", "--out", "digits", cwd=work)
        glassnet("make", "xo", "letters", "--count", "2", "--translate", "0", "--scale", "1", "--rotate", "0",
                 "--weight", "1", cwd=work)  # fmt: skip
        letter = next((work / "letters" / "X").iterdir()).relative_to(work)
        glassnet("explain", "xo", str(letter), "--out", "why.html", cwd=work)
        photograph(work / "why.html", HERE / "pictures" / "explain.png", 1180)
        photograph(work / "digits" / "report.html", HERE / "pictures" / "report.png", 1180)


if __name__ == "__main__":
    main()
