import ctypes
import gc
import os
import subprocess
import sys

import pytest

from ovdet.structures import without_collection


@pytest.mark.parametrize("before", [True, False])
def test_collection_is_as_it_was(before):
    (gc.enable if before else gc.disable)()
    try:
        with without_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == before
        with pytest.raises(KeyError), without_collection():
            raise KeyError
        assert gc.isenabled() == before
    finally:
        gc.enable()


def test_a_function_can_be_decorated():
    assert without_collection()(gc.isenabled)() is False
    assert gc.isenabled()


FAULTS = """
import resource, sys
import numpy as np
from ovdet.structures.memory import keep_freed_memory
print(keep_freed_memory())
np.ones(2**23)  # 64 MB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
@pytest.mark.parametrize(("told", "kept"), [({}, True), ({"OVDET_MALLOC": "0"}, False)])
def test_freed_memory_is_kept(told, kept):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    words = [sys.executable, "-c", FAULTS]
    done = subprocess.run(words, env=plain | told, capture_output=True, text=True, check=True)
    said, faults = done.stdout.split()
    assert said == str(kept)
    # Each of ten arrays has 2^14 pages of 4 KiB; large pages make them 2^5 of 2 MiB.
    assert int(faults) < 100 if kept else int(faults) >= 10 * 2**5
