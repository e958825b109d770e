import json

import pytest

from ovdet.data.convert import convert
from ovdet.data.splits import vocabulary


@pytest.fixture
def source(tmp_path):
    """An empty folder for a data set."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def put(source):
    """Write a file below the source: bytes, text, or a record as JSON."""

    def write(name, content):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.fixture
def run(source, tmp_path):
    """Convert the source; return the output folder and what was written by its path."""

    def call(name, **options):
        out = tmp_path / "out"
        written = convert(name, source, out, **({"partial": True} | options))
        return out, {one.path: one for one in written}

    return call


@pytest.fixture
def read():
    def load(path):
        return json.loads(path.read_text(encoding="utf-8"))

    return load


@pytest.fixture
def coco_record():
    """Make a COCO file of boxes in images; see :func:`make_coco`."""
    return make_coco


def make_coco(boxes, images, *, classes="coco"):
    """A COCO record with every category; ``boxes`` are pairs of image id and category id."""
    listed = vocabulary(classes)
    names = zip(listed.category_ids, listed.names, strict=True)
    return {
        "info": {"year": 2017},
        "licenses": [{"id": 1, "name": "CC"}],
        "images": [
            {"id": i, "file_name": f"{i:012d}.jpg", "height": 20, "width": 30} for i in images
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": [1.0, 2.0, 3.5, 4.0],
                "area": 14.0,
                "iscrowd": 0,
                "segmentation": [[1.0, 2, 4.5, 2, 4.5, 6]],
            }
            for number, (image, category) in enumerate(boxes, start=1)
        ],
        "categories": [{"id": i, "name": name} for i, name in names],
    }
