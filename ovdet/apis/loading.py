"""load: from a zoo name, a config and a checkpoint, or a folder, to a model ready for use."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ovdet.apis import zoo
from ovdet.apis.described import is_saved, read_described
from ovdet.apis.fetching import fetch_detector
from ovdet.apis.inputs import pick_device
from ovdet.apis.model import PRECISIONS, Model, Settings
from ovdet.apis.pairs import join_pair, refuse_half, split_pair
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
    offline: bool = False,
) -> Model:
    """Load a detector or a segmentor.

    Args:
        model: A name in the zoo, a config file, a folder that ``ovdet finetune`` wrote, or one in
            transformers' format (config.json and safetensors); or two of them as ``A+B``: a
            detector A whose boxes B, a folder of SAM, SAM 2 or SAM 3, turns into masks, or masks
            that a folder A (Mask2Former, MaskFormer, OneFormer) proposes and a file or folder B of
            a CLIP names. A model that others have released (``owlv2-base``) is fetched into the
            cache at first. A config of mmdet's is ``mmdet:FILE.py``, or
            ``mmdet::folder/file.py`` if mmdet brings it along. ``ovdet-tiny``, the small model
            that comes with ovdet, when None.
        checkpoint: Weights for a config file (``.pth`` or ``.safetensors``); a zoo model brings
            its own, and a config that trains nothing (``train = None``) needs none. Of ``A+B`` it
            is A's.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ...
        cache_dir: Where text embeddings are kept; ``OVDET_CACHE`` or the user's cache folder when
            None.
        precision: What it computes in: ``float32``, ``bfloat16`` or ``float16``.
        offline: Fetch nothing; so does ``OVDET_OFFLINE=1``.

    Pictures go in at the size that the config's ``predict`` names, else at that of the ``Resize``
    with which it measures; mmdet's configs prepare them by their own test pipeline.

    Raises:
        InputError: If there is no such model, its files are damaged, a config that trains comes
            without a checkpoint, a folder holds no architecture that is known, a released model
            cannot be fetched or is no detector, or the device or the precision is not there.
    """
    if (pair := split_pair(model)) is not None:
        kept: Any = {"device": device, "cache_dir": cache_dir}
        alone = partial(load, checkpoint=checkpoint, offline=offline, **kept)
        _refuse_weights(pair[0], checkpoint)
        return _load_pair(pair, alone, precision=precision, **kept)
    chosen = pick_device(device)
    if str(model).startswith(_MMDET):
        return _load_mmdet(str(model), checkpoint, chosen, precision)
    folder = None if model is None else _folder(model, offline=offline)
    _refuse_weights(folder or model or zoo.DEFAULT, checkpoint)
    if folder is not None:
        return _load_folder(folder, chosen, cache_dir, precision)
    ready = _load_config(model or zoo.DEFAULT, checkpoint, chosen, cache_dir, precision)
    if model is None:
        _LOG.warning(
            "using %s, the small model that comes with ovdet; stronger ones: `ovdet models list`",
            zoo.DEFAULT,
        )
    return ready


def _load_config(
    model: str | Path,
    checkpoint: str | Path | None,
    device: torch.device,
    cache_dir: str | Path | None,
    precision: str,
) -> Model:
    # The engine brings mmengine's runner along, which takes a second to import.
    from ovdet.engine.checkpoints import load_weights

    described = read_described(model, checkpoint)
    detector = _build(described.facts["model"], described.config)
    if described.weights is not None:
        load_weights(detector, described.weights)
    _keep_text(detector, cache_dir)
    return Model(detector, described.settings, device, described.name, precision)


def _build(facts: Any, config: Path) -> Any:
    """Return the model of a config; refuse one that neither detects nor segments."""
    detector = build(facts, "model")
    if not (hasattr(detector, "predict") or hasattr(detector, "segment")):
        kind = type(detector).__name__
        raise InputError(f"{config}: its model is a {kind}, not a detector or a segmentor")
    return detector


def _refuse_weights(model: str | Path, checkpoint: str | Path | None) -> None:
    if checkpoint is not None and Path(model).is_dir():
        raise InputError(f"{model}: a folder brings its weights, leave checkpoint out")


def _load_pair(
    pair: tuple[str, str],
    alone: Callable[[str], Model],
    *,
    device: str,
    cache_dir: str | Path | None,
    precision: str,
) -> Model:
    module, settings, name = join_pair(*pair, alone)
    _keep_text(module, cache_dir)
    return Model(module, settings, pick_device(device), name, precision)


def _folder(model: str | Path, *, offline: bool) -> Path | None:
    """Return the folder of another's model; None for configs, the zoo's and our own folders."""
    if is_saved(model):
        return None
    if Path(model).is_dir():
        return Path(model)
    if Path(model).suffix == ".py":
        return None
    entry = zoo.find(str(model))
    return fetch_detector(entry, offline=offline) if isinstance(entry, zoo.Release) else None


def _load_folder(
    path: Path, device: torch.device, cache_dir: str | Path | None, precision: str
) -> Model:
    from ovdet.adapters import load_folder

    module: Any = load_folder(path)
    refuse_half(module, path)
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
    while hasattr(slot, "text"):  # learnt vectors of some names stand before it
        slot = slot.text
    if cache_dir is not None and hasattr(slot, "bank"):
        slot.bank = Bank(slot.encoder, slot.bank.templates, cache_dir)
