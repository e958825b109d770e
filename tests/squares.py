"""A tiny random detector on disk, and two files of coloured squares."""

import json

import numpy as np
from PIL import Image

CONFIG = """
tower = dict(type="TinyTextTransformer", dim=16, width=16, layers=1, heads=2, embed_width=4)
embedder = dict(type="RoiEmbedder", width=8, dim=16, hidden=16, convs=1, size=7)
branch = dict(
    type="RegionBranch", embedder=embedder, classifier=dict(type="CosineClassifier", dim=16)
)
model = dict(
    type="TwoStageDetector",
    trunk=dict(
        type="PyramidTrunk", trunk=dict(type="SmallTrunk", widths=(4, 4, 8, 8)), width=8
    ),
    text=dict(type="TextClasses", encoder=tower),
    proposals=dict(
        type="RpnProposals", width=8, sizes=(12, 24, 48), train_top=20, test_top=20
    ),
    branches=[branch],
    boxes=dict(type="BoxHead", hidden=16),
    masks=dict(type="MaskHead", width=8, convs=1),
    scores=dict(type="FirstScores"),
    settings=dict(type="TwoStageSettings", sampler=dict(type="RegionSampler", count=8)),
)
predict = dict(short=48, max=64, threshold=0.01)
"""
COLOURS = {"ruby": (220, 30, 40), "jade": (20, 180, 90), "coal": (20, 20, 20)}


def write_squares(folder, names, *, count=3, boxes=True, novel=False):
    """Write pictures of one square each and their COCO file; return it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, count + 1):
        pixels = rng.integers(90, 160, (48, 48, 3), dtype=np.uint8)
        name = names[number % len(names)]
        left, top = (int(edge) for edge in rng.integers(2, 20, 2))
        pixels[top : top + 24, left : left + 24] = COLOURS[name]
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 48, "width": 48})
        entry = {"id": number, "image_id": number, "category_id": names.index(name) + 1}
        annotations.append(entry | {"bbox": [left, top, 24, 24], "area": 576, "iscrowd": 0})
    categories = [{"id": i, "name": n, "novel": novel} for i, n in enumerate(names, 1)]
    record = {"images": images, "annotations": annotations if boxes else []}
    file = folder / "data.json"
    file.write_text(json.dumps(record | {"categories": categories}))
    return file
