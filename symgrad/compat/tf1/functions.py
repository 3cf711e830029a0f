"""Functions of the TensorFlow 1 spelling.  In: tensors, arrays, numbers.  Out: tensors.

A number or array beside a tensor takes the tensor's element type.  At kinks derivatives are TensorFlow's: where two
operands tie, ``maximum`` and ``minimum`` give the whole gradient to the first.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from symgrad import ops, optim, types
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.graph import Tensor, array_of, as_dtype, call, convert, get_default_graph, unwrap
from symgrad.config import config
from symgrad.containers import tree_map
from symgrad.diff import gradients as differentiation
from symgrad.diff.callback import callback
from symgrad.diff.rules import gradient_override_map, register_gradient
from symgrad.dims import Dim
from symgrad.errors import SymgradError
from symgrad.node import Node
from symgrad.provenance import current, name_scope
from symgrad.tape import GradientTape as Tape

Function = Callable[..., Any]
_numbers = itertools.count()


def lift(function: Function, count: int = 1) -> Function:
    """A function of nodes as one of tensors: its first ``count`` arguments are converted, alike in element type."""
    names = list(inspect.signature(function).parameters)[:count]

    @wraps(function)
    def lifted(*args: Any, name: str | None = None, **options: Any) -> Any:
        named = [one for one in names if one in options]
        ready = alike([*args[:count], *(options[one] for one in named)])
        options.update(zip(named, ready[len(ready) - len(named) :], strict=True))
        return call(function, *ready[: len(ready) - len(named)], *args[count:], name=name, **options)

    return lifted


def alike(values: list[Any]) -> list[Any]:
    """Operands as tensors; what is no tensor takes the element type of the first that is, or else that of a float."""
    ready = [convert(one) if ops.is_symbolic(unwrap(one)) else one for one in values]
    kinds = [one.dtype for one in ready if isinstance(one, Tensor)]
    others = [array_of(one).dtype for one in ready if not (kinds or one is None)]
    dtype = next((one for one in (*kinds, *others) if kinds or types.is_float(one)), None)
    return [one if one is None or isinstance(one, Tensor) else _taking(one, dtype) for one in ready]


def _taking(value: Any, dtype: Any) -> Tensor:
    array = array_of(value, dtype)
    return Tensor(ops.constant(array) if array.ndim else ops.number(array.item(), types.as_dtype(array.dtype)))


# -- sources --------------------------------------------------------------------------------------------------------
def placeholder(dtype: Any, shape: Any = (), name: str = "Placeholder") -> Tensor:
    """A tensor that is fed; None in the shape is a size that may change.  Without a shape it is a scalar."""
    own = f"{graphs._scope.get()[0]}{name}"
    own = f"{own}_{next(_numbers)}" if own in get_default_graph().elements else own
    return Tensor(ops.symbol(own, () if shape is None else shape, as_dtype(dtype)), name=name)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Tensor:
    """A fixed array; Python's numbers are float32 or int32.  Equal constants are still different tensors."""
    array = array_of(value, dtype)
    array = array if shape is None else np.broadcast_to(array, shape) if array.ndim == 0 else array.reshape(shape)
    return placeholder_with_default(ops.constant(array), name=name)


def placeholder_with_default(input: Any, shape: Any = None, name: str = "PlaceholderWithDefault") -> Tensor:
    """A tensor that may be fed, and has a value otherwise."""
    with name_scope(f"default{next(_numbers)}"):
        made: Tensor = call(ops.identity, convert(input), name=name)
    return made


def sizes(shape: Any) -> Any:
    """A shape of sizes, of which some may be tensors that ``shape`` gave."""
    if isinstance(shape, Tensor) and shape.sizes is None:
        raise SymgradError(f"{shape!r} is no size that is known when the graph is built", hint="tf.shape(x)[0]")
    if isinstance(shape, Tensor):
        return shape.sizes
    if isinstance(shape, (list, tuple, np.ndarray)):
        return tuple(map(sizes, shape))
    return shape if isinstance(shape, Dim) else int(shape)


def shape(input: Any, name: Any = None, out_type: Any = "int32") -> Tensor:
    """The sizes of the axes, which may be used as sizes."""
    own = convert(input).node.shape
    made = call(lambda: ops.cast(ops.array([ops.dim_value(one) for one in own]), as_dtype(out_type)), name=name)
    made.sizes = own
    return made


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """Numbers at equal distances."""
    first, last = (0, start) if limit is None else (start, limit)
    if isinstance(first, Tensor) or isinstance(last, Tensor):
        return call(lambda: ops.cast(ops.arange(sizes(first), sizes(last), delta), as_dtype(dtype, "int32")), name=name)
    return constant(np.arange(first, last, delta).tolist(), dtype, name=name)


# -- elementwise ----------------------------------------------------------------------------------------------------
def _tying(name: str) -> Function:
    """Maximum or minimum whose gradient goes to the first operand in case of a tie, unless the user overrides it."""
    function, first = (ops.maximum, ops.greater_equal) if name == "maximum" else (ops.minimum, ops.less_equal)

    @register_gradient(f"tf1/{name}")
    def rule(node: Node, head: Any) -> list[Any]:
        mask = first(*node.inputs)
        return [ops.where(mask, head, 0), ops.where(mask, 0, head)]

    def build(x: Any, y: Any) -> Any:
        here = current.get().identity
        if here is not None and name in dict(here.overrides):
            return function(x, y)
        together = [ops.broadcast_to(one, ops.broadcast_shapes([x.shape, y.shape], name)) for one in (x, y)]
        with gradient_override_map({name: f"tf1/{name}"}):
            return function(*together)

    return build


def _where(condition: Any, x: Any, y: Any) -> Any:
    missing = x.ndim - condition.ndim if condition.ndim == 1 else 0
    axes = tuple(int(k) + 1 for k in np.arange(missing))
    return ops.where(ops.expand_dims(condition, axes) if missing else condition, x, y)


def _one_hot(
    indices: Any, depth: int, on_value: Any = None, off_value: Any = None, axis: int = -1, dtype: Any = None
) -> Any:
    kind = as_dtype(dtype, "float32" if on_value is None else array_of(on_value).dtype)
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    made = ops.where(ops.one_hot(indices, int(depth), types.BOOL), ops.number(on, kind), ops.number(off, kind))
    return np.moveaxis(made, -1, axis)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    return ops.matmul(np.swapaxes(a, -1, -2) if transpose_a else a, np.swapaxes(b, -1, -2) if transpose_b else b)


def _reduction(function: Function) -> Function:
    """Over all axes by default; of integers an integer."""

    def reduce(
        x: Any, axis: Any = None, keepdims: Any = None, reduction_indices: Any = None, keep_dims: Any = None
    ) -> Any:
        over = reduction_indices if axis is None else axis
        over = tuple(over) if isinstance(over, (list, tuple)) else over
        return ops.cast(function(x, axis=over, keepdims=bool(keepdims or keep_dims)), x.dtype)

    return lift(reduce)


def _position(function: Function) -> Function:
    def find(input: Any, axis: Any = None, dimension: Any = None, output_type: Any = "int64") -> Any:
        over = axis if axis is not None else dimension if dimension is not None else 0
        return ops.cast(function(input, axis=over), as_dtype(output_type))

    return lift(find)


def _histogram(values: Any, value_range: Any, nbins: int = 100, dtype: Any = "int32") -> Any:
    return ops.cast(optim.histogram(values, nbins, (float(value_range[0]), float(value_range[1]))), as_dtype(dtype))


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    how: dict[str, Any] = {"constant_values": constant_values} if mode.lower() == "constant" else {}
    return np.pad(tensor, paddings, mode.lower(), **how)  # type: ignore[call-overload]


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    given = num_or_size_splits
    return np.split(value, given if isinstance(given, int) else [int(k) for k in np.cumsum(given)[:-1]], axis)


def _like(number: int) -> Function:
    return lambda tensor, dtype=None: ops.full(tensor.shape, number, as_dtype(dtype, tensor.dtype))


def _parts(values: Any) -> list[Tensor]:
    return [convert(one) for one in values]


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: Any = None) -> Any:
    """Every element moved into an interval."""
    return FUNCTIONS["maximum"](FUNCTIONS["minimum"](t, clip_value_max), clip_value_min, name=name)


def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: Any = None
) -> tuple[list[Any], Tensor]:
    """``sg.clip_by_global_norm``."""

    def build(*given: Any) -> list[Any]:
        clipped, norm = optim.clip_by_global_norm(*given)
        return [*clipped, norm]

    *clipped, norm = call(build, t_list, clip_norm, use_norm)
    return clipped, norm


def _called(names: str, of: Callable[[Function], Function]) -> dict[str, Function]:
    """Functions of operations by TensorFlow's name, for those with another one here ``theirs=ours``."""
    return {one.partition("=")[0]: of(getattr(ops, one.rpartition("=")[2])) for one in names.split()}


def _one(function: Function) -> Function:
    return lambda x: function(x)


def _two(function: Function) -> Function:
    return lambda x, y: function(x, y)


_UNARY: dict[str, Function] = {
    **_called(
        "negative neg=negative sign abs=absolute square sqrt reciprocal exp expm1 log log1p sigmoid=expit tanh", _one
    ),
    **_called(
        "sin cos tan asin=arcsin acos=arccos atan=arctan sinh cosh erf erfc lgamma=gammaln digamma floor ceil", _one
    ),
    **_called("round=rint is_nan=isnan is_inf=isinf is_finite=isfinite logical_not identity stop_gradient", _one),
    "rsqrt": lambda x: ops.divide(1, ops.sqrt(x)),
    "cast": lambda x, dtype: ops.cast(x, as_dtype(dtype)),
    "to_float": lambda x: ops.cast(x, types.FLOAT32),
    "zeros_like": _like(0),
    "ones_like": _like(1),
    "one_hot": _one_hot,
    "pad": _pad,
    "split": _split,
    "unstack": lambda value, num=None, axis=0: list(np.moveaxis(value, axis, 0)),
    "transpose": lambda a, perm=None: ops.transpose(a, perm),
    "expand_dims": lambda x, axis=None, dim=None: ops.expand_dims(x, dim if axis is None else axis),
    "squeeze": lambda x, axis=None: ops.squeeze(x, tuple(axis) if isinstance(axis, list) else axis),
    "tile": lambda x, multiples: np.tile(x, multiples),
    "cumsum": lambda x, axis=0: ops.cast(ops.cumsum(x, axis), x.dtype),
    "cumprod": lambda x, axis=0: ops.cast(ops.cumprod(x, axis), x.dtype),
    "clip_by_norm": lambda t, clip_norm, axes=None: optim.clip_by_norm(t, clip_norm, axes),
    "clip_by_average_norm": lambda t, clip_norm: optim.clip_by_average_norm(t, clip_norm),
    "histogram_fixed_width": _histogram,
    "size": lambda x: ops.cast(ops.dim_value(x.type.size), types.INT32),
    "rank": lambda x: ops.number(x.ndim, types.INT32),
}
_BINARY: dict[str, Function] = {
    **_called("add subtract sub=subtract multiply mul=multiply divide truediv=divide floordiv=floor_divide", _two),
    **_called("mod=remainder pow=power atan2=arctan2 equal not_equal less less_equal greater greater_equal", _two),
    **_called("logical_and logical_or logical_xor", _two),
    "div": lambda x, y: (ops.divide if types.is_float(x.dtype) else ops.floor_divide)(x, y),
    "matmul": _matmul,
    "maximum": _tying("maximum"),
    "minimum": _tying("minimum"),
    "squared_difference": lambda x, y: ops.square(ops.subtract(x, y)),
    "tensordot": lambda a, b, axes: ops.tensordot(a, b, axes),
}
_FREE: dict[str, Function] = {
    "eye": lambda num_rows, num_columns=None, dtype="float32": ops.eye(num_rows, num_columns, dtype=as_dtype(dtype)),
    "linspace": lambda start, stop, num: ops.constant(np.linspace(start, stop, num), types.FLOAT32),
    "concat": lambda values, axis: ops.concatenate(unwrap(_parts(values)), axis),
    "stack": lambda values, axis=0: ops.stack(unwrap(_parts(values)), axis),
    "add_n": lambda inputs: ops.sum(ops.stack(unwrap(_parts(inputs))), axis=0),
    "einsum": lambda equation, *inputs: ops.einsum(equation, *unwrap(_parts(inputs))),
    "global_norm": lambda t_list: optim.global_norm(t_list),
}
FUNCTIONS: dict[str, Function] = {
    **{name: lift(one) for name, one in _UNARY.items()},
    **{name: lift(one, 2) for name, one in _BINARY.items()},
    **{name: lift(one, 0) for name, one in _FREE.items()},
    **_called("norm reduce_all=all reduce_any=any reduce_sum=sum reduce_mean=mean reduce_prod=prod", _reduction),
    **_called("reduce_max=max reduce_min=min reduce_logsumexp=logsumexp", _reduction),
    **_called("argmax argmin", _position),
    **{one.__name__: one for one in (placeholder, constant, placeholder_with_default, shape, range)},
    **{one.__name__: one for one in (clip_by_value, clip_by_global_norm)},
    "where": lambda condition, x, y, name=None: call(_where, convert(condition), *alike([x, y]), name=name),
    "gather": lambda params, indices, name=None, axis=0: call(
        lambda x, k: np.take(x, k, axis=axis), convert(params), convert(indices), name=name
    ),
    # sizes, of which some may be tensors
    "reshape": lambda tensor, shape, name=None: call(ops.reshape, convert(tensor), sizes(shape), name=name),
    "fill": lambda dims, value, name=None: call(ops.broadcast_to, convert(value), sizes(dims), name=name),
    "zeros": lambda shape, dtype="float32", name=None: call(ops.zeros, sizes(shape), as_dtype(dtype), name=name),
    "ones": lambda shape, dtype="float32", name=None: call(ops.ones, sizes(shape), as_dtype(dtype), name=name),
}


# -- derivatives ----------------------------------------------------------------------------------------------------
class UnconnectedGradients:
    """What ``gradients`` gives for an input that no derivative reaches."""

    NONE, ZERO = "none", "zero"


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: Any = None,
    stop_gradients: Any = (),
    unconnected_gradients: str = "none",
    **ignored: Any,
) -> list[Any]:
    """Derivatives of the sum of all elements of ``ys``, one (or None) for each of ``xs``."""
    sources, stops = ([convert(one).node for one in _listed(given)] for given in (xs, stop_gradients or ()))

    def build(ys: Any, heads: Any) -> Any:
        with config.use(kink="zero"):
            return list(differentiation.gradients(ys, sources, heads, stops, unconnected_gradients))

    made: list[Any] = call(build, _parts(_listed(ys)), None if grad_ys is None else _listed(grad_ys))
    return made


def hessians(ys: Any, xs: Any) -> list[Tensor]:
    """Second derivatives of a scalar."""
    return [call(differentiation.hessian, convert(ys), convert(x)) for x in _listed(xs)]


class GradientTape(Tape):
    """``sg.GradientTape`` on tensors."""

    def watch(self, expressions: Any) -> None:
        """Let derivatives with respect to these exist."""
        super().watch(unwrap(expressions))

    def gradient(self, y: Any, xs: Any, output_gradients: Any = None, unconnected_gradients: str = "none") -> Any:
        """Derivatives in the containers of ``xs``."""
        return self._tensors(super().gradient, y, xs, output_gradients, unconnected_gradients)

    def jacobian(self, y: Any, x: Any, unconnected_gradients: str = "none") -> Any:
        """All partial derivatives of the elements of ``y``."""
        return self._tensors(super().jacobian, y, x, unconnected_gradients)

    @staticmethod
    def _tensors(function: Function, *args: Any) -> Any:
        with config.use(kink="zero"):
            found = function(*unwrap(args))
        return tree_map(lambda one: None if one is None else Tensor(one), found)


def py_func(func: Function, inp: Any, Tout: Any, stateful: bool = True, name: Any = None, shapes: Any = None) -> Any:
    """A Python function on arrays.

    ``Tout`` is an element type, or a list of them for a list of results.  Shapes have to be known here: without
    ``shapes``, a shape or one for each result, all are that of the first input.
    """
    inputs, kinds, many = _parts(inp), [as_dtype(one) for one in _listed(Tout)], isinstance(Tout, (list, tuple))
    wanted = (
        [inputs[0].node.shape] * len(kinds)
        if shapes is None
        else [sizes(one) for one in (shapes if many else [shapes])]
    )
    declared = [types.TensorType(*one) for one in zip(wanted, kinds, strict=True)]

    def run(*arrays: Any) -> Any:
        return tuple(np.asarray(one, kind) for one, kind in zip(_listed(func(*arrays)), kinds, strict=True))

    made = call(lambda nodes: list(callback(run, nodes, declared, stateful=stateful)), inputs)
    return made if many else made[0]


# -- operators ------------------------------------------------------------------------------------------------------
def _operators() -> None:
    """Give tensors the operators that are functions here."""
    twosided = {"truediv": "divide", "and": "logical_and", "or": "logical_or", "xor": "logical_xor"}
    for name in ("add", "sub", "mul", "floordiv", "mod", "pow", "matmul", *twosided):
        function = FUNCTIONS[twosided.get(name, name)]
        setattr(Tensor, f"__{name}__", function)
        setattr(Tensor, f"__r{name}__", lambda x, y, function=function: function(y, x))
    onesided = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
    for name, full in (onesided | {"neg": "negative", "abs": "abs", "invert": "logical_not"}).items():
        setattr(Tensor, f"__{name}__", FUNCTIONS[full])


_operators()
