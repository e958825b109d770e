"""PASCAL Context with 59 classes, to measure models on that were trained elsewhere.

python tools/convert.py context  # data/VOCdevkit/VOC2010 to data/context
"""

val = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir="data/context/labels_59/val",
        image_dir="data/VOCdevkit/VOC2010/JPEGImages",
        vocabulary="@context-59",
        transforms=[dict(type="Resize", short=640, longest=2560)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="SemanticMetric")],
)
