"""A network with signs for activations, trained by a straight-through estimator.

    python examples/straight_through.py

The derivative of a sign is zero almost everywhere, so nothing would be learnt.  Inside the override map each sign is
differentiated by the rule "HardSign" instead: the gradient passes where the input lies in [-1, 1] and is cancelled where it
saturates.  Nothing of the forward computation changes.
"""

import numpy as np

import symgrad as sg

HIDDEN, STEPS, RATE = 64, 2000, 1.0


@sg.register_gradient("HardSign")
def hard_sign(node, head):
    return sg.where(abs(node.inputs[0]) <= 1, head, 0)


def rings(rng, count):
    """Points in the plane, and whether they lie within a ring."""
    points = rng.uniform(-1, 1, (count, 2))
    radius = np.hypot(*points.T)
    return points, ((radius > 0.4) & (radius < 0.8)).astype(float)


def main():
    rng = np.random.default_rng(0)
    points, inside = rings(rng, 500)
    x, t = sg.symbol("x", ("n", 2)), sg.symbol("t", ("n",))
    W, b = sg.variable("W", rng.normal(size=(2, HIDDEN))), sg.variable("b", rng.uniform(-1, 1, HIDDEN))
    v, c = sg.variable("v", rng.normal(size=HIDDEN) / HIDDEN), sg.variable("c", 0.0)
    with sg.gradient_override_map({"sign": "HardSign"}):
        hidden = np.sign(x @ W + b)
    score = hidden @ v + c
    cost = np.mean(sg.nn.softplus(score) - t * score)
    weights = [W, b, v, c]
    step = sg.compile(
        cost, [x, t], updates=[(w, w - RATE * g) for w, g in zip(weights, sg.gradients(cost, weights), strict=True)]
    )
    costs = [float(step(points, inside)) for _ in range(STEPS)]
    accuracy = np.mean((sg.compile(score, [x])(points) > 0) == inside)
    print(f"cost {costs[0]:.3f} -> {costs[-1]:.3f}, accuracy {accuracy:.3f}")
    plain = sg.gradients(np.sum(np.sign(x @ W + b)), [W])[0]
    print("largest gradient without the map:", np.max(np.abs(sg.compile(plain, [x])(points))))
    return costs, accuracy


if __name__ == "__main__":
    main()
