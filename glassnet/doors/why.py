"""Why a model answers an example as it does, once that is read: its scene, and the explanation of its net's answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from glassnet.data.kinds import KINDS
from glassnet.doors.inputs import Input
from glassnet.doors.model import Model
from glassnet.explaining import images
from glassnet.explaining.explanation import Explanation
from glassnet.explaining.explanation import explain as explain_net
from glassnet.explaining.scene import Scene
from glassnet.training.familiarity import of_windows


def scene_of(model: Model, one: Input) -> Scene:
    """An example that was asked about as a person meets it."""
    assert one.x is not None, "it could be read"
    card, kind = model.card, KINDS[model.card.kind]
    return Scene(
        kind.picture(one.x, card.preparation),
        kind.axes(card.preparation, one.x),
        bool(card.preparation.settings.get("ink")),
        images.sound(kind, Path(one.name)) if Path(one.name).is_file() else "",
        kind.one,
        kind.piece,
        kind.looked_up,
    )


def explain_input(
    model: Model, one: Input, right: str | None = None, scene: Scene | None = None, covered: bool = True
) -> Explanation:
    """The explanation of an example. right: one of the model's classes, or None.

    scene: as a person meets it, where that isn't a file. covered: whether pieces are covered, which takes long.
    """
    assert one.x is not None, "it could be read"
    scene, card = scene or scene_of(model, one), model.card
    name = one.name if one.windows is None else f"{one.name} (its loudest part)"
    looks = model.look(one.x[None])
    _, strange = model.answer_of(one.x[None] if one.windows is None else one.windows)
    found = explain_net(
        model.net,
        model.classes,
        one.x,
        looks,
        name,
        model.name,
        model.tested,
        scene,
        card.both_ways,
        right=None if right is None else card.classes.index(right),
        criterion=model.criterion,
        temperature=model.temperature,
        covered=covered,
        chances=card.unlabelled,
    )
    return replace(found, strangeness=None if strange is None else of_windows(strange.tolist()))
