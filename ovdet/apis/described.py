"""A model of ours on disk: a config that describes it, and its weights.

It comes from the zoo, from a config and a checkpoint that its user names, or from a folder with
both, which :func:`save_model` writes.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ovdet.apis import zoo
from ovdet.apis.model import Settings
from ovdet.structures import InputError, atomic_write

CONFIG, WEIGHTS = "config.py", "weights.safetensors"
"""What a model's own folder holds."""


@dataclass(frozen=True)
class Described:
    """What a model is made from.

    Attributes:
        config: The config file.
        facts: What it holds; ``model`` describes the model.
        weights: The checkpoint; None for a config that trains nothing.
        settings: How the model wants to be used.
        name: What messages call it.
    """

    config: Path
    facts: dict[str, Any]
    weights: Path | None
    settings: Settings
    name: str


def is_saved(folder: str | Path) -> bool:
    """Tell whether a folder holds a model of ours."""
    return (Path(folder) / CONFIG).is_file() and (Path(folder) / WEIGHTS).is_file()


def read_described(model: str | Path, checkpoint: str | Path | None = None) -> Described:
    """Read what a model is made from.

    Args:
        model: A name of the zoo, a config file, or a folder that :func:`save_model` wrote.
        checkpoint: Weights for a config file.

    Raises:
        InputError: If there is no such model of ours, the config describes none, or it needs a
            checkpoint and has none, or the other way round.
    """
    # The engine brings mmengine's runner along, which takes a second to import.
    from ovdet.engine.config import load_config

    config, weights, name = _files(model, checkpoint)
    facts = load_config(config).to_dict()
    if "model" not in facts:
        raise InputError(f"{config}: must describe a model under the key 'model'")
    if weights is None and facts.get("train", {}) is not None:
        raise InputError(f"{config}: a config needs its weights, give checkpoint=FILE too")
    return Described(config, facts, weights, _settings(facts, config), name)


def save_model(
    folder: Path, model: Mapping[str, Any], settings: Settings, weights: Mapping[str, Tensor]
) -> None:
    """Write a model's own folder; its weights come last, so that it is whole once they are there.

    Args:
        folder: Made where it is missing.
        model: Describes the model, in plain values.
        settings: How it wants to be used.
        weights: Its state.

    Raises:
        OSError: If the folder cannot be written.
    """
    from safetensors.torch import save

    lines = ['"""A model of ovdet, written by it; the weights lie beside it."""', ""]
    lines += [f"model = {_literal(model)}", f"predict = {_literal(asdict(settings))}", ""]
    (folder / WEIGHTS).unlink(missing_ok=True)
    atomic_write(folder / CONFIG, "\n".join(lines).encode("utf-8", "backslashreplace"))
    data = save({name: value.detach().cpu().contiguous() for name, value in weights.items()})
    atomic_write(folder / WEIGHTS, data)


def _literal(value: Any) -> str:
    """Return plain values as Python that reads back as the same."""
    json.dumps(value)  # refuses what is not plain
    return _lines(value, "")


def _lines(value: Any, indent: str) -> str:
    deeper = indent + "    "
    if isinstance(value, dict) and value:
        rows = [f"{deeper}{key!r}: {_lines(item, deeper)},\n" for key, item in value.items()]
        return "{\n" + "".join(rows) + indent + "}"
    return ascii(value)


def _files(model: str | Path, checkpoint: str | Path | None) -> tuple[Path, Path | None, str]:
    """Return the config, the weights if any, and the name of what was asked for."""
    if is_saved(model):
        folder = Path(model)
        return folder / CONFIG, folder / WEIGHTS, folder.resolve().name
    if Path(model).suffix != ".py":
        if checkpoint is not None:
            raise InputError(f"checkpoint goes with a config file, got the zoo's {str(model)!r}")
        entry = zoo.find(str(model))
        if isinstance(entry, zoo.Release):
            raise InputError(f"{model}: is a model of others, not one that a config here describes")
        entry.check()
        return entry.config, entry.weights, entry.name
    return Path(model), None if checkpoint is None else Path(checkpoint), Path(model).stem


def _settings(config: Any, path: Path) -> Settings:
    try:
        return Settings(**_measured(config) | config.get("predict", {}))
    except TypeError as error:
        raise InputError(f"{path}: predict: {error}") from error


def _measured(config: Any) -> dict[str, int]:
    """Return the size at which a config measures, where it scales pictures keeping their shape."""
    dataset = (config.get("val") or {}).get("dataset") or {}
    for change in dataset.get("transforms", ()):
        if change.get("type") == "Resize":
            return {"short": change["short"], "max": change["longest"]}
    return {}
