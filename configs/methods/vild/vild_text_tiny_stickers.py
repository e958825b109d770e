"""ViLD-text, the baseline: text embeddings as classifier, learnt on base boxes alone.

python tools/train.py configs/methods/vild/vild_text_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/two_stage_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

train = dict(iters=1500)  # 10 passes over 1,200 pictures; at 6 the base classes were still rising
optim = dict(precision="bfloat16")
