"""Some test examples as files, for data that has none of its own, so that a new model can be tried at once."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from glassnet import files
from glassnet.training.outcome import Outcome

MOST = 20  # classes


def write_examples(outcome: Outcome, folder: Path) -> str:
    """Writes one test example a class as PNG, if the data lies in no files. Returns the name of the first, or ""."""
    dataset, test = outcome.dataset, outcome.test
    if (
        dataset.root is not None
        or dataset.full_scale != 255
        or len(dataset.shape) != 3
        or dataset.shape[0] not in (1, 3)
    ):
        return ""
    first = ""
    for k, name in enumerate(dataset.classes[:MOST]):
        mine = test.rows[test.y == k]
        if not len(mine):
            continue
        x = np.asarray(dataset.samples.x[int(mine[0])], np.uint8)
        data = io.BytesIO()
        Image.fromarray(x[0] if len(x) == 1 else x.transpose(1, 2, 0)).save(data, "PNG")
        file = re.sub(r"[^\w.-]+", "-", name) + ".png"
        folder.mkdir(exist_ok=True)
        files.write_file(folder / file, data.getvalue())
        first = first or file
    return first
