"""The function of a product.  In: a module and a product.  Out: the name of an internal function that computes it.

Its signature is ::

    void name(ptr A, ptr B, ptr C, i64 m, i64 n, i64 k,
              i64 a_row, i64 a_col, i64 b_row, i64 b_col, i64 c_row, ptr work, ptr context)

with every integer given, also those that the product knows, and ``i64 slack`` at the end where zeros of an operand are
left out.  Operands need the alignment of an element only; C does
not overlap A or B.  ``work`` has :func:`workspace_bytes` bytes, aligned to 64.
"""

from __future__ import annotations

import re
from dataclasses import replace

from codegen.gemm import blocked, choose
from codegen.gemm.blocked import emit_blocked
from codegen.gemm.choose import Way
from codegen.gemm.narrow import emit_columns, emit_rows, rows_workspace
from codegen.gemm.product import Operands, Product
from codegen.gemm.small import emit_small
from codegen.gemm.thin import apply_epilogue, emit_dots, emit_outer, emit_sweeps
from codegen.gemm.tile import Epilogue
from codegen.llvm.builder import Function, Module
from codegen.llvm.types import Value
from codegen.target import Target

__all__ = ["emit_product", "workspace_bytes"]


def emit_product(module: Module, product: Product, epilogue: Epilogue | None = None, key: str = "") -> str:
    """Emit, once per module, the function of a product.

    Parameters
    ----------
    module : Module
    product : Product
    epilogue : callable, optional
        ``epilogue(f, tile, values)`` gets the finished vectors of a block of C in registers, emits what is to be done
        to them, and returns the vectors to store, as many and of the same types.  It is emitted several times, for
        blocks of different shapes, and runs once for each element of C, after its last addition; lanes outside a
        strip's mask hold zeros and count for nothing.  Its parameters can be passed through ``context``.
    key : str
        Names the epilogue: one key, one behaviour within a module.

    Raises
    ------
    ValueError
        One of epilogue and key is missing, or the key is no part of a symbol.

    Returns
    -------
    str
        The function's name.

    Examples
    --------
    >>> from codegen.llvm.types import DOUBLE
    >>> from codegen.target import find_target
    >>> emit_product(Module(find_target("x86-64-v3")), Product(DOUBLE, 4, 4, 4, (4, 1), (4, 1), 4))
    'product_f64_m4_n4_k4_a4.1_b4.1_c4'
    """
    if (epilogue is None) != (key == "") or not re.fullmatch(r"[\w.]*", key, re.ASCII):
        raise ValueError(f"emit_product: an epilogue needs a key of letters, digits, _ and ., and only it: {key!r}")
    name = f"{product.name}.{key}" if key else product.name
    if name not in module.functions:
        f = module.function(name, product.parameters)
        known = product.canonical
        _emit(f, known, known.operands(f), epilogue, key)
        f.ret()
    return name


def workspace_bytes(product: Product, target: Target) -> int:
    """Bytes of workspace that a product needs; an upper bound for all sizes where they are known only at run time.

    Examples
    --------
    >>> from codegen.llvm.types import DOUBLE
    >>> from codegen.target import find_target
    >>> workspace_bytes(Product(DOUBLE, 64, 64, 64, (64, 1), (64, 1), 64), find_target("x86-64-v3"))
    0
    """
    known = product.canonical
    way = choose.way(known, target)
    if way is Way.NARROW_ROWS:
        assert known.n is not None
        assert known.k is not None
        return rows_workspace(known.n, known.k, target.lanes(known.element.bits)) * known.element.bytes
    return blocked.workspace_bytes(known, target) if way is Way.BLOCKED else 0


def _emit(f: Function, product: Product, x: Operands, epilogue: Epilogue | None, key: str) -> None:
    way, element, accumulate = choose.way(product, f.target), product.element, product.accumulate
    if way is Way.BLOCKED:
        _emit_any(f, product, x, epilogue, key)
    elif way is Way.SMALL:
        emit_small(f, product, x, epilogue)
    elif way is Way.OUTER:
        emit_outer(f, element, x, epilogue, accumulate=accumulate)
    elif way in (Way.NARROW_COLUMNS, Way.NARROW_ROWS):
        if way is Way.NARROW_COLUMNS:
            emit_columns(f, element, x, accumulate=accumulate, most=choose.accumulators(f.target))
        else:
            emit_rows(f, element, x, accumulate=accumulate, most=choose.accumulators(f.target))
        if epilogue is not None:
            apply_epilogue(f, element, x, epilogue)
    elif way is not Way.NOTHING:
        row = x.swapped if way in (Way.SWAPPED_DOTS, Way.SWAPPED_SWEEPS) else x
        emit = emit_sweeps if way in (Way.SWEEPS, Way.SWAPPED_SWEEPS) else emit_dots
        emit(f, element, row, accumulate=accumulate)
        if epilogue is not None:
            apply_epilogue(f, element, x, epilogue)


def _emit_any(f: Function, product: Product, x: Operands, epilogue: Epilogue | None, key: str) -> None:
    """The general way, but for a single row at run time: there a sweep gives the same bits at twice the speed."""
    if product.m is not None or product.b_strides[1] != 1:
        emit_blocked(f, product, x, epilogue, key)
        return

    def single() -> list[Value]:
        emit_sweeps(f, product.element, x, accumulate=product.accumulate)
        if epilogue is not None:
            apply_epilogue(f, product.element, replace(x, m=1), epilogue)
        return []

    def several() -> list[Value]:
        emit_blocked(f, product, x, epilogue, key)
        return []

    f.either(f.icmp("eq", x.m, 1), single, several, unlikely=True)
