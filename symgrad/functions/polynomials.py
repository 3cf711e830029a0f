"""NumPy's functions of polynomials.  In: coefficients, the highest power first.  Out: nodes.

Leading zeros are kept, since nobody knows them while tracing: the result's length follows from the operands' alone.
"""

from __future__ import annotations

from typing import Any

from symgrad import ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import along
from symgrad.functions.products import convolve
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["poly", "polyadd", "polyder", "polyint", "polymul", "polysub", "polyval"]


def _coefficients(p: Any, who: str, rank: int | None = 1) -> Any:
    node = ops.as_node(p, who=who)
    node = ops.expand_dims(node, 0) if node.ndim == 0 else node
    if rank is not None and node.ndim != rank:
        raise ShapeError(f"{who}: {shape_text(node.shape)} is no vector of coefficients", where=user_line())
    return node


def _known_length(node: Any, who: str) -> int:
    size = node.shape[0]
    if isinstance(size, Dim):
        raise TraceError(
            f"{who}: the number of coefficients, {size}, must be known while tracing",
            where=user_line(),
            hint="give the axis a fixed size",
        )
    return size


def polyval(p: Any, x: Any) -> Any:
    """A polynomial's values, by Horner's scheme."""
    coefficients, at = _coefficients(p, "polyval", None), ops.as_node(x)
    made = ops.full(at.shape, 0, at.dtype)
    for k in range(_known_length(coefficients, "polyval")):
        made = ops.add(ops.multiply(made, at) if k else made, along(coefficients, 0, k))
    return made


def _aligned(a1: Any, a2: Any, who: str) -> list[Any]:
    """Both polynomials' coefficients, the shorter with zeros in front."""
    nodes = ops.as_nodes([_coefficients(a1, who), _coefficients(a2, who)], who=who)
    if types.same_shape(nodes[0].shape, nodes[1].shape):
        return nodes
    sizes = [_known_length(node, who) for node in nodes]
    return [
        ops.concatenate([ops.full((max(sizes) - size,), 0, node.dtype), node]) if size < max(sizes) else node
        for node, size in zip(nodes, sizes, strict=True)
    ]


def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    return ops.add(*_aligned(a1, a2, "polyadd"))


def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    return ops.subtract(*_aligned(a1, a2, "polysub"))


def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials."""
    return convolve(_coefficients(a1, "polymul"), _coefficients(a2, "polymul"))


def _order(m: Any, who: str) -> int:
    if isinstance(m, Node) or int(m) != m or m < 0:
        raise TraceError(f"{who}: the order {m!r} is no number of times", where=user_line(), hint=f"np.{who}(p, 2)")
    return int(m)


def _powers(count: Any, last: int) -> Any:
    """The integers from ``count - 1 + last`` down to ``last``."""
    return ops.subtract(ops.dim_value(count) - 1 + last, ops.iota(count))


def polyder(p: Any, m: int = 1) -> Any:
    """A polynomial's derivative of order ``m``."""
    made = _coefficients(p, "polyder")
    for _ in range(_order(m, "polyder")):
        made = along(made, 0, slice(None, -1))
        made = ops.multiply(made, _powers(made.shape[0], 1))
    return made


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """A polynomial integrated ``m`` times, with constants ``k`` of integration, which are 0 by default."""
    made, times = _coefficients(p, "polyint"), _order(m, "polyint")
    constants = ops.full((times,), 0.0) if k is None else _coefficients(k, "polyint")
    if types.same_shape(constants.shape, (1,)):
        constants = ops.broadcast_to(constants, (times,))
    if not types.same_shape(constants.shape, (times,)):
        raise ShapeError(
            f"polyint: {shape_text(constants.shape)} constants for {times} integrations", where=user_line()
        )
    for one in range(times):
        raised = ops.divide(made, _powers(made.shape[0], 1))
        made = ops.concatenate([raised, along(constants, 0, slice(one, one + 1))])
    return made


def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial that has these zeros and leads with 1."""
    zeros = ops.as_node(seq_of_zeros, who="poly")
    if zeros.ndim != 1:
        raise TraceError(
            f"poly: {shape_text(zeros.shape)} is no vector of zeros",
            where=user_line(),
            hint="the characteristic polynomial of a matrix has its eigenvalues as zeros",
        )
    made = ops.full((1,), 1, zeros.dtype)
    nothing = ops.full((1,), 0, zeros.dtype)
    for k in range(_known_length(zeros, "poly")):
        shifted, scaled = [made, nothing], [nothing, ops.multiply(made, along(zeros, 0, k))]
        made = ops.subtract(ops.concatenate(shifted), ops.concatenate(scaled))
    return made
