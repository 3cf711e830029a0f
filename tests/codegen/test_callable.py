"""Calls of kernels from Python: values, arguments by position and by name, ``out``, numbers, and every refusal.

Everything is tested three times: through the emitted entry, through ctypes, and with the plain Python class that stands
in where emitted code cannot read objects.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import said
from test_callable_kernels import AXPY as AXPY_KERNEL
from test_callable_kernels import ECHO, GATHER, INVERT, MATVEC, ONES, STATUS, Handmade, interface, of

from codegen.python import Options, make_kernel
from codegen.python.kernel_type import PlainKernel
from symgrad.errors import CompileError, KernelIndexError, KernelInputError, ShapeError, SymgradError

Make = Callable[..., Any]
TUPLE = Options(returns_tuple=True)


@pytest.fixture(params=["emitted", "ctypes", "plain"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Builds a kernel from handmade code, in each of the three ways."""
    if request.param == "plain":
        monkeypatch.setattr("codegen.python.kernel.Kernel", PlainKernel)

    def build(kernel: Handmade, imports: dict[str, int] | None = None, **more: Any) -> Any:
        loaded = kernel.load(imports)
        body, workspace = loaded[kernel.spec.name], loaded[f"{kernel.spec.name}_workspace"]
        return make_kernel(kernel.spec, body, workspace, loaded, emitted=request.param == "emitted", **more)

    return build


@pytest.fixture
def axpy(make: Make) -> Any:
    return make(AXPY_KERNEL)


X, Y = np.arange(5.0), np.array([1.0, 0.5, -2.0, 3.0, 8.0])


# -- values ---------------------------------------------------------------------------------------------------------
def test_new_result(axpy: Any) -> None:
    made = axpy(X, Y)
    assert type(made) is np.ndarray
    assert made.dtype is np.dtype("float64")
    assert made.flags.owndata
    assert made.flags.writeable
    np.testing.assert_array_equal(made, 2 * X + Y)


def test_arguments_by_name(axpy: Any) -> None:
    for made in (axpy(x=X, y=Y), axpy(y=Y, x=X), axpy(X, y=Y), axpy(**{"".join(["x"]): X, "y": Y})):
        np.testing.assert_array_equal(made, 2 * X + Y)


def test_names_that_are_not_interned(axpy: Any) -> None:
    name = "".join(list("x"))  # one character: shared all the same
    long = {"ou" + "t"[:]: np.empty(5), name: X, "y": Y}
    np.testing.assert_array_equal(axpy(**long), 2 * X + Y)


@pytest.mark.parametrize("size", [0, 1, 7, 100_000])
def test_sizes(axpy: Any, size: int) -> None:
    x, y = np.arange(float(size)), np.ones(size)
    np.testing.assert_array_equal(axpy(x, y), 2 * x + y)


def test_several_results(make: Make) -> None:
    invert = make(INVERT, options=TUPLE)
    y, whether = invert(np.array([True, False]))
    np.testing.assert_array_equal(y, [False, True])
    assert whether is np.False_
    assert invert(np.array([True, True]))[1] is np.True_


def test_a_tuple_of_one(make: Make) -> None:
    made = make(AXPY_KERNEL, options=TUPLE)(X, Y)
    assert type(made) is tuple
    assert len(made) == 1
    np.testing.assert_array_equal(made[0], 2 * X + Y)


def test_no_result_at_all(make: Make) -> None:
    nothing = make(Handmade(interface("nothing", {"x": of("n")}, {}), lambda f, spec: None), options=TUPLE)
    assert nothing(X) == ()
    assert nothing(X, out=()) == ()


def test_no_input_at_all(make: Make) -> None:
    from codegen.llvm.types import DOUBLE, Value

    seven = make(Handmade(interface("seven", {}, {"r": of()}), lambda f, spec: f.store(Value("7.0", DOUBLE), f["a0"])))
    assert seven() == 7.0
    out = np.zeros(())
    assert seven(out=out) is out
    assert out == 7.0
    with pytest.raises(KernelInputError, match=r"^seven\(\): expected 0 arguments, got 1\n"):
        seven(1.0)


def test_a_function_assembles_the_result(make: Make) -> None:
    kernel = make(
        INVERT,
        options=Options(returns_tuple=True, assembled=True),
        assemble=lambda parts: {"y": parts[0], "all": parts[1]},
    )
    made = kernel(np.array([True]))
    assert sorted(made) == ["all", "y"]
    np.testing.assert_array_equal(made["y"], [False])
    out = (np.empty(1, bool), np.empty((), bool))
    assert kernel(np.array([True]), out=out) is out


def test_an_error_while_assembling(make: Make) -> None:
    def fail(parts: Any) -> Any:
        raise KeyError("assembling")

    with pytest.raises(KeyError, match="assembling"):
        make(AXPY_KERNEL, options=Options(assembled=True), assemble=fail)(X, Y)


# -- memory layouts -------------------------------------------------------------------------------------------------
def _misaligned(values: Any) -> Any:
    made = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    made[...] = values
    return made


class Sub(np.ndarray[Any, Any]):
    """An array type that is not NumPy's own."""


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: np.repeat(x, 2)[::2],
        lambda x: x[::-1].copy()[::-1],
        _misaligned,
        lambda x: x.view(Sub),
        lambda x: np.broadcast_to(x, (2, x.size))[1],
        lambda x: np.frombuffer(x.tobytes()),
        lambda x: x.view(np.dtype("float64", metadata={"unit": "m"})),
    ],
)
def test_any_layout_is_accepted(axpy: Any, layout: Callable[[Any], Any]) -> None:
    given = layout(X)
    kept = given.copy()
    out = np.empty(5)
    np.testing.assert_array_equal(axpy(given, Y), 2 * X + Y)
    np.testing.assert_array_equal(axpy(Y, given, out=out), 2 * Y + X)
    np.testing.assert_array_equal(given, kept)


def test_matrices_in_any_order(make: Make) -> None:
    matvec = make(MATVEC)
    A, w = np.arange(12.0).reshape(3, 4), np.array([1.0, 2.0, -1.0, 0.5])
    for given in (A, np.asfortranarray(A), A.T.copy().T, np.repeat(A, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(matvec(given, w), A @ w)
        np.testing.assert_allclose(matvec(A.T, given[:, 1].copy()), A.T @ A[:, 1])


def test_equal_dtypes_need_not_be_one_object(axpy: Any) -> None:
    import pickle

    x = pickle.loads(pickle.dumps(X))
    assert x.dtype is not X.dtype
    out = pickle.loads(pickle.dumps(np.empty(5)))
    np.testing.assert_array_equal(axpy(x, Y, out=out), 2 * X + Y)


def test_c_long_long_is_int64(make: Make) -> None:
    gather = make(GATHER)
    np.testing.assert_array_equal(gather(X, np.array([4, 0], np.longlong)), X[[4, 0]])


# -- out ------------------------------------------------------------------------------------------------------------
def test_out_is_written_and_returned(axpy: Any) -> None:
    out = np.zeros(5)
    assert axpy(X, Y, out=out) is out
    np.testing.assert_array_equal(out, 2 * X + Y)
    assert axpy(X, out=out, y=X) is out
    np.testing.assert_array_equal(out, 3 * X)
    np.testing.assert_array_equal(axpy(X, Y, out=None), 2 * X + Y)


def test_out_of_another_array_type(axpy: Any) -> None:
    out = np.zeros(5).view(Sub)
    assert axpy(X, Y, out=out) is out
    np.testing.assert_array_equal(np.asarray(out), 2 * X + Y)


def test_out_of_several_results(make: Make) -> None:
    out = (np.empty(2, bool), np.empty((), bool))
    assert make(INVERT, options=TUPLE)(np.array([True, False]), out=out) is out
    np.testing.assert_array_equal(out[0], [False, True])
    assert out[1].shape == ()
    assert not out[1]


def test_out_may_be_empty(axpy: Any) -> None:
    empty = np.zeros(0)
    assert axpy(empty, empty, out=empty) is empty


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros(4), "axpy(): out: expected float64[5], got float64[4]"),
        (np.zeros((5, 1)), "axpy(): out: expected float64[5], got float64[5, 1]"),
        (np.zeros(5, "f4"), "axpy(): out: expected float64[5], got float32[5]"),
        (np.zeros(5, ">f8"), "axpy(): out: expected float64[5], got float64[5] in foreign byte order"),
        (np.zeros(10)[::2], "axpy(): out: expected float64[5], got one that is not C-contiguous"),
        (_misaligned(np.zeros(5)), "axpy(): out: expected float64[5], got one that is not aligned"),
        (np.broadcast_to(0.0, 5), "axpy(): out: expected float64[5], got one that is not writeable"),
        ([0.0] * 5, "axpy(): out: expected float64[5], got an object of type list"),
        ((np.zeros(5),), "axpy(): out: expected float64[5], got an object of type tuple"),
        (np.ma.zeros(5), "axpy(): out: expected float64[5], got masked float64[5]"),
        (1.5, "axpy(): out: expected float64[5], got the float 1.5"),
    ],
)
def test_out_has_to_fit(axpy: Any, out: Any, message: str) -> None:
    with pytest.raises(KernelInputError) as caught:
        axpy(X, Y, out=out)
    assert said(caught.value) == message


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.empty(2, bool), "invert(): out: expected a tuple of 2 arrays, got bool[2]"),
        ((np.empty(2, bool),), "invert(): out: expected a tuple of 2 arrays, got a tuple of 1"),
        ([np.empty(2, bool)], "invert(): out: expected a tuple of 2 arrays, got an object of type list"),
        ((np.empty(2, bool), np.empty(1, bool)), "invert(): out[1]: expected bool[], got bool[1]"),
        ((None, np.empty((), bool)), "invert(): out[0]: expected bool[2], got None"),
    ],
)
def test_a_tuple_of_out_has_to_fit(make: Make, out: Any, message: str) -> None:
    with pytest.raises(KernelInputError) as caught:
        make(INVERT, options=TUPLE)(np.array([True, False]), out=out)
    assert said(caught.value) == message


def test_out_may_not_overlap(make: Make, axpy: Any) -> None:
    hint = "\n  hint: pass an array with memory of its own"
    memory = np.arange(10.0)
    for x, y, out, other in (
        (memory[:5], Y, memory[:5], "argument 'x'"),
        (X, memory[3:8], memory[:5], "argument 'y'"),
        (memory[::2], Y, memory[1:6], "argument 'x'"),
    ):
        before = memory.copy()
        with pytest.raises(KernelInputError) as caught:
            axpy(x, y, out=out)
        assert said(caught.value) == f"axpy(): out shares memory with {other}{hint}"
        np.testing.assert_array_equal(memory, before)
    assert axpy(memory[:5], Y, out=memory[5:]) is not None
    flags = np.empty(3, bool)
    with pytest.raises(KernelInputError) as caught:
        make(INVERT, options=TUPLE)(np.array([True, False]), out=(flags[:2], flags[1:2].reshape(())))
    assert said(caught.value) == f"invert(): out[1] shares memory with out[0]{hint}"


def test_a_strided_input_beside_out_is_no_overlap(axpy: Any) -> None:
    memory = np.zeros((5, 6))
    memory[:, 0] = X
    assert axpy(memory[:, 0], Y, out=memory[2, 1:]) is not None
    np.testing.assert_array_equal(memory[2, 1:], 2 * X + Y)


# -- what is refused ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((X,), {}, "axpy(): missing 'y'\n  hint: call axpy(x, y, out=None)"),
        ((), {}, "axpy(): missing 'x', 'y'\n  hint: call axpy(x, y, out=None)"),
        ((X, Y, X), {}, "axpy(): expected 2 arguments, got 3\n  hint: call axpy(x, y, out=None)"),
        ((X,), {"z": Y}, "axpy(): no argument is called 'z'\n  hint: call axpy(x, y, out=None)"),
        ((X,), {"x": X, "y": Y}, "axpy(): argument 'x' is given twice\n  hint: call axpy(x, y, out=None)"),
        ((X, Y), {"y": Y}, "axpy(): argument 'y' is given twice\n  hint: call axpy(x, y, out=None)"),
        (
            (X.astype("f4"), Y),
            {},
            "axpy(): argument 'x': expected float64[n], got float32[5]\n  hint: x.astype(np.float64)",
        ),
        (
            (X, Y.astype(int)),
            {},
            "axpy(): argument 'y': expected float64[n], got int64[5]\n  hint: y.astype(np.float64)",
        ),
        (
            (X, Y.astype(object)),
            {},
            "axpy(): argument 'y': expected float64[n], got object[5]\n  hint: y.astype(np.float64)",
        ),
        (
            (X.astype(">f8"), Y),
            {},
            "axpy(): argument 'x': expected float64[n], got float64[5] in foreign byte order"
            "\n  hint: x.astype(x.dtype.newbyteorder('='))",
        ),
        ((X.reshape(5, 1), Y), {}, "axpy(): argument 'x': expected float64[n], got float64[5, 1]"),
        ((X, np.zeros(())), {}, "axpy(): argument 'y': expected float64[n], got float64[]"),
        ((X, Y[:4]), {}, "axpy(): argument 'y': expected float64[n], got float64[4], where n = 5 by argument 'x'"),
        (
            (list(X), Y),
            {},
            "axpy(): argument 'x': expected float64[n], got an object of type list"
            "\n  hint: np.asarray(x, dtype=np.float64)",
        ),
        ((X, None), {}, "axpy(): argument 'y': expected float64[n], got None"),
        ((X, 2.0), {}, "axpy(): argument 'y': expected float64[n], got the float 2.0"),
        ((X, np.float64(2.0)), {}, "axpy(): argument 'y': expected float64[n], got the scalar np.float64(2.0)"),
        (
            (np.ma.masked_less(X, 2), Y),
            {},
            "axpy(): argument 'x': expected float64[n], got masked float64[5]"
            "\n  hint: fill it first: masks are not taken into account",
        ),
    ],
)
def test_refused_arguments(axpy: Any, args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(KernelInputError) as caught:
        axpy(*args, **kwargs)
    assert said(caught.value) == message


def test_a_static_size_is_checked(make: Make) -> None:
    kernel = make(Handmade(interface("fixed", {"A": of(("n", 3))}, {"r": of("n")}), lambda f, spec: None))
    assert kernel(np.zeros((2, 3))).shape == (2,)
    with pytest.raises(KernelInputError) as caught:
        kernel(np.zeros((2, 4)))
    assert said(caught.value) == "fixed(): argument 'A': expected float64[n, 3], got float64[2, 4]"


# -- numbers --------------------------------------------------------------------------------------------------------
_TYPES = {"float64": np.float64, "float32": np.float32, "int64": np.int64, "int32": np.int32, "bool": np.bool_}
_NUMBERS: list[tuple[str, Any, Any]] = [
    *(("float64", value, float(value)) for value in (1.5, -0.0, float("inf"), 3, True, 2**70, -1, -1.0)),
    *(("float64", value, float(value)) for value in (np.float64(2.5), np.float32(0.1), np.int64(3), np.bool_(True))),
    ("float64", np.array(2.5), 2.5),
    *(("float32", value, np.float32(value)) for value in (0.1, -0.0, float("-inf"), 3, False, 3.4028235e38)),
    *(("float32", value, np.float32(value)) for value in (np.float32(0.1), np.int16(3), np.array(1.5, "f4"))),
    *(("int64", value, int(value)) for value in (0, -1, 2**63 - 1, -(2**63), True, np.int64(-5), np.int32(5))),
    ("int64", np.array(7), 7),
    *(("int32", value, int(value)) for value in (0, -1, 2**31 - 1, -(2**31), False, np.int32(-5), np.int8(5))),
    *(("bool", value, bool(value)) for value in (True, False, np.True_, np.False_, np.array(True))),
]


@pytest.mark.parametrize(("kind", "given", "expected"), _NUMBERS)
def test_numbers(make: Make, kind: str, given: Any, expected: Any) -> None:
    kernel = make(ONES[kind])
    made = kernel(given)
    assert type(made) is _TYPES[kind]
    assert made.tobytes() == np.array(expected, kind).tobytes()
    out = np.zeros((), kind)
    assert kernel(p=given, out=out) is out
    assert out.tobytes() == made.tobytes()


def test_nan_passes_unchanged(make: Make) -> None:
    assert np.isnan(make(ONES["float32"])(float("nan")))
    assert np.isnan(make(ONES["float64"])(float("nan")))


@pytest.mark.parametrize(
    ("kind", "given", "got"),
    [
        ("float64", 2**1024, "a very large int"),
        ("float64", "1.5", "an object of type str"),
        ("float64", None, "None"),
        ("float64", 1j, "an object of type complex"),
        ("float64", [1.0], "an object of type list"),
        ("float64", np.zeros(1), "float64[1]"),
        ("float32", 3.5e38, "the float 3.5e+38"),
        ("float32", -(2**128), "a very large int"),
        ("float32", np.float64(1.0), "the scalar np.float64(1.0)"),
        ("int64", 2**63, "the int 9223372036854775808"),
        ("int64", 1.0, "the float 1.0"),
        ("int64", np.uint64(1), "the scalar np.uint64(1)"),
        ("int32", 2**31, "the int 2147483648"),
        ("int32", np.int64(1), "the scalar np.int64(1)"),
        ("bool", 1, "the int 1"),
        ("bool", 0.0, "the float 0.0"),
    ],
)
def test_refused_numbers(make: Make, kind: str, given: Any, got: str) -> None:
    with pytest.raises(KernelInputError) as caught:
        make(ONES[kind])(given)
    assert said(caught.value).split("\n")[0] == f"echo_{kind}(): argument 'p': expected {kind}, got {got}"


def test_all_scalars_at_once(make: Make) -> None:
    made = make(ECHO, options=TUPLE)(1.5, 2.5, 3, 4, True)
    assert made == (1.5, 2.5, 3, 4, True)
    assert [type(one) for one in made] == list(_TYPES.values())


# -- what the kernel itself refuses ---------------------------------------------------------------------------------
def test_messages_become_errors(make: Make) -> None:
    gather = make(GATHER)
    np.testing.assert_array_equal(gather(X, np.array([3, 1])), [3.0, 1.0])
    with pytest.raises(KernelIndexError) as caught:
        gather(X, np.array([0, 5]))
    assert said(caught.value) == "gather: an index of 'i' is outside axis 0 of 'x'"
    with pytest.raises(ShapeError) as guard:
        gather(np.zeros(7), np.array([0]))
    assert said(guard.value) == 'gather: 7 elements are\nnot "wanted" */'
    out = np.full(1, -1.0)
    with pytest.raises(IndexError):
        gather(X, np.array([-1]), out=out)
    assert out[0] == -1.0


def test_a_status_without_a_message(make: Make) -> None:
    status = make(STATUS)
    assert status(0)[0] == 1.0
    with pytest.raises(KernelIndexError, match=r"^bad\n"):
        status(1)
    with pytest.raises(SymgradError, match=r"^status\(\) returned the unknown status 2\n"):
        status(2)


def test_a_negative_status_leaves_the_exception_of_a_host_function(make: Make) -> None:
    from test_callable_kernels import CALLING

    set_string = ctypes.PYFUNCTYPE(None, ctypes.py_object, ctypes.c_char_p)(("PyErr_SetString", ctypes.pythonapi))
    host = Handmade(CALLING.spec, CALLING.emit, CALLING.workspace)
    obj = _raising_host(ctypes.cast(set_string, ctypes.c_void_p).value or 0)
    kernel = make(host, imports={"host": obj["host"]}, options=Options(gil="hold"))
    assert kernel(-1.0) == -1.0
    with pytest.raises(KeyError, match="from the host"):
        kernel(1.0)
    assert kernel(-2.0) == -2.0


def _raising_host(set_string: int) -> Any:
    """A host function in machine code that sets a Python exception, as a callback does that Python code failed in."""
    from codegen.llvm.builder import Module
    from codegen.llvm.toolchain import compile_object, load_object
    from codegen.llvm.types import I32, POINTER, Value
    from codegen.target import native

    module = Module(native())
    f = module.function("host", [("x", POINTER)], I32, public=True)
    module.globals["kind"] = "@kind = external global i8"
    f.call(
        "set_string", [Value("@kind", POINTER), Value(module.string("text", "from the host"), POINTER)], declare=True
    )
    f.ret(-1)
    imports = {"kind": id(KeyError), "set_string": set_string}
    return load_object(compile_object(module.text(), native()), ("host",), imports)


# -- what cannot become a kernel ------------------------------------------------------------------------------------
def test_a_dimension_must_be_determined(make: Make) -> None:
    with pytest.raises(CompileError) as caught:
        make(
            Handmade(
                interface("free", {"x": of(of(("n", "m")).shape[0] * of("m").shape[0])}, {"r": of()}), lambda f, s: None
            )
        )
    assert said(caught.value).split("\n")[0] == "free: the size m*n cannot be found from the shapes of the inputs"


def test_several_results_need_a_tuple(make: Make) -> None:
    with pytest.raises(CompileError, match="invert: 2 results need returns_tuple"):
        make(INVERT)


def test_assembling_and_options_have_to_agree(make: Make) -> None:
    with pytest.raises(CompileError, match="do not agree"):
        make(AXPY_KERNEL, assemble=list)


def test_an_input_called_out(make: Make) -> None:
    spec = interface("odd", {"x": of("n"), "out": of("n")}, {"z": of("n")})
    odd = make(Handmade(spec, AXPY_KERNEL.emit))
    result = np.empty(5)
    assert odd(X, Y, out=result) is result
    np.testing.assert_array_equal(result, 2 * X + Y)
