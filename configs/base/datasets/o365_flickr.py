"""Objects365 by its names beside the sentences of Flickr30k Entities.

Objects365's own files are read as they are; `python tools/convert.py flickr30k-entities` makes the
other. Measured are the phrases of Flickr30k's val.
"""

_shorts = (480, 560, 640, 720, 800)
_train = [dict(type="RandomResize", shorts=_shorts, longest=1333)]

train = dict(
    dataset=dict(
        type="MultiSource",
        sources=[
            dict(
                type="Source",
                name="names",
                dataset=dict(
                    type="CocoDataset",
                    ann_file="data/objects365/annotations/zhiyuan_objv2_train.json",
                    image_dir="data/objects365/train",
                    vocabulary="@objects365",
                    transforms=[dict(type="RandomFlip"), *_train],
                    filter_empty=True,
                    skip_bad=True,
                ),
                share=4,
            ),
            dict(
                type="Source",
                name="sentences",
                dataset=dict(
                    type="PhraseDataset",
                    ann_file="data/flickr30k-entities/train.json",
                    image_dir="data/flickr30k/flickr30k-images",
                    transforms=_train,
                ),
            ),
        ],
    ),
    batch_size=8,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="PhraseDataset",
        ann_file="data/flickr30k-entities/val.json",
        image_dir="data/flickr30k/flickr30k-images",
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="PhraseRecall")],
)
