"""Detic on stickers: base boxes, and image labels of all classes on the largest proposal.

python tools/train.py configs/methods/detic/detic_tiny_stickers.py  # 1 CPU x (8 + 8) images
"""

_base_ = [
    "../../base/models/two_stage_tiny.py",
    "../../base/datasets/stickers_ov_labels.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

text_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="SigmoidClassifier", scale=50.0),
)
# Paper: the best 128 proposals, 32 on COCO; 16 here, of the 100 that a picture of 128 px keeps.
image_labels = dict(type="DeticImageLabels", select="max_size", count=16, weight=0.1)
model = dict(branches=[text_branch], settings=dict(objectives=[image_labels]))
train = dict(iters=700)
optim = dict(precision="bfloat16")
