"""glassnet tune: search the knobs, train the best net, show what mattered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from glassnet.config import Reading, Training
from glassnet.data.split import refuse_one_class
from glassnet.doors.card import refuse_weights_of_detector
from glassnet.doors.commands import print_json, title
from glassnet.doors.folder import MODELS, is_model
from glassnet.doors.inputs import find_data
from glassnet.doors.optional import USUAL_MINUTES, refuse_no_optuna
from glassnet.errors import GlassnetError
from glassnet.nets import text, zoo


def tune(
    data: str,
    out: Path | None,
    trials: int | None,
    storage: str | None,
    settings: Training,
    reading: Reading,
    json: bool,
) -> None:
    """Searches and leaves a folder with trials, settings, a page and the best net's model; all of it is the JSON."""
    refuse_no_optuna()
    refuse_weights_of_detector(settings.weights)
    if settings.net:
        zoo.find(settings.net)  # a text that can't be is refused first
    folder = out or MODELS / f"{title(data)}-tuned"
    if is_model(folder):
        fix = "Choose another --out"
        raise GlassnetError(str(folder), expected="a new folder, or one of a search", found="a model", fix=fix)
    source = find_data(data, reading)
    if source.classes:  # else they are known when all is read
        refuse_one_class(source.name, source.classes)
    if settings.net:
        text.measure(zoo.suited(settings.net, source.shape), source.shape, max(len(source.classes), 2))
    minutes = settings.minutes or (None if trials else USUAL_MINUTES)
    from glassnet.doors.commands.following import follow
    from glassnet.doors.screen import console, read
    from glassnet.doors.tuned import Tuned
    from glassnet.doors.tuning import Wanted
    from glassnet.doors.tuning import tune as search
    from glassnet.doors.tuning_view import TuningView

    screen = console(json)
    wanted = Wanted(folder, trials, minutes, storage)
    events = search(read(source, screen), replace(settings, minutes=None), wanted, data, reading)
    found = follow(events, TuningView(screen), Tuned)
    if json and isinstance(found, Tuned):
        print_json(found.as_json())
