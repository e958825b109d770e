"""Mask R-CNN on CLIP RN50, frozen, whose own pooling names regions beside the text classifier.

CLIP's weights come from elsewhere: OpenAI's archive or any conversion of it, by path or by its name
in the model zoo.
"""

clip_name = "RN50-quickgelu"
clip_file = "RN50.pt"

dim = 1024  # D, of CLIP RN50
width = 256  # channels of the pyramid P2 to P6
hidden = 1024  # what the box head and the projection read

text_tower = dict(type="OpenClipText", name=clip_name, weights=clip_file)
words = dict(type="TextClasses", encoder=text_tower, templates="vild63")
background = dict(type="WordVector", text=words, word="background")
text_branch = dict(
    type="RegionBranch",
    embedder=dict(
        type="RoiEmbedder",
        width=width,
        dim=dim,
        hidden=hidden,
        convs=4,
        size=7,
        samples=2,
        levels=4,
    ),
    classifier=dict(
        type="CosineClassifier",
        dim=dim,
        scale=100.0,
        background="text",
        vector=background,
        learn_scale=True,
        background_weight=0.9,
    ),
)
tower_branch = dict(
    type="RegionBranch",
    embedder=dict(
        type="TowerEmbedder",
        pool=dict(type="ClipPool", name=clip_name, weights=clip_file),
        size=7,  # the pool's own grid: 224 px at stride 32
    ),
    classifier=dict(
        type="CosineClassifier", dim=dim, scale=100.0, background="text", vector=background
    ),
)

model = dict(
    type="TwoStageDetector",
    trunk=dict(
        type="TowerPyramid",
        trunk=dict(type="ClipTower", name=clip_name, weights=clip_file, pooled=False),
        width=width,
        extra=True,
    ),
    text=words,
    proposals=dict(
        type="RpnProposals",
        width=width,
        sizes=(32, 64, 128, 256, 512),  # 8 times the strides of P2 to P6
        train_top=1000,
        test_top=1000,
        positive_iou=0.7,
    ),
    branches=[text_branch, tower_branch],
    boxes=dict(type="BoxHead", hidden=hidden),
    masks=dict(type="MaskHead", width=width, convs=4, levels=4, count=512),
    scores=dict(type="GeometricScores", normalize=True),
    settings=dict(
        type="TwoStageSettings",
        sampler=dict(type="RegionSampler", count=512, positive=0.25),
        selection=dict(type="Selection", threshold=0.0, nms=0.5, top=100),
    ),
)

# The contract tests build this: the same parts, narrow. Full width runs under `pytest -m slow`.
_text = dict(type="TinyTextTransformer", dim=dim, width=16, layers=1, embed_width=8)
reduced = {
    "model.trunk.trunk": dict(type="ClipResNet", layers=(1, 1, 1, 1), width=4),
    "model.trunk.width": 16,
    "model.text.encoder": _text,
    "model.text.templates": "single",
    "model.proposals.width": 16,
    "model.proposals.train_top": 20,
    "model.proposals.test_top": 20,
    "model.branches.0.embedder.width": 16,
    "model.branches.0.embedder.hidden": 16,
    "model.branches.0.classifier.vector.text.encoder": _text,
    "model.branches.1.embedder.pool": dict(
        type="ClipAttentionPool", width=128, dim=dim, heads=2, grid=7
    ),
    "model.branches.1.classifier.vector.text.encoder": _text,
    "model.boxes.hidden": 16,
    "model.masks.width": 16,
    "model.settings.sampler.count": 16,
}
