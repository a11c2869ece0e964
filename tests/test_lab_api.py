"""What docs/api.md and the page /api say of the HTTP API is so: every line works, and answers as it is written."""

import json
import re
import shlex
from pathlib import Path

import lab_models as models
import pytest
from lab import running

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "api.md").read_text()
HERE = "http://127.0.0.1:8000"
PARTS = re.findall(r"```sh\n(.+?)```(?:\n```json\n(.+?)```)?", DOCS, re.DOTALL)
FILES = {"3.png": models.digit(3), "torn.png": models.digit(4)[:50], "low.wav": models.tone(330)}


@pytest.fixture(scope="module")
def lab(every_kind):
    with running(every_kind, every_kind / "models" / "digits") as one:
        yield one


def send(lab, line):
    """(status, text) of a curl line, sent as curl would. It may name FILES alone."""
    _, *words = shlex.split(line)
    headers, body, parts, path = {}, None, [], ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, value = words.pop(0).split(": ", 1)
            headers[name] = value
        elif word == "-d":
            body = words.pop(0).encode()
        elif word == "--data-binary":
            body = FILES[words.pop(0).removeprefix("@")]
        elif word == "-F":
            parts.append(words.pop(0).removeprefix("file=@"))
        elif word == "-o":
            words.pop(0)
        else:
            path = word.removeprefix(HERE).removeprefix(lab.address)
    if parts:
        headers["content-type"] = "multipart/form-data; boundary=Xx7"
        head = '--Xx7\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\n'
        body = b"".join(head.format(name).encode() + FILES[name] + b"\r\n" for name in parts) + b"--Xx7--\r\n"
    assert path.startswith("/api/"), line
    status, _, text = lab.raw("POST" if body is not None else "GET", path, body, headers)
    return status, text


@pytest.mark.parametrize(("lines", "written"), PARTS, ids=[re.findall(r"/api/[^'?]+", part[0])[-1] for part in PARTS])
def test_every_line_of_the_page_works_and_answers_with_the_keys_that_are_written(lab, lines, written):
    for line in lines.strip().splitlines():
        status, text = send(lab, line)
        assert status == 200, text
    if written:
        assert set(json.loads(written)) <= set(json.loads(text))


def test_every_endpoint_that_it_names_exists_and_ask_s_are_all_named(lab):
    named = {f"{method} {path}" for method, path in re.findall(r"(GET|POST) (/api/[\w/.]+)", DOCS)}
    paths = lab.get("/api/openapi.json")[1]["paths"]
    real = {
        f"{method.upper()} {path.replace('{name}', 'NAME').replace('{letter}', 'LETTER')}"
        for path, methods in paths.items()
        for method in methods
    }
    assert named <= real
    asked = {name for name in real if re.search(r"/(predict|explain|heard)$", name)}
    assert len(asked) == 3 and asked <= named


def test_the_page_is_answered_under_its_own_name(lab):
    status, headers, text = lab.raw("GET", "/api")
    assert status == 200 and headers["content-type"].startswith("text/html") and "shell.js" in text
