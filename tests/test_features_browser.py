"""The page of features in a real browser: no network, no complaint; by keyboard from the classes down to the pixels."""

import json

import pytest
from browsing import IN_BROWSER, keep, serious, until
from test_features import NETS, found_in, net_of

pytestmark = IN_BROWSER


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page from disk with the network off. It may not complain, and ask for nothing but itself."""
    complaints, asked, contexts = [], [], []

    def open_page(found, mark="", width=1280, dark=False):
        page = tmp_path / "features.html"
        page.write_text(found.html(), "utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", offline=True
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri() + mark)
        tab.wait_for_selector("#lens h3")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}


@pytest.fixture(scope="module")
def found():
    return found_in(net_of("residual"))


def title(tab):
    return tab.locator("#lens h3").inner_text()


def test_every_feature_has_its_pictures_without_a_press(show, found):
    tab = show(found)
    until(tab, "[...document.images].every(one => one.complete && one.naturalWidth)")
    assert tab.locator("section.layer").count() == len(found.levels)
    for layer, row in zip(found.levels, tab.locator("section.layer").all(), strict=True):
        cards = row.locator(".feature")
        assert cards.count() == len(layer.features)
        for one, card in zip(layer.features, cards.all(), strict=True):
            assert card.locator(".patches img").count() == len(one.patches)
            assert ("answers to nothing" in card.inner_text()) == one.dead
    keep(tab, "features")


def test_keys_walk_from_a_class_down_to_the_pixels_and_up_again(show, found):
    tab = show(found, "#fc1/2")
    assert title(tab) == "b"
    tab.locator('a[href="#fc1/1"]').focus()
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == "#fc1/2"
    tab.keyboard.press("ArrowUp")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == "#residual2/2"
    tab.keyboard.press("Enter")
    until(tab, "location.hash === '#residual2/2'")  # the page draws anew a moment after
    until(tab, "document.querySelector('#lens h3').textContent === 'Feature 2 of residual2'")
    until(tab, "document.activeElement.id === 'lens'")
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == "#residual2/2"

    way = [title(tab)]
    while tab.locator("#lens .fed a").count():  # the strongest below, again and again
        tab.locator("#lens .fed a").first.focus()
        tab.keyboard.press("Enter")
        until(tab, "title => document.querySelector('#lens h3').textContent !== title", way[-1])
        way.append(title(tab))
    assert way[-1].endswith(" of conv1")
    assert {"red", "green", "blue"} >= set(tab.locator("#lens .fed > span:nth-child(2)").all_inner_texts())
    tab.locator("#lens .used a").first.press("Enter")
    until(tab, "title => document.querySelector('#lens h3').textContent !== title", way[-1])
    tab.go_back()
    until(tab, "title => document.querySelector('#lens h3').textContent === title", way[-1])


def test_the_figures_in_the_lens_add_up(show, found):
    tab = show(found)
    number = lambda text: float(text.replace("\u2212", "-").replace("+", ""))  # noqa: E731
    for layer in found.levels:
        for one in layer.features[:2]:
            tab.evaluate(f"location.hash = '#{layer.level.name}/{one.index + 1}'")
            words = (
                found.classes[one.index] if layer is found.roof else f"Feature {one.index + 1} of {layer.level.name}"
            )
            until(tab, "title => document.querySelector('#lens h3').textContent === title", words)
            *parts, total = [number(text) for text in tab.locator("#lens .fed .n").all_inner_texts() if "%" not in text]
            assert total == pytest.approx(one.feeds.value, abs=0.00501)
            assert sum(parts) == pytest.approx(total, abs=0.0051 * (len(parts) + 1))


@pytest.mark.parametrize("name", ["residual", "series", "volume"])
def test_it_fits_and_reads_at_every_width_by_day_and_by_night(show, name, found):
    shown = found if name == "residual" else found_in(net_of(name))
    for width, dark in ((390, False), (390, True), (1280, False), (1280, True)):
        tab = show(shown, "#conv1/2", width, dark)
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert serious(tab) == []
        keep(tab, f"features-{name}-{width}{'-dark' if dark else ''}")


def test_on_a_phone_an_address_opens_at_its_feature(show, found):
    tab = show(found, "#residual1/2", 390)
    until(tab, "Math.abs(document.querySelector('#lens').getBoundingClientRect().top) < 20")
    tab.locator("#lens .fed a").first.click()
    until(tab, "document.activeElement.id === 'lens'")
    assert "residual1.conv1" in title(tab)


def test_names_can_t_break_the_page(show):
    evil = '<script>alert("x")</script></script><img src=x onerror=alert(1)>'
    net = net_of("plain")
    found = found_in(net)
    object.__setattr__(found, "classes", (evil, "b", "c"))
    tab = show(found, "#fc2/1")
    assert title(tab) == evil
    assert json.loads(tab.locator("#data").text_content())["classes"][0] == evil
    assert NETS["plain"][0] in tab.locator("footer code").inner_text()
