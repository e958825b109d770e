"""The model zoo: ``model_zoo/<name>.yml``, for our own models beside ``<name>.safetensors``.

A model that others have released says instead where it is to be had; ``fetching.py`` fetches it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ovdet.apis.keymaps import KeyMap
from ovdet.structures import InputError
from ovdet.structures.files import zoo_folder

DEFAULT = "ovdet-tiny"
FORMATS = {
    "transformers": "a folder in transformers' format, which load() opens",
    "clip": "CLIP's two towers, for a config's weights=",
    "other": "another package's checkpoint",
}
USES = ("free", "non-commercial", "unclear")
SOURCES = ("hub", "url", "page")
_HASH = re.compile("[0-9a-f]{64}")
_KEYS = ("name", "config", "weights", "sha256")


@dataclass(frozen=True)
class Card:
    """What people want to know of a model before they take it.

    Attributes:
        about: One line.
        licence: In words, with whose it is.
        use: ``free`` where the licence allows any use, ``non-commercial``, or ``unclear`` where the
            owners say nothing or what they say does not agree.
        tasks: What it can do.
        figures: One line each: data and protocol, the value, who says so.
        size: MB of its weights, as whoever keeps them states it; None where it is not known.
        paper: Its address.
        note: What else must be known.
    """

    about: str = ""
    licence: str = ""
    use: str = "unclear"
    tasks: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    size: int | None = None
    paper: str = ""
    note: str = ""


@dataclass(frozen=True)
class ZooEntry:
    """One of our own models, whose weights lie in the zoo.

    Attributes:
        name: What users call it.
        config: The config file that describes it.
        weights: The safetensors file.
        sha256: What the weights must hash to.
        card: What people want to know.
    """

    name: str
    config: Path
    weights: Path
    sha256: str
    card: Card = field(default_factory=Card)

    def check(self) -> None:
        """Check that the weights are those the entry speaks of.

        Raises:
            InputError: If the file is missing or its sha256 differs.
        """
        check_hash(self.weights, self.sha256, f"{self.name}.yml")


@dataclass(frozen=True)
class Release:
    """A model that others have released.

    Attributes:
        name: What users call it.
        format: One of ``FORMATS``.
        source: One of ``SOURCES``: a model of the Hugging Face hub, the address of a file, or the
            page where people get it by hand.
        address: The hub's id, or the address.
        file: The weights' name; empty for a whole folder of the hub.
        sha256: What the file must hash to; None where it is not known.
        card: What people want to know.
        keys: How its names become ours; None where nothing here is of its architecture.
    """

    name: str
    format: str
    source: str
    address: str
    file: str
    sha256: str | None
    card: Card
    keys: KeyMap | None = None


def hash_file(path: Path) -> str:
    """Return a file's sha256 in hexadecimal.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def check_hash(path: Path, expected: str, who: str) -> None:
    """Check a file's sha256.

    Args:
        path: The file.
        expected: In hexadecimal.
        who: Who says so.

    Raises:
        InputError: If the file cannot be read or hashes to something else.
    """
    found = hash_file(path)
    if found != expected:
        raise InputError(
            f"{path}: sha256 must be {expected[:12]}... as {who} says, got {found[:12]}...; the "
            "file is damaged or not the one that was released"
        )


def names() -> list[str]:
    """Return the names of all models of the zoo, sorted.

    Raises:
        InputError: If there is no zoo.
    """
    return sorted(entry.stem for entry in zoo_folder().glob("*.yml"))


def find(name: str) -> ZooEntry | Release:
    """Return the entry of a model.

    Raises:
        InputError: If the zoo has no such model, or its entry lacks a key or a file.
    """
    folder = zoo_folder()
    path = folder / f"{name}.yml"
    if Path(name).name != name or not path.is_file():
        from ovdet.adapters import ARCHITECTURES  # whoever names a model it has need not wait

        raise InputError(
            f"model must be in the zoo ({', '.join(names()) or 'none'}), a config file or a folder "
            f"in transformers' format ({', '.join(sorted(ARCHITECTURES))}), got {name!r}"
        )
    facts = _read(path)
    if "format" in facts:
        return _release(facts, path)
    _need(facts, _KEYS, path)
    places = [base / facts["config"] for base in (folder.parent, folder)]
    config = next((place for place in places if place.is_file()), None)
    if config is None:
        raise InputError(f"{path}: its config {facts['config']} is not beside the zoo")
    weights = folder / Path(facts["weights"]).name
    return ZooEntry(facts["name"], config, weights, facts["sha256"], _card(facts, path))


def _release(facts: dict[str, Any], path: Path) -> Release:
    _need(facts, ("name", "format"), path)
    if facts["format"] not in FORMATS:
        raise InputError(f"{path}: format must be one of {list(FORMATS)}, got {facts['format']!r}")
    said = [source for source in SOURCES if source in facts]
    if len(said) != 1:
        raise InputError(f"{path}: must name one of {list(SOURCES)}, got {said}")
    (source,) = said
    _need(facts, (source,), path)
    address = facts[source]
    if source != "hub" and not address.startswith(("https://", "http://")):
        raise InputError(f"{path}: {source} must begin with https://, got {address!r}")
    file = "" if source == "hub" else str(facts.get("file") or address.rpartition("/")[2])
    sha256 = facts.get("sha256")
    if sha256 is not None and not _HASH.fullmatch(str(sha256)):
        raise InputError(f"{path}: sha256 must be 64 hexadecimal digits, got {sha256!r}")
    return Release(
        name=facts["name"],
        format=facts["format"],
        source=source,
        address=address,
        file=file,
        sha256=sha256,
        card=_card(facts, path),
        keys=_keys(facts.get("keys"), path),
    )


def _keys(said: Any, path: Path) -> KeyMap | None:
    if said is None:
        return None
    try:
        return KeyMap(said["tower"], dict(said["take"]), tuple(said["leave"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: keys must hold tower, take and leave: {error}") from error


def _card(facts: Mapping[str, Any], path: Path) -> Card:
    use = facts.get("use", Card.use)
    if use not in USES:
        raise InputError(f"{path}: use must be one of {list(USES)}, got {use!r}")
    return Card(
        about=_line(facts.get("about")),
        licence=_line(facts.get("licence")),
        use=use,
        tasks=_lines(facts.get("tasks")),
        figures=_lines(facts.get("figures")),
        size=facts.get("size"),
        paper=_line(facts.get("paper")),
        note=_line(facts.get("note")),
    )


def _line(value: Any) -> str:
    return " ".join(str(value or "").split())


def _lines(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value] if value else []
    return tuple(_line(item) for item in listed)


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: is not a readable zoo entry: {type(error).__name__}") from error
    if not isinstance(facts, dict):
        raise InputError(f"{path}: must be a mapping, got {type(facts).__name__}")
    return facts


def _need(facts: Mapping[str, Any], keys: tuple[str, ...], path: Path) -> None:
    for key in keys:
        if not isinstance(facts.get(key), str):
            raise InputError(f"{path}: must have the text {key!r}, got {facts.get(key)!r}")
