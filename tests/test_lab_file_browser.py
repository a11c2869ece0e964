"""An exported file alone in a real browser: asked like a net, and what needs the net's inside said in a line."""

import re

import lab_models as models
import pytest
from browsing import IN_BROWSER, keep, says, serious
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
