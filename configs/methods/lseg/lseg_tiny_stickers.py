"""LSeg on stickers-seg: pixels of a small DPT against frozen names.

python tools/train.py configs/methods/lseg/lseg_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/vit_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

width = 64  # d, behind the fusion
blocks = dict(type="SmallTrunk", widths=(32, 64, 128, 256))  # levels of strides 4, 8, 16
names = dict(
    type="TextClasses",
    encoder=dict(
        type="Pretrained",
        module={{_base_.text_tower}},
        file="tiny-clip.safetensors",
        prefix="text.",
    ),
    templates="single",  # paper: the bare name; tiny-clip's captions have few forms, and not that
)
pixels = dict(type="CosinePixelHead", scale=1 / 0.07, project=(width, {{_base_.dim}}))
model = dict(
    type="PixelSegmentor",
    trunk=dict(
        type="DptTrunk",
        trunk=dict(
            type="Pretrained", module=blocks, file="tiny-clip.safetensors", prefix="image.trunk."
        ),
        width=width,
    ),
    text=names,
    head=pixels,
    criterion=dict(type="PixelCrossEntropy"),
)
train = dict(iters=600)
optim = dict(precision="bfloat16")
