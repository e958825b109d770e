"""stickers-ov to learn boxes of base classes from, stickers-labels for image labels of all 65.

Every step learns from a batch of each: norms that see both kinds of pictures at once keep
statistics that fit either.
"""

track = "stickers-ov"
data_root = "data/stickers-ov"
labels_root = "data/stickers-labels"
more_tracks = {"stickers-labels": labels_root}

jitter = [dict(type="RandomFlip"), dict(type="ColorJitter")]
train = dict(
    dataset=dict(
        type="MultiSource",
        together=True,
        sources=[
            dict(
                type="Source",
                name="boxes",
                dataset=dict(
                    type="CocoDataset",
                    ann_file=f"{data_root}/annotations/train_base.json",
                    image_dir=f"{data_root}/train",
                    transforms=jitter,
                    filter_empty=True,
                    cache_images=True,
                ),
                batch_size=8,
            ),
            dict(
                type="Source",
                name="labels",
                dataset=dict(
                    type="CocoDataset",
                    ann_file=f"{labels_root}/annotations/train.json",
                    image_dir=f"{labels_root}/train",
                    transforms=jitter,
                    filter_empty=True,
                    cache_images=True,
                ),
                batch_size=8,
                boxed=False,
            ),
        ],
    ),
)
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/annotations/val.json",
        image_dir=f"{data_root}/val",
    ),
    batch_size=8,
    metrics=[dict(type="CocoMetric")],
)
