"""glassnet: a glass-box ConvNet workbench.

    import glassnet as gn

    dataset = gn.read("digits")          # or a folder of pictures, sounds, series, volumes
    print(gn.check(dataset).verdict)     # is a ConvNet right for them?
    model = gn.train(dataset)
    print(model.predict("seven.png").label)
    gn.explain(model, "seven.png").save("why.html")

Names are imported when they are first used, so that importing glassnet costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from glassnet.data.dataset import Dataset
    from glassnet.deck import ErrorTable, cut, error_table, filter_image, filter_patch, max_pool, relu
    from glassnet.doors.answers import Prediction
    from glassnet.doors.estimator import ConvNetClassifier
    from glassnet.doors.library import check, explain, export, features, read, train, tune, xo
    from glassnet.doors.loading import load
    from glassnet.doors.model import Model
    from glassnet.errors import GlassnetError
    from glassnet.explaining.arithmetic import Arithmetic, arithmetic
    from glassnet.explaining.explanation import Explanation
    from glassnet.explaining.features import Features
    from glassnet.explaining.nudge import Nudge, nudge
    from glassnet.explaining.trace import Step, trace
    from glassnet.explaining.votes import Votes, votes
    from glassnet.training.suitability import Suitability

__all__ = [
    "Arithmetic",
    "ConvNetClassifier",
    "Dataset",
    "ErrorTable",
    "Explanation",
    "Features",
    "GlassnetError",
    "Model",
    "Nudge",
    "Prediction",
    "Step",
    "Suitability",
    "Votes",
    "__version__",
    "arithmetic",
    "check",
    "cut",
    "error_table",
    "explain",
    "export",
    "features",
    "filter_image",
    "filter_patch",
    "load",
    "max_pool",
    "nudge",
    "read",
    "relu",
    "trace",
    "train",
    "tune",
    "votes",
    "xo",
]

_HOMES = {
    "Dataset": "glassnet.data.dataset",
    "filter_patch": "glassnet.deck",
    "filter_image": "glassnet.deck",
    "max_pool": "glassnet.deck",
    "relu": "glassnet.deck",
    "cut": "glassnet.deck",
    "ErrorTable": "glassnet.deck",
    "error_table": "glassnet.deck",
    "read": "glassnet.doors.library",
    "xo": "glassnet.doors.library",
    "train": "glassnet.doors.library",
    "tune": "glassnet.doors.library",
    "load": "glassnet.doors.loading",
    "explain": "glassnet.doors.library",
    "export": "glassnet.doors.library",
    "features": "glassnet.doors.library",
    "Features": "glassnet.explaining.features",
    "check": "glassnet.doors.library",
    "Suitability": "glassnet.training.suitability",
    "Model": "glassnet.doors.model",
    "Prediction": "glassnet.doors.answers",
    "ConvNetClassifier": "glassnet.doors.estimator",
    "Explanation": "glassnet.explaining.explanation",
    "Step": "glassnet.explaining.trace",
    "trace": "glassnet.explaining.trace",
    "Nudge": "glassnet.explaining.nudge",
    "nudge": "glassnet.explaining.nudge",
    "Arithmetic": "glassnet.explaining.arithmetic",
    "arithmetic": "glassnet.explaining.arithmetic",
    "Votes": "glassnet.explaining.votes",
    "votes": "glassnet.explaining.votes",
    "GlassnetError": "glassnet.errors",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'glassnet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
