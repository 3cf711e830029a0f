"""NumPy's protocols.  In: calls of NumPy ufuncs and functions with expressions among the arguments.  Out: nodes.

Each NumPy function that expressions support has one entry here, with NumPy's own parameters; ``symgrad.numpy`` offers
the same functions by name.  Whatever has no entry, and any parameter that an entry does not know, raises TraceError.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from symgrad import functions, ops
from symgrad.errors import TraceError
from symgrad.functions import reductions
from symgrad.ops.declaring import ELEMENTWISE
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
    np.logaddexp: lambda x, axis=0, keepdims=False: ops.logsumexp(x, axis, keepdims),
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
    if ufunc in UFUNCS and method == "__call__" and not kwargs:
        return UFUNCS[ufunc](*inputs)
    return _call_with_options(ufunc, method, inputs, kwargs)


def _call_with_options(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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
    if implementation is None:
        raise _unsupported(_title(function))
    given = {key: value for key, value in kwargs.items() if not _is_default(function, key, value)} if kwargs else kwargs
    if _fits(implementation, len(args), tuple(given)):
        return implementation(*args, **given)
    known = _signature(implementation).parameters
    named = _by_name(function, args, given)
    if named is None or not set(named) <= set(known):
        unknown = [key for key in (given if named is None else named) if key not in known]
        raise _unsupported(_title(function), unknown or ["these arguments"])
    bound = _signature(implementation).bind(**named)
    return implementation(*bound.args, **bound.kwargs)


_signature = cache(inspect.signature)


def _title(function: Any) -> str:
    return f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)


@cache
def _fits(implementation: Callable[..., Any], count: int, names: tuple[str, ...]) -> bool:
    """Whether a function takes so many positional arguments and these keywords."""
    try:
        _signature(implementation).bind(*(None,) * count, **dict.fromkeys(names))
    except TypeError:
        return False
    return True


def _by_name(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments by NumPy's names, without those that have NumPy's defaults; None for arguments without names."""
    try:
        bound = _signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in bound.signature.parameters.values()):
        return None
    return {key: value for key, value in bound.arguments.items() if not _is_default(function, key, value)}


def _is_default(function: Any, key: str, value: Any) -> bool:
    """Whether a parameter has the value that NumPy gives it anyway."""
    if value is np._NoValue:
        return True
    try:
        default = _signature(function).parameters[key].default
    except (ValueError, KeyError):
        return False
    return value is default


# -- functions ------------------------------------------------------------------------------------------------------
@implements(np.einsum)
def einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Any:
    """Einstein summation; the order of contractions is the compiler's, whatever ``optimize`` asks for."""
    if isinstance(subscripts, str):
        return ops.einsum(subscripts, *operands)
    given = [subscripts, *operands]
    output = given.pop() if len(given) % 2 else None
    terms = [_letters(labels) for labels in given[1::2]]
    return ops.einsum(",".join(terms) + ("" if output is None else f"->{_letters(output)}"), *given[::2])


def _letters(labels: Any) -> str:
    """A list of integer labels as subscripts."""
    return "".join(
        "..." if label is Ellipsis else (string.ascii_uppercase + string.ascii_lowercase)[label] for label in labels
    )


@implements(np.dot)
def dot(a: Any, b: Any) -> Any:
    return ops.dot(a, b)


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    return ops.inner(a, b)


@implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    return ops.outer(a, b)
