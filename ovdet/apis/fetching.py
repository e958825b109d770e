"""Released models: fetched once into the cache, checked, and found there.

``OVDET_CACHE`` names the cache; a model's files lie in ``models/<name>`` of it, and files put there
by hand are as good. ``OVDET_OFFLINE=1`` forbids fetching, and so does the hub's own
``HF_HUB_OFFLINE=1``.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path

from ovdet.apis.downloads import download
from ovdet.apis.hub import fetch_folder
from ovdet.apis.zoo import FORMATS, Release, ZooEntry, check_hash, hash_file
from ovdet.structures import InputError, atomic_write, read_json
from ovdet.structures.files import cache_folder
from ovdet.structures.weights import FETCHED

RECORD = ".ovdet.json"
GOOD, UNKNOWN, ABSENT, BAD = "good", "unknown", "absent", "bad"
_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_YES = {"1", "true", "yes", "on"}
_LOG = logging.getLogger("ovdet")


def folder_of(release: Release) -> Path:
    """Return where a released model's files lie, or would.

    Raises:
        InputError: If the cache is switched off.
    """
    cache = cache_folder()
    if cache is None:
        raise InputError(f"{release.name}: needs a cache to lie in, and OVDET_CACHE is off")
    return cache / FETCHED / release.name


def missing(release: Release) -> Path | None:
    """Return the first file that is not there; None where all are.

    Raises:
        InputError: If the cache is switched off.
    """
    folder = folder_of(release)
    if release.file:
        return None if (folder / release.file).is_file() else folder / release.file
    if not (folder / _CONFIG).is_file():
        return folder / _CONFIG
    names = [place for name in _WEIGHTS for place in (name, f"{name}.index.json")]
    here = any((folder / name).is_file() for name in names)
    return None if here else folder / _WEIGHTS[0]


def fetch(release: Release, *, offline: bool = False) -> Path:
    """Return a released model's file, or its folder; fetch it where it is not there.

    At first use the licence is told and the files' sha256 are written beside them.

    Args:
        release: The model.
        offline: Fetch nothing.

    Raises:
        InputError: If it is not there and may not or cannot be fetched, or its file hashes to
            something else than the zoo says.
    """
    folder = folder_of(release)
    lacks = missing(release)
    if lacks is not None:
        if offline or _is_offline():
            raise InputError(
                f"{release.name}: is not fetched and this is offline: there is no {lacks}"
            )
        _get(release, folder)
    if not (folder / RECORD).is_file():
        _first_use(release, folder)
    return folder / release.file if release.file else folder


def fetch_detector(release: Release, *, offline: bool = False) -> Path:
    """Return the folder of a released detector or segmentor that load() can open; see ``fetch``.

    Raises:
        InputError: If the model is something else, or as for :func:`fetch`.
    """
    if release.format != "transformers":
        why = release.card.note or f"python tools/models.py fetch {release.name} fetches it"
        kind = FORMATS[release.format]
        raise InputError(f"{release.name}: is {kind}, not a detector that can be opened: {why}")
    return fetch(release, offline=offline)


def verify(entry: ZooEntry | Release) -> tuple[str, str]:
    """Compare a model's files with what is known of them.

    Returns:
        ``good``, ``unknown`` (nothing says what they should be), ``absent`` or ``bad``; and one
        line that says why.
    """
    try:
        if isinstance(entry, ZooEntry):
            entry.check()
            return GOOD, "sha256 as the zoo says"
        lacks = missing(entry)
        if lacks is not None:
            return ABSENT, f"not fetched: there is no {lacks}"
        if entry.file and entry.sha256:
            check_hash(folder_of(entry) / entry.file, entry.sha256, f"{entry.name}.yml")
            return GOOD, "sha256 as the zoo says"
        return _compare(folder_of(entry))
    except InputError as error:
        return BAD, str(error)


def _compare(folder: Path) -> tuple[str, str]:
    if not (folder / RECORD).is_file():
        return UNKNOWN, "the zoo knows no sha256, and none was kept"
    record = read_json(folder / RECORD)
    kept = record.get("sha256") if isinstance(record, dict) else None
    if not isinstance(kept, dict):
        raise InputError(f"{folder / RECORD}: must hold sha256 by file")
    for name, expected in kept.items():
        check_hash(folder / name, str(expected), RECORD)
    return UNKNOWN, f"the zoo knows no sha256; {len(kept)} files as they were at first use"


def _get(release: Release, folder: Path) -> None:
    if release.source == "page":
        raise InputError(
            f"{release.name}: has no address to fetch it from: get {release.file} at "
            f"{release.address} and put it at {folder / release.file}"
        )
    from filelock import FileLock

    _LOG.warning("%s: fetching it from %s, once", release.name, release.address)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # another process may be fetching the same
            if missing(release) is None:
                return
            if release.source == "hub":
                fetch_folder(release.address, folder)
            else:
                download(release.address, folder / release.file, release.sha256)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror or error}") from error
    finally:
        _leave_nothing(folder)


def _leave_nothing(folder: Path) -> None:
    """Remove a folder into which no file came, with the lock that may lie in it."""
    with suppress(OSError):  # another process holds it, or it is not there
        if all(path.name == ".lock" for path in folder.iterdir()):
            (folder / ".lock").unlink(missing_ok=True)
            folder.rmdir()


def _first_use(release: Release, folder: Path) -> None:
    """Tell the licence, and keep what the files hash to."""
    names = [release.file] if release.file else _top(folder)
    hashes = {name: hash_file(folder / name) for name in names}
    if release.file and release.sha256:
        check_hash(folder / release.file, release.sha256, f"{release.name}.yml")
    card = release.card
    flag = "" if card.use == "free" else f" [{card.use.upper()} USE]"
    _LOG.warning("%s: licence%s: %s", release.name, flag, card.licence or "none stated")
    try:
        atomic_write(folder / RECORD, json.dumps({"sha256": hashes}, indent=1).encode())
    except OSError as error:
        _LOG.info("%s: cannot be written: %s", folder / RECORD, error.strerror)


def _top(folder: Path) -> list[str]:
    files = (path for path in folder.iterdir() if path.is_file())
    return sorted(path.name for path in files if not path.name.startswith("."))


def _is_offline() -> bool:
    switches = (os.environ.get(name, "") for name in ("OVDET_OFFLINE", "HF_HUB_OFFLINE"))
    return any(switch.strip().lower() in _YES for switch in switches)
