"""Sums at known places as gathers: NumPy's values, and which sums become one."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from codegen.lower.canonical import canonical
from symgrad import ops
from symgrad.node import topological

SIZE = 30
ROWS, COLUMNS = np.tril_indices(SIZE)
LOW = np.tri(SIZE, k=-1) > 0
TRIANGLE = np.zeros((SIZE, SIZE), int)
TRIANGLE[LOW] = 7 + np.arange(LOW.sum())
ORDER = np.random.default_rng(3).permutation(400)
LENGTH = 7 + int(LOW.sum())

# The result's shape, the numbers' mask, the places, the axis, and whether a gather takes over.
CASES = {
    "a permutation": ((400, 3), None, [ORDER], 0, True),
    "a permutation, along the last axis": ((3, 400), None, [ORDER - 400], 1, True),
    "most of them": ((2, 500), None, [ORDER], 1, True),
    "a packed triangle": ((2, LENGTH), LOW, [TRIANGLE], 1, True),
    "a packed triangle, axes behind": ((LENGTH, 2), LOW[:, :, None], [TRIANGLE], 0, True),
    "a triangle": ((SIZE, SIZE), None, [ROWS, COLUMNS], 0, True),
    "twice the same": ((400,), None, [np.maximum(ORDER, 1)], 0, False),
    "the packed triangle without its mask": ((2, LENGTH), None, [TRIANGLE], 1, False),
    "few of many": ((4000,), None, [ORDER], 0, False),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name, rng):
    shape, mask, places, axis, expected = CASES[name]
    numbers = sg.symbol("numbers", (*shape[:axis], *places[0].shape, *shape[axis + len(places) :]))
    chosen = numbers if mask is None else np.where(mask, numbers, 0.0)
    node = ops.scatter_add(ops.zeros(shape), chosen, [ops.as_node(one) for one in places], axis)
    names = {one.op.name for one in topological(canonical([node]).outputs)}
    assert ("scatter_add" not in names) == expected
    given = rng.normal(size=numbers.shape)
    if mask is not None:
        given = np.where(mask, given, np.nan)  # which nobody reads
    want = np.zeros(shape)
    np.add.at(want, (*([slice(None)] * axis), *places), given if mask is None else np.where(mask, given, 0.0))
    assert_same(sg.compile(node, [numbers])(given), want)


def test_the_gradient_of_a_packed_triangle(rng):
    packed, head = sg.symbol("packed", (2, LENGTH)), sg.symbol("head", (2, SIZE, SIZE))
    read = np.where(LOW, packed[:, TRIANGLE], 0.0)
    (slope,) = sg.gradients(np.sum(read * head), [packed])
    heads = rng.normal(size=head.shape)
    want = np.zeros((2, LENGTH))
    want[:, 7:] = heads[:, LOW]
    assert_same(sg.compile(slope, [head])(heads), want)
