"""Result: what was found in one picture, and the forms in which others want it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from ovdet.apis import interchange
from ovdet.apis.coco import CocoFile, Mask, Rle, decode_mask, text_counts
from ovdet.apis.draw import draw
from ovdet.apis.images import Pixels
from ovdet.apis.interchange import LabelStudio
from ovdet.apis.saving import save_picture
from ovdet.apis.table import table
from ovdet.structures import InputError, Vocabulary


@dataclass(frozen=True)
class Found:
    """One object.

    Attributes:
        label: The class name, exactly as it was given.
        score: In [0, 1].
        box: (x1, y1, x2, y2), px of the picture.
        mask: [H, W] over the picture, or None where the model gives no masks.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]
    mask: Mask | None


@dataclass(frozen=True, eq=False)
class Result:
    """The N objects found in one picture, best first.

    Iterating gives one ``Found`` an object; an integer picks one; a slice, a list of indices or a
    bool array picks a smaller ``Result``.

    Attributes:
        boxes: [N, 4], xyxy, px of the picture, float32.
        scores: [N], in [0, 1], float32.
        class_ids: [N], int64, the place of each object's class in ``vocabulary``.
        vocabulary: The classes that were asked for.
        image: The picture, RGB, uint8, [H, W, 3], upright.
        rles: One COCO run-length mask over the picture for each object, or None.
        file_name: Where the picture was read from; empty when it came from memory.

    Raises:
        InputError: If boxes, scores, class ids and masks are not one an object, or a class id is
            outside the vocabulary.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    vocabulary: Vocabulary
    image: Pixels
    rles: tuple[Rle, ...] | None = None
    file_name: str = ""

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or self.class_ids.shape != (count,):
            raise InputError(
                f"boxes must be [N, 4] and class_ids [N] with N = {count} scores, "
                f"got {list(self.boxes.shape)} and {list(self.class_ids.shape)}"
            )
        if self.rles is not None and len(self.rles) != count:
            raise InputError(f"masks must be one an object, got {len(self.rles)} for {count}")
        if count and not 0 <= self.class_ids.min() <= self.class_ids.max() < len(self.vocabulary):
            raise InputError(
                f"class_ids must lie in 0 to {len(self.vocabulary) - 1}, "
                f"got {self.class_ids.min()} to {self.class_ids.max()}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Found]:
        return (self._found(i) for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Found: ...
    @overload
    def __getitem__(self, index: slice | list[int] | NDArray[Any]) -> "Result": ...
    def __getitem__(self, index: int | slice | list[int] | NDArray[Any]) -> "Found | Result":
        """Return one object for an integer, a smaller result for anything that picks several."""
        places = np.arange(len(self))[index if isinstance(index, int | slice) else _picks(index)]
        return self._found(int(places)) if places.ndim == 0 else self._take(places)

    def _found(self, i: int) -> Found:
        x1, y1, x2, y2 = self.boxes[i].tolist()
        mask = None if self.rles is None else decode_mask(self.rles[i])
        return Found(self.labels[i], float(self.scores[i]), (x1, y1, x2, y2), mask)

    def _take(self, places: NDArray[np.intp]) -> "Result":
        rles = None if self.rles is None else tuple(self.rles[i] for i in places)
        return Result(
            self.boxes[places],
            self.scores[places],
            self.class_ids[places],
            self.vocabulary,
            self.image,
            rles,
            self.file_name,
        )

    @property
    def labels(self) -> list[str]:
        """N class names, exactly as they were given."""
        return [self.vocabulary.names[i] for i in self.class_ids]

    @property
    def masks(self) -> Mask | None:
        """[N, H, W] over the picture, decoded at each call; None where there are no masks."""
        if self.rles is None:
            return None
        height, width = self.image.shape[:2]
        stack = [decode_mask(rle) for rle in self.rles]
        return np.stack(stack) if stack else np.zeros((0, height, width), dtype=np.bool_)

    def filter(self, *, min_score: float = 0.0, labels: Collection[str] | None = None) -> "Result":
        """Return the objects that score at least ``min_score`` and bear one of ``labels``.

        Raises:
            InputError: If ``labels`` is a bare string or holds a name that was not asked for.
        """
        keep = self.scores >= min_score
        if labels is not None:
            wanted = Vocabulary.of(list(labels) if not isinstance(labels, str) else labels)
            if unknown := [name for name in wanted.names if name not in self.vocabulary.names]:
                raise InputError(f"labels must be among the classes asked for, got {unknown}")
            keep &= np.array([label in wanted.names for label in self.labels], dtype=np.bool_)
        return self._take(np.flatnonzero(keep))

    def plot(self) -> Pixels:
        """Return the picture with boxes, names, scores and masks; see ``ovdet.apis.draw``."""
        masks = None if self.rles is None else (decode_mask(rle) for rle in self.rles)
        return draw(self.image, self.boxes, self.labels, self.scores, masks)

    def save(self, path: str | Path) -> None:
        """Write the annotated picture, or the objects as COCO JSON where the suffix is ``.json``.

        Raises:
            InputError: If the suffix names no picture format.
            OSError: If the file cannot be written; an older file then stays as it was.
        """
        path = Path(path)
        if path.suffix.lower() == ".json":
            file = CocoFile(self.vocabulary)
            file.add(self.file_name, self.image.shape[:2], self.to_coco())
            file.save(path)
            return
        save_picture(path, self.plot, ".json or ")

    def to_coco(self, image_id: int = 0) -> list[dict[str, Any]]:
        """Return COCO results: image_id, category_id, bbox [x, y, w, h], score, segmentation.

        Category ids are those of the vocabulary, by default 1 for the first class.
        """
        ids = self.vocabulary.category_ids
        records = []
        for i, (x1, y1, x2, y2) in enumerate(self.boxes.tolist()):
            record = {
                "image_id": image_id,
                "category_id": ids[int(self.class_ids[i])],
                "bbox": [round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1)],
                "score": round(float(self.scores[i]), 6),
            }
            if self.rles is not None:
                record["segmentation"] = text_counts(self.rles[i])
            records.append(record)
        return records

    def to_supervision(self) -> Any:
        """Return ``supervision.Detections``; see ``interchange.to_supervision``."""
        return interchange.to_supervision(self)

    def to_transformers(self) -> dict[str, Any]:
        """Return tensors as transformers' zero-shot detectors; see ``interchange``."""
        return interchange.to_transformers(self)

    def to_pipeline(self) -> list[dict[str, Any]]:
        """Return dicts as transformers' pipeline of detectors; see ``interchange.to_pipeline``."""
        return interchange.to_pipeline(self)

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``, one row an object; see ``interchange.to_pandas``."""
        return interchange.to_pandas(self)

    def to_fiftyone(self) -> Any:
        """Return ``fiftyone.Detections``; see ``interchange.to_fiftyone``."""
        return interchange.to_fiftyone(self)

    def to_labelstudio(self, **how: Unpack[LabelStudio]) -> dict[str, Any]:
        """Return a task of Label Studio with its prediction; see ``interchange.to_labelstudio``."""
        return interchange.to_labelstudio(self, **how)

    def _repr_html_(self) -> str:
        """Return what Jupyter shows: the annotated picture and the table, nothing from outside."""
        return interchange.to_html(self.plot(), self.table())

    def table(self) -> str:
        """Return what was found as lines of text: name, score, box."""
        return table(self.labels, self.scores, self.boxes)


def _picks(index: list[int] | NDArray[Any]) -> NDArray[Any]:
    picks = np.asarray(index)
    return picks if picks.size or picks.dtype == np.bool_ else picks.astype(np.intp)
