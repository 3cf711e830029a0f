"""The back end that symgrad finds.  In: compile requests.  Out: kernels to call, and files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen.aot.identifiers import in_c_library
from codegen.callbacks import bind_callbacks
from codegen.lapack import refuse_in_files
from codegen.llvm.toolchain import compile_text, load_object
from codegen.obtain import compile_request, obtain
from codegen.prediction import measure
from codegen.python import add_member, holding, make_kernel
from codegen.target import find_target, native
from symgrad.backend import CompileRequest
from symgrad.errors import CompileError
from symgrad.variables import set_exclusive

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
        name = f"{request.name}_kernel" if in_c_library(request.name) else request.name
        made = obtain(request, name, target)
        start = time.perf_counter()
        spec = made.spec
        loaded = load_object(made.object, [spec.name, f"{spec.name}_workspace"])
        body = bind_callbacks(spec, made.calls, loaded[spec.name]) if made.calls else loaded
        kernel: Any = make_kernel(
            spec,
            body[spec.name],
            loaded[f"{spec.name}_workspace"],
            (loaded, body),
            options=made.options,
            variables=[node.attrs.state.array for node in made.variables],
            entry=made.entry,
        )
        made.seconds["load"] = time.perf_counter() - start
        kernel.request, kernel.made = request, made
        return kernel

    def export(
        self, directory: Path, name: str, requests: Sequence[CompileRequest], kinds: Sequence[str]
    ) -> Mapping[str, Path]:
        """Write kernels to files; returns the path of each kind."""
        from codegen.aot import write_library

        target = find_target(requests[0].target)
        bodies = [(compile_request(request, request.name), request) for request in requests]
        for body, request in bodies:
            refuse_in_files(body.calls, [*request.graph.outputs, *(value for _, value in request.updates)])
        specs = [replace(body.spec, kink=request.kink, threads=body.threads) for body, request in bodies]
        kernels = [(spec, body.object) for spec, (body, _) in zip(specs, bodies, strict=True)]
        return write_library(directory, name, kernels, target, kinds)


def loop_text(program: Any) -> str:
    """The text of a loop program, whose module a kernel from the disk has not loaded."""
    from codegen.lower.loopir import text

    return text(program)


# -- what a kernel shows of itself ----------------------------------------------------------------------------------
def _rebuild(request: CompileRequest) -> Any:
    return backend.compile(request)


add_member("graph", property(lambda self: self.request.graph))
add_member("llvm_ir", property(lambda self: self.made.compiled.text))
add_member("loop_ir", property(lambda self: loop_text(self.made.compiled.program)))
add_member("assembly", property(lambda self: compile_text(self.made.compiled.text, self.made.compiled.target)))
add_member("signature", property(lambda self: self.__signature__))
add_member("stats", property(lambda self: self.made.statistics()))
add_member("variables", property(lambda self: list(self.made.variables)))
add_member("measure", measure)
add_member("__reduce__", lambda self: (_rebuild, (self.request,)))

set_exclusive(holding)
backend = LlvmBackend()
