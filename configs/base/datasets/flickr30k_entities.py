"""Flickr30k Entities: the phrases of captions and their boxes; one sample a sentence.

python tools/convert.py flickr30k-entities  # data/flickr30k to data/flickr30k-entities
"""

data_root = "data/flickr30k-entities"
images = "data/flickr30k/flickr30k-images"

train = dict(
    dataset=dict(
        type="PhraseDataset",
        ann_file=f"{data_root}/train.json",
        image_dir=images,
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=2,
    num_workers=4,
)
val = dict(
    dataset=dict(
        type="PhraseDataset",
        ann_file=f"{data_root}/val.json",
        image_dir=images,
        transforms=[dict(type="Resize", short=800, longest=1333)],
    ),
    batch_size=1,
    num_workers=2,
    metrics=[dict(type="PhraseRecall")],
)
