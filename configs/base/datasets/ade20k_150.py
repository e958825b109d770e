"""ADE20K with 150 classes, to measure models on that were trained elsewhere.

python tools/convert.py ade20k  # data/ade to data/ade20k
"""

val = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir="data/ade20k/labels_150/validation",
        image_dir="data/ade/ADEChallengeData2016/images/validation",
        vocabulary="@ade20k-150",
        transforms=[dict(type="Resize", short=640, longest=2560)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="SemanticMetric")],
)
