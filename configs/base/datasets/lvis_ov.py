"""OV-LVIS: 866 base (frequent, common) and 337 novel (rare) classes of LVIS v1.

python tools/convert.py lvis-ov  # data/lvis to data/lvis-ov; images below data/coco
"""

data_root = "data/lvis-ov"
images = "data/coco"  # its train2017 and val2017: LVIS takes from both

train = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/train_norare.json",
        image_dir=images,
        transforms=[dict(type="RandomFlip"), dict(type="Resize", short=800, longest=1333)],
        filter_empty=True,
    ),
    batch_size=2,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/val.json",
        image_dir=images,
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="LvisMetric", ann_file=f"{data_root}/val.json")],
)
