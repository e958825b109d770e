"""stickers-phrases twice: its sentences, and its objects by their plain names.

Every other step learns from names, as GLIP learns from grounding and from detection data. Only
where words do not say left and right are pictures mirrored.
"""

track = "stickers-phrases"
data_root = "data/stickers-phrases"

train = dict(
    dataset=dict(
        type="MultiSource",
        sources=[
            dict(
                type="Source",
                name="sentences",
                dataset=dict(
                    type="PhraseDataset",
                    ann_file=f"{data_root}/annotations/train.json",
                    image_dir=f"{data_root}/train",
                    transforms=[dict(type="ColorJitter")],
                ),
            ),
            dict(
                type="Source",
                name="names",
                dataset=dict(
                    type="CocoDataset",
                    ann_file=f"{data_root}/annotations/train.json",
                    image_dir=f"{data_root}/train",
                    transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
                    filter_empty=True,
                ),
            ),
        ],
    ),
    batch_size=8,
)
val = dict(
    dataset=dict(
        type="PhraseDataset",
        ann_file=f"{data_root}/annotations/val.json",
        image_dir=f"{data_root}/val",
    ),
    batch_size=8,
    metrics=[dict(type="PhraseRecall")],
)
