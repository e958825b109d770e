"""load: from a zoo name, a config and a checkpoint, or a folder, to a model ready for use."""

import logging
from pathlib import Path
from typing import Any

import torch

from ovdet.apis import zoo
from ovdet.apis.inputs import pick_device
from ovdet.apis.model import PRECISIONS, Model, Settings
from ovdet.registry import build
from ovdet.structures import InputError
from ovdet.text.bank import Bank

_LOG = logging.getLogger("ovdet")
_MMDET = "mmdet:"


def load(
    model: str | Path | None = None,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    cache_dir: str | Path | None = None,
    precision: str = PRECISIONS[0],
) -> Model:
    """Load a detector or a segmentor.

    Args:
        model: A name in the zoo, a config file, or a folder in transformers' format (config.json
            and safetensors), or a config of mmdet's (``mmdet:FILE.py``, ``mmdet::folder/file.py``
            for one that mmdet brings along); ``ovdet-tiny``, the small model that comes with ovdet,
            when None.
        checkpoint: Weights for a config file (``.pth`` or ``.safetensors``); a zoo model brings
            its own, and a config that trains nothing (``train = None``) needs none.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ...
        cache_dir: Where text embeddings are kept; ``OVDET_CACHE`` or the user's cache folder when
            None.
        precision: What it computes in: ``float32``, ``bfloat16`` or ``float16``.

    Pictures go in at the size that the config's ``predict`` names, else at that of the ``Resize``
    with which it measures; mmdet's configs prepare them by their own test pipeline.

    Raises:
        InputError: If there is no such model, its files are damaged, a config that trains comes
            without a checkpoint, a folder holds no architecture that is known, or the device or
            the precision is not there.
    """
    if model is not None and Path(model).is_dir():
        if checkpoint is not None:
            raise InputError(f"{model}: a folder brings its weights, leave checkpoint out")
        return _load_folder(Path(model), pick_device(device), cache_dir, precision)
    if str(model).startswith(_MMDET):
        return _load_mmdet(str(model), checkpoint, pick_device(device), precision)
    # The engine brings mmengine's runner along, which takes a second to import.
    from ovdet.engine.checkpoints import load_weights
    from ovdet.engine.config import load_config

    chosen = pick_device(device)
    config, weights, name = _files(model or zoo.DEFAULT, checkpoint)
    facts = load_config(config).to_dict()
    if "model" not in facts:
        raise InputError(f"{config}: must describe a model under the key 'model'")
    if weights is None and facts.get("train", {}) is not None:
        raise InputError(f"{config}: a config needs its weights, give checkpoint=FILE too")
    detector = _build(facts["model"], config)
    if weights is not None:
        load_weights(detector, weights)
    _keep_text(detector, cache_dir)
    ready = Model(detector, _settings(facts, config), chosen, name, precision)
    if model is None:
        _LOG.warning(
            "using %s, the small model that comes with ovdet; for a strong one train a config of "
            "configs/methods on your data and give model=CONFIG, checkpoint=FILE",
            zoo.DEFAULT,
        )
    return ready


def _build(model: Any, config: Path) -> Any:
    detector = build(model, "model")
    if not (hasattr(detector, "predict") or hasattr(detector, "segment")):
        kind = type(detector).__name__
        raise InputError(f"{config}: its model is a {kind}, not a detector or a segmentor")
    return detector


def _load_folder(
    path: Path, device: torch.device, cache_dir: str | Path | None, precision: str
) -> Model:
    from ovdet.adapters import load_folder

    module: Any = load_folder(path)
    _keep_text(module, cache_dir)
    threshold = getattr(module, "threshold", Settings.threshold)
    settings = Settings(short=None, threshold=threshold)
    return Model(module, settings, device, path.resolve().name, precision)


def _load_mmdet(
    name: str, checkpoint: str | Path | None, device: torch.device, precision: str
) -> Model:
    from ovdet.adapters import load_mmdet

    if checkpoint is None:
        raise InputError(f"{name}: a config needs its weights, give checkpoint=FILE too")
    detector = load_mmdet(name, Path(checkpoint))
    return Model(detector, Settings(short=None), device, Path(name).stem, precision)


def _keep_text(module: Any, cache_dir: str | Path | None) -> None:
    """Have a model's text kept in a folder of the caller's, where it keeps any."""
    slot: Any = getattr(module, "text", None)
    if cache_dir is not None and hasattr(slot, "bank"):
        slot.bank = Bank(slot.encoder, slot.bank.templates, cache_dir)


def _files(model: str | Path, checkpoint: str | Path | None) -> tuple[Path, Path | None, str]:
    """Return the config, the weights if any, and the name of what was asked for."""
    if Path(model).suffix != ".py":
        if checkpoint is not None:
            raise InputError(f"checkpoint goes with a config file, got the zoo's {str(model)!r}")
        entry = zoo.find(str(model))
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
