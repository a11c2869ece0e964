"""Small models of every kind for the lab's tests, trained in seconds, and files to ask them about."""

import csv
import io
import wave

import numpy as np
from PIL import Image

import glassnet as gn
from glassnet.data.digits import read_steps
from glassnet.steps import finish

KINDS = ("digits", "tones", "waves", "balls", "reviews", "flowers")


def make(folder, *kinds):
    """Trains models/KIND in a folder, and leaves what they learnt from in data/KIND."""
    for kind in kinds:
        data, settings = MAKERS[kind](folder / "data" / kind)
        gn.train(data, out=folder / "models" / kind, **settings)


def png(values):
    """A grey picture's file. values: (H, W) bytes."""
    return _bytes(lambda file: Image.fromarray(np.asarray(values, np.uint8)).save(file, "PNG"))


def npy(values):
    """An array's file."""
    return _bytes(lambda file: np.save(file, values))


def tone(hertz, lasts_s=0.5, rate=8000):
    """A WAV of one tone."""
    samples = np.sin(2 * np.pi * hertz * np.arange(int(lasts_s * rate)) / rate)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((samples * 20000).astype("<i2").tobytes())
    return file.getvalue()


def digit(which):
    """A handwritten digit's file, of scikit-learn's."""
    return png(finish(read_steps()).samples.x[which][0])


def wiggle(speed, phase):
    """A series' CSV."""
    return "up\n" + "\n".join(f"{np.sin(phase + speed * t / 4):.3f}" for t in range(40))


def ball(radius, seed=0):
    """A volume's file: a ball of ones in some noise."""
    z, y, x = np.mgrid[:12, :12, :12] - 5.5
    noise = np.random.default_rng(seed).normal(0, 0.05, x.shape)
    return npy(((x**2 + y**2 + z**2 < radius**2) + noise).astype(np.float32))


def _bytes(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _folders(root, files):
    for label, several in files.items():
        (root / label).mkdir(parents=True)
        for name, data in several.items():
            (root / label / name).write_bytes(data)
    return str(root)


def _digits(_root):
    return "digits", {"epochs": 4, "net": "conv 16 3, relu, pool 2, fc"}


def _tones(root):
    low = {f"{i}.wav": tone(300 + 5 * i) for i in range(20)}
    high = {f"{i}.wav": tone(2000 + 20 * i) for i in range(20)}
    return _folders(root, {"high": high, "low": low}), {
        "epochs": 20,
        "net": "conv 8 3, relu, pool 2, conv 8 3, relu, mean, fc",
    }


def _waves(root):
    files = {
        name: {f"{i}.csv": wiggle(speed, i).encode() for i in range(20)} for name, speed in (("fast", 3), ("slow", 1))
    }
    return _folders(root, files), {"epochs": 80, "net": "conv 8 5, relu, mean, fc"}


def _balls(root):
    files = {name: {f"{i}.npy": ball(radius, i) for i in range(20)} for name, radius in (("large", 5), ("small", 2))}
    return _folders(root, files), {"epochs": 30, "net": "conv 4 3, relu, pool 2, mean, fc"}


def _reviews(root):
    root.mkdir(parents=True)
    words = {"pos": ["a fine and moving film", "it is good fun"], "neg": ["a dull and boring film", "it is bad luck"]}
    with (root / "reviews.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        table.writerows([f"{words[label][i % 2]} {i}", label] for i in range(60) for label in words)
    return str(root / "reviews.csv"), {"epochs": 10}


def _flowers(root):
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    with (root / "flowers.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["length", "width", "label"])
        table.writerows(
            [round(random.normal(2 + 3 * k), 2), round(random.normal(1 + k, 0.3), 2), "ab"[k]] for k in (0, 1) * 60
        )
    return str(root / "flowers.csv"), {"epochs": 20, "net": "fc 8, relu, fc"}


MAKERS = {
    "digits": _digits,
    "tones": _tones,
    "waves": _waves,
    "balls": _balls,
    "reviews": _reviews,
    "flowers": _flowers,
}
