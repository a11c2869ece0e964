"""Learn in a real browser: one's own pictures trained on while one watches, gone back through, beside another tab."""

import pytest
from browsing import IN_BROWSER, keep, says, serious
from conftest import make_pets
from lab import running

pytestmark = IN_BROWSER
NET = "text=conv 4 3, relu, pool 2, fc"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learn")
    make_pets(folder / "pets", 40)
    with running(folder) as one:
        yield one


def press_train(tab):
    tab.locator("form .go button:enabled").click()


def features(tab):
    """The pixels of the newest row of features."""
    return tab.evaluate(
        "[...document.querySelectorAll('.filters tr:last-child canvas')].map((one) => one.toDataURL()).join()"
    )


@pytest.fixture(scope="module")
def trained(browser, lab):
    """The address of a training on a folder that came to its end, started from the page."""
    from browsing import Visits

    visits = Visits(browser, lab)
    tab = visits(f"/learn?data=pets&{NET}&epochs=6")
    says(tab, "Train a net on pets")
    assert "80 pictures in 2 classes" in tab.locator("p.lead").text_content()
    assert tab.locator(".examples img").count() > 4
    press_train(tab)
    says(tab, "never saw", 90)
    keep(tab, "learn-own-pictures")
    address = tab.url.removeprefix(lab.address)
    visits.end()
    return address


def test_ones_own_pictures_are_trained_on_with_curves_and_features_that_change(trained, visit):
    tab = visit(trained)
    says(tab, "never saw")
    assert tab.locator(".curve path.held").first.get_attribute("d").count("L") == 6, "six epochs from the beginning"
    rows = tab.locator(".filters tr")
    assert rows.first.locator("th").text_content() == "epoch 0"
    first, last = (rows.nth(i).locator("canvas").first.evaluate("(one) => one.toDataURL()") for i in (0, -1))
    assert first != last
    assert tab.locator(".error-table tr:last-child").text_content().startswith("total")
    tab.get_by_role("link", name="Look inside").click()
    tab.wait_for_selector("#layers")
    assert "net=pets-1" in tab.url


def test_the_training_is_scrubbed_by_keys_and_the_address_opens_that_moment(trained, visit):
    tab = visit(trained)
    says(tab, "never saw")
    newest = features(tab)
    tab.get_by_label("Moment of the training").focus()
    tab.keyboard.press("Home")
    says(tab, "at epoch 0")
    oldest = features(tab)
    assert oldest != newest
    tab.keyboard.press("ArrowRight")
    says(tab, "at epoch 1")
    again = visit(tab.url.removeprefix(tab.url.split("/learn")[0]))
    says(again, "at epoch 1")
    assert features(again) == features(tab) not in (oldest, newest)
    tab.get_by_role("button", name="To the newest").click()
    says(tab, "never saw")


def test_it_goes_on_through_a_reload_is_paused_stepped_and_nudged(visit):
    tab = visit(f"/learn?data=xo&{NET}&epochs=3000")
    says(tab, "Train a net on xo")
    press_train(tab)
    says(tab, "still learning", 60)
    first = features(tab)
    tab.reload()
    says(tab, "still learning", 60)
    tab.get_by_role("button", name="Pause").click()
    says(tab, "paused")
    assert features(tab) != first
    where = tab.locator("p.lead").text_content()
    tab.get_by_role("button", name="Step").click()
    tab.wait_for_selector(f"p.lead:not(:has-text('{where}'))")
    tab.locator(".filters .now button").nth(1).click(position={"x": 3, "y": 3})
    tab.wait_for_selector(".nudge .facts:has-text('measured over 64 examples')")
    assert [tab.get_by_label(name, exact=True).input_value() for name in ("feature", "row", "column")] == [
        "2",
        "1",
        "1",
    ]
    tab.get_by_label("the weight's value").focus()
    tab.keyboard.press("End")
    tab.get_by_role("button", name="Keep", exact=True).click()
    tab.wait_for_selector(".nudge .facts:has-text('the training goes on from there')")
    keep(tab, "learn-nudged")
    assert serious(tab) == []
    tab.get_by_role("button", name="Undo").click()
    tab.wait_for_selector(".nudge .facts:has-text('Back at')")
    tab.get_by_role("button", name="Stop and keep").click()
    says(tab, "never saw", 60)


def test_two_tabs_see_one_training_and_keep_their_own_choices(trained, visit):
    one, other = visit(trained), visit(trained)
    says(one, "never saw")
    says(other, "never saw")
    one.get_by_label("Moment of the training").focus()
    one.keyboard.press("Home")
    says(one, "at epoch 0")
    other.get_by_label("epochs", exact=True).fill("9")
    other.keyboard.press("Tab")
    assert "never saw" in other.locator("h1").text_content()
    assert "epochs=9" in other.url and "epochs=9" not in one.url and "at=0" not in other.url


def test_a_net_that_cannot_be_is_mended_by_a_button_and_a_path_that_is_not_there_is_told(visit):
    tab = visit("/learn?data=xo&text=(conv 8 5 valid, relu, pool 2) x3, fc")
    tab.wait_for_selector(".refused:has-text('a feature of 5x5 does not fit its input of 3x3')")
    assert "9 × 9 → 5 × 5 → 3 × 3" in tab.locator(".refused .sizes").text_content()
    assert tab.locator("form .go button").is_disabled()
    tab.get_by_role("button", name="Use 1 stage").click()
    tab.wait_for_selector("form .go button:enabled")
    assert tab.get_by_label("net its layers, in order").input_value() == "conv 8 5 valid, relu, pool 2, fc"
    wrong = visit("/learn?data=/not/there", refusals=1)
    wrong.wait_for_selector("#learn-wrong:has-text('found nothing there')")
    assert wrong.locator("form .go button").is_disabled()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_is_accessible_and_fits_the_screen(trained, visit, width, dark):
    for address in (trained, "/learn?data=xo"):
        tab = visit(address, width, dark)
        says(tab, "never saw" if "run=" in address else "Train a net on xo")
        assert serious(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
