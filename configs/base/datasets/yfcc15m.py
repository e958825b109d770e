"""YFCC15M: 15 million pictures of Flickr with what their owners wrote, measured on COCO's captions.

The list is not published as pictures: whoever has them writes one JSON file of `file_name` and
`captions` (title and description). 15 million entries take about 4 GiB of memory a machine.

python tools/convert.py coco-captions  # the sentences it is measured on
"""

train = dict(
    dataset=dict(
        type="CaptionFileDataset",
        ann_file="data/yfcc15m/train.json",
        image_dir="data/yfcc15m/images",
        transforms=[
            dict(type="PickCaption"),
            dict(type="ResizeTo", height=224, width=224),
            dict(type="RandomFlip"),
            dict(type="ColorJitter"),
        ],
    ),
    batch_size=128,
    num_workers=8,
)
val = dict(
    dataset=dict(
        type="CaptionFileDataset",
        ann_file="data/coco-captions/val.json",
        image_dir="data/coco/val2017",
        transforms=[dict(type="ResizeTo", height=224, width=224)],
    ),
    batch_size=64,
    num_workers=2,
    metrics=[dict(type="RetrievalRecall")],
)
