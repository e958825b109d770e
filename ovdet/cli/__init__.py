"""The command ``ovdet``: one module a sub-command, none imported before it is asked for.

A sub-command ``x`` is ``ovdet/cli/x.py`` with ``SUMMARY`` (a line of help),
``add_arguments(parser)`` and ``run(options)``, which returns the exit status: 0, or 1 where a part
failed. Its docstring is the help's text; ``options.program`` is what its messages begin with. No
module imports torch, or anything slow, before ``run``.
"""

import argparse
import importlib
import io
import os
import pkgutil
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from ovdet.structures.memory import keep_freed_memory

WRONG, STOPPED = 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with status 2."""
        self.exit(WRONG, f"{self.prog}: {message}\n")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line of ``ovdet``; return the exit status.

    Args:
        words: What follows the program's name; the process's own arguments when None.
    """
    if words is None:
        keep_freed_memory()
    asked = list(sys.argv[1:] if words is None else words)
    if asked and asked[0] in names():
        return run(asked[0], asked[1:], f"ovdet {asked[0]}")
    whole().parse_args(asked or ["--help"])
    return WRONG  # not reached: without a sub-command the parser leaves


def run(command: str, words: Sequence[str] | None = None, program: str | None = None) -> int:
    """Run one sub-command; return the exit status.

    Args:
        command: Its name, one of ``names()``.
        words: Its arguments; the process's own when None.
        program: What messages begin with.
    """
    module = importlib.import_module(f"ovdet.cli.{command}")
    parser = parser_of(module, program or f"{command}.py")
    options = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a name's letters
            stream.reconfigure(errors="backslashreplace")
    os.environ.setdefault("PYTHONWARNINGS", "ignore:pkg_resources is deprecated")
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    if words is None:  # a program of its own, no call from within another
        keep_freed_memory()
    try:
        status: int = module.run(options)
    except (ValueError, OSError, ImportError) as error:
        return complain(parser.prog, error)
    except KeyboardInterrupt:
        return complain(parser.prog, getattr(module, "WHEN_STOPPED", "stopped"), STOPPED)
    return status


def complain(program: str, error: object, status: int = WRONG) -> int:
    """Say in one line what is wrong; return the exit status."""
    said = " ".join(str(error).split()) or type(error).__name__
    print(f"{program}: {said}", file=sys.stderr)
    return status


def names() -> list[str]:
    """Return the names of the sub-commands, sorted."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def parser_of(module: Any, program: str) -> Parser:
    """Return the parser of a sub-command's module."""
    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog=program, description=module.__doc__, formatter_class=form)
    module.add_arguments(parser)
    parser.set_defaults(program=program)
    return parser


def whole(*, deep: bool = False) -> Parser:
    """Return the parser of ``ovdet`` itself.

    Args:
        deep: With the options of every sub-command, which completion wants; else their names alone.
    """
    import ovdet

    parser = Parser(prog="ovdet", description="Name any classes, get boxes and masks.")
    parser.add_argument("--version", action="version", version=f"ovdet {ovdet.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names():
        module = importlib.import_module(f"ovdet.cli.{name}")
        command = commands.add_parser(name, help=module.SUMMARY, add_help=deep)
        if deep:
            module.add_arguments(command)
    return parser
