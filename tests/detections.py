"""Small worlds in COCO's form for the tests of what is measured on detections."""

import numpy as np
import torch

from ovdet.ops.rle import encode_rle

SIDE = 40
IDS = (5, 2, 9, 4)


def coco(boxes, categories=IDS, images=1):
    """A truth of (image, category, x, y, width, height), each box its own mask."""
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            "segmentation": draw(box),
        }
        for number, (image, category, *box) in enumerate(boxes, 1)
    ]
    return {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": SIDE, "width": SIDE}
            for i in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": c, "name": f"class {c}"} for c in categories],
    }


def draw(box):
    x, y, width, height = box
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[0, round(y) : round(y + height), round(x) : round(x + width)] = True
    return encode_rle(mask)[0]


def result(image, category, box, score):
    entry = {"image_id": image, "category_id": category, "bbox": list(box), "score": score}
    return entry | {"segmentation": draw(box)}


def scattered(seed, crowds=True, images=12):
    """Objects and detections partly near them, at places where no overlap is a round number."""
    rng = np.random.default_rng(seed)
    truth, results = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 6)):
            box = [*(rng.random(2) * 20).tolist(), *(3 + rng.random(2) * 15).tolist()]
            category = int(rng.choice(IDS[:3]))
            truth.append((image, category, *box))
            for _ in range(rng.integers(0, 4)):
                moved = [max(value + float(rng.normal()) * 1.5, 1) for value in box]
                guess = category if rng.random() < 0.7 else int(rng.choice(IDS))
                results.append(result(image, guess, moved, float(rng.random())))
    world = coco(truth, images=images)
    for annotation in world["annotations"][:: 7 if crowds else len(truth) + 1]:
        annotation["iscrowd"] = int(crowds)
    return world, results
