"""Detic, R50-FPN, OV-COCO, labels from captions. Published with R50-C4: novel AP50 24.1, all 44.7.

python tools/train.py configs/methods/detic/detic_r50-fpn_coco-ov.py  # 8 devices x (2 or 8) images
"""

_base_ = [
    "../../base/models/two_stage_r50_fpn.py",
    "../../base/datasets/coco_ov_labels.py",
    "../../base/schedules/iters_90k.py",
    "../../base/runtime.py",
]

text_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="SigmoidClassifier", scale=50.0),
)
image_labels = dict(type="DeticImageLabels", select="max_size", count=32, weight=0.1)
model = dict(
    text=dict(templates=["a {}"]),
    branches=[text_branch],
    masks=dict(count=128 * 2),  # 128 an image
    settings=dict(selection=dict(threshold=0.05), objectives=[image_labels]),
)
train = dict(iters={{_base_.iters}}, checkpoint_interval=5_000)
find_unused_parameters = True  # a step of labels leaves the box heads alone
reduced = {"model.settings.selection.threshold": 0.0}
