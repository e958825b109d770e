"""ViLD-ensemble: a head of its own for the image branch, scores fused by class group.

python tools/train.py configs/methods/vild/vild_ensemble_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["vild_tiny_stickers.py"]

image_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="CosineClassifier", dim=128, scale=50.0, background="none"),
)
model = dict(
    branches=[{{_base_.text_branch}}, image_branch],
    scores=dict(type="GeometricScores", base_share=1 / 3, novel_share=2 / 3),  # paper, Eq. 5
    settings=dict(
        objectives=[
            dict(
                type="VildDistillation",
                teacher={{_base_.teacher}},
                branch=1,
                count={{_base_.distillation.count}},
                weight={{_base_.distillation.weight}},
            )
        ]
    ),
)
