"""Fields of entries that come from a JSON file: given back with their type, or refused by name."""

import math
from collections.abc import Sequence
from typing import Any

from ovdet.structures import InputError


def whole(entry: Any, key: str, where: str) -> int:
    """Return the whole number that an entry has under a key.

    Args:
        entry: What should be an object.
        key: The field.
        where: How a message calls the entry, such as ``result 3``.

    Raises:
        InputError: If the entry is no object, or the field is no whole number of 64 bits.
    """
    value = field(entry, key, where)
    if type(value) is not int or abs(value) >= 2**63:
        raise InputError(f"{where} must have a whole number '{key}', got {brief(value)}")
    return value


def finite(entry: Any, key: str, where: str) -> float:
    """Return the finite number that an entry has under a key; arguments as :func:`whole`.

    Raises:
        InputError: If the entry is no object, or the field is no finite number.
    """
    value = field(entry, key, where)
    if not _is_number(value):
        raise InputError(f"{where} must have a finite number '{key}', got {brief(value)}")
    return float(value)


def box(entry: Any, where: str) -> list[float]:
    """Return the ``bbox`` of an entry: x, y, width, height; ``where`` as :func:`whole`.

    Raises:
        InputError: If the entry is no object, or its box is not four finite numbers with sides of
            0 or more.
    """
    value = field(entry, "bbox", where)
    fits = isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))
    if not fits or min(value[2:]) < 0:
        raise InputError(
            f"{where} must have a 'bbox' of four finite numbers x, y, width, height with sides of "
            f"0 or more, got {brief(value)}"
        )
    return [float(side) for side in value]


def items(entry: Any, key: str, where: str) -> list[Any]:
    """Return the list that an entry has under a key; arguments as :func:`whole`.

    Raises:
        InputError: If the entry is no object, or the field is no list.
    """
    value = field(entry, key, where)
    if not isinstance(value, list):
        raise InputError(f"{where} must have a list '{key}', got {brief(value)}")
    return value


def field(entry: Any, key: str, where: str) -> Any:
    """Return what an entry has under a key, or None; arguments as :func:`whole`.

    Raises:
        InputError: If the entry is no object.
    """
    if not isinstance(entry, dict):
        raise InputError(f"{where} must be an object, got {brief(entry)}")
    return entry.get(key)


def refuse(problems: Sequence[str]) -> None:
    """Raise for the first of some problems and say how many more there are; none is fine.

    Raises:
        InputError: If there is one.
    """
    if problems:
        raise InputError(f"{problems[0]}{more(len(problems))}")


def more(count: int) -> str:
    """Return what a message says after the first of ``count`` problems."""
    return f" (and {count - 1} more)" if count > 1 else ""


def brief(value: Any) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e15 and math.isfinite(value)
