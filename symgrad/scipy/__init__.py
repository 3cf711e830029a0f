"""SciPy for expressions, where SciPy's own functions do not take them: ``from symgrad.scipy import special``."""

from symgrad.scipy import linalg, special

__all__ = ["linalg", "special"]
