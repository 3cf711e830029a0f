"""Compare a function's derivatives with finite differences and exact values, at random points."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from symgrad import dims, types
from symgrad.check import check_gradients
from symgrad.cli.model import Model, add_model_arguments, load_model
from symgrad.dims import Atom
from symgrad.errors import SymgradError

__all__ = ["add_arguments", "run"]

_SIZE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument(
        "--size", action="append", default=[], metavar="NAME=SIZE", help=f"of a dynamic dimension (default {_SIZE})"
    )
    parser.add_argument("--order", type=int, default=2, help="highest order checked (default 2)")
    parser.add_argument("--points", type=int, default=3, help="number of random points (default 3)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--low", type=float, default=-1.0, help="arguments are drawn from [low, high] (default -1)")
    parser.add_argument("--high", type=float, default=1.0)
    parser.add_argument("--compiled", action="store_true", help="evaluate with compiled kernels")


def _sizes(model: Model, given: list[str]) -> dict[Atom, int]:
    atoms = {atom for node in model.inputs.values() for size in node.shape for atom in dims.atoms_of(size)}
    sizes = dict.fromkeys(atoms, _SIZE)
    for text in given:
        name, _, number = text.partition("=")
        atom = next((one for one in atoms if one.label == name), None)
        if atom is None or not number.isdigit():
            raise SymgradError(
                f"--size {text!r} is no NAME=SIZE of a dynamic dimension", hint=f"dimensions: {sorted(map(str, atoms))}"
            )
        sizes[atom] = int(number)
    return sizes


def _point(model: Model, sizes: dict[Atom, int], options: argparse.Namespace, rng: np.random.Generator) -> list[Any]:
    point = []
    for node in model.inputs.values():
        shape = tuple(dims.evaluate(size, sizes) for size in node.shape)
        if types.is_float(node.dtype):
            point.append(rng.uniform(options.low, options.high, shape))
        else:
            point.append(rng.integers(0, 2, shape).astype(node.dtype))
    return point


def run(options: argparse.Namespace) -> int:
    model = load_model(options)
    sizes = _sizes(model, options.size)
    rng = np.random.default_rng(options.seed)
    for number in range(options.points):
        point = _point(model, sizes, options, rng)
        report = check_gradients(
            model.function, *point, order=options.order, seed=options.seed, compiled=options.compiled
        )
        print(
            f"point {number + 1}: {report.checked} derivatives agree, largest relative deviation {report.worst:.1e}"
            + (f", {report.refereed} decided by exact values" if report.refereed else "")
        )
    return 0
