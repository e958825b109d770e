"""FILIP on stickers-caps: late interaction of 64 places and a caption's tokens.

python tools/train.py configs/methods/filip/filip_tiny_stickers.py  # 1 CPU x 64 pictures

`tools/prove.py filip` runs it beside `filip_global_tiny_stickers.py`, the same towers under the
global contrast.
"""

_base_ = [
    "../../base/datasets/stickers_caps.py",
    "../../base/schedules/adamw_cosine.py",
    "../../base/runtime.py",
]

dim = 128
# The grid ends at stride 8, so that a picture of 64 px has 8 x 8 places (paper: 7 x 7 at 224 px).
image_tower = dict(
    type="PlaceEncoder", dim=dim, trunk=dict(type="SmallTrunk", widths=(32, 64, 128))
)
text_tower = dict(
    type="TinyTextTransformer", dim=dim, width=128, layers=1, heads=4, context=77, embed_width=40
)
model = dict(
    type="DualEncoder", image=image_tower, text=text_tower, objective=dict(type="FilipLoss")
)

# Half of the pictures show one thing, half two or three that the caption names: what belongs to
# what is told by nothing else. The 65 names of stickers-ov are few enough for a short schedule.
names = dict(type="StickerNames", ov=True)
pictures = dict(type="CaptionStream", size=64, names=names, portraits=0.5)
train = dict(
    dataset=dict(
        stream=dict(
            _delete_=True,
            type="ReplayedStream",
            stream=dict(seed=0, **pictures),
            repeats=4,
            window=4096,
        )
    ),
    batch_size=64,
    iters=800,
    checkpoint_interval=400,
)
val = dict(dataset=dict(stream=dict(seed=1, **pictures)))
optim = dict(lr=2e-3, betas=(0.9, 0.98), clip=1.0, warmup=60, precision="bfloat16")

scenes = dict(
    type="CocoDataset",
    ann_file="data/stickers-ov/annotations/val.json",
    image_dir="data/stickers-ov/val",
)
track = "stickers-ov"  # rendered where it is missing: crops and pointing are measured on it
hooks = [dict(type="PointingGame", dataset=scenes), dict(type="CropNaming", dataset=scenes)]
