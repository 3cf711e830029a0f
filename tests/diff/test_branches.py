"""The branch not taken contributes nothing: no NaN, no infinity, at any order, in any mode.

Every function here is equal, near the point, to a smooth one, written beside it for SymPy; SymPy's derivatives of that
are the judge.  Infinities that belong to the branch taken are the control: they must stay.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from runners import both_ways, close, compiled, interpreted

import symgrad as sg

# -- scalars --------------------------------------------------------------------------------------------------------
# name: (function with a pole or an end of its domain, the point, a point beyond which it is harmless, SymPy's form)
SINGULAR = {
    "sqrt at 0": (np.sqrt, 0.0, 1.5, sympy.sqrt),
    "sqrt outside": (np.sqrt, -1.0, 1.5, sympy.sqrt),
    "log at 0": (np.log, 0.0, 1.5, sympy.log),
    "log outside": (np.log, -2.0, 1.5, sympy.log),
    "log1p at -1": (np.log1p, -1.0, 1.5, lambda x: sympy.log(1 + x)),
    "log2 at 0": (np.log2, 0.0, 1.5, lambda x: sympy.log(x, 2)),
    "reciprocal": (lambda x: 1 / x, 0.0, 1.5, lambda x: 1 / x),
    "quotient": (lambda x: np.sin(x) / x, 0.0, 1.5, lambda x: sympy.sin(x) / x),
    "removable": (lambda x: (x**2 - 1) / (x - 1), 1.0, 1.5, lambda x: x + 1),
    "power -1.5": (lambda x: x**-1.5, 0.0, 1.5, lambda x: x ** sympy.Rational(-3, 2)),
    "power 0.5": (lambda x: x**0.5, 0.0, 1.5, sympy.sqrt),
    "power 1.5": (lambda x: x**1.5, 0.0, 1.5, lambda x: x ** sympy.Rational(3, 2)),
    "power outside": (lambda x: x**0.3, -1.0, 1.5, lambda x: x ** sympy.Rational(3, 10)),
    "x ** x": (lambda x: x**x, 0.0, 1.5, lambda x: x**x),
    "arcsin at 1": (np.arcsin, 1.0, 0.5, sympy.asin),
    "arcsin outside": (np.arcsin, 2.0, 0.5, sympy.asin),
    "arccos at -1": (np.arccos, -1.0, 0.5, sympy.acos),
    "arccosh at 1": (np.arccosh, 1.0, 1.5, sympy.acosh),
    "arctanh at 1": (np.arctanh, 1.0, 0.5, sympy.atanh),
    "exp overflowing": (np.exp, 1000.0, 1.5, sympy.exp),
    "cosh overflowing": (np.cosh, 1000.0, 1.5, sympy.cosh),
    "norm": (lambda x: np.sqrt(x * x), 0.0, 1.5, lambda x: x),
    "arctan2": (lambda x: np.arctan2(x, x * x), 0.0, 1.5, lambda x: sympy.atan(1 / x)),
    "chain": (lambda x: np.log(np.sqrt(x)) / x, 0.0, 1.5, lambda x: sympy.log(x) / 2 / x),
    "gammaln at 0": (sg.special.gammaln, 0.0, 1.5, sympy.loggamma),
}


def smooth(x):
    """What is taken instead, for expressions and for SymPy alike."""
    return x**3 * 0.25 - 2.0 * x + 1.0


def harmless(x, bad, good):
    """The condition that holds at the good point and not at the bad one."""
    return x > bad if good > bad else x < bad


# each takes (f(x), x, condition for f) and gives (expression, what it equals where the condition fails)
WRAPPERS = {
    "where": lambda f, x, ok: (sg.where(ok, f, smooth(x)), smooth),
    "where turned round": lambda f, x, ok: (sg.where(np.logical_not(ok), smooth(x), f), smooth),
    "nested": lambda f, x, ok: (sg.where(ok, sg.where(x > -5, f, x), smooth(x)), smooth),
    "nested twice": lambda f, x, ok: (sg.where(x > -9, sg.where(ok, f * x, smooth(x)), f), smooth),
    "inside a function": lambda f, x, ok: (np.sin(sg.where(ok, f, smooth(x))) * x, lambda x: sympy.sin(smooth(x)) * x),
    "deep inside": lambda f, x, ok: (sg.where(ok, np.tanh(f * x + np.cos(f)) ** 2, smooth(x)), smooth),
    "used twice": lambda f, x, ok: (sg.where(ok, f, x) * sg.where(ok, f * f, smooth(x)), lambda x: x * smooth(x)),
    "constant": lambda f, x, ok: (sg.where(ok, f, 2.0) * x**2, lambda x: 2 * x**2),
    "selected factor": lambda f, x, ok: (sg.where(ok, 1 / f, 1.0) * x, lambda x: x),
}
ORDERS = 3


def slopes_of(y, x, modes):
    """y and its derivatives, the modes taken innermost first."""
    out = [y]
    for mode in modes:
        out.append(sg.jacobian(out[-1], x, mode))
    return out


def exact_slopes(formula, point):
    t = sympy.Symbol("t", real=True)
    exact = sympy.nsimplify(formula(t)) if not isinstance(formula(t), sympy.Basic) else formula(t)
    return [float(sympy.diff(exact, t, order).subs(t, sympy.Float(point, 30)).evalf(20)) for order in range(ORDERS + 1)]


MODES = {
    "reverse": ("reverse",) * 3,
    "forward": ("forward",) * 3,
    "forward over reverse": ("reverse", "forward", "reverse"),
    "reverse over forward": ("forward", "reverse", "forward"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("modes", MODES.values(), ids=MODES)
def test_scalars_at_the_singular_point(wrapper, modes):
    """Orders 0 to 3 of 25 singular functions, each behind the same selection."""
    wrong = []
    for name, (function, bad, good, _) in SINGULAR.items():
        x = sg.symbol("x")
        y, taken = wrapper(function(x), x, harmless(x, bad, good))
        found = [float(one) for one in interpreted(slopes_of(y, x, modes), {x: bad})]
        want = exact_slopes(taken, bad)
        if not np.allclose(found, want, rtol=1e-10, atol=1e-12):
            wrong.append((name, found, want))
    assert not wrong


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
def test_scalars_at_the_singular_point_compiled(wrapper):
    """The same in machine code: one kernel for all singular functions and orders."""
    outputs, points, want, labels = [], {}, [], []
    for k, (name, (function, bad, good, _)) in enumerate(SINGULAR.items()):
        if function is sg.special.gammaln:
            continue  # its derivatives run on the host only
        x = sg.symbol(f"x{k}")
        y, taken = wrapper(function(x), x, harmless(x, bad, good))
        outputs += slopes_of(y, x, ("reverse", "forward", "reverse"))
        want += exact_slopes(taken, bad)
        labels += [f"{name}, order {order}" for order in range(ORDERS + 1)]
        points[x] = bad
    found = [float(one) for one in compiled(outputs, points)]
    wrong = [row for row in zip(labels, found, want, strict=True) if not np.allclose(*row[1:], rtol=1e-10, atol=1e-12)]
    assert not wrong


@pytest.mark.parametrize("name", [name for name in SINGULAR if "overflowing" not in name])
def test_a_batch_that_takes_both_branches(name):
    """vmap of the derivatives over [bad, good, bad]: the smooth ones at the ends, the function's own in the middle."""
    function, bad, good, formula = SINGULAR[name]

    def f(x):
        return sg.where(harmless(x, bad, good), function(x), smooth(x))

    batch = np.array([bad, good, bad])
    own, other = exact_slopes(formula, good), exact_slopes(smooth, bad)
    if name == "removable":
        own = exact_slopes(lambda x: x + 1, good)
    x = sg.symbol("x", (3,))
    for order in range(1, ORDERS + 1):
        (found,) = interpreted([sg.vmap(sg.derivative(f, order))(x)], {x: batch})
        np.testing.assert_allclose(found, [other[order], own[order], other[order]], rtol=1e-9, atol=1e-10)
    (found,) = interpreted([sg.vmap(sg.grad(f))(x)], {x: batch})
    np.testing.assert_allclose(found, [other[1], own[1], other[1]], rtol=1e-9, atol=1e-10)


def test_a_batch_that_takes_both_branches_compiled():
    """The same through machine code, all functions in one kernel."""
    names = [name for name in SINGULAR if "overflowing" not in name and "gammaln" not in name]
    outputs, values, want = [], {}, []
    for k, name in enumerate(names):
        function, bad, good, formula = SINGULAR[name]

        def f(x, function=function, bad=bad, good=good):
            return sg.where(harmless(x, bad, good), function(x), smooth(x))

        x = sg.symbol(f"x{k}", (3,))
        values[x] = [bad, good, bad]
        own, other = exact_slopes(formula, good), exact_slopes(smooth, bad)
        for order in (1, 2):
            outputs.append(sg.vmap(sg.derivative(f, order))(x))
            want.append([other[order], own[order], other[order]])
    wrong = [
        (names[k // 2], k % 2 + 1, got, expected)
        for k, (got, expected) in enumerate(zip(compiled(outputs, values), want, strict=True))
        if not np.allclose(got, expected, rtol=1e-9, atol=1e-10)
    ]
    assert not wrong


# -- selection by other operations ----------------------------------------------------------------------------------
OTHERS = {
    "maximum": (lambda x: np.maximum(smooth(x), np.sqrt(x)), 0.0, smooth),
    "maximum of a logarithm": (lambda x: np.maximum(np.log(x), smooth(x)), 0.0, smooth),
    "minimum of a reciprocal": (lambda x: np.minimum(1 / x, smooth(x)), 0.0, smooth),
    "maximum with a number": (lambda x: np.maximum(np.log(x), -2.0) * x, 0.0, lambda x: -2 * x),
    "relu": (lambda x: sg.nn.relu(-1 - np.sqrt(x)) + smooth(x), 0.0, smooth),
    "relu of a logarithm": (lambda x: sg.nn.relu(np.log(x)) + smooth(x), 0.0, smooth),
    "relu at its kink": (lambda x: sg.nn.relu(np.sqrt(x)) + smooth(x), 0.0, smooth),
    "clip above": (lambda x: np.clip(1 / x, -1.0, 2.0) * x**2, 0.0, lambda x: 2 * x**2),
    "clip below": (lambda x: np.clip(np.log(x), -3.0, 2.0) * x**2, 0.0, lambda x: -3 * x**2),
    "clip at its lower end": (lambda x: np.sqrt(x).clip(0, 1) + smooth(x), 0.0, smooth),
    "abs at its kink": (lambda x: abs(np.sqrt(x)) + smooth(x), 0.0, smooth),
    "root of a maximum": (lambda x: np.sqrt(np.maximum(x**2 - 4, 0)) + smooth(x), 1.0, smooth),
    "root of a relu": (lambda x: np.sqrt(sg.nn.relu(x - 1)) + smooth(x), 0.5, smooth),
    "logarithm of a clipped ratio": (
        lambda x: np.log(np.clip(x, 1e-3, 1.0)) * x,
        -1.0,
        lambda x: sympy.log("1/1000") * x,
    ),
    "max of a stack": (lambda x: np.max(sg.stack([np.sqrt(x), smooth(x)])), 0.0, smooth),
    "min of a stack": (lambda x: np.min(sg.stack([1 / x, smooth(x)])), 0.0, smooth),
    "argument of a sign": (lambda x: np.sign(np.sqrt(x)) + smooth(x), 0.25, lambda x: smooth(x) + 1),
    "stopped": (lambda x: sg.stop_gradient(np.sqrt(x)) * x + smooth(x), 0.0, smooth),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
@both_ways
def test_other_operations_that_select(run, case):
    function, point, taken = case
    x = sg.symbol("x")
    want = exact_slopes(taken, point)
    if function is OTHERS["stopped"][0]:
        want = want[:2]
    for modes in MODES.values():
        found = run(slopes_of(function(x), x, modes)[: len(want)], {x: point})
        np.testing.assert_allclose([float(one) for one in found], want, rtol=1e-10, atol=1e-12)


# -- arrays ---------------------------------------------------------------------------------------------------------
x0, x1, x2 = SYMBOLS = sympy.symbols("x0 x1 x2", real=True)
POINT = np.array([0.0, 2.0, -1.0])  # sqrt, log and 1/x are singular at the first, undefined at the last
FIRST = np.array([True, False, False])
TABLE = np.arange(1.0, 7.0).reshape(2, 3)


def safe(f, x):
    """f where x > 0 and 0 elsewhere: at POINT, only its middle element is taken."""
    return sg.where(x > 0, f(x), 0.0)


S1, L1, R1 = sympy.sqrt(x1), sympy.log(x1), 1 / x1
ARRAYS = {
    "sum": (lambda x: np.sum(safe(np.sqrt, x)), S1),
    "sum of a product": (lambda x: np.sum(safe(np.log, x) * x), L1 * x1),
    "broadcast condition": (lambda x: np.sum(sg.where(x[1] < 0, np.sqrt(x), x**3)), x0**3 + x1**3 + x2**3),
    "scalar condition, reduced branch": (
        lambda x: sg.where(x[0] > 0, np.sum(1 / x), np.sum(x * x)),
        x0**2 + x1**2 + x2**2,
    ),
    "scalar condition, norm": (lambda x: sg.where(x[0] > 0, sg.norm(1 / x), x[1] * x[2]), x1 * x2),
    "scalar condition, mean of logs": (lambda x: sg.where(x[0] > 0, np.mean(np.log(x)), x[1] ** 3), x1**3),
    "scalar condition, prod": (lambda x: sg.where(x[0] > 0, np.prod(1 / x), x[1] ** 3), x1**3),
    "scalar condition, max": (lambda x: sg.where(x[0] > 0, np.max(np.log(x)), x[1] ** 3), x1**3),
    "scalar condition, logsumexp": (lambda x: sg.where(x[0] > 0, sg.logsumexp(1 / x), x[1] ** 3), x1**3),
    "scalar condition, softmax": (lambda x: sg.where(x[0] > 0, sg.nn.softmax(1 / x)[1], x[1] ** 3), x1**3),
    "outer broadcast": (lambda x: np.sum(safe(np.sqrt, x)[:, None] * x[None, :]), S1 * (x0 + x1 + x2)),
    "broadcast column": (lambda x: np.sum(sg.where((x > 0)[:, None], np.log(x)[:, None] * TABLE[0], 0.0)), L1 * 6),
    "broadcast row": (lambda x: np.sum(sg.where(x > 0, np.log(x) * x[:, None], 0.0)), L1 * (x0 + x1 + x2)),
    "sum along an axis": (lambda x: np.sum(sg.where(x > 0, 1 / (x * TABLE), x), axis=0)[1], R1 * sympy.Rational(7, 10)),
    "masked pairs": (
        lambda x: np.sum(sg.where(np.eye(3) > 0, 0.0, x[:, None] / np.sqrt((x[:, None] - x) ** 2))),
        x1 / (x1 - x0) + x1 / (x1 - x2) + x0 / (x1 - x0) + x0 / (x0 - x2) + x2 / (x0 - x2) + x2 / (x1 - x2),
    ),
    "slice of the branch": (lambda x: np.sqrt(x)[1] * x[0], S1 * x0),
    "slice after a product": (lambda x: (np.log(x) * x[::-1])[1], L1 * x1),
    "range of the branch": (lambda x: np.sum((x[0] * np.log(x))[1:2]), x0 * L1),
    "slice under a selection": (lambda x: sg.where(x[0] > 0, np.log(x)[0], x[1] ** 2), x1**2),
    "concatenation": (lambda x: np.concatenate([np.sqrt(x), x**2])[1:5:3] @ np.array([1.0, 2.0]), S1 + 2 * x1**2),
    "concatenated and selected": (
        lambda x: np.sum(sg.where(np.concatenate([x, x]) > 0, np.concatenate([np.sqrt(x), np.log(x)]), 0.0)),
        S1 + L1,
    ),
    "stack": (lambda x: sg.stack([np.sqrt(x), x**2], 1)[1, 0] + sg.stack([np.sqrt(x), x**2])[1, 0], S1 + x0**2),
    "reshape and transpose": (
        lambda x: np.sum(sg.where(x.reshape(3, 1) > 0, np.log(x).reshape(3, 1), 0.0).T @ TABLE.T),
        L1 * 7,
    ),
    "matmul of the branch": (lambda x: np.sum(TABLE @ safe(np.sqrt, x)), 7 * S1),
    "matmul, scalar condition": (lambda x: sg.where(x[0] > 0, np.sum(TABLE @ (1 / x)), x[1] ** 3), x1**3),
    "matmul with a singular factor": (lambda x: sg.where(x[0] > 0, (1 / x) @ x, x[1] ** 3), x1**3),
    "one row of a matmul": (lambda x: (sg.stack([1 / x, x]) @ x)[1], x0**2 + x1**2 + x2**2),
    "one entry of an outer product": (lambda x: np.outer(1 / x, x)[1, 0], x0 / x1),
    "einsum": (lambda x: sg.where(x[0] > 0, np.einsum("i,ij,j->", 1 / x, np.ones((3, 3)), x), x[1] ** 3), x1**3),
    "einsum of three variables": (
        lambda x: sg.where(x[0] > 0, np.einsum("i,i,i->", x, x + 1, 1 / x), x[1] ** 3),
        x1**3,
    ),
    "one entry of an einsum": (lambda x: np.einsum("i,j->ij", np.sqrt(x), x)[1, 2], S1 * x2),
    "one entry of a batched product": (
        lambda x: np.matmul(sg.stack([sg.stack([1 / x, x]), sg.stack([x, x])]), x)[1, 0],
        x0**2 + x1**2 + x2**2,
    ),
    "cross product": (lambda x: sg.where(x[0] > 0, np.sum(np.cross(1 / x, x)), x[1] ** 3), x1**3),
    "one entry of a cross product": (lambda x: np.cross(x, 1 / x)[0], x1 / x2 - x2 / x1),
    "gather": (lambda x: np.sum(np.sqrt(x)[np.array([1, 1])]) * x[0], 2 * S1 * x0),
    "gather under a selection": (
        lambda x: np.sum(sg.where(x[np.array([0, 1, 2, 1])] > 0, np.log(x)[np.array([0, 1, 2, 1])], 0.0)),
        2 * L1,
    ),
    "gather with expression indices": (
        lambda x: np.sum(np.sqrt(x)[(x > 0).astype("int64")[:2]][1:]) * x[0],
        S1 * x0,
    ),
    "scatter": (lambda x: x.at[np.array([0, 2])].set(np.sqrt(x)[np.array([1, 1])])[2], S1),
    "scatter over the branch": (lambda x: np.sum(np.sqrt(x).at[np.array([0, 2])].set(x[1])), S1 + 2 * x1),
    "scatter_add beside the branch": (lambda x: np.sqrt(x).at[np.array([0, 2])].add(1 / x[0])[1], S1),
    "update over the branch": (lambda x: np.sum((1 / x).at[0].set(1.0).at[2].set(x[1])), R1 + x1),
    "prod of safe elements": (lambda x: np.prod(sg.where(x > 0, np.log(x), x - 3)), (x0 - 3) * L1 * (x2 - 3)),
    "max over the branch": (lambda x: np.max(sg.where(x > 0, np.sqrt(x), x - 5)), S1),
    "masked mean": (lambda x: np.sum(safe(np.log, x)) / np.sum((x > 0).astype("float64")), L1),
    "logsumexp of masked logarithms": (lambda x: sg.logsumexp(sg.where(x > 0, np.log(x), -1e30)), L1),
}


def exact_tensors(formula, orders):
    """Gradient, Hessian, ... of a SymPy expression of x0, x1, x2 at POINT."""
    place = dict(zip(SYMBOLS, map(sympy.Float, POINT), strict=True))
    table: dict[tuple[int, ...], float] = {}

    def entry(*indices):
        key = tuple(sorted(indices))
        if key not in table:
            table[key] = float(sympy.diff(formula, *(SYMBOLS[k] for k in key)).subs(place))
        return table[key]

    return [
        np.array([entry(*index) for index in itertools.product(range(3), repeat=order)]).reshape((3,) * order)
        for order in range(1, orders + 1)
    ]


@pytest.mark.parametrize("case", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("modes", MODES.values(), ids=MODES)
def test_arrays(case, modes):
    function, formula = case
    x = sg.symbol("x", (3,))
    found = interpreted(slopes_of(function(x), x, modes)[1:], {x: POINT})
    for order, (got, want) in enumerate(zip(found, exact_tensors(formula, 3), strict=True), 1):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11, err_msg=f"order {order}")


@pytest.mark.parametrize("case", ARRAYS.values(), ids=ARRAYS)
def test_arrays_compiled(case):
    function, formula = case
    x = sg.symbol("x", (3,))
    y = function(x)
    (slope,) = sg.gradients(y, [x])
    found = compiled([slope, sg.jacobian(slope, x, "forward")], {x: POINT})
    for got, want in zip(found, exact_tensors(formula, 2), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("names", [list(ARRAYS)[::3], list(ARRAYS)[1::3], list(ARRAYS)[2::3]], ids=["a", "b", "c"])
def test_arrays_vmapped(names):
    """Gradients over a batch of the point and of a point where every branch is harmless."""
    x = sg.symbol("x", (2, 3))
    harmless_point = np.array([0.5, 2.0, 1.25])
    wrong = []
    for name in names:
        function, formula = ARRAYS[name]
        (found,) = interpreted([sg.vmap(sg.grad(function))(x)], {x: np.stack([POINT, harmless_point])})
        own = sg.symbol("own", (3,))
        (alone,) = interpreted(sg.gradients(function(own), [own]), {own: harmless_point})
        if not np.allclose(found, [exact_tensors(formula, 1)[0], alone], rtol=1e-10, atol=1e-11):
            wrong.append((name, found))
    assert not wrong


@pytest.mark.parametrize(
    "overflow", [np.exp, np.cosh, np.sinh, lambda x: np.exp2(x * 2)], ids=["exp", "cosh", "sinh", "exp2"]
)
def test_an_overflow_in_a_contraction_that_is_not_taken(overflow):
    """where(x0 < 10, sum(A f(x)), ...) at x0 = 1000: nothing comes back from the product, also not to A."""
    x, A = sg.symbol("x", (2,)), sg.symbol("A", (2, 2))
    y = sg.where(x[0] < 10, np.sum(A @ overflow(x)), x[1] ** 2)
    on_x, on_A = interpreted(sg.gradients(y, [x, A]), {x: [1000.0, 3.0], A: np.eye(2)})
    close(on_x, [0.0, 6.0])
    close(on_A, np.zeros((2, 2)))


# -- structural zeros -----------------------------------------------------------------------------------------------
PARTLY_INFINITE = {
    "sqrt": (lambda x: sg.stack([np.sqrt(x[0]), x[1] ** 2]), [[np.inf, 0], [0, 4]]),
    "sqrt as an array": (lambda x: np.sqrt(x) * np.array([1.0, 4.0]), [[np.inf, 0], [0, np.sqrt(2.0)]]),
    "reciprocal": (lambda x: sg.stack([1 / x[0], x[1] ** 2]), [[-np.inf, 0], [0, 4]]),
    "logarithm": (lambda x: np.concatenate([np.log(x[:1]), x[1:]]), [[np.inf, 0], [0, 1]]),
    "both, separately": (lambda x: sg.stack([np.sqrt(x[0]) + x[1], x[0] * x[1]]), [[np.inf, 1], [2, 0]]),
    "product": (lambda x: sg.stack([np.prod(sg.stack([np.sqrt(x[0]), x[1]])), x[1]]), [[np.inf, 0], [0, 1]]),
    "product of a reciprocal": (
        lambda x: sg.stack([np.prod(sg.stack([1 / x[0], x[1]])), x[1]]),
        [[-np.inf, np.inf], [0, 1]],
    ),
    "norms": (lambda x: sg.stack([sg.norm(x[:1]), sg.norm(x[1:])]), [[0, 0], [0, 1]]),
    "matmul": (lambda x: np.eye(2) @ np.sqrt(x), [[np.inf, 0], [0, 1 / np.sqrt(8.0)]]),
    "einsum": (lambda x: np.einsum("ij,j->i", np.eye(2), np.sqrt(x)), [[np.inf, 0], [0, 1 / np.sqrt(8.0)]]),
}


@pytest.mark.parametrize("case", PARTLY_INFINITE.values(), ids=PARTLY_INFINITE)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@both_ways
def test_an_infinite_entry_does_not_poison_the_jacobian(run, mode, case):
    """At x = [0, 2]: one entry is truly infinite, the others are finite and exact."""
    function, want = case
    if function in (PARTLY_INFINITE["matmul"][0], PARTLY_INFINITE["einsum"][0]):
        want = np.array(want)
        # 0 * inf in a dense product is not structural: only the rows' own entries are certain
        x = sg.symbol("x", (2,))
        (found,) = run([sg.jacobian(function(x), x, mode)], {x: [0.0, 2.0]})
        np.testing.assert_allclose(np.diag(found), np.diag(want), rtol=1e-12)
        return
    x = sg.symbol("x", (2,))
    (found,) = run([sg.jacobian(function(x), x, mode)], {x: [0.0, 2.0]})
    np.testing.assert_allclose(found, want, rtol=1e-12)


@pytest.mark.parametrize("modes", MODES.values(), ids=MODES)
@both_ways
def test_an_element_of_a_root(run, modes):
    """y = sqrt(x)[1] at x[0] = 0: nothing of order 1 to 3 comes from the first element."""
    x = sg.symbol("x", (2,))
    found = run(slopes_of(np.sqrt(x)[1], x, modes)[1:], {x: [0.0, 4.0]})
    for order, (got, want) in enumerate(zip(found, (1 / 4, -1 / 32, 3 / 256), strict=True), 1):
        exact = np.zeros((2,) * order)
        exact[(1,) * order] = want
        np.testing.assert_allclose(got, exact, rtol=1e-12, err_msg=f"order {order}")


@both_ways
def test_repeated_gradients_of_an_element_of_a_root(run):
    """The same by gradients of the sum of gradients, as training code writes it."""
    x = sg.symbol("x", (2,))
    slopes = [np.sqrt(x)[1]]
    for _ in range(3):
        slopes.append(sg.gradients(np.sum(slopes[-1]), [x])[0])
    for got, want in zip(run(slopes[1:], {x: [0.0, 4.0]}), (1 / 4, -1 / 32, 3 / 256), strict=True):
        close(got, [0.0, want])


@pytest.mark.parametrize(
    "function", [np.log, np.sqrt, lambda x: 1 / x, lambda x: x**-0.5], ids=["log", "sqrt", "1/x", "power"]
)
@pytest.mark.parametrize(
    "pick", [lambda v: v[1:], lambda v: v[np.array([2, 1])], lambda v: v[:0:-1]], ids=["range", "gather", "backwards"]
)
def test_repeated_gradients_of_parts(function, pick):
    """Parts that leave out the singular element: three orders, all finite."""
    x = sg.symbol("x", (3,))
    slopes = [pick(function(x))]
    for _ in range(3):
        slopes.append(sg.gradients(slopes[-1], [x])[0])
    t = sympy.Symbol("t", positive=True)
    exact = {np.log: sympy.log(t), np.sqrt: sympy.sqrt(t)}.get(function)
    if exact is None:
        exact = 1 / t if float(function(4.0)) == 0.25 else t ** sympy.Rational(-1, 2)
    for order, got in enumerate(interpreted(slopes[1:], {x: [0.0, 2.0, 3.0]}), 1):
        want = [0.0] + [float(sympy.diff(exact, t, order).subs(t, point)) for point in (2, 3)]
        np.testing.assert_allclose(got, want, rtol=1e-12)


# -- controls: infinities that belong to the branch taken -------------------------------------------------------------
TRULY_INFINITE = {
    "sqrt": (np.sqrt, 0.0, np.inf),
    "sqrt selected": (lambda x: sg.where(x >= 0, np.sqrt(x), x), 0.0, np.inf),
    "sqrt of a negative argument": (lambda x: np.sqrt(-x), -0.0, -np.inf),
    "log": (np.log, 0.0, np.inf),
    "log selected": (lambda x: sg.where(x < 1, np.log(x), x), 0.0, np.inf),
    "reciprocal": (lambda x: 1 / x, 0.0, -np.inf),
    "reciprocal selected": (lambda x: sg.where(x < 1, 1 / x, x), 0.0, -np.inf),
    "power": (lambda x: x**0.5, 0.0, np.inf),
    "arcsin": (np.arcsin, 1.0, np.inf),
    "arccos": (np.arccos, 1.0, -np.inf),
    "arccosh": (np.arccosh, 1.0, np.inf),
    "arctanh": (np.arctanh, 1.0, np.inf),
    "log1p": (np.log1p, -1.0, np.inf),
    "maximum that takes it": (lambda x: np.maximum(np.sqrt(x), -1.0), 0.0, np.inf),
    "times a number": (lambda x: -3 * np.sqrt(x), 0.0, -np.inf),
    "sum": (lambda x: np.sum(sg.stack([np.sqrt(x), x])), 0.0, np.inf),
}


@pytest.mark.parametrize("case", TRULY_INFINITE.values(), ids=TRULY_INFINITE)
@both_ways
def test_true_infinities_stay(run, case):
    function, point, want = case
    x = sg.symbol("x")
    y = function(x)
    for mode in ("reverse", "forward"):
        assert float(run([sg.jacobian(y, x, mode)], {x: point})[0]) == want


def test_true_infinities_of_elements_stay():
    x = sg.symbol("x", (3,))
    (slope,) = interpreted(sg.gradients(np.sum(sg.where(x >= 0, np.sqrt(x), x)), [x]), {x: [0.0, 4.0, -1.0]})
    assert list(slope) == [np.inf, 0.25, 1.0]


def test_undefined_values_taken_stay_undefined():
    """sqrt(-1) selected is NaN, and so is its derivative: nothing is hidden."""
    x = sg.symbol("x")
    y = sg.where(x < 0, np.sqrt(x), x)
    value, slope = interpreted([y, *sg.gradients(y, [x])], {x: -1.0})
    assert np.isnan(value)
    assert np.isnan(slope)


# -- bundle adjustment at zero rotation -----------------------------------------------------------------------------
def residual(camera, point, weight, feature):
    """Bundle adjustment (ADBench): rotate by Rodrigues' formula, project, distort, compare."""
    r, C, f, u, k = camera[:3], camera[3:6], camera[6], camera[7:9], camera[9:11]
    D = point - C
    square = np.sum(r * r)
    theta = np.sqrt(square)
    axis = r / theta
    turned = D * np.cos(theta) + np.cross(axis, D) * np.sin(theta) + axis * (axis @ D) * (1 - np.cos(theta))
    Y = sg.where(np.equal(square, 0.0), D + np.cross(r, D), turned)
    e = Y[:2] / Y[2]
    q = np.sum(e * e)
    return weight * (f * (1 + k[0] * q + k[1] * q * q) * e + u - feature)


def residual_in_sympy(zero_rotation):
    c = sympy.symbols("c:11", real=True)
    p = sympy.symbols("p:3", real=True)
    w = sympy.Symbol("w", real=True)
    r, D = sympy.Matrix(c[:3]), sympy.Matrix(p) - sympy.Matrix(c[3:6])
    if zero_rotation:
        Y = D + r.cross(D)
    else:
        theta = sympy.sqrt(r.dot(r))
        a = r / theta
        Y = D * sympy.cos(theta) + a.cross(D) * sympy.sin(theta) + a * a.dot(D) * (1 - sympy.cos(theta))
    e = sympy.Matrix([Y[0] / Y[2], Y[1] / Y[2]])
    q = e.dot(e)
    out = w * (c[6] * (1 + c[9] * q + c[10] * q**2) * e + sympy.Matrix(c[7:9]) - sympy.Matrix([0.1, -0.2]))
    return out, (*c, *p, w)


@pytest.mark.parametrize("rotation", [[0.0, 0.0, 0.0], [0.1, -0.2, 0.3]], ids=["zero", "general"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@both_ways
def test_bundle_adjustment_jacobian(run, mode, rotation):
    """2 x 15 block of one observation, also where the axis of rotation is 0/0."""
    camera = np.array([*rotation, 0.5, -0.3, 0.2, 1.2, 0.05, -0.04, 0.1, -0.02])
    point = np.array([0.7, 0.4, 3.0])
    c, p, w = sg.symbol("c", (11,)), sg.symbol("p", (3,)), sg.symbol("w")
    y = residual(c, p, w, np.array([0.1, -0.2]))
    parts = run([sg.jacobian(y, one, mode) for one in (c, p, w)], {c: camera, p: point, w: 0.9})
    block = np.concatenate([parts[0], parts[1], parts[2][:, None]], axis=1)
    formula, symbols = residual_in_sympy(rotation == [0.0, 0.0, 0.0])
    place = dict(zip(symbols, (*camera, *point, 0.9), strict=True))
    want = np.array([[float(sympy.diff(one, s).subs(place)) for s in symbols] for one in formula])
    np.testing.assert_allclose(block, want, rtol=1e-11, atol=1e-12)


def test_bundle_adjustment_over_a_batch():
    """Observations of a camera at rest and of one that turns, together."""
    cameras = np.array(
        [[0, 0, 0, 0.5, -0.3, 0.2, 1.2, 0.05, -0.04, 0.1, -0.02], [0.1, -0.2, 0.3, 0, 0, 0, 1, 0, 0, 0, 0]]
    )
    points = np.array([[0.7, 0.4, 3.0], [0.2, -0.1, 2.0]])
    weights, feature = np.array([0.9, 1.1]), np.array([0.1, -0.2])
    blocks = sg.vmap(sg.jacobian(lambda c, p, w: residual(c, p, w, feature), (0, 1, 2)))(cameras, points, weights)
    for k in range(2):
        formula, symbols = residual_in_sympy(k == 0)
        place = dict(zip(symbols, (*cameras[k], *points[k], weights[k]), strict=True))
        want = np.array([[float(sympy.diff(one, s).subs(place)) for s in symbols] for one in formula])
        got = np.concatenate([blocks[0][k], blocks[1][k], blocks[2][k][:, None]], axis=1)
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
