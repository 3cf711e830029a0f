"""A step function as a loss: the number of mistakes, made trainable by a gradient of one's own.

    python examples/step_loss.py

The value is what one cares about, the share of wrong signs; its derivative is zero wherever it exists.  The rule gives that of
the hinge instead.
"""

import numpy as np

import symgrad as sg


@sg.custom_gradient(untrue="the derivative of the hinge stands for that of the step")
def mistakes(margin):
    return np.where(margin > 0, 0.0, 1.0), lambda head: -head * (margin < 1)


def main():
    rng = np.random.default_rng(4)
    points = rng.normal(size=(300, 2))
    sides = np.where(points @ [1.0, -2.0] + 0.3 > 0, 1.0, -1.0)
    x, t = sg.symbol("x", ("n", 2)), sg.symbol("t", ("n",))
    w, b = sg.variable("w", np.zeros(2)), sg.variable("b", 0.0)
    loss = np.mean(mistakes(t * (x @ w + b)))
    slopes = sg.gradients(loss, [w, b])
    step = sg.compile(loss, [x, t], updates=[(v, v - 0.3 * g) for v, g in zip([w, b], slopes, strict=True)])
    shares = [float(step(points, sides)) for _ in range(100)]
    print(f"share of mistakes {shares[0]:.3f} -> {shares[-1]:.3f}")
    return shares


if __name__ == "__main__":
    main()
