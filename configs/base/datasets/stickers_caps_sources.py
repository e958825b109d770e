"""stickers-caps from two sources: rendered as they are asked for, and a folder of stored pictures.

Of five steps four are the stream's and one is the folder's, each with a batch size of its own.
"""

track = "stickers-caps"  # the folder; rendered where it is missing
data_root = "data/stickers-caps"

train = dict(
    dataset=dict(
        type="MultiSource",
        sources=[
            dict(
                type="Source",
                name="stream",
                dataset=dict(
                    type="CaptionDataset", stream=dict(type="CaptionStream", size=64, seed=0)
                ),
                batch_size=128,
                share=4,
            ),
            dict(
                type="Source",
                name="folder",
                dataset=dict(
                    type="CaptionFileDataset",
                    ann_file=f"{data_root}/annotations/train.json",
                    image_dir=f"{data_root}/train",
                    transforms=[dict(type="ColorJitter")],
                ),
                batch_size=64,
            ),
        ],
    ),
)
val = dict(
    dataset=dict(
        type="CaptionFileDataset",
        ann_file=f"{data_root}/annotations/val.json",
        image_dir=f"{data_root}/val",
    ),
    batch_size=100,
    metrics=[dict(type="RetrievalRecall")],
)
