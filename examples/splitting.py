"""A gradient in two parts: from the loss to an intermediate value, and on from there.

    python examples/splitting.py

The head gradient carries the first part into the second.  Multiplying the two gradients instead is wrong: each is summed over
all elements of its target already.
"""

import numpy as np

import symgrad as sg


def main():
    rng = np.random.default_rng(3)
    x, W = sg.symbol("x", (5, 3)), sg.symbol("W", (3, 4))
    h = np.tanh(x @ W)
    loss = np.sum(h**2 * np.arange(1.0, 5.0))
    (whole,) = sg.gradients(loss, [W])
    (first,) = sg.gradients(loss, [h])
    (continued,) = sg.gradients(h, [W], grad_ys=[first])
    (summed,) = sg.gradients(h, [W])
    arrays = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    right, split, head, alone = sg.compile([whole, continued, first, summed], [x, W])(*arrays)
    print("in two parts:", np.max(np.abs(split - right)))
    print("product of the two, summed over the batch:", np.max(np.abs(alone * head.sum(axis=0) - right)))
    jacobian = sg.compile(sg.jacobian(h, W), [x, W])(*arrays)
    print("by the Jacobian:", np.max(np.abs(np.einsum("nk,nkij->ij", head, jacobian) - right)))
    return right, split


if __name__ == "__main__":
    main()
