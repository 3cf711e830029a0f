"""Kernels as files.  In: interfaces and object files.  Out: objects, libraries, a C header, a loader for Python.

``library`` writes them; ``elf``, ``merge`` and ``archive`` need no external tool; ``linker`` needs one.
"""

from codegen.aot.library import write_library
from codegen.aot.linker import LinkerMissingError
from codegen.aot.messages import emit_error_table

__all__ = ["LinkerMissingError", "emit_error_table", "write_library"]
