"""The cache, what lies in it, and the models that come with the package."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from ovdet.checkup import fixes
from ovdet.checkup.findings import NOTE, WRONG, Finding, guarded

_ELSEWHERE = 'export OVDET_CACHE="$HOME/.cache/ovdet"'


def look() -> Iterator[Finding]:
    """Yield the cache's folder and contents, then our own models."""
    yield from guarded(look_at_cache, "cache")
    yield from guarded(look_at_zoo, "zoo")


def look_at_cache() -> Iterator[Finding]:
    """Yield where the cache is, whether it can be written to, and what lies in it."""
    from ovdet.structures.files import cache_folder

    folder = cache_folder()
    if folder is None:
        said = "switched off: no model can be fetched, names are encoded anew each time"
        yield Finding("cache", said, NOTE, "unset OVDET_CACHE")
        return
    fault = _fault(folder)
    if fault:
        yield Finding("cache", f"{folder}: {fault}", WRONG, _ELSEWHERE)
        return
    free = size_in_words(shutil.disk_usage(_nearest(folder)).free)
    total = size_in_words(_size(folder))
    yield Finding("cache", f"{folder}: {total} in it, {free} free")
    yield from contents(folder)


def contents(folder: Path) -> Iterator[Finding]:
    """Yield what lies in the cache: each model, and each other folder or file as a whole.

    Args:
        folder: The cache, which may not be there yet.
    """
    from ovdet.structures.weights import FETCHED

    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if place.name == FETCHED and place.is_dir():
            yield from (fetched(model) for model in sorted(place.iterdir()) if model.is_dir())
        else:
            files = sum(path.is_file() for path in place.rglob("*")) or 1
            yield Finding(place.name, f"{size_in_words(_size(place))}, {files} files")


def fetched(folder: Path) -> Finding:
    """Tell of a fetched model: its size, and whether all of it is there.

    Args:
        folder: Its folder, called as the model is.
    """
    from ovdet.apis.fetching import missing
    from ovdet.apis.zoo import Release, find, names

    name, size = f"models/{folder.name}", size_in_words(_size(folder))
    entry = find(folder.name) if folder.name in names() else None
    if not isinstance(entry, Release):
        return Finding(name, f"{size}, not of the zoo")
    lacks = missing(entry)
    if lacks is not None:
        said = f"{size}, unfinished: there is no {lacks.name}"
        return Finding(name, said, WRONG, f"ovdet models fetch {shlex.quote(folder.name)}")
    return Finding(name, f"{size}, whole")


def look_at_zoo() -> Iterator[Finding]:
    """Yield our own models, each compared with its sha256."""
    from ovdet.apis.cards import entries
    from ovdet.apis.fetching import GOOD, verify
    from ovdet.apis.zoo import ZooEntry
    from ovdet.structures import InputError

    try:
        own = [entry for entry in entries() if isinstance(entry, ZooEntry)]
    except InputError as error:
        yield Finding("zoo", str(error), WRONG, _for_zoo("model_zoo"))
        return
    for entry in own:
        state, why = verify(entry)
        if state == GOOD:
            yield Finding(entry.name, why)
        else:
            yield Finding(entry.name, why, WRONG, _for_zoo(f"model_zoo/{entry.weights.name}"))


def size_in_words(count: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def _for_zoo(what: str) -> str:
    root = fixes.checkout()
    if os.environ.get("OVDET_ZOO"):
        return "unset OVDET_ZOO"
    if root is None:
        return "export OVDET_ZOO=PATH  # the folder model_zoo of a checkout"
    return f"git -C {shlex.quote(str(root))} checkout -- {what}"


def _fault(folder: Path) -> str:
    """Return why files cannot be made in a folder, which need not be there yet; empty if they can.

    A folder above it that is there must let one be made.
    """
    nearest = _nearest(folder)
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    return "" if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} cannot be written to"


def _nearest(folder: Path) -> Path:
    whole = folder.absolute()
    return next(place for place in (whole, *whole.parents) if place.exists())


def _size(place: Path) -> int:
    files = [place] if place.is_file() else place.rglob("*")
    return sum(path.lstat().st_size for path in files if path.is_file())
