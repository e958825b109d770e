"""FiftyOne: ``data/`` with links to the pictures and ``labels.json``.

The layout of ``fiftyone.types.FiftyOneImageDetectionDataset``: boxes are x, y, width, height as
parts of the picture's sides, under the picture's name without its ending.
"""

import json
from pathlib import Path
from typing import Any

from ovdet.labelling.formats.folders import Stems, fresh_folder, place_picture, rows_of, shares
from ovdet.labelling.parts import Labelled, Parts
from ovdet.labelling.plan import FIFTYONE


def write_fiftyone(parts: Parts) -> Path:
    """Write the folder ``fiftyone``; return its path.

    Raises:
        OSError: If it cannot be written.
    """
    plan, stems = parts.plan, Stems()
    vocabulary = plan.task.question.vocabulary
    rows = rows_of(vocabulary)
    with (
        fresh_folder(plan.out / FIFTYONE, "data") as folder,
        (folder / "labels.json").open("wb") as file,
    ):
        file.write(b'{"classes": ' + _json(list(vocabulary.names)) + b',\n"labels": {')
        before = b"\n"
        for picture in parts:
            stem, source = stems.give(picture.name), plan.task.path(picture.index)
            place_picture(source, folder / "data" / f"{stem}{source.suffix}")
            boxes = [_detection(picture, found, rows) for found in picture.objects]
            file.write(before + _json(stem) + b": " + _json(boxes))
            before = b",\n"
        file.write(b"}}\n")
    return plan.out / FIFTYONE


def _detection(picture: Labelled, found: dict[str, Any], rows: dict[int, int]) -> dict[str, Any]:
    box = [round(share, 6) for share in shares(picture, found["bbox"])]
    label = rows[found["category_id"]]
    return {"bounding_box": box, "confidence": found["score"], "label": label}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
