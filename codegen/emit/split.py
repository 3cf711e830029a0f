"""Parts of an axis.  In: a stage in parts.  Out: a loop over the parts, or a function that several threads run at once.

Whoever is free takes the next part, by one atomic step on a counter; so every part is done once, by however many
threads there are.  Whoever has ended a part adds the rooms whose turn it is, while the others go on.  What they share
stands in one table of words on the stack of the thread that waits for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codegen.emit.stages import emit_fill
from codegen.emit.threads import run_at_once
from codegen.gemm.columns import Strip, sweep_columns
from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import BOOL, BYTE, I64, POINTER, Type, Value
from codegen.lower.arena import stage_uses
from codegen.lower.loopir import Buffer, Fill, Split
from codegen.lower.splitting import SMALL
from codegen.signature import element_type
from symgrad import dims
from symgrad.dims import Atom

if TYPE_CHECKING:
    from codegen.emit.kernel import StageEmitter

__all__ = ["emit_split"]

# Words of the table: the next part; workers so far; whether one of them is adding rooms; parts that have been added.
# Then sizes and pointers, and for each part whether it has ended.
_NEXT, _WORKERS, _ADDING, _ADDED, _FIXED = range(5)
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
            emit_fill(f, Fill(target), place, here.size_of)
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
    name = f"add.{element.suffix}"  # no kernel's name has a dot
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


def _words(here: StageEmitter, stage: Split) -> list[Value]:
    """What the workers get: sizes, pointers, memory for matrix products."""
    sizes = [here.f.i64(size) for size in here.sizes.values()]
    return [*sizes, *(here.pointers[one.name] for one in _buffers(here, stage)), here.work]


def _start(here: StageEmitter, stage: Split, name: str) -> None:
    """Run the function of the workers in as many threads as there are parts, up to the limit; little work in this one."""
    f, words = here.f, _words(here, stage)
    zeros = [*range(_FIXED), *range(_FIXED + len(words), _FIXED + len(words) + (stage.most if stage.sums else 0))]
    table = f.alloca(I64, _FIXED + len(words) + stage.most, 8)
    for k in zeros:
        f.store(Value("0", I64), f.gep(table, k, I64), 8)
    for k, word in enumerate(words, _FIXED):
        f.store(word, f.gep(table, k, I64), 8)
    helpers = f.sub(f.minimum(_parts(here, stage), stage.workers), 1)
    large = f.icmp("sge", f.i64(here.size_of(stage.work)), SMALL)
    run_at_once(f, name, table, f.select(large, f.i64(helpers), Value("0", I64)), stage.workers - 1)


def _worker(here: StageEmitter, stage: Split, position: int | str) -> str:
    """The function that takes parts as long as there are any."""
    f = here.f.module.function(f"{here.name}_parts{position}", [("table", POINTER)], POINTER, attributes="noinline")
    words = [f.load(_place(f, _FIXED + k), word.type, 8) for k, word in enumerate(_words(here, stage))]
    sizes: dict[Atom, Int] = dict(zip(here.sizes, words, strict=False))
    pointers = {one: value for one, value in here.pointers.items() if value.text[0] == "@"}  # tables
    pointers |= zip((one.name for one in _buffers(here, stage)), words[len(sizes) :], strict=False)
    worker = _taken(f, _WORKERS)
    inside = here.sibling(f, sizes, pointers, f.gep(words[-1], f.mul(worker, here.extra), BYTE))
    inside.prepare(stage)
    for one in stage.own:
        step = inside.size_of(dims.floordiv(one.size, stage.workers))
        pointers[one.name] = f.gep(pointers[one.name], f.mul(step, worker), element_type(one.dtype))
    parts = f.i64(_parts(inside, stage))
    head, body, done = f.label("head"), f.label("body"), f.label("done")
    f.jump(head)
    f.enter(head)
    part = _taken(f, _NEXT)
    f.branch(f.icmp("slt", part, parts), body, done)
    f.enter(body)
    _part(inside, stage, f.i64(f.mul(part, inside.size_of(stage.length))), f.sub(part, 1), position)
    if stage.sums:
        _hand_in(inside, stage, part, parts, _FIXED + len(words))
    f.jump(head)
    f.enter(done)
    f.ret(_NULL)
    return f.name


def _place(f: Function, word: Int) -> Value:
    return f.gep(f["table"], word, I64)


def _taken(f: Function, word: int) -> Value:
    """The number in a word of the table, which is then one more."""
    return f.emit(f"atomicrmw add ptr {_place(f, word).text}, i64 1 monotonic, align 8", I64)


def _hand_in(inside: StageEmitter, stage: Split, part: Value, parts: Value, flags: int) -> None:
    """Say that a part has ended, and add what can be added in order, unless another thread is at it.

    That thread looks again after it has said that it has ended: either it finds this part, or this one finds it away.
    """
    f = inside.f
    again, collect, look, add, leave, end = (
        f.label(name) for name in ("again", "collect", "look", "add", "leave", "end")
    )

    def has_ended(number: Value) -> Value:
        return f.icmp("ne", _atomic_load(f, _place(f, f.add(number, flags))), 0)

    _atomic_store(f, 1, _place(f, f.add(part, flags)))
    f.jump(again)
    f.enter(again)
    pair = f.emit(f"cmpxchg ptr {_place(f, _ADDING).text}, i64 0, i64 1 seq_cst seq_cst, align 8", I64)
    f.branch(f.emit(f"extractvalue {{ i64, i1 }} {pair.text}, 1", BOOL), collect, end)
    f.enter(collect)
    turn = f.load(_place(f, _ADDED), I64)
    f.branch(f.icmp("slt", turn, parts), look, leave)
    f.enter(look)
    f.branch(has_ended(turn), add, leave)
    f.enter(add)
    with f.when(f.icmp("ne", turn, 0)):
        _add_rooms(inside, stage, f.sub(turn, 1))
    f.store(f.i64(f.add(turn, 1)), _place(f, _ADDED))
    f.jump(collect)
    f.enter(leave)
    _atomic_store(f, 0, _place(f, _ADDING))
    with f.when(f.icmp("slt", turn, parts)):
        missed = f.label("missed")
        f.branch(has_ended(turn), again, missed)
        f.enter(missed)
    f.jump(end)
    f.enter(end)


def _atomic_load(f: Function, place: Value) -> Value:
    return f.emit(f"load atomic i64, ptr {place.text} seq_cst, align 8", I64)


def _atomic_store(f: Function, number: int, place: Value) -> None:
    f.line(f"store atomic i64 {number}, ptr {place.text} seq_cst, align 8")
