"""``scipy.special`` for expressions.  Without an expression among the arguments these are SciPy's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad import ops
from symgrad.ops.coerce import is_symbolic
from symgrad.ops.elementwise import ELEMENTWISE

__all__ = [
    "beta",
    "betaln",
    "cbrt",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gamma",
    "gammaln",
    "gammasgn",
    "kl_div",
    "log1p",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "ndtri",
    "psi",
    "rel_entr",
    "softmax",
    "softplus",
    "xlog1py",
    "xlogy",
    "zeta",
]


def _dispatched(name: str, builder: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        if is_symbolic(args):
            return builder(*args, **kwargs)
        import scipy.special

        return getattr(scipy.special, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``scipy.special.{name}``, which may be given expressions."
    return function


beta, betaln, cbrt, digamma = (_dispatched(name, ELEMENTWISE[name]) for name in ("beta", "betaln", "cbrt", "digamma"))
entr, erf, erfc, erfcinv = (_dispatched(name, ELEMENTWISE[name]) for name in ("entr", "erf", "erfc", "erfcinv"))
erfcx, erfinv, exp2, expit = (_dispatched(name, ELEMENTWISE[name]) for name in ("erfcx", "erfinv", "exp2", "expit"))
expm1, gamma, gammaln, gammasgn = (
    _dispatched(name, ELEMENTWISE[name]) for name in ("expm1", "gamma", "gammaln", "gammasgn")
)
kl_div, log1p, log_expit, log_ndtr = (
    _dispatched(name, ELEMENTWISE[name]) for name in ("kl_div", "log1p", "log_expit", "log_ndtr")
)
logit, ndtr, ndtri, rel_entr = (_dispatched(name, ELEMENTWISE[name]) for name in ("logit", "ndtr", "ndtri", "rel_entr"))
softplus, xlog1py, xlogy, zeta = (
    _dispatched(name, ELEMENTWISE[name]) for name in ("softplus", "xlog1py", "xlogy", "zeta")
)
psi = _dispatched("psi", ops.digamma)


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


logsumexp = _dispatched("logsumexp", _logsumexp)
softmax = _dispatched("softmax", lambda x, axis=None: ops.softmax(x, axis))
log_softmax = _dispatched("log_softmax", lambda x, axis=None: ops.log_softmax(x, axis))
