"""From what a user writes to nodes of one type.  In: expressions, numbers, arrays, sizes.  Out: nodes.

Element types follow NumPy 2: Python numbers and dynamic dimensions are *weak* and take the type of what they meet.
Shapes follow NumPy's broadcasting, made explicit: every operand gets its ``broadcast_to``, so no derivative rule has to
undo one.  A dynamic dimension never broadcasts as 1; where two must agree and only a run-time guard can tell, an
``assert_shape`` node carries the guard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import assumptions, types
from symgrad.dims import Dim, Size
from symgrad.errors import DTypeError, ShapeError, TraceError
from symgrad.node import Node
from symgrad.ops import source
from symgrad.provenance import user_line
from symgrad.types import BOOL, FLOAT64, INT64, DType, Shape

__all__ = [
    "as_node",
    "as_nodes",
    "broadcast_shapes",
    "broadcast_together",
    "common_dtype",
    "is_symbolic",
    "normalize_axes",
]


def is_symbolic(value: Any) -> bool:
    """Whether a value, or something inside nested sequences of values, is an expression or a dynamic dimension."""
    if isinstance(value, (Node, Dim)):
        return True
    return isinstance(value, (list, tuple)) and any(map(is_symbolic, value))


def as_node(value: Any, dtype: DType | None = None, *, who: str = "expression") -> Any:
    """The value as a node; Python numbers and sizes take ``dtype`` if it is given, arrays and nodes are cast to it.

    Raises
    ------
    TraceError
        The value is no number, array, size or expression.
    """
    if isinstance(value, Node):
        return value if dtype is None or value.type.dtype is dtype else cast(value, dtype)
    if isinstance(value, (bool, int, float)):
        return source.number(value, dtype if dtype is not None else source._natural(value))
    if isinstance(value, Dim):
        made = source.dim_value(value)
        return made if dtype is None or dtype is INT64 else cast(made, dtype)
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype == object:
            raise TraceError(
                f"{who}: an object array cannot be part of an expression",
                where=user_line(),
                hint="build arrays of expressions with symgrad.numpy.array or np.stack",
            )
        return source.constant(value, dtype)
    if isinstance(value, (list, tuple)):
        from symgrad import ops

        return ops.array(value, dtype)
    convert = getattr(value, "__symgrad__", None)
    if convert is not None:
        return as_node(convert(), dtype, who=who)
    raise TraceError(
        f"{who}: {type(value).__name__} {value!r} is neither number, array nor expression", where=user_line()
    )


def cast(node: Node, dtype: DType) -> Any:
    from symgrad import ops

    return ops.cast(node, dtype)


def common_dtype(values: Sequence[Any]) -> DType:
    """NumPy 2's common element type of operands, Python numbers being weak."""
    strong: DType | None = None
    weak: DType = BOOL
    for value in values:
        dtype: DType
        if isinstance(value, Node):
            dtype = value.type.dtype
        elif isinstance(value, bool):
            continue
        elif isinstance(value, (int, Dim)):
            weak = INT64 if weak is BOOL else weak
            continue
        elif isinstance(value, float) and not isinstance(value, np.generic):
            weak = FLOAT64
            continue
        else:
            dtype = types.as_dtype(value.dtype)
        strong = dtype if strong is None else types.promote(strong, dtype)
    if strong is None:
        return weak
    if weak is FLOAT64 and not types.is_float(strong):
        return FLOAT64
    return INT64 if weak is INT64 and strong is BOOL else strong


def plain(value: Any, who: str) -> Any:
    """A value ready for :func:`common_dtype`: sequences become arrays or nodes."""
    if isinstance(value, (Node, Dim, bool, int, float, np.ndarray, np.generic)):
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype == object:
            return as_node(value, who=who)
        return value
    return as_node(value, who=who)


def as_nodes(values: Sequence[Any], dtype: DType | None = None, *, who: str = "expression") -> list[Any]:
    """The values as nodes of one element type, the common one by default."""
    ready = [plain(value, who) for value in values]
    target = dtype if dtype is not None else common_dtype(ready)
    return [as_node(value, target, who=who) for value in ready]


def broadcast_shapes(shapes: Sequence[Shape], who: str, where: str | None = None) -> Shape:
    """NumPy's broadcast shape.

    Raises
    ------
    ShapeError
        Two sizes of an axis certainly differ, or differ in name without an assumption.
    """
    rank = max(map(len, shapes), default=0)
    result: list[Size] = []
    for axis in range(rank):
        size: Size = 1
        for shape in shapes:
            place = axis - rank + len(shape)
            if place >= 0:
                size = _merge(size, shape[place], who, shapes)
        result.append(size)
    return tuple(result)


def _merge(left: Size, right: Size, who: str, shapes: Sequence[Shape]) -> Size:
    if left is right or (isinstance(right, int) and right == 1):
        return left
    if isinstance(left, int) and left == 1:
        return right
    answer = assumptions.agree(left, right)
    if answer is False:
        raise mismatch(who, "shapes do not broadcast", left, right, shapes)
    return right if isinstance(right, int) else left


def mismatch(who: str, what: str, left: Size, right: Size, shapes: Sequence[Shape]) -> ShapeError:
    """The error for two sizes that must agree and do not."""
    text = f"{who}: {what}: {' and '.join(shape_text(shape) for shape in shapes)}"
    dynamic = isinstance(left, Dim) or isinstance(right, Dim)
    if dynamic:
        text += f"\n  sizes {left} and {right} are not known to be equal"
    return ShapeError(
        text, where=user_line(), hint=f"sg.assume({left} == {right}) adds a run-time guard" if dynamic else None
    )


def shape_text(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def broadcast_together(nodes: Sequence[Any], who: str) -> list[Any]:
    """The nodes, all of their common shape."""
    first = nodes[0].type.shape
    if all(types.same_shape(node.type.shape, first) for node in nodes[1:]):
        return list(nodes)
    shape = broadcast_shapes([node.type.shape for node in nodes], who)
    return [broadcast_node(node, shape) for node in nodes]


def broadcast_node(node: Node, shape: Shape) -> Any:
    from symgrad import ops

    return ops.broadcast_to(node, shape)


def normalize_axes(axes: Any, rank: int, who: str) -> tuple[int, ...]:
    """Axes as a sorted tuple of non-negative ints; ``None`` means all.

    Raises
    ------
    numpy.exceptions.AxisError
        An axis is outside the array.
    ShapeError
        An axis occurs twice, or is no integer.
    """
    if axes is None:
        return tuple(range(rank))
    wanted = axes if isinstance(axes, (tuple, list)) else (axes,)
    result = [normalize_axis(axis, rank, who) for axis in wanted]
    if len(set(result)) != len(result):
        raise ShapeError(f"{who}: duplicate axis in {tuple(wanted)}", where=user_line())
    return tuple(sorted(result))


class AxisError(ShapeError, np.exceptions.AxisError):
    """An axis outside the array."""

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        ShapeError.__init__(self, what, where=where, hint=hint)


def normalize_axis(axis: Any, rank: int, who: str) -> int:
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise DTypeError(f"{who}: axis {axis!r} is not an integer", where=user_line())
    if not -rank <= axis < rank:
        raise AxisError(f"{who}: axis {axis} is out of bounds for an array of rank {rank}", where=user_line())
    return int(axis) % rank if rank else 0
