"""Regions of a picture as a detector sees them, in float32: their features, and what was cut out. Knows no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from glassnet.data.boxes.geometry import Boxes
from glassnet.data.boxes.store import Sized
from glassnet.data.dataset import Normalisation
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.nets.rcnn.warping import warp
from glassnet.training.detection.feeding import look

TOGETHER = 256  # regions at a time


@dataclass(frozen=True)
class Looked:
    """R regions. features: (R, F) what votes are cast by. crops: (R, 3, S, S) uint8 in the picture's colours."""

    features: NDArray[np.float32]
    crops: NDArray[np.uint8]


def look_at(net: RegionNet, one: Sized, boxes: Boxes, normalisation: Normalisation, side: int) -> Looked:
    """Looks as the net does at regions (R, 4), one at least, in the pixels of its file. side: S of the crops."""
    device = next(net.parameters()).device
    picture = look(one.x, normalisation).to(device)
    regions = torch.from_numpy(boxes * np.tile(one.scale, 2)).float().to(device)
    features, crops = [], []
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        for some in torch.split(regions, TOGETHER):
            features.append(net.regions(picture, some).features.float().cpu())
            crops.append(_shown(_cut(net, picture, some, side), normalisation, side))
    return Looked(torch.cat(features).numpy(), np.concatenate(crops))


def _cut(net: RegionNet, picture: Tensor, regions: Tensor, side: int) -> Tensor:
    """(R, 3, s, s) what the net gets: its own crops, or the region whose features RoIAlign takes."""
    if isinstance(net, Cropped):
        return net.cut(picture, regions)
    whose = torch.zeros(len(regions), dtype=torch.int64, device=regions.device)
    return warp(picture[None], regions, whose, side, 0.0)


def _shown(crops: Tensor, normalisation: Normalisation, side: int) -> NDArray[np.uint8]:
    """(R, 3, S, S) crops in a picture's colours again."""
    mean, std = (crops.new_tensor(one)[:, None, None] for one in (normalisation.mean, normalisation.std))
    values = ((crops * std + mean) * 255).round().clamp(0, 255).byte().cpu().numpy()
    if values.shape[2] == side:
        return np.ascontiguousarray(values)
    how = Image.Resampling.BOX if values.shape[2] > side else Image.Resampling.NEAREST
    sized = [np.asarray(Image.fromarray(one.transpose(1, 2, 0)).resize((side, side), how)) for one in values]
    return np.stack(sized).transpose(0, 3, 1, 2)
