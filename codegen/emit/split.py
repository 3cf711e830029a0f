"""Parts of an axis.  In: a stage in parts.  Out: a loop over the parts, or a function that several threads run at once.

Whoever is free takes the next part, by one atomic step on a counter; so every part is done once, by however many
threads there are.  What they share stands in one table of words on the stack of the thread that waits for the others.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from codegen.emit.threads import run_at_once
from codegen.gemm.columns import Strip, sweep_columns
from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import BYTE, I64, POINTER, Type, Value
from codegen.lower.arena import stage_uses
from codegen.lower.loopir import Buffer, Split
from codegen.lower.splitting import SMALL
from codegen.signature import element_type
from symgrad import dims
from symgrad.dims import Atom

if TYPE_CHECKING:
    from codegen.emit.kernel import StageEmitter

__all__ = ["emit_split"]

_NEXT, _WORKERS, _FIXED = range(3)  # words of the table: the next part, workers so far; then sizes, pointers
_NULL = Value("null", POINTER)


def emit_split(here: StageEmitter, stage: Split, position: int | str) -> None:
    """All parts, and the sums of what they have left in their rooms."""
    if stage.workers == 1:
        with here.f.loop(0, here.size_of(stage.extent), here.size_of(stage.length)) as loop:
            _part(here, stage, loop.index, 0, position)
            with here.f.when(here.f.icmp("ne", loop.index, 0)):
                _add_rooms(here, stage, 0)
        return
    _start(here, stage, _worker(here, stage, position))
    if stage.sums:
        with here.f.loop(1, _parts(here, stage)) as loop:
            _add_rooms(here, stage, here.f.sub(loop.index, 1))


def _parts(here: StageEmitter, stage: Split) -> Int:
    """How many parts there are."""
    f, length = here.f, here.size_of(stage.length)
    return f.floordiv(f.add(here.size_of(stage.extent), f.sub(length, 1)), length)


# -- one part -------------------------------------------------------------------------------------------------------
def _part(here: StageEmitter, stage: Split, start: Value, room: Int, position: int | str) -> None:
    """The part that starts there; its sums go to rooms of that number, those of the first part to the arrays themselves."""
    f, before = here.f, here.pointers
    here.pointers = dict(before)
    first = f.icmp("eq", start, 0)
    for target, own in stage.sums:
        place = f.select(first, before[target.name], _room(here, stage, target, own, room))
        with f.when(f.icmp("ne", start, 0)):
            count = f.i64(f.mul(here.size_of(target.size), target.dtype.itemsize))
            f.module.declare("@llvm.memset.p0.i64", "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
            f.line(f"call void @llvm.memset.p0.i64(ptr {place.text}, i8 0, {count.typed}, i1 false)")
        here.pointers[own.name] = place
    here.inside(stage, start, position)
    here.pointers = before


def _room(here: StageEmitter, stage: Split, target: Buffer, own: Buffer, number: Int) -> Value:
    """The address of a room; rooms of one worker are all the same."""
    if stage.workers == 1:
        return here.pointers[own.name]
    step = here.size_of(dims.floordiv(own.size, stage.most - 1))
    return here.f.gep(here.pointers[own.name], here.f.mul(step, number), element_type(target.dtype))


def _add_rooms(here: StageEmitter, stage: Split, number: Int) -> None:
    """Add rooms of a number to the arrays that they belong to."""
    f = here.f
    for target, own in stage.sums:
        element = element_type(target.dtype)
        name = _addition(f.module, element)
        count = f.i64(here.size_of(target.size))
        f.call(name, [here.pointers[target.name], _room(here, stage, target, own, number), count])


def _addition(module: Module, element: Type) -> str:
    """The function that adds one array to another."""
    name = f"add_{element.suffix}"
    if name not in module.functions:
        f = module.function(name, [("a", POINTER), ("b", POINTER), ("n", I64)], attributes="noinline", distinct=True)

        def add(column: Int, strip: Strip) -> None:
            place = f.gep(f["a"], column, element)
            old, new = strip.load(f, place), strip.load(f, f.gep(f["b"], column, element))
            strip.store(f, f.fadd(old, new) if element.is_float else f.binary("add", old, new), place)

        sweep_columns(f, element, 0, f["n"], add)
        f.ret()
    return name


# -- several threads ------------------------------------------------------------------------------------------------
def _buffers(here: StageEmitter, stage: Split) -> list[Buffer]:
    use = stage_uses(stage)
    return sorted((one for one in use.reads | use.writes if one.kind != "table"), key=lambda one: one.name)


def _start(here: StageEmitter, stage: Split, name: str) -> None:
    """Run the function of the workers in as many threads as there are parts, up to the limit; little work in this one."""
    f, buffers = here.f, _buffers(here, stage)
    words = [Value("0", I64), Value("0", I64), *(f.i64(size) for size in here.sizes.values())]
    words += [*(here.pointers[one.name] for one in buffers), here.work]
    table = f.alloca(I64, len(words), 8)
    for k, word in enumerate(words):
        f.store(word, f.gep(table, k, I64), 8)
    helpers = f.sub(f.minimum(_parts(here, stage), stage.workers), 1)
    large = f.icmp("sge", f.i64(here.size_of(stage.work)), SMALL)
    run_at_once(f, name, table, f.select(large, f.i64(helpers), Value("0", I64)), stage.workers - 1)


def _worker(here: StageEmitter, stage: Split, position: int | str) -> str:
    """The function that takes parts as long as there are any."""
    f = here.f.module.function(f"{here.name}_parts{position}", [("table", POINTER)], POINTER, attributes="noinline")
    places = itertools.count(_FIXED)

    def word(kind: Type) -> Value:
        return f.load(f.gep(f["table"], next(places), I64), kind, 8)

    sizes: dict[Atom, Int] = {atom: word(I64) for atom in here.sizes}
    pointers = {one.name: word(POINTER) for one in _buffers(here, stage)}
    pointers |= {one: value for one, value in here.pointers.items() if one not in pointers and value.text[0] == "@"}
    worker = _taken(f, _WORKERS)
    work = f.gep(word(POINTER), f.mul(worker, here.extra), BYTE)
    inside = here.sibling(f, sizes, pointers, work)
    inside.prepare(stage)
    for one in stage.own:
        step = inside.size_of(dims.floordiv(one.size, stage.workers))
        pointers[one.name] = f.gep(pointers[one.name], f.mul(step, worker), element_type(one.dtype))
    parts = _parts(inside, stage)
    head, body, done = f.label("head"), f.label("body"), f.label("done")
    f.jump(head)
    f.enter(head)
    part = _taken(f, _NEXT)
    f.branch(f.icmp("slt", part, parts), body, done)
    f.enter(body)
    start = f.i64(f.mul(part, inside.size_of(stage.length)))
    _part(inside, stage, start, f.sub(part, 1), position)
    f.jump(head)
    f.enter(done)
    f.ret(_NULL)
    return f.name


def _taken(f: Function, place: int) -> Value:
    """The number in a word of the table, which is then one more."""
    return f.emit(f"atomicrmw add ptr {f.gep(f['table'], place, I64).text}, i64 1 monotonic", I64)
