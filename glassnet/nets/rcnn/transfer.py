"""A classifier's weights in a detector: its first layers become the trunk, the rest the head, the votes begin anew."""

from __future__ import annotations

from glassnet.errors import GlassnetError
from glassnet.nets import text
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.text import RegionSpec
from glassnet.nets.spec import Fc, Max, Mean
from glassnet.nets.text import Spec
from glassnet.nets.weights import Weights
from glassnet.words import by

STRIDE = 8  # pixels a cell of the trunk's map, at most: small objects need fine maps
CELLS = 7
SIDE = 224


def regions_text(net: str) -> str:
    """A classifier's text as a detector's: cut where the map would get coarser than STRIDE. Raises GlassnetError."""
    return str(_cut(text.parse(net)))


def lay_in_trunk(given: Weights, net: Detector) -> None:
    """Gives a detector the weights of the classifier whose text it has. Raises GlassnetError where they don't fit."""
    whole = Spec(net.spec.trunk.layers + net.spec.head.layers)
    mine = [f"trunk.{name}" for name in text.names(net.spec.trunk)]
    mine += [f"head.{name}" for name in text.names(net.spec.head)]
    place = dict(zip(text.names(whole), mine, strict=True))
    votes = text.names(whole)[-1]
    state, laid = net.state_dict(), {}
    wanted = {
        key for key in state if key.endswith(".weight") and not key.startswith((f"{place[votes]}.", "corrections."))
    }
    for key, tensor in given.tensors.items():
        layer, _, rest = key.partition(".")
        if layer == votes:
            continue
        at = f"{place.get(layer, layer)}.{rest}"
        own = state.get(at)
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
