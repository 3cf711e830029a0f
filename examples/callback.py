"""A function of the host inside compiled code, with a gradient of its own.

    python examples/callback.py

A table of measurements is looked up by a NumPy function that no graph could hold; its slope is known, so that gradient
descent goes through it.
"""

import numpy as np

import symgrad as sg

SPEED = np.linspace(0.0, 40.0, 9)  # metres per second
POWER = np.array([2.0, 1.4, 1.0, 0.9, 1.1, 1.7, 2.8, 4.5, 7.0])  # kilowatts
SLOPE = np.diff(POWER) / np.diff(SPEED)


def interpolated(speed):
    """The power at some speeds, linear between the measurements."""
    return np.interp(speed, SPEED, POWER)


def slope(speed, head):
    return head * SLOPE[np.clip(np.searchsorted(SPEED, speed, side="right") - 1, 0, len(SLOPE) - 1)]


def slope_rule(node, head):
    """The derivative of the interpolation: it is computed on the host, too."""
    return sg.callback(slope, [node.inputs[0], head], head, stateful=False)


def power(speed):
    return sg.callback(interpolated, [speed], speed, gradient=slope_rule, stateful=False)


def energy(speed, distance):
    """What a vehicle needs for some stages, in kilojoules, with half a kilowatt for everything else."""
    return np.sum((power(speed) + 0.5) * distance / speed)


def main():
    distance = np.array([500.0, 1200.0, 3000.0])
    speeds = np.array([8.0, 33.0, 18.0])
    step = sg.value_and_grad(energy)
    for number in range(401):
        value, change = step(speeds, distance)
        if number % 100 == 0:
            print(f"{value:8.2f} kJ at {np.round(speeds, 2)} m/s")
        speeds = speeds - 200.0 / (1 + number / 5) * change / distance  # shorter and shorter: the best speed is a kink
    return speeds, float(value)


if __name__ == "__main__":
    main()
