"""Random numbers.  In: shapes, seeds.  Out: expressions whose elements are drawn anew each time they are evaluated.

They are NumPy's, drawn on the host by :func:`symgrad.callback`: once for each expression and run, so that all elements of
a batch under ``vmap`` share a draw.  Derivatives pass through the parameters of a distribution, which only move and scale
what is drawn.  Refuses element types that are not floating.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.diff.callback import callback
from symgrad.errors import DTypeError
from symgrad.provenance import user_line

__all__ = ["dropout", "normal", "truncated_normal", "uniform"]


def normal(shape: Any = (), loc: Any = 0.0, scale: Any = 1.0, dtype: Any = "float64", seed: Any = None) -> Any:
    """Normally distributed numbers.

    Parameters
    ----------
    shape : tuple of int or dimension
    loc, scale : numbers or expressions that broadcast to the shape
        Mean and standard deviation.
    dtype : float64 or float32
    seed : int or list of int, optional
        As for ``numpy.random.default_rng``: expressions built with one seed give the same numbers, run by run.

    Raises
    ------
    DTypeError
        The element type is not floating.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> draw = sg.compile(sg.random.normal((2,), seed=7), [])
    >>> same = np.random.default_rng(7)
    >>> bool(np.all(draw() == same.standard_normal(2))), bool(np.all(draw() == same.standard_normal(2)))
    (True, True)
    """
    return _placed(np.random.Generator.standard_normal, shape, loc, scale, dtype, seed)


def truncated_normal(
    shape: Any = (), loc: Any = 0.0, scale: Any = 1.0, dtype: Any = "float64", seed: Any = None
) -> Any:
    """Normally distributed numbers, of which those beyond two standard deviations are drawn again.

    Parameters
    ----------
    shape, loc, scale, dtype, seed
        As of :func:`normal`.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> draw = sg.compile(sg.random.truncated_normal((1000,), scale=0.1), [])
    >>> bool(np.max(np.abs(draw())) <= 0.2)
    True
    """
    return _placed(_truncated, shape, loc, scale, dtype, seed)


def uniform(shape: Any = (), low: Any = 0.0, high: Any = 1.0, dtype: Any = "float64", seed: Any = None) -> Any:
    """Numbers spread evenly from ``low`` to ``high``.

    Parameters
    ----------
    shape, dtype, seed
        As of :func:`normal`.
    low, high : numbers or expressions that broadcast to the shape

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> noisy = sg.compile(x + sg.random.uniform(x.shape, -0.5, 0.5), [x])
    >>> bool(np.max(np.abs(noisy(np.zeros(100)))) <= 0.5)
    True
    """
    return _placed(np.random.Generator.random, shape, low, high - low, dtype, seed)


def dropout(x: Any, rate: Any, seed: Any = None) -> Any:
    """Each element zero with probability ``rate``, or else divided by ``1 - rate``, which keeps the mean.

    Parameters
    ----------
    x : expression or array, floating
    rate : number or scalar expression, at least 0 and below 1
    seed : int or list of int, optional

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> dropped = sg.compile(sg.random.dropout(x, 0.75, seed=0), [x])
    >>> sorted(set(dropped(np.ones(100)).tolist()))
    [0.0, 4.0]
    """
    node, keep = ops.as_node(x), 1 - rate
    return ops.where(ops.less(uniform(node.shape, dtype=node.dtype, seed=seed), keep), ops.divide(node, keep), 0)


def _placed(draw: Callable[..., Any], shape: Any, loc: Any, scale: Any, dtype: Any, seed: Any) -> Any:
    """``loc + scale * draw(generator, sizes, dtype)``."""
    kind, sizes, generator = types.as_dtype(dtype), types.as_shape(shape), np.random.default_rng(seed)
    if not types.is_float(kind):
        raise DTypeError(
            f"random numbers are floating, not {kind}", where=user_line(), hint="draw floats, and cast them"
        )
    inputs = [ops.dim_value(size) for size in sizes]
    return loc + scale * callback(lambda *known: np.asarray(draw(generator, known, kind)), inputs, (sizes, kind))


def _truncated(generator: np.random.Generator, sizes: Any, kind: Any) -> Any:
    made = np.asarray(generator.standard_normal(sizes, kind))
    while np.any(far := np.abs(made) > 2):
        made[far] = generator.standard_normal(np.sum(far), kind)
    return made
