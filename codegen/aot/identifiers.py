"""Names in generated C and Python.  In: names of arguments and dimensions, any text.  Out: distinct identifiers."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Sequence
from keyword import iskeyword

from codegen.signature import KernelSpec
from symgrad.dims import Atom, Size
from symgrad.errors import CompileError

__all__ = [
    "CALLBACK_TYPE",
    "c_names",
    "callback_names",
    "check_names",
    "dim_names",
    "distinct",
    "in_c_library",
    "size_text",
]

# Keywords of C and C++, and macros of their standard headers and of compilers that a short name could meet.
_C = frozenset(
    re.findall(
        r"\w+",
        """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const const_cast
    consteval constexpr constinit continue co_await co_return co_yield decltype default delete do double dynamic_cast
    else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires restrict return short
    signed sizeof static static_assert static_cast struct switch template this thread_local throw true try typedef
    typeid typename typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
    EOF I NULL assert complex errno i386 imaginary linux noreturn signbit stderr stdin stdout unix
    int8_t int16_t int32_t int64_t uint8_t main
    """,
    )
)


CALLBACK_TYPE = "symgrad_callback"


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Identifiers of C and Python, each once: other characters become ``_``, and what is taken gets a number."""
    used, made = set(taken), []
    for name in names:
        plain = re.sub(r"[^0-9A-Za-z_]", "_", name) or "_"
        base = f"_{plain}" if plain[0].isdigit() else plain
        one, number = base, 2
        while one in used or one in _C or iskeyword(one):
            one, number = f"{base}_{number}", number + 1
        used.add(one)
        made.append(one)
    return made


def dim_names(spec: KernelSpec) -> dict[Atom, str]:
    """Names of the dimensions; those without one are numbered, so that the process's history does not show."""
    numbered = [atom.label if atom.kind == "name" else f"dim{k}" for k, atom in enumerate(spec.dims)]
    return dict(zip(spec.dims, distinct(numbered), strict=True))


def c_names(spec: KernelSpec) -> tuple[list[str], list[str]]:
    """Names of the parameters of a kernel's C function: of its arrays and of its sizes."""
    arrays = distinct((one.name for one in spec.arrays), ("workspace",))
    return arrays, distinct(dim_names(spec).values(), ("workspace", *arrays))


def callback_names(spec: KernelSpec) -> list[tuple[str, str]]:
    """Names of the parameters for each function of the host: the function, and the pointer that it gets."""
    arrays, sizes = c_names(spec)
    wanted = (name for one in spec.callbacks for name in (one.name, f"{one.name}_context"))
    made = distinct(wanted, ("workspace", CALLBACK_TYPE, *arrays, *sizes))
    return list(zip(made[::2], made[1::2], strict=True))


def size_text(size: Size, names: dict[Atom, str]) -> str:
    """A size as text, dimensions without a name by the names given."""
    text = str(size)
    for atom, name in sorted(names.items(), key=lambda item: -len(item[0].label)):
        if atom.kind != "name":
            text = text.replace(atom.label, name)
    return text


def in_c_library(name: str) -> bool:
    """Whether a program that is linked with the C library, as this one is, has the name already."""
    try:
        return hasattr(ctypes.CDLL(None), name)
    except (OSError, TypeError):  # there is no such thing as the program's own names here
        return False


def check_names(library: str, specs: Sequence[KernelSpec]) -> None:
    """Refuse names that could not be written down.

    Raises
    ------
    CompileError
        A name is no identifier, is reserved, or is given twice.
    """
    for name in (library, *(spec.name for spec in specs)):
        if distinct([name]) != [name] or name.startswith("_"):  # which C reserves
            raise CompileError(f"{name!r} cannot be the name of a library or kernel", hint="use a plain C identifier")
    for spec in specs:
        if in_c_library(spec.name):
            raise CompileError(
                f"{spec.name!r} cannot be the name of a kernel: the C library has a function of that name",
                hint="programs that use the kernel would call it in place of the other; give it another name",
            )
    symbols = [f"{spec.name}{ending}" for spec in specs for ending in ("", "_workspace", "_error")]
    twice = sorted({one for one in symbols if symbols.count(one) > 1})
    if twice:
        raise CompileError(f"two kernels define the name {twice[0]!r}", hint="give the kernels other names")
