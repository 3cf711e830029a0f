"""Long straight-line code as loops.  In: a loop program.  Out: the same, with what repeats in it run by vector loops.

Code that was written out in scalars (a sum over pairs in a Python loop, say) is the same few operations again and again,
on other operands.  Such pieces become the rounds of a loop, which finds its operands through tables of positions and
numbers.  What is left stays straight, but for long sums: it reads what the loops have stored, and comes after them;
values that depend on it start over on the next level.  Every value is computed by the same operations as before.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from codegen.lower.chains import Chain, depending, find_chains
from codegen.lower.forms import Axis
from codegen.lower.loopir import Buffer, Carry, Const, For, Let, Load, Nest, Offset, Program, Store
from codegen.lower.repeats import Group, Repetition
from symgrad.types import INT64, DType

__all__ = ["roll"]

_LONG = 2000  # statements from which straight-line code is looked at
_WIDTH = 4  # statements on each level of dependence from which repetition is looked for
_LANES = 4  # sums of one length that are worth making side by side


def roll(program: Program, reassociate: bool = False) -> Program:
    """The program with loops for what repeats in its long straight-line nests; on request sums take any order."""
    buffers = list(program.buffers)
    stages: list[Any] = []
    for stage in program.stages:
        made = None
        if stage.__class__ is Nest and len(stage.body) >= _LONG and _is_wide(stage.body) and _is_plain(stage.body):
            made = _Roller(stage.body, buffers, reassociate).run()
        stages += [stage] if made is None else made
    return Program(tuple(buffers), tuple(stages))


def _is_wide(body: Sequence[Any]) -> bool:
    """Whether enough statements do not wait for each other; in a chain, nothing could run side by side."""
    depth: dict[int, int] = {}
    deepest = 0
    for one in body:
        if one.__class__ is Let:
            own = 0
            for arg in one.args:
                below = depth.get(arg, 0)
                if below > own:
                    own = below
            depth[one.id] = own + 1
            if own >= deepest:
                deepest = own + 1
                if _WIDTH * deepest > len(body):
                    return False
    return len(depth) >= _WIDTH * deepest


def _is_plain(body: Sequence[Any]) -> bool:
    """Whether these are operations on elements at known places, and no element that is read is written."""
    read: set[Buffer] = set()
    written: set[Buffer] = set()
    for one in body:
        if one.__class__ is Let or one.__class__ is Const:
            continue
        if one.__class__ not in (Load, Store) or not isinstance(one.offset.base, int) or one.offset[1:] != ((), ()):
            return False
        (read if one.__class__ is Load else written).add(one.buffer)
        if one.__class__ is Store and one.add:
            return False
    return read.isdisjoint(written)


class _Roller:
    def __init__(self, body: Sequence[Any], buffers: list[Buffer], reassociate: bool) -> None:
        self.buffers, self.reassociate = buffers, reassociate
        self.made_by = {one.id: one for one in body if one.__class__ is not Store}
        self.lets = [one for one in body if one.__class__ is Let]
        self.stores = [one for one in body if one.__class__ is Store]
        self.repetition = Repetition(body, self.made_by, self.lets)
        self.count = max(self.made_by, default=0)
        self.uses = Counter(itertools.chain.from_iterable([one.args for one in self.lets]))
        self.uses.update([one.value for one in self.stores])
        self.only_store: dict[int, Store] = {one.value: one for one in self.stores if self.uses[one.value] == 1}
        self.target: dict[int, tuple[int, Any]] = {
            value: (one.buffer.position, one.offset.base) for value, one in self.only_store.items()
        }
        self.zeros = {one.id for one in body if one.__class__ is Const and one.value == 0}
        self.stored: set[Store] = set()
        self.place: dict[int, tuple[Buffer, int]] = {}  # where values are kept that others need
        self.kept: dict[DType, int] = defaultdict(int)
        self.rooms: dict[DType, Buffer] = {}

    def run(self) -> list[Nest] | None:
        """The stages; None where too little repeats."""
        groups, levels = self.repetition.division()
        if not groups:
            return None
        self.home: dict[int, tuple[int, int]] = {}
        for g, group in enumerate(groups):
            for k, own in enumerate(group.pieces):
                self.home.update(dict.fromkeys(own, (g, k)))
        self._expose(groups, levels)
        nests: list[Nest] = []
        left: dict[int, list[Let]] = defaultdict(list)
        for one in self.lets:
            if one.id not in self.home:
                left[levels[one.id]].append(one)
        for level in range(max(levels.values()) + 1):
            nests += [self._loop(group) for group in groups if group.level == level]
            stores = [store for store in self.stores if levels.get(store.value, 0) == level]
            nests += self._straight(left[level], stores)
        for dtype, size in self.kept.items():
            self.rooms[dtype].size = size
        return nests

    # -- values that others need -----------------------------------------------------------------------------------
    def _expose(self, groups: Sequence[Group], levels: dict[int, int]) -> None:
        """Give places to the values of groups that are used outside their piece, and to straight ones of other levels."""
        slots = {value: slot for group in groups for own in group.pieces for slot, value in enumerate(own)}
        crossing: dict[int, None] = {}
        home = self.home
        for one in self.lets:
            here = home.get(one.id)
            for arg in one.args:
                at = home.get(arg)
                if at is not None and at is not here:
                    groups[at[0]].exposed.add(slots[arg])
                elif at is None and arg in levels and (here is not None or levels[arg] != levels[one.id]):
                    crossing[arg] = None
        for store in self.stores:
            if store.value in self.home:
                groups[self.home[store.value][0]].exposed.add(slots[store.value])
        for group in groups:
            self._place(group)
        for value in crossing:
            self._put(value)

    def _place(self, group: Group) -> None:
        """One array for each value that is needed outside the pieces of a group."""
        for slot in sorted(group.exposed):
            dtype = self.made_by[group.pieces[0][slot]].dtype
            first = self._keep(dtype, len(group.pieces))
            for k, own in enumerate(group.pieces):
                self.place[own[slot]] = (self._room(dtype), first + k)

    def _put(self, value: int) -> None:
        """Give a value a place."""
        dtype = self.made_by[value].dtype
        self.place[value] = (self._room(dtype), self._keep(dtype, 1))

    def _room(self, dtype: DType) -> Buffer:
        if dtype not in self.rooms:
            self.rooms[dtype] = self._buffer(dtype, 0, "temporary", None)
        return self.rooms[dtype]

    def _keep(self, dtype: DType, count: int) -> int:
        self.kept[dtype] += count
        return self.kept[dtype] - count

    def _buffer(self, dtype: DType, size: int, kind: str, data: Any) -> Buffer:
        made = Buffer(f"r{len(self.buffers)}", dtype, size, kind, data=data)
        self.buffers.append(made)
        return made

    def table(self, data: Any, dtype: DType) -> Buffer:
        return self._buffer(dtype, len(data), "table", np.asarray(data, dtype))

    # -- loops -----------------------------------------------------------------------------------------------------
    def _loop(self, group: Group) -> Nest:
        """One round for each piece."""
        pieces, arguments = group.pieces, self.repetition.arguments
        axis = Axis(len(pieces), "r")
        outside: list[Any] = []
        body: list[Any] = []
        columns = _Columns(self, axis, outside, body)
        new: list[int] = []
        slot = {value: k for k, value in enumerate(pieces[0])}
        for k, value in enumerate(pieces[0]):
            one = self.made_by[value]
            args = []
            for position, arg in enumerate(arguments[value]):
                if arg in slot:
                    args.append(new[slot[arg]])
                else:
                    args.append(columns.operand([arguments[own[k]][position] for own in pieces]))
            new.append(self.new_id())
            body.append(Let(new[-1], one.op, tuple(args), one.dtype))
            if k in group.exposed:
                room, first = self.place[value]
                body.append(Store(room, Offset(first, ((axis, 1),), ()), new[-1]))
        return Nest((*outside, For(axis, True, (), tuple(body))))

    def new_id(self) -> int:
        self.count += 1
        return self.count

    def element(self, value: int) -> tuple[Buffer, int] | None:
        """Where a value stands in memory; None for a number."""
        one = self.made_by[value]
        if isinstance(one, Load):
            assert isinstance(one.offset.base, int)
            return one.buffer, one.offset.base
        return None if one.__class__ is Const else self.place[value]

    # -- what is left ----------------------------------------------------------------------------------------------
    def _rest(self, lets: Sequence[Let], stores: Sequence[Store]) -> list[Nest]:
        """Straight code, which fetches each operand where it is first needed."""
        out: list[Any] = []
        known: set[int] = set()

        def fetch(value: int) -> None:
            if value in known:
                return
            known.add(value)
            one = self.made_by[value]
            if one.__class__ is Let:
                room, position = self.place[value]
                out.append(Load(value, room, Offset(position, (), ()), one.dtype))
            else:
                out.append(one)

        by_value: dict[int, list[Store]] = defaultdict(list)
        for store in stores:
            by_value[store.value].append(store)
        for one in lets:
            for arg in one.args:
                fetch(arg)
            known.add(one.id)
            out.append(one)
            if one.id in self.place:
                room, position = self.place[one.id]
                out.append(Store(room, Offset(position, (), ()), one.id))
            out += by_value.pop(one.id, ())
        for value, own in by_value.items():
            fetch(value)
            out += own
        return [Nest(tuple(out))] if out else []

    # -- sums ------------------------------------------------------------------------------------------------------
    def _straight(self, lets: Sequence[Let], stores: Sequence[Store]) -> list[Nest]:
        """What is left of a level: what long sums need, loops for these, sums of equal length side by side, and the rest."""
        own = {one.id for one in lets}

        def room(value: int) -> Buffer | None:
            place = self.place.get(value)
            if place is not None:
                return place[0]
            one = self.made_by[value]
            if isinstance(one, Load):
                return one.buffer
            return self._room(one.dtype) if value in own else None

        chains = find_chains(lets, self.uses, room, self.zeros)
        late = depending(lets, {chain.result for chain in chains})
        summed = {value for chain in chains for value in chain.values}
        alike: dict[Any, list[Chain]] = defaultdict(list)
        for chain in chains:
            alike[len(chain.terms), chain.buffer].append(chain)
            for term in chain.terms:
                if term in own and term not in self.place:
                    self._put(term)
        sums = [self._sum(some) for some in alike.values()]
        waiting = [store for store in stores if store not in self.stored]
        early = self._rest(
            [one for one in lets if one.id not in late and one.id not in summed],
            [store for store in waiting if store.value not in late],
        )
        rest = self._rest(
            [one for one in lets if one.id in late and one.id not in summed],
            [store for store in waiting if store.value in late],
        )
        return [*early, *sums, *rest]

    def _sum(self, chains: list[Chain]) -> Nest:
        """One loop over sums, whose terms a loop inside adds up; a few sums are made one after the other."""
        dtype, room = self.made_by[chains[0].result].dtype, chains[0].buffer
        chains.sort(key=lambda chain: self.target.get(chain.result, (0, 0)))
        target, first = self._sum_place(chains, dtype)
        over, along = Axis(len(chains), "s"), Axis(len(chains[0].terms), "t")
        positions = np.array([[self.element(term)[1] for term in chain.terms] for chain in chains])  # type: ignore[index]
        signs = np.array([chain.signs for chain in chains])
        if self.reassociate and np.all(signs == signs[0, 0]):
            positions.sort(axis=1)
        place = Offset(0, ((along, len(chains)), *([(over, 1)] if len(chains) > 1 else [])), ())
        body: list[Any] = []
        steps = np.diff(positions[0])
        straight = len(chains) == 1 and bool(np.all(steps == steps[0]))
        if straight:
            where = Offset(int(positions[0, 0]), ((along, int(steps[0])),) if steps[0] else (), ())
        else:
            body.append(Load(self.new_id(), self.table(positions.T.ravel(), INT64), place, INT64))
            where = Offset(0, (), ((self.count, 1),))
        body.append(Load(self.new_id(), room, where, dtype))
        if np.all(signs < 0):
            body.append(Let(self.new_id(), "negative", (self.count - 1,), dtype))
        elif np.any(signs < 0):
            value = self.count
            body.append(Load(self.new_id(), self.table(signs.T.ravel(), dtype), place, dtype))
            body.append(Let(self.new_id(), "multiply", (self.count - 1, value), dtype))
        carry = Carry(self.new_id(), "sum", self.count - 1, dtype)
        inner = For(along, straight and self.reassociate, (carry,), tuple(body))
        store = Store(target, Offset(first, ((over, 1),), ()), carry.id)
        if len(chains) == 1:
            return Nest((inner, store._replace(offset=Offset(first, (), ()))))
        return Nest((For(over, len(chains) >= _LANES, (), (inner, store)),))

    def _sum_place(self, chains: Sequence[Chain], dtype: DType) -> tuple[Buffer, int]:
        """Where the sums go: one behind the other into the result that they are, or into the room of shared values."""
        stores = [store for chain in chains if (store := self.only_store.get(chain.result)) is not None]
        if len(stores) == len(chains):
            buffer, start = stores[0].buffer, self.target[chains[0].result][1]
            if all(one.buffer is buffer and one.offset.base == start + k for k, one in enumerate(stores)):
                self.stored.update(stores)
                return buffer, start
        first = self._keep(dtype, len(chains))
        for k, chain in enumerate(chains):
            self.place[chain.result] = (self._room(dtype), first + k)
        return self._room(dtype), first


class _Columns:
    """The operands of a loop: one value for each round."""

    def __init__(self, roller: _Roller, axis: Axis, outside: list[Any], body: list[Any]) -> None:
        self.roller, self.axis, self.outside, self.body = roller, axis, outside, body
        self.known: dict[Any, int] = {}

    def operand(self, values: Sequence[int]) -> int:
        """The id of what is values[k] in round k."""
        key = tuple(values)
        if key not in self.known:
            self.known[key] = self._operand(values)
        return self.known[key]

    def _operand(self, values: Sequence[int]) -> int:
        roller, one = self.roller, self.roller.made_by[values[0]]
        own = roller.new_id()
        if roller.element(values[0]) is None:
            numbers = np.array([roller.made_by[value].value for value in values], one.dtype)
            if len({number.tobytes() for number in numbers}) == 1:
                self.outside.append(Const(own, numbers[0], one.dtype))
            else:
                self.body.append(Load(own, self.roller.table(numbers, one.dtype), self._along(0, 1), one.dtype))
            return own
        places = [roller.element(value) for value in values]
        room = places[0][0]  # type: ignore[index]
        self.body.append(Load(own, room, self._offset(np.array([at for _, at in places])), one.dtype))  # type: ignore[misc]
        return own

    def _along(self, first: int, step: int) -> Offset:
        return Offset(first, ((self.axis, step),) if step else (), ())

    def _offset(self, positions: Any) -> Offset:
        """Positions as an affine function of the round, or through a table, shared by those that differ by a constant."""
        steps = np.diff(positions)
        if np.all(steps == steps[0]):
            return self._along(int(positions[0]), int(steps[0]))
        relative = positions - positions[0]
        key = relative.tobytes()
        if key not in self.known:
            start = int(-relative.min())
            table = self.roller.table(relative + start, INT64)
            own = self.known[key] = self.roller.new_id()
            self.body.append(Load(own, table, self._along(0, 1), INT64))
            self.known[key, "start"] = start
        return Offset(int(positions[0]) - self.known[key, "start"], (), ((self.known[key], 1),))
