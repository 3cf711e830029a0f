"""Variables of the TensorFlow 1 spelling.  In: names and initial values.  Out: variables of a graph, and initialisers.

A variable of the graph stands for one of each session, which has a value once its initialiser has run there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.graph import Operation, Tensor, as_dtype, call, convert, during, fail, get_default_graph
from symgrad.compat.tf1.random import glorot_uniform_initializer
from symgrad.errors import DTypeError, ShapeError
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import observed
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
        fail(f"assign: {ref!r} is no variable")
    new = convert(value, ref.dtype)
    if not np.can_cast(new.dtype, ref.dtype, "same_kind"):
        fail(f"assign: a value of {new.dtype} for {ref.name!r}, which is {ref.dtype}", kind=DTypeError)
    stored = call(lambda node: ops.cast(ops.assert_shape(node, ref.node.shape), ref.dtype), new).node
    return Tensor(graphs.own(stored, [Operation([(ref.node, stored)], name or "Assign")]))


def assign_add(ref: Variable, value: Any, use_locking: bool = False, name: Any = None) -> Tensor:
    """``assign`` of the sum."""
    return assign(ref, call(ops.add, ref, convert(value, ref.dtype)), name=name)


def assign_sub(ref: Variable, value: Any, use_locking: bool = False, name: Any = None) -> Tensor:
    """``assign`` of the difference."""
    return assign(ref, call(ops.subtract, ref, convert(value, ref.dtype)), name=name)


class Variable(Tensor):
    """State of a session; ``initial_value`` is a tensor, an array, a number, or a function that gives one."""

    assign, assign_add, assign_sub = assign, assign_add, assign_sub

    def __init__(
        self,
        initial_value: Any,
        trainable: bool = True,
        collections: Any = None,
        *,
        name: str | None = None,
        dtype: Any = None,
        node: Any = None,
        **ignored: Any,
    ) -> None:
        with graphs.control_dependencies(None):
            start = convert(initial_value() if callable(initial_value) else initial_value, dtype).node
        self.initial = start if dtype is None else ops.cast(start, as_dtype(dtype))
        if not self.initial.type.is_static:
            text = shape_text(self.initial.shape)
            fail(f"variable {name or 'Variable'!r}: its initial value has the dynamic shape {text}", kind=ShapeError)
        self.graph, self.trainable = get_default_graph(), trainable
        self._name = self.graph.enter(name or "Variable", self)
        with observed(None):
            kind = {"dtype": self.initial.dtype, "shape": self.initial.shape}
            self.node = variable(self._name, trainable=trainable, **kind) if node is None else node
        self.graph.variables[self.node] = self
        keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
        for key in dict.fromkeys([*keys, *([GraphKeys.TRAINABLE_VARIABLES] if trainable else [])]):
            self.graph.add_to_collection(key, self)
        with graphs.control_dependencies(None), during(graphs._scope, graphs.VariableScope()):
            self.initializer = Operation([(self.node, self.initial)], f"{self._name}/Assign")

    def initialized_value(self) -> Tensor:
        """The initial value, for those of other variables."""
        return Tensor(self.initial)

    def value(self) -> Tensor:
        """The value as a tensor."""
        return call(ops.identity, self)

    read_value = value

    def load(self, value: Any, session: Any = None) -> None:
        """Store a value at once."""
        (session or graphs.get_default_session()).variable(self.node).value = value


def adopt(node: Node) -> Variable:
    """A variable that symgrad has made, as one of the graph; its value is the initial one."""
    state = node.attrs.state
    with during(graphs._scope, graphs.VariableScope()):
        return Variable(state.array.copy(), state.trainable, name=node.attrs.name, node=node)


def get_variable(
    name: str, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None, **options: Any
) -> Variable:
    """The variable of this name in the variable scope: a new one, or with ``reuse`` one that exists.

    Raises
    ------
    SymgradError
        It exists and may not be reused, or does not exist and has to.
    """
    graph, scope = get_default_graph(), graphs.get_variable_scope()
    full = scope.prefix + name
    found: Variable | None = graph.shared.get(full)
    if found is not None and not scope.reuse:
        fail(f"get_variable: {full!r} exists", "tf.variable_scope(..., reuse=True), or another name")
    if found is None and scope.reuse is True:
        fail(f"get_variable: {full!r} does not exist, and the scope reuses", "reuse=tf.AUTO_REUSE")
    if found is None:
        with during(graphs._scope, scope._replace(path=scope.prefix)):
            found = Variable(_start(full, shape, dtype, initializer), name=name, dtype=dtype, **options)
        graph.shared[full] = found
        if regularizer is not None:
            graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, regularizer(found))
    elif shape is not None and not types.same_shape(found.node.shape, types.as_shape(shape)):
        there, given = shape_text(found.node.shape), shape_text(tuple(shape))
        fail(f"get_variable: {full!r} has shape {there}, not {given}", kind=ShapeError)
    return found


def _start(name: str, shape: Any, dtype: Any, initializer: Any) -> Any:
    if initializer is not None and not callable(initializer):
        return initializer
    if shape is None:
        fail(f"get_variable: {name!r} has neither a shape nor an initial value", kind=ShapeError)
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
        return graphs.group(*(one.initializer for one in var_list), name=name)


def global_variables_initializer() -> Operation:
    """An operation that gives all variables that exist by now their initial values."""
    return variables_initializer(global_variables())


initialize_all_variables = global_variables_initializer


def local_variables_initializer() -> Operation:
    """The same for the collection of local variables."""
    return variables_initializer(get_collection(GraphKeys.LOCAL_VARIABLES))
