"""DetPro, Mask R-CNN with R50-FPN, OV-LVIS. Published: mask AP_r 19.8, AP 25.9.

python tools/train.py configs/methods/detpro/detpro_r50-fpn_lvis-ov.py  # 8 devices x 2 images

The prompts are those of `detpro_prompts_lvis-ov.py`, the prepared file the same as there.
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/lvis_ov.py",
    "../../base/schedules/iters_180k.py",
    "../../base/runtime.py",
]

prompts = dict(type="LearnedPrompts", encoder={{_base_.text_tower}}, length=8, count=5, frozen=True)
image_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="CosineClassifier", dim=512, scale=100.0, background="none"),
)
model = dict(
    text=dict(
        _delete_=True,
        type="Pretrained",
        module=prompts,
        file="work_dirs/detpro_prompts_lvis-ov/weights.safetensors",
        prefix="text.",
    ),
    trunk=dict(trunk=dict(norm="sync")),
    branches=[{{_base_.text_branch}}, image_branch],
    scores=dict(type="GeometricScores", base_share=1 / 3, novel_share=2 / 3),
    settings=dict(
        selection=dict(threshold=1e-4, nms=0.5, top=300),
        # 256 times a mean over 512 values, as the authors have it, is half of their sum.
        objectives=[dict(type="VildDistillation", branch=1, count=300, weight=0.5)],
    ),
)
# 20 passes over 100,170 images, 16 a step; the rate falls after 16 passes.
train = dict(
    iters=125_212,
    checkpoint_interval=5_000,
    dataset=dict(
        transforms=[
            dict(type="LoadProposals", file="data/lvis-ov/proposals.safetensors"),
            dict(type="RandomFlip"),
            dict(type="RandomResize", shorts=(640, 672, 704, 736, 768, 800), longest=1333),
        ],
    ),
)
optim = dict(lr=0.02, weight_decay=2.5e-5, milestones=(100_170,))
reduced = {
    "_delete_": True,
    "model.trunk.trunk.depth": 18,
    "model.trunk.trunk.norm": "frozen",  # sync needs a GPU
    "model.trunk.width": 16,
    "model.text.module.encoder": dict(
        type="TinyTextTransformer", dim=512, width=16, layers=1, embed_width=8
    ),
    "model.proposals.width": 16,
    "model.proposals.train_top": 20,
    "model.proposals.test_top": 20,
    "model.branches.0.embedder.width": 16,
    "model.branches.0.embedder.hidden": 16,
    "model.branches.1.embedder.width": 16,
    "model.branches.1.embedder.hidden": 16,
    "model.boxes.hidden": 16,
    "model.masks.width": 16,
    "model.settings.sampler.count": 16,
}
