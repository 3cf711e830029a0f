"""Functions of rows and attention, forward and with gradients, beside NumPy and JAX.

    python benchmarks/bench_rows.py [--json FILE] [--rounds N] [--quick]

Softmax, log of the sum of exponentials, layer normalisation and variance over rows of a matrix of 10**6 elements, then
attention of 4 x 8 heads.  Single-threaded, best of interleaved rounds, ratios (peer / symgrad) first; results are
compared before anything is measured.  JAX takes part where it is installed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: threads that spin would cost its figures
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import measuring
import numpy as np

import symgrad as sg

Work = Callable[[], Any]
WIDTHS = (10, 37, 64, 256, 1000, 4096)
ELEMENTS = 1_000_000
EPSILON = 1e-5


# -- by NumPy: values, and cotangents of the first argument from a head ------------------------------------------------
def np_softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def np_softmax_back(x: Any, head: Any) -> Any:
    y = np_softmax(x)
    return y, y * (head - (head * y).sum(-1, keepdims=True))


def np_logsumexp(x: Any) -> Any:
    top = x.max(-1, keepdims=True)
    return (np.log(np.exp(x - top).sum(-1, keepdims=True)) + top)[..., 0]


def np_logsumexp_back(x: Any, head: Any) -> Any:
    top = x.max(-1, keepdims=True)
    e = np.exp(x - top)
    total = e.sum(-1, keepdims=True)
    return (np.log(total) + top)[..., 0], e * (head[..., None] / total)


def np_layer_norm(x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + x.dtype.type(EPSILON))


def np_layer_norm_back(x: Any, head: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((centred * centred).mean(-1, keepdims=True) + x.dtype.type(EPSILON))
    y = centred * scale
    return y, scale * (head - head.mean(-1, keepdims=True) - y * (head * y).mean(-1, keepdims=True))


def np_variance(x: Any) -> Any:
    return x.var(-1)


def np_variance_back(x: Any, head: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return (centred * centred).mean(-1), centred * (head * x.dtype.type(2 / x.shape[-1]))[..., None]


def np_attention(q: Any, k: Any, v: Any) -> Any:
    return np_softmax(q @ k.swapaxes(-1, -2) * q.dtype.type(q.shape[-1] ** -0.5)) @ v


def np_attention_back(q: Any, k: Any, v: Any, head: Any) -> Any:
    factor = q.dtype.type(q.shape[-1] ** -0.5)
    p = np_softmax(q @ k.swapaxes(-1, -2) * factor)
    dp = head @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) * factor
    return p @ v, ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ head


# -- by symgrad and JAX --------------------------------------------------------------------------------------------
def jax_layer_norm(x: Any) -> Any:
    import jax.numpy as jnp

    centred = x - x.mean(-1, keepdims=True)
    return centred / jnp.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)


def jax_attention(q: Any, k: Any, v: Any) -> Any:
    import jax

    return jax.nn.softmax(q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5) @ v


def in_jax(name: str) -> Any:
    """The function as JAX's users write it."""
    import jax

    own = {"layer norm": jax_layer_norm, "variance": lambda x: x.var(-1), "attention": jax_attention}
    return own.get(name) or getattr(jax.nn, name)


class Task(NamedTuple):
    """A function of arrays, in symgrad and in NumPy, the latter also with cotangents of all arguments from a head."""

    ours: Callable[..., Any]
    plain: Callable[..., Any]
    back: Callable[..., Any]


TASKS = {
    "softmax": Task(sg.nn.softmax, np_softmax, np_softmax_back),
    "logsumexp": Task(lambda x: sg.logsumexp(x, -1), np_logsumexp, np_logsumexp_back),
    "layer norm": Task(lambda x: sg.nn.layer_norm(x, epsilon=EPSILON), np_layer_norm, np_layer_norm_back),
    "variance": Task(lambda x: np.var(x, -1), np_variance, np_variance_back),
    "attention": Task(sg.nn.attention, np_attention, np_attention_back),
}


def by_symgrad(name: str, arrays: Sequence[Any], head: Any, *, gradient: bool) -> Work:
    """A kernel for any number of rows (or of pairs of batch and head)."""
    inputs = [sg.symbol(f"x{k}", ("n", *one.shape[1:]), one.dtype) for k, one in enumerate(arrays)]
    given = sg.symbol("head", ("n", *head.shape[1:]), head.dtype)
    value = TASKS[name].ours(*inputs)
    if not gradient:
        kernel = sg.compile(value, inputs)
        return lambda: kernel(*arrays)
    kernel = sg.compile((value, *sg.gradients(value, inputs, [given])), [*inputs, given])
    return lambda: kernel(*arrays, head)


def by_numpy(name: str, arrays: Sequence[Any], head: Any, *, gradient: bool) -> Work:
    task = TASKS[name]
    return (lambda: task.back(*arrays, head)) if gradient else (lambda: task.plain(*arrays))


def by_jax(name: str, arrays: Sequence[Any], head: Any, *, gradient: bool) -> Work | None:
    if importlib.util.find_spec("jax") is None:
        return None
    import jax

    jax.config.update("jax_enable_x64", True)
    function = in_jax(name) if name != "logsumexp" else lambda x: jax.nn.logsumexp(x, -1)

    def both(head: Any, *xs: Any) -> Any:
        value, pullback = jax.vjp(function, *xs)
        return value, *pullback(head)

    given = [jax.numpy.asarray(one) for one in arrays]
    last = jax.numpy.asarray(head)
    if gradient:
        compiled = jax.jit(both)
        return lambda: jax.block_until_ready(compiled(last, *given))
    forward = jax.jit(function)
    return lambda: forward(*given).block_until_ready()


MAKERS = {"symgrad": by_symgrad, "numpy": by_numpy, "jax": by_jax}


def contenders(name: str, arrays: Sequence[Any], head: Any, *, gradient: bool) -> dict[str, Work]:
    """By name, with results that agree."""
    works = {
        peer: work for peer, make in MAKERS.items() if (work := make(name, arrays, head, gradient=gradient)) is not None
    }
    exact = [np.asarray(one, np.float64) for one in (*arrays, head)]
    want = TASKS[name].back(*exact) if gradient else (TASKS[name].plain(*exact[:-1]),)
    bound = 2e-4 if head.dtype == np.float32 else 1e-10
    for work in works.values():
        got = work() if gradient else (work(),)
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=bound * float(np.abs(other).max()))
    return works


def problems(quick: bool, letters: str) -> list[tuple[str, str, list[Any], Any]]:
    """Names of functions, labels, arguments and heads."""
    rng = np.random.default_rng(0)
    found: list[tuple[str, str, list[Any], Any]] = []
    types = ["float64" if letter == "d" else "float32" for letter in letters]
    for name in TASKS:
        for width in WIDTHS[1:2] if quick else WIDTHS:
            for dtype in types if name != "attention" else ():
                rows = max(1, (2000 if quick else ELEMENTS) // width)
                x = rng.normal(size=(rows, width)).astype(dtype)
                shape = (rows, width) if name in ("softmax", "layer norm") else (rows,)
                found.append((name, f"{name}, {rows} x {width}, {dtype}", [x], rng.normal(size=shape).astype(dtype)))
    shape = (2, 9, 4) if quick else (32, 128, 64)
    arrays = [rng.normal(size=shape).astype("float32") for _ in range(4)]
    found.append(("attention", f"attention, {' x '.join(map(str, shape))}, float32", arrays[:3], arrays[3]))
    return found


def main() -> None:
    """Run the benchmark."""
    parser = measuring.parser(__doc__, rounds=30)
    parser.add_argument("--types", default="df", help="d: float64, f: float32")
    parser.add_argument("--quick", action="store_true", help="small problems and few rounds: shows that it works")
    chosen = parser.parse_args()
    measuring.on_one_processor()
    figures = {}
    print(f"{'peer / symgrad':>56s}   milliseconds")
    for name, label, arrays, head in problems(chosen.quick, chosen.types):
        for gradient in (False, True):
            works = contenders(name, arrays, head, gradient=gradient)
            found = measuring.race(works, 2 if chosen.quick else chosen.rounds)
            own = found["symgrad"]
            line = f"{label}, {'with gradient' if gradient else 'forward'}"
            figures[line] = found
            ratios = "  ".join(f"{peer} {value / own:5.2f}" for peer, value in found.items() if peer != "symgrad")
            times = "  ".join(f"{peer} {value:7.3f}" for peer, value in found.items())
            print(f"{line:54s} {ratios}   {times}", flush=True)
    versions = measuring.versions("numpy", "jax", "llvmlite")
    print(versions)
    measuring.save(chosen.json, milliseconds=figures, **versions)


if __name__ == "__main__":
    main()
