"""``scipy.special`` for expressions.  Without an expression among the arguments these are SciPy's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad import ops
from symgrad.ops.coerce import is_symbolic
from symgrad.ops.elementwise import ELEMENTWISE

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "log1p",
    "log_softmax",
    "logsumexp",
    "psi",
    "softmax",
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


erf, erfc, expit = (_dispatched(name, ELEMENTWISE[name]) for name in ("erf", "erfc", "expit"))
exp2, expm1, log1p = (_dispatched(name, ELEMENTWISE[name]) for name in ("exp2", "expm1", "log1p"))
gammaln, digamma = (_dispatched(name, ELEMENTWISE[name]) for name in ("gammaln", "digamma"))
psi = _dispatched("psi", ops.digamma)
logsumexp = _dispatched("logsumexp", ops.logsumexp)
softmax = _dispatched("softmax", lambda x, axis=None: ops.softmax(x, axis))
log_softmax = _dispatched("log_softmax", lambda x, axis=None: ops.log_softmax(x, axis))
