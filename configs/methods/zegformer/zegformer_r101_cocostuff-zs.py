"""ZegFormer, R101, COCO-Stuff 156/15. Published: mIoU 36.6 seen, 33.2 unseen (unverified).

python tools/train.py configs/methods/zegformer/zegformer_r101_cocostuff-zs.py  # 8 devices x 4
"""

_base_ = ["../../base/datasets/cocostuff_zs.py", "../../base/runtime.py"]

dim = 512  # D, of CLIP ViT-B/16
width = 256
clip = dict(name="ViT-B-16-quickgelu", weights="ViT-B-16.pt")
prompts = [
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
    "a photo of a {} in the scene.",
]
# The published bank of 32 sentences about masked and cropped pictures was not seen; these are ours.
crop_prompts = [
    "a photo of a {}.",
    "a cropped photo of a {}.",
    "a close-up photo of a {}.",
    "a masked photo of a {}.",
    "a photo of a {} in front of a plain background.",
]

model = dict(
    type="MaskSegmentor",
    trunk=dict(
        type="ResNetTrunk", depth=101, norm="frozen", frozen=-1, weights="resnet101-63fe2227.pth"
    ),
    text=dict(type="TextClasses", encoder=dict(type="OpenClipText", **clip), templates=prompts),
    proposals=dict(
        type="MaskProposals",
        pixels=dict(type="PyramidPixels", widths=(256, 512, 1024, 2048), width=width),
        decoder=dict(type="PlainMaskDecoder", inputs=2048, width=width),
    ),
    branches=[
        dict(
            type="MaskBranch",
            embedder=dict(type="QueryEmbedder", width=width, dim=dim),
            classifier=dict(type="CosineClassifier", dim=dim, scale=100.0, background="free"),
        ),
        dict(
            type="MaskBranch",
            embedder=dict(
                type="MaskCropEmbedder",
                encoder=dict(type="ClipImageEncoder", tower=clip["name"], weights=clip["weights"]),
                size=224,
            ),
            classifier=dict(type="CosineClassifier", dim=dim, scale=100.0, background="none"),
            text=dict(
                type="TextClasses",
                encoder=dict(type="OpenClipText", **clip),
                templates=crop_prompts,
            ),
            shares_void=True,
        ),
    ],
    scores=dict(type="GeometricScores", mean_base=True),  # 1/3 on base classes, 2/3 on novel ones
    criterion=dict(type="MaskSetCriterion"),
    settings=dict(type="MaskSettings", seen_bias=0.1),
)
train = dict(
    iters=60_000,
    checkpoint_interval=5_000,
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            dict(type="ScaleJitter", low=0.5, high=1.5, size=640),
            dict(type="ColorJitter"),
        ]
    ),
)
optim = dict(
    type="AdamW",
    lr=1e-4,
    weight_decay=1e-4,
    clip=0.01,
    schedule="cosine",  # the paper's polynomial decay ends at 0, this at a hundredth
    rates={"trunk": 0.1},
)

tiny_text = dict(type="TinyTextTransformer", dim=dim, width=16, layers=1, embed_width=8)
reduced = {
    "model.trunk.depth": 18,
    "model.text.encoder": tiny_text,
    "model.proposals.pixels": dict(type="PyramidPixels", widths=(64, 128, 256, 512), width=16),
    "model.proposals.decoder": dict(
        type="PlainMaskDecoder", inputs=512, width=16, count=6, layers=2, heads=2, hidden=16
    ),
    "model.branches.0.embedder.width": 16,
    "model.branches.1.embedder.encoder": dict(
        type="SmallImageEncoder", dim=dim, trunk=dict(type="SmallTrunk", widths=(4, 8))
    ),
    "model.branches.1.embedder.size": 16,
    "model.branches.1.text.encoder": tiny_text,
}
