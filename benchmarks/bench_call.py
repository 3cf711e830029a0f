"""What a call of a compiled kernel costs beside the work itself, next to NumPy's own calls in the same run.

    python benchmarks/bench_call.py [--json FILE] [--size N]

The kernels are written by hand (out = x + y, and one of rank 0), so that nothing but the way of calling is measured.
"""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np

from codegen.llvm.builder import Function, Module
from codegen.llvm.toolchain import Loaded, compile_object, load_object
from codegen.llvm.types import DOUBLE, I32, I64
from codegen.python import entry_object, make_kernel
from codegen.signature import Argument, KernelSpec, dims_of
from codegen.target import native
from symgrad.types import TensorType


def interface(name: str, shape: Any, variables: int = 0) -> KernelSpec:
    """Two inputs and a result of the shape, and variables that the kernel does not touch."""
    kind = TensorType(shape)
    inputs = (Argument("x", kind), Argument("y", kind))
    owned = tuple(Argument(f"w{k}", TensorType((3,))) for k in range(variables))
    return KernelSpec(name, inputs, owned, (Argument("z", kind),), dims_of([kind]))


def compiled(spec: KernelSpec, workspace: int = 0) -> Loaded:
    """The code of z = x + y."""
    module = Module(native())
    f = module.function(spec.name, spec.parameters(), I32, public=True)
    result = f"a{len(spec.arrays) - 1}"
    with f.loop(0, f["n0"] if spec.dims else 1) as each:
        x, y = (f.load(f.gep(f[name], each.index, DOUBLE), DOUBLE) for name in ("a0", "a1"))
        f.store(f.fadd(x, y), f.gep(f[result], each.index, DOUBLE))
    f.ret(0)
    size: Function = module.function(f"{spec.name}_workspace", spec.dim_parameters(), I64, public=True)
    size.ret(workspace)
    return load_object(compile_object(module.text(), native()), (spec.name, f"{spec.name}_workspace"))


def kernel(spec: KernelSpec, workspace: int = 0, **more: Any) -> Any:
    code = compiled(spec, workspace)
    arrays = tuple(np.zeros(3) for _ in spec.variables)
    return make_kernel(spec, code[spec.name], code[f"{spec.name}_workspace"], code, variables=arrays, **more)


def nanoseconds(statement: str, names: dict[str, Any]) -> float:
    """The best of many runs, without the loop round the statement."""
    timer = timeit.Timer(statement, globals=names)
    number = max(100, int(2e7 / (1e9 * timer.timeit(100) / 100)))
    loop = min(timeit.repeat("pass", number=number, repeat=9))
    return (min(timer.repeat(repeat=15, number=number)) - loop) / number * 1e9


def milliseconds(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(20):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return min(taken) * 1e3


def measure(size: int) -> dict[str, float]:
    """Nanoseconds a call, by what is called."""
    x, y, z = np.arange(float(size)), np.ones(size), np.empty(size)
    add, number = kernel(interface("add", "n")), kernel(interface("number", ()))
    slow = kernel(interface("add", "n"), emitted=False)
    names = {
        "add": add,
        "number": number,
        "slow": slow,
        "np": np,
        "x": x,
        "y": y,
        "z": z,
        "wide": np.zeros(2 * size)[::2],
    }
    names |= {
        "scratch": kernel(interface("add", "n"), workspace=4096),
        "other": x.view(np.memmap),
        "f": np.float64(2.0),
    }
    names |= {"updating": kernel(interface("add", "n", variables=4)), "r": np.zeros(())}
    rows = {
        "len(x)": "len(x)",
        "np.add(x, y)": "np.add(x, y)",
        "kernel(x, y)": "add(x, y)",
        "np.add(x, y, out=z)": "np.add(x, y, out=z)",
        "kernel(x, y, out=z)": "add(x, y, out=z)",
        "kernel(y=y, x=x, out=z)": "add(y=y, x=x, out=z)",
        "kernel with a workspace, out=z": "scratch(x, y, out=z)",
        "kernel with 4 variables, out=z": "updating(x, y, out=z)",
        "np.add(f, f), f = np.float64": "np.add(f, f)",
        "kernel(1.5, 2.5) of rank 0": "number(1.5, 2.5)",
        "kernel(f, f) of rank 0": "number(f, f)",
        "kernel(1.5, 2.5, out=r) of rank 0": "number(1.5, 2.5, out=r)",
        "kernel(x, strided)": "add(x, wide)",
        "kernel(x, memmap)": "add(x, other)",
        "kernel(x, y), all by ctypes": "slow(x, y)",
    }
    return {label: nanoseconds(statement, names) for label, statement in rows.items()}


def main() -> None:
    parser = measuring.parser(__doc__)
    parser.add_argument("--size", type=int, default=8, help="elements of the arrays")
    options = parser.parse_args()
    figures = measure(options.size)
    spec, code = interface("add", "n"), compiled(interface("add", "n"))
    stored = entry_object(spec)
    made = milliseconds(lambda: make_kernel(spec, code["add"], code["add_workspace"], code, entry=stored))
    print(f"ns a call, arrays of {options.size} float64")
    for label, value in figures.items():
        print(f"  {label:36s} {value:9.1f}")
    print(f"  {'make_kernel with a stored entry':36s} {made:9.2f} ms")
    versions = measuring.versions("numpy", "llvmlite")
    measuring.save(options.json, ns=figures, make_kernel_ms=made, size=options.size, **versions)


if __name__ == "__main__":
    main()
