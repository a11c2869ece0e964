"""ConvNetClassifier keeps scikit-learn's contract, and reads pictures, series, volumes and rows as it says."""

import io
import json
import os
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from torch.nn import functional

import glassnet as gn
from glassnet.data import grids
from glassnet.data.kinds import KINDS
from glassnet.nets.network import Criterion

CHECKS = """
import json
import glassnet as gn
from sklearn.utils.estimator_checks import check_estimator
print(json.dumps({one["check_name"]: one["status"] for one in check_estimator(gn.ConvNetClassifier())}))
"""


def test_scikit_learns_own_checks_pass_and_none_is_left_out():
    """In a process of its own, for SCIPY_ARRAY_API counts only before SciPy is imported; a skipped check warns."""
    words = [sys.executable, "-W", "error", "-c", CHECKS]
    made = subprocess.run(words, env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert len(found) > 50
    assert set(found.values()) == {"passed"}


@pytest.fixture(scope="module")
def digits():
    """(X, y) of 200 digits, and of 200 others."""
    x, y = load_digits(return_X_y=True)
    return x[:200], y[:200], x[200:400], y[200:400]


@pytest.fixture(scope="module")
def fitted(digits):
    """A classifier of digits folded into pictures."""
    return gn.ConvNetClassifier(shape=(8, 8), epochs=12).fit(*digits[:2])


def small(**chosen):
    """A classifier that learns in a moment."""
    return gn.ConvNetClassifier("conv 4 3, batchnorm, relu, mean, fc", **{"epochs": 4, **chosen})


def across_or_down(shape, seed=0):
    """60 grids of a shape (60, *S) that grow along their last axis or along the one before, and which."""
    random = np.random.default_rng(seed)
    y = np.arange(60) % 2
    last = np.broadcast_to(np.arange(shape[-1]) / shape[-1], shape)
    before = np.broadcast_to((np.arange(shape[-2]) / shape[-2])[:, None], shape)
    grown = np.where(y.reshape(-1, *[1] * len(shape)) == 1, last, before)
    return grown + random.normal(0, 0.1, grown.shape), np.array(["across", "down"])[1 - y]


# What it learns


def test_rows_folded_into_pictures_are_told_apart(fitted, digits):
    assert fitted.score(*digits[2:]) > 0.85
    assert fitted.axes_ == "NHW" and fitted.model_.card.kind == "pictures" and fitted.n_features_in_ == 64
    assert fitted.classes_.tolist() == list(range(10)), "the labels themselves, not their names"
    assert fitted.predict_proba(digits[2]).sum(1) == pytest.approx(np.ones(200))


def test_the_model_explains_what_the_classifier_decides(fitted, digits):
    why = gn.explain(fitted.model_, digits[2][0].reshape(8, 8))
    logit = fitted.decision_function(digits[2][:1])[0]
    assert why.votes.contribution.sum(1) + why.votes.bias == pytest.approx(logit, rel=1e-4, abs=1e-5)
    assert why.classes[why.answer] == str(fitted.predict(digits[2][:1])[0])


@pytest.mark.parametrize(
    ("shape", "axes", "kind"),
    [
        ((6, 7), "NHW", "pictures"),
        ((3, 40), "NCT", "series"),
        ((1, 9, 9), "NCHW", "pictures"),
        ((5, 6, 7), "NDHW", "volumes"),
        ((2, 5, 6, 7), "NCDHW", "volumes"),
    ],
)
def test_grids_of_every_kind_are_learnt(shape, axes, kind):
    x, y = across_or_down(shape)
    classifier = small(epochs=30).fit(x, y)
    assert (classifier.axes_, classifier.model_.card.kind) == (axes, kind)
    assert classifier.score(*across_or_down(shape, seed=1)) > 0.9
    assert not hasattr(classifier, "n_features_in_"), "grids have no columns that could be counted"


def test_bytes_stay_bytes_and_may_be_asked_about_as_numbers():
    x, y = across_or_down((6, 7))
    x = (x.clip(0, 1) * 255).astype(np.uint8)
    classifier = small().fit(x, y)
    assert classifier.model_.card.full_scale == 255
    assert (classifier.decision_function(x) == classifier.decision_function(x.astype(float))).all()


def test_a_table_keeps_its_columns_names():
    x = np.eye(3, dtype=np.float32)[:, None]  # (3, 1, 3)
    data = grids.dataset(KINDS["tables"], x, np.arange(3), ("a", "b", "c"), columns="uvw")
    assert data.preparation.settings["columns"] == "u\nv\nw"
    assert data.describe() == "3 rows in 3 classes, 3 columns"


# Which axis is what


def test_where_the_channels_stand_makes_no_difference():
    x, y = across_or_down((3, 8, 9))
    first = small().fit(x, y)
    last = small().fit(x.transpose(0, 2, 3, 1), y)
    assert (first.axes_, last.axes_) == ("NCHW", "NHWC")
    assert (first.decision_function(x) == last.decision_function(x.transpose(0, 2, 3, 1))).all()


@pytest.mark.parametrize(
    ("shape", "told", "read"),
    [
        ((9, 8, 6), None, ("pictures", "NHW", (1, 8, 6))),
        ((9, 6, 30), None, ("series", "NCT", (6, 30))),
        ((9, 30, 6), None, ("series", "NTC", (6, 30))),
        ((9, 6, 30), "NHW", ("pictures", "NHW", (1, 6, 30))),
        ((9, 20, 30), "nct", ("series", "NCT", (20, 30))),
        ((9, 30), None, ("tables", "NF", (1, 30))),
        ((9, 30), "NT", ("series", "NT", (1, 30))),
        ((9, 8, 8, 3), None, ("pictures", "NHWC", (3, 8, 8))),
        ((9, 3, 8, 8), None, ("pictures", "NCHW", (3, 8, 8))),
        ((9, 3, 8, 3), None, ("pictures", "NCHW", (3, 8, 3))),
        ((9, 3, 8, 3), "NHWC", ("pictures", "NHWC", (3, 3, 8))),
        ((9, 8, 3, 5), "NWCH", ("pictures", "NWCH", (3, 5, 8))),
        ((9, 6, 7, 8), None, ("volumes", "NDHW", (1, 6, 7, 8))),
        ((9, 6, 7, 8, 2), None, ("volumes", "NDHWC", (2, 6, 7, 8))),
    ],
)
def test_axes_are_read_as_the_docstring_says(shape, told, read):
    found = grids.layout(shape, told)
    assert (found.kind, found.axes, found.shape) == read


def test_values_stand_where_their_letters_say():
    x = np.arange(2 * 4 * 3 * 5).reshape(2, 4, 3, 5).astype(np.float32)
    assert (grids.layout(x.shape, "NWCH").examples(x) == np.moveaxis(x, 1, 3)).all()


# scikit-learn's tools


def test_it_stands_at_the_end_of_a_pipeline_and_is_searched_over(digits):
    x, y, others, labels = digits
    pipeline = make_pipeline(StandardScaler(), gn.ConvNetClassifier(shape=(8, 8), epochs=8))
    search = GridSearchCV(pipeline, {"convnetclassifier__net": ["fc", "conv 8 3, batchnorm, relu, fc"]}, cv=2)
    assert search.fit(x, y).score(others, labels) > 0.75
    assert set(search.cv_results_["param_convnetclassifier__net"]) == {"fc", "conv 8 3, batchnorm, relu, fc"}


def test_grids_go_through_cross_validation_and_bagging():
    x, y = across_or_down((8, 8))
    assert cross_val_score(small(epochs=30), x, y, cv=2).min() > 0.9
    assert (
        BaggingClassifier(small(shape=(8, 8), epochs=30), 2).fit(x.reshape(60, -1), y).score(x.reshape(60, -1), y) > 0.9
    )


def test_a_search_takes_numbers_from_numpy():
    x, y = across_or_down((8, 8))
    chosen = {"epochs": np.int64(2), "batch": np.int64(16), "learning_rate": np.float32(0.01)}
    copy = pickle.loads(pickle.dumps(small().set_params(random_state=np.int64(3), **chosen).fit(x, y)))
    assert copy.model_.card.seed == 3 and copy.model_.card.training["recipe"]["batch"] == 16


def test_a_random_state_gives_the_same_net_twice():
    x, y = across_or_down((6, 7))
    first, again, other = (small(random_state=seed).fit(x, y).decision_function(x) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()
    drawn = [small(random_state=np.random.RandomState(5)).fit(x, y).decision_function(x) for _ in range(2)]
    assert (drawn[0] == drawn[1]).all()


def test_the_order_of_the_rows_makes_no_difference():
    x, y = across_or_down((6, 7))
    turned = np.random.default_rng(0).permutation(len(y))
    assert (small().fit(x, y).decision_function(x) == small().fit(x[turned], y[turned]).decision_function(x)).all()


def test_a_weight_is_so_many_equal_pictures_to_the_last_bit():
    x, y = across_or_down((6, 7))
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    weighed = small().fit(x, y, sample_weight=weight)
    repeated = small().fit(x.repeat(weight, 0), y.repeat(weight))
    assert (weighed.decision_function(x) == repeated.decision_function(x)).all()
    assert (weighed.decision_function(x) != small().fit(x, y).decision_function(x)).any()


def test_classes_that_weights_make_even_are_not_weighed_once_more():
    x, y = across_or_down((6, 7))
    few = np.concatenate([np.flatnonzero(y == "across"), np.flatnonzero(y == "down")[:6]])  # 30 and 6
    even = np.where(y[few] == "across", 1.0, 5.0)
    plain, weighed = (small(epochs=1).fit(x[few], y[few], sample_weight=weight) for weight in (None, even))
    one, other = plain.model_.card.training["recipe"]["class_weight"]
    assert other / one == pytest.approx(5**0.5), "a rare class counts more, by one over the root of its share"
    assert weighed.model_.card.training["recipe"]["class_weight"] is None


def test_the_loss_of_weighed_examples_is_that_of_so_many_copies():
    random = torch.Generator().manual_seed(0)
    logits, y = torch.randn(5, 3, generator=random), torch.tensor([0, 1, 2, 1, 0])
    times = torch.tensor([3, 1, 2, 1, 4])
    criterion = Criterion(0.1, torch.tensor([0.5, 1.0, 2.0]))
    copies = functional.cross_entropy(
        logits.repeat_interleave(times, 0), y.repeat_interleave(times), criterion.weight, label_smoothing=0.1
    )
    assert float(criterion.of(logits, y, times.float())) == pytest.approx(float(copies), rel=1e-6)


def test_examples_are_held_out_only_where_they_can_tell_something(fitted):
    assert fitted.model_.metrics == {} and fitted.model_.card.data["examples"]["val"] == 0
    x, y = load_digits(return_X_y=True)
    many = gn.ConvNetClassifier("fc", shape=(8, 8), epochs=2).fit(x[:600], y[:600])
    val = many.model_.metrics["val"]["examples"]
    assert 50 <= val <= 70 and many.model_.card.data["examples"] == {
        "train": 600 - val, "val": val, "test": 0, "skipped": 0,
    }  # fmt: skip
    assert many.model_.familiar is not None and many.model_.temperature != 1
    assert many.set_params(validation_fraction=0).fit(x[:600], y[:600]).model_.card.data["examples"]["train"] == 600


# Pickles


def test_a_pickle_answers_to_the_bit_and_holds_nothing_of_torch(fitted, digits):
    data = pickle.dumps(fitted)
    found = []

    class Watched(pickle.Unpickler):
        def find_class(self, module, name):
            found.append(f"{module}.{name}")
            return super().find_class(module, name)

    again = Watched(io.BytesIO(data)).load()
    assert again.decision_function(digits[2]).tobytes() == fitted.decision_function(digits[2]).tobytes()
    assert again.model_.card == fitted.model_.card
    assert {one.partition(".")[0] for one in found} <= {"glassnet", "numpy"}, found
    assert [one for one in found if one.startswith("glassnet")] == ["glassnet.doors.estimator.ConvNetClassifier"]
    assert not [arg for _, arg, _ in pickletools.genops(data) if isinstance(arg, str) and "torch" in arg]
    assert again.model_.name == fitted.model_.name, "no temporary folder is left in its name"


def test_a_damaged_pickle_is_refused(fitted):
    state = fitted.__getstate__()
    weights = bytearray(state["model_"]["model.safetensors"])
    weights[-1] ^= 1
    state["model_"] = {**state["model_"], "model.safetensors": bytes(weights)}
    with pytest.raises(gn.GlassnetError, match="checksum"):
        clone(fitted).__setstate__(state)


def test_a_fitted_model_is_saved_as_a_model_folder(fitted, digits, tmp_path):
    model = gn.load(fitted.model_.save(tmp_path / "model"))
    assert [one.label for one in model.predict(digits[2][:5].reshape(5, 8, 8))] == [
        str(label) for label in fitted.predict(digits[2][:5])
    ]


# Further


def test_partial_fit_learns_batch_after_batch(digits):
    x, y, others, labels = digits
    classifier = gn.ConvNetClassifier(shape=(8, 8))
    for _ in range(10):
        for part in range(0, 200, 50):
            classifier.partial_fit(x[part : part + 50], y[part : part + 50], classes=range(10))
    assert classifier.score(others, labels) > 0.8
    assert classifier.model_.card.training["epochs"] == 40
    assert len(classifier.model_.history.splitlines()) == 41, "a header, and a line for each look"


def test_partial_fit_goes_on_from_the_weights_there_are(fitted, digits):
    x, y, others, _ = digits
    again = pickle.loads(pickle.dumps(fitted))
    begun = again.decision_function(others)
    again.model_.card.training["recipe"]["learning_rate"] = 1e-9
    still = again.partial_fit(x[:50], y[:50]).decision_function(others)
    assert np.abs(still - begun).max() < 0.25 * np.abs(begun).max(), "only the batch norms have moved"
    assert (fitted.decision_function(others) == begun).all(), "the one it was copied from stays"


def test_partial_fit_may_begin_without_examples_of_some_classes(digits):
    x, y = digits[:2]
    classifier = gn.ConvNetClassifier(shape=(8, 8)).partial_fit(x[y < 3], y[y < 3], classes=np.arange(10))
    assert classifier.predict_proba(x).shape == (200, 10) and set(classifier.predict(x)) <= set(range(10))


# What can't be


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"net": "conv 8 3, relu"}, "the net: expected a bare `fc` at the end"),
        ({"net": "resnet19"}, "net: no net is called resnet19. Did you mean resnet18."),
        ({"epochs": 0}, "epochs: expected a whole number from 1 to 100,000, found 0."),
        ({"epochs": 2.5}, "epochs: expected a whole number, found 2.5."),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, found 'fast'."),
        ({"random_state": -1}, "random_state: expected a whole number from 0 to"),
        ({"device": "tpu"}, "device: expected auto, cpu, cuda or mps"),
        ({"validation_fraction": 1.0}, "validation_fraction: expected a share from 0 to less than 1, found 1.0."),
        ({"axes": "NCHW"}, "X: expected an array of the axes NCHW, found one of 60x6x7."),
        ({"axes": "HWC"}, "axes: expected N and then the letters of F, T, HW, DHW, with or without a C, found 'HWC'."),
        ({"net": 3}, "net: expected a text, found 3."),
        ({"device": None}, "device: expected a text, found None."),
        ({"axes": 3}, "axes: expected a text, found 3."),
        ({"shape": "8x8"}, "shape: expected a shape, as (8, 8), found '8x8'."),
        ({"shape": (6, 7)}, "X: expected rows of 42 values, for shape=(6, 7), found 60x6x7."),
    ],
)
def test_a_wrong_parameter_is_answered_in_a_line_of_its_name(wrong, words):
    x, y = across_or_down((6, 7))
    with pytest.raises(gn.GlassnetError) as caught:
        small().set_params(**wrong).fit(x, y)
    assert str(caught.value).startswith(words), str(caught.value)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)


def test_arrays_that_are_no_examples_are_answered_in_a_line():
    x, y = across_or_down((6, 7))
    classifier = small().fit(x, y)
    for ask, words in (
        (lambda: classifier.predict(x[:, :5]), "X: expected examples of 1x6x7, found 1x5x7"),
        (lambda: classifier.predict(x[:, None]), "X: expected an array of the axes NHW, found one of 60x1x6x7"),
        (lambda: small().fit(np.zeros((4, 1, 2, 3, 4, 5)), [0, 1, 0, 1]), "X: expected (N, columns), (N, H, W[, C])"),
        (lambda: small().fit(x, ["one"] * 60), "y: expected at least two classes, found one class, one"),
        (
            lambda: small().fit(x, y, sample_weight=-np.ones(60)),
            "sample_weight: expected weights of 0 and more, found -1",
        ),
        (lambda: small().partial_fit(x, y), "classes: expected classes at the first call of partial_fit, found none"),
        (lambda: small().partial_fit(x, y, ["up", "down"]), "y: expected classes of down, up, found across"),
        (lambda: clone(classifier).partial_fit(x, y, ["across"]), "classes: expected at least two classes"),
        (lambda: classifier.partial_fit(x, y, ["up", "down"]), "classes: expected the classes of the first call"),
    ):
        with pytest.raises(ValueError, match=r"^\S") as caught:
            ask()
        assert str(caught.value).startswith(words), str(caught.value)


def test_what_float32_cannot_hold_is_refused():
    x, y = across_or_down((6, 7))
    x[3, 2, 1] = 1e60
    with pytest.raises(ValueError, match="too large for dtype"):
        small().fit(x, y)


def test_glassnet_loads_no_scikit_learn_until_it_is_asked_for():
    code = "import sys, glassnet; print('sklearn' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_scaling_inside_a_pipeline_leaves_rows_of_a_table_to_learn(digits):
    x, y, others, labels = digits
    table = make_pipeline(MinMaxScaler(), gn.ConvNetClassifier(epochs=20)).fit(x, y)
    assert table.score(others, labels) > 0.8
    assert table[-1].model_.card.net == "fc 64, relu, fc" and table[-1].axes_ == "NF"
