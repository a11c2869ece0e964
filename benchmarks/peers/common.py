"""What every peer's script shares: where the pictures are, the clock, and how it says what it reached.

A script is the tutorial of its library for small pictures, written as that library's users write it. It reads
DATA/train/CLASS/*.png and DATA/test/CLASS/*.png, trains epoch by epoch until TARGET is reached or EPOCHS are done, and
prints a line of JSON an epoch: seconds since the process began, accuracy on the test pictures, examples a second.
"""

import argparse
import json
import os
import random
import time
from pathlib import Path

import numpy as np

BEGUN = float(os.environ.get("BEGUN", time.time()))  # when the process was started, set by who starts it


def arguments() -> argparse.Namespace:
    """DATA, and when to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--target", type=float, default=2.0)
    parser.add_argument("--batch", type=int, default=0, help="0 for the tutorial's own")
    parser.add_argument("--net", default="tutorial", help="tutorial, or resnet18 where a script has it")
    parser.add_argument("--predict", action="store_true", help="after training, time one picture")
    return parser.parse_args()


def arrays(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """All pictures of class folders, shuffled as tutorials get them: (N, H, W[, 3]) uint8, and classes (N,)."""
    from PIL import Image

    classes = sorted(path.name for path in root.iterdir() if path.is_dir())
    files = [(file, k) for k, name in enumerate(classes) for file in sorted((root / name).iterdir())]
    random.Random(0).shuffle(files)
    return np.stack([np.asarray(Image.open(file)) for file, _ in files]), np.array([k for _, k in files])


def say(epoch: int, accuracy: float, examples: int, seconds: float) -> None:
    """One line. seconds: of this epoch's training alone."""
    line = {
        "epoch": epoch,
        "seconds": time.time() - BEGUN,
        "accuracy": accuracy,
        "examples_per_second": examples / seconds,
    }
    print(json.dumps(line), flush=True)


def latency(ask, times: int = 50) -> None:
    """Median milliseconds of one answer in a running process."""
    for _ in range(5):
        ask()
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append(time.perf_counter() - begun)
    print(json.dumps({"latency_ms": sorted(took)[len(took) // 2] * 1e3}), flush=True)
