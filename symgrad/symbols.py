"""Several scalar symbols at once, as SymPy makes them."""

from __future__ import annotations

from typing import Any

from symgrad.ops import symbol
from symgrad.types import FLOAT64

__all__ = ["symbols"]


def symbols(names: str, dtype: Any = FLOAT64) -> tuple[Any, ...]:
    """Scalar symbols from names separated by spaces or commas.

    Parameters
    ----------
    names : str
    dtype : element type, default float64

    Raises
    ------
    TraceError
        Something is not a name.

    Examples
    --------
    >>> import symgrad as sg
    >>> a, b = sg.symbols("a b")
    >>> print(a * b + 1)
    a * b + 1
    """
    return tuple(symbol(name, (), dtype) for name in names.replace(",", " ").split())
