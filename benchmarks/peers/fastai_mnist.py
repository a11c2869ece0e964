"""The net of fastbook's chapter 13 (github.com/fastai/fastbook, 13_convolutions), by one cycle, on a folder.

fastai imports torchvision, whose package can't load its own operations beside a CPU build of torch: they are declared
first. None of them is used.
"""

import time

import torch
from common import arguments, latency, say

declared = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from fastai.vision.all import (  # noqa: E402
    Callback,
    CancelFitException,
    CategoryBlock,
    CrossEntropyLossFlat,
    DataBlock,
    Flatten,
    GrandparentSplitter,
    ImageBlock,
    Learner,
    PILImage,
    PILImageBW,
    accuracy,
    get_image_files,
    nn,
    parent_label,
    set_seed,
)  # fmt: skip


def conv(before, features, size=3, act=True):
    """The chapter's layer."""
    layers = [nn.Conv2d(before, features, stride=2, kernel_size=size, padding=size // 2)]
    if act:
        layers.append(nn.ReLU())
    layers.append(nn.BatchNorm2d(features))
    return nn.Sequential(*layers)


class Until(Callback):
    """Says each epoch, and stops at the target."""

    order = 90  # after the recorder

    def __init__(self, target):
        self.target = target

    def before_train(self):
        self.begun = time.time()

    def after_train(self):
        self.took = time.time() - self.begun

    def after_epoch(self):
        right = float(self.recorder.values[-1][-1])
        say(self.epoch + 1, right, self.dls.train.n, self.took)
        if right >= self.target:
            raise CancelFitException


def main():
    chosen = arguments()
    set_seed(1)
    grey = not chosen.data.name.startswith("cifar")
    block = DataBlock(
        blocks=(ImageBlock(PILImageBW if grey else PILImage), CategoryBlock),
        get_items=get_image_files,
        splitter=GrandparentSplitter("train", "test"),
        get_y=parent_label,
    )
    dls = block.dataloaders(chosen.data, bs=chosen.batch or 512, num_workers=2)
    channels, classes = (1 if grey else 3), len(dls.vocab)
    net = nn.Sequential(
        conv(channels, 8, size=5), conv(8, 16), conv(16, 32), conv(32, 64), conv(64, classes, act=False), Flatten()
    )
    net[4] = nn.Sequential(nn.Conv2d(64, classes, stride=2, kernel_size=3, padding=1))
    learner = Learner(dls, net, loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=[Until(chosen.target)])
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(chosen.epochs, 0.06)
    if chosen.predict:
        file = get_image_files(chosen.data / "test")[0]
        learner.remove_cb(Until)
        with learner.no_bar():
            latency(lambda: learner.predict(file), 20)


if __name__ == "__main__":
    main()
