"""The order of instructions.  In: lines of straight code.  Out: the same lines, so that a processor finds work in all of them.

A processor looks ahead over a few hundred instructions and waits where most of these need what is not there yet.  The
functions of the mathematics library are long chains, one behind the other in the text; here each line comes when its
operands have arrived, of several such lines first the one that most depends on.  LLVM moves little over such distances.
Registers do not matter in this: what is spilled costs less than what waits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["ordered"]

_SHORT, _LONG = 24, 1200  # lines of code that is ordered: less has no choices, more would cost time
_LATENCY = {"load": 7, "fadd": 3, "fsub": 3, "fmul": 3, "fma": 4, "fmuladd": 7, "fcmp": 2, "fdiv": 13, "sqrt": 21}
_FREE = {"bitcast", "shufflevector", "insertelement", "extractelement", "getelementptr"}
_WIDTH = 2  # vector instructions that start in a cycle: products, of which most code consists
_STAYS = {"phi", "br", "ret", "call", "alloca", "atomicrmw", "cmpxchg"}
_MASKED = {"masked.load": "load", "masked.store": "store"}
_NAME = re.compile(r"%[\w.]+")
_CALL = re.compile(r"@llvm\.(masked\.load|masked\.store|[a-z]+)")


class _Line(NamedTuple):
    """A line: the places of the lines that it needs, cycles until its result is there, vector instructions."""

    needs: set[int]
    latency: int
    cost: int


def ordered(lines: Sequence[str], each: int) -> list[str]:
    """Lines of one function in another order; blocks keep theirs, and so does what has effects but stores.

    Parameters
    ----------
    lines : sequence of str
    each : int
        Registers that a vector takes.
    """
    out: list[str] = []
    run: list[tuple[str, str]] = []
    for line in lines:
        operation = _operation(line)
        if operation is None:
            out += [*_arranged(run, each), line]
            run = []
        else:
            run.append((operation, line))
    return out + _arranged(run, each)


def _operation(line: str) -> str | None:
    """What a line does; None for what stays where it is."""
    made, defines, text = line.strip().partition(" = ")
    operation = (text or made).split(" ", 1)[0]
    if operation == "call" and (found := _CALL.search(line)):
        operation = _MASKED.get(found[1], found[1])
    return operation if (defines and operation not in _STAYS) or operation == "store" else None


def _arranged(run: Sequence[tuple[str, str]], each: int) -> list[str]:
    if not _SHORT <= len(run) <= _LONG:
        return [line for _, line in run]
    return [run[place][1] for place in _places(_parsed(run, each))]


def _parsed(run: Sequence[tuple[str, str]], each: int) -> list[_Line]:
    """Stores follow each other and all loads before them, and loads the stores before them."""
    made: dict[str, int] = {}
    loads: list[int] = []
    stores: list[int] = []
    out = []
    for place, (operation, line) in enumerate(run):
        names = _NAME.findall(line)
        needs = {made[one] for one in names if one in made}
        if operation == "store":
            needs.update(loads, stores[-1:])
            stores.append(place)
        else:
            made[names[0]] = place
            if operation == "load":
                needs.update(stores[-1:])
                loads.append(place)
        free = operation in _FREE
        out.append(_Line(needs, 0 if free else _LATENCY.get(operation, 1), 0 if free else each))
    return out


def _places(lines: Sequence[_Line]) -> list[int]:
    """Lines in the order in which a processor would start them that sees them all."""
    users: list[list[int]] = [[] for _ in lines]
    for place, line in enumerate(lines):
        for one in line.needs:
            users[one].append(place)
    heights = _heights(lines, users)
    missing = [len(line.needs) for line in lines]
    arrival = [0] * len(lines)  # of the last operand; times are in parts of a cycle
    waiting = [(0, place) for place, count in enumerate(missing) if count == 0]
    ready: list[tuple[int, int]] = []
    out, time = [], 0
    while ready or waiting:
        while waiting and (waiting[0][0] <= time or not ready):
            moment, place = heappop(waiting)
            time = max(time, moment)
            heappush(ready, (-heights[place], place))
        place = heappop(ready)[1]
        out.append(place)
        end = time + lines[place].latency * _WIDTH
        time += lines[place].cost
        for one in users[place]:
            arrival[one] = max(arrival[one], end)
            missing[one] -= 1
            if missing[one] == 0:
                heappush(waiting, (arrival[one], one))
    return out


def _heights(lines: Sequence[_Line], users: Sequence[Sequence[int]]) -> list[int]:
    """Cycles from each line's start to the end of all that depends on it."""
    found = [0] * len(lines)
    for place in reversed(range(len(lines))):
        found[place] = lines[place].latency + max((found[one] for one in users[place]), default=0)
    return found
