"""Zeros and elements that nobody reads: what the graph knows, and products that leave them out."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret, program_of

import symgrad as sg
import symgrad.numpy as snp
from codegen.lower.loopir import Product, flattened
from symgrad import dims
from symgrad.interp import evaluate

SIZE = 40
A = sg.symbol("matrix_with_zeros", (SIZE, SIZE))
B = sg.symbol("other_of_zeros", ("n", SIZE))
S = sg.symbol("stack_with_zeros", (3, SIZE, SIZE))
PACKED = sg.symbol("packed_triangle", (SIZE * (SIZE + 1) // 2,))
LOW = np.tri(SIZE) > 0
ROWS, COLUMNS = np.tril_indices(SIZE)


def scattered():
    return sg.ops.scatter_add(sg.ops.zeros((SIZE, SIZE)), PACKED, [sg.ops.as_node(ROWS), sg.ops.as_node(COLUMNS)], 0)


def swapped(x):
    return np.transpose(x, (0, 2, 1))


# What is computed, and the bands of a, b and c that its product has.
LOWER, UPPER = (1 - SIZE, 0), (0, SIZE - 1)
CASES = {
    "a selected triangle": (lambda: np.where(LOW, A, 0.0) @ B.T, {"a": LOWER}),
    "tril": (lambda: B @ snp.tril(A), {"b": LOWER}),
    "triu, strict": (lambda: B @ snp.triu(A, 1), {"b": (1, SIZE - 1)}),
    "a transposed triangle": (lambda: B @ np.where(LOW, A, 0.0).T, {"b": UPPER}),
    "scaled, negated, added": (
        lambda: B @ (-2.0 * np.where(LOW, A, 0.0) + np.where(np.eye(SIZE) > 0, 1.0, 0.0)),
        {"b": LOWER},
    ),
    "a chosen constant": (lambda: B @ np.where(LOW, np.where(LOW.T, A, 0.0), 0.0), {"b": (0, 0)}),
    "a few diagonals": (lambda: B @ np.where(abs(ROWS_TO_COLUMNS) < 3, np.sin(A), 0.0), {"b": (-2, 2)}),
    "scattered": (lambda: B @ scattered(), {"b": LOWER}),
    "constant": (lambda: B @ np.tri(SIZE), {"b": LOWER}),
    "a stack of triangles": (lambda: np.einsum("kij,nj->nki", np.where(LOW, S, 0.0), B), {"b": UPPER}),
    "the stack, mirrored": (lambda: np.einsum("kji,nj->nki", swapped(np.where(LOW, S, 0.0)), B), {"b": UPPER}),
    "two triangles": (lambda: np.where(LOW, A, 0.0) @ np.where(LOW, A + 1.0, 0.0), {"a": LOWER, "b": LOWER}),
    "a selected result": (lambda: np.where(LOW, B.T @ B, 0.0), {"c": LOWER}),
    "two selections": (lambda: (np.where(LOW, (B.T @ B).T, 0.0), np.where(LOW.T, B.T @ B, 1.0)), {"c": UPPER}),
    "a gathered result": (lambda: (B.T @ B)[ROWS, COLUMNS], {"c": LOWER}),
    "a multiplied mask": (lambda: B @ (A * LOW), {}),
    "a quotient": (lambda: B @ (1.0 / np.where(LOW, A, 0.0)), {}),
    "cosines": (lambda: B @ np.cos(np.where(LOW, A, 0.0)), {}),
    "a mask of an argument": (lambda: B @ np.where(A > 0, A, 0.0), {}),
    "a result that is also read as a whole": (lambda: (np.where(LOW, B.T @ B, 0.0), np.sum(B.T @ B)), {}),
    "most of a matrix": (lambda: B @ np.where(ROWS_TO_COLUMNS < 30, A, 0.0), {}),
}
ROWS_TO_COLUMNS = np.arange(SIZE) - np.arange(SIZE)[:, None]
INPUTS = [A, B, S, PACKED]


def arrays(rng, rows=70):
    return [rng.normal(size=shape) for shape in ((SIZE, SIZE), (rows, SIZE), (3, SIZE, SIZE), (PACKED.shape[0],))]


def outputs_of(name):
    made = CASES[name][0]()
    return made if isinstance(made, tuple) else (made,)


@pytest.mark.parametrize("name", CASES)
def test_bands_and_values(name, rng):
    outputs, given = outputs_of(name), arrays(rng)
    program = program_of(outputs, INPUTS)
    (product,) = [one for one in flattened(program.stages) if isinstance(one, Product)]
    bands = {"a": product.a_band, "b": product.b_band, "c": product.c_band}
    assert {key: tuple(band) for key, band in bands.items() if band is not None} == CASES[name][1]
    want = evaluate(list(outputs), dict(zip(INPUTS, given, strict=True)))
    status, got = interpret(outputs, INPUTS, given)
    assert status == 0
    for one, other in zip((*got, *sg.compile(outputs, INPUTS)(*given)), (*want, *want), strict=True):
        assert_same(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[1]])
def test_infinite_numbers_meet_the_zeros(name, rng):
    """Zero times infinity is NaN, as in NumPy, wherever the infinite number is."""
    outputs, inputs = outputs_of(name), INPUTS
    for value in (np.inf, np.nan):
        for place in ((0, SIZE - 1), (69, 0), (33, 20)):
            given = arrays(rng)
            given[1][place] = value
            with np.errstate(invalid="ignore"):
                want = evaluate(list(outputs), dict(zip(inputs, given, strict=True)))
            for one, other in zip(sg.compile(outputs, inputs)(*given), want, strict=True):
                assert_same(one, other, rtol=1e-11, atol=1e-12)


def test_gradient_of_a_triangular_product_is_computed_in_its_triangle():
    L = np.where(LOW, A, 0.0)
    value = np.sum(np.tanh(B @ L.T))
    program = program_of([value, *sg.gradients(value, [A])], [A, B])
    first, last = [one for one in flattened(program.stages) if isinstance(one, Product)]
    assert first.b_band == UPPER
    assert last.c_band in (LOWER, UPPER)


def test_products_with_bands_of_different_operands(rng):
    """Alike but for which of their matrices has the band, they need code of their own; from this size on both have loops."""
    size = 192
    symbols = [sg.symbol(name, (size, size)) for name in "AB"]
    a, b = rng.normal(size=(2, size, size))
    made = np.tril(np.tril(symbols[0]) @ symbols[1] @ symbols[1].T)
    got = sg.compile(made, symbols)(a, b)
    assert_same(got, np.tril(np.tril(a) @ b @ b.T), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("rows", [100, "n"])
def test_statistics_do_not_count_what_a_product_leaves_out(rows):
    """At least the triangle's own multiply-adds, at most what tiles on its edge add to them."""
    other, L = sg.symbol("rows_to_count", (rows, SIZE)), np.where(LOW, A, 0.0)
    both, whole = (sg.compile([other @ matrix.T], [A, other]).stats["flops"] for matrix in (L, A))
    sizes = dict.fromkeys(dims.atoms_of(both), 100)
    each, all_of_them = (dims.evaluate(count, sizes) // 100 for count in (both, whole))
    assert all_of_them == 2 * SIZE * SIZE
    assert SIZE * (SIZE + 1) <= each <= 0.75 * all_of_them
