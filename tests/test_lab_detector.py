"""Detectors in the lab: the same answers over HTTP as on the command line, and the page by what is on it."""

import json

import pytest
from box_data import make_voc
from browsing import IN_BROWSER, keep, says, serious, until
from detectors import train_detector
from lab import running

from glassnet.doors.detection.model import DetectorModel


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a detector of shapes, models/shapes, and the pictures that it learnt from."""
    root = tmp_path_factory.mktemp("detecting")
    make_voc(root / "shapes", 60)
    train_detector(root / "shapes", root / "models" / "shapes", "fast")
    return root


@pytest.fixture(scope="module")
def lab(place):
    with running(place, place / "models" / "shapes") as one:
        yield one


@pytest.fixture
def picture(place):
    return place / "shapes" / "JPEGImages" / "058.png"


def test_programs_get_what_the_command_line_says(lab, place, picture):
    status, answer = lab.post("/api/predict?name=058.png", picture.read_bytes())
    said = DetectorModel.load(place / "models" / "shapes").answer_bytes("058.png", picture.read_bytes())
    assert status == 200 and answer == json.loads(json.dumps(said.as_json() | {"size": [96, 72]}))
    _, fewer = lab.post("/api/predict?net=shapes&top=1", picture.read_bytes())
    assert len(fewer["boxes"]) == 1
    _, why = lab.post("/api/explain?name=058.png", picture.read_bytes())
    assert why["boxes"] and why["boxes"][0]["class"] == answer["boxes"][0]["class"]
    assert "missed" not in why, "a name that came over HTTP opens no annotation"
    status, headers, page = lab.raw("POST", "/api/explain.html", picture.read_bytes(), BYTES)
    assert status == 200 and page.startswith("<!doctype html>") and headers["content-disposition"] == "attachment"


BYTES = {"content-type": "application/octet-stream"}


def test_what_can_not_be_looked_at_is_one_line(lab, picture):
    torn = picture.read_bytes()[:-300]
    for body in (b"no picture", torn, b""):
        status, answer = lab.post("/api/predict?name=torn.png", body)
        assert status == 400 and answer["error"].count("\n") == 0 and "torn.png" in answer["error"]
    form = b"".join(
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n' % (name, data)
        for name, data in ((b"a.png", picture.read_bytes()), (b"torn.png", torn))
    )
    status, answers = lab.post(
        "/api/predict", form + b"--b--\r\n", **{"content-type": "multipart/form-data; boundary=b"}
    )
    assert status == 200 and "boxes" in answers["answers"][0] and "error" in answers["answers"][1]
    status, answer = lab.post("/api/predict", {"example": "../../secret"})
    assert status == 400 and "expected one of" in answer["error"]


def test_a_detector_is_named_as_such_and_has_its_test_pictures(lab):
    _, nets = lab.get("/api/nets")
    assert nets == {"first": "shapes", "nets": ["slides", "shapes"], "detectors": ["shapes"]}
    _, facts = lab.get("/api/nets/shapes")
    assert facts["kind"] == "boxes" and facts["classes"] == ["disc", "square"] and "mAP50" in facts["tested"]
    _, some = lab.get("/api/nets/shapes/examples")
    status, answer = lab.post("/api/predict", {"example": some["examples"][0]})
    assert status == 200 and answer["input"] == some["examples"][0]
    status, answer = lab.post("/api/nets/shapes/pass", {"x": "AAAA"})
    assert status == 400 and answer["error"].count("\n") == 0, "a detector has no single pass"


@pytest.mark.browser
@IN_BROWSER[1]
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_picture_is_shown_with_its_boxes_and_the_reasons_of_each(visit, picture, width, dark):
    tab = visit("/", width, dark)
    says(tab, "Ask it about a picture")
    tab.set_input_files("input[type=file]", picture)
    tab.wait_for_selector(".scene .found")
    boxes = tab.locator(".scene .found")
    assert boxes.count() == tab.locator("table.boxes tbody tr").count() > 0
    assert serious(tab) == []
    tab.locator("#least").fill("0.05")
    until(tab, "document.querySelector('.found-by output').textContent === '0.05'")
    assert boxes.count() >= tab.locator(".scene .found").count()
    tab.get_by_role("button", name="square", exact=True).first.click()
    assert "square" not in " ".join(tab.locator("table.boxes tbody td:first-child").all_text_contents())
    tab.get_by_role("button", name="square", exact=True).first.click()
    tab.get_by_role("button", name="each class’s own").click()
    tab.locator(".scene .found").first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".steps .crop")
    figures = [float(one.replace("−", "-")) for one in tab.locator(".spoke tbody tr td:last-child").all_text_contents()]
    assert sum(figures[:-1]) == pytest.approx(figures[-1], abs=0.02), "votes add up to the logit"
    assert serious(tab) == []
    keep(tab, f"detector-{width}")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("table.boxes")


@pytest.mark.browser
@IN_BROWSER[1]
def test_views_of_whole_pictures_say_so_and_a_torn_file_is_named(visit, tmp_path):
    tab = visit("/look")
    says(tab, "shapes finds objects on pictures")
    tab.get_by_role("link", name="Ask it").click()
    says(tab, "Ask it about a picture")
    (tmp_path / "torn.png").write_bytes(b"no picture at all")
    visit.may_be_refused = True
    tab.set_input_files("input[type=file]", tmp_path / "torn.png")
    says(tab, "torn.png can’t be read")
