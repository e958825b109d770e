"""A query detector for pictures of 128 px, with tiny-clip's image trunk and text tower."""

dim = 128  # D, of tiny-clip
width = 96  # d, of tokens and queries
layers = 2  # of the decoder
sizes = dict(heads=4, points=4, hidden=256)

text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
blocks = dict(type="SmallTrunk", widths=(32, 64, 128, 256))  # strides 2, 4, 8, 16
image_tower = dict(type="SmallImageEncoder", dim=dim, trunk=blocks)
terms = dict(type="SetTerms", classes=3.0, distance=5.0, overlap=2.0)

model = dict(
    type="QueryDetector",
    trunk=dict(
        type="PyramidTrunk",
        trunk=dict(
            type="Pretrained", module=blocks, file="tiny-clip.safetensors", prefix="image.trunk."
        ),
        width=width,
    ),
    text=dict(
        type="TextClasses",
        encoder=dict(
            type="Pretrained", module=text_tower, file="tiny-clip.safetensors", prefix="text."
        ),
        templates="single",
    ),
    proposals=dict(
        type="QueryProposals",
        # The pyramid has mixed the levels already: no layer of attention among 1,344 tokens.
        encoder=dict(type="QueryEncoder", widths=(width,) * 3, width=width, layers=0),
        criterion=dict(type="SetCriterion", terms=terms, copies=2),
        count=12,
        content="token",
        size=0.12,
    ),
    decoder=dict(type="QueryDecoder", width=width, levels=3, layers=layers, **sizes),
    classifier=dict(type="QueryClassifier", width=width, dim=dim, layers=layers),
    criterion=dict(type="SetCriterion", terms=terms),
    settings=dict(type="QuerySettings", chunk=13),
)
