"""Random numbers and initial values of the TensorFlow 1 spelling.  In: shapes, seeds.  Out: tensors drawn anew at each run.

Numbers are NumPy's, drawn on the host; with equal seeds they repeat, but they are not TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from symgrad.compat.tf1.functions import Function, lift
from symgrad.compat.tf1.graph import Tensor, array_of, get_default_graph
from symgrad.diff.callback import callback
from symgrad.types import FLOAT32

Initializer = Callable[..., Any]


def set_random_seed(seed: int) -> None:
    """Let the numbers of the default graph repeat."""
    get_default_graph().seed = seed


def _drawn(draw: Function, signature: str) -> Function:
    """``draw(generator, shape, ...)`` on the host, as a function of nodes; integers are rounded down."""

    def drawn(shape: Any, dtype: Any = FLOAT32, seed: Any = None, **how: Any) -> Any:
        generator = np.random.default_rng([one for one in (get_default_graph().seed, seed) if one is not None] or None)
        rounded = np.floor if dtype.kind == "i" else np.asarray
        return callback(lambda: rounded(draw(generator, shape, **how)).astype(dtype), [], (shape, dtype))

    return lift(drawn, signature)


def _truncated(generator: np.random.Generator, shape: Any, mean: float = 0.0, stddev: float = 1.0) -> Any:
    """Normally distributed numbers, those beyond two standard deviations drawn again."""
    made = generator.normal(size=shape)
    while np.any(far := np.abs(made) > 2):
        made = np.where(far, generator.normal(size=shape), made)
    return mean + stddev * made


random_normal = _drawn(
    lambda generator, shape, mean=0.0, stddev=1.0: generator.normal(mean, stddev, shape), "shape mean stddev dtype seed"
)
truncated_normal = _drawn(_truncated, "shape mean stddev dtype seed")
random_uniform = _drawn(
    lambda generator, shape, minval=0, maxval=1: generator.uniform(minval, maxval, shape),
    "shape minval maxval dtype seed",
)


# -- initial values: what gives a function of a shape ---------------------------------------------------------------
def constant_initializer(value: Any = 0) -> Initializer:
    """Variables that begin with a value."""
    return lambda shape, dtype="float32": np.broadcast_to(array_of(value, dtype), tuple(shape))


zeros_initializer, ones_initializer = partial(constant_initializer, 0), partial(constant_initializer, 1)


def _initializer(draw: Function) -> Callable[..., Initializer]:
    return lambda *how, **named: lambda shape, dtype="float32": draw(shape, *how, **{"dtype": dtype, **named})


random_normal_initializer, truncated_normal_initializer, random_uniform_initializer = map(
    _initializer, (random_normal, truncated_normal, random_uniform)
)


def glorot_uniform_initializer(seed: Any = None) -> Initializer:
    """Uniform within √(6 / (inputs + outputs)) (Glorot and Bengio, AISTATS 2010): what ``get_variable`` takes by default."""

    def draw(shape: Any, dtype: Any = "float32") -> Tensor:
        inputs, outputs = (shape[-2] if len(shape) > 1 else shape[0], shape[-1]) if len(shape) else (1, 1)
        limit = float(np.sqrt(6 / ((inputs + outputs) * np.prod(shape[:-2]))))
        return random_uniform(shape, -limit, limit, dtype, seed)

    return draw
