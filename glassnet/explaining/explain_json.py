"""An explanation as JSON: each class's votes, those of hidden categories, the error, what saliency maps are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from glassnet.explaining.votes import Votes

if TYPE_CHECKING:
    from glassnet.explaining.explanation import Explanation

FEW_VOTES, FEW_CATEGORIES = 50, 8  # of hidden categories, in JSON
MOST_VOTES = 1000  # a class, in JSON; the weaker ones are counted and summed


def explain_json(one: Explanation, saliency: bool) -> dict[str, object]:
    """As `glassnet explain --json` prints it. saliency: also how much of each map is left without learning."""
    maker = one.steps[one.votes.made_by].name if one.votes.made_by >= 0 else "input"
    return {
        "input": one.name,
        "class": one.classes[one.answer],
        "score": float(one.probability[one.answer]),
        **_strangeness(one),
        "values_from": maker,
        "views": len(one.views),
        "hangs_on": list(one.hangs_on()),
        "votes": {name: _class_votes(one, k) for k, name in enumerate(one.classes)},
        **_hidden(one),
        **_error(one),
        **_halves(one),
        **({"saliency": [found.as_json() for found in one.saliency]} if saliency else {}),
    }


def _halves(one: Explanation) -> dict[str, object]:
    """How far off each half is that was hidden and filled in; nothing where the net can't."""
    found = [{"hidden": half.name, "rmse": half.error, "mean_rmse": half.of_mean} for half in one.halves]
    return {"halves": found} if found else {}


def _strangeness(one: Explanation) -> dict[str, object]:
    if one.strangeness is None:
        return {}
    return {"none_of_these": one.is_none_of_these, "strangeness": one.strangeness}


def _error(one: Explanation) -> dict[str, object]:
    table = one.error
    if table is None or one.right is None:
        return {}
    rows = zip(one.classes, table.right.tolist(), table.actual.tolist(), table.error.tolist(), strict=True)
    return {
        "right": one.classes[one.right],
        "error": {
            "classes": [dict(zip(("class", "right", "actual", "error"), row, strict=True)) for row in rows],
            "total": table.total,
        },
        "loss": one.loss,
    }


def _hidden(one: Explanation) -> dict[str, object]:
    """Of each layer of hidden categories the strongest, each with the votes that made it; nothing without any."""
    layers = [
        {
            "layer": one.steps[i].name,
            "values_from": one.steps[cast.made_by].name if cast.made_by >= 0 else "input",
            "categories": [
                {"category": int(k), **_cast(one, cast, int(k), FEW_VOTES)}
                for k in np.argsort(-np.abs(cast.logit), kind="stable")[:FEW_CATEGORIES]
            ],
        }
        for i, cast in one.hidden
    ]
    return {"hidden": layers} if layers else {}


def _class_votes(one: Explanation, k: int) -> dict[str, object]:
    views = [float(view.logit[k]) for view in one.views]
    return {
        "probability": float(one.probability[k]),
        "by_view": views,
        **_cast(one, one.votes, k, MOST_VOTES),
    }


def _cast(one: Explanation, cast: Votes, k: int, most: int) -> dict[str, object]:
    """All votes for one class, the strongest one by one. most: of them."""
    order, contribution, spelt = cast.strongest(k), cast.contribution[k], one.scene.spelt
    shown, rest = order[:most], order[most:]
    return {
        "logit": float(cast.logit[k]),
        "bias": float(cast.bias[k]),
        "values": [
            {
                "at": list(cast.place(int(f))),
                **({"made_of": list(one.made_of(int(f), cast))} if spelt else {}),
                "value": float(cast.values[f]),
                "weight": float(cast.weights[k, f]),
                "vote": float(contribution[f]),
            }
            for f in shown
        ],
        "weaker": {"count": len(rest), "vote": float(contribution[rest].sum())},
    }
