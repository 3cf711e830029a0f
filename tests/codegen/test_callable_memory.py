"""Kernels and memory: references, garbage, workspaces, variables, threads and the interpreter lock."""

import contextlib
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from comparing import said
from test_callable_kernels import (
    AXPY,
    CALLING,
    COUNT,
    ECHO,
    GATHER,
    INVERT,
    MATVEC,
    STATUS,
    STEP,
    Handmade,
    host_function,
    interface,
    of,
)

from codegen.llvm.types import I64
from codegen.python import Kernel, Options, holding, make_kernel
from symgrad.errors import CompileError, KernelInputError

TUPLE = Options(returns_tuple=True)
Make = Callable[..., Any]


def build(kernel: Handmade, imports: dict[str, int] | None = None, **more: Any) -> Any:
    loaded = kernel.load(imports)
    return make_kernel(kernel.spec, loaded[kernel.spec.name], loaded[f"{kernel.spec.name}_workspace"], loaded, **more)


@pytest.fixture(params=[True, False], ids=["emitted", "ctypes"])
def make(request: pytest.FixtureRequest) -> Make:
    return lambda kernel, *args, **more: build(kernel, *args, emitted=request.param, **more)


def blocks_after(run: Callable[[], object], times: int) -> int:
    """How many memory blocks of Python the calls leave behind."""
    for _ in range(min(times, 200)):
        run()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(times):
        run()
    gc.collect()
    return sys.getallocatedblocks() - before


# -- references -----------------------------------------------------------------------------------------------------
def test_references_are_stable(make: Make) -> None:
    x, y, out = np.arange(4.0), np.ones(4), np.zeros(4)
    axpy, dtype = make(AXPY), np.dtype("float64")
    watched = (x, y, out, axpy, dtype, np.ndarray, None, AXPY.spec)
    calls = (lambda: axpy(x, y), lambda: axpy(x, y=y), lambda: axpy(y=y, x=x, out=out), lambda: axpy(x[::2], y[::2]))
    for call in calls * 1000:  # the first calls fill caches
        call()
    before = [sys.getrefcount(one) for one in watched]
    for call in calls * 10_000:
        call()
    assert all(abs(sys.getrefcount(one) - count) <= 2 for one, count in zip(watched, before, strict=True))


def _refused(call: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            call()
        except (ValueError, LookupError):
            return
        raise AssertionError("the call was not refused")

    return run


@pytest.mark.parametrize(
    "case",
    [
        "new",
        "out",
        "keywords",
        "strided",
        "tuple",
        "scalars",
        "assembled",
        "refused",
        "status",
        "status out",
        "overlap",
    ],
)
def test_calls_leave_nothing_behind(make: Make, case: str) -> None:
    x, y, z, truth = np.arange(300.0), np.ones(300), np.zeros(300), np.ones(9, bool)
    axpy, invert, echo, gather = make(AXPY), make(INVERT, options=TUPLE), make(ECHO, options=TUPLE), make(GATHER)
    assembled = make(AXPY, options=Options(assembled=True), assemble=lambda made: {"z": made})
    bad, picked = np.array([0, 301]), np.zeros(2)
    run: dict[str, Callable[[], object]] = {
        "new": lambda: axpy(x, y),
        "out": lambda: axpy(x, y, out=z),
        "keywords": lambda: axpy(y=x, x=y, out=z),
        "strided": lambda: axpy(x[::3], y[200:][::-1]),
        "tuple": lambda: invert(truth),
        "scalars": lambda: echo(1.5, 2, 3, 4, True),
        "assembled": lambda: assembled(x, y),
        "refused": _refused(lambda: axpy(x, y[:1])),
        "status": _refused(lambda: gather(x, bad)),
        "status out": _refused(lambda: gather(x, bad, out=picked)),
        "overlap": _refused(lambda: axpy(x, y, out=x)),
    }
    assert blocks_after(run[case], 10_000) < 100


def test_a_failed_call_gives_up_its_results() -> None:
    status = build(STATUS)
    seen = []
    for number in (0, 1, 1):
        with contextlib.suppress(IndexError):
            seen.append(weakref.ref(status(number)))
    assert seen[0]() is None
    assert blocks_after(_refused(lambda: status(1)), 1000) < 20


def test_results_outlive_the_kernel(make: Make) -> None:
    axpy = make(AXPY)
    made = axpy(np.ones(3), np.ones(3))
    del axpy
    gc.collect()
    np.testing.assert_array_equal(made, [3.0, 3.0, 3.0])


# -- garbage --------------------------------------------------------------------------------------------------------
class Witness:
    """Something whose end can be watched."""


def watched_kernel(make: Make) -> tuple[Any, weakref.ref[Any]]:
    loaded = AXPY.load()
    witness = Witness()
    witness.code = loaded  # type: ignore[attr-defined]
    return make_kernel(AXPY.spec, loaded["axpy"], loaded["axpy_workspace"], witness), weakref.ref(witness)


def test_a_kernel_keeps_its_code_and_lets_it_go(make: Make) -> None:
    kernel, code = watched_kernel(make)
    gc.collect()
    assert code() is not None
    assert kernel(np.ones(2), np.ones(2))[0] == 3.0
    there = weakref.ref(kernel)
    del kernel
    assert there() is None
    assert code() is None


def test_kernels_in_cycles_are_collected(make: Make) -> None:
    kernel, code = watched_kernel(make)
    other, other_code = watched_kernel(make)
    kernel.me, kernel.other, other.other = kernel, other, [kernel]
    called: list[object] = []
    there = weakref.ref(kernel, called.append)
    del kernel, other
    gc.collect()
    assert there() is None
    assert code() is None
    assert other_code() is None
    assert called == [there]


def test_making_kernels_leaves_nothing_behind() -> None:
    loaded = AXPY.load()

    def run() -> None:
        kernel = make_kernel(AXPY.spec, loaded["axpy"], loaded["axpy_workspace"], loaded)
        kernel.note = [kernel]  # type: ignore[attr-defined]
        assert kernel(np.ones(2), np.ones(2))[0] == 3.0

    assert blocks_after(run, 100) < 400  # the loader itself keeps about three blocks a library


def test_a_kernel_called_from_a_finalizer_in_its_own_cycle() -> None:
    kernel, code = watched_kernel(build)
    results = []

    class Last:
        def __del__(self) -> None:
            results.append(self.kernel(np.ones(2), np.ones(2))[0])  # type: ignore[attr-defined]

    last = Last()
    last.kernel, kernel.last = kernel, last  # type: ignore[attr-defined]
    del kernel, last
    gc.collect()
    assert results == [3.0]
    assert code() is None


# -- the workspace --------------------------------------------------------------------------------------------------
def _place() -> Handmade:
    """Gives the address of its workspace of 8 n bytes, then calls a host function where the input says so."""

    def emit(f: Any, spec: Any) -> None:
        CALLING.emit(f, spec)
        f.store(f.convert("ptrtoint", f["work"], I64), f["a1"])

    return Handmade(interface("calling", {"x": of()}, {"r": of((), "int64")}), emit, lambda f: 1000)


def test_the_workspace_is_kept_and_aligned() -> None:
    kept, address = host_function(lambda x: 0)
    kernel = build(_place(), {"host": address})
    places = {int(kernel(-1.0)) for _ in range(100)}
    assert len(places) == 1
    assert places.pop() % 64 == 0
    assert kept is not None


def test_calls_within_a_call_have_a_workspace_of_their_own(make: Make) -> None:
    seen: list[int] = []

    def again(x: float) -> int:
        seen.append(int(kernel(x - 1.0)))
        return 0

    kept, address = host_function(again)
    kernel = make(_place(), {"host": address}, options=Options(gil="hold"))
    seen.append(int(kernel(3.0)))
    assert len(set(seen)) == 4
    assert all(place % 64 == 0 for place in seen)
    assert len({int(kernel(-1.0)) for _ in range(10)}) == 1
    assert kept is not None


def test_nested_calls_compute_what_they_should(make: Make) -> None:
    inner: list[float] = []

    def again(x: float) -> int:
        inner.append(float(kernel(x - 1.0)))
        return 0

    kept, address = host_function(again)
    kernel = make(CALLING, {"host": address}, options=Options(gil="hold"))
    assert kernel(2.0) == 2.0
    assert inner == [0.0, 1.0]
    assert kept is not None


def test_the_workspace_grows(make: Make) -> None:
    matvec = make(MATVEC)
    chance = np.random.default_rng(0)
    for columns in (1, 1000, 10, 100_000, 3):
        A, w = chance.normal(size=(2, columns)), chance.normal(size=columns)
        np.testing.assert_allclose(matvec(A, w), A @ w, rtol=1e-9, atol=1e-9)


def test_a_workspace_that_does_not_exist(make: Make) -> None:
    greedy = make(Handmade(AXPY.spec, AXPY.emit, lambda f: 1 << 60))
    for _ in range(3):
        with pytest.raises(MemoryError):
            greedy(np.ones(2), np.ones(2))
    out = np.zeros(2)
    with pytest.raises(MemoryError):
        greedy(np.ones(2), np.ones(2), out=out)


def test_an_input_that_is_too_large_to_be_copied(make: Make) -> None:
    """Nothing has been made for results yet, and nothing must be given up."""
    matvec = make(MATVEC)
    endless = np.lib.stride_tricks.as_strided(np.ones(1), (1 << 58,), (0,))
    for _ in range(100):
        with pytest.raises(MemoryError):
            matvec(np.ones((2, 3)), endless)


# -- variables ------------------------------------------------------------------------------------------------------
def test_variables_change_in_place(make: Make) -> None:
    w = np.array([1.0, 2.0, 3.0])
    step = make(STEP, variables=(w,))
    assert step(np.ones(3), 0.5) == 1.0
    assert step(np.ones(3), rate=0.5) == 1.5
    np.testing.assert_array_equal(w, [2.0, 3.0, 4.0])
    w[...] = 0.0
    assert step(np.array([1.0, 2.0, 3.0, 9.0, 9.0, 9.0])[:3], 1) == 0.0
    np.testing.assert_array_equal(w, [1.0, 2.0, 3.0])


def test_a_variable_as_an_input_is_copied(make: Make) -> None:
    w = np.array([1.0, 2.0, 3.0])
    step = make(STEP, variables=(w,))
    assert step(w, 1.0) == 1.0
    np.testing.assert_array_equal(w, [2.0, 4.0, 6.0])
    assert step(w[::-1], 1.0) == 2.0
    np.testing.assert_array_equal(w, [8.0, 8.0, 8.0])


def test_a_variable_is_no_place_for_a_result(make: Make) -> None:
    w = np.array([1.0, 2.0, 3.0])
    step = make(STEP, variables=(w,))
    with pytest.raises(KernelInputError) as caught:
        step(np.ones(3), 1.0, out=w[1:2].reshape(()))
    assert said(caught.value).split("\n")[0] == "step(): out shares memory with the variable 'w'"
    np.testing.assert_array_equal(w, [1.0, 2.0, 3.0])


def test_many_variables_and_what_overlaps_them(make: Make) -> None:
    names = {f"w{k}": of(2) for k in range(30)}
    spec = interface("many", {"x": of(2), "y": of(2)}, {"a": of(2), "b": of(2)}, names)

    def emit(f: Any, spec: Any) -> None:
        for k in range(len(spec.variables)):
            f.store(f.load(f["a0"], _double()), f[f"a{k + 2}"])
        for name in ("a32", "a33"):
            for k in range(2):
                f.store(f.load(f.gep(f["a1"], k, _double()), _double()), f.gep(f[name], k, _double()))

    memory = np.zeros((30, 2))
    many = make(Handmade(spec, emit), variables=tuple(memory), options=TUPLE)
    x, y, out = np.array([5.0, 6.0]), np.array([7.0, 8.0]), (np.zeros(2), np.zeros(2))
    assert many(x, y, out=out) is out
    np.testing.assert_array_equal(out, [y, y])
    np.testing.assert_array_equal(memory[:, 0], np.full(30, 5.0))
    memory[17] = [1.0, 2.0]
    np.testing.assert_array_equal(many(x, memory[17])[1], [1.0, 2.0])  # read before it was overwritten
    for first, second, words in (
        (out[0], memory[29], "out[1] shares memory with the variable 'w29'"),
        (out[0], out[0], "out[1] shares memory with out[0]"),
        (y, out[0], "out[0] shares memory with argument 'y'"),
    ):
        with pytest.raises(KernelInputError) as caught:
            many(x, y, out=(first, second))
        assert said(caught.value).split("\n")[0] == f"many(): {words}"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ((), "step: 0 arrays given for 1 variables"),
        ((np.zeros(4),), "step(): the variable 'w': expected float64[3], got float64[4]"),
        ((np.zeros(3, "f4"),), "step(): the variable 'w': expected float64[3], got float32[3]"),
        ((np.zeros(6)[::2],), "step(): the variable 'w': expected float64[3], got one that is not C-contiguous"),
        ((np.broadcast_to(1.0, 3),), "step(): the variable 'w': expected float64[3], got one that is not writeable"),
    ],
)
def test_variables_have_to_fit(variables: tuple[Any, ...], message: str) -> None:
    with pytest.raises(CompileError) as caught:
        build(STEP, variables=variables)
    assert said(caught.value) == message


def test_two_variables_may_not_share_memory() -> None:
    spec = interface("two", {}, {"r": of()}, {"v": of(2), "w": of(2)})
    memory = np.zeros(3)
    with pytest.raises(CompileError, match="the variable 'w' shares memory with the variable 'v'"):
        build(Handmade(spec, lambda f, s: None), variables=(memory[:2], memory[1:]))


def test_a_variable_of_dynamic_shape() -> None:
    spec = interface("late", {"x": of("n")}, {"r": of()}, {"w": of("n")})
    with pytest.raises(CompileError, match=r"^late: the variable 'w' has the dynamic shape float64\[n\]\n"):
        build(Handmade(spec, lambda f, s: None), variables=(np.zeros(3),))


def test_a_kernel_keeps_the_memory_of_its_variables() -> None:
    w = np.array([1.0, 2.0, 3.0])
    there = weakref.ref(w)
    step = build(STEP, variables=(w,))
    del w
    gc.collect()
    assert there() is not None
    assert step(np.ones(3), 1.0) == 1.0
    del step
    assert there() is None


# -- threads --------------------------------------------------------------------------------------------------------
def in_threads(number: int, run: Callable[[int], None]) -> None:
    """Run in several threads at once; the first exception of any comes out."""
    failures: list[BaseException] = []
    ready = threading.Barrier(number)

    def guarded(k: int) -> None:
        try:
            ready.wait()
            run(k)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture
def short_switches() -> Iterator[None]:
    """Threads take turns far more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("columns", [5, 40_000])
@pytest.mark.usefixtures("short_switches")
def test_many_threads_call_one_kernel(make: Make, columns: int) -> None:
    matvec = make(MATVEC, options=Options(gil="release"))

    def run(k: int) -> None:
        chance = np.random.default_rng(k)
        for _ in range(500 if columns < 100 else 10):
            A, w = chance.normal(size=(3, columns + k)), chance.normal(size=columns + k)
            np.testing.assert_allclose(matvec(A, w), A @ w, rtol=1e-9, atol=1e-7)

    in_threads(8, run)


@pytest.mark.usefixtures("short_switches")
def test_many_threads_count_with_one_variable(make: Make) -> None:
    c = np.zeros((), np.int64)
    kernels = [make(COUNT, variables=(c,), options=Options(gil="release")) for _ in range(2)]
    seen: list[list[int]] = [[] for _ in range(8)]

    def run(k: int) -> None:
        seen[k] = [int(kernels[k % 2](200)) for _ in range(300)]

    in_threads(8, run)
    assert c == 2400
    assert sorted(value for one in seen for value in one) == list(range(2400))


def test_a_call_waits_for_the_variable(make: Make) -> None:
    c = np.zeros((), np.int64)
    count = make(COUNT, variables=(c,))
    done: list[int] = []
    with holding(c):
        thread = threading.Thread(target=lambda: done.append(int(count(1))))
        thread.start()
        time.sleep(0.02)
        assert done == []
        assert c == 0
        c[...] = 41
    thread.join()
    assert done == [41]
    assert c == 42


def test_a_call_within_a_call_may_not_use_the_same_variable(make: Make) -> None:
    errors: list[str] = []

    def again(x: float) -> int:
        try:
            kernel(-1.0)
        except KernelInputError as error:
            errors.append(str(error).split("\n")[0])
        return 0

    spec = interface("calling", {"x": of()}, {"r": of()}, {"w": of()})

    def emit(f: Any, spec: Any) -> None:
        with f.when(f.fcmp("ogt", f.load(f["a0"], _double()), 0.0)):
            f.call("host", [f["a0"]], _int(), declare=True)
        f.store(f.load(f["a1"], _double()), f["a2"])

    kept, address = host_function(again)
    w = np.full((), 5.0)
    kernel = make(Handmade(spec, emit), {"host": address}, variables=(w,), options=Options(gil="hold"))
    assert kernel(1.0) == 5.0
    assert errors == ["a variable of this kernel is in use by a call that has not returned"]
    assert kernel(-1.0) == 5.0
    assert kept is not None


def _double() -> Any:
    from codegen.llvm.types import DOUBLE

    return DOUBLE


def _int() -> Any:
    from codegen.llvm.types import I32

    return I32


# -- the interpreter lock -------------------------------------------------------------------------------------------
def _others_run(call: Callable[[], object]) -> bool:
    """Whether another Python thread gets on while a call runs that takes long."""
    rounds, stop = [0], threading.Event()

    def spin() -> None:
        while not stop.is_set():
            rounds[0] += 1
            time.sleep(0)  # gives the lock back by itself

    thread = threading.Thread(target=spin)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)  # now nothing but a released lock makes threads change
    try:
        time.sleep(0.01)  # the other thread, too, begins to wait under the new rule
        before = rounds[0]
        call()
        return rounds[0] > before
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        thread.join()


def spinning(name: str, size: Any) -> Handmade:
    """Counts to its second input."""

    def emit(f: Any, spec: Any) -> None:
        scratch = f.alloca(I64)
        with f.loop(0, f.load(f["a1"], I64)) as each:
            f.line(f"store volatile i64 {each.index.text}, ptr {scratch.text}")

    return Handmade(interface(name, {"x": of(size), "rounds": of((), "int64")}, {"r": of((3,))}), emit)


@pytest.mark.parametrize(
    ("shape", "elements", "gil", "released"),
    [
        ("n", 10, "auto", False),
        ("n", 40_000, "auto", True),
        (40_000, 40_000, "auto", True),
        (10, 10, "auto", False),
        ("n", 10, "release", True),
        ("n", 40_000, "hold", False),
    ],
)
def test_the_interpreter_lock(make: Make, shape: Any, elements: int, gil: str, released: bool) -> None:
    kernel = make(spinning("spin", shape), options=Options(gil=gil))
    x = np.zeros(elements)
    kernel(x, 1)
    assert _others_run(lambda: kernel(x, 30_000_000)) is released


def test_the_kernel_type_is_tracked() -> None:
    kernel = build(AXPY)
    assert type(kernel) is Kernel
    assert gc.is_tracked(kernel)
    assert any(one is vars(kernel) for one in gc.get_referents(kernel))
