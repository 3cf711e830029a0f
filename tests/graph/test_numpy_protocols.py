"""NumPy's functions on expressions: values for every entry, errors for the rest, and no object array ever."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
from comparing import assert_same

import symgrad as sg
import symgrad.numpy as snp
from symgrad.bridge import numpy as bridge
from symgrad.functions import FUNCTIONS
from symgrad.interp import evaluate

RNG = np.random.default_rng(11)
x, y = sg.symbols("x y")
v, w = sg.symbol("v", (3,)), sg.symbol("w", (3,))
A, B = sg.symbol("A", (2, 3)), sg.symbol("B", (3, 4))
S = sg.symbol("S", (3, 3))
n = sg.symbol("n", (3,), "int64")
p = sg.symbol("p", (3,), "bool")
VALUES = {
    x: np.float64(0.7),
    y: np.float64(1.9),
    v: RNG.uniform(0.1, 0.9, 3),
    w: RNG.normal(size=3),
    A: RNG.normal(size=(2, 3)),
    B: RNG.normal(size=(3, 4)),
    S: RNG.normal(size=(3, 3)),
    n: np.array([3, -2, 5]),
    p: np.array([True, False, True]),
}

CALLS = {
    "sum": lambda: [(np.sum, (A,)), (np.sum, (A, 0)), (np.sum, (A,), {"axis": (0, 1), "keepdims": True})],
    "prod": lambda: [(np.prod, (A,)), (np.prod, (A,), {"axis": -1})],
    "max": lambda: [(np.max, (A,)), (np.amax, (A, 1)), (np.max, (n,)), (np.max, (A,), {"axis": 0, "keepdims": True})],
    "min": lambda: [(np.min, (A,)), (np.amin, (A, 1))],
    "mean": lambda: [(np.mean, (A,)), (np.mean, (A, 0)), (np.mean, (n,))],
    "any, all": lambda: [(np.any, (p,)), (np.all, (p,)), (np.any, (A > 0, 0))],
    "where": lambda: [(np.where, (v > w, v, w)), (np.where, (p, 1.0, v)), (np.where, (x > 0, [1.0, 2.0], [3.0, 4.0]))],
    "clip": lambda: [
        (np.clip, (w, -0.5, 0.5)),
        (np.clip, (w, None, v)),
        (np.clip, (w,), {"a_min": 0.0, "a_max": None}),
    ],
    "reshape": lambda: [(np.reshape, (A, (3, 2))), (np.reshape, (A, -1)), (np.ravel, (A,))],
    "transpose": lambda: [
        (np.transpose, (A,)),
        (np.transpose, (A, (1, 0))),
        (np.swapaxes, (A, 0, -1)),
        (np.moveaxis, (A, 0, 1)),
    ],
    "broadcast_to": lambda: [(np.broadcast_to, (v, (2, 3)))],
    "expand, squeeze": lambda: [(np.expand_dims, (v, 0)), (np.expand_dims, (v, (0, 2))), (np.squeeze, (v[None],))],
    "concatenate": lambda: [
        (np.concatenate, ([v, w],)),
        (np.concatenate, ((A, A), 1)),
        (np.concatenate, ([v, np.ones(2)],)),
    ],
    "stack": lambda: [
        (np.stack, ([v, w],)),
        (np.stack, ([v, w], 1)),
        (np.stack, ([x, y],)),
        (np.stack, ([v, np.zeros(3)], -1)),
    ],
    "pad": lambda: [(np.pad, (v, 1)), (np.pad, (A, ((1, 0), (0, 2)))), (np.pad, (v, (1, 2)), {"constant_values": 7.0})],
    "take": lambda: [(np.take, (v, [2, 0])), (np.take, (A, [1, 1, 0], 1)), (np.take, (A, [5, 0]))],
    "einsum": lambda: [(np.einsum, ("ij,jk->ik", A, B)), (np.einsum, ("ij->j", A)), (np.einsum, ("i,i", v, w))],
    "dot": lambda: [(np.dot, (A, B)), (np.dot, (v, w)), (np.dot, (x, v)), (np.dot, (np.eye(3), v))],
    "inner, outer": lambda: [(np.inner, (v, w)), (np.inner, (A, A)), (np.outer, (v, w)), (np.vdot, (S, S))],
    "tensordot": lambda: [
        (np.tensordot, (A, B, 1)),
        (np.tensordot, (A, A)),
        (np.tensordot, (A, B), {"axes": ((1,), (0,))}),
    ],
    "cross": lambda: [(np.cross, (v, w)), (np.cross, (A, v))],
    "norm": lambda: [
        (np.linalg.norm, (v,)),
        (np.linalg.norm, (A,)),
        (np.linalg.norm, (A,), {"axis": 1}),
        (np.linalg.norm, (v, 2)),
    ],
    "trace": lambda: [(np.trace, (S,))],
    "like": lambda: [
        (np.zeros_like, (A,)),
        (np.ones_like, (n,)),
        (np.full_like, (v, 2.5)),
        (np.zeros_like, (v, "int64")),
    ],
    "atleast_1d, copy": lambda: [(np.atleast_1d, (x,)), (np.atleast_1d, (v,)), (np.copy, (v,))],
    "matmul": lambda: [(np.matmul, (A, B)), (np.matmul, (v, w)), (np.matmul, (np.ones((4, 2)), A))],
    "vectors and matrices": lambda: [
        (np.vecdot, (v, w)),
        (np.vecdot, (A, v)),
        (np.matvec, (A, v)),
        (np.vecmat, (np.ones(2), A)),
    ],
    "ufuncs by other names": lambda: [
        (np.positive, (v,)),
        (np.reciprocal, (v,)),
        (np.fabs, (w,)),
        (np.conjugate, (v,)),
        (np.invert, (p,)),
        (np.invert, (n,)),
        (np.degrees, (v,)),
        (np.radians, (v,)),
        (np.float_power, (n, 2)),
        (np.modf, (v,)),
        (np.frexp, (v,)),
        (np.divmod, (v, w)),
        (np.divmod, (7, n), {"dtype": "int32"}),
    ],
    "of each element": lambda: [
        (np.round, (A,), {"decimals": 1}),
        (np.around, (A, 2)),
        (np.fix, (w,)),
        (np.sinc, (v,)),
        (np.nan_to_num, (v / 0.0,), {"posinf": 3.0}),
        (np.isclose, (v, w)),
        (np.isposinf, (v / 0.0,)),
        (np.isneginf, (w,)),
    ],
    "logic": lambda: [
        (np.bitwise_and, (p, ~p)),
        (np.bitwise_or, (p, ~p)),
        (np.bitwise_xor, (p, p)),
        (np.isinf, (v / 0.0,)),
    ],
    "logaddexp": lambda: [(np.logaddexp, (v, w)), (np.logaddexp, (x, 800.0))],
    "reduce": lambda: [
        (np.add.reduce, (A,)),
        (np.multiply.reduce, (A, 1)),
        (np.maximum.reduce, (A,), {"axis": None}),
        (np.minimum.reduce, (v,), {"keepdims": True}),
        (np.logical_and.reduce, (p,)),
        (np.logical_or.reduce, (p,)),
    ],
    "element types": lambda: [
        (np.add, (v, 1), {"dtype": "float32"}),
        (np.sum, (v,), {"dtype": "float32"}),
        (np.add, (v, 1), {"where": True}),
    ],
}


def numbers(value):
    """The arguments as NumPy's function gets them."""
    if isinstance(value, (list, tuple)):
        return type(value)(numbers(one) for one in value)
    return evaluate([value], VALUES)[0] if isinstance(value, sg.Expr) else value


@pytest.mark.parametrize("name", CALLS)
def test_functions(name):
    for function, args, *rest in CALLS[name]():
        options = rest[0] if rest else {}
        made = function(*args, **options)
        with np.errstate(all="ignore"):
            want = function(*numbers(args), **options)
        results = made if isinstance(want, tuple) else [made]
        for result, one in zip(results, want if isinstance(want, tuple) else [want], strict=True):
            assert isinstance(result, sg.Expr)
            assert_same(evaluate([result], VALUES)[0], np.asarray(one))


def test_every_entry_of_the_table_is_called():
    called = {function for make in CALLS.values() for function, *_ in make()}
    elsewhere = {*FUNCTIONS}  # called by tests/ops/test_numpy_functions.py
    assert {*bridge.FUNCTIONS} - elsewhere - called <= {np.shape, np.ndim, np.size}
    assert (np.shape(A), np.ndim(A), np.size(A)) == ((2, 3), 2, 6)


UNARY = [
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arctanh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "square",
    "negative",
    "absolute",
    "sign",
    "floor",
    "ceil",
    "rint",
    "trunc",
    "isnan",
    "isfinite",
    "logical_not",
]
BINARY = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "power",
    "maximum",
    "minimum",
    "hypot",
    "arctan2",
    "remainder",
    "floor_divide",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
]


def test_ufuncs():
    nodes = [getattr(np, name)(v) for name in UNARY] + [getattr(np, name)(v, w + 3) for name in BINARY]
    nodes += [getattr(np, name)(2, v) for name in BINARY] + [getattr(np, name)(VALUES[w], v) for name in BINARY]
    a, b = VALUES[v], VALUES[w]
    want = [getattr(np, name)(a) for name in UNARY] + [getattr(np, name)(a, b + 3) for name in BINARY]
    with np.errstate(all="ignore"):
        want += [getattr(np, name)(2, a) for name in BINARY] + [getattr(np, name)(b, a) for name in BINARY]
    for node, made, expected in zip(nodes, evaluate(nodes, VALUES), want, strict=True):
        assert node.shape == (3,)
        assert_same(made, expected)


def test_ufuncs_of_scipy():
    for name in ("erf", "erfc", "expit", "gammaln", "digamma", "psi", "exp2", "expm1", "log1p"):
        function = getattr(scipy.special, name)
        assert_same(evaluate([function(v)], VALUES)[0], function(VALUES[v]))
    with pytest.raises(sg.TraceError, match="j0 does not work on expressions"):
        scipy.special.j0(x)


# -- operands of other kinds ----------------------------------------------------------------------------------------
OPERATORS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / b,
    lambda a, b: a**b,
    lambda a, b: a // b,
    lambda a, b: a % b,
    lambda a, b: a < b,
    lambda a, b: a >= b,
    lambda a, b: a == b,
    lambda a, b: a != b,
]


@pytest.mark.parametrize(
    "other",
    [np.array([1.0, 2.0, 3.0]), np.float64(2.0), np.float32(2.0), np.int64(2), np.array(2.0), 2, 2.5, [1.0, 2.0, 3.0]],
    ids=lambda other: f"{type(other).__name__} {other}",
)
def test_operators_give_expressions_on_both_sides(other):
    for operator in OPERATORS:
        for made, want in (
            (operator(v, other), operator(VALUES[v], other)),
            (operator(other, v), operator(other, VALUES[v])),
            (operator(other, x), operator(np.asarray(other), VALUES[x])),
        ):
            assert isinstance(made, sg.Expr)
            assert_same(evaluate([made], VALUES)[0], np.asarray(want, made.dtype))
    matrix = np.arange(6.0).reshape(2, 3)
    assert_same(evaluate([matrix @ v], VALUES)[0], matrix @ VALUES[v])


def test_element_types_are_those_of_numpy():
    half = sg.symbol("half", (3,), "float32")
    for other in (np.float64(2.0), np.float32(2.0), np.ones(3), np.ones(3, np.float32), np.int64(1), 1, 1.5, True):
        expected = (np.ones(3, np.float32) * other).dtype
        assert (half * other).dtype == expected
        assert (other * half).dtype == expected
        assert np.multiply(other, half).dtype == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.array([x, y]),
        lambda: np.array([[x, 1.0], [2.0, y]]),
        lambda: np.array(v),
        lambda: np.asarray(x),
        lambda: np.array([v, v]),
        lambda: np.array(x, dtype=object),
        lambda: np.sum([x, y]),
        lambda: np.full(3, x),
        lambda: np.concatenate([[x], [y]]),
        lambda: np.vectorize(math.sin)(v),
        lambda: np.array([1.0, x]),
        lambda: scipy.special.logsumexp(v),
        lambda: np.fromiter([x, y], float),
    ],
)
def test_no_array_of_expressions(make):
    with pytest.raises(sg.TraceError, match="expression"):
        make()


def test_arrays_are_not_changed_in_place():
    array = np.ones(3)
    with pytest.raises(
        sg.TraceError, match=r"add: an array cannot take(.|\n)*test_numpy_protocols.py(.|\n)*y = y \+ x"
    ):
        array += v
    for change in (
        lambda: array.__setitem__(0, x),
        lambda: np.add(v, 1, out=array),
        lambda: np.add.at(array, 0, x),
        lambda: np.copyto(array, v),
        lambda: array.__imul__(x),
        lambda: np.sum(v, out=np.zeros(())),
    ):
        with pytest.raises(sg.TraceError):
            change()
    np.testing.assert_array_equal(array, np.ones(3))


UNSUPPORTED = {
    "np.is_busday": lambda: np.is_busday(v),
    "np.linalg.tensorinv": lambda: np.linalg.tensorinv(S),
    "np.add.reduceat": lambda: np.add.reduceat(v, [0, 1]),
    "np.subtract.reduce": lambda: np.subtract.reduce(v),
    "np.add with where": lambda: np.add(v, 1, where=np.array([True, False, True])),
    "np.sum with out": lambda: np.sum(v, out=np.zeros(())),
    "np.bitwise_count": lambda: np.bitwise_count(n),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_not_supported(name):
    with pytest.raises(sg.TraceError) as caught:
        UNSUPPORTED[name]()
    first, place, hint = str(caught.value).split("\n")
    assert first == f"{name} does not work on expressions"
    assert place.startswith("  at test_numpy_protocols.py:")
    assert hint.startswith("  hint: ")


NUMBERS = {
    "float": lambda: float(x),
    "math": lambda: math.sin(x),
    "int": lambda: int(x),
    "bool": lambda: bool(x > 0),
    "complex": lambda: complex(x),
    "index": lambda: [1, 2][x],
    "range": lambda: range(x),
    "in": lambda: x in [y],
    "contained": lambda: 1.0 in v,
    "if": lambda: 1 if v[0] > 0 else 2,
    "and": lambda: (x > 0) and y,
    "chained": lambda: 0 < x < 1,
    "max": lambda: max(x, y),
    "sorted": lambda: sorted([x, y]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_what_only_a_number_has(name):
    with pytest.raises(
        sg.TraceError, match=r"whose value is unknown while tracing\n  at test_numpy_protocols.py:\d+\n  hint"
    ):
        NUMBERS[name]()


def test_python_operators_on_other_things():
    for other in ("text", None, {}, {1}, b"bytes"):
        with pytest.raises(TypeError):
            x + other
        with pytest.raises(TypeError):
            other - v


# -- symgrad.numpy --------------------------------------------------------------------------------------------------
def test_making_arrays_of_expressions():
    a, b = VALUES[x], VALUES[y]
    cases = [
        (snp.array([x, y, 1]), np.array([a, b, 1])),
        (snp.array([[x, 1], [2, y]]), np.array([[a, 1], [2, b]])),
        (snp.asarray([v, w]), np.array([VALUES[v], VALUES[w]])),
        (snp.array([v, [x, 1, 2]]), np.array([VALUES[v], [a, 1, 2]])),
        (snp.array([x, y], dtype="float32"), np.array([a, b], np.float32)),
        (snp.full((2, 2), x), np.full((2, 2), a)),
        (snp.linspace(0, x, 5), np.linspace(0, a, 5)),
        (snp.linspace(x, y, 4, endpoint=False), np.linspace(a, b, 4, endpoint=False)),
        (snp.r_[x, v, 1.0, 0:3], np.r_[a, VALUES[v], 1.0, 0:3]),
        (snp.vstack([v, w]), np.vstack([VALUES[v], VALUES[w]])),
        (snp.vstack([A, v]), np.vstack([VALUES[A], VALUES[v]])),
        (snp.hstack([x, v]), np.hstack([a, VALUES[v]])),
        (snp.hstack([A, A]), np.hstack([VALUES[A], VALUES[A]])),
        (snp.column_stack([v, w]), np.column_stack([VALUES[v], VALUES[w]])),
        (snp.sin(v) + snp.pi, np.sin(VALUES[v]) + np.pi),
    ]
    for made, want in cases:
        assert_same(evaluate([made], VALUES)[0], want)


def test_dynamic_sizes():
    size = sg.symbol("rows", ("m", 2)).shape[0]
    rows = sg.symbol("rows", ("m", 2))
    made = [
        snp.zeros((size, 2)),
        snp.ones(size),
        snp.full((size,), 2.5),
        snp.eye(size),
        snp.identity(size),
        snp.arange(size),
        snp.arange(1, size),
    ]
    want = [np.zeros((4, 2)), np.ones(4), np.full(4, 2.5), np.eye(4), np.identity(4), np.arange(4), np.arange(1, 4)]
    for one, expected in zip(evaluate(made, {rows: np.zeros((4, 2))}), want, strict=True):
        assert_same(one, expected)


def test_without_expressions_it_is_numpy():
    assert isinstance(snp.array([1, 2]), np.ndarray)
    assert snp.zeros(3, int).dtype == np.int64
    assert snp.arange(2, 8, 3).tolist() == [2, 5]
    assert snp.r_[1:3, 5].tolist() == [1, 2, 5]
    for name in ("full", "eye", "linspace", "vstack", "hstack", "column_stack", "ones", "identity"):
        args = {"full": ((2,), 3), "eye": (2,), "linspace": (0, 1, 3), "ones": (2,), "identity": (2,)}.get(
            name, ([[1, 2], [3, 4]],)
        )
        np.testing.assert_array_equal(getattr(snp, name)(*args), getattr(np, name)(*args))
    assert snp.sin is np.sin
    with pytest.raises(AttributeError):
        snp.no_such_function  # noqa: B018
    assert {"array", "sin", "pi"} <= {*dir(snp)}
