"""sin(x)/x and its derivatives.  In: floats.  Out: nodes.

With f the function sin(x)/x, x f = sin x gives f⁽ᵏ⁾ = (sin⁽ᵏ⁾(x) - k f⁽ᵏ⁻¹⁾)/x, which is used away from 0; near 0, where
that cancels, the power series f⁽ᵏ⁾ = Σ (-1)^(m/2) x^(m-k)/((m-k)! (m+1)), over even m from k on.  Each derivative is the
operation of the next order, so that none of them divides by 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from symgrad.node import Node, apply
from symgrad.opdef import Defined, Kind, OpDef, Partials, Sample, register
from symgrad.ops import elementwise as e
from symgrad.ops.declaring import Rule, declare, floats_only

__all__ = ["SincAttrs", "sinc"]


class SincAttrs(NamedTuple):
    """How often sin(x)/x is differentiated."""

    order: int


_NEGLIGIBLE = 1e-19  # share of the series' largest term at which it ends


def _series(order: int, radius: float) -> list[float]:
    """Coefficients in x² up to the radius, after a factor x for odd orders."""
    start = order + order % 2
    made: list[float] = []
    largest = 0.0
    for m in range(start, start + 400, 2):
        made.append((-1) ** (m // 2) / (math.factorial(m - order) * (m + 1)))
        term = abs(made[-1]) * radius ** (m - order)
        largest = max(largest, term)
        if term < _NEGLIGIBLE * largest:
            break
    return made


def _formula(x: Any, order: int, functions: Any) -> Any:
    """The derivative, by functions of arrays or of nodes."""
    radius = 1.0 + 0.4 * order
    f = functions
    near = f.less(f.absolute(x), radius)
    z = f.where(near, f.multiply(x, x), 0.0)
    coefficients = _series(order, radius)
    inner: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        inner = f.add(f.multiply(inner, z), coefficient)
    inner = f.multiply(inner, x) if order % 2 else inner
    away = f.where(near, 1.0, x)
    sine, cosine = f.sin(away), f.cos(away)
    outer = f.divide(sine, away)
    for k in range(1, order + 1):
        slope = (sine, cosine, f.negative(sine), f.negative(cosine))[k % 4]
        outer = f.divide(f.subtract(slope, f.multiply(float(k), outer)), away)
    return f.where(near, inner, outer)


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for order, shape in ((0, (5,)), (1, (3, 4)), (4, (37,)), (2, ())):
        yield Sample((np.asarray(rng.uniform(-6, 6, shape)),), SincAttrs(order))


SINC = register(
    OpDef(
        name="sinc_derivative",
        kind=Kind.ELEMENTWISE,
        infer=floats_only("sinc_derivative"),
        evaluate=lambda attrs, x: np.asarray(_formula(x, attrs.order, np)),
        derivative=Partials(lambda node, i: _derivative(node.inputs[0], node.attrs.order + 1)),
        samples=_samples,
        attrs=SincAttrs,
        define=lambda inputs, attrs: _formula(inputs[0], attrs.order, e),
        doc="A derivative of sin(x)/x.",
    )
)


def _derivative(x: Node, order: int) -> Any:
    return apply(SINC, (x,), SincAttrs(order))


def _sinc_math(x: Any) -> Any:
    import sympy

    return sympy.sinc(sympy.pi * x)


sinc = declare(
    "sinc",
    1,
    Rule.FLOAT,
    np.sinc,
    math=_sinc_math,
    partial=Defined(),
    define=lambda inputs, attrs: _derivative(e.multiply(math.pi, inputs[0]), 0),
    doc="sin(πx)/(πx), 1 at 0.",
)
