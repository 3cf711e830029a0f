"""The two floating formats.  In: an element type's name.  Out: the constants in which the formats differ.

Everything that differs between ``double`` and ``float`` is a field here or an entry of the coefficient tables, so each
function of the library is written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from codegen.mathlib import coefficients

__all__ = ["DOUBLE_FORMAT", "FLOAT_FORMAT", "INFINITY", "NAN", "Format", "format_named"]

INFINITY: Final = float("inf")
NAN: Final = float("nan")


@dataclass(frozen=True)
class Format:
    """An IEEE format.

    Attributes
    ----------
    bits, mantissa, bias : int
        Width, stored bits of the significand, offset of the stored exponent.
    sqrt_half : int
        The bits of √½.
    table : dict
        Polynomial coefficients and split constants by name.
    """

    bits: int
    mantissa: int
    bias: int
    sqrt_half: int
    table: dict[str, tuple[float, ...]]

    @property
    def is_double(self) -> bool:
        return self.bits == 64

    @property
    def magic(self) -> float:
        """1.5 times 2 to the stored bits: adding it rounds to an integer and leaves that integer in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def magic_bits(self) -> int:
        return ((self.bias + self.mantissa) << self.mantissa) | 1 << (self.mantissa - 1)

    @property
    def smallest_normal(self) -> float:
        return float(2.0 ** (1 - self.bias))

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.mantissa

    @property
    def fraction_mask(self) -> int:
        return (1 << self.mantissa) - 1

    def pick(self, double: float, single: float) -> float:
        """The value that fits the format."""
        return double if self.is_double else single


DOUBLE_FORMAT: Final = Format(64, 52, 1023, 0x3FE6A09E667F3BCD, coefficients.DOUBLE)
FLOAT_FORMAT: Final = Format(32, 23, 127, 0x3F3504F3, coefficients.FLOAT)


def format_named(element: str) -> Format:
    """The format of LLVM's ``double`` or ``float``."""
    return {"double": DOUBLE_FORMAT, "float": FLOAT_FORMAT}[element]
