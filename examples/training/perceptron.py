"""A perceptron with one hidden layer on handwritten digits: a step of Adam is one kernel.

python examples/training/perceptron.py
"""

from pathlib import Path
from time import perf_counter

import numpy as np

import symgrad as sg

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "digits.csv.gz"
HIDDEN, BATCH, EPOCHS = 128, 50, 40


def digits():
    """1797 images of 64 pixels in [0, 1], and their labels."""
    table = np.loadtxt(DATA, delimiter=",", dtype="float32")
    return table[:, :64] / 16, table[:, 64].astype(np.int64)


def main():
    begin = perf_counter()
    images, labels = digits()
    held_out = np.arange(len(images)) % 6 == 0
    rng = np.random.default_rng(0)

    x, y = sg.symbol("x", (None, 64), "float32"), sg.symbol("y", (None, 10), "float32")
    h = x
    with sg.name_scope("perceptron"):
        for k, (inputs, outputs) in enumerate([(64, HIDDEN), (HIDDEN, 10)]):
            start = rng.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs)
            W = sg.variable(f"W{k}", start.astype("float32"))
            b = sg.variable(f"b{k}", np.zeros(outputs, "float32"))
            h = (sg.nn.relu(h) if k else h) @ W + b
    cost = -np.mean(np.sum(y * sg.log_softmax(h), axis=1))
    step_number = sg.variable("perceptron/step", np.int64(0), trainable=False)
    rate = sg.optim.exponential_decay(np.float32(0.003), step_number, 1000, 0.3)
    updates = sg.optim.Adam(rate).minimize(cost)
    step = sg.compile(cost, [x, y], updates=[*updates, (step_number, step_number + 1)], name="step")

    targets = np.eye(10, dtype="float32")[labels]
    costs = sg.fit(step, (images[~held_out], targets[~held_out]), epochs=EPOCHS, batch_size=BATCH)
    predict = sg.compile(np.argmax(h, axis=1), [x])
    accuracy = float(np.mean(predict(images[held_out]) == labels[held_out]))
    seconds = perf_counter() - begin
    print(f"cost {costs[0]:.3f} after the first epoch, {costs[-1]:.4f} after the last")
    print(f"accuracy on {np.sum(held_out)} images not seen: {accuracy:.3f}, after {seconds:.1f} s")
    return accuracy, seconds


if __name__ == "__main__":
    main()
