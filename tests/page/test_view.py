import base64
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ovdet.apis.draw import class_colour
from ovdet.page.view import as_objects, as_picture, outline


def decoded(picture):
    head, _, data = picture["source"].partition(";base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return head, np.array(image)


def test_a_small_picture_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    picture = as_picture(pixels)
    head, shown = decoded(picture)
    assert head == "data:image/png"
    assert (shown == pixels).all()
    assert (picture["width"], picture["height"]) == (50, 30)


@pytest.mark.parametrize(("size", "shown"), [((1000, 4000), (400, 1600)), ((900, 600), (900, 600))])
def test_a_large_one_fits_the_screen_and_says_its_own_size(size, shown):
    picture = as_picture(np.full((*size, 3), 90, np.uint8))
    head, pixels = decoded(picture)
    assert head == "data:image/jpeg"
    assert pixels.shape[:2] == shown
    assert (picture["height"], picture["width"]) == size


def corners(path):
    """Return the polygons of a path, [n, 2] each."""
    parts = [part.rstrip("Z") for part in path.split("M")[1:]]
    return [np.array([p.split() for p in part.split("L")], float) for part in parts]


def test_the_outline_of_a_rectangle_runs_through_its_outer_pixels():
    mask = np.zeros((10, 12), np.bool_)
    mask[2:5, 3:7] = True
    (polygon,) = corners(outline(mask))
    assert sorted(map(tuple, polygon)) == [(3.5, 2.5), (3.5, 4.5), (6.5, 2.5), (6.5, 4.5)]


def test_parts_and_holes_fill_by_even_and_odd():
    mask = np.zeros((60, 80), np.bool_)
    mask[5:40, 5:40] = True
    mask[15:30, 15:30] = False
    mask[45:55, 60:70] = True
    path = outline(mask)
    canvas = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(canvas, [(p - 0.5).astype(np.int32) for p in corners(path)], 1)
    assert len(corners(path)) == 3
    assert (canvas.astype(np.bool_) & ~mask).sum() <= 4 * 16  # the hole's rim belongs to both
    assert not (mask & ~canvas.astype(np.bool_)).any()


def test_no_pixel_no_outline():
    assert outline(np.zeros((4, 4), np.bool_)) == ""


def test_objects(model):
    result = model.detect(np.zeros((40, 60, 3), np.uint8), ["a", "b"], threshold=0)
    first, second = as_objects(result)
    assert (first["label"], second["label"]) == ("a", "b")
    assert first["box"] == [0, 4, 30, 36]
    assert first["score"] == float(np.float32(0.9))
    assert first["colour"] == "#{:02x}{:02x}{:02x}".format(*class_colour("a"))
    assert first["ink"] in {"#000000", "#ffffff"}
    assert first["outline"].startswith("M")


def test_objects_without_masks_and_no_objects(model):
    result = model.detect(np.zeros((40, 60, 3), np.uint8), ["a"], threshold=0)
    bare = type(result)(
        result.boxes, result.scores, result.class_ids, result.vocabulary, result.image
    )
    assert as_objects(bare)[0]["outline"] == ""
    assert as_objects(bare.filter(min_score=1)) == []
