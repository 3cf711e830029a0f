"""Watching gradients.  In: gradients and variables.  Out: expressions of their size to fetch in the same kernel; a table, a plot.

A gradient that vanishes or explodes is told by its norm, relative to the norms of the other layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symgrad import ops, types
from symgrad.errors import SymgradError
from symgrad.node import Node
from symgrad.provenance import user_line
from symgrad.types import INT64
from symgrad.variables import is_variable

__all__ = ["histogram", "plot", "summary", "watch"]

VANISHING, EXPLODING = 1e-4, 1e4  # of the largest norm among the layers, and of the median one if it is above 1
HUGE = 1e6  # a norm that is called exploding whatever the others are


def histogram(x: Any, bins: int, range: tuple[float, float]) -> Any:
    """Counts of elements in intervals of equal width.

    Parameters
    ----------
    x : expression or array of numbers, of any shape
    bins : int
        Number of intervals.
    range : (low, high)
        What the intervals divide.  Elements outside count in the first or last; NaN counts nowhere.

    Returns
    -------
    Expr, int64 of shape (bins,)

    Raises
    ------
    SymgradError
        ``bins`` is no positive integer, or ``range`` is empty or not finite.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", (5,))
    >>> sg.compile(sg.histogram(x, 3, (0, 3)), [x])(np.array([-7.0, 0.5, 1.0, 2.9, 50.0]))
    array([2, 1, 2])
    """
    if not isinstance(bins, int) or isinstance(bins, bool) or bins < 1:
        raise SymgradError(f"histogram: bins={bins!r} is not a positive integer", where=user_line())
    low, high = map(float, range)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise SymgradError(f"histogram: the range {range!r} is not an interval", where=user_line(), hint="range=(0, 1)")
    node = ops.reshape(ops.as_node(x, who="histogram"), -1)
    values = ops.stop_gradient(node if types.is_float(node.dtype) else ops.cast(node, types.FLOAT64))
    share = ops.divide(ops.subtract(values, low), high - low)
    place = ops.minimum(ops.maximum(ops.floor(ops.multiply(share, bins)), 0), bins - 1)
    known = ops.logical_not(ops.isnan(values))
    indices = ops.cast(ops.where(known, place, 0), INT64)
    return ops.scatter_add(ops.zeros((bins,), INT64), ops.cast(known, INT64), [indices], 0)


def watch(
    gradients_and_variables: Iterable[tuple[Any, Any]], bins: int = 20, range: tuple[float, float] = (-1.0, 1.0)
) -> dict[str, dict[str, Any]]:
    """Expressions that tell how large gradients are.

    Parameters
    ----------
    gradients_and_variables : iterable of (gradient or None, variable)
        What ``compute_gradients`` gives; pairs without a gradient are left out.
    bins : int
    range : (low, high)
        Of the histograms.

    Returns
    -------
    dict by variable's name of dicts with ``"norm"``, ``"min"``, ``"max"``, ``"mean"`` (scalars of the gradient's element
    type) and ``"histogram"`` (int64 of shape (bins,)): outputs for ``sg.compile``, beside the loss.

    Raises
    ------
    SymgradError
        Something is no pair of a gradient and a variable, or two variables have one name.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> w = sg.variable("layer/w", [3.0, -2.0])
    >>> optimizer = sg.optim.GradientDescent(0.1)
    >>> pairs = optimizer.compute_gradients(np.sum(w**2))
    >>> step = sg.compile(sg.optim.watch(pairs), [], updates=optimizer.apply_gradients(pairs))
    >>> seen = step()["layer/w"]
    >>> float(seen["min"]), float(seen["max"]), float(seen["mean"])
    (-4.0, 6.0, 1.0)
    """
    watched: dict[str, dict[str, Any]] = {}
    for k, pair in enumerate(gradients_and_variables):
        gradient, variable = _pair(pair, k)
        if gradient is None:
            continue
        if variable.name in watched:
            raise SymgradError(f"watch: two variables are called {variable.name!r}", where=user_line())
        node = ops.as_node(gradient)
        watched[variable.name] = {
            "norm": ops.sqrt(ops.sum(ops.square(node))),
            "min": ops.min(node),
            "max": ops.max(node),
            "mean": ops.mean(node),
            "histogram": histogram(node, bins, range),
        }
    return watched


def _pair(pair: Any, position: int) -> tuple[Any, Any]:
    two = tuple(pair) if isinstance(pair, (tuple, list)) else ()
    if len(two) != 2 or not (isinstance(two[1], Node) and is_variable(two[1])):
        raise SymgradError(
            f"watch: entry {position} is no (gradient, variable) pair",
            where=user_line(),
            hint="the pairs that compute_gradients gives",
        )
    return two[0], two[1]


def summary(values: Mapping[str, Mapping[str, Any]]) -> str:
    """A table of what :func:`watch` measured, one line per variable, with a hint where a gradient vanishes or explodes.

    Parameters
    ----------
    values : dict by variable's name
        What the kernel returned for the expressions of :func:`watch`.

    Returns
    -------
    str

    Examples
    --------
    >>> import symgrad as sg
    >>> seen = {"first/w": {"norm": 1e-9, "min": -1e-9, "max": 0.0, "mean": 0.0},
    ...         "last/w": {"norm": 0.5, "min": -0.25, "max": 0.25, "mean": 0.125}}
    >>> print(sg.optim.summary(seen))
    variable   norm       min        max        mean
    first/w    1.000e-09  -1.000e-09 0.000e+00  0.000e+00  vanishing: 2.0e-09 of the largest
    last/w     5.000e-01  -2.500e-01 2.500e-01  1.250e-01
    hint: the gradient of first/w vanishes: scale its initial values, or shorten or normalise the way to it
    """
    width = max([len("variable"), *map(len, values)]) + 2
    lines = [f"{'variable':<{width}} {'norm':<10} {'min':<10} {'max':<10} mean"]
    hints = []
    norms = {name: float(one["norm"]) for name, one in values.items()}
    for name, one in values.items():
        said, hint = _verdict(name, norms)
        row = f"{name:<{width}} " + " ".join(f"{float(one[key]):<10.3e}" for key in ("norm", "min", "max", "mean"))
        lines.append(f"{row} {said}".rstrip())
        hints += [f"hint: {hint}"] if hint else []
    return "\n".join([*lines, *hints])


def _verdict(name: str, norms: Mapping[str, float]) -> tuple[str, str]:
    """What is wrong with one gradient, and what helps."""
    norm = norms[name]
    if not math.isfinite(norm):
        return "not finite", f"the gradient of {name} is not finite: check_finite=True names the line that made it so"
    known = [one for one in norms.values() if math.isfinite(one)]
    largest, middle = max([one for one in known if one <= HUGE], default=0.0), float(np.median(known))
    if norm > HUGE or norm > max(1, EXPLODING * middle):
        return "exploding", f"the gradient of {name} explodes: sg.clip_by_global_norm, or a smaller learning rate"
    if norm < VANISHING * largest:
        ratio = f"vanishing: {norm / largest:.1e} of the largest"
        return (
            ratio,
            f"the gradient of {name} vanishes: scale its initial values, or shorten or normalise the way to it",
        )
    return "", ""


def plot(history: Sequence[Mapping[str, Mapping[str, Any]]], ax: Any = None) -> Any:
    """Norms of gradients over the steps, one curve per variable, on a logarithmic scale.

    Parameters
    ----------
    history : sequence of what the kernel returned for the expressions of :func:`watch`
    ax : matplotlib axes, optional
        By default new ones.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    SymgradError
        Matplotlib is not installed, or there is nothing to plot.
    """
    if not history:
        raise SymgradError("plot: the history is empty", where=user_line())
    axes = _axes() if ax is None else ax
    for name in history[0]:
        axes.semilogy([float(step[name]["norm"]) for step in history], label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("norm of the gradient")
    axes.legend()
    return axes


def _axes() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise SymgradError(
            "plot: matplotlib is not installed", where=user_line(), hint="pip install symgrad[plot]"
        ) from None
    return pyplot.subplots()[1]
