"""An exported file by itself: what it was made of, whether it is whole, in whole numbers, behind a server."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from box_data import make_voc
from detectors import train_detector
from lab import running
from lab_models import digit, tone

import glassnet as gn
from glassnet.data.boxes.store import digest_of
from glassnet.data.kinds import find
from glassnet.doors.exporting import int8, runtime
from glassnet.doors.exporting.answering import open_file
from glassnet.doors.exporting.int8_boxes import find_pictures
from glassnet.doors.exporting.metadata import is_whole, metadata, sealed
from glassnet.doors.exporting.needed import refuse_int8
from glassnet.doors.exporting.opened import find_file, look_at, read_file
from glassnet.doors.folder import SUMS, WEIGHTS
from glassnet.errors import GlassnetError


@pytest.fixture(scope="module")
def folder(every_kind, tmp_path_factory):
    """A model of digits with its file in whole numbers and in floats."""
    copy = shutil.copytree(every_kind / "models" / "digits", tmp_path_factory.mktemp("exported") / "digits")
    gn.export(gn.load(copy), copy / "model.onnx")
    return copy


@pytest.fixture(scope="module")
def whole(folder):
    """The same in whole numbers, as the command leaves it, and what the command says."""
    words = [sys.executable, "-m", "glassnet", "export", str(folder), "--int8", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=200)
    return json.loads(done.stdout)


def test_the_metadata_is_what_the_format_s_own_package_reads(folder):
    data = (folder / "model.onnx").read_bytes()
    assert metadata(data) == {one.key: one.value for one in onnx.load_model_from_string(data).metadata_props}
    onnx.checker.check_model(onnx.load_model_from_string(data))


@pytest.mark.parametrize("at", [5, 1000, -1000, -70, -3])
def test_a_flipped_bit_is_found_wherever_it_is(folder, tmp_path, at):
    data = bytearray((folder / "model.onnx").read_bytes())
    assert is_whole(bytes(data))
    data[at] ^= 4
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(GlassnetError, match=r"damaged|older|another program"):
        read_file(tmp_path / "model.onnx")


@pytest.mark.parametrize("length", [0, 1, 2, 300, 100_000])
def test_a_file_that_is_cut_short_is_told_in_a_line(folder, tmp_path, length):
    path = tmp_path / "cut.onnx"
    path.write_bytes((folder / "model.onnx").read_bytes()[:length])
    with pytest.raises(GlassnetError, match=r"cut\.onnx: "):
        read_file(path)


def test_what_is_no_file_of_ours_is_told_in_a_line(tmp_path, glassnet):
    graph = onnx.helper.make_graph([], "empty", [], [])
    (tmp_path / "foreign.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    (tmp_path / "text.onnx").write_text("no graph at all")
    (tmp_path / "3.png").write_bytes(digit(3))
    told = {
        "foreign.onnx": "foreign.onnx: expected a file that glassnet export made, found an ONNX file of another",
        "text.onnx": "text.onnx: is no ONNX file, or a damaged one.",
        "nowhere.onnx": "nowhere.onnx: expected an exported file, found nothing there. Check the path.",
    }
    for name, line in told.items():
        for command in (("predict", name, "3.png"), ("serve", name, "--port", "0")):
            found = glassnet(*command, cwd=tmp_path)
            assert (found.code, found.out) == (2, "") and found.err.startswith(line) and found.err.count("\n") == 1


def test_other_commands_say_that_they_need_the_folder(folder, glassnet):
    found = glassnet("explain", folder / "model.onnx", folder / "examples" / "3.png")
    assert found.code == 2 and "found an exported file" in found.err and "Name the folder" in found.err


LOADED = """
import json, sys
import numpy as np
import glassnet as gn
file = gn.load(sys.argv[1])
data = np.load(sys.argv[3])
one, some = file.predict(sys.argv[2]), file.predict(data)
print(json.dumps([one.as_json(), [each.as_json() for each in some], file.logits(data).tolist(), repr(file)]))
assert "torch" not in sys.modules
"""


def test_load_opens_a_file_that_predicts_as_its_model_does_without_torch(folder, tmp_path):
    (tmp_path / "3.png").write_bytes(digit(3))
    data = find("digits").read().samples.x[:70]
    np.save(tmp_path / "x.npy", data)
    words = [sys.executable, "-c", LOADED, *map(str, (folder / "model.onnx", tmp_path / "3.png", tmp_path / "x.npy"))]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=100)
    one, some, logits, told = json.loads(done.stdout)
    model = gn.load(folder)
    for found, wanted in zip([one, *some], [model.predict(tmp_path / "3.png"), *model.predict(data)], strict=True):
        assert (found["input"], found["class"]) == (wanted.input, wanted.label)
        assert found["votes"] == pytest.approx(dict(wanted.votes), abs=1e-5)
        assert found["none_of_these"] == wanted.is_none_of_these
    assert np.array(logits) == pytest.approx(model.logits(data), abs=1e-3)
    assert told == f"<OnnxModel {folder / 'model.onnx'}: 10 classes of pictures>"


def test_what_needs_a_net_is_refused_in_a_line_where_a_file_was_loaded(folder, tmp_path):
    file = gn.load(folder / "model.onnx")
    for what, work in {
        "explain": lambda: gn.explain(file, str(folder / "examples" / "3.png")),
        "features": lambda: gn.features(file),
        "export": lambda: gn.export(file, tmp_path / "again.onnx"),
    }.items():
        line = (
            rf"{what}: expected a model's net, found .*model\.onnx, an exported file, which can only be asked\. Load "
        )
        with pytest.raises(GlassnetError, match=line):
            work()
    with pytest.raises(GlassnetError, match=r"expected an array of 1x8x8, or of several such, found 5x5"):
        file.predict(np.zeros((5, 5)))
    with pytest.raises(GlassnetError, match=r"expected cpu, where an exported file is computed, found cuda"):
        gn.load(folder / "model.onnx", device="cuda")
    with pytest.raises(GlassnetError, match=r"nowhere\.onnx: expected an exported file, found nothing there"):
        gn.load(tmp_path / "nowhere.onnx")


def test_of_a_sound_s_file_no_array_is_asked(every_kind, tmp_path):
    model = gn.load(every_kind / "models" / "tones")
    gn.export(model, tmp_path / "tones.onnx")
    (tmp_path / "a.wav").write_bytes(tone(500))
    file = gn.load(tmp_path / "tones.onnx")
    assert file.predict([tmp_path / "a.wav"])[0].label == model.predict([tmp_path / "a.wav"])[0].label
    with pytest.raises(GlassnetError, match=r"tones\.onnx: expected sounds, found an array\. Give predict the paths"):
        file.logits(np.zeros((1, *model.card.preparation.shape), np.uint8))


def test_without_onnxruntime_a_folder_answers_itself_and_a_file_says_what_to_install(folder, monkeypatch):
    card, file = look_at(folder)
    assert file is not None
    monkeypatch.setattr(runtime, "find_spec", lambda _: None)
    monkeypatch.setattr("glassnet.doors.exporting.opened.is_there", lambda: False)
    assert find_file(folder, card) is None
    with pytest.raises(GlassnetError, match=r"model\.onnx: expected onnxruntime .* pip install \"glassnet\[onnx\]\""):
        open_file(file)


@pytest.mark.parametrize("change", ["weights", "card", "sums", "damaged", "int8"])
def test_a_file_that_was_made_of_another_model_is_not_used(folder, tmp_path, change):
    other = tmp_path / "other"
    model = gn.load(folder)
    if change == "weights":
        with torch.no_grad():
            model.net.votes.weight.mul_(-1)
    if change == "card":
        model = replace(model, card=replace(model.card, both_ways=not model.card.both_ways))
    model.save(other)
    shutil.copy(folder / "model.onnx", other / "model.onnx")
    if change == "sums":
        sums = (other / SUMS).read_text()
        (other / SUMS).write_text(sums.replace(sums.splitlines()[1][:8], "0" * 8))
        with pytest.raises(GlassnetError, match=WEIGHTS):
            look_at(other)
        return
    if change == "damaged":
        (other / "model.onnx").write_bytes((other / "model.onnx").read_bytes()[:-1])
    if change == "int8":
        data = onnx.load_model_from_string((other / "model.onnx").read_bytes())
        onnx.helper.set_model_props(data, {one.key: one.value for one in data.metadata_props} | {"int8": '{"a": 1}'})
        props = [one for one in data.metadata_props if one.key != "sha256"]
        del data.metadata_props[:]
        data.metadata_props.extend(props)
        (other / "model.onnx").write_bytes(sealed(data.SerializeToString()))
        assert read_file(other / "model.onnx").int8 == {"a": 1}
    assert look_at(other)[1] is None


def test_a_copy_of_the_same_model_is_answered_by_its_file(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert look_at(tmp_path / "copy")[1] is not None


def test_what_is_lost_in_whole_numbers_is_measured_on_examples_it_did_not_learn_from(folder, whole):
    model, told = gn.load(folder), whole["int8"]
    assert whole["path"] == str(folder / "model-int8.onnx") and told["calibrated_on"] == 200
    data = find("digits").read()
    held = ~np.isin(data.samples.digest, model.seen)
    assert told["examples"] == 358 and told["measured_on"] == "179 test and 179 val pictures"
    plain = (model.logits(data.samples.x[held]).argmax(1) == data.samples.y[held]).sum()
    val_and_test = model.metrics["test"]["accuracy"] * 179, told["accuracy_float"] * 358
    assert plain == round(val_and_test[0]) and val_and_test[1] - plain in range(180)
    assert told["lost"] == pytest.approx(told["accuracy_float"] - told["accuracy"])
    assert told["lost"] <= 0.005


def test_the_net_is_in_whole_numbers_and_its_preparation_is_not(whole):
    graph = onnx.load(whole["path"]).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    products = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert products and all(made_by[node.input[0]] == "DequantizeLinear" for node in products)
    weights = [one for one in graph.initializer if one.data_type == onnx.TensorProto.INT8]
    assert len([one for one in weights if len(one.dims) > 1]) == len(products)
    others = [node for node in graph.node if node.op_type == "MatMul"]
    assert others and all(made_by.get(node.input[0]) != "DequantizeLinear" for node in others)


def test_a_file_in_whole_numbers_answers_and_says_what_it_is(folder, whole, glassnet):
    found = glassnet("predict", whole["path"], folder / "examples" / "7.png", "--json")
    assert found.code == 0 and json.loads(found.out)["class"] == "7"
    assert found.err.startswith("int8    in whole numbers: ")


def test_a_file_that_lost_too_much_is_refused_with_both_figures(folder, monkeypatch):
    model = gn.load(folder)
    data, made = find("digits").read(), (folder / "model.onnx").read_bytes()
    real = int8.whole_numbers

    def calibrated_on_nothing(made, fed):
        return real(made, [{name: np.zeros_like(value) for name, value in one.items()} for one in fed])

    monkeypatch.setattr(int8, "whole_numbers", calibrated_on_nothing)
    with pytest.raises(
        GlassnetError, match=r"at most 0\.5 points lost, found [\d.]+ % right in whole numbers, [\d.]+ %"
    ):
        int8.quantised(model, made, data)


def test_whole_numbers_want_data_that_is_there(folder, tmp_path, glassnet):
    model = gn.load(folder)
    card = replace(model.card, data={**model.card.data, "source": str(tmp_path / "gone")})
    replace(model, card=card).save(tmp_path / "moved")
    found = glassnet("export", tmp_path / "moved", "--int8")
    assert found.code == 2 and "is not there any more. Name what to look at: --data DATA." in found.err
    found = glassnet("export", tmp_path / "moved", "--data", "digits")
    assert found.code == 2 and found.err.startswith("--data: nothing to calibrate")


def test_sounds_are_calibrated_measured_and_asked_about_as_they_are(every_kind, tmp_path):
    model = gn.load(every_kind / "models" / "tones")
    made = gn.export(model, tmp_path / "tones.onnx", int8=str(every_kind / "data" / "tones"))
    assert made.int8 is not None and made.int8.held == "4 test and 4 val sounds" and made.int8.calibrated == 32
    (tmp_path / "low.wav").write_bytes(tone(330))
    np.savez(tmp_path / "loudness.npz", x=np.zeros((1, *model.card.preparation.shape), np.uint8))
    asked = [str(tmp_path / name) for name in ("low.wav", "loudness.npz")]
    low, loudness = open_file(read_file(tmp_path / "tones.onnx")).answer(asked)
    assert low.label == "low" and "is no sound but its loudness" in loudness.error


SERVED = """
import sys, threading, time
sys.path[:0] = sys.argv[3:]
from lab import running
from pathlib import Path
with running(sys.argv[1], Path(sys.argv[2])) as lab:
    data = (Path(sys.argv[1]) / "3.png").read_bytes()
    import json
    print(json.dumps(lab.post("/api/predict?name=3.png", data)))
    print(json.dumps(lab.raw("GET", "/")[0]))
    if sys.argv[2].endswith(".onnx"):
        facts = lab.get("/api/nets/model.onnx")[1]
        assert facts["exported"] and facts["classes"] == list("0123456789"), facts
        assert lab.get("/api/nets/model.onnx/examples")[0] == 200
    print(json.dumps("torch" in sys.modules))
    print(json.dumps(lab.get("/api/nets")))
    print(json.dumps(lab.post("/api/explain?covered=false&name=3.png", data)))
    print(json.dumps("torch" in sys.modules))
"""


@pytest.mark.parametrize("named", ["folder", "file"])
def test_a_server_answers_without_torch_and_explains_with_it(folder, tmp_path, named):
    (tmp_path / "3.png").write_bytes(digit(3))
    place = folder if named == "folder" else folder / "model.onnx"
    words = [sys.executable, "-c", SERVED, str(tmp_path), str(place), *sys.path]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=100)
    said, page, before, nets, why, after = map(json.loads, done.stdout.splitlines())
    (wanted,) = gn.load(folder).answer([str(tmp_path / "3.png")])
    assert said[0] == 200 and said[1]["class"] == "3" and said[1]["input"] == "3.png"
    assert said[1]["votes"] == pytest.approx(dict(wanted.votes), abs=1e-5)
    assert said[1]["false_alarms"] == gn.load(folder).false_alarms
    assert (page, before, after) == (200, False, True)
    assert nets[1]["first"] == place.name
    if named == "folder":
        assert why[0] == 200 and why[1]["class"] == "3"
    else:
        assert why[0] == 400 and "found an exported file, which can only be asked" in why[1]["error"]


def test_a_server_sees_that_its_folder_was_trained_anew(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "digits")
    data = digit(3)
    with running(tmp_path, copy) as lab:
        first = lab.post("/api/predict", data)[1]
        model = gn.load(copy)
        with torch.no_grad():
            model.net.votes.weight.mul_(-1)
        shutil.rmtree(copy)
        model.save(copy)
        second = lab.post("/api/predict", data)[1]
    assert first["class"] == "3" and second["class"] != "3"
    assert second["votes"] == pytest.approx(dict(gn.load(copy).predict(str(_written(tmp_path, data))).votes), abs=1e-5)


def _written(folder, data):
    (folder / "3.png").write_bytes(data)
    return folder / "3.png"


def test_what_learnt_without_labels_is_not_brought_to_whole_numbers(folder):
    with pytest.raises(GlassnetError, match=r"--int8: expected a model that names classes, found one that learnt with"):
        refuse_int8(replace(gn.load(folder).card, unlabelled=True))


def test_a_detector_in_whole_numbers_is_measured_by_its_map50_on_pictures_it_did_not_learn_from(
    tmp_path, glassnet, monkeypatch
):
    monkeypatch.setattr(int8, "ALLOWED", 1.0)  # a net of seconds: what it loses is told, however much
    data = make_voc(tmp_path / "data", 40, seed=3)
    train_detector(data, tmp_path / "model", "fast")
    model = gn.load(tmp_path / "model")
    done = glassnet("export", tmp_path / "model", "--int8", "--data", data, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["compared"] == {"examples": 4, "made_up": 0} and said["boxes_of_one_only"] >= 0
    told = said["int8"]
    held = [path for path in (data / "JPEGImages").iterdir() if digest_of(path.read_bytes()) not in model.seen]
    assert told["examples"] <= len(held) and told["lost"] == pytest.approx(told["map50_float"] - told["map50"])
    file = gn.load(tmp_path / "model" / "model-int8.onnx")
    graph = onnx.load(file.name).graph
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    assert all(made_by[one.input[0]] == "DequantizeLinear" for one in graph.node if one.op_type in ("Conv", "Gemm"))
    assert next(file.answer([str(held[0])])).boxes


def test_a_detector_that_loses_more_than_half_a_point_of_map50_is_refused_with_both_figures():
    found = int8.Quantised(0.894, 0.9, None, None, 72, "72 pictures that it did not learn from", 50, "map50")
    int8.refuse_worse(replace(found, accuracy=0.8951))
    with pytest.raises(
        GlassnetError, match=r"found 89\.40 % mAP50 in whole numbers, 90\.00 % in floats, of 72 pictures"
    ):
        int8.refuse_worse(found)


def test_a_detector_whose_pictures_are_gone_says_what_to_name(folder):
    card = replace(gn.load(folder).card, data={"source": "nowhere"})
    with pytest.raises(
        GlassnetError, match=r"--int8: expected boxes on pictures, found none in nowhere\. Name them: --d"
    ):
        find_pictures(card)
