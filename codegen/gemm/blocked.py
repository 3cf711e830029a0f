"""The general way: cache blocks around register tiles.  In: a product's operands inside its function.  Out: its code.

Five loops, as in K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication" (ACM TOMS 34, 2008):
blocks of columns, of k and of rows, then panels of columns and, in panel.py, tiles of rows.  Packed and unpacked
operands go through the same tiles, because a packed panel is only an operand with other strides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from codegen.gemm import choose
from codegen.gemm.band import overlap
from codegen.gemm.choose import Blocking, Condition
from codegen.gemm.columns import Columns, has_masks, powers, split
from codegen.gemm.packing import SLACK, Packing
from codegen.gemm.panel import Panel, Rows, call_panel
from codegen.gemm.product import Known, Operands, Product
from codegen.gemm.tile import Epilogue
from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import Type, Value
from codegen.target import Target

__all__ = ["emit_blocked", "workspace_bytes"]


@dataclass(frozen=True)
class _Job:
    """What all the loops share."""

    f: Function
    product: Product
    whole: Operands
    blocking: Blocking
    epilogue: Epilogue | None
    key: str
    packed_a: Condition
    packed_b: Condition

    @property
    def element(self) -> Type:
        return self.product.element


@dataclass(frozen=True)
class _Block:
    """A block of the product: its operands, where they are now, and its place.

    Attributes
    ----------
    x : Operands
        Pointers to the block's operands, its sizes and strides; B's are those inside a panel.
    b_panel : Int
        Elements from a panel of B to the next.
    row, column : Int
        Place in C.
    done : Int
        k already done.
    add : Int
        With 0 the tiles overwrite C.
    left : Int
        k still to do afterwards.
    """

    x: Operands
    b_panel: Int
    row: Int
    column: Int
    done: Int
    add: Int
    left: Int


def workspace_bytes(product: Product, target: Target) -> int:
    """Bytes of workspace, an upper bound where sizes are unknown."""
    f = Module(target).function("unused", product.parameters)  # packing may be decided at run time: then it has to fit
    return sum(_work(_job(f, product, product.operands(f), None, ""))) * product.element.bytes


def _job(f: Function, product: Product, x: Operands, epilogue: Epilogue | None, key: str) -> _Job:
    element, packed_b = product.element, choose.pack_b(f, product.element, x)
    blocking = choose.block(product, f.target, packs=packed_b is not False)
    packed_a = choose.pack_a(f, element, x, packed_b, blocking.width)
    return _Job(f, product, x, blocking, epilogue, key, packed_a, packed_b)


def _work(job: _Job) -> tuple[int, int]:
    """Elements of workspace for A and for B, each a multiple of 64."""

    def elements(size: Int, block: int, step: int) -> int:
        longest = min(size, block) if isinstance(size, int) else block
        depth = min(job.whole.k, blocking.kc) if isinstance(job.whole.k, int) else blocking.kc
        return (-(-longest // step) * step * depth + SLACK + 63) // 64 * 64

    blocking = job.blocking
    for_a = elements(job.whole.m, blocking.mc, blocking.group)
    for_b = elements(job.whole.n, blocking.nc, blocking.width)
    return 0 if job.packed_a is False else for_a, 0 if job.packed_b is False else for_b


def emit_blocked(f: Function, product: Product, x: Operands, epilogue: Epilogue | None, key: str) -> None:
    """Emit the loops into a product's function."""
    job = _job(f, product, x, epilogue, key)
    element, blocking = job.element, job.blocking
    work_b = f.gep(x.work, _work(job)[0], element)
    with _blocks(f, x.n, blocking.nc) as (column, n), _blocks(f, x.k, blocking.kc, once=True) as (done, k):
        at_b = f.gep(x.b, f.add(f.mul(done, x.b_row), f.mul(column, x.b_col)), element)
        inner = replace(x, n=n, k=k, b=at_b, c=f.gep(x.c, column, element))
        add = 1 if product.accumulate else done
        outer = _with_b(job, _Block(inner, blocking.width, 0, column, done, add, f.sub(f.sub(x.k, done), k)), work_b)
        with _blocks(f, x.m, blocking.mc) as (row, m):
            at_a = f.gep(x.a, f.add(f.mul(row, x.a_row), f.mul(done, x.a_col)), element)
            at_c = f.gep(outer.x.c, f.mul(row, x.c_row), element)
            here = replace(outer, x=replace(outer.x, a=at_a, c=at_c, m=m), row=row)
            _panels(job, here, _left_operand(job, here, x.work))


@contextmanager
def _blocks(f: Function, total: Int, size: int, *, once: bool = False) -> Iterator[tuple[Int, Int]]:
    """Blocks of ``range(total)`` as (start, size); with ``once`` there is one even where the total is 0."""
    if isinstance(total, int) and total <= size:
        yield 0, total
        return
    with f.loop(0, f.maximum(total, 1) if once else total, size) as loop:
        yield loop.index, f.minimum(size, f.sub(total, loop.index))


def _select(f: Function, condition: Condition, yes: Int, no: Int) -> Int:
    if isinstance(condition, bool):
        return yes if condition else no
    return f.select(condition, f.i64(yes), f.i64(no))


def _where(f: Function, condition: Condition, emit: Callable[[], None]) -> None:
    """The code where the condition holds, left out where it is known not to."""
    if isinstance(condition, Value):
        with f.when(condition):
            emit()
    elif condition:
        emit()


def _pointer(f: Function, condition: Condition, yes: Value, no: Value) -> Value:
    if isinstance(condition, bool):
        return yes if condition else no
    return f.select(condition, yes, no)


def _known(size: Int) -> Known:
    return size if isinstance(size, int) else None


def _with_b(job: _Job, block: _Block, target: Value) -> _Block:
    """The block with B packed, where it is to be."""
    f, x, width = job.f, block.x, job.blocking.width
    panel = f.mul(x.k, width)
    numbers = {"x_stride": x.b_col, "k_stride": x.b_row, "x": x.n, "k": x.k, "panel": panel}
    known = _known(job.whole.n), _known(job.whole.k)
    _where(f, job.packed_b, lambda: Packing(job.element, width, *known).emit(f, x.b, target, numbers))
    b, b_row = _pointer(f, job.packed_b, target, x.b), _select(f, job.packed_b, width, x.b_row)
    return replace(block, x=replace(x, b=b, b_row=b_row, b_col=1), b_panel=_select(f, job.packed_b, panel, width))


@dataclass(frozen=True)
class _Left:
    """A block of A as full tiles take it: packed, or where it is; ``tile`` is the way from one tile to the next."""

    a: Value
    row: Int
    col: Int
    tile: Int


def _left_operand(job: _Job, block: _Block, target: Value) -> _Left:
    """A packed, where it is to be."""
    f, x, group = job.f, block.x, job.blocking.group
    panel = f.mul(x.k, group)
    numbers = {"x_stride": x.a_row, "k_stride": x.a_col, "x": x.m, "k": x.k, "panel": panel}
    known = _known(job.whole.m), _known(job.whole.k)
    _where(f, job.packed_a, lambda: Packing(job.element, group, *known).emit(f, x.a, target, numbers))
    return _Left(
        _pointer(f, job.packed_a, target, x.a),
        _select(f, job.packed_a, 1, x.a_row),
        _select(f, job.packed_a, group, x.a_col),
        _select(f, job.packed_a, panel, f.mul(group, x.a_row)),
    )


def _panels(job: _Job, block: _Block, left: _Left) -> None:
    """Full panels of columns, then the rest, for which A need not be packed."""
    f, x, width = job.f, block.x, job.blocking.width
    rest = f.remainder(x.n, width)
    full = f.sub(x.n, rest)
    b, c = x.b, x.c
    shape = split(width, job.blocking.lanes, masks=False)
    if full == width:
        _panel(job, block, left, shape, 0, b, c)
        b, c = f.gep(b, block.b_panel, job.element), f.gep(c, width, job.element)
    elif full != 0:
        with f.loop(0, full, width, [b, c]) as loop:
            b, c = loop.values
            _panel(job, block, left, shape, loop.index, b, c)
            loop.next = [f.gep(b, block.b_panel, job.element), f.gep(c, width, job.element)]
        b, c = loop.values
    _narrow_panels(job, block, full, rest, b, c)


def _narrow_panels(job: _Job, block: _Block, full: Int, rest: Int, b: Value, c: Value) -> None:
    """The columns that fill no panel; ``b`` and ``c`` are theirs.

    Unknown ones take a panel of two vectors, one of a single vector, or both: A is read once for most of their numbers.
    """
    f, lanes, total, element = job.f, job.blocking.lanes, job.whole.n, job.element
    if isinstance(total, int):
        known = total % job.blocking.width
        if known:
            present = True if isinstance(rest, int) else f.icmp("ne", rest, 0)
            shape = split(known, lanes, masks=has_masks(f.target))
            _where(f, present, lambda: _panel(job, block, None, shape, full, b, c))
        return
    if has_masks(f.target):
        pair = f.icmp("sgt", rest, lanes)
        with f.when(pair):
            _panel(job, block, None, Columns((lanes, lanes), None, True), full, b, c, f.minimum(rest, 2 * lanes))
        done = f.select(pair, f.i64(2 * lanes), f.i64(0))
        with f.when(f.icmp("sgt", rest, done)):
            here = f.gep(b, done, element), f.gep(c, done, element)
            _panel(job, block, None, Columns((lanes,), None, True), f.add(full, done), *here, f.sub(rest, done))
        return
    single = f.remainder(rest, lanes)
    with f.loop(0, f.sub(rest, single), lanes) as loop:
        here = f.gep(b, loop.index, element), f.gep(c, loop.index, element)
        _panel(job, block, None, split(lanes, lanes, masks=False), f.add(full, loop.index), *here)
    for shape in powers(lanes):
        assert shape.count is not None
        with f.when(f.icmp("ne", f.binary("and", rest, shape.count), 0)):
            before = f.binary("and", rest, -2 * shape.count)
            here = f.gep(b, before, element), f.gep(c, before, element)
            _panel(job, block, None, shape, f.add(full, before), *here)


def _panel(
    job: _Job, block: _Block, left: _Left | None, shape: Columns, column: Int, b: Value, c: Value, count: Int = 0
) -> None:
    """One panel: a call of its function."""
    f, x = job.f, block.x
    rows = _rows(job, x.m, shape, packed=left is not None and job.packed_a is not False)
    left = left or _Left(x.a, x.a_row, x.a_col, f.mul(rows.full, x.a_row))
    first, k = _common(job, block, column, shape)
    a, b = f.gep(left.a, f.mul(first, left.col), job.element), f.gep(b, f.mul(first, x.b_row), job.element)
    numbers: dict[str, Int] = {
        "m": x.m, "k": k, "a_row": left.row, "a_col": left.col, "a_tile": left.tile,
        "b_row": x.b_row, "c_row": x.c_row, "add": block.add, **_limits(job, block, column, shape, rows, first),
    }  # fmt: skip
    if shape.masked and shape.count is None:
        numbers["columns"] = count
    if job.epilogue is not None:
        numbers |= {"left": block.left, "row": block.row, "column": f.add(block.column, column)}
    known = tuple((name, _known(value)) for name, value in numbers.items())
    panel = Panel(job.element, rows, shape, known, job.key)
    call_panel(f, panel, {"A": a, "B": b, "C": c, "context": x.context}, numbers, job.epilogue)


def _common(job: _Job, block: _Block, column: Int, shape: Columns) -> tuple[Int, Int]:
    """The part of k, from where and how much, in which B has entries in the columns of a panel."""
    f, x, band = job.f, block.x, job.product.b_band
    if band is None:
        return 0, x.k
    low, high = band.rows(f, f.sub(f.add(block.column, column), block.done), sum(shape.lanes))
    start, stop = overlap(f, f.sub(low, x.slack), f.add(high, x.slack), x.k)
    return start, f.sub(stop, start)


def _limits(job: _Job, block: _Block, column: Int, shape: Columns, rows: Rows, first: Int) -> dict[str, Int]:
    """What a panel's tiles leave out: rows that nobody reads, and where A has no entries.  ``first``: k left out before."""
    f, x, made = job.f, block.x, {}
    if (band := job.product.c_band) is not None:
        low, high = band.rows(f, f.sub(f.add(block.column, column), block.row), sum(shape.lanes))
        start, made["stop"] = overlap(f, low, high, x.m)
        made["start"] = f.sub(start, f.remainder(start, rows.full))
    if (band := job.product.a_band) is not None:
        low, high = band.columns(f, f.sub(block.row, f.add(block.done, first)), 0)
        made |= {"k_low": f.sub(low, x.slack), "k_high": f.add(high, x.slack)}
    return made


def _rows(job: _Job, m: Int, shape: Columns, *, packed: bool) -> Rows:
    """How the rows are cut: exactly where their number, or at least its remainder, is known."""
    vectors = len(shape.lanes)
    full = choose.tile_rows(job.f.target, vectors)
    if isinstance(m, int):
        return choose.exact_rows(m, full, vectors, movable=not packed)
    if isinstance(job.whole.m, int):
        rest = job.whole.m % full
        return Rows(full, (rest,) if rest else (), False)
    return choose.any_rows(full)
