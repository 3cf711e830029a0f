"""What is said of expressions that cannot be compiled or differentiated."""

from __future__ import annotations

import multiprocessing.pool
import pickle
from typing import Any

import numpy as np
import pytest
from refusals import Refusal, assert_refused, line_of

import symgrad as sg
from symgrad import (
    CompileError,
    DTypeError,
    GradientError,
    KernelInputError,
    ShapeError,
    SymgradError,
    TraceError,
    UnconnectedGradientError,
)

A, W, X = sg.symbol("a"), sg.symbol("w", (3,)), sg.symbol("x", ("n", 3))
STATE = sg.variable("errors_w", [1.0, 2.0])
NO_DERIVATIVE = "the gradient it stands for does not exist"
CONNECT = "sg.why(y, x) says why; sg.gradients(..., unconnected='zero') gives zeros, unconnected='raise' fails at once"


@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: sg.compile(A, [A, sg.symbol("a", (2,))]),
            CompileError,
            "two inputs are named 'a'",
            "give every input a name of its own",
        ),
        Refusal(
            lambda: sg.compile(A, [A, A]),
            CompileError,
            "two inputs are named 'a'",
            "give every input a name of its own",
        ),
        Refusal(
            lambda: sg.compile(A, [A + 1]),
            CompileError,
            "the input <float64: a + 1> is no placeholder",
            "inputs are made by sg.symbol",
        ),
        Refusal(
            lambda: sg.compile(A, ["a"]),
            CompileError,
            "compile: the input 'a' is no placeholder",
            "inputs are made by sg.symbol",
        ),
        Refusal(
            lambda: sg.compile([A, None], [A]),
            UnconnectedGradientError,
            f"compile: output 1 is None: {NO_DERIVATIVE}",
            CONNECT,
        ),
        Refusal(
            lambda: sg.compile(sg.gradients(A * A, [W]), [A]),
            UnconnectedGradientError,
            f"compile: output 0 is None: {NO_DERIVATIVE}",
            CONNECT,
        ),
        Refusal(
            lambda: sg.compile("a", [A]),
            TraceError,
            "compile: output 0: str 'a' is neither number, array nor expression",
        ),
        Refusal(
            lambda: sg.compile(A, [A], fastmath={"fast"}),
            CompileError,
            "compile: fastmath 'fast' is unknown",
            "one of contract, reassoc, reciprocal",
        ),
        Refusal(
            lambda: sg.compile(A, [A], threads=0),
            CompileError,
            "compile: threads=0 is not a positive integer",
            "threads=1",
        ),
        Refusal(
            lambda: sg.compile(A, [A], threads=True),
            CompileError,
            "compile: threads=True is not a positive integer",
            "threads=1",
        ),
        Refusal(
            lambda: sg.compile(A, [A], threads=1000),
            CompileError,
            "compile: threads=1000 is more than 256",
            "one for each processor: threads=os.cpu_count()",
        ),
        Refusal(
            lambda: sg.compile(A, [A], target="z80"),
            CompileError,
            "no target is named 'z80'",
            "one of native, x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64",
        ),
        Refusal(
            lambda: sg.compile(A, [A], backend="gcc"),
            CompileError,
            "no back end is named 'gcc'",
            "install a package that offers it; the built-in one is 'llvm'",
        ),
        Refusal(
            lambda: sg.compile([], [], updates=[(W, W)]),
            CompileError,
            "compile: updates name <float64[3]: w>, which is no variable",
            "make it with sg.variable(name, value)",
        ),
        Refusal(
            lambda: sg.compile([], [], updates=[(STATE, STATE + 1), (STATE, STATE + 2)]),
            CompileError,
            "compile: the variable 'errors_w' is updated twice",
            "all new values are computed from the old state: state one that does both",
        ),
        Refusal(
            lambda: sg.compile([], [], updates=[(STATE, STATE.sum())]),
            ShapeError,
            "compile: the new value of 'errors_w' has shape (), the variable (2,)",
        ),
        Refusal(
            lambda: sg.compile([], [], updates=[(STATE, STATE.astype("float32"))]),
            DTypeError,
            "compile: the new value of 'errors_w' is float32, the variable float64",
            "convert with .astype('float64')",
        ),
    ],
)
def test_compile(case: Refusal) -> None:
    assert_refused(case)


@pytest.mark.parametrize(
    "case",
    [
        Refusal(
            lambda: sg.grad(lambda x: (x * x).sum())(np.arange(3)),
            DTypeError,
            "grad: the argument 'x' is int64; only floating arguments have derivatives",
            "convert it to float64, choose other argnums, or pass allow_int=True",
        ),
        Refusal(
            lambda: sg.grad(lambda x: x * x)(np.ones(3)),
            ShapeError,
            "grad: the function returned shape (3,), not a scalar",
            "use sg.jacobian",
        ),
        Refusal(
            lambda: sg.hessian(lambda x: x * x)(np.ones(3)),
            ShapeError,
            "hessian: the function returned shape (3,), not a scalar",
            "use sg.jacobian",
        ),
        Refusal(
            lambda: sg.grad(lambda x: x.sum().astype("int64"))(np.ones(3)),
            DTypeError,
            "grad: the function returned int64, which has no derivative",
        ),
        Refusal(
            lambda: sg.grad(lambda x: None)(1.0),
            TraceError,
            "grad: NoneType None is neither number, array nor expression",
        ),
        Refusal(
            lambda: sg.gradients(A, [W], unconnected="never"),
            GradientError,
            "gradients: unconnected='never'",
            "one of 'none', 'zero', 'raise'",
        ),
        Refusal(
            lambda: sg.jit(lambda x: "text")(1.0),
            TraceError,
            "jit: the function returned str 'text', no array or expression",
        ),
        Refusal(
            lambda: sg.jit(lambda x: x)(np.array([None])),
            DTypeError,
            "an argument is an object array",
            "use numeric arrays, or a list of expressions",
        ),
        Refusal(
            lambda: sg.vmap(lambda x, y: x + y)(np.ones(3), np.ones(4)),
            ShapeError,
            "vmap: mapped axes of lengths 3 and 4: axis 0 of 'x', axis 0 of 'y'",
        ),
    ],
)
def test_transforms(case: Refusal) -> None:
    assert_refused(case)


def test_a_symbol_that_is_no_input() -> None:
    free = sg.symbol("free_symbol")
    with pytest.raises(CompileError) as caught:
        sg.compile(free * A, [A])
    first = test_a_symbol_that_is_no_input.__code__.co_firstlineno
    assert str(caught.value) == (
        "compile: the symbol 'free_symbol' is used but is not among the inputs\n"
        f"  at test_compiling.py:{first + 1}\n"
        "  hint: add it: sg.compile(..., [..., free_symbol])"
    )


def test_an_argument_that_leaks_out_of_its_function() -> None:
    kept: list[Any] = []

    def leaky(x: Any) -> Any:
        kept.append(x * 2)
        return x.sum()

    np.testing.assert_array_equal(sg.grad(leaky)(np.ones(3)), np.ones(3))
    with pytest.raises(CompileError) as caught:
        sg.compile(kept[0] + 1, [])
    assert str(caught.value) == (
        "compile: the traced argument 'x' has leaked out of its function\n"
        f"  at test_compiling.py:{test_an_argument_that_leaks_out_of_its_function.__code__.co_firstlineno + 7}\n"
        "  hint: return what depends on it from the function instead of keeping it"
    )


# -- errors as objects ----------------------------------------------------------------------------------------------
def test_an_error_knows_its_parts() -> None:
    def call() -> None:
        sg.dim("not a name")

    with pytest.raises(ShapeError) as caught:
        call()
    assert caught.value.what == "dim: 'not a name' is not a dimension's name"
    assert caught.value.where == line_of(call)
    assert caught.value.hint == "use an identifier such as 'n'"


def test_lines_that_are_not_wanted_are_left_out() -> None:
    assert str(SymgradError("all", where="")) == "all"
    assert str(SymgradError("all", where="m.py:1", hint="none")) == "all\n  at m.py:1\n  hint: none"


def _fail(text: str) -> None:
    sg.compile(A, [A])(text)


def test_errors_survive_pickling_and_threads() -> None:
    with pytest.raises(KernelInputError) as caught:
        _fail("one")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is KernelInputError
    assert str(again) == str(caught.value)
    assert (again.what, again.where, again.hint) == (caught.value.what, caught.value.where, caught.value.hint)
    with multiprocessing.pool.ThreadPool(1) as pool, pytest.raises(KernelInputError) as other:
        pool.apply(_fail, ("one",))
    assert str(other.value) == str(caught.value)
