"""OV-DETR, R50, OV-COCO. Published: box AP50 29.4 novel, 61.0 base, 52.7 all.

python tools/train.py configs/methods/ovdetr/ovdetr_r50_coco-ov.py  # 8 devices x 2 images

Boxes of novel objects and crops of all come from a file of the labeler; the README says how.
"""

_base_ = ["ovdetr_base_r50_coco-ov.py"]

prepared = "data/coco-ov/ovdetr.npz"
model = dict(
    conditions=dict(mask_novel=False, crops=dict(type="StoredCrops", file=prepared)),
)
load = dict(type="LoadProposals", file=prepared, as_truth=True)
train = dict(dataset=dict(transforms=[load, {{_base_.flip}}, {{_base_.resize}}]))
