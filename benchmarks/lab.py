"""How quick the lab is in a real browser: `python -m benchmarks.lab`. Each view's opening, and a stroke's answer.

A server of its own on a free port; Debian's chromium. Times are the browser's own: from the start of the navigation to
the answer's sentence, and from a stroke to the maps that show it.
"""

import statistics
import subprocess
import sys
import tempfile

from playwright.sync_api import Page, sync_playwright

VIEWS = ("draw", "look", "learn", "ask", "check")
OPENED = """async () => {
  while (!document.querySelector("h1")?.textContent) await new Promise(requestAnimationFrame);
  return performance.now();
}"""
STROKE = """async (k) => {
  const board = document.querySelector(".board"), box = board.getBoundingClientRect();
  const main = document.querySelector("main"), map = document.querySelector(".stacks .map:not(.kernel) svg");
  const [clientX, clientY] = [box.left + ((k % 9) + 0.5) / 9 * box.width, box.top + 0.5 / 9 * box.height];
  const at = { clientX, clientY, bubbles: true, pointerId: 1, buttons: 1 };
  board.setPointerCapture = () => {};
  const before = map.textContent, begun = performance.now();
  board.dispatchEvent(new PointerEvent("pointerdown", at));
  while (map.textContent === before && performance.now() - begun < 2000) await new Promise((next) => setTimeout(next));
  const took = performance.now() - begun;
  board.dispatchEvent(new PointerEvent("pointerup", at));
  while (main.getAttribute("aria-busy") === "true") await new Promise((next) => setTimeout(next));
  return took;
}"""


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "glassnet", "serve", "--port", "0"]
        server = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None, "it is a pipe"
        address = server.stderr.readline().split()[-1]
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                tab = browser.new_page(viewport={"width": 1280, "height": 900})
                measure(tab, address)
                browser.close()
        finally:
            server.terminate()
            server.wait()


def measure(tab: Page, address: str) -> None:
    """Opens every view five times, then draws 18 strokes."""
    print("| what | median | worst |\n|---|---|---|")
    wait_for(tab, address)
    for view in VIEWS:
        times = []
        for _ in range(5):
            tab.goto(f"{address}{view}")
            times.append(tab.evaluate(OPENED))
        print(f"| /{view} opens | {statistics.median(times):.0f} ms | {max(times):.0f} ms |", flush=True)
    tab.goto(f"{address}draw")
    tab.wait_for_selector("main[aria-busy=false]")
    times = [tab.evaluate(STROKE, k) for k in (*range(9), *range(9))]
    print(f"| a stroke: every map and vote redrawn | {statistics.median(times):.0f} ms | {max(times):.0f} ms |")


def wait_for(tab: Page, address: str) -> None:
    """Until the server answers."""
    for _ in range(100):
        try:
            tab.goto(address)
        except Exception:  # noqa: BLE001  # whatever the browser says of a server that isn't there yet
            tab.wait_for_timeout(200)
        else:
            return


if __name__ == "__main__":
    main()
