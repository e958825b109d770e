"""OV-LVIS's boxes of base classes, and ImageNet's pictures of LVIS classes as image labels.

python tools/convert.py lvis-ov  # data/lvis to data/lvis-ov; images below data/coco

``imagenet_lvis_image_info.json`` is the file that Detic's release makes of ImageNet-21K: COCO's
layout, with ``pos_category_ids`` and no annotations.
"""

data_root = "data/lvis-ov"
images = "data/coco"  # its train2017 and val2017: LVIS takes from both
vocabulary = "@lvis-v1"

train = dict(
    dataset=dict(
        type="MultiSource",
        sources=[
            dict(
                type="Source",
                name="boxes",
                dataset=dict(
                    type="CocoDataset",
                    ann_file=f"{data_root}/train_norare.json",
                    image_dir=images,
                    vocabulary=vocabulary,
                    transforms=[
                        dict(type="RandomFlip"),
                        dict(type="ScaleJitter", low=0.1, high=2.0, size=640),
                    ],
                    filter_empty=True,
                ),
                batch_size=8,
            ),
            dict(
                type="Source",
                name="labels",
                dataset=dict(
                    type="CocoDataset",
                    ann_file="data/imagenet-lvis/annotations/imagenet_lvis_image_info.json",
                    image_dir="data/imagenet-lvis/ImageNet-LVIS",
                    vocabulary=vocabulary,
                    transforms=[
                        dict(type="RandomFlip"),
                        dict(type="ScaleJitter", low=0.5, high=1.5, size=320),
                    ],
                    filter_empty=True,
                ),
                batch_size=32,
                share=4,
                boxed=False,
            ),
        ],
    ),
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="CocoDataset",
        ann_file=f"{data_root}/val.json",
        image_dir=images,
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="LvisMetric", ann_file=f"{data_root}/val.json")],
)
