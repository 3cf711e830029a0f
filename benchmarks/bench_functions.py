"""Small functions at many points, a fifth derivative, attracting bodies: values and derivatives beside C loops and heyoka.

    python benchmarks/bench_functions.py [--json FILE] [--rounds N] [--only WORD] [--points 1000,100000]

Everything runs on one core into existing arrays, in float64 and float32.  Times are medians over rounds in which the
contenders take turns, in processor time of the thread, so that other work on the machine counts little; results are
compared before anything is timed.  The C loops (``c_loops.py``) take part where GCC exists, heyoka where it is installed.
"""

from __future__ import annotations

import os
import tempfile

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="bench_functions_")  # heyoka keeps compiled code on disk

import importlib.metadata
import importlib.util
import itertools
import shutil
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import measuring
import numpy as np
from c_loops import ARM, MASSES, TOOL, c_loop, c_nbody, gcc_version

import symgrad as sg

RNG = np.random.default_rng(3)
SLOT = 2e-3  # seconds that a contender runs in its turn, at least
FAST = {"contract", "reassoc", "reciprocal"}  # the C loops and heyoka may do these and more
TOLERANCE = {"float64": 1e-11, "float32": 3e-4}
Contender = tuple[Callable[[], Any], Any]  # a call, and the array of (outputs, points) that it fills


# -- the functions: m is a namespace of elementary functions --------------------------------------------------------
def options(m: Any, spot: Any, strike: Any, rate: Any, sigma: Any, years: Any) -> list[Any]:
    """A European call by Black and Scholes."""
    spread = sigma * m.sqrt(years)
    upper = (m.log(spot / strike) + (rate + 0.5 * sigma * sigma) * years) / spread
    chances = [0.5 * (1.0 + m.erf(d * 0.7071067811865476)) for d in (upper, upper - spread)]
    return [spot * chances[0] - strike * m.exp(-rate * years) * chances[1]]


def rational(m: Any, *x: Any) -> list[Any]:
    terms = [
        100.0 * (b - a * a) * (b - a * a) / (1.0 + a * a) + (1.0 - a) * (1.0 - a) for a, b in itertools.pairwise(x)
    ]
    return [sum(terms[1:], terms[0])]


def bodies(m: Any, *x: Any) -> list[Any]:
    """The potential of three attracting bodies."""
    total: Any = 0.0
    for i, j in ((0, 1), (0, 2), (1, 2)):
        a, b, c = (x[3 * i + k] - x[3 * j + k] for k in range(3))
        total = total - MASSES[i] * MASSES[j] / m.sqrt(a * a + b * b + c * c)
    return [total]


def arm(m: Any, *angles: Any) -> list[Any]:
    """The tool of a robot with six joints."""
    x, y, z = TOOL
    for angle, (twist, length, offset) in zip(reversed(angles), reversed(ARM), strict=True):
        if twist:
            y, z = (-z, y) if twist > 0 else (z, -y)
        x = x + length if length else x
        cosine, sine = m.cos(angle), m.sin(angle)
        x, y, z = cosine * x - sine * y, sine * x + cosine * y, z + offset if offset else z
    return [x, y, z]


def fifth(m: Any, x: Any) -> list[Any]:
    return [m.exp(m.sin(x)) * m.tanh(x) / (1.0 + x * x)]


class Case(NamedTuple):
    """A function, the bounds of its inputs, and the order of the derivative if it is not all of the first."""

    function: Callable[..., list[Any]]
    bounds: tuple[tuple[float, float], ...]
    order: int = 1


CASES = {
    "options": Case(options, ((80, 120), (80, 120), (0.01, 0.05), (0.1, 0.4), (0.2, 2))),
    "rational": Case(rational, ((-2, 2),) * 6),
    "bodies": Case(bodies, ((-1, 1),) * 3 + ((2, 4),) * 3 + ((5, 7),) * 3),
    "arm": Case(arm, ((-3, 3),) * 6),
    "fifth": Case(fifth, ((-3, 3),), 5),
}
NUMPY = SimpleNamespace(sqrt=np.sqrt, log=np.log, exp=np.exp, sin=np.sin, cos=np.cos, tanh=np.tanh, erf=sg.special.erf)


# -- contenders -----------------------------------------------------------------------------------------------------
def ours(name: str, dtype: str, data: Any) -> Contender:
    """One symbol for each input."""
    case, (count, n) = CASES[name], data.shape
    symbols = [sg.symbol(f"x{k}", ("n",), dtype) for k in range(count)]
    values = case.function(NUMPY, *symbols)
    if case.order > 1:
        derivative = sg.derivative(lambda x: case.function(NUMPY, x)[0], case.order)
        results = [sg.vmap(derivative)(*symbols)]
    else:
        results = [*values, *sg.gradients(values[0], symbols)]
    kernel = sg.compile(results, symbols, fastmath=FAST)
    out = np.zeros((len(results), n), dtype)
    arguments, room = tuple(data), tuple(out)
    return lambda: kernel(*arguments, out=room), out


def our_arm(dtype: str, data: Any, rows: bool) -> Contender:
    """Value and Jacobian of one point, over points: arrays (6, n), (3, n) and (3, 6, n), or with n first."""

    def tool(q: Any) -> Any:
        made = np.stack(arm(NUMPY, *(q[k] for k in range(6))))
        return made, made

    def both(q: Any) -> Any:
        return sg.jacobian(tool, has_aux=True)(q)

    q = sg.symbol("q", ("n", 6) if rows else (6, "n"), dtype)
    slopes, values = (sg.vmap(both) if rows else sg.vmap(both, in_axes=1, out_axes=(2, 1)))(q)
    kernel = sg.compile([values, slopes], [q], fastmath=FAST)
    n = data.shape[0 if rows else 1]
    if not rows:
        out = np.zeros((21, n), dtype)
        room = out[:3], out[3:].reshape(3, 6, n)
        return lambda: kernel(data, out=room), out
    room = np.zeros((n, 3), dtype), np.zeros((n, 3, 6), dtype)
    return lambda: kernel(data, out=room), room


def heyoka(name: str, dtype: str, data: Any) -> Contender:
    import heyoka as hy

    case, n = CASES[name], data.shape[1]
    names = [f"x{k}" for k in range(len(case.bounds))]
    made = hy.make_vars(*names)
    symbols = made if isinstance(made, (list, tuple)) else [made]
    values = case.function(hy, *symbols)
    tensors = hy.diff_tensors(values, diff_args=list(symbols), diff_order=case.order)
    if case.order > 1:
        outputs = [tensors[[0, case.order]]]
    else:
        outputs = [*values, *np.ravel(tensors.jacobian if len(values) > 1 else tensors.gradient)]
    function = hy.cfunc(
        outputs, vars=symbols, fast_math=True, fp_type=np.dtype(dtype).type if dtype != "float64" else float
    )
    out = np.zeros((len(outputs), n), dtype)
    return lambda: function(data, outputs=out), out


def flat(out: Any) -> Any:
    """Results as an array (outputs, points)."""
    if isinstance(out, tuple):
        values, slopes = out
        return np.concatenate([values, slopes.reshape(len(values), -1)], axis=1).T
    return out


# -- measuring ------------------------------------------------------------------------------------------------------
def agree(contenders: dict[str, Contender], tolerance: float) -> None:
    """All contenders give the same numbers, or the program ends."""
    first = None
    for label, (run, out) in contenders.items():
        run()
        made = flat(out).T if label.endswith("C rows") else flat(out)
        made = np.asarray(made, float)
        if first is None:
            first = made
        scale = np.abs(first) + np.sqrt(np.mean(first**2, axis=1, keepdims=True)) + 1e-30
        worst = float(np.max(np.abs(made - first) / scale))
        if not worst < tolerance:
            raise SystemExit(f"{label} differs by {worst:.1e}")


def medians(contenders: dict[str, Contender], rounds: int) -> dict[str, float]:
    """Seconds of each call: medians of rounds in which they take turns."""
    taken: dict[str, list[float]] = {label: [] for label in contenders}
    counts = {}
    for label, (run, _) in contenders.items():
        run()
        counts[label] = max(1, int(SLOT / max(timed(run, 1), 1e-7)))
    for _ in range(rounds):
        for label, (run, _) in contenders.items():
            taken[label].append(timed(run, counts[label]))
    return {label: statistics.median(times) for label, times in taken.items()}


def timed(run: Callable[[], Any], count: int) -> float:
    start = time.thread_time()
    for _ in range(count):
        run()
    return (time.thread_time() - start) / count


# -- many points ----------------------------------------------------------------------------------------------------
def contenders(name: str, dtype: str, n: int) -> dict[str, Contender]:
    case = CASES[name]
    data = np.stack([RNG.uniform(*bounds, n) for bounds in case.bounds]).astype(dtype)
    made: dict[str, Contender] = {}
    if name == "arm":
        rows = np.ascontiguousarray(data.T)
        made["symgrad"] = our_arm(dtype, data, rows=False)
        made["symgrad rows"] = our_arm(dtype, rows, rows=True)
        if gcc_version():
            made["C rows"] = c_loop(name, dtype, rows, rows=True)
    else:
        made["symgrad"] = ours(name, dtype, data)
    if gcc_version():
        made["C"] = c_loop(name, dtype, data)
    if importlib.util.find_spec("heyoka"):
        made["heyoka"] = heyoka(name, dtype, data)
    return made


def many_points(name: str, points: list[int], rounds: int) -> dict[str, dict[str, float]]:
    """Nanoseconds per point, by element type and number of points; prints ratios first."""
    figures: dict[str, dict[str, float]] = {}
    for dtype in ("float64", "float32"):
        for n in points:
            made = contenders(name, dtype, n)
            agree(made, TOLERANCE[dtype] * (1000 if name == "fifth" else 1))
            taken = medians(made, rounds if n < 500_000 else max(5, rounds // 4))
            row = {label: seconds / n * 1e9 for label, seconds in taken.items()}
            figures[f"{dtype} {n}"] = row
            wide = figures.get(f"float64 {n}", row)
            report(f"{name}, {n} points, {dtype}", row, wide if dtype == "float32" else {})
    return figures


def report(label: str, row: dict[str, float], wide: dict[str, float], unit: str = "ns") -> None:
    parts = []
    for own in [one for one in row if one.startswith("symgrad")]:
        ratios = [f"{row[own] / value:.2f} {peer}" for peer, value in row.items() if not peer.startswith("symgrad")]
        if wide:
            ratios.append(f"{row[own] / wide[own]:.2f} float64")
        parts.append(f"{own.removeprefix('symgrad ')}: {', '.join(ratios)}")
    figures = "  ".join(f"{one} {value:.3g}" for one, value in row.items())
    print(f"{label:38s} {'; '.join(parts):60s} {unit}: {figures}", flush=True)


# -- attracting bodies ----------------------------------------------------------------------------------------------
def weights(n: int) -> Any:
    return 1.0 + 0.125 * np.arange(n)


def places(n: int) -> Any:
    return RNG.uniform(-1, 1, (n, 3)) + 0.7 * np.arange(n)[:, None]


def potential(x: Any) -> Any:
    """The potential in arrays: every pair twice; a body does not attract itself, nor divide by its distance 0."""
    mass = weights(x.shape[0])
    apart = x[:, None, :] - x[None, :, :]
    pull = np.outer(mass, mass) - np.diag(mass * mass)
    return -0.5 * np.sum(pull / np.sqrt(np.sum(apart * apart, axis=2) + np.eye(mass.size)))


def nbody_arrays(n: int) -> Contender:
    x = sg.symbol("x", (n, 3))
    value = potential(x)
    return called(sg.compile([value, *sg.gradients(value, [x])], [x], fastmath=FAST), places(n))


def nbody_scalars(n: int) -> Contender:
    """The potential written out in scalars."""
    x, mass = sg.symbol("x", (n, 3)), weights(n)
    own = [[x[i, k] for k in range(3)] for i in range(n)]
    total: Any = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            a, b, c = (own[i][k] - own[j][k] for k in range(3))
            total = total - mass[i] * mass[j] / np.sqrt(a * a + b * b + c * c)
    return called(sg.compile([total, *sg.gradients(total, [x])], [x], fastmath=FAST), places(n))


def called(kernel: Any, data: Any) -> Contender:
    out = np.zeros((1 + data.size, 1))
    room = out[0, 0:].reshape(()), out[1:].reshape(data.shape)
    return lambda: kernel(data, out=room), (out, data)


def nbody_heyoka(n: int, data: Any) -> Contender:
    import heyoka as hy

    mass, x = weights(n).tolist(), hy.make_vars(*(f"x{k}" for k in range(3 * n)))
    terms = []
    for i in range(n):
        for j in range(i + 1, n):
            a, b, c = (x[3 * i + k] - x[3 * j + k] for k in range(3))
            terms.append(-(mass[i] * mass[j]) / hy.sqrt(a * a + b * b + c * c))
    value = hy.sum(terms)
    slopes = hy.diff_tensors([value], diff_args=x, diff_order=1).gradient
    function = hy.cfunc([value, *slopes], vars=x, compact_mode=True, fast_math=True)
    flat_data, out = data.ravel(), np.zeros((1 + 3 * n, 1))
    return lambda: function(flat_data, outputs=out[:, 0]), out


def attracting(form: Callable[[int], Contender], n: int, rounds: int, peer: bool) -> dict[str, float]:
    """Microseconds of an evaluation; seconds until the kernel is there."""
    start = time.perf_counter()
    run, (out, data) = form(n)
    seconds = {"symgrad": time.perf_counter() - start}
    made: dict[str, Contender] = {"symgrad": (run, out)}
    if gcc_version():
        call, filled = c_nbody(weights(n), data)
        made["C"] = call, filled[:, None]
    if peer and importlib.util.find_spec("heyoka"):
        start = time.perf_counter()
        made["heyoka"] = nbody_heyoka(n, data)
        seconds["heyoka"] = time.perf_counter() - start
    agree(made, 1e-9)
    row = {label: 1e6 * taken for label, taken in medians(made, rounds).items()}
    label = f"{form.__name__.replace('nbody_', 'bodies in ')}, n = {n}"
    report(label, row, {}, "us")
    print(f"{'':38s} seconds to build, differentiate, compile: {seconds}")
    return {**row, **{f"{one} seconds": value for one, value in seconds.items()}}


def main() -> None:
    parser = measuring.parser(__doc__, rounds=41)
    parser.add_argument("--only", default="", help="run what has this in its name")
    parser.add_argument("--points", default="1000,100000,1000000")
    chosen = parser.parse_args()
    measuring.on_one_processor()
    points = [int(one) for one in chosen.points.split(",")]
    figures: dict[str, Any] = {}
    print("symgrad / peer" + " " * 86 + "time")
    for name in CASES:
        if chosen.only in name:
            figures[name] = many_points(name, points if name != "fifth" else [100_000], chosen.rounds)
    for form, peer in ((nbody_arrays, False), (nbody_scalars, True)):
        if chosen.only in form.__name__:
            figures[form.__name__] = attracting(form, 100, chosen.rounds, peer)
    versions = measuring.versions("numpy", "llvmlite", "heyoka") | {"gcc": gcc_version()}
    print(versions)
    measuring.save(chosen.json, figures=figures, **versions)
    shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


if __name__ == "__main__":
    main()
