"""Boxes on pictures: read from PASCAL VOC and COCO as they say, looked over, shown; every fault named."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from glassnet.data.boxes import coco, voc
from glassnet.data.boxes.doctor import diagnose
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.geometry import area, overlap
from glassnet.errors import GlassnetError
from glassnet.steps import finish

corner = st.integers(0, 40)
box = st.tuples(corner, corner, corner, corner).map(
    lambda c: [min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])]
)


def picture(path, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (200, 180, 160)).save(path)


def annotation(name, objects, size=(64, 48), more=""):
    """An XML whose objects stand on lines of their own, the first on line 4."""
    rows = "\n".join(
        f"<object><name>{label}</name><difficult>{hard}</difficult><bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin>"
        f"<xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox></object>"
        for label, b, hard in ((*one, 0)[:3] for one in objects)
    )
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>"
    return f"<annotation>\n<filename>{name}.png</filename>{more}\n{sides}\n{rows}\n</annotation>"


def make_voc(root, objects, split=None):
    """objects: by picture name, (label, box[, difficult]) each."""
    (root / "Annotations").mkdir(parents=True)
    for name, rows in objects.items():
        picture(root / "JPEGImages" / f"{name}.png")
        (root / "Annotations" / f"{name}.xml").write_text(annotation(name, rows))
    for side, names in (split or {}).items():
        (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / "Main" / f"{side}.txt").write_text("\n".join(names))
    return root


def make_coco(root, objects, side="train"):
    """The same as COCO."""
    labels = sorted({label for rows in objects.values() for label, *_ in rows})
    images, annotations = [], []
    for i, (name, rows) in enumerate(objects.items()):
        picture(root / side / f"{name}.png")
        images.append({"id": i + 1, "file_name": f"{name}.png", "width": 64, "height": 48})
        for label, (x1, y1, x2, y2), *hard in rows:
            annotations.append(
                {
                    "id": len(annotations), "image_id": i + 1, "category_id": labels.index(label) + 7,
                    "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": int(bool(hard and hard[0])),
                }
            )  # fmt: skip
    categories = [{"id": k + 7, "name": label} for k, label in enumerate(labels)]
    (root / "annotations").mkdir(exist_ok=True)
    facts = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / f"instances_{side}.json").write_text(json.dumps(facts))
    return root


def read(path):
    return finish(find_boxes(path).steps())


@given(st.lists(box, max_size=6), st.lists(box, max_size=6))
@settings(max_examples=60, deadline=None)
def test_overlap_is_that_of_pixels_counted_one_by_one(one, other):
    def cells(b):
        return {(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])}

    found = overlap(np.array(one, float).reshape(-1, 4), np.array(other, float).reshape(-1, 4))
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            union = cells(a) | cells(b)
            assert found[i, j] == pytest.approx(len(cells(a) & cells(b)) / len(union) if union else 0)
    assert area(np.array(one, float).reshape(-1, 4)).tolist() == [len(cells(a)) for a in one]


OBJECTS = {
    "1": [("cat", (1, 2, 20, 30)), ("dog", (30, 5, 60, 40), 1)],
    "2": [("dog", (0, 0, 64, 48))],
    "10": [],
}


@pytest.mark.parametrize("make", [make_voc, make_coco])
def test_both_layouts_are_read_alike(tmp_path, make):
    data = read(make(tmp_path / "data", OBJECTS))
    assert data.classes == ("cat", "dog")
    assert data.describe() == "3 pictures, 3 boxes in 2 classes"
    pictures = {one.name.rsplit("/", 1)[-1]: one for one in data.pictures}
    first = pictures["1.png"]
    assert first.boxes.tolist() == [[1, 2, 20, 30], [30, 5, 60, 40]] and first.labels.tolist() == [0, 1]
    assert first.is_hard.tolist() == [False, True] and first.size == (64, 48)
    assert len(pictures["10.png"]) == 0, "a picture without objects is one to learn from"
    assert data.counts.sum() == 3 and not data.found and not data.skipped
    assert data.file(0).is_file()


def test_voc_names_sides_by_lists_and_coco_by_files(tmp_path):
    data = read(make_voc(tmp_path / "voc", OBJECTS, {"train": ["1"], "val": ["2"], "test": ["10"]}))
    assert data.sides() == {"train": 1, "val": 1, "test": 1}
    make_coco(tmp_path / "coco", OBJECTS)
    make_coco(tmp_path / "coco", {"7": [("cat", (1, 1, 9, 9)), ("dog", (3, 3, 9, 9))]}, "valid")
    assert read(tmp_path / "coco").sides() == {"train": 3, "val": 1}
    assert read(tmp_path / "coco" / "annotations" / "instances_train.json").sides() == {"train": 3}


def test_every_faulty_box_is_named_with_file_and_line(tmp_path):
    rows = [
        ("cat", (5, 5, 5, 20)),
        ("cat", (60, 40, 90, 70)),
        ("cat", (70, 1, 90, 9)),
        ("cat", (1, 1, 9, 9)),
        ("cat", (1, 1, 9, 9)),
    ]
    root = make_voc(
        tmp_path / "data", {"1": rows, "2": [("cat", ("one", 1, 2, 3)), ("cat", (1, 1, 9, "nan")), ("", (1, 1, 9, 9))]}
    )
    data = read(root)
    found = {(one.what, one.file, one.line) for one in diagnose(data).findings}
    assert found == {
        ("no area", "Annotations/1.xml", 4),
        ("beyond the edge", "Annotations/1.xml", 5),
        ("outside", "Annotations/1.xml", 6),
        ("marked twice", "Annotations/1.xml", 8),
        ("no number", "Annotations/2.xml", 4),
        ("no number", "Annotations/2.xml", 5),
        ("no name", "Annotations/2.xml", 6),
    }
    assert data.pictures[0].boxes.tolist() == [[60, 40, 64, 48], [1, 1, 9, 9], [1, 1, 9, 9]]
    assert diagnose(data).cleaned.total == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotation>\n<object>\n</annotation>", "no whole XML: line 3"),
        ("", "no whole XML: line 1"),
        ("<html></html>", "is no annotation: its first element is <html>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "defines entities"),
        ('<?xml version="1.0" encoding="none"?><annotation/>', ""),
        (annotation("gone", []), "belongs to no picture"),
    ],
)
def test_a_broken_annotation_is_skipped_and_named(tmp_path, text, words):
    root = make_voc(tmp_path / "data", OBJECTS)
    (root / "Annotations" / "gone.xml").write_text(text)
    data = read(root)
    assert len(data) == 3 and [one.name for one in data.skipped] == ["Annotations/gone.xml"]
    assert words in data.skipped[0].reason and "\n" not in data.skipped[0].reason


@given(st.integers(0, 400), st.binary(min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_damage_anywhere_in_an_annotation_is_survived(tmp_path_factory, at, damage):
    root = make_voc(tmp_path_factory.mktemp("voc") / "data", OBJECTS)
    file = root / "Annotations" / "1.xml"
    text = file.read_bytes()
    file.write_bytes(text[: at % len(text)] + damage + text[at % len(text) + len(damage) :])
    data = read(root)
    assert len(data) + len(data.skipped) == 3
    for one in data.pictures:
        assert (area(one.boxes) > 0).all() and (one.boxes >= 0).all() and (one.boxes[:, 2] <= 64).all()


def test_a_picture_that_is_damaged_missing_or_not_annotated_is_named(tmp_path):
    root = make_voc(tmp_path / "data", OBJECTS)
    (root / "JPEGImages" / "2.png").write_bytes(b"no picture")
    picture(root / "JPEGImages" / "new.png")
    data = read(root)
    assert [one.name for one in data.skipped] == ["JPEGImages/2.png"]
    assert [(one.what, one.file) for one in data.found] == [("not annotated", "JPEGImages/new.png")]
    picture(root / "JPEGImages" / "1.png", (32, 24))
    found = {one.what for one in read(root).found if one.file == "Annotations/1.xml"}
    assert found == {"another size", "beyond the edge"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: "{", "line 1"),
        (lambda _: json.dumps({"images": [], "annotations": 3, "categories": []}), "no list of annotations"),
        (lambda facts: json.dumps({**facts, "annotations": [3]}), "no list of annotations"),
        (lambda facts: json.dumps({**facts, "annotations": []}), "found none"),
    ],
)
def test_a_json_that_is_not_cocos_is_refused_in_one_line(tmp_path, change, words):
    root = make_coco(tmp_path / "data", OBJECTS)
    file = root / "annotations" / "instances_train.json"
    text = change(json.loads(file.read_text()))
    file.write_text(text if text != "{" else '{"images": [}')
    with pytest.raises(GlassnetError) as caught:
        read(root)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_cocos_faults_are_named_and_no_path_leads_outside(tmp_path):
    root = make_coco(tmp_path / "data", OBJECTS)
    picture(tmp_path / "secret.png")
    file = root / "annotations" / "instances_train.json"
    facts = json.loads(file.read_text())
    facts["images"] += [{"id": 8, "file_name": "../secret.png"}, {"id": 9, "file_name": str(tmp_path / "secret.png")}]
    facts["annotations"] += [
        {"id": 70, "image_id": 1, "category_id": 99, "bbox": [1, 1, 2, 2]},
        {"id": 71, "image_id": 1, "category_id": 7, "bbox": [1, 1, "x", 2]},
        {"id": 72, "image_id": 1, "category_id": 7, "bbox": [1, 1, 0, 2]},
        {"id": 73, "image_id": 8, "category_id": 7, "bbox": [1, 1, 9, 2]},
    ]
    file.write_text(json.dumps(facts))
    data = read(root)
    assert len(data) == 3 and [one.name for one in data.skipped] == ["../secret.png", str(tmp_path / "secret.png")]
    assert sorted(one.what for one in data.found) == ["no area", "no name", "no number"]
    assert {word for one in data.found for word in one.words.split() if word.isdigit()} >= {"70", "71", "72"}


def test_a_common_class_that_is_not_marked_and_an_unusual_size_are_noticed(tmp_path):
    random, objects = np.random.default_rng(0), {}
    for i in range(30):
        cells = [("cell", (x, y, x + 8 + random.integers(0, 2), y + 8)) for x in (2, 20, 40) for y in (2, 20, 34)]
        objects[str(i)] = [*cells, ("core", (10, 10, 42, 42))]
    objects["7"] = objects["7"][-1:]
    objects["9"][0] = ("cell", (10, 10, 42, 41))
    diagnosis = diagnose(read(make_voc(tmp_path / "data", objects)))
    assert {(one.what, one.file, one.line) for one in diagnosis.findings} == {
        ("class not marked", "Annotations/7.xml", 0),
        ("unusual size", "Annotations/9.xml", 4),
    }
    (size,) = diagnosis.by_sort()["unusual size"]
    assert "a core would be of this size" in size.words
    assert len(diagnosis.cleaned) == 29 and diagnosis.absent.sum() == 1


def test_show_tells_what_is_there_and_leaves_a_sheet(glassnet, tmp_path):
    make_voc(
        tmp_path / "pets", {**OBJECTS, "3": [("cat", (5, 5, 5, 20)), ("cat", (1, 1, 9, 9))]}, {"train": ["1", "2"]}
    )
    answer = glassnet("show", "pets", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert (said["kind"], said["layout"], said["pictures"], said["boxes"], said["empty"]) == (
        "boxes",
        "PASCAL VOC",
        4,
        4,
        1,
    )
    assert said["counts"] == {
        "cat": {"boxes": 2, "pictures": 2, "train": 1},
        "dog": {"boxes": 2, "pictures": 2, "train": 2},
    }
    assert [(one["what"], one["line"]) for one in said["findings"]] == [("no area", 4)]
    with Image.open(tmp_path / said["sheet"]) as sheet:
        colours = {tuple(pixel) for pixel in np.asarray(sheet.convert("RGB")).reshape(-1, 3).tolist()}
    assert {(163, 32, 99), (29, 95, 168)} <= colours, "both classes are drawn"
    words = glassnet("show", "pets").out
    assert "4 pictures, 4 boxes in 2 classes, PASCAL VOC" in words and "Annotations/3.xml:4 cat at 5, 5, 5, 20" in words


def test_what_needs_a_class_for_each_example_says_so(glassnet, tmp_path):
    make_voc(tmp_path / "pets", OBJECTS)
    answer = glassnet("check", "pets")
    assert answer.code == 2 and "found boxes on pictures (PASCAL VOC)" in answer.err
    assert "To find such objects: glassnet train pets" in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_folder_without_a_box_is_refused(tmp_path):
    with pytest.raises(GlassnetError, match="expected boxes on pictures, found none"):
        finish(voc.read_steps(make_voc(tmp_path / "data", {"1": []})))
    (tmp_path / "empty" / "Annotations").mkdir(parents=True)
    (tmp_path / "empty" / "JPEGImages").mkdir()
    with pytest.raises(GlassnetError, match=r"expected an .xml for each picture, found none"):
        read(tmp_path / "empty")
    assert not coco.is_one(tmp_path)


@pytest.mark.data
def test_the_known_faults_of_the_blood_cells_are_found(real_data):
    data = read(real_data("blood-cells"))
    assert data.describe() == "364 pictures, 4,886 boxes in 3 classes" and data.sides() == {
        "train": 205,
        "val": 87,
        "test": 72,
    }
    found = diagnose(data).by_sort()
    assert {"BloodImage_00338", "BloodImage_00343"} == {one.file[12:28] for one in found["no area"]}
    assert len(found["marked twice"]) == 8 and len(found["class not marked"]) == 15
    assert "Annotations/BloodImage_00135.xml" in [one.file for one in found["unusual size"]]
