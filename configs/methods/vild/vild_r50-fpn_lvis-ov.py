"""ViLD, R50-FPN, LVIS with rare classes held out. Published: mask AP_r 16.6, AP 22.5.

python tools/train.py configs/methods/vild/vild_r50-fpn_lvis-ov.py  # 8 devices x 32 images
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/lvis_ov.py",
    "../../base/schedules/iters_180k.py",
    "../../base/runtime.py",
]

teacher = dict(type="CropTeacher", encoder={{_base_.image_tower}}, crop_size=224)
distillation = dict(type="VildDistillation", teacher=teacher, branch=0, count=300, weight=0.5)
model = dict(
    # From nothing: 460 passes need no ImageNet. Norms learn over all devices.
    trunk=dict(trunk=dict(norm="sync", frozen=-1, weights=None)),
    masks=dict(count=128 * 32),  # 128 an image
    settings=dict(selection=dict(threshold=0.0, top=300), objectives=[distillation]),
)
train = dict(
    iters={{_base_.iters}},
    checkpoint_interval=5_000,
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="ScaleJitter", low=0.1, high=2.0, size=1024, pad=True),
        ],
    ),
    batch_size=32,
)
optim = dict(
    lr=0.32,
    weight_decay=4e-5,
    milestones=(162_000, 171_000, 175_500),  # 0.9, 0.95 and 0.975 of the steps
)
reduced = {
    "model.settings.objectives.0.teacher.encoder": dict(
        type="SmallImageEncoder", dim=512, trunk=dict(type="SmallTrunk", widths=(8, 8, 8))
    ),
    "model.settings.objectives.0.teacher.crop_size": 32,
}
