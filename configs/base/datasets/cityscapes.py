"""Cityscapes with 19 classes, to measure models on that were trained elsewhere.

python tools/convert.py cityscapes  # data/cityscapes to data/cityscapes-labels
"""

val = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir="data/cityscapes-labels/labels/val",
        image_dir="data/cityscapes/leftImg8bit/val",
        vocabulary="@cityscapes",
        transforms=[dict(type="Resize", short=1024, longest=2560)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="SemanticMetric")],
)
