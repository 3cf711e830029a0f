"""Functions of the TensorFlow 1 spelling.  In: tensors, arrays, numbers.  Out: tensors.

A number or array beside a tensor takes the tensor's element type.  At kinks derivatives are TensorFlow's: where two
operands tie, ``maximum`` and ``minimum`` give the whole gradient to the first.  Random numbers are NumPy's, drawn on the
host anew at each run; with equal seeds they repeat, but they are not TensorFlow's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import numpy as np

import symgrad as sg
from symgrad import ops, optim, random, types
from symgrad.compat.tf1.graph import Tensor, alike, array_of, as_dtype, call, convert, fail, get_default_graph, own
from symgrad.provenance import current

Function = Callable[..., Any]
_Tape = sg.GradientTape


def pairs(text: str) -> dict[str, str]:
    """Our names by TensorFlow's: ``"theirs=ours both"``."""
    return {one.partition("=")[0]: one.rpartition("=")[2] for one in text.split()}


_OURS = {
    **pairs("reduction_indices=axis dimension=axis dim=axis keep_dims=keepdims perm=axes output_type=dtype"),
    **pairs("num_or_size_splits=parts multiples=reps num_rows=rows num_columns=columns"),
    **pairs("mean=loc stddev=scale minval=low maxval=high"),
}


def lift(function: Function, signature: str) -> Function:
    """A function of nodes as one of tensors, with TensorFlow's names of its arguments.

    ``signature`` has them in order: ``*x`` are tensors of one element type, ``**x`` is a list of such, ``+x`` is a tensor of
    any type, ``=x`` is a shape, ``-x`` is a list as it is; these are passed by position.  The others are passed by our names
    of them, except those that are None.
    """
    marks = {name: mark for mark, name in re.findall(r"([*+=-]*)(\w+)", signature)}
    readers: dict[str, Function] = {"**": alike, "+": convert, "=": sizes, "-": list}

    @wraps(function)
    def lifted(*args: Any, name: str | None = None, **options: Any) -> Any:
        given: dict[str, Any] = {**dict(zip(marks, args, strict=False)), **options}
        if len(args) > len(marks) or any(mark and key not in given for key, mark in marks.items()):
            raise TypeError(f"the arguments are {', '.join(marks)}")
        together = {key: given[key] for key, mark in marks.items() if mark == "*"}
        ready = dict(zip(together, alike(together.values()), strict=True))
        for key, mark in marks.items():
            if mark in readers:
                ready[key] = readers[mark](given[key])
        others = {_OURS.get(key, key): value for key, value in given.items() if key not in ready and value is not None}
        named = {key: _understood(key, value) for key, value in others.items()}
        return call(function, *(ready[key] for key in marks if key in ready), name=name, **named)

    return lifted


def _understood(key: str, value: Any) -> Any:
    """An argument that is no tensor."""
    if key == "dtype":
        return as_dtype(value)
    return tuple(value) if key in ("axis", "axes") and isinstance(value, list) else value


def sizes(shape: Any) -> Any:
    """A shape of sizes, of which some may be tensors that ``shape`` gave."""
    if isinstance(shape, Tensor) and shape.sizes is None:
        fail(f"{shape!r} is no size that is known when the graph is built", "tf.shape(x)[0]")
    if isinstance(shape, (list, tuple, np.ndarray)):
        return tuple(map(sizes, shape))
    return shape.sizes if isinstance(shape, Tensor) else shape if isinstance(shape, sg.Dim) else int(shape)


# -- sources --------------------------------------------------------------------------------------------------------
def placeholder(dtype: Any, shape: Any = (), name: str = "Placeholder") -> Tensor:
    """A tensor that is fed; None in the shape is a size that may change.  Without a shape it is a scalar."""
    full = get_default_graph().enter(name)
    made = Tensor(ops.parameter(full, types.of(as_dtype(dtype), types.as_shape(() if shape is None else shape))))
    made._name, made.graph.elements[full] = full, made
    return made


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Any:
    """A fixed array; Python's numbers are float32 or int32.  Equal constants are still different tensors."""
    array = array_of(value, dtype)
    array = array if shape is None else np.broadcast_to(array, shape) if array.ndim == 0 else array.reshape(shape)
    return placeholder_with_default(ops.constant(array), name=name)


def placeholder_with_default(input: Any, shape: Any = None, name: str = "PlaceholderWithDefault") -> Any:
    """A tensor that may be fed, and has a value otherwise."""
    return call(own, convert(input), name=name)


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

    @sg.register_gradient(f"tf1/{name}")
    def rule(node: Any, head: Any) -> list[Any]:
        mask = first(*node.inputs)
        return [ops.where(mask, head, 0), ops.where(mask, 0, head)]

    def build(x: Any, y: Any) -> Any:
        here = current.get().identity
        chosen = dict(here.overrides).get(name) if here else None
        with sg.gradient_override_map({name: chosen or f"tf1/{name}"}):
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


def _one_hot(x: Any, depth: int, on_value: Any = 1.0, off_value: Any = 0, axis: int = -1, dtype: Any = None) -> Any:
    kind = array_of(on_value).dtype if dtype is None else dtype
    chosen = np.moveaxis(ops.one_hot(x, int(depth), types.BOOL), -1, axis)
    return ops.where(chosen, ops.number(on_value, kind), ops.number(off_value, kind))


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return ops.matmul(np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b)


def _histogram(values: Any, value_range: Any, nbins: int = 100, dtype: Any = types.INT32) -> Any:
    return ops.cast(optim.histogram(values, nbins, (float(value_range[0]), float(value_range[1]))), dtype)


def _split(value: Any, parts: Any, axis: int = 0) -> Any:
    return np.split(value, parts if isinstance(parts, int) else np.cumsum(parts)[:-1].tolist(), axis)


def _pad(tensor: Any, paddings: Any, mode: Any = "CONSTANT", **options: Any) -> Any:
    return np.pad(tensor, paddings, mode.lower(), **options)


def _float32(function: Function) -> Function:
    return partial(function, dtype=types.FLOAT32)


def _drawn(draw: Function) -> Function:
    """Random numbers, for which the seed of the graph counts, too."""
    return lambda *given, seed=None, **how: _float32(draw)(*given, seed=get_default_graph().seed_of(seed), **how)


def spelled(signature: str, names: str, home: Any = ops, of: Function = lambda one: one) -> dict[str, Function]:
    """Functions of a module by TensorFlow's name, for those with another one here ``theirs=ours``."""
    return {theirs: lift(of(getattr(home, ours)), signature) for theirs, ours in pairs(names).items()}


FUNCTIONS: dict[str, Function] = {
    **spelled("*x", "negative sign abs=absolute square sqrt reciprocal exp expm1 log log1p sigmoid=expit"),
    **spelled("*x", "tanh sin cos tan asin=arcsin acos=arccos atan=arctan sinh cosh erf erfc lgamma=gammaln digamma"),
    **spelled("*x", "floor ceil round=rint is_nan=isnan is_inf=isinf is_finite=isfinite logical_not"),
    **spelled("*x *y", "add subtract multiply divide truediv=divide floordiv=floor_divide logical_and logical_or"),
    **spelled("*x *y", "mod=remainder pow=power atan2=arctan2 equal not_equal less less_equal greater greater_equal"),
    **spelled("*input", "identity stop_gradient"),
    **spelled("*input axis", "expand_dims squeeze"),
    **spelled("*input axis", "argmax argmin", of=_position),
    **spelled("*input_tensor axis keepdims", "reduce_all=all reduce_any=any reduce_sum=sum reduce_mean=mean", of=_kept),
    **spelled("*input_tensor axis keepdims", "reduce_prod=prod reduce_max=max reduce_min=min", of=_kept),
    **spelled("*a perm", "transpose"),
    **spelled("**values axis", "concat=concatenate stack"),
    **spelled("=shape dtype", "zeros ones", of=_float32),
    **spelled("*tensor =shape", "reshape"),
    "fill": lift(lambda dims, value: ops.broadcast_to(value, dims), "=dims *value"),
    **spelled("+x dtype", "cast"),
    **spelled("*tensor dtype", "zeros_like ones_like", np),
    **spelled("*t clip_norm axes", "clip_by_norm clip_by_average_norm", optim),
    **spelled("t_list clip_norm use_norm", "clip_by_global_norm global_norm", optim),
    "maximum": _tying("maximum", ops.maximum, ops.greater_equal),
    "minimum": _tying("minimum", ops.minimum, ops.less_equal),
    "div": lift(lambda x, y: (ops.divide if types.is_float(x.dtype) else ops.floor_divide)(x, y), "*x *y"),
    "squared_difference": lift(lambda x, y: ops.square(ops.subtract(x, y)), "*x *y"),
    "rsqrt": lift(lambda x: ops.divide(1, ops.sqrt(x)), "*x"),
    "where": lift(_where, "+condition *x *y"),
    "gather": lift(partial(np.take, axis=0), "+params +indices axis"),
    "one_hot": lift(_one_hot, "+indices depth on_value off_value axis dtype"),
    "matmul": lift(_matmul, "*a *b transpose_a transpose_b"),
    "tile": lift(np.tile, "*input multiples"),
    "pad": lift(_pad, "*tensor paddings mode constant_values"),
    "split": lift(_split, "*value num_or_size_splits axis"),
    "unstack": lift(lambda x, num=None, axis=0: list(np.moveaxis(x, axis, 0)), "*value num axis"),
    "add_n": lift(lambda inputs: ops.sum(ops.stack(inputs), axis=0), "**inputs"),
    "norm": lift(np.linalg.norm, "*tensor ord axis keepdims"),
    "eye": lift(_float32(ops.eye), "num_rows num_columns dtype"),
    "linspace": lambda start, stop, num, name="LinSpace": constant(np.linspace(start, stop, num), "float32", name=name),
    "histogram_fixed_width": lift(_histogram, "*values value_range nbins dtype"),
    **spelled("=shape mean stddev dtype seed", "random_normal=normal truncated_normal", random, _drawn),
    **spelled("=shape minval maxval dtype seed", "random_uniform=uniform", random, _drawn),
    **{one.__name__: one for one in (placeholder, constant, placeholder_with_default, shape, range)},
}


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: Any = None) -> Any:
    """Every element moved into an interval."""
    return FUNCTIONS["maximum"](FUNCTIONS["minimum"](t, clip_value_max), clip_value_min, name=name)


# -- initial values: functions of a shape and an element type -------------------------------------------------------
def set_random_seed(seed: int) -> None:
    """Let the random numbers of the default graph repeat."""
    get_default_graph().seed = seed


def constant_initializer(value: Any = 0) -> Function:
    """Variables that begin with a value."""
    return lambda shape, dtype="float32": np.broadcast_to(array_of(value, dtype), tuple(shape))


def _initializer(draw: Function) -> Function:
    return lambda *how, **named: lambda shape, dtype="float32": draw(shape, *how, **{"dtype": dtype, **named})


zeros_initializer, ones_initializer = partial(constant_initializer, 0), partial(constant_initializer, 1)
for _name in ("random_normal", "truncated_normal", "random_uniform"):
    FUNCTIONS[f"{_name}_initializer"] = _initializer(FUNCTIONS[_name])


def glorot_uniform_initializer(seed: Any = None) -> Function:
    """Uniform within √(6 / (inputs + outputs)) (Glorot and Bengio, AISTATS 2010): what ``get_variable`` takes by default."""

    def draw(shape: Any, dtype: Any = "float32") -> Any:
        inputs, outputs = (shape[-2] if len(shape) > 1 else shape[0], shape[-1]) if len(shape) else (1, 1)
        limit = float(np.sqrt(6 / ((inputs + outputs) * np.prod(shape[:-2]))))
        return FUNCTIONS["random_uniform"](shape, -limit, limit, dtype, seed)

    return draw


# -- derivatives ----------------------------------------------------------------------------------------------------
class UnconnectedGradients:
    """What ``gradients`` gives for an input that no derivative reaches."""

    NONE, ZERO = "none", "zero"


def _listed(values: Any) -> list[Any]:
    return [] if values is None else list(values) if isinstance(values, (list, tuple)) else [values]


def _differentiated(function: Any) -> Any:
    """A function that makes derivatives of nodes, as one that makes TensorFlow's of tensors."""
    return sg.config.use(kink="zero")(partial(call, function))


def _nodes(values: Any) -> list[Any]:
    return [convert(one).node for one in _listed(values)]


def gradients(ys: Any, xs: Any, grad_ys: Any = None, name: Any = None, **options: Any) -> list[Any]:
    """Derivatives of the sum of all elements of ``ys``, one for each of ``xs``: None, or with ``unconnected_gradients="zero"``
    zeros, where no derivative reaches it.  It passes through none of ``stop_gradients``."""
    targets, heads = list(map(convert, _listed(ys))), None if grad_ys is None else _listed(grad_ys)
    stops, unconnected = _nodes(options.get("stop_gradients")), options.get("unconnected_gradients", "none")
    return list(_differentiated(sg.gradients)(targets, _nodes(xs), heads, stops, unconnected))


def hessians(ys: Any, xs: Any) -> list[Tensor]:
    """Second derivatives of a scalar."""
    return [_differentiated(sg.hessian)(convert(ys), convert(x)) for x in _listed(xs)]


class GradientTape(_Tape):
    """``sg.GradientTape`` on tensors."""

    watch, gradient, jacobian = map(_differentiated, (_Tape.watch, _Tape.gradient, _Tape.jacobian))


def py_func(func: Function, inp: Any, Tout: Any, stateful: bool = True, name: Any = None, shapes: Any = None) -> Any:
    """A Python function on arrays.

    ``Tout`` is an element type, or a list of them for a list of results.  Shapes have to be known here: without
    ``shapes``, a shape or one for each result, all are that of the first input.
    """
    inputs, many, kinds = list(map(convert, inp)), isinstance(Tout, (list, tuple)), list(map(as_dtype, _listed(Tout)))
    declared = [inputs[0].node.shape] * len(kinds) if shapes is None else sizes(shapes if many else [shapes])

    def run(*arrays: Any) -> Any:
        return tuple(np.asarray(one, kind) for one, kind in zip(_listed(func(*arrays)), kinds, strict=True))

    made = call(sg.callback, run, inputs, list(zip(declared, kinds, strict=True)), stateful=stateful)
    return list(made) if many else made[0]
