"""Asking over HTTP: every kind's answer and reasons, what can't be read, names that mean harm, many at once."""

import base64
import io
import json
import threading
import wave
from urllib.parse import urlencode

import lab_models as models
import numpy as np
import pytest
from lab import running
from PIL import Image

import glassnet as gn
from glassnet.doors.commands.predict import predict
from glassnet.doors.lab import multipart

FILES = {
    "digits": ("3.png", models.digit(3)),
    "tones": ("low.wav", models.tone(330)),
    "waves": ("slow.csv", models.wiggle(1, 2.5).encode()),
    "balls": ("large.npy", models.ball(5, 99)),
    "reviews": ("note.txt", b"a fine and moving film"),
    "flowers": ("row.csv", b"length,width\n5.1,2.0\n"),
}
RIGHT = {"digits": "3", "tones": "low", "waves": "slow", "balls": "large", "reviews": "pos", "flowers": "b"}
DIGIT = FILES["digits"][1]


@pytest.fixture(scope="module")
def folder(every_kind):
    return every_kind


@pytest.fixture(scope="module")
def lab(folder):
    with running(folder, folder / "models" / "digits") as one:
        yield one


def ask(lab, path, body, **query):
    return lab.post(f"/api/{path}?{urlencode(query)}", body)


def form(*files, kind=None):
    """(body, content type) as a browser sends files. files: (name, bytes)."""
    parts = [
        b'--Xx7\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in files
    ]
    return b"".join(parts) + b"--Xx7--\r\n", kind or "multipart/form-data; boundary=Xx7"


def send_form(lab, net, *files):
    body, kind = form(*files)
    status, _, text = lab.raw("POST", f"/api/predict?net={net}", body, {"content-type": kind})
    return status, json.loads(text)


def loudness(address):
    """The root mean square of a WAV that an address holds."""
    with wave.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as sound:
        return float(np.sqrt(np.mean(np.frombuffer(sound.readframes(-1), "<i2").astype(float) ** 2)))


@pytest.mark.parametrize("kind", [kind for kind in models.KINDS if kind != "flowers"])
def test_an_answer_agrees_with_the_command_line_s(lab, folder, capsys, kind):
    name, data = FILES[kind]
    path = folder / name
    path.write_bytes(data)
    status, answer = ask(lab, "predict", data, net=kind, name=name)
    assert status == 200 and answer["input"] == name and answer["class"] == RIGHT[kind]
    assert predict(folder / "models" / kind, [str(path)], None, json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(answer["votes"]) == list(printed["votes"])
    assert answer["votes"] == pytest.approx(printed["votes"], rel=1e-5)
    assert set(printed) <= set(answer)


def test_a_row_of_a_table_agrees_with_the_command_line_s(lab, folder, capsys):
    (folder / "two.csv").write_text("length,width\n5.1,2.0\n2.0,1.0\n")
    assert predict(folder / "models" / "flowers", [str(folder / "two.csv")], None, json=True) == 0
    lines = capsys.readouterr().out.splitlines()
    for row, line in zip(("5.1,2.0", "2.0,1.0"), map(json.loads, lines), strict=True):
        answer = ask(lab, "predict", {"text": row}, net="flowers")[1]
        assert answer["votes"] == pytest.approx(line["votes"], rel=1e-5)


def test_words_numbers_and_files_are_three_ways_to_ask_one_thing(lab):
    def votes(net, body):
        status, answer = ask(lab, "predict", body, net=net)
        assert status == 200, answer
        return pytest.approx(answer["votes"], rel=1e-6)

    moments = [float(v) for v in models.wiggle(1, 2.5).split()[1:]]
    as_file = votes("waves", FILES["waves"][1])
    assert as_file == votes("waves", {"x": moments}).expected
    assert as_file == votes("waves", {"text": ",".join(map(str, moments))}).expected
    assert as_file == votes("waves", {"text": "\n".join(map(str, moments))}).expected
    row = votes("flowers", FILES["flowers"][1])
    for body in ({"x": [5.1, 2.0]}, {"text": "5.1,2"}, {"text": "width;length\n2;5.1"}, {"text": "5.1\t2.0"}):
        assert row == votes("flowers", body).expected, body
    assert votes("reviews", FILES["reviews"][1]) == votes("reviews", {"text": "a fine and moving film"}).expected


def test_a_picture_as_numbers_is_read_as_bytes_shares_or_ink(lab):
    values = np.asarray(Image.open(io.BytesIO(DIGIT)), int)
    letter = [[1 if 0 < i < 8 and j in (i, 8 - i) else -1 for j in range(9)] for i in range(9)]
    as_file = ask(lab, "predict", DIGIT, net="digits")[1]["votes"]
    for x in (values, values / 255, values / 127.5 - 1):
        assert ask(lab, "predict", {"x": x.tolist()}, net="digits")[1]["votes"] == pytest.approx(as_file, rel=1e-4)
    answer = ask(lab, "predict", {"x": letter}, net="slides")[1]
    assert (answer["class"], answer["input"]) == ("X", "array[0]") and answer["score"] > 0.99


@pytest.mark.parametrize("kind", models.KINDS)
def test_reasons_add_up_to_the_logit_and_name_the_answer(lab, kind):
    name, data = FILES[kind]
    status, why = ask(lab, "explain", data, net=kind, name=name)
    assert status == 200
    assert why["class"] == RIGHT[kind] == why["prediction"]["class"]
    for votes in why["votes"].values():
        total = sum(one["vote"] for one in votes["values"]) + votes["weaker"]["vote"] + votes["bias"]
        assert total == pytest.approx(votes["logit"], abs=1e-4)
    heat = np.frombuffer(base64.b64decode(why["occluded"]["values"]), "<f4")
    assert heat.size == np.prod(why["shape"][1:]) and np.abs(heat).max() > 0
    assert why["picture"].startswith("data:image/")
    assert why["sound"].startswith("data:audio/wav" if kind == "tones" else "") and bool(why["sound"]) == (
        kind == "tones"
    )
    covered = ask(lab, "covered", data, net=kind, name=name)[1]
    assert covered["occluded"] == why["occluded"], "piece by piece, or at once"


def test_votes_by_place_are_the_votes_of_the_answer(lab):
    why = ask(lab, "explain", FILES["waves"][1], net="waves")[1]
    by_place = np.frombuffer(base64.b64decode(why["voted"]["values"]), "<f4")
    logit = why["votes"][why["class"]]
    assert by_place.sum() + logit["bias"] == pytest.approx(logit["logit"], abs=1e-4)


def test_a_low_tone_is_heard_in_the_lower_bands_and_not_in_the_upper_ones(lab):
    data = FILES["tones"][1]
    why = ask(lab, "explain", data, net="tones", covered=False)[1]
    bands, moments = why["shape"][1:]
    status, whole = ask(lab, "heard", data, net="tones", pieces=f"0-{bands}:0-{moments}")
    assert status == 200 and whole["prediction"]["class"] == "low"
    assert whole["sound"].startswith("data:audio/wav;base64,UklGR")  # RIFF
    upper, lower = (
        loudness(ask(lab, "heard", data, net="tones", pieces=f"{low}-{high}:0-{moments}")[1]["sound"])
        for low, high in ((0, bands // 2), (bands // 2, bands))
    )
    assert upper < 0.05 * lower
    for pieces in ("", "0-1", "0-999:0-1", "5-2:0-1", "a-b:c-d"):
        status, answer = ask(lab, "heard", data, net="tones", pieces=pieces)
        assert status == 400 and answer["error"].startswith("pieces: expected bands-bands:moments-moments within")


def test_an_example_of_the_model_s_own_is_asked_about_by_name(lab):
    names = lab.get("/api/nets/digits/examples")[1]["examples"]
    assert names
    status, answer = ask(lab, "predict", {"example": names[0]}, net="digits")
    assert status == 200 and answer["input"] == names[0]
    for name in ("../config.json", "/etc/passwd", "..", ""):
        status, answer = ask(lab, "predict", {"example": name}, net="digits")
        assert status == 400 and answer["error"].startswith("example: expected one of")


def test_the_first_net_answers_where_none_is_named_and_top_cuts_the_list(lab):
    answer = ask(lab, "predict", DIGIT, top=3)[1]
    assert len(answer["votes"]) == 3 and next(iter(answer["votes"])) == "3"
    status, answer = ask(lab, "predict", DIGIT, top=0)
    assert status == 422 and answer["error"] == "top: input should be greater than or equal to 1"


def test_of_several_files_each_is_answered_though_some_are_damaged(lab):
    torn, wrong = DIGIT[:50], FILES["tones"][1]
    status, answer = send_form(
        lab, "digits", ("3.png", DIGIT), ("torn.png", torn), ("low.wav", wrong), ("", b""), ("4.png", models.digit(4))
    )
    assert status == 200
    one, two, three, four, five = answer["answers"]
    assert (one["input"], one["class"], five["input"]) == ("3.png", "3", "4.png")
    assert one["votes"] == pytest.approx(ask(lab, "predict", DIGIT)[1]["votes"], rel=1e-4)
    for bad, name in ((two, "torn.png"), (three, "low.wav"), (four, "the body")):
        assert set(bad) == {"input", "error"} and bad["input"] == name and "\n" not in bad["error"]


def test_files_of_a_form_come_out_byte_by_byte():
    data = bytes(range(256)) + b"\r\n--Xx\r\n--Xx6--\r\n\r\n"
    body, kind = form(("a.bin", data), ("b.bin", b""))
    assert multipart.files_of(body, kind) == [("a.bin", data), ("b.bin", b"")]
    field = b'--Xx7\r\nContent-Disposition: form-data; name="net"\r\n\r\ndigits\r\n'
    assert multipart.files_of(field + body, 'Multipart/Form-Data; boundary="Xx7"') == [("a.bin", data), ("b.bin", b"")]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (form(("a", b"1"))[0][:-9], None, "cut short"),
        (b"", None, "cut short"),
        (form(("a", b"1"))[0], "multipart/form-data", "cut short"),
        (b"--Xx7\r\nno head\r\n--Xx7--\r\n", None, "no head"),
        (form()[0], None, "cut short"),
        (form(*[("a", b"1")] * 201)[0], None, "expected 1 to 200 files, found 201"),
    ],
)
def test_a_broken_form_is_told_in_one_line(lab, body, kind, words):
    kind = kind or "multipart/form-data; boundary=Xx7"
    status, _, text = lab.raw("POST", "/api/predict?net=digits", body, {"content-type": kind})
    assert status == 400 and words in json.loads(text)["error"]


@pytest.mark.parametrize(
    ("net", "body", "words"),
    [
        ("digits", b"", "the body: is empty"),
        ("digits", DIGIT[:50], "is cut short: the picture ends"),
        ("digits", b"hello", "is text, not a picture. This net is asked about pictures (.jpg"),
        ("tones", DIGIT, "This net is asked about sounds (.mp3, .wav"),
        ("balls", DIGIT, "This net is asked about volumes"),
        ("waves", b"\x00\xff\x00", "This net is asked about series"),
        ("reviews", b"  ", "is empty"),
        ("flowers", b"length\n1", "has no number in width"),
        ("flowers", b"1,2,3", "has 3 values: ask with one row of length, width"),
        ("flowers", b"1,2\n3,4", "has 2 rows"),
        ("flowers", DIGIT, "This net is asked about tables"),
        ("nowhere", DIGIT, "net: expected one of slides"),
        ("../models/digits", DIGIT, "net: expected one of slides"),
        ("digits", {"text": "three"}, "text: expected a picture, found words"),
        ("digits", {}, "the body: expected text, x or example, found none"),
        ("digits", {"x": [[1, 2], [3]]}, "x: expected lists of one length"),
        ("digits", {"x": [["a"]]}, "x: expected finite numbers"),
        ("digits", {"x": [10**400]}, "x: expected finite numbers"),
        ("digits", {"x": np.zeros((2, 8, 8)).tolist()}, "x: expected one example, found 2"),
        ("digits", {"x": [1, 2, 3]}, "expected an array of 1x8x8"),
        ("waves", {"x": [1e300] * 40}, "x: expected numbers that float32 holds"),
        ("reviews", {"x": [99999999] * 8}, "x: expected words, found numbers"),
    ],
)
def test_what_it_cannot_read_is_told_in_one_line(lab, net, body, words):
    status, answer = ask(lab, "predict", body, net=net)
    assert status == 400 and words in answer["error"], answer
    assert "\n" not in answer["error"] and "Traceback" not in answer["error"] and "/tmp" not in answer["error"]
    assert ask(lab, "explain", body, net=net)[0] == 400


@pytest.mark.parametrize("body", [b"{", b"[1]", b"null", b'{"x": [NaN]}', b'{"text": 3}', b"[" * 5000, b"\xff"])
def test_bad_json_is_told_in_one_line(lab, body):
    status, _, text = lab.raw("POST", "/api/predict?net=digits", body, {"content-type": "application/json"})
    assert status == 400 and "\n" not in json.loads(text)["error"]


def test_a_body_of_a_kind_that_is_not_taken_is_refused(lab):
    for kind in ("application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"):
        status, _, text = lab.raw("POST", "/api/predict?net=digits", DIGIT, {"content-type": kind})
        assert status == 415 and "application/octet-stream" in json.loads(text)["error"]
    status, _, text = lab.raw("POST", "/api/predict", b"", {"content-length": "10000001"})
    assert (status, json.loads(text)["error"]) == (413, "at most 10,000,000 bytes")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\secret\\3.png", "3.png"),
        ("..", ".."),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ("a\0b.png", "a\0b.png"),
        ("x" * 900, "x" * 197 + "..."),
    ],
)
def test_a_name_is_given_back_and_opens_nothing(lab, name, shown):
    status, answer = ask(lab, "predict", DIGIT, net="digits", name=name)
    assert (status, answer["input"], answer["class"]) == (200, shown, "3")
    status, why = ask(lab, "explain", DIGIT, net="digits", name=name, covered=False)
    assert (status, why["input"], why["sound"]) == (200, shown, "")


def test_a_hostile_name_is_harmless_on_the_page_that_stands_alone(lab):
    name = "<img src=x onerror=alert(1)>.png"
    path = f"/api/explain.html?{urlencode({'net': 'digits', 'name': name})}"
    status, headers, page = lab.raw("POST", path, DIGIT, {"content-type": "application/octet-stream"})
    assert status == 200 and headers["content-disposition"] == "attachment"
    assert "<img src=x" not in page and "onerror=alert" in page


def test_eight_askers_at_once_get_each_their_own_answer(lab, folder):
    digits = gn.load(folder / "models" / "digits")
    files = [models.digit(i) for i in range(8)]
    expected = []
    for i, data in enumerate(files):
        (folder / f"{i}.png").write_bytes(data)
        expected.append(digits.predict(folder / f"{i}.png").votes)
    found = [[] for _ in files]

    def asker(i):
        for _ in range(5):
            found[i].append(ask(lab, "predict", files[i], net="digits")[1]["votes"])

    askers = [threading.Thread(target=asker, args=(i,)) for i in range(8)]
    [one.start() for one in askers]
    [one.join() for one in askers]
    for i, votes in enumerate(found):
        assert len(votes) == 5 and all(one == pytest.approx(expected[i], rel=1e-5) for one in votes)


def test_openapi_describes_how_to_ask_and_what_comes(lab):
    described = lab.get("/api/openapi.json")[1]["paths"]["/api/predict"]["post"]
    taken = described["requestBody"]["content"]
    assert set(taken) == {"application/octet-stream", "application/json", "multipart/form-data"}
    assert {one["name"] for one in described["parameters"]} == {"net", "name", "top", "picture"}
    for example in taken["application/json"]["examples"].values():
        assert len(example["value"]) == 1
    one = described["responses"]["200"]["content"]["application/json"]["examples"]["one"]["value"]
    assert set(one) == {"input", "class", "score", "votes", "none_of_these", "strangeness", "false_alarms"}
    assert {"400", "413", "415", "503", "504"} <= set(described["responses"])
