"""The model zoo: what there is, on which terms, fetched once and checked.

ovdet models list
ovdet models show owlv2-base
ovdet models fetch clip-vit-b32
ovdet models verify  # all that are here
ovdet models convert regionclip-rn50 regionclip_pretrained-cc_rn50.pth rn50.safetensors
"""

import argparse
import logging
from pathlib import Path

SUMMARY = "list, show, fetch, verify and convert models"
WHEN_STOPPED = "stopped; fetch it again and it goes on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    commands = parser.add_subparsers(dest="what", required=True)
    listing = commands.add_parser("list", help="all models")
    listing.add_argument(
        "--write", action="store_true", help="bring the table of the zoo's README up to date"
    )
    commands.add_parser("show", help="all about one").add_argument("name")
    fetching = commands.add_parser("fetch", help="into the cache, OVDET_CACHE")
    fetching.add_argument("names", nargs="+", metavar="NAME")
    fetching.add_argument("--offline", action="store_true", help="only tell what is missing")
    verifying = commands.add_parser("verify", help="compare files with what is known of them")
    verifying.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")
    converting = commands.add_parser("convert", help="a checkpoint under our names")
    converting.add_argument("name", help="its entry, which must know how")
    converting.add_argument("file", type=Path, help="the checkpoint")
    converting.add_argument("out", type=Path, help="the safetensors file to write")


def run(options: argparse.Namespace) -> int:
    """Do what was asked; return 1 where a file is not what it should be."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    return _WAYS[options.what](options)


def show_all(options: argparse.Namespace) -> int:
    """Print a table of all models, or bring the README's up to date."""
    from ovdet.apis.cards import entries, table, write_readme
    from ovdet.structures import atomic_write
    from ovdet.structures.files import zoo_folder

    if options.write:
        atomic_write(zoo_folder() / "README.md", write_readme().encode())
    else:
        print("\n".join(table(entries())))
    return 0


def show(options: argparse.Namespace) -> int:
    """Print all that is known of a model."""
    from ovdet.apis.cards import describe
    from ovdet.apis.zoo import find

    print("\n".join(describe(find(options.name))))
    return 0


def fetch(options: argparse.Namespace) -> int:
    """Fetch models and print where they lie."""
    from ovdet.apis import fetching
    from ovdet.apis.zoo import ZooEntry, find

    for entry in [find(name) for name in options.names]:
        if isinstance(entry, ZooEntry):
            print(f"{entry.name}  {entry.weights}")
        else:
            print(f"{entry.name}  {fetching.fetch(entry, offline=options.offline)}")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Print for each model whether its files are what they should be."""
    from ovdet.apis import fetching
    from ovdet.apis.cards import entries, is_here
    from ovdet.apis.zoo import find

    asked = [find(name) for name in options.names]
    states = set()
    for entry in asked or [entry for entry in entries() if is_here(entry)]:
        state, why = fetching.verify(entry)
        states.add(state)
        print(f"{entry.name}  {state}  {why}")
    return 1 if states & {fetching.BAD, fetching.ABSENT} else 0


def convert(options: argparse.Namespace) -> int:
    """Write a checkpoint under our names."""
    from ovdet.apis import keymaps
    from ovdet.apis.zoo import find
    from ovdet.structures import InputError

    keys = getattr(find(options.name), "keys", None)
    if keys is None:
        raise InputError(
            f"{options.name}: nothing here is of its architecture, see ovdet models show"
        )
    count = keymaps.convert(keys, options.file, options.out)
    print(f"{options.out}  {count} weights, for a config's weights= with {keys.tower}")
    return 0


_WAYS = {"list": show_all, "show": show, "fetch": fetch, "verify": verify, "convert": convert}
