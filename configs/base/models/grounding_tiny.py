"""Dense detectors for pictures of 128 to 160 px that compare places with tokens of tiny-clip's.

`plain` and `fused` have the same layers over image and text; `fused` lets both sides exchange what
they know in front of every layer. Numbers in brackets are GLIP-T's.
"""

dim = 128  # D, of tiny-clip [768]
width = 96  # c [256]
blocks = 2  # [6]

text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
stages = dict(type="SmallTrunk", widths=(32, 64, 128, 256))
text_layer = dict(type="TokenLayer", dim=dim, heads=4, hidden=2 * dim)
image_layer = dict(type="LevelConv", width=width)
block = dict(
    type="FusionBlock",
    exchange=dict(
        type="BiFusion",
        attention=dict(
            type="BiAttention",
            image_dim=width,
            text_dim=dim,
            width=128,  # [2048]
            heads=4,  # [8]
            dropout=0.0,  # [0.1]: drawing it costs a fifth of a step here
        ),
        image_dim=width,
        text_dim=dim,
        scale=1 / blocks,
    ),
    text=text_layer,
    image=image_layer,
)

fused = dict(
    type="DenseDetector",
    trunk=dict(
        type="PyramidTrunk",
        trunk=dict(
            type="LastLevels",  # strides 8 and 16: objects have 10 to 60 px
            trunk=dict(
                type="Pretrained",
                module=stages,
                file="tiny-clip.safetensors",
                prefix="image.trunk.",
            ),
            count=2,
        ),
        width=width,
    ),
    text=dict(
        type="TokenText",
        encoder=dict(
            type="Pretrained", module=text_tower, file="tiny-clip.safetensors", prefix="text."
        ),
        layers=[],
        ends=True,  # tiny-clip's tower reads from left to right and speaks at END
        tokens=256,  # names are encoded one by one, so a caption may be longer than the tower's 77
    ),
    fusion=dict(type="DeepFusion", blocks=[block] * blocks, meet=False),
    head=dict(type="TokenDotHead", width=width, dim=dim, sizes=(24, 48), tower=[]),
    criterion=dict(type="GlipCriterion"),
    settings=dict(
        type="DenseSettings",
        selection=dict(type="Selection", threshold=1e-4, nms=0.6, top=100),
        names=dict(type="CaptionNames", negatives=40),  # [85, of 365 names]
        use_quality=True,
    ),
)
plain = {key: value for key, value in fused.items() if key != "fusion"} | dict(
    text=dict(fused["text"], layers=[text_layer] * blocks),
    head=dict(fused["head"], tower=[image_layer] * blocks),
)
