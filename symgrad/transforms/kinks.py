"""``sg.kinks``.  In: expressions, or a function and arguments.  Out: where it switches, and what derivatives take there."""

from __future__ import annotations

from typing import Any

from symgrad.diff.kinks import Kinks, kinks_of
from symgrad.errors import GradientError
from symgrad.node import Node
from symgrad.provenance import user_line
from symgrad.transforms.tracing import as_outputs, bind, trace

__all__ = ["kinks"]


def kinks(function: Any, *args: Any) -> Kinks:
    """The switching surfaces of a function, and the convention that derivatives apply at each.

    Parameters
    ----------
    function : expression, container of expressions, or callable
    *args : numbers, arrays or expressions
        Arguments of a callable; of numbers and arrays only the types matter.

    Returns
    -------
    list of Kink
        Each with ``operation``, ``surface`` (an expression that is zero on it), ``convention``, ``line`` and ``node``;
        ``str`` of the list reads them out.  Kinks are those of the operations as they are differentiated: ``norm(x)**2``
        has none.

    Raises
    ------
    GradientError
        A callable without arguments, or expressions with them.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x")
    >>> found = sg.kinks(np.maximum(x - 1, 0) + abs(x))
    >>> [(one.operation, str(one.surface)) for one in found]
    [('maximum', 'x - 1'), ('absolute', 'x')]
    >>> found[1].convention
    "slope 0, between -1 on the left and 1 on the right (kink = 'zero')"
    """
    if not callable(function):
        if args:
            raise GradientError(
                "kinks: arguments were given with expressions", where=user_line(), hint="arguments go with a function"
            )
        return kinks_of(as_outputs(function, "kinks")[0])
    if not args:
        raise GradientError(
            f"kinks: the arguments of {getattr(function, '__name__', 'the function')} are missing",
            where=user_line(),
            hint="sg.kinks(f, x0): numbers and arrays of the types that it takes",
        )
    arguments = bind(function, args)
    expressions = any(isinstance(leaf, Node) for leaf in arguments.leaves)
    made = function(*args) if expressions else trace(function, arguments)[1]
    return kinks_of(as_outputs(made, "kinks")[0])
