"""ConvNetClassifier: a ConvNet as a scikit-learn estimator, for arrays of pictures, series, volumes and rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from glassnet.config import Training
from glassnet.data import grids
from glassnet.data.dataset import Array, Dataset
from glassnet.data.kinds import KINDS
from glassnet.doors.fitting import fit, fit_further
from glassnet.doors.packed import pack, unpack
from glassnet.doors.parameters import as_value_errors, choice, real, share, sides, whole, word
from glassnet.errors import GlassnetError
from glassnet.training.evaluate import softmax
from glassnet.training.machine import using
from glassnet.words import by, counted, listed

if TYPE_CHECKING:
    from glassnet.doors.model import Model

ASKED = 4_000_000  # values of the examples that are asked about at a time
MODEL = "model_"


class ConvNetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A ConvNet that scikit-learn can fit, ask, score, clone, search over and put into pipelines.

        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
        import glassnet as gn

        X, y = load_digits(return_X_y=True)                    # (1797, 64): each row a picture of 8 x 8
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
        classifier = gn.ConvNetClassifier(shape=(8, 8)).fit(X_train, y_train)
        print(classifier.score(X_test, y_test))
        gn.explain(classifier.model_, X_test[0].reshape(8, 8)).save("why.html")

    X: an array whose first axis is that of the examples. What the others are is told from its shape, or by `axes`:

    - (N, columns): rows of a table, (1, columns) to the net. Their columns have no order, so that the net is fully
      connected unless `net` says otherwise; bring them to one scale first. With `shape` each row is folded into a grid.
    - three axes: (N, H, W) grey pictures; but channels of series, (N, C, T), or (N, T, C), where the shorter of the two
      is at most 12 and the longer four times as long or more.
    - four axes: pictures where one of the outer two of an example is at most 4: (N, H, W, C) if the last is and the
      first is larger, else (N, C, H, W). Volumes (N, D, H, W) otherwise.
    - five axes: volumes, (N, C, D, H, W) or (N, D, H, W, C), by the same rule.

    Bytes (uint8) stay bytes, 0 to 255; everything else becomes float32. Nothing is resized or scaled but by the mean
    and spread of each channel, learnt in `fit`.

    Parameters: net, weights, epochs, batch, learning_rate, augment, device, threads and precision are those of
    `gn.train`; None is chosen from the data. random_state is its seed. validation_fraction: share of the rows that
    choose the best epoch and calibrate the scores, held out only where they would be 50 or more; 0 holds out none.
    axes: letters for the axes of X, N first, with C channels, T moments, D slices, H rows, W columns: "NCHW". shape:
    what each row of an X of two axes is folded into, in C order.

    After `fit`: classes_; model_, the glassnet Model, for gn.explain, gn.export, model_.save and notebooks;
    axes_, the letters by which X was read; n_features_in_, and feature_names_in_ of a table whose columns have names,
    where X has two axes.

    sample_weight: a weight of 2 is the same as two equal rows, to the last bit. A pickle of it holds the files of a
    model folder as bytes, and nothing of torch.
    """

    def __init__(
        self,
        net: str | None = None,
        *,
        weights: str | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        learning_rate: float | None = None,
        augment: bool = True,
        validation_fraction: float = 0.1,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        threads: int | None = None,
        precision: str = "float32",
        axes: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.net = net
        self.weights = weights
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.augment = augment
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.threads = threads
        self.precision = precision
        self.axes = axes
        self.shape = shape

    model_: Model
    classes_: NDArray[np.generic]

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Trains a net anew. Raises ValueError, of our own errors as one line, for what can't be learnt from."""
        with as_value_errors():
            x, labels = self._given(X, y, anew=True)
            weight = None if sample_weight is None else _weights(sample_weight, x)
            if weight is not None:  # a row that weighs nothing is as if it weren't there
                x, labels, weight = x[weight > 0], labels[weight > 0], weight[weight > 0]
            classes = np.unique(labels)
            if len(classes) < 2:
                found = f"one class, {classes[0]}"
                raise GlassnetError("y", expected="at least two classes", found=found, fix="Add rows of another")
            data = self._dataset(x, labels, classes, weight)
            self.model_ = fit(data, self._settings(), share("validation_fraction", self.validation_fraction))
        self.classes_ = classes
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Sees each row once, from the present weights on. classes: all there will ever be, at the first call.

        The net, its scales and its learning rate are chosen by the first call, or by `fit` before it.
        """
        with as_value_errors():
            begun = hasattr(self, MODEL)
            x, labels = self._given(X, y, anew=not begun)
            known = self._known(classes, begun)
            if strange := sorted(set(labels.tolist()) - set(known.tolist()), key=str):
                fix = "Name all classes at the first call of partial_fit"
                raise GlassnetError("y", expected=f"classes of {_named(known)}", found=_named(strange), fix=fix)
            data = self._dataset(x, labels, known, None)
            self.model_ = fit_further(self.model_, data) if begun else fit(data, self._settings(epochs=1), 0)
        self.classes_ = known
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        """(N,) the likeliest class of each."""
        best = self._logits(X).argmax(1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, K) each class's share of 1, in the order of classes_."""
        return softmax(self._logits(X))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, K) logits, the sums of the votes; of two classes (N,) by how much the second leads the first."""
        logits = self._logits(X)
        return np.asarray(logits[:, 1] - logits[:, 0]) if logits.shape[1] == 2 else logits

    def _logits(self, X: ArrayLike) -> NDArray[np.float64]:
        check_is_fitted(self, MODEL)
        with as_value_errors():
            with np.errstate(over="ignore"):
                values = validate_data(self, X, reset=False, **READ)
            x = self._examples(values, anew=False)
        some = max(1, ASKED // int(np.prod(x.shape[1:])))
        with using(whole("threads", self.threads) or int(str(_recipe(self.model_)["threads"]))):
            return np.concatenate([_answers(self.model_, x[i : i + some]) for i in range(0, len(x), some)])

    def _given(self, X: ArrayLike, y: ArrayLike, anew: bool) -> tuple[Array, NDArray[np.generic]]:
        """Examples (N, C, *S) and their labels (N,), checked. anew: whether nothing is fitted yet."""
        with np.errstate(over="ignore"):  # what float32 can't hold is refused as infinite
            values, labels = validate_data(self, X, y, reset=anew, **READ)
        check_classification_targets(labels)
        return self._examples(values, anew), labels

    def _examples(self, values: NDArray[np.generic], anew: bool) -> Array:
        """(N, C, *S) of a checked X, whose axes are settled when nothing is fitted yet."""
        folded = self._folded(values)
        if anew:
            self.axes_ = grids.layout(folded.shape, word("axes", self.axes)).axes
            if values.ndim != 2:
                del self.n_features_in_  # only rows have columns that could be counted
        layout = grids.layout(folded.shape, self.axes_)
        if not anew and layout.shape != self.model_.card.preparation.shape:
            expected, found = by(self.model_.card.preparation.shape), by(layout.shape)
            raise GlassnetError(
                "X", expected=f"examples of {expected}", found=found, fix="Ask with what it learnt from"
            )
        return layout.examples(folded)

    def _folded(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """X, its rows folded into `shape` where that is given."""
        shape = sides("shape", self.shape)
        if shape is None:
            return values
        if values.ndim != 2 or math.prod(shape) != values.shape[1]:
            expected = f"rows of {counted(math.prod(shape), 'value')}, for shape={shape}"
            raise GlassnetError("X", expected=expected, found=by(values.shape), fix="Mend shape, or leave it out")
        return values.reshape(len(values), *shape)

    def _dataset(
        self, x: Array, labels: NDArray[np.generic], classes: NDArray[np.generic],
        weight: NDArray[np.float64] | None,
    ) -> Dataset:  # fmt: skip
        names = tuple(str(one) for one in classes.tolist())
        columns = tuple(str(one) for one in getattr(self, "feature_names_in_", ()))
        kind = KINDS[grids.kind_of(self.axes_)]
        return grids.dataset(kind, x, np.searchsorted(classes, labels), names, weight, columns)

    def _settings(self, epochs: int | None = None) -> Training:
        """The parameters as a training takes them. epochs: in place of its own."""
        state = self.random_state
        seed = int(state) if isinstance(state, Integral) else int(check_random_state(state).randint(2**31 - 1))
        return Training(
            net=word("net", self.net), weights=word("weights", self.weights),
            epochs=epochs or whole("epochs", self.epochs), batch=whole("batch", self.batch),
            learning_rate=real("learning_rate", self.learning_rate), augment=bool(self.augment), seed=seed,
            device=choice("device", self.device), threads=whole("threads", self.threads),
            precision=choice("precision", self.precision),
        )  # fmt: skip

    def _known(self, classes: ArrayLike | None, begun: bool) -> NDArray[np.generic]:
        """The classes of a partial_fit."""
        given = None if classes is None else np.unique(np.asarray(classes))
        if begun:
            if given is not None and not np.array_equal(given, self.classes_):
                expected, found = f"the classes of the first call, {_named(self.classes_)}", _named(given)
                raise GlassnetError("classes", expected=expected, found=found, fix="Leave them out from then on")
            return self.classes_
        if given is None:
            fix = "Name all there will ever be"
            raise GlassnetError("classes", expected="classes at the first call of partial_fit", found="none", fix=fix)
        if len(given) < 2:
            raise GlassnetError("classes", expected="at least two classes", found=_named(given), fix="Name all")
        return given

    def __getstate__(self) -> dict[str, Any]:
        """Plain values; the model as the files of its folder, which are safetensors and JSON."""
        state = dict(super().__getstate__())
        if MODEL in state:
            state[MODEL] = pack(state[MODEL])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state.get(MODEL)
        super().__setstate__(state if packed is None else {**state, MODEL: unpack(packed)})

    def _html_repr(self) -> str:
        """As a notebook shows it: scikit-learn's diagram, and of a fitted one what was learnt."""
        diagram = str(super()._html_repr())
        return diagram + (self.model_._repr_html_() if hasattr(self, MODEL) else "")

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401  # scikit-learn has no types
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _weights(given: ArrayLike, x: Array) -> NDArray[np.float64]:
    """(N,) checked: none negative, not all nothing."""
    weight = _check_sample_weight(given, x.reshape(len(x), -1), dtype=np.float64)
    if weight.min() < 0 or not weight.any():
        found = f"{weight.min():g}" if weight.any() else "all weights zero"
        raise GlassnetError("sample_weight", expected="weights of 0 and more", found=found, fix="Mend them")
    return np.asarray(weight, np.float64)


def _answers(model: Model, x: Array) -> NDArray[np.float64]:
    """(N, K) logits of examples (N, C, *S).

    Of rows in float64, which costs little there: then what is said of one doesn't depend, to seven digits, on which
    others are asked about with it, as scikit-learn wants it.
    """
    if KINDS[model.card.kind].ordered:
        return model.logits(x)
    net = deepcopy(model.net).cpu().double()
    with torch.inference_mode():
        return np.asarray(net(model.look(x).cpu().double()).numpy())


def _recipe(model: Model) -> dict[str, object]:
    recipe = model.card.training["recipe"]
    assert isinstance(recipe, dict), "written by a training"
    return recipe


def _named(classes: NDArray[np.generic] | Sequence[object]) -> str:
    return listed([str(one) for one in classes])


READ = {"dtype": (np.float32, np.uint8), "allow_nd": True}  # of X, as scikit-learn checks it
