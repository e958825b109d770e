"""JSON objects too large for memory, read one record at a time.

A COCO file of half a gigabyte would take four as Python objects; here one record is alive at once.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ovdet.structures import InputError

_CHUNK = 1 << 22  # characters read at a time
_BLANK = re.compile(r"[ \t\n\r]*")
_AFTER = frozenset(" \t\n\r,:]}")  # what may stand behind a value
_LONGEST = 1 << 27  # characters of one value: what is longer is no record of a data set


@dataclass(frozen=True)
class Section:
    """One key of the object with what stands under it.

    Attributes:
        key: The key.
        listed: Whether a list stands under it.
        entries: (value, its text in the file) of each element of the list, or of the one value.
            Read in order and before the next section; what is not read is passed over.
    """

    key: str
    listed: bool
    entries: Iterator[tuple[Any, str]]


def read_sections(path: Path, *, chunk: int = _CHUNK) -> Iterator[Section]:
    """Yield the sections of a JSON file that holds one object.

    Args:
        path: The file.
        chunk: Characters read at a time.

    Raises:
        InputError: If the file cannot be read, is not UTF-8 or not one JSON object.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from _sections(_Scanner(file, path, chunk))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text: {error.reason}") from error


def _sections(scanner: "_Scanner") -> Iterator[Section]:
    scanner.take("{")
    if scanner.peek() != "}":
        while True:
            key = scanner.value()[0]
            if not isinstance(key, str):
                scanner.refuse("a key in quotes")
            scanner.take(":")
            listed = scanner.peek() == "["
            entries = _elements(scanner) if listed else iter([scanner.value()])
            yield Section(key, listed, entries)
            for _ in entries:
                pass
            if scanner.peek() != ",":
                break
            scanner.take(",")
    scanner.take("}")
    if scanner.peek():
        scanner.refuse("nothing after the object")


def _elements(scanner: "_Scanner") -> Iterator[tuple[Any, str]]:
    scanner.take("[")
    if scanner.peek() != "]":
        while True:
            yield scanner.value()
            if scanner.peek() != ",":
                break
            scanner.take(",")
    scanner.take("]")


class _Scanner:
    """A window on the file that is filled up as values are taken from its front."""

    def __init__(self, file: TextIO, path: Path, chunk: int) -> None:
        self._file = file
        self._path = path
        self._chunk = chunk
        self._text = ""
        self._at = 0
        self._passed = 0  # characters that have left the window
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """Return the next character that is not blank, empty at the end of the file."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def take(self, character: str) -> None:
        """Pass over a character that must come next."""
        if self.peek() != character:
            self.refuse(repr(character))
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """Return the next value and its text."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._fill():
                    self.refuse(error.msg)
            except RecursionError:
                self.refuse("less deeply nested")
            else:
                # At the window's end a number may go on: "1" of "1.5", or "1.5" of "1.5e3".
                if self._text[end : end + 1] in _AFTER or not self._fill():
                    text = self._text[self._at : end]
                    self._at = end
                    return value, text

    def _fill(self) -> bool:
        """Read on, at least as much as is waiting; tell whether there was more."""
        waiting = self._text[self._at :]
        self._passed += self._at
        if len(waiting) > _LONGEST:
            self.refuse(f"a record of at most {_LONGEST} characters")
        more = self._file.read(max(self._chunk, len(waiting)))
        self._text, self._at = waiting + more, 0
        return bool(more)

    def refuse(self, rule: str) -> None:
        """Say what was expected and where.

        Raises:
            InputError: Always.
        """
        place = self._passed + self._at
        raise InputError(f"{self._path}: must be a JSON object: {rule} (character {place})")
