"""The page of a picture's detections: whole in itself, true to the votes; in a browser by keyboard, on a phone."""

import re
from io import BytesIO

import numpy as np
import pytest
from browsing import IN_BROWSER, keep, serious
from detectors import ENGINES, explained, noise, objects
from PIL import Image
from test_pages import EVIL, Page

from glassnet.data.boxes.sheet import COLOURS
from glassnet.explaining.detections import Moved
from glassnet.explaining.detections_panels import figure, moved_words, signed

TRUTH = objects([(5, 5, 30, 30), (70, 3, 80, 12), (41, 20, 71, 58)], [0, 0, 1], [False, False, True])
PAGES = {
    **{engine: lambda engine=engine: explained(engine) for engine in ENGINES},
    "the truth": lambda: explained(real=TRUTH),
    "nothing there": lambda: explained(real=objects([], [])),
    "one class of SVMs": lambda: explained("rcnn", ("cat",)),
    "nothing found": lambda: explained(boxes=(), likely=()),
    "nothing scored": lambda: explained(boxes=(), likely=(), surest=None),
    "nothing found, all missed": lambda: explained(real=TRUTH, boxes=(), likely=()),
    "no neighbours": lambda: explained(known=False),
    "evil names": lambda: explained("fast", EVIL[:2], real=TRUTH, name=EVIL[3], notes=(EVIL[2],)),
    "a tiny picture": lambda: explained(picture=noise((20, 9))),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_but_itself_and_every_name_leads_somewhere(name):
    text = PAGES[name]().html()
    page = Page(text)
    outside = text.replace(page.scripts[0], "")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!#)", outside)
    assert "@@" not in text and "{{" not in text.replace("{{ 7*7 }}", "") and "nan" not in page.text.split()
    ids = page.every("id")
    assert len(ids) == len(set(ids))
    for link in page.every("href") + [f"#{one}" for one in page.every("aria-controls") + page.every("data-of")]:
        assert link.startswith("data:") or link.removeprefix("#") in ids, link
    assert len(text) < 3_000_000


def test_names_are_shown_as_they_are_and_never_run():
    page = Page(PAGES["evil names"]().html())
    for name in EVIL:
        assert " ".join(name.split()) in page.text + " ".join(page.every("aria-label"))
    assert not page.every("onerror") and len(page.scripts) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_page_says_what_the_votes_say(engine):
    one = explained(engine)
    page = Page(one.html())
    for box in one.boxes:
        votes = box.votes
        totals = [signed(float(votes.logit[voter])) for voter in (votes.said, votes.against)]
        said, against = (votes.voters.names[voter] for voter in (votes.said, votes.against))
        assert f"{said} / {against} {' / '.join(totals)}" in page.text
        for f in votes.strongest(10):
            value, weight = float(votes.values[f]), float(votes.voters.weights[votes.said, f])
            assert f"{figure(value)} × {figure(weight)} {signed(value * weight)}" in page.text
        for near in box.nearest:
            words = f"{one.classes[near.label]} on {near.name}, similarity {near.similarity:.3f}"
            assert words in page.every("alt")
    counts = ", ".join(f"{count} {name}" for name, count in one.counts)
    assert f"{counts}." in page.text.replace(" ,", ",").replace(" .", ".") and "A note." in page.text


def test_right_false_and_missed_are_said_where_the_truth_is_known():
    one, bare = explained(real=TRUTH), Page(explained().html())
    page = Page(one.html())
    assert (one.objects, len(one.missed)) == (2, 1) and one.false > 0
    assert "Of 2 objects marked on it 1 is found; " in page.text and "cat, missed" in page.text
    labels = " ".join(page.every("aria-label"))
    assert "cat, missed: not proposed" in labels and "False: " in labels and "Right: cat is marked there" in labels
    assert "missed" not in bare.text and "false" not in bare.text


def test_figures_show_three_digits_votes_their_sign_and_never_a_negative_nothing():
    assert [figure(v) for v in (15.4999, 0.08134, -0.5, 123.4, 0, -0.00001)] == [
        "15.5", "0.0813", "\u22120.5", "123", "0", "0",
    ]  # fmt: skip
    assert [signed(v) for v in (1.256, -0.004, 0.0, -0.127)] == ["+1.26", "+0.00", "+0.00", "\u22120.13"]
    assert moved_words(Moved(0.15, -0.021, 0.31, -0.11)) == "15 % right, 2 % up, 31 % wider, 11 % lower"
    assert moved_words(Moved(0.001, 0, 0, -0.004)) == "left where it was"


def test_large_pictures_of_noise_and_many_boxes_leave_the_page_below_three_megabytes():
    one = explained(picture=noise((2400, 1800)))
    many = explained(picture=noise((2400, 1800)), boxes=(one.boxes * 30)[:30])
    assert 500_000 < len(many.html().encode()) < 3_000_000


def test_a_picture_for_a_paper_holds_every_box_in_its_place():
    one = explained(picture=np.full((3, 72, 96), 128, np.uint8), real=TRUTH)
    with Image.open(BytesIO(one.png())) as image:
        drawn = np.asarray(image)
    assert drawn.shape[1] == 2000
    x1, y1, _, y2 = (value * 1920 / 96 for value in one.boxes[0].box)  # 40 on each side are margin, 106 above
    middle = drawn[round(106 + (y1 + y2) / 2), round(40 + x1) + 2]
    assert middle.tolist() == list(COLOURS[one.boxes[0].label]), "the surest lies on top"


browser_only = [pytest.param(False, id="light"), pytest.param(True, id="dark")]


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page from disk with the network off. It may not complain, and ask for nothing but itself."""
    complaints, asked, contexts = [], [], []

    def open_page(one, mark="", width=1280, dark=False):
        path = tmp_path / "why.html"
        path.write_text(one.html(), "utf-8")
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri() + mark)
        tab.wait_for_selector("h1")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}


def shown(tab):
    """The panels that are to be seen."""
    return [one.get_attribute("id") for one in tab.locator(".why").all() if one.is_visible()]


class TestInABrowser:
    """With chromium only."""

    pytestmark = IN_BROWSER

    def test_one_box_is_chosen_and_walking_comes_round(self, show):
        tab = show(explained(real=TRUTH))
        boxes = tab.locator("#picture .box")
        assert shown(tab) == ["box-1"] and boxes.nth(0).get_attribute("aria-pressed") == "true"
        tab.get_by_role("button", name="previous").click()
        assert shown(tab) == ["missed-1"] and tab.url.endswith("#missed-1")
        tab.get_by_role("button", name="next").click()
        assert shown(tab) == ["box-1"] and tab.locator("#where").inner_text().startswith(f"1 of {boxes.count()}")

    def test_a_click_chooses_the_smallest_box_under_it(self, show):
        one = explained()
        tab = show(one)
        frame = tab.locator("#picture").bounding_box()
        for x, y in ((10, 10), (50, 30), (90, 70), (66, 50)):
            under = [i for i, box in enumerate(one.boxes) if box.box[0] <= x <= box.box[2] and box.box[1] <= y <= box.box[3]]  # fmt: skip  # noqa: E501
            before = shown(tab)
            tab.mouse.click(frame["x"] + x / 96 * frame["width"], frame["y"] + y / 72 * frame["height"])
            area = {i: np.prod(np.subtract(one.boxes[i].box[2:], one.boxes[i].box[:2])) for i in under}
            assert shown(tab) == ([f"box-{min(area, key=area.get) + 1}"] if area else before)

    def test_every_box_is_reached_and_opened_by_keyboard(self, show):
        tab = show(explained(real=TRUTH))
        boxes = tab.locator("#picture .box").all()
        boxes[0].focus()
        for box in boxes[1:]:
            tab.keyboard.press("Tab")
            assert box.evaluate("one => one === document.activeElement")
            tab.keyboard.press("Enter")
            assert shown(tab) == [box.get_attribute("aria-controls")] and box.get_attribute("aria-pressed") == "true"
        tab.keyboard.press("ArrowLeft")
        assert shown(tab) == [boxes[-2].get_attribute("aria-controls")]

    def test_an_address_opens_its_box(self, show):
        assert shown(show(explained(), "#box-2")) == ["box-2"]
        assert shown(show(explained(), "#box-99")) == ["box-1"]

    def test_a_feature_is_marked_wherever_it_counts_and_let_go_again(self, show):
        one = explained(real=TRUTH)
        tab = show(one)
        button = tab.locator("#box-1 .feature button").first
        feature = int(button.inner_text())
        holders = [i for i, box in enumerate(one.boxes) if feature - 1 in box.votes.strongest(10)]
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert f"for {len(holders)} of {len(one.boxes)} boxes" in tab.locator("#told").inner_text()
        assert tab.locator(".tag.fed").count() == len(holders)
        button.click()
        assert tab.locator(".tag.fed").count() == 0 and tab.locator("#told").inner_text() == ""

    def test_what_gave_way_is_drawn_for_the_box_that_is_chosen_and_found_by_its_button(self, show):
        one = explained()
        place = next(i for i, box in enumerate(one.boxes) if box.removed)
        tab = show(one, f"#box-{place + 1}")
        group = tab.locator(f".removed[data-of='box-{place + 1}']")
        assert group.is_visible() and tab.locator("#picture .removed.on").count() == 1
        button = tab.locator(f"#box-{place + 1} .gave button").first
        button.focus()
        assert group.locator("g.look").count() == 1
        button.blur()
        assert group.locator("g.look").count() == 0

    @pytest.mark.parametrize("dark", browser_only)
    @pytest.mark.parametrize("width", [1280, 390])
    def test_the_page_keeps_nobody_out_and_never_scrolls_sideways(self, show, width, dark):
        tab = show(explained(real=TRUTH), "#box-1", width, dark)
        assert serious(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        if width == 390:
            for button in tab.locator(".walk button, #box-1 .feature button").all():
                assert button.bounding_box()["height"] >= 44
        keep(tab, f"detections-{width}-{'dark' if dark else 'light'}")

    @pytest.mark.parametrize("name", ["nothing found", "nothing found, all missed", "evil names", "one class of SVMs"])
    def test_every_other_page_works_too(self, show, name):
        tab = show(PAGES[name](), width=390)
        assert serious(tab) == [] and tab.evaluate("document.documentElement.scrollWidth") <= 390
