"""Gradient reversal: features that predict the label and tell nothing of the domain that a point comes from.

    python examples/gradient_reversal.py

The reversal layer is the identity whose gradient is multiplied by minus lambda (Ganin and Lempitsky, arXiv 1409.7495): one
descent step makes the domain classifier better and the features worse for it.
"""

import numpy as np

import symgrad as sg

STRENGTH, RATE, STEPS = 3.0, 0.2, 1000


@sg.custom_gradient(untrue="the gradient is reversed on purpose")
def reversal(x):
    return x, lambda head: -STRENGTH * head


def cross_entropy(score, truth):
    return np.mean(sg.nn.softplus(score) - truth * score)


def main():
    rng = np.random.default_rng(1)
    domain = np.repeat([0.0, 1.0], 200)
    label = rng.integers(0, 2, 400).astype(float)
    points = np.stack(
        [2 * label - 1 + rng.normal(scale=0.5, size=400), 3 * domain + rng.normal(scale=0.5, size=400)], 1
    )
    accuracies = {}
    for name, layer in (("plain", lambda x: x), ("reversed", reversal)):
        x, y, d = sg.symbol("x", ("n", 2)), sg.symbol("y", ("n",)), sg.symbol("d", ("n",))
        with sg.name_scope(name):
            W = sg.variable("W", np.eye(2) * 0.5)
            weights = [W, *(sg.variable(letter, np.zeros(2)) for letter in ("label", "domain"))]
        features = np.tanh(x @ W)
        cost = cross_entropy(features @ weights[1], y) + cross_entropy(layer(features) @ weights[2] - 0.5, d)
        updates = [(w, w - RATE * g) for w, g in zip(weights, sg.gradients(cost, weights), strict=True)]
        step = sg.compile(cost, [x, y, d], updates=updates)
        for _ in range(STEPS):
            step(points, label, domain)
        scores = sg.compile([features @ weights[1], features @ weights[2] - 0.5], [x])(points)
        accuracies[name] = [
            float(np.mean((one > 0) == truth)) for one, truth in zip(scores, (label, domain), strict=True)
        ]
        print(f"{name:9s} label accuracy {accuracies[name][0]:.2f}, domain accuracy {accuracies[name][1]:.2f}")
    return accuracies


if __name__ == "__main__":
    main()
