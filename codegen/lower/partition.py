"""What is stored, and what is computed together.  In: a canonical graph.  Out: stages of the loop IR, in order.

Arguments, operands and results of matrix products, gathered arrays and scattered ones are stored; everything else is
computed where it is used, unless that would repeat expensive work in several loop nests.  Results of equal index space
that do not wait for each other's memory share a nest.  Index checks come before anything that writes a result, and so
does the report of a value that is not finite, where one is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from codegen.lower import analysis
from codegen.lower.access import NeedsStore, Stored, row_major
from codegen.lower.along import along_stage, is_along
from codegen.lower.calls import call_message, call_of, call_stage, result_position
from codegen.lower.contraction import is_product, may_have_bands, product_stages
from codegen.lower.finite import FiniteCheck
from codegen.lower.indices import IndexUse, check_rounds, index_uses
from codegen.lower.loopir import Buffer, Check, Copy, Fill, Guard, Program, Report
from codegen.lower.nest import Split, Writer, plan_nest
from codegen.lower.patterns import Patterns, patterns
from codegen.lower.views import as_view, is_dense, view_base
from codegen.lower.writers import Step, by_parts, steps, value_writer
from codegen.signature import Message
from symgrad import types
from symgrad.dims import Size
from symgrad.errors import CompileError
from symgrad.node import Node, topological
from symgrad.opdef import Kind
from symgrad.ops.callback import in_program_order, result_types
from symgrad.types import DType, is_tuple

__all__ = ["Lowered", "Request", "partition"]

LIMIT = 16  # largest axis that is written out, unless arrays have many such axes
MAX_LANES = 64  # lanes of the widest vector loop: four registers of 512 bits


class Request(NamedTuple):
    """What to lower: canonical results, placeholders, variables, new values for some of the variables, a check."""

    outputs: tuple[Node, ...]
    inputs: tuple[Node, ...]
    variables: tuple[Node, ...] = ()
    updates: tuple[tuple[Node, Node], ...] = ()
    check: FiniteCheck | None = None
    effects: tuple[Node, ...] = ()  # callbacks that run although no result needs them
    order: Sequence[Node] = ()  # all nodes in topological order, where that is known

    def nodes(self) -> Sequence[Node]:
        """All nodes in the order of the program."""
        if self.order:
            return self.order
        checked = () if self.check is None else (self.check.status,)
        return in_program_order([*self.effects, *self.outputs, *(value for _, value in self.updates), *checked])


class Lowered(NamedTuple):
    """The loop program, what its statuses mean, and the callbacks that it calls."""

    program: Program
    messages: tuple[Message, ...]
    calls: tuple[Node, ...] = ()


def partition(request: Request) -> Lowered:
    """The loop program of a request.

    Raises
    ------
    CompileError
        An operation has no lowering.
    """
    forced: set[Node] = set()
    while True:
        plan = _Plan(request, forced)
        try:
            found = plan.lowered()
        except NeedsStore as need:
            plan.needs.append(need.node)
            found = None
        if found is not None:
            return found
        for node in plan.needs:
            if node in plan.forced:
                raise CompileError(f"{node.op.name}: no lowering for {node.type}", hint="please report it")
            forced.add(node)


class _Task(NamedTuple):
    """A step, or a ready stage, at the level at which it may run, in one of the phases."""

    level: int
    phase: int
    writer: Writer | None
    stages: tuple[Any, ...]
    key: Any


class _Plan:
    """One attempt: the nodes in ``forced`` are stored; ``needs`` are those that have to be as well."""

    def __init__(self, request: Request, forced: set[Node]) -> None:
        self.request, self.forced = request, set(forced)
        self.needs: list[Node] = []
        self.order = request.nodes()
        self.arrays = analysis.arrays_among(self.order)
        self.limit = analysis.largest_written_out(self.arrays, LIMIT, is_product)
        self.is_unrolled = analysis.written_out(self.limit)
        self.products = [node for node in self.arrays if is_product(node, self.limit)]
        self.calls = {node: k for k, node in enumerate(one for one in self.arrays if one.op.kind is Kind.CALLBACK)}
        found = [(call_of(node), node) for node in self.arrays] if self.calls else []
        self.call_results = {(call, result_position(node)): node for call, node in found if call is not None}
        self.last_call = 0  # the level of the last stateful callback
        self.buffers: list[Buffer] = []
        self.stored: dict[Node, Stored] = {}
        self.messages: list[Message] = []
        if request.check is not None:
            self.messages = [Message("finite", text) for text in request.check.messages]
            self.forced |= {*request.check.flags, request.check.status}

    def lowered(self) -> Lowered | None:
        """The program; None where nests need more arrays."""
        self._place_arguments()
        self.uses = index_uses(self.arrays)
        self._choose()
        arguments = set(self.stored)
        self.facts = analysis.analyse(self.order, self.arrays, self.request, self.forced, arguments, self.is_unrolled)
        self.forced |= self.facts.forced
        self.phase = self._phases()
        self.marks = self._marks()
        self._place_stored()
        tasks = self._tasks()
        planned = [*self._guards(), *self._ordered(tasks)]
        if self.needs:
            return None
        stages = [one() if callable(one) else one for one in planned]  # now that no nest refuses
        return Lowered(Program(tuple(self.buffers), tuple(stages)), tuple(self.messages), tuple(self.calls))

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
        for node in self._sums_beside_products():
            self._force(node, known)
        for node in self.arrays:
            if node in self.stored:
                continue
            if node in self.calls:
                self._force_dense(node.inputs, known)
            must, operands = self._memory_of(node)
            for one in operands:
                if as_view(one, known) is None:
                    self._force(view_base(one, known), known)
            if must:
                self._force(node, known)
        for use in self.uses:
            if as_view(use.base, known) is None:
                self._force(view_base(use.base, known), known)

    def _sums_beside_products(self) -> list[Node]:
        """Sums over the first axis of arrays that products read too: stored as they are, both go on from block to block."""
        factors = {view_base(one, self.stored) for node in self.products for one in node.inputs}
        sums = [node for node in self.arrays if node.op.name == "sum" and node.inputs[0] in factors]
        return [node for node in sums if node.attrs.axes == (0,) and not self.is_unrolled(node.inputs[0].shape[0])]

    def _memory_of(self, node: Node) -> tuple[bool, Sequence[Node]]:
        """Whether a node's array must be in memory, and which inputs must."""
        if node.op.kind is Kind.ELEMENTWISE or is_tuple(node.type):
            return False, ()
        if is_product(node, self.limit) or is_along(node):
            return True, node.inputs
        must = node.op.kind is Kind.SCATTER or by_parts(node, self.is_unrolled) or call_of(node) is not None
        indexed = node.op.name == "gather" and any(
            one.op.name != "constant" or not self._is_small(one) for one in node.inputs[1:]
        )
        return must, node.inputs[:1] if indexed else ()

    def _force_dense(self, nodes: Sequence[Node], known: dict[Node, Stored]) -> None:
        """Arrays that must be whole and row-major in memory."""
        for node in nodes:
            view = as_view(node, known)
            if view is None or not is_dense(view, node.shape):
                self._force(node, known)

    def _force(self, node: Node, known: dict[Node, Stored]) -> None:
        self.forced.add(node)
        known[node] = Stored(None, 0, row_major(node.shape))

    def _is_small(self, node: Node) -> bool:
        return all(self.is_unrolled(size) for size in node.shape)

    def _phases(self) -> dict[Node, int]:
        """What callbacks and indices to be checked are computed from, in rounds; what the report is; and the rest."""
        check = self.request.check
        rounds = check_rounds(self.order, self.uses, self.calls)
        early = topological([*(use.base for use in self.uses), *self.calls, *self.call_results.values()])
        self.report = 1 + max((rounds[node] for node in early), default=0)
        self.last = self.report + 1
        last = self.last
        phase: dict[Node, int] = defaultdict(lambda: last)
        if check is not None:
            phase.update(dict.fromkeys(topological([check.status]), self.report))
        phase.update((node, rounds[node]) for node in early)
        return phase

    def _place_stored(self) -> None:
        """A buffer for each stored array: a result's own where it has one, else a temporary one; and views of them."""
        taken: set[Node] = set()
        for k, node in enumerate(self.request.outputs):
            fits = node in self.forced and self.phase[node] == self.last and node.op.name != "constant"
            if fits and node not in taken:
                taken.add(node)
                self.stored[node] = self._dense(node, "output", k)
        for node in self.order:
            if node in self.forced and node not in self.stored:
                self.stored[node] = self._place_one(node)
        for node in self.arrays:
            if node.op.name == "gather" and node.inputs[0] not in self.stored:
                view = as_view(node.inputs[0], self.stored)
                if view is not None:
                    self.stored[node.inputs[0]] = view

    def _place_one(self, node: Node) -> Stored:
        if node.op.name == "constant":
            return self._dense(node, "table", 0, node.attrs.value.array)
        return self._dense(node, "temporary")

    def _marks(self) -> Patterns:
        """Which elements matter, of the operands and results of products."""
        products = [node for node in self.products if may_have_bands(node)]
        if not products:
            return Patterns({}, {})
        request, checked = self.request, self.request.check
        ends = [*request.outputs, *request.effects, *(value for _, value in request.updates)]
        ends += checked.nodes if checked is not None else []
        return patterns(self.order, ends, products)

    # -- tasks -----------------------------------------------------------------------------------------------------
    def _tasks(self) -> list[_Task]:
        """Every step of every stored array and result, with its level."""
        tasks: list[_Task] = []
        levels: dict[Node, int] = {}  # of what is above the lowest
        self.levels, above = levels, levels.keys()
        written = {node for node in self.forced if node.op.name != "constant" and call_of(node) is None}
        for node in self.order if written or self.calls else ():
            if node in self.calls:
                levels[node] = self._call_task(node, tasks)
            elif node in written:
                levels[node] = self._store_tasks(node, tasks)
            elif above and not above.isdisjoint(node.inputs):
                levels[node] = analysis.level_of(node.inputs, levels)
        self._result_tasks(tasks)
        return tasks

    def _call_task(self, node: Node, tasks: list[_Task]) -> int:
        """Add the task that calls a function of the host; stateful ones keep their order."""
        level = 1 + analysis.level_of(node.inputs, self.levels)
        if node.attrs.stateful:
            level = self.last_call = max(level, self.last_call)
        inputs = [as_view(one, self.stored) for one in node.inputs]
        status = self._status("callback", call_message(node))
        stage = call_stage(node, self.calls[node], inputs, self._call_results(node), status)
        tasks.append(_Task(level, self.phase[node], None, (stage,), None))
        return level

    def _call_results(self, node: Node) -> list[Buffer]:
        """Where the results of a callback go, also those that nobody reads."""
        made = []
        for k, kind in enumerate(result_types(node.attrs)):
            one = self.call_results.get((node, k))
            made.append(self.stored[one].buffer if one is not None else self.scratch(kind.dtype, kind.size, False))
        return made

    def _store_tasks(self, node: Node, tasks: list[_Task]) -> int:
        """Add the tasks that store one array; returns the level after which it can be read."""
        level = 1 + analysis.level_of(node.inputs, self.levels)
        place, phase = self.stored[node], self.phase[node]
        if is_product(node, self.limit):
            a, b = (as_view(one, self.stored) for one in node.inputs)
            assert a is not None
            assert b is not None
            stages = tuple(product_stages(node, a, b, place, self.marks))
            tasks.append(_Task(level, phase, None, stages, None))
            return level
        if is_along(node):
            views = [as_view(one, self.stored) for one in node.inputs]
            stage = along_stage(node, [view for view in views if view is not None], place, self.scratch)
            tasks.append(_Task(level, phase, None, (stage,), None))
            return level
        flat = node in self.facts.flat
        for step in steps(node, place, by_parts(node, self.is_unrolled), flat, self.stored):
            level += step.after
            tasks.append(self._step_task(step, node, place, level, phase))
        return level

    def _step_task(self, step: Step, node: Node, place: Stored, level: int, phase: int) -> _Task:
        if step.writer is None:
            return _Task(level, phase, None, (Fill(place.buffer),), None)
        return _Task(level, phase, step.writer, (), self._key(step.writer))

    def _key(self, writer: Writer) -> Any:
        """Writers of equal key share a nest: equal loops, or a nest of its own."""
        if writer.mode.startswith("scatter"):
            return writer.buffer.name
        return self.facts.domain(writer.source, writer.shape, writer.flat)

    def _result_tasks(self, tasks: list[_Task]) -> None:
        """Results that are not stored in place: values, and copies of what is stored elsewhere."""
        for k, node in enumerate(self.request.outputs):
            place = self.stored.get(node)
            if place is None or place.buffer.kind != "output" or place.buffer.position != k:
                self._output(node, self._dense(node, "output", k), tasks)
        last = 1 + max((task.level for task in tasks), default=0)
        for variable, value in self.request.updates:
            temporary = self._dense(value, "temporary")
            self._result(value, temporary, tasks, self.phase[value])
            copy = Copy(temporary.buffer, self.stored[variable].buffer)
            tasks.append(_Task(last + 1, self.last, None, (copy,), None))

    def _output(self, node: Node, place: Stored, tasks: list[_Task]) -> None:
        """An output; what the report needs anyway is computed before it, and copied after it."""
        if self.phase[node] != self.report or node in self.stored:
            self._result(node, place, tasks, self.last)
            return
        temporary = self._dense(node, "temporary")
        self._result(node, temporary, tasks, self.report)
        tasks.append(_Task(0, self.last, None, (Copy(temporary.buffer, place.buffer),), None))

    def _result(self, node: Node, place: Stored, tasks: list[_Task], phase: int) -> None:
        level = 1 + self.levels.get(node, 0)
        own = self.stored.get(node)
        if own is not None and is_dense(own, node.shape):
            tasks.append(_Task(level, phase, None, (Copy(own.buffer, place.buffer),), None))
            return
        writer = value_writer(node, (node,), place, node in self.facts.flat)
        tasks.append(_Task(level, phase, writer, (), self._key(writer)))

    # -- stages ----------------------------------------------------------------------------------------------------
    def _ordered(self, tasks: Sequence[_Task]) -> list[Any]:
        """Stages by level: first callbacks and index checks with what they need, then the report, and the rest."""
        stages: list[Any] = []
        for phase in range(self.report):
            stages += self._run([task for task in tasks if task.phase == phase])
            stages += [self._check(use) for use in self.uses if self.phase[use.base] == phase]
        if self.request.check is not None:
            stages += self._run([task for task in tasks if task.phase == self.report])
            stages.append(Report(self.stored[self.request.check.status].buffer))
        return stages + self._run([task for task in tasks if task.phase == self.last])

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
            for group in groups.values():
                stages += self._nests(group)
        return stages

    def _nests(self, writers: Sequence[Writer]) -> list[Any]:
        """What makes the loops of some writers; one that cannot share those of the others has its own."""
        made, pending = [], [writers]
        while pending:
            group = pending.pop()
            try:
                made.append(plan_nest(group, self.stored, self.limit, self.scratch))
            except NeedsStore as need:  # the other nests go on: all that they need is stored in the next attempt
                self.needs.append(need.node)
            except Split as split:
                own = split.writer.buffer
                parts = [[one for one in group if (one.buffer is own) is alone] for alone in (False, True)]
                if not parts[0]:
                    raise CompileError(
                        f"{split.writer.target!r}: reductions in opposite orders", hint="please report it"
                    ) from None
                pending += parts if group[0].buffer is own else parts[::-1]
        return made

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
        for node in self.arrays:
            if node.op.name == "assert_shape":
                for a, b in zip(node.inputs[0].shape, node.shape, strict=True):
                    if not types.same_shape((a,), (b,)):
                        made.append(Guard(a, b, self._guard_status(node, a, b)))
        return made
