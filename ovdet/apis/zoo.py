"""The model zoo: ``model_zoo/<name>.yml`` beside ``<name>.safetensors``."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ovdet.structures import InputError
from ovdet.structures.files import zoo_folder

DEFAULT = "ovdet-tiny"
_KEYS = ("name", "config", "weights", "sha256")


@dataclass(frozen=True)
class ZooEntry:
    """One model of the zoo.

    Attributes:
        name: What users call it.
        config: The config file that describes it.
        weights: The safetensors file.
        sha256: What the weights must hash to.
    """

    name: str
    config: Path
    weights: Path
    sha256: str

    def check(self) -> None:
        """Check that the weights are those the entry speaks of.

        Raises:
            InputError: If the file is missing or its sha256 differs.
        """
        try:
            with self.weights.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{self.weights}: cannot be read: {error.strerror}") from error
        if found != self.sha256:
            raise InputError(
                f"{self.weights}: sha256 must be {self.sha256[:12]}... as {self.name}.yml says, "
                f"got {found[:12]}...; the file is damaged or not the one that was released"
            )


def find(name: str) -> ZooEntry:
    """Return the entry of a model.

    Raises:
        InputError: If the zoo has no such model, or its entry lacks a key or a file.
    """
    folder = zoo_folder()
    path = folder / f"{name}.yml"
    if Path(name).name != name or not path.is_file():
        from ovdet.adapters import ARCHITECTURES  # whoever names a model it has need not wait

        known = ", ".join(sorted(entry.stem for entry in folder.glob("*.yml"))) or "none"
        raise InputError(
            f"model must be in the zoo ({known}), a config file or a folder in transformers' "
            f"format ({', '.join(sorted(ARCHITECTURES))}), got {name!r}"
        )
    facts = _read(path)
    places = [base / facts["config"] for base in (folder.parent, folder)]
    config = next((place for place in places if place.is_file()), None)
    if config is None:
        raise InputError(f"{path}: its config {facts['config']} is not beside the zoo")
    return ZooEntry(facts["name"], config, folder / Path(facts["weights"]).name, facts["sha256"])


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: is not a readable zoo entry: {type(error).__name__}") from error
    if not isinstance(facts, dict):
        raise InputError(f"{path}: must be a mapping, got {type(facts).__name__}")
    for key in _KEYS:
        if not isinstance(facts.get(key), str):
            raise InputError(f"{path}: must have the text {key!r}, got {facts.get(key)!r}")
    return facts
