"""An exported file alone in a real browser: asked like a net, and what needs the net's inside said in a line."""

import re

import lab_models as models
import pytest
from box_data import make_voc
from browsing import IN_BROWSER, Visits, keep, says, serious
from detectors import train_detector
from lab import running
from test_lab_ask_browser import drop, file

import glassnet as gn

pytestmark = IN_BROWSER
DIGIT = models.digit(3)
FILED = "its net can’t be looked into"


@pytest.fixture(scope="module")
def lab(every_kind, tmp_path_factory):
    """A server of nothing but a file, far from its model's folder."""
    folder = tmp_path_factory.mktemp("file")
    gn.export(gn.load(every_kind / "models" / "digits"), folder / "digits.onnx")
    with running(folder, folder / "digits.onnx") as one:
        yield one


@pytest.fixture(autouse=True)
def _some_files_are_refused(visit):
    visit.may_be_refused = True


def test_a_dropped_digit_is_answered_by_a_file_alone_and_the_page_says_what_it_cannot_show(visit, every_kind, tmp_path):
    tab = visit("/")
    says(tab, "Ask it about something")
    assert "digits.onnx tells 0, 1" in tab.locator(".lead").text_content()
    drop(tab, "three.png", DIGIT)
    says(tab, "That is a 3")
    assert FILED in tab.locator(".asked-why > .facts").text_content()
    (tmp_path / "3.png").write_bytes(DIGIT)
    wanted = gn.load(every_kind / "models" / "digits").predict(tmp_path / "3.png").votes
    shares = tab.locator(".share").all_text_contents()
    assert len(shares) == 10 and shares[0].startswith("3") and tab.locator("button.share").count() == 0
    assert float(shares[1][-4:].strip("<>")) == pytest.approx(list(wanted.values())[1], abs=0.01)
    assert tab.locator("img.asked-input").evaluate("node => node.complete && node.naturalWidth > 0")
    for words in ("Save this page", "Look inside"):
        assert not tab.get_by_text(words).is_visible()
    assert not serious(tab)
    keep(tab, "ask-file")
    tab.set_input_files("input[type=file]", [file("torn.png", DIGIT[:50])])
    says(tab, "torn.png can’t be read")
    assert not any(re.search("explain|covered", url) for url in visit.asked)


@pytest.mark.parametrize("view", ["draw", "look"])
def test_views_of_the_net_itself_say_that_a_file_has_none_to_show(view, visit):
    tab = visit(f"/{view}")
    says(tab, "digits.onnx is an exported file")
    assert "serve its model’s folder" in tab.locator(".lead").text_content()
    tab.get_by_role("link", name="Ask it").click()
    says(tab, "Ask it about something")


def test_a_detector_s_file_shows_its_boxes_and_says_that_reasons_are_elsewhere(browser, tmp_path):
    data = make_voc(tmp_path / "data", 30, seed=3)
    train_detector(data, tmp_path / "model", "fast")
    gn.export(gn.load(tmp_path / "model"), tmp_path / "cells.onnx")
    picture = min((data / "JPEGImages").iterdir())
    with running(tmp_path, tmp_path / "cells.onnx") as one:
        visit = Visits(browser, one)
        tab = visit("/")
        says(tab, "Ask it about a picture")
        tab.set_input_files("input[type=file]", [file(picture.name, picture.read_bytes())])
        tab.get_by_label("least score").fill("0.05")
        boxes = gn.load(tmp_path / "cells.onnx").answer_bytes("", picture.read_bytes()).boxes
        rows = tab.locator("table.boxes tbody tr")
        assert boxes and rows.count() == len(boxes)
        rows.first.get_by_role("button").click()
        tab.wait_for_selector(f".asked-why p:has-text('{FILED}')")
        keep(tab, "ask-file-boxes")
        visit.end()
