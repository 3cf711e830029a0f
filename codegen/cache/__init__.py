"""Compiled kernels on disk.  In: a compile request.  Out: what an earlier process compiled for an equal one.

``fingerprint`` says when two requests are equal, ``record`` what is kept of a kernel, ``files`` how it lies on the disk.
"""

from codegen.cache.files import Store, store_in_force
from codegen.cache.fingerprint import Fingerprint, fingerprint
from codegen.cache.record import Record, recall, remember

__all__ = ["Fingerprint", "Record", "Store", "fingerprint", "recall", "remember", "store_in_force"]
