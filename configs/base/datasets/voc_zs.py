"""PASCAL VOC 2012, zero-shot: 15 seen and 5 unseen classes, background ignored.

python tools/convert.py voc  # data/VOCdevkit, with SBD's SegmentationClassAug, to data/voc
"""

data_root = "data/voc"
images = "data/VOCdevkit/VOC2012/JPEGImages"
vocabulary = "@voc-zs"

train = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir=f"{data_root}/labels_20/trainaug",
        image_dir=images,
        vocabulary=vocabulary,
        hide_novel=True,
        transforms=[dict(type="RandomFlip"), dict(type="ScaleJitter", low=0.5, high=2, size=512)],
    ),
    batch_size=4,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir=f"{data_root}/labels_20/val",
        image_dir=images,
        vocabulary=vocabulary,
        transforms=[dict(type="Resize", short=512, longest=2048)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="SemanticMetric")],
)
