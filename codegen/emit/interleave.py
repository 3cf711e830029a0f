"""How many vectors at once.  In: the body of a vector loop.  Out: whether two vectors side by side would pay.

A processor looks ahead over a few hundred instructions.  Where one vector's longest chain of results is long beside the
number of its instructions, as in most functions of the mathematics library, that window holds too little independent
work; two vectors, instruction by instruction, double it.  The counts come from the text that is emitted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from codegen import mathlib
from codegen.llvm.builder import Module
from codegen.llvm.types import vector
from codegen.lower.loopir import For, Let, Load
from codegen.target import Target

__all__ = ["pays_interleaving"]

_LOAD = 7  # cycles until a load's value arrives
_SIMPLE = 4  # cycles of an addition, a product, a fused operation
_LATENCY = {"fadd": 4, "fsub": 4, "fmul": 4, "fma": 4, "fmuladd": 8, "fcmp": 4, "fdiv": 13, "sqrt": 20}
_DIVIDER = 4  # cycles for which a division keeps the divider busy; a square root takes twice that
_CHAINS = mathlib.SUPPORTED - {"sqrt"}
_FREE = ("bitcast", "shufflevector", "insertelement", "extractelement", "br", "phi")
_WINDOW = 600  # instructions beyond which registers run out anyway


class Cost(NamedTuple):
    """Of one vector: instructions, cycles from operand to result, cycles of the divider."""

    instructions: int
    latency: int
    divider: int


def pays_interleaving(body: Sequence[Any], target: Target) -> bool:
    """Whether two vectors side by side run faster than one after the other.

    Measured on AVX2: Black-Scholes with its greeks takes 0.75 of the time, single functions 0.8 to 1.  The bounds on
    the chain separate such bodies from rational functions and sums of distances, which lose up to a quarter.
    """
    if not any(one.__class__ is Let and one.op in _CHAINS for one in body):
        return False
    if any(one.__class__ is For for one in body):
        return False
    ready: dict[int, int] = {}
    instructions = divider = 0
    for one in body:
        instructions += 1
        if one.__class__ is Load:
            ready[one.id] = _LOAD
        elif one.__class__ is Let:
            cost = _cost(one.op, "float" if one.dtype.itemsize == 4 else "double", target)
            instructions, divider = instructions + cost.instructions - 1, divider + cost.divider
            ready[one.id] = max((ready.get(arg, 0) for arg in one.args), default=0) + cost.latency
    chain = max(ready.values())
    return instructions <= _WINDOW and chain >= instructions / 2 and chain >= 3 * divider


@functools.cache
def _cost(op: str, element: str, target: Target) -> Cost:
    if op == "divide":
        return Cost(1, _LATENCY["fdiv"], _DIVIDER)
    if op not in mathlib.SUPPORTED:
        return Cost(1, _SIMPLE, 0)
    kind = vector(element, max(2, target.lanes(64 if element == "double" else 32)))
    names = ["x", "y"][: mathlib.arity(op)]
    f = Module(target).function("cost", [(name, kind) for name in names], kind)
    mathlib.emit(f, op, *(f[name] for name in names))
    return _cost_of(f.lines)


def _cost_of(lines: Sequence[str]) -> Cost:
    """Of the text of a function."""
    ready: dict[str, int] = {}
    instructions = divider = 0
    for line in lines:
        made, _, text = line.strip().partition(" = ")
        operation = text.split(" ", 1)[0]
        if not text:
            continue
        if operation == "call":
            operation = text.partition("@llvm.")[2].split(".")[0]
        latency = 0 if operation in _FREE else _LATENCY.get(operation, 1)
        instructions += (operation not in _FREE) + (operation == "fmuladd")
        divider += {"fdiv": _DIVIDER, "sqrt": 2 * _DIVIDER}.get(operation, 0)
        ready[made] = max((ready.get(name, 0) for name in re.findall(r"%v\d+", text)), default=0) + latency
    return Cost(instructions, max(ready.values()), divider)
