"""stickers-ov to measure on, enlarged to what a model for photos is used to."""

predict = dict(short=288, max=480, threshold=0.3)
track = "stickers-ov"
data_root = "data/stickers-ov"
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/annotations/val.json",
        image_dir=f"{data_root}/val",
        transforms=[dict(type="Resize", short=predict["short"], longest=predict["max"])],
    ),
    batch_size=4,
    metrics=[dict(type="CocoMetric")],
)
hooks = [dict(type="BoxNaming")]
