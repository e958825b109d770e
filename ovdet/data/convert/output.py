"""What a conversion writes: a folder that is there whole or not at all, and the sums of its files.

With ``check`` nothing is written: the same bytes are only summed, and compared with the files that
an earlier conversion left.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ovdet.data.stickers.coco_json import encode_json
from ovdet.structures import InputError, Vocabulary

SUMS = "conversion.sha256"
"""Names the sums of the other files (``sha256sum -c`` reads it) and tells whose folder this is."""


@dataclass
class Written:
    """One file or folder of a conversion.

    Attributes:
        path: Below the output folder.
        sha256: Of a file's bytes; of a folder of label maps, see :meth:`Maps.add`.
        counts: What it holds, by kind.
        notes: What else there is to say, as published figures to compare with.
    """

    path: str
    sha256: str
    counts: dict[str, int] = field(default_factory=dict)
    notes: str = ""

    def __str__(self) -> str:
        """Return the counts and notes as they are told."""
        told = ", ".join(f"{number:,} {kind}" for kind, number in self.counts.items())
        return f"{told} ({self.notes})" if self.notes else told


class Stream:
    """One output file that is written piece by piece."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.counts: dict[str, int] = {}
        self.notes = ""

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._sum.update(data)
        if self._file is not None:
            self._file.write(data)

    @property
    def sha256(self) -> str:
        """The sum of all that was written so far."""
        return self._sum.hexdigest()


class Maps:
    """A folder of label maps, PNG files of one channel."""

    def __init__(self, folder: Path | None, stored: Path | None) -> None:
        self._folder = folder
        self._stored = stored
        self._sum = hashlib.sha256()
        self.count = 0

    def add(self, name: str, labels: NDArray[np.integer[Any]]) -> None:
        """Add a map [H, W]; names must come in a fixed order, as the sum follows it.

        The sum is of names, sizes and labels, not of PNG bytes: those differ with the compressor.

        Args:
            name: Below the folder, with ``.png``.
            labels: uint8, 255 ignored, or uint16, 65535 ignored.

        Raises:
            InputError: When checking, if the stored map differs.
        """
        height, width = labels.shape
        little = labels.astype(labels.dtype.newbyteorder("<"), copy=False)
        self._sum.update(f"{name} {height} {width} {labels.dtype.itemsize}\n".encode())
        self._sum.update(np.ascontiguousarray(little).tobytes())
        self.count += 1
        if self._folder is not None:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(labels)).save(path)
        elif self._stored is not None:
            self._compare(self._stored / name, labels)

    def _compare(self, path: Path, labels: NDArray[np.integer[Any]]) -> None:
        try:
            with Image.open(path) as image:
                same = np.array_equal(np.asarray(image), labels)
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as an image: {error}") from error
        if not same:
            raise InputError(f"{path}: is not what this conversion writes")

    @property
    def sha256(self) -> str:
        """The sum of all maps so far."""
        return self._sum.hexdigest()


class Output:
    """Where a conversion writes to; a context whose clean end puts the folder in place.

    Args:
        folder: The folder to make.
        check: Write nothing. Where ``folder`` exists its files must be the ones that would be
            written.
        force: Replace a folder of an earlier conversion.

    Raises:
        InputError: If the folder is not empty and ``force`` is off, or holds no conversion.
    """

    def __init__(self, folder: str | Path, *, check: bool = False, force: bool = False) -> None:
        self.folder = Path(folder)
        self.check = check
        self.written: list[Written] = []
        self._partial: Path | None = None
        self._stored = self.folder if check and self.folder.is_dir() else None
        if not check:
            _check_free(self.folder, force=force)
            out = self.folder.resolve()
            self._partial = out.with_name(out.name + ".partial")

    def __enter__(self) -> Self:
        if self._partial is not None:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._partial is None:
            return
        try:
            if kind is None:
                self._place(self._partial)
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _place(self, partial: Path) -> None:
        files = [one for one in self.written if (partial / one.path).is_file()]
        lines = [f"{one.sha256}  {one.path}\n" for one in sorted(files, key=lambda one: one.path)]
        (partial / SUMS).write_text("".join(lines), encoding="utf-8")
        old = self.folder.resolve()
        aside = old.with_name(old.name + ".old")
        shutil.rmtree(aside, ignore_errors=True)
        if old.exists():
            old.rename(aside)
        partial.rename(old)
        shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def stream(self, path: str) -> Iterator[Stream]:
        """Open a file below the folder for writing piece by piece.

        Raises:
            InputError: When checking, if the stored file differs.
        """
        if self._partial is None:
            stream = Stream(None)
            yield stream
            self._compare(path, stream.sha256)
        else:
            target = self._partial / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                stream = Stream(file)
                yield stream
        self.written.append(Written(path, stream.sha256, stream.counts, stream.notes))

    def json(self, path: str, record: Any, counts: Mapping[str, int]) -> None:
        """Write a record as JSON with sorted keys, UTF-8.

        Raises:
            InputError: When checking, if the stored file differs.
        """
        with self.stream(path) as stream:
            stream.write(encode_json(record))
            stream.counts = dict(counts)

    def vocabulary(self, path: str, classes: Vocabulary) -> None:
        """Write a vocabulary, as :meth:`Vocabulary.load` reads it.

        Raises:
            InputError: When checking, if the stored file differs.
        """
        facts = {key: value for key, value in asdict(classes).items() if value}
        if not classes.basis:  # the temperature of scores that nobody looked at
            del facts["temperature"]
        self.json(path, facts, {"classes": len(classes)})

    @contextmanager
    def maps(self, path: str) -> Iterator[Maps]:
        """Open a folder of label maps below the folder.

        Raises:
            InputError: When checking, if the stored folder holds another number of maps.
        """
        folder = None if self._partial is None else self._partial / path
        maps = Maps(folder, None if self._stored is None else self._stored / path)
        yield maps
        if self._stored is not None:
            found = sum(1 for _ in (self._stored / path).rglob("*.png"))
            if found != maps.count:
                raise InputError(
                    f"{self._stored / path}: must hold {maps.count} maps, found {found}"
                )
        self.written.append(Written(f"{path}/", maps.sha256, {"maps": maps.count}))

    def _compare(self, path: str, sha256: str) -> None:
        if self._stored is None:
            return
        file = self._stored / path
        if not file.is_file():
            raise InputError(f"{file}: is missing; this conversion writes it")
        with file.open("rb") as stored:
            found = hashlib.file_digest(stored, "sha256").hexdigest()
        if found != sha256:
            raise InputError(f"{file}: is not what this conversion writes: sha256 {found}")


def _check_free(folder: Path, *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder or not exist, it is a file")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise InputError(f"{folder} is not empty: name another folder, or replace it with --force")
    if not (folder / SUMS).is_file():  # a mistyped folder with somebody's work in it stays
        raise InputError(f"{folder} holds no conversion (no file {SUMS}), so it is not replaced")
