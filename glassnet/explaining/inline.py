"""What a notebook shows of a data set and of a model: a piece of HTML with its style, no script, under 500 kB."""

from __future__ import annotations

import base64
import io

from PIL import Image

from glassnet.data.contact_sheet import contact_sheet
from glassnet.data.dataset import Dataset
from glassnet.data.kinds import KINDS
from glassnet.explaining.layers import sheet
from glassnet.explaining.page import fragment
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import measure
from glassnet.words import bytes_read, counted, listed

HEAVY = 250_000  # bytes of a picture
SHOWN_LAYERS, SHOWN_NOTES = 30, 4


def dataset_inline(dataset: Dataset) -> str:
    """A data set: how many of each class, and some of each."""
    notes = list(dataset.notes)
    if dataset.skipped:
        first = f"{dataset.skipped[0].name} {dataset.skipped[0].reason}"
        notes.append(
            f"{counted(len(dataset.skipped), 'damaged file was', 'damaged files were')} skipped, such as {first}"
        )
    x = dataset.samples.x
    parts: dict[str, object] = {
        "name": dataset.name,
        "words": dataset.describe(" × "),
        "counts": _counts(dataset),
        "values": f"{x.dtype}, {bytes_read(x.nbytes)}",
        "sheet": data_uri(Image.open(io.BytesIO(contact_sheet(dataset, KINDS[dataset.kind])))),
        "notes": notes[:SHOWN_NOTES],
    }
    return fragment("notebook_dataset.html", parts)


def _counts(dataset: Dataset) -> str:
    """How even the classes are: "174 (8) to 183 (3) examples a class."; nothing where there are none."""
    if not dataset.has_labels:
        return ""
    few, many = int(dataset.counts.argmin()), int(dataset.counts.argmax())
    low, high = (f"{int(dataset.counts[k]):,}" for k in (few, many))
    if low == high:
        return f"{low} examples in each class."
    return f"{low} ({dataset.classes[few]}) to {high} ({dataset.classes[many]}) examples a class."


def model_inline(name: str, net: ConvNet, classes: tuple[str, ...], kind: str, worth: str, unlabelled: bool) -> str:
    """A model: its layers, the features of the first, and what it is worth in a sentence.

    unlabelled: whether nothing named classes, so that its votes are for features.
    """
    found = sheet(net, measure(net.spec, net.shape, len(classes)), len(classes), KINDS[kind].one)
    many = kind if kind.startswith(KINDS[kind].one) else f"{KINDS[kind].one}s"
    left = len(found.lines) - SHOWN_LAYERS
    parts: dict[str, object] = {
        "name": name,
        "tells": f"{_told(classes, unlabelled)} of {many}" + ("" if unlabelled else f": {listed(classes, 12)}"),
        "worth": worth,
        "lines": found.lines[:SHOWN_LAYERS],
        "left_out": f"with {counted(left, 'more layer')}" if left > 0 else "",
        "parameters": found.parameters,
        "multiply_adds": found.multiply_adds,
        "net": str(net.spec),
    }
    return fragment("notebook_model.html", parts)


def _told(classes: tuple[str, ...], unlabelled: bool) -> str:
    return counted(len(classes), "feature") if unlabelled else counted(len(classes), "class", "classes")


def data_uri(image: Image.Image, heavy: int = HEAVY) -> str:
    """A picture that lies inside a page: as PNG, or where that would have more bytes than `heavy` as JPEG."""
    data = io.BytesIO()
    image.save(data, "PNG", optimize=True)
    kind = "png"
    for quality in (85, 60, 35):
        if data.tell() <= heavy:
            break
        data, kind = io.BytesIO(), "jpeg"
        image.convert("RGB").save(data, "JPEG", quality=quality)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
