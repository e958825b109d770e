import json

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 24, 32


def tiny_coco():
    """Three images (the third is empty), three classes (one novel), boxes, polygons, runs."""
    square = [[4.0, 4.0, 12.0, 4.0, 12.0, 12.0, 4.0, 12.0]]
    runs = {"size": [HEIGHT, WIDTH], "counts": [0, 48, HEIGHT * WIDTH - 48]}  # two columns
    images = [
        {"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH}
        for number in (7, 3, 11)
    ]
    boxes = {
        101: (7, 5, [4.0, 4.0, 8.0, 8.0], square, 0),
        102: (7, 9, [0.0, 0.0, 2.0, 24.0], runs, 0),
        103: (3, 5, [20.5, 10.0, 11.5, 14.0], square, 0),
        104: (3, 2, [1.0, 1.0, 3.0, 3.0], square, 1),
    }
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3],
            "segmentation": segmentation,
            "iscrowd": crowd,
        }
        for number, (image, category, box, segmentation, crowd) in boxes.items()
    ]
    categories = [
        {"id": 5, "name": "cat", "novel": False},
        {"id": 2, "name": "dog", "novel": False},
        {"id": 9, "name": "red car", "novel": True},
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


@pytest.fixture
def coco():
    return tiny_coco()


@pytest.fixture
def folder(tmp_path):
    """A folder with the three images."""
    for number in (7, 3, 11):
        values = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(values).save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.fixture
def stored(folder):
    """Write a COCO record beside its images and return the file's path."""

    def write(record):
        path = folder / "annotations.json"
        path.write_text(json.dumps(record))
        return path

    return write
