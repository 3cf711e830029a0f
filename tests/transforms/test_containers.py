"""Containers of every kind as arguments and results, in all transforms; how their structures match."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any, NamedTuple

import numpy as np
import pytest
from judges import close, in_both_ways

import symgrad as sg
from symgrad.containers import Structure, assembler, flatten, leaf_names, unflatten

X = np.array([0.3, -1.2, 2.5])
V = np.array([1.0, -0.5, 0.25])
A = 2.0


class Pair(NamedTuple):
    left: Any
    right: Any = None


@dataclasses.dataclass
class Record:
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frozen:
    left: Any
    right: Any


@dataclasses.dataclass
class Derived:
    left: Any
    right: Any
    both: Any = dataclasses.field(init=False)

    def __post_init__(self):
        self.both = (self.left, self.right)


Old = namedtuple("Old", "left right")

KINDS = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "dict": lambda a, b: {"left": a, "right": b},
    "dict with other keys": lambda a, b: {3: a, ("k", 1): b},
    "ordered dict": lambda a, b: OrderedDict(left=a, right=b),
    "named tuple": Pair,
    "old named tuple": Old,
    "dataclass": Record,
    "frozen dataclass": lambda a, b: Frozen(left=a, right=b),
    "dataclass with a derived field": Derived,
    "nested": lambda a, b: {"p": [Pair((), {}), Record([a], {"q": (b,)})], "empty": []},
}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


def parts(value):
    return flatten(value)[0]


def f(p):
    """Scalar: x · x a² for the parts x and a."""
    x, a = parts(p)
    return np.sum(x * x) * a**2


def test_arguments_and_results(make):
    found = in_both_ways(sg.jit(lambda p: make(*(one * 2 for one in parts(p)))), make(X, A))
    close(found, make(2 * X, np.float64(4.0)))
    assert type(found) is type(make(X, A))


def test_gradients(make):
    want = make(2 * X * A**2, np.float64(2 * np.sum(X**2) * A))
    close(in_both_ways(sg.grad(f), make(X, A)), want)
    value, gradient = in_both_ways(sg.value_and_grad(f), make(X, A))
    close(value, np.float64(np.sum(X**2) * A**2))
    close(gradient, want)
    close(sg.grad(lambda q, p: f(p) * q, (1, 0))(3.0, make(X, A)),
          (make(6 * X * A**2, np.float64(6 * np.sum(X**2) * A)), np.float64(np.sum(X**2) * A**2)))  # fmt: skip


def test_jacobians_and_hessians(make):
    found = in_both_ways(sg.jacobian(lambda p: make(parts(p)[0] * parts(p)[1], np.sum(parts(p)[0]))), make(X, A))
    close(found, make(make(A * np.eye(3), X), make(np.ones(3), np.float64(0.0))))
    found = in_both_ways(sg.hessian(f), make(X, A))
    close(found, make(make(2 * A**2 * np.eye(3), 4 * A * X), make(4 * A * X, np.float64(2 * np.sum(X**2)))))


def test_products(make):
    along = 2 * X * A**2 @ V + 2 * np.sum(X**2) * A * 0.5
    value, tangent = in_both_ways(lambda p, v: sg.jvp(f, (p,), (v,)), make(X, A), make(V, 0.5))
    close((value, tangent), (np.float64(np.sum(X**2) * A**2), np.float64(along)))
    _, pullback = sg.vjp(lambda p: make(parts(p)[0] * parts(p)[1], parts(p)[1]), make(X, A))
    close(pullback(make(V, 3.0)), (make(A * V, np.float64(X @ V + 3.0)),))
    product = in_both_ways(sg.hvp(f), make(X, A), make(V, 0.5))
    close(product, make(2 * A**2 * V + 4 * A * X * 0.5, np.float64(4 * A * X @ V + 2 * np.sum(X**2) * 0.5)))


def test_maps(make):
    rows = np.stack([X, V])
    want = make(rows * [[2.0], [5.0]], np.array([2.0, 5.0]))
    double = lambda p: make(parts(p)[0] * parts(p)[1], parts(p)[1])  # noqa: E731
    close(in_both_ways(sg.vmap(double), make(rows, np.array([2.0, 5.0]))), want)
    close(in_both_ways(sg.vmap(double, (make(1, 0),), make(-1, 0)), make(rows.T, np.array([2.0, 5.0]))),
          make(want_last(want), np.array([2.0, 5.0])))  # fmt: skip
    close(in_both_ways(sg.vmap(double, (make(-2, None),)), make(rows, 3.0)), make(3 * rows, np.full(2, 3.0)))


def want_last(want):
    return parts(want)[0].T


def test_compiled_expressions(make):
    x, a = sg.symbol("x", (3,)), sg.symbol("a")
    close(flatten(sg.compile(make(x * a, a), [x, a])(X, A))[0], [X * A, np.float64(A)])


# -- structures -----------------------------------------------------------------------------------------------------
def test_structures(make):
    value = make(1, 2)
    leaves, structure = flatten(value)
    assert leaves == [1, 2]
    assert unflatten(structure, leaves) == value
    assert type(unflatten(structure, leaves)) is type(value)
    assert assembler(Structure(tuple, (), (Structure(), structure)))((0, 1, 2)) == (0, value)
    assert len(set(leaf_names("p", structure))) == 2


def test_names_of_leaves():
    structure = flatten([Pair(1, {"k": (2, 3)}), Record(4, 5)])[1]
    assert leaf_names("p", structure) == ["p_0_left", "p_0_right_k_0", "p_0_right_k_1", "p_1_left", "p_1_right"]


def test_sub_classes_count_as_what_they_are_built_as():
    class MyList(list):
        pass

    class MyTuple(tuple):
        pass

    table = defaultdict(float, a=X)
    close(sg.grad(lambda p: np.sum(p["a"] ** 2))(table), {"a": 2 * X})
    close(sg.grad(lambda p: np.sum(p[0] ** 2))(MyList([X])), [2 * X])
    close(sg.grad(lambda p: np.sum(p[0] ** 2))(MyTuple([X])), (2 * X,))


def test_a_wrong_number_of_leaves():
    for leaves in ([1], [1, 2, 3]):
        with pytest.raises(sg.TraceError, match=f"a structure of 2 leaves was given {len(leaves)}"):
            unflatten(flatten((0, 0))[1], leaves)


def test_directions_match_by_key():
    p = {"a": X, "b": [2.0, 3.0]}
    g = lambda p: np.sum(p["a"]) * p["b"][0] * p["b"][1] ** 2  # noqa: E731
    direction = {"b": (0.0, 1.0), "a": V}
    want = np.sum(V) * 18 + np.sum(X) * 12
    close(sg.jvp(g, (p,), (direction,))[1], np.float64(want))
    close(sg.jvp(g, [p], [direction])[1], np.float64(want))
    _, pullback = sg.vjp(lambda x: {"a": x, "b": [2 * x]}, X)
    close(pullback({"b": (V,), "a": V}), (3 * V,))
    close(sg.hvp(g)(p, direction)["a"], np.full(3, 12.0))


def test_buffers_match_by_key():
    x = sg.symbol("x", (3,))
    kernel = sg.compile({"a": x + 1, "b": [x * 2]}, [x])
    out = {"b": (np.zeros(3),), "a": np.zeros(3)}
    kernel(X, out=out)
    close(out, {"b": (2 * X,), "a": X + 1})


def test_a_new_structure_is_a_new_trace():
    traces = []

    def g(p):
        traces.append(None)
        return sum(parts(p))

    function = sg.jit(g)
    for value in ((1.0, 2.0), [1.0, 2.0], {"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}, Pair(1.0, 2.0), ((1.0,), 2.0)):
        for _ in range(2):
            assert function(value) == 3.0
    assert len(traces) == 6
    assert sg.jit(lambda p, q: len(p))((1.0, 2.0), ()) == sg.jit(lambda p, q: len(p))((1.0, 2.0), (3.0,)) == 2
    which = sg.jit(lambda *args: len(args[0]))
    assert (which((1.0,), (2.0, 3.0)), which((1.0, 2.0), (3.0,)), which((1.0, 2.0, 3.0))) == (1, 2, 3)
