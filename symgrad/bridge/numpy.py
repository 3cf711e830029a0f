"""NumPy's protocols.  In: calls of NumPy ufuncs and functions with expressions among the arguments.  Out: nodes.

Each NumPy function that expressions support has one entry here, with NumPy's own parameters; ``symgrad.numpy`` offers
the same functions by name.  Whatever has no entry, and any parameter that an entry does not know, raises TraceError.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import functions, ops
from symgrad.errors import TraceError
from symgrad.functions import reductions
from symgrad.ops.elementwise import ELEMENTWISE
from symgrad.provenance import user_line

__all__ = ["FUNCTIONS", "UFUNCS", "call_function", "call_ufunc"]

UFUNCS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): builder for name, builder in ELEMENTWISE.items() if isinstance(getattr(np, name, None), np.ufunc)
}
UFUNCS |= {
    np.matmul: ops.matmul,
    np.vecdot: lambda a, b: ops.einsum("...i,...i->...", a, b),
    np.matvec: lambda a, b: ops.einsum("...ij,...j->...i", a, b),
    np.vecmat: lambda a, b: ops.einsum("...i,...ij->...j", a, b),
    np.positive: ops.positive,
    np.conjugate: ops.positive,
    np.bitwise_and: ops.bitwise_and,
    np.bitwise_or: ops.bitwise_or,
    np.bitwise_xor: ops.bitwise_xor,
    np.invert: ops.invert,
    np.float_power: ops.float_power,
    np.radians: ops.deg2rad,
    np.degrees: ops.rad2deg,
    np.ldexp: ops.ldexp,
    np.frexp: ops.frexp,
    np.modf: ops.modf,
    np.divmod: ops.divmod,
}
_REDUCE: dict[Any, Callable[..., Any]] = {
    np.add: reductions.sum,
    np.multiply: reductions.prod,
    np.maximum: reductions.max,
    np.minimum: reductions.min,
    np.logical_and: reductions.all,
    np.logical_or: reductions.any,
}
_ACCUMULATE: dict[Any, Callable[..., Any]] = {
    np.add: ops.cumsum,
    np.multiply: ops.cumprod,
    np.maximum: ops.cummax,
    np.minimum: ops.cummin,
}
# ufuncs of scipy.special go by their names, so that scipy is not imported here
SPECIAL: dict[str, Callable[..., Any]] = {
    name: ELEMENTWISE[name]
    for name in (
        *("beta", "betaln", "cbrt", "digamma", "entr", "erf", "erfc", "erfcinv", "erfcx", "erfinv", "exp2", "expit"),
        *("expm1", "gamma", "gammaln", "gammasgn", "kl_div", "log1p", "log_expit", "log_ndtr", "logit", "ndtr"),
        *("ndtri", "rel_entr", "softplus", "xlog1py", "xlogy", "zeta"),
    )
}
SPECIAL["psi"] = ops.digamma


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc, or its ``reduce``, on expressions."""
    name = ufunc.__name__
    if kwargs.get("out") is not None:
        raise TraceError(
            f"{name}: an array cannot take the value of an expression in place",
            where=user_line(),
            hint="write y = y + x instead of y += x",
        )
    builder = UFUNCS.get(ufunc) or SPECIAL.get(name)
    options = {key: value for key, value in kwargs.items() if key not in ("out", "casting", "order", "subok")}
    if options.get("where") is True:
        del options["where"]
    if method == "__call__" and builder is not None:
        dtype = options.pop("dtype", None)
        if not options:
            made = builder(*inputs)
            if dtype is None:
                return made
            return tuple(ops.cast(one, dtype) for one in made) if isinstance(made, tuple) else ops.cast(made, dtype)
    elif method == "reduce" and ufunc in _REDUCE:
        options = {key: value for key, value in options.items() if value is not None and value is not np._NoValue}
        return _REDUCE[ufunc](inputs[0], **{"axis": kwargs.get("axis", 0), **options})
    elif method == "accumulate" and ufunc in _ACCUMULATE and options.pop("dtype", None) is None:
        axis = options.pop("axis", 0)
        if not options:
            return _ACCUMULATE[ufunc](inputs[0], axis)
    elif method == "outer" and builder is not None and not options:
        first, second = map(ops.as_node, inputs)
        return builder(ops.expand_dims(first, tuple(range(first.ndim, first.ndim + second.ndim))), second)
    call = name if method == "__call__" else f"{name}.{method}"
    raise _unsupported(f"np.{call}", options)


def _unsupported(name: str, options: Any = ()) -> TraceError:
    with_options = f" with {', '.join(options)}" if options else ""
    instead = "sg.elementwise or sg.custom_gradient defines new operations from supported ones"
    return TraceError(f"{name}{with_options} does not work on expressions", where=user_line(), hint=instead)


FUNCTIONS: dict[Any, Callable[..., Any]] = dict(functions.FUNCTIONS)


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return enter


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function on expressions."""
    implementation = FUNCTIONS.get(function)
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    if implementation is None:
        raise _unsupported(name)
    given = {key: value for key, value in kwargs.items() if not _is_default(function, key, value)}
    try:
        bound = inspect.signature(implementation).bind(*args, **given)
    except TypeError:
        known = inspect.signature(implementation).parameters
        raise _unsupported(name, [key for key in given if key not in known] or ["these arguments"]) from None
    return implementation(*bound.args, **bound.kwargs)


def _is_default(function: Any, key: str, value: Any) -> bool:
    """Whether a parameter has the value that NumPy gives it anyway."""
    if value is np._NoValue:
        return True
    try:
        default = inspect.signature(function).parameters[key].default
    except (ValueError, KeyError):
        return False
    return value is default


# -- functions ------------------------------------------------------------------------------------------------------
@implements(np.einsum)
def einsum(subscripts: str, *operands: Any) -> Any:
    if not isinstance(subscripts, str):
        raise _unsupported("np.einsum with index lists")
    return ops.einsum(subscripts, *operands)


@implements(np.dot)
def dot(a: Any, b: Any) -> Any:
    return ops.dot(a, b)


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    return ops.inner(a, b)


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return ops.matmul(ops.reshape(a, -1), ops.reshape(b, -1))


@implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    return ops.outer(a, b)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return ops.tensordot(a, b, axes)


@implements(np.cross)
def cross(a: Any, b: Any, *, axis: Any = None) -> Any:
    return ops.cross(a, b, -1 if axis is None else axis)


@implements(np.shape)
def shape_of(a: Any) -> Any:
    return ops.as_node(a).shape


@implements(np.ndim)
def ndim_of(a: Any) -> Any:
    return ops.as_node(a).ndim


@implements(np.size)
def size_of(a: Any) -> Any:
    return ops.as_node(a).type.size
