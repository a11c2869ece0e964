"""Some test examples that a model can be tried on at once: in its folder, or where the data lay when it was trained."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from glassnet import files

if TYPE_CHECKING:
    from glassnet.training.outcome import Outcome, Unlabelled

MOST = 20  # classes
SOME = 10  # examples, where there are no classes
FOLDER = "examples"  # in a model's folder
KEY = "test_files"  # in the card's data


def write_examples(outcome: Outcome | Unlabelled, folder: Path) -> str:
    """Writes one test example a class as PNG, if the data lies in no files. Returns the name of the first, or ""."""
    dataset = outcome.dataset
    if (
        dataset.root is not None
        or dataset.full_scale != 255
        or len(dataset.shape) != 3
        or dataset.shape[0] not in (1, 3)
    ):
        return ""
    first = ""
    for k, row in _one_a_class(outcome):
        x = np.asarray(dataset.samples.x[row], np.uint8)
        data = io.BytesIO()
        Image.fromarray(x[0] if len(x) == 1 else x.transpose(1, 2, 0)).save(data, "PNG")
        file = (re.sub(r"[^\w.-]+", "-", dataset.classes[k]) if dataset.has_labels else f"{k + 1:02}") + ".png"
        folder.mkdir(exist_ok=True)
        files.write_file(folder / file, data.getvalue())
        first = first or file
    return first


def test_files(outcome: Outcome | Unlabelled) -> list[str]:
    """Where one test example a class lies, if the data lies in files: nobody's pictures are copied into a model."""
    found = (outcome.dataset.file(row) for _, row in _one_a_class(outcome))
    return [str(path.absolute()) for path in found if path is not None]


def find_examples(folder: str, data: Mapping[str, object]) -> dict[str, Path]:
    """A model's examples by name, those that are still there. data: of its card."""
    own = Path(folder) / FOLDER
    if folder and own.is_dir():
        return {path.name: path for path in sorted(own.iterdir()) if path.is_file()}
    named = data.get(KEY)
    paths = [Path(str(name)) for name in named[:MOST]] if isinstance(named, list) else []
    several = len({path.name for path in paths}) < len(paths)  # 01.png of every class
    return {f"{path.parent.name}/{path.name}" if several else path.name: path for path in paths if path.is_file()}


def _one_a_class(outcome: Outcome | Unlabelled) -> Iterator[tuple[int, int]]:
    """A class and the row of its first test example; without classes some rows, spread evenly, by number."""
    from glassnet.training.outcome import Unlabelled  # torch, which finding examples needs none of

    if isinstance(outcome, Unlabelled):
        places = np.unique(np.linspace(0, len(outcome.asked) - 1, min(SOME, len(outcome.asked))).astype(int))
        yield from enumerate(outcome.asked[places].tolist())
        return
    test = outcome.test
    for k in range(min(len(outcome.dataset.classes), MOST)):
        mine = test.rows[test.y == k]
        if len(mine):
            yield k, int(mine[0])
