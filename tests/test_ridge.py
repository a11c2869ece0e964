"""The ridge regression of box corrections, by sums and by regions, against numpy's direct solution."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.training.detection.ridge import Ridge

FEATURES = 12


def directly(x, y):
    """R-CNN's regression with numpy: corrections centred and whitened, ridge of 1000 on features and the constant."""
    mean = y.mean(0)
    values, turn = np.linalg.eigh((y - mean).T @ (y - mean) / len(y))
    whiten = turn @ np.diag((values + 1e-3) ** -0.5) @ turn.T
    x1 = np.concatenate([x, np.ones((len(x), 1))], 1)
    stacked = np.concatenate([x1, np.sqrt(1000) * np.eye(x1.shape[1])])
    targets = np.concatenate([(y - mean) @ whiten, np.zeros((x1.shape[1], 4))])
    found = np.linalg.lstsq(stacked, targets, rcond=None)[0] @ np.linalg.inv(whiten)
    return found[:-1].T, found[-1] + mean


def corrections(count, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(0, 6, (count, FEATURES))
    y = x @ random.normal(0, 0.02, (FEATURES, 4)) + random.normal(0, 0.05, (count, 4)) + [0.1, -0.2, 0.3, 0.0]
    return x, y


@given(st.lists(st.integers(0, 199), max_size=5), st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_the_regression_is_the_direct_solution_however_it_is_added_up(cuts, seed):
    x, y = corrections(200, seed)
    one = Ridge(FEATURES)
    for part in np.split(np.arange(200), sorted(cuts)):
        one.add(torch.from_numpy(x[part]).float(), torch.from_numpy(y[part]))
    weight, offset = one.solved()
    wanted, constant = directly(x.astype(np.float32).astype(float), y)
    assert np.allclose(weight.numpy(), wanted, atol=1e-5) and np.allclose(offset.numpy(), constant, atol=1e-5)
    assert np.abs(wanted).max() > 0.01


@pytest.mark.parametrize("count", [1, 2, FEATURES - 1, FEATURES, FEATURES + 1, FEATURES + 2])
def test_with_fewer_regions_than_features_it_is_the_same_solution_and_keeps_no_matrix_of_features(count):
    x, y = corrections(count)
    one = Ridge(FEATURES)
    one.add(torch.from_numpy(x).float(), torch.from_numpy(y))
    weight, offset = one.solved()
    wanted, constant = directly(x.astype(np.float32).astype(float), y)
    assert np.allclose(weight.numpy(), wanted, atol=1e-6) and np.allclose(offset.numpy(), constant, atol=1e-6)
    assert one.count == count and (count == 1 or np.abs(wanted).max() > 1e-4)
    assert max(len(tensor) for tensor in one.state().values()) == (count if count <= FEATURES else FEATURES + 1)
    few = Ridge(9216)
    few.add(torch.rand(3, 9216), torch.rand(3, 4))
    assert sum(tensor.nbytes for tensor in few.state().values()) < 150_000 and few.solved()[0].shape == (4, 9216)


@pytest.mark.parametrize("cut", [5, 30])
def test_a_regression_goes_on_from_its_state_and_leaves_that_as_it_was(cut):
    x, y = (torch.from_numpy(one) for one in corrections(60))
    one = Ridge(FEATURES)
    one.add(x[:cut], y[:cut])
    state = one.state()
    kept = {name: tensor.clone() for name, tensor in state.items()}
    other = Ridge.of(state)
    other.add(x[cut:], y[cut:])
    assert all(torch.equal(state[name], kept[name]) for name in kept)
    one.add(x[cut:], y[cut:])
    assert all(torch.equal(a, b) for a, b in zip(one.solved(), other.solved(), strict=True))


def test_a_regression_that_saw_nothing_leaves_boxes_as_they_are():
    weight, offset = Ridge(5).solved()
    assert weight.shape == (4, 5) and not weight.any() and not offset.any()
    one = Ridge(5)
    one.add(torch.ones(1, 5), torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    assert all(part.isfinite().all() for part in one.solved())
