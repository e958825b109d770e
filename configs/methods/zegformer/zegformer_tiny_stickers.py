"""ZegFormer on stickers-seg, with tiny-clip. `tools/prove.py zegformer` runs it.

python tools/train.py configs/methods/zegformer/zegformer_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/mask_tiny.py",
    "../../base/datasets/stickers_seg.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

crops = dict(
    type="MaskBranch",
    embedder=dict(
        type="MaskCropEmbedder",
        encoder=dict(
            type="Pretrained",
            module={{_base_.image_tower}},
            file={{_base_.file}},
            prefix="image.",
        ),
        size=64,
        fill=(0.5, 0.5, 0.5),  # tiny-clip's mean
    ),
    classifier=dict(
        type="CosineClassifier", dim={{_base_.dim}}, scale={{_base_.scale}}, background="none"
    ),
    shares_void=True,
)
model = dict(
    branches=[{{_base_.queries}}, crops],
    scores=dict(_delete_=True, type="GeometricScores", mean_base=True),  # 1/3 base, 2/3 novel
    settings=dict(type="MaskSettings", seen_bias=0.1),
)
train = dict(iters=700)  # 4 passes over 1,500 pictures
optim = dict(precision="bfloat16", rates={"trunk": 0.1})
