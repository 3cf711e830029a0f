"""Dynamic dimensions through all transforms: one kernel for every size, guards at run time, refusals while tracing."""

from __future__ import annotations

import numpy as np
import pytest
from judges import close, curvatures, slopes

import symgrad as sg

RNG = np.random.default_rng(11)
W = RNG.normal(size=(3, 3))
SIZES = (1, 2, 5)


def model(p, rows):
    """Scalar, of any number of rows."""
    hidden = np.tanh(rows @ p["w"] + p["b"])
    return np.sum(hidden**2) / rows.shape[0]


def sample(n):
    return {"w": W, "b": RNG.normal(size=3)}, RNG.normal(size=(n, 3))


def symbols():
    return {"w": sg.symbol("w", (3, 3)), "b": sg.symbol("b", (3,))}, sg.symbol("rows", ("n", 3))


TRANSFORMS = {
    "grad of parameters": (lambda p, rows: sg.grad(model)(p, rows)["w"], lambda p, rows: slopes_of("w", p, rows)),
    "grad of rows": (sg.grad(model, 1), lambda p, rows: slopes(lambda r: model(p, r), rows)),
    "value_and_grad": (
        lambda p, rows: sg.value_and_grad(model)(p, rows)[1]["b"],
        lambda p, rows: slopes_of("b", p, rows),
    ),
    "jacobian of what rows give": (
        lambda p, rows: sg.jacobian(lambda r: np.tanh(r @ p["w"]), mode="reverse")(rows),
        lambda p, rows: slopes(lambda r: np.tanh(r @ p["w"]), rows),
    ),
    "jacobian by parameters": (
        lambda p, rows: sg.jacobian(lambda p: {"t": np.tanh(rows @ p["w"])})(p)["t"]["w"],
        lambda p, rows: slopes(lambda w: np.tanh(rows @ w), p["w"]),
    ),
    "hessian of rows": (
        sg.hessian(lambda p, rows: model(p, rows), 1),
        lambda p, rows: curvatures(lambda r: model(p, r), rows),
    ),
    "jvp": (
        lambda p, rows: sg.jvp(lambda r: np.tanh(r @ p["w"]), (rows,), (rows * 2.0,))[1],
        lambda p, rows: np.tensordot(slopes(lambda r: np.tanh(r @ p["w"]), rows), rows * 2.0, 2),
    ),
    "vjp": (
        lambda p, rows: sg.vjp(lambda r: np.tanh(r @ p["w"]), rows)[1](rows)[0],
        lambda p, rows: np.tensordot(rows, slopes(lambda r: np.tanh(r @ p["w"]), rows), 2),
    ),
    "hvp": (
        lambda p, rows: sg.hvp(lambda r: model(p, r))(rows, rows * 2.0),
        lambda p, rows: np.tensordot(curvatures(lambda r: model(p, r), rows), rows * 2.0, 2),
    ),
    "vmap": (
        lambda p, rows: sg.vmap(lambda r: np.tanh(r @ p["w"] + p["b"]))(rows),
        lambda p, rows: np.tanh(rows @ p["w"] + p["b"]),
    ),
    "vmap of a gradient": (
        lambda p, rows: sg.vmap(sg.grad(lambda r, b: np.sum(np.sin(r) * b)), (0, None))(rows, p["b"]),
        lambda p, rows: np.cos(rows) * p["b"],
    ),
    "vmap of a jacobian": (
        lambda p, rows: sg.vmap(sg.jacobian(lambda r: np.tanh(r) * r[0]), out_axes=1)(rows),
        lambda p, rows: np.stack([slopes(lambda r: np.tanh(r) * r[0], row) for row in rows], 1),
    ),
    "jacobian of a vmap": (
        lambda p, rows: sg.jacobian(sg.vmap(lambda r: np.sum(r**2)))(rows),
        lambda p, rows: slopes(lambda r: np.sum(r**2, axis=1), rows),
    ),
    "vmap over pairs": (
        lambda p, rows: sg.vmap(sg.vmap(lambda r, s: r @ s, (None, 0)), (0, None))(rows, rows),
        lambda p, rows: rows @ rows.T,
    ),
    "vmap over the other axis": (
        lambda p, rows: sg.vmap(lambda column: np.sum(column) * column, 1, -1)(rows),
        lambda p, rows: np.sum(rows, axis=0) * rows,
    ),
    "jit": (
        lambda p, rows: sg.jit(lambda r, *, scale: r * scale)(rows, scale=p["b"]),
        lambda p, rows: rows * p["b"],
    ),
    "jit of a size": (
        lambda p, rows: sg.jit(lambda r, n: np.sum(r) / n + sg.ones(n))(rows, rows.shape[0]),
        lambda p, rows: np.sum(rows) / len(rows) + np.ones(len(rows)),
    ),
}


def slopes_of(name, p, rows):
    return slopes(lambda own: model({**p, name: own}, rows), p[name])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_one_kernel_for_every_size(name):
    transform, want = TRANSFORMS[name]
    p, rows = symbols()
    kernel = sg.compile(transform(p, rows), [p["w"], p["b"], rows])
    for n in SIZES:
        own, values = sample(n)
        close(kernel(own["w"], own["b"], values), want(own, values), 1e-7, 1e-8)


# -- sizes that only a call can compare -----------------------------------------------------------------------------
def pairs(x, y):
    """What is traced of two vectors, by transform; all are x * y or made from it."""
    return {
        "vmap": sg.vmap(lambda a, b: a * b)(x, y),
        "grad": sg.grad(lambda a, b: np.sum(a * b) ** 2)(x, y),
        "jacobian": sg.jacobian(lambda a, b: a * b)(x, y),
        "vmap of grad": sg.vmap(sg.grad(lambda a, b: a * b**2))(x, y),
        "jvp": sg.jvp(np.sin, (x,), (y,))[1],
        "vjp": sg.vjp(np.sin, x)[1](y)[0],
        "hvp": sg.hvp(lambda a: np.sum(a**3))(x, y),
        "jit": sg.jit(lambda p: p["x"] + p["y"])({"x": x, "y": y}),
    }


NAMES = ("vmap", "grad", "jacobian", "vmap of grad", "jvp", "vjp", "hvp", "jit")


@pytest.mark.parametrize("name", NAMES)
def test_sizes_assumed_equal_are_compared_at_every_call(name):
    n, m = sg.dim("n_first"), sg.dim("n_second")
    sg.assume(n == m)
    x, y = sg.symbol("x", (n,)), sg.symbol("y", (m,))
    kernel = sg.compile(pairs(x, y)[name], [x, y])
    for size in SIZES:
        a, b = RNG.normal(size=size), RNG.normal(size=size)
        x0, y0 = sg.symbol("x0", (size,)), sg.symbol("y0", (size,))
        close(kernel(a, b), sg.compile(pairs(x0, y0)[name], [x0, y0])(a, b))
    with pytest.raises(sg.SymgradError, match=r"n_first|n_second"):
        kernel(np.ones(3), np.ones(2))


@pytest.mark.parametrize("name", NAMES)
def test_anonymous_sizes_are_compared_at_every_call(name):
    x, y = sg.symbol("x", (None,)), sg.symbol("y", (None,))
    kernel = sg.compile(pairs(x, y)[name], [x, y])
    for size in SIZES:
        kernel(np.ones(size), np.ones(size))
    with pytest.raises(sg.ShapeError, match=r"the sizes \?\d+ and \?\d+ differ \(they meet at test_dynamic_transforms"):
        kernel(np.ones(3), np.ones(2))


def test_one_name_is_one_size():
    x, y = sg.symbol("x", ("n",)), sg.symbol("y", ("n",))
    kernel = sg.compile(sg.vmap(lambda a, b: a * b)(x, y), [x, y], name="product")
    close(kernel(np.ones(4), np.ones(4)), np.ones(4))
    with pytest.raises(sg.KernelInputError) as caught:
        kernel(np.ones(4), np.ones(3))
    assert caught.value.what == (
        "product(): argument 'y': expected float64[n], got float64[3], where n = 4 by argument 'x'"
    )


def test_an_anonymous_size_beside_a_known_one():
    x, y = sg.symbol("x", (None,)), sg.symbol("y", (3,))
    made = sg.vmap(lambda a, b: a * b)(x, y)
    assert made.shape == (3,)
    kernel = sg.compile(made, [x, y])
    close(kernel(np.full(3, 2.0), np.ones(3)), np.full(3, 2.0))
    with pytest.raises(sg.ShapeError, match=r"the sizes \?\d+ and 3 differ"):
        kernel(np.ones(2), np.ones(3))


def test_sizes_of_different_names():
    x, y = sg.symbol("x", ("n",)), sg.symbol("y", ("m",))
    for call, what in (
        (
            lambda: sg.vmap(lambda a, b: a * b)(x, y),
            "vmap: mapped axes of lengths n and m: axis 0 of 'a', axis 0 of 'b'",
        ),
        (lambda: sg.jvp(np.sin, (x,), (y,)), "jvp: tangent 0 has shape (m,), its primal (n,)"),
        (lambda: sg.vjp(np.sin, x)[1](y), "gradients: head gradient 0 has shape (m,), its y (n,)"),
        (lambda: sg.hvp(lambda a: np.sum(a**3))(x, y), "hvp: vector 0 has shape (m,), its argument (n,)"),
        (
            lambda: sg.vmap(lambda a: a, axis_size=4)(x),
            "vmap: mapped axes of lengths 4 and n: axis_size, axis 0 of 'a'",
        ),
    ):
        with pytest.raises(sg.ShapeError) as caught:
            call()
        assert caught.value.what == what
