"""Detic without image labels, the baseline: each class asked by a sigmoid, base boxes alone.

python tools/train.py configs/methods/detic/detic_boxes_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/two_stage_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

text_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="SigmoidClassifier", scale=50.0),
)
model = dict(branches=[text_branch])
train = dict(iters=700)
optim = dict(precision="bfloat16")
