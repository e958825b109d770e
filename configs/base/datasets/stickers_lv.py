"""stickers-lv: 808 classes in a long tail; objects of rare ones are not annotated in training."""

track = "stickers-lv"
data_root = "data/stickers-lv"

train = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/annotations/train_norare.json",
        image_dir=f"{data_root}/train",
        transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
        filter_empty=True,
    ),
    batch_size=8,
)
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/annotations/val.json",
        image_dir=f"{data_root}/val",
    ),
    batch_size=8,
    metrics=[dict(type="LvisMetric", ann_file=f"{data_root}/annotations/val.json")],
)
