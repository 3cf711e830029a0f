"""A kernel's body.  In: a loop program and its interface.  Out: an LLVM module with the two functions of the C interface.

The body computes addresses, runs the guards and index checks, and then the stages; each nest is a function of its own,
so that its arrays are known not to overlap and compile time stays linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from codegen.emit.along import emit_along
from codegen.emit.bounds import emit_workspace_size
from codegen.emit.nest import NestEmitter
from codegen.emit.split import emit_split
from codegen.emit.stages import emit_call, emit_check, emit_copy, emit_fill, emit_product_stage, product_workspace
from codegen.llvm.builder import Function, Int, Module
from codegen.llvm.types import I32, I64, POINTER, Value
from codegen.lower.arena import Arena, lay_out, stage_uses
from codegen.lower.loopir import (
    Along,
    Blocked,
    Buffer,
    Call,
    Check,
    Copy,
    Fill,
    Guard,
    Nest,
    Product,
    Program,
    Report,
    Split,
    flattened,
)
from codegen.signature import KernelSpec, element_type, emit_size
from codegen.target import Target
from symgrad import dims
from symgrad.dims import Atom, Dim, Size

__all__ = ["StageEmitter", "emit_kernel"]

_LINE = 64  # bytes to which memory is aligned
_FEW = 64  # constants that are written as numbers, for the reader
_STACK = 128  # bits to which stacks are aligned


def emit_kernel(
    program: Program, spec: KernelSpec, target: Target, contract: bool = True, threads: int = 1
) -> tuple[Module, Arena]:
    """The module of a kernel, and the layout of its workspace; ``contract``: products and sums may be fused."""
    module = Module(target, contract)
    products = [stage for stage in flattened(program.stages) if isinstance(stage, Product)]
    extra = max((product_workspace(stage, target) for stage in products), default=0)
    extra = -(-extra // _LINE) * _LINE  # for each thread
    arena = lay_out(program, extra * threads)
    _emit_body(module, program, spec, arena, extra)
    emit_workspace_size(module, program, spec, arena.size)
    return module, arena


def _emit_body(module: Module, program: Program, spec: KernelSpec, arena: Arena, extra: int) -> None:
    """The kernel's function: sizes, guards, addresses, and then the stages."""
    f = module.function(spec.name, spec.parameters(), I32, public=True)
    sizes: dict[Atom, Int] = {atom: f[f"n{k}"] for k, atom in enumerate(spec.dims)}
    stages = StageEmitter(f, spec.name, sizes, {}, f["work"], extra)
    for buffer in program.buffers:
        stages.size_of(buffer.size)
        stages.size_of(arena.offsets.get(buffer.name, 0))
    stages.unread = _unread(program)
    stages.prepare(*program.stages)
    for stage in program.stages:
        if isinstance(stage, Guard):
            differ = f.icmp("ne", f.i64(stages.size_of(stage.left)), f.i64(stages.size_of(stage.right)))
            stages.stop_if(differ, stage.status)
    for buffer in program.buffers:
        stages.pointers[buffer.name] = _pointer(stages, buffer, spec, arena)
    for position, stage in enumerate(program.stages):
        stages.emit(stage, position)
    f.ret(0)


def _pointer(stages: StageEmitter, buffer: Buffer, spec: KernelSpec, arena: Arena) -> Value:
    """The address of a buffer."""
    f = stages.f
    if buffer.kind == "table":
        if buffer.data.size > _FEW:
            stored = buffer.dtype.newbyteorder("<")  # as on every processor that code is made for
            return Value(f.module.data(buffer.name, buffer.data.astype(stored).tobytes()), POINTER)
        return Value(f.module.table(buffer.name, buffer.data.ravel().tolist(), element_type(buffer.dtype)), POINTER)
    if buffer.kind == "temporary":
        offset = arena.offsets.get(buffer.name, 0)
        return f.emit(f"getelementptr inbounds i8, ptr %work, i64 {f.int_text(stages.size_of(offset))}", POINTER)
    inputs, variables = len(spec.inputs), len(spec.variables)
    start = {"input": 0, "variable": inputs, "output": inputs + variables}[buffer.kind]
    return f[f"a{start + buffer.position}"]


class StageEmitter:
    """Emits stages into a function.

    Parameters
    ----------
    f : the function being built
    name : of the kernel
    sizes : value of each dimension
    pointers : address of each buffer
    work : memory for matrix products
    extra : bytes of it

    Attributes
    ----------
    unread : names of the arrays that no stage reads
    """

    def __init__(
        self, f: Function, name: str, sizes: dict[Atom, Int], pointers: dict[str, Value], work: Value, extra: int
    ) -> None:
        self.f, self.name, self.sizes, self.pointers, self.work, self.extra = f, name, sizes, pointers, work, extra
        self.known: dict[Size, Int] = {}
        self.unread: Set[str] = frozenset()

    def sibling(self, f: Function, sizes: dict[Atom, Int], pointers: dict[str, Value], work: Value) -> StageEmitter:
        """One that emits into another function of the kernel."""
        made = StageEmitter(f, self.name, sizes, pointers, work, self.extra)
        made.unread = self.unread
        return made

    def prepare(self, *stages: Any) -> None:
        """Compute the sizes that stages use, in front of every branch in them."""
        for stage in stages:
            for size in _sizes(stage):
                self.size_of(size)

    def size_of(self, size: Size) -> Int:
        """A size as code."""
        if isinstance(size, int):
            return size
        if size not in self.known:
            self.known[size] = emit_size(self.f, size, self.sizes)
        return self.known[size]

    def stop_if(self, bad: Value, status: Value | int) -> None:
        """Leave the function with a status where the condition holds."""
        f = self.f
        stop, go_on = f.label("stop"), f.label("go")
        f.branch(bad, stop, go_on, unlikely=True)
        f.enter(stop)
        f.ret(status)
        f.enter(go_on)

    def emit(self, stage: Any, position: int | str) -> None:
        """One stage; ``position`` distinguishes its functions from those of others."""
        f, pointers = self.f, self.pointers
        if isinstance(stage, Nest):
            self._call_nest(stage, position)
        elif isinstance(stage, Blocked):
            self._blocks(stage, position)
        elif isinstance(stage, Split):
            emit_split(self, stage, position)
        elif isinstance(stage, Product):
            emit_product_stage(f, stage, pointers, self.size_of, self.work)
        elif isinstance(stage, Along):
            emit_along(f, stage, pointers, self.size_of)
        elif isinstance(stage, Fill):
            emit_fill(f, stage, pointers[stage.buffer.name], self.size_of)
        elif isinstance(stage, Copy):
            emit_copy(f, stage, pointers[stage.source.name], pointers[stage.target.name], self.size_of)
        else:
            self._stopping(stage)

    def _stopping(self, stage: Any) -> None:
        """A stage that may end the kernel with a status; guards have done so before all others."""
        f, pointers = self.f, self.pointers
        if isinstance(stage, Call):
            self.stop_if(f.icmp("ne", emit_call(f, stage, pointers, self.size_of), 0), stage.status)
        elif isinstance(stage, Check):
            self.stop_if(emit_check(f, stage, pointers[stage.buffer.name], self.size_of), stage.status)
        elif isinstance(stage, Report):
            found = f.load(pointers[stage.buffer.name], I64)
            self.stop_if(f.icmp("ne", found, 0), f.convert("trunc", found, I32))

    def _blocks(self, stage: Blocked, position: int | str) -> None:
        """A loop over blocks."""
        unread, self.unread = self.unread, frozenset()  # what is written block by block is not streamed
        with self.f.loop(0, self.size_of(stage.extent), stage.length) as loop:
            self.inside(stage, loop.index, position)
        self.unread = unread

    def inside(self, stage: Blocked | Split, start: Value, position: int | str) -> None:
        """The stages of a block or part that starts there; what depends on it is computed here."""
        f, outer = self.f, (self.sizes, self.known)
        length = self.size_of(stage.length)
        size = length
        if isinstance(stage.size, Dim):
            size = f.minimum(length, f.sub(self.size_of(stage.extent), start))
        own: dict[Atom, Int] = dict.fromkeys(dims.atoms_of(stage.start), start)
        own |= dict.fromkeys(dims.atoms_of(stage.size), size)
        self.sizes, self.known = {**self.sizes, **own}, dict(self.known)
        self.prepare(*stage.stages)
        for k, one in enumerate(stage.stages):
            self.emit(one, f"{position}_{k}")
        self.sizes, self.known = outer

    def _call_nest(self, nest: Nest, position: int | str) -> None:
        """A nest as a function of the arrays that it touches and of the dimensions."""
        use = stage_uses(nest)
        buffers = sorted(use.reads | use.writes, key=lambda one: one.name)
        name = f"{self.name}_nest{position}"
        emit_nest(self.f.module, name, nest, buffers, list(self.sizes), self.unread)
        sizes = [self.f.i64(size) for size in self.sizes.values()]
        self.f.call(name, [*(self.pointers[one.name] for one in buffers), *sizes])


def _unread(program: Program) -> Set[str]:
    """Names of the results that no stage reads."""
    read = {buffer for stage in program.stages for buffer in stage_uses(stage).reads}
    return {one.name for one in program.buffers if one.kind == "output" and one not in read}


def emit_nest(
    module: Module, name: str, nest: Nest, buffers: Sequence[Buffer], atoms: Sequence[Atom], unread: Set[str]
) -> Function:
    """The function of one nest, of the buffers that it touches and the dimensions around it."""
    parameters = [(f"b_{one.name}", POINTER) for one in buffers]
    numbers = [(f"n{k}", I64) for k in range(len(atoms))]
    f = module.function(name, [*parameters, *numbers], attributes=_attributes(module.target), distinct=True)
    sizes: Mapping[Atom, Int] = {atom: f[f"n{k}"] for k, atom in enumerate(atoms)}
    NestEmitter(f, {one.name: f[f"b_{one.name}"] for one in buffers}, sizes, unread).run(nest.body)
    f.ret()
    return f


def _attributes(target: Target) -> str:
    """Of a nest: on x86 its stack begins at a whole vector, as spilled vectors that cross lines of the cache are slow."""
    wide = target.triple.startswith("x86_64") and target.vector_bits > _STACK
    return f"noinline alignstack({target.vector_bits // 8})" if wide else "noinline"


def _sizes(stage: Any) -> list[Size]:
    """Sizes that a stage's code in the body uses."""
    if isinstance(stage, Guard):
        return [stage.left, stage.right]
    if isinstance(stage, Check):
        return [stage.base, *stage.strides, *stage.shape, stage.size]
    if isinstance(stage, (Blocked, Split)):
        own = dims.atoms_of(stage.start) | dims.atoms_of(stage.size)
        inside = [size for one in stage.stages for size in _sizes(one)]
        outside = [stage.extent, stage.length, *((stage.work,) if isinstance(stage, Split) else ())]
        return [*outside, *(size for size in inside if own.isdisjoint(dims.atoms_of(size)))]
    if isinstance(stage, Call):
        return [size for kind in stage.types for size in kind.shape]
    if isinstance(stage, Along):
        return [
            stage.size,
            *stage.outer,
            *(one for view in (*stage.operands, stage.target) for one in (view.base, *view.strides)),
        ]
    if isinstance(stage, Product):
        places = [size for view in (stage.a, stage.b, stage.c) for size in (view.base, *view.strides)]
        return [stage.m, stage.n, stage.k, *stage.batch, *places]
    return []
