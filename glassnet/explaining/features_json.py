"""What features answer to as JSON: every feature of every layer with its best patches and what feeds it most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glassnet.explaining.feeds import Feeds

if TYPE_CHECKING:
    from glassnet.explaining.features import Feature, Features, LayerFeatures, Patch

FOR, AGAINST = 5, 1
MOST_CLASSES = 10  # whose answers are told one by one, the strongest


def features_json(found: Features) -> dict[str, object]:
    """As `glassnet features --json` prints it, without the page."""
    return {
        "model": found.model,
        "data": found.data,
        "examples": len(found.rows),
        "looked_at": found.about,
        "layers": [_layer(found, layer) for layer in found.layers],
        "classes": [_class(found, one) for one in found.roof.features],
    }


def _layer(found: Features, layer: LayerFeatures) -> dict[str, object]:
    level = layer.level
    return {
        "name": level.name,
        "text": level.text,
        "field": {
            "size": [field.size for field in level.field],
            "stride": [field.stride for field in level.field],
            "start": [field.start for field in level.field],
        },
        "dead": len(layer.dead),
        "features": [_feature(found, layer, one) for one in layer.features],
    }


def _feature(found: Features, layer: LayerFeatures, one: Feature) -> dict[str, object]:
    speaks_for = one.speaks_for
    return {
        "index": one.index,
        "dead": one.dead,
        "share": one.answered,
        "class": None if speaks_for is None else found.classes[speaks_for],
        "by_class": {
            found.classes[k]: {"share": float(one.share[k]), "mean": float(one.mean[k])}
            for k in np.argsort(-one.mean, kind="stable")[:MOST_CLASSES]
        },
        "patches": [_patch(patch) for patch in one.patches],
        **_fed(found, layer, one.feeds),
        **({} if one.exciting is None else {"exciting": one.exciting.value}),
    }


def _class(found: Features, one: Feature) -> dict[str, object]:
    patches = [_patch(patch) for patch in one.patches]
    return {"class": found.classes[one.index], "patches": patches, **_fed(found, found.roof, one.feeds)}


def _patch(patch: Patch) -> dict[str, object]:
    return {
        "file": patch.name,
        "class": patch.label,
        "value": patch.value,
        "place": list(patch.place),
        "window": [[span.start, span.stop] for span in patch.window],
        "where": list(patch.where),
    }


def _fed(found: Features, layer: LayerFeatures, feeds: Feeds) -> dict[str, object]:
    """What puts in most, then what takes away most; the others in one figure, so that all add up to the value."""
    chosen = strongest(feeds)
    words = found.words if layer.level.feeders[0].spelt else None
    shown = [feeds.feeds[i] for i in chosen]
    return {
        "feeds": [
            {
                "layer": feed.layer,
                "feature": feed.feature,
                **({} if words is None else {"word": words[feed.feature]}),
                "contribution": feed.contribution,
                "share": feed.share,
                **({"skip": True} if feed.skip else {}),
            }
            for feed in shown
        ],
        "weaker": {
            "count": len(feeds.feeds) - len(shown),
            "contribution": sum(one.contribution for i, one in enumerate(feeds.feeds) if i not in chosen),
        },
        "bias": feeds.bias,
        "value": feeds.value,
    }


def strongest(feeds: Feeds, most_for: int = FOR, most_against: int = AGAINST) -> list[int]:
    """The places of the feeds that are told one by one: those that put in most, then those that take away most."""
    put = [i for i, one in enumerate(feeds.feeds) if one.contribution > 0][:most_for]
    taken = [i for i, one in enumerate(feeds.feeds) if one.contribution < 0][:most_against]
    return put + taken
