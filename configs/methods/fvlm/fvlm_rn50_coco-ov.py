"""F-VLM, CLIP RN50, OV-COCO. Published: novel AP50 28.0 (that its trunk is RN50 is unverified).

python tools/train.py configs/methods/fvlm/fvlm_rn50_coco-ov.py  # 8 devices x 32 images
"""

_base_ = [
    "../../base/models/two_stage_clip_rn50.py",
    "../../base/datasets/coco_ov.py",
    "../../base/schedules/iters_90k.py",
    "../../base/runtime.py",
]

model = dict(
    masks=dict(count=128 * 32),  # 128 an image
    scores=dict(base_share=0.2, novel_share=0.45),  # unverified; F-ViT's code has the same
    settings=dict(selection=dict(threshold=0.05)),
)
# The published small-scale settings train on COCO and name this as their full scale.
train = dict(
    iters=46_100,
    checkpoint_interval=2_000,
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="ScaleJitter", low=0.1, high=2.0, size=1024, pad=True),
        ],
    ),
    batch_size=32,
)
val = dict(dataset=dict(transforms=[dict(type="Resize", short=1024, longest=1024)]))
optim = dict(
    lr=0.36,
    milestones=(36_880, 41_490, 43_795),  # 0.8, 0.9 and 0.95 of the steps
)
reduced = {"model.settings.selection.threshold": 0.0}
