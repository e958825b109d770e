"""stickers-seg: 12 things and 8 kinds of stuff, 5 of the 20 unseen; every pixel has a label.

Pixels of unseen classes are ignored in training, as inductive zero-shot segmentation does.
"""

track = "stickers-seg"
data_root = "data/stickers-seg"
predict = dict(short=160, max=320)  # px: its pictures are measured as they are stored
vocabulary = f"{data_root}/annotations/vocabulary.json"

train = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir=f"{data_root}/annotations/labels_train_seen",
        image_dir=f"{data_root}/train",
        vocabulary=vocabulary,
        transforms=[dict(type="RandomFlip"), dict(type="ColorJitter")],
    ),
    batch_size=8,
)
val = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir=f"{data_root}/annotations/labels_val",
        image_dir=f"{data_root}/val",
        vocabulary=vocabulary,
    ),
    batch_size=8,
    metrics=[dict(type="SemanticMetric")],
)
