"""NumPy's functions that join arrays and take them apart.  In: arrays, positions known while tracing.  Out: nodes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad import dims, ops
from symgrad.dims import Dim
from symgrad.errors import KernelIndexError, ShapeError, TraceError
from symgrad.functions.axes import along, axis_of
from symgrad.functions.rearrange import atleast_1d, atleast_2d, atleast_3d, moveaxis
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = [
    "append",
    "array_split",
    "block",
    "column_stack",
    "concatenate",
    "delete",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "insert",
    "split",
    "stack",
    "vsplit",
    "vstack",
]


def _typed(made: Any, dtype: Any) -> Any:
    return made if dtype is None else ops.cast(made, dtype)


def _strong(arrays: Any) -> list[Any]:
    """The parts as nodes: numbers among arrays count as arrays of their own element type, as NumPy has it."""
    return [ops.as_node(one) for one in arrays]


def concatenate(arrays: Any, axis: Any = 0, *, dtype: Any = None) -> Any:
    """Arrays joined along an axis; None flattens them first."""
    return _typed(ops.concatenate(_strong(arrays), axis), dtype)


def stack(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis."""
    return _typed(ops.stack(_strong(arrays), axis), dtype)


def _raised(arrays: Any, raise_rank: Callable[..., Any], who: str) -> list[Any]:
    return [raise_rank(one) for one in ops.as_nodes(_strong(arrays), who=who)]


def hstack(tup: Any, *, dtype: Any = None) -> Any:
    """Arrays joined along axis 1, vectors along axis 0."""
    parts = _raised(tup, atleast_1d, "hstack")
    return _typed(ops.concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1), dtype)


def vstack(tup: Any, *, dtype: Any = None) -> Any:
    """Arrays joined along axis 0, vectors as rows."""
    return _typed(ops.concatenate(_raised(tup, atleast_2d, "vstack"), 0), dtype)


def dstack(tup: Any) -> Any:
    """Arrays joined along the third axis."""
    return ops.concatenate(_raised(tup, atleast_3d, "dstack"), 2)


def column_stack(tup: Any) -> Any:
    """Vectors as columns beside matrices."""
    parts = ops.as_nodes(_strong(tup), who="column_stack")
    return ops.concatenate([ops.reshape(one, (-1, 1)) if one.ndim < 2 else one for one in parts], 1)


def block(arrays: Any) -> Any:
    """Nested lists of blocks joined: the innermost lists along the last axis, the next along the one before."""
    depth = _depth(arrays)
    return _joined(arrays, depth, max(depth, _block_rank(arrays)))


def _depth(value: Any) -> int:
    if not isinstance(value, list):
        return 0
    if not value:
        raise ShapeError("block: an empty list", where=user_line())
    found = {_depth(one) for one in value}
    if len(found) > 1:
        raise ShapeError("block: lists are nested to different depths", where=user_line())
    return 1 + found.pop()


def _block_rank(value: Any) -> int:
    return max(map(_block_rank, value)) if isinstance(value, list) else int(np.ndim(value))


def _joined(value: Any, depth: int, rank: int) -> Any:
    if isinstance(value, list):
        return ops.concatenate([_joined(one, depth - 1, rank) for one in value], rank - depth)
    node = ops.as_node(value)
    return ops.expand_dims(node, tuple(range(rank - node.ndim))) if node.ndim < rank else node


# -- taken apart ----------------------------------------------------------------------------------------------------
def _cuts(size: Any, indices_or_sections: Any, exact: bool, who: str) -> list[Any]:
    """Where the parts begin and end."""
    if isinstance(indices_or_sections, (tuple, list, np.ndarray)):
        return [0, *indices_or_sections, size]
    sections = int(indices_or_sections)
    if sections < 1:
        raise ShapeError(f"{who}: {sections} sections", where=user_line())
    each = dims.floordiv(size, sections)
    if dims.equal(each * sections, size) is True:
        return [each * k for k in range(sections + 1)]
    if exact or isinstance(size, Dim):
        raise ShapeError(
            f"{who}: an axis of size {size} has no {sections} equal sections",
            where=user_line(),
            hint="give the positions to cut at" if isinstance(size, Dim) else "np.array_split makes unequal ones",
        )
    longer = size - each * sections
    return [each * k + min(k, longer) for k in range(sections + 1)]


def _split(ary: Any, indices_or_sections: Any, axis: int, exact: bool, who: str) -> list[Any]:
    node = ops.as_node(ary)
    own = axis_of(axis, node.ndim, who)
    cuts = _cuts(node.shape[own], indices_or_sections, exact, who)
    return [along(node, own, slice(low, high)) for low, high in itertools.pairwise(cuts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis: a number of equal ones, or cut at positions."""
    return _split(ary, indices_or_sections, axis, True, "split")


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Parts along an axis, of sizes that differ by one at most."""
    return _split(ary, indices_or_sections, axis, False, "array_split")


def _needs_rank(ary: Any, rank: int, who: str) -> Any:
    node = ops.as_node(ary)
    if node.ndim < rank:
        raise ShapeError(f"{who}: {shape_text(node.shape)} has fewer than {rank} axes", where=user_line())
    return node


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along axis 1 (of a vector, axis 0)."""
    node = _needs_rank(ary, 1, "hsplit")
    return _split(node, indices_or_sections, 0 if node.ndim == 1 else 1, True, "hsplit")


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along axis 0."""
    return _split(_needs_rank(ary, 2, "vsplit"), indices_or_sections, 0, True, "vsplit")


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """Parts along axis 2."""
    return _split(_needs_rank(ary, 3, "dsplit"), indices_or_sections, 2, True, "dsplit")


# -- longer and shorter ---------------------------------------------------------------------------------------------
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """Values joined to the end of an array."""
    return ops.concatenate(_strong([arr, values]), axis)


def _static_axis(arr: Any, axis: Any, where: Any, who: str) -> tuple[Any, int, int]:
    node = ops.as_node(arr)
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    own = axis_of(axis, node.ndim, who)
    size = node.shape[own]
    if isinstance(size, Dim) or isinstance(where, Node):
        raise TraceError(
            f"{who}: the axis must have a fixed size and the positions must be known while tracing",
            where=user_line(),
            hint="join slices with np.concatenate",
        )
    return node, own, size


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """Values put in front of positions that are known while tracing."""
    node, own, size = _static_axis(arr, axis, obj, "insert")
    positions = np.arange(size)[obj] if isinstance(obj, slice) else np.asarray(obj)
    if positions.dtype == bool:
        positions = np.flatnonzero(positions)
    try:  # NumPy itself says where old and new elements stand, the latter numbered from size on
        count = max(positions.size, 1) if positions.ndim else _inserted_count(node, own, values)
        order = np.insert(np.arange(size), obj, np.arange(size, size + count))
    except IndexError as error:
        raise KernelIndexError(f"insert: {error}", where=user_line()) from error
    new = ops.as_node(values, node.dtype, who="insert")
    if positions.ndim == 0 and new.ndim > 0:
        new = moveaxis(new, 0, own) if new.ndim == node.ndim else ops.expand_dims(new, own)
    wanted = (*node.shape[:own], count if positions.size else 0, *node.shape[own + 1 :])
    if positions.size == 0:
        return node
    return along(ops.concatenate([node, ops.broadcast_to(new, wanted)], own), own, order)


def _inserted_count(node: Any, axis: int, values: Any) -> int:
    """How many rows a value inserted at one position stands for."""
    shape: Sequence[Any] = np.shape(values)
    return int(shape[0]) if len(shape) == node.ndim else 1


def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """The array without positions that are known while tracing."""
    node, own, size = _static_axis(arr, axis, obj, "delete")
    try:
        kept = np.delete(np.arange(size), obj)
    except IndexError as error:
        raise KernelIndexError(f"delete: {error}", where=user_line()) from error
    return along(node, own, kept)
