"""Vectors on disk, one database file for each text tower and template set.

A cache only: whatever is wrong with the file or the folder, the caller computes anew.
"""

import logging
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_ASKED_AT_ONCE = 500
_WAIT = 30.0  # s, for another process that is writing
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
}
_TABLE = (
    "CREATE TABLE IF NOT EXISTS vectors (name BLOB PRIMARY KEY, vector BLOB, crc INT) WITHOUT ROWID"
)


class VectorStore:
    """Vectors by name in one file that several processes may use at once.

    Every write is one transaction, so a kill leaves all of it or nothing. A row that fails its
    checksum is left out with a warning; a damaged file is removed with a warning; a folder that
    cannot be used is left alone after one warning.

    Args:
        path: The file; it and its folder are made when first needed.
        dim: Length D of the vectors.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self.path = path
        self.dim = dim
        self._usable = True

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return those of the vectors [D], float32, that are stored and whole."""
        rows = self._run(lambda db: _select(db, [_key(name) for name in names])) or []
        found = {}
        for key, vector, crc in rows:
            if self._is_whole(key, vector, crc):
                values = np.frombuffer(vector, "<f4").astype(np.float32)
                found[key.decode("utf-8", "surrogatepass")] = torch.from_numpy(values)
        if bad := len(rows) - len(found):
            logger.warning("%s: %d corrupt entries, computed again", self.path, bad)
        return found

    def write(self, vectors: Mapping[str, Tensor]) -> None:
        """Store vectors [D], all or none of them."""
        rows = []
        for name, vector in vectors.items():
            key, data = _key(name), vector.numpy().astype("<f4").tobytes()
            rows.append((key, data, zlib.crc32(key + data)))
        self._run(
            lambda db: db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        )

    def _is_whole(self, key: object, vector: object, crc: object) -> bool:
        if not isinstance(key, bytes) or not isinstance(vector, bytes):
            return False
        return len(vector) == 4 * self.dim and zlib.crc32(key + vector) == crc

    def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        for last in (False, True):
            if not self._usable:
                break
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # A connection a task: none is ever shared with a forked process or a thread.
                with closing(sqlite3.connect(self.path, timeout=_WAIT)) as db, db:
                    db.execute(_TABLE)
                    return work(db)
            except (sqlite3.Error, OSError) as error:
                self._recover(error, last=last)
        return None

    def _recover(self, error: Exception, *, last: bool) -> None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGED and not last:
            logger.warning("%s: damaged (%s), removed and computed again", self.path, error)
            error = self._remove() or error
            if not self.path.exists():
                return
        self._usable = False
        logger.warning("%s: cannot be used (%s), keeping text in memory only", self.path, error)

    def _remove(self) -> OSError | None:
        try:
            for suffix in ("", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            return error
        return None


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def _select(db: sqlite3.Connection, keys: list[bytes]) -> list[tuple[bytes, bytes, int]]:
    rows: list[tuple[bytes, bytes, int]] = []
    for start in range(0, len(keys), _ASKED_AT_ONCE):
        part = keys[start : start + _ASKED_AT_ONCE]
        marks = ",".join("?" * len(part))
        rows += db.execute(f"SELECT name, vector, crc FROM vectors WHERE name IN ({marks})", part)
    return rows
