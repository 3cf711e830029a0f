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
        self.colour = self._colours(body)

    def _kind(self, key: Any) -> int:
        return self.kinds.setdefault(key, len(self.kinds))

    def arguments(self, one: Let) -> tuple[int, ...]:
        """Operands, those of sums and products by colour, so that their order does not matter."""
        a = one.args
        if one.op in _COMMUTATIVE and self.colour[a[0]] > self.colour[a[1]]:
            return (a[1], a[0])
        return a

    def _colours(self, body: Sequence[Any]) -> dict[int, int]:
        colour: dict[int, int] = {}
        self.colour = colour
        for one in body:
            if one.__class__ is Let:
                own = self.arguments(one)
                colour[one.id] = self._kind((one.op, one.dtype.char, *[colour[arg] for arg in own]))
            elif one.__class__ is Const:
                colour[one.id] = self._kind(("number", one.dtype.char))
            elif one.__class__ is Load:
                colour[one.id] = self._kind(("element", one.buffer.name))
        return colour

    def groups(self) -> list[Group]:
        """Groups for the bound on rarity that covers most operations: a sum over pieces must not join them."""
        common = Counter(self.colour[one.id] for one in self.lets)
        most, best, covered = max(common.values()), [], len(self.lets) // 4
        for share in (16, 64, 4, 1):
            if covered > len(self.lets) // 2:
                break
            least = max(_ROUNDS, most // share)
            groups = self._settled({one.id for one in self.lets if common[self.colour[one.id]] >= least})
            size = sum(len(group.pieces) * len(group.pieces[0]) for group in groups)
            if size > covered:
                best, covered = groups, size
        return best

    def _settled(self, chosen: set[int]) -> list[Group]:
        """Groups of nothing but what is in groups: what drops out is straight code, which changes levels."""
        while True:
            groups = self._grouped(chosen)
            kept = {value for group in groups for own in group.pieces for value in own}
            if kept == chosen:
                return groups
            chosen = kept

    def levels(self, chosen: set[int]) -> dict[int, int]:
        """How often a value's operands went from rare values to common ones: within a level, loops come first."""
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

    def _grouped(self, chosen: set[int]) -> list[Group]:
        level = self.levels(chosen)
        pieces = _pieces(self.lets, chosen, level)
        whole = {value: root for root, own in pieces.items() for value in own}
        rank = self._ranks(chosen, whole)
        forms: dict[Any, list[list[int]]] = defaultdict(list)
        for own in pieces.values():
            if len(own) <= _LARGEST:
                own.sort(key=rank.__getitem__)
                forms[level[own[0]], self._form(own)].append(own)
        return [Group(form[0], found, set()) for form, found in forms.items() if len(found) >= _ROUNDS]

    def _ranks(self, chosen: set[int], whole: dict[int, int]) -> dict[int, tuple[int, int, int]]:
        """A key that orders the values of a piece by height, by what they are made of, and by what they are for."""
        height: dict[int, int] = {}
        uses: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for one in self.lets:
            if one.id in chosen:
                piece, below = whole[one.id], 0
                for arg in one.args:
                    if whole.get(arg) == piece and height[arg] > below:
                        below = height[arg]
                height[one.id] = below + 1
        rank = {}
        for position in range(len(self.lets) - 1, -1, -1):
            one = self.lets[position]
            if one.id in chosen:
                piece = whole[one.id]
                purpose = self._kind((self.colour[one.id], *sorted(uses[one.id])))
                rank[one.id] = (height[one.id], purpose, position)
                for slot, arg in enumerate(self.arguments(one)):
                    if whole.get(arg) == piece:
                        uses[arg].append((purpose, slot))
        return rank

    def _form(self, own: list[int]) -> Any:
        """What a piece computes, up to its operands: equal for pieces that one loop can run."""
        slot = {value: k for k, value in enumerate(own)}
        made = []
        for value in own:
            one = self.made_by[value]
            inside = [slot[arg] if arg in slot else -1 - self._leaf_kind(arg) for arg in self.arguments(one)]
            made.append((one.op, one.dtype.char, *inside))
        return tuple(made)

    def _leaf_kind(self, value: int) -> int:
        one = self.made_by[value]
        return self.colour[value] if one.__class__ is not Let else self._kind(("kept", one.dtype.char))


def _pieces(lets: Iterable[Let], chosen: set[int], level: dict[int, int]) -> dict[int, list[int]]:
    """Chosen values joined with their chosen operands of the same level, by one of them."""
    parent: dict[int, int] = {}

    def root(value: int) -> int:
        while parent[value] != value:
            parent[value] = parent[parent[value]]
            value = parent[value]
        return value

    made: dict[int, list[int]] = defaultdict(list)
    for one in lets:
        if one.id not in chosen:
            continue
        parent[one.id] = one.id
        for arg in one.args:
            if arg in parent and level[arg] == level[one.id]:
                parent[root(arg)] = root(one.id)
    for value in parent:
        made[root(value)].append(value)
    return made
