"""One test for every operation in the registry, from its own samples.

NumPy is the judge of values (the interpreter runs the operation's NumPy meaning), finite differences of derivatives,
a Python loop of vectorisation, and the interpreter of compiled code.
"""

from __future__ import annotations

import numpy as np
import pytest
from comparing import assert_same

import symgrad as sg
from symgrad import types
from symgrad.backend import find_backend
from symgrad.batching import vectorize
from symgrad.check import check_gradients
from symgrad.errors import CompileError
from symgrad.interp import evaluate
from symgrad.node import apply
from symgrad.opdef import REGISTRY, Kind, Linear
from symgrad.ops.source import parameter
from symgrad.verify import verify

find_backend("llvm")  # registers everything that registers anything

CASES = [
    pytest.param(op, k, id=f"{op.name}-{k}")
    for op in list(REGISTRY.values())
    for k, _ in enumerate(op.samples(np.random.default_rng(0)))
]
FLOATS = ["float64", "float32"]


def sample_of(op, k):
    return list(op.samples(np.random.default_rng(k)))[k]


def cast_arrays(arrays, dtype):
    return [np.asarray(a, dtype) if np.asarray(a).dtype.kind == "f" else np.asarray(a) for a in arrays]


def build(op, arrays, attrs):
    """The operation on parameters of the arrays' types."""
    inputs = [parameter(f"x{k}", types.of(types.as_dtype(a.dtype), a.shape)) for k, a in enumerate(arrays)]
    return inputs, apply(op, tuple(inputs), attrs)


def compiled(outputs, inputs):
    try:
        return sg.compile(tuple(outputs), inputs)
    except CompileError as refusal:
        if "no machine code" in str(refusal):
            return None
        raise


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("op", "k"), CASES)
def test_value(op, k, dtype):
    """The type rule gives NumPy's type, and compiled code NumPy's value."""
    sample = sample_of(op, k)
    arrays = cast_arrays(sample.arrays, dtype)
    inputs, node = build(op, arrays, sample.attrs)
    with np.errstate(all="ignore"):
        want = np.asarray(op.evaluate(sample.attrs, *arrays))
    verify([node])
    assert node.shape == want.shape
    if op.kind is not Kind.SOURCE:
        assert node.dtype == want.dtype
    kernel = compiled([node], inputs)
    if kernel is None:
        assert op.lowering == "host"
        return
    (got,) = kernel(*arrays)
    assert_same(got, want.astype(node.dtype))


@pytest.mark.parametrize(("op", "k"), CASES)
def test_derivatives(op, k):
    """Forward and reverse mode, first and second order, against finite differences."""
    sample = sample_of(op, k)
    arrays = cast_arrays(sample.arrays, "float64")
    _, node = build(op, arrays, sample.attrs)
    floating = any(a.dtype.kind == "f" and a.size for a in arrays)
    if not (sample.smooth and floating and types.is_float(node.dtype)):
        return
    if op.name == "zeta":  # has no derivative with respect to its first argument
        first = sg.constant(arrays[0])
        check_gradients(lambda x: apply(op, (sg.ops.broadcast_to(first, x.shape), x), sample.attrs), arrays[1])
        return
    check_gradients(lambda *xs: apply(op, xs, sample.attrs), *arrays)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("op", "k"), CASES)
def test_compiled_derivatives(op, k, dtype):
    """Gradients and their gradients, compiled, against the interpreter."""
    sample = sample_of(op, k)
    arrays = cast_arrays(sample.arrays, dtype)
    inputs, node = build(op, arrays, sample.attrs)
    sources = [x for x, a in zip(inputs, arrays, strict=True) if a.dtype.kind == "f"]
    if op.name == "zeta":
        sources = sources[1:]
    if not (sources and types.is_float(node.dtype)):
        return
    rng = np.random.default_rng(5)
    heads = rng.uniform(0.5, 1.5, node.shape).astype(dtype)
    first = sg.gradients(node, sources, [heads], unconnected="zero")
    weights = [rng.uniform(0.5, 1.5, x.shape).astype(dtype) for x in sources]
    second = sg.gradients(list(first), sources, weights, unconnected="zero")
    outputs = [*first, *second]
    kernel = compiled(outputs, inputs)
    if kernel is None:
        return
    want = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for one, other in zip(kernel(*arrays), want, strict=True):
        assert_same(
            one, other, **({"rtol": 2e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-9})
        )


@pytest.mark.parametrize(("op", "k"), CASES)
def test_vectorised(op, k):
    """Over a new axis of any subset of the inputs, against a loop."""
    sample = sample_of(op, k)
    arrays = cast_arrays(sample.arrays, "float64")
    if not arrays:
        return
    inputs, node = build(op, arrays, sample.attrs)
    size = 3
    rng = np.random.default_rng(k)
    for chosen in {
        (True,) * len(arrays),
        (True,) + (False,) * (len(arrays) - 1),
        (False,) * (len(arrays) - 1) + (True,),
    }:
        stacks = [
            np.stack([_varied(op, a, rng) for _ in range(size)]) if own else a
            for a, own in zip(arrays, chosen, strict=True)
        ]
        batched = {
            x: parameter(f"b{j}", x.type.with_shape((size, *x.shape))) for j, x in enumerate(inputs) if chosen[j]
        }
        (made, moved), *_ = vectorize([node], batched, size)
        assert moved
        values = {batched.get(x, x): s for x, s in zip(inputs, stacks, strict=True)}
        (got,) = evaluate([made], values)
        rows = []
        for row in range(size):
            own = {x: s[row] if c else s for x, s, c in zip(inputs, stacks, chosen, strict=True)}
            rows.append(evaluate([node], own)[0])
        assert_same(got, np.stack(rows))


def _varied(op, array, rng):
    """Another array of the same kind: permuted, so that every element stays in the operation's domain."""
    if op.name == "cholesky":  # whose domain is one of matrices
        return array * rng.uniform(0.5, 2.0)
    return rng.permutation(array.ravel()).reshape(array.shape)


def _dynamic_attrs(attrs, names):
    """Shapes in the attributes with sizes replaced by dimensions; None where an attribute is not a mere shape."""
    if attrs == ():
        return ()
    if hasattr(attrs, "shape") and not hasattr(attrs, "boxes"):
        return attrs._replace(shape=tuple(names.get(size, size) for size in attrs.shape))
    fields = getattr(attrs, "_fields", ())
    return attrs if set(fields) <= {"axes", "axis", "inputs", "output", "dtype", "order"} else None


@pytest.mark.parametrize(("op", "k"), CASES)
def test_dynamic_shapes(op, k):
    """One kernel for every size: axes longer than 1 become dynamic dimensions."""
    sample = sample_of(op, k)
    arrays = cast_arrays(sample.arrays, "float64")
    sizes = {size for a in arrays for size in a.shape if size > 1}
    names = {size: sg.dim(f"d{size}") for size in sizes}
    attrs = _dynamic_attrs(sample.attrs, names)
    if not arrays or not sizes or attrs is None or op.name in ("reshape", "cross"):
        return
    inputs = [
        parameter(f"x{j}", types.of(types.as_dtype(a.dtype), tuple(names.get(size, size) for size in a.shape)))
        for j, a in enumerate(arrays)
    ]
    node = apply(op, tuple(inputs), attrs)
    (want,) = evaluate([node], dict(zip(inputs, arrays, strict=True)))
    assert_same(want, np.asarray(op.evaluate(sample.attrs, *arrays)))
    kernel = compiled([node], inputs)
    if kernel is not None:
        assert_same(kernel(*arrays)[0], want)


LINEAR = [op for op in REGISTRY.values() if isinstance(op.derivative, Linear)]


@pytest.mark.parametrize("op", LINEAR, ids=lambda op: op.name)
def test_adjoint_identity(op):
    """<u, op(v)> = <transpose(u), v> for every linear argument."""
    for sample in op.samples(np.random.default_rng(1)):
        arrays = cast_arrays(sample.arrays, "float64")
        inputs, node = build(op, arrays, sample.attrs)
        rng = np.random.default_rng(2)
        (value,) = evaluate([node], dict(zip(inputs, arrays, strict=True)))
        head = rng.normal(size=value.shape)
        linear = op.derivative.arguments if op.derivative.arguments is not None else range(len(inputs))
        total = 0.0
        for i in linear:
            (cotangent,) = sg.gradients(node, [inputs[i]], [head], unconnected="zero")
            (back,) = evaluate([cotangent], dict(zip(inputs, arrays, strict=True)))
            inner = float(np.sum(back * arrays[i]))
            if op.derivative.joint:
                total += inner
            else:
                np.testing.assert_allclose(inner, np.sum(head * value), rtol=1e-10, atol=1e-10)
        if op.derivative.joint:
            np.testing.assert_allclose(total, np.sum(head * value), rtol=1e-10, atol=1e-10)
