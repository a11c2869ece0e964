"""In a notebook data sets, models, explanations and classifiers show themselves: small, without scripts, safely."""

import base64
import io
import re
from html.parser import HTMLParser

import detectors
import numpy as np
import pytest
import torch
from browsing import IN_BROWSER, keep, serious
from PIL import Image

import glassnet as gn
from glassnet.data import grids
from glassnet.data.kind import Axis
from glassnet.data.kinds import KINDS
from glassnet.explaining.explanation import explain
from glassnet.explaining.inline import dataset_inline, model_inline
from glassnet.explaining.scene import Scene
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

HOSTILE = "<script>alert(1)</script>"
CLASSES = (HOSTILE, 'a & "b"', "c")
WORDS = ("not", "<i>very</i>", "good", "")
MOST = 500_000  # letters


def why_of(text, shape, scene=None, name=HOSTILE):
    """The explanation of noise by a net with random weights."""
    raw = np.random.default_rng(0).random(shape).astype(np.float32)
    net = ConvNet(parse(text), shape, 3, seed=1).eval()
    return explain(net, CLASSES, raw, torch.from_numpy(raw)[None], name, scene=scene)


def sentence():
    scene = Scene(np.zeros((1, 4, 4), np.uint8), (Axis("word", WORDS, read=True),), noun="sentence", spelt=True)
    return why_of("conv 4 3, relu, max, fc", (5, 4), scene)


def noise(kind="pictures", shape=(3, 200, 300), classes=CLASSES):
    """A data set of two examples of noise a class."""
    x = np.random.default_rng(0).integers(0, 256, (2 * len(classes), *shape), np.uint8)
    return grids.dataset(KINDS[kind], x, np.arange(len(x)) % len(classes), classes)


SHOWN = {
    "picture": lambda: why_of("conv 4 3, relu, pool 2, fc", (1, 9, 9))._repr_html_(),
    "large colour picture": lambda: why_of("conv 4 9/8, relu, mean, fc", (3, 300, 400))._repr_html_(),
    "series": lambda: why_of("conv 4 3, relu, mean, fc", (3, 64))._repr_html_(),
    "volume": lambda: why_of("conv 4 3, relu, fc", (1, 6, 7, 8))._repr_html_(),
    "sentence": lambda: sentence()._repr_html_(),
    "boxes": lambda: detectors.explained(classes=(HOSTILE, "dog"))._repr_html_(),
    "data set": lambda: dataset_inline(noise()),
    "many classes": lambda: dataset_inline(noise(classes=tuple(f"{HOSTILE}{i}" for i in range(40)))),
    "model": lambda: model_inline(
        HOSTILE, ConvNet(parse("conv 9 7, relu, fc"), (3, 20, 20), 3), CLASSES, "pictures", "?", False
    ),
}


class Seen(HTMLParser):
    """The elements of a piece of HTML, its text, and whether each that is opened is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words, self.sources = set(), [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("img", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.parametrize("name", SHOWN)
def test_a_piece_is_small_needs_nothing_and_runs_nothing(name):
    html = SHOWN[name]()
    seen = Seen(html)
    assert len(html) < MOST and not seen.open
    assert not seen.tags & {"script", "link", "iframe", "object", "html", "body"}
    assert all(source.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for source in seen.sources)
    for source in seen.sources:
        Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).load()
    assert "url(" not in html and "@import" not in html


@pytest.mark.parametrize("name", ["picture", "sentence", "boxes", "model"])
def test_names_are_shown_as_they_are(name):
    assert HOSTILE in " ".join(Seen(SHOWN[name]()).words)


@pytest.mark.parametrize("name", SHOWN)
def test_its_style_touches_nothing_beside_it(name):
    (style,) = re.findall(r"<style>(.*?)</style>", SHOWN[name](), re.DOTALL)
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{", style) for one in re.split(r",(?![^(]*\))", rule)]
    assert len(selectors) > 30
    assert all(".glassnet" in one or one.startswith("@media") for one in selectors), selectors


def test_an_explanation_shows_its_votes_and_they_add_up():
    why = why_of("conv 4 3, relu, mean, fc", (1, 9, 9), name="nine")
    words = " ".join(Seen(why._repr_html_()).words)
    for vote in (*why.votes.contribution[why.answer], why.votes.logit[why.answer]):
        assert f"{vote:+.2f}".replace("-", "−") in words
    assert f"{why.probability[why.answer]:.2f}" in words


def test_words_stand_on_the_colours_of_what_each_puts_in():
    html = sentence()._repr_html_()
    rows = re.findall(r'<div class="words">(.*?)</div>', html)
    assert len(rows) == 3 and [row.count("<span") for row in rows] == [3, 3, 3], "an empty place is no word"
    assert [row.count("background") for row in rows] == [0, 3, 3] and "<img" not in html


def test_a_data_set_that_was_read_shows_its_classes():
    for data, words in (
        (gn.read("digits"), "1,797 pictures in 10 classes, 8 × 8, grey"),
        (gn.xo(40), "40 pictures in 2"),
    ):
        html = data._repr_html_()
        assert words in html and html.count("<img") == 1
    assert "20 examples in each class." in html
    assert "174 (8) to 183 (3) examples a class." in gn.read("digits")._repr_html_()
    assert noise()._repr_html_() is None, "one that was made by hand is shown as its line"


def test_what_stands_in_a_line_is_a_line(xo_model):
    model = gn.load(xo_model)
    why = gn.explain(model, np.zeros((9, 9), np.uint8))
    for shown, words in (
        (gn.read("digits"), "<Dataset digits: 1,797 pictures in 10 classes, 8x8, grey>"),
        (model, f"<Model {xo_model}: 2 classes of pictures>"),
        (why, f"<Explanation of array: {why.classes[why.answer]} {why.probability[why.answer]:.2f}>"),
        (detectors.explained(), "<ExplainedBoxes on folder/noise.png: 3 cat, 3 dog>"),
    ):
        assert repr(shown) == words


def test_a_model_shows_its_layers_and_what_it_is_worth(xo_model):
    model = gn.load(xo_model)
    html = model._repr_html_()
    assert model.tested.startswith("On 400 test pictures this net is right on ") and model.tested in html
    assert "conv 8 3 valid" in html and html.count("<svg") == 8, "its eight features"
    assert ">338<" in html, "8 x (9 + 1) + 2 x (128 + 1) parameters"


def test_a_classifier_shows_itself_and_once_fitted_what_it_learnt():
    classifier = gn.ConvNetClassifier(epochs=1)
    assert 'class="glassnet"' not in classifier._repr_html_() and "ConvNetClassifier" in classifier._repr_html_()
    x = np.random.default_rng(0).random((20, 6, 7))
    classifier.fit(x, np.arange(20) % 2)
    html = classifier._repr_mimebundle_()["text/html"]
    assert 'class="glassnet"' in html and "2 classes of pictures: 0, 1" in html and "was not measured" in html


@pytest.fixture
def show(browser, tmp_path):
    """Opens a piece in a page as a notebook has it, light or dark; nothing may be asked for, nor complain."""
    contexts, complaints = [], []

    def opened(html, dark=False, body=""):
        path = tmp_path / "notebook.html"
        path.write_text(
            f"<!doctype html><html lang=en><title>n</title><meta charset=utf-8><body {body}><main>{html}</main>"
        )
        context = browser.new_context(viewport={"width": 1060, "height": 700}, color_scheme="dark" if dark else "light")
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
        tab.goto(path.as_uri())
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def paper(tab):
    """The colour of its ground."""
    return tab.evaluate("getComputedStyle(document.querySelector('.glassnet')).backgroundColor")


class TestInABrowser:
    """What only a browser tells."""

    pytestmark = IN_BROWSER

    @pytest.mark.parametrize("dark", [False, True])
    def test_a_piece_can_be_read_light_and_dark_and_stays_in_its_frame(self, show, dark):
        for name in ("picture", "sentence", "model"):
            tab = show(SHOWN[name](), dark)
            assert not serious(tab)
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            keep(tab, f"notebook-{name}-{'dark' if dark else 'light'}")

    def test_it_is_as_dark_as_the_notebook_says_whatever_the_system_is(self, show):
        html, light, dark = SHOWN["sentence"](), "rgb(252, 251, 248)", "rgb(19, 20, 23)"
        assert [paper(show(html, dark=is_dark)) for is_dark in (False, True)] == [light, dark]
        assert paper(show(html, True, 'data-jp-theme-light="true"')) == light
        assert paper(show(html, False, 'data-jp-theme-light="false"')) == dark
        assert paper(show(html, False, 'class="vscode-dark"')) == dark
        assert paper(show(html, True, 'class="vscode-light"')) == light
