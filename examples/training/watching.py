"""Watching gradients: in a deep network of sigmoids those of the first layers vanish; better initial values keep them.

    python examples/training/watching.py

Norm, extremes and histogram of each gradient are outputs of the kernel that trains.
"""

import numpy as np

import symgrad as sg

LAYERS, WIDTH, STEPS = 10, 16, 50


def network(name, activation, scale):
    """Inputs, cost and weights of a network of equal layers."""
    rng = np.random.default_rng(0)
    x, y = sg.symbol("x", ("n", WIDTH)), sg.symbol("y", ("n",))
    h = x
    for k in range(LAYERS):
        with sg.name_scope(f"{name}/layer{k}"):
            h = activation(h @ sg.variable("w", scale * rng.normal(size=(WIDTH, WIDTH))))
    return [x, y], np.mean((np.mean(h, axis=1) - y) ** 2)


def main():
    rng = np.random.default_rng(1)
    xs = rng.normal(size=(128, WIDTH))
    ys = 0.5 + 0.4 * np.tanh(xs[:, 0])
    tables = {}
    for name, activation, scale in (("sigmoid", sg.nn.sigmoid, 0.1), ("tanh", np.tanh, 1.2 / np.sqrt(WIDTH))):
        inputs, cost = network(name, activation, scale)
        optimizer = sg.optim.GradientDescent(0.05)
        pairs = optimizer.compute_gradients(cost)
        seen = sg.optim.watch(pairs, bins=10, range=(-0.01, 0.01))
        step = sg.compile([cost, seen], inputs, updates=optimizer.apply_gradients(pairs))
        history = [step(xs, ys)[1] for _ in range(STEPS)]
        tables[name] = sg.optim.summary(history[-1])
        print(f"{name}, step {STEPS}\n{tables[name]}")
        print(
            "gradients of the last layer, from -0.01 to 0.01:", history[-1][f"{name}/layer{LAYERS - 1}/w"]["histogram"]
        )
        print()
    return tables


if __name__ == "__main__":
    main()
