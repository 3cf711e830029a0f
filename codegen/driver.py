"""From a graph to an object file.  In: results, placeholders, updates, a target.  Out: machine code and what is known of it.

The stages, in order: canonical graph, partition into stages of the loop IR, LLVM text, object.  Each is timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from typing import NamedTuple

from codegen.emit.kernel import emit_kernel
from codegen.emit.threads import has_threads
from codegen.interface import interface
from codegen.llvm.parts import compile_module
from codegen.lower.canonical import canonical
from codegen.lower.finish import finish
from codegen.lower.finite import finite_check
from codegen.lower.loopir import Program, Split
from codegen.lower.partition import Request, partition
from codegen.signature import KernelSpec
from codegen.target import Target
from symgrad.collection import collection_paused
from symgrad.dims import Size
from symgrad.node import Node, topological
from symgrad.ops.callback import stateful_calls

__all__ = ["Compiled", "compile_body"]


class Compiled(NamedTuple):
    """One compiled kernel body.

    Attributes
    ----------
    spec : its interface
    text : LLVM IR
    object : object file
    program : loop IR
    workspace : bytes of its arena
    seconds : time of each stage
    target : what it was compiled for
    calls : callbacks that it calls, in the order of the interface
    threads : how many threads a call may use
    """

    spec: KernelSpec
    text: str
    object: bytes
    program: Program
    workspace: Size
    seconds: dict[str, float]
    target: Target
    calls: tuple[Node, ...] = ()
    threads: int = 1


def compile_body(
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    variables: Sequence[Node],
    updates: Sequence[tuple[Node, Node]],
    name: str,
    target: Target,
    output_names: Sequence[str] = (),
    check_finite: bool = False,
    fastmath: Set[str] = frozenset({"contract"}),
    threads: int = 1,
    order: Sequence[Node] = (),
) -> Compiled:
    """Compile results of placeholders to machine code; on request it stops where a result is not finite.

    ``threads`` is how many threads a call may use; ``order`` is the topological order of all that the outputs and the
    updates' new values are made of, where that is known.

    Raises
    ------
    CompileError
        Something has no machine code.
    """
    watch = _Stopwatch()
    with collection_paused():
        wanted = [*outputs, *(value for _, value in updates)]
        check = finite_check(wanted) if check_finite else None
        order = order or topological(wanted)
        effects = stateful_calls(order)
        checked = check.nodes if check is not None else ()
        values, order = canonical([*wanted, *effects, *checked], order if not checked else (), fastmath)
        results, news = values[: len(outputs)], values[len(outputs) : len(wanted)]
        if check is not None:
            check = check.with_nodes(values[len(wanted) + len(effects) :])
        watch.lap("canonical")
        pairs = tuple((variable, new) for (variable, _), new in zip(updates, news, strict=True))
        lowered = partition(
            Request(
                tuple(results),
                tuple(inputs),
                tuple(variables),
                pairs,
                check,
                tuple(values[len(wanted) : len(wanted) + len(effects)]),
                order if not effects else (),
            )
        )
        threads = threads if has_threads(target) else 1
        program = finish(lowered.program, fastmath, threads)
        watch.lap("loops")
        spec = interface(name, outputs, inputs, variables, output_names, lowered.messages, lowered.calls)
        module, arena = emit_kernel(program, spec, target, "contract" in fastmath, threads)
        text = module.text()
        watch.lap("llvm text")
    obj = compile_module(module, target)
    watch.lap("machine code")
    used = max((stage.workers for stage in program.stages if isinstance(stage, Split)), default=1)
    return Compiled(spec, text, obj, program, arena.size, watch.seconds, target, lowered.calls, used)


class _Stopwatch:
    """The seconds of one stage after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._start
        self._start = now
