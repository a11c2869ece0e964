"""A detector as text: the layers that see a whole picture, `roi CELLS`, and the layers that judge each region.

conv 32 3/2, relu, conv 64 3/2, relu, roi 7, fc 256, relu, fc
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from glassnet.errors import GlassnetError
from glassnet.nets import text
from glassnet.nets.text import Row, Spec

FAST = (  # what is trained on boxes unless told
    "conv 32 3/2, batchnorm, relu, conv 64 3/2, batchnorm, relu, conv 64 3, batchnorm, relu, conv 128 3/2, batchnorm, "
    "relu, conv 128 3, batchnorm, relu, conv 128 3, batchnorm, relu, roi 7, "
    "conv 128 3, batchnorm, relu, fc 256, relu, fc"
)
CROPPED = (  # the same of regions that are cut out one by one
    "conv 32 3/2, batchnorm, relu, conv 64 3, batchnorm, relu, pool 2, conv 128 3, batchnorm, relu, pool 2, "
    "conv 128 3, batchnorm, relu, pool 2, fc 256, relu, fc"
)
ROI = re.compile(r"(?:^|,)\s*roi\s+(\d{1,9})\s*(?=,|$)", re.IGNORECASE)
CELLS = 14  # the most along an axis


@dataclass(frozen=True)
class RegionSpec:
    """trunk: layers over a whole picture. cells: of a region's grid, along each axis. head: layers over that grid."""

    trunk: Spec
    cells: int
    head: Spec

    def __str__(self) -> str:
        return ", ".join((str(self.trunk), f"roi {self.cells}", str(self.head)))


def parse_regions(net: str) -> RegionSpec:
    """Reads a detector. Raises GlassnetError naming what is wrong and the nearest text that is right."""
    found = list(ROI.finditer(net))
    fix = "Write `roi 7` once, between layers over the picture and layers over each region"
    if len(found) != 1:
        words = f"{len(found)} of them" if found else "none"
        raise GlassnetError("the net", expected="one `roi CELLS`, where regions are cut out", found=words, fix=fix)
    cells, trunk = int(found[0][1]), net[: found[0].start()].strip()
    if not 1 <= cells <= CELLS:
        raise GlassnetError(
            "the net", expected=f"`roi 1` to `roi {CELLS}`", found=f"`roi {cells}`", fix="Write `roi 7`"
        )
    if not trunk:
        raise GlassnetError("the net", expected="layers before `roi`", found="none", fix=fix)
    return RegionSpec(text.parse_open(trunk), cells, text.parse(net[found[0].end() :].strip().lstrip(",").strip()))


def measure_regions(spec: RegionSpec, shape: tuple[int, ...], classes: int) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """The layer sheets of the trunk, for a picture (C, H, W), and of the head, for one region's grid.

    classes: K, of which the background is one more. Raises GlassnetError where a layer can't take its input.
    """
    trunk = text.measure(spec.trunk, shape, 1)
    if not trunk[-1].flow.is_grid:
        found = f"`{spec.trunk.layers[-1]}` before `roi`"
        raise GlassnetError(
            "the net", expected="maps where regions are cut out", found=found, fix="Put it behind `roi`"
        )
    grid = (trunk[-1].flow.shape[0], spec.cells, spec.cells)
    return trunk, text.measure(spec.head, grid, classes + 1)
