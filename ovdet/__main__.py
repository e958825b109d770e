"""``python -m ovdet`` is the command ``ovdet``."""

import sys

from ovdet.cli import main

if __name__ == "__main__":
    sys.exit(main())
