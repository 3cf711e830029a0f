"""Placements with overlapping boxes, by regions: values against NumPy, and what the loops read and write."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same
from loops import interpret, program_of

import symgrad as sg
from codegen.lower.canonical import canonical
from codegen.lower.loopir import Fill, Let, Nest, Store, statements
from symgrad import dims, ops
from symgrad.ops.boxes import Pick, Range

RNG = np.random.default_rng(2)


def placed(shape, boxes):
    """A placement of symbols, the symbols, numbers for them, and what NumPy makes of it."""
    arrays = [RNG.normal(size=[entry.size for entry in box if isinstance(entry, Range)]) for box in boxes]
    symbols = [sg.symbol(f"p{k}", one.shape) for k, one in enumerate(arrays)]
    want = np.zeros(shape)
    for box, array in zip(boxes, arrays, strict=True):
        index = tuple(
            entry.position if isinstance(entry, Pick) else slice(entry.start, entry.start + entry.size) for entry in box
        )
        want[index] += array
    return ops.place(shape, list(zip(boxes, symbols, strict=True))), symbols, arrays, want


CASES = {
    "shifted": ((40,), [(Range(0, 39),), (Range(1, 39),)]),
    "apart in the middle": ((40,), [(Range(0, 10),), (Range(5, 10),), (Range(30, 10),)]),
    "within": ((40,), [(Range(0, 40),), (Range(7, 3),), (Pick(20),)]),
    "empty": ((40,), [(Range(3, 0),), (Range(1, 39),), (Range(0, 39),)]),
    "equal": ((40,), [(Range(1, 39),), (Range(1, 39),), (Range(0, 39),)]),
    "one axis of two": ((30, 20), [(Range(0, 29), Range(0, 20)), (Range(1, 29), Range(0, 20))]),
    "picks of one axis": ((30, 20), [(Range(0, 29), Pick(3)), (Range(1, 29), Pick(3))]),
    "picks and ranges": ((30, 20), [(Range(0, 29), Pick(3)), (Range(1, 29), Range(2, 9)), (Pick(4), Range(0, 20))]),
    "five points": (
        (30, 20),
        [
            (Range(2, 28), Range(1, 18)),
            (Range(0, 28), Range(1, 18)),
            (Range(1, 28), Range(2, 18)),
            (Range(1, 28), Range(0, 18)),
            (Range(1, 28), Range(1, 18)),
        ],
    ),
    "corners of a cube": (
        (18, 19, 20),
        [(Range(i, 17), Range(j, 18), Range(k, 19)) for i in (0, 1) for j in (0, 1) for k in (0, 1)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name):
    made, symbols, arrays, want = placed(*CASES[name])
    assert_same(sg.compile(made, symbols)(*arrays), want)


@pytest.mark.parametrize("name", CASES)
def test_every_element_is_written_once(name):
    """No loop reads back what another wrote; at most the whole is set to zero first, where no box is."""
    made, symbols, _, _ = placed(*CASES[name])
    program = program_of([made], symbols)
    assert not any(
        one.add for nest in program.stages if isinstance(nest, Nest) for one in statements(nest.body, {Store})
    )


def test_stencil_adjoint():
    """The gradient of Rosenbrock's function in one loop over the interior, and two elements beside it."""
    x = sg.symbol("x", 1000)
    value = np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    (slope,) = sg.gradients(value, [x])
    program = program_of([slope], [x])
    assert not any(isinstance(stage, Fill) for stage in program.stages)
    stores = [one for nest in program.stages for one in statements(nest.body, {Store})]
    assert len(stores) == 3
    at = RNG.normal(size=1000)
    want = np.zeros(1000)
    want[1:] += 200 * (at[1:] - at[:-1] ** 2)
    want[:-1] += -400 * at[:-1] * (at[1:] - at[:-1] ** 2) - 2 * (1 - at[:-1])
    assert_same(sg.compile(slope, [x])(at), want, rtol=1e-13)


@pytest.mark.parametrize("threads", [1, 2])
def test_heat_equation(threads):
    """The adjoint of steps of the five-point stencil, against NumPy's own transpose of each step."""
    shape, steps = (40, 50), 3
    u = sg.symbol("u", shape)
    field = u
    for _ in range(steps):
        middle = field[1:-1, 1:-1]
        around = field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2] - 4 * middle
        field = field.at[1:-1, 1:-1].set(middle + 0.1 * around)
    (slope,) = sg.gradients(np.sum(field**2), [u])
    at = RNG.normal(size=shape)

    def step(v):
        new = v.copy()
        new[1:-1, 1:-1] += 0.1 * (v[2:, 1:-1] + v[:-2, 1:-1] + v[1:-1, 2:] + v[1:-1, :-2] - 4 * v[1:-1, 1:-1])
        return new

    def transposed(h):
        inner = h[1:-1, 1:-1]
        made = h.copy()
        made[1:-1, 1:-1] -= 0.4 * inner
        for rows, columns in ((slice(2, None), slice(1, -1)), (slice(None, -2), slice(1, -1))):
            made[rows, columns] += 0.1 * inner
            made[columns, rows] += 0.1 * inner
        return made

    last = at
    for _ in range(steps):
        last = step(last)
    want = 2 * last
    for _ in range(steps):
        want = transposed(want)
    assert_same(sg.compile(slope, [u], threads=threads)(at), want, rtol=1e-12)


def test_what_is_left_alone():
    """Boxes that do not overlap, or in an order that is not known; steps other than 1; arrays that are written out anyway."""
    n, m = sg.dim("n"), sg.dim("m")
    for shape, boxes in (
        ((40,), [(Range(0, 20),), (Range(20, 20),)]),
        ((n + m,), [(Range(0, n),), (Range(m, n),)]),
        ((40,), [(Range(0, 20, 2),), (Range(1, 19),)]),
        ((8,), [(Range(0, 7),), (Range(1, 7),)]),
    ):
        symbols = [sg.symbol(f"p{k}", [entry.size for entry in box]) for k, box in enumerate(boxes)]
        node = ops.place(shape, list(zip(boxes, symbols, strict=True)))
        assert canonical([node]).outputs[0].attrs.boxes is node.attrs.boxes


# -- dynamic sizes --------------------------------------------------------------------------------------------------
def blurred(u):
    rows, columns = u.shape
    parts = (u[i : rows - 2 + i, j : columns - 2 + j] / (1 + i + j) for i in range(3) for j in range(3))
    return np.sum(np.tanh(sum(parts)) ** 2)


def five_points(u):
    around = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]
    return np.sum((around - 4 * u[1:-1, 1:-1]) ** 2)


def heated(u):
    for _ in range(2):
        u = u[1:-1, 1:-1] + 0.1 * (u[2:, 1:-1] * u[:-2, 1:-1] + u[1:-1, 2:] * u[1:-1, :-2])
    return np.sum(u**2)


FUNCTIONS = {
    "Rosenbrock": (1, lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)),
    "second differences": (1, lambda x: np.sum((x[2:] - 2 * x[1:-1] + x[:-2]) ** 2)),
    "far apart": (1, lambda x: np.sum(x[3:] * x[:-3] ** 2) + np.sum(x[:2] ** 2) * np.sum(x[-2:])),
    "from both ends": (1, lambda x: np.sum(x[:-1] ** 3) + np.sum(x[::-1][1:] ** 2 * x[1:])),
    "five points": (2, five_points),
    "blur": (2, blurred),
    "two steps": (2, heated),
    "rows only": (2, lambda u: np.sum(np.sum(u[1:] * u[:-1], axis=0) ** 2)),
    "a column too": (2, lambda u: np.sum(u[1:, 1:] * u[:-1, :-1]) + np.sum(u[:, :1] ** 2)),
}


def slope_by_differences(function, at, step=1e-5):
    """Central differences of a function of an array, in float64."""
    made = np.zeros(at.shape)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        made[place] = (function(up) - function(down)) / (2 * step)
    return made


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_every_small_size(name, dtype):
    """Also where an array is shorter than the stencil is wide, and where just some of the regions have elements."""
    rank, function = FUNCTIONS[name]
    x = sg.symbol("x", [sg.dim(f"size{axis}") for axis in range(rank)], dtype)
    value = function(x)
    kernel = sg.compile([value, *sg.gradients(value, [x])], [x])
    loose, tight = {"float64": (1e-6, 1e-12), "float32": (2e-2, 1e-5)}[dtype]
    for shape in np.ndindex(*(8,) * rank):
        at = RNG.normal(size=shape)
        got, slope = kernel(at.astype(dtype))
        np.testing.assert_allclose(got, function(at), rtol=tight, atol=tight, err_msg=str(shape))
        np.testing.assert_allclose(
            slope, slope_by_differences(function, at), rtol=loose, atol=loose, err_msg=str(shape)
        )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_in_the_loop_program(name):
    """The same program, interpreted; and compiled for two threads."""
    rank, function = FUNCTIONS[name]
    x = sg.symbol("x", [sg.dim(f"size{axis}") for axis in range(rank)])
    (slope,) = sg.gradients(function(x), [x])
    kernel = sg.compile(slope, [x], threads=2)
    for size in (0, 1, 2, 3, 4, 5, 9):
        at = RNG.normal(size=(size, 6)[:rank])
        want = slope_by_differences(function, at)
        status, (got,) = interpret([slope], [x], [at])
        assert status == 0
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(kernel(at), want, rtol=1e-6, atol=1e-6)


def test_batches_of_dynamic_sizes():
    x = sg.symbol("x", ("count", "size"))
    slopes = sg.vmap(sg.grad(FUNCTIONS["second differences"][1]))(x)
    kernel = sg.compile(slopes, [x])
    for shape in np.ndindex(3, 7):
        at = RNG.normal(size=shape)
        want = [slope_by_differences(FUNCTIONS["second differences"][1], row) for row in at]
        np.testing.assert_allclose(kernel(at), np.reshape(want, shape), rtol=1e-6, atol=1e-6)


def test_large_arrays_are_written_once():
    """Nothing reads back what another loop wrote but for the array of the small ones, which has no elements then."""
    x = sg.symbol("x", ("n", "m"))
    program = program_of(sg.gradients(five_points(x), [x]), [x])
    nests = [stage for stage in program.stages if isinstance(stage, Nest)]
    added = [one.buffer for nest in nests for one in statements(nest.body, {Store}) if one.add]
    large = dict.fromkeys(dims.atoms_of(x.size), 100)
    assert added
    assert all(dims.evaluate(buffer.size, large) == 0 for buffer in added)


def exponentials(program):
    return sum(one.op == "exp" for nest in program.stages for one in statements(nest.body, {Let}))


def test_overlapping_parts_of_something_expensive():
    """It is computed once for each element and stored, not once for each part; parts that do not overlap need no store."""
    x = sg.symbol("x", 1000)
    shared, apart = np.exp(x), np.exp(-x)
    program = program_of([shared[1:] * shared[:-1] + 2 * shared[1:]], [x])
    assert exponentials(program) == 1
    assert exponentials(program_of([apart[:500] * apart[500:]], [x])) == 2
    at = RNG.normal(size=1000)
    powers = np.exp(at)
    assert_same(sg.jit(lambda x: np.exp(x)[1:] * np.exp(x)[:-1])(at), powers[1:] * powers[:-1])
