"""Write a data set in the layout that the configs expect.

python tools/convert.py stickers-ov data/stickers-ov
"""

import argparse
import sys

_TRACKS = {
    "stickers-ov": "65 classes, 48 base and 17 novel; COCO JSON (1200 train, 400 val images)",
    "stickers-lv": "808 classes in a long tail, rare ones held out; LVIS JSON (6000 / 1500 images)",
    "stickers-seg": "12 things, 8 kinds of stuff, 5 unseen; label maps, panoptic (1500 / 400 images)",
    "stickers-caps": "captioned pictures of all stickers (8000 train, 1000 val images)",
}


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="track", required=True, metavar="WHAT")
    for name, text in _TRACKS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("out", metavar="OUT", help="folder to make")
        command.add_argument("--seed", type=int, default=0, help="same seed, same bytes")
        command.add_argument("--train", type=int, metavar="N", help="number of training images")
        command.add_argument("--val", type=int, metavar="N", help="number of validation images")
        command.add_argument("--force", action="store_true", help="replace OUT if not empty")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parse(arguments)
    from ovdet.data.stickers import write_track

    try:
        hashes = write_track(
            options.track,
            options.out,
            seed=options.seed,
            train=options.train,
            val=options.val,
            force=options.force,
        )
    except (ValueError, OSError) as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return 2
    for path, digest in hashes.items():
        print(f"{digest}  {options.out}/{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
