"""Results as they come: files of JSON lines, one line a picture, whole or nobody's.

A record is ``{"index", "size": [H, W], "objects": [...]}`` with COCO results in px of the upright
picture, or ``{"index", "bad": reason}``. Each run appends to a file of its own, so that nothing is
ever written behind a torn line.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from ovdet.labelling.plan import PARTS, Plan

Record = dict[str, Any]
Block = tuple[int, ...]  # places of pictures in the plan

_UNKNOWN, _BAD, _GOOD = 0, 1, 2


@dataclass(frozen=True)
class Labelled:
    """A picture and what was found in it.

    Attributes:
        index: Its place in the plan, from 0 on.
        name: Its path below the plan's folder, with ``/``.
        size: (height, width), px, upright.
        objects: COCO results, best first, in px of the upright picture.
    """

    index: int
    name: str
    size: tuple[int, int]
    objects: list[Record]


class PartWriter:
    """The file of results of one run; a context that closes it.

    Args:
        plan: The plan.

    Raises:
        OSError: If it cannot be written.
    """

    def __init__(self, plan: Plan) -> None:
        folder = plan.out / PARTS
        folder.mkdir(exist_ok=True)
        run = 1 + max((int(path.stem.rpartition("-")[2]) for path in plan.parts), default=0)
        self._file = (folder / f"{plan.id}-{run:05d}.jsonl").open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, records: Iterable[Record]) -> None:
        """Append records; they are the system's when this returns, whatever becomes of us."""
        lines = [json.dumps(record, separators=(",", ":")) + "\n" for record in records]
        self._file.write("".join(lines).encode())
        self._file.flush()


class Parts:
    """What is there of a plan's results; 17 bytes a picture are held, the rest stays on disk.

    A picture that was done twice counts once, the first time; one that could not be read and later
    could counts as read.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Plan) -> None:
        count = len(plan.task.pictures)
        self.plan = plan
        self._files = plan.parts
        self._state = np.full(count, _UNKNOWN, np.uint8)
        self._file = np.zeros(count, np.int64)
        self._offset = np.zeros(count, np.int64)
        for number, path in enumerate(self._files):
            self._scan(number, path)

    def __len__(self) -> int:
        """Return how many pictures were labelled."""
        return int((self._state == _GOOD).sum())

    @property
    def finished(self) -> bool:
        """Whether each picture was labelled, or at least tried."""
        return bool((self._state != _UNKNOWN).all())

    def todo(self) -> list[Block]:
        """Return the blocks to be done: unfinished ones whole, else what of them was bad.

        Blocks lie at multiples of the batch, so that a picture passes the model in the same
        company however often the work was interrupted.
        """
        blocks: list[Block] = []
        size = self.plan.task.batch
        open_ones = np.flatnonzero(self._state != _GOOD) // size
        for number in dict.fromkeys(open_ones.tolist()):
            places = range(number * size, min((number + 1) * size, len(self._state)))
            states = self._state[places.start : places.stop]
            if (states == _UNKNOWN).any():
                blocks.append(tuple(places))
            else:
                blocks.append(tuple(i for i in places if self._state[i] == _BAD))
        return blocks

    def __iter__(self) -> Iterator[Labelled]:
        """Yield the pictures that were labelled, in the plan's order."""
        for record in self._records(_GOOD):
            index = int(record["index"])
            height, width = record["size"]
            name = self.plan.task.pictures[index]
            yield Labelled(index, name, (height, width), record["objects"])

    def bad(self) -> Iterator[tuple[str, str]]:
        """Yield name and reason of the pictures that could not be, in the plan's order."""
        for record in self._records(_BAD):
            yield self.plan.task.pictures[record["index"]], record["bad"]

    def _records(self, state: int) -> Iterator[Record]:
        file: IO[bytes] | None = None
        number = -1
        try:
            for index in np.flatnonzero(self._state == state).tolist():
                if file is None or number != self._file[index]:
                    if file is not None:
                        file.close()
                    number = int(self._file[index])
                    file = self._files[number].open("rb")
                file.seek(self._offset[index])
                yield json.loads(file.readline())
        finally:
            if file is not None:
                file.close()

    def _scan(self, number: int, path: Path) -> None:
        offset = 0
        with path.open("rb") as file:
            for line in file:
                record = _parse(line)
                if record is not None:
                    self._note(record, number, offset)
                offset += len(line)

    def _note(self, record: Record, number: int, offset: int) -> None:
        index = record["index"]
        state = _BAD if "bad" in record else _GOOD
        if 0 <= index < len(self._state) and state > self._state[index]:
            self._state[index] = state
            self._file[index], self._offset[index] = number, offset


def _parse(line: bytes) -> Record | None:
    """Return the record of a line, or None for one that was torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:  # a machine that lost its power leaves zeros
        return None
    return record if isinstance(record, dict) and "index" in record else None
