"""Config files and what the command line changes in them."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ovdet.structures import InputError

SECTIONS = ("model", "train", "val", "optim", "seed", "hooks", "work_dir")

# What running a broken Python file may raise; everything else is a fault of ours.
_CONFIG_ERRORS = (
    SyntaxError,
    NameError,
    AttributeError,
    ArithmeticError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
    OSError,
    RecursionError,
)


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config file and its bases.

    Args:
        path: A Python config of mmengine's kind.
        options: Entries to change, by dotted key: ``{"optim.lr": 0.001}``.

    Raises:
        InputError: If the file or one of its bases is missing or is not a config, or an option's
            key is not of the config.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such config file")
    try:
        config = Config.fromfile(str(path))
    except _CONFIG_ERRORS as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: is not a config: {type(error).__name__}: {said}") from error
    for key in options or {}:
        first = key.split(".")[0]
        if first not in config and first not in SECTIONS:
            raise InputError(f"{path}: has no entry '{first}' to change ({key})")
    try:
        config.merge_from_dict(dict(options or {}))
    except _CONFIG_ERRORS as error:
        raise InputError(f"{path}: cannot take the options: {error}") from error
    return config


def parse_options(words: Sequence[str]) -> dict[str, Any]:
    """Return ``key=value`` words as entries; values are Python literals, else text.

    Raises:
        InputError: If a word has no ``=`` or no key.
    """
    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (equals and key):
            raise InputError(f"options must be key=value, got {word!r}")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return options


def to_plain(value: Any) -> Any:
    """Return a config's dictionaries and lists as plain ones."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_plain(item) for item in value)
    return value
