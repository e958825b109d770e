"""ViLD's smallest proof on stickers-ov: distillation lifts novel classes, and why.

python tools/prove.py vild
"""

_teacher = dict(
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
)
labeler = dict(type="VildLabeler", teacher=_teacher, count=60)

_jitter = [dict(type="RandomFlip"), dict(type="ColorJitter")]


def _prepared(**changes):
    """Return the options of a run that reads the teacher's view from the prepared file."""
    load = dict(type="LoadProposals", file="{prepared}", **changes)
    return {"train.dataset.transforms": [load, *_jitter]}


variants = [
    dict(name="text only (baseline)", config="vild_text_tiny_stickers.py"),
    dict(
        name="ViLD, shared head",
        config="vild_tiny_stickers.py",
        options=_prepared(),
        prepared=True,
    ),
    dict(
        name="ViLD-ensemble",
        config="vild_ensemble_tiny_stickers.py",
        options=_prepared(),
        prepared=True,
    ),
    dict(name="oracle (novel boxes too)", config="vild_oracle_tiny_stickers.py"),
    dict(
        name="control: shuffled teacher",
        config="vild_ensemble_tiny_stickers.py",
        options=_prepared(shuffle=True),
        prepared=True,
    ),
    dict(
        name="control: base boxes only",
        config="vild_ensemble_tiny_stickers.py",
        options=_prepared(near_truth=0.5),
        prepared=True,
    ),
]
figures = {
    "novel AP50": "coco/bbox/novel/AP50",
    "base AP50": "coco/bbox/base/AP50",
    "all AP50": "coco/bbox/all/AP50",
    "novel mask AP50": "coco/segm/novel/AP50",
    "novel proposals@100": "proposals@100/novel",
}
