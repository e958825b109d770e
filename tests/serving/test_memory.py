import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys, threading
import numpy as np
from ovdet.serving.memory import keep_freed

def faults(size=48 * 2**20, times=10):
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.ones(size, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start

def measure():
    faults()
    print(faults())

measure()
assert keep_freed()
measure()
thread = threading.Thread(target=measure)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc knows how")
def test_what_is_freed_is_used_again():
    """A page is 4 kB, or 2 MB where the system makes them large: ten arrays of 48 MB fault anew."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    before, after, in_thread = map(int, done.stdout.split())
    assert before > 200
    assert after < before / 5
    assert in_thread < before / 5
