"""Expressions as mathematics.  In: nodes.  Out: infix text in the user's names.

Shared sub-expressions are not repeated: each gets a name and a line of its own after ``where``.  Broadcasts and other
changes of shape that NumPy makes by itself are not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.node import Node, topological
from symgrad.ops.contraction import subscripts
from symgrad.ops.source import is_placeholder
from symgrad.ops.structure import Box, Pick

__all__ = ["summary", "text"]

_ATOM, _POWER, _UNARY, _PRODUCT, _SUM, _COMPARE, _ANY = 9, 8, 7, 6, 5, 4, 0
_INFIX = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("*", _PRODUCT),
    "masked_multiply": ("*", _PRODUCT),
    "divide": ("/", _PRODUCT),
    "floor_divide": ("//", _PRODUCT),
    "remainder": ("%", _PRODUCT),
    "matmul": ("@", _PRODUCT),
    "power": ("**", _POWER),
    "less": ("<", _COMPARE),
    "less_equal": ("<=", _COMPARE),
    "greater": (">", _COMPARE),
    "greater_equal": (">=", _COMPARE),
    "equal": ("==", _COMPARE),
    "not_equal": ("!=", _COMPARE),
    "logical_and": ("&", 3),
    "logical_or": ("|", 2),
    "logical_xor": ("^", 2),
}
_HIDDEN = {"broadcast_to", "assert_shape", "identity_view"}
_NAMES = {"absolute": "abs"}
MAX_SHARED = 200  # nodes beyond which a text is cut short
_MAX_WIDTH = 60  # characters of a repeated sub-expression that is still written out

Piece = tuple[str, int]  # text, precedence


def text(node: Node) -> str:
    """The expression, with shared parts as ``where`` lines."""
    order = topological([node], lambda one: False)
    if len(order) > 50 * MAX_SHARED:
        return f"{summary(node)}  ({len(order)} nodes)"
    writer = _Writer(order, node)
    lines = [writer.pieces[node][0]]
    for k, (name, body) in enumerate(writer.shared):
        lines.append(f"{'where ' if k == 0 else '      '}{name} = {body}")
        if k == MAX_SHARED:
            lines.append(f"      ... {len(writer.shared) - k - 1} more")
            break
    return "\n".join(lines)


def summary(node: Node, depth: int = 3) -> str:
    """The expression on one short line, deep parts as ``...``."""
    shown: set[Node] = set()
    level = [node]
    for _ in range(depth):
        shown.update(level)
        level = [one for parent in level for one in parent.inputs]
    order = [one for one in topological([node], lambda one: one not in shown)]
    pieces: dict[Node, Piece] = {}
    for one in order:
        cut = one not in shown and one.inputs
        pieces[one] = ("...", _ATOM) if cut else _piece(one, [pieces[k] for k in one.inputs])
    line = pieces[node][0]
    return line if len(line) <= 2 * _MAX_WIDTH else line[: 2 * _MAX_WIDTH - 3] + "..."


class _Writer:
    """Texts of all nodes, bottom up; what several nodes use and is not short gets a name."""

    def __init__(self, order: Sequence[Node], root: Node) -> None:
        uses: dict[Node, int] = {}
        for node in order:
            for one in node.inputs:
                uses[_shown(one)] = uses.get(_shown(one), 0) + 1
        taken = {one.attrs.name for one in order if is_placeholder(one)}
        self.pieces: dict[Node, Piece] = {}
        self.shared: list[tuple[str, str]] = []
        for node in order:
            piece = _piece(node, [self.pieces[one] for one in node.inputs])
            worth = (
                node is not root
                and node.op.name not in _HIDDEN
                and node.inputs
                and piece[1] < _ATOM
                or len(piece[0]) > _MAX_WIDTH
            )
            if (
                node is not root
                and node.inputs
                and node.op.name not in _HIDDEN
                and ((uses.get(node, 0) > 1 and (worth or len(piece[0]) > 12)) or len(piece[0]) > 8 * _MAX_WIDTH)
            ):
                name = self._name(taken)
                self.shared.append((name, piece[0]))
                piece = (name, _ATOM)
            self.pieces[node] = piece
        self.shared.reverse()

    def _name(self, taken: set[str]) -> str:
        k = len(self.shared) + 1
        while f"t{k}" in taken:
            k += 1
        taken.add(f"t{k}")
        return f"t{k}"


def _shown(node: Node) -> Node:
    while node.op.name in _HIDDEN:
        node = node.inputs[0]
    return node


def _wrapped(piece: Piece, level: int) -> str:
    return piece[0] if piece[1] >= level else f"({piece[0]})"


def _call(name: str, args: Sequence[Piece], *more: str) -> Piece:
    return f"{name}({', '.join([*(piece[0] for piece in args), *more])})", _ATOM


def _piece(node: Node, args: Sequence[Piece]) -> Piece:
    name = node.op.name
    if name in _HIDDEN:
        return args[0]
    special = _SPECIAL.get(name)
    if special is not None:
        return special(node, args)
    if name in _INFIX:
        return _infix(name, args)
    return _call(_NAMES.get(name, name), args)


def _infix(name: str, args: Sequence[Piece]) -> Piece:
    sign, level = _INFIX[name]
    if name == "power":
        return f"{_wrapped(args[0], _ATOM)}**{_wrapped(args[1], _ATOM)}", _POWER
    right = (
        level + 1
        if name in ("subtract", "divide", "floor_divide", "remainder", "matmul") or level == _COMPARE
        else level
    )
    return f"{_wrapped(args[0], level)} {sign} {_wrapped(args[1], right)}", level


# -- operations with a notation of their own ------------------------------------------------------------------------
def _constant(node: Node, args: Sequence[Piece]) -> Piece:
    value = node.attrs.value.array
    if value.ndim == 0:
        return _number(value[()])
    if value.size <= 8:
        return np.array2string(value, separator=", ", threshold=8).replace("\n", ""), _ATOM
    return f"constant{node.type.shape}".replace(" ", ""), _ATOM


def _number(value: Any) -> Piece:
    if isinstance(value, np.floating):
        number = float(value)
        whole = number == int(number) if np.isfinite(number) and abs(number) < 1e15 else False
        body = str(int(number)) if whole and not (number == 0 and np.signbit(number)) else str(value)
    else:
        body = str(value)
    return body, _UNARY if body.startswith("-") else _ATOM


def _axes(node: Node) -> str:
    axes = node.attrs.axes
    return "" if len(axes) == node.inputs[0].ndim else f"axis={axes[0] if len(axes) == 1 else axes}"


def _reduction(node: Node, args: Sequence[Piece]) -> Piece:
    axes = _axes(node)
    return _call(node.op.name, args, *([axes] if axes else []))


def _along(node: Node, args: Sequence[Piece]) -> Piece:
    axes = node.attrs.axes
    return _call(node.op.name, args, f"axis={axes[0] if len(axes) == 1 else axes}")


def _transpose(node: Node, args: Sequence[Piece]) -> Piece:
    if node.attrs.axes == (1, 0):
        return f"{_wrapped(args[0], _ATOM)}.T", _ATOM
    return _call("transpose", args, str(node.attrs.axes))


def box_text(box: Box, shape: Sequence[Any]) -> str:
    parts = []
    for entry, size in zip(box, shape, strict=True):
        if isinstance(entry, Pick):
            parts.append(str(entry.index))
            continue
        start, stop = entry.start, entry.start + entry.size * entry.step
        whole = (
            isinstance(start, int)
            and start == 0
            and entry.step == 1
            and (stop is size or (isinstance(stop, int) and stop is size))
        )
        first = "" if isinstance(start, int) and start == 0 and entry.step > 0 else str(start)
        last = "" if stop is size or (isinstance(stop, int) and isinstance(size, int) and stop == size) else str(stop)
        if isinstance(stop, int) and stop < 0:
            last = ""
        parts.append(":" if whole else f"{first}:{last}" + (f":{entry.step}" if entry.step != 1 else ""))
    return ", ".join(parts)


def _slice(node: Node, args: Sequence[Piece]) -> Piece:
    return f"{_wrapped(args[0], _ATOM)}[{box_text(node.attrs.box, node.inputs[0].shape)}]", _ATOM


def _place(node: Node, args: Sequence[Piece]) -> Piece:
    body = f"zeros({_shape(node.attrs.shape)})"
    for box, piece in zip(node.attrs.boxes, args, strict=True):
        body += f".at[{box_text(box, node.attrs.shape)}].add({piece[0]})"
    return body, _ATOM


def _update(node: Node, args: Sequence[Piece]) -> Piece:
    return f"{_wrapped(args[0], _ATOM)}.at[{box_text(node.attrs.box, node.shape)}].set({args[1][0]})", _ATOM


def _shape(shape: Sequence[Any]) -> str:
    return str(shape[0]) if len(shape) == 1 else f"({', '.join(map(str, shape))})"


def _indices(node: Node, args: Sequence[Piece]) -> str:
    return ", ".join([*[":"] * node.attrs.axis, *(piece[0] for piece in args)])


def _gather(node: Node, args: Sequence[Piece]) -> Piece:
    return f"{_wrapped(args[0], _ATOM)}[{_indices(node, args[1:])}]", _ATOM


def _scatter(how: str) -> Callable[[Node, Sequence[Piece]], Piece]:
    return lambda node, args: (f"{_wrapped(args[0], _ATOM)}.at[{_indices(node, args[2:])}].{how}({args[1][0]})", _ATOM)


def _einsum(node: Node, args: Sequence[Piece]) -> Piece:
    letters = subscripts(node.attrs)
    if letters == "i,j->ij":
        return _call("outer", args)
    return f"einsum('{letters}', {', '.join(piece[0] for piece in args)})", _ATOM


def _sequence(node: Node, args: Sequence[Piece]) -> Piece:
    listed = f"[{', '.join(piece[0] for piece in args)}]"
    if node.op.name == "stack" and node.attrs.axis == 0 and node.ndim == 1:
        return listed, _ATOM
    return f"{node.op.name}({listed}, axis={node.attrs.axis})", _ATOM


_SPECIAL: dict[str, Callable[[Node, Sequence[Piece]], Piece]] = {
    "symbol": lambda node, args: (node.attrs.name, _ATOM),
    "parameter": lambda node, args: (node.attrs.name, _ATOM),
    "variable": lambda node, args: (node.attrs.name, _ATOM),
    "constant": _constant,
    "iota": lambda node, args: (f"arange({node.attrs.size})", _ATOM),
    "dim_value": lambda node, args: (str(node.attrs.dim), _ATOM),
    "negative": lambda node, args: (f"-{_wrapped(args[0], _UNARY)}", _UNARY),
    "square": lambda node, args: (f"{_wrapped(args[0], _ATOM)}**2", _POWER),
    "logical_not": lambda node, args: (f"~{_wrapped(args[0], _ATOM)}", _UNARY),
    "cast": lambda node, args: _call(str(node.type.dtype), args),
    "reshape": lambda node, args: (f"{_wrapped(args[0], _ATOM)}.reshape({_shape(node.shape)})", _ATOM),
    "expand_dims": lambda node, args: _call("expand_dims", args, f"axis={_shape(node.attrs.axes)}"),
    "squeeze": lambda node, args: _call("squeeze", args, f"axis={_shape(node.attrs.axes)}"),
    "transpose": _transpose,
    "slice": _slice,
    "place": _place,
    "update": _update,
    "gather": _gather,
    "scatter_add": _scatter("add"),
    "scatter_set": _scatter("set"),
    "einsum": _einsum,
    "stack": _sequence,
    "concatenate": _sequence,
    "log_softmax": _along,
    "softmax": _along,
    "custom_gradient": lambda node, args: _call(
        node.attrs.name, args[node.attrs.values : node.attrs.values + node.attrs.arguments]
    ),
    "item": lambda node, args: (
        args[0] if len(node.inputs[0].type.items) == 1 else (f"{args[0][0]}[{node.attrs.index}]", _ATOM)
    ),  # type: ignore[attr-defined]
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all", "mean", "logsumexp", "norm"), _reduction),
}
