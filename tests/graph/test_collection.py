"""The garbage collector around passes: off inside, afterwards as it was before, whatever happened inside."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import symgrad as sg
from symgrad.backend import find_backend
from symgrad.collection import collection_paused


@pytest.fixture(autouse=True)
def enabled():
    gc.enable()
    yield
    gc.enable()


def test_passes_nest():
    with collection_paused():
        assert not gc.isenabled()
        with collection_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_on_again_after_an_error():
    with pytest.raises(ZeroDivisionError), collection_paused():
        raise ZeroDivisionError
    assert gc.isenabled()


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_derivative_leaves_it_as_it_was(before, fails):
    seen = []

    @sg.register_gradient(f"collection {before} {fails}")
    def rule(node, head):
        seen.append(gc.isenabled())
        if fails:
            raise RuntimeError
        return head

    x = sg.symbol("x")
    with sg.gradient_override_map({"sin": f"collection {before} {fails}"}):
        y = np.sin(x)
    if not before:
        gc.disable()
    if fails:
        with pytest.raises(RuntimeError):
            sg.gradients(y, [x])
    else:
        assert sg.gradients(y, [x])[0].op.name == "constant"
    assert seen == [False]
    assert gc.isenabled() == before


def test_a_graph_that_was_compiled_is_freed_without_a_collection():
    x = sg.symbol("x", (40,))
    y = np.sum(np.sin(x) * x)
    seen = weakref.ref(y)
    gc.collect()
    gc.disable()
    sg.compile(y, [x])
    del y
    assert seen() is None


def test_compilation_pauses_it(monkeypatch):
    seen = []
    found = find_backend("llvm")
    monkeypatch.setattr(type(found), "compile", lambda self, request: seen.append(gc.isenabled()) or request.name)
    x = sg.symbol("x")
    assert sg.compile(x + 1, [x]) == "add_kernel"
    assert seen == [False]
    assert gc.isenabled()
