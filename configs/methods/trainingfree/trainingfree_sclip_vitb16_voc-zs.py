"""SCLIP, CLIP ViT-B/16, PASCAL VOC without background. Published: mIoU 81.54.

python tools/test.py configs/methods/trainingfree/trainingfree_sclip_vitb16_voc-zs.py
"""

_base_ = [
    "../../base/models/pixel_clip_vitb16.py",
    "../../base/datasets/voc_zs.py",
    "../../base/runtime.py",
]

readout = dict(type="SelfSelfAttention", pairs=("qq", "kk"), residual=True, ffn=True)
model = dict(
    trunk=dict(readout=readout),
    head=dict(scale=40.0),
    settings=dict(
        views=dict(window=224, step=112),
        answers=dict(synonyms=True),  # where the vocabulary has some
    ),
)
train = None
val = dict(dataset=dict(transforms=[dict(type="Resize", short=336, longest=2048)]))
reduced = {"model.trunk": dict(readout=readout)}
