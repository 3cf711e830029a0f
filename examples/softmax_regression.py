"""Softmax regression on handwritten digits, trained by updates written by hand inside one compiled kernel.

    python examples/softmax_regression.py

A step takes a batch, changes the weights in place and returns the cost; its gradient never leaves the kernel.
"""

from pathlib import Path

import numpy as np

import symgrad as sg

DATA = Path(__file__).resolve().parents[1] / "tests" / "data" / "digits.csv.gz"
BATCH, RATE, EPOCHS = 100, 0.5, 20


def digits():
    """1797 images of 64 pixels in [0, 1], and their labels."""
    table = np.loadtxt(DATA, delimiter=",")
    return table[:, :64] / 16, table[:, 64].astype(np.int64)


def cost(images, targets, W, b):
    """Mean cross-entropy of a batch; ``targets`` are rows of an identity matrix."""
    return -np.mean(np.sum(targets * sg.log_softmax(images @ W + b), axis=1))


def training_step():
    """The variables, and a kernel for one step of gradient descent; it serves every batch size."""
    images, targets = sg.symbol("images", (None, 64)), sg.symbol("targets", (None, 10))
    W, b = sg.variable("W", np.zeros((64, 10))), sg.variable("b", np.zeros(10))
    value = cost(images, targets, W, b)
    grad_W, grad_b = sg.gradients(value, [W, b])
    step = sg.compile(value, [images, targets], updates=[(W, W - RATE * grad_W), (b, b - RATE * grad_b)], name="step")
    return W, b, step


def batches(images, labels, seed):
    """The training set in random order, cut into batches."""
    order = np.random.default_rng(seed).permutation(len(images))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield images[chosen], np.eye(10)[labels[chosen]]


def main():
    images, labels = digits()
    held_out = np.arange(len(images)) % 6 == 0
    W, b, step = training_step()
    costs = []
    for epoch in range(EPOCHS):
        costs.append(float(np.mean([step(*batch) for batch in batches(images[~held_out], labels[~held_out], epoch)])))
        print(f"epoch {epoch:2d}  cost {costs[-1]:.4f}")
    found = np.argmax(images[held_out] @ W.value + b.value, axis=1)
    accuracy = float(np.mean(found == labels[held_out]))
    print(f"accuracy on {np.sum(held_out)} images not seen: {accuracy:.3f}")
    return costs, accuracy


if __name__ == "__main__":
    main()
