"""The page of what features answer to: every layer a row of features, as data that the page's script draws. Under 5 MB.

Where not all has room, the features that matter most to the layers above are shown, with fewer patches, and it is said.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from glassnet import __version__
from glassnet.data import pictures
from glassnet.data.dataset import Array
from glassnet.data.kinds import KINDS
from glassnet.explaining import images
from glassnet.explaining.hierarchy_picture import draws, hierarchy_picture
from glassnet.explaining.page import render, script
from glassnet.words import by, counted, percent

if TYPE_CHECKING:
    from glassnet.explaining.exciting import Exciting
    from glassnet.explaining.features import Feature, Features, LayerFeatures, Patch

ROOM = 4_600_000  # bytes of a page
SIDE = 64  # pixels of a picture
WIDTH, HEIGHT = 120, 48  # of a series
INKS = ("#1c1b18", "#c96a08", "#1e65aa", "#8b877d")
SVG = "http://www.w3.org/2000/svg"
TIMES = " \u00d7 "
FOR, AGAINST = 5, 2  # feeds that are told one by one
MOST_CLASSES = 10
PLANS = ((32, 9, True), (32, 9, False), (24, 9, False), (16, 9, False), (16, 6, False), (8, 6, False), (4, 4, False))


@dataclass
class Gallery:
    """Pictures of examples and of parts of them, each drawn once and kept once in the page."""

    found: Features
    drawn: dict[tuple[object, ...], str] = field(default_factory=dict)
    table: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """An empty page."""
        self.table, self.places = [], {}

    def patch(self, patch: Patch) -> int:
        """What a patch looks like: its place among the page's pictures."""
        window = tuple(slice(span.start, span.stop) for span in patch.window)
        return self._put((patch.example, patch.window), lambda: self._raw(patch.example)[(slice(None), *window)])

    def example(self, example: int) -> int:
        """What a whole example looks like."""
        return self._put((example,), lambda: self._raw(example))

    def exciting(self, key: tuple[str, int], one: Exciting) -> int:
        """What excites a feature most, in the range of the data."""
        return self._put(key, lambda: self._in_range(one))

    def _raw(self, example: int) -> Array:
        return np.asarray(self.found.dataset.samples.x[int(self.found.rows[example])])

    def _in_range(self, one: Exciting) -> Array:
        axes = (-1, *[1] * (one.x.ndim - 1))
        norm, full = self.found.normalisation, self.found.dataset.full_scale
        values = one.x * np.reshape(norm.std, axes) + np.reshape(norm.mean, axes)
        if full == 1:
            return np.asarray(values, np.float32)
        return np.asarray((values * full).round().clip(0, full), np.uint8)

    def _put(self, key: tuple[object, ...], make: Callable[[], Array]) -> int:
        if key not in self.drawn:
            self.drawn[key] = self._picture(make())
        uri = self.drawn[key]
        if uri not in self.places:
            self.places[uri] = len(self.table)
            self.table.append(uri)
        return self.places[uri]

    def _picture(self, x: Array) -> str:
        """Of a volume the middle slice; all else as its kind draws it."""
        preparation = self.found.dataset.preparation
        kind = KINDS[self.found.dataset.kind]
        if x.ndim == 2 and kind.ordered:
            return lines(x)
        values = pictures.picture(x[:, x.shape[1] // 2], preparation) if x.ndim == 4 else kind.picture(x, preparation)
        return images.picture(values, bool(preparation.settings.get("ink")), SIDE)


def lines(x: Array) -> str:
    """A series as lines, a channel each, from its lowest to its highest value: an SVG. x: (C, T)."""
    paths = []
    for c in reversed(range(min(len(x), len(INKS)))):
        values = np.asarray(x[c], np.float64)
        low, spread = float(values.min()), float(np.ptp(values)) or 1.0
        across = (np.arange(len(values)) + 0.5) * WIDTH / len(values)
        down = 3 + (HEIGHT - 6) * (1 - (values - low) / spread)
        points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
        paths.append(f'<polyline points="{points}" fill="none" stroke="{INKS[c]}" stroke-width="1.5"/>')
    view = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="none"'
    drawn = f'<svg xmlns="{SVG}" {view}><rect width="100%" height="100%" fill="#fff"/>{"".join(paths)}</svg>'
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()


def features_page(found: Features) -> str:
    """The page as text, with as much as it has room for."""
    gallery, text = Gallery(found), ""
    for most, patches, context in PLANS:
        gallery.begin()
        text = _page(found, gallery, most, patches, context)
        if len(text.encode()) <= ROOM:
            break
    return text


def _hierarchy(found: Features) -> str:
    """What was learnt without labels as a data URI; empty where nothing was."""
    if not draws(found.net):
        return ""
    return "data:image/png;base64," + base64.b64encode(hierarchy_picture(found.net, found.model)).decode()


def _page(found: Features, gallery: Gallery, most: int, patches: int, context: bool) -> str:
    data = page_data(found, gallery, most, patches, context)
    count = sum(len(layer.features) for layer in found.layers)
    dead = sum(len(layer.dead) for layer in found.layers)
    shown = sum(min(len(layer.features), most) for layer in found.layers)
    kind = KINDS[found.dataset.kind]
    parts = {
        "title": f"{found.model}: what its features answer to",
        "what": f"what the features of {found.model} answer to",
        "count": counted(count, "feature"),
        "dead": f"; {dead:,} of them to nothing" if dead else "",
        "about": found.about,
        "all_shown": shown == count,
        "shown": counted(shown, "feature"),
        "hierarchy": _hierarchy(found),
        "drawn": any(one.exciting for layer in found.levels for one in layer.features),
        "one": kind.one,
        "spelt": kind.looked_up,
        "data": Markup(json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")),
        "script": Markup(script("features.js")),
        "net": str(found.net.spec),
        "made_by": f"glassnet {__version__}",
    }
    return render("features.html", parts, found.model)


def page_data(found: Features, gallery: Gallery, most: int, patches: int, context: bool) -> dict[str, object]:
    """All that the page's script draws. most: features a layer. context: whether whole examples are shown too."""
    kind = KINDS[found.dataset.kind]
    told: dict[int, dict[str, object]] = {}
    layers = [_layer(found, gallery, layer, most, patches, told) for layer in found.levels]
    if context and not kind.looked_up and len(found.net.shape) < 4:
        for example, facts in told.items():
            facts["picture"] = gallery.example(example)
    return {
        "noun": kind.one,
        "many": found.dataset.kind,
        "channels": found.net.shape[0],
        "spelt": kind.looked_up,
        "wide": len(found.net.shape) == 2,  # a line is wider than high
        "sizes": list(found.net.shape[-2:]),
        "classes": list(found.classes),
        "layers": layers,
        "examples": told,
        "pictures": gallery.table,
    }


def _layer(
    found: Features, gallery: Gallery, layer: LayerFeatures, most: int, patches: int, told: dict[int, dict[str, object]]
) -> dict[str, object]:
    level, sizes = layer.level, found.net.shape[1:]
    size = [min(one.size, n) for one, n in zip(level.field, sizes, strict=True)]
    return {
        "name": level.name,
        "text": level.text,
        "features": len(layer.features),
        "dead": len(layer.dead),
        "sees": by(size, TIMES),
        "every": by((one.stride for one in level.field), TIMES) if any(one.stride > 1 for one in level.field) else "",
        "whole": size == list(sizes),
        "spelt": level.feeders[0].spelt,
        "roof": layer is found.roof,
        "shown": [
            _feature(found, gallery, layer, layer.features[f], patches, told) for f in sorted(layer.chosen[:most])
        ],
    }


def _feature(
    found: Features, gallery: Gallery, layer: LayerFeatures, one: Feature, patches: int,
    told: dict[int, dict[str, object]],
) -> dict[str, object]:  # fmt: skip
    for patch in one.patches[:patches]:
        name = found.dataset.samples.names[int(found.rows[patch.example])]
        told.setdefault(patch.example, {"name": name, "label": patch.label})
    order = np.argsort(-one.mean, kind="stable")[:MOST_CLASSES]
    facts: dict[str, object] = {
        "index": one.index,
        "dead": one.dead,
        "share": percent(one.answered),
        "class": None if one.speaks_for is None else found.classes[one.speaks_for],
        "classes": [[found.classes[k], _figure(one.mean[k]), percent(float(one.share[k]))] for k in order],
        "patches": [_patch(found, gallery, patch) for patch in one.patches[:patches]],
        **_fed(found, layer, one),
    }
    if one.exciting is not None:
        drawn = gallery.exciting((layer.level.name, one.index), one.exciting)
        facts["exciting"] = [drawn, _figure(one.exciting.value)]
    return facts


def _patch(found: Features, gallery: Gallery, patch: Patch) -> dict[str, object]:
    facts: dict[str, object] = {
        "example": patch.example,
        "value": _figure(patch.value),
        "where": ", ".join(patch.where),
    }
    if KINDS[found.dataset.kind].looked_up:
        return facts
    facts["picture"] = gallery.patch(patch)
    sizes = found.net.shape[1:]
    if any(len(span) < n for span, n in zip(patch.window, sizes, strict=True)):
        facts["box"] = [
            [round(100 * span.start / n, 1), round(100 * len(span) / n, 1)]
            for span, n in zip(patch.window[-2:], sizes[-2:], strict=True)
        ]
    return facts


def _fed(found: Features, layer: LayerFeatures, one: Feature) -> dict[str, object]:
    """What feeds a feature: the strongest for and against, the rest in one figure, the bias, and their sum."""
    feeds = one.feeds.feeds
    put = [i for i, feed in enumerate(feeds) if feed.contribution > 0][:FOR]
    taken = [i for i, feed in enumerate(feeds) if feed.contribution < 0][:AGAINST]
    shown = [feeds[i] for i in (*put, *taken)]
    spelt = layer.level.feeders[0].spelt
    return {
        "feeds": [
            {
                "layer": feed.layer,
                "feature": feed.feature,
                "value": _figure(feed.contribution),
                "share": percent(feed.share),
                **({"word": found.words[feed.feature]} if spelt else {}),
                **({"skip": True} if feed.skip else {}),
            }
            for feed in shown
        ],
        "rest": [
            len(feeds) - len(shown),
            _figure(sum(feed.contribution for feed in feeds) - sum(feed.contribution for feed in shown)),
        ],
        "bias": _figure(one.feeds.bias),
        "value": _figure(one.feeds.value),
    }


def _figure(value: float) -> float:
    return round(float(value), 4)
