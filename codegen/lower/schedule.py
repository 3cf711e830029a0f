"""From scalar programs to loops.  In: stores to make, and the instances that they need.  Out: statements of the loop IR.

A block has fixed some axes.  What varies with none but those is computed in the block; the rest goes into loops over the
first axis still open.  A reduction's result is known only after its loop, so work falls into rounds: in each, the
block's own operations that are ready, then the loops they feed.  What two loops of a block both need is computed again
where that is cheap, and kept in a scratch array where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from codegen.lower.forms import Axis, Index, axes_of, of_axis, ravel
from codegen.lower.instances import Instance, value_of
from codegen.lower.loopir import Buffer, Carry, Const, For, IndexValue, Let, Load, Scatter, Store, offset_of
from symgrad import dims
from symgrad.dims import Size
from symgrad.types import DType

__all__ = ["COST", "FREE", "Scheduler", "Sink", "Wanted", "goal_axes", "goal_needs"]

# Rough cycles of one vector operation; what is not listed costs 1.
COST = {
    "exp": 12, "exp2": 12, "expm1": 16, "log": 12, "log2": 12, "log10": 12, "log1p": 16, "sin": 14, "cos": 14, "tan": 30,
    "arcsin": 30, "arccos": 30, "arctan": 25, "arctan2": 35, "sinh": 30, "cosh": 25, "tanh": 18, "arcsinh": 35,
    "arccosh": 35, "arctanh": 30, "hypot": 12, "erf": 25, "erfc": 30, "expit": 16, "softplus": 25, "gammaln": 80,
    "digamma": 80, "zeta": 200, "power": 40, "divide": 5, "sqrt": 8, "remainder": 10, "floor_divide": 10, "reduce": 100,
    "cbrt": 25, "erfcx": 50, "ndtr": 60, "erfinv": 60, "erfcinv": 60, "ndtri": 60, "logaddexp": 30, "logaddexp2": 30,
    "gamma": 80, "fmod": 20, "gcd": 200, "lcm": 200,
}  # fmt: skip
FREE = ("load", "const", "index")
_KEEP = 10  # cycles from which a value is kept rather than computed again
_COST_LIMIT = 10_000


class Sink(NamedTuple):
    """A store to make: ``mode`` is "set", "add", or "scatter_set" and "scatter_add" for computed positions."""

    buffer: Buffer
    offset: Index
    value: Instance
    mode: str


class Partial(NamedTuple):
    """A reduction of which some axes are still open; it continues the accumulator ``outer`` of the enclosing loop."""

    instance: Instance
    axes: tuple[Axis, ...]
    outer: int | None


class Wanted(NamedTuple):
    """A value that a block must compute for the loop around it."""

    instance: Instance


Goal = Sink | Partial | Wanted
Ids = dict[Instance, int]
Kept = dict[Instance, Sink]


def _symbols(index: Index) -> tuple[set[Axis], list[Instance]]:
    symbols = axes_of(index)
    return {one for one in symbols if isinstance(one, Axis)}, [one for one in symbols if isinstance(one, Instance)]


def goal_needs(goal: Goal) -> list[Instance]:
    """The instances that a goal uses directly."""
    if isinstance(goal, Partial):
        return [goal.instance.args[0]]
    return [goal.value, *_symbols(goal.offset)[1]] if isinstance(goal, Sink) else [goal.instance]


def goal_axes(goal: Goal) -> set[Axis]:
    """Every axis that the loops around a goal run over."""
    if isinstance(goal, Partial):
        return set(goal.instance.args[0].axes).union(goal.axes)
    if isinstance(goal, Wanted):
        return set(goal.instance.axes)
    axes, values = _symbols(goal.offset)
    return axes.union(goal.value.axes, *(value.axes for value in values))


class _Round(NamedTuple):
    """What a block does before and in one set of loops."""

    local: list[Instance]
    sinks: list[Sink]
    loops: dict[Axis, list[Goal]]


class Scheduler:
    """Orders one nest.

    Parameters
    ----------
    order : axes, outermost first
    lane : chooses, for goals of a loop nest and its axes, the axis that becomes vector lanes
    scratch : makes a temporary buffer of an element type and size; the third argument asks for one per lane
    """

    def __init__(
        self,
        order: Sequence[Axis],
        lane: Callable[[Sequence[Goal], Sequence[Axis]], Axis | None],
        scratch: Callable[[DType, Size, bool], Buffer],
    ) -> None:
        self.rank = {axis: position for position, axis in enumerate(order)}
        self.lane, self.scratch = lane, scratch
        self.count = 0

    def run(self, goals: Sequence[Goal]) -> tuple[Any, ...]:
        """The statements that reach all goals."""
        return tuple(self._block(goals, frozenset(), {}, {}, None))

    def _new_id(self) -> int:
        self.count += 1
        return self.count

    # -- one block -------------------------------------------------------------------------------------------------
    def _block(
        self, goals: Sequence[Goal], fixed: frozenset[Axis], ids: Ids, kept: Kept, lane: Axis | None
    ) -> list[Any]:
        """Statements for goals inside the loops over ``fixed``; ``ids`` grows by the values of this block."""
        order = _closure(goals, ids, kept)
        rounds = self._rounds(goals, order, fixed, ids, kept)
        loops = [(time, axis, own) for time, one in enumerate(rounds) for axis, own in one.loops.items()]
        visible = self._keep_shared(loops, order, fixed, ids, kept, lane)
        out: list[Any] = []
        position = 0
        for one in rounds:
            out += [self._statement(instance, ids, kept) for instance in one.local]
            out += [_store(sink, ids) for sink in one.sinks]
            for axis, own in one.loops.items():
                out.append(self._loop(axis, own, fixed, ids, visible[position], lane))
                position += 1
        return out

    def _rounds(
        self, goals: Sequence[Goal], order: Sequence[Instance], fixed: frozenset[Axis], ids: Ids, kept: Kept
    ) -> list[_Round]:
        times: dict[Instance, int] = dict.fromkeys(ids, 0)
        ending: list[Goal] = []
        for one in order:
            time = max((times.get(arg, 0) for arg in _operands(one, kept)), default=0)
            if one.op == "reduce" and one.axes <= fixed and one not in kept:
                ending.append(Partial(one, one.data.axes, None))
                time += 1
            times[one] = time
        outer = [goal for goal in goals if not isinstance(goal, Wanted)]
        rounds: list[_Round] = [_Round([], [], {})]

        def at(time: int) -> _Round:
            while len(rounds) <= time:
                rounds.append(_Round([], [], {}))
            return rounds[time]

        for one in order:
            if one.axes <= fixed and (one.op != "reduce" or one in kept):
                at(times[one]).local.append(one)
        for goal in [*outer, *ending]:
            here = at(max(times[one] for one in goal_needs(goal)))
            left = goal_axes(goal) - fixed
            if left:
                here.loops.setdefault(min(left, key=self.rank.__getitem__), []).append(goal)
            else:
                assert isinstance(goal, Sink)
                here.sinks.append(goal)
        return rounds

    # -- loops -----------------------------------------------------------------------------------------------------
    def _loop(
        self, axis: Axis, goals: list[Goal], fixed: frozenset[Axis], ids: Ids, kept: Kept, lane: Axis | None
    ) -> For:
        if not fixed:
            axes = {one for goal in goals for one in goal_axes(goal)}
            axes = axes.union(*(one.axes for one in _closure(goals, {}, {})))
            lane = self.lane(goals, sorted(axes, key=self.rank.__getitem__))
        inner: list[Goal] = []
        reductions: list[tuple[Partial, int, bool]] = []
        for goal in goals:
            if not isinstance(goal, Partial):
                inner.append(goal)
                continue
            own, rest = self._new_id(), tuple(one for one in goal.axes if one is not axis)
            reductions.append((goal, own, bool(rest)))
            inner.append(Partial(goal.instance, rest, own) if rest else Wanted(goal.instance.args[0]))
        inside = dict(ids)
        body = self._block(inner, fixed | {axis}, inside, kept, lane)
        carries = []
        for goal, own, more in reductions:
            value = inside[goal.instance if more else goal.instance.args[0]]
            carries.append(Carry(own, goal.instance.data.kind, value, goal.instance.dtype, goal.outer, more))
            ids[goal.instance] = own
        return For(axis, axis is lane, tuple(carries), tuple(body))

    # -- values that several loops need ----------------------------------------------------------------------------
    def _keep_shared(
        self,
        loops: Sequence[tuple[int, Axis, list[Goal]]],
        order: Sequence[Instance],
        fixed: frozenset[Axis],
        ids: Ids,
        kept: Kept,
        lane: Axis | None,
    ) -> list[Kept]:
        """For each loop, the values that it finds in memory; the loop that first computes them stores them."""
        if len(loops) < 2:
            return [kept] * len(loops)
        cost = _costs(order, fixed)
        first: dict[Instance, int] = {}
        stored: dict[Instance, tuple[int, Sink]] = {}
        visible: list[Kept] = []
        for position, (_, _, goals) in enumerate(loops):
            for one in self._shared(goals, first, stored, cost, fixed, {*ids, *kept}):
                stored[one] = first[one], self._keep(one, loops[first[one]][2], fixed, lane)
            found = {one: sink for one, (at, sink) in stored.items() if at < position}
            visible.append({**kept, **found} if found else kept)
            for one in _closure(goals, ids, visible[-1]):
                if not one.axes <= fixed:
                    first.setdefault(one, position)
        return visible

    def _shared(
        self, goals: Sequence[Goal], first: dict[Instance, int], stored: dict[Instance, Any], cost: dict[Instance, int],
        fixed: frozenset[Axis], known: set[Instance],
    ) -> list[Instance]:  # fmt: skip
        """Expensive values of an earlier loop that these goals need, nearest to the goals."""
        found: list[Instance] = []
        done = known
        pending = [one for goal in goals for one in goal_needs(goal)]
        while pending:
            one = pending.pop()
            if one in done or one in stored or one.axes <= fixed:  # the last kind is computed between the loops
                continue
            done.add(one)
            if one in first and one.op not in FREE and cost.get(one, 0) >= _KEEP:
                found.append(one)
            else:
                pending.extend(one.args)
        return found

    def _keep(self, one: Instance, goals: list[Goal], fixed: frozenset[Axis], lane: Axis | None) -> Sink:
        """Where a value is stored by the loop of these goals: an array that receives it anyway, or a scratch array."""
        for goal in goals:
            if isinstance(goal, Sink) and goal.value is one and goal.mode == "set":
                return goal
        axes = sorted(one.axes - fixed, key=self.rank.__getitem__)
        extents = [axis.extent for axis in axes]
        room = self.scratch(one.dtype, dims.product(extents), lane in fixed)
        made = Sink(room, ravel([of_axis(axis) for axis in axes], extents), one, "set")
        goals.append(made)
        return made

    # -- statements ------------------------------------------------------------------------------------------------
    def _statement(self, one: Instance, ids: Ids, kept: Kept) -> Any:
        own = self._new_id()
        place = kept.get(one)
        if place is not None:
            made: Any = Load(own, place.buffer, offset_of(place.offset, ids), one.dtype)
        elif one.op == "const":
            made = Const(own, value_of(one), one.dtype)
        elif one.op == "load":
            made = Load(own, one.data[0], offset_of(one.data[1], ids), one.dtype)
        elif one.op == "index":
            made = IndexValue(own, offset_of(one.data, ids))
        else:
            made = Let(own, one.op, tuple(ids[arg] for arg in one.args), one.dtype)
        ids[one] = own
        return made


def _store(sink: Sink, ids: Ids) -> Any:
    offset = offset_of(sink.offset, ids)
    if sink.mode.startswith("scatter"):
        return Scatter(sink.buffer, offset, ids[sink.value], sink.mode == "scatter_add")
    return Store(sink.buffer, offset, ids[sink.value], sink.mode == "add")


def _operands(one: Instance, kept: Kept) -> Sequence[Instance]:
    return _symbols(kept[one].offset)[1] if one in kept else one.args


def _closure(goals: Sequence[Goal], known: Ids, kept: Kept) -> list[Instance]:
    """What the goals need and is not known yet, operands first."""
    order: list[Instance] = []
    done: set[Instance] = set(known)
    pending = [one for goal in reversed(goals) for one in reversed(goal_needs(goal))]
    while pending:
        one = pending[-1]
        missing = [arg for arg in _operands(one, kept) if arg not in done] if one not in done else ()
        if missing:
            pending.extend(reversed(missing))
            continue
        pending.pop()
        if one not in done:
            done.add(one)
            order.append(one)
    return order


def _costs(order: Sequence[Instance], fixed: frozenset[Axis]) -> dict[Instance, int]:
    """Cycles to compute each value inside a further loop, from loads and from what does not vary with it."""
    cost: dict[Instance, int] = {}
    for one in order:
        if one.axes <= fixed:
            cost[one] = 0
        elif one.op in FREE:
            cost[one] = 1
        else:
            cost[one] = min(COST.get(one.op, 1) + sum(cost.get(arg, 0) for arg in one.args), _COST_LIMIT)
    return cost
