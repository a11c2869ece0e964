"""The README tells the truth: every file has its line, every command and test in it exists."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_every_module_has_its_line_in_the_tree():
    tree = README[README.index("glassnet/\n") :]
    named = set(re.findall(r"[\w/]+\.py|\w+/", tree[: tree.index("```")]))
    for path in (ROOT / "glassnet").rglob("*.py"):
        inside = path.relative_to(ROOT / "glassnet")
        if path.name not in ("__init__.py", "__main__.py"):
            assert path.name in named or inside.parent.name + "/" in named - {"doors/", "data/"}, inside
    there = {
        path.name
        for top in ("glassnet", "tests", "benchmarks", "docs")
        for path in [ROOT / top, *(ROOT / top).rglob("*")]
    }
    for name in named:
        assert name.rstrip("/").rpartition("/")[2] in there, f"{name} is gone"


def test_every_command_in_it_is_understood(glassnet):
    typed = re.findall(r"^ +(glassnet .+)$", README, re.MULTILINE)
    commands = {tuple(shlex.split(line, comments=True)[:2]) for line in typed}
    assert len(commands) >= 6
    for _, command in commands:
        assert glassnet(command, "--help").code == 0, command


@pytest.mark.slow
def test_its_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    x, y = load_digits(return_X_y=True)
    names = {"picture": np.eye(9), "feature": np.eye(3), "X": x[:200], "y": y[:200]}
    exec(code, names)
    assert names["model"].metrics["test"]["accuracy"] >= 0.985
    assert (tmp_path / "why.html").exists()
    logit, total = re.findall(r"\[.+?\]", capsys.readouterr().out, re.DOTALL)
    assert np.fromstring(logit[1:-1], sep=" ") == pytest.approx(np.fromstring(total[1:-1], sep=" "))


def test_every_test_it_points_to_exists():
    for words in re.findall(r"`pytest ([^`]+)`", README):
        for name in re.findall(r"tests/\w+\.py", words):
            assert (ROOT / name).is_file(), name
    for link in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / link).exists(), link
