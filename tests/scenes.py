"""Small made-up scenes with everything that makes evaluators differ."""

import numpy as np
from pycocotools import mask as coco_mask

SIDE = 24  # px
CLASSES = 4


def random_scene(seed, *, federated=False, crowded=False):
    """A truth and results: crowds, empty images, ties, absent classes, polygons, odd orders.

    Sizes touch the limits between small, medium and large; ids are neither ordered nor dense.
    """
    rng = np.random.default_rng(seed)
    image_ids = rng.permutation(50)[: rng.integers(1, 7)].tolist()
    ids = (rng.permutation(30)[:CLASSES] + 1).tolist()
    annotations, results = [], []
    for image in image_ids:
        for _ in range(rng.integers(0, 6)):
            box, label = random_box(rng), int(rng.choice(ids[:-1]))  # the last one is absent
            annotations.append(_annotation(rng, image, label, box))
            for _ in range(rng.integers(0, 3)):
                near = [max(side + int(rng.integers(-2, 3)), 1) for side in box]
                guess = label if rng.random() < 0.7 else int(rng.choice(ids))
                results.append(_result(rng, image, guess, near))
        stray = rng.integers(0, 3) + 130 * (crowded and rng.random() < 0.5)
        some = ids[:1] if stray > 100 else ids[:2]  # more of one class than COCO counts
        results += [
            _result(rng, image, int(rng.choice(some)), random_box(rng)) for _ in range(stray)
        ]
    annotations = [annotations[i] for i in rng.permutation(len(annotations))]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    images = [{"id": image, "height": SIDE, "width": SIDE} for image in image_ids]
    categories = [{"id": label, "name": f"class {label}"} for label in ids]
    if federated:
        _federate(rng, images, categories, ids)
    truth = {"images": images, "annotations": annotations, "categories": categories}
    return truth, [results[i] for i in rng.permutation(len(results))]


def _federate(rng, images, categories, ids):
    for image in images:
        image["neg_category_ids"] = [i for i in ids if rng.random() < 0.4]
        image["not_exhaustive_category_ids"] = [i for i in ids if rng.random() < 0.25]
    for category in categories:
        category["frequency"] = str(rng.choice(list("rcf")))


def random_box(rng):
    """A box x, y, width, height, whole px."""
    return [*rng.integers(0, 12, 2).tolist(), *rng.integers(1, 12, 2).tolist()]


def draw(box, holes=0.0, rng=None):
    """A box as run lengths, some of its pixels left out."""
    x, y, width, height = map(round, box)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[y : y + height, x : x + width] = 1
    if rng is not None:
        mask &= rng.random(mask.shape) >= holes
    packed = coco_mask.encode(np.asfortranarray(mask))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


def _annotation(rng, image, label, box):
    x, y, width, height = box
    shape = rng.integers(3)
    if shape == 0:
        corners = [x, y, x + width, y, x + width / 2, y + height]
        segmentation = [corners, [x, y, x + 1, y, x + 1, y + 1.5]]
    else:
        segmentation = draw(box, 0.2 * (shape - 1), rng)
    return {
        "image_id": image,
        "category_id": label,
        "bbox": box,
        "area": float(rng.choice([width * height, 32**2, 96**2], p=[0.7, 0.15, 0.15])),
        "iscrowd": int(rng.random() < 0.15),
        "segmentation": segmentation,
    }


def _result(rng, image, label, box):
    return {
        "image_id": image,
        "category_id": label,
        "bbox": [float(side) for side in box],
        "score": round(float(rng.random()), 1),  # ties
        "segmentation": draw(box, 0.1, rng),
    }
