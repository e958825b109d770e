"""The commands that mend: for Python's packages, for the system's, for an import that fails."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb

# Debian's packages, by the library that a wheel opens.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libxcb.so.1": "libxcb1",
}
_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object file")


def checkout() -> Path | None:
    """Return the folder of the checkout that this package lies in; None where it was installed."""
    root = Path(__file__).parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def pip(*words: str) -> str:
    """Return the command that installs something beside the running Python."""
    python = shlex.quote(sys.executable)
    asked = " ".join(map(shlex.quote, words))
    if _has_uv():
        return f"uv pip install --python {python} {asked}"
    start = "" if find_spec("pip") else f"{python} -m ensurepip && "
    return f"{start}{python} -m pip install {asked}"


def replace(*requirements: str) -> str:
    """Return the command that removes packages and installs them anew, in another build."""
    python = shlex.quote(sys.executable)
    names = " ".join(re.split(r"[^\w-]", wanted, maxsplit=1)[0] for wanted in requirements)
    remove = f"uv pip uninstall --python {python}" if _has_uv() else f"{python} -m pip uninstall -y"
    return f"{remove} {names} && {pip(*requirements)}"


def again(requirement: str) -> str:
    """Return the command that installs a damaged package once more, and nothing else."""
    return pip("--force-reinstall", "--no-deps", requirement)


def install_itself(extra: str = "") -> str:
    """Return the command that installs ovdet with all it asks for, or with an extra."""
    root, more = checkout(), f"[{extra}]" if extra else ""
    return pip(f"ovdet{more}") if root is None else pip("-e", f"{root}{more}")


def system(package: str) -> str:
    """Return the command that installs a package of Debian's, or its name elsewhere."""
    if shutil.which("apt-get") is None:
        return f"install the system's package for what Debian calls {package}"
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y {package}"


def for_import(error: BaseException, module: str, known: Mapping[str, str]) -> str:
    """Return the command that mends an import.

    What is to be installed again is not what was imported but what broke: the package of the last
    line of the traceback that is of a known one.

    Args:
        error: What importing raised.
        module: What was imported, a package by its first name.
        known: What pip is asked for, by module, of all packages that may be what is broken or
            missing; ``module`` among them.
    """
    if library := _LIBRARY.search(str(error)):
        return system(LIBRARIES.get(library[1], library[1]))
    passed = [_top(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
    broken = next((name for name in reversed(passed) if name in known), module)
    absent = _top(getattr(error, "name", None))
    if isinstance(error, ModuleNotFoundError) and absent not in {"", broken}:
        return pip(known.get(absent, absent))
    return again(known[broken])


def _top(name: str | None) -> str:
    return (name or "").partition(".")[0]


def _has_uv() -> bool:
    return find_spec("pip") is None and shutil.which("uv") is not None
