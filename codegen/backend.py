"""The back end that symgrad finds.  In: compile requests.  Out: kernels to call, and files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen.aot.identifiers import in_c_library
from codegen.callbacks import bind_callbacks
from codegen.driver import Compiled, compile_body
from codegen.lapack import refuse_in_files
from codegen.llvm.toolchain import compile_text, load_object
from codegen.lower.loopir import text as loop_text
from codegen.python import Options, add_member, holding, make_kernel
from codegen.statistics import statistics
from codegen.target import find_target, native
from symgrad.backend import CompileRequest
from symgrad.errors import CompileError
from symgrad.graph import Graph
from symgrad.node import Node
from symgrad.variables import is_variable, set_exclusive

__all__ = ["LlvmBackend", "backend"]


class LlvmBackend:
    """Compiles with LLVM, for this machine or for files."""

    def compile(self, request: CompileRequest) -> Any:
        """A kernel callable with arrays.

        Raises
        ------
        CompileError
            Something has no machine code, or the target is another machine than this one.
        """
        target = find_target(request.target)
        if target is not native() and target.triple.split("-")[0] != native().triple.split("-")[0]:
            raise CompileError(
                f"compile: code for {request.target} cannot run on this machine", hint="sg.export writes it to files"
            )
        # A function that the generated code calls must not be the kernel itself.
        made = _body(request, f"{request.name}_kernel" if in_c_library(request.name) else request.name)
        start = time.perf_counter()
        name = made.spec.name
        loaded = load_object(made.object, [name, f"{name}_workspace"])
        arrays = [node.attrs.state.array for node in _variables(request)]
        body = bind_callbacks(made.spec, made.calls, loaded[name]) if made.calls else loaded
        kernel: Any = make_kernel(
            made.spec,
            body[name],
            loaded[f"{name}_workspace"],
            (loaded, body),
            options=Options(returns_tuple=not request.single),
            variables=arrays,
        )
        made.seconds["load"] = time.perf_counter() - start
        kernel.request, kernel.compiled = request, made
        return kernel

    def export(
        self, directory: Path, name: str, requests: Sequence[CompileRequest], kinds: Sequence[str]
    ) -> Mapping[str, Path]:
        """Write kernels to files; returns the path of each kind."""
        from codegen.aot import write_library

        target = find_target(requests[0].target)
        bodies = [(_body(request, request.name), request) for request in requests]
        for body, request in bodies:
            refuse_in_files(body.calls, [*request.graph.outputs, *(value for _, value in request.updates)])
        kernels = [(replace(body.spec, kink=request.kink), body.object) for body, request in bodies]
        return write_library(directory, name, kernels, target, kinds)


def _variables(request: CompileRequest) -> list[Node]:
    """The variables that a request reads or changes, the changed ones first."""
    found = dict.fromkeys(variable for variable, _ in request.updates)
    nodes = Graph([*request.graph.outputs, *(value for _, value in request.updates)], request.graph.inputs).free
    found.update(dict.fromkeys(node for node in nodes if is_variable(node)))
    return list(found)


def _body(request: CompileRequest, name: str) -> Compiled:
    graph = request.graph
    target = find_target(request.target)
    return compile_body(
        graph.outputs,
        graph.inputs,
        _variables(request),
        request.updates,
        name,
        target,
        request.output_names,
        request.check_finite,
        request.fastmath,
    )


# -- what a kernel shows of itself ----------------------------------------------------------------------------------
def _rebuild(request: CompileRequest) -> Any:
    return backend.compile(request)


add_member("graph", property(lambda self: self.request.graph))
add_member("llvm_ir", property(lambda self: self.compiled.text))
add_member("loop_ir", property(lambda self: loop_text(self.compiled.program)))
add_member("assembly", property(lambda self: compile_text(self.compiled.text, self.compiled.target)))
add_member("signature", property(lambda self: self.__signature__))
add_member("stats", property(lambda self: statistics(self.compiled, self.request.graph)))
add_member("__reduce__", lambda self: (_rebuild, (self.request,)))

set_exclusive(holding)
backend = LlvmBackend()
