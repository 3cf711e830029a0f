"""A column panel: the tiles of one group of columns, from the first row to the last.

In: a :class:`Panel`, what is known of the panel.  Out: an internal function, emitted once for everything alike.
Rows are cut into full tiles and a tail.  A known number of rows has exactly the tiles that it needs; otherwise the tail
is cut into powers of two, each behind one branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from codegen.gemm.band import overlap
from codegen.gemm.columns import Columns
from codegen.gemm.subroutine import Subroutine
from codegen.gemm.tile import Addresses, Epilogue, Tile, emit_tile
from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import POINTER, Type, Value

__all__ = ["Panel", "Rows", "call_panel"]


@dataclass(frozen=True)
class Rows:
    """How the rows of a panel are cut.

    Attributes
    ----------
    full : int
        Rows of a full tile.
    tails : tuple of int
        Heights of the tiles that follow.
    exact : bool
        Whether every tail follows for certain, after ``m - sum(tails)`` rows.  Otherwise a single tail follows where
        rows remain, and several are powers of two, each used where that bit of the remaining rows is set.
    """

    full: int
    tails: tuple[int, ...]
    exact: bool

    def heights(self, m: int) -> list[int]:
        """The heights of all tiles of that many rows."""
        return [self.full] * ((m - sum(self.tails)) // self.full) + list(self.tails)

    @property
    def tag(self) -> str:
        return ".".join(map(str, (self.full, *self.tails))) + ("" if self.exact else "q")


@dataclass(frozen=True)
class Panel:
    """What is known of a panel while generating.

    ``numbers`` are the integers of the function: ``m``, ``k``, ``a_row``, ``a_col``, ``a_tile`` (from a full
    tile of A to the next), ``b_row``, ``c_row``, ``add`` (not 0: start from C), and as they are needed ``columns``
    (their number, for the mask), ``start`` and ``stop`` (rows that are needed, from that of a full tile on; the tail
    always is), ``k_low`` and ``k_high`` (where A has entries in the first row) and, for an epilogue, ``left`` (k beyond
    this block; it runs at 0), ``row`` and ``column`` (place in C).  ``key`` names the epilogue.
    """

    element: Type
    rows: Rows
    columns: Columns
    numbers: tuple[tuple[str, int | None], ...]
    key: str = ""

    @property
    def subroutine(self) -> Subroutine:
        stem = f"panel.{self.key}" if self.key else "panel"
        pointers = ("A", "B", "C", "context") if self.key else ("A", "B", "C")
        shape = f"{self.element.suffix}_{self.rows.tag}_{self.columns.tag}"
        return Subroutine(f"{stem}_{shape}", pointers, self.numbers)


def call_panel(
    f: Function, panel: Panel, pointers: Mapping[str, Value], numbers: Mapping[str, Int], epilogue: Epilogue | None
) -> None:
    """Call the panel's function, emitting it first where the module does not have it yet."""
    subroutine = panel.subroutine
    if subroutine.name not in f.module.functions:
        _emit_panel(f.module, panel, subroutine, epilogue)
    subroutine.call(f, pointers, numbers)


def _emit_panel(module: Module, panel: Panel, subroutine: Subroutine, epilogue: Epilogue | None) -> None:
    with subroutine.body(module) as f:
        numbers, element = subroutine.numbers(f), panel.element
        strips = panel.columns.strips(f, element, numbers.get("columns", panel.columns.count or 0))
        load = _holds(f, "ne", numbers["add"])
        last = _holds(f, "eq", numbers.get("left", 0))
        context = f["context"] if panel.key else Value("null", POINTER)

        def tile(rows: int, done: Int, a: Value, c: Value) -> None:
            place = Tile(f.add(numbers.get("row", 0), done), numbers.get("column", 0), rows, strips, context)
            b, k = f["B"], numbers["k"]
            if "k_low" in numbers:
                low, high = f.add(numbers["k_low"], done), f.add(f.add(numbers["k_high"], done), rows)
                start, stop = overlap(f, low, high, k)
                a, b = (
                    f.gep(a, f.mul(start, numbers["a_col"]), element),
                    f.gep(b, f.mul(start, numbers["b_row"]), element),
                )
                k = f.sub(stop, start)
            at = Addresses(a, b, c, *(numbers[name] for name in ("a_row", "a_col", "b_row", "c_row")))
            emit_tile(f, element, place, at, k, load, epilogue, last)

        _rows(f, panel, numbers, tile)


def _holds(f: Function, predicate: str, number: Int) -> bool | Value:
    """Whether the number is 0 (``eq``) or not (``ne``)."""
    return (number == 0) is (predicate == "eq") if isinstance(number, int) else f.icmp(predicate, number, 0)


TileEmitter = Callable[[int, Int, Value, Value], None]


def _rows(f: Function, panel: Panel, numbers: Mapping[str, Int], tile: TileEmitter) -> None:
    """Full tiles, then the tail; ``tile(rows, done, a, c)`` emits one at its addresses."""
    rows, m, element = panel.rows, numbers["m"], panel.element
    tail = sum(rows.tails) if rows.exact else f.remainder(m, rows.full)
    full = f.sub(m, tail)
    a, c = f["A"], f["C"]
    if "start" in numbers:
        _needed_rows(f, panel, numbers, tile, full)
        a, c = _row(f, panel, numbers, full)
    elif full == rows.full:
        tile(rows.full, 0, a, c)
        a, c = f.gep(a, numbers["a_tile"], element), f.gep(c, f.mul(full, numbers["c_row"]), element)
    elif full != 0:
        with f.loop(0, full, rows.full, [a, c]) as loop:
            a, c = loop.values
            tile(rows.full, loop.index, a, c)
            below = f.gep(c, f.mul(rows.full, numbers["c_row"]), element)
            loop.next = [f.gep(a, numbers["a_tile"], element), below]
        a, c = loop.values
    if rows.tails:
        _tail(f, panel, numbers, lambda height, done, a, c: tile(height, f.add(full, done), a, c), tail, a, c)


def _needed_rows(f: Function, panel: Panel, numbers: Mapping[str, Int], tile: TileEmitter, full: Int) -> None:
    """Those of the full tiles that somebody reads."""
    start, stop = (f.minimum(numbers[name], full) for name in ("start", "stop"))
    a, c = _row(f, panel, numbers, start)
    with f.loop(start, stop, panel.rows.full, [a, c]) as loop:
        a, c = loop.values
        tile(panel.rows.full, loop.index, a, c)
        below = f.gep(c, f.mul(panel.rows.full, numbers["c_row"]), panel.element)
        loop.next = [f.gep(a, numbers["a_tile"], panel.element), below]


def _row(f: Function, panel: Panel, numbers: Mapping[str, Int], row: Int) -> tuple[Value, Value]:
    """Where the full tile that begins with a row finds A and C."""
    tiles = f.floordiv(row, panel.rows.full)
    a = f.gep(f["A"], f.mul(tiles, numbers["a_tile"]), panel.element)
    return a, f.gep(f["C"], f.mul(row, numbers["c_row"]), panel.element)


def _tail(
    f: Function, panel: Panel, numbers: Mapping[str, Int], tile: TileEmitter, tail: Int, a: Value, c: Value
) -> None:
    """The tiles after the full ones; ``a`` and ``c`` are where they begin."""
    heights = panel.rows.tails

    def one(height: int, done: Int) -> None:
        here = f.gep(a, f.mul(done, numbers["a_row"]), panel.element)
        tile(height, done, here, f.gep(c, f.mul(done, numbers["c_row"]), panel.element))

    for k, height in enumerate(heights):
        if panel.rows.exact:
            one(height, sum(heights[:k]))
        elif len(heights) == 1:
            with f.when(f.icmp("ne", tail, 0)):
                one(height, 0)
        else:
            with f.when(f.icmp("ne", f.binary("and", tail, height), 0)):
                one(height, f.binary("and", tail, -2 * height))
