"""DetPro's second stage on stickers-ov: ViLD-ensemble with the learnt prompts as classifier.

python tools/train.py configs/methods/detpro/detpro_tiny_stickers.py  # 1 CPU x 8 images

The prompts are those of `detpro_prompts_tiny_stickers.py`, as `tools/prove.py detpro` leaves them.
"""

_base_ = [
    "../../base/models/two_stage_tiny.py",
    "../../base/datasets/stickers_ov.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

prompts = dict(type="LearnedPrompts", encoder={{_base_.text_tower}}, length=8, count=5, frozen=True)
teacher = dict(
    type="CropTeacher",
    encoder=dict(
        type="Pretrained",
        module={{_base_.image_tower}},
        file="tiny-clip.safetensors",
        prefix="image.",
    ),
    crop_size=64,
)
# All but the prompts is as in ViLD-ensemble, configs/methods/vild/vild_ensemble_tiny_stickers.py.
image_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="CosineClassifier", dim=128, scale=50.0, background="none"),
)
model = dict(
    text=dict(
        _delete_=True,
        type="Pretrained",
        module=prompts,
        file="work_dirs/prove/detpro/detpro-5-bands_seed0/weights.safetensors",
        prefix="text.",
    ),
    branches=[{{_base_.text_branch}}, image_branch],
    scores=dict(type="GeometricScores", base_share=1 / 3, novel_share=2 / 3),
    settings=dict(
        objectives=[dict(type="VildDistillation", teacher=teacher, branch=1, count=24, weight=1.0)]
    ),
)
train = dict(iters=1500)
optim = dict(precision="bfloat16")
