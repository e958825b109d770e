"""Rendered data sets are made where they are missing."""

import fcntl
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ovdet.data.stickers import write_track
from ovdet.structures import InputError

_LOG = logging.getLogger("ovdet")


def make_tracks(config: Mapping[str, Any]) -> None:
    """Render the tracks a config's data come from, where their folders are not there yet.

    Several processes may ask at once: one renders, the others wait.

    Args:
        config: ``track`` names the track and ``data_root`` its folder, ``data/<track>`` where it is
            not given. ``more_tracks`` has the folder of each further one by its name.

    Raises:
        InputError: If the track cannot be rendered.
        OSError: If the folder cannot be written.
    """
    if (track := config.get("track")) is not None:
        _make(track, config.get("data_root", f"data/{track}"))
    for name, root in config.get("more_tracks", {}).items():
        _make(name, root)


def _make(track: str, root: str) -> None:
    if Path(root).exists():
        return
    folder = Path(root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        _LOG.warning("%s is missing: rendering it (tools/convert.py %s %s)", root, track, root)
        try:
            write_track(track, folder)
        except InputError as error:
            raise InputError(
                f"{root} is missing and cannot be rendered here: {error}; "
                f"make it with: python tools/convert.py {track} {root}"
            ) from error
