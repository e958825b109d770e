"""Images divided into things and stuff, from COCO's panoptic JSON and PNG files.

Kirillov et al., "Panoptic Segmentation", CVPR 2019, https://arxiv.org/abs/1801.00868.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ovdet.data.annotations import (
    brief,
    choose_classes,
    image_problem,
    is_whole,
    read_categories,
)
from ovdet.data.images import read_rgb, to_float
from ovdet.data.samplers import Draw
from ovdet.data.splits import read_vocabulary
from ovdet.data.transforms import Transform, transformed
from ovdet.registry import DATASETS
from ovdet.structures import IGNORED, InputError, Regions, Sample, Vocabulary, read_json

_VOID = 0  # the id of pixels that no segment holds


@dataclass(frozen=True)
class Segments:
    """N images with S segments; those of image i stand at ``starts[i]`` to ``starts[i + 1]``.

    Attributes:
        image_ids: [N], int64.
        file_names: [N], text, below the image folder.
        png_names: [N], text, below the folder of the PNG files.
        starts: [N + 1], int64.
        ids: [S], int64, the pixels' R + 256 G + 65536 B.
        labels: [S], int64, indices into the vocabulary; -1 where the class was not chosen.
        crowd: [S], bool.
        areas: [S], int64, px, as the file has them.
    """

    image_ids: NDArray[np.int64]
    file_names: NDArray[np.str_]
    png_names: NDArray[np.str_]
    starts: NDArray[np.int64]
    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    areas: NDArray[np.int64]


@DATASETS.register_module()
class PanopticDataset(Dataset[Sample]):
    """A COCO panoptic file, its PNG files and its images.

    Truth holds every segment, thing or stuff, as a mask with its class; crowds are left out of it.
    ``semantic`` has the class of every pixel, crowds included.

    Args:
        ann_file: The JSON file.
        png_dir: The folder of the ``file_name`` entries of its annotations.
        image_dir: The folder of the ``file_name`` entries of its images.
        transforms: Applied in order, each with the sample and the draw's own randomness.
        vocabulary: Orders and limits the classes: a vocabulary file, or a published one as
            ``@coco-panoptic``.

    Raises:
        InputError: If the file is not usable; the message names the entry.
    """

    endless = False

    def __init__(
        self,
        ann_file: str,
        png_dir: str,
        image_dir: str,
        transforms: Sequence[Transform] = (),
        *,
        vocabulary: str | None = None,
    ) -> None:
        self.png_dir, self.image_dir = Path(png_dir), Path(image_dir)
        self.transforms = tuple(transforms)
        chosen = None if vocabulary is None else read_vocabulary(vocabulary)
        path = Path(ann_file)
        record = _read_record(path)
        own = read_categories(record["categories"], path)
        self.vocabulary = own if chosen is None else choose_classes(own, chosen, path)
        things = {c["id"] for c in record["categories"] if c.get("isthing", 1)}
        self.things = tuple(i in things for i in self.vocabulary.category_ids)
        self.segments = _pack(record, path, self.image_dir, own, self.vocabulary)

    def __len__(self) -> int:
        return len(self.segments.image_ids)

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a sample; a plain index always gives the same one.

        Raises:
            InputError: If image or PNG cannot be read, their sizes differ, or a pixel belongs to no
                segment of the file.
        """
        draw = Draw.of(key)
        return transformed(self.stored(draw.index), self.transforms, draw)

    def stored(self, index: int) -> Sample:
        """Return image number ``index`` and its segments, before any transform."""
        record = self.segments
        image, ids = read_rgb(self.image_dir / str(record.file_names[index])), self.ids(index)
        if ids.shape != image.shape[:2]:
            raise InputError(
                f"{self.png_dir / str(record.png_names[index])}: must be {image.shape[1]} x "
                f"{image.shape[0]} px as its image, got {ids.shape[1]} x {ids.shape[0]}"
            )
        every = slice(int(record.starts[index]), int(record.starts[index + 1]))
        semantic = np.full(ids.shape, IGNORED, np.int64)
        masks, labels = [], []
        parts = zip(record.ids[every], record.labels[every], record.crowd[every], strict=True)
        for number, label, crowd in parts:
            mask = ids == number
            semantic[mask] = label
            if label >= 0 and not crowd and mask.any():
                masks.append(mask)
                labels.append(int(label))
        return Sample(
            to_float(image),
            int(record.image_ids[index]),
            str(record.file_names[index]),
            (image.shape[0], image.shape[1]),
            truth=_as_regions(masks, labels, ids.shape),
            semantic=torch.from_numpy(semantic),
        )

    def ids(self, index: int) -> NDArray[np.int64]:
        """Return the segment id of each pixel [H, W] of image number ``index``; 0 is none.

        Raises:
            InputError: If the PNG cannot be read, or a pixel belongs to no segment of the file.
        """
        record = self.segments
        path = self.png_dir / str(record.png_names[index])
        colours = read_rgb(path).astype(np.int64)
        ids: NDArray[np.int64] = colours @ np.array([1, 256, 65_536])
        known = record.ids[record.starts[index] : record.starts[index + 1]]
        if unknown := set(np.unique(ids).tolist()) - set(known.tolist()) - {_VOID}:
            raise InputError(f"{path}: holds segment {min(unknown)}, which the file does not list")
        return ids

    @property
    def metainfo(self) -> dict[str, Any]:
        """What an evaluator needs.

        ``vocabulary``; ``things``, for each class whether it is countable; ``truth`` in COCO's
        own form; ``ids``, to give the segment ids [H, W] of image number i.
        """
        return {
            "vocabulary": self.vocabulary,
            "things": self.things,
            "truth": self.to_coco,
            "ids": self.ids,
        }

    def to_coco(self) -> dict[str, list[dict[str, Any]]]:
        """Return the data set as a COCO panoptic object; crowds and areas as the file has them."""
        record, vocabulary = self.segments, self.vocabulary
        columns = zip(vocabulary.category_ids, vocabulary.names, self.things, strict=True)
        categories = [{"id": i, "name": n, "isthing": int(thing)} for i, n, thing in columns]
        images = [
            {"id": int(number), "file_name": str(name)}
            for number, name in zip(record.image_ids, record.file_names, strict=True)
        ]
        annotations = [
            {
                "image_id": int(record.image_ids[i]),
                "file_name": str(record.png_names[i]),
                "segments_info": list(self._infos(i)),
            }
            for i in range(len(self))
        ]
        return {"images": images, "annotations": annotations, "categories": categories}

    def _infos(self, index: int) -> Iterator[dict[str, int]]:
        record = self.segments
        for i in range(int(record.starts[index]), int(record.starts[index + 1])):
            if record.labels[i] >= 0:
                yield {
                    "id": int(record.ids[i]),
                    "category_id": self.vocabulary.category_ids[record.labels[i]],
                    "iscrowd": int(record.crowd[i]),
                    "area": int(record.areas[i]),
                }


def _read_record(path: Path) -> dict[str, Any]:
    record = read_json(path)
    for key in ("images", "annotations", "categories"):
        if not isinstance(record, dict) or not isinstance(record.get(key), list):
            raise InputError(f"{path}: must be a COCO panoptic object with a list '{key}'")
    return dict(record)


def _pack(
    record: dict[str, Any], path: Path, image_dir: Path, own: Vocabulary, chosen: Vocabulary
) -> Segments:
    label = dict.fromkeys(own.category_ids, -1)
    label |= {number: i for i, number in enumerate(chosen.category_ids)}
    images = _images(record["images"], path, image_dir)
    named: list[str] = []
    rows: list[tuple[int, int, bool, int]] = []
    starts = [0]
    used: list[dict[str, Any]] = []
    for place, entry in enumerate(record["annotations"]):
        where = f"{path}: annotations[{place}]"
        used.append(_image_of(entry, images, where))
        named.append(entry["file_name"])
        rows += [_segment(item, label, where) for item in entry["segments_info"]]
        starts.append(len(rows))
    if not used:
        raise InputError(f"{path}: must annotate at least one image")
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Segments(
        image_ids=np.array([image["id"] for image in used], np.int64),
        file_names=np.array([image["file_name"] for image in used]),
        png_names=np.array(named),
        starts=np.array(starts, np.int64),
        ids=np.array(columns[0], np.int64),
        labels=np.array(columns[1], np.int64),
        crowd=np.array(columns[2], np.bool_),
        areas=np.array(columns[3], np.int64),
    )


def _images(entries: list[Any], path: Path, image_dir: Path) -> dict[int, dict[str, Any]]:
    for place, entry in enumerate(entries):
        if problem := image_problem(entry, image_dir):
            raise InputError(f"{path}: images[{place}]: {problem}")
    return {entry["id"]: entry for entry in entries}


def _image_of(entry: Any, images: dict[int, dict[str, Any]], where: str) -> dict[str, Any]:
    """Return the image of an annotation whose own fields are checked too."""
    if not isinstance(entry, dict) or entry.get("image_id") not in images:
        number = entry.get("image_id") if isinstance(entry, dict) else entry
        raise InputError(f"{where}: image_id must be one of the images, got {brief(number)}")
    if not isinstance(entry.get("file_name"), str):
        raise InputError(f"{where}: file_name must be text, got {brief(entry.get('file_name'))}")
    if not isinstance(entry.get("segments_info"), list):
        raise InputError(f"{where}: segments_info must be a list")
    return images[entry["image_id"]]


def _segment(item: Any, label: dict[int, int], where: str) -> tuple[int, int, bool, int]:
    if not isinstance(item, dict) or not is_whole(item.get("id")):
        raise InputError(f"{where}: a segment must have a whole number 'id', got {brief(item)}")
    if item.get("category_id") not in label:
        raise InputError(f"{where}: segment {item['id']} has an unknown category_id")
    area = item.get("area", 0)
    if item.get("iscrowd", 0) not in (0, 1) or not is_whole(area):
        raise InputError(f"{where}: segment {item['id']} must have iscrowd 0 or 1, a whole area")
    return item["id"], label[item["category_id"]], bool(item.get("iscrowd", 0)), area


def _as_regions(
    masks: list[NDArray[np.bool_]], labels: list[int], size: tuple[int, ...]
) -> Regions:
    stacked = torch.from_numpy(np.array(masks, np.bool_).reshape(-1, *size))
    boxes = torch.zeros(len(masks), 4)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        box[:] = torch.tensor(corners, dtype=torch.float32)
    return Regions(
        boxes,
        torch.zeros(len(masks), dtype=torch.int64),
        labels=torch.tensor(labels, dtype=torch.int64),
        masks=stacked,
    )
