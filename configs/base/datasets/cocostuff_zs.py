"""COCO-Stuff, zero-shot: pixels of 15 unseen classes are ignored in training (inductive).

python tools/convert.py cocostuff  # data/coco to data/cocostuff
"""

data_root = "data/cocostuff"
images = "data/coco"
vocabulary = "@coco-stuff-zs"

train = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir=f"{data_root}/labels/train2017",
        image_dir=f"{images}/train2017",
        vocabulary=vocabulary,
        hide_novel=True,
        transforms=[dict(type="RandomFlip"), dict(type="ScaleJitter", low=0.5, high=2, size=640)],
    ),
    batch_size=4,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="SemanticDataset",
        label_dir=f"{data_root}/labels/val2017",
        image_dir=f"{images}/val2017",
        vocabulary=vocabulary,
        transforms=[dict(type="Resize", short=640, longest=2560)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="SemanticMetric")],
)
