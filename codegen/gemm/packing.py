"""Packing.  In: a strided operand seen as ``source[x, k]``.  Out: panels ``[x / width][k][width]``, contiguous.

A is packed with x along its rows and the height of a tile as width, B with x along its columns.  Three ways, by which
stride is 1: copying whole vectors, transposing squares in registers, and moving one element at a time (any strides, and
the edges of the others).  The last panel's unused part is left as it is: tiles do not read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.gemm.columns import lanes_of, split
from codegen.gemm.product import Known
from codegen.gemm.subroutine import Subroutine
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import Type, Value

__all__ = ["SLACK", "Packing", "transposed"]

SLACK = 64  # elements that may be written after a packed operand


@dataclass(frozen=True)
class Packing:
    """What packing functions know while generating.

    Attributes
    ----------
    element : Type
    width : int
        Of a panel.
    x, k : int or None
        The operand's whole sizes.  Blocks are multiples of every width and vector but for the last, so that sizes which
        are such multiples have no edges at all.
    """

    element: Type
    width: int
    x: Known
    k: Known

    def has_edge(self, way: str, lanes: int) -> bool:
        """Whether copying may meet a narrower panel, or transposing a shorter square."""
        size, step = (self.x, self.width) if way == "copy" else (self.k, lanes)
        return size is None or size % step != 0

    def emit(self, f: Function, source: Value, target: Value, numbers: Mapping[str, Int]) -> None:
        """Pack, in the way that the strides allow: as they are known, else as they are found at run time.

        ``numbers`` are ``x_stride``, ``k_stride`` (elements of the source), ``x``, ``k`` (sizes) and ``panel``
        (elements of the target from a panel to the next).
        """

        def call(way: str, **known: int) -> list[Value]:
            self.call(f, way, source, target, {**numbers, **known})
            return []

        def by_k() -> list[Value]:
            if isinstance(k_stride, int):
                return call("transpose" if k_stride == 1 else "gather")
            unit = f.icmp("eq", k_stride, 1)
            return f.either(unit, lambda: call("transpose", k_stride=1), lambda: call("gather"))

        x_stride, k_stride = numbers["x_stride"], numbers["k_stride"]
        if x_stride == 1:
            call("copy")
        elif isinstance(x_stride, int) or k_stride == 1:
            by_k()
        else:
            f.either(f.icmp("eq", x_stride, 1), lambda: call("copy", x_stride=1), by_k)

    def call(self, f: Function, way: str, source: Value, target: Value, numbers: Mapping[str, Int]) -> None:
        """Call the packing function, emitted before where it is new."""
        subroutine = self._subroutine(way, numbers, self.has_edge(way, f.target.lanes(self.element.bits)))
        if subroutine.name not in f.module.functions:
            with subroutine.body(f.module) as inner:
                _WAYS[way](inner, self, subroutine.numbers(inner))
        subroutine.call(f, {"source": source, "target": target}, {**numbers, "width": self.width})

    def _subroutine(self, way: str, numbers: Mapping[str, Int], edge: bool) -> Subroutine:
        """Known strides are part of a function, sizes are not; gathering, slow as it is, has one for everything."""
        names, pointers = ("x_stride", "k_stride", "x", "k", "panel"), ("source", "target")
        stem = f"{way}_{self.element.suffix}"
        if way == "gather":
            return Subroutine(stem, pointers, tuple((name, None) for name in (*names, "width")))
        known = {name: value for name, value in numbers.items() if name.endswith("stride") and isinstance(value, int)}
        stem += f"_{self.width}" if edge else f"_{self.width}_whole"
        return Subroutine(stem, pointers, tuple((name, known.get(name)) for name in names))


def _copy(f: Function, packing: Packing, numbers: Mapping[str, Int]) -> None:
    element, width = packing.element, packing.width
    x, k, panel = numbers["x"], numbers["k"], numbers["panel"]
    strips = split(width, f.target.lanes(element.bits), masks=False).strips(f, element, width)
    edge = f.remainder(x, width)
    whole = f.sub(x, edge)
    with f.loop(0, whole, width, [f["source"], f["target"]]) as panels:
        source, target = panels.values
        with f.loop(0, k, 1, [source, target]) as rows:
            from_row, to_row = rows.values
            for strip in strips:
                strip.store(f, strip.load(f, from_row), to_row)
            rows.next = [f.gep(from_row, numbers["k_stride"], element), f.gep(to_row, width, element)]
        panels.next = [f.gep(source, width, element), f.gep(target, panel, element)]
    if packing.has_edge("copy", 0):
        with f.when(f.icmp("ne", edge, 0)):
            source, target = panels.values
            packing.call(f, "gather", source, target, {**numbers, "x": edge})


def _transpose(f: Function, packing: Packing, numbers: Mapping[str, Int]) -> None:
    """Squares of ``lanes`` rows and columns.  Rows beyond the last are the last one again: in bounds, and not read."""
    element, width, k = packing.element, packing.width, numbers["k"]
    lanes = min(f.target.lanes(element.bits), 1 << (width - 1).bit_length())
    edge = f.remainder(k, lanes)
    whole = f.sub(k, edge)

    def group(x: Int, first: Int, live: int, target: Value) -> None:
        rows = [_row(f, packing, numbers, f.add(f.add(x, first), r)) for r in range(live)]
        with f.loop(0, whole, lanes, [f.gep(target, first, element)]) as squares:
            _square(f, packing, lanes, [f.gep(row, squares.index, element) for row in rows], squares.values[0])
            squares.next = [f.gep(squares.values[0], lanes * width, element)]

    with f.loop(0, numbers["x"], width, [f["target"]]) as panels:
        target = panels.values[0]
        if width % lanes:  # the last rows, whose lanes to spare lie where the others are written next
            group(panels.index, width // lanes * lanes, width % lanes, target)
        if width >= lanes:
            with f.loop(0, width // lanes * lanes, lanes) as groups:
                group(panels.index, groups.index, lanes, target)
        panels.next = [f.gep(target, numbers["panel"], element)]
    if packing.has_edge("transpose", f.target.lanes(element.bits)):
        with f.when(f.icmp("ne", edge, 0)):
            source, target = f.gep(f["source"], whole, element), f.gep(f["target"], f.mul(whole, width), element)
            packing.call(f, "gather", source, target, {**numbers, "k": edge})


def _row(f: Function, packing: Packing, numbers: Mapping[str, Int], x: Int) -> Value:
    inside = f.minimum(x, f.sub(numbers["x"], 1))
    return f.gep(f["source"], f.mul(inside, numbers["x_stride"]), packing.element)


def _square(f: Function, packing: Packing, lanes: int, rows: Sequence[Value], target: Value) -> None:
    """One square.  Fewer rows than lanes, unless a power of two, are written with lanes to spare.

    What is too much lies where the next k or the next panel is written later, or in :data:`SLACK` after the last.
    """
    element, live = packing.element, len(rows)
    loaded = [f.load(row, element.with_lanes(lanes)) for row in rows]
    for c, column in enumerate(transposed(f, [*loaded, *[loaded[-1]] * (lanes - live)])):
        fitting = column if live & (live - 1) else lanes_of(f, column, 0, live)
        f.store(fitting, f.gep(target, c * packing.width, element))


def _gather(f: Function, packing: Packing, numbers: Mapping[str, Int]) -> None:
    element, width, x_stride = packing.element, numbers["width"], numbers["x_stride"]
    x = numbers["x"]

    def panel(source: Value, target: Value, count: Int) -> None:
        with f.loop(0, numbers["k"], 1, [source, target]) as rows:
            from_row, to_row = rows.values
            with f.loop(0, count, 1, [from_row]) as elements:
                here = elements.values[0]
                f.store(f.load(here, element), f.gep(to_row, elements.index, element))
                elements.next = [f.gep(here, x_stride, element)]
            rows.next = [f.gep(from_row, numbers["k_stride"], element), f.gep(to_row, width, element)]

    with f.loop(0, x, width, [f["source"], f["target"]]) as panels:
        source, target = panels.values
        panel(source, target, f.minimum(width, f.sub(x, panels.index)))
        panels.next = [f.gep(source, f.mul(width, x_stride), element), f.gep(target, numbers["panel"], element)]


_WAYS = {"copy": _copy, "transpose": _transpose, "gather": _gather}


def transposed(f: Function, rows: Sequence[Value]) -> list[Value]:
    """A square of as many vectors as each has lanes, transposed by two-input shuffles.

    First inside 128-bit groups, by interleaving, which is one cheap instruction on every machine; then whole groups
    change places.
    """
    kind = rows[0].type
    group = min(kind.lanes, 128 // kind.bits)
    blocks = [_interleaved(f, rows[q : q + group], group) for q in range(0, kind.lanes, group)]
    columns: list[list[Value]] = [_groups_transposed(f, [block[c] for block in blocks], group) for c in range(group)]
    return [columns[c % group][c // group] for c in range(kind.lanes)]


def _interleaved(f: Function, rows: Sequence[Value], group: int) -> list[Value]:
    """Vector c: in each group, its column c of all rows (as many rows as a group has lanes)."""
    if len(rows) == 1:
        return list(rows)
    half = len(rows) // 2
    upper, lower = _interleaved(f, rows[:half], group), _interleaved(f, rows[half:], group)
    result = []
    lanes = rows[0].type.lanes
    for a, b in zip(upper, lower, strict=True):
        for part in (0, group // 2):
            picked = [
                base + part + block + lane + other
                for base in range(0, lanes, group)
                for block in range(0, group // 2, half)
                for other in (0, lanes)
                for lane in range(half)
            ]
            result.append(f.shuffle(a, b, picked))
    return result


def _groups_transposed(f: Function, rows: Sequence[Value], group: int) -> list[Value]:
    """A square of 128-bit groups transposed by exchanging them between vectors, in steps of 1, 2, 4, ... groups."""
    result, lanes, step = list(rows), rows[0].type.lanes, 1
    while step < len(rows):
        for i in range(len(rows)):
            if not i & step:
                a, b = result[i], result[i | step]
                keep = range(lanes)
                low = [lane if not lane // group & step else lane - step * group + lanes for lane in keep]
                high = [lane + step * group if not lane // group & step else lane + lanes for lane in keep]
                result[i], result[i | step] = f.shuffle(a, b, low), f.shuffle(a, b, high)
        step *= 2
    return result
