"""Gradients of batches of different sizes, summed outside and applied once: the same step as that of the whole.

    python examples/training/accumulation.py

One kernel gives gradients, another takes gradients and makes the step.  A cost that is a mean is weighted by the size of
its batch.
"""

import numpy as np

import symgrad as sg

SIZES = (10, 25, 5, 60)


def model(name):
    with sg.name_scope(name):
        w, b = sg.variable("w", np.zeros(3)), sg.variable("b", 0.0)
    x, y = sg.symbol("x", ("n", 3)), sg.symbol("y", ("n",))
    return [x, y], [w, b], np.mean((np.tanh(x @ w + b) - y) ** 2)


def main():
    rng = np.random.default_rng(1)
    xs = rng.normal(size=(sum(SIZES), 3))
    ys = np.tanh(xs @ [1.0, -0.5, 0.25] + 0.1)

    inputs, whole, cost = model("whole")
    step = sg.compile(cost, inputs, updates=sg.optim.Momentum(0.5, 0.9).minimize(cost))

    inputs, parts, cost = model("parts")
    optimizer = sg.optim.Momentum(0.5, 0.9)
    pairs = optimizer.compute_gradients(cost, parts)
    gradients = sg.compile([slope for slope, _ in pairs], inputs)
    totals = [sg.symbol(f"total_{k}", w.shape) for k, (_, w) in enumerate(pairs)]
    apply = sg.compile([], totals, updates=optimizer.apply_gradients(list(zip(totals, parts, strict=True))))

    ends = np.cumsum(SIZES)
    for _ in range(20):
        step(xs, ys)
        sums = [np.zeros(w.shape) for w in parts]
        for start, end in zip(ends - SIZES, ends, strict=True):
            found = gradients(xs[start:end], ys[start:end])
            sums = [one + (end - start) * slope for one, slope in zip(sums, found, strict=True)]
        apply(*(one / len(xs) for one in sums))
    difference = max(float(np.max(abs(a.value - b.value))) for a, b in zip(whole, parts, strict=True))
    print("after 20 steps:", whole[0].value, whole[1].value)
    print(f"largest difference from one batch of all: {difference:.1e}")
    return difference


if __name__ == "__main__":
    main()
