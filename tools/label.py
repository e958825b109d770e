#!/usr/bin/env python3
"""``ovdet prepare`` from a checkout: run a config's labeler over its training pictures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed

from ovdet.cli import run


def main(words: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    return run("prepare", words, "label.py")


if __name__ == "__main__":
    sys.exit(main())
