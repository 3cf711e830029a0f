"""Operations on integers bit by bit, and divisors.  In: integers (or bool).  Out: nodes.  Refuses: floats.

Bits of bool are truth values: there these are the logical operations.  Counts of a shift that are negative or leave no
bit give 0 (or -1 for negative numbers shifted to the right), as in NumPy.  Nothing here has a derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.opdef import Constant
from symgrad.ops import coerce
from symgrad.ops.declaring import Elementwise, Rule, declare
from symgrad.ops.elementwise import logical_and, logical_not, logical_or, logical_xor
from symgrad.types import BOOL

__all__ = ["bitwise_and", "bitwise_or", "bitwise_xor", "gcd", "invert", "lcm", "left_shift", "right_shift"]


def _integers(name: str, function: Any, arity: int = 2, domain: Any = (-40.0, 40.0)) -> Elementwise:
    return declare(name, arity, Rule.INTEGER, function, partial=Constant(), domain=domain)


def _bits(name: str, function: Any, logical: Elementwise) -> Callable[..., Any]:
    """An operation on integers; on bool the logical one."""
    integers = _integers(name, function, logical.arity)

    def build(*operands: Any) -> Any:
        ready = [coerce.plain(one, name) for one in operands]
        return logical(*ready) if coerce.common_dtype(ready) is BOOL else integers(*ready)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"NumPy's ``{name}``, of integers or bool."
    return build


bitwise_and = _bits("bitwise_and", np.bitwise_and, logical_and)
bitwise_or = _bits("bitwise_or", np.bitwise_or, logical_or)
bitwise_xor = _bits("bitwise_xor", np.bitwise_xor, logical_xor)
invert = _bits("invert", np.invert, logical_not)
left_shift = _integers("left_shift", np.left_shift, domain=((-40.0, 40.0), (0.0, 9.0)))
right_shift = _integers("right_shift", np.right_shift, domain=((-400.0, 400.0), (0.0, 9.0)))
gcd = _integers("gcd", np.gcd)
lcm = _integers("lcm", np.lcm)
