"""The data that a page asks to learn from: built in, made with knobs, or a path a person typed. Needs no torch."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field

from glassnet.config import Reading
from glassnet.data import xo
from glassnet.data.kinds import Source
from glassnet.doors.inputs import find_data
from glassnet.errors import GlassnetError

MOST_EXAMPLES = 200_000
EXAMPLES = 4000

Range = Annotated[list[float], Field(min_length=2, max_length=2, description="lowest and highest")]


class XoKnobs(BaseModel):
    """The trickier cases of the X's and O's; what is left out is the usual, in proportion to the size."""

    size: int = Field(9, ge=5, le=128, description="pixels a side")
    count: int = Field(EXAMPLES, ge=10, le=MOST_EXAMPLES)
    translate: Range | None = Field(None, description="pixels")
    scale: Range | None = None
    rotate: Range | None = Field(None, description="degrees")
    weight: Range | None = Field(None, description="pixels")

    def knobs(self) -> xo.Knobs:
        """As they are drawn with. Raises GlassnetError for ranges that can't be."""
        usual = xo.trickier(self.size)
        chosen = {
            name: (float(given[0]), float(given[1])) if given else getattr(usual, name)
            for name in ("translate", "scale", "rotate", "weight")
            for given in [getattr(self, name)]
        }
        return xo.Knobs(self.size, **chosen)

    @property
    def is_usual(self) -> bool:
        """Whether the command line's xo is the same data."""
        return self.knobs() == xo.trickier() and self.count == EXAMPLES


class AskedData(BaseModel):
    """What to learn from."""

    data: str = Field(min_length=1, max_length=4096, description="xo, digits, or a path on this machine")
    size: int | None = Field(None, ge=4, le=1024, description="longer side of the pictures as the net sees them")
    kind: str | None = Field(None, max_length=40, description="kind of data, if it is taken for the wrong one")
    xo: XoKnobs | None = Field(None, description="knobs of the X's and O's")

    def reading(self) -> Reading:
        """As the command line has it."""
        return Reading(kind=self.kind, size=self.size)

    def source(self) -> Source:
        """The data, found but not read. Raises GlassnetError where nothing can be learnt from it."""
        if self.data != "xo" or self.xo is None:
            return find_data(self.path, self.reading())
        knobs = self.xo.knobs()
        return Source(
            "xo", "pictures", xo.CLASSES, (1, knobs.size, knobs.size), partial(xo.read_steps, knobs, self.xo.count)
        )

    @property
    def path(self) -> str:
        """What was typed, without the quotes that come with a copied path. Raises GlassnetError for no path at all."""
        typed = self.data.strip().strip("'\"").removeprefix("file://")
        if not typed or "\0" in typed:
            raise GlassnetError("data", expected="a folder, a table or an .npz", found="nothing", fix="Type its path")
        return typed

    @property
    def named(self) -> str:
        """What the command line would call the same data; empty where it has no name for it."""
        return "" if self.data == "xo" and self.xo is not None and not self.xo.is_usual else self.path
