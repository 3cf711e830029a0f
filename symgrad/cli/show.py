"""Print a function or a derivative of it: as mathematics, a graph, loops, or code."""

from __future__ import annotations

import argparse
from typing import Any

from symgrad.cli.model import Model, add_model_arguments, load_model
from symgrad.compile import compile
from symgrad.diff.gradients import gradients, jacobian
from symgrad.latex import latex
from symgrad.node import topological
from symgrad.printing import summary
from symgrad.rewrite import simplify

__all__ = ["add_arguments", "run"]

FORMATS = ("text", "latex", "dot", "loops", "ir", "asm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("--derivative", metavar="ARG", help="show the gradient (or Jacobian) by this argument")
    parser.add_argument("--format", choices=FORMATS, default="text")


def _expression(model: Model, by: str | None) -> Any:
    if by is None:
        return model.value
    x = model.input(by)
    if model.value.ndim:
        return simplify(jacobian(model.value, x))
    return simplify(gradients(model.value, [x], unconnected="zero")[0])


def dot(expression: Any) -> str:
    """The graph in Graphviz's language."""
    order = topological([expression])
    numbers = {node: k for k, node in enumerate(order)}
    lines = ["digraph expression {", "  node [shape=box, fontname=monospace];"]
    for node, k in numbers.items():
        label = summary(node, 1) if not node.inputs else node.op.name
        escaped = label.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  n{k} [label="{escaped}\\n{node.type}"];')
        lines += [f"  n{numbers[one]} -> n{k};" for one in node.inputs]
    return "\n".join([*lines, "}"])


def run(options: argparse.Namespace) -> int:
    model = load_model(options)
    expression = _expression(model, options.derivative)
    if options.format == "text":
        print(expression)
    elif options.format == "latex":
        print(latex(expression))
    elif options.format == "dot":
        print(dot(expression))
    else:
        kernel = compile(expression, list(model.inputs.values()), name=model.name)
        print({"loops": kernel.loop_ir, "ir": kernel.llvm_ir, "asm": kernel.assembly}[options.format])
    return 0
