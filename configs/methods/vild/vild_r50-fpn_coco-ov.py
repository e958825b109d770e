"""ViLD, R50-FPN, OV-COCO. Published: box AP50 27.6 novel, 59.5 base, 51.3 all.

python tools/train.py configs/methods/vild/vild_r50-fpn_coco-ov.py  # 8 devices x 2 images

The paper's schedule for COCO is not published; this is the common one, with ImageNet's weights.
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/coco_ov.py",
    "../../base/schedules/iters_90k.py",
    "../../base/runtime.py",
]

teacher = dict(type="CropTeacher", encoder={{_base_.image_tower}}, crop_size=224)
distillation = dict(type="VildDistillation", teacher=teacher, branch=0, count=300, weight=0.5)
model = dict(settings=dict(objectives=[distillation]))
train = dict(
    iters={{_base_.iters}},
    checkpoint_interval=5_000,
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="RandomResize", shorts=(640, 672, 704, 736, 768, 800), longest=1333),
        ],
    ),
)
reduced = {
    "model.settings.objectives.0.teacher.encoder": dict(
        type="SmallImageEncoder", dim=512, trunk=dict(type="SmallTrunk", widths=(8, 8, 8))
    ),
    "model.settings.objectives.0.teacher.crop_size": 32,
}
