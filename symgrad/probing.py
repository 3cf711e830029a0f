"""Rules of functions that only the host can compute.  In: a scalar function at a point.  Out: what is wrong with its derivative.

There are no exact values to ask, and each call may be dear.  So the derivative is compared along a few directions, with
differences so short that a kink nearby does not matter, and coarsely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad.check import Problem
from symgrad.diff.gradients import gradients
from symgrad.interp import evaluate

__all__ = ["aside", "short_verdict"]

Array = np.ndarray[Any, Any]
_DIRECTIONS = 2
_TOLERANCE = 0.02
_FAR = 50  # steps to a second point, which a kink at the first one is out of reach of


def _scale(array: Array) -> Array:
    """The size of a step, for each element: in proportion, but never long, as a function may repeat itself."""
    step = float(np.finfo(array.dtype).eps) ** (1 / 3)
    size = np.maximum(np.abs(array), 1e-3 * np.max(np.abs(array), initial=0))
    return step * np.where(size > 0, np.minimum(size, 1.0), 1.0)


def aside(array: Array, rng: np.random.Generator) -> Array:
    """A point beside a point."""
    away = rng.choice([-1, 1], array.shape) * rng.uniform(0.5, 1, array.shape)
    return np.asarray(array + _FAR * away * _scale(array), array.dtype)


def short_verdict(problem: Problem, rng: np.random.Generator) -> str | None:
    """What is wrong with the derivative at the point; None for nothing."""
    slopes = evaluate(
        gradients(problem.value, problem.parameters, unconnected="zero"),
        problem.at(problem.point),
    )
    scalar = problem.scalar()
    for _ in range(_DIRECTIONS):
        steps = [rng.choice([-1, 1], one.shape) * rng.uniform(0.5, 1, one.shape) * _scale(one) for one in problem.point]
        ahead, behind = (_moved(problem.point, steps, sign) for sign in (1, -1))
        values = scalar(ahead), scalar(behind)
        taken = [np.subtract(a, b, dtype=float) for a, b in zip(ahead, behind, strict=True)]
        parts = [np.sum(slope * step) for slope, step in zip(slopes, taken, strict=True)]
        sizes = [np.sum(np.abs(slope * step)) for slope, step in zip(slopes, taken, strict=True)]
        expected, found = float(sum(parts)), values[0] - values[1]
        noise = 100 * max(np.finfo(one.dtype).eps for one in problem.point) * max(map(abs, values))
        if abs(found - expected) > _TOLERANCE * (abs(found) + float(sum(sizes))) + noise:
            return f"along a short step it changes by {found:.6g}, by the rule {expected:.6g}"
    return None


def _moved(point: Sequence[Array], steps: Sequence[Array], sign: int) -> list[Array]:
    return [np.asarray(one + sign * step, one.dtype) for one, step in zip(point, steps, strict=True)]
