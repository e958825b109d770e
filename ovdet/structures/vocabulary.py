"""Vocabulary: the names a model is asked for, and all that is known about them."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovdet.structures.errors import InputError
from ovdet.structures.files import atomic_write, read_json

if TYPE_CHECKING:
    from ovdet.structures.tables import Table  # needs torch, which most who name classes do not

BASES = ("labels", "suggestion")
_FREQUENCIES = {"f", "c", "r"}
_FACTS = ("names", "synonyms", "descriptions", "novel", "frequency", "ids")
_SCORES = ("thresholds", "temperature", "basis")  # written where somebody has found them out
_KINDS = {
    "names": str,
    "descriptions": str,
    "novel": bool,
    "frequency": str,
    "ids": int,
    "thresholds": float,
}


@dataclass(frozen=True)
class Vocabulary:
    """C class names, in order, with optional facts about each.

    Names are kept exactly as given: they are the labels that come back.

    Attributes:
        names: C distinct names, none blank.
        synonyms: For each class the other words that mean it; empty when there are none.
        descriptions: For each class a sentence or an empty string; empty when there are none.
        novel: For each class whether it is held out of training; empty means none is.
        frequency: For each class ``f``, ``c`` or ``r`` (LVIS); empty when unknown.
        ids: For each class its id in the data set's own files; empty means 1 to C.
        table: Embeddings of the classes to be used in place of what a text tower says of their
            names; None where the tower is to be asked. It is not written to files.
        groups: For each class a number that all which mean the same have in common: of them the
            best one counts, where classes share a probability of 1. Empty where each is by itself.
            Not written to files.
        thresholds: For each class the least score, in [0, 1], from which on it is believed; empty
            where the model's own threshold is.
        temperature: What the logits of a model's scores are divided by, so that a score is the
            share of such detections that are right; 1 leaves scores as they are.
        basis: What thresholds and temperature rest on: ``labels``, or ``suggestion`` where nobody
            has compared them with a picture; empty without them.

    Raises:
        InputError: If there is no name, a name is blank or stands twice, a fact's list or the table
            does not have C entries, a threshold lies outside [0, 1], or the temperature is not
            above 0.
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()
    descriptions: tuple[str, ...] = ()
    novel: tuple[bool, ...] = ()
    frequency: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    table: "Table | None" = None
    groups: tuple[int, ...] = ()
    thresholds: tuple[float, ...] = ()
    temperature: float = 1.0
    basis: str = ""

    def __post_init__(self) -> None:
        _check_names(self.names)
        for fact in (*_FACTS[1:], "groups", "thresholds"):
            count = len(getattr(self, fact))
            if count not in {0, len(self.names)}:
                raise InputError(
                    f"{fact} must have one entry a class or none, got {count} for "
                    f"{len(self.names)} classes"
                )
        if self.table is not None and len(self.table) != len(self.names):
            raise InputError(
                f"{self.table.place}: must have one row a class, got {len(self.table)} for "
                f"{len(self.names)} classes"
            )
        if unknown := set(self.frequency) - _FREQUENCIES:
            raise InputError(f"frequency must be f, c or r, got {sorted(unknown)}")
        if len(set(self.ids)) != len(self.ids):
            raise InputError("ids must be distinct, got one twice")
        _check_scores(self.thresholds, self.temperature)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, names: Sequence[str]) -> "Vocabulary":
        """Return the vocabulary of plain names.

        Raises:
            InputError: If ``names`` is a bare string, or the names are not usable.
        """
        if isinstance(names, str):
            raise InputError(f"classes must be a list of names, got the bare string {names!r}")
        return cls(tuple(names))

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read a vocabulary from its JSON file.

        Raises:
            InputError: If the file is not a vocabulary; the message names the file and the key.
        """
        path = Path(path)
        record = read_json(path)
        if not isinstance(record, dict) or not isinstance(record.get("names"), list):
            raise InputError(f"{path}: must be an object with a list 'names'")
        if unknown := set(record) - {*_FACTS, *_SCORES}:
            raise InputError(f"{path}: unknown keys {sorted(unknown)}")
        try:
            _check_kinds(record)
            return cls(**{key: _freeze(value) for key, value in record.items()})
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the vocabulary as JSON; a reader sees the old file or the new one.

        Raises:
            OSError: If the file cannot be written.
        """
        facts = {name: getattr(self, name) for name in _FACTS}
        if self.basis:
            facts |= {name: getattr(self, name) for name in _SCORES}
        text = json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True)
        # Names from a command line may hold what is no UTF-8; as an escape JSON knows it too.
        atomic_write(Path(path), (text + "\n").encode("utf-8", "backslashreplace"))

    def pick(self, rows: Sequence[int]) -> "Vocabulary":
        """Return the classes at ``rows``, in that order, with all that is known about them."""
        return Vocabulary(**self._picked(rows))

    def _picked(self, rows: Sequence[int]) -> dict[str, Any]:
        facts: dict[str, Any] = {
            name: tuple(fact[row] for row in rows) if (fact := getattr(self, name)) else ()
            for name in (*_FACTS, "groups", "thresholds")
        }
        facts |= {"temperature": self.temperature, "basis": self.basis}
        return facts | {"table": None if self.table is None else self.table.pick(rows)}

    def with_table(self, array: Any, place: str = "the table") -> "Vocabulary":
        """Return the vocabulary with embeddings of its classes, to be used in place of a tower's.

        Args:
            array: [C, D], floating-point, of any norms: an array, a tensor, or another vocabulary
                with a table, whose rows are taken by name.
            place: What messages call it.

        Raises:
            InputError: If the array cannot be a table of these names, as ``make_table`` checks it,
                or the other vocabulary has no table or lacks one of the names.
        """
        from ovdet.structures.tables import find_rows, make_table

        if not isinstance(array, Vocabulary):
            return replace(self, table=make_table(array, self.names, place))
        if array.table is None:
            raise InputError(f"{place}: the vocabulary given for it has no table")
        rows = find_rows(self.names, array.names, array.table.place)
        return replace(self, table=array.table.pick(rows))

    @property
    def novel_mask(self) -> tuple[bool, ...]:
        """For each of the C classes, whether it is novel."""
        return self.novel or (False,) * len(self.names)

    @property
    def category_ids(self) -> tuple[int, ...]:
        """For each of the C classes, the id it has in the data set's files."""
        return self.ids or tuple(range(1, len(self.names) + 1))

    def words(self) -> tuple[tuple[str, ...], ...]:
        """For each class, its name followed by its synonyms."""
        others = self.synonyms or ((),) * len(self.names)
        return tuple((name, *more) for name, more in zip(self.names, others, strict=True))


def _check_names(names: tuple[str, ...]) -> None:
    if not names:
        raise InputError("classes must hold at least one name, got none")
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise InputError(f"class {i} must be text, got {type(name).__name__}")
        if not name.strip():
            raise InputError(f"class {i} must not be blank, got {name!r}")
    if len(set(names)) != len(names):
        first = next(name for i, name in enumerate(names) if name in names[:i])
        raise InputError(f"classes must be distinct, got {first!r} twice")


def _check_scores(thresholds: tuple[float, ...], temperature: float) -> None:
    for i, value in enumerate(thresholds):
        if not 0 <= value <= 1:
            raise InputError(f"thresholds[{i}] must lie in [0, 1], got {value}")
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature must be a number above 0, got {temperature}")


def _check_kinds(record: dict[str, Any]) -> None:
    _check_written(record)
    for key, values in record.items():
        if key in {"temperature", "basis"}:
            continue
        if not isinstance(values, list):
            raise InputError(f"{key} must be a list, got {type(values).__name__}")
        for i, value in enumerate(values):
            if key == "synonyms":
                if not (isinstance(value, list) and all(isinstance(word, str) for word in value)):
                    raise InputError(f"synonyms[{i}] must be a list of texts, got {value!r}")
            elif not _is_a(value, _KINDS[key]):
                raise InputError(f"{key}[{i}] must be {_KINDS[key].__name__}, got {value!r}")


def _check_written(record: dict[str, Any]) -> None:
    """Check what a file says of scores, but for the numbers themselves."""
    if not _is_a(record.get("temperature", 1.0), float):
        raise InputError(f"temperature must be a number, got {record['temperature']!r}")
    if record.get("basis", BASES[0]) not in BASES:
        raise InputError(f"basis must be one of {BASES}, got {record['basis']!r}")
    if set(_SCORES) & set(record) and "basis" not in record:
        raise InputError(f"thresholds and temperature need a basis, one of {BASES}")


def _is_a(value: Any, kind: type) -> bool:
    """Tell whether a value of a file is of a kind; a bool is no int, an int may stand for float."""
    return type(value) is kind or (kind is float and type(value) is int)


def _freeze(value: Any) -> Any:
    return tuple(_freeze(item) for item in value) if isinstance(value, list) else value
