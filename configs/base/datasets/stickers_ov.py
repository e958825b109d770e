"""stickers-ov: 48 base and 17 novel classes; rendered where it is missing."""

track = "stickers-ov"
data_root = "data/stickers-ov"

train = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/annotations/train_base.json",
        image_dir=f"{data_root}/train",
        transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
        filter_empty=True,
        cache_images=True,
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
    metrics=[dict(type="CocoMetric")],
)
