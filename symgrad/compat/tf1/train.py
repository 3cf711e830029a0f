"""``tf.train``.  In: losses and variables.  Out: operations that make a step."""

from __future__ import annotations

from typing import Any

from symgrad import ops, optim
from symgrad.compat.tf1.functions import gradients, lift
from symgrad.compat.tf1.graph import WAITED, Operation, changes_of, fail, get_default_graph, unwrap
from symgrad.compat.tf1.session import GraphKeys, Saver, Variable, adopt, get_collection, trainable_variables
from symgrad.node import substitute
from symgrad.provenance import observed

__all__ = ["Optimizer", "Saver", "get_or_create_global_step"]


class Optimizer:
    """One of symgrad's optimisers, with its arguments, on tensors."""

    rules: type[optim.Optimizer]

    def __init__(self, *args: Any, use_locking: bool = False, name: str | None = None, **options: Any) -> None:
        self._rules, self._name = self.rules(*unwrap(args), **unwrap(options)), name or self.rules.__name__

    def compute_gradients(self, loss: Any, var_list: Any = None, **ignored: Any) -> list[tuple[Any, Any]]:
        """Pairs of gradient (or None) and variable; by default of all trainable variables of the graph."""
        chosen = trainable_variables() if var_list is None else list(var_list)
        if not chosen:
            fail(f"{self._name}: there are no variables to optimise")
        return list(zip(gradients(loss, chosen), chosen, strict=True))

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Operation:
        """The operation that makes the step, and counts it in ``global_step``."""
        with observed(None):
            updates = dict(self._rules.apply_gradients([(unwrap(slope), one.node) for slope, one in grads_and_vars]))
        if global_step is not None:
            updates[global_step.node] = ops.add(global_step.node, 1)
        for state in self._rules.variables:
            if state not in get_default_graph().variables:
                adopt(state)
        made = substitute(list(updates.values()), changes_of(WAITED.get()))
        return Operation(zip(updates, made, strict=True), name or self._name)

    def minimize(self, loss: Any, global_step: Any = None, var_list: Any = None, **options: Any) -> Operation:
        """The operation that makes a loss smaller."""
        return self.apply_gradients(self.compute_gradients(loss, var_list), global_step, options.get("name"))


GradientDescentOptimizer, MomentumOptimizer, RMSPropOptimizer, AdamOptimizer, AdagradOptimizer = (
    type(f"{rules.__name__}Optimizer", (Optimizer,), {"rules": rules, "__doc__": f"``sg.optim.{rules.__name__}``."})
    for rules in (optim.GradientDescent, optim.Momentum, optim.RMSProp, optim.Adam, optim.Adagrad)
)
exponential_decay = lift(optim.exponential_decay, "*learning_rate +global_step decay_steps decay_rate staircase")
polynomial_decay = lift(optim.polynomial_decay, "*learning_rate +global_step decay_steps end_learning_rate power cycle")
cosine_decay = lift(optim.cosine_decay, "*learning_rate +global_step decay_steps alpha")
piecewise_constant = lift(optim.piecewise_constant, "+x -boundaries **values")


def get_or_create_global_step() -> Any:
    """The graph's counter of steps."""
    keys = [GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP]
    found = get_collection(GraphKeys.GLOBAL_STEP)
    return found[0] if found else Variable(0, False, keys, name="global_step", dtype="int64")
