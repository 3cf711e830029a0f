"""Derivatives in the manner of a tape.  In: a block of code, watched expressions.  Out: derivatives of what it computes.

Expressions are their own record, so a tape need not write anything down: it knows only what is watched, and what is not
to be recorded.  What is built from watched expressions outside the block counts, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from symgrad import ops
from symgrad.containers import flatten, unflatten
from symgrad.diff.gradients import gradients, jacobian
from symgrad.errors import GradientError, UnconnectedGradientError
from symgrad.node import Node, depends_on, substitute, topological
from symgrad.provenance import name_scope, user_line
from symgrad.variables import is_variable

__all__ = ["GradientTape"]

_numbers = itertools.count()


class GradientTape:
    """Derivatives with respect to watched expressions.

    Parameters
    ----------
    persistent : bool
        Whether ``gradient`` and ``jacobian`` may be asked more than once.

    Raises
    ------
    GradientError
        A second question to a tape that is not persistent, or one before the block is entered.

    Examples
    --------
    >>> import symgrad as sg
    >>> x, w = sg.symbol("x"), sg.variable("w", 3.0)
    >>> with sg.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = w * x**2
    >>> for slope in tape.gradient(y, [x, w]):
    ...     print(slope)
    w * 2 * x
    x**2
    """

    def __init__(self, persistent: bool = False) -> None:
        self.persistent = persistent
        self._watched: dict[Node, None] = {}
        self._scopes: list[str] = []  # of what is not recorded
        self._entered, self._recording, self._asked = False, False, False

    def __enter__(self) -> GradientTape:
        if self._recording:
            raise GradientError("GradientTape: the tape is recording already", where=user_line())
        self._entered = self._recording = True
        return self

    def __exit__(self, *error: object) -> None:
        self._recording = False

    def watch(self, expressions: Any) -> None:
        """Let derivatives with respect to these expressions (or containers of them) exist.

        Raises
        ------
        GradientError
            Outside the tape's block, or for what is no expression.
        """
        if not self._recording:
            raise GradientError(
                "GradientTape: watch is called while the tape does not record",
                where=user_line(),
                hint="inside the block: with sg.GradientTape() as tape: tape.watch(x)",
            )
        self._watched.update(dict.fromkeys(_expressions(flatten(expressions)[0], "watch")))

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """What is built inside the block is constant to the tape; it has a name scope of its own."""
        was = self._recording
        self._recording = False
        try:
            with name_scope(f"unrecorded{next(_numbers)}") as path:
                self._scopes.append(path)
                yield
        finally:
            self._recording = was

    def gradient(self, y: Any, xs: Any, output_gradients: Any = None, unconnected_gradients: str = "none") -> Any:
        """Derivatives of the sum of all elements of ``y``.

        Parameters
        ----------
        y : expression or container of them
        xs : expression or container of them
            Watched expressions, variables, and what is made from those.
        output_gradients : like ``y``, optional
            Head gradients, by default ones.
        unconnected_gradients : {"none", "zero", "raise"}
            What is given for an ``x`` that is not watched, or that ``y`` does not depend on.

        Returns
        -------
        One derivative for each of ``xs``, in the same containers.

        Raises
        ------
        GradientError
            A second question to a tape that is not persistent.
        UnconnectedGradientError
            With ``"raise"``; the message says why.
        """
        self._ask()
        leaves, structure = flatten(xs)
        heads = None if output_gradients is None else flatten(output_gradients)[0]
        ys, xs = _expressions(flatten(y)[0], "gradient: y"), _expressions(leaves, "gradient: x")
        return unflatten(structure, self._slopes(*self._frozen(ys, xs), self._known(xs), heads, unconnected_gradients))

    def jacobian(self, y: Any, x: Any, unconnected_gradients: str = "none") -> Any:
        """All partial derivatives of the elements of ``y``, of shape ``y.shape + x.shape``.

        Parameters
        ----------
        y : expression
        x : expression or container of them
        unconnected_gradients : {"none", "zero", "raise"}

        Returns
        -------
        One Jacobian for each of ``x``, in the same containers; None where ``y`` does not depend on it.

        Raises
        ------
        GradientError
            A second question to a tape that is not persistent.
        """
        self._ask()
        leaves, structure = flatten(x)
        xs = _expressions(leaves, "jacobian: x")
        (y,), sources = self._frozen(_expressions([y], "jacobian: y"), xs)
        policy = "raise" if unconnected_gradients == "raise" else "none"
        made: list[Any] = []
        for one, slope in zip(sources, self._slopes([y], sources, self._known(xs), None, policy), strict=True):
            if slope is not None:
                made.append(jacobian(y, one))
            else:
                made.append(ops.zeros((*y.shape, *one.shape), y.dtype) if unconnected_gradients == "zero" else None)
        return unflatten(structure, made)

    def _slopes(
        self, ys: list[Any], xs: list[Any], known: list[bool], heads: list[Any] | None, unconnected: str
    ) -> list[Any]:
        """Gradients, where what is not watched is unconnected."""
        if unconnected == "raise" and not all(known):
            raise UnconnectedGradientError(
                f"GradientTape: {xs[known.index(False)]!r} is not watched",
                where=user_line(),
                hint="tape.watch(x) inside the block",
            )
        found = gradients(ys, xs, heads, unconnected=unconnected)
        for k, x in enumerate(xs):
            if not known[k]:
                found[k] = ops.zeros_like(x) if unconnected == "zero" else None
        return found

    def _ask(self) -> None:
        if not self._entered:
            raise GradientError(
                "GradientTape: asked before it was entered", where=user_line(), hint="with sg.GradientTape() as tape:"
            )
        if self._asked and not self.persistent:
            raise GradientError(
                "GradientTape: a tape that is not persistent answers once",
                where=user_line(),
                hint="sg.GradientTape(persistent=True)",
            )
        self._asked = True

    def _frozen(self, ys: Sequence[Node], xs: Sequence[Node]) -> tuple[list[Any], list[Any]]:
        """The expressions with all that was not recorded as constants."""
        order = topological([*ys, *xs]) if self._scopes else []
        fixed = [node for node in order if self._unrecorded(node)]
        made = substitute([*ys, *xs], {node: ops.stop_gradient(node) for node in fixed})
        return made[: len(ys)], made[len(ys) :]

    def _unrecorded(self, node: Node) -> bool:
        return any(f"{node.scope}/".startswith(f"{one}/") for one in self._scopes)

    def _known(self, xs: Sequence[Node]) -> list[bool]:
        """Whether each is watched, or made from what is."""
        order = topological(xs)
        known = depends_on(order, {node for node in order if node in self._watched or is_variable(node)})
        return [x in known for x in xs]


def _expressions(values: Sequence[Any], who: str) -> list[Node]:
    for value in values:
        if not isinstance(value, Node):
            raise GradientError(
                f"GradientTape.{who}: {type(value).__name__} {value!r} is not an expression", where=user_line()
            )
    return list(values)
