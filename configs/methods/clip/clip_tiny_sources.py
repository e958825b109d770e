"""tiny-clip on two sources of captions: how a run learns from several data sets at once.

python tools/train.py configs/methods/clip/clip_tiny_sources.py  # 1 CPU x 128 or 64 pictures

An example of ``MultiSource``, not a trained model: no score is claimed.
"""

_base_ = [
    "../../base/models/clip_tiny.py",
    "../../base/datasets/stickers_caps_sources.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

train = dict(num_workers=1, iters=1000, checkpoint_interval=200)
optim = dict(lr=2e-3, betas=(0.9, 0.98), clip=1.0, warmup=60)
