"""What is checked of one operation beside its numbers: batches, dynamic sizes, integers, and the machine code it becomes.

As in tests/op_checks.py, each check gives its verdict, or fails where something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from comparing import assert_same
from op_cases import Case, Point, compiled, point_of, variables_of

import symgrad as sg
from codegen.driver import compile_body
from codegen.target import find_target
from symgrad import ops, types
from symgrad.batching import vectorize
from symgrad.errors import CompileError, DTypeError, ShapeError
from symgrad.interp import evaluate
from symgrad.node import apply
from symgrad.opdef import Kind
from symgrad.ops.declaring import ELEMENTWISE
from symgrad.ops.source import parameter
from symgrad.types import TensorType

SIZE = 3  # of batches
TARGET = find_target("x86-64-v3")


# -- batches --------------------------------------------------------------------------------------------------------
def check_vectorised(case: Case, compile: bool = False) -> str:
    """Over a new axis of all, of the first, and of the last of the inputs, against a loop."""
    point = point_of(case)
    count = len(point.inputs)
    if not count:
        return "no operand"
    rng = np.random.default_rng(0)
    moved = True
    for chosen in {
        (True,) * count,
        (True,) + (False,) * (count - 1),
        (False,) * (count - 1) + (True,),
    }:
        moved &= _check_batch(case, point, chosen, rng, compile)
    return "yes" if moved else "no operand"


def _check_batch(case: Case, point: Point, chosen: tuple[bool, ...], rng: np.random.Generator, compile: bool) -> bool:
    stacks = [
        np.stack([_varied(case, a, rng) for _ in range(SIZE)]) if own else a
        for a, own in zip(point.arrays, chosen, strict=True)
    ]
    batched = {
        x: parameter(f"b{k}", x.type.with_shape((SIZE, *x.shape))) for k, x in enumerate(point.inputs) if chosen[k]
    }
    ((made, moved),) = vectorize([point.node], batched, SIZE)
    inputs = [batched.get(x, x) for x in point.inputs]
    known = [x for x in point.inputs if made is not x]  # sizes may be read off the operands before
    (got,) = evaluate(
        [made], {**dict(zip(known, point.arrays, strict=False)), **dict(zip(inputs, stacks, strict=True))}
    )
    rows = []
    for row in range(SIZE):
        own = [s[row] if c else s for s, c in zip(stacks, chosen, strict=True)]
        rows.append(evaluate([point.node], dict(zip(point.inputs, own, strict=True)))[0])
    assert_same(got, np.stack(rows) if moved else rows[0])
    kernel = compiled([made], inputs) if compile else None
    if kernel is not None:
        assert_same(kernel(*stacks)[0], got)
    return bool(moved)


def _varied(case: Case, array: Any, rng: np.random.Generator) -> Any:
    """Another array of the same kind: permuted, so that every element stays in the operation's domain."""
    if case.op.name in ("cholesky", "searchsorted"):  # whose domains are those of matrices and of sorted tables
        return array * rng.uniform(0.5, 2.0)
    return rng.permutation(array.ravel()).reshape(array.shape)


# -- dynamic sizes --------------------------------------------------------------------------------------------------
SIZED = ("shape", "size", "type", "image")  # attributes that say how long axes are


def check_dynamic(case: Case) -> str:
    """One kernel for every size: axes longer than 1 become dynamic dimensions, equal ones the same."""
    if case.attrs is None:
        return _check_dynamic_by_hand(case)
    if not case.arrays:
        return _check_dynamic_source(case)
    if not any(size > 1 for a in case.arrays for size in a.shape):
        return "no axis"
    refusal = None
    for verdict, axes in _dynamic_axes(case):
        try:
            inputs, node = _of_dynamic_axes(case, axes)
        except ShapeError as error:
            refusal = error
            continue
        arrays = point_of(case).arrays
        (got,) = evaluate([node], dict(zip(inputs, arrays, strict=True)))
        assert_same(got, np.asarray(case.op.evaluate(case.attrs, *arrays)))
        kernel = compiled([node], inputs)
        if kernel is not None:
            assert_same(kernel(*arrays)[0], got)
        return verdict
    assert refusal is not None
    return "refused sizes"


Axes = Mapping[tuple[int, int], Any]  # (argument, axis) -> dimension


def _dynamic_axes(case: Case) -> Iterator[tuple[str, Axes]]:
    """All axes; all but the last of the first argument; leading ones."""
    places = [(k, j) for k, a in enumerate(case.arrays) for j, size in enumerate(a.shape) if size > 1]
    for verdict, chosen in (
        ("yes", places),
        ("some axes", [(k, j) for k, j in places if k == 0 and j < case.arrays[0].ndim - 1]),
        ("first axis", [(k, j) for k, j in places if j == 0]),
        ("first axis", [(k, j) for k, j in places if j == 0 and k == 0]),
        ("first axis", [(k, j) for k, j in places if j == 0 and k == len(case.arrays) - 1]),
    ):
        if chosen:
            yield verdict, {(k, j): sg.dim(f"d{case.arrays[k].shape[j]}") for k, j in chosen}


def _of_dynamic_axes(case: Case, axes: Axes) -> tuple[list[Any], Any]:
    inputs = []
    for k, a in enumerate(point_of(case).arrays):
        shape = tuple(axes.get((k, j), size) for j, size in enumerate(a.shape))
        inputs.append(parameter(f"x{k}", types.of(types.as_dtype(a.dtype), shape)))
    names = {case.arrays[k].shape[j]: dim for (k, j), dim in axes.items()}
    for a, x in zip(case.arrays, inputs, strict=True):
        names.setdefault(prod(a.shape), prod(x.shape))
    return inputs, apply(case.op, tuple(inputs), _renamed(case.attrs, names))


def _renamed(attrs: Any, names: Mapping[Any, Any]) -> Any:
    """Attributes with the sizes in them replaced by dimensions."""
    if isinstance(attrs, TensorType):
        return attrs.with_shape(tuple(names.get(size, size) for size in attrs.shape))
    if not hasattr(attrs, "_fields"):
        return attrs
    made = {}
    for field, value in zip(attrs._fields, attrs, strict=True):
        if field not in SIZED:
            made[field] = _renamed(value, names) if field in ("height", "width") else value
        elif isinstance(value, tuple):
            made[field] = tuple(names.get(size, size) for size in value)
        else:
            made[field] = names.get(value, value) if isinstance(value, int) else _renamed(value, names)
    return type(attrs)(**made)


def _check_dynamic_source(case: Case) -> str:
    """Without operands: the sizes are those of a placeholder that is not used otherwise."""
    (want,) = evaluate([case.make()], {})
    names = {size: sg.dim(f"d{size}") for size in want.shape if size > 1}
    node = apply(case.op, (), _renamed(case.attrs, names))
    if not any(isinstance(size, sg.Dim) for size in node.shape):
        return "fixed"
    sizes = list(names)
    x = parameter("x", types.of(types.FLOAT64, tuple(names[size] for size in sizes)))
    array = np.zeros(sizes)
    (got,) = evaluate([node], {x: array})
    assert_same(got, want)
    assert_same(compiled([node], [x])(array)[0], want)
    return "yes"


def _check_dynamic_by_hand(case: Case) -> str:
    if not case.arrays:
        assert all(isinstance(size, int) for size in point_of(case).node.shape)
        return "fixed"
    arrays = point_of(case).arrays
    inputs = [
        case.placeholder(f"x{k}", types.of(types.as_dtype(a.dtype), tuple(sg.dim(f"h{size}") for size in a.shape)))
        for k, a in enumerate(arrays)
    ]
    node = case.make(*inputs)
    (got,) = evaluate([node], dict(zip(inputs, arrays, strict=True)))
    point = point_of(case)
    (want,) = evaluate([point.node], point.values())
    assert_same(got, want)
    assert_same(compiled([node], inputs)(*arrays)[0], want)
    return "yes"


# -- integers -------------------------------------------------------------------------------------------------------
def check_integers(case: Case) -> str:
    """On int64 operands: the same integers as NumPy's, converted to float64 first, or refused."""
    if not case.arrays:
        return _check_integer_source(case)
    arrays = [_whole(np.abs(a) if case.op.name == "power" else a) for a in case.arrays]
    if not any(a.dtype == np.int64 for a in arrays):
        return "truth values"
    if case.attrs is None:
        return _check_integers_by_hand(case, arrays)
    inputs = [parameter(f"x{k}", types.of(types.as_dtype(a.dtype), a.shape)) for k, a in enumerate(arrays)]
    try:
        node = _built(case, inputs)
    except DTypeError:
        return "refused"
    assert node.op is case.op
    with np.errstate(all="ignore"):
        plain = [a.astype(one.dtype) for a, one in zip(arrays, node.inputs, strict=True)]
        want = np.asarray(case.op.evaluate(node.attrs, *plain))
    results = evaluate([node], dict(zip(inputs, arrays, strict=True)))
    kernel = compiled([node], inputs)
    if kernel is not None:
        results.append(kernel(*arrays)[0])
    for got in results:
        assert_same(got, want)
    return "yes" if all(one is x for one, x in zip(node.inputs, inputs, strict=True)) else "as float64"


PUBLIC: dict[str, Callable[..., Any]] = {  # operations whose functions convert integers before they build
    "ldexp": ops.ldexp,
    "cholesky": sg.linalg.cholesky,
    "det_sign": lambda a: sg.linalg.slogdet(a)[0],
    "logabsdet": lambda a: sg.linalg.slogdet(a)[1],
    "svdvals": sg.linalg.svdvals,
    "svd_u": lambda a: sg.linalg.svd(a).U,
    "svd_vt": lambda a: sg.linalg.svd(a).Vh,
    **{name: getattr(ops, name) for name in ("mean", "logsumexp", "log_softmax", "softmax", "norm")},
    **{name: getattr(ops, name) for name in ("solve", "solve_triangular", "inv", "det")},
}


def _built(case: Case, inputs: Sequence[Any]) -> Any:
    """The operation as users build it."""
    builder = ELEMENTWISE.get(case.op.name) or PUBLIC.get(case.op.name)
    return builder(*inputs) if builder is not None else apply(case.op, tuple(inputs), case.attrs)


def _check_integer_source(case: Case) -> str:
    node = point_of(case, "int64").node
    assert node.dtype == np.int64
    (want,) = evaluate([node], {})
    assert_same(compiled([node], [])()[0], want)
    return "yes"


def _check_integers_by_hand(case: Case, arrays: Sequence[Any]) -> str:
    point = point_of(case._replace(arrays=tuple(arrays)))
    (want,) = evaluate([point.node], point.values())
    assert want.dtype == np.int64
    assert_same(compiled([point.node], point.inputs)(*arrays)[0], want)
    return "yes"


def _whole(array: Any) -> Any:
    """Numbers that are not zero, rounded away from it."""
    if array.dtype.kind != "f":
        return array
    largest = 2.0**40
    finite = np.nan_to_num(array, nan=largest, posinf=largest, neginf=-largest)
    return np.copysign(np.ceil(np.abs(finite)), finite).astype(np.int64)


# -- machine code ---------------------------------------------------------------------------------------------------
def check_code(case: Case) -> str:
    """What the emitted code calls: nothing, functions of the C library, or functions of the host by pointer."""
    point = point_of(case)
    if case.op.kind is not Kind.ELEMENTWISE:
        return _code([point.node], point.inputs, case)
    scalars = [parameter(f"s{k}", x.type.with_shape(())) for k, x in enumerate(point.inputs)]
    vectors = [parameter(f"v{k}", x.type.with_shape((sg.dim("n"),))) for k, x in enumerate(point.inputs)]
    each, one = (_code([apply(case.op, tuple(xs), point.node.attrs)], xs, case) for xs in (vectors, scalars))
    return each if each == one else f"{each}; of scalars {one}"


def _code(outputs: Sequence[Any], inputs: Sequence[Any], case: Case) -> str:
    try:
        made = compile_body(outputs, inputs, variables_of(outputs[0]), [], "kernel", TARGET)
    except CompileError as refusal:
        assert refusal.what == f"{case.op.name}: no machine code for float64 operands"
        return "host"
    called = sorted(_called(made.text))
    names = sorted({call.attrs.name for call in made.calls})
    return f"libm: {', '.join(called)}" if called else f"pointer: {', '.join(names)}" if names else "inline"


def _called(text: str) -> set[str]:
    """Functions of the C library that code calls, but on lanes that are rare: those calls are within mathlib's functions."""
    found: set[str] = set()
    for function in re.split(r"^(?=define )", text, flags=re.MULTILINE):
        if not re.match(r"define [^@]*@mathlib\.", function):
            found.update(re.findall(r"call (?:double|float) @([a-z0-9]+)\(", function))
    return found
