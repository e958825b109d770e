"""OV-COCO: 48 base and 17 novel classes, all 65 in one classifier and one evaluation.

python tools/convert.py coco-ov  # data/coco to data/coco-ov
"""

data_root = "data/coco-ov"
images = "data/coco"

train = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/train_base.json",
        image_dir=f"{images}/train2017",
        vocabulary="@coco-ov",
        transforms=[dict(type="RandomFlip"), dict(type="Resize", short=800, longest=1333)],
        filter_empty=True,
        skip_bad=True,  # COCO's own file has two boxes without height (cocoapi, issue 355)
    ),
    batch_size=2,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/val_65.json",
        image_dir=f"{images}/val2017",
        vocabulary="@coco-ov",
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="CocoMetric")],
)
