"""The ViT's pre-training: contrastive on stickers-caps, against the locked text tower of tiny-clip.

python tools/train.py configs/methods/owlvit/owlvit_clip_tiny_stickers.py  # 1 CPU x 128 pictures

A text tower that has learnt already saves the image tower most of its steps (LiT, Zhai et al.,
https://arxiv.org/abs/2111.07991).
"""

_base_ = [
    "../../base/models/vit_tiny.py",
    "../../base/datasets/stickers_caps.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

model = dict(
    type="DualEncoder",
    image=dict(type="ClipImageEncoder", tower={{_base_.vit}}),
    text=dict(
        type="Pretrained",
        module={{_base_.text_tower}},
        file="tiny-clip.safetensors",
        prefix="text.",
    ),
    objective=dict(type="InfoNce"),
)
# Rendering costs as much as a step: each picture is shown four times, every time told anew.
stream = dict(type="ReplayedStream", stream=dict(type="CaptionStream", size=64, seed=0), repeats=4)
train = dict(
    dataset=dict(stream=dict(_delete_=True, **stream)),
    batch_size=128,
    num_workers=1,  # who renders beside the steps
    iters=1200,
    checkpoint_interval=400,
)
optim = dict(
    lr=1e-3,
    betas=(0.9, 0.98),
    clip=1.0,
    warmup=60,
    precision="bfloat16",
    rates=dict(text=0.0),
)
crops = dict(
    type="CocoDataset",
    ann_file="data/stickers-ov/annotations/val.json",
    image_dir="data/stickers-ov/val",
)
track = "stickers-ov"  # rendered where it is missing: the figures are read off its crops
hooks = [dict(type="CropNaming", dataset=crops, distractors=dict(type="StickerNames"))]
