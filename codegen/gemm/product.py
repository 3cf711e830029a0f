"""What is to be computed.  In: an element type, sizes and strides, each known or not.  Out: a hashable description.

Refuses element types other than double, float, i64 and i32, and negative sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from codegen.gemm.band import Band
from codegen.llvm.builder import Function, Int
from codegen.llvm.types import DOUBLE, FLOAT, I32, I64, POINTER, Type, Value
from symgrad.errors import CompileError

__all__ = ["PARAMETERS", "Known", "Operands", "Product"]

Known = int | None
Strides = tuple[Known, Known]

PARAMETERS = (
    *((name, POINTER) for name in ("A", "B", "C")),
    *((name, I64) for name in ("m", "n", "k", "a_row", "a_col", "b_row", "b_col", "c_row")),
    *((name, POINTER) for name in ("work", "context")),
)


@dataclass(frozen=True)
class Product:
    """``C[m, n] (+)= A[m, k] · B[k, n]`` over strided operands.

    Attributes
    ----------
    element : Type
        ``DOUBLE``, ``FLOAT``, ``I64`` or ``I32``; integers wrap.
    m, n, k : int or None
        Sizes; None where known only at run time.  Each may be 0; with ``k == 0`` the product is zero.
    a_strides, b_strides : (int or None, int or None)
        Elements from a row to the next and from a column to the next; any sign, and 0 for a broadcast operand.
    c_row : int or None
        Elements from a row of C to the next.  C's columns are contiguous.
    accumulate : bool
        Add to C instead of overwriting it.
    a_band, b_band : Band or None
        Outside of its band, A (or B) holds zeros.  Where numbers of the other operand may be infinite or NaN, they have
        to be multiplied by these zeros all the same: the function takes another argument, ``slack``, by how many
        diagonals bands are wider than this on either side.
    c_band : Band or None
        Outside of its band, C may hold anything.

    Raises
    ------
    CompileError
        The element type has no products here, or a size is negative.

    Examples
    --------
    >>> from codegen.llvm.types import DOUBLE
    >>> Product(DOUBLE, None, 10, 256, (256, 1), (10, 1), 10).name
    'product_f64_mx_n10_k256_a256.1_b10.1_c10'
    """

    element: Type
    m: Known
    n: Known
    k: Known
    a_strides: Strides
    b_strides: Strides
    c_row: Known
    accumulate: bool = False
    a_band: Band | None = None
    b_band: Band | None = None
    c_band: Band | None = None

    def __post_init__(self) -> None:
        if self.element not in (DOUBLE, FLOAT, I64, I32):
            raise CompileError(
                f"product: elements of type {self.element} have no matrix product",
                hint="convert to double, float, i64 or i32",
            )
        if any(size is not None and size < 0 for size in (self.m, self.n, self.k)):
            raise CompileError(f"product: negative size in {self.m} x {self.k} times {self.k} x {self.n}")

    @property
    def name(self) -> str:
        """The function's symbol."""
        sizes = [f"{axis}{_shown(size)}" for axis, size in zip("mnk", (self.m, self.n, self.k), strict=True)]
        strides = [
            f"{operand}{_shown(row)}.{_shown(column)}"
            for operand, (row, column) in (("a", self.a_strides), ("b", self.b_strides))
        ]
        end = ["add"] if self.accumulate else []
        bands = (("a", self.a_band), ("b", self.b_band), ("c", self.c_band))
        end += [f"{operand}_band{band.tag}" for operand, band in bands if band is not None]
        return "_".join(["product", self.element.suffix, *sizes, *strides, f"c{_shown(self.c_row)}", *end])

    @property
    def skips(self) -> bool:
        """Whether zeros of an operand are left out."""
        return self.a_band is not None or self.b_band is not None

    @property
    def parameters(self) -> tuple[tuple[str, Type], ...]:
        """Names and types of the function's parameters."""
        return (*PARAMETERS, ("slack", I64)) if self.skips else PARAMETERS

    @property
    def canonical(self) -> Product:
        """The same product with the strides that cannot matter, along sizes of 1, set to what is cheapest."""
        a_row, a_col = self.a_strides
        b_row, b_col = self.b_strides
        return replace(
            self,
            a_strides=(0 if self.m == 1 else a_row, 0 if self.k == 1 else a_col),
            b_strides=(0 if self.k == 1 else b_row, 1 if self.n == 1 else b_col),
            c_row=0 if self.m == 1 else self.c_row,
        )

    def operands(self, f: Function) -> Operands:
        """The operands inside the emitted function: known integers replace the arguments."""

        def known(name: str, value: Known) -> Int:
            return f[name] if value is None else value

        (a_row, a_col), (b_row, b_col) = self.a_strides, self.b_strides
        return Operands(
            a=f["A"],
            b=f["B"],
            c=f["C"],
            m=known("m", self.m),
            n=known("n", self.n),
            k=known("k", self.k),
            a_row=known("a_row", a_row),
            a_col=known("a_col", a_col),
            b_row=known("b_row", b_row),
            b_col=known("b_col", b_col),
            c_row=known("c_row", self.c_row),
            work=f["work"],
            context=f["context"],
            slack=f["slack"] if self.skips else 0,
        )


@dataclass(frozen=True)
class Operands:
    """The operands of one product while its code is emitted; strides in elements."""

    a: Value
    b: Value
    c: Value
    m: Int
    n: Int
    k: Int
    a_row: Int
    a_col: Int
    b_row: Int
    b_col: Int
    c_row: Int
    work: Value
    context: Value
    slack: Int = 0

    @property
    def swapped(self) -> Operands:
        """Those of the transposed product ``Cᵀ = Bᵀ Aᵀ``, for one row or one column whose elements are contiguous."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            m=self.n,
            n=self.m,
            a_row=self.b_col,
            a_col=self.b_row,
            b_row=self.a_col,
            b_col=self.a_row,
            c_row=1,
        )


def _shown(value: Known) -> str:
    return "x" if value is None else str(value)
