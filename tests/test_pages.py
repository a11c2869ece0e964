"""The pages as files: whole in themselves, true to the outcome, safe against any name, for few classes and many."""

import base64
import itertools
import json
import math
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.config import Training
from glassnet.data.dataset import Dataset, Preparation, Samples, Skipped
from glassnet.doors.run import run
from glassnet.explaining.explain_page import page_data
from glassnet.explaining.explanation import explain
from glassnet.explaining.layers import sheet
from glassnet.explaining.report import evaluation_page, training_page
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import measure, parse
from glassnet.nets.zoo import NETWORKS
from glassnet.training.evaluate import report

EVIL = ('<script>alert("x")</script>', "naïve & 猫 \u2028 'q' \"d\" {{ 7*7 }}", "--></style><b>", "</script><img src=x onerror=alert(1)>")  # fmt: skip  # noqa: E501
LARGE = "conv 32 3, batchnorm, relu, pool 2, conv 64 3/2, relu, residual 128/2, residual 256/2, mean, fc"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its text, its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.words, self._inside = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def every(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]


def noise(classes, each, shape, seed=0):
    random = np.random.default_rng(seed)
    count = len(classes) * each
    x, y = random.integers(0, 256, (count, *shape), dtype=np.uint8), np.repeat(np.arange(len(classes)), each)
    names = [f"{classes[k]}/{i}.png" for i, k in enumerate(y)]
    samples = Samples(x, y, names, np.full(count, -1, np.int8), np.arange(count, dtype=np.uint64),
                      np.tile(np.int32(shape[1:]), (count, 1)))  # fmt: skip
    skipped = (Skipped("a/<b>.png", "ends after 3 of 9 bytes"),)
    return Dataset("pictures", "noise", tuple(classes), samples, Preparation(shape), skipped)


def judged(dataset, strength=1.2, seed=1):
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, (len(dataset), len(dataset.classes)))
    logits[np.arange(len(dataset)), dataset.samples.y] += strength
    return report(dataset.classes, logits, dataset.samples.y, np.arange(len(dataset)))


def evaluated(classes, each=20, shape=(1, 8, 8), strength=1.2):
    dataset = noise(classes, each, shape)
    found = judged(dataset, strength)
    return found, evaluation_page(found, dataset, "models/a b", "noise", "All of it.")


def explained(text="conv 4 3, relu, pool 2, fc", shape=(1, 9, 9), classes=("X", "O"), name="one.png"):
    net = ConvNet(parse(text), shape, len(classes)).eval()
    raw = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    x = torch.tensor(raw[None] / 127.5 - 1, dtype=torch.float32)
    return explain(net, classes, raw, x, name, model=f"models/{name}", tested=f"About {name}.")


@pytest.fixture(scope="module")
def outcome():
    for event in run(gn.xo(count=600), Training(epochs=3)):
        finished = event
    return finished.outcome


PAGES = {
    "training": lambda outcome: training_page(outcome, "models/xo-1"),
    "two classes": lambda _: evaluated(("cat", "dog"))[1],
    "a hundred classes": lambda _: evaluated([f"class {k}" for k in range(100)], 8)[1],
    "colour": lambda _: evaluated(("cat", "dog", "cow"), 20, (3, 60, 90))[1],
    "all right": lambda _: evaluated(("cat", "dog"), strength=50)[1],
    "all wrong": lambda _: evaluated(("cat", "dog"), strength=-50)[1],
    "one example": lambda _: evaluated(("cat",) * 2, 1)[1],
    "evil names": lambda _: evaluated(EVIL, 20)[1],
    "why": lambda _: explained().html(),
    "why, of a hundred": lambda _: explained(classes=[f"class {k}" for k in range(100)]).html(),
    "why, evil": lambda _: explained(classes=EVIL, name=EVIL[0]).html(),
    "why, in colour": lambda _: explained("residual 4, mean, dropout 0.2, fc", (3, 30, 20)).html(),
    "why, of a large net": lambda _: explained(LARGE, (3, 64, 64)).html(),
    "why, of votes alone": lambda _: explained("fc").html(),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_but_itself(name, outcome):
    text = PAGES[name](outcome)
    page = Page(text)
    assert all(link.startswith("data:") for link in page.every("src"))
    assert all(link.startswith(("#", "data:")) for link in page.every("href"))
    assert not any(tag in ("link", "iframe", "object", "form", "base") and attrs.get("rel") != "icon" for tag, attrs in
                   page.elements)  # fmt: skip
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|XMLHttp|WebSocket|import\(", text)
    policy = next(attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:;"), "and the browser is told so"
    assert len(text) < 5_000_000
    assert "@@" not in text and "{{" not in text.replace("{{ 7*7 }}", "") and "Undefined" not in text


@pytest.mark.parametrize(("text", "shape"), [("resnet20", (3, 32, 32)), ("resnet18", (3, 96, 96))])
def test_the_page_of_a_resnet_stays_under_five_megabytes_with_all_three_maps(text, shape):
    why = explained(NETWORKS[text], shape, ("cat", "dog", "cow"))
    page = why.html()
    assert len(page.encode()) < 5_000_000
    assert [one.name for one in why.saliency] == ["occlusion", "integrated gradients", "Grad-CAM"]
    said = Page(page).text.lower()
    assert all(one.sanity in said for one in why.saliency)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_inside_a_page_leads_somewhere(name, outcome):
    page = Page(PAGES[name](outcome))
    ids = page.every("id")
    assert len(ids) == len(set(ids))
    steps = [step["name"] for s in page.scripts if s.startswith("{") for step in json.loads(s)["steps"]]
    for link in page.every("href"):
        target = link.removeprefix("#")
        assert link.startswith("data:") or target in ("", *ids) or target.split("/")[0] in steps, link


def evil_report():
    return EVIL, evaluated(EVIL, 20, (3, 50, 50))[1]


def evil_reasons():
    why = explained(classes=EVIL, name=EVIL[3])
    return (EVIL[3], EVIL[why.answer], EVIL[why.runner_up]), why.html()


@pytest.mark.parametrize("make", [evil_report, evil_reasons])
def test_names_are_shown_as_they_are_and_never_run(make):
    names, text = make()
    page = Page(text)
    kinds = [attrs.get("type") for tag, attrs in page.elements if tag == "script"]
    assert kinds in ([], ["application/json", "module"])
    assert not page.every("onerror")
    for name in names:
        assert " ".join(name.split()) in page.text
    if page.scripts:
        assert "<" not in page.scripts[0]
        assert json.loads(page.scripts[0])["classes"] == list(EVIL)


def test_a_training_page_shows_what_the_outcome_says(outcome):
    text, test = training_page(outcome, "models/xo-1"), outcome.test
    page = Page(text)
    low, high = test.interval
    right = int((test.probability[:].argmax(1) == test.y).sum())
    assert f"Right on {right} of {len(test.y)} test pictures:" in page.text
    share = "100.0 %" if right == len(test.y) else f"{min(right / len(test.y) * 100, 99.9):.1f} %"
    assert f"{share} ({low * 100:.1f} to {high * 100:.1f})" in page.text
    figures = dict(zip(terms(text, "dt"), terms(text, "dd"), strict=True))
    assert figures["test loss"] == f"{-np.log(test.probability[:][np.arange(len(test.y)), test.y]).mean():.3f}"
    assert figures["parameters"] == f"{sum(p.numel() for p in outcome.net.parameters()):,}" == "338"
    assert figures["train / val / test"] == " / ".join(str(int(n)) for n in outcome.split.counts.sum(1))
    assert figures["right"] == f"{right} of {len(test.y)}"
    assert "training, 3 epochs" in figures
    assert f"kept: epoch {outcome.best_epoch}" in page.text
    last = outcome.history[-1]
    for words in (
        f"{last.loss:.3f} training",
        f"{last.held_loss:.3f} held out",
        f"{100.0 if last.held_accuracy == 1 else min(last.held_accuracy * 100, 99.9):.1f} held out",
    ):
        assert words in page.text, words
    assert "conv 8 3 valid 8 × 7 × 7 80 3,528 2 kB 3 × 3" in page.text
    assert "in all 338 3,784" in page.text
    assert 4 * (80 + 8 * 7 * 7) == 1888, "weights and values, four bytes each: 2 kB"


def terms(text, tag):
    """The texts of all elements of one kind, in order."""
    return [" ".join(unescape(found).split()) for found in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)]


def test_the_confusion_names_every_mistake_and_how_often():
    found, text = evaluated(("cat", "dog", "cow"), 30)
    labels = [label for label in Page(text).every("aria-label") if ", said " in label]
    expected = [
        f"{n} time{'s' * (n > 1)} {a}, said {b}"
        for (i, a), (j, b) in itertools.product(enumerate(found.classes), repeat=2)
        if i != j and (n := int(((found.y == i) & (found.probability[:].argmax(1) == j)).sum()))
    ]
    assert sorted(labels) == sorted(expected)


def test_a_cell_opens_its_examples_and_a_page_of_very_many_says_what_it_leaves_out():
    found, text = evaluated(("cat", "dog"), 60, strength=0.1)
    page = Page(text)
    first = found.confused()[0]
    assert f"is-{first[0]}-said-{first[1]}" in page.every("id")
    assert f"{found.classes[first[0]]}, said {found.classes[first[1]]} 24 of {first[2]}, surest first" in page.text
    found, text = evaluated([f"class {k}" for k in range(100)], 20, strength=1)
    page = Page(text)
    shown = [link for link in page.every("href") if link.startswith("#is-")]
    inked = len([words for words in page.words if ", said class" in words and "time" in words])
    assert (
        f"{inked - len(shown)} rarer ones are too many to open; 60 classes with fewer mistakes are left out"
        in page.text
    )


def test_the_sheet_tells_what_is_seen_and_shows_only_features_of_the_image():
    net = ConvNet(parse("conv 2 3/3, conv 3 3/3, mean, fc"), (1, 9, 9), 2)
    lines = sheet(net, measure(net.spec, (1, 9, 9), 2), 2, "picture").lines
    assert [line.sees for line in lines] == ["", "3 × 3", "9 × 9, all", "5 × 5", "5 × 5"]
    assert len(lines[1].features) == 2 and lines[1].matches == ""
    assert lines[2].features == () and lines[2].matches == "3 features, each of 2 × 3 × 3"
    net = ConvNet(parse("residual 4, conv 3 3, fc"), (1, 9, 9), 2)
    lines = sheet(net, measure(net.spec, (1, 9, 9), 2), 2, "picture").lines
    assert not any(line.features for line in lines), "they match features of the block, not the image"
    assert lines[-1].sees == "all of it"


def number(words):
    return float(words.replace("\u2212", "-").replace("+", ""))


@pytest.mark.parametrize(
    "text", ["conv 4 3, relu, pool 2, fc", "conv 4 3, relu, mean, fc", "fc", "conv 4 3, fc 5, relu, fc"]
)
def test_the_printed_votes_of_each_class_add_up_to_its_logit(text):
    why = explained(text, classes=("X", "O", "none"))
    rows = re.findall(r'<td class="n[^"]*">(?:<b>)?([+\u2212][\d.]+)(?:</b>)?</td></tr>', why.html())
    tables = re.findall(r'class="total"><td colspan="4">(\w+)</td><td class="n">([+\u2212][\d.]+)', why.html())
    assert len(tables) == 2
    logits = dict(zip(why.classes, why.net(why.x)[0].tolist(), strict=True))
    for name, logit in tables:
        votes = list(map(number, rows[: rows.index(logit, 1)]))
        assert sum(votes) == pytest.approx(logits[name], abs=0.005 * (len(votes) + 1))
        assert number(logit) == pytest.approx(logits[name], abs=0.0051)
        rows = rows[rows.index(logit, 1) + 1 :]


def unpack(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_a_page_holds_every_value_and_weight_of_a_net_that_fits():
    why = explained("conv 4 3, batchnorm, relu, pool 2, residual 5/2, fc 6, relu, fc", (1, 12, 11))
    data = json.loads(Page(why.html()).scripts[0])
    assert (data["classes"], data["answer"], data["logit"]) == (list(why.classes), why.answer, why.votes.logit.tolist())
    assert unpack(data["input"]).tolist() == why.x.flatten().tolist()
    for step, told in zip(why.steps, data["steps"], strict=True):
        assert (told["name"], told["shape"]) == (step.name, list(step.output.shape[1:]))
        assert unpack(told["values"]).tolist() == step.output.flatten().tolist()
        if isinstance(step.layer, (torch.nn.Conv2d, torch.nn.Linear)):
            assert unpack(told["weight"]).tolist() == step.layer.weight.flatten().tolist()
            bias = step.layer.bias.tolist() if step.layer.bias is not None else [0] * len(step.layer.weight)
            assert unpack(told["bias"]).tolist() == pytest.approx(bias)
    assert unpack(data["heats"]["occlusion"]["values"]) == pytest.approx(why.occluded.ravel(), rel=1e-6)
    assert [tuple(one["shape"]) for one in data["heats"].values()] == [one.values.shape for one in why.saliency]
    assert data["voted"] is None, "hidden neurons have no place"


def test_a_page_of_a_large_net_holds_sums_that_add_up():
    why = explained(LARGE, (3, 64, 64))
    data = page_data(why, whole=False)
    opened = 0
    for step, told in zip(why.steps, data["steps"], strict=True):
        for one in told.get("sums", ()):
            k, *place = one["at"]
            products = sum(
                v * w
                for part in one["channels"]
                for v, w in zip(part["values"], part["weights"], strict=True)
                if v is not None
            )
            assert products == pytest.approx(sum(part["sum"] for part in one["channels"]), rel=1e-6, abs=1e-9)
            value = step.output[0][(k, *place)].item()
            assert products + one["others"][1] + one["bias"] == pytest.approx(value, rel=1e-4, abs=1e-5)
            assert one["net"] == value
            assert one["count"] == math.prod(step.layer.weight.shape[1:])
            assert all(len(part["values"]) == math.prod(step.layer.kernel_size) for part in one["channels"])
            opened += 1
    assert opened > 50
    start, at = data["start"][0], tuple(data["start"][1:])
    assert any(tuple(one["at"]) == at for one in data["steps"][start]["sums"]), "it opens on a sum"


def test_the_corner_of_a_page_tells_its_size():
    text = explained().html()
    told = re.search(r"([\d.]+) (kB|MB), opens without a network", text)
    assert float(told[1]) * {"kB": 1e3, "MB": 1e6}[told[2]] == pytest.approx(len(text.encode()), rel=0.1)
