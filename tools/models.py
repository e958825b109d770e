#!/usr/bin/env python3
"""The model zoo: what there is, on which terms, fetched once and checked.

python tools/models.py list
python tools/models.py show owlv2-base
python tools/models.py fetch clip-vit-b32
python tools/models.py verify  # all that are here
python tools/models.py convert regionclip-rn50 regionclip_pretrained-cc_rn50.pth rn50.safetensors
"""

import argparse
import logging
import sys
from pathlib import Path


def main(words: list[str] | None = None) -> int:
    """Run the command; return 0, 1 where a file is not what it should be, 2 where nothing went."""
    options = parse(words)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    sys.path.insert(0, str(Path(__file__).parents[1]))  # a checkout that was not installed
    try:
        return COMMANDS[options.command](options)
    except (ValueError, OSError, ImportError) as error:
        print(f"models.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("models.py: stopped; fetch it again and it goes on", file=sys.stderr)
        return 130


def parse(words: list[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
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
    return parser.parse_args(words)


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
        raise InputError(f"{options.name}: nothing here is of its architecture, see models.py show")
    count = keymaps.convert(keys, options.file, options.out)
    print(f"{options.out}  {count} weights, for a config's weights= with {keys.tower}")
    return 0


COMMANDS = {"list": show_all, "show": show, "fetch": fetch, "verify": verify, "convert": convert}

if __name__ == "__main__":
    sys.exit(main())
