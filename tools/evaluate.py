#!/usr/bin/env python3
"""``ovdet evaluate`` from a checkout: measure results of any library by a published protocol."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed

from ovdet.cli import run


def main(words: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    return run("evaluate", words)


if __name__ == "__main__":
    sys.exit(main())
