"""Inline vector mathematics.

In: an operation's name (NumPy's) and values of one float type, of any number of lanes.  Out: the instructions that
compute it.  Refuses names outside :data:`SUPPORTED`.

    >>> from codegen.llvm.builder import Module
    >>> from codegen.llvm.types import DOUBLE
    >>> from codegen.target import TARGETS
    >>> f = Module(TARGETS["x86-64-v3"]).function("softening", [("x", DOUBLE.with_lanes(4))], DOUBLE.with_lanes(4))
    >>> f.ret(emit(f, "tanh", f["x"]))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from codegen.llvm.builder import Function
from codegen.llvm.types import Value
from codegen.mathlib import (
    error_function,
    exponential,
    gamma,
    hyperbolic,
    inverse_trigonometric,
    logarithm,
    logistic,
    power,
    quantile,
    remainder,
    roots,
    trigonometric,
)
from codegen.mathlib.fallback import per_lane
from codegen.mathlib.real import Real
from symgrad.errors import CompileError

__all__ = ["ANGLES", "SUPPORTED", "arity", "emit", "emit_angles", "emit_power", "per_lane"]

_FUNCTIONS: dict[str, Callable[..., Real]] = {
    "arccos": inverse_trigonometric.arccos,
    "arccosh": hyperbolic.arccosh,
    "arcsin": inverse_trigonometric.arcsin,
    "arcsinh": hyperbolic.arcsinh,
    "arctan": inverse_trigonometric.arctan,
    "arctan2": inverse_trigonometric.arctan2,
    "arctanh": hyperbolic.arctanh,
    "cbrt": roots.cbrt,
    "cos": trigonometric.cos,
    "cosh": hyperbolic.cosh,
    "digamma": gamma.digamma,
    "erf": error_function.erf,
    "erfc": error_function.erfc,
    "erfcinv": quantile.erfcinv,
    "erfcx": error_function.erfcx,
    "erfinv": quantile.erfinv,
    "exp": exponential.exp,
    "exp2": exponential.exp2,
    "expit": logistic.expit,
    "expm1": exponential.expm1,
    "fmod": remainder.fmod,
    "gammaln": gamma.gammaln,
    "hypot": roots.hypot,
    "log": logarithm.log,
    "log10": logarithm.log10,
    "log1p": logarithm.log1p,
    "log2": logarithm.log2,
    "logaddexp": logistic.logaddexp,
    "logaddexp2": logistic.logaddexp2,
    "ndtr": error_function.ndtr,
    "ndtri": quantile.ndtri,
    "power": power.power,
    "sin": trigonometric.sin,
    "sinh": hyperbolic.sinh,
    "softplus": logistic.softplus,
    "sqrt": roots.sqrt,
    "tan": trigonometric.tan,
    "tanh": hyperbolic.tanh,
}

_BINARY = {"arctan2", "fmod", "hypot", "logaddexp", "logaddexp2", "power"}
SUPPORTED: Final = frozenset(_FUNCTIONS)
ANGLES: Final = frozenset(trigonometric.ANGLES)


def arity(name: str) -> int:
    """How many operands a function takes."""
    return 2 if name in _BINARY else 1


def emit(f: Function, name: str, *args: Value) -> Value:
    """An operation on values of one float type.

    The same argument gives the same bits in any lane, among any number of lanes, whatever its neighbours are.

    Raises
    ------
    CompileError
        The operation is not in :data:`SUPPORTED`, or takes another number of operands.
    """
    if name not in _FUNCTIONS:
        raise CompileError(f"no inline version of {name!r}", hint=f"one of {', '.join(sorted(_FUNCTIONS))}")
    if len(args) != arity(name):
        raise CompileError(f"{name} takes {arity(name)} operands, not {len(args)}")
    with f.strict():
        return _FUNCTIONS[name](*(Real(f, arg) for arg in args)).value


def emit_power(f: Function, x: Value, exponent: float) -> Value | None:
    """``x`` to a constant exponent for which that takes fewer instructions than :func:`emit`; None for others."""
    if not power.has_short_form(exponent, f.target.fma):
        return None
    with f.strict():
        return power.power_of_constant(Real(f, x), exponent).value


def emit_angles(f: Function, wanted: Sequence[tuple[str, Value]]) -> list[Value]:
    """Functions of :data:`ANGLES`, each of an angle: what they share is computed once, to the bits of :func:`emit`."""
    with f.strict():
        return [one.value for one in trigonometric.of_angles([(name, Real(f, x)) for name, x in wanted])]
