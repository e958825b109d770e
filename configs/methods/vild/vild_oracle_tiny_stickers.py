"""The oracle beside ViLD: the baseline, trained with the boxes of novel classes too.

python tools/train.py configs/methods/vild/vild_oracle_tiny_stickers.py  # 1 CPU x 8 images
"""

_base_ = ["vild_text_tiny_stickers.py"]

train = dict(dataset=dict(ann_file="data/stickers-ov/annotations/train_all.json"))
text_branch = dict(
    type="RegionBranch",
    embedder={{_base_.embedder}},
    classifier=dict(type="CosineClassifier", dim=128, scale=50.0, mask_novel=False),
)
model = dict(branches=[text_branch])
