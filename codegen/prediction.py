"""How long a call takes: predicted, and measured.  In: a kernel's figures, arguments.  Out: seconds.

The prediction is a roofline: the longer of the time for arithmetic and the time for memory, and what a call costs.

    cycles  = max(work / 8 * 4 / lanes / threads, bytes / rate)
    seconds = cycles / 3e9 + 100e-9

``work`` counts eighths of a cycle of a machine with four lanes (see :func:`codegen.lower.splitting.cost`), ``lanes`` are
the float64 numbers of a vector register, and ``rate`` is 64, 32, 12 or 8 bytes a cycle, for arrays and workspace that fit
in the first, second or third cache, or do not.  All of these are nominal: a machine is not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from codegen.python import rules
from codegen.python.keywords import arrange
from codegen.python.sizes import interface_of
from codegen.signature import KernelSpec
from codegen.target import Target
from symgrad import dims
from symgrad.dims import Atom, Size
from symgrad.errors import KernelInputError

__all__ = ["Measurement", "Prediction", "measure", "predict"]

_HERTZ = 3e9
_CALL = 100e-9
_RATES = (64, 32, 12, 8)  # bytes a cycle, from each cache and from memory
_LANES = 4  # for which work is counted
_LONG = 0.2  # seconds that a measurement goes on for
_BATCH = 1e-3


@dataclass(frozen=True)
class Prediction:
    """Predicted seconds of a call as a function of the dynamic dimensions.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> predicted = sg.compile(np.exp(x), [x]).stats["predicted_seconds"]
    >>> predicted(n=10**6) > predicted(n=10**3)
    True
    """

    name: str
    work: Size
    bytes: Size
    data: Size
    speed: float
    caches: tuple[int, ...]
    dims: tuple[Atom, ...]

    def __call__(self, **sizes: int) -> float:
        """Seconds for dimensions of these sizes.

        Raises
        ------
        KernelInputError
            A dimension is missing, or the kernel has none of a name.
        """
        expected = [atom.label for atom in self.dims]
        if set(sizes) != set(expected):
            hint = f"predicted_seconds({', '.join(f'{label}=...' for label in expected)})"
            raise KernelInputError(f"{self.name}: the dimensions are {', '.join(expected)}", hint=hint)
        return self.at({atom: sizes[atom.label] for atom in self.dims})

    def at(self, sizes: Mapping[Atom, int]) -> float:
        """Seconds for dimensions of these sizes."""
        work, moved, data = (dims.evaluate(size, sizes) for size in (self.work, self.bytes, self.data))
        rate = next((rate for cache, rate in zip(self.caches, _RATES, strict=False) if data <= cache), _RATES[-1])
        return max(work / self.speed, moved / rate) / _HERTZ + _CALL


def predict(figures: Mapping[str, Any], spec: KernelSpec, target: Target, threads: int) -> Prediction:
    """The prediction for a kernel, from its figures."""
    data = figures["temporaries"]
    for one in spec.arrays:
        data = data + one.type.size * one.type.dtype.itemsize
    speed = 8 * target.lanes(64) / _LANES * threads
    caches = (target.l1, target.l2, target.l3)
    return Prediction(spec.name, figures["work"], figures["bytes"], data, speed, caches, spec.dims)


class Measurement(NamedTuple):
    """What a call took.

    Attributes
    ----------
    seconds : float
        Of one call: the best of many batches of calls.
    predicted_seconds : float
    flops, bytes : int
        As in ``stats``, for the sizes of these arguments.
    """

    seconds: float
    predicted_seconds: float
    flops: int
    bytes: int

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.seconds

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds


def measure(kernel: Any, *args: Any, **kwargs: Any) -> Measurement:
    """Call a kernel again and again for a fifth of a second; its variables are then what they were.

    Functions of the host that it calls are called each time.

    Parameters
    ----------
    *args, **kwargs
        The arguments of a call, ``out`` included.

    Returns
    -------
    Measurement

    Raises
    ------
    KernelInputError
        The arguments do not fit.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> found = sg.compile(2 * x, [x]).measure(np.ones(1000))
    >>> found.flops, found.bytes, found.seconds > 0
    (1000, 16000, True)
    """
    states = [node.attrs.state.array for node in kernel.variables]
    before = [state.copy() for state in states]
    try:
        seconds = _best(kernel, args, kwargs)
    finally:
        for state, values in zip(states, before, strict=True):
            state[...] = values
    sizes = _sizes(kernel, args, kwargs)
    figures = kernel.made.figures
    flops, moved = (dims.evaluate(figures[name], sizes) for name in ("flops", "bytes"))
    return Measurement(seconds, kernel.made.prediction.at(sizes), flops, moved)


def _best(kernel: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    """Seconds of a call: the best of batches."""
    kernel(*args, **kwargs)
    start = time.perf_counter()
    kernel(*args, **kwargs)
    count = max(1, int(_BATCH / (time.perf_counter() - start + 1e-9)))
    best, end = float("inf"), time.perf_counter() + _LONG
    while (start := time.perf_counter()) < end or best == float("inf"):
        for _ in range(count):
            kernel(*args, **kwargs)
        best = min(best, (time.perf_counter() - start) / count)
    return best


def _sizes(kernel: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[Atom, int]:
    """The dimensions of a call that has been checked."""
    interface = interface_of(kernel.spec, returns_tuple=kernel.options.returns_tuple)
    values, _ = arrange(interface, args, dict(kwargs))
    found = rules.find_sizes(interface, rules.as_inputs(interface, values))
    return dict(zip(kernel.spec.dims, found, strict=True))
