"""An explanation of detections as JSON: each box's way, its votes, what it is like, what gave way to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from glassnet.explaining.region_votes import RegionVotes

if TYPE_CHECKING:
    from glassnet.explaining.detections import ExplainedBox, ExplainedBoxes

FEW = 10  # features whose votes differ most


def detections_json(one: ExplainedBoxes) -> dict[str, object]:
    """As `glassnet explain --json` prints it. Boxes are x1, y1, x2, y2 in pixels; features count from 0.

    first_score: of a box that was judged twice, where it was proposed; its score is the mean of that and its votes'.
    """
    missed = (
        {}
        if one.missed is None
        else {"objects": one.objects, "right": one.right, "false": one.false, "missed": _missed(one)}
    )
    return {
        "model": one.judge.name,
        "input": one.name,
        "size": list(one.size),
        "found": dict(one.counts),
        "boxes": [_box(one, box) for box in one.boxes],
        **missed,
        "notes": list(one.notes),
    }


def _box(one: ExplainedBoxes, box: ExplainedBox) -> dict[str, object]:
    verdict = {} if box.verdict is None else {"is_right": box.verdict.is_right, "truth": box.verdict.words}
    return {
        "class": one.classes[box.label],
        "score": box.score,
        "first_score": box.first,
        "box": list(box.box),
        "proposal": list(box.proposal),
        "before": list(box.before),
        "moved": {f"{name}_percent": share * 100 for name, share in asdict(box.moved).items()},
        "votes": _votes(box.votes),
        "nearest": [
            {
                "input": near.name,
                "class": one.classes[near.label],
                "box": near.box.tolist(),
                "similarity": near.similarity,
            }
            for near in box.nearest
        ],
        "removed": [
            {"box": list(removed.box), "score": removed.score, "overlap": removed.overlap} for removed in box.removed
        ],
        **verdict,
    }


def _votes(votes: RegionVotes) -> dict[str, object]:
    """Contributions of the features, the rest of them and the bias add up to the logit; so they do for the other."""
    voters, said, against = votes.voters, votes.said, votes.against
    strongest = votes.strongest(FEW)
    features = [
        {
            "feature": int(f),
            "value": float(votes.values[f]),
            "weight": float(voters.weights[said, f]),
            "runner_up_weight": None if against is None else float(voters.weights[against, f]),
            "contribution": float(votes.contribution[said, f]),
            "runner_up_contribution": None if against is None else float(votes.contribution[against, f]),
        }
        for f in strongest
    ]
    return {
        "class": voters.names[said],
        "logit": float(votes.logit[said]),
        "runner_up": None if against is None else voters.names[against],
        "runner_up_logit": None if against is None else float(votes.logit[against]),
        "features": features,
        "others": len(votes.values) - len(strongest),
        "rest": votes.rest(said, FEW),
        "runner_up_rest": None if against is None else votes.rest(against, FEW),
        "bias": float(voters.bias[said]),
        "runner_up_bias": None if against is None else float(voters.bias[against]),
        "score": votes.score,
        "score_is": votes.score_words,
    }


def _missed(one: ExplainedBoxes) -> list[dict[str, object]]:
    return [
        {
            "class": one.classes[missed.label],
            "box": list(missed.box),
            "stage": missed.stage,
            "why": missed.words,
            "rival": None if missed.rival is None else list(missed.rival),
        }
        for missed in one.missed or ()
    ]
