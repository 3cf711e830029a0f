"""What a stage does along one axis.  In: a stage and an axis.  Out: how it touches memory index by index, if it can be cut.

A stage can run for a part of an axis where each index of it reads and writes, of every array that others write, its own
row only.  Sums over the axis may go on from part to part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from codegen.lower.apart import used_values
from codegen.lower.forms import Axis
from codegen.lower.loopir import (
    MEMORY,
    Along,
    Buffer,
    Carry,
    Const,
    For,
    Load,
    Nest,
    Offset,
    Product,
    Scatter,
    Store,
    View,
    statements,
)
from symgrad import dims
from symgrad.dims import Size
from symgrad.types import same_shape

__all__ = [
    "LOOPS",
    "Access",
    "Part",
    "along_part",
    "is_row",
    "nest_part",
    "part_along",
    "product_part",
    "quotient",
    "views",
    "zeroing",
]

LOOPS = frozenset({For})


def quotient(size: Size, extent: Size) -> int | None:
    """How many times the extent a size is, if that is a number: the elements per index of a first axis of that extent."""
    if isinstance(extent, int):
        return size // extent if isinstance(size, int) and size and size % extent == 0 else None
    found = dims.floordiv(size, extent)
    return found if isinstance(found, int) and found > 0 and found * extent is size else None


class Access(NamedTuple):
    """How a stage touches a buffer.

    ``aligned``: at index i of the axis it touches row i of the buffer only; ``varies``: where it does depends on i.
    """

    buffer: Buffer
    write: bool
    aligned: bool
    varies: bool


class Part(NamedTuple):
    """A stage that can run part by part.

    Attributes
    ----------
    stage : as it is
    axis : the loop of a nest, or which dimension of a product ("m", "n", "k", or a batch axis) or of work along an axis
    times : rounds of the loop for each index of the axis, more than one where an array is run through as a whole
    accesses : what it touches
    sums : buffers to which it adds sums over the axis, which must start from zero
    """

    stage: Any
    axis: Any
    times: int
    accesses: tuple[Access, ...]
    sums: frozenset[Buffer]


def part_along(stage: Any, extent: Size) -> Part | None:
    """The stage along its only axis of that extent; None where it has none, or cannot be cut."""
    if isinstance(stage, Nest):
        found = [(one, quotient(one.axis.extent, extent)) for one in statements(stage.body, LOOPS)]
        loops = [pair for pair in found if pair[1] == 1] or [pair for pair in found if pair[1] is not None]
        if len(loops) != 1:
            return None
        loop, times = loops[0]
        assert times is not None
        return nest_part(stage, loop, times)
    if isinstance(stage, Product):
        sizes: dict[Any, Size] = {"m": stage.m, "n": stage.n, "k": stage.k, **dict(enumerate(stage.batch))}
        axes = [name for name, size in sizes.items() if same_shape((size,), (extent,))]
        return product_part(stage, axes[0], extent) if len(axes) == 1 else None
    return None


def zeroing(buffer: Buffer) -> Nest:
    """A nest that sets an array to zero, which can be cut along any axis."""
    axis = Axis(buffer.size, "i0")
    store = Store(buffer, Offset(0, ((axis, 1),), ()), 1)
    return Nest((For(axis, True, (), (Const(1, buffer.dtype.type(0), buffer.dtype), store)),))


def nest_part(nest: Nest, loop: For, times: int = 1) -> Part | None:
    """A nest along one of its loops, which makes so many rounds for each index of the axis."""
    if not all(_holds(one, loop) for one in nest.body if isinstance(one, For)):
        return None
    sums = _sums(nest, loop)
    if sums is None:
        return None
    sums |= _added(nest, loop)
    inside = {id(one) for one in statements(loop.body, MEMORY)}
    accesses = []
    for one in statements(nest.body, MEMORY):
        write = one.__class__ is not Load
        along = dict(one.offset.axes).get(loop.axis, 0)
        aligned = id(one) in inside and not one.offset.values and is_row(one.buffer, along, loop.axis.extent)
        varies = bool(one.offset.values) or not _is_zero(along)
        accesses.append(Access(one.buffer, write, aligned, varies))
        if write and one.buffer not in sums and one.add and id(one) not in inside:
            return None  # would be added once for each block
    written = {one.buffer for one in accesses if one.write}
    for one in statements(nest.body, MEMORY):
        if id(one) not in inside and one.__class__ is Load and one.buffer in written:
            return None  # reads what the whole loop leaves behind
    if any(one.write and one.buffer in sums and one.aligned for one in accesses):
        return None
    return Part(nest, loop.axis, times, tuple(dict.fromkeys(accesses)), sums)


def _holds(outer: For, loop: For) -> bool:
    return outer is loop or any(one is loop for one in statements(outer.body, LOOPS))


def _is_zero(coefficient: Size) -> bool:
    return isinstance(coefficient, int) and coefficient == 0


def is_row(buffer: Buffer, coefficient: Size, extent: Size) -> bool:
    """Whether an axis of that extent, with that step from index to index, runs over the rows of a buffer."""
    return not _is_zero(coefficient) and same_shape((coefficient * extent,), (buffer.size,))


def _sums(nest: Nest, loop: For) -> frozenset[Buffer] | None:
    """Buffers that receive sums over the loop as they are; None where something else is done with its results."""
    results = {one.id for one in loop.carries}
    if any(one.kind != "sum" for one in loop.carries):
        return None
    inside = {id(one) for one in statements(loop.body)} | {id(loop)}
    outside = [one for one in statements(nest.body) if id(one) not in inside]
    for one in reversed([one for one in outside if isinstance(one, For)]):  # inner loops first
        if not _continues(one.carries, results):
            return None
    plain = {one.buffer for one in outside if isinstance(one, (Store, Scatter)) and one.value not in results}
    targets = set()
    for one in outside:
        if isinstance(one, Store) and one.value in results:
            if one.add or one.offset.values or one.buffer.kind == "variable":
                return None
            targets.add(one.buffer)
        elif not results.isdisjoint(used_values(one)):
            return None
    inner = {one.buffer for one in statements(loop.body, MEMORY)}
    return None if targets & plain or targets & inner else frozenset(targets)


def _added(nest: Nest, loop: For) -> frozenset[Buffer]:
    """Buffers to whose elements the loop adds in memory, in every round to the same ones, and which nothing else touches."""
    within = {id(one) for one in statements(loop.body, MEMORY)}
    found: dict[Buffer, bool] = {}
    for one in statements(nest.body, MEMORY):
        plain = one.__class__ is Store and one.add and id(one) in within and not one.offset.values
        fixed = plain and all(axis is not loop.axis for axis, _ in one.offset.axes) and one.buffer.kind != "variable"
        found[one.buffer] = found.get(one.buffer, True) and fixed
    return frozenset(buffer for buffer, fixed in found.items() if fixed)


def _continues(carries: Sequence[Carry], results: set[int]) -> bool:
    """Whether the carries of a loop around only pass results on; those that do are results too."""
    for carry in carries:
        if carry.value in results:
            if not carry.inner or carry.kind != "sum":
                return False
            results.add(carry.id)
    return True


def product_part(product: Product, axis: Any, extent: Size) -> Part:
    """A product along one of its dimensions, of that extent."""
    accesses = []
    for view, along, write in views(product, axis):
        stride = 0 if along is None else view.strides[along]
        accesses.append(Access(view.buffer, write, is_row(view.buffer, stride, extent), not _is_zero(stride)))
    sums = frozenset({product.c.buffer}) if axis == "k" and not product.accumulate else frozenset()
    return Part(product, axis, 1, tuple(accesses), sums)


def along_part(stage: Along) -> Part:
    """Work along an axis, cut along the outermost of the others."""
    accesses = []
    for view in (*stage.operands, stage.target):
        aligned = is_row(view.buffer, view.strides[0], stage.outer[0])
        accesses.append(Access(view.buffer, view is stage.target, aligned, not _is_zero(view.strides[0])))
    if stage.room is not None:
        accesses.append(Access(stage.room, True, False, False))
    return Part(stage, 0, 1, tuple(accesses), frozenset())


def views(product: Product, axis: Any) -> list[tuple[View, int | None, bool]]:
    """Each operand, which of its strides belongs to the axis, and whether it is written."""
    outer = len(product.batch)
    if isinstance(axis, int):
        return [(product.a, axis, False), (product.b, axis, False), (product.c, axis, True)]
    row, column = outer, outer + 1
    a = {"m": row, "k": column}.get(axis)
    b = {"k": row, "n": column}.get(axis)
    c = {"m": row, "n": column}.get(axis)
    return [(product.a, a, False), (product.b, b, False), (product.c, c, True)]
