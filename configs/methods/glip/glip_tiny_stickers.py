"""GLIP: image and text exchange what they know in front of every layer.

python tools/train.py configs/methods/glip/glip_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["glip_plain_tiny_stickers.py"]

exchange = dict(
    type="BiFusion",
    attention=dict(
        type="BiAttention",
        image_dim={{_base_.width}},
        text_dim={{_base_.dim}},
        width=128,  # 2048 in the paper
        heads=4,
        dropout=0.0,  # 0.1 in the paper: drawing it costs a fifth of a step here
    ),
    image_dim={{_base_.width}},
    text_dim={{_base_.dim}},
    scale=1 / 2,  # 1 / blocks
)
block = dict(
    type="FusionBlock",
    exchange=exchange,
    text={{_base_.text_layer}},
    image={{_base_.image_layer}},
)
model = dict(
    detector=dict(
        text=dict(layers=[]),
        fusion=dict(type="DeepFusion", blocks=[block, block], meet=False),
        head=dict(tower=[]),
    )
)
