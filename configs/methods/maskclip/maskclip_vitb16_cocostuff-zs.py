"""MaskCLIP, CLIP ViT-B/16, COCO-Stuff with 171 classes. Published: mIoU 12.5.

python tools/test.py configs/methods/maskclip/maskclip_vitb16_cocostuff-zs.py
"""

_base_ = [
    "../../base/models/pixel_clip_vitb16.py",
    "../../base/datasets/cocostuff_zs.py",
    "../../base/runtime.py",
]

train = None
val = dict(dataset=dict(transforms=[dict(type="Resize", short=512, longest=2048)]))
