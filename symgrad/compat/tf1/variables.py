"""Variables of the TensorFlow 1 spelling.  In: names and initial values.  Out: variables of a graph, and initialisers.

A variable of the graph stands for one of each session, which has a value once its initialiser has run there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.graph import Operation, Tensor, as_dtype, call, convert, get_default_graph
from symgrad.errors import DTypeError, ShapeError, SymgradError
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import observed, user_line
from symgrad.variables import variable


class GraphKeys:
    """Names of collections."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    REGULARIZATION_LOSSES = "regularization_losses"
    GLOBAL_STEP = "global_step"


class Variable(Tensor):
    """State of a session; ``initial_value`` is a tensor, an array, a number, or a function that gives one."""

    def __init__(
        self,
        initial_value: Any,
        trainable: bool = True,
        collections: Sequence[str] | None = None,
        validate_shape: bool = True,
        name: str = "Variable",
        dtype: Any = None,
    ) -> None:
        self._build(initial_value, trainable, collections, graphs._scope.get()[0] + (name or "Variable"), dtype)

    def _build(self, initial: Any, trainable: bool, collections: Sequence[str] | None, name: str, dtype: Any) -> None:
        with graphs.control_dependencies(None):
            start = convert(initial() if callable(initial) else initial, dtype)
            self.initial = start.node if dtype is None else ops.cast(start.node, as_dtype(dtype))
        sizes = self.initial.shape
        if not self.initial.type.is_static:
            raise ShapeError(f"variable {name!r}: its initial value has the dynamic shape {shape_text(sizes)}")
        full = get_default_graph().unique(name)
        with observed(None):
            self._adopt(variable(full, trainable=trainable, dtype=self.initial.dtype, shape=sizes), full, collections)

    def _adopt(self, node: Node, name: str, collections: Sequence[str] | None = None) -> None:
        self.graph = get_default_graph()
        self.node, self._name, self.after = node, name, ()
        self.graph.elements[name], self.graph.variables[node] = self, self
        self.trainable = node.attrs.state.trainable
        keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
        for key in dict.fromkeys([*keys, *([GraphKeys.TRAINABLE_VARIABLES] if self.trainable else [])]):
            self.graph.add_to_collection(key, self)
        with graphs.control_dependencies(None):
            self.initializer = Operation([(node, self.initial)], f"{name}/Assign")

    def initialized_value(self) -> Tensor:
        """The initial value, for those of other variables."""
        return Tensor(self.initial)

    def value(self) -> Tensor:
        """The value as a tensor."""
        return call(ops.identity, self)

    read_value = value

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None) -> Tensor:
        """A tensor of the new value, which is stored whenever it is evaluated."""
        return assign(self, value, name=name)

    def assign_add(self, delta: Any, use_locking: bool = False) -> Tensor:
        """The same for a value that is added."""
        return assign_add(self, delta)

    def assign_sub(self, delta: Any, use_locking: bool = False) -> Tensor:
        """The same for a value that is subtracted."""
        return assign_sub(self, delta)

    def load(self, value: Any, session: Any = None) -> None:
        """Store a value at once."""
        (session or graphs.get_default_session()).variable(self.node).value = value


def adopt(node: Node) -> Variable:
    """A variable that symgrad has made, as one of the graph; its value is the initial one."""
    made = object.__new__(Variable)
    made.initial = ops.constant(node.attrs.state.array.copy())
    made._adopt(node, get_default_graph().unique(node.attrs.name))
    return made


def assign(
    ref: Variable, value: Any, validate_shape: bool = True, use_locking: bool = False, name: Any = None
) -> Tensor:
    """A tensor of the new value, which the variable gets whenever the tensor is evaluated.

    Raises
    ------
    ShapeError
        The value's shape is not the variable's.
    DTypeError
        Its element type is of another kind.
    """
    if not isinstance(ref, Variable):
        raise SymgradError(f"assign: {ref!r} is no variable", where=user_line())
    new = convert(value, ref.dtype)
    if not np.can_cast(new.dtype, ref.dtype, "same_kind"):
        raise DTypeError(f"assign: a value of {new.dtype} for {ref.name!r}, which is {ref.dtype}", where=user_line())
    fitting = call(lambda node: ops.cast(ops.assert_shape(node, ref.node.shape), ref.dtype), new)
    with graphs.control_dependencies(new.after):
        stored = Operation([(ref.node, fitting.node)], name or "Assign")
    return Tensor(stored.updates[ref.node], [stored])


def assign_add(ref: Variable, value: Any, use_locking: bool = False, name: Any = None) -> Tensor:
    """``assign`` of the sum."""
    return assign(ref, call(ops.add, ref, convert(value, ref.dtype)), name=name)


def assign_sub(ref: Variable, value: Any, use_locking: bool = False, name: Any = None) -> Tensor:
    """``assign`` of the difference."""
    return assign(ref, call(ops.subtract, ref, convert(value, ref.dtype)), name=name)


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Sequence[str] | None = None,
    **ignored: Any,
) -> Variable:
    """The variable of this name in the variable scope: a new one, or with ``reuse`` one that exists.

    Raises
    ------
    SymgradError
        It exists and may not be reused, or does not exist and has to.
    """
    graph, (_, prefix, reuse) = get_default_graph(), graphs._scope.get()
    full = prefix + name
    found = graph.shared.get(full)
    if found is not None and not reuse:
        raise SymgradError(
            f"get_variable: {full!r} exists",
            where=user_line(),
            hint="tf.variable_scope(..., reuse=True), or another name",
        )
    if found is None and reuse is True:
        raise SymgradError(
            f"get_variable: {full!r} does not exist, and the scope reuses",
            where=user_line(),
            hint="reuse=tf.AUTO_REUSE",
        )
    if found is None:
        found = object.__new__(Variable)
        found._build(_start(full, shape, dtype, initializer), trainable, collections, full, dtype)
        graph.shared[full] = found
        if regularizer is not None:
            graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, regularizer(found))
    elif shape is not None and not types.same_shape(found.node.shape, types.as_shape(shape)):
        raise ShapeError(
            f"get_variable: {full!r} has shape {shape_text(found.node.shape)}, not {shape_text(tuple(shape))}"
        )
    return found


def _start(name: str, shape: Any, dtype: Any, initializer: Any) -> Any:
    from symgrad.compat.tf1.random import glorot_uniform_initializer

    if initializer is not None and not callable(initializer):
        return initializer
    if shape is None:
        raise ShapeError(f"get_variable: {name!r} has neither a shape nor an initial value")
    rule = initializer or glorot_uniform_initializer()
    rule = rule() if isinstance(rule, type) else rule
    return rule(list(shape) if isinstance(shape, (list, tuple)) else [shape], as_dtype(dtype, "float32"))


# -- collections ----------------------------------------------------------------------------------------------------
def get_collection(key: str, scope: str | None = None) -> list[Any]:
    """The elements of a collection of the default graph."""
    return get_default_graph().get_collection(key, scope)


def add_to_collection(name: str, value: Any) -> None:
    """Append to a collection of the default graph."""
    get_default_graph().add_to_collection(name, value)


def trainable_variables(scope: str | None = None) -> list[Any]:
    """The variables that optimisers change."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def global_variables(scope: str | None = None) -> list[Any]:
    """All variables."""
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def variables_initializer(var_list: Sequence[Variable], name: str = "init") -> Operation:
    """An operation that gives variables their initial values."""
    with graphs.control_dependencies(None):
        made = Operation(name=name)
    made.after = tuple(one.initializer for one in var_list)
    return made


def global_variables_initializer() -> Operation:
    """An operation that gives all variables that exist by now their initial values."""
    return variables_initializer(global_variables())


initialize_all_variables = global_variables_initializer


def local_variables_initializer() -> Operation:
    """The same for the collection of local variables."""
    return variables_initializer(get_collection(GraphKeys.LOCAL_VARIABLES))
