"""BARON on stickers-ov with captions in place of an image encoder: bags of a picture's regions.

python tools/train.py configs/methods/baron/baron_caption_tiny_stickers.py  # 1 CPU x 8 + 8 images
"""

_base_ = ["baron_tiny_stickers.py"]

boxes = dict(
    type="CocoDataset",
    ann_file="data/stickers-ov/annotations/train_base.json",
    image_dir="data/stickers-ov/train",
    transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
    filter_empty=True,
    cache_images=True,
)
captions = dict(
    type="CaptionDataset",
    stream=dict(
        type="ReplayedStream",
        stream=dict(type="CaptionStream", size=96, seed=0),
        repeats=4,
        window=2048,
    ),
)
train = dict(
    dataset=dict(
        _delete_=True,
        type="MultiSource",
        together=True,
        sources=[
            dict(type="Source", name="boxes", dataset=boxes, batch_size=8),
            dict(type="Source", name="captions", dataset=captions, batch_size=8, boxed=False),
        ],
    ),
)
model = dict(
    settings=dict(
        objectives=[
            dict(
                type="BaronCaptions",
                centres=dict(type="BaronCentres", objectness=0.85, area=0.005, nms=0.2, top=128),
                positions={{_base_.positions}},
                contrast=dict(type="GroupedInfoNce", dim=128, length=1024, scale=30.0),
                regions=10,
                orders=4,
                weight=10.0,
            )
        ]
    ),
)
