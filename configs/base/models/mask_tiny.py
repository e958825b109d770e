"""A mask segmentor for pictures of 160 px, with tiny-clip's image trunk and text tower."""

dim = 128  # D, of tiny-clip
scale = 28.0  # tiny-clip's own
width = 64  # d, of pixels and queries
layers = 3  # of the decoder
file = "tiny-clip.safetensors"

text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
blocks = dict(type="SmallTrunk", widths=(32, 64, 128, 256))  # strides 2, 4, 8, 16
image_tower = dict(type="SmallImageEncoder", dim=dim, trunk=blocks)
pixels = dict(type="PyramidPixels", widths=(64, 128, 256), width=width)
queries = dict(
    type="MaskBranch",
    embedder=dict(type="QueryEmbedder", width=width, dim=dim),
    classifier=dict(type="CosineClassifier", dim=dim, scale=scale, background="free"),
)

model = dict(
    type="MaskSegmentor",
    trunk=dict(type="Pretrained", module=blocks, file=file, prefix="image.trunk."),
    text=dict(
        type="TextClasses",
        encoder=dict(type="Pretrained", module=text_tower, file=file, prefix="text."),
        templates="single",
    ),
    proposals=dict(
        type="MaskProposals",
        pixels=pixels,
        decoder=dict(
            type="PlainMaskDecoder",
            inputs=256,
            width=width,
            count=25,
            layers=layers,
            heads=4,
            hidden=256,
        ),
    ),
    branches=[queries],
    scores=dict(type="FirstScores"),
    criterion=dict(type="MaskSetCriterion"),
)
