"""Expressions as LaTeX.  In: a node.  Out: mathematics for a notebook or a paper, shared parts named as in plain text.

Matrix products stand side by side, quotients as fractions, selections as cases.  An operation without a sign of its own is
written by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from symgrad.node import Node, topological
from symgrad.printing import MAX_NODES, Piece, Writer, box_text, of_user, summary

__all__ = ["latex"]

# How tightly a piece holds together, loosest first.
_COMPARISON, _SUM, _PRODUCT, _FRACTION, _ATOM = range(5)

_INFIX = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": (r"\,", _PRODUCT),
    "masked_multiply": (r"\,", _PRODUCT),
    "zero_multiply": (r"\,", _PRODUCT),
    "matmul": (r"\,", _PRODUCT),
    "less": ("<", _COMPARISON),
    "less_equal": (r"\le", _COMPARISON),
    "greater": (">", _COMPARISON),
    "greater_equal": (r"\ge", _COMPARISON),
    "equal": ("=", _COMPARISON),
    "not_equal": (r"\ne", _COMPARISON),
    "logical_and": (r"\wedge", _COMPARISON),
    "logical_or": (r"\vee", _COMPARISON),
}
_AROUND = {
    "absolute": (r"\left|", r"\right|"),
    "norm": (r"\left\|", r"\right\|"),
    "floor": (r"\left\lfloor", r"\right\rfloor"),
    "ceil": (r"\left\lceil", r"\right\rceil"),
    "sqrt": (r"\sqrt{", "}"),
}
_COMMANDS = {
    *("det", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "max", "min"),
}
_MAX_ENTRIES = 16  # of a constant array that is written out


def latex(expression: Any) -> str:
    """The expression as LaTeX, without dollar signs; shared parts follow as lines of an ``aligned`` block.

    Parameters
    ----------
    expression : expression

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, a = sg.symbols("x alpha")
    >>> print(sg.latex(np.sqrt(x) / (1 + a**2)))
    \\frac{\\sqrt{x}}{1 + \\alpha^{2}}
    """
    order = topological([expression])
    if len(order) > MAX_NODES:
        return rf"\text{{{summary(expression)}}}"
    writer = Writer(order, expression, _piece, lambda k: f"t_{{{k}}}")
    value = writer.pieces[expression][0]
    if not writer.shared:
        return value
    lines = [rf"&{value} \\", *(rf"&{name} = {body} \\" for name, body in writer.shared)]
    return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])


def _piece(node: Node, args: Sequence[Piece]) -> Piece:
    name = node.op.name
    if name in ("broadcast_to", "assert_shape", "expand_dims", "identity"):
        return args[0]
    if name in _SPECIAL:
        return _SPECIAL[name](node, args)
    if name in _INFIX:
        sign, level = _INFIX[name]
        right = _wrapped(args[1], level + (level != _SUM or sign == "-"))
        if sign == r"\," and right[:1].isdigit():
            sign = r"\cdot"
        return f"{_wrapped(args[0], level)} {sign} {right}", level
    if name in _AROUND:
        before, after = _AROUND[name]
        return f"{before} {args[0][0]} {after}" if before[-1] != "{" else f"{before}{args[0][0]}{after}", _ATOM
    return _call(name, args)


def _wrapped(piece: Piece, level: int) -> str:
    return piece[0] if piece[1] >= level else rf"\left({piece[0]}\right)"


def _call(name: str, args: Sequence[Piece]) -> Piece:
    head = rf"\{name}" if name in _COMMANDS else rf"\operatorname{{{_plain(name)}}}"
    return rf"{head}\left({', '.join(piece[0] for piece in args)}\right)", _ATOM


def _plain(name: str) -> str:
    return name.replace("_", r"\_")


@cache
def _symbol(name: str) -> str:
    """A name with Greek letters and subscripts."""
    import sympy

    made: str = sympy.latex(sympy.Symbol(name.replace("/", "_")))
    return made


def _constant(node: Node, args: Sequence[Piece]) -> Piece:
    array = node.attrs.value.array
    if array.size == 1:
        return _number(array.reshape(())[()])
    if array.ndim > 2 or array.size > _MAX_ENTRIES:
        sizes = r" \times ".join(map(str, array.shape))
        return rf"\mathrm{{const}}_{{{sizes}}}", _ATOM
    rows = array.reshape(-1, 1) if array.ndim == 1 else array
    body = r" \\ ".join(" & ".join(_number(one)[0] for one in row) for row in rows)
    return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}", _ATOM


def _number(value: Any) -> Piece:
    text = f"{value.item():.12g}" if value.dtype.kind == "f" else str(value.item())
    mantissa, _, exponent = text.partition("e")
    body = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text
    return body, _SUM if text.startswith("-") else _PRODUCT if exponent else _ATOM


def _power(base: Piece, exponent: str) -> Piece:
    return f"{_wrapped(base, _ATOM)}^{{{exponent}}}", _FRACTION


def _transpose(node: Node, args: Sequence[Piece]) -> Piece:
    return _power(args[0], r"\top") if node.attrs.axes == (1, 0) else _call("transpose", args)


def _solved(node: Node, args: Sequence[Piece]) -> Piece:
    inverse = _power(args[0], r"-\top" if node.attrs.transposed else "-1")[0]
    return rf"{inverse} \, {_wrapped(args[1], _PRODUCT)}", _PRODUCT


def _total(sign: str) -> Callable[[Node, Sequence[Piece]], Piece]:
    def written(node: Node, args: Sequence[Piece]) -> Piece:
        every = len(node.attrs.axes) == node.inputs[0].ndim
        below = "" if every else f"_{{{','.join(map(str, node.attrs.axes))}}}"
        return f"{sign}{below} {_wrapped(args[0], _PRODUCT)}", _PRODUCT

    return written


def _where(node: Node, args: Sequence[Piece]) -> Piece:
    condition, a, b = (piece[0] for piece in args)
    return rf"\begin{{cases}} {a} & \text{{if }} {condition} \\ {b} & \text{{otherwise}} \end{{cases}}", _SUM


def _indexed(node: Node, args: Sequence[Piece]) -> Piece:
    if node.op.name == "slice":
        inside = box_text(node.attrs.box, node.inputs[0].shape)
    else:
        inside = ", ".join([*[":"] * node.attrs.axis, *(piece[0] for piece in args[1:])])
    return rf"{{{_wrapped(args[0], _ATOM)}}}_{{\left[{inside}\right]}}", _ATOM


def _named(node: Node, args: Sequence[Piece]) -> Piece:
    return _symbol(node.attrs.name), _ATOM


def _item(node: Node, args: Sequence[Piece]) -> Piece:
    kind: Any = node.inputs[0].type
    return args[0] if len(kind.items) == 1 else (f"{args[0][0]}_{{{node.attrs.position}}}", _ATOM)


_SPECIAL: dict[str, Callable[[Node, Sequence[Piece]], Piece]] = {
    "symbol": _named,
    "parameter": _named,
    "variable": _named,
    "constant": _constant,
    "dim_value": lambda node, args: (str(node.attrs.dim), _ATOM),
    "negative": lambda node, args: (f"-{_wrapped(args[0], _PRODUCT)}", _SUM),
    "divide": lambda node, args: (rf"\frac{{{args[0][0]}}}{{{args[1][0]}}}", _FRACTION),
    "power": lambda node, args: _power(args[0], args[1][0]),
    "square": lambda node, args: _power(args[0], "2"),
    "logical_not": lambda node, args: (rf"\lnot {_wrapped(args[0], _ATOM)}", _FRACTION),
    "transpose": _transpose,
    "solve": _solved,
    "inv": lambda node, args: _power(args[0], "-1"),
    "logabsdet": lambda node, args: (rf"\log \left| \det\left({args[0][0]}\right) \right|", _PRODUCT),
    "sum": _total(r"\sum"),
    "prod": _total(r"\prod"),
    "where": _where,
    "slice": _indexed,
    "gather": _indexed,
    **of_user(_call),
    "item": _item,
}
