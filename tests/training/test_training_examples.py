"""What the examples of training show: three spellings of one step agree, accumulated steps equal whole ones, networks learn."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "training"


def run(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()


def softmax_costs(data, rate, epochs, batches):
    """Mean costs of epochs of softmax regression in NumPy; ``batches(epoch)`` gives the rows of each batch."""
    images, targets = data
    W, b, costs = np.zeros((64, 10)), np.zeros(10), []
    for epoch in range(epochs):
        total, count = 0.0, 0
        for rows in batches(epoch):
            x, t = images[rows], targets[rows]
            scores = x @ W + b
            logs = scores - scores.max(1, keepdims=True)
            logs = logs - np.log(np.sum(np.exp(logs), axis=1, keepdims=True))
            total, count = total - np.sum(t * logs), count + len(rows)
            change = (np.exp(logs) - t) / len(rows)
            W, b = W - rate * x.T @ change, b - rate * change.sum(0)
        costs.append(total / count)
    return costs


def digits():
    table = np.loadtxt(ROOT / "tests" / "data" / "digits.csv.gz", delimiter=",")
    return table[:, :64] / 16, np.eye(10)[table[:, 64].astype(int)]


def test_three_ways_to_train_agree_to_rounding():
    costs = run("softmax_three_ways")
    generator = np.random.default_rng(0)

    def batches(epoch):
        order = generator.permutation(1797)
        return [order[start : start + 100] for start in range(0, 1797, 100)]

    want = softmax_costs(digits(), 0.5, 10, batches)
    assert set(costs) == {"built_in", "by_hand", "clipped"}
    for found in costs.values():
        np.testing.assert_allclose(found, want, rtol=1e-12)


def test_the_tensorflow_spelling_trains_as_numpy_does():
    costs, accuracy = run("tf1_softmax")
    images, targets = digits()
    rows = [np.arange(start, start + 100) for start in range(0, 1500, 100)]
    np.testing.assert_allclose(costs, softmax_costs((images, targets), 0.5, 10, lambda epoch: rows), rtol=1e-5)
    assert accuracy > 0.85


def test_accumulated_gradients_make_the_step_of_the_whole():
    assert run("accumulation") < 1e-12


@pytest.mark.parametrize("name", ["perceptron", "tf1_convnet"])
def test_networks_learn_the_digits(name):
    accuracy, seconds = run(name)
    assert accuracy >= 0.97
    assert seconds < 20


def test_vanishing_gradients_are_named_and_cured():
    tables = run("watching")
    assert "hint: the gradient of sigmoid/layer0/w vanishes" in tables["sigmoid"]
    assert "exploding" not in tables["sigmoid"]
    assert "hint" not in tables["tanh"]
