"""Compiling expressions.  In: results, placeholders, updates.  Out: a kernel that takes and gives NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad.backend import CompileRequest, find_backend
from symgrad.collection import collection_paused
from symgrad.containers import Structure, assembler, flatten, leaf_names, leaves_like
from symgrad.diff.claims import waiting
from symgrad.errors import CompileError, DTypeError, KernelInputError, ShapeError, UnconnectedGradientError
from symgrad.graph import Graph
from symgrad.node import Node, topological
from symgrad.ops import as_node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line
from symgrad.types import same_shape
from symgrad.variables import is_variable, require_value, without_value

__all__ = ["compile", "request_for"]

_FASTMATH = {"contract", "reassoc", "reciprocal"}
_THREADS = 256  # of a call


@collection_paused()
def compile(
    outputs: Any,
    inputs: Sequence[Any],
    *,
    updates: Sequence[tuple[Any, Any]] | None = None,
    name: str | None = None,
    target: str = "native",
    backend: str = "llvm",
    fastmath: set[str] | frozenset[str] = frozenset({"contract"}),
    threads: int = 1,
    check_finite: bool = False,
) -> Any:
    """Compile expressions to a kernel.

    Parameters
    ----------
    outputs : expression, or list, tuple or dict of expressions
        The kernel returns an array, a tuple or a dict accordingly.
    inputs : sequence of placeholders
        The kernel's arguments, by position or name; unused ones are allowed.
    updates : sequence of (variable, new value), optional
        State to change in place; all new values and outputs are computed from the old state.
    name : str, optional
        Name of the kernel, for messages and symbols.
    target : str
        ``"native"``, ``"x86-64"``, ``"x86-64-v2"``, ``"x86-64-v3"``, ``"x86-64-v4"`` or ``"aarch64"``.
    backend : str
    fastmath : set of {"contract", "reassoc", "reciprocal"}
        What arithmetic may be rearranged: ``contract`` fuses a product and a sum; ``reassoc`` moves numerical factors to
        where they meet others; ``reciprocal`` divides by the same number once, and multiplies by the reciprocal, which
        rounds a quotient twice.
    threads : int
        How many threads a call may use; results have the same bits for every number.  Small calls use one; see
        ``docs/threads.md``.
    check_finite : bool
        A call whose results are not all finite raises, names the operation and line that made the first value that is
        not, and changes nothing; see ``docs/check_finite.md``.

    Returns
    -------
    Kernel
        Callable with arrays of exactly the placeholders' types; ``out=`` takes buffers for the results.

    Raises
    ------
    UnconnectedGradientError
        An output is None.
    CompileError
        Inputs of one name, placeholders that are no inputs, options that do not exist, or an operation without machine
        code.

    Examples
    --------
    >>> import numpy as np, symgrad as sg
    >>> x = sg.symbol("x", ("n",))
    >>> k = sg.compile(sg.gradients(np.sum(x**3), [x])[0], [x])
    >>> k(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    request, structure = request_for(outputs, inputs, updates, name, target, fastmath, threads, check_finite)
    kernel: Any = find_backend(backend).compile(request)
    if structure.kind is not None and structure != _flat_tuple(len(request.graph.outputs)):
        kernel = StructuredKernel(kernel, structure)
    if waiting():
        from symgrad.truth import probed

        kernel = probed(kernel, request.graph.inputs)
    return _with_values(kernel, request)


def _flat_tuple(count: int) -> Structure:
    return Structure(tuple, (), tuple(Structure() for _ in range(count)))


def request_for(
    outputs: Any,
    inputs: Sequence[Any],
    updates: Sequence[tuple[Any, Any]] | None = None,
    name: str | None = None,
    target: str = "native",
    fastmath: set[str] | frozenset[str] = frozenset({"contract"}),
    threads: int = 1,
    check_finite: bool = False,
) -> tuple[CompileRequest, Structure]:
    """What the back end is asked for, and the structure of the results."""
    unknown = set(fastmath) - _FASTMATH
    if unknown:
        raise CompileError(
            f"compile: fastmath {sorted(unknown)[0]!r} is unknown", hint=f"one of {', '.join(sorted(_FASTMATH))}"
        )
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise CompileError(f"compile: threads={threads!r} is not a positive integer", hint="threads=1")
    if threads > _THREADS:
        raise CompileError(
            f"compile: threads={threads} is more than {_THREADS}", hint="one for each processor: threads=os.cpu_count()"
        )
    leaves, structure = flatten(outputs)
    if structure.kind is list:
        structure = structure._replace(kind=tuple)
    nodes = [_output(leaf, position) for position, leaf in enumerate(leaves)]
    pairs = _updates(updates or ())
    graph = Graph(nodes, [_input(one) for one in inputs])
    _refuse_free(Graph([*nodes, *(value for _, value in pairs)], graph.inputs) if pairs else graph)
    request = CompileRequest(
        graph,
        pairs,
        name or _default_name(nodes),
        structure.kind is None,
        _output_names(structure),
        target,
        threads,
        frozenset(fastmath),
        check_finite,
    )
    return request, structure


def _output_names(structure: Structure) -> tuple[str, ...]:
    """Names of results that were given as a dictionary."""
    if structure.kind is not dict:
        return ()
    pairs = zip(structure.keys, structure.parts, strict=True)
    return tuple(name for key, part in pairs for name in leaf_names(str(key), part))


def _default_name(nodes: Sequence[Node]) -> str:
    return "kernel" if not nodes else f"{nodes[0].op.name}_kernel"


def _output(leaf: Any, position: int) -> Any:
    if leaf is None:
        raise UnconnectedGradientError(
            f"compile: output {position} is None: the gradient it stands for does not exist",
            where=user_line(),
            hint="sg.why(y, x) says why; sg.gradients(..., unconnected='zero') gives zeros, unconnected='raise' fails at once",
        )
    return as_node(leaf, who=f"compile: output {position}")


def _input(one: Any) -> Any:
    if not isinstance(one, Node):
        raise CompileError(
            f"compile: the input {one!r} is no placeholder", where=user_line(), hint="inputs are made by sg.symbol"
        )
    return one


def _updates(updates: Sequence[tuple[Any, Any]]) -> tuple[tuple[Node, Node], ...]:
    for pair in updates:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise CompileError(
                f"compile: updates hold {pair!r}, which is no pair of a variable and its new value",
                where=user_line(),
                hint="(w, w + 1); w.assign_add(1) changes the value at once, w.assign_add(expression) gives a pair",
            )
    pairs = tuple(_update(variable, value) for variable, value in updates)
    seen: set[Node] = set()
    for variable, _ in pairs:
        if variable in seen:
            raise CompileError(
                f"compile: the variable {variable.attrs.name!r} is updated twice",
                where=user_line(),
                hint="all new values are computed from the old state: state one that does both",
            )
        seen.add(variable)
    return pairs


def _update(variable: Any, value: Any) -> tuple[Node, Node]:
    if not isinstance(variable, Node) or not is_variable(variable):
        raise CompileError(
            f"compile: updates name {variable!r}, which is no variable",
            where=user_line(),
            hint="make it with sg.variable(name, value)",
        )
    node = as_node(value, who=f"update of {variable.attrs.name}")
    if node.type.dtype is not variable.type.dtype:
        raise DTypeError(
            f"compile: the new value of {variable.attrs.name!r} is {node.type.dtype}, the variable {variable.type.dtype}",
            where=user_line(),
            hint=f"convert with .astype('{variable.type.dtype}')",
        )
    if not same_shape(node.shape, variable.shape):
        raise ShapeError(
            f"compile: the new value of {variable.attrs.name!r} has shape {shape_text(node.shape)}, the variable "
            f"{shape_text(variable.shape)}",
            where=user_line(),
        )
    return variable, node


def _refuse_free(graph: Graph) -> None:
    """Placeholders that are no inputs: forgotten symbols, and arguments of functions that have returned."""
    for node in graph.free:
        if is_variable(node):
            continue
        if node.op.name == "parameter":
            raise CompileError(
                f"compile: the traced argument {node.attrs.name!r} has leaked out of its function",
                where=next(iter(node.lines), None),
                hint="return what depends on it from the function instead of keeping it",
            )
        raise CompileError(
            f"compile: the symbol {node.attrs.name!r} is used but is not among the inputs",
            where=next(iter(node.lines), None),
            hint=f"add it: sg.compile(..., [..., {node.attrs.name}])",
        )


def _with_values(kernel: Any, request: CompileRequest) -> Any:
    """The kernel; where a variable of it has no value yet, one that asks for it."""
    missing = without_value()
    if not missing:
        return kernel
    nodes = topological([*request.graph.outputs, *(value for _, value in request.updates)])
    read = [node for node in nodes if node in missing]
    changed = [variable for variable, _ in request.updates if variable in missing]
    return InitialisingKernel(kernel, read, changed) if read or changed else kernel


class InitialisingKernel:
    """A kernel compiled before all its variables had values: it refuses to read such, and gives some to those it updates."""

    def __init__(self, kernel: Any, read: Sequence[Any], changed: Sequence[Any]) -> None:
        self.kernel, self.read, self.changed = kernel, list(read), list(changed)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for variable in self.read:
            require_value(variable)
        made = self.kernel(*args, **kwargs)
        for variable in self.changed:
            variable.attrs.state.ready = True
        self.read, self.changed = [], []
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return InitialisingKernel, (self.kernel, self.read, self.changed)


class StructuredKernel:
    """A kernel whose results are put into a container; everything else is the kernel's."""

    def __init__(self, kernel: Any, structure: Structure) -> None:
        self.kernel, self.structure = kernel, structure
        self._assemble = assembler(structure)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out")
        if out is not None:
            buffers = leaves_like(out, self.structure)
            if buffers is None:
                raise KernelInputError(
                    f"{self.kernel.__name__}(): out has another structure than the results", where=user_line()
                )
            kwargs["out"] = tuple(buffers)
        made = self.kernel(*args, **kwargs)
        return self._assemble(made if isinstance(made, tuple) else (made,))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kernel, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return StructuredKernel, (self.kernel, self.structure)
