"""Sines, cosines and tangents computed together.  In: the statements of a block.  Out: the same with groups of them.

Functions of one angle share its reduction, and a group has one unlikely branch for angles too large for it, where each
function alone would end the basic block.  Statements on which later members depend move up to the group; nothing moves
across memory that is written or across loops, and no value changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from codegen.lower.loopir import Const, IndexValue, Let, Load
from codegen.mathlib import ANGLES

__all__ = ["Angles", "with_groups"]

_MOST = 8  # angles of a group
_AHEAD = 200  # statements over which a group looks for members: their results take registers until then


class Angles(NamedTuple):
    """Functions of angles that depend on none of each other."""

    members: tuple[Let, ...]


def with_groups(body: Sequence[Any]) -> Sequence[Any]:
    """The statements of a block, those that take angles in groups."""
    if not any(one.__class__ is Let and one.op in ANGLES for one in body):
        return body
    made: list[Any] = []
    run: list[Any] = []
    for one in body:
        if one.__class__ in (Let, Load, Const, IndexValue):
            run.append(one)
        else:
            made += _grouped(run)
            made.append(one)
            run = []
    return [*made, *_grouped(run)]


def _operands(one: Any) -> Sequence[int]:
    if one.__class__ is Let:
        return one.args
    return () if one.__class__ is Const else [own for own, _ in one.offset.values]


def _grouped(run: Sequence[Any]) -> Iterator[Any]:
    """Statements that only compute."""
    by_id = {one.id: one for one in run}
    layers: dict[int, int] = {}  # functions of angles on the way to a value
    for one in run:
        below = max((layers.get(own, 0) for own in _operands(one)), default=0)
        layers[one.id] = below + _takes_angle(one)
    done: set[int] = set()
    for place, one in enumerate(run):
        if one.id in done:
            continue
        if not _takes_angle(one):
            done.add(one.id)
            yield one
            continue
        members = _members(run[place : place + _AHEAD], layers, done)
        for member in members:
            yield from _needed(member, by_id, done)
        done.update(member.id for member in members)
        yield Angles(tuple(members))


def _takes_angle(one: Any) -> bool:
    return one.__class__ is Let and one.op in ANGLES


def _members(ahead: Sequence[Any], layers: dict[int, int], done: set[int]) -> list[Let]:
    """The first statement and those that may join it: none in the same layer depends on another."""
    members: list[Let] = []
    angles: set[int] = set()
    for one in ahead:
        if not _takes_angle(one) or one.id in done or layers[one.id] != layers[ahead[0].id]:
            continue
        if one.dtype is ahead[0].dtype and (one.args[0] in angles or len(angles) < _MOST):
            members.append(one)
            angles.add(one.args[0])
    return members


def _needed(member: Let, by_id: dict[int, Any], done: set[int]) -> Iterator[Any]:
    """What a statement depends on and is not there yet, operands first."""
    pending = [by_id[own] for own in member.args if own in by_id]
    while pending:
        one = pending[-1]
        missing = [by_id[own] for own in _operands(one) if own in by_id and own not in done]
        if one.id not in done and missing:
            pending.extend(missing)
            continue
        pending.pop()
        if one.id not in done:
            done.add(one.id)
            yield one
