"""The points at which operations are checked: their samples, and cases by hand of operations that samples cannot make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import symgrad as sg
from symgrad import ops, types
from symgrad.backend import find_backend
from symgrad.errors import CompileError
from symgrad.node import apply, topological
from symgrad.opdef import OpDef
from symgrad.ops.source import parameter

find_backend("llvm")  # registers everything that registers anything


class Case(NamedTuple):
    """An operation at a point: ``make`` applies it to nodes, which ``placeholder`` makes for the arrays."""

    op: OpDef
    arrays: tuple[Any, ...]
    make: Callable[..., Any]
    attrs: Any = None  # None: not made from a sample
    smooth: bool = True
    placeholder: Callable[[str, Any], Any] = parameter


class Point(NamedTuple):
    """A case in one element type: the inputs, their arrays, and the result."""

    inputs: list[Any]
    arrays: list[Any]
    node: Any

    def values(self) -> dict[Any, Any]:
        return dict(zip(self.inputs, self.arrays, strict=True))


# -- the cases ------------------------------------------------------------------------------------------------------
@sg.custom_gradient
def _square_and_cube(x: Any) -> Any:
    return (x * x, x * x * x), lambda square, cube: 2 * x * square + 3 * x * x * cube


def _negated(x: Any, stateful: bool) -> Any:
    return sg.callback(np.negative, x, x, gradient=lambda node, head: -head, stateful=stateful)


POINT = (np.array([0.5, -1.25, 3.0]),)
VARIABLES = {
    dtype: sg.variable(f"op_cases_{dtype}", np.array([1, 2], dtype)) for dtype in ("float64", "float32", "int64")
}
SOURCES: dict[str, Callable[[str], Any]] = {  # of an element type, without operands
    "constant": lambda dtype: sg.constant(np.array([[0.5, -1.25, 3], [1, 2, 7]]).astype(dtype)),
    "basis": lambda dtype: ops.basis(types.of(types.as_dtype(dtype), (2, 3))),
    "iota": lambda dtype: ops.iota(5),
    "variable": VARIABLES.__getitem__,
}
BY_HAND: dict[str, Callable[[OpDef], Case]] = {  # what samples cannot make: placeholders, sizes, Python functions
    "symbol": lambda op: Case(op, POINT, lambda x: x, placeholder=lambda name, kind: _symbol(name, kind)),
    "parameter": lambda op: Case(op, POINT, lambda x: x),
    "variable": lambda op: Case(op, (), lambda: VARIABLES["float64"]),
    "dim_value": lambda op: Case(op, POINT, lambda x: ops.dim_value(x.shape[0]), placeholder=_of_dynamic_size),
    "custom_gradient": lambda op: Case(op, POINT, lambda x: _square_and_cube(x)[0]),
    "item": lambda op: Case(op, POINT, lambda x: _square_and_cube(x)[1]),
    "callback": lambda op: Case(op, POINT, lambda x: _negated(x, True)),
    "stateless_callback": lambda op: Case(op, POINT, lambda x: _negated(x, False)),
}


def _symbol(name: str, kind: Any) -> Any:
    return sg.symbol(name, kind.shape, kind.dtype)


def _of_dynamic_size(name: str, kind: Any) -> Any:
    return parameter(name, kind.with_shape(tuple(sg.dim(f"{name}_{k}") for k in range(len(kind.shape)))))


def cases_of(op: OpDef) -> list[Case]:
    """The operation's samples, or the case by hand; those without elements last."""
    if op.name in BY_HAND:
        return [BY_HAND[op.name](op)]
    found = []
    for k, _ in enumerate(op.samples(np.random.default_rng(0))):
        one = list(op.samples(np.random.default_rng(k)))[k]
        arrays = tuple(np.asarray(a) for a in one.arrays)
        found.append(Case(op, arrays, lambda *xs, attrs=one.attrs: apply(op, xs, attrs), one.attrs, one.smooth))
    return found


def cast_arrays(arrays: Iterable[Any], dtype: Any) -> list[Any]:
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in map(np.asarray, arrays)]


def point_of(case: Case, dtype: Any = "float64") -> Point:
    arrays = cast_arrays(case.arrays, dtype)
    inputs = [case.placeholder(f"x{k}", types.of(types.as_dtype(a.dtype), a.shape)) for k, a in enumerate(arrays)]
    return Point(inputs, arrays, case.make(*inputs) if inputs else SOURCES[case.op.name](str(np.dtype(dtype))))


def variables_of(node: Any) -> list[Any]:
    return [one for one in topological([node]) if one.op.name == "variable"]


def compiled(outputs: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The kernel, or None where an operation has no machine code."""
    try:
        return sg.compile(tuple(outputs), inputs)
    except CompileError as refusal:
        if "no machine code" in str(refusal):
            return None
        raise
