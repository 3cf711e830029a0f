"""Machines to compile for.  In: a name.  Out: what the generator must know of the machine.  Refuses unknown names.

Everything that differs between machines is a field of :class:`Target`; the generators ask it, never the host.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from symgrad.errors import CompileError

__all__ = ["TARGETS", "Target", "find_target", "native"]


@dataclass(frozen=True)
class Target:
    """A machine.

    Attributes
    ----------
    name : str
    triple, cpu, features : str
        As LLVM takes them.
    vector_bits : int
        Width of the widest vector register in use.
    registers : int
        Number of vector registers.
    fma : bool
        Whether a multiplication and an addition can be fused exactly in hardware.
    l1, l2, l3 : int
        Bytes of the data caches of one core (the last one shared): of the last one, what the system says of this
        machine, elsewhere 32 MiB.  Results that are larger together are stored past it.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    fma: bool
    l1: int = 32 << 10
    l2: int = 1 << 20
    l3: int = 32 << 20

    def lanes(self, bits: int) -> int:
        """Elements of that width in one vector register."""
        return max(1, self.vector_bits // bits)

    @property
    def is_avx512(self) -> bool:
        return self.vector_bits == 512 and self.triple.startswith("x86_64")


_LARGEST_L3 = 64 << 20  # of more than that, other programs have their part
_LINUX = "x86_64-unknown-linux-gnu"
TARGETS = {
    "x86-64": Target("x86-64", _LINUX, "x86-64", "", 128, 16, False),
    "x86-64-v2": Target("x86-64-v2", _LINUX, "x86-64-v2", "", 128, 16, False),
    "x86-64-v3": Target("x86-64-v3", _LINUX, "x86-64-v3", "", 256, 16, True),
    "x86-64-v4": Target("x86-64-v4", _LINUX, "x86-64-v4", "", 512, 32, True),
    "aarch64": Target("aarch64", "aarch64-unknown-linux-gnu", "generic", "+neon,+fp-armv8", 128, 32, True),
}


@cache
def native() -> Target:
    """The machine that this program runs on."""
    import llvmlite.binding as llvm

    triple = llvm.get_process_triple()
    features = llvm.get_host_cpu_features()
    cpu = llvm.get_host_cpu_name()
    if triple.startswith("x86_64"):
        wide = features.get("avx512f", False) and features.get("avx512dq", False) and features.get("avx512vl", False)
        bits = 512 if wide else 256 if features.get("avx", False) else 128
        known = features.flatten(), bits, 32 if wide else 16, features.get("fma", False)
    else:
        known = features.flatten(), 128, 32, triple.startswith(("aarch64", "arm64"))
    return Target("native", triple, cpu, *known, l3=_last_cache())


def _last_cache() -> int:
    """Bytes of the last cache, as far as the system says."""
    name = "SC_LEVEL3_CACHE_SIZE"
    size = os.sysconf(name) if name in getattr(os, "sysconf_names", ()) else 0
    return min(size, _LARGEST_L3) if size > 0 else Target.l3


def find_target(target: str | Target) -> Target:
    """The target of that name.

    Raises
    ------
    CompileError
        There is none.
    """
    if isinstance(target, Target):
        return target
    if target == "native":
        return native()
    if target not in TARGETS:
        raise CompileError(f"no target is named {target!r}", hint=f"one of native, {', '.join(TARGETS)}")
    return TARGETS[target]
