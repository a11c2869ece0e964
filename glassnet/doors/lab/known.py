"""Which models can be opened by name, and what a page is told of an exported file. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from glassnet.data.kinds import KINDS
from glassnet.doors.card import is_detector
from glassnet.doors.examples import find_examples
from glassnet.doors.exporting.answering import OnnxDetector, OnnxModel
from glassnet.doors.folder import CONFIG, MODELS, is_model
from glassnet.doors.lab.compute import Compute

SLIDES = "slides"
NAMED = 20  # examples


def name_of(place: Path) -> str:
    """What a model is called on a page and in an address."""
    return place.resolve().name


def folders(named: Path | None) -> dict[str, Path]:
    """Every model that can be opened, by name, the one that was named first, then the newest."""
    found = [path for path in MODELS.glob("*") if is_model(path)] if MODELS.is_dir() else []
    found.sort(key=lambda path: -(path / CONFIG).stat().st_mtime)
    return {name_of(path): path for path in ([named] if named else []) + found}


def detectors(named: Path | None) -> list[str]:
    """Those of the names that are detectors, by a look into their cards."""
    return [name for name, path in folders(named).items() if is_detector(path)]


def file_routes(app: FastAPI, place: Path, opened: Callable[[str], OnnxModel | OnnxDetector], compute: Compute) -> None:
    """GET what the page asks of an exported file: the nets beside it, what it is, its examples. place: where it lies.

    opened: what answers by a net's name.
    """
    name = name_of(place)

    @app.get("/api/nets", include_in_schema=False)
    async def every_net() -> dict[str, Any]:
        def work() -> dict[str, Any]:
            own = [name] if isinstance(opened(name), OnnxDetector) else []
            return {
                "first": name,
                "nets": [SLIDES, *folders(place)],
                "detectors": own + detectors(place),
                "exported": [name],
            }

        return await compute(work)

    @app.get("/api/nets/{net}", include_in_schema=False)
    async def one_net(net: str) -> dict[str, Any]:
        return await compute(lambda: described(name, opened(net)))

    @app.get("/api/nets/{net}/examples", include_in_schema=False)
    async def examples(net: str) -> dict[str, list[str]]:
        def work() -> dict[str, list[str]]:
            model = opened(net)
            return {"examples": list(find_examples(model.folder, model.card.data))[:NAMED]}

        return await compute(work)


def described(name: str, model: OnnxModel | OnnxDetector) -> dict[str, Any]:
    """What a list of nets says of an exported file."""
    card = model.card
    facts: dict[str, Any] = {
        "name": name,
        "kind": card.kind,
        "net": card.net,
        "classes": list(card.classes),
        "shape": list(card.preparation.shape),
        "ink": bool(card.preparation.settings.get("ink")),
        "drawable": False,
        "typed": False,
        "tested": "",
        "learnt_from": str(card.data.get("source") or card.data.get("name") or ""),
        "features": {},
        "exported": True,
    }
    if isinstance(model, OnnxDetector):
        return facts | {"engine": card.detector.get("engine"), "thresholds": list(model.thresholds)}
    return facts | {"typed": KINDS[card.kind].typed is not None}
