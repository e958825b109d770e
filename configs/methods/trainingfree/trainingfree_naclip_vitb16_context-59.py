"""NACLIP, CLIP ViT-B/16, PASCAL Context with 59 classes. Published, with PAMR: mIoU 38.35.

python tools/test.py configs/methods/trainingfree/trainingfree_naclip_vitb16_context-59.py
"""

_base_ = [
    "../../base/models/pixel_clip_vitb16.py",
    "../../base/datasets/context_59.py",
    "../../base/runtime.py",
]

readout = dict(type="SelfSelfAttention", pairs=("kk",), sigma=5.0, residual=False, ffn=False)
model = dict(
    trunk=dict(readout=readout),
    head=dict(scale=40.0),
    refinements=[dict(type="Pamr", steps=10, dilations=(8, 16))],
    settings=dict(views=dict(window=224, step=112)),
)
train = None
val = dict(dataset=dict(transforms=[dict(type="Resize", short=336, longest=2048)]))
reduced = {"model.trunk": dict(readout=readout)}
