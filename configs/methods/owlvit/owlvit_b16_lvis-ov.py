"""OWL-ViT, CLIP ViT-B/16 at 768 px, OV-LVIS. Published (Objects365 and VG): AP 20.8, AP_r 17.1.

python tools/train.py configs/methods/owlvit/owlvit_b16_lvis-ov.py  # 8 devices x 32 images

The paper learns from Objects365 and Visual Genome without LVIS's rare names; here LVIS's own
frequent and common boxes stand for them. CLIP's weights: OpenAI's archive, by path or by its name
in the model zoo.
"""

_base_ = [
    "../../base/datasets/lvis_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

clip_name = "ViT-B-16-quickgelu"
clip_file = "ViT-B-16.pt"
size = 768  # px; 48 x 48 tokens

model = dict(
    type="DenseDetector",
    trunk=dict(
        type="OwlvitTrunk",
        vit=dict(type="ClipTower", name=clip_name, weights=clip_file),
        size=size,
    ),
    text=dict(
        type="TunedTextClasses",
        encoder=dict(type="OpenClipText", name=clip_name, weights=clip_file),
        templates="clip7",
        learnt="clip80",
        bare=True,
    ),
    head=dict(type="OwlvitHead", width=768, dim=512, stride=16, objectness=False),
    criterion=dict(type="OwlvitCriterion", merge=0.9),
    settings=dict(
        type="DenseSettings",
        selection=dict(type="Selection", nms=None, top=300, candidates=300),
        names=dict(type="SampledNames", negatives=50, most=100),
    ),
)
train = dict(
    dataset=dict(
        transforms=[
            dict(type="RandomFlip"),
            # The paper's mosaics of 1, 4 and 9 pictures show objects at these scales.
            dict(type="ScaleJitter", low=1 / 3, high=1.0, size=size),
        ],
    ),
    batch_size=32,
    iters=140_000,
    checkpoint_interval=5_000,
)
val = dict(
    dataset=dict(transforms=[dict(type="Resize", short=size, longest=size)]),
    metrics=[dict(kinds=("bbox",))],
)
optim = dict(
    lr=5e-5,
    weight_decay=0.0,
    clip=1.0,
    warmup=1_000,
    rates=dict(text=0.04),  # 2e-6
)
hooks = [dict(type="ImageCounts")]
reduced = {
    "model.trunk.size": 64,
    "model.trunk.vit": dict(
        type="ClipVit",
        shape=dict(type="ClipVitShape", patch=16, width=32, layers=2, heads=2, dim=512, grid=2),
    ),
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    ),
    "model.head.width": 32,
}
