"""Threads of the operating system.  In: a function of one pointer.  Out: code that runs it in several threads at once.

Threads live no longer than the call: none is kept between calls, so that nothing is missing in a process made by
``fork``, and calls from several threads do not meet.  A thread that cannot be had is done without.
"""

from __future__ import annotations

from codegen.llvm.builder import Function, Int
from codegen.llvm.types import I32, I64, POINTER, Value
from codegen.target import Target

__all__ = ["has_threads", "run_at_once"]

_NULL = Value("null", POINTER)


def has_threads(target: Target) -> bool:
    """Whether programs of the target can start threads: all but those for WebAssembly."""
    return not target.triple.startswith("wasm")


def run_at_once(f: Function, name: str, context: Value, helpers: Int, most: int) -> None:
    """Call ``ptr name(ptr context)`` in this thread and, at the same time, in so many others; wait for all.

    Parameters
    ----------
    f : the function being built
    name : of a function in the module, which has done everything when all calls of it have returned, however few
    context : what it gets
    helpers : how many other threads are wanted
    most : how many these can be
    """
    windows = "windows" in f.target.triple
    handles = f.alloca(I64, most, 8)
    with f.loop(0, helpers, 1, [Value("0", I64)]) as starting:
        count = starting.values[0]
        place = f.gep(handles, count, I64)
        started = _create_windows(f, name, context, place) if windows else _create(f, name, context, place)
        starting.next = [f.i64(f.add(count, f.convert("zext", started, I64)))]
    f.call(name, [context], POINTER)
    with f.loop(0, starting.values[0]) as ending:
        handle = f.load(f.gep(handles, ending.index, I64), I64)
        if windows:
            forever = Value("-1", I32)
            f.call("WaitForSingleObject", [handle, forever], I32, declare=True)
            f.call("CloseHandle", [handle], I32, declare=True)
        else:
            f.call("pthread_join", [handle, _NULL], I32, declare=True)


def _create(f: Function, name: str, context: Value, place: Value) -> Value:
    """Whether a thread has started, whose handle is then at that place."""
    function = Value(f"@{name}", POINTER)
    status = f.call("pthread_create", [place, _NULL, function, context], I32, declare=True)
    assert status is not None
    return f.icmp("eq", status, 0)


def _create_windows(f: Function, name: str, context: Value, place: Value) -> Value:
    function, zero = Value(f"@{name}", POINTER), Value("0", I32)
    handle = f.call("CreateThread", [_NULL, Value("0", I64), function, context, zero, _NULL], I64, declare=True)
    assert handle is not None
    f.store(handle, place)
    return f.icmp("ne", handle, 0)
