"""Random numbers and initial values of the TensorFlow 1 spelling.  In: shapes, seeds.  Out: tensors drawn anew at each run.

Numbers are NumPy's, drawn on the host; with equal seeds they repeat, but they are not TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.compat.tf1.graph import Tensor, array_of, as_dtype, call, get_default_graph
from symgrad.diff.callback import callback

Initializer = Callable[..., Any]


def set_random_seed(seed: int) -> None:
    """Let the numbers of the default graph repeat."""
    get_default_graph().seed = seed


def _drawn(draw: Callable[[np.random.Generator, tuple[int, ...]], Any], shape: Any, dtype: Any, seed: Any) -> Tensor:
    common, kind = get_default_graph().seed, as_dtype(dtype)
    given = [one for one in (common, seed) if one is not None]
    generator = np.random.default_rng(given or None)
    sizes = tuple(int(size) for size in shape)

    def fresh() -> Any:
        return np.asarray(draw(generator, sizes), kind)

    made: Tensor = call(lambda: callback(fresh, [], (sizes, kind)))
    return made


def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> Tensor:
    """Normally distributed numbers."""
    return _drawn(lambda generator, sizes: generator.normal(mean, stddev, sizes), shape, dtype, seed)


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> Tensor:
    """Normally distributed numbers, those beyond two standard deviations drawn again."""

    def draw(generator: np.random.Generator, sizes: tuple[int, ...]) -> Any:
        made = generator.normal(size=sizes)
        while np.any(far := np.abs(made) > 2):
            made = np.where(far, generator.normal(size=sizes), made)
        return mean + stddev * made

    return _drawn(draw, shape, dtype, seed)


def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = "float32", seed: Any = None, name: Any = None
) -> Tensor:
    """Uniformly distributed numbers; integers for an integer element type."""
    if as_dtype(dtype).kind == "i":
        return _drawn(lambda generator, sizes: generator.integers(int(minval), int(maxval), sizes), shape, dtype, seed)
    return _drawn(lambda generator, sizes: generator.uniform(minval, maxval, sizes), shape, dtype, seed)


# -- initial values: what gives a function of a shape ---------------------------------------------------------------
def constant_initializer(value: Any = 0) -> Initializer:
    """Variables that begin with a value."""
    return lambda shape, dtype="float32": np.broadcast_to(array_of(value, dtype), tuple(shape))


def zeros_initializer() -> Initializer:
    """Variables that begin with zeros."""
    return constant_initializer(0)


def ones_initializer() -> Initializer:
    """Variables that begin with ones."""
    return constant_initializer(1)


def _initializer(draw: Callable[..., Tensor]) -> Callable[..., Initializer]:
    return lambda *how, seed=None, **named: (
        lambda shape, dtype="float32": draw(shape, *how, dtype=dtype, seed=seed, **named)
    )


random_normal_initializer, truncated_normal_initializer = _initializer(random_normal), _initializer(truncated_normal)
random_uniform_initializer = _initializer(random_uniform)


def glorot_uniform_initializer(seed: Any = None) -> Initializer:
    """Uniform within √(6 / (inputs + outputs)) (Glorot and Bengio, AISTATS 2010): what ``get_variable`` takes by default."""

    def draw(shape: Any, dtype: Any = "float32") -> Tensor:
        inputs, outputs = (shape[-2] if len(shape) > 1 else shape[0], shape[-1]) if len(shape) else (1, 1)
        limit = float(np.sqrt(6 / ((inputs + outputs) * np.prod(shape[:-2]))))
        return random_uniform(shape, -limit, limit, dtype, seed)

    return draw
