"""Sums that are more accurate than plain ones.  In: an array and axes.  Out: sums of the same float type.

A plain sum of n numbers errs by up to about n / 32 units of the sum of their magnitudes (code keeps several partial sums).
A *pairwise* one, of partial sums in a balanced tree, errs by about log2 n units (Higham, SIAM J. Sci. Comput. 14, 1993);
a *compensated* one, which adds up the rounding errors of its additions (Neumaier, ZAMM 54, 1974), by one, whatever n is,
unless the sum is smaller than n² units of the sum of magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from symgrad import dims, types
from symgrad.dims import Size
from symgrad.errors import DTypeError, SymgradError
from symgrad.node import Node, apply
from symgrad.opdef import Infer, Kind, Linear, OpDef, Sample, register
from symgrad.ops import coerce
from symgrad.ops.reduction import sum_
from symgrad.ops.shapes import broadcast_to, expand_dims, reshape, transpose
from symgrad.ops.structure import AxisAttrs
from symgrad.provenance import user_line
from symgrad.types import TensorType

__all__ = ["METHODS", "total"]

_BLOCK = 128  # numbers that are added up plainly


def _type_rule(name: str) -> Infer:
    def infer(inputs: tuple[Node, ...], attrs: AxisAttrs) -> TensorType:
        kind = inputs[0].type
        if not types.is_float(kind.dtype):
            raise DTypeError(f"{name}: not defined for {kind.dtype} operands", where=user_line())
        return kind.with_shape((*kind.shape[: attrs.axis], *kind.shape[attrs.axis + 1 :]))

    return infer


def _back(node: Node, i: int, head: Node) -> Any:
    axis = node.attrs.axis
    return broadcast_to(head if head.ndim == 0 else expand_dims(head, (axis,)), node.inputs[0].shape)


def _batch(node: Node, inputs: tuple[Node, ...], batched: tuple[bool, ...], size: Size) -> Node:
    made: Node = apply(node.op, inputs, AxisAttrs(node.attrs.axis + 1))
    return made


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis in (((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1), ((300,), 0), ((20, 3), 0), ((0, 3), 0)):
        yield Sample((rng.normal(size=shape),), AxisAttrs(axis))


def _compensated(x: Any) -> Any:
    """Sums over the first axis; an infinite or undefined plain sum is the result."""
    if x.dtype == object:  # numbers of many digits
        return np.sum(x, 0)
    total, lost = (np.zeros(x.shape[1:], x.dtype) for _ in range(2))
    with np.errstate(invalid="ignore", over="ignore"):
        for one in x:
            new = total + one
            own = new - total
            lost = lost + ((total - (new - own)) + (one - own))
            total = new
        return np.where((lost == 0) | ~np.isfinite(total), total, total + lost).astype(x.dtype)


def _pairwise(x: Any) -> Any:
    """Sums over the first axis."""
    level = [
        np.sum(x[k : k + _BLOCK], 0, dtype=None if x.dtype == object else x.dtype) for k in range(0, len(x), _BLOCK)
    ]
    while len(level) > 1:
        level = [level[k] + level[k + 1] if k + 1 < len(level) else level[k] for k in range(0, len(level), 2)]
    return level[0] if level else np.sum(x, 0)


def _sum(name: str, evaluate: Callable[[Any], Any], doc: str) -> OpDef:
    return register(
        OpDef(
            name=name,
            kind=Kind.ALONG,
            infer=_type_rule(name),
            evaluate=lambda attrs, x: evaluate(np.moveaxis(np.asarray(x), attrs.axis, 0)),
            derivative=Linear(_back),
            batch=_batch,
            attrs=AxisAttrs,
            samples=_samples,
            doc=doc,
        )
    )


METHODS = {
    "pairwise": _sum("pairwise_sum", _pairwise, "Sum along an axis, of partial sums in a balanced tree."),
    "compensated": _sum("compensated_sum", _compensated, "Sum along an axis that adds up rounding errors, too."),
}


def total(x: Any, axis: Any = None, keepdims: bool = False, *, method: str = "plain") -> Any:
    """Sum over axes, as accurate as asked for.

    Parameters
    ----------
    x : array or expression
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool
        Keep these axes with size 1.
    method : {"plain", "pairwise", "compensated"}
        How floats are added up.  ``"pairwise"`` errs by about log2 n units in the last place of the sum of magnitudes, at
        the cost of a plain sum; ``"compensated"`` (Neumaier 1974) by one, at several times the cost.  Integers are exact
        anyway.  The derivative is the same.

    Returns
    -------
    expression
        Of the type that ``np.sum`` gives.

    Raises
    ------
    SymgradError
        The method is unknown.
    ShapeError
        There is no such axis.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> sg.compile(sg.sum(x, method="compensated"), [x])(np.array([1.0, 1e100, 1.0, -1e100]))
    np.float64(2.0)
    """
    plain: Any = sum_(x, axis, keepdims)
    if method == "plain":
        return plain
    if method not in METHODS:
        hint = f"one of plain, {', '.join(METHODS)}"
        raise SymgradError(f"sum: method {method!r} is unknown", where=user_line(), hint=hint)
    node = coerce.as_node(x)
    if not types.is_float(node.type.dtype):
        return plain
    axes = coerce.normalize_axes(axis, node.ndim, "sum")
    if not axes:
        return node
    kept = tuple(k for k in range(node.ndim) if k not in axes)
    moved = transpose(node, (*kept, *axes))
    size = dims.product(node.shape[k] for k in axes)
    flat = moved if len(axes) == 1 else reshape(moved, (*moved.shape[: len(kept)], size))
    made = apply(METHODS[method], (flat,), AxisAttrs(len(kept)))
    return expand_dims(made, axes) if keepdims else made
