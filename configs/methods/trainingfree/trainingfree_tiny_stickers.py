"""Training-free dense CLIP with tiny-clip's ViT on stickers-seg. `tools/prove.py trainingfree`.

python tools/test.py configs/methods/trainingfree/trainingfree_tiny_stickers.py
"""

_base_ = [
    "../../base/models/pixel_vit_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/runtime.py",
]

readout = dict(type="SelfSelfAttention", pairs=("kk",), sigma=5.0, residual=False, ffn=False)
model = dict(trunk=dict(module=dict(readout=readout, keys=False)))
train = None
