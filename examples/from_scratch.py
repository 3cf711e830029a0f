"""From a NumPy function to machine code in a C library, and back: the main job in a page.

    python examples/from_scratch.py

The function is the energy of a chain of springs between points in the plane; its gradient is the force on each point.
"""

import tempfile
from pathlib import Path

import numpy as np

import symgrad as sg


def energy(points, stiffness, length):
    """points (n, 2): springs of one stiffness and rest length between neighbours."""
    steps = points[1:] - points[:-1]
    stretch = np.sqrt(np.sum(steps**2, axis=1)) - length
    return stiffness / 2 * np.sum(stretch**2)


def main():
    # 1. A function of arrays: differentiate and run it at once.
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 2))
    force = -sg.grad(energy)(points, 2.0, 0.5)
    print("force on each point\n", force.round(3), "\nsum over the chain", abs(force.sum(axis=0)).max().round(12))

    # 2. The derivative is an expression: read it.
    p = sg.symbol("p", ("n", 2))
    k, rest = sg.symbols("k rest")
    value = energy(p, k, rest)
    (slope,) = sg.gradients(value, [p])
    print("\nenergy =", value)
    print("\ngradient =", slope)

    # 3. Check it against finite differences: raises an error that names the operation if it is wrong.
    sg.check_gradients(energy, points, 2.0, 0.5)

    # 4. Compile value and gradient into one kernel for chains of every length.
    kernel = sg.compile([value, slope], [p, k, rest], name="chain")
    for count in (3, 1000):
        total, gradient = kernel(rng.normal(size=(count, 2)), 2.0, 0.5)
        print(f"\n{count} points: energy {total:.3f}, largest force {np.max(np.abs(gradient)):.3f}", end="")

    # 5. Write the same kernel as files that need neither symgrad nor Python.
    with tempfile.TemporaryDirectory() as directory:
        made = sg.export(Path(directory) / "chain", {"chain": kernel}, kinds=("object", "header"))
        header = made["header"].read_text()
        print("\n\nC interface:", header[header.index("int32_t chain(") :].split(";")[0])
    return force


if __name__ == "__main__":
    main()
