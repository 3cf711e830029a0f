"""Published failures of branches and of cancellation, rewritten from their descriptions, at orders 1 to 3.

Each function is given at a bad point, together with a smooth function that it equals nearby; SymPy's derivatives of that
are the judge.  Everything is run by the interpreter, as one kernel, ahead of time, over a batch and by ``jit``.  A
list of functions whose derivative is truly infinite is the control: they stay infinite.
"""

from __future__ import annotations

import itertools

import numpy as np
import sympy
from comparing import assert_same
from roads import every_road

import symgrad as sg

X, Y, Z = SYMBOLS = sympy.symbols("x y z", real=True)
NOTHING = sympy.Integer(0)
ORDERS = 3
TABLE = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def safe(function, x):
    return sg.where(x > 0, function(x), 0.0)


def relative(x):
    """A function whose value at 0 is a limit, written with a selection."""
    return sg.where(abs(x) < 1e-8, 1 + x / 2, np.expm1(x) / x)


def rodrigues(w):
    """A quarter turn's axis rotated by a vector of angles, which is at rest."""
    square = np.sum(w * w)
    angle = np.sqrt(square)
    axis = w / angle
    v = np.array([0.0, 0.0, 1.0])
    turned = v * np.cos(angle) + np.cross(axis, v) * np.sin(angle) + axis * (axis @ v) * (1 - np.cos(angle))
    return sg.where(square > 0, turned, v + np.cross(w, v)) @ np.array([1.0, 2.0, 4.0])


# name: (function, the bad point, what it equals near it)
BRANCHES = {
    "jax#1052, arctan2 where masked": (
        lambda x: np.sum(np.where(np.array([0.0, 1.0, 0.0]) > 0.5, 0.0, np.arctan2(x, x**2))),
        [3.0, 0.0, -5.0],
        sympy.atan(1 / X) + sympy.atan(1 / Z),
    ),
    "jax#5798, root beyond 1": (lambda x: np.where(x < 1.0, x, np.sqrt(x)), 0.0, X),
    "jax#5798, taken": (lambda x: np.where(x < 1.0, x, np.sqrt(x)), 4.0, sympy.sqrt(X)),
    "casadi#1878 at 0": (lambda x: x * sg.where(x > 0, np.sqrt(x), 0.0), 0.0, NOTHING),
    "casadi#1878 outside": (lambda x: sg.where(x > 0, np.sqrt(x), 2.0 * x), -3.0, 2 * X),
    "casadi#1878 inside": (lambda x: sg.where(x > 0, np.sqrt(x), 0.0), 1.0, sympy.sqrt(X)),
    "casadi#1878, logarithm of a power": (lambda x: sg.where(x > 0, np.log(x**0.5), x**2), 0.0, X**2),
    "Theano#4918, overflow": (lambda x: sg.where(x > 0, x + 1, np.exp(x)), 1000.0, X + 1),
    "Theano#4918, taken": (lambda x: sg.where(x > 0, x + 1, np.exp(x)), -1.0, sympy.exp(X)),
    "Theano#6476, nested switches": (
        lambda x: sg.where(np.isinf(-1 / abs(x)), x**3, sg.where(1 / x >= 0, (1 / x - x) ** 2, -((1 / x - x) ** 2))),
        0.0,
        X**3,
    ),
    "symforce#445, below": (lambda x: np.sqrt(np.maximum(0, x[0] ** 2 - x[1] ** 2)), [1.0, 2.0], NOTHING),
    "symforce#445, above": (
        lambda x: np.sqrt(np.maximum(0, x[0] ** 2 - x[1] ** 2)),
        [5.0, 3.0],
        sympy.sqrt(X**2 - Y**2),
    ),
    "pytorch#156212, overflow": (lambda x: np.where(x <= 10, np.exp(x), 1.0), 1e10, NOTHING),
    "pytorch#156212, NaN": (lambda x: np.where(x <= 10, np.exp(x), 1.0), np.nan, NOTHING),
    "pytorch#156212, taken": (lambda x: np.where(x <= 10, np.exp(x), 1.0), 1.0, sympy.exp(X)),
    "matrix product": (
        lambda x: np.sum(TABLE @ safe(np.sqrt, x)),
        [0.0, 4.0, -1.0],
        7 * sympy.sqrt(Y),
    ),
    "matrix product behind a condition": (
        lambda x: sg.where(x[0] > 0, np.sum(TABLE @ (np.log(x) / x)), np.prod(x)),
        [0.0, 2.0, -1.0],
        X * Y * Z,
    ),
    "matrix product of two branches": (
        lambda x: safe(np.sqrt, x) @ safe(np.log, x) + (x @ x) ** 2,
        [0.0, 2.0, -1.0],
        sympy.sqrt(Y) * sympy.log(Y) + (X**2 + Y**2 + Z**2) ** 2,
    ),
    "select behind a matrix product": (
        lambda x: np.sum(sg.where(TABLE @ x > 20, np.log(TABLE @ x - 9), TABLE @ x)),
        [1.0, 1.0, 0.0],
        5 * X + 7 * Y + 9 * Z,
    ),
    "limit at 0, series taken": (relative, 0.0, 1 + X / 2),
    "root of a clipped argument": (lambda x: np.sqrt(np.clip(x, 0.25, 1.0)) * x, -1.0, X / 2),
    "logarithm of a masked sum": (lambda x: np.log(np.sum(safe(lambda t: 1 / t, x))), [0.0, 4.0, -2.0], -sympy.log(Y)),
    "Rodrigues at rest": (rodrigues, [0.0, 0.0, 0.0], Y - 2 * X + 4),
}

LIMITS = {
    "jax#21723, scalar": (lambda x: np.linalg.norm(x) ** 2, 0.0, X**2),
    "jax#21723, vector": (lambda x: np.linalg.norm(x) ** 2, [0.0, 0.0], X**2 + Y**2),
    "autograd#617, along an axis": (
        lambda x: np.sum(np.linalg.norm(x.reshape(1, 3), axis=-1) ** 2),
        [0.0, 0.0, 0.0],
        X**2 + Y**2 + Z**2,
    ),
    "autograd#570, exponential": (lambda x: np.exp(-(sg.norm(x) ** 2)), [0.0, 0.0], sympy.exp(-(X**2) - Y**2)),
    "norm times itself": (lambda x: sg.norm(x) * sg.norm(x), [0.0, 0.0], X**2 + Y**2),
    "fourth power of a norm": (lambda x: sg.norm(x) ** 4, [0.0, 0.0], (X**2 + Y**2) ** 2),
    "squared root of squares": (lambda x: np.square(np.sqrt(np.sum(x**2))), [0.0, 0.0], X**2 + Y**2),
    "squared root of a dot product": (lambda x: np.sqrt(x @ x) ** 2, [0.0, 0.0], X**2 + Y**2),
    "squared root, written out": (lambda x: np.sqrt(x[0] ** 2 + 3 * x[1] ** 2) ** 2, [0.0, 0.0], X**2 + 3 * Y**2),
    "squared hypot": (lambda x: np.hypot(x[0], x[1]) ** 2, [0.0, 0.0], X**2 + Y**2),
    "squared root": (lambda x: np.sqrt(x) ** 2, 0.0, X),
    "cubed root of a fourth power": (lambda x: np.sqrt(x**4) ** 3, 0.0, X**6),
    "root of a fourth power": (lambda x: np.sqrt(x**4), 0.0, X**2),
    "power of a square": (lambda x: (x**2) ** 2.5, 0.0, NOTHING),
    "squared absolute value": (lambda x: abs(x) ** 2, 0.0, X**2),
    "absolute value of a square": (lambda x: abs(3 * x**2), 0.0, 3 * X**2),
    "cosine of an absolute value": (lambda x: np.cos(abs(x)), 0.0, sympy.cos(X)),
    "log of exp, overflow": (lambda x: np.log(np.exp(x)), 1000.0, X),
    "log of exp, underflow": (lambda x: np.log(np.exp(x)), -1000.0, X),
    "exp of log": (lambda x: np.exp(np.log(x)), 0.0, X),
    "expm1 of log1p": (lambda x: np.expm1(np.log1p(x)), -1.0, X),
    "log1p of expm1": (lambda x: np.log1p(np.expm1(x)), 1000.0, X),
    "softplus": (sg.nn.softplus, 1000.0, X),
    "softplus of log1p": (lambda x: np.log1p(np.exp(x)), 1000.0, X),
    "softplus of log": (lambda x: np.log(1 + np.exp(x)), 1000.0, X),
    "softplus of log, underflow": (lambda x: np.log(np.exp(x) + 1), -1000.0, NOTHING),
    "logaddexp": (lambda x: np.logaddexp(x, 2 * x), 1000.0, 2 * X),
    "logaddexp written out": (lambda x: np.log(np.exp(x) + np.exp(2 * x)), 1000.0, 2 * X),
    "logsumexp": (sg.logsumexp, [1000.0, -1000.0], X),
    "logsumexp written out": (lambda x: np.log(np.sum(np.exp(x))), [1000.0, -1000.0], X),
    "sigmoid, underflow": (lambda x: 1 / (1 + np.exp(-x)), -1000.0, NOTHING),
    "sigmoid, overflow": (lambda x: 1 / (1 + np.exp(-x)), 1000.0, NOTHING),
    "log of sigmoid": (lambda x: np.log(sg.nn.sigmoid(x)), -1000.0, X),
    "log of sigmoid written out": (lambda x: np.log(sg.nn.sigmoid(x)), 1000.0, NOTHING),
    "log of 1 - sigmoid": (lambda x: np.log(1 - sg.nn.sigmoid(x)), 1000.0, -X),
    "log of softmax": (lambda x: np.log(sg.nn.softmax(x))[1], [1000.0, -1000.0], Y - X),
    "sinc": (np.sinc, 0.0, 1 - (sympy.pi * X) ** 2 / 6),
    "xlogy at 0": (lambda x: sg.special.xlogy(x, 2.0) + sg.special.xlogy(0.0, x), 0.0, X * sympy.log(2)),
    "square": (lambda x: x**2, 0.0, X**2),
    "cube": (lambda x: x**3, 0.0, X**3),
    "zeroth power": (lambda x: x**0.0, 0.0, NOTHING),
    "product of zeros": (np.prod, [0.0, 0.0, 0.0], X * Y * Z),
    "variable exponent 3": (lambda x: x[0] ** x[1], [0.0, 3.0], X**3),
    "variable exponent 4": (lambda x: x[0] ** x[1], [0.0, 4.0], X**4),
    "variable exponent 0, by the base": (lambda x: x ** sg.stop_gradient(x * 2), 0.0, NOTHING),
    "constant exponents as an array": (lambda x: np.sum(x ** np.array([0.0, 1.0, 2.0])), 0.0, X + X**2),
}
# Cones, by convention flat at the tip.
CONES = {
    "autograd#151, norm": (sg.norm, [0.0, 0.0], NOTHING),
    "root of a sum of squares": (lambda x: np.sqrt(np.sum(x**2)), [0.0, 0.0], NOTHING),
    "root of weighted squares": (lambda x: np.sqrt(np.sum(np.array([1.0, 3.0]) * x**2) / 2), [0.0, 0.0], NOTHING),
    "root of a dot product": (lambda x: np.sqrt(x @ x), [0.0, 0.0], NOTHING),
    "root of einsum": (lambda x: np.sqrt(np.einsum("i,i->", x, x)), [0.0, 0.0], NOTHING),
    "root, written out": (lambda x: np.sqrt(x[0] ** 2 + x[1] * x[1]), [0.0, 0.0], NOTHING),
    "power 0.5": (lambda x: np.sum(x**2) ** 0.5, [0.0, 0.0], NOTHING),
    "hypot": (lambda x: np.hypot(x[0], x[1]), [0.0, 0.0], NOTHING),
    "standard deviation of equal numbers": (lambda x: np.sqrt(np.mean((x - np.mean(x)) ** 2)), [0.5, 0.5], NOTHING),
    "distances, one of them 0": (
        lambda x: np.sum(np.sqrt(np.sum((x[:, None] - np.array([[1.0, 5.0]])) ** 2, axis=0))),
        [1.0, 1.0],
        sympy.sqrt((X - 5) ** 2 + (Y - 5) ** 2),
    ),
}
CASES = {**BRANCHES, **LIMITS, **CONES}


def exact(formula, point):
    """Derivatives of orders 1 to 3 of a SymPy expression, of shapes (n,), (n, n), (n, n, n), or () for a scalar point."""
    symbols = SYMBOLS[: np.size(point)]
    place = {s: 0 if np.isnan(v) else sympy.nsimplify(v) for s, v in zip(symbols, np.ravel(point), strict=True)}
    made = []
    for order in range(1, ORDERS + 1):
        entries = [
            float(sympy.diff(formula, *chosen).subs(place)) for chosen in itertools.product(symbols, repeat=order)
        ]
        made.append(np.reshape(entries, np.shape(point) * order))
    return made


def tensors(function, x, modes=("reverse", "forward", "reverse")):
    made = [function(x)]
    for mode in modes:
        made.append(sg.jacobian(made[-1], x, mode))
    return made[1:]


def compared(names, found):
    """The cases and orders at which a list of derivatives is wrong."""
    wrong = []
    for name, own in zip(names, found, strict=True):
        _, point, formula = CASES[name]
        for order, (got, want) in enumerate(zip(own, exact(formula, point), strict=True), 1):
            if not np.allclose(got, want, rtol=1e-10, atol=1e-11):
                wrong.append((name, order, got, want))
    return wrong


@every_road
def test_every_failure(run):
    """All of them in one graph; the interpreter also in the other combinations of modes."""
    combinations = [("reverse", "forward", "reverse")]
    if run.__name__ == "interpreted":
        combinations += [("forward", "reverse", "forward"), ("reverse",) * 3, ("forward",) * 3]
    for modes in combinations:
        outputs, values = [], {}
        for k, (function, point, _) in enumerate(CASES.values()):
            x = sg.symbol(f"x{k}", np.shape(point))
            outputs += tensors(function, x, modes)
            values[x] = np.asarray(point)
        found = run(outputs, values)
        assert not compared(CASES, zip(*[iter(found)] * ORDERS, strict=True))


def test_every_failure_over_a_batch():
    """``vmap`` of the derivatives, over three times the bad point, in one kernel."""
    outputs, values = [], {}
    for k, (function, point, _) in enumerate(CASES.values()):
        x = sg.symbol(f"x{k}", (3, *np.shape(point)))
        outputs += sg.vmap(lambda x, function=function: tuple(tensors(function, x)))(x)
        values[x] = np.stack([np.asarray(point)] * 3)
    found = [np.asarray(one) for one in sg.compile(tuple(outputs), list(values))(*values.values())]
    assert all(np.array_equal(one[0], one[1]) and np.array_equal(one[0], one[2]) for one in found)
    assert not compared(CASES, zip(*[iter([one[0] for one in found])] * ORDERS, strict=True))


def test_every_failure_by_jit():
    """``jit`` of functions that differentiate inside."""
    names = list(CASES)
    for part in (names[k::4] for k in range(4)):

        def derivatives(*points, part=part):
            return tuple(tuple(tensors(CASES[name][0], x)) for name, x in zip(part, points, strict=True))

        found = sg.jit(derivatives)(*(np.asarray(CASES[name][1]) for name in part))
        assert not compared(part, found)


def test_a_batch_of_both_branches():
    """Bad and good points side by side: each element takes the derivative of its own branch."""
    points = np.array([0.0, 4.0, -2.0, 0.25])
    for order, want in enumerate(([1.0, 0.25, 1.0, 1.0], [0.0, -1 / 32, 0.0, 0.0], [0.0, 3 / 256, 0.0, 0.0]), 1):
        found = sg.vmap(sg.derivative(lambda x: np.where(x < 1.0, x, np.sqrt(x)), order))(points)
        assert_same(found, np.array(want))


def test_derivatives_by_a_norm_that_is_avoided():
    """Where the norm itself is asked for, stopped or overridden, the derivative goes by it as it is written."""
    x = sg.symbol("x", (2,))
    length = sg.norm(x)
    by_length, by_x = sg.gradients(length**2, [length, x])
    assert sg.compile(by_length, [x])(np.array([3.0, 4.0])) == 10.0
    assert_same(sg.compile(by_x, [x])(np.array([3.0, 4.0])), np.array([6.0, 8.0]))
    assert sg.gradients(length**2, [x], stop_gradients=[length])[0] is None
    assert sg.gradients(sg.stop_gradient(length) ** 2, [x])[0] is None
    with sg.gradient_override_map({"norm": "TimesThree"}):
        steered = sg.norm(x)
    assert_same(
        sg.compile(sg.gradients(steered**2, [x])[0], [x])(np.array([3.0, 4.0])), np.array([30.0, 30.0])
    )  # 2 |x| times the rule's 3
    rules = sg.Rules({"norm": "TimesThree"})
    assert_same(
        sg.compile(sg.gradients(length**2, [x], rules=rules)[0], [x])(np.array([3.0, 4.0])), np.array([30.0, 30.0])
    )


@sg.register_gradient("TimesThree")
def times_three(node, head):
    return 3 * head * np.ones(2)


def test_values_are_computed_as_they_were_written():
    """Only the derivative is made from another form."""
    x = sg.symbol("x")
    y = np.sqrt(x) ** 2
    assert [one.op.name for one in (y, y.inputs[0])] == ["power", "sqrt"]
    from symgrad.interp import evaluate

    value, slope = evaluate([y, *sg.gradients(y, [x])], {x: np.float64(3.0)})
    assert value == np.sqrt(3.0) ** 2
    assert slope == 1.0


# -- controls: infinities that belong to the value taken --------------------------------------------------------------
# name: (function, point, derivatives of orders 1 to 3)
INFINITE = {
    "sqrt": (np.sqrt, 0.0, [np.inf, -np.inf, np.inf]),
    "log": (np.log, 0.0, [np.inf, -np.inf, np.inf]),
    "reciprocal": (lambda x: 1 / x, 0.0, [-np.inf, np.inf, -np.inf]),
    "power 0.5": (lambda x: x**0.5, 0.0, [np.inf, -np.inf, np.inf]),
    "power 1.5": (lambda x: x**1.5, 0.0, [0.0, np.inf, -np.inf]),
    "power -1": (lambda x: x**-1.0, 0.0, [-np.inf, np.inf, -np.inf]),
    "cube of a root": (lambda x: np.sqrt(x) ** 3, 0.0, [0.0, np.inf, -np.inf]),
    "log of a root": (lambda x: np.log(np.sqrt(x)), 0.0, [np.inf]),
    "log1p": (np.log1p, -1.0, [np.inf, -np.inf, np.inf]),
    "arccos": (np.arccos, 1.0, [-np.inf]),
    "arctanh": (np.arctanh, 1.0, [np.inf]),
    "selected root": (lambda x: sg.where(x >= 0, np.sqrt(x), x), 0.0, [np.inf, -np.inf, np.inf]),
    "selected logarithm": (lambda x: sg.where(x < 1, np.log(x), x), 0.0, [np.inf, -np.inf, np.inf]),
    "root that is the maximum": (lambda x: np.maximum(np.sqrt(x), -1.0), 0.0, [np.inf, -np.inf, np.inf]),
    "exponential": (np.exp, 1000.0, [np.inf] * 3),
    "base of a variable exponent": (lambda x: x ** sg.stop_gradient(x + 0.5), 0.0, [np.inf, -np.inf]),
    "variable exponent at 0": (lambda x: sg.constant(0.0) ** x, 0.0, [-np.inf]),
}


@every_road
def test_true_infinities_stay(run):
    outputs, values, want, labels = [], {}, [], []
    for k, (name, (function, point, expected)) in enumerate(INFINITE.items()):
        for mode in ("reverse", "forward"):
            x = sg.symbol(f"x{k}{mode}")
            outputs += tensors(function, x, (mode,) * len(expected))
            want += expected
            labels += [(name, mode, order) for order in range(1, len(expected) + 1)]
            values[x] = np.asarray(point)
    found = map(float, run(outputs, values))
    wrong = [row for row in zip(labels, found, want, strict=True) if row[1] != row[2]]
    assert not wrong


def test_true_infinities_stay_in_batches_and_by_jit():
    for name, (function, point, (want, *_)) in INFINITE.items():
        found = sg.vmap(sg.derivative(function))(np.array([point, point]))
        assert found.tolist() == [want, want], name
        assert sg.jit(sg.derivative(function))(point) == want, name


def test_undefined_slopes_are_not_hidden():
    """Of 1/|x| and log |x| at the origin of the plane: no slope, and none is made up."""
    for function in (lambda x: 1 / sg.norm(x), lambda x: np.log(np.sqrt(np.sum(x**2)))):
        assert np.all(np.isnan(sg.grad(function)(np.zeros(2))))
