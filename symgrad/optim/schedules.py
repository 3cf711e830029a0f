"""Learning rates that depend on the step.  In: a start and a step variable.  Out: an expression of the rate.

Definitions: TensorFlow 1's ``tf.train`` functions of these names.  The result has the element type of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symgrad import ops, types
from symgrad.errors import SymgradError
from symgrad.provenance import user_line

__all__ = ["cosine_decay", "exponential_decay", "piecewise_constant", "polynomial_decay"]


def exponential_decay(rate: Any, step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False) -> Any:
    """``rate * decay_rate ** (step / decay_steps)``; with ``staircase`` the quotient is rounded down.

    Examples
    --------
    >>> import symgrad as sg
    >>> step = sg.symbol("step", dtype="int64")
    >>> float(sg.compile(sg.optim.exponential_decay(0.5, step, 10, 0.5), [step])(20))
    0.125
    """
    start = _start(rate)
    passed = _share(start, step, decay_steps)
    passed = ops.floor(passed) if staircase else passed
    return ops.multiply(start, ops.power(_like(start, decay_rate), passed))


def piecewise_constant(step: Any, boundaries: Sequence[Any], values: Sequence[Any]) -> Any:
    """``values[0]`` up to and including ``boundaries[0]``, then ``values[1]``, and so on.

    Raises
    ------
    SymgradError
        The values are not one more than the boundaries.
    """
    if len(values) != len(boundaries) + 1:
        raise SymgradError(
            f"piecewise_constant: {len(values)} values for {len(boundaries)} boundaries",
            where=user_line(),
            hint="one value more than boundaries",
        )
    step, made = ops.as_node(step), _start(values[-1])
    for boundary, value in zip(reversed(boundaries), reversed(values[:-1]), strict=True):
        made = ops.where(ops.less_equal(step, boundary), _like(made, value), made)
    return made


def polynomial_decay(
    rate: Any, step: Any, decay_steps: Any, end_learning_rate: Any = 0.0001, power: Any = 1.0, cycle: bool = False
) -> Any:
    """``(rate - end) * (1 - step / decay_steps) ** power + end``, ``step`` at most ``decay_steps``.

    With ``cycle``, ``decay_steps`` is multiplied by the smallest positive number that makes it reach ``step``.
    """
    start = _start(rate)
    passed = _share(start, step, decay_steps)
    if cycle:
        passed = ops.divide(passed, ops.maximum(ops.ceil(passed), 1))
    else:
        passed = ops.minimum(passed, 1)
    end = _like(start, end_learning_rate)
    return ops.add(ops.multiply(ops.subtract(start, end), ops.power(ops.subtract(1, passed), _like(start, power))), end)


def cosine_decay(rate: Any, step: Any, decay_steps: Any, alpha: Any = 0.0) -> Any:
    """``rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``, ``step`` at most ``decay_steps``."""
    start = _start(rate)
    passed = ops.minimum(_share(start, step, decay_steps), 1)
    wave = ops.multiply(0.5, ops.add(1, ops.cos(ops.multiply(math.pi, passed))))
    alpha = _like(start, alpha)
    return ops.multiply(start, ops.add(ops.multiply(ops.subtract(1, alpha), wave), alpha))


def _start(rate: Any) -> Any:
    node = ops.as_node(rate)
    return node if types.is_float(node.type.dtype) else ops.cast(node, types.FLOAT64)


def _like(start: Any, value: Any) -> Any:
    return ops.cast(ops.as_node(value), start.type.dtype)


def _share(start: Any, step: Any, decay_steps: Any) -> Any:
    return ops.divide(_like(start, step), _like(start, decay_steps))
