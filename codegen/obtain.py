"""The code of a kernel, from the disk or from the compiler.  In: a compile request.  Out: objects, interface, figures.

What an earlier process compiled for an equal request is read again; everything behind tracing and differentiation is
then skipped, and the modules that do it are not even loaded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from codegen.cache import Fingerprint, Record, Store, fingerprint, recall, remember, store_in_force
from codegen.interface import interface
from codegen.prediction import Prediction, predict
from codegen.python import Options, entry_object
from codegen.python.numpy_layout import problem
from codegen.signature import KernelSpec
from codegen.target import Target, find_target
from symgrad.backend import CompileRequest
from symgrad.graph import Graph
from symgrad.node import Node
from symgrad.variables import is_variable

if TYPE_CHECKING:
    from codegen.driver import Compiled

__all__ = ["Code", "compile_request", "obtain", "variables_of"]


class Code:
    """The code of one kernel.

    Attributes
    ----------
    spec : KernelSpec
    variables : sequence of nodes
        In the order of the interface.
    options : Options
        How it is called from Python.
    object : bytes
    entry : bytes or None
        Object of the Python entry; None where there is none.
    calls : tuple of nodes
        Callbacks, in the order of the interface.
    seconds : dict
        Seconds of each stage so far.
    cache : str
        ``"hit"``; ``"stored"``: compiled, and kept on disk; ``"unsuitable"``: it calls functions of this process;
        ``"unwritable"``: there is no directory for it that belongs to the user alone; ``"off"``.
    """

    def __init__(
        self,
        request: CompileRequest,
        name: str,
        spec: KernelSpec,
        variables: Sequence[Node],
        seconds: dict[str, float],
    ) -> None:
        self.request, self.name, self.spec, self.variables, self.seconds = request, name, spec, variables, seconds
        gil = "auto" if request.threads == 1 else "release"
        self.options = Options(returns_tuple=not request.single, gil=gil)
        self.object = b""
        self.entry: bytes | None = None
        self.calls: tuple[Node, ...] = ()
        self.cache = "off"

    @cached_property
    def compiled(self) -> Compiled:
        """The compiled body with its texts; made again for what came from the disk."""
        return compile_request(self.request, self.name)

    @cached_property
    def figures(self) -> Mapping[str, Any]:
        from codegen.statistics import figures

        return figures(self.compiled)

    @cached_property
    def prediction(self) -> Prediction:
        """How long a call takes."""
        return predict(self.figures, self.spec, find_target(self.request.target), self.request.threads)

    def statistics(self) -> dict[str, Any]:
        """The figures of :func:`codegen.statistics.figures`, and

        predicted_seconds : seconds of a call by a roofline, a number or a function of the dimensions by name
        nodes : nodes of the graph
        cache : see above
        seconds : seconds of each stage of compilation
        """
        predicted = self.prediction if self.spec.dims else self.prediction()
        own = {"predicted_seconds": predicted, "nodes": len(self.request.graph), "cache": self.cache}
        return {**self.figures, **own, "seconds": dict(self.seconds)}


def obtain(request: CompileRequest, name: str, target: Target) -> Code:
    """The code of a kernel to be called in this process.

    Raises
    ------
    CompileError
        Something has no machine code.
    """
    start = time.perf_counter()
    store = store_in_force()
    variables = variables_of(request)
    mark = fingerprint(request, variables, name, target) if store is not None else None
    record = recall(store, mark) if store is not None and mark is not None else None
    seconds = {"look-up": time.perf_counter() - start} if store is not None else {}
    if record is not None:
        return _recalled(request, name, variables, record, seconds)
    made = _compiled(request, name, variables, seconds)
    if store is not None:
        made.cache = _kept(store, mark, made)
    return made


def _recalled(
    request: CompileRequest, name: str, variables: Sequence[Node], record: Record, seconds: dict[str, float]
) -> Code:
    graph = request.graph
    spec = interface(name, graph.outputs, graph.inputs, variables, request.output_names, record.messages)
    made = Code(request, name, spec, variables, seconds)
    made.object, made.entry, made.figures, made.cache = record.object, record.entry or None, record.figures, "hit"
    return made


def _compiled(request: CompileRequest, name: str, variables: Sequence[Node], seconds: dict[str, float]) -> Code:
    body = compile_request(request, name)
    made = Code(request, name, body.spec, variables, seconds)
    made.compiled, made.object, made.calls = body, body.object, body.calls
    seconds.update(body.seconds)
    start = time.perf_counter()
    if problem() is None:
        made.entry = entry_object(made.spec, made.options)
    seconds["entry"] = time.perf_counter() - start
    return made


def _kept(store: Store, mark: Fingerprint | None, made: Code) -> str:
    """Keep what was compiled; what became of it."""
    if mark is None or made.calls:
        return "unsuitable"
    start = time.perf_counter()
    record = Record(made.object, made.entry or b"", made.spec.messages, made.figures)
    kept = remember(store, mark, record)
    made.seconds["store"] = time.perf_counter() - start
    return "stored" if kept else "unwritable"


def compile_request(request: CompileRequest, name: str) -> Compiled:
    """Compile a request under a name.

    Raises
    ------
    CompileError
        Something has no machine code.
    """
    from codegen.driver import compile_body

    graph = request.graph
    return compile_body(
        graph.outputs,
        graph.inputs,
        variables_of(request),
        request.updates,
        name,
        find_target(request.target),
        request.output_names,
        request.check_finite,
        request.fastmath,
        request.threads,
        () if request.updates else graph.nodes,
    )


def variables_of(request: CompileRequest) -> list[Node]:
    """The variables that a request reads or changes, the changed ones first."""
    found = dict.fromkeys(variable for variable, _ in request.updates)
    graph = request.graph
    if request.updates:
        graph = Graph([*graph.outputs, *(value for _, value in request.updates)], graph.inputs)
    found.update(dict.fromkeys(node for node in graph.free if is_variable(node)))
    return list(found)
