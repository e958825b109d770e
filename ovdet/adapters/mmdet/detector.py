"""A detector of mmdet as one of ours: closed, opened to any names, or reading them itself.

In a config of ours, closed and opened::

    model = dict(type="MmdetDetector", config="mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py")

    words = dict(type="TextClasses", encoder=dict(type="OpenClipText", name=..., weights=...))
    model = dict(
        type="MmdetDetector",
        config="mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
        opening=dict(type="MmdetText", text=words, dim=512),
    )

Shapes: B images, R regions, C classes, D embedding width.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ovdet.adapters.mmdet.building import build_detector, fill_detector, own_classes
from ovdet.adapters.mmdet.configs import read_config
from ovdet.adapters.mmdet.grounding import PromptNames
from ovdet.adapters.mmdet.naming import Asked, ClosedNames, Naming, OpenNames
from ovdet.adapters.mmdet.opening import OpenHeads, TextWidth
from ovdet.adapters.mmdet.packages import require
from ovdet.adapters.mmdet.pictures import PreparedPictures
from ovdet.adapters.mmdet.samples import from_mmdet, to_mmdet
from ovdet.adapters.mmdet.stages import Stages
from ovdet.detectors.base import Detector
from ovdet.registry import MODELS
from ovdet.structures import InputError, Regions, Sample, Vocabulary
from ovdet.structures.weights import find_weights

_INNER = "detector."
_OURS = ("text.", "objectives.", _INNER)


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
    training. GLIP, Grounding DINO and MM-Grounding DINO read any names without it. The weights go
    by mmdet's own names, so a checkpoint of mmdet's is one of this model too.

    The scores and the number of objects that come back are first limited by the config's own
    ``test_cfg``.

    Args:
        config: A file of mmdet's kind, or ``mmdet::folder/file.py`` for one it brings along.
        options: Entries of it to change, by dotted key or as nested dicts:
            ``{"model.backbone.depth": 18}``. A language model comes from a folder:
            ``{"model.language_model.name": "bert-base-uncased"}``.
        names: The class names of a closed model; when None those that the weights come with, else
            those of the config's data set.
        opening: Opens it; None keeps its own classes.
        trunk: [B, 3, H, W], RGB in [0, 1], to levels, in the place of the config's backbone and
            its normalisation; None keeps them.
        objectives: Further losses, Flow to {name: scalar}, of an opened detector of two stages.
            They read the proposals and ask ``embed`` and ``classify``, a branch for each box head;
            a cascade has three.
        weights: mmdet's checkpoint to start from, a path or a file in the model zoo. What opening
            made another layer of starts anew.
        as_tested: Whether pictures to predict on come as they are stored and are prepared by the
            config's own test pipeline; else they come as the network shall see them.

    Attributes:
        own: The classes of a closed model; None where any can be asked for.

    Raises:
        InputError: If mmdet is not installed, the config is not one, the names are not known or
            not as many as the model has classes, a head cannot be opened, objectives have nothing
            to read, or the weights are not this model's.
    """

    def __init__(
        self,
        config: str,
        *,
        options: Mapping[str, Any] | None = None,
        names: Sequence[str] | None = None,
        opening: MmdetText | None = None,
        trunk: nn.Module | None = None,
        objectives: Sequence[nn.Module] = (),
        weights: str | None = None,
        as_tested: bool = False,
    ) -> None:
        super().__init__()
        require(f"MmdetDetector of {config}")
        read = read_config(config, options)
        path = None if weights is None else find_weights(weights)
        self.text: Any = None if opening is None else opening.text
        width = None if opening is None else TextWidth(opening.dim, opening.scale)
        if width is not None and "language_model" in read.model:
            raise InputError(f"{config}: reads names itself: leave opening out")
        self.detector: Any = build_detector(read, width, trunk)
        heads = None if width is None else OpenHeads(self.detector, width)
        self.own = None
        if opening is None and not hasattr(self.detector, "language_model"):
            self.own = self.vocabulary = own_classes(self.detector, read, names, path)
        self._naming = self._name(heads)
        self.objectives = nn.ModuleList(objectives)
        self._stages = Stages(self.detector, self.text) if objectives else None
        self._pictures = PreparedPictures(read, config) if as_tested else None
        if path is not None:
            fill_detector(self.detector, path, () if heads is None else heads.names)
        self._register_state_dict_hook(_outward)
        self._register_load_state_dict_pre_hook(_inward)

    def _name(self, heads: OpenHeads | None) -> Naming:
        """Return the way from names to the detector."""
        if self.own is not None:
            return ClosedNames(self.own)
        if heads is not None:
            return OpenNames(heads, self.text)
        return PromptNames(self.detector)

    def loss(self, samples: list[Sample], vocabulary: Vocabulary) -> dict[str, Tensor]:
        """Return mmdet's losses of a batch by mmdet's names, and the objectives', each a scalar.

        Args:
            samples: B samples; labels index ``vocabulary``. Those that are not ``boxed`` are left
                out, by objectives too.
            vocabulary: C classes.

        Raises:
            InputError: If no sample is boxed, or one has no masks and the model learns from them.
        """
        boxed = [sample for sample in samples if sample.boxed]
        if not boxed:
            raise InputError("MmdetDetector learns from boxed samples, this batch has none")
        self._check_masks(boxed)
        asked = self._naming.learn(vocabulary)
        data = self.detector.data_preprocessor(to_mmdet(boxed, asked.place, asked.text), True)
        if self._stages is None:
            return _scalars(self.detector.loss(**_as_batch(data)))
        with self._stages.watched(boxed, vocabulary) as flow:
            losses = _scalars(self.detector.loss(**_as_batch(data)))
        for objective in self.objectives:
            losses |= objective(flow)
        return losses

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
        found = [Regions.empty()] * len(samples)
        for rows, data in self._groups(samples):
            part = self._find([samples[row] for row in rows], data, vocabulary)
            for row, regions in zip(rows, part, strict=True):
                scores: Any = regions.scores
                found[row] = regions[scores >= (threshold or 0.0)][:top_k]
        return found

    def _groups(self, samples: list[Sample]) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """Yield samples that go through the network together, and what mmdet prepares of them.

        Those it sized itself go with their like, so that none is padded for the others' sake.
        """
        if self._pictures is None:
            yield list(range(len(samples))), to_mmdet(samples)
            return
        groups: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
        for row, sample in enumerate(samples):
            picture = self._pictures(sample)
            groups.setdefault(tuple(picture["inputs"].shape), []).append((row, picture))
        for group in groups.values():
            columns = ("inputs", "data_samples")
            data = {key: [picture[key] for _, picture in group] for key in columns}
            yield [row for row, _ in group], data

    def _find(
        self, samples: list[Sample], data: dict[str, Any], vocabulary: Vocabulary
    ) -> list[Regions]:
        """Return what all passes find, best first."""
        batch = _as_batch(self.detector.data_preprocessor(data, False))
        parts: list[list[Regions]] = [[] for _ in samples]
        for asked in self._naming.ask(vocabulary):
            for part, regions in zip(parts, self._pass(samples, batch, asked), strict=True):
                part.append(regions)
        limit = (self.detector.test_cfg or {}).get("max_per_img")
        return [part[0] if len(part) == 1 else _best(part, limit) for part in parts]

    def _pass(self, samples: list[Sample], batch: dict[str, Any], asked: Asked) -> list[Regions]:
        for record in batch["batch_data_samples"] if asked.text is not None else ():
            record.set_metainfo({"text": asked.text})
        found = []
        for record, sample in zip(self.detector.predict(**batch), samples, strict=True):
            regions = from_mmdet(record, sample)
            labels = asked.place.to(regions.boxes.device)[regions.labels]
            found.append(regions.with_(labels=labels)[labels >= 0])
        return found

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


def _as_batch(data: dict[str, Any]) -> dict[str, Any]:
    return {"batch_inputs": data["inputs"], "batch_data_samples": data["data_samples"]}


def _best(parts: list[Regions], limit: int | None) -> Regions:
    """Return the best of several passes over one picture."""
    joined = Regions.gather(parts)
    joined = joined.with_(owner=torch.zeros_like(joined.owner))
    scores: Any = joined.scores
    return joined[scores.argsort(descending=True, stable=True)[:limit]]


def _scalars(losses: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: _scalar(value) for name, value in losses.items()}


def _scalar(value: Any) -> Tensor:
    """Return a loss as one number: mmdet gives some by level, to be summed."""
    if isinstance(value, list | tuple):
        return torch.stack([_scalar(item) for item in value]).sum()
    mean: Tensor = value.float().mean()
    return mean


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
        if key.startswith(prefix) and not inner.startswith(_OURS):
            state[f"{prefix}{_INNER}{inner}"] = state.pop(key)
