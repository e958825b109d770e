"""GLIP: image and text exchange what they know in front of every layer.

python tools/train.py configs/methods/glip/glip_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["glip_plain_tiny_stickers.py"]

model = dict(detector={{_base_.fused}})
