"""Expressions as mathematics.  In: nodes.  Out: infix text in the user's names.

Shared sub-expressions are not repeated: each gets a name and a line of its own after ``where``.  Broadcasts and other
changes of shape that NumPy makes by itself are not shown.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad import dims
from symgrad.dims import Dim, Size
from symgrad.indexing import slice_range
from symgrad.node import Node, topological
from symgrad.ops.boxes import Box, Pick, Range
from symgrad.ops.contraction import subscripts
from symgrad.ops.source import is_placeholder
from symgrad.types import same_shape

__all__ = ["Piece", "Writer", "box_text", "of_user", "summary", "text"]

_ATOM, _POWER, _UNARY, _MATMUL, _QUOTIENT, _PRODUCT, _REMAINDER, _SUM = 11, 10, 9, 8, 7, 6, 5, 4
_AND, _XOR, _OR, _COMPARE = 3, 2, 1, 0  # in Python, & and | bind more tightly than <
_INFIX = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("*", _PRODUCT),
    "masked_multiply": ("*", _PRODUCT),
    "zero_multiply": ("*", _PRODUCT),
    "divide": ("/", _QUOTIENT),
    "floor_divide": ("//", _REMAINDER),
    "remainder": ("%", _REMAINDER),
    "matmul": ("@", _MATMUL),
    "power": ("**", _POWER),
    "less": ("<", _COMPARE),
    "less_equal": ("<=", _COMPARE),
    "greater": (">", _COMPARE),
    "greater_equal": (">=", _COMPARE),
    "equal": ("==", _COMPARE),
    "not_equal": ("!=", _COMPARE),
    "logical_and": ("&", _AND),
    "logical_or": ("|", _OR),
    "logical_xor": ("^", _XOR),
    "bitwise_and": ("&", _AND),
    "bitwise_or": ("|", _OR),
    "bitwise_xor": ("^", _XOR),
}
_HIDDEN = {"broadcast_to", "assert_shape"}
_NAMES = {"absolute": "abs"}
MAX_NODES = 10_000  # beyond which only a summary is printed
_MAX_WIDTH = 60  # half the length of a summary
_MAX_REPEATED = 10  # characters of a repeated sub-expression that is written out each time
_MAX_LENGTH = 400  # characters from which any sub-expression gets a line of its own

Piece = tuple[str, int]  # text, precedence


def text(node: Node) -> str:
    """The expression, with shared parts as ``where`` lines."""
    order = topological([node])
    if len(order) > MAX_NODES:
        return f"{summary(node)}  ({len(order)} nodes)"
    writer = Writer(order, node, _piece, lambda k: f"t{k}")
    lines = [writer.pieces[node][0]]
    lines += [f"{name} = {body}" for name, body in writer.shared]
    return "\n".join([lines[0], *(("where " if k == 0 else "      ") + line for k, line in enumerate(lines[1:]))])


def summary(node: Node, depth: int = 3) -> str:
    """The expression on one short line, deep parts as ``...``."""
    shown: set[Node] = set()
    level = [node]
    for _ in range(depth):
        shown.update(level)
        level = [one for parent in level for one in parent.inputs]
    pieces: dict[Node, Piece] = {}
    for one in topological([node], lambda one: one not in shown):
        cut = one not in shown and one.inputs
        pieces[one] = ("...", _ATOM) if cut else _piece(one, [pieces[k] for k in one.inputs])
    line = pieces[node][0]
    return line if len(line) <= 2 * _MAX_WIDTH else line[: 2 * _MAX_WIDTH - 3] + "..."


class Writer:
    """Texts of all nodes, bottom up; what several nodes use and is not short gets a name, and so does what grows long.

    ``piece`` writes a node, given the pieces of its inputs; ``name`` makes the name of the k-th shared part.
    """

    def __init__(
        self,
        order: Sequence[Node],
        root: Node,
        piece: Callable[[Node, Sequence[Piece]], Piece],
        name: Callable[[int], str],
    ) -> None:
        self.name = name
        uses: dict[Node, int] = {}
        for node in order:
            for one in node.inputs:
                uses[_shown(one)] = uses.get(_shown(one), 0) + 1
        self.taken = {one.attrs.name for one in order if is_placeholder(one)}
        self.pieces: dict[Node, Piece] = {}
        self.shared: list[tuple[str, str]] = []
        for node in order:
            made = piece(node, [self.pieces[one] for one in node.inputs])
            if node is not root and node.inputs and node.op.name not in _HIDDEN:
                length = len(made[0])
                if length > _MAX_LENGTH or (uses.get(node, 0) > 1 and length > _MAX_REPEATED):
                    made = (self._named(made[0]), _ATOM)
            self.pieces[node] = made
        self.shared.reverse()

    def _named(self, body: str) -> str:
        k = len(self.shared) + 1
        while f"t{k}" in self.taken:
            k += 1
        self.taken.add(f"t{k}")
        self.shared.append((self.name(k), body))
        return self.name(k)


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
    associative = name in ("add", "multiply", "masked_multiply", "zero_multiply", "logical_and", "logical_or")
    left = level + 1 if level == _COMPARE else level
    right = level if associative else _QUOTIENT + 1 if level == _REMAINDER else level + 1
    parts = [_wrapped(args[0], left), _wrapped(args[1], right)]
    if name != "matmul":  # Python gives @ the rank of *, so a matrix product among factors needs its brackets
        parts = [
            f"({part})" if piece[1] == _MATMUL and part == piece[0] else part
            for part, piece in zip(parts, args, strict=True)
        ]
    return f"{parts[0]} {sign} {parts[1]}", level


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


def _running(node: Node, args: Sequence[Piece]) -> Piece:
    return _call(node.op.name, args, *([f"axis={node.attrs.axis}"] if node.ndim > 1 else []))


def _along(node: Node, args: Sequence[Piece]) -> Piece:
    axes = node.attrs.axes
    return _call(node.op.name, args, f"axis={axes[0] if len(axes) == 1 else axes}")


def _transpose(node: Node, args: Sequence[Piece]) -> Piece:
    if node.attrs.axes == (1, 0):
        return f"{_wrapped(args[0], _ATOM)}.T", _ATOM
    return _call("transpose", args, str(node.attrs.axes))


def _solved(node: Node, args: Sequence[Piece]) -> Piece:
    if node.op.name == "solve":
        turned = f"{_wrapped(args[0], _ATOM)}.{'T' if node.inputs[0].ndim == 2 else 'mT'}"
        return _call("solve", [(turned, _ATOM), args[1]] if node.attrs.transposed else args)
    options = zip(("lower", "transposed", "unit_diagonal"), node.attrs, strict=True)
    return _call(node.op.name, args, *(f"{name}=True" for name, chosen in options if chosen))


def box_text(box: Box, shape: Sequence[Size]) -> str:
    """A box as it would stand between brackets."""
    return ", ".join(_entry_text(entry, size) for entry, size in zip(box, shape, strict=True))


def _entry_text(entry: Pick | Range, size: Size) -> str:
    if isinstance(size, Dim):
        written = _as_written(entry, size)
        if written is not None:
            return written
    if isinstance(entry, Pick):
        return str(entry.position)
    stop = entry.start + entry.size * entry.step
    begin = 0 if entry.step > 0 else size - 1
    first = "" if same_shape((entry.start,), (begin,)) else str(entry.start)
    past = isinstance(stop, int) and (stop < 0 or (isinstance(size, int) and stop >= size))
    last = "" if past or same_shape((stop,), (size,)) else str(stop)
    return f"{first}:{last}" + (f":{entry.step}" if entry.step != 1 else "")


def _as_written(entry: Pick | Range, size: Dim) -> str | None:
    """The index with constant bounds that means this part of a dynamic axis, if there is one."""
    if isinstance(entry, Pick):
        from_end = (-k for k in _constants(entry.position) if k > 0)
        return next((str(k) for k in from_end if dims.maximum(size, -k) + k is entry.position), None)
    bounds: list[int | None] = [None]
    for k in _constants(entry.start) + _constants(entry.size):
        for one in (k, k + 1) if entry.step < 0 else (k,):  # clipping of backward slices counts from -1
            bounds += [one, -one] if one > 0 and one not in bounds else []
    for first, last in itertools.product(bounds, [*bounds, *_ends(entry, bounds)]):
        made = slice_range(slice(first, last, entry.step), size)
        if same_shape((made.start, made.size), (entry.start, entry.size)):
            texts = ["" if one is None else str(one) for one in (first, last)]
            return ":".join([*texts, str(entry.step)] if entry.step != 1 else texts)
    return None


def _ends(entry: Range, bounds: Sequence[int | None]) -> list[int]:
    """More bounds counted from the end: the size of a part has what both ends leave out, and its step, in one number."""
    cuts = [sign * k + entry.step - 1 for k in (0, *_constants(entry.size)) for sign in (1, -1)]
    ends = {front - cut for cut in cuts for front in (0, *(one for one in bounds if one is not None and one > 0))}
    return sorted(one for one in ends if one < 0 and one not in bounds) if entry.step > 0 else []


_MAX_CONSTANTS = 4


def _constants(size: Size) -> list[int]:
    """Magnitudes of the numbers that a size is made of, a few."""
    found: dict[int, None] = {}
    pending = [size]
    while pending and len(found) < _MAX_CONSTANTS:
        one = pending.pop()
        found.setdefault(abs(one if isinstance(one, int) else one.offset))
        if isinstance(one, Dim):
            pending.extend(part for monomial, _ in one.terms for atom in monomial for part in atom.operands)
    return list(found)


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


def _item(node: Node, args: Sequence[Piece]) -> Piece:
    kind: Any = node.inputs[0].type
    return args[0] if len(kind.items) == 1 else (f"{args[0][0]}[{node.attrs.position}]", _ATOM)


def of_user(call: Callable[[str, Sequence[Piece]], Piece]) -> dict[str, Callable[[Node, Sequence[Piece]], Piece]]:
    """Operations that are functions of the user's: calls of those names."""

    def host(node: Node, args: Sequence[Piece]) -> Piece:
        return call(node.attrs.host.name, args)

    def custom(node: Node, args: Sequence[Piece]) -> Piece:
        first = node.attrs.values
        return call(node.attrs.name, args[first : first + node.attrs.arguments])

    return {"custom_gradient": custom, "callback": host, "stateless_callback": host}


_SPECIAL: dict[str, Callable[[Node, Sequence[Piece]], Piece]] = {
    "symbol": lambda node, args: (node.attrs.name, _ATOM),
    "parameter": lambda node, args: (node.attrs.name, _ATOM),
    "variable": lambda node, args: (node.attrs.name, _ATOM),
    "constant": _constant,
    "iota": lambda node, args: (f"arange({node.attrs.size})", _ATOM),
    "dim_value": lambda node, args: (str(node.attrs.dim), _ATOM),
    "power_log": lambda node, args: _infix(
        "multiply",
        [
            _infix("power", args),
            _call("log", args[:1]) if node.attrs.order == 1 else (f"log({args[0][0]})**{node.attrs.order}", _POWER),
        ],
    ),
    "negative": lambda node, args: (f"-{_wrapped(args[0], _UNARY)}", _UNARY),
    "square": lambda node, args: (f"{_wrapped(args[0], _ATOM)}**2", _POWER),
    "logical_not": lambda node, args: (f"~{_wrapped(args[0], _ATOM)}", _UNARY),
    "invert": lambda node, args: (f"~{_wrapped(args[0], _ATOM)}", _UNARY),
    "sinc_derivative": lambda node, args: _call("sinc_derivative", args, f"order={node.attrs.order}"),
    "cast": lambda node, args: _call(str(node.type.dtype), args),
    "reshape": lambda node, args: (f"{_wrapped(args[0], _ATOM)}.reshape({_shape(node.shape)})", _ATOM),
    "expand_dims": lambda node, args: _call("expand_dims", args, f"axis={_shape(node.attrs.axes)}"),
    "squeeze": lambda node, args: _call("squeeze", args, f"axis={_shape(node.attrs.axes)}"),
    "transpose": _transpose,
    **dict.fromkeys(("solve", "solve_triangular"), _solved),
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
    **of_user(_call),
    "item": _item,
    "basis": lambda node, args: (f"basis({_shape(node.attrs.type.shape)})", _ATOM),
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all", "mean", "logsumexp", "norm"), _reduction),
    **dict.fromkeys(("argmax", "argmin"), _reduction),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "recurrence"), _running),
    "searchsorted": lambda node, args: _call("searchsorted", args, *(["side='right'"] if node.attrs.right else [])),
}
