"""How often a model says "none of these", of real examples and of strangers: `python -m benchmarks.strangers`.

Nets are trained on X's and O's and on digits; with --data FOLDER also on the data sets of that folder that are named
after it. Each is asked about its own test examples, about noise, flat grey and about the examples of the others.
Beside it stands the usual rule that needs nothing kept: refuse what is less sure than all but 1 % of real examples
(Hendrycks and Gimpel 2017, "A baseline for detecting misclassified and out-of-distribution examples").
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import glassnet as gn
from glassnet.doors.model import Model

COUNT = 200


def main() -> None:
    """Trains the nets and prints a line for each and each sort of stranger."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["xo", "digits"], help="data sets; xo and digits are built in")
    parser.add_argument("--data", type=Path, help="the folder in which the others lie")
    options = parser.parse_args()
    found = {name: source(name, options.data) for name in options.names}
    with tempfile.TemporaryDirectory() as work:
        models = {name: trained(path, Path(work) / name) for name, path in found.items()}
        files = {name: pictures(name, path, Path(work)) for name, path in found.items()}
        for name, model in models.items():
            print(f"{name}: {model.card.net[:80]}", flush=True)
            own, sure = asked(model, files[name])
            limit = np.quantile(sure, 0.01)
            line("its own test examples", own, own, sure < limit)
            for title, x in made(model).items():
                said = model.predict(x)
                line(title, own, strangeness(said), np.array([one.score for one in said]) < limit)
            for other, paths in files.items():
                if other != name and models[other].card.kind == model.card.kind:
                    strange, score = asked(model, paths)
                    line(other, own, strange, score < limit)


def source(name: str, folder: Path | None) -> str:
    """What `glassnet train` is told."""
    return name if name in ("xo", "digits") else str((folder or Path()) / name)


def trained(data: str, out: Path) -> Model:
    """The model of one command."""
    model = gn.train(data)
    model.save(out)
    return gn.load(out)


def pictures(name: str, data: str, work: Path) -> list[Path]:
    """Test examples as files, up to COUNT; of built-in data they are written first."""
    folder = Path(data)
    if name in ("xo", "digits"):
        folder = work / f"{name}-files"
        write(gn.read(name), folder)
    every = [path for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".jpg", ".wav")]
    test = [path for path in every if "test" in path.relative_to(folder).parts] or every
    order = np.random.default_rng(0).permutation(len(test))[:COUNT]
    return [test[i] for i in order]


def write(dataset: gn.Dataset, folder: Path) -> None:
    """Some grey pictures of built-in data as PNGs."""
    folder.mkdir()
    for i in np.random.default_rng(0).permutation(len(dataset))[:COUNT]:
        Image.fromarray(np.asarray(dataset.samples.x[i, 0], np.uint8)).save(folder / f"{i}.png")


def asked(model: Model, paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Strangeness and score of files."""
    said = model.predict([str(path) for path in paths])
    return strangeness(said), np.array([one.score for one in said])


def made(model: Model) -> dict[str, np.ndarray]:
    """Examples that show nothing, as arrays of the model's shape."""
    random, shape = np.random.default_rng(0), (COUNT, *model.card.preparation.shape)
    top = model.card.full_scale
    kind = np.uint8 if top == 255 else np.float32
    even = random.uniform(0, top, shape)
    coarse = np.clip(random.normal(top / 2, top / 5, shape), 0, top)
    flat = np.broadcast_to(random.uniform(0, top, (COUNT, *(1,) * (len(shape) - 1))), shape)
    return {title: x.astype(kind) for title, x in {"even noise": even, "grey noise": coarse, "flat grey": flat}.items()}


def strangeness(said: list) -> np.ndarray:
    """Of predictions."""
    return np.array([one.strangeness for one in said])


def line(title: str, own: np.ndarray, strange: np.ndarray, unsure: np.ndarray) -> None:
    """Prints one sort of examples: refused, how well apart from the own ones (AUROC), and the usual rule."""
    apart = (strange[:, None] > own).mean() + (strange[:, None] == own).mean() / 2
    print(
        f"  {title:<24} none of these {np.mean(strange > 1) * 100:5.1f} %   AUROC {apart:.3f}   "
        f"by certainty {unsure.mean() * 100:5.1f} %",
        flush=True,
    )


if __name__ == "__main__":
    main()
