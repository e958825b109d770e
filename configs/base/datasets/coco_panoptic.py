"""COCO panoptic: 80 things and 53 stuffs, read as they are published."""

data_root = "data/coco"

train = dict(
    dataset=dict(
        type="PanopticDataset",
        ann_file=f"{data_root}/annotations/panoptic_train2017.json",
        png_dir=f"{data_root}/annotations/panoptic_train2017",
        image_dir=f"{data_root}/train2017",
        transforms=[dict(type="RandomFlip"), dict(type="ScaleJitter", low=0.1, high=2, size=1024)],
    ),
    batch_size=2,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="PanopticDataset",
        ann_file=f"{data_root}/annotations/panoptic_val2017.json",
        png_dir=f"{data_root}/annotations/panoptic_val2017",
        image_dir=f"{data_root}/val2017",
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="PanopticMetric")],
)
