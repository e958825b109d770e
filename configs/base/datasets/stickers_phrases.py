"""stickers-phrases: sentences whose phrases stand for boxes, or for nothing that is there.

Which of two cars is meant is often told by context alone: "the red car", "the car on the left".
One sample a sentence; nothing is mirrored, or left would be right. `val_<kind>.json` holds the
sentences of one kind: list, colour, size, side, relation, absent.
"""

track = "stickers-phrases"
data_root = "data/stickers-phrases"

train = dict(
    dataset=dict(
        type="PhraseDataset",
        ann_file=f"{data_root}/annotations/train.json",
        image_dir=f"{data_root}/train",
        transforms=[dict(type="ColorJitter")],
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
