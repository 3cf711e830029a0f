"""What transforms of functions refuse: arguments, axes, structures; every message from beginning to end."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import Refusal, assert_refused

import symgrad as sg
from symgrad.ops.coerce import AxisError

X = np.ones(3)
M = np.ones((2, 3))
NOT_A_FUNCTION = "sg.gradients(y, [x]), sg.jacobian(y, x) and sg.hessian(y, x) differentiate expressions"
FROM_ZERO = "positions count from 0; a parameter that takes its default is no argument"
STATIC_POSITIONS = "positions count from 0; keyword-only arguments are named by static_argnames"
COMPARED = "static arguments are compared from call to call: use tuples for lists, and trace arrays"
LENGTH = "use an int, a name or sg.dim(...)"


def f(x, y=1.0, *, z=0.0):
    return np.sum(x) * y + z


def g(x, *rest):
    return x


def check(*cases: Refusal):
    return pytest.mark.parametrize("case", cases)


@check(
    Refusal(lambda: sg.grad(f, 1)(X), sg.GradientError, "grad: argnums=1, but there are 1 arguments", FROM_ZERO),
    Refusal(
        lambda: sg.value_and_grad(f, (0, -3))(X, 2.0),
        sg.GradientError,
        "value_and_grad: argnums=(0, -3), but there are 2 arguments",
        FROM_ZERO,
    ),
    Refusal(
        lambda: sg.jacobian(f, 2)(X, z=1.0),
        sg.GradientError,
        "jacobian: argnums=2, but there are 1 arguments",
        FROM_ZERO,
    ),
    Refusal(lambda: sg.hessian(f, "x")(X), sg.TraceError, "hessian: argnums='x' is neither an int nor a tuple of ints"),
    Refusal(lambda: sg.grad(f, True)(X), sg.TraceError, "grad: argnums=True is neither an int nor a tuple of ints"),
    Refusal(lambda: sg.grad(f, None)(X), sg.TraceError, "grad: argnums=None is neither an int nor a tuple of ints"),
    Refusal(
        lambda: sg.grad(f, (0, 1.0))(X, 2.0),
        sg.TraceError,
        "grad: argnums=(0, 1.0) is neither an int nor a tuple of ints",
    ),
    Refusal(
        lambda: sg.grad(lambda x, how: np.sum(x), 1)(X, "sum"),
        sg.DTypeError,
        "grad: argument 1 holds something that is no array",
    ),
)
def test_choice_of_arguments(case):
    assert_refused(case)


@check(
    Refusal(lambda: sg.grad(3.0), sg.TraceError, "grad: 3.0 is no function", NOT_A_FUNCTION),
    Refusal(
        lambda: sg.vmap(sg.symbol("x", (3,))), sg.TraceError, "vmap: <float64[3]: x> is no function", NOT_A_FUNCTION
    ),
    Refusal(lambda: sg.jit(None), sg.TraceError, "jit: None is no function", NOT_A_FUNCTION),
    Refusal(lambda: sg.jit(f)(X, w=1.0), sg.KernelInputError, "f(): got an unexpected keyword argument 'w'"),
    Refusal(lambda: sg.grad(f)(X, 2.0, y=1.0), sg.KernelInputError, "f(): multiple values for argument 'y'"),
    Refusal(lambda: sg.vmap(f)(y=X), sg.KernelInputError, "f(): missing a required argument: 'x'"),
    Refusal(
        lambda: sg.grad(f, has_aux=True)(X),
        sg.TraceError,
        "grad: with has_aux=True the function must return (result, aux)",
    ),
    Refusal(
        lambda: sg.hessian(f, has_aux=True)(X),
        sg.TraceError,
        "hessian: with has_aux=True the function must return (result, aux)",
    ),
    Refusal(
        lambda: sg.jvp(f, (X,), (X,), has_aux=True),
        sg.TraceError,
        "jvp: with has_aux=True the function must return (result, aux)",
    ),
    Refusal(
        lambda: sg.vjp(f, X, has_aux=True),
        sg.TraceError,
        "vjp: with has_aux=True the function must return (result, aux)",
    ),
)
def test_functions_and_their_parameters(case):
    assert_refused(case)


@check(
    Refusal(
        lambda: sg.jit(f, 2),
        sg.TraceError,
        "jit: static_argnums=2, but f takes 2 positional arguments",
        STATIC_POSITIONS,
    ),
    Refusal(
        lambda: sg.jit(f, (0, -3)),
        sg.TraceError,
        "jit: static_argnums=(0, -3), but f takes 2 positional arguments",
        STATIC_POSITIONS,
    ),
    Refusal(
        lambda: sg.jit(g, -1),
        sg.TraceError,
        "jit: static_argnums=-1, but g takes any number of positional arguments",
        STATIC_POSITIONS,
    ),
    Refusal(lambda: sg.jit(f, "y"), sg.TraceError, "jit: static_argnums='y' is neither an int nor a tuple of ints"),
    Refusal(
        lambda: sg.jit(f, static_argnames="w"),
        sg.TraceError,
        "jit: static_argnames='w', but f has no parameter 'w'",
        "its parameters are x, y, z",
    ),
    Refusal(
        lambda: sg.jit(f, static_argnames=("z", 1)),
        sg.TraceError,
        "jit: static_argnames=('z', 1), but f has no parameter 1",
        "its parameters are x, y, z",
    ),
    Refusal(
        lambda: sg.jit(f, static_argnames=1),
        sg.TraceError,
        "jit: static_argnames=1 is neither a name nor a tuple of names",
    ),
    Refusal(
        lambda: sg.jit(f, 1)(X, [2.0]),
        sg.TraceError,
        "jit: 'y' is of class list, which is neither traced nor hashable",
        COMPARED,
    ),
    Refusal(
        lambda: sg.jit(f, static_argnames="z")(X, z=M),
        sg.TraceError,
        "jit: 'z' is of class ndarray, which is neither traced nor hashable",
        COMPARED,
    ),
    Refusal(
        lambda: sg.grad(sg.jit(f, 1))(X, {1: 2}),
        sg.TraceError,
        "grad: 'y' is of class dict, which is neither traced nor hashable",
        COMPARED,
    ),
    Refusal(
        lambda: sg.jit(lambda p: p["x"])({"x": X, "of": {1, 2}}),
        sg.TraceError,
        "jit: 'p_of' is of class set, which is neither traced nor hashable",
        COMPARED,
    ),
)
def test_static_arguments(case):
    assert_refused(case)


@check(
    Refusal(
        lambda: sg.vmap(f, (0,))(X, X),
        sg.ShapeError,
        "vmap: 1 in_axes for 2 arguments",
        "one for each positional argument; keyword-only ones are mapped over their first axis",
    ),
    Refusal(
        lambda: sg.vmap(f, ({"a": 0}, 0))(X, X),
        sg.ShapeError,
        "vmap: in_axes {'a': 0} has another structure than what it is for",
    ),
    Refusal(
        lambda: sg.vmap(lambda p: p["a"], ({"b": 0},))({"a": X}),
        sg.ShapeError,
        "vmap: in_axes {'b': 0} has another structure than what it is for",
    ),
    Refusal(lambda: sg.vmap(f, True)(X), sg.ShapeError, "vmap: in_axes True has another structure than what it is for"),
    Refusal(
        lambda: sg.vmap(lambda x: (x, x), out_axes=(0, 0, 0))(X),
        sg.ShapeError,
        "vmap: out_axes (0, 0, 0) has another structure than what it is for",
    ),
    Refusal(
        lambda: sg.vmap(lambda x: x, 2)(M),
        AxisError,
        "vmap: argument 'x': axis 2 is out of bounds for an array of rank 2",
    ),
    Refusal(
        lambda: sg.vmap(lambda p: p["a"], ({"a": -2},))({"a": X}),
        AxisError,
        "vmap: argument 'p_a': axis -2 is out of bounds for an array of rank 1",
    ),
    Refusal(
        lambda: sg.vmap(f)(X, 2.0), AxisError, "vmap: argument 'y': axis 0 is out of bounds for an array of rank 0"
    ),
    Refusal(
        lambda: sg.vmap(lambda x: x, out_axes=1)(X),
        AxisError,
        "vmap: out_axes: axis 1 is out of bounds for an array of rank 1",
    ),
    Refusal(
        lambda: sg.vmap(f, (0, 1))(X, M.T),
        sg.ShapeError,
        "vmap: mapped axes of lengths 3 and 2: axis 0 of 'x', axis 1 of 'y'",
    ),
    Refusal(
        lambda: sg.vmap(lambda p: p["a"])({"a": X, "b": [M]}),
        sg.ShapeError,
        "vmap: mapped axes of lengths 3 and 2: axis 0 of 'p_a', axis 0 of 'p_b_0'",
    ),
    Refusal(
        lambda: sg.vmap(f)(sg.symbol("x", ("n",)), X),
        sg.ShapeError,
        "vmap: mapped axes of lengths n and 3: axis 0 of 'x', axis 0 of 'y'",
        "sg.assume(n == 3) adds a run-time guard",
    ),
    Refusal(
        lambda: sg.vmap(f, axis_size=4)(X),
        sg.ShapeError,
        "vmap: mapped axes of lengths 4 and 3: axis_size, axis 0 of 'x'",
    ),
    Refusal(
        lambda: sg.vmap(f, None)(X),
        sg.ShapeError,
        "vmap: no argument has an axis to map over",
        "choose other in_axes, or give the length as axis_size",
    ),
    Refusal(lambda: sg.vmap(f, axis_size=-1), sg.ShapeError, "vmap: axis_size=-1 is no length", LENGTH),
    Refusal(lambda: sg.vmap(f, axis_size=1.5), sg.ShapeError, "vmap: axis_size=1.5 is no length", LENGTH),
    Refusal(
        lambda: sg.vmap(lambda x: x, out_axes=None)(M),
        sg.ShapeError,
        "vmap: out_axes None for a result of shape (2, 3)",
        "only a result that is the same for all elements can go without the axis",
    ),
)
def test_axes(case):
    assert_refused(case)


@check(
    Refusal(
        lambda: sg.jvp(f, X, X), sg.TraceError, "jvp: the primals are no tuple of arguments", "sg.jvp(f, (x,), (v,))"
    ),
    Refusal(
        lambda: sg.jvp(f, (X,), X),
        sg.TraceError,
        "jvp: the tangents are no tuple of arguments",
        "sg.jvp(f, (x,), (v,))",
    ),
    Refusal(lambda: sg.jvp(f, (X,), ()), sg.GradientError, "jvp: 1 primals and 0 tangents"),
    Refusal(
        lambda: sg.jvp(lambda p: p["a"], ({"a": X},), ({"b": X},)),
        sg.TraceError,
        "jvp: the tangents have another structure than the primals",
    ),
    Refusal(lambda: sg.jvp(f, (X, 2.0), (X, X)), sg.ShapeError, "jvp: tangent 1 has shape (3,), its primal ()"),
    Refusal(
        lambda: sg.jvp(lambda x, how: x, (X, "a"), (X, None)),
        sg.DTypeError,
        "jvp: primal 1 is of class str, no array",
        "close over it: sg.jvp(lambda x: f(x, 'a'), ...)",
    ),
    Refusal(
        lambda: sg.vjp(lambda x, how: x, X, "a"),
        sg.DTypeError,
        "vjp: primal 1 is of class str, no array",
        "close over it: sg.vjp(lambda x: f(x, 'a'), ...)",
    ),
    Refusal(
        lambda: sg.vjp(lambda x: (x, x), X)[1](X),
        sg.TraceError,
        "vjp: the head gradient has another structure than the value",
    ),
    Refusal(
        lambda: sg.vjp(lambda x: x, X)[1](M), sg.ShapeError, "gradients: head gradient 0 has shape (2, 3), its y (3,)"
    ),
    Refusal(lambda: sg.hvp(f)(X, (X,)), sg.TraceError, "hvp: the vector has another structure than the argument"),
    Refusal(lambda: sg.hvp(f)(X, X[:2]), sg.ShapeError, "hvp: vector 0 has shape (2,), its argument (3,)"),
    Refusal(
        lambda: sg.compile({"a": sg.symbol("x")}, [sg.symbol("x")], name="k")(1.0, out={"b": np.zeros(())}),
        sg.KernelInputError,
        "k(): out has another structure than the results",
    ),
)
def test_directions_heads_and_buffers(case):
    assert_refused(case)
