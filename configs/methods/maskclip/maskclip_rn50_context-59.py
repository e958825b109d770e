"""MaskCLIP, CLIP RN50, PASCAL Context with 59 classes. Published: mIoU 18.5.

python tools/test.py configs/methods/maskclip/maskclip_rn50_context-59.py

The published tower has its last stage dilated (stride 16); this one keeps CLIP's stride of 32.
"""

_base_ = [
    "../../base/models/pixel_clip_rn50.py",
    "../../base/datasets/context_59.py",
    "../../base/runtime.py",
]

train = None
val = dict(dataset=dict(transforms=[dict(type="Resize", short=520, longest=520)]))
