"""COCO: one JSON file with pictures, annotations with scores, and categories.

File names are below the plan's folder; a picture's id is its place in the plan, from 1 on.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from ovdet.apis.coco import annotation, categories
from ovdet.labelling.parts import Parts
from ovdet.labelling.plan import COCO
from ovdet.structures import atomic_file


def write_coco(parts: Parts) -> Path:
    """Write ``coco.json``; return its path.

    Raises:
        OSError: If it cannot be written.
    """
    path = parts.plan.out / COCO
    with atomic_file(path) as file:
        file.write(b'{"annotations": [')
        write_list(file, _annotations(parts))
        file.write(b'],\n"categories": [')
        write_list(file, categories(parts.plan.task.question.vocabulary))
        file.write(b'],\n"images": [')
        write_list(file, _images(parts))
        file.write(b"]}\n")
    return path


def write_list(file: IO[bytes], records: Iterable[Any]) -> None:
    """Write records as the inside of a JSON list, one a line, without holding them all."""
    before = b"\n"
    for record in records:
        text = json.dumps(record, ensure_ascii=False, sort_keys=True)
        # A file name need not be UTF-8; what is not becomes an escape, which JSON knows too.
        file.write(before + text.encode("utf-8", "backslashreplace"))
        before = b",\n"


def _annotations(parts: Parts) -> Iterator[dict[str, Any]]:
    number = 0
    for picture in parts:
        for found in picture.objects:
            number += 1
            yield annotation(found, number, picture.index + 1)


def _images(parts: Parts) -> Iterator[dict[str, Any]]:
    for picture in parts:
        height, width = picture.size
        facts = {"file_name": picture.name, "height": height, "width": width}
        yield {"id": picture.index + 1, **facts}
