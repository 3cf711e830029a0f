"""``numpy.linalg`` for expressions, where these are found only inside nested lists; every other call is NumPy's own.

Examples
--------
>>> import symgrad as sg, symgrad.numpy as np
>>> a, b = sg.symbols("a b")
>>> print(np.linalg.det([[a, 1.0], [b, 2.0]]))
det(stack([[a, 1], [b, 2]], axis=0))
"""

from __future__ import annotations

from typing import Any

import numpy as _numpy

from symgrad.functions import FUNCTIONS


def __getattr__(name: str) -> Any:
    from symgrad.numpy import _either

    value = getattr(_numpy.linalg, name)
    ours = FUNCTIONS.get(value) if callable(value) else None
    return value if ours is None else _either(value, ours)


def __dir__() -> list[str]:
    return dir(_numpy.linalg)
