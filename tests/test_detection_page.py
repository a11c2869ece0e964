"""A detector's page: whole in itself, true to the figures, small enough; in a browser by keyboard, on a phone, dark."""

import re

import numpy as np
import pytest
from browsing import IN_BROWSER, keep, serious
from PIL import Image
from test_detection_figures import EMPTY, staged
from test_funnel import made
from test_pages import EVIL, Page
from test_precision import FAR, A, B, found, objects, scene

from glassnet.data.boxes.finding import find_boxes
from glassnet.explaining.charts import Scale
from glassnet.explaining.detection_page import detection_page
from glassnet.explaining.detection_panels import HEIGHT, WIDTH, curve_panels, funnel_panels, matrix
from glassnet.explaining.detection_pictures import Album
from glassnet.steps import finish
from glassnet.training.detection.judging import judge
from glassnet.training.detection.matching import Found, Objects, Stages
from glassnet.training.detection.mistakes import SORTS


def picture(i, size=(100, 80)):
    random = np.random.default_rng(i)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def page_of(judged, names=None, draw=picture):
    names = names or [f"folder/{i}.png" for i in range(len(judged.objects))]
    return detection_page(judged, names, draw, title="cells on blood", where="models/cells on blood", lead="All of it.")


def crowd(classes=("cat", "dog", "cow"), seed=5, pictures=12):
    """Of every sort of mistake some, and every stage of the funnel."""
    real, said = scene(seed, pictures, len(classes))
    again = [Found(np.repeat(one.boxes, 2, 0), np.repeat(one.labels, 2), np.repeat(one.scores, 2)) for one in said]
    stages = [Stages(one.boxes[1:], one, one) for one in again]
    return judge(classes, real, stages, (0.3,) * len(classes))


PAGES = {
    "a crowd": lambda: crowd(),
    "one class": lambda: crowd(("cat",)),
    "a hundred classes": lambda: crowd([f"class {k}" for k in range(100)], pictures=150),
    "evil names": lambda: crowd(EVIL),
    "perfect": lambda: judge(("cat",), *staged([objects([A, B])], [found([A, B], [0.9, 0.8])]), (0.5,)),
    **{name: lambda name=name: judge(("cat",), *EMPTY[name], (0.5,)) for name in EMPTY},
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_but_itself_and_every_link_leads_somewhere(name):
    text = page_of(PAGES[name]())
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|<script", text)
    assert "@@" not in text and "{{" not in text.replace("{{ 7*7 }}", "") and "nan" not in page.text.split()
    ids = page.every("id")
    assert len(ids) == len(set(ids))
    for link in page.every("href"):
        assert link.startswith("data:") or link.removeprefix("#") in ids, link
    assert len(text) < 3_000_000


def test_names_are_shown_as_they_are_and_never_run():
    page = Page(page_of(crowd(EVIL), names=[f"{EVIL[0]}{i}" for i in range(12)]))
    for name in EVIL:
        assert " ".join(name.split()) in page.text
    assert not page.every("onerror") and not page.scripts


def test_the_page_says_what_the_figures_say():
    one = crowd()
    page, counts = Page(page_of(one)), one.funnel.reached()
    assert f"mAP50 {one.map50 * 100:.1f} % ({one.low * 100:.1f} to {one.high * 100:.1f}) on 12 pictures." in page.text
    assert f"Finds {counts[3]} of {counts[0]} objects, beside {len(one.wrong)} false boxes" in page.text
    for row in one.by_class:
        assert f"{row.name} {row.objects} {row.ap * 100:.1f} ({row.low * 100:.1f} to {row.high * 100:.1f})" in page.text
        assert f"From 0.30: {row.precision * 100:.1f} % right, {row.recall * 100:.1f} % found." in page.text
    for sort, some in one.wrong_by_sort().items():
        assert bool(some) == (f"{sort.capitalize()} {len(some)}: " in page.text)
    assert all(one.wrong_by_sort()[sort] for sort in SORTS), "the example has some of each"


def test_the_operating_point_lies_on_the_curve():
    for panel, judged in zip(curve_panels(crowd()), crowd().by_class, strict=True):
        assert panel.at in panel.own.points
        assert panel.at == (
            Scale(0, 1, 0, WIDTH).at(judged.recall),
            Scale(0, 1, HEIGHT, 0).at(judged.precision),
        )


def test_the_funnels_bars_are_as_high_as_their_counts_and_losses_are_told():
    real = objects([A, B, FAR, (80, 60, 90, 70)])
    scored = found([A, B, FAR], [0.9, 0.6, 0.4])
    (panel,) = funnel_panels(judge(("cat",), [real], [made([A, B, FAR], scored, found([A], [0.9]))], (0.5,)))
    assert [bar.count for bar in panel.bars] == ["4", "3", "2", "1"]
    assert [bar.less for bar in panel.bars] == ["", "−1", "−1", "−1"]
    assert [bar.top for bar in panel.bars] == [0, 30, 60, 90] and [bar.lost for bar in panel.bars] == [None, 0, 30, 60]
    assert panel.losses == (
        "1 is never proposed: no region lies well enough on it.",
        "1 proposed, but no box there scores enough as what it is.",
        "1 scored enough, but lost its box to another.",
    )


def test_the_confusion_of_very_many_classes_keeps_the_background_and_says_what_it_leaves_out():
    one = crowd([f"class {k}" for k in range(100)], pictures=150)
    shown = matrix(one)
    assert shown.left_out == 70 and len(shown.rows) == 31
    assert (shown.rows[-1].words, shown.columns[-1].words) == ("background", "missed")
    assert "70 classes with fewer mistakes are left out" in Page(page_of(one)).text


def test_a_cut_holds_its_boxes_as_far_as_the_picture_goes():
    one = crowd()
    album = Album(one, [str(i) for i in range(12)], picture)
    cuts = [cut for sort in SORTS for cut in album.mistakes(sort)] + album.missed()
    assert 12 < len(cuts) <= 24 and len(album.wholes()) <= 8
    for cut in cuts:
        x, y, width, height = cut.view
        assert x >= 0 and y >= 0 and x + width <= 100 and y + height <= 80
        for box in cut.boxes:
            assert max(0, box.x) >= x - 1 and max(0, box.y) >= y - 1
            assert min(100, box.x + box.width) <= x + width + 1 and min(80, box.y + box.height) <= y + height + 1
        assert sum(box.is_wrong for box in cut.boxes) == 1, "one box is what it is about"


def test_a_whole_picture_shows_every_box_that_counts_and_every_missed_object_once():
    real = objects([A, B, FAR], [0, 0, 0], [False, False, True])
    said = found([A, (70, 50, 80, 60), A, FAR], [0.9, 0.8, 0.2, 0.7])
    (whole,) = Album(judge(("cat",), *staged([real], [said]), (0.5,)), ["a/b.png"], picture).wholes()
    told = {(box.x, box.y, box.is_real, box.is_wrong) for box in whole.boxes}
    assert told == {(0, 0, False, False), (70, 50, False, True), (50, 50, False, False), (20, 20, True, True)}
    assert whole.title == "1 of 2 objects found, 1 false" and whole.name == "b.png"
    assert whole.words == "False: cat 0.80 (background). Missed: cat (not proposed)"


def test_large_pictures_of_noise_leave_the_page_below_three_megabytes():
    one = crowd()
    text = page_of(one, draw=lambda i: picture(i, (2000, 1600)))
    assert len(text.encode()) < 3_000_000 and text.count("data:image/") > 20


@pytest.mark.data
def test_the_page_of_real_cells_and_a_detector_that_errs(real_data):
    data = finish(find_boxes(real_data("blood-cells")).steps())
    rows = [i for i, one in enumerate(data.pictures) if one.split == 2]
    real, stages = erring(data, rows)
    one = judge(data.classes, real, stages, (0.5,) * 3)
    assert one.funnel.reached()[0] == sum(len(data.pictures[i]) for i in rows) and 0.2 < one.map50 < 0.95
    text = page_of(one, [data.pictures[i].name for i in rows], lambda i: Image.open(data.file(rows[i])))
    assert 200_000 < len(text) < 3_000_000


def erring(data, rows, seed=0):
    """Boxes that are off, left out, or of the wrong class."""
    random, real, stages = np.random.default_rng(seed), [], []
    for one in (data.pictures[i] for i in rows):
        real.append(Objects(one.boxes, one.labels, one.is_hard))
        said = random.random(len(one)) > 0.1
        sides = np.tile(one.boxes[said, 2:] - one.boxes[said, :2], 2)
        boxes = one.boxes[said] + random.normal(0, 0.1, sides.shape) * sides
        labels = np.where(random.random(len(boxes)) < 0.1, random.integers(0, 3, len(boxes)), one.labels[said])
        kept = Found(boxes, labels, random.random(len(boxes)) * 0.6 + 0.4)
        stages.append(Stages(one.boxes[random.random(len(one)) > 0.05], kept, kept))
    return real, stages


@pytest.fixture
def show(browser, tmp_path):
    """Opens a page from disk with the network off. It may not complain, and ask for nothing but itself."""
    complaints, asked, contexts = [], [], []

    def open_page(text, width=1280, dark=False):
        (tmp_path / "page.html").write_text(text, "utf-8")
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto((tmp_path / "page.html").as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}


def in_browser(test):
    for mark in IN_BROWSER:
        test = mark(test)
    return test


@in_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_nothing_keeps_people_out_at_any_width_in_light_and_dark(show, width, dark):
    tab = show(page_of(crowd()), width, dark)
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    keep(tab, f"detection-{width}{'-dark' * dark}")


@in_browser
@pytest.mark.parametrize("name", ["a hundred classes", "evil names", "no objects at all", "no pictures", "perfect"])
def test_unusual_pages_stay_readable_on_a_phone(show, name):
    tab = show(page_of(PAGES[name]()), 390)
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@in_browser
def test_the_arrow_keys_choose_the_class_whose_boxes_are_shown(show):
    one = crowd()
    tab = show(page_of(one))
    boxes = tab.locator(".wholes .box")
    seen = "all => all.filter(one => getComputedStyle(one).display !== 'none').map(one => one.classList[1])"
    every = boxes.evaluate_all(seen)
    tab.locator("input[name=only]").first.focus()
    for k in range(3):
        tab.keyboard.press("ArrowRight")
        shown = boxes.evaluate_all(seen)
        assert shown == [f"k{k}"] * every.count(f"k{k}") and shown
    tab.keyboard.press("ArrowRight")
    assert boxes.evaluate_all(seen) == every, "round to all of them"


@in_browser
def test_a_box_lies_where_it_lies_on_the_picture(show):
    real, said = objects([(20, 10, 60, 50)]), found([(20, 10, 60, 50)], [0.9])
    tab = show(page_of(judge(("cat",), *staged([real], [said]), (0.5,))))
    image, box = (tab.locator(f".wholes {part}").bounding_box() for part in ("image", ".box .line"))
    scale = image["width"] / 100
    assert image["height"] == pytest.approx(80 * scale, rel=0.01)
    assert box["x"] - image["x"] == pytest.approx(20 * scale, abs=2)
    assert box["y"] - image["y"] == pytest.approx(10 * scale, abs=2)
    assert box["width"] == pytest.approx(40 * scale, abs=4)
