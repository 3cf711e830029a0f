"""Programs as users write them, with their derivatives: small problems at 10,000 points, and arrays.  In: nothing.  Out: a table.

    python benchmarks/bench_programs.py [--json FILE] [--rounds N] [--only NAME]

Each is one NumPy function, run by symgrad as it stands and, where it is installed, by JAX; nothing is arranged for either.  Small
problems are mapped over points with their gradient (G), Jacobian (J) or Hessian (H); functions of arrays give value and
gradient.  Values are compared with NumPy's, and derivatives with JAX's.  One core, into existing arrays; best of many rounds.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import measuring
import numpy as np

import symgrad as sg
import symgrad.numpy as snp

POINTS = 10_000
RNG = np.random.default_rng(0)
TRANSFORMS = {"G": ("value_and_grad", "value_and_grad"), "J": ("jacobian", "jacfwd"), "H": ("hessian", "hessian")}


# -- small problems -------------------------------------------------------------------------------------------------
def arm(np: Any, q: Any) -> Any:
    angles = np.cumsum(q)
    return np.stack([np.sum(np.cos(angles)), np.sum(np.sin(angles))])


def joints(np: Any, q: Any) -> Any:
    """Four joints by the matrices of Denavit and Hartenberg."""
    frame = np.eye(4)
    for k in range(4):
        c, s = np.cos(q[k]), np.sin(q[k])
        zero, one = 0 * c, 0 * c + 1
        turn = [[c, -s, zero, 0.3 * c], [s, c, zero, 0.3 * s], [zero, zero, one, 0.1 * one], [zero, zero, zero, one]]
        frame = frame @ np.array(turn)
    return frame[:3, 3]


def rotation(np: Any, v: Any) -> Any:
    """Rodrigues' formula for the vector of three numbers behind the axis."""
    axis, x = v[:3], v[3:]
    angle = np.sqrt(np.sum(axis * axis))
    unit = axis / angle
    turned = np.cross(unit, x) * np.sin(angle)
    return x * np.cos(angle) + turned + unit * np.dot(unit, x) * (1 - np.cos(angle))


def density(np: Any, v: Any) -> Any:
    """Of a normal distribution in three dimensions, by the factor of its precision."""
    zero = 0 * v[0]
    factor = np.array([[np.exp(v[3]), zero, zero], [v[4], np.exp(v[5]), zero], [v[6], v[7], np.exp(v[8])]])
    return v[3] + v[5] + v[8] - 0.5 * np.sum((factor.T @ v[:3]) ** 2)


def chain(np: Any, q: Any) -> Any:
    return np.sum(np.sqrt(1 + np.diff(q) ** 2)) + np.sum(q**4)


def predator(np: Any, v: Any) -> Any:
    """Three steps of Runge and Kutta."""
    a, b, c, d = v[2], v[3], v[4], v[5]

    def rate(y: Any) -> Any:
        return np.stack([a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]])

    y = v[:2]
    for _ in range(3):
        k1 = rate(y)
        k2 = rate(y + 0.05 * k1)
        k3 = rate(y + 0.05 * k2)
        y = y + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + rate(y + 0.1 * k3))
    return y


def form(np: Any, v: Any) -> Any:
    return np.einsum("i,ij,j", v, np.outer(v, v) + np.eye(5), np.sin(v))


def molecules(np: Any, v: Any) -> Any:
    """Lennard-Jones energy of four."""
    p = np.reshape(v, (4, 3))
    squares = np.sum((p[:, None] - p[None]) ** 2, -1) + np.eye(4)
    return np.sum(np.triu(4 * (squares**-6.0 - squares**-3.0), 1))


def network(np: Any, v: Any) -> Any:
    return WEIGHTS[2] @ np.tanh(WEIGHTS[1] @ np.tanh(WEIGHTS[0] @ v))


def solution(np: Any, v: Any) -> Any:
    return np.sum(np.linalg.solve(np.reshape(v[:9], (3, 3)) + 4 * np.eye(3), v[9:]) ** 2)


def compound(np: Any, v: Any) -> Any:
    return np.sum(np.cumprod(v) * np.arange(1.0, 7.0))


WEIGHTS = [RNG.normal(size=shape) / 2 for shape in ((8, 4), (8, 8), (8,))]
SMALL = (
    (arm, 6, "J"), (joints, 4, "J"), (rotation, 6, "J"), (density, 9, "G"), (chain, 8, "G"), (chain, 8, "H"),
    (predator, 6, "J"), (form, 5, "G"), (form, 5, "H"), (molecules, 12, "G"), (network, 4, "G"), (network, 4, "H"),
    (solution, 12, "G"), (compound, 6, "G"),
)  # fmt: skip


# -- arrays ---------------------------------------------------------------------------------------------------------
def logistic(np: Any, w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return np.mean(np.logaddexp(0, z) - y * z)


def similarity(np: Any, x: Any, a: Any) -> Any:
    distances = np.sum((x[:, None] - x[None]) ** 2, -1)
    return np.sum(a[:, None] * np.exp(-distances / 2) * a[None])


def factors(np: Any, u: Any, v: Any, i: Any, j: Any, rates: Any) -> Any:
    return np.sum((np.sum(u[i] * v[j], 1) - rates) ** 2)


def heat(np: Any, u: Any) -> Any:
    for _ in range(5):
        p = np.pad(u, 1)
        u = u + 0.1 * (p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u)
    return np.sum((u - 1) ** 2)


def paths(np: Any, s: Any, z: Any) -> Any:
    """An Asian option by simulation."""
    logs = np.cumsum(s * z - 0.5 * s * s, axis=1)
    return np.mean(np.maximum(np.mean(np.exp(logs), axis=1) - 1, 0))


def variation(np: Any, u: Any) -> Any:
    return np.sum(np.sqrt((u[1:, :-1] - u[:-1, :-1]) ** 2 + (u[:-1, 1:] - u[:-1, :-1]) ** 2 + 1e-3))


def recurrent(np: Any, w: Any, u: Any, x: Any) -> Any:
    h = np.zeros((100, 32))
    for t in range(10):
        h = np.tanh(h @ w + x[t] @ u)
    return np.sum(h**2)


def process(np: Any, y: Any, length: Any, x: Any) -> Any:
    """Likelihood of a Gaussian process."""
    table = np.exp(-((x[:, None] - x[None]) ** 2) / length**2) + 0.1 * np.eye(200)
    factor = np.linalg.cholesky(table)
    return 0.5 * y @ np.linalg.solve(table, y) + np.sum(np.log(np.diag(factor)))


def springs(np: Any, x: Any, i: Any, j: Any) -> Any:
    return np.sum((x[i] - x[j]) ** 2)


def arrays() -> Iterator[tuple[Callable[..., Any], int, Sequence[Any]]]:
    """Each function, with respect to how many of its first arguments it is differentiated, and its arguments."""
    normal, uniform, whole = RNG.normal, RNG.uniform, RNG.integers
    yield logistic, 1, (normal(size=30), normal(size=(20_000, 30)), whole(0, 2, 20_000).astype(float))
    yield similarity, 1, (normal(size=(500, 8)), normal(size=500))
    places = whole(0, 1000, 20_000), whole(0, 800, 20_000)
    yield factors, 2, (normal(size=(1000, 16)), normal(size=(800, 16)), *places, normal(size=20_000))
    yield heat, 1, (normal(size=(200, 300)),)
    yield paths, 1, (np.float64(0.1), normal(size=(5000, 100)))
    yield variation, 1, (normal(size=(400, 400)),)
    yield recurrent, 2, (normal(size=(32, 32)) / 6, normal(size=(8, 32)), normal(size=(10, 100, 8)))
    yield process, 2, (normal(size=200), np.float64(1.3), uniform(0, 10, 200))
    yield springs, 1, (normal(size=10_000), whole(0, 10_000, 50_000), whole(0, 10_000, 50_000))


# -- contenders -----------------------------------------------------------------------------------------------------
class Work(NamedTuple):
    """A program: its name, each contender's call, and the results that have to agree."""

    name: str
    calls: dict[str, Callable[[], Any]]
    results: dict[str, list[Any]]


def contender(program: Any, inputs: Sequence[Any], args: Sequence[Any]) -> tuple[Callable[[], Any], list[Any]]:
    """A call of the compiled program into arrays that are there, and these."""
    kernel = sg.compile(program, inputs)
    made = kernel(*args)
    out = tuple(np.array(one) for one in made) if isinstance(made, tuple) else np.array(made)
    return (lambda: kernel(*args, out=out)), [*out] if isinstance(out, tuple) else [out]


def works(only: str) -> Iterator[Work]:
    for function, width, kind in SMALL:
        name = f"{function.__name__} {kind}"
        if only in name:
            yield small(name, function, width, kind)
    for function, wrt, args in arrays():
        if only in function.__name__:
            yield large(function, wrt, args)


def small(name: str, function: Any, width: int, kind: str) -> Work:
    ours, theirs = TRANSFORMS[kind]
    x, points = sg.symbol("x", ("n", width)), RNG.uniform(0.2, 1.5, (POINTS, width))
    call, found = contender(sg.vmap(getattr(sg, ours)(lambda v: function(snp, v)))(x), [x], [points])
    work = Work(name, {"symgrad": call}, {"symgrad": found})
    if kind == "G":
        np.testing.assert_allclose(found[0][:20], [function(np, row) for row in points[:20]], rtol=1e-9)
    if importlib.util.find_spec("jax"):
        add_jax(work, lambda jax, jnp: jax.vmap(getattr(jax, theirs)(lambda v: function(jnp, v))), [points])
    return work


def large(function: Any, wrt: int, args: Sequence[Any]) -> Work:
    inputs = [sg.symbol(f"x{k}", np.shape(one), str(np.asarray(one).dtype)) for k, one in enumerate(args)]
    value = function(snp, *inputs)
    call, found = contender([value, *sg.gradients(value, inputs[:wrt])], inputs, args)
    np.testing.assert_allclose(found[0], function(np, *args), rtol=1e-9)
    work = Work(function.__name__, {"symgrad": call}, {"symgrad": found})
    if importlib.util.find_spec("jax"):
        add_jax(work, lambda jax, jnp: jax.value_and_grad(lambda *x: function(jnp, *x), tuple(range(wrt))), args)
    return work


def add_jax(work: Work, program: Callable[[Any, Any], Any], args: Sequence[Any]) -> None:
    """Add JAX, once its results agree."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    compiled, given = jax.jit(program(jax, jnp)), [jnp.asarray(one) for one in args]
    for one, other in zip(work.results["symgrad"], jax.tree_util.tree_leaves(compiled(*given)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6 * float(np.max(np.abs(other))))
    work.calls["jax"] = lambda: jax.block_until_ready(compiled(*given))


def main() -> None:
    """Run the benchmark."""
    parser = measuring.parser(__doc__, rounds=30)
    parser.add_argument("--only", default="", help="programs whose names hold this")
    chosen = parser.parse_args()
    measuring.on_one_processor()
    figures = {}
    print(f"{'peer / symgrad':>32s}   microseconds")
    for work in works(chosen.only):
        found = figures[work.name] = measuring.race(work.calls, chosen.rounds, unit=1e-6)
        ratios = "  ".join(
            f"{peer} {value / found['symgrad']:6.2f}" for peer, value in found.items() if peer != "symgrad"
        )
        times = "  ".join(f"{peer} {value:9.1f}" for peer, value in found.items())
        print(f"{work.name:20s} {ratios}   {times}", flush=True)
    versions = measuring.versions("numpy", "jax", "llvmlite")
    print(versions)
    measuring.save(chosen.json, microseconds=figures, **versions)


if __name__ == "__main__":
    main()
