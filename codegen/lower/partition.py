"""What is stored, and what is computed together.  In: a canonical graph.  Out: stages of the loop IR, in order.

Arguments, operands and results of matrix products, gathered arrays and scattered ones are stored; everything else is
computed where it is used, unless that would repeat expensive work in several loop nests.  Results of equal index space
that do not wait for each other's memory share a nest.  Index checks come before anything that writes a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from codegen.lower import analysis
from codegen.lower.access import NeedsStore, Stored, row_major
from codegen.lower.contraction import is_product, product_stages
from codegen.lower.indices import IndexUse, index_uses
from codegen.lower.loopir import Buffer, Check, Copy, Fill, Guard, Program
from codegen.lower.nest import Split, Writer, build_nest
from codegen.lower.views import as_view, is_dense, view_base
from codegen.lower.writers import Step, by_parts, steps, value_writer
from codegen.signature import Message
from symgrad import types
from symgrad.dims import Size
from symgrad.errors import CompileError
from symgrad.node import Node, topological
from symgrad.opdef import Kind
from symgrad.types import DType

__all__ = ["Lowered", "Request", "partition"]

LIMIT = 16  # largest axis that is written out
MAX_LANES = 64  # lanes of the widest vector loop: four registers of 512 bits


class Request(NamedTuple):
    """What to lower: canonical results, placeholders, variables, and new values for some of the variables."""

    outputs: tuple[Node, ...]
    inputs: tuple[Node, ...]
    variables: tuple[Node, ...] = ()
    updates: tuple[tuple[Node, Node], ...] = ()


class Lowered(NamedTuple):
    """The loop program, and what its statuses mean."""

    program: Program
    messages: tuple[Message, ...]


def partition(request: Request) -> Lowered:
    """The loop program of a request.

    Raises
    ------
    CompileError
        An operation has no lowering.
    """
    forced: set[Node] = set()
    alone: set[Any] = set()
    while True:
        plan = _Plan(request, forced, alone)
        try:
            return plan.lowered()
        except NeedsStore as need:
            if need.node in plan.forced:
                raise CompileError(
                    f"{need.node.op.name}: no lowering for {need.node.type}", hint="please report it"
                ) from None
            forced.add(need.node)
        except Split as split:
            if split.writer.buffer.name in alone:
                raise CompileError(
                    f"{split.writer.target!r}: reductions in opposite orders", hint="please report it"
                ) from None
            alone.add(split.writer.buffer.name)


class _Task(NamedTuple):
    """A step, or a ready stage, at the level at which it may run.  ``early``: the index checks wait for it."""

    level: int
    early: bool
    writer: Writer | None
    stages: tuple[Any, ...]
    key: Any


class _Plan:
    """One attempt: the nodes in ``forced`` are stored, the buffers named in ``alone`` are written by nests of their own."""

    def __init__(self, request: Request, forced: set[Node], alone: set[Any]) -> None:
        self.request, self.forced, self.alone = request, set(forced), alone
        results = [*request.outputs, *(value for _, value in request.updates)]
        self.order = topological(results)
        self.buffers: list[Buffer] = []
        self.stored: dict[Node, Stored] = {}
        self.messages: list[Message] = []

    def lowered(self) -> Lowered:
        self._place_arguments()
        self.uses = index_uses(self.order)
        self._choose()
        self.facts = analysis.analyse(self.order, self.request, self.forced, set(self.stored), self.is_unrolled)
        self.forced |= self.facts.forced
        self.early = self._before_checks()
        self._place_stored()
        tasks = self._tasks()
        stages = [*self._guards(), *self._ordered(tasks)]
        return Lowered(Program(tuple(self.buffers), tuple(stages)), tuple(self.messages))

    def is_unrolled(self, size: Size) -> bool:
        return isinstance(size, int) and size <= LIMIT

    # -- memory ----------------------------------------------------------------------------------------------------
    def _buffer(
        self, dtype: DType, size: Size, kind: str, position: int = 0, data: Any = None, per_lane: bool = False
    ) -> Buffer:
        made = Buffer(f"{kind[0]}{len(self.buffers)}", dtype, size, kind, position, data, per_lane)
        self.buffers.append(made)
        return made

    def scratch(self, dtype: DType, size: Size, per_lane: bool) -> Buffer:
        """A temporary buffer, on request with elements for each lane of a vector loop."""
        return self._buffer(dtype, size * MAX_LANES if per_lane else size, "temporary", per_lane=per_lane)

    def _dense(self, node: Node, kind: str, position: int = 0, data: Any = None) -> Stored:
        buffer = self._buffer(node.type.dtype, node.type.size, kind, position, data)
        return Stored(buffer, 0, row_major(node.shape), kind in ("temporary", "output"))

    def _place_arguments(self) -> None:
        for k, node in enumerate(self.request.inputs):
            self.stored[node] = self._dense(node, "input", k)
        for k, node in enumerate(self.request.variables):
            self.stored[node] = self._dense(node, "variable", k)

    def _choose(self) -> None:
        """Arrays that must be in memory, whatever they cost."""
        known = {**self.stored, **{node: Stored(None, 0, row_major(node.shape)) for node in self.forced}}
        for node in self.order:
            if node in self.stored:
                continue
            operands: Sequence[Node] = ()
            must = node.op.kind is Kind.SCATTER or by_parts(node, self.is_unrolled)
            if is_product(node, LIMIT):
                must, operands = True, node.inputs
            elif node.op.name == "gather" and any(
                one.op.name != "constant" or not self._is_small(one) for one in node.inputs[1:]
            ):
                operands = node.inputs[:1]
            for one in operands:
                if as_view(one, known) is None:
                    self._force(view_base(one, known), known)
            if must:
                self._force(node, known)
        for use in self.uses:
            if as_view(use.base, known) is None:
                self._force(view_base(use.base, known), known)

    def _force(self, node: Node, known: dict[Node, Stored]) -> None:
        self.forced.add(node)
        known[node] = Stored(None, 0, row_major(node.shape))

    def _is_small(self, node: Node) -> bool:
        return all(self.is_unrolled(size) for size in node.shape)

    def _before_checks(self) -> set[Node]:
        """Everything that an index to be checked is computed from."""
        return set(topological([use.base for use in self.uses]))

    def _place_stored(self) -> None:
        """A buffer for each stored array: a result's own where it has one, else a temporary one; and views of them."""
        taken: set[Node] = set()
        for k, node in enumerate(self.request.outputs):
            fits = node in self.forced and node not in self.early and node.op.name != "constant"
            if fits and node not in taken:
                taken.add(node)
                self.stored[node] = self._dense(node, "output", k)
        for node in self.order:
            if node in self.forced and node not in self.stored:
                self.stored[node] = self._place_one(node)
        for node in self.order:
            if node.op.name == "gather" and node.inputs[0] not in self.stored:
                view = as_view(node.inputs[0], self.stored)
                if view is not None:
                    self.stored[node.inputs[0]] = view

    def _place_one(self, node: Node) -> Stored:
        if node.op.name == "constant":
            return self._dense(node, "table", 0, node.attrs.value.array)
        return self._dense(node, "temporary")

    # -- tasks -----------------------------------------------------------------------------------------------------
    def _tasks(self) -> list[_Task]:
        """Every step of every stored array and result, with its level."""
        levels: dict[Node, int] = {}
        tasks: list[_Task] = []
        self.levels = levels
        for node in self.order:
            if node in self.forced and node.op.name != "constant":
                levels[node] = self._store_tasks(node, tasks)
            elif node in self.stored and node not in self.forced and not node.inputs:
                levels[node] = 0
            else:
                levels[node] = max((levels[one] for one in node.inputs), default=0)
        self._result_tasks(tasks)
        return tasks

    def _store_tasks(self, node: Node, tasks: list[_Task]) -> int:
        """Add the tasks that store one array; returns the level after which it can be read."""
        level = 1 + max((self.levels[one] for one in node.inputs), default=0)
        place, early = self.stored[node], node in self.early
        if is_product(node, LIMIT):
            a, b = (as_view(one, self.stored) for one in node.inputs)
            assert a is not None
            assert b is not None
            stages = tuple(product_stages(node, a, b, place))
            tasks.append(_Task(level, early, None, stages, None))
            return level
        for step in steps(node, place, by_parts(node, self.is_unrolled), self.facts.flat.get(node, False)):
            level += step.after
            tasks.append(self._step_task(step, node, place, level, early))
        return level

    def _step_task(self, step: Step, node: Node, place: Stored, level: int, early: bool) -> _Task:
        if step.writer is None:
            return _Task(level, early, None, (Fill(place.buffer),), None)
        return _Task(level, early, step.writer, (), self._key(step.writer))

    def _key(self, writer: Writer) -> Any:
        """Writers of equal key share a nest: equal loops, or a nest of its own."""
        if writer.buffer.name in self.alone or writer.mode.startswith("scatter"):
            return writer.buffer.name
        return self.facts.domain(writer.source, writer.shape, writer.flat)

    def _result_tasks(self, tasks: list[_Task]) -> None:
        """Results that are not stored in place: values, and copies of what is stored elsewhere."""
        for k, node in enumerate(self.request.outputs):
            place = self.stored.get(node)
            if place is None or place.buffer.kind != "output" or place.buffer.position != k:
                self._result(node, self._dense(node, "output", k), tasks)
        last = 1 + max((task.level for task in tasks), default=0)
        for variable, value in self.request.updates:
            temporary = self._dense(value, "temporary")
            self._result(value, temporary, tasks)
            copy = Copy(temporary.buffer, self.stored[variable].buffer)
            tasks.append(_Task(last + 1, False, None, (copy,), None))

    def _result(self, node: Node, place: Stored, tasks: list[_Task]) -> None:
        level = 1 + self.levels[node]
        own = self.stored.get(node)
        if own is not None and is_dense(own, node.shape):
            tasks.append(_Task(level, False, None, (Copy(own.buffer, place.buffer),), None))
            return
        writer = value_writer(node, (node,), place, self.facts.flat.get(node, False))
        tasks.append(_Task(level, False, writer, (), self._key(writer)))

    # -- stages ----------------------------------------------------------------------------------------------------
    def _ordered(self, tasks: Sequence[_Task]) -> list[Any]:
        """Stages by level: first what the index checks need, then the checks, then the rest."""
        stages = self._run([task for task in tasks if task.early])
        stages += [self._check(use) for use in self.uses]
        return stages + self._run([task for task in tasks if not task.early])

    def _run(self, tasks: Sequence[_Task]) -> list[Any]:
        stages: list[Any] = []
        for level in sorted({task.level for task in tasks}):
            groups: dict[Any, list[Writer]] = {}
            for task in tasks:
                if task.level != level:
                    continue
                stages.extend(task.stages)
                if task.writer is not None:
                    groups.setdefault(task.key, []).append(task.writer)
            stages += [build_nest(group, self.stored, LIMIT, self.scratch) for group in groups.values()]
        return stages

    def _status(self, kind: str, text: str) -> int:
        self.messages.append(Message(kind, text))
        return len(self.messages)

    def _guard_status(self, node: Node, a: Size, b: Size) -> int:
        line = next(iter(node.lines), "an unknown place")
        if node.attrs.message is not None:
            return self._status("index", f"{node.attrs.message} ({line})")
        return self._status("shape", f"the sizes {a} and {b} differ (they meet at {line})")

    def _check(self, use: IndexUse) -> Check:
        view = as_view(use.base, self.stored)
        assert view is not None
        return Check(view.buffer, view.base, view.strides, use.base.shape, use.size, self._status("index", use.message))

    def _guards(self) -> list[Guard]:
        """Sizes that were assumed equal."""
        made = []
        for node in self.order:
            if node.op.name == "assert_shape":
                for a, b in zip(node.inputs[0].shape, node.shape, strict=True):
                    if not types.same_shape((a,), (b,)):
                        made.append(Guard(a, b, self._guard_status(node, a, b)))
        return made
