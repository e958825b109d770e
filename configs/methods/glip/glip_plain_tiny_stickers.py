"""GLIP without fusion, the baseline: the same layers, image and text never see each other.

python tools/train.py configs/methods/glip/glip_plain_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = [
    "../../base/models/grounding_tiny.py",
    "../../base/datasets/stickers_phrases_names.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

model = dict(type="GroundingDetector", detector={{_base_.plain}})
train = dict(iters=900)  # about 4 minutes with fusion, of which measuring takes 20 s
optim = dict(precision="bfloat16")
