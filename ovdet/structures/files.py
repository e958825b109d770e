"""Where files of ours lie, and writing them so that a reader sees the old bytes or the new ones."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ovdet.structures.errors import InputError
from ovdet.structures.memory import without_collection


def zoo_folder() -> Path:
    """Return the folder of the model zoo: ``OVDET_ZOO``, else ``model_zoo`` of this checkout.

    Raises:
        InputError: If there is no such folder.
    """
    folder = Path(os.environ.get("OVDET_ZOO") or Path(__file__).parents[2] / "model_zoo")
    if not folder.is_dir():
        raise InputError(f"no model zoo at {folder}: set OVDET_ZOO to the folder model_zoo")
    return folder


def cache_folder() -> Path | None:
    """Return the folder for caches, or None when they are switched off.

    ``OVDET_CACHE`` names it, ``off`` switches it off; by default it is ``ovdet`` in the user's
    cache folder.
    """
    wish = os.environ.get("OVDET_CACHE", "")
    if wish.lower() == "off":
        return None
    if wish:
        return Path(wish).expanduser()
    try:
        return _user_cache() / "ovdet"
    except RuntimeError:  # no home folder is known
        return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside ``path``; at a clean end it is flushed to disk and renamed into place.

    Args:
        path: The file to make or replace. Its folder is made if it is missing.

    Raises:
        OSError: If the folder cannot be written to; ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, flush it to disk, then rename it into place.

    Args:
        path: The file to make or replace. Its folder is made if it is missing.
        data: The bytes.

    Raises:
        OSError: If the folder cannot be written to; ``path`` is then as it was.
    """
    with atomic_file(path) as file:
        file.write(data)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If the file is missing, not UTF-8 or not JSON.
    """
    try:
        with without_collection():
            return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text, byte {error.start} is not") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: must be JSON: {error}") from error
