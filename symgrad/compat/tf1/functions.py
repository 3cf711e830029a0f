"""Functions of the TensorFlow 1 spelling.  In: tensors, arrays, numbers.  Out: tensors.

A number or array beside a tensor takes the tensor's element type.  At kinks derivatives are TensorFlow's: where two
operands tie, ``maximum`` and ``minimum`` give the whole gradient to the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from symgrad import ops, optim, types
from symgrad.compat.tf1.graph import Tensor, alike, array_of, as_dtype, call, convert, fail, get_default_graph, own
from symgrad.config import config
from symgrad.diff import gradients as differentiation
from symgrad.diff.callback import callback
from symgrad.diff.rules import gradient_override_map, register_gradient
from symgrad.dims import Dim
from symgrad.node import Node
from symgrad.provenance import current
from symgrad.tape import GradientTape as Tape

Function = Callable[..., Any]


def pairs(text: str) -> dict[str, str]:
    """Our names by TensorFlow's: ``"theirs=ours both"``."""
    return {one.partition("=")[0]: one.rpartition("=")[2] for one in text.split()}


_OURS = pairs(
    "reduction_indices=axis dimension=axis dim=axis keep_dims=keepdims perm=axes output_type=dtype out_type=dtype"
)
_SHAPES = pairs("shape dims=shape input_sizes=input_shape filter_sizes=filter_shape")


def lift(function: Function, signature: str) -> Function:
    """A function of nodes as one of tensors, with TensorFlow's names of its arguments.

    ``signature`` has them in order: ``*x`` are tensors of one element type, ``**x`` is a list of such, ``+x`` is a tensor of
    any type; these are given by position.  The others are given by our names of them, except those that are None.
    """
    marks = {name: mark for mark, name in re.findall(r"([*+]*)(\w+)", signature)}

    @wraps(function)
    def lifted(*args: Any, name: str | None = None, **options: Any) -> Any:
        given: dict[str, Any] = {**dict(zip(marks, args, strict=False)), **options}
        if len(args) > len(marks) or any(mark and key not in given for key, mark in marks.items()):
            raise TypeError(f"the arguments are {', '.join(marks)}")
        together = {key: given[key] for key, mark in marks.items() if mark == "*"}
        ready = dict(zip(together, alike(together.values()), strict=True))
        for key, mark in marks.items():
            if mark in ("**", "+"):
                ready[key] = alike(given[key]) if mark == "**" else convert(given[key])
        others = [(key, value) for key, value in given.items() if key not in ready and value is not None]
        named = dict(_understood(_OURS.get(key, key), value) for key, value in others)
        return call(function, *(ready[key] for key in marks if key in ready), name=name, **named)

    return lifted


def _understood(key: str, value: Any) -> tuple[str, Any]:
    """An argument that is no tensor."""
    if key in _SHAPES:
        return _SHAPES[key], sizes(value)
    if key == "dtype":
        return key, as_dtype(value)
    return key, tuple(value) if key in ("axis", "axes") and isinstance(value, list) else value


def sizes(shape: Any) -> Any:
    """A shape of sizes, of which some may be tensors that ``shape`` gave."""
    if isinstance(shape, Tensor) and shape.sizes is None:
        fail(f"{shape!r} is no size that is known when the graph is built", "tf.shape(x)[0]")
    if isinstance(shape, (list, tuple, np.ndarray)):
        return tuple(map(sizes, shape))
    return shape.sizes if isinstance(shape, Tensor) else shape if isinstance(shape, Dim) else int(shape)


# -- sources --------------------------------------------------------------------------------------------------------
def placeholder(dtype: Any, shape: Any = (), name: str = "Placeholder") -> Tensor:
    """A tensor that is fed; None in the shape is a size that may change.  Without a shape it is a scalar."""
    full = get_default_graph().enter(name)
    made = Tensor(ops.parameter(full, types.of(as_dtype(dtype), types.as_shape(() if shape is None else shape))))
    made._name, made.graph.elements[full] = full, made
    return made


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Tensor:
    """A fixed array; Python's numbers are float32 or int32.  Equal constants are still different tensors."""
    array = array_of(value, dtype)
    array = array if shape is None else np.broadcast_to(array, shape) if array.ndim == 0 else array.reshape(shape)
    return placeholder_with_default(ops.constant(array), name=name)


def placeholder_with_default(input: Any, shape: Any = None, name: str = "PlaceholderWithDefault") -> Tensor:
    """A tensor that may be fed, and has a value otherwise."""
    made: Tensor = call(own, convert(input), name=name)
    return made


def shape(input: Any, name: Any = None, out_type: Any = "int32") -> Tensor:
    """The sizes of the axes, which may be used as sizes."""
    found = convert(input).node.shape
    made = call(lambda: ops.cast(ops.array([ops.dim_value(one) for one in found]), as_dtype(out_type)), name=name)
    made.sizes = found
    return made


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """Numbers at equal distances."""
    first, last = (0, start) if limit is None else (start, limit)
    if isinstance(first, Tensor) or isinstance(last, Tensor):
        return call(lambda: ops.cast(ops.arange(sizes(first), sizes(last), delta), as_dtype(dtype, "int32")), name=name)
    return constant(np.arange(first, last, delta).tolist(), dtype, name=name)


# -- what differs in more than its spelling -------------------------------------------------------------------------
def _tying(name: str, function: Function, first: Function) -> Function:
    """Maximum or minimum whose gradient goes to the first operand in case of a tie, unless the user overrides it."""

    @register_gradient(f"tf1/{name}")
    def rule(node: Node, head: Any) -> list[Any]:
        mask = first(*node.inputs)
        return [ops.where(mask, head, 0), ops.where(mask, 0, head)]

    def build(x: Any, y: Any) -> Any:
        here = current.get().identity
        chosen = dict(here.overrides).get(name) if here else None
        with gradient_override_map({name: chosen or f"tf1/{name}"}):
            return function(x, y)

    return lift(build, "*x *y")


def _kept(function: Function) -> Function:
    """Of integers an integer of the same size."""
    return lambda x, **how: ops.cast(function(x, **how), x.dtype)


def _position(function: Function) -> Function:
    return lambda x, axis=0, dtype=types.INT64: ops.cast(function(x, axis=axis), dtype)


def _where(condition: Any, x: Any, y: Any) -> Any:
    """A vector for a condition chooses rows."""
    rows = condition.ndim == 1 and x.ndim > 1
    return ops.where(ops.reshape(condition, (-1, *(1,) * (x.ndim - 1))) if rows else condition, x, y)


def _one_hot(
    indices: Any, depth: int, on_value: Any = None, off_value: Any = 0, axis: int = -1, dtype: Any = None
) -> Any:
    kind = as_dtype(dtype, "float32" if on_value is None else array_of(on_value).dtype)
    on, off = ops.number(1 if on_value is None else on_value, kind), ops.number(off_value, kind)
    return np.moveaxis(ops.where(ops.one_hot(indices, int(depth), types.BOOL), on, off), -1, axis)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return ops.matmul(np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b)


def _histogram(values: Any, value_range: Any, nbins: int = 100, dtype: Any = types.INT32) -> Any:
    return ops.cast(optim.histogram(values, nbins, (float(value_range[0]), float(value_range[1]))), dtype)


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    parts = num_or_size_splits
    return np.split(value, parts if isinstance(parts, int) else np.cumsum(parts)[:-1].tolist(), axis)


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", **options: Any) -> Any:
    return np.pad(tensor, paddings, mode.lower(), **options)  # type: ignore[call-overload]


def _spelled(signature: str, names: str, of: Callable[[Function], Function] = lambda one: one) -> dict[str, Function]:
    """Functions by TensorFlow's name, for those with another one here ``theirs=ours``."""
    return {theirs: lift(of(getattr(ops, ours)), signature) for theirs, ours in pairs(names).items()}


FUNCTIONS: dict[str, Function] = {
    **_spelled(
        "*x", "negative neg=negative sign abs=absolute square sqrt reciprocal exp expm1 log log1p sigmoid=expit"
    ),
    **_spelled("*x", "tanh sin cos tan asin=arcsin acos=arccos atan=arctan sinh cosh erf erfc lgamma=gammaln digamma"),
    **_spelled("*x", "floor ceil round=rint is_nan=isnan is_inf=isinf is_finite=isfinite logical_not"),
    **_spelled("*x *y", "add subtract sub=subtract multiply mul=multiply divide truediv=divide floordiv=floor_divide"),
    **_spelled("*x *y", "mod=remainder pow=power atan2=arctan2 equal not_equal less less_equal greater greater_equal"),
    **_spelled("*x *y", "logical_and logical_or logical_xor"),
    **_spelled("*input", "identity stop_gradient"),
    **_spelled("*input axis", "expand_dims squeeze"),
    **_spelled("*input_tensor axis keepdims", "reduce_all=all reduce_any=any reduce_sum=sum reduce_mean=mean", _kept),
    **_spelled("*input_tensor axis keepdims", "reduce_prod=prod reduce_max=max reduce_min=min", _kept),
    **_spelled("*input_tensor axis keepdims", "reduce_logsumexp=logsumexp", _kept),
    **_spelled("*x axis", "cumsum cumprod", lambda function: lambda x, axis=0: ops.cast(function(x, axis), x.dtype)),
    **_spelled("*input axis", "argmax argmin", _position),
    **_spelled("*a perm", "transpose"),
    **_spelled("*a *b axes", "tensordot"),
    **_spelled("**values axis", "concat=concatenate stack"),
    **_spelled("shape dtype", "zeros ones", lambda function: lambda shape, dtype=types.FLOAT32: function(shape, dtype)),
    **_spelled("*tensor shape", "reshape"),
    **_spelled("dims *value", "fill=broadcast_to"),
    **_spelled("+x dtype", "cast"),
    "maximum": _tying("maximum", ops.maximum, ops.greater_equal),
    "minimum": _tying("minimum", ops.minimum, ops.less_equal),
    "div": lift(lambda x, y: (ops.divide if types.is_float(x.dtype) else ops.floor_divide)(x, y), "*x *y"),
    "squared_difference": lift(lambda x, y: ops.square(ops.subtract(x, y)), "*x *y"),
    "rsqrt": lift(lambda x: ops.divide(1, ops.sqrt(x)), "*x"),
    "to_float": lift(lambda x: ops.cast(x, types.FLOAT32), "*x"),
    "zeros_like": lift(lambda x, dtype=None: ops.full(x.shape, 0, dtype or x.dtype), "*tensor dtype"),
    "ones_like": lift(lambda x, dtype=None: ops.full(x.shape, 1, dtype or x.dtype), "*tensor dtype"),
    "size": lift(lambda x: ops.cast(ops.dim_value(x.type.size), types.INT32), "*input"),
    "rank": lift(lambda x: ops.number(x.ndim, types.INT32), "*input"),
    "where": lambda condition, x, y, name=None: call(_where, convert(condition), *alike([x, y]), name=name),
    "gather": lift(lambda x, indices, axis=0: np.take(x, indices, axis=axis), "+params +indices axis"),
    "one_hot": lift(_one_hot, "+indices depth on_value off_value axis dtype"),
    "matmul": lift(_matmul, "*a *b transpose_a transpose_b"),
    "tile": lift(lambda x, multiples: np.tile(x, multiples), "*input multiples"),
    "pad": lift(_pad, "*tensor paddings mode constant_values"),
    "split": lift(_split, "*value num_or_size_splits axis"),
    "unstack": lift(lambda x, num=None, axis=0: list(np.moveaxis(x, axis, 0)), "*value num axis"),
    "add_n": lift(lambda inputs: ops.sum(ops.stack(inputs), axis=0), "**inputs"),
    "einsum": lambda equation, *inputs, name=None: call(ops.einsum, equation, *alike(inputs), name=name),
    "norm": lift(np.linalg.norm, "*tensor ord axis keepdims"),
    "eye": lambda num_rows, num_columns=None, **how: constant(
        np.eye(num_rows, num_columns), **{"dtype": "float32", **how}
    ),
    "linspace": lambda start, stop, num, name="LinSpace": constant(np.linspace(start, stop, num), "float32", name=name),
    "clip_by_norm": lift(optim.clip_by_norm, "*t clip_norm axes"),
    "clip_by_average_norm": lift(optim.clip_by_average_norm, "*t clip_norm"),
    "clip_by_global_norm": lambda t_list, clip_norm, use_norm=None, name=None: call(
        optim.clip_by_global_norm, t_list, clip_norm, use_norm, name=name
    ),
    "global_norm": lambda t_list, name=None: call(optim.global_norm, t_list, name=name),
    "histogram_fixed_width": lift(_histogram, "*values value_range nbins dtype"),
    **{one.__name__: one for one in (placeholder, constant, placeholder_with_default, shape, range)},
}


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: Any = None) -> Any:
    """Every element moved into an interval."""
    return FUNCTIONS["maximum"](FUNCTIONS["minimum"](t, clip_value_max), clip_value_min, name=name)


# -- derivatives ----------------------------------------------------------------------------------------------------
class UnconnectedGradients:
    """What ``gradients`` gives for an input that no derivative reaches."""

    NONE, ZERO = "none", "zero"


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _differentiated(function: Function) -> Any:
    """A function that makes derivatives of nodes, as one that makes TensorFlow's of tensors."""

    @wraps(function)
    def on_tensors(*args: Any, **options: Any) -> Any:
        with config.use(kink="zero"):
            return call(function, *args, **options)

    return on_tensors


def gradients(
    ys: Any, xs: Any, grad_ys: Any = None, name: Any = None, *, stop_gradients: Any = (), **options: Any
) -> list[Any]:
    """Derivatives of the sum of all elements of ``ys``, one for each of ``xs``: None, or with ``unconnected_gradients="zero"``
    zeros, where no derivative reaches it."""
    sources, stops = (
        [convert(one).node for one in _listed(given)]
        for given in (xs, () if stop_gradients is None else stop_gradients)
    )
    targets, heads = list(map(convert, _listed(ys))), None if grad_ys is None else _listed(grad_ys)
    unconnected = options.get("unconnected_gradients", "none")
    return list(_differentiated(differentiation.gradients)(targets, sources, heads, stops, unconnected))


def hessians(ys: Any, xs: Any) -> list[Tensor]:
    """Second derivatives of a scalar."""
    return [_differentiated(differentiation.hessian)(convert(ys), convert(x)) for x in _listed(xs)]


class GradientTape(Tape):
    """``sg.GradientTape`` on tensors."""

    watch, gradient, jacobian = (_differentiated(one) for one in (Tape.watch, Tape.gradient, Tape.jacobian))


def py_func(func: Function, inp: Any, Tout: Any, stateful: bool = True, name: Any = None, shapes: Any = None) -> Any:
    """A Python function on arrays.

    ``Tout`` is an element type, or a list of them for a list of results.  Shapes have to be known here: without
    ``shapes``, a shape or one for each result, all are that of the first input.
    """
    inputs, many, kinds = (
        list(map(convert, inp)),
        isinstance(Tout, (list, tuple)),
        [as_dtype(one) for one in _listed(Tout)],
    )
    declared = [inputs[0].node.shape] * len(kinds) if shapes is None else sizes(shapes if many else [shapes])

    def run(*arrays: Any) -> Any:
        return tuple(np.asarray(one, kind) for one, kind in zip(_listed(func(*arrays)), kinds, strict=True))

    made = call(callback, run, inputs, list(zip(declared, kinds, strict=True)), stateful=stateful)
    return list(made) if many else made[0]
