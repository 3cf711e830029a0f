"""SciPy for expressions, where SciPy's own functions do not take them: ``from symgrad.scipy import special``."""

from symgrad.scipy import special

__all__ = ["special"]
