"""MaskCLIP+ on stickers-seg, transductive: the five unseen names are known, their pixels not.

python tools/train.py configs/methods/maskclip/maskclip_plus_tiny_stickers.py  # 1 CPU x 8 images

A pyramid on tiny-clip's convolutional trunk learns from tiny-clip's ViT, then from itself.
"""

_base_ = [
    "../../base/models/pixel_vit_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

width = 64  # channels of the student's pyramid
blocks = dict(type="SmallTrunk", widths=(32, 64, 128, 256))  # levels of strides 4, 8, 16
student = dict(
    type="MergedLevels",
    trunk=dict(
        type="PyramidTrunk",
        # tiny-clip's image tower, in the part that ImageNet's weights play for the published one
        trunk=dict(
            type="Pretrained", module=blocks, file="tiny-clip.safetensors", prefix="image.trunk."
        ),
        width=width,
    ),
)
labels = dict(
    type="MaskclipLabels",
    trunk={{_base_.image_tower}},
    head={{_base_.cosine}},
    pixels="novel",
    guided=60,  # a tenth of the steps, as published
)
model = dict(
    trunk=dict(_delete_=True, **student),
    # the student's vectors are not scaled to length 1, as published
    head=dict(scale=1.0, project=(width, {{_base_.dim}}), unit=False),
    criterion=dict(type="PixelCrossEntropy"),
    settings=dict(
        names=dict(type="PixelNames", novel=True), labels=labels, views=dict(scales=(1.0,))
    ),
)
# All labels are read, and those of unseen classes are taken away: what then has none is unseen.
# In `labels_train_seen` clutter without a name could not be told from it.
train = dict(iters=600, dataset=dict(label_dir="data/stickers-seg/annotations/labels_train_all"))
optim = dict(precision="bfloat16")
