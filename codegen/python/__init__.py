"""Compiled kernels as Python callables.  In: a kernel's interface and the addresses of its code.  Out: a ``Kernel``.

``rules`` says what a call accepts, in plain Python; ``entry`` emits the same for the common case as machine code;
``slow_path`` serves every other call; ``kernel_type`` is the type of kernels, and ``kernel`` puts one together.
"""

from codegen.python.kernel import Options, entry_object, make_kernel
from codegen.python.kernel_type import Kernel, add_member
from codegen.python.variables import holding

__all__ = ["Kernel", "Options", "add_member", "entry_object", "holding", "make_kernel"]
