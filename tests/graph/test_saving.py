"""sg.save and sg.load: every kind of node comes back; damaged files are refused; nothing in one is executed."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import stat

import numpy as np
import pytest

import symgrad as sg
from symgrad import saving, types
from symgrad.containers import flatten
from symgrad.errors import SymgradError
from symgrad.interp import evaluate
from symgrad.node import apply, topological
from symgrad.opdef import REGISTRY, Kind
from symgrad.ops import parameter

x, y = sg.symbols("x y")
v = sg.symbol("v", (3,))
A = sg.symbol("A", ("n", 3))


def again(value, path):
    sg.save(path / "graph", value)
    return sg.load(path / "graph")


SAVED = {
    "symbol": x,
    "types": sg.symbol("s", (2, "m"), "float32"),
    "integers": sg.symbol("k", (4,), "int32") + 1,
    "booleans": sg.symbol("flag", (), "bool") & (x > 0),
    "constants": sg.constant(np.array([0.0, -0.0, np.nan, np.inf, 5e-324])) * x,
    "large constant": sg.constant(np.arange(1000.0).reshape(10, 100)),
    "empty constant": sg.constant(np.zeros((0, 3), np.float32)),
    "dynamic sizes": np.sum(A, axis=0) * A.shape[0] + sg.zeros((3,)),
    "sizes computed": np.concatenate([A[1:], A[: A.shape[0] // 2]]),
    "shared": np.sin(x) * np.sin(x) + np.sin(x),
    "slices": v[::-1][1:] + v[0],
    "gather": v[np.array([0, 2])],
    "change": v.at[1].set(x),
    "einsum": sg.einsum("ni,nj->ij", A, A),
    "where": np.where(x > y, x, y),
    "stop": sg.stop_gradient(x**3, order=2),
    "strange name": sg.symbol('a "quoted" ñame\n', ()) + 1,
}


@pytest.mark.parametrize("name", SAVED)
def test_the_same_object_comes_back(name, tmp_path):
    assert again(SAVED[name], tmp_path) is SAVED[name]


def test_containers(tmp_path):
    value = {"loss": x * y, "parts": [np.sin(x), (v, x)], "none": (), 3: x}
    made = again(value, tmp_path)
    assert made.keys() == {"loss", "parts", "none", 3}
    assert flatten(made) == flatten(value) or flatten(made)[1] == flatten(value)[1]
    assert all(one is other for one, other in zip(flatten(made)[0], flatten(value)[0], strict=True))


def test_scopes_and_override_maps(tmp_path):
    with sg.name_scope("net/layer"), sg.gradient_override_map({"sign": "Identity"}):
        made = np.sign(x) * 2
    back = again(made, tmp_path)
    assert back is made
    assert back.scope == "net/layer"
    assert evaluate(sg.gradients(back, [x]), {x: 3.0})[0] == 2.0


def test_traced_arguments_get_a_new_identity(tmp_path):
    """One for each that the file holds: results of one file still share theirs."""
    p, q = parameter("p", x.type), parameter("p", x.type)
    first, second = again((p + q, p * 2), tmp_path)
    assert first is not p + q
    left, right = first.inputs
    assert left is not right
    assert second.inputs[0] is left
    assert evaluate([first, second], {left: 1.0, right: 10.0}) == [11.0, 2.0]


def test_custom_gradients(tmp_path):
    @sg.custom_gradient
    def f(x):
        return x**2, lambda head: head * 2 * x

    made = f(np.sin(x))
    back = again(made, tmp_path)
    assert evaluate([back], {x: 0.5}) == evaluate([made], {x: 0.5})
    (slope,) = evaluate(sg.gradients(back, [x]), {x: 0.5})
    np.testing.assert_allclose(slope, 2 * np.sin(0.5) * np.cos(0.5), rtol=1e-15)


OPERATIONS = [op for op in REGISTRY.values() if op.kind is not Kind.SOURCE]


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_every_operation(op, tmp_path):
    """All samples of the operation, on symbols, in one file."""
    nodes = []
    for k, sample in enumerate(op.samples(np.random.default_rng(0))):
        inputs = [
            sg.symbol(f"in{k}_{j}", np.shape(array), types.as_dtype(np.asarray(array).dtype))
            for j, array in enumerate(sample.arrays)
        ]
        nodes.append(apply(op, tuple(inputs), sample.attrs))
    made = again(nodes, tmp_path)
    assert len(made) == len(nodes)
    assert all(one is other for one, other in zip(made, nodes, strict=True))


def test_derivatives_and_their_kernels(tmp_path):
    loss = np.sum(np.tanh(A @ v)) * x
    back = again({"loss": loss, "slope": sg.gradients(loss, [v])[0]}, tmp_path)
    kernel = sg.compile(back, [A, v, x])
    a, point = np.arange(6.0).reshape(2, 3) / 5, np.array([0.1, -0.2, 0.3])
    found = kernel(a, point, 2.0)
    np.testing.assert_allclose(found["loss"], 2 * np.sum(np.tanh(a @ point)), rtol=1e-12)
    np.testing.assert_allclose(found["slope"], 2 * (1 - np.tanh(a @ point) ** 2) @ a, rtol=1e-12)


# -- the file -------------------------------------------------------------------------------------------------------
def test_the_file_is_plain_json_without_code(tmp_path):
    sg.save(tmp_path / "graph", np.sin(x) * 2)
    data = (tmp_path / "graph").read_bytes()
    content = json.loads(data)
    assert content["symgrad"] == saving.VERSION
    assert [record[0] for record in content["nodes"]] == ["symbol", "sin", "constant", "multiply"]
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)


def test_equal_graphs_give_equal_bytes():
    made = np.sum(np.tanh(A @ v)) * x
    assert saving.dumps([made]) == saving.dumps([saving.loads(saving.dumps([made]))[0]])


def test_a_name_is_never_executed(tmp_path):
    evil = sg.symbol("__import__('os').system('echo no > evil')")
    assert again(evil + 1, tmp_path) is evil + 1
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04N.", b"hello", b"[]", b"3", b"null", b"{}", b'{"nodes": []}', b"\xff\xfe"]
)
def test_foreign_files(data, tmp_path):
    path = tmp_path / "foreign"
    path.write_bytes(data)
    with pytest.raises(SymgradError, match="load: this is no saved graph"):
        sg.load(path)


def test_other_versions(tmp_path):
    path = tmp_path / "graph"
    sg.save(path, x + 1)
    path.write_bytes(path.read_bytes().replace(b'"symgrad":1', b'"symgrad":99'))
    with pytest.raises(SymgradError, match="saved in format 99, this version reads format 1"):
        sg.load(path)


def test_every_truncation_is_noticed(tmp_path):
    path = tmp_path / "graph"
    sg.save(path, np.sum(A @ v) * sg.constant([1.0, 2.0]))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SymgradError, match="load:"):
            sg.load(path)


def test_damage_anywhere_never_gives_another_kind_of_error(tmp_path):
    """Random changes of the file: an error of the library's own, or a graph that passes its type rules."""
    whole = bytearray(saving.dumps([np.sum(A @ v) * sg.constant([1.0, 2.0]), v[::-1]]))
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(400):
        data = whole.copy()
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] = int(rng.choice(list(b'0123456789[]{},":ntaxu-')))
        try:
            made = saving.loads(bytes(data))
        except SymgradError:
            refused += 1
            continue
        assert topological(flatten(made)[0])
    assert refused > 200


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda c: c["nodes"].pop(0), "damaged"),
        (lambda c: c["outputs"].append(99), "damaged"),
        (lambda c: c.pop("structure"), "damaged"),
        (lambda c: c["nodes"][1].__setitem__(0, "sinus"), "no operation is named 'sinus'(.|\n)*did you mean"),
        (lambda c: c["nodes"][1].__setitem__(1, [0, 0]), "sin node is broken: it has 2 operands"),
        (lambda c: c["nodes"][0][2].append(3), "damaged"),
    ],
)
def test_damaged_contents(change, what):
    content = json.loads(saving.dumps([np.sin(x) * 2]))
    change(content)
    with pytest.raises(SymgradError, match=what):
        saving.loads(json.dumps(content).encode())


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "graph"
    sg.save(path, x + 1)
    before = path.read_bytes()
    with pytest.raises(SymgradError, match="is not an expression"):
        sg.save(path, [x, 3.0])

    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        sg.save(path, x + 2)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["graph"]


def test_paths(tmp_path):
    sg.save(str(tmp_path / "text path"), x)
    assert sg.load(str(tmp_path / "text path")) is x
    assert stat.S_ISREG((tmp_path / "text path").stat().st_mode)
    with pytest.raises(FileNotFoundError):
        sg.load(tmp_path / "nothing")
    with pytest.raises(OSError, match="nowhere"):
        sg.save(tmp_path / "nowhere" / "graph", x)


def test_what_cannot_be_saved(tmp_path):
    @dataclasses.dataclass
    class Holder:
        value: object

    for value, what in [
        (None, "None is not an expression"),
        ({"a": 1.0}, "1.0 is not an expression"),
        (Holder(x), "a container of class Holder cannot be saved(.|\n)*tuple, list or dict"),
        (sg.variable("w", 1.0) * 2, "variable|cannot be written"),
    ]:
        with pytest.raises(SymgradError, match=what):
            sg.save(tmp_path / "graph", value)
        assert not (tmp_path / "graph").exists()
