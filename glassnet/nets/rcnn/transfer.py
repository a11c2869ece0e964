"""Weights to begin a detector with, the votes anew: of a classifier, whose first layers become the trunk and the rest
the head, or of another detector.
"""

from __future__ import annotations

from glassnet.errors import GlassnetError
from glassnet.nets import text
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.text import ROI, RegionSpec, parse_regions
from glassnet.nets.spec import Fc, Max, Mean
from glassnet.nets.text import Spec
from glassnet.nets.weights import Weights, for_channels
from glassnet.words import by

STRIDE = 8  # pixels a cell of the trunk's map, at most: small objects need fine maps
CELLS = 7
SIDE = 224


def regions_text(net: str) -> str:
    """A classifier's text as a detector's: cut where the map would get coarser than STRIDE. A detector's stays itself.

    Raises GlassnetError.
    """
    return str(parse_regions(net) if ROI.search(net) else _cut(text.parse(net)))


def lay_in_trunk(given: Weights, net: Detector) -> None:
    """Gives a detector the weights of the net whose text it has. Raises GlassnetError where they don't fit."""
    whole = Spec(net.spec.trunk.layers + net.spec.head.layers)
    mine = [f"trunk.{name}" for name in text.names(net.spec.trunk)]
    mine += [f"head.{name}" for name in text.names(net.spec.head)]
    place = dict(zip(text.names(whole), mine, strict=True))
    anew = f"{mine[-1]}.", "corrections."
    state, laid = net.state_dict(), {}
    first = next(iter(state))
    wanted = {key for key in state if key.endswith(".weight") and not key.startswith(anew)}
    for key, tensor in given.tensors.items():
        layer, _, rest = key.partition(".")
        at = f"{place[layer]}.{rest}" if layer in place else key
        if at.startswith(anew):
            continue
        own = state.get(at)
        if own is not None and at == first:
            tensor = for_channels(tensor, own.shape[1])
        if own is None or own.shape != tensor.shape:
            found = by(tensor.shape) or "one number"
            expected = "nothing" if own is None else by(own.shape)
            raise GlassnetError(f"{given.name}, {key}", expected=expected, found=found, fix="Leave out --net")
        laid[at] = tensor
    missing = wanted - laid.keys()
    if missing:
        raise GlassnetError(given.name, expected=f"weights for {min(missing)}", found="none", fix="Leave out --net")
    net.load_state_dict(laid, strict=False)


def _cut(spec: Spec) -> RegionSpec:
    rows = text.measure(spec, (3, SIDE, SIDE), 1)
    last = 0
    for i, row in enumerate(rows[1:]):
        is_end = isinstance(row.layer, (Fc, Mean, Max)) or not row.flow.is_grid
        if is_end or row.flow.field[0].stride > STRIDE:
            break
        last = i + 1
    if not last:
        raise GlassnetError(
            "the net", expected="layers that look at a picture", found=str(spec.layers[0]), fix="Name another"
        )
    return RegionSpec(Spec(spec.layers[:last]), CELLS, Spec(spec.layers[last:]))
