"""Every test in this folder runs kernels: on a GPU, else in Triton's interpreter."""

import pytest
from kernels import report_apart, runs_here


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if runs_here():
        return None
    report_apart(pyfuncitem)
    return True
