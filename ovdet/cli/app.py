"""The page: drop a picture, type names, see boxes and masks, take the files along.

ovdet app
ovdet app --model owlv2-base --port 8000
"""

import argparse
from functools import partial

SUMMARY = "a page: drop a picture, name things, see them"
WHEN_STOPPED = "stopped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    which = "which opens the page (%(default)s)"
    parser.add_argument("--model", metavar="NAME", default="ovdet-tiny", help=which)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: other machines may come too")
    parser.add_argument("--port", type=int, default=7860, help="7860 unless told")
    parser.add_argument("--offline", action="store_true", help="fetch no model")


def run(options: argparse.Namespace) -> int:
    """Serve the page until it is stopped."""
    print(f"loading {options.model} ...", flush=True)  # the imports alone take seconds
    from ovdet.apis import load
    from ovdet.page import Shelf, build, present, start, wait

    fetch = partial(load, offline=options.offline)
    page = build(Shelf(fetch, options.model, present()))
    try:
        print(f"{start(page, options.host, options.port)}  (Ctrl-C stops it)", flush=True)
        wait()
    finally:
        page.close(verbose=False)
    return 0
