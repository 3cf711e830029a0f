"""What a library contains, for programs.  In: the interfaces of its kernels.  Out: JSON, the same bytes every time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from codegen.aot.header import ABI_VERSION
from codegen.aot.identifiers import c_names, callback_names, dim_names, size_text
from codegen.signature import Argument, KernelSpec
from codegen.target import Target
from symgrad.types import TensorType

__all__ = ["manifest_text"]


def manifest_text(library: str, specs: Sequence[KernelSpec], target: Target) -> str:
    """The manifest of a library."""
    content = {
        "abi": ABI_VERSION,
        "library": library,
        "target": {"name": target.name, "triple": target.triple, "cpu": target.cpu, "features": target.features},
        "kernels": [_kernel(spec) for spec in specs],
    }
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _kernel(spec: KernelSpec) -> dict[str, Any]:
    arrays, sizes = c_names(spec)
    named = iter(arrays)

    def listed(arguments: Sequence[Argument]) -> list[dict[str, Any]]:
        return [_argument(spec, one, next(named)) for one in arguments]

    calls = [
        {
            "name": call.name,
            "parameter": name,
            "context": context,
            "inputs": [_array(spec, kind) for kind in call.inputs],
            "outputs": [_array(spec, kind) for kind in call.outputs],
        }
        for (name, context), call in zip(callback_names(spec), spec.callbacks, strict=True)
    ]
    return {
        **({"callbacks": calls} if calls else {}),
        **({"threads": spec.threads} if spec.threads > 1 else {}),
        "name": spec.name,
        "kink": spec.kink,
        "inputs": listed(spec.inputs),
        "variables": listed(spec.variables),
        "outputs": listed(spec.outputs),
        "dims": [
            {"name": name, "parameter": parameter}
            for name, parameter in zip(dim_names(spec).values(), sizes, strict=True)
        ],
        "messages": [
            {"status": status, "kind": message.kind, "text": message.text}
            for status, message in enumerate(spec.messages, 1)
        ],
    }


def _argument(spec: KernelSpec, one: Argument, parameter: str) -> dict[str, Any]:
    return {"name": one.name, "parameter": parameter, **_array(spec, one.type)}


def _array(spec: KernelSpec, kind: TensorType) -> dict[str, Any]:
    names = dim_names(spec)
    shape = [size if isinstance(size, int) else size_text(size, names) for size in kind.shape]
    return {"dtype": kind.dtype.name, "shape": shape}
