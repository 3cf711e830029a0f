"""Kernels kept on disk: what is found again, what must not be, and what happens to files that are not what they were."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from comparing import assert_same, said

import symgrad as sg
from codegen.cache import fingerprint
from codegen.target import native
from symgrad import ops, types
from symgrad.backend import find_backend
from symgrad.compile import request_for
from symgrad.node import apply
from symgrad.opdef import REGISTRY, Kind

find_backend("llvm")  # registers everything that registers anything

X = np.linspace(-1.0, 2.0, 12)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """The directory of a cache of its own, which is in force."""
    with sg.config.use(cache=tmp_path / "cache"):
        yield tmp_path / "cache"


def entries(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.exists() else []


def program(factor: float = 2.0, **options: Any) -> Any:
    """``factor x exp(x)`` and its slope."""
    x = sg.symbol("x", ("n",))
    value = np.sum(factor * x * np.exp(x))
    return sg.compile([value, *sg.gradients(value, [x])], [x], **options)


def assert_right(kernel: Any, factor: float = 2.0) -> None:
    value, slope = kernel(X)
    assert_same(value, np.sum(factor * X * np.exp(X)))
    assert_same(slope, factor * (1 + X) * np.exp(X))


def how(kernel: Any) -> str:
    """What the cache did for a kernel."""
    state: str = kernel.stats["cache"]
    return state


# -- hits -----------------------------------------------------------------------------------------------------------
def test_an_equal_kernel_is_found_again(place: Path) -> None:
    first, second = program(), program()
    assert (how(first), how(second)) == ("stored", "hit")
    assert second.made.object == first.made.object
    assert second.made.entry == first.made.entry
    assert_right(first)
    assert_right(second)
    assert len(entries(place)) == 1


def test_a_hit_shows_what_the_kernel_showed(place: Path) -> None:
    first, second = program(), program()
    assert second.signature == first.signature
    assert second.spec == first.spec
    figures = [
        {name: value for name, value in one.stats.items() if name not in ("cache", "seconds")}
        for one in (first, second)
    ]
    assert str(figures[0]) == str(figures[1])
    assert figures[1]["flops"] is figures[0]["flops"]  # a formula of n, the same object
    assert second.llvm_ir == first.llvm_ir
    assert second.loop_ir == first.loop_ir
    assert second.assembly == first.assembly


def test_a_hit_skips_every_stage_of_compilation(place: Path) -> None:
    stages = {"look-up", "canonical", "loops", "llvm text", "machine code", "entry", "store", "load"}
    assert set(program().stats["seconds"]) == stages
    assert set(program().stats["seconds"]) == {"look-up", "load"}


PROGRAM = """
import sys
import numpy as np
import symgrad as sg
A, x = sg.symbol("A", ("n", "m")), sg.symbol("x", ("m",))
value = np.sum(np.tanh(A @ x) ** 2) + np.max(x)
kernel = sg.compile([value, *sg.gradients(value, [A, x])], [A, x])
results = kernel(np.arange(12.0).reshape(3, 4) / 9, np.arange(4.0))
print(kernel.stats["cache"], *(np.asarray(one).tobytes().hex() for one in results))
"""


def started(place: Path, seed: str = "0", code: str = PROGRAM) -> subprocess.Popen[str]:
    environment = {**os.environ, "SYMGRAD_CACHE": str(place), "PYTHONHASHSEED": seed}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def finished(process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output.split()


def test_other_processes_find_it_whatever_their_hash_seed(tmp_path: Path) -> None:
    first, *results = finished(started(tmp_path / "cache", "1"))
    second, *again = finished(started(tmp_path / "cache", "2"))
    assert (first, second) == ("stored", "hit")
    assert results == again


def test_processes_that_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    place = tmp_path / "cache"
    running = [started(place, str(seed)) for seed in range(4)]
    done = [finished(process) for process in running]
    assert {state for state, *_ in done} <= {"stored", "hit"}
    assert len({tuple(results) for _, *results in done}) == 1
    assert all(file.name.endswith(".kernel") for file in entries(place))
    assert finished(started(place))[0] == "hit"


def test_a_pickled_kernel_is_found(place: Path) -> None:
    restored = pickle.loads(pickle.dumps(program()))
    assert how(restored) == "hit"
    assert_right(restored)


def test_variables_are_the_kernels_own(place: Path) -> None:
    def step(start: float) -> tuple[Any, Any]:
        w = sg.variable("w", np.full(3, start))
        return w, sg.compile([], [], updates=[(w, 2 * w)])

    (w, double), (v, again) = step(1.0), step(5.0)
    assert (how(double), how(again)) == ("stored", "hit")
    double()
    again()
    again()
    assert_same(w.value, np.full(3, 2.0))
    assert_same(v.value, np.full(3, 20.0))


def test_traced_functions_are_found(place: Path) -> None:
    def traced() -> Any:
        return sg.grad(lambda x: np.sum(np.sin(x) ** 2))(X)

    assert_same(traced(), np.sin(2 * X))
    files = entries(place)
    assert files
    assert_same(traced(), np.sin(2 * X))
    assert entries(place) == files


# -- misses ---------------------------------------------------------------------------------------------------------
def of(value: Callable[..., Any], *types: tuple[Any, str], **options: Any) -> Callable[[], Any]:
    """What compiles a function of symbols."""

    def build() -> Any:
        symbols = [sg.symbol(f"x{k}", shape, dtype) for k, (shape, dtype) in enumerate(types or [((4,), "float64")])]
        return sg.compile(value(*symbols), symbols, **options)

    return build


def with_input(name: str) -> Any:
    x = sg.symbol(name, (4,))
    return sg.compile(np.sin(x), [x])


def swapped(order: int) -> Any:
    symbols = [sg.symbol(name, (4,)) for name in "ab"]
    return sg.compile(symbols[0] - symbols[1], symbols[::order])


def kinked(kink: str) -> Any:
    x = sg.symbol("x", (4,))
    with sg.config.use(kink=kink):
        return sg.compile(sg.gradients(np.abs(x), [x])[0], [x])


@functools.cache
def bump() -> Any:
    """An operation of the user's, registered when it is first used and not when tests are collected."""
    return sg.elementwise("bump_of_the_cache_test", lambda x: sympy.exp(-x * x))


PAIR = (((4,), "float64"), ((4,), "float64"))
ANONYMOUS = of(np.sin, ((None,), "float64"))
DIFFERENT = [
    of(np.sin),
    of(np.cos),
    of(np.sin, ((5,), "float64")),
    of(np.sin, (("n",), "float64")),
    of(np.sin, (("m",), "float64")),
    ANONYMOUS,
    of(np.sin, ((4,), "float32")),
    of(np.sin, name="other"),
    of(np.sin, target="x86-64"),
    of(np.sin, target="x86-64-v3"),
    of(np.sin, check_finite=True),
    of(np.sin, fastmath=set()),
    of(np.sin, fastmath={"contract", "reassoc"}),
    of(np.sin, threads=2),
    of(lambda x: [np.sin(x)]),
    of(lambda x: {"y": np.sin(x)}),
    of(lambda x: [np.sin(x), np.sin(x)]),
    of(lambda x: 2.0 * x),
    of(lambda x: np.nextafter(2.0, 3.0) * x),
    of(lambda x: x + 0.0),
    of(lambda x: x + -0.0),
    of(lambda x: x + np.arange(4.0)),
    of(lambda x: x + np.arange(4.0)[::-1]),
    of(lambda x: x @ np.arange(400.0).reshape(4, 100)),
    of(lambda x: x @ np.arange(400.0).reshape(4, 100)[:, ::-1]),
    of(lambda x: x[1:]),
    of(lambda x: x[::-1]),
    of(lambda x, y: x - y, *PAIR),
    of(lambda x, y: y - x, *PAIR),
    of(lambda x, y: [x, y], *PAIR),
    of(lambda x, y: [y, x], *PAIR),
    of(lambda x: bump()(x)),
    lambda: with_input("u"),
    lambda: with_input("v"),
    lambda: swapped(1),
    lambda: swapped(-1),
    lambda: kinked("zero"),
    lambda: kinked("right"),
]


def test_whatever_differs_is_another_kernel(place: Path) -> None:
    assert [how(build()) for build in DIFFERENT] == ["stored"] * len(DIFFERENT)
    again = [how(build()) for build in DIFFERENT]
    assert again == ["stored" if build is ANONYMOUS else "hit" for build in DIFFERENT]  # a new dimension each time


def test_an_operation_of_the_user_is_what_it_stands_for(place: Path) -> None:
    """Two processes may call different formulas by one name."""
    code = """
import numpy as np, sympy, symgrad as sg
own = sg.elementwise("own", lambda x: sympy.{}(x))
x = sg.symbol("x")
kernel = sg.compile(own(x), [x])
print(kernel.stats["cache"], float(kernel(0.5)))
"""
    states = [finished(started(place, code=code.format(name))) for name in ("sin", "cos", "sin")]
    assert [state for state, _ in states] == ["stored", "stored", "hit"]
    np.testing.assert_allclose([float(value) for _, value in states], np.sin([0.5, 0.5 + np.pi / 2, 0.5]), rtol=1e-14)


def test_assumptions_are_part_of_it(place: Path) -> None:
    def build() -> Any:
        n, m = sg.dim("n"), sg.dim("m")
        x = sg.symbol("x", (n,))
        with sg.assume(n == m):
            return sg.compile(x + 1, [x])

    x = sg.symbol("x", ("n",))
    assert how(sg.compile(x + 1, [x])) == "stored"
    assert how(build()) == "stored"
    assert how(build()) == "hit"


def test_messages_name_the_lines_of_their_own_program(place: Path) -> None:
    def first(x: Any) -> Any:
        return sg.compile(np.log(x), [x], check_finite=True)

    def second(x: Any) -> Any:
        return sg.compile(np.log(x), [x], check_finite=True)

    x = sg.symbol("x", (2,))
    made = [first(x), first(x), second(x), second(x), first(x)]
    assert [how(kernel) for kernel in made] == ["stored", "hit", "stored", "hit", "hit"]
    for kernel, build in zip(made, (first, first, second, second, first), strict=True):
        with pytest.raises(sg.SymgradError, match=f"test_cache.py:{build.__code__.co_firstlineno + 1}"):
            kernel(np.array([1.0, 0.0]))


def test_indices_are_checked_after_a_hit(place: Path) -> None:
    x, i = sg.symbol("x", ("n",)), sg.symbol("i", ("k",), "int64")
    kernels = [sg.compile(x[i], [x, i]) for _ in range(2)]
    assert [how(kernel) for kernel in kernels] == ["stored", "hit"]
    for kernel in kernels:
        assert_same(kernel(X, np.array([3, -1])), X[[3, -1]])
        with pytest.raises(IndexError):
            kernel(X, np.array([12]))


# -- what is not kept -----------------------------------------------------------------------------------------------
def test_functions_of_this_process_are_not_kept(place: Path) -> None:
    x = sg.symbol("x", (3,))
    kernels = [sg.compile(sg.callback(np.cumsum, [x], ((3,), "float64")), [x]) for _ in range(2)]
    assert [how(kernel) for kernel in kernels] == ["unsuitable"] * 2
    assert_same(kernels[1](np.ones(3)), np.arange(1.0, 4.0))
    assert entries(place) == []


def test_routines_of_this_process_are_not_kept(place: Path) -> None:
    a = sg.symbol("a", (40, 40))
    matrix = np.eye(40) * 3 + 1
    for _ in range(2):
        kernel = sg.compile(sg.linalg.inv(a), [a])
        assert how(kernel) == "unsuitable"
        assert_same(kernel(matrix), np.linalg.inv(matrix))
    assert entries(place) == []


def test_it_can_be_switched_off(place: Path) -> None:
    with sg.config.use(cache=False):
        kernel = program()
    assert how(kernel) == "off"
    assert "look-up" not in kernel.stats["seconds"]
    assert entries(place) == []


def test_the_environment_names_the_directory(tmp_path: Path) -> None:
    code = "import symgrad as sg; print(sg.config.cache)"
    found = [finished(started(Path(text), code=code)) for text in (str(tmp_path / "there"), "off", "~/x")]
    assert found == [[str(tmp_path / "there")], ["False"], [os.path.expanduser("~/x")]]


@pytest.mark.parametrize("base", ["XDG_CACHE_HOME", "HOME"])
def test_the_default_is_the_users_own_directory(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(base, str(tmp_path))
    with sg.config.use(cache=True):
        assert how(program(1.5)) == "stored"
    where = tmp_path / ("symgrad" if base == "XDG_CACHE_HOME" else ".cache/symgrad")
    assert len(entries(where)) == 1
    assert where.stat().st_mode & 0o777 == 0o700
    assert entries(where)[0].stat().st_mode & 0o777 == 0o600


# -- damage ---------------------------------------------------------------------------------------------------------
def damaged(data: bytes) -> Iterator[bytes]:
    for length in (0, 7, 40, 75, 76, 90, len(data) // 2, len(data) - 1):
        yield data[:length]
    for position in (0, 7, 20, 50, 73, 80, 200, len(data) // 2, len(data) - 1):
        yield data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]
    yield data + b"\0"


def test_damaged_entries_are_replaced(place: Path) -> None:
    program()
    (file,) = entries(place)
    whole = file.read_bytes()
    for data in damaged(whole):
        file.write_bytes(data)
        kernel = program()
        assert how(kernel) == "stored"
        assert_right(kernel)
        assert how(program()) == "hit"


def test_an_entry_under_another_name_is_not_taken(place: Path) -> None:
    program(2.0)
    (file,) = entries(place)
    program(3.0)
    (other,) = set(entries(place)) - {file}
    file.replace(other)
    kernel = program(3.0)
    assert how(kernel) == "stored"
    assert_right(kernel, 3.0)


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_directory_that_others_may_write_to_is_left_alone(mode: int, place: Path) -> None:
    program()
    place.chmod(mode)
    kernels = program(), program(3.0)
    assert [how(kernel) for kernel in kernels] == ["unwritable"] * 2
    assert_right(kernels[1], 3.0)
    assert len(entries(place)) == 1
    place.chmod(0o700)
    assert how(program()) == "hit"


def test_a_directory_of_somebody_else_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program()
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    assert how(program()) == "unwritable"


def test_a_directory_that_cannot_be_made_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with sg.config.use(cache=tmp_path / "file" / "cache"):
        kernel = program()
    assert how(kernel) == "unwritable"
    assert_right(kernel)


def test_a_directory_that_is_only_read_serves_what_it_has(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program()
    (file,) = entries(place)
    os.utime(file, (0, 0))  # so that the use would be noted

    def refuse(*_: Any) -> Any:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    place.chmod(0o500)
    found, other = program(), program(3.0)
    assert (how(found), how(other)) == ("hit", "unwritable")
    assert_right(found)
    assert_right(other, 3.0)
    place.chmod(0o700)


# -- size -----------------------------------------------------------------------------------------------------------
def test_what_was_not_used_for_longest_goes(place: Path) -> None:
    program(3.0)  # no power of two, which would be another program
    (first,) = entries(place)
    size = first.stat().st_size
    with sg.config.use(cache_bytes=4 * size + 400):
        for factor in (5.0, 6.0, 7.0):
            program(factor)
        ages = {file: 10_000 + 10 * k for k, file in enumerate(entries(place))}
        for file, age in ages.items():
            os.utime(file, (age, age))
        assert how(program(3.0)) == "hit"  # which is noted
        (place / f".{first.name}.broken").write_bytes(b"half")
        os.utime(place / f".{first.name}.broken", (0, 0))
        program(9.0)
        program(10.0)
        left = entries(place)
        assert sum(file.stat().st_size for file in left) <= 4 * size + 400
        assert all(file.name.endswith(".kernel") for file in left)
        assert first in left
        assert how(program(3.0)) == "hit"
        oldest = min((file for file in ages if file != first), key=ages.__getitem__)
        assert oldest not in left


def test_what_is_larger_than_the_bound_is_not_kept(place: Path) -> None:
    with sg.config.use(cache_bytes=1000):
        assert how(program()) == "unwritable"
    assert entries(place) == []


# -- settings and coverage ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cache", 3, "config.cache: 3 is not allowed\n  hint: True, False or a directory"),
        ("cache", "", "config.cache: '' is not allowed\n  hint: True, False or a directory"),
        ("cache_bytes", -1, "config.cache_bytes: -1 is not allowed\n  hint: a number of bytes"),
        ("cache_bytes", True, "config.cache_bytes: True is not allowed\n  hint: a number of bytes"),
        (
            "cash",
            True,
            "config: no setting is named 'cash'\n  hint: settings: kink, rule_check, cache, cache_bytes",
        ),
    ],
)
def test_settings_are_checked(name: str, value: Any, message: str) -> None:
    with pytest.raises(sg.SymgradError) as caught:
        setattr(sg.config, name, value)
    assert said(caught.value) == message


@pytest.mark.parametrize("op", [op for op in REGISTRY.values() if op.kind is not Kind.CALLBACK], ids=lambda op: op.name)
def test_every_operation_has_a_fingerprint(op: Any) -> None:
    found = set()
    samples = list(op.samples(np.random.default_rng(0)))
    for sample in samples:
        arrays = [np.asarray(array) for array in sample.arrays]
        inputs = [ops.parameter(f"x{k}", types.of(array.dtype, array.shape)) for k, array in enumerate(arrays)]
        node = apply(op, tuple(inputs), sample.attrs)
        if not types.is_tuple(node.type):
            request, _ = request_for(node, inputs)
            mark = fingerprint(request, [], "kernel", native())
            assert mark is not None
            found.add((mark.key, str([one.type for one in inputs]), str(sample.attrs)))
    assert len({key for key, *_ in found}) == len(found)
