"""skorch's MNIST notebook (github.com/skorch-dev/skorch, notebooks/MNIST.ipynb), its convolutional net, on a folder."""

import time

import numpy as np
import torch
from common import arguments, arrays, latency, say
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F


class Cnn(nn.Module):
    """The notebook's net."""

    def __init__(self, channels=1, size=28, classes=10, dropout=0.5):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, kernel_size=3)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3)
        self.conv2_drop = nn.Dropout2d(p=dropout)
        inner = ((size - 2) // 2 - 2) // 2
        self.fc1 = nn.Linear(64 * inner * inner, 100)
        self.fc2 = nn.Linear(100, classes)
        self.fc1_drop = nn.Dropout(p=dropout)

    def forward(self, x):
        x = torch.relu(F.max_pool2d(self.conv1(x), 2))
        x = torch.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, x.size(1) * x.size(2) * x.size(3))
        x = torch.relu(self.fc1_drop(self.fc1(x)))
        return torch.softmax(self.fc2(x), dim=-1)


def main():
    chosen = arguments()
    torch.manual_seed(0)
    x, y = arrays(chosen.data / "train")
    judged, right = arrays(chosen.data / "test")
    x, judged = (
        np.ascontiguousarray(one.reshape(*one.shape[:3], -1).transpose(0, 3, 1, 2)).astype("float32") / 255
        for one in (x, judged)
    )
    net = NeuralNetClassifier(
        Cnn,
        module__channels=x.shape[1],
        module__size=x.shape[2],
        module__classes=int(y.max()) + 1,
        max_epochs=1,
        lr=0.002,
        optimizer=torch.optim.Adam,
        batch_size=chosen.batch or 128,
        train_split=None,
        verbose=0,
    ).initialize()
    for epoch in range(1, chosen.epochs + 1):
        begun = time.time()
        net.partial_fit(x, y.astype("int64"))
        seconds = time.time() - begun
        accuracy = float((net.predict(judged) == right).mean())
        say(epoch, accuracy, len(x), seconds)
        if accuracy >= chosen.target:
            break
    if chosen.predict:
        latency(lambda: net.predict(judged[:1]))


if __name__ == "__main__":
    main()
