"""Lowering expressions to the loop IR and running it there, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from codegen.lower.canonical import canonical
from codegen.lower.evaluate import run
from codegen.lower.finish import finish
from codegen.lower.loopir import Program
from codegen.lower.partition import Lowered, Request, partition
from symgrad import dims


def lower(
    outputs: Sequence[Any], inputs: Sequence[Any], updates: Sequence[tuple[Any, Any]] = (), threads: int = 1
) -> Lowered:
    """The program of expressions of the inputs."""
    values = canonical([*outputs, *(value for _, value in updates)]).outputs
    count = len(outputs)
    variables = tuple(variable for variable, _ in updates)
    pairs = tuple(zip(variables, values[count:], strict=True))
    lowered = partition(Request(tuple(values[:count]), tuple(inputs), variables, pairs))
    return lowered._replace(program=finish(lowered.program, threads=threads))


def program_of(outputs: Sequence[Any], inputs: Sequence[Any], threads: int = 1) -> Program:
    return lower(outputs, inputs, threads=threads).program


def sizes_of(inputs: Sequence[Any], arrays: Sequence[Any]) -> dict[Any, int]:
    """What the shapes of the arrays say of the dynamic dimensions."""
    found = {}
    for node, array in zip(inputs, arrays, strict=True):
        for size, own in zip(node.shape, np.shape(array), strict=True):
            if not isinstance(size, int):
                (atom,) = dims.atoms_of(size)
                found[atom] = own
    return found


def interpret(
    outputs: Sequence[Any], inputs: Sequence[Any], arrays: Sequence[Any], threads: int = 1
) -> tuple[int, list[np.ndarray]]:
    """Status and results of the program, run by the loop IR's interpreter."""
    program = program_of(outputs, inputs, threads)
    sizes = sizes_of(inputs, arrays)
    memory = {("input", k): np.ascontiguousarray(a) for k, a in enumerate(arrays)}
    results = []
    for k, node in enumerate(outputs):
        shape = [dims.evaluate(size, sizes) for size in node.shape]
        results.append(np.full(shape, 55, node.dtype))
        memory["output", k] = results[-1]
    return run(program, memory, sizes), results
