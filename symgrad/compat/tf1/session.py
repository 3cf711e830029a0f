"""Sessions of the TensorFlow 1 spelling.  In: fetches and feeds.  Out: arrays.

Each distinct set of fetches, with the set of tensors that are fed, is compiled once to a kernel, which also makes the
updates of the operations that run.  A session has values of its own for the variables of its graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np

from symgrad import ops
from symgrad.checkpoint import restore_variables, save_variables
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.graph import Graph, Operation, Tensor, changes_of, during, fail, get_default_graph
from symgrad.compat.tf1.variables import Variable
from symgrad.compile import compile
from symgrad.containers import flatten, unflatten
from symgrad.errors import DTypeError, KernelInputError, ShapeError, UnconnectedGradientError
from symgrad.node import Node, substitute, topological
from symgrad.ops.coerce import shape_text
from symgrad.ops.source import CONSTANT, is_placeholder
from symgrad.provenance import observed
from symgrad.variables import is_variable, variable

LARGE = 1000  # elements


class Session:
    """Runs parts of a graph."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        self.graph, self._open = graph or get_default_graph(), True
        self._plans: dict[Any, Callable[[dict[Node, Any]], Any]] = {}
        self._variables: dict[Node, Any] = {}
        self._entered = ExitStack()

    def __enter__(self) -> Session:
        self._entered.enter_context(self.graph.as_default())
        return self._entered.enter_context(self.as_default())

    def __exit__(self, *error: object) -> None:
        self._entered.close()
        self.close()

    def close(self) -> None:
        """Forget all kernels and values of variables."""
        self._open = False
        self._plans.clear()
        self._variables.clear()

    def as_default(self) -> AbstractContextManager[Session]:
        """``eval`` and ``run`` inside the block use this session, which stays open."""
        return during(graphs._session, self)

    def variable(self, node: Node) -> Any:
        """The session's own variable for one of the graph."""
        if node not in self._variables:
            with observed(None):
                name = self.graph.variables[node]._name
                own = variable(name, shape=node.shape, dtype=node.dtype, trainable=node.attrs.state.trainable)
            self._variables[node] = own
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
        wanted = [self._element(leaf, position) for position, leaf in enumerate(leaves)]
        fed = dict(self._fed(key, value) for key, value in (feed_dict or {}).items())
        key = (tuple(wanted), frozenset(fed))
        if key not in self._plans:
            self._plans[key] = self._planned(wanted, fed)
        found = iter(self._plans[key](fed))
        return unflatten(structure, [next(found) if isinstance(one, Node) else None for one in wanted])

    def _planned(self, wanted: Sequence[Node | Operation], fed: Mapping[Node, Any]) -> Callable[[dict[Node, Any]], Any]:
        """A function of what is fed that gives the values of the nodes, and runs the operations."""
        nodes = [one for one in wanted if isinstance(one, Node)]
        started = [one for one in wanted if isinstance(one, Operation)]
        changes = changes_of([*started, *self.graph.started_by(nodes, fed.__contains__)])
        order = topological([*nodes, *changes.values()], fed.__contains__)
        inner = [one for one in order if one not in fed]
        for one in inner:
            if is_placeholder(one) and not is_variable(one):
                name, kind = one.attrs.name, f"{one.dtype}{Tensor(one).shape!r}"
                what = f"Session.run: the placeholder {name!r} of type {kind} is needed and not fed"
                fail(what, f"feed_dict={{{name}: value}}", KernelInputError)
        own = {node: self.variable(node) for node in [*inner, *changes] if node in self.graph.variables}
        read = [own[node] for node in inner if node in own]
        large = {node: node.attrs.value.array for node in inner if node.op is CONSTANT and node.type.size > LARGE}
        arguments = {node: ops.parameter(f"feed{k}", node.type) for k, node in enumerate([*fed, *large])}
        made = substitute([*nodes, *changes.values()], {**own, **arguments})
        updates = [(own[node], value) for node, value in zip(changes, made[len(nodes) :], strict=True)]
        kernel = compile(tuple(made[: len(nodes)]), list(arguments.values()), updates=updates, name="session")

        def run(values: dict[Node, Any]) -> Any:
            for one in read:
                _require_value(one)
            return kernel(*((large[node] if node in large else values[node]) for node in arguments))

        return run

    def _fed(self, key: Any, value: Any) -> tuple[Node, np.ndarray[Any, Any]]:
        tensor = self.graph.get_tensor_by_name(key) if isinstance(key, str) else key
        if not isinstance(tensor, Tensor):
            hint = "keys of feed_dict are placeholders, other tensors, or their names"
            fail(f"Session.run: {key!r} is fed, which is no tensor", hint, KernelInputError)
        self._require_own(tensor, "fed")
        return tensor.node, _value(tensor, value)

    def _element(self, leaf: Any, position: int) -> Node | Operation:
        if leaf is None:
            hint = "tf.gradients gives None where no derivative reaches x: sg.why(y, x) says why, "
            hint += "unconnected_gradients='zero' gives zeros"
            fail(f"Session.run: fetch {position} is None", hint, UnconnectedGradientError)
        found = self.graph.get_tensor_by_name(leaf) if isinstance(leaf, str) else leaf
        found = Tensor(found) if isinstance(found, Node) else found
        if not isinstance(found, (Tensor, Operation)):
            fail(f"Session.run: fetch {position} is {found!r}, which is neither tensor nor operation")
        self._require_own(found, "fetched")
        return found.node if isinstance(found, Tensor) else found

    def _require_own(self, found: Tensor | Operation, what: str) -> None:
        if found.graph is not self.graph:
            hint = "build it before the session in the same graph, or tf.Session(graph=...)"
            fail(f"Session.run: {found.name!r} is {what}, which belongs to another graph than the session", hint)


class InteractiveSession(Session):
    """A session that is in force from the start until it is closed."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._token = graphs._session.set(self)

    def close(self) -> None:
        """Forget everything, and be in force no longer."""
        if self._open:
            graphs._session.reset(self._token)
        super().close()


def _require_value(own: Any) -> None:
    if not own.attrs.state.ready:
        hint = "run tf.global_variables_initializer(), made after every variable (those of optimisers, too), first"
        fail(f"Session.run: the variable {own.name!r} is not initialised", hint)


def _value(tensor: Tensor, value: Any) -> np.ndarray[Any, Any]:
    """A feed as an array of the tensor's type."""
    array, node = np.asarray(value), tensor.node
    sizes = zip(array.shape, node.shape, strict=False)
    if array.ndim != node.ndim or any(isinstance(own, int) and own != size for size, own in sizes):
        what = (
            f"a value of shape {shape_text(array.shape)} is fed for {tensor.name!r}, which has shape {tensor.shape!r}"
        )
        hint = None if node.ndim else "tf.placeholder(dtype, shape): without a shape it is a scalar"
        fail(f"Session.run: {what}", hint, ShapeError)
    if not np.can_cast(array.dtype, node.dtype, "same_kind"):
        what = f"a value of {array.dtype} is fed for {tensor.name!r}, which is {node.dtype}"
        fail(f"Session.run: {what}", "tf.placeholder of that type, or convert with .astype", DTypeError)
    return np.ascontiguousarray(array, node.dtype).reshape(array.shape)


class Saver:
    """Writes values of variables to a file and reads them."""

    def __init__(self, var_list: Sequence[Variable] | None = None, **ignored: Any) -> None:
        self.var_list = None if var_list is None else list(var_list)

    def _own(self, session: Session) -> list[Any]:
        chosen = list(session.graph.variables.values()) if self.var_list is None else self.var_list
        return [session.variable(one.node) for one in chosen]

    def save(self, sess: Session, save_path: str, global_step: Any = None, **ignored: Any) -> str:
        """Write the session's values; the number of the step becomes part of the path, which is returned."""
        step = sess.run(global_step) if isinstance(global_step, Tensor) else global_step
        path = save_path if step is None else f"{save_path}-{int(step)}"
        save_variables(path, self._own(sess))
        return path

    def restore(self, sess: Session, save_path: str) -> None:
        """Give the session's variables the values of a file; they count as initialised."""
        restore_variables(save_path, self._own(sess))


def ConfigProto(**options: Any) -> Any:
    """Settings of a session, none of which mean anything here."""
    return SimpleNamespace(gpu_options=SimpleNamespace(), **options)
