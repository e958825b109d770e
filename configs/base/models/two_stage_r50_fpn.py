"""Mask R-CNN with R50-FPN whose regions are named by CLIP ViT-B/32's text tower.

Two files come from elsewhere, by path or by their name in the model zoo: ImageNet weights as
torchvision publishes them, and CLIP ViT-B/32, OpenAI's own archive or any conversion of it.
"""

resnet_file = "resnet50-0676ba61.pth"
clip_name = "ViT-B-32-quickgelu"
clip_file = "ViT-B-32.pt"

dim = 512  # D, of CLIP ViT-B/32
width = 256  # channels of the pyramid P2 to P6
hidden = 1024  # what the box head and the projection read

blocks = dict(type="ResNetTrunk", depth=50, norm="frozen", frozen=1, weights=resnet_file)
text_tower = dict(type="OpenClipText", name=clip_name, weights=clip_file)
image_tower = dict(type="ClipImageEncoder", tower=clip_name, weights=clip_file)
embedder = dict(
    type="RoiEmbedder", width=width, dim=dim, hidden=hidden, convs=4, size=7, samples=2, levels=4
)
text_branch = dict(
    type="RegionBranch",
    embedder=embedder,
    classifier=dict(type="CosineClassifier", dim=dim, scale=100.0),
)

model = dict(
    type="TwoStageDetector",
    trunk=dict(type="PyramidTrunk", trunk=blocks, width=width, extra=True),
    text=dict(type="TextClasses", encoder=text_tower, templates="vild63"),
    proposals=dict(
        type="RpnProposals",
        width=width,
        sizes=(32, 64, 128, 256, 512),  # 8 times the strides of P2 to P6
        train_top=1000,
        test_top=1000,
        positive_iou=0.7,
    ),
    branches=[text_branch],
    boxes=dict(type="BoxHead", hidden=hidden),
    masks=dict(type="MaskHead", width=width, convs=4, levels=4, count=512),
    scores=dict(type="FirstScores"),
    settings=dict(
        type="TwoStageSettings",
        sampler=dict(type="RegionSampler", count=512, positive=0.25),
        selection=dict(type="Selection", threshold=1e-4, nms=0.5, top=100),
    ),
)

# The contract tests build this: the same parts, narrow. Full width runs under `pytest -m slow`.
reduced = {
    "model.trunk.trunk.depth": 18,
    "model.trunk.width": 16,
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=dim, width=16, layers=1, embed_width=8
    ),
    "model.text.templates": "single",
    "model.proposals.width": 16,
    "model.proposals.train_top": 20,
    "model.proposals.test_top": 20,
    "model.branches.0.embedder.width": 16,
    "model.branches.0.embedder.hidden": 16,
    "model.boxes.hidden": 16,
    "model.masks.width": 16,
    "model.settings.sampler.count": 16,
}
