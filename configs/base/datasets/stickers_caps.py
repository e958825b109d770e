"""stickers-caps to learn from, rendered as asked for; crops of stickers-ov val to measure on.

The log shows retrieval among 200 captions, and top-1 of each box's picture among the 65 names of
stickers-ov and among all names.
"""

track = "stickers-ov"
data_root = "data/stickers-ov"

train = dict(
    dataset=dict(type="CaptionDataset", stream=dict(type="CaptionStream", size=64, seed=0)),
    batch_size=128,
)
captions = dict(type="CaptionDataset", stream=dict(type="CaptionStream", size=64, seed=1), size=200)
crops = dict(
    type="CropDataset",
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/annotations/val.json",
        image_dir=f"{data_root}/val",
        cache_images=True,
    ),
    size=64,
    names=dict(type="StickerNames"),
)
val = dict(
    dataset=dict(type="JoinedDatasets", parts=dict(captions=captions, crops=crops)),
    batch_size=100,
    metrics=[
        dict(type="RetrievalRecall", source="captions"),
        dict(type="ZeroShotTop1", source="crops", classes=65),
    ],
)
