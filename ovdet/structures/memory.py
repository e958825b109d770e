"""What Python and the C library do with memory, where their habits cost time."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_MALLOPT = ((-4, 0), (-1, 2**31 - 1), (-8, 1))  # no mmap, no trimming, one arena: see malloc.h


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed for what is made next; return whether it does.

    It would give tensors beyond 32 MB back to the system and get them anew, page by page, in every
    layer: a batch of pictures on a CPU then takes up to twice the time. For a program's start, not
    for a library's import. Nothing is done under another C library, where an environment variable
    already tells malloc its ways, or with ``OVDET_MALLOC=0``.
    """
    told = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    if not sys.platform.startswith("linux") or told or os.environ.get("OVDET_MALLOC") == "0":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(what, value) == 1 for what, value in _MALLOPT)


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause garbage collection, as a ``with`` block or a decorator.

    It would walk all the new objects again and again, for half of the time. Cycles that are made
    meanwhile are found afterwards.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
