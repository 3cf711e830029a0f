"""Expressions as text: exact examples, names, brackets that Python would need, shared parts, short forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symgrad as sg
from symgrad.interp import evaluate

x, y = sg.symbols("x y")
v, u = sg.symbol("v", (3,)), sg.symbol("u", (3,))
A, B = sg.symbol("A", ("n", 3)), sg.symbol("B", (3, 3))
k = sg.symbol("k", (3,), "int64")
rows = sg.symbol("rows", (2,), "int64")

EXACT = {
    # numbers and names
    "x": x,
    "x + 1": x + 1,
    "x + 1.5": x + 1.5,
    "x - 1e-20": x - 1e-20,
    "1e+300 * x": 1e300 * x,
    "x * 0.1": x * 0.1,
    "x * inf": x * np.inf,
    "x * -2": x * -2,
    "x + -0.0": x + -0.0,
    "v + [1. , 2.5, 3. ]": v + np.array([1, 2.5, 3]),
    "B + constant(3,3)": B + np.arange(9.0).reshape(3, 3),
    # sums and products
    "x + y + 1": x + y + 1,
    "x - y - 1": x - y - 1,
    "x - (y - 1)": x - (y - 1),
    "x - (y + 1)": x - (y + 1),
    "x * y * 2": x * y * 2,
    "x * (y + 1)": x * (y + 1),
    "(x + 1) * y": (x + 1) * y,
    "x / y / 2": x / y / 2,
    "x / (y / 2)": x / (y / 2),
    "x / (y * 2)": x / (y * 2),
    "x / y * 2": x / y * 2,
    "(x * y) / 2": (x * y) / 2,
    "x * y / 2": x * (y / 2),
    "x * (y % 2)": x * (y % 2),
    "x * y % 2": (x * y) % 2,
    "x % (y * 2)": x % (y * 2),
    "x % y": x % y,
    "x // y + 1": x // y + 1,
    # signs and powers
    "-x": -x,
    "-(x + y)": -(x + y),
    "-x + y": -x + y,
    "x * -y": x * -y,
    "-x * y": -x * y,
    "--x": np.negative(-x),
    "x**2": x**2,
    "x**(-1)": x**-1,
    "-x**2": -(x**2),
    "(-x)**2": (-x) ** 2,
    "(x + y)**2": (x + y) ** 2,
    "(x**2)**3": (x**2) ** 3,
    "x**(y**2)": x ** (y**2),
    "x**(y + 1)": x ** (y + 1),
    "x**0.5": x**0.5,
    "2**x": 2**x,
    # comparisons and logic
    "x < y": x < y,
    "x + 1 >= y * 2": x + 1 >= y * 2,
    "x != y": x != y,
    "(x < y) & (y > 1)": (x < y) & (y > 1),
    "(x < 1) | (y < 1) & (x > y)": (x < 1) | ((y < 1) & (x > y)),
    "((x < 1) | (y < 1)) & (x > y)": ((x < 1) | (y < 1)) & (x > y),
    "~(x < y)": ~(x < y),
    "where(x > 0, x, -x)": np.where(x > 0, x, -x),
    # functions
    "sin(x)": np.sin(x),
    "exp(-x**2)": np.exp(-(x**2)),
    "abs(x - y)": abs(x - y),
    "maximum(x, 0)": np.maximum(x, 0),
    "arctan2(y, x)": np.arctan2(y, x),
    "sum(v)": np.sum(v),
    "sum(A, axis=0)": np.sum(A, axis=0),
    "mean(A, axis=1)": np.mean(A, axis=1),
    "max(v)": np.max(v),
    "logsumexp(v)": sg.logsumexp(v),
    "int64(x)": x.astype("int64"),
    # arrays
    "A @ v": A @ v,
    "A @ B @ v": A @ B @ v,
    "A @ (B @ v)": A @ (B @ v),
    "A @ (2 * v)": A @ (2 * v),
    "2 * (A @ v)": 2 * (A @ v),
    "(v + u) @ v": (v + u) @ v,
    "A.T": A.T,
    "A.T @ A": A.T @ A,
    "(v + u)[0]": (v + u)[0],
    "v[0]": v[0],
    "v[2]": v[-1],
    "v[1:]": v[1:],
    "v[:2]": v[:2],
    "v[::-1]": v[::-1],
    "v[::2]": v[::2],
    "B[0, :]": B[0],
    "B[:, 1]": B[:, 1],
    "A[:, :2]": A[:, :2],
    "v[k]": v[k],
    "A[rows]": A[rows],
    "v[[0, 2]]": v[np.array([0, 2])],
    "v.at[0].set(x)": v.at[0].set(x),
    "v.reshape((3, 1))": v.reshape(3, 1),
    "B.reshape(9)": B.reshape(-1),
    "[x, y]": sg.stack([x, y]),
    "stack([v, u], axis=1)": sg.stack([v, u], 1),
    "concatenate([v, u], axis=0)": np.concatenate([v, u]),
    "outer(v, u)": np.outer(v, u),
    "einsum('ij,ij->j', A, A)": np.einsum("ij,ij->j", A, A),
    "expand_dims(v, axis=0)": v[None],
    "stop_gradient(x)": sg.stop_gradient(x),
    "x * float64(n)": x * A.shape[0],
    # what broadcasts by itself is not shown
    "v * x": v * x,
    "A + v": A + v,
    "B - x": B - x,
}


@pytest.mark.parametrize("text", EXACT)
def test_exact_text(text):
    assert str(EXACT[text]) == text


# Everything above made of operators, functions of NumPy and names is Python: evaluating the text gives the value back.
READABLE = [
    text for text in EXACT if not any(word in text for word in ("float64", "int64", "at[", "constant", "stop_"))
]
PLACES = {
    "x": 0.75, "y": 2.0, "v": np.array([0.5, 1.0, -2.0]), "u": np.array([3.0, 1.5, 0.25]),
    "A": np.arange(6.0).reshape(2, 3) / 4, "B": np.arange(9.0).reshape(3, 3) - 3, "k": np.array([2, 0, 1]),
    "rows": np.array([1, 0]),
}  # fmt: skip


def logsumexp(a):
    return np.log(np.sum(np.exp(a)))


@pytest.mark.parametrize("text", READABLE)
def test_the_text_means_the_expression(text):
    """Python's own precedence gives the same value: no bracket is missing."""
    (want,) = evaluate([EXACT[text]], {one: PLACES[one.attrs.name] for one in (x, y, v, u, A, B, k, rows)})
    names = {**{name: np.asarray(value) for name, value in PLACES.items()}, "logsumexp": logsumexp, "inf": np.inf}
    functions = {name: getattr(np, name) for name in dir(np) if not name.startswith("_")}
    with np.errstate(all="ignore"):
        got = eval(text, functions, names)  # the judge is Python's parser
    np.testing.assert_allclose(np.asarray(got, want.dtype), want, rtol=1e-14)


OPERATORS = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "%": np.remainder,
    "//": np.floor_divide,
}  # fmt: skip


def test_brackets_of_every_pair_of_operators():
    """x ∘ (y ∘ z), (x ∘ y) ∘ z, -(x ∘ y) and (-x) ∘ y, read back by Python."""
    z = sg.symbol("z")
    point = {"x": 1.7, "y": 2.6, "z": 0.4}
    wrong = []
    for one, two in itertools.product(OPERATORS.values(), repeat=2):
        for made in (one(x, two(y, z)), one(two(x, y), z), -one(x, y) * z, one(-x, two(y, z)), two(one(x, -y), z)):
            (want,) = evaluate([made], {x: 1.7, y: 2.6, z: 0.4})
            with np.errstate(all="ignore"):
                got = eval(str(made), {}, {name: np.float64(value) for name, value in point.items()})
            if not np.isclose(got, want, rtol=1e-14, equal_nan=True):
                wrong.append((str(made), got, want))
    assert not wrong


# -- shared parts ---------------------------------------------------------------------------------------------------
def test_shared_parts_are_named_once():
    s = np.sin(x * y + 1)
    assert str(s * s + np.exp(s)) == "t1 * t1 + exp(t1)\nwhere t1 = sin(x * y + 1)"


def test_short_parts_are_repeated():
    assert str(np.sin(x) * y + np.sin(x)) == "sin(x) * y + sin(x)"
    assert str((x + y) * (x + y)) == "(x + y) * (x + y)"


def test_shared_parts_of_shared_parts():
    inner = np.cos(x * y - 3)
    middle = np.exp(inner / (1 + inner))
    assert str(middle + middle**2).splitlines() == [
        "t2 + t2**2",
        "where t2 = exp(t1 / (1 + t1))",
        "      t1 = cos(x * y - 3)",
    ]


def test_names_of_shared_parts_avoid_the_users():
    t1, t2 = sg.symbols("t1 t2")
    s = np.sin(t1 * t2 + 1)
    assert str(s * s + t1) == "t3 * t3 + t1\nwhere t3 = sin(t1 * t2 + 1)"


def test_a_part_seen_through_broadcasts_is_shared():
    s = np.sin(x * y + 1)
    assert str(v * s + B * s).splitlines()[1:] == ["where t1 = sin(x * y + 1)"]


def test_the_whole_expression_is_not_named():
    s = np.sin(x * y + 1)
    assert str(s) == "sin(x * y + 1)"


def test_the_lines_define_every_name_that_they_use():
    made = x
    for step in range(30):
        made = np.sin(made * made + y * step) + made / (2 + made)
    first, *lines = str(made).splitlines()
    used, defined = first, {}
    for line in lines:
        name, body = line.removeprefix("where").strip().split(" = ")
        assert name in used
        defined[name] = body
        used += body
    values = {"x": np.float64(0.3), "y": np.float64(-1.2), "sin": np.sin}
    for name, body in reversed(defined.items()):
        values[name] = eval(body, {}, values)
    (want,) = evaluate([made], {x: 0.3, y: -1.2})
    np.testing.assert_allclose(eval(first, {}, values), want, rtol=1e-12)


def test_sharing_does_not_blow_up():
    """2**60 paths: the text has one line for each node."""
    made = x
    for _ in range(60):
        made = made * made + made
    assert len(str(made)) < 3000
    assert len(repr(made)) < 200


def test_long_sums_are_broken_up():
    total = sum((sg.symbol(f"quantity{j}") * j for j in range(1, 200)), x)
    lines = str(total).splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) < 600


# -- short forms ----------------------------------------------------------------------------------------------------
def test_repr_gives_type_and_summary():
    assert repr(x) == "<float64: x>"
    assert repr(A) == "<float64[n, 3]: A>"
    assert repr(A @ v) == "<float64[n]: A @ v>"
    assert repr(k + 1) == "<int64[3]: k + 1>"
    assert repr(x > y) == "<bool: x > y>"
    assert repr(sg.symbol("w", (2, "m"), "float32")) == "<float32[2, m]: w>"


def test_repr_is_short_and_on_one_line():
    assert repr(np.exp(np.sin(np.cos(np.tan(x))))) == "<float64: exp(sin(cos(...)))>"
    wide = sg.stack([sg.symbol(f"a_long_name_{j}") for j in range(100)])
    deep = x
    for _ in range(50):
        deep = np.sin(deep) * deep + y
    for one in (wide, deep, np.concatenate([wide, wide])):
        assert len(repr(one)) < 160
        assert "\n" not in repr(one)


def test_derivatives_read_as_mathematics():
    loss = np.sum((A @ v) ** 2)
    assert str(sg.gradients(loss, [v])[0]) == "A.T @ (2 * (A @ v))"
    assert str(sg.gradients(np.sum(np.sin(v)) * x, [x])[0]) == "sum(sin(v))"
    assert str(sg.gradients(np.sin(x), [x])[0]) == "cos(x)"
    assert str(sg.gradients(np.log(x), [x])[0]) == "1 / x"


def test_scopes_do_not_show():
    with sg.name_scope("layer"):
        made = np.sin(x) + 1
        w = sg.variable("w", 2.0)
    assert str(made) == "sin(x) + 1"
    assert str(w * x) == "layer/w * x"


def test_traced_arguments_have_their_names():
    seen = []
    sg.jit(lambda weight, table: seen.append(str(weight @ table["bias"])) or weight)(np.ones(3), {"bias": np.ones(3)})
    assert seen == ["weight @ table_bias"]


def test_graphs():
    graph = sg.Graph([np.sum(A @ v), x * 2])
    assert repr(graph) == "<graph (A: float64[n, 3], v: float64[3], x: float64) -> (float64, float64), 7 nodes>"
    assert graph.names == ["A", "v", "x"]
    assert graph.counts() == {"symbol": 3, "matmul": 1, "sum": 1, "constant": 1, "multiply": 1}


PARTS = ":-1 2: -3: ::2 :3 1:4 ::-1 -1 -2 0 3 1::3 :-1:2 -1:-4:-1 ::-3 1:-1 1:-2 3:-1 2:-7 1:-1:2 1:-5:3 2:-3:3 :-4:2 3:-2:4"


@pytest.mark.parametrize("index", PARTS.split())
def test_parts_of_a_dynamic_axis_read_as_they_were_written(index):
    x = sg.symbol("x", ("n", 2))
    entry = int(index) if ":" not in index else slice(*(int(one) if one else None for one in index.split(":")))
    written = str(x[entry])
    assert written in (f"x[{index}, :]", f"x[{index.removeprefix('-1')}, :]")
    read = slice(*(int(one) if one else None for one in written[2:-4].split(":"))) if ":" in index else int(index)
    assert x[read].same(x[entry])


def test_other_parts_of_a_dynamic_axis_read_as_formulas():
    x, m = sg.symbol("x", ("n",)), sg.dim("m")
    assert str(x[m:]) == "x[-max(-m + n, 0) + n:]"
