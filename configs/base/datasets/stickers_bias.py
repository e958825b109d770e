"""stickers-bias: horse and camel on grass and in the desert; the unusual cells can be thinned.

Training files `train_<kept>_<wording>.json` keep 100, 075, 050, 025 or 000 % of the horses in the
desert and the camels on grass; the caption names the animal (`plain`) or its place too (`placed`).
File names tell the cell: `horse_desert_000.png`.
"""

track = "stickers-bias"
data_root = "data/stickers-bias"

train = dict(
    dataset=dict(
        type="CaptionFileDataset",
        ann_file=f"{data_root}/annotations/train_100_plain.json",
        image_dir=f"{data_root}/train",
    ),
    batch_size=32,
)
val = dict(
    dataset=dict(
        type="CaptionFileDataset",
        ann_file=f"{data_root}/annotations/val_plain.json",
        image_dir=f"{data_root}/val",
    ),
    batch_size=64,
    metrics=[dict(type="ZeroShotAccuracy")],
)
