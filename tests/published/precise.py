"""NumPy functions on numbers of 60 digits.  In: a function and arrays.  Out: its values and difference quotients.

NumPy hands object arrays to methods of their elements (``np.exp(x)`` calls ``element.exp()``), so that numbers with such
methods run the very same NumPy code; functions of ``np.linalg`` need ``Numpy`` in place of ``np``.  At 60 digits a
difference over a step of 1e-16 is exact to far beyond float64.
"""

from __future__ import annotations

import mpmath
import numpy as np

CONTEXT = mpmath.MPContext()
CONTEXT.dps = 60
STEP = CONTEXT.mpf(10) ** -16

UNARY = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "expm1", "log1p", "cbrt")
INVERSE = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arctanh": "atanh"}
BINARY = {"arctan2": "atan2", "hypot": "hypot"}


def _method(name):
    function = getattr(CONTEXT, name)
    return lambda *args: function(*args)


for _numpy, _mpmath in {**{name: name for name in UNARY}, **INVERSE, **BINARY}.items():
    setattr(CONTEXT.mpf, _numpy, _method(_mpmath))


def precise(array):
    """An array of floats as one of numbers with 60 digits; others as they are."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array
    made = np.frompyfunc(lambda one: CONTEXT.mpf(float(one)), 1, 1)(array)
    return made if array.ndim else CONTEXT.mpf(float(array))


def value(function, args):
    """The value of a function, rounded to float64."""
    return np.asarray(function(*map(precise, args))).astype(float)


class _LinearAlgebra:
    """``np.linalg`` by mpmath's own decompositions."""

    norm = staticmethod(np.linalg.norm)

    @staticmethod
    def solve(a, b):
        found = CONTEXT.inverse(_matrix(a)) * _matrix(b if np.ndim(b) == 2 else np.reshape(b, (-1, 1)))
        return np.reshape(np.array(found.tolist(), dtype=object), np.shape(b))

    @staticmethod
    def inv(a):
        return np.array(CONTEXT.inverse(_matrix(a)).tolist(), dtype=object)

    @staticmethod
    def cholesky(a):
        return np.array(CONTEXT.cholesky(_matrix(a)).tolist(), dtype=object)

    @staticmethod
    def slogdet(a):
        found = CONTEXT.det(_matrix(a))
        return CONTEXT.sign(found), CONTEXT.log(abs(found))


class Numpy:
    """NumPy for these numbers: its own functions, but for linear algebra, which NumPy hands to LAPACK."""

    linalg = _LinearAlgebra

    def __getattr__(self, name):
        return getattr(np, name)


def _matrix(array):
    return CONTEXT.matrix(np.asarray(array).tolist())


def _moved(args, shifts):
    """The arguments, flattened one after the other, with some elements shifted."""
    made = [np.array(one) if isinstance(one, np.ndarray) else one for one in args]
    for (argument, element), shift in shifts:
        if isinstance(made[argument], np.ndarray):
            made[argument].flat[element] += shift
        else:
            made[argument] = made[argument] + shift
    return made


def slots(args, wrt):
    """The elements of the arguments that derivatives are taken with respect to."""
    return [(k, element) for k in wrt for element in range(np.size(args[k]))]


def jacobian(function, args, wrt):
    """First derivatives: a column for each element of the arguments ``wrt``, rows over the flattened value."""
    start = list(map(precise, args))
    columns = []
    for slot in slots(args, wrt):
        up, down = (np.ravel(function(*_moved(start, [(slot, sign * STEP)]))) for sign in (1, -1))
        columns.append(((up - down) / (2 * STEP)).astype(float))
    return np.stack(columns, axis=1)


def hessian(function, args, wrt):
    """Second derivatives of a scalar function."""
    start = list(map(precise, args))
    every = slots(args, wrt)
    found = np.empty((len(every), len(every)))
    for i, one in enumerate(every):
        for j, other in enumerate(every[: i + 1]):
            corners = [
                a * b * function(*_moved(start, [(one, a * STEP), (other, b * STEP)])) for a in (1, -1) for b in (1, -1)
            ]
            found[i, j] = found[j, i] = float(sum(corners) / (4 * STEP**2))
    return found
