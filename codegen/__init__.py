"""symgrad's back end: graphs to machine code with LLVM."""

BACKEND_FOR_SYMGRAD = "llvm"  # marks this package as the back end that symgrad looks for
