"""Detic, R50-FPN, OV-LVIS with ImageNet's labels. Published, CenterNet2: mask AP_r 24.9, AP 32.4.

python tools/train.py configs/methods/detic/detic_r50-fpn_lvis-ov.py  # 8 devices x (8 or 32) images
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/lvis_ov_labels.py",
    "../../base/schedules/adamw_90k.py",
    "../../base/runtime.py",
]

text_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="SigmoidClassifier", scale=50.0),
)
image_labels = dict(type="DeticImageLabels", select="max_size", count=128, weight=0.1)
model = dict(
    text=dict(templates=["a {}"]),
    branches=[text_branch],
    masks=dict(count=128 * 8),  # 128 an image
    settings=dict(
        left_out=dict(type="FederatedClasses", count=50, power=0.5),
        selection=dict(threshold=0.02, top=300),
        objectives=[image_labels],
    ),
)
train = dict(iters={{_base_.iters}}, checkpoint_interval=5_000)
hooks = [dict(type="ImageCounts")]
find_unused_parameters = True  # a step of labels leaves the box heads alone
reduced = {"model.settings.selection.threshold": 0.0}
