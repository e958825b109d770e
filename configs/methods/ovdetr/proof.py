"""OV-DETR's smallest proof on stickers-ov: one condition a block against a fixed classifier.

python tools/prove.py ovdetr
"""

labeler = dict(
    type="OvdetrLabeler",
    teacher=dict(
        type="CropTeacher",
        encoder=dict(
            type="Pretrained",
            module=dict(
                type="SmallImageEncoder",
                dim=128,
                trunk=dict(type="SmallTrunk", widths=(32, 64, 128, 256)),
            ),
            file="tiny-clip.safetensors",
            prefix="image.",
        ),
        crop_size=64,
    ),
    count=12,
    scale=50.0,
    # Nine of ten annotated base objects look at least so much like their name (300 pictures, 665
    # objects); without it the world's unnamed clutter would be most of what is mined.
    likeness=0.8,
)

_jitter = [dict(type="RandomFlip"), dict(type="ColorJitter")]
_mined = {
    "train.dataset.transforms": [
        dict(type="LoadProposals", file="{prepared}", as_truth=True),
        *_jitter,
    ]
}
_crops = {"model.conditions.crops": dict(type="StoredCrops", file="{prepared}")}

variants = [
    dict(name="fixed text classifier (baseline)", config="ovdetr_text_tiny_stickers.py"),
    dict(
        name="fixed text classifier, mined boxes",
        config="ovdetr_text_tiny_stickers.py",
        options=_mined | {"model.classifier.mask_novel": False},
        prepared=True,
    ),
    dict(
        name="conditional, base boxes only",
        config="ovdetr_tiny_stickers.py",
        options=_crops | {"model.conditions.mask_novel": True},
        prepared=True,
    ),
    dict(
        name="OV-DETR",
        config="ovdetr_tiny_stickers.py",
        options=_crops | _mined,
        prepared=True,
    ),
]
figures = {
    "novel AP50": "coco/bbox/novel/AP50",
    "base AP50": "coco/bbox/base/AP50",
    "all AP50": "coco/bbox/all/AP50",
    "novel proposals@100": "proposals@100/novel",
}
