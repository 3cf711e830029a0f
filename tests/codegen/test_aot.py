"""Kernels written to files: what C and C++ programs, and Python without symgrad, make of them."""

import ctypes
import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from comparing import said
from linking import needs_linker, require_linker
from test_callable_kernels import AXPY, ECHO, GATHER, INVERT, MATVEC, STEP, Handmade, interface, of, sizes_kernel

from codegen.aot import emit_error_table, write_library
from codegen.llvm.toolchain import compile_object
from codegen.signature import KernelSpec
from codegen.target import native
from symgrad import dims

CC, CXX = shutil.which("cc"), shutil.which("c++")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler (the road without one is tested below)")
needs_cxx = pytest.mark.skipif(CXX is None, reason="no C++ compiler")
KERNELS = (AXPY, MATVEC, GATHER, STEP, ECHO, INVERT)


def sources(*kernels: Handmade) -> list[tuple[KernelSpec, bytes | str]]:
    """Some as objects with their table of errors, some as text without."""
    made: list[tuple[KernelSpec, bytes | str]] = []
    for k, kernel in enumerate(kernels):
        module = kernel.module()
        if k % 2:
            emit_error_table(module, kernel.spec)
        made.append((kernel.spec, compile_object(module.text(), native()) if k % 3 else module.text()))
    return made


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    require_linker()
    return write_library(tmp_path_factory.mktemp("library") / "made", "demo", sources(*KERNELS), native())


def load(path: Path) -> ModuleType:
    """The module in a file, without an entry in ``sys.modules``."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demo(library: dict[str, Path]) -> Any:
    return load(library["python"])


# -- files ----------------------------------------------------------------------------------------------------------
def test_names_of_files(library: dict[str, Path]) -> None:
    assert {kind: path.name for kind, path in library.items()} == {
        "manifest": "demo.json",
        "object": "demo.o",
        "static": "libdemo.a",
        "header": "demo.h",
        "shared": "libdemo.so",
        "python": "demo.py",
    }
    directory = library["header"].parent
    assert sorted(os.listdir(directory)) == sorted(path.name for path in library.values())
    umask = os.umask(0)
    os.umask(umask)
    assert library["header"].stat().st_mode & 0o777 == 0o666 & ~umask
    assert library["shared"].stat().st_mode & 0o777 == 0o777 & ~umask


def test_the_same_kernels_make_the_same_bytes(library: dict[str, Path], tmp_path: Path) -> None:
    again = write_library(tmp_path, "demo", sources(*KERNELS), native())
    for kind, path in library.items():
        assert again[kind].read_bytes() == path.read_bytes(), kind


def test_another_process_makes_the_same_bytes(library: dict[str, Path], tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_aot import KERNELS, sources, native, write_library\n"
        "from symgrad import dims; [dims.anonymous() for _ in range(17)]\n"
        "write_library(sys.argv[2], 'demo', sources(*KERNELS), native())\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(command, check=True, env=environment)
    for kind, path in library.items():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), kind


def test_files_are_replaced(tmp_path: Path) -> None:
    for name in ("demo.h", "demo.json"):
        (tmp_path / name).write_text("old")
    write_library(tmp_path, "demo", sources(AXPY), native(), ("header",))
    assert "axpy_workspace" in (tmp_path / "demo.h").read_text()
    assert sorted(os.listdir(tmp_path)) == ["demo.h", "demo.json"]


@pytest.mark.parametrize(
    ("kinds", "files"),
    [
        ((), ["demo.json"]),
        (("object",), ["demo.json", "demo.o"]),
        (("static", "header"), ["demo.h", "demo.json", "libdemo.a"]),
        pytest.param(("shared",), ["demo.json", "libdemo.so"], marks=needs_linker),
        pytest.param(("python",), ["demo.json", "demo.py", "libdemo.so"], marks=needs_linker),
    ],
)
def test_kinds(tmp_path: Path, kinds: tuple[str, ...], files: list[str]) -> None:
    made = write_library(tmp_path, "demo", sources(AXPY), native(), kinds)
    assert sorted(os.listdir(tmp_path)) == files == sorted(path.name for path in made.values())


def test_the_manifest(library: dict[str, Path]) -> None:
    text = library["manifest"].read_text()
    content = json.loads(text)
    assert text == json.dumps(content, indent=1, sort_keys=True) + "\n"
    assert content["abi"] == 1
    assert content["library"] == "demo"
    assert content["target"]["triple"] == native().triple
    gather, step = content["kernels"][2:4]
    assert gather == {
        "name": "gather",
        "kink": "zero",
        "inputs": [
            {"name": "x", "parameter": "x", "dtype": "float64", "shape": ["n"]},
            {"name": "i", "parameter": "i", "dtype": "int64", "shape": ["m"]},
        ],
        "variables": [],
        "outputs": [{"name": "y", "parameter": "y", "dtype": "float64", "shape": ["m"]}],
        "dims": [{"name": "n", "parameter": "n"}, {"name": "m", "parameter": "m"}],
        "messages": [
            {"status": 1, "kind": "index", "text": "gather: an index of 'i' is outside axis 0 of 'x'"},
            {"status": 2, "kind": "shape", "text": 'gather: 7 elements are\nnot "wanted" */'},
        ],
    }
    assert step["variables"] == [{"name": "w", "parameter": "w", "dtype": "float64", "shape": [3]}]


# -- C and C++ ------------------------------------------------------------------------------------------------------
PROGRAM = r"""
#include "demo.h"
#include <stdio.h>
#include <string.h>

static int expect(int right, const char *what) {
    if (!right) printf("wrong: %s\n", what);
    return !right;
}

int main(void) {
    int wrong = 0;
    double x[4] = {1, 2, 3, 4}, y[4] = {10, 20, 30, 40}, z[4], r[2], w[3] = {1, 1, 1}, rate = 0.5, old;
    double memory[8 + 8];
    void *work = (void *)(((uintptr_t)memory + 63) / 64 * 64);
    int64_t index[2] = {3, 0};
    uint8_t truth[2] = {1, 0}, inverted[2], all;

    wrong += expect(SYMGRAD_ABI_VERSION == 1, "version");
    wrong += expect(axpy_workspace(4) == 0, "axpy_workspace");
    wrong += expect(axpy(x, y, z, 4, NULL) == 0 && z[0] == 12 && z[3] == 48, "axpy");
    wrong += expect(matvec_workspace(2, 2) == 16, "matvec_workspace");
    wrong += expect(matvec(x, y, r, 2, 2, work) == 0 && r[0] == 50 && r[1] == 110, "matvec");
    wrong += expect(gather(x, index, r, 4, 2, NULL) == 0 && r[0] == 4 && r[1] == 1, "gather");
    index[1] = 4;
    wrong += expect(gather(x, index, r, 4, 2, NULL) == 1, "status");
    wrong += expect(!strcmp(gather_error(0), "success"), "success");
    wrong += expect(!strcmp(gather_error(1), "gather: an index of 'i' is outside axis 0 of 'x'"), "error 1");
    wrong += expect(!strcmp(gather_error(2), "gather: 7 elements are\nnot \"wanted\" */"), "error 2");
    wrong += expect(!strcmp(gather_error(3), "unknown status"), "error 3");
    wrong += expect(!strcmp(gather_error(-1), "unknown status"), "error -1");
    wrong += expect(step(x, &rate, w, &old, NULL) == 0 && old == 1 && w[2] == 2.5, "step");
    wrong += expect(invert(truth, inverted, &all, 2, NULL) == 0 && !all, "invert");
    wrong += expect(inverted[0] == 0 && inverted[1] == 1, "inverted");
    return wrong;
}
"""
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


def run_program(library: dict[str, Path], tmp_path: Path, compiler: list[str], how: str) -> None:
    directory = library["header"].parent
    suffix = "cpp" if "c++" in Path(compiler[0]).name else "c"
    (tmp_path / f"main.{suffix}").write_text(PROGRAM)
    linked = {
        "object": [str(library["object"])],
        "static": [str(library["static"])],
        "shared": [f"-L{directory}", "-ldemo", f"-Wl,-rpath,{directory}"],
    }[how]
    command = [*compiler, *STRICT, f"-I{directory}", f"main.{suffix}", "-o", "main", *linked, "-lm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    if how == "shared":
        return
    assert b"libdemo" not in (tmp_path / "main").read_bytes()


@needs_cc
@pytest.mark.parametrize("how", ["object", "static", "shared"])
def test_a_c_program(library: dict[str, Path], tmp_path: Path, how: str) -> None:
    run_program(library, tmp_path, [str(CC), "-std=c99"], how)


@needs_cxx
@pytest.mark.parametrize("how", ["static", "shared"])
def test_a_cpp_program(library: dict[str, Path], tmp_path: Path, how: str) -> None:
    run_program(library, tmp_path, [str(CXX)], how)


@needs_cc
@pytest.mark.parametrize("compiler", [[CC, "-std=c99", "-xc"], [CXX, "-std=c++11", "-xc++"]])
def test_headers_stand_alone_and_together(tmp_path: Path, compiler: list[str]) -> None:
    if compiler[0] is None:
        pytest.skip("no C++ compiler")
    odd = interface(
        "odd",
        {"class": of(("n", None)), "n": of(()), "net/w": of("n"), "3d": of(2 * dims.dim("n") + 1), "θ": of((None,))},
        {"int": of(dims.dim("n") // 2), "workspace": of(), "linux": of()},
    )
    module = Handmade(odd, lambda f, spec: None)
    for name, some in (("first", [AXPY, module]), ("second", [MATVEC])):
        write_library(tmp_path, name, sources(*some), native(), ("header",))
    text = '#include "first.h"\n#include "second.h"\n#include "first.h"\nint main(void) { return 0; }\n'
    done = subprocess.run(
        [*compiler, *STRICT, "-fsyntax-only", "-"],
        input=text,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_text_of_a_header(library: dict[str, Path]) -> None:
    text = library["header"].read_text()
    assert (
        """
/* gather
   x: in, double[n]
   i: in, int64_t[m]
   y: out, double[m]
   sizes, in this order: n, m
   status 1 (index): gather: an index of 'i' is outside axis 0 of 'x'
   status 2 (shape): gather: 7 elements are
       not "wanted" * / */
int32_t gather(const double *x, const int64_t *i, double *y, int64_t n, int64_t m, void *workspace);
int64_t gather_workspace(int64_t n, int64_t m);
const char *gather_error(int32_t status);
"""
        in text
    )
    assert (
        """
/* step
   x: in, double[3]
   rate: in, one double
   w: in and out, double[3]
   old: out, one double
   no sizes */
int32_t step(const double *x, const double *rate, double *w, double *old, void *workspace);
int64_t step_workspace(void);
"""
        in text
    )
    assert max(map(len, text.splitlines())) <= 120


def test_names_in_headers(tmp_path: Path) -> None:
    anonymous = dims.anonymous()
    odd = interface("odd", {"n": of("n"), "int": of((2 * anonymous + 1,)), "net/w": of((anonymous, "n"))}, {"n ": of()})
    write_library(tmp_path, "names", sources(Handmade(odd, lambda f, spec: None)), native(), ("header",))
    text = (tmp_path / "names.h").read_text()
    assert (
        """
/* odd
   n: in, double[n] where n is n_2
   int_2: in, double[2*dim1 + 1] where n is n_2 (int)
   net_w: in, double[dim1, n] where n is n_2 (net/w)
   n_: out, one double (n )
   sizes, in this order: n_2, dim1 */
int32_t odd(
    const double *n,
    const double *int_2,
    const double *net_w,
    double *n_,
    int64_t n_2,
    int64_t dim1,
    void *workspace);
"""
        in text
    )


# -- the shared library by hand -------------------------------------------------------------------------------------
def test_the_shared_library_needs_nothing_but_the_c_library(library: dict[str, Path]) -> None:
    shared = ctypes.CDLL(str(library["shared"]))
    shared.gather_error.restype = ctypes.c_char_p
    assert shared.gather_error(1) == b"gather: an index of 'i' is outside axis 0 of 'x'"
    assert b"Py_" not in library["shared"].read_bytes()
    assert str(library["shared"].parent).encode() not in library["shared"].read_bytes()


# -- the loader -----------------------------------------------------------------------------------------------------
X, Y = np.arange(4.0), np.ones(4)


def test_loaded_functions(demo: Any) -> None:
    np.testing.assert_array_equal(demo.axpy(X, Y), 2 * X + Y)
    np.testing.assert_array_equal(demo.axpy(y=Y, x=np.arange(8.0)[::2]), 2 * np.arange(8.0)[::2] + Y)
    A = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(demo.matvec(A.T, A[:, 1]), A.T @ A[:, 1])
    assert demo.echo(1.5, 2.5, 3, 4, True) == (1.5, 2.5, 3, 4, True)
    assert [type(one) for one in demo.echo(1, 2, 3, 4, False)] == [np.float64, np.float32, np.int64, np.int32, np.bool_]
    out = np.empty(4)
    assert demo.axpy(X, Y, out=out) is out
    np.testing.assert_array_equal(out, 2 * X + Y)
    assert sorted(demo.__all__) == sorted(kernel.spec.name for kernel in KERNELS)


def test_loaded_variables_change_in_place(demo: Any) -> None:
    w = np.array([1.0, 2.0, 3.0])
    assert demo.step(np.ones(3), 0.5, w) == 1.0
    assert demo.step(np.ones(3), rate=0.5, w=w) == 1.5
    np.testing.assert_array_equal(w, [2.0, 3.0, 4.0])
    for bad, message in (
        ([1.0, 2.0, 3.0], "argument 'w': expected float64[3], got an object of type list"),
        (np.ones(6)[::2], "argument 'w': expected float64[3], got one that is not C-contiguous"),
        (np.broadcast_to(1.0, 3), "argument 'w': expected float64[3], got one that is not writeable"),
    ):
        with pytest.raises(TypeError) as caught:
            demo.step(np.ones(3), 0.5, bad)
        assert said(caught.value) == f"step(): {message}"
    with pytest.raises(ValueError, match=r"^step\(\): argument 'w' shares memory with argument 'x'"):
        demo.step(w, 0.5, w)
    with pytest.raises(ValueError, match=r"^step\(\): out shares memory with argument 'w'"):
        demo.step(np.ones(3), 0.5, w, out=w[:1].reshape(()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f(X, Y[:2]), "argument 'y': expected float64[n], got float64[2], where n = 4 by argument 'x'"),
        (
            lambda f: f(X, Y.astype("f4")),
            "argument 'y': expected float64[n], got float32[4]\n  hint: y.astype(np.float64)",
        ),
        (
            lambda f: f(list(X), Y),
            "argument 'x': expected float64[n], got an object of type list\n  hint: np.asarray(x, dtype=np.float64)",
        ),
        (lambda f: f(X, Y, out=np.empty(3)), "out: expected float64[4], got float64[3]"),
        (lambda f: f(X, Y, out=X), "out shares memory with argument 'x'\n  hint: pass an array with memory of its own"),
    ],
)
def test_loaded_functions_refuse_as_kernels_do(demo: Any, call: Any, message: str) -> None:
    with pytest.raises(demo.InputError) as caught:
        call(demo.axpy)
    assert said(caught.value) == f"axpy(): {message}"
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_loaded_functions_know_the_messages(demo: Any) -> None:
    with pytest.raises(IndexError, match=r"^gather: an index of 'i' is outside axis 0 of 'x'$"):
        demo.gather(X, np.array([4]))
    with pytest.raises(ValueError) as caught:
        demo.gather(np.ones(7), np.array([0]))
    assert said(caught.value) == 'gather: 7 elements are\nnot "wanted" */'
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        demo.axpy(X)


def test_loaded_functions_describe_themselves(demo: Any) -> None:
    assert str(inspect.signature(demo.step)) == "(x, rate, w, *, out=None)"
    assert "w : float64[3]\n    (changed in place: w)" in inspect.cleandoc(demo.step.__doc__)
    assert demo.__doc__.startswith("Kernels of libdemo.so, compiled by symgrad")


def test_the_loader_needs_neither_symgrad_nor_a_place(library: dict[str, Path], tmp_path: Path) -> None:
    for kind in ("shared", "python"):
        shutil.copy(library[kind], tmp_path)
    program = (
        "import sys, numpy as np\n"
        "import demo\n"
        "assert demo.axpy(np.ones(2), np.ones(2)).tolist() == [3.0, 3.0]\n"
        "assert not [name for name in sys.modules if name.startswith(('symgrad', 'codegen', 'llvmlite'))]\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env=environment, check=True)


@needs_linker
def test_kernels_with_names_of_pythons_functions(tmp_path: Path) -> None:
    names = ["sum", "max", "zip", "count", "np", "Interface", "library", "len", "isinstance", "kernel_sum"]
    renamed = [Handmade(interface(name, {"x": of("n"), "y": of("n")}, {"z": of("n")}), AXPY.emit) for name in names]
    module = load(write_library(tmp_path, "named", sources(*renamed), native())["python"])
    for name in names:
        np.testing.assert_array_equal(getattr(module, name)(X, Y), 2 * X + Y)
        with pytest.raises(ValueError, match=rf"^{name}\(\): argument 'y': expected float64\[n\], got float64\[2\]"):
            getattr(module, name)(X, Y[:2])


@needs_linker
def test_inputs_with_odd_names(tmp_path: Path) -> None:
    spec = interface("odd", {"out": of("n"), "net/lambda": of("n")}, {"z": of("n")})
    module = load(write_library(tmp_path, "odd", sources(Handmade(spec, AXPY.emit)), native())["python"])
    assert str(inspect.signature(module.odd)) == "(out_2, net_lambda, *, out=None)"
    np.testing.assert_array_equal(module.odd(X, net_lambda=Y), 2 * X + Y)


@needs_linker
def test_sizes_in_the_loader(tmp_path: Path) -> None:
    n, m, anonymous = dims.dim("n"), dims.dim("m"), dims.anonymous()
    inputs = {"a": of((2 * n + 1,), "bool"), "b": of((n * m, 3), "bool"), "c": of((anonymous,), "bool")}
    kernel = sizes_kernel(inputs, {"d": of((n // (m + 1), anonymous)), "e": of((dims.maximum(n, m),), "int32")})
    sizes: Any = load(write_library(tmp_path, "sizes", sources(kernel), native())["python"]).sizes
    made = sizes(np.zeros(9, bool), np.zeros((8, 3), bool), np.zeros(5, bool))
    assert made[:3] == (4, 2, 5)
    assert [one.shape for one in made[3:]] == [(1, 5), (4,)]
    with pytest.raises(ValueError) as caught:
        sizes(np.zeros(9, bool), np.zeros((7, 3), bool), np.zeros(5, bool))
    assert (
        said(caught.value) == "sizes(): argument 'b': expected bool[m*n, 3], got bool[7, 3]: no m makes m*n equal to 7"
    )
    assert "d : float64[((n)//(m + 1)), dim2]" in sizes.__doc__
