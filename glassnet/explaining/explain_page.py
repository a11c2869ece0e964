"""The page of one explanation: its maps, sums and votes as data that the page's script draws. Under 5 MB.

A net whose values and weights fit is written into the page whole, so that every value can be opened. Of a larger one
the strongest maps of each layer are, and the sum of each map's strongest place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from glassnet import __version__
from glassnet.explaining import images
from glassnet.explaining.halves import Half
from glassnet.explaining.numbers import Shown, fits, packed, pass_numbers
from glassnet.explaining.page import render, script
from glassnet.explaining.saliency_maps import SaliencyMap
from glassnet.explaining.votes import Votes
from glassnet.words import counted, joined

if TYPE_CHECKING:
    from glassnet.explaining.explanation import Explanation

SHOWN_VOTES, SHOWN_HIDDEN, SHOWN_ERRORS = 7, 2, 6
SAID = {  # what each way of asking shows
    "occlusion": "Covered piece by piece: warm where {answer} loses votes without it, up to {most}.",
    "integrated gradients": "Integrated gradients: what each place put in on the way from nothing to all of it, in "
    "sum {total} votes for {answer}.",
    "Grad-CAM": "Grad-CAM: where the last maps, each by its mean slope, speak for {answer}.",
}


@dataclass(frozen=True)
class VoteLine:
    """One vote as the page lists it. link: the address of its value on the page. width: of its bar, in percent."""

    words: str
    link: str
    value: str
    weight: str
    vote: str
    width: float
    is_for: bool


@dataclass(frozen=True)
class VoteTable:
    """The votes for one class or hidden category: the strongest, the rest in one line, and their sum."""

    title: str
    name: str
    lines: tuple[VoteLine, ...]
    rest_words: str
    rest: str
    logit: str


@dataclass(frozen=True)
class Heat:
    """One saliency map as the page shows it. mark: its place there. sanity: what is left of it without learning."""

    mark: str
    name: str
    words: str
    sanity: str


@dataclass(frozen=True)
class ErrorView:
    """The slides' table of the error: rows of class, right, actual and error. loss: what training pressed down."""

    rows: tuple[tuple[str, str, str, str], ...]
    rest_words: str
    rest: str
    total: str
    loss: str


@dataclass(frozen=True)
class HalfView:
    """A hidden half as the page shows it: two pictures as data URIs, and how far off."""

    name: str
    hidden: str
    filled: str
    words: str


def explain_page(explanation: Explanation) -> str:
    """The page as text."""
    one, whole = explanation, fits(explanation.net, explanation.steps)
    first, second = one.classes[one.answer], one.classes[one.runner_up]
    parts = {
        "title": f"{one.name}: why {first}",
        "what": f"why {one.model} answers as it does",
        "answer": first,
        "score": f"{one.probability[one.answer]:.2f}",
        "runner_up": f"{second} {one.probability[one.runner_up]:.2f}",
        "lead": lead(one),
        "votes": [class_table(one, k) for k in (one.answer, one.runner_up)],
        "hidden": _hidden_tables(one),
        "twice": ", of the picture itself" if len(one.views) > 1 else "",
        "heats": [_heat(one, found) for found in one.saliency],
        "random_nets": counted(len(one.saliency[0].random), "net"),
        "error": _error(one),
        "halves": [_half(half, one.scene.ink) for half in one.halves],
        "data": Markup(_script_safe(json.dumps(page_data(one, whole)))),
        "script": Markup(script("explain.js")),
        "whole": whole,
        "weights": f"{sum(p.numel() for p in one.net.parameters()):,}",
        "sound": one.scene.sound,
        "axes": joined([*(f"{axis.name}s" for axis in one.scene.axes if not axis.at), "features"]).capitalize(),
        "has_voted": one.voted is not None,
        "net": str(one.net.spec),
        "tested": one.tested,
        "made_by": f"glassnet {__version__}",
    }
    return render("explain.html", parts, one.name)


def page_data(explanation: Explanation, whole: bool) -> dict[str, object]:
    """All numbers that the page's script draws. whole: every value and weight, or the strongest maps only."""
    one = explanation
    shown = Shown(one.net, one.steps, one.x, one.scene, one.classes, one.votes.logit.tolist(), one.answer)
    return {
        **pass_numbers(shown, one.thread(), whole),
        "heats": {
            _mark(found.name): {"shape": found.values.shape, "values": packed(found.values)} for found in one.saliency
        },
        "voted": None if one.voted is None else {"shape": one.voted.shape, "values": packed(one.voted)},
    }


def _half(half: Half, ink: bool) -> HalfView:
    words = f"off by {half.error:.0f} of 255; the mean picture by {half.of_mean:.0f}"
    return HalfView(half.name, images.picture(half.hidden, ink), images.picture(half.filled, ink), words)


def lead(one: Explanation) -> str:
    """The strongest reason in a sentence or two."""
    cast, k = one.votes, one.answer
    twice = " It was asked about the mirror image too: each vote is the mean of both." if len(one.views) > 1 else ""
    f = int(cast.strongest(k)[0])
    vote = cast.contribution[k, f]
    ahead = cast.logit[k] - cast.logit[one.runner_up]
    strange = ""
    if one.is_none_of_these:
        strange = f"None of these: it is like nothing that the net learnt from (strangeness {one.strangeness:.2f}). "
    return (
        f"{strange}The strongest of {counted(len(cast.values), 'vote')} comes from {one.where(f)}: {signed(vote)} for "
        f"{one.classes[k]}, which leads {one.classes[one.runner_up]} by {ahead:.2f}.{_piece(one)}{twice}"
    )


def _piece(one: Explanation) -> str:
    words = joined(one.hangs_on())
    return f" Covered piece by piece, it hangs most on {words}." if words else ""


def class_table(one: Explanation, k: int) -> VoteTable:
    """The votes for a class, their bars on the scale of those for the answer and the one after it."""
    most = float(np.abs(one.votes.contribution[[one.answer, one.runner_up]]).max())
    return _vote_table(one, one.votes, k, f"{one.classes[k]}, {one.probability[k]:.2f}", one.classes[k], most)


def _hidden_tables(one: Explanation) -> list[VoteTable]:
    """The votes that made the hidden categories which vote most for the answer, and theirs in turn, layer by layer."""
    tables, above, k = [], one.votes, one.answer
    for i, cast in one.hidden:
        most = float(np.abs(cast.contribution).max())
        strongest = [int(f) for f in above.strongest(k)[:SHOWN_HIDDEN]]
        for f in strongest:
            name = f"hidden category {f + 1}"
            tables.append(_vote_table(one, cast, f, f"{name.capitalize()} of {one.steps[i].name}", name, most))
        above, k = cast, strongest[0]
    return tables


def _vote_table(one: Explanation, cast: Votes, k: int, title: str, name: str, most: float) -> VoteTable:
    """most: the vote whose bar is full."""
    contribution, told = cast.contribution[k], cast.told(k, SHOWN_VOTES)
    lines = tuple(
        VoteLine(
            one.where(int(f), cast),
            _link(one, cast, int(f)),
            number(cast.values[f]),
            number(cast.weights[k, f]),
            signed(contribution[f]),
            round(float(abs(contribution[f])) / max(most, 1e-12) * 100, 1),
            bool(contribution[f] > 0),
        )
        for f in told.shown
    )
    return VoteTable(title, name, lines, told.words, signed(told.rest), signed(cast.logit[k]))


def _link(one: Explanation, cast: Votes, f: int) -> str:
    if cast.made_by < 0:
        return ""
    return "/".join([one.steps[cast.made_by].name, *(str(i + 1) for i in cast.place(f))])


def _mark(method: str) -> str:
    return method.lower().replace(" ", "-")


def _heat(one: Explanation, found: SaliencyMap) -> Heat:
    answer = one.classes[one.answer]
    words = SAID[found.name].format(
        answer=answer, most=signed(max(float(found.values.max()), 0.0)), total=signed(float(found.values.sum()))
    )
    sanity = f"{found.sanity.capitalize()}. Rank correlation {found.correlation:.2f}."
    return Heat(_mark(found.name), found.name, words, sanity)


def _error(one: Explanation) -> ErrorView | None:
    """The right class, and those whose errors are largest; the others in one line."""
    table, loss = one.error, one.loss
    if table is None or loss is None or one.right is None:
        return None
    order = [one.right, *(int(k) for k in np.argsort(-table.error, kind="stable") if k != one.right)]
    shown, rest = order[:SHOWN_ERRORS], order[SHOWN_ERRORS:]
    rows = tuple(
        (one.classes[k], f"{table.right[k]:.0f}", f"{table.actual[k]:.2f}", f"{table.error[k]:.2f}") for k in shown
    )
    smoothing = one.criterion.smoothing
    weighed = ", each class by its weight" if one.criterion.weight is not None else ""
    aim = f"{1 - smoothing:g} right and {smoothing:g} shared by all{weighed}" if smoothing else f"1 right{weighed}"
    warm = ", before its votes were calibrated" if one.temperature != 1 else ""
    words = f"{-np.log(max(one.probability[one.right], 1e-12)):.3f}; {loss:.3f} as it was trained{warm}, with {aim}"
    rest_words = counted(len(rest), "other class", "other classes") if rest else ""
    return ErrorView(rows, rest_words, f"{table.error[rest].sum():.2f}", f"{table.total:.2f}", words)


def number(value: float) -> str:
    """Two decimals with a true minus."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\u2212")


def signed(value: float) -> str:
    """Two decimals, always with a sign."""
    return f"{value:+.2f}".replace("-", "\u2212")


def _script_safe(text: str) -> str:
    """JSON that can't end the script element that it stands in."""
    return text.replace("<", "\\u003c")
