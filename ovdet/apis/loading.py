"""load: from a name in the zoo, or a config and a checkpoint, to a model ready for use."""

import logging
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ovdet.apis import zoo
from ovdet.apis.model import Model, Settings, pick_device
from ovdet.registry import build
from ovdet.structures import InputError
from ovdet.text.bank import Bank

_LOG = logging.getLogger("ovdet")


def load(
    model: str | Path | None = None,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    cache_dir: str | Path | None = None,
) -> Model:
    """Load a detector.

    Args:
        model: A name in the zoo, or a config file; ``ovdet-tiny``, the small model that comes
            with ovdet, when None.
        checkpoint: Weights for a config file (``.pth`` or ``.safetensors``); a zoo model brings
            its own.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ...
        cache_dir: Where text embeddings are kept; ``OVDET_CACHE`` or the user's cache folder when
            None.

    Raises:
        InputError: If there is no such model, its files are damaged, a config comes without a
            checkpoint, or the device is not there.
    """
    from ovdet.engine.checkpoints import load_weights

    chosen = pick_device(device)
    if model is None:
        _LOG.warning(
            "using %s, the small model that comes with ovdet; for a strong one train a config of "
            "configs/methods on your data and give model=CONFIG, checkpoint=FILE",
            zoo.DEFAULT,
        )
    config, weights, name = _files(model or zoo.DEFAULT, checkpoint)
    facts = read_config(config)
    detector = build(_to_plain(facts["model"]), "model")
    if not hasattr(detector, "predict"):
        raise InputError(f"{config}: its model is a {type(detector).__name__}, not a detector")
    load_weights(detector, weights)
    if cache_dir is not None:
        slot = detector.text
        slot.bank = Bank(slot.encoder, slot.bank.templates, cache_dir)
    return Model(detector, _settings(facts, config), chosen, name)


def read_config(path: Path) -> Any:
    """Return a config file's content.

    Raises:
        InputError: If it is missing, is not a config or describes no model.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such config file")
    try:
        config = Config.fromfile(str(path))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, NameError) as error:
        raise InputError(f"{path}: is not a readable config: {error}") from error
    if "model" not in config:
        raise InputError(f"{path}: must describe a model under the key 'model'")
    return config


def _files(model: str | Path, checkpoint: str | Path | None) -> tuple[Path, Path, str]:
    """Return the config, the weights and the name of what was asked for."""
    if Path(model).suffix != ".py":
        if checkpoint is not None:
            raise InputError(f"checkpoint goes with a config file, got the zoo's {str(model)!r}")
        entry = zoo.find(str(model))
        entry.check()
        return entry.config, entry.weights, entry.name
    if checkpoint is None:
        raise InputError(f"{model}: a config needs its weights, give checkpoint=FILE too")
    return Path(model), Path(checkpoint), Path(model).stem


def _settings(config: Any, path: Path) -> Settings:
    try:
        return Settings(**config.get("predict", {}))
    except TypeError as error:
        raise InputError(f"{path}: predict: {error}") from error


def _to_plain(value: Any) -> Any:
    """Return mmengine's dictionaries as plain ones."""
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_plain(item) for item in value)
    return value
