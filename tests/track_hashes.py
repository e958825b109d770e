"""Hashes of small versions of the tracks, in track_hashes.json.

Where the world itself was changed, `python tests/track_hashes.py` writes them anew; nothing else
may change them.
"""

import json
import tempfile
from pathlib import Path

from ovdet.data.stickers.tracks import write_track

PATH = Path(__file__).with_suffix(".json")
SMALL = {
    "stickers-labels": {"train": 6, "val": 2},
    "stickers-lv": {"train": 6, "val": 2},
    "stickers-seg": {"train": 4, "val": 2},
    "stickers-phrases": {"train": 5, "val": 2},
    "stickers-bias": {"train": 16, "val": 4},
    "stickers-new": {"train": 4, "val": 2},
}


def stored():
    return json.loads(PATH.read_text(encoding="utf-8"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        hashes = {
            track: write_track(track, Path(folder) / track, seed=0, **images)
            for track, images in SMALL.items()
        }
    PATH.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
