"""Print what a shell needs to complete ``ovdet``: sub-commands, options, choices and files.

ovdet completion bash > ~/.local/share/bash-completion/completions/ovdet
ovdet completion zsh > ~/.zfunc/_ovdet

For one session of bash: eval "$(ovdet completion bash)"
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUMMARY = "complete this command in bash or zsh"
SHELLS = ("bash", "zsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=SHELLS)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    from ovdet.cli import whole

    try:
        import shtab
    except ImportError as error:
        raise ImportError('completion needs shtab: pip install "ovdet[shell]"') from error
    parser = whole(deep=True)
    for action in _actions(parser):
        if _takes_a_file(action):
            setattr(action, "complete", shtab.FILE)  # noqa: B010 - where shtab looks
    print(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the options and arguments of a parser and of all its sub-commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _takes_a_file(action: argparse.Action) -> bool:
    """Tell whether a word may be a path: text, where nothing says which words there are."""
    kind: Any = action.type
    return action.nargs != 0 and action.choices is None and kind in {None, str, Path}
