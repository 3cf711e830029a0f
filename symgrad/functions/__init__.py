"""NumPy's functions on expressions, in terms of operations.  In: NumPy's own arguments.  Out: nodes.

Each module has functions under NumPy's names and with NumPy's parameters; ``FUNCTIONS`` lists them by NumPy's function.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from symgrad.functions import (
    calling,
    creation,
    differences,
    elements,
    frequencies,
    joining,
    kinds,
    matrices,
    matrix_products,
    norms,
    padding,
    polynomials,
    positions,
    products,
    quantiles,
    rearrange,
    reductions,
    refusals,
    selection,
    sorting,
    statistics,
    systems,
)

__all__ = ["FUNCTIONS"]

_OF_NUMPY: tuple[ModuleType, ...] = (
    calling,
    creation,
    differences,
    elements,
    joining,
    kinds,
    matrices,
    padding,
    polynomials,
    positions,
    products,
    quantiles,
    rearrange,
    reductions,
    selection,
    sorting,
    statistics,
)
_OF_LINALG: tuple[ModuleType, ...] = (matrix_products, norms, systems)
FUNCTIONS: dict[Any, Callable[..., Any]] = refusals.REFUSALS | {
    getattr(namespace, name): getattr(module, name)
    for namespace, modules in ((np, _OF_NUMPY), (np.linalg, _OF_LINALG), (np.fft, (frequencies,)))
    for module in modules
    for name in module.__all__
}
