"""MaskCLIP with tiny-clip's ViT on stickers-seg; nothing is trained. `tools/prove.py maskclip`.

python tools/test.py configs/methods/maskclip/maskclip_tiny_stickers.py
"""

_base_ = [
    "../../base/models/pixel_vit_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/runtime.py",
]

train = None
