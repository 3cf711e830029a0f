"""What the scripts of ``tf1_scripts`` must find: worked by hand, or computed by NumPy from the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

FLOAT = np.float32


def f32(value: Any) -> Any:
    return np.asarray(value, FLOAT)


def i32(value: Any) -> Any:
    return np.asarray(value, np.int32)


def gradients(module: dict[str, Any]) -> dict[str, Any]:
    w = np.array([1.0, 2.0, 3.0])
    slope = f32(2 * np.tanh(2 * w) * 2 * (1 - np.tanh(2 * w) ** 2))
    return {
        "with_heads": [f32([2, 2, 3]), f32([2, 2, 3]), f32([5, 4, 7]), f32([3, 2, 4])],
        "integers": i32([[2, 1]]),
        "floats": f32([[1], [2]]),
        "of_first": f32([[9, 10]]),
        "stopped": [f32(1), f32(1)],
        "one_call": f32(15),
        "orders": [f32(2), f32(2), f32(0)],
        "nothing": [True],
        "split": [slope, slope],
        "ties": [f32([0, 1, 1]), f32([1, 1, 0])],
        "kinks": [f32([0, 0, 1]), f32([-1, 0, 1]), f32([0, 0, 0])],
        "taped": [f32(5), f32([3, 2])],
    }


def overrides(module: dict[str, Any]) -> dict[str, Any]:
    mean = np.mean([2, 0.5, 0.25, 4])
    signs = f32([-1, -1, 1, 1])
    clamped = f32([-3, -3, 1, 3])
    features, wanted, w, losses = module["features"], module["wanted"], np.array([0.5, 0.25]), []
    for _ in range(6):
        error = (features @ w > 0) - wanted
        losses.append(f32(np.sum(error**2)))
        w = w - 0.125 * 2 * error @ features
    return {
        "losses": losses,
        "weights": f32(w),
        "binary": [signs, f32(np.full(4, 1 / mean))],
        "quantized": [signs, f32([0, 1, 1, 0])],
        "outer": f32(np.ones(4)),
        "plain": f32(np.zeros(4)),
        "rectified": [f32([0, 0, 0, 0.5, 1]), f32(np.ones(5))],
        "clamped": [clamped, f32([1, 0, 1, 0])],
        "counted": [f32([-6, -8, 2, 80])] * 2,
        "calls": 2,
        "reversed": f32([3, 4, -1, -40]),
    }


def linear_regression(module: dict[str, Any]) -> dict[str, Any]:
    xs, ys, rate = module["xs"], module["ys"], 0.25

    def slopes(w: float, b: float, x: Any, y: Any) -> tuple[float, float, float]:
        error = w * x + b - y
        return float(np.mean(error**2)), float(np.mean(2 * error * x)), float(np.mean(2 * error))

    w, b, costs = 0.0, 1.0, []
    for size in (20, 7, 20, 1, 13):
        cost, dw, db = slopes(w, b, xs[:size], ys[:size])
        costs.append(f32(cost))
        w, b = w - rate * dw, b - rate * db
    _, dw, db = slopes(0.0, 1.0, xs, ys)
    return {
        "costs": costs,
        "trained": [f32(w), f32(b)],
        "partial": (f32(-rate * dw), f32(1)),
        "raised": {"w": f32(0), "b": f32(1 + rate * db)},
        "gathered": [f32(-rate * dw), f32(1 - rate * db)],
    }


def softmax_by_hand(module: dict[str, Any]) -> dict[str, Any]:
    images, labels = module["images"].astype(float), module["labels"].astype(float)

    def run(bound: float) -> tuple[Any, ...]:
        W, b, costs = np.zeros((12, 3)), np.zeros(3), []
        for _ in range(4):
            for start in range(0, 60, 20):
                x, y = images[start : start + 20], labels[start : start + 20]
                scores = x @ W + b
                costs.append(f32(-np.mean(np.sum(y * log_softmax(scores, axis=1), axis=1))))
                change = (softmax(scores, axis=1) - y) / 20
                dW, db = x.T @ change, change.sum(0)
                factor = bound / max(bound, np.sqrt(np.sum(dW**2) + np.sum(db**2)))
                W, b = W - 0.5 * factor * dW, b - 0.5 * factor * db
        right = np.argmax(images @ W + b, axis=1) == np.argmax(labels, axis=1)
        return costs, f32(np.mean(right)), f32(W)

    return {"by_hand": run(1e9), "built_in": run(1e9), "clipped": run(0.125)}


def five_steps(rule: Any, start: Any, *state: float) -> Any:
    """``w`` after five steps of a rule ``(t, w, g, *state) -> w, *state`` where the gradient is w³ + 1."""
    kept = (np.array(start), *(np.full(3, one) for one in state))
    for t in range(1, 6):
        kept = rule(t, kept[0], kept[0] ** 3 + 1, *kept[1:])
    return f32(kept[0])


def descent(t: int, w: Any, g: Any) -> Any:
    return (w - 0.1 * g,)


def momentum(t: int, w: Any, g: Any, v: Any) -> Any:
    v = 0.9 * v + g
    return w - 0.1 * v, v


def nesterov(t: int, w: Any, g: Any, v: Any) -> Any:
    v = 0.9 * v + g
    return w - 0.1 * (g + 0.9 * v), v


def rmsprop(t: int, w: Any, g: Any, s: Any, v: Any) -> Any:
    s = 0.8 * s + 0.2 * g**2
    v = 0.5 * v + 0.1 * g / np.sqrt(s + 1e-10)
    return w - v, s, v


def adam(t: int, w: Any, g: Any, m: Any, v: Any) -> Any:
    m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g**2
    return w - 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.5**t) * m / (np.sqrt(v) + 1e-8), m, v


def adagrad(t: int, w: Any, g: Any, total: Any) -> Any:
    total = total + g**2
    return w - 0.1 * g / np.sqrt(total), total


def optimizers(module: dict[str, Any]) -> dict[str, Any]:
    start = module["START"]
    # rate 0.5 * 0.25 ** (step / 2) = 0.5 ** (step + 1)
    return {
        "descent": five_steps(descent, start),
        "momentum": five_steps(momentum, start, 0.0),
        "nesterov": five_steps(nesterov, start, 0.0),
        "rmsprop": five_steps(rmsprop, start, 1.0, 0.0),
        "adam": five_steps(adam, start, 0.0, 0.0),
        "adagrad": five_steps(adagrad, start, 0.1),
        "decay": [
            [f32(0.5), f32(0.5), f32(1)],
            [f32(0.25), f32(0.5), f32(0.5)],
            [f32(0.125), f32(0.125), f32(0.25)],
            [f32(0.0625), f32(0.125), f32(0.125)],
        ],
        "steps": i32(4),
    }


def clipping(module: dict[str, Any]) -> dict[str, Any]:
    t, small = np.array([[3.0, 4.0], [0.3, -0.4]]), np.array([0.1, 0.2])
    norm, together = np.sqrt(25.25), np.sqrt(25.3)
    return {
        "by_value": [f32([[3, 3.5], [0.3, -0.35]]), f32([-1, -1, 0, 1, 1]), f32([0, 1, 1, 1, 0])],
        "by_norm": [f32(t / norm), f32([[0.6, 0.8], [0.3, -0.4]]), f32(small)],
        "by_average_norm": f32(t * 0.5 / (norm / 4)),
        "by_global_norm": [f32(t / together), f32(small / together), f32(together), [f32(small)] * 2, f32(small / 2)],
        "none_kept": True,
        "global_norm": f32(together),
        "stepped": f32([3 - 0.3, -4 + 0.4]),
        "histogram": i32([2, 1, 1, 0, 2]),
    }


def scopes(module: dict[str, Any]) -> dict[str, Any]:
    return {
        "names": ["net/w:0", "net/inner/v:0", "net/u:0", "other:0"],
        "trainable": ["net/w:0", "net/u:0", "other:0"],
        "of_net": ["net/w:0", "net/u:0"],
        "same": [True, True],
        "before": f32(1),
        "added": f32(3),
        "after": f32(5),
        "copied": [f32(7), f32(7), f32(7)],
        "group": [None, f32(9), f32(3)],
        "waited": [None, f32(11), f32(-1)],
        "only_net": [None, f32(np.full((2, 3), 1)), f32(-1)],
        "fetches": {"pair": (f32(11), [f32(-1)]), "nothing": None, "name": f32(np.full((2, 3), 1))},
    }


def arrays(module: dict[str, Any]) -> dict[str, Any]:
    x, y = f32([[1, -2, 3], [4, 5, -6]]), f32([[2, 2, 3], [0.5, -1, 2]])
    p, k = f32([0.25, 0.5, 0.75]), i32([[7, -7], [3, 2]])
    structure = [
        x,
        f32([[0.25, 0.5], [0.5, 1], [0.75, 1.5]]),
        np.concatenate([x, y], 1),
        x.reshape(3, 2),
        x.T,
        x.reshape(1, 2, 3).transpose(2, 0, 1),
        x[[1, 0, 1]],
        p[2],
        f32([[1, 0, 0], [0, 0, 1], [0, 1, 0]]),
        i32([[-1, 5], [5, -1]]),
        p[None],
        f32([1, 1, 1]),
        np.tile(p, 2),
        f32([0, 0.25, 0.5, 0.75, 0, 0]),
        f32([7, 7]),
        i32([2, 5]),
        i32([2, 3]),
        np.zeros_like(k),
        np.ones_like(p),
        f32([0.25, -0.5, 0.75]),
        np.stack([y[0], x[1]]),
        i32(x),
        k.astype(float),
        f32(0.5),
        x[:, 2:],
    ]
    reductions = [
        f32(5),
        f32([5, 3, -3]),
        f32([[2], [3]]),
        f32([2 / 3, 1]),
        i32(1),
        f32([3, 5]),
        f32(-6),
        f32([4, -10, -18]),
        np.array([2, 1]),
        np.array([1, 1, 0]),
    ]
    comparisons = [x == y, x != y, x < y, x <= y, x > y, x >= y, (x > 0) & (y > 0), (x > 0) | (y > 0), ~(x < y)]
    arithmetic = [
        x + y,
        x - 1,
        2 * y,
        x / y,
        i32([[3, -4], [1, 1]]),
        i32([[3, -4], [1, 1]]),
        i32([[1, 2], [0, 2]]),
        x**2,
        -x,
        np.maximum(x, y),
        np.minimum(x, FLOAT(2)),
        (x - y) ** 2,
        1 - x,
        2 / p,
        f32([0.25, 1, 2.25]),
        x @ y.T,
        x @ y.T,
    ]
    functions = [
        *(
            np.exp(p),
            np.log(p),
            np.sqrt(p),
            1 / np.sqrt(p),
            p**2,
            np.sin(p),
            np.cos(p),
            np.tan(p),
            np.tanh(p),
            expit(p),
        ),
        *(np.log1p(p), np.expm1(p), p, np.sign(p), np.floor(p), np.ceil(p), f32([0, 0, 1]), np.arcsin(p), np.arccos(p)),
        *(np.arctan(p), np.sinh(p), np.cosh(p)),
    ]
    return {
        "structure": structure,
        "reductions": reductions,
        "comparisons": comparisons,
        "arithmetic": arithmetic,
        "functions": functions,
    }


def windows(x: Any, size: tuple[int, int], padding: str) -> tuple[list[Any], tuple[int, int]]:
    """Places of windows of stride 2, as (output position, slices), after TensorFlow's rule of padding; and the offsets."""
    before = []
    for axis in (0, 1):
        length = x.shape[axis + 1]
        count = -(-length // 2) if padding == "SAME" else (length - size[axis]) // 2 + 1
        total = max((count - 1) * 2 + size[axis] - length, 0) if padding == "SAME" else 0
        before.append((count, total // 2))
    places = [
        ((i, j), (2 * i - before[0][1], 2 * j - before[1][1])) for i in range(before[0][0]) for j in range(before[1][0])
    ]
    return places, (before[0][0], before[1][0])


def convolution(x: Any, w: Any, head: Any, padding: str) -> tuple[Any, Any, Any]:
    """Values, and derivatives of their product with a head, element by element."""
    places, counts = windows(x, w.shape[:2], padding)
    y, dx, dw = np.zeros((len(x), *counts, w.shape[3])), np.zeros(x.shape), np.zeros(w.shape)
    for (i, j), (top, left) in places:
        for a in range(w.shape[0]):
            for b in range(w.shape[1]):
                r, c = top + a, left + b
                if 0 <= r < x.shape[1] and 0 <= c < x.shape[2]:
                    y[:, i, j] += x[:, r, c] @ w[a, b]
                    dx[:, r, c] += head[:, i, j] @ w[a, b].T
                    dw[a, b] += x[:, r, c].T @ head[:, i, j]
    return y, dx, dw


def pool(x: Any, padding: str, reduce: Any) -> Any:
    places, counts = windows(x, (2, 2), padding)
    y = np.zeros((len(x), *counts, x.shape[3]))
    for (i, j), (top, left) in places:
        y[:, i, j] = reduce(x[:, max(top, 0) : top + 2, max(left, 0) : left + 2], axis=(1, 2))
    return y


def networks(module: dict[str, Any]) -> dict[str, Any]:
    x, w = module["IMAGES"].astype(float), module["FILTERS"].astype(float)
    found: dict[str, Any] = {}
    for padding, head in module["HEADS"].items():
        y, dx, dw = convolution(x, w, head.astype(float), padding)
        pools = [pool(x, padding, np.max), pool(x, padding, np.mean)]
        found[padding] = [f32(one) for one in (y, dx, dw, dx, dw, *pools)]
    z, shares, classes = module["LOGITS"].astype(float), module["SHARES"].astype(float), module["CLASSES"]
    entropy = -np.sum(shares * log_softmax(z, axis=1), axis=1)
    losses = {
        "softmax": softmax(z, axis=1),
        "log_softmax": log_softmax(z, axis=1),
        "cross_entropy": entropy,
        "cross_entropy_v2": entropy,
        "sparse": -log_softmax(z, axis=1)[np.arange(4), classes],
        "sigmoid": -shares * np.log(expit(z)) - (1 - shares) * np.log(expit(-z)),
        "l2": np.sum(z**2) / 2,
        "relu": np.maximum(z, 0),
        "bias": z + np.array([1, 2, 3]),
    }
    found["losses"] = {name: f32(one) for name, one in losses.items()} | {
        "activations": [f32(expit(z)), f32(np.tanh(z))]
    }
    return found | {"labels_reached": [True, f32(-log_softmax(z, axis=1))]}


def sessions(module: dict[str, Any]) -> dict[str, Any]:
    start = module["start"]
    state, following, action, reward = (
        module["batch"][module[name]] for name in ("state", "following", "action", "reward")
    )
    best = reward + 0.9 * np.max(following @ (2 * start), axis=1)
    error = (state @ start)[np.arange(6), action] - best
    slope = state.T @ (np.eye(3)[action] * (2 * error / 6)[:, None])
    after = start - 0.5 * slope
    return {
        "stopped": after,
        "fed": after,
        "target_reached": True,
        "ending": "model.ckpt-7",
        "copied": after,
        "restored": [after, 2 * start],
        "inside": [f32(6), f32(15), f32(4)],
        "outside": True,
    }


EXPECTED = {
    one.__name__: one
    for one in (
        *(gradients, overrides, linear_regression, softmax_by_hand, optimizers),
        *(clipping, scopes, arrays, networks, sessions),
    )
}
