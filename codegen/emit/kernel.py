"""A kernel's body.  In: a loop program and its interface.  Out: an LLVM module with the two functions of the C interface.

The body computes addresses, runs the guards and index checks, and then the stages; each nest is a function of its own,
so that its arrays are known not to overlap and compile time stays linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegen.emit.along import emit_along
from codegen.emit.nest import NestEmitter
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
    flattened,
)
from codegen.signature import KernelSpec, element_type, emit_size
from codegen.target import Target
from symgrad import dims
from symgrad.dims import Atom, Dim, Size

__all__ = ["emit_kernel"]


def emit_kernel(program: Program, spec: KernelSpec, target: Target, contract: bool = True) -> tuple[Module, Arena]:
    """The module of a kernel, and the layout of its workspace; ``contract``: products and sums may be fused."""
    module = Module(target, contract)
    products = [stage for stage in flattened(program.stages) if isinstance(stage, Product)]
    extra = max((product_workspace(stage, target) for stage in products), default=0)
    arena = lay_out(program, extra)
    _Body(module, program, spec, arena).emit()
    _emit_workspace(module, spec, arena)
    return module, arena


def _emit_workspace(module: Module, spec: KernelSpec, arena: Arena) -> None:
    f = module.function(f"{spec.name}_workspace", spec.dim_parameters(), I64, public=True)
    sizes: dict[Atom, Int] = {atom: f[f"n{k}"] for k, atom in enumerate(spec.dims)}
    f.ret(f.i64(emit_size(f, arena.size, sizes)))


class _Body:
    def __init__(self, module: Module, program: Program, spec: KernelSpec, arena: Arena) -> None:
        self.module, self.program, self.spec, self.arena = module, program, spec, arena
        self.f = module.function(spec.name, spec.parameters(), I32, public=True)
        self.sizes: dict[Atom, Int] = {atom: self.f[f"n{k}"] for k, atom in enumerate(spec.dims)}
        self.known: dict[Size, Int] = {}
        self.pointers: dict[str, Value] = {}

    def size_of(self, size: Size) -> Int:
        if isinstance(size, int):
            return size
        if size not in self.known:
            self.known[size] = emit_size(self.f, size, self.sizes)
        return self.known[size]

    def emit(self) -> None:
        f = self.f
        for size in self._all_sizes():
            self.size_of(size)
        for stage in self.program.stages:
            if isinstance(stage, Guard):
                self._stop_if(
                    f.icmp("ne", f.i64(self.size_of(stage.left)), f.i64(self.size_of(stage.right))), stage.status
                )
        for buffer in self.program.buffers:
            self.pointers[buffer.name] = self._pointer(buffer)
        for position, stage in enumerate(self.program.stages):
            self._stage(stage, position)
        f.ret(0)

    def _all_sizes(self) -> list[Size]:
        """Dynamic sizes that the body uses, so that each is computed once, in front of every branch."""
        found: dict[Size, None] = {}
        for buffer in self.program.buffers:
            found.setdefault(buffer.size)
            found.setdefault(self.arena.offsets.get(buffer.name, 0))
        for stage in self.program.stages:
            for size in _sizes(stage):
                found.setdefault(size)
        return [size for size in found if isinstance(size, Dim)]

    def _pointer(self, buffer: Buffer) -> Value:
        f, spec = self.f, self.spec
        if buffer.kind == "table":
            return Value(
                self.module.table(buffer.name, buffer.data.ravel().tolist(), element_type(buffer.dtype)), POINTER
            )
        if buffer.kind == "temporary":
            offset = self.arena.offsets.get(buffer.name, 0)
            return f.emit(f"getelementptr inbounds i8, ptr %work, i64 {f.int_text(self.size_of(offset))}", POINTER)
        start = {"input": 0, "variable": len(spec.inputs), "output": len(spec.inputs) + len(spec.variables)}[
            buffer.kind
        ]
        return f[f"a{start + buffer.position}"]

    def _stop_if(self, bad: Value, status: Value | int) -> None:
        f = self.f
        stop, go_on = f.label("stop"), f.label("go")
        f.branch(bad, stop, go_on, unlikely=True)
        f.enter(stop)
        f.ret(status)
        f.enter(go_on)

    def _stage(self, stage: Any, position: int | str) -> None:
        f, pointers = self.f, self.pointers
        if isinstance(stage, Nest):
            self._call_nest(stage, position)
        elif isinstance(stage, Blocked):
            self._blocks(stage, position)
        elif isinstance(stage, Product):
            emit_product_stage(f, stage, pointers, self.size_of, f["work"])
        elif isinstance(stage, Call):
            self._stop_if(f.icmp("ne", emit_call(f, stage, pointers, self.size_of), 0), stage.status)
        elif isinstance(stage, Along):
            emit_along(f, stage, pointers, self.size_of)
        elif isinstance(stage, Fill):
            emit_fill(f, stage, pointers[stage.buffer.name], self.size_of)
        elif isinstance(stage, Copy):
            emit_copy(f, stage, pointers[stage.source.name], pointers[stage.target.name], self.size_of)
        elif isinstance(stage, Check):
            self._stop_if(emit_check(f, stage, pointers[stage.buffer.name], self.size_of), stage.status)
        elif isinstance(stage, Report):
            found = f.load(pointers[stage.buffer.name], I64)
            self._stop_if(f.icmp("ne", found, 0), f.convert("trunc", found, I32))

    def _blocks(self, stage: Blocked, position: int | str) -> None:
        """A loop over blocks; what depends on the block is computed inside it."""
        f, outer = self.f, (self.sizes, self.known)
        extent = self.size_of(stage.extent)
        with f.loop(0, extent, stage.length) as loop:
            own: dict[Atom, Int] = dict.fromkeys(dims.atoms_of(stage.start), loop.index)
            left = f.minimum(stage.length, f.sub(extent, loop.index)) if isinstance(stage.size, Dim) else stage.length
            own |= dict.fromkeys(dims.atoms_of(stage.size), left)
            self.sizes, self.known = {**self.sizes, **own}, dict(self.known)
            for k, one in enumerate(stage.stages):
                self._stage(one, f"{position}_{k}")
        self.sizes, self.known = outer

    # -- nests -----------------------------------------------------------------------------------------------------
    def _call_nest(self, nest: Nest, position: int | str) -> None:
        """A nest as a function of the arrays that it touches and of the dimensions."""
        use = stage_uses(nest)
        buffers = sorted(use.reads | use.writes, key=lambda one: one.name)
        name = f"{self.spec.name}_nest{position}"
        emit_nest(self.module, name, nest, buffers, list(self.sizes))
        sizes = [self.f.i64(size) for size in self.sizes.values()]
        self.f.call(name, [*(self.pointers[one.name] for one in buffers), *sizes])


def emit_nest(module: Module, name: str, nest: Nest, buffers: Sequence[Buffer], atoms: Sequence[Atom]) -> Function:
    """The function of one nest, of the buffers that it touches and the dimensions around it."""
    parameters = [(f"b_{one.name}", POINTER) for one in buffers]
    numbers = [(f"n{k}", I64) for k in range(len(atoms))]
    f = module.function(name, [*parameters, *numbers], attributes="noinline", distinct=True)
    sizes: Mapping[Atom, Int] = {atom: f[f"n{k}"] for k, atom in enumerate(atoms)}
    NestEmitter(f, {one.name: f[f"b_{one.name}"] for one in buffers}, sizes).run(nest.body)
    f.ret()
    return f


def _sizes(stage: Any) -> list[Size]:
    """Sizes that a stage's code in the body uses."""
    if isinstance(stage, Guard):
        return [stage.left, stage.right]
    if isinstance(stage, Check):
        return [stage.base, *stage.strides, *stage.shape, stage.size]
    if isinstance(stage, Blocked):
        own = dims.atoms_of(stage.start) | dims.atoms_of(stage.size)
        inside = [size for one in stage.stages for size in _sizes(one)]
        return [stage.extent, *(size for size in inside if own.isdisjoint(dims.atoms_of(size)))]
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
