"""Detic's smallest proof on stickers-ov: image labels name what was never boxed.

python tools/prove.py detic
"""

variants = [
    dict(name="boxes only (baseline)", config="detic_boxes_tiny_stickers.py"),
    dict(name="+ labels, largest proposal", config="detic_tiny_stickers.py"),
    dict(
        name="+ labels, whole picture",
        config="detic_tiny_stickers.py",
        options={"model.settings.objectives.0.select": "image"},
    ),
    dict(name="text only (baseline)", of="vild"),
    dict(name="oracle (novel boxes too)", of="vild"),
]
figures = {
    "novel AP50": "coco/bbox/novel/AP50",
    "base AP50": "coco/bbox/base/AP50",
    "all AP50": "coco/bbox/all/AP50",
    "novel mask AP50": "coco/segm/novel/AP50",
    "novel proposals@100": "proposals@100/novel",
}
