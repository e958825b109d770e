"""From an mmdet config to its detector, with our parts in it, and its weights."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor, nn

from ovdet.adapters.mmdet.configs import class_names, without_downloads
from ovdet.adapters.mmdet.opening import TextWidth, open_config
from ovdet.adapters.mmdet.packages import part_registry
from ovdet.structures import InputError, Vocabulary
from ovdet.structures.weights import read_record, read_weights

_LOG = logging.getLogger("ovdet")
_MASK_FORMERS = ("MaskFormer", "Mask2Former")
_BUFFERS = ("embeddings.position_ids",)  # of BERT, which older transformers kept with its weights


def build_detector(config: Config, width: TextWidth | None, trunk: nn.Module | None) -> nn.Module:
    """Build the model of a config, with weights drawn as mmdet draws them.

    Args:
        config: Of mmdet's kind.
        width: Of the text that its heads are opened to; None keeps its classes.
        trunk: [B, 3, H, W], RGB in [0, 1], to levels, in the place of its backbone.

    Raises:
        InputError: If it is a GLIP with early fusion, or a head cannot be opened.
    """
    from mmengine.registry import DefaultScope

    model = config.model
    if trunk is not None:
        model.backbone = {"type": lambda: trunk}
        model.setdefault("data_preprocessor", {"type": "DetDataPreprocessor"})
        raw = {"mean": [0.0] * 3, "std": [255.0] * 3, "bgr_to_rgb": True, "rgb_to_bgr": False}
        model.data_preprocessor.update(raw)
    without_downloads(model)
    if model.type in _MASK_FORMERS:  # objects are what comes back, not a panorama
        model.test_cfg.update(instance_on=True, panoptic_on=False, semantic_on=False)
    if width is not None:
        open_config(model, width)
    if (model.get("bbox_head") or {}).get("early_fuse"):
        raise InputError(
            "a GLIP with early_fuse is built on the inside of BERT as transformers 4 had it; "
            "GLIP-T (A) and Grounding DINO are not"
        )
    with DefaultScope.overwrite_default_scope("mmdet"):
        built: nn.Module = part_registry().build(model)
    _start(built)
    return built


def _start(detector: Any) -> None:
    """Draw the weights as mmdet does, without its line for each of them on the screen or in files.

    It writes past a file's handler, which fails where logging was configured anew since, as a web
    server does: that closes the files of all handlers.
    """
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level, handlers = logger.level, logger.handlers
    logger.setLevel(logging.WARNING)
    logger.handlers = []
    try:
        detector.init_weights()
    finally:
        logger.setLevel(level)
        logger.handlers = handlers


def own_classes(
    detector: nn.Module, config: Config, names: Sequence[str] | None, weights: Path | None
) -> Vocabulary:
    """Return the classes of a closed model: those given, else its weights', else its data set's.

    Raises:
        InputError: If there are none, or not as many as the model has classes.
    """
    told = names or (weights and _names_beside(weights)) or class_names(config)
    place = Path(str(config.filename)).name
    if not told:
        raise InputError(f"{place}: tells no class names: give names=[...]")
    counts = {
        module.num_classes
        for name, module in detector.named_modules()
        if isinstance(getattr(module, "num_classes", None), int) and "rpn_head" not in name
    }
    things = {m.num_things_classes for m in detector.modules() if hasattr(m, "num_things_classes")}
    if counts and len(told) not in counts | things:
        raise InputError(
            f"{place}: names must be one for each of the model's {max(counts)} classes, "
            f"got {len(told)}"
        )
    return Vocabulary.of(list(told))


def _names_beside(weights: Path) -> tuple[str, ...]:
    """Return the class names that a checkpoint of mmdet 3 or 2 keeps; none where it keeps none."""
    record = read_record(weights)
    meta = record.get("meta") if isinstance(record, dict) else None
    if not isinstance(meta, dict):
        return ()
    data = meta.get("dataset_meta") or {}
    names = data.get("classes") or data.get("CLASSES") or meta.get("CLASSES") or ()
    return (names,) if isinstance(names, str) else tuple(str(name) for name in names)


def fill_detector(detector: nn.Module, path: Path, changed: tuple[str, ...]) -> None:
    """Fill a detector with mmdet's weights.

    Args:
        detector: As built.
        path: The file.
        changed: How the names of weights begin that may differ or be missing, and start anew then.

    Raises:
        InputError: If others differ.
    """
    read = read_weights(path)
    weights = {key: value for key, value in read.items() if not key.endswith(_BUFFERS)}
    own: dict[str, Tensor] = detector.state_dict()
    fit = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    wrong = [k for k in {**own, **weights} if k not in fit and not k.startswith(changed or ("\0",))]
    if wrong:
        kind = type(detector).__name__
        raise InputError(
            f"{path}: is not this {kind}: {len(wrong)} weights differ, {wrong[0]} first"
        )
    detector.load_state_dict(fit, strict=False)
    left = sorted({k for k in own if k not in fit})
    if left:
        _LOG.info("%s: %d weights start anew: %s", path, len(left), ", ".join(left))
