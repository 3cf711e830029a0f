"""One division for each divisor.  In: a loop program.  Out: the same, dividing by multiplication with shared reciprocals.

``a / b`` and ``c / b`` become ``a * r`` and ``c * r`` with ``r = 1 / b``, computed where b is: division is several times as
dear as multiplication, and derivatives divide by the same number again and again.  A quotient then has two roundings
instead of one, so this is done on request only.  A divisor that divides once keeps its division, unless that stands in
a loop around which the divisor does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen.lower.loopir import Const, For, Let, Nest, Program, Scatter, Store
from symgrad import types
from symgrad.types import DType

__all__ = ["share_reciprocals"]


def share_reciprocals(program: Program) -> Program:
    """The program with one division for each divisor."""
    stages = [_Shared(stage).nest() if stage.__class__ is Nest else stage for stage in program.stages]
    return program._replace(stages=tuple(stages))


class _Shared:
    def __init__(self, nest: Nest) -> None:
        self.body = nest.body
        self.dtypes: dict[int, DType] = {}  # of the divisors that get a reciprocal
        self.reciprocals: dict[int, int] = {}
        self.ones: set[int] = set()
        self.same: dict[int, int] = {}
        self.count = 0

    def nest(self) -> Nest:
        depth: dict[int, int] = {}
        self._count_divisions(self.body, depth, 0, {})
        self.dtypes = {one: dtype for one, dtype in self.dtypes.items() if one in self.reciprocals}
        if not self.dtypes:
            return Nest(self.body)
        self.count = max(depth)
        for divisor in self.reciprocals:
            self.count += 1
            self.reciprocals[divisor] = self.count
        return Nest(tuple(self._block(self.body)))

    def _count_divisions(self, block: Sequence[Any], depth: dict[int, int], level: int, seen: dict[int, int]) -> None:
        """Find divisors that divide twice, or inside a loop that does not change them; and how deep in loops each value is."""
        for one in block:
            kind = one.__class__
            if kind is Let and one.op == "divide" and types.is_float(one.dtype):
                divisor = one.args[1]
                seen[divisor] = seen.get(divisor, 0) + 1
                self.dtypes[divisor] = one.dtype
                if seen[divisor] > 1 or depth.get(divisor, level) < level:
                    self.reciprocals[divisor] = 0
            if kind is For:
                self._count_divisions(one.body, depth, level + 1, seen)
                depth.update((carry.id, level) for carry in one.carries)
            elif kind is not Store and kind is not Scatter:
                depth[one.id] = level

    def _block(self, block: Sequence[Any]) -> list[Any]:
        out: list[Any] = []
        dtypes, same = self.dtypes, self.same
        for one in block:
            kind = one.__class__
            if kind is For:
                body = tuple(self._block(one.body))
                carries = tuple(carry._replace(value=self._now(carry.value)) for carry in one.carries)
                out.append(one._replace(carries=carries, body=body))
                for carry in carries:
                    out += self._reciprocal(carry.id)
                continue
            if kind is Let and one.op == "divide" and one.args[1] in dtypes and types.is_float(one.dtype):
                head, reciprocal = self._now(one.args[0]), self.reciprocals[one.args[1]]
                if head in self.ones:
                    self.same[one.id] = reciprocal
                else:
                    out.append(one._replace(op="multiply", args=(head, reciprocal)))
                    out += self._reciprocal(one.id)
                continue
            if kind is Store or kind is Scatter:
                out.append(one._replace(value=self._now(one.value)))
                continue
            if kind is Const and one.value == 1:
                self.ones.add(one.id)
            elif kind is Let and not same.keys().isdisjoint(one.args):
                one = one._replace(args=tuple(map(self._now, one.args)))
            out.append(one)
            if one.id in dtypes:
                out += self._reciprocal(one.id)
        return out

    def _now(self, value: int) -> int:
        """The value that stands for another: a reciprocal for one over its divisor."""
        return self.same.get(value, value)

    def _reciprocal(self, value: int) -> list[Any]:
        """What follows the definition of a value."""
        dtype = self.dtypes.get(value)
        if dtype is None:
            return []
        self.count += 1
        one = Const(self.count, dtype.type(1), dtype)
        return [one, Let(self.reciprocals[value], "divide", (one.id, value), dtype)]
