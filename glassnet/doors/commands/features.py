"""glassnet features: what each feature of each layer answers to, as a page, and a line a layer in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from glassnet import files
from glassnet.config import Reading
from glassnet.doors.card import Card, read_card
from glassnet.doors.commands import output_file, print_json, title, typed
from glassnet.doors.material import find_material, refuse_detector
from glassnet.errors import GlassnetError
from glassnet.steps import finish
from glassnet.words import by, clipped

if TYPE_CHECKING:
    from glassnet.explaining.features import Features, LayerFeatures

MOST_LAYERS = 40
NAME = 24  # letters of a layer


def features(folder: Path, data: str | None, out: Path | None, reading: Reading, json: bool) -> None:
    """Leaves a page; what each feature answers to is the JSON."""
    card = read_card(folder)
    refuse_detector(card, str(folder))
    page = output_file(out, f"features-{title(str(folder))}.html", ".html", ".htm", ".png")
    if page.suffix.lower() == ".png":
        _draw(folder, card, page, json)
        return
    source, named = find_material(card, data, reading)
    from glassnet.doors.screen import console, fact, line, read

    screen = console(json)
    dataset = read(source, screen)
    from glassnet.doors.examples import find_examples
    from glassnet.doors.library import features_steps
    from glassnet.doors.model import Model

    with line(screen, "features") as told:
        work = features_steps(Model.load(folder), dataset, named)
        found = finish(work, lambda step: told.step(step.done, step.total, step.what))
    found.save(page)
    if json:
        print_json({**found.as_json(), "page": str(page)})
        return
    _print(screen, found)
    screen.print(fact("page", str(page)))
    shown = Path(found.roof.features[0].patches[0].name)  # what it takes for its first class most
    examples = [shown] if shown.is_file() else list(find_examples(str(folder), card.data).values())
    screen.print(fact("next", typed("glassnet", "explain", folder, examples[0] if examples else "FILE"), "bold"))


def _draw(folder: Path, card: Card, path: Path, json: bool) -> None:
    """Leaves a picture of what the net learnt without labels. Raises GlassnetError where it learnt nothing so."""
    if not any(word.strip().startswith("rbm ") for word in card.net.split(",")):
        found = "a net that learnt with labels alone"
        fix = "Write the page: --out features.html"
        raise GlassnetError("--out", expected="a net with `rbm` layers for a .png", found=found, fix=fix)
    from glassnet.doors.model import Model
    from glassnet.doors.screen import console, fact
    from glassnet.explaining.hierarchy_picture import hierarchy_picture

    files.write_file(path, hierarchy_picture(Model.load(folder).net, title(str(folder))))
    if json:
        print_json({"picture": str(path)})
        return
    console(json).print(fact("picture", str(path)))


def _print(screen: Console, found: Features) -> None:
    """A line a layer: how many features, what they see, how many are dead, what the strongest answers to."""
    screen.print(found.about)
    screen.print()
    screen.print(f"{'layer':<{NAME}}features  {'sees':<10}dead  strongest answer", style="dim")
    for layer in found.layers[:MOST_LAYERS]:
        screen.print(_line(found, layer))
    if len(found.layers) > MOST_LAYERS:
        screen.print(f"and {len(found.layers) - MOST_LAYERS} layers more", style="dim")
    screen.print()


def _line(found: Features, layer: LayerFeatures) -> str:
    level = layer.level
    sees = by(min(field.size, n) for field, n in zip(level.field, found.net.shape[1:], strict=True))
    best = max((one for one in layer.features if not one.dead), key=lambda one: one.patches[0].value, default=None)
    said = "none answers"
    if best is not None and best.speaks_for is not None:
        patch = best.patches[0]
        words = ", ".join(patch.where) if level.is_grid else "all of it"
        said = f"{best.index + 1}: {patch.value:.1f} at {words} ({clipped(patch.label, 16)})"
    name = clipped(f"{level.name} {level.text}" if "." not in level.name else level.name, NAME - 1)
    return f"{name:<{NAME}}{len(layer.features):>8,}  {sees:<10}{len(layer.dead):>4}  {said}"
