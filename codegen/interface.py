"""The interface of a kernel from what is compiled.  In: placeholders, variables, results.  Out: a :class:`KernelSpec`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codegen.signature import Argument, Callback, KernelSpec, Message, dims_of
from symgrad.node import Node
from symgrad.ops.callback import result_types

__all__ = ["interface"]


def interface(
    name: str,
    outputs: Sequence[Node],
    inputs: Sequence[Node],
    variables: Sequence[Node],
    output_names: Sequence[str] = (),
    messages: Sequence[Message] = (),
    calls: Sequence[Node] = (),
) -> KernelSpec:
    """The interface of a kernel of that name; ``messages`` and ``calls`` are what lowering found."""
    names = output_names or (["out"] if len(outputs) == 1 else [f"out{k}" for k in range(len(outputs))])
    return KernelSpec(
        _identifier(name),
        tuple(Argument(node.attrs.name, node.type) for node in inputs),
        tuple(Argument(node.attrs.name, node.type) for node in variables),
        tuple(Argument(own, node.type) for own, node in zip(names, outputs, strict=True)),
        dims_of([node.type for node in (*inputs, *variables)]),
        tuple(messages),
        tuple(
            Callback(node.attrs.host.name, tuple(one.type for one in node.inputs), result_types(node.attrs))
            for node in calls
        ),
    )


def _identifier(name: str) -> str:
    """A C identifier from any name."""
    made = re.sub(r"\W", "_", name)
    return made if made and not made[0].isdigit() else f"k_{made}"
