"""What a page asks with: an example, and weights that were set by hand for this answer alone."""

from __future__ import annotations

from pydantic import BaseModel, Field

from glassnet.doors.lab.nets import Change

# the X of the slides, 9x9
AN_X = "AAAAAAAAAAAAAP8AAAAAAP8AAAD/AAAA/wAAAAAA/wD/AAAAAAAAAP8AAAAAAAAA/wD/AAAAAAD/AAAA/wAAAP8AAAAAAP8AAAAAAAAAAAAA"


class Changed(BaseModel):
    """One weight set by hand."""

    key: str = Field(description="its tensor, as in model.safetensors", examples=["conv1.weight"])
    at: list[int] = Field(max_length=6, description="its place there, counted from 0")
    value: float = Field(allow_inf_nan=False)


class Asked(BaseModel):
    """A picture for a net."""

    x: str = Field(
        description="base64 of its values, (C, *S): bytes, or float32 where the net takes floats", examples=[AN_X]
    )
    changes: list[Changed] = Field(default=[], max_length=64, description="weights to set first, for this answer alone")

    def hands(self) -> tuple[Change, ...]:
        """The changes, as the nets take them."""
        return tuple(Change(one.key, tuple(one.at), one.value) for one in self.changes)
