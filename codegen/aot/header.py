"""C headers.  In: the interfaces of a library's kernels.  Out: the text of a header for C99 and C++."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.aot.identifiers import CALLBACK_TYPE, c_names, callback_names, dim_names, size_text
from codegen.signature import Argument, KernelSpec
from codegen.target import Target
from symgrad.types import TensorType

__all__ = ["ABI_VERSION", "header_text"]

ABI_VERSION = 1
_WIDTH = 120

_OPENING = """\
/* {library}.h: kernels compiled by symgrad for {cpu} ({triple}).

   Arrays are dense and in C order; scalars are passed by pointer, too; booleans are bytes 0 or 1.  An array that is
   written may not overlap any other.  The workspace is memory for the function's own use, as large as NAME_workspace
   says for the same sizes and aligned to 64 bytes; it may be NULL where that is 0, and INT64_MAX stands for sizes that
   64 bits do not count: do not call.  Functions allocate nothing, keep nothing, and may run in several threads at once,
   each with a workspace (and variables) of its own.  The result is 0, or a status that NAME_error has a text for; then
   no output and no variable has been written. */

#ifndef {guard}
#define {guard}

#include <stdint.h>

#ifndef SYMGRAD_ABI_VERSION
#define SYMGRAD_ABI_VERSION {abi}
#elif SYMGRAD_ABI_VERSION != {abi}
#error "headers of different versions of the interface are included together"
#endif

#ifdef __cplusplus
extern "C" {{
#endif
"""
_CALLBACK_TYPE = f"""
/* A function of the program's own that a kernel calls in the thread that has called the kernel.  Arrays are dense and in C
   order; inputs may be read, outputs have to be written, none may be kept.  SIZES are those of all axes of all inputs,
   and then of all outputs.  CONTEXT is whatever was passed with the function.  A result other than 0 stops the kernel,
   which then returns the status that belongs to the function. */
#ifndef SYMGRAD_CALLBACK
#define SYMGRAD_CALLBACK
typedef int32_t (*{CALLBACK_TYPE})(void *context, const void *const *inputs, void *const *outputs,
                                    const int64_t *sizes);
#endif
"""
_CLOSING = """
#ifdef __cplusplus
}
#endif

#endif
"""


def header_text(library: str, specs: Sequence[KernelSpec], target: Target) -> str:
    """The header of a library."""
    opening = _OPENING.format(
        library=library,
        cpu=target.cpu,
        triple=target.triple,
        guard=f"SYMGRAD_{library.upper()}_H",
        abi=ABI_VERSION,
    )
    if any(spec.callbacks for spec in specs):
        opening += _CALLBACK_TYPE
    return opening + "".join(_declarations(spec) for spec in specs) + _CLOSING


def _declarations(spec: KernelSpec) -> str:
    arrays, sizes = c_names(spec)
    count = len(spec.inputs)
    parameters = [
        f"{'const ' if k < count else ''}{one.c_type} *{name}"
        for k, (one, name) in enumerate(zip(spec.arrays, arrays, strict=True))
    ]
    longs = [f"int64_t {name}" for name in sizes]
    calls = [one for name, context in callback_names(spec) for one in (f"{CALLBACK_TYPE} {name}", f"void *{context}")]
    return f"""
/* {spec.name}
{_comment(spec, arrays, sizes)} */
{_prototype(f"int32_t {spec.name}", [*parameters, *longs, "void *workspace", *calls])}
{_prototype(f"int64_t {spec.name}_workspace", longs or ["void"])}
const char *{spec.name}_error(int32_t status);
"""


def _prototype(beginning: str, parameters: Sequence[str]) -> str:
    whole = f"{beginning}({', '.join(parameters)});"
    return whole if len(whole) <= _WIDTH else f"{beginning}(\n    " + ",\n    ".join(parameters) + ");"


def _comment(spec: KernelSpec, arrays: Sequence[str], sizes: Sequence[str]) -> str:
    roles = ["in"] * len(spec.inputs) + ["in and out"] * len(spec.variables) + ["out"] * len(spec.outputs)
    lines = [
        f"{name}: {role}, {_shape(spec, one)}" + (f" ({one.name})" if one.name != name else "")
        for one, name, role in zip(spec.arrays, arrays, roles, strict=True)
    ]
    lines.append(f"sizes, in this order: {', '.join(sizes)}" if sizes else "no sizes")
    for (name, _), call in zip(callback_names(spec), spec.callbacks, strict=True):
        inputs, outputs = (", ".join(_type(spec, kind) for kind in some) for some in (call.inputs, call.outputs))
        lines.append(f"{name}: ({inputs}) -> ({outputs})" + (f" ({call.name})" if call.name != name else ""))
    if spec.threads > 1:
        lines.append(f"up to {spec.threads} threads, all but the caller's ended when it returns; link with -pthread")
    for status, message in enumerate(spec.messages, 1):
        first, *rest = message.text.split("\n")
        lines += [f"status {status} ({message.kind}): {first}", *(f"    {line}" for line in rest)]
    return "\n".join(f"   {_harmless(line)}" for line in lines)


def _shape(spec: KernelSpec, one: Argument) -> str:
    """The type of an array, with what its sizes are called as parameters."""
    if not one.type.shape:
        return f"one {one.c_type}"
    _, sizes = c_names(spec)
    named = dict(zip(dim_names(spec).values(), sizes, strict=True))
    text = ", ".join(size_text(size, dim_names(spec)) for size in one.type.shape)
    changed = [f"{ours} is {theirs}" for ours, theirs in named.items() if ours != theirs]
    return f"{one.c_type}[{text}]" + (f" where {', '.join(changed)}" if changed else "")


def _type(spec: KernelSpec, kind: TensorType) -> str:
    """The type of an argument of a callback."""
    return _shape(spec, Argument("", kind)).removeprefix("one ")


def _harmless(line: str) -> str:
    """Text that does not end a comment, nor begin one."""
    return line.replace("*/", "* /").replace("/*", "/ *").rstrip("\\")
