"""Rules that claim to be derivatives.  In: uses of such a rule.  Out: the uses that wait for a point to be checked at.

A rule is checked once, by :mod:`symgrad.truth`, where a kernel first runs with real arguments.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from symgrad.config import current
from symgrad.node import Node

__all__ = ["Claim", "Use", "forget", "note", "waiting"]

_MAX_USES = 32  # older ones are forgotten
_numbers = itertools.count(1)


class Claim:
    """A rule that is said to be the derivative of its function; ``settled`` once it has been found so, or not.

    Nodes carry its ``number``, which is 0 for rules that claim nothing.
    """

    __slots__ = ("__weakref__", "name", "number", "settled")

    def __init__(self, name: str, untrue: str | None = None) -> None:
        self.name, self.settled, self.number = name, untrue is not None, 0
        if untrue is None:
            self.number = next(_numbers)
            _claims[self.number] = self


class Use(NamedTuple):
    """The inputs and attributes of a node that the rule of a claim differentiates."""

    claim: Claim
    inputs: tuple[Node, ...]
    attrs: Any


_claims: WeakValueDictionary[int, Claim] = WeakValueDictionary()
_uses: deque[Use] = deque(maxlen=_MAX_USES)


def note(number: int, inputs: tuple[Node, ...], attrs: Any) -> None:
    """Remember a use of a claim, by its number, until it is checked."""
    claim = _claims.get(number)
    if claim is not None and not claim.settled and current().rule_check != "off":
        _uses.append(Use(claim, inputs, attrs))


def forget() -> None:
    """Let go of all uses."""
    _uses.clear()


def waiting() -> list[Use]:
    """Uses of claims that nobody has checked yet."""
    found = [use for use in _uses if not use.claim.settled]
    if len(found) < len(_uses):
        _uses.clear()
        _uses.extend(found)
    return found
