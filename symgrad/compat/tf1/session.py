"""Variables and sessions of the TensorFlow 1 spelling.  In: initial values; fetches and feeds.  Out: variables; arrays.

A variable of the graph stands for one of each session, which has a value once its initialiser has run there.  Each distinct
set of fetches, with the set of tensors that are fed, is compiled once to a kernel, which also makes the updates of the
operations that run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np

import symgrad as sg
from symgrad import ops, types
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.functions import glorot_uniform_initializer
from symgrad.compat.tf1.graph import Operation, Tensor, call, convert, fail, get_default_graph
from symgrad.compile import compile
from symgrad.config import during
from symgrad.containers import flatten, unflatten
from symgrad.node import Node, substitute, topological
from symgrad.ops.coerce import shape_text
from symgrad.ops.source import CONSTANT, is_placeholder
from symgrad.provenance import observed


# -- variables ------------------------------------------------------------------------------------------------------
class GraphKeys:
    """Names of collections."""

    GLOBAL_VARIABLES, TRAINABLE_VARIABLES, GLOBAL_STEP = "variables", "trainable_variables", "global_step"
    REGULARIZATION_LOSSES, LOSSES, UPDATE_OPS = "regularization_losses", "losses", "update_ops"


def assign(ref: Any, value: Any, validate_shape: bool = True, use_locking: bool = False, name: Any = None) -> Tensor:
    """A tensor of the new value, which the variable gets whenever the tensor is evaluated.

    Raises
    ------
    ShapeError
        The value's shape is not the variable's.
    DTypeError
        Its element type is of another kind.
    """
    if not isinstance(ref, Variable):
        fail(f"assign: {ref!r} is no variable")
    new = convert(value, ref.dtype)
    if not np.can_cast(new.dtype, ref.dtype, "same_kind"):
        fail(f"assign: a value of {new.dtype} for {ref.name!r}, which is {ref.dtype}", kind=sg.DTypeError)
    stored = call(lambda node: ops.cast(ops.assert_shape(node, ref.node.shape), ref.dtype), new).node
    return Tensor(graphs.own(stored, [Operation([(ref.node, stored)], name or "Assign")]))


def assign_add(ref: Any, value: Any, use_locking: bool = False, name: Any = None) -> Tensor:
    """``assign`` of the sum."""
    return assign(ref, call(ops.add, ref, convert(value, ref.dtype)), name=name)


def assign_sub(ref: Any, value: Any, use_locking: bool = False, name: Any = None) -> Tensor:
    """``assign`` of the difference."""
    return assign(ref, call(ops.subtract, ref, convert(value, ref.dtype)), name=name)


class Variable(Tensor):
    """State of a session; ``initial_value`` is a tensor, an array, a number, or a function that gives one.

    Of the ``options``, ``name`` and ``dtype`` count, and ``node`` is a variable of symgrad to stand for.
    """

    assign, assign_add, assign_sub = assign, assign_add, assign_sub

    def __init__(self, initial_value: Any, trainable: bool = True, collections: Any = None, **options: Any) -> None:
        name, dtype, node = options.get("name") or "Variable", options.get("dtype"), options.get("node")
        with graphs.control_dependencies(None):
            start = convert(initial_value() if callable(initial_value) else initial_value, dtype).node
        self.initial = start if dtype is None else ops.cast(start, graphs.as_dtype(dtype))
        self.graph, self.trainable = get_default_graph(), trainable
        self._name = self.graph.enter(name, self)
        with observed(None):
            kind = {"dtype": self.initial.dtype, "shape": self.initial.shape}
            self.node = sg.variable(self._name, trainable=trainable, **kind) if node is None else node
        self.graph.variables[self.node] = self
        keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else collections
        for key in {*keys, GraphKeys.TRAINABLE_VARIABLES} if trainable else set(keys):
            add_to_collection(key, self)
        with graphs.control_dependencies(None), during(graphs.SCOPE, graphs.VariableScope()):
            self.initializer = Operation([(self.node, self.initial)], f"{self._name}/Assign")

    def initialized_value(self) -> Tensor:
        """The initial value, for those of other variables."""
        return Tensor(self.initial)


def adopt(node: Node) -> Variable:
    """A variable that symgrad has made, as one of the graph; its value is the initial one."""
    state = node.attrs.state
    with during(graphs.SCOPE, graphs.VariableScope()):
        return Variable(state.array.copy(), state.trainable, name=node.attrs.name, node=node)


def get_variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None, **options: Any
) -> Any:
    """The variable of this name in the variable scope: a new one, or with ``reuse`` one that exists.

    Raises
    ------
    SymgradError
        It exists and may not be reused, or does not exist and has to.
    """
    graph, scope = get_default_graph(), graphs.SCOPE.get()
    full = scope.prefix + name
    found: Any = graph.shared.get(full)
    if found is not None and not scope.reuse:
        fail(f"get_variable: {full!r} exists", "tf.variable_scope(..., reuse=True), or another name")
    if found is None and scope.reuse is True:
        fail(f"get_variable: {full!r} does not exist, and the scope reuses", "reuse=tf.AUTO_REUSE")
    if found is None:
        with during(graphs.SCOPE, scope._replace(path=scope.prefix)):
            found = Variable(_start(full, shape, dtype, initializer), name=name, dtype=dtype, **options)
        graph.shared[full] = found
        if regularizer is not None:
            add_to_collection(GraphKeys.REGULARIZATION_LOSSES, regularizer(found))
    elif shape is not None and not types.same_shape(found.node.shape, types.as_shape(shape)):
        there, given = shape_text(found.node.shape), shape_text(tuple(shape))
        fail(f"get_variable: {full!r} has shape {there}, not {given}", kind=sg.ShapeError)
    return found


def _start(name: str, shape: Any, dtype: Any, initializer: Any) -> Any:
    """The initial value, where ``initializer`` is one, or a function of shape and element type."""
    if initializer is not None and not callable(initializer):
        return initializer
    if shape is None:
        fail(f"get_variable: {name!r} has neither a shape nor an initial value", kind=sg.ShapeError)
    return (initializer or glorot_uniform_initializer())(types.as_shape(shape), graphs.as_dtype(dtype, "float32"))


# -- collections ----------------------------------------------------------------------------------------------------
def get_collection(key: str, scope: str | None = None) -> list[Any]:
    """The elements of a collection of the default graph; those whose names begin with ``scope``, a regular expression."""
    found = get_default_graph().collections[key]
    return [one for one in found if scope is None or re.match(scope, one.name)]


def add_to_collection(name: str, value: Any) -> None:
    """Append to a collection of the default graph."""
    get_default_graph().collections[name].append(value)


def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimisers change."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def global_variables(scope: str | None = None) -> list[Any]:
    """All variables."""
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def variables_initializer(var_list: Sequence[Variable], name: str = "init") -> Operation:
    """An operation that gives variables their initial values."""
    with graphs.control_dependencies(None):
        return graphs.group(*(one.initializer for one in var_list), name=name)


def global_variables_initializer() -> Operation:
    """An operation that gives all variables that exist by now their initial values."""
    return variables_initializer(global_variables())


# -- sessions -------------------------------------------------------------------------------------------------------
class Session:
    """Runs parts of a graph."""

    def __init__(self, target: str = "", graph: graphs.Graph | None = None, config: Any = None) -> None:
        self.graph, self._open, self._entered = graph or get_default_graph(), True, ExitStack()
        self._plans: dict[Any, Callable[[dict[Node, Any]], Any]] = {}
        self._variables: dict[Node, Any] = {}

    def __enter__(self) -> Session:
        self._entered.enter_context(self.graph.as_default())
        return self._entered.enter_context(self.as_default())

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget all kernels and values of variables, and be in force no longer."""
        self._entered.close()
        self._open = False
        self._plans.clear()
        self._variables.clear()

    def as_default(self) -> AbstractContextManager[Session]:
        """``eval`` and ``run`` inside the block use this session, which stays open."""
        return during(graphs.SESSION, self)

    def variable(self, node: Node) -> Any:
        """The session's own variable for one of the graph."""
        if node not in self._variables:
            with observed(None):
                name = self.graph.variables[node]._name
                self._variables[node] = sg.variable(name, None, node.attrs.state.trainable, node.dtype, node.shape)
        return self._variables[node]

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, **ignored: Any) -> Any:
        """Values of tensors; operations run, and give None.

        Parameters
        ----------
        fetches : tensor, operation, name, or nested lists, tuples and dictionaries of these
        feed_dict : mapping of tensor (or name) to value
            Any tensor may be given a value; those that are built from the same expression are one.

        Returns
        -------
        NumPy arrays and scalars in the containers of the fetches.

        Raises
        ------
        SymgradError
            An unknown fetch or feed, a placeholder without a feed, a variable without a value, a closed session.
        ShapeError, DTypeError
            A feed does not fit.
        """
        if not self._open:
            fail("Session.run: the session is closed")
        leaves, structure = flatten(fetches)
        wanted = [self._fetched(leaf, position) for position, leaf in enumerate(leaves)]
        fed = dict(self._fed(key, value) for key, value in (feed_dict or {}).items())
        plan = (*wanted, frozenset(fed))
        if plan not in self._plans:
            self._plans[plan] = self._planned(wanted, fed)
        found = iter(self._plans[plan](fed))
        return unflatten(structure, [next(found) if isinstance(one, Node) else None for one in wanted])

    def _planned(self, wanted: Sequence[Node | Operation], fed: Mapping[Node, Any]) -> Callable[[dict[Node, Any]], Any]:
        """A function of what is fed that gives the values of the nodes, and runs the operations."""
        nodes = [one for one in wanted if isinstance(one, Node)]
        started = [one for one in wanted if isinstance(one, Operation)]
        changes = graphs.changes_of([*started, *self.graph.started_by(nodes, fed.__contains__)])
        inner = [one for one in topological([*nodes, *changes.values()], fed.__contains__) if one not in fed]
        own = {node: self.variable(node) for node in [*inner, *changes] if node in self.graph.variables}
        for one in inner:
            if is_placeholder(one) and one not in own:
                name, kind = one.attrs.name, f"{one.dtype}{Tensor(one).shape!r}"
                what = f"Session.run: the placeholder {name!r} of type {kind} is needed and not fed"
                fail(what, f"feed_dict={{{name}: value}}", sg.KernelInputError)
        read = [own[node] for node in inner if node in own]
        # What has many elements is given to the kernel: as a part of its machine code it would take long to compile.
        large = {node: node.attrs.value.array for node in inner if node.op is CONSTANT and node.type.size > 1000}
        arguments = {node: ops.parameter(f"feed{k}", node.type) for k, node in enumerate([*fed, *large])}
        made = substitute([*nodes, *changes.values()], {**own, **arguments})
        updates = list(zip((own[node] for node in changes), made[len(nodes) :], strict=True))
        kernel = compile(tuple(made[: len(nodes)]), list(arguments.values()), updates=updates, name="session")
        hint = "run tf.global_variables_initializer(), made after every variable (those of optimisers, too), first"

        def run(values: dict[Node, Any]) -> Any:
            for one in read:
                if not one.attrs.state.ready:
                    fail(f"Session.run: the variable {one.name!r} is not initialised", hint)
            values = {**large, **values}
            return kernel(*(values[node] for node in arguments))

        return run

    def _fed(self, key: Any, value: Any) -> tuple[Node, np.ndarray[Any, Any]]:
        """A feed: the node, and its value as an array of the node's type."""
        tensor = self._own(key, "fed")
        if not isinstance(tensor, Tensor):
            hint = "keys of feed_dict are placeholders, other tensors, or their names"
            fail(f"Session.run: {key!r} is fed, which is no tensor", hint, sg.KernelInputError)
        array, node = np.asarray(value), tensor.node
        sizes, given = zip(array.shape, node.shape, strict=False), shape_text(array.shape)
        if array.ndim != node.ndim or any(isinstance(own, int) and own != size for size, own in sizes):
            what = f"a value of shape {given} is fed for {tensor.name!r}, which has shape {tensor.shape}"
            scalar = "tf.placeholder(dtype, shape): without a shape it is a scalar"
            fail(f"Session.run: {what}", None if node.ndim else scalar, sg.ShapeError)
        if not np.can_cast(array.dtype, node.dtype, "same_kind"):
            what = f"a value of {array.dtype} is fed for {tensor.name!r}, which is {node.dtype}"
            fail(f"Session.run: {what}", "tf.placeholder of that type, or convert with .astype", sg.DTypeError)
        return node, np.ascontiguousarray(array, node.dtype).reshape(array.shape)

    def _fetched(self, leaf: Any, position: int) -> Node | Operation:
        if leaf is None:
            hint = "tf.gradients gives None where no derivative reaches x: sg.why(y, x) says why, "
            hint += "unconnected_gradients='zero' gives zeros"
            fail(f"Session.run: fetch {position} is None", hint, sg.UnconnectedGradientError)
        found = self._own(Tensor(leaf) if isinstance(leaf, Node) else leaf, "fetched")
        if not isinstance(found, (Tensor, Operation)):
            fail(f"Session.run: fetch {position} is {found!r}, which is neither tensor nor operation")
        return found.node if isinstance(found, Tensor) else found

    def _own(self, given: Any, what: str) -> Any:
        """The tensor or operation itself, by name or not, which has to be of the session's graph."""
        found = self.graph.get_tensor_by_name(given) if isinstance(given, str) else given
        if isinstance(found, (Tensor, Operation)) and found.graph is not self.graph:
            hint = "build it before the session in the same graph, or tf.Session(graph=...)"
            fail(f"Session.run: {found.name!r} is {what}, which belongs to another graph than the session", hint)
        return found


class InteractiveSession(Session):
    """A session that is in force from the start until it is closed."""

    def __init__(self, target: str = "", graph: graphs.Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._entered.enter_context(self.as_default())


class Saver:
    """Writes values of variables to a file and reads them."""

    def __init__(self, var_list: Sequence[Any] | None = None, **ignored: Any) -> None:
        self.var_list = None if var_list is None else list(var_list)

    def _own(self, session: Session) -> list[Any]:
        chosen = session.graph.variables if self.var_list is None else [one.node for one in self.var_list]
        return list(map(session.variable, chosen))

    def save(self, sess: Session, save_path: str, global_step: Any = None, **ignored: Any) -> str:
        """Write the session's values; the number of the step becomes part of the path, which is returned."""
        step = sess.run(global_step) if isinstance(global_step, Tensor) else global_step
        path = save_path if step is None else f"{save_path}-{int(step)}"
        sg.save_variables(path, self._own(sess))
        return path

    def restore(self, sess: Session, save_path: str) -> None:
        """Give the session's variables the values of a file; they count as initialised."""
        sg.restore_variables(save_path, self._own(sess))
