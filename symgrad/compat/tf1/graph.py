"""Graphs of the TensorFlow 1 spelling.  In: expressions and names.  Out: tensors, variables and operations of a graph.

A ``Tensor`` is an expression (``.node``) with a name, and with the operations that have to run whenever it is evaluated.
An ``Operation`` is a list of updates.  Under ``control_dependencies`` a variable is read as it is after the operations that
are waited for; expressions built outside the block keep the values from before the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.containers import flatten, tree_map
from symgrad.diff.rules import gradient_override_map, register_gradient
from symgrad.dims import Size
from symgrad.errors import DTypeError, SymgradError
from symgrad.node import Node
from symgrad.provenance import name_scope as node_scope
from symgrad.provenance import observed, user_line

Changes = dict[Node, Node]  # new values by variable


class Operation:
    """Something that is run for its effect: updates of variables, after other operations."""

    def __init__(self, updates: Iterable[tuple[Node, Node]] = (), name: str = "NoOp") -> None:
        self.graph = get_default_graph()
        self.name = self.graph.unique(name)
        self.after: tuple[Operation, ...] = _waited.get()
        self.updates: Changes = dict(updates)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run it in a session, by default the one in force."""
        (session or get_default_session()).run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r}>"


def closure(operations: Iterable[Operation]) -> list[Operation]:
    """The operations and all that they wait for, in order."""
    order: dict[Operation, None] = {}
    pending = list(operations)[::-1]
    while pending:
        missing = [one for one in pending[-1].after if one not in order]
        if missing:
            pending.extend(reversed(missing))
        else:
            order[pending.pop()] = None
    return list(order)


def changes_of(operations: Sequence[Operation]) -> Changes:
    """The value that each variable has after all of these operations.

    Raises
    ------
    SymgradError
        Two of them, neither of which waits for the other, give one variable different values.
    """
    changes: Changes = {}
    origin: dict[Node, Operation] = {}
    for one in closure(operations):
        for variable, new in one.updates.items():
            if variable in changes and changes[variable] is not new and origin[variable] not in closure([one]):
                raise SymgradError(
                    f"two operations of one run assign to {variable.attrs.name!r}: {origin[variable].name!r} and {one.name!r}",
                    where=user_line(),
                    hint="make one wait for the other: with tf.control_dependencies([first]):",
                )
            changes[variable], origin[variable] = new, one
    return changes


class Dimension(int):
    """A size that is known."""

    @property
    def value(self) -> int:
        return int(self)


class TensorShape(tuple[Any, ...]):
    """Sizes of the axes; None for one that is not known before the run."""

    __slots__ = ()

    @property
    def ndims(self) -> int:
        return len(self)

    def as_list(self) -> list[int | None]:
        return [None if size is None else int(size) for size in self]

    def __repr__(self) -> str:
        return f"({', '.join('?' if size is None else str(int(size)) for size in self)}{',' * (len(self) == 1)})"


class Tensor:
    """An expression of a graph."""

    __array_ufunc__ = None  # NumPy arrays leave operators to us
    sizes: tuple[Size, ...] | Size | None = None  # of what `shape` gave, for use as a size again

    def __init__(self, node: Node, after: Iterable[Operation] = (), name: str | None = None) -> None:
        self.node, self.graph = node, get_default_graph()
        self.after = tuple(dict.fromkeys((*after, *_waited.get())))
        self._name = None if name is None else self.graph.enter(name, self)

    def __symgrad__(self) -> Node:
        return self.node

    @property
    def name(self) -> str:
        """The name with the number of the output, ``"x:0"``."""
        if self._name is None:
            self._name = self.graph.enter(self.node.op.name.capitalize(), self)
        return f"{self._name}:0"

    @property
    def op(self) -> TensorOperation:
        return TensorOperation(self.node, self.name[:-2])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.node.dtype

    @property
    def shape(self) -> TensorShape:
        return TensorShape(Dimension(size) if isinstance(size, int) else None for size in self.node.shape)

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return self.shape

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Its value in a session, by default the one in force."""
        return (session or get_default_session()).run(self, feed_dict)

    def __bool__(self) -> bool:
        raise SymgradError(
            "a tensor has no truth value before it is run", where=user_line(), hint="tf.where, or run it in a session"
        )

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self.node)))  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Tensor:
        found = call(lambda node, *keys: node[unwrap(key)], self)
        if isinstance(self.sizes, tuple) and isinstance(key, (int, slice)):
            found.sizes = self.sizes[key]
        return found

    def __repr__(self) -> str:
        return f"<tf.{type(self).__name__} {self.name!r} shape={self.shape!r} dtype={self.dtype}>"


class TensorOperation:
    """What gradient rules get: the operation behind a tensor, its inputs and results as tensors."""

    def __init__(self, node: Node, name: str | None = None) -> None:
        self.node, self.type, self.name = node, node.op.name, name or node.op.name
        self.inputs, self.outputs = [Tensor(one) for one in node.inputs], [Tensor(node)]

    def get_attr(self, name: str) -> Any:
        """A parameter of the operation."""
        return getattr(self.node.attrs, name)


class Graph:
    """Names, collections and gradient rules of tensors."""

    def __init__(self) -> None:
        self.elements: dict[str, Any] = {}  # by name
        self.shared: dict[str, Any] = {}  # what get_variable made, by name
        self.collections: dict[str, list[Any]] = {}
        self.variables: dict[Node, Any] = {}
        self.seed: int | None = None
        self._counts: dict[str, int] = {}

    @contextmanager
    def as_default(self) -> Iterator[Graph]:
        """What is built inside the block belongs to this graph."""
        token = _graph.set(self)
        try:
            yield self
        finally:
            _graph.reset(token)

    def unique(self, name: str) -> str:
        """The name, with a number if it is taken; from now on it is."""
        made = name
        while made in self.elements:
            self._counts[name] = self._counts.get(name, 0) + 1
            made = f"{name}_{self._counts[name]}"
        self.elements[made] = None
        return made

    def enter(self, name: str, element: Any) -> str:
        """Give an element its name, inside the scopes in force."""
        made = self.unique(f"{_scope.get()[0]}{name}")
        self.elements[made] = element
        return made

    def get_tensor_by_name(self, name: str) -> Any:
        """The tensor, variable or placeholder that is called ``"x:0"``."""
        found = self.elements.get(name.removesuffix(":0"))
        if found is None:
            raise SymgradError(f"the graph has no tensor named {name!r}", where=user_line())
        return found

    def get_collection(self, key: str, scope: str | None = None) -> list[Any]:
        """The elements of a collection; those whose names begin with ``scope``, a regular expression."""
        found = self.collections.get(key, [])
        return [one for one in found if scope is None or re.match(scope, one.name)]

    def add_to_collection(self, key: str, element: Any) -> None:
        """Append to a collection."""
        self.collections.setdefault(key, []).append(element)

    @contextmanager
    def gradient_override_map(self, overrides: Mapping[str, str]) -> Iterator[None]:
        """Operations built inside the block are differentiated by the named rules."""
        found = {_OPERATIONS.get(name, name): _rules.get(rule, rule) for name, rule in overrides.items()}
        with gradient_override_map(found):
            yield


# TensorFlow's names of operations whose own are not these in small letters.
_OPERATIONS = {"AddV2": "add", "RealDiv": "divide", "Div": "divide", "Round": "rint", "Sigmoid": "expit"} | {
    theirs.capitalize(): ours
    for theirs, ours in (
        ("mul", "multiply"),
        ("sub", "subtract"),
        ("neg", "negative"),
        ("abs", "absolute"),
        ("pow", "power"),
    )
}
_rules: dict[str, str] = {}  # names of rules as symgrad knows them

_graph: ContextVar[Graph | None] = ContextVar("symgrad_tf1_graph", default=None)
_session: ContextVar[Any] = ContextVar("symgrad_tf1_session", default=None)
_scope: ContextVar[tuple[str, str, Any]] = ContextVar("symgrad_tf1_scope", default=("", "", False))
_waited: ContextVar[tuple[Operation, ...]] = ContextVar("symgrad_tf1_waited", default=())


def get_default_graph() -> Graph:
    """The graph that new tensors belong to."""
    found = _graph.get()
    if found is None:
        found = Graph()
        _graph.set(found)
    return found


def reset_default_graph() -> None:
    """Begin an empty graph."""
    _graph.set(Graph())
    _scope.set(("", "", False))


def get_default_session() -> Any:
    """The session in force.

    Raises
    ------
    SymgradError
        There is none.
    """
    if _session.get() is None:
        raise SymgradError("no session is in force", where=user_line(), hint="with tf.Session():, or session=...")
    return _session.get()


def RegisterGradient(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name a rule ``rule(op, *grads)`` for ``gradient_override_map``; a name may be given anew."""

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        def on_nodes(node: Node, *heads: Any) -> Any:
            return unwrap(rule(TensorOperation(node), *(None if one is None else Tensor(one) for one in heads)))

        inner = f"{name}/{id(on_nodes)}"
        on_nodes.__name__ = name
        register_gradient(inner)(on_nodes)
        _rules[name] = inner
        return rule

    return enter


# -- building -------------------------------------------------------------------------------------------------------
def unwrap(value: Any) -> Any:
    """Tensors inside a value as nodes; a variable as it is after the operations that are waited for."""
    return tree_map(lambda one: _read(one) if isinstance(one, Tensor) else one, value)


def _read(tensor: Tensor) -> Node:
    if _waited.get() and tensor.node in tensor.graph.variables:
        return changes_of(_waited.get()).get(tensor.node, tensor.node)
    return tensor.node


def call(function: Callable[..., Any], *args: Any, name: str | None = None, **options: Any) -> Any:
    """The result of a function of nodes as a tensor, or a list of tensors; it waits for what its arguments wait for."""
    after: dict[Operation, None] = {}
    tree_map(lambda one: after.update(dict.fromkeys(one.after)) if isinstance(one, Tensor) else None, (args, options))
    made = function(*unwrap(args), **unwrap(options))
    if isinstance(made, (list, tuple)):
        return [None if one is None else Tensor(one, after) for one in made]
    return Tensor(made, after, name)


def as_dtype(dtype: Any, default: Any = None) -> np.dtype[Any]:
    """The element type, or for None the default; as in TensorFlow, ``"float"`` has 32 bits."""
    given = default if dtype is None else dtype
    return types.as_dtype({"float": "float32", float: "float32", int: "int32", "int": "int32"}.get(given, given))


def convert(value: Any, dtype: Any = None) -> Any:
    """A tensor as it is; numbers and arrays as a node: Python's become float32, int32 or bool."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Node):
        return Tensor(value)
    if isinstance(value, (list, tuple)) and ops.is_symbolic(unwrap(value)):
        return call(lambda parts: ops.array(parts, None if dtype is None else as_dtype(dtype)), value)
    return Tensor(ops.constant(array_of(value, dtype)))


def array_of(value: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A value as an array; Python's numbers have TensorFlow's default element types.

    Raises
    ------
    DTypeError
        The value is of another kind than ``dtype``.
    """
    array = np.asarray(value)
    if dtype is None and not isinstance(value, (np.ndarray, np.generic)) and not _holds_numpy(value):
        dtype = {"f": np.float32, "i": np.int32}.get(array.dtype.kind)
    kind = array.dtype if dtype is None else as_dtype(dtype)
    if array.size and not np.can_cast(array.dtype, kind, "same_kind"):
        raise DTypeError(f"{value!r} is no value of {kind}", where=user_line(), hint="tf.cast, or another dtype")
    return np.asarray(array, kind)


def _holds_numpy(value: Any) -> bool:
    return any(isinstance(one, (np.ndarray, np.generic)) for one in flatten(value)[0])


# -- scopes ---------------------------------------------------------------------------------------------------------
@contextmanager
def name_scope(name: str | None, default_name: str | None = None, values: Any = None) -> Iterator[str]:
    """Names of what is built inside begin with the scope's, which gets a number if it is taken."""
    outer, shared, reuse = _scope.get()
    own = name or default_name
    path = f"{get_default_graph().unique(outer + own.rstrip('/'))}/" if own else ""
    token = _scope.set((path, shared, reuse))
    try:
        with node_scope(path[len(outer) : -1]) if path else observed(None):
            yield path
    finally:
        _scope.reset(token)


class VariableScope:
    """The scope in force of variables that are shared by name."""

    def __init__(self, name: str, reuse: Any) -> None:
        self.name, self.reuse, self.original_name_scope = name, reuse, f"{name}/"

    def reuse_variables(self) -> None:
        """From now on ``get_variable`` gives variables that exist."""
        outer, shared, _ = _scope.get()
        _scope.set((outer, shared, True))


AUTO_REUSE = "auto"


@contextmanager
def variable_scope(
    name_or_scope: Any, default_name: str | None = None, values: Any = None, reuse: Any = None, **ignored: Any
) -> Iterator[VariableScope]:
    """Names of variables made inside begin with the scope's; with ``reuse``, ``get_variable`` gives those that exist."""
    _, shared, inherited = _scope.get()
    given = name_or_scope or default_name
    full = given.name if isinstance(given, VariableScope) else f"{shared}{given}"
    reuse = inherited if reuse is None else reuse
    with name_scope(full.rpartition("/")[2] or None):
        token = _scope.set((_scope.get()[0], f"{full}/" if full else "", reuse))
        try:
            yield VariableScope(full, reuse)
        finally:
            _scope.reset(token)


def get_variable_scope() -> VariableScope:
    """The variable scope in force."""
    _, shared, reuse = _scope.get()
    return VariableScope(shared.removesuffix("/"), reuse)


@contextmanager
def control_dependencies(inputs: Sequence[Any] | None) -> Iterator[None]:
    """What is built inside is evaluated after these operations, and reads variables as they leave them; None: after nothing."""
    added = [one for item in inputs or () for one in ([item] if isinstance(item, Operation) else item.after)]
    token = _waited.set(() if inputs is None else (*_waited.get(), *added))
    try:
        yield
    finally:
        _waited.reset(token)


def group(*inputs: Any, name: str = "group_deps") -> Operation:
    """One operation that runs all of these."""
    with control_dependencies(inputs):
        return Operation(name=name)


def no_op(name: str = "NoOp") -> Operation:
    """An operation that does nothing but wait for what it is built after."""
    return Operation(name=name)
