"""Prompt files: YAML that holds all a prompt can, checked key by key; see ``docs/prompts.md``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ovdet.structures.errors import InputError
from ovdet.structures.prompts import Prompt, Prompts, Shown
from ovdet.structures.vocabulary import Vocabulary

T = TypeVar("T")

_TOP = ("prompts", "scores")
_LISTS = ("synonyms", "descriptions", "negatives")
_PROMPT = ("label", *_LISTS, "pictures", "image_share", "named")
_PICTURE = ("file", "boxes")


def read_prompts(path: Path) -> Prompts:
    """Read a prompt file.

    Args:
        path: A YAML file; the files it names are looked for beside it.

    Raises:
        InputError: If it cannot be read, is no YAML, or a value is not what its key wants; the
            message names the file and the key.
    """
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8 text, byte {error.start} is not") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: must be YAML: {said}") from error
    try:
        return _prompts(record, path.parent)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _prompts(record: Any, folder: Path) -> Prompts:
    if not isinstance(record, dict) or not isinstance(record.get("prompts"), list):
        raise InputError("must hold a list under the key 'prompts'")
    _check_keys(record, _TOP, "")
    scores = None
    if "scores" in record:
        scores = Vocabulary.load(folder / _text(record["scores"], "scores"))
    entries = _each(record["prompts"], "prompts", lambda value, key: _prompt(value, key, folder))
    return Prompts(tuple(entries), scores)


def _prompt(value: Any, key: str, folder: Path) -> Prompt:
    if isinstance(value, str):
        value = {"label": value}
    if not isinstance(value, dict) or "label" not in value:
        raise InputError(
            f"{key} must be a name or hold the key 'label', got {value!r}{_hint(value)}"
        )
    _check_keys(value, _PROMPT, f"{key}.")
    facts: dict[str, Any] = {"label": _text(value["label"], f"{key}.label")}
    for name in _LISTS:
        facts[name] = tuple(_each(value.get(name, []), f"{key}.{name}", _text))
    pictures = _each(
        value.get("pictures", []), f"{key}.pictures", lambda one, at: _shown(one, at, folder)
    )
    facts["shown"] = tuple(pictures)
    if "image_share" in value:
        facts["image_share"] = _number(value["image_share"], f"{key}.image_share")
    if not isinstance(value.get("named", True), bool):
        raise InputError(f"{key}.named must be true or false, got {value['named']!r}")
    facts["named"] = value.get("named", True)
    return _placed(key, lambda: Prompt(**facts))


def _shown(value: Any, key: str, folder: Path) -> Shown:
    if isinstance(value, str):
        value = {"file": value}
    if not isinstance(value, dict) or "file" not in value:
        raise InputError(f"{key} must be a file or hold the key 'file', got {value!r}")
    _check_keys(value, _PICTURE, f"{key}.")
    file = folder / _text(value["file"], f"{key}.file")
    boxes = _each(
        value.get("boxes", []), f"{key}.boxes", lambda box, at: tuple(_each(box, at, _number))
    )
    return _placed(key, lambda: Shown(file, tuple(boxes)))


def _placed(key: str, make: Callable[[], T]) -> T:
    """Return what ``make`` gives; what it complains of is of ``key``."""
    try:
        return make()
    except InputError as error:
        raise InputError(f"{key}: {error}") from error


def _each(values: Any, key: str, read: Callable[[Any, str], Any]) -> list[Any]:
    if not isinstance(values, list):
        raise InputError(f"{key} must be a list, got {values!r}")
    return [read(value, f"{key}[{i}]") for i, value in enumerate(values)]


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{key} must be text, got {value!r}{_hint(value)}")
    return value


def _hint(value: Any) -> str:
    """Say what turns a word that YAML takes for something else into text."""
    return "" if isinstance(value, list | dict) or value is None else ": put it in quotes"


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{key} must be a number, got {value!r}")
    return float(value)


def _check_keys(record: dict[Any, Any], known: tuple[str, ...], place: str) -> None:
    for key in record:
        if key not in known:
            raise InputError(f"{place}{key} is no key, known are {', '.join(known)}")
