"""A detector of mmdet as one of ours, with its own classes or opened to any.

In a config of ours, closed and opened::

    model = dict(type="MmdetDetector", config="mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py")

    text = dict(type="TextClasses", encoder=dict(type="OpenClipText", name=..., weights=...))
    model = dict(
        type="MmdetDetector",
        config="mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
        opening=dict(type="MmdetText", text=text, dim=512),
    )

Shapes: B images, R regions, C classes, D embedding width.
"""

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.mmdet.configs import class_names, read_config, without_downloads
from ovdet.adapters.mmdet.opening import OpenHeads, TextWidth, open_config
from ovdet.adapters.mmdet.packages import part_registry, require
from ovdet.adapters.mmdet.samples import from_mmdet, to_mmdet
from ovdet.detectors.base import Detector
from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions, Sample, Vocabulary
from ovdet.structures.weights import find_weights, read_weights

_LOG = logging.getLogger("ovdet")
_INNER = "detector."
_MASK_FORMERS = ("MaskFormer", "Mask2Former")


@MODELS.register_module()
@dataclass(frozen=True)
class MmdetText:
    """What opens a detector of mmdet to any vocabulary.

    Attributes:
        text: Vocabulary to Text.
        dim: D, the width of its embeddings.
        scale: Inverse temperature of the cosine.
    """

    text: nn.Module
    dim: int
    scale: float = 50.0

    def __post_init__(self) -> None:
        if self.dim < 1 or self.scale <= 0:
            raise InputError(f"must be dim >= 1 and scale > 0, got {self.dim} and {self.scale}")


@MODELS.register_module()
class MmdetDetector(Detector):
    """Runs a detector that an mmdet config describes, on our samples.

    Without ``opening`` it knows the classes it was trained for, and can be asked for any of them by
    name. With it the class layers of its heads hold text, so it is asked for any names: what mmdet
    trains class by class (boxes, masks) is class-agnostic then, and novel classes take no part in
    training. Its weights go by mmdet's own names, so a checkpoint of mmdet's is one of this model
    too.

    The scores and the number of objects that come back are first limited by the config's own
    ``test_cfg``.

    Args:
        config: A file of mmdet's kind, or ``mmdet::folder/file.py`` for one it brings along.
        options: Entries of it to change, by dotted key: ``{"model.backbone.depth": 18}``.
        names: The class names of a closed model; the config's data set tells them when None.
        opening: Opens it; None keeps its own classes.
        weights: mmdet's checkpoint to start from, a path or a file in the model zoo. What opening
            made another layer of starts anew.

    Attributes:
        own: The classes of a closed model; None where any can be asked for.

    Raises:
        InputError: If mmdet is not installed, the config is not one, the names are not known or
            not as many as the model has classes, a head cannot be opened, or the weights are not
            this model's.
    """

    def __init__(
        self,
        config: str,
        *,
        options: Mapping[str, Any] | None = None,
        names: Sequence[str] | None = None,
        opening: MmdetText | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        require(f"MmdetDetector of {config}")
        read = read_config(config, options)
        width = None if opening is None else TextWidth(opening.dim, opening.scale)
        self.text: Any = None if opening is None else opening.text
        self.detector = _build(read, width)
        self._heads = None if width is None else OpenHeads(self.detector, width)
        _start(self.detector)
        self.own = None
        if opening is None:
            self.own = self.vocabulary = _own(self.detector, names or class_names(read), config)
        if weights is not None:
            _fill(self.detector, weights, () if self._heads is None else self._heads.names)
        self._register_state_dict_hook(_outward)
        self._register_load_state_dict_pre_hook(_inward)

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return mmdet's losses of a batch by mmdet's names, each a scalar.

        Args:
            samples: B samples; labels index ``vocabulary``. Those that are not ``boxed`` are left
                out.
            vocabulary: C classes.

        Raises:
            InputError: If no sample is boxed, or one has no masks and the model learns from them.
        """
        boxed = [sample for sample in samples if sample.boxed]
        if not boxed:
            raise InputError("MmdetDetector learns from boxed samples, this batch has none")
        self._check_masks(boxed)
        place = self._learn(vocabulary)
        data = self.detector.data_preprocessor(to_mmdet(boxed, place), True)  # type: ignore[operator]
        losses = self.detector.loss(**_as_batch(data))  # type: ignore[operator]
        return {name: _scalar(value) for name, value in losses.items()}

    def predict(
        self,
        samples: list[Sample],
        vocabulary: Vocabulary,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
    ) -> list[Regions]:
        """Find and name objects.

        Args:
            samples: B samples; truth is not read.
            vocabulary: Any C classes; for a closed model any of its own.
            threshold: Least score; the config's alone when None.
            top_k: Most objects an image; the config's alone when None.

        Returns:
            For each sample its regions, best first, in px of the stored image; ``labels`` index
            ``vocabulary``; ``masks`` [R, H, W], bool, over the stored image, where it gives masks.

        Raises:
            InputError: If a closed model is asked for a name that it does not know.
        """
        place = self._ask(vocabulary)
        data = self.detector.data_preprocessor(to_mmdet(samples), False)  # type: ignore[operator]
        records = self.detector.predict(**_as_batch(data))  # type: ignore[operator]
        found = []
        for record, sample in zip(records, samples, strict=True):
            regions = from_mmdet(record, sample)
            labels = place.to(regions.boxes.device)[regions.labels]
            scores: Any = regions.scores
            kept = (labels >= 0) & (scores >= (threshold or 0.0))
            found.append(regions.with_(labels=labels)[kept][:top_k])
        return found

    def _learn(self, vocabulary: Vocabulary) -> Tensor:
        """Set the classes to learn; return for each of C the model's own, -1 for none."""
        place = torch.full((len(vocabulary),), -1)
        if self.own is None:
            known = (~torch.tensor(vocabulary.novel_mask)).nonzero()[:, 0]
            self._set(vocabulary.pick(known.tolist()))
            place[known] = torch.arange(len(known))
            return place
        for row, column in enumerate(_columns(self.own, vocabulary)):
            place[row] = column
        return place

    def _ask(self, vocabulary: Vocabulary) -> Tensor:
        """Set the classes to look for; return for each of the model's own which of C, or -1."""
        if self.own is None:
            self._set(vocabulary)
            return torch.arange(len(vocabulary))
        place = torch.full((len(self.own),), -1)
        place[_columns(self.own, vocabulary)] = torch.arange(len(vocabulary))
        return place

    def _set(self, vocabulary: Vocabulary) -> None:
        if self._heads is not None:
            self._heads.ask(self.text(vocabulary).classes)

    def _check_masks(self, samples: list[Sample]) -> None:
        learns = getattr(self.detector, "with_mask", False) or hasattr(
            self.detector, "panoptic_head"
        )
        for sample in samples if learns else ():
            if sample.truth.masks is None and len(sample.truth):
                raise InputError(
                    f"{type(self.detector).__name__} learns from masks, image "
                    f"{sample.file_name or sample.image_id} has none"
                )


def _build(config: Any, width: TextWidth | None) -> nn.Module:
    from mmengine.registry import DefaultScope

    model = config.model
    without_downloads(model)
    if model.type in _MASK_FORMERS:  # objects are what comes back, not a panorama
        model.test_cfg.update(instance_on=True, panoptic_on=False, semantic_on=False)
    if width is not None:
        open_config(model, width)
    with DefaultScope.overwrite_default_scope("mmdet"):
        built: nn.Module = part_registry().build(model)
    return built


def _start(detector: Any) -> None:
    """Draw the weights as mmdet does, without its line for each of them."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        detector.init_weights()
    finally:
        logger.setLevel(before)


def _own(detector: nn.Module, names: Sequence[str], config: str) -> Vocabulary:
    """Return the vocabulary of a closed model."""
    if not names:
        raise InputError(f"{config}: tells no class names: give names=[...]")
    counts = {
        module.num_classes
        for name, module in detector.named_modules()
        if isinstance(getattr(module, "num_classes", None), int) and "rpn_head" not in name
    }
    things = {m.num_things_classes for m in detector.modules() if hasattr(m, "num_things_classes")}
    if counts and len(names) not in counts | things:
        raise InputError(
            f"{config}: names must be one for each of the model's {max(counts)} classes, "
            f"got {len(names)}"
        )
    return Vocabulary.of(list(names))


def _columns(own: Vocabulary, vocabulary: Vocabulary) -> list[int]:
    """Return where each name asked for stands among a model's own.

    Raises:
        InputError: If one does not.
    """
    rows = {name: row for row, name in enumerate(own.names)}
    for name in vocabulary.names:
        if name not in rows:
            close = difflib.get_close_matches(name, own.names, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(
                f"the model knows its own {len(own)} classes alone, not {name!r}{hint}"
            )
    return [rows[name] for name in vocabulary.names]


def _as_batch(data: dict[str, Any]) -> dict[str, Any]:
    return {"batch_inputs": data["inputs"], "batch_data_samples": data["data_samples"]}


def _scalar(value: Any) -> Tensor:
    """Return a loss as one number: mmdet gives some by level, to be summed."""
    if isinstance(value, list | tuple):
        return torch.stack([_scalar(item) for item in value]).sum()
    mean: Tensor = value.float().mean()
    return mean


def _fill(detector: nn.Module, file: str, changed: tuple[str, ...]) -> None:
    """Fill a detector with mmdet's weights; what opening changed may differ or be missing."""
    path = find_weights(file)
    weights = read_weights(path)
    own = detector.state_dict()
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


def _outward(_module: nn.Module, state: dict[str, Any], prefix: str, _meta: Any) -> None:
    """Take our name for mmdet's detector off its weights."""
    for key in list(state):
        value = state.pop(key)
        inner = key.removeprefix(prefix)
        state[prefix + inner.removeprefix(_INNER) if key.startswith(prefix) else key] = value


def _inward(state: dict[str, Any], prefix: str, *_rest: Any) -> None:
    """Put it on again; the text slot's weights keep theirs."""
    for key in list(state):
        inner = key.removeprefix(prefix)
        if key.startswith(prefix) and not inner.startswith(("text.", _INNER)):
            state[f"{prefix}{_INNER}{inner}"] = state.pop(key)
