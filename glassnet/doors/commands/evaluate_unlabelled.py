"""glassnet evaluate with a model that learnt without labels: what it says again, and how it fills in hidden halves."""

from __future__ import annotations

from pathlib import Path

from glassnet.data.kinds import Source
from glassnet.doors.commands import print_json, typed
from glassnet.doors.commands.unseen import unseen


def evaluate_unlabelled(folder: Path, source: Source, data: str, json: bool) -> None:
    """Prints the figures, on examples that it did not learn from. Labels, if there are any, are not looked at."""
    from glassnet.doors.screen import console, fact, line, read

    screen = console(json)
    dataset = read(source, screen)
    import torch

    from glassnet.data.loader import Loader
    from glassnet.doors.lines import none_of_these, rebuilt
    from glassnet.doors.model import BATCH, Model
    from glassnet.steps import finish
    from glassnet.training.completion import MOST, rebuilding
    from glassnet.training.familiarity import Alarms

    model = Model.load(folder)
    rows, lead = unseen(dataset, model.seen)
    loader = Loader(dataset, rows, model.card.normalisation, BATCH, torch.device("cpu"))
    with line(screen, "evaluate") as told:
        work, total = rebuilding(model.net, loader), min(len(rows), MOST)
        found = finish(work, lambda done: told.step(done, total, f"{dataset.kind} asked about"))
    strange = [model.answer_of(dataset.samples.x[rows[i : i + BATCH]])[1] for i in range(0, len(rows), BATCH)]
    refused = Alarms(sum(int((part > 1).sum()) for part in strange if part is not None), len(rows))
    known = model.familiar is not None
    if json:
        told_of = {"none_of_these": refused.as_json()} if known else {}
        print_json({"model": str(folder), "data": data, "asked": lead, "accuracy": None, **found.as_json(), **told_of})
        return
    for words in rebuilt(found, dataset.kind):
        screen.print(words)
    screen.print(lead)
    if known:
        screen.print(none_of_these(refused, dataset.kind))
    first = dataset.file(int(rows[0]))
    screen.print(fact("next", typed("glassnet", "explain", folder, first or "FILE"), "bold"))
