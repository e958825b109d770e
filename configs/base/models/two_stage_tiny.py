"""A two-stage detector for pictures of 128 px that names regions with tiny-clip's text tower."""

dim = 128  # D, of tiny-clip
width = 64  # channels of the pyramid
hidden = 256  # what the box head and the projection read

text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
blocks = dict(type="SmallTrunk", widths=(32, 64, 128, 256))  # strides 2, 4, 8, 16
image_tower = dict(type="SmallImageEncoder", dim=dim, trunk=blocks)
embedder = dict(type="RoiEmbedder", width=width, dim=dim, hidden=hidden, convs=1, size=7, samples=1)
text_branch = dict(
    type="RegionBranch",
    embedder=embedder,
    classifier=dict(type="CosineClassifier", dim=dim, scale=50.0),
)

model = dict(
    type="TwoStageDetector",
    trunk=dict(
        type="PyramidTrunk",
        # tiny-clip's image tower, in the part that ImageNet's weights play for published detectors
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
        type="RpnProposals", width=width, sizes=(12, 24, 48), train_top=100, test_top=100
    ),
    branches=[text_branch],
    boxes=dict(type="BoxHead", hidden=hidden),
    masks=dict(type="MaskHead", width=width, convs=1, count=16),
    scores=dict(type="FirstScores"),
    settings=dict(
        type="TwoStageSettings",
        sampler=dict(type="RegionSampler", count=32, positive=0.4),
        selection=dict(type="Selection", threshold=1e-4, nms=0.5, top=100),
    ),
)
