"""tiny-clip, the teacher: InfoNCE on stickers-caps, all classes, as a stand-in for web data.

python tools/train.py configs/methods/clip/clip_tiny_stickers.py  # 1 CPU x 128 pictures

Bars (top-1 on ground-truth crops of stickers-ov val, retrieval among 200): 65 names >= 0.95,
all names >= 0.85, R@1 >= 0.5. Seen with seed 0: 0.958, 0.874 and 0.805 (README.md).
"""

_base_ = [
    "../../base/models/clip_tiny.py",
    "../../base/datasets/stickers_caps.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

# Rendering costs as much as a step: each picture is shown four times, every time told anew.
stream = dict(type="ReplayedStream", stream=dict(type="CaptionStream", size=64, seed=0), repeats=4)
train = dict(
    dataset=dict(stream=dict(_delete_=True, **stream)),
    batch_size=128,
    iters=6000,
    checkpoint_interval=200,
    val_interval=1500,
)
optim = dict(lr=2e-3, betas=(0.9, 0.98), clip=1.0, warmup=60, precision="bfloat16")
crops = dict(
    type="CocoDataset",
    ann_file="data/stickers-ov/annotations/val.json",
    image_dir="data/stickers-ov/val",
)
track = "stickers-ov"  # rendered where it is missing: the bars are read off its crops
hooks = [dict(type="CropNaming", dataset=crops, distractors=dict(type="StickerNames"))]
