"""The lab in a real browser: a newcomer's way through Draw and Look, by what is on the page."""

import re

import pytest
from browsing import IN_BROWSER, keep, says, serious
from lab import running

pytestmark = IN_BROWSER
DECK_ROW = [
    "0.33",
    "0.33",
    "−0.33",
    "0.55",
    "−0.33",
    "0.33",
    "0.33",
]  # row 4 of the backslash, as printed on the slides


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running(tmp_path_factory.mktemp("lab")) as one:
        yield one


def cell(tab, label, row, column):
    return (
        tab.locator(f'[role=grid][aria-label="{label}"] [role=row]')
        .nth(row - 1)
        .locator("[role=gridcell]")
        .nth(column - 1)
    )


def stroke(tab, *places):
    """Draws with the mouse from place to place of the board, (row, column) from 1."""
    box = tab.locator(".board").bounding_box()
    points = [(box["x"] + (c - 0.5) / 9 * box["width"], box["y"] + (r - 0.5) / 9 * box["height"]) for r, c in places]
    tab.mouse.move(*points[0])
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*point, steps=6)  # never on the edge between two cells
    tab.mouse.up()


def test_an_x_drawn_by_hand_is_seen_to_be_one_with_the_slides_figures(visit):
    tab = visit("/draw")
    says(tab, "That is an X")
    tab.get_by_role("button", name="Clear").click()
    says(tab, "Draw an X or an O")
    stroke(tab, (2, 2), (8, 8))
    stroke(tab, (2, 8), (4, 6))
    stroke(tab, (6, 4), (8, 2))
    says(tab, "That is an X")
    tab.wait_for_selector("main[aria-busy=false]")
    for column, figure in enumerate(DECK_ROW, 1):
        shown = f'[role=grid][aria-label="conv1, backslash"] [aria-label="row 4, column {column}: {figure}"]'
        tab.wait_for_selector(shown)
        assert cell(tab, "conv1, backslash", 4, column).locator("text").text_content() == figure
    votes = [float(n.replace("−", "-")) for n in tab.locator(".reasons td:last-child").all_text_contents()]
    assert sum(votes[:-1]) == pytest.approx(votes[-1], abs=0.03), "five votes and the rest, each rounded, and their sum"
    assert tab.locator(".threads path.vote").count() > 40
    keep(tab, "draw")


def test_the_rotation_slider_fools_it_and_the_address_opens_that_again(visit):
    tab = visit("/draw")
    says(tab, "That is an X")
    tab.wait_for_selector(".slider .flip")
    knob = tab.get_by_label("rotate")
    knob.focus()
    for _ in range(45):
        knob.press("ArrowRight")
    says(tab, "but this is an X, turned")
    assert tab.get_by_role("link", name="Train it again with rotation").get_attribute("href").startswith("/learn?")
    again = visit(tab.url.split("/", 3)[3].join(["/", ""]))
    says(again, "but this is an X, turned")
    assert again.locator("output").nth(2).text_content() == "45°"
    knob.press("Home")
    says(tab, "That is an X")


def test_two_tabs_do_not_disturb_each_other(visit):
    one, other = visit("/draw"), visit("/draw")
    one.get_by_role("button", name="Draw an O").click()
    says(one, "That is an O")
    stroke(other, (5, 1), (5, 2))
    assert "That is an X" in other.locator("h1").text_content()
    assert "That is an O" in one.locator("h1").text_content()


def test_the_board_is_drawn_on_by_keys(visit):
    tab = visit("/draw")
    says(tab, "That is an X")
    cell(tab, "Drawing", 1, 1).focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowRight")
    assert cell(tab, "Drawing", 2, 2).get_attribute("aria-label") == "row 2, column 2: ink"
    tab.keyboard.press("Space")
    tab.wait_for_selector('[aria-label="row 2, column 2: paper"]')
    before = tab.url
    tab.keyboard.press("Space")
    tab.wait_for_selector('[aria-label="row 2, column 2: ink"]')
    assert tab.url != before, "each drawing has its own address"


def test_a_click_in_a_map_zooms_to_its_sum_and_a_flipped_pixel_redraws_all(visit):
    tab = visit("/draw")
    says(tab, "That is an X")
    cell(tab, "conv1, backslash", 5, 5).click()
    says(tab, "Nine pixels of nine agree, so the match is 1.00")
    lens = tab.locator("#lens")
    assert "9 / 9 pixels=1.00" in lens.text_content()
    keep(tab, "look")
    for place, words in {
        "1/1": "8 of nine pixels agree, so the match is 0.77",
        "4/4": "7 of nine",
        "1/5": "7 of nine",
    }.items():
        tab.goto(f"{tab.url.split('#')[0]}#conv1/1/{place}")
        says(tab, words)
    assert lens.locator(".total").text_content() == "0.55"
    tab.goto(f"{tab.url.split('#')[0]}#conv1/1/5/5")
    says(tab, "Nine pixels")
    votes = tab.locator(".classes .n").first.text_content()
    lens.locator(".grid button").nth(4).click()
    says(tab, "8 of nine pixels agree, so the match is 0.77")
    assert tab.locator(".classes .n").first.text_content() != votes
    assert "set=conv1.weight" in tab.url
    tab.get_by_role("button", name="All as learnt").click()
    says(tab, "Nine pixels")


def test_the_four_steps_are_shown_one_after_the_other(visit):
    tab = visit("/look#conv1/1/5/5")
    says(tab, "Nine pixels")
    tab.get_by_role("button", name="1 Line up").click()
    assert not tab.locator(".result").is_visible() and not tab.locator("#lens .sum").is_visible()
    tab.get_by_role("button", name="3 Add").click()
    assert tab.locator("#lens .sum").is_visible() and not tab.locator(".result").is_visible()
    tab.get_by_role("button", name="play the four steps").click()
    tab.wait_for_selector("#lens[data-upto='2']")
    tab.wait_for_selector("#lens[data-upto='4']")
    assert tab.locator(".result").is_visible()


def test_relu_and_pool_are_opened_by_keys_from_cell_to_cell(visit):
    tab = visit("/look#relu1/1/1/2")
    tab.wait_for_selector("#lens :text('is negative and becomes zero')")
    tab.goto(f"{tab.url.split('#')[0]}#pool1/1/1/1")
    tab.wait_for_selector("#lens :text('the maximum')")
    assert tab.locator("#lens .won").text_content() == "1.00"
    tab.locator("#layers canvas.on").focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_selector("#lens h3:has-text('Row 1, column 2 of backslash in pool1')")
    tab.keyboard.press("]")
    tab.wait_for_selector("#lens h3:has-text('of cross in pool1')")
    assert tab.url.endswith("#pool1/2/1/2")


@pytest.mark.parametrize("view", ["draw", "look"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_is_accessible_and_fits_the_screen(visit, view, width, dark):
    tab = visit(f"/{view}", width, dark)
    says(tab, "That is an X" if view == "draw" else "agree, so")
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_keys_are_listed_and_lead_from_view_to_view(visit):
    tab = visit("/draw")
    says(tab, "That is an X")
    tab.keyboard.press("?")
    assert "flip a pixel" in tab.locator("dialog").text_content()
    tab.keyboard.press("Escape")
    tab.keyboard.press("2")
    says(tab, "agree, so")
    assert re.search(r"/look\b", tab.url)
    tab.go_back()
    says(tab, "That is an X")


def test_light_and_dark_are_switched_and_remembered(visit):
    tab = visit("/draw")
    says(tab, "That is an X")
    paper = "getComputedStyle(document.body.parentNode).backgroundColor"
    assert tab.evaluate(paper) == "rgb(252, 251, 248)"
    tab.get_by_role("button", name="Light or dark").click()
    assert tab.evaluate(paper) == "rgb(19, 20, 23)"
    tab.reload()
    says(tab, "That is an X")
    assert tab.evaluate(paper) == "rgb(19, 20, 23)"


def test_a_net_that_is_not_there_is_said_with_what_to_do(visit):
    tab = visit("/look?net=gone", refusals=1)
    says(tab, "could not be opened")
    assert "expected one of slides" in tab.locator(".lead").text_content()
