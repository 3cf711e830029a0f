"""Host functions in loop programs, and in C programs that pass functions of their own to kernels written to files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from comparing import assert_same, said
from linking import needs_linker
from loops import interpret, program_of

import symgrad as sg
from codegen.lower.loopir import Call, Check, Nest, text
from symgrad.errors import CompileError

CC, CXX = shutil.which("cc"), shutil.which("c++")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler")


def clamp(x):
    return np.clip(x, -3, 3)


def inside(node, head):
    (x,) = node.inputs
    return head * sg.where((x >= -3) & (x < 3), 1.0, 0.0)


def polar(r, angle):
    return r * np.cos(angle), r * np.sin(angle)


# -- loop programs --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_interpreted(dtype):
    x = sg.symbol("x", ("n",), dtype)
    y = sg.callback(clamp, x, x, gradient=inside)
    status, (value, slope) = interpret([y, sg.gradients(np.sum(y), [x])[0]], [x], [np.array([-3, -4, 1, 40], dtype)])
    assert status == 0
    assert_same(value, np.array([-3, -3, 1, 3], dtype))
    assert_same(slope, np.array([1, 0, 1, 0], dtype))


def test_interpreted_with_several_results_and_a_batch():
    r, angle = sg.symbol("r", ("n",)), sg.symbol("angle", ())
    made = sg.vmap(lambda r, angle: sg.callback(polar, [r, angle], [0.0, 0.0]), in_axes=(0, None))(r, angle)
    values = np.arange(4.0)
    status, got = interpret([made[1], made[0] + 1], [r, angle], [values, np.array(0.5)])
    assert status == 0
    assert_same(got[0], values * np.sin(0.5))
    assert_same(got[1], values * np.cos(0.5) + 1)


def test_the_text_of_a_program():
    r, angle = sg.symbol("r", ("n",)), sg.symbol("angle", ("n",))
    x, y = sg.callback(polar, [r, angle], [r, r])
    lines = text(program_of([x * y], [r, angle])).split("\n")
    assert any(re.fullmatch(r"t\d+, t\d+ = call 0 polar\(i0, i1\)", line) for line in lines)


def test_calls_come_before_results_and_after_the_checks_of_their_indices():
    x, i = sg.symbol("x", (50,)), sg.symbol("i", (3,), "int64")
    first = sg.callback(clamp, np.exp(x), x)
    picked = sg.callback(clamp, x[i], ((3,), "float64"))
    stages = program_of([first * 2, picked + 1, x * x], [x, i]).stages
    kinds = [type(stage) for stage in stages]
    calls = [k for k, kind in enumerate(kinds) if kind is Call]
    written = [
        k for k, stage in enumerate(stages) if kinds[k] is Nest and "o" in {b.name[0] for b in _stored(stage.body)}
    ]
    assert kinds.index(Check) < calls[1]
    assert max(calls) < min(written)


def _stored(block):
    for one in block:
        if hasattr(one, "body"):
            yield from _stored(one.body)
        elif type(one).__name__ == "Store":
            yield one.buffer


def test_indices_of_indices_are_checked_first():
    """What is computed from an index waits for its check, also where it is an index itself."""
    x, i, j = sg.symbol("x", (5,)), sg.symbol("i", (4,), "int64"), sg.symbol("j", (2,), "int64")
    kernel = sg.compile(x[i[j]], [x, i, j])
    values = np.arange(5.0), np.array([3, 0, 4, 1])
    assert_same(kernel(*values, np.array([2, -1])), np.array([4.0, 1.0]))
    with pytest.raises(IndexError):
        kernel(*values, np.array([0, 10**12]))
    with pytest.raises(IndexError):
        kernel(values[0], np.array([3, 0, 9, 1]), np.array([2, 1]))


# -- ahead of time --------------------------------------------------------------------------------------------------
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include "steps.h"

static int32_t clamp(void *context, const void *const *inputs, void *const *outputs, const int64_t *sizes)
{
    const TYPE *x = (const TYPE *)inputs[0];
    TYPE *y = (TYPE *)outputs[0];
    int *calls = (int *)context;
    int64_t k;
    if (sizes[0] != sizes[1]) return 1;
    for (k = 0; k < sizes[0]; k++) {
        if (x[k] > 1000) return 7;
        y[k] = x[k] < -3 ? -3 : x[k] > 3 ? 3 : x[k];
    }
    ++*calls;
    return 0;
}

static int32_t polar(void *context, const void *const *inputs, void *const *outputs, const int64_t *sizes)
{
    (void)context;
    /* r: (2, n), a flag: no axes; results: (n, 2) and one number */
    const TYPE *r = (const TYPE *)inputs[0];
    int64_t n = sizes[1], k;
    if (sizes[0] != 2 || sizes[2] != n || sizes[3] != 2 || *(const uint8_t *)inputs[1] != 1) return 1;
    for (k = 0; k < n; k++) {
        ((TYPE *)outputs[0])[2 * k] = r[k];
        ((TYPE *)outputs[0])[2 * k + 1] = r[n + k];
    }
    *(int64_t *)outputs[1] = n;
    return 0;
}

int main(void)
{
    TYPE x[4] = {-3, -4, 1, 40}, y[4], slope[4], r[6] = {1, 2, 3, 4, 5, 6}, t[6];
    int64_t count;
    uint8_t flag = 1;
    int calls = 0, status, k;
    void *work = aligned_alloc(64, 1 << 16);
    if (clamped_workspace(4) > 1 << 16 || turned_workspace(3) > 1 << 16) return 9;
    status = clamped(x, y, slope, 4, work, clamp, &calls);
    printf("%d:", status);
    for (k = 0; k < 4; k++) printf(" %g", (double)y[k]);
    for (k = 0; k < 4; k++) printf(" %g", (double)slope[k]);
    x[0] = 2000, y[0] = 77;
    status = clamped(x, y, slope, 4, work, clamp, &calls);
    printf("\n%d: %g %s\n%d calls\n", status, (double)y[0], clamped_error(status), calls);
    status = turned(r, &flag, t, &count, 3, work, polar, NULL);
    printf("%d:", status);
    for (k = 0; k < 6; k++) printf(" %g", (double)t[k]);
    printf(" %d\n", (int)count);
    free(work);
    return 0;
}
"""


def requests(dtype):
    x = sg.symbol("x", ("n",), dtype)
    y = sg.callback(clamp, x, x, gradient=inside)
    r, flag = sg.symbol("r", (2, "n"), dtype), sg.symbol("flag", (), "bool")
    columns, count = sg.callback(lambda r, flag: (r.T, r.shape[1]), [r, flag], [((r.shape[1], 2), dtype), 0])
    return {
        "clamped": ((y, sg.gradients(np.sum(y), [x])[0]), [x]),
        "turned": ((columns * 10, count), [r, flag]),
    }


WRITTEN = ("object", "static", "shared", "header")


@needs_cc
@needs_linker
@pytest.mark.parametrize("how", ["object", "static", "shared"])
@pytest.mark.parametrize(("dtype", "kind"), [("float64", "double"), ("float32", "float")])
def test_c_programs_pass_functions(dtype, kind, how, tmp_path):
    files = sg.export(tmp_path / "out", requests(dtype), kinds=WRITTEN, name="steps")
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(PROGRAM)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-DTYPE={kind}", f"-I{files['header'].parent}"]
    subprocess.run([str(CC), *flags, str(source), str(files[how]), "-lm", "-o", str(program)], check=True)
    done = subprocess.run(
        [program], capture_output=True, text=True, check=True, env={"LD_LIBRARY_PATH": str(files[how].parent)}
    )
    line = re.search(r"called at test_callback_programs\.py:\d+", done.stdout)
    assert line is not None
    assert done.stdout == (
        f"0: -3 -3 1 3 1 0 1 0\n1: 77 the callback clamp failed ({line[0]})\n1 calls\n0: 10 40 20 50 30 60 3\n"
    )


@pytest.mark.skipif(CXX is None, reason="no C++ compiler")
def test_headers_are_c_and_cplusplus(tmp_path):
    files = sg.export(tmp_path / "out", requests("float64"), kinds=("header",), name="steps")
    text = f'#include "{files["header"]}"\n#include "{files["header"]}"\nsymgrad_callback one = nullptr;\n'
    flags = ["-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-xc++", "-"]
    subprocess.run([str(CXX), *flags], input=text, text=True, check=True)


def test_the_manifest_lists_functions(tmp_path):
    files = sg.export(tmp_path / "out", requests("float32"), kinds=(), name="steps")
    kernels = json.loads(files["manifest"].read_text())["kernels"]
    assert kernels[0]["callbacks"] == [
        {
            "name": "clamp",
            "parameter": "clamp",
            "context": "clamp_context",
            "inputs": [{"dtype": "float32", "shape": ["n"]}],
            "outputs": [{"dtype": "float32", "shape": ["n"]}],
        }
    ]
    assert [one["parameter"] for one in kernels[1]["callbacks"]] == ["_lambda_"]


def test_python_modules_have_no_functions_to_pass(tmp_path):
    with pytest.raises(CompileError) as caught:
        sg.export(tmp_path / "out", requests("float64"))
    assert said(caught.value) == (
        "the kernel 'clamped' calls the host function clamp: a Python module cannot be written for it\n"
        '  hint: kinds=("object", "static", "shared", "header"): C functions take it as an argument'
    )
    assert not (tmp_path / "out").exists()


def test_the_object_is_the_same_for_every_function():
    """Addresses are arguments: nothing of this process is in the code."""
    x = sg.symbol("x", ("n",))
    made = [sg.compile(sg.callback(function, x, x), [x], name="same") for function in (np.negative, np.abs)]
    for kernel, want in zip(made, (-2.0, 2.0), strict=True):
        assert kernel(np.full(3, 2.0))[0] == want
    first, second = (re.sub(r"negative|absolute", "f", kernel.llvm_ir) for kernel in made)
    assert first == second
