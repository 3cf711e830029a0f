"""Random programs for the property tests: NumPy code that runs on arrays and on expressions alike.

A program is a list of steps; each picks an operation and earlier values that fit it.  Functions are chosen so that
values stay moderate and smooth, whatever the program: what is compared is code, not conditioning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

SIZES = {"n": 5, "m": 18}  # dynamic dimensions: one that an unrolled loop would have, one beyond

SHAPES = [(), (3,), ("n",), ("m",), (20,), (2, 3), ("n", 3), ("n", "m"), (3, 3), ("m", 20), (2, "n", 3)]


class Step(NamedTuple):
    """``function`` applied to the values at ``positions``."""

    function: Callable[..., Any]
    positions: tuple[int, ...]


class Program(NamedTuple):
    """Shapes of the inputs, and steps; every value that no step uses is a result."""

    shapes: tuple[tuple[Any, ...], ...]
    steps: tuple[Step, ...]

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        values = list(inputs)
        for step in self.steps:
            values.append(step.function(*(values[k] for k in step.positions)))
        used = {k for step in self.steps for k in step.positions}
        return [value for k, value in enumerate(values) if k not in used and k >= len(inputs)]


def concrete(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(SIZES.get(size, size) for size in shape)


# -- operations -----------------------------------------------------------------------------------------------------
UNARY = {
    "sin": np.sin,
    "tanh": np.tanh,
    "negative": lambda x: -x,
    "exp": lambda x: np.exp(np.tanh(x)),
    "log": lambda x: np.log(1.5 + np.square(x)),
    "sqrt": lambda x: np.sqrt(1.0 + x * x),
    "abs": lambda x: np.abs(x + 0.123),
    "cube": lambda x: np.tanh(x) ** 3,
    "reciprocal": lambda x: 1.0 / (2.0 + np.cos(x)),
    "arctan": np.arctan,
    "logistic": lambda x: 1.0 / (1.0 + np.exp(-np.tanh(x))),
    "affine": lambda x: 0.5 * x - 1.25,
}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": lambda a, b: np.tanh(a) * np.sin(b),
    "divide": lambda a, b: a / (2.0 + np.sin(b)),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "where": lambda a, b: np.where(a > b, np.sin(a), b * 0.5),
    "power": lambda a, b: (1.5 + np.sin(a)) ** np.tanh(b),
    "hypot": lambda a, b: np.hypot(a, 1.0 + np.tanh(b) ** 2),
}


def _fits(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    """Whether two shapes broadcast."""
    return all(x == y or x == 1 or y == 1 for x, y in zip(reversed(a), reversed(b), strict=False))


def _joined(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    long, short = (a, b) if len(a) >= len(b) else (b, a)
    padded = (1,) * (len(long) - len(short)) + short
    return tuple(y if x == 1 else x for x, y in zip(long, padded, strict=True))


@st.composite
def programs(draw: Any, most: int = 9) -> Program:
    """A random program."""
    inputs = tuple(draw(st.lists(st.sampled_from(SHAPES), min_size=2, max_size=3)))
    shapes: list[tuple[Any, ...]] = list(inputs)
    steps: list[Step] = []
    for _ in range(draw(st.integers(2, most))):
        made, shape = _step(draw, shapes)
        steps.append(made)
        shapes.append(shape)
    return Program(inputs, tuple(steps))


def _step(draw: Any, shapes: list[tuple[Any, ...]]) -> tuple[Step, tuple[Any, ...]]:
    k = draw(st.integers(0, len(shapes) - 1))
    shape = shapes[k]
    kind = draw(st.sampled_from(["unary", "binary", "reduce", "view", "part", "join", "contract", "index", "stencil"]))
    if kind == "binary":
        j = draw(st.sampled_from([j for j, other in enumerate(shapes) if _fits(shape, other)]))
        return Step(BINARY[draw(st.sampled_from(sorted(BINARY)))], (k, j)), _joined(shape, shapes[j])
    if shape:
        made = {
            "reduce": _reduce,
            "view": _view,
            "part": _part,
            "join": _join,
            "contract": _contract,
            "index": _index,
            "stencil": _stencil,
        }
        if kind in made:
            return made[kind](draw, shapes, k)
    return Step(UNARY[draw(st.sampled_from(sorted(UNARY)))], (k,)), shape


def _reduce(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    shape = shapes[k]
    axes = tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    keep = draw(st.booleans())
    function = draw(st.sampled_from([np.sum, np.mean, np.max, np.min]))
    left = tuple(1 if a in axes else s for a, s in enumerate(shape) if keep or a not in axes)
    return Step(lambda x: function(x, axis=axes, keepdims=keep), (k,)), left


def _view(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    shape = shapes[k]
    which = draw(st.sampled_from(["transpose", "expand", "flatten", "reverse"]))
    if which == "transpose":
        order = draw(st.permutations(range(len(shape))))
        return Step(lambda x: np.transpose(x, order), (k,)), tuple(shape[a] for a in order)
    if which == "expand":
        axis = draw(st.integers(0, len(shape)))
        return Step(lambda x: np.expand_dims(x, axis), (k,)), (*shape[:axis], 1, *shape[axis:])
    if which == "flatten" and all(isinstance(size, int) for size in shape):
        return Step(lambda x: x.reshape(-1), (k,)), (int(np.prod(shape)),)
    axis = draw(st.integers(0, len(shape) - 1))
    back = (*(slice(None),) * axis, slice(None, None, -1))
    return Step(lambda x: x[back], (k,)), shape


def _part(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    shape = shapes[k]
    axis = draw(st.integers(0, len(shape) - 1))
    head = (slice(None),) * axis
    size = shape[axis]
    if isinstance(size, int) and size > 1 and draw(st.booleans()):
        step = draw(st.sampled_from([1, 2, -1]))
        start = draw(st.integers(0, size - 1))
        own = slice(start, None, step)
        return Step(lambda x: x[(*head, own)], (k,)), (*shape[:axis], len(range(size)[own]), *shape[axis + 1 :])
    position = draw(st.sampled_from([0, -1]))
    return Step(lambda x: x[(*head, position)], (k,)), (*shape[:axis], *shape[axis + 1 :])


def _join(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    shape = shapes[k]
    same = [j for j, other in enumerate(shapes) if other == shape]
    j = draw(st.sampled_from(same))
    axis = draw(st.integers(0, len(shape) - 1))
    if isinstance(shape[axis], int) and draw(st.booleans()):
        return Step(lambda a, b: np.concatenate([a, b, a], axis=axis), (k, j)), (
            *shape[:axis],
            3 * shape[axis],
            *shape[axis + 1 :],
        )
    return Step(lambda a, b: np.stack([a, b], axis=axis), (k, j)), (*shape[:axis], 2, *shape[axis:])


def _contract(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    shape = shapes[k]
    if draw(st.booleans()):
        partners = [j for j, other in enumerate(shapes) if other and other[-1] == shape[-1]]
        j = draw(st.sampled_from(partners))
        result = (*shape[:-1], *shapes[j][:-1])
        if len(result) <= 4:
            return Step(lambda a, b: np.tanh(np.tensordot(a, b, axes=[[-1], [-1]])), (k, j)), result
    labels = "abcd"[: len(shape)]
    spec = f"{labels},{labels}->{labels[::-1][:-1]}"
    return Step(lambda a, b: np.sin(np.einsum(spec, a, b)), (k, k)), shape[::-1][:-1]


def _index(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    shape = shapes[k]
    axis = draw(st.integers(0, len(shape) - 1))
    size = SIZES.get(shape[axis], shape[axis])
    count = draw(st.sampled_from([1, 2, 19]))
    rows = np.array(draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)))
    return Step(lambda x: np.take(x, rows, axis=axis), (k,)), (*shape[:axis], count, *shape[axis + 1 :])


def _stencil(draw: Any, shapes: Any, k: int) -> tuple[Step, tuple[Any, ...]]:
    """A combination of parts that overlap, along one axis or two."""
    shape = shapes[k]
    axes = [axis for axis, size in enumerate(shape) if isinstance(size, int) and size > 2]
    if not axes:
        return Step(np.sin, (k,)), shape
    chosen = draw(st.sets(st.sampled_from(axes), min_size=1, max_size=2))
    weights = draw(st.lists(st.sampled_from([-2.0, 0.5, 1.0]), min_size=3, max_size=3))
    function = draw(st.sampled_from([np.sin, lambda x: x, lambda x: np.exp(np.tanh(x))]))

    def apply(x: Any) -> Any:
        values = function(x)
        total: Any = 0.0
        for axis in sorted(chosen):
            for shift, weight in enumerate(weights):
                index = tuple(
                    slice(shift, size - 2 + shift) if a == axis else slice(1, -1) if a in chosen else slice(None)
                    for a, size in enumerate(shape)
                )
                total = total + weight * values[index]
        return total

    return Step(apply, (k,)), tuple(size - 2 if axis in chosen else size for axis, size in enumerate(shape))
