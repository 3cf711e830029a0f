"""Sessions of the TensorFlow 1 spelling.  In: fetches and feeds.  Out: arrays.

Each distinct set of fetches, with the set of tensors that are fed, is compiled once to a kernel, which also makes the
updates of the operations that run.  A session has values of its own for the variables of its graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from symgrad import ops
from symgrad.checkpoint import restore_variables, save_variables
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.graph import Graph, Operation, Tensor, changes_of, closure, get_default_graph
from symgrad.compat.tf1.variables import Variable
from symgrad.compile import compile
from symgrad.containers import flatten, unflatten
from symgrad.errors import DTypeError, KernelInputError, ShapeError, SymgradError, UnconnectedGradientError
from symgrad.node import Node, substitute, topological
from symgrad.ops.coerce import shape_text
from symgrad.ops.source import CONSTANT, is_placeholder
from symgrad.provenance import observed, user_line
from symgrad.variables import is_variable, variable

LARGE = 1000  # elements


class Plan(NamedTuple):
    """A compiled set of fetches."""

    kernel: Any
    fed: list[Node]  # in the order of the kernel's arguments
    arrays: list[Any]  # arguments behind those: large constants, which machine code should not hold
    read: list[Any]  # variables that need a value
    fetched: list[bool]  # which fetches have a value


class Session:
    """Runs parts of a graph."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        self.graph = graph or get_default_graph()
        self._plans: dict[Any, Plan] = {}
        self._variables: dict[Node, Any] = {}
        self._entered: list[Any] = []
        self._open = True

    def __enter__(self) -> Session:
        self._entered.append((graphs._graph.set(self.graph), graphs._session.set(self)))
        return self

    def __exit__(self, *error: object) -> None:
        outer, session = self._entered.pop()
        graphs._graph.reset(outer)
        graphs._session.reset(session)
        self.close()

    def close(self) -> None:
        """Forget all kernels and values of variables."""
        self._open = False
        self._plans.clear()
        self._variables.clear()

    @contextmanager
    def as_default(self) -> Iterator[Session]:
        """``eval`` and ``run`` inside the block use this session, which stays open."""
        token = graphs._session.set(self)
        try:
            yield self
        finally:
            graphs._session.reset(token)

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
            raise SymgradError("Session.run: the session is closed", where=user_line())
        leaves, structure = flatten(fetches)
        wanted = [self._element(leaf, position) for position, leaf in enumerate(leaves)]
        fed = {tensor.node: _value(tensor, value) for tensor, value in self._fed(feed_dict or {})}
        key = (tuple(one.node if isinstance(one, Tensor) else one for one in wanted), frozenset(fed))
        after = tuple(one.after if isinstance(one, Tensor) else None for one in wanted)
        plan = self._plans.get((key, after))
        if plan is None:
            plan = self._plans[key, after] = self._planned(wanted, fed)
        for own in plan.read:
            if not own.attrs.state.ready:
                raise SymgradError(
                    f"Session.run: the variable {own.name!r} is not initialised",
                    where=user_line(),
                    hint="run tf.global_variables_initializer(), made after every variable (those of optimisers, too), first",
                )
        found = iter(plan.kernel(*(fed[node] for node in plan.fed), *plan.arrays))
        return unflatten(structure, [next(found) if has else None for has in plan.fetched])

    def _planned(self, wanted: Sequence[Tensor | Operation], fed: Mapping[Node, Any]) -> Plan:
        tensors = [one for one in wanted if isinstance(one, Tensor)]
        started = [one for item in wanted for one in ([item] if isinstance(item, Operation) else item.after)]
        changes = changes_of(closure(started))
        nodes = [*(one.node for one in tensors), *changes.values()]
        arguments = {node: ops.parameter(_argument(node, k), node.type) for k, node in enumerate(fed)}
        order = topological(nodes, arguments.__contains__)
        own = {node: self.variable(node) for node in [*order, *changes] if node in self.graph.variables}
        self._require_feeds([one for one in order if is_placeholder(one) and not is_variable(one) and one not in fed])
        large = [one for one in order if one not in fed and one.op is CONSTANT and one.attrs.value.array.size > LARGE]
        arguments |= {node: ops.parameter(f"constant{k}", node.type) for k, node in enumerate(large)}
        made = substitute(nodes, {**own, **arguments})
        updates = [(own[node], value) for node, value in zip(changes, made[len(tensors) :], strict=True)]
        kernel = compile(tuple(made[: len(tensors)]), list(arguments.values()), updates=updates, name="session")
        read = [own[node] for node in order if node in own and node not in fed]
        return Plan(
            kernel,
            list(fed),
            [node.attrs.value.array for node in large],
            read,
            [isinstance(one, Tensor) for one in wanted],
        )

    def _require_feeds(self, missing: Sequence[Node]) -> None:
        if missing:
            node = missing[0]
            raise KernelInputError(
                f"Session.run: the placeholder {node.attrs.name!r} of type {_type(node)} is needed and not fed",
                where=user_line(),
                hint=f"feed_dict={{{node.attrs.name}: value}}",
            )

    def _fed(self, feed_dict: Mapping[Any, Any]) -> list[tuple[Tensor, Any]]:
        found = []
        for key, value in feed_dict.items():
            tensor = self.graph.get_tensor_by_name(key) if isinstance(key, str) else key
            if not isinstance(tensor, Tensor):
                raise KernelInputError(
                    f"Session.run: {key!r} is fed, which is no tensor",
                    where=user_line(),
                    hint="keys of feed_dict are placeholders, other tensors, or their names",
                )
            found.append((self._own(tensor, "fed"), value))
        return found

    def _element(self, leaf: Any, position: int) -> Tensor | Operation:
        if leaf is None:
            raise UnconnectedGradientError(
                f"Session.run: fetch {position} is None",
                where=user_line(),
                hint="tf.gradients gives None where no derivative reaches x: sg.why(y, x) says why, "
                "unconnected_gradients='zero' gives zeros",
            )
        found = self.graph.get_tensor_by_name(leaf) if isinstance(leaf, str) else leaf
        if isinstance(found, Node):
            found = Tensor(found)
        if not isinstance(found, (Tensor, Operation)):
            raise SymgradError(
                f"Session.run: fetch {position} is {found!r}, which is neither tensor nor operation", where=user_line()
            )
        return self._own(found, "fetched")

    def _own(self, found: Any, what: str) -> Any:
        if found.graph is not self.graph:
            raise SymgradError(
                f"Session.run: {found.name!r} is {what}, which belongs to another graph than the session",
                where=user_line(),
                hint="build it before the session in the same graph, or tf.Session(graph=...)",
            )
        return found


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


def _argument(node: Node, position: int) -> str:
    """What errors of kernels call a feed."""
    return str(node.attrs.name) if is_placeholder(node) else f"feed{position}"


def _type(node: Node) -> str:
    return f"{node.dtype}{graphs.TensorShape(Tensor(node).shape)!r}"


def _value(tensor: Tensor, value: Any) -> np.ndarray[Any, Any]:
    """A feed as an array of the tensor's type."""
    array, node = np.asarray(value), tensor.node
    sizes = zip(array.shape, node.shape, strict=False)
    if array.ndim != node.ndim or any(isinstance(own, int) and own != size for size, own in sizes):
        raise ShapeError(
            f"Session.run: a value of shape {shape_text(array.shape)} is fed for {tensor.name!r}, which has shape "
            f"{tensor.shape!r}",
            where=user_line(),
            hint=None
            if node.ndim or array.ndim == 0
            else "tf.placeholder(dtype, shape): without a shape it is a scalar",
        )
    if not np.can_cast(array.dtype, node.dtype, "same_kind"):
        raise DTypeError(
            f"Session.run: a value of {array.dtype} is fed for {tensor.name!r}, which is {node.dtype}",
            where=user_line(),
            hint="tf.placeholder of that type, or convert with .astype",
        )
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
        if isinstance(global_step, Tensor):
            global_step = sess.run(global_step)
        path = save_path if global_step is None else f"{save_path}-{int(global_step)}"
        save_variables(path, self._own(sess))
        return path

    def restore(self, sess: Session, save_path: str) -> None:
        """Give the session's variables the values of a file; they count as initialised."""
        restore_variables(save_path, self._own(sess))


def ConfigProto(**options: Any) -> Any:
    """Settings of a session, none of which mean anything here."""
    return SimpleNamespace(gpu_options=SimpleNamespace(), **options)
