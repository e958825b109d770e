"""DetPro's first stage, CLIP ViT-B/32, OV-LVIS: five contexts learn from prepared proposals.

python tools/train.py configs/methods/detpro/detpro_prompts_lvis-ov.py  # 1 device x 64 images

The prepared file is ViLD's: proposals of a detector of base classes with CLIP's view of each.
"""

_base_ = [
    "../../base/datasets/lvis_ov.py",
    "../../base/schedules/iters_90k.py",
    "../../base/runtime.py",
]

load = dict(type="LoadProposals", file="data/lvis-ov/proposals.safetensors")
load_val = dict(type="LoadProposals", file="data/lvis-ov/proposals_val.safetensors")
text_tower = dict(type="OpenClipText", name="ViT-B-32-quickgelu", weights="ViT-B-32.pt")
model = dict(
    type="RegionRecognizer",
    text=dict(type="LearnedPrompts", encoder=text_tower, length=8, count=5),
    classifier=dict(type="CosineClassifier", dim=512, scale=100.0, background="none"),
    objectives=[dict(type="DetproPrompts", classes=1203, share=0.1, scale=100.0)],
)
# Paper: 6 passes. LVIS has 100,170 training images: 6 x 100,170 / 64 is 9,391 steps.
train = dict(
    iters=9_391,
    checkpoint_interval=1_000,
    batch_size=64,
    dataset=dict(transforms=[load]),
)
val = dict(dataset=dict(transforms=[load_val]), metrics=[dict(type="RegionNaming")])
optim = dict(lr=2e-3, weight_decay=0.0, warmup=0, schedule="cosine", milestones=())
reduced = {
    "model.text.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    ),
}
