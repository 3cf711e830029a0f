"""From a graph to an object file.  In: results, placeholders, updates, a target.  Out: machine code and what is known of it.

The stages, in order: canonical graph, partition into stages of the loop IR, LLVM text, object.  Each is timed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from codegen.emit.kernel import emit_kernel
from codegen.llvm.toolchain import compile_object
from codegen.lower.canonical import canonical
from codegen.lower.finish import finish
from codegen.lower.finite import finite_check
from codegen.lower.loopir import Program
from codegen.lower.partition import Request, partition
from codegen.signature import Argument, Callback, KernelSpec, dims_of
from codegen.target import Target
from symgrad.collection import collection_paused
from symgrad.dims import Size
from symgrad.node import Node, topological
from symgrad.ops.callback import result_types, stateful_calls

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
    """

    spec: KernelSpec
    text: str
    object: bytes
    program: Program
    workspace: Size
    seconds: dict[str, float]
    target: Target
    calls: tuple[Node, ...] = ()


def identifier(name: str) -> str:
    """A C identifier from any name."""
    made = re.sub(r"\W", "_", name)
    return made if made and not made[0].isdigit() else f"k_{made}"


def compile_body(
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    variables: Sequence[Node],
    updates: Sequence[tuple[Node, Node]],
    name: str,
    target: Target,
    output_names: Sequence[str] = (),
    check_finite: bool = False,
) -> Compiled:
    """Compile results of placeholders to machine code; on request it stops where a result is not finite.

    Raises
    ------
    CompileError
        Something has no machine code.
    """
    watch = _Stopwatch()
    with collection_paused():
        wanted = [*outputs, *(value for _, value in updates)]
        check = finite_check(wanted) if check_finite else None
        order = topological(wanted)
        effects = stateful_calls(order)
        checked = check.nodes if check is not None else ()
        values, order = canonical([*wanted, *effects, *checked], order if not checked else ())
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
        program = finish(lowered.program)
        watch.lap("loops")
        spec = KernelSpec(
            identifier(name),
            tuple(Argument(node.attrs.name, node.type) for node in inputs),
            tuple(Argument(node.attrs.name, node.type) for node in variables),
            tuple(
                Argument(own, node.type) for own, node in zip(output_names or _numbered(outputs), outputs, strict=True)
            ),
            dims_of([node.type for node in (*inputs, *variables)]),
            lowered.messages,
            tuple(
                Callback(node.attrs.host.name, tuple(one.type for one in node.inputs), result_types(node.attrs))
                for node in lowered.calls
            ),
        )
        module, arena = emit_kernel(program, spec, target)
        text = module.text()
        watch.lap("llvm text")
    obj = compile_object(text, target, _level(text))
    watch.lap("machine code")
    return Compiled(spec, text, obj, program, arena.size, watch.seconds, target, lowered.calls)


class _Stopwatch:
    """The seconds of one stage after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._start
        self._start = now


def _numbered(outputs: Sequence[Any]) -> list[str]:
    return ["out"] if len(outputs) == 1 else [f"out{k}" for k in range(len(outputs))]


_HUGE = 4_000_000  # characters of LLVM text beyond which quick code generation is chosen


def _level(text: str) -> int:
    return 2 if len(text) < _HUGE else 1
