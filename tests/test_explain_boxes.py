"""Why a detector finds what it finds: votes that add up to its own figures, ways of boxes, neighbours, the truth."""

import json
import math

import numpy as np
import pytest
import torch
from box_data import annotation
from detectors import (
    ENGINES,
    PLAIN,
    REGIONS,
    explained,
    judge,
    learnt_by,
    noise,
    objects,
    random_net,
    seen_by,
    subject,
)  # fmt: skip
from PIL import Image

from glassnet.data.boxes.beside import beside
from glassnet.data.boxes.store import Sized
from glassnet.data.loader import Regions
from glassnet.explaining.detections import explain_boxes
from glassnet.explaining.nearest import TrainingPicture, learnt_steps, nearest, spread
from glassnet.explaining.regions import look_at
from glassnet.steps import finish
from glassnet.training.detection.detecting import Limits, Seen


def own_logits(net, engine, picture, boxes):
    """What the net's own layers make of regions, by another way than its explanation takes."""
    x = (torch.from_numpy(picture.astype(np.float32)) / 255 - 0.5) / 0.25
    regions = torch.from_numpy(boxes).float()
    with torch.no_grad():
        if engine == "fast":
            return net(x[None], Regions(regions, torch.zeros(len(boxes), dtype=torch.int64), regions)).numpy()
        crops = net.cut(x, regions)
        if engine == "softmax":
            return net(crops).numpy()
        for layer in list(net.net.children())[:-1]:
            crops = layer(crops)
        return net.svms(crops.flatten(1) * (20 / net.get_buffer("norms")[0])).numpy()


@pytest.mark.parametrize("engine", ENGINES)
def test_votes_add_up_to_the_logits_that_the_net_computes(engine):
    net, one = random_net(engine), subject(noise())
    found = explain_boxes(judge(net), one, seen_by(net, one))
    assert len(found.boxes) >= 2
    logits = own_logits(net, engine, one.whole, np.array([box.before for box in found.boxes]))
    for box, logit in zip(found.boxes, logits, strict=True):
        votes = box.votes
        assert np.allclose(votes.logit, logit, atol=1e-4, rtol=0)
        for voter in range(len(logit)):
            total = sum(float(v) * float(w) for v, w in zip(votes.values, votes.voters.weights[voter], strict=True))
            assert math.isclose(total + votes.voters.bias[voter], logit[voter], abs_tol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_votes_end_in_the_score_that_was_detected(engine):
    found = explained(engine)
    for box in found.boxes:
        assert math.isclose(box.votes.score, box.score, abs_tol=1e-5)
    assert found.boxes[0].votes.score_words == (
        "sigmoid of 2.00 × margin + 0.10" if engine == "rcnn" else "softmax of 3 logits"
    )
    voters = found.boxes[0].votes.voters
    assert voters.names == (("cat", "dog") if engine == "rcnn" else ("cat", "dog", "background"))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_features_told_the_rest_and_the_bias_are_all_there_is(engine):
    for box in explained(engine).as_json()["boxes"]:
        votes = box["votes"]
        assert len(votes["features"]) + votes["others"] == 12
        for mark in ("", "runner_up_"):
            told = sum(one[f"{mark}contribution"] for one in votes["features"])
            assert math.isclose(told + votes[f"{mark}rest"] + votes[f"{mark}bias"], votes[f"{mark}logit"], abs_tol=1e-9)
            for one in votes["features"]:
                assert math.isclose(one["value"] * one[f"{mark}weight"], one[f"{mark}contribution"], abs_tol=1e-9)
        ahead = [abs(one["contribution"] - one["runner_up_contribution"]) for one in votes["features"]]
        assert ahead == sorted(ahead, reverse=True) and all(ahead)


def test_the_only_class_of_svms_has_no_runner_up():
    found = explained("rcnn", ("cat",))
    votes = found.as_json()["boxes"][0]["votes"]
    assert votes["runner_up"] is None and votes["features"][0]["runner_up_weight"] is None
    assert np.array_equal(found.boxes[0].votes.difference, found.boxes[0].votes.contribution[0])


def made(boxes, scores, stands, kept, before=None):
    boxes = np.array(boxes, float)
    return Seen(
        REGIONS, np.zeros(len(boxes), np.int64), boxes if before is None else np.array(before, float), boxes,
        np.zeros(len(boxes), np.int64), np.array(scores), np.array(stands), np.array(kept),
    )  # fmt: skip


def test_how_far_a_box_was_moved_is_told_in_shares_of_where_it_was():
    seen = made([(14, 6, 38, 42)], [0.9], [0], [0], [(10, 10, 30, 50)])
    (box,) = explain_boxes(judge(random_net("fast")), subject(noise()), seen).boxes
    assert np.allclose([box.moved.dx, box.moved.dy, box.moved.width, box.moved.height], [0.3, -0.15, 0.2, -0.1])
    assert (box.proposal, box.before) == ((4, 4, 30, 30), (10, 10, 30, 50))


def test_the_boxes_that_gave_way_are_those_that_one_stands_for_the_surest_first():
    boxes = [(0, 0, 10, 10), (0, 0, 10, 5), (50, 50, 60, 60), (0, 0, 10, 8)]
    seen = made(boxes, [0.9, 0.3, 0.8, 0.4], [0, 0, 2, 0], [0, 2])
    first, second = explain_boxes(judge(random_net("fast")), subject(noise()), seen).boxes
    assert [(one.box, one.score, round(one.overlap, 6)) for one in first.removed] == [
        ((0, 0, 10, 8), 0.4, 0.8), ((0, 0, 10, 5), 0.3, 0.5),
    ]  # fmt: skip
    assert second.removed == ()


def test_of_very_many_boxes_the_surest_are_explained_and_all_are_counted():
    boxes = [(i, 0, i + 10, 10) for i in range(40)]
    scores = [0.9 - i / 100 for i in range(40)]
    found = explain_boxes(judge(random_net("fast")), subject(noise()), made(boxes, scores, range(40), range(40)))
    assert len(found.boxes) == 30 and found.counts == [("cat", 40)] and found.answer == "40 cat"


def test_a_box_below_its_threshold_is_not_explained_but_told():
    net = random_net("fast")
    found = explain_boxes(judge(net, thresholds=(0.5, 0.5)), subject(noise()), made([(0, 0, 9, 9)], [0.4], [0], [0]))
    assert found.boxes == () and found.answer == "nothing" and found.surest == (0, 0.4)
    empty = made(np.zeros((0, 4)), [], np.zeros(0, int), np.zeros(0, int))
    assert explain_boxes(judge(net), subject(noise()), empty).surest is None


def test_a_second_judgement_is_explained_where_it_was_made():
    net, one = random_net("fast"), subject(noise())
    seen = seen_by(net, one, Limits(0.3, twice=True))
    for box in explain_boxes(judge(net, twice=True), one, seen).boxes:
        logits = own_logits(net, "fast", one.whole, np.array([box.before]))
        assert np.allclose(box.votes.logit, logits[0], atol=1e-4) and box.before != box.proposal


def test_a_crop_is_the_part_of_the_picture_that_the_region_covers():
    picture = np.zeros((3, 72, 96), np.uint8)
    picture[0, :, :48], picture[2, :, 48:] = 200, 250
    one = Sized(picture, np.ones(2), (96, 72))
    boxes = np.array([(10, 10, 40, 40), (60, 20, 90, 50)], float)
    for engine in ("fast", "rcnn"):
        crops = look_at(random_net(engine), one, boxes, PLAIN, 24).crops
        assert crops.shape == (2, 3, 24, 24) and crops.dtype == np.uint8
        assert (crops[0].reshape(3, -1).T == (200, 0, 0)).all() and (crops[1].reshape(3, -1).T == (0, 0, 250)).all()


def test_the_nearest_objects_are_those_of_the_greatest_cosine_and_none_of_the_picture_itself():
    known, asked = learnt_by(2), np.random.default_rng(1).random((3, 12), np.float32)
    for row, found in zip(asked, nearest(known, asked, digest=4, most=5), strict=True):
        cosines = {
            i: float(row @ one / np.linalg.norm(row) / np.linalg.norm(one))
            for i, one in enumerate(known.features) if i != 4
        }  # fmt: skip
        best = sorted(cosines, key=cosines.get, reverse=True)[:5]
        assert [near.name for near in found] == [known.names[i] for i in best]
        assert np.allclose([near.similarity for near in found], [cosines[i] for i in best], atol=1e-5)


def test_training_objects_look_the_same_as_regions_that_are_asked_about():
    net, one = random_net("rcnn"), subject(noise())
    pictures = [TrainingPicture("a.png", 1, one.one, REGIONS[:2], np.array([0, 1])),
                TrainingPicture("b.png", 2, one.one, REGIONS[2:3], np.array([1]))]  # fmt: skip
    known = finish(learnt_steps(net, pictures, PLAIN))
    assert known.names == ["a.png", "a.png", "b.png"] and known.labels.tolist() == [0, 1, 1]
    assert np.allclose(known.features, look_at(net, one.one, REGIONS[:3], PLAIN, 96).features, atol=1e-5)


def test_objects_are_spread_over_classes_and_pictures_and_what_a_rare_class_leaves_goes_to_others():
    labels = [np.array([0, 0, 0, 1]), np.array([0, 0]), np.array([], int), np.array([0, 0, 0, 0])]
    chosen = spread(labels, 2, 4)
    assert [one.tolist() for one in chosen] == [[0, 3], [1], [], [3]]  # the one of class 1, then first, middle, last
    assert [len(one) for one in spread(labels, 2, 100)] == [4, 2, 0, 4]
    assert spread([], 2) == []


TRUTH = objects([(0, 0, 10, 10), (50, 50, 60, 60), (20, 40, 30, 50)], [0, 0, 1], [False, False, False])


def test_boxes_are_held_against_what_is_marked_and_missed_objects_say_why():
    seen = made([(0, 0, 10, 8), (0, 0, 10, 9), (80, 0, 90, 10)], [0.9, 0.5, 0.3], [0, 1, 2], [0, 1, 2])
    found = explain_boxes(judge(random_net("fast")), subject(noise(), TRUTH), seen)
    assert [box.verdict.words for box in found.boxes] == [
        "right: cat is marked there, overlapped by 0.80",
        "false: a surer box has this cat already",
        "false: nothing is marked there",
    ]
    assert [box.verdict.is_right for box in found.boxes] == [True, False, False]
    assert (found.objects, found.right, found.false) == (3, 1, 2)
    assert [(one.label, one.stage) for one in found.missed] == [(0, "proposed"), (1, "proposed")]
    told = found.as_json()["missed"]
    assert told[0]["box"] == [50, 50, 60, 60] and told[0]["why"].startswith("no proposal overlaps it by 0.50")


def test_a_box_on_a_difficult_object_is_neither_right_nor_false():
    hard = objects([(0, 0, 10, 10)], [0], [True])
    found = explain_boxes(judge(random_net("fast")), subject(noise(), hard), made([(0, 0, 10, 9)], [0.9], [0], [0]))
    assert found.boxes[0].verdict.is_right is None and (found.objects, found.right, found.false) == (0, 0, 0)
    assert "missed" in found.as_json() and "missed" not in explained().as_json()


def test_a_picture_is_found_in_its_annotations_and_no_other_is(tmp_path):
    for folder in ("JPEGImages", "Annotations", "elsewhere"):
        (tmp_path / folder).mkdir()
    for name in ("one", "two", "empty", "broken"):
        Image.fromarray(noise().transpose(1, 2, 0)).save(tmp_path / "JPEGImages" / f"{name}.png")
    Image.fromarray(noise().transpose(1, 2, 0)).save(tmp_path / "elsewhere" / "one.png")
    rows = [("square", 5, 6, 20, 30), ("disc", 40, 10, 60, 30), ("disc", 7, 7, 7, 7)]
    for name, boxes in (("one", rows), ("empty", [])):
        (tmp_path / "Annotations" / f"{name}.xml").write_text(annotation(f"{name}.png", (96, 72), boxes))
    (tmp_path / "Annotations" / "broken.xml").write_text("<annotation><object>")
    pictures = tmp_path / "JPEGImages"
    found = beside(pictures / "one.png")
    assert found.classes == ("disc", "square") and found.one.labels.tolist() == [1, 0]
    assert found.one.boxes.tolist() == [[5, 6, 20, 30], [40, 10, 60, 30]]
    assert len(beside(pictures / "empty.png").one) == 0
    assert [beside(one) for one in (pictures / "two.png", pictures / "broken.png", tmp_path / "elsewhere/one.png")] == [
        None, None, None,
    ]  # fmt: skip


def test_a_picture_is_found_in_cocos_json_beside_it(tmp_path):
    (tmp_path / "train").mkdir()
    for name in ("one", "two", "bare"):
        Image.fromarray(noise().transpose(1, 2, 0)).save(tmp_path / "train" / f"{name}.png")
    facts = {
        "images": [{"id": i, "file_name": f"{name}.png"} for i, name in enumerate(("one", "two"))],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 3, "bbox": [5, 6, 15, 24]}],
        "categories": [{"id": 3, "name": "cat"}],
    }
    (tmp_path / "train" / "_annotations.coco.json").write_text(json.dumps(facts))
    found = beside(tmp_path / "train" / "one.png")
    assert found.classes == ("cat",) and found.one.boxes.tolist() == [[5, 6, 20, 30]]
    assert len(beside(tmp_path / "train" / "two.png").one) == 0
    assert beside(tmp_path / "train" / "bare.png") is None
