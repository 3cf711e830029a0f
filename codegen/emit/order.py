"""The order of instructions.  In: lines of straight code.  Out: the same lines, so that a processor finds work in all of them.

A processor looks ahead over a few hundred instructions and waits where most of these need what is not there yet.  The
functions of the mathematics library are long chains, one behind the other in the text; here each line comes when its
operands have arrived, of several such lines first the one that most depends on.  LLVM's scheduler then saves registers,
and puts some chains behind each other again.  Where waiting costs more than spilling, fences keep it from that; there
the order itself prefers lines that take no register while the registers are full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

__all__ = ["FENCE", "ordered"]

FENCE = "  call void @llvm.codeview.annotation(metadata !2)"  # no code: LLVM's scheduler moves nothing across it
_SHORT, _LONG = 24, 1200  # lines of code that is ordered: less has no choices, more would cost time
_LATENCY = {"load": 7, "fadd": 3, "fsub": 3, "fmul": 3, "fma": 4, "fmuladd": 7, "fcmp": 2, "fdiv": 13, "sqrt": 21}
_FREE = {"bitcast", "shufflevector", "insertelement", "extractelement", "getelementptr"}
_GROUP = 12  # lines between fences
_UNBOUNDED = 1 << 30  # registers: LLVM's scheduler saves them
_LOOK = 24  # lines that could start among which one is sought that takes no register
_WIDTH = 2  # vector instructions that start in a cycle: products, of which most code consists
_STAYS = {"phi", "br", "ret", "call", "alloca", "atomicrmw", "cmpxchg"}
_FUSED, _PLAIN = {"fma", "fmuladd"}, {"fadd", "fsub", "fmul"}
_MASKED = {"masked.load": "load", "masked.store": "store"}
_NAME = re.compile(r"%[\w.]+")
_CALL = re.compile(r"@llvm\.(masked\.load|masked\.store|[a-z]+)")


class _Line(NamedTuple):
    """A line: the places of the lines that it needs, cycles until its result is there, vector instructions, registers."""

    needs: set[int]
    latency: int
    cost: int
    registers: int


def ordered(lines: Sequence[str], each: int, registers: int) -> list[str]:
    """Lines of one function in another order, and fences; blocks keep theirs, and so does what has effects but stores.

    Parameters
    ----------
    lines : sequence of str
    each : int
        Registers that a vector takes.
    registers : int
        Registers of the machine.
    """
    out: list[str] = []
    run: list[tuple[str, str]] = []
    for line in lines:
        operation = _operation(line)
        if operation is None:
            out += [*_arranged(run, each, registers), line]
            run = []
        else:
            run.append((operation, line))
    return out + _arranged(run, each, registers)


def _operation(line: str) -> str | None:
    """What a line does; None for what stays where it is."""
    made, defines, text = line.strip().partition(" = ")
    operation = (text or made).split(" ", 1)[0]
    if operation == "call" and (found := _CALL.search(line)):
        operation = _MASKED.get(found[1], found[1])
    return operation if (defines and operation not in _STAYS) or operation == "store" else None


def _arranged(run: Sequence[tuple[str, str]], each: int, registers: int) -> list[str]:
    if not _SHORT <= len(run) <= _LONG:
        return [line for _, line in run]
    lines = _parsed(run, each)
    users: list[list[int]] = [[] for _ in lines]
    for place, line in enumerate(lines):
        for one in line.needs:
            users[one].append(place)
    heights = _heights(lines, users)
    if not _waits([operation for operation, _ in run], max(heights), sum(line.cost for line in lines)):
        return [run[place][1] for place in _places(lines, users, heights, _UNBOUNDED)]
    made = [run[place][1] for place in _places(lines, users, heights, registers)]
    return [one for k in range(0, len(made), _GROUP) for one in (*made[k : k + _GROUP], FENCE)]


def _waits(operations: Sequence[str], height: int, cost: int) -> bool:
    """Whether waiting costs more than spilling: in polynomials of the mathematics library, few of them side by side.

    Measured on AVX2: 0.8 to 0.9 of the time for such code; else up to 1.1, and 1.3 in products of many values.
    """
    fused = sum(one in _FUSED for one in operations)
    plain = sum(one in _PLAIN for one in operations)
    return 3 * fused >= plain and 9 * cost <= 20 * _WIDTH * height


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
        holds = "<" in line and operation != "store" and (not free or operation == "bitcast")
        latency = 0 if free else _LATENCY.get(operation, 1)
        out.append(_Line(needs, latency, 0 if free else each, each if holds else 0))
    return out


class _Pressure:
    """Registers in use."""

    def __init__(self, lines: Sequence[_Line], users: Sequence[Sequence[int]]) -> None:
        self.lines, self.live = lines, 0
        self.readers = [len(own) for own in users]  # that are still to come

    def growth(self, place: int) -> int:
        """Registers that a line takes, less those that it sets free."""
        line, readers = self.lines[place], self.readers
        taken = line.registers if readers[place] else 0
        return taken - sum(self.lines[one].registers for one in line.needs if readers[one] == 1)

    def take(self, place: int) -> None:
        self.live += self.growth(place)
        for one in self.lines[place].needs:
            self.readers[one] -= 1


def _places(
    lines: Sequence[_Line], users: Sequence[Sequence[int]], heights: Sequence[int], registers: int
) -> list[int]:
    """Lines in the order in which a processor would start them that sees them all."""
    missing = [len(line.needs) for line in lines]
    arrival = [0] * len(lines)  # of the last operand; times are in parts of a cycle
    waiting = [(0, place) for place, count in enumerate(missing) if count == 0]
    ready: list[tuple[int, int]] = []
    pressure = _Pressure(lines, users)
    out, time = [], 0
    while ready or waiting:
        while waiting and (waiting[0][0] <= time or not ready):
            moment, place = heappop(waiting)
            time = max(time, moment)
            heappush(ready, (-heights[place], place))
        place = heappop(ready)[1] if pressure.live < registers else _taken(ready, pressure.growth)
        pressure.take(place)
        out.append(place)
        end = time + lines[place].latency * _WIDTH
        time += lines[place].cost
        for one in users[place]:
            arrival[one] = max(arrival[one], end)
            missing[one] -= 1
            if missing[one] == 0:
                heappush(waiting, (arrival[one], one))
    return out


def _taken(ready: list[tuple[int, int]], growth: Callable[[int], int]) -> int:
    """The first of the lines that takes no register, removed from them; the very first if there is none near."""
    passed: list[tuple[int, int]] = []
    while ready and len(passed) < _LOOK:
        passed.append(heappop(ready))
        if growth(passed[-1][1]) <= 0:
            break
    else:
        passed.reverse()
    found = passed.pop()[1]
    for one in passed:
        heappush(ready, one)
    return found


def _heights(lines: Sequence[_Line], users: Sequence[Sequence[int]]) -> list[int]:
    """Cycles from each line's start to the end of all that depends on it."""
    found = [0] * len(lines)
    for place in reversed(range(len(lines))):
        found[place] = lines[place].latency + max((found[one] for one in users[place]), default=0)
    return found
