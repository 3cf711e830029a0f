"""Object files read, joined and archived, against the system's own tools where there are any."""

import ctypes
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_callable_kernels import AXPY, ECHO, GATHER, INVERT, MATVEC, STATUS, STEP

from codegen.aot.archive import write_archive
from codegen.aot.elf import read_object
from codegen.aot.identifiers import distinct
from codegen.aot.merge import merge_objects
from codegen.llvm.builder import Module
from codegen.llvm.toolchain import compile_object, load_object
from codegen.llvm.types import DOUBLE, I64, Value
from codegen.python.native_call import NativeCall
from codegen.target import TARGETS, native
from symgrad.errors import CompileError

KERNELS = (AXPY, MATVEC, GATHER, STEP, ECHO, INVERT, STATUS)


def objects() -> list[bytes]:
    return [compile_object(kernel.module().text(), native()) for kernel in KERNELS]


def tool(name: str, *args: str | Path) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}")
    return subprocess.run([found, *args], capture_output=True, text=True, check=True).stdout


def linked_pair() -> tuple[bytes, bytes]:
    """Two objects: a function that reads a table and calls one in the other, which reads a table of the same name."""
    first, second = Module(native()), Module(native())
    f = first.function("outer", [("k", I64)], DOUBLE, public=True)
    table = Value(first.table("numbers", [1.0, 2.0, 4.0], DOUBLE), f["k"].type.with_element("ptr"))
    inner = f.call("inner", [f["k"]], DOUBLE, declare=True)
    f.ret(f.fadd(f.load(f.gep(table, f["k"], DOUBLE), DOUBLE), inner))
    f = second.function("inner", [("k", I64)], DOUBLE, public=True)
    table = Value(second.table("numbers", [10.0, 20.0, 40.0], DOUBLE), f["k"].type.with_element("ptr"))
    f.ret(f.sqrt(f.fmul(f.load(f.gep(table, f["k"], DOUBLE), DOUBLE), 10.0)))
    return compile_object(first.text(), native()), compile_object(second.text(), native())


# -- reading --------------------------------------------------------------------------------------------------------
def test_symbols() -> None:
    read = read_object(objects()[0])
    assert sorted(read.defined) == ["axpy", "axpy_workspace"]
    assert read.machine == {"x86_64": 62, "aarch64": 183}[native().triple.split("-")[0]]
    outer = read_object(linked_pair()[0])
    assert outer.defined == ["outer"]
    assert "inner" in [one.name for one in outer.symbols if not one.is_defined]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "for ELF machines only"),
        (lambda data: data[:40], "for ELF machines only"),
        (lambda data: data[:4] + b"\x01" + data[5:], "for ELF machines only"),
        (lambda data: data[:5] + b"\x02" + data[6:], "for ELF machines only"),
        (lambda data: data[:16] + b"\x03\x00" + data[18:], "not an object file, but linked already"),
    ],
)
def test_what_is_no_object(change: Any, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        read_object(change(objects()[0]))


# -- joining --------------------------------------------------------------------------------------------------------
def test_one_object_stays_as_it_is() -> None:
    (first, *_) = objects()
    assert merge_objects([first]) is first


def test_joined_objects_define_everything() -> None:
    merged = read_object(merge_objects(objects()))
    assert sorted(merged.defined) == sorted(
        f"{kernel.spec.name}{ending}" for kernel in KERNELS for ending in ("", "_workspace")
    )
    local = [one.is_local for one in merged.symbols]
    assert local == sorted(local, reverse=True)


def test_joined_objects_run() -> None:
    merged = merge_objects(objects())
    loaded = load_object(merged, ("axpy", "axpy_workspace", "matvec", "matvec_workspace"))
    x, y, z = np.arange(3.0), np.ones(3), np.zeros(3)
    assert NativeCall(loaded["axpy"], loaded["axpy_workspace"], 3, 1)([x, y, z], [3]) == 0
    np.testing.assert_array_equal(z, 2 * x + y)
    A, r = np.arange(6.0).reshape(2, 3), np.zeros(2)
    assert NativeCall(loaded["matvec"], loaded["matvec_workspace"], 3, 2)([A, x, r], [2, 3]) == 0
    np.testing.assert_array_equal(r, A @ x)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_references_between_joined_objects(order: tuple[int, int]) -> None:
    pair = linked_pair()
    merged = merge_objects([pair[order[0]], pair[order[1]]])
    read = read_object(merged)
    assert sorted(read.defined) == ["inner", "outer"]
    assert [one.name for one in read.symbols if one.name in ("inner", "outer")] != []
    assert len([one for one in read.symbols if one.name == "inner"]) == 1
    loaded = load_object(merged, ("outer",))
    outer = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(loaded["outer"])
    assert [outer(k) for k in range(3)] == [a + b**0.5 for a, b in ((1, 100), (2, 200), (4, 400))]


def test_joining_can_be_repeated() -> None:
    first, second, *rest = objects()
    again = merge_objects([merge_objects([first, second]), *rest])
    assert sorted(read_object(again).defined) == sorted(read_object(merge_objects(objects())).defined)


def test_names_defined_twice() -> None:
    first = objects()[0]
    with pytest.raises(CompileError, match=r"^the name 'axpy' is defined by two objects\n"):
        merge_objects([first, first])


def test_objects_of_two_machines() -> None:
    texts = [(AXPY, TARGETS["x86-64"]), (MATVEC, TARGETS["aarch64"])]
    made = [compile_object(kernel.module(target).text(), target) for kernel, target in texts]
    with pytest.raises(CompileError, match="not of one machine"):
        merge_objects(made)
    other = TARGETS["aarch64"]
    joined = merge_objects([compile_object(kernel.module(other).text(), other) for kernel in KERNELS])
    assert read_object(joined).machine == 183


def test_the_systems_tools_read_joined_objects(tmp_path: Path) -> None:
    path = tmp_path / "joined.o"
    path.write_bytes(merge_objects(objects()))
    assert "axpy_workspace" in tool("nm", path)
    listing = subprocess.run(["readelf", "-aW", path], capture_output=True, text=True, check=False)
    assert "Warning" not in listing.stderr
    assert "Error" not in listing.stderr
    tool("ld", "-r", "-o", tmp_path / "again.o", path)
    assert sorted(read_object((tmp_path / "again.o").read_bytes()).defined) == sorted(
        read_object(path.read_bytes()).defined
    )


# -- archives -------------------------------------------------------------------------------------------------------
NAMES = ["axpy.o", "a_very_long_name_of_a_kernel.o", "gather.o", "another_long_name.o", "e.o", "exactly_15_ch.o", "s.o"]


def test_archives_are_those_of_ar(tmp_path: Path) -> None:
    members = list(zip(NAMES, objects(), strict=True))
    for name, data in members:
        (tmp_path / name).write_bytes(data)
    own = tmp_path / "own.a"
    own.write_bytes(write_archive(members))
    assert tool("ar", "t", own).split() == NAMES
    index = tool("nm", "-s", own).split("\n\n")[0]
    assert "axpy_workspace in axpy.o" in index
    assert "matvec in a_very_long_name_of_a_kernel.o" in index
    theirs = tmp_path / "theirs.a"
    tool("ar", "rcsD", theirs, *(tmp_path / name for name in NAMES))
    assert own.read_bytes() == theirs.read_bytes()


def test_members_of_archives_are_found_by_their_offsets() -> None:
    members = list(zip(NAMES, objects(), strict=True))
    data = write_archive(members)
    assert data[:8] == b"!<arch>\n"
    (count,) = struct.unpack_from(">I", data, 68)
    offsets = struct.unpack_from(f">{count}I", data, 72)
    names = data[72 + 4 * count :].split(b"\0")[:count]
    for offset, name in zip(offsets, names, strict=True):
        size = int(data[offset + 48 : offset + 58])
        assert name.decode() in read_object(data[offset + 60 : offset + 60 + size]).defined


def test_an_empty_archive_and_one_of_doubles() -> None:
    assert write_archive([])[:8] == b"!<arch>\n"
    first = objects()[0]
    with pytest.raises(CompileError, match="two members of the archive define the same name"):
        write_archive([("a.o", first), ("b.o", first)])


# -- names ----------------------------------------------------------------------------------------------------------
def test_distinct_names() -> None:
    assert distinct(["x", "x", "a b", "a_b", "3d", "", "class", "print", "None", "I"]) == [
        "x",
        "x_2",
        "a_b",
        "a_b_2",
        "_3d",
        "_",
        "class_2",
        "print",
        "None_2",
        "I_2",
    ]
    assert distinct(["x", "x_2"], ["x"]) == ["x_2", "x_2_2"]
