"""Values and derivatives of expressions to 50 digits, as differences of values of 110; and how far results are from them.

Values are those of symgrad.referee: elementwise operations by mpmath from their declared meaning, everything else by
NumPy on numbers of many digits.  No derivative rule takes part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mpmath
import numpy as np

from symgrad.referee import exact_values

DIGITS = 110
STEP = mpmath.mpf(10) ** -27  # second differences: truncated at 1e-54 of the value, rounded at 1e-56
NOTHING = mpmath.mpf(10) ** -45  # what differences leave of a derivative that is zero

Array = Any  # of numbers of many digits
Direction = Mapping[int, Array]  # argument -> how it moves


def many_digits(array: Any) -> Array:
    """The same numbers, to be moved by steps that float64 does not hold."""
    return np.asarray(np.frompyfunc(mpmath.mpf, 1, 1)(np.asarray(array, np.float64)), dtype=object)


class Exact:
    """An expression at a point."""

    def __init__(self, output: Any, inputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        self.output, self.inputs, self.arrays = output, inputs, arrays

    def value(self, moves: Sequence[Direction] = (), signs: Sequence[int] = ()) -> Array:
        """The value after steps along directions, each forwards or backwards.

        Raises
        ------
        GradientError
            An operation has no exact meaning.
        """
        with mpmath.workdps(DIGITS):
            point: list[Any] = list(self.arrays)
            for move, sign in zip(moves, signs, strict=True):
                for k, direction in move.items():
                    start = point[k] if point[k].dtype == object else many_digits(point[k])
                    point[k] = np.asarray(start + sign * STEP * direction, dtype=object)
            return exact_values([self.output], dict(zip(self.inputs, point, strict=True)), DIGITS)[0]

    def derivative(self, *moves: Direction) -> Array:
        """The derivative along each of the directions in turn, by central differences."""
        with mpmath.workdps(DIGITS):
            total: Any = 0
            for backwards in np.ndindex(*[2] * len(moves)):
                signs = [1 - 2 * one for one in backwards]
                total = total + int(np.prod(signs)) * self.value(moves, signs)
            slopes = np.asarray(total / (2 * STEP) ** len(moves), dtype=object)
            return np.where(abs(slopes) < NOTHING, mpmath.mpf(0), slopes)


def ulps(got: Any, want: Array, size: Array | None = None) -> float:
    """The largest distance from exact numbers, in units in the last place of these, or of numbers of that size."""
    got = np.asarray(got)
    exact = np.broadcast_to(np.asarray(want, dtype=object), got.shape).ravel()
    sizes = exact if size is None else np.broadcast_to(np.asarray(size, dtype=object), got.shape).ravel()
    units = np.spacing(np.abs(sizes.astype(float)).astype(got.dtype))
    with mpmath.workdps(DIGITS):
        distances = [
            0 if a == b else abs(mpmath.mpf(a) - b) / mpmath.mpf(float(unit))
            for a, b, unit in zip(got.ravel().tolist(), exact, units, strict=True)
        ]
    return float(max(distances, default=0))
