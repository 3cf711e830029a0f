"""LaTeX: what is written, and that braces and delimiters balance whatever the expression."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sympy

import symgrad as sg
from symgrad.opdef import REGISTRY, Kind

x, y, a = sg.symbol("x"), sg.symbol("y_1"), sg.symbol("alpha")
A, v, b = sg.symbol("A", (2, 3)), sg.symbol("v", (3,)), sg.symbol("b", (2,))


@pytest.mark.parametrize(
    ("make", "want"),
    [
        (lambda: x + y - a, r"x + y_{1} - \alpha"),
        (lambda: x - (y - a), r"x - \left(y_{1} - \alpha\right)"),
        (lambda: x * (y + a), r"x \, \left(y_{1} + \alpha\right)"),
        (lambda: x * 2, r"x \cdot 2"),
        (lambda: -(x * y), r"-x \, y_{1}"),
        (lambda: x / (y * a), r"\frac{x}{y_{1} \, \alpha}"),
        (lambda: (x / y) ** 3, r"\left(\frac{x}{y_{1}}\right)^{3}"),
        (lambda: x**2 + np.sqrt(abs(x)), r"x^{2} + \sqrt{\left| x \right|}"),
        (lambda: np.exp(-x) * np.sin(a), r"\exp\left(-x\right) \, \sin\left(\alpha\right)"),
        (lambda: A @ v - b, r"A \, v - b"),
        (lambda: 2 * A.T @ (A @ v - b), r"2 \, A^{\top} \, \left(A \, v - b\right)"),
        (lambda: np.sum(v**2), r"\sum v^{2}"),
        (lambda: np.sum(A, axis=1), r"\sum_{1} A"),
        (lambda: sg.norm(v), r"\left\| v \right\|"),
        (lambda: np.where(x > 0, x, 0), r"\begin{cases} x & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}"),
        (lambda: v[1:] * 1e-30, r"{v}_{\left[1:\right]} \, \left(1 \cdot 10^{-30}\right)"),
        (lambda: sg.special.erf(x), r"\operatorname{erf}\left(x\right)"),
        (lambda: v + np.array([1.0, 2.0, 3.5]), r"v + \begin{pmatrix} 1 \\ 2 \\ 3.5 \end{pmatrix}"),
    ],
)
def test_forms(make, want):
    assert sg.latex(make()) == want


def test_shared_parts_get_lines_of_their_own():
    t = np.exp(-x * y)
    assert sg.latex(t * np.cos(x) - t / (1 + t)) == "\n".join(
        [
            r"\begin{aligned}",
            r"&t_{1} \, \cos\left(x\right) - \frac{t_{1}}{1 + t_{1}} \\",
            r"&t_{1} = \exp\left(\left(-x\right) \, y_{1}\right) \\",
            r"\end{aligned}",
        ]
    )


def test_notebooks_and_new_operations():
    assert (x * y)._repr_latex_() == r"$\displaystyle x \, y_{1}$"
    cube = sg.elementwise("cube_for_latex", lambda u: u * sympy.Pow(u, 2))
    assert sg.latex(cube(x)) == r"\operatorname{cube\_for\_latex}\left(x\right)"


@pytest.mark.parametrize("name", [name for name, op in REGISTRY.items() if op.kind is not Kind.SOURCE])
def test_every_operation_has_balanced_latex(name):
    from symgrad import ops
    from symgrad.node import apply

    op = REGISTRY[name]
    for sample in op.samples(np.random.default_rng(0)):
        leaves = [ops.parameter(f"x{k}", ops.as_node(array).type) for k, array in enumerate(sample.arrays)]
        text = sg.latex(apply(op, tuple(leaves), sample.attrs))
        assert text.count(r"\left") == text.count(r"\right")
        assert text.count(r"\begin{") == text.count(r"\end{")
        plain = re.sub(r"\\[{}]", "", text)
        assert plain.count("{") == plain.count("}")
