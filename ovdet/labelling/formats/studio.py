"""Label Studio: tasks with pre-annotations, and the labelling interface that shows them.

Boxes are in percent of the picture's sides. Each task's score is the mean of its objects', so that
the doubtful ones can be sorted to the front.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from ovdet.apis.draw import class_colour
from ovdet.apis.table import printable
from ovdet.labelling.formats.coco import write_list
from ovdet.labelling.formats.folders import rows_of, shares
from ovdet.labelling.parts import Labelled, Parts
from ovdet.labelling.plan import STUDIO, STUDIO_VIEW
from ovdet.structures import Vocabulary, atomic_file, atomic_write

_LOCAL = "/data/local-files/?d="


def write_studio(parts: Parts, url: str | None = None) -> Path:
    """Write ``label_studio.json`` and the interface ``label_studio.xml``; return the first.

    Args:
        parts: The results.
        url: What the pictures' addresses begin with, before their paths below the plan's folder.
            None: Label Studio's own for local files, with the folder above the plan's as its
            document root.

    Raises:
        OSError: If a file cannot be written.
    """
    plan = parts.plan
    if url is None:
        url = f"{_LOCAL}{quote(plan.task.root.name, errors='surrogateescape')}/"
    with atomic_file(plan.out / STUDIO) as file:
        file.write(b"[")
        write_list(file, _tasks(parts, url))
        file.write(b"]\n")
    atomic_write(plan.out / STUDIO_VIEW, _view(plan.task.question.vocabulary))
    return plan.out / STUDIO


def _tasks(parts: Parts, url: str) -> Iterator[dict[str, Any]]:
    task = parts.plan.task
    vocabulary = task.question.vocabulary
    names = {category: vocabulary.names[row] for category, row in rows_of(vocabulary).items()}
    for picture in parts:
        results = [
            _result(picture, number, found, names[found["category_id"]])
            for number, found in enumerate(picture.objects)
        ]
        prediction: dict[str, Any] = {"model_version": task.model, "result": results}
        if results:
            prediction["score"] = round(fmean(result["score"] for result in results), 6)
        address = url + quote(picture.name, errors="surrogateescape")
        yield {"data": {"image": address}, "predictions": [prediction]}


def _result(picture: Labelled, number: int, found: dict[str, Any], name: str) -> dict[str, Any]:
    height, width = picture.size
    sides = zip(("x", "y", "width", "height"), shares(picture, found["bbox"]), strict=True)
    value: dict[str, Any] = {side: round(100 * share, 4) for side, share in sides}
    return {
        "id": f"{picture.index}-{number}",
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": found["score"],
        "value": value | {"rotation": 0, "rectanglelabels": [name]},
    }


def _view(vocabulary: Vocabulary) -> bytes:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    labels = ElementTree.SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in vocabulary.names:
        colour = "#{:02x}{:02x}{:02x}".format(*class_colour(name))
        ElementTree.SubElement(labels, "Label", value=printable(name), background=colour)
    ElementTree.indent(view, " ")
    return bytes(ElementTree.tostring(view, encoding="utf-8")) + b"\n"
