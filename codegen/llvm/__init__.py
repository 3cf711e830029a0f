"""LLVM as a tool: building its textual IR, and turning the text into objects and loaded code."""
