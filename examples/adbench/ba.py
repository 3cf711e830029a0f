"""Bundle adjustment: residuals and their blocks of derivatives (objective BA of the ADBench suite).

    python examples/adbench/ba.py [input file] [reference file]

The residual is written for one observation; ``vmap`` makes it one for all.  At a rotation of exactly zero the derivative
is that of the other branch, and nothing of the branch not taken leaks into it.
"""

import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import symgrad as sg

DATA = Path(__file__).resolve().parents[2] / "tests" / "data" / "adbench"


def rotate(r, v):
    """v rotated about r by the angle |r| (Rodrigues' formula); to first order where r is zero."""
    square = np.sum(r * r)
    angle = np.sqrt(square)
    axis = r / angle
    turned = v * np.cos(angle) + np.cross(axis, v) * np.sin(angle) + axis * np.sum(axis * v) * (1 - np.cos(angle))
    return np.where(square == 0, v + np.cross(r, v), turned)


def residual(camera, point, weight, feature):
    """Weighted difference of the projection of a point and a measured feature: two numbers.

    camera: rotation (3), centre (3), focal length, principal point (2), radial distortion (2).
    """
    rotation, centre, focal, principal, radial = camera[:3], camera[3:6], camera[6], camera[7:9], camera[9:11]
    seen = rotate(rotation, point - centre)
    e = seen[:2] / seen[2]
    q = np.sum(e * e)
    return weight * (focal * (1 + radial[0] * q + radial[1] * q * q) * e + principal - feature)


def observation(camera, point, weight, feature):
    """Residual (2) and its 2 × 15 block: derivatives by camera, point and weight."""
    by_camera, by_point, by_weight = sg.jacobian(residual, argnums=(0, 1, 2))(camera, point, weight, feature)
    block = np.concatenate([by_camera, by_point, by_weight[:, None]], axis=1)
    return residual(camera, point, weight, feature), block


def load(path):
    """cameras (n, 11), points (m, 3), weights (p,), observations (p, 2), features (p, 2); short files are replicated."""
    numbers = np.array(Path(path).read_text().split(), dtype=float)
    n, m, p = (int(number) for number in numbers[:3])
    rest = numbers[3:]
    if rest.size == 17:
        i = np.arange(p)
        observed = np.stack([i % n, i % m], axis=1)
        return (
            np.tile(rest[:11], (n, 1)),
            np.tile(rest[11:14], (m, 1)),
            np.full(p, rest[14]),
            observed,
            np.tile(rest[15:], (p, 1)),
        )
    cameras, points, table = np.split(rest, [11 * n, 11 * n + 3 * m])
    table = table.reshape(p, 5)
    return (
        cameras.reshape(n, 11),
        points.reshape(m, 3),
        table[:, 2].copy(),
        table[:, :2].astype(np.int64),
        table[:, 3:].copy(),
    )


def compiled():
    """One kernel for problems of every size: residuals, weight errors, blocks, derivatives of the weight errors."""
    cameras, points = sg.symbol("cameras", ("n", 11)), sg.symbol("points", ("m", 3))
    weights, features = sg.symbol("weights", ("p",)), sg.symbol("features", ("p", 2))
    observed = sg.symbol("observed", ("p", 2), "int64")
    residuals, blocks = sg.vmap(observation)(cameras[observed[:, 0]], points[observed[:, 1]], weights, features)
    outputs = [residuals, 1 - weights**2, blocks, -2 * weights]
    return sg.compile(outputs, [cameras, points, weights, observed, features], name="ba")


def closeness(x, y):
    """The suite's measure: absolute for small numbers, relative for large ones."""
    return float(np.max(np.abs(x - y) / np.maximum(1, np.abs(x) + np.abs(y))))


def main(path=DATA / "ba_own_n2_m10_p24_zero_rotation.txt", reference=None):
    inputs = load(path)
    start = perf_counter()
    kernel = compiled()
    print(f"compiled in {perf_counter() - start:.2f} s")
    outputs = kernel(*inputs)
    with np.load(reference or Path(path).with_suffix(".npz")) as expected:
        names = ("r", "w_err", "blocks", "dw")
        rho = max(
            closeness(out, expected[name].reshape(-1, *out.shape[1:])) for out, name in zip(outputs, names, strict=True)
        )
    print(f"{len(outputs[0])} observations, largest deviation from the reference {rho:.1e}")
    return rho


if __name__ == "__main__":
    main(*sys.argv[1:])
