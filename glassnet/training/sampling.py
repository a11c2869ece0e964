"""How the values of a trial are chosen: near the best so far, or by a model of what was found. Opens nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from glassnet.config import Value
from glassnet.training.knobs import Knob, Values

BEFORE_MODEL = 8  # trials before a model of what was found chooses any
CHANGED, FACTOR = 3, 2.0  # knobs that a trial near the best one changes at most, and by how much


class Continued(BaseSampler):
    """Chooses each trial's values by the seed, the trial's place and what was found before, and by nothing else: so a
    search that was stopped goes on to the same trials.

    Every other trial changes a few knobs of the best one, which finds good nets sooner than any model where there are
    few trials (White, Nolen and Savani 2021, "Exploring the loss landscape in neural architecture search"); the others
    come from a tree-structured Parzen estimator (Bergstra et al. 2011; Falkner, Klein and Hutter 2018).
    """

    def __init__(self, seed: int, knobs: Sequence[Knob]) -> None:
        self._seed, self._knobs = seed, tuple(knobs)
        self._space = {knob.name: _distribution(knob) for knob in knobs}
        self._number, self._place, self._sampler = -1, 0, TPESampler(seed=seed)

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> TPESampler:
        """The estimator for a trial; it counts those before it that didn't fail."""
        if trial.number != self._number:
            before = study.get_trials(deepcopy=False)[: trial.number]
            self._number, self._place = trial.number, sum(one.state != TrialState.FAIL for one in before)
            self._sampler = TPESampler(n_startup_trials=BEFORE_MODEL, multivariate=True, seed=self._drawn(0))
        return self._sampler

    def _drawn(self, purpose: int) -> int:
        return int(np.random.SeedSequence([self._seed, 11, self._place, purpose]).generate_state(1)[0])

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Value]:
        sampler = self._of(study, trial)
        over = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        whole = [one for one in over if one.params.keys() >= self._space.keys() and one.state == TrialState.COMPLETE]
        if not whole or not self._space or (len(over) >= BEFORE_MODEL and self._place % 2):
            return sampler.sample_relative(study, trial, search_space)
        best = min(whole, key=lambda one: (one.value, one.number))
        return near({**best.params}, self._knobs, np.random.default_rng(self._drawn(1)))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Value:
        chosen: Value = self._of(study, trial).sample_independent(study, trial, param_name, param_distribution)
        return chosen


def near(values: Values, knobs: Sequence[Knob], random: np.random.Generator) -> dict[str, Value]:
    """Values of which one to CHANGED differ: a choice is the one beside it, a number up to FACTOR times as large."""
    found = {knob.name: values[knob.name] for knob in knobs}
    count = min(int(random.integers(1, CHANGED + 1)), len(knobs))
    for knob in (knobs[int(i)] for i in random.permutation(len(knobs))[:count]):
        if knob.choices:
            at = knob.choices.index(values[knob.name])
            beside = [place for place in (at - 1, at + 1) if 0 <= place < len(knob.choices)] or [at]
            found[knob.name] = knob.choices[beside[int(random.integers(len(beside)))]]
        else:
            factor = FACTOR ** float(random.uniform(-1, 1))
            found[knob.name] = min(max(float(values[knob.name]) * factor, knob.low), knob.high)
    return found


def suggested(trial: optuna.Trial, knob: Knob) -> Value:
    """A value of a knob, learning rates and the like in two digits, as a person would write them."""
    if knob.choices:
        chosen = trial.suggest_categorical(knob.name, knob.choices)
        assert chosen is not None, "no knob may be None"
        return chosen
    return float(f"{trial.suggest_float(knob.name, knob.low, knob.high, log=True):.2g}")


def _distribution(knob: Knob) -> BaseDistribution:
    """What Optuna knows of a knob."""
    if knob.choices:
        return CategoricalDistribution(knob.choices)
    return FloatDistribution(knob.low, knob.high, log=True)
