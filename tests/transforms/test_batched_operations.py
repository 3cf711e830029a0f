"""vmap over every operation: compiled once for a dynamic number of elements, against a loop over the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad import types
from symgrad.backend import find_backend
from symgrad.errors import CompileError
from symgrad.interp import evaluate
from symgrad.node import apply
from symgrad.opdef import REGISTRY
from symgrad.ops.source import parameter

find_backend("llvm")  # registers everything that registers anything


def float64(array):
    array = np.asarray(array)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def first_sample(op, seed=0):
    """Arrays from the operation's domain, others for every seed, and attributes."""
    for sample in op.samples(np.random.default_rng(seed)):
        return [float64(array) for array in sample.arrays], sample.attrs
    return [], ()


OPERATIONS = [op for op in REGISTRY.values() if first_sample(op)[0]]


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_a_dynamic_number_of_elements(op):
    """Over the last axis of the first argument and the first of the others, to the last of the result."""
    arrays, attrs = first_sample(op)
    n, count = sg.dim("n"), len(arrays)
    in_axes = (-1, *[0] * (count - 1))
    shapes = [(*arrays[0].shape, n), *((n, *array.shape) for array in arrays[1:])]
    kinds = [types.as_dtype(array.dtype) for array in arrays]
    inputs = [parameter(f"x{k}", types.of(*one)) for k, one in enumerate(zip(kinds, shapes, strict=True))]
    made = sg.vmap(lambda *xs: apply(op, xs, attrs), in_axes, -1)(*inputs)
    try:
        kernel = sg.compile(made, inputs)
    except CompileError as refusal:
        assert "no machine code" in str(refusal)
        assert op.lowering == "host"
        return
    element = [
        parameter(f"x{k}", types.of(*one)) for k, one in enumerate(zip(kinds, map(np.shape, arrays), strict=True))
    ]
    node = apply(op, tuple(element), attrs)
    for size in (1, 4):
        rows = [first_sample(op, seed)[0] for seed in range(size)]
        stacks = [np.stack(column, axis) for column, axis in zip(zip(*rows, strict=True), in_axes, strict=True)]
        want = [evaluate([node], dict(zip(element, row, strict=True)))[0] for row in rows]
        assert_same(kernel(*stacks), np.stack(want, -1))
