"""NumPy's products of arrays that are no plain contractions.  In: arrays.  Out: nodes.

Convolutions are products with sliding windows, so that their shorter operand must have a fixed size.
"""

from __future__ import annotations

from typing import Any

from symgrad import dims, ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import along, axis_of, long_enough
from symgrad.functions.rearrange import atleast_1d, moveaxis
from symgrad.ops.coerce import shape_text
from symgrad.ops.windows import Window, windows
from symgrad.provenance import user_line

__all__ = ["convolve", "correlate", "cross", "kron", "tensordot", "vdot"]


def kron(a: Any, b: Any) -> Any:
    """Every element of ``a`` times all of ``b``, as blocks."""
    nodes = ops.as_nodes([ops.as_node(a), ops.as_node(b)], who="kron")
    rank = max(node.ndim for node in nodes)
    one, other = (ops.expand_dims(node, tuple(range(rank - node.ndim))) for node in nodes)
    blocks = ops.multiply(
        ops.expand_dims(one, tuple(range(1, 2 * rank, 2))), ops.expand_dims(other, tuple(range(0, 2 * rank, 2)))
    )
    return ops.reshape(blocks, [left * right for left, right in zip(one.shape, other.shape, strict=True)])


def vdot(a: Any, b: Any) -> Any:
    """The sum of products of the elements of both, flattened."""
    return ops.matmul(ops.reshape(a, -1), ops.reshape(b, -1))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Sum of products over pairs of axes."""
    return ops.tensordot(a, b, axes)


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """The vector product of 3-vectors, which lie along given axes of the operands and of the result."""
    if axis is not None:
        axisa = axisb = axisc = axis
    one, other = ops.as_node(a), ops.as_node(b)
    for node, own in ((one, axisa), (other, axisb)):
        place = axis_of(own, node.ndim, "cross")
        if not types.same_shape((node.shape[place],), (3,)):
            raise ShapeError(
                f"cross: axis {own} of {shape_text(node.shape)} is not of size 3",
                where=user_line(),
                hint="a 2-vector is a 3-vector whose last element is 0",
            )
    return moveaxis(ops.cross(moveaxis(one, axisa, -1), moveaxis(other, axisb, -1)), -1, axisc)


# -- convolution ----------------------------------------------------------------------------------------------------
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The sums of products of one vector and the other reversed, shifted past it.

    Raises
    ------
    ShapeError
        An operand is empty or no vector.
    TraceError
        Both sizes are dynamic, or the mode is unknown.
    """
    long, short, _ = _ordered(a, v, "convolve")
    return _slid(long, along(short, 0, slice(None, None, -1)), mode, "convolve")


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The sums of products of one vector and the other, shifted past it; the same errors as :func:`convolve`."""
    long, short, swapped = _ordered(a, v, "correlate")
    made = _slid(long, short, mode, "correlate")
    return along(made, 0, slice(None, None, -1)) if swapped else made


def _ordered(a: Any, v: Any, who: str) -> tuple[Any, Any, bool]:
    """The longer vector, the shorter one, and whether that is not their order; a dynamic one counts as the longer."""
    nodes = ops.as_nodes([atleast_1d(a), atleast_1d(v)], who=who)
    for node in nodes:
        if node.ndim != 1:
            raise ShapeError(f"{who}: {shape_text(node.shape)} is no vector", where=user_line())
        if isinstance(node.shape[0], int) and node.shape[0] == 0:
            raise ShapeError(f"{who}: an operand is empty", where=user_line())
    first, second = (node.shape[0] for node in nodes)
    if isinstance(first, Dim) and isinstance(second, Dim):
        raise TraceError(
            f"{who}: both operands have dynamic sizes, {first} and {second}",
            where=user_line(),
            hint="give the shorter one, the filter, a fixed size",
        )
    swapped = isinstance(second, Dim) or (isinstance(first, int) and first < second)
    return (nodes[1], nodes[0], True) if swapped else (nodes[0], nodes[1], False)


def _slid(long: Any, short: Any, mode: str, who: str) -> Any:
    size = short.shape[0]
    frames = {"full": (size - 1, size - 1), "same": (size // 2, size - size // 2 - 1), "valid": (0, 0)}
    if mode not in frames:
        raise TraceError(f"{who}: mode {mode!r} is unknown", where=user_line(), hint=f"modes are {', '.join(frames)}")
    if mode != "full" and dims.at_least(long.shape[0], size) is not True:
        long = long_enough(long, 0, size, who)
    zeros = [ops.full((width,), 0, long.dtype) if width else None for width in frames[mode]]
    parts = [part for part in (zeros[0], long, zeros[1]) if part is not None]
    framed = ops.concatenate(parts) if len(parts) > 1 else long
    return ops.matmul(windows(framed, [Window(0, size)]), short)
