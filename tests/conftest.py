"""What many tests need: a cache of their own, a small trained model, folders of pictures, the command line."""

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from browsing import Visits, chromium
from PIL import Image

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before any test imports onnxruntime, which else writes into the home folder
os.environ["OMP_NUM_THREADS"] = "1"  # before torch: tests run side by side, and threads that wait use up cores
signal.signal(signal.SIGINT, signal.default_int_handler)  # begun with & it is ignored, also by what tests interrupt
ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("GLASSNET_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Nothing that a test makes stays in the checkout."""
    os.environ["GLASSNET_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _one_core():
    """Trainings here run beside others: how many cores are free changes by the moment, and with it the last digits."""
    from glassnet.doors import choosing
    from glassnet.doors.detection import plan as of_detectors

    with pytest.MonkeyPatch.context() as patch:
        for module in (choosing, of_detectors):
            patch.setattr(module, "choose_threads", lambda *_: (1, ""))
        yield


@pytest.fixture(scope="session")
def xo_model(tmp_path_factory):
    """A model folder of a net trained on X's and O's."""
    import glassnet as gn

    folder = tmp_path_factory.mktemp("models") / "xo"
    gn.train("xo", epochs=12, out=folder)
    return folder


@pytest.fixture(scope="session")
def every_kind(tmp_path_factory):
    """A folder with a small model of every kind of data, models/KIND."""
    import lab_models

    root = tmp_path_factory.mktemp("kinds")
    lab_models.make(root, *lab_models.KINDS)
    return root


@pytest.fixture(scope="session")
def browser():
    """Debian's chromium, one for all tests of a process."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser, lab):
    """Opens views of the module's lab. They may not complain, nor ask anybody else."""
    visits = Visits(browser, lab)
    yield visits
    visits.end()


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    """A folder of 2 x 60 pictures: stripes across or down, of mixed sizes, with noise."""
    root = tmp_path_factory.mktemp("pets") / "pets"
    make_pets(root, 60)
    return root


def make_pets(root, each, seed=0):
    random = np.random.default_rng(seed)
    for label in ("across", "down"):
        (root / label).mkdir(parents=True)
        for i in range(each):
            height, width = random.integers(20, 30, 2)
            wave = np.sin(np.arange(height)[:, None] * 1.3 + random.uniform(0, 6)) * np.ones(width)
            if label == "down":
                wave = np.sin(np.arange(width)[None] * 1.3 + random.uniform(0, 6)) * np.ones((height, 1))
            noisy = wave[..., None] * 80 + 128 + random.normal(0, 12, (height, width, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(root / label / f"{i:03}.png")
    return root


@dataclass
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


def command(words, folder, stdin=b""):
    """Runs a command line in this process: one of its own would spend two seconds on loading torch."""
    from glassnet.doors.cli import run

    out, err, given = (io.TextIOWrapper(io.BytesIO(data), "utf-8", write_through=True) for data in (b"", b"", stdin))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "stdin", given)
        try:
            code = run([str(word) for word in words])
        finally:
            signal.signal(signal.SIGTERM, before)
    return Answer(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())


@pytest.fixture
def glassnet(tmp_path):
    """Runs the command line in a folder of its own."""
    return lambda *words, stdin=b"", cwd=tmp_path: command(words, cwd, stdin)


@pytest.fixture
def apart(tmp_path):
    """The same in a process of its own, as a person would: for what a process is told or looks up when it starts."""

    def run(*words, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "glassnet", *map(str, words)],
            capture_output=True,
            timeout=120,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def data_set(name):
    """A data set that is no part of the project; the test is skipped where it isn't there."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs the data set {name} in {DATA}; GLASSNET_TEST_DATA names another place")
    return path


@pytest.fixture
def real_data():
    """Where a data set lies, by name."""
    return data_set
