"""``np.pad``.  In: an array, widths known while tracing, a mode.  Out: a node.

Modes that repeat elements (edge, reflect, symmetric, wrap) gather them by a formula of the position, so that axes may
have dynamic sizes; the others join blocks axis by axis, as NumPy does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.dims import Dim
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import along, float_node
from symgrad.functions.quantiles import median
from symgrad.node import Node
from symgrad.ops.boxes import Range
from symgrad.provenance import user_line

__all__ = ["pad"]


def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    """The array with elements around it.

    Raises
    ------
    TraceError
        The mode is ``"empty"``, a function or unknown, an option is none of the mode's, or a width is an expression.
    ShapeError
        A width is negative or does not fit the rank, or a mode that repeats elements finds none.
    """
    node = ops.as_node(array)
    if not isinstance(mode, str) or mode not in _MODES:
        raise TraceError(
            f"pad: mode {mode!r} is not supported", where=user_line(), hint=f"modes are {', '.join(sorted(_MODES))}"
        )
    unknown = sorted(set(options) - set(_OPTIONS.get(mode, ())))
    if unknown:
        raise TraceError(f"pad: mode {mode!r} has no option {', '.join(unknown)}", where=user_line())
    if options.get("reflect_type", "even") not in ("even", "odd"):
        raise TraceError(
            f"pad: reflect_type={options['reflect_type']!r} is neither 'even' nor 'odd'",
            where=user_line(),
            hint="reflect_type='odd'",
        )
    widths = _widths(pad_width, node.ndim)
    if mode == "constant" and _is_number(options.get("constant_values", 0)):
        return _framed(node, widths, options.get("constant_values", 0))
    for axis, (low, high) in enumerate(widths):
        if low or high:
            node = _MODES[mode](node, axis, low, high, **options)
    return node


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.generic)) or (isinstance(value, Node) and value.ndim == 0)


def _pairs(value: Any, rank: int, what: str) -> Any:
    """A value for each end of each axis, as NumPy reads its pad arguments."""
    if isinstance(value, dict):
        given = {axis % rank: one for axis, one in value.items()}
        return [_pairs(given.get(axis, 0), 1, what)[0] for axis in range(rank)]
    try:
        return np.broadcast_to(np.asarray(value), (rank, 2)).tolist()
    except ValueError as error:
        raise ShapeError(f"pad: {what} {value!r} does not fit rank {rank}", where=user_line()) from error


def _widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, Node):
        raise TraceError("pad: widths must be known while tracing", where=user_line())
    made = [(int(low), int(high)) for low, high in _pairs(pad_width, rank, "pad_width")]
    if any(width < 0 for pair in made for width in pair):
        raise ShapeError(f"pad: negative width in {pad_width!r}", where=user_line())
    return made


def _framed(node: Any, widths: list[tuple[int, int]], value: Any) -> Any:
    """One value all around: the array overwrites a box of it, which keeps zeros' signs."""
    if not any(map(any, widths)):
        return node
    shape = tuple(low + size + high for size, (low, high) in zip(node.shape, widths, strict=True))
    box = tuple(Range(low, size) for size, (low, _) in zip(node.shape, widths, strict=True))
    return ops.update(ops.full(shape, ops.as_node(value, node.dtype), node.dtype), box, node)


def _blocks(node: Any, axis: int, low: int, high: int, before: Any, after: Any) -> Any:
    """The array between two blocks, each repeated to its width."""
    parts = [node]
    for width, block, place in ((low, before, 0), (high, after, 2)):
        if width:
            wide = ops.broadcast_to(block, (*node.shape[:axis], width, *node.shape[axis + 1 :]))
            parts.insert(place, wide)
    return ops.concatenate(parts, axis)


def _constant(node: Any, axis: int, low: int, high: int, constant_values: Any) -> Any:
    before, after = _pairs(constant_values, node.ndim, "constant_values")[axis]
    return _blocks(node, axis, low, high, ops.as_node(before, node.dtype), ops.as_node(after, node.dtype))


# -- repeated elements ----------------------------------------------------------------------------------------------
def _repeated(formula: Callable[[Any, Any, Any], Any], period: Any = None) -> Callable[..., Any]:
    """A mode that gathers elements; ``formula(position, size, library)`` gives where from, position 0 being the first."""

    def mode(node: Any, axis: int, low: int, high: int, reflect_type: str = "even") -> Any:
        size = node.shape[axis]
        lib, length, positions = _places(node, axis, low, high)
        made = along(node, axis, formula(positions, length, lib))
        if reflect_type == "even":
            return made
        whole = lib.maximum(period(length), 1)
        turned = lib.greater_equal(lib.remainder(positions, whole), length)
        first, last = (ops.expand_dims(along(node, axis, end), axis) for end in (0, -1))
        rest = node.ndim - axis - 1
        turned, turns = (
            ops.reshape(ops.as_node(one), (low + size + high, *([1] * rest)))
            for one in (turned, lib.floor_divide(positions, whole))
        )
        mirrored = ops.where(turned, ops.subtract(ops.multiply(2, last), made), made)
        rise = ops.multiply(2, ops.subtract(last, first))
        return ops.add(mirrored, ops.multiply(ops.cast(turns, node.dtype), rise))

    return mode


def _places(node: Any, axis: int, low: int, high: int) -> tuple[Any, Any, Any]:
    """Positions from before the first element to behind the last: as numbers, or as expressions of a dynamic size."""
    size = node.shape[axis]
    if isinstance(size, Dim):
        return ops, ops.dim_value(size), ops.subtract(ops.iota(low + size + high), low)
    if size == 0:
        raise ShapeError(f"pad: axis {axis} is empty and has no element to repeat", where=user_line())
    return np, size, np.arange(-low, size + high)


def _reflect(position: Any, size: Any, lib: Any) -> Any:
    period = lib.maximum(2 * (size - 1), 1)
    inside = lib.remainder(position, period)
    return lib.minimum(lib.minimum(inside, period - inside), size - 1)


def _symmetric(position: Any, size: Any, lib: Any) -> Any:
    inside = lib.remainder(position, 2 * size)
    return lib.minimum(inside, 2 * size - 1 - inside)


def _edge(position: Any, size: Any, lib: Any) -> Any:
    return lib.minimum(lib.maximum(position, 0), size - 1)


def _wrap(position: Any, size: Any, lib: Any) -> Any:
    return lib.remainder(position, size)


# -- computed elements ----------------------------------------------------------------------------------------------
def _linear_ramp(node: Any, axis: int, low: int, high: int, end_values: Any = 0) -> Any:
    parts = [node]
    ends = _pairs(end_values, node.ndim, "end_values")[axis]
    for width, end, edge, place in ((low, ends[0], slice(0, 1), 0), (high, ends[1], slice(-1, None), 2)):
        if width:
            ticks = np.arange(width) / width
            share = ops.constant((ticks if place == 0 else ticks[::-1]).reshape(-1, *([1] * (node.ndim - axis - 1))))
            start = float_node(along(node, axis, edge))
            ramp = ops.add(end, ops.multiply(ops.cast(share, start.dtype), ops.subtract(start, end)))
            parts.insert(place, ops.cast(ramp if types.is_float(node.dtype) else ops.floor(ramp), node.dtype))
    return ops.concatenate(parts, axis)


def _statistic(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A mode that repeats a statistic of the elements near each end."""

    def mode(node: Any, axis: int, low: int, high: int, stat_length: Any = None) -> Any:
        lengths = (None, None) if stat_length is None else _pairs(stat_length, node.ndim, "stat_length")[axis]
        blocks = []
        for length, end in zip(lengths, (slice(0, lengths[0]), slice(-(lengths[1] or 0), None)), strict=True):
            made = reduce(node if length is None else along(node, axis, end), axis, keepdims=True)
            blocks.append(ops.cast(made if types.is_float(node.dtype) else ops.rint(made), node.dtype))
        return _blocks(node, axis, low, high, *blocks)

    return mode


_MODES: dict[str, Callable[..., Any]] = {
    "constant": _constant,
    "edge": _repeated(_edge),
    "reflect": _repeated(_reflect, lambda size: 2 * (size - 1)),
    "symmetric": _repeated(_symmetric, lambda size: 2 * size),
    "wrap": _repeated(_wrap),
    "linear_ramp": _linear_ramp,
    "mean": _statistic(ops.mean),
    "maximum": _statistic(ops.max),
    "minimum": _statistic(ops.min),
    "median": _statistic(median),
}
_OPTIONS: dict[str, tuple[str, ...]] = {
    "constant": ("constant_values",),
    "linear_ramp": ("end_values",),
    "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",),
    **dict.fromkeys(("mean", "maximum", "minimum", "median"), ("stat_length",)),
}
