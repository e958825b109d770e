"""MaskCLIP, CLIP ViT-B/16, PASCAL VOC without background. Published: mIoU 49.5.

python tools/test.py configs/methods/maskclip/maskclip_vitb16_voc-zs.py

Nothing is trained, so that all 20 classes are unseen to it; the protocol's five are told apart in
the figures. The published figure comes with two more linear maps and a shortcut behind the values:
--cfg-options model.trunk.readout.residual=True model.trunk.readout.ffn=True
"""

_base_ = [
    "../../base/models/pixel_clip_vitb16.py",
    "../../base/datasets/voc_zs.py",
    "../../base/runtime.py",
]

train = None
