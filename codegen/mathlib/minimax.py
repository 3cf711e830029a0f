"""Best polynomial approximations.  In: a function on an interval.  Out: coefficients; and numbers cut into parts.

Remez' exchange on a fine grid, in 60 digits (Muller, *Elementary Functions*, ch. 3): the weighted errors of the best
polynomial of degree n reach their largest size at n + 2 points, with alternating signs.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath

__all__ = ["Polynomial", "Real", "minimax", "mp", "rounded", "split"]

Real = Any  # an mpmath number
mp = mpmath.MPContext()  # our own, so that the precision of others stays as it is
mp.dps = 60


@dataclass(frozen=True)
class Polynomial:
    """A function to approximate on an interval, the degrees for both formats, and the weight of an error.

    The ends may differ between the formats; a degree of None means that the format has no use for it.
    """

    function: Callable[[Real], Real]
    low: Real | tuple[Real, Real]
    high: Real | tuple[Real, Real]
    double: int
    single: int | None
    weight: Callable[[Real], Real]


def _solve(points: Sequence[Real], values: Sequence[Real], weights: Sequence[Real], degree: int) -> list[Real]:
    """The polynomial whose weighted errors at degree + 2 points are equal and alternate."""
    matrix = mp.matrix(degree + 2, degree + 2)
    for row, (point, weight) in enumerate(zip(points, weights, strict=True)):
        for column in range(degree + 1):
            matrix[row, column] = point**column
        matrix[row, degree + 1] = (-1) ** row / weight
    return list(mp.lu_solve(matrix, mp.matrix(values)))[: degree + 1]


def _peaks(errors: Sequence[Real], count: int) -> list[int]:
    """Indices of the largest error of each run of one sign; the ends with the smaller error are dropped."""
    chosen: list[int] = []
    for index, error in enumerate(errors):
        if chosen and (errors[chosen[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[chosen[-1]]):
                chosen[-1] = index
        else:
            chosen.append(index)
    while len(chosen) > count:
        chosen.pop(0 if abs(errors[chosen[0]]) < abs(errors[chosen[-1]]) else -1)
    return chosen


def minimax(spec: Polynomial, single: bool) -> tuple[list[Real], Real]:
    """Coefficients, constant term first, and the largest weighted error."""
    degree = spec.single if single else spec.double
    assert degree is not None
    low, high = (mp.mpf(end[single] if isinstance(end, tuple) else end) for end in (spec.low, spec.high))
    size = 40 * (degree + 2)
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (k + mp.mpf("0.5")) / size) for k in range(size)]
    values = [spec.function(point) for point in grid]
    weights = [abs(spec.weight(point)) for point in grid]
    chosen = [round((k + 0.5) * size / (degree + 2)) for k in range(degree + 2)]
    for _ in range(30):
        points, wanted, scales = ([row[k] for k in chosen] for row in (grid, values, weights))
        found = _solve(points, wanted, scales, degree)
        errors = [
            (mp.polyval(found[::-1], point) - value) * weight
            for point, value, weight in zip(grid, values, weights, strict=True)
        ]
        largest = max(abs(error) for error in errors)
        level = abs(errors[chosen[0]])
        if largest < level * mp.mpf("1.01"):
            break
        exchanged = _peaks(errors, degree + 2)
        if len(exchanged) < degree + 2:
            break
        chosen = exchanged
    return found, largest


def rounded(value: Real, single: bool) -> float:
    """The nearest number of the format, as a Python float."""
    if not single:
        return float(value)
    return float(struct.unpack("<f", struct.pack("<f", float(value)))[0])


def split(value: Real, bits: Sequence[int], single: bool) -> tuple[float, ...]:
    """A sum of numbers, each cut down to so many significant bits (0: rounded to the format)."""
    parts = []
    for count in bits:
        part = mp.mpf(rounded(value, single))
        if count:
            unit = mp.ldexp(1, int(mp.floor(mp.log(abs(value), 2))) + 1 - count)
            part = mp.floor(value / unit) * unit
        parts.append(float(part))
        value -= part
    return tuple(parts)
