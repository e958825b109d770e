"""MaskCLIP+, ResNet-101 taught by CLIP RN50, PASCAL VOC, transductive. Published: mIoU(U) 86.1.

python tools/train.py configs/methods/maskclip/maskclip_plus_r101_voc-zs.py  # 4 devices x 4 images

The published student is DeepLabv2, dilated to stride 8; this one adds up a pyramid's levels at
stride 4.
"""

_base_ = [
    "../../base/models/pixel_clip_rn50.py",
    "../../base/datasets/voc_zs.py",
    "../../base/runtime.py",
]

width = 256
student = dict(
    type="MergedLevels",
    trunk=dict(
        type="PyramidTrunk",
        trunk=dict(type="ResNetTrunk", depth=101, norm="sync", weights="resnet101-63fe2227.pth"),
        width=width,
    ),
)
labels = dict(
    type="MaskclipLabels",
    trunk={{_base_.image_tower}},
    head=dict(type="CosinePixelHead", scale=100.0),
    pixels="novel",
    guided=2_000,  # a tenth of the steps; 4,000 on Context, 8,000 on COCO-Stuff
)
model = dict(
    trunk=dict(_delete_=True, **student),
    head=dict(scale=1.0, project=(width, {{_base_.dim}}), unit=False),
    criterion=dict(type="PixelCrossEntropy"),
    settings=dict(type="PixelSettings", names=dict(type="PixelNames", novel=True), labels=labels),
)
train = dict(
    iters=20_000,
    checkpoint_interval=2_000,
    # Labels of unseen classes are read and taken away, so that they differ from what is ignored.
    dataset=dict(hide_novel=False),
)
optim = dict(
    type="SGD",
    lr=0.01,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",  # published: a polynomial of power 0.9 down to 1e-4
)
reduced = {
    "model.trunk": dict(
        _delete_=True,
        type="MergedLevels",
        trunk=dict(
            type="PyramidTrunk",
            trunk=dict(type="SmallTrunk", widths=(8, 8, 16, 16)),
            width=width,
        ),
    ),
    "model.settings.labels.trunk": {{_base_.narrow_tower}},
}
