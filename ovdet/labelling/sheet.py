"""A contact sheet: pictures with their boxes, small, as data URIs."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from ovdet.apis import read_image
from ovdet.apis.draw import draw
from ovdet.labelling.formats.folders import rows_of
from ovdet.labelling.parts import Labelled
from ovdet.labelling.plan import Task
from ovdet.structures import InputError

_SIDE = 360  # px of the longer side, of small pictures too: names are then large enough to read
_BOXES = 30  # of a picture that are drawn; more would hide it


def thumbnail(task: Task, picture: Labelled) -> str | None:
    """Return a picture with its boxes as a data URI; None where it can no longer be read."""
    try:
        pixels = read_image(task.path(picture.index))
    except InputError:
        return None
    scale = _SIDE / max(pixels.shape[:2])
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)
    names = task.question.vocabulary.names
    rows = rows_of(task.question.vocabulary)
    shown = picture.objects[:_BOXES]
    sides = np.array([found["bbox"] for found in shown], np.float32).reshape(-1, 4) * scale
    boxes = np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)
    labels = [names[rows[found["category_id"]]] for found in shown]
    scores = np.array([found["score"] for found in shown], np.float32)
    memory = io.BytesIO()
    Image.fromarray(draw(small, boxes, labels, scores)).save(memory, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
