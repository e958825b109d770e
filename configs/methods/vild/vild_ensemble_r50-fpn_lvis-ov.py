"""ViLD-ensemble, R50-FPN, LVIS with rare classes held out. Published: mask AP_r 18.0, AP 25.9.

python tools/train.py configs/methods/vild/vild_ensemble_r50-fpn_lvis-ov.py  # 8 devices x 32 images
"""

_base_ = ["vild_r50-fpn_lvis-ov.py"]

image_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="CosineClassifier", dim={{_base_.dim}}, scale=100.0, background="none"),
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
                count=300,
                weight=0.5,
            )
        ]
    ),
)
reduced = {
    "model.branches.1.embedder.width": 16,
    "model.branches.1.embedder.hidden": 16,
}
