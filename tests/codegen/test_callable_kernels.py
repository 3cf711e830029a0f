"""Kernels written by hand, for the tests of how kernels are called and written to files; and tests of their code."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import Loaded, compile_object, load_object
from codegen.llvm.types import BYTE, DOUBLE, FLOAT, I32, I64, POINTER, Value
from codegen.python.native_call import NativeCall
from codegen.signature import Argument, KernelSpec, Message, dims_of, element_type
from codegen.target import Target, native
from symgrad.types import TensorType

Emit = Callable[[Function, KernelSpec], None]


@dataclass(frozen=True)
class Handmade:
    """An interface, the body of its function and the size of its workspace."""

    spec: KernelSpec
    emit: Emit
    workspace: Callable[[Function], int | Value] = lambda f: 0

    def module(self, target: Target | None = None) -> Module:
        module = Module(target or native())
        f = module.function(self.spec.name, self.spec.parameters(), I32, public=True)
        self.emit(f, self.spec)
        f.ret(0)
        size = module.function(f"{self.spec.name}_workspace", self.spec.dim_parameters(), I64, public=True)
        size.ret(self.workspace(size))
        return module

    def load(self, imports: dict[str, int] | None = None) -> Loaded:
        obj = compile_object(self.module().text(), native())
        return load_object(obj, (self.spec.name, f"{self.spec.name}_workspace"), imports)


def interface(
    name: str,
    inputs: dict[str, TensorType],
    outputs: dict[str, TensorType],
    variables: dict[str, TensorType] | None = None,
    messages: tuple[Message, ...] = (),
) -> KernelSpec:
    sides = [tuple(Argument(own, kind) for own, kind in side.items()) for side in (inputs, variables or {}, outputs)]
    return KernelSpec(name, sides[0], sides[1], sides[2], dims_of(list(inputs.values())), messages)


def of(shape: Any = (), dtype: str = "float64") -> TensorType:
    return TensorType(shape, dtype)


def element(f: Function, array: str, index: Any, kind: Any = DOUBLE) -> Value:
    return f.load(f.gep(f[array], index, kind), kind)


# -- out = 2 x + y --------------------------------------------------------------------------------------------------
def _axpy(f: Function, spec: KernelSpec) -> None:
    with f.loop(0, f["n0"]) as each:
        value = f.fadd(f.fmul(element(f, "a0", each.index), 2.0), element(f, "a1", each.index))
        f.store(value, f.gep(f["a2"], each.index, DOUBLE))


AXPY = Handmade(interface("axpy", {"x": of("n"), "y": of("n")}, {"z": of("n")}), _axpy)


# -- r = A w, with w kept in the workspace --------------------------------------------------------------------------
def _matvec(f: Function, spec: KernelSpec) -> None:
    rows, columns = f["n0"], f["n1"]
    with f.loop(0, columns) as each:
        f.store(element(f, "a1", each.index), f.gep(f["work"], each.index, DOUBLE))
    with f.loop(0, rows) as row:
        with f.loop(0, columns, carried=[Value("0.0", DOUBLE)]) as column:
            place = f.add(f.mul(row.index, columns), column.index)
            product = f.fmul(element(f, "a0", place), element(f, "work", column.index))
            column.next = [f.fadd(column.values[0], product)]
        f.store(column.values[0], f.gep(f["a2"], row.index, DOUBLE))


MATVEC = Handmade(
    interface("matvec", {"A": of(("n", "m")), "w": of("m")}, {"r": of("n")}),
    _matvec,
    lambda f: f.mul(f["n1"], 8),
)


# -- y = x[i], indices checked first --------------------------------------------------------------------------------
def _gather(f: Function, spec: KernelSpec) -> None:
    with f.when(f.icmp("eq", f["n0"], 7)):
        f.ret(2)
        f.enter(f.label("after"))
    with f.loop(0, f["n1"]) as each, f.when(f.icmp("uge", element(f, "a1", each.index, I64), f["n0"]), unlikely=True):
        f.ret(1)
        f.enter(f.label("after"))
    with f.loop(0, f["n1"]) as each:
        value = element(f, "a0", element(f, "a1", each.index, I64))
        f.store(value, f.gep(f["a2"], each.index, DOUBLE))


GATHER = Handmade(
    interface(
        "gather",
        {"x": of("n"), "i": of("m", "int64")},
        {"y": of("m")},
        messages=(
            Message("index", "gather: an index of 'i' is outside axis 0 of 'x'"),
            Message("shape", 'gather: 7 elements are\nnot "wanted" */'),
        ),
    ),
    _gather,
)


# -- every dtype as a scalar, in and out ----------------------------------------------------------------------------
_KINDS = ("float64", "float32", "int64", "int32", "bool")


def _echo(f: Function, spec: KernelSpec) -> None:
    for k, one in enumerate(spec.inputs):
        kind = element_type(one.type.dtype)
        f.store(f.load(f[f"a{k}"], kind), f[f"a{k + len(spec.inputs)}"])


ECHO = Handmade(
    interface("echo", {f"p_{kind}": of((), kind) for kind in _KINDS}, {f"r_{kind}": of((), kind) for kind in _KINDS}),
    _echo,
)
ONES = {kind: Handmade(interface(f"echo_{kind}", {"p": of((), kind)}, {"r": of((), kind)}), _echo) for kind in _KINDS}


# -- w += rate x, and the old w's first element ---------------------------------------------------------------------
def _step(f: Function, spec: KernelSpec) -> None:
    f.store(f.load(f["a2"], DOUBLE), f["a3"])
    rate = f.load(f["a1"], DOUBLE)
    with f.loop(0, 3) as each:
        new = f.fadd(element(f, "a2", each.index), f.fmul(rate, element(f, "a0", each.index)))
        f.store(new, f.gep(f["a2"], each.index, DOUBLE))


STEP = Handmade(interface("step", {"x": of(3), "rate": of()}, {"old": of()}, {"w": of(3)}), _step)


# -- a counter that is slow enough to lose increments if two calls run at once --------------------------------------
def _count(f: Function, spec: KernelSpec) -> None:
    before = f.load(f["a1"], I64)
    scratch = f.alloca(I64)
    with f.loop(0, f.load(f["a0"], I64)) as each:
        f.line(f"store volatile i64 {each.index.text}, ptr {scratch.text}")
    f.store(f.i64(f.add(before, 1)), f["a1"])
    f.store(before, f["a2"])


COUNT = Handmade(
    interface("count", {"rounds": of((), "int64")}, {"old": of((), "int64")}, {"c": of((), "int64")}), _count
)


# -- any status -----------------------------------------------------------------------------------------------------
def _status(f: Function, spec: KernelSpec) -> None:
    f.store(Value("1.0", FLOAT), f["a1"])
    f.ret(f.load(f["a0"], I32))
    f.enter(f.label("after"))


STATUS = Handmade(
    interface("status", {"s": of((), "int32")}, {"r": of((5,), "float32")}, messages=(Message("index", "bad"),)),
    _status,
)


# -- the dynamic sizes of inputs of any shapes ----------------------------------------------------------------------
def sizes_kernel(inputs: dict[str, TensorType], more: dict[str, TensorType] | None = None) -> Handmade:
    """A kernel that gives the sizes that it was called with, as int64 scalars, and arrays of zeros."""
    order = dims_of(list(inputs.values()))
    outputs = {f"size{k}": of((), "int64") for k in range(len(order))}

    def emit(f: Function, spec: KernelSpec) -> None:
        for k in range(len(order)):
            f.store(f[f"n{k}"], f[f"a{len(inputs) + k}"])

    return Handmade(interface("sizes", inputs, outputs | (more or {})), emit)


# -- calls a host function in the middle ----------------------------------------------------------------------------
def _calling(f: Function, spec: KernelSpec) -> None:
    f.store(f.load(f["a0"], DOUBLE), f["work"])
    with f.when(f.fcmp("ogt", f.load(f["a0"], DOUBLE), 0.0)):
        status = f.call("host", [f["a0"]], I32, declare=True)
        assert status is not None
        with f.when(f.icmp("ne", status, 0)):
            f.ret(status)
            f.enter(f.label("after"))
    f.store(f.load(f["work"], DOUBLE), f["a1"])


CALLING = Handmade(interface("calling", {"x": of()}, {"r": of()}), _calling, lambda f: 8)


# -- logical not of an array, and whether all were true -------------------------------------------------------------
def _invert(f: Function, spec: KernelSpec) -> None:
    with f.loop(0, f["n0"], carried=[Value("1", BYTE)]) as each:
        value = element(f, "a0", each.index, BYTE)
        f.store(f.binary("xor", value, 1), f.gep(f["a1"], each.index, BYTE))
        each.next = [f.binary("and", each.values[0], value)]
    f.store(each.values[0], f["a2"])


INVERT = Handmade(interface("invert", {"x": of("n", "bool")}, {"y": of("n", "bool"), "all": of((), "bool")}), _invert)


# -- the bodies themselves, called without anything around ----------------------------------------------------------
def call_body(kernel: Handmade, *arrays: Any, sizes: tuple[int, ...] = ()) -> int:
    loaded = kernel.load()
    name = kernel.spec.name
    return NativeCall(loaded[name], loaded[f"{name}_workspace"], len(arrays), len(sizes))(arrays, sizes)


def test_axpy_body() -> None:
    x, y, z = np.arange(5.0), np.ones(5), np.zeros(5)
    assert call_body(AXPY, x, y, z, sizes=(5,)) == 0
    np.testing.assert_array_equal(z, [1, 3, 5, 7, 9])


def test_matvec_body_and_its_workspace() -> None:
    A, w, r = np.arange(12.0).reshape(3, 4), np.arange(4.0), np.zeros(3)
    assert call_body(MATVEC, A, w, r, sizes=(3, 4)) == 0
    np.testing.assert_allclose(r, A @ w)


@pytest.mark.parametrize(("index", "status"), [([0, 2], 0), ([0, 3], 1), ([-1], 1)])
def test_gather_body(index: list[int], status: int) -> None:
    x, i = np.array([5.0, 6.0, 7.0]), np.array(index)
    y = np.full(i.size, -1.0)
    assert call_body(GATHER, x, i, y, sizes=(3, i.size)) == status
    np.testing.assert_array_equal(y, x[i] if status == 0 else np.full(i.size, -1.0))


def test_workspace_is_aligned_and_reused() -> None:
    spec = interface("where", {"x": of("n")}, {"r": of((), "int64")})

    def emit(f: Function, spec: KernelSpec) -> None:
        f.store(f.convert("ptrtoint", f["work"], I64), f["a1"])

    kernel = Handmade(spec, emit, lambda f: f.mul(f["n0"], 8))
    loaded = kernel.load()
    native_call = NativeCall(loaded["where"], loaded["where_workspace"], 2, 1)
    seen = []
    for _ in range(3):
        place = np.zeros((), np.int64)
        native_call([np.zeros(100), place], [100])
        seen.append(int(place))
    assert len(set(seen)) == 1
    assert seen[0] % 64 == 0
    place = np.ones((), np.int64)
    native_call([np.zeros(0), place], [0])
    assert int(place) == 0


def host_function(function: Callable[[float], int]) -> tuple[Any, int]:
    """A Python function as an address that code compiled here can call."""
    made = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.POINTER(ctypes.c_double))(lambda x: function(x[0]))
    return made, ctypes.cast(made, ctypes.c_void_p).value or 0


def test_parameters_are_pointers_then_sizes() -> None:
    assert AXPY.spec.parameters() == [("a0", POINTER), ("a1", POINTER), ("a2", POINTER), ("n0", I64), ("work", POINTER)]
