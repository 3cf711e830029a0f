"""Columns as vectors.  In: a number of columns.  Out: strips, each one vector wide, the last perhaps under a mask.

Lanes are columns of C everywhere in this package.  Masks are used where the hardware has masked moves; elsewhere LLVM
would turn each of them into a branch per lane, so the remaining columns are cut into powers of two instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codegen.llvm.builder import Function, Int
from codegen.llvm.types import Type, Value
from codegen.target import Target

__all__ = [
    "Columns",
    "Strip",
    "cheap_masked_stores",
    "has_masks",
    "lanes_of",
    "masked_strip",
    "multiply_add",
    "powers",
    "split",
    "sweep_columns",
    "whole_strip",
]


def has_masks(target: Target) -> bool:
    """Whether vectors can be loaded and stored under a mask by one instruction: AVX and wider, not SSE or NEON."""
    return target.vector_bits >= 256


def multiply_add(f: Function, a: Value, b: Value, c: Value) -> Value:
    """``a * b + c``: fused for floats where the machine can, wrapping for integers."""
    return f.fma(a, b, c) if a.type.is_float else f.binary("add", f.binary("mul", a, b), c)


@dataclass(frozen=True)
class Strip:
    """Neighbouring columns held by one vector.

    Attributes
    ----------
    offset : int
        Column of the first lane.
    kind : Type
    mask : Value or None
        Lanes that exist; None where all do.
    count : Int
        Number of lanes that exist.
    """

    offset: int
    kind: Type
    mask: Value | None
    count: Int

    def load(self, f: Function, row: Value) -> Value:
        """The strip of the row that begins at that address; lanes that do not exist are zero."""
        pointer = f.gep(row, self.offset, self.kind)
        return f.load(pointer, self.kind) if self.mask is None else f.masked_load(pointer, self.kind, self.mask)

    def store(self, f: Function, value: Value, row: Value) -> None:
        """Write the strip into the row that begins at that address."""
        pointer = f.gep(row, self.offset, self.kind)
        if self.mask is None:
            f.store(value, pointer)
        elif isinstance(self.count, int) and not cheap_masked_stores(f.target):
            for part in split(self.count, self.kind.lanes, masks=False).strips(f, self.kind.scalar, self.count):
                part.store(f, lanes_of(f, value, part.offset, part.kind.lanes), pointer)
        else:
            f.masked_store(value, pointer, self.mask)


def cheap_masked_stores(target: Target) -> bool:
    """Whether a masked store is as fast as any: with AVX-512.  Before, it takes six cycles on some cores."""
    return target.vector_bits >= 512


def whole_strip(kind: Type) -> Strip:
    """A strip at the beginning of a row, all of whose lanes exist."""
    return Strip(0, kind, None, kind.lanes)


def masked_strip(f: Function, offset: int, kind: Type, count: Int) -> Strip:
    """A strip of which the lanes below ``count - offset`` exist."""
    return Strip(offset, kind, f.lane_mask(offset, count, kind.lanes), f.sub(count, offset))


def lanes_of(f: Function, value: Value, first: int, lanes: int) -> Value:
    """Some neighbouring lanes of a vector."""
    if lanes == value.type.lanes:
        return value
    return f.extract(value, first) if lanes == 1 else f.shuffle(value, None, range(first, first + lanes))


@dataclass(frozen=True)
class Columns:
    """The shape of a group of columns before any code exists.

    Attributes
    ----------
    lanes : tuple of int
        Lanes of each vector.
    count : int or None
        Number of columns where it is known.
    masked : bool
        Whether the last vector is only partly used.
    """

    lanes: tuple[int, ...]
    count: int | None
    masked: bool

    @property
    def tag(self) -> str:
        """For names: ``4.4``, ``4.4m`` (masked at run time), ``4.4m7`` (seven columns)."""
        mask = "" if not self.masked else f"m{'' if self.count is None else self.count}"
        return ".".join(map(str, self.lanes)) + mask

    def strips(self, f: Function, element: Type, count: Int) -> tuple[Strip, ...]:
        """The strips in a function that works on ``count`` columns."""
        made, offset = [], 0
        for k, lanes in enumerate(self.lanes):
            last = self.masked and k == len(self.lanes) - 1
            kind = element.with_lanes(lanes)
            made.append(masked_strip(f, offset, kind, count) if last else Strip(offset, kind, None, lanes))
            offset += lanes
        return tuple(made)


def split(count: int, lanes: int, *, masks: bool) -> Columns:
    """A known number of columns: whole vectors, then the narrowest that hold the rest, one of them under a mask."""
    whole, rest = [lanes] * (count // lanes), count % lanes
    tight = 1 << (rest - 1).bit_length() if rest else 0
    if masks and rest != tight:
        return Columns((*whole, tight), count, True)
    powers = [1 << bit for bit in reversed(range(lanes.bit_length())) if rest >> bit & 1]
    return Columns((*whole, *powers), count, False)


def powers(lanes: int) -> list[Columns]:
    """Shapes for fewer columns than a vector has lanes, without masks: a power of two for each bit of their number."""
    return [Columns((1 << bit,), 1 << bit, False) for bit in reversed(range(lanes.bit_length() - 1))]


def sweep_columns(f: Function, element: Type, low: Int, high: Int, body: Callable[[Int, Strip], None]) -> None:
    """``body(column, strip)`` over all columns from ``low`` to ``high``: whole vectors, then the rest."""
    target = f.target
    lanes = target.lanes(element.bits)
    count = f.sub(high, low)
    rest = f.remainder(count, lanes)
    full = f.sub(high, rest)
    if not isinstance(full, int) or not isinstance(low, int) or full > low:
        with f.loop(low, full, lanes) as loop:
            body(loop.index, whole_strip(element.with_lanes(lanes)))
    if isinstance(rest, int):
        for strip in split(rest, lanes, masks=has_masks(target)).strips(f, element, rest):
            body(full, strip)
    elif cheap_masked_stores(target):
        with f.when(f.icmp("ne", rest, 0)):
            body(full, masked_strip(f, 0, element.with_lanes(lanes), rest))
    elif has_masks(target):
        for shape in powers(lanes):
            (width,) = shape.lanes
            with f.when(f.icmp("ne", f.binary("and", rest, width), 0)):
                body(f.add(full, f.binary("and", rest, -2 * width)), whole_strip(element.with_lanes(width)))
    else:
        with f.loop(full, high, 1) as loop:
            body(loop.index, whole_strip(element))
