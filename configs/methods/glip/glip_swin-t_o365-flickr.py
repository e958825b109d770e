"""GLIP-T: Swin-T, six fused blocks, Objects365 and sentences. Published: Flickr30k test R@1 86.0.

python tools/train.py configs/methods/glip/glip_swin-t_o365-flickr.py  # 8 devices x 8 images

The published 86.0 also learnt from mixed grounding data and from captions (CC3M, SBU) that were
never released. For LVIS add `model.detector.settings.chunk=40`, the published size of a chunk.
"""

_base_ = ["../../base/datasets/o365_flickr.py", "../../base/runtime.py"]

dim = 512  # D, of CLIP's tower; 768 of BERT in the paper
width = 256
blocks = 6
clip_name = "ViT-B-32-quickgelu"
clip_file = "ViT-B-32.pt"

exchange = dict(
    type="BiFusion",
    attention=dict(
        type="BiAttention", image_dim=width, text_dim=dim, width=2048, heads=8, dropout=0.1
    ),
    image_dim=width,
    text_dim=dim,
    scale=1 / blocks,
)
block = dict(
    type="FusionBlock",
    exchange=exchange,
    text=dict(type="TokenLayer", dim=dim, heads=8, dropout=0.1),
    image=dict(type="DynamicBlock", width=width),
)
model = dict(
    type="GroundingDetector",
    detector=dict(
        type="DenseDetector",
        trunk=dict(
            type="CoarserLevels",  # P6 and P7
            trunk=dict(
                type="PyramidTrunk",
                trunk=dict(type="SwinTrunk", weights="swin_t-704ceda3.pth"),
                width=width,
            ),
            count=2,
        ),
        text=dict(
            type="TokenText",
            encoder=dict(type="OpenClipText", name=clip_name, weights=clip_file),
            learn=True,
            tokens=256,
        ),
        fusion=dict(type="DeepFusion", blocks=[block] * blocks, meet=True),
        head=dict(type="TokenDotHead", width=width, dim=dim, sizes=(64, 128, 256, 512, 1024)),
        criterion=dict(type="GlipCriterion"),
        settings=dict(
            type="DenseSettings",
            selection=dict(type="Selection", threshold=0.05, nms=0.6, top=100, candidates=5000),
            names=dict(type="CaptionNames", negatives=85, full=0.5),
            use_quality=True,
        ),
    ),
)

# 30 epochs of (608,606 pictures of Objects365 v1 + 148,915 sentences) at 64 a step = 355,088 steps;
# drops after 67 % and 89 %.
train = dict(iters=355_088, checkpoint_interval=5_000)
optim = dict(
    type="AdamW",
    lr=1e-4,
    weight_decay=1e-4,
    clip=1.0,
    warmup=2_000,
    schedule="steps",
    milestones=(237_909, 316_028),
    rates={"detector.text": 0.1},
    precision="bfloat16",
)

# The contract tests build this: the same parts, narrow. Full width runs under `pytest -m slow`.
_narrow = dict(
    type="FusionBlock",
    exchange=dict(
        type="BiFusion",
        attention=dict(type="BiAttention", image_dim=16, text_dim=32, width=16, heads=2),
        image_dim=16,
        text_dim=32,
    ),
    text=dict(type="TokenLayer", dim=32, heads=2),
    image=dict(type="DynamicBlock", width=16, groups=4),
)
reduced = {
    "model.detector.trunk.trunk.trunk": dict(
        type="SwinTrunk", dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 2, 2), window=4
    ),
    "model.detector.trunk.trunk.width": 16,
    "model.detector.text.encoder": dict(
        type="TinyTextTransformer", dim=32, width=16, layers=1, embed_width=8
    ),
    "model.detector.fusion.blocks": [_narrow, _narrow],
    "model.detector.head.width": 16,
    "model.detector.head.dim": 32,
}
