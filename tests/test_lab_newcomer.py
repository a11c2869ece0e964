"""A newcomer's first ten minutes, in a real browser: an X, its votes, a net that is fooled, and one that isn't."""

import pytest
from browsing import IN_BROWSER, keep, says
from lab import running

pytestmark = IN_BROWSER


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running(tmp_path_factory.mktemp("newcomer")) as one:
        yield one


def stroke(tab, *places):
    """Draws with the mouse from place to place of the board, (row, column) from 1."""
    box = tab.locator(".board").bounding_box()
    points = [(box["x"] + (c - 0.5) / 9 * box["width"], box["y"] + (r - 0.5) / 9 * box["height"]) for r, c in places]
    tab.mouse.move(*points[0])
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*point, steps=6)
    tab.mouse.up()


def turn(tab, degrees):
    knob = tab.get_by_label("rotate")
    knob.focus()
    knob.press("Home")  # upright
    for _ in range(degrees):
        knob.press("ArrowRight")


def test_an_x_is_drawn_understood_turned_until_it_fools_the_net_and_held_by_one_that_learnt_to_turn(visit):
    tab = visit("/")
    says(tab, "That is an X")
    tab.get_by_role("button", name="Clear").click()
    says(tab, "Draw an X or an O")
    stroke(tab, (2, 2), (8, 8))
    stroke(tab, (2, 8), (8, 2))
    says(tab, "That is an X")
    tab.wait_for_selector("main[aria-busy=false]")
    assert "vote" in tab.locator("p.lead").text_content()
    votes = [float(n.replace("−", "-")) for n in tab.locator(".reasons td:last-child").all_text_contents()]
    assert sum(votes[:-1]) == pytest.approx(votes[-1], abs=0.03), "its strongest votes and the rest come to their sum"
    keep(tab, "newcomer-1-an-x")
    drawing = tab.url

    turn(tab, 45)
    says(tab, "It says O, but this is an X, turned")
    keep(tab, "newcomer-2-fooled")

    tab.get_by_role("link", name="Train it again with rotation").click()
    says(tab, "Train a net on xo")
    assert [tab.locator(f"#learn-rotate-{end}").input_value() for end in ("lowest", "highest")] == ["-90", "90"]
    tab.locator("form .go button:enabled").click()
    says(tab, "still learning", 60)
    keep(tab, "newcomer-3-learning")
    says(tab, "never saw", 120)
    keep(tab, "newcomer-4-learnt")

    tab.get_by_role("link", name="Draw with it").click()
    says(tab, "That is an X")
    assert "net=xo-1" in tab.url
    for degrees in (30, 45, 60, 90):
        turn(tab, degrees)
        tab.wait_for_selector("main[aria-busy=false]")
        says(tab, "That is an X")
    turn(tab, 45)
    says(tab, "That is an X")
    keep(tab, "newcomer-5-it-holds")

    tab.goto(f"{drawing}&net=xo-1&rotate=45")
    says(tab, "That is an X")
