"""Stores past the caches, and aligned ones.  In: a vector loop, and arrays that the kernel does not read.  Out: where the loop's rounds begin.

What is larger than the last cache has left it before anybody reads it, so that keeping it there is no use; but an
ordinary store fetches each line of memory before it overwrites it.  Stores that stream need aligned vectors: a first
round stores in the ordinary way, and the second begins at the first aligned index and computes some elements again.  A
round stores whole lines: parts of them, of several arrays in turn, are written back one by one, many times slower.
Whether a loop streams is found out in each call, from its sizes and addresses; there is one body for both ways.

Loops that do not stream gain from aligned vectors too, where they store few arrays, all aligned alike: vectors that cross
lines of the cache cost 2 to 10 per cent, and NumPy's arrays are aligned to 16 bytes only.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

from codegen.llvm.builder import Function, Int
from codegen.llvm.types import BOOL, I64, Value, constant
from codegen.lower.forms import Axis
from codegen.lower.loopir import For, Let, Load, Scatter, Store
from codegen.lower.schedule import COST
from codegen.signature import element_type
from codegen.target import Target
from symgrad.dims import Size

__all__ = [
    "Streams",
    "aligned_stores",
    "emit_fence",
    "emit_stores",
    "plan_alignment",
    "plan_streams",
    "streamed_size",
    "streamed_stores",
    "streaming_factor",
]

_NARROWEST = 4  # bytes of an element: of smaller ones too many make a line
_MANY_ROUNDS = 32  # rounds from which one more is worth it for the sake of alignment
_LINE = 64  # bytes that are stored together: parts of a line cost more than they save
_ROUNDS = 64  # rounds of the shortest loop that streams
_WORK = 24  # rough cycles for each line that is stored, beyond which a loop does not wait for memory
_LIGHT = 16  # the same for loops that take more lanes for the sake of whole lines
_MOST = 10  # stores of a round: of so many arrays a processor puts lines together at a time
_NEVER = (1 << 63) - 1  # an index


class Streams(NamedTuple):
    """What a loop streams.

    Attributes
    ----------
    stores : its stores that may stream
    on : whether they do in this call
    start : what the index of the first round would be if rounds kept their distance: 0 or less
    aligned : the first index from which rounds do
    """

    stores: Sequence[Store]
    on: Value
    start: Value
    aligned: Value

    def holds(self, store: Store) -> bool:
        return any(one is store for one in self.stores)


def streamed_stores(loop: For, unread: Set[str], target: Target) -> list[Store]:
    """Stores that may stream, of a loop that waits for memory rather than for operands; on x86 only.

    Parameters
    ----------
    loop : a vector loop
    unread : names of the arrays that the kernel does not read
    target : Target
    """
    if not target.triple.startswith("x86_64") or loop.carries or any(one.__class__ is For for one in loop.body):
        return []
    stores = [one for one in loop.body if one.__class__ is Store and one.buffer.name in unread and not one.add]
    stores = [one for one in stores if _is_contiguous(one, loop.axis) and _bytes(one) >= _NARROWEST]
    size = streamed_size(stores)
    small = len(stores) > _MOST or (isinstance(size, int) and size <= target.l3)
    return [] if small or _work(loop, target) > _WORK * len(stores) else stores


def _is_contiguous(store: Store, axis: Axis) -> bool:
    stride = next((size for own, size in store.offset.axes if own is axis), 0)
    return isinstance(stride, int) and stride == 1 and not store.offset.values


def _bytes(store: Store) -> int:
    return element_type(store.buffer.dtype).bytes


def _work(loop: For, target: Target) -> int:
    """Rough cycles for as many indices as fill a line."""
    one_vector = sum(COST.get(one.op, 1) if one.__class__ is Let else one.__class__ is Load for one in loop.body)
    return one_vector * (_LINE * 8 // target.vector_bits)


def streaming_factor(loop: For, stores: Sequence[Store], factor: int, target: Target) -> int:
    """Lanes of a loop: as many as fill a line, where it is light; in other loops more lanes would cost too much."""
    if not stores or _work(loop, target) > _LIGHT * len(stores):
        return factor
    return max(factor, _LINE // min(map(_bytes, stores)))


def streamed_size(stores: Sequence[Store]) -> Size:
    """Bytes of the arrays that are stored to."""
    total: Size = 0
    for buffer in {one.buffer: None for one in stores}:
        total = total + buffer.size * buffer.dtype.itemsize
    return total


def plan_streams(
    f: Function, stores: Sequence[Store], places: Sequence[Value], size: Int, extent: Int, factor: int
) -> Streams | None:
    """How a loop streams; None if it never does.

    Parameters
    ----------
    f : the function being built
    stores, places : what may stream, and the addresses at index 0
    size : bytes of the arrays together
    extent, factor : indices of the loop, and of one round
    """
    shortest = _ROUNDS * factor
    if any(factor * _bytes(one) % _LINE for one in stores) or (isinstance(extent, int) and extent < shortest):
        return None
    addresses = [f.convert("ptrtoint", place, I64) for place in places]
    missing = f.binary("and", f.sub(0, addresses[0]), _LINE - 1)
    first = f.binary("lshr", missing, _bytes(stores[0]).bit_length() - 1)  # the first aligned index
    wrong: Value | None = None
    for address, store in zip(addresses, stores, strict=True):
        rest = f.binary("and", f.i64(f.add(address, f.mul(first, _bytes(store)))), _LINE - 1)
        wrong = rest if wrong is None else f.binary("or", wrong, rest)
    assert wrong is not None
    on = f.icmp("eq", wrong, 0)
    if not isinstance(extent, int):
        on = f.binary("and", on, f.icmp("sge", extent, shortest))
    moved = f.binary("and", on, f.icmp("ne", first, 0))  # which pays without streaming too
    start = f.select(moved, f.i64(f.sub(first, factor)), constant(0, I64))
    if not isinstance(size, int):
        on = f.binary("and", on, f.icmp("sgt", size, f.target.l3))
    return Streams(stores, on, start, f.select(on, constant(0, I64), constant(_NEVER, I64)))


def aligned_stores(loop: For, unread: Set[str], target: Target) -> list[Store]:
    """Stores of a loop that may compute elements again, so that all its rounds but the first store aligned vectors."""
    if not target.triple.startswith("x86_64") or loop.carries:
        return []
    if any(one.__class__ in (For, Scatter) for one in loop.body):
        return []
    stores = [one for one in loop.body if one.__class__ is Store]
    if any(one.add or one.buffer.name not in unread or not _is_contiguous(one, loop.axis) for one in stores):
        return []
    widths = {_bytes(one) for one in stores}
    return stores if len(widths) == 1 and min(widths) >= _NARROWEST and len(stores) <= _MOST else []


def plan_alignment(
    f: Function, stores: Sequence[Store], places: Sequence[Value], extent: Int, factor: int
) -> Streams | None:
    """Streams that are never on, in a loop whose rounds but the first store aligned vectors; None if that never pays.

    Parameters
    ----------
    f : the function being built
    stores, places : of one element type, and their addresses at index 0
    extent, factor : indices of the loop, and of one round
    """
    each, vector = _bytes(stores[0]), f.target.vector_bits // 8
    shortest = _MANY_ROUNDS * factor
    if factor * each % vector or (isinstance(extent, int) and extent < shortest):
        return None
    addresses = [f.convert("ptrtoint", place, I64) for place in places]
    missing = f.binary("and", f.sub(0, addresses[0]), vector - 1)
    first = f.binary("lshr", missing, each.bit_length() - 1)  # the first aligned index
    differ = constant(0, I64)
    for address in addresses[1:]:
        differ = f.binary("or", differ, f.binary("xor", address, addresses[0]))
    moved = f.binary("and", f.icmp("eq", f.binary("and", differ, vector - 1), 0), f.icmp("ne", first, 0))
    if not isinstance(extent, int):
        moved = f.binary("and", moved, f.icmp("sge", extent, shortest))
    start = f.select(moved, f.i64(f.sub(first, factor)), constant(0, I64))
    return Streams((), constant(False, BOOL), start, constant(_NEVER, I64))


def emit_stores(f: Function, stores: Sequence[tuple[Value, Value]], streaming: Value) -> None:
    """The stores of a round: values and their addresses."""
    stream, plain, done = f.label("stream"), f.label("plain"), f.label("done")
    f.branch(streaming, stream, plain)
    for label, is_streaming in ((stream, True), (plain, False)):
        f.enter(label)
        for value, pointer in stores:
            f.store(value, pointer, _LINE if is_streaming else value.type.bytes, streaming=is_streaming)
        f.jump(done)
    f.enter(done)


def emit_fence(f: Function, streams: Streams) -> None:
    """What has been streamed is seen by others before anything that is stored later."""
    f.module.declare("@llvm.x86.sse.sfence", "declare void @llvm.x86.sse.sfence()")
    with f.when(streams.on):
        f.line("call void @llvm.x86.sse.sfence()")
