"""NumPy's functions on expressions, in terms of operations.  In: NumPy's own arguments.  Out: nodes.

Each module has functions under NumPy's names and with NumPy's parameters; ``FUNCTIONS`` lists them by NumPy's function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.functions import (
    creation,
    differences,
    elements,
    joining,
    matrices,
    norms,
    padding,
    rearrange,
    reductions,
    refusals,
    selection,
    sorting,
)

__all__ = ["FUNCTIONS"]

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    getattr(np.linalg if module is norms else np, name): getattr(module, name)
    for module in (
        creation,
        differences,
        elements,
        joining,
        matrices,
        norms,
        padding,
        rearrange,
        reductions,
        selection,
        sorting,
    )
    for name in module.__all__
}
FUNCTIONS |= refusals.REFUSALS
