"""The array API's namespace for arrays with values, each of whose operations is symgrad's: what a test-suite can judge.

In: numbers and arrays.  Each call makes symbols of its arrays, gives them to ``symgrad.array_api`` or to an operator of
expressions, and interprets what that returns.  Nothing but items at ``()`` and Python's numbers is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import count
from typing import Any

import numpy as np

import symgrad as sg
from symgrad import array_api
from symgrad.interp import evaluate

__all__ = ["Array"]
__array_api_version__ = array_api.__array_api_version__

_serial = count()


class Array:
    """A value and the symbol that stands for it in expressions."""

    __slots__ = ("symbol", "value")

    def __init__(self, value: np.ndarray[Any, Any]) -> None:
        self.value = value
        self.symbol = sg.symbol(f"a{next(_serial)}", value.shape, value.dtype)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.symbol, name)
        return _called(found, self) if callable(found) else _valued(found, [self])

    def __repr__(self) -> str:
        return f"Array({self.value!r})"

    # -- what needs the value ------------------------------------------------------------------------------------
    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __index__(self) -> int:
        return self.value.__index__()

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self.value)))

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Any:
        if self.value.ndim == 0 and (key is ... or (isinstance(key, tuple) and not key)):
            return self  # symgrad's scalars have no items at all
        return _called(lambda symbol, key: symbol[key])(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.symbol[key] = value


def _expressions(value: Any, arrays: list[Array]) -> Any:
    """The arguments of a call with symbols in place of arrays, which are collected."""
    if isinstance(value, Array):
        arrays.append(value)
        return value.symbol
    if isinstance(value, (list, tuple)):
        return type(value)(_expressions(part, arrays) for part in value)
    return value


def _valued(made: Any, arrays: list[Array]) -> Any:
    """What a call made, with values in place of expressions."""
    if isinstance(made, sg.Expr):
        return Array(evaluate([made], {one.symbol: one.value for one in arrays})[0])
    if isinstance(made, np.ndarray):
        return Array(made)
    if isinstance(made, (list, tuple)) and any(isinstance(part, sg.Expr) for part in made):
        parts = [_valued(part, arrays) for part in made]
        return type(made)(*parts) if hasattr(made, "_fields") else type(made)(parts)
    return made


def _called(function: Callable[..., Any], owner: Array | None = None) -> Callable[..., Any]:
    """A function of expressions as one of arrays; the owner of a method takes part in what it returns."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        arrays = [] if owner is None else [owner]
        args = _expressions(args, arrays)
        kwargs = {name: _expressions(value, arrays) for name, value in kwargs.items()}
        return _valued(function(*args, **kwargs), arrays)

    return call


def _operator(name: str) -> Callable[..., Any]:
    @wraps(getattr(sg.Expr, name))
    def operator(self: Array, *others: Any) -> Any:
        return _called(getattr(self.symbol, name), self)(*others)

    return operator


_OPERATORS = (
    *("abs", "add", "and", "eq", "floordiv", "ge", "gt", "invert", "le", "lshift", "lt", "matmul", "mod", "mul", "ne"),
    *("neg", "or", "pos", "pow", "radd", "rand", "rfloordiv", "rlshift", "rmatmul", "rmod", "rmul", "ror", "rpow"),
    *("rrshift", "rshift", "rsub", "rtruediv", "rxor", "sub", "truediv", "xor"),
)
for _name in _OPERATORS:
    setattr(Array, f"__{_name}__", _operator(f"__{_name}__"))


class _Extension:
    """The functions of an extension, for arrays."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return _called(getattr(self._module, name))


def __getattr__(name: str) -> Any:
    found = getattr(array_api, name)
    if name in array_api.EXTENSIONS:
        return _Extension(found)
    plain = not callable(found) or isinstance(found, (np.dtype, type))
    return found if plain else _called(found)
