"""``scipy.special`` for expressions.  Without an expression among the arguments these are SciPy's own functions.

It has the functions of :mod:`symgrad.special`, and ``softmax`` and ``log_softmax``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad import ops, special
from symgrad.ops.coerce import is_symbolic


def _dispatched(name: str, builder: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        if is_symbolic(args):
            return builder(*args, **kwargs)
        import scipy.special

        return getattr(scipy.special, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``scipy.special.{name}``, which may be given expressions."
    return function


def _logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """With factors ``b``, the sum is of ``b * exp(a)``."""
    if b is None:
        return ops.logsumexp(a, axis, keepdims)
    powers, factors = ops.broadcast_together(ops.as_nodes([a, b, 1.0], who="logsumexp")[:2], "logsumexp")
    top = ops.stop_gradient(ops.max(ops.where(ops.equal(factors, 0), float("-inf"), powers), axis, True))
    top = ops.where(ops.isfinite(top), top, 0)
    inside = ops.where(ops.equal(factors, 0), top, powers)  # a power without weight must not overflow
    total = ops.log(ops.sum(ops.multiply(factors, ops.exp(ops.subtract(inside, top))), axis, keepdims))
    return ops.add(total, top if keepdims else ops.sum(top, axis))


_BUILDERS: dict[str, Callable[..., Any]] = {name: getattr(special, name) for name in special.__all__} | {
    "logsumexp": _logsumexp,
    "softmax": lambda x, axis=None: ops.softmax(x, axis),
    "log_softmax": lambda x, axis=None: ops.log_softmax(x, axis),
}
_FUNCTIONS = {name: _dispatched(name, builder) for name, builder in _BUILDERS.items()}
__all__ = list(_FUNCTIONS)


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"symgrad.scipy.special has no {name!r}")
    return _FUNCTIONS[name]


def __dir__() -> list[str]:
    return sorted(__all__)
