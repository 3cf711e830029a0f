"""The loop IR.  In: what the nests decided.  Out: a small program of loops over scalar operations, for any machine.

Values are numbered; each is defined once, in the block where it is valid and in the blocks inside that one.  A vector
loop runs its body for several indices at once, at whatever width the emitter chooses.  It has no recursion, no calls
but :class:`Product` and :class:`Call`, no allocation; buffers are named and laid out elsewhere.

Grammar ::

    program   = stage*
    stage     = Check | Guard | Report | Fill | Copy | Product | Along | Call | Nest | Blocked | Split
    Blocked   = (Product | Nest)*
    Split     = (Product | Nest | Blocked)*
    Nest      = block
    block     = (Let | Const | IndexValue | Load | Store | Scatter | For)*
    For       = axis, vector?, Carry*, block
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from codegen.gemm import Band
from codegen.lower.forms import Axis, Form
from symgrad.dims import Dim, Size
from symgrad.types import DType, TensorType

__all__ = [
    "MEMORY",
    "Along",
    "Blocked",
    "Buffer",
    "Call",
    "Carry",
    "Check",
    "Const",
    "Copy",
    "Fill",
    "For",
    "Guard",
    "IndexValue",
    "Let",
    "Load",
    "Nest",
    "Offset",
    "Product",
    "Program",
    "Report",
    "Scatter",
    "Split",
    "Store",
    "flattened",
    "statements",
    "text",
]


class Buffer:
    """Memory for one array.

    Attributes
    ----------
    name : str
    dtype : element type
    size : number of elements
    kind : {"input", "variable", "output", "temporary", "table"}
    position : which argument it is, for the first three kinds
    data : contents of a table
    per_lane : whether each lane of the vector loop around its accesses has elements of its own
    """

    __slots__ = ("data", "dtype", "kind", "name", "per_lane", "position", "size")

    def __init__(
        self,
        name: str,
        dtype: DType,
        size: Size,
        kind: str,
        position: int = 0,
        data: Any = None,
        per_lane: bool = False,
    ) -> None:
        self.name, self.dtype, self.size, self.kind = name, dtype, size, kind
        self.position, self.data, self.per_lane = position, data, per_lane

    def __repr__(self) -> str:
        return self.name


class Offset(NamedTuple):
    """Position of an element: ``base + sum(coefficient * axis) + sum(coefficient * value)``."""

    base: Size
    axes: tuple[tuple[Axis, Size], ...]
    values: tuple[tuple[int, Size], ...]


class Let(NamedTuple):
    """An elementwise operation on values."""

    id: int
    op: str
    args: tuple[int, ...]
    dtype: DType


class Const(NamedTuple):
    """A number."""

    id: int
    value: Any
    dtype: DType


class IndexValue(NamedTuple):
    """An affine function of axes, sizes and values, as an int64."""

    id: int
    offset: Offset


class Load(NamedTuple):
    id: int
    buffer: Buffer
    offset: Offset
    dtype: DType


class Store(NamedTuple):
    """``add`` accumulates into memory."""

    buffer: Buffer
    offset: Offset
    value: int
    add: bool = False


class Scatter(NamedTuple):
    """A store at a computed position, done index by index in order, so that repeated positions behave as in a loop."""

    buffer: Buffer
    offset: Offset
    value: int
    add: bool


class Carry(NamedTuple):
    """A value combined over a loop: ``id`` is the result after it, ``value`` is combined in every round.

    ``outer`` is the id of the same reduction's accumulator in the enclosing loop, which this loop continues; None at the
    outermost loop of the reduction.  ``inner``: a loop inside this one continues it, so ``value`` is already combined.
    """

    id: int
    kind: str
    value: int
    dtype: DType
    outer: int | None = None
    inner: bool = False


class For(NamedTuple):
    axis: Axis
    vector: bool
    carries: tuple[Carry, ...]
    body: tuple[Any, ...]


class Nest(NamedTuple):
    """Loops that are compiled as one function."""

    body: tuple[Any, ...]


class Check(NamedTuple):
    """Every element of a strided index array must lie in [-size, size); else the kernel stops with this status."""

    buffer: Buffer
    base: Size
    strides: tuple[Size, ...]
    shape: tuple[Size, ...]
    size: Size
    status: int


class Guard(NamedTuple):
    """Two sizes must be equal; else the kernel stops with this status."""

    left: Size
    right: Size
    status: int


class Report(NamedTuple):
    """The kernel stops with the status that a buffer of one int64 holds, unless that is 0."""

    buffer: Buffer


class Fill(NamedTuple):
    """A buffer set to zero."""

    buffer: Buffer


class Copy(NamedTuple):
    """A buffer copied to another of its size."""

    source: Buffer
    target: Buffer


class View(NamedTuple):
    """A strided operand of a product: strides in elements for (batch..., row, column)."""

    buffer: Buffer
    base: Size
    strides: tuple[Size, ...]


class Product(NamedTuple):
    """C[batch, m, n] = sum over k of A[batch, m, k] B[batch, k, n], over strided operands.

    A and B hold zeros outside of their bands; what C holds outside of its own does not matter.
    """

    a: View
    b: View
    c: View
    batch: tuple[Size, ...]
    m: Size
    n: Size
    k: Size
    accumulate: bool = False
    a_band: Band | None = None
    b_band: Band | None = None
    c_band: Band | None = None


class Call(NamedTuple):
    """A function of the host, on dense row-major arrays; if it fails, the kernel stops with this status.

    ``position`` is which of the kernel's functions it is; ``types`` are those of all inputs, then of all outputs;
    ``function(inputs, outputs)``, which writes the outputs, is its meaning.
    """

    position: int
    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    types: tuple[TensorType, ...]
    function: Callable[[Sequence[Any], Sequence[Any]], None]
    status: int


class Along(NamedTuple):
    """A routine over one axis, once for each index of the outer axes: strides are for (outer..., axis).

    ``routine`` is ``cumsum``, ``cumprod``, ``cummax``, ``cummin``, ``recurrence``, ``argsort``, ``search_left`` or
    ``search_right``; ``room`` is scratch memory.
    """

    routine: str
    operands: tuple[View, ...]
    target: View
    outer: tuple[Size, ...]
    size: Size
    room: Buffer | None = None


class Blocked(NamedTuple):
    """Stages that run for one block of an axis after the other.

    ``length`` indices make a block, the last one may have fewer; inside, ``start`` is the first index of the block, and
    ``size`` how many it has: both are dimensions of their own (``size`` is a number where all blocks are equal).
    """

    extent: Size
    length: int
    start: Dim
    size: Size
    stages: tuple[Any, ...]


class Split(NamedTuple):
    """Stages that run for one part of an axis after the other, or for several parts at once: the values are the same.

    Attributes
    ----------
    extent : of the axis
    length : indices of a part; the last one may have fewer
    start, size : inside, the first index of the part, and how many it has: dimensions of their own
    stages : what a part does
    sums : pairs of an array, which holds zeros before, and of a room: the first part adds to the array itself, every other
        one to a room of its own, which begins with zeros; the rooms are added to the array in the order of the parts
    own : temporary arrays that a part uses for itself
    workers : how many parts may run at once; ``own`` are as many times as large as one part needs
    most : how many parts there are at most; with several workers, rooms are as many times as large as the array, less one
    work : rough cost of all parts together, in eighths of a cycle
    """

    extent: Size
    length: Size
    start: Dim
    size: Dim
    stages: tuple[Any, ...]
    sums: tuple[tuple[Buffer, Buffer], ...] = ()
    own: tuple[Buffer, ...] = ()
    workers: int = 1
    most: int = 1
    work: Size = 0


class Program(NamedTuple):
    """Stages in order, and the buffers that they use."""

    buffers: tuple[Buffer, ...]
    stages: tuple[Any, ...]


def flattened(stages: Sequence[Any]) -> Iterator[Any]:
    """Stages, with those of blocks and parts in place of these."""
    for stage in stages:
        if isinstance(stage, (Blocked, Split)):
            yield from flattened(stage.stages)
        else:
            yield stage


MEMORY = frozenset({Load, Store, Scatter})  # statements that touch a buffer


def statements(block: Sequence[Any], kinds: frozenset[type] | None = None) -> Iterator[Any]:
    """Every statement of a block, loops before what they hold; on request those of some classes only."""
    for one in block:
        kind = one.__class__
        if kinds is None or kind in kinds:
            yield one
        if kind is For or kind is Nest:
            yield from statements(one.body, kinds)


def offset_of(index: Any, ids: dict[Any, int]) -> Offset:
    """An index with computed values replaced by their ids."""
    if index.__class__ is not Form:
        return Offset(index, (), ())
    axes = tuple((symbol, c) for symbol, c in index.terms if isinstance(symbol, Axis))
    values = tuple((ids[symbol], c) for symbol, c in index.terms if not isinstance(symbol, Axis))
    return Offset(index.offset, axes, values)


# -- text -----------------------------------------------------------------------------------------------------------
def text(program: Program) -> str:
    """The program as readable text."""
    lines = [f"{b.kind} {b.name}: {b.dtype}[{b.size}]" for b in program.buffers]
    for stage in program.stages:
        lines.extend(_lines(stage, ""))
    return "\n".join(lines)


def _offset_text(offset: Offset) -> str:
    parts = [a.label if isinstance(c, int) and c == 1 else f"{c}*{a.label}" for a, c in offset.axes]
    parts += [f"{c}*%{v}" for v, c in offset.values]
    if not (isinstance(offset.base, int) and offset.base == 0) or not parts:
        parts.append(str(offset.base))
    return " + ".join(parts)


def _lines(one: Any, indent: str) -> list[str]:
    if isinstance(one, Blocked):
        head = f"{indent}for {one.start} in 0..{one.extent} by {one.length}, {one.size} at once"
        return [head, *(line for stage in one.stages for line in _lines(stage, indent + "  "))]
    if isinstance(one, Split):
        head = f"{indent}for {one.start} in 0..{one.extent} by {one.length}, {one.size} in a part"
        lines = [head, *(line for stage in one.stages for line in _lines(stage, indent + "  "))]
        return lines + [f"{indent}  {target} = sum of {room}" for target, room in one.sums]
    if isinstance(one, Nest):
        return [f"{indent}nest", *(line for inner in one.body for line in _lines(inner, indent + "  "))]
    if isinstance(one, For):
        head = f"{indent}for {one.axis.label} in 0..{one.axis.extent}{' vector' if one.vector else ''}"
        lines = [head, *(line for inner in one.body for line in _lines(inner, indent + "  "))]
        return lines + [f"{indent}  %{c.id} = {c.kind} of %{c.value}" for c in one.carries]
    return [indent + _line(one)]


def _line(one: Any) -> str:
    if isinstance(one, Let):
        return f"%{one.id} = {one.op} {', '.join(f'%{arg}' for arg in one.args)} : {one.dtype}"
    if isinstance(one, Const):
        return f"%{one.id} = {one.value} : {one.dtype}"
    if isinstance(one, IndexValue):
        return f"%{one.id} = index {_offset_text(one.offset)}"
    if isinstance(one, Load):
        return f"%{one.id} = {one.buffer}[{_offset_text(one.offset)}]"
    if isinstance(one, (Store, Scatter)):
        sign = "+=" if one.add else "="
        return f"{one.buffer}[{_offset_text(one.offset)}] {sign} %{one.value}"
    if isinstance(one, Product):
        sizes = f"{one.m} x {one.k} x {one.n}, batch {one.batch}"
        own = zip("abc", (one.a_band, one.b_band, one.c_band), strict=True)
        bands = [f", {name} in diagonals {band.low}..{band.high}" for name, band in own if band is not None]
        return f"{one.c.buffer} = {one.a.buffer} @ {one.b.buffer} ({sizes}{''.join(bands)})"
    if isinstance(one, Call):
        outputs, inputs = (", ".join(map(str, some)) for some in (one.outputs, one.inputs))
        return f"{outputs} = call {one.position} {one.name}({inputs})"
    if isinstance(one, Along):
        operands = ", ".join(view.buffer.name for view in one.operands)
        return f"{one.target.buffer} = {one.routine} {operands} (along {one.size}, outer {one.outer})"
    return str(one)
