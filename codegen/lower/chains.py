"""Long sums in straight-line code.  In: operations, and where their operands stand.  Out: the sums, as lists of terms.

``a + b - c + ...``, written out term by term, is a chain of additions each of which is used by the next alone.  A chain
is summed by a loop in the order in which it was written; signs move through differences, which changes no value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from codegen.lower.loopir import Buffer, Let
from symgrad import types

__all__ = ["Chain", "depending", "find_chains"]

_SUMMING = ("add", "subtract", "negative")
_TERMS = 16  # fewest terms of a chain


class Chain(NamedTuple):
    """A sum of values that stand in one buffer: its terms and their signs in order, and every value on the way."""

    result: int
    buffer: Buffer
    terms: list[int]
    signs: list[int]
    values: list[int]


class Link(NamedTuple):
    """``before + sign * term``, or ``term - before``; a chain begins with ``first``, if it has that, else with 0."""

    before: int | None
    sign: int
    term: int
    turned: bool = False
    first: int | None = None


def find_chains(
    lets: Sequence[Let], uses: Counter[int], room: Callable[[int], Buffer | None], zeros: Collection[int]
) -> list[Chain]:
    """The long chains among some operations.

    Parameters
    ----------
    lets : operations, operands first
    uses : how often each value is used, anywhere
    room : the buffer in which a value stands, or can stand; None for numbers
    zeros : values that are the number 0
    """
    links: dict[int, Link] = {}
    inner: set[int] = set()

    def is_open(value: int) -> bool:
        return value in links and uses[value] == 1

    def is_term(value: int) -> bool:
        return room(value) is not None

    for one in lets:
        if one.op in _SUMMING and types.is_float(one.dtype):
            link = _link(one, is_open, is_term, zeros)
            if link is not None:
                links[one.id] = link
                if link.before is not None:
                    inner.add(link.before)
    found = (_collected(value, links, room) for value in links if value not in inner)
    chains = [chain for chain in found if chain is not None]
    late = depending(lets, {chain.result for chain in chains})
    return [chain for chain in chains if late.isdisjoint(chain.terms)]


def depending(lets: Sequence[Let], sources: Collection[int]) -> set[int]:
    """The sources, and every operation that needs one of them."""
    found = set(sources)
    for one in lets:
        if not found.isdisjoint(one.args):
            found.add(one.id)
    return found


def _link(
    one: Let, is_open: Callable[[int], bool], is_term: Callable[[int], bool], zeros: Collection[int]
) -> Link | None:
    if one.op == "negative":
        return Link(None, -1, one.args[0]) if is_term(one.args[0]) else None
    a, b = one.args
    sign = 1 if one.op == "add" else -1
    if is_open(a) and is_term(b):
        return Link(a, sign, b)
    if is_open(b) and is_term(a):
        return Link(b, 1, a, turned=sign < 0)
    if a in zeros and is_term(b):
        return Link(None, sign, b)
    return Link(None, sign, b, first=a) if is_term(a) and is_term(b) else None


def _collected(result: int, links: dict[int, Link], room: Callable[[int], Buffer | None]) -> Chain | None:
    """The terms of a chain, from the last to the first and turned round; None if short or of several buffers."""
    terms: list[tuple[int, int]] = []
    values: list[int] = []
    sign, at = 1, result
    link: Link | None = links[at]
    while link is not None:
        values.append(at)
        terms.append((sign if link.turned else sign * link.sign, link.term))
        sign = -sign if link.turned else sign
        if link.first is not None:
            terms.append((sign, link.first))
        at = link.before if link.before is not None else -1
        link = links.get(at)
    buffer = room(terms[0][1])
    if buffer is None or len(terms) < _TERMS or any(room(term) is not buffer for _, term in terms):
        return None
    terms.reverse()
    return Chain(result, buffer, [term for _, term in terms], [one for one, _ in terms], values)
