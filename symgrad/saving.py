"""Graphs in files.  In: expressions.  Out: versioned JSON text, and expressions again.  Refuses unknown versions and operations.

The nodes are written in topological order, each once; nothing in the file is ever executed.  Placeholders with an
identity of their own get a new one when they are read, the same for all of one file.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symgrad import ops, provenance, types
from symgrad.containers import Structure, flatten, unflatten
from symgrad.dims import Dim
from symgrad.dims import rebuild as rebuild_dim
from symgrad.errors import SymgradError
from symgrad.node import Node, apply, topological
from symgrad.opdef import Kind, lookup
from symgrad.ops.boxes import Pick, Range
from symgrad.ops.control import Closed
from symgrad.ops.convolution import Span
from symgrad.ops.source import PARAMETER, Literal
from symgrad.ops.windows import Window
from symgrad.types import TensorType
from symgrad.verify import verify

__all__ = ["dumps", "load", "loads", "loads_one", "save"]

VERSION = 1
_CONTAINERS: dict[str, type] = {"tuple": tuple, "list": list, "dict": dict}
# Tuples that keep their class.
_RECORDS: dict[str, Any] = {"pick": Pick, "range": Range, "span": Span, "window": Window}


def save(path: str | os.PathLike[str], value: Any) -> None:
    """Write an expression, or a tuple, list or dict of expressions, to a file.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    value : expression or container of expressions

    Raises
    ------
    SymgradError
        The value holds something else, or a container of another class.
    OSError
        The file cannot be written; an existing one is then unchanged.

    Examples
    --------
    >>> import symgrad as sg, tempfile
    >>> x = sg.symbol("x")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sg.save(f"{folder}/loss.sg", {"loss": x * x})
    ...     sg.load(f"{folder}/loss.sg")["loss"].same(x * x)
    True
    """
    target = Path(path)
    data = dumps(value)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Any:
    """Read what :func:`save` wrote; nothing in the file is executed.

    Parameters
    ----------
    path : path

    Returns
    -------
    expression, or container of expressions
        Symbols are those of equal name and type; variables and traced arguments are new ones.

    Raises
    ------
    SymgradError
        The file is no saved graph, or of another version.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import symgrad as sg, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sg.save(f"{folder}/x.sg", sg.symbol("x", ("n",)))
    ...     print(sg.load(f"{folder}/x.sg").type)
    float64[n]
    """
    return loads(Path(path).read_bytes())


def loads_one(data: bytes) -> Any:
    """The first expression of saved data."""
    return loads(data)[0]


# -- writing --------------------------------------------------------------------------------------------------------
def dumps(value: Any) -> bytes:
    """The value as bytes; see :func:`save`."""
    leaves, structure = flatten(value)
    for leaf in leaves:
        if not isinstance(leaf, Node):
            raise SymgradError(f"save: {leaf!r} is not an expression")
    writer = _Writer(leaves)
    content = {
        "symgrad": VERSION,
        "nodes": writer.records,
        "structure": _structure_out(structure),
        "outputs": [writer.numbers[leaf] for leaf in leaves],
    }
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


def _structure_out(structure: Structure) -> Any:
    if structure.kind is None:
        return None
    name = structure.kind.__name__
    if _CONTAINERS.get(name) is not structure.kind:
        raise SymgradError(f"save: a container of class {name} cannot be saved", hint="use a tuple, list or dict")
    return [name, list(structure.keys), [_structure_out(part) for part in structure.parts]]


class _Writer:
    """Records of nodes, in an order in which each comes after what it refers to."""

    def __init__(self, outputs: Sequence[Node]) -> None:
        self.numbers: dict[Node, int] = {}
        self.records: list[Any] = []
        self._add(outputs)

    def _add(self, outputs: Sequence[Node]) -> None:
        for node in topological(outputs, self.numbers.__contains__):
            if node in self.numbers:
                continue
            if node.op.kind is Kind.CALLBACK:
                raise SymgradError(
                    f"save: callback {node.attrs.host.name} is a Python function, which cannot be written",
                    where=next(iter(node.lines), None),
                    hint="save what it is called with, and call it on what is loaded",
                )
            for closed in (one for one in node.attrs if isinstance(one, Closed)):
                self._add([*closed.parameters, *closed.present])
            attrs = [self._encode(one) for one in node.attrs]
            context = [node.context.scope, [list(pair) for pair in node.context.overrides]] if node.context else None
            self.numbers[node] = len(self.records)
            self.records.append([node.op.name, [self.numbers[one] for one in node.inputs], attrs, context])

    def _encode(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if value.__class__ in _RECORDS.values():
            return [type(value).__name__.lower(), *(self._encode(one) for one in value)]
        if isinstance(value, Closed):
            outputs = [None if one is None else self.numbers[one] for one in value.outputs]
            return ["closed", [self.numbers[one] for one in value.parameters], outputs]
        if isinstance(value, tuple):
            return ["tuple", *(self._encode(one) for one in value)]
        encoder = next((encode for kind, encode in _ENCODERS if isinstance(value, kind)), None)
        if encoder is None:
            raise SymgradError(f"save: an attribute {value!r} cannot be written")
        made: Any = encoder(self, value)
        return made

    def encode_dim(self, value: Dim) -> Any:
        _, (offset, terms, recipes) = value.__reduce__()
        encoded = {
            label: [kind, [self._encode(one) for one in operands]] for label, (kind, operands) in recipes.items()
        }
        return ["dim", offset, terms, encoded]


def _array_out(array: np.ndarray[Any, Any]) -> list[Any]:
    little = array.astype(array.dtype.newbyteorder("<"))
    return ["array", array.dtype.name, list(array.shape), base64.b64encode(little.tobytes()).decode()]


_ENCODERS: list[tuple[Any, Any]] = [
    (Dim, _Writer.encode_dim),
    (TensorType, lambda writer, value: ["type", value.dtype.name, *(writer._encode(one) for one in value.shape)]),
    (np.dtype, lambda writer, value: ["dtype", value.name]),
    (Literal, lambda writer, value: _array_out(value.array)),
]


# -- reading --------------------------------------------------------------------------------------------------------
def loads(data: bytes) -> Any:
    """The value that :func:`dumps` wrote."""
    try:
        content = json.loads(data)
        version = content["symgrad"]
    except (ValueError, KeyError, TypeError):
        raise SymgradError("load: this is no saved graph") from None
    if version != VERSION:
        raise SymgradError(f"load: the graph was saved in format {version}, this version reads format {VERSION}")
    try:
        nodes = _Reader(content["nodes"]).nodes
        verify(nodes)
        return unflatten(_structure_in(content["structure"]), [nodes[number] for number in content["outputs"]])
    except (KeyError, IndexError, TypeError, ValueError, binascii.Error) as error:
        raise SymgradError(f"load: the saved graph is damaged ({type(error).__name__}: {error})") from None


def _structure_in(encoded: Any) -> Structure:
    if encoded is None:
        return Structure()
    name, keys, parts = encoded
    return Structure(_CONTAINERS[name], tuple(keys), tuple(_structure_in(part) for part in parts))


class _Reader:
    """Nodes from records."""

    def __init__(self, records: Sequence[Any]) -> None:
        self.nodes: list[Any] = []
        for name, inputs, attrs, context in records:
            op = lookup(name)
            values = [self._decode(one) for one in attrs]
            identity = provenance.identity(context[0], tuple((a, b) for a, b in context[1])) if context else None
            token = provenance.current.set(provenance.BuildContext(identity))
            try:
                self.nodes.append(self._node(op, tuple(self.nodes[number] for number in inputs), values))
            finally:
                provenance.current.reset(token)

    def _node(self, op: Any, inputs: tuple[Node, ...], values: list[Any]) -> Any:
        if op is PARAMETER:
            return ops.parameter(values[0], values[1])
        return apply(op, inputs, op.attrs(*values) if op.attrs is not None else ())

    def _decode(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        tag, *rest = value
        if tag == "closed":
            parameters, outputs = rest
            return Closed(
                [self.nodes[number] for number in parameters],
                [None if number is None else self.nodes[number] for number in outputs],
            )
        if tag == "array":
            return _array_in(*rest)
        if tag == "dim":
            offset, terms, recipes = rest
            decoded = {
                label: (kind, tuple(self._decode(one) for one in operands))
                for label, (kind, operands) in recipes.items()
            }
            return rebuild_dim(offset, terms, decoded)
        parts = [self._decode(one) for one in rest]
        return _RECORDS[tag](*parts) if tag in _RECORDS else _DECODERS[tag](parts)


def _array_in(name: str, shape: list[int], encoded: str) -> Literal:
    dtype = types.as_dtype(name)
    raw = np.frombuffer(base64.b64decode(encoded), dtype.newbyteorder("<"))
    return Literal(raw.astype(dtype).reshape(shape))


_DECODERS: dict[str, Any] = {
    "tuple": tuple,
    "type": lambda parts: types.of(types.as_dtype(parts[0]), tuple(parts[1:])),
    "dtype": lambda parts: types.as_dtype(parts[0]),
}
