"""The functions of ``bench_functions.py`` as C loops.  In: a function's name and element type.  Out: a compiled loop.

Written from the mathematics as a person would who cares for speed: common factors by hand, no branch, arrays that do not
overlap.  Compiled with what lets GCC use its vector mathematics; it merges sin and cos of one argument into a scalar
``sincos``, which blocks vectorisation, so they are no builtins.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["ARM", "C_FLAGS", "MASSES", "TOOL", "c_loop", "c_nbody", "gcc_version"]

C_FLAGS = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512"]
C_FLAGS += [f"-fno-builtin-{name}" for name in ("sin", "cos", "sinf", "cosf")]
ARM = ((1, 0.0, 0.0), (0, 0.4318, 0.0), (-1, 0.0203, 0.15005), (1, 0.0, 0.4318), (-1, 0.0, 0.0), (0, 0.0, 0.0))
TOOL = (0.1, 0.05, 0.2)  # in the last frame; a joint is (twist in quarter turns, length, offset)
MASSES = (1.0, 0.8, 1.3)
_FLOAT = {name: f"{name}f" for name in ("exp", "log", "sqrt", "sin", "cos", "erf", "tanh")}
_DIRECTORY = tempfile.TemporaryDirectory(prefix="bench_functions_")


def gcc_version() -> str | None:
    """The compiler's version, or None where there is none."""
    if shutil.which("gcc") is None:
        return None
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()


def _options() -> list[str]:
    return [
        "real root = sqrt(y), spread = v * root;",
        "real d = (log(s / k) + r * y) / spread + (real)0.5 * spread, e = d - spread;",
        "real up = (real)0.5 + (real)0.5 * erf(d * (real)0.7071067811865476);",
        "real low = (real)0.5 + (real)0.5 * erf(e * (real)0.7071067811865476);",
        "real discount = exp(-r * y), owed = k * discount * low;",
        "real density = s * (real)0.3989422804014327 * exp((real)-0.5 * d * d);",
        "o0 = s * up - owed; o1 = up; o2 = -discount * low; o3 = y * owed; o4 = density * root;",
        "o5 = (real)0.5 * density * v / root + r * owed;",
    ]


def _rational() -> list[str]:
    lines = ["real total = 0, pass0 = 0;"]
    for k in range(5):
        lines += [
            f"real sq{k} = x{k} * x{k}, gap{k} = x{k + 1} - sq{k}, rest{k} = 1 - x{k};",
            f"real part{k} = 100 * gap{k} / (1 + sq{k}), term{k} = part{k} * gap{k};",
            f"total += term{k} + rest{k} * rest{k};",
            f"o{k + 1} = pass{k} - x{k} * (4 * part{k} + 2 * term{k} / (1 + sq{k})) - 2 * rest{k};",
            f"real pass{k + 1} = 2 * part{k};",
        ]
    return [*lines, "o0 = total; o6 = pass5;"]


def _bodies() -> list[str]:
    lines, slopes = ["real total = 0;"], dict.fromkeys(range(9), "")
    for i, j in ((0, 1), (0, 2), (1, 2)):
        lines += [f"real {c}{i}{j} = x{3 * i + k} - x{3 * j + k};" for k, c in enumerate("abc")]
        lines += [
            f"real q{i}{j} = 1 / (a{i}{j} * a{i}{j} + b{i}{j} * b{i}{j} + c{i}{j} * c{i}{j});",
            f"real w{i}{j} = (real){MASSES[i] * MASSES[j]} * sqrt(q{i}{j}), h{i}{j} = w{i}{j} * q{i}{j};",
            f"total -= w{i}{j};",
        ]
        for k, c in enumerate("abc"):
            lines.append(f"real f{c}{i}{j} = h{i}{j} * {c}{i}{j};")
            slopes[3 * i + k] += f" + f{c}{i}{j}"
            slopes[3 * j + k] += f" - f{c}{i}{j}"
    return [*lines, "o0 = total;", *(f"o{k + 1} = {slope};" for k, slope in slopes.items())]


def _arm() -> list[str]:
    """The tool seen from each joint, from the last to the first; then the joints' frames, whose columns turn it."""
    px, py, pz = (f"(real){one}" for one in TOOL)
    lines = []
    for k in reversed(range(6)):
        twist, length, offset = ARM[k]
        if twist:
            py, pz = (f"(-{pz})", py) if twist > 0 else (pz, f"(-{py})")
        lines += [
            f"real c{k} = cos(x{k}), s{k} = sin(x{k}), l{k} = {px} + (real){length};",
            f"real u{k} = c{k} * l{k} - s{k} * {py}, w{k} = s{k} * l{k} + c{k} * {py}, z{k} = {pz} + (real){offset};",
        ]
        px, py, pz = f"u{k}", f"w{k}", f"z{k}"
    lines += ["o0 = u0; o1 = w0; o2 = z0;"]
    frame = [["1.0", "0.0", "0.0"], ["0.0", "1.0", "0.0"], ["0.0", "0.0", "1.0"]]
    for k in range(6):
        first, second, third = frame
        for row in range(3):
            lines += [
                f"o{3 + 6 * row + k} = u{k} * (real){second[row]} - w{k} * (real){first[row]};",
                f"real e{k}{row} = c{k} * (real){first[row]} + s{k} * (real){second[row]};",
                f"real f{k}{row} = c{k} * (real){second[row]} - s{k} * (real){first[row]};",
            ]
        turned, side = [f"e{k}{row}" for row in range(3)], [f"f{k}{row}" for row in range(3)]
        twist = ARM[k][0]
        minus = [f"(-{one})" for one in (side if twist > 0 else third)]
        frame = [turned, *((side, third) if not twist else (third, minus) if twist > 0 else (minus, side))]
    return lines


def _fifth() -> list[str]:
    """Taylor coefficients of the parts by their recurrences; the fifth, times 5!, of the quotient."""
    lines = ["real sn0 = sin(x0), cs0 = cos(x0), t0 = tanh(x0);", "real e0 = exp(sn0), p0 = e0 * t0;"]
    lines += ["real inv = 1 / (1 + x0 * x0), q0 = p0 * inv;"]
    for k in range(1, 6):
        square = " + ".join(f"t{j} * t{k - 1 - j}" for j in range(k))
        chain = " + ".join(f"{j} * sn{j} * e{k - j}" for j in range(1, k + 1))
        product = " + ".join(f"e{j} * t{k - j}" for j in range(k + 1))
        lines += [
            f"real sn{k} = cs{k - 1} / {k}, cs{k} = -sn{k - 1} / {k};",
            f"real t{k} = ({'1 - ' if k == 1 else '-'}({square})) / {k};",
            f"real e{k} = ({chain}) / {k}, p{k} = {product};",
            f"real q{k} = (p{k} - 2 * x0 * q{k - 1}{f' - q{k - 2}' if k > 1 else ''}) * inv;",
        ]
    return [*lines, "o0 = 120 * q5;"]


BODIES: dict[str, tuple[Callable[[], list[str]], Sequence[str], int]] = {
    "options": (_options, ("s", "k", "r", "v", "y"), 6),
    "rational": (_rational, tuple(f"x{k}" for k in range(6)), 7),
    "bodies": (_bodies, tuple(f"x{k}" for k in range(9)), 10),
    "arm": (_arm, tuple(f"x{k}" for k in range(6)), 21),
    "fifth": (_fifth, ("x0",), 1),
}


def _source(name: str, dtype: str, rows: bool) -> str:
    """A loop over columns of n numbers each, or over rows."""
    body, inputs, count = BODIES[name]
    real = {"float64": "double", "float32": "float"}[dtype]
    defines = [f"#define {a} {b}" for a, b in _FLOAT.items()] if dtype == "float32" else []
    place = (lambda k, width: f"i * {width} + {k}") if rows else (lambda k, width: f"{k} * n + i")
    return "\n".join(
        [
            "#include <math.h>",
            *defines,
            f"typedef {real} real;",
            "void run(long n, const real *restrict in, real *restrict out) {",
            "#pragma GCC ivdep",
            "for (long i = 0; i < n; i++) {",
            *(f"real {one} = in[{place(k, len(inputs))}];" for k, one in enumerate(inputs)),
            f"real {', '.join(f'o{k}' for k in range(count))};",
            *body(),
            *(f"out[{place(k, count)}] = o{k};" for k in range(count)),
            "}}",
        ]
    )


def _compiled(text: str) -> Any:
    stem = Path(_DIRECTORY.name) / f"loop{len(list(Path(_DIRECTORY.name).iterdir()))}"
    stem.with_suffix(".c").write_text(text)
    command = ["gcc", *C_FLAGS, "-fPIC", "-shared", f"{stem}.c", "-o", f"{stem}.so", "-lm"]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(made.stderr[:1000])
    run = ctypes.CDLL(f"{stem}.so").run
    run.restype = None
    return run


def c_loop(name: str, dtype: str, data: Any, rows: bool = False) -> tuple[Callable[[], None], Any]:
    """A call of the loop, and the array that it fills: (outputs, n), or (n, outputs) for rows of inputs."""
    run = _compiled(_source(name, dtype, rows))
    n, count = data.shape[0 if rows else 1], BODIES[name][2]
    out = np.zeros((n, count) if rows else (count, n), dtype)
    arguments = ctypes.c_long(n), ctypes.c_void_p(data.ctypes.data), ctypes.c_void_p(out.ctypes.data)
    return lambda data=data: run(*arguments), out  # type: ignore[misc]


def c_nbody(masses: Any, data: Any) -> tuple[Callable[[], None], Any]:
    """Potential and gradient of bodies that attract each other, each pair once; coordinates (n, 3)."""
    n = len(masses)
    text = f"""#include <math.h>
static const double m[] = {{{", ".join(map(repr, masses.tolist()))}}};
void run(const double *restrict x, double *restrict out) {{
  double X[{n}], Y[{n}], Z[{n}], A[{n}], B[{n}], C[{n}], total = 0;
  for (int i = 0; i < {n}; i++) {{ X[i] = x[3*i]; Y[i] = x[3*i+1]; Z[i] = x[3*i+2]; A[i] = B[i] = C[i] = 0; }}
  for (int i = 0; i < {n}; i++) {{
    double a = 0, b = 0, c = 0;
    for (int j = i + 1; j < {n}; j++) {{
      double dx = X[i] - X[j], dy = Y[i] - Y[j], dz = Z[i] - Z[j];
      double q = 1 / (dx*dx + dy*dy + dz*dz), w = m[i] * m[j] * sqrt(q), h = w * q;
      total -= w;
      a += h * dx; b += h * dy; c += h * dz;
      A[j] -= h * dx; B[j] -= h * dy; C[j] -= h * dz;
    }}
    A[i] += a; B[i] += b; C[i] += c;
  }}
  out[0] = total;
  for (int i = 0; i < {n}; i++) {{ out[1+3*i] = A[i]; out[2+3*i] = B[i]; out[3+3*i] = C[i]; }}
}}"""
    run = _compiled(text)
    out = np.zeros(1 + 3 * n)
    arguments = ctypes.c_void_p(data.ctypes.data), ctypes.c_void_p(out.ctypes.data)
    return lambda data=data: run(*arguments), out  # type: ignore[misc]
