"""Straight-line nests one behind the other.  In: a program.  Out: the same with each run of them as one nest.

Scatters and results of different levels have nests of their own, which may compute the same values.  Where none of them has
loops, as for a function of a few numbers, they are joined: what several of them need is loaded and computed once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen.lower.instances import COMMUTATIVE
from codegen.lower.loopir import Const, For, IndexValue, Let, Load, Nest, Offset, Program, Scatter, Store

__all__ = ["joined"]


def joined(program: Program) -> Program:
    """The program with straight-line nests that follow each other joined."""
    stages: list[Any] = []
    run: list[Nest] = []
    for stage in program.stages:
        if isinstance(stage, Nest) and not any(one.__class__ is For for one in stage.body):
            run.append(stage)
            continue
        stages += _as_one(run)
        stages.append(stage)
        run = []
    return Program(program.buffers, (*stages, *_as_one(run)))


def _as_one(nests: list[Nest]) -> list[Nest]:
    if len(nests) < 2:
        return nests
    body: list[Any] = []
    known: dict[Any, int] = {}  # what a value is made of: the value
    for nest in nests:
        new: dict[int, int] = {}
        for one in nest.body:
            moved = _with(one, new)
            if moved.__class__ is Store or moved.__class__ is Scatter:
                body.append(moved)
                known = {key: value for key, value in known.items() if key[1] is not moved.buffer}
                continue
            key = _made_of(moved)
            if key not in known:
                known[key] = len(body) + 1
                body.append(moved._replace(id=len(body) + 1))
            new[one.id] = known[key]
    return [Nest(tuple(body))]


def _with(one: Any, new: dict[int, int]) -> Any:
    """A statement that uses other values."""
    if one.__class__ is Let:
        return one._replace(args=tuple([new[arg] for arg in one.args]))
    if one.__class__ is Const:
        return one
    offset = one.offset
    if offset.values:
        offset = Offset(offset.base, offset.axes, tuple((new[value], factor) for value, factor in offset.values))
    if one.__class__ is Store or one.__class__ is Scatter:
        return one._replace(offset=offset, value=new[one.value])
    return one._replace(offset=offset)


def _made_of(one: Any) -> tuple[Any, ...]:
    """Equal for statements that give the same value; a load has its buffer in the second place."""
    if one.__class__ is Let:
        args = tuple(sorted(one.args)) if one.op in COMMUTATIVE else one.args
        return Let, one.op, args, one.dtype
    if one.__class__ is Const:
        return Const, np.asarray(one.value, one.dtype).tobytes(), one.dtype
    return (Load, one.buffer, one.offset) if one.__class__ is Load else (IndexValue, None, one.offset)
