"""Optimisers.  In: a loss and variables.  Out: updates for ``sg.compile``: new values of variables and of optimiser state.

State lives in variables named after the variable that it belongs to (``"net/W/Adam/m"``), made when the first update of that
variable is formed, so that a kernel keeps it and :func:`sg.save_variables` saves it.  Formulas and defaults are those of
TensorFlow 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from symgrad import ops
from symgrad.diff.gradients import gradients
from symgrad.errors import GradientError, ShapeError, SymgradError
from symgrad.node import Node, topological
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.variables import is_variable, variable

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "GradientDescent", "Momentum", "Optimizer", "RMSProp"]

Pairs = list[tuple[Any, Any]]


class Optimizer(ABC):
    """What every optimiser does: gradients, then updates from them.

    Subclasses say which state a variable has, and how it and the variable change.
    """

    #: name of each state array of a variable, and the number that it starts with
    slots: ClassVar[dict[str, float]] = {}

    def __init__(self, learning_rate: Any) -> None:
        self.learning_rate = _rate(learning_rate, type(self).__name__)
        self._state: dict[Node, dict[str, Any]] = {}

    def compute_gradients(self, loss: Any, var_list: Sequence[Any] | None = None) -> Pairs:
        """Gradients of a scalar loss.

        Parameters
        ----------
        loss : scalar expression
        var_list : list of variables, optional
            By default every trainable variable that the loss is made from, by name.

        Returns
        -------
        list of (gradient or None, variable)

        Raises
        ------
        ShapeError
            The loss is no scalar.
        SymgradError
            There is no variable, or something in the list is none.
        """
        loss = ops.as_node(loss)
        if loss.ndim:
            raise ShapeError(
                f"{type(self).__name__}: the loss has shape {shape_text(loss.shape)}, not ()",
                where=user_line(),
                hint="np.mean or np.sum of it",
            )
        chosen = self._trainable(loss) if var_list is None else self._checked(var_list)
        return list(zip(gradients(loss, chosen), chosen, strict=True))

    def apply_gradients(self, grads_and_vars: Sequence[Any], var_list: Sequence[Any] | None = None) -> Pairs:
        """The updates that gradients, processed or not, ask for.

        Parameters
        ----------
        grads_and_vars : list of (gradient, variable)
            Pairs with None for a gradient change nothing.
        var_list : list of variables, optional
            Given, the first list holds the gradients alone, in the order of the variables.

        Returns
        -------
        list of (variable, new value), for ``sg.compile(..., updates=...)``

        Raises
        ------
        SymgradError
            Every gradient is None, a second entry is no variable, or the lists differ in length.
        ShapeError
            A gradient has another shape than its variable.
        """
        if var_list is not None:
            grads_and_vars = self._paired(grads_and_vars, var_list)
        self._require_list(grads_and_vars, "grads_and_vars")
        pairs = [self._pair(one, k) for k, one in enumerate(grads_and_vars)]
        known = [(gradient, one) for gradient, one in pairs if gradient is not None]
        if not known:
            raise GradientError(
                f"{type(self).__name__}: no gradient to apply",
                where=user_line(),
                hint="every gradient is None: sg.why(loss, variable) tells what stopped it",
            )
        fitting = [(one, self._fitting(gradient, one)) for gradient, one in known]  # before any state is made
        return [*(pair for one, gradient in fitting for pair in self._updates(one, gradient)), *self._common_updates()]

    def minimize(self, loss: Any, var_list: Sequence[Any] | None = None) -> Pairs:
        """Updates that make a loss smaller: :meth:`compute_gradients`, then :meth:`apply_gradients`.

        Examples
        --------
        >>> import numpy as np, symgrad as sg
        >>> w = sg.variable("w", [3.0, -2.0])
        >>> step = sg.compile(np.sum(w**2), [], updates=sg.optim.GradientDescent(0.25).minimize(np.sum(w**2)))
        >>> [float(step()) for _ in range(3)]
        [13.0, 3.25, 0.8125]
        """
        return self.apply_gradients(self.compute_gradients(loss, var_list))

    @property
    def variables(self) -> list[Any]:
        """The variables that hold the optimiser's state."""
        return [one for slots in self._state.values() for one in slots.values()]

    # -- what subclasses say -----------------------------------------------------------------------------------------
    @abstractmethod
    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The new value of a variable, and of its state."""

    def _common_updates(self) -> Pairs:
        """Updates of state that all variables share."""
        return []

    # -- parts -------------------------------------------------------------------------------------------------------
    def _updates(self, w: Any, gradient: Any) -> Pairs:
        slots = self._slots(w)
        value, state = self._step(w, gradient, ops.cast(ops.as_node(self.learning_rate), w.dtype), slots)
        return [(w, value), *((slots[name], new) for name, new in state.items())]

    def _slots(self, w: Any) -> dict[str, Any]:
        if w not in self._state:
            self._state[w] = {
                name: _state_variable(f"{w.name}/{type(self).__name__}/{name}", np.full(w.shape, start, w.dtype))
                for name, start in self.slots.items()
            }
        return self._state[w]

    def _trainable(self, loss: Node) -> list[Any]:
        found = [node for node in topological([loss]) if is_variable(node) and node.attrs.state.trainable]
        if not found:
            raise SymgradError(
                f"{type(self).__name__}: the loss depends on no trainable variable",
                where=user_line(),
                hint="make weights with sg.variable, or name them: var_list=[...]",
            )
        return sorted(found, key=lambda one: str(one.attrs.name))

    def _checked(self, var_list: Sequence[Any]) -> list[Any]:
        self._require_list(var_list, "var_list")
        if not var_list:
            raise SymgradError(f"{type(self).__name__}: var_list is empty", where=user_line())
        for k, one in enumerate(var_list):
            self._require_variable(one, f"var_list[{k}]")
        return list(var_list)

    def _require_list(self, value: Any, what: str) -> None:
        if isinstance(value, Node) or not isinstance(value, Iterable):
            raise SymgradError(f"{type(self).__name__}: {what} is {value!r}, which is no list", where=user_line())

    def _require_variable(self, one: Any, what: str) -> None:
        if not (isinstance(one, Node) and is_variable(one)):
            raise SymgradError(
                f"{type(self).__name__}: {what} is {one!r}, which is no variable",
                where=user_line(),
                hint="make it with sg.variable(name, value)",
            )

    def _paired(self, slopes: Sequence[Any], var_list: Sequence[Any]) -> Pairs:
        self._require_list(slopes, "the list of gradients")
        self._require_list(var_list, "var_list")
        if len(slopes) != len(var_list):
            raise SymgradError(
                f"{type(self).__name__}: {len(slopes)} gradients for {len(var_list)} variables", where=user_line()
            )
        return list(zip(slopes, var_list, strict=True))

    def _pair(self, pair: Any, position: int) -> tuple[Any, Any]:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise SymgradError(
                f"{type(self).__name__}: entry {position} of the gradients is no (gradient, variable) pair",
                where=user_line(),
                hint="apply_gradients(gradients, variables) takes two lists",
            )
        self._require_variable(pair[1], f"the variable of pair {position}")
        return pair[0], pair[1]

    def _fitting(self, gradient: Any, w: Any) -> Any:
        node = ops.as_node(gradient, w.dtype)
        try:
            return ops.cast(ops.assert_shape(node, w.shape), w.dtype)
        except ShapeError:
            raise ShapeError(
                f"{type(self).__name__}: the gradient for {w.name!r} has shape {shape_text(node.shape)}, the variable "
                f"{shape_text(w.shape)}",
                where=user_line(),
            ) from None


def _rate(value: Any, who: str) -> Any:
    if ops.is_symbolic(value):
        shape = ops.as_node(value).shape
        if shape:
            raise ShapeError(f"{who}: the learning rate has shape {shape_text(shape)}, not ()", where=user_line())
    elif np.ndim(value) or np.asarray(value).dtype.kind not in "iuf" or not np.asarray(value) >= 0:
        raise SymgradError(f"{who}: the learning rate {value!r} is not a number of at least 0", where=user_line())
    return value


def _state_variable(name: str, value: Any) -> Any:
    return variable(name, value, trainable=False)


class GradientDescent(Optimizer):
    """``w ← w - rate g``."""

    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return w - rate * gradient, {}


SGD = GradientDescent


class Momentum(Optimizer):
    """``v ← m v + g``, ``w ← w - rate v``; with ``use_nesterov``, ``w ← w - rate (g + m v)`` with the new ``v``."""

    slots: ClassVar[dict[str, float]] = {"momentum": 0.0}

    def __init__(self, learning_rate: Any, momentum: Any, use_nesterov: bool = False) -> None:
        super().__init__(learning_rate)
        self.momentum, self.use_nesterov = momentum, use_nesterov

    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        v = self.momentum * slots["momentum"] + gradient
        change = gradient * rate + v * self.momentum * rate if self.use_nesterov else rate * v
        return w - change, {"momentum": v}


class RMSProp(Optimizer):
    """``s ← d s + (1 - d) g²``, ``v ← m v + rate g / √(s + ε)``, ``w ← w - v``.

    ``s`` starts at ones.  With ``centered``, ``a ← d a + (1 - d) g`` and the root is of ``s - a² + ε``.
    """

    slots: ClassVar[dict[str, float]] = {"rms": 1.0, "momentum": 0.0}

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        centered: bool = False,
    ) -> None:
        super().__init__(learning_rate)
        self.decay, self.momentum, self.epsilon, self.centered = decay, momentum, epsilon, centered

    def _slots(self, w: Any) -> dict[str, Any]:
        made = super()._slots(w)
        if self.centered and "mean" not in made:
            made["mean"] = _state_variable(f"{w.name}/RMSProp/mean", np.zeros(w.shape, w.dtype))
        return made

    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        rms = self.decay * slots["rms"] + (1 - self.decay) * gradient**2
        state = {"rms": rms}
        spread = rms
        if self.centered:
            state["mean"] = self.decay * slots["mean"] + (1 - self.decay) * gradient
            spread = rms - state["mean"] ** 2
        state["momentum"] = self.momentum * slots["momentum"] + rate * gradient / np.sqrt(spread + self.epsilon)
        return w - state["momentum"], state


class Adam(Optimizer):
    """``m ← β₁ m + (1 - β₁) g``, ``v ← β₂ v + (1 - β₂) g²``, ``w ← w - r m / (√v + ε)``, ``r = rate √(1 - β₂ᵗ) / (1 - β₁ᵗ)``.

    Kingma and Ba, arXiv 1412.6980, in the form before section 2.1 in which epsilon stays outside the corrected root.
    """

    slots: ClassVar[dict[str, float]] = {"m": 0.0, "v": 0.0}

    def __init__(self, learning_rate: Any = 0.001, beta1: Any = 0.9, beta2: Any = 0.999, epsilon: Any = 1e-8) -> None:
        super().__init__(learning_rate)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self._powers: list[Any] = []

    @property
    def variables(self) -> list[Any]:
        return [*super().variables, *self._powers]

    def _beta_powers(self) -> list[Any]:
        """β₁ᵗ and β₂ᵗ for the step to come: float64 always, as they are subtracted from one."""
        if not self._powers:
            name = type(self).__name__
            self._powers = [
                _state_variable(f"{name}/beta1_power", _number(self.beta1)),
                _state_variable(f"{name}/beta2_power", _number(self.beta2)),
            ]
        return self._powers

    def _common_updates(self) -> Pairs:
        first, second = self._beta_powers()
        return [(first, first * self.beta1), (second, second * self.beta2)]

    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        first, second = self._beta_powers()
        m = self.beta1 * slots["m"] + (1 - self.beta1) * gradient
        v = self.beta2 * slots["v"] + (1 - self.beta2) * gradient**2
        corrected = rate * ops.cast(np.sqrt(1 - second) / (1 - first), w.dtype)
        return w - corrected * m / (np.sqrt(v) + self.epsilon), {"m": m, "v": v}


def _number(value: Any) -> float:
    if ops.is_symbolic(value):
        raise SymgradError("Adam: beta1 and beta2 are numbers", where=user_line())
    return float(value)


class AdamW(Adam):
    """Adam, and ``w ← w - rate · weight_decay · w`` apart from it (Loshchilov and Hutter, arXiv 1711.05101)."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.01,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon)
        self.weight_decay = weight_decay

    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        value, state = super()._step(w, gradient, rate, slots)
        return value - rate * self.weight_decay * w, state


class Adagrad(Optimizer):
    """``a ← a + g²``, ``w ← w - rate g / √a``; ``a`` starts at ``initial_accumulator_value``."""

    def __init__(self, learning_rate: Any, initial_accumulator_value: float = 0.1) -> None:
        super().__init__(learning_rate)
        self.start = float(initial_accumulator_value)

    def _slots(self, w: Any) -> dict[str, Any]:
        if w not in self._state:
            start = np.full(w.shape, self.start, w.dtype)
            self._state[w] = {"accumulator": _state_variable(f"{w.name}/Adagrad/accumulator", start)}
        return self._state[w]

    def _step(self, w: Any, gradient: Any, rate: Any, slots: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        total = slots["accumulator"] + gradient**2
        return w - rate * gradient / np.sqrt(total), {"accumulator": total}
