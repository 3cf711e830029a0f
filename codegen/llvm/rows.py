"""Point-major data in and out of lanes.  In: pointers to rows, one per lane.  Out: one vector per column, or rows stored.

A row is read in windows of a power-of-two width, the last one moved back to overlap, so that nothing outside the row is
touched; windows of several lanes are transposed in registers by exchanging lanes between pairs of registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen.llvm.builder import Function
from codegen.llvm.types import Type, Value

__all__ = ["Guard", "joined", "load_rows", "store_rows", "windows"]

Guard = Callable[[int, Callable[[], None]], None]  # runs a lane's stores if the lane may write


def windows(columns: int, widest: int) -> list[tuple[int, int]]:
    """(start, width) pairs that cover ``columns``, each a power of two wide, none reaching outside.

    >>> windows(6, 4), windows(11, 8), windows(3, 4)
    ([(0, 4), (4, 2)], [(0, 8), (7, 4)], [(0, 2), (2, 1)])
    """
    made: list[tuple[int, int]] = []
    start = 0
    while start < columns:
        width = widest
        while width > columns:
            width //= 2
        if columns - start < width:
            rest = 1
            while rest < columns - start:
                rest *= 2
            width = min(rest, width)
            start = columns - width
        made.append((start, width))
        start += width
    return made


def joined(f: Function, parts: Sequence[Value]) -> Value:
    """Vectors of equal width one behind the other."""
    level = list(parts)
    while len(level) > 1:
        width = level[0].type.lanes
        level = [f.shuffle(level[k], level[k + 1], range(2 * width)) for k in range(0, len(level), 2)]
    return level[0]


def _transposed(f: Function, registers: Sequence[Value], width: int) -> list[Value]:
    """Registers that hold blocks of ``width`` columns, with rows and columns of each block exchanged; its own inverse."""
    out = list(registers)
    lanes = out[0].type.lanes
    distance = 1
    while distance < width:
        low = [lane if not lane & distance else lanes + lane - distance for lane in range(lanes)]
        high = [lane + distance if not lane & distance else lanes + lane for lane in range(lanes)]
        for row in range(width):
            if not row & distance:
                a, b = out[row], out[row + distance]
                out[row], out[row + distance] = f.shuffle(a, b, low), f.shuffle(a, b, high)
        distance *= 2
    return out


def load_rows(f: Function, rows: Sequence[Value], columns: int, element: Type) -> list[Value]:
    """The columns of as many rows as there are lanes; ``rows`` are pointers to their first elements."""
    lanes = len(rows)
    if lanes == 1:
        return [f.load(f.gep(rows[0], column, element), element) for column in range(columns)]
    out: list[Value | None] = [None] * columns
    for start, width in windows(columns, lanes):
        if width == 1:
            out[start] = _gathered(f, [f.gep(row, start, element) for row in rows], element)
            continue
        kind = element.with_lanes(width)
        registers = [
            joined(f, [f.load(f.gep(rows[block + row], start, element), kind) for block in range(0, lanes, width)])
            for row in range(width)
        ]
        for column, value in enumerate(_transposed(f, registers, width)):
            if out[start + column] is None:
                out[start + column] = value
    return [value for value in out if value is not None]


def _gathered(f: Function, pointers: Sequence[Value], element: Type) -> Value:
    """One element from each pointer."""
    kind = element.with_lanes(len(pointers))
    value: Value | None = None
    for lane, pointer in enumerate(pointers):
        value = f.insert(value, f.load(pointer, element), lane, kind)
    assert value is not None
    return value


def store_rows(f: Function, rows: Sequence[Value], values: Sequence[Value], guard: Guard) -> None:
    """Columns stored as rows; ``guard(lane, store)`` runs ``store`` where that lane may write."""
    lanes, element = len(rows), values[0].type.scalar
    stores: list[list[tuple[Value, int]]] = [[] for _ in range(lanes)]
    for start, width in windows(len(values), lanes) if lanes > 1 else [(k, 1) for k in range(len(values))]:
        if width == 1:
            for lane in range(lanes):
                stores[lane].append((f.extract(values[start], lane) if lanes > 1 else values[start], start))
            continue
        for row, register in enumerate(_transposed(f, values[start : start + width], width)):
            for block in range(0, lanes, width):
                part = register if width == lanes else f.shuffle(register, None, range(block, block + width))
                stores[block + row].append((part, start))
    for lane, own in enumerate(stores):
        guard(lane, lambda lane=lane, own=own: _store_all(f, rows[lane], own, element))  # type: ignore[misc]


def _store_all(f: Function, row: Value, parts: Sequence[tuple[Value, int]], element: Type) -> None:
    for value, start in parts:
        f.store(value, f.gep(row, start, element), element.bytes)
