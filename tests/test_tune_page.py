"""The page of a search: every trial stands where its loss says, the best and the default are pointed out."""

import re
from html import unescape

import pytest

import glassnet as gn
from glassnet.data.split import split
from glassnet.explaining.tune_page import HIGH, SIDE, WIDE, tuning_page
from glassnet.training.knobs import Knob
from glassnet.training.tune import Trial

KNOBS = (
    Knob("features", "features of the first stage", (8, 16, 32)),
    Knob("learning_rate", "highest learning rate", (), 0.001, 0.1),
    Knob("augment", "varied copies", (True, False)),
)
TEST = {"examples": 500, "accuracy": 0.718, "low": 0.677, "high": 0.756, "loss": 0.9}


def trial(number, loss, features=8, rate=0.01, state="complete", begun="", why="", augment=True):
    settings = {"epochs": 4, "batch": 32, "learning_rate": rate, "augment": augment}
    knobs = {"features": features, "learning_rate": rate, "augment": augment}
    curve = ((0.25, loss + 1), (0.5, loss)) if state == "pruned" else ((0.25, loss + 1), (0.5, loss + 0.5), (1.0, loss))
    net = f"conv {features} 3, relu, fc"
    return Trial(number, state, net, knobs, settings, loss, 0.5, 61.0, curve, begun, why)


TRIALS = (
    trial(0, 1.2, begun="default"),
    trial(1, 1.0, features=16, rate=0.001),
    trial(2, 1.4, features=32, rate=0.1, state="pruned", why="others were better by then"),
    trial(3, 1.3, features=8, rate=0.01),
    Trial(4, "running", "conv 9 9, fc", {"features": 32}, {}),
)


@pytest.fixture(scope="module")
def letters():
    return gn.xo(100)


def page_of(letters, trials=TRIALS, best=1, default=0, importance=None, test=TEST, **settings):
    told = {**trials[best].settings, **settings}
    return tuning_page(
        letters, split(letters, 0), trials, KNOBS, importance or {}, trials[best], trials[default], told, test,
        ["glassnet train letters --config best.toml"], "letters-tuned/tune.html",
    )  # fmt: skip


def words(text):
    text = re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_it_says_first_what_came_out_and_what_it_was_judged_on(letters):
    said = words(page_of(letters))
    assert "The best net is right on 71.8 % (67.7 to 75.6) of 500 test pictures" in said
    assert (
        "4 nets were tried, 3 of them to the end, and judged on 10 held-out pictures; no trial saw a test picture"
        in said
    )
    assert "held-out loss of the best 1.000" in said
    assert "held-out loss of the default 1.200" in said
    assert "4 min 04 s" in said, "four trials of 61 s"
    assert "conv 9 9" not in said, "what runs yet has not been judged"


def test_a_default_that_stays_the_best_is_said_to_be(letters):
    trials = (trial(0, 0.9, begun="default"), *TRIALS[1:])
    said = words(page_of(letters, trials, best=0))
    assert "The default stayed the best, and is right on 71.8 %" in said
    assert "of the default" not in said
    assert "The default is the best so far, on held-out examples" in words(page_of(letters, trials, 0, test=None))
    assert "Trial 1 is the best so far, on held-out examples" in words(page_of(letters, test=None))


def test_every_curve_runs_through_its_losses(letters):
    text = page_of(letters)
    paths = dict(re.findall(r'<path class="trial (\w*)" d="([^"]+)"><title>trial \d+', text))
    assert paths.keys() == {"", "default", "best"}
    marks = [float(mark) for mark in re.findall(r'text-anchor="end">([\d.]+)</text>', text.split("</svg>")[1])]
    low, high = marks[0], marks[-1]
    points = [tuple(map(float, point.split(","))) for point in paths["best"][1:].split("L")]
    expected = [
        (WIDE * done, HIGH * (1 - (min(loss, high) - low) / (high - low)))
        for done, loss in ((0.25, 2.0), (0.5, 1.5), (1.0, 1.0))
    ]
    for point, wanted in zip(points, expected, strict=True):
        assert point == pytest.approx(wanted, abs=0.06)


def test_each_knob_has_a_dot_for_every_trial_that_was_judged(letters):
    text = page_of(letters)
    panels = re.findall(r"<figure>(.*?)</figure>", text, re.DOTALL)
    assert ["features" in panels[0], "learning rate" in panels[1]] == [True, True]
    assert len(panels) == 2, "augment was never varied"
    for panel in panels:
        dots = re.findall(r'<circle class="(\w*)" cx="([\d.]+)"', panel)
        assert sorted(look for look, _ in dots) == ["", "best", "default", "part"]
        assert dots[-2:][0][0] in ("best", "default") and dots[-1][0] in ("best", "default"), "they lie on top"
    rates = {float(x) for _, x in re.findall(r'<circle class="(\w*)" cx="([\d.]+)"', panels[1])}
    assert SIDE / 2 in rates, "0.01 stands halfway between 0.001 and 0.1"


def test_importances_order_the_knobs_and_stand_beside_their_names(letters):
    text = page_of(letters, importance={"learning_rate": 0.7, "features": 0.3})
    said = words(text)
    assert said.index("learning rate · 70.0 %") < said.index("features · 30.0 %")
    assert "Too few trials" in words(page_of(letters)) and "Too few trials" not in said


def test_it_tells_where_a_trial_had_less_time_than_the_model(letters):
    assert "As a trial it had time for 4 epochs." in words(page_of(letters, epochs=9))
    assert "As a trial" not in words(page_of(letters))


def test_the_table_has_the_best_first_and_why_a_trial_ended_early(letters):
    rows = re.findall(r"<tr class=\"(\w*)\"><td>(\d+)</td>", page_of(letters))
    assert rows == [("best", "1"), ("default", "0"), ("", "3"), ("", "2")]
    assert "others were better by then" in words(page_of(letters))


def test_it_asks_nothing_of_a_network(letters):
    text = page_of(letters)
    assert "http" not in text.replace("http-equiv", "")
    assert "letters-tuned/tune.html · " in words(text)


def test_one_trial_is_enough_for_a_page(letters):
    assert "1 net was tried, 1 of them to the end" in words(page_of(letters, TRIALS[:1], best=0))
