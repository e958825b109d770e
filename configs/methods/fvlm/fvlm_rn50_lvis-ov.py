"""F-VLM, CLIP RN50, LVIS with rare classes held out. Published (unverified): mask AP_r 18.6.

python tools/train.py configs/methods/fvlm/fvlm_rn50_lvis-ov.py  # 8 devices x 32 images
"""

_base_ = [
    "../../base/models/two_stage_clip_rn50.py",
    "../../base/datasets/lvis_ov.py",
    "../../base/schedules/iters_180k.py",
    "../../base/runtime.py",
]

model = dict(
    masks=dict(count=128 * 32),  # 128 an image
    scores=dict(base_share=0.35, novel_share=0.65),
    settings=dict(selection=dict(top=300)),
)
train = dict(
    iters=46_100,  # 118 passes of 100,170 images, 256 a step
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
