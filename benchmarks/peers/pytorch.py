"""PyTorch's own MNIST example (github.com/pytorch/examples, mnist/main.py) on a folder of pictures."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from common import arguments, latency, say
from PIL import Image
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset


class Folder(Dataset):
    """A folder of pictures, decoded when asked for, as torchvision's ImageFolder does."""

    def __init__(self, root):
        classes = sorted(path.name for path in root.iterdir())
        self.files = [(file, k) for k, name in enumerate(classes) for file in sorted((root / name).iterdir())]

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        file, k = self.files[i]
        x = np.asarray(Image.open(file), np.float32) / 255
        x = x[None] if x.ndim == 2 else x.transpose(2, 0, 1)
        return torch.from_numpy((x - 0.1307) / 0.3081), k


class Net(nn.Module):
    """The example's net, for any size."""

    def __init__(self, channels, size, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * ((size - 4) // 2) ** 2, 128)
        self.fc2 = nn.Linear(128, classes)

    def forward(self, x):
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        x = torch.flatten(self.dropout1(F.max_pool2d(x, 2)), 1)
        x = self.fc2(self.dropout2(F.relu(self.fc1(x))))
        return F.log_softmax(x, dim=1)


class Block(nn.Module):
    """A residual block, as in kuangliu/pytorch-cifar."""

    def __init__(self, before, features, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, features, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != features:
            self.shortcut = nn.Sequential(nn.Conv2d(before, features, 1, stride, bias=False), nn.BatchNorm2d(features))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def resnet18(channels, classes):
    """ResNet-18 for 32 x 32, as in kuangliu/pytorch-cifar."""
    layers = [nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    before = 64
    for features, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(before, features, stride), Block(features, features, 1)]
        before = features
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes), nn.LogSoftmax(1))


def main():
    chosen = arguments()
    torch.manual_seed(1)
    train, test = Folder(chosen.data / "train"), Folder(chosen.data / "test")
    batch = chosen.batch or (64 if chosen.net == "tutorial" else 128)
    loader = DataLoader(train, batch_size=batch, shuffle=True, num_workers=1)
    judge = DataLoader(test, batch_size=1000, num_workers=1)
    channels, size = train[0][0].shape[0], train[0][0].shape[1]
    classes = 1 + max(k for _, k in train.files)
    if chosen.net == "tutorial":
        net = Net(channels, size, classes)
        optimizer = optim.Adadelta(net.parameters(), lr=1.0)
        scheduler = optim.lr_scheduler.StepLR(optimizer, 1, 0.7)
    else:
        net = resnet18(channels, classes)
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
    for epoch in range(1, chosen.epochs + 1):
        net.train()
        begun, seen = time.time(), 0
        for x, y in loader:
            optimizer.zero_grad()
            F.nll_loss(net(x), y).backward()
            optimizer.step()
            seen += len(y)
            if chosen.net != "tutorial" and time.time() - begun > 60:  # a rate is all that is asked of it
                break
        scheduler.step()
        seconds = time.time() - begun
        net.eval()
        right = 0
        with torch.no_grad():
            for x, y in judge:
                right += int((net(x).argmax(1) == y).sum())
                if chosen.net != "tutorial":
                    break
        say(epoch, right / len(test), seen, seconds)
        if right / len(test) >= chosen.target:
            break
    if chosen.predict:
        one = test[0][0][None]
        with torch.no_grad():
            latency(lambda: net(one))


if __name__ == "__main__":
    main()
