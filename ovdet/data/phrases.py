"""Sentences whose phrases are tied to boxes, from a COCO file with sentences.

The file is a COCO object with one more list, ``sentences``: of each its ``image_id``, its ``text``,
and its ``phrases``, each with ``start`` and ``end``, the character it begins at and the one after
its last, and ``annotation_ids``, the boxes it stands for. A phrase without any names what is not
there. A sentence may say of what ``kind`` it is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from ovdet.data.annotations import brief, is_whole, read_annotations
from ovdet.data.images import read_sized, to_float
from ovdet.data.packed import Packed
from ovdet.data.samplers import Draw
from ovdet.data.transforms import Transform, transformed
from ovdet.registry import DATASETS
from ovdet.structures import InputError, Regions, Sample, read_json


@DATASETS.register_module()
class PhraseDataset(Dataset[Sample]):
    """One sample a sentence: its image, the sentence, its phrases and their boxes.

    The labels of ``truth`` tell which phrase a box belongs to; a box that two phrases share stands
    twice. Mirroring an image does not change the words left and right. ``source`` is the sentence's
    kind, so that each kind is measured by itself too.

    Args:
        ann_file: The JSON file.
        image_dir: The folder of its ``file_name`` entries.
        transforms: Applied in order, each with the sample and the draw's own randomness.

    Raises:
        InputError: If the file is not usable; the message names the entry.
    """

    endless = False

    def __init__(self, ann_file: str, image_dir: str, transforms: Sequence[Transform] = ()) -> None:
        self.image_dir = Path(image_dir)
        self.transforms = tuple(transforms)
        path = Path(ann_file)
        self.annotations, _ = read_annotations(path, self.image_dir)
        sentences = read_json(path).get("sentences")
        if not isinstance(sentences, list) or not sentences:
            raise InputError(f"{path}: must be a COCO object with a list 'sentences', not empty")
        self._images = {int(i): row for row, i in enumerate(self.annotations.image_ids)}
        self.sentences = Packed(self._checked(sentences, path))

    def __len__(self) -> int:
        return len(self.sentences)

    def __getitem__(self, key: int | Draw) -> Sample:
        """Return a sample; a plain index always gives the same one.

        Raises:
            InputError: If its image cannot be read, or has another size than the file says.
        """
        draw = Draw.of(key)
        return transformed(self.stored(draw.index), self.transforms, draw)

    def stored(self, index: int) -> Sample:
        """Return sentence number ``index`` with its image, before any transform."""
        record = self.annotations
        row, text, phrases, kind = self.sentences[index]
        image = read_sized(self.image_dir / str(record.file_names[row]), record.sizes[row])
        pairs = [(i, label) for label, (_, _, boxes) in enumerate(phrases) for i in boxes]
        rows, labels = (torch.tensor([p[k] for p in pairs], dtype=torch.int64) for k in (0, 1))
        truth = Regions(torch.from_numpy(record.boxes)[rows], torch.zeros_like(rows), labels=labels)
        return Sample(
            to_float(image),
            int(record.image_ids[row]),
            str(record.file_names[row]),
            (image.shape[0], image.shape[1]),
            truth=truth,
            captions=(text,),
            source=kind,
            phrases=tuple((start, end) for start, end, _ in phrases),
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """Nothing is known beyond the samples."""
        return {}

    def _checked(self, sentences: list[Any], path: Path) -> Iterator[Any]:
        """Yield image row, text, phrases (start, end, annotation rows) and kind of sentences."""
        rows = {int(i): row for row, i in enumerate(self.annotations.ids)}
        for place, entry in enumerate(sentences):
            where = f"{path}: sentences[{place}]"
            if not isinstance(entry, dict) or entry.get("image_id") not in self._images:
                raise InputError(f"{where}: image_id must be one of the images, got {brief(entry)}")
            image, text = self._images[entry["image_id"]], entry.get("text")
            if not isinstance(text, str) or not isinstance(entry.get("phrases"), list):
                raise InputError(f"{where}: must have a 'text' and a list 'phrases'")
            own = self.annotations.of_image(image)
            phrases = [_phrase(item, text, rows, where) for item in entry["phrases"]]
            if any(i not in own for _, _, boxes in phrases for i in boxes):
                raise InputError(f"{where}: a phrase stands for a box of another image")
            yield image, text, phrases, str(entry.get("kind", ""))


def _phrase(item: Any, text: str, rows: dict[int, int], where: str) -> tuple[int, int, list[int]]:
    facts: dict[str, Any] = item if isinstance(item, dict) else {}
    start, end = facts.get("start"), facts.get("end")
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text)):
        raise InputError(
            f"{where}: a phrase must have 0 <= start < end <= {len(text)}, got {brief(item)}"
        )
    listed = facts.get("annotation_ids")
    if not isinstance(listed, list) or not all(is_whole(i) and i in rows for i in listed):
        raise InputError(f"{where}: annotation_ids must be ids of boxes, got {brief(listed)}")
    return start, end, [rows[i] for i in listed]
