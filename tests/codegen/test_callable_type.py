"""The type of kernels: what Python sees of one, what the project may add, and where emitted code is not used."""

import copy
import inspect
import weakref
from typing import Any

import numpy as np
import pytest
from test_callable_kernels import AXPY, INVERT, MATVEC, STEP, Handmade, interface, of
from test_callable_memory import build

from codegen.python import Kernel, Options, add_member, core, entry_object, numpy_layout
from codegen.python.entry import emit_entry
from codegen.python.kernel_type import PlainKernel
from codegen.python.type_slots import SIZE
from symgrad.errors import CompileError

X = np.ones(3)


@pytest.fixture
def axpy() -> Any:
    return build(AXPY)


# -- description ----------------------------------------------------------------------------------------------------
def test_signature_name_and_documentation(axpy: Any) -> None:
    assert str(inspect.signature(axpy)) == "(x, y, *, out=None)"
    assert axpy.__name__ == axpy.__qualname__ == "axpy"
    assert axpy.spec is AXPY.spec
    assert axpy.__doc__ == (
        "axpy(x, y, *, out=None)\n\nInputs\n------\nx : float64[n]\ny : float64[n]\n\nGives\n-----\nz : float64[n]\n"
    )


def test_the_signature_binds_as_calls_do(axpy: Any) -> None:
    bound = inspect.signature(axpy).bind(1, y=2)
    assert bound.arguments == {"x": 1, "y": 2}
    with pytest.raises(TypeError):
        inspect.signature(axpy).bind(1, 2, 3)


def test_documentation_of_variables() -> None:
    step = build(STEP, variables=(np.zeros(3),))
    assert "Changes\n-------\nw : float64[3]\n" in step.__doc__


def test_names_that_are_no_identifiers() -> None:
    spec = interface("odd", {"net/w": of("n"), "lambda": of("n")}, {"z": of("n")})
    odd = build(Handmade(spec, AXPY.emit))
    assert str(inspect.signature(odd)) == "(net_w_0, lambda_1, /, *, out=None)"
    np.testing.assert_array_equal(odd(X, **{"lambda": 2 * X}), 4 * X)


def test_repr(axpy: Any) -> None:
    assert repr(axpy) == "<kernel axpy(x: float64[n], y: float64[n]) -> float64[n]>"
    invert = build(INVERT, options=Options(returns_tuple=True))
    assert repr(invert) == "<kernel invert(x: bool[n]) -> (bool[n], bool)>"


def test_attributes_are_free(axpy: Any) -> None:
    axpy.note = "mine"
    assert vars(axpy)["note"] == "mine"
    del axpy.note
    assert not hasattr(axpy, "note")
    assert callable(axpy)
    assert weakref.ref(axpy)() is axpy
    assert {axpy: 1}[axpy] == 1
    assert axpy != build(AXPY)


# -- the type -------------------------------------------------------------------------------------------------------
def test_kernels_are_made_by_the_compiler_only() -> None:
    for make in (Kernel, lambda: object.__new__(Kernel), lambda: type("Mine", (Kernel,), {})):
        with pytest.raises(TypeError):
            make()


def test_the_type_is_small_and_has_its_offsets() -> None:
    assert Kernel.__basicsize__ == SIZE
    assert Kernel.__module__ == "codegen.python.kernel_type"
    assert Kernel.__doc__ == "A compiled kernel: called with NumPy arrays, it runs machine code."


def test_members_for_all_kernels(axpy: Any) -> None:
    try:
        add_member("double_name", property(lambda self: 2 * self.__name__))
        add_member("said", lambda self, word: f"{self.__name__} {word}")
        for kernel in (axpy, build(MATVEC)):
            assert kernel.double_name == 2 * kernel.__name__
            assert kernel.said("yes") == f"{kernel.__name__} yes"
            with pytest.raises(AttributeError):
                kernel.double_name = "other"
        with pytest.raises(AttributeError, match=r"^kernels already have a member 'said'$"):
            add_member("said", None)
        assert hasattr(PlainKernel, "said")
        np.testing.assert_array_equal(axpy(X, X), 3 * X)
    finally:
        for kind in (Kernel, PlainKernel):
            for name in ("double_name", "said"):
                if name in vars(kind):
                    delattr(kind, name)


def test_copying_needs_the_projects_own_way(axpy: Any) -> None:
    try:
        add_member("__copy__", lambda self: build(AXPY))
        again = copy.copy(axpy)
        assert again is not axpy
        np.testing.assert_array_equal(again(X, X), 3 * X)
    finally:
        for kind in (Kernel, PlainKernel):
            if "__copy__" in vars(kind):
                delattr(kind, "__copy__")


# -- the entry's object ---------------------------------------------------------------------------------------------
def test_the_entry_depends_on_types_only() -> None:
    other = interface("other", {"a": of("m"), "b": of("m")}, {"r": of("m")})
    assert emit_entry(AXPY.spec, Options()) == emit_entry(other, Options())
    assert entry_object(AXPY.spec) is entry_object(other)
    assert emit_entry(AXPY.spec, Options()) != emit_entry(AXPY.spec, Options(returns_tuple=True))


def test_a_kernel_from_a_stored_entry() -> None:
    stored = bytes(bytearray(entry_object(MATVEC.spec)))
    matvec = build(MATVEC, entry=stored)
    np.testing.assert_array_equal(matvec(np.eye(3), X), X)


def test_an_entry_for_an_undetermined_size_is_refused() -> None:
    with pytest.raises(CompileError):
        entry_object(interface("f", {"x": of(of(("n", "m")).size)}, {"r": of()}))


def test_many_arguments() -> None:
    count = 300
    inputs = {f"x{k}": of("n") if k % 2 else of() for k in range(count)}

    def emit(f: Any, spec: Any) -> None:
        from codegen.llvm.types import DOUBLE, Value

        total = Value("0.0", DOUBLE)
        for k in range(count):
            total = f.fadd(total, f.load(f[f"a{k}"], DOUBLE))
        f.store(total, f[f"a{count}"])

    kernel = build(Handmade(interface("many", inputs, {"r": of()}), emit))
    values = [np.array([float(k), 0.0]) if k % 2 else float(k) for k in range(count)]
    assert kernel(*values) == sum(range(count))
    assert kernel(**dict(zip(reversed(inputs), reversed(values), strict=True))) == sum(range(count))
    out = np.zeros(())
    assert kernel(*values, out=out) is out
    assert out == sum(range(count))


def test_many_results_and_overlaps_among_them() -> None:
    count = 40
    spec = interface("spread", {"x": of("n")}, {f"r{k}": of("n") for k in range(count)})

    def emit(f: Any, spec: Any) -> None:
        from codegen.llvm.types import DOUBLE

        for k in range(count):
            with f.loop(0, f["n0"]) as each:
                value = f.load(f.gep(f["a0"], each.index, DOUBLE), DOUBLE)
                f.store(f.fmul(value, float(k)), f.gep(f[f"a{k + 1}"], each.index, DOUBLE))

    kernel = build(Handmade(spec, emit), options=Options(returns_tuple=True))
    np.testing.assert_array_equal(np.array(kernel(X)), np.arange(count)[:, None] * X)
    memory = np.zeros((count, 3))
    out = tuple(memory)
    assert kernel(X, out=out) is out
    np.testing.assert_array_equal(memory, np.arange(count)[:, None] * X)
    with pytest.raises(ValueError, match=r"out\[39\] shares memory with out\[7\]"):
        kernel(X, out=(*out[:39], out[7]))


# -- where emitted code is not used ---------------------------------------------------------------------------------
def test_the_layout_is_verified_here() -> None:
    assert numpy_layout.problem() is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ARRAY_DATA", 24, "the memory of an array is not where it is expected"),
        ("ARRAY_NDIM", 28, "the rank of an array is not where it is expected"),
        ("ARRAY_DESCR", 48, "the dtype of an array is not where it is expected"),
        ("ARRAY_FLAGS", 16, "the flags of an array is not where it is expected"),
        ("VALUE", 8, "the value of a float is not where it is expected"),
        ("TUPLE_SIZE", 8, "the items of a tuple are not where they are expected"),
        ("TUPLE_ITEMS", 16, "the items of a tuple are not where they are expected"),
        ("HEAD", 32, "objects do not begin with a reference count and a type"),
        ("_ARRAY_TYPE", 3, "NumPy's table of C functions does not name the array type"),
    ],
)
def test_another_layout_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, value: int, problem: str) -> None:
    monkeypatch.setattr(numpy_layout, name, value)
    assert numpy_layout.problem.__wrapped__() == problem


@pytest.mark.parametrize("what", ["implementation", "free-threaded", "pointers"])
def test_other_interpreters_are_noticed(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    if what == "implementation":
        monkeypatch.setattr(numpy_layout.sys.implementation, "name", "other")
    elif what == "pointers":
        monkeypatch.setattr(numpy_layout.ctypes, "sizeof", lambda kind: 4)
    else:
        monkeypatch.setattr(numpy_layout.sysconfig, "get_config_var", lambda name: 1)
    assert isinstance(numpy_layout.problem.__wrapped__(), str)


def test_without_a_verified_layout_calls_go_by_ctypes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen.python.kernel.problem", lambda: "not here")
    monkeypatch.setattr("codegen.python.kernel.Kernel", PlainKernel)
    monkeypatch.setattr("codegen.python.kernel.entry_object", None)  # must not be asked for
    axpy = build(AXPY)
    assert type(axpy) is PlainKernel
    np.testing.assert_array_equal(axpy(X, X), 3 * X)
    assert repr(axpy) == "<kernel axpy(x: float64[n], y: float64[n]) -> float64[n]>"
    assert str(inspect.signature(axpy)) == "(x, y, *, out=None)"


def test_the_emitted_limit_on_sizes_depends_on_the_degree() -> None:
    from codegen.python import inputs

    n = of(("n",)).shape[0]
    assert isinstance(n, object)
    assert inputs._limit(interface("f", {"x": of((n, n))}, {})) == 1 << 40
    assert inputs._limit(interface("f", {"x": of((n * n * n,))}, {})) == 1 << 18
    assert core.REJECTED.text == "inttoptr (i64 1 to ptr)"
