"""``tf.train``.  In: losses and variables.  Out: operations that make a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad import ops, optim
from symgrad.compat.tf1 import graph as graphs
from symgrad.compat.tf1.functions import gradients, lift
from symgrad.compat.tf1.graph import Operation, changes_of, fail, get_default_graph, unwrap
from symgrad.compat.tf1.session import Saver
from symgrad.compat.tf1.variables import GraphKeys, Variable, adopt, get_collection, trainable_variables
from symgrad.node import substitute
from symgrad.provenance import observed

__all__ = ["Optimizer", "Saver", "get_or_create_global_step"]


class Optimizer:
    """One of symgrad's optimisers, with its arguments, on tensors."""

    rules: type[optim.Optimizer]

    def __init__(self, *args: Any, use_locking: bool = False, name: str | None = None, **options: Any) -> None:
        self._rules, self._name = type(self).rules(*unwrap(args), **unwrap(options)), name or type(self).rules.__name__

    def compute_gradients(
        self, loss: Any, var_list: Sequence[Any] | None = None, **ignored: Any
    ) -> list[tuple[Any, Any]]:
        """Pairs of gradient (or None) and variable; by default of all trainable variables of the graph."""
        chosen = trainable_variables() if var_list is None else list(var_list)
        if not chosen:
            fail(f"{self._name}: there are no variables to optimise")
        return list(zip(gradients(loss, chosen), chosen, strict=True))

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Variable | None = None, name: str | None = None
    ) -> Operation:
        """The operation that makes the step, and counts it in ``global_step``."""
        pairs = [(unwrap(gradient), variable.node) for gradient, variable in grads_and_vars]
        with observed(None):
            updates = self._rules.apply_gradients(pairs)
        if global_step is not None:
            updates = [*updates, (global_step.node, ops.add(global_step.node, 1))]
        for one in self._rules.variables:
            if one not in get_default_graph().variables:
                adopt(one)
        made = substitute([new for _, new in updates], changes_of(graphs._waited.get()))
        return Operation(zip((one for one, _ in updates), made, strict=True), name or self._name)

    def minimize(
        self, loss: Any, global_step: Variable | None = None, var_list: Sequence[Any] | None = None, **ignored: Any
    ) -> Operation:
        """The operation that makes a loss smaller."""
        return self.apply_gradients(self.compute_gradients(loss, var_list), global_step, ignored.get("name"))


GradientDescentOptimizer, MomentumOptimizer, RMSPropOptimizer, AdamOptimizer, AdagradOptimizer = (
    type(f"{rules.__name__}Optimizer", (Optimizer,), {"rules": rules, "__doc__": f"``sg.optim.{rules.__name__}``."})
    for rules in (optim.GradientDescent, optim.Momentum, optim.RMSProp, optim.Adam, optim.Adagrad)
)
exponential_decay = lift(optim.exponential_decay, "*learning_rate +global_step decay_steps decay_rate staircase")
polynomial_decay = lift(optim.polynomial_decay, "*learning_rate +global_step decay_steps end_learning_rate power cycle")
cosine_decay = lift(optim.cosine_decay, "*learning_rate +global_step decay_steps alpha")
piecewise_constant = lift(
    lambda x, values, boundaries: optim.piecewise_constant(x, boundaries, values), "+x boundaries **values"
)


def get_or_create_global_step() -> Variable:
    """The graph's counter of steps."""
    found = get_collection(GraphKeys.GLOBAL_STEP)
    if not found:
        keys = [GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP]
        found = [Variable(0, trainable=False, collections=keys, name="global_step", dtype="int64")]
    return found[0]
