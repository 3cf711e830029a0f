"""Mixtures, bundle adjustment, a training step and option prices: value and derivatives beside NumPy and JAX.

    python benchmarks/bench_first_figures.py [--json FILE] [--rounds N]

Single-threaded, best of interleaved rounds, ratios (peer / symgrad) first.  JAX takes part where it is installed.  The ADBench
files of ``tests/data`` are used, or those of the directory named by SYMGRAD_ADBENCH.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: threads that spin would cost its figures
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import importlib.util
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring
import numpy as np
from scipy.special import erfc

import symgrad as sg

ROOT = Path(__file__).resolve().parents[1]
ADBENCH = Path(os.environ.get("SYMGRAD_ADBENCH", ROOT / "tests" / "data" / "adbench"))
RNG = np.random.default_rng(1)
Work = dict[str, Callable[[], Any]]


# -- option prices --------------------------------------------------------------------------------------------------
def price(spot: Any, strike: Any, rate: Any, sigma: Any, years: Any, tail: Any, np: Any) -> Any:
    """A European call by Black and Scholes; ``tail`` is the complementary error function."""
    spread = sigma * np.sqrt(years)
    upper = (np.log(spot / strike) + rate * years) / spread + spread / 2
    chances = [0.5 * tail(-d / np.sqrt(2.0)) for d in (upper, upper - spread)]
    return spot * chances[0] - strike * np.exp(-rate * years) * chances[1]


def options(count: int) -> Work:
    arrays = [RNG.uniform(*range_, count) for range_ in ((80, 120), (80, 120), (0.01, 0.05), (0.1, 0.4), (0.2, 2))]
    symbols = [sg.symbol(name, ("n",)) for name in ("spot", "strike", "rate", "sigma", "years")]
    value = price(*symbols, sg.special.erfc, np)
    kernel = sg.compile([value, *sg.gradients(value, symbols)], symbols)
    work: Work = {"symgrad": lambda: kernel(*arrays), "numpy, price only": lambda: price(*arrays, erfc, np)}
    if (jax := with_jax()) is not None:
        from jax.scipy.special import erfc as jax_erfc

        def total(*inputs: Any) -> Any:
            made = price(*inputs, jax_erfc, jax.numpy)
            return made.sum(), made

        greeks = jax.jit(jax.value_and_grad(total, argnums=tuple(range(5)), has_aux=True))
        work["jax"] = lambda: jax.block_until_ready(greeks(*arrays))
    return work


# -- a step of softmax regression -----------------------------------------------------------------------------------
def softmax(batch: int = 100, pixels: int = 784) -> Work:
    images = RNG.random((batch, pixels), dtype=np.float32)
    targets = np.eye(10, dtype=np.float32)[RNG.integers(0, 10, batch)]
    x, t = sg.symbol("x", ("n", pixels), "float32"), sg.symbol("t", ("n", 10), "float32")
    W = sg.variable("W", np.zeros((pixels, 10), np.float32))
    b = sg.variable("b", np.zeros(10, np.float32))
    cost = -np.mean(np.sum(t * sg.log_softmax(x @ W + b), axis=1))
    slope_W, slope_b = sg.gradients(cost, [W, b])
    step = sg.compile(cost, [x, t], updates=[(W, W - 0.1 * slope_W), (b, b - 0.1 * slope_b)])
    own_W, own_b, rate = np.zeros((pixels, 10), np.float32), np.zeros(10, np.float32), np.float32(0.1)

    def by_hand() -> Any:
        scores = images @ own_W + own_b
        scores -= scores.max(1, keepdims=True)
        powers = np.exp(scores)
        change = (powers / powers.sum(1, keepdims=True) - targets) / np.float32(batch)
        own_W[:] -= rate * (images.T @ change)
        own_b[:] -= rate * change.sum(0)

    work: Work = {"symgrad": lambda: step(images, targets), "numpy": by_hand}
    if (jax := with_jax()) is not None:

        def loss(weights: Any, images: Any, targets: Any) -> Any:
            return -jax.numpy.mean(
                jax.numpy.sum(targets * jax.nn.log_softmax(images @ weights[0] + weights[1]), axis=1)
            )

        @jax.jit
        def jax_step(weights: Any, images: Any, targets: Any) -> Any:
            slopes = jax.grad(loss)(weights, images, targets)
            return [w - rate * slope for w, slope in zip(weights, slopes, strict=True)]

        weights = [jax.numpy.zeros((pixels, 10), "float32"), jax.numpy.zeros(10, "float32")]
        work["jax"] = lambda: jax.block_until_ready(jax_step(weights, images, targets))
    return work


# -- a step of a perceptron -----------------------------------------------------------------------------------------
def perceptron(batch: int = 128) -> Work:
    shapes = [(784, 256), (256,), (256, 10), (10,)]
    start = [RNG.normal(0, 0.1, shape).astype("float32") for shape in shapes]
    images = RNG.random((batch, 784), dtype=np.float32)
    targets = np.eye(10, dtype=np.float32)[RNG.integers(0, 10, batch)]
    x, t = sg.symbol("x", ("n", 784), "float32"), sg.symbol("t", ("n", 10), "float32")
    own = [sg.variable(f"perceptron/{k}", value) for k, value in enumerate(start)]
    scores = np.maximum(x @ own[0] + own[1], 0) @ own[2] + own[3]
    cost = -np.mean(np.sum(t * sg.log_softmax(scores), axis=1))
    slopes = sg.gradients(cost, own)
    step = sg.compile(cost, [x, t], updates=[(w, w - 0.01 * slope) for w, slope in zip(own, slopes, strict=True)])
    work: Work = {"symgrad": lambda: step(images, targets)}
    if (jax := with_jax()) is not None:

        def loss(weights: Any, images: Any, targets: Any) -> Any:
            hidden = jax.numpy.maximum(images @ weights[0] + weights[1], 0)
            return -jax.numpy.mean(
                jax.numpy.sum(targets * jax.nn.log_softmax(hidden @ weights[2] + weights[3]), axis=1)
            )

        @jax.jit
        def jax_step(weights: Any, images: Any, targets: Any) -> Any:
            value, slopes = jax.value_and_grad(loss)(weights, images, targets)
            return value, [w - 0.01 * slope for w, slope in zip(weights, slopes, strict=True)]

        given = [jax.numpy.asarray(value) for value in (*start, images, targets)]
        work["jax"] = lambda: jax.block_until_ready(jax_step(given[:4], *given[4:]))
    return work


# -- ADBench --------------------------------------------------------------------------------------------------------
def adbench(name: str, problem: Path | tuple[int, int, int]) -> Work:
    """Value and gradient of a problem of the suite, or of a random mixture; NumPy computes the value only."""
    program = ROOT / "examples" / "adbench" / f"{name}.py"
    module = runpy.run_path(str(program))
    inputs = module["load"](problem) if isinstance(problem, Path) else random_mixture(*problem)
    work: Work = mixture(module, inputs) if name == "gmm" else bundle(module, inputs)
    if (jax := with_jax()) is not None:
        objective = runpy.run_path(str(program))["objective" if name == "gmm" else "residual"]
        # The same program in JAX's NumPy, but for the table of places, which is filled by assignment.
        objective.__globals__.update(np=jax.numpy, triangle=module.get("triangle"))
        work["jax"] = (jax_mixture if name == "gmm" else jax_bundle)(jax, objective, inputs)
    return work


def random_mixture(points: int, d: int, count: int) -> tuple[Any, ...]:
    """alpha, mu, icf, x, gamma, m of so many components in d dimensions: a size without a file."""
    arrays = RNG.normal(size=count), RNG.random((count, d)), 0.3 * RNG.normal(size=(count, d * (d + 1) // 2))
    return *arrays, RNG.normal(size=(points, d)), 1.0, 0


def mixture(module: dict[str, Any], inputs: Any) -> Work:
    kernel, arrays = module["compiled"](*inputs), inputs[:4]
    return {"symgrad": lambda: kernel(*arrays), "numpy, value only": lambda: module["objective"](*inputs)}


def bundle(module: dict[str, Any], inputs: Any) -> Work:
    kernel = module["compiled"]()
    results = tuple(np.empty_like(array) for array in kernel(*inputs))
    return {"symgrad": lambda: kernel(*inputs, out=results), "symgrad, new arrays": lambda: kernel(*inputs)}


def jax_mixture(jax: Any, objective: Any, inputs: Any) -> Callable[[], Any]:
    *arrays, gamma, m = inputs
    slope = jax.jit(jax.value_and_grad(lambda *arrays: objective(*arrays, gamma, m), argnums=(0, 1, 2)))
    return lambda: jax.block_until_ready(slope(*arrays))


def jax_bundle(jax: Any, residual: Any, inputs: Any) -> Callable[[], Any]:
    def one(*inputs: Any) -> Any:
        return residual(*inputs), jax.jacrev(residual, argnums=(0, 1, 2))(*inputs)

    @jax.jit
    def blocks(cameras: Any, points: Any, weights: Any, observed: Any, features: Any) -> Any:
        return jax.vmap(one)(cameras[observed[:, 0]], points[observed[:, 1]], weights, features)

    return lambda: jax.block_until_ready(blocks(*inputs))


# -- measuring ------------------------------------------------------------------------------------------------------
def with_jax() -> Any:
    """JAX on the processor in double precision, or None."""
    if importlib.util.find_spec("jax") is None:
        return None
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def main() -> None:
    parser = measuring.parser(__doc__, rounds=30)
    chosen = parser.parse_args()
    measuring.on_one_processor()
    rows: dict[str, Callable[[], Work]] = {f"options, {n} points": lambda n=n: options(n) for n in (1_000, 100_000)}
    rows["softmax step, 100 x 784, float32"] = softmax
    rows["perceptron step, 784-256-10, batch 128"] = perceptron
    for file in sorted(ADBENCH.rglob("*.txt")):
        kind = file.name.split("_")[0]
        if kind.startswith(("gmm", "ba")) and file.stat().st_size < 20_000_000:
            rows[file.stem] = lambda file=file, kind=kind: adbench("gmm" if kind == "gmm" else "ba", file)
    rows["gmm_1k_d128_K10, random"] = lambda: adbench("gmm", (1000, 128, 10))
    figures = {}
    print(f"{'peer / symgrad':>40s}   milliseconds")
    for label, prepare in rows.items():
        taken = figures[label] = measuring.race(prepare(), chosen.rounds)
        own = taken["symgrad"]
        ratios = "  ".join(f"{peer} {value / own:.2f}" for peer, value in taken.items() if peer != "symgrad")
        print(f"{label:40s} {ratios:40s} " + "  ".join(f"{peer} {value:.4g}" for peer, value in taken.items()))
    versions = measuring.versions("numpy", "scipy", "jax", "llvmlite")
    print(versions)
    measuring.save(chosen.json, milliseconds=figures, **versions)


if __name__ == "__main__":
    main()
