"""Check in a real browser: from naming data to the verdict, which stays; by keyboard, accessible, on a phone."""

import sys

import pytest
from browsing import IN_BROWSER, keep, says, serious
from lab import running
from test_lab_check import SHORT, made

from glassnet.doors.lab import checks

pytestmark = IN_BROWSER
LONG = 60_000  # ms for a check on a busy machine


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made(tmp_path_factory.mktemp("data") / "t.csv")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "WORKER", (sys.executable, SHORT, "4"))
        with running(tmp_path_factory.mktemp("lab")) as one:
            yield one


def verdict(lab, data, seed=0):
    """What the server found, once it has."""
    found = [one for one in lab.get("/api/checks")[1]["checks"] if (one["data"], one["seed"]) == (str(data), seed)]
    return found[0]["verdict"]


def test_data_is_named_looked_at_and_checked_by_keyboard_and_a_reload_keeps_the_verdict(visit, lab, data):
    tab = visit("/check")
    says(tab, "Is a ConvNet right for your data?")
    tab.wait_for_selector("input:focus")
    tab.keyboard.type(str(data))  # the field has the focus already
    tab.keyboard.press("Enter")
    says(tab, "Is a ConvNet right for t?")
    assert "24 rows in 2 classes, 5 columns" in tab.locator(".lead").text_content()
    assert tab.locator(".examples img").count() == 12
    assert "data=" in tab.url
    tab.get_by_role("button", name="Check").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("button:has-text('Check again')", timeout=LONG)
    words = tab.locator("h1").text_content() + tab.locator(".lead").text_content()
    for sentence in verdict(lab, data).replace("-", "−").split(". "):
        assert sentence.rstrip(".").lower() in words.replace("-", "−").lower()
    assert "p = " in words
    rows = tab.locator(".verdict-dots .row")
    names = {rows.nth(i).locator(".name").text_content() for i in range(rows.count())}
    assert {"ConvNet, data as given", "ConvNet, places shuffled", "ConvNet", "trees", "the commonest class"} <= names
    rows.nth(1).focus()
    assert "19 random orders" in tab.locator(".said-row").text_content()
    assert tab.locator(".slopes .pair").count() == 3 * 19
    assert tab.get_by_role("link", name="Train on").get_attribute("href").startswith("/learn?data=")
    keep(tab, "check")
    tab.reload()
    tab.wait_for_selector("button:has-text('Check again')")
    assert tab.locator("h1").text_content() + tab.locator(".lead").text_content() == words


def test_an_address_starts_nothing_but_a_look(visit, lab, data):
    tab = visit(f"/check?data={data}&seed=1")
    says(tab, "Is a ConvNet right for t?")
    assert {one["state"] for one in lab.get("/api/checks")[1]["checks"] if one["seed"] == 1} == {"known"}


def test_a_check_goes_on_without_its_page_is_seen_from_another_and_stopped_there(visit, lab, data, monkeypatch):
    monkeypatch.setattr(checks, "WORKER", (sys.executable, SHORT, "60"))
    first = visit(f"/check?data={data}&seed=2")
    first.get_by_role("button", name="Check", exact=True).click()
    says(first, "So far, shuffling costs", 60)
    first.goto(f"{lab.address}/draw")
    second = visit(f"/check?data={data}&seed=2")
    says(second, "So far, shuffling costs")
    says(first, "That is an X")
    second.get_by_role("button", name="Stop").click()
    says(second, "Stopped, so nothing is decided.")
    second.reload()
    says(second, "Stopped, so nothing is decided.")


def test_what_cannot_be_read_is_said_in_one_line_at_the_field(visit, tmp_path):
    tab = visit(f"/check?data={tmp_path}/nowhere", refusals=2)
    says(tab, "This data can’t be checked.")
    field = tab.get_by_label("Data")
    assert field.get_attribute("aria-invalid") == "true"
    told = tab.locator(f"#{field.get_attribute('aria-describedby')}").text_content()
    assert told.startswith(f"{tmp_path}/nowhere: expected") and "found nothing there" in told
    field.fill("digits")
    field.press("Enter")
    says(tab, "Is a ConvNet right for digits?")
    assert not tab.locator("#check-error").is_visible() and field.get_attribute("aria-invalid") is None
    tab.go_back()
    says(tab, "This data can’t be checked.")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_is_accessible_and_fits_the_screen(visit, data, width, dark):
    tab = visit(f"/check?data={data}", width, dark)
    tab.wait_for_selector(".acts button:visible")
    if not tab.get_by_role("button", name="Check again").is_visible():
        tab.get_by_role("button", name="Check").click()
    tab.wait_for_selector("button:has-text('Check again')", timeout=LONG)
    tab.get_by_text("Every figure as a table").click()
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
