"""Leaving garbage collection out while a million objects are made that all are kept."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
