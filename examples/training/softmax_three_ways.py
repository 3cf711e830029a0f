"""Softmax regression on handwritten digits with three spellings of one step, whose costs agree to rounding.

    python examples/training/softmax_three_ways.py

A built-in optimiser, updates written by hand, and gradients clipped by their common norm in between, with a bound that they
never reach: clipping leaves the bits alone where nothing is clipped.
"""

from pathlib import Path

import numpy as np

import symgrad as sg

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "digits.csv.gz"
BATCH, RATE, EPOCHS = 100, 0.5, 10


def digits():
    """1797 images of 64 pixels in [0, 1], and their labels as rows of an identity matrix."""
    table = np.loadtxt(DATA, delimiter=",")
    return table[:, :64] / 16, np.eye(10)[table[:, 64].astype(int)]


def built_in(cost, weights):
    return sg.optim.GradientDescent(RATE).minimize(cost, weights)


def by_hand(cost, weights):
    return [(w, w - RATE * slope) for w, slope in zip(weights, sg.gradients(cost, weights), strict=True)]


def clipped(cost, weights):
    optimizer = sg.optim.GradientDescent(RATE)
    slopes, _ = sg.clip_by_global_norm([slope for slope, _ in optimizer.compute_gradients(cost, weights)], 100.0)
    return optimizer.apply_gradients(list(zip(slopes, weights, strict=True)))


def train(updates):
    """The mean cost of each epoch."""
    x, y = sg.symbol("x", (None, 64)), sg.symbol("y", (None, 10))
    with sg.name_scope(updates.__name__):
        W, b = sg.variable("W", np.zeros((64, 10))), sg.variable("b", np.zeros(10))
    cost = -np.mean(np.sum(y * sg.log_softmax(x @ W + b), axis=1))
    step = sg.compile(cost, [x, y], updates=updates(cost, [W, b]), name=updates.__name__)
    return sg.fit(step, digits(), epochs=EPOCHS, batch_size=BATCH)


def main():
    costs = {way.__name__: train(way) for way in (built_in, by_hand, clipped)}
    print("epoch  " + "  ".join(f"{name:>10}" for name in costs))
    for epoch, row in enumerate(zip(*costs.values(), strict=True)):
        print(f"{epoch:5d}  " + "  ".join(f"{cost:10.6f}" for cost in row))
    return costs


if __name__ == "__main__":
    main()
