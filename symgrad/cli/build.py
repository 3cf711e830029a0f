"""Compile a function and its derivatives to files.

The kernels are the function itself, ``NAME_grad`` (value and gradients with respect to every ``--grad``),
``NAME_jacobian_ARG`` and ``NAME_hessian_ARG``.
"""

from __future__ import annotations

import argparse
from typing import Any

from symgrad.cli.model import Model, add_model_arguments, chosen, load_model
from symgrad.diff.gradients import gradients, hessian, jacobian
from symgrad.transforms.export import KINDS, export

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    for name, what in (("grad", "gradient"), ("jacobian", "Jacobian"), ("hessian", "Hessian")):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar="ARG", help=f"also the {what} by this argument"
        )
    parser.add_argument("-o", "--output", default="build", help="directory (default: build)")
    parser.add_argument("--name", help="base name of the files (default: the function's)")
    parser.add_argument("--target", default="native", help="machine (default: native)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="kinds of files (default: all)")


def kernels_of(model: Model, options: argparse.Namespace) -> dict[str, Any]:
    """What is exported: name to (outputs, inputs)."""
    inputs = list(model.inputs.values())
    made: dict[str, Any] = {model.name: ({"value": model.value}, inputs)}
    if options.grad:
        slopes = gradients(model.value, chosen(model, options.grad), unconnected="zero")
        parts = {f"grad_{name}": slope for name, slope in zip(options.grad, slopes, strict=True)}
        made[f"{model.name}_grad"] = ({"value": model.value, **parts}, inputs)
    for name in options.jacobian:
        made[f"{model.name}_jacobian_{name}"] = ({"jacobian": jacobian(model.value, model.input(name))}, inputs)
    for name in options.hessian:
        made[f"{model.name}_hessian_{name}"] = ({"hessian": hessian(model.value, model.input(name))}, inputs)
    return made


def run(options: argparse.Namespace) -> int:
    model = load_model(options)
    made = kernels_of(model, options)
    files = export(options.output, made, options.kind or KINDS, options.name or model.name, options.target)
    for path in files.values():
        print(path)
    return 0
