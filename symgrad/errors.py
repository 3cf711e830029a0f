"""Errors.  In: what went wrong, where, and what to do next.  Out: one exception type per kind of mistake.

Every message has the shape ``what`` / ``  at file:line`` / ``  hint: next step``; a line that would say nothing is
left out.  The classes also derive from the built-in class that NumPy raises for the same mistake, so existing
``except ValueError`` code keeps working.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from symgrad.provenance import user_line

__all__ = [
    "CompileError",
    "DTypeError",
    "GradientError",
    "KernelIndexError",
    "KernelInputError",
    "KernelMemoryError",
    "NonFiniteError",
    "RuleWarning",
    "ShapeError",
    "SymgradError",
    "TraceError",
    "UnconnectedGradientError",
]


class SymgradError(Exception):
    """Base class of every error that symgrad raises on purpose.

    Parameters
    ----------
    what : str
        The mistake, beginning with the operation or argument concerned.
    where : str, optional
        The user's source line, ``"model.py:41"``; by default the one being executed, where there is one.
    hint : str, optional
        What to do next.

    Attributes
    ----------
    what, where, hint : str or None
        The parts of the message.

    Examples
    --------
    >>> import symgrad as sg
    >>> try:
    ...     sg.dim("3 apples")
    ... except sg.SymgradError as error:
    ...     print(error.what, error.hint, sep="; ")
    dim: '3 apples' is not a dimension's name; use an identifier such as 'n'
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        where = user_line() if where is None else where
        self.what, self.where, self.hint = what, where, hint
        lines = [what]
        if where:
            lines.append(f"  at {where}")
        if hint:
            lines.append(f"  hint: {hint}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.what, where=self.where or "", hint=self.hint), ()


class ShapeError(SymgradError, ValueError):
    """Shapes, ranks or axes that do not fit together.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> try:
    ...     sg.symbol("x", (3,)) + sg.symbol("y", (4,))
    ... except ValueError as error:
    ...     print(type(error).__name__, "-", error.what)
    ShapeError - add: shapes do not broadcast: (3,) and (4,)
    """


class DTypeError(SymgradError, TypeError):
    """An element type that an operation does not accept.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> try:
    ...     sg.symbol("x", dtype="complex128")
    ... except TypeError as error:
    ...     print(type(error).__name__, "-", error.what)
    DTypeError - element type 'complex128' is not supported
    """


class TraceError(SymgradError, TypeError):
    """Python or NumPy asked a symbolic expression for something only a number has.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> try:
    ...     float(sg.symbol("x"))
    ... except TypeError as error:
    ...     print(type(error).__name__, "-", error.what)
    TraceError - Python asked for the float value of an expression, whose value is unknown while tracing
    """


class GradientError(SymgradError, ValueError):
    """A derivative that is missing, wrong, or asked of something that has none.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> try:
    ...     sg.gradients(sg.symbol("x"), [], unconnected="ones")
    ... except ValueError as error:
    ...     print(type(error).__name__, "-", error.what)
    GradientError - gradients: unconnected='ones'
    """


class UnconnectedGradientError(GradientError):
    """A derivative was needed, but the result does not depend on the input.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, y = sg.symbols("x y")
    >>> try:
    ...     sg.compile(sg.gradients(y * y, [x]), [x, y])
    ... except sg.GradientError as error:
    ...     print(type(error).__name__, "-", error.what)
    UnconnectedGradientError - compile: output 0 is None: the gradient it stands for does not exist
    """


class CompileError(SymgradError, RuntimeError):
    """An expression that cannot be turned into machine code.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> try:
    ...     sg.compile(sg.symbol("x") + 1, [])
    ... except RuntimeError as error:
    ...     print(type(error).__name__, "-", error.what)
    CompileError - compile: the symbol 'x' is used but is not among the inputs
    """


class KernelInputError(SymgradError, TypeError, ValueError):
    """An argument that a compiled kernel does not accept.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> try:
    ...     sg.compile(x * x, [x], name="square")(np.arange(3))
    ... except (TypeError, ValueError) as error:
    ...     print(type(error).__name__, "-", error.what)
    KernelInputError - square(): argument 'x': expected float64[n], got int64[3]
    """


class KernelIndexError(SymgradError, IndexError):
    """An index, found at run time, outside the array that it indexes.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, i = sg.symbol("x", (3,)), sg.symbol("i", (2,), dtype="int64")
    >>> take = sg.compile(x[i], [x, i])
    >>> try:
    ...     take(np.zeros(3), np.array([0, 3]))
    ... except IndexError as error:
    ...     print(type(error).__name__)
    KernelIndexError
    """


class KernelMemoryError(SymgradError, MemoryError):
    """A call of a kernel needs more memory for what it computes on the way than there is.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, y = sg.symbol("x", ("n", "k")), sg.symbol("y", ("m", "k"))
    >>> largest = sg.compile(np.sort(x @ y.T, axis=None)[-1], [x, y])
    >>> try:
    ...     largest(np.zeros((2**32, 0)), np.zeros((2**32, 0)))
    ... except MemoryError as error:
    ...     print(type(error).__name__)
    KernelMemoryError
    """


class NonFiniteError(SymgradError, FloatingPointError):
    """A result of a kernel compiled with ``check_finite=True`` is NaN or infinite; the message says where that began.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> k = sg.compile(np.sum(np.log(x)), [x], check_finite=True)
    >>> try:
    ...     k(np.array([1.0, 0.0]))
    ... except FloatingPointError as error:
    ...     print(type(error).__name__, "-", error.what.rpartition(" at ")[0])
    NonFiniteError - log: the first infinite value is made
    """


class RuleWarning(UserWarning):
    """A rule that claims to be a derivative is not the derivative of its function.

    Examples
    --------
    >>> import warnings, numpy as np, symgrad as sg
    >>> wrong = sg.custom_gradient(lambda x: (x**2, lambda head: head * x))
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     _ = sg.grad(wrong)(3.0)
    >>> said[0].category.__name__
    'RuleWarning'
    """
