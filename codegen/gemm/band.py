"""Bands of matrices.  In: a block's place.  Out: the range along the other axis in which a band can have entries.

A triangle is a band, and so is a matrix of a few diagonals.  Bands let a product leave out what is zero for certain, and
what nobody reads.  They are hints: a product that ignores them is right.
"""

from __future__ import annotations

from typing import NamedTuple

from codegen.llvm.builder import Function, Int

__all__ = ["Band", "overlap"]


class Band(NamedTuple):
    """The diagonals from ``low`` to ``high``; the entry at (row, column) is on diagonal ``column - row``."""

    low: int
    high: int

    @property
    def tag(self) -> str:
        """For names: ``m63.0`` for the lower triangle of 64 rows."""
        return ".".join(str(end).replace("-", "m") for end in self)

    def rows(self, f: Function, column: Int, count: Int) -> tuple[Int, Int]:
        """First row, and the row after the last, of the band in some neighbouring columns; they may be outside."""
        return f.sub(column, self.high), f.sub(f.add(column, count), self.low)

    def columns(self, f: Function, row: Int, count: Int) -> tuple[Int, Int]:
        """First column, and the column after the last, of the band in some neighbouring rows; they may be outside."""
        return f.add(row, self.low), f.add(f.add(row, count), self.high)

    def rows_of(self, column: int, count: int, size: int) -> int:
        """How many of so many rows the band has in those columns."""
        return max(0, min(size, column + count - self.low) - max(0, column - self.high))


def overlap(f: Function, low: Int, high: Int, size: Int) -> tuple[Int, Int]:
    """The part of a range inside ``range(size)``, as a range too."""
    start = f.maximum(0, f.minimum(low, size))
    return start, f.maximum(start, f.minimum(high, size))
