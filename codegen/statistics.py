"""Figures of a kernel.  In: a compiled body.  Out: operations, bytes and memory, as a dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from codegen.driver import Compiled
from codegen.emit.stages import product_kernel
from codegen.gemm import band_share
from codegen.lower.loopir import (
    Along,
    Blocked,
    Buffer,
    Copy,
    Fill,
    For,
    Let,
    Load,
    Nest,
    Product,
    Scatter,
    Split,
    Store,
)
from codegen.lower.splitting import cost
from codegen.target import Target
from symgrad import dims
from symgrad.dims import Size
from symgrad.types import is_float

__all__ = ["figures"]

# Floating operations that an elementwise operation counts for: one, unless it is listed.
_FREE = {"where", "cast", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


def figures(compiled: Compiled) -> dict[str, Any]:
    """Figures of a kernel.

    Returns
    -------
    dict with
        flops : floating operations of a call (a function counts as one), an int or a formula of the dimensions; what
            products leave out of triangles is not counted
        bytes : bytes loaded and stored by a call
        work : eighths of a cycle that its arithmetic takes with four lanes, roughly
        temporaries : bytes of the workspace
        buffers, stages, code_bytes
    """
    program = compiled.program
    return {
        "flops": _sum(_stage_flops(stage, compiled.target) for stage in program.stages),
        "bytes": _sum(_stage_bytes(stage) for stage in program.stages),
        "work": _sum(_stage_work(stage) for stage in program.stages),
        "temporaries": compiled.workspace,
        "buffers": len(program.buffers),
        "stages": len(program.stages),
        "code_bytes": len(compiled.object),
    }


def _sum(values: Any) -> Size:
    total: Size = 0
    for value in values:
        total = total + value
    return total


def _of_blocks(stage: Blocked | Split, figure: Callable[[Any], Size]) -> Size:
    """A figure of all blocks, or parts, together."""
    one = _sum(figure(inside) for inside in stage.stages)
    if isinstance(stage.size, int):
        return one * dims.floordiv(stage.extent, stage.length)
    return dims.substitute(one, dict.fromkeys(dims.atoms_of(stage.size), stage.extent))


def _stage_flops(stage: Any, target: Target) -> Size:
    if isinstance(stage, (Blocked, Split)):
        return _of_blocks(stage, lambda one: _stage_flops(one, target))
    if isinstance(stage, Nest):
        return _block_flops(stage.body)
    if isinstance(stage, Product):
        whole = 2 * dims.product([*stage.batch, stage.m, stage.n, stage.k])
        share = band_share(product_kernel(stage, target), target)
        return whole if share == 1 else dims.floordiv(whole * share.numerator, share.denominator)
    return 0


def _stage_work(stage: Any) -> Size:
    return _of_blocks(stage, _stage_work) if isinstance(stage, (Blocked, Split)) else cost(stage)


def _block_flops(body: Sequence[Any]) -> Size:
    total: Size = 0
    for one in body:
        if isinstance(one, Let) and is_float(one.dtype) and one.op not in _FREE:
            total = total + 1
        elif isinstance(one, For):
            inside = _block_flops(one.body) + sum(
                1 for carry in one.carries if is_float(carry.dtype) and not carry.inner
            )
            total = total + one.axis.extent * inside
    return total


def _stage_bytes(stage: Any) -> Size:
    if isinstance(stage, (Blocked, Split)):
        return _of_blocks(stage, _stage_bytes)
    if isinstance(stage, Nest):
        return _block_bytes(stage.body)
    if isinstance(stage, Product):
        item = stage.c.buffer.dtype.itemsize
        sides = (stage.m * stage.k, stage.k * stage.n, stage.m * stage.n)
        return item * dims.product(stage.batch) * _sum(sides)
    if isinstance(stage, Along):
        items = sum(view.buffer.dtype.itemsize for view in (*stage.operands, stage.target))
        return items * dims.product([*stage.outer, stage.size])
    if isinstance(stage, Copy):
        return 2 * _bytes(stage.source)
    return _bytes(stage.buffer) if isinstance(stage, Fill) else 0


def _bytes(buffer: Buffer) -> Size:
    return buffer.size * buffer.dtype.itemsize


def _block_bytes(body: Sequence[Any]) -> Size:
    total: Size = 0
    for one in body:
        if isinstance(one, (Load, Store, Scatter)):
            total = total + one.buffer.dtype.itemsize
        elif isinstance(one, For):
            total = total + one.axis.extent * _block_bytes(one.body)
    return total
