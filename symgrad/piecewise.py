"""Integer functions of one dimension that bend.  In: places where slopes change.  Out: the same of maxima, lower bounds.

Clipped bounds of slices are such functions: ``max(2 * max(n - 1, 0) - n, 0)`` is 0, 0, 0, 1, 2, ... for n = 0, 1, 2, 3, 4, ...,
which is ``max(n - 2, 0)``.  Over the integers from 0 on every one of them is ``start + sum(c * max(n - k, 0))`` with
different k from 0 on, in one way only: where two of them agree everywhere, they are the same.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Piecewise"]


class Piecewise(NamedTuple):
    """``start + sum(change * max(n - place, 0) for place, change in bends)`` for n = 0, 1, 2, ..."""

    start: int
    bends: tuple[tuple[int, int], ...]

    def at(self, n: int) -> int:
        """The value at ``n``, from 0 on."""
        return self.start + sum(change * max(n - place, 0) for place, change in self.bends)

    def least(self) -> int | None:
        """The smallest value, None where there is none."""
        falls = sum(change for _, change in self.bends) < 0
        return None if falls else min(self.at(place) for place in (0, *(place for place, _ in self.bends)))

    def or_zero(self) -> Piecewise:
        """The larger of this and 0."""
        places = {0, *(place for place, _ in self.bends)}
        slope = 0
        for place, change in sorted(self.bends):
            slope += change
            if slope:  # the line from here on passes zero between two neighbours
                zero = place + -self.at(place) // slope
                places |= {zero, zero + 1}
        found = []
        for place in sorted(one for one in places if one >= 0):
            before, here, after = (max(self.at(n), 0) for n in (place - 1, place, place + 1))
            change = after - here if place == 0 else after - 2 * here + before
            found.append((place, change))
        return Piecewise(max(self.start, 0), tuple(pair for pair in found if pair[1]))
