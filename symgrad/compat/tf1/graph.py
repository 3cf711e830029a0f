"""Graphs of the TensorFlow 1 spelling.  In: expressions and names.  Out: tensors, variables and operations of a graph.

A ``Tensor`` is an expression (``.node``) with a name; an ``Operation`` is a list of updates of variables.  The graph knows the
nodes whose evaluation makes operations run.  Under ``control_dependencies`` a variable is read as it is after the operations
that are waited for; expressions built outside the block keep the values from before the run.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, NoReturn

import numpy as np

import symgrad as sg
from symgrad import ops, types
from symgrad.config import during
from symgrad.containers import flatten, tree_map
from symgrad.node import Node, topological
from symgrad.provenance import observed, user_line

_numbers = itertools.count()


def fail(what: str, hint: str | None = None, kind: type[sg.SymgradError] = sg.SymgradError) -> NoReturn:
    """Refuse something that the user's current line asks for."""
    raise kind(what, where=user_line(), hint=hint)


class Operation:
    """Something that is run for its effect: updates of variables, after other operations."""

    def __init__(self, updates: Iterable[tuple[Node, Node]] = (), name: str = "NoOp") -> None:
        self.graph = get_default_graph()
        self.name, self.updates = self.graph.enter(name, self), dict(updates)
        self.after = closure((*WAITED.get(), *self.graph.started_by(self.updates.values())))

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Run it in a session, by default the one in force."""
        (session or get_default_session()).run(self, feed_dict)


def closure(operations: Iterable[Operation]) -> list[Operation]:
    """The operations and all that they wait for, in order."""
    return list(dict.fromkeys(one for last in operations for one in (*last.after, last)))


def changes_of(operations: Iterable[Operation]) -> dict[Node, Node]:
    """The value that each variable has after all of these operations.

    Raises
    ------
    SymgradError
        Two of them, neither of which waits for the other, give one variable different values.
    """
    last: dict[Node, Operation] = {}
    for one in closure(operations):
        for variable, new in one.updates.items():
            before = last.get(variable)
            if before is not None and before not in one.after and before.updates[variable] is not new:
                what = f"two operations of one run assign to {variable.attrs.name!r}: {before.name!r} and {one.name!r}"
                fail(what, "make one wait for the other: with tf.control_dependencies([first]):")
            last[variable] = one
    return {variable: one.updates[variable] for variable, one in last.items()}


class Dimension(int):
    """A size that is known."""

    value = property(int)


class TensorShape(tuple[Any, ...]):
    """Sizes of the axes; None for one that is not known before the run."""

    ndims = property(len)

    def as_list(self) -> list[int | None]:
        return list(self)

    def __repr__(self) -> str:
        return f"({', '.join('?' if size is None else str(size) for size in self)}{',' * (len(self) == 1)})"


class Tensor(np.lib.mixins.NDArrayOperatorsMixin):
    """An expression of a graph; operators are NumPy's, except that equality is identity."""

    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__
    sizes: Any = None  # of what `shape` gave, for use as a size again

    def __init__(self, node: Node, name: str | None = None) -> None:
        self.node, self.graph = node, get_default_graph()
        self._name = None if name is None else self.graph.enter(name, self)

    def __symgrad__(self) -> Node:
        return self.node

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        return call(getattr(ufunc, method), *alike(inputs), **options)  # x += 1 rebinds x

    @property
    def name(self) -> str:
        """The name with the number of the output, ``"x:0"``."""
        if self._name is None:
            self._name = self.graph.enter(self.node.op.name.capitalize(), self)
        return f"{self._name}:0"

    def get_shape(self) -> TensorShape:
        """The static shape."""
        return TensorShape(Dimension(size) if isinstance(size, int) else None for size in self.node.shape)

    op = property(lambda self: TensorOperation(self.node, self.name[:-2]))
    dtype, shape = property(lambda self: self.node.dtype), property(get_shape)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Its value in a session, by default the one in force."""
        return (session or get_default_session()).run(self, feed_dict)

    def __bool__(self) -> bool:
        fail("a tensor has no truth value before it is run", "tf.where, or run it in a session")

    def __iter__(self) -> Iterator[Tensor]:
        return (self[k] for k in range(len(self.node)))  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Tensor:
        found = call(lambda node, key: node[key], self, key)
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


class Graph:
    """Names, collections and gradient rules of tensors."""

    def __init__(self) -> None:
        self.elements: dict[str, Any] = {}  # by name
        self.shared: dict[str, Any] = {}  # what get_variable made, by name
        self.collections: defaultdict[str, list[Any]] = defaultdict(list)
        self.variables: dict[Node, Any] = {}
        self.starts: dict[Node, Sequence[Operation]] = {}  # what runs whenever a node is evaluated
        self.seed: int | None = None
        self._draws = itertools.count()
        self._counts: dict[str, int] = {}

    def as_default(self) -> AbstractContextManager[Graph]:
        """What is built inside the block belongs to this graph."""
        return during(_graph, self)

    def enter(self, name: str, element: Any = None) -> str:
        """Give an element its name, inside the scopes in force, with a number if it is taken."""
        full = made = f"{SCOPE.get().path}{name}"
        while made in self.elements:
            self._counts[full] = self._counts.get(full, 0) + 1
            made = f"{full}_{self._counts[full]}"
        self.elements[made] = element
        return made

    def seed_of(self, seed: int | None) -> Any:
        """What an operation draws from that has a seed of its own, or none."""
        return seed if self.seed is None else [self.seed, next(self._draws) if seed is None else seed]

    def started_by(self, nodes: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Operation]:
        """The operations that run when nodes are evaluated; nothing behind where ``stop`` holds is."""
        order = topological(nodes, stop) if self.starts else []
        return [one for node in order if not (stop and stop(node)) for one in self.starts.get(node, ())]

    def get_tensor_by_name(self, name: str) -> Any:
        """The tensor, variable or placeholder that is called ``"x:0"``."""
        found = self.elements.get(name.removesuffix(":0"))
        if found is None:
            fail(f"the graph has no tensor named {name!r}")
        return found

    def gradient_override_map(self, overrides: Mapping[str, str]) -> AbstractContextManager[None]:
        """Operations built inside the block are differentiated by the named rules."""
        return sg.gradient_override_map({name: _rules.get(rule, rule) for name, rule in overrides.items()})


class VariableScope(NamedTuple):
    """The scopes in force: of names, and of variables that are shared by name."""

    path: str = ""
    prefix: str = ""
    reuse: Any = False

    def reuse_variables(self) -> None:
        """From now on ``get_variable`` gives variables that exist."""
        SCOPE.set(SCOPE.get()._replace(reuse=True))


_rules: dict[str, str] = {}  # names of rules as symgrad knows them
_graph: ContextVar[Graph] = ContextVar("symgrad_tf1_graph")
SESSION: ContextVar[Any] = ContextVar("symgrad_tf1_session", default=None)
SCOPE: ContextVar[VariableScope] = ContextVar("symgrad_tf1_scope", default=VariableScope())  # noqa: B039 (immutable)
WAITED: ContextVar[tuple[Operation, ...]] = ContextVar("symgrad_tf1_waited", default=())


def get_default_graph() -> Graph:
    """The graph that new tensors belong to."""
    if _graph.get(None) is None:
        _graph.set(Graph())
    return _graph.get()


def reset_default_graph() -> None:
    """Begin an empty graph."""
    _graph.set(Graph())
    SCOPE.set(VariableScope())


def get_default_session() -> Any:
    """The session in force.

    Raises
    ------
    SymgradError
        There is none.
    """
    if SESSION.get() is None:
        fail("no session is in force", "with tf.Session():, or session=...")
    return SESSION.get()


def RegisterGradient(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name a rule ``rule(op, *grads)`` for ``gradient_override_map``; a name may be given anew."""

    def enter(rule: Callable[..., Any]) -> Callable[..., Any]:
        def on_nodes(node: Node, *heads: Any) -> Any:
            return unwrap(rule(TensorOperation(node), *map(wrap, heads)))

        on_nodes.__name__, _rules[name] = name, f"{name}/{id(on_nodes)}"
        sg.register_gradient(_rules[name])(on_nodes)
        return rule

    return enter


# -- building -------------------------------------------------------------------------------------------------------
def unwrap(value: Any) -> Any:
    """Tensors inside a value as nodes; a variable as it is after the operations that are waited for."""
    changed = changes_of(WAITED.get())
    return tree_map(lambda one: changed.get(one.node, one.node) if isinstance(one, Tensor) else one, value)


def wrap(value: Any, name: str | None = None) -> Any:
    """Nodes inside a value as tensors, whose evaluation starts what is waited for."""
    waited = WAITED.get()

    def as_tensor(one: Any) -> Any:
        return Tensor(own(one, waited) if waited else one, name) if isinstance(one, Node) else one

    return tree_map(as_tensor, value)


def own(node: Node, started: Sequence[Operation] = ()) -> Node:
    """The value of a node, as a node that no other is the same as, and whose evaluation starts operations."""
    with observed(None), sg.name_scope(f"own{next(_numbers)}"):
        made: Node = ops.identity(node)
    if started:
        get_default_graph().starts[made] = started
    return made


def call(function: Callable[..., Any], *args: Any, name: str | None = None, **options: Any) -> Any:
    """The result of a function of nodes, called with tensors, as tensors."""
    return wrap(function(*unwrap(args), **unwrap(options)), name)


def as_dtype(dtype: Any, default: Any = None) -> np.dtype[Any]:
    """The element type, or for None the default; as in TensorFlow, ``"float"`` has 32 bits."""
    given = default if dtype is None else dtype
    return types.as_dtype({"float": "float32", float: "float32", int: "int32", "int": "int32"}.get(given, given))


def convert(value: Any, dtype: Any = None) -> Any:
    """A tensor as it is; numbers and arrays as a node: Python's become float32, int32 or bool."""
    if isinstance(value, (Tensor, Node)):
        return value if isinstance(value, Tensor) else Tensor(value)
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
    if dtype is None and not any(isinstance(one, (np.ndarray, np.generic)) for one in flatten(value)[0]):
        dtype = {"f": np.float32, "i": np.int32}.get(array.dtype.kind)
    kind = array.dtype if dtype is None else as_dtype(dtype)
    if array.size and not np.can_cast(array.dtype, kind, "same_kind"):
        fail(f"{value!r} is no value of {kind}", "tf.cast, or another dtype", sg.DTypeError)
    return np.asarray(array, kind)


def alike(values: Iterable[Any]) -> list[Any]:
    """Operands as tensors; what is no tensor takes the element type of the first that is, or else that of a float."""
    ready = [convert(one) if ops.is_symbolic(unwrap(one)) else one for one in values]
    kinds = [one.dtype for one in ready if isinstance(one, Tensor)]
    floats = [array_of(one).dtype for one in ready if not kinds and np.asarray(one).dtype.kind == "f"]
    return [convert(one, next(iter(kinds + floats), None)) for one in ready]


# -- scopes ---------------------------------------------------------------------------------------------------------
@contextmanager
def name_scope(name: str | None, default_name: str | None = None, values: Any = None) -> Iterator[str]:
    """Names of what is built inside begin with the scope's, which gets a number if it is taken."""
    own_name, here = (name or default_name or "").rstrip("/"), SCOPE.get()
    path = f"{get_default_graph().enter(own_name)}/" if own_name else ""
    inside = sg.name_scope(path[len(here.path) : -1]) if path else observed(None)
    with during(SCOPE, here._replace(path=path)), inside:
        yield path


AUTO_REUSE = "auto"


@contextmanager
def variable_scope(name_or_scope: Any, default_name: Any = None, *, reuse: Any = None, **ignored: Any) -> Iterator[Any]:
    """Names of variables made inside begin with the scope's; with ``reuse``, ``get_variable`` gives those that exist."""
    here, given = SCOPE.get(), name_or_scope or default_name
    full = given.prefix[:-1] if isinstance(given, VariableScope) else f"{here.prefix}{given}"
    with name_scope(full.rpartition("/")[2] or None) as path:
        inside = VariableScope(path, f"{full}/" if full else "", here.reuse if reuse is None else reuse)
        with during(SCOPE, inside):
            yield inside


def get_variable_scope() -> VariableScope:
    """The variable scope in force."""
    return SCOPE.get()


def control_dependencies(inputs: Sequence[Any] | None) -> AbstractContextManager[Any]:
    """What is built inside is evaluated after these operations, and reads variables as they leave them; None: after nothing."""
    if inputs is None:
        return during(WAITED, ())
    graph = get_default_graph()
    added = [[one] if isinstance(one, Operation) else graph.started_by([convert(one).node]) for one in inputs]
    return during(WAITED, (*WAITED.get(), *itertools.chain(*added)))


def group(*inputs: Any, name: str = "group_deps") -> Operation:
    """One operation that runs all of these."""
    with control_dependencies(inputs):
        return Operation(name=name)


def no_op(name: str = "NoOp") -> Operation:
    """An operation that does nothing but wait for what it is built after."""
    return Operation(name=name)
