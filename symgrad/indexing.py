"""NumPy's indexing.  In: an expression and what stands between its brackets.  Out: slice, gather, update and scatter nodes.

Entries may be integers, slices, ``None``, ``...``, integer arrays (NumPy's or expressions), lists, and boolean NumPy
arrays.  Refuses boolean expressions, whose count is unknown while tracing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from symgrad import dims, ops, types
from symgrad.dims import Dim, Size
from symgrad.errors import DTypeError, KernelIndexError, ShapeError, TraceError
from symgrad.node import Node
from symgrad.ops.boxes import Box, Pick, Range, is_whole
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.types import Shape

__all__ = ["At", "getitem"]


class _Reach(NamedTuple):
    """An axis as a position of it demands: its size, guarded, and what the guard says."""

    size: Size
    message: str | None = None


class _Plan(NamedTuple):
    """An index in three steps: a box, new axes, and index arrays for some axes of what is left.

    ``reach`` has, per axis of the indexed array, the size that a position on a dynamic axis needs at least.
    """

    reach: tuple[_Reach, ...]
    box: Box
    new_axes: tuple[int, ...]
    arrays: tuple[Any, ...]
    array_axes: tuple[int, ...]
    target: int  # where the index axes stand in the result


def getitem(x: Any, key: Any) -> Any:
    """``x[key]``.

    Raises
    ------
    KernelIndexError
        A static index outside its axis, or too many indices.
    TraceError
        A boolean expression as index.
    DTypeError
        A floating index.
    """
    known = _known_places(x.shape, key if key.__class__ is tuple else (key,))
    if known is not None:
        box, new_axes = known
        part = ops.slice(x, box)
        return ops.expand_dims(part, new_axes) if new_axes else part
    plan = _plan(x, key)
    part = ops.slice(_guarded(x, plan), plan.box)
    if plan.new_axes:
        part = ops.expand_dims(part, plan.new_axes)
    if not plan.arrays:
        return part
    return ops.gather(_gathered_first(part, plan), plan.arrays, plan.target)


def _known_places(shape: Shape, key: tuple[Any, ...]) -> tuple[Box, tuple[int, ...]] | None:
    """Box and new axes for integers, slices and None, the common case; None where anything else or unknown takes part."""
    box: list[Pick | Range] = []
    new_axes: list[int] = []
    position = 0  # axis of the result
    for entry in key:
        if entry is None:
            new_axes.append(position)
        elif len(box) == len(shape):
            return None
        else:
            place = _known_place(entry, shape[len(box)])
            if place is None:
                return None
            box.append(place)
            position -= place.__class__ is Pick
        position += 1
    for size in shape[len(box) :]:
        box.append(Range(0, size))
    return tuple(box), tuple(new_axes)


def _known_place(entry: Any, size: Size) -> Pick | Range | None:
    if entry.__class__ is int:
        return Pick(entry % size) if size.__class__ is int and -size <= entry < size else None
    if entry.__class__ is not slice:
        return None
    start, stop, step = entry.start, entry.stop, entry.step
    if start is None and stop is None and step is None:
        return Range(0, size)
    if size.__class__ is not int or not {start.__class__, stop.__class__, step.__class__} <= _PLAIN or step == 0:
        return None
    taken = range(*entry.indices(size))
    return Range(taken.start, len(taken), taken.step)


_PLAIN = {int, type(None)}


def _guarded(x: Any, plan: _Plan) -> Any:
    """``x`` behind run-time guards that its dynamic axes reach the positions asked for."""
    for axis, (size, message) in enumerate(plan.reach):
        if message is not None:
            x = ops.assert_shape(x, (*x.shape[:axis], size, *x.shape[axis + 1 :]), message)
    return x


def _order(rank: int, plan: _Plan) -> tuple[int, ...]:
    """The permutation that makes the indexed axes adjacent at the target."""
    rest = [axis for axis in range(rank) if axis not in plan.array_axes]
    return (*rest[: plan.target], *plan.array_axes, *rest[plan.target :])


def _gathered_first(part: Any, plan: _Plan) -> Any:
    return ops.transpose(part, _order(part.ndim, plan))


# -- parsing --------------------------------------------------------------------------------------------------------
def _plan(x: Any, key: Any) -> _Plan:
    entries = _expanded(key if isinstance(key, tuple) else (key,), x)
    advanced = any(_is_array(entry) for entry in entries)
    reach: list[_Reach] = []
    box: list[Pick | Range] = []
    new_axes: list[int] = []
    arrays: list[Any] = []
    array_axes: list[int] = []
    groups: list[bool] = []  # per entry: whether it is an advanced index
    position = 0  # axis of the result of box and new axes
    for entry in entries:
        if entry is Ellipsis:
            groups.append(False)
            continue
        if entry is None:
            new_axes.append(position)
            position += 1
            groups.append(False)
            continue
        size = x.shape[len(box)]
        reach.append(_Reach(size))
        if isinstance(entry, slice):
            box.append(slice_range(entry, size))
            position += 1
            groups.append(False)
        elif advanced:
            box.append(Range(0, size))
            node, reach[-1] = _index_node(entry, size, len(box) - 1, x)
            arrays.append(node)
            array_axes.append(position)
            position += 1
            groups.append(True)
        else:
            place, reach[-1] = _position(entry, size, len(box), x)
            box.append(Pick(place))
    if arrays:
        arrays = ops.broadcast_together(arrays, "index arrays")
    return _Plan(
        tuple(reach), tuple(box), tuple(new_axes), tuple(arrays), tuple(array_axes), _target(groups, array_axes)
    )


def _target(groups: Sequence[bool], array_axes: Sequence[int]) -> int:
    """NumPy puts the index axes in place of adjacent indices, and first when something stands between them."""
    if not array_axes:
        return 0
    first, last = groups.index(True), len(groups) - 1 - groups[::-1].index(True)
    return array_axes[0] if all(groups[first : last + 1]) else 0


def _expanded(key: tuple[Any, ...], x: Any) -> list[Any]:
    """Entries for every axis: boolean arrays as positions, the ellipsis and missing entries as whole slices."""
    entries: list[Any] = []
    for entry in key:
        entries.extend(_positions(entry))
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    if used > x.ndim:
        raise KernelIndexError(f"index: {used} indices for {shape_text(x.shape)} of rank {x.ndim}", where=user_line())
    missing: list[Any] = [slice(None)] * (x.ndim - used)
    dots = [place for place, entry in enumerate(entries) if entry is Ellipsis]
    if len(dots) > 1:
        raise KernelIndexError("index: more than one ellipsis", where=user_line())
    place = dots[0] if dots else len(entries)
    entries[place : place + len(dots)] = missing or [Ellipsis] * len(dots)  # also for no axis it parts index arrays
    _check_masks(entries, x)
    return [entry.positions if isinstance(entry, _MaskAxis) else entry for entry in entries]


class _MaskAxis(NamedTuple):
    """One axis of a boolean array used as an index: the positions of its true elements, and its length."""

    positions: np.ndarray[Any, Any]
    size: int


def _check_masks(entries: Sequence[Any], x: Any) -> None:
    axis = -1
    for entry in entries:
        axis += entry is not None and entry is not Ellipsis
        if isinstance(entry, _MaskAxis) and dims.equal(entry.size, x.shape[axis]) is not True:
            raise KernelIndexError(
                f"index: a mask of {entry.size} along axis {axis} of {shape_text(x.shape)}",
                where=user_line(),
                hint="a boolean index has the sizes of the axes that it selects from",
            )


def _positions(entry: Any) -> list[Any]:
    """The entry in a form that stands for one axis each: lists as arrays, masks axis by axis."""
    if isinstance(entry, (list, tuple)):
        entry = ops.array(entry) if ops.is_symbolic(entry) else _as_index_array(entry)
    if isinstance(entry, Node) and types.is_bool(entry.type.dtype):
        raise TraceError(
            "index: a boolean expression selects a number of elements that is unknown while tracing",
            where=user_line(),
            hint="use np.where(mask, x, other), or multiply by the mask",
        )
    if isinstance(entry, (bool, np.bool_)) or (_is_mask(entry) and entry.ndim == 0):
        raise TraceError("index: a boolean scalar is not supported", where=user_line(), hint="use None to add an axis")
    if _is_mask(entry):
        return list(map(_MaskAxis, np.nonzero(entry), entry.shape))
    return [entry]


def _is_mask(entry: Any) -> bool:
    return isinstance(entry, np.ndarray) and entry.dtype == bool


def _as_index_array(entry: Sequence[Any]) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(entry)
    except ValueError as error:
        raise ShapeError(f"index: the list {entry!r} has rows of different lengths", where=user_line()) from error
    return array if array.size else array.astype(np.int64)


def _is_array(entry: Any) -> bool:
    return isinstance(entry, Node) or (isinstance(entry, np.ndarray) and entry.ndim > 0)


def _integer(entry: Any) -> Size | None:
    if isinstance(entry, Dim):
        return entry
    if isinstance(entry, (int, np.integer)) and not isinstance(entry, (bool, np.bool_)):
        return int(entry)
    if isinstance(entry, np.ndarray) and entry.ndim == 0 and types.is_integer(entry.dtype):
        return int(entry)
    return None


def _position(entry: Any, size: Size, axis: int, x: Any) -> tuple[Size, _Reach]:
    """A position from the front, and the axis that reaches it."""
    index = _integer(entry)
    if index is None:
        raise DTypeError(f"index: {entry!r} is no integer, slice, None, ellipsis or integer array", where=user_line())
    from_end = isinstance(index, int) and index < 0
    message = f"index: {index} is out of bounds for axis {axis} of {shape_text(x.shape)}"
    least = -index if from_end else index + 1
    inside = dims.at_least(size, least)
    not_negative = True if isinstance(index, int) else dims.at_least(index, 0)
    if inside is False or not_negative is False:
        raise KernelIndexError(message, where=user_line())
    reach = size
    if inside is None:
        reach = dims.maximum(reach, least)
    if not_negative is None:
        reach = dims.maximum(reach, size - index)
    place = index + reach if from_end else index
    return place, _Reach(size) if reach is size else _Reach(reach, message)


def _index_node(entry: Any, size: Size, axis: int, x: Any) -> tuple[Any, _Reach]:
    if not isinstance(entry, (Node, np.ndarray)):
        place, reach = _position(entry, size, axis, x)
        return ops.as_node(place), reach
    if not np.issubdtype(entry.dtype, np.integer):
        raise DTypeError(
            f"index: an index array of {entry.dtype} is not allowed",
            where=user_line(),
            hint="convert with .astype('int64')",
        )
    if isinstance(entry, Node):
        return entry, _Reach(size)
    if isinstance(size, int) and entry.size and not (-size <= entry.min() and entry.max() < size):
        worst = int(entry.max() if entry.max() >= size else entry.min())
        raise KernelIndexError(
            f"index: {worst} is out of bounds for axis {axis} of {shape_text(x.shape)}", where=user_line()
        )
    return ops.as_node(entry if entry.dtype == np.int32 else entry.astype(np.int64)), _Reach(size)


def slice_range(entry: slice, size: Size) -> Range:
    """The positions that a slice selects on an axis of some size."""
    step = 1 if entry.step is None else _integer(entry.step)
    if not isinstance(step, int):
        raise TraceError(f"index: the slice step {entry.step!r} is not an integer", where=user_line())
    if step == 0:
        raise ShapeError("index: the slice step is zero", where=user_line())
    if isinstance(size, int) and not isinstance(entry.start, Dim) and not isinstance(entry.stop, Dim):
        begin, end, _ = slice(_bound(entry.start), _bound(entry.stop), step).indices(size)
        return Range(begin, len(range(begin, end, step)), step)
    # NumPy's clipping, as formulas of the dimension
    first: Size
    last: Size
    first, last = (0, size) if step > 0 else (size - 1, -1)
    low, high = (0, size) if step > 0 else (-1, size - 1)
    start = first if entry.start is None else _clipped(_bound(entry.start), size, low, high)
    stop = last if entry.stop is None else _clipped(_bound(entry.stop), size, low, high)
    span = stop - start if step > 0 else start - stop
    cut = _cut(entry)
    if step > 0 and cut is not None:
        span = size - cut  # the same where it is positive, and one spelling for x[2:], x[1:-1] and x[:-2]
    return Range(start, dims.floordiv(dims.maximum(span + abs(step) - 1, 0), abs(step)), step)


def _cut(entry: slice) -> int | None:
    """How many elements a slice leaves out at both ends together, where it counts its bounds from these."""
    front = 0 if entry.start is None else _bound(entry.start)
    back = 0 if entry.stop is None else -_bound(entry.stop)
    counted = isinstance(front, int) and isinstance(back, int) and front >= 0 and (entry.stop is None or back > 0)
    return front + back if counted else None


def _bound(value: Any) -> Any:
    if value is None:
        return None
    index = _integer(value)
    if index is None:
        raise TraceError(
            f"index: the slice bound {value!r} is not an integer",
            where=user_line(),
            hint="slices need static bounds; gather with an index array for others",
        )
    return index


def _clipped(index: Size, size: Size, low: Size, high: Size) -> Size:
    wrapped = index + size if isinstance(index, int) and index < 0 else index
    return dims.minimum(dims.maximum(wrapped, low), high)


def _distinct(plan: _Plan, x: Any) -> bool:
    """Whether the index arrays are known and certainly name no place twice."""
    known = [_known(one) for one in plan.arrays]
    positions = [one.ravel() for one in known if one is not None]
    if len(positions) < len(known):
        return False
    part = ops.slice(x, plan.box) if not plan.new_axes else ops.expand_dims(ops.slice(x, plan.box), plan.new_axes)
    sizes = [part.shape[axis] for axis in plan.array_axes]
    if not all(isinstance(size, int) for size in sizes):  # a place counted from the end may be one from the front
        return all((one >= 0).all() for one in positions) and _no_column_twice(positions)
    return _no_column_twice([one % size for one, size in zip(positions, sizes, strict=True)])


def _known(index: Any) -> np.ndarray[Any, Any] | None:
    """The elements of an index array that is a constant, repeated or not."""
    base = index.inputs[0] if index.op.name == "broadcast_to" else index
    return np.broadcast_to(base.attrs.value.array, index.shape) if base.op.name == "constant" else None


def _no_column_twice(rows: Sequence[np.ndarray[Any, Any]]) -> bool:
    return np.unique(np.stack(rows), axis=1).shape[1] == rows[0].size


# -- updates --------------------------------------------------------------------------------------------------------
class At:
    """``x.at[key]``: the places to change; ``set``, ``add``, ``multiply``, ``min`` and ``max`` return a changed copy.

    Examples
    --------
    >>> import symgrad as sg
    >>> x = sg.symbol("x", (3,))
    >>> print(x.at[0].add(5.0))
    x.at[0].set(5 + x[0])
    """

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> _Places:
        return _Places(self._x, key)


class _Places:
    __slots__ = ("_plan", "_x", "key")

    def __init__(self, x: Any, key: Any) -> None:
        self._x, self.key, self._plan = x, key, _plan(x, key)

    def set(self, value: Any) -> Any:
        """``x`` with the places set to ``value``; of places named twice, the last value stays."""
        return self._changed(
            lambda sub, new, indices, axis: ops.scatter_set(sub, new, indices, axis), value, lambda old, new: new
        )

    def add(self, value: Any) -> Any:
        """``x`` with ``value`` added; places named twice accumulate."""
        return self._changed(
            lambda sub, new, indices, axis: ops.scatter_add(sub, new, indices, axis),
            value,
            lambda old, new: ops.add(new, old),
        )

    def multiply(self, value: Any) -> Any:
        """``x`` with the places multiplied by ``value``."""
        return self._combined(ops.multiply, value)

    def min(self, value: Any) -> Any:
        """``x`` with the places replaced by the smaller of old and ``value``."""
        return self._combined(ops.minimum, value)

    def max(self, value: Any) -> Any:
        """``x`` with the places replaced by the larger of old and ``value``."""
        return self._combined(ops.maximum, value)

    def _combined(self, combine: Callable[[Any, Any], Any], value: Any) -> Any:
        if not self._plan.arrays:
            return self._changed(None, value, combine)
        if not _distinct(self._plan, self._x):
            raise TraceError(
                "x.at[index array].multiply/min/max is not supported, as places may repeat",
                where=user_line(),
                hint="use slices, or index arrays that are known while tracing and name no place twice",
            )
        return self.set(combine(getitem(self._x, self.key), ops.as_node(value, self._x.type.dtype, who="x.at[...]")))

    def _changed(self, scatter: Callable[..., Any] | None, value: Any, combine: Callable[[Any, Any], Any]) -> Any:
        plan = self._plan
        x = _guarded(self._x, plan)
        part = ops.slice(x, plan.box)
        spread = ops.expand_dims(part, plan.new_axes) if plan.new_axes else part
        new = ops.as_node(value, x.type.dtype, who="x.at[...]")
        if not plan.arrays:
            new = ops.broadcast_to(new, spread.shape)
            changed = combine(part, ops.squeeze(new, plan.new_axes) if plan.new_axes else new)
        else:
            assert scatter is not None
            order = _order(spread.ndim, plan)
            moved = ops.transpose(spread, order)
            count, target = len(plan.arrays), plan.target
            places = (*moved.shape[:target], *plan.arrays[0].shape, *moved.shape[target + count :])
            written = scatter(moved, ops.broadcast_to(new, places), plan.arrays, target)
            back = ops.transpose(written, tuple(int(k) for k in np.argsort(order)))
            changed = ops.squeeze(back, plan.new_axes) if plan.new_axes else back
        if not is_whole(plan.box, x.shape):
            changed = ops.update(x, plan.box, changed)
        return ops.assert_shape(changed, self._x.shape)
