"""What repeats in straight-line code.  In: its operations.  Out: groups of pieces that compute the same of other operands.

Two values have one colour if they are made by the same operations from leaves of the same kinds.  Values whose colours
are common are joined with their operands into pieces; pieces of one form are a group.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from codegen.lower.loopir import Const, Let, Load

__all__ = ["Group", "Repetition"]

_ROUNDS = 32  # fewest pieces of a group
_LARGEST = 1500  # most operations of a piece
_COMMUTATIVE = ("add", "multiply")


class Group(NamedTuple):
    """Pieces of one form: for each, its values in one order; and the slots of the values that others need."""

    level: int
    pieces: list[list[int]]
    exposed: set[int]


class Division(NamedTuple):
    """Groups, and on which level each value is: how often its operands went from values of none to values of groups."""

    groups: list[Group]
    levels: dict[int, int]


class Repetition:
    """The repetitions of a block of operations, numbers, and elements of arrays.

    Parameters
    ----------
    body : statements, operands first
    made_by : the statement of each value
    lets : the operations among them
    """

    def __init__(self, body: Sequence[Any], made_by: Mapping[int, Any], lets: Sequence[Let]) -> None:
        self.made_by, self.lets = made_by, lets
        self.kinds: dict[Any, int] = {}
        self.colour: dict[int, int] = {}
        self.arguments: dict[
            int, tuple[int, ...]
        ] = {}  # those of sums and products by colour: their order does not matter
        self._find_colours(body)

    def _kind(self, key: Any) -> int:
        return self.kinds.setdefault(key, len(self.kinds))

    def _find_colours(self, body: Sequence[Any]) -> None:
        colour, arguments, kinds = self.colour, self.arguments, self.kinds
        for one in body:
            kind = one.__class__
            if kind is Let:
                own = one.args
                if one.op in _COMMUTATIVE and colour[own[0]] > colour[own[1]]:
                    own = (own[1], own[0])
                arguments[one.id] = own
                key = (one.op, one.dtype.char, *map(colour.__getitem__, own))
                colour[one.id] = kinds.setdefault(key, len(kinds))
            elif kind is Const:
                colour[one.id] = self._kind(("number", one.dtype.char))
            elif kind is Load:
                colour[one.id] = self._kind(("element", one.buffer.name))

    def division(self) -> Division:
        """Groups for the bound on rarity that covers most operations: a sum over pieces must not join them."""
        common = Counter(map(self.colour.__getitem__, self.arguments))
        most, best, covered = max(common.values()), Division([], {}), len(self.lets) // 4
        for share in (16, 64, 4, 1):
            if covered > len(self.lets) // 2:
                break
            least = max(_ROUNDS, most // share)
            often = {colour for colour, count in common.items() if count >= least}
            made = self._settled({value for value in self.arguments if self.colour[value] in often})
            size = sum(len(group.pieces) * len(group.pieces[0]) for group in made.groups)
            if size > covered:
                best, covered = made, size
        return best

    def _settled(self, chosen: set[int]) -> Division:
        """Groups of nothing but what is in groups: what drops out is straight code, which changes levels."""
        while True:
            made = self._divided(chosen)
            kept = {value for group in made.groups for own in group.pieces for value in own}
            if kept == chosen:
                return made
            chosen = kept

    def _levels(self, chosen: set[int]) -> dict[int, int]:
        level: dict[int, int] = {}
        for one in self.lets:
            highest, here = 0, one.id in chosen
            for arg in one.args:
                own = level.get(arg)
                if own is not None:
                    if here and arg not in chosen:
                        own += 1
                    if own > highest:
                        highest = own
            level[one.id] = highest
        return level

    def _divided(self, chosen: set[int]) -> Division:
        level = self._levels(chosen)
        forms: dict[Any, list[list[int]]] = defaultdict(list)
        known: dict[
            Any, tuple[list[int], list[list[int]]]
        ] = {}  # by pattern: an order of the values, and all of that form
        for own in _pieces(self.arguments, chosen, level):
            if len(own) <= _LARGEST:
                pattern = (level[own[0]], *self._pattern(own))
                if pattern not in known:
                    order = self._order(own)
                    known[pattern] = order, forms[level[own[0]], self._form([own[k] for k in order])]
                order, alike = known[pattern]
                alike.append([own[k] for k in order])
        return Division([Group(form[0], found, set()) for form, found in forms.items() if len(found) >= _ROUNDS], level)

    def _pattern(self, own: list[int]) -> list[int]:
        """The colours of a piece's values and where their operands are in it: pieces of one pattern have one order and form."""
        slot = {value: k for k, value in enumerate(own)}
        made = []
        for value in own:
            made.append(self.colour[value])
            for arg in self.arguments[value]:
                made.append(slot.get(arg, -1))
        return made

    def _order(self, own: list[int]) -> list[int]:
        """The values of a piece by height, by what they are made of, and by what they are for."""
        slot = {value: k for k, value in enumerate(own)}
        height: list[int] = []
        for value in own:
            height.append(1 + max([height[slot[arg]] for arg in self.arguments[value] if arg in slot], default=0))
        uses: list[list[tuple[int, int]]] = [[] for _ in own]
        purpose = [0] * len(own)
        for k in range(len(own) - 1, -1, -1):
            purpose[k] = self._kind((self.colour[own[k]], *sorted(uses[k])))
            for position, arg in enumerate(self.arguments[own[k]]):
                if arg in slot:
                    uses[slot[arg]].append((purpose[k], position))
        return sorted(range(len(own)), key=lambda k: (height[k], purpose[k], k))

    def _form(self, own: list[int]) -> Any:
        """What a piece computes, up to its operands: equal for pieces that one loop can run."""
        slot = {value: k for k, value in enumerate(own)}
        made = []
        for value in own:
            one = self.made_by[value]
            inside = [slot[arg] if arg in slot else -1 - self._leaf_kind(arg) for arg in self.arguments[value]]
            made.append((one.op, one.dtype.char, *inside))
        return tuple(made)

    def _leaf_kind(self, value: int) -> int:
        one = self.made_by[value]
        return self.colour[value] if one.__class__ is not Let else self._kind(("kept", one.dtype.char))


def _pieces(arguments: Mapping[int, tuple[int, ...]], chosen: set[int], level: dict[int, int]) -> Iterable[list[int]]:
    """Chosen values joined with their chosen operands of the same level, operands first."""
    parent: dict[int, int] = {}

    def root(value: int) -> int:
        while (above := parent[value]) != value:
            parent[value] = value = parent[above]
        return value

    made: dict[int, list[int]] = defaultdict(list)
    for value, args in arguments.items():
        if value in chosen:
            parent[value] = first = value
            for arg in args:
                if arg in parent and level[arg] == level[value]:
                    parent[first] = first = root(arg)
    for value in parent:
        made[root(value)].append(value)
    return made.values()
