"""stickers-seg as panoptic segments; what is unseen belongs to no segment in training."""

track = "stickers-seg"
data_root = "data/stickers-seg"
predict = dict(short=160, max=320)  # px: its pictures are measured as they are stored

train = dict(
    dataset=dict(
        type="PanopticDataset",
        ann_file=f"{data_root}/annotations/panoptic_train_seen.json",
        png_dir=f"{data_root}/annotations/panoptic_train_seen",
        image_dir=f"{data_root}/train",
        transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
    ),
    batch_size=8,
)
val = dict(
    dataset=dict(
        type="PanopticDataset",
        ann_file=f"{data_root}/annotations/panoptic_val.json",
        png_dir=f"{data_root}/annotations/panoptic_val",
        image_dir=f"{data_root}/val",
    ),
    batch_size=8,
    metrics=[dict(type="PanopticMetric")],
)
