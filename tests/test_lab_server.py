"""The lab's server: what it refuses, what it never tells, and that its answers are the net's own."""

import base64
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from lab import running

from glassnet.data.xo import Knobs, draw
from glassnet.doors.lab import board, compute, limits, passes
from glassnet.doors.lab.address import open_socket
from glassnet.doors.lab.compute import Compute
from glassnet.doors.lab.nets import Change, Nets
from glassnet.doors.lab.slides import slides_model
from glassnet.errors import GlassnetError

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
X = base64.b64encode(passes.as_bytes(draw("X")).tobytes()).decode()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running(tmp_path_factory.mktemp("lab")) as one:
        yield one


def unpacked(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def cut(values):
    return np.trunc((values + np.sign(values) * 1e-6) * 100) / 100


def test_the_slides_net_gives_the_figures_of_the_slides(lab):
    status, answer = lab.post("/api/nets/slides/pass", {"x": X})
    assert status == 200
    steps = {one["name"]: one for one in answer["steps"]}
    for i, feature in enumerate(("backslash", "cross", "slash")):
        filtered = unpacked(steps["conv1"]["values"]).reshape(3, 7, 7)[i]
        pooled = unpacked(steps["pool1"]["values"]).reshape(3, 4, 4)[i]
        np.testing.assert_allclose(cut(filtered), GOLDEN["filtered"][feature], atol=1e-6)
        np.testing.assert_allclose(cut(pooled), np.maximum(GOLDEN["pooled"][feature], 0), atol=1e-6)
    assert answer["classes"][answer["answer"]] == "X"


def test_votes_and_bias_add_up_to_the_logits_it_sends(lab):
    _, answer = lab.post("/api/nets/slides/pass", {"x": X})
    cast = answer["votes"]
    for k, logit in enumerate(answer["logit"]):
        assert unpacked(cast["contribution"][k]).sum() + cast["bias"][k] == pytest.approx(logit, abs=1e-5)


def test_a_flipped_pixel_changes_this_answer_and_no_other(lab):
    before = lab.post("/api/nets/slides/pass", {"x": X})[1]["logit"]
    flip = {"key": "conv1.weight", "at": [0, 0, 1, 1], "value": -1 / 9}
    flipped = lab.post("/api/nets/slides/pass", {"x": X, "changes": [flip]})[1]
    first = unpacked(next(one for one in flipped["steps"] if one["name"] == "conv1")["values"]).reshape(3, 7, 7)[0]
    assert first[4, 4] == pytest.approx(7 / 9, abs=1e-6)  # nine of nine agreed; now eight do, and one is against
    assert lab.post("/api/nets/slides/pass", {"x": X})[1]["logit"] == before


def test_the_slides_net_is_right_upright_and_fooled_by_some_rotation():
    model, upright = slides_model(), Knobs(9)
    for letter in "XO":
        picture = passes.as_bytes(draw(letter, upright))[None, None]
        assert model.classes[int(model.logits(picture).argmax())] == letter
    swept = passes.swept(model, passes.as_bytes(draw("X"))[None], "rotate", dict(board.REST))
    said = [int(np.argmax(logits)) for logits in swept["logits"]]
    assert 0 < sum(said) < len(said) / 2, "an X that is turned far enough is taken for an O"


def test_a_sweep_is_what_each_position_gives_by_itself(lab):
    given = {"x": X, "rotate": 20.0}
    swept = lab.post("/api/nets/slides/sweep", given)[1]
    for knob in board.KNOBS:
        at, logits = swept[knob]["at"][7], swept[knob]["logits"][7]
        alone = lab.post("/api/nets/slides/draw", {**given, knob: at})[1]["logit"]
        assert logits == pytest.approx(alone, abs=2e-4)


def test_at_rest_a_drawing_is_left_as_it_is():
    ink = np.random.default_rng(0).choice([-1.0, 1.0], (9, 9))
    assert np.array_equal(board.turned(ink, **board.REST), ink)
    shifted = board.turned(ink, shift=1.0, scale=1.0, rotate=0.0, weight=1.0)
    np.testing.assert_allclose(shifted[1:, 1:], ink[:-1, :-1], atol=1e-12)


def test_a_thicker_stroke_has_more_ink_and_a_thinner_one_less():
    ink = np.full((9, 9), -1.0)
    ink[4, 2:7] = 1.0
    amounts = [board.turned(ink, 0.0, 1.0, 0.0, weight).sum() for weight in (0.6, 1.0, 1.8, 3.0)]
    assert amounts == sorted(amounts) and len(set(amounts)) == 4


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({f"x-{i}": "1" for i in range(101)}, 431),
        ({"x-long": "1" * 31_990}, 431),
    ],
)
def test_requests_from_elsewhere_and_swollen_heads_are_refused(lab, headers, status):
    got, _, text = lab.raw("GET", "/api/nets", headers=headers)
    assert got == status or (status == 431 and got == 400), text  # h11 itself refuses the longest heads
    assert "Traceback" not in text and "/" not in json.loads(text)["error"] if text.startswith("{") else True


def test_its_own_page_is_answered(lab):
    assert lab.raw("GET", "/api/nets", headers={"origin": lab.address})[0] == 200


def test_who_comes_before_the_lab_is_ready_waits_for_it_and_no_other_lab_takes_its_place():
    """The address is printed first, and what serves it is loaded then."""
    with open_socket("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as early:
            early.sendall(b"GET / HTTP/1.1")
            there, _ = bound.accept()
            assert there.recv(3) == b"GET"
            there.close()
        with pytest.raises(GlassnetError, match="already in use"):
            open_socket("127.0.0.1", port)


def test_a_body_beyond_the_limit_is_refused_told_or_not(lab):
    status, _, text = lab.raw("POST", "/api/nets/slides/pass", b"", {"content-length": "10000001"})
    assert (status, json.loads(text)["error"]) == (413, "at most 10,000,000 bytes")
    pieces = (b"x" * 1_000_000 for _ in range(11))  # in chunks, its length untold
    status, _, _ = lab.raw("POST", "/api/nets/slides/pass", pieces, {"content-type": "application/json"})
    assert status == 413


def test_a_stalled_body_and_a_stalled_head_are_hung_up_on(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "HEADER_S", 0.3)
    monkeypatch.setattr(limits, "IDLE_S", 0.3)
    with running(tmp_path) as one:
        for begun in (b"GET / HTTP/1.1\r\nhost: 127", b""):
            with socket.create_connection(("127.0.0.1", one.port), 10) as slow:
                slow.sendall(begun)
                assert slow.recv(100) == b"", "closed without an answer"
        with socket.create_connection(("127.0.0.1", one.port), 10) as slow:
            head = f"POST /api/nets/slides/pass HTTP/1.1\r\nhost: 127.0.0.1:{one.port}\r\ncontent-length: 50\r\n\r\n"
            slow.sendall(head.encode() + b"{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/nets/slides/pass", {"x": "AAAA"}, 400, "x: expected 1x9x9 bytes, found 3 bytes"),
        ("/api/nets/slides/pass", {"x": "%%"}, 400, "x: expected base64"),
        ("/api/nets/nowhere/pass", {"x": X}, 400, "net: expected one of slides"),
        ("/api/nets/slides/pass", {}, 422, "x: field required"),
        ("/api/nets/slides/pass", b"no json", 422, ""),
        ("/api/nets/slides/draw", {"x": X, "scale": 1e9}, 422, "scale"),
        ("/api/nets/slides/sum", {"x": X, "step": "conv9", "at": [0, 0, 0]}, 400, "step: expected one of conv1"),
        ("/api/nets/slides/sum", {"x": X, "step": "conv1", "at": [9, 0, 0]}, 400, "at: expected a place in 3x7x7"),
        ("/api/nets/slides/look", {}, 400, "no examples"),
    ],
)
def test_what_it_cannot_take_is_answered_in_one_line(lab, path, body, status, words):
    got, answer = lab.post(path, body)
    assert got == status and words in answer["error"] and "\n" not in answer["error"]


@pytest.mark.parametrize(
    "path", ["/web/../app.py", "/web/..%2fapp.py", "/web/app.py", "/nowhere", "/api/nowhere", "/docs"]
)
def test_no_file_but_the_page_s_own_is_given(lab, path):
    status, _, text = lab.raw("GET", path)
    assert status == 404 and "import" not in text


def test_every_reply_forbids_what_a_page_of_ours_never_does(lab):
    for path in ("/", "/web/shell.js", "/api/nets", "/nowhere"):
        _, headers, _ = lab.raw("GET", path)
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff" and "server" not in headers


def test_openapi_lists_what_there_is(lab):
    status, described = lab.get("/api/openapi.json")
    assert status == 200
    assert {"/api/nets", "/api/nets/{name}/pass", "/api/nets/{name}/draw", "/api/nets/{name}/look"} <= set(
        described["paths"]
    )
    for path, methods in described["paths"].items():
        for method in methods.values():
            assert method["summary"], path


def test_from_another_machine_a_token_is_needed(tmp_path):
    with running(tmp_path, token="secret") as one:
        assert one.get("/api/nets")[0] == 401
        assert one.get("/api/nets", authorization="Bearer wrong")[0] == 401
        assert one.get("/api/nets", authorization="Bearer secret")[0] == 200
        status, headers, _ = one.raw("GET", "/draw?token=secret")
        assert status == 303 and headers["location"] == "/draw"
        assert "HttpOnly" in headers["set-cookie"] and "SameSite=strict" in headers["set-cookie"]
        assert one.get("/api/nets", cookie=headers["set-cookie"].split(";")[0])[0] == 200
        assert one.raw("GET", "/draw?token=secre")[0] == 401


def test_weights_are_set_by_their_names_only():
    nets = Nets()
    with pytest.raises(GlassnetError, match=r"conv1\.weight"):
        nets.open("slides", [Change("nothing", (0,), 1.0)])
    with pytest.raises(GlassnetError, match="a place in 3x1x3x3"):
        nets.open("slides", [Change("conv1.weight", (3, 0, 0, 0), 1.0)])
    with pytest.raises(GlassnetError, match="expected one of slides"):
        nets.open("../somewhere")


def test_a_full_line_is_refused_with_when_to_come_again(monkeypatch):
    import asyncio

    monkeypatch.setattr(compute, "QUEUE", 2)

    async def ask():
        work, gate = Compute(), threading.Event()
        waiting = [asyncio.create_task(work(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(limits.Refused) as refused:
            await work(lambda: None)
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await work(lambda: 7) == 7, "the line is open again"
        work.close()
        return refused.value.status

    with ThreadPoolExecutor(1) as other:  # a browser's loop may run in this thread
        assert other.submit(asyncio.run, ask()).result(60) == 503


def test_sixteen_at_once_get_each_their_own_answer(lab):
    random = np.random.default_rng(0)
    pictures = [random.choice([0, 255], (9, 9)).astype(np.uint8) for _ in range(16)]
    expected = [slides_model().logits(one[None, None])[0] for one in pictures]
    wrong = []

    def client(i):
        for _ in range(5):
            body = {"x": base64.b64encode(pictures[i].tobytes()).decode()}
            status, answer = lab.post("/api/nets/slides/pass", body)
            if status != 200 or not np.allclose(answer["logit"], expected[i], atol=1e-6):
                wrong.append((i, status))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_serve_says_where_it_is_and_ends_by_ctrl_c(tmp_path):
    import subprocess
    import sys

    command = [sys.executable, "-m", "glassnet", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        _ends_by_ctrl_c(process)


def _ends_by_ctrl_c(process):
    import signal

    line = process.stderr.readline()
    port = int(line.rsplit(":", 1)[1].strip("/\n"))
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as one:
                one.sendall(f"GET /api/nets HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
                reply = one.recv(2000)
            break
        except OSError:
            time.sleep(0.05)
    assert reply.startswith(b"HTTP/1.1 200")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert "Traceback" not in process.stderr.read()
