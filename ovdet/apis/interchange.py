"""The forms in which other tools want what was found in one picture.

Packages that a form belongs to are imported when it is asked for. Px are of the picture.
"""

import base64
import html
import io
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ovdet.apis.coco import Mask
from ovdet.apis.images import Pixels

if TYPE_CHECKING:
    from ovdet.apis.result import Result

_SHOWN = 1280  # px of the longer side of a picture in a notebook
_DETAIL = 0.5  # px by which the outline of a mask may be straightened


class LabelStudio(TypedDict, total=False):
    """What else ``Result.to_labelstudio`` can be told; see :func:`to_labelstudio`."""

    image: str
    model_version: str
    from_name: str
    to_name: str


def to_supervision(result: "Result") -> Any:
    """Return ``supervision.Detections`` with the names under ``data["class_name"]``.

    Raises:
        ImportError: If the package supervision is not installed.
    """
    from supervision import Detections

    return Detections(
        xyxy=result.boxes.copy(),
        mask=result.masks,
        confidence=result.scores.copy(),
        class_id=result.class_ids.astype(int),
        data={"class_name": np.array(result.labels, dtype=np.str_)},
    )


def to_transformers(result: "Result") -> dict[str, Any]:
    """Return what transformers' zero-shot detectors give for one picture.

    Returns:
        ``scores`` [N], ``labels`` [N] and ``boxes`` [N, 4] (xyxy, px) as tensors, and
        ``text_labels``, N names.
    """
    return {
        "scores": torch.from_numpy(result.scores.copy()),
        "labels": torch.from_numpy(result.class_ids.copy()),
        "boxes": torch.from_numpy(result.boxes.copy()),
        "text_labels": result.labels,
    }


def to_pipeline(result: "Result") -> list[dict[str, Any]]:
    """Return what transformers' ``pipeline("zero-shot-object-detection")`` gives for one picture.

    Returns:
        For each object ``score``, ``label`` and ``box``, a dict of ``xmin``, ``ymin``, ``xmax`` and
        ``ymax``: px, cut to whole numbers as there.
    """
    sides = ("xmin", "ymin", "xmax", "ymax")
    return [
        {"score": score, "label": label, "box": dict(zip(sides, box, strict=True))}
        for score, label, box in zip(
            result.scores.tolist(),
            result.labels,
            result.boxes.astype(np.int64).tolist(),
            strict=True,
        )
    ]


def to_pandas(result: "Result") -> Any:
    """Return a ``pandas.DataFrame``: file_name, label, class_id, score, x1, y1, x2, y2.

    Raises:
        ImportError: If the package pandas is not installed.
    """
    from pandas import DataFrame

    columns = {
        "file_name": [result.file_name] * len(result),
        "label": result.labels,
        "class_id": result.class_ids,
        "score": result.scores,
    }
    sides = {name: result.boxes[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))}
    return DataFrame(columns | sides)


def to_fiftyone(result: "Result") -> Any:
    """Return ``fiftyone.Detections``: boxes [x, y, w, h] in parts of the picture, masks over them.

    FiftyOne is not among what ovdet is tested with: what its classes are given is, by a stand-in
    that records it.

    Raises:
        ImportError: If the package fiftyone is not installed.
    """
    fiftyone = import_module("fiftyone")
    height, width = result.image.shape[:2]
    unit = np.array([width, height], np.float64)
    detections = []
    for found in result:
        low, high = np.array(found.box[:2]), np.array(found.box[2:])
        detections.append(
            fiftyone.Detection(
                label=found.label,
                bounding_box=[*(low / unit).tolist(), *((high - low) / unit).tolist()],
                confidence=found.score,
                mask=None if found.mask is None else _inside(found.mask, found.box),
            )
        )
    return fiftyone.Detections(detections=detections)


def to_labelstudio(
    result: "Result",
    *,
    image: str = "",
    model_version: str = "ovdet",
    from_name: str = "label",
    to_name: str = "image",
) -> dict[str, Any]:
    """Return a task of Label Studio with what was found as its prediction.

    Objects are ``rectanglelabels``, or ``polygonlabels`` where there are masks: each connected part
    of a mask is a polygon along its outer border, within half a px; holes are not kept, and an
    object whose mask is empty is left out. Corners are in percent of the picture.

    Args:
        result: What was found.
        image: The picture's address as Label Studio sees it; the file's name when empty.
        model_version: What Label Studio calls the predictions' source.
        from_name: Name of the labelling tag in the project's configuration.
        to_name: Name of its image tag.
    """
    height, width = result.image.shape[:2]
    common = {
        "from_name": from_name,
        "to_name": to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    regions: list[dict[str, Any]] = []
    for place, found in enumerate(result):
        for part, (kind, shape) in enumerate(_shapes(found.mask, found.box, width, height)):
            value = shape | {kind: [found.label]}
            facts = {"id": f"{place}-{part}", "type": kind, "value": value, "score": found.score}
            regions.append(common | facts)
    prediction = {
        "model_version": model_version,
        "score": float(result.scores.mean()) if len(result) else 0.0,
        "result": regions,
    }
    return {"data": {to_name: image or result.file_name}, "predictions": [prediction]}


def to_html(picture: Pixels, text: str) -> str:
    """Return a picture and lines of text as HTML that needs nothing from elsewhere.

    Args:
        picture: RGB, uint8, [H, W, 3]; shown with at most 1,280 px on its longer side.
        text: Shown as it stands.
    """
    shown = Image.fromarray(picture)
    shown.thumbnail((_SHOWN, _SHOWN))
    memory = io.BytesIO()
    shown.save(memory, "JPEG", quality=90)
    data = base64.b64encode(memory.getvalue()).decode("ascii")
    return (
        f'<img src="data:image/jpeg;base64,{data}" style="max-width: 100%" alt="what was found">'
        f"<pre>{html.escape(text)}</pre>"
    )


def _inside(mask: Mask, box: tuple[float, float, float, float]) -> Mask:
    """Return the part of a mask [H, W] that a box covers, at least one px large."""
    height, width = mask.shape
    left, top = min(max(int(box[0]), 0), width - 1), min(max(int(box[1]), 0), height - 1)
    right, bottom = max(round(box[2]), left + 1), max(round(box[3]), top + 1)
    return mask[top:bottom, left:right]


def _shapes(
    mask: Mask | None, box: tuple[float, float, float, float], width: int, height: int
) -> list[tuple[str, dict[str, Any]]]:
    """Return an object's kind and shape for Label Studio, one for each part of its mask."""
    unit = np.array([width, height], np.float64) / 100
    if mask is not None:
        return [("polygonlabels", {"points": (o / unit).tolist()}) for o in outlines(mask)]
    (x, y), (x2, y2) = (np.array(corner) / unit for corner in (box[:2], box[2:]))
    sides = {"x": x, "y": y, "width": x2 - x, "height": y2 - y}
    rectangle = {name: float(value) for name, value in sides.items()}
    return [("rectanglelabels", rectangle | {"rotation": 0})]


def outlines(mask: Mask) -> list[NDArray[np.float64]]:
    """Return the outer borders of a mask's connected parts, the largest first, holes left out.

    Args:
        mask: [H, W].

    Returns:
        For each part corners [P, 2], x and y, px, at least three, along the px' edges within half
        a px.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    corner = np.array([columns[0], rows[0]], np.float64)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    # A border runs through corners of px, of which there is one more than px each way.
    corners = np.zeros((part.shape[0] + 1, part.shape[1] + 1), np.uint8)
    for down in (0, 1):
        for across in (0, 1):
            corners[down : down + part.shape[0], across : across + part.shape[1]] |= part
    found, _ = cv2.findContours(corners, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = sorted(found, key=cv2.contourArea, reverse=True)
    simple = [cv2.approxPolyDP(border, _DETAIL, closed=True) for border in found]
    return [border[:, 0] + corner for border in simple if len(border) >= 3]
