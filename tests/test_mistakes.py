"""What a person gets wrong: one line that says what was expected, what came and what to do; exit 2; no torch loaded."""

import os
import subprocess
import sys

import pytest

LONG = "long" * 1000
MISTAKES = {
    "trian xo": "Did you mean 'train'",
    "train": "missing argument 'DATA'",
    "train nowhere": "nowhere: expected a folder, a table, an .npz file or built-in data (xo, digits), found nothing",
    "train empty": "empty: expected folders with files like",
    "train letter.txt": "letter.txt: expected a folder, a table",
    "train one": "one: expected",
    "train unreadable": "expected readable pictures, found none among 4 files",
    "train words.csv": "found the columns a, b",
    "train model": "model: expected data, found a model. Name the data, or ask this model: glassnet predict model",
    "train xo --epochs 0": "--epochs: expected a whole number from 1 to 100,000, found 0",
    "train xo --epochs many": "--epochs: expected a whole number, found 'many'",
    "train xo --minutes nan": "--minutes: expected a number, found nan",
    "train xo --minutes -1": "--minutes: expected a time over 0, found -1",
    "train xo --epoch 3": "no such option '--epoch'",
    "train xo --seed -1": "--seed: expected a whole number from 0",
    "train xo --precision fp8": "--precision: expected auto, float32 or bfloat16, found 'fp8'",
    "train xo --device tpu": "--device: expected auto, cpu, cuda or mps, found 'tpu'",
    "train xo --net conv": "layer 1 `conv`",
    "train xo --net vgg": "layer 1 `vgg`",
    "train xo --threads 0": "--threads: expected a whole number from 1 to 1,024, found 0",
    "train xo --weights nowhere.pth": "nowhere.pth: expected a file of weights, found nothing there",
    "train xo --weights a/b/c": "a/b/c: expected a file of weights, found nothing there. Check the path, or",
    "bench nowhere": "nowhere: expected a folder, a table, an .npz file or built-in data (xo, digits), found nothing",
    "train xo --config nowhere.toml": "nowhere.toml: can't be read",
    "train xo --config typo.toml": "typo.toml: epoch is no setting of glassnet. Did you mean epochs",
    "train xo --config wrong.toml": "wrong.toml, epochs: expected int, found 'ten'",
    "train xo --out model": "model: a model is there",
    "train xo --out one": "one: expected a new or empty folder",
    "train xo --out .": ".: expected a folder of its own, found the current folder",
    f"train {LONG}": "found nothing there",
    f"predict model {LONG}": "expected a file or a folder, found nothing there",
    f"train xo --out {LONG}": "File name too long",
    "train xo --out letter.txt/model": "found the file letter.txt",
    "train xo --resume": "expected an unfinished training, found none",
    "train xo --out nowhere --resume": "nowhere: expected an unfinished training, found none",
    "predict": "missing argument 'MODEL'",
    "predict nowhere x.png": "nowhere: expected a model folder, found nothing there",
    "predict one x.png": "one: expected a model folder, found a folder without config.json",
    "predict model nowhere.png": "nowhere.png: expected a file or a folder, found nothing there",
    "predict model letter.txt": "letter.txt is text, not a picture",
    "predict model letter.txt --top 0": "--top: expected a whole number from 1, found 0",
    "predict model -": "-: expected one of the pictures, or paths, a line each, found nothing",
    "evaluate model nowhere": "nowhere: expected",
    "evaluate model digits": "digits: expected examples of 1x9x9, as the model learnt from, found 1x8x8",
    "explain model nowhere": "nowhere: expected one file, found nothing there",
    "explain model one": "one: expected one file, found a folder",
    "explain model letter.txt": "letter.txt: is text, not a picture",
    "explain model model/examples/X.png --out why.pdf": "--out: expected a file that ends in .html, found why.pdf",
    "features": "missing argument 'MODEL'",
    "features nowhere": "nowhere: expected a model folder, found nothing there",
    "features model --data nowhere": "nowhere: expected a folder, a table, an .npz file or built-in data",
    "features model --data digits": "digits: expected examples of 1x9x9, as the model learnt from, found 1x8x8",
    "features model --data xo --out why.pdf": "--out: expected a file that ends in .html, found why.pdf",
    "show xo --out nowhere/sheet.png": "nowhere/sheet.png: the folder nowhere is missing",
    "show xo --out .": "--out: expected a file that ends in .png",
    "evaluate model xo --out one": "--out: expected a file that ends in .html",
    "show nowhere": "nowhere: expected",
    "make ox new": "no such command 'ox'",
    "make xo one": "one: expected a new or empty folder",
    "make xo new --count 1": "--count: expected",
    "make xo new --rotate round": "--rotate: expected a number, or LOW:HIGH, found round",
    "make xo new --size 2": "--size: expected",
    "serve --port 99999": "--port: expected a whole number from 0 to 65,535, found 99999",
    "serve nowhere": "nowhere: expected a model folder, found nothing there",
    "serve --host nowhere.invalid": "nowhere.invalid:8000: ",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, xo_model):
    """A folder where all these mistakes can be made."""
    root = tmp_path_factory.mktemp("mistakes")
    (root / "empty").mkdir()
    (root / "letter.txt").write_text("Dear reader,\n")
    for name in ("one/a", "unreadable/a", "unreadable/b"):
        (root / name).mkdir(parents=True)
        for i in range(2):
            (root / name / f"{i}.{'txt' if name == 'one/a' else 'png'}").write_text("no picture")
    (root / "words.csv").write_text("a,b\n1,2\n")
    (root / "typo.toml").write_text("epoch = 3\n")
    (root / "wrong.toml").write_text('epochs = "ten"\n')
    (root / "model").symlink_to(xo_model)
    return root


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_in_one_line_without_torch(mistake, place):
    before = sorted(path.name for path in place.iterdir())
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "glassnet", *mistake.split()],
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert (done.returncode, done.stdout) == (2, "")
    assert len(said) == 1, said
    assert MISTAKES[mistake] in said[0]
    assert said[0].endswith((".", "?", "--help", "picture", "read"))
    assert "glassnet.doors.cli" in loaded
    assert "torch" not in loaded
    assert sorted(path.name for path in place.iterdir()) == before, "a mistake leaves nothing behind"


def test_help_loads_neither_torch_nor_numpy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "glassnet", "--help"], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "glassnet.doors.cli" in loaded
    assert not loaded & {"torch", "numpy", "PIL", "sklearn"}


def test_importing_the_library_loads_no_torch_until_it_is_needed():
    code = (
        "import sys, glassnet as gn; assert 'torch' not in sys.modules; gn.filter_patch; print('numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
