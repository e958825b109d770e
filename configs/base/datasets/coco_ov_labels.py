"""OV-COCO's boxes of base classes, and the classes that COCO's captions name as image labels.

python tools/convert.py coco-ov  # data/coco to data/coco-ov
python tools/convert.py coco-tags  # data/coco to data/coco-tags

Of five steps four are the labels', with four times the pictures at half the side (Detic).
"""

data_root = "data/coco-ov"
images = "data/coco"
vocabulary = "@coco-ov"

boxes = dict(
    type="Source",
    name="boxes",
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/train_base.json",
        image_dir=f"{images}/train2017",
        vocabulary=vocabulary,
        transforms=[dict(type="RandomFlip"), dict(type="Resize", short=800, longest=1333)],
        filter_empty=True,
    ),
    batch_size=2,
)
labels = dict(
    type="Source",
    name="labels",
    dataset=dict(
        type="CocoDataset",
        ann_file="data/coco-tags/train.json",
        image_dir=f"{images}/train2017",
        vocabulary=vocabulary,
        transforms=[dict(type="RandomFlip"), dict(type="Resize", short=400, longest=667)],
        filter_empty=True,
    ),
    batch_size=8,
    share=4,
    boxed=False,
)
train = dict(dataset=dict(type="MultiSource", sources=[boxes, labels]), num_workers=4)
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/val_65.json",
        image_dir=f"{images}/val2017",
        vocabulary=vocabulary,
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="CocoMetric")],
)
