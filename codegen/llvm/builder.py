"""Textual LLVM IR.  In: calls that name operations on values.  Out: the text of functions and modules.

Text rather than an object model: it is built twenty times faster, and LLVM's parser checks it.  A :class:`Function`
emits straight-line code, structured loops and branches; integer arithmetic on Python ints folds.  Floating arithmetic
carries ``contract`` (a product and a sum may be fused) except inside :meth:`Function.strict`, which compensated
arithmetic needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from codegen.llvm.types import BOOL, I64, POINTER, Type, Value, constant, scalar_text, vector
from codegen.target import Target

__all__ = ["Function", "Loop", "Module"]

Int = int | Value  # an i64: known while generating, or computed

_FOLD: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
}


class Module:
    """Functions, tables and declarations that become one object.

    Parameters
    ----------
    target : Target
    contract : bool, default True
        Whether a product and a sum may be fused.
    """

    def __init__(self, target: Target, contract: bool = True) -> None:
        self.target = target
        self.flags = "contract " if contract else ""
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, str] = {}
        self.globals: dict[str, str] = {}
        self._intrinsics: dict[tuple[str, Type], str] = {}

    def function(
        self,
        name: str,
        parameters: Sequence[tuple[str, Type]],
        result: Type | None = None,
        *,
        public: bool = False,
        attributes: str = "",
        distinct: bool = False,
    ) -> Function:
        """A new function; ``attributes`` such as ``noinline cold``; ``distinct``: its pointers do not overlap."""
        made = Function(self, name, parameters, result, public, attributes, distinct)
        self.functions[name] = made
        return made

    def declare(self, name: str, text: str) -> None:
        """Declare an external function once; ``text`` is the whole declaration."""
        self.declarations.setdefault(name, text)

    def intrinsic(self, name: str, kind: Type, arity: int) -> str:
        """The symbol of ``llvm.<name>`` for operands of one type, declared."""
        key = (name, kind)
        symbol = self._intrinsics.get(key)
        if symbol is None:
            symbol = self._intrinsics[key] = f"@llvm.{name}.{kind.suffix}"
            self.declare(symbol, f"declare {kind.text} {symbol}({', '.join([kind.text] * arity)})")
        return symbol

    def table(self, name: str, values: Sequence[float | int], kind: Type, *, writable: bool = False) -> str:
        """A global array of constants; returns its name with the ``@``.  A writable one is not folded into immediates."""
        body = ", ".join(f"{kind.text} {scalar_text(value, kind)}" for value in values)
        sort = "global" if writable else "constant"
        self.globals[name] = f"@{name} = internal {sort} [{len(values)} x {kind.text}] [{body}], align 64"
        return f"@{name}"

    def data(self, name: str, content: bytes) -> str:
        """A global of bytes, which LLVM reads ten times faster than numbers; returns its name with the ``@``."""
        body = "\\" + content.hex("\\") if content else ""
        self.globals[name] = f'@{name} = internal constant [{len(content)} x i8] c"{body}", align 64'
        return f"@{name}"

    def string(self, name: str, value: str) -> str:
        """A global zero-terminated string; returns its name with the ``@``."""
        data = value.encode() + b"\0"
        body = "".join(chr(byte) if 32 <= byte < 127 and byte not in (34, 92) else f"\\{byte:02X}" for byte in data)
        self.globals[name] = f'@{name} = private constant [{len(data)} x i8] c"{body}"'
        return f"@{name}"

    def text(self) -> str:
        """The whole module."""
        functions = [function.text() for function in self.functions.values()]
        return self.assembled([*self.globals.values(), *functions, *self.declarations.values()])

    def assembled(self, parts: Sequence[str]) -> str:
        """A module of these globals, functions and declarations."""
        width = f' "prefer-vector-width"="{self.target.vector_bits}"' if self.target.triple.startswith("x86") else ""
        attributes = f'attributes #0 = {{ nounwind{width} "no-trapping-math"="true" }}'
        profile = '!0 = !{!"branch_weights", i32 1, i32 100000}\n!1 = !{i32 1}\n!2 = !{!"order"}\n'
        return "\n".join([f'target triple = "{self.target.triple}"', *parts, attributes, profile])


class Loop:
    """A loop being built: its index, and its carried values (inside: this round's; afterwards: the final ones).

    Set ``next`` to the values of the following round before the block ends.
    """

    __slots__ = ("index", "next", "values")

    def __init__(self, index: Value, values: list[Value]) -> None:
        self.index, self.values, self.next = index, values, list(values)


class Function:
    """One function, built line by line.  Parameters are reached by name: ``f["x"]``."""

    def __init__(
        self,
        module: Module,
        name: str,
        parameters: Sequence[tuple[str, Type]],
        result: Type | None,
        public: bool,
        attributes: str,
        distinct: bool = False,
    ) -> None:
        self.module, self.name, self.target = module, name, module.target
        self.parameters = {own: Value(f"%{own}", kind) for own, kind in parameters}
        self.result = result
        self.lines: list[str] = ["entry:"]
        self.block = "entry"
        self.flags = module.flags
        self.negated: dict[str, Value] = {}  # operands of minus signs, by the names of the results
        self._count = 0
        alone = " noalias" if distinct else ""
        arguments = ", ".join(f"{kind.text}{alone if kind.element == 'ptr' else ''} %{own}" for own, kind in parameters)
        linkage = "" if public else "internal "
        spaced = f" {attributes}" if attributes else ""
        self.header = f"define {linkage}{result.text if result else 'void'} @{name}({arguments}){spaced} #0 {{"

    def __getitem__(self, name: str) -> Value:
        return self.parameters[name]

    def text(self) -> str:
        return "\n".join([self.header, *self.lines, "}"])

    # -- lines -----------------------------------------------------------------------------------------------------
    def emit(self, text: str, kind: Type) -> Value:
        """A line that defines a value."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return Value(name, kind)

    def line(self, text: str) -> None:
        """A line that defines nothing."""
        self.lines.append(f"  {text}")

    def label(self, prefix: str = "b") -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def reserve(self, kind: Type) -> Value:
        """A value whose defining line is written later."""
        self._count += 1
        return Value(f"%c{self._count}", kind)

    def enter(self, label: str) -> None:
        """Begin a basic block."""
        self.lines.append(f"{label}:")
        self.block = label

    def jump(self, label: str) -> None:
        self.line(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str, *, unlikely: bool = False) -> None:
        self.line(f"br i1 {condition.text}, label %{yes}, label %{no}{', !prof !0' if unlikely else ''}")

    def ret(self, value: Value | int | None = None) -> None:
        if value is None:
            self.line("ret void")
        else:
            assert self.result is not None
            self.line(f"ret {self._as(value, self.result).typed}")

    def _as(self, value: Any, kind: Type) -> Value:
        return value if isinstance(value, Value) else constant(value, kind)

    # -- floating arithmetic ---------------------------------------------------------------------------------------
    @contextmanager
    def strict(self) -> Iterator[None]:
        """Arithmetic exactly as written: nothing fused."""
        before, self.flags = self.flags, ""
        try:
            yield
        finally:
            self.flags = before

    def arithmetic(self, op: str, a: Value, b: Value) -> Value:
        """``fadd``, ``fsub``, ``fmul`` or ``fdiv`` of two values of one type."""
        self._count += 1  # as emit does: most lines of long code are made here
        kind, name = a.type, f"%v{self._count}"
        self.lines.append(f"  {name} = {op} {self.flags}{kind.text} {a.text}, {b.text}")
        return Value(name, kind)

    def _float(self, op: str, a: Any, b: Any) -> Value:
        kind: Type = a.type if isinstance(a, Value) else b.type
        return self.arithmetic(op, self._as(a, kind), self._as(b, kind))

    def fadd(self, a: Any, b: Any) -> Value:
        return self._float("fadd", a, b)

    def fsub(self, a: Any, b: Any) -> Value:
        return self._float("fsub", a, b)

    def fmul(self, a: Any, b: Any) -> Value:
        return self._float("fmul", a, b)

    def fdiv(self, a: Any, b: Any) -> Value:
        return self._float("fdiv", a, b)

    def fneg(self, a: Value) -> Value:
        made = self.emit(f"fneg {a.typed}", a.type)
        self.negated[made.text] = a
        return made

    def intrinsic(self, name: str, *args: Any, kind: Type | None = None) -> Value:
        """``llvm.<name>`` on operands of one type, which is also the result's."""
        kind = kind or next(arg.type for arg in args if isinstance(arg, Value))
        symbol = self.module.intrinsic(name, kind, len(args))
        flags = self.flags if kind.is_float else ""
        operands = args[0].typed if len(args) == 1 else ", ".join([self._as(arg, kind).typed for arg in args])
        return self.emit(f"call {flags}{kind.text} {symbol}({operands})", kind)

    def fma(self, a: Any, b: Any, c: Any) -> Value:
        """a * b + c: rounded once where the hardware fuses, else as two operations."""
        return self.intrinsic("fma" if self.target.fma else "fmuladd", a, b, c)

    def sqrt(self, a: Value) -> Value:
        return self.intrinsic("sqrt", a)

    def fabs(self, a: Value) -> Value:
        return self.intrinsic("fabs", a)

    def copysign(self, magnitude: Any, sign: Value) -> Value:
        return self.intrinsic("copysign", magnitude, sign, kind=sign.type)

    def fcmp(self, predicate: str, a: Any, b: Any) -> Value:
        kind: Type = a.type if isinstance(a, Value) else b.type
        return self.emit(f"fcmp {predicate} {kind.text} {self._as(a, kind).text}, {self._as(b, kind).text}", kind.mask)

    def select(self, condition: Value, a: Any, b: Any) -> Value:
        kind: Type = a.type if isinstance(a, Value) else b.type
        return self.emit(f"select {condition.typed}, {self._as(a, kind).typed}, {self._as(b, kind).typed}", kind)

    # -- integer and bit operations --------------------------------------------------------------------------------
    def binary(self, op: str, a: Any, b: Any) -> Value:
        """An integer or bit operation on vectors or scalars of one type."""
        kind: Type = a.type if isinstance(a, Value) else b.type
        return self.emit(f"{op} {kind.text} {self._as(a, kind).text}, {self._as(b, kind).text}", kind)

    def icmp(self, predicate: str, a: Any, b: Any) -> Value:
        kind: Type = a.type if isinstance(a, Value) else b.type if isinstance(b, Value) else I64
        return self.emit(f"icmp {predicate} {kind.text} {self._as(a, kind).text}, {self._as(b, kind).text}", kind.mask)

    def convert(self, op: str, a: Value, kind: Type) -> Value:
        """``bitcast``, ``sitofp``, ``fptosi``, ``fpext``, ``zext``, ... to another type."""
        return a if op == "bitcast" and a.type is kind else self.emit(f"{op} {a.typed} to {kind.text}", kind)

    # -- i64 arithmetic with folding -------------------------------------------------------------------------------
    def _int(self, op: str, a: Int, b: Int) -> Int:
        if isinstance(a, int) and isinstance(b, int):
            return _FOLD[op](a, b)
        if isinstance(b, int) and ((b == 0 and op in ("add", "sub")) or (b == 1 and op == "mul")):
            return a
        if isinstance(a, int) and ((a == 0 and op == "add") or (a == 1 and op == "mul")):
            return b
        if op == "mul" and 0 in (a if isinstance(a, int) else 1, b if isinstance(b, int) else 1):
            return 0
        return self.emit(f"{op} i64 {self.int_text(a)}, {self.int_text(b)}", I64)

    def int_text(self, a: Int) -> str:
        return str(a) if isinstance(a, int) else a.text

    def add(self, a: Int, b: Int) -> Int:
        return self._int("add", a, b)

    def sub(self, a: Int, b: Int) -> Int:
        return self._int("sub", a, b)

    def mul(self, a: Int, b: Int) -> Int:
        return self._int("mul", a, b)

    def floordiv(self, a: Int, b: Int) -> Int:
        """Quotient of non-negative numbers."""
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return (
            a if isinstance(b, int) and b == 1 else self.emit(f"udiv i64 {self.int_text(a)}, {self.int_text(b)}", I64)
        )

    def remainder(self, a: Int, b: Int) -> Int:
        """Remainder of non-negative numbers."""
        if isinstance(a, int) and isinstance(b, int):
            return a % b
        return self.emit(f"urem i64 {self.int_text(a)}, {self.int_text(b)}", I64)

    def minimum(self, a: Int, b: Int) -> Int:
        return (
            min(a, b) if isinstance(a, int) and isinstance(b, int) else self.intrinsic("smin", self.i64(a), self.i64(b))
        )

    def maximum(self, a: Int, b: Int) -> Int:
        return (
            max(a, b) if isinstance(a, int) and isinstance(b, int) else self.intrinsic("smax", self.i64(a), self.i64(b))
        )

    def i64(self, a: Int) -> Value:
        return constant(a, I64) if isinstance(a, int) else a

    # -- vectors ---------------------------------------------------------------------------------------------------
    def splat(self, scalar: Value, lanes: int) -> Value:
        """The scalar in every lane."""
        if lanes == 1:
            return scalar
        kind = scalar.type.with_lanes(lanes)
        first = self.emit(f"insertelement {kind.text} poison, {scalar.typed}, i64 0", kind)
        return self.emit(
            f"shufflevector {kind.text} {first.text}, {kind.text} poison, <{lanes} x i32> zeroinitializer", kind
        )

    def extract(self, a: Value, lane: int) -> Value:
        return self.emit(f"extractelement {a.typed}, i64 {lane}", a.type.scalar)

    def insert(self, a: Value | None, scalar: Value, lane: int, kind: Type | None = None) -> Value:
        """``a`` (None: undefined) with one lane replaced."""
        whole = a.type if a is not None else kind
        assert whole is not None
        return self.emit(
            f"insertelement {whole.text} {a.text if a is not None else 'poison'}, {scalar.typed}, i64 {lane}", whole
        )

    def shuffle(self, a: Value, b: Value | None, lanes: Sequence[int | None]) -> Value:
        """Lanes of a, then of b; None is undefined."""
        picked = ", ".join("i32 poison" if lane is None else f"i32 {lane}" for lane in lanes)
        other = f"{a.type.text} {b.text if b is not None else 'poison'}"
        return self.emit(
            f"shufflevector {a.typed}, {other}, <{len(lanes)} x i32> <{picked}>", a.type.with_lanes(len(lanes))
        )

    def lane_mask(self, first: Int, count: Int, lanes: int) -> Value:
        """Lane k holds where ``first + k < count``."""
        kind = vector("i1", lanes)
        symbol = f"@llvm.get.active.lane.mask.{kind.suffix}.i64"
        self.module.declare(symbol, f"declare {kind.text} {symbol}(i64, i64)")
        return self.emit(f"call {kind.text} {symbol}(i64 {self.int_text(first)}, i64 {self.int_text(count)})", kind)

    def horizontal(self, combine: Callable[[Value, Value], Value], a: Value) -> Value:
        """All lanes combined by halving, in a fixed order."""
        while a.type.lanes > 2:
            half = a.type.lanes // 2
            a = combine(self.shuffle(a, None, range(half)), self.shuffle(a, None, range(half, 2 * half)))
        return combine(self.extract(a, 0), self.extract(a, 1)) if a.type.lanes == 2 else a

    # -- memory ----------------------------------------------------------------------------------------------------
    def gep(self, pointer: Value, index: Int, element: Type) -> Value:
        """The address of an element."""
        if isinstance(index, int) and index == 0:
            return pointer
        return self.emit(
            f"getelementptr inbounds {element.scalar.text}, ptr {pointer.text}, i64 {self.int_text(index)}", POINTER
        )

    def load(self, pointer: Value, kind: Type, align: int | None = None) -> Value:
        return self.emit(f"load {kind.text}, ptr {pointer.text}, align {align or kind.bytes}", kind)

    def store(self, value: Value, pointer: Value, align: int | None = None, *, streaming: bool = False) -> None:
        hint = ", !nontemporal !1" if streaming else ""
        self.line(f"store {value.typed}, ptr {pointer.text}, align {align or value.type.bytes}{hint}")

    def masked_load(self, pointer: Value, kind: Type, mask: Value, fill: Value | float = 0.0) -> Value:
        """Lanes under the mask from memory, the others ``fill``."""
        symbol = f"@llvm.masked.load.{kind.suffix}.p0"
        self.module.declare(symbol, f"declare {kind.text} {symbol}(ptr, i32, {kind.mask.text}, {kind.text})")
        other = self._as(fill, kind)
        return self.emit(
            f"call {kind.text} {symbol}(ptr {pointer.text}, i32 {kind.bytes}, {mask.typed}, {other.typed})", kind
        )

    def masked_store(self, value: Value, pointer: Value, mask: Value) -> None:
        kind = value.type
        symbol = f"@llvm.masked.store.{kind.suffix}.p0"
        self.module.declare(symbol, f"declare void {symbol}({kind.text}, ptr, i32, {kind.mask.text})")
        self.line(f"call void {symbol}({value.typed}, ptr {pointer.text}, i32 {kind.bytes}, {mask.typed})")

    def alloca(self, kind: Type, count: int = 1, align: int = 64) -> Value:
        """Stack memory of the whole function; emitted into its first block."""
        self._count += 1
        name = f"%s{self._count}"
        self.lines.insert(1, f"  {name} = alloca {kind.text}, i64 {count}, align {align}")
        return Value(name, POINTER)

    # -- calls -----------------------------------------------------------------------------------------------------
    def call(
        self, name: str, args: Sequence[Value], result: Type | None = None, *, declare: bool = False
    ) -> Value | None:
        """Call a function of the module, or, with ``declare``, an external one."""
        kind = result.text if result else "void"
        if declare:
            self.module.declare(name, f"declare {kind} @{name}({', '.join(arg.type.text for arg in args)})")
        text = f"call {kind} @{name}({', '.join(arg.typed for arg in args)})"
        if result is None:
            self.line(text)
            return None
        return self.emit(text, result)

    # -- structure -------------------------------------------------------------------------------------------------
    @contextmanager
    def loop(self, low: Int, high: Int, step: Int = 1, carried: Sequence[Value] = ()) -> Iterator[Loop]:
        """``for index in range(low, high, step)`` with values carried from round to round.

        After the block, ``loop.values`` are the final values.
        """
        head, body, done = self.label("head"), self.label("body"), self.label("done")
        before = self.block
        self.jump(head)
        self.enter(head)
        self._count += 1
        index = Value(f"%i{self._count}", I64)
        place = len(self.lines)
        self.lines.append("")
        values = []
        for value in carried:
            values.append(self.reserve(value.type))
            self.lines.append("")
        made = Loop(index, values)
        self.branch(self.icmp("slt", index, high), body, done)
        self.enter(body)
        yield made
        following = self.add(index, step)
        assert isinstance(following, Value)
        self.jump(head)
        self.lines[place] = (
            f"  {index.text} = phi i64 [ {self.int_text(low)}, %{before} ], [ {following.text}, %{self.block} ]"
        )
        for k, (start, value) in enumerate(zip(carried, made.next, strict=True)):
            phi = (
                f"{values[k].text} = phi {start.type.text} [ {start.text}, %{before} ], [ {value.text}, %{self.block} ]"
            )
            self.lines[place + 1 + k] = f"  {phi}"
        made.values = values
        self.enter(done)

    @contextmanager
    def when(self, condition: Value, *, unlikely: bool = False) -> Iterator[None]:
        """The block only where the condition holds."""
        yes, done = self.label("yes"), self.label("done")
        self.branch(condition, yes, done, unlikely=unlikely)
        self.enter(yes)
        yield
        self.jump(done)
        self.enter(done)

    def either(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value]],
        other: Callable[[], Sequence[Value]],
        *,
        unlikely: bool = False,
    ) -> list[Value]:
        """One of two blocks; returns the values that they give, merged."""
        yes, no, done = self.label("yes"), self.label("no"), self.label("done")
        self.branch(condition, yes, no, unlikely=unlikely)
        self.enter(yes)
        first = list(then())
        from_yes = self.block
        self.jump(done)
        self.enter(no)
        second = list(other())
        from_no = self.block
        self.jump(done)
        self.enter(done)
        return [
            self.emit(f"phi {a.type.text} [ {a.text}, %{from_yes} ], [ {b.text}, %{from_no} ]", a.type)
            for a, b in zip(first, second, strict=True)
        ]

    def any_lane(self, mask: Value) -> Value:
        """Whether the mask holds in any lane."""
        if mask.type.lanes == 1:
            return mask
        bits = self.convert("bitcast", mask, vector(f"i{mask.type.lanes}", 1))
        return self.emit(f"icmp ne {bits.typed}, 0", BOOL)
