"""The SVMs and the regression of R-CNN, against scikit-learn and numpy; left in the middle and gone on with."""

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC
from test_detector_learning import CPU, PLAIN, scene, store_of

from glassnet.data.boxes.geometry import overlap
from glassnet.nets.rcnn import cropped
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.warping import Crops
from glassnet.nets.text import parse
from glassnet.training.checkpoints import Checkpoints
from glassnet.training.detection import fitting, ridge, svm
from glassnet.training.detection.feeding import look
from glassnet.training.detection.fitting import Fitter
from glassnet.training.detection.ground import Ground
from glassnet.training.detection.svm import Svm

FEATURES = 12


def test_the_constants_are_those_of_the_papers_code():
    assert (svm.COST, svm.POSITIVE, svm.CONSTANT) == (1e-3, 2.0, 10.0)
    assert (svm.HARD, svm.EASY, svm.RETRAINED) == (-1.0, -1.2, 2000)
    assert (fitting.OTHER, fitting.NEAR, ridge.PENALTY, ridge.LEAST, cropped.NORM) == (0.3, 0.6, 1000.0, 1e-3, 20.0)


def two_clouds(positives, negatives, apart=1.0, seed=0):
    """Features of a mean norm of 20, a little mixed."""
    random = torch.Generator().manual_seed(seed)
    middle = torch.randn(FEATURES, generator=random)
    one, other = (torch.randn(n, FEATURES, generator=random) for n in (positives, negatives))
    whole = torch.cat([one + middle * apart / 2, other - middle * apart / 2])
    whole = whole * 20 / whole.norm(dim=1).mean()
    return whole[:positives], whole[positives:]


def objective(weight, bias, positives, negatives):
    """What the SVM makes least: half its squared length, the bias being a weight of 10, and C times each hinge."""
    hinge = (1 - positives @ weight - bias).clamp(min=0).sum() * 2 + (1 + negatives @ weight + bias).clamp(min=0).sum()
    return float((weight @ weight + (bias / 10) ** 2) / 2 + 1e-3 * hinge)


def test_with_few_negatives_it_is_the_svm_of_all_data():
    positives, negatives = two_clouds(60, 300)
    one = Svm(positives, 0)
    for some in negatives.split(50):
        one.add_negatives(some)
    weight, bias = one.finished()
    model = LinearSVC(loss="hinge", C=1e-3, class_weight={0: 1, 1: 2}, intercept_scaling=10, max_iter=100_000, tol=1e-8)
    model.fit(torch.cat([positives, negatives]).numpy(), [1] * 60 + [0] * 300)
    best = objective(
        torch.tensor(model.coef_[0]).float(), torch.tensor(model.intercept_[0]).float(), positives, negatives
    )
    assert objective(weight, bias, positives, negatives) == pytest.approx(best, rel=1e-3)
    assert torch.allclose(weight, torch.tensor(model.coef_[0]).float(), atol=0.02)
    assert ((positives @ weight + bias) > 0).float().mean() > 0.9


def test_hard_negatives_are_kept_and_easy_ones_let_go():
    positives, negatives = two_clouds(40, 6000, apart=3.0)
    one, seen = Svm(positives, 0), 0
    for some in negatives.split(500):
        before, was, fitted = len(one.negatives), (one.weight.clone(), one.bias.clone()), one.fitted
        one.add_negatives(some)
        hard = int((some @ was[0] + was[1] > -1).sum()) if fitted else len(some)
        if one.new:  # not fitted again
            assert len(one.negatives) == before + hard
        else:
            assert (one.negatives @ one.weight + one.bias).min() >= -1.2
        seen += hard
    assert one.fitted and seen < 6000 and len(one.negatives) < 2000
    weight, bias = one.finished()
    model = LinearSVC(loss="hinge", C=1e-3, class_weight={0: 1, 1: 2}, intercept_scaling=10, max_iter=100_000, tol=1e-6)
    model.fit(torch.cat([positives, negatives]).numpy(), [1] * 40 + [0] * 6000)
    best = objective(
        torch.tensor(model.coef_[0]).float(), torch.tensor(model.intercept_[0]).float(), positives, negatives
    )
    assert objective(weight, bias, positives, negatives) < 1.05 * best, "the easy ones hardly count"


def test_it_is_fitted_again_after_2000_new_negatives_and_at_the_end():
    positives, negatives = two_clouds(40, 2500)
    one = Svm(positives, 0)
    one.add_negatives(negatives[:1999])
    assert not one.fitted and one.new == len(one.negatives) == 1999
    one.add_negatives(negatives[1999:2000])
    assert one.fitted and one.new == 0
    before = one.weight.clone()
    one.add_negatives(negatives[2000:])
    assert torch.equal(one.weight, before) and 0 < one.new <= 500
    assert not torch.equal(one.finished()[0], before) and one.new == 0


def test_an_svm_goes_on_from_its_state():
    positives, negatives = two_clouds(30, 3000)
    one = Svm(positives, 7)
    one.add_negatives(negatives[:2100])
    one.add_negatives(negatives[2100:2200])
    other = Svm.of(one.state(), 7)
    for each in (one, other):
        each.add_negatives(negatives[2200:])
    assert all(torch.equal(a, b) for a, b in zip(one.finished(), other.finished(), strict=True))


def test_without_positives_or_without_negatives_it_says_no():
    positives, negatives = two_clouds(5, 5000)
    none = Svm(positives[:0], 0)
    for some in negatives.split(1000):
        none.add_negatives(some)
    assert not len(none.negatives), "they would fill the memory for nothing"
    for one in (none, Svm(positives, 0)):
        weight, bias = one.finished()
        assert not weight.any() and float(bias) == -1


BRIGHT, DARK = 0, 1


def squares(count=12, seed=0, side=48):
    """Grey pictures with a bright and a dark square each, with regions on, near and off them."""
    random = np.random.default_rng(seed)
    pictures, scenes = [], []
    for _ in range(count):
        picture = np.clip(random.normal(128, 6, (3, side, side)), 0, 255)
        size = random.integers(10, 15, 2)
        corner = (
            random.integers(0, [side // 2 - size[0], side - size[0]]),
            random.integers(0, [side // 2 - size[1]] * 2),
        )
        boxes = []
        for k, level in ((BRIGHT, 240), (DARK, 15)):
            x, y = int(corner[k][0]) + k * side // 2, int(corner[k][1])
            picture[:, y : y + size[k], x : x + size[k]] += level - 128
            boxes.append((x, y, x + size[k], y + size[k]))
        near = np.repeat(np.array(boxes, float), 4, 0) + random.uniform(-2, 2, (8, 4))
        corners = random.uniform(0, side - 12, (20, 2))
        others = np.concatenate([corners, corners + random.uniform(8, 12, (20, 2))], 1)
        pictures.append(picture.clip(0, 255).astype(np.uint8))
        scenes.append(scene(boxes, [BRIGHT, DARK], np.concatenate([near, others])))
    return Ground(store_of(pictures), tuple(scenes), 2)


def net(classes=2):
    return Cropped(parse("conv 6 3/2, relu, conv 8 3/2, relu, fc 10, relu, fc"), Crops(12), classes, 3).eval()


def fit(made, pictures=None, one=None):
    one = one or net()
    rows = np.arange(len(made.scenes)) if pictures is None else np.array(pictures)
    return Fitter(one, made, rows, PLAIN, "float32", 5)


def scores(one, made, i):
    return one.regions(look(made.store[i], PLAIN).to(CPU), made.scenes[i].boxes).scores


def test_svms_tell_squares_apart_on_pictures_they_never_saw():
    made, others = squares(), squares(6, seed=9)
    fitter = fit(made)
    steps = list(fitter.run())
    assert [step.done for step in steps] == list(range(1, 25)) and {step.total for step in steps} == {24}
    assert steps[-1].seconds_left == 0 and all(step.seconds_left >= 0 for step in steps)
    assert fitter.net.has_svms
    for i in range(6):
        objects = scores(fitter.net, others, i)
        assert objects.argmax(1).tolist() == [BRIGHT, DARK]
        judged = fitter.net.regions(look(others.store[i], PLAIN), others.scenes[i].proposals)
        share = overlap(others.scenes[i].proposals.double().numpy(), others.scenes[i].boxes.double().numpy())
        for k in (BRIGHT, DARK):
            assert objects[k, k] > judged.scores[share[:, k] == 0, k].max()


def test_features_have_a_mean_norm_of_20_and_all_are_scaled_alike():
    made = squares(count=4)
    fitter = fit(made)
    steps = fitter.run()
    for _ in range(5):  # the first pass and a picture of the second
        next(steps)
    features, pooled = [], []
    for i, one in enumerate(made.scenes):
        some = torch.from_numpy(np.random.default_rng([5, 7, i]).permutation(len(one.proposals))[:16])
        boxes = torch.cat([one.boxes, one.proposals[some]])
        mine, places = fitter.net.look(look(made.store[i], PLAIN), boxes)
        features.append(mine)
        pooled.append(places)
    assert float(torch.cat(features).norm(dim=1).mean()) == pytest.approx(20, rel=1e-4)
    assert float(torch.cat(pooled).norm(dim=1).mean()) == pytest.approx(20, rel=1e-4)
    for k in (BRIGHT, DARK):
        objects = torch.stack([mine[k] for mine in features])
        assert torch.allclose(fitter.svms[k].positives, objects, rtol=1e-4, atol=1e-4)


def test_negatives_overlap_no_object_of_the_class_nor_a_hard_one():
    """The half of a square overlaps it by 0.5: neither an example nor a negative, but one of the other class."""
    half, off = (4, 4, 14, 9), (30, 30, 40, 40)
    one = scene([(4, 4, 14, 14), (20, 20, 28, 28)], [BRIGHT, DARK], [half, off, (20, 20, 28, 29)], hard=[False, True])
    made = Ground(store_of([np.full((3, 48, 48), 90, np.uint8)]), (one,), 2)
    fitter = fit(made)
    list(fitter.run())
    assert len(fitter.svms[BRIGHT].positives) == 1 and len(fitter.svms[BRIGHT].negatives) == 1, "the one off both"
    assert len(fitter.svms[DARK].positives) == 0
    assert fitter.ridges[BRIGHT].count == 1 and fitter.ridges[DARK].count == 0


def test_pictures_that_are_not_wholly_marked_give_no_negatives_and_empty_ones_nothing():
    pictures = [np.full((3, 48, 48), 90, np.uint8)] * 2
    partly = scene([(4, 4, 14, 14)], [BRIGHT], [(30, 30, 40, 40)], whole=False)
    fitter = fit(Ground(store_of(pictures), (partly, scene()), 2))
    list(fitter.run())
    assert not any(len(one.negatives) for one in fitter.svms) and len(fitter.svms[BRIGHT].positives) == 1
    assert all(weight.isfinite().all() for weight in fitter.net.state_dict().values())


@pytest.fixture(scope="module")
def whole():
    """A fit that was never left."""
    fitter = fit(squares(count=6))
    list(fitter.run())
    return fitter


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 10, 12])
def test_a_fit_left_in_the_middle_ends_with_the_same_weights(stop, tmp_path, whole):
    made = squares(count=6)
    first, steps, snapshot = fit(made), None, None
    steps = first.run()
    for _ in range(stop):
        next(steps)
    snapshot = first.snapshot()
    Checkpoints(tmp_path).save(snapshot, stop, 0)
    list(steps)  # going on changes nothing of what was kept
    kept, notes = Checkpoints(tmp_path).latest()
    assert not notes
    for state in (kept, snapshot):
        second = fit(made)
        second.restore(state)
        assert len(list(second.run())) == 12 - stop
        for name, weight in whole.net.state_dict().items():
            assert torch.equal(second.net.state_dict()[name], weight), name
