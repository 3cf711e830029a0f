"""One loop nest.  In: writers, each storing an array (or part of one) element by element.  Out: its loops.

The writers of a nest share loop axes: axes of equal extent are the same loop, so that what they have in common is
computed once and memory is read once.  Refuses, with :class:`NeedsStore` or :class:`Split`, what one nest cannot order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from codegen.lower.access import Flat, NeedsStore, Scalarizer, Stored
from codegen.lower.analysis import written_out
from codegen.lower.boxes import typical_size
from codegen.lower.forms import Axis, Form, Index, of_axis, ravel
from codegen.lower.instances import Instance
from codegen.lower.loopir import Buffer, Nest
from codegen.lower.schedule import COST, FREE, Goal, Scheduler, Sink, Wanted, goal_axes, goal_needs
from codegen.lower.straight import ScalarStore, straight_line
from symgrad import types
from symgrad.dims import Size
from symgrad.node import Node
from symgrad.types import DType

__all__ = ["Split", "Writer", "plan_nest"]

_TYPICAL = 1000  # the extent that a dynamic axis is taken for when choices are compared
_SHORT_ROW = 384  # bytes of a row whose steps are done for many rows at once
_EXPENSIVE = 10  # cycles from which computing a value again in every round of a loop is avoided


class Writer(NamedTuple):
    """Stores the elements of ``source`` (of ``shape``) into a buffer.

    Attributes
    ----------
    target : Node or None
        The array that is stored, for messages and requests.
    source : expressions whose sum is stored
    shape : the index space
    place : from an index tuple to an offset in the buffer
    mode : "set" or "add", or "scatter_set" and "scatter_add", whose ``place`` also takes the scalarizer
    flat : whether the source is read at row-major positions, as the index space has axes of it as one
    """

    target: Node | None
    source: tuple[Node, ...]
    shape: tuple[Size, ...]
    buffer: Buffer
    place: Callable[..., Index]
    mode: str = "set"
    flat: bool = False


class Split(Exception):  # noqa: N818 - a request, not an error
    """The writer cannot share a nest with the others."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(str(writer.buffer))
        self.writer = writer


def plan_nest(
    writers: Sequence[Writer],
    stored: Mapping[Node, Stored],
    limit: int,
    scratch: Callable[[DType, Size, bool], Buffer],
) -> Callable[[], Nest]:
    """What makes the loops that run all writers; whatever may refuse to has been asked before.

    Parameters
    ----------
    writers : writers of one nest
    stored : arrays that may be loaded
    limit : largest axis that is written out rather than looped over
    scratch : makes a temporary buffer
    """
    builder = _Builder(stored, limit)
    if all(not writer.shape and writer.mode in ("set", "add") for writer in writers):
        scalars = [ScalarStore(w.target, w.source, w.buffer, w.place(()), w.mode == "add") for w in writers]
        straight = straight_line(scalars, builder.scalarizer)
        if straight is not None:
            return partial(Nest, straight)
    sinks = [sink for writer in sorted(writers, key=lambda w: -len(w.shape)) for sink in builder.sinks(writer)]
    order = builder.axis_order(sinks, writers)
    builder.refuse_recomputation(sinks, order)
    builder.refuse_steps(sinks)
    return lambda: Nest(Scheduler(order, choose_lane, scratch).run(sinks))


class _Builder:
    def __init__(self, stored: Mapping[Node, Stored], limit: int) -> None:
        self.is_unrolled = written_out(limit)
        self.axes: list[Axis] = []
        self.reduction_axis = partial(_axis_for, self.axes)
        self.scalarizer = Scalarizer(stored, self.is_unrolled, self.reduction_axis)

    # -- sinks -----------------------------------------------------------------------------------------------------
    def sinks(self, writer: Writer) -> list[Sink]:
        """The stores of a writer, one for each combination of the axes that are written out."""
        used: set[Axis] = set()
        choices: list[list[Index]] = []
        for size in writer.shape:
            if self.is_unrolled(size):
                assert isinstance(size, int)
                choices.append(list(range(size)))
            else:
                axis = self.reduction_axis(size, used)
                used.add(axis)
                choices.append([of_axis(axis)])
        made = []
        for index in itertools.product(*choices):
            own = (Flat(ravel(index, writer.shape)),) if writer.flat else index
            values = [self.scalarizer.value(node, own, computed=node is writer.target) for node in writer.source]
            value = self.scalarizer.pool.total("sum", values)
            place = writer.place(self.scalarizer, index) if writer.mode.startswith("scatter") else writer.place(index)
            made.append(Sink(writer.buffer, place, value, writer.mode))
        return made

    # -- order of the axes -----------------------------------------------------------------------------------------
    def axis_order(self, sinks: Sequence[Sink], writers: Sequence[Writer]) -> list[Axis]:
        """Outer axes first, such that what a reduction's result varies with lies outside what it runs over."""
        if len(self.axes) < 2:
            return list(self.axes)
        reductions = [one for one in instances(sinks) if one.op == "reduce"]
        before: dict[Axis, set[Axis]] = {axis: set() for axis in self.axes}
        for one in reductions:
            for axis in one.data.axes:
                before[axis] |= one.axes
        order: list[Axis] = []
        waiting = list(self.axes)
        while waiting:
            ready = next((axis for axis in waiting if before[axis] <= set(order)), None)
            if ready is None:
                self._refuse_order(reductions, sinks, writers)
            assert ready is not None
            order.append(ready)
            waiting.remove(ready)
        return order

    def _refuse_order(self, reductions: Sequence[Instance], sinks: Sequence[Sink], writers: Sequence[Writer]) -> None:
        """Two reductions want opposite orders: the last one gets an array or a nest of its own."""
        final = {sink.value: sink for sink in sinks}
        for one in reversed(reductions):
            if one in final and len(writers) > 1:
                raise Split(next(writer for writer in writers if writer.buffer is final[one].buffer))
        for one in reversed(reductions):
            if one not in final:
                raise NeedsStore(self.scalarizer.origin[one])
        raise Split(writers[-1])

    def refuse_recomputation(self, sinks: Sequence[Sink], order: Sequence[Axis]) -> None:
        """An expensive value that does not vary with a loop around it is stored by a nest of its own."""
        if len(order) < 2:
            return
        every = instances(sinks)
        used = {axis for sink in sinks for axis in goal_axes(sink)}
        used |= {axis for one in every if one.op == "reduce" for axis in one.data.axes}
        present = [axis for axis in order if axis in used]
        constant = {one: _constant_outer(one, present) for one in every}
        cost: dict[Instance, int] = {}
        for one in every:
            inside = sum(cost[arg] for arg in one.args if constant[arg] and arg.op not in FREE)
            cost[one] = COST.get(one.op, 1) + inside if constant[one] and one.op not in FREE else 0
        final = {sink.value for sink in sinks}
        for one in every:
            for arg in one.args:
                if cost[arg] >= _EXPENSIVE and not (constant[one] and one.axes == arg.axes) and arg not in final:
                    node = self.scalarizer.origin.get(arg)
                    if node is not None and node not in self.scalarizer.stored:
                        raise NeedsStore(node)

    def refuse_steps(self, sinks: Sequence[Sink]) -> None:
        """Steps of a row that are better done for many rows at once: short ones, and functions of what a row leaves."""
        every = instances(sinks)
        of_rows, inside = _of_rows(every)
        after = [one for one in every if one in of_rows and one not in inside]
        work = sum(COST.get(one.op, 1) for one in after if one.op != "reduce")
        awaited = _awaited(every, of_rows)
        first = [one for one in every if one in of_rows and one in awaited and _is_short(one)]
        for one in [*first, *(after if work >= _EXPENSIVE else ())]:
            node = self.scalarizer.origin.get(one) if one.op == "reduce" else None
            if node is not None and node not in self.scalarizer.stored:
                raise NeedsStore(node)


def _of_rows(every: Sequence[Instance]) -> tuple[set[Instance], set[Instance]]:
    """Reductions with one result a row and what depends on them; and what the loops inside a row need."""
    found: set[Instance] = set()
    inside: set[Instance] = set()
    for one in every:
        if one.axes and (one.op == "reduce" or any(arg in found and arg.axes == one.axes for arg in one.args)):
            found.add(one)
    for one in reversed(every):
        if one not in found or one in inside or one.op == "reduce":
            inside.update(one.args)
    return found, inside


def _awaited(every: Sequence[Instance], of_rows: set[Instance]) -> set[Instance]:
    """What expensive functions of the elements of a row are computed from, as far as the reductions behind that."""
    found: set[Instance] = set()
    for one in reversed(every):
        if one.op != "reduce" and (one in found or (one not in of_rows and COST.get(one.op, 1) >= _EXPENSIVE)):
            found.update(one.args)
    return found


def _is_short(one: Instance) -> bool:
    """Whether a reduction is a quick pass over a short row in memory.

    Long chains that wait for its result, as maximum, exponential, sum, fill the window of a processor with one row; passes
    over many rows do not wait for each other.  Measured on AVX2: softmax of rows of 37 to 64 floats takes 0.87 of the
    time; at 512 bytes there is nothing to win.
    """
    if one.op != "reduce" or len(one.data.axes) != 1:
        return False
    [axis] = one.data.axes
    if not isinstance(axis.extent, int) or axis.extent * one.dtype.itemsize > _SHORT_ROW:
        return False
    needed = [inner for inner in instances([Wanted(one.args[0])]) if axis in inner.axes]
    if sum(COST.get(inner.op, 1) for inner in needed if inner.op not in FREE) >= _EXPENSIVE:
        return False
    loads = [inner.data[1] for inner in needed if inner.op == "load"]
    steps = [step for index in loads if index.__class__ is Form for symbol, step in index.terms if symbol is axis]
    return any(isinstance(step, int) and step == 1 for step in steps)


def _constant_outer(one: Instance, order: Sequence[Axis]) -> bool:
    """Whether a value varies with some axis, but not with one of the loops outside that."""
    if not one.axes:
        return False
    last = max(order.index(axis) for axis in one.axes)
    return any(axis not in one.axes for axis in order[:last])


def instances(goals: Iterable[Goal]) -> list[Instance]:
    """Everything that the goals are made of, operands first."""
    order: list[Instance] = []
    done: set[Instance] = set()
    pending = [one for goal in goals for one in goal_needs(goal)]
    while pending:
        one = pending[-1]
        missing = [arg for arg in one.args if arg not in done] if one not in done else ()
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        if one not in done:
            done.add(one)
            order.append(one)
    return order


def _axis_for(axes: list[Axis], size: Size, used: set[Axis]) -> Axis:
    """A loop axis of that extent that is not in use: one that the nest has already, if possible."""
    for axis in axes:
        if axis not in used and types.same_shape((axis.extent,), (size,)):
            return axis
    made = Axis(size, f"i{len(axes)}")
    axes.append(made)
    return made


# -- lanes ----------------------------------------------------------------------------------------------------------
def choose_lane(goals: Sequence[Goal], axes: Sequence[Axis]) -> Axis | None:
    """The axis along which most memory is contiguous; None where elements must be stored one after the other, or are few.

    In arrays of typical size, loops that serve other sizes have no rounds, and those over corners one.
    """
    if any(isinstance(goal, Sink) and goal.mode == "scatter_set" for goal in goals):
        return None
    rounds = {axis: typical_size(axis.extent) for axis in axes}
    axes = [axis for axis in axes if rounds[axis] > 1 and 0 not in rounds.values()]
    score = dict.fromkeys(axes, 0.0)
    offsets = [(one.data[1], one.axes) for one in instances(goals) if one.op == "load"]
    offsets += [(goal.offset, frozenset(goal_axes(goal))) for goal in goals if isinstance(goal, Sink)]
    for offset, varying in offsets:
        weight = 1.0
        for axis in varying:
            weight *= axis.extent if isinstance(axis.extent, int) else _TYPICAL
        own = dict(offset.terms) if offset.__class__ is Form else {}
        for axis in axes:
            score[axis] += weight * _contiguity(own.get(axis, 0), axis in varying)
    return max(axes, key=lambda axis: (score[axis], axes.index(axis)), default=None)


def _contiguity(coefficient: Size, varies: bool) -> float:
    """How well an access suits vector lanes along an axis: contiguous best, then the same for all lanes, then rows."""
    if isinstance(coefficient, int):
        if coefficient == 1:
            return 2.0
        if coefficient == 0:
            return 0.0 if varies else 1.0  # a computed position, or one value for all lanes
        return -1.0 if abs(coefficient) <= 32 else -3.0
    return -3.0
