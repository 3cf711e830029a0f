"""What a case is: a published function, arguments to try it at, and what is known about it from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Known:
    """A value from elsewhere: printed by the source (to ``rtol``), worked by hand, or by another library."""

    args: tuple[Any, ...]
    value: Any
    rtol: float = 1e-13
    atol: float = 1e-15


@dataclass(frozen=True, eq=False)
class Case:
    """A function, arguments at which it is smooth, and those that it is differentiated with respect to.

    ``minima`` are the published least sums of squares to which the published start leads, depending on the method;
    ``as_imported`` is False for functions that build arrays of scalars with ``np.array``: these need
    ``import symgrad.numpy as np``.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    wrt: tuple[int, ...] = (0,)
    known: tuple[Known, ...] = ()
    minima: tuple[float, ...] = ()
    as_imported: bool = True

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def field(self) -> str:
        return self.function.__module__.rpartition(".")[2]


def arrays(*values: Any) -> tuple[Any, ...]:
    """Lists as float64 arrays; numbers and arrays stay."""
    return tuple(np.array(one, float) if isinstance(one, list) else one for one in values)


def at(*args: Any, value: Any, rtol: float = 1e-13, atol: float = 1e-15) -> Known:
    return Known(arrays(*args), value, rtol, atol)


def case(function: Callable[..., Any], *args: Any, wrt: Any = (0,), known: Any = (), as_imported: bool = True) -> Case:
    known = (known,) if isinstance(known, Known) else tuple(known)
    return Case(function, arrays(*args), wrt, known, as_imported=as_imported)


def mgh(function: Callable[..., Any], start: Any, minima: Any, known: Any = (), as_imported: bool = True) -> Case:
    """A problem with its standard starting point and the least sums of squares that the paper prints for it."""
    minima = minima if isinstance(minima, tuple) else (minima,)
    known = (known,) if isinstance(known, Known) else tuple(known)
    return Case(function, arrays(start), (0,), known, minima, as_imported)
