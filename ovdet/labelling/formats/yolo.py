"""YOLO: ``data.yaml``, ``images/`` with links to the pictures, ``labels/`` with a file for each.

The layout of ultralytics: a row is a class from 0 on and a box, centre x, centre y, width, height,
as parts of the picture's sides. Scores have no place in it.
"""

from pathlib import Path

import yaml

from ovdet.labelling.formats.folders import Stems, fresh_folder, place_picture, rows_of, shares
from ovdet.labelling.parts import Labelled, Parts, Record
from ovdet.labelling.plan import YOLO


def write_yolo(parts: Parts) -> Path:
    """Write the folder ``yolo``; return the path of its ``data.yaml``.

    Raises:
        OSError: If it cannot be written.
    """
    plan, stems = parts.plan, Stems()
    vocabulary = plan.task.question.vocabulary
    rows = rows_of(vocabulary)
    with fresh_folder(plan.out / YOLO, "images", "labels") as folder:
        for picture in parts:
            stem, source = stems.give(picture.name), plan.task.path(picture.index)
            place_picture(source, folder / "images" / f"{stem}{source.suffix}")
            text = "".join(_row(picture, found, rows) for found in picture.objects)
            (folder / "labels" / f"{stem}.txt").write_text(text, encoding="ascii")
        names = dict(enumerate(vocabulary.names))
        facts = {"train": "images", "val": "images", "names": names}
        text = yaml.safe_dump(facts, allow_unicode=True, sort_keys=False)
        (folder / "data.yaml").write_text(text, encoding="utf-8")
    return plan.out / YOLO / "data.yaml"


def _row(picture: Labelled, found: Record, rows: dict[int, int]) -> str:
    x, y, w, h = shares(picture, found["bbox"])
    sides = " ".join(f"{value:.6f}" for value in (x + w / 2, y + h / 2, w, h))
    return f"{rows[found['category_id']]} {sides}\n"
