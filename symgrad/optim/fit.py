"""A training loop.  In: a step, arrays.  Out: a history.  Batches, shuffling, progress; nothing more."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from symgrad.containers import flatten, unflatten
from symgrad.errors import ShapeError, SymgradError
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["fit"]


def fit(
    step: Callable[..., Any],
    data: Any,
    epochs: int = 1,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> list[Any]:
    """Call a training step for every batch of every epoch.

    Parameters
    ----------
    step : callable
        ``step(*batch)``, a kernel with updates as a rule; what it returns, numbers or containers of arrays, is averaged.
    data : array, or tuple or list of arrays of equal length
        A batch is the same rows of each.
    epochs : int
    batch_size : int, optional
        Rows of a batch; the last batch of an epoch may be smaller.  By default all rows are one batch.
    shuffle : bool
        Whether each epoch has its own random order.
    seed : int
        Of the random orders.
    progress : bool, optional
        Whether to show a line of progress on standard error, by tqdm where it is installed.  By default only in a terminal.

    Returns
    -------
    list with the mean of the step's results for each epoch, each batch weighted by its number of rows; in the step's
    containers.

    Raises
    ------
    ShapeError
        Arrays of different lengths, or of rank 0.
    SymgradError
        No rows, or ``epochs`` or ``batch_size`` is no positive integer.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x, y, w = sg.symbol("x", ("n",)), sg.symbol("y", ("n",)), sg.variable("w", 0.0)
    >>> loss = np.mean((w * x - y) ** 2)
    >>> step = sg.compile(loss, [x, y], updates=sg.optim.GradientDescent(0.1).minimize(loss))
    >>> xs = np.linspace(-1, 1, 32)
    >>> costs = sg.fit(step, (xs, 3 * xs), epochs=40, batch_size=8)
    >>> bool(costs[-1] < 1e-3 * costs[0]), round(float(w.value), 1)
    (True, 3.0)
    """
    arrays = _arrays(data)
    rows = len(arrays[0])
    size = rows if batch_size is None else batch_size
    for name, value in (("epochs", epochs), ("batch_size", size)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
            raise SymgradError(f"fit: {name}={value!r} is not a positive integer", where=user_line())
    random = np.random.default_rng(seed)
    history = []
    with _Progress(int(epochs) * -(-rows // int(size)), progress) as shown:
        for epoch in range(int(epochs)):
            total = _Mean()
            for chosen in _batches(random.permutation(rows) if shuffle else np.arange(rows), int(size)):
                total.add(step(*(array[chosen] for array in arrays)), len(chosen))
                shown.advance(f"epoch {epoch + 1}/{epochs}", total)
            history.append(total.value())
    return history


def _arrays(data: Any) -> list[np.ndarray[Any, Any]]:
    given = list(data) if isinstance(data, (tuple, list)) else [data]
    arrays = [np.asarray(one) for one in given]
    if not arrays:
        raise SymgradError("fit: there is no data", where=user_line())
    for k, one in enumerate(arrays):
        if one.ndim == 0:
            raise ShapeError(
                f"fit: array {k} of the data is a number", where=user_line(), hint="arrays of equal length"
            )
        if len(one) != len(arrays[0]):
            raise ShapeError(
                f"fit: array 0 of the data has {len(arrays[0])} rows, array {k} has {len(one)} (shape {shape_text(one.shape)})",
                where=user_line(),
            )
    if not len(arrays[0]):
        raise SymgradError("fit: the data has no rows", where=user_line())
    return arrays


def _batches(order: np.ndarray[Any, Any], size: int) -> Iterator[np.ndarray[Any, Any]]:
    return (order[start : start + size] for start in range(0, len(order), size))


class _Mean:
    """The mean of results of equal structure, each with a weight."""

    def __init__(self) -> None:
        self.sums: list[Any] = []
        self.weight = 0
        self.structure: Any = None

    def add(self, result: Any, weight: int) -> None:
        leaves, self.structure = flatten(result)
        parts = [None if leaf is None else np.asarray(leaf, np.float64) * weight for leaf in leaves]
        self.sums = [b if a is None else a + b for a, b in itertools.zip_longest(self.sums, parts)]
        self.weight += weight

    def value(self) -> Any:
        return unflatten(self.structure, [None if one is None else (one / self.weight)[()] for one in self.sums])

    def text(self) -> str:
        """The first number among the results."""
        first = next((one for one in self.sums if one is not None and one.ndim == 0), None)
        return "" if first is None else f"mean {float(first) / self.weight:.4g}"


class _Progress:
    """A line on standard error that says how far the training is; nothing where it is not wanted."""

    def __init__(self, steps: int, wanted: bool | None) -> None:
        self.steps, self.wanted = steps, wanted
        self.bar: Any = None

    def __enter__(self) -> _Progress:
        if self.wanted or (self.wanted is None and sys.stderr.isatty()):
            self.bar = _bar(self.steps)
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self, what: str, mean: _Mean) -> None:
        if self.bar is not None:
            self.bar.set_description_str(what, refresh=False)
            self.bar.set_postfix_str(mean.text(), refresh=False)
            self.bar.update()


def _bar(steps: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return _PlainBar(steps)
    return tqdm(total=steps)


class _PlainBar:
    """What is used of a tqdm bar, as a line that is written at each new description and at the end."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done, self.said, self.postfix = steps, 0, "", ""

    def set_description_str(self, text: str, refresh: bool) -> None:
        if self.said and text != self.said:
            self._write()
        self.said = text

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        self.postfix = text

    def update(self) -> None:
        self.done += 1

    def close(self) -> None:
        if self.said:
            self._write()

    def _write(self) -> None:
        says = f", {self.postfix}" if self.postfix else ""
        sys.stderr.write(f"{self.said}: {self.done}/{self.steps} steps{says}\n")
