"""Kernels under Triton's interpreter: a test file as a process of its own.

Triton reads TRITON_INTERPRET when it is imported, and other tests want it unset. So the tests below
`tests/ops/kernels/` run as they are where a GPU is (on ``DEVICE``), and otherwise in a second
process a file, with the variable set; their outcomes are reported here one by one.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch

ROOT = Path(__file__).parents[1]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
OUTCOMES = {}


def runs_here():
    """Tell whether this process can run kernels itself."""
    return DEVICE == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"


def report_apart(item):
    """Report what became of a test in the process of its file."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed")
    if item.path not in OUTCOMES:
        asked = [other.nodeid for other in item.session.items if other.path == item.path]
        OUTCOMES[item.path] = run_apart(asked)
    outcome = OUTCOMES[item.path].get(item.name, "did not run")
    if outcome:
        pytest.fail(outcome, pytrace=False)


def run_apart(tests):
    """Run tests in the interpreter; returns {name: what went wrong, or ''}."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", ""]
        environment = {**os.environ, "TRITON_INTERPRET": "1"}
        done = subprocess.run(
            [*line, f"--junitxml={report}", *tests],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            pytest.fail(done.stdout + done.stderr, pytrace=False)
        cases = ET.parse(report).iter("testcase")
        return {case.get("name"): trouble(case) for case in cases}


def trouble(case):
    """Return the failures and errors a report tells of one test."""
    return "\n".join(part.text or "" for part in case if part.tag in {"failure", "error"})


def build(kernel, pointers, numbers, constants):
    """Compile a kernel for an A100, as far as that goes without one; returns its assembly.

    ``pointers`` and ``numbers`` give each argument's type ("*fp32", "i32") by its name.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = {**pointers, **numbers}
    signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=places)
    return triton.compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"]
