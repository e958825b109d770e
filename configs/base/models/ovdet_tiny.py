"""ovdet-tiny: MobileNetV2 with folded norms, regions named by the trunk's own later blocks.

Trunk and text tower are named by who uses them: with weights to start from, or without.
"""

dim = 192  # D, of its text tower
width = 64  # channels of the pyramid
cells = 12  # side of a region for the later blocks, which leave cells / 4
hidden = 320 * (cells // 4) ** 2

blocks = dict(type="MobileNetTrunk", frozen=3)
tower = dict(type="TinyTextTransformer", dim=dim, width=128, layers=3, heads=4, embed_width=48)
embedder = dict(type="MobileNetEmbedder", dim=dim, size=cells)
classifier = dict(type="CosineClassifier", dim=dim, scale=20.0)
model = dict(
    type="TwoStageDetector",
    proposals=dict(
        type="RpnProposals", width=width, sizes=(24, 56, 128), train_top=150, test_top=100
    ),
    boxes=dict(type="BoxHead", hidden=hidden),
    masks=dict(type="MaskHead", width=width, convs=2, levels=2, count=24),
    scores=dict(type="FirstScores"),
    settings=dict(
        type="TwoStageSettings",
        sampler=dict(type="RegionSampler", count=24, positive=0.5),
        selection=dict(type="Selection", threshold=0.01, nms=0.4, top=100),
    ),
)
