"""Where the axes of an array are cut by boxes.  In: what boxes have of an axis.  Out: the cuts in order, and from where on that holds.

Of dynamic sizes, the order is that of large arrays: 0, 1, n - 1, n.  In smaller ones it may be another.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from codegen.lower.boxes import Span
from symgrad import dims
from symgrad.dims import Atom, Size
from symgrad.ops.boxes import Pick, Range, is_whole, same_box
from symgrad.piecewise import Piecewise

__all__ = ["Cuts", "Large", "cut"]

Entry = Pick | Range


class Large:
    """What counts as large: dimensions from some size on, as far as is needed by what has been asked for until then."""

    def __init__(self) -> None:
        self.least: dict[Atom, int] = {}

    def line(self, size: Size) -> tuple[Atom | None, int, int] | None:
        """A size as (dimension, slope, start), affine where that is large; None where it is no function of one dimension."""
        if isinstance(size, int):
            return None, 0, size
        found = dims.piecewise(size)
        if found is None:
            return None
        atom, (start, bends) = found
        self.at_least(atom, max(place for place, _ in bends))
        return atom, sum(change for _, change in bends), start - sum(place * change for place, change in bends)

    def at_least(self, atom: Atom, size: int) -> None:
        """From now on, only so many are large."""
        self.least[atom] = max(size, self.least.get(atom, 0))

    def factor(self) -> Size:
        """1 where all dimensions are large, else 0."""
        return dims.product(
            dims.of_piecewise(atom, Piecewise(0, ((size - 1, 1), (size, -1))))
            for atom, size in self.least.items()
            if size
        )


class Cuts(NamedTuple):
    """The cuts of an axis, and between which of them each box lies; none of both where the axis stays whole."""

    places: Sequence[Size]
    spans: Sequence[Span]

    @property
    def steps(self) -> list[Span | None]:
        """What the axis is cut into."""
        return [Span(*pair) for pair in itertools.pairwise(range(len(self.places)))] if self.places else [None]

    def covers(self, box: int, step: Span | None) -> bool:
        """Whether a box has all of a step."""
        return step is None or (self.spans[box].start <= step.start and step.stop <= self.spans[box].stop)

    def entry(self, step: Span | None, same: Entry) -> Entry:
        """What a region has of the axis: a single position is picked, so that all parts drop the axis."""
        if step is None:
            return same
        start = self.places[step.start]
        size = self.places[step.stop] - start
        return Pick(start) if isinstance(size, int) and size == 1 else Range(start, dims.maximum(size, 0))

    def begin(self, box: int, entry: Entry) -> Entry:
        """What a box has of the axis, beginning at its cut."""
        if not self.places:
            return entry
        start = self.places[self.spans[box].start]
        return Pick(start) if isinstance(entry, Pick) else entry._replace(start=start)


def cut(entries: Sequence[Entry], size: Size, large: Large) -> Cuts | None:
    """The cuts that entries make in an axis; None where they differ and cannot be ordered, or one of them has gaps.

    What has gaps, or bounds that are not known, and is the same in all boxes, leaves the axis whole.
    """
    same = all(same_box((one,), (entries[0],)) for one in entries)
    if same and is_whole((entries[0],), (size,)):
        return Cuts((), ())
    bounds: list[Size] = [0, size]
    for one in entries:
        start, count = (one.position, 1) if isinstance(one, Pick) else (one.start, one.size)
        bounds += [start, start + count]
    lines = [large.line(bound) for bound in bounds]
    known = [line for line in lines if line is not None]
    atoms = {atom for atom, _, _ in known if atom is not None}
    gaps = any(isinstance(one, Range) and one.step != 1 for one in entries)
    if gaps or len(known) < len(lines) or len(atoms) > 1:
        return Cuts((), ()) if same else None
    order = sorted({(slope, start) for _, slope, start in known})
    places: list[Size] = [start for _, start in order]
    for atom in atoms:
        for (slope, start), (steeper, other) in itertools.pairwise(order):
            if steeper > slope:  # above the other from where on the lines have crossed
                large.at_least(atom, (start - other + steeper - slope - 1) // (steeper - slope))
        places = [dims.of_piecewise(atom, Piecewise(start, ((0, slope),))) for slope, start in order]
    found = [order.index((slope, start)) for _, slope, start in known]
    return Cuts(places, [Span(*pair) for pair in zip(found[2::2], found[3::2], strict=True)])
