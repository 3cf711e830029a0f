"""Every example runs and agrees with what it did not compute itself."""

from __future__ import annotations

import itertools
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_runs(path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out


def test_digits_are_learnt():
    costs, accuracy = runpy.run_path(str(EXAMPLES / "softmax_regression.py"))["main"]()
    assert all(later < earlier for earlier, later in itertools.pairwise(costs))
    assert accuracy > 0.9


def test_digits_equal_a_numpy_transcription():
    """One epoch of the compiled step and of the same formulas in NumPy."""
    module = runpy.run_path(str(EXAMPLES / "softmax_regression.py"))
    images, labels = module["digits"]()
    targets = np.eye(10)[labels]
    W, b, step = module["training_step"]()
    own_W, own_b, rate = np.zeros((64, 10)), np.zeros(10), module["RATE"]
    for start in range(0, 1000, 100):
        x, t = images[start : start + 100], targets[start : start + 100]
        scores = x @ own_W + own_b
        shifted = np.exp(scores - scores.max(1, keepdims=True))
        chances = shifted / shifted.sum(1, keepdims=True)
        cost = -np.mean(np.sum(t * np.log(chances), axis=1))
        np.testing.assert_allclose(step(x, t), cost, rtol=1e-12)
        change = (chances - t) / len(x)
        own_W, own_b = own_W - rate * x.T @ change, own_b - rate * change.sum(0)
    np.testing.assert_allclose(W.value, own_W, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(b.value, own_b, rtol=1e-10, atol=1e-13)


def run_example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()


def test_a_straight_through_estimator_learns():
    costs, accuracy = run_example("straight_through")
    assert costs[-1] < 0.7 * costs[0]
    assert accuracy > 0.8


def test_reversed_gradients_hide_the_domain():
    accuracies = run_example("gradient_reversal")
    assert accuracies["plain"][1] > 0.8
    assert accuracies["reversed"][0] > 0.95
    assert accuracies["reversed"][1] < 0.6


def test_a_stopped_target_and_a_fed_one_train_alike():
    reached, same = run_example("dqn_target")
    assert reached == [None, None]
    assert same


def test_a_gradient_in_two_parts_is_the_whole():
    right, split = run_example("splitting")
    np.testing.assert_array_equal(right, split)


def test_a_step_function_trains():
    shares = run_example("step_loss")
    assert shares[-1] < 0.1 < shares[0]
