"""Dynamic sizes of calls, in emitted code and in Python, against the reference semantics of symgrad.interp."""

import random
from typing import Any

import numpy as np
import pytest
from comparing import said
from test_callable_kernels import Handmade, interface, of, sizes_kernel

from codegen.python import Options, make_kernel
from codegen.python.rules import evaluate
from codegen.python.sizes import interface_of, plan_sizes, split_linear
from symgrad import dims
from symgrad.errors import CompileError, KernelInputError
from symgrad.interp import bind_dims
from symgrad.types import TensorType

N, M, K = dims.dim("n"), dims.dim("m"), dims.dim("k")
SHAPES: list[tuple[tuple[Any, ...], ...]] = [
    (("n",), ("n",)),
    (("n", 3), ("m", "n")),
    ((N + 1,), (N,)),
    ((2 * N,), (N + M,)),
    ((2 * N + 3, M), (N * M,)),
    ((N * M,), (N,)),
    ((N * M + M,), (N,), (M,)),
    ((N // 2,), (N,)),
    ((dims.maximum(N, M),), (N, M)),
    ((N // M,), (M,), (N,)),
    ((5 - N,), (M,)),
    ((N + M + K,), (N + M,), (M,)),
    ((N - 2, 4), (3 * M + 1,)),
    ((None, None), ("n",)),
]


def _types(shapes: tuple[tuple[Any, ...], ...]) -> dict[str, TensorType]:
    return {f"x{k}": of(shape, "bool") for k, shape in enumerate(shapes)}


def _kernels(kernel: Handmade) -> list[Any]:
    loaded = kernel.load()
    options = Options(returns_tuple=True)
    return [
        make_kernel(kernel.spec, loaded["sizes"], loaded["sizes_workspace"], loaded, options=options, emitted=emitted)
        for emitted in (True, False)
    ]


def _candidates(kinds: list[TensorType], seed: int) -> list[list[tuple[int, ...]]]:
    """Shapes that fit, shapes that nearly fit, and arbitrary ones."""
    chance = random.Random(seed)
    atoms = sorted(
        {atom for kind in kinds for size in kind.shape for atom in dims.atoms_of(size)}, key=lambda a: a.order
    )
    found = []
    for round in range(60):
        values = {atom: chance.choice([0, 1, 1, 2, 3, 4, 5, 8]) for atom in atoms}
        try:
            shapes = [tuple(dims.evaluate(size, values) for size in kind.shape) for kind in kinds]
        except ZeroDivisionError:
            continue
        if round % 3 == 1:
            shapes = [tuple(max(0, size + chance.choice([0, 0, 0, 1, -1])) for size in shape) for shape in shapes]
        if all(size >= 0 for shape in shapes for size in shape):
            found.append(shapes)
    return found


def _reference(kinds: list[TensorType], order: Any, shapes: list[tuple[int, ...]]) -> list[int] | None:
    """The sizes by the reference, None where it refuses or finds a negative one (which no array can mean)."""
    try:
        values = bind_dims(kinds, shapes)
        return [values[atom] for atom in order] if all(value >= 0 for value in values.values()) else None
    except (ValueError, KeyError, ZeroDivisionError):
        return None


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_sizes_agree_with_the_reference(shapes: tuple[tuple[Any, ...], ...]) -> None:
    inputs = _types(shapes)
    kinds = list(inputs.values())
    kernel = sizes_kernel(inputs)
    emitted, slow = _kernels(kernel)
    accepted = refused = 0
    for given in _candidates(kinds, seed=len(str(shapes))):
        arrays = [np.zeros(shape, bool) for shape in given]
        expected = _reference(kinds, kernel.spec.dims, given)
        if expected is None:
            refused += 1
            messages = []
            for one in (emitted, slow):
                with pytest.raises(KernelInputError) as caught:
                    one(*arrays)
                messages.append(said(caught.value))
            assert messages[0] == messages[1]
        else:
            accepted += 1
            assert [int(size) for size in emitted(*arrays)] == expected
            assert [int(size) for size in slow(*arrays)] == expected
    assert accepted > 5
    assert refused > 0 or shapes == ((None, None), ("n",))


@pytest.mark.parametrize(
    ("shapes", "given", "message"),
    [
        (((2 * N,),), [(5,)], "sizes(): argument 'x0': expected bool[2*n], got bool[5]: no n makes 2*n equal to 5"),
        (((N + 1,),), [(0,)], "sizes(): argument 'x0': expected bool[n + 1], got bool[0]: no n makes n + 1 equal to 0"),
        (
            ((N, M), (N * M,)),
            [(2, 3), (5,)],
            "sizes(): argument 'x1': expected bool[m*n], got bool[5], "
            "where n = 2 by argument 'x0', m = 3 by argument 'x0'",
        ),
        (
            ((N,), (M,), (N // M,)),
            [(2,), (0,), (5,)],
            "sizes(): 'x2': the size ((n)//(m)) divides by a dimension that is 0",
        ),
        (
            ((N,), (N * M,)),
            [(0,), (0,)],
            "sizes(): argument 'x1': expected bool[m*n], got bool[0]: no m makes m*n equal to 0",
        ),
    ],
)
def test_messages_about_sizes(shapes: Any, given: Any, message: str) -> None:
    for kernel in _kernels(sizes_kernel(_types(shapes))):
        with pytest.raises(KernelInputError) as caught:
            kernel(*(np.zeros(shape, bool) for shape in given))
        assert said(caught.value) == message


@pytest.mark.parametrize("n", [0, 1, 5, 12])
def test_sizes_of_results(n: int) -> None:
    more = {"a": of((2 * N + 1, 3)), "b": of((N // 2,), "int32"), "c": of((dims.maximum(N, 4), N * N), "bool")}
    for kernel in _kernels(sizes_kernel({"x": of(("n",), "bool")}, more)):
        made = kernel(np.zeros(n, bool))
        assert made[0] == n
        assert [one.shape for one in made[1:]] == [(2 * n + 1, 3), (n // 2,), (max(n, 4), n * n)]
        assert [one.dtype.name for one in made[1:]] == ["float64", "int32", "bool"]
        out = tuple(np.empty_like(one) for one in made)
        assert kernel(np.zeros(n, bool), out=out) is out
        assert out[0] == n


def test_a_result_of_negative_size() -> None:
    for kernel in _kernels(sizes_kernel({"x": of(("n",), "bool")}, {"a": of((N - 3,))})):
        assert kernel(np.zeros(3, bool))[1].shape == (0,)
        with pytest.raises(KernelInputError) as caught:
            kernel(np.zeros(2, bool))
        assert said(caught.value) == "sizes(): 'a': the size n - 3 is negative: -1"


def test_a_result_divided_by_zero() -> None:
    shapes = {"x": of(("n", "m"), "bool")}
    for kernel in _kernels(sizes_kernel(shapes, {"a": of((N // M,))})):
        assert kernel(np.zeros((7, 2), bool))[2].shape == (3,)
        with pytest.raises(KernelInputError) as caught:
            kernel(np.zeros((2, 0), bool))
        assert said(caught.value) == "sizes(): 'a': the size ((n)//(m)) divides by a dimension that is 0"


def test_sizes_beyond_the_emitted_arithmetic() -> None:
    wide = np.zeros((1 << 41, 0), bool)
    for kernel in _kernels(sizes_kernel({"x": of(("n", "m"), "bool")})):
        assert [int(size) for size in kernel(wide)] == [1 << 41, 0]


def test_a_result_too_large_for_memory() -> None:
    for kernel in _kernels(sizes_kernel({"x": of(("n", "m"), "bool")}, {"a": of((N, N))})):
        with pytest.raises((MemoryError, ValueError)):
            kernel(np.zeros((1 << 27, 0), bool))


def test_the_plan_visits_every_axis_once() -> None:
    spec = interface("f", _types(((N * M,), (N, 3), (2 * M,))), {"r": of()})
    steps = plan_sizes(spec)
    assert sorted((step.argument, step.axis) for step in steps) == [(0, 0), (1, 0), (1, 1), (2, 0)]
    order = [atom.label for atom in spec.dims]
    assert {order[step.unknown] for step in steps if step.unknown is not None} == {"n", "m"}


@pytest.mark.parametrize("shape", [(N * N,), (N // 2,), (N * M,), (dims.maximum(N, M), M)])
def test_what_does_not_determine_the_sizes(shape: tuple[Any, ...]) -> None:
    spec = interface("f", {"x": of(shape)}, {"r": of()})
    with pytest.raises(
        CompileError, match=r"^f: the size .* cannot be found from the shapes of the inputs\n  at .*\n  hint: add"
    ):
        plan_sizes(spec)


def test_forms_evaluate_as_dimensions_do() -> None:
    sizes = [3 * N * N - 2 * M + 7, (N + 5) // (M + 1), dims.maximum(N - 4, M) * K, N // 3 + dims.maximum(M // 2, K), 4]
    spec = interface("f", {"n": of((N, M, K))}, {f"r{k}": of((size,)) for k, size in enumerate(sizes)})
    plain = interface_of(spec, returns_tuple=True)
    chance = random.Random(1)
    for _ in range(50):
        numbers = [chance.randrange(20) for _ in spec.dims]
        values = dict(zip(spec.dims, numbers, strict=True))
        for size, one in zip(sizes, plain.outputs, strict=True):
            assert evaluate(one.shape[0], numbers) == dims.evaluate(size, values)


def test_split_linear() -> None:
    (atom,) = N.terms[0][0]
    assert split_linear(2 * N + 3, atom) == (2, 3)
    factor, rest = split_linear(N * M + M + 1, atom)
    assert factor is M
    assert rest is M + 1
