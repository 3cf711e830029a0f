"""Errors.  In: what went wrong, where, and what to do next.  Out: one exception type per kind of mistake.

Every message has the shape ``what`` / ``  at file:line`` / ``  hint: next step``; the lines that are unknown are
left out.  The classes also derive from the built-in class that NumPy raises for the same mistake, so existing
``except ValueError`` code keeps working.
"""

from __future__ import annotations

__all__ = [
    "CompileError",
    "DTypeError",
    "GradientError",
    "KernelIndexError",
    "KernelInputError",
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
        The user's source line, ``"model.py:41"``.
    hint : str, optional
        What to do next.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        lines = [what]
        if where:
            lines.append(f"  at {where}")
        if hint:
            lines.append(f"  hint: {hint}")
        super().__init__("\n".join(lines))


class ShapeError(SymgradError, ValueError):
    """Shapes, ranks or axes that do not fit together."""


class DTypeError(SymgradError, TypeError):
    """An element type that an operation does not accept."""


class TraceError(SymgradError, TypeError):
    """Python or NumPy asked a symbolic expression for something only a number has."""


class GradientError(SymgradError, ValueError):
    """A derivative that is missing, wrong, or asked of something that has none."""


class UnconnectedGradientError(GradientError):
    """A derivative was needed, but the result does not depend on the input."""


class CompileError(SymgradError, RuntimeError):
    """An expression that cannot be turned into machine code."""


class KernelInputError(SymgradError, TypeError, ValueError):
    """An argument that a compiled kernel does not accept."""


class KernelIndexError(SymgradError, IndexError):
    """An index, found at run time, outside the array that it indexes."""
